//! The values that do not fit an entry's own block, and the views of all values.
//!
//! In: large strings and collections. Out: one word each in the entry.
//! Invariant: an `Object` is two words, whatever it holds; every part of it can move to another
//! core.
//!
//! To add a kind of value: one variant here in each of the enums, one in `graveyard.rs`.

use crate::hash::Hash;
use crate::list::List;
use crate::memory;
use crate::set::Set;
use crate::sorted_set::SortedSet;
use bytes::Bytes;

/// A value in a heap block of its own.
#[derive(Debug)]
pub enum Object {
    /// A large string, shared with replies that are on their way.
    Bytes(Box<Bytes>),
    /// A list.
    List(Box<List>),
    /// A hash.
    Hash(Box<Hash>),
    /// A set.
    Set(Box<Set>),
    /// A sorted set.
    SortedSet(Box<SortedSet>),
}

/// The types of values, as `TYPE` names them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Strings of any size.
    String,
    /// Lists.
    List,
    /// Hashes.
    Hash,
    /// Sets.
    Set,
    /// Sorted sets.
    SortedSet,
}

impl Kind {
    /// The name that `TYPE` replies and `SCAN ... TYPE` takes.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::String => "string",
            Self::List => "list",
            Self::Hash => "hash",
            Self::Set => "set",
            Self::SortedSet => "zset",
        }
    }
}

/// A shared view of a value.
#[derive(Debug, Clone, Copy)]
pub enum ValueRef<'a> {
    /// A string inside the entry.
    String(&'a [u8]),
    /// A large string, to be cloned without copying.
    SharedString(&'a Bytes),
    /// A list.
    List(&'a List),
    /// A hash.
    Hash(&'a Hash),
    /// A set.
    Set(&'a Set),
    /// A sorted set.
    SortedSet(&'a SortedSet),
}

/// An exclusive view of a value. Strings change through the methods of `Entry`.
#[derive(Debug)]
pub enum ValueMut<'a> {
    /// A string, of either size.
    String,
    /// A list.
    List(&'a mut List),
    /// A hash.
    Hash(&'a mut Hash),
    /// A set.
    Set(&'a mut Set),
    /// A sorted set.
    SortedSet(&'a mut SortedSet),
}

impl<'a> ValueRef<'a> {
    /// The type of the value.
    #[must_use]
    pub const fn kind(self) -> Kind {
        match self {
            Self::String(_) | Self::SharedString(_) => Kind::String,
            Self::List(_) => Kind::List,
            Self::Hash(_) => Kind::Hash,
            Self::Set(_) => Kind::Set,
            Self::SortedSet(_) => Kind::SortedSet,
        }
    }

    /// The bytes of a string of either size; `None` for other types.
    #[must_use]
    pub fn bytes(self) -> Option<&'a [u8]> {
        match self {
            Self::String(bytes) => Some(bytes),
            Self::SharedString(bytes) => Some(bytes),
            _ => None,
        }
    }
}

impl Object {
    /// The value in it.
    #[inline]
    #[must_use]
    pub fn value(&self) -> ValueRef<'_> {
        match self {
            Self::Bytes(bytes) => ValueRef::SharedString(bytes),
            Self::List(list) => ValueRef::List(list),
            Self::Hash(hash) => ValueRef::Hash(hash),
            Self::Set(set) => ValueRef::Set(set),
            Self::SortedSet(sorted_set) => ValueRef::SortedSet(sorted_set),
        }
    }

    /// The value in it, to be changed.
    #[inline]
    #[must_use]
    pub fn value_mut(&mut self) -> ValueMut<'_> {
        match self {
            Self::Bytes(_) => ValueMut::String,
            Self::List(list) => ValueMut::List(list),
            Self::Hash(hash) => ValueMut::Hash(hash),
            Self::Set(set) => ValueMut::Set(set),
            Self::SortedSet(sorted_set) => ValueMut::SortedSet(sorted_set),
        }
    }

    /// A copy of its own. Large strings stay shared until one side changes.
    #[must_use]
    pub fn duplicate(&self) -> Self {
        match self {
            Self::Bytes(bytes) => Self::Bytes(bytes.clone()),
            Self::List(list) => Self::List(Box::new(list.duplicate())),
            Self::Hash(hash) => Self::Hash(Box::new(hash.duplicate())),
            Self::Set(set) => Self::Set(Box::new(set.duplicate())),
            Self::SortedSet(sorted_set) => Self::SortedSet(Box::new(sorted_set.duplicate())),
        }
    }

    /// Heap bytes behind it; those of big collections are sampled, and the room that a string has
    /// to grow is not counted: as much again at most, and 1 MiB at most.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        match self {
            Self::Bytes(bytes) => memory::boxed_bytes::<Bytes>() + memory::allocated(bytes.len()),
            Self::List(list) => list.memory_bytes(),
            Self::Hash(hash) => hash.memory_bytes(),
            Self::Set(set) => set.memory_bytes(),
            Self::SortedSet(sorted_set) => sorted_set.memory_bytes(),
        }
    }

    /// About how many blocks must be freed with it.
    #[must_use]
    pub fn free_cost(&self) -> usize {
        match self {
            Self::Bytes(_) => 1,
            Self::List(list) => list.nodes(),
            Self::Hash(hash) => {
                if hash.is_table() {
                    hash.len()
                } else {
                    1
                }
            }
            Self::Set(set) => {
                if set.is_table() {
                    set.len()
                } else {
                    1
                }
            }
            Self::SortedSet(set) => {
                if set.is_tree() {
                    set.len()
                } else {
                    1
                }
            }
        }
    }
}

impl From<List> for Object {
    fn from(list: List) -> Self {
        Self::List(Box::new(list))
    }
}

impl From<Hash> for Object {
    fn from(hash: Hash) -> Self {
        Self::Hash(Box::new(hash))
    }
}

impl From<Set> for Object {
    fn from(set: Set) -> Self {
        Self::Set(Box::new(set))
    }
}

impl From<SortedSet> for Object {
    fn from(sorted_set: SortedSet) -> Self {
        Self::SortedSet(Box::new(sorted_set))
    }
}
