//! Job: the report for people.
//! In: an [`Outcome`]. Out: a table, and what must be known to believe it.
//! Invariant: how the run ended stands first if it is not as planned, and a generator that was late itself
//! is named, since its lateness is part of the latencies.

use std::fmt::Write;

use crate::generator::outcome::{Ended, Figures, Outcome};

/// A lateness below this is what timers and schedulers cost everywhere.
const LATENESS_MIN_US: f64 = 100.0;
/// A pause below this is one too.
const PAUSE_MIN_US: f64 = 1000.0;
/// A share of the latency that must not be the generator's.
const OWN_SHARE: f64 = 0.25;

/// The report.
pub fn text(outcome: &Outcome) -> String {
    let mut text = String::new();
    match &outcome.ended {
        Ended::Complete => {}
        Ended::Interrupted => text.push_str("INTERRUPTED: this is what was measured until then\n"),
        Ended::Failed(reason) => {
            let _ = writeln!(text, "FAILED: {reason}\nThis is what was measured until then.");
        }
    }
    let offered = outcome.offered_rate.map(|rate| format!(" of {}/s offered", per_second(rate)));
    let _ = writeln!(
        text,
        "{} requests/s{}: {} in {:.3} s\n",
        per_second(outcome.rate),
        offered.unwrap_or_default(),
        outcome.total.requests,
        outcome.elapsed_s,
    );
    table(outcome, &mut text);
    errors(outcome, &mut text);
    own(outcome, &mut text);
    text
}

/// A rate, with digits behind the point where there are few before it.
fn per_second(rate: f64) -> String {
    if rate < 10.0 { format!("{rate:.2}") } else { format!("{rate:.0}") }
}

fn table(outcome: &Outcome, text: &mut String) {
    let kinds = outcome.kinds.iter().map(|(name, figures)| (name.as_str(), figures));
    let rows: Vec<_> = std::iter::once(("all", &outcome.total))
        .chain(kinds.filter(|_| outcome.kinds.len() > 1))
        .chain(outcome.probe.as_ref().map(|figures| ("probe", figures)))
        .collect();
    let width = rows.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0).max(10);
    let _ = writeln!(
        text,
        "{:width$} {:>10} {:>9} {:>8} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9}",
        "latency ms",
        "requests",
        "per s",
        "misses",
        "mean",
        "p50",
        "p90",
        "p99",
        "p99.9",
        "p99.99",
        "max",
    );
    for (name, figures) in rows {
        row(name, width, figures, outcome.elapsed_s, text);
    }
}

fn row(name: &str, width: usize, figures: &Figures, elapsed_s: f64, text: &mut String) {
    let rate = if elapsed_s > 0.0 { figures.requests as f64 / elapsed_s } else { 0.0 };
    let _ = write!(
        text,
        "{name:width$} {:>10} {:>9} {:>8}",
        figures.requests,
        per_second(rate),
        figures.misses
    );
    let latency = &figures.latency;
    let quantiles = [0.5, 0.9, 0.99, 0.999, 0.9999].map(|quantile| latency.quantile_us(quantile));
    for us in [latency.mean_us()].into_iter().chain(quantiles).chain([latency.max_us()]) {
        let _ = write!(text, " {:>9.3}", us / 1000.0);
    }
    text.push('\n');
}

fn errors(outcome: &Outcome, text: &mut String) {
    let Figures { refused, wrong, .. } = outcome.total;
    if refused + wrong + outcome.unanswered > 0 || !outcome.errors.is_empty() {
        let unanswered = outcome.unanswered;
        let _ = writeln!(
            text,
            "\nerrors: {refused} refused, {wrong} wrong values, {unanswered} unanswered"
        );
    }
    if !outcome.errors.is_empty() {
        text.push_str("by their texts, warm-up and bystander included:\n");
    }
    let mut errors: Vec<_> = outcome.errors.iter().collect();
    errors.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
    for (error, count) in errors {
        let _ = writeln!(text, "{count:>12}  {error}");
    }
}

fn own(outcome: &Outcome, text: &mut String) {
    let _ =
        write!(text, "\ngenerator: {:.2} us of CPU per request", outcome.own_cpu_us_per_request);
    if outcome.offered_rate.is_some() {
        let lateness = &outcome.lateness;
        let _ = write!(
            text,
            ", late by {:.3} ms (p50), {:.3} ms (p99), {:.3} ms (max)",
            lateness.quantile_us(0.5) / 1000.0,
            lateness.quantile_us(0.99) / 1000.0,
            lateness.max_us() / 1000.0,
        );
    }
    if outcome.own_pause_max_us > 0.0 {
        let _ = write!(text, ", longest pause {:.3} ms", outcome.own_pause_max_us / 1000.0);
    }
    text.push('\n');
    for warning in warnings(outcome) {
        let _ = writeln!(text, "warning: {warning}");
    }
}

