//! Windows and rates as people write them.
//!
//! Job: "1m", "100/m" to numbers and back. In: text. Out: nanoseconds and tokens, or what is wrong.
//! Invariant: what is written is read as the same number.

use ringlet_base::config::shown;

use crate::model::{AMOUNT_MAX, CalendarUnit, PERIOD_NS_MAX};
use crate::time::NS_PER_MS;

/// Units with their milliseconds, the largest first; of two names the first is written.
const UNITS: [(&str, u64); 13] = [
    ("w", 604_800_000),
    ("week", 604_800_000),
    ("d", 86_400_000),
    ("day", 86_400_000),
    ("h", 3_600_000),
    ("hour", 3_600_000),
    ("m", 60_000),
    ("min", 60_000),
    ("minute", 60_000),
    ("s", 1000),
    ("sec", 1000),
    ("second", 1000),
    ("ms", 1),
];

/// Windows of the calendar by name, with the nanoseconds that they usually have.
pub(super) const CALENDAR: [(&str, (CalendarUnit, u64)); 6] = [
    ("minute", (CalendarUnit::Minute, 60_000 * NS_PER_MS)),
    ("hour", (CalendarUnit::Hour, 3_600_000 * NS_PER_MS)),
    ("day", (CalendarUnit::Day, 86_400_000 * NS_PER_MS)),
    ("week", (CalendarUnit::Week, 7 * 86_400_000 * NS_PER_MS)),
    ("month", (CalendarUnit::Month, 30 * 86_400_000 * NS_PER_MS)),
    ("year", (CalendarUnit::Year, 365 * 86_400_000 * NS_PER_MS)),
];

/// The name of a window of the calendar.
pub(super) fn calendar_name(unit: CalendarUnit) -> &'static str {
    CALENDAR.iter().find(|(_, (other, _))| *other == unit).map_or("", |(name, _)| *name)
}

/// A period such as "1m" or "90s", in nanoseconds.
pub(super) fn read_period(text: &str) -> Result<u64, String> {
    let (digits, unit) = split(text);
    if unit.is_empty() && !digits.is_empty() {
        return Err(format!("the time \"{0}\" needs a unit, such as \"{0}s\"", shown(digits)));
    }
    let number = digits.parse().ok();
    let found = number.zip(factor(unit));
    let (number, factor) = found.ok_or_else(|| {
        format!("\"{}\" is not a time such as \"1s\", \"1m\" or \"1d\"", shown(text))
    })?;
    period(number, factor, text)
}

/// A period in its largest whole unit.
pub(super) fn write_period(ns: u64) -> String {
    let ms = ns / NS_PER_MS;
    let whole = UNITS.iter().find(|(_, factor)| ms >= *factor && ms.is_multiple_of(*factor));
    whole.map_or("0ms".to_owned(), |(unit, factor)| format!("{}{unit}", ms / factor))
}

/// A rate such as "100/m" or "5/10s": tokens and nanoseconds.
pub fn read_rate(text: &str) -> Result<(u64, u64), String> {
    let wrong = || format!("\"{}\" is not a rate such as \"100/m\" or \"5/10s\"", shown(text));
    let (count, per) = text.split_once('/').ok_or_else(wrong)?;
    let count: u64 = count.parse().map_err(|_| wrong())?;
    if !(1..=AMOUNT_MAX).contains(&count) {
        return Err(format!("the rate \"{}\" is not from 1 to {AMOUNT_MAX}", shown(text)));
    }
    let (digits, unit) = split(per);
    let number = if digits.is_empty() { Some(1) } else { digits.parse().ok() };
    let (number, factor) = number.zip(factor(unit)).ok_or_else(wrong)?;
    Ok((count, period(number, factor, text)?))
}

/// A rate as [`read_rate`] reads it: "100/m", "5/10s".
pub(super) fn write_rate(count: u64, period_ns: u64) -> String {
    let period = write_period(period_ns);
    let period = match split(&period) {
        ("1", unit) => unit,
        _ => &period,
    };
    format!("{count}/{period}")
}

fn factor(unit: &str) -> Option<u64> {
    UNITS.iter().find(|(name, _)| *name == unit).map(|(_, factor)| *factor)
}

fn period(number: u64, factor: u64, text: &str) -> Result<u64, String> {
    let ns = number.checked_mul(factor).and_then(|ms| ms.checked_mul(NS_PER_MS));
    match ns {
        Some(0) => Err(format!("the time of \"{}\" must be above 0", shown(text))),
        Some(ns) if ns <= PERIOD_NS_MAX => Ok(ns),
        _ => Err(format!("the time of \"{}\" is longer than ten years", shown(text))),
    }
}

fn split(text: &str) -> (&str, &str) {
    text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE_NS: u64 = 60_000 * NS_PER_MS;

    #[test]
    fn periods_are_read_and_written() {
        for (text, ns) in [
            ("1ms", NS_PER_MS),
            ("90s", 90_000 * NS_PER_MS),
            ("1m", MINUTE_NS),
            ("30d", 43_200 * MINUTE_NS),
            ("365d", 365 * 1440 * MINUTE_NS),
            ("2w", 20_160 * MINUTE_NS),
        ] {
            assert_eq!(read_period(text), Ok(ns), "{text}");
            assert_eq!(write_period(ns), text);
        }
        assert_eq!(read_period("1minute"), Ok(MINUTE_NS));
        let wrong = "\"1x\" is not a time such as \"1s\", \"1m\" or \"1d\"";
        assert_eq!(read_period("1x"), Err(wrong.to_owned()));
        assert_eq!(
            read_period("60"),
            Err("the time \"60\" needs a unit, such as \"60s\"".to_owned())
        );
        assert_eq!(read_period("0s"), Err("the time of \"0s\" must be above 0".to_owned()));
        assert!(read_period("4000d").unwrap_err().ends_with("is longer than ten years"));
        for text in ["", "s", "-1s", "1.5s", "99999999999999999999s", "18446744073709551615d"] {
            assert!(read_period(text).is_err(), "{text}");
        }
    }

    #[test]
    fn rates_are_read_and_written() {
        for (text, count, ns) in [
            ("100/m", 100, MINUTE_NS),
            ("5/10s", 5, 10_000 * NS_PER_MS),
            ("1/d", 1, 1440 * MINUTE_NS),
        ] {
            assert_eq!(read_rate(text), Ok((count, ns)), "{text}");
            assert_eq!(write_rate(count, ns), text);
        }
        assert_eq!(read_rate("100/minute"), Ok((100, MINUTE_NS)));
        for text in
            ["", "/", "5", "5/", "/m", "x/m", "5/0s", "0/m", "4294967296/s", "5/m/s", "5 /m"]
        {
            assert!(read_rate(text).is_err(), "{text}");
        }
    }
}
