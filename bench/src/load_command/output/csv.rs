//! Job: the report for spreadsheets.
//! In: an [`Outcome`]. Out: comma-separated values (RFC 4180) with one line of headings.
//! Invariant: all rows have the same columns. The first column says what a row is: `warm-up` or `second`
//! for a second of the run, then `total`, then `kind GET` and so on, then `probe`; a filter on it gives
//! the series or the sums. Latencies are microseconds; requests divided by `length_s` are a rate.

use std::fmt::Write;

use crate::generator::outcome::{Figures, Outcome};

const HEADINGS: &str = "row,second,length_s,requests,errors,p50_us,p99_us,max_us,outstanding";

/// The table, with line ends.
pub fn text(outcome: &Outcome) -> String {
    let mut text = format!("{HEADINGS}\r\n");
    for second in &outcome.seconds {
        let row = if second.is_warm_up { "warm-up" } else { "second" };
        let _ = write!(
            text,
            "{row},{},{:.3},{},{},{:.1},{:.1},{:.1},{}\r\n",
            second.second,
            second.length_s,
            second.requests,
            second.errors,
            second.p50_us,
            second.p99_us,
            second.max_us,
            second.outstanding,
        );
    }
    let mut sum = |row: &str, figures: &Figures, outstanding: &str| {
        let _ = write!(
            text,
            "{},,{:.3},{},{},{:.1},{:.1},{:.1},{outstanding}\r\n",
            quoted(row),
            outcome.elapsed_s,
            figures.requests,
            figures.errors(),
            figures.latency.quantile_us(0.5),
            figures.latency.quantile_us(0.99),
            figures.latency.max_us(),
        );
    };
    sum("total", &outcome.total, &outcome.unanswered.to_string());
    for (kind, figures) in &outcome.kinds {
        sum(&format!("kind {kind}"), figures, "");
    }
    if let Some(figures) = &outcome.probe {
        sum("probe", figures, "");
    }
    text
}

/// A field, in quotes if it needs them.
fn quoted(field: &str) -> String {
    if field.contains([',', '"', '\r', '\n']) {
        format!("\"{}\"", field.replace('"', "\"\""))
    } else {
        field.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load_command::output::tests::outcome;

    #[test]
    fn seconds_come_before_sums() {
        let mut outcome = outcome();
        outcome.total.refused = 2;
        outcome.total.wrong = 1;
        outcome.unanswered = 4;
        outcome.probe = Some(Figures::default());
        let text = text(&outcome);
        let rows: Vec<_> = text.split_terminator("\r\n").collect();
        assert_eq!(rows[0], HEADINGS);
        assert_eq!(rows[1], "warm-up,0,1.000,80,0,50.0,99.0,100.0,7");
        assert_eq!(rows[2], "second,1,1.000,100,0,50.0,99.0,100.0,7");
        assert!(rows[3].starts_with("total,,1.000,100,3,50"), "{}", rows[3]);
        assert!(rows[3].ends_with(",4"), "{}", rows[3]);
        assert!(rows[4].starts_with("kind GET,,1.000,60,0,30"), "{}", rows[4]);
        assert!(rows[5].starts_with("kind SET,,1.000,40,0,80"), "{}", rows[5]);
        assert_eq!(rows[6], "probe,,1.000,0,0,0.0,0.0,0.0,");
        assert_eq!(rows.len(), 7);
    }

    #[test]
    fn a_kind_with_a_comma_stays_one_field() {
        let mut outcome = outcome();
        outcome.kinds = [("EVAL \"a,b\"".to_owned(), Figures::default())].into();
        let text = text(&outcome);
        assert!(text.contains("\r\n\"kind EVAL \"\"a,b\"\"\",,1.000,0,"), "{text}");
    }
}
