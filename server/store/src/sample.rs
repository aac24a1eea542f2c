//! Choosing and measuring a part of a collection for the whole.
//!
//! In: iterators. Out: chosen elements, extrapolated sums.
//! Invariant: every subset of the wanted size is equally likely.

use ringlet_base::random::Random;
use std::collections::BTreeSet;

/// An index below `len`, each equally likely; 0 when `len` is 0.
#[inline]
pub(crate) fn index_below(random: &mut Random, len: usize) -> usize {
    random.below(len as u64) as usize
}

/// `count` different indices below `len`, at most all of them. In O(count log count).
pub(crate) fn distinct_below(random: &mut Random, len: usize, count: usize) -> BTreeSet<usize> {
    // Floyd's method: each round adds exactly one new index, with no rejected draws.
    let mut chosen = BTreeSet::new();
    for limit in len.saturating_sub(count)..len {
        let candidate = index_below(random, limit + 1);
        if !chosen.insert(candidate) {
            chosen.insert(limit);
        }
    }
    chosen
}

/// Visits `count` of the `len` elements (all when there are no more), in their order.
pub(crate) fn visit_chosen<T>(
    elements: impl Iterator<Item = T>,
    len: usize,
    count: usize,
    random: &mut Random,
    mut visit: impl FnMut(T),
) {
    if count >= len {
        return elements.for_each(visit);
    }
    let mut needed = count;
    for (seen, element) in elements.enumerate() {
        if needed == 0 {
            return;
        }
        if index_below(random, len - seen) < needed {
            needed -= 1;
            visit(element);
        }
    }
}

/// The sum over `len` elements, from the sizes of some of them.
pub(crate) fn extrapolate(sizes: impl Iterator<Item = usize>, len: usize) -> usize {
    let (count, sum) = sizes.fold((0, 0), |(count, sum), size| (count + 1, sum + size));
    if count == 0 { 0 } else { (sum as f64 / count as f64 * len as f64) as usize }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_evenness(choose: impl Fn(&mut Random, usize, usize) -> Vec<usize>) {
        let mut random = Random::new(2);
        for (len, count) in [(10, 3), (10, 0), (10, 9), (10, 10), (10, 20), (100, 5), (0, 3)] {
            let mut hits = vec![0_usize; len];
            for _ in 0..10_000 {
                let chosen = choose(&mut random, len, count);
                assert_eq!(chosen.len(), count.min(len));
                assert!(chosen.is_sorted_by(|a, b| a < b), "ascending, so distinct");
                chosen.iter().for_each(|index| hits[*index] += 1);
            }
            let expected = (10_000 * count.min(len)).checked_div(len).unwrap_or(0) as f64;
            for count in hits {
                assert!((count as f64 - expected).abs() <= 5.0 * expected.sqrt() + 1.0);
            }
        }
    }

    #[test]
    fn distinct_choices_are_distinct_and_every_one_is_as_likely() {
        check_evenness(|random, len, count| {
            distinct_below(random, len, count).into_iter().collect()
        });
        check_evenness(|random, len, count| {
            let mut chosen = Vec::new();
            visit_chosen(0..len, len, count, random, |index| chosen.push(index));
            chosen
        });
    }
}
