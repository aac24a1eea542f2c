//! Job: the arithmetic of `INCRBYFLOAT` and `HINCRBYFLOAT`, which Redis does in C's `long double`.
//! In: the text of a number. Out: the text of a sum.
//! Invariant: each step gives the bits of the 80-bit format of x86: 64 bits of mantissa, correctly
//! rounded, ties to even; so texts equal those of redis-server on x86-64.

use num_bigint::BigUint;

use crate::hexadecimal::{self, round};
use crate::number::split_sign;

/// Bits of the mantissa.
const MANTISSA_BITS: i64 = 64;
/// Exponent of the largest power of two that the format holds.
const EXPONENT_MAX: i64 = 16383;
/// Exponent of the smallest (subnormal) power of two.
const EXPONENT_MIN: i64 = -16445;
/// Redis refuses longer texts.
const TEXT_BYTES_MAX: usize = 5 * 1024 - 1;
/// Digits that Redis prints after the point.
const FRACTION_DIGITS: u32 = 17;
/// Decimal magnitudes outside of `+-DECIMAL_EXPONENT_MAX` are out of range; the bound keeps the big
/// numbers small.
const DECIMAL_EXPONENT_MAX: i64 = 5000;
/// Powers of ten up to this keep the quick way of [`from_decimal`] exact.
const QUICK_EXPONENT_MAX: i64 = 18;

/// A number of the 80-bit format other than NaN: `mantissa * 2^exponent`, or an infinity.
#[derive(Clone, Copy, Debug)]
pub struct LongDouble {
    negative: bool,
    magnitude: Magnitude,
}

#[derive(Clone, Copy, Debug)]
enum Magnitude {
    Finite { mantissa: u64, exponent: i64 },
    Infinite,
}

const ZERO: Magnitude = Magnitude::Finite { mantissa: 0, exponent: 0 };

impl LongDouble {
    /// Reads a number as Redis does: every form that `strtold` takes, infinities included, but the
    /// whole text, at most 5119 bytes, and neither NaN nor a number that is out of range.
    #[must_use]
    pub fn parse(text: &[u8]) -> Option<Self> {
        if text.len() > TEXT_BYTES_MAX {
            return None;
        }
        let (negative, rest) = split_sign(text);
        let magnitude = match rest {
            [b'0', b'x' | b'X', digits @ ..] => {
                let parsed = hexadecimal::parse(digits)?;
                let magnitude = nearest(parsed.mantissa, parsed.exponent, parsed.sticky);
                in_range(parsed.mantissa != 0, magnitude)?
            }
            _ if rest.eq_ignore_ascii_case(b"inf") || rest.eq_ignore_ascii_case(b"infinity") => {
                Magnitude::Infinite
            }
            _ => parse_decimal(rest)?,
        };
        Some(Self { negative, magnitude })
    }

    /// The sum, or `None` if it would be infinite or no number, which Redis refuses.
    #[must_use]
    pub fn checked_add(self, other: Self) -> Option<Self> {
        let Magnitude::Finite { mantissa: left, exponent: left_exponent } = self.magnitude else {
            return None;
        };
        let Magnitude::Finite { mantissa: right, exponent: right_exponent } = other.magnitude
        else {
            return None;
        };
        if left == 0 || right == 0 {
            let negative = self.negative && other.negative;
            return Some(match (left, right) {
                (0, 0) => Self { negative, magnitude: ZERO },
                (0, _) => other,
                _ => self,
            });
        }
        // Both mantissas with their top bit at bit 125: a carry fits, and 62 bits stay below.
        let (left, left_exponent) = align(left, left_exponent);
        let (right, right_exponent) = align(right, right_exponent);
        let mut high = (left, left_exponent, self.negative);
        let mut low = (right, right_exponent, other.negative);
        if (high.1, high.0) < (low.1, low.0) {
            std::mem::swap(&mut high, &mut low);
        }
        let distance = (high.1 - low.1).min(127) as u32;
        let shifted = low.0 >> distance;
        let sticky = shifted << distance != low.0;
        let sum = if high.2 == low.2 {
            high.0 + shifted
        } else {
            // What was cut off the subtrahend makes the difference a little less than one more.
            high.0 - shifted - u128::from(sticky)
        };
        if sum == 0 {
            return Some(Self { negative: false, magnitude: ZERO });
        }
        match nearest(sum, high.1, sticky) {
            Magnitude::Infinite => None,
            magnitude => Some(Self { negative: high.2, magnitude }),
        }
    }

    /// The text that Redis stores and answers: up to 17 digits after the point, without trailing
    /// zeros, never scientific, up to about 4950 bytes.
    #[must_use]
    pub fn to_text(self) -> Vec<u8> {
        let mut text = if self.negative { b"-".to_vec() } else { Vec::new() };
        let (mantissa, exponent) = match self.magnitude {
            Magnitude::Infinite => {
                text.extend_from_slice(b"inf");
                return text;
            }
            Magnitude::Finite { mantissa, exponent } => (mantissa, exponent),
        };
        if exponent >= 0 {
            let whole = BigUint::from(mantissa) << exponent.unsigned_abs();
            text.extend_from_slice(whole.to_string().as_bytes());
        } else {
            // 64 bits times 10^17 take 121 bits; from a shift of 122 on, less than half remains.
            let unit = 10u128.pow(FRACTION_DIGITS);
            let dropped = exponent.unsigned_abs().min(127) as u32;
            let scaled = round(u128::from(mantissa) * unit, dropped, false);
            let fraction = format!("{:0width$}", scaled % unit, width = FRACTION_DIGITS as usize);
            let fraction = fraction.trim_end_matches('0');
            text.extend_from_slice((scaled / unit).to_string().as_bytes());
            if !fraction.is_empty() {
                text.push(b'.');
                text.extend_from_slice(fraction.as_bytes());
            }
        }
        if text == b"-0" {
            text.remove(0);
        }
        text
    }
}

