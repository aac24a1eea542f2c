//! Tests of hashes, sets and sorted sets against the standard library's collections.

use crate::graveyard::Graveyard;
use crate::hash::Hash;
use crate::hasher::KeyHasher;
use crate::limits::Limits;
use crate::set::{Set, SetMember};
use crate::sorted_set::{LexBound, LexRange, ScoreBound, ScoreRange, SortedSet};
use ringlet_base::random::Random;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

fn limits() -> Limits {
    Limits::new(KeyHasher::new([5, 6, 7, 8]))
}

fn text(random: &mut Random, variety: u64) -> Vec<u8> {
    let mut text = format!("member:{}", random.below(variety)).into_bytes();
    if random.below(200) == 0 {
        text.resize(70_000, b'x');
    }
    text
}

/// How many steps of growth and shrinking the models take, and among how many members.
const PHASES: [(usize, u64, u64); 5] =
    [(300, 100, 7), (3000, 3000, 8), (6000, 3000, 1), (2000, 50, 5), (3000, 50, 0)];

#[test]
fn hash_agrees_with_a_map() {
    for (seed, entries) in [(1, 512), (2, 0), (3, 5)] {
        println!("seed {seed}");
        let limits = Limits { hash_max_listpack_entries: entries, ..limits() };
        let mut random = Random::new(seed);
        let (mut hash, mut model) = (Hash::new(), BTreeMap::<Vec<u8>, Vec<u8>>::new());
        for (steps, variety, growth) in PHASES {
            for _ in 0..steps {
                let field = text(&mut random, variety);
                if random.below(10) < growth {
                    let value = text(&mut random, 1000);
                    let new = hash.set(&field, &value, &limits);
                    assert_eq!(new, model.insert(field.clone(), value).is_none());
                } else {
                    assert_eq!(hash.remove(&field), model.remove(&field).is_some());
                }
                assert_eq!(hash.get(&field), model.get(&field).map(Vec::as_slice));
                assert_eq!(hash.contains(&field), model.contains_key(&field));
                assert_eq!((hash.len(), hash.is_empty()), (model.len(), model.is_empty()));
            }
            for hash in [&hash, &hash.duplicate()] {
                let all: BTreeMap<_, _> = hash.iter().collect();
                assert_eq!(hash.iter().count(), model.len());
                assert!(all.iter().all(|(field, value)| model[*field] == *value));
            }
            let (mut seen, mut cursor) = (HashSet::new(), 0);
            loop {
                cursor = hash.scan(cursor, 10, |field, value| {
                    assert_eq!(model[field], value);
                    seen.insert(field.to_vec());
                });
                if cursor == 0 {
                    break;
                }
            }
            assert_eq!(seen.len(), model.len());
            for count in [0, 1, 5, model.len() / 2, model.len(), model.len() + 5] {
                let mut chosen = HashSet::new();
                hash.random_distinct(count, &mut random, |field, value| {
                    assert_eq!(model[field], value);
                    assert!(chosen.insert(field.to_vec()));
                });
                assert_eq!(chosen.len(), count.min(model.len()));
            }
            assert_eq!(hash.random(&mut random).is_some(), !model.is_empty());
        }
    }
}

#[test]
fn hash_encodings_change_as_in_redis() {
    let limits = limits();
    let mut hash = Hash::new();
    for number in 0..512 {
        hash.set(format!("{number}").as_bytes(), &[b'x'; 64], &limits);
        assert_eq!(hash.encoding(), "listpack");
    }
    hash.set(b"0", b"again", &limits);
    assert_eq!(hash.encoding(), "listpack");
    hash.set(b"512", b"", &limits);
    assert_eq!(hash.encoding(), "hashtable");
    (1..=512).for_each(|number| assert!(hash.remove(format!("{number}").as_bytes())));
    assert_eq!((hash.len(), hash.encoding()), (1, "hashtable"), "never back");
    for (field, value) in [(64, 65), (65, 1)] {
        let mut hash = Hash::new();
        hash.set(&vec![b'f'; field], &vec![b'v'; value], &limits);
        assert_eq!(hash.encoding(), "hashtable");
    }
    let mut hash = Hash::new();
    hash.prepare(512, &limits);
    assert_eq!(hash.encoding(), "listpack");
    hash.prepare(513, &limits);
    assert_eq!(hash.encoding(), "hashtable");
}

fn member(random: &mut Random, variety: u64, integers: bool) -> Vec<u8> {
    if integers {
        let wide = if random.below(100) == 0 { 1 << 40 } else { 1 };
        (random.below(variety) as i64 * wide - 20).to_string().into_bytes()
    } else {
        text(random, variety)
    }
}

