//! Job: list the keys that match a pattern.
//! In: the words `KEYS pattern`.
//! Out: an array in no particular order, merged from all shards.
//! Invariant: expired keys are left out.

use ringlet_base::glob;
use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;

use crate::command::spec::{CommandResult, Group, Keys, Merge, Run, Spec, categories, flags};
use crate::shard::context::Context;

/// `KEYS pattern`
pub const SPEC: Spec = Spec {
    name: "keys",
    arity: 2,
    keys: Keys::NONE,
    flags: flags::READONLY | flags::NODE_LOCAL,
    categories: categories::KEYSPACE | categories::DANGEROUS,
    group: Group::Generic,
    since: "1.0.0",
    complexity: "O(N) where N is the number of keys in the database",
    summary: "Lists the keys that match a glob pattern.",
    syntax: "pattern",
    examples: &[
        ("MSET one 1 two 2", "OK"),
        ("KEYS o*", r#"1) "one""#),
        ("KEYS [x-z]*", "(empty array)"),
    ],
    run: Run::Everywhere(run, Merge::Concatenate),
};

fn run(context: &mut Context<'_>, words: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let pattern = &words[1];
    let matches_all = glob::matches_everything(pattern);
    let array = reply.array_deferred();
    let mut count = 0;
    for entry in context.keyspace.databases[context.db].iter() {
        let is_shown = matches_all || glob::matches(pattern, entry.key());
        if is_shown && !entry.is_expired(context.now_ms) {
            reply.bulk(entry.key());
            count += 1;
        }
    }
    reply.close(array, count);
    Ok(())
}
