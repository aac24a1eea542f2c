//! Calls and their replies.

use super::fake::{DIGEST, Fake, STORE, Store, UNIX_MS, count, counted, lease, settings, uncount};
use crate::store::StoreReply;

const LEASED: StoreReply =
    StoreReply::Leased { granted: 4, remaining: 6, retry_ms: 0, epoch_ms: 9, holders: 1 };
const LEASE_ANSWER: &str = "*6\r\n:4\r\n:6\r\n:0\r\n:8\r\n:9\r\n:1\r\n";

#[test]
fn calls_go_in_one_pipeline_and_their_replies_come_wherever_the_bytes_are_split() {
    let calls =
        vec![count(1, "rl:{a}:1"), uncount(2, "rl:{a}:1", UNIX_MS + 1000), lease(3, "rl:{b}")];
    let answers = format!(":12\r\n:1\r\n:10\r\n:0\r\n{LEASE_ANSWER}");
    for split in 0..=answers.len() {
        let mut fake = Fake::up(settings(), &STORE);
        fake.submit(calls.clone());
        assert_eq!(
            fake.take_sent(0),
            [
                "INCRBY rl:{a}:1 5",
                "PEXPIREAT rl:{a}:1 1700000060000 NX",
                "DECRBY rl:{a}:1 2",
                "PEXPIREAT rl:{a}:1 1700000060000 NX",
                "RL.LEASE rl:{b} 10 1 1000 00000000000000000000000000000abc 3 0 0 4 1000",
            ]
        );
        fake.bytes(0, &answers[..split]);
        fake.bytes(0, &answers[split..]);
        assert_eq!(fake.replies(), [(1, counted(12)), (2, StoreReply::Uncounted), (3, LEASED)]);
    }
}

#[test]
fn an_old_store_gets_no_nx() {
    let mut fake = Fake::up(settings(), &Store { version: "6.2.6", ..STORE });
    fake.submit(vec![count(1, "rl:{a}:1")]);
    assert_eq!(fake.take_sent(0), ["INCRBY rl:{a}:1 5", "PEXPIREAT rl:{a}:1 1700000060000"]);
}

#[test]
fn before_the_store_is_up_calls_fail_at_once() {
    let mut fake = Fake::new(settings());
    fake.submit(vec![count(1, "a")]);
    assert_eq!(fake.replies(), [(1, StoreReply::Failed)]);
    fake.link.on_connected(0, 0);
    fake.look();
    fake.submit(vec![lease(2, "a"), uncount(3, "a", u64::MAX)]);
    assert_eq!(fake.replies(), [(2, StoreReply::Failed), (3, StoreReply::Failed)]);
    assert!(fake.sent.iter().all(|(_, command)| !command.starts_with("RL.LEASE")));
}

#[test]
fn a_late_reply_is_taken_for_no_other_call() {
    let mut fake = Fake::up(settings(), &STORE);
    fake.submit(vec![count(1, "a"), count(2, "b")]);
    fake.pass_ms(19);
    assert_eq!(fake.replies(), []);
    fake.pass_ms(1);
    assert_eq!(fake.replies(), [(1, StoreReply::Failed), (2, StoreReply::Failed)]);
    fake.submit(vec![count(3, "c")]);
    fake.take_sent(0);
    fake.bytes(0, ":1\r\n:1\r\n:2\r\n:1\r\n");
    assert_eq!(fake.replies(), []);
    fake.bytes(0, ":3\r\n:1\r\n");
    assert_eq!(fake.replies(), [(3, counted(3))]);
    fake.pass_ms(50);
    assert_eq!(fake.replies(), []);
}

