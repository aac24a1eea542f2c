//! Every bound of the limiter that is no matter of configuration.
//!
//! Job: name each bound once. In: nothing. Out: constants. Invariant: what is bounded anywhere in this
//! crate is bounded by one of these, by a value of the configuration, or by the library.

/// Bytes of one receive buffer of a core's ring, and their number.
pub const RECEIVE_BUFFER_BYTES: u32 = 16 << 10;
/// Receive buffers of one core: 8 MiB of address space, touched as used.
pub const RECEIVE_BUFFERS: u16 = 512;

/// Answers that a client may leave unread before no more of its questions are read.
pub const OUTPUT_BYTES_MAX: usize = 256 << 10;

/// How long a client may take over one message, in milliseconds.
pub const MESSAGE_TIMEOUT_MS: i64 = 10_000;
/// How long a connection may go unused.
pub const IDLE_TIMEOUT_MS: i64 = 600_000;
/// How often connections are looked at for that.
pub const SWEEP_PERIOD_MS: i64 = 1000;

/// Milliseconds from tick to tick, while busy and while idle.
pub const TICK_BUSY_MS: u32 = 5;
/// See [`TICK_BUSY_MS`].
pub const TICK_IDLE_MS: u32 = 100;

/// How often a core writes down what it has counted.
pub const REPORT_PERIOD_MS: i64 = 250;
/// Keys of which a core keeps count for the page.
pub const TOP_KEYS: usize = 64;
/// Lines of the audit log that a core writes in a second.
pub const AUDIT_LINES_PER_SECOND: u32 = 1000;

/// Rules of which the page plots a key.
pub const WATCHED_RULES: usize = 16;
/// Rows of a table of the page.
pub const PAGE_ROWS: usize = 200;
/// A core that has not ticked for so long hangs, in milliseconds.
pub const HANGING_MS: i64 = 5000;
/// How long the admin listener waits for a reload.
pub const RELOAD_TIMEOUT_MS: u64 = 10_000;
/// How often the configuration file is looked at.
pub const FILE_PERIOD_MS: u64 = 500;

/// Bytes of the head of an HTTP request.
pub const HTTP_HEAD_BYTES_MAX: usize = 16 * 1024;
/// Fields of the head of an HTTP request.
pub const HTTP_FIELDS_MAX: usize = 128;
/// Bytes of the body of an HTTP request.
pub const HTTP_BODY_BYTES_MAX: usize = 64 * 1024;
/// Bytes that an HTTP client may send ahead while it is owed an answer.
pub const HTTP_PIPELINED_BYTES_MAX: usize = 64 * 1024;
/// Checks of one HTTP request.
pub const HTTP_CHECKS_MAX: usize = 100;
/// Questions of a RESP client whose answers are still to come.
pub const RESP_WAITING_MAX: usize = 1024;
/// Bytes of replies that a RESP client is owed and that wait for an answer before them.
pub const RESP_OWED_BYTES_MAX: usize = 256 * 1024;
/// Bytes of one word of a RESP command.
pub const RESP_WORD_BYTES_MAX: usize = 64 * 1024;
/// Words of one RESP command.
pub const RESP_WORDS_MAX: usize = 64;
