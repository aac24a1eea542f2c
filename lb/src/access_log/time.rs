//! The time in log lines.
//!
//! Job: the local time as text, made anew once per second. In: the wall clock as a number. Out:
//! [`TimeText`]. Invariant: the text is that of the second asked for, be the clock set back or the zone's
//! offset changed.

use jiff::{Timestamp, Zoned, tz::TimeZone};

use super::format::TimeText;

/// The text of the last second that was asked for.
#[derive(Debug)]
pub struct TimeCache {
    second: i64,
    common: String,
    iso: String,
    offset: String,
}

impl Default for TimeCache {
    fn default() -> Self {
        Self { second: i64::MIN, common: String::new(), iso: String::new(), offset: String::new() }
    }
}

impl TimeCache {
    /// The text of a moment, given in milliseconds since 1970 in UTC.
    pub fn text(&mut self, wall_clock_ms: i64) -> TimeText<'_> {
        let second = wall_clock_ms.div_euclid(1000);
        if second != self.second {
            self.write(second, TimeZone::system());
        }
        TimeText {
            common: &self.common,
            second: &self.iso,
            millisecond: wall_clock_ms.rem_euclid(1000) as u16,
            offset: &self.offset,
        }
    }

    fn write(&mut self, second: i64, zone: TimeZone) {
        self.second = second;
        // A clock that far off is no time; any will do.
        let timestamp = Timestamp::from_second(second).unwrap_or(Timestamp::UNIX_EPOCH);
        let time = Zoned::new(timestamp, zone);
        self.common = time.strftime("%d/%b/%Y:%H:%M:%S %z").to_string();
        self.iso = time.strftime("%Y-%m-%dT%H:%M:%S").to_string();
        self.offset = time.strftime("%:z").to_string();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_is_that_of_the_second() {
        let mut cache = TimeCache::default();
        let zone = || TimeZone::fixed(jiff::tz::Offset::constant(-3));
        cache.write(1_795_660_653, zone());
        assert_eq!(cache.common, "25/Nov/2026:23:37:33 -0300");
        assert_eq!((&*cache.iso, &*cache.offset), ("2026-11-25T23:37:33", "-03:00"));
        let text = cache.text(1_795_660_653_042);
        assert_eq!((text.common, text.millisecond), ("25/Nov/2026:23:37:33 -0300", 42));
        // Back in time, before 1970, and beyond all calendars.
        cache.write(-1, zone());
        assert_eq!(cache.iso, "1969-12-31T20:59:59");
        cache.write(i64::MAX, zone());
        assert_eq!(cache.iso, "1969-12-31T21:00:00");
        assert_eq!(cache.text(-1).millisecond, 999);
    }

    #[test]
    fn another_second_is_written_anew() {
        let mut cache = TimeCache::default();
        let first = cache.text(1_000_000_000_999).second.to_owned();
        assert_eq!(cache.text(1_000_000_000_000).second, first);
        assert_ne!(cache.text(1_000_000_001_000).second, first);
        assert_eq!(cache.text(1_000_000_000_500).second, first);
    }
}
