//! Tests of ejection: what ejects, for how long, what brings back, and what never happens.

use super::*;
use ringlet_base::random::Random;

const EJECTION: Ejection = Ejection {
    consecutive_failures: 5,
    interval_ms: 10_000,
    base_ms: 30_000,
    max_ms: 300_000,
    max_percent: 50,
    success_requests_min: 100,
    success_hosts_min: 5,
    success_deviation_thousandths: 1900,
};

const FACTS: Facts = Facts {
    successes: 0,
    failures: 0,
    consecutive_failures: 0,
    can_serve: true,
    check_passed_ms: i64::MIN,
    recovered_ms: i64::MIN,
};

/// A pool with the facts that its servers would have, and changes applied as the owner does.
struct Run {
    ejector: Ejector,
    facts: Vec<Facts>,
    now_ms: i64,
}

impl Run {
    fn new(ejection: Ejection, servers: usize) -> Self {
        let ejector = Ejector::new(ejection, servers, 0);
        Self { ejector, facts: vec![FACTS; servers], now_ms: 0 }
    }

    fn fail(&mut self, server: usize, times: u32) {
        self.facts[server].consecutive_failures += times;
        self.facts[server].failures += u64::from(times);
    }

    fn serve(&mut self, server: usize, successes: u64, failures: u64) {
        self.facts[server].successes += successes;
        self.facts[server].failures += failures;
    }

    fn poll(&mut self, now_ms: i64) -> Vec<Change> {
        assert!(now_ms >= self.now_ms, "time goes on");
        self.now_ms = now_ms;
        let mut changes = Vec::new();
        self.ejector.poll(now_ms, &self.facts, &mut changes);
        for change in &changes {
            if let Change::Return { server, .. } = change {
                self.facts[*server].consecutive_failures = 0;
            }
        }
        changes
    }

    fn ejected(&self) -> Vec<usize> {
        (0..self.facts.len()).filter(|&server| self.ejector.is_ejected(server)).collect()
    }

    /// Ejects server 0 for failures in a row; returns how long that is to last.
    fn eject_first(&mut self, now_ms: i64) -> i64 {
        self.fail(0, EJECTION.consecutive_failures);
        match self.poll(now_ms)[..] {
            [Change::Eject { server: 0, until_ms, .. }] => until_ms - now_ms,
            ref other => panic!("{other:?}"),
        }
    }
}

fn back(server: usize, by_check: bool) -> Vec<Change> {
    vec![Change::Return { server, by_check }]
}

#[test]
fn failures_in_a_row_eject_at_once_and_time_brings_back() {
    let mut run = Run::new(EJECTION, 4);
    run.fail(2, 4);
    assert_eq!(run.poll(10), []);
    run.fail(2, 1);
    let reason = Reason::Consecutive(5);
    assert_eq!(reason.to_string(), "5 failures in a row");
    assert_eq!(run.poll(20), [Change::Eject { server: 2, until_ms: 30_020, reason }]);
    assert_eq!(run.poll(21), [], "once is enough");
    assert_eq!(run.ejector.next_poll_ms(), 10_000);
    assert_eq!((run.poll(29_990), run.ejector.next_poll_ms()), (vec![], 30_020));
    assert_eq!(run.poll(30_019), []);
    assert_eq!(run.poll(30_020), back(2, false));
    assert!(run.ejected().is_empty());
    assert_eq!(run.poll(30_020), [], "nor does it go again for what it was ejected for");
}

#[test]
fn failures_of_before_are_not_held_against_a_server_that_returns() {
    let mut run = Run::new(EJECTION, 4);
    run.eject_first(0);
    let mut changes = Vec::new();
    // The facts of the poll that brings it back still show the old failures.
    run.ejector.poll(30_000, &run.facts, &mut changes);
    assert_eq!(changes, back(0, false));
}

#[test]
fn a_limit_of_nothing_never_ejects() {
    let mut run = Run::new(Ejection { consecutive_failures: 0, ..EJECTION }, 4);
    run.fail(0, 1_000_000);
    assert_eq!(run.poll(0), []);
}

