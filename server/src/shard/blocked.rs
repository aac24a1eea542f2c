//! Blocked clients: who waits for which key of this shard, in the order in which they came.
//! In: commands that found nothing, notices of changed keys, cancellations.
//! Out: the keys that have become ready, and the waiter whose turn it is.
//! Invariant: a waiter is served by one shard only, whatever number of shards it waits on: the
//! shard that moves its `Claim` from waiting to taken. A taken claim is never given back. A client
//! that goes away cancels the claim, before its command runs as well as while it waits.

use std::collections::{BTreeSet, VecDeque};
use std::ops::Bound;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, OnceLock};

use ahash::{AHashMap, AHashSet};
use ringlet_protocol::reply::Reply;
use ringlet_runtime::timers::TimerId;

use crate::message::{Name, Origin, OwnedCommand};
use crate::shard::kind::ValueType;
use crate::shard::locks::Keys;

/// What a timed-out client gets.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum TimeoutReply {
    /// A null array (RESP2 `*-1`): BLPOP and its kin.
    NullArray,
    /// A null (RESP2 `$-1`): BLMOVE, BRPOPLPUSH.
    Null,
    /// The integer 0: WAIT.
    Zero,
}

impl TimeoutReply {
    /// Writes the reply.
    pub fn write(self, reply: &mut Reply<'_>) {
        match self {
            TimeoutReply::NullArray => reply.null_array(),
            TimeoutReply::Null => reply.null(),
            TimeoutReply::Zero => reply.integer(0),
        }
    }
}

/// What a command asks for when it has to wait.
#[derive(Clone, Debug)]
pub struct BlockRequest {
    /// The keys that can end the wait.
    pub keys: Vec<Box<[u8]>>,
    /// The type a key must have to end it.
    pub kind: ValueType,
    /// Milliseconds, 0 for ever.
    pub timeout_ms: i64,
    /// The reply when the time is over.
    pub on_timeout: TimeoutReply,
}

/// The right to answer one blocking command, shared by all shards it waits on and its connection.
#[derive(Debug)]
pub struct Claim {
    state: AtomicU8,
    /// Known once it waits.
    on_timeout: OnceLock<TimeoutReply>,
}

const RUNNING: u8 = 0;
const WAITING: u8 = 1;
const TAKEN: u8 = 2;

impl Claim {
    /// A claim of a command that runs for the first time and does not wait yet.
    pub fn new() -> Arc<Claim> {
        Arc::new(Claim { state: AtomicU8::new(RUNNING), on_timeout: OnceLock::new() })
    }

