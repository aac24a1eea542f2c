//! Whether what happened is right.
//!
//! Job: keep the ledgers and the checks that wait for a verdict. In: questions, verdicts, calls carried
//! out. Out: the first thing that is wrong. Invariant: it knows the true time and the store, and nothing
//! of the engines.

use std::collections::BTreeMap;

use ringlet_limit::request::{Action, Verdict};

use crate::ledger::{BASE_MS, Ledger};
use crate::node::{RULE_NAMES, numbers_after};
use crate::scenario::{Change, Kind, RuleNumbers, Scenario};
use crate::store::{Store, Value};

const NS_PER_MS: u64 = 1_000_000;

/// A counter may outlive its window for so long.
const KEY_GRACE_MS: u64 = 4000;

/// One limit that a check is held against.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Part {
    pub rule: usize,
    pub key: u64,
    pub cost: u64,
}

/// A check without verdict.
#[derive(Clone, Debug)]
pub struct Open {
    pub node: usize,
    pub core: usize,
    pub action: Action,
    pub parts: Vec<Part>,
    pub asked_ns: u64,
}

#[derive(Debug, Default)]
pub struct Judge {
    ledgers: BTreeMap<(usize, u64), Ledger>,
    open: BTreeMap<u64, Open>,
    /// Takes of the first rule, when they came.
    demand_ns: Vec<u64>,
    /// When cores of which node took other rules up.
    reloads_ns: Vec<(usize, u64)>,
    pub checks: u64,
    pub allowed: u64,
}

impl Judge {
    /// A check is held against its limits.
    pub fn ask(&mut self, ticket: u64, open: Open) {
        self.checks += 1;
        if open.action == Action::Take && open.parts.iter().any(|part| part.rule == 0) {
            self.demand_ns.push(open.asked_ns);
        }
        self.open.insert(ticket, open);
    }

    /// A verdict comes. Returns the check.
    pub fn verdict(
        &mut self,
        scenario: &Scenario,
        ticket: u64,
        verdict: &Verdict,
        at_ns: u64,
    ) -> Result<Open, String> {
        let Some(open) = self.open.remove(&ticket) else {
            return Err(format!("a second verdict for check {ticket}"));
        };
        if verdict.parts.len() != open.parts.len() {
            return Err(format!("{} parts answered of {}", verdict.parts.len(), open.parts.len()));
        }
        let refused = verdict.parts.iter().any(|part| !part.outcome.is_allowed);
        if open.action == Action::Take && verdict.is_allowed == refused {
            return Err(format!("check {ticket}: verdict and parts do not agree: {verdict:?}"));
        }
        if open.action == Action::Take && !verdict.is_allowed {
            for (part, said) in open.parts.iter().zip(&verdict.parts) {
                if said.outcome.is_allowed {
                    let ledger = self.ledger(scenario, part.rule, part.key);
                    ledger.undone(part.cost, open.asked_ns, at_ns);
                }
            }
        }
        if open.action == Action::Take && verdict.is_allowed {
            self.allowed += 1;
            // Who waits for a rule that a reload takes away is let go.
            let is_let_go = self.reloads_ns.iter().any(|&(node, reload_ns)| {
                node == open.node && (open.asked_ns..=at_ns).contains(&reload_ns)
            });
            for part in open.parts.iter().filter(|part| part.rule == 0 || !is_let_go) {
                let ledger = self.ledger(scenario, part.rule, part.key);
                ledger.admit(part.cost, open.asked_ns, at_ns).map_err(|what| {
                    format!("{} of key {}: {what}", RULE_NAMES[part.rule], part.key)
                })?;
            }
        }
        Ok(open)
    }

    /// A core takes other rules up.
    pub fn reloaded(&mut self, node: usize, at_ns: u64) {
        self.reloads_ns.push((node, at_ns));
    }

    /// Whether a check still waits.
    pub fn is_open(&self, ticket: u64) -> bool {
        self.open.contains_key(&ticket)
    }

    /// A node is gone, and its checks with it.
    pub fn forget(&mut self, node: usize) {
        self.open.retain(|_, open| open.node != node);
    }

    pub fn ledger(&mut self, scenario: &Scenario, rule: usize, key: u64) -> &mut Ledger {
        self.ledgers.entry((rule, key)).or_insert_with(|| ledger(scenario, rule))
    }

