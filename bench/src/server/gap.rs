//! Job: the longest gap that a client sees while others insert or while keys expire.
//! In: a [`Bench`]. Out: rows and notes.
//! Invariant: nothing is subtracted from what the probe saw; the noise of the machine stands beside
//! it instead.

use std::io;
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::scenario::{Bench, KINDS, Plan, SETTLE, SYSTEMS, shards};
use super::traffic::{fill_expiring, fill_probed, probe};
use crate::compare::{Target, at_turn};
use crate::data_server::Server;
use crate::generator::outcome::{Latencies, Outcome};
use crate::process;
use crate::report::Findings;
use crate::report::targets::{SERVER_PAUSE, Wanted};

/// How long active expiry is watched after the first keys have expired.
const EXPIRY_WATCH: Duration = Duration::from_secs(3);
/// How long before it the probe begins.
const BEFORE: Duration = Duration::from_millis(500);
/// Keys expire in so many groups, one every 100 ms.
const GROUPS: u64 = 10;
const GROUP_MS: u64 = 1000 / GROUPS;
/// What filling may take at first until the first keys expire.
const LEAD_MS: u64 = 5000;

/// What happens while another client is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disturbance {
    /// Keys are inserted as fast as the server takes them.
    Insert,
    /// Keys expire, all within one second.
    Expire,
}

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
pub fn run(bench: &Bench, disturbance: Disturbance) -> io::Result<Findings> {
    let (plan, loader) = (&bench.plan, &bench.loader);
    let mut figures = Figures::default();
    let mut findings = Findings::default();
    for round in 0..plan.long_rounds {
        for index in at_turn(round, plan.gap_kinds) {
            let server = bench.launcher.start(KINDS[index])?;
            let at_rest = probe(loader, &server, SETTLE)?;
            figures.at_rest[index].push(longest_ms(&at_rest.total.latency));
            if disturbance == Disturbance::Expire {
                let first_ms = fill_all_expiring(bench, &server)?;
                let begin_ms = first_ms - BEFORE.as_millis() as u64;
                thread::sleep(Duration::from_millis(begin_ms.saturating_sub(unix_time_ms()?)));
            }
            server.ask(&[b"CONFIG", b"RESETSTAT"])?;
            let waited = process::waited_for_cpu(server.pid())?;
            let outcome = match disturbance {
                Disturbance::Insert => fill_probed(loader, &server, plan.insert_keys)?,
                Disturbance::Expire => probe(loader, &server, BEFORE + EXPIRY_WATCH)?,
            };
            let waited = process::waited_for_cpu(server.pid())?.saturating_sub(waited);
            figures.waits.push(waited.as_secs_f64() * 1e3);
            figures.own_pauses.push(outcome.own_pause_max_us / 1e3);
            let seen = &probed(&outcome)?;
            figures.longest[index].push(longest_ms(seen));
            figures.high[index].push(seen.quantile_us(0.999) / 1e3);
            if let Some(field) = plan.pause_field.as_ref().filter(|_| index > 0) {
                let microseconds = server.info_figure(field)?;
                figures.passes[index].extend(microseconds.map(|figure| figure / 1e3));
            }
            if disturbance == Disturbance::Expire {
                findings.notes.push(format!(
                    "Expiry, round {}: {} s after the first key expired {} still held {} keys.",
                    round + 1,
                    EXPIRY_WATCH.as_secs(),
                    SYSTEMS[index],
                    server.key_count()?
                ));
            }
            if round == 0 {
                findings.commands.extend([server.command(), at_rest.command, outcome.command]);
            }
        }
    }
    report(plan, disturbance, &figures, &mut findings);
    Ok(findings)
}

/// What the probe saw: it is beside the load, or is the load.
fn probed(outcome: &Outcome) -> io::Result<&Latencies> {
    let seen = outcome.probe.as_ref().unwrap_or(&outcome.total);
    if seen.requests == 0 {
        return Err(io::Error::other(format!("{}: the probe saw nothing", outcome.command)));
    }
    Ok(&seen.latency)
}

fn longest_ms(latencies: &Latencies) -> f64 {
    latencies.max_us() / 1e3
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
    let how = match disturbance {
        Disturbance::Insert => {
            "the filling runs in the same thread, 64 requests at once on each of 4 connections, so the \
             probe waits for no other thread"
                .to_owned()
        }
        Disturbance::Expire => format!("a group of {} keys expires every {GROUP_MS} ms", count / GROUPS),
    };
    let worst = |figures: &[f64]| figures.iter().copied().fold(0.0, f64::max);
    findings.notes.push(format!(
        "Gap while {count} keys {what}: a probe on a connection of its own sends GET every 0.2 ms \
         and counts from the intended time; {how}. Nothing is subtracted. In the worst \
         round the generator's own loop stood still for {:.1} ms, and the server was ready to run \
         but had no CPU for {:.1} ms in all: other processes of the machine show here, also in the \
         server's own count, which goes by the wall clock.",
        worst(&figures.own_pauses),
        worst(&figures.waits)
    ));
}

/// Sets keys that all expire within one second, which has not begun yet; the Unix time in milliseconds
/// at which it begins.
fn fill_all_expiring(bench: &Bench, server: &Server) -> io::Result<u64> {
    let of_group = bench.plan.expire_keys / GROUPS;
    let mut lead_ms = LEAD_MS;
    loop {
        let start_ms = unix_time_ms()?;
        let first_ms = start_ms + lead_ms;
        for group in 0..GROUPS {
            let at_ms = first_ms + group * GROUP_MS;
            fill_expiring(&bench.loader, server, of_group, group, at_ms)?;
        }
        let taken_ms = unix_time_ms()? - start_ms;
        if taken_ms + (BEFORE.as_millis() as u64) < lead_ms {
            return match server.key_count()? {
                held if held == of_group * GROUPS => Ok(first_ms),
                held => Err(io::Error::other(format!("{held} keys that expire are there"))),
            };
        }
        // The filling took longer than the lead: once more with enough of it.
        lead_ms = lead_ms.max(taken_ms) * 2;
        server.ask(&[b"FLUSHALL"])?;
    }
}

fn unix_time_ms() -> io::Result<u64> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).map_err(io::Error::other)?;
    Ok(since.as_millis() as u64)
}
