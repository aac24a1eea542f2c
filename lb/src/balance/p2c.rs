//! `p2c` and `random`: the better of a few that were drawn.
//!
//! Job: draw `choices` different servers by weight, take the one with the least
//! `(in_flight + foreign) / weight`; of equal ones the one that this core gave the least in the last
//! second, for its weight; of equal ones again the first drawn. Constant time.
//!
//! Source: Mitzenmacher, "The Power of Two Choices in Randomized Load Balancing" (1996); the
//! tie-break by rate is HAProxy's for `random(2)`, which spreads low loads evenly where most servers
//! are idle. Comparing only a few that each core draws by itself is also what keeps the cores from
//! herding when their view of each other is a little old.

use ringlet_base::random::Random;

use super::select::{Sampler, by_recent, by_weight};
use super::{Balancer, Blueprint, Candidate, Request};

struct P2c {
    choices: usize,
    sampler: Sampler,
}

pub fn make(blueprint: &Blueprint, _core: usize, _cores: usize) -> Box<dyn Balancer> {
    Box::new(P2c { choices: blueprint.choices(), sampler: Sampler::default() })
}

impl Balancer for P2c {
    fn choose(&mut self, request: &Request<'_>, random: &mut Random) -> Option<usize> {
        self.sampler.best_of(self.choices, request, random, |one, other| {
            by_weight(one.load(), one, other.load(), other).then_with(|| by_recent(one, other))
        })
    }

    fn update(&mut self, candidates: &[Candidate]) {
        self.sampler.update(candidates);
    }
}

#[cfg(test)]
mod tests {
    use super::super::test_support::{
        assert_by_weight, balancer, candidates, pool, random, request,
    };
    use super::*;

    /// How often each server comes up while nothing changes.
    fn counts(choices: u8, candidates: &[Candidate]) -> Vec<u32> {
        let mut pool = pool("p2c", &vec![1; candidates.len()]);
        pool.balance.choices = choices;
        let mut balancer = balancer(&pool, candidates);
        let mut random = random();
        let mut counts = vec![0; candidates.len()];
        for _ in 0..20_000 {
            counts[balancer.pick(&request(candidates, 0), &mut random).unwrap()] += 1;
        }
        counts
    }

    #[test]
    fn the_less_loaded_for_its_weight_wins() {
        let mut candidates = candidates(&[1, 4]);
        (candidates[0].in_flight, candidates[1].in_flight) = (2, 5);
        assert_eq!(counts(2, &candidates)[0], 0);
        // What other cores have there counts as much.
        candidates[1].foreign = 4;
        assert_eq!(counts(2, &candidates)[1], 0);
        // 2 of 1 and 8 of 4 are equal; then what it got lately decides, for its weight.
        candidates[1].foreign = 3;
        (candidates[0].recent, candidates[1].recent) = (10, 39);
        assert_eq!(counts(2, &candidates)[0], 0);
        candidates[1].recent = 41;
        assert_eq!(counts(2, &candidates)[1], 0);
        candidates[1].recent = 40;
        assert_by_weight(&counts(2, &candidates), &[1, 4]);
    }

    #[test]
    fn the_most_loaded_of_three_is_not_chosen_and_ties_are_drawn() {
        let mut candidates = candidates(&[1, 1, 1, 1]);
        assert_by_weight(&counts(2, &candidates), &[1; 4]);
        candidates[2].in_flight = 1;
        let two = counts(2, &candidates);
        assert!(two[2] < 20, "{two:?}");
        assert_by_weight(&[two[0], two[1], two[3]], &[1; 3]);
        // A single choice looks at no load, and zero is one.
        assert_by_weight(&counts(1, &candidates), &[1; 4]);
        assert_by_weight(&counts(0, &candidates), &[1; 4]);
        // All of them, and more than there are.
        candidates[0].in_flight = 1;
        candidates[1].in_flight = 1;
        assert_eq!(counts(4, &candidates)[3], 20_000);
        assert_eq!(counts(255, &candidates)[3], 20_000);
    }
}
