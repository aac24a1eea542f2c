//! Slow start: a server that has come back gets its share little by little.
//!
//! Job: its weight in 256ths, from a sixteenth up to all of it, in proportion to the time since it came
//! back. In: times. Out: [`super::Candidate::weight`].
//! Invariant: a pure function, so that all cores agree without speaking.
//!
//! Source: HAProxy's `slowstart`, which is linear and starts at its smallest step, a sixteenth. A
//! server that is up when the process starts has not come back: then all would start slowly.

use super::WEIGHT_ONE;

/// The part of its weight with which a server starts.
const START_DIVISOR: u64 = 16;

/// The weight of a server in 256ths. `recovered_at_ms` is when it came back, if it ever did.
#[must_use]
pub fn weight(weight: u16, recovered_at_ms: Option<i64>, now_ms: i64, slow_start_ms: u32) -> u32 {
    let full = u32::from(weight) * WEIGHT_ONE;
    let Some(recovered_at_ms) = recovered_at_ms else { return full };
    let passed_ms = now_ms.saturating_sub(recovered_at_ms).max(0).unsigned_abs();
    let slow_start_ms = u64::from(slow_start_ms);
    if passed_ms >= slow_start_ms {
        return full;
    }
    let full_wide = u64::from(full);
    let grown = full_wide * passed_ms / slow_start_ms;
    // Not above `full`.
    grown.max(full_wide / START_DIVISOR) as u32
}

/// Whether the weight still grows at `now_ms`: then it is to be computed again.
#[must_use]
pub fn is_growing(recovered_at_ms: Option<i64>, now_ms: i64, slow_start_ms: u32) -> bool {
    recovered_at_ms.is_some_and(|at_ms| now_ms.saturating_sub(at_ms) < i64::from(slow_start_ms))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weight_grows_in_proportion_to_time() {
        let at = |now_ms| weight(2, Some(1_000), now_ms, 10_000);
        assert_eq!(at(1_000), 32, "a sixteenth at first");
        assert_eq!(at(1_500), 32, "and until the line passes it");
        assert_eq!(at(3_500), 128);
        assert_eq!(at(6_000), 256);
        assert_eq!(at(10_999), 511);
        assert_eq!(at(11_000), 512);
        assert_eq!(at(i64::MAX), 512);
        assert!(
            is_growing(Some(1_000), 10_999, 10_000) && !is_growing(Some(1_000), 11_000, 10_000)
        );
    }

    #[test]
    fn nothing_grows_without_a_recovery_or_a_time() {
        assert_eq!(weight(3, None, 5, 10_000), 768);
        assert_eq!(weight(3, Some(5), 5, 0), 768);
        assert!(!is_growing(None, 5, 10_000) && !is_growing(Some(5), 5, 0));
        assert_eq!(weight(0, Some(5), 6, 10), 0, "no weight stays none");
        assert_eq!(weight(1, Some(5), 4, 10), 16, "a clock of another core may be behind");
        assert_eq!(weight(u16::MAX, Some(i64::MIN), i64::MAX, u32::MAX), u32::from(u16::MAX) * 256);
    }
}
