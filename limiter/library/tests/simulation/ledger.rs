//! What one key may be allowed, and what it was.
//!
//! Job: hold each admission against the bound. In: admissions with the time of the question and of the
//! answer, refunds, allowances for data that was lost. Out: what is wrong. Invariant: an admission counts
//! at one instant between question and answer, and the ledger chooses the one that is best for the
//! limiter; so what it finds is wrong however the messages went.

use std::collections::BTreeMap;

use crate::scenario::RuleNumbers;

/// When the true time is 0, a little before a minute is over.
pub const BASE_MS: u64 = 1_800_000_000_000 - 700;
const NS_PER_MS: u64 = 1_000_000;

/// The store's time in nanoseconds.
pub fn unix_ns(at_ns: u64) -> u64 {
    BASE_MS * NS_PER_MS + at_ns
}

#[derive(Debug)]
pub struct Ledger {
    numbers: RuleNumbers,
    /// Tokens above the limit that the mode allows.
    extra: u64,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Window {
        is_sliding: bool,
        counts: BTreeMap<u64, u64>,
        allowed: BTreeMap<u64, u64>,
        /// Tokens that may count for this window as well as for a neighbour.
        unsure: BTreeMap<u64, u64>,
    },
    Bucket(Virtual),
}

/// A bucket that drains as fast as the limit lets tokens through and must never overflow, in units of
/// which `period_ns` are one token.
#[derive(Debug, Default)]
struct Virtual {
    level: u128,
    at_ns: u64,
    allowed: u128,
    /// The longest time between question and answer so far.
    wait_ns: u64,
    admitted: u64,
}

impl Ledger {
    pub fn new(numbers: RuleNumbers, extra: u64) -> Self {
        let kind = match numbers.algorithm {
            "fixed-window" | "sliding-window" | "calendar" => Kind::Window {
                is_sliding: numbers.algorithm == "sliding-window",
                counts: BTreeMap::new(),
                allowed: BTreeMap::new(),
                unsure: BTreeMap::new(),
            },
            _ => Kind::Bucket(Virtual::default()),
        };
        Self { numbers, extra, kind }
    }

    fn period_ns(&self) -> u64 {
        self.numbers.period_ms * NS_PER_MS
    }

    /// The number of the window of an instant.
    pub fn window(&self, at_ns: u64) -> u64 {
        unix_ns(at_ns) / self.period_ns()
    }

    /// Net admissions of a window.
    pub fn count(&self, window: u64) -> u64 {
        match &self.kind {
            Kind::Window { counts, .. } => counts.get(&window).copied().unwrap_or(0),
            Kind::Bucket(_) => 0,
        }
    }

    /// By how much `count` may be wrong, as it is not certain in which window some were admitted.
    pub fn unsure(&self, window: u64) -> u64 {
        match &self.kind {
            Kind::Window { unsure, .. } => unsure.get(&window).copied().unwrap_or(0),
            Kind::Bucket(_) => 0,
        }
    }

    /// All that was ever admitted, of a bucket.
    pub fn admitted(&self) -> u64 {
        match &self.kind {
            Kind::Bucket(bucket) => bucket.admitted,
            Kind::Window { counts, .. } => counts.values().sum(),
        }
    }

    /// Tokens that may be admitted beyond the bound, as the store has lost as many: of the window with
    /// this number, or of the bucket.
    pub fn allow(&mut self, window: u64, tokens: u64) {
        let period_ns = u128::from(self.period_ns());
        match &mut self.kind {
            Kind::Window { allowed, .. } => *allowed.entry(window).or_default() += tokens,
            Kind::Bucket(bucket) => bucket.allowed += u128::from(tokens) * period_ns,
        }
    }

    /// Tokens were taken from a bucket and given back after a while: what has drained of them meanwhile
    /// may be admitted again, as they count as never taken.
    pub fn allow_drained(&mut self, tokens: u64, wait_ns: u64) {
        let (period_ns, count) = (self.period_ns(), self.numbers.count);
        if let Kind::Bucket(bucket) = &mut self.kind {
            let most = u128::from(tokens) * u128::from(period_ns);
            bucket.allowed += most.min(u128::from(count) * u128::from(wait_ns));
        }
    }

