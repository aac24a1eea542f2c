//! What every algorithm must do, whatever it prefers.

use super::test_support::{balancer, candidates, pool, random, request};
use super::*;

/// Every algorithm with a pool of four servers of different weights.
fn each(test: impl Fn(&str, &mut dyn Balancer, Vec<Candidate>)) {
    for algorithm in ALGORITHMS {
        for cores in [1, 3] {
            let pool = pool(algorithm.name, &[1, 5, 2, 1]);
            let candidates = candidates(&[1, 5, 2, 1]);
            let mut balancer = Blueprint::new(&pool).balancer(cores - 1, cores);
            balancer.update(&candidates);
            test(algorithm.name, &mut *balancer, candidates);
        }
    }
}

/// Picks with many hashes, and says which servers came up.
fn picked(balancer: &mut dyn Balancer, request: &Request<'_>) -> Vec<Option<usize>> {
    let mut random = random();
    let pick = |_| {
        let hash = random.next_u64();
        balancer.pick(&Request { hash, ..*request }, &mut random)
    };
    let mut picked: Vec<_> = (0..2_000).map(pick).collect();
    picked.sort_unstable();
    picked.dedup();
    picked
}

#[test]
fn names_are_unique_and_the_default_is_the_first() {
    for (index, one) in ALGORITHMS.iter().enumerate() {
        assert!(ALGORITHMS[..index].iter().all(|other| other.name != one.name), "{}", one.name);
        assert_eq!(one.hashes(), one.table.is_some(), "{}", one.name);
    }
    assert_eq!(ALGORITHMS[0].name, ALGORITHM_DEFAULT);
    assert!(algorithm("ring").is_none());
}

#[test]
fn a_name_may_bring_its_key() {
    let key = |name| Blueprint::new(&pool(name, &[1])).key().clone();
    assert_eq!(key("uri"), HashKey::Path);
    let mut by_header = pool("source", &[1]);
    by_header.balance.key = HashKey::Header("x".to_string());
    assert_eq!(Blueprint::new(&by_header).key(), &HashKey::Source);
    by_header.balance.algorithm = "maglev";
    assert_eq!(Blueprint::new(&by_header).key(), &HashKey::Header("x".to_string()));
}

#[test]
fn nobody_gets_what_nobody_can_take() {
    each(|name, balancer, mut candidates| {
        for one in &mut candidates {
            one.usable = false;
        }
        balancer.update(&candidates);
        assert_eq!(picked(balancer, &request(&candidates, 0)), [None], "{name}: all down");
        for one in &mut candidates {
            (one.usable, one.is_full) = (true, true);
        }
        balancer.update(&candidates);
        assert_eq!(picked(balancer, &request(&candidates, 0)), [None], "{name}: all full");
        for one in &mut candidates {
            (one.is_full, one.weight) = (false, 0);
        }
        balancer.update(&candidates);
        assert_eq!(picked(balancer, &request(&candidates, 0)), [None], "{name}: no weight");
        balancer.update(&[]);
        assert_eq!(picked(balancer, &request(&[], 0)), [None], "{name}: no servers");
    });
}

#[test]
fn the_last_one_that_can_take_it_gets_it() {
    for last in 0..4 {
        each(|name, balancer, mut candidates| {
            for (index, one) in candidates.iter_mut().enumerate() {
                // Three ways to be out, and the balancer heard of none of them.
                match (index + 4 - last) % 4 {
                    0 => {}
                    1 => one.usable = false,
                    2 => one.is_full = true,
                    _ => one.weight = 0,
                }
            }
            assert_eq!(picked(balancer, &request(&candidates, 0)), [Some(last)], "{name}");
            balancer.update(&candidates);
            assert_eq!(picked(balancer, &request(&candidates, 0)), [Some(last)], "{name}");
        });
    }
}

#[test]
fn what_was_tried_is_left_out_while_another_serves() {
    each(|name, balancer, mut candidates| {
        let all = picked(balancer, &Request { tried: &[1, 3], ..request(&candidates, 0) });
        assert!(all.iter().all(|&index| index == Some(0) || index == Some(2)), "{name}: {all:?}");
        // Full is not down: the request waits for the ones that it has not tried.
        (candidates[0].is_full, candidates[2].is_full) = (true, true);
        assert_eq!(
            picked(balancer, &Request { tried: &[1, 3], ..request(&candidates, 0) }),
            [None],
            "{name}"
        );
        (candidates[0].usable, candidates[2].usable) = (false, false);
        balancer.update(&candidates);
        let all = picked(balancer, &Request { tried: &[1, 3], ..request(&candidates, 0) });
        assert!(all.iter().all(|&index| index == Some(1) || index == Some(3)), "{name}: {all:?}");
    });
}

#[test]
fn first_fills_the_first_up() {
    let mut candidates = candidates(&[1, 9, 9]);
    let mut balancer = balancer(&pool("first", &[1, 9, 9]), &candidates);
    assert_eq!(picked(&mut *balancer, &request(&candidates, 0)), [Some(0)]);
    candidates[0].is_full = true;
    assert_eq!(picked(&mut *balancer, &request(&candidates, 0)), [Some(1)]);
}
