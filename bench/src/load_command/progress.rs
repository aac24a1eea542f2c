//! Job: show how a run goes while it goes.
//! In: intervals. Out: a line on standard error that is drawn anew each second, if that is a terminal.
//! Invariant: nothing is written to standard output, and nothing stays when the run is over.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::generator::outcome::Interval;
use crate::generator::plan::{Limit, Plan};

const TEMPLATE: &str = "{prefix} [{bar:30}] {percent:>3}%  {msg}";

/// The line.
pub struct Progress {
    bar: ProgressBar,
    gauge: Gauge,
}

impl Progress {
    /// The line of a run of `plan`; `label` says which, if there are several.
    pub fn start(label: &str, plan: &Plan, is_shown: bool) -> Self {
        let target =
            if is_shown { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let style = ProgressStyle::with_template(TEMPLATE).expect("the template is a constant");
        let gauge = Gauge::new(plan);
        let bar = ProgressBar::with_draw_target(Some(gauge.end), target)
            .with_style(style.progress_chars("=> "))
            .with_prefix(label.to_owned());
        bar.set_message("connecting");
        bar.tick();
        Self { bar, gauge }
    }

    /// Shows a second.
    pub fn second(&mut self, interval: &Interval) {
        self.bar.set_message(message(interval));
        self.bar.set_position(self.gauge.advance(interval));
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// How far a run is: milliseconds, or requests if their number is its end.
struct Gauge {
    end: u64,
    at: u64,
    counts_requests: bool,
}

impl Gauge {
    fn new(plan: &Plan) -> Self {
        let (end, counts_requests) = match plan.limit {
            Limit::Time(time) => ((plan.warm_up + time).as_millis() as u64, false),
            Limit::Requests(requests) => (requests, true),
        };
        Self { end, at: 0, counts_requests }
    }

    fn advance(&mut self, interval: &Interval) -> u64 {
        let step = if self.counts_requests {
            interval.figures.requests
        } else {
            (interval.length_s * 1000.0) as u64
        };
        self.at = self.at.saturating_add(step).min(self.end);
        self.at
    }
}

/// What a second was like.
fn message(interval: &Interval) -> String {
    let figures = &interval.figures;
    let rate =
        if interval.length_s > 0.0 { figures.requests as f64 / interval.length_s } else { 0.0 };
    let p99_ms = figures.latency.quantile_us(0.99) / 1000.0;
    let mut message = format!("{rate:.0}/s  p99 {p99_ms:.3} ms");
    let errors = figures.errors();
    if errors > 0 {
        message.push_str(&format!("  {errors} errors"));
    }
    if figures.requests == 0 && interval.outstanding > 0 {
        message.push_str(&format!("  {} wait for replies", interval.outstanding));
    }
    if interval.is_warm_up {
        message.push_str("  (warm-up)");
    }
    message
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::generator::outcome::Figures;
    use crate::generator::plan::{Pace, StreamPlan};
    use crate::load_command::output::tests::latencies;

    fn interval(requests: u64, length_s: f64) -> Interval {
        let latency = latencies((0..requests).map(|_| 1500));
        let figures = Figures { requests, latency, ..Figures::default() };
        Interval { length_s, figures, ..Interval::default() }
    }

    fn plan(limit: Limit) -> Plan {
        Plan {
            nodes: Vec::new(),
            cores: 1,
            stream: StreamPlan {
                clients: 1,
                keeps_to_node: false,
                pace: Pace::Closed { pipeline: 1 },
            },
            probe: None,
            seed: 1,
            warm_up: Duration::from_secs(1),
            limit,
            drain: Duration::ZERO,
            reconnects: false,
            shares_cpu: false,
        }
    }

    #[test]
    fn a_second_is_rate_and_p99() {
        assert!(message(&interval(500, 0.5)).starts_with("1000/s  p99 1.50"));
        let mut interval = interval(0, 1.0);
        interval.is_warm_up = true;
        interval.outstanding = 3;
        interval.figures.refused = 2;
        let text = "0/s  p99 0.000 ms  2 errors  3 wait for replies  (warm-up)";
        assert_eq!(message(&interval), text);
    }

    #[test]
    fn the_gauge_follows_the_limit_and_stops_at_the_end() {
        let mut time = Gauge::new(&plan(Limit::Time(Duration::from_secs(2))));
        assert_eq!(time.end, 3000, "with the warm-up");
        let steps = [1.0, 1.0, 0.5, 9.0].map(|length| time.advance(&interval(7, length)));
        assert_eq!(steps, [1000, 2000, 2500, 3000]);
        let mut requests = Gauge::new(&plan(Limit::Requests(100)));
        let steps = [40, 40, 40].map(|count| requests.advance(&interval(count, 1.0)));
        assert_eq!(steps, [40, 80, 100]);
    }
}
