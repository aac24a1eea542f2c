//! Transactions over several shards: entries are lent to the shard that executes, and go home.
//! In: `Lend` and `Execute` works at their places, loans, homecomings.
//! Out: one reply; entries at home again, with notice of what changed.
//! Invariant: from its place in the queue until its homecoming a lent key is held by its
//! transaction, so nobody sees a state in between; entries are moved, never copied.

use std::mem;
use std::sync::Arc;

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;
use ringlet_protocol::reply::{ReplyBuffer, ReplyPosition};

use crate::command::spec::{Merge, Run};
use crate::core::Core;
use crate::gather::merge_values;
use crate::message::{
    Body, CommandList, Execute, Header, Homecoming, Lend, Loan, Note, Origin, OwnedCommand,
    PartOfTransaction, TransactionId,
};
use crate::shard::blocked::{BlockRequest, Claim, Resubmission, Waiter};
use crate::shard::keyspace::Keyspace;
use crate::shard::locks::Ticket;

impl Core {
    /// The place of a `Lend` has come: the keys go to the executor.
    pub fn lend(&mut self, ticket: Ticket, lend: Lend) {
        let watch_unchanged = lend.watch.is_none_or(|check| self.end_watch(check.watcher));
        let keyspace = lend.everything.then(|| {
            let stand_in = self.shard.keyspace.stand_in();
            mem::replace(&mut self.shard.keyspace, Box::new(stand_in))
        });
        let entries = self.shard.keyspace.take_everywhere(&lend.keys);
        self.shard.lent.insert(lend.id, ticket);
        let from = self.number();
        let loan = Loan { id: lend.id, from, keys: lend.keys, entries, keyspace, watch_unchanged };
        self.outbox.note(lend.executor, Note::Loan(loan));
    }

    /// The place of an `Execute` has come: its own keys are held.
    pub fn prepare_execution(&mut self, ticket: Ticket, execute: Box<Execute>) {
        let id = execute.id;
        self.shard.executions.entry(id).or_default().execute = Some((ticket, execute));
        self.try_execution(id);
    }

    /// A loan has arrived, perhaps before the place of its transaction has come here.
    pub fn take_loan(&mut self, loan: Loan) {
        let id = loan.id;
        self.shard.executions.entry(id).or_default().loans.push(loan);
        self.try_execution(id);
    }

    fn try_execution(&mut self, id: TransactionId) {
        let execution = &self.shard.executions[&id];
        let Some((_, execute)) = &execution.execute else { return };
        if execution.loans.len() < execute.lenders {
            return;
        }
        let execution = self.shard.executions.remove(&id).expect("it was there above");
        let (ticket, execute) = execution.execute.expect("it was there above");
        self.execute(ticket, *execute, execution.loans);
    }

    fn execute(&mut self, ticket: Ticket, execute: Execute, mut loans: Vec<Loan>) {
        let own_unchanged = execute.watch.is_none_or(|check| self.end_watch(check.watcher));
        let is_allowed = own_unchanged && loans.iter().all(|loan| loan.watch_unchanged);
        self.shard.keyspace.ready.begin_record();
        for loan in &mut loans {
            for (db, entry) in loan.entries.drain(..) {
                self.shard.keyspace.insert_entry(db, entry);
            }
        }
        let mut out = self.outbox.open(execute.origin);
        let mut waiter = None;
        let mut part = None;
        match execute.body {
            Body::Single(command, claim) => {
                let request = self.try_command(&command, claim.as_ref(), &mut out.buffer);
                if let Some((request, claim)) = request.zip(claim)
                    && claim.wait(request.on_timeout)
                {
                    waiter = Some(self.spanning_waiter(execute.origin, command, claim, request));
                }
            }
            Body::Transaction(transaction) if is_allowed => {
                self.run_spanning_list(&transaction, &mut loans, &mut out.buffer);
                part = Some(PartOfTransaction::Run(transaction.into()));
            }
            Body::Transaction(transaction) => {
                Reply::new(&mut out.buffer, transaction.version).null_array();
                part = Some(PartOfTransaction::Refused(transaction.version));
            }
        }
        self.outbox.close(execute.origin, out);
        let part = part.filter(|_| execute.has_parts);
        let mut changed = vec![Vec::new(); self.cores];
        for name in self.shard.keyspace.ready.end_record() {
            changed[self.owner(&name.1)].push(name);
        }
        for loan in loans {
            let entries = self.shard.keyspace.take_everywhere(&loan.keys);
            let changed = mem::take(&mut changed[usize::from(loan.from)]);
            let homecoming = Homecoming {
                id: loan.id,
                entries,
                changed,
                keyspace: loan.keyspace,
                origin: execute.origin,
                part: part.clone(),
                register: waiter.clone().map(Box::new),
            };
            self.outbox.note(loan.from, Note::Homecoming(homecoming));
        }
        if let Some(waiter) = waiter {
            self.register(waiter, true);
        }
        self.release(ticket);
    }

