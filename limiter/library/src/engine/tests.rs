//! Engines of one process, with messages carried by hand.

use std::collections::VecDeque;
use std::sync::Arc;

use super::message::Message;
use super::*;
use crate::config::read_rules;
use crate::request::{Access, Action, GivenLimit, Matched, Reason};
use crate::store::{StoreCommand, StoreReply};
use crate::time::NS_PER_S;

const RULES: &str = r#"
[rule.window]
algorithm = "fixed-window"
limit = 100
window = "10s"

[rule.bucket]
algorithm = "token-bucket"
limit = 5
window = "10s"

[rule.shadow]
limit = 1
window = "10s"
shadow = true

[rule.soft]
algorithm = "fixed-window"
limit = 100
window = "10s"
mode = "soft"
credit = 3

[rule.closed]
algorithm = "fixed-window"
limit = 100
window = "10s"
on_store_failure = "closed"

[rule.open]
algorithm = "fixed-window"
limit = 100
window = "10s"
on_store_failure = "open"
"#;

const START: Now = Now { monotonic_ns: 1_000_000_000_000, unix_ms: 1_700_000_005_000 };

fn rules(text: &str, former: Option<&RuleSet>) -> Arc<RuleSet> {
    let read = ringlet_base::config::parse(text, |root| {
        let rules = read_rules(&root, None);
        root.finish();
        rules
    });
    Arc::new(RuleSet::compile(&read.expect("good rules"), former, 7).expect("rules"))
}

/// The engines of a process.
struct Process {
    engines: Vec<Engine>,
    now: Now,
    posts: VecDeque<(usize, Message)>,
    carried: usize,
}

impl Process {
    fn new(cores: usize, has_store: bool) -> Self {
        Self::with_leases(cores, has_store, 100)
    }

    fn with_leases(cores: usize, has_store: bool, leases_max: usize) -> Self {
        let rules = rules(RULES, None);
        let engine = |core| {
            let settings = EngineSettings {
                core,
                cores,
                keys_max: 1000,
                leases_max,
                has_store,
                lease: LeaseSettings::default(),
            };
            Engine::new(settings, rules.clone())
        };
        let engines = (0..cores).map(engine).collect();
        Self { engines, now: START, posts: VecDeque::new(), carried: 0 }
    }

    /// What a question is held against.
    fn matched(&self, limits: &[(&str, &str, u64)]) -> Matched {
        let (mut all, mut one) = (Matched::default(), Matched::default());
        for (rule, key, cost) in limits {
            one.clear();
            let rules = self.engines[0].rules();
            rules.by_name(rule, key.as_bytes(), Some(*cost), &mut one).expect("a rule");
            let start = all.text.len();
            all.text.extend_from_slice(&one.text);
            let mut item = one.items[0].clone();
            item.text = start..all.text.len();
            all.items.push(item);
        }
        all
    }

    /// Asks on a core; `None` if the verdict has to wait for more than messages.
    fn ask_as(&mut self, core: usize, matched: &Matched, action: Action) -> Option<Verdict> {
        let mut verdict = Verdict::default();
        if self.engines[core].check(matched, action, 9, self.now, &mut verdict) {
            return Some(verdict);
        }
        self.carry();
        let (ticket, verdict) = self.engines[core].take_finished().pop()?;
        assert_eq!(ticket, 9);
        Some(verdict)
    }

    fn allows(&mut self, core: usize, rule: &str, key: &str, cost: u64) -> bool {
        let matched = self.matched(&[(rule, key, cost)]);
        self.ask_as(core, &matched, Action::Take).expect("no store").is_allowed
    }

    /// Carries messages until all rest.
    fn carry(&mut self) {
        loop {
            for engine in &mut self.engines {
                self.posts.extend(engine.take_messages());
            }
            let Some((to, message)) = self.posts.pop_front() else { return };
            self.carried += 1;
            self.engines[to].on_message(message, self.now);
        }
    }

    fn tick(&mut self) {
        self.now = self.now.after_ns(10_000_000);
        for engine in &mut self.engines {
            engine.tick(self.now);
        }
        self.carry();
    }

