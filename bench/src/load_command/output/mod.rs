//! Job: say what a run measured.
//! In: an [`Outcome`]. Out: text for people, programs, spreadsheets and the HdrHistogram tools.
//! Invariant: a writer only formats; every figure stands in the outcome or in an interval.

pub mod csv;
pub mod hgrm;
pub mod hlog;
pub mod human;
pub mod json;

use crate::generator::outcome::Outcome;

/// Who reads the report.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// People: a table.
    #[default]
    Human,
    /// Programs: one JSON object with everything, histograms included.
    Json,
    /// Spreadsheets: a row per second, then rows of totals.
    Csv,
}

impl Format {
    /// The report.
    ///
    /// # Errors
    /// When the outcome cannot be written in this format.
    pub fn text(self, outcome: &Outcome) -> Result<String, String> {
        match self {
            Self::Human => Ok(human::text(outcome)),
            Self::Json => json::text(outcome),
            Self::Csv => Ok(csv::text(outcome)),
        }
    }
}

#[cfg(test)]
pub mod tests {
    use std::collections::BTreeMap;

    use crate::generator::outcome::{Ended, Figures, Latencies, Outcome, Second};

    /// Latencies of so many microseconds each.
    pub fn latencies(values_us: impl IntoIterator<Item = u64>) -> Latencies {
        let mut latencies = Latencies::default();
        for value in values_us {
            latencies.0.record(value * 1000).expect("within the bounds");
        }
        latencies
    }

    /// A run of two seconds, of which one is warm-up: 60 GETs and 40 SETs of 1 to 100 microseconds.
    pub fn outcome() -> Outcome {
        let figures = |values: std::ops::RangeInclusive<u64>| Figures {
            requests: values.clone().count() as u64,
            latency: latencies(values),
            ..Figures::default()
        };
        let second = |second, is_warm_up, requests| Second {
            second,
            is_warm_up,
            length_s: 1.0,
            requests,
            errors: 0,
            p50_us: 50.0,
            p99_us: 99.0,
            max_us: 100.0,
            outstanding: 7,
        };
        Outcome {
            command: "ringlet-bench load 127.0.0.1:6379 --time 1s".to_owned(),
            ended: Ended::Complete,
            elapsed_s: 1.0,
            rate: 100.0,
            offered_rate: None,
            total: figures(1..=100),
            kinds: BTreeMap::from([
                ("GET".to_owned(), Figures { misses: 5, ..figures(1..=60) }),
                ("SET".to_owned(), figures(61..=100)),
            ]),
            probe: None,
            lateness: Latencies::default(),
            own_pause_max_us: 20.0,
            unanswered: 0,
            errors: BTreeMap::new(),
            own_cpu_us_per_request: 1.25,
            seconds: vec![second(0, true, 80), second(1, false, 100)],
        }
    }
}
