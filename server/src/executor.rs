//! Executor: runs works at their place in the core's queue.
//! In: batches of requests. Out: replies in the outbox.
//! Invariant: works that need the same keys run in the order of their places; a reply is written
//! when its work has run, never while it waits.

use std::sync::Arc;

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;
use ringlet_protocol::reply::ReplyBuffer;

use crate::command::spec::Run;
use crate::core::{Core, Timer};
use crate::message::{
    CommandList, Header, Item, Name, Note, Origin, OwnedCommand, RequestBatch, Work,
};
use crate::planted::{self, Bug};
use crate::shard::blocked::{BlockRequest, Claim, Resubmission, Waiter, WaiterId};
use crate::shard::context::Context;
use crate::shard::locks::Ticket;

impl Core {
    /// Executes all that one core has sent in one batch.
    pub fn execute_batch(&mut self, mut batch: Box<RequestBatch>) {
        for item in batch.items.drain(..) {
            self.renew_clock();
            match item {
                Item::Command(header, range) => {
                    self.execute_command(&header, batch.arena.get(range));
                }
                Item::Work(work) => self.enter(work),
            }
        }
        batch.arena.clear();
        self.outbox.give_back(batch);
    }

    fn execute_command(&mut self, header: &Header, words: Arguments<'_>) {
        if !self.shard.is_free(header, words) {
            self.enter(Work::Command(Box::new(OwnedCommand::new(header, words)), None));
            return;
        }
        self.answer(header, words);
        self.serve_ready();
    }

    /// Runs a command and writes its reply to the outbox.
    fn answer(&mut self, header: &Header, words: Arguments<'_>) -> Option<BlockRequest> {
        let mut out = self.outbox.open(header.origin);
        let request = self.run(header, words, &mut out.buffer);
        self.outbox.close(header.origin, out);
        request
    }

    /// Runs one command, with its statistics. Returns what it wants to wait for, if it has to.
    pub fn run(
        &mut self,
        header: &Header,
        words: Arguments<'_>,
        out: &mut ReplyBuffer,
    ) -> Option<BlockRequest> {
        let started = self.ticks.now();
        let errors = out.error_count();
        let mut reply = Reply::new(out, header.version);
        let (result, request) = match header.command.spec.run {
            Run::Keys(run)
            | Run::Container(run, _)
            | Run::Parts(run, _)
            | Run::Everywhere(run, _)
            | Run::Shard(run, _) => {
                let mut context = Context {
                    keyspace: &mut self.shard.keyspace,
                    db: header.db,
                    now_ms: self.now_ms,
                    caller: header.caller,
                    config: &self.config,
                    block_request: None,
                };
                let result = run(&mut context, words, &mut reply);
                (result, context.block_request)
            }
            Run::EveryCore(run, _) => (run(self, header, words, &mut reply), None),
            Run::Session(_) | Run::Subcommands(_) => {
                unreachable!("bug: {} was sent to a shard", header.command.name)
            }
        };
        if let Err(error) = result {
            reply.error_bytes(error.text());
        }
        let failed = out.error_count() != errors;
        let took = self.ticks.since(started);
        if failed && !header.is_counted {
            self.statistics.count_error(out.last_error_code());
        }
        if request.is_none() {
            self.note_run(header, words, took, failed);
        } else {
            // It waits; the slow log gets it when it is served, if that takes long.
            self.statistics.count(header.command, took, failed, header.is_counted);
        }
        request
    }

    /// Counts a command that has run.
    #[inline]
    pub fn note_run(&mut self, header: &Header, words: Arguments<'_>, took: u64, failed: bool) {
        self.ticks_since_clock = self.ticks_since_clock.wrapping_add(took);
        self.statistics.count(header.command, took, failed, header.is_counted);
        if self.statistics.is_slow(took) {
            self.log_slow(header, words, took);
        }
    }

    /// Takes a work in at its place: it runs now, or when the keys it needs are free.
    pub fn enter(&mut self, work: Work) {
        let needs = self.shard.needs(&work);
        self.runnable.extend(self.shard.locks.enter(work, needs));
        self.perform_runnable();
    }

    /// Gives a ticket back after its work has ended elsewhere than in `perform`.
    pub fn release(&mut self, ticket: Ticket) {
        self.end(ticket);
        self.perform_runnable();
    }

    /// The work of a ticket is over. Clients that wait for elements of its keys come before the
    /// works that wait for the keys: they came first.
    fn end(&mut self, ticket: Ticket) {
        let needs = self.shard.locks.needs_of(ticket);
        self.shard.blocked.look_again(&mut self.shard.keyspace.ready, &needs.keys);
        self.serve_before_release(Some(ticket));
        self.shard.locks.release(ticket, &mut self.runnable);
    }

