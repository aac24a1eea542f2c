//! The balancer between programs of other people.
//!
//! Job: hold it to what nginx, redis-server, curl, wrk, hey, redis-cli and slowhttptest take for right.
//! In: those programs, from Debian, and the built binary. Out: verdicts. Invariant: what clients count is
//! compared with what servers have logged; speed is never part of a verdict.

mod crowds;
mod failover;
#[path = "../shared/folder.rs"]
mod folder;
mod harness;
mod load;
mod nginx;
#[path = "../shared/ports.rs"]
mod ports;
mod redis;
mod transfers;
mod weights;
