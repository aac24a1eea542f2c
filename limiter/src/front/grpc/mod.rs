//! gRPC: Envoy's rate limit service and the health service.
//!
//! Job: speak HTTP/2 and gRPC on one connection. In: its bytes. Out: bytes and questions. Invariant:
//! no task, no executor: `connection` polls the HTTP/2 library over a [`pipe`] in memory until nothing
//! moves, so that each call of [`Front`](super::Front) ends with all that could be done done.
//!
//! A call goes: `connection` -> `call` (its one message) -> `service` (which method) -> `rate_limit` or
//! `health` (question, answer) with `message` (Protocol Buffers) -> `call` -> `connection`.
//!
//! `grpc-timeout` is not looked at: a question waits no longer than the store's time-out, and a client
//! that gives up earlier resets its stream, to which nothing more is then sent.

mod call;
mod connection;
mod health;
pub mod limits;
mod message;
mod pipe;
mod rate_limit;
mod service;
mod status;
mod wakes;

pub use connection::{Connection, Settings};

#[cfg(test)]
mod tests;