    /// Runs a single command. A blocking command that has waited since its first attempt runs only
    /// when it can be served and nobody else has answered; otherwise it goes on waiting.
    fn try_command(
        &mut self,
        command: &OwnedCommand,
        claim: Option<&Arc<Claim>>,
        out: &mut ReplyBuffer,
    ) -> Option<BlockRequest> {
        let mut header = command.header;
        if let Some(claim) = claim.filter(|claim| claim.has_waited()) {
            // It is not there when the wait has ended meanwhile.
            let id = self.shard.blocked.of(header.origin)?;
            let waiter = self.shard.blocked.get_mut(id)?;
            waiter.resubmission = Resubmission::Needed;
            let (kind, keys) = (waiter.request.kind, waiter.request.keys.clone());
            let is_ready = keys.iter().any(|key| {
                self.shard.keyspace.value_type(header.db, key, self.now_ms) == Some(kind)
            });
            if !is_ready {
                return None;
            }
            let is_ours = claim.take();
            self.drop_waiter(id);
            if !is_ours {
                return None;
            }
            header.caller.may_block = false;
            header.is_counted = true;
        }
        self.run(&header, command.words(), out)
    }

    fn spanning_waiter(
        &self,
        origin: Origin,
        command: Arc<OwnedCommand>,
        claim: Arc<Claim>,
        request: BlockRequest,
    ) -> Waiter {
        let mut shards: Vec<u16> = request.keys.iter().map(|key| self.owner(key) as u16).collect();
        shards.sort_unstable();
        shards.dedup();
        let shards = shards.into();
        // It writes to another shard, or chooses among keys of several: both at one place of them
        // all.
        let resubmission = Resubmission::Needed;
        Waiter { claim, origin, command, request, resubmission, shards, timer: None }
    }

    /// Runs the commands of EXEC with the lent entries in place.
    fn run_spanning_list(&mut self, list: &CommandList, loans: &mut [Loan], out: &mut ReplyBuffer) {
        Reply::new(out, list.version).array(list.commands.len());
        for (header, range) in &list.commands {
            let mut header = *header;
            header.caller.may_block = false;
            let words = list.arena.get(*range);
            match header.command.spec.run {
                Run::Everywhere(..) | Run::Shard(..) if header.is_node_local() => {
                    let shard = usize::from(header.origin.client.core);
                    self.swapped(loans, shard, |core| core.run(&header, words, out));
                }
                Run::Everywhere(_, merge) => self.run_on_all(&header, words, merge, loans, out),
                Run::Shard(_, pick) => {
                    let shard = pick(words, self.cores);
                    self.swapped(loans, shard, |core| core.run(&header, words, out));
                }
                _ => self.run_with_borrowed_keys(&header, words, loans, out),
            }
        }
    }

    fn run_on_all(
        &mut self,
        header: &Header,
        words: Arguments<'_>,
        merge: Merge,
        loans: &mut [Loan],
        out: &mut ReplyBuffer,
    ) {
        let mut parts = Vec::with_capacity(self.cores);
        for shard in 0..self.cores {
            let mut part = ReplyBuffer::new();
            let header = Header { is_counted: shard > 0, ..*header };
            self.swapped(loans, shard, |core| core.run(&header, words, &mut part));
            parts.push(part);
        }
        let values: Vec<&[u8]> = parts
            .iter()
            .map(|part| part.copied_bytes(part.since(ReplyPosition::default())))
            .collect();
        merge_values(merge, &values, &mut Reply::new(out, header.version));
    }