    /// What was given back counts no more.
    pub fn refund(&mut self, scenario: &Scenario, part: &Part, asked_ns: u64, at_ns: u64) {
        let ledger = self.ledger(scenario, part.rule, part.key);
        ledger.allow_drained(part.cost, at_ns - asked_ns);
        ledger.refund(part.cost, at_ns);
    }

    /// The store has lost data: as much as it forgot may be admitted again.
    pub fn lost(&mut self, scenario: &Scenario, before: &Store, after: &Store, now_ms: u64) {
        for (key, entry) in before.entries() {
            let lost = before.taken(key, now_ms).saturating_sub(after.taken(key, now_ms));
            let Some((rule, number, start_ms)) = parse(key) else { continue };
            let period_ms = scenario.rules[rule].period_ms;
            let window = match entry.value {
                Value::Counter(_) => start_ms / period_ms,
                Value::Bucket(..) => 0,
            };
            self.ledger(scenario, rule, number).allow(window, lost);
        }
    }

    /// After a call has been carried out: its key ends some time after its window, or when the bucket is
    /// full again.
    pub fn stored(
        &self,
        scenario: &Scenario,
        key: &[u8],
        store: &Store,
        now_ms: u64,
    ) -> Result<(), String> {
        let (Some(entry), Some((rule, ..))) = (store.get(key), parse(key)) else { return Ok(()) };
        let period_ms = scenario.rules[rule].period_ms;
        let longest_ms = match entry.value {
            Value::Counter(_) => 2 * period_ms + KEY_GRACE_MS,
            Value::Bucket(_) => 2 * scenario.rules[rule].burst * period_ms + 2 * scenario.ttl_ms,
        };
        match entry.expire_at_ms {
            Some(at_ms) if at_ms <= now_ms + longest_ms => Ok(()),
            _ => {
                let key = String::from_utf8_lossy(key);
                Err(format!("{key} outlives its use: {entry:?}"))
            }
        }
    }

    /// At the end, when everything is quiet.
    pub fn finish(&self, scenario: &Scenario, store: &Store, at_ns: u64) -> Result<(), String> {
        if let Some((ticket, open)) = self.open.first_key_value() {
            return Err(format!("check {ticket} has no verdict at the end: {open:?}"));
        }
        if scenario.has_store() {
            self.conserved(scenario, store, at_ns)?;
        }
        if scenario.kind == Kind::Saturated {
            self.is_used(scenario)?;
        }
        Ok(())
    }

    /// Once all leases are given back, the store has counted what was admitted: no less, or more could be
    /// admitted; and where nothing was lost, no more, or less could.
    fn conserved(&self, scenario: &Scenario, store: &Store, at_ns: u64) -> Result<(), String> {
        if matches!(scenario.kind, Kind::Outage | Kind::Amnesia) || scenario.credit > 0 {
            return Ok(());
        }
        let crashes = scenario.changes.iter().any(|(_, change)| matches!(change, Change::Crash(_)));
        let reloads =
            scenario.changes.iter().any(|(_, change)| matches!(change, Change::Reload(_)));
        let is_exact = !crashes && scenario.kind != Kind::Lossy;
        for (key, entry) in store.entries() {
            let Value::Counter(count) = entry.value else { continue };
            let Some((rule, number, start_ms)) = parse(key) else { continue };
            let Some(ledger) = self.ledgers.get(&(rule, number)) else { continue };
            let window = start_ms / scenario.rules[rule].period_ms;
            // Who was let go by a reload may have been counted or not.
            if window != ledger.window(at_ns) || (rule == 1 && reloads) {
                continue;
            }
            let (admitted, unsure) = (ledger.count(window) as i64, ledger.unsure(window) as i64);
            if count < admitted - unsure || (is_exact && count > admitted + unsure) {
                let key = String::from_utf8_lossy(key);
                return Err(format!("{key} is {count} in the store, but {admitted} were admitted"));
            }
        }
        Ok(())
    }