#[test]
fn ejections_in_a_row_last_twice_as_long_each_up_to_the_longest() {
    let mut run = Run::new(EJECTION, 4);
    let mut lengths_s = Vec::new();
    let mut now_ms = 0;
    for _ in 0..100 {
        let length_ms = run.eject_first(now_ms);
        lengths_s.push(length_ms / 1000);
        now_ms += length_ms;
        assert_eq!(run.poll(now_ms), back(0, false));
        now_ms += 1000;
    }
    assert_eq!(lengths_s[..6], [30, 60, 120, 240, 300, 300]);
    assert!(lengths_s[6..].iter().all(|&length_s| length_s == 300));
}

#[test]
fn good_service_is_forgiven_step_by_step() {
    let mut run = Run::new(EJECTION, 4);
    let mut now_ms = 0;
    let mut eject_after = |served_ms: i64| {
        now_ms += served_ms;
        let length_ms = run.eject_first(now_ms);
        now_ms += length_ms;
        assert_eq!(run.poll(now_ms), back(0, false));
        length_ms / 1000
    };
    assert_eq!([1, 1, 1].map(&mut eject_after), [30, 60, 120]);
    // It has served as long as the last ejection lasted: one step is forgiven, the fourth is the
    // third.
    assert_eq!(eject_after(120_000), 120);
    assert_eq!(eject_after(119_999), 240);
    assert_eq!(eject_after(2 * 240_000), 120);
    assert_eq!(eject_after(86_400_000), 30, "after a day it begins anew");
}

#[test]
fn no_more_than_the_share_is_ejected_the_worst_first() {
    let mut run = Run::new(Ejection { max_percent: 30, ..EJECTION }, 10);
    for server in 0..10 {
        run.fail(server, 10 + server as u32);
    }
    assert_eq!(run.poll(0).len(), 3);
    assert_eq!(run.ejected(), [7, 8, 9]);
    assert_eq!(run.poll(1), []);
    // When places become free, others that still fail take them.
    let changes = run.poll(30_000);
    assert_eq!(changes.len(), 6, "{changes:?}");
    assert_eq!(run.ejected(), [4, 5, 6]);
}

#[test]
fn one_may_always_be_ejected_but_never_the_last() {
    let mut run = Run::new(Ejection { max_percent: 1, ..EJECTION }, 3);
    (0..3).for_each(|server| run.fail(server, 9));
    run.poll(0);
    assert_eq!(run.ejected(), [0], "1 % of 3 is one");

    let mut run = Run::new(Ejection { max_percent: 100, ..EJECTION }, 3);
    (0..3).for_each(|server| run.fail(server, 9));
    run.poll(0);
    assert_eq!(run.ejected(), [0, 1], "the last one stays");

    let mut run = Run::new(Ejection { max_percent: 100, ..EJECTION }, 1);
    run.fail(0, 100);
    assert_eq!(run.poll(0), []);
}

#[test]
fn servers_that_are_down_are_no_reserve_and_are_not_ejected() {
    let mut run = Run::new(Ejection { max_percent: 100, ..EJECTION }, 3);
    run.facts[1].can_serve = false;
    run.facts[2].can_serve = false;
    run.fail(0, 9);
    run.fail(1, 9);
    assert_eq!(run.poll(0), [], "neither the last that serves nor one that does not");
    run.facts[2].can_serve = true;
    run.poll(1);
    assert_eq!(run.ejected(), [0]);
}

#[test]
fn a_passing_check_brings_back_if_it_is_credible() {
    let mut run = Run::new(EJECTION, 4);
    run.facts[0].check_passed_ms = 0;
    run.eject_first(1000);
    assert_eq!(run.poll(1500), [], "it began before the ejection");
    run.facts[0].check_passed_ms = 2000;
    assert_eq!(run.poll(2001), [], "an ejection lasts an interval at least");
    run.facts[0].check_passed_ms = 11_000;
    assert_eq!(run.poll(11_005), back(0, true));
    // Ejected again soon: its checks see nothing of what requests meet.
    assert_eq!(run.eject_first(12_000), 60_000);
    run.facts[0].check_passed_ms = 71_000;
    assert_eq!(run.poll(71_999), []);
    assert_eq!(run.poll(72_000), back(0, false));
}

