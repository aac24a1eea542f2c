//! Job: set many strings.
//! In: the words `MSET key value [key value ...]`.
//! Out: OK.
//! Invariant: expiries are cleared; a key that stands twice gets its last value.

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;

use crate::command::key_spec::access::{OW, UPDATE};
use crate::command::spec::{
    CommandError, CommandResult, Group, KeySpec, Keys, Merge, Run, Spec, flags,
};
use crate::shard::context::Context;

/// `MSET key value [key value ...]`
pub const SPEC: Spec = Spec {
    name: "mset",
    arity: -3,
    keys: Keys(&[KeySpec::at(1).by(-1, 2).with(OW | UPDATE)]),
    flags: flags::WRITE | flags::DENYOOM,
    categories: 0,
    group: Group::String,
    since: "1.0.1",
    complexity: "O(N) where N is the number of keys",
    summary: "Sets many strings.",
    syntax: "key value [key value ...]",
    examples: &[
        ("MSET one 1 two 2", "OK"),
        ("GET two", r#""2""#),
        ("MSET one 3 one 4", "OK"),
        ("GET one", r#""4""#),
        ("MSET a 1 b", "(error) ERR wrong number of arguments for 'mset' command"),
    ],
    run: Run::Parts(run, Merge::AllOk),
};

fn run(context: &mut Context<'_>, words: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let pairs = words.from(1);
    if !pairs.len().is_multiple_of(2) {
        return Err(CommandError::arity(SPEC.name));
    }
    for value in (2..words.len()).step_by(2) {
        context.set_string_word(&words[value - 1], words, value, None);
    }
    reply.ok();
    Ok(())
}
