//! Tests of the database and the graveyard: a model, bounded expiry, freeing in slices, memory.

use super::*;
use crate::graveyard::FREE_AT_ONCE_MAX;
use crate::hash::Hash;
use crate::limits::Limits;
use crate::list::List;
use crate::memory;
use crate::object::Object;
use crate::set::Set;
use crate::sorted_set::SortedSet;
use crate::table::SEGMENT_ELEMENTS_MAX;
use std::collections::{BTreeMap, HashSet};

const HASHER: KeyHasher = KeyHasher::new([9, 8, 7, 6]);

impl Database {
    /// Checks what the segments know about expiries.
    fn check(&self) {
        let expiring = self.iter().filter(|entry| entry.expiry().is_some()).count();
        assert_eq!(self.expires_len, expiring);
        let known: u32 = self.entries.digests().map(|digest| digest.count).sum();
        assert_eq!(known as usize, expiring);
        let bound = self.entries.digests().map(|digest| digest.earliest_ms).min();
        let earliest = self.iter().filter_map(Entry::expiry).min();
        assert!(bound.unwrap_or(i64::MAX) <= earliest.unwrap_or(i64::MAX));
        let due = self.entries.digests().map(|digest| digest.due_ms(i64::MAX)).min();
        let latest = due.unwrap_or(i64::MAX).saturating_add(REST_MS_MAX);
        assert!(self.round.is_some() || self.due_ms <= latest);
    }

    /// A call that starts a round where it may and goes on with it.
    fn start_and_expire(
        &mut self,
        now_ms: i64,
        work_limit: usize,
        out: &mut impl FnMut(Entry),
    ) -> ExpireProgress {
        self.start_expiry_round(now_ms);
        self.expire_some(now_ms, work_limit, out)
    }

    /// Runs active expiry until nothing more is due; the keys it handed out.
    fn expire_all(&mut self, now_ms: i64) -> HashSet<Vec<u8>> {
        let mut keys = HashSet::new();
        loop {
            let progress = self.start_and_expire(now_ms, 500, &mut |entry| {
                assert!(keys.insert(entry.key().into()))
            });
            if !progress.more {
                return keys;
            }
        }
    }
}

#[test]
fn agrees_with_a_map_while_keys_come_go_and_expire() {
    for seed in [1, 2, 3] {
        println!("seed {seed}");
        let mut random = Random::new(seed);
        let mut database = Database::new(HASHER);
        let mut model = BTreeMap::<Vec<u8>, (u64, Option<i64>)>::new();
        let mut now_ms = 0;
        for step in 0..60_000 {
            let key = format!("key:{}", random.below(20_000)).into_bytes();
            let expiry_ms = (random.below(3) == 0).then(|| now_ms + random.below(20_000) as i64);
            match random.below(10) {
                0 | 1 => {
                    let value = random.below(1000);
                    let text = value.to_string();
                    let access = random.below(1 << 24) as u32;
                    // Only an entry that had to give way comes back.
                    if let Some(old) = database.set_string(&key, text.as_bytes(), expiry_ms, access)
                    {
                        let model = model.get(&key).expect("there was one");
                        assert_eq!(old.expiry(), model.1);
                        let length = old.value().bytes().map(<[u8]>::len);
                        let same_shape = length == Some(text.len())
                            && old.expiry().is_some() == expiry_ms.is_some();
                        assert!(!same_shape, "a block of the same shape is used again");
                    }
                    let entry = database.find(&key).expect("just set");
                    assert_eq!((entry.access(), entry.is_raw()), (access, false));
                    model.insert(key, (value, expiry_ms));
                }
                2..=4 => {
                    let value = random.below(1000);
                    let entry = Entry::string(&key, value.to_string().as_bytes(), expiry_ms);
                    let old = database.insert(entry).map(|entry| entry.expiry());
                    assert_eq!(old, model.insert(key, (value, expiry_ms)).map(|old| old.1));
                }
                5 | 6 => {
                    let old = database.remove(&key).map(|entry| entry.expiry());
                    assert_eq!(old, model.remove(&key).map(|old| old.1));
                }
                7 => {
                    let found = database.set_expiry(&key, expiry_ms);
                    assert_eq!(found, model.contains_key(&key));
                    if let Some(entry) = model.get_mut(&key) {
                        entry.1 = expiry_ms;
                    }
                }
                8 => {
                    if let Some(entry) = database.find_mut(&key) {
                        entry.set_string(b"");
                        entry.append(b"7");
                    }
                    if let Some(entry) = model.get_mut(&key) {
                        entry.0 = 7;
                    }
                }
                _ => {
                    let found = database.find(&key).map(|entry| {
                        (entry.value().bytes().expect("string").to_vec(), entry.expiry())
                    });
                    let expected =
                        model.get(&key).map(|entry| (entry.0.to_string().into_bytes(), entry.1));
                    assert_eq!(found, expected);
                }
            }
            assert_eq!((database.len(), database.is_empty()), (model.len(), model.is_empty()));
            if step % 3000 == 0 {
                now_ms += 3000;
                let expected: HashSet<_> = model
                    .extract_if(.., |_, entry| entry.1.is_some_and(|expiry| now_ms > expiry))
                    .map(|(key, _)| key)
                    .collect();
                assert_eq!(database.expire_all(now_ms), expected);
                database.check();
            }
        }
        let (mut seen, mut cursor) = (HashSet::new(), 0);
        loop {
            cursor = database.scan(cursor, 50, |entry| {
                seen.insert(entry.key().to_vec());
            });
            if cursor == 0 {
                break;
            }
        }
        assert_eq!(seen, model.into_keys().collect());
        assert!(database.random(&mut random).is_some_and(|entry| seen.contains(entry.key())));
    }
}

