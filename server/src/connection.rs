//! Connection: the state of one client on the core that serves it.
//! In: bytes as they arrive, replies as they come back. Out: bytes to send, what CLIENT LIST shows.
//! Invariant: replies leave in the order of the commands; a command is parsed only when its
//! connection may run it (not while a blocking command waits).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use ringlet_protocol::arguments::{ArgumentArena, ArgumentRange};
use ringlet_protocol::reply::Version;
use ringlet_protocol::reply::{ReplyBuffer, ReplyPosition};
use ringlet_protocol::request::{RequestLimits, RequestParser};
use ringlet_runtime::ring::SocketId;

use crate::command::spec::flags;
use crate::command::table::Command;
use crate::config::Config;
use crate::hold::Hold;
use crate::input::Input;
use crate::limits::PIPELINE_UNANSWERED_MAX;
use crate::message::{Client, Header, Origin, WatchCheck, Watcher};
use crate::pending::Pending;
use crate::shard::blocked::Claim;
use crate::shard::context::Caller;
use crate::stall::Stall;

/// The commands between MULTI and EXEC.
#[derive(Default)]
pub struct Queued {
    /// What EXEC will run.
    pub commands: Vec<(Header, ArgumentRange)>,
    /// Their words.
    pub arena: ArgumentArena,
    /// A command was refused while it was queued: EXEC refuses all.
    pub has_error: bool,
    /// One of them runs when all before it are answered: so does EXEC.
    pub is_after_others: bool,
}

impl Queued {
    /// Bytes of the commands.
    pub fn held_bytes(&self) -> usize {
        self.arena.held_bytes() + size_of_val(&self.commands[..])
    }
}

/// What a connection watches.
pub struct Watch {
    /// The name of this set of keys on the shards.
    pub watcher: Watcher,
    /// The keys of the set, by the shard that owns them.
    pub keys: BTreeMap<u16, Vec<Box<[u8]>>>,
}

impl Watch {
    /// The comparison that EXEC asks of a shard.
    pub fn check_on(&self, shard: u16) -> Option<WatchCheck> {
        let keys = self.keys.get(&shard)?.clone();
        Some(WatchCheck { watcher: self.watcher, keys })
    }
}

/// What CLIENT REPLY asked for.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Default)]
pub enum ReplyMode {
    /// Replies are sent.
    #[default]
    On,
    /// No reply is sent.
    Off,
    /// The next command's reply is dropped.
    SkipNext,
    /// The reply of the command that runs now is dropped.
    Skipping,
}

/// Where the unanswered commands of a connection went.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Default)]
pub enum Targets {
    /// All are answered.
    #[default]
    None,
    /// All went to this shard.
    One(usize),
    /// They went to several.
    Many,
}

/// How a connection ends.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Default)]
pub enum Ending {
    /// It does not.
    #[default]
    Open,
    /// When all replies have been sent; nothing more is read.
    AfterReplies,
    /// The socket is being closed.
    Closing,
}

