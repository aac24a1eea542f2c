//! Messages: what cores send each other.
//! In: commands that a core has routed. Out: the same, with the way back for the reply.
//! Invariant: whatever a message carries is owned by it; nothing is shared but refcounted bytes and
//! the claim of a blocking command.

use std::sync::Arc;

use bytes::Bytes;
use ringlet_protocol::arguments::{ArgumentArena, ArgumentRange, Arguments};
use ringlet_protocol::reply::Version;
use ringlet_protocol::reply::{ReplyBuffer, ReplyPosition};
use ringlet_store::entry::Entry;

use crate::command::spec::flags;
use crate::command::table::Command;
use crate::shard::blocked::{Claim, Waiter, WaiterId};
use crate::shard::context::Caller;
use crate::statistics::SlowEntry;

/// A connection, named across cores: the core that serves it, its place there and the place's
/// generation (so that a late reply never reaches a later connection).
#[derive(Copy, Clone, PartialEq, Eq, Hash, Debug)]
pub struct Client {
    /// Index of the core.
    pub core: u16,
    /// Place in that core's table.
    pub index: u32,
    /// Generation of the place.
    pub generation: u32,
}

/// Where a reply belongs: a connection, and which of its commands.
#[derive(Copy, Clone, PartialEq, Eq, Hash, Debug)]
pub struct Origin {
    /// The connection.
    pub client: Client,
    /// Number of the command on its connection, wrapping.
    pub sequence: u32,
}

/// What goes with the words of a command wherever it runs.
#[derive(Copy, Clone)]
pub struct Header {
    /// Where the reply goes.
    pub origin: Origin,
    /// The command.
    pub command: &'static Command,
    /// The selected database.
    pub db: usize,
    /// The reply's protocol version.
    pub version: Version,
    /// Who called.
    pub caller: Caller,
    /// The call is counted already: by another part of it, or before it had to wait.
    pub is_counted: bool,
    /// It is a part of a command whose reply is gathered.
    pub is_part: bool,
}

impl Header {
    /// True when the command came through a shard's own port and concerns that shard only.
    pub fn is_node_local(&self) -> bool {
        self.caller.is_cluster_client && self.command.is(flags::NODE_LOCAL)
    }
}

/// A command that outlives the buffer it was read from.
pub struct OwnedCommand {
    /// What goes with the words.
    pub header: Header,
    arena: ArgumentArena,
    words: ArgumentRange,
}

impl OwnedCommand {
    /// Copies the words (large ones are shared).
    pub fn new(header: &Header, words: Arguments<'_>) -> OwnedCommand {
        let mut arena = ArgumentArena::default();
        let words = arena.push(&words);
        OwnedCommand { header: *header, arena, words }
    }

    /// The words.
    pub fn words(&self) -> Arguments<'_> {
        self.arena.get(self.words)
    }
}

impl std::fmt::Debug for OwnedCommand {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "OwnedCommand({} in db {})", self.header.command.name, self.header.db)
    }
}

/// Several commands that run together (EXEC), or a part of them.
pub struct CommandList {
    /// The replies' protocol version.
    pub version: Version,
    /// The commands with their words in `arena`.
    pub commands: Vec<(Header, ArgumentRange)>,
    /// The words.
    pub arena: ArgumentArena,
}

/// Names a transaction that spans shards, unique in the process.
pub type TransactionId = u64;

/// What a shard does at one place of its queue. Plain commands travel in [`Item::Command`] without
/// an allocation of their own; the rest are these.
pub enum Work {
    /// A command that may have to wait for a key, or had to wait for a lock.
    Command(Box<OwnedCommand>, Option<Arc<Claim>>),
    /// Commands that run as one step, all on this shard; one reply: the raw replies one after the
    /// other, or a null array when the watcher's keys have changed.
    Transaction(Box<CommandList>, Origin, Option<WatchCheck>),
    /// The keys go to the shard that executes.
    Lend(Box<Lend>),
    /// All loans are awaited, then the commands run here.
    Execute(Box<Execute>),
    /// WATCH of keys of this shard, by this watcher. The reply is OK.
    Watch(Origin, Version, Watcher, Vec<Name>),
    /// UNWATCH, or the watching connection is gone. No reply. It names the keys, so that it runs
    /// behind a WATCH that waits for one of them.
    Unwatch(WatchCheck),
    /// A blocked client whose turn it is, once all keys of its command are free.
    Serve(WaiterId),
    /// Nobody wants an answer to this command any more: it is dropped if it waits here. No reply.
    Forget(Origin),
}

/// A connection's set of watched keys from its first WATCH to the EXEC, UNWATCH or DISCARD that
/// ends it: the origin of that first WATCH. A later set of the same connection is another watcher.
pub type Watcher = Origin;

/// A comparison of watched keys of one shard, made at EXEC's place in that shard's queue. It names
/// the keys, so that it runs behind whatever waits for them.
#[derive(Clone, Debug)]
pub struct WatchCheck {
    /// Whose.
    pub watcher: Watcher,
    /// Those of its keys that live on this shard.
    pub keys: Vec<Box<[u8]>>,
}

