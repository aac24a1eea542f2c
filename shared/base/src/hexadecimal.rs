//! Job: read the hexadecimal floats of C (`0x1.8p3`), which the Rust standard library does not.
//! In: the text after `0x`. Out: the leading bits, an exponent, and whether anything was cut off.
//! Invariant: no digit is lost: what does not fit in the mantissa shows in `sticky`.

/// Exponents beyond this are out of range for every float type; capping keeps the arithmetic in
/// bounds.
const EXPONENT_MAX: i64 = 1 << 40;

/// A magnitude `mantissa * 2^exponent`, plus a little more if `sticky`. The mantissa has at most
/// 127 bits, and at least 124 if `sticky`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Binary {
    pub mantissa: u128,
    pub exponent: i64,
    pub sticky: bool,
}

/// Reads digits, an optional point and an optional `p` exponent; `None` unless the whole text is
/// that.
pub(crate) fn parse(text: &[u8]) -> Option<Binary> {
    let (mut mantissa, mut exponent, mut sticky) = (0u128, 0i64, false);
    let (mut any_digit, mut after_point) = (false, false);
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        if byte == b'.' && !after_point {
            after_point = true;
        } else if let Some(digit) = char::from(byte).to_digit(16) {
            any_digit = true;
            if mantissa >> 123 == 0 {
                mantissa = mantissa << 4 | u128::from(digit);
                exponent -= if after_point { 4 } else { 0 };
            } else {
                sticky |= digit != 0;
                exponent += if after_point { 0 } else { 4 };
            }
        } else {
            break;
        }
        at += 1;
    }
    if !any_digit {
        return None;
    }
    if at < text.len() {
        let (b'p' | b'P') = text[at] else { return None };
        let (negative, digits) = crate::number::split_sign(&text[at + 1..]);
        if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
            return None;
        }
        let magnitude = digits
            .iter()
            .fold(0i64, |value, digit| (value * 10 + i64::from(digit - b'0')).min(EXPONENT_MAX));
        exponent += if negative { -magnitude } else { magnitude };
    }
    Some(Binary { mantissa, exponent, sticky })
}

impl Binary {
    /// Rounds to the nearest double, ties to even. False if the number is out of range, that is, if
    /// it became infinite, or zero without being zero.
    pub(crate) fn to_f64(self) -> (f64, bool) {
        if self.mantissa == 0 {
            return (0.0, true);
        }
        let bits = i64::from(u128::BITS - self.mantissa.leading_zeros());
        // The value lies in 2^magnitude .. 2^(magnitude + 1).
        let magnitude = self.exponent + bits - 1;
        if magnitude > 1023 {
            return (f64::INFINITY, false);
        }
        // Normal numbers keep 53 bits, subnormal ones fewer: the last bit is worth 2^-1074.
        let kept = (magnitude + 1075).min(53);
        if kept < 0 {
            return (0.0, false);
        }
        let dropped = (bits - kept).max(0);
        let rounded = round(self.mantissa, dropped as u32, self.sticky);
        let value = rounded as f64 * power_of_two(self.exponent + dropped);
        (value, value.is_finite() && value != 0.0)
    }
}

/// Drops the `dropped` (at most 127) low bits of a mantissa, rounding to nearest, ties to even;
/// there is a little more than the mantissa if `sticky`.
pub(crate) fn round(mantissa: u128, dropped: u32, sticky: bool) -> u128 {
    let kept = mantissa >> dropped;
    let rest = mantissa & ((1 << dropped) - 1);
    let half = (1 << dropped) >> 1;
    let up = rest > half || (rest == half && half != 0 && (sticky || kept & 1 == 1));
    kept + u128::from(up)
}

/// `2^exponent` for exponents from -1074 to 1023.
fn power_of_two(exponent: i64) -> f64 {
    if exponent < -1022 {
        f64::from_bits(1 << (exponent + 1074))
    } else {
        f64::from_bits(((exponent + 1023) as u64) << 52)
    }
}
