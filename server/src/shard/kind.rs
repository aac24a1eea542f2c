//! Kinds of values: the types that `TYPE` names, and the collections behind them.
//! In: an entry of the store. Out: the collection it holds, or nothing when it holds another type.
//! Invariant: one row per collection type; commands name the Rust type and get the right check.

use ringlet_store::hash::Hash;
use ringlet_store::list::List;
use ringlet_store::set::Set;
use ringlet_store::sorted_set::SortedSet;
use ringlet_store::{Entry, Object, ValueMut, ValueRef};

/// The type of a value, as the TYPE command names it.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum ValueType {
    /// A string.
    String,
    /// A list.
    List,
    /// A hash.
    Hash,
    /// A set.
    Set,
    /// A sorted set.
    SortedSet,
}

impl ValueType {
    /// The type of an entry's value.
    pub fn of(entry: &Entry) -> ValueType {
        match entry.value() {
            ValueRef::String(_) | ValueRef::SharedString(_) => ValueType::String,
            ValueRef::List(_) => ValueType::List,
            ValueRef::Hash(_) => ValueType::Hash,
            ValueRef::Set(_) => ValueType::Set,
            ValueRef::SortedSet(_) => ValueType::SortedSet,
        }
    }

    /// The word that TYPE answers.
    pub fn name(self) -> &'static str {
        match self {
            ValueType::String => "string",
            ValueType::List => "list",
            ValueType::Hash => "hash",
            ValueType::Set => "set",
            ValueType::SortedSet => "zset",
        }
    }
}

/// A collection that a key can hold.
pub trait Kind: Sized {
    /// The collection in an entry, `None` when the entry holds another type.
    fn of(entry: &Entry) -> Option<&Self>;
    /// The same, to be changed.
    fn of_mut(entry: &mut Entry) -> Option<&mut Self>;
    /// An entry with an empty collection.
    fn make(key: &[u8]) -> Entry;
    /// True when no element is left.
    fn is_empty(&self) -> bool;
}

macro_rules! kinds {
    ($($kind:ident),*) => {$(
        impl Kind for $kind {
            fn of(entry: &Entry) -> Option<&Self> {
                match entry.value() {
                    ValueRef::$kind(value) => Some(value),
                    _ => None,
                }
            }
            fn of_mut(entry: &mut Entry) -> Option<&mut Self> {
                match entry.value_mut() {
                    ValueMut::$kind(value) => Some(value),
                    _ => None,
                }
            }
            fn make(key: &[u8]) -> Entry {
                Entry::object(key, Object::$kind(Box::new($kind::new())), None)
            }
            fn is_empty(&self) -> bool {
                self.len() == 0
            }
        }
    )*
    /// True when the entry holds a collection without elements.
    pub fn is_empty_collection(entry: &Entry) -> bool {
        match entry.value() {
            $(ValueRef::$kind(value) => value.len() == 0,)*
            ValueRef::String(_) | ValueRef::SharedString(_) => false,
        }
    }};
}
kinds!(List, Hash, Set, SortedSet);
