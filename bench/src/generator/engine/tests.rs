//! Job: hold the generator against servers whose behaviour is known.
//! In: servers made of threads that answer lines. Out: failed assertions.
//! Invariant: nothing here depends on how fast the machine is.

use std::io::Write;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use super::test_lines::{CLOSED, Lines, PAUSE, Seen, echo, lines, open, plan, serve};
use super::{Stream, run};
use crate::generator::outcome::{Ended, Outcome};
use crate::generator::plan::{Gaps, Limit, OUTSTANDING_MAX, Pace, Plan, StreamPlan};
use crate::generator::traffic::Seat;

fn measure(plan: &Plan) -> Result<Outcome, String> {
    let stop = Arc::new(AtomicBool::new(false));
    run(plan, "lines".to_owned(), lines(plan.nodes.len()), &mut Seen::default(), &stop)
}

#[test]
fn an_open_loop_shows_a_stall_and_a_closed_one_hides_it() {
    let stall = Duration::from_millis(100);
    let stalling = move |number: u64, line: &str, stream: &mut TcpStream| {
        if number == 60 {
            thread::sleep(stall);
        }
        echo(number, line, stream)
    };
    let outcome = measure(&plan(serve(stalling), open(1000.0), 1)).expect("a run");
    assert_eq!((outcome.ended, outcome.total.requests), (Ended::Complete, 400));
    // A hundred requests were meant to be sent meanwhile: a quarter waited for half of it on average.
    assert!(outcome.total.latency.quantile_us(0.999) >= 95_000.0);
    assert!(outcome.total.latency.quantile_us(0.9) >= 40_000.0);
    let stall_us = stall.as_micros() as f64;
    let mut plan = plan(serve(stalling), CLOSED, 1);
    plan.limit = Limit::Requests(3000);
    let outcome = measure(&plan).expect("a run");
    assert_eq!(outcome.total.requests, 3000);
    assert!(outcome.total.latency.max_us() >= stall_us, "one request of all waited");
    let waited = outcome.total.latency.0.count_between(90_000_000, u64::MAX);
    assert_eq!(waited, 1, "and nobody else could");
}

#[test]
fn rates_are_held_over_cores_and_warm_up_does_not_count() {
    let mut plan = plan(serve(echo), open(2000.0), 6);
    plan.cores = 3;
    plan.warm_up = Duration::from_millis(200);
    plan.limit = Limit::Time(Duration::from_millis(1000));
    let stop = Arc::new(AtomicBool::new(false));
    let mut seen = Seen::default();
    let outcome = run(&plan, String::new(), lines(1), &mut seen, &stop).expect("a run");
    assert_eq!(outcome.total.requests, 2000);
    assert_eq!(outcome.offered_rate, Some(2000.0));
    assert_eq!(outcome.kinds["LINE"].requests, 2000);
    let counts: u64 = seen.0.iter().map(|interval| interval.figures.requests).sum();
    assert_eq!(counts, 2400, "intervals have the warm-up too");
    let numbers: Vec<u64> = seen.0.iter().map(|interval| interval.second).collect();
    assert_eq!(numbers[..2], [0, 1], "and what came late, if it did");
    let warm_up: Vec<f64> = seen.0.iter().filter(|i| i.is_warm_up).map(|i| i.length_s).collect();
    assert_eq!(warm_up, [0.2]);
    assert_eq!(outcome.seconds.len(), seen.0.len());
}

#[test]
fn bursts_keep_the_rate_and_end_with_what_is_counted() {
    let pace = Pace::Open { rate: 3000.0, gaps: Gaps::Equal, burst: 3 };
    let plan = plan(SocketAddr::from(([127, 0, 0, 1], 1)), pace, 2);
    let seat = Seat { core: 0, cores: 1, is_probe: false };
    let limit = Limit::Requests(10);
    let mut stream = Stream::new(&plan, &plan.stream, limit, seat, lines(1)(seat));
    let mut take = |now_ns| {
        let mut turns = Vec::new();
        stream.take_turns(now_ns, &mut turns).expect("few wait");
        turns.iter().map(|turn| (turn.client, turn.intended_ns / 1_000_000)).collect::<Vec<_>>()
    };
    assert_eq!(take(0), [(0, 0); 3]);
    assert_eq!(take(900_000), []);
    assert_eq!(take(2_100_000), [[(1, 1); 3], [(0, 2); 3]].concat());
    assert_eq!(take(9_000_000), [(1, 3)]);
    assert_eq!(stream.unanswered(), 10);
}

