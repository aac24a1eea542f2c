//! The Ringlet data server: everything Redis does for an application, on all cores.
//!
//! Data flows one way: core loop -> connection -> router -> shard -> command -> reply.
#![forbid(unsafe_code)]

pub mod admin;
pub mod banner;
pub mod batches;
pub mod clients;
pub mod command;
pub mod config;
pub mod connection;
pub mod core;
pub mod core_loop;
pub mod exec;
pub mod executor;
pub mod gather;
pub mod gauges;
pub mod help;
pub mod hold;
pub mod info;
pub mod input;
pub mod intake;
pub mod latency;
pub mod limits;
pub mod listeners;
pub mod logging;
pub mod mesh_traffic;
pub mod message;
pub mod monitor;
pub mod open_files;
pub mod outbox;
pub mod pending;
pub mod pid_file;
pub mod planted;
pub mod process;
pub mod pubsub;
pub mod readiness;
pub mod router;
pub mod session;
pub mod shard;
pub mod slow_log;
pub mod sockets;
pub mod stall;
pub mod statistics;
pub mod transaction;

/// The Redis version whose behaviour this server has, as INFO and HELLO tell clients.
pub const REDIS_VERSION: &str = "7.2.5";
