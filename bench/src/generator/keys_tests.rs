//! Tests of the distributions of keys against their formulas.

use std::str::FromStr as _;

use ringlet_base::random::Random;

use super::keys::{Distribution, KeyClass, Keys};

const SEED: u64 = 20_240_611;
const DRAWS: u64 = 400_000;

/// The sum of squared deviations, each in proportion to what is expected, for the places of a class.
fn chi_square(distribution: Distribution, class: KeyClass, share: impl Fn(u64) -> f64) -> f64 {
    let mut random = Random::new(SEED);
    let mut keys = Keys::new(distribution, class);
    let mut counts = vec![0u64; class.count as usize];
    for _ in 0..DRAWS {
        let key = keys.draw(&mut random);
        assert_eq!(key % class.step, class.first, "seed {SEED}");
        counts[class.place(key) as usize] += 1;
    }
    let total: f64 = (0..class.count).map(&share).sum();
    (0..class.count)
        .map(|place| {
            let expected = DRAWS as f64 * share(place) / total;
            (counts[place as usize] as f64 - expected).powi(2) / expected
        })
        .sum()
}

/// Five standard deviations above the mean of a chi-square with `count - 1` degrees of freedom.
fn bound(count: u64) -> f64 {
    let freedom = (count - 1) as f64;
    freedom + 5.0 * (2.0 * freedom).sqrt()
}

fn assert_follows(distribution: Distribution, class: KeyClass, share: impl Fn(u64) -> f64) {
    let seen = chi_square(distribution, class, share);
    let most = bound(class.count);
    assert!(seen < most, "{distribution} over {class:?}: {seen} > {most}, seed {SEED}");
}

#[test]
fn uniform_draws_are_even() {
    for class in [KeyClass::all(1000), KeyClass::of_core(3001, 2, 3)] {
        assert_follows(Distribution::Uniform, class, |_| 1.0);
    }
}

#[test]
fn zipfian_draws_follow_the_formula_below_at_and_above_one() {
    for exponent in [0.0, 0.5, 0.99, 1.0, 1.000_000_1, 1.2, 2.0] {
        for class in [KeyClass::all(100), KeyClass::of_core(400, 3, 4)] {
            let distribution = Distribution::Zipfian { exponent };
            assert_follows(distribution, class, |place| ((place + 1) as f64).powf(-exponent));
        }
    }
}

/// The test can fail: one exponent does not pass for another close to it.
#[test]
fn the_bound_tells_exponents_apart() {
    let distribution = Distribution::Zipfian { exponent: 0.97 };
    let seen =
        chi_square(distribution, KeyClass::all(100), |place| ((place + 1) as f64).powf(-0.99));
    assert!(seen > bound(100), "{seen}, seed {SEED}");
}

#[test]
fn zipfian_over_a_billion_keys_gives_the_first_its_share() {
    // The sum of 1/k up to a billion is its logarithm plus Euler's constant.
    let share = 1.0 / (1e9f64.ln() + 0.577_215_664_9);
    let mut random = Random::new(SEED);
    let mut keys = Keys::new(Distribution::Zipfian { exponent: 1.0 }, KeyClass::all(1_000_000_000));
    let (mut first, mut largest) = (0u64, 0u64);
    for _ in 0..DRAWS {
        let key = keys.draw(&mut random);
        first += u64::from(key == 0);
        largest = largest.max(key);
    }
    let expected = DRAWS as f64 * share;
    assert!((first as f64 - expected).abs() < 5.0 * expected.sqrt(), "{first}, seed {SEED}");
    assert!((900_000_000..1_000_000_000).contains(&largest), "{largest}, seed {SEED}");
}

#[test]
fn hotspots_take_their_share() {
    let distribution = Distribution::Hotspot { keys: 0.1, requests: 0.7 };
    for class in [KeyClass::all(500), KeyClass::of_core(1000, 1, 2)] {
        assert_follows(
            distribution,
            class,
            |place| {
                if place < 50 { 0.7 / 50.0 } else { 0.3 / 450.0 }
            },
        );
    }
    // All keys hot, and none: both stay inside the class.
    assert_follows(Distribution::Hotspot { keys: 1.0, requests: 0.5 }, KeyClass::all(10), |_| 1.0);
    let cold = Distribution::Hotspot { keys: 0.0, requests: 0.5 };
    assert_follows(cold, KeyClass::all(11), |place| if place == 0 { 0.5 } else { 0.05 });
}

#[test]
fn sequences_run_through_the_class_and_again() {
    let mut random = Random::new(SEED);
    let mut keys = Keys::new(Distribution::Sequential, KeyClass::of_core(8, 1, 3));
    let drawn: Vec<u64> = (0..7).map(|_| keys.draw(&mut random)).collect();
    assert_eq!(drawn, [1, 4, 7, 1, 4, 7, 1]);
}

#[test]
fn classes_share_out_all_keys() {
    for (keys, cores) in [(10, 1), (10, 3), (2, 4), (0, 2)] {
        let classes: Vec<KeyClass> =
            (0..cores).map(|core| KeyClass::of_core(keys, core, cores)).collect();
        assert_eq!(classes.iter().map(|class| class.count).sum::<u64>(), keys);
        assert!(classes.windows(2).all(|pair| pair[0].count >= pair[1].count));
    }
}

#[test]
fn distributions_are_read_and_written() {
    let good = [
        ("uniform", Distribution::Uniform),
        ("zipfian", Distribution::Zipfian { exponent: 0.99 }),
        ("zipfian:1.2", Distribution::Zipfian { exponent: 1.2 }),
        ("hotspot", Distribution::Hotspot { keys: 0.2, requests: 0.8 }),
        ("hotspot:0.1:0.9", Distribution::Hotspot { keys: 0.1, requests: 0.9 }),
        ("sequential", Distribution::Sequential),
    ];
    for (text, distribution) in good {
        assert_eq!(text.parse(), Ok(distribution));
        assert_eq!(distribution.to_string().parse(), Ok(distribution));
    }
    let bad = [
        ("", "unknown distribution"),
        ("normal", "unknown distribution \"normal\""),
        ("zipfian:x", "the exponent must be a number from 0 to 20, not \"x\""),
        ("zipfian:-1", "the exponent"),
        ("zipfian:NaN", "the exponent"),
        ("hotspot:2", "the share of hot keys"),
        ("hotspot:0.2:1.5", "the share of requests for hot keys"),
        ("hotspot:0.2:0.8:1", "\"1\" is one value too many for hotspot"),
        ("uniform:1", "one value too many"),
    ];
    for (text, part) in bad {
        let error = Distribution::from_str(text).expect_err(text);
        assert!(error.contains(part), "{text}: {error}");
    }
}
