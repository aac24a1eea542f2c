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

use crate::command::spec::Run;
use crate::message::{Body, Execute, Header, Loan, TransactionId, WatchCheck, Work};
use blocked::Blocked;
use keyspace::Keyspace;
use locks::{Locks, Needs, Ticket};

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

    fn locks_of<'k>(&self, keys: impl IntoIterator<Item = &'k Box<[u8]>>) -> Vec<u64> {
        keys.into_iter().map(|key| self.lock_of(key)).collect()
    }

    /// Keys that a work uses, and watched ones that it compares.
    fn locks_with(&self, mut keys: Vec<u64>, watch: Option<&WatchCheck>) -> Needs {
        keys.extend(watch.map(|check| self.locks_of(&check.keys)).unwrap_or_default());
        Needs::Keys(keys)
    }

    /// True when a plain command can run right now.
    #[inline]
    pub fn is_free(&self, header: &Header, words: Arguments<'_>) -> bool {
        self.locks.is_idle()
            || match self.needs_of_command(header, words) {
                Needs::Nothing => self.locks.is_free([]),
                Needs::Keys(keys) => self.locks.is_free(keys),
                Needs::Everything => false,
            }
    }

    /// What a command needs on this shard.
    pub fn needs_of_command(&self, header: &Header, words: Arguments<'_>) -> Needs {
        match header.command.spec.run {
            Run::Everywhere(..) | Run::Shard(..) => Needs::Everything,
            Run::EveryCore(..) | Run::Session(_) | Run::Subcommands(_) => Needs::Nothing,
            Run::Keys(_) | Run::Parts(..) | Run::Container(..) => {
                let mut keys = Vec::new();
                header
                    .command
                    .spec
                    .keys
                    .for_each(words, |index| keys.push(self.lock_of(&words[index])));
                if keys.is_empty() { Needs::Nothing } else { Needs::Keys(keys) }
            }
        }
    }

    /// What a work needs on this shard.
    pub fn needs(&self, work: &Work) -> Needs {
        match work {
            Work::Command(command, _) => self.needs_of_command(&command.header, command.words()),
            Work::Transaction(list, _, watch) => {
                let mut all = Vec::new();
                for (header, words) in &list.commands {
                    match self.needs_of_command(header, list.arena.get(*words)) {
                        Needs::Nothing => {}
                        Needs::Keys(keys) => all.extend(keys),
                        Needs::Everything => return Needs::Everything,
                    }
                }
                self.locks_with(all, watch.as_ref())
            }
            Work::Lend(lend) if lend.everything => Needs::Everything,
            Work::Execute(execute) if execute.everything => Needs::Everything,
            Work::Lend(lend) => self.locks_with(self.locks_of(&lend.keys), lend.watch.as_ref()),
            Work::Execute(execute) => {
                self.locks_with(self.locks_of(&execute.keys), execute.watch.as_ref())
            }
            Work::Watch(.., names) => Needs::Keys(self.locks_of(names.iter().map(|(_, key)| key))),
            Work::Unwatch(check) => self.locks_with(Vec::new(), Some(check)),
            Work::Forget(_) => Needs::Nothing,
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

impl Execute {
    /// True when the command was tried before and its client has been waiting since.
    pub fn is_retry(&self) -> bool {
        matches!(&self.body, Body::Single(_, Some(claim)) if claim.has_waited())
    }
}
