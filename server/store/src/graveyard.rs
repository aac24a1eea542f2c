//! What is to be freed in slices, so that nobody waits for it.
//!
//! Job: `UNLINK`, `FLUSHALL ASYNC`, and whatever else drops something big.
//! In: entries, whole tables. Out: nothing; `free_some` does a bounded amount of work per call.
//! Invariant: nothing in here can be reached by a command.

use crate::database::Expiries;
use crate::entry::Entry;
use crate::list::List;
use crate::object::Object;
use crate::record::{Field, Member};
use crate::sorted_set::SortedSetRemains;
use crate::table::Remains;
use std::collections::VecDeque;

/// What costs no more than this to free is freed where it is dropped.
pub const FREE_AT_ONCE_MAX: usize = 64;

#[derive(Debug)]
enum Grave {
    Entries(Remains<Entry, Expiries>),
    Fields(Remains<Field>),
    Members(Remains<Member>),
    SortedSet(SortedSetRemains),
    List(Box<List>),
}

/// Big things on their way out.
#[derive(Debug, Default)]
pub struct Graveyard {
    graves: VecDeque<Grave>,
    freed: u64,
}

impl Graveyard {
    /// An empty one.
    #[must_use]
    pub const fn new() -> Self {
        Self { graves: VecDeque::new(), freed: 0 }
    }

    /// Whether nothing is left to free.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.graves.is_empty()
    }

    /// The number of big things that are still to be freed.
    #[must_use]
    pub fn len(&self) -> usize {
        self.graves.len()
    }

    /// The number of big things that have been freed here.
    #[must_use]
    pub fn freed(&self) -> u64 {
        self.freed
    }

    /// Frees an entry: at once if that is cheap, otherwise later.
    pub fn bury(&mut self, entry: Entry) {
        if entry.free_cost() > FREE_AT_ONCE_MAX
            && let Some(object) = entry.into_object()
        {
            self.bury_object(object);
        }
    }

    /// Frees an object: at once if that is cheap, otherwise later.
    pub fn bury_object(&mut self, object: Object) {
        if object.free_cost() <= FREE_AT_ONCE_MAX {
            return;
        }
        let grave = match object {
            Object::Bytes(_) => None,
            Object::List(list) => Some(Grave::List(list)),
            Object::Hash(hash) => hash.into_remains().map(Grave::Fields),
            Object::Set(set) => set.into_remains().map(Grave::Members),
            Object::SortedSet(set) => set.into_remains().map(Grave::SortedSet),
        };
        self.graves.extend(grave);
    }

    /// Takes over all that is in another graveyard.
    pub fn adopt(&mut self, mut other: Self) {
        self.graves.append(&mut other.graves);
        self.freed += other.freed;
    }

    pub(crate) fn bury_entries(&mut self, entries: Remains<Entry, Expiries>) {
        self.graves.push_back(Grave::Entries(entries));
    }

    /// Frees about `work_limit` blocks (at most one table segment or tree leaf more). Returns
    /// whether anything is left.
    pub fn free_some(&mut self, work_limit: usize) -> bool {
        let mut freed = 0;
        while freed < work_limit {
            let Some(mut grave) = self.graves.pop_front() else { return false };
            let slice = work_limit - freed;
            let mut count = 0;
            let more = match &mut grave {
                // Big values among the entries get graves of their own.
                Grave::Entries(entries) => entries.take_some(slice, |entry| {
                    count += 1;
                    self.bury(entry);
                }),
                Grave::Fields(fields) => fields.take_some(slice, |_| count += 1),
                Grave::Members(members) => members.take_some(slice, |_| count += 1),
                Grave::SortedSet(set) => set.free_some(slice, &mut count),
                Grave::List(list) => {
                    count += slice.min(list.nodes());
                    list.free_some(slice)
                }
            };
            // Even an empty thing costs its own removal.
            freed += count.max(1);
            if more {
                self.graves.push_front(grave);
            } else {
                self.freed += 1;
            }
        }
        !self.graves.is_empty()
    }
}
