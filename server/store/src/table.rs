//! Hash table in segments that split alone, so that growth never pauses.
//!
//! Job: the keyspace, big hashes, big sets and the member index of sorted sets.
//! In: elements with their hash (and a function that hashes an element again, for splits).
//! Out: lookups, fair random elements, and a scan in hash order.
//! Invariant: the segments partition the range of positions (see [`position`]); each is reached
//! from exactly the directory entries of its range; an element lies in the segment of its position.

use crate::chunks::Chunks;
pub use crate::hasher::KeyHasher;
use crate::memory;
use crate::sample::index_below;
use hashbrown::HashTable;
use ringlet_base::random::Random;

/// A segment splits when it would exceed this: a `hashbrown` table of 1024 buckets is then full.
pub const SEGMENT_ELEMENTS_MAX: usize = 896;
/// Two neighbours that together hold fewer elements than this become one segment.
const MERGE_BELOW: usize = SEGMENT_ELEMENTS_MAX / 4;
/// Tables with fewer buckets are not worth shrinking.
const SHRINK_BUCKETS_MIN: usize = 64;
/// Directory entries per segment at most. Even hashes need about 4; only elements with equal hashes
/// want more, and those cannot be parted by splitting.
const DIRECTORY_ENTRIES_PER_SEGMENT_MAX: usize = 16;
/// A scan divides a segment into at most this many steps, because each step hashes all of it.
const SCAN_STEPS_PER_SEGMENT_MAX: usize = 32;
/// Random draws that may hit empty buckets before a fair but slow walk decides.
const RANDOM_TRIES_MAX: usize = 256;

/// Bits of a scan cursor. Callers can put the number of the shard above them and still stay below
/// 2^53, which is as far as clients that read numbers as floating point can follow.
pub const CURSOR_BITS: u32 = 44;

/// What a table remembers about the elements of one segment.
pub trait Digest<T>: Default {
    /// An element has come in.
    fn add(&mut self, element: &T);
    /// An element has gone out.
    fn remove(&mut self, element: &T);
}

impl<T> Digest<T> for () {
    fn add(&mut self, _element: &T) {}
    fn remove(&mut self, _element: &T) {}
}

/// The place of a hash in scan order, which is also what the directory goes by.
///
/// `hashbrown` uses the top 7 and the lowest bits itself, so the ones between are taken. They are
/// not used as they are: a monotone bend makes the lower half of the range about twice as crowded
/// as the upper end. With even hashes all segments would fill and split at the same time, and
/// memory per element would swing by a factor of two with the number of elements; so they take
/// turns.
#[inline]
fn position(hash: u64) -> u64 {
    let x = hash << 7;
    let square = ((u128::from(x) * u128::from(x)) >> 64) as u64;
    // 11/16 x + 5/16 x^2, for x as a fraction of 2^64.
    (x >> 1) + (x >> 3) + (x >> 4) + (square >> 2) + (square >> 4)
}

#[derive(Debug)]
struct Segment<T, D> {
    elements: HashTable<T>,
    digest: D,
    /// The first position of its range.
    start: u64,
    /// Its range is 2^(64 - depth) positions long.
    depth: u32,
}

impl<T, D> Segment<T, D> {
    /// The last position of its range.
    fn last(&self) -> u64 {
        self.start | u64::MAX.checked_shr(self.depth).unwrap_or(0)
    }
}

/// What one step of [`Table::sweep`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sweep {
    /// Where to go on, or `None` after the last segment.
    pub next: Option<u64>,
    /// Elements looked at: none when the segment was skipped.
    pub examined: usize,
    /// Elements taken out.
    pub taken: usize,
}

/// Extendible hash table of elements `T` with a digest `D` per segment.
#[derive(Debug)]
pub struct Table<T, D = ()> {
    /// For each value of the top `depth` bits of a position, the segment that holds it.
    directory: Vec<u32>,
    depth: u32,
    /// Segments whose depth is the directory's: with none left, the directory can be halved.
    deepest: usize,
    segments: Chunks<Segment<T, D>>,
    len: usize,
    /// At least the number of buckets of every segment.
    buckets_max: usize,
}

impl<T, D: Digest<T>> Default for Table<T, D> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T, D: Digest<T>> Table<T, D> {
    /// An empty table.
    #[must_use]
    pub fn new() -> Self {
        Self::with_capacity(0)
    }

    /// An empty table whose first segment has room for `capacity` elements (or for as many as a
    /// segment can hold).
    #[must_use]
    pub fn with_capacity(capacity: usize) -> Self {
        let elements = HashTable::with_capacity(capacity.min(SEGMENT_ELEMENTS_MAX));
        let buckets_max = elements.num_buckets();
        let mut segments = Chunks::new();
        segments.push(Segment { elements, digest: D::default(), start: 0, depth: 0 });
        Self { directory: vec![0], depth: 0, deepest: 1, segments, len: 0, buckets_max }
    }

