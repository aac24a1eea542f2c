//! Job: the arithmetic of INCRBYFLOAT and HINCRBYFLOAT: 80-bit extended floats, as Redis on x86-64.
//! In: text in every form that C's `strtold` takes. Out: sums, and text with 17 decimals at most.
//! Invariant: parsing, adding and printing round once and exactly, half to even, so that the digits
//! are those of a `long double` on every machine.

use num_bigint::BigUint;

/// Longest text that counts as a number, in bytes, as in Redis.
const TEXT_BYTES_MAX: usize = 5 * 1024 - 1;

/// Bits of the mantissa; the format has no hidden bit.
const MANTISSA_BITS: i64 = 64;

/// Exponent of the last bit of the smallest numbers.
const EXPONENT_MIN: i64 = -16445;

/// From this power of two on a number is out of range.
const POWER_LIMIT: i64 = 16384;

/// Decimal exponents beyond this are out of range whatever the digits, of which there are at most
/// `TEXT_BYTES_MAX`; capping keeps the arithmetic small.
const DECIMAL_EXPONENT_MAX: i64 = 5000;

/// Digits after the point in the text of a number.
const DECIMALS: usize = 17;

/// 10 to the power of [`DECIMALS`].
const DECIMALS_SCALE: u128 = 100_000_000_000_000_000;

/// A number of the x87 extended format: 64 bits of mantissa, 15 bits of exponent.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum LongDouble {
    /// `mantissa * 2^exponent`, negated if `negative`.
    Finite {
        /// The sign.
        negative: bool,
        /// Zero only for zero.
        mantissa: u64,
        /// At least [`EXPONENT_MIN`].
        exponent: i64,
    },
    /// An infinity of either sign: no sum with it is a number that can be stored.
    Infinite,
}

impl LongDouble {
    /// Nothing.
    pub const ZERO: LongDouble = LongDouble::Finite { negative: false, mantissa: 0, exponent: 0 };

    /// Reads a number: decimal, hexadecimal (`0x1.8p3`) or an infinity, with an optional sign,
    /// without spaces. `None` for anything else, NaN included, and for what is out of range.
    pub fn parse(text: &[u8]) -> Option<LongDouble> {
        if text.is_empty() || text.len() > TEXT_BYTES_MAX {
            return None;
        }
        let (negative, magnitude) = match text {
            [b'-', rest @ ..] => (true, rest),
            [b'+', rest @ ..] => (false, rest),
            rest => (false, rest),
        };
        if magnitude.eq_ignore_ascii_case(b"inf") || magnitude.eq_ignore_ascii_case(b"infinity") {
            return Some(LongDouble::Infinite);
        }
        let digits = match magnitude {
            [b'0', b'x' | b'X', rest @ ..] => Digits::scan(rest, 16, b'p')?,
            rest => Digits::scan(rest, 10, b'e')?,
        };
        let value = digits.value(negative)?;
        let is_lost = matches!(value, LongDouble::Finite { mantissa: 0, .. })
            && digits.integer != BigUint::ZERO;
        (value != LongDouble::Infinite && !is_lost).then_some(value)
    }

    /// True for an infinity.
    pub fn is_infinite(self) -> bool {
        self == LongDouble::Infinite
    }

    /// The sum, rounded; `None` when it is no finite number.
    pub fn add(self, other: LongDouble) -> Option<LongDouble> {
        let LongDouble::Finite { negative, mantissa, exponent } = self else { return None };
        let LongDouble::Finite {
            negative: other_negative,
            mantissa: other_mantissa,
            exponent: other_exponent,
        } = other
        else {
            return None;
        };
        let lowest = exponent.min(other_exponent);
        let one = BigUint::from(mantissa) << (exponent - lowest);
        let two = BigUint::from(other_mantissa) << (other_exponent - lowest);
        let (negative, magnitude) = if negative == other_negative {
            (negative, one + two)
        } else if one >= two {
            (negative, one - two)
        } else {
            (other_negative, two - one)
        };
        let unit = BigUint::from(1u32);
        let sum = if lowest >= 0 {
            round(negative, &(magnitude << lowest), &unit)
        } else {
            round(negative, &magnitude, &(unit << -lowest))
        };
        (!sum.is_infinite()).then_some(sum)
    }

