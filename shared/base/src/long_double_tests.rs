//! Tests of `long_double` against answers of redis-server 7.0.15 on x86-64.

use super::*;

/// Lines of `value increment answer`; `!` for "value is not a valid float", `?` for "increment
/// would produce NaN or Infinity".
const ANSWERS: &str = include_str!("../tests/incrbyfloat.txt");

fn answer(value: &str, increment: &str) -> String {
    let (Some(value), Some(increment)) =
        (LongDouble::parse(value.as_bytes()), LongDouble::parse(increment.as_bytes()))
    else {
        return "!".to_owned();
    };
    value
        .checked_add(increment)
        .map_or("?".to_owned(), |sum| String::from_utf8_lossy(&sum.to_text()).into_owned())
}

#[test]
fn sums_equal_those_of_redis() {
    let mut count = 0;
    for line in ANSWERS.lines() {
        let mut fields = line.split(' ');
        let (Some(value), Some(increment), Some(expected)) =
            (fields.next(), fields.next(), fields.next())
        else {
            panic!("a line without three fields: {line}")
        };
        assert_eq!(answer(value, increment), expected, "{value} + {increment}");
        count += 1;
    }
    assert!(count > 400, "{count}");
}

/// One form for each value.
fn aligned(magnitude: Magnitude) -> (u128, i64) {
    match magnitude {
        Magnitude::Finite { mantissa, exponent } => align(mantissa, exponent),
        Magnitude::Infinite => panic!("in range"),
    }
}

#[test]
fn range_of_the_format() {
    let text = |text: &str| LongDouble::parse(text.as_bytes());
    assert!(text("1.18973149535723176502e4932").is_some());
    assert!(text("1.18973149535723176509e4932").is_none());
    assert!(text("0x1.fffffffffffffffep16383").is_some());
    assert!(text("0x1.ffffffffffffffffp16383").is_none());
    assert!(text("3.7e-4951").is_some());
    assert!(text("1.8e-4951").is_none());
    assert!(text("0x1p-16445").is_some());
    assert!(text("0x1p-16446").is_none());
    let same = |one, other| match (text(one), text(other)) {
        (Some(one), Some(other)) => aligned(one.magnitude) == aligned(other.magnitude),
        _ => false,
    };
    assert!(same("0x1.8p-16445", "0x1p-16444"), "ties go to even");
    assert!(same("0x2.8p-16445", "0x1p-16444"), "ties go to even");
    assert!(same("0x2.800001p-16445", "0x3p-16445"));
    assert!(text("inf").is_some() && text("-INFINITY").is_some());
    for refused in ["", ".", "+", "1e", "nan", " 1", "1 ", "infi", "1e99999999999999999999", "0x"] {
        assert!(text(refused).is_none(), "{refused:?}");
    }
    assert!(text("0e99999999999999999999").is_some_and(|zero| zero.to_text() == b"0"));
    assert!(LongDouble::parse(&[b'1'; 4900]).is_some());
    assert!(LongDouble::parse(&[b'0'; TEXT_BYTES_MAX]).is_some());
    assert!(LongDouble::parse(&[b'0'; TEXT_BYTES_MAX + 1]).is_none());
}

#[test]
fn the_quick_way_agrees_with_the_long_one() {
    let seed = 3;
    let mut random = crate::random::Random::new(seed);
    for _ in 0..5000 {
        let digits = (random.next_u64() >> random.below(64)).max(1).to_string();
        let exponent = random.below(37) as i64 - 18;
        let digits: Vec<u8> = digits.bytes().map(|digit| digit - b'0').collect();
        // Zeros behind the digits change the text and not the number.
        let mut long = digits.clone();
        long.extend([0; 20]);
        let (quick, long) = (from_decimal(&digits, exponent), from_decimal(&long, exponent - 20));
        assert_eq!(aligned(quick), aligned(long), "seed {seed}: {digits:?} e{exponent}");
    }
}
