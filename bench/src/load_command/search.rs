//! Job: find the highest rate of an open loop that holds a bound of latency.
//! In: the bound, and a closure that tries one rate. Out: the best trial that held.
//! Invariant: no clock and no I/O but by the closures; at most [`TRIALS_MAX`] trials; a rate counts as
//! held only by a trial that held.

/// Most trials of a search.
pub const TRIALS_MAX: usize = 40;
/// The search ends when the lowest rate that failed is so much above the highest that held.
const PRECISION: f64 = 1.03;
/// Rates below this, per second, are not tried.
const RATE_MIN: f64 = 1.0;
/// A trial at most so far beyond the bound, as a factor, is repeated: noise may have failed it.
const BORDERLINE: f64 = 2.0;
/// The share of the offered rate that may be missing.
const SHORTFALL_MAX: f64 = 0.01;
/// Times drawn at random make the count of a trial swing by its square root: so many of these are no
/// shortfall.
const DEVIATIONS: f64 = 3.0;

/// What is searched for.
#[derive(Clone, Copy, Debug)]
pub struct Bound {
    /// The 99th percentile may be so long.
    pub p99_us: f64,
    /// The first rate, per second.
    pub start_rate: f64,
    /// No rate above this is tried.
    pub rate_max: Option<f64>,
}

/// What came of one rate.
#[derive(Clone, Debug)]
pub struct Trial<T> {
    /// Requests answered.
    pub requests: u64,
    /// Requests answered per second.
    pub rate: f64,
    /// The 99th percentile.
    pub p99_us: f64,
    /// Refused requests and wrong values.
    pub errors: u64,
    /// The load generator could not keep its times.
    pub is_late: bool,
    /// Why the run broke off, if it did.
    pub broke_off: Option<String>,
    /// Whatever else the caller wants of the best trial.
    pub detail: T,
}

/// What a search came to.
#[derive(Debug)]
pub struct Found<T> {
    /// The highest rate that held, and its trial.
    pub best: Option<(f64, Trial<T>)>,
    /// Why the search stopped before its precision.
    pub stopped: Option<String>,
    /// The lowest rate that failed did so while the generator itself was late: it may be its limit that
    /// was found, and not the server's.
    pub was_late: bool,
}

/// Why a trial does not hold.
#[derive(Clone, Debug, PartialEq)]
enum Failure {
    /// Noise may have done it.
    Borderline(String),
    /// Another trial would not help.
    Clear(String),
}

/// Searches: doubles (or halves) from the start rate, then halves the gap. `attempt` tries a rate, and its
/// error ends the search; `say` hears of every trial.
pub fn highest_rate<T>(
    bound: &Bound,
    mut attempt: impl FnMut(f64) -> Result<Trial<T>, String>,
    mut say: impl FnMut(&str),
) -> Found<T> {
    let rate_max = bound.rate_max.unwrap_or(f64::INFINITY);
    let mut found = Found { best: None, stopped: None, was_late: false };
    let mut failed_rate: Option<f64> = None;
    let mut repeated_rate = None;
    let mut rate = bound.start_rate.min(rate_max);
    for _ in 0..TRIALS_MAX {
        let trial = match attempt(rate) {
            Ok(trial) => trial,
            Err(error) => return Found { stopped: Some(error), ..found },
        };
        let failure = failure(bound, rate, &trial);
        say(&line(rate, &trial, failure.as_ref()));
        match failure {
            None => found.best = Some((rate, trial)),
            Some(Failure::Borderline(_)) if repeated_rate != Some(rate) => {
                repeated_rate = Some(rate);
                continue;
            }
            Some(_) => {
                failed_rate = Some(rate);
                found.was_late = trial.is_late;
            }
        }
        rate = match (&found.best, failed_rate) {
            (Some((held, _)), _) if *held >= rate_max => return found,
            (Some((held, _)), None) => (held * 2.0).min(rate_max),
            (None, Some(failed)) if failed <= RATE_MIN => return found,
            (None, Some(failed)) => (failed / 2.0).max(RATE_MIN),
            (Some((held, _)), Some(failed)) if failed <= held * PRECISION => return found,
            (Some((held, _)), Some(failed)) => f64::midpoint(*held, failed),
            (None, None) => unreachable!("a trial holds or fails"),
        };
    }
    Found { stopped: Some(format!("no end after {TRIALS_MAX} trials")), ..found }
}

fn failure<T>(bound: &Bound, rate: f64, trial: &Trial<T>) -> Option<Failure> {
    let duration_s = trial.requests as f64 / trial.rate;
    let expected = (rate * duration_s).max(1.0);
    let tolerance = SHORTFALL_MAX.max(DEVIATIONS / expected.sqrt());
    if let Some(reason) = &trial.broke_off {
        Some(Failure::Clear(reason.clone()))
    } else if trial.requests == 0 {
        Some(Failure::Clear("no replies".to_owned()))
    } else if trial.errors > 0 {
        Some(Failure::Clear(format!("{} errors", trial.errors)))
    } else if trial.p99_us > bound.p99_us {
        let text = format!("p99 above {:.3} ms", bound.p99_us / 1000.0);
        let is_borderline = trial.p99_us <= bound.p99_us * BORDERLINE;
        Some(if is_borderline { Failure::Borderline(text) } else { Failure::Clear(text) })
    } else if trial.rate < rate * (1.0 - tolerance) {
        Some(Failure::Borderline("the rate was not reached".to_owned()))
    } else {
        None
    }
}

fn line<T>(rate: f64, trial: &Trial<T>, failure: Option<&Failure>) -> String {
    let verdict = match failure {
        None => "holds".to_owned(),
        Some(Failure::Borderline(reason) | Failure::Clear(reason)) => format!("fails: {reason}"),
    };
    let late = if trial.is_late { " (the generator itself was late)" } else { "" };
    let (answered, p99_ms) = (trial.rate, trial.p99_us / 1000.0);
    format!(
        "{rate:>10.0}/s offered, {answered:>10.0}/s answered, p99 {p99_ms:>9.3} ms  {verdict}{late}"
    )
}

#[cfg(test)]
#[path = "search_tests.rs"]
mod tests;
