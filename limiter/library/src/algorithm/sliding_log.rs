//! `sliding-log`: exact over any period whatsoever, for small counts.
//!
//! Definition, by the monotonic clock: what was taken at an instant counts while it is less than a
//! period old.
//!
//! ```text
//! allowed: units taken in (now - period, now] + cost <= count;  refused ones are not noted
//! remaining = count - units
//! retry     = when the unit grows old whose place the last of the cost needs;  never if cost > count
//! reset     = newest + period - now           0 if no unit counts
//! ```
//!
//! Worst case over any interval of one period: `count`. No other algorithm promises that.
//!
//! Pitfalls avoided: the memory is bounded for a key (`count` is at most [`LOG_LIMIT_MAX`], above it is
//! taken as that) and for all ([`LOGS_MAX`] logs), although whoever makes up keys decides how many there
//! are. A key whose units all have one instant needs no log: the state has instant and number. When the
//! second instant comes it gets a log; if there is none left, all its units count as if taken at the
//! newest instant. That is never too many, and ends when it is idle for a period. What is taken on
//! credit moves the oldest units out of a full log, which changes no answer. Source: the "log" of
//! everybody's Redis recipes (ZSET), without their noting of refused requests.
//!
//! Layout: the newest instant, then 32 bits of the log's number (0 is none) and 32 bits of units.

use super::{Algorithm, Cell, Outcome, Spread};
use crate::time::NEVER;

/// The largest count: a log keeps so many instants.
pub const LOG_LIMIT_MAX: u64 = 64;
/// The most logs that there are at once; with the largest count they are 32 MiB.
pub const LOGS_MAX: usize = 65_536;

/// The row.
pub static SLIDING_LOG: Algorithm = Algorithm {
    name: "sliding-log",
    summary: "`count` in any period whatsoever; at most 64.",
    spread: Spread::Node,
    take,
    force,
    give_back,
    lend: |_, _| 0,
    settle: |_, _, _| {},
    forgettable_after_ns: |cell| Units::read(&cell).reset_after_ns(),
    forget: |cell| {
        let slot = (cell.state.0[1] as u32) as usize;
        cell.memory.logs.release(slot);
        *cell.state = super::State::default();
    },
};

/// Instants of sliding logs, oldest first. Log number n stands at n - 1.
#[derive(Clone, Debug, Default)]
pub struct Logs {
    logs: Vec<Vec<u64>>,
    unused: Vec<u32>,
}

impl Logs {
    /// Logs in use.
    #[must_use]
    pub fn count(&self) -> usize {
        self.logs.len() - self.unused.len()
    }

    /// A new log with these instants, if [`LOGS_MAX`] are not there yet.
    fn create(&mut self, instants: Vec<u64>) -> u64 {
        if let Some(slot) = self.unused.pop() {
            self.logs[slot as usize - 1] = instants;
            return u64::from(slot);
        }
        self.logs.push(instants);
        self.logs.len() as u64
    }

    fn release(&mut self, slot: usize) {
        if let Some(log) = slot.checked_sub(1).and_then(|index| self.logs.get_mut(index)) {
            // Its memory goes too: what an attack has used up does not stay.
            *log = Vec::new();
            self.unused.push(slot as u32);
        }
    }

    fn of(&self, slot: usize) -> &[u64] {
        slot.checked_sub(1).and_then(|index| self.logs.get(index)).map_or(&[], Vec::as_slice)
    }
}

/// What counts of one key.
struct Units<'a> {
    now: u64,
    period_ns: u64,
    limit: u64,
    /// The newest instant; a clock that went back makes no newer one.
    newest: u64,
    /// Instants of those that count, if there is a log.
    instants: &'a [u64],
    /// How many count.
    count: u64,
    slot: usize,
}

