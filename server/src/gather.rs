//! Gather: one reply out of the partial replies of several cores.
//! In: the RESP values that each core has written for its part. Out: the whole reply.
//! Invariant: the parts of one command were executed at one place of all queues; merging them only
//! arranges bytes, and large values are shared, not copied.

use ringlet_protocol::reply::{Reply, Version};
use ringlet_protocol::reply::{ReplyBuffer, ReplyElements, ReplyPosition, ReplyRange};
use ringlet_protocol::resp_value::elements;

use crate::command::spec::Merge;
use crate::slow_log::Call;

/// The parts that have come and how they become one reply.
pub struct Gather {
    shape: Shape,
    version: Version,
    /// What each core has sent.
    parts: Vec<(u16, ReplyBuffer)>,
    missing: usize,
    /// The code of an error that no part has made, but the merge of them.
    merge_error: Option<Vec<u8>>,
}

/// What the parts become.
pub enum Shape {
    /// One command: every part is one value. What statistics want to know of it, unless the parts
    /// are no command of their own.
    Single(Item, Option<Call>),
    /// EXEC: every part is an array with the core's values in order of the commands; a null array
    /// from any core means that a watched key has changed there.
    Transaction(Vec<Item>),
}

/// One command of a gather.
pub enum Item {
    /// The reply is known already.
    Known(ReplyBuffer),
    /// One core gives it.
    From(u16),
    /// These cores give parts, in this order.
    Merged(Merge, Vec<u16>),
    /// One element for each key: the cores in order of the keys.
    ByKey(Vec<u16>),
}

/// Reads the values of one part in order.
struct Part<'a> {
    core: u16,
    buffer: &'a ReplyBuffer,
    values: Values<'a>,
}

enum Values<'a> {
    Whole(Option<ReplyRange>),
    Elements(ReplyElements<'a>),
}

impl Gather {
    /// Awaits parts from `cores` different cores.
    pub fn new(shape: Shape, version: Version, cores: usize) -> Gather {
        Gather { shape, version, parts: Vec::new(), missing: cores, merge_error: None }
    }

    /// Takes the part of a core; true when it was the last one.
    pub fn add(&mut self, core: u16, part: ReplyBuffer) -> bool {
        assert!(self.missing > 0, "bug: more parts of a reply than were asked for");
        self.parts.push((core, part));
        self.missing -= 1;
        self.missing == 0
    }

    /// A part was slow.
    pub fn note_slow(&mut self, duration_us: u64) {
        if let Shape::Single(_, Some(call)) = &mut self.shape {
            call.longest_us = call.longest_us.max(Some(duration_us));
        }
    }

    /// What statistics want to know: the command, if it is a single one, and the code of an error
    /// that was made only when its parts were merged.
    pub fn into_statistics(self) -> (Option<Call>, Option<Vec<u8>>) {
        match self.shape {
            Shape::Single(_, call) => (call, self.merge_error),
            Shape::Transaction(_) => (None, self.merge_error),
        }
    }

    /// True when a core refused the transaction because a watched key has changed.
    pub fn is_aborted(&self) -> bool {
        matches!(self.shape, Shape::Transaction(_))
            && self.parts.iter().any(|(_, part)| {
                is_null_array(part.copied_bytes(part.since(ReplyPosition::default())))
            })
    }

    /// Writes the whole reply into an empty buffer.
    pub fn finish(&mut self, out: &mut ReplyBuffer) {
        self.write(out);
        if out.error_count() > 0 {
            // Those of the parts were counted where they were made, and come as raw bytes.
            self.merge_error = Some(out.last_error_code().unwrap_or(b"ERR").to_vec());
        }
    }

    fn write(&self, out: &mut ReplyBuffer) {
        let mut reply = Reply::new(out, self.version);
        if self.is_aborted() {
            reply.null_array();
            return;
        }
        let is_transaction = matches!(self.shape, Shape::Transaction(_));
        let mut parts: Vec<Part<'_>> = self
            .parts
            .iter()
            .map(|(core, buffer)| Part::new(*core, buffer, is_transaction))
            .collect();
        match &self.shape {
            Shape::Single(item, _) => item.write(&mut parts, &mut reply),
            Shape::Transaction(items) => {
                reply.array(items.len());
                items.iter().for_each(|item| item.write(&mut parts, &mut reply));
            }
        }
    }
}

