//! Job: set many strings unless one of the keys exists.
//! In: the words `MSETNX key value [key value ...]`.
//! Out: 1 when all were set, 0 when none was.
//! Invariant: all or nothing, on however many shards the keys are.

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;

use crate::command::key_spec::access::{INSERT, OW};
use crate::command::spec::{CommandError, CommandResult, Group, KeySpec, Keys, Run, Spec, flags};
use crate::shard::context::Context;

/// `MSETNX key value [key value ...]`
pub const SPEC: Spec = Spec {
    name: "msetnx",
    arity: -3,
    keys: Keys(&[KeySpec::at(1).by(-1, 2).with(OW | INSERT)]),
    flags: flags::WRITE | flags::DENYOOM,
    categories: 0,
    group: Group::String,
    since: "1.0.1",
    complexity: "O(N) where N is the number of keys",
    summary: "Sets many strings, unless one of the keys exists.",
    syntax: "key value [key value ...]",
    examples: &[
        ("MSETNX one 1 two 2", "(integer) 1"),
        ("MSETNX two 3 three 3", "(integer) 0"),
        ("EXISTS three", "(integer) 0"),
        ("MSETNX one", "(error) ERR wrong number of arguments for 'msetnx' command"),
        ("MSETNX a 1 b", "(error) ERR wrong number of arguments for 'msetnx' command"),
    ],
    run: Run::Keys(run),
};

fn run(context: &mut Context<'_>, words: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let pairs = words.from(1);
    if !pairs.len().is_multiple_of(2) {
        return Err(CommandError::arity(SPEC.name));
    }
    let is_free = pairs.iter().step_by(2).all(|key| context.write(key).is_none());
    if is_free {
        for value in (2..words.len()).step_by(2) {
            context.set_string_word(&words[value - 1], words, value, None);
        }
    }
    reply.integer(i64::from(is_free));
    Ok(())
}
