//! The best of some, and the best of all.
//!
//! Job: what p2c, least-conn and peak-ewma have in common: draw servers by weight without drawing one
//! twice, or look at all, and keep the best. In: a request, an order. Out: an index.
//! Invariant: ties never go by index: that would herd all cores onto one server.
//!
//! A draw takes constant time by Walker's alias method (Vose's construction, exact in integers):
//! with `n` servers of total weight `W`, each column holds `W`, of which `threshold` belongs to its own
//! server and the rest to one other.

use std::cmp::Ordering;

use ringlet_base::random::Random;

use super::{CHOICES_MAX, Candidate, Request};

/// Draws for each server that is wanted, before those found must do: with equal weights and the
/// smallest pool that is drawn from (3 servers, 2 choices), fewer than 1 in 6000 finds too few.
const ATTEMPTS: usize = 8;

/// One column of the alias table.
#[derive(Copy, Clone)]
struct Column {
    threshold: u64,
    own: u16,
    other: u16,
}

/// Draws servers by weight.
#[derive(Default)]
pub struct Sampler {
    /// Weights as of the last update; 0 for servers that do not serve.
    weights: Vec<u32>,
    total: u64,
    columns: Vec<Column>,
    /// Columns that hold too little and too much, while the table is built.
    poor: Vec<usize>,
    rich: Vec<usize>,
}

impl Sampler {
    /// Builds the table anew if a weight or usability changed.
    pub fn update(&mut self, candidates: &[Candidate]) {
        let weight = |one: &Candidate| if one.usable { one.weight } else { 0 };
        if self.weights.iter().copied().eq(candidates.iter().map(weight)) {
            return;
        }
        self.weights.clear();
        self.weights.extend(candidates.iter().map(weight));
        self.total = self.weights.iter().map(|&weight| u64::from(weight)).sum();
        self.columns.clear();
        let serving = self.weights.iter().filter(|&&weight| weight > 0).count() as u64;
        for (index, &weight) in (0..=u16::MAX).zip(&self.weights).filter(|(_, weight)| **weight > 0)
        {
            let threshold = u64::from(weight) * serving;
            let is_poor = threshold < self.total;
            if is_poor { &mut self.poor } else { &mut self.rich }.push(self.columns.len());
            self.columns.push(Column { threshold, own: index, other: index });
        }
        while let (Some(&rich), Some(poor)) = (self.rich.last(), self.poor.pop()) {
            self.columns[poor].other = self.columns[rich].own;
            let given = self.total - self.columns[poor].threshold;
            self.columns[rich].threshold -= given;
            if self.columns[rich].threshold < self.total {
                self.rich.pop();
                self.poor.push(rich);
            }
        }
        self.poor.clear();
        self.rich.clear();
    }

    /// A server, each as likely as its share of the weight.
    #[inline]
    fn draw(&self, random: &mut Random) -> Option<usize> {
        let column = self.columns.get(random.below(self.columns.len() as u64) as usize)?;
        let is_own = random.below(self.total) < column.threshold;
        Some(usize::from(if is_own { column.own } else { column.other }))
    }

    /// The best of `choices` different open servers, drawn by weight. Looks at all servers when they
    /// are not more than that, or when no draw finds an open one.
    pub fn best_of(
        &self,
        choices: usize,
        request: &Request<'_>,
        random: &mut Random,
        order: impl Fn(&Candidate, &Candidate) -> Ordering,
    ) -> Option<usize> {
        let choices = choices.min(CHOICES_MAX);
        let mut drawn = [0; CHOICES_MAX];
        let mut count = 0;
        let mut best = None;
        if choices == 1 || self.columns.len() > choices {
            for _ in 0..choices * ATTEMPTS {
                let Some(index) = self.draw(random) else { break };
                if !request.is_open(index) || drawn[..count].contains(&index) {
                    continue;
                }
                // Of equal ones the first stays: which that is, was drawn.
                let one = &request.candidates[index];
                if best.is_none_or(|best: usize| order(one, &request.candidates[best]).is_lt()) {
                    best = Some(index);
                }
                drawn[count] = index;
                count += 1;
                if count == choices {
                    break;
                }
            }
        }
        best.or_else(|| best_of_all(request, random, order))
    }
}

