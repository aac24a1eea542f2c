//! Job: what every Ringlet server shares and what needs neither sockets nor a clock.
//! In: plain values. Out: plain values.
//! Invariant: no I/O (but for entropy and the text of a configuration), no clock, no unsafe code.

#![forbid(unsafe_code)]

pub mod config;
pub mod glob;
mod hexadecimal;
pub mod limits;
pub mod long_double;
pub mod number;
pub mod prometheus;
pub mod random;
pub mod slot;
