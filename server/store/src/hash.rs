//! The hash value: fields with values, packed while few and short, then a table.
//!
//! In: fields, values and `Limits`. Out: values, pairs, fair random pairs, a scan.
//! Invariant: no field stands twice; a table never turns back into a pack.

use crate::hasher::KeyHasher;
use crate::limits::Limits;
use crate::memory;
use crate::pack::{self, Pack};
use crate::record::Field;
use crate::sample::{self, index_below};
use crate::table::{Remains, Table};
use ringlet_base::random::Random;

/// Elements that [`Hash::memory_bytes`] and its like measure before they extrapolate.
pub(crate) const MEMORY_SAMPLES: usize = 64;

#[derive(Debug)]
enum Repr {
    /// Field, value, field, value...
    Pack(Pack),
    Table(Box<FieldTable>),
}

#[derive(Debug)]
struct FieldTable {
    fields: Table<Field>,
    hasher: KeyHasher,
}

/// A map from fields to values.
#[derive(Debug)]
pub struct Hash(Repr);

impl Default for Hash {
    fn default() -> Self {
        Self::new()
    }
}

impl FieldTable {
    fn find(&self, field: &[u8]) -> Option<&Field> {
        self.fields.find(self.hasher.hash(field), |candidate| candidate.name() == field)
    }

    fn insert(&mut self, field: Field) {
        let hash = self.hasher.hash(field.name());
        self.fields.insert(hash, field, |field| self.hasher.hash(field.name()));
    }

    fn set(&mut self, field: &[u8], value: &[u8]) -> bool {
        let hash = self.hasher.hash(field);
        match self.fields.find_mut(hash, |candidate| candidate.name() == field) {
            Some(found) => {
                found.set_value(value);
                false
            }
            None => {
                let field = Field::new(field, value);
                self.fields.insert(hash, field, |field| self.hasher.hash(field.name()));
                true
            }
        }
    }
}

impl Hash {
    /// An empty hash.
    #[must_use]
    pub const fn new() -> Self {
        Self(Repr::Pack(Pack::new()))
    }

    /// The number of fields.
    #[must_use]
    pub fn len(&self) -> usize {
        match &self.0 {
            Repr::Pack(pack) => pack.len() / 2,
            Repr::Table(table) => table.fields.len(),
        }
    }

