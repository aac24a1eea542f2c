//! Job: find bytes that make the HTTP/1 parser panic, or whose
//! responses depend on how they arrive.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../promises/http1_body.rs"]
mod http1_body;
#[path = "../promises/http1_response.rs"]
mod promises;

fuzz_target!(|data: &[u8]| promises::check(data));
