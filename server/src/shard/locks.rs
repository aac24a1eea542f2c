//! Locks: the order in which works that need the same things run on one shard.
//! In: works with what they need, at their place in the shard's queue; releases.
//! Out: the works that may run now.
//! Invariant: works that share a key, or the core, run in the order in which they came; a work that
//! needs all keys runs after everything before it and before everything behind it; others pass.
//! Every wait is for an earlier place, and all shards agree which of two multi-shard works is
//! earlier, so waiting never closes a circle.

use std::collections::VecDeque;

use ahash::AHashMap;

/// A work that holds or awaits something.
#[derive(Copy, Clone, PartialEq, Eq, Hash, Debug)]
pub struct Ticket(u64);

/// What a work needs before it runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// The core itself: its configuration, its connections, who listens to which channel. A lock of
    /// its own, so that a work without keys passes those that wait for the whole shard.
    pub core: bool,
    /// Keys.
    pub keys: Keys,
}

/// Which keys a work needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Keys {
    /// These, by the hash of the key. A collision only makes somebody wait in vain.
    These(Vec<u64>),
    /// The whole shard.
    All,
}

impl Default for Keys {
    fn default() -> Keys {
        Keys::These(Vec::new())
    }
}

impl Needs {
    /// Nothing but these keys.
    pub fn keys(keys: Vec<u64>) -> Needs {
        Needs { core: false, keys: Keys::These(keys) }
    }

    /// What this and the other need together.
    pub fn and(self, other: Needs) -> Needs {
        let core = self.core || other.core;
        let keys = match (self.keys, other.keys) {
            (Keys::These(mut all), Keys::These(more)) => {
                all.extend(more);
                Keys::These(all)
            }
            _ => Keys::All,
        };
        Needs { core, keys }
    }
}

/// The locks of one shard, over works of type `W`.
pub struct Locks<W> {
    /// Who holds (the first) and awaits each key.
    queues: AHashMap<u64, VecDeque<Ticket>>,
    /// Who holds (the first) and awaits the core.
    core: VecDeque<Ticket>,
    /// Works whose keys come behind one that awaits (or holds) all keys, in order; it leads them
    /// while it waits.
    backlog: VecDeque<Ticket>,
    /// The holder of all keys.
    exclusive: Option<Ticket>,
    tickets: AHashMap<Ticket, Entry<W>>,
    next: u64,
}

struct Entry<W> {
    /// `None` once it has been handed out to run.
    work: Option<W>,
    needs: Needs,
    /// In how many of its queues it is not the first, the backlog counted as one.
    behind: usize,
}

impl<W> Default for Locks<W> {
    fn default() -> Self {
        Locks {
            queues: AHashMap::new(),
            core: VecDeque::new(),
            backlog: VecDeque::new(),
            exclusive: None,
            tickets: AHashMap::new(),
            next: 0,
        }
    }
}

impl<W> Locks<W> {
    /// True when nobody holds or awaits anything: the common case.
    #[inline]
    pub fn is_idle(&self) -> bool {
        self.tickets.is_empty()
    }

    /// True when a work that needs this only for the moment can run now without a ticket.
    pub fn is_free(&self, needs: &Needs) -> bool {
        if needs.core && !self.core.is_empty() {
            return false;
        }
        match &needs.keys {
            Keys::These(keys) if keys.is_empty() => true,
            Keys::These(keys) => {
                self.backlog.is_empty()
                    && self.exclusive.is_none()
                    && keys.iter().all(|key| !self.queues.contains_key(key))
            }
            Keys::All => false,
        }
    }

    /// True when no work that has been handed out holds this key, except perhaps the one that is
    /// about to end.
    pub fn is_open(&self, key: u64, ending: Option<Ticket>) -> bool {
        let holder = self.exclusive.or_else(|| self.queues.get(&key)?.front().copied());
        holder.is_none_or(|holder| ending == Some(holder) || self.tickets[&holder].work.is_some())
    }

    /// What the holder of a ticket needs.
    pub fn needs_of(&self, ticket: Ticket) -> &Needs {
        &self.tickets[&ticket].needs
    }

    /// Takes a work in at its place. It is handed back with its ticket when it may run now,
    /// otherwise it comes out of [`Locks::release`] later.
    pub fn enter(&mut self, work: W, mut needs: Needs) -> Option<(Ticket, W)> {
        self.next += 1;
        let ticket = Ticket(self.next);
        if let Keys::These(keys) = &mut needs.keys {
            keys.sort_unstable();
            keys.dedup();
        }
        let mut behind = 0;
        if needs.core {
            behind += usize::from(!self.core.is_empty());
            self.core.push_back(ticket);
        }
        if needs.keys == Keys::default() {
            // It has nothing to do with keys.
        } else if self.backlog.is_empty() && self.can_admit(&needs.keys) {
            behind += self.admit(ticket, &needs.keys);
        } else {
            self.backlog.push_back(ticket);
            behind += 1;
        }
        let (held, handed_out) = if behind == 0 { (None, Some(work)) } else { (Some(work), None) };
        self.tickets.insert(ticket, Entry { work: held, needs, behind });
        handed_out.map(|work| (ticket, work))
    }

    /// True when nobody needs all keys before this work, and nobody any key if it needs all itself.
    fn can_admit(&self, keys: &Keys) -> bool {
        self.exclusive.is_none() && (*keys != Keys::All || self.queues.is_empty())
    }