#[test]
fn a_closed_loop_sends_what_is_counted_and_no_more() {
    let seen = Arc::new(AtomicU64::new(0));
    let count = seen.clone();
    let address = serve(move |number, line, stream| {
        count.fetch_add(1, Ordering::Relaxed);
        echo(number, line, stream)
    });
    let mut plan = plan(address, Pace::Closed { pipeline: 7 }, 5);
    plan.cores = 2;
    plan.limit = Limit::Requests(1003);
    let outcome = measure(&plan).expect("a run");
    assert_eq!((outcome.ended, outcome.total.requests), (Ended::Complete, 1003));
    assert_eq!(seen.load(Ordering::Relaxed), 1003 + 5, "and a greeting of each client");
    assert_eq!((outcome.unanswered, outcome.errors.len()), (0, 0));
}

#[test]
fn each_request_goes_to_its_server() {
    let check = |node: u64| {
        serve(move |number, line, stream| {
            // The greeting goes to all.
            let good = line == format!("n{node}") || line == "n0";
            echo(number, if good { line } else { "wrong server" }, stream)
        })
    };
    let mut plan = plan(check(0), Pace::Closed { pipeline: 4 }, 3);
    plan.nodes.extend([check(1), check(2)]);
    plan.limit = Limit::Requests(300);
    let outcome = measure(&plan).expect("a run");
    assert_eq!((outcome.total.requests, outcome.total.refused), (300, 0), "{:?}", outcome.errors);
}

#[test]
fn without_pipelining_a_connection_has_one_request_at_a_time() {
    let busy = Arc::new(AtomicU64::new(0));
    let most = Arc::new(AtomicU64::new(0));
    let (now, high) = (busy.clone(), most.clone());
    let address = serve(move |number, line, stream| {
        high.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        thread::sleep(Duration::from_millis(5));
        now.fetch_sub(1, Ordering::SeqCst);
        echo(number, line, stream)
    });
    let mut plan = plan(address, open(1000.0), 2);
    plan.limit = Limit::Time(Duration::from_millis(100));
    let stop = Arc::new(AtomicBool::new(false));
    let one = |seat| Lines { pipelines: false, greets: false, ..lines(1)(seat) };
    let outcome = run(&plan, String::new(), one, &mut Seen::default(), &stop).expect("a run");
    assert_eq!((outcome.ended, outcome.total.requests), (Ended::Complete, 100));
    // Two connections of 5 ms serve 400 a second: the last ones wait for 150 ms.
    assert!(outcome.total.latency.max_us() > 100_000.0);
    assert!(outcome.rate < 500.0, "what was answered late was not served at the offered rate");
    assert!(most.load(Ordering::SeqCst) <= 2);
    let late_us = outcome.lateness.quantile_us(0.5);
    assert!(late_us < 30_000.0, "the server kept them waiting, not the generator: {late_us}");
}

#[test]
fn a_generator_that_stands_still_is_late_by_its_own_fault() {
    for pipelines in [true, false] {
        let mut plan = plan(serve(echo), open(1000.0), 2);
        plan.limit = Limit::Time(Duration::from_millis(200));
        let stop = Arc::new(AtomicBool::new(false));
        let pausing =
            move |seat| Lines { pipelines, pauses_at: 100, greets: false, ..lines(1)(seat) };
        let outcome =
            run(&plan, String::new(), pausing, &mut Seen::default(), &stop).expect("a run");
        let pause_us = PAUSE.as_micros() as f64;
        assert!(outcome.total.latency.max_us() >= pause_us * 0.95, "{pipelines}");
        assert!(outcome.lateness.max_us() >= pause_us * 0.95, "{pipelines}");
        assert!(outcome.own_pause_max_us >= pause_us, "{pipelines}");
        let late = outcome.lateness.0.count_between(10_000_000, u64::MAX);
        assert!(late >= 40, "{pipelines}: {late} were late by more than 10 ms");
    }
    let mut plan = plan(serve(echo), CLOSED, 1);
    plan.limit = Limit::Requests(200);
    let stop = Arc::new(AtomicBool::new(false));
    let pausing = move |seat| Lines { pauses_at: 100, greets: false, ..lines(1)(seat) };
    let outcome = run(&plan, String::new(), pausing, &mut Seen::default(), &stop).expect("a run");
    assert!(
        outcome.own_pause_max_us >= PAUSE.as_micros() as f64 - 1000.0,
        "closed loops pause too"
    );
}

