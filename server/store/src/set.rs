//! The set value: integers, then a pack, then a table, as the members require.
//!
//! In: members and `Limits`. Out: membership, members, fair random members, a scan.
//! Invariant: no member stands twice; conversions go one way: integers, pack, table.

use crate::hash::MEMORY_SAMPLES;
use crate::hasher::KeyHasher;
use crate::intset::IntSet;
use crate::limits::Limits;
use crate::memory;

use crate::pack::{self, Pack};
use crate::record::Member;
use crate::sample::{self, index_below};
use crate::table::{Remains, Table};
use ringlet_base::number::parse_i64;
use ringlet_base::random::Random;

#[derive(Debug)]
enum Repr {
    Integers(IntSet),
    Pack(Pack),
    Table(Box<MemberTable>),
}

#[derive(Debug)]
struct MemberTable {
    members: Table<Member>,
    hasher: KeyHasher,
}

/// A set of byte strings.
#[derive(Debug)]
pub struct Set(Repr);

/// A member of a set as it is stored: text, or an integer that stands for its decimal text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SetMember<'a> {
    /// The member itself.
    Text(&'a [u8]),
    /// The member is this number in decimal.
    Integer(i64),
}

impl<'a> SetMember<'a> {
    /// The member's text, written to `buffer` if it is not stored as text.
    #[must_use]
    pub fn text<'b>(self, buffer: &'b mut itoa::Buffer) -> &'b [u8]
    where
        'a: 'b,
    {
        match self {
            Self::Text(text) => text,
            Self::Integer(value) => buffer.format(value).as_bytes(),
        }
    }

    /// The member's text in a vector of its own.
    #[must_use]
    pub fn to_vec(self) -> Vec<u8> {
        self.text(&mut itoa::Buffer::new()).to_vec()
    }
}

/// The number of bytes that `value` takes in decimal.
fn decimal_length(value: i64) -> usize {
    itoa::Buffer::new().format(value).len()
}

impl MemberTable {
    fn insert(&mut self, member: &[u8]) -> bool {
        let hash = self.hasher.hash(member);
        if self.members.find(hash, |candidate| candidate.bytes() == member).is_some() {
            return false;
        }
        self.members.insert(hash, Member::new(member), |member| self.hasher.hash(member.bytes()));
        true
    }

    fn remove(&mut self, member: &[u8]) -> bool {
        let hash = self.hasher.hash(member);
        let rehash = |member: &Member| self.hasher.hash(member.bytes());
        self.members.remove(hash, |candidate| candidate.bytes() == member, rehash).is_some()
    }
}

impl Default for Set {
    fn default() -> Self {
        Self::new()
    }
}

impl Set {
    /// An empty set.
    #[must_use]
    pub const fn new() -> Self {
        Self(Repr::Integers(IntSet::new()))
    }

    /// The number of members.
    #[must_use]
    pub fn len(&self) -> usize {
        match &self.0 {
            Repr::Integers(integers) => integers.len(),
            Repr::Pack(pack) => pack.len(),
            Repr::Table(table) => table.members.len(),
        }
    }