/// Puts the top bit of a mantissa at bit 125.
fn align(mantissa: u64, exponent: i64) -> (u128, i64) {
    let shift = mantissa.leading_zeros() + 62;
    (u128::from(mantissa) << shift, exponent - i64::from(shift))
}

/// The representable number nearest to `wide * 2^exponent`, plus a little more if `sticky`, in
/// which case `wide` must have at least two bits more than the mantissa. At most 127 bits.
fn nearest(wide: u128, exponent: i64, sticky: bool) -> Magnitude {
    if wide == 0 {
        return ZERO;
    }
    let bits = i64::from(u128::BITS - wide.leading_zeros());
    debug_assert!(bits < 128 && (!sticky || bits > MANTISSA_BITS + 1));
    let dropped = (bits - MANTISSA_BITS).max(EXPONENT_MIN - exponent).max(0);
    if dropped > bits {
        return ZERO;
    }
    let mut mantissa = round(wide, dropped as u32, sticky);
    let mut exponent = exponent + dropped;
    if mantissa >> MANTISSA_BITS != 0 {
        mantissa >>= 1;
        exponent += 1;
    }
    let top = exponent + i64::from(u128::BITS - mantissa.leading_zeros()) - 1;
    if top > EXPONENT_MAX {
        return Magnitude::Infinite;
    }
    Magnitude::Finite { mantissa: mantissa as u64, exponent }
}

/// Refuses a number that became infinite, or zero without being zero.
fn in_range(significant: bool, magnitude: Magnitude) -> Option<Magnitude> {
    match magnitude {
        Magnitude::Infinite => None,
        Magnitude::Finite { mantissa: 0, .. } if significant => None,
        finite => Some(finite),
    }
}

/// Reads digits, an optional point and an optional exponent.
fn parse_decimal(text: &[u8]) -> Option<Magnitude> {
    let (mut digits, mut exponent) = (Vec::with_capacity(text.len()), 0i64);
    let (mut any_digit, mut after_point) = (false, false);
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        match byte {
            b'.' if !after_point => after_point = true,
            b'0'..=b'9' => {
                any_digit = true;
                exponent -= i64::from(after_point);
                if byte != b'0' || !digits.is_empty() {
                    digits.push(byte - b'0');
                }
            }
            _ => break,
        }
        at += 1;
    }
    if !any_digit {
        return None;
    }
    if at < text.len() {
        let (b'e' | b'E') = text[at] else { return None };
        let (negative, written) = split_sign(&text[at + 1..]);
        if written.is_empty() || !written.iter().all(u8::is_ascii_digit) {
            return None;
        }
        // Far beyond any range, yet small enough not to overflow.
        let magnitude = written
            .iter()
            .fold(0i64, |value, digit| (value * 10 + i64::from(digit - b'0')).min(1 << 40));
        exponent += if negative { -magnitude } else { magnitude };
    }
    while digits.last() == Some(&0) {
        digits.pop();
        exponent += 1;
    }
    if digits.is_empty() {
        return Some(ZERO);
    }
    if (exponent + digits.len() as i64).abs() > DECIMAL_EXPONENT_MAX {
        return None;
    }
    in_range(true, from_decimal(&digits, exponent))
}

/// The number nearest to `digits * 10^exponent`; the first digit is not zero.
fn from_decimal(digits: &[u8], exponent: i64) -> Magnitude {
    if digits.len() <= 19 && exponent.abs() <= QUICK_EXPONENT_MAX {
        let number = digits.iter().fold(0u64, |value, digit| value * 10 + u64::from(*digit));
        let power = 10u128.pow(exponent.unsigned_abs() as u32);
        if exponent >= 0 {
            return nearest(u128::from(number) * power, 0, false);
        }
        // The quotient has at least 128 - 60 bits: more than the mantissa and its rounding need.
        let shift = MANTISSA_BITS + i64::from(number.leading_zeros());
        let dividend = u128::from(number) << shift;
        return nearest(dividend / power, -shift, !dividend.is_multiple_of(power));
    }
    let number = BigUint::from_radix_be(digits, 10).unwrap_or_default();
    let power = BigUint::from(10u32).pow(exponent.unsigned_abs() as u32);
    if exponent >= 0 {
        return nearest_big(&(number * power), 0, false);
    }
    // A quotient of at least 128 bits, for the same reason.
    let shift = (129 + power.bits()).saturating_sub(number.bits());
    let dividend = number << shift;
    let quotient = &dividend / &power;
    let exact = &quotient * &power == dividend;
    nearest_big(&quotient, -(shift as i64), !exact)
}

fn nearest_big(number: &BigUint, exponent: i64, sticky: bool) -> Magnitude {
    let shift = number.bits().saturating_sub(127);
    let lost = number.trailing_zeros().is_some_and(|zeros| zeros < shift);
    let top = (number >> shift)
        .iter_u64_digits()
        .rev()
        .fold(0u128, |value, digit| value << 64 | u128::from(digit));
    nearest(top, exponent + shift as i64, sticky || lost)
}

#[cfg(test)]
#[path = "long_double_tests.rs"]
mod tests;
