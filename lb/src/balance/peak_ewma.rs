//! `peak-ewma`: the server that will most likely answer first.
//!
//! Job: of `choices` different servers drawn by weight the one with the least cost
//! `latency * (in_flight + foreign + 1) / weight`; of equal ones the one that this core gave the least
//! in the last second, for its weight; of equal ones again the first drawn. Constant time.
//!
//! Source: Finagle's `PeakEwma` ("peak" is in [`super::latency`], which makes the latencies). A server
//! whose latency nobody knows counts as average: as the fastest it would get everything at once, as
//! the slowest nothing ever. Slow ones get another chance because latencies decay while nothing is
//! measured, and because no draw leaves a server out for good.

use std::cmp::Ordering;

use ringlet_base::random::Random;

use super::select::{Sampler, by_recent};
use super::{Balancer, Blueprint, Candidate, Request};

struct PeakEwma {
    choices: usize,
    sampler: Sampler,
    /// Of the servers whose latency was known at the last update; at least 1.
    average_us: u32,
}

pub fn make(blueprint: &Blueprint, _core: usize, _cores: usize) -> Box<dyn Balancer> {
    Box::new(PeakEwma { choices: blueprint.choices(), sampler: Sampler::default(), average_us: 1 })
}

fn cost(one: &Candidate, average_us: u32) -> u128 {
    let latency_us = if one.latency_us == 0 { average_us } else { one.latency_us };
    u128::from(latency_us) * u128::from(one.load() + 1)
}

/// Compares cost / weight without dividing: 32 bits of latency, 33 of load and 32 of weight fit.
fn order(one: &Candidate, other: &Candidate, average_us: u32) -> Ordering {
    (cost(one, average_us) * u128::from(other.weight))
        .cmp(&(cost(other, average_us) * u128::from(one.weight)))
        .then_with(|| by_recent(one, other))
}

impl Balancer for PeakEwma {
    fn choose(&mut self, request: &Request<'_>, random: &mut Random) -> Option<usize> {
        self.sampler
            .best_of(self.choices, request, random, |one, other| order(one, other, self.average_us))
    }

    fn update(&mut self, candidates: &[Candidate]) {
        self.sampler.update(candidates);
        let (mut sum, mut count) = (0, 0);
        for one in candidates.iter().filter(|one| one.serves() && one.latency_us > 0) {
            sum += u64::from(one.latency_us);
            count += 1;
        }
        // A mean of 32-bit numbers has 32 bits.
        self.average_us = sum.checked_div(count).map_or(1, |mean| mean as u32);
    }
}

#[cfg(test)]
mod tests {
    use super::super::test_support::{
        assert_by_weight, balancer, candidates, pool, random, request,
    };
    use super::*;

    fn counts(candidates: &[Candidate]) -> Vec<u32> {
        let mut pool = pool("peak-ewma", &vec![1; candidates.len()]);
        pool.balance.choices = 4;
        let mut balancer = balancer(&pool, candidates);
        let mut random = random();
        let mut counts = vec![0; candidates.len()];
        for _ in 0..20_000 {
            counts[balancer.pick(&request(candidates, 0), &mut random).unwrap()] += 1;
        }
        counts
    }

    #[test]
    fn the_cheapest_wins() {
        let mut candidates = candidates(&[1, 1, 2]);
        for (one, latency_us) in candidates.iter_mut().zip([1_000, 1_500, 4_000]) {
            one.latency_us = latency_us;
        }
        assert_eq!(counts(&candidates)[0], 20_000);
        candidates[0].in_flight = 1;
        assert_eq!(counts(&candidates)[1], 20_000, "1500 * 1 is less than 1000 * 2");
        candidates[1].foreign = 1;
        assert_by_weight(&counts(&candidates), &[1, 0, 2]);
        candidates[2].recent = 1;
        assert_eq!(counts(&candidates)[0], 20_000, "it got less lately");
    }

    #[test]
    fn an_unknown_one_counts_as_average() {
        let mut candidates = candidates(&[1, 1, 1]);
        assert_by_weight(&counts(&candidates), &[1, 1, 1]);
        (candidates[0].latency_us, candidates[1].latency_us) = (1_000, 3_000);
        assert_eq!(counts(&candidates)[0], 20_000, "1000 is less than 2000");
        candidates[0].in_flight = 2;
        assert_eq!(counts(&candidates)[2], 20_000, "2000 is less than 3000");
        candidates[2].in_flight = 1;
        assert_eq!(counts(&candidates)[2], 0, "2000 * 2 is more than 3000");
    }

    #[test]
    fn extremes_do_not_overflow() {
        let mut candidates = candidates(&[1, 1]);
        for one in &mut candidates {
            (one.weight, one.latency_us) = (u32::MAX, u32::MAX);
            (one.in_flight, one.foreign, one.recent) = (u32::MAX, u32::MAX, u32::MAX);
        }
        assert_by_weight(&counts(&candidates), &[1, 1]);
    }
}