#[test]
fn a_hundred_thousand_keys_that_expire_at_once_expire_in_bounded_slices() {
    let mut database = Database::new(HASHER);
    for number in 0..100_000_i64 {
        let expiry_ms = if number % 10 == 0 { None } else { Some(5000) };
        database.insert(Entry::string(format!("key:{number}").as_bytes(), b"value", expiry_ms));
    }
    assert_eq!(database.expires_len(), 90_000);
    // Not due yet: no entry is looked at.
    let nothing = database.start_and_expire(5000, usize::MAX, &mut |_| panic!("nothing is due"));
    assert_eq!(nothing, ExpireProgress { work: 0, examined: 0, expired: 0, more: false });
    let (mut total, mut slices) = (0, 0);
    loop {
        let progress = database.start_and_expire(5001, 1000, &mut |entry| {
            assert!(entry.is_expired(5001));
            total += 1;
        });
        assert!(progress.examined <= 1000 + SEGMENT_ELEMENTS_MAX);
        assert!(progress.expired <= progress.examined);
        slices += 1;
        if !progress.more {
            break;
        }
    }
    assert!(slices >= 100_000 / (1000 + SEGMENT_ELEMENTS_MAX), "{slices}");
    assert_eq!((total, database.len(), database.expires_len()), (90_000, 10_000, 0));
    database.check();
    // Where nothing expires, a call costs nothing; and it looks at none twice.
    let progress = database.start_and_expire(i64::MAX, 10, &mut |_| panic!("nothing is left"));
    assert_eq!(progress, ExpireProgress { work: 0, examined: 0, expired: 0, more: false });
}

#[test]
fn segments_where_nothing_is_due_are_skipped() {
    let mut database = Database::new(HASHER);
    for number in 0..50_000 {
        database.insert(Entry::string(format!("key:{number}").as_bytes(), b"v", Some(1_000_000)));
    }
    database.insert(Entry::string(b"soon", b"v", Some(10)));
    let mut keys = Vec::new();
    let progress =
        database.start_and_expire(11, usize::MAX, &mut |entry| keys.push(entry.key().to_vec()));
    assert_eq!(keys, [b"soon"]);
    assert!(progress.examined <= SEGMENT_ELEMENTS_MAX, "only its segment was looked at");
    // The bound is exact again after the visit.
    let progress = database.start_and_expire(12, usize::MAX, &mut |_| panic!("nothing is due"));
    assert_eq!(progress.examined, 0);
    let average = database.average_ttl_ms(0, &mut Random::new(1));
    assert_eq!(average, 1_000_000);
}