/// A key with its database.
pub type Name = (usize, Box<[u8]>);

/// Work of a shard that lends keys.
pub struct Lend {
    /// Which transaction.
    pub id: TransactionId,
    /// The shard that executes.
    pub executor: u16,
    /// What is lent, in all databases; empty with `everything`.
    pub keys: Vec<Box<[u8]>>,
    /// The whole keyspace is lent.
    pub everything: bool,
    /// This core does a part of the transaction when its keys come home, and is held until then.
    pub has_parts: bool,
    /// Whose watched keys are compared at this place.
    pub watch: Option<WatchCheck>,
}

/// Work of the shard that executes.
pub struct Execute {
    /// Which transaction.
    pub id: TransactionId,
    /// The keys of its own.
    pub keys: Vec<Box<[u8]>>,
    /// How many loans come.
    pub lenders: usize,
    /// Whole keyspaces are lent and all shards stand still.
    pub everything: bool,
    /// Some commands run on every core; all cores are lenders and answer for their part.
    pub has_parts: bool,
    /// Whose watched keys are compared at this place.
    pub watch: Option<WatchCheck>,
    /// Where the reply goes.
    pub origin: Origin,
    /// What runs.
    pub body: Body,
}

/// What the executing shard runs.
pub enum Body {
    /// One command, with its claim when it is a blocking one.
    Single(Arc<OwnedCommand>, Option<Arc<Claim>>),
    /// EXEC: the raw replies one after the other, or a null array.
    Transaction(Box<CommandList>),
}

/// What a lender sends: the entries themselves, not copies.
pub struct Loan {
    /// Which transaction.
    pub id: TransactionId,
    /// Who lends.
    pub from: u16,
    /// The keys, missing ones too, for they are locked as well.
    pub keys: Vec<Box<[u8]>>,
    /// What they hold, with the database.
    pub entries: Vec<(usize, Entry)>,
    /// The whole keyspace, when everything is lent.
    pub keyspace: Option<Box<crate::shard::keyspace::Keyspace>>,
    /// Nothing that the transaction's connection watches there has changed.
    pub watch_unchanged: bool,
}

/// What a core other than the executing one does of a transaction.
#[derive(Clone)]
pub enum PartOfTransaction {
    /// The commands among these that run on every core.
    Run(Arc<CommandList>),
    /// Nothing: a watched key has changed.
    Refused(Version),
}

/// What goes home to a lender.
pub struct Homecoming {
    /// Which transaction.
    pub id: TransactionId,
    /// The entries as they are now, with the database.
    pub entries: Vec<(usize, Entry)>,
    /// The keys that have changed.
    pub changed: Vec<Name>,
    /// The whole keyspace, when everything was lent.
    pub keyspace: Option<Box<crate::shard::keyspace::Keyspace>>,
    /// Whose command it was.
    pub origin: Origin,
    /// The transaction has commands that run on every core: this core does its part of them now and
    /// answers for it, with a null array when the transaction was refused.
    pub part: Option<PartOfTransaction>,
    /// The command has to wait: it joins the queues of its keys before anybody else runs.
    pub register: Option<Box<Waiter>>,
}

/// Request side: all that one core has for one other core at the end of a pass.
#[derive(Default)]
pub struct RequestBatch {
    /// Index of the sending core.
    pub from: u16,
    /// In the order in which they take effect.
    pub items: Vec<Item>,
    /// The words of the plain commands.
    pub arena: ArgumentArena,
}

/// One thing to do.
pub enum Item {
    /// A plain command.
    Command(Header, ArgumentRange),
    /// Everything else.
    Work(Work),
}

/// Reply side: all that one core has to give back to another at the end of a pass.
#[derive(Default)]
pub struct ReplyBatch {
    /// Index of the sending core.
    pub from: u16,
    /// The replies in `data`, one after the other.
    pub replies: Vec<ReplyHead>,
    /// Their bytes.
    pub data: ReplyBuffer,
    /// Everything else.
    pub notes: Vec<Note>,
    /// The batches that were worked off, for reuse.
    pub spent: Vec<Box<RequestBatch>>,
}

/// Whose reply it is, and where it ends in the batch's data.
#[derive(Copy, Clone)]
pub struct ReplyHead {
    /// Where it belongs.
    pub origin: Origin,
    /// Where it ends in the batch's data; it begins where the one before it ends.
    pub end: ReplyPosition,
}

/// What travels beside replies.
pub enum Note {
    /// A loan for the executing shard.
    Loan(Loan),
    /// Entries that come home.
    Homecoming(Homecoming),
    /// The wait of this connection's command is over elsewhere.
    WaitOver(Origin),
    /// A line for the monitors of the core.
    Monitor(Bytes),
    /// A command of a client of the core was slow.
    Slow(Box<SlowEntry>),
    /// A part of the command with this origin took so many microseconds, which is slow. It travels
    /// with the part's reply and counts before it.
    SlowPart(Origin, u64),
}

impl ReplyBatch {
    /// True when there is nothing to send.
    pub fn is_empty(&self) -> bool {
        self.replies.is_empty() && self.notes.is_empty() && self.spent.is_empty()
    }
}
