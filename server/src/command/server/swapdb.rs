//! Job: exchange two databases.
//! In: the words `SWAPDB index1 index2`. Out: OK.
//! Invariant: all shards exchange theirs at one place of their queues; clients that wait for keys
//! or watch some see the other keys at once.

use ringlet_base::number::parse_i64;
use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;

use super::support::spec;
use crate::command::spec::{CommandError, CommandResult, Merge, Run, Spec, categories, flags};
use crate::shard::context::Context;

/// `SWAPDB index1 index2`
pub const SPEC: Spec = Spec {
    categories: categories::KEYSPACE | categories::DANGEROUS,
    since: "4.0.0",
    complexity: "O(N) where N is the number of clients that watch or wait for keys of either.",
    summary: "Exchanges two databases for all clients.",
    syntax: "index1 index2",
    examples: &[
        ("SET key value", "OK"),
        ("SWAPDB 0 1", "OK"),
        ("GET key", "(nil)"),
        ("SWAPDB 1 0", "OK"),
        ("GET key", "\"value\""),
        ("SWAPDB 0 99", "(error) ERR DB index is out of range"),
        ("SWAPDB one 0", "(error) ERR invalid first DB index"),
    ],
    ..spec("swapdb", 3, flags::WRITE | flags::FAST, Run::Everywhere(run, Merge::AllOk))
};

fn run(context: &mut Context<'_>, words: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    // As in Redis a number that is no 32-bit integer is invalid, not out of range.
    let number = |word| parse_i64(word).filter(|number| i32::try_from(*number).is_ok());
    let first = number(&words[1]).ok_or(CommandError::new("ERR invalid first DB index"))?;
    let second = number(&words[2]).ok_or(CommandError::new("ERR invalid second DB index"))?;
    let databases = context.keyspace.databases.len();
    let index = |number: i64| {
        usize::try_from(number)
            .ok()
            .filter(|index| *index < databases)
            .ok_or(CommandError::DB_OUT_OF_RANGE)
    };
    let (first, second) = (index(first)?, index(second)?);
    if first != second {
        context.keyspace.swap(first, second);
    }
    reply.ok();
    Ok(())
}
