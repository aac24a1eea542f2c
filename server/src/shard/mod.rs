//! One shard: the keys a core owns and the rules by which works run on them.
//! In: works at their place in the core's queue. Out: what each of them needs, and who may run.
//! Invariant: nothing here sees a socket or a queue between cores.

pub mod access;
pub mod blocked;
pub mod context;
pub mod keyspace;
pub mod kind;
pub mod locks;
pub mod watch;

use ahash::AHashMap;
use ringlet_protocol::arguments::Arguments;

use crate::command::spec::{Run, flags};
use crate::command::table::Command;
use crate::message::{Body, Execute, Header, Loan, OwnedCommand, TransactionId, WatchCheck, Work};
use blocked::Blocked;
use keyspace::Keyspace;
use locks::{Keys, Locks, Needs, Ticket};

/// One shard.
pub struct Shard {
    /// Its keys.
    pub keyspace: Box<Keyspace>,
    /// Who holds and awaits which keys.
    pub locks: Locks<Work>,
    /// Who waits for a key to fill.
    pub blocked: Blocked,
    /// Transactions that this shard executes and whose loans are not all here.
    pub executions: AHashMap<TransactionId, Execution>,
    /// Transactions for which this shard has lent keys.
    pub lent: AHashMap<TransactionId, Ticket>,
}

/// A transaction on the shard that executes it, until it runs.
#[derive(Default)]
pub struct Execution {
    /// There once its place in the queue has come and its own keys are held.
    pub execute: Option<(Ticket, Box<Execute>)>,
    /// What has arrived.
    pub loans: Vec<Loan>,
}

impl Shard {
    /// A shard without keys in use.
    pub fn new(keyspace: Keyspace) -> Shard {
        Shard {
            keyspace: Box::new(keyspace),
            locks: Locks::default(),
            blocked: Blocked::default(),
            executions: AHashMap::new(),
            lent: AHashMap::new(),
        }
    }

    /// The lock of a key: one for all databases, so that MOVE and COPY hold both ends.
    pub fn lock_of(&self, key: &[u8]) -> u64 {
        self.keyspace.hash(key)
    }

    fn needs_of_keys<'k>(&self, keys: impl IntoIterator<Item = &'k Box<[u8]>>) -> Needs {
        Needs::keys(keys.into_iter().map(|key| self.lock_of(key)).collect())
    }

    fn needs_of_watch(&self, watch: Option<&WatchCheck>) -> Needs {
        self.needs_of_keys(watch.into_iter().flat_map(|check| &check.keys))
    }

    /// True when a plain command can run right now.
    #[inline]
    pub fn is_free(&self, header: &Header, words: Arguments<'_>) -> bool {
        self.locks.is_idle() || self.locks.is_free(&self.needs_of_command(header, words))
    }

    /// True when the command of a waiter can run right now: no key of it is held, except perhaps by
    /// a work that is about to end.
    pub fn is_open(&self, command: &OwnedCommand, ending: Option<Ticket>) -> bool {
        let (spec, words) = (command.header.command.spec, command.words());
        let mut is_open = true;
        spec.keys.for_each(words, |index| {
            is_open &= self.locks.is_open(self.lock_of(&words[index]), ending);
        });
        is_open
    }

    /// What a command needs on this shard.
    pub fn needs_of_command(&self, header: &Header, words: Arguments<'_>) -> Needs {
        let command = header.command;
        if needs_all_keys(command) {
            return Needs { core: is_about_core(command), keys: Keys::All };
        }
        let mut keys = Vec::new();
        command.spec.keys.for_each(words, |index| keys.push(self.lock_of(&words[index])));
        Needs { core: is_about_core(command), keys: Keys::These(keys) }
    }

    /// What a work needs on this shard.
    pub fn needs(&self, work: &Work) -> Needs {
        match work {
            Work::Command(command, _) => self.needs_of_command(&command.header, command.words()),
            Work::Transaction(list, _, watch) => list
                .commands
                .iter()
                .map(|(header, words)| self.needs_of_command(header, list.arena.get(*words)))
                .fold(self.needs_of_watch(watch.as_ref()), Needs::and),
            Work::Lend(lend) => {
                let keys = if lend.everything { Keys::All } else { Keys::default() };
                Needs { core: lend.has_parts, keys }
                    .and(self.needs_of_keys(&lend.keys))
                    .and(self.needs_of_watch(lend.watch.as_ref()))
            }
            Work::Execute(execute) => {
                let keys = if execute.everything { Keys::All } else { Keys::default() };
                Needs { core: execute.is_about_core(), keys }
                    .and(self.needs_of_keys(&execute.keys))
                    .and(self.needs_of_watch(execute.watch.as_ref()))
            }
            Work::Watch(.., names) => self.needs_of_keys(names.iter().map(|(_, key)| key)),
            Work::Unwatch(check) => self.needs_of_watch(Some(check)),
            Work::Forget(_) => Needs::default(),
            Work::Serve(_) => unreachable!("a waiter's needs are those of its command"),
        }
    }

    /// True when nothing that the watcher watches here has changed.
    pub fn is_watch_unchanged(&self, watcher: crate::message::Watcher, now_ms: i64) -> bool {
        self.keyspace
            .watched
            .is_unchanged(watcher, |db, key| self.keyspace.is_expired(db, key, now_ms))
    }
}

/// True when a command looks at the whole shard.
pub fn needs_all_keys(command: &Command) -> bool {
    matches!(command.spec.run, Run::Everywhere(..) | Run::Shard(..))
        || command.is(flags::WHOLE_SHARD)
}

/// True when a command is not about keys: it reads or changes the core's configuration, its
/// connections or their subscriptions, and its order among others of the kind shows.
fn is_about_core(command: &Command) -> bool {
    match command.spec.run {
        Run::EveryCore(..) => true,
        Run::Everywhere(..) | Run::Shard(..) => false,
        _ => command.spec.keys.is_empty(),
    }
}

impl Execute {
    /// True when one of its commands is not about keys.
    fn is_about_core(&self) -> bool {
        match &self.body {
            Body::Single(command, _) => is_about_core(command.header.command),
            Body::Transaction(list) => {
                list.commands.iter().any(|(header, _)| is_about_core(header.command))
            }
        }
    }
}
