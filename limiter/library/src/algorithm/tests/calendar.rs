//! Windows of the calendar: days of other lengths, months, leap years, weeks.

use super::{Key, algorithm_by_name};
use crate::algorithm::{Memory, span_ms};
use crate::model::{Calendar, CalendarUnit, Limit};
use crate::time::{NS_PER_MS, NS_PER_S, Now};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use proptest::prelude::*;

const ZONES: [&str; 11] = [
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe", // by half an hour
    "America/Havana",      // at midnight
    "America/St_Johns",    // at a minute past midnight
    "America/Sao_Paulo",   // at midnight
    "Pacific/Apia",        // without 30 December 2011
    "Asia/Kathmandu",      // 5:45
    "Antarctica/Troll",    // by two hours
    "Africa/Casablanca",   // by the moon
];
const UNITS: [CalendarUnit; 6] = [
    CalendarUnit::Minute,
    CalendarUnit::Hour,
    CalendarUnit::Day,
    CalendarUnit::Week,
    CalendarUnit::Month,
    CalendarUnit::Year,
];

fn limit(unit: CalendarUnit, zone: &str) -> Limit {
    Limit {
        algorithm: algorithm_by_name("calendar").unwrap(),
        count: 5,
        period_ns: NS_PER_S,
        burst: 5,
        calendar: Some(Calendar { unit, zone: TimeZone::get(zone).unwrap() }),
    }
}

fn ms(text: &str) -> u64 {
    text.parse::<Timestamp>().unwrap().as_millisecond() as u64
}

#[track_caller]
fn assert_span(unit: CalendarUnit, zone: &str, at: &str, from: &str, to: &str) {
    let span = span_ms(&limit(unit, zone), &mut Memory::default(), ms(at));
    let shown = |ms: u64| Timestamp::from_millisecond(ms as i64).unwrap().to_string();
    assert_eq!((shown(span.start), shown(span.end)), (from.to_owned(), to.to_owned()));
}

#[test]
fn days_begin_at_midnight_of_the_zone_and_have_23_to_25_hours() {
    use CalendarUnit::Day;
    let berlin = "Europe/Berlin";
    let utc = ("2026-03-29T00:00:00Z", "2026-03-30T00:00:00Z");
    assert_span(Day, "UTC", "2026-03-29T12:00:00Z", utc.0, utc.1);
    let spring = ("2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z");
    assert_span(Day, berlin, "2026-03-29T12:00:00Z", spring.0, spring.1);
    assert_span(Day, berlin, spring.0, spring.0, spring.1);
    let autumn = ("2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z");
    assert_span(Day, berlin, "2026-10-25T22:59:59.999Z", autumn.0, autumn.1);
    // Midnight does not exist on 4 November 2018 in São Paulo, twice on 1 November 2026 in Havana.
    let skipped = ("2018-11-04T03:00:00Z", "2018-11-05T02:00:00Z");
    assert_span(Day, "America/Sao_Paulo", "2018-11-04T12:00:00Z", skipped.0, skipped.1);
    let twice = ("2026-11-01T04:00:00Z", "2026-11-02T05:00:00Z");
    assert_span(Day, "America/Havana", "2026-11-01T05:30:00Z", twice.0, twice.1);
    // On 7 November 2010 St. John's went from 0:01 to 23:01 of the 6th, which was over.
    let over = ("2010-11-07T02:30:00Z", "2010-11-08T03:30:00Z");
    assert_span(Day, "America/St_Johns", "2010-11-07T03:00:00Z", over.0, over.1);
    let sixth = ("2010-11-06T02:30:00Z", "2010-11-07T02:30:00Z");
    assert_span(Day, "America/St_Johns", "2010-11-07T02:29:59Z", sixth.0, sixth.1);
    // Samoa went from the 29th to the 31st.
    let before = ("2011-12-29T10:00:00Z", "2011-12-30T10:00:00Z");
    assert_span(Day, "Pacific/Apia", "2011-12-30T09:59:59Z", before.0, before.1);
}

#[test]
fn weeks_begin_on_monday_months_and_years_on_the_first() {
    let week = ("2026-12-28T00:00:00Z", "2027-01-04T00:00:00Z");
    assert_span(CalendarUnit::Week, "UTC", "2027-01-01T12:00:00Z", week.0, week.1);
    assert_span(CalendarUnit::Week, "UTC", "2027-01-03T23:59:59.999Z", week.0, week.1);
    let leap = ("2028-02-01T05:00:00Z", "2028-03-01T05:00:00Z");
    assert_span(CalendarUnit::Month, "America/New_York", "2028-02-29T12:00:00Z", leap.0, leap.1);
    let january = ("2027-01-01T00:00:00Z", "2027-02-01T00:00:00Z");
    assert_span(CalendarUnit::Month, "UTC", "2027-01-31T23:59:59Z", january.0, january.1);
    let december = ("2026-11-30T23:00:00Z", "2026-12-31T23:00:00Z");
    assert_span(
        CalendarUnit::Month,
        "Europe/Berlin",
        "2026-12-31T22:59:59Z",
        december.0,
        december.1,
    );
    let year = ("2028-01-01T00:00:00Z", "2029-01-01T00:00:00Z");
    assert_span(CalendarUnit::Year, "UTC", "2028-12-31T23:59:59Z", year.0, year.1);
}

