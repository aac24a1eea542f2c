//! The table of sockets (and of listeners) of one core.
//!
//! Job: give every socket a dense, small number for as long as it lives, and make sure that a
//! number that is used again cannot be mistaken for its former owner.
//! In: values to keep. Out: a [`Slot`] (index and generation) to find them again.
//! Invariant: a slot finds a value only while that very value lives; an index is at most the limit.

use std::fmt;

/// Indices must fit the 24 bits that an operation's `user_data` has for them.
pub(crate) const MAX_SLOTS: usize = 1 << 24;

/// Place of a value in a [`Table`]: a dense index, and how often that index was used before.
#[derive(Copy, Clone, Eq, PartialEq, Hash, Debug)]
pub(crate) struct Slot {
    pub(crate) index: u32,
    pub(crate) generation: u32,
}

macro_rules! slot_id {
    ($(#[$about:meta])* $name:ident) => {
        $(#[$about])*
        #[derive(Copy, Clone, Eq, PartialEq, Hash)]
        pub struct $name(pub(crate) Slot);

        impl $name {
            /// A dense index below the limit of the table, fit for a `Vec` beside it. It is used
            /// again after the end of this value's life; the whole id is not.
            pub fn index(self) -> usize {
                self.0.index as usize
            }

            /// The id as one number: generation in the high half, index in the low half.
            pub fn to_bits(self) -> u64 {
                (u64::from(self.0.generation) << 32) | u64::from(self.0.index)
            }

            /// The inverse of `to_bits`.
            pub fn from_bits(bits: u64) -> Self {
                Self(Slot { index: bits as u32, generation: (bits >> 32) as u32 })
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({}.{})", stringify!($name), self.0.index, self.0.generation)
            }
        }
    };
}

slot_id! {
    /// Names one connected (or connecting) socket of one [`NetRing`](crate::ring::NetRing).
    SocketId
}
slot_id! {
    /// Names one listening socket of one [`NetRing`](crate::ring::NetRing).
    ListenerId
}

struct Entry<T> {
    generation: u32,
    value: Option<T>,
}

/// A slab with generations and an upper bound.
///
/// A removed value's index is not used again before [`Table::recycle`], so that whoever keeps
/// things beside the table by index can hear of the removal first.
pub(crate) struct Table<T> {
    entries: Vec<Entry<T>>,
    free: Vec<u32>,
    retired: Vec<u32>,
    limit: usize,
}

impl<T> Table<T> {
    /// An empty table for at most `limit` values.
    pub(crate) fn new(limit: usize) -> Self {
        assert!(limit <= MAX_SLOTS, "a table holds at most {MAX_SLOTS} sockets, not {limit}");
        Self { entries: Vec::new(), free: Vec::new(), retired: Vec::new(), limit }
    }

    /// Number of living values.
    pub(crate) fn len(&self) -> usize {
        self.entries.len() - self.free.len() - self.retired.len()
    }

    /// Keeps `value`, or hands it back when the table is full.
    pub(crate) fn insert(&mut self, value: T) -> Result<Slot, T> {
        if let Some(index) = self.free.pop() {
            let entry = &mut self.entries[index as usize];
            entry.value = Some(value);
            return Ok(Slot { index, generation: entry.generation });
        }
        if self.entries.len() >= self.limit {
            return Err(value);
        }
        let index = self.entries.len() as u32;
        self.entries.push(Entry { generation: 0, value: Some(value) });
        Ok(Slot { index, generation: 0 })
    }

    /// The value of `slot`, if it still lives.
    pub(crate) fn get(&self, slot: Slot) -> Option<&T> {
        let entry = self.entries.get(slot.index as usize)?;
        if entry.generation == slot.generation { entry.value.as_ref() } else { None }
    }

    /// The value of `slot`, if it still lives.
    pub(crate) fn get_mut(&mut self, slot: Slot) -> Option<&mut T> {
        let entry = self.entries.get_mut(slot.index as usize)?;
        if entry.generation == slot.generation { entry.value.as_mut() } else { None }
    }

    /// Takes the value out; its slot finds nothing from now on.
    pub(crate) fn remove(&mut self, slot: Slot) -> Option<T> {
        let entry = self.entries.get_mut(slot.index as usize)?;
        if entry.generation != slot.generation {
            return None;
        }
        let value = entry.value.take()?;
        entry.generation = entry.generation.wrapping_add(1);
        self.retired.push(slot.index);
        Some(value)
    }

    /// Lets the indices of removed values be used again.
    pub(crate) fn recycle(&mut self) {
        self.free.append(&mut self.retired);
    }

    /// All living values with their slots.
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (Slot, &mut T)> {
        self.entries.iter_mut().enumerate().filter_map(|(index, entry)| {
            let slot = Slot { index: index as u32, generation: entry.generation };
            entry.value.as_mut().map(|value| (slot, value))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_freed_slot_does_not_find_its_successor() {
        let mut table = Table::new(2);
        let first = table.insert("a").unwrap();
        assert_eq!(table.remove(first), Some("a"));
        let other = table.insert("c").unwrap();
        assert_ne!(other.index, first.index, "the index rests first");
        assert_eq!(table.len(), 1);
        table.recycle();
        let second = table.insert("b").unwrap();
        assert_eq!(second.index, first.index, "indices stay dense");
        assert_eq!(table.get(first), None);
        assert_eq!(table.remove(first), None);
        assert_eq!(table.get(second), Some(&"b"));
    }

    #[test]
    fn the_limit_holds_and_gives_the_value_back() {
        let mut table = Table::new(1);
        let slot = table.insert(1).unwrap();
        assert_eq!(table.insert(2), Err(2));
        table.remove(slot);
        assert_eq!(table.insert(3), Err(3));
        table.recycle();
        assert!(table.insert(3).is_ok());
        assert_eq!(table.len(), 1);
    }

    #[test]
    fn ids_survive_packing() {
        let id = SocketId(Slot { index: 0x00ab_cdef, generation: 0xffff_fff1 });
        assert_eq!(SocketId::from_bits(id.to_bits()), id);
    }
}
