//! Every bound of the balancer that is no matter of configuration.
//!
//! Job: name each bound once. In: nothing. Out: constants. Invariant: what is bounded anywhere in this
//! crate is bounded by one of these or by a value of the configuration.

use ringlet_limit::engine::outbox::queue_places;

/// Bodies and pieces of up to so many bytes are copied; longer ones travel in the buffer they came in,
/// which costs a gathered send.
pub const COPIED_BYTES_MAX: usize = 2048;

/// Emptied buffers that a core keeps for reuse, and the largest that it keeps.
pub const SPARE_BUFFERS_MAX: usize = 1024;
/// Bytes of the largest emptied buffer that is kept.
pub const SPARE_BYTES_MAX: usize = 64 << 10;

/// Bytes of one receive buffer of a core's ring, and their number.
pub const RECEIVE_BUFFER_BYTES: u32 = 32 << 10;
/// Receive buffers of one core: 16 MiB of address space, touched as used.
pub const RECEIVE_BUFFERS: u16 = 512;
/// Receive buffers that may be lent at a time before those that have to wait are copied: slow peers
/// must never have all of them, or nobody would be heard.
pub const LENT_BUFFERS_MAX: usize = RECEIVE_BUFFERS as usize * 3 / 4;

/// Bytes of a response's head.
pub const RESPONSE_HEAD_BYTES_MAX: usize = 32 << 10;
/// Header fields of a response.
pub const RESPONSE_FIELDS_MAX: usize = 256;

/// Interim responses (1xx) to one request; a server that sends more sends them without end.
pub const INTERIM_RESPONSES_MAX: u8 = 16;

/// Bytes of a whole request that is kept to be sent again.
pub const RETAINED_REQUEST_BYTES_MAX: usize = 32 << 10;

/// How long a connection that is being closed may go on sending, so that its last response is not lost
/// to a reset, and how many bytes of it are read and dropped.
pub const LINGER_MS: i64 = 2000;
/// See [`LINGER_MS`].
pub const LINGER_BYTES_MAX: usize = 256 << 10;

/// Milliseconds from tick to tick, while busy and while idle.
pub const TICK_BUSY_MS: u32 = 4;
/// See [`TICK_BUSY_MS`].
pub const TICK_IDLE_MS: u32 = 100;

/// How often the loads of other cores are read.
pub const FOREIGN_LOAD_PERIOD_US: u64 = 1000;
/// How often idle connections are looked at for their age.
pub const IDLE_SWEEP_PERIOD_MS: i64 = 1000;

/// Questions for idle connections that one core has on their way. A core's queue has a place for one of
/// each other core and one answer to each of its own.
pub const QUESTIONS_MAX: usize = 32;

/// Places in the queue of each of so many cores; the limiter has a number of its own.
#[must_use]
pub fn mail_places(cores: usize) -> usize {
    (cores * QUESTIONS_MAX + queue_places(cores)).next_power_of_two().max(2)
}

/// How long a request waits for its rate limits at most: longer than any store is waited for.
pub const CHECK_TIMEOUT_MS: i64 = 15_000;
/// How long the end of the process waits until what was on loan is back.
pub const SETTLE_MS: i64 = 1000;

/// Bytes of a body in which a check looks for what it must contain.
pub const PROBE_BODY_BYTES_MAX: usize = 64 << 10;
/// Interim responses (1xx) that a check reads before the response itself.
pub const PROBE_INTERIM_RESPONSES_MAX: u8 = 8;
/// Bytes of one reply to a RESP check; simple strings and errors are shorter.
pub const PROBE_REPLY_BYTES_MAX: usize = 1024;
/// Bytes of the reason why a check has failed; the rest of what a server says is cut off.
pub const PROBE_REASON_BYTES_MAX: usize = 160;
/// Servers that may be added or removed at run time until the file says the same.
pub const EDITS_MAX: usize = 4096;
/// How long an administrator waits for the control thread to carry a change out.
pub const CHANGE_TIMEOUT_MS: u64 = 10_000;
/// A core that has not ticked for this long is reported as hanging.
pub const HANGING_MS: i64 = 5_000;
