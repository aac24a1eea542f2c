//! Job: check the promises of the data server from outside, as a client sees them.
//! In: a running server (`process`), seeded traffic over real sockets (`client`, `workload`).
//! Out: histories, and for each broken promise a [`history::Violation`] that names the requests.
//! Invariant: nothing here imports the server; the checker judges only replies and their times.
#![forbid(unsafe_code)]

pub mod client;
pub mod differential;
pub mod history;
pub mod keys;
pub mod process;
pub mod random;
pub mod value;
pub mod wire;
pub mod workload;
