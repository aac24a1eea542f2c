//! Replies in the order of commands.
//!
//! Job: hold back what is known until everything before it is known. In: replies, and answers in any
//! order. Out: bytes to send. Invariant: nothing is held back unless an answer is waited for; as many
//! slots as answers that are waited for or wait for others, and a bound of bytes.

use std::collections::VecDeque;

use ringlet_protocol::ReplyBuffer;

use crate::limits::{RESP_OWED_BYTES_MAX, RESP_WAITING_MAX};

/// The queue.
#[derive(Debug, Default)]
pub(super) struct Queue {
    slots: VecDeque<Slot>,
    /// The ticket of the first slot; those of the others follow.
    first_ticket: u32,
    /// Bytes that are held back.
    held_bytes: usize,
}

/// A question whose answer may be still to come.
#[derive(Debug)]
struct Slot {
    is_waiting: bool,
    /// The reply to the question, and those to commands between this question and the next one.
    replies: Vec<u8>,
}

impl Queue {
    pub(super) fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    pub(super) fn is_full(&self) -> bool {
        self.slots.len() >= RESP_WAITING_MAX || self.held_bytes >= RESP_OWED_BYTES_MAX
    }

    #[cfg(test)]
    pub(super) fn held_bytes(&self) -> usize {
        self.held_bytes
    }

    /// The ticket of the next question.
    pub(super) fn next_ticket(&self) -> u32 {
        self.first_ticket.wrapping_add(self.slots.len() as u32)
    }

    /// A reply that is known.
    pub(super) fn push(&mut self, reply: &ReplyBuffer, out: &mut Vec<u8>) {
        let to = match self.slots.back_mut() {
            None => out,
            Some(slot) => {
                self.held_bytes += reply.len();
                &mut slot.replies
            }
        };
        reply.segments(0).for_each(|segment| to.extend_from_slice(segment));
    }

    /// The question with [`next_ticket`](Self::next_ticket) waits for its answer.
    pub(super) fn push_waiting(&mut self) {
        self.slots.push_back(Slot { is_waiting: true, replies: Vec::new() });
    }

    /// Whether a question waits for its answer.
    pub(super) fn is_waited_for(&self, ticket: u32) -> bool {
        let place = ticket.wrapping_sub(self.first_ticket) as usize;
        self.slots.get(place).is_some_and(|slot| slot.is_waiting)
    }

    /// The reply to a question that waits; what it has held back goes too.
    pub(super) fn fill(&mut self, ticket: u32, reply: &ReplyBuffer, out: &mut Vec<u8>) {
        let Some(slot) = self.slots.get_mut(ticket.wrapping_sub(self.first_ticket) as usize) else {
            return;
        };
        slot.is_waiting = false;
        slot.replies.splice(0..0, reply.to_vec());
        self.held_bytes += reply.len();
        while let Some(slot) = self.slots.front().filter(|slot| !slot.is_waiting) {
            self.held_bytes -= slot.replies.len();
            out.extend_from_slice(&slot.replies);
            self.first_ticket = self.first_ticket.wrapping_add(1);
            self.slots.pop_front();
        }
    }
}
