//! `maglev`, `ketama`, `source`, `uri`: always the same server for a key.
//!
//! Job: a key's home stands in a table of all servers and their configured weights; while its home
//! cannot take it, the key goes to a refuge. In: a hash. Out: an index.
//! Invariant: neither health nor load moves a key whose home can take it, and the same key has the same
//! refuge on every core.
//!
//! The table knows nothing of health: it is built once for each configuration, shared by all cores, and
//! the keys of a server that is down find their way home when it is back. The refuge is chosen by
//! weighted rendezvous, the greatest `-weight / ln(u)` with `u` in 0..1 hashed of key and server: so the
//! keys of one server spread over all others by weight, in place of all falling onto its neighbour. A
//! server that starts slowly keeps that share of its keys which its weight has grown to, always the
//! same ones.
//!
//! Bounded loads (`load_factor_percent`): a server may have
//! `ceil((requests in flight + 1) * factor / 100 * its share of the weight)` requests, at least 1; above
//! that its keys take refuge with one that is below. As the factor is at least 100, one always is; if
//! that one is full or was tried, the bound is dropped rather than the request.
//!
//! Constant time at home without bounded loads, else time grows with the servers.
//!
//! Sources: Thaler, Ravishankar 1998 (rendezvous); Mirrokni, Thorup, Zadimoghaddam, arXiv 1608.01350
//! (bounded loads, HAProxy's `hash-balance-factor`); Chen, Coleman, Shrivastava, arXiv 1908.08762 (why
//! the refuge should be random and not the next server).

use std::sync::Arc;

use ringlet_base::random::Random;

use super::key::{identity, mix};
use super::{Balancer, Blueprint, Candidate, Request, full_weight};
use crate::model::Server;

/// Where keys are at home.
pub enum Homes {
    /// By the hash modulo the length. Empty when no server has weight.
    Slots(Vec<u16>),
    /// By the first point not below the low 32 bits of the hash, in the order of the points.
    Ring(Vec<(u32, u16)>),
}

/// What all cores share.
pub struct Table {
    homes: Homes,
    servers: Vec<Place>,
}

/// What the table knows of a server.
struct Place {
    identity: u64,
    /// The weight with which the table was built.
    weight: u32,
}

impl Table {
    pub fn new(servers: &[Server], homes: Homes) -> Self {
        let place = |server: &Server| Place {
            identity: identity(&server.name, 0),
            weight: full_weight(server),
        };
        Self { homes, servers: servers.iter().map(place).collect() }
    }

    /// The server at which a key is at home.
    pub fn home(&self, hash: u64) -> Option<usize> {
        match &self.homes {
            Homes::Slots(slots) => {
                let slot = hash.checked_rem(slots.len() as u64)?;
                slots.get(slot as usize).map(|&index| usize::from(index))
            }
            Homes::Ring(points) => {
                let next = points.partition_point(|&(point, _)| point < hash as u32);
                points.get(next).or(points.first()).map(|&(_, index)| usize::from(index))
            }
        }
    }
}

struct Hashed {
    table: Arc<Table>,
    load_factor_percent: u16,
}

pub fn make(blueprint: &Blueprint, _core: usize, _cores: usize) -> Box<dyn Balancer> {
    let empty = || Arc::new(Table { homes: Homes::Slots(Vec::new()), servers: Vec::new() });
    Box::new(Hashed {
        table: blueprint.table.clone().unwrap_or_else(empty),
        // Below 100 the servers together could not take what is there.
        load_factor_percent: match blueprint.balance.load_factor_percent {
            0 => 0,
            percent => percent.max(100),
        },
    })
}

/// What each server may have in flight.
struct Bound {
    allowed: u128,
    weight: u128,
}

impl Bound {
    fn new(candidates: &[Candidate], load_factor_percent: u16) -> Self {
        let (mut load, mut weight) = (0, 0);
        for one in candidates.iter().filter(|one| one.serves()) {
            load += one.load();
            weight += u64::from(one.weight);
        }
        Self {
            allowed: u128::from(load + 1) * u128::from(load_factor_percent),
            weight: u128::from(weight) * 100,
        }
    }

    /// `load < ceil(allowed * share)` is the same as `load < allowed * share`, as `load` is whole; and
    /// an idle server always is below.
    fn admits(&self, one: &Candidate) -> bool {
        u128::from(one.load()) * self.weight < self.allowed * u128::from(one.weight)
    }
}

