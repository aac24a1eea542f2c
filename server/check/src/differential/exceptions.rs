//! Job: the differences between Redis 7.0.15, the reference, and Redis 7.2, the model.
//! In: a reply of each server. Out: whether the difference is one of those listed here.
//! Invariant: one row for each difference, with its reason; a row that is too wide hides faults.

use crate::value::Value;

/// Encodings where 7.2 has a more compact one: type, name in 7.0, name in 7.2, reason.
const ENCODINGS: &[(&str, &str, &str, &str)] = &[
    (
        "list",
        "quicklist",
        "listpack",
        "7.2 keeps a list in a listpack until it needs a second node",
    ),
    ("set", "hashtable", "listpack", "7.2 keeps a small set in a listpack"),
];

/// Defaults of set-max-listpack-entries and set-max-listpack-value in 7.2.
const SET_LISTPACK_ENTRIES: usize = 128;
const SET_LISTPACK_BYTES: usize = 64;

/// True when both names mean the same encoding of some type.
pub fn same_encoding(reference: &Value, tested: &Value) -> bool {
    reference == tested
        || ENCODINGS
            .iter()
            .any(|(_, old, new, _)| *reference == Value::bulk(old) && *tested == Value::bulk(new))
}

/// True when both names mean the same encoding of a value of this type with these elements.
pub fn same_encoding_of(kind: &str, reference: &Value, tested: &Value, items: &[Value]) -> bool {
    let listed = ENCODINGS.iter().any(|(of, old, new, _)| {
        *of == kind && *reference == Value::bulk(old) && *tested == Value::bulk(new)
    });
    let small = items.len() <= SET_LISTPACK_ENTRIES
        && items.iter().all(|item| item.bytes().unwrap_or_default().len() <= SET_LISTPACK_BYTES);
    reference == tested || listed && (kind != "set" || small)
}

/// The longest text of a score in 7.2: 17 digits with a sign and seven zeros.
const SCORE_BYTES_MAX: usize = 25;

/// True when two spellings of a score mean the same: 7.0 prints 17 digits where 7.2 prints the
/// shortest text that reads back equal. The sign of a zero is free: 7.2 loses it in a listpack and
/// 7.0 does not, and what is computed from such a score (ZUNIONSTORE with WEIGHTS -0) differs too.
pub fn same_number(reference: &[u8], tested: &[u8]) -> bool {
    let parse = |bytes: &[u8]| std::str::from_utf8(bytes).ok()?.parse::<f64>().ok();
    let long = reference.len() > 16 || reference.contains(&b'e');
    match (parse(reference), parse(tested)) {
        (Some(a), Some(b)) if long => a == b && tested.len() <= SCORE_BYTES_MAX,
        (Some(a), Some(b)) => a == 0.0 && b == 0.0 && reference.len() <= 2 && tested.len() <= 2,
        _ => false,
    }
}

/// True when a released client got what only 7.2 says: it runs the whole command again and meets a
/// key of another type before the key that woke it, while 7.0 serves the key that woke it. The
/// datasets differ from then on.
pub fn met_another_type(reference: &Value, tested: &Value) -> bool {
    !reference.is_error() && matches!(tested, Value::Error(text) if text.starts_with(b"WRONGTYPE"))
}

/// True for a command whose result may take the place of a value of another type. Redis then leaves
/// those asleep who wait for the key, for it was there before; here they are served.
pub fn stores_over_any_type(line: &[Vec<u8>]) -> bool {
    let name = line.first().map(|word| word.to_ascii_uppercase()).unwrap_or_default();
    [b"ZUNIONSTORE".as_slice(), b"ZINTERSTORE", b"ZDIFFSTORE", b"ZRANGESTORE"].contains(&&*name)
}
