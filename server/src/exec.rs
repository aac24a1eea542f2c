//! Exec: sends the commands between MULTI and EXEC on their way as one step.
//! In: the queued commands and what the connection watches. Out: works for the shards.
//! Invariant: all of it enters all queues at one place; a watched key is compared at that place, on
//! the shard that owns it.

use ringlet_protocol::arguments::{ArgumentRange, Arguments};
use ringlet_protocol::reply::{Reply, ReplyBuffer, Version};

use crate::command::spec::{Merge, Run, flags};
use crate::connection::{Connection, Queued, Targets, Watch};
use crate::core::Core;
use crate::gather::{Item as GatherItem, Shape};
use crate::message::{Body, CommandList, Header, Work};
use crate::router::{Owners, Spanning};
use crate::session::Session;
use crate::shard::needs_all_keys;

/// Where one queued command runs.
enum Place {
    /// It has run: it concerns the connection only.
    Here(ReplyBuffer),
    /// All of it on one shard.
    Shard(usize),
    /// A part on each shard that owns some of its keys.
    Parts(Vec<u16>, Merge),
    /// On every shard.
    Everywhere(Merge),
    /// On every core.
    EveryCore(Merge),
    /// Its keys live on several shards and it needs them together.
    Spanning,
}

/// A queued command with the place where it runs.
struct Placed {
    header: Header,
    words: ArgumentRange,
    place: Place,
}

impl Core {
    /// EXEC: runs the queued commands as one step.
    pub fn exec(&mut self, connection: &mut Connection, queued: &Queued, header: &Header) {
        let watch = connection.watch.take();
        let is_session = |header: &Header| matches!(header.command.spec.run, Run::Session(_));
        let commands = || queued.commands.iter().map(|(header, _)| header);
        let is_sent = watch.is_some() || !commands().all(is_session);
        let decides = commands().any(|header| header.command.is(flags::BARRIER));
        let may_return = watch.is_some() && commands().any(is_session);
        let shows_later = watch.is_some() && self.has_monitors();
        if decides || may_return || shows_later || (is_sent && queued.is_after_others) {
            let before = may_return.then(|| connection.settings());
            connection.hold(header.origin, before, shows_later.then(Vec::new));
        }
        let placed = self.place_all(connection, queued, header);
        if let Some(shard) = only_shard(&placed, watch.as_ref(), self.index) {
            self.exec_on(connection, queued, &placed, shard, watch.as_ref(), header);
        } else if watch.is_some()
            || placed.iter().any(|placed| matches!(placed.place, Place::Spanning))
        {
            self.exec_spanning(connection, queued, placed, watch, header);
        } else {
            self.exec_in_parts(connection, queued, placed, header);
        }
    }

    /// Finds the place of each command; those that concern the connection only run now, in order.
    fn place_all(
        &mut self,
        connection: &mut Connection,
        queued: &Queued,
        exec: &Header,
    ) -> Vec<Placed> {
        let mut all = Vec::with_capacity(queued.commands.len());
        for (queued_header, range) in &queued.commands {
            let words = queued.arena.get(*range);
            let mut header = connection.header(queued_header.command);
            header.origin = exec.origin;
            header.caller.may_block = false;
            let place = match header.command.spec.run {
                Run::Session(_) => Place::Here(self.run_here(connection, &header, words)),
                Run::EveryCore(_, merge) => Place::EveryCore(merge),
                _ if header.is_node_local() => Place::Shard(self.index),
                Run::Everywhere(_, merge) if self.cores > 1 => Place::Everywhere(merge),
                Run::Everywhere(..) => Place::Shard(0),
                Run::Shard(_, pick) => Place::Shard(pick(words, self.cores)),
                Run::Keys(_) | Run::Parts(..) | Run::Container(..) => {
                    match self.owners(header.command.spec.keys, words) {
                        Owners::None => Place::Shard(self.index),
                        Owners::One(shard) => Place::Shard(shard),
                        Owners::Many(owners) => match header.command.spec.run {
                            Run::Parts(_, merge) => Place::Parts(owners, merge),
                            _ => Place::Spanning,
                        },
                    }
                }
                Run::Subcommands(_) => unreachable!("bug: a container was not resolved"),
            };
            if !header.command.is(flags::SKIP_MONITOR | flags::ADMIN) {
                self.show_to_monitors(connection, header.command, words);
            }
            all.push(Placed { header, words: *range, place });
        }
        all
    }

    fn run_here(
        &mut self,
        connection: &mut Connection,
        header: &Header,
        words: Arguments<'_>,
    ) -> ReplyBuffer {
        let Run::Session(run) = header.command.spec.run else {
            unreachable!("bug: {} does not concern the connection", header.command.name)
        };
        let started = self.ticks.now();
        let mut known = ReplyBuffer::new();
        let version = connection.version;
        let mut reply = Reply::new(&mut known, version);
        let result = run(
            &mut Session { core: self, connection, is_in_transaction: true },
            words,
            &mut reply,
        );
        if let Err(error) = result {
            reply.error_bytes(error.text());
        }
        let took = self.ticks.since(started);
        let failed = known.error_count() > 0;
        if failed {
            self.statistics.count_error(known.last_error_code());
        }
        self.note_run(header, words, took, failed);
        self.name_slow(connection);
        known
    }

