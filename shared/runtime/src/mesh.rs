//! The queues between cores: one bounded queue with many producers and one consumer per core.
//!
//! Job: carry messages from any core to any core in the order of *reservation*. A producer first
//! reserves a place in every queue that a batch touches and only then publishes any message.
//! In: messages with their places. Out: each core's messages, in order, and whether to wake it.
//! Invariant: a place is published exactly once; the consumer takes places in order with no gap;
//! at most `capacity` places of a queue are reserved and not yet received.
//!
//! A slot's sequence number says whose turn it is: `position` (free for the producer who reserved
//! `position`), `position + 1` (published, for the consumer), `position + capacity` (free again,
//! one lap later). The number is written with Release after, and read with Acquire before, the
//! message is touched, so producer and consumer never touch a message at the same time.
//!
//! **Order.** Let P reserve in queue Y before it publishes in X. Whoever has seen an effect of P's
//! message in X has an (Acquire) happens-before chain from P's reservation in Y; its own
//! reservation in Y is a later read-modify-write of the same tail, hence stands behind P's.
//! Reservations inside [`Mesh::sequence`] are ordered by its lock, the same way in all queues.
//!
//! **Bound.** `reserve` is one wait-free `fetch_add`: it never waits and never fails. The callers'
//! credits keep the number of outstanding places within the capacity; should they fail to, then
//! `publish` finds the slot still in use by the lap before and panics: that is a bug, not a load.
//!
//! **Sleep.** The consumer sets its flag, fences (SeqCst), then looks whether its next place is
//! published. A producer publishes, fences (SeqCst), then looks at the flag. One of the two fences
//! comes first, so either the consumer sees the message or the producer sees the flag and rings.
//! A place that is reserved but not yet published (its producer may be preempted) does not keep
//! the consumer awake: it sleeps, and that producer rings when it publishes. Messages published
//! behind the gap may wake it early; it finds nothing, and sleeps again.

use std::cell::UnsafeCell;
use std::fmt;
use std::mem::MaybeUninit;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering, fence};

use crate::clock;

/// How often `sequence` looks at the lock before it lets another thread run. The lock is held for
/// tens of nanoseconds, so longer waits mean that its holder has lost its CPU.
const SPINS: u32 = 64;

/// Gives every mesh a number, so that a place cannot be published in another mesh than its own.
static NEXT_MESH: AtomicU32 = AtomicU32::new(0);

/// Keeps a value on cache lines of its own (two lines, for the adjacent-line prefetcher).
#[repr(align(128))]
struct Padded<T>(T);

impl<T> Deref for Padded<T> {
    type Target = T;
    #[inline]
    fn deref(&self) -> &T {
        &self.0
    }
}

/// One place in a queue. See the module header for the meaning of `sequence`.
struct Slot<T> {
    sequence: AtomicU64,
    message: UnsafeCell<MaybeUninit<T>>,
}

/// The queue of one core.
struct Queue<T> {
    /// The next position to be reserved; written by all producers.
    tail: Padded<AtomicU64>,
    /// The next position to be received; written by the owner only.
    head: Padded<AtomicU64>,
    /// Set while the owner sleeps or is about to.
    sleeping: Padded<AtomicBool>,
    slots: Box<[Slot<T>]>,
}

impl<T> Queue<T> {
    fn new(capacity: usize) -> Self {
        let slot = |position| Slot {
            sequence: AtomicU64::new(position),
            message: UnsafeCell::new(MaybeUninit::uninit()),
        };
        Self {
            tail: Padded(AtomicU64::new(0)),
            head: Padded(AtomicU64::new(0)),
            sleeping: Padded(AtomicBool::new(false)),
            slots: (0..capacity as u64).map(slot).collect(),
        }
    }

    #[inline]
    fn slot(&self, position: u64) -> &Slot<T> {
        // The number of slots is a power of two.
        &self.slots[position as usize & (self.slots.len() - 1)]
    }

    #[inline]
    fn is_published(&self, position: u64) -> bool {
        self.slot(position).sequence.load(Ordering::Acquire) == position + 1
    }
}

/// A reserved place in a core's queue. It must be published; to lose it would stop the queue.
#[must_use = "a reserved place must be published, or its queue stands still"]
#[derive(Debug)]
pub struct Place {
    position: u64,
    core: u32,
    mesh: u32,
}

impl Place {
    /// The core to whose queue the place belongs.
    #[inline]
    #[must_use]
    pub fn core(&self) -> usize {
        self.core as usize
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // While a panic unwinds, the process is about to end; a second panic would hide the first.
        assert!(
            std::thread::panicking(),
            "place {} of core {} was reserved but never published",
            self.position,
            self.core
        );
    }
}

/// The queues of all cores. Shared by all of them as an `Arc`; every method may be called by any
/// core unless it says otherwise.
pub struct Mesh<T> {
    queues: Box<[Queue<T>]>,
    sequencer: Padded<AtomicBool>,
    number: u32,
}

