//! Spec: what one command is, as data.
//! In: nothing; every file in `command/` exports one `SPEC`, the table lists them.
//! Out: all that dispatch, routing, `COMMAND`, the documentation and the tests need to know.
//! Invariant: nothing outside a command's own file and its table row names that command.

use std::borrow::Cow;

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;

pub use super::key_spec::{KeySpec, Keys};
use crate::core::Core;
use crate::message::Header;
use crate::session::Session;
use crate::shard::context::Context;

/// One command or subcommand, as `COMMAND INFO` and `COMMAND DOCS` describe it.
/// Source of the facts: <https://redis.io/docs/latest/commands/>.
pub struct Spec {
    /// Lower-case name; a subcommand carries only its own word (`"list"`, not `"client|list"`).
    pub name: &'static str,
    /// Words of the whole command, as Redis counts: `3` = exactly three, `-2` = two or more.
    /// Counts the command's name, and for a subcommand also the container's name.
    pub arity: i32,
    /// Where the keys stand, and what is done to them.
    pub keys: Keys,
    /// Bits of [`flags`].
    pub flags: u32,
    /// Bits of [`categories`] that do not follow from the group and the flags.
    pub categories: u32,
    /// The chapter of the documentation.
    pub group: Group,
    /// First Redis version with this command; for commands that Redis does not have, Ringlet's.
    pub since: &'static str,
    /// Cost, as the documentation words it.
    pub complexity: &'static str,
    /// One sentence: what it does.
    pub summary: &'static str,
    /// The words after the name, in the notation of the Redis documentation.
    pub syntax: &'static str,
    /// Commands with their replies in redis-cli's notation, run in order on an empty server by the
    /// tests.
    pub examples: &'static [(&'static str, &'static str)],
    /// What runs, and where.
    pub run: Run,
}

/// The result of a command: the reply is written, or nothing is written and this error is the
/// reply.
pub type CommandResult = Result<(), CommandError>;

