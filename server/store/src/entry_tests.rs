//! Tests of the entry: layout, every change against a plain model, sharing of large strings.

use super::*;
use crate::hasher::KeyHasher;
use crate::limits::Limits;
use crate::list::List;
use ringlet_base::random::Random;
use ringlet_runtime::memory::resident_bytes;

#[test]
fn sixteen_and_sixteen_bytes_are_one_block_of_forty() {
    let entry = Entry::string(&[b'k'; 16], &[b'v'; 16], None);
    assert_eq!(entry.0.allocated_bytes(), 40);
    assert_eq!(entry.memory_bytes(), 48);
    let entry = Entry::string(&[b'k'; 16], &[b'v'; 16], Some(1));
    assert_eq!(entry.0.allocated_bytes(), 48);
    assert_eq!((size_of::<Entry>(), size_of::<Option<Entry>>()), (8, 8));
    assert_eq!(size_of::<Object>(), 16);
    let list = Entry::object(b"key", List::new().into(), None);
    assert_eq!(list.0.allocated_bytes(), 32 + 3);
    fn is_send<T: Send>() {}
    is_send::<Entry>();
    is_send::<crate::database::Database>();
    is_send::<crate::graveyard::Graveyard>();
}

/// What an entry should be.
#[derive(Debug, Clone)]
struct Model {
    key: Vec<u8>,
    value: Vec<u8>,
    expiry_ms: Option<i64>,
    access: u32,
    raw: bool,
}

impl Model {
    fn check(&self, entry: &Entry) {
        assert_eq!(entry.key(), self.key);
        assert_eq!(entry.value().bytes(), Some(self.value.as_slice()));
        assert_eq!(entry.expiry(), self.expiry_ms);
        assert_eq!((entry.access(), entry.is_raw()), (self.access, self.raw));
        assert_eq!(entry.kind(), Kind::String);
        let small = matches!(entry.value(), ValueRef::String(_));
        assert!(!small || self.value.len() <= SMALL_STRING_MAX);
    }
}

fn bytes(random: &mut Random) -> Vec<u8> {
    let bound = [1, 20, 50, 1100, 3000][random.below(5) as usize];
    let length = random.below(bound);
    (0..length).map(|_| random.next_u64() as u8).collect()
}

fn change(entry: &mut Entry, model: &mut Model, random: &mut Random) {
    let data = bytes(random);
    match random.below(11) {
        0 => {
            entry.set_string(&data);
            (model.value, model.raw) = (data, false);
        }
        1 => {
            entry.set_shared_string(Bytes::from(data.clone()));
            (model.value, model.raw) = (data, false);
        }
        2 => {
            model.value.extend_from_slice(&data);
            model.raw = true;
            assert_eq!(entry.append(&data), Some(model.value.len()));
        }
        3 => {
            let offset = random.below(model.value.len() as u64 + 30) as usize;
            if !data.is_empty() {
                let end = offset + data.len();
                model.value.resize(model.value.len().max(end), 0);
                model.value[offset..end].copy_from_slice(&data);
                model.raw = true;
            }
            assert_eq!(entry.set_range(offset, &data), Some(model.value.len()));
        }
        4 => {
            let flip = |bytes: &mut [u8]| {
                bytes.iter_mut().for_each(|byte| *byte = !*byte);
                bytes.len()
            };
            assert_eq!(entry.modify_bytes(flip), Some(flip(&mut model.value)));
            model.raw = true;
        }
        5 => {
            model.expiry_ms = (random.below(3) > 0).then(|| random.next_u64() as i64);
            entry.set_expiry(model.expiry_ms);
        }
        6 => {
            model.access = random.below(1 << 24) as u32;
            entry.set_access(model.access);
        }
        7 => {
            model.raw = random.below(2) == 0;
            entry.set_raw(model.raw);
        }
        8 => {
            model.key = bytes(random);
            let old = std::mem::replace(entry, Entry::string(b"", b"", None));
            *entry = old.with_key(&model.key);
        }
        9 => {
            let before = model.clone();
            model.key = bytes(random);
            let copy = entry.duplicate(&model.key);
            // The copy lives on and the original changes: nothing may be shared that shows.
            let old = std::mem::replace(entry, copy);
            before.check(&old);
            let mut changed = old;
            changed.append(b"x");
            changed.modify_bytes(|bytes| bytes.fill(0));
        }
        _ => {
            // A reply holds on to a large value while the entry changes.
            if let ValueRef::SharedString(shared) = entry.value() {
                let (held, expected) = (shared.clone(), model.value.clone());
                entry.append(b"y");
                entry.modify_bytes(|bytes| bytes.fill(1));
                model.value.push(b'y');
                model.value.fill(1);
                model.raw = true;
                assert_eq!(held, expected);
            }
        }
    }
}