    /// Whether there are no fields.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The encoding that `OBJECT ENCODING` reports: "listpack" or "hashtable".
    #[must_use]
    pub const fn encoding(&self) -> &'static str {
        match &self.0 {
            Repr::Pack(_) => "listpack",
            Repr::Table(_) => "hashtable",
        }
    }

    /// The value of a field.
    #[must_use]
    pub fn get(&self, field: &[u8]) -> Option<&[u8]> {
        match &self.0 {
            Repr::Pack(pack) => pack.find(field, 2).map(|place| pack.at(pack.next(place))),
            Repr::Table(table) => table.find(field).map(Field::value),
        }
    }

    /// Whether there is such a field.
    #[must_use]
    pub fn contains(&self, field: &[u8]) -> bool {
        self.get(field).is_some()
    }

    /// Before many fields are set at once: becomes a table at once if `additional` new fields alone
    /// exceed the pack's limit (as Redis does).
    pub fn prepare(&mut self, additional: usize, limits: &Limits) {
        if additional > limits.hash_max_listpack_entries {
            self.become_table(additional, limits);
        }
    }

    /// Sets a field. Returns whether it is new.
    pub fn set(&mut self, field: &[u8], value: &[u8], limits: &Limits) -> bool {
        if field.len().max(value.len()) > limits.hash_max_listpack_value {
            self.become_table(0, limits);
        }
        let inserted = match &mut self.0 {
            Repr::Pack(pack) => match pack.find(field, 2) {
                Some(place) => {
                    pack.replace_at(pack.next(place), value);
                    false
                }
                None => {
                    pack.push_back(field);
                    pack.push_back(value);
                    true
                }
            },
            Repr::Table(table) => table.set(field, value),
        };
        if inserted && self.len() > limits.hash_max_listpack_entries {
            self.become_table(0, limits);
        }
        inserted
    }

    fn become_table(&mut self, additional: usize, limits: &Limits) {
        let Repr::Pack(pack) = &self.0 else { return };
        let fields = Table::with_capacity(pack.len() / 2 + additional);
        let mut table = Box::new(FieldTable { fields, hasher: limits.hasher });
        let mut elements = pack.iter();
        while let (Some(field), Some(value)) = (elements.next(), elements.next()) {
            table.insert(Field::new(field, value));
        }
        self.0 = Repr::Table(table);
    }

    /// Removes a field. Returns whether it was there.
    pub fn remove(&mut self, field: &[u8]) -> bool {
        match &mut self.0 {
            Repr::Pack(pack) => match pack.find(field, 2) {
                Some(place) => {
                    pack.remove_at(place, 2);
                    true
                }
                None => false,
            },
            Repr::Table(table) => {
                let hash = table.hasher.hash(field);
                let rehash = |field: &Field| table.hasher.hash(field.name());
                table.fields.remove(hash, |found| found.name() == field, rehash).is_some()
            }
        }
    }

    /// All fields with their values, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let (pack, fields) = match &self.0 {
            Repr::Pack(pack) => (pack.iter(), None),
            Repr::Table(table) => (pack::Iter::default(), Some(table.fields.iter())),
        };
        pairs(pack).chain(fields.into_iter().flatten().map(Field::parts))
    }

    /// A field with its value, each equally likely. `None` when the hash is empty.
    pub fn random(&self, random: &mut Random) -> Option<(&[u8], &[u8])> {
        match &self.0 {
            Repr::Pack(pack) if pack.is_empty() => None,
            Repr::Pack(pack) => {
                let place = pack.seek(index_below(random, pack.len() / 2) * 2);
                Some((pack.at(place), pack.at(pack.next(place))))
            }
            Repr::Table(table) => table.fields.random(random).map(Field::parts),
        }
    }

    /// `count` different fields with their values, each choice equally likely; all of them when
    /// there are no more (`HRANDFIELD` with a positive count).
    pub fn random_distinct(
        &self,
        count: usize,
        random: &mut Random,
        mut visit: impl FnMut(&[u8], &[u8]),
    ) {
        match &self.0 {
            Repr::Table(table) if count < self.len() / 4 => {
                table.fields.random_distinct(count, random, |field| {
                    let (name, value) = field.parts();
                    visit(name, value);
                });
            }
            _ => sample::visit_chosen(self.iter(), self.len(), count, random, |pair| {
                visit(pair.0, pair.1);
            }),
        }
    }

    /// One step of `HSCAN`; see [`Table::scan`]. A pack is shown whole, in one step.
    pub fn scan(&self, cursor: u64, count: usize, mut visit: impl FnMut(&[u8], &[u8])) -> u64 {
        match &self.0 {
            Repr::Pack(pack) => {
                pairs(pack.iter()).for_each(|(field, value)| visit(field, value));
                0
            }
            Repr::Table(table) => table.fields.scan(
                cursor,
                count,
                |field| table.hasher.hash(field.name()),
                |field| {
                    let (name, value) = field.parts();
                    visit(name, value);
                },
            ),
        }
    }

    /// A copy of its own.
    #[must_use]
    pub fn duplicate(&self) -> Self {
        match &self.0 {
            Repr::Pack(pack) => Self(Repr::Pack(pack.clone())),
            Repr::Table(table) => {
                let fields = Table::with_capacity(table.fields.len());
                let mut copy = Box::new(FieldTable { fields, hasher: table.hasher });
                for field in table.fields.iter() {
                    copy.insert(Field::new(field.name(), field.value()));
                }
                Self(Repr::Table(copy))
            }
        }
    }

    /// Heap bytes, the hash itself included; big ones are sampled.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        memory::boxed_bytes::<Self>()
            + match &self.0 {
                Repr::Pack(pack) => pack.memory_bytes(),
                Repr::Table(table) => {
                    let sizes = table.fields.iter().take(MEMORY_SAMPLES).map(Field::memory_bytes);
                    memory::boxed_bytes::<FieldTable>()
                        + table.fields.memory_bytes()
                        + sample::extrapolate(sizes, table.fields.len())
                }
            }
    }

    /// The table, when there is one, to be freed in slices.
    pub(crate) fn into_remains(self) -> Option<Remains<Field>> {
        match self.0 {
            Repr::Pack(_) => None,
            Repr::Table(table) => Some(table.fields.into_remains()),
        }
    }

    /// Whether it is more than a pack.
    pub(crate) const fn is_table(&self) -> bool {
        matches!(self.0, Repr::Table(_))
    }
}

/// Pairs of neighbours.
fn pairs(mut elements: pack::Iter<'_>) -> impl Iterator<Item = (&[u8], &[u8])> {
    std::iter::from_fn(move || Some((elements.next()?, elements.next()?)))
}
