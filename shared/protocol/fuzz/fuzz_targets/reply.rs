//! Job: find bytes that make a reply reader panic, or on which the two readers disagree.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../promises/reply.rs"]
mod promises;

fuzz_target!(|data: &[u8]| promises::check(data));
