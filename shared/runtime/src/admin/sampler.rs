//! What has happened in the last minute, second by second.
//!
//! Job: look at counters each second, and turn them into rates. In: counters. Out: series for the status
//! page. Invariant: the thread ends when its owner is dropped; a counter that starts anew makes no
//! negative rate.

use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{RecvTimeoutError, Sender, bounded};

use super::document::{Cell, Series};
use crate::{clock, memory};

/// Counters are looked at so long after each full second of the monotonic clock: what cores write down at
/// full seconds is there by then.
const LOOK_AT_MS: i64 = 125;

/// What a look begins with.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Moment {
    /// Since the look before; 1 at the first.
    pub seconds: f64,
    /// Share of the time of one core that the process has taken since then.
    pub cpu_percent: Option<f64>,
}

/// A thread that looks each second. It ends when this is dropped.
pub struct Sampler {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Sampler {
    /// Calls `look` now, and then each second.
    ///
    /// # Errors
    /// One line, when the thread cannot start.
    pub fn start(mut look: impl FnMut(Moment) + Send + 'static) -> Result<Self, String> {
        let (stop, stopped) = bounded::<()>(0);
        let run = move || {
            let mut before: Option<(i64, Duration)> = None;
            loop {
                let (now_us, time) = (clock::monotonic_us(), memory::process_cpu_time());
                let used = time.system + time.user;
                let seconds = before.map_or(1.0, |(at_us, _)| (now_us - at_us) as f64 / 1e6);
                let cpu_percent = before.map(|(_, used_before)| {
                    100.0 * used.saturating_sub(used_before).as_secs_f64() / seconds
                });
                look(Moment { seconds, cpu_percent });
                before = Some((now_us, used));
                let wait = Duration::from_millis(wait_ms(clock::monotonic_ms()));
                if stopped.recv_timeout(wait) != Err(RecvTimeoutError::Timeout) {
                    return;
                }
            }
        };
        let thread = std::thread::Builder::new().name("sampler".into()).spawn(run);
        let thread = thread.map_err(|error| format!("cannot start the sampler thread: {error}"))?;
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }
}

/// From `now_ms` to the next look, or to the one after it if it would come in less than half a second.
fn wait_ms(now_ms: i64) -> u64 {
    let since = (now_ms - LOOK_AT_MS).rem_euclid(1000) as u64;
    if since > 500 { 2000 - since } else { 1000 - since }
}

impl Drop for Sampler {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic there has been reported by the panic hook.
            let _ = thread.join();
        }
    }
}

/// A counter as a rate.
#[derive(Debug, Clone, Default)]
pub struct Rate {
    before: Option<u64>,
    series: Series,
}

impl Rate {
    /// The counter's value now, `seconds` after the last one.
    pub fn sample(&mut self, count: u64, seconds: f64) {
        if let Some(before) = self.before {
            // What was removed and added again counts from 0.
            let grown = count.checked_sub(before).unwrap_or(count);
            self.series.push(grown as f64 / seconds);
        }
        self.before = Some(count);
    }

    /// All rates that are kept.
    #[must_use]
    pub fn series(&self) -> &Series {
        &self.series
    }

    /// The rate with those before.
    #[must_use]
    pub fn cell(&self) -> Cell {
        self.series.cell()
    }

    /// The rate of the last second.
    #[must_use]
    pub fn now(&self) -> Cell {
        match self.series.cell() {
            Cell::Series { value, .. } => Cell::Number(value),
            other => other,
        }
    }

    /// All rates that are kept, added up.
    #[must_use]
    pub fn sum(&self) -> f64 {
        self.series.sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_that_starts_anew_makes_no_negative_rate() {
        let mut rate = Rate::default();
        rate.sample(100, 1.0);
        assert_eq!(rate.cell(), Cell::Nothing);
        rate.sample(4, 1.0);
        assert_eq!(rate.now(), Cell::Number(4.0));
    }

    #[test]
    fn looks_come_at_the_same_place_in_each_second() {
        for now_ms in [0, 124, 125, 126, 500, 625, 626, 999, 1000] {
            let wait = wait_ms(now_ms);
            assert_eq!((now_ms + wait as i64) % 1000, LOOK_AT_MS, "{now_ms}");
            assert!((500..1500).contains(&wait), "{now_ms}: {wait}");
        }
    }

    #[test]
    fn it_looks_and_ends() {
        let (looked, looks) = bounded(1);
        let sampler = Sampler::start(move |moment| {
            // Later looks find no room.
            let _ = looked.try_send(moment);
        });
        let first = looks.recv().expect("a look");
        assert_eq!(first, Moment { seconds: 1.0, cpu_percent: None });
        drop(sampler.expect("a thread"));
        assert!(looks.recv().is_err(), "nobody looks any more");
    }
}