#[test]
fn a_round_over_more_segments_than_the_work_limit_ends_and_no_other_starts_before_its_time() {
    const WORK_LIMIT: usize = 400;
    let mut database = Database::new(HASHER);
    for number in 0..350_000 {
        database.insert(Entry::string(format!("key:{number}").as_bytes(), b"v", Some(1_000_000)));
    }
    let segments = database.entries.segments();
    assert!(segments > WORK_LIMIT, "{segments}");
    database.insert(Entry::string(b"soon", b"v", Some(10)));
    let (mut keys, mut calls) = (Vec::new(), 0);
    database.start_expiry_round(11);
    loop {
        calls += 1;
        let progress =
            database.expire_some(11, WORK_LIMIT, &mut |entry| keys.push(entry.key().to_vec()));
        if !progress.more {
            break;
        }
        assert!(calls < 100, "the round does not end");
    }
    assert_eq!(keys, [b"soon"]);
    assert!(calls >= segments / WORK_LIMIT, "{calls}");
    database.check();
    // Until the next time something is due, no segment is touched: any work would exceed this
    // limit.
    for now_ms in [12, 1000, 1_000_000] {
        let progress = database.start_and_expire(now_ms, 0, &mut |_| panic!("nothing is due"));
        assert_eq!(progress, ExpireProgress { work: 0, examined: 0, expired: 0, more: false });
    }
    database.set_string(b"sooner", b"v", Some(2000), 0);
    database.set_expiry(b"key:1", Some(3000));
    database.check();
    for (now_ms, key) in [(2001, b"sooner".as_slice()), (3001, b"key:1")] {
        assert_eq!(database.expire_all(now_ms), HashSet::from([key.to_vec()]));
    }
}

#[test]
fn spread_expiries_cost_few_looks_at_each_entry_and_none_stays_for_long() {
    const KEYS: i64 = 50_000;
    const SPREAD_MS: i64 = 20_000;
    let mut database = Database::new(HASHER);
    for number in 0..KEYS {
        let expiry_ms = Some(number * SPREAD_MS / KEYS);
        database.insert(Entry::string(format!("key:{number}").as_bytes(), b"v", expiry_ms));
    }
    let (mut examined, mut latest_ms) = (0, 0);
    // Every tick of 10 ms something is due in about half of the segments.
    for now_ms in (10..=2000).step_by(10) {
        let progress = database.start_and_expire(now_ms, usize::MAX, &mut |entry| {
            latest_ms = latest_ms.max(now_ms - entry.expiry().expect("only such expire"));
        });
        examined += progress.examined;
    }
    database.check();
    // At every tick, it would be more than 50 times.
    assert!(examined < 10 * KEYS as usize, "{examined}");
    assert!(latest_ms <= 10 + (SEGMENT_ELEMENTS_MAX / EXAMINED_PER_MS) as i64, "{latest_ms}");
    // What is due in large shares does not wait.
    let rest = database.expire_all(SPREAD_MS / 2).len() + database.expire_all(SPREAD_MS).len();
    assert!(rest > KEYS as usize * 8 / 10, "{rest}");
    assert!(database.len() < 10, "{}", database.len());
}

/// Big values of every type, with their cost to free.
fn big_values(count: u32) -> Vec<Object> {
    let limits = Limits::new(HASHER);
    let (mut list, mut hash, mut set, mut sorted) =
        (List::new(), Hash::new(), Set::new(), SortedSet::new());
    for number in 0..count {
        let text = format!("element:{number}");
        list.push_back(&[text.as_bytes(), &[b'x'; 1000]].concat(), &limits);
        hash.set(text.as_bytes(), b"value", &limits);
        set.insert(text.as_bytes(), &limits);
        sorted.insert(text.as_bytes(), f64::from(number), &limits);
    }
    vec![list.into(), hash.into(), set.into(), sorted.into()]
}

