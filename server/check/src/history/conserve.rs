//! Job: check snapshots of data that every transaction leaves whole.
//! In: what one snapshot saw of accounts or of tokens. Out: what is too much or missing.
//! Invariant: each snapshot is judged alone, so this works at any length of history.

use std::collections::{BTreeMap, BTreeSet};

use super::Violation;

/// Transfers between accounts keep their sum: `balances` must add up to `total`.
///
/// # Errors
/// A snapshot with another sum.
pub fn check_total(total: i64, balances: &[i64]) -> Result<(), Violation> {
    let sum: i64 = balances.iter().sum();
    if sum == total {
        return Ok(());
    }
    let evidence = format!("{balances:?} add up to {sum}, not to {total}");
    Err(Violation::new("a snapshot saw a transfer half done", evidence))
}

/// Moves keep tokens: each of `expected` must lie in exactly one of `places`.
///
/// # Errors
/// A token that is missing, doubled, or foreign.
pub fn check_tokens(expected: &BTreeSet<String>, places: &[Vec<String>]) -> Result<(), Violation> {
    let mut found: BTreeMap<&str, usize> = BTreeMap::new();
    for token in places.iter().flatten() {
        *found.entry(token).or_default() += 1;
    }
    let missing = expected.iter().filter(|token| !found.contains_key(token.as_str()));
    let missing: Vec<&String> = missing.collect();
    let doubled: Vec<&&str> =
        found.iter().filter(|&(_, &n)| n > 1).map(|(token, _)| token).collect();
    let foreign: Vec<&&str> = found.keys().filter(|&&token| !expected.contains(token)).collect();
    if missing.is_empty() && doubled.is_empty() && foreign.is_empty() {
        return Ok(());
    }
    Err(Violation::new(
        "a snapshot saw a move half done",
        format!("missing {missing:?}, doubled {doubled:?}, foreign {foreign:?} in {places:?}"),
    ))
}

/// Keys that are only ever written together must read alike.
///
/// # Errors
/// A snapshot with two different values.
pub fn check_alike<T: PartialEq + std::fmt::Debug>(values: &[T]) -> Result<(), Violation> {
    if values.windows(2).all(|pair| pair[0] == pair[1]) {
        return Ok(());
    }
    Err(Violation::new("a snapshot saw a write of many keys half done", format!("{values:?}")))
}

/// Keys that only ever come and go together: every count of them is `all` or 0, and the counts of
/// one snapshot agree.
///
/// # Errors
/// A snapshot that saw some of them, or that contradicts itself.
pub fn check_all_or_none(all: usize, counts: &[i64]) -> Result<(), Violation> {
    let whole = counts.iter().all(|&count| count == 0 || count == all as i64);
    if whole && counts.windows(2).all(|pair| pair[0] == pair[1]) {
        return Ok(());
    }
    let evidence = format!("{counts:?} of {all} keys");
    Err(Violation::new("a snapshot saw a whole database half changed", evidence))
}

/// Optimistic increments under WATCH: the successful ones stored the values 1 to `last`, each once.
///
/// # Errors
/// A value stored twice (an update was lost), or one that nobody stored.
pub fn check_increments(stored: &[i64], last: i64) -> Result<(), Violation> {
    let mut sorted = stored.to_vec();
    sorted.sort_unstable();
    if let Some(pair) = sorted.windows(2).find(|pair| pair[0] == pair[1]) {
        let evidence = format!("two transactions saw {} and both stored {}", pair[0] - 1, pair[0]);
        return Err(Violation::new("an update under WATCH was lost", evidence));
    }
    if sorted.len() as i64 != last || sorted.last().is_some_and(|&highest| highest != last) {
        let evidence = format!("{} transactions succeeded, the counter is {last}", sorted.len());
        return Err(Violation::new("the counter is not the number of its increments", evidence));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_half_done_transfer_is_found() {
        assert_eq!(check_total(10, &[4, 6]), Ok(()));
        assert!(check_total(10, &[3, 6]).is_err());
    }

    #[test]
    fn missing_doubled_and_foreign_tokens_are_found() {
        let expected: BTreeSet<String> = ["x", "y"].map(String::from).into();
        let places = |lists: &[&[&str]]| -> Vec<Vec<String>> {
            lists.iter().map(|l| l.iter().map(|&t| t.to_owned()).collect()).collect()
        };
        assert_eq!(check_tokens(&expected, &places(&[&["x"], &["y"]])), Ok(()));
        for wrong in [&[&["x"][..], &[]][..], &[&["x", "y"], &["y"]], &[&["x", "y", "z"]]] {
            assert!(check_tokens(&expected, &places(wrong)).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn different_values_are_found() {
        assert_eq!(check_alike(&[1, 1, 1]), Ok(()));
        assert!(check_alike(&[1, 1, 2]).is_err());
    }

    #[test]
    fn a_part_of_a_whole_is_found() {
        assert_eq!(check_all_or_none(3, &[3, 3]), Ok(()));
        assert_eq!(check_all_or_none(3, &[0, 0]), Ok(()));
        for wrong in [&[2][..], &[4], &[0, 3]] {
            assert!(check_all_or_none(3, wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn lost_and_uncounted_increments_are_found() {
        assert_eq!(check_increments(&[2, 1, 3], 3), Ok(()));
        assert!(check_increments(&[1, 2, 2], 2).is_err());
        assert!(check_increments(&[1, 2], 3).is_err());
        assert!(check_increments(&[1, 2, 3], 2).is_err());
    }
}
