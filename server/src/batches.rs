//! Batches: what this core has for the shards' queues, and how much more each of them takes.
//! In: commands and works as they are routed, worked-off batches that come back. Out: one batch for
//! each shard at the end of a pass; the connections to be tried again when a shard takes more.
//! Invariant: at most this core's share of a queue's places is on its way there or worked off
//! there, so a batch for an open shard leaves at the end of the pass, whatever the other cores do.

use ringlet_protocol::arguments::Arguments;

use crate::limits::{BATCH_COMMANDS_MAX, SHORT_BATCH_COMMANDS_MAX, SPARE_BATCHES_PER_CORE};
use crate::message::{Header, Item, RequestBatch, Work};

/// What this core has for all shards, its own included.
pub struct Batches {
    from: u16,
    outgoing: Vec<Outgoing>,
    /// Shards that are not open.
    closed: usize,
    /// Emptied batches for reuse.
    #[expect(clippy::vec_box, reason = "the boxes travel to other cores as they are")]
    spare: Vec<Box<RequestBatch>>,
    /// Places of connections that waited for a shard which takes more now.
    admitted: Vec<u32>,
}

/// What this core has for one shard.
struct Outgoing {
    batch: Box<RequestBatch>,
    /// Something in the batch may take long.
    may_take_long: bool,
    /// Batches that may be sent before one comes back.
    credits: usize,
    is_open: bool,
    /// Places of connections whose next command waits until the shard is open.
    waiting: Vec<u32>,
}

impl Batches {
    /// For core `from` of `cores`; each of their queues holds `capacity` batches.
    pub fn new(from: u16, cores: usize, capacity: usize) -> Batches {
        let outgoing = |_| Outgoing {
            batch: Box::new(RequestBatch { from, ..RequestBatch::default() }),
            may_take_long: false,
            credits: capacity / cores,
            is_open: true,
            waiting: Vec::new(),
        };
        let outgoing = (0..cores).map(outgoing).collect();
        Batches { from, outgoing, closed: 0, spare: Vec::new(), admitted: Vec::new() }
    }

    /// Adds a plain command for a shard.
    pub fn push_command(&mut self, shard: usize, header: Header, words: Arguments<'_>) {
        let batch = &mut self.outgoing[shard].batch;
        let range = batch.arena.push(&words);
        self.push(shard, Item::Command(header, range));
    }

    /// Adds a command made of some words of another, by their indices.
    pub fn push_part(
        &mut self,
        shard: usize,
        header: Header,
        words: Arguments<'_>,
        indices: &[usize],
    ) {
        let batch = &mut self.outgoing[shard].batch;
        let range = batch.arena.push_selected(&words, indices);
        self.push(shard, Item::Command(header, range));
    }

    /// Adds a work. One that nobody's reply depends on may go to a shard that is not open: it
    /// leaves when the shard takes more.
    pub fn push_work(&mut self, shard: usize, work: Work) {
        self.push(shard, Item::Work(work));
    }

    #[inline]
    fn push(&mut self, shard: usize, item: Item) {
        let Outgoing { batch, may_take_long, .. } = &mut self.outgoing[shard];
        *may_take_long |= !matches!(&item, Item::Command(header, _) if header.command.is_short);
        batch.items.push(item);
        *may_take_long |= batch.items.len() > SHORT_BATCH_COMMANDS_MAX;
        if batch.items.len() >= BATCH_COMMANDS_MAX {
            self.look_at(shard);
        }
    }

    /// True when every shard takes more.
    #[inline]
    pub fn are_all_open(&self) -> bool {
        self.closed == 0
    }

    /// True when a shard takes more.
    pub fn is_open(&self, shard: usize) -> bool {
        self.outgoing[shard].is_open
    }

    /// True when something in the batch for a shard may take so long that others would notice.
    pub fn may_take_long(&self, shard: usize) -> bool {
        self.outgoing[shard].may_take_long
    }

    /// Opens or closes a shard after something has changed.
    fn look_at(&mut self, shard: usize) {
        let outgoing = &mut self.outgoing[shard];
        let is_open = outgoing.credits > 0 && outgoing.batch.items.len() < BATCH_COMMANDS_MAX;
        if is_open == outgoing.is_open {
            return;
        }
        outgoing.is_open = is_open;
        if is_open {
            self.closed -= 1;
            self.admitted.append(&mut outgoing.waiting);
        } else {
            self.closed += 1;
        }
    }

    /// The connection at this place is to be tried again when the shard is open.
    pub fn await_room(&mut self, shard: usize, place: u32) {
        self.outgoing[shard].waiting.push(place);
    }

    /// The connection at this place does not wait for the shard any more.
    pub fn forget(&mut self, shard: usize, place: u32) {
        self.outgoing[shard].waiting.retain(|waiting| *waiting != place);
    }

