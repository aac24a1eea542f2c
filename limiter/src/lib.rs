//! `ringlet-limiter`: rate limits over HTTP, gRPC and RESP, one core at a time.
//!
//! A request goes: connection -> `front` (its protocol) -> the library's rules and engine -> back.
//! The fronts know no socket and no clock. docs/limiter.md shows it.

#![forbid(unsafe_code)]

pub mod admin;
pub mod audit;
pub mod cli;
pub mod config;
pub mod connection;
pub mod control;
pub mod core;
pub mod core_loop;
pub mod desk;
pub mod front;
pub mod import;
pub mod limits;
pub mod origin;
pub mod process;
pub mod report;
pub mod shared;