    /// The text as C's `%.17Lf` gives it, without zeros at the end of the decimals and without the
    /// sign of a zero. An infinity, which is never stored, reads `inf`.
    pub fn to_text(self) -> String {
        let LongDouble::Finite { negative, mantissa, exponent } = self else {
            return "inf".to_string();
        };
        let sign = if negative { "-" } else { "" };
        if exponent >= 0 {
            let sign = if mantissa == 0 { "" } else { sign };
            return format!("{sign}{}", BigUint::from(mantissa) << exponent);
        }
        // 64 bits of mantissa and 57 of the scale: all that matters fits in 121 bits.
        let scaled = shift_right_half_even(u128::from(mantissa) * DECIMALS_SCALE, -exponent);
        if scaled == 0 {
            return "0".to_string();
        }
        let (whole, decimals) = (scaled / DECIMALS_SCALE, scaled % DECIMALS_SCALE);
        if decimals == 0 {
            return format!("{sign}{whole}");
        }
        let text = format!("{sign}{whole}.{decimals:0width$}", width = DECIMALS);
        text.trim_end_matches('0').to_string()
    }
}

/// A scanned number: `integer * base^exponent`, where the base is 10 or 2.
struct Digits {
    integer: BigUint,
    exponent: i64,
    is_decimal: bool,
}

impl Digits {
    /// Reads digits of `radix` with an optional point and an optional exponent after `marker`
    /// (lower case); `None` unless the whole text is that.
    fn scan(text: &[u8], radix: u32, marker: u8) -> Option<Digits> {
        let end = text.iter().position(|byte| byte.to_ascii_lowercase() == marker);
        let (mantissa, exponent) = match end {
            Some(at) => (&text[..at], scan_exponent(&text[at + 1..])?),
            None => (text, 0),
        };
        let mut digits = Vec::with_capacity(mantissa.len());
        let mut point = None;
        for &byte in mantissa {
            match char::from(byte).to_digit(radix) {
                Some(digit) => digits.push(digit as u8),
                None if byte == b'.' && point.is_none() => point = Some(digits.len()),
                None => return None,
            }
        }
        let integer = BigUint::from_radix_be(&digits, radix)?;
        if digits.is_empty() {
            return None;
        }
        let decimals = point.map_or(0, |point| digits.len() - point) as i64;
        let is_decimal = radix == 10;
        let exponent = exponent - if is_decimal { decimals } else { 4 * decimals };
        Some(Digits { integer, exponent, is_decimal })
    }

    /// The nearest number of the format; `None` when it is out of range by far.
    fn value(&self, negative: bool) -> Option<LongDouble> {
        if self.integer == BigUint::ZERO {
            return Some(LongDouble::Finite { negative, mantissa: 0, exponent: 0 });
        }
        let unit = BigUint::from(1u32);
        if !self.is_decimal {
            let power = self.exponent + self.integer.bits() as i64;
            if !(EXPONENT_MIN..=POWER_LIMIT).contains(&power) {
                return None;
            }
            return Some(if self.exponent >= 0 {
                round(negative, &(&self.integer << self.exponent), &unit)
            } else {
                round(negative, &self.integer, &(unit << -self.exponent))
            });
        }
        // log10(2) is above 0.3 and below 0.302: good enough to keep absurd exponents out.
        let digits = self.integer.bits() as i64 * 302 / 1000 + 1;
        let power = self.exponent + digits;
        if self.exponent > DECIMAL_EXPONENT_MAX || power < -DECIMAL_EXPONENT_MAX {
            return None;
        }
        let scale = BigUint::from(10u32).pow(self.exponent.unsigned_abs() as u32);
        Some(if self.exponent >= 0 {
            round(negative, &(&self.integer * scale), &unit)
        } else {
            round(negative, &self.integer, &scale)
        })
    }
}

/// Reads an exponent: an optional sign and digits. What is absurdly large is capped.
fn scan_exponent(text: &[u8]) -> Option<i64> {
    const CAP: i64 = 1 << 40;
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        rest => (false, rest),
    };
    if digits.is_empty() {
        return None;
    }
    let mut exponent = 0i64;
    for byte in digits {
        let digit = char::from(*byte).to_digit(10)?;
        exponent = (exponent * 10 + i64::from(digit)).min(CAP);
    }
    Some(if negative { -exponent } else { exponent })
}

/// The number of the format nearest to `numerator / denominator`, half to even; infinite when it is
/// out of range. The denominator is not zero.
fn round(negative: bool, numerator: &BigUint, denominator: &BigUint) -> LongDouble {
    if *numerator == BigUint::ZERO {
        return LongDouble::Finite { negative, mantissa: 0, exponent: 0 };
    }
    // Two or three bits more than the mantissa holds, and whether there is anything below them.
    let power = numerator.bits() as i64 - denominator.bits() as i64;
    let mut exponent = (power - MANTISSA_BITS - 2).max(EXPONENT_MIN - 2);
    let (scaled, divisor) = if exponent >= 0 {
        (numerator.clone(), denominator << exponent)
    } else {
        (numerator << -exponent, denominator.clone())
    };
    let quotient = &scaled / &divisor;
    let is_exact = &quotient * &divisor == scaled;
    let bits = quotient.bits() as i64;
    let surplus = (bits - MANTISSA_BITS).max(EXPONENT_MIN - exponent);
    let quotient = u128::try_from(quotient).expect("invariant: the quotient has at most 67 bits");
    // What the remainder holds decides a tie only: one bit below all others says it is there.
    let mantissa = shift_right_half_even(quotient << 1 | u128::from(!is_exact), surplus + 1);
    exponent += surplus;
    let (mantissa, exponent) = match u64::try_from(mantissa) {
        Ok(mantissa) => (mantissa, exponent),
        Err(_) => (1 << 63, exponent + 1),
    };
    if mantissa != 0 && exponent + i64::from(u64::BITS - mantissa.leading_zeros()) > POWER_LIMIT {
        return LongDouble::Infinite;
    }
    LongDouble::Finite { negative, mantissa, exponent }
}

