//! Router: sends a command to the shards that own its keys.
//! In: a command of a connection on this core. Out: a reply at once (the keys live here and nothing
//! of this connection is under way), or items in the batches for other shards and a pending reply.
//! Invariant: the commands of one connection enter the shards' queues in the order in which it sent
//! them, and when they go to several shards, under the sequencer.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;

use crate::command::spec::{Keys, Merge, Run, flags};
use crate::connection::{Connection, Targets, Waiting, Watch};
use crate::core::Core;
use crate::gather::{Gather, Item as GatherItem, Shape};
use crate::message::{Body, Execute, Header, Lend, Name, OwnedCommand, WatchCheck, Work};
use crate::session::Session;
use crate::shard::blocked::Claim;

/// Which shards own the keys of a command.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Owners {
    /// It has no keys.
    None,
    /// One shard owns them all.
    One(usize),
    /// Several do: the owner of each key, in the order of the keys.
    Many(Vec<u16>),
}

impl Core {
    /// Sends a command on its way. It has been checked (arity, AUTH, MULTI, ...).
    pub fn route(&mut self, connection: &mut Connection, header: &Header, words: Arguments<'_>) {
        match header.command.spec.run {
            Run::Session(run) => {
                let started = self.ticks.now();
                let errors = self.statistics.error_replies;
                self.reply_now(connection, |core, connection, reply| {
                    run(&mut Session { core, connection, is_in_transaction: false }, words, reply)
                });
                let took = self.ticks.since(started);
                let failed = self.statistics.error_replies != errors;
                self.note_run(header, words, took, failed);
                self.name_slow(connection);
            }
            Run::Everywhere(..) if self.cores == 1 => self.send(connection, 0, header, words),
            Run::EveryCore(_, merge) | Run::Everywhere(_, merge) => {
                let here = self.index..self.index + 1;
                let cores = if header.is_node_local() { here } else { 0..self.cores };
                self.send_to(connection, cores, header, words, merge);
            }
            Run::Shard(_, pick) => {
                let is_local = header.is_node_local();
                let shard = if is_local { self.index } else { pick(words, self.cores) };
                self.send(connection, shard, header, words);
            }
            Run::Keys(_) | Run::Parts(..) | Run::Container(..) => {
                match self.owners(header.command.spec.keys, words) {
                    Owners::None => self.send(connection, self.index, header, words),
                    Owners::One(shard) => self.send(connection, shard, header, words),
                    Owners::Many(owners) => match header.command.spec.run {
                        Run::Parts(_, merge) => {
                            self.send_parts(connection, header, words, &owners, merge);
                        }
                        _ => self.send_spanning(connection, header, words),
                    },
                }
            }
            Run::Subcommands(_) => unreachable!("bug: a container was not resolved"),
        }
    }

    /// Who owns the keys of a command.
    #[inline]
    pub fn owners(&self, keys: Keys, words: Arguments<'_>) -> Owners {
        if self.cores == 1 {
            return Owners::One(0);
        }
        if let Some(place) = keys.single() {
            return Owners::One(self.owner(&words[place]));
        }
        if !keys.is_whole(words.len()) {
            // It runs anywhere and says itself what is wrong.
            return Owners::None;
        }
        let mut owners = Vec::new();
        keys.for_each(words, |index| owners.push(self.owner(&words[index]) as u16));
        match owners.first() {
            None => Owners::None,
            Some(first) if owners.iter().all(|owner| owner == first) => {
                Owners::One(usize::from(*first))
            }
            Some(_) => Owners::Many(owners),
        }
    }

    /// Sends a whole command to one shard, or runs it right here.
    fn send(
        &mut self,
        connection: &mut Connection,
        shard: usize,
        header: &Header,
        words: Arguments<'_>,
    ) {
        if header.command.is(flags::BLOCKING) {
            let claim = self.await_claim(connection, header, vec![shard as u16]);
            let command = Box::new(OwnedCommand::new(header, words));
            self.batches.push_work(shard, Work::Command(command, Some(claim)));
        } else if shard == self.index && self.can_run_now(connection, header, words) {
            self.run_now(connection, header, words);
            return;
        } else {
            self.batches.push_command(shard, *header, words);
        }
        self.needs_sequence |= connection.aim(Targets::One(shard));
        connection.pending.wait(connection.is_muted());
    }

    /// A command of this shard's keys runs at once when nothing of its connection is under way,
    /// nobody has reserved an earlier place in this shard's queue, and its keys are free.
    #[inline]
    fn can_run_now(&self, connection: &Connection, header: &Header, words: Arguments<'_>) -> bool {
        connection.pending.is_empty()
            && (self.cores == 1 || self.inbox.is_empty())
            && self.shard.is_free(header, words)
    }

    fn run_now(&mut self, connection: &mut Connection, header: &Header, words: Arguments<'_>) {
        let start = connection.output.end();
        self.run(header, words, &mut connection.output);
        if connection.is_muted() {
            connection.output.truncate(start);
        }
        connection.pending.count_answered();
        self.name_slow(connection);
        self.serve_ready();
    }

