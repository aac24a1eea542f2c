//! The limiter as a process: with stores, in crowds, under bad input, and before programs of others.
//!
//! Job: hold the built binary to its bounds. In: the binary, redis-server, ringlet-server (`stores.rs` says
//! how it is found), curl, nginx. Out: verdicts. Invariant: how many were let through is counted by those
//! who asked; what was started ends with the test; speed is never part of a verdict.

mod accuracy;
mod bad_input;
mod crowds;
mod endings;
mod http;
mod limiter;
mod load;
mod others;
mod outage;
mod stores;
