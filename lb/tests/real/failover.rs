//! Servers that are killed, started again, stopped and continued, while clients count every answer.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use crate::harness::{Balancer, SetAtEnd, wait_until};
use crate::nginx::Nginx;

const CLIENTS: usize = 8;
/// Answers between two blows, so that each of them meets running traffic.
const PROGRESS: usize = 200;
const KILLS: usize = 6;

/// Two servers that are checked often.
struct Pair {
    servers: [Nginx; 2],
    balancer: Balancer,
}

/// What became of a request: a status, or how it was lost.
type Outcome = Result<u16, String>;

impl Pair {
    fn start(settings: &str) -> Self {
        let servers = NAMES.map(Nginx::start);
        let described: Vec<String> = servers
            .iter()
            .zip(NAMES)
            .map(|(nginx, name)| format!("{} name={name}", nginx.address))
            .collect();
        let check = "check = { http = \"/health\", interval = \"100ms\", timeout = \"1s\", \
                     fall = 2, rise = 1 }";
        let balancer = Balancer::http(2, &described, &format!("{check}\n{settings}"));
        Self { servers, balancer }
    }

    /// What became of the requests of clients that ask one after the other while something happens.
    fn ask_during(
        &mut self,
        method: &str,
        happens: impl FnOnce(&mut [Nginx; 2], &Balancer, &AtomicUsize),
    ) -> HashMap<usize, Outcome> {
        let (next, answered, is_over) =
            (AtomicUsize::new(0), AtomicUsize::new(0), AtomicBool::new(false));
        let outcomes = Mutex::new(HashMap::new());
        let balancer = &self.balancer;
        thread::scope(|scope| {
            // Also when what happens panics, or the clients would never end.
            let _end = SetAtEnd(&is_over);
            for _ in 0..CLIENTS {
                scope.spawn(|| {
                    let mut client = balancer.connect();
                    while !is_over.load(Ordering::Relaxed) {
                        let id = next.fetch_add(1, Ordering::Relaxed);
                        let answer = client.ask(method, &target(id), b"");
                        if answer.as_ref().map_or(true, |answer| answer.closes) {
                            client = balancer.connect();
                        }
                        let outcome =
                            answer.map(|answer| answer.status).map_err(|why| why.to_string());
                        outcomes.lock().expect("no panic").insert(id, outcome);
                        answered.fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
            happens(&mut self.servers, balancer, &answered);
        });
        let outcomes = outcomes.into_inner().expect("no panic");
        assert_eq!(outcomes.len(), next.into_inner(), "every request has an outcome");
        outcomes
    }

    /// How often servers have done each piece of work.
    fn work(&self) -> HashMap<String, usize> {
        let mut times = HashMap::new();
        for line in self.servers.iter().flat_map(Nginx::work_log) {
            let target = line.split(' ').nth(1).expect("a target").to_owned();
            *times.entry(target).or_default() += 1;
        }
        times
    }
}

const NAMES: [&str; 2] = ["a", "b"];

fn target(id: usize) -> String {
    format!("/work?{id}")
}

/// Kills servers in turn, and starts each again.
fn kill_in_turn(servers: &mut [Nginx; 2], balancer: &Balancer, answered: &AtomicUsize) {
    for kill in 0..KILLS {
        wait_for_progress(answered);
        let (nginx, name) = (&mut servers[kill % 2], NAMES[kill % 2]);
        await_line(balancer, name, "DOWN", || nginx.kill());
        wait_for_progress(answered);
        await_line(balancer, name, "UP", || nginx.start_again());
    }
    wait_for_progress(answered);
}

/// Stops one server, and has it go on.
fn stop_and_continue(servers: &mut [Nginx; 2], balancer: &Balancer, answered: &AtomicUsize) {
    for _ in 0..2 {
        wait_for_progress(answered);
        await_line(balancer, NAMES[0], "DOWN", || servers[0].signal("-STOP"));
        await_line(balancer, NAMES[0], "UP", || servers[0].signal("-CONT"));
    }
    wait_for_progress(answered);
}

fn wait_for_progress(answered: &AtomicUsize) {
    let before = answered.load(Ordering::Relaxed);
    wait_until("clients go on", || answered.load(Ordering::Relaxed) >= before + PROGRESS);
}

/// Does something, and waits until the balancer has found the server so.
fn await_line(balancer: &Balancer, name: &str, state: &str, act: impl FnOnce()) {
    let text = format!("server api/{name} is {state}");
    let before = balancer.count_lines(&text);
    act();
    balancer.wait_for_lines(&text, before + 1);
}

/// Every GET was answered 200, and none without having been served.
fn assert_none_lost(pair: &Pair, outcomes: &HashMap<usize, Outcome>) {
    let lost: Vec<_> = outcomes.iter().filter(|(_, outcome)| **outcome != Ok(200)).collect();
    assert!(lost.is_empty(), "{} of {}: {lost:?}", lost.len(), outcomes.len());
    let work = pair.work();
    assert!(outcomes.keys().all(|&id| work.contains_key(&target(id))));
}

/// No POST was served twice, and those answered 200 were served; few failed.
fn assert_none_doubled(pair: &Pair, outcomes: &HashMap<usize, Outcome>, failures_max: usize) {
    let work = pair.work();
    let doubled: Vec<_> = work.iter().filter(|(_, times)| **times > 1).collect();
    assert!(doubled.is_empty(), "{doubled:?}");
    let mut failed = Vec::new();
    for (&id, outcome) in outcomes {
        match outcome {
            Ok(200) => assert!(work.contains_key(&target(id)), "{id} was never served"),
            // The balancer says so when it does not know what became of a request.
            Ok(502) => failed.push(id),
            other => panic!("{other:?} for {id}"),
        }
    }
    assert!(failed.len() <= failures_max, "{} of {} failed", failed.len(), outcomes.len());
}

#[test]
fn no_get_is_lost_when_servers_are_killed() {
    let mut pair = Pair::start("");
    let outcomes = pair.ask_during("GET", kill_in_turn);
    assert_none_lost(&pair, &outcomes);
}

#[test]
fn no_get_is_lost_when_a_server_is_stopped() {
    let mut pair = Pair::start("");
    let outcomes = pair.ask_during("GET", stop_and_continue);
    assert_none_lost(&pair, &outcomes);
}

#[test]
fn no_post_is_done_twice_when_servers_are_killed() {
    let mut pair = Pair::start("");
    let outcomes = pair.ask_during("POST", kill_in_turn);
    // At most what was on the connections that the killed server had.
    assert_none_doubled(&pair, &outcomes, KILLS * CLIENTS);
}

#[test]
fn no_post_is_done_twice_when_a_server_is_stopped() {
    let mut pair = Pair::start("");
    let outcomes = pair.ask_during("POST", stop_and_continue);
    // A server that goes on answers what it had got.
    assert_none_doubled(&pair, &outcomes, 0);
}
