//! The lines of a core on their way to the writer.
//!
//! Job: collect lines, hand them over a batch at a time, and take the emptied batches back. In: lines.
//! Out: batches for the writer; counts of lines that got lost.
//! Invariant: a core has so many batches and no more, so that what waits is bounded; it never waits for
//! the writer. Only the core counts what is lost: lines that the writer could not write come back with
//! their batch.

use std::sync::Arc;

use crossbeam_channel::{Receiver, Sender, TrySendError};

use super::writer::Message;
use super::{LOG_BATCH_BYTES, LOG_BATCHES_MAX, LineOwner};

/// Lines that travel together.
pub struct Batch<O> {
    /// Whole lines.
    pub bytes: Vec<u8>,
    /// How many of them are whose.
    lines: Vec<(Arc<O>, u64)>,
    /// It comes back from the writer, and could not be written.
    pub is_lost: bool,
}

/// The batches of a core.
pub struct Buffers<O> {
    core: usize,
    present: Option<Batch<O>>,
    free: Vec<Batch<O>>,
    /// Batches that there are, wherever they are.
    made: usize,
    to_writer: Sender<Message<O>>,
    returned: Receiver<Batch<O>>,
}

impl<O> Default for Batch<O> {
    fn default() -> Self {
        Self { bytes: Vec::new(), lines: Vec::new(), is_lost: false }
    }
}

impl<O: LineOwner> Batch<O> {
    fn count(&mut self, owner: &Arc<O>) {
        match self.lines.iter_mut().find(|(known, _)| Arc::ptr_eq(known, owner)) {
            Some((_, count)) => *count += 1,
            None => self.lines.push((owner.clone(), 1)),
        }
    }

    /// Counts its lines as lost if they are, and empties it.
    fn reuse(&mut self, core: usize) {
        for (owner, count) in self.lines.drain(..) {
            if self.is_lost {
                owner.lost(core, count);
            }
        }
        self.is_lost = false;
        self.bytes.clear();
        // One line may be long: its memory is not kept.
        self.bytes.shrink_to(2 * LOG_BATCH_BYTES);
    }
}

impl<O: LineOwner> Buffers<O> {
    /// The buffers of a core, which reach the writer by these channels.
    #[must_use]
    pub fn new(core: usize, to_writer: Sender<Message<O>>, returned: Receiver<Batch<O>>) -> Self {
        Self { core, present: None, free: Vec::new(), made: 0, to_writer, returned }
    }

    /// Adds the line that `write` appends, or counts it as lost when all batches wait for the writer.
    pub fn add(&mut self, owner: &Arc<O>, write: impl FnOnce(&mut Vec<u8>)) {
        if self.present.is_none() {
            self.present = self.next();
        }
        let Some(batch) = &mut self.present else {
            return owner.lost(self.core, 1);
        };
        write(&mut batch.bytes);
        batch.count(owner);
        if batch.bytes.len() >= LOG_BATCH_BYTES {
            self.hand_over();
        }
    }

    fn next(&mut self) -> Option<Batch<O>> {
        self.collect();
        if self.free.is_empty() && self.made < LOG_BATCHES_MAX {
            self.made += 1;
            return Some(Batch::default());
        }
        self.free.pop()
    }

    /// Takes emptied batches back.
    fn collect(&mut self) {
        while let Ok(mut batch) = self.returned.try_recv() {
            batch.reuse(self.core);
            self.free.push(batch);
        }
    }

    /// A moment has passed: what has been collected goes, unless the writer has something to write yet.
    /// Then it grows, so that few lines do not use up all batches while the disk is slow.
    pub fn on_tick(&mut self) {
        self.collect();
        if self.present.is_some() && self.free.len() + 1 == self.made {
            self.hand_over();
        }
    }

    /// Hands over what has been collected.
    pub fn hand_over(&mut self) {
        let Some(batch) = self.present.take() else { return };
        let message = Message::Lines { core: self.core, batch };
        match self.to_writer.try_send(message) {
            Ok(()) => {}
            Err(
                TrySendError::Full(Message::Lines { mut batch, .. })
                | TrySendError::Disconnected(Message::Lines { mut batch, .. }),
            ) => {
                batch.is_lost = true;
                batch.reuse(self.core);
                self.free.push(batch);
            }
            Err(_) => unreachable!("invariant: what has been sent comes back"),
        }
    }
}
