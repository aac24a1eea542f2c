//! What one key of a rule may have in a second.
//!
//! Job: the two lines of the plot. In: a rule. Out: tokens per second in the long run, and the most that
//! any second may have. Invariant: the bounds are those of docs/limiter.md for one second, whatever the
//! windows; a rule that limits no rate has none.
//!
//! A bucket lets its burst through and what comes back in the second. A window's limit may be used at its
//! end and again at the beginning of the next one, so a second has that of all windows that it touches. A
//! soft rule's credit is there once more for each node and each window touched.

use ringlet_limit::algorithm::Spread;
use ringlet_limit::model::{CalendarUnit, Mode, Rule};

const SECOND_NS: u64 = 1_000_000_000;

/// Tokens per second: the limit, and the bound of any one second.
#[derive(Copy, Clone, Debug, PartialEq)]
pub struct PerSecond {
    /// In the long run.
    pub limit: f64,
    /// In any second.
    pub bound: f64,
}

/// The lines of a rule, whose store is shared by so many nodes.
#[must_use]
pub fn per_second(rule: &Rule, nodes: u64) -> Option<PerSecond> {
    let limit = rule.limit.as_ref()?;
    let period_ns = match &limit.calendar {
        Some(calendar) => SECOND_NS * unit_s(calendar.unit),
        None => limit.period_ns,
    };
    let seconds = period_ns as f64 / SECOND_NS as f64;
    let rate = limit.count as f64 / seconds;
    // At the worst place: one window at each end beside those that lie within.
    let touched = (SECOND_NS.div_ceil(period_ns) + 1) as f64;
    let hard = match (limit.algorithm.name, limit.algorithm.spread) {
        ("concurrency", _) => return None,
        // In any stretch as long as a window.
        ("sliding-log", _) => (touched - 1.0) * limit.count as f64,
        ("shaper", _) | (_, Spread::Bucket) => limit.burst as f64 + rate,
        _ => touched * limit.count as f64,
    };
    let credit = match rule.mode {
        Mode::Soft { credit } if !rule.is_local && limit.algorithm.spread != Spread::Node => credit,
        _ => 0,
    };
    Some(PerSecond { limit: rate, bound: hard + touched * (credit * nodes.max(1)) as f64 })
}

/// About: months and years differ.
fn unit_s(unit: CalendarUnit) -> u64 {
    match unit {
        CalendarUnit::Minute => 60,
        CalendarUnit::Hour => 3600,
        CalendarUnit::Day => 86_400,
        CalendarUnit::Week => 7 * 86_400,
        CalendarUnit::Month => 30 * 86_400,
        CalendarUnit::Year => 365 * 86_400,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(rule: &str, nodes: u64) -> Option<PerSecond> {
        let listener = "[[listener]]\nbind = \"127.0.0.1:1\"\nprotocol = \"http\"\n";
        let store = if nodes > 1 { "[store]\naddress = \"127.0.0.1:2\"\n" } else { "" };
        let text = format!("{store}{listener}[rule.r]\n{rule}\n");
        let configuration = crate::config::parse(&text).expect("a configuration");
        per_second(&configuration.rules.rules[0], nodes)
    }

    #[test]
    fn a_second_has_what_the_algorithm_lets_through_at_the_worst_place() {
        let is = |rule, nodes, limit, bound| {
            assert_eq!(lines(rule, nodes), Some(PerSecond { limit, bound }), "{rule}");
        };
        is("algorithm = \"token-bucket\"\nrate = \"100/s\"\nburst = 50", 1, 100.0, 150.0);
        is("algorithm = \"gcra\"\nrate = \"60/m\"\nburst = 5", 1, 1.0, 6.0);
        is("algorithm = \"fixed-window\"\nrate = \"120/m\"", 1, 2.0, 240.0);
        is("algorithm = \"fixed-window\"\nrate = \"10/100ms\"", 1, 100.0, 110.0);
        is("algorithm = \"sliding-log\"\nrate = \"60/m\"", 1, 1.0, 60.0);
        let soft = "algorithm = \"fixed-window\"\nrate = \"60/m\"\nmode = \"soft\"";
        // A credit of one token for each node.
        is(soft, 2, 1.0, 124.0);
        assert_eq!(lines("algorithm = \"concurrency\"\npermits = 5\nhold = \"30s\"", 1), None);
        assert_eq!(lines("unlimited = true\ndescriptor = \"a\"", 1), None);
    }
}
