//! Job: what must hold for any bytes that a server sends.
//! In: the bytes. Out: a panic if a promise is broken.
//! Invariant: a tree takes as many bytes as stepping over it does, and so does each element.

use ringlet_protocol::resp_value::{Value, elements, skip_value};

/// Panics when `data` makes a reader panic, or the two readers disagree.
pub fn check(data: &[u8]) {
    let skipped = skip_value(data);
    if let Ok(Some((_, length))) = Value::parse(data) {
        assert_eq!(skipped, Some(length));
    }
    for element in elements(data).into_iter().flatten() {
        assert_eq!(skip_value(element), Some(element.len()));
        assert!(!element.is_empty());
    }
}
