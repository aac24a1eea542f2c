//! Which servers may serve: what checks and requests have found out about them, made into one
//! answer.
//!
//! Job: everything about health that needs neither a socket nor a clock. In: results of probes,
//! counters of servers, the administrator's wishes, the time as a number. Out: when to probe, what
//! to send, who is up, who is ejected, and from both who gets requests. Invariant: for every check
//! and for every pool's ejection one core decides ([`owner`]); all cores compute the same
//! [`availability`] from what it publishes.
//!
//! ```text
//! owner -> check -> probe -> (socket) -> check --- up, down -----+
//!            ^ an immediate check                                +-> availability -> balance
//! requests -> counters -> ejection --- ejected, returned --------+
//! ```

pub mod availability;
pub mod check;
pub mod ejection;
pub mod owner;
pub mod probe;
