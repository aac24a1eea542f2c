//! Job: the longest gap that a client sees while others insert or while keys expire.
//! In: a [`Plan`]. Out: rows and notes.
//! Invariant: nothing is subtracted from what the probe saw; the noise of the machine stands beside
//! it instead.

use std::io;
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::scenario::{ONE_SHARD, Plan, SETTLE, TWO_SHARDS, shards};
use super::traffic::{FILL_CONNECTIONS, fill_many, probe, set_sixteen};
use crate::compare::Target;
use crate::data_server::{Kind, Launcher, Server};
use crate::generator::resp;
use crate::load::{self, Fill, Outcome};
use crate::process;
use crate::redis_benchmark::key_name;
use crate::report::Findings;
use crate::report::targets::{SERVER_PAUSE, Wanted};

const MILLISECOND_NS: f64 = 1e6;
/// How long active expiry is watched after the first key has expired.
const EXPIRY_WATCH: Duration = Duration::from_secs(3);

/// What happens while another client is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disturbance {
    /// Keys are inserted as fast as the server takes them.
    Insert,
    /// Keys expire, all within one second.
    Expire,
}

/// The servers in the order of the figures: the peer, then Ringlet.
const KINDS: [Kind; 3] = [Kind::Redis, ONE_SHARD, TWO_SHARDS];

/// What was measured, in milliseconds, for each of [`KINDS`].
#[derive(Default)]
struct Figures {
    longest: [Vec<f64>; 3],
    high: [Vec<f64>; 3],
    at_rest: [Vec<f64>; 3],
    /// Longest passes by the server's own count.
    passes: [Vec<f64>; 3],
    /// Longest turns of the generator's loop.
    own_pauses: Vec<f64>,
    /// Time for which the server was ready to run but had no CPU.
    waits: Vec<f64>,
}

/// The longest gap that a client sees which asks a little all the time.
///
/// # Errors
/// A server that cannot be started or breaks off.
pub fn run(plan: &Plan, launcher: &Launcher, disturbance: Disturbance) -> io::Result<Findings> {
    let mut figures = Figures::default();
    let mut findings = Findings::default();
    for round in 0..plan.long_rounds {
        for turn in 0..KINDS.len() {
            let index = (round + turn) % KINDS.len();
            let server = launcher.start(KINDS[index])?;
            figures.at_rest[index].push(longest_ms(&probe(&server, SETTLE)?));
            if disturbance == Disturbance::Expire {
                let first_ms = fill_expiring(&server, plan.expire_keys)?;
                let rest_ms = first_ms.saturating_sub(unix_time_ms()?);
                thread::sleep(Duration::from_millis(rest_ms));
            }
            server.ask(&[b"CONFIG", b"RESETSTAT"])?;
            let waited = process::waited_for_cpu(server.pid())?;
            let outcome = match disturbance {
                Disturbance::Insert => {
                    fill_many(&server, plan.insert_keys, &mut set_sixteen, Some(Duration::ZERO))?
                }
                Disturbance::Expire => probe(&server, EXPIRY_WATCH)?,
            };
            let waited = process::waited_for_cpu(server.pid())?.saturating_sub(waited);
            figures.waits.push(waited.as_secs_f64() * 1e3);
            figures.own_pauses.push(outcome.own_pause_max_ns as f64 / MILLISECOND_NS);
            figures.longest[index].push(longest_ms(&outcome));
            figures.high[index]
                .push(outcome.latency.value_at_quantile(0.999) as f64 / MILLISECOND_NS);
            if let Some(field) = plan.pause_field.as_ref().filter(|_| index > 0) {
                let microseconds = server.info_figure(field)?;
                figures.passes[index].extend(microseconds.map(|figure| figure / 1e3));
            }
            if disturbance == Disturbance::Expire {
                findings.notes.push(format!(
                    "Expiry, round {}: {} s after the first key expired {} still held {} keys.",
                    round + 1,
                    EXPIRY_WATCH.as_secs(),
                    ["Redis", "Ringlet (1 shard)", "Ringlet (2 shards)"][index],
                    server.key_count()?
                ));
            }
        }
    }
    report(plan, disturbance, &figures, &mut findings);
    Ok(findings)
}

fn longest_ms(outcome: &Outcome) -> f64 {
    outcome.latency.max() as f64 / MILLISECOND_NS
}

fn report(plan: &Plan, disturbance: Disturbance, figures: &Figures, findings: &mut Findings) {
    let (what, count, longest) = match disturbance {
        Disturbance::Insert => ("are inserted", plan.insert_keys, SERVER_PAUSE.must()),
        Disturbance::Expire => ("expire in 1 s", plan.expire_keys, Target::Figure(2.0).into()),
    };
    for own in 1..KINDS.len() {
        let shards = shards(own);
        let mut row = |name: String, figures: &[Vec<f64>; 3], wanted: Wanted| {
            findings.row(&name, "ms", &figures[0], &figures[own], wanted);
        };
        let during = |part: &str| format!("{part} while {count} keys {what}, {shards}");
        row(during("longest gap"), &figures.longest, longest);
        let own_count = "longest loop pass by the server's own count";
        row(during(own_count), &figures.passes, Target::Figure(2.0).into());
        row(during("p99.9 gap"), &figures.high, Target::None.into());
        let at_rest = format!("longest gap of the same probe in 1 s at rest, {shards}");
        row(at_rest, &figures.at_rest, Target::None.into());
    }
    let worst = |figures: &[f64]| figures.iter().copied().fold(0.0, f64::max);
    findings.notes.push(format!(
        "Gap while {count} keys {what}: a probe on a connection of its own sends GET every 0.2 ms \
         and counts from the intended time; the filling runs in the same thread in chunks of 16 \
         requests, so the probe waits for no other thread. Nothing is subtracted. In the worst \
         round the generator's own loop stood still for {:.1} ms, and the server was ready to run \
         but had no CPU for {:.1} ms in all: other processes of the machine show here, also in the \
         server's own count, which goes by the wall clock.",
        worst(&figures.own_pauses),
        worst(&figures.waits)
    ));
}

/// Sets `count` keys that all expire within one second, which has not begun yet; the Unix time in
/// milliseconds at which it begins.
fn fill_expiring(server: &Server, count: u64) -> io::Result<u64> {
    let mut lead_ms = 4000;
    loop {
        let first_ms = unix_time_ms()? + lead_ms;
        let mut encode = |number: u64, output: &mut Vec<u8>| {
            let at = (first_ms + number * 1000 / count).to_string();
            let key = key_name(number);
            resp::encode(
                &[b"SET", key.as_bytes(), b"sixteen-bytes-va", b"PXAT", at.as_bytes()],
                output,
            );
        };
        let fill = Fill { connections: FILL_CONNECTIONS, count, encode: &mut encode };
        let filled = load::run(server.destination(), Duration::ZERO, None, Some(fill))?;
        filled.refuse_errors()?;
        if unix_time_ms()? < first_ms {
            return Ok(first_ms);
        }
        // The filling took longer than the lead: once more with enough of it.
        lead_ms += (filled.elapsed.as_millis() as u64) * 2;
        server.ask(&[b"FLUSHALL"])?;
    }
}

fn unix_time_ms() -> io::Result<u64> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).map_err(io::Error::other)?;
    Ok(since.as_millis() as u64)
}
