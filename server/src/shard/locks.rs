//! Locks: the order in which works that need the same keys run on one shard.
//! In: works with the hashes of their keys, at their place in the shard's queue; releases.
//! Out: the works that may run now.
//! Invariant: works that share a key run in the order in which they came; a work that needs the whole
//! shard runs after everything before it and before everything behind it; others pass. Every wait is
//! for an earlier place, and all shards agree which of two multi-shard works is earlier, so waiting
//! never closes a circle.

use std::collections::VecDeque;

use ahash::AHashMap;

/// A work that holds or awaits keys.
#[derive(Copy, Clone, PartialEq, Eq, Hash, Debug)]
pub struct Ticket(u64);

/// What a work needs before it runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Needs {
    /// No key: it runs at once unless the whole shard is awaited or held.
    Nothing,
    /// These keys, by the hash of key and database. A collision only makes somebody wait in vain.
    Keys(Vec<u64>),
    /// The whole shard.
    Everything,
}

/// The locks of one shard, over works of type `W`.
pub struct Locks<W> {
    queues: AHashMap<u64, VecDeque<Ticket>>,
    tickets: AHashMap<Ticket, Entry<W>>,
    /// Works behind one that awaits (or holds) the whole shard, in order.
    backlog: VecDeque<(W, Needs)>,
    /// The holder of the whole shard.
    exclusive: Option<Ticket>,
    next: u64,
}

struct Entry<W> {
    /// `None` once it has been handed out to run.
    work: Option<W>,
    keys: Vec<u64>,
    /// In how many of its queues it is not the first.
    behind: usize,
}

impl<W> Default for Locks<W> {
    fn default() -> Self {
        Locks {
            queues: AHashMap::new(),
            tickets: AHashMap::new(),
            backlog: VecDeque::new(),
            exclusive: None,
            next: 0,
        }
    }
}

impl<W> Locks<W> {
    /// True when nobody holds or awaits anything: the common case.
    #[inline]
    pub fn is_idle(&self) -> bool {
        self.queues.is_empty() && self.backlog.is_empty() && self.exclusive.is_none()
    }

    /// True when a work that needs these keys only for the moment can run now without a ticket.
    pub fn is_free(&self, keys: impl IntoIterator<Item = u64>) -> bool {
        self.backlog.is_empty()
            && self.exclusive.is_none()
            && keys.into_iter().all(|key| !self.queues.contains_key(&key))
    }

    /// Takes a work in at its place. It is handed back with its ticket when it may run now, otherwise
    /// it comes out of [`Locks::release`] later.
    pub fn enter(&mut self, work: W, needs: Needs) -> Option<(Ticket, W)> {
        if self.exclusive.is_some() || !self.backlog.is_empty() {
            self.backlog.push_back((work, needs));
            return None;
        }
        self.admit(work, needs)
    }

    fn admit(&mut self, work: W, needs: Needs) -> Option<(Ticket, W)> {
        let keys = match needs {
            Needs::Everything if !self.queues.is_empty() => {
                self.backlog.push_front((work, needs));
                return None;
            }
            Needs::Everything => {
                let ticket = self.ticket();
                self.exclusive = Some(ticket);
                return Some((ticket, work));
            }
            Needs::Nothing => Vec::new(),
            Needs::Keys(mut keys) => {
                keys.sort_unstable();
                keys.dedup();
                keys
            }
        };
        let ticket = self.ticket();
        let mut behind = 0;
        for key in &keys {
            let queue = self.queues.entry(*key).or_default();
            behind += usize::from(!queue.is_empty());
            queue.push_back(ticket);
        }
        if behind == 0 {
            self.tickets.insert(ticket, Entry { work: None, keys, behind });
            return Some((ticket, work));
        }
        self.tickets.insert(ticket, Entry { work: Some(work), keys, behind });
        None
    }

    fn ticket(&mut self) -> Ticket {
        self.next += 1;
        Ticket(self.next)
    }