impl Hashed {
    /// Whether the key is among those that a server of less than its full weight takes.
    fn keeps(&self, index: usize, hash: u64, weight: u32) -> bool {
        let Some(place) = self.table.servers.get(index) else { return false };
        let position = u128::from(mix(hash, !place.identity)) * u128::from(place.weight);
        (position >> 64) < u128::from(weight)
    }

    /// The best server by rendezvous among those of `admits`.
    fn refuge(
        &self,
        request: &Request<'_>,
        admits: impl Fn(usize, &Candidate) -> bool,
    ) -> Option<usize> {
        let mut best = None;
        let mut best_score = 0.0;
        for (index, (one, place)) in request.candidates.iter().zip(&self.table.servers).enumerate()
        {
            if !request.is_open(index) || !admits(index, one) {
                continue;
            }
            let bits = mix(request.hash, place.identity) >> 11;
            let fraction = (bits as f64 + 0.5) / (1u64 << 53) as f64;
            let score = -f64::from(one.weight) / fraction.ln();
            if best.is_none() || score > best_score {
                (best, best_score) = (Some(index), score);
            }
        }
        best
    }
}

impl Balancer for Hashed {
    fn choose(&mut self, request: &Request<'_>, _random: &mut Random) -> Option<usize> {
        let bound = (self.load_factor_percent > 0)
            .then(|| Bound::new(request.candidates, self.load_factor_percent));
        let admits = |one: &Candidate| bound.as_ref().is_none_or(|bound| bound.admits(one));
        let home = self.table.home(request.hash).filter(|&home| request.is_open(home));
        if let Some(home) = home {
            let one = &request.candidates[home];
            if admits(one) && self.keeps(home, request.hash, one.weight) {
                return Some(home);
            }
        }
        // One that sends a key away does not compete for it.
        self.refuge(request, |index, one| Some(index) != home && admits(one))
            .or_else(|| self.refuge(request, |index, _| Some(index) != home))
            .or(home)
    }

    fn update(&mut self, _candidates: &[Candidate]) {}
}

#[cfg(test)]
mod tests {
    use super::super::test_support::{
        assert_by_weight, balancer, candidates, pool, pool_of, random, request, server,
    };
    use super::*;
    use crate::model::Pool;

    const KEYS: usize = 40_000;

    fn keys() -> Vec<u64> {
        let mut random = random();
        (0..KEYS).map(|_| random.next_u64()).collect()
    }

    /// Where each key goes.
    fn places(pool: &Pool, candidates: &[Candidate], keys: &[u64]) -> Vec<usize> {
        let mut balancer = balancer(pool, candidates);
        let mut random = Random::new(0);
        let mut pick = |&key| balancer.pick(&request(candidates, key), &mut random);
        keys.iter().filter_map(&mut pick).collect()
    }

    fn counts(places: impl Iterator<Item = usize>, servers: usize) -> Vec<u32> {
        let mut counts = vec![0; servers];
        places.for_each(|place| counts[place] += 1);
        counts
    }

    #[test]
    fn keys_are_spread_by_weight_and_stay() {
        let weights = [1, 2, 5, 1];
        let keys = keys();
        let (pool, mut candidates) = (pool("maglev", &weights), candidates(&weights));
        let before = places(&pool, &candidates, &keys);
        assert_by_weight(&counts(before.iter().copied(), 4), &weights);
        // Load moves nothing while nothing is bounded.
        candidates[2].in_flight = 1_000;
        assert_eq!(places(&pool, &candidates, &keys), before);
    }

    #[test]
    fn keys_of_one_that_is_down_spread_by_weight_and_come_back() {
        for algorithm in ["maglev", "ketama"] {
            let weights = [1, 2, 3, 2];
            let keys = keys();
            let (pool, mut candidates) = (pool(algorithm, &weights), candidates(&weights));
            let before = places(&pool, &candidates, &keys);
            candidates[2].usable = false;
            let without = places(&pool, &candidates, &keys);
            let moved = before.iter().zip(&without).filter(|(one, other)| one != other);
            let moved: Vec<_> = moved.map(|(&one, &other)| (one, other)).collect();
            assert!(moved.iter().all(|&(from, _)| from == 2), "{algorithm}: others have moved");
            assert_by_weight(&counts(moved.iter().map(|&(_, to)| to), 4), &[1, 2, 0, 2]);
            // Another one down moves only its own keys, those in refuge with it too.
            candidates[0].is_full = true;
            let with_two = places(&pool, &candidates, &keys);
            let strays = without.iter().zip(&with_two).filter(|(one, other)| one != other);
            assert!(strays.clone().count() > 0 && strays.clone().all(|(&from, _)| from == 0));
            (candidates[0].is_full, candidates[2].usable) = (false, true);
            assert_eq!(places(&pool, &candidates, &keys), before);
        }
    }

