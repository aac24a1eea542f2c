//! Stall: why a connection's next command has to wait, and when the connection is tried again.
//! In: commands before they run; answers, ends of pauses, shards that take more.
//! Out: obstacles; connections whose input is parsed further.
//! Invariant: each obstacle has the event that removes it, and only then the connection is looked
//! at again, so that stalled connections cost the others nothing.

use ringlet_protocol::arguments::Arguments;

use crate::command::spec::{Keys, Run, flags};
use crate::command::table::Command;
use crate::connection::Connection;
use crate::core::{Core, Pause};
use crate::router::Owners;

/// Why a connection's input is left unparsed.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Stall {
    /// Commands before it must be answered first.
    Replies,
    /// CLIENT PAUSE.
    Pause,
    /// This shard takes no more of this core's commands for now.
    Room(usize),
    /// Nothing: it is in the list of those that are tried again.
    Over,
}

impl Core {
    /// What stands in the way of a command that may run otherwise.
    #[inline]
    pub fn obstacle(
        &mut self,
        connection: &Connection,
        command: &'static Command,
        words: Arguments<'_>,
    ) -> Option<Stall> {
        if self.is_paused(connection, command) {
            Some(Stall::Pause)
        } else if connection.must_finish_before(command) {
            Some(Stall::Replies)
        } else if self.batches.are_all_open() {
            None
        } else {
            let is_queued = connection.transaction.is_some() && !command.is(flags::TRANSACTION);
            let shard =
                if is_queued { None } else { self.closed_shard(connection, command, words) };
            shard.map(Stall::Room)
        }
    }

    /// CLIENT PAUSE holds back all commands, or those that may write (EXEC counts by what it
    /// holds).
    fn is_paused(&mut self, connection: &Connection, command: &'static Command) -> bool {
        let Some(pause) = self.pause else { return false };
        if self.monotonic_ms >= pause.until_ms {
            self.end_pause();
            return false;
        }
        let writes = |command: &Command| command.is(flags::WRITE | flags::MAY_REPLICATE);
        let queued_writes = connection.transaction.as_ref().is_some_and(|queued| {
            command.is(flags::ENDS_TRANSACTION)
                && queued.commands.iter().any(|(header, _)| writes(header.command))
        });
        !command.is(flags::WHILE_PAUSED) && (!pause.writes_only || writes(command) || queued_writes)
    }

    /// A shard that the command goes to and that is not open. What has no keys goes to this core's.
    #[cold]
    fn closed_shard(
        &self,
        connection: &Connection,
        command: &Command,
        words: Arguments<'_>,
    ) -> Option<usize> {
        let keys = command.spec.keys;
        match command.spec.run {
            Run::Session(_) if command.is(flags::ENDS_TRANSACTION) => {
                self.closed_for_exec(connection)
            }
            Run::Session(_) if keys.is_empty() => None,
            Run::Everywhere(..) | Run::Shard(..)
                if connection.is_shard_port && command.is(flags::NODE_LOCAL) =>
            {
                self.closed_among([self.index])
            }
            Run::EveryCore(..) | Run::Everywhere(..) => self.closed_among(0..self.cores),
            Run::Shard(_, pick) => self.closed_among([pick(words, self.cores)]),
            _ => self.closed_owner(keys, words),
        }
    }

    /// A shard that EXEC sends something to and that is not open: all shards take part when one of
    /// the commands concerns more than keys.
    fn closed_for_exec(&self, connection: &Connection) -> Option<usize> {
        let watch = connection.watch.iter().flat_map(|watch| watch.keys.keys());
        let watched = self.closed_among(watch.map(|shard| usize::from(*shard)));
        let queued = connection.transaction.as_ref()?;
        let is_whole =
            |run: &Run| matches!(run, Run::EveryCore(..) | Run::Everywhere(..) | Run::Shard(..));
        watched.or_else(|| {
            if queued.commands.is_empty() {
                return self.closed_among([self.index]);
            }
            queued.commands.iter().find_map(|(header, words)| {
                let spec = header.command.spec;
                if is_whole(&spec.run) {
                    return self.closed_among(0..self.cores);
                }
                self.closed_owner(spec.keys, queued.arena.get(*words))
            })
        })
    }

    /// A shard that owns one of these keys and is not open.
    pub fn closed_owner(&self, keys: Keys, words: Arguments<'_>) -> Option<usize> {
        match self.owners(keys, words) {
            Owners::None => self.closed_among([self.index]),
            Owners::One(shard) => self.closed_among([shard]),
            Owners::Many(owners) => self.closed_among(owners.into_iter().map(usize::from)),
        }
    }

    fn closed_among(&self, shards: impl IntoIterator<Item = usize>) -> Option<usize> {
        shards.into_iter().find(|shard| !self.batches.is_open(*shard))
    }

    /// Leaves the rest of a connection's input unparsed until what stands in its way is gone.
    pub fn stall(&mut self, connection: &mut Connection, stall: Stall) {
        connection.stall = Some(stall);
        if let Stall::Room(shard) = stall {
            self.batches.await_room(shard, connection.client.index);
        }
    }

    /// The connection is stalled no more, whatever stood in its way.
    pub fn end_stall(&mut self, connection: &mut Connection) {
        if let Some(Stall::Room(shard)) = connection.stall.take() {
            self.batches.forget(shard, connection.client.index);
        }
    }

    /// Begins or prolongs CLIENT PAUSE; nothing expires meanwhile.
    pub fn begin_pause(&mut self, pause: Pause) {
        self.pause = Some(pause);
        self.shard.keyspace.is_frozen = true;
    }

    /// Ends CLIENT PAUSE: those that it has held back are tried again.
    pub fn end_pause(&mut self) {
        self.pause = None;
        self.shard.keyspace.is_frozen = false;
        self.clients.retry_where(|connection| connection.stall == Some(Stall::Pause));
    }

    /// Ends CLIENT PAUSE when its time has come.
    pub fn end_pause_in_time(&mut self) {
        if self.pause.is_some_and(|pause| self.monotonic_ms >= pause.until_ms) {
            self.end_pause();
        }
    }

    /// Tries connections again whose obstacle is gone.
    pub fn retry_stalled(&mut self) {
        self.end_pause_in_time();
        for place in self.batches.take_admitted() {
            if let Some(connection) = self.clients.at_mut(place)
                && matches!(connection.stall, Some(Stall::Room(_)))
            {
                connection.stall = Some(Stall::Over);
                self.clients.lists.retry.push(place);
            }
        }
        for place in std::mem::take(&mut self.clients.lists.retry) {
            let Some(mut connection) = self.clients.take(place) else { continue };
            if connection.stall == Some(Stall::Over) {
                connection.stall = None;
                self.take_input(&mut connection);
                self.bound_input(&mut connection);
                if connection.has_ended {
                    self.end_when_done(&mut connection);
                }
            }
            self.put_back(connection);
        }
    }
}
