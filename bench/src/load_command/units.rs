//! Job: read times and rates as people write them.
//! In: words of the command line. Out: values, or what is wrong with the word.
//! Invariant: what is read is positive and finite.

use std::time::Duration;

/// Longest time that an option takes: a year.
const TIME_MAX: Duration = Duration::from_secs(365 * 24 * 3600);
/// Highest rate that an option takes, per second.
const RATE_MAX: f64 = 1e9;

/// The units of time, longest names first where one ends like another.
const TIMES: [(&str, f64); 5] =
    [("us", 1e-6), ("ms", 1e-3), ("s", 1.0), ("m", 60.0), ("h", 3600.0)];
/// The factors of a rate.
const FACTORS: [(&str, f64); 2] = [("k", 1e3), ("m", 1e6)];

/// A time, such as `10s`, `500ms` or `2m`.
///
/// # Errors
/// A text that says what is expected.
pub fn time(word: &str) -> Result<Duration, String> {
    let time = time_or_none(word)?;
    if time.is_zero() { Err("must be longer than 0".to_owned()) } else { Ok(time) }
}

/// A time, or `0` for none at all.
///
/// # Errors
/// A text that says what is expected.
pub fn time_or_none(word: &str) -> Result<Duration, String> {
    let expected = || "expected a number with a unit (us, ms, s, m or h), such as 10s or 500ms";
    if word == "0" {
        return Ok(Duration::ZERO);
    }
    let (number, unit) = split(word);
    let (_, factor) = TIMES.iter().find(|(name, _)| *name == unit).ok_or_else(expected)?;
    let seconds = decimal(number).ok_or_else(expected)? * factor;
    if seconds > TIME_MAX.as_secs_f64() {
        return Err("must be a year or less".to_owned());
    }
    Ok(Duration::from_secs_f64(seconds))
}

/// A rate per second, such as `5000`, `50k` or `1.5m`.
///
/// # Errors
/// A text that says what is expected.
pub fn rate(word: &str) -> Result<f64, String> {
    let expected = || "expected requests per second, such as 5000, 50k or 1.5m";
    let (number, suffix) = split(word);
    let factor = match suffix.to_ascii_lowercase().as_str() {
        "" => 1.0,
        suffix => FACTORS.iter().find(|(name, _)| *name == suffix).ok_or_else(expected)?.1,
    };
    let rate = decimal(number).ok_or_else(expected)? * factor;
    match rate {
        0.0 => Err("must be more than 0".to_owned()),
        rate if rate > RATE_MAX => Err("must be 1000m or less".to_owned()),
        rate => Ok(rate),
    }
}

/// The number at the front of a word and the letters behind it.
fn split(word: &str) -> (&str, &str) {
    word.split_at(word.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(word.len()))
}

/// Digits with at most one point; no sign, no exponent, no `inf`.
fn decimal(word: &str) -> Option<f64> {
    let is_plain = word.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    if is_plain { word.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_need_a_unit_and_a_length() {
        for (word, expected_us) in [
            ("10s", Ok(10_000_000)),
            ("500ms", Ok(500_000)),
            ("2m", Ok(120_000_000)),
            ("1.5s", Ok(1_500_000)),
            ("250us", Ok(250)),
            ("1h", Ok(3_600_000_000)),
            ("10", Err("with a unit")),
            ("s", Err("with a unit")),
            ("", Err("with a unit")),
            ("-1s", Err("with a unit")),
            ("1e3s", Err("with a unit")),
            ("1.2.3s", Err("with a unit")),
            ("10 s", Err("with a unit")),
            ("10d", Err("with a unit")),
            ("10µs", Err("with a unit")),
            ("infs", Err("with a unit")),
            ("0s", Err("longer than 0")),
            ("0", Err("longer than 0")),
            ("9000h", Err("a year or less")),
            ("99999999999999999999999h", Err("a year or less")),
        ] {
            match (time(word), expected_us) {
                (Ok(time), Ok(us)) => assert_eq!(time.as_micros(), us, "{word}"),
                (Err(error), Err(text)) => assert!(error.contains(text), "{word}: {error}"),
                (got, _) => panic!("{word}: {got:?}"),
            }
        }
        assert_eq!(time_or_none("0"), Ok(Duration::ZERO));
        assert_eq!(time_or_none("0s"), Ok(Duration::ZERO));
    }

    #[test]
    fn rates_may_be_in_thousands_and_millions() {
        for (word, expected) in [
            ("5000", Ok(5000.0)),
            ("50k", Ok(50_000.0)),
            ("50K", Ok(50_000.0)),
            ("1.5m", Ok(1_500_000.0)),
            ("0.5", Ok(0.5)),
            ("0", Err("more than 0")),
            ("0k", Err("more than 0")),
            ("", Err("per second")),
            ("k", Err("per second")),
            ("-5", Err("per second")),
            ("5g", Err("per second")),
            ("5kk", Err("per second")),
            ("inf", Err("per second")),
            ("NaN", Err("per second")),
            ("1001m", Err("1000m or less")),
        ] {
            match (rate(word), expected) {
                (Ok(rate), Ok(wanted)) => assert!((rate - wanted).abs() < 1e-9, "{word}: {rate}"),
                (Err(error), Err(text)) => assert!(error.contains(text), "{word}: {error}"),
                (got, _) => panic!("{word}: {got:?}"),
            }
        }
    }
}
