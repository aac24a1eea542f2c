//! Promises of the net ring, tested against ordinary blocking sockets.
//!
//! Job: one test per promise, each failing when it is broken.
//! In: small rings. Out: pass or fail.
//! Invariant: no test sleeps where it can wait for an event, and none waits for ever.

mod bench;
mod buffers;
mod ends;
mod listeners;
mod relay;
#[path = "../../src/seeds.rs"]
mod seeds;
mod streams;
mod stress;
mod waiting;
