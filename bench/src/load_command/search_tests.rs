//! Searches against servers that are formulas.

use super::*;

const BOUND: Bound = Bound { p99_us: 5000.0, start_rate: 1000.0, rate_max: None };

fn trial(rate: f64, p99_us: f64) -> Trial<()> {
    let requests = (rate * 10.0) as u64;
    Trial { requests, rate, p99_us, errors: 0, is_late: false, broke_off: None, detail: () }
}

/// One server with exponential times: the 99th percentile of the time in the system is that of an
/// exponential with what capacity is left. Beyond the capacity the queue grows without end.
fn queue(capacity: f64, rate: f64) -> Trial<()> {
    if rate < capacity {
        trial(rate, 100_f64.ln() / (capacity - rate) * 1e6)
    } else {
        Trial { rate: capacity, p99_us: 5e6, ..trial(rate, 0.0) }
    }
}

/// The best rate, how often the closure was asked, and the lines.
fn search(
    bound: &Bound,
    mut attempt: impl FnMut(f64) -> Result<Trial<()>, String>,
) -> (Found<()>, Vec<f64>, Vec<String>) {
    let (mut rates, mut lines) = (Vec::new(), Vec::new());
    let attempt = |rate| {
        rates.push(rate);
        attempt(rate)
    };
    let found = highest_rate(bound, attempt, |line| lines.push(line.to_owned()));
    (found, rates, lines)
}

fn best_rate(found: &Found<()>) -> f64 {
    found.best.as_ref().expect("a rate that held").0
}

#[test]
fn the_knee_of_a_queue_is_found_to_three_percent() {
    for capacity in [2.0e3, 1.1e4, 7.7e4, 1.0e6] {
        let knee = capacity - 100_f64.ln() / (BOUND.p99_us / 1e6);
        let (found, rates, lines) = search(&BOUND, |rate| Ok(queue(capacity, rate)));
        let best = best_rate(&found);
        assert!(best <= knee && best * 1.03 >= knee, "{capacity}: {best} of {knee}");
        assert!(rates.len() < 25, "{capacity}: {} trials", rates.len());
        assert_eq!(found.stopped, None);
        assert_eq!(lines.len(), rates.len(), "each trial is said");
    }
}

#[test]
fn a_knee_below_the_start_is_found() {
    let (found, ..) = search(&BOUND, |rate| Ok(trial(rate, if rate > 70.0 { 1e6 } else { 10.0 })));
    let best = best_rate(&found);
    assert!((67.0..=70.0).contains(&best), "{best}");
}

#[test]
fn a_server_that_breaks_is_below_its_breaking_point() {
    for errors in [0, 3] {
        let (found, _, lines) = search(&BOUND, |rate| {
            let broke_off = (errors == 0 && rate > 30_000.0).then(|| "reset by peer".to_owned());
            let errors = if rate > 30_000.0 { errors } else { 0 };
            Ok(Trial { errors, broke_off, ..trial(rate, 100.0) })
        });
        let best = best_rate(&found);
        assert!(best <= 30_000.0 && best * 1.03 >= 30_000.0, "{best}");
        let text = if errors == 0 { "fails: reset by peer" } else { "fails: 3 errors" };
        assert!(lines.iter().any(|line| line.contains(text)), "{lines:?}");
    }
}

#[test]
fn a_server_that_never_holds_ends_the_search() {
    let (found, rates, _) = search(&BOUND, |rate| Ok(trial(rate, 1e6)));
    assert!(found.best.is_none());
    assert_eq!(found.stopped, None);
    assert_eq!(rates.last(), Some(&1.0));
    assert!(rates.len() < 15, "{rates:?}");
}

#[test]
fn a_server_without_limits_ends_the_search_too() {
    let (found, rates, _) = search(&BOUND, |rate| Ok(trial(rate, 1.0)));
    assert_eq!(rates.len(), TRIALS_MAX);
    assert!(found.stopped.is_some_and(|text| text.contains("40 trials")));
    let bound = Bound { rate_max: Some(5500.0), ..BOUND };
    let (found, rates, _) = search(&bound, |rate| Ok(trial(rate, 1.0)));
    assert_eq!(rates, [1000.0, 2000.0, 4000.0, 5500.0]);
    assert_eq!(found.stopped, None);
}

#[test]
fn a_rate_that_is_not_reached_does_not_hold() {
    let answered = |rate: f64| Trial { rate: rate.min(10_000.0), ..trial(rate.min(10_000.0), 1.0) };
    let (found, ..) = search(&BOUND, |rate| Ok(answered(rate)));
    let best = best_rate(&found);
    assert!((9_700.0..=10_101.1).contains(&best), "{best}");
    // 100 requests that were drawn at random may well have been 80.
    let few = Trial { requests: 80, rate: 8.0, ..trial(8.0, 1.0) };
    assert_eq!(failure(&BOUND, 10.0, &few), None);
    let few = Trial { requests: 60, rate: 6.0, ..trial(6.0, 1.0) };
    assert!(failure(&BOUND, 10.0, &few).is_some());
}

#[test]
fn a_borderline_trial_is_repeated_once_and_a_clear_one_is_not() {
    let bound = Bound { rate_max: Some(1000.0), ..BOUND };
    let p99s = |p99s: &[f64]| {
        let mut left = p99s.iter().copied();
        search(&bound, move |rate| left.next().map(|p99| trial(rate, p99)).ok_or("end".to_owned()))
    };
    let (found, rates, _) = p99s(&[5001.0, 4999.0]);
    assert_eq!(best_rate(&found), 1000.0);
    assert_eq!(rates, [1000.0, 1000.0]);
    let (_, rates, _) = p99s(&[5001.0, 5001.0]);
    assert_eq!(rates, [1000.0, 1000.0, 500.0]);
    let (_, rates, _) = p99s(&[50_001.0]);
    assert_eq!(rates, [1000.0, 500.0]);
}

#[test]
fn a_late_generator_is_said_beside_its_trial() {
    let bound = Bound { rate_max: Some(1000.0), ..BOUND };
    let (_, _, lines) = search(&bound, |rate| Ok(Trial { is_late: true, ..trial(rate, 1.0) }));
    assert!(lines[0].ends_with("holds (the generator itself was late)"), "{lines:?}");
}

#[test]
fn what_held_before_an_error_is_kept() {
    let mut left = 3;
    let (found, ..) = search(&BOUND, |rate| {
        left -= 1;
        if left == 0 { Err("interrupted".to_owned()) } else { Ok(trial(rate, 1.0)) }
    });
    assert_eq!(best_rate(&found), 2000.0);
    assert_eq!(found.stopped.as_deref(), Some("interrupted"));
}

#[test]
fn a_limit_that_may_be_the_generator_s_is_told() {
    for late_from in [5e4, 1e9] {
        let (found, ..) =
            search(&BOUND, |rate| Ok(Trial { is_late: rate > late_from, ..queue(7.7e4, rate) }));
        assert_eq!(found.was_late, late_from < 7.7e4);
    }
}
