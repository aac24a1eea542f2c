//! Messages on their way to other cores, in batches.
//!
//! Job: gather what one pass has for each other core into one batch, and keep the number of batches on
//! their way bounded. In: messages, batches that come back empty. Out: batches. Invariant: in order for
//! each core; at most [`BATCHES_MAX`] on their way to one; what is more waits here for the next batch.

use super::message::Message;

/// Batches on their way from one core to another.
pub const BATCHES_MAX: usize = 32;

/// What travels between cores.
#[derive(Debug)]
pub enum Post {
    /// Messages of a core.
    Batch {
        /// Whose.
        from: usize,
        /// In order.
        messages: Vec<Message>,
    },
    /// An emptied batch comes back: one more may be sent, and the memory is used again.
    Emptied {
        /// Who emptied it.
        from: usize,
        /// Empty.
        messages: Vec<Message>,
    },
}

/// Places that each core's queue needs for the posts of `cores` cores.
#[must_use]
pub fn queue_places(cores: usize) -> usize {
    (2 * BATCHES_MAX * cores).next_power_of_two()
}

#[derive(Debug, Default)]
struct Target {
    waiting: Vec<Message>,
    on_their_way: usize,
    spares: Vec<Vec<Message>>,
}

/// All that one core has for the others.
#[derive(Debug)]
pub struct Outbox {
    core: usize,
    targets: Vec<Target>,
    /// Cores for which something waits.
    dirty: Vec<usize>,
}

impl Outbox {
    /// Nothing to send yet.
    #[must_use]
    pub fn new(core: usize, cores: usize) -> Self {
        let targets = (0..cores).map(|_| Target::default()).collect();
        Self { core, targets, dirty: Vec::new() }
    }

    /// Adds a message.
    pub fn push(&mut self, to: usize, message: Message) {
        let target = &mut self.targets[to];
        if target.waiting.is_empty() {
            self.dirty.push(to);
        }
        target.waiting.push(message);
    }

    /// Whether nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.dirty.is_empty()
    }

    /// Whether other cores have worked off all that they were sent, and nothing waits for them.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.is_empty() && self.targets.iter().all(|target| target.on_their_way == 0)
    }

    /// Hands out the batches that may go now.
    pub fn flush(&mut self, mut send: impl FnMut(usize, Post)) {
        let from = self.core;
        let targets = &mut self.targets;
        self.dirty.retain(|&to| {
            let target = &mut targets[to];
            if target.on_their_way >= BATCHES_MAX {
                return true;
            }
            target.on_their_way += 1;
            let spare = target.spares.pop().unwrap_or_default();
            let messages = std::mem::replace(&mut target.waiting, spare);
            send(to, Post::Batch { from, messages });
            false
        });
    }

    /// A batch has come back.
    pub fn on_emptied(&mut self, from: usize, messages: Vec<Message>) {
        let target = &mut self.targets[from];
        target.on_their_way -= 1;
        if target.spares.len() < 2 {
            target.spares.push(messages);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::{Action, LimitRef};
    use crate::time::Now;

    fn message(amount: u64) -> Message {
        let key =
            super::super::message::Key { limit: LimitRef::Rule(0), hash: 0, text: Box::default() };
        Message::Correct { action: Action::GiveBack, key, amount, taken: Now::default() }
    }

    fn amounts(post: &Post) -> Vec<u64> {
        let Post::Batch { messages, .. } = post else { panic!("not a batch") };
        let amount = |message: &Message| match message {
            Message::Correct { amount, .. } => *amount,
            _ => panic!("another message"),
        };
        messages.iter().map(amount).collect()
    }

    #[test]
    fn what_exceeds_the_bound_waits_and_goes_in_order() {
        let mut outbox = Outbox::new(0, 2);
        let mut sent = Vec::new();
        for amount in 0..BATCHES_MAX as u64 + 3 {
            outbox.push(1, message(amount));
            outbox.flush(|to, post| sent.push((to, amounts(&post))));
        }
        assert_eq!(sent.len(), BATCHES_MAX);
        assert!(!outbox.is_empty());
        assert!(!outbox.is_settled());
        outbox.on_emptied(1, Vec::new());
        outbox.flush(|to, post| sent.push((to, amounts(&post))));
        let last = BATCHES_MAX as u64;
        assert_eq!(sent.last(), Some(&(1, vec![last, last + 1, last + 2])));
        assert!(outbox.is_empty() && !outbox.is_settled());
        for _ in 0..BATCHES_MAX {
            outbox.on_emptied(1, Vec::new());
        }
        assert!(outbox.is_settled());
    }
}
