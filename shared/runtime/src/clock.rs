//! The clocks of the process, and the only place that reads them.
//!
//! Job: cheap ticks to time single commands, the monotonic clock for timers, and the wall clock
//! for expiry times. In: nothing. Out: plain numbers, which everything else gets as values.
//! Invariant: ticks and the monotonic clock never run backwards on a thread; a tick difference
//! converts to time within about 0.01 %.
//!
//! On x86-64 a tick is one step of the time stamp counter (about 20 cycles to read, no call), when
//! the kernel itself trusts that counter; otherwise it is a nanosecond of CLOCK_MONOTONIC.

use std::time::{SystemTime, UNIX_EPOCH};

/// How long the counter is compared with the monotonic clock at start, in nanoseconds. Each end is
/// known to some 50 ns, so 10 ms leave an error of about 0.001 %.
const CALIBRATION_NS: u64 = 10_000_000;
/// Of so many readings at each end of the calibration the one with the least delay counts.
const CALIBRATION_READINGS: usize = 16;
/// Ticks are converted by a multiplication with this many fraction bits.
const FRACTION_BITS: u32 = 32;
/// Frequencies outside of this range (in ticks per second) mean that the counter is not one.
const PLAUSIBLE_HZ: std::ops::RangeInclusive<u64> = 100_000_000..=20_000_000_000;

/// Converts and reads ticks. Calibrate once per process, then copy it to every core.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TickClock {
    /// Nanoseconds per tick, with `FRACTION_BITS` fraction bits.
    nanoseconds_per_tick: u64,
    counter: bool,
}

impl TickClock {
    /// Chooses the source of ticks and measures its frequency. Takes about 10 ms.
    #[must_use]
    pub fn calibrate() -> Self {
        if counter::is_trustworthy() {
            Self::measure().unwrap_or(Self::MONOTONIC)
        } else {
            Self::MONOTONIC
        }
    }

    /// Ticks that are nanoseconds of the monotonic clock.
    const MONOTONIC: Self = Self { nanoseconds_per_tick: 1 << FRACTION_BITS, counter: false };

    /// Compares the counter with the monotonic clock. `None` when the result is implausible.
    fn measure() -> Option<Self> {
        let (start_ticks, start_ns) = pair();
        std::thread::sleep(std::time::Duration::from_nanos(CALIBRATION_NS));
        let (end_ticks, end_ns) = pair();
        let ticks = u128::from(end_ticks.checked_sub(start_ticks)?);
        let nanoseconds = u128::from(end_ns - start_ns);
        let hertz = (ticks * 1_000_000_000).checked_div(nanoseconds)?;
        if !u64::try_from(hertz).is_ok_and(|hertz| PLAUSIBLE_HZ.contains(&hertz)) {
            return None;
        }
        let nanoseconds_per_tick = u64::try_from((nanoseconds << FRACTION_BITS) / ticks).ok()?;
        Some(Self { nanoseconds_per_tick, counter: true })
    }

    /// The current ticks. Only differences mean something, within one process.
    #[inline]
    #[must_use]
    pub fn now(&self) -> u64 {
        if self.counter { counter::read() } else { monotonic_ns() }
    }

    /// The ticks since `started`. Zero if that seems to be later: the counters of two processors
    /// may differ by a little, and a thread may change from one to the other.
    #[inline]
    #[must_use]
    pub fn since(&self, started: u64) -> u64 {
        self.now().saturating_sub(started)
    }

    /// The nanoseconds of a difference in ticks.
    #[inline]
    #[must_use]
    pub fn to_nanoseconds(&self, ticks: u64) -> u64 {
        let nanoseconds =
            (u128::from(ticks) * u128::from(self.nanoseconds_per_tick)) >> FRACTION_BITS;
        u64::try_from(nanoseconds).unwrap_or(u64::MAX)
    }

    /// The microseconds of a difference in ticks, rounded down.
    #[inline]
    #[must_use]
    pub fn to_microseconds(&self, ticks: u64) -> u64 {
        self.to_nanoseconds(ticks) / 1000
    }

    /// Whether ticks come from the processor's counter, and not from a system call.
    #[must_use]
    pub fn uses_counter(&self) -> bool {
        self.counter
    }
}

/// The counter and the monotonic clock at the same moment, as nearly as can be: the reading of
/// the counter that lies between the two closest readings of the clock.
fn pair() -> (u64, u64) {
    let mut best = (u64::MAX, 0, 0);
    for _ in 0..CALIBRATION_READINGS {
        let before = monotonic_ns();
        let ticks = counter::read();
        let after = monotonic_ns();
        if after - before < best.0 {
            best = (after - before, ticks, before + (after - before) / 2);
        }
    }
    (best.1, best.2)
}

#[cfg(target_arch = "x86_64")]
mod counter {
    //! The time stamp counter of x86-64.

    use std::arch::x86_64::_rdtsc;

    const CLOCK_SOURCE: &str = "/sys/devices/system/clocksource/clocksource0/current_clocksource";

    /// Reads the counter. It may be read some instructions early or late: fine for durations.
    #[inline]
    pub fn read() -> u64 {
        // SAFETY: every x86-64 processor has RDTSC, and Linux does not trap it by default.
        unsafe { _rdtsc() }
    }

    /// Whether the counter has one constant rate on all processors: the kernel keeps time by it,
    /// or it keeps time by a page that a hypervisor derives from it and the processor promises
    /// that it never stops.
    pub fn is_trustworthy() -> bool {
        let source = std::fs::read_to_string(CLOCK_SOURCE).unwrap_or_default();
        match source.trim() {
            "tsc" => true,
            "kvm-clock" | "hyperv_clocksource_tsc_page" | "" => is_invariant(),
            _ => false,
        }
    }

