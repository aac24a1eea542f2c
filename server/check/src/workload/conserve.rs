//! Job: changes that span shards and leave a whole whole: transfers, moves, renames, common writes.
//! In: a stage. Out: the verdicts of [`crate::history::conserve`] on every snapshot.
//! Invariant: each scene's data is whole before its actors start, and every request keeps it so.

use std::collections::BTreeSet;

use super::session::step;
use super::{Failure, Stage, Summary};
use crate::client::Reply;
use crate::history::conserve::{check_alike, check_tokens, check_total};
use crate::history::{Event, Request, Violation};
use crate::random::Choices;

const SESSIONS_PER_THREAD: usize = 3;
const MAX_BURST: usize = 3;
const PLACES: usize = 5;
const TOKENS: usize = 6;
const INITIAL_BALANCE: i64 = 100;

/// What is conserved.
#[derive(Clone, Copy, Debug)]
enum Scene {
    /// MULTI of two INCRBY; the sum of all accounts stays.
    Transfer,
    /// SMOVE between sets; each token stays in one.
    SetMove,
    /// LMOVE between lists; each token stays in one.
    ListMove,
    /// RENAME of one key; exactly one of the names exists.
    Rename,
    /// MSET and DEL of all keys at once; they read alike.
    Common,
}

const SCENES: [Scene; 5] =
    [Scene::Transfer, Scene::SetMove, Scene::ListMove, Scene::Rename, Scene::Common];

/// A scene's keys.
struct Places {
    scene: Scene,
    keys: Vec<String>,
}

impl Places {
    fn new(stage: &Stage, scene: Scene) -> Self {
        let offset = stage.choices.fork(scene as u64).below(stage.keys.shards());
        let key =
            |index: usize| stage.keys.on(offset + index, &format!("conserve:{scene:?}:{index}"));
        Self { scene, keys: (0..PLACES).map(key).collect() }
    }

    fn tokens() -> BTreeSet<String> {
        (0..TOKENS).map(|token| format!("token{token}")).collect()
    }

    /// Makes the whole.
    fn setup(&self) -> Vec<Request> {
        let each = |name: &str, argument: &str| {
            self.keys.iter().map(|key| Request::command(&[name, key, argument])).collect()
        };
        let tokens = |name: &str| {
            Self::tokens().iter().map(|t| Request::command(&[name, &self.keys[0], t])).collect()
        };
        match self.scene {
            Scene::Transfer => each("SET", &INITIAL_BALANCE.to_string()),
            Scene::SetMove => tokens("SADD"),
            Scene::ListMove => tokens("RPUSH"),
            Scene::Rename => vec![Request::command(&["SET", &self.keys[0], "treasure"])],
            Scene::Common => each("SET", "start"),
        }
    }

    /// A change that keeps the whole.
    fn act(&self, choices: &mut Choices) -> Request {
        let from = choices.pick(&self.keys);
        let to = choices.pick(&self.keys);
        match self.scene {
            Scene::Transfer => {
                let amount = 1 + choices.below(50);
                let (minus, plus) = (format!("-{amount}"), amount.to_string());
                Request::transaction(&[&["INCRBY", from, &minus], &["INCRBY", to, &plus]])
            }
            Scene::SetMove => {
                let token = format!("token{}", choices.below(TOKENS));
                Request::command(&["SMOVE", from, to, &token])
            }
            Scene::ListMove => {
                let mut end = || *choices.pick(&["LEFT", "RIGHT"]);
                let (from_end, to_end) = (end(), end());
                Request::command(&["LMOVE", from, to, from_end, to_end])
            }
            Scene::Rename => Request::command(&["RENAME", from, to]),
            Scene::Common => match choices.below(4) {
                0 => self.on_all("DEL"),
                1 => self.set_all("MSETNX", choices),
                _ => self.set_all("MSET", choices),
            },
        }
    }

    fn on_all(&self, name: &str) -> Request {
        let words = std::iter::once(name.to_owned()).chain(self.keys.iter().cloned());
        Request::Command(words.collect())
    }

    fn set_all(&self, name: &str, choices: &mut Choices) -> Request {
        let value = choices.below(1 << 30).to_string();
        let pairs = self.keys.iter().flat_map(|key| [key.clone(), value.clone()]);
        Request::Command(std::iter::once(name.to_owned()).chain(pairs).collect())
    }

