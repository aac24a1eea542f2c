//! `first`: the first server that has room.
//!
//! Job: fill servers one after the other up to their `requests_max`, so that the last ones may be
//! switched off while there is little to do. Weights play no part, but that of 0. Time grows with the
//! servers that are full.
//!
//! Source: HAProxy's `balance first`.

use ringlet_base::random::Random;

use super::{Balancer, Blueprint, Candidate, Request};

struct First;

pub fn make(_blueprint: &Blueprint, _core: usize, _cores: usize) -> Box<dyn Balancer> {
    Box::new(First)
}

impl Balancer for First {
    fn choose(&mut self, request: &Request<'_>, _random: &mut Random) -> Option<usize> {
        (0..request.candidates.len()).find(|&index| request.is_open(index))
    }

    fn update(&mut self, _candidates: &[Candidate]) {}
}
