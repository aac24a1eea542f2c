//! The text format of Prometheus metrics, version 0.0.4.
//!
//! Job: write metric families as text. In: names, help texts, labels and values. Out: the text.
//! Invariant: the text is well-formed whatever labels and help contain; a family stands there once,
//! with all its series together, and no series stands there twice.
//!
//! Names come from the program and not from users, so a malformed one is a bug and panics.

use std::collections::HashSet;
use std::fmt::{self, Write};

/// The media type of the text.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// A metrics page that is being written.
#[derive(Debug, Default)]
pub struct Exposition {
    text: String,
    families: HashSet<&'static str>,
}

/// A value: counts are exact at any size, measures are floating.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value {
    /// A count.
    Count(u64),
    /// A whole number that may be negative.
    Integer(i64),
    /// A measure, in base units (seconds, bytes, ratios).
    Measure(f64),
}

impl From<u64> for Value {
    fn from(count: u64) -> Self {
        Self::Count(count)
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Integer(number)
    }
}

impl From<f64> for Value {
    fn from(measure: f64) -> Self {
        Self::Measure(measure)
    }
}

impl fmt::Display for Value {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count(count) => count.fmt(formatter),
            Self::Integer(number) => number.fmt(formatter),
            Self::Measure(measure) if *measure == f64::INFINITY => formatter.write_str("+Inf"),
            Self::Measure(measure) if *measure == f64::NEG_INFINITY => formatter.write_str("-Inf"),
            Self::Measure(measure) => measure.fmt(formatter),
        }
    }
}

/// A label and its value. The value may be any text.
pub type Label<'a> = (&'a str, &'a str);

/// The series of one counter or gauge.
#[derive(Debug)]
pub struct Family<'a> {
    page: &'a mut Exposition,
    name: &'static str,
    series: HashSet<String>,
}

/// The series of one histogram.
#[derive(Debug)]
pub struct HistogramFamily<'a> {
    family: Family<'a>,
    upper_bounds: &'a [f64],
}

impl Exposition {
    /// An empty page.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Begins a counter: a value that only grows. By convention the name ends in `_total`.
    ///
    /// # Panics
    /// When the name is malformed or was used before; so in the two below.
    pub fn counter(&mut self, name: &'static str, help: &str) -> Family<'_> {
        self.family(name, "counter", help)
    }

    /// Begins a gauge: a value that goes up and down.
    pub fn gauge(&mut self, name: &'static str, help: &str) -> Family<'_> {
        self.family(name, "gauge", help)
    }

    /// Begins a histogram whose buckets end at `upper_bounds` (inclusive, ascending, finite). The
    /// bucket above the last bound is implied.
    pub fn histogram<'a>(
        &'a mut self,
        name: &'static str,
        help: &str,
        upper_bounds: &'a [f64],
    ) -> HistogramFamily<'a> {
        assert!(
            upper_bounds.iter().all(|bound| bound.is_finite())
                && upper_bounds.windows(2).all(|pair| pair[0] < pair[1]),
            "the bounds of {name} must be finite and ascend"
        );
        HistogramFamily { family: self.family(name, "histogram", help), upper_bounds }
    }

    /// The finished page.
    #[must_use]
    pub fn finish(self) -> String {
        self.text
    }

