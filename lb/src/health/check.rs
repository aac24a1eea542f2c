//! The state of one active check: what its results mean, and when the next one is due.
//!
//! Job: rise and fall, and the choice between the three intervals. In: starts, results, and
//! requests for an immediate check. Out: changes of the state, and the time of the next check.
//! Invariant: between two starts lies at least the shortest interval less its jitter, whatever asks
//! for checks; a check that was late (a stalled core) is made once and not caught up with.
//!
//! A server counts as up until its first result, and that result alone decides, as in HAProxy: a
//! dead server is found at the first look and not after `fall` of them, and a healthy one does not
//! wait. Later `fall` bad results in a row put it down and `rise` good ones in a row up again.

use ringlet_base::random::Random;

use crate::model::Check;
use crate::state::Checked;

/// When checks are due and what their results take.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
struct Timing {
    interval_ms: u32,
    fast_interval_ms: u32,
    down_interval_ms: u32,
    timeout_ms: u32,
    rise: u8,
    fall: u8,
    jitter_percent: u8,
}

/// One active check, kept by the core that owns it.
#[derive(Clone, Debug)]
pub struct CheckState {
    timing: Timing,
    checked: Checked,
    /// Results in a row that speak against `checked`.
    contrary: u8,
    /// Of the running check, or of the last one.
    started_ms: i64,
    next_ms: i64,
    is_running: bool,
    /// Something went wrong while a check was running: its result may be older than that.
    is_hurried: bool,
}

/// A server is seen in another way from now on.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// What it was; [`Checked::Unknown`] before the first result.
    pub from: Checked,
    /// What it is, up or down.
    pub to: Checked,
}

impl CheckState {
    /// A check without results. The first one is due at once, later only by a jitter so that the
    /// checks of many servers do not all begin together.
    #[must_use]
    pub fn new(check: &Check, now_ms: i64, random: &mut Random) -> Self {
        let timing = Timing {
            interval_ms: check.interval_ms,
            fast_interval_ms: check.fast_interval_ms,
            down_interval_ms: check.down_interval_ms,
            timeout_ms: check.timeout_ms,
            rise: check.rise,
            fall: check.fall,
            jitter_percent: check.jitter_percent.min(100),
        };
        let mut state = Self {
            timing,
            checked: Checked::Unknown,
            contrary: 0,
            started_ms: i64::MIN,
            next_ms: now_ms,
            is_running: false,
            is_hurried: false,
        };
        state.restart(now_ms, random);
        state
    }

    /// Forgets all results, as when the server comes back from maintenance: it counts as up, and
    /// the next result, due at once, decides. The result of a running check is lost.
    pub fn restart(&mut self, now_ms: i64, random: &mut Random) {
        self.checked = Checked::Unknown;
        self.contrary = 0;
        self.is_running = false;
        self.is_hurried = false;
        let delay_ms = random.below(self.jitter_ms(self.timing.interval_ms) + 1);
        self.next_ms = now_ms.saturating_add(delay_ms as i64);
    }

    /// What the results say.
    #[must_use]
    pub fn checked(&self) -> Checked {
        self.checked
    }

    /// When to begin the next check; `None` while one is running.
    #[must_use]
    pub fn next_check_ms(&self) -> Option<i64> {
        (!self.is_running).then_some(self.next_ms)
    }

    /// When the running check has failed for lack of an answer.
    #[must_use]
    pub fn deadline_ms(&self) -> Option<i64> {
        self.is_running.then(|| after(self.started_ms, self.timing.timeout_ms))
    }

    /// When the running check, or else the last one, began; `i64::MIN` before the first.
    #[must_use]
    pub fn started_ms(&self) -> i64 {
        self.started_ms
    }

    /// A check begins.
    pub fn on_start(&mut self, now_ms: i64) {
        self.started_ms = now_ms;
        self.is_running = true;
        self.is_hurried = false;
    }