    /// The store could not be reached since the process began, and that is long ago.
    fn has_waited(&mut self) {
        self.tick();
        self.now = self.now.after_ns(STARTING_MS * NS_PER_MS);
        self.tick();
    }

    fn set_store(&mut self, is_up: bool) {
        let view = StoreView {
            is_up,
            clock_offset_ms: START.unix_ms as i64 - (START.monotonic_ns / 1_000_000) as i64,
            clock_error_ms: 1,
            nodes: 2,
            incarnation: 1,
        };
        for engine in &mut self.engines {
            engine.set_store(view, self.now);
        }
    }
}

#[test]
fn a_limit_holds_on_whichever_core_it_is_asked() {
    let mut process = Process::new(4, false);
    for key in ["a", "b", "c", "d", "e"] {
        let allowed = (0..400).filter(|round| process.allows(round % 4, "window", key, 1)).count();
        assert_eq!(allowed, 100, "key {key}");
    }
}

#[test]
fn a_hot_key_is_lent_and_decided_without_messages_and_its_rest_comes_back() {
    let mut process = Process::new(2, false);
    let matched = process.matched(&[("window", "hot", 1)]);
    let borrower = 1 - process.engines[0].owner(matched.items[0].hash);
    let mut allowed = 0;
    let mut messages = Vec::new();
    for _ in 0..40 {
        let before = process.carried;
        allowed += usize::from(process.allows(borrower, "window", "hot", 1));
        messages.push(process.carried - before);
    }
    assert_eq!(allowed, 40);
    assert!(messages.iter().filter(|&&count| count == 0).count() >= 8, "{messages:?}");
    // The loan goes back when nobody uses it; then the owner may spend all that is left.
    (0..3).for_each(|_| process.tick());
    assert_eq!((0..100).filter(|_| process.allows(1 - borrower, "window", "hot", 1)).count(), 60);
    assert!(!process.allows(borrower, "window", "hot", 1));
}

#[test]
fn what_one_limit_refuses_the_others_have_not_counted() {
    for cores in [1, 2, 3] {
        let mut process = Process::new(cores, false);
        for key in 0..8 {
            let key = format!("k{key}");
            let both = process.matched(&[("window", &key, 1), ("bucket", &key, 5)]);
            assert!(process.ask_as(0, &both, Action::Take).expect("a verdict").is_allowed);
            let refused = process.ask_as(0, &both, Action::Take).expect("a verdict");
            assert!(!refused.is_allowed);
            let said: Vec<bool> =
                refused.parts.iter().map(|part| part.outcome.is_allowed).collect();
            assert_eq!(said, [true, false]);
            let peeked = process.matched(&[("window", &key, 1)]);
            let verdict = process.ask_as(0, &peeked, Action::Peek).expect("a verdict");
            assert_eq!(verdict.parts[0].outcome.remaining, 99, "{cores} cores, {key}");
        }
    }
}

#[test]
fn corrections_reach_the_owner() {
    let mut process = Process::new(3, false);
    for core in 0..3 {
        let matched = process.matched(&[("bucket", "c", 5)]);
        assert!(process.ask_as(core, &matched, Action::Take).expect("a verdict").is_allowed);
        assert!(!process.allows(core, "bucket", "c", 1));
        process.ask_as(core, &matched, Action::GiveBack).expect("at once");
        process.carry();
        process.ask_as(core, &matched, Action::Force).expect("at once");
        process.carry();
        assert!(!process.allows(core, "bucket", "c", 1), "core {core}");
        process.ask_as(core, &matched, Action::GiveBack).expect("at once");
        process.carry();
    }
}

#[test]
fn a_shadow_says_what_it_would_do_and_does_nothing() {
    let mut process = Process::new(1, false);
    let matched = process.matched(&[("shadow", "s", 1), ("window", "s", 1)]);
    for round in 0..3 {
        let verdict = process.ask_as(0, &matched, Action::Take).expect("a verdict");
        assert!(verdict.is_allowed && verdict.parts[0].is_shadow);
        assert_eq!(verdict.parts[0].outcome.is_allowed, round == 0);
        assert_eq!(verdict.parts[1].outcome.remaining, 99 - round);
    }
}

