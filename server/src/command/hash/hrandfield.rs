//! Job: pick random fields of a hash.
//! In: the words `HRANDFIELD key [count [WITHVALUES]]`.
//! Out: a field, or an array of fields, with their values if asked for.
//! Invariant: a positive count picks different fields, a negative one exactly that many.

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::{Reply, Version};
use ringlet_store::Hash;

use crate::command::set::sampling::{Sample, fork_random, write_repeated};
use crate::command::spec::{CommandError, CommandResult, Group, Keys, Run, Spec, flags, is_word};
use crate::shard::context::Context;

/// `HRANDFIELD key [count [WITHVALUES]]`
pub const SPEC: Spec = Spec {
    name: "hrandfield",
    arity: -2,
    keys: Keys::FIRST,
    flags: flags::READONLY,
    categories: 0,
    group: Group::Hash,
    since: "6.2.0",
    complexity: "O(N) where N is the number of fields picked",
    summary: "Picks random fields of a hash.",
    syntax: "key [count [WITHVALUES]]",
    examples: &[
        ("HSET coin side heads", "(integer) 1"),
        ("HRANDFIELD coin", r#""side""#),
        ("HRANDFIELD coin 5", r#"1) "side""#),
        ("HRANDFIELD coin -2 WITHVALUES", "1) \"side\"\n2) \"heads\"\n3) \"side\"\n4) \"heads\""),
        ("HRANDFIELD missing", "(nil)"),
        ("HRANDFIELD missing 3", "(empty array)"),
        ("HRANDFIELD coin 1 VALUES", "(error) ERR syntax error"),
        ("SET string value", "OK"),
        (
            "HRANDFIELD string",
            "(error) WRONGTYPE Operation against a key holding the wrong kind of value",
        ),
        ("HRANDFIELD missing -9223372036854775807", "(empty array)"),
        ("HRANDFIELD coin -9223372036854775807", "(error) ERR value is out of range"),
    ],
    run: Run::Keys(run),
};

fn run(context: &mut Context<'_>, words: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let mut random = fork_random(context);
    let Some(word) = words.get(2) else {
        match context.get::<Hash>(&words[1])?.and_then(|hash| hash.random(&mut random)) {
            Some((field, _)) => reply.bulk(field),
            None => reply.null(),
        }
        return Ok(());
    };
    let sample = Sample::parse(word)?;
    let with_values = match words.get(3) {
        Some(option) if words.len() == 4 && is_word(option, "WITHVALUES") => true,
        None => false,
        Some(_) => return Err(CommandError::SYNTAX),
    };
    if with_values {
        sample.check_pairs()?;
    }
    let Some(hash) = context.get::<Hash>(&words[1])? else {
        reply.array(0);
        return Ok(());
    };
    let shape = Shape { with_values, nested: reply.version() == Version::Resp3 };
    match sample {
        Sample::Distinct(count) => {
            let count = count.min(hash.len());
            reply.array(shape.elements(count));
            hash.random_distinct(count, &mut random, |field, value| {
                shape.write(field, value, reply);
            });
        }
        Sample::Repeated(count) => {
            write_repeated(count, shape.elements(1), reply, |reply| {
                let Some((field, value)) = hash.random(&mut random) else { return 0 };
                shape.write(field, value, reply);
                field.len() + if with_values { value.len() } else { 0 }
            })?;
        }
    }
    Ok(())
}

/// How a pick looks in the reply.
#[derive(Copy, Clone)]
struct Shape {
    with_values: bool,
    /// RESP3: field and value stand in an array of their own.
    nested: bool,
}

impl Shape {
    /// Elements of the array that holds this many picks.
    fn elements(self, picks: usize) -> usize {
        if self.with_values && !self.nested { 2 * picks } else { picks }
    }

    fn write(self, field: &[u8], value: &[u8], reply: &mut Reply<'_>) {
        if self.with_values && self.nested {
            reply.array(2);
        }
        reply.bulk(field);
        if self.with_values {
            reply.bulk(value);
        }
    }
}
