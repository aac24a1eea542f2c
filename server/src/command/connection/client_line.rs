//! The line that CLIENT LIST and CLIENT INFO show for a connection.
//! In: a connection and its socket. Out: `id=3 addr=127.0.0.1:6 ... lib-ver=`, with a line end.
//! Invariant: the fields are those of Redis 7.2 in its order; bytes are what this process holds.

use std::fmt::Write;

use ringlet_protocol::reply::{ReplyPosition, Version};
use ringlet_runtime::ring::NetRing;

use crate::connection::{Connection, Ending, Queued};

/// Bytes of memory that a connection holds, by what they are for.
struct Memory {
    /// Input that waits to be parsed, and room for more.
    input: usize,
    input_free: usize,
    /// Words of a command that has not come to its end.
    words: usize,
    /// Commands between MULTI and EXEC.
    queued: usize,
    /// The buffer of replies, and what is written in it.
    output: usize,
    output_used: usize,
    /// Bytes that the ring sends just now.
    sending: usize,
    /// Large values that ride along with the replies.
    shared: usize,
    shared_count: usize,
    /// Names and subscriptions.
    names: usize,
}

impl Memory {
    fn of(connection: &Connection) -> Memory {
        let Connection { input, output, .. } = connection;
        let (shared_count, shared) = output.shared_values();
        let subscriptions = connection.channels.iter().chain(&connection.patterns);
        Memory {
            input: input.len(),
            input_free: input.capacity() - input.len(),
            words: connection.parser.buffered_bytes(),
            queued: connection.transaction.as_ref().map_or(0, Queued::held_bytes),
            output: output.capacity(),
            output_used: output.copied_bytes(output.since(ReplyPosition::default())).len(),
            sending: connection.sending_bytes,
            shared,
            shared_count,
            names: connection.name.len()
                + connection.library_name.len()
                + connection.library_version.len()
                + connection.address.len()
                + connection.local_address.len()
                + subscriptions.map(|name| name.len()).sum::<usize>(),
        }
    }

    fn total(&self) -> usize {
        size_of::<Connection>()
            + self.input
            + self.input_free
            + self.words
            + self.queued
            + self.output
            + self.sending
            + self.shared
            + self.names
    }
}

/// The line of a connection.
pub fn client_line(ring: &NetRing, connection: &Connection, monotonic_ms: i64) -> String {
    let memory = Memory::of(connection);
    let seconds_since = |then_ms: i64| (monotonic_ms - then_ms).max(0) / 1000;
    let is_sending = connection.sending_bytes > 0;
    let mut line = String::with_capacity(320);
    let mut field = |name: &str, value: &dyn std::fmt::Display| {
        let separator = if line.is_empty() { "" } else { " " };
        write!(line, "{separator}{name}={value}").expect("a string takes all that is written");
    };
    field("id", &connection.id);
    field("addr", &connection.address);
    field("laddr", &connection.local_address);
    field("fd", &ring.descriptor_number(connection.socket).unwrap_or(-1));
    field("name", &connection.name);
    field("age", &seconds_since(connection.created_ms));
    field("idle", &seconds_since(connection.active_ms));
    field("flags", &flags_of(connection));
    field("db", &connection.db);
    field("sub", &connection.channels.len());
    field("psub", &connection.patterns.len());
    field("ssub", &0);
    field("multi", &connection.transaction.as_ref().map_or(-1, |it| it.commands.len() as i64));
    field("qbuf", &memory.input);
    field("qbuf-free", &memory.input_free);
    field("argv-mem", &memory.words);
    field("multi-mem", &memory.queued);
    field("rbs", &memory.output);
    field("rbp", &memory.output.max(memory.sending));
    field("obl", &memory.output_used);
    field("oll", &(memory.shared_count + usize::from(is_sending)));
    field("omem", &(memory.shared + memory.sending));
    field("tot-mem", &memory.total());
    field("events", &if is_sending { "rw" } else { "r" });
    field("cmd", &connection.last_command.map_or("NULL", |command| command.name.as_str()));
    field("user", &"default");
    field("redir", &-1);
    field("resp", &if connection.version == Version::Resp2 { 2 } else { 3 });
    field("lib-name", &connection.library_name);
    field("lib-ver", &connection.library_version);
    line.push('\n');
    line
}

/// One letter for each state; N for none.
fn flags_of(connection: &Connection) -> String {
    let is_blocked = connection.waiting.as_ref().is_some_and(|it| it.claim.is_waiting());
    let states = [
        (connection.is_monitor, 'O'),
        (connection.subscriptions() > 0, 'P'),
        (connection.transaction.is_some(), 'x'),
        (is_blocked, 'b'),
        (connection.ending == Ending::AfterReplies, 'c'),
        (connection.is_unix, 'U'),
        (connection.is_readonly, 'r'),
        (connection.no_evict, 'e'),
        (connection.no_touch, 'T'),
    ];
    let flags: String = states.iter().filter(|(is_set, _)| *is_set).map(|(_, it)| it).collect();
    if flags.is_empty() { "N".into() } else { flags }
}