    /// True when some connection has waited for a shard that takes more now.
    pub fn has_admitted(&self) -> bool {
        !self.admitted.is_empty()
    }

    /// The places of the connections that have waited for shards which take more now.
    pub fn take_admitted(&mut self) -> Vec<u32> {
        std::mem::take(&mut self.admitted)
    }

    /// The shards for which there is a batch that may leave.
    pub fn ready(&self) -> impl Iterator<Item = usize> {
        let is_ready = |(shard, outgoing): (usize, &Outgoing)| {
            (outgoing.credits > 0 && !outgoing.batch.items.is_empty()).then_some(shard)
        };
        self.outgoing.iter().enumerate().filter_map(is_ready)
    }

    /// Takes the batch for a shard that is among [`Batches::ready`].
    pub fn take(&mut self, shard: usize) -> Box<RequestBatch> {
        let mut fresh = self.spare.pop().unwrap_or_default();
        fresh.from = self.from;
        let outgoing = &mut self.outgoing[shard];
        outgoing.credits -= 1;
        outgoing.may_take_long = false;
        let batch = std::mem::replace(&mut outgoing.batch, fresh);
        self.look_at(shard);
        batch
    }

    /// A shard gives back batches that it has worked off.
    pub fn come_back(
        &mut self,
        shard: usize,
        spent: impl ExactSizeIterator<Item = Box<RequestBatch>>,
    ) {
        if spent.len() == 0 {
            return;
        }
        self.outgoing[shard].credits += spent.len();
        let room = (self.outgoing.len() * SPARE_BATCHES_PER_CORE).saturating_sub(self.spare.len());
        self.spare.extend(spent.take(room));
        self.look_at(shard);
    }
}

#[cfg(test)]
mod tests {
    use ringlet_protocol::arguments::ArgumentArena;
    use ringlet_protocol::reply::Version;

    use super::*;
    use crate::command::table;
    use crate::message::{Client, Origin, Work};
    use crate::shard::context::Caller;

    const CAPACITY: usize = 8;
    const SHARES: usize = CAPACITY / 2;

    fn batches() -> Batches {
        Batches::new(0, 2, CAPACITY)
    }

    fn push(batches: &mut Batches, shard: usize) {
        let client = Client { core: 0, index: 0, generation: 0 };
        batches.push_work(shard, Work::Forget(Origin { client, sequence: 0 }));
    }

    fn header(name: &[u8]) -> Header {
        let origin = Origin { client: Client { core: 0, index: 0, generation: 0 }, sequence: 0 };
        let caller =
            Caller { client_id: 1, no_touch: false, may_block: false, is_cluster_client: false };
        let command = table::find(name).expect("a command");
        let version = Version::Resp2;
        Header { origin, command, db: 0, version, caller, is_counted: false, is_part: false }
    }

    #[test]
    fn a_shard_that_gives_nothing_back_closes_itself_and_no_other() {
        let mut batches = batches();
        let mut sent = Vec::new();
        for _ in 0..SHARES {
            assert!(batches.are_all_open());
            push(&mut batches, 1);
            assert_eq!(batches.ready().collect::<Vec<_>>(), [1]);
            sent.push(batches.take(1));
        }
        assert!(!batches.is_open(1) && batches.is_open(0));
        batches.await_room(1, 7);
        batches.await_room(1, 8);
        batches.forget(1, 7);
        push(&mut batches, 1);
        push(&mut batches, 0);
        assert_eq!(batches.ready().collect::<Vec<_>>(), [0], "the other shard's batch stays");
        assert!(!batches.has_admitted());
        batches.come_back(1, sent.drain(..1));
        assert!(batches.are_all_open());
        assert_eq!(batches.take_admitted(), [8]);
        assert_eq!(batches.ready().collect::<Vec<_>>(), [0, 1]);
    }

    #[test]
    fn a_long_batch_of_short_commands_may_take_long() {
        let mut batches = batches();
        let mut words = ArgumentArena::default();
        let range = words.push_words(&[b"GET", b"key"]);
        for number in 0..=SHORT_BATCH_COMMANDS_MAX {
            assert!(!batches.may_take_long(0), "{number} commands");
            batches.push_command(0, header(b"get"), words.get(range));
        }
        assert!(batches.may_take_long(0));
        batches.take(0);
        batches.push_command(0, header(b"sadd"), words.get(range));
        assert!(batches.may_take_long(0));
    }

    #[test]
    fn a_full_batch_closes_its_shard_until_it_leaves() {
        let mut batches = batches();
        for _ in 0..BATCH_COMMANDS_MAX {
            assert!(batches.are_all_open());
            push(&mut batches, 0);
        }
        assert!(!batches.is_open(0) && batches.is_open(1));
        batches.await_room(0, 3);
        assert_eq!(batches.take(0).items.len(), BATCH_COMMANDS_MAX);
        assert!(batches.is_open(0));
        assert_eq!(batches.take_admitted(), [3]);
    }
}
