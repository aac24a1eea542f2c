//! Job: the choices that seeded test traffic makes.
//! In: a seed, of `RINGLET_SEED` or of the clock. Out: numbers, picks, independent sequences for
//! the threads of a workload.
//! Invariant: equal seeds give equal choices on every machine.

use std::time::{SystemTime, UNIX_EPOCH};

use ringlet_base::random::Random;

/// Names the seed of a run that is to be repeated.
const SEED_VARIABLE: &str = "RINGLET_SEED";

/// The seed of this run, printed so that a failure can be repeated.
///
/// # Panics
/// When the variable holds no number.
pub fn seed() -> u64 {
    let seed = match std::env::var(SEED_VARIABLE) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{SEED_VARIABLE}={text} is no number")),
        Err(_) => SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |t| t.as_nanos() as u64),
    };
    println!("{SEED_VARIABLE}={seed}");
    seed
}

/// A source of choices that can be split for the threads of a workload.
#[derive(Clone, Debug)]
pub struct Choices {
    seed: u64,
    random: Random,
}

impl Choices {
    /// The choices that follow from `seed`.
    pub fn new(seed: u64) -> Self {
        Self { seed, random: Random::new(seed) }
    }

    /// An independent source for the part of the work that `label` numbers.
    pub fn fork(&self, label: u64) -> Self {
        Self::new(
            self.seed.rotate_left(29) ^ label.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15),
        )
    }

    /// A number in `0..bound`. `bound` must not be 0.
    pub fn below(&mut self, bound: usize) -> usize {
        assert!(bound > 0, "an empty range holds no number");
        self.random.below(bound as u64) as usize
    }

    /// True in `percent` of 100 cases.
    pub fn percent(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    /// One of `choices`, which must not be empty.
    pub fn pick<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        &choices[self.below(choices.len())]
    }

    /// Puts `items` into a random order.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for end in (1..items.len()).rev() {
            let other = self.below(end + 1);
            items.swap(end, other);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sequence(mut choices: Choices) -> Vec<usize> {
        (0..20).map(|_| choices.below(1000)).collect()
    }

    #[test]
    fn equal_seeds_agree_and_forks_differ() {
        let root = Choices::new(7);
        assert_eq!(sequence(root.clone()), sequence(Choices::new(7)));
        assert_eq!(sequence(root.fork(1)), sequence(root.fork(1)));
        assert_ne!(sequence(root.fork(0)), sequence(root.fork(1)));
        assert_ne!(sequence(root.fork(0)), sequence(root));
    }

    #[test]
    fn below_reaches_both_ends_and_stays_inside() {
        let mut choices = Choices::new(1);
        let drawn: Vec<usize> = (0..200).map(|_| choices.below(3)).collect();
        assert!((0..3).all(|wanted| drawn.contains(&wanted)));
        assert!(drawn.iter().all(|&number| number < 3));
    }

    #[test]
    fn shuffle_keeps_every_item() {
        let mut items: Vec<u32> = (0..50).collect();
        Choices::new(3).shuffle(&mut items);
        assert_ne!(items, (0..50).collect::<Vec<_>>());
        items.sort_unstable();
        assert_eq!(items, (0..50).collect::<Vec<_>>());
    }
}
