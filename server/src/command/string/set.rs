//! Job: set a string.
//! In: the words `SET key value` and options.
//! Out: OK, null when a condition does not hold, or the old string with GET.
//! Invariant: nothing changes when an error is the reply; an old expiry is cleared without KEEPTTL.

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;

use crate::command::key_spec::access::{ACCESS, OW, RW, UPDATE};
use crate::command::spec::{
    CommandError, CommandResult, Group, KeySpec, Keys, Run, Spec, flags, is_word,
};
use crate::command::string::support::ExpiryKind;
use crate::shard::context::Context;

/// `SET key value [NX | XX] [GET] [EX | PX | EXAT | PXAT time | KEEPTTL]`
pub const SPEC: Spec = Spec {
    name: "set",
    arity: -3,
    keys: Keys(&[KeySpec {
        access_of: Some(access_of),
        notes: "RW and ACCESS due to the optional `GET` argument",
        ..KeySpec::at(1).with(RW | ACCESS | UPDATE)
    }]),
    flags: flags::WRITE | flags::DENYOOM,
    categories: 0,
    group: Group::String,
    since: "1.0.0",
    complexity: "O(1)",
    summary: "Sets a string, whatever the key held before; can ask conditions and set an expiry.",
    syntax: "key value [NX | XX] [GET] [EX seconds | PX milliseconds | \
             EXAT unix-time-seconds | PXAT unix-time-milliseconds | KEEPTTL]",
    examples: &[
        ("SET greeting Hello", "OK"),
        ("GET greeting", r#""Hello""#),
        ("SET greeting Hi EX 60", "OK"),
        ("TTL greeting", "(integer) 60"),
        ("SET greeting Hey KEEPTTL GET", r#""Hi""#),
        ("TTL greeting", "(integer) 60"),
        ("SET greeting Hey NX", "(nil)"),
        ("SET missing value XX", "(nil)"),
        ("SET missing value NX GET", "(nil)"),
        ("GET missing", r#""value""#),
        ("SET greeting Hey EX 0", "(error) ERR invalid expire time in 'set' command"),
        ("SET greeting Hey NX XX", "(error) ERR syntax error"),
    ],
    run: Run::Keys(run),
};

/// Only with GET does the caller see what was there.
fn access_of(words: Arguments<'_>) -> u32 {
    let gets = words.from(3).iter().any(|word| is_word(word, "GET"));
    if gets { RW | ACCESS | UPDATE } else { OW | UPDATE }
}

/// When the string is set at all.
#[derive(Copy, Clone, PartialEq, Eq)]
enum Condition {
    Always,
    IfMissing,
    IfExists,
}

/// What becomes of the expiry.
#[derive(Copy, Clone)]
enum Expiry<'a> {
    Clear,
    Keep,
    Set(ExpiryKind, &'a [u8]),
}

struct Options<'a> {
    condition: Condition,
    get: bool,
    expiry: Expiry<'a>,
}

/// Reads the options. As in Redis, an option may stand twice but not beside one that excludes it.
fn parse_options(options: Arguments<'_>) -> Result<Options<'_>, CommandError> {
    let mut parsed = Options { condition: Condition::Always, get: false, expiry: Expiry::Clear };
    let mut options = options.iter();
    while let Some(option) = options.next() {
        if is_word(option, "NX") && parsed.condition != Condition::IfExists {
            parsed.condition = Condition::IfMissing;
        } else if is_word(option, "XX") && parsed.condition != Condition::IfMissing {
            parsed.condition = Condition::IfExists;
        } else if is_word(option, "GET") {
            parsed.get = true;
        } else if is_word(option, "KEEPTTL") && !matches!(parsed.expiry, Expiry::Set(..)) {
            parsed.expiry = Expiry::Keep;
        } else {
            let kind = ExpiryKind::of_option(option).ok_or(CommandError::SYNTAX)?;
            match parsed.expiry {
                Expiry::Keep => return Err(CommandError::SYNTAX),
                Expiry::Set(other, _) if other != kind => return Err(CommandError::SYNTAX),
                _ => {}
            }
            let number = options.next().ok_or(CommandError::SYNTAX)?;
            parsed.expiry = Expiry::Set(kind, number);
        }
    }
    Ok(parsed)
}

fn run(context: &mut Context<'_>, words: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    if words.len() == 3 {
        context.set_string_word(&words[1], words, 2, None);
        reply.ok();
        return Ok(());
    }
    let key = &words[1];
    let options = parse_options(words.from(3))?;
    let new_expiry_ms = match options.expiry {
        Expiry::Set(kind, number) => Some(kind.resolve(number, context.now_ms, SPEC.name)?),
        Expiry::Clear | Expiry::Keep => None,
    };
    if options.get {
        context.reply_string(key, reply)?;
    }
    let old = context.write(key);
    let is_refused = match options.condition {
        Condition::Always => false,
        Condition::IfMissing => old.is_some(),
        Condition::IfExists => old.is_none(),
    };
    let expiry_ms = match options.expiry {
        Expiry::Keep => old.and_then(|entry| entry.expiry()),
        Expiry::Clear | Expiry::Set(..) => new_expiry_ms,
    };
    if !is_refused {
        context.set_string_word(key, words, 2, expiry_ms);
    }
    match (options.get, is_refused) {
        (true, _) => {}
        (false, true) => reply.null(),
        (false, false) => reply.ok(),
    }
    Ok(())
}
