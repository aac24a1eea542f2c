//! Tests of the table: a model, the scan's guarantee, bounded work, fairness, memory.

use super::*;
use ringlet_base::random::Random;
use std::cell::Cell;
use std::collections::{BTreeSet, HashMap, HashSet};

const HASHER: KeyHasher = KeyHasher::new([1, 2, 3, 4]);

fn hash_of(element: &u64) -> u64 {
    HASHER.hash(&element.to_le_bytes())
}

/// Sums its elements, so that a forgotten or doubled notice shows.
#[derive(Debug, Default, PartialEq, Eq)]
struct Sum(u64);

impl Digest<u64> for Sum {
    fn add(&mut self, element: &u64) {
        self.0 = self.0.wrapping_add(*element);
    }
    fn remove(&mut self, element: &u64) {
        self.0 = self.0.wrapping_sub(*element);
    }
}

impl Table<u64, Sum> {
    fn put(&mut self, element: u64) {
        self.insert(hash_of(&element), element, hash_of);
    }

    fn take(&mut self, element: u64) -> Option<u64> {
        self.remove(hash_of(&element), |other| *other == element, hash_of)
    }

    fn has(&self, element: u64) -> bool {
        self.find(hash_of(&element), |other| *other == element).is_some()
    }

    /// Checks the invariants.
    fn check(&self) {
        assert_eq!(self.directory.len(), 1 << self.depth);
        let mut next_start = Some(0_u64);
        let mut seen = HashSet::new();
        while let Some(start) = next_start {
            let index = self.segment_of(start);
            assert!(seen.insert(index), "each segment has one range");
            let segment = self.segments.get(index);
            assert_eq!(segment.start, start);
            assert!(segment.depth <= self.depth);
            let range = self.directory_index(start)..=self.directory_index(segment.last());
            assert!(self.directory[range].iter().all(|entry| *entry as usize == index));
            let mut sum = Sum::default();
            for element in &segment.elements {
                let position = position(hash_of(element));
                assert!((start..=segment.last()).contains(&position));
                sum.add(element);
            }
            assert_eq!(sum, segment.digest);
            assert!(segment.elements.num_buckets() <= self.buckets_max);
            next_start = segment.last().checked_add(1);
        }
        assert_eq!(seen.len(), self.segments.len());
        assert_eq!(self.iter().count(), self.len);
        let deepest = self.segments.iter().filter(|segment| segment.depth == self.depth).count();
        assert_eq!(deepest, self.deepest);
        assert!(deepest > 0, "the directory is no larger than the segments need");
    }
}

#[test]
fn positions_follow_the_hash_and_fill_the_range() {
    let mut last = 0;
    for step in 0..=1000_u64 {
        let place = position((u64::MAX >> 7) / 1000 * step);
        assert!(place >= last);
        last = place;
    }
    assert_eq!(position(0), 0);
    assert!(position(u64::MAX) > u64::MAX - 10_000);
    // The crowd at the lower end is about twice the one at the upper end.
    let mut random = Random::new(1);
    let positions: Vec<u64> = (0..100_000).map(|_| position(random.next_u64())).collect();
    let lower = positions.iter().filter(|place| **place < 1 << 60).count();
    let upper = positions.iter().filter(|place| **place >= 15 << 60).count();
    assert!((1.6..2.2).contains(&(lower as f64 / upper as f64)), "{lower} {upper}");
}

#[test]
fn agrees_with_a_set_while_growing_and_shrinking() {
    for seed in [1, 2] {
        println!("seed {seed}");
        let mut random = Random::new(seed);
        let (mut table, mut model) = (Table::<u64, Sum>::new(), BTreeSet::new());
        for phase in [60_000, 100, 20_000, 0, 3000, 1] {
            while model.len().abs_diff(phase) > 1 {
                let element = random.below(100_000);
                let grow = model.len() < phase;
                if random.below(10) < if grow { 8 } else { 2 } {
                    if model.insert(element) {
                        assert!(!table.has(element));
                        table.put(element);
                    }
                } else {
                    assert_eq!(table.take(element).is_some(), model.remove(&element));
                    if let Some(element) = model.range(element..).next().copied() {
                        assert_eq!(table.take(element), Some(element));
                        model.remove(&element);
                    }
                }
            }
            table.check();
            assert_eq!(table.len(), model.len());
            assert_eq!(table.is_empty(), model.is_empty());
            assert!((0..100_000).all(|element| table.has(element) == model.contains(&element)));
            // Buckets and directory follow the elements down.
            let bound = 4000 + 64 * model.len();
            assert!(table.memory_bytes() <= bound, "{} for {phase}", table.memory_bytes());
        }
    }
}

