//! Pending replies: the replies of one connection that are not all there, in order of its commands.
//! In: a slot for each command that was sent away, its reply when it comes back.
//! Out: the replies, appended to the connection's output in the order of the commands.
//! Invariant: a reply is written to the output once, after those of all earlier commands.

use std::collections::VecDeque;

use ringlet_protocol::reply::{ReplyBuffer, ReplyPosition, ReplyRange};

use crate::gather::Gather;

/// One command whose reply has not reached the output.
struct Slot {
    state: State,
    /// CLIENT REPLY OFF or SKIP: the reply is dropped.
    is_muted: bool,
}

enum State {
    Waiting,
    Gathering(Box<Gather>),
    Ready(ReplyBuffer),
}

/// What came of a reply that was handed in.
pub enum Delivery {
    /// The slot still waits for other parts.
    Partial,
    /// The command is answered.
    Answered,
    /// The command is answered: this was its last part.
    Gathered(Box<Gather>),
}

/// The pending replies of one connection.
#[derive(Default)]
pub struct Pending {
    slots: VecDeque<Slot>,
    /// Sequence number of the first slot.
    first: u32,
}

impl Pending {
    /// True when every reply has reached the output.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// Number of commands without a reply in the output.
    #[inline]
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// The number that the next command gets.
    #[inline]
    pub fn next_sequence(&self) -> u32 {
        self.first.wrapping_add(self.slots.len() as u32)
    }

    /// Adds a slot for a command that was sent away whole.
    pub fn wait(&mut self, is_muted: bool) {
        self.slots.push_back(Slot { state: State::Waiting, is_muted });
    }

    /// Adds a slot for a command of which several cores do a part.
    pub fn gather(&mut self, gather: Box<Gather>, is_muted: bool) {
        self.slots.push_back(Slot { state: State::Gathering(gather), is_muted });
    }

    /// Appends the whole reply of the command that has the next sequence number.
    pub fn answer(&mut self, output: &mut ReplyBuffer, bytes: &ReplyBuffer, is_muted: bool) {
        let range = bytes.since(ReplyPosition::default());
        if self.slots.is_empty() {
            self.first = self.first.wrapping_add(1);
            if !is_muted {
                output.append(bytes, range);
            }
        } else if !is_muted {
            self.push_ready(bytes, range);
        } else {
            self.push_ready(&ReplyBuffer::new(), ReplyRange::default());
        }
    }

    /// Counts a command that was answered straight into the output.
    #[inline]
    pub fn count_answered(&mut self) {
        debug_assert!(self.slots.is_empty());
        self.first = self.first.wrapping_add(1);
    }

    fn push_ready(&mut self, bytes: &ReplyBuffer, range: ReplyRange) {
        let mut ready = ReplyBuffer::new();
        ready.append(bytes, range);
        self.slots.push_back(Slot { state: State::Ready(ready), is_muted: false });
    }

    /// A part of the command with this number was slow.
    pub fn note_slow(&mut self, sequence: u32, duration_us: u64) {
        let place = sequence.wrapping_sub(self.first) as usize;
        if let Some(Slot { state: State::Gathering(gather), .. }) = self.slots.get_mut(place) {
            gather.note_slow(duration_us);
        }
    }

    /// Takes the reply (or a core's part of it) to the command with this number.
    pub fn deliver(
        &mut self,
        output: &mut ReplyBuffer,
        sequence: u32,
        core: u16,
        bytes: &ReplyBuffer,
        range: ReplyRange,
    ) -> Delivery {
        let place = sequence.wrapping_sub(self.first) as usize;
        let is_first = place == 0;
        let slot = self.slots.get_mut(place).expect("bug: a reply to a command nobody sent");
        let mut delivery = Delivery::Answered;
        match &mut slot.state {
            State::Waiting if is_first => {
                let is_muted = slot.is_muted;
                self.pop();
                if !is_muted {
                    output.append(bytes, range);
                }
            }
            State::Waiting => {
                let mut ready = ReplyBuffer::new();
                ready.append(bytes, range);
                slot.state = State::Ready(ready);
            }
            State::Gathering(gather) => {
                let mut part = ReplyBuffer::new();
                part.append(bytes, range);
                if !gather.add(core, part) {
                    return Delivery::Partial;
                }
                let mut ready = ReplyBuffer::new();
                gather.finish(&mut ready);
                let state = std::mem::replace(&mut slot.state, State::Ready(ready));
                if let State::Gathering(gather) = state {
                    delivery = Delivery::Gathered(gather);
                }
            }
            State::Ready(_) => unreachable!("bug: a command was answered twice"),
        }
        while let Some(Slot { state: State::Ready(ready), is_muted }) = self.slots.front() {
            if !is_muted {
                output.append(ready, ready.since(ReplyPosition::default()));
            }
            self.pop();
        }
        delivery
    }

    fn pop(&mut self) {
        self.slots.pop_front();
        self.first = self.first.wrapping_add(1);
    }
}