    /// The number of elements.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are no elements.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The number of segments, for statistics.
    #[must_use]
    pub fn segments(&self) -> usize {
        self.segments.len()
    }

    #[inline]
    fn directory_index(&self, position: u64) -> usize {
        position.checked_shr(64 - self.depth).unwrap_or(0) as usize
    }

    #[inline]
    fn segment_of(&self, position: u64) -> usize {
        self.directory[self.directory_index(position)] as usize
    }

    /// The element with this hash for which `eq` holds.
    #[inline]
    pub fn find(&self, hash: u64, eq: impl FnMut(&T) -> bool) -> Option<&T> {
        self.segments.get(self.segment_of(position(hash))).elements.find(hash, eq)
    }

    /// As [`Self::find`], to change the element in a way that leaves its hash and its share of the
    /// digest as they are.
    #[inline]
    pub fn find_mut(&mut self, hash: u64, eq: impl FnMut(&T) -> bool) -> Option<&mut T> {
        self.find_with_digest(hash, eq).map(|(element, _)| element)
    }

    /// The element and the digest of its segment, which the caller keeps true.
    #[inline]
    pub fn find_with_digest(
        &mut self,
        hash: u64,
        eq: impl FnMut(&T) -> bool,
    ) -> Option<(&mut T, &mut D)> {
        let segment = self.segment_of(position(hash));
        let segment = self.segments.get_mut(segment);
        Some((segment.elements.find_mut(hash, eq)?, &mut segment.digest))
    }

    /// Adds an element that is not in the table yet. Moves at most one segment's elements.
    #[inline]
    pub fn insert(&mut self, hash: u64, element: T, rehash: impl Fn(&T) -> u64) {
        let mut index = self.segment_of(position(hash));
        if self.segments.get(index).elements.len() >= SEGMENT_ELEMENTS_MAX {
            index = self.split(index, position(hash), &rehash);
        }
        let segment = self.segments.get_mut(index);
        segment.digest.add(&element);
        segment.elements.insert_unique(hash, element, rehash);
        self.buckets_max = self.buckets_max.max(segment.elements.num_buckets());
        self.len += 1;
    }

    /// Takes out the element with this hash for which `eq` holds.
    #[inline]
    pub fn remove(
        &mut self,
        hash: u64,
        eq: impl FnMut(&T) -> bool,
        rehash: impl Fn(&T) -> u64,
    ) -> Option<T> {
        let index = self.segment_of(position(hash));
        let segment = self.segments.get_mut(index);
        let element = segment.elements.find_entry(hash, eq).ok()?.remove().0;
        segment.digest.remove(&element);
        self.len -= 1;
        self.tighten(index, rehash);
        Some(element)
    }

    /// Splits a full segment in two and returns the one that owns `target` now. When that cannot
    /// help (equal hashes), the segment stays and will exceed its normal size.
    #[cold]
    fn split(&mut self, index: usize, target: u64, rehash: &impl Fn(&T) -> u64) -> usize {
        if self.segments.get(index).depth == self.depth {
            let bound = DIRECTORY_ENTRIES_PER_SEGMENT_MAX * self.segments.len();
            if self.directory.len() >= bound || self.depth == u64::BITS - CURSOR_BITS {
                return index;
            }
            self.directory = self.directory.iter().flat_map(|entry| [*entry, *entry]).collect();
            self.depth += 1;
            self.deepest = 0;
        }
        let segment = self.segments.get_mut(index);
        segment.depth += 1;
        let upper_start = segment.start | 1 << (64 - segment.depth);
        // Hash each element once only: to hash it means to fetch it from memory.
        let elements: Vec<(u64, T)> = std::mem::take(&mut segment.elements)
            .into_iter()
            .map(|element| (rehash(&element), element))
            .collect();
        let belongs_up = |hash: u64| position(hash) >= upper_start;
        let upper_count = elements.iter().filter(|(hash, _)| belongs_up(*hash)).count();
        // Room for one more, so that the insertion that brought this about need not grow it again.
        let mut lower = HashTable::with_capacity(elements.len() - upper_count + 1);
        let mut upper = HashTable::with_capacity(upper_count + 1);
        let (mut lower_digest, mut upper_digest) = (D::default(), D::default());
        for (hash, element) in elements {
            let (table, digest) = if belongs_up(hash) {
                (&mut upper, &mut upper_digest)
            } else {
                (&mut lower, &mut lower_digest)
            };
            digest.add(&element);
            table.insert_unique(hash, element, rehash);
        }
        (segment.elements, segment.digest) = (lower, lower_digest);
        let depth = segment.depth;
        let sibling = Segment { elements: upper, digest: upper_digest, start: upper_start, depth };
        let sibling = self.segments.push(sibling);
        self.point_range_at(sibling);
        if depth == self.depth {
            self.deepest += 2;
        }
        if target >= upper_start { sibling } else { index }
    }