#[test]
fn lists_come_before_limits() {
    let mut process = Process::new(1, false);
    let mut matched = process.matched(&[("window", "l", 1)]);
    for (access, is_allowed) in [(Access::Denied, false), (Access::Free, true)] {
        matched.access = access;
        let verdict = process.ask_as(0, &matched, Action::Take).expect("a verdict");
        assert_eq!((verdict.is_allowed, verdict.reason), (is_allowed, Reason::Lists));
        assert!(verdict.parts.is_empty());
    }
}

#[test]
fn a_reload_keeps_what_unchanged_rules_have_counted_and_forgets_the_others() {
    let mut process = Process::new(2, false);
    assert!(process.allows(0, "window", "r", 100) && process.allows(0, "bucket", "r", 5));
    let text = RULES.replace("limit = 5\n", "limit = 6\n");
    let next = rules(&text, Some(process.engines[0].rules()));
    process.engines[0].apply(next, process.now);
    process.carry();
    for core in 0..2 {
        assert!(!process.allows(core, "window", "r", 1), "core {core}");
    }
    assert!(process.allows(1, "bucket", "r", 6), "another limit begins anew");
    assert!(!process.allows(0, "bucket", "r", 1));
}

/// Asks about a limit of one at a time that comes with the question.
fn ask_given(
    process: &mut Process,
    algorithm: &str,
    count: u64,
    period_ns: u64,
    action: Action,
) -> Option<Verdict> {
    let algorithm = crate::algorithm::algorithm_by_name(algorithm).expect("a row");
    let limit = GivenLimit { algorithm, count, period_ns, burst: 1 };
    let mut matched = Matched::default();
    process.engines[0].rules().given(b"key", limit, 1, &mut matched).expect("a limit");
    process.ask_as(0, &matched, action)
}

#[test]
fn more_limits_than_can_be_remembered_are_refused_until_some_say_nothing_any_more() {
    let mut process = Process::new(1, false);
    let ask = |process: &mut Process, count: u64, period_ns: u64| {
        ask_given(process, "gcra", count, period_ns, Action::Take).expect("at once")
    };
    let most = limits::GIVEN_LIMITS_MAX as u64;
    assert!(ask(&mut process, 1, 3600 * NS_PER_S).is_allowed);
    assert!((1..most).all(|count| ask(&mut process, count, NS_PER_S).is_allowed));
    let refused = ask(&mut process, most, NS_PER_S);
    assert!(!refused.is_allowed && refused.reason != Reason::Limits);
    assert!(!ask(&mut process, 1, NS_PER_S).is_allowed, "those that are known go on");
    process.now = process.now.after_ns(NS_PER_S);
    assert!((0..most - 1).all(|count| ask(&mut process, most + count, NS_PER_S).is_allowed));
    assert!(!ask(&mut process, 1, 3600 * NS_PER_S).is_allowed, "this is used up for an hour");
    assert!(!ask(&mut process, 1, NS_PER_S).is_allowed, "there is no place for it again");
}

#[test]
fn the_limit_of_one_who_waits_for_the_store_is_not_forgotten() {
    let mut process = Process::new(1, true);
    process.set_store(true);
    assert_eq!(ask_given(&mut process, "fixed-window", 1, 10 * NS_PER_S, Action::Take), None);
    let (id, _) = counted(&process.engines[0].take_store_calls())[0];
    let mut allowed = |counts: std::ops::Range<u64>, actions: &[Action]| {
        let is_allowed = |count: &u64| {
            let mut ask = |action: &Action| {
                ask_given(&mut process, "concurrency", 1, NS_PER_S + count, *action)
                    .expect("at once")
            };
            actions.iter().all(|action| ask(action).is_allowed)
        };
        counts.filter(is_allowed).count()
    };
    let most = limits::GIVEN_LIMITS_MAX as u64;
    assert_eq!(allowed(1..most, &[Action::Take, Action::GiveBack]), 4095);
    assert_eq!(allowed(most..3 * most, &[Action::Take]), 4095, "but for the one of who waits");
    let reply = StoreReply::Counted { total: 1, previous: 0 };
    process.engines[0].on_store(id, reply, process.now);
    assert!(process.engines[0].take_finished()[0].1.is_allowed);
}