    /// All of it runs on one shard: no other takes part.
    fn exec_on(
        &mut self,
        connection: &mut Connection,
        queued: &Queued,
        placed: &[Placed],
        shard: usize,
        watch: Option<&Watch>,
        header: &Header,
    ) {
        let mut list = empty_list(header.version);
        for one in placed {
            append(&mut list, &one.header, queued.arena.get(one.words));
        }
        let check = watch.and_then(|watch| watch.check_on(shard as u16));
        self.batches.push_work(shard, Work::Transaction(Box::new(list), header.origin, check));
        self.needs_sequence |= connection.aim(Targets::One(shard));
        connection.pending.wait(connection.is_muted());
    }

    /// Every command (or each part of it) stays on its shard: one hop, no locks.
    fn exec_in_parts(
        &mut self,
        connection: &mut Connection,
        queued: &Queued,
        placed: Vec<Placed>,
        header: &Header,
    ) {
        let mut lists: Vec<CommandList> =
            (0..self.cores).map(|_| empty_list(header.version)).collect();
        let mut items = Vec::with_capacity(placed.len());
        let all: Vec<u16> = (0..self.cores as u16).collect();
        for Placed { header, words, place } in placed {
            let words = queued.arena.get(words);
            items.push(match place {
                Place::Here(known) => GatherItem::Known(known),
                Place::Shard(shard) => {
                    append(&mut lists[shard], &header, words);
                    GatherItem::From(shard as u16)
                }
                Place::Everywhere(merge) | Place::EveryCore(merge) => {
                    for (shard, list) in lists.iter_mut().enumerate() {
                        let header = Header { is_counted: shard != self.index, ..header };
                        append(list, &header, words);
                    }
                    GatherItem::Merged(merge, all.clone())
                }
                Place::Parts(owners, merge) => {
                    self.push_parts(&header, words, &owners, merge, |_, shard, header, part| {
                        let range = lists[shard].arena.push_selected(&words, part);
                        lists[shard].commands.push((header, range));
                    })
                    .0
                }
                Place::Spanning => unreachable!("bug: handled by exec_spanning"),
            });
        }
        let mut cores = 0;
        for (shard, list) in lists.into_iter().enumerate() {
            if !list.commands.is_empty() {
                cores += 1;
                let work = Work::Transaction(Box::new(list), header.origin, None);
                self.batches.push_work(shard, work);
            }
        }
        if cores == 0 {
            let mut known = ReplyBuffer::new();
            Reply::new(&mut known, header.version).array(items.len());
            for item in &items {
                if let GatherItem::Known(bytes) = item {
                    known.append(bytes, bytes.since(Default::default()));
                }
            }
            let is_muted = connection.is_muted();
            connection.pending.answer(&mut connection.output, &known, is_muted);
            return;
        }
        self.gather(connection, Shape::Transaction(items), header, cores);
    }

    /// Keys are lent to one shard, which runs all of it.
    fn exec_spanning(
        &mut self,
        connection: &mut Connection,
        queued: &Queued,
        placed: Vec<Placed>,
        watch: Option<Watch>,
        header: &Header,
    ) {
        let mut list = empty_list(header.version);
        let mut keys: Vec<Box<[u8]>> = Vec::new();
        let mut places = Vec::with_capacity(placed.len());
        for Placed { header, words, place } in placed {
            if !matches!(place, Place::Here(_)) {
                let words = queued.arena.get(words);
                append(&mut list, &header, words);
                let spec = header.command.spec;
                spec.keys.for_each(words, |index| keys.push(words[index].into()));
            }
            places.push(place);
        }
        let everything = list.commands.iter().any(|(header, _)| needs_all_keys(header.command));
        let has_parts = places.iter().any(|place| matches!(place, Place::EveryCore(_)));
        let has_known = places.iter().any(|place| matches!(place, Place::Here(_)));
        let executor = self.push_spanning(Spanning {
            header,
            keys,
            body: Body::Transaction(Box::new(list)),
            everything,
            has_parts,
            watch: watch.as_ref(),
        });
        if !has_parts && !has_known {
            connection.aim(Targets::Many);
            connection.pending.wait(connection.is_muted());
            return;
        }
        let all: Vec<u16> = (0..self.cores as u16).collect();
        let items = places
            .into_iter()
            .map(|place| match place {
                Place::Here(known) => GatherItem::Known(known),
                Place::EveryCore(merge) => GatherItem::Merged(merge, all.clone()),
                _ => GatherItem::From(executor),
            })
            .collect();
        let cores = if has_parts { self.cores } else { 1 };
        self.gather(connection, Shape::Transaction(items), header, cores);
    }
}

fn empty_list(version: Version) -> CommandList {
    CommandList { version, commands: Vec::new(), arena: Default::default() }
}

fn append(list: &mut CommandList, header: &Header, words: Arguments<'_>) {
    let range = list.arena.push(&words);
    list.commands.push((*header, range));
}

/// The one shard on which all commands run and all watched keys live, if there is one. An empty
/// transaction runs where its watched keys are, or on this core.
fn only_shard(placed: &[Placed], watch: Option<&Watch>, here: usize) -> Option<usize> {
    let mut only = None;
    let mut agree = |shard: usize| *only.get_or_insert(shard) == shard;
    for one in placed {
        match one.place {
            Place::Shard(shard) if agree(shard) => {}
            _ => return None,
        }
    }
    for shard in watch.into_iter().flat_map(|watch| watch.keys.keys()) {
        if !agree(usize::from(*shard)) {
            return None;
        }
    }
    Some(only.unwrap_or(here))
}
