//! Figures: the numbers that one core contributes, and how those of several become one.
//! In: a core. Out: numbers on the wire and back.
//! Invariant: a figure is declared once; order on the wire is the order of declaration.

use ringlet_protocol::reply::Reply;
use ringlet_runtime::memory;

use crate::core::Core;
use crate::info::part::Reader;

/// How two cores' figures become one.
fn sum(total: &mut i64, figure: i64) {
    *total += figure;
}

/// How two cores' figures become one when the larger counts, or both are the same.
fn max(total: &mut i64, figure: i64) {
    *total = figure.max(*total);
}

macro_rules! figures {
    ($($merge:ident $name:ident: $doc:literal,)*) => {
        /// Numbers of one core, or their sums.
        #[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
        pub struct Figures {
            $(#[doc = $doc] pub $name: i64,)*
        }

        impl Figures {
            /// Adds another core's numbers.
            pub fn add(&mut self, other: &Figures) {
                $($merge(&mut self.$name, other.$name);)*
            }

            /// Writes them as an array of integers.
            pub fn write(&self, reply: &mut Reply<'_>) {
                reply.array([$(stringify!($name)),*].len());
                $(reply.integer(self.$name);)*
            }

            /// Reads what `write` has written.
            pub fn read(mut reader: Reader<'_>) -> Figures {
                Figures { $($name: reader.integer(),)* }
            }
        }
    };
}

figures! {
    sum clients: "Connections.",
    sum blocked: "Connections with a blocking command under way.",
    sum timeouts: "Blocking commands with a timeout.",
    sum blocking_keys: "Keys that blocked clients wait for.",
    max input_max: "Largest input buffer in bytes.",
    max output_max: "Most bytes of replies that wait for one client.",
    sum client_bytes: "Bytes of input and output buffers.",
    sum monitors: "Connections that are shown all commands.",
    max clients_max: "`maxclients`",
    sum allocated: "Heap bytes.",
    sum startup: "Heap bytes after the start.",
    sum table_bytes: "Bytes of the tables of keys, without keys and values.",
    sum graves: "Objects that are being freed in the background.",
    sum freed: "Objects that were freed in the background.",
    sum keys: "Keys in all databases.",
    sum changes: "Changes of keys since the start.",
    sum connections: "Connections accepted.",
    sum rejected: "Connections refused because of `maxclients`.",
    sum commands: "Commands run.",
    sum commands_rate: "Commands per second.",
    sum input_bytes: "Bytes received.",
    sum output_bytes: "Bytes sent.",
    sum input_rate: "Bytes received per second.",
    sum output_rate: "Bytes sent per second.",
    sum errors: "Error replies.",
    sum expired: "Keys dropped because their time was over.",
    max expired_per_pass_max: "Most keys that active expiry has dropped in one pass.",
    sum expiry_cut_short: "Slices of active expiry that left something to do.",
    sum expiry_ms: "Milliseconds spent on active expiry.",
    sum reads: "Pieces of input received.",
    sum writes: "Pieces of output sent.",
    sum hits: "Reads that found their key.",
    sum misses: "Reads that did not.",
    sum query_limit_closed: "Clients closed because of their query buffer.",
    sum output_limit_closed: "Clients closed because of their output limit.",
    sum passes: "Passes of the loop.",
    max pass_us_max: "Longest pass of the loop in microseconds.",
    sum batches_sent: "Batches sent to other cores.",
    sum commands_sent: "Commands in them.",
    sum reply_batches_sent: "Batches of replies sent to other cores.",
    sum wakes_sent: "Cores that slept and were rung.",
    sum sequenced: "Times the sequencer was taken.",
    sum sequencer_waits: "Times another core held it.",
    sum sequencer_wait_ns: "Nanoseconds waited for it.",
}

impl Figures {
    /// The numbers of this core, now.
    pub fn of(core: &Core) -> Figures {
        let statistics = &core.statistics;
        let stats = &core.shard.keyspace.stats;
        let databases = &core.shard.keyspace.databases;
        let mut figures = Figures {
            clients: core.clients.len() as i64,
            blocked: core.clients.blocked_len() as i64,
            blocking_keys: core.shard.keyspace.ready.keys() as i64,
            timeouts: core.timers.len() as i64,
            monitors: core.clients.monitors.len() as i64,
            clients_max: core.config.clients_max as i64,
            allocated: memory::thread_allocated() as i64,
            startup: core.shared.gauges[core.index].startup_bytes(),
            graves: core.shard.keyspace.graveyard.len() as i64,
            freed: core.shard.keyspace.graveyard.freed() as i64,
            changes: stats.changes as i64,
            connections: statistics.connections as i64,
            rejected: statistics.connections_rejected as i64,
            commands: statistics.commands_run as i64,
            commands_rate: statistics.rates.commands as i64,
            input_bytes: statistics.input_bytes as i64,
            output_bytes: statistics.output_bytes as i64,
            input_rate: statistics.rates.input_bytes as i64,
            output_rate: statistics.rates.output_bytes as i64,
            errors: statistics.error_replies as i64,
            expired: stats.expired as i64,
            expired_per_pass_max: stats.expired_per_pass_max as i64,
            expiry_cut_short: stats.expiry_cut_short as i64,
            expiry_ms: (core.ticks.to_nanoseconds(statistics.expire_ticks) / 1_000_000) as i64,
            reads: statistics.reads as i64,
            writes: statistics.writes as i64,
            hits: stats.hits as i64,
            misses: stats.misses as i64,
            query_limit_closed: statistics.query_buffer_limit_disconnections as i64,
            output_limit_closed: statistics.output_limit_disconnections as i64,
            passes: statistics.passes as i64,
            pass_us_max: statistics.pass_us_max as i64,
            batches_sent: statistics.batches_sent as i64,
            commands_sent: statistics.commands_sent as i64,
            reply_batches_sent: statistics.reply_batches_sent as i64,
            wakes_sent: statistics.wakes_sent as i64,
            sequenced: statistics.sequenced as i64,
            sequencer_waits: statistics.sequencer_waits as i64,
            sequencer_wait_ns: statistics.sequencer_wait_ns as i64,
            ..Figures::default()
        };
        for database in databases {
            figures.keys += database.len() as i64;
            figures.table_bytes += database.table_bytes() as i64;
        }
        for connection in core.clients.iter() {
            let input = connection.input.capacity() + connection.parser.buffered_bytes();
            let output = connection.output_bytes();
            figures.input_max = figures.input_max.max(input as i64);
            figures.output_max = figures.output_max.max(output as i64);
            figures.client_bytes += (input + output) as i64;
        }
        figures
    }
}
