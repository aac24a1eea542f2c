//! Job: admissions of two limiters that share a store, under many times the load that the limit allows.
//! In: a [`Plan`]. Out: rows and a note.
//! Invariant: what was admitted is counted by the clients, in the windows of the store's clock, which is
//! this machine's; load has begun before the first window that counts.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::launch::Launcher;
use super::ledger::{CLOCK_SLACK_MS, Ledger, Sums};
use super::settings::{BUCKET, SATURATED_COUNT, WINDOW};
use super::{Plan, STORES, store_name};
use crate::compare::Target;
use crate::data_server::find_reply;
use crate::generator::resp;
use crate::report::Findings;

const NODES: usize = 2;
/// So that cores of a node lend to each other too.
const CORES: usize = 2;
const CONNECTIONS_PER_NODE: usize = 4;
/// Requests that go out together.
const BATCH: u64 = 16;
/// From one batch of a connection to its next: 16 requests for each that the limit allows.
const GAP: Duration = Duration::from_millis(8);
/// Requests for each that the limit allows without which there is no saturation.
const SATURATION: f64 = 4.0;
const WINDOW_MS: u64 = 1000;
/// Whole windows of load before the first that counts: a bucket is empty by then.
const WARM_UP_WINDOWS: u64 = 2;
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// One rule, and how its admissions are held against its limit.
struct Case {
    rule: &'static str,
    algorithm: &'static str,
    /// No request before the first window that counts may pass for one within it, as a fresh window
    /// admits all that it has at once.
    lull_ms: u64,
    above: fn(&Sums, u64, u64) -> u64,
}

const CASES: [Case; 2] = [
    Case {
        rule: WINDOW,
        algorithm: "fixed-window",
        lull_ms: 50,
        above: |sums, first, windows| {
            sums.above_windows(first, WINDOW_MS, windows, SATURATED_COUNT)
        },
    },
    Case {
        rule: BUCKET,
        algorithm: "token-bucket",
        // A bucket would fill meanwhile.
        lull_ms: 0,
        above: |sums, _, _| sums.above_bucket(SATURATED_COUNT, SATURATED_COUNT),
    },
];

/// Measures both rules with each store.
///
/// # Errors
/// A process that cannot be started or breaks off, a reply that is an error.
pub fn run(plan: &Plan, launcher: &Launcher) -> io::Result<Findings> {
    let mut findings = Findings::default();
    let mut rates = Vec::new();
    for kind in STORES {
        for case in &CASES {
            let (mut too_many, mut unused) = (Vec::new(), Vec::new());
            let mut least_rate = f64::INFINITY;
            for _ in 0..plan.long_rounds {
                let store = launcher.data.start(kind)?;
                let shared = Some((store.address, NODES));
                let nodes = (0..NODES)
                    .map(|_| launcher.limiter(CORES, shared))
                    .collect::<io::Result<Vec<_>>>()?;
                let addresses: Vec<_> = nodes.iter().map(|node| node.fronts.resp).collect();
                let load = load(&addresses, case, plan.windows)?;
                let sums = load.ledger.sums();
                let end = load.first_ms + plan.windows * WINDOW_MS;
                let admitted = sums.admitted(load.first_ms, end) as f64;
                let most = (plan.windows * SATURATED_COUNT) as f64;
                too_many.push((case.above)(&sums, load.first_ms, plan.windows) as f64);
                unused.push((1.0 - admitted / most) * 100.0);
                least_rate = least_rate.min(load.requests as f64 * 1000.0 / end as f64);
            }
            let of = format!("{NODES} nodes, {}, {}", case.algorithm, store_name(kind));
            let name = format!("admitted above {SATURATED_COUNT}/s, {of}");
            findings.row(&name, "requests", &[], &too_many, Target::Figure(0.0));
            let name = format!("limit left unused, {of}");
            let is_saturated = least_rate >= SATURATION * SATURATED_COUNT as f64;
            let target = if is_saturated { Target::Figure(3.0) } else { Target::None };
            findings.row(&name, "%", &[], &unused, target);
            rates.push(format!("{least_rate:.0}"));
        }
    }
    findings.notes.push(format!(
        "Accuracy: {} windows of the store's clock, counted by the clients; limiters with {CORES} cores \
         each. Utilisation is what is not left unused. Requests per second in all, in the order of the \
         rows: {}; below {SATURATION} times the limit the unused part has no verdict.",
        plan.windows,
        rates.join(", ")
    ));
    Ok(findings)
}

