//! Job: hold the generator against servers whose behaviour is known.
//! In: servers made of threads that answer lines. Out: failed assertions.
//! Invariant: nothing here depends on how fast the machine is.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use super::{Stream, Watch, run};
use crate::generator::outcome::{Ended, Interval, Outcome};
use crate::generator::plan::{DRAIN_TIMEOUT, Gaps, Limit, OUTSTANDING_MAX, Pace, Plan, StreamPlan};
use crate::generator::traffic::{Answer, Asked, Judged, Seat, Traffic};

/// Asks with lines that hold the number of the server, and wants them back.
pub struct Lines {
    pub kinds: Vec<String>,
    pub nodes: u16,
    pub drawn: u64,
    pub pipelines: bool,
    pub greets: bool,
    /// Bytes that each request is longer.
    pub padding: usize,
    /// Stands still at the request of that number.
    pub pauses_at: u64,
}

const PAUSE: Duration = Duration::from_millis(60);

impl Traffic for Lines {
    fn pipelines(&self) -> bool {
        self.pipelines
    }

    fn repeats(&self) -> bool {
        !self.pipelines
    }

    fn kinds(&self) -> &[String] {
        &self.kinds
    }

    fn greeting(&mut self, output: &mut Vec<u8>) -> usize {
        if self.greets {
            output.extend_from_slice(b"n0\n");
        }
        usize::from(self.greets)
    }

    fn draw(&mut self, only: Option<u16>) -> Asked {
        self.drawn += 1;
        if self.drawn == self.pauses_at {
            thread::sleep(PAUSE);
        }
        let node = only.unwrap_or((self.drawn % u64::from(self.nodes)) as u16);
        Asked { node, ..Asked::default() }
    }

    fn encode(&mut self, asked: &Asked, output: &mut Vec<u8>) {
        output.extend(std::iter::repeat_n(b' ', self.padding));
        output.extend_from_slice(format!("n{}\n", asked.node).as_bytes());
    }

    fn judge(&mut self, asked: &Asked, input: &[u8]) -> Result<Option<Judged>, String> {
        let Some(end) = input.iter().position(|&byte| byte == b'\n') else { return Ok(None) };
        if input[0] == b'?' {
            return Err("it is no line".to_owned());
        }
        let expected = format!("n{}", asked.node);
        let good = &input[..end] == expected.as_bytes();
        let answer = if good { Answer::Good } else { Answer::Refused };
        Ok(Some(Judged { length: end + 1, answer, closes: input[0] == b'c' }))
    }

    fn explain(&self, _: &Asked, reply: &[u8]) -> String {
        String::from_utf8_lossy(reply).trim().to_owned()
    }
}

/// What a server does with the line of that number; false to close the connection.
type Behave = dyn Fn(u64, &str, &mut TcpStream) -> bool + Send + Sync;

pub fn serve(
    behave: impl Fn(u64, &str, &mut TcpStream) -> bool + Send + Sync + 'static,
) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let behave: Arc<Behave> = Arc::new(behave);
    let number = Arc::new(AtomicU64::new(0));
    thread::spawn(move || {
        while let Ok((mut stream, _)) = listener.accept() {
            let (behave, number) = (behave.clone(), number.clone());
            thread::spawn(move || {
                stream.set_nodelay(true).expect("a socket");
                let reader = BufReader::new(stream.try_clone().expect("a clone"));
                for line in reader.lines().map_while(Result::ok) {
                    if !behave(number.fetch_add(1, Ordering::Relaxed), &line, &mut stream) {
                        return;
                    }
                }
            });
        }
    });
    address
}

pub fn echo(_: u64, line: &str, stream: &mut TcpStream) -> bool {
    writeln!(stream, "{line}").is_ok()
}

pub fn plan(address: SocketAddr, pace: Pace, clients: usize) -> Plan {
    Plan {
        nodes: vec![address],
        cores: 1,
        stream: StreamPlan { clients, keeps_to_node: false, pace },
        probe: None,
        seed: 1,
        warm_up: Duration::ZERO,
        limit: Limit::Time(Duration::from_millis(400)),
        drain: DRAIN_TIMEOUT,
        reconnects: false,
        shares_cpu: true,
    }
}

pub const CLOSED: Pace = Pace::Closed { pipeline: 1 };

pub fn open(rate: f64) -> Pace {
    Pace::Open { rate, gaps: Gaps::Equal, burst: 1 }
}

#[derive(Default)]
pub struct Seen(pub Vec<Interval>);

impl Watch for Seen {
    fn second(&mut self, interval: &Interval) {
        self.0.push(interval.clone());
    }
}

pub fn lines(nodes: usize) -> impl Fn(Seat) -> Lines + Send + Clone {
    move |_| Lines {
        kinds: vec!["LINE".to_owned()],
        nodes: nodes as u16,
        drawn: 0,
        pipelines: true,
        greets: true,
        padding: 0,
        pauses_at: u64::MAX,
    }
}

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
