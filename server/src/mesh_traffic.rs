//! Mesh traffic: batches to other cores, replies from them.
//! In: the batches and the outbox that a pass has filled. Out: messages in the mesh, delivered
//! replies.
//! Invariant: all places of a pass are reserved before anything of it is published, under the
//! sequencer when some connection's commands (or one command) go to several shards.

use ringlet_protocol::reply::{ReplyPosition, ReplyRange};
use ringlet_runtime::mesh::{Mesh, Place};

use crate::connection::Targets;
use crate::core::Core;
use crate::gather::{Gather, is_null_array};
use crate::limits::BATCHES_PER_PASS_MAX;
use crate::message::{Client, Note, ReplyBatch, RequestBatch};
use crate::pending::Delivery;
use crate::planted::{self, Bug};
use crate::stall::Stall;

impl Core {
    /// Executes requests that have arrived; true when more may be waiting.
    pub fn take_requests(&mut self) -> bool {
        for _ in 0..BATCHES_PER_PASS_MAX {
            match self.inbox.receive() {
                Some(batch) => self.execute_batch(batch),
                None => return false,
            }
        }
        true
    }

    /// Takes replies that have arrived.
    pub fn take_replies(&mut self) {
        while let Some(batch) = self.reply_inbox.receive() {
            self.deliver(batch);
        }
    }

    /// Submits what the pass has collected for the shards. There is room for all that a client
    /// waits for: nothing was routed to a shard that was not open.
    pub fn dispatch(&mut self) {
        self.resubmit_waiters();
        let mut targets: Vec<usize> = self.batches.ready().collect();
        if targets.is_empty() {
            return;
        }
        if self.cores == 1 {
            let batch = self.batches.take(0);
            self.execute_batch(batch);
            return;
        }
        let requests = self.shared.requests.clone();
        while targets.len() > 1 && planted::has(Bug::PublishBeforeReserve) {
            let place = requests.reserve(targets.remove(0));
            self.publish(&requests, place);
        }
        // Nothing reserved before this place is left in this core's queue: it can run right here.
        let reserve = || -> (bool, Vec<_>) {
            let runs_here = self.inbox.is_empty();
            let places = targets.iter().filter(|core| !(runs_here && **core == self.index));
            let reserved = places.map(|core| {
                // Asking gives others a chance to come in between when the bug is planted.
                planted::has(Bug::NoSequencer);
                requests.reserve(*core)
            });
            (runs_here, reserved.collect())
        };
        let is_sequenced = self.needs_sequence && !planted::has(Bug::NoSequencer);
        let (runs_here, places) = if is_sequenced {
            let (reserved, waited_ns) = requests.sequence(reserve);
            self.statistics.count_sequenced(waited_ns);
            reserved
        } else {
            reserve()
        };
        self.needs_sequence = false;
        let mut has_rung = false;
        for place in places {
            has_rung |= self.publish(&requests, place);
        }
        if runs_here && targets.contains(&self.index) {
            if has_rung && self.batches.may_take_long(self.index) {
                // Nobody else rings them, so they must not sleep through this core's own batch; a
                // batch of short commands is over before a system call of its own would pay. A
                // broken ring shows in the next wait.
                let _ = self.ring.submit();
            }
            let batch = self.batches.take(self.index);
            self.execute_batch(batch);
        }
    }

    /// Puts the batch for a core into its place; true when that core slept and is to be rung.
    fn publish(&mut self, requests: &Mesh<Box<RequestBatch>>, place: Place) -> bool {
        let core = place.core();
        let batch = self.batches.take(core);
        if core != self.index {
            self.statistics.batches_sent += 1;
            self.statistics.commands_sent += batch.items.len() as u64;
        }
        requests.publish(place, batch);
        let sleeps = core != self.index && requests.take_sleeper(core);
        if sleeps {
            self.ring_core(core);
        }
        sleeps
    }

    fn ring_core(&mut self, core: usize) {
        self.statistics.wakes_sent += 1;
        if let Some(bell) = self.shared.bells[core].get() {
            self.ring.wake(bell);
        }
    }

