//! Gauges: figures of one core that other threads may read at any time.
//! In: the core's own statistics, on each tick. Out: numbers for the admin listener.
//! Invariant: written by one core only; readers see each number whole, perhaps one tick old.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};

use ringlet_runtime::memory;

use crate::clients::Clients;
use crate::shard::keyspace::Keyspace;
use crate::statistics::Statistics;

/// Figures of one core.
#[derive(Default)]
pub struct Gauges {
    /// When the core last wrote these, monotonic clock in milliseconds; 0 before the first time.
    pub written_ms: AtomicI64,
    /// Connections.
    pub clients: AtomicU64,
    /// Connections with a blocking command under way.
    pub blocked: AtomicU64,
    /// Connections refused because of `maxclients`.
    pub rejected: AtomicU64,
    /// Connections accepted since the start.
    pub connections: AtomicU64,
    /// Commands run.
    pub commands: AtomicU64,
    /// Bytes received.
    pub input_bytes: AtomicU64,
    /// Bytes sent.
    pub output_bytes: AtomicU64,
    /// Error replies.
    pub errors: AtomicU64,
    /// Keys in all databases.
    pub keys: AtomicU64,
    /// Keys with a time to live.
    pub expires: AtomicU64,
    /// Keys dropped because their time was over.
    pub expired: AtomicU64,
    /// Reads that found their key.
    pub hits: AtomicU64,
    /// Reads that did not.
    pub misses: AtomicU64,
    /// Heap bytes: what this core's thread has allocated less what it has freed. One core's figure
    /// may be negative (it freed what another had allocated); the sum is right.
    pub allocated_bytes: AtomicI64,
    /// The same after the start, before the first client.
    startup_bytes: AtomicI64,
    /// Longest pass of the loop in microseconds.
    pub pass_us_max: AtomicU64,
    /// Passes of the loop.
    pub passes: AtomicU64,
    /// Batches sent to other cores.
    pub batches_sent: AtomicU64,
    /// Commands sent to other cores.
    pub commands_sent: AtomicU64,
    /// Batches of replies sent to other cores.
    pub reply_batches_sent: AtomicU64,
    /// Cores that slept and were rung.
    pub wakes_sent: AtomicU64,
    /// Times the sequencer was taken.
    pub sequenced: AtomicU64,
    /// Times another core held it.
    pub sequencer_waits: AtomicU64,
}

impl Gauges {
    /// Notes that the core is ready to serve; call it on the core's thread.
    pub fn started(&self, monotonic_ms: i64) {
        self.written_ms.store(monotonic_ms, Relaxed);
        self.startup_bytes.store(memory::thread_allocated() as i64, Relaxed);
    }

    /// Heap bytes of the core when it was ready to serve.
    pub fn startup_bytes(&self) -> i64 {
        self.startup_bytes.load(Relaxed)
    }

    /// Writes the core's figures; call it on the core's thread.
    pub fn store(
        &self,
        monotonic_ms: i64,
        statistics: &Statistics,
        clients: &Clients,
        keyspace: &Keyspace,
    ) {
        self.written_ms.store(monotonic_ms, Relaxed);
        self.clients.store(clients.len() as u64, Relaxed);
        self.rejected.store(statistics.connections_rejected, Relaxed);
        self.connections.store(statistics.connections, Relaxed);
        self.commands.store(statistics.commands_run, Relaxed);
        self.input_bytes.store(statistics.input_bytes, Relaxed);
        self.output_bytes.store(statistics.output_bytes, Relaxed);
        self.errors.store(statistics.error_replies, Relaxed);
        self.allocated_bytes.store(memory::thread_allocated() as i64, Relaxed);
        self.pass_us_max.store(statistics.pass_us_max, Relaxed);
        self.passes.store(statistics.passes, Relaxed);
        self.batches_sent.store(statistics.batches_sent, Relaxed);
        self.commands_sent.store(statistics.commands_sent, Relaxed);
        self.reply_batches_sent.store(statistics.reply_batches_sent, Relaxed);
        self.wakes_sent.store(statistics.wakes_sent, Relaxed);
        self.sequenced.store(statistics.sequenced, Relaxed);
        self.sequencer_waits.store(statistics.sequencer_waits, Relaxed);
        if !keyspace.is_stand_in {
            self.store_keyspace(keyspace);
        }
    }

    fn store_keyspace(&self, keyspace: &Keyspace) {
        let keys = keyspace.databases.iter().map(|database| database.len() as u64).sum();
        let expires = keyspace.databases.iter().map(|database| database.expires_len() as u64).sum();
        self.keys.store(keys, Relaxed);
        self.expires.store(expires, Relaxed);
        self.expired.store(keyspace.stats.expired, Relaxed);
        self.hits.store(keyspace.stats.hits, Relaxed);
        self.misses.store(keyspace.stats.misses, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use ringlet_store::{Entry, KeyHasher};

    use super::*;
    use crate::shard::keyspace::KeyspaceSettings;

    #[test]
    fn figures_of_keys_stay_while_the_keyspace_is_lent() {
        let limits = Arc::new(ringlet_store::Limits::new(KeyHasher::new([1, 2, 3, 4])));
        let settings =
            KeyspaceSettings { databases: 2, limits, shard_index: 0, shard_count: 1, seed: 1 };
        let mut keyspace = Keyspace::new(&settings);
        keyspace.insert_entry(0, Entry::string(b"stays", b"", None));
        keyspace.insert_entry(1, Entry::string(b"goes", b"", Some(1)));
        keyspace.stats.hits = 3;
        let (gauges, clients) = (Gauges::default(), Clients::default());
        let mut statistics = Statistics::new();
        let shown = |gauges: &Gauges| {
            let all = [&gauges.keys, &gauges.expires, &gauges.hits, &gauges.passes];
            all.map(|gauge| gauge.load(Relaxed))
        };
        gauges.store(1, &statistics, &clients, &keyspace);
        assert_eq!(shown(&gauges), [2, 1, 3, 0]);
        statistics.passes = 7;
        gauges.store(2, &statistics, &clients, &keyspace.stand_in());
        assert_eq!(shown(&gauges), [2, 1, 3, 7]);
        assert_eq!(gauges.written_ms.load(Relaxed), 2, "the core lives");
        keyspace.take_entry(0, b"stays");
        gauges.store(3, &statistics, &clients, &keyspace);
        assert_eq!(shown(&gauges), [1, 1, 3, 7]);
    }
}
