//! The messages of the services, by hand.
//!
//! Job: read requests and write answers. In: a message's bytes, or an answer's values. Out: values
//! that borrow from the bytes, or bytes. Invariant: every count is bounded; unknown fields are skipped.

pub mod health;
pub mod rate_limit;
pub mod wire;