    #[test]
    fn one_that_joins_takes_its_share_and_moves_little_else() {
        // The share of the others' keys that may move among them, in percent: none on a ring.
        for (algorithm, among_others_max) in [("maglev", 5), ("ketama", 0)] {
            let servers: Vec<Server> = (0..10).map(|number| server(number, 1)).collect();
            let keys = keys();
            let before =
                places(&pool_of(algorithm, servers[..9].to_vec()), &candidates(&[1; 9]), &keys);
            let after = places(&pool_of(algorithm, servers), &candidates(&[1; 10]), &keys);
            let taken = after.iter().filter(|&&place| place == 9).count();
            let pairs = before.iter().zip(&after);
            let others = pairs.filter(|(one, other)| one != other && **other != 9).count();
            // A ring of 160 points is uneven by some 8%; 6% to 14% is 5 times that.
            assert!((KEYS * 6 / 100..KEYS * 14 / 100).contains(&taken), "{algorithm}: {taken}");
            assert!(others <= KEYS * among_others_max / 100, "{algorithm}: {others} of {KEYS}");
        }
    }

    #[test]
    fn one_that_starts_slowly_takes_its_keys_back_little_by_little() {
        let weights = [2, 2, 2, 2];
        let keys = keys();
        let (pool, mut candidates) = (pool("source", &weights), candidates(&weights));
        let at_home = places(&pool, &candidates, &keys);
        let mut before: Vec<bool> = vec![false; KEYS];
        for weight in [1, 32, 128, 400, 512] {
            candidates[1].weight = weight;
            let places = places(&pool, &candidates, &keys);
            let here: Vec<bool> = places.iter().map(|&place| place == 1).collect();
            let pairs = || before.iter().zip(&here);
            assert!(pairs().all(|(&before, &here)| here || !before), "it lost one");
            let strangers = here.iter().zip(&at_home).filter(|&(&here, &home)| here && home != 1);
            assert_eq!(strangers.count(), 0, "only its own come back");
            let count = here.iter().filter(|&&here| here).count();
            let expected = f64::from(weight) / 512.0 * KEYS as f64 / 4.0;
            let off = (count as f64 - expected).abs();
            assert!(
                off < 5.0 * KEYS as f64 / 4.0 / (KEYS as f64 / 4.0).sqrt(),
                "{count} at {weight}"
            );
            before = here;
        }
        assert_eq!(places(&pool, &candidates, &keys), at_home);
    }

    #[test]
    fn bounded_loads_stay_bounded_under_one_hot_key() {
        let weights = [1, 1, 2];
        for percent in [1, 100, 125, 200] {
            let mut pool = pool("maglev", &weights);
            pool.balance.load_factor_percent = percent;
            let mut candidates = candidates(&weights);
            let mut balancer = balancer(&pool, &candidates);
            let mut random = Random::new(0);
            let home = balancer.pick(&request(&candidates, 77), &mut random);
            for picked in 0..400u32 {
                let index = balancer.pick(&request(&candidates, 77), &mut random).unwrap();
                candidates[index].in_flight += 1;
                for (one, weight) in candidates.iter().zip(weights) {
                    let share = u32::from(percent.max(100)) * u32::from(weight);
                    let bound = ((picked + 1) * share).div_ceil(400).max(1);
                    assert!(one.in_flight <= bound, "{percent}%: {candidates:?}");
                }
            }
            // It is not spread more than it must.
            let at_home = candidates[home.unwrap()].in_flight;
            let expected =
                100 * u32::from(percent.max(100)) * u32::from(weights[home.unwrap()]) / 100;
            assert!(at_home.abs_diff(expected) <= 2, "{percent}%: {candidates:?}, home {home:?}");
            // A bound never refuses what somebody has room for.
            let most = (0..3).max_by_key(|&index| candidates[index].in_flight).unwrap();
            for (index, one) in candidates.iter_mut().enumerate() {
                one.is_full = index != most;
                one.foreign = if index == most { 1_000 } else { 0 };
            }
            assert_eq!(balancer.pick(&request(&candidates, 77), &mut random), Some(most));
        }
    }
}
