//! Part: what one core contributes to INFO, on its way to the sum.
//! In: a core and the wanted sections. Out: a RESP array; and back.
//! Invariant: `Part::read` understands exactly what `write` writes, in RESP2 and RESP3.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, Hasher};

use ringlet_base::number::parse_i64;
use ringlet_protocol::reply::Reply;
use ringlet_protocol::resp_value::{Elements, elements};
use ringlet_runtime::memory;

use crate::command::table;
use crate::core::Core;
use crate::info::figures::Figures;
use crate::info::{Section, Wanted, process};
use crate::latency::{self, Distribution};
use crate::message::Header;

/// Reads the values of an array one after the other. What it reads was written in this process:
/// anything else than expected is a bug.
pub struct Reader<'a>(Elements<'a>);

impl<'a> Reader<'a> {
    /// Reads an array.
    pub fn new(array: &'a [u8]) -> Reader<'a> {
        Reader(elements(array).expect("bug: a part is no array"))
    }

    fn next(&mut self) -> &'a [u8] {
        self.0.next().expect("bug: a part is too short")
    }

    /// The next value: an integer.
    pub fn integer(&mut self) -> i64 {
        crate::gather::integer_of(self.next())
    }

    /// The next value: a string.
    pub fn bytes(&mut self) -> &'a [u8] {
        let value = self.next();
        let line = value.iter().position(|byte| *byte == b'\n').expect("bug: no string");
        let length = parse_i64(&value[1..line - 1]).expect("bug: a string without length");
        &value[line + 1..line + 1 + length as usize]
    }

    /// The next value: a text.
    pub fn text(&mut self) -> String {
        String::from_utf8_lossy(self.bytes()).into_owned()
    }

    /// The next value: an array.
    pub fn array(&mut self) -> Reader<'a> {
        Reader::new(self.next())
    }

    /// Values left.
    pub fn remaining(&self) -> usize {
        self.0.remaining()
    }
}

/// Counters of one command.
#[derive(Clone, Debug, Default)]
pub struct CommandFigures {
    /// Calls.
    pub calls: i64,
    /// Nanoseconds.
    pub spent_ns: i64,
    /// Refused before they ran.
    pub rejected: i64,
    /// Answered with an error.
    pub failed: i64,
    /// Durations.
    pub latency: Distribution,
}

/// Keys of one database.
#[derive(Clone, Debug, Default)]
pub struct DatabaseFigures {
    /// Keys.
    pub keys: i64,
    /// Keys that expire.
    pub expires: i64,
    /// Sum of their times to live in milliseconds, estimated.
    pub ttl_sum_ms: i128,
    /// Bytes of its tables, without keys and values.
    pub table_bytes: i64,
}

/// What all cores together contribute.
#[derive(Clone, Debug, Default)]
pub struct Whole {
    /// Which sections are wanted.
    pub wanted: Wanted,
    /// Sections that are text already.
    pub texts: BTreeMap<u32, String>,
    /// Percentages that the latency section shows.
    pub percentiles: Vec<String>,
    /// Numbers.
    pub figures: Figures,
    /// By name.
    pub commands: BTreeMap<String, CommandFigures>,
    /// By code.
    pub errors: BTreeMap<String, i64>,
    /// By index.
    pub databases: BTreeMap<i64, DatabaseFigures>,
    /// Different channels with subscribers.
    pub channels: usize,
    /// Different patterns with subscribers.
    pub patterns: usize,
    /// A line for each core.
    pub cores: Vec<String>,
}

/// Writes the part of this core.
pub fn write(core: &mut Core, header: &Header, wanted: Wanted, reply: &mut Reply<'_>) {
    let mut figures = Figures::of(core);
    if header.is_node_local() {
        // Resident memory is known of the process only, and so heap bytes must be.
        figures.allocated = core.shared.allocated_bytes() as i64;
    }
    // The peak is never below what is reported here, give or take the other cores' last tick.
    core.publish_gauges();
    reply.array(10);
    reply.integer(i64::from(wanted.0));
    // The client's core is always among those that answer.
    let texts = if header.origin.client.core == core.number() {
        process::texts(core, wanted, header.caller.is_cluster_client)
    } else {
        Vec::new()
    };
    reply.array(texts.len() * 2);
    for (section, text) in texts {
        reply.integer(section as i64);
        reply.bulk(text.as_bytes());
    }
    reply.bulk(core.config.latency_percentiles.join(" ").as_bytes());
    figures.write(reply);
    let has_latency = wanted.has(Section::LatencyStats) && core.config.latency_tracking;
    if wanted.has(Section::CommandStats) || has_latency {
        write_commands(core, has_latency, |_| true, reply);
    } else {
        reply.array(0);
    }
    reply.array(core.statistics.errors.len() * 2);
    for (code, count) in &core.statistics.errors {
        reply.bulk(code);
        reply.integer(*count as i64);
    }
    write_databases(core, reply);
    write_names(core.channels.channels(), reply);
    write_names(core.channels.patterns(), reply);
    let line = format!(
        "clients={},keys={},commands={},allocated_bytes={},passes={},pass_us_max={},cpu_seconds={:.3}",
        figures.clients,
        figures.keys,
        figures.commands,
        figures.allocated,
        figures.passes,
        figures.pass_us_max,
        {
            let time = memory::thread_cpu_time();
            (time.user + time.system).as_secs_f64()
        },
    );
    reply.bulk(line.as_bytes());
}

