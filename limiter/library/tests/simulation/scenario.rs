//! What happens in one run.
//!
//! Job: draw a run from a seed. In: the seed. Out: [`Scenario`]. Invariant: the same seed is the same
//! run, and its `Debug` text tells all that is needed to understand a failure.

use ringlet_base::random::Random;

/// What a run is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// One node without a store.
    Alone,
    /// All goes well, but nodes come and go and rules change.
    Healthy,
    /// All goes well and there is always more demand than the limit lets through.
    Saturated,
    /// Calls and replies are lost or late; the rule is `closed`.
    Lossy,
    /// The store is away for a while; the rule is `share`.
    Outage,
    /// The store loses what it knew.
    Amnesia,
}

pub const KINDS: [Kind; 6] =
    [Kind::Alone, Kind::Healthy, Kind::Saturated, Kind::Lossy, Kind::Outage, Kind::Amnesia];

/// Something that goes wrong with the store, by the true time in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// Nothing arrives.
    Outage { from_ms: u64, to_ms: u64 },
    /// What arrives is carried out at the end.
    Pause { from_ms: u64, to_ms: u64 },
    /// Another primary takes over, without the writes of the last milliseconds.
    Failover { at_ms: u64, lag_ms: u64 },
    /// Somebody empties it.
    Flush { at_ms: u64 },
}

/// What happens to the nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    Join,
    Leave(usize),
    Crash(usize),
    /// The rule beside the one in question gets another limit.
    Reload(usize),
}

/// The numbers of a rule.
#[derive(Clone, Copy, Debug)]
pub struct RuleNumbers {
    pub algorithm: &'static str,
    pub count: u64,
    pub period_ms: u64,
    pub burst: u64,
}

#[derive(Clone, Debug)]
pub struct Scenario {
    pub seed: u64,
    pub kind: Kind,
    pub nodes: usize,
    pub cores: usize,
    /// The two rules.
    pub rules: [RuleNumbers; 2],
    /// Credit of each node and key; 0 is hard mode.
    pub credit: u64,
    pub is_closed: bool,
    /// Where in its first window the run begins.
    pub start_ms: u64,
    pub length_ms: u64,
    pub keys: u64,
    /// Requests per second, of all nodes.
    pub rate_per_s: u64,
    /// In thousands: of requests that are held against both rules, are peeks, are given back, come in
    /// bursts.
    pub both_per_mille: u64,
    pub peek_per_mille: u64,
    pub refund_per_mille: u64,
    pub burst_per_mille: u64,
    pub cost_max: u64,
    /// For so long the same node gets most of the requests: all but these, in thousands.
    pub shift_ms: u64,
    pub stray_per_mille: u64,
    pub renew_ms: u64,
    pub ttl_ms: u64,
    pub held_per_mille: u64,
    pub clock_error_ms: u64,
    pub drift_ppm: u64,
    pub delay_max_us: u64,
    pub lost_per_mille: u64,
    pub timeout_ms: u64,
    pub troubles: Vec<Trouble>,
    pub changes: Vec<(u64, Change)>,
}

const WINDOWS: [&str; 3] = ["fixed-window", "sliding-window", "calendar"];
const BUCKETS: [&str; 3] = ["token-bucket", "gcra", "leaky-bucket"];

fn pick<T: Copy>(random: &mut Random, from: &[T]) -> T {
    from[random.below(from.len() as u64) as usize]
}

fn between(random: &mut Random, least: u64, most: u64) -> u64 {
    least + random.below(most - least + 1)
}

fn numbers(random: &mut Random, kind: Kind) -> RuleNumbers {
    let has_window = random.below(2) == 0;
    let algorithm = if has_window { pick(random, &WINDOWS) } else { pick(random, &BUCKETS) };
    let mut count = pick(random, &[1, 2, 3, 5, 10, 30, 100, 300, 1000]);
    let mut period_ms = pick(random, &[100, 150, 250, 400, 1000]);
    let mut burst = if has_window { count } else { pick(random, &[1, 2, 5, 10, 50, 200]) };
    if algorithm == "calendar" {
        period_ms = 60_000;
    }
    if kind == Kind::Saturated {
        count = pick(random, &[20, 50, 100, 300]);
        period_ms = if algorithm == "calendar" { 60_000 } else { pick(random, &[200, 300, 400]) };
        // A bucket that is full while nobody asks loses what would come in: it needs room.
        burst = if has_window { count } else { count.max(count * 200 / period_ms) };
    }
    RuleNumbers { algorithm, count, period_ms, burst }
}