#[test]
fn no_insertion_or_removal_moves_more_than_a_segment_or_two() {
    let moved = Cell::new(0_usize);
    let counting = |element: &u64| {
        moved.set(moved.get() + 1);
        hash_of(element)
    };
    let mut table = Table::<u64, Sum>::new();
    let (mut worst, mut directory_worst) = (0, 0);
    for element in 0..400_000 {
        moved.set(0);
        let directory = table.directory.len();
        table.insert(hash_of(&element), element, counting);
        worst = worst.max(moved.get());
        if table.directory.len() != directory {
            directory_worst = directory_worst.max(table.directory.len());
        }
    }
    // A segment's elements once for the split and none again, or half of them for its own growth.
    assert!(worst <= SEGMENT_ELEMENTS_MAX, "{worst} elements moved by one insertion");
    assert!(directory_worst <= 400_000 / SEGMENT_ELEMENTS_MAX * 8, "directory {directory_worst}");
    let mut worst = 0;
    for element in 0..400_000 {
        moved.set(0);
        assert!(table.remove(hash_of(&element), |other| *other == element, counting).is_some());
        worst = worst.max(moved.get());
    }
    assert!(worst <= 2 * SEGMENT_ELEMENTS_MAX, "{worst} elements moved by one removal");
    assert_eq!((table.segments(), table.directory.len()), (1, 1));
    table.check();
}

#[test]
fn scan_shows_whatever_stays_whatever_else_happens() {
    for seed in 1..=8_u64 {
        println!("seed {seed}");
        let mut random = Random::new(seed);
        let mut table = Table::<u64, Sum>::new();
        let stay: HashSet<u64> = (0..3000).collect();
        stay.iter().for_each(|element| table.put(*element));
        // Others come and go during the scan, so that segments split and merge under it.
        let mut others = Vec::new();
        let (mut seen, mut cursor, mut calls) = (HashSet::new(), 0, 0);
        let mut grow = seed % 2 == 0;
        if !grow {
            (10_000..60_000).for_each(|element| table.put(element));
            others.extend(10_000..60_000);
        }
        let mut next_other = 1_000_000;
        loop {
            let count = 1 + random.below(300) as usize;
            cursor = table.scan(cursor, count, hash_of, |element| {
                seen.insert(*element);
            });
            assert!(cursor < 1 << CURSOR_BITS);
            calls += 1;
            if cursor == 0 {
                break;
            }
            for _ in 0..random.below(6000) {
                if grow {
                    table.put(next_other);
                    others.push(next_other);
                    next_other += 1;
                } else if let Some(element) = others.pop() {
                    assert!(table.take(element).is_some());
                }
            }
            // Bounded, or the scan would never catch up.
            if random.below(10) == 0 || others.len() > 60_000 {
                grow = !grow && others.len() <= 60_000;
            }
        }
        table.check();
        assert!(stay.is_subset(&seen), "{} missing", stay.difference(&seen).count());
        assert!(calls > 5, "the table must change under the scan");
    }
}

#[test]
fn scan_of_a_quiet_table_shows_each_element_once_in_portions_of_about_the_count() {
    let mut table = Table::<u64, Sum>::new();
    (0..50_000).for_each(|element| table.put(element));
    for count in [1, 10, 100, 1000, 100_000] {
        let (mut cursor, mut calls, mut seen) = (0, 0, Vec::new());
        loop {
            let before = seen.len();
            cursor = table.scan(cursor, count, hash_of, |element| seen.push(*element));
            let portion = seen.len() - before;
            // A step is at least a 32nd of a segment, so there is a floor, and some scatter.
            assert!(portion <= 2 * count + 80, "{portion} for {count}");
            calls += 1;
            if cursor == 0 {
                break;
            }
        }
        assert_eq!(seen.len(), 50_000);
        assert_eq!(seen.iter().collect::<HashSet<_>>().len(), 50_000);
        assert!(calls <= 50_000 / count.min(10) + 10, "{calls} calls for {count}");
    }
    assert_eq!(Table::<u64, Sum>::new().scan(0, 10, hash_of, |_| panic!("nothing there")), 0);
    // Any number is accepted for a cursor.
    let mut random = Random::new(1);
    for _ in 0..1000 {
        table.scan(random.next_u64(), 10, hash_of, |_| {});
    }
}