#[test]
fn a_lost_connection_fails_what_was_on_its_way_and_sends_none_of_it_again() {
    let mut fake = Fake::up(settings(), &STORE);
    fake.submit(vec![count(1, "a"), count(2, "b"), lease(3, "c")]);
    fake.take_sent(0);
    fake.bytes(0, ":7\r\n:1\r\n:8\r\n");
    fake.link.on_closed(0, "reset", fake.now_ns);
    // The second was counted, and only its end is not known.
    assert_eq!(fake.replies(), [(1, counted(7)), (2, counted(8)), (3, StoreReply::Failed)]);
    assert!(!fake.link.view().is_up);
    let next = fake.pass_until_connect();
    fake.bytes(0, ":7\r\n");
    fake.link.on_connected(next, fake.now_ns);
    fake.look();
    let sent = fake.take_sent(next);
    assert!(sent.iter().all(|command| !command.contains("INCRBY") && !command.contains("LEASE c")));
    assert_eq!(fake.replies(), []);
}

#[test]
fn calls_beyond_the_bound_fail_and_late_ones_still_count() {
    let mut limited = settings();
    limited.calls_max = 2;
    let mut fake = Fake::up(limited, &STORE);
    fake.submit(vec![count(1, "a"), count(2, "b"), count(3, "c")]);
    assert_eq!(fake.replies(), [(3, StoreReply::Failed)]);
    fake.pass_ms(20);
    fake.replies();
    fake.submit(vec![count(4, "a")]);
    assert_eq!(fake.replies(), [(4, StoreReply::Failed)]);
    assert_eq!(fake.take_sent(0).len(), 4);
    fake.bytes(0, ":1\r\n:1\r\n");
    fake.submit(vec![count(5, "a")]);
    assert_eq!(fake.replies(), []);
}

#[test]
fn tokens_are_not_taken_back_when_their_window_may_have_ended() {
    let mut fake = Fake::up(settings(), &STORE);
    let now_ms = UNIX_MS + fake.now_ns / 1_000_000;
    fake.submit(vec![uncount(1, "a", now_ms)]);
    assert_eq!(fake.replies(), [(1, StoreReply::Uncounted)]);
    assert_eq!(fake.take_sent(0), [""; 0]);
    fake.submit(vec![uncount(2, "a", now_ms + 2)]);
    assert_eq!(fake.take_sent(0), ["DECRBY a 2", "PEXPIREAT a 1700000060000 NX"]);
    // A clock of which less is known: the answer came 10 ms after the question.
    let mut fake = Fake::new(settings());
    fake.link.on_connected(0, 0);
    fake.look();
    let time = fake.time();
    fake.now_ns += 10_000_000;
    let sent = fake.take_sent(0);
    let answers = sent.iter().map(|command| match &command[..] {
        "TIME" => time.clone(),
        _ => fake.answer_of(command, &STORE),
    });
    let answers: String = answers.collect();
    fake.bytes(0, &answers);
    // It may be anything from 0 to 10 ms past.
    fake.submit(vec![uncount(3, "a", UNIX_MS + 10)]);
    assert_eq!(fake.replies(), [(3, StoreReply::Uncounted)]);
    fake.submit(vec![uncount(4, "a", UNIX_MS + 11)]);
    assert_eq!(fake.take_sent(0), ["DECRBY a 2", "PEXPIREAT a 1700000060000 NX"]);
}