    /// A check that was refused has given back what it took of this key. If it waited while the window
    /// ended, the tokens of the former one may have gone back to the present one.
    pub fn undone(&mut self, tokens: u64, asked_ns: u64, at_ns: u64) {
        let window = self.window(at_ns);
        match &self.kind {
            Kind::Window { .. } if window == self.window(asked_ns) => {}
            Kind::Window { .. } => self.allow(window, tokens),
            Kind::Bucket(_) => self.allow_drained(tokens, at_ns - asked_ns),
        }
    }

    pub fn admit(&mut self, cost: u64, asked_ns: u64, at_ns: u64) -> Result<(), String> {
        let (first, last) = (self.window(asked_ns), self.window(at_ns));
        let RuleNumbers { count: limit, period_ms, burst, .. } = self.numbers;
        let period_ns = period_ms * NS_PER_MS;
        match &mut self.kind {
            Kind::Window { is_sliding, counts, allowed, unsure } => {
                for window in (first..=last).filter(|_| first < last) {
                    *unsure.entry(window).or_default() += cost;
                }
                let bound =
                    |window| limit + self.extra + allowed.get(&window).copied().unwrap_or(0);
                let used = |window| counts.get(&window).copied().unwrap_or(0);
                let fits = |&window: &u64| used(window) + cost <= bound(window);
                let window = (first..=last).find(fits).unwrap_or(last);
                let total = used(window) + cost;
                if total > bound(window) {
                    let bound = bound(window);
                    return Err(format!("{total} admitted in window {window}, bound {bound}"));
                }
                counts.insert(window, total);
                let extra = self.extra + allowed.values().sum::<u64>();
                if *is_sliding && window == last {
                    // The window before may have had as much extra as this one.
                    slides(counts, last, limit + 2 * extra, unix_ns(at_ns) % period_ns, period_ns)?;
                }
                Ok(())
            }
            Kind::Bucket(bucket) => {
                bucket.drain(limit, at_ns);
                bucket.wait_ns = bucket.wait_ns.max(at_ns - asked_ns);
                bucket.level += u128::from(cost) * u128::from(period_ns);
                bucket.admitted += cost;
                // The store counts in whole milliseconds.
                let slack = u128::from(limit) * u128::from(bucket.wait_ns + NS_PER_MS);
                let size = u128::from(burst + self.extra) * u128::from(period_ns);
                if bucket.level > size + bucket.allowed + slack {
                    let over = (bucket.level - size) as f64 / period_ns as f64;
                    return Err(format!("{over:.3} tokens above burst + rate * time"));
                }
                Ok(())
            }
        }
    }

    pub fn refund(&mut self, cost: u64, at_ns: u64) {
        let window = self.window(at_ns);
        let period_ns = self.period_ns();
        match &mut self.kind {
            Kind::Window { counts, .. } => {
                let count = counts.entry(window).or_default();
                *count = count.saturating_sub(cost);
            }
            Kind::Bucket(bucket) => {
                bucket.drain(self.numbers.count, at_ns);
                bucket.level =
                    bucket.level.saturating_sub(u128::from(cost) * u128::from(period_ns));
            }
        }
    }
}

impl Virtual {
    /// Clocks of nodes may run fast by one part in ten thousand.
    fn drain(&mut self, limit: u64, at_ns: u64) {
        let passed_ns = u128::from(at_ns - self.at_ns);
        let drained = u128::from(limit) * passed_ns;
        self.level = self.level.saturating_sub(drained + drained / 10_000);
        self.at_ns = at_ns;
    }
}

/// previous * (1 - f) + current <= limit, in whole numbers.
fn slides(
    counts: &BTreeMap<u64, u64>,
    window: u64,
    limit: u64,
    passed_ns: u64,
    period_ns: u64,
) -> Result<(), String> {
    let count = |window| u128::from(counts.get(&window).copied().unwrap_or(0));
    let left_ns = u128::from(period_ns - passed_ns);
    let (previous, current) = (count(window - 1), count(window));
    // The limiter's clock has whole milliseconds: each may be wrong by one.
    let left_ns = left_ns.saturating_sub(u128::from(NS_PER_MS));
    let sum = previous * left_ns + current * u128::from(period_ns);
    if sum > u128::from(limit) * u128::from(period_ns) {
        return Err(format!(
            "sliding: {previous} before, {current} now, {left_ns} of {period_ns} ns left, limit {limit}"
        ));
    }
    Ok(())
}