#[test]
fn a_check_that_has_seen_the_failure_too_brings_back_at_once_and_each_time() {
    let mut run = Run::new(EJECTION, 4);
    for now_ms in [1000, 2000] {
        run.eject_first(now_ms);
        run.facts[0].check_passed_ms = now_ms + 5;
        run.facts[0].can_serve = false;
        assert_eq!(run.poll(now_ms + 10), [], "it is down");
        run.facts[0].can_serve = true;
        run.facts[0].recovered_ms = now_ms + 20;
        assert_eq!(run.poll(now_ms + 20), back(0, true));
    }
    assert_eq!(run.eject_first(3000), 120_000, "ejections in a row count all the same");
}

#[test]
fn a_flapping_server_is_out_for_ever_larger_parts_of_the_time() {
    let mut run = Run::new(EJECTION, 4);
    let mut served_ms = 0;
    for now_ms in (0..3_600_000).step_by(100) {
        if !run.ejector.is_ejected(0) {
            served_ms += 100;
            run.fail(0, 1);
        }
        // Its check passes all the time.
        run.facts[0].check_passed_ms = now_ms;
        run.poll(now_ms);
    }
    assert!(served_ms < 20_000, "{served_ms} ms of an hour");
}

/// Plays one interval in which each server has 1000 requests, `rates` thousandths of them good.
fn interval(run: &mut Run, end_ms: i64, rates: &[u64]) -> Vec<Change> {
    for (server, &good) in rates.iter().enumerate() {
        run.serve(server, good, 1000 - good);
    }
    run.poll(end_ms)
}

#[test]
fn a_low_success_rate_ejects_only_beside_better_ones() {
    let mut run = Run::new(EJECTION, 6);
    run.poll(10_000);
    let rates = [1000, 1000, 1000, 1000, 900, 1000];
    let changes = interval(&mut run, 20_000, &rates);
    // Mean 98.33, deviation 3.727: 98.33 - 1.9 * 3.727 = 91.25.
    let [Change::Eject { server: 4, until_ms: 50_000, reason }] = &changes[..] else {
        panic!("{changes:?}");
    };
    assert_eq!(reason.to_string(), "success rate 90.0 %, below 91.3 %");
    // When all are equally bad, nobody is an outlier.
    let mut run = Run::new(EJECTION, 6);
    run.poll(10_000);
    assert_eq!(interval(&mut run, 20_000, &[300; 6]), []);
    assert_eq!(interval(&mut run, 30_000, &[300, 310, 290, 300, 310, 290]), []);
}

#[test]
fn success_rates_need_requests_and_servers() {
    let cases = [
        Ejection { success_requests_min: 1001, ..EJECTION },
        Ejection { success_requests_min: 0, ..EJECTION },
        Ejection { success_hosts_min: 7, ..EJECTION },
    ];
    for ejection in cases {
        let mut run = Run::new(ejection, 6);
        run.poll(10_000);
        assert_eq!(interval(&mut run, 20_000, &[1000, 1000, 1000, 1000, 0, 1000]), []);
    }
}

#[test]
fn the_lowest_success_rate_goes_first() {
    let ejection = Ejection { max_percent: 10, success_deviation_thousandths: 1000, ..EJECTION };
    let mut run = Run::new(ejection, 10);
    run.poll(10_000);
    let rates = [1000, 1000, 500, 1000, 300, 1000, 400, 1000, 1000, 1000];
    interval(&mut run, 20_000, &rates);
    assert_eq!(run.ejected(), [4]);
}