    /// Whether there are no members.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The encoding that `OBJECT ENCODING` reports: "intset", "listpack" or "hashtable".
    #[must_use]
    pub const fn encoding(&self) -> &'static str {
        match &self.0 {
            Repr::Integers(_) => "intset",
            Repr::Pack(_) => "listpack",
            Repr::Table(_) => "hashtable",
        }
    }

    /// Whether `member` is in the set.
    #[must_use]
    pub fn contains(&self, member: &[u8]) -> bool {
        match &self.0 {
            Repr::Integers(integers) => {
                parse_i64(member).is_some_and(|value| integers.contains(value))
            }
            Repr::Pack(pack) => pack.find(member, 1).is_some(),
            Repr::Table(table) => {
                let hash = table.hasher.hash(member);
                table.members.find(hash, |candidate| candidate.bytes() == member).is_some()
            }
        }
    }

    /// Before `additional` members, of which `first` is the first, go in: chooses the encoding of
    /// an empty set for that many. One with members becomes a table when they alone are too many
    /// for its encoding, new or not. All as in Redis.
    pub fn prepare(&mut self, first: &[u8], additional: usize, limits: &Limits) {
        if !self.is_empty() {
            let additional_max = match self.0 {
                Repr::Integers(_) => limits.set_max_intset_entries,
                Repr::Pack(_) => limits.set_max_listpack_entries,
                Repr::Table(_) => return,
            };
            if additional > additional_max {
                self.become_table(additional, limits);
            }
        } else if parse_i64(first).is_some() && additional <= limits.set_max_intset_entries {
            self.0 = Repr::Integers(IntSet::new());
        } else if additional <= limits.set_max_listpack_entries {
            self.0 = Repr::Pack(Pack::new());
        } else {
            self.become_table(additional, limits);
        }
    }

    /// Adds a member. Returns whether it is new.
    pub fn insert(&mut self, member: &[u8], limits: &Limits) -> bool {
        match &mut self.0 {
            Repr::Integers(integers) => match parse_i64(member) {
                Some(value) => {
                    let inserted = integers.insert(value);
                    if inserted && integers.len() > limits.set_max_intset_entries {
                        self.become_table(0, limits);
                    }
                    inserted
                }
                None => {
                    self.leave_integers(member.len(), limits);
                    self.insert(member, limits)
                }
            },
            Repr::Pack(pack) => {
                if pack.find(member, 1).is_some() {
                    return false;
                }
                if pack.len() < limits.set_max_listpack_entries
                    && member.len() <= limits.set_max_listpack_value
                {
                    pack.push_back(member);
                    return true;
                }
                self.become_table(0, limits);
                self.insert(member, limits)
            }
            Repr::Table(table) => table.insert(member),
        }
    }

    /// Before the first member that is no integer: becomes a pack if all members fit one.
    fn leave_integers(&mut self, member_bytes: usize, limits: &Limits) {
        let Repr::Integers(integers) = &self.0 else { return };
        // The longest text is at one of the ends of the order.
        let ends = [integers.get(0), integers.get(integers.len().saturating_sub(1))];
        let longest = ends.into_iter().flatten().map(decimal_length).fold(member_bytes, usize::max);
        if integers.len() >= limits.set_max_listpack_entries
            || longest > limits.set_max_listpack_value
        {
            return self.become_table(0, limits);
        }
        let mut pack = Pack::new();
        let mut buffer = itoa::Buffer::new();
        for value in integers.iter() {
            pack.push_back(buffer.format(value).as_bytes());
        }
        self.0 = Repr::Pack(pack);
    }

    fn become_table(&mut self, additional: usize, limits: &Limits) {
        if matches!(self.0, Repr::Table(_)) {
            return;
        }
        let members = Table::with_capacity(self.len() + additional);
        let mut table = Box::new(MemberTable { members, hasher: limits.hasher });
        let mut buffer = itoa::Buffer::new();
        for member in self.iter() {
            table.insert(member.text(&mut buffer));
        }
        self.0 = Repr::Table(table);
    }

    /// Removes a member. Returns whether it was there.
    pub fn remove(&mut self, member: &[u8]) -> bool {
        match &mut self.0 {
            Repr::Integers(integers) => {
                parse_i64(member).is_some_and(|value| integers.remove(value))
            }
            Repr::Pack(pack) => match pack.find(member, 1) {
                Some(place) => {
                    pack.remove_at(place, 1);
                    true
                }
                None => false,
            },
            Repr::Table(table) => table.remove(member),
        }
    }

    /// All members: integers in ascending order, others in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = SetMember<'_>> {
        let (mut integers, mut pack, mut members) = (None, pack::Iter::default(), None);
        match &self.0 {
            Repr::Integers(values) => integers = Some(values.iter()),
            Repr::Pack(values) => pack = values.iter(),
            Repr::Table(table) => members = Some(table.members.iter()),
        }
        let texts = pack.chain(members.into_iter().flatten().map(Member::bytes));
        integers.into_iter().flatten().map(SetMember::Integer).chain(texts.map(SetMember::Text))
    }

    /// A member, each equally likely. `None` when the set is empty.
    pub fn random(&self, random: &mut Random) -> Option<SetMember<'_>> {
        if self.is_empty() {
            return None;
        }
        match &self.0 {
            Repr::Integers(integers) => {
                integers.get(index_below(random, integers.len())).map(SetMember::Integer)
            }
            Repr::Pack(pack) => pack.get(index_below(random, pack.len())).map(SetMember::Text),
            Repr::Table(table) => {
                table.members.random(random).map(|member| SetMember::Text(member.bytes()))
            }
        }
    }

    /// `count` different members, each choice equally likely; all of them when there are no more
    /// (`SRANDMEMBER` with a positive count).
    pub fn random_distinct(
        &self,
        count: usize,
        random: &mut Random,
        mut visit: impl FnMut(SetMember<'_>),
    ) {
        match &self.0 {
            Repr::Table(table) if count < self.len() / 4 => {
                table
                    .members
                    .random_distinct(count, random, |member| visit(SetMember::Text(member.bytes())))
            }
            _ => sample::visit_chosen(self.iter(), self.len(), count, random, visit),
        }
    }

    /// Takes out a member, each equally likely (`SPOP`).
    pub fn pop_random(&mut self, random: &mut Random) -> Option<Vec<u8>> {
        let member = self.random(random)?.to_vec();
        self.remove(&member);
        Some(member)
    }

    /// Keeps `count` random members, each choice equally likely, as a set of its own: integers if
    /// this is one of integers, otherwise a pack for as long as they fit one. Returns the set
    /// without them, in the encoding it had (`SPOP` of most members).
    #[must_use]
    pub fn keep_random(&mut self, count: usize, random: &mut Random, limits: &Limits) -> Self {
        let mut kept = match self.0 {
            Repr::Integers(_) => Self::new(),
            Repr::Pack(_) | Repr::Table(_) => Self(Repr::Pack(Pack::new())),
        };
        let mut chosen = Vec::with_capacity(count.min(self.len()));
        self.random_distinct(count, random, |member| chosen.push(member.to_vec()));
        for member in chosen {
            self.remove(&member);
            kept.insert(&member, limits);
        }
        std::mem::replace(self, kept)
    }

    /// One step of `SSCAN`; see [`Table::scan`]. Compact encodings are shown whole, in one step.
    pub fn scan(&self, cursor: u64, count: usize, mut visit: impl FnMut(SetMember<'_>)) -> u64 {
        match &self.0 {
            Repr::Integers(_) | Repr::Pack(_) => {
                self.iter().for_each(visit);
                0
            }
            Repr::Table(table) => table.members.scan(
                cursor,
                count,
                |member| table.hasher.hash(member.bytes()),
                |member| visit(SetMember::Text(member.bytes())),
            ),
        }
    }

    /// A copy of its own.
    #[must_use]
    pub fn duplicate(&self) -> Self {
        match &self.0 {
            Repr::Integers(integers) => Self(Repr::Integers(integers.clone())),
            Repr::Pack(pack) => Self(Repr::Pack(pack.clone())),
            Repr::Table(table) => {
                let members = Table::with_capacity(table.members.len());
                let mut copy = Box::new(MemberTable { members, hasher: table.hasher });
                for member in table.members.iter() {
                    copy.insert(member.bytes());
                }
                Self(Repr::Table(copy))
            }
        }
    }

    /// Heap bytes, the set itself included; big ones are sampled.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        memory::boxed_bytes::<Self>()
            + match &self.0 {
                Repr::Integers(integers) => integers.memory_bytes(),
                Repr::Pack(pack) => pack.memory_bytes(),
                Repr::Table(table) => {
                    let sizes = table.members.iter().take(MEMORY_SAMPLES).map(Member::memory_bytes);
                    memory::boxed_bytes::<MemberTable>()
                        + table.members.memory_bytes()
                        + sample::extrapolate(sizes, table.members.len())
                }
            }
    }

    /// The table, when there is one, to be freed in slices.
    pub(crate) fn into_remains(self) -> Option<Remains<Member>> {
        match self.0 {
            Repr::Integers(_) | Repr::Pack(_) => None,
            Repr::Table(table) => Some(table.members.into_remains()),
        }
    }

    /// Whether it is more than a compact encoding.
    pub(crate) const fn is_table(&self) -> bool {
        matches!(self.0, Repr::Table(_))
    }
}
