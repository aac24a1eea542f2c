//! Job: what a picture of the report shows, in numbers.
//! In: measurements. Out: a [`Plot`] that JSON keeps and the pages draw.
//! Invariant: a plot says its units on its axes, and how it was measured below.

use hdrhistogram::Histogram;
use serde::{Deserialize, Deserializer, Serialize};

use crate::compare::Row;

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
    /// Not at all: x counts the axis' names from 0, and each point is a bar beside its name.
    Names,
}

/// An axis.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Axis {
    /// What it shows, with the unit.
    pub label: String,
    /// How it runs.
    pub scale: Scale,
    /// What stands on an axis of names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<String>,
}

impl Axis {
    /// An axis with that label.
    pub fn new(label: &str, scale: Scale) -> Self {
        Self { label: label.to_owned(), scale, names: Vec::new() }
    }
}

/// One curve or one set of bars.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// Whose it is.
    pub name: String,
    /// Its points, from left to right. On a percentile axis x is a share from 0 to 1.
    #[serde(deserialize_with = "points")]
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

/// Points as they are read back: JSON says null for what is no number, and nothing is drawn there.
fn points<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<(f64, f64)>, D::Error> {
    let known = |figure: Option<f64>| figure.unwrap_or(f64::NAN);
    let points = Vec::<(Option<f64>, Option<f64>)>::deserialize(deserializer)?;
    Ok(points.into_iter().map(|(x, y)| (known(x), known(y))).collect())
}

/// Bars: the peer's figure and the measured one of each row, which all have one unit.
pub fn beside(title: &str, rows: &[Row]) -> Plot {
    let unit = rows.first().map_or("", |row| &row.unit);
    let names = rows.iter().map(|row| row.name.clone()).collect();
    let line = |name: &str, figure: fn(&Row) -> Option<f64>| Line {
        name: name.to_owned(),
        points: rows
            .iter()
            .enumerate()
            .filter_map(|(at, row)| Some((at as f64, figure(row)?)))
            .collect(),
        is_predicted: false,
    };
    Plot {
        title: title.to_owned(),
        x: Axis { names, ..Axis::new("", Scale::Names) },
        y: Axis::new(unit, Scale::Linear),
        lines: vec![
            line("peer", |row| Some(row.peer?.median)),
            line("measured", |row| Some(row.own.median)),
        ],
        caption: "Medians of the rounds; the table has their spread.".to_owned(),
    }
}

/// The curve of latencies over percentiles, in milliseconds, as HdrHistogram's own plots have it.
pub fn percentiles(name: &str, latencies_ns: &Histogram<u64>) -> Line {
    let points = latencies_ns
        .iter_quantiles(5)
        .map(|step| (step.quantile(), step.value_iterated_to() as f64 / 1e6))
        .collect();
    Line { name: name.to_owned(), points, is_predicted: false }
}