#[test]
fn big_values_are_freed_in_slices_and_small_ones_at_once() {
    for object in big_values(50_000) {
        let cost = object.free_cost();
        let entry = Entry::object(b"key", object, None);
        assert_eq!(entry.free_cost(), cost);
        assert!(cost > FREE_AT_ONCE_MAX);
        let kind = entry.kind();
        let mut graveyard = Graveyard::new();
        graveyard.bury(entry);
        assert_eq!(graveyard.len(), 1);
        let mut slices = 1;
        while graveyard.free_some(1000) {
            slices += 1;
        }
        assert!(graveyard.is_empty());
        let slices_min = cost / (1000 + SEGMENT_ELEMENTS_MAX);
        assert!(
            slices >= slices_min && slices <= cost / 500 + 2,
            "{slices} of {cost} for {kind:?}"
        );
    }
    let mut graveyard = Graveyard::new();
    graveyard.bury(Entry::string(b"key", &[0; 5000], None));
    big_values(10).into_iter().for_each(|object| graveyard.bury_object(object));
    assert!(graveyard.is_empty());
    assert!(!graveyard.free_some(1));
}

#[test]
fn a_cleared_database_is_freed_in_slices_with_the_big_values_in_it() {
    let mut database = Database::new(HASHER);
    for number in 0..20_000 {
        database.insert(Entry::string(format!("key:{number}").as_bytes(), b"value", Some(5)));
    }
    for (number, object) in big_values(20_000).into_iter().enumerate() {
        database.insert(Entry::object(format!("big:{number}").as_bytes(), object, None));
    }
    let mut graveyard = Graveyard::new();
    database.clear(&mut graveyard);
    assert_eq!((database.len(), database.expires_len(), database.iter().count()), (0, 0, 0));
    database.insert(Entry::string(b"new", b"life", None));
    let mut slices = 1;
    while graveyard.free_some(1000) {
        slices += 1;
    }
    assert!(slices >= 40, "{slices}");
    assert_eq!(database.len(), 1);
    let mut one = Graveyard::new();
    let mut other = Graveyard::new();
    database.clear(&mut one);
    other.adopt(one);
    assert_eq!(other.len(), 1);
}

#[test]
fn two_million_keys_take_sixty_two_bytes_each_at_most() {
    let mut database = Database::new(HASHER);
    let (mut worst, mut at_end) = (0.0_f64, 0.0);
    // The block of the entry, from the allocator's size classes; the table counts itself.
    let entry_bytes = memory::allocated(8 + 16 + 16);
    for number in 0..2_000_000_u64 {
        let key = format!("key:{number:012}");
        assert_eq!(key.len(), 16);
        let entry = Entry::string(key.as_bytes(), &[b'v'; 16], None);
        assert_eq!(entry.memory_bytes(), size_of::<Entry>() + entry_bytes);
        database.insert(entry);
        if number % 100_000 == 99_999 {
            at_end = entry_bytes as f64 + database.table_bytes() as f64 / database.len() as f64;
            worst = worst.max(at_end);
        }
    }
    println!("{at_end:.1} bytes per key, at worst {worst:.1} on the way");
    assert!(worst <= 62.0, "{worst}");
}

#[test]
fn a_clock_that_is_set_back_does_not_prolong_the_rest_of_a_segment() {
    const HOUR_MS: i64 = 3_600_000;
    let now_ms = 10 * HOUR_MS;
    let mut database = Database::new(HASHER);
    for number in 0..300 {
        let key = format!("key:{number}");
        database.insert(Entry::string(key.as_bytes(), b"v", Some(60 * HOUR_MS)));
    }
    database.insert(Entry::string(b"due", b"v", Some(now_ms - 1)));
    assert_eq!(database.expire_all(now_ms), HashSet::from([b"due".to_vec()]), "then all rest");
    let earlier_ms = now_ms - HOUR_MS;
    assert!(database.expire_all(earlier_ms).is_empty());
    database.insert(Entry::string(b"brief", b"v", Some(earlier_ms + 10)));
    assert_eq!(database.expire_all(earlier_ms + 1000), HashSet::from([b"brief".to_vec()]));
}