/// One client.
pub struct Connection {
    /// Its name across cores.
    pub client: Client,
    /// Its number, as CLIENT ID gives it.
    pub id: u64,
    /// Its socket.
    pub socket: SocketId,
    /// The peer, as CLIENT LIST shows it: `ip:port`, or the path of the unix socket and `:0`.
    pub address: String,
    /// The server's end, likewise.
    pub local_address: String,
    /// When it came, monotonic clock in milliseconds.
    pub created_ms: i64,
    /// When it last sent something, or took something that was sent to it, monotonic clock in
    /// milliseconds.
    pub active_ms: i64,
    /// Selected database.
    pub db: usize,
    /// RESP version.
    pub version: Version,
    /// False until AUTH, when a password is set.
    pub is_authenticated: bool,
    /// CLIENT SETNAME.
    pub name: Box<str>,
    /// CLIENT SETINFO LIB-NAME.
    pub library_name: Box<str>,
    /// CLIENT SETINFO LIB-VER.
    pub library_version: Box<str>,
    /// CLIENT NO-EVICT.
    pub no_evict: bool,
    /// CLIENT NO-TOUCH.
    pub no_touch: bool,
    /// CLIENT REPLY.
    pub reply_mode: ReplyMode,
    /// It receives all commands.
    pub is_monitor: bool,
    /// READONLY was said; kept for CLIENT LIST only.
    pub is_readonly: bool,
    /// Its socket is a unix socket.
    pub is_unix: bool,
    /// It came through the shard's own port.
    pub is_shard_port: bool,
    /// Channels it listens to.
    pub channels: BTreeSet<Bytes>,
    /// Patterns it listens to.
    pub patterns: BTreeSet<Bytes>,
    /// MULTI was said.
    pub transaction: Option<Queued>,
    /// WATCH was said.
    pub watch: Option<Watch>,
    /// A blocking command is unanswered: nothing more is parsed.
    pub waiting: Option<Waiting>,
    /// A command is unanswered that decides about those behind it: nothing more is parsed.
    pub held: Option<Hold>,
    /// A command was parsed and not run, for it has to wait: the bytes it takes at the start of the
    /// input.
    pub postponed: Option<usize>,
    /// The last command, as CLIENT LIST shows it.
    pub last_command: Option<&'static crate::command::table::Command>,
    /// Commands run, bytes in and out, for CLIENT LIST.
    pub commands: u64,
    /// Cuts the input into commands.
    pub parser: RequestParser,
    /// What the parser must accept has changed (AUTH, CONFIG SET).
    pub has_new_limits: bool,
    /// Received and not parsed.
    pub input: Input,
    /// Written and not handed to the ring.
    pub output: ReplyBuffer,
    /// Bytes the ring is sending.
    pub sending_bytes: usize,
    /// What was left to send, by the ring and by the kernel, when the connection seemed idle last.
    pub left_to_send: (usize, usize),
    /// Since when the output is above its soft limit, monotonic clock in milliseconds.
    pub soft_limit_since_ms: Option<i64>,
    /// Commands without a reply in `output`.
    pub pending: Pending,
    /// Where they went.
    pub targets: Targets,
    /// The peer sends nothing more.
    pub has_ended: bool,
    /// How it ends.
    pub ending: Ending,
    /// It is in the core's list of connections with output.
    pub is_dirty: bool,
    /// Why the rest of the input is not parsed.
    pub stall: Option<Stall>,
    /// Receiving is paused because the input is not parsed.
    pub is_receive_paused: bool,
}

/// The blocking command of a connection.
pub struct Waiting {
    /// Shared with the shards it waits on.
    pub claim: Arc<Claim>,
    /// Its number.
    pub origin: Origin,
    /// Protocol version of its reply.
    pub version: Version,
    /// The shards it may wait on.
    pub shards: Vec<u16>,
}

impl Connection {
    /// A connection that has just been accepted.
    pub fn new(
        client: Client,
        id: u64,
        socket: SocketId,
        parser: RequestParser,
        monotonic_ms: i64,
    ) -> Connection {
        Connection {
            client,
            id,
            socket,
            address: String::new(),
            local_address: String::new(),
            created_ms: monotonic_ms,
            active_ms: monotonic_ms,
            db: 0,
            version: Version::Resp2,
            is_authenticated: false,
            name: Box::from(""),
            library_name: Box::from(""),
            library_version: Box::from(""),
            no_evict: false,
            no_touch: false,
            reply_mode: ReplyMode::On,
            is_monitor: false,
            is_readonly: false,
            is_unix: false,
            is_shard_port: false,
            channels: BTreeSet::new(),
            patterns: BTreeSet::new(),
            transaction: None,
            watch: None,
            waiting: None,
            held: None,
            postponed: None,
            last_command: None,
            commands: 0,
            parser,
            has_new_limits: false,
            input: Input::default(),
            output: ReplyBuffer::new(),
            sending_bytes: 0,
            left_to_send: (0, 0),
            soft_limit_since_ms: None,
            pending: Pending::default(),
            targets: Targets::None,
            has_ended: false,
            ending: Ending::Open,
            is_dirty: false,
            stall: None,
            is_receive_paused: false,
        }
    }