    /// Runs what needs the connection itself, and puts its reply in order.
    pub fn reply_now(
        &mut self,
        connection: &mut Connection,
        run: impl FnOnce(
            &mut Core,
            &mut Connection,
            &mut Reply<'_>,
        ) -> crate::command::spec::CommandResult,
    ) {
        let mut scratch = std::mem::take(&mut self.scratch);
        let sequence = connection.pending.next_sequence();
        let result = run(self, connection, &mut Reply::new(&mut scratch, connection.version));
        if let Err(error) = result {
            Reply::new(&mut scratch, connection.version).error_bytes(error.text());
        }
        if scratch.error_count() > 0 {
            self.statistics.count_error(scratch.last_error_code());
        }
        // A command that was sent away (EXEC, WATCH) has its own pending reply.
        if connection.pending.next_sequence() == sequence {
            let is_muted = connection.is_muted();
            connection.pending.answer(&mut connection.output, &scratch, is_muted);
        }
        scratch.clear();
        self.scratch = scratch;
    }

    fn await_claim(
        &mut self,
        connection: &mut Connection,
        header: &Header,
        shards: Vec<u16>,
    ) -> Arc<Claim> {
        let claim = Claim::new();
        connection.waiting = Some(Waiting {
            claim: claim.clone(),
            origin: header.origin,
            version: header.version,
            shards,
        });
        claim
    }

    /// Sends a command to these cores; the parts of the reply are merged.
    fn send_to(
        &mut self,
        connection: &mut Connection,
        cores: Range<usize>,
        header: &Header,
        words: Arguments<'_>,
        merge: Merge,
    ) {
        for core in cores.clone() {
            let header = Header { is_counted: core != self.index, is_part: true, ..*header };
            self.batches.push_command(core, header, words);
        }
        if header.command.is(flags::BARRIER) {
            connection.hold(header.origin, None, None);
        }
        let count = cores.len();
        let item = GatherItem::Merged(merge, cores.map(|core| core as u16).collect());
        let shape = Shape::Single(item, Some(self.call(header, words)));
        self.gather(connection, shape, header, count);
    }

    /// Sends each shard the part of a command that concerns its keys.
    fn send_parts(
        &mut self,
        connection: &mut Connection,
        header: &Header,
        words: Arguments<'_>,
        owners: &[u16],
        merge: Merge,
    ) {
        let push = |core: &mut Core, shard: usize, header, part: &[usize]| {
            core.batches.push_part(shard, header, words, part);
        };
        let part = Header { is_part: true, ..*header };
        let (item, shards) = self.push_parts(&part, words, owners, merge, push);
        let shape = Shape::Single(item, Some(self.call(header, words)));
        self.gather(connection, shape, header, shards);
    }

    /// Splits a command by the owners of its keys: `push` gets the indices of each part's words.
    /// Says how to merge, and how many shards there are.
    pub fn push_parts(
        &mut self,
        header: &Header,
        words: Arguments<'_>,
        owners: &[u16],
        merge: Merge,
        mut push: impl FnMut(&mut Core, usize, Header, &[usize]),
    ) -> (GatherItem, usize) {
        let keys = header.command.spec.keys;
        let mut owner_of_next = owners.iter();
        let mut first_key = None;
        let mut parts: BTreeMap<u16, Vec<usize>> = BTreeMap::new();
        keys.for_each(words, |key| {
            let owner = owner_of_next.next().expect("invariant: each key has an owner");
            let head = 0..*first_key.get_or_insert(key);
            let part = parts.entry(*owner).or_insert_with(|| head.collect());
            part.extend(key..key + keys.step());
        });
        for (number, (shard, part)) in parts.iter().enumerate() {
            let header = Header { is_counted: number > 0, ..*header };
            push(self, usize::from(*shard), header, part);
        }
        let item = match merge {
            Merge::ByKey => GatherItem::ByKey(owners.to_vec()),
            merge => GatherItem::Merged(merge, parts.keys().copied().collect()),
        };
        (item, parts.len())
    }

    /// Awaits parts of a reply from several cores.
    pub fn gather(
        &mut self,
        connection: &mut Connection,
        shape: Shape,
        header: &Header,
        cores: usize,
    ) {
        self.needs_sequence |= connection.aim(Targets::Many) && self.cores > 1;
        let gather = Box::new(Gather::new(shape, header.version, cores));
        connection.pending.gather(gather, connection.is_muted());
    }

    /// Sends a command whose keys live on several shards and which needs them all at once.
    fn send_spanning(
        &mut self,
        connection: &mut Connection,
        header: &Header,
        words: Arguments<'_>,
    ) {
        let command = Arc::new(OwnedCommand::new(header, words));
        let claim = header.command.is(flags::BLOCKING).then(|| {
            let shards = (0..self.cores as u16).collect();
            self.await_claim(connection, header, shards)
        });
        self.push_spanning_command(command, claim);
        connection.aim(Targets::Many);
        connection.pending.wait(connection.is_muted());
    }

