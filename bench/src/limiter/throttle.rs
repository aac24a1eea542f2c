//! Job: CPU time per decision by RESP beside a script in redis-server, closed loop with pipelining.
//! In: a [`Plan`]. Out: rows and notes.
//! Invariant: all ways have the same limits, keys and connections, and take turns within each round;
//! each has allowed a request before it is measured.

use std::io;
use std::net::SocketAddr;

use super::launch::Launcher;
use super::settings::{THROTTLE, THROTTLE_COUNT};
use super::{CONNECTIONS, Plan, cpu_us};
use crate::compare::{Spread, at_turn};
use crate::data_server::{self, Kind};
use crate::redis_benchmark::{Closed, key_name};
use crate::report::Findings;
use crate::report::plot::beside;
use crate::report::targets::LIMITER_RESP;

/// What applications have where there is no limiter.
const SCRIPT: &str = include_str!("gcra.lua");
const PIPELINE: usize = 16;
/// Different keys: each is asked for about once in a second, and never refused.
const KEYS: u64 = 100_000;
/// What stands for a key.
const KEY: &str = "key:__rand_int__";

/// One way to ask, to whom, and whose process counts.
struct Way {
    name: &'static str,
    words: Vec<String>,
    address: SocketAddr,
    pid: u32,
    figures: Vec<f64>,
    /// Thousands of decisions per second.
    rates: Vec<f64>,
}

/// Measures all ways.
///
/// # Errors
/// A process that cannot be started or breaks off, a way that does not allow what it should.
pub fn run(plan: &Plan, launcher: &Launcher) -> io::Result<Findings> {
    let redis = launcher.data.start(Kind::Redis)?;
    let limiter = launcher.limiter(1, None)?;
    let loaded = redis.ask(&[b"SCRIPT", b"LOAD", SCRIPT.as_bytes()])?;
    let digest = loaded.lines().nth(1).unwrap_or_default();
    let count = THROTTLE_COUNT.to_string();
    let most = (THROTTLE_COUNT - 1).to_string();
    let way = |name, words: &[&str], (address, pid)| Way {
        name,
        words: words.iter().map(|&word| word.to_owned()).collect(),
        address,
        pid,
        figures: Vec::new(),
        rates: Vec::new(),
    };
    let to_redis = (redis.address, redis.pid());
    let to_limiter = (limiter.fronts.resp, limiter.pid());
    let mut ways = [
        way("EVALSHA", &["EVALSHA", digest, "1", KEY, &count, &count, "1", "1"], to_redis),
        way("CL.THROTTLE", &["CL.THROTTLE", KEY, &most, &count, "1"], to_limiter),
        way("THROTTLE by a rule", &["THROTTLE", THROTTLE, KEY], to_limiter),
    ];
    for way in &ways {
        way.must_allow()?;
        way.load(plan.decisions / 10)?;
    }
    for round in 0..plan.rounds {
        for index in at_turn(round, ways.len()) {
            let way = &mut ways[index];
            let mut rate = 0.0;
            let figure = cpu_us(way.pid, || {
                rate = way.load(plan.decisions)?;
                Ok(plan.decisions as f64)
            })?;
            way.figures.push(figure);
            way.rates.push(rate / 1000.0);
        }
    }
    let mut findings = report(&ways);
    findings.commands = vec![redis.command(), limiter.command()];
    findings
        .commands
        .extend(ways.iter().map(|way| way.closed(plan.decisions, |it| it.line(way.address))));
    Ok(findings)
}

impl Way {
    /// Refuses a way that says anything but that a request is allowed.
    fn must_allow(&self) -> io::Result<()> {
        let key = key_name(0);
        let words: Vec<&[u8]> = self
            .words
            .iter()
            .map(|word| if word == KEY { key.as_bytes() } else { word.as_bytes() })
            .collect();
        let reply = data_server::ask(self.address, &words)?;
        if reply.starts_with(&format!("*5\r\n:0\r\n:{THROTTLE_COUNT}\r\n")) {
            return Ok(());
        }
        Err(io::Error::other(format!("{}: {reply}", self.name)))
    }

    fn load(&self, requests: u64) -> io::Result<f64> {
        self.closed(requests, |closed| closed.run(self.address))
    }

    /// What redis-benchmark shall do, for whoever wants it.
    fn closed<T>(&self, requests: u64, with: impl FnOnce(&Closed<'_>) -> T) -> T {
        let asked: Vec<&str> = self.words.iter().map(String::as_str).collect();
        with(&Closed {
            asked: &asked,
            clients: CONNECTIONS,
            pipeline: PIPELINE,
            requests,
            value_bytes: 3,
            keys: KEYS,
        })
    }
}

fn report(ways: &[Way]) -> Findings {
    let mut findings = Findings::default();
    for own in &ways[1..] {
        let name = format!(
            "CPU per decision, RESP, {CONNECTIONS} clients, pipeline {PIPELINE}: {}",
            own.name
        );
        findings.row(&name, "us", &ways[0].figures, &own.figures, LIMITER_RESP.must());
    }
    findings.plots.push(beside("CPU per decision over RESP", &findings.rows));
    let rates: Vec<String> = ways
        .iter()
        .filter_map(|way| Some(format!("{} {:.0}", way.name, Spread::of(&way.rates)?.median)))
        .collect();
    findings.notes.push(format!(
        "RESP: GCRA of {THROTTLE_COUNT} per second on {KEYS} keys; the peer is a Lua script in \
         redis-server by EVALSHA. Thousands of decisions per second as redis-benchmark saw them: {}.",
        rates.join("; ")
    ));
    findings
}
