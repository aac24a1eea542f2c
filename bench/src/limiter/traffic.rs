//! Job: what a store is asked for one hot key while the load on it grows a hundredfold, open loop.
//! In: a [`Plan`]. Out: rows and notes.
//! Invariant: the store's own counts are told (`INFO commandstats`), with the commands that a script
//! carries out, without the asking for them.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use super::launch::{Launcher, Limiter};
use super::settings::{AMPLE, BUCKET};
use super::{Plan, STORES, store_name};
use crate::compare::{Target, at_turn};
use crate::data_server::{Server, skip_reply};
use crate::generator::resp;
use crate::load::{self, Destination, Offer, Reply, Skip};
use crate::report::Findings;

/// Batches of requests per second, whatever their size.
const BATCHES_PER_S: f64 = 2000.0;
const CONNECTIONS: usize = 20;
/// How much more is asked for by the last load may cost the store so much more.
const FLAT: f64 = 1.5;

/// Requests in a batch, and how its replies are found.
const LOADS: [(u64, Skip); 3] =
    [(1, skip_batch::<1>), (10, skip_batch::<10>), (100, skip_batch::<100>)];

/// The part of a load that must have been taken in its time for its row to have a verdict.
const TAKEN: f64 = 0.95;

/// Limits that are never reached, and long before the greatest load.
const RULES: [(&str, &str); 2] = [(AMPLE, "all allowed"), (BUCKET, "limit 1000/s")];

/// Commands of the store per second, by name.
type Counts = BTreeMap<String, f64>;

/// Measures all loads with each store.
///
/// # Errors
/// A process that cannot be started or breaks off.
pub fn run(plan: &Plan, launcher: &Launcher) -> io::Result<Findings> {
    let mut findings = Findings::default();
    for kind in STORES {
        let store = launcher.data.start(kind)?;
        let limiter = launcher.limiter(1, Some((store.address, 1)))?;
        for (rule, what) in RULES {
            let mut figures: [Vec<f64>; LOADS.len()] = Default::default();
            let mut told: [String; LOADS.len()] = Default::default();
            let mut is_taken = [true; LOADS.len()];
            for round in 0..plan.long_rounds {
                for index in at_turn(round, LOADS.len()) {
                    // The leases of another load are gone by then.
                    offer(&limiter, rule, LOADS[index], Duration::from_secs(1))?;
                    let before = counts(&store)?;
                    let time = Duration::from_secs(plan.seconds);
                    let offered = offer(&limiter, rule, LOADS[index], time)?;
                    let mut grown = counts(&store)?;
                    for (name, count) in &mut grown {
                        *count -= before.get(name).copied().unwrap_or_default();
                        *count /= offered.elapsed_s;
                    }
                    figures[index].push(grown.values().sum());
                    let rate = offered.requests / offered.elapsed_s;
                    told[index] = tell(rate, &grown);
                    is_taken[index] &= rate >= TAKEN * BATCHES_PER_S * LOADS[index].0 as f64;
                }
            }
            let store = store_name(kind);
            for (own, (times, _)) in LOADS.iter().enumerate().skip(1) {
                let name = format!("store commands at {times}x the load on a key, {what}, {store}");
                let target = if is_taken[own] { Target::Ratio(FLAT) } else { Target::None };
                findings.row(&name, "per second", &figures[0], &figures[own], target);
            }
            findings.notes.push(format!(
                "Commands of {store} per second at 1x (the peer in the table), 10x and 100x, {what}, in \
                 the last round, with those inside scripts: {}.",
                told.join("; ")
            ));
            if is_taken.contains(&false) {
                findings.notes.push(format!(
                    "{store}, {what}: the limiter was too slow for a load, whose row has no verdict."
                ));
            }
        }
    }
    Ok(findings)
}

/// What has been offered.
struct Offered {
    requests: f64,
    elapsed_s: f64,
}

/// Asks for one key.
fn offer(
    limiter: &Limiter,
    rule: &str,
    (batch, skip): (u64, Skip),
    time: Duration,
) -> io::Result<Offered> {
    let mut batches = 0;
    let mut encode = |_, output: &mut Vec<u8>| {
        batches += 1;
        for _ in 0..batch {
            resp::encode(&[b"THROTTLE", rule.as_bytes(), b"hot"], output);
        }
    };
    let offer = Offer {
        rate: BATCHES_PER_S,
        connections: CONNECTIONS,
        random_gaps: false,
        encode: &mut encode,
    };
    let to = Destination { address: limiter.fronts.resp, skip, shares_cpu: false };
    let outcome = load::run(to, time, Some(offer), None)?;
    outcome.refuse_errors()?;
    Ok(Offered { requests: (batches * batch) as f64, elapsed_s: outcome.elapsed.as_secs_f64() })
}

/// All replies to a batch of so many requests as one.
fn skip_batch<const REQUESTS: usize>(input: &[u8]) -> io::Result<Option<Reply>> {
    let mut all = Reply { length: 0, error: false };
    for _ in 0..REQUESTS {
        let Some(reply) = skip_reply(&input[all.length..])? else { return Ok(None) };
        all.length += reply.length;
        all.error |= reply.error;
    }
    Ok(Some(all))
}

/// What the store has been asked since it began.
fn counts(store: &Server) -> io::Result<Counts> {
    Ok(counts_in(&store.ask(&[b"INFO", b"commandstats"])?))
}

/// Reads lines like `cmdstat_get:calls=7,usec=...`.
fn counts_in(info: &str) -> Counts {
    let count = |line: &str| {
        let (name, rest) = line.strip_prefix("cmdstat_")?.split_once(":calls=")?;
        let calls = rest.split(',').next()?.parse().ok()?;
        (name != "info").then(|| (name.to_owned(), calls))
    };
    info.lines().filter_map(count).collect()
}

fn tell(requests_per_s: f64, counts: &Counts) -> String {
    let counts: Vec<String> = counts
        .iter()
        .filter(|(_, count)| **count > 0.0)
        .map(|(name, count)| format!("{name} {count:.1}"))
        .collect();
    format!("{requests_per_s:.0} requests/s: {}", counts.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_counted_but_for_the_question() {
        let info = "# Commandstats\r\ncmdstat_evalsha:calls=7,usec=9,usec_per_call=1.3\r\n\
                    cmdstat_info:calls=3,usec=1\r\ncmdstat_client|setname:calls=1,usec=2\r\n";
        let expected = [("client|setname".to_owned(), 1.0), ("evalsha".to_owned(), 7.0)];
        assert_eq!(counts_in(info), Counts::from(expected));
    }

    #[test]
    fn a_batch_is_complete_with_its_last_reply() {
        let replies = b":1\r\n-E\r\n:3\r\n";
        let both = Reply { length: 8, error: true };
        assert_eq!(skip_batch::<2>(replies).expect("RESP"), Some(both));
        assert_eq!(skip_batch::<3>(&replies[..11]).expect("RESP"), None);
    }
}
