//! Tests of sizes, and of the promise that no other value passes for the one that was written.

use ringlet_base::random::Random;

use super::values::{Sizes, Values};
use super::verify::Fault;

const SEED: u64 = 77;
const RUN: u64 = 0x0123_4567_89ab_cdef;

fn checked(key: u64, version: u32, length: usize) -> Vec<u8> {
    let mut value = Vec::new();
    Values::new(RUN).push_checked(key, version, length, &mut value);
    value
}

#[test]
fn values_of_all_lengths_are_recognised() {
    let values = Values::new(RUN);
    for length in [40, 41, 64, 1000, 65_521 + 32, 65_522 + 32, 200_000] {
        let value = checked(7, 3, length);
        assert_eq!(value.len(), length);
        assert_eq!(values.version(7, &value), Ok(3));
    }
}

#[test]
fn any_flipped_bit_is_noticed() {
    let values = Values::new(RUN);
    let value = checked(7, 3, 64);
    for bit in 0..value.len() * 8 {
        let mut flipped = value.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert!(values.version(7, &flipped).is_err(), "bit {bit}");
    }
}

#[test]
fn every_cut_and_every_addition_is_noticed() {
    let values = Values::new(RUN);
    let value = checked(7, 3, 64);
    for length in 0..value.len() {
        assert!(values.version(7, &value[..length]).is_err(), "{length} bytes");
    }
    assert_eq!(values.version(7, &value[..63]), Err(Fault::Cut));
    assert_eq!(values.version(7, &[&value[..], b"A"].concat()), Err(Fault::Cut));
}

#[test]
fn values_of_other_keys_runs_and_versions_are_told_apart() {
    let values = Values::new(RUN);
    assert_eq!(values.version(8, &checked(7, 3, 64)), Err(Fault::OtherKey));
    assert_eq!(Values::new(RUN + 1).version(7, &checked(7, 3, 64)), Err(Fault::Foreign));
    assert_eq!(values.version(7, b"hello"), Err(Fault::Foreign));
    assert_eq!(values.version(7, &checked(7, 4, 64)), Ok(4));
    // One version's label before another's bytes.
    let mixed = [&checked(7, 3, 64)[..32], &checked(7, 4, 64)[32..]].concat();
    assert_eq!(values.version(7, &mixed), Err(Fault::Changed));
}

#[test]
fn pages_that_change_places_are_noticed() {
    let mut value = checked(7, 3, 300_000);
    let page = value[4096..8192].to_vec();
    for at in [65_536, 131_072, 262_144] {
        let other = value[at + 4096..at + 8192].to_vec();
        value[4096..8192].copy_from_slice(&other);
        value[at + 4096..at + 8192].copy_from_slice(&page);
        assert_eq!(Values::new(RUN).version(7, &value), Err(Fault::Changed), "at {at}");
        value = checked(7, 3, 300_000);
    }
}

#[test]
fn other_values_are_as_long_as_asked_and_differ() {
    let (values, mut random) = (Values::new(RUN), Random::new(SEED));
    let mut draw = |length| {
        let mut value = Vec::new();
        values.push_any(length, &mut random, &mut value);
        value
    };
    assert_eq!([0, 1, 64, 150_000].map(|length| draw(length).len()), [0, 1, 64, 150_000]);
    assert_ne!(draw(64), draw(64), "seed {SEED}");
}

#[test]
fn sizes_are_drawn_by_their_weights() {
    let mut random = Random::new(SEED);
    let sizes: Sizes = "16*70,1024*25,65536*5,1*0".parse().expect("sizes");
    assert_eq!(sizes.min(), 16);
    let mut counts = [0i64; 3];
    for _ in 0..100_000 {
        let drawn = sizes.draw(&mut random);
        counts[[16, 1024, 65_536].iter().position(|&size| size == drawn).expect("one of them")] +=
            1;
    }
    for (count, expected) in counts.into_iter().zip([70_000, 25_000, 5_000]) {
        assert!((count - expected).abs() < 800, "{counts:?}, seed {SEED}");
    }
    let range: Sizes = "16-18".parse().expect("sizes");
    let drawn: std::collections::BTreeSet<usize> =
        (0..200).map(|_| range.draw(&mut random)).collect();
    assert_eq!(drawn, [16, 17, 18].into(), "seed {SEED}");
}

#[test]
fn sizes_are_read_and_written() {
    let weighted = Sizes::Weighted(vec![(16, 70), (1024, 1)]);
    let good = [
        ("64", Sizes::Fixed(64)),
        ("0", Sizes::Fixed(0)),
        ("16-1024", Sizes::Range(16, 1024)),
        ("16*70,1024", weighted),
    ];
    for (text, sizes) in good {
        assert_eq!(text.parse(), Ok(sizes.clone()));
        assert_eq!(sizes.to_string().parse(), Ok(sizes));
    }
    let bad = [
        ("", "\"\" is no size"),
        ("x", "\"x\" is no size"),
        ("536870913", "is no size"),
        ("10-5", "the sizes 10-5 end before they begin"),
        ("16*x", "\"x\" is no weight"),
        ("16*0,2*0", "all weights"),
        ("16,", "\"\" is no size"),
    ];
    for (text, part) in bad {
        let error = text.parse::<Sizes>().expect_err(text);
        assert!(error.contains(part), "{text}: {error}");
    }
}
