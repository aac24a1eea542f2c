//! Times and sizes as people write them.
//!
//! Job: "4s", "500ms", "16k" to numbers and back. In: text. Out: milliseconds and bytes, or what is
//! wrong. Invariant: what is written is read as the same number.

use super::problem::shown;

/// The longest time that may be asked for: 1000 hours.
const TIME_MS_MAX: u64 = 1000 * 3_600_000;

/// Units of time with their milliseconds, the largest first.
const TIMES: [(&str, u64); 5] =
    [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];

/// Units of size with their bytes, the largest first.
const SIZES: [(&str, u64); 3] = [("m", 1 << 20), ("k", 1 << 10), ("", 1)];

/// A time in milliseconds. It is finite; 0 is for the caller to judge.
pub fn read_time(text: &str) -> Result<u32, String> {
    let wrong = || format!("\"{}\" is not a time such as \"500ms\", \"4s\" or \"1h\"", shown(text));
    let (digits, unit) = split(text);
    if unit.is_empty() && !digits.is_empty() {
        return Err(format!("the time \"{0}\" needs a unit, such as \"{0}s\"", shown(digits)));
    }
    let (_, factor) = TIMES.iter().find(|(name, _)| *name == unit).ok_or_else(wrong)?;
    let number: u64 = digits.parse().map_err(|_| wrong())?;
    let ms = number.checked_mul(*factor).filter(|ms| *ms <= TIME_MS_MAX);
    ms.and_then(|ms| u32::try_from(ms).ok())
        .ok_or_else(|| format!("\"{}\" is longer than \"1000h\"", shown(text)))
}

/// A time in its largest whole unit.
pub fn write_time(ms: u32) -> String {
    let ms = u64::from(ms);
    let whole = TIMES[1..].iter().find(|(_, factor)| ms >= *factor && ms.is_multiple_of(*factor));
    match whole {
        Some((unit, factor)) => format!("{}{unit}", ms / factor),
        None => "0s".to_owned(),
    }
}

/// A size in bytes.
pub fn read_size(text: &str) -> Result<u64, String> {
    let wrong = || format!("\"{}\" is not a size such as \"16k\"", shown(text));
    let (digits, unit) = split(text);
    let unit = unit.to_ascii_lowercase();
    let unit = unit.strip_suffix("ib").or_else(|| unit.strip_suffix('b')).unwrap_or(&unit);
    let (_, factor) = SIZES.iter().find(|(name, _)| *name == unit).ok_or_else(wrong)?;
    let number: u64 = digits.parse().map_err(|_| wrong())?;
    number.checked_mul(*factor).ok_or_else(wrong)
}

/// A size in its largest whole unit.
pub fn write_size(bytes: u64) -> String {
    let whole = SIZES.iter().find(|(_, factor)| bytes >= *factor && bytes.is_multiple_of(*factor));
    match whole {
        Some((unit, factor)) => format!("{}{unit}", bytes / factor),
        None => "0".to_owned(),
    }
}

fn split(text: &str) -> (&str, &str) {
    text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_and_written() {
        for (text, ms) in [
            ("500ms", 500),
            ("4s", 4000),
            ("90s", 90_000),
            ("1h", 3_600_000),
            ("1000h", 3_600_000_000),
        ] {
            assert_eq!(read_time(text), Ok(ms), "{text}");
            assert_eq!(read_time(&write_time(ms)), Ok(ms), "{text}");
        }
        assert_eq!(read_time("2d"), Ok(172_800_000));
        assert_eq!(write_time(90_000), "90s");
        assert_eq!(write_time(0), "0s");
        assert_eq!(read_time("4"), Err("the time \"4\" needs a unit, such as \"4s\"".to_owned()));
        assert_eq!(read_time("1001h"), Err("\"1001h\" is longer than \"1000h\"".to_owned()));
        for text in ["", "s", "4 s", "-4s", "4S", "4x", "1.5s", "99999999999999999999h"] {
            assert!(read_time(text).is_err(), "{text}");
        }
    }

    #[test]
    fn sizes_are_read_and_written() {
        for (text, bytes) in [("16k", 16_384), ("16KiB", 16_384), ("1500", 1500), ("1m", 1 << 20)] {
            assert_eq!(read_size(text), Ok(bytes), "{text}");
            assert_eq!(read_size(&write_size(bytes)), Ok(bytes), "{text}");
        }
        for text in ["", "k", "-1", "16g", "1.5k", "99999999999999999999"] {
            assert!(read_size(text).is_err(), "{text}");
        }
    }
}