/// `value / 2^shift`, rounded half to even. `value` is below 2^127, `shift` is positive.
fn shift_right_half_even(value: u128, shift: i64) -> u128 {
    if shift >= 128 {
        return 0;
    }
    let (kept, half) = (value >> shift, 1u128 << (shift - 1));
    let dropped = value - (kept << shift);
    kept + u128::from(dropped > half || (dropped == half && kept & 1 == 1))
}

#[cfg(test)]
mod tests {
    use super::LongDouble;

    fn sum(one: &str, two: &str) -> Option<String> {
        let one = LongDouble::parse(one.as_bytes())?;
        let two = LongDouble::parse(two.as_bytes())?;
        one.add(two).map(LongDouble::to_text)
    }

    #[test]
    fn sums_are_those_of_redis_server() {
        // Answers of redis-server 7.0.15 to SET and INCRBYFLOAT.
        for (one, two, expected) in [
            ("10.5", "0.1", "10.6"),
            ("5.0e3", "2.0e2", "5200"),
            ("-9223372036854775807", "0.1", "-9223372036854775807"),
            ("-9223372036854775807", "1e5", "-9223372036854675807"),
            ("0x1p4", "0x10", "32"),
            ("0X1P-1", "0x.8", "1"),
            ("+5.", ".5", "5.5"),
            ("-0", "-0", "0"),
            ("1", "-1", "0"),
            ("-1e-18", "0", "0"),
            ("5e-18", "0", "0"),
            ("5e-18", "1e-18", "0.00000000000000001"),
            ("-15e-18", "0", "-0.00000000000000002"),
            ("25e-18", "0", "0.00000000000000002"),
            ("3e-4951", "1", "1"),
            ("36893488147419103233", "0", "36893488147419103232"),
        ] {
            assert_eq!(sum(one, two).as_deref(), Some(expected), "{one} + {two}");
        }
    }

    #[test]
    fn what_is_no_number_is_refused() {
        for text in [
            "",
            " 1",
            "1 ",
            "abc",
            "nan",
            "1e",
            "1e+",
            ".",
            "++5",
            "0x",
            "0x.",
            "0x1p",
            "1_0",
            "1,5",
            "infinit",
            "1.2.3",
            "1e4933",
            "1e-5000",
            "1e99999999999999999999",
            "0x1p16384",
            "0x1p-16446",
            "1e-99999999999999999999",
        ] {
            assert_eq!(LongDouble::parse(text.as_bytes()), None, "{text:?}");
        }
        assert!(LongDouble::parse("1".repeat(5119).as_bytes()).is_none(), "out of range");
        assert!(LongDouble::parse(("0".repeat(5118) + "1").as_bytes()).is_some());
        assert!(LongDouble::parse(("0".repeat(5119) + "1").as_bytes()).is_none(), "too long");
    }

    #[test]
    fn sums_out_of_range_are_refused() {
        assert!(LongDouble::parse(b"-Infinity").is_some_and(LongDouble::is_infinite));
        assert_eq!(sum("inf", "1"), None);
        assert_eq!(sum("1", "-inf"), None);
        assert_eq!(sum("1e4932", "1e4932"), None);
        let largest = sum("1.18973149535723176502e4932", "0").expect("in range");
        assert_eq!(largest.len(), 4933);
        assert!(largest.starts_with("118973149535723176502126385303097020"), "{largest}");
    }

    #[test]
    fn a_half_is_rounded_to_the_even_neighbour() {
        let last_bit_odd = "18446744073709551617";
        assert_eq!(sum("18446744073709551616", "1").as_deref(), Some("18446744073709551616"));
        assert_eq!(sum(last_bit_odd, "2").as_deref(), Some("18446744073709551618"));
        assert_eq!(sum("18446744073709551618", "1").as_deref(), Some("18446744073709551620"));
        assert_eq!(sum("0xffffffffffffffff8", "0").as_deref(), Some("295147905179352825856"));
    }
}