#[test]
fn set_agrees_with_a_set() {
    // Integers only; integers first; no integers; straight to the table.
    for (seed, integer_steps, entries) in [(1, 99_999, 512), (2, 200, 512), (3, 0, 512), (4, 0, 0)]
    {
        println!("seed {seed}");
        let limits = Limits { set_max_listpack_entries: entries, ..limits() };
        let mut random = Random::new(seed);
        let (mut set, mut model, mut steps_done) = (Set::new(), BTreeSet::<Vec<u8>>::new(), 0);
        for (steps, variety, growth) in PHASES {
            for _ in 0..steps {
                steps_done += 1;
                let member = member(&mut random, variety, steps_done < integer_steps);
                if random.below(10) < growth {
                    assert_eq!(set.insert(&member, &limits), model.insert(member.clone()));
                } else if random.below(20) == 0 {
                    let popped = set.pop_random(&mut random);
                    assert_eq!(popped.is_some(), !model.is_empty());
                    assert!(popped.is_none_or(|member| model.remove(&member)));
                } else {
                    assert_eq!(set.remove(&member), model.remove(&member));
                }
                assert_eq!(set.contains(&member), model.contains(&member));
                assert_eq!((set.len(), set.is_empty()), (model.len(), model.is_empty()));
            }
            for set in [&set, &set.duplicate()] {
                let all: BTreeSet<_> = set.iter().map(SetMember::to_vec).collect();
                assert_eq!(set.iter().count(), model.len());
                assert_eq!(all, model);
            }
            let (mut seen, mut cursor) = (BTreeSet::new(), 0);
            loop {
                cursor = set.scan(cursor, 10, |member| {
                    seen.insert(member.to_vec());
                });
                if cursor == 0 {
                    break;
                }
            }
            assert_eq!(seen, model);
            for count in [0, 1, 5, model.len() / 2, model.len(), model.len() + 5] {
                let mut chosen = BTreeSet::new();
                set.random_distinct(count, &mut random, |member| {
                    assert!(chosen.insert(member.to_vec()));
                });
                assert!(chosen.len() == count.min(model.len()) && chosen.is_subset(&model));
            }
            let drawn = set.random(&mut random).map(SetMember::to_vec);
            assert_eq!(drawn.is_some(), !model.is_empty());
            assert!(drawn.is_none_or(|member| model.contains(&member)));
        }
    }
}

#[test]
fn set_encodings_change_as_in_redis() {
    let limits = limits();
    let fill = |count: i64| {
        let mut set = Set::new();
        (0..count).for_each(|number| assert!(set.insert(number.to_string().as_bytes(), &limits)));
        set
    };
    assert_eq!(fill(512).encoding(), "intset");
    assert_eq!(fill(513).encoding(), "hashtable");
    let mut set = fill(127);
    set.insert(b"text", &limits);
    assert_eq!((set.len(), set.encoding()), (128, "listpack"));
    assert!(set.contains(b"126") && !set.contains(b"127"));
    set.insert(b"more", &limits);
    assert_eq!(set.encoding(), "hashtable");
    let mut set = fill(128);
    set.insert(b"text", &limits);
    assert_eq!(set.encoding(), "hashtable");
    let mut set = fill(1);
    set.insert(&[b'x'; 65], &limits);
    assert_eq!(set.encoding(), "hashtable");
    // Text that only looks like a number is no integer.
    for text in [&b"01"[..], b"+1", b" 1", b"1.0", b"-0", b"9223372036854775808"] {
        let mut set = fill(3);
        assert!(set.insert(text, &limits));
        assert_eq!(set.encoding(), "listpack");
        assert!(set.contains(text) && set.contains(b"1") && set.remove(text));
    }
    for (first, count, encoding) in [
        (&b"1"[..], 512, "intset"),
        (b"1", 513, "hashtable"),
        (b"a", 128, "listpack"),
        (b"a", 129, "hashtable"),
    ] {
        let mut set = Set::new();
        set.prepare(first, count, &limits);
        assert_eq!(set.encoding(), encoding);
    }
}

/// A sorted set as a map from (score, member) order: scores here are whole, so they sort as
/// integers.
#[derive(Default)]
struct SortedModel {
    scores: HashMap<Vec<u8>, i64>,
    order: BTreeSet<(i64, Vec<u8>)>,
}

