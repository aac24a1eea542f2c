//! Job: find a short part of a failing round that still fails.
//! In: the round, its first mismatch. Out: fewer steps and their mismatch.
//! Invariant: the result was played and failed; time is bounded.

use std::time::{Duration, Instant};

use super::player::{Mismatch, Pair};
use super::round::{Round, Step};

/// Removes steps in halves, quarters and so on for at most `time`.
pub fn shrink(
    pair: &Pair,
    round: &Round,
    mismatch: Mismatch,
    time: Duration,
) -> (Vec<Step>, Mismatch) {
    let deadline = Instant::now() + time;
    let last = mismatch.step.map_or(round.steps.len(), |index| index + 1);
    let mut steps = round.steps[..last].to_vec();
    let mut mismatch = mismatch;
    match pair.play(round, &steps) {
        Err(again) => mismatch = again,
        // Not reproducible from an empty server: show all of it.
        Ok(()) => return (steps, mismatch),
    }
    let mut size = steps.len().div_ceil(2);
    loop {
        let mut start = 0;
        let mut shorter = false;
        while start < steps.len() && Instant::now() < deadline {
            let mut trial = steps.clone();
            trial.drain(start..(start + size).min(steps.len()));
            match pair.play(round, &trial) {
                Err(again) => {
                    steps = trial;
                    mismatch = again;
                    shorter = true;
                }
                Ok(()) => start += size,
            }
        }
        if Instant::now() >= deadline || size == 1 && !shorter {
            return (steps, mismatch);
        }
        if !shorter || size > steps.len() {
            size = size.div_ceil(2).max(1);
        }
    }
}
