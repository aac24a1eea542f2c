//! `ringlet-lb`: a load balancer for HTTP and TCP, one core at a time.
//!
//! Data flows one way: configuration -> process -> core loop -> listener -> route -> balance -> pool ->
//! relay. A module knows only what stands to its right in that flow; docs/lb.md shows it.

#![forbid(unsafe_code)]

pub mod balance;
pub mod cli;
pub mod config;
pub mod counters;
pub mod errors;
pub mod forwarding;
pub mod health;
pub mod limits;
pub mod model;
pub mod rewrite;
pub mod route;
pub mod state;
pub mod sticky;
