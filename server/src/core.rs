//! Core: everything one core owns.
//! In: what the core loop hands on. Out: see `executor` (works), `router` (commands), `core_loop`.
//! Invariant: one thread owns all of it; nothing is shared with other cores but the mesh, the
//! claims of blocking commands and the process-wide `Shared`.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, AtomicUsize, Ordering};

use ringlet_protocol::reply::ReplyBuffer;
use ringlet_runtime::clock::{self, TickClock};
use ringlet_runtime::mesh::{Inbox, Mesh};
use ringlet_runtime::ring::{ListenerId, NetRing};
use ringlet_runtime::timers::TimerWheel;
use ringlet_runtime::wake::WakeHandle;

use crate::batches::Batches;
use crate::clients::Clients;
use crate::config::Config;
use crate::gauges::Gauges;
use crate::message::{ReplyBatch, RequestBatch, Work};
use crate::outbox::Outbox;
use crate::pubsub::Channels;
use crate::shard::Shard;
use crate::shard::blocked::WaiterId;
use crate::shard::locks::Ticket;
use crate::statistics::Statistics;

/// What all cores of the process share; each field is written rarely or by one core at a time.
pub struct Shared {
    /// Queues of requests.
    pub requests: Arc<Mesh<Box<RequestBatch>>>,
    /// Queues of replies.
    pub replies: Arc<Mesh<Box<ReplyBatch>>>,
    /// How to ring each core; filled while the cores start.
    pub bells: Vec<std::sync::OnceLock<WakeHandle>>,
    /// The next CLIENT ID.
    pub next_client_id: AtomicU64,
    /// Connections of all cores.
    pub clients: AtomicUsize,
    /// Cores with at least one MONITOR connection, so that the others need not format for nobody.
    pub monitors: AtomicUsize,
    /// An orderly shutdown has begun.
    pub is_stopping: AtomicBool,
    /// Cores whose clients are not all gone yet, during a shutdown.
    pub draining: AtomicUsize,
    /// Figures of each core for the admin listener.
    pub gauges: Vec<Gauges>,
    /// The next id of a slow log entry.
    pub next_slow_id: AtomicU64,
    /// Numbers transactions that span shards.
    pub next_transaction: AtomicU64,
    /// 40 hexadecimal digits, new in every run.
    pub run_id: String,
    /// Cluster node ids, one for each core.
    pub node_ids: Vec<String>,
    /// Most heap bytes of all cores together at a time, as far as ticks have seen it.
    pub peak_bytes: AtomicU64,
    /// Start of the process, wall clock in milliseconds.
    pub started_ms: i64,
    /// When somebody last warned that no connection can be accepted, monotonic clock in
    /// milliseconds.
    pub warned_ms: AtomicI64,
    /// The configuration at the start, for directives that cannot change.
    pub config: Arc<Config>,
    /// Asks the control thread for an orderly shutdown.
    pub control: crate::process::ControlSender,
}

impl Shared {
    /// Heap bytes of all cores together, one tick old at most.
    pub fn allocated_bytes(&self) -> u64 {
        let sum: i64 =
            self.gauges.iter().map(|gauges| gauges.allocated_bytes.load(Ordering::Relaxed)).sum();
        sum.max(0) as u64
    }

    /// Whether a warning that all cores may have to give is due: one per second of the process.
    pub fn may_warn(&self, monotonic_ms: i64) -> bool {
        let next = |warned_ms| (monotonic_ms - warned_ms >= 1000).then_some(monotonic_ms);
        self.warned_ms.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next).is_ok()
    }

    /// Notes the heap bytes in use if they are the most so far.
    pub fn note_peak(&self) {
        self.peak_bytes.fetch_max(self.allocated_bytes(), Ordering::Relaxed);
    }
}

/// What a timer of a core is for.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Timer {
    /// A blocking command has waited long enough.
    Wait(WaiterId),
}

