//! The load generator as a user has it: the built program against servers whose behaviour is known.
//!
//! Job: hold what the program says against what the servers did. In: the program, redis-server, servers made
//! of threads. Out: failed assertions.
//! Invariant: free ports of 127.0.0.1 only; what is started ends with the test.

#[path = "../../../lb/tests/shared/ports.rs"]
mod ports;

mod cluster;
mod endings;
mod http;
mod program;
mod questions;
mod running;
mod servers;
mod stalls;
mod verify;