#[test]
fn a_server_that_dies_leaves_what_was_measured() {
    let address = serve(|number, line, stream| number < 500 && echo(number, line, stream));
    let outcome = measure(&plan(address, open(5000.0), 2)).expect("a part of a run");
    let Ended::Failed(problem) = &outcome.ended else { panic!("{:?}", outcome.ended) };
    assert!(problem.contains(&address.to_string()) && problem.contains("no reply"), "{problem}");
    assert!((400..500).contains(&outcome.total.requests), "{}", outcome.total.requests);
    assert!(outcome.unanswered > 0 && outcome.elapsed_s > 0.05 && outcome.elapsed_s < 0.4);
}

#[test]
fn nobody_there_and_a_refused_greeting_are_errors_at_once() {
    let free = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = free.local_addr().expect("an address");
    drop(free);
    let problem = measure(&plan(address, CLOSED, 3)).expect_err("nobody listens");
    assert!(problem.contains("refused") && problem.contains(&address.to_string()), "{problem}");
    let closed = serve(|_, _, stream| writeln!(stream, "NOAUTH").is_err());
    let problem = measure(&plan(closed, CLOSED, 3)).expect_err("a refused greeting");
    assert!(problem.contains("NOAUTH"), "{problem}");
}

#[test]
fn error_replies_are_counted_by_their_text_and_nonsense_ends_the_run() {
    let address = serve(|number, line, stream| {
        echo(number, if number % 10 == 9 { "ERR no" } else { line }, stream)
    });
    let mut errors = plan(address, CLOSED, 1);
    errors.limit = Limit::Requests(100);
    let outcome = measure(&errors).expect("a run");
    assert_eq!((outcome.total.refused, outcome.errors["ERR no"]), (10, 10));
    let address =
        serve(|number, line, stream| echo(number, if number < 50 { line } else { "?" }, stream));
    let outcome = measure(&plan(address, CLOSED, 1)).expect("a part of a run");
    assert!(matches!(&outcome.ended, Ended::Failed(why) if why.contains("no line")));
    assert_eq!(outcome.total.requests, 49);
}

#[test]
fn a_client_whose_connection_ends_takes_another() {
    let address = serve(|number, line, stream| {
        // Every third reply is the last one of its connection.
        let last = number % 3 == 2;
        echo(number, if last { "closing" } else { line }, stream) && !last
    });
    let mut closing = plan(address, CLOSED, 2);
    closing.limit = Limit::Requests(200);
    let stop = Arc::new(AtomicBool::new(false));
    let plain = |seat| Lines { greets: false, ..lines(1)(seat) };
    let outcome = run(&closing, String::new(), plain, &mut Seen::default(), &stop).expect("a run");
    assert_eq!((outcome.ended, outcome.total.requests), (Ended::Complete, 200));
    // What was sent behind it goes to the next connection.
    let mut pipelined = plan(address, Pace::Closed { pipeline: 4 }, 2);
    pipelined.limit = Limit::Requests(200);
    let outcome =
        run(&pipelined, String::new(), plain, &mut Seen::default(), &stop).expect("a run");
    assert_eq!((outcome.ended, outcome.total.requests), (Ended::Complete, 200));
    // By plan: each request has a connection of its own.
    let connections = Arc::new(AtomicU64::new(0));
    let count = connections.clone();
    let address = serve(move |number, line, stream| {
        count.fetch_add(1, Ordering::Relaxed);
        echo(number, line, stream)
    });
    let mut fresh = plan(address, CLOSED, 2);
    fresh.reconnects = true;
    fresh.limit = Limit::Requests(100);
    let outcome = measure(&fresh).expect("a run");
    assert_eq!((outcome.ended, outcome.total.requests), (Ended::Complete, 100));
    let greetings = connections.load(Ordering::Relaxed) - 100;
    assert!((100..=102).contains(&greetings), "{greetings} greetings");
    // An open loop waits for a connection then, and replies that come one by one end none too early.
    let slow = |number, line: &str, stream: &mut TcpStream| {
        thread::sleep(Duration::from_millis(1));
        echo(number, line, stream)
    };
    for pace in [open(10_000.0), Pace::Closed { pipeline: 5 }] {
        let mut fresh = plan(serve(slow), pace, 2);
        fresh.reconnects = true;
        fresh.limit = Limit::Requests(100);
        let outcome = measure(&fresh).expect("a run");
        assert_eq!((outcome.ended, outcome.total.requests), (Ended::Complete, 100));
    }
}

