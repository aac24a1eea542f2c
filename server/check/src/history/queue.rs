//! Job: check queues: lists that are pushed at one end and popped, also with waiting, at the other.
//! In: what was pushed in which order, what each pop got and when. Out: an element that was lost,
//! doubled or out of order, or a waiter that was passed over.
//! Invariant: the order of the pushes to one key is known (one producer for each key).

use std::collections::HashMap;

use super::{NEVER_NS, Violation};

/// An element that a consumer got.
#[derive(Clone, Debug)]
pub struct Pop {
    /// The key it came from, as an index.
    pub key: usize,
    /// The element.
    pub element: u64,
    /// When the pop began to be sent.
    pub invoked_ns: u64,
    /// When its reply had been read.
    pub completed_ns: u64,
}

/// Each pushed element was popped once or still lies in its list, and no pop overtook an earlier
/// element. `pushed[key]` and `left[key]` list elements from the head on.
///
/// # Errors
/// The first element with another fate.
pub fn check_elements(
    pushed: &[Vec<u64>],
    pops: &[Pop],
    left: &[Vec<u64>],
) -> Result<(), Violation> {
    assert_eq!(pushed.len(), left.len(), "both list all keys");
    let mut fates: HashMap<(usize, u64), Vec<(u64, u64)>> = HashMap::new();
    for pop in pops {
        let times = (pop.invoked_ns, pop.completed_ns);
        fates.entry((pop.key, pop.element)).or_default().push(times);
    }
    for (key, elements) in left.iter().enumerate() {
        for &element in elements {
            fates.entry((key, element)).or_default().push((NEVER_NS, NEVER_NS));
        }
    }
    for (key, elements) in pushed.iter().enumerate() {
        check_key(key, elements, &mut fates)?;
    }
    match fates.keys().next() {
        None => Ok(()),
        Some((key, element)) => Err(Violation::new(
            "an element was got that nobody pushed there",
            format!("{element} from key {key}"),
        )),
    }
}

/// Checks the elements of one key, and takes them out of `fates`.
fn check_key(
    key: usize,
    elements: &[u64],
    fates: &mut HashMap<(usize, u64), Vec<(u64, u64)>>,
) -> Result<(), Violation> {
    let mut first_later: Option<(u64, u64)> = None;
    for &element in elements.iter().rev() {
        let fate = fates.remove(&(key, element)).unwrap_or_default();
        let &[(invoked_ns, completed_ns)] = fate.as_slice() else {
            let rule =
                if fate.is_empty() { "an element was lost" } else { "an element was doubled" };
            return Err(Violation::new(rule, format!("{element} of key {key}: {fate:?}")));
        };
        if let Some((earlier_ns, later)) = first_later
            && earlier_ns < invoked_ns
        {
            return Err(Violation::new(
                "an element was got before one that stood ahead of it",
                format!("{later} before {element} of key {key}"),
            ));
        }
        if first_later.is_none_or(|(earlier_ns, _)| completed_ns < earlier_ns) {
            first_later = Some((completed_ns, element));
        }
    }
    Ok(())
}

/// Clients that blocked one after the other on one key are served in that order: `got[i]` is what
/// the i-th waiter got, `pushed` the elements in their order.
///
/// # Errors
/// The first waiter that got something else.
pub fn check_served_in_order(pushed: &[String], got: &[Option<String>]) -> Result<(), Violation> {
    for (waiter, element) in got.iter().enumerate() {
        if element.as_ref() != pushed.get(waiter) {
            return Err(Violation::new(
                "waiters were not served in the order in which they blocked",
                format!("waiter {waiter} got {element:?} of {pushed:?}; all got {got:?}"),
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pop(element: u64, invoked_ns: u64, completed_ns: u64) -> Pop {
        Pop { key: 0, element, invoked_ns, completed_ns }
    }

    fn rule(pops: &[Pop], left: &[u64]) -> Option<&'static str> {
        check_elements(&[vec![1, 2, 3]], pops, &[left.to_vec()]).err().map(|found| found.rule)
    }

    #[test]
    fn overlapping_pops_pass_in_any_order() {
        assert_eq!(rule(&[pop(2, 0, 10), pop(1, 5, 12)], &[3]), None);
        assert_eq!(rule(&[pop(1, 0, 1), pop(2, 2, 3), pop(3, 4, 5)], &[]), None);
    }

    #[test]
    fn lost_doubled_and_foreign_elements_are_found() {
        assert_eq!(rule(&[pop(1, 0, 1)], &[3]), Some("an element was lost"));
        let twice = [pop(1, 0, 1), pop(1, 0, 1), pop(2, 2, 3)];
        assert_eq!(rule(&twice, &[3]), Some("an element was doubled"));
        assert_eq!(rule(&[pop(1, 0, 1)], &[1, 2, 3]), Some("an element was doubled"));
        let foreign = rule(&[pop(9, 0, 1)], &[1, 2, 3]);
        assert_eq!(foreign, Some("an element was got that nobody pushed there"));
    }

    #[test]
    fn overtaking_is_found() {
        let overtaken = Some("an element was got before one that stood ahead of it");
        assert_eq!(rule(&[pop(2, 0, 10), pop(1, 11, 20)], &[3]), overtaken);
        assert_eq!(rule(&[pop(2, 0, 10)], &[1, 3]), overtaken);
    }

    #[test]
    fn a_waiter_that_is_passed_over_is_found() {
        let texts =
            |items: &[&str]| -> Vec<String> { items.iter().map(|&t| t.to_owned()).collect() };
        let some = |items: &[&str]| -> Vec<Option<String>> {
            items.iter().map(|&t| Some(t.to_owned())).collect()
        };
        assert_eq!(check_served_in_order(&texts(&["1", "2"]), &some(&["1", "2"])), Ok(()));
        assert!(check_served_in_order(&texts(&["1", "2"]), &some(&["2", "1"])).is_err());
        assert!(check_served_in_order(&texts(&["1"]), &[None]).is_err());
    }
}
