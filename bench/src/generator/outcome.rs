//! Job: what a run of load measured, to be shown, stored and read again.
//! In: what the cores recorded. Out: [`Outcome`] and its JSON, [`Interval`]s.
//! Invariant: latencies are nanoseconds in histograms of three digits; a histogram's JSON has its
//! percentiles for people and the whole of it (V2, deflated, base64) for programs, which is what is read.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::{Deserializer as Reader, Serializer as _, V2DeflateSerializer};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Longest latency that a histogram tells apart, in nanoseconds: longer ones count as this.
pub const LATENCY_MAX_NS: u64 = 120_000_000_000;

/// An empty histogram of nanoseconds with three digits.
#[must_use]
pub fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, LATENCY_MAX_NS, 3).expect("the bounds are constants that fit")
}

/// Times in nanoseconds.
#[derive(Clone, Debug, PartialEq)]
pub struct Latencies(pub Histogram<u64>);

impl Default for Latencies {
    fn default() -> Self {
        Self(histogram())
    }
}

impl Latencies {
    /// The time in microseconds below which that share of all lies.
    #[must_use]
    pub fn quantile_us(&self, quantile: f64) -> f64 {
        self.0.value_at_quantile(quantile) as f64 / 1000.0
    }

    /// The mean in microseconds.
    #[must_use]
    pub fn mean_us(&self) -> f64 {
        self.0.mean() / 1000.0
    }

    /// The longest in microseconds; 0 if there are none.
    #[must_use]
    pub fn max_us(&self) -> f64 {
        self.0.max() as f64 / 1000.0
    }

    /// Adds all of `other`.
    pub fn add(&mut self, other: &Self) {
        self.0.add(&other.0).expect("all have the same bounds");
    }
}

/// Latencies as JSON.
#[derive(Serialize)]
struct Shown {
    count: u64,
    mean_us: f64,
    min_us: f64,
    p50_us: f64,
    p90_us: f64,
    p99_us: f64,
    p99_9_us: f64,
    p99_99_us: f64,
    max_us: f64,
    histogram_v2_deflate_base64: String,
}

/// What is read of it.
#[derive(Deserialize)]
struct Stored {
    histogram_v2_deflate_base64: String,
}

impl Serialize for Latencies {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut bytes = Vec::new();
        V2DeflateSerializer::new()
            .serialize(&self.0, &mut bytes)
            .map_err(|error| serde::ser::Error::custom(format!("{error:?}")))?;
        Shown {
            count: self.0.len(),
            mean_us: self.mean_us(),
            min_us: self.0.min() as f64 / 1000.0,
            p50_us: self.quantile_us(0.5),
            p90_us: self.quantile_us(0.9),
            p99_us: self.quantile_us(0.99),
            p99_9_us: self.quantile_us(0.999),
            p99_99_us: self.quantile_us(0.9999),
            max_us: self.max_us(),
            histogram_v2_deflate_base64: BASE64.encode(bytes),
        }
        .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Latencies {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use serde::de::Error;
        let stored = Stored::deserialize(deserializer)?;
        let bytes = BASE64.decode(stored.histogram_v2_deflate_base64).map_err(D::Error::custom)?;
        Reader::new()
            .deserialize(&mut bytes.as_slice())
            .map(Self)
            .map_err(|error| D::Error::custom(format!("{error:?}")))
    }
}

/// What was seen of some requests.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Figures {
    /// Answered in the measured time, whatever the answer.
    pub requests: u64,
    /// Reads that found nothing.
    pub misses: u64,
    /// Error replies and unexpected statuses.
    pub refused: u64,
    /// Replies that were not what was written.
    pub wrong: u64,
    /// From the time at which a request was meant to be sent to its reply. In a closed loop that is when
    /// it was sent.
    pub latency: Latencies,
}

impl Figures {
    /// Replies that were not wanted.
    #[must_use]
    pub fn errors(&self) -> u64 {
        self.refused + self.wrong
    }

    /// Adds all of `other`.
    pub fn add(&mut self, other: &Self) {
        self.requests += other.requests;
        self.misses += other.misses;
        self.refused += other.refused;
        self.wrong += other.wrong;
        self.latency.add(&other.latency);
    }
}

