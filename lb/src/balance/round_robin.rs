//! `round-robin`: smooth weighted round-robin.
//!
//! Job: every server in turn, as often as its weight says, spread out. For each pick, over the open
//! servers: `current += weight; total += weight`; the greatest `current` is chosen (the first of equal
//! ones) and pays `total`. Weights 5, 1, 1 give a a b a c a a. Time and space grow with the servers.
//!
//! Source: nginx, `ngx_http_upstream_round_robin.c`. Two things differ. Cores start at different
//! places of the sequence, as they would otherwise all send to the same server at the same time: core
//! `k` of `C` starts as if `k/C` of a period had passed. And what a server is owed is kept in turns
//! when weights change, so that slow start does not pile up debts in the old measure.

use ringlet_base::random::Random;

use super::{Balancer, Blueprint, Candidate, Request};

struct RoundRobin {
    /// What each server is owed; sums up to 0, but for rounding.
    current: Vec<i64>,
    /// Weights as of the last update; 0 for servers that do not serve.
    weights: Vec<u32>,
    total: i64,
}

pub fn make(blueprint: &Blueprint, core: usize, cores: usize) -> Box<dyn Balancer> {
    let weights = blueprint.weights.clone();
    let total = sum(&weights);
    Box::new(RoundRobin { current: start(&weights, core, cores), weights, total })
}

fn sum(weights: &[u32]) -> i64 {
    weights.iter().map(|&weight| i64::from(weight)).sum()
}

/// What servers are owed after `core/cores` of a period in which each had its share, rounded down,
/// and those with the greatest remainders one turn more.
fn start(weights: &[u32], core: usize, cores: usize) -> Vec<i64> {
    let divisor = weights.iter().fold(0, |divisor, &weight| greatest_divisor(divisor, weight));
    let total = sum(weights);
    if total == 0 {
        return vec![0; weights.len()];
    }
    let period = total / i64::from(divisor);
    let turns = i128::from(period) * (core % cores) as i128 / cores as i128;
    let owed = |weight: u32| turns * i128::from(weight);
    // Below `total`, which fits.
    let mut current: Vec<i64> =
        weights.iter().map(|&weight| (owed(weight) % i128::from(total)) as i64).collect();
    let left = current.iter().sum::<i64>() / total;
    let mut order: Vec<usize> = (0..weights.len()).collect();
    order.sort_by_key(|&index| std::cmp::Reverse(current[index]));
    for &index in order.iter().take(left as usize) {
        current[index] -= total;
    }
    current
}

fn greatest_divisor(one: u32, other: u32) -> u32 {
    if other == 0 { one } else { greatest_divisor(other, one % other) }
}

impl Balancer for RoundRobin {
    fn choose(&mut self, request: &Request<'_>, _random: &mut Random) -> Option<usize> {
        let mut best: Option<(usize, i64)> = None;
        let mut total = 0;
        for (index, current) in self.current.iter_mut().enumerate() {
            if !request.is_open(index) {
                continue;
            }
            let weight = i64::from(request.candidates[index].weight);
            *current += weight;
            total += weight;
            if best.is_none_or(|(_, most)| *current > most) {
                best = Some((index, *current));
            }
        }
        let (chosen, _) = best?;
        self.current[chosen] -= total;
        Some(chosen)
    }

    fn update(&mut self, candidates: &[Candidate]) {
        let weight = |one: &Candidate| if one.usable { one.weight } else { 0 };
        if self.weights.iter().copied().eq(candidates.iter().map(weight)) {
            return;
        }
        let total_before = self.total;
        self.weights.resize(candidates.len(), 0);
        self.current.resize(candidates.len(), 0);
        for (before, one) in self.weights.iter_mut().zip(candidates) {
            *before = weight(one);
        }
        self.total = sum(&self.weights);
        // Also for those that do not serve now: less than a turn either way waits for them.
        for current in &mut self.current {
            *current =
                if total_before == 0 { 0 } else { scale(*current, self.total, total_before) };
        }
    }
}

/// `value * to / from` in the wide: both totals stay below 2^40, the value within a few totals.
fn scale(value: i64, to: i64, from: i64) -> i64 {
    (i128::from(value) * i128::from(to) / i128::from(from)) as i64
}

#[cfg(test)]
mod tests {
    use super::super::test_support::{balancer, candidates, pool, random, request};
    use super::*;

    fn letters(balancer: &mut dyn Balancer, candidates: &[Candidate], count: usize) -> String {
        let mut random = Random::new(0);
        let mut letter = |_| {
            let index = balancer.pick(&request(candidates, 0), &mut random);
            index.map_or('-', |index| char::from(b'a' + index as u8))
        };
        (0..count).map(&mut letter).collect()
    }