#[test]
fn strings_agree_with_a_model_through_every_change() {
    for seed in 1..=20 {
        println!("seed {seed}");
        let mut random = Random::new(seed);
        let (key, value) = (bytes(&mut random), bytes(&mut random));
        let mut entry = Entry::string(&key, &value, None);
        let mut model = Model { key, value, expiry_ms: None, access: 0, raw: false };
        for _ in 0..500 {
            change(&mut entry, &mut model, &mut random);
            model.check(&entry);
            if model.value.len() > 50_000 {
                model.value.clear();
                model.raw = false;
                entry.set_string(b"");
            }
        }
    }
}

#[test]
fn large_strings_are_neither_copied_in_nor_out_nor_when_changed_alone() {
    let value = Bytes::from(vec![7_u8; 100_000]);
    let address = value.as_ptr();
    let mut entry = Entry::shared_string(b"key", value, None);
    let ValueRef::SharedString(shared) = entry.value() else { panic!("large") };
    assert_eq!(shared.clone().as_ptr(), address);
    entry.modify_bytes(|bytes| bytes[0] = 1);
    entry.set_range(10, b"abc");
    let mut entry = entry.with_key(b"a new key");
    assert_eq!(entry.value().bytes().map(<[u8]>::as_ptr), Some(address), "changed in place");
    // While a reply shares it, a change makes a copy.
    let ValueRef::SharedString(shared) = entry.value() else { panic!("large") };
    let held = shared.clone();
    entry.modify_bytes(|bytes| bytes[0] = 2);
    assert_eq!((held[0], entry.value().bytes().map(|bytes| bytes[0])), (1, Some(2)));
    // Appending again and again does not copy everything each time.
    let mut moves = 0;
    let mut last = entry.value().bytes().map(<[u8]>::as_ptr);
    for _ in 0..100_000 {
        entry.append(b"x");
        let now = entry.value().bytes().map(<[u8]>::as_ptr);
        moves += usize::from(now != last);
        last = now;
    }
    assert!(moves < 10, "{moves} moves");
}

#[test]
fn strings_of_many_megabytes_grow_by_bounded_room_and_from_zeros_without_touching_them() {
    const MEGABYTE: usize = 1 << 20;
    let mut entry = Entry::string(b"key", b"start", None);
    let length = 1024 * MEGABYTE;
    let before = resident_bytes().expect("/proc is there");
    assert_eq!(entry.set_range(length - 3, b"end"), Some(length));
    let after = resident_bytes().expect("/proc is there");
    // Other tests run at the same time, but they need far less than this.
    assert!(after < before + length as u64 / 2, "{before} then {after}");
    // There is room already to append: the string stays where it is.
    let address = |entry: &Entry| entry.value().bytes().map(<[u8]>::as_ptr);
    let before = address(&entry);
    assert_eq!(entry.append(&[b'x'; 1000]), Some(length + 1000));
    assert_eq!(address(&entry), before);
    let bytes = entry.value().bytes().expect("a string");
    assert_eq!((&bytes[..7], &bytes[length - 5..length]), (&b"start\0\0"[..], &b"\0\0end"[..]));
    let room = |length: usize| {
        with_room(BytesMut::from(&vec![1; length - 1][..]), length).capacity() - length
    };
    assert_eq!(room(5000), 5000);
    assert_eq!(room(3 * MEGABYTE), MEGABYTE);
}

