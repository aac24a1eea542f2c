//! Outbox: what one core owes the others, collected during a pass.
//! In: replies as they are written, loans, entries that go home, batches that were worked off.
//! Out: one `ReplyBatch` for each core at the end of the pass.
//! Invariant: a reply is written once, into the buffer in which it travels.

use std::mem;

use ringlet_protocol::reply::{Reply, Version};
use ringlet_protocol::reply::{ReplyBuffer, ReplyPosition, ReplyRange};

use crate::message::{Note, Origin, ReplyBatch, ReplyHead, RequestBatch};

/// A reply while it is written.
pub struct OpenReply {
    /// Where it is written, behind the replies before it.
    pub buffer: ReplyBuffer,
    start: ReplyPosition,
    replies: usize,
}

/// What one core owes the others, itself included.
pub struct Outbox {
    from: u16,
    #[expect(clippy::vec_box, reason = "the boxes travel to other cores as they are")]
    batches: Vec<Box<ReplyBatch>>,
    /// Empty batches for reuse.
    #[expect(clippy::vec_box, reason = "the boxes travel to other cores as they are")]
    spare: Vec<Box<ReplyBatch>>,
}

impl Outbox {
    /// For core `from` of `cores`.
    pub fn new(from: u16, cores: usize) -> Outbox {
        let batches =
            (0..cores).map(|_| Box::new(ReplyBatch { from, ..ReplyBatch::default() })).collect();
        Outbox { from, batches, spare: Vec::new() }
    }

    /// Opens the buffer in which the reply to `origin` travels; hand it back with
    /// [`Outbox::close`]. Whatever else is written in between comes behind it.
    pub fn open(&mut self, origin: Origin) -> OpenReply {
        let batch = &mut self.batches[usize::from(origin.client.core)];
        let buffer = mem::take(&mut batch.data);
        OpenReply { start: buffer.end(), replies: batch.replies.len(), buffer }
    }

    /// Takes back what [`Outbox::open`] gave. A reply of no bytes is no reply: the command waits.
    pub fn close(&mut self, origin: Origin, reply: OpenReply) {
        let batch = &mut self.batches[usize::from(origin.client.core)];
        let end = reply.buffer.end();
        let meanwhile = mem::replace(&mut batch.data, reply.buffer);
        let heads = batch.replies.split_off(reply.replies);
        if end != reply.start {
            batch.replies.push(ReplyHead { origin, end });
        }
        let mut start = ReplyPosition::default();
        for head in heads {
            batch.data.append(&meanwhile, ReplyRange { start, end: head.end });
            batch.replies.push(ReplyHead { origin: head.origin, end: batch.data.end() });
            start = head.end;
        }
    }

    /// Writes a whole reply.
    pub fn write(&mut self, origin: Origin, version: Version, write: impl FnOnce(&mut Reply<'_>)) {
        let mut out = self.open(origin);
        write(&mut Reply::new(&mut out.buffer, version));
        self.close(origin, out);
    }

    /// Adds a note for a core.
    pub fn note(&mut self, core: u16, note: Note) {
        self.batches[usize::from(core)].notes.push(note);
    }

    /// Gives a worked-off batch back to its sender.
    pub fn give_back(&mut self, batch: Box<RequestBatch>) {
        self.batches[usize::from(batch.from)].spent.push(batch);
    }

    /// True when there is something for this core.
    pub fn has_for(&self, core: usize) -> bool {
        !self.batches[core].is_empty()
    }

    /// Takes all that there is for this core.
    pub fn take(&mut self, core: usize) -> Box<ReplyBatch> {
        let fresh = self.spare.pop().unwrap_or_default();
        let mut taken = mem::replace(&mut self.batches[core], fresh);
        self.batches[core].from = self.from;
        taken.from = self.from;
        taken
    }

    /// Keeps an emptied batch for reuse.
    pub fn recycle(&mut self, mut batch: Box<ReplyBatch>) {
        if self.spare.len() < self.batches.len() * 2 {
            batch.replies.clear();
            batch.data.clear();
            batch.notes.clear();
            batch.spent.clear();
            self.spare.push(batch);
        }
    }
}