impl Scenario {
    pub fn new(seed: u64) -> Self {
        let random = &mut Random::new(seed);
        let kind = pick(random, &KINDS);
        let nodes = if kind == Kind::Alone { 1 } else { between(random, 1, 4) as usize };
        let cores = between(random, 1, 4) as usize;
        let mut rules = [numbers(random, kind), numbers(random, kind)];
        if kind == Kind::Saturated && rules[0].algorithm == "calendar" {
            // Its windows are too long to be seen whole here.
            rules[0] = RuleNumbers { algorithm: "fixed-window", period_ms: 300, ..rules[0] };
        }
        let is_saturated = kind == Kind::Saturated;
        let length_ms = if is_saturated { 900 } else { between(random, 150, 500) };
        let is_soft = !is_saturated && random.below(4) == 0;
        let steady_per_s = rules[0].count * 1000 / rules[0].period_ms;
        let factor = between(random, 11, 40);
        let spared = |random: &mut Random, most: u64| match random.below(2) == 0 && !is_saturated {
            true => random.below(most + 1),
            false => 0,
        };
        let mut scenario = Self {
            seed,
            kind,
            nodes,
            cores,
            rules,
            credit: if is_soft { between(random, 1, 3) } else { 0 },
            is_closed: matches!(kind, Kind::Lossy | Kind::Amnesia),
            start_ms: random.below(1000),
            length_ms,
            keys: if is_saturated { 1 } else { pick(random, &[1, 1, 2, 5, 20]) },
            rate_per_s: match is_saturated {
                true => steady_per_s * factor / 10,
                false => (steady_per_s * factor / 5).clamp(200, 4000),
            },
            both_per_mille: spared(random, 600),
            peek_per_mille: spared(random, 100),
            refund_per_mille: spared(random, 200),
            burst_per_mille: spared(random, 20),
            cost_max: if is_saturated { 1 } else { pick(random, &[1, 1, 1, 2, 5]) },
            shift_ms: between(random, 20, 200),
            stray_per_mille: pick(random, &[0, 50, 250]),
            renew_ms: between(random, 5, 30),
            ttl_ms: pick(random, &[100, 300, 2000]),
            held_per_mille: pick(random, &[20, 50, 100]),
            clock_error_ms: between(random, 2, 6),
            drift_ppm: random.below(101),
            delay_max_us: pick(random, &[200, 1000, 3000]),
            lost_per_mille: if kind == Kind::Lossy { between(random, 5, 200) } else { 0 },
            timeout_ms: between(random, 12, 30),
            troubles: Vec::new(),
            changes: Vec::new(),
        };
        scenario.add_troubles(random);
        scenario.add_changes(random);
        scenario
    }

    fn add_troubles(&mut self, random: &mut Random) {
        let from_ms = self.start_ms + random.below(self.length_ms);
        let to_ms = from_ms + between(random, 20, 200);
        let lag_ms = random.below(60);
        let trouble = match (self.kind, random.below(3)) {
            (Kind::Lossy, 0) => Trouble::Pause { from_ms, to_ms },
            (Kind::Lossy, 1) | (Kind::Outage, _) => Trouble::Outage { from_ms, to_ms },
            (Kind::Amnesia, 0) => Trouble::Flush { at_ms: from_ms },
            (Kind::Amnesia, _) => Trouble::Failover { at_ms: from_ms, lag_ms },
            _ => return,
        };
        self.troubles.push(trouble);
    }

    fn add_changes(&mut self, random: &mut Random) {
        if self.kind == Kind::Saturated || random.below(3) > 0 {
            return;
        }
        for _ in 0..between(random, 1, 3) {
            let at_ms = random.below(self.length_ms);
            let node = random.below(self.nodes as u64) as usize;
            let change = match random.below(4) {
                0 if self.may_change_members() => Change::Join,
                1 if self.may_change_members() => Change::Leave(node),
                2 if self.may_change_members() => Change::Crash(node),
                _ => Change::Reload(node),
            };
            self.changes.push((at_ms, change));
        }
    }

    /// The bounds of an outage are those of a fixed membership; one node alone is always the same.
    fn may_change_members(&self) -> bool {
        !matches!(self.kind, Kind::Alone | Kind::Outage)
    }

    pub fn has_store(&self) -> bool {
        self.kind != Kind::Alone
    }

    /// Nodes that there have been by the end, at most.
    pub fn nodes_ever(&self) -> usize {
        self.nodes + self.changes.iter().filter(|(_, change)| *change == Change::Join).count()
    }
}
