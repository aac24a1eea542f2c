//! What is asked of the store, and what it answers.
//!
//! Job: the words between the leases and whoever carries them to a Redis-compatible server.
//! In: lease decisions. Out: calls; replies come back by their number. Invariant: a call is carried
//! out at most once; one whose reply is lost is answered `Failed` and never sent again.

pub mod link;

/// One question to the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreCall {
    /// Comes back with the reply.
    pub id: u64,
    /// What.
    pub command: StoreCommand,
}

/// What the store is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreCommand {
    /// Adds to a window's counter: `INCRBY key amount`, `PEXPIREAT key expire_at NX`, and if there is
    /// a `previous` key `GET previous`.
    Count {
        /// The window's key.
        key: Vec<u8>,
        /// The key of the window before, for a sliding window.
        previous: Option<Vec<u8>>,
        /// Tokens.
        amount: u64,
        /// By the store's clock.
        expire_at_ms: u64,
    },
    /// Takes from a window's counter what was not used: `DECRBY key amount`, `PEXPIREAT key
    /// expire_at NX`. Not sent any more once
    /// the store's clock may have reached `before_ms`: the key could be gone, and would come back
    /// with a negative count and for ever.
    Uncount {
        /// The window's key.
        key: Vec<u8>,
        /// Tokens.
        amount: u64,
        /// By the store's clock.
        before_ms: u64,
        /// By the store's clock: the end of a counter that the store has lost, and that this makes anew.
        expire_at_ms: u64,
    },
    /// `RL.LEASE`, natively or as a script.
    Lease {
        /// The bucket's key.
        key: Vec<u8>,
        /// Its numbers.
        burst: u64,
        /// Tokens that come back in `period_ms`.
        count: u64,
        /// Milliseconds.
        period_ms: u64,
        /// Of this key and holder: 1, 2, ... The store applies none twice and none late.
        sequence: u64,
        /// Tokens that this holder still has.
        held: u64,
        /// Tokens that it gives back.
        returned: u64,
        /// Tokens that it would like.
        want: u64,
        /// After which the store takes them for spent.
        ttl_ms: u64,
    },
}

/// What the store says.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum StoreReply {
    /// To `Count`.
    Counted {
        /// The counter with the amount.
        total: i64,
        /// The counter of the window before; 0 if there is none.
        previous: i64,
    },
    /// To `Uncount`.
    Uncounted,
    /// To `Lease`.
    Leased {
        /// Tokens granted: 0 to `want`.
        granted: u64,
        /// Tokens that are left.
        remaining: u64,
        /// Until one is there, if none is left.
        retry_ms: u64,
        /// When the bucket was made; another one means that the store has lost it.
        epoch_ms: u64,
        /// Nodes that hold tokens of it.
        holders: u64,
    },
    /// No answer, or an error: whether it was carried out is not known.
    Failed,
}

/// What is known of the store now. The default: it has not been reached yet.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub struct StoreView {
    /// Whether calls are sent; if not, `submit` answers `Failed` at once.
    pub is_up: bool,
    /// The store's clock less the monotonic clock of `Now`, in milliseconds (unix).
    pub clock_offset_ms: i64,
    /// By how much that may be wrong, either way.
    pub clock_error_ms: u64,
    /// Limiters that share the store, this one too; 0 as long as it has not been reached.
    pub nodes: u64,
    /// Changes whenever the store may have lost what it knew (another process, another primary).
    pub incarnation: u64,
}

/// A clock that may be wrong by more tells nothing.
const CLOCK_ERROR_MS_MAX: u64 = 3_600_000;

impl StoreView {
    /// Whether the store's clock is known.
    #[must_use]
    pub fn has_clock(&self) -> bool {
        self.nodes > 0 && self.clock_error_ms <= CLOCK_ERROR_MS_MAX
    }
}