    /// Whether the processor promises a counter of constant rate that runs in every idle state.
    fn is_invariant() -> bool {
        let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let flags = text.lines().find(|line| line.starts_with("flags")).unwrap_or_default();
        ["constant_tsc", "nonstop_tsc"]
            .iter()
            .all(|wanted| flags.split_whitespace().any(|flag| flag == *wanted))
    }

    #[cfg(test)]
    mod tests {
        #[test]
        fn a_kernel_that_keeps_time_by_the_counter_names_its_flags() {
            let source = std::fs::read_to_string(super::CLOCK_SOURCE).unwrap_or_default();
            assert!(source.trim() != "tsc" || super::is_invariant());
        }
    }
}

#[cfg(not(target_arch = "x86_64"))]
mod counter {
    //! No counter: the monotonic clock serves.

    pub fn read() -> u64 {
        super::monotonic_ns()
    }

    pub fn is_trustworthy() -> bool {
        false
    }
}

/// Nanoseconds of CLOCK_MONOTONIC: since some moment before the process, never backwards.
#[inline]
#[must_use]
pub fn monotonic_ns() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is valid for a write, and the clock exists on every Linux.
    let result = unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut time) };
    assert!(result == 0, "CLOCK_MONOTONIC cannot be read");
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// Microseconds of CLOCK_MONOTONIC.
#[inline]
#[must_use]
pub fn monotonic_us() -> i64 {
    (monotonic_ns() / 1_000) as i64
}

/// Milliseconds of CLOCK_MONOTONIC.
#[inline]
#[must_use]
pub fn monotonic_ms() -> i64 {
    (monotonic_ns() / 1_000_000) as i64
}

/// Microseconds since 1970-01-01 UTC; negative on a clock that is set before.
#[inline]
#[must_use]
pub fn wall_clock_us() -> i64 {
    match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(since) => since.as_micros() as i64,
        Err(before) => -(before.duration().as_micros() as i64),
    }
}

/// Milliseconds since 1970-01-01 UTC; negative on a clock that is set before.
#[inline]
#[must_use]
pub fn wall_clock_ms() -> i64 {
    wall_clock_us().div_euclid(1000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, Instant};

    #[test]
    fn ticks_agree_with_the_monotonic_clock() {
        for clock in [TickClock::calibrate(), TickClock::MONOTONIC] {
            let (start_ns, start) = (monotonic_ns(), clock.now());
            std::thread::sleep(Duration::from_millis(50));
            let (end, end_ns) = (clock.now(), monotonic_ns());
            // The ticks were read inside of the other interval; a preemption between the readings
            // makes that one longer, so only the upper bound is sharp.
            let (measured, outer) = (clock.to_nanoseconds(end - start), end_ns - start_ns);
            assert!(measured <= outer + outer / 2000, "{measured} of {outer} ns, {clock:?}");
            assert!(measured >= 45_000_000, "{measured} ns in a sleep of 50 ms, {clock:?}");
            assert_eq!(clock.to_microseconds(end - start), measured / 1000);
        }
    }

    #[test]
    fn ticks_never_run_backwards_on_a_thread() {
        let clock = TickClock::calibrate();
        let mut last = clock.now();
        for _ in 0..100_000 {
            let now = clock.now();
            assert!(now >= last);
            last = now;
        }
    }

    #[test]
    fn a_start_that_seems_to_be_later_was_just_now() {
        let clock = TickClock::calibrate();
        let started = clock.now();
        assert!(clock.since(started) <= clock.now() - started);
        assert_eq!(clock.since(started + (1 << 60)), 0);
    }

    #[test]
    fn conversion_is_exact_at_known_rates_and_never_overflows() {
        let half = TickClock { nanoseconds_per_tick: 1 << (FRACTION_BITS - 1), counter: true };
        assert_eq!(half.to_nanoseconds(2_000_000_001), 1_000_000_000);
        assert_eq!(half.to_microseconds(3_999), 1);
        let slow = TickClock { nanoseconds_per_tick: 4 << FRACTION_BITS, counter: true };
        assert_eq!(slow.to_nanoseconds(u64::MAX), u64::MAX);
        assert_eq!(TickClock::MONOTONIC.to_nanoseconds(u64::MAX), u64::MAX);
    }

    #[test]
    fn the_counter_is_used_where_the_kernel_uses_it() {
        let path = "/sys/devices/system/clocksource/clocksource0/current_clocksource";
        let source = std::fs::read_to_string(path).unwrap_or_default();
        if cfg!(target_arch = "x86_64") && source.trim() == "tsc" {
            assert!(TickClock::calibrate().uses_counter());
        }
    }

    #[test]
    fn clocks_agree_in_their_units() {
        let (ns, us, ms) = (monotonic_ns(), monotonic_us(), monotonic_ms());
        assert!(us >= (ns / 1_000) as i64 && us < (ns / 1_000) as i64 + 5_000_000);
        assert!(ms >= us / 1000 && ms < us / 1000 + 5_000);
        let start = Instant::now();
        let first = wall_clock_us();
        let second = wall_clock_ms();
        assert!(second >= first / 1000);
        assert!(second - first / 1000 <= start.elapsed().as_millis() as i64 + 1_000);
        assert!(first > 1_700_000_000_000_000, "the wall clock is past 2023");
    }
}
