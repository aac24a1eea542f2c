//! Job: hold the generator against servers that end connections, or never answer.
//! In: servers made of threads that answer lines. Out: failed assertions.
//! Invariant: nothing here depends on how fast the machine is.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use super::run;
use super::test_lines::{CLOSED, Lines, Seen, echo, lines, open, plan, serve};
use crate::generator::outcome::{Ended, Outcome};
use crate::generator::plan::{Limit, Plan, RETIRED_SOCKETS_MAX};

/// As HTTP has it: no greeting, one request at a time.
fn measure(plan: &Plan, stop: &Arc<AtomicBool>) -> Outcome {
    let traffic = |seat| Lines { pipelines: false, greets: false, ..lines(1)(seat) };
    run(plan, String::new(), traffic, &mut Seen::default(), stop).expect("a run")
}

fn nobody_stops() -> Arc<AtomicBool> {
    Arc::new(AtomicBool::new(false))
}

#[test]
fn a_request_that_meets_the_end_of_an_idle_connection_is_sent_again() {
    let lost = Arc::new(AtomicU64::new(0));
    let count = lost.clone();
    // Every fifth request finds its connection closed without an answer or a word before.
    let address = serve(move |number, line, stream| {
        let closes = number % 5 == 4;
        count.fetch_add(u64::from(closes), Ordering::Relaxed);
        !closes && echo(number, line, stream)
    });
    let mut plan = plan(address, CLOSED, 1);
    plan.limit = Limit::Requests(100);
    let outcome = measure(&plan, &nobody_stops());
    assert_eq!((outcome.ended, outcome.total.requests), (Ended::Complete, 100));
    assert_eq!((outcome.unanswered, outcome.total.refused), (0, 0));
    assert!(lost.load(Ordering::Relaxed) >= 20);
}

#[test]
fn a_connection_that_never_answered_is_not_tried_again() {
    let outcome = measure(&plan(serve(|_, _, _| false), CLOSED, 1), &nobody_stops());
    assert!(matches!(outcome.ended, Ended::Failed(_)), "{:?}", outcome.ended);
}

#[test]
fn ends_that_are_announced_and_do_not_come_are_made() {
    let open_ones = Arc::new(AtomicU64::new(0));
    let most = Arc::new(AtomicU64::new(0));
    let (now, high) = (open_ones.clone(), most.clone());
    let address = serve(move |number, _, stream| {
        high.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        let answered = echo(number, "closing", stream);
        // The server holds on to it; only the client ends it.
        let mut byte = [0];
        let _ = std::io::Read::read(stream, &mut byte);
        now.fetch_sub(1, Ordering::SeqCst);
        answered
    });
    let count = RETIRED_SOCKETS_MAX as u64 * 3;
    let mut plan = plan(address, CLOSED, 2);
    plan.limit = Limit::Requests(count);
    let outcome = measure(&plan, &nobody_stops());
    assert_eq!((outcome.ended, outcome.total.requests), (Ended::Complete, count));
    assert!(
        most.load(Ordering::SeqCst) < count / 2,
        "{} were open at a time",
        most.load(Ordering::SeqCst)
    );
}

#[test]
fn a_server_that_does_not_keep_up_is_given_up_some_time_after_the_end() {
    let address = serve(|number, line, stream| {
        thread::sleep(Duration::from_millis(10));
        echo(number, line, stream)
    });
    // Ten seconds of work are meant for the first tenth of a second.
    let mut plan = plan(address, open(10_000.0), 1);
    plan.limit = Limit::Time(Duration::from_millis(100));
    plan.drain = Duration::from_millis(300);
    let outcome = measure(&plan, &nobody_stops());
    let Ended::Failed(why) = &outcome.ended else { panic!("{:?}", outcome.ended) };
    assert!(why.contains("no reply 0.3 s after"), "{why}");
    assert!(outcome.total.requests > 0 && outcome.unanswered > 500, "{outcome:?}");
    assert_eq!(outcome.total.requests + outcome.unanswered, 1000);
}

#[test]
fn an_interrupted_run_does_not_wait_long_for_a_silent_server() {
    let stop = nobody_stops();
    let flag = stop.clone();
    let address = serve(move |number, line, stream| {
        if number < 10 {
            return echo(number, line, stream);
        }
        flag.store(true, Ordering::Relaxed);
        true
    });
    let mut plan = plan(address, CLOSED, 1);
    plan.limit = Limit::Time(Duration::from_secs(3600));
    plan.drain = Duration::from_secs(3600);
    let outcome = measure(&plan, &stop);
    assert_eq!((outcome.ended, outcome.unanswered), (Ended::Interrupted, 1));
    assert_eq!(outcome.total.requests, 10);
}