/// The calls of a key's owner.
fn counted(calls: &[StoreCall]) -> Vec<(u64, u64)> {
    let amount = |call: &StoreCall| match call.command {
        StoreCommand::Count { amount, .. } => Some((call.id, amount)),
        _ => None,
    };
    calls.iter().filter_map(amount).collect()
}

#[test]
fn a_hard_rule_waits_for_the_store_and_a_soft_one_has_its_credit() {
    let mut process = Process::new(1, true);
    process.set_store(true);
    let hard = process.matched(&[("window", "w", 1)]);
    assert_eq!(process.ask_as(0, &hard, Action::Take), None);
    let asked = counted(&process.engines[0].take_store_calls());
    assert_eq!(asked.len(), 1);
    let (id, amount) = asked[0];
    process.engines[0].on_store(id, StoreReply::Counted { total: 100, previous: 0 }, process.now);
    let finished = process.engines[0].take_finished();
    assert!(finished[0].1.is_allowed, "the last {amount} of the window");
    let soft = process.matched(&[("soft", "w", 1)]);
    for _ in 0..3 {
        assert!(process.ask_as(0, &soft, Action::Take).expect("at once").is_allowed);
    }
    assert_eq!(process.ask_as(0, &soft, Action::Take), None, "the credit is used up");
}

#[test]
fn each_policy_without_the_store() {
    let mut process = Process::new(1, true);
    process.has_waited();
    process.set_store(false);
    let mut allowed = |rule: &str| {
        let matched = process.matched(&[(rule, "p", 1)]);
        let ask = |_: &usize| {
            let verdict = process.ask_as(0, &matched, Action::Take).expect("at once");
            // What a share refuses is refused by the limit: to ask again is of no use.
            let is_of_share = rule == "window" && !verdict.is_allowed;
            let reason = if is_of_share { Reason::Limits } else { Reason::Store };
            assert_eq!(verdict.reason, reason);
            verdict.is_allowed
        };
        (0..200).filter(ask).count()
    };
    // Of two limiters each has one half.
    assert_eq!((allowed("window"), allowed("closed"), allowed("open")), (50, 0, 200));
}

#[test]
fn what_was_spent_without_the_store_is_owed_to_it() {
    let mut process = Process::new(1, true);
    process.has_waited();
    process.set_store(false);
    let matched = process.matched(&[("window", "d", 1)]);
    for _ in 0..20 {
        assert!(process.ask_as(0, &matched, Action::Take).expect("at once").is_allowed);
    }
    process.set_store(true);
    // At first only what is owed is asked for: other limiters may be as late as can be.
    assert!(process.ask_as(0, &matched, Action::Take).expect("of its share").is_allowed);
    let (id, amount) = counted(&process.engines[0].take_store_calls())[0];
    assert_eq!(amount, 21);
    let reply = StoreReply::Counted { total: 21, previous: 0 };
    process.engines[0].on_store(id, reply, process.now);
    process.now = process.now.after_ns(LEARNING_MS * NS_PER_MS);
    assert_eq!(process.ask_as(0, &matched, Action::Take), None);
}

#[test]
fn a_store_that_has_lost_its_counts_gets_those_of_this_node_again() {
    let mut process = Process::new(1, true);
    process.set_store(true);
    let matched = process.matched(&[("window", "f", 1)]);
    let mut total = 0;
    for _ in 0..10 {
        assert_eq!(process.ask_as(0, &matched, Action::Take), None);
        let (id, amount) = counted(&process.engines[0].take_store_calls())[0];
        total += amount as i64;
        process.engines[0].on_store(id, StoreReply::Counted { total, previous: 0 }, process.now);
        assert!(process.engines[0].take_finished()[0].1.is_allowed);
    }
    // It begins anew.
    assert_eq!(process.ask_as(0, &matched, Action::Take), None);
    let (id, amount) = counted(&process.engines[0].take_store_calls())[0];
    let reply = StoreReply::Counted { total: amount as i64, previous: 0 };
    process.engines[0].on_store(id, reply, process.now);
    let again = counted(&process.engines[0].take_store_calls());
    // A mark for other nodes, and the counts.
    assert_eq!(again.iter().map(|(_, amount)| *amount).collect::<Vec<_>>(), [1, total as u64]);
}

