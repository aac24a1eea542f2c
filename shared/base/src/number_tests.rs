//! Tests of `number`: tables taken from redis-server 7.0.15, and comparisons over random bit
//! patterns.

use super::*;
use crate::random::Random;

#[test]
fn integers_are_canonical() {
    for (text, expected) in [
        ("0", Some(0)),
        ("-1", Some(-1)),
        ("9223372036854775807", Some(i64::MAX)),
        ("-9223372036854775808", Some(i64::MIN)),
        ("9223372036854775808", None),
        ("-9223372036854775809", None),
        ("18446744073709551616", None),
        ("99999999999999999999", None),
        ("", None),
        ("-", None),
        ("-0", None),
        ("00", None),
        ("01", None),
        ("+1", None),
        (" 1", None),
        ("1 ", None),
        ("1.0", None),
        ("1e3", None),
    ] {
        assert_eq!(parse_i64(text.as_bytes()), expected, "{text:?}");
    }
}

#[test]
fn float_arguments() {
    for (text, expected) in [
        ("3.1", Some(3.1)),
        (".5", Some(0.5)),
        ("5.", Some(5.0)),
        ("+1e3", Some(1000.0)),
        ("inf", Some(f64::INFINITY)),
        ("+inf", Some(f64::INFINITY)),
        ("-Infinity", Some(f64::NEG_INFINITY)),
        ("0x1p4", Some(16.0)),
        ("-0X.8", Some(-0.5)),
        ("0x1.8p1", Some(3.0)),
        ("0x1.", Some(1.0)),
        ("5e-324", Some(5e-324)),
        ("0e999", Some(0.0)),
        ("0x0p99999", Some(0.0)),
        ("1e400", None),
        ("1e-400", None),
        ("0x1p1024", None),
        ("0x1p-1080", None),
        ("0x", None),
        ("0x.p1", None),
        ("0x1p", None),
        ("0x1p+", None),
        ("nan", None),
        ("nan(1)", None),
        ("", None),
        (".", None),
        ("-", None),
        ("+-1", None),
        ("--1", None),
        (" 1", None),
        ("1 ", None),
        ("1e", None),
        ("1_0", None),
        ("infinit", None),
    ] {
        assert_eq!(parse_f64(text.as_bytes()), expected, "{text:?}");
    }
    assert!(parse_f64(b"-0").is_some_and(|zero| zero == 0.0 && zero.is_sign_negative()));
    assert_eq!(parse_f64(b"1\0"), None);
    assert_eq!(parse_f64(&[0xff]), None);
}

#[test]
fn range_ends_are_lenient() {
    assert_eq!(parse_f64_bound(b""), Some(0.0));
    assert_eq!(parse_f64_bound(b" \t4"), Some(4.0));
    assert_eq!(parse_f64_bound(b"1e400"), Some(f64::INFINITY));
    assert_eq!(parse_f64_bound(b"-1e400"), Some(f64::NEG_INFINITY));
    assert_eq!(parse_f64_bound(b"1e-400"), Some(0.0));
    assert_eq!(parse_f64_bound(b"nan"), None);
    assert_eq!(parse_f64_bound(b"4 "), None);
    assert_eq!(parse_f64_bound(b"x"), None);
}

#[test]
fn hexadecimal_rounding() {
    // 53 bits and a half: ties go to even, and a bit far below breaks the tie.
    assert_eq!(parse_f64(b"0x20000000000001"), Some(9007199254740992.0));
    assert_eq!(parse_f64(b"0x20000000000003"), Some(9007199254740996.0));
    assert_eq!(parse_f64(b"0x20000000000001.0000000000000000001"), Some(9007199254740994.0));
    assert_eq!(parse_f64(b"0x1.fffffffffffff8p1023"), None);
    assert_eq!(parse_f64(b"0x1.fffffffffffff7p1023"), Some(f64::MAX));
    assert_eq!(parse_f64(b"0x0.8p-1074"), None);
    assert_eq!(parse_f64(b"0x0.80001p-1074"), Some(5e-324));
    assert_eq!(parse_f64(b"0x1.8p-1074"), Some(1e-323));
}