#[test]
fn a_store_without_leases_gets_the_script_and_gets_it_again_when_it_has_lost_it() {
    let mut fake = Fake::up(settings(), &Store { has_lease: false, ..STORE });
    fake.submit(vec![lease(1, "rl:{a}"), lease(2, "rl:{b}")]);
    let numbers = "10 1 1000 00000000000000000000000000000abc";
    let asked = [
        format!("EVALSHA {DIGEST} 1 rl:{{a}} {numbers} 1 0 0 4 1000"),
        format!("EVALSHA {DIGEST} 1 rl:{{b}} {numbers} 2 0 0 4 1000"),
    ];
    assert_eq!(fake.take_sent(0), asked);
    let lost = "-NOSCRIPT No matching script. Please use EVAL.\r\n";
    fake.bytes(0, &format!("{lost}{lost}"));
    let again = fake.take_sent(0);
    assert!(again[0].starts_with("SCRIPT LOAD "), "{again:?}");
    assert_eq!(again[1..], asked);
    fake.bytes(0, &format!("{}{LEASE_ANSWER}{LEASE_ANSWER}", super::fake::bulk(DIGEST)));
    assert_eq!(fake.replies(), [(1, LEASED), (2, LEASED)]);
    // A store that never has it is not asked for ever.
    fake.submit(vec![lease(3, "rl:{a}")]);
    for _ in 0..10 {
        for command in fake.take_sent(0) {
            let is_load = command.starts_with("SCRIPT");
            fake.bytes(0, if is_load { "-ERR no\r\n" } else { lost });
        }
    }
    assert_eq!(fake.replies(), [(3, StoreReply::Failed)]);
    assert!(fake.link.view().is_up);
}

#[test]
fn errors_fail_their_call_only_and_sick_stores_are_left() {
    let mut fake = Fake::up(settings(), &STORE);
    let wrong = "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n";
    for id in 0..20 {
        fake.submit(vec![count(id, "a")]);
        fake.bytes(0, &format!("{wrong}:1\r\n"));
        assert_eq!(fake.replies(), [(id, StoreReply::Failed)]);
    }
    assert!(fake.link.view().is_up);
    let notices = fake.link.take_notices();
    assert_eq!(notices.len(), 1, "{notices:?}");
    for error in ["LOADING Redis is loading", "OOM command not allowed", "MISCONF errors"] {
        let mut fake = Fake::up(settings(), &STORE);
        for id in 0..3 {
            assert!(fake.link.view().is_up, "{error} {id}");
            fake.submit(vec![count(id, "a")]);
            fake.bytes(0, &format!("-{error}\r\n-{error}\r\n"));
            assert_eq!(fake.replies(), [(id, StoreReply::Failed)]);
        }
        assert!(!fake.link.view().is_up, "{error}");
        assert_eq!(fake.closes, []);
    }
    let mut fake = Fake::up(settings(), &STORE);
    fake.submit(vec![count(1, "a"), count(2, "b")]);
    fake.bytes(0, "-READONLY You can't write against a read only replica.\r\n:0\r\n:1\r\n");
    assert_eq!(fake.replies(), [(1, StoreReply::Failed), (2, StoreReply::Failed)]);
    assert_eq!((fake.link.view().is_up, &fake.closes[..]), (false, &[0][..]));
}

#[test]
fn a_connection_is_lost_once_however_many_calls_say_so() {
    let mut fake = Fake::up(settings(), &STORE);
    fake.submit((0..20).map(|id| count(id, "a")).collect());
    fake.bytes(0, &"-READONLY no\r\n".repeat(3));
    fake.link.on_closed(0, "late", fake.now_ns);
    assert_eq!(fake.replies().len(), 20);
    let lost_ns = fake.now_ns;
    fake.pass_until_connect();
    assert!(fake.now_ns - lost_ns <= 51_000_000, "the first pause");
}

#[test]
fn what_is_no_reply_or_was_not_asked_for_ends_the_connection() {
    for bad in ["hello\r\n", ":1\r\n:1\r\n:1\r\n", ":x\r\n", "\r\n"] {
        let mut fake = Fake::up(settings(), &STORE);
        fake.submit(vec![count(1, "a")]);
        fake.bytes(0, bad);
        assert_eq!(fake.replies().len(), 1, "{bad:?}");
        assert_eq!((fake.link.view().is_up, &fake.closes[..]), (false, &[0][..]), "{bad:?}");
    }
    let mut fake = Fake::up(settings(), &STORE);
    fake.submit(vec![count(1, "a")]);
    fake.bytes(0, "$99999999\r\n");
    for _ in 0..80 {
        fake.bytes(0, &"x".repeat(1 << 16));
    }
    assert_eq!(fake.closes, [0]);
}