#[test]
fn what_an_ejected_server_still_answers_is_no_measure_for_others() {
    let mut run = Run::new(EJECTION, 7);
    run.poll(10_000);
    run.eject_first(10_001);
    // Requests that were under way end badly. Counted in, they would hide that server 3 is worse
    // than the others: mean 84.1, deviation 34.5.
    let changes = interval(&mut run, 20_000, &[0, 1000, 1000, 890, 1000, 1000, 1000]);
    assert!(matches!(changes[..], [Change::Eject { server: 3, .. }]), "{changes:?}");
}

#[test]
fn only_what_happened_in_the_interval_counts() {
    let mut run = Run::new(EJECTION, 6);
    // The past of before the first interval is nobody's fault now: a reload may have begun anew
    // here.
    run.serve(3, 0, 1_000_000);
    assert_eq!(run.poll(10_000), []);
    assert_eq!(interval(&mut run, 20_000, &[1000; 6]), []);
    // A bad interval counts in the middle of a long good history.
    (0..6).for_each(|server| run.serve(server, 1_000_000, 0));
    assert_eq!(run.poll(30_000), []);
    let changes = interval(&mut run, 40_000, &[1000, 1000, 1000, 0, 1000, 1000]);
    assert!(matches!(changes[..], [Change::Eject { server: 3, .. }]), "{changes:?}");
    // Between the ends of intervals rates are not looked at.
    run.serve(2, 0, 100_000);
    assert_eq!(run.poll(41_000), []);
}

#[test]
fn counters_that_begin_anew_mislead_nobody() {
    let mut run = Run::new(EJECTION, 6);
    (0..6).for_each(|server| run.serve(server, 5000, 0));
    run.poll(10_000);
    run.facts[1].successes = 0;
    run.facts[1].failures = 500;
    let changes = interval(&mut run, 20_000, &[1000, 0, 1000, 1000, 1000, 1000]);
    assert_eq!(changes, []);
}

#[test]
fn a_reload_keeps_ejections_by_server() {
    let mut run = Run::new(EJECTION, 3);
    run.eject_first(0);
    // The ejected server is the last now, one is new, one is gone.
    let shorter = Ejection { interval_ms: 1000, ..EJECTION };
    run.ejector.reconfigure(shorter, &[Some(1), None, Some(0), Some(99)], 2000);
    run.facts = vec![FACTS; 4];
    assert_eq!((run.ejected(), run.ejector.next_poll_ms()), (vec![2], 3000));
    assert_eq!(run.poll(30_000), back(2, false));
}

/// Random pools and random facts over a year: the promises of the file's header at every step.
#[test]
fn the_promises_hold_over_a_long_time() {
    for seed in 0..40 {
        println!("seed {seed}");
        let mut random = Random::new(seed);
        let servers = 1 + random.below(12) as usize;
        let max_percent = random.below(101) as u8;
        let mut run = Run::new(Ejection { max_percent, ..EJECTION }, servers);
        let allowed = (servers * usize::from(max_percent) / 100).max(1);
        let mut now_ms = 0;
        for _ in 0..500 {
            let pause_ms = if random.below(20) == 0 { 7 * 86_400_000 } else { 9000 };
            now_ms += random.below(pause_ms) as i64;
            for facts in &mut run.facts {
                facts.can_serve = random.below(5) > 0;
                facts.consecutive_failures = random.below(9) as u32;
                facts.successes += random.below(500);
                facts.failures += random.below(200);
                if random.below(3) == 0 {
                    facts.check_passed_ms = now_ms - random.below(20_000) as i64;
                }
            }
            let before = run.ejected();
            let changes = run.poll(now_ms);
            assert!(run.ejected().len() <= allowed, "{:?}", run.ejected());
            let serving = |run: &Run| {
                (0..servers).any(|one| run.facts[one].can_serve && !run.ejector.is_ejected(one))
            };
            for change in &changes {
                match *change {
                    Change::Eject { server, until_ms, .. } => {
                        assert!(run.ejector.is_ejected(server) && serving(&run));
                        assert!((30_000..=300_000).contains(&(until_ms - now_ms)));
                    }
                    Change::Return { server, .. } => assert!(before.contains(&server)),
                }
            }
            assert!(run.ejector.next_poll_ms() > now_ms);
        }
    }
}