    /// The running check has ended, by an answer, a failure to connect or its deadline. A result of
    /// which no check is known to run (it was given up by [`restart`](Self::restart)) means
    /// nothing.
    pub fn on_result(
        &mut self,
        now_ms: i64,
        has_passed: bool,
        random: &mut Random,
    ) -> Option<Change> {
        if !std::mem::replace(&mut self.is_running, false) {
            return None;
        }
        let change = self.judge(has_passed);
        self.plan_next(now_ms, random);
        change
    }

    /// The check that was begun could not be made, for reasons that are not the server's.
    pub fn on_no_result(&mut self, now_ms: i64, random: &mut Random) {
        self.is_running = false;
        self.plan_next(now_ms, random);
    }

    /// From start to start, so that slow answers do not make checks rarer.
    fn plan_next(&mut self, now_ms: i64, random: &mut Random) {
        let interval_ms = self.interval_ms(random);
        self.next_ms = after(self.started_ms, interval_ms).max(now_ms);
    }

    /// Asks for a check as soon as possible, because requests have failed. What is down already is
    /// not looked at more often for that: its requests are expected to fail.
    pub fn hurry(&mut self, now_ms: i64) {
        if self.checked == Checked::Down {
            return;
        }
        if self.is_running {
            self.is_hurried = true;
        }
        let soonest_ms = after(self.started_ms, self.timing.fast_interval_ms).max(now_ms);
        self.next_ms = self.next_ms.min(soonest_ms);
    }

    fn judge(&mut self, has_passed: bool) -> Option<Change> {
        let (to, needed) = match has_passed {
            true => (Checked::Up, self.timing.rise),
            false => (Checked::Down, self.timing.fall),
        };
        if self.checked == to {
            self.contrary = 0;
            return None;
        }
        self.contrary = self.contrary.saturating_add(1);
        if self.checked != Checked::Unknown && self.contrary < needed {
            return None;
        }
        self.contrary = 0;
        Some(Change { from: std::mem::replace(&mut self.checked, to), to })
    }

    /// Until the next check, varied at random.
    fn interval_ms(&self, random: &mut Random) -> u32 {
        let interval_ms = if self.contrary > 0 || self.is_hurried {
            self.timing.fast_interval_ms
        } else if self.checked == Checked::Down {
            self.timing.down_interval_ms
        } else {
            self.timing.interval_ms
        };
        let jitter_ms = self.jitter_ms(interval_ms);
        let varied_ms = u64::from(interval_ms) - jitter_ms + random.below(2 * jitter_ms + 1);
        u32::try_from(varied_ms).unwrap_or(u32::MAX).max(1)
    }

    /// The most that an interval varies in one direction.
    fn jitter_ms(&self, interval_ms: u32) -> u64 {
        u64::from(interval_ms) * u64::from(self.timing.jitter_percent) / 100
    }
}