/// The best of all open servers; equal ones are drawn by weight.
pub fn best_of_all(
    request: &Request<'_>,
    random: &mut Random,
    order: impl Fn(&Candidate, &Candidate) -> Ordering,
) -> Option<usize> {
    let mut best: Option<(usize, &Candidate)> = None;
    let mut tied = 0;
    for (index, one) in request.candidates.iter().enumerate() {
        if !request.is_open(index) {
            continue;
        }
        let weight = u64::from(one.weight);
        match best.map_or(Ordering::Less, |(_, best)| order(one, best)) {
            Ordering::Less => {
                best = Some((index, one));
                tied = weight;
            }
            Ordering::Equal => {
                tied += weight;
                if random.below(tied) < weight {
                    best = Some((index, one));
                }
            }
            Ordering::Greater => {}
        }
    }
    best.map(|(index, _)| index)
}

/// Compares `a / weight of one` with `b / weight of other` without dividing.
#[inline]
pub fn by_weight(a: u64, one: &Candidate, b: u64, other: &Candidate) -> Ordering {
    (u128::from(a) * u128::from(other.weight)).cmp(&(u128::from(b) * u128::from(one.weight)))
}

/// The order by what this core gave them lately, for servers of equal load.
#[inline]
pub fn by_recent(one: &Candidate, other: &Candidate) -> Ordering {
    by_weight(u64::from(one.recent), one, u64::from(other.recent), other)
}

#[cfg(test)]
mod tests {
    use super::super::test_support::{assert_by_weight, candidates, random, request};
    use super::*;

    fn sampler(weights: &[u16]) -> (Sampler, Vec<Candidate>) {
        let candidates = candidates(weights);
        let mut sampler = Sampler::default();
        sampler.update(&candidates);
        (sampler, candidates)
    }

    #[test]
    fn draws_go_by_weight() {
        let mut random = random();
        for weights in [&[1u16][..], &[1, 1, 1], &[5, 1, 1, 0, 9], &[256, 1, 255, 3], &[0, 7]] {
            let (sampler, _) = sampler(weights);
            let mut counts = vec![0; weights.len()];
            for _ in 0..100_000 {
                counts[sampler.draw(&mut random).unwrap()] += 1;
            }
            assert_by_weight(&counts, weights);
        }
    }

    #[test]
    fn the_table_is_exact() {
        let mut random = random();
        for _ in 0..200 {
            let weights: Vec<u16> =
                (0..random.below(40)).map(|_| random.below(257) as u16).collect();
            let (sampler, candidates) = sampler(&weights);
            let mut shares = vec![0; weights.len()];
            for column in &sampler.columns {
                let own = column.threshold.min(sampler.total);
                shares[usize::from(column.own)] += own;
                shares[usize::from(column.other)] += sampler.total - own;
            }
            for (share, one) in shares.iter().zip(&candidates) {
                assert_eq!(*share, u64::from(one.weight) * sampler.columns.len() as u64);
            }
        }
    }

    #[test]
    fn draws_are_of_different_servers() {
        // The worst of the three is only kept if it was drawn twice, or alone: 1 in 3^8 or so.
        let (sampler, mut candidates) = sampler(&[1, 1, 1]);
        candidates[2].in_flight = 1;
        let mut random = random();
        let mut order = |_| {
            sampler.best_of(2, &request(&candidates, 0), &mut random, |one, other| {
                one.in_flight.cmp(&other.in_flight)
            })
        };
        let worst = (0..30_000).map(&mut order).filter(|&index| index == Some(2)).count();
        assert!(worst < 25, "{worst} of 30000");
    }

    #[test]
    fn equal_ones_are_drawn_by_weight() {
        let weights = [1, 3, 4];
        let (sampler, candidates) = sampler(&weights);
        let mut random = random();
        let (mut among_all, mut of_one) = ([0; 3], [0; 3]);
        for _ in 0..30_000 {
            let equal = |_: &Candidate, _: &Candidate| Ordering::Equal;
            let index = best_of_all(&request(&candidates, 0), &mut random, equal);
            among_all[index.unwrap()] += 1;
            let index = sampler.best_of(1, &request(&candidates, 0), &mut random, equal);
            of_one[index.unwrap()] += 1;
        }
        assert_by_weight(&among_all, &weights);
        assert_by_weight(&of_one, &weights);
    }
}
