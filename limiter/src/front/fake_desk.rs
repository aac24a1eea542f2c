//! A desk for tests of fronts.
//!
//! Job: note what is asked, and answer as the test says. In: questions. Out: verdicts at once, or later in
//! the order that the test wants. Invariant: what is asked is noted as one line each.

use std::collections::VecDeque;
use std::fmt::Write as _;

use ringlet_limit::algorithm::{Outcome, algorithm_by_name};
use ringlet_limit::model::{Limit, Mode, OnStoreFailure, Rule, Rules};
use ringlet_limit::request::{Action, GivenLimit, LimitRef, Part, Verdict};
use ringlet_limit::rules::RuleSet;
use ringlet_limit::time::{NS_PER_S, Now};

use super::{BadQuestion, Desk, Flow, Front, Question};

/// The desk.
pub struct FakeDesk {
    /// What was asked, and what was to be done.
    pub asked: Vec<String>,
    /// The next answers; when there are none, all is allowed.
    pub answers: VecDeque<Result<Verdict, BadQuestion>>,
    /// Whether answers come later.
    pub is_slow: bool,
    /// Answers that are still to come.
    pub waiting: Vec<(u32, Verdict)>,
    /// Whether the process is about to end.
    pub is_draining: bool,
    rules: RuleSet,
}

impl Default for FakeDesk {
    /// With the rules `burst` (100 a minute) and `daily` (1000 a day).
    fn default() -> Self {
        let rules = vec![rule("burst", 100, 60).into(), rule("daily", 1000, 86_400).into()];
        let rules = Rules { rules, ..Rules::default() };
        Self {
            asked: Vec::new(),
            answers: VecDeque::new(),
            is_slow: false,
            waiting: Vec::new(),
            is_draining: false,
            rules: RuleSet::compile(&rules, None, 1).expect("the rules are right"),
        }
    }
}

fn rule(name: &str, count: u64, period_s: u64) -> Rule {
    let algorithm = algorithm_by_name("fixed-window").expect("an algorithm");
    let period_ns = period_s * NS_PER_S;
    Rule {
        name: name.to_owned(),
        domain: None,
        conditions: Vec::new(),
        descriptor: None,
        key: Vec::new(),
        limit: Some(Limit { algorithm, count, period_ns, burst: count, calendar: None }),
        cost: 1,
        is_shadow: false,
        is_quota: false,
        mode: Mode::Hard,
        on_store_failure: OnStoreFailure::Share,
        is_local: false,
    }
}

impl FakeDesk {
    /// One whose answers come later.
    pub fn slow() -> Self {
        Self { is_slow: true, ..Self::default() }
    }

    /// What a rule of this desk says.
    pub fn part(&self, name: &str, outcome: Outcome) -> Part {
        let found = self.rules.slots().find(|(_, rule)| rule.name == name);
        let (slot, _) = found.expect("a rule of this desk");
        Part { limit: LimitRef::Rule(slot), descriptor: None, outcome, is_shadow: false }
    }

    /// The oldest answer that waits comes, or the newest.
    pub fn deliver(&mut self, front: &mut dyn Front, is_newest: bool, out: &mut Vec<u8>) -> Flow {
        let place = if is_newest { self.waiting.len() - 1 } else { 0 };
        let (ticket, verdict) = self.waiting.remove(place);
        front.answer(ticket, &verdict, self, out)
    }
}

/// A verdict of one limit that the question brought along: 10 in a minute, at most 5 at once.
pub fn given(outcome: Outcome) -> Verdict {
    let algorithm = algorithm_by_name("gcra").expect("an algorithm");
    let limit = GivenLimit { algorithm, count: 10, period_ns: 60 * NS_PER_S, burst: 5 };
    let part = Part { limit: LimitRef::Given(limit), descriptor: None, outcome, is_shadow: false };
    Verdict { is_allowed: outcome.is_allowed, parts: vec![part], ..Verdict::default() }
}

impl Desk for FakeDesk {
    fn ask(
        &mut self,
        ticket: u32,
        question: &Question<'_>,
        action: Action,
        verdict: &mut Verdict,
    ) -> Result<bool, BadQuestion> {
        self.asked.push(format!("{action:?} {}", line(question)));
        let allowed = || Ok(Verdict { is_allowed: true, ..Verdict::default() });
        let answer = self.answers.pop_front().unwrap_or_else(allowed)?;
        if self.is_slow {
            self.waiting.push((ticket, answer));
            return Ok(false);
        }
        *verdict = answer;
        Ok(true)
    }

    fn now(&self) -> Now {
        Now::at_ms(1_700_000_000_500)
    }

    fn rules(&self) -> &RuleSet {
        &self.rules
    }

    fn is_draining(&self) -> bool {
        self.is_draining
    }
}

fn line(question: &Question<'_>) -> String {
    let mut line = String::new();
    let written = match question {
        Question::Rule { name, key, cost } => {
            write!(line, "rule {name} {} {cost:?}", key.escape_ascii())
        }
        Question::Given { key, limit, cost } => {
            let GivenLimit { algorithm, count, period_ns, burst } = limit;
            let (name, key) = (algorithm.name, key.escape_ascii());
            write!(line, "given {name} {key} {count}/{period_ns} {burst} {cost}")
        }
        Question::Request(request) => {
            let mut written = write!(line, "request [{}] {:?}", request.domain, request.cost);
            for one in request.descriptors {
                let (entries, cost, limit) = (&one.entries, one.cost, one.limit);
                written = written.and(write!(line, " {entries:?} {cost:?} {limit:?}"));
            }
            if let Some(http) = request.http {
                let text = |bytes: &[u8]| bytes.escape_ascii().to_string();
                let (method, path, host) =
                    (text(http.method()), text(http.path()), text(http.host()));
                let user = http.header("x-user").map(text);
                let client = http.client();
                written = written.and(write!(line, " {method} {path} {host} {user:?} {client:?}"));
            }
            written
        }
    };
    written.expect("a string takes all");
    line
}
