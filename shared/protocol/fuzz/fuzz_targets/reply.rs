//! Job: find bytes that make a reply reader panic, or on which the two readers disagree.
//! In: what a server sends. Out: a crash if a promise is broken.
//! Invariant: a tree takes as many bytes as stepping over it does.

#![no_main]

use libfuzzer_sys::fuzz_target;
use ringlet_protocol::resp_value::{Value, elements, skip_value};

fuzz_target!(|data: &[u8]| {
    let skipped = skip_value(data);
    if let Ok(Some((_, length))) = Value::parse(data) {
        assert_eq!(skipped, Some(length));
    }
    for element in elements(data).into_iter().flatten() {
        assert_eq!(skip_value(element), Some(element.len()));
    }
});