    /// Performs the works that hold their keys, and those that their ends let run. One that becomes
    /// runnable while another is performed waits for its turn here: no recursion, however long the
    /// chain.
    fn perform_runnable(&mut self) {
        if std::mem::replace(&mut self.is_performing, true) {
            return;
        }
        while let Some((ticket, work)) = self.runnable.pop_front() {
            self.renew_clock();
            if self.perform(ticket, work) {
                self.end(ticket);
            }
        }
        self.is_performing = false;
    }

    /// Performs a work; true when it is over and its keys can be released.
    fn perform(&mut self, ticket: Ticket, work: Work) -> bool {
        match work {
            Work::Command(_, Some(claim)) if claim.is_over() => true,
            Work::Command(command, claim) => {
                let request = self.answer(&command.header, command.words());
                if let Some(request) = request {
                    let claim = claim.expect("bug: a command without a claim wants to wait");
                    self.wait(command.header.origin, Arc::from(command), claim, request);
                }
                true
            }
            Work::Transaction(list, origin, watch) => {
                let unchanged = watch.is_none_or(|check| self.end_watch(check.watcher));
                let mut out = self.outbox.open(origin);
                if unchanged {
                    self.run_list(&list, &mut out.buffer);
                } else {
                    Reply::new(&mut out.buffer, list.version).null_array();
                }
                self.outbox.close(origin, out);
                true
            }
            Work::Watch(origin, version, watcher, names) => {
                for (db, key) in names {
                    self.shard.keyspace.watch(watcher, db, &key, self.now_ms);
                }
                self.outbox.write(origin, version, |reply| reply.ok());
                true
            }
            Work::Serve(id) => {
                self.serve_waiter(id);
                true
            }
            Work::Lend(lend) => {
                self.lend(ticket, *lend);
                false
            }
            Work::Execute(execute) => {
                self.prepare_execution(ticket, execute);
                false
            }
            Work::Unwatch(check) => {
                self.shard.keyspace.watched.unwatch(check.watcher);
                true
            }
            Work::Forget(origin) => {
                if let Some(id) = self.shard.blocked.of(origin) {
                    self.drop_waiter(id);
                }
                true
            }
        }
    }

    /// True when nothing the watcher watches here has changed; its watch is over either way.
    pub fn end_watch(&mut self, watcher: Origin) -> bool {
        let unchanged =
            self.shard.is_watch_unchanged(watcher, self.now_ms) || planted::has(Bug::WatchFlag);
        self.shard.keyspace.watched.unwatch(watcher);
        unchanged
    }

    /// Runs commands one after the other; the reply is an array of theirs.
    pub fn run_list(&mut self, list: &CommandList, out: &mut ReplyBuffer) {
        Reply::new(out, list.version).array(list.commands.len());
        for (header, range) in &list.commands {
            let mut header = *header;
            header.caller.may_block = false;
            let request = self.run(&header, list.arena.get(*range), out);
            assert!(request.is_none(), "bug: a command in a transaction wants to wait");
        }
    }

    // Blocked clients.

    /// Lets a command wait on the keys of this shard that it named.
    fn wait(
        &mut self,
        origin: Origin,
        command: Arc<OwnedCommand>,
        claim: Arc<Claim>,
        request: BlockRequest,
    ) {
        if !claim.wait(request.on_timeout) {
            return;
        }
        let resubmission = Resubmission::NotNeeded;
        let shards = Arc::from([]);
        let timer = None;
        self.register(
            Waiter { claim, origin, command, request, resubmission, shards, timer },
            true,
        );
    }

    /// Adds a waiter to this shard's queues. `owns_timer`: this shard is the one that ends the wait
    /// when the time is over.
    pub fn register(&mut self, waiter: Waiter, owns_timer: bool) {
        let timeout_ms = waiter.request.timeout_ms;
        let (index, cores) = (self.index, self.cores);
        let keys: Vec<_> = waiter
            .request
            .keys
            .iter()
            .filter(|key| {
                cores == 1
                    || crate::core::owner_of_slot(ringlet_base::slot::slot(key), cores) == index
            })
            .cloned()
            .collect();
        let id = self.shard.blocked.add(&mut self.shard.keyspace.ready, waiter, &keys);
        if owns_timer && timeout_ms > 0 {
            let timer = self.timers.insert(self.monotonic_ms + timeout_ms, Timer::Wait(id));
            self.shard.blocked.set_timer(id, timer);
        }
    }

    /// The time of a waiter is over.
    pub fn time_out(&mut self, id: WaiterId) {
        let Some(waiter) = self.shard.blocked.get_mut(id) else { return };
        if waiter.claim.take() {
            let (origin, version) = (waiter.origin, waiter.command.header.version);
            let on_timeout = waiter.request.on_timeout;
            self.outbox.write(origin, version, |reply| on_timeout.write(reply));
        }
        self.drop_waiter(id);
        self.serve_ready();
    }

