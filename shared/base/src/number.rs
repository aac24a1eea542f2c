//! Job: read and write numbers as Redis does in arguments and replies.
//! In: argument bytes or a number. Out: a number, or its text in a buffer on the stack.
//! Invariant: accepted forms and printed digits are those of redis-server 7.2.

use std::ops::Deref;

use crate::hexadecimal;

/// Longest text of an `i64`: 19 digits and a sign.
const INTEGER_DIGITS_MAX: usize = 20;

/// Room for the longest text of a double: a sign and 17 digits, with seven zeros behind them or a
/// point and `e-308`.
const FLOAT_TEXT_BYTES: usize = 32;

/// Decimal digits that `%.17g` prints, enough to read back the same double.
const FLOAT_DIGITS: usize = 17;

/// Reads a signed 64-bit integer in its only canonical form: no spaces, no plus sign, no leading
/// zeros, no `-0`. This is what Redis accepts wherever an argument is an integer.
#[must_use]
pub fn parse_i64(text: &[u8]) -> Option<i64> {
    if text.is_empty() || text.len() > INTEGER_DIGITS_MAX {
        return None;
    }
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    match digits {
        [b'0'] => return (!negative).then_some(0),
        [b'1'..=b'9', ..] => {}
        _ => return None,
    }
    let mut magnitude = 0u64;
    for &byte in digits {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        magnitude = magnitude.checked_mul(10)?.checked_add(u64::from(digit))?;
    }
    if negative { 0i64.checked_sub_unsigned(magnitude) } else { i64::try_from(magnitude).ok() }
}

/// Reads a double as Redis reads scores and other float arguments: every form that C's `strtod`
/// takes, infinities included, but the whole argument, without spaces, and neither NaN nor a number
/// that is too large or too small to be represented.
#[must_use]
pub fn parse_f64(text: &[u8]) -> Option<f64> {
    let parsed = scan_f64(text)?;
    parsed.in_range.then_some(parsed.value)
}

/// Reads the end of a score range (`ZRANGEBYSCORE`, `ZCOUNT`; without its `(`). Redis is more
/// lenient here: white space may stand before the number, nothing at all is zero, and what is out
/// of range becomes an infinity or zero.
#[must_use]
pub fn parse_f64_bound(text: &[u8]) -> Option<f64> {
    if text.is_empty() {
        return Some(0.0);
    }
    let spaces = text.iter().take_while(|byte| matches!(byte, b' ' | b'\t'..=b'\r')).count();
    scan_f64(&text[spaces..]).map(|parsed| parsed.value)
}

struct Scanned {
    value: f64,
    in_range: bool,
}

fn scan_f64(text: &[u8]) -> Option<Scanned> {
    let (negative, magnitude) = split_sign(text);
    let (value, in_range) = match magnitude {
        [b'0', b'x' | b'X', digits @ ..] => hexadecimal::parse(digits)?.to_f64(),
        [b'0'..=b'9' | b'.' | b'i' | b'I', ..] => {
            // The standard library reads the same decimal forms and the same names of infinity as
            // strtod.
            let value: f64 = std::str::from_utf8(magnitude).ok()?.parse().ok()?;
            let named = !magnitude[0].is_ascii_digit() && magnitude[0] != b'.';
            let overflow = value.is_infinite() && !named;
            let underflow = value == 0.0 && has_significant_digit(magnitude);
            (value, !overflow && !underflow)
        }
        _ => return None,
    };
    Some(Scanned { value: if negative { -value } else { value }, in_range })
}

/// Splits an optional sign off; true for minus.
pub(crate) fn split_sign(text: &[u8]) -> (bool, &[u8]) {
    match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        rest => (false, rest),
    }
}

/// Whether a decimal number has a digit other than zero before its exponent, so that it is not
/// zero.
fn has_significant_digit(text: &[u8]) -> bool {
    text.iter()
        .take_while(|byte| !matches!(byte, b'e' | b'E'))
        .any(|byte| matches!(byte, b'1'..=b'9'))
}

/// The text of a double in a buffer of its own; reads as `&[u8]`.
#[derive(Clone, Copy, Debug)]
pub struct FloatText {
    bytes: [u8; FLOAT_TEXT_BYTES],
    length: u8,
}

impl FloatText {
    fn empty() -> Self {
        Self { bytes: [0; FLOAT_TEXT_BYTES], length: 0 }
    }

    fn push(&mut self, bytes: &[u8]) {
        let start = usize::from(self.length);
        self.bytes[start..start + bytes.len()].copy_from_slice(bytes);
        self.length += bytes.len() as u8;
    }

    fn trim_zeros(&mut self) {
        while self.ends_with(b"0") {
            self.length -= 1;
        }
        if self.ends_with(b".") {
            self.length -= 1;
        }
    }
}

impl Deref for FloatText {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[..usize::from(self.length)]
    }
}