#[test]
fn random_elements_are_equally_likely() {
    let mut random = Random::new(7);
    for len in [1, 3, 5000] {
        let mut table = Table::<u64, Sum>::new();
        (0..len).for_each(|element| table.put(element));
        let mut hits = HashMap::new();
        let draws = len * 100;
        for _ in 0..draws {
            *hits.entry(*table.random(&mut random).expect("not empty")).or_insert(0_u64) += 1;
        }
        // Chi square: its mean is the degrees of freedom, its variance twice that.
        let freedom = (len - 1) as f64;
        let square: f64 = (0..len)
            .map(|element| {
                (hits.get(&element).copied().unwrap_or(0) as f64 - 100.0).powi(2) / 100.0
            })
            .sum();
        let bound = 5.0 * (2.0 * freedom).sqrt();
        assert!((square - freedom).abs() <= bound, "{square} of {freedom}");
    }
    let mut table = Table::<u64, Sum>::new();
    assert_eq!(table.random(&mut random), None);
    (0..50_000).for_each(|element| table.put(element));
    (1..50_000).for_each(|element| assert!(table.take(element).is_some()));
    assert_eq!(table.random(&mut random), Some(&0));
    (1..1000).for_each(|element| table.put(element));
    let mut drawn = HashSet::new();
    table.random_distinct(100, &mut random, |element| assert!(drawn.insert(*element)));
    assert_eq!(drawn.len(), 100);
}

#[test]
fn sweep_takes_what_is_picked_and_skips_what_is_not_due() {
    let mut table = Table::<u64, Sum>::new();
    (0..20_000).for_each(|element| table.put(element));
    let (mut from, mut out, mut examined, mut taken) = (Some(0), Vec::new(), 0, 0);
    while let Some(position) = from {
        let even = |element: &u64| element.is_multiple_of(2);
        let sweep =
            table.sweep(position, |_| true, even, hash_of, |element| out.push(element), |_, _| {});
        examined += sweep.examined;
        taken += sweep.taken;
        assert_eq!(taken, out.len());
        assert!(sweep.examined <= SEGMENT_ELEMENTS_MAX);
        from = sweep.next;
        table.check();
    }
    assert_eq!((examined, out.len(), table.len()), (20_000, 10_000, 10_000));
    let sweep = table.sweep(0, |_| false, |_| true, hash_of, |_| panic!("not due"), |_, _| {});
    assert_eq!(sweep.examined, 0);
    // Taking everything leaves one small segment.
    let mut from = Some(0);
    while let Some(position) = from {
        from = table.sweep(position, |_| true, |_| true, hash_of, |_| {}, |_, _| {}).next;
    }
    table.check();
    assert_eq!((table.len(), table.segments()), (0, 1));
}

#[test]
fn remains_come_apart_in_slices() {
    let mut table = Table::<u64, Sum>::new();
    (0..20_000).for_each(|element| table.put(element));
    let mut remains = table.into_remains();
    let (mut taken, mut slices) = (HashSet::new(), 0);
    loop {
        let before = taken.len();
        let more = remains.take_some(1000, |element| assert!(taken.insert(element)));
        assert!(taken.len() - before <= 1000 + SEGMENT_ELEMENTS_MAX);
        slices += 1;
        if !more {
            break;
        }
    }
    assert_eq!(taken.len(), 20_000);
    assert!(slices >= 11);
}

#[test]
fn equal_hashes_cannot_blow_up_the_directory() {
    let mut table = Table::<u64, Sum>::new();
    for element in 0..5000 {
        table.insert(42, element, |_| 42);
    }
    assert_eq!(table.len(), 5000);
    assert!(table.directory.len() <= 512, "{}", table.directory.len());
    assert!((0..5000).all(|element| table.find(42, |other| *other == element).is_some()));
    for element in 0..5000 {
        assert!(table.remove(42, |other| *other == element, |_| 42).is_some());
    }
    assert!(table.is_empty());
}

#[test]
fn memory_per_element_hardly_depends_on_the_number_of_elements() {
    let mut table = Table::<u64, Sum>::new();
    let (mut low, mut high) = (f64::MAX, 0.0_f64);
    for element in 0..400_000 {
        table.put(element);
        if element >= 50_000 && element % 10_000 == 0 {
            let each = table.memory_bytes() as f64 / table.len() as f64;
            (low, high) = (low.min(each), high.max(each));
        }
    }
    println!("{low:.1} to {high:.1} bytes per element of 8");
    assert!(high < 19.0 && high / low < 1.15, "{low} to {high}");
}