#[test]
fn hexadecimal_reads_back_random_doubles() {
    let seed = 11;
    let mut random = Random::new(seed);
    for _ in 0..20_000 {
        let value = f64::from_bits(random.next_u64() >> 1);
        if !value.is_finite() || value == 0.0 {
            continue;
        }
        let bits = value.to_bits();
        let (fraction, exponent) = (bits & ((1 << 52) - 1), (bits >> 52) as i64);
        let text = if exponent == 0 {
            format!("0x0.{fraction:013x}p-1022")
        } else {
            format!("0x1.{fraction:013x}p{}", exponent - 1023)
        };
        assert_eq!(parse_f64(text.as_bytes()), Some(value), "seed {seed}: {text}");
    }
}

#[test]
fn scores_print_as_in_redis() {
    for (value, expected) in [
        (3.1, "3.1"),
        (-4.4, "-4.4"),
        (1e20, "1e+20"),
        (1.2345e10 + 0.5, "12345000000.5"),
        (4611686018427387904.0, "4611686018427387904"),
        (4611686018427388928.0, "4611686018427389000"),
        (1.5e22, "1.5e+22"),
        (1e17, "100000000000000000"),
        (4e18, "4000000000000000000"),
        (123456789012345678.0, "123456789012345680"),
        (0.1 + 0.2, "0.30000000000000004"),
        (1e-5, "0.00001"),
        (1e-6, "0.000001"),
        (1e-7, "1e-7"),
        (1.23e-5, "1.23e-5"),
        (0.00123456789, "0.00123456789"),
        (1234567.1234567, "1.2345671234567e+6"),
        (1234.1234567, "1234.1234567"),
        (5e-324, "5e-324"),
        (f64::MAX, "1.7976931348623157e+308"),
        (9223372036854775807.0, "9223372036854776000"),
        (12345678.125, "12345678.125"),
        (1.5, "1.5"),
        (-2.5, "-2.5"),
        (0.0, "0"),
        (-0.0, "-0"),
        (f64::INFINITY, "inf"),
        (f64::NEG_INFINITY, "-inf"),
        (f64::NAN, "nan"),
    ] {
        assert_eq!(String::from_utf8_lossy(&format_f64(value)), expected);
    }
}

#[test]
fn seventeen_digits_print_as_in_c() {
    for (value, expected) in [
        (3.1, "3.1000000000000001"),
        (1e20, "1e+20"),
        (1e17, "1e+17"),
        (1e16, "10000000000000000"),
        (123456789012345678.0, "1.2345678901234568e+17"),
        (0.1 + 0.2, "0.30000000000000004"),
        (1e-5, "1.0000000000000001e-05"),
        (1e-7, "9.9999999999999995e-08"),
        (0.0001, "0.0001"),
        (0.00012, "0.00012"),
        (5e-324, "4.9406564584124654e-324"),
        (f64::MAX, "1.7976931348623157e+308"),
        (9223372036854775807.0, "9.2233720368547758e+18"),
        (12345678.125, "12345678.125"),
        (f64::from_bits(0x4311_8b54_f22a_eb01), "1234567890123456.2"),
        (f64::from_bits(0x4311_8b54_f22a_eb03), "1234567890123456.8"),
        (-2.5, "-2.5"),
        (0.0, "0"),
        (-0.0, "-0"),
        (f64::INFINITY, "inf"),
        (f64::NEG_INFINITY, "-inf"),
        (f64::NAN, "nan"),
    ] {
        assert_eq!(String::from_utf8_lossy(&format_f64_in_17_digits(value)), expected);
    }
}

#[test]
fn printed_doubles_read_back_as_themselves() {
    let seed = 5;
    let mut random = Random::new(seed);
    for _ in 0..100_000 {
        let value = f64::from_bits(random.next_u64());
        if value.is_nan() {
            continue;
        }
        for text in [format_f64(value), format_f64_in_17_digits(value)] {
            assert_eq!(parse_f64(&text), Some(value), "seed {seed}: {value:e}");
        }
    }
}

/// Lines of an argument and the score that redis-server 7.0.15 answers, in 17 digits; `!` for a
/// refused argument.
const ANSWERS: &str = include_str!("../tests/doubles.txt");

#[test]
fn arguments_are_read_as_by_redis() {
    let mut count = 0;
    for line in ANSWERS.lines() {
        let (argument, expected) = line.split_once(' ').expect("two fields");
        let answer = parse_f64(argument.as_bytes()).map(format_f64_in_17_digits);
        let answer = answer.as_deref().map_or("!".into(), String::from_utf8_lossy);
        assert_eq!(answer, expected, "{argument}");
        count += 1;
    }
    assert!(count > 400, "{count}");
}