#[test]
fn encodings_are_those_of_redis() {
    let encoding = |value: &[u8]| Entry::string(b"key", value, None).encoding();
    for text in [&b"0"[..], b"-1", b"9223372036854775807", b"-9223372036854775808"] {
        assert_eq!(encoding(text), "int");
    }
    for text in [&b""[..], b"01", b"9223372036854775808", b"1.5", &[b'x'; 44]] {
        assert_eq!(encoding(text), "embstr");
    }
    assert_eq!((encoding(&[b'x'; 45]), encoding(&[b'x'; 5000])), ("raw", "raw"));
    let mut entry = Entry::string(b"key", b"1", None);
    entry.append(b"2");
    assert_eq!(entry.encoding(), "raw");
    entry.set_string(b"12");
    assert_eq!(entry.encoding(), "int");
    entry.set_range(0, b"9");
    assert_eq!(entry.encoding(), "raw");
    assert_eq!(entry.set_range(5, b""), Some(2));
    let list = Entry::object(b"key", List::new().into(), None);
    assert_eq!((list.encoding(), list.kind().name()), ("listpack", "list"));
}

#[test]
fn entries_expire_after_their_millisecond_and_only_then() {
    let entry = Entry::string(b"key", b"value", Some(1000));
    assert!(!entry.is_expired(999) && !entry.is_expired(1000) && entry.is_expired(1001));
    assert!(!Entry::string(b"key", b"value", None).is_expired(i64::MAX));
}

#[test]
fn keys_and_values_of_all_sizes_survive() {
    for key_length in [0, 1, 65_000, 65_535, 65_536, 70_000] {
        for value_length in [0, 1, 1024, 1025, 70_000] {
            for expiry_ms in [None, Some(i64::MIN), Some(i64::MAX)] {
                let (key, value) = (vec![1; key_length], vec![2; value_length]);
                let mut entry = Entry::string(&key, &value, expiry_ms);
                entry.set_expiry(Some(5));
                entry.set_expiry(expiry_ms);
                assert_eq!((entry.key(), entry.expiry()), (&key[..], expiry_ms));
                assert_eq!(entry.value().bytes(), Some(&value[..]));
            }
        }
    }
}

#[test]
fn other_types_refuse_to_be_strings_and_move_whole() {
    let limits = Limits::new(KeyHasher::new([1, 2, 3, 4]));
    let mut list = List::new();
    (0..1000).for_each(|_| list.push_back(b"element", &limits));
    let mut entry = Entry::object(b"list", list.into(), Some(7));
    entry.set_access(99);
    assert_eq!(entry.append(b"x"), None);
    assert_eq!(entry.set_range(0, b"x"), None);
    assert_eq!(entry.modify_bytes(|_| ()), None);
    assert!(!entry.is_raw(), "a refused change leaves no trace");
    let copy = entry.duplicate(b"copy");
    if let ValueMut::List(list) = entry.value_mut() {
        list.push_back(b"more", &limits);
    }
    let entry = entry.with_key(b"renamed");
    let moved = std::thread::spawn(move || (entry, copy)).join();
    let (entry, copy) = moved.expect("entries move between threads");
    for (entry, key, len) in [(entry, &b"renamed"[..], 1001), (copy, b"copy", 1000)] {
        assert_eq!((entry.key(), entry.expiry(), entry.access()), (key, Some(7), 99));
        let ValueRef::List(list) = entry.value() else { panic!("a list") };
        assert_eq!(list.len(), len);
        assert!(entry.memory_bytes() > 8000);
    }
    let mut entry = Entry::string(b"key", b"12", Some(7));
    entry.append(b"3");
    entry.set_object(List::new().into());
    assert_eq!((entry.kind(), entry.expiry(), entry.is_raw()), (Kind::List, Some(7), false));
    entry.set_string(b"text");
    assert_eq!(entry.value().bytes(), Some(&b"text"[..]));
}