impl SortedModel {
    fn insert(&mut self, member: &[u8], score: i64) -> Option<i64> {
        let old = self.remove(member);
        self.scores.insert(member.to_vec(), score);
        self.order.insert((score, member.to_vec()));
        old
    }

    fn remove(&mut self, member: &[u8]) -> Option<i64> {
        let old = self.scores.remove(member)?;
        self.order.remove(&(old, member.to_vec()));
        Some(old)
    }

    fn pairs(&self) -> Vec<(&[u8], f64)> {
        self.order.iter().map(|(score, member)| (member.as_slice(), *score as f64)).collect()
    }
}

fn check_sorted(set: &SortedSet, model: &SortedModel, random: &mut Random) {
    set.check();
    let pairs = model.pairs();
    assert_eq!((set.len(), set.is_empty()), (pairs.len(), pairs.is_empty()));
    assert!(set.iter().eq(pairs.iter().copied()));
    assert!(set.iter().rev().eq(pairs.iter().rev().copied()));
    for _ in 0..50 {
        let (start, end) = (random.below(600) as usize, random.below(600) as usize);
        let (from, to) = (start.min(pairs.len()), end.min(pairs.len()));
        let expected = if from < to { &pairs[from..to] } else { &[] };
        assert!(set.range(start..end).eq(expected.iter().copied()));
        assert!(set.range(start..end).rev().eq(expected.iter().rev().copied()));
        assert_eq!(set.get(start), pairs.get(start).copied());
        let mut bound = || ScoreBound {
            score: match random.below(20) {
                0 => f64::NEG_INFINITY,
                1 => f64::INFINITY,
                _ => random.below(40) as f64 - 20.0 + if random.below(4) == 0 { 0.5 } else { 0.0 },
            },
            exclusive: random.below(2) == 0,
        };
        let range = ScoreRange { min: bound(), max: bound() };
        let inside = |score: f64| {
            let (min, max) = (range.min, range.max);
            (if min.exclusive { score > min.score } else { score >= min.score })
                && (if max.exclusive { score < max.score } else { score <= max.score })
        };
        let expected: Vec<_> = pairs.iter().copied().filter(|pair| inside(pair.1)).collect();
        let span = set.score_span(&range);
        assert_eq!(span.len(), expected.len());
        assert!(set.range(span).eq(expected));
    }
    let (mut seen, mut cursor) = (HashMap::new(), 0);
    loop {
        cursor = set.scan(cursor, 10, |member, score| {
            seen.insert(member.to_vec(), score as i64);
        });
        if cursor == 0 {
            break;
        }
    }
    assert_eq!(seen, model.scores);
    for count in [0, 1, 5, pairs.len() / 2, pairs.len(), pairs.len() + 5] {
        let mut chosen = HashSet::new();
        set.random_distinct(count, random, |member, score| {
            assert_eq!(model.scores[member] as f64, score);
            assert!(chosen.insert(member.to_vec()));
        });
        assert_eq!(chosen.len(), count.min(pairs.len()));
    }
    assert_eq!(set.random(random).is_some(), !pairs.is_empty());
}

#[test]
fn sorted_set_agrees_with_an_ordered_set() {
    for (seed, entries) in [(1, 128), (2, 0), (3, 1000)] {
        println!("seed {seed}");
        let limits = Limits { zset_max_listpack_entries: entries, ..limits() };
        let mut random = Random::new(seed);
        let (mut set, mut model) = (SortedSet::new(), SortedModel::default());
        for (steps, variety, growth) in PHASES {
            for _ in 0..steps {
                let member = text(&mut random, variety);
                if random.below(10) < growth {
                    let score = random.below(40) as i64 - 20;
                    let old = set.insert(&member, score as f64, &limits);
                    assert_eq!(old, model.insert(&member, score).map(|old| old as f64));
                } else {
                    match random.below(8) {
                        0 => {
                            let (start, count) =
                                (random.below(300) as usize, random.below(8) as usize);
                            let removed: Vec<Vec<u8>> = set
                                .range(start..start + count)
                                .map(|pair| pair.0.to_vec())
                                .collect();
                            assert_eq!(set.remove_span(start..start + count).count, removed.len());
                            removed
                                .iter()
                                .for_each(|member| assert!(model.remove(member).is_some()));
                        }
                        1 => {
                            let popped =
                                set.pop_min().map(|(member, score)| (score as i64, member));
                            assert_eq!(popped, model.order.first().cloned());
                            popped.map(|(_, member)| model.remove(&member));
                        }
                        2 => {
                            let popped =
                                set.pop_max().map(|(member, score)| (score as i64, member));
                            assert_eq!(popped, model.order.last().cloned());
                            popped.map(|(_, member)| model.remove(&member));
                        }
                        _ => {
                            let old = model.remove(&member).map(|old| old as f64);
                            assert_eq!(set.remove(&member), old);
                        }
                    }
                }
                let score = model.scores.get(&member);
                assert_eq!(set.score(&member), score.map(|score| *score as f64));
                assert_eq!(set.contains(&member), score.is_some());
                assert_eq!(set.len(), model.order.len());
                if steps_are_few(&model) {
                    let rank = score.map(|score| {
                        let key = (*score, member.clone());
                        (model.order.range(..key).count(), *score as f64)
                    });
                    assert_eq!(set.rank(&member), rank);
                }
            }
            check_sorted(&set, &model, &mut random);
            check_sorted(&set.duplicate(), &model, &mut random);
        }
    }
}

