//! A sorted row of integers, as narrow as the widest of them needs.
//!
//! Job: sets of integers in few bytes. In: integers. Out: integers in ascending order.
//! Invariant: strictly ascending; the width only grows.

use crate::memory;

/// A small sorted set of integers.
#[derive(Debug, Clone)]
pub(crate) enum IntSet {
    Narrow(Vec<i16>),
    Middle(Vec<i32>),
    Wide(Vec<i64>),
}

/// Runs the same code on whichever vector is there.
macro_rules! each {
    ($set:expr, $values:ident => $body:expr) => {
        match $set {
            IntSet::Narrow($values) => $body,
            IntSet::Middle($values) => $body,
            IntSet::Wide($values) => $body,
        }
    };
}

/// Inserts into a sorted vector; whether the value is new.
fn insert_sorted<T: Ord>(values: &mut Vec<T>, value: T) -> bool {
    // Ascending insertion is common, and then there is nothing to search.
    let place = match values.last() {
        Some(last) if *last >= value => match values.binary_search(&value) {
            Ok(_) => return false,
            Err(place) => place,
        },
        _ => values.len(),
    };
    if values.len() == values.capacity() {
        values.reserve_exact(values.len() / 4 + 1);
    }
    values.insert(place, value);
    true
}

/// Removes from a sorted vector; whether the value was there.
fn remove_sorted<T: Ord>(values: &mut Vec<T>, value: &T) -> bool {
    let Ok(place) = values.binary_search(value) else { return false };
    values.remove(place);
    if values.len() < values.capacity() / 4 {
        values.shrink_to(values.len() * 2);
    }
    true
}

impl IntSet {
    pub(crate) const fn new() -> Self {
        Self::Narrow(Vec::new())
    }

    pub(crate) fn len(&self) -> usize {
        each!(self, values => values.len())
    }

    pub(crate) fn contains(&self, value: i64) -> bool {
        match self {
            Self::Narrow(values) => {
                value.try_into().is_ok_and(|value: i16| values.binary_search(&value).is_ok())
            }
            Self::Middle(values) => {
                value.try_into().is_ok_and(|value: i32| values.binary_search(&value).is_ok())
            }
            Self::Wide(values) => values.binary_search(&value).is_ok(),
        }
    }

    /// Makes the elements wide enough for `value`.
    fn widen_for(&mut self, value: i64) {
        if let Self::Narrow(values) = self
            && i16::try_from(value).is_err()
        {
            *self = Self::Middle(values.iter().map(|value| i32::from(*value)).collect());
        }
        if let Self::Middle(values) = self
            && i32::try_from(value).is_err()
        {
            *self = Self::Wide(values.iter().map(|value| i64::from(*value)).collect());
        }
    }

    /// Adds a value; whether it is new.
    pub(crate) fn insert(&mut self, value: i64) -> bool {
        self.widen_for(value);
        match self {
            Self::Narrow(values) => insert_sorted(values, value as i16),
            Self::Middle(values) => insert_sorted(values, value as i32),
            Self::Wide(values) => insert_sorted(values, value),
        }
    }

    /// Removes a value; whether it was there.
    pub(crate) fn remove(&mut self, value: i64) -> bool {
        match self {
            Self::Narrow(values) => {
                value.try_into().is_ok_and(|value| remove_sorted(values, &value))
            }
            Self::Middle(values) => {
                value.try_into().is_ok_and(|value| remove_sorted(values, &value))
            }
            Self::Wide(values) => remove_sorted(values, &value),
        }
    }

    /// The value with this index in ascending order.
    pub(crate) fn get(&self, index: usize) -> Option<i64> {
        match self {
            Self::Narrow(values) => values.get(index).map(|value| i64::from(*value)),
            Self::Middle(values) => values.get(index).map(|value| i64::from(*value)),
            Self::Wide(values) => values.get(index).copied(),
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = i64> {
        (0..self.len()).map_while(|index| self.get(index))
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        each!(self, values => memory::allocated(values.capacity() * size_of_val_of(values)))
    }
}

/// The size of one element.
const fn size_of_val_of<T>(_values: &Vec<T>) -> usize {
    size_of::<T>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ringlet_base::random::Random;
    use std::collections::BTreeSet;

    #[test]
    fn agrees_with_a_tree_set_at_every_width() {
        for (seed, bits) in [(1, 10), (2, 20), (3, 34), (4, 64)] {
            println!("seed {seed}");
            let (mut random, mut set, mut model) =
                (Random::new(seed), IntSet::new(), BTreeSet::new());
            for _ in 0..3000 {
                let value = (random.next_u64() as i64) >> (64 - bits);
                if random.below(3) == 0 {
                    assert_eq!(set.remove(value), model.remove(&value));
                } else {
                    assert_eq!(set.insert(value), model.insert(value));
                }
                let probe = (random.next_u64() as i64) >> (64 - bits);
                assert_eq!(set.contains(probe), model.contains(&probe));
                assert_eq!(set.len(), model.len());
            }
            assert!(set.iter().eq(model.iter().copied()));
            for value in model {
                assert!(set.remove(value));
            }
            assert_eq!(set.len(), 0);
            assert!(!set.contains(i64::MAX) && !set.remove(i64::MIN));
        }
    }
}