impl<'a> Units<'a> {
    fn read(cell: &'a Cell<'_>) -> Self {
        let [newest, rest] = cell.state.0;
        let (now, period_ns) = (cell.now.monotonic_ns, cell.limit.period_ns);
        let counts = |instant: u64| now.saturating_sub(instant) < period_ns;
        let slot = (rest as u32) as usize;
        let all = cell.memory.logs.of(slot);
        let instants = &all[all.partition_point(|&instant| !counts(instant))..];
        let count = match slot {
            0 if counts(newest) => rest >> 32,
            0 => 0,
            _ => instants.len() as u64,
        };
        let limit = cell.limit.count.min(LOG_LIMIT_MAX);
        Self { now, period_ns, limit, newest, instants, count, slot }
    }
}

impl Units<'_> {
    /// When enough of the oldest units are old for `cost` to fit.
    fn retry_after_ns(&self, cost: u64) -> u64 {
        if cost > self.limit {
            return NEVER;
        }
        let place = (self.count + cost).saturating_sub(self.limit + 1) as usize;
        self.age_left_ns(self.instants.get(place).copied())
    }

    fn reset_after_ns(&self) -> u64 {
        if self.count == 0 { 0 } else { self.age_left_ns(self.instants.last().copied()) }
    }

    /// How long a unit still counts; without a log, all are as old as the newest.
    fn age_left_ns(&self, instant: Option<u64>) -> u64 {
        instant.unwrap_or(self.newest).saturating_add(self.period_ns).saturating_sub(self.now)
    }
}

fn take(mut cell: Cell<'_>, cost: u64) -> Outcome {
    let units = Units::read(&cell);
    let free = units.limit.saturating_sub(units.count);
    let is_allowed = cost.max(1) <= free;
    if !is_allowed || cost == 0 {
        let retry_after_ns = if is_allowed { 0 } else { units.retry_after_ns(cost.max(1)) };
        let reset_after_ns = units.reset_after_ns();
        return Outcome {
            is_allowed,
            remaining: free,
            retry_after_ns,
            reset_after_ns,
            delay_ns: 0,
        };
    }
    add(&mut cell, cost);
    Outcome {
        is_allowed,
        remaining: free - cost,
        retry_after_ns: 0,
        reset_after_ns: Units::read(&cell).reset_after_ns(),
        delay_ns: 0,
    }
}

fn force(mut cell: Cell<'_>, amount: u64) {
    if amount > 0 {
        add(&mut cell, amount);
    }
}

/// Notes `amount` units now. Those too old to count make room when it is needed.
fn add(cell: &mut Cell<'_>, amount: u64) {
    let Units { now, limit, newest, count, slot, instants, .. } = Units::read(cell);
    let newest = instants.last().copied().unwrap_or(newest);
    let instant = if count == 0 { now } else { now.max(newest) };
    // Of more than the limit only the newest matter: while so many count, nothing fits.
    let added = amount.min(limit);
    let logs = &mut cell.memory.logs;
    if count == 0 {
        logs.release(slot);
        cell.state.0 = [instant, added << 32];
        return;
    }
    if slot > 0 {
        append(&mut logs.logs[slot - 1], instant, added, limit);
        cell.state.0[0] = instant;
        return;
    }
    let slot = if instant == newest || logs.count() == LOGS_MAX {
        0
    } else {
        let mut log = Vec::with_capacity(limit as usize);
        append(&mut log, newest, count, limit);
        append(&mut log, instant, added, limit);
        logs.create(log)
    };
    cell.state.0 = match slot {
        0 => [instant, (count + added).min(limit) << 32],
        _ => [instant, slot],
    };
}

/// Notes some units with one instant in a log that holds at most `limit`.
fn append(log: &mut Vec<u64>, instant: u64, added: u64, limit: u64) {
    let excess = (log.len() as u64 + added).saturating_sub(limit) as usize;
    log.drain(..excess);
    log.extend(std::iter::repeat_n(instant, added as usize));
}

/// Strikes the newest units.
fn give_back(cell: Cell<'_>, amount: u64) {
    let units = Units::read(&cell);
    let (slot, count) = (units.slot, units.count.saturating_sub(amount));
    match slot {
        0 => cell.state.0[1] = count << 32,
        _ => {
            let log = &mut cell.memory.logs.logs[slot - 1];
            let kept = log.len().saturating_sub(usize::try_from(amount).unwrap_or(usize::MAX));
            log.truncate(kept);
        }
    }
}
