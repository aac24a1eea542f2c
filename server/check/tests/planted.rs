//! Job: show that the judges see what they are there to see: histories of a model of the sharded
//! server pass while it follows all its rules, and are refused once a rule is switched off.
//! In: seeds. Out: for each fault, which judges find it.

mod model;

use model::{Fault, Model};
use ringlet_check::client::Reply;
use ringlet_check::history::linear::Verdict;
use ringlet_check::history::stream::{Observation, Write};
use ringlet_check::history::{Event, Request, Violation, append, linear, stream};
use ringlet_check::random::Choices;

/// Runs of the sound model, all of which must pass.
const SOUND_SEEDS: u64 = 60;
/// Runs of a model with a fault, one of which must be refused.
const FAULT_SEEDS: u64 = 400;
const SESSIONS: usize = 6;
/// Keys; the last digit says the shard.
const TEXTS: [&str; 4] = ["t0", "t1", "t2", "u1"];
const LISTS: [&str; 3] = ["l0", "l1", "l2"];

fn two<'a>(choices: &mut Choices, keys: &[&'a str]) -> [&'a str; 2] {
    let first = choices.below(keys.len());
    [keys[first], keys[(first + 1 + choices.below(keys.len() - 1)) % keys.len()]]
}

/// What the clients recorded. A model with a fault may also lock up; that is no history to judge.
fn record(
    fault: Fault,
    seed: u64,
    count: usize,
    burst: impl FnMut(&mut Choices, usize) -> Vec<Request>,
) -> Vec<Event> {
    let recorded = Model::new(fault, seed, SESSIONS).run(count, burst);
    assert!(recorded.is_some() || fault != Fault::None, "seed {seed}: the model locked up");
    recorded.unwrap_or_default()
}

/// Commands of all kinds that the model knows, judged by the search for an order.
fn any_commands(fault: Fault, seed: u64) -> Result<(), Violation> {
    let mut next = 0;
    let history = record(fault, seed, 60, |choices, _| {
        let mut requests = Vec::new();
        for _ in 0..=choices.below(3) {
            next += 1;
            let value = format!("v{next}");
            let ([a, b], [from, to]) = (two(choices, &TEXTS), two(choices, &LISTS));
            let one = match choices.below(10) {
                0 | 1 => Request::command(&["SET", a, &value]),
                2 => Request::command(&["GET", a]),
                3 => Request::command(&["MSET", a, &value, b, &value]),
                4 | 5 => Request::command(&["MGET", a, b]),
                6 => Request::command(&["LMOVE", from, to, "LEFT", "RIGHT"]),
                7 => Request::command(&["RPUSH", from, &value]),
                8 => Request::transaction(&[
                    &["LRANGE", from, "0", "-1"],
                    &["LRANGE", to, "0", "-1"],
                ]),
                _ => {
                    requests.push(Request::command(&["WATCH", a, b]));
                    requests.push(Request::command(&["MGET", a, b]));
                    Request::transaction(&[&["SET", a, &value], &["GET", b]])
                }
            };
            requests.push(one);
        }
        requests
    });
    match linear::check(&history) {
        Verdict::Serializable => Ok(()),
        Verdict::Broken(violation) => Err(violation),
        Verdict::Undecided => panic!("seed {seed}: the search gave up"),
    }
}

/// Appends and reads, judged by the graph of dependences.
fn appends(fault: Fault, seed: u64) -> Result<(), Violation> {
    let mut next = 0;
    let history = record(fault, seed, 250, |choices, _| {
        let mut requests = Vec::new();
        for _ in 0..=choices.below(3) {
            next += 2;
            let [a, b] = two(choices, &LISTS);
            let (one, other) = (next.to_string(), (next + 1).to_string());
            let request = match choices.below(6) {
                0 => Request::command(&["RPUSH", a, &one]),
                1 => Request::command(&["LRANGE", a, "0", "-1"]),
                2 => Request::transaction(&[&["RPUSH", a, &one], &["RPUSH", b, &other]]),
                3 | 4 => {
                    Request::transaction(&[&["LRANGE", a, "0", "-1"], &["LRANGE", b, "0", "-1"]])
                }
                _ => {
                    requests.push(Request::command(&["WATCH", a, b]));
                    requests.push(Request::command(&["LRANGE", a, "0", "-1"]));
                    requests.push(Request::command(&["LRANGE", b, "0", "-1"]));
                    Request::transaction(&[&["RPUSH", a, &one]])
                }
            };
            requests.push(request);
        }
        requests
    });
    append::check(&history)
}

