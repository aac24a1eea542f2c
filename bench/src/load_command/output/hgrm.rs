//! Job: a distribution of latency in the text form that HdrHistogram's plotters read.
//! In: latencies. Out: a table of values in milliseconds by percentile.
//! Invariant: the form is that of the Java and C tools' `outputPercentileDistribution`, but with six
//! digits of milliseconds: three would be too coarse for a server on the same machine.

use std::fmt::Write;

use crate::generator::outcome::Latencies;

/// Rows for each halving of the distance to 100 %, as the other tools have them.
const TICKS_PER_HALF_DISTANCE: u32 = 5;

/// The table.
pub fn text(latencies: &Latencies) -> String {
    let histogram = &latencies.0;
    let mut text = format!(
        "{:>12} {:>14} {:>10} {:>14}\n\n",
        "Value", "Percentile", "TotalCount", "1/(1-Percentile)"
    );
    let mut count = 0;
    for step in histogram.iter_quantiles(TICKS_PER_HALF_DISTANCE) {
        count += step.count_since_last_iteration();
        let value = ms(step.value_iterated_to() as f64);
        let quantile = step.quantile_iterated_to();
        let _ = write!(text, "{value:12.6} {quantile:2.12} {count:10}");
        if quantile < 1.0 {
            let _ = write!(text, " {:14.2}", 1.0 / (1.0 - quantile));
        }
        text.push('\n');
    }
    let _ = writeln!(
        text,
        "#[Mean    = {:12.6}, StdDeviation   = {:12.6}]\n\
         #[Max     = {:12.6}, Total count    = {:12}]\n\
         #[Buckets = {:12}, SubBuckets     = {:12}]",
        ms(histogram.mean()),
        ms(histogram.stdev()),
        ms(histogram.max() as f64),
        histogram.len(),
        histogram.buckets(),
        sub_buckets(histogram.sigfig()),
    );
    text
}

fn ms(ns: f64) -> f64 {
    ns / 1e6
}

/// So many equal steps has a bucket that tells so many digits apart.
fn sub_buckets(digits: u8) -> u64 {
    (2 * 10_u64.pow(u32::from(digits))).next_power_of_two()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load_command::output::tests::latencies;

    #[test]
    fn it_has_the_form_that_plotters_read() {
        let text = text(&latencies(1..=1000));
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines[0], "       Value     Percentile TotalCount 1/(1-Percentile)");
        assert_eq!(lines[1], "");
        assert_eq!(lines[2], "    0.001000 0.000000000000          1           1.00");
        let half = lines.iter().find(|line| line.contains(" 0.500000000000 ")).expect("a median");
        let fields: Vec<_> = half.split_whitespace().collect();
        assert!((fields[0].parse::<f64>().expect("a value") - 0.5).abs() < 0.001, "{half}");
        assert_eq!(fields[2..], ["500", "2.00"]);
        let [.., last, mean, max, buckets] = lines[..] else { panic!("{text}") };
        let fields: Vec<_> = last.split_whitespace().collect();
        assert_eq!(fields[1..], ["1.000000000000", "1000"], "no fourth field at 100 %");
        assert!(mean.starts_with("#[Mean    =     0.500"), "{mean}");
        assert!(mean.contains(", StdDeviation   =     0.288"), "{mean}");
        assert!(max.ends_with(", Total count    =         1000]"), "{max}");
        assert!(buckets.ends_with(", SubBuckets     =         2048]"), "{buckets}");
    }

    #[test]
    fn counts_and_values_only_grow() {
        let text = text(&latencies((1..500).map(|step| step * step)));
        let mut before = (0.0, 0.0, 0);
        for line in text.lines().skip(2).take_while(|line| !line.starts_with('#')) {
            let fields: Vec<_> = line.split_whitespace().collect();
            let now: (f64, f64, u64) = (
                fields[0].parse().expect("a value"),
                fields[1].parse().expect("a percentile"),
                fields[2].parse().expect("a count"),
            );
            assert!(now.0 >= before.0 && now.1 >= before.1 && now.2 >= before.2, "{line}");
            before = now;
        }
        assert_eq!((before.1, before.2), (1.0, 499));
    }

    #[test]
    fn no_latencies_are_no_rows() {
        let text = text(&latencies([]));
        assert_eq!(text.lines().count(), 5, "{text}");
    }
}