    /// A snapshot of the whole.
    fn look(&self, choices: &mut Choices) -> Request {
        let each = |name: &str, rest: &[&str]| {
            let words = |key: &String| {
                let mut words = vec![name.to_owned(), key.clone()];
                words.extend(rest.iter().map(|&word| word.to_owned()));
                words
            };
            Request::Transaction(self.keys.iter().map(words).collect())
        };
        match self.scene {
            Scene::Transfer | Scene::Common if choices.percent(50) => self.on_all("MGET"),
            Scene::Transfer | Scene::Common => each("GET", &[]),
            Scene::SetMove if choices.percent(50) => self.on_all("SUNION"),
            Scene::SetMove => each("SMEMBERS", &[]),
            Scene::ListMove => each("LRANGE", &["0", "-1"]),
            Scene::Rename if choices.percent(50) => self.on_all("EXISTS"),
            Scene::Rename => each("EXISTS", &[]),
        }
    }

    /// Judges a snapshot that `look` asked for.
    fn judge(&self, event: &Event) -> Result<(), Failure> {
        let found = match (self.scene, &event.reply) {
            (Scene::Transfer, Reply::Array(items)) => {
                let balances: Option<Vec<i64>> = items.iter().map(Reply::integer).collect();
                let balances = balances.ok_or_else(|| unexpected(event))?;
                check_total(INITIAL_BALANCE * PLACES as i64, &balances)
            }
            (Scene::Common, Reply::Array(items)) => check_alike(items),
            (Scene::SetMove | Scene::ListMove, Reply::Array(items)) => {
                let whole = if items.iter().all(|item| item.items().is_some()) {
                    items.iter().map(texts).collect::<Option<Vec<_>>>()
                } else {
                    texts(&event.reply).map(|union| vec![union])
                };
                check_tokens(&Self::tokens(), &whole.ok_or_else(|| unexpected(event))?)
            }
            (Scene::Rename, reply) => {
                let count = match reply {
                    Reply::Array(items) => items.iter().filter_map(Reply::integer).sum(),
                    other => other.integer().ok_or_else(|| unexpected(event))?,
                };
                check_total(1, &[count])
            }
            _ => return Err(unexpected(event)),
        };
        found.map_err(|violation| {
            Violation::new(violation.rule, format!("{}\n  {event}", violation.evidence)).into()
        })
    }
}

fn texts(reply: &Reply) -> Option<Vec<String>> {
    reply.items()?.iter().map(|item| item.text().map(str::to_owned)).collect()
}

fn unexpected(event: &Event) -> Failure {
    Violation::new("a reply of the wrong kind", event.to_string()).into()
}

/// Runs the workload.
///
/// # Errors
/// See [`Failure`].
pub fn run(stage: &Stage) -> Result<Summary, Failure> {
    let scenes: Vec<Places> = SCENES.iter().map(|&scene| Places::new(stage, scene)).collect();
    let mut session = stage.session()?;
    let mut events = Vec::new();
    for places in &scenes {
        session.send(places.setup())?;
        session.receive_all(&mut events)?;
    }
    let counts = stage.threads(2 * scenes.len(), |thread| {
        let choices = stage.choices.fork(100 + thread as u64);
        let places = &scenes[thread / 2];
        if thread % 2 == 0 {
            run_actors(stage, places, choices)
        } else {
            run_lookers(stage, places, choices)
        }
    })?;
    Ok(Summary { requests: counts.iter().sum(), note: String::new() })
}

fn run_actors(stage: &Stage, places: &Places, mut choices: Choices) -> Result<usize, Failure> {
    let mut sessions = stage.sessions(SESSIONS_PER_THREAD)?;
    let mut events = Vec::new();
    let mut count = 0;
    while stage.running() {
        step(&mut sessions, &mut choices, &mut events, |choices, _| {
            (0..=choices.below(MAX_BURST)).map(|_| places.act(choices)).collect()
        })?;
        count += events.len();
        events.clear();
    }
    for session in &mut sessions {
        session.receive_all(&mut events)?;
    }
    Ok(count + events.len())
}

fn run_lookers(stage: &Stage, places: &Places, mut choices: Choices) -> Result<usize, Failure> {
    let mut sessions = stage.sessions(SESSIONS_PER_THREAD)?;
    let mut events = Vec::new();
    let mut count = 0;
    while stage.running() {
        step(&mut sessions, &mut choices, &mut events, |choices, _| {
            (0..=choices.below(MAX_BURST)).map(|_| places.look(choices)).collect()
        })?;
        count += events.len();
        for event in events.drain(..) {
            places.judge(&event)?;
        }
    }
    Ok(count)
}