#[test]
fn a_signal_ends_a_run_in_good_order() {
    let stop = Arc::new(AtomicBool::new(false));
    let flag = stop.clone();
    let address = serve(move |number, line, stream| {
        if number == 100 {
            flag.store(true, Ordering::Relaxed);
        }
        echo(number, line, stream)
    });
    let mut plan = plan(address, open(1000.0), 2);
    plan.limit = Limit::Time(Duration::from_secs(3600));
    let outcome = run(&plan, String::new(), lines(1), &mut Seen::default(), &stop).expect("a run");
    assert_eq!(outcome.ended, Ended::Interrupted);
    assert!(outcome.total.requests >= 98 && outcome.unanswered == 0);
    assert!(outcome.elapsed_s < 60.0);
}

#[test]
fn what_waited_for_a_connection_when_a_signal_came_is_told() {
    let stop = Arc::new(AtomicBool::new(false));
    let flag = stop.clone();
    let address = serve(move |number, line, stream| {
        if number == 10 {
            thread::sleep(Duration::from_millis(300));
            flag.store(true, Ordering::Relaxed);
            thread::sleep(Duration::from_millis(50));
        }
        echo(number, line, stream)
    });
    let mut plan = plan(address, open(1000.0), 1);
    plan.limit = Limit::Time(Duration::from_secs(3600));
    let one = |seat| Lines { pipelines: false, greets: false, ..lines(1)(seat) };
    let outcome = run(&plan, String::new(), one, &mut Seen::default(), &stop).expect("a run");
    assert_eq!(outcome.ended, Ended::Interrupted);
    assert!(outcome.unanswered >= 250, "{} of 300", outcome.unanswered);
}

#[test]
fn a_bystander_is_measured_by_itself() {
    let mut plan = plan(serve(echo), CLOSED, 2);
    plan.cores = 2;
    plan.probe = Some(StreamPlan { clients: 1, keeps_to_node: false, pace: open(500.0) });
    plan.limit = Limit::Requests(2000);
    let outcome = measure(&plan).expect("a run");
    assert_eq!(outcome.total.requests, 2000);
    let probe = outcome.probe.expect("a bystander");
    assert!(probe.requests > 0 && probe.refused == 0);
}

#[test]
fn what_waits_for_a_server_is_bounded() {
    // A rate that no machine makes: the first look at the clock finds millions of requests due.
    let outcome = measure(&plan(serve(echo), open(1e12), 1)).expect("a part of a run");
    let Ended::Failed(problem) = outcome.ended else { panic!("{:?}", outcome.ended) };
    assert!(problem.contains("does not keep up"), "{problem}");
    assert!(outcome.unanswered <= (OUTSTANDING_MAX + 1) as u64, "{}", outcome.unanswered);
    // Large requests that nobody takes.
    let address = serve(|_, _, _| {
        thread::sleep(Duration::from_secs(3600));
        false
    });
    let stop = Arc::new(AtomicBool::new(false));
    let large = |seat| Lines { greets: false, padding: 8 << 20, ..lines(1)(seat) };
    let mut plan = plan(address, open(10_000.0), 3);
    plan.limit = Limit::Time(Duration::from_secs(3600));
    let outcome = run(&plan, String::new(), large, &mut Seen::default(), &stop).expect("a run");
    let Ended::Failed(problem) = outcome.ended else { panic!("{:?}", outcome.ended) };
    assert!(problem.contains("bytes of requests wait"), "{problem}");
}
