//! Job: add bytes to the end of a string.
//! In: the words `APPEND key value`.
//! Out: the new length.
//! Invariant: the string never outgrows `proto-max-bulk-len`.

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;

use crate::command::key_spec::access::{INSERT, RW};
use crate::command::spec::{CommandResult, Group, KeySpec, Keys, Run, Spec, flags};
use crate::command::string::support::{bytes_of, check_length};
use crate::shard::context::Context;

/// `APPEND key value`
pub const SPEC: Spec = Spec {
    name: "append",
    arity: 3,
    keys: Keys(&[KeySpec::at(1).with(RW | INSERT)]),
    flags: flags::WRITE | flags::DENYOOM | flags::FAST,
    categories: 0,
    group: Group::String,
    since: "2.0.0",
    complexity: "O(1) amortized",
    summary: "Adds bytes to the end of a string; makes the string when there is none.",
    syntax: "key value",
    examples: &[
        ("APPEND greeting Hello", "(integer) 5"),
        (r#"APPEND greeting " World""#, "(integer) 11"),
        ("GET greeting", r#""Hello World""#),
        ("APPEND number 1", "(integer) 1"),
        ("OBJECT ENCODING number", r#""int""#),
        ("APPEND number 2", "(integer) 2"),
        ("OBJECT ENCODING number", r#""raw""#),
        ("RPUSH list a", "(integer) 1"),
        (
            "APPEND list b",
            "(error) WRONGTYPE Operation against a key holding the wrong kind of value",
        ),
    ],
    run: Run::Keys(run),
};

fn run(context: &mut Context<'_>, words: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let (key, tail, config) = (&words[1], &words[2], context.config);
    let Some(entry) = context.write(key) else {
        context.set_string_word(key, words, 2, None);
        reply.integer(tail.len() as i64);
        return Ok(());
    };
    let length = bytes_of(entry)?.len() + tail.len();
    check_length(config, Some(length))?;
    entry.append(tail);
    context.changed(key);
    reply.integer(length as i64);
    Ok(())
}