    /// Puts a ticket into the queues of its keys; in how many of them it is not the first.
    fn admit(&mut self, ticket: Ticket, keys: &Keys) -> usize {
        let Keys::These(keys) = keys else {
            self.exclusive = Some(ticket);
            return 0;
        };
        let mut behind = 0;
        for key in keys {
            let queue = self.queues.entry(*key).or_default();
            behind += usize::from(!queue.is_empty());
            queue.push_back(ticket);
        }
        behind
    }

    /// The work of this ticket is over. Appends the works that may run now, in order.
    pub fn release(&mut self, ticket: Ticket, runnable: &mut VecDeque<(Ticket, W)>) {
        let entry = self.tickets.remove(&ticket).expect("bug: a ticket was released twice");
        assert!(entry.work.is_none(), "bug: a work was released before it ran");
        if entry.needs.core {
            let next = leave(&mut self.core, ticket);
            self.advance(next, runnable);
        }
        match entry.needs.keys {
            Keys::All => self.exclusive = None,
            Keys::These(keys) => {
                for key in keys {
                    let queue = self.queues.get_mut(&key).expect("invariant: held keys are queued");
                    let next = leave(queue, ticket);
                    if next.is_none() {
                        self.queues.remove(&key);
                    }
                    self.advance(next, runnable);
                }
            }
        }
        self.advance_backlog(runnable);
    }

    /// A ticket has become the first in one more of its queues.
    fn advance(&mut self, ticket: Option<Ticket>, runnable: &mut VecDeque<(Ticket, W)>) {
        let Some(ticket) = ticket else { return };
        let entry = self.tickets.get_mut(&ticket).expect("invariant: a queued ticket exists");
        entry.behind -= 1;
        if entry.behind == 0 {
            let work = entry.work.take().expect("invariant: a waiting ticket has its work");
            runnable.push_back((ticket, work));
        }
    }

    fn advance_backlog(&mut self, runnable: &mut VecDeque<(Ticket, W)>) {
        while let Some(ticket) = self.backlog.front().copied() {
            let entry = self.tickets.get_mut(&ticket).expect("invariant: a queued ticket exists");
            let keys = std::mem::take(&mut entry.needs.keys);
            let is_admitted = self.can_admit(&keys);
            let behind = if is_admitted { self.admit(ticket, &keys) } else { 0 };
            let entry = self.tickets.get_mut(&ticket).expect("it was there above");
            entry.needs.keys = keys;
            entry.behind += behind;
            if !is_admitted {
                return;
            }
            self.backlog.pop_front();
            self.advance(Some(ticket), runnable);
        }
    }
}

/// Takes the holder out of a queue; returns who is the first now.
fn leave(queue: &mut VecDeque<Ticket>, holder: Ticket) -> Option<Ticket> {
    let first = queue.pop_front();
    assert_eq!(first, Some(holder), "bug: something was released by another than its holder");
    queue.front().copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> Needs {
        Needs { keys: Keys::All, ..Needs::default() }
    }

    fn core(keys: &[u64]) -> Needs {
        Needs { core: true, ..Needs::keys(keys.to_vec()) }
    }

    fn enter(locks: &mut Locks<&'static str>, work: &'static str, keys: &[u64]) -> Option<Ticket> {
        locks.enter(work, Needs::keys(keys.to_vec())).map(|(ticket, _)| ticket)
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
        assert!(locks.enter("all", all()).is_none());
        assert!(enter(&mut locks, "behind", &[9]).is_none());
        assert!(!locks.is_free(&Needs::keys(vec![9])));
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

    #[test]
    fn works_on_the_core_run_in_order_and_pass_those_that_wait_for_all_keys() {
        let mut locks = Locks::default();
        let key = enter(&mut locks, "key", &[1]).unwrap();
        assert!(locks.enter("all", all()).is_none());
        let (first, _) = locks.enter("first", core(&[])).expect("it needs no key");
        assert!(locks.enter("both", core(&[2])).is_none(), "behind the first and behind all keys");
        assert!(locks.enter("last", core(&[])).is_none(), "behind both");
        assert!(!locks.is_free(&core(&[])));
        assert!(release(&mut locks, first).is_empty(), "both still waits for its key");
        let all = release(&mut locks, key);
        assert_eq!(all[0].1, "all");
        let both = release(&mut locks, all[0].0);
        assert_eq!(both[0].1, "both");
        let last = release(&mut locks, both[0].0);
        assert_eq!(last[0].1, "last");
        assert!(release(&mut locks, last[0].0).is_empty());
        assert!(locks.is_idle());
    }

    #[test]
    fn a_key_is_open_until_a_work_that_holds_it_is_handed_out() {
        let mut locks = Locks::default();
        let first = enter(&mut locks, "first", &[1]).unwrap();
        assert!(enter(&mut locks, "second", &[1, 2]).is_none());
        assert!(!locks.is_open(1, None));
        assert!(locks.is_open(1, Some(first)), "its holder is about to end");
        assert!(locks.is_open(2, None), "the second has it but has not run");
        assert!(locks.is_open(3, None));
        let second = release(&mut locks, first)[0].0;
        assert!(!locks.is_open(2, Some(first)));
        release(&mut locks, second);
        let (all, _) = locks.enter("all", all()).expect("nobody else is there");
        assert!(!locks.is_open(3, None));
        assert!(locks.is_open(3, Some(all)));
    }
}