fn after(time_ms: i64, duration_ms: u32) -> i64 {
    time_ms.saturating_add(i64::from(duration_ms))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::CheckKind;

    const CHECK: Check = Check {
        kind: CheckKind::Tcp,
        interval_ms: 2000,
        fast_interval_ms: 500,
        down_interval_ms: 5000,
        timeout_ms: 1000,
        rise: 2,
        fall: 3,
        jitter_percent: 0,
        port: None,
    };
    const UP: Option<Change> = Some(Change { from: Checked::Down, to: Checked::Up });
    const DOWN: Option<Change> = Some(Change { from: Checked::Up, to: Checked::Down });

    /// A check with its clock, which stands where the next check is due.
    struct Run {
        state: CheckState,
        random: Random,
        now_ms: i64,
    }

    impl Run {
        fn new(check: &Check) -> Self {
            let mut random = Random::new(1);
            Self { state: CheckState::new(check, 0, &mut random), random, now_ms: 0 }
        }

        /// Makes the next check, answered at once.
        fn result(&mut self, has_passed: bool) -> Option<Change> {
            self.now_ms = self.state.next_check_ms().expect("no check runs");
            self.state.on_start(self.now_ms);
            self.state.on_result(self.now_ms, has_passed, &mut self.random)
        }

        /// From the last start to the next.
        fn interval_ms(&self) -> i64 {
            self.state.next_check_ms().expect("no check runs") - self.now_ms
        }
    }

    #[test]
    fn the_first_result_alone_decides() {
        for (has_passed, to) in [(true, Checked::Up), (false, Checked::Down)] {
            let mut run = Run::new(&CHECK);
            assert_eq!(run.state.checked(), Checked::Unknown);
            assert_eq!(run.state.next_check_ms(), Some(0), "without jitter it is due at once");
            assert_eq!(run.result(has_passed), Some(Change { from: Checked::Unknown, to }));
            assert_eq!(run.state.checked(), to);
        }
    }

    #[test]
    fn only_results_in_a_row_change_the_state() {
        let mut run = Run::new(&CHECK);
        run.result(true);
        // Flapping below `fall` and below `rise` changes nothing.
        for _ in 0..50 {
            assert_eq!([false, false, true].map(|passed| run.result(passed)), [None; 3]);
        }
        assert_eq!([false, false, false].map(|passed| run.result(passed)), [None, None, DOWN]);
        for _ in 0..50 {
            assert_eq!([true, false].map(|passed| run.result(passed)), [None; 2]);
        }
        assert_eq!([true, true].map(|passed| run.result(passed)), [None, UP]);
        // The bad results of before are forgotten.
        assert_eq!([false, false, false].map(|passed| run.result(passed)), [None, None, DOWN]);
    }

    #[test]
    fn a_check_that_could_not_be_made_says_nothing_and_is_made_later() {
        let mut run = Run::new(&CHECK);
        run.result(true);
        assert_eq!([false, false].map(|passed| run.result(passed)), [None; 2]);
        for _ in 0..50 {
            run.now_ms = run.state.next_check_ms().expect("no check runs");
            run.state.on_start(run.now_ms);
            run.state.on_no_result(run.now_ms, &mut run.random);
            assert_eq!((run.state.checked(), run.interval_ms()), (Checked::Up, 500));
        }
        assert_eq!(run.result(false), DOWN, "what was counted before still counts");
    }

    #[test]
    fn a_possible_change_is_looked_at_in_the_fast_interval() {
        let mut run = Run::new(&CHECK);
        let mut seen = Vec::new();
        for has_passed in
            [true, true, false, true, false, false, false, false, true, false, true, true]
        {
            run.result(has_passed);
            seen.push(run.interval_ms());
        }
        let expected = [2000, 2000, 500, 2000, 500, 500, 5000, 5000, 500, 5000, 500, 2000];
        assert_eq!(seen, expected);
    }

    #[test]
    fn rise_and_fall_of_nothing_are_one() {
        let mut run = Run::new(&Check { rise: 0, fall: 0, ..CHECK });
        run.result(true);
        assert_eq!([run.result(false), run.result(true)], [DOWN, UP]);
        assert_eq!(run.state.checked(), Checked::Up);
    }

    #[test]
    fn jitter_stays_in_its_bounds_and_reaches_them() {
        let seed = 0x5eed_c4ec;
        println!("seed {seed:#x}");
        let check = Check { interval_ms: 1000, jitter_percent: 10, ..CHECK };
        let mut run = Run::new(&check);
        run.random = Random::new(seed);
        let mut intervals_ms = Vec::new();
        for _ in 0..20_000 {
            run.result(true);
            intervals_ms.push(run.interval_ms());
        }
        assert_eq!(intervals_ms.iter().min(), Some(&900));
        assert_eq!(intervals_ms.iter().max(), Some(&1100));
        let mean_ms = intervals_ms.iter().sum::<i64>() / 20_000;
        assert!((995..=1005).contains(&mean_ms), "the mean stays: {mean_ms}");
        let mut random = Random::new(seed);
        let firsts: Vec<i64> = (0..2000)
            .filter_map(|_| CheckState::new(&check, 7, &mut random).next_check_ms())
            .collect();
        assert_eq!((firsts.iter().min(), firsts.iter().max()), (Some(&7), Some(&107)));
    }

    #[test]
    fn the_widest_jitter_never_makes_an_interval_of_nothing() {
        let mut run = Run::new(&Check { interval_ms: 3, jitter_percent: 255, ..CHECK });
        for _ in 0..500 {
            run.result(true);
            assert!((1..=6).contains(&run.interval_ms()), "{}", run.interval_ms());
        }
    }

    #[test]
    fn a_slow_answer_delays_no_check_and_a_late_one_is_not_caught_up_with() {
        let mut run = Run::new(&CHECK);
        run.state.on_start(0);
        assert_eq!((run.state.next_check_ms(), run.state.deadline_ms()), (None, Some(1000)));
        run.state.on_result(900, true, &mut run.random);
        assert_eq!((run.state.next_check_ms(), run.state.deadline_ms()), (Some(2000), None));
        // The core stalls for a minute: one check at once, and then the usual interval.
        run.state.on_start(60_000);
        run.state.on_result(60_001, true, &mut run.random);
        assert_eq!(run.state.next_check_ms(), Some(62_000));
        // An answer later than the interval is followed by a check at once, never by one in the
        // past.
        run.state.on_start(62_000);
        run.state.on_result(65_000, true, &mut run.random);
        assert_eq!(run.state.next_check_ms(), Some(65_000));
    }

    #[test]
    fn failing_requests_bring_a_check_at_once_but_no_storm() {
        let mut run = Run::new(&CHECK);
        run.result(true);
        run.state.hurry(100);
        assert_eq!(run.state.next_check_ms(), Some(500), "not sooner than the fast interval");
        run.state.hurry(1200);
        assert_eq!(run.state.next_check_ms(), Some(500), "nor later than it was due");
        run.result(true);
        run.state.hurry(1200);
        assert_eq!(run.state.next_check_ms(), Some(1200));
        // A hundred thousand failures in ten seconds cause no more than the fast interval allows.
        let mut checks = 0;
        for now_ms in 2000..12_000 {
            (0..10).for_each(|_| run.state.hurry(now_ms));
            if run.state.next_check_ms().is_some_and(|due_ms| due_ms <= now_ms) {
                run.state.on_start(now_ms);
                run.state.on_result(now_ms, true, &mut run.random);
                checks += 1;
            }
        }
        assert_eq!(checks, 20);
    }

    #[test]
    fn a_failure_during_a_check_brings_another_and_a_down_server_none() {
        let mut run = Run::new(&CHECK);
        run.result(true);
        run.state.on_start(2000);
        run.state.hurry(2001);
        assert_eq!(run.state.next_check_ms(), None, "one at a time");
        run.state.on_result(2002, true, &mut run.random);
        assert_eq!(
            run.state.next_check_ms(),
            Some(2500),
            "the result may be older than the failure"
        );
        run.result(false);
        run.result(false);
        assert_eq!(run.result(false), DOWN);
        let due_ms = run.state.next_check_ms();
        run.state.hurry(run.now_ms + 1);
        assert_eq!(run.state.next_check_ms(), due_ms);
    }

    #[test]
    fn after_maintenance_the_next_result_decides_again() {
        let mut run = Run::new(&CHECK);
        run.result(false);
        run.state.on_start(5000);
        run.state.restart(5100, &mut run.random);
        assert_eq!(run.state.checked(), Checked::Unknown);
        assert_eq!(run.state.on_result(5200, false, &mut run.random), None, "it was given up");
        assert_eq!(
            (run.state.checked(), run.state.next_check_ms()),
            (Checked::Unknown, Some(5100))
        );
        assert_eq!(run.result(true), Some(Change { from: Checked::Unknown, to: Checked::Up }));
    }

    #[test]
    fn the_clock_may_go_on_for_long() {
        let mut run = Run::new(&Check { jitter_percent: 50, ..CHECK });
        // Ten years on, and at the very end of time, nothing overflows.
        for now_ms in [315_360_000_000, i64::MAX - 1, i64::MAX] {
            run.state.on_start(now_ms);
            run.state.hurry(now_ms);
            run.state.on_result(now_ms, true, &mut run.random);
            assert!(run.state.next_check_ms().is_some_and(|due_ms| due_ms >= now_ms));
        }
    }
}
