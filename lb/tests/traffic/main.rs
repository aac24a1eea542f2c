//! The balancer as a whole, between clients and servers that keep to no rules.
//!
//! Job: one test program, so that all share one harness. In: the built binary. Out: verdicts.
//! Invariant: no test waits for a time where something can be waited for, and none needs another.

#[path = "../shared/folder.rs"]
mod folder;
mod harness;
mod limits;
#[path = "../shared/ports.rs"]
mod ports;
mod pressure;
mod proxying;
mod rate_limit_store;
mod rate_limits;
mod strict_requests;
mod strict_responses;
mod tcp;
mod tunnels;
