//! `ringlet-lb`: a load balancer for HTTP and TCP, one core at a time.
//!
//! A request goes: listener -> route -> balance -> server -> back. What decides (`route`, `balance`,
//! `health`, `forwarding`, `rewrite`, `sticky`, `errors`) is pure and knows neither a socket nor a core;
//! the rest are parts of one `Core`. docs/lb.md shows it.

#![forbid(unsafe_code)]

pub mod access_log;
pub mod admin;
pub mod balance;
pub mod borrow;
pub mod checks;
pub mod cli;
pub mod client;
pub mod config;
pub mod core;
pub mod core_loop;
pub mod counters;
pub mod errors;
pub mod forwarding;
pub mod health;
pub mod http;
pub mod idle;
pub mod limits;
pub mod line;
pub mod model;
pub mod pool;
pub mod process;
pub mod rate_limit;
pub mod registry;
pub mod resolve;
pub mod rewrite;
pub mod route;
pub mod serve;
pub mod shared;
pub mod snapshot;
pub mod state;
pub mod sticky;
pub mod totals;
pub mod tunnel;
pub mod upstream;