/// Whether counting ranks in the model is cheap enough to do it at every step.
fn steps_are_few(model: &SortedModel) -> bool {
    model.order.len() < 300
}

#[test]
fn lex_spans_agree_with_comparing_each_member() {
    for (seed, count) in [(1, 100), (2, 1000)] {
        println!("seed {seed}");
        let (limits, mut random) = (limits(), Random::new(seed));
        let mut set = SortedSet::new();
        let mut word =
            || -> Vec<u8> { (0..random.below(5)).map(|_| b'a' + random.below(4) as u8).collect() };
        for _ in 0..count {
            set.insert(&word(), 0.0, &limits);
        }
        for _ in 0..500 {
            let (low, high) = (word(), word());
            for min in [
                LexBound::Lowest,
                LexBound::Highest,
                LexBound::Inclusive(&low),
                LexBound::Exclusive(&low),
            ] {
                for max in [
                    LexBound::Lowest,
                    LexBound::Highest,
                    LexBound::Inclusive(&high),
                    LexBound::Exclusive(&high),
                ] {
                    let inside = |member: &[u8]| {
                        (match min {
                            LexBound::Lowest => true,
                            LexBound::Highest => false,
                            LexBound::Inclusive(bound) => member >= bound,
                            LexBound::Exclusive(bound) => member > bound,
                        }) && (match max {
                            LexBound::Lowest => false,
                            LexBound::Highest => true,
                            LexBound::Inclusive(bound) => member <= bound,
                            LexBound::Exclusive(bound) => member < bound,
                        })
                    };
                    let span = set.lex_span(&LexRange { min, max });
                    let expected = set.iter().filter(|pair| inside(pair.0));
                    assert!(set.range(span).eq(expected));
                }
            }
        }
    }
}

#[test]
fn sorted_set_encodings_change_as_in_redis() {
    let limits = limits();
    let mut set = SortedSet::new();
    for number in 0..128 {
        assert_eq!(set.insert(format!("{number}").as_bytes(), 1.0, &limits), None);
        assert_eq!(set.encoding(), "listpack");
    }
    set.insert(b"128", 1.0, &limits);
    assert_eq!(set.encoding(), "skiplist");
    drop(set.remove_span(1..200));
    assert_eq!((set.len(), set.encoding()), (1, "skiplist"), "never back");
    let mut set = SortedSet::new();
    set.insert(&[b'x'; 65], 1.0, &limits);
    assert_eq!(set.encoding(), "skiplist");
    for (additional, longest, encoding) in
        [(128, 64, "listpack"), (129, 1, "skiplist"), (1, 65, "skiplist")]
    {
        let mut set = SortedSet::new();
        set.prepare(additional, longest, &limits);
        assert_eq!(set.encoding(), encoding);
    }
}

#[test]
fn zeros_are_equal_and_infinities_are_ends() {
    for entries in [128, 0] {
        let limits = Limits { zset_max_listpack_entries: entries, ..limits() };
        let mut set = SortedSet::new();
        set.insert(b"b", -0.0, &limits);
        set.insert(b"a", 0.0, &limits);
        set.insert(b"c", f64::NEG_INFINITY, &limits);
        set.insert(b"d", f64::INFINITY, &limits);
        let order: Vec<_> = set.iter().map(|pair| pair.0).collect();
        assert_eq!(order, [&b"c"[..], b"a", b"b", b"d"]);
        let kept = if set.encoding() == "listpack" { 0.0_f64 } else { -0.0 };
        assert_eq!(set.insert(b"b", 0.0, &limits).map(f64::to_bits), Some(kept.to_bits()));
        assert_eq!(set.score(b"b").map(f64::to_bits), Some(kept.to_bits()), "no change");
        let bound = |score, exclusive| ScoreBound { score, exclusive };
        let all =
            ScoreRange { min: bound(f64::NEG_INFINITY, false), max: bound(f64::INFINITY, false) };
        assert_eq!(set.score_span(&all), 0..4);
        let zeros = ScoreRange { min: bound(0.0, false), max: bound(-0.0, false) };
        assert_eq!(set.score_span(&zeros), 1..3);
        let crossed = ScoreRange { min: bound(5.0, false), max: bound(-5.0, false) };
        assert!(set.score_span(&crossed).is_empty());
    }
}

