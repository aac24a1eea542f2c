//! Job: find bytes that make the HTTP/1 parser panic, or whose
//! requests depend on how they arrive, or are not the same when written again.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../promises/http1_body.rs"]
mod http1_body;
#[path = "../promises/http1_request.rs"]
mod promises;

fuzz_target!(|data: &[u8]| promises::check(data));
