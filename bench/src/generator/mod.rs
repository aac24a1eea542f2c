//! Job: make load on a server from one or more cores, and measure what comes back.
//! In: a [`plan::Plan`] and [`traffic::Traffic`]. Out: an [`outcome::Outcome`], and intervals meanwhile.
//! Invariant: latency counts from the time at which a request was meant to be sent, so a stalled server
//! (or generator) cannot hide behind requests that were not sent.

pub mod cluster;
mod engine;
pub mod outcome;
pub mod plan;
pub mod traffic;

pub use engine::{Watch, run};