#[test]
fn hours_are_whole_ones_of_the_local_clock() {
    let kathmandu = ("2026-01-01T00:15:00Z", "2026-01-01T01:15:00Z");
    assert_span(
        CalendarUnit::Hour,
        "Asia/Kathmandu",
        "2026-01-01T01:00:00Z",
        kathmandu.0,
        kathmandu.1,
    );
    // 5 April 2026, 2:00 at Lord Howe is 1:30 again, for half an hour.
    let again = ("2026-04-04T15:00:00Z", "2026-04-04T15:30:00Z");
    assert_span(
        CalendarUnit::Hour,
        "Australia/Lord_Howe",
        "2026-04-04T15:10:00Z",
        again.0,
        again.1,
    );
    let short = ("2010-11-07T02:30:00Z", "2010-11-07T02:31:00Z");
    assert_span(CalendarUnit::Hour, "America/St_Johns", "2010-11-07T02:30:30Z", short.0, short.1);
    let minute = ("2026-01-01T01:00:00Z", "2026-01-01T01:01:00Z");
    assert_span(
        CalendarUnit::Minute,
        "Asia/Kathmandu",
        "2026-01-01T01:00:59.999Z",
        minute.0,
        minute.1,
    );
}

#[test]
fn what_is_used_up_comes_back_at_midnight() {
    let limit = limit(CalendarUnit::Day, "Europe/Berlin");
    let now = Now { monotonic_ns: 77, unix_ms: ms("2026-10-25T00:30:00Z") };
    let mut key = Key::of(limit, now);
    assert!(key.take(5).is_allowed);
    let refused = key.take(1);
    assert_eq!(refused.retry_after_ns, (22 * 60 + 30) * 60 * NS_PER_S);
    key.wait(refused.retry_after_ns - NS_PER_MS);
    assert!(!key.take(1).is_allowed);
    key.wait(NS_PER_MS);
    assert!(key.take(1).is_allowed);
}

#[test]
fn an_instant_beyond_the_calendar_is_in_some_window_too() {
    for unix_ms in [253_402_207_200_999, 1 << 50, u64::MAX - 1] {
        for unit in UNITS {
            let span = span_ms(&limit(unit, "UTC"), &mut Memory::default(), unix_ms);
            assert!(span.contains(&unix_ms), "{unit:?} {unix_ms} {span:?}");
        }
    }
}

/// An instant up to 2100, or within two days of a change of the zone's clock.
fn instants() -> impl Strategy<Value = (usize, u64)> {
    let any = (0..ZONES.len(), 0..4_102_444_800_000_u64);
    let near = (any.clone(), 0..345_600_000_u64).prop_map(|((zone, at), offset)| {
        let (tz, from) = (TimeZone::get(ZONES[zone]).unwrap(), at as i64);
        let change = tz.following(Timestamp::from_millisecond(from).unwrap()).next();
        let at = change.map_or(at, |change| change.timestamp().as_millisecond() as u64);
        (zone, (at + offset).saturating_sub(172_800_000))
    });
    prop_oneof![any, near]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    /// Windows hold what they are asked for, join without a gap, and are the same for all within.
    #[test]
    fn windows_join((zone, at) in instants(), unit in 0..UNITS.len()) {
        let limit = limit(UNITS[unit], ZONES[zone]);
        let mut memory = Memory::default();
        let span = span_ms(&limit, &mut memory, at);
        prop_assert!(span.contains(&at));
        for inside in [span.start, span.end - 1, at] {
            prop_assert_eq!(span_ms(&limit, &mut Memory::default(), inside), span.clone());
        }
        prop_assert_eq!(span_ms(&limit, &mut memory, span.end).start, span.end);
        if span.start > 0 {
            prop_assert_eq!(span_ms(&limit, &mut memory, span.start - 1).end, span.start);
        }
        let length_days = (span.end - span.start) as f64 / 86_400_000.0;
        let most = [1.0 / 1440.0, 1.0 / 24.0, 1.0834, 7.0834, 31.0834, 366.0834][unit];
        prop_assert!(length_days <= most, "{length_days} days");
    }
}