#[test]
fn what_others_count_again_hides_no_loss() {
    let mut process = Process::new(1, true);
    process.set_store(true);
    let matched = process.matched(&[("window", "g", 5)]);
    assert_eq!(process.ask_as(0, &matched, Action::Take), None);
    let engine = &mut process.engines[0];
    let (id, amount) = counted(&engine.take_store_calls())[0];
    let total = amount as i64;
    engine.on_store(id, StoreReply::Counted { total, previous: 0 }, process.now);
    for (incarnation, mark, again) in [(2, 0, vec![]), (3, 1, vec![1, amount])] {
        engine.set_store(StoreView { incarnation, ..engine.view }, process.now);
        let look = engine.take_store_calls();
        let StoreCommand::Count { previous: Some(marked), amount: 0, .. } = &look[0].command else {
            panic!("{look:?}");
        };
        assert!(marked.ends_with(b":lost"), "{}", marked.escape_ascii());
        // It knows of more than it did: of others' counts, at least.
        let reply = StoreReply::Counted { total: 60, previous: mark };
        engine.on_store(look[0].id, reply, process.now);
        let told = counted(&engine.take_store_calls());
        assert_eq!(told.iter().map(|(_, amount)| *amount).collect::<Vec<_>>(), again);
    }
}

#[test]
fn a_cost_that_no_number_holds_is_refused_and_takes_nothing() {
    for rule in ["window", "bucket"] {
        for has_store in [false, true] {
            let mut process = Process::new(1, has_store);
            process.set_store(has_store);
            let one = process.matched(&[(rule, "c", 1)]);
            let most = process.matched(&[(rule, "c", u64::MAX)]);
            process.ask_as(0, &one, Action::Take);
            let verdict = process.ask_as(0, &most, Action::Take).expect("at once");
            assert!(!verdict.is_allowed, "{rule}");
            assert_eq!(verdict.parts[0].outcome.retry_after_ns, crate::time::NEVER);
            process.ask_as(0, &most, Action::Force).expect("at once");
            process.ask_as(0, &most, Action::Force).expect("at once");
        }
    }
}

#[test]
fn what_was_forced_beyond_the_limit_is_not_given_back_as_tokens() {
    let mut process = Process::new(1, true);
    process.set_store(true);
    let much = process.matched(&[("window", "g", 1000)]);
    process.ask_as(0, &much, Action::Force).expect("at once");
    process.ask_as(0, &much, Action::GiveBack).expect("at once");
    let one = process.matched(&[("window", "g", 1)]);
    assert_eq!(process.ask_as(0, &one, Action::Take), None, "nothing has been granted yet");
}

#[test]
fn more_waiting_questions_than_may_wait_are_refused_whatever_the_policy() {
    let mut process = Process::new(1, true);
    process.set_store(true);
    for rule in ["window", "open"] {
        let matched = process.matched(&[(rule, "q", 1)]);
        for _ in 0..crate::lease::WAITERS_MAX {
            assert_eq!(process.ask_as(0, &matched, Action::Take), None);
        }
        let verdict = process.ask_as(0, &matched, Action::Take).expect("at once");
        assert_eq!((verdict.is_allowed, verdict.reason), (false, Reason::Overload), "{rule}");
    }
}

#[test]
fn leases_that_cannot_be_forgotten_are_not_looked_through_for_each_key() {
    let mut process = Process::new(1, true);
    process.has_waited();
    process.set_store(false);
    let is_allowed = |process: &mut Process, key: &str| {
        let matched = process.matched(&[("bucket", key, 1)]);
        process.ask_as(0, &matched, Action::Take).expect("at once").is_allowed
    };
    let full = |process: &mut Process, keys: &str| {
        (0..200).filter(|key| is_allowed(process, &format!("{keys}{key}"))).count()
    };
    assert_eq!(full(&mut process, "a"), 100, "as many as there is room for");
    // One token of a share comes back in 4 s: a moment before, nothing can be forgotten.
    let begun = process.now;
    process.now = begun.after_ns(3_990 * NS_PER_MS);
    assert_eq!(full(&mut process, "b"), 0);
    process.now = begun.after_ns(4_010 * NS_PER_MS);
    assert_eq!(full(&mut process, "c"), 0, "it was looked for not long ago");
    process.now = begun.after_ns(4_090 * NS_PER_MS);
    assert_eq!(full(&mut process, "d"), 100);
}

