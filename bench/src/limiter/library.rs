//! Job: what one decision costs in process, and one key in memory: one core, no store.
//! In: a [`Plan`]. Out: rows and a note.
//! Invariant: every decision is allowed, and none of the keys may be forgotten meanwhile, so no
//! decision is cheaper than that of a limit in use.

use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use ringlet_limit::config::{limit, plain_rule};
use ringlet_limit::engine::{Engine, EngineSettings};
use ringlet_limit::lease::LeaseSettings;
use ringlet_limit::model::{KeyPart, Rules};
use ringlet_limit::request::{Action, HttpView, Matched, Request, Verdict};
use ringlet_limit::rules::RuleSet;
use ringlet_limit::time::{NS_PER_S, Now};

use super::{Plan, cpu_us};
use crate::compare::Target;
use crate::process;
use crate::report::Findings;
use crate::report::targets::{LIMITER_HOT_KEY, Wanted};

/// Many keys.
const KEYS: u64 = 1_000_000;
/// Places of the table: two of three are taken.
const PLACES: usize = 1_500_000;
/// Virtual time from one decision to the next.
const GAP_NS: u64 = 100;

/// One kind of decision.
struct Case {
    name: &'static str,
    keys: u64,
    /// GCRA: tokens and their period in seconds.
    limit: (u64, u64),
    /// Whether each request is matched with the rules, or its key's hash is known.
    is_matched: bool,
    wanted: Wanted,
}

/// Ten million decisions in a second, all allowed.
const HOT: (u64, u64) = (100_000_000, 1);
/// A key is in use for seconds after each decision, and has enough for all.
const MANY: (u64, u64) = (1000, 36_000);

/// A decision on a key whose hash is known. Matching is the work of whoever asks, and only told.
const HOT_WANTED: Wanted = LIMITER_HOT_KEY.must();
const MANY_WANTED: Wanted = Wanted { target: Target::Figure(250.0), goal: None };
const TOLD: Wanted = Wanted { target: Target::None, goal: None };

const CASES: [Case; 4] = [
    Case { name: "a hot key", keys: 1, limit: HOT, is_matched: false, wanted: HOT_WANTED },
    Case { name: "a hot key, matching by IP", keys: 1, limit: HOT, is_matched: true, wanted: TOLD },
    Case {
        name: "a million keys",
        keys: KEYS,
        limit: MANY,
        is_matched: false,
        wanted: MANY_WANTED,
    },
    Case {
        name: "a million keys, matching by IP",
        keys: KEYS,
        limit: MANY,
        is_matched: true,
        wanted: TOLD,
    },
];

/// Measures all kinds, and the memory of the many keys.
///
/// # Errors
/// A decision that is none, figures of the process that cannot be read.
pub fn run(plan: &Plan) -> io::Result<Findings> {
    let mut figures: [Vec<f64>; CASES.len()] = Default::default();
    let mut memory = Vec::new();
    let mut evicted = 0;
    for _ in 0..plan.rounds {
        for (case, figures) in CASES.iter().zip(&mut figures) {
            let rules = rules(case.limit)?;
            let hashes = hashes(&rules, case.keys)?;
            let before = process::resident_bytes(std::process::id())?;
            let mut bed = Bed::new(rules);
            bed.decide(case, &hashes, case.keys)?;
            let grown = process::resident_bytes(std::process::id())?.saturating_sub(before);
            if case.keys == KEYS && !case.is_matched {
                let table = bed.engine.counters().table;
                memory.push(grown as f64 / table.keys as f64);
                evicted = table.evicted;
            }
            let ns = 1000.0
                * cpu_us(std::process::id(), || {
                    bed.decide(case, &hashes, plan.library_decisions)?;
                    Ok(plan.library_decisions as f64)
                })?;
            figures.push(ns);
        }
    }
    let mut findings = Findings::default();
    for (case, figures) in CASES.iter().zip(&figures) {
        let name = format!("library: one decision, {}", case.name);
        findings.row(&name, "ns", &[], figures, case.wanted);
    }
    let name = format!("library: resident memory per key, {KEYS} keys");
    findings.row(&name, "bytes", &[], &memory, Target::Figure(64.0));
    findings.notes.push(format!(
        "Library: GCRA on one core without a store, CPU time, the clock not read. Many keys are asked \
         for in turn, which no cache can foresee; their table has {PLACES} places and forgot {evicted} \
         keys in use. Unless matching is named, a key is known by its hash."
    ));
    Ok(findings)
}