// SAFETY: messages are moved from the publishing thread to the receiving one (hence `T: Send`) and
// never shared: `publish` writes a slot only at its turn, by a unique `Place`, and `receive` reads
// it only at its turn, by the queue's only `Inbox`. All else is atomic.
unsafe impl<T: Send> Sync for Mesh<T> {}
// SAFETY: a mesh owns its messages; to move it is to move them, which `T: Send` allows.
unsafe impl<T: Send> Send for Mesh<T> {}

impl<T: Send> Mesh<T> {
    /// A mesh of `cores` queues with `capacity` places each, and the only inboxes, one per core.
    ///
    /// # Panics
    /// When `capacity` is not a power of two from 2 on, or there are 2^32 cores or meshes.
    #[must_use]
    pub fn new(cores: usize, capacity: usize) -> (Arc<Self>, Vec<Inbox<T>>) {
        // With one slot, "published" and "free one lap later" would be the same number.
        assert!(
            capacity.is_power_of_two() && capacity > 1,
            "mesh capacity {capacity} is not a power of two from 2 on"
        );
        assert!(u32::try_from(cores).is_ok(), "{cores} cores are too many");
        let number = NEXT_MESH.fetch_add(1, Ordering::Relaxed);
        assert!(number != u32::MAX, "mesh numbers are exhausted");
        let mesh = Arc::new(Self {
            queues: (0..cores).map(|_| Queue::new(capacity)).collect(),
            sequencer: Padded(AtomicBool::new(false)),
            number,
        });
        let inboxes =
            (0..cores).map(|core| Inbox { mesh: Arc::clone(&mesh), core, head: 0 }).collect();
        (mesh, inboxes)
    }

    /// The number of cores.
    #[must_use]
    pub fn cores(&self) -> usize {
        self.queues.len()
    }

    /// The number of places per queue.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.queues.first().map_or(0, |queue| queue.slots.len())
    }

    /// Reserves the next place in the queue of core `to`. Wait-free; it never fails.
    #[inline]
    pub fn reserve(&self, to: usize) -> Place {
        // Relaxed is enough: a counter's own changes have one order, and happens-before chains
        // between reservations are made by the messages and by the sequencer lock.
        let position = self.queues[to].tail.fetch_add(1, Ordering::Relaxed);
        Place { position, core: to as u32, mesh: self.number }
    }

    /// Puts `message` into its place. Reserve every place of a batch before publishing the first.
    /// Then ask [`Mesh::take_sleeper`] once per batch and core.
    ///
    /// # Panics
    /// When the place belongs to another mesh, or is still in use by the lap before: more places
    /// were reserved than the queue holds, a bug of the caller's credits.
    #[inline]
    pub fn publish(&self, place: Place, message: T) {
        assert!(place.mesh == self.number, "{place:?} belongs to another mesh");
        let queue = &self.queues[place.core as usize];
        let slot = queue.slot(place.position);
        assert!(
            slot.sequence.load(Ordering::Acquire) == place.position,
            "mesh queue of core {} overflows at place {}: {} places are too few for the credits",
            place.core,
            place.position,
            queue.slots.len()
        );
        // SAFETY: the sequence equals the position, so the slot is empty and it is the turn of the
        // producer that reserved this position. That is this call alone: a position is reserved
        // once, a `Place` is neither Clone nor constructible outside, and it ends here.
        unsafe { (*slot.message.get()).write(message) };
        slot.sequence.store(place.position + 1, Ordering::Release);
        std::mem::forget(place);
    }

    /// Whether nothing is reserved in the queue of `core` that its inbox has not received. Exact
    /// when called by the owner of that inbox; a hint to everybody else.
    #[inline]
    #[must_use]
    pub fn is_empty(&self, core: usize) -> bool {
        self.backlog(core) == 0
    }

    /// The places of the queue of `core` that are reserved and not yet received.
    #[inline]
    #[must_use]
    pub fn backlog(&self, core: usize) -> u64 {
        let queue = &self.queues[core];
        // Head first: the tail never falls behind a head that was read before it.
        let head = queue.head.load(Ordering::Acquire);
        queue.tail.load(Ordering::Relaxed) - head
    }

    /// Runs `reserve_all` alone among all callers of this mesh. All queues thus see the batches
    /// that reserve here in one order. Keep it to reservations: tens of nanoseconds. It must not
    /// nest, for that waits for itself. Also says how many nanoseconds it waited for others: 0 only
    /// if the lock was free, and then no clock was read.
    #[inline]
    pub fn sequence<R>(&self, reserve_all: impl FnOnce() -> R) -> (R, u64) {
        /// Gives the lock back also when the closure panics.
        struct Unlock<'a>(&'a AtomicBool);
        impl Drop for Unlock<'_> {
            fn drop(&mut self) {
                self.0.store(false, Ordering::Release);
            }
        }
        let is_free = !self.sequencer.swap(true, Ordering::Acquire);
        let waited_ns = if is_free { 0 } else { self.await_sequencer() };
        let _unlock = Unlock(&self.sequencer);
        (reserve_all(), waited_ns)
    }

    /// Takes the sequencer, which somebody holds; the nanoseconds that took, at least 1.
    #[cold]
    fn await_sequencer(&self) -> u64 {
        let started_ns = clock::monotonic_ns();
        let mut spins = 0;
        loop {
            while self.sequencer.load(Ordering::Relaxed) {
                if spins < SPINS {
                    spins += 1;
                    std::hint::spin_loop();
                } else {
                    std::thread::yield_now();
                }
            }
            if !self.sequencer.swap(true, Ordering::Acquire) {
                return (clock::monotonic_ns() - started_ns).max(1);
            }
        }
    }

    /// Whether `core` sleeps or is about to. A hint; to wake it, use [`Mesh::take_sleeper`].
    #[must_use]
    pub fn is_sleeping(&self, core: usize) -> bool {
        self.queues[core].sleeping.load(Ordering::Relaxed)
    }

    /// Call after the last `publish` of a batch for `core`: whether the caller has to ring it.
    /// True for one caller only per sleep of that core, on whom all others rely: ring at once. With
    /// [`NetRing::wake`](crate::ring::NetRing::wake), submit before anything that may take long.
    #[inline]
    #[must_use]
    pub fn take_sleeper(&self, core: usize) -> bool {
        // Pairs with the fence in `prepare_sleep`; see the module header.
        fence(Ordering::SeqCst);
        let sleeping = &self.queues[core].sleeping;
        sleeping.load(Ordering::Relaxed) && sleeping.swap(false, Ordering::Relaxed)
    }
}

