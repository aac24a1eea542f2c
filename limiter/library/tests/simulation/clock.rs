//! A node's clocks.
//!
//! Job: what a node takes for the time. In: the true time. Out: `Now`. Invariant: no clock goes back; the
//! store's clock as the node has it is wrong by at most the error that it knows of, unless planted.

use ringlet_base::random::Random;
use ringlet_limit::time::Now;

use crate::ledger::BASE_MS;

const NS_PER_MS: u64 = 1_000_000;

#[derive(Debug)]
pub struct Clock {
    base_ns: u64,
    drift_ppm: i64,
    pub offset_ms: i64,
    last_unix_ms: u64,
}

impl Clock {
    pub fn new(random: &mut Random, drift_ppm: u64) -> Self {
        let drift_ppm = random.below(2 * drift_ppm + 1) as i64 - drift_ppm as i64;
        let base_ns = random.below(1_000_000_000) * NS_PER_MS;
        Self { base_ns, drift_ppm, offset_ms: 0, last_unix_ms: 0 }
    }

    fn monotonic_ns(&self, at_ns: u64) -> u64 {
        let drift_ns = at_ns as i64 * self.drift_ppm / 1_000_000;
        (self.base_ns + at_ns).saturating_add_signed(drift_ns)
    }

    /// Measures the store's clock; `wrong_ms` more than it is.
    pub fn measure(&mut self, at_ns: u64, wrong_ms: i64) {
        let true_ms = (BASE_MS + at_ns / NS_PER_MS) as i64;
        self.offset_ms = true_ms - (self.monotonic_ns(at_ns) / NS_PER_MS) as i64 + wrong_ms;
    }

    pub fn now(&mut self, at_ns: u64) -> Now {
        let monotonic_ns = self.monotonic_ns(at_ns);
        let unix_ms = (monotonic_ns / NS_PER_MS).saturating_add_signed(self.offset_ms);
        self.last_unix_ms = self.last_unix_ms.max(unix_ms);
        Now { monotonic_ns, unix_ms: self.last_unix_ms }
    }
}