/// One session that only writes, others that only read, judged by positions.
fn one_writer(fault: Fault, seed: u64) -> Result<(), Violation> {
    let mut versions = [0u64; TEXTS.len()];
    let history = record(fault, seed, 250, |choices, session| {
        let burst = 1 + choices.below(4);
        let mut request = || {
            let key = choices.below(TEXTS.len());
            if session == 0 {
                versions[key] += 1;
                return Request::command(&["SET", TEXTS[key], &versions[key].to_string()]);
            }
            let [a, b] = two(choices, &TEXTS);
            if choices.percent(50) {
                Request::command(&["GET", a])
            } else {
                Request::command(&["MGET", a, b])
            }
        };
        (0..burst).map(|_| request()).collect()
    });
    let index = |key: &String| TEXTS.iter().position(|text| text == key).expect("a known key");
    let (mut writes, mut observations) = (Vec::new(), Vec::new());
    for Event { session, invoked_ns, completed_ns, request, reply } in history {
        let Request::Command(words) = request else { panic!("only single commands are sent") };
        if session == 0 {
            writes.push(Write { keys: vec![index(&words[1])], invoked_ns, completed_ns });
            continue;
        }
        let replies = match reply {
            Reply::Array(replies) => replies,
            single => vec![single],
        };
        let version = |reply: &Reply| reply.integer().map_or(0, |version| version as u64);
        let seen = words[1..].iter().map(index).zip(replies.iter().map(version)).collect();
        observations.push(Observation { session, invoked_ns, completed_ns, seen });
    }
    stream::check(&writes, &observations)
}

type Judge = (&'static str, fn(Fault, u64) -> Result<(), Violation>);

const LINEAR: Judge = ("linear", any_commands);
const APPEND: Judge = ("append", appends);
const STREAM: Judge = ("stream", one_writer);

/// Each of `judges` must refuse a history of a model with `fault`.
fn must_be_found(fault: Fault, judges: &[Judge]) {
    for (name, judge) in judges {
        let seed = (0..FAULT_SEEDS).find(|&seed| judge(fault, seed).is_err());
        println!("{name} finds {fault:?} with seed {seed:?}");
        assert!(seed.is_some(), "{name} accepts all histories of a model with {fault:?}");
    }
}

#[test]
fn a_server_that_follows_the_rules_passes() {
    for seed in 0..SOUND_SEEDS {
        for (name, judge) in [LINEAR, APPEND, STREAM] {
            if let Err(violation) = judge(Fault::None, seed) {
                panic!("{name} with seed {seed}: {violation}");
            }
        }
    }
}

#[test]
fn without_the_sequencer_transactions_cross() {
    must_be_found(Fault::NoSequencer, &[LINEAR, APPEND, STREAM]);
}

#[test]
fn publishing_before_all_is_reserved_breaks_order() {
    must_be_found(Fault::PublishBeforeReserve, &[LINEAR, APPEND, STREAM]);
}

#[test]
fn a_pipeline_that_reserves_outside_the_sequencer_crosses_a_multi_key_read() {
    must_be_found(Fault::PipelineWithoutSequencer, &[LINEAR, APPEND, STREAM]);
}

#[test]
fn local_commands_must_not_overtake_the_queue() {
    must_be_found(Fault::InlinePastQueue, &[LINEAR, APPEND, STREAM]);
}

#[test]
fn local_commands_must_not_overtake_their_own_pipeline() {
    must_be_found(Fault::InlinePastPipeline, &[LINEAR, APPEND, STREAM]);
}

#[test]
fn a_watch_flag_loses_updates() {
    must_be_found(Fault::WatchFlag, &[LINEAR, APPEND]);
}

#[test]
fn a_move_without_locks_is_seen_half_done() {
    must_be_found(Fault::MoveWithoutLock, &[LINEAR]);
}