    /// When whole keyspaces are lent, the entries of a command come to this one only while it runs.
    fn run_with_borrowed_keys(
        &mut self,
        header: &Header,
        words: Arguments<'_>,
        loans: &mut [Loan],
        out: &mut ReplyBuffer,
    ) {
        let mut keys: Vec<Box<[u8]>> = Vec::new();
        header.command.spec.keys.for_each(words, |index| keys.push(words[index].into()));
        for loan in loans.iter_mut().filter(|loan| loan.keyspace.is_some()) {
            let own: Vec<_> = self.owned_by(&keys, loan.from);
            let keyspace = loan.keyspace.as_mut().expect("filtered above");
            for (db, entry) in keyspace.take_everywhere(&own) {
                self.shard.keyspace.insert_entry(db, entry);
            }
        }
        self.run(header, words, out);
        for loan in loans.iter_mut().filter(|loan| loan.keyspace.is_some()) {
            let own: Vec<_> = self.owned_by(&keys, loan.from);
            let keyspace = loan.keyspace.as_mut().expect("filtered above");
            for (db, entry) in self.shard.keyspace.take_everywhere(&own) {
                keyspace.insert_entry(db, entry);
            }
        }
    }

    fn owned_by(&self, keys: &[Box<[u8]>], shard: u16) -> Vec<Box<[u8]>> {
        keys.iter().filter(|key| self.owner(key) == usize::from(shard)).cloned().collect()
    }

    /// Runs `f` with the keyspace of another shard in the place of this one's.
    fn swapped<R>(
        &mut self,
        loans: &mut [Loan],
        shard: usize,
        f: impl FnOnce(&mut Core) -> R,
    ) -> R {
        if shard == self.index {
            return f(self);
        }
        let place = loans
            .iter()
            .position(|loan| usize::from(loan.from) == shard && loan.keyspace.is_some())
            .expect("bug: a keyspace was not lent");
        let exchange = |core: &mut Core, loan: &mut Loan| {
            let lent = loan.keyspace.as_mut().expect("found above");
            mem::swap::<Box<Keyspace>>(&mut core.shard.keyspace, lent);
        };
        exchange(self, &mut loans[place]);
        let result = f(self);
        exchange(self, &mut loans[place]);
        result
    }

    /// Lent entries come home.
    pub fn come_home(&mut self, homecoming: Homecoming) {
        if let Some(keyspace) = homecoming.keyspace {
            self.shard.keyspace = keyspace;
            // CONFIG SET may have run while it was away.
            self.configure_keyspace();
            // Who waits for its keys was with it, and heard nothing of those who went away.
            self.shard.keyspace.ready.all_changed(|_| true);
        }
        for (db, entry) in homecoming.entries {
            self.shard.keyspace.insert_entry(db, entry);
        }
        for (db, key) in &homecoming.changed {
            self.shard.keyspace.notify(*db, key);
        }
        if let Some(part) = homecoming.part {
            self.answer_part(homecoming.origin, part);
        }
        let waiter = self.shard.blocked.of(homecoming.origin);
        if let Some(waiter) = waiter.and_then(|id| self.shard.blocked.get_mut(id)) {
            // It was tried: if it goes on waiting, the next element is worth another attempt.
            waiter.resubmission = Resubmission::Needed;
        }
        if let Some(waiter) = homecoming.register
            && waiter.shards.contains(&self.number())
            && waiter.claim.is_waiting()
        {
            self.register(*waiter, false);
        }
        let ticket = self.shard.lent.remove(&homecoming.id).expect("bug: nothing was lent");
        self.release(ticket);
    }

    /// Runs this core's part of a transaction's commands that run on every core.
    fn answer_part(&mut self, origin: Origin, part: PartOfTransaction) {
        let mut out = self.outbox.open(origin);
        match part {
            PartOfTransaction::Refused(version) => {
                Reply::new(&mut out.buffer, version).null_array();
            }
            PartOfTransaction::Run(list) => {
                let own = |(header, _): &&(Header, _)| {
                    matches!(header.command.spec.run, Run::EveryCore(..))
                };
                Reply::new(&mut out.buffer, list.version)
                    .array(list.commands.iter().filter(own).count());
                for (header, range) in list.commands.iter().filter(own) {
                    // The core that executes has counted it.
                    let header = Header { is_counted: true, ..*header };
                    self.run(&header, list.arena.get(*range), &mut out.buffer);
                }
            }
        }
        self.outbox.close(origin, out);
    }
}