/// Why the figures may not be the server's.
pub fn warnings(outcome: &Outcome) -> Vec<String> {
    let mut warnings = Vec::new();
    if is_late(outcome) {
        warnings.push(
            "the generator itself was late, so these latencies are not the server's alone: give it \
             more --threads, a CPU of its own, or a lower --rate"
                .to_owned(),
        );
    }
    let pause_us = outcome.own_pause_max_us;
    if pause_us >= PAUSE_MIN_US && pause_us >= outcome.total.latency.max_us() * OWN_SHARE {
        warnings.push(format!(
            "the generator stood still for {:.1} ms, so the longest latencies may be its own: others use \
             its CPU",
            pause_us / 1000.0,
        ));
    }
    warnings
}

/// Whether a good part of the 99th percentile is the generator's lateness.
pub fn is_late(outcome: &Outcome) -> bool {
    let late_us = outcome.lateness.quantile_us(0.99);
    late_us >= LATENESS_MIN_US && late_us >= outcome.total.latency.quantile_us(0.99) * OWN_SHARE
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load_command::output::tests::{latencies, outcome};

    #[test]
    fn figures_stand_in_the_table() {
        let text = text(&outcome());
        assert!(text.starts_with("100 requests/s: 100 in 1.000 s\n"), "{text}");
        let row = |name: &str| -> Vec<String> {
            let line = text.lines().find(|line| line.starts_with(name)).expect("a row");
            line.split_whitespace().map(str::to_owned).collect()
        };
        let all = [
            "all", "100", "100", "0", "0.051", "0.050", "0.090", "0.099", "0.100", "0.100", "0.100",
        ];
        assert_eq!(row("all"), all);
        assert_eq!(row("GET")[..4], ["GET", "60", "60", "5"]);
        assert_eq!(row("SET")[..4], ["SET", "40", "40", "0"]);
        assert!(!text.contains("errors:") && !text.contains("warning:"), "{text}");
    }

    #[test]
    fn an_early_end_stands_first() {
        let mut outcome = outcome();
        outcome.ended = Ended::Interrupted;
        assert!(text(&outcome).starts_with("INTERRUPTED"));
        outcome.ended = Ended::Failed("127.0.0.1:6379 closed the connection".to_owned());
        let text = text(&outcome);
        assert!(text.starts_with("FAILED: 127.0.0.1:6379 closed the connection\n"), "{text}");
        assert!(text.contains("\nall "), "{text}");
    }

    #[test]
    fn low_rates_keep_their_digits() {
        assert_eq!(
            [0.0, 0.5, 9.99, 10.4, 1e6].map(per_second),
            ["0.00", "0.50", "9.99", "10", "1000000"]
        );
    }

    #[test]
    fn frequent_errors_come_first() {
        let mut outcome = outcome();
        outcome.total.refused = 9;
        outcome.total.wrong = 2;
        outcome.unanswered = 3;
        outcome.errors = [("ERR rare".to_owned(), 2), ("OOM often".to_owned(), 9)].into();
        let text = text(&outcome);
        assert!(text.contains("errors: 9 refused, 2 wrong values, 3 unanswered\n"), "{text}");
        let places = ["OOM often", "ERR rare"].map(|error| text.find(error).expect("an error"));
        assert!(places[0] < places[1], "{text}");
    }

    #[test]
    fn a_late_generator_is_named() {
        let mut outcome = outcome();
        outcome.offered_rate = Some(110.0);
        outcome.lateness = latencies([5; 100]);
        let calm = text(&outcome);
        assert!(calm.starts_with("100 requests/s of 110/s offered"), "{calm}");
        assert!(calm.contains("late by 0.005 ms (p50)") && !calm.contains("warning"), "{calm}");
        outcome.lateness = latencies([500; 100]);
        assert!(text(&outcome).contains("warning: the generator itself was late"));
        outcome.total.latency = latencies([5000; 100]);
        assert!(!is_late(&outcome), "a tenth of the latency");
        outcome.own_pause_max_us = 3000.0;
        assert!(text(&outcome).contains("warning: the generator stood still for 3.0 ms"));
    }
}
