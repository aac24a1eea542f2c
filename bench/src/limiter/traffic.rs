//! Job: what a store is asked for one hot key while the load on it grows a hundredfold, open loop.
//! In: a [`Plan`]. Out: rows and notes.
//! Invariant: the store's own counts are told (`INFO commandstats`), with the commands that a script
//! carries out, without the asking for them.

use std::collections::BTreeMap;
use std::io;

use super::launch::{Launcher, Limiter};
use super::settings::{AMPLE, BUCKET};
use super::{Plan, STORES, store_name};
use crate::compare::{Target, at_turn};
use crate::data_server::Server;
use crate::generator::outcome::Outcome;
use crate::report::Findings;
use crate::shell;

/// Requests per second of the smallest load.
const RATE: u64 = 2000;
const CONNECTIONS: usize = 20;
/// How much more is asked for by the last load may cost the store so much more.
const FLAT: f64 = 1.5;

/// How often the smallest.
const LOADS: [u64; 3] = [1, 10, 100];

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
        findings.commands.push(store.command());
        for (rule, what) in RULES {
            let mut figures: [Vec<f64>; LOADS.len()] = Default::default();
            let mut told: [String; LOADS.len()] = Default::default();
            let mut is_taken = [true; LOADS.len()];
            for round in 0..plan.long_rounds {
                for index in at_turn(round, LOADS.len()) {
                    // The leases of another load are gone by then.
                    offer(launcher, &limiter, rule, LOADS[index], 1)?;
                    let before = counts(&store)?;
                    let offered = offer(launcher, &limiter, rule, LOADS[index], plan.seconds)?;
                    let mut grown = counts(&store)?;
                    for (name, count) in &mut grown {
                        *count -= before.get(name).copied().unwrap_or_default();
                        *count /= offered.elapsed_s;
                    }
                    figures[index].push(grown.values().sum());
                    let decided = (offered.total.requests - offered.total.refused) as f64;
                    let rate = decided / offered.elapsed_s;
                    told[index] = tell(rate, &grown);
                    is_taken[index] &= rate >= TAKEN * (RATE * LOADS[index]) as f64;
                    if round == 0 {
                        findings.commands.push(offered.command);
                    }
                }
            }
            let store = store_name(kind);
            for (own, times) in LOADS.iter().enumerate().skip(1) {
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

/// Asks for one key. A limiter that does not keep up refuses some checks (TRYAGAIN), which have not been
/// decided then.
fn offer(
    launcher: &Launcher,
    limiter: &Limiter,
    rule: &str,
    times: u64,
    seconds: u64,
) -> io::Result<Outcome> {
    let options = format!(
        "redis://{} --command 'THROTTLE {rule} hot' --rate {} --gaps equal --connections {CONNECTIONS} \
         --time {seconds}s --warm-up 0",
        limiter.fronts.resp,
        RATE * times
    );
    let options = shell::words(&options).map_err(io::Error::other)?;
    let outcome = launcher.loader.observe(&[], &options)?;
    if outcome.total.refused * 2 > outcome.total.requests || outcome.unanswered > 0 {
        let Outcome { command, errors, unanswered, .. } = outcome;
        let text = format!("{command}: errors: {errors:?}, {unanswered} without answer");
        return Err(io::Error::other(text));
    }
    Ok(outcome)
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

fn tell(decisions_per_s: f64, counts: &Counts) -> String {
    let counts: Vec<String> = counts
        .iter()
        .filter(|(_, count)| **count > 0.0)
        .map(|(name, count)| format!("{name} {count:.1}"))
        .collect();
    format!("{decisions_per_s:.0} decisions/s: {}", counts.join(", "))
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
}
