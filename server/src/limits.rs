//! Limits: every bound of the data server that is not a directive.
//! In: nothing. Out: constants, which INFO and the metrics show.
//! Invariant: a queue or buffer of this crate has its bound here.

/// Cores that one process runs at most.
pub const SHARDS_MAX: usize = 1024;

/// Batches that one core's queue holds at least. Each core has an equal share of the places; one
/// that has used up its share of a queue stops reading from the clients whose next command would go
/// there.
pub const MESH_BATCHES_MAX: usize = 1024;

/// The bound for this many cores: each must have several places.
pub fn mesh_batches_max(cores: usize) -> usize {
    (cores * 4).next_power_of_two().max(MESH_BATCHES_MAX)
}

/// Commands in one batch, after which no client's command is added to it in the pass. What does not
/// wait for room comes on top: the parts of the last command, and works that nobody's reply depends
/// on.
pub const BATCH_COMMANDS_MAX: usize = 4096;

/// Short commands in one batch that take no longer together than others would notice, some 0.1 ms.
pub const SHORT_BATCH_COMMANDS_MAX: usize = 256;

/// Emptied batches that a core keeps for reuse, for each core that it sends to.
pub const SPARE_BATCHES_PER_CORE: usize = 8;

/// Unanswered commands of one connection, after which no more of its input is parsed.
pub const PIPELINE_UNANSWERED_MAX: usize = 1024;

/// Bytes of unparsed input of one connection, after which nothing more is received for it.
pub const INPUT_BYTES_PAUSE: usize = 256 << 10;

/// The same while a blocking command of it waits. Beyond that the end of the connection goes
/// unnoticed until the command is answered.
pub const INPUT_BYTES_PAUSE_BLOCKED: usize = 16 << 20;

/// Bytes of input buffer that an idle connection keeps.
pub const INPUT_BYTES_KEPT: usize = 16 << 10;

/// Output buffers that a core keeps for reuse, and the largest that it keeps.
pub const OUTPUT_BUFFERS_KEPT: usize = 256;
/// Bytes of the largest output buffer that is kept for reuse.
pub const OUTPUT_BYTES_KEPT: usize = 64 << 10;

/// Batches of requests that are taken from the queue in one pass.
pub const BATCHES_PER_PASS_MAX: usize = 64;

/// Entries that active expiry looks at in one pass.
pub const EXPIRE_WORK_PER_PASS: usize = 400;

/// Elements freed in the background in one pass.
pub const FREE_WORK_PER_PASS: usize = 400;

/// Microseconds that commands may take before the clock is read again for those behind them.
pub const CLOCK_AGE_US_MAX: u64 = 1_000;

/// Milliseconds from tick to tick while the core is busy.
pub const TICK_BUSY_MS: u32 = 10;

/// Milliseconds from tick to tick while nothing happens.
pub const TICK_IDLE_MS: u32 = 100;

/// Milliseconds between two times that an idle core gives freed memory back to the system.
pub const PURGE_PERIOD_MS: i64 = 5_000;

/// Longest time that an orderly shutdown waits for clients to take their replies, in milliseconds.
pub const SHUTDOWN_GRACE_MS: i64 = 5_000;

/// Descriptors that are no client's: those of the process, as in Redis, and some clients more, who
/// are told that there are too many.
pub const DESCRIPTORS_RESERVED: usize = 32;

/// Descriptors of one core beside its listeners: rings, wake-ups and files.
pub const DESCRIPTORS_PER_CORE: usize = 16;

const _: () = assert!(MESH_BATCHES_MAX.is_power_of_two());
const _: () = assert!(INPUT_BYTES_KEPT < INPUT_BYTES_PAUSE);