/// Writes the counters of the commands that were used and that `keep` names.
pub fn write_commands(
    core: &Core,
    with_latency: bool,
    keep: impl Fn(&str) -> bool,
    reply: &mut Reply<'_>,
) {
    let all = table::numbered();
    let used: Vec<_> = all
        .iter()
        .zip(&core.statistics.commands)
        .filter(|(command, counters)| {
            (counters.calls > 0 || counters.rejected > 0) && keep(&command.name)
        })
        .collect();
    reply.array(used.len() * 6);
    for (command, counters) in used {
        reply.bulk(command.name.as_bytes());
        reply.integer(counters.calls as i64);
        reply.integer(core.ticks.to_nanoseconds(counters.ticks) as i64);
        reply.integer(counters.rejected as i64);
        reply.integer(counters.failed as i64);
        let buckets = counters.latency.iter().filter(|_| with_latency);
        let buckets: Vec<(usize, u64)> = buckets
            .flat_map(|buckets| buckets.iter().copied().enumerate())
            .filter(|(_, count)| *count > 0)
            .collect();
        reply.array(buckets.len() * 2);
        for (bucket, count) in buckets {
            reply.integer(core.ticks.to_nanoseconds(latency::bucket_end(bucket)) as i64);
            reply.integer(count as i64);
        }
    }
}

fn write_databases(core: &mut Core, reply: &mut Reply<'_>) {
    let now_ms = core.now_ms;
    let keyspace = &mut core.shard.keyspace;
    let random = &mut keyspace.random;
    let used: Vec<_> = keyspace
        .databases
        .iter()
        .enumerate()
        .filter(|(_, database)| !database.is_empty())
        .collect();
    reply.array(used.len() * 5);
    for (index, database) in used {
        let average_ms = database.average_ttl_ms(now_ms, random);
        reply.integer(index as i64);
        reply.integer(database.len() as i64);
        reply.integer(database.expires_len() as i64);
        reply.integer(average_ms);
        reply.integer(database.table_bytes() as i64);
    }
}

/// Names on several cores count once: each core sends the hashes of its own.
fn write_names<'a>(names: impl Iterator<Item = &'a bytes::Bytes>, reply: &mut Reply<'_>) {
    let hasher = ahash::RandomState::with_seeds(1, 2, 3, 4);
    let mut hashes = Vec::new();
    for name in names {
        let mut state = hasher.build_hasher();
        state.write(name);
        hashes.extend_from_slice(&state.finish().to_le_bytes());
    }
    reply.bulk(&hashes);
}

impl Whole {
    /// Sums the parts of all cores.
    pub fn of_parts(parts: &[&[u8]]) -> Whole {
        let mut whole = Whole::default();
        let (mut channels, mut patterns) = (Vec::new(), Vec::new());
        for part in parts {
            let mut reader = Reader::new(part);
            whole.wanted = Wanted(reader.integer() as u32);
            let mut texts = reader.array();
            while texts.remaining() > 0 {
                whole.texts.insert(texts.integer() as u32, texts.text());
            }
            let percentiles = reader.text();
            whole.percentiles = percentiles.split_whitespace().map(Into::into).collect();
            whole.figures.add(&Figures::read(reader.array()));
            add_commands(&mut whole.commands, reader.array());
            let mut errors = reader.array();
            while errors.remaining() > 0 {
                let count = whole.errors.entry(errors.text()).or_default();
                *count += errors.integer();
            }
            let mut databases = reader.array();
            while databases.remaining() > 0 {
                let database = whole.databases.entry(databases.integer()).or_default();
                database.keys += databases.integer();
                let expires = databases.integer();
                database.expires += expires;
                database.ttl_sum_ms += i128::from(expires) * i128::from(databases.integer());
                database.table_bytes += databases.integer();
            }
            channels.extend(reader.bytes().as_chunks::<8>().0);
            patterns.extend(reader.bytes().as_chunks::<8>().0);
            whole.cores.push(reader.text());
        }
        whole.channels = count_different(channels);
        whole.patterns = count_different(patterns);
        whole
    }
}

/// Adds the counters that `write_commands` has written.
pub fn add_commands(commands: &mut BTreeMap<String, CommandFigures>, mut reader: Reader<'_>) {
    while reader.remaining() > 0 {
        let command = commands.entry(reader.text()).or_default();
        command.calls += reader.integer();
        command.spent_ns += reader.integer();
        command.rejected += reader.integer();
        command.failed += reader.integer();
        let mut buckets = reader.array();
        while buckets.remaining() > 0 {
            let count = command.latency.0.entry(buckets.integer() as u64).or_default();
            *count += buckets.integer() as u64;
        }
    }
}

fn count_different(mut hashes: Vec<&[u8; 8]>) -> usize {
    hashes.sort_unstable();
    hashes.dedup();
    hashes.len()
}