#[test]
fn a_refusal_that_is_repeated_without_the_owner_is_of_costs_as_large() {
    let mut process = Process::new(2, false);
    let matched = process.matched(&[("window", "u", 97)]);
    let borrower = 1 - process.engines[0].owner(matched.items[0].hash);
    assert!(process.allows(borrower, "window", "u", 97));
    for _ in 0..8 {
        assert!(!process.allows(borrower, "window", "u", 5));
    }
    let before = process.carried;
    assert!(!process.allows(borrower, "window", "u", 5));
    assert_eq!(process.carried, before, "the owner was not asked");
    assert!(process.allows(borrower, "window", "u", 3), "so much is left");
    assert!(!process.allows(borrower, "window", "u", 1));
}

/// Counters of a store that carries out so many calls at a time and answers the others at once.
#[derive(Default)]
struct Counters {
    counts: AHashMap<Vec<u8>, i64>,
    calls_max: usize,
}

impl Counters {
    /// Answers all calls and those that come of the answers; how many there were at once, at most.
    fn answer(&mut self, engine: &mut Engine, now: Now) -> usize {
        let mut most = 0;
        loop {
            let calls = engine.take_store_calls();
            if calls.is_empty() {
                return most;
            }
            most = most.max(calls.len());
            for (place, call) in calls.into_iter().enumerate() {
                let reply = if place < self.calls_max {
                    self.carry_out(&call.command)
                } else {
                    StoreReply::Failed
                };
                engine.on_store(call.id, reply, now);
            }
        }
    }

    fn carry_out(&mut self, command: &StoreCommand) -> StoreReply {
        match command {
            StoreCommand::Count { key, previous, amount, .. } => {
                let total = self.counts.entry(key.clone()).or_default();
                *total += *amount as i64;
                let total = *total;
                let previous = previous.as_ref().and_then(|key| self.counts.get(key));
                StoreReply::Counted { total, previous: previous.copied().unwrap_or(0) }
            }
            StoreCommand::Uncount { key, amount, .. } => {
                *self.counts.entry(key.clone()).or_default() -= *amount as i64;
                StoreReply::Uncounted
            }
            StoreCommand::Lease { .. } => StoreReply::Failed,
        }
    }
}

#[test]
fn all_keys_are_counted_again_however_few_calls_the_store_takes_at_a_time() {
    const KEYS: usize = 2000;
    let mut process = Process::with_leases(1, true, 2 * KEYS);
    process.set_store(true);
    let mut store = Counters { calls_max: usize::MAX, ..Counters::default() };
    for key in 0..KEYS {
        let matched = process.matched(&[("window", &format!("k{key}"), 6)]);
        assert_eq!(process.ask_as(0, &matched, Action::Take), None);
    }
    store.answer(&mut process.engines[0], process.now);
    assert_eq!(process.engines[0].take_finished().len(), KEYS);
    for _ in 0..120 {
        process.tick();
        store.answer(&mut process.engines[0], process.now);
    }
    assert!(process.engines[0].is_idle());
    store = Counters { calls_max: 100, ..Counters::default() };
    let view = StoreView { incarnation: 2, ..process.engines[0].view };
    process.engines[0].set_store(view, process.now);
    let mut most = store.answer(&mut process.engines[0], process.now);
    for _ in 0..100 {
        process.tick();
        most = most.max(store.answer(&mut process.engines[0], process.now));
    }
    assert!(most <= 2 * RECOUNTS_MAX, "{most} calls at once");
    let (marks, counts): (Vec<_>, Vec<_>) =
        store.counts.iter().partition(|(key, _)| key.ends_with(b":lost"));
    assert_eq!((marks.len(), counts.len()), (KEYS, KEYS));
    assert!(counts.iter().all(|(_, count)| **count >= 6));
    assert!(process.engines[0].is_idle(), "all have been told that they are counted");
}