    /// Takes a waiter out, here and on the other shards it waits on, and lets those behind it try.
    pub fn drop_waiter(&mut self, id: WaiterId) {
        let Some(waiter) = self.remove_waiter(id) else { return };
        for shard in waiter.shards.iter().filter(|shard| usize::from(**shard) != self.index) {
            self.outbox.note(*shard, Note::WaitOver(waiter.origin));
        }
    }

    fn remove_waiter(&mut self, id: WaiterId) -> Option<Waiter> {
        let waiter = self.shard.blocked.remove(&mut self.shard.keyspace.ready, id)?;
        if let Some(timer) = waiter.timer {
            self.timers.cancel(timer);
        }
        for key in &waiter.request.keys {
            self.shard.keyspace.ready.look(waiter.command.header.db, key);
        }
        Some(waiter)
    }

    /// The wait of this command has ended on another shard.
    pub fn wait_is_over(&mut self, origin: Origin) {
        if let Some(id) = self.shard.blocked.of(origin) {
            self.remove_waiter(id);
            self.serve_ready();
        }
    }

    /// Serves the clients that wait for keys which the last work has filled.
    #[inline]
    pub fn serve_ready(&mut self) {
        self.serve_before_release(None);
    }

    /// As [`Core::serve_ready`]; `ending` is over and holds its keys still.
    #[inline]
    fn serve_before_release(&mut self, ending: Option<Ticket>) {
        while let Some(name) = self.shard.keyspace.ready.next_ready() {
            self.serve_key(name, ending);
        }
    }

    /// Serves the waiters of a key in order, as far as they can be served.
    fn serve_key(&mut self, name: Name, ending: Option<Ticket>) {
        let lock = self.shard.lock_of(&name.1);
        if !self.shard.locks.is_open(lock, ending) {
            // Whoever holds it may have it with him; and what it holds is not for others to see.
            self.shard.blocked.look_later(lock, name);
            return;
        }
        let mut last = None;
        while let Some(id) = self.shard.keyspace.ready.next_waiter(&name, last) {
            if !self.serve_from(id, &name, ending) {
                return;
            }
            last = Some(id);
        }
    }

    /// Serves one waiter of a key if it can be served; false when those behind it must wait.
    fn serve_from(&mut self, id: WaiterId, name: &Name, ending: Option<Ticket>) -> bool {
        let (db, key) = (name.0, &name.1);
        let Some(waiter) = self.shard.blocked.get_mut(id) else {
            // It went away while the whole keyspace was lent, its queues with it.
            self.shard.keyspace.ready.leave(db, key, id);
            return true;
        };
        if !waiter.claim.is_waiting() {
            self.remove_waiter(id);
            return true;
        }
        let Some(kind) = self.shard.keyspace.value_type(db, key, self.now_ms) else { return false };
        if waiter.request.kind != kind {
            return true;
        }
        match waiter.resubmission {
            Resubmission::UnderWay => return false,
            Resubmission::Needed => {
                waiter.resubmission = Resubmission::UnderWay;
                self.resubmissions.push(id);
                return false;
            }
            Resubmission::NotNeeded => {}
        }
        waiter.resubmission = Resubmission::UnderWay;
        let command = waiter.command.clone();
        if self.shard.is_open(&command, ending) {
            self.serve_waiter(id);
            return true;
        }
        // Another key of the command is held. It takes its turn there behind those who came before,
        // for holding this key meanwhile could close a circle of waits; who waits behind it here
        // goes on.
        let needs = self.shard.needs_of_command(&command.header, command.words());
        self.runnable.extend(self.shard.locks.enter(Work::Serve(id), needs));
        false
    }

    /// Runs a waiter's command again if one of its keys is still ready and nobody else has
    /// answered.
    fn serve_waiter(&mut self, id: WaiterId) {
        let Some(waiter) = self.shard.blocked.get_mut(id) else { return };
        waiter.resubmission = Resubmission::NotNeeded;
        let (kind, db) = (waiter.request.kind, waiter.command.header.db);
        let keys = waiter.request.keys.clone();
        let is_ready = |key| self.shard.keyspace.value_type(db, key, self.now_ms) == Some(kind);
        if !keys.iter().any(|key| is_ready(key)) {
            return;
        }
        let waiter = self.shard.blocked.get_mut(id).expect("it was there above");
        if !waiter.claim.take() {
            self.remove_waiter(id);
            return;
        }
        let (origin, command) = (waiter.origin, waiter.command.clone());
        self.drop_waiter(id);
        let mut header = command.header;
        header.origin = origin;
        header.caller.may_block = false;
        header.is_counted = true;
        self.answer(&header, command.words());
    }
}