    /// Lets the directory entries of a segment's range name it.
    fn point_range_at(&mut self, index: usize) {
        let segment = self.segments.get(index);
        let range = self.directory_index(segment.start)..=self.directory_index(segment.last());
        self.directory[range].fill(u32::try_from(index).expect("the depth bounds the segments"));
    }

    /// After removals: joins the segment with its neighbours, or gives back buckets.
    #[inline]
    fn tighten(&mut self, index: usize, rehash: impl Fn(&T) -> u64) {
        let elements = &self.segments.get(index).elements;
        // Both are rarely true while the table does not shrink.
        if elements.len() < MERGE_BELOW / 2 && self.segments.len() > 1
            || elements.len() < elements.num_buckets() / 8
        {
            self.tighten_sparse(index, &rehash);
        }
    }

    #[cold]
    fn tighten_sparse(&mut self, mut index: usize, rehash: &impl Fn(&T) -> u64) {
        while let Some(joined) = self.merge(index, rehash) {
            index = joined;
        }
        let elements = &mut self.segments.get_mut(index).elements;
        if elements.num_buckets() >= SHRINK_BUCKETS_MIN
            && elements.len() < elements.num_buckets() / 8
        {
            elements.shrink_to(elements.len() * 2, rehash);
        }
        if self.segments.len() == 1 {
            self.buckets_max = self.segments.get(0).elements.num_buckets();
        }
    }

    /// Joins a segment with the other half of its parent's range, if both are sparse. Returns where
    /// the joined segment is.
    fn merge(&mut self, index: usize, rehash: &impl Fn(&T) -> u64) -> Option<usize> {
        let segment = self.segments.get(index);
        let depth = segment.depth;
        if depth == 0 {
            return None;
        }
        let buddy = self.segment_of(segment.start ^ 1 << (64 - depth));
        let other = self.segments.get(buddy);
        if other.depth != depth || segment.elements.len() + other.elements.len() >= MERGE_BELOW {
            return None;
        }
        let start = segment.start.min(other.start);
        let (keep, give) =
            if segment.start < other.start { (index, buddy) } else { (buddy, index) };
        if depth == self.depth {
            self.deepest -= 2;
        }
        let given = std::mem::take(&mut self.segments.get_mut(give).elements);
        let kept = self.segments.get_mut(keep);
        kept.depth -= 1;
        kept.elements.reserve(given.len(), rehash);
        for element in given {
            kept.digest.add(&element);
            kept.elements.insert_unique(rehash(&element), element, rehash);
        }
        self.point_range_at(keep);
        self.segments.swap_remove(give);
        if give < self.segments.len() {
            self.point_range_at(give);
        }
        if self.deepest == 0 {
            self.halve_directory();
        }
        Some(self.segment_of(start))
    }

    fn halve_directory(&mut self) {
        self.directory = self.directory.iter().step_by(2).copied().collect();
        self.depth -= 1;
        self.deepest = self.segments.iter().filter(|segment| segment.depth == self.depth).count();
    }

    /// Visits about `count` elements (at least one step's worth) in order of their positions, from
    /// `cursor` on, and returns the cursor to go on with: 0 at the end. Start with 0.
    ///
    /// An element that is in the table from the first call to the last is visited at least once,
    /// whatever splits and merges happen between the calls. Any cursor is allowed; it has at most
    /// [`CURSOR_BITS`] bits. At most `10 * count` + 10 segments are looked at per call, empty ones
    /// included.
    pub fn scan(
        &self,
        cursor: u64,
        count: usize,
        rehash: impl Fn(&T) -> u64,
        mut visit: impl FnMut(&T),
    ) -> u64 {
        const FINE_BITS: u32 = u64::BITS - CURSOR_BITS;
        let mut from = cursor << FINE_BITS;
        let mut wanted = count.max(1);
        let segments_max = wanted.saturating_mul(10).saturating_add(10);
        for _ in 0..segments_max {
            let segment = self.segments.get(self.segment_of(from));
            let last = step_end(segment, from, wanted);
            let mut seen = 0;
            if from == segment.start && last == segment.last() {
                segment.elements.iter().for_each(&mut visit);
                seen = segment.elements.len();
            } else {
                for element in &segment.elements {
                    if (from..=last).contains(&position(rehash(element))) {
                        visit(element);
                        seen += 1;
                    }
                }
            }
            from = last.wrapping_add(1);
            wanted = wanted.saturating_sub(seen);
            if from == 0 || wanted == 0 {
                break;
            }
        }
        from >> FINE_BITS
    }

