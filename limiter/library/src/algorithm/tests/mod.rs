//! What each algorithm promises: exact vectors, and the contract of all of them at random.

mod bounds;
mod calendar;
mod contract;
mod oracle;
mod vectors;

use super::{ALGORITHMS, Algorithm, Cell, Memory, Outcome, State, algorithm_by_name};
use crate::model::Limit;
use crate::time::Now;

/// One key under one limit, with all that a call needs.
#[derive(Clone)]
struct Key {
    limit: Limit,
    state: State,
    memory: Memory,
    now: Now,
}

impl Key {
    fn new(algorithm: &'static Algorithm, count: u64, period_ns: u64, burst: u64) -> Self {
        let limit = Limit { algorithm, count, period_ns, burst, calendar: None };
        Self::of(limit, Now::default())
    }

    fn named(name: &str, count: u64, period_ns: u64, burst: u64) -> Self {
        Self::new(algorithm_by_name(name).unwrap(), count, period_ns, burst)
    }

    fn of(limit: Limit, now: Now) -> Self {
        Self { limit, state: State::default(), memory: Memory::default(), now }
    }

    fn parts(&mut self) -> (&'static Algorithm, Cell<'_>) {
        let Self { limit, state, memory, now } = self;
        (limit.algorithm, Cell { limit, state, memory, now: *now })
    }

    fn take(&mut self, cost: u64) -> Outcome {
        let (algorithm, cell) = self.parts();
        (algorithm.take)(cell, cost)
    }

    fn force(&mut self, amount: u64) {
        let (algorithm, cell) = self.parts();
        (algorithm.force)(cell, amount);
    }

    fn give_back(&mut self, amount: u64) {
        let (algorithm, cell) = self.parts();
        (algorithm.give_back)(cell, amount);
    }

    fn lend(&mut self, wanted: u64) -> u64 {
        let (algorithm, cell) = self.parts();
        (algorithm.lend)(cell, wanted)
    }

    fn settle(&mut self, spent: u64, returned: u64) {
        let (algorithm, cell) = self.parts();
        (algorithm.settle)(cell, spent, returned);
    }

    fn forgettable_after_ns(&mut self) -> u64 {
        let (algorithm, cell) = self.parts();
        (algorithm.forgettable_after_ns)(cell)
    }

    fn wait(&mut self, ns: u64) {
        self.now = self.now.after_ns(ns);
    }
}