/// True for the reply of an EXEC that was refused because a watched key has changed.
pub fn is_null_array(reply: &[u8]) -> bool {
    reply == b"*-1\r\n" || reply == b"_\r\n"
}

impl<'a> Part<'a> {
    fn new(core: u16, buffer: &'a ReplyBuffer, is_transaction: bool) -> Part<'a> {
        let whole = buffer.since(ReplyPosition::default());
        let values = if is_transaction {
            Values::Elements(buffer.elements(whole).expect("bug: a part is not an array"))
        } else {
            Values::Whole(Some(whole))
        };
        Part { core, buffer, values }
    }

    fn next(&mut self) -> ReplyRange {
        match &mut self.values {
            Values::Whole(range) => range.take(),
            Values::Elements(elements) => elements.next(),
        }
        .expect("bug: a part of a reply has too few values")
    }
}

fn find<'p, 'a>(parts: &'p mut [Part<'a>], core: u16) -> &'p mut Part<'a> {
    parts.iter_mut().find(|part| part.core == core).expect("bug: a part of a reply is missing")
}

impl Item {
    fn write(&self, parts: &mut [Part<'_>], reply: &mut Reply<'_>) {
        match self {
            Item::Known(known) => {
                reply.buffer().append(known, known.since(ReplyPosition::default()));
            }
            Item::From(core) => {
                let part = find(parts, *core);
                let range = part.next();
                reply.buffer().append(part.buffer, range);
            }
            Item::Merged(merge, cores) => {
                let values: Vec<&[u8]> = cores
                    .iter()
                    .map(|core| {
                        let part = find(parts, *core);
                        let range = part.next();
                        part.buffer.copied_bytes(range)
                    })
                    .collect();
                merge_values(*merge, &values, reply);
            }
            Item::ByKey(owners) => write_by_key(owners, parts, reply),
        }
    }
}

fn is_error(value: &[u8]) -> bool {
    matches!(value.first(), Some(b'-' | b'!'))
}

/// Merges the values of one command. An error in any of them is the reply.
pub fn merge_values(merge: Merge, values: &[&[u8]], reply: &mut Reply<'_>) {
    if let Some(error) = values.iter().find(|value| is_error(value)) {
        reply.raw(error);
        return;
    }
    let aggregate = |value| elements(value).expect("bug: a part that is to be joined is no array");
    match merge {
        Merge::Sum => reply.integer(values.iter().map(|value| integer_of(value)).sum()),
        Merge::AllOk => reply.raw(values[0]),
        Merge::Concatenate => {
            reply.array(values.iter().map(|value| aggregate(value).remaining()).sum());
            values.iter().flat_map(|value| aggregate(value)).for_each(|one| reply.raw(one));
        }
        Merge::With(merge) => merge(values, reply),
        Merge::ByKey => unreachable!("bug: only the keys of a command can be merged by key"),
    }
}

fn write_by_key(owners: &[u16], parts: &mut [Part<'_>], reply: &mut Reply<'_>) {
    let mut cores: Vec<u16> = owners.to_vec();
    cores.sort_unstable();
    cores.dedup();
    let mut arrays = Vec::with_capacity(cores.len());
    for core in &cores {
        let part = find(parts, *core);
        let range = part.next();
        let buffer = part.buffer;
        if is_error(buffer.copied_bytes(range)) {
            reply.buffer().append(buffer, range);
            return;
        }
        arrays.push((buffer, buffer.elements(range).expect("bug: a part is not an array")));
    }
    reply.array(owners.len());
    for owner in owners {
        let place = cores.binary_search(owner).expect("invariant: every owner is in the list");
        let (buffer, elements) = &mut arrays[place];
        let range = elements.next().expect("bug: a part has too few elements");
        reply.buffer().append(buffer, range);
    }
}

/// The integer in a `:n` reply.
pub fn integer_of(value: &[u8]) -> i64 {
    value
        .strip_prefix(b":")
        .and_then(|rest| rest.strip_suffix(b"\r\n"))
        .and_then(ringlet_base::number::parse_i64)
        .expect("bug: a part that is to be added is no integer")
}
