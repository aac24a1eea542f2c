//! Job: tell how the server is.
//! In: the words `INFO [section ...]`. Out: text in sections.
//! Invariant: every core counts its own part at one place of all queues; the parts are summed.

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;

use super::support::{ALWAYS, spec};
use crate::command::spec::{CommandResult, Merge, Run, Spec, categories, flags};
use crate::core::Core;
use crate::info::Wanted;
use crate::info::part::{self, Whole};
use crate::message::Header;

/// `INFO [section [section ...]]`
pub const SPEC: Spec = Spec {
    categories: categories::DANGEROUS,
    complexity: "O(N) where N is the number of connections and used commands.",
    summary: "Tells how the server is: figures of all cores together, on a core's own port its own.",
    syntax: "[section [section ...]]",
    examples: &[("INFO cluster", "# Cluster\ncluster_enabled:0"), ("INFO nothing", "\"\"")],
    ..spec(
        "info",
        -1,
        ALWAYS | flags::NODE_LOCAL | flags::WHOLE_SHARD,
        Run::EveryCore(run, Merge::With(merge)),
    )
};

fn run(
    core: &mut Core,
    header: &Header,
    words: Arguments<'_>,
    reply: &mut Reply<'_>,
) -> CommandResult {
    part::write(core, header, Wanted::of_words(words.from(1)), reply);
    Ok(())
}

fn merge(parts: &[&[u8]], reply: &mut Reply<'_>) {
    reply.verbatim(b"txt", Whole::of_parts(parts).text().as_bytes());
}