    /// An element, each equally likely. `None` when there are none.
    pub fn random(&self, random: &mut Random) -> Option<&T> {
        if self.len == 0 {
            return None;
        }
        // A bucket among as many as the largest segment has, in any segment: misses are drawn
        // again.
        for _ in 0..RANDOM_TRIES_MAX {
            let segment = self.segments.get(index_below(random, self.segments.len()));
            if let Some(element) =
                segment.elements.get_bucket(index_below(random, self.buckets_max))
            {
                return Some(element);
            }
        }
        let mut index = index_below(random, self.len);
        for segment in self.segments.iter() {
            if index < segment.elements.len() {
                return segment.elements.iter().nth(index);
            }
            index -= segment.elements.len();
        }
        unreachable!("the segments hold `len` elements in all")
    }

    /// Visits `count` different elements, every choice equally likely. Meant for a `count` well
    /// below the number of elements; the time grows without bound when all of them are wanted.
    pub fn random_distinct(&self, count: usize, random: &mut Random, mut visit: impl FnMut(&T)) {
        assert!(count <= self.len / 2, "draws would repeat too often");
        let mut seen = std::collections::HashSet::with_capacity(count);
        while seen.len() < count {
            let Some(element) = self.random(random) else { return };
            if seen.insert(std::ptr::from_ref(element).addr()) {
                visit(element);
            }
        }
    }

    /// All elements, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = &T> + Clone {
        self.segments.iter().flat_map(|segment| segment.elements.iter())
    }

    /// The digests of all segments.
    pub fn digests(&self) -> impl Iterator<Item = &D> {
        self.segments.iter().map(|segment| &segment.digest)
    }

    /// Looks at the segment that holds position `from`: when `due` says so of its digest, takes out
    /// the elements that `expired` picks and gives them to `out`. One call does one segment, and
    /// lets `finish` see what it did and change the digest that the segment has afterwards.
    pub fn sweep(
        &mut self,
        from: u64,
        due: impl FnOnce(&D) -> bool,
        mut expired: impl FnMut(&T) -> bool,
        rehash: impl Fn(&T) -> u64,
        mut out: impl FnMut(T),
        finish: impl FnOnce(&mut D, Sweep),
    ) -> Sweep {
        let index = self.segment_of(from);
        let segment = self.segments.get_mut(index);
        let next = segment.last().checked_add(1);
        if !due(&segment.digest) {
            let sweep = Sweep { next, examined: 0, taken: 0 };
            finish(&mut segment.digest, sweep);
            return sweep;
        }
        let examined = segment.elements.len();
        let mut digest = D::default();
        let leaving = segment.elements.extract_if(|element| {
            let leaves = expired(element);
            if !leaves {
                digest.add(element);
            }
            leaves
        });
        leaving.for_each(&mut out);
        let taken = examined - segment.elements.len();
        let sweep = Sweep { next, examined, taken };
        finish(&mut digest, sweep);
        segment.digest = digest;
        self.len -= taken;
        if taken > 0 {
            self.tighten(index, rehash);
        }
        sweep
    }

    /// Gives the table up, to be taken apart in slices.
    #[must_use]
    pub fn into_remains(self) -> Remains<T, D> {
        Remains { segments: self.segments }
    }

    /// Heap bytes of the table itself, without what its elements own.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        memory::vector_bytes::<u32>(self.directory.capacity())
            + self.segments.memory_bytes()
            + self
                .segments
                .iter()
                .map(|segment| memory::allocated(segment.elements.allocation_size()))
                .sum::<usize>()
    }
}

/// What is left of a table that was given up.
#[derive(Debug)]
pub struct Remains<T, D = ()> {
    segments: Chunks<Segment<T, D>>,
}

impl<T, D> Remains<T, D> {
    /// Hands about `count` elements, in whole segments, to `out`. Returns whether any are left.
    pub fn take_some(&mut self, count: usize, mut out: impl FnMut(T)) -> bool {
        let mut taken = 0;
        while taken < count {
            let Some(segment) = self.segments.pop() else { return false };
            // An empty segment costs its own removal.
            taken += segment.elements.len().max(1);
            segment.elements.into_iter().for_each(&mut out);
        }
        self.segments.len() > 0
    }
}

/// The last position of the scan step that begins at `from` and should show `wanted` elements.
fn step_end<T, D>(segment: &Segment<T, D>, from: u64, wanted: usize) -> u64 {
    let steps = (segment.elements.len() / wanted).clamp(1, SCAN_STEPS_PER_SEGMENT_MAX);
    let depth = segment.depth + steps.next_power_of_two().ilog2();
    from | u64::MAX.checked_shr(depth).unwrap_or(0)
}

#[cfg(test)]
#[path = "table_tests.rs"]
mod tests;