/// Everything one core owns.
pub struct Core {
    /// Which core this is; also its shard's index.
    pub index: usize,
    /// Number of cores.
    pub cores: usize,
    /// Sockets.
    pub ring: NetRing,
    /// Requests for this core.
    pub inbox: Inbox<Box<RequestBatch>>,
    /// Replies for this core.
    pub reply_inbox: Inbox<Box<ReplyBatch>>,
    /// The keys.
    pub shard: Shard,
    /// The connections.
    pub clients: Clients,
    /// Who listens to which channel on this core.
    pub channels: Channels,
    /// What this core owes the others.
    pub outbox: Outbox,
    /// Requests that go out at the end of the pass.
    pub batches: Batches,
    /// The order of some connection's commands in `batches` must be fixed under the sequencer.
    pub needs_sequence: bool,
    /// Works that hold their keys and have not run.
    pub runnable: VecDeque<(Ticket, Work)>,
    /// Somebody up the stack performs `runnable`.
    pub is_performing: bool,
    /// Waiters to be submitted again over all their shards.
    pub resubmissions: Vec<WaiterId>,
    /// Time-outs.
    pub timers: TimerWheel<Timer>,
    /// Counters.
    pub statistics: Statistics,
    /// The configuration in force.
    pub config: Arc<Config>,
    /// What all cores share.
    pub shared: Arc<Shared>,
    /// Time per command.
    pub ticks: TickClock,
    /// Wall clock in milliseconds, read once per pass, and between works when commands have taken
    /// long: for expiry times and what clients are shown.
    pub now_ms: i64,
    /// Monotonic clock in milliseconds, read with the wall clock: for all that lasts or is to
    /// happen later, as the wall clock may be set.
    pub monotonic_ms: i64,
    /// Clock ticks that commands have taken since the clocks were read.
    pub ticks_since_clock: u64,
    /// How many of them make the clocks stale.
    pub clock_ticks_max: u64,
    /// Commands are held back (CLIENT PAUSE).
    pub pause: Option<Pause>,
    /// Scratch for replies of connection commands.
    pub scratch: ReplyBuffer,
    /// Emptied output buffers for reuse.
    pub spare_outputs: Vec<Vec<u8>>,
    /// Where this core accepts connections.
    pub listeners: Vec<ListenerId>,
    /// Those of them that are the shard's own ports.
    pub shard_listener: Vec<ListenerId>,
    /// A tick has come: a slice of active expiry is due.
    pub expire_due: bool,
    /// When freed memory goes back to the system next, if the core is idle, monotonic clock.
    pub next_purge_ms: i64,
    /// When all connections are looked at next, monotonic clock.
    pub next_check_ms: i64,
}

/// CLIENT PAUSE.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub struct Pause {
    /// Monotonic clock in milliseconds.
    pub until_ms: i64,
    /// Only commands that may write are held back.
    pub writes_only: bool,
}

impl Core {
    /// This core's index as it travels in messages.
    pub fn number(&self) -> u16 {
        self.index as u16
    }

    /// Reads the clock again when it has become stale. Called between works, so that each sees one
    /// time.
    #[inline]
    pub fn renew_clock(&mut self) {
        if self.ticks_since_clock > self.clock_ticks_max {
            self.read_clock();
        }
    }

    /// Reads the clocks.
    pub fn read_clock(&mut self) {
        self.ticks_since_clock = 0;
        self.now_ms = clock::wall_clock_ms();
        self.monotonic_ms = clock::monotonic_ms();
        self.shard.keyspace.accesses.advance(self.now_ms);
    }

    /// The shard that owns a key.
    #[inline]
    pub fn owner(&self, key: &[u8]) -> usize {
        if self.cores == 1 { 0 } else { owner_of_slot(ringlet_base::slot::slot(key), self.cores) }
    }
}

/// The shard that owns a slot: contiguous ranges whose lengths differ by one at most.
#[inline]
pub fn owner_of_slot(slot: u16, cores: usize) -> usize {
    usize::from(slot) * cores / usize::from(ringlet_base::slot::SLOT_COUNT)
}

/// The first and last slot of a core's range.
pub fn slots_of(core: usize, cores: usize) -> (u16, u16) {
    let count = usize::from(ringlet_base::slot::SLOT_COUNT);
    let first = (core * count).div_ceil(cores);
    let end = ((core + 1) * count).div_ceil(cores);
    (first as u16, (end - 1) as u16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_slot_has_the_owner_whose_range_holds_it() {
        for cores in [1, 2, 3, 4, 7, 64, 1000] {
            let mut next = 0;
            for core in 0..cores {
                let (first, last) = slots_of(core, cores);
                assert_eq!(first, next);
                for slot in first..=last {
                    assert_eq!(owner_of_slot(slot, cores), core, "slot {slot} of {cores} cores");
                }
                next = last + 1;
            }
            assert_eq!(next, 16384);
        }
    }
}