    fn family(&mut self, name: &'static str, kind: &str, help: &str) -> Family<'_> {
        assert!(is_name(name, true), "{name:?} is no name for a metric");
        assert!(self.families.insert(name), "the metric {name} is written twice");
        let help = Escaped { text: help, quotes: false };
        self.write(format_args!("# HELP {name} {help}\n# TYPE {name} {kind}\n"));
        Family { page: self, name, series: HashSet::new() }
    }

    fn write(&mut self, line: fmt::Arguments<'_>) {
        self.text.write_fmt(line).expect("a string takes all that is written");
    }
}

impl Family<'_> {
    /// Writes one series. Its labels distinguish it from the others of the family.
    ///
    /// # Panics
    /// When a label's name is malformed or stands there twice, or the series was written before.
    pub fn sample(&mut self, labels: &[Label<'_>], value: impl Into<Value>) -> &mut Self {
        let labels = self.begin_series(labels);
        self.line("", &labels, "", value.into());
        self
    }

    /// Writes the labels once and for all as `a="b",c="d"`.
    fn begin_series(&mut self, labels: &[Label<'_>]) -> String {
        let mut text = String::new();
        for (at, (label, value)) in labels.iter().enumerate() {
            let name = self.name;
            assert!(is_name(label, false), "{label:?} is no name for a label of {name}");
            let twice = labels[..at].iter().any(|(other, _)| other == label);
            assert!(!twice, "the label {label} of {name} stands there twice");
            let comma = if at == 0 { "" } else { "," };
            let value = Escaped { text: value, quotes: true };
            write!(text, "{comma}{label}=\"{value}\"").expect("a string takes all");
        }
        let name = self.name;
        assert!(self.series.insert(text.clone()), "the series {name}{{{text}}} is written twice");
        text
    }

    /// One line: name and suffix, labels and a further label, value.
    fn line(&mut self, suffix: &str, labels: &str, further: &str, value: Value) {
        let name = self.name;
        let comma = if labels.is_empty() || further.is_empty() { "" } else { "," };
        if labels.is_empty() && further.is_empty() {
            self.page.write(format_args!("{name}{suffix} {value}\n"));
        } else {
            self.page.write(format_args!("{name}{suffix}{{{labels}{comma}{further}}} {value}\n"));
        }
    }
}

impl HistogramFamily<'_> {
    /// Writes one series. `counts` has the number of observations in each bucket, *not* summed up,
    /// and one more for those above the last bound; `sum` is the sum of all observations.
    ///
    /// # Panics
    /// As [`Family::sample`]; and when the number of counts is wrong or a label is called `le`.
    pub fn sample(&mut self, labels: &[Label<'_>], counts: &[u64], sum: f64) -> &mut Self {
        let name = self.family.name;
        assert!(counts.len() == self.upper_bounds.len() + 1, "a count per bucket of {name}");
        assert!(labels.iter().all(|(label, _)| *label != "le"), "{name} writes the label le");
        let labels = self.family.begin_series(labels);
        let mut total = 0;
        let bounds = self.upper_bounds.iter().copied().chain([f64::INFINITY]);
        for (bound, count) in bounds.zip(counts) {
            total += count;
            let bucket = format!("le=\"{}\"", Value::Measure(bound));
            self.family.line("_bucket", &labels, &bucket, Value::Count(total));
        }
        self.family.line("_sum", &labels, "", Value::Measure(sum));
        self.family.line("_count", &labels, "", Value::Count(total));
        self
    }
}

/// Whether a text is a name: `[a-zA-Z_][a-zA-Z0-9_]*`, for metrics with `:` as a further letter.
/// Label names that begin with two underscores are reserved.
fn is_name(text: &str, is_metric: bool) -> bool {
    let is_letter =
        |byte: u8| byte.is_ascii_alphabetic() || byte == b'_' || (is_metric && byte == b':');
    text.bytes().next().is_some_and(is_letter)
        && text.bytes().all(|byte| is_letter(byte) || byte.is_ascii_digit())
        && (is_metric || !text.starts_with("__"))
}

/// Text with backslash and line feed escaped; double quotes too, in a label's value.
struct Escaped<'a> {
    text: &'a str,
    quotes: bool,
}

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in self.text.chars() {
            match character {
                '\\' => formatter.write_str("\\\\")?,
                '\n' => formatter.write_str("\\n")?,
                '"' if self.quotes => formatter.write_str("\\\"")?,
                other => formatter.write_char(other)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_are_written_with_help_type_and_series() {
        let mut page = Exposition::new();
        page.counter("commands_total", "Commands run.")
            .sample(&[("core", "0"), ("command", "get")], u64::MAX)
            .sample(&[("core", "1"), ("command", "get")], 0_u64);
        page.gauge("offset", "May be negative.").sample(&[], -5_i64);
        page.gauge("load", "A ratio.").sample(&[], 0.25);
        assert_eq!(
            page.finish(),
            "# HELP commands_total Commands run.\n\
             # TYPE commands_total counter\n\
             commands_total{core=\"0\",command=\"get\"} 18446744073709551615\n\
             commands_total{core=\"1\",command=\"get\"} 0\n\
             # HELP offset May be negative.\n\
             # TYPE offset gauge\n\
             offset -5\n\
             # HELP load A ratio.\n\
             # TYPE load gauge\n\
             load 0.25\n"
        );
    }

    #[test]
    fn text_from_outside_is_escaped() {
        let mut page = Exposition::new();
        page.gauge("a", "back\\slash \"quotes\"\nnext").sample(&[("b", "\\ \" \n \u{e9}}")], 1_u64);
        assert_eq!(
            page.finish(),
            "# HELP a back\\\\slash \"quotes\"\\nnext\n\
             # TYPE a gauge\n\
             a{b=\"\\\\ \\\" \\n \u{e9}}\"} 1\n"
        );
    }

    #[test]
    fn special_values_are_written_as_prometheus_reads_them() {
        let cases = [
            (f64::INFINITY, "+Inf"),
            (f64::NEG_INFINITY, "-Inf"),
            (f64::NAN, "NaN"),
            (1e-9, "0.000000001"),
            (3.0, "3"),
        ];
        for (measure, expected) in cases {
            assert_eq!(Value::Measure(measure).to_string(), expected);
        }
    }

    #[test]
    fn buckets_of_a_histogram_are_summed_up() {
        let mut page = Exposition::new();
        page.histogram("wait_seconds", "Waiting.", &[0.001, 0.5])
            .sample(&[], &[3, 0, 2], 7.5)
            .sample(&[("core", "1")], &[0, 1, 0], 0.25);
        assert_eq!(
            page.finish(),
            "# HELP wait_seconds Waiting.\n\
             # TYPE wait_seconds histogram\n\
             wait_seconds_bucket{le=\"0.001\"} 3\n\
             wait_seconds_bucket{le=\"0.5\"} 3\n\
             wait_seconds_bucket{le=\"+Inf\"} 5\n\
             wait_seconds_sum 7.5\n\
             wait_seconds_count 5\n\
             wait_seconds_bucket{core=\"1\",le=\"0.001\"} 0\n\
             wait_seconds_bucket{core=\"1\",le=\"0.5\"} 1\n\
             wait_seconds_bucket{core=\"1\",le=\"+Inf\"} 1\n\
             wait_seconds_sum{core=\"1\"} 0.25\n\
             wait_seconds_count{core=\"1\"} 1\n"
        );
    }

    #[test]
    fn names_follow_the_grammar() {
        for name in ["a", "_a9", "a:b", ":"] {
            assert!(is_name(name, true), "{name}");
        }
        for name in ["", "9a", "a-b", "a b", "\u{e9}", "a\n"] {
            assert!(!is_name(name, true) && !is_name(name, false), "{name}");
        }
        assert!(is_name("_a", false) && !is_name("a:b", false) && !is_name("__a", false));
    }

    #[test]
    #[should_panic(expected = "the metric a is written twice")]
    fn a_family_stands_there_once() {
        let mut page = Exposition::new();
        page.gauge("a", "First.");
        page.counter("a", "Second.");
    }

    #[test]
    #[should_panic(expected = "is written twice")]
    fn a_series_stands_there_once() {
        let mut page = Exposition::new();
        page.gauge("a", "Help.").sample(&[("b", "c")], 1_u64).sample(&[("b", "c")], 2_u64);
    }

    #[test]
    #[should_panic(expected = "no name for a label")]
    fn a_malformed_label_is_a_bug() {
        Exposition::new().gauge("a", "Help.").sample(&[("b c", "d")], 1_u64);
    }

    #[test]
    #[should_panic(expected = "writes the label le")]
    fn the_label_of_buckets_is_taken() {
        Exposition::new().histogram("a", "Help.", &[]).sample(&[("le", "1")], &[0], 0.0);
    }
}