    /// With more demand than the limit all the time, each window is used up, but for what may lie about.
    fn is_used(&self, scenario: &Scenario) -> Result<(), String> {
        let Some(ledger) = self.ledgers.get(&(0, 0)) else { return Ok(()) };
        let numbers = scenario.rules[0];
        let limit =
            if numbers.algorithm.contains("window") { numbers.count } else { numbers.burst };
        let held = (limit * scenario.held_per_mille / 1000).max(scenario.nodes as u64);
        // What comes so near to an edge may be too late or too early.
        let guard_ms = 2 * scenario.clock_error_ms + scenario.renew_ms + 20;
        let spare = held + scenario.cost_max - 1;
        if !numbers.algorithm.contains("window") {
            let due = self.one_bucket_admits(&numbers);
            // What comes in while a refusal is repeated without asking is left over at the end.
            let late = numbers.count * guard_ms / numbers.period_ms;
            return at_least(ledger.admitted(), due, spare + late, "in all");
        }
        if numbers.algorithm != "fixed-window" {
            return Ok(());
        }
        let first = ledger.window(0) + 1;
        for window in first..ledger.window(scenario.length_ms * NS_PER_MS) {
            let start_ms = window * numbers.period_ms - BASE_MS;
            let end_ms = start_ms + numbers.period_ms - guard_ms;
            let due = limit.min(self.demand(start_ms + guard_ms, end_ms));
            let admitted = ledger.count(window) + ledger.unsure(window);
            at_least(admitted, due, spare, &format!("in window {window}"))?;
        }
        Ok(())
    }

    /// What a single bucket would let through, asked in the same moments.
    fn one_bucket_admits(&self, numbers: &RuleNumbers) -> u64 {
        let token = u128::from(numbers.period_ms * NS_PER_MS);
        let size = u128::from(numbers.burst) * token;
        let (mut level, mut last_ns, mut admitted) = (0, 0, 0);
        for &at_ns in &self.demand_ns {
            let drained = u128::from(numbers.count) * u128::from(at_ns - last_ns);
            level = u128::saturating_sub(level, drained);
            last_ns = at_ns;
            if level + token <= size {
                level += token;
                admitted += 1;
            }
        }
        admitted
    }

    fn demand(&self, from_ms: u64, to_ms: u64) -> u64 {
        let span = from_ms * NS_PER_MS..to_ms * NS_PER_MS;
        self.demand_ns.iter().filter(|at_ns| span.contains(at_ns)).count() as u64
    }
}

fn at_least(admitted: u64, due: u64, spare: u64, when: &str) -> Result<(), String> {
    if admitted + spare >= due {
        return Ok(());
    }
    Err(format!("only {admitted} admitted {when}; {due} were due, of which {spare} may be lacking"))
}

/// The bounds of section "bounds" in docs/limiter.md.
fn ledger(scenario: &Scenario, rule: usize) -> Ledger {
    let nodes = scenario.nodes_ever() as u64;
    let mut numbers = scenario.rules[rule];
    let mut extra = nodes * scenario.credit;
    let is_reload = |(_, change): &&(u64, Change)| matches!(change, Change::Reload(_));
    let reloads = scenario.changes.iter().filter(is_reload).count() as u64;
    if rule == 1 && reloads > 0 {
        // Each limit has its own counts, and while a reload is on its way two of them hold.
        for later in (1..=reloads).map(|reloads| numbers_after(scenario.rules[1], reloads)) {
            numbers.count += later.count;
            numbers.burst += later.burst;
        }
    }
    if scenario.kind == Kind::Outage {
        // What was on credit before the store went does not count against the credit after it.
        extra += nodes * scenario.credit;
        // What was granted since the most ignorant node's last word, which is no more than the limit;
        // and one token of each node whose share is less.
        extra += numbers.burst + nodes;
    }
    Ledger::new(numbers, extra)
}

/// Rule, key and start of the window of a store's key.
fn parse(key: &[u8]) -> Option<(usize, u64, u64)> {
    let text = std::str::from_utf8(key).ok()?;
    let (name, rest) = text.strip_prefix("rl:{")?.split_once('}')?;
    let (rule, number) = name.split_once(':')?;
    let rule = RULE_NAMES.iter().position(|known| *known == rule)?;
    let start = rest.strip_prefix(':').and_then(|rest| rest.split_once('/'));
    let start_ms = start.and_then(|(start, _)| start.parse().ok()).unwrap_or(0);
    Some((rule, number.parse().ok()?, start_ms))
}
