//! How a net ring is made.
//!
//! Job: the numbers that size a ring, with defaults that suit a data server.
//! In: configuration. Out: [`RingSettings`].
//! Invariant: every queue and table of the ring has a bound, and it stands here.

use super::SetupMode;
use crate::sockets::MAX_SLOTS;

/// Sizes and times of one net ring.
#[derive(Clone, Debug)]
pub struct RingSettings {
    /// Entries of the submission queue. More than that are submitted in several calls.
    pub submissions: u32,
    /// Entries of the completion queue; about four times what is in flight at a time.
    pub completions: u32,
    /// Receive buffers, a power of two up to 32768.
    pub buffer_count: u16,
    /// Bytes of one receive buffer.
    pub buffer_bytes: u32,
    /// Sockets at a time, at most [`RingSettings::SOCKETS_MAX`]. Keep it somewhat above the limit
    /// of connections, so that the surplus can be told so politely.
    pub max_sockets: usize,
    /// Completions that one wait hands out at most.
    pub events_per_wait: usize,
    /// Milliseconds from tick to tick, at least 1.
    pub tick_ms: u32,
    /// Insist on one setup mode instead of the best one.
    pub mode: Option<SetupMode>,
}

impl RingSettings {
    /// The most sockets that one ring can tell apart.
    pub const SOCKETS_MAX: usize = MAX_SLOTS;
}

impl Default for RingSettings {
    fn default() -> Self {
        Self {
            submissions: 512,
            completions: 4096,
            buffer_count: 512,
            buffer_bytes: 16 << 10,
            max_sockets: 65_536,
            events_per_wait: 256,
            tick_ms: 4,
            mode: None,
        }
    }
}