    /// Submits the commands of waiters again that must run over several shards, when all of them
    /// are open.
    fn resubmit_waiters(&mut self) {
        for id in std::mem::take(&mut self.resubmissions) {
            if let Some(waiter) = self.shard.blocked.get_mut(id) {
                let (command, claim) = (waiter.command.clone(), waiter.claim.clone());
                if self.closed_owner(command.header.command.spec.keys, command.words()).is_some() {
                    self.resubmissions.push(id);
                } else {
                    self.push_spanning_command(command, Some(claim));
                }
            }
        }
    }

    /// Hands on what this core owes the others, and takes what it owes itself.
    pub fn publish_replies(&mut self) {
        let replies = self.shared.replies.clone();
        for core in 0..self.cores {
            if core == self.index
                || !self.outbox.has_for(core)
                || replies.backlog(core) as usize + self.cores >= replies.capacity()
            {
                continue;
            }
            let place = replies.reserve(core);
            replies.publish(place, self.outbox.take(core));
            self.statistics.reply_batches_sent += 1;
            if replies.take_sleeper(core) {
                self.ring_core(core);
            }
        }
        while self.outbox.has_for(self.index) {
            let batch = self.outbox.take(self.index);
            self.deliver(batch);
        }
    }

    /// Counts what is known of a command only when all its parts are there.
    fn note_gathered(&mut self, client: Client, gather: Gather) {
        let (call, error) = gather.into_statistics();
        if let Some(code) = error {
            self.statistics.count_error(Some(&code));
            if let Some(call) = &call {
                self.statistics.commands[call.command.number].failed += 1;
            }
        }
        if let Some(call) = call {
            self.log_slow_call(client, call);
        }
    }

    /// Gives replies to their connections and acts on notes.
    fn deliver(&mut self, mut batch: Box<ReplyBatch>) {
        for note in &batch.notes {
            if let Note::SlowPart(origin, duration_us) = note
                && let Some(connection) = self.clients.get_mut(origin.client)
            {
                connection.pending.note_slow(origin.sequence, *duration_us);
            }
        }
        let mut start = ReplyPosition::default();
        for head in &batch.replies {
            let range = ReplyRange { start, end: head.end };
            start = head.end;
            let (lists, connection) = self.clients.get_with_lists(head.origin.client);
            let Some(connection) = connection else { continue };
            let sequence = head.origin.sequence;
            let output = &mut connection.output;
            let delivery =
                connection.pending.deliver(output, sequence, batch.from, &batch.data, range);
            let gathered = match delivery {
                Delivery::Partial => continue,
                Delivery::Answered => None,
                Delivery::Gathered(gather) => Some(gather),
            };
            if connection.waiting.as_ref().is_some_and(|wait| wait.origin == head.origin) {
                connection.waiting = None;
            }
            let mut lines = Vec::new();
            if connection.held.as_ref().is_some_and(|hold| hold.origin == head.origin) {
                let is_refused = match &gathered {
                    Some(gather) => gather.is_aborted(),
                    None => is_null_array(batch.data.copied_bytes(range)),
                };
                lines = connection.end_hold(is_refused, &mut self.channels);
            }
            if connection.pending.is_empty() {
                connection.targets = Targets::None;
            }
            if connection.stall == Some(Stall::Replies) {
                lists.retry(connection);
            }
            lists.mark_dirty(connection);
            lines.into_iter().for_each(|line| self.show_everywhere(line));
            if let Some(gather) = gathered {
                self.note_gathered(head.origin.client, *gather);
            }
        }
        for note in batch.notes.drain(..) {
            self.renew_clock();
            match note {
                Note::Loan(loan) => self.take_loan(loan),
                Note::Homecoming(homecoming) => self.come_home(homecoming),
                Note::WaitOver(origin) => self.wait_is_over(origin),
                Note::Monitor(line) => self.show_line(&line),
                Note::Slow(entry) => self.add_slow(*entry),
                Note::SlowPart(..) => {}
            }
        }
        self.batches.come_back(usize::from(batch.from), batch.spent.drain(..));
        self.outbox.recycle(batch);
    }
}
