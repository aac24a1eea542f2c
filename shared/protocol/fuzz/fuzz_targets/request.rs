//! Job: find bytes that make the request parser panic, or whose commands depend on how they arrive.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../promises/request.rs"]
mod promises;

fuzz_target!(|data: &[u8]| promises::check(data));
