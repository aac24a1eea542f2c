//! Job: read a string and change its expiry.
//! In: the words `GETEX key` and an option.
//! Out: the string, null when the key is missing.
//! Invariant: a time in the past deletes the key.

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;

use crate::command::key_spec::access::{ACCESS, RW, UPDATE};
use crate::command::spec::{
    CommandError, CommandResult, Group, KeySpec, Keys, Run, Spec, flags, is_word,
};
use crate::command::string::support::ExpiryKind;
use crate::shard::context::Context;
use crate::shard::kind::ValueType;

/// `GETEX key [EX | PX | EXAT | PXAT time | PERSIST]`
pub const SPEC: Spec = Spec {
    name: "getex",
    arity: -2,
    keys: Keys(&[KeySpec {
        notes: "RW and UPDATE because it changes the TTL",
        ..KeySpec::at(1).with(RW | ACCESS | UPDATE)
    }]),
    flags: flags::WRITE | flags::FAST,
    categories: 0,
    group: Group::String,
    since: "6.2.0",
    complexity: "O(1)",
    summary: "Reads a string and sets or clears its expiry.",
    syntax: "key [EX seconds | PX milliseconds | EXAT unix-time-seconds | \
             PXAT unix-time-milliseconds | PERSIST]",
    examples: &[
        ("SET session data", "OK"),
        ("GETEX session EX 100", r#""data""#),
        ("TTL session", "(integer) 100"),
        ("GETEX session PERSIST", r#""data""#),
        ("TTL session", "(integer) -1"),
        ("GETEX session EX 0", "(error) ERR invalid expire time in 'getex' command"),
        ("GETEX session EXAT 1", r#""data""#),
        ("EXISTS session", "(integer) 0"),
        ("GETEX missing", "(nil)"),
    ],
    run: Run::Keys(run),
};

/// What becomes of the expiry.
#[derive(Copy, Clone)]
enum Change<'a> {
    Nothing,
    Persist,
    Expire(ExpiryKind, &'a [u8]),
}

/// Reads the options: at most one of them, though Redis lets it stand twice.
fn parse_options(options: Arguments<'_>) -> Result<Change<'_>, CommandError> {
    let mut change = Change::Nothing;
    let mut options = options.iter();
    while let Some(option) = options.next() {
        change = match (change, ExpiryKind::of_option(option)) {
            (Change::Nothing | Change::Persist, None) if is_word(option, "PERSIST") => {
                Change::Persist
            }
            (Change::Nothing, Some(kind)) => {
                Change::Expire(kind, options.next().ok_or(CommandError::SYNTAX)?)
            }
            (Change::Expire(old, _), Some(kind)) if old == kind => {
                Change::Expire(kind, options.next().ok_or(CommandError::SYNTAX)?)
            }
            _ => return Err(CommandError::SYNTAX),
        };
    }
    Ok(change)
}

fn run(context: &mut Context<'_>, words: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let key = &words[1];
    let change = parse_options(words.from(2))?;
    // The number is looked at only when there is a string, as in Redis.
    let expiry_ms = match change {
        Change::Expire(kind, number) if context.value_type(key) == Some(ValueType::String) => {
            Some(kind.resolve(number, context.now_ms, SPEC.name)?)
        }
        _ => None,
    };
    if !context.reply_string(key, reply)? {
        return Ok(());
    }
    match (change, expiry_ms) {
        (Change::Expire(..), Some(expiry_ms)) if expiry_ms <= context.now_ms => {
            context.remove(key);
        }
        (Change::Expire(..), expiry_ms) => context.set_expiry(key, expiry_ms),
        (Change::Persist, _) => persist(context, key),
        (Change::Nothing, _) => {}
    }
    Ok(())
}

fn persist(context: &mut Context<'_>, key: &[u8]) {
    if context.peek(key).is_some_and(|entry| entry.expiry().is_some()) {
        context.set_expiry(key, None);
    }
}
