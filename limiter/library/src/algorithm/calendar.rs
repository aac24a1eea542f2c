//! `calendar`: so many in each minute, hour, day, week, month or year of a time zone.
//!
//! Definition: as `fixed-window`, with windows that the calendar cuts. Day, week (from Monday), month and
//! year begin with the first instant of their first day in the zone, so a day has 23 or 25 hours when
//! clocks change, and begins at one o'clock where midnight is skipped. Minute and hour begin when the
//! local clock shows a whole one, and also when it is changed: they are never longer than usual.
//!
//! Worst case over any interval of one window's length: `2 * count`, as of fixed windows; once more
//! `count` where a change of the clock cuts an hour into a short one.
//!
//! Pitfalls avoided: months are not 30 days and years not 365, weeks do not begin on Thursday (unix time
//! does); the zone is the rule's, not the server's; a window's end is worked out once and kept in the
//! state, so that no decision within it does civil-time arithmetic; and what was worked out for one key
//! is there for all ([`Spans`]). Source: what users of gubernator's `DURATION_IS_GREGORIAN` and of
//! Envoy's MONTH ask for.

use std::ops::Range;

use jiff::civil::{Date, Weekday};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan, Zoned};

use super::{Algorithm, Spread, fixed_window};
use crate::model::{Calendar, CalendarUnit};

/// Windows that are remembered at once.
const SPANS_MAX: usize = 16;
/// Beyond the calendar's last year windows have this length.
const BEYOND_MS: u64 = 1 << 40;

/// The row.
pub static CALENDAR: Algorithm = Algorithm {
    name: "calendar",
    summary: "`count` in each minute, hour, day, week, month or year of a time zone.",
    spread: Spread::Window,
    take: fixed_window::take,
    force: fixed_window::force,
    give_back: fixed_window::give_back,
    lend: fixed_window::lend,
    settle: fixed_window::settle,
    forgettable_after_ns: fixed_window::forgettable_after_ns,
    forget: |_| {},
};

/// The windows that were worked out last.
#[derive(Clone, Debug, Default)]
pub struct Spans {
    known: Vec<(Calendar, Range<u64>)>,
    /// Which is given up next.
    next: usize,
}

impl Spans {
    /// From when to when the window of an instant goes, in unix time.
    pub fn of(&mut self, calendar: &Calendar, unix_ms: u64) -> Range<u64> {
        let is_it = |known: &(Calendar, Range<u64>)| {
            known.1.contains(&unix_ms)
                && known.0.unit == calendar.unit
                && known.0.zone == calendar.zone
        };
        if let Some((_, span)) = self.known.iter().find(|known| is_it(known)) {
            return span.clone();
        }
        let span = work_out(calendar, unix_ms)
            .filter(|span| span.contains(&unix_ms))
            .unwrap_or_else(|| {
                let start = unix_ms - unix_ms % BEYOND_MS;
                start..start.saturating_add(BEYOND_MS)
            });
        let entry = (calendar.clone(), span.clone());
        match self.known.get_mut(self.next) {
            Some(place) => *place = entry,
            None => self.known.push(entry),
        }
        self.next = (self.next + 1) % SPANS_MAX;
        span
    }
}

fn work_out(calendar: &Calendar, unix_ms: u64) -> Option<Range<u64>> {
    let instant = Timestamp::from_millisecond(i64::try_from(unix_ms).ok()?).ok()?;
    let zone = &calendar.zone;
    let local = instant.to_zoned(zone.clone());
    let today = local.date();
    let (first, length) = match calendar.unit {
        CalendarUnit::Minute => return Some(clock_span(&local, 60)),
        CalendarUnit::Hour => return Some(clock_span(&local, 3600)),
        CalendarUnit::Day => (today, 1.day()),
        CalendarUnit::Week => {
            let since = i64::from(today.weekday().since(Weekday::Monday));
            (today.checked_sub(since.days()).ok()?, 1.week())
        }
        CalendarUnit::Month => (today.first_of_month(), 1.month()),
        CalendarUnit::Year => (today.first_of_year(), 1.year()),
    };
    let following = first.checked_add(length).ok()?;
    let end_ms = begin_ms(following, zone)?;
    if unix_ms < end_ms {
        return Some(begin_ms(first, zone)?..end_ms);
    }
    // Just after midnight clocks went back to the day before, which is over all the same.
    Some(end_ms..begin_ms(following.checked_add(length).ok()?, zone)?)
}

/// The first instant of a day; before 1970 that is 1970.
fn begin_ms(date: Date, zone: &TimeZone) -> Option<u64> {
    let begin = date.to_zoned(zone.clone()).ok()?;
    Some(u64::try_from(begin.timestamp().as_millisecond()).unwrap_or(0))
}

/// Whole minutes or hours of the local clock, cut where it is changed.
fn clock_span(local: &Zoned, length_s: i64) -> Range<u64> {
    let (now_s, offset_s) = (local.timestamp().as_second(), i64::from(local.offset().seconds()));
    let start_s = now_s - (now_s + offset_s).rem_euclid(length_s);
    let zone = local.time_zone();
    // A change at this very instant is behind us.
    let former = zone.preceding(local.timestamp() + 1.nanosecond()).next();
    let former_s = former.map_or(i64::MIN, |change| change.timestamp().as_second());
    let next = zone.following(local.timestamp()).next();
    let next_s = next.map_or(i64::MAX, |change| change.timestamp().as_second());
    let as_ms = |s: i64| u64::try_from(s).unwrap_or(0) * 1000;
    as_ms(start_s.max(former_s))..as_ms((start_s + length_s).min(next_s))
}