    /// The command has to wait from now on; false when its client has gone meanwhile.
    /// `on_timeout`: what it answers when it has waited in vain.
    #[must_use]
    pub fn wait(&self, on_timeout: TimeoutReply) -> bool {
        self.on_timeout.get_or_init(|| on_timeout);
        self.state.compare_exchange(RUNNING, WAITING, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    /// The client has gone: nobody may run the command or answer it any more.
    pub fn cancel(&self) {
        self.state.store(TAKEN, Ordering::Release);
    }

    /// True when the command was answered, or its client has gone.
    pub fn is_over(&self) -> bool {
        self.state.load(Ordering::Acquire) == TAKEN
    }

    /// True when the command has begun to wait at some time, whether or not it still does.
    pub fn has_waited(&self) -> bool {
        self.state.load(Ordering::Acquire) != RUNNING
    }

    /// True when the command waits and nobody has taken it.
    pub fn is_waiting(&self) -> bool {
        self.state.load(Ordering::Acquire) == WAITING
    }

    /// Takes the right to answer; false when it does not wait (yet, or any more).
    pub fn take(&self) -> bool {
        self.state.compare_exchange(WAITING, TAKEN, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    /// As [`Claim::take`], for whoever answers without having the waiter at hand: what the command
    /// answers when it has waited in vain.
    pub fn take_in_vain(&self) -> Option<TimeoutReply> {
        if self.take() { self.on_timeout.get().copied() } else { None }
    }
}

/// Whether a waiter can be served where it waits.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Resubmission {
    /// It runs on this shard.
    NotNeeded,
    /// It must be submitted again over all its shards.
    Needed,
    /// That is under way; those behind it wait for the outcome.
    UnderWay,
}

/// One blocked command on one shard.
#[derive(Clone)]
pub struct Waiter {
    /// Shared with the other shards that it waits on.
    pub claim: Arc<Claim>,
    /// Where the reply goes.
    pub origin: Origin,
    /// What to run when a key is ready.
    pub command: Arc<OwnedCommand>,
    /// What it asked for.
    pub request: BlockRequest,
    /// Whether it can run where it waits, or must be submitted again over all its shards.
    pub resubmission: Resubmission,
    /// The shards it waits on; empty when it waits on one only.
    pub shards: Arc<[u16]>,
    /// Ends the wait, on the one shard that keeps the time.
    pub timer: Option<TimerId>,
}

/// Names a waiter of one shard.
#[derive(Copy, Clone, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub struct WaiterId(u64);

/// Names in the order in which they came, each once.
#[derive(Default)]
struct Names {
    order: VecDeque<Name>,
    members: AHashSet<Name>,
}

impl Names {
    fn add(&mut self, name: &Name) {
        if self.members.insert(name.clone()) {
            self.order.push_back(name.clone());
        }
    }

    fn next(&mut self) -> Option<Name> {
        let name = self.order.pop_front()?;
        self.members.remove(&name);
        Some(name)
    }
}

/// Queues of waiters by key, and the keys that were changed since they were last looked at.
#[derive(Default)]
pub struct ReadyKeys {
    /// The order of the numbers is that in which they came.
    queues: AHashMap<Name, BTreeSet<WaiterId>>,
    ready: Names,
    recorded: Option<Names>,
}

impl ReadyKeys {
    /// Keys that somebody waits for.
    pub fn keys(&self) -> usize {
        self.queues.len()
    }

    /// True when nobody waits, so that changes need not be reported.
    #[inline]
    pub fn is_idle(&self) -> bool {
        self.queues.is_empty() && self.recorded.is_none()
    }

    /// A key has changed: if somebody waits for it, it is looked at when the command is over.
    pub fn changed(&mut self, db: usize, key: &[u8]) {
        let name = (db, Box::from(key));
        if let Some(recorded) = &mut self.recorded {
            recorded.add(&name);
        }
        self.look_at(&name);
    }

    /// Somebody has left the queue of a key that has not changed: whoever is behind may have his
    /// turn.
    pub fn look(&mut self, db: usize, key: &[u8]) {
        self.look_at(&(db, Box::from(key)));
    }

    /// Every key of these databases may have changed.
    pub fn all_changed(&mut self, is_affected: impl Fn(usize) -> bool) {
        let affected = self.queues.keys().filter(|(db, _)| is_affected(*db));
        let mut names: Vec<Name> = affected.cloned().collect();
        names.sort();
        names.iter().for_each(|name| self.look_at(name));
    }

    fn look_at(&mut self, name: &Name) {
        if self.queues.contains_key(name) {
            self.ready.add(name);
        }
    }

    /// From here on changes are written down for [`ReadyKeys::end_record`]: entries of other shards
    /// are here on loan, and their owners must hear what happened to them.
    pub fn begin_record(&mut self) {
        self.recorded = Some(Names::default());
    }

    /// The changes since [`ReadyKeys::begin_record`], each key once.
    pub fn end_record(&mut self) -> VecDeque<Name> {
        self.recorded.take().unwrap_or_default().order
    }

    /// The next key to look at.
    pub fn next_ready(&mut self) -> Option<Name> {
        self.ready.next()
    }

    /// Takes a waiter out of a key's queue.
    pub fn leave(&mut self, db: usize, key: &[u8], id: WaiterId) {
        let name = (db, Box::from(key));
        if let Some(queue) = self.queues.get_mut(&name) {
            queue.remove(&id);
            if queue.is_empty() {
                self.queues.remove(&name);
            }
        }
    }

    /// The first waiter of a key, or the first behind another one, which need not be there any
    /// more.
    pub fn next_waiter(&self, name: &Name, behind: Option<WaiterId>) -> Option<WaiterId> {
        let start = behind.map_or(Bound::Unbounded, Bound::Excluded);
        self.queues.get(name)?.range((start, Bound::Unbounded)).next().copied()
    }
}

/// All blocked commands of one shard.
#[derive(Default)]
pub struct Blocked {
    waiters: AHashMap<WaiterId, Waiter>,
    /// A client has one waiter at a time, but the news that its last one is over may come late.
    by_origin: AHashMap<Origin, WaiterId>,
    /// Keys to be looked at when the works that hold them end, by their locks.
    held: AHashMap<u64, Vec<Name>>,
    next: u64,
}

impl Blocked {
    /// A key was to be looked at, but somebody holds it: that is for later.
    pub fn look_later(&mut self, lock: u64, name: Name) {
        let names = self.held.entry(lock).or_default();
        if !names.contains(&name) {
            names.push(name);
        }
    }

    /// The holder of these keys is about to end: those of them are looked at that were not before.
    pub fn look_again(&mut self, ready: &mut ReadyKeys, keys: &Keys) {
        if self.held.is_empty() {
            return;
        }
        let names: Vec<Name> = match keys {
            Keys::All => self.held.drain().flat_map(|(_, names)| names).collect(),
            Keys::These(keys) => {
                keys.iter().flat_map(|key| self.held.remove(key)).flatten().collect()
            }
        };
        names.iter().for_each(|name| ready.look_at(name));
    }

    /// Adds a waiter at the end of the queue of each of `keys` (those of its keys that live here).
    pub fn add(&mut self, ready: &mut ReadyKeys, waiter: Waiter, keys: &[Box<[u8]>]) -> WaiterId {
        let id = WaiterId(self.next);
        self.next += 1;
        let db = waiter.command.header.db;
        for key in keys {
            ready.queues.entry((db, key.clone())).or_default().insert(id);
        }
        self.by_origin.insert(waiter.origin, id);
        self.waiters.insert(id, waiter);
        id
    }

    /// A waiter.
    pub fn get_mut(&mut self, id: WaiterId) -> Option<&mut Waiter> {
        self.waiters.get_mut(&id)
    }

    /// Notes the timer that ends a wait.
    pub fn set_timer(&mut self, id: WaiterId, timer: TimerId) {
        if let Some(waiter) = self.waiters.get_mut(&id) {
            waiter.timer = Some(timer);
        }
    }

    /// The waiter of this command.
    pub fn of(&self, origin: Origin) -> Option<WaiterId> {
        self.by_origin.get(&origin).copied()
    }

    /// Takes a waiter out of all its queues.
    pub fn remove(&mut self, ready: &mut ReadyKeys, id: WaiterId) -> Option<Waiter> {
        let waiter = self.waiters.remove(&id)?;
        self.by_origin.remove(&waiter.origin);
        for key in &waiter.request.keys {
            ready.leave(waiter.command.header.db, key, id);
        }
        Some(waiter)
    }
}

#[cfg(test)]
mod tests {
    use ringlet_protocol::arguments::ArgumentArena;
    use ringlet_protocol::reply::Version;

    use super::*;
    use crate::command::table;
    use crate::message::{Client, Header};
    use crate::shard::context::Caller;

    fn blpop(client: u32, sequence: u32, key: &[u8]) -> Waiter {
        let origin = Origin { client: Client { core: 0, index: client, generation: 0 }, sequence };
        let caller =
            Caller { client_id: 1, no_touch: false, may_block: true, is_cluster_client: false };
        let command = table::find(b"blpop").expect("there is BLPOP");
        let version = Version::Resp2;
        let header =
            Header { origin, command, db: 0, version, caller, is_counted: false, is_part: false };
        let mut arena = ArgumentArena::default();
        let words = arena.push_words(&[b"BLPOP", key, b"0"]);
        let request = BlockRequest {
            keys: vec![key.into()],
            kind: ValueType::List,
            timeout_ms: 0,
            on_timeout: TimeoutReply::NullArray,
        };
        Waiter {
            claim: Claim::new(),
            origin,
            command: Arc::new(OwnedCommand::new(&header, arena.get(words))),
            request,
            resubmission: Resubmission::NotNeeded,
            shards: Arc::from([]),
            timer: None,
        }
    }

    fn add(blocked: &mut Blocked, ready: &mut ReadyKeys, waiter: Waiter) -> WaiterId {
        let keys = waiter.request.keys.clone();
        blocked.add(ready, waiter, &keys)
    }

    #[test]
    fn a_look_at_a_key_is_no_change_of_it() {
        let mut ready = ReadyKeys::default();
        ready.begin_record();
        ready.look(0, b"left");
        ready.changed(0, b"changed");
        assert_eq!(ready.end_record(), [(0, Box::from(&b"changed"[..]))]);
    }

    #[test]
    fn late_news_about_a_wait_finds_it_though_its_client_waits_again() {
        let (mut blocked, mut ready) = (Blocked::default(), ReadyKeys::default());
        let (old, new) = (blpop(7, 1, b"old"), blpop(7, 2, b"new"));
        let (old_origin, new_origin) = (old.origin, new.origin);
        let old = add(&mut blocked, &mut ready, old);
        let new = add(&mut blocked, &mut ready, new);
        assert_eq!(blocked.of(old_origin), Some(old));
        assert!(blocked.remove(&mut ready, old).is_some());
        assert_eq!(blocked.of(old_origin), None);
        assert_eq!(blocked.of(new_origin), Some(new));
        assert!(blocked.remove(&mut ready, new).is_some());
        assert!(ready.is_idle(), "no queue is left");
    }

    #[test]
    fn a_queue_is_walked_in_order_while_its_waiters_leave() {
        let (mut blocked, mut ready) = (Blocked::default(), ReadyKeys::default());
        let ids: Vec<WaiterId> = (0..4)
            .map(|client| add(&mut blocked, &mut ready, blpop(client, 1, b"queue")))
            .collect();
        let name = (0, Box::from(b"queue".as_slice()));
        assert_eq!(ready.next_waiter(&name, None), Some(ids[0]));
        for gone in [ids[0], ids[1]] {
            assert!(blocked.remove(&mut ready, gone).is_some());
        }
        assert_eq!(ready.next_waiter(&name, Some(ids[0])), Some(ids[2]));
        assert_eq!(ready.next_waiter(&name, Some(ids[2])), Some(ids[3]));
        assert_eq!(ready.next_waiter(&name, Some(ids[3])), None);
        assert_eq!(ready.next_waiter(&(1, name.1), None), None);
    }

    #[test]
    fn changes_are_recorded_once_and_in_order() {
        let mut ready = ReadyKeys::default();
        ready.begin_record();
        for key in [b"b", b"a", b"b", b"c", b"a"] {
            ready.changed(0, key);
        }
        ready.changed(1, b"a");
        let names = |keys: &[(usize, &[u8])]| -> Vec<Name> {
            keys.iter().map(|(db, key)| (*db, Box::from(*key))).collect()
        };
        assert_eq!(ready.end_record(), names(&[(0, b"b"), (0, b"a"), (0, b"c"), (1, b"a")]));
        assert!(ready.is_idle());
        assert_eq!(ready.next_ready(), None, "nobody waits for any of them");
    }

    #[test]
    fn a_key_that_is_ready_is_looked_at_once_until_it_changes_again() {
        let mut ready = ReadyKeys::default();
        ready.queues.insert((0, Box::from(*b"k")), BTreeSet::from([WaiterId(0)]));
        for _ in 0..2 {
            ready.changed(0, b"k");
            ready.all_changed(|db| db == 0);
            assert_eq!(ready.next_ready(), Some((0, Box::from(*b"k"))));
            assert_eq!(ready.next_ready(), None);
        }
    }
}