impl<T> Drop for Mesh<T> {
    fn drop(&mut self) {
        for queue in &mut self.queues {
            let (head, tail) = (*queue.head.0.get_mut(), *queue.tail.0.get_mut());
            for position in head..tail {
                if queue.is_published(position) {
                    // SAFETY: published and never received, so the slot holds a message; nobody
                    // else has access any more.
                    unsafe { (*queue.slot(position).message.get()).assume_init_drop() };
                }
            }
        }
    }
}

impl<T> fmt::Debug for Mesh<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cores = self.queues.len();
        formatter.debug_struct("Mesh").field("number", &self.number).field("cores", &cores).finish()
    }
}

/// The receiving end of one core's queue. There is one per core, and it belongs to that core.
#[derive(Debug)]
pub struct Inbox<T> {
    mesh: Arc<Mesh<T>>,
    core: usize,
    /// The same as the queue's head, without the shared memory.
    head: u64,
}

impl<T> Inbox<T> {
    #[inline]
    fn queue(&self) -> &Queue<T> {
        &self.mesh.queues[self.core]
    }

    /// The core to which this inbox belongs.
    #[must_use]
    pub fn core(&self) -> usize {
        self.core
    }

    /// The next message in order of reservation. `None` when the next place is not published yet,
    /// even if places behind it are.
    #[inline]
    pub fn receive(&mut self) -> Option<T> {
        let position = self.head;
        let queue = self.queue();
        if !queue.is_published(position) {
            return None;
        }
        let slot = queue.slot(position);
        // SAFETY: the place is published (read with Acquire), so the slot holds a message, and it
        // is the turn of the consumer, of whom there is one: `Inbox` is not Clone and `&mut` here.
        // The message is read once, for the sequence moves on before anybody looks again.
        let message = unsafe { (*slot.message.get()).assume_init_read() };
        slot.sequence.store(position + queue.slots.len() as u64, Ordering::Release);
        queue.head.store(position + 1, Ordering::Release);
        self.head = position + 1;
        Some(message)
    }

    /// Whether nothing is reserved that has not been received. Every reservation that happened
    /// before this call (in the sense of the memory model) is counted.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.queue().tail.load(Ordering::Relaxed) == self.head
    }

    /// Announces that the core is about to sleep. True: it may sleep, and whoever publishes from
    /// now on will ring it. False: a message is there, and the announcement is taken back.
    #[inline]
    #[must_use]
    pub fn prepare_sleep(&self) -> bool {
        let queue = self.queue();
        queue.sleeping.store(true, Ordering::Relaxed);
        // Pairs with the fence in `take_sleeper`; see the module header.
        fence(Ordering::SeqCst);
        if queue.is_published(self.head) {
            self.awake();
            return false;
        }
        true
    }

    /// Takes the announcement back after a sleep, whatever ended it.
    #[inline]
    pub fn awake(&self) {
        self.queue().sleeping.store(false, Ordering::Relaxed);
    }
}

#[cfg(test)]
#[path = "mesh_tests.rs"]
mod tests;
