//! When and how often an entry was used: Redis's 24 access bits, as clock (LRU) or counter (LFU).
//!
//! In: the bits of an entry and the time. Out: new bits, idle time, frequency.
//! Invariant: all results fit 24 bits. Which of the two meanings the bits have is the caller's
//! choice (`maxmemory-policy`), for all entries alike.
//!
//! LFU bits: 16 bits of minutes when the counter last fell, then 8 bits of a logarithmic counter.

use ringlet_base::random::Random;

/// The greatest value of the bits; also of the LRU clock.
pub const ACCESS_MAX: u32 = (1 << 24) - 1;
/// One step of the LRU clock.
const LRU_STEP_MS: i64 = 1000;
const MINUTE_MS: i64 = 60_000;
/// The counter of a new entry: not so low that it is evicted at once.
const LFU_INITIAL: u32 = 5;
const LFU_COUNTER_MAX: u32 = 255;

/// The LRU clock at a time: seconds modulo 2^24.
#[must_use]
pub const fn lru_clock(now_ms: i64) -> u32 {
    (now_ms / LRU_STEP_MS) as u32 & ACCESS_MAX
}

/// Milliseconds since the access that left these LRU bits, in steps of a second.
#[must_use]
pub const fn lru_idle_ms(access: u32, now_ms: i64) -> u64 {
    let passed = lru_clock(now_ms).wrapping_sub(access) & ACCESS_MAX;
    passed as u64 * LRU_STEP_MS as u64
}

const fn minutes(now_ms: i64) -> u32 {
    (now_ms / MINUTE_MS) as u32 & 0xFFFF
}

/// The LFU bits of a new entry.
#[must_use]
pub const fn lfu_initial(now_ms: i64) -> u32 {
    minutes(now_ms) << 8 | LFU_INITIAL
}

/// The counter after it has fallen by one per `lfu-decay-time` minutes (0: never falls). What
/// `OBJECT FREQ` reports.
#[must_use]
pub const fn lfu_frequency(access: u32, now_ms: i64, decay_minutes: u32) -> u32 {
    let counter = access & LFU_COUNTER_MAX;
    let passed = minutes(now_ms).wrapping_sub(access >> 8) & 0xFFFF;
    match passed.checked_div(decay_minutes) {
        Some(periods) => counter.saturating_sub(periods),
        None => counter,
    }
}

/// The LFU bits after one more access: the counter falls first, then grows with a chance that
/// shrinks as it is higher (`lfu-log-factor`).
#[must_use]
pub fn lfu_touch(
    access: u32,
    now_ms: i64,
    log_factor: u32,
    decay_minutes: u32,
    random: &mut Random,
) -> u32 {
    let mut counter = lfu_frequency(access, now_ms, decay_minutes);
    if counter < LFU_COUNTER_MAX {
        let above = f64::from(counter.saturating_sub(LFU_INITIAL));
        if random.fraction() < 1.0 / (above * f64::from(log_factor) + 1.0) {
            counter += 1;
        }
    }
    minutes(now_ms) << 8 | counter
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn idle_time_survives_the_wrap_of_the_clock() {
        let wrap_ms = (i64::from(ACCESS_MAX) + 1) * 1000;
        let access = lru_clock(wrap_ms - 5000);
        assert_eq!(access, ACCESS_MAX - 4);
        assert_eq!(lru_idle_ms(access, wrap_ms - 5000), 0);
        assert_eq!(lru_idle_ms(access, wrap_ms + 2999), 7000);
    }

    #[test]
    fn the_counter_falls_with_time_and_grows_slower_when_higher() {
        let access = lfu_initial(60_000 * 0xFFFF);
        assert_eq!(lfu_frequency(access, 60_000 * 0xFFFF, 1), 5);
        assert_eq!(lfu_frequency(access, 60_000 * 0x1_0001, 1), 3, "the minutes wrap at 2^16");
        assert_eq!(lfu_frequency(access, 60_000 * 0x1_0001, 2), 4);
        assert_eq!(lfu_frequency(access, 60_000 * 0x1_0fff, 1), 0);
        assert_eq!(lfu_frequency(access, 60_000 * 0x1_0fff, 0), 5);
        // Redis documents about 10 for 100 hits and 255 for a million, at factor 10.
        for (hits, low, high) in [(100, 7, 14), (1000, 14, 24), (1_000_000, 220, 255)] {
            let mut random = Random::new(hits);
            let access = (0..hits)
                .fold(lfu_initial(0), |access, _| lfu_touch(access, 0, 10, 1, &mut random));
            let counter = lfu_frequency(access, 0, 1);
            assert!((low..=high).contains(&counter), "{hits} hits: {counter}");
        }
    }
}