    /// The work of this ticket is over. Appends the works that may run now, in order.
    pub fn release(&mut self, ticket: Ticket, runnable: &mut VecDeque<(Ticket, W)>) {
        if self.exclusive == Some(ticket) {
            self.exclusive = None;
        } else {
            let entry = self.tickets.remove(&ticket).expect("bug: a ticket was released twice");
            assert!(entry.work.is_none(), "bug: a work was released before it ran");
            for key in entry.keys {
                self.leave_queue(key, ticket, runnable);
            }
        }
        self.advance_backlog(runnable);
    }

    fn leave_queue(&mut self, key: u64, ticket: Ticket, runnable: &mut VecDeque<(Ticket, W)>) {
        let queue = self.queues.get_mut(&key).expect("invariant: a held key has a queue");
        assert_eq!(
            queue.pop_front(),
            Some(ticket),
            "bug: a key was released by another than its holder"
        );
        let Some(next) = queue.front() else {
            self.queues.remove(&key);
            return;
        };
        let entry = self.tickets.get_mut(next).expect("invariant: a queued ticket exists");
        entry.behind -= 1;
        if entry.behind == 0 {
            let work = entry.work.take().expect("invariant: a waiting ticket has its work");
            runnable.push_back((*next, work));
        }
    }

    fn advance_backlog(&mut self, runnable: &mut VecDeque<(Ticket, W)>) {
        while self.exclusive.is_none() {
            let Some((work, needs)) = self.backlog.pop_front() else { return };
            let waits_for_all = needs == Needs::Everything && !self.queues.is_empty();
            if let Some(ready) = self.admit(work, needs) {
                runnable.push_back(ready);
            }
            if waits_for_all {
                return;
            }
        }
    }

    /// Number of works that wait.
    pub fn waiting_len(&self) -> usize {
        self.backlog.len() + self.tickets.values().filter(|entry| entry.work.is_some()).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn enter(locks: &mut Locks<&'static str>, work: &'static str, keys: &[u64]) -> Option<Ticket> {
        locks.enter(work, Needs::Keys(keys.to_vec())).map(|(ticket, _)| ticket)
    }

    fn release(locks: &mut Locks<&'static str>, ticket: Ticket) -> Vec<(Ticket, &'static str)> {
        let mut runnable = VecDeque::new();
        locks.release(ticket, &mut runnable);
        runnable.into()
    }

    #[test]
    fn works_on_one_key_run_in_order_and_others_pass() {
        let mut locks = Locks::default();
        let first = enter(&mut locks, "first", &[1, 2]).unwrap();
        assert!(enter(&mut locks, "second", &[2, 3]).is_none());
        assert!(enter(&mut locks, "third", &[3]).is_none(), "behind the second on key 3");
        let other = enter(&mut locks, "other", &[4]).unwrap();
        assert!(release(&mut locks, other).is_empty());
        let second = release(&mut locks, first);
        assert_eq!(second[0].1, "second");
        assert_eq!(release(&mut locks, second[0].0)[0].1, "third");
    }

    #[test]
    fn a_work_on_everything_waits_for_all_and_holds_all_back() {
        let mut locks = Locks::default();
        let first = enter(&mut locks, "first", &[1]).unwrap();
        assert!(locks.enter("all", Needs::Everything).is_none());
        assert!(enter(&mut locks, "behind", &[9]).is_none());
        assert!(!locks.is_free([9]));
        let all = release(&mut locks, first);
        assert_eq!(all.len(), 1);
        assert_eq!(all[0].1, "all");
        let behind = release(&mut locks, all[0].0);
        assert_eq!(behind[0].1, "behind");
        assert!(release(&mut locks, behind[0].0).is_empty());
        assert!(locks.is_idle());
    }

    #[test]
    fn the_same_key_twice_is_one_lock() {
        let mut locks = Locks::default();
        let first = enter(&mut locks, "first", &[1, 1]).unwrap();
        assert!(release(&mut locks, first).is_empty());
        assert!(locks.is_idle());
    }
}