/// Writes a double as redis-server 7.2 writes scores: the shortest text that reads back as the same
/// double, and `inf`, `-inf`, `nan`.
///
/// Whole numbers up to 2^62 stand in full; others in full while that adds at most seven zeros, with
/// a point down to six decimals (or where the exponent is below 4), else as `1.5e+22`.
#[must_use]
pub fn format_f64(value: f64) -> FloatText {
    format_with(value, WHOLE_END, push_shortest)
}

/// Writes a double as C's `%.17g` does, which Redis still uses where it copies scores without
/// replying them (`ZSCAN` of a large sorted set).
#[must_use]
pub fn format_f64_in_17_digits(value: f64) -> FloatText {
    format_with(value, 1e17, push_general)
}

/// The next double behind 2^62, up to which Redis writes whole numbers like integers (`double2ll`).
const WHOLE_END: f64 = ((1_u64 << 62) + 1024) as f64;

fn format_with(value: f64, whole_end: f64, push: fn(&mut FloatText, f64)) -> FloatText {
    let mut text = FloatText::empty();
    if value.is_nan() {
        text.push(b"nan");
        return text;
    }
    if value.is_sign_negative() {
        text.push(b"-");
    }
    let magnitude = value.abs();
    if magnitude.is_infinite() {
        text.push(b"inf");
    } else if magnitude < whole_end && magnitude.fract() == 0.0 {
        // Most scores are whole: no digits to search for.
        text.push(itoa::Buffer::new().format(magnitude as u64).as_bytes());
    } else {
        push(&mut text, magnitude);
    }
    text
}

/// The significant digits of a positive number and its decimal exponent.
struct Digits {
    bytes: [u8; FLOAT_DIGITS],
    count: usize,
    exponent: i64,
}

/// Takes the scientific form that the standard library writes, `d[.ddd]e[-]x`, apart.
fn digits_of(scientific: std::fmt::Arguments<'_>) -> Digits {
    let mut form = FloatText::empty();
    let mut rest = &mut form.bytes[..];
    let written = std::io::Write::write_fmt(&mut rest, scientific);
    assert!(written.is_ok(), "the text of a double outgrew its buffer");
    form.length = (FLOAT_TEXT_BYTES - rest.len()) as u8;
    let mut digits = Digits { bytes: [0; FLOAT_DIGITS], count: 0, exponent: 0 };
    let mut parts = form.split(|&byte| byte == b'e');
    for &digit in parts.next().unwrap_or_default().iter().filter(|&&byte| byte != b'.') {
        digits.bytes[digits.count] = digit;
        digits.count += 1;
    }
    let exponent = parts.next().and_then(parse_i64);
    digits.exponent = exponent.unwrap_or_else(|| unreachable!("scientific without an exponent"));
    digits
}

/// The form that Redis 7.2 gives the shortest digits of a positive number.
fn push_shortest(text: &mut FloatText, magnitude: f64) {
    let Digits { bytes, count, exponent } = digits_of(format_args!("{magnitude:e}"));
    let digits = &bytes[..count];
    // The number is the digits, read as an integer, times ten to this power.
    let power = exponent - count as i64 + 1;
    if power >= 0 && exponent < count as i64 + 7 {
        text.push(digits);
        (0..power).for_each(|_| text.push(b"0"));
    } else if power < 0 && (power > -7 || exponent.abs() < 4) {
        if exponent < 0 {
            text.push(b"0.");
            (1..-exponent).for_each(|_| text.push(b"0"));
            text.push(digits);
        } else {
            let (whole, decimals) = digits.split_at(exponent as usize + 1);
            text.push(whole);
            text.push(b".");
            text.push(decimals);
        }
    } else {
        text.push(&digits[..1]);
        if count > 1 {
            text.push(b".");
            text.push(&digits[1..]);
        }
        text.push(if exponent < 0 { b"e-" } else { b"e+" });
        text.push(itoa::Buffer::new().format(exponent.unsigned_abs()).as_bytes());
    }
}

/// `%.17g` of a positive number: 17 significant digits, rounded exactly, without trailing zeros, in
/// scientific form where the decimal exponent is below -4 or at least 17.
fn push_general(text: &mut FloatText, magnitude: f64) {
    const PRECISION: usize = FLOAT_DIGITS - 1;
    let Digits { bytes: digits, exponent, .. } =
        digits_of(format_args!("{magnitude:.PRECISION$e}"));
    if exponent < -4 || exponent >= FLOAT_DIGITS as i64 {
        text.push(&digits[..1]);
        text.push(b".");
        text.push(&digits[1..]);
        text.trim_zeros();
        text.push(if exponent < 0 { b"e-" } else { b"e+" });
        if exponent.unsigned_abs() < 10 {
            text.push(b"0");
        }
        text.push(itoa::Buffer::new().format(exponent.unsigned_abs()).as_bytes());
    } else if exponent < 0 {
        text.push(&b"0.000"[..1 + exponent.unsigned_abs() as usize]);
        text.push(&digits);
        text.trim_zeros();
    } else {
        let whole = exponent as usize + 1;
        text.push(&digits[..whole]);
        text.push(b".");
        text.push(&digits[whole..]);
        text.trim_zeros();
    }
}

#[cfg(test)]
#[path = "number_tests.rs"]
mod tests;