    /// Puts the works of a command that spans shards into the batches.
    pub fn push_spanning_command(&mut self, command: Arc<OwnedCommand>, claim: Option<Arc<Claim>>) {
        let words = command.words();
        let mut keys: Vec<Box<[u8]>> = Vec::new();
        command.header.command.spec.keys.for_each(words, |index| keys.push(words[index].into()));
        let header = command.header;
        self.push_spanning(Spanning {
            header: &header,
            keys,
            body: Body::Single(command, claim),
            everything: false,
            has_parts: false,
            watch: None,
        });
    }

    /// Puts the works of a transaction that spans shards into the batches; returns the executor.
    pub fn push_spanning(&mut self, spanning: Spanning<'_>) -> u16 {
        let Spanning { header, mut keys, body, everything, has_parts, watch } = spanning;
        // The first key's shard executes: for a blocking move that is where the client waits.
        let executor = keys.first().map_or(self.number(), |key| self.owner(key) as u16);
        keys.sort_unstable();
        keys.dedup();
        let mut by_owner: Vec<Vec<Box<[u8]>>> = vec![Vec::new(); self.cores];
        for key in keys {
            by_owner[self.owner(&key)].push(key);
        }
        // A shard lends keys, compares watched ones, or does its part for the whole.
        let check_on = |shard: u16| watch.and_then(|watch| watch.check_on(shard));
        let lenders: Vec<u16> = (0..self.cores as u16)
            .filter(|shard| *shard != executor)
            .filter(|shard| {
                everything
                    || has_parts
                    || !by_owner[usize::from(*shard)].is_empty()
                    || check_on(*shard).is_some()
            })
            .collect();
        let id = self.next_transaction();
        for lender in &lenders {
            let keys = std::mem::take(&mut by_owner[usize::from(*lender)]);
            let keys = if everything { Vec::new() } else { keys };
            let watch = check_on(*lender);
            let lend = Lend { id, executor, keys, everything, has_parts, watch };
            self.batches.push_work(usize::from(*lender), Work::Lend(Box::new(lend)));
        }
        let keys = std::mem::take(&mut by_owner[usize::from(executor)]);
        let execute = Execute {
            id,
            keys,
            lenders: lenders.len(),
            everything,
            has_parts,
            watch: check_on(executor),
            origin: header.origin,
            body,
        };
        self.batches.push_work(usize::from(executor), Work::Execute(Box::new(execute)));
        self.needs_sequence |= self.cores > 1;
        executor
    }

    fn next_transaction(&self) -> u64 {
        self.shared.next_transaction.fetch_add(1, std::sync::atomic::Ordering::Relaxed)
    }

    /// WATCH: the shards remember from here on what the connection watches, and answer.
    pub fn send_watch(
        &mut self,
        connection: &mut Connection,
        header: &Header,
        words: Arguments<'_>,
    ) {
        let mut watch = connection
            .watch
            .take()
            .unwrap_or_else(|| Watch { watcher: header.origin, keys: BTreeMap::new() });
        let mut names: BTreeMap<u16, Vec<Name>> = BTreeMap::new();
        for word in words.iter() {
            let owner = self.owner(word) as u16;
            let key: Box<[u8]> = word.into();
            let watched = watch.keys.entry(owner).or_default();
            if !watched.contains(&key) {
                watched.push(key.clone());
            }
            names.entry(owner).or_default().push((connection.db, key));
        }
        let shards: Vec<u16> = names.keys().copied().collect();
        for (shard, names) in names {
            let work = Work::Watch(header.origin, header.version, watch.watcher, names);
            self.batches.push_work(usize::from(shard), work);
        }
        connection.watch = Some(watch);
        let count = shards.len();
        let item = GatherItem::Merged(Merge::AllOk, shards);
        self.gather(connection, Shape::Single(item, None), header, count);
    }

    /// Lets the shards forget what this connection watches.
    pub fn end_connection_watch(&mut self, connection: &mut Connection) {
        if let Some(watch) = connection.watch.take() {
            for (shard, keys) in watch.keys {
                let check = WatchCheck { watcher: watch.watcher, keys };
                self.batches.push_work(usize::from(shard), Work::Unwatch(check));
            }
        }
    }
}

/// A transaction that spans shards.
pub struct Spanning<'a> {
    /// Where the reply goes.
    pub header: &'a Header,
    /// All keys.
    pub keys: Vec<Box<[u8]>>,
    /// What runs.
    pub body: Body,
    /// All shards stand still and lend all they have.
    pub everything: bool,
    /// Every core does a part and answers for it.
    pub has_parts: bool,
    /// The watched keys that are compared.
    pub watch: Option<&'a Watch>,
}