    /// What its parser accepts: little until it has authenticated.
    pub fn request_limits(config: &Config, is_authenticated: bool) -> RequestLimits {
        RequestLimits {
            bulk_bytes_max: config.bulk_bytes_max,
            authenticated: is_authenticated || config.password.is_empty(),
            ..RequestLimits::default()
        }
    }

    /// True when it must authenticate before anything else.
    #[inline]
    pub fn must_authenticate(&self, config: &Config) -> bool {
        !self.is_authenticated && !config.password.is_empty()
    }

    /// The header for a command that this connection sends now.
    pub fn header(&self, command: &'static crate::command::table::Command) -> Header {
        Header {
            origin: self.origin(),
            command,
            db: self.db,
            version: self.version,
            caller: Caller {
                client_id: self.id,
                no_touch: self.no_touch,
                may_block: true,
                is_cluster_client: self.is_shard_port,
            },
            is_counted: false,
            is_part: false,
        }
    }

    /// Where the reply to the next command goes.
    pub fn origin(&self) -> Origin {
        Origin { client: self.client, sequence: self.pending.next_sequence() }
    }

    /// True when replies to the command that runs now are dropped.
    pub fn is_muted(&self) -> bool {
        self.reply_mode != ReplyMode::On
    }

    /// Number of subscriptions.
    pub fn subscriptions(&self) -> usize {
        self.channels.len() + self.patterns.len()
    }

    /// True when the next command may be parsed.
    #[inline]
    pub fn may_parse(&self) -> bool {
        self.waiting.is_none()
            && self.held.is_none()
            && self.ending == Ending::Open
            && self.pending.len() < PIPELINE_UNANSWERED_MAX
    }

    /// A command that changes what others or later replies see of this connection runs when all
    /// before it are answered, lest it overtake one that runs on every core; so does EXEC with one.
    pub fn must_finish_before(&self, command: &Command) -> bool {
        if self.pending.is_empty() {
            return false;
        }
        match &self.transaction {
            Some(_) if !command.is(flags::TRANSACTION) => false,
            Some(queued) if command.is(flags::ENDS_TRANSACTION) => queued.is_after_others,
            _ => command.is(flags::AFTER_OTHERS),
        }
    }

    /// True when it neither waits for the server nor listens: then silence means that it is idle.
    pub fn may_be_idle(&self) -> bool {
        self.waiting.is_none()
            && self.pending.is_empty()
            && self.stall.is_none()
            && self.subscriptions() == 0
            && !self.is_monitor
    }

    /// A RESP2 connection with subscriptions takes only the commands that manage them.
    pub fn is_restricted_to_subscriptions(&self) -> bool {
        self.version == Version::Resp2 && self.subscriptions() > 0
    }

    /// Appends bytes that are no reply: a line for a monitor, a refusal.
    pub fn push(&mut self, message: &ReplyBuffer) {
        self.output.append(message, message.since(ReplyPosition::default()));
    }

    /// Notes that a command goes to these shards; true when the unanswered commands of this
    /// connection now span shards, so that the order of all of them must be fixed under the
    /// sequencer.
    pub fn aim(&mut self, targets: Targets) -> bool {
        self.targets = match (self.targets, targets) {
            (Targets::None, new) => new,
            (Targets::One(old), Targets::One(new)) if old == new => Targets::One(old),
            _ => Targets::Many,
        };
        self.targets == Targets::Many
    }

    /// Bytes of replies and messages that have not left.
    pub fn output_bytes(&self) -> usize {
        let held = self.held.as_ref().map_or(0, Hold::held_bytes);
        self.output.len() + self.sending_bytes + held
    }
}