    #[test]
    fn turns_are_those_of_nginx() {
        let pool = pool("round-robin", &[5, 1, 1]);
        let candidates = candidates(&[5, 1, 1]);
        let mut balancer = balancer(&pool, &candidates);
        assert_eq!(letters(&mut *balancer, &candidates, 14), "aabacaaaabacaa");
    }

    #[test]
    fn cores_start_at_different_places() {
        let firsts = |weights: &[u16], cores| {
            let (pool, candidates) = (pool("round-robin", weights), candidates(weights));
            let blueprint = Blueprint::new(&pool);
            let first = |core| letters(&mut *blueprint.balancer(core, cores), &candidates, 1);
            (0..cores).map(first).collect::<String>()
        };
        assert_eq!(firsts(&[1, 1, 1, 1], 4), "abcd");
        assert_eq!(firsts(&[3, 3, 3, 3, 3, 3, 3, 3], 4), "aceg");
        assert_eq!(firsts(&[1, 1], 4), "aabb");
        assert_eq!(firsts(&[1], 3), "aaa");
        let firsts = firsts(&[5, 1, 1], 7);
        assert_eq!(firsts.matches('a').count(), 5, "{firsts}");
        assert_eq!(firsts.matches('b').count(), 1, "{firsts}");
    }

    #[test]
    fn every_core_keeps_to_the_weights() {
        let mut random = random();
        for _ in 0..50 {
            let weights: Vec<u16> = (0..=random.below(8)).map(|_| random.below(7) as u16).collect();
            let total = weights.iter().map(|&weight| usize::from(weight)).sum();
            let (pool, candidates) = (pool("round-robin", &weights), candidates(&weights));
            for core in 0..3 {
                let mut balancer = Blueprint::new(&pool).balancer(core, 3);
                balancer.update(&candidates);
                let mut turns = String::new();
                for periods in 1..10 {
                    turns += &letters(&mut *balancer, &candidates, total);
                    for (letter, &weight) in ('a'..).zip(&weights) {
                        let count = turns.matches(letter).count();
                        let off = count.abs_diff(periods * usize::from(weight));
                        // A start in the midst of a period need not be one that nginx would reach.
                        let off_max = usize::from(core > 0);
                        assert!(off <= off_max, "{weights:?} core {core}: {turns}");
                    }
                }
            }
        }
    }

    #[test]
    fn one_that_comes_back_is_not_flooded() {
        let mut candidates = candidates(&[1, 1, 1]);
        let mut balancer = balancer(&pool("round-robin", &[1, 1, 1]), &candidates);
        for count in 0..30 {
            candidates[1].usable = false;
            balancer.update(&candidates);
            let without = letters(&mut *balancer, &candidates, count);
            assert!(!without.contains('b'), "{without}");
            candidates[1].usable = true;
            balancer.update(&candidates);
            let with = letters(&mut *balancer, &candidates, 9);
            assert!((2..=4).contains(&with.matches('b').count()), "{with}");
            assert!(!with.contains("bb"), "{with}");
        }
    }

    #[test]
    fn debts_do_not_outlive_a_change_of_weights() {
        for is_down_meanwhile in [false, true] {
            let mut candidates = candidates(&[256, 256]);
            let mut balancer = balancer(&pool("round-robin", &[256, 256]), &candidates);
            assert_eq!(letters(&mut *balancer, &candidates, 2), "ab");
            assert_eq!(letters(&mut *balancer, &candidates, 1), "a");
            if is_down_meanwhile {
                candidates[0].usable = false;
                balancer.update(&candidates);
            }
            candidates.iter_mut().for_each(|one| one.weight = 1);
            balancer.update(&candidates);
            candidates[0].usable = true;
            balancer.update(&candidates);
            let turns = letters(&mut *balancer, &candidates, 6);
            assert_eq!(turns.matches('a').count(), 3, "{turns}");
        }
    }

    #[test]
    fn a_weight_that_grows_is_followed() {
        let mut candidates = candidates(&[1, 1]);
        let mut balancer = balancer(&pool("round-robin", &[1, 1]), &candidates);
        // Slow start over 64 steps with one or three turns at each: a step forgets nothing.
        for turns in [1, 3] {
            let mut counts = [0; 2];
            for step in 1..=64u32 {
                candidates[1].weight = step * 4;
                balancer.update(&candidates);
                let text = letters(&mut *balancer, &candidates, turns);
                counts[0] += text.matches('a').count();
                counts[1] += text.matches('b').count();
            }
            // The sum of w / (1 + w) over w = 1/64 ..= 64/64 is 19.8.
            let expected = turns * 20;
            assert!(counts[1].abs_diff(expected) <= 2, "{counts:?}, expected {expected}");
        }
    }
}
