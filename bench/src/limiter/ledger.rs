//! Job: hold admissions, as their clients saw them, against a limit.
//! In: when each admitted request was sent and answered. Out: how many were admitted too many for
//! certain, and how many in a time at least.
//! Invariant: a decision falls between sending and answer; what may have been decided outside of a
//! time is not counted against it, so every request too many is one.

/// How far the limiters' idea of the store's clock may be off at the ends of a window.
pub const CLOCK_SLACK_MS: u64 = 5;

/// Admitted requests by millisecond from a common start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    sent: Vec<u64>,
    answered: Vec<u64>,
}

/// The same, summed up from the start: entry t counts what happened before millisecond t.
#[derive(Debug)]
pub struct Sums {
    sent: Vec<u64>,
    answered: Vec<u64>,
}

impl Ledger {
    /// Admissions of requests that were sent and answered in these milliseconds.
    pub fn add(&mut self, sent_ms: u64, answered_ms: u64, count: u64) {
        for (counts, at) in [(&mut self.sent, sent_ms), (&mut self.answered, answered_ms)] {
            let at = at as usize;
            if counts.len() <= at {
                counts.resize(at + 1, 0);
            }
            counts[at] += count;
        }
    }

    /// Adds another connection's.
    pub fn merge(&mut self, other: &Self) {
        for (counts, others) in
            [(&mut self.sent, &other.sent), (&mut self.answered, &other.answered)]
        {
            counts.resize(counts.len().max(others.len()), 0);
            for (count, other) in counts.iter_mut().zip(others) {
                *count += other;
            }
        }
    }

    /// Sums up.
    pub fn sums(&self) -> Sums {
        let sum = |counts: &[u64]| {
            let mut all = vec![0];
            let mut sum = 0;
            all.extend(counts.iter().map(|count| {
                sum += count;
                sum
            }));
            all
        };
        Sums { sent: sum(&self.sent), answered: sum(&self.answered) }
    }
}

fn before(sums: &[u64], ms: u64) -> u64 {
    sums[(ms as usize).min(sums.len() - 1)]
}

impl Sums {
    /// Admissions that were decided in `from..to` for certain.
    pub fn admitted(&self, from: u64, to: u64) -> u64 {
        before(&self.answered, to).saturating_sub(before(&self.sent, from))
    }

    /// The most that any run of whole windows has too many; the first window begins at `first`.
    pub fn above_windows(&self, first: u64, window_ms: u64, windows: u64, count: u64) -> u64 {
        let mut most = 0;
        for from in 0..windows {
            for to in from + 1..=windows {
                let start = first + from * window_ms + CLOCK_SLACK_MS;
                let end = first + to * window_ms - CLOCK_SLACK_MS;
                most = most.max(self.admitted(start, end).saturating_sub((to - from) * count));
            }
        }
        most
    }

    /// The most that any time has too many of a bucket with this burst and rate per second.
    pub fn above_bucket(&self, burst: u64, count: u64) -> u64 {
        // In thousandths of a request. Of all beginnings so far, the one from which most is left over.
        let mut most = 0;
        let mut best = i64::MIN;
        let end = self.answered.len().max(self.sent.len()) as u64;
        for ms in 0..end {
            let earned = (ms * count) as i64;
            best = best.max(earned - 1000 * before(&self.sent, ms) as i64);
            let next = ((ms + 1) * count) as i64;
            let answered = 1000 * before(&self.answered, ms + 1) as i64;
            most = most.max(answered + best - next - 1000 * burst as i64);
        }
        most as u64 / 1000
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sums(admissions: &[(u64, u64, u64)]) -> Sums {
        let (mut even, mut odd) = (Ledger::default(), Ledger::default());
        for (place, &(sent, answered, count)) in admissions.iter().enumerate() {
            let ledger = if place % 2 == 0 { &mut even } else { &mut odd };
            ledger.add(sent, answered, count);
        }
        even.merge(&odd);
        even.sums()
    }

    #[test]
    fn windows_count_what_was_certainly_theirs() {
        let right =
            sums(&[(90, 120, 5), (150, 160, 10), (190, 210, 3), (220, 230, 7), (240, 310, 9)]);
        assert_eq!(right.above_windows(100, 100, 2, 10), 0);
        assert_eq!(right.admitted(100, 300), 20);
        let wrong = sums(&[(150, 160, 10), (161, 170, 1), (250, 260, 10)]);
        assert_eq!(wrong.above_windows(100, 100, 2, 10), 1);
        // Each window for itself may be right, as nobody knows which one this was.
        let both = sums(&[(150, 160, 10), (190, 210, 2), (250, 260, 10)]);
        assert_eq!(both.above_windows(100, 100, 2, 10), 2);
    }

    #[test]
    fn buckets_are_held_against_every_time() {
        // 100 in a second, and 20 at once: 20, and then one in 10 ms.
        let mut right = vec![(500, 501, 20)];
        right.extend((1..50).map(|turn| (500 + turn * 10, 503 + turn * 10, 1)));
        assert_eq!(sums(&right).above_bucket(20, 100), 0);
        right.push((700, 701, 3));
        assert_eq!(sums(&right).above_bucket(20, 100), 2);
        assert_eq!(sums(&[(5, 6, 25)]).above_bucket(20, 100), 4);
        assert_eq!(sums(&[]).above_bucket(20, 100), 0);
    }
}
