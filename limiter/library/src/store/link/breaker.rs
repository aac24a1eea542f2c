//! Whether a server is worth asking.
//!
//! Job: after a few failures in a row, or a lost connection, ask nothing for a while; then try once, and
//! wait longer each time that fails. In: what became of calls, the time. Out: closed or not, a trial due
//! or not. Invariant: at most one trial at a time; the pauses grow from `PAUSE_MIN_MS` to `PAUSE_MAX_MS`
//! and are jittered, so that the limiters do not all come back in one instant.

use ringlet_base::random::Random;

use crate::time::NS_PER_MS;

const FAILURES_MAX: u32 = 3;
const PAUSE_MIN_MS: u64 = 50;
const PAUSE_MAX_MS: u64 = 2000;

/// The state of one server.
#[derive(Debug)]
pub(super) struct Breaker {
    state: State,
    failures: u32,
    /// Pauses since the last call that succeeded. A trial does not set it back: a server that tells the
    /// time and refuses every call is as sick as a silent one.
    pauses: u32,
}

#[derive(Copy, Clone, Debug, PartialEq, Eq)]
enum State {
    Closed,
    Open { until_ns: u64 },
    Trial { since_ns: u64, deadline_ns: u64 },
}

impl Breaker {
    /// Open, with the first trial due at once.
    pub(super) fn new() -> Self {
        Self { state: State::Open { until_ns: 0 }, failures: 0, pauses: 0 }
    }

    /// Whether calls may go.
    pub(super) fn is_closed(&self) -> bool {
        self.state == State::Closed
    }

    /// Whether a trial is to begin.
    pub(super) fn is_due(&self, now_ns: u64) -> bool {
        matches!(self.state, State::Open { until_ns } if until_ns <= now_ns)
    }

    /// A trial begins.
    pub(super) fn begin_trial(&mut self, now_ns: u64, timeout_ms: u64) {
        let deadline_ns = now_ns.saturating_add(timeout_ms.saturating_mul(NS_PER_MS));
        self.state = State::Trial { since_ns: now_ns, deadline_ns };
    }

    /// Whether the trial has taken too long.
    pub(super) fn is_overdue(&self, now_ns: u64) -> bool {
        matches!(self.state, State::Trial { deadline_ns, .. } if deadline_ns <= now_ns)
    }

    /// Whether an answer now to what was asked at `sent_ns` is one to the trial, and in time.
    pub(super) fn is_passed_by(&self, sent_ns: u64, now_ns: u64) -> bool {
        matches!(self.state, State::Trial { since_ns, deadline_ns }
            if since_ns <= sent_ns && now_ns < deadline_ns)
    }

    /// The trial went well.
    pub(super) fn close(&mut self) {
        self.state = State::Closed;
        self.failures = 0;
    }

    /// A call was answered in time.
    pub(super) fn on_success(&mut self) {
        self.failures = 0;
        if self.is_closed() {
            self.pauses = 0;
        }
    }

    /// A call was not answered in time, or the server said that it is sick.
    pub(super) fn on_failure(&mut self, now_ns: u64, random: &mut Random) {
        self.failures += 1;
        if self.is_closed() && self.failures >= FAILURES_MAX {
            self.open(now_ns, random);
        }
    }

    /// The connection is lost, or a trial went wrong.
    pub(super) fn open(&mut self, now_ns: u64, random: &mut Random) {
        let whole_ms = PAUSE_MIN_MS.saturating_mul(1 << self.pauses.min(16)).min(PAUSE_MAX_MS);
        self.pauses = self.pauses.saturating_add(1);
        self.failures = 0;
        let whole_ns = whole_ms * NS_PER_MS;
        let pause_ns = whole_ns / 2 + random.below(whole_ns / 2 + 1);
        self.state = State::Open { until_ns: now_ns.saturating_add(pause_ns) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_failures_in_a_row_open_it_and_two_do_not() {
        let (mut breaker, mut random) = (Breaker::new(), Random::new(1));
        breaker.close();
        for _ in 0..10 {
            breaker.on_failure(5, &mut random);
            breaker.on_failure(5, &mut random);
            breaker.on_success();
        }
        assert!(breaker.is_closed());
        for _ in 0..3 {
            breaker.on_failure(5, &mut random);
        }
        assert!(!breaker.is_closed() && !breaker.is_due(5));
    }

    /// Milliseconds from now until the trial is due.
    fn pause_ms(breaker: &Breaker) -> u64 {
        (0..).find(|ms| breaker.is_due(ms * NS_PER_MS)).expect("a trial comes")
    }

    #[test]
    fn pauses_double_to_a_bound_and_are_jittered() {
        let (mut breaker, mut random) = (Breaker::new(), Random::new(7));
        for whole_ms in [50, 100, 200, 400, 800, 1600, 2000, 2000, 2000] {
            breaker.open(0, &mut random);
            let pause_ms = pause_ms(&breaker);
            assert!((whole_ms / 2..=whole_ms).contains(&pause_ms), "{pause_ms} of {whole_ms}");
        }
        let mut others: Vec<u64> = (0..20)
            .map(|seed| {
                let mut breaker = Breaker::new();
                breaker.open(0, &mut Random::new(seed));
                pause_ms(&breaker)
            })
            .collect();
        others.sort_unstable();
        others.dedup();
        assert!(others.len() > 5, "{others:?}");
        // A trial that goes well does not shorten the pauses; a call that does, does.
        breaker.close();
        breaker.open(0, &mut random);
        assert!(pause_ms(&breaker) >= 1000);
        breaker.close();
        breaker.on_success();
        breaker.open(0, &mut random);
        assert!(pause_ms(&breaker) <= 50);
    }

    #[test]
    fn only_the_trials_own_answer_in_time_passes_it() {
        let mut breaker = Breaker::new();
        assert!(breaker.is_due(0));
        breaker.begin_trial(100, 1);
        assert!(!breaker.is_due(100) && !breaker.is_closed());
        assert!(!breaker.is_passed_by(99, 200), "asked before the trial");
        assert!(breaker.is_passed_by(100, 200));
        assert!(!breaker.is_passed_by(100, 100 + NS_PER_MS), "late");
        assert!(breaker.is_overdue(100 + NS_PER_MS) && !breaker.is_overdue(99 + NS_PER_MS));
    }
}