/// One second of a run.
#[derive(Clone, Debug, Default)]
pub struct Interval {
    /// Its number since the start of the load, warm-up included.
    pub second: u64,
    /// Part of the warm-up.
    pub is_warm_up: bool,
    /// When it began, in seconds since the start of the load.
    pub start_s: f64,
    /// How long it was: the last one is a part of a second, and the first, so that one begins where the
    /// warm-up ends.
    pub length_s: f64,
    /// Replies that came in this second.
    pub figures: Figures,
    /// Requests without reply at its end.
    pub outstanding: u64,
}

/// One second of a run, as it is kept.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Second {
    /// Its number since the start of the load, warm-up included.
    pub second: u64,
    /// Part of the warm-up.
    pub is_warm_up: bool,
    /// How long it was: the last one is a part of a second, and the first if the warm-up is no whole number
    /// of them.
    pub length_s: f64,
    /// Replies that came in this second.
    pub requests: u64,
    /// Error replies, unexpected statuses and wrong values among them.
    pub errors: u64,
    /// Their median latency.
    pub p50_us: f64,
    /// Their 99th percentile.
    pub p99_us: f64,
    /// Their longest latency.
    pub max_us: f64,
    /// Requests without reply at its end.
    pub outstanding: u64,
}

impl From<&Interval> for Second {
    fn from(interval: &Interval) -> Self {
        let Figures { requests, latency, .. } = &interval.figures;
        Self {
            second: interval.second,
            is_warm_up: interval.is_warm_up,
            length_s: interval.length_s,
            requests: *requests,
            errors: interval.figures.errors(),
            p50_us: latency.quantile_us(0.5),
            p99_us: latency.quantile_us(0.99),
            max_us: latency.max_us(),
            outstanding: interval.outstanding,
        }
    }
}

/// How a run ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ended {
    /// As planned.
    #[default]
    Complete,
    /// By a signal.
    Interrupted,
    /// By an error: what happened, and what to do.
    Failed(String),
}

/// What one run measured, or what it measured until it broke off.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Outcome {
    /// The command line that repeats it.
    pub command: String,
    /// How it ended.
    pub ended: Ended,
    /// Measured seconds: without the warm-up.
    pub elapsed_s: f64,
    /// Answered requests per second of the measured time.
    pub rate: f64,
    /// The rate that was offered; none in a closed loop.
    pub offered_rate: Option<f64>,
    /// All requests.
    pub total: Figures,
    /// Requests by their kind.
    pub kinds: BTreeMap<String, Figures>,
    /// The bystander's requests, if there was one.
    pub probe: Option<Figures>,
    /// From the time at which a request was meant to be sent to when it was, without the time for which
    /// the server kept its connection busy: the generator's own lateness (open loop), which is part of the
    /// latency.
    pub lateness: Latencies,
    /// Longest time between two passes of a core's loop, in microseconds: the generator's own pauses.
    pub own_pause_max_us: f64,
    /// Requests that were sent, or meant to be, and never answered.
    pub unanswered: u64,
    /// Errors by their text, with how often each came; the rest, if there are too many kinds, as
    /// "others".
    pub errors: BTreeMap<String, u64>,
    /// CPU time of the generator per answered request in microseconds, warm-up included.
    pub own_cpu_us_per_request: f64,
    /// The run second by second.
    pub seconds: Vec<Second>,
}

impl Outcome {
    /// Whether anything went wrong that did not end the run: error replies, wrong values, requests
    /// without answer, broken connections.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.total.errors() > 0
            || self.probe.as_ref().is_some_and(|probe| probe.errors() > 0)
            || self.unanswered > 0
            || !self.errors.is_empty()
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// A whole run of nothing.
    pub fn outcome() -> Outcome {
        Outcome {
            command: "ringlet-bench load".to_owned(),
            elapsed_s: 1.0,
            own_cpu_us_per_request: 1.0,
            ..Outcome::default()
        }
    }

    #[test]
    fn latencies_come_back_whole() {
        let mut latencies = Latencies::default();
        for value in [1, 17, 4711, 1_000_000, 70_000_000_000] {
            latencies.0.record(value).expect("within the bounds");
        }
        let json = serde_json::to_string(&latencies).expect("JSON");
        let back: Latencies = serde_json::from_str(&json).expect("latencies");
        assert_eq!(back, latencies);
        let shown: serde_json::Value = serde_json::from_str(&json).expect("JSON");
        assert_eq!(shown["count"], 5);
        assert!((shown["p50_us"].as_f64().expect("a number") - 4.711).abs() < 0.01);
    }
}
