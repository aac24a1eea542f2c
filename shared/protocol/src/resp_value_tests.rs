//! Tests of `resp_value`: every kind of reply, whole, cut short and malformed.

use proptest::prelude::*;

use super::*;

fn bulk(text: &str) -> Value {
    Value::Bulk(text.as_bytes().to_vec())
}

fn table() -> Vec<(&'static [u8], Value)> {
    vec![
        (b"+OK\r\n", Value::Simple(b"OK".to_vec())),
        (b"+\r\n", Value::Simple(vec![])),
        (b"-ERR no\r\n", Value::Error(b"ERR no".to_vec())),
        (b":-5\r\n", Value::Integer(-5)),
        (b"$3\r\na\r\n\r\n", bulk("a\r\n")),
        (b"$0\r\n\r\n", bulk("")),
        (b"$-1\r\n", Value::NullBulk),
        (b"*0\r\n", Value::Array(vec![])),
        (b"*-1\r\n", Value::NullArray),
        (b"_\r\n", Value::Null),
        (b"#t\r\n", Value::Boolean(true)),
        (b"#f\r\n", Value::Boolean(false)),
        (b",-inf\r\n", Value::Double(b"-inf".to_vec())),
        (b"(123\r\n", Value::BigNumber(b"123".to_vec())),
        (b"!5\r\nERR a\r\n", Value::BulkError(b"ERR a".to_vec())),
        (b"=6\r\ntxt:ab\r\n", Value::Verbatim { format: *b"txt", text: b"ab".to_vec() }),
        (
            b"%1\r\n+k\r\n:1\r\n",
            Value::Map(vec![(Value::Simple(b"k".to_vec()), Value::Integer(1))]),
        ),
        (b"~2\r\n:1\r\n:2\r\n", Value::Set(vec![Value::Integer(1), Value::Integer(2)])),
        (b">1\r\n$1\r\na\r\n", Value::Push(vec![bulk("a")])),
        (
            b"|1\r\n:1\r\n:2\r\n*1\r\n:3\r\n",
            Value::Attribute(
                vec![(Value::Integer(1), Value::Integer(2))],
                Box::new(Value::Array(vec![Value::Integer(3)])),
            ),
        ),
        (
            b"*2\r\n*1\r\n_\r\n%0\r\n",
            Value::Array(vec![Value::Array(vec![Value::Null]), Value::Map(vec![])]),
        ),
    ]
}

#[test]
fn every_kind_whole_and_cut_short() {
    for (bytes, value) in table() {
        let mut longer = bytes.to_vec();
        longer.extend(b"+next\r\n");
        assert_eq!(Value::parse(&longer), Ok(Some((value, bytes.len()))));
        assert_eq!(skip_value(&longer), Some(bytes.len()));
        for length in 0..bytes.len() {
            let cut = &bytes[..length];
            assert_eq!(Value::parse(cut), Ok(None), "{}", cut.escape_ascii());
            assert_eq!(skip_value(cut), None, "{}", cut.escape_ascii());
        }
    }
}

#[test]
fn malformed_replies_are_refused() {
    for bytes in [
        &b"x\r\n"[..],
        b"\r\n",
        b"+a\rb\r\n",
        b":\r\n",
        b":1x\r\n",
        b"$-2\r\n",
        b"$x\r\n",
        b"$1\r\nabc",
        b"!-1\r\n",
        b"=2\r\nab\r\n",
        b"%-1\r\n",
        b"_x\r\n",
        b"#x\r\n",
        b"$9223372036854775807\r\n",
        b"*1\r\nx\r\n",
    ] {
        let parsed = Value::parse(bytes);
        let awaited = bytes.starts_with(b"$9");
        assert_eq!(parsed, if awaited { Ok(None) } else { Err(Malformed) }, "{bytes:?}");
    }
    let deep = b"*1\r\n".repeat(100_000);
    assert_eq!(Value::parse(&deep), Err(Malformed));
    assert_eq!(skip_value(&deep), None);
    assert_eq!(Value::parse(b"*1000000000000\r\n"), Ok(None), "nothing is reserved for a count");
    assert_eq!(skip_value(b"%9223372036854775807\r\n%9223372036854775807\r\n"), None);
}

#[test]
fn elements_of_aggregates() {
    let raw: Vec<&[u8]> =
        elements(b"*3\r\n:1\r\n*1\r\n:2\r\n$1\r\na\r\n").expect("array").collect();
    assert_eq!(raw, [&b":1\r\n"[..], b"*1\r\n:2\r\n", b"$1\r\na\r\n"]);
    assert_eq!(elements(b"%2\r\n:1\r\n:2\r\n:3\r\n:4\r\n").expect("map").count(), 4);
    assert_eq!(elements(b"*-1\r\n").expect("null").count(), 0);
    assert!(elements(b":1\r\n").is_none());
    assert!(elements(b"*x\r\n").is_none());
    let mut cut = elements(b"*3\r\n:1\r\n").expect("array");
    assert_eq!((cut.next(), cut.remaining(), cut.next()), (Some(&b":1\r\n"[..]), 2, None));
}

#[test]
fn numbers_of_values() {
    assert_eq!(Value::Double(b"1.5".to_vec()).as_f64(), Some(1.5));
    assert_eq!(bulk("-inf").as_f64(), Some(f64::NEG_INFINITY));
    assert_eq!(Value::Integer(3).as_f64(), Some(3.0));
    assert_eq!(Value::Null.as_f64(), None);
    assert!(Value::Error(vec![]).is_error() && !Value::Null.is_error());
}

/// Writes a value back: the inverse of [`Value::parse`].
fn write(value: &Value, out: &mut Vec<u8>) {
    let line = |out: &mut Vec<u8>, marker: u8, text: &[u8]| {
        out.push(marker);
        out.extend_from_slice(text);
        out.extend_from_slice(b"\r\n");
    };
    match value {
        Value::Simple(text) => line(out, b'+', text),
        Value::Integer(number) => line(out, b':', number.to_string().as_bytes()),
        Value::Bulk(text) => {
            line(out, b'$', text.len().to_string().as_bytes());
            out.extend_from_slice(text);
            out.extend_from_slice(b"\r\n");
        }
        Value::Array(values) => {
            line(out, b'*', values.len().to_string().as_bytes());
            values.iter().for_each(|value| write(value, out));
        }
        Value::Map(pairs) => {
            line(out, b'%', pairs.len().to_string().as_bytes());
            for (key, value) in pairs {
                write(key, out);
                write(value, out);
            }
        }
        _ => line(out, b'_', b""),
    }
}

fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        "[a-z ]{0,10}".prop_map(|text| Value::Simple(text.into_bytes())),
        any::<i64>().prop_map(Value::Integer),
        proptest::collection::vec(any::<u8>(), 0..50).prop_map(Value::Bulk),
        Just(Value::Null),
    ];
    leaf.prop_recursive(4, 60, 6, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::Array),
            proptest::collection::vec((inner.clone(), inner), 0..4).prop_map(Value::Map),
        ]
    })
}

proptest! {
    #[test]
    fn trees_survive_the_wire(value in values()) {
        let mut bytes = Vec::new();
        write(&value, &mut bytes);
        prop_assert_eq!(skip_value(&bytes), Some(bytes.len()));
        prop_assert_eq!(Value::parse(&bytes), Ok(Some((value, bytes.len()))));
    }
}
