//! Job: what a picture of the report shows, in numbers.
//! In: measurements. Out: a [`Plot`] that JSON keeps and the pages draw.
//! Invariant: a plot says its units on its axes, and how it was measured below.

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

/// How an axis runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scale {
    /// Equal steps.
    Linear,
    /// Equal factors.
    Log,
    /// Shares of all below, in equal factors of what is left above: 0, 90 %, 99 %, 99.9 %.
    Percentile,
}

/// An axis.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Axis {
    /// What it shows, with the unit.
    pub label: String,
    /// How it runs.
    pub scale: Scale,
}

impl Axis {
    /// An axis with that label.
    pub fn new(label: &str, scale: Scale) -> Self {
        Self { label: label.to_owned(), scale }
    }
}

/// One curve or one set of bars.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// Whose it is.
    pub name: String,
    /// Its points, from left to right. On a percentile axis x is a share from 0 to 1.
    pub points: Vec<(f64, f64)>,
    /// Points that were not measured but follow from a model: drawn as dashes.
    #[serde(default)]
    pub is_predicted: bool,
}

/// A picture.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plot {
    /// What it shows.
    pub title: String,
    /// From left to right.
    pub x: Axis,
    /// From below to above.
    pub y: Axis,
    /// What is drawn.
    pub lines: Vec<Line>,
    /// What a reader must know: how it was measured.
    pub caption: String,
}

/// The curve of latencies over percentiles, in milliseconds, as HdrHistogram's own plots have it.
pub fn percentiles(name: &str, latencies_ns: &Histogram<u64>) -> Line {
    let points = latencies_ns
        .iter_quantiles(5)
        .map(|step| (step.quantile(), step.value_iterated_to() as f64 / 1e6))
        .collect();
    Line { name: name.to_owned(), points, is_predicted: false }
}