#[test]
#[should_panic(expected = "not numbers")]
fn nan_never_gets_in() {
    SortedSet::new().insert(b"m", f64::NAN, &limits());
}

#[test]
fn big_collections_take_little_more_than_their_elements() {
    let limits = limits();
    let (mut set, mut hash, mut sorted) = (Set::new(), Hash::new(), SortedSet::new());
    let count = 100_000;
    for number in 0..count {
        let member = format!("m:{number:08}");
        set.insert(member.as_bytes(), &limits);
        hash.set(member.as_bytes(), member.as_bytes(), &limits);
        sorted.insert(member.as_bytes(), f64::from(number * 7919 % count), &limits);
    }
    let each = |bytes: usize| bytes as f64 / f64::from(count);
    let figures =
        [each(set.memory_bytes()), each(hash.memory_bytes()), each(sorted.memory_bytes())];
    println!("members of 10 bytes: {figures:.1?} bytes each in set, hash (twice 10), sorted set");
    assert!(figures[0] < 36.0 && figures[1] < 44.0 && figures[2] < 64.0, "{figures:?}");
}

#[test]
fn more_additions_than_fit_change_the_encoding_even_if_none_is_new() {
    let limits = limits();
    let mut set = SortedSet::new();
    set.insert(b"a", 1.0, &limits);
    set.prepare(128, 1000, &limits);
    assert_eq!(set.encoding(), "listpack", "lengths of later members count when they go in");
    set.prepare(129, 1, &limits);
    assert_eq!((set.encoding(), set.score(b"a")), ("skiplist", Some(1.0)));
    for (first, fits) in [(&b"1"[..], 512), (b"text", 128)] {
        let mut set = Set::new();
        set.insert(first, &limits);
        let before = set.encoding();
        set.prepare(b"5", fits, &limits);
        assert_eq!(set.encoding(), before);
        set.prepare(b"5", fits + 1, &limits);
        assert_eq!((set.encoding(), set.contains(first)), ("hashtable", true));
    }
}

#[test]
fn large_spans_are_cut_out_by_moving_what_stays() {
    const MEMBERS: usize = 10_000;
    let limits = limits();
    // Span, and whether the members move rather than go one by one.
    for (span, moves) in [
        (0..MEMBERS, true),
        (0..9_999, true),
        (1..MEMBERS + 5, true),
        (3_000..7_000, true),
        (0..2_500, true),
        (2_000..4_000, false),
        (5..5, false),
        (MEMBERS..MEMBERS + 9, false),
    ] {
        let mut set = SortedSet::new();
        let mut random = Random::new(7);
        let mut model = BTreeSet::new();
        for number in 0..MEMBERS {
            let (score, member) = (random.below(1000) as i64, format!("member:{number}"));
            set.insert(member.as_bytes(), score as f64, &limits);
            model.insert((score, member.into_bytes()));
        }
        let removed = set.remove_span(span.clone());
        assert_eq!(removed.count, span.end.min(MEMBERS) - span.start, "{span:?}");
        assert_eq!(removed.debris.is_some(), moves, "{span:?}");
        set.check();
        let kept = model.iter().enumerate().filter(|(rank, _)| !span.contains(rank));
        let expected = kept.map(|(_, (score, member))| (&member[..], *score as f64));
        assert!(set.iter().eq(expected), "{span:?}");
        // What moved works as before.
        set.insert(b"another", 5.5, &limits);
        assert!(set.remove(b"member:1").is_none_or(|score| score < 1000.0));
        set.check();
        if let Some(debris) = removed.debris {
            let mut graveyard = Graveyard::new();
            graveyard.bury_object(debris.into());
            let mut slices = 1;
            while graveyard.free_some(1000) {
                slices += 1;
            }
            assert!(slices >= MEMBERS / 1000, "{slices}");
        }
    }
}