/// What clients saw; milliseconds count from the beginning of the load.
struct Load {
    ledger: Ledger,
    requests: u64,
    /// When the first window begins.
    first_ms: u64,
}

/// Asks all nodes until so many windows have passed.
fn load(nodes: &[SocketAddr], case: &'static Case, windows: u64) -> io::Result<Load> {
    let start = Instant::now();
    let unix_ms =
        SystemTime::now().duration_since(UNIX_EPOCH).map_err(io::Error::other)?.as_millis() as u64;
    let first_ms = WINDOW_MS - unix_ms % WINDOW_MS + WARM_UP_WINDOWS * WINDOW_MS;
    let time = Time { start, first_ms, end_ms: first_ms + windows * WINDOW_MS };
    let threads: Vec<_> = nodes
        .iter()
        .flat_map(|&node| [node; CONNECTIONS_PER_NODE])
        .map(|node| thread::spawn(move || ask(node, case, time)))
        .collect();
    let mut load = Load { ledger: Ledger::default(), requests: 0, first_ms };
    for thread in threads {
        let result = thread.join().map_err(|_| io::Error::other("a client has panicked"))?;
        let (ledger, requests) = result?;
        load.ledger.merge(&ledger);
        load.requests += requests;
    }
    Ok(load)
}

/// When to ask.
#[derive(Clone, Copy)]
struct Time {
    start: Instant,
    first_ms: u64,
    end_ms: u64,
}

impl Time {
    /// The time at which to send what is due at `due`.
    fn out_of_lull(&self, due: Duration, lull_ms: u64) -> Duration {
        let begin = Duration::from_millis(self.first_ms.saturating_sub(lull_ms));
        let end = Duration::from_millis(self.first_ms + CLOCK_SLACK_MS);
        if lull_ms > 0 && (begin..end).contains(&due) { end } else { due }
    }
}

/// One connection: a batch, its answers, and the next batch when it is time.
fn ask(node: SocketAddr, case: &Case, time: Time) -> io::Result<(Ledger, u64)> {
    let Time { start, end_ms, .. } = time;
    let end = Duration::from_millis(end_ms);
    let mut stream = TcpStream::connect(node)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(ANSWER_TIMEOUT))?;
    let mut batch = Vec::new();
    for _ in 0..BATCH {
        resp::encode(&[b"THROTTLE", case.rule.as_bytes(), b"bench"], &mut batch);
    }
    let (mut ledger, mut requests) = (Ledger::default(), 0);
    let mut due = start.elapsed();
    while due < end {
        thread::sleep(due.saturating_sub(start.elapsed()));
        let sent = start.elapsed();
        stream.write_all(&batch)?;
        let admitted = read_admissions(&mut stream)?;
        ledger.add(sent.as_millis() as u64, start.elapsed().as_millis() as u64, admitted);
        requests += BATCH;
        // What was missed is not made up for: that would be a burst.
        due = time.out_of_lull((due + GAP).max(start.elapsed()), case.lull_ms);
    }
    Ok((ledger, requests))
}

/// Reads a batch's replies; the number of those that admit.
fn read_admissions(stream: &mut TcpStream) -> io::Result<u64> {
    let (mut input, mut chunk) = (Vec::new(), [0; 4096]);
    let (mut at, mut replies, mut admitted) = (0, 0, 0);
    while replies < BATCH {
        let count = stream.read(&mut chunk)?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        input.extend_from_slice(&chunk[..count]);
        while let Some(reply) = find_reply(&input[at..])? {
            if reply.form == resp::Form::Error {
                return Err(io::Error::other(String::from_utf8_lossy(&input[at..]).into_owned()));
            }
            admitted += u64::from(input[at..].starts_with(b"*5\r\n:0\r\n"));
            at += reply.length;
            replies += 1;
        }
    }
    Ok(admitted)
}