/// What decides, with what it needs.
struct Bed {
    rules: Arc<RuleSet>,
    engine: Engine,
    matched: Matched,
    verdict: Verdict,
    now: Now,
}

impl Bed {
    fn new(rules: Arc<RuleSet>) -> Self {
        let (leases_max, lease) = (0, LeaseSettings::default());
        let settings = EngineSettings {
            core: 0,
            cores: 1,
            keys_max: PLACES,
            leases_max,
            has_store: false,
            lease,
        };
        let engine = Engine::new(settings, rules.clone());
        let now = Now { monotonic_ns: NS_PER_S, unix_ms: 1_700_000_000_000 };
        Self { rules, engine, matched: Matched::default(), verdict: Verdict::default(), now }
    }

    /// Decides so often, on one key after the other.
    fn decide(&mut self, case: &Case, hashes: &[u64], decisions: u64) -> io::Result<()> {
        let mut allowed = 0;
        match_client(&self.rules, 0, &mut self.matched)?;
        for number in (0..case.keys).cycle().take(decisions as usize) {
            if case.is_matched {
                match_client(&self.rules, number, &mut self.matched)?;
            } else {
                self.matched.items[0].hash = hashes[number as usize];
            }
            self.now = self.now.after_ns(GAP_NS);
            let Self { engine, matched, verdict, now, .. } = self;
            let is_decided = engine.check(matched, Action::Take, number, *now, verdict);
            allowed += u64::from(is_decided && verdict.is_allowed);
        }
        if allowed == decisions {
            return Ok(());
        }
        Err(io::Error::other(format!("{}: {allowed} of {decisions} were allowed", case.name)))
    }
}

/// One rule by address.
fn rules((count, period_s): (u64, u64)) -> io::Result<Arc<RuleSet>> {
    let limit = limit("gcra", count, period_s * NS_PER_S).map_err(io::Error::other)?;
    let mut rule = plain_rule("bench".to_owned(), Some(limit));
    rule.key = vec![KeyPart::ClientIp(32, 64)];
    let rules = Rules { rules: vec![Arc::new(rule)], ..Rules::default() };
    RuleSet::compile(&rules, None, 17).map(Arc::new).map_err(io::Error::other)
}

/// The hashes of the first clients' keys.
fn hashes(rules: &RuleSet, keys: u64) -> io::Result<Vec<u64>> {
    let mut matched = Matched::default();
    let hash = |number| {
        match_client(rules, number, &mut matched)?;
        Ok(matched.items[0].hash)
    };
    (0..keys).map(hash).collect()
}

/// Matches a request of the client with that number: it has one limit.
fn match_client(rules: &RuleSet, number: u64, matched: &mut Matched) -> io::Result<()> {
    let client = Client(Ipv4Addr::from_bits(0x0a00_0000 + number as u32).into());
    let request = Request { http: Some(&client), ..Request::default() };
    rules.matches(&request, matched).map_err(io::Error::other)?;
    if matched.items.len() == 1 { Ok(()) } else { Err(io::Error::other("not one limit")) }
}

/// An HTTP request of a client.
struct Client(IpAddr);

impl HttpView for Client {
    fn method(&self) -> &[u8] {
        b"GET"
    }

    fn path(&self) -> &[u8] {
        b"/items/17"
    }

    fn host(&self) -> &[u8] {
        b"bench"
    }

    fn header(&self, _: &str) -> Option<&[u8]> {
        None
    }

    fn client(&self) -> Option<IpAddr> {
        Some(self.0)
    }
}