/// Code of a command that runs on a shard: synchronous, sees no socket, and writes exactly one
/// reply unless it returns an error or has asked to be blocked.
pub type ShardCommand = fn(&mut Context<'_>, Arguments<'_>, &mut Reply<'_>) -> CommandResult;

/// Code of a command that runs on the connection's core and works on the connection itself.
pub type SessionCommand = fn(&mut Session<'_>, Arguments<'_>, &mut Reply<'_>) -> CommandResult;

/// Code of a command that runs on every core and works on the core itself.
pub type CoreCommand = fn(&mut Core, &Header, Arguments<'_>, &mut Reply<'_>) -> CommandResult;

/// What runs, and where.
pub enum Run {
    /// On the shard that owns the keys (on the connection's own shard when there are none).
    /// When the keys span shards, their entries are lent to one shard, which then runs this.
    Keys(ShardCommand),
    /// As `Keys`, but when the keys span shards each shard runs the command for its own keys only,
    /// and the partial replies are merged: one hop, no locks. The words before the first key go to
    /// each.
    Parts(ShardCommand, Merge),
    /// On every shard, at one place of all their queues.
    Everywhere(ShardCommand, Merge),
    /// On the shard that the function picks from the words (SCAN: the cursor knows).
    Shard(ShardCommand, fn(Arguments<'_>, usize) -> usize),
    /// On every core, with the core's connections, statistics and configuration at hand.
    EveryCore(CoreCommand, Merge),
    /// On the connection's core, with the connection at hand.
    Session(SessionCommand),
    /// A container: the second word picks one of these.
    Subcommands(&'static [&'static Spec]),
    /// A container that runs itself when its name stands alone; it has no keys then.
    Container(ShardCommand, &'static [&'static Spec]),
}

/// How the partial replies of several shards become one reply.
#[derive(Copy, Clone)]
pub enum Merge {
    /// Integers are added.
    Sum,
    /// `+OK`, or the first error.
    AllOk,
    /// Arrays with one element for each key, put back in the order of the keys.
    ByKey,
    /// Arrays are concatenated.
    Concatenate,
    /// Anything else: gets the raw partial replies, one for each shard in order of shards.
    With(fn(&[&[u8]], &mut Reply<'_>)),
}

/// The chapter of the documentation a command stands in; the words are Redis's.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Group {
    /// "connection"
    Connection,
    /// "server"
    Server,
    /// "generic"
    Generic,
    /// "string"
    String,
    /// "list"
    List,
    /// "hash"
    Hash,
    /// "set"
    Set,
    /// "sorted-set"
    SortedSet,
    /// "pubsub"
    PubSub,
    /// "transactions"
    Transactions,
    /// "cluster"
    Cluster,
    /// Rate limits. Redis has none of these commands; "module" is its word for such groups.
    Limit,
}

impl Group {
    /// True when Redis has the commands of this group.
    pub fn is_in_redis(self) -> bool {
        self != Group::Limit
    }
}

/// Command flags, as `COMMAND INFO` names them.
pub mod flags {
    /// Changes data.
    pub const WRITE: u32 = 1;
    /// Reads keys and changes none.
    pub const READONLY: u32 = 1 << 1;
    /// Refused when memory is exhausted.
    pub const DENYOOM: u32 = 1 << 2;
    /// For the administrator.
    pub const ADMIN: u32 = 1 << 3;
    /// Publish and subscribe.
    pub const PUBSUB: u32 = 1 << 4;
    /// Refused in scripts.
    pub const NOSCRIPT: u32 = 1 << 5;
    /// May block the connection.
    pub const BLOCKING: u32 = 1 << 6;
    /// Allowed while data is loaded.
    pub const LOADING: u32 = 1 << 7;
    /// Allowed on a replica with stale data.
    pub const STALE: u32 = 1 << 8;
    /// O(1) or O(log n).
    pub const FAST: u32 = 1 << 9;
    /// Allowed before AUTH.
    pub const NO_AUTH: u32 = 1 << 10;
    /// Refused between MULTI and EXEC.
    pub const NO_MULTI: u32 = 1 << 11;
    /// Not shown to MONITOR.
    pub const SKIP_MONITOR: u32 = 1 << 12;
    /// Not in the slow log.
    pub const SKIP_SLOWLOG: u32 = 1 << 13;
    /// Refused while data is loaded in the background.
    pub const NO_ASYNC_LOADING: u32 = 1 << 14;
    /// Allowed while a script hangs.
    pub const ALLOW_BUSY: u32 = 1 << 15;
    /// Runs at once even between MULTI and EXEC (MULTI, EXEC, DISCARD, WATCH, QUIT, RESET).
    pub const TRANSACTION: u32 = 1 << 16;
    /// Allowed to a RESP2 connection that has subscriptions.
    pub const WHILE_SUBSCRIBED: u32 = 1 << 17;
    /// May reach replicas though it is no write command (PUBLISH).
    pub const MAY_REPLICATE: u32 = 1 << 21;
    /// Not held back by CLIENT PAUSE.
    pub const WHILE_PAUSED: u32 = 1 << 22;
    /// On a shard's own port it concerns that shard's keys only, as on a node of a cluster: a
    /// client that asks all nodes then sees each key once.
    pub const NODE_LOCAL: u32 = 1 << 24;
    /// Runs when all commands before it on its connection are answered.
    pub const AFTER_OTHERS: u32 = 1 << 25;
    /// Looks at all keys of every core though it has none of its own (INFO): it runs when none is
    /// lent.
    pub const WHOLE_SHARD: u32 = 1 << 26;
    /// Redis does not know its subcommands as commands (DEBUG): the words behind its name have one
    /// error for all that is wrong with them.
    pub const OWN_WORDS: u32 = 1 << 27;
    /// Ends a transaction: a refusal discards what is queued (EXEC).
    pub const ENDS_TRANSACTION: u32 = 1 << 23;
    /// Decides about the commands behind it: they are parsed when it is answered (for commands that
    /// run on every core; others are answered before the next is parsed).
    pub const BARRIER: u32 = 1 << 19;
    /// The two words behind a word AUTH, and values of secret directives, show as `(redacted)` in
    /// MONITOR and the slow log.
    pub const SECRET: u32 = 1 << 20;
    /// Refused unless `enable-debug-command` allows it to this client.
    pub const PROTECTED: u32 = 1 << 18;
}

/// ACL categories beyond those that follow from the group and the flags.
pub mod categories {
    /// @keyspace
    pub const KEYSPACE: u32 = 1;
    /// @dangerous
    pub const DANGEROUS: u32 = 1 << 1;
    /// @connection
    pub const CONNECTION: u32 = 1 << 2;
    /// @admin
    pub const ADMIN: u32 = 1 << 3;
}

/// An error reply: the text without the leading `-`, first word the code. Bytes, because it may
/// quote what the client sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandError(Cow<'static, [u8]>);

impl CommandError {
    /// The key holds another type.
    pub const WRONG_TYPE: CommandError =
        CommandError::new("WRONGTYPE Operation against a key holding the wrong kind of value");
    /// The options make no sense together, or one is unknown.
    pub const SYNTAX: CommandError = CommandError::new("ERR syntax error");
    /// Not a 64-bit integer.
    pub const NOT_AN_INTEGER: CommandError =
        CommandError::new("ERR value is not an integer or out of range");
    /// Not a floating point number.
    pub const NOT_A_FLOAT: CommandError = CommandError::new("ERR value is not a valid float");
    /// The key is not there, for commands that must have it.
    pub const NO_SUCH_KEY: CommandError = CommandError::new("ERR no such key");
    /// An index past the end.
    pub const INDEX_OUT_OF_RANGE: CommandError = CommandError::new("ERR index out of range");
    /// No such logical database.
    pub const DB_OUT_OF_RANGE: CommandError = CommandError::new("ERR DB index is out of range");

    /// A fixed text.
    pub const fn new(text: &'static str) -> CommandError {
        CommandError(Cow::Borrowed(text.as_bytes()))
    }

    /// A text made for the occasion.
    pub fn with(text: String) -> CommandError {
        CommandError(Cow::Owned(text.into_bytes()))
    }

    /// A text that quotes a client's bytes as they are.
    pub fn quoting(text: Vec<u8>) -> CommandError {
        CommandError(Cow::Owned(text))
    }

    /// The text.
    pub fn text(&self) -> &[u8] {
        &self.0
    }

    /// As the reason of something else: without the code when that is the general `ERR`.
    pub fn reason(&self) -> &[u8] {
        self.0.strip_prefix(b"ERR ").unwrap_or(&self.0)
    }

    /// "ERR wrong number of arguments for 'name' command", as Redis words it.
    pub fn arity(full_name: &str) -> CommandError {
        CommandError::with(format!("ERR wrong number of arguments for '{full_name}' command"))
    }

    /// The error of containers that look at their words themselves.
    pub fn subcommand(container: &str, word: &[u8]) -> CommandError {
        let shown = &word[..word.len().min(128)];
        let mut text = b"ERR unknown subcommand or wrong number of arguments for '".to_vec();
        text.extend_from_slice(shown);
        text.extend_from_slice(format!("'. Try {container} HELP.").as_bytes());
        CommandError::quoting(text)
    }
}

/// Parses a word as a 64-bit integer, or gives Redis's error.
pub fn integer(word: &[u8]) -> Result<i64, CommandError> {
    ringlet_base::number::parse_i64(word).ok_or(CommandError::NOT_AN_INTEGER)
}

/// Parses a word as a double (no NaN), or gives Redis's error.
pub fn float(word: &[u8]) -> Result<f64, CommandError> {
    ringlet_base::number::parse_f64(word).ok_or(CommandError::NOT_A_FLOAT)
}

/// Compares an option word without regard to case; `upper` is in upper case.
#[inline]
pub fn is_word(word: &[u8], upper: &str) -> bool {
    word.eq_ignore_ascii_case(upper.as_bytes())
}
