//! Greeting, breaker, clock, members.

use super::super::LinkAction;
use super::fake::{Fake, STORE, Store, UNIX_MS, bulk, count, counted, settings};
use crate::store::StoreReply;
use crate::time::NS_PER_MS;

#[test]
fn the_greeting_asks_who_is_there_and_the_view_says_so() {
    let mut given = settings();
    given.username = Some("me".to_owned());
    given.password = Some("secret".to_owned());
    let mut fake = Fake::new(given);
    assert_eq!(fake.connects, [(0, "store:6379".to_owned())]);
    let view = fake.link.view();
    assert_eq!((view.is_up, view.nodes, view.incarnation), (false, 1, 0));
    fake.now_ns = 3 * NS_PER_MS;
    fake.link.on_connected(0, fake.now_ns);
    fake.look();
    let sent = fake.sent.iter().map(|(_, text)| &text[..]).collect::<Vec<_>>();
    assert_eq!(
        sent,
        [
            "AUTH me secret",
            "TIME",
            "CLIENT SETNAME ringlet-limiter-00000000000000000000000000000abc",
            "INFO server",
            "INFO replication",
            "INFO memory",
            "COMMAND INFO RL.LEASE",
        ]
    );
    fake.answer_all(0, &STORE);
    let view = fake.link.view();
    assert_eq!((view.is_up, view.incarnation), (true, 1));
    assert_eq!(view.clock_offset_ms, UNIX_MS as i64);
    assert!(view.clock_error_ms <= 3, "{view:?}");
    assert_eq!(fake.link.take_notices(), [""; 0]);
}

#[test]
fn a_greeting_is_understood_wherever_it_is_split() {
    let mut fake = Fake::new(settings());
    fake.link.on_connected(0, 0);
    fake.look();
    let sent = fake.take_sent(0);
    let answers: String = sent.iter().map(|command| fake.answer_of(command, &STORE)).collect();
    for split in 0..answers.len() {
        let mut fake = Fake::new(settings());
        fake.link.on_connected(0, 0);
        fake.bytes(0, &answers[..split]);
        assert!(!fake.link.view().is_up, "{split}");
        fake.bytes(0, &answers[split..]);
        assert!(fake.link.view().is_up, "{split}");
    }
}

#[test]
fn servers_that_cannot_be_used_are_left_with_a_reason() {
    let refuse = |question: &str, answer: &str, store: &Store| {
        let mut fake = Fake::new(settings());
        fake.link.on_connected(0, 0);
        fake.look();
        let sent = fake.take_sent(0);
        let answers = sent.iter().map(|command| match command == question {
            true => answer.to_owned(),
            false => fake.answer_of(command, store),
        });
        let answers: String = answers.collect();
        fake.bytes(0, &answers);
        assert!(!fake.link.view().is_up);
        assert_eq!(fake.closes, [0]);
        fake.link.take_notices().join("\n")
    };
    let said = refuse("INFO server", "-NOAUTH Authentication \x1brequired.\r\n", &STORE);
    assert_eq!(said, "store store:6379: NOAUTH Authentication ?required.");
    assert_eq!(
        refuse("TIME", "-ERR no\r\n", &STORE),
        "store store:6379: it does not tell the time"
    );
    let replica = Store { role: "slave", ..STORE };
    assert_eq!(refuse("", "", &replica), "store store:6379: it is a replica");
}

#[test]
fn loose_policies_are_warned_of() {
    let mut fake = Fake::up(settings(), &Store { policy: "allkeys-lru", ..STORE });
    let notices = fake.link.take_notices();
    assert!(notices.len() == 1 && notices[0].contains("allkeys-lru"), "{notices:?}");
}

#[test]
fn the_incarnation_changes_with_the_process_and_only_with_it() {
    let mut fake = Fake::up(settings(), &STORE);
    for (run_id, incarnation) in [("run1", 1), ("run2", 2), ("run2", 2), ("run1", 3)] {
        let last = fake.connects.last().expect("connected").0;
        fake.link.on_closed(last, "reset", fake.now_ns);
        let next = fake.pass_until_connect();
        fake.greet(next, &Store { run_id, ..STORE });
        let view = fake.link.view();
        assert_eq!((view.is_up, view.incarnation), (true, incarnation), "{run_id}");
    }
}

#[test]
fn nothing_is_concluded_from_the_clock_of_a_former_server() {
    let mut fake = Fake::up(settings(), &STORE);
    assert!(fake.link.view().clock_error_ms <= 3);
    fake.link.on_closed(0, "reset", fake.now_ns);
    let next = fake.pass_until_connect();
    fake.link.on_connected(next, fake.now_ns);
    fake.look();
    // The next one may show anything of these 10 ms.
    let time = fake.time();
    fake.now_ns += 10 * NS_PER_MS;
    let sent = fake.take_sent(next);
    let answers = sent.iter().map(|command| match &command[..] {
        "TIME" => time.clone(),
        _ => fake.answer_of(command, &STORE),
    });
    let answers: String = answers.collect();
    fake.bytes(next, &answers);
    let view = fake.link.view();
    assert!(view.is_up && view.clock_error_ms >= 5, "{view:?}");
}

#[test]
fn addresses_are_tried_in_turn_with_growing_pauses() {
    let mut several = settings();
    several.addresses = vec!["a:1".to_owned(), "b:2".to_owned()];
    let mut fake = Fake::new(several);
    let mut former_ns = fake.now_ns;
    for whole_ms in [50, 100, 200, 400, 800, 1600, 2000, 2000] {
        let last = fake.connects.last().expect("asked for").0;
        fake.link.on_closed(last, "connection refused", fake.now_ns);
        fake.pass_until_connect();
        let pause_ms = (fake.now_ns - former_ns) / NS_PER_MS;
        assert!((whole_ms / 2..=whole_ms + 1).contains(&pause_ms), "{pause_ms} {whole_ms}");
        former_ns = fake.now_ns;
    }
    let addresses: Vec<_> = fake.connects.iter().map(|(_, address)| &address[..2]).collect();
    assert_eq!(addresses[..5], ["a:", "b:", "a:", "b:", "a:"]);
    assert_eq!(fake.link.take_notices().len(), 1);
}

#[test]
fn what_neither_connects_nor_answers_is_closed_in_time() {
    let mut fake = Fake::new(settings());
    fake.pass_ms(999);
    assert_eq!(fake.closes, []);
    fake.pass_ms(1);
    assert_eq!(fake.closes, [0]);
    let next = fake.pass_until_connect();
    fake.link.on_connected(next, fake.now_ns);
    fake.pass_ms(1000);
    assert_eq!(fake.closes, [0, 1]);
    // Answers to connections that are no more change nothing.
    fake.link.on_connected(0, fake.now_ns);
    fake.bytes(1, ":1\r\n");
    fake.link.on_closed(1, "late", fake.now_ns);
    let third = fake.pass_until_connect();
    fake.greet(third, &STORE);
    // One that falls silent later is found by the question for the time.
    fake.pass_ms(2100);
    assert_eq!(fake.closes, [0, 1, third]);
    assert!(!fake.link.view().is_up);
}

#[test]
fn a_slow_store_is_left_alone_and_tried_with_the_time_alone() {
    let mut fake = Fake::up(settings(), &STORE);
    fake.submit(vec![count(1, "a"), count(2, "b"), count(3, "c")]);
    fake.take_sent(0);
    fake.pass_ms(20);
    assert_eq!(fake.replies().len(), 3);
    assert!(!fake.link.view().is_up);
    fake.submit(vec![count(4, "d")]);
    assert_eq!(fake.replies(), [(4, StoreReply::Failed)]);
    fake.pass_ms(51);
    assert_eq!(fake.take_sent(0), ["TIME"]);
    // The late answers are no sign of health, and neither is a late answer to the trial.
    fake.bytes(0, ":1\r\n:1\r\n:1\r\n:1\r\n:1\r\n:1\r\n");
    assert!(!fake.link.view().is_up);
    fake.pass_ms(40);
    let late = fake.time();
    fake.bytes(0, &late);
    assert!(!fake.link.view().is_up);
    let mut waited_ms = 0;
    while fake.sent.is_empty() && waited_ms < 200 {
        fake.pass_ms(1);
        waited_ms += 1;
    }
    assert_eq!(fake.take_sent(0), ["TIME"]);
    fake.pass_ms(5);
    let time = fake.time();
    fake.bytes(0, &time);
    assert!(fake.link.view().is_up);
    assert_eq!((fake.connects.len(), &fake.closes[..]), (1, &[][..]));
    fake.submit(vec![count(5, "a")]);
    fake.bytes(0, ":1\r\n:1\r\n");
    assert_eq!(fake.replies(), [(5, counted(1))]);
}

#[test]
fn the_time_is_asked_now_and_then() {
    let mut fake = Fake::up(settings(), &STORE);
    let mut asked = 0;
    for id in 0..1000 {
        fake.submit(vec![count(id, "a")]);
        asked += fake.sent.iter().filter(|(_, command)| command == "TIME").count();
        fake.answer_all(0, &STORE);
        fake.pass_ms(1);
    }
    assert!((9..=10).contains(&asked), "{asked}");
    asked = 0;
    for _ in 0..5000 {
        fake.pass_ms(1);
        asked += fake.sent.iter().filter(|(_, command)| command == "TIME").count();
        fake.answer_all(0, &STORE);
    }
    assert!((4..=5).contains(&asked), "{asked}");
    let view = fake.link.view();
    assert!(view.clock_error_ms <= 3, "{view:?}");
    assert_eq!(view.clock_offset_ms, UNIX_MS as i64);
}

#[test]
fn one_link_tells_the_store_that_the_node_is_there() {
    let mut silent = Fake::up(settings(), &STORE);
    silent.pass_ms(3000);
    assert!(silent.sent.iter().all(|(_, command)| command == "TIME"), "{:?}", silent.sent);
    silent.link.set_nodes(4);
    assert_eq!(silent.link.view().nodes, 4);
    let mut given = settings();
    given.is_heartbeat = true;
    given.nodes_min = 2;
    let mut fake = Fake::up(given, &STORE);
    fake.pass_ms(1);
    // The least that the clock may show: a little less than a millisecond has passed.
    let life = UNIX_MS;
    assert_eq!(
        fake.take_sent(0),
        [
            format!("ZADD rl:nodes {life} 00000000000000000000000000000abc"),
            format!("ZREMRANGEBYSCORE rl:nodes -inf {}", life - 10_000),
            "ZCARD rl:nodes".to_owned(),
            "PEXPIRE rl:nodes 20000".to_owned(),
        ]
    );
    assert_eq!(fake.link.view().nodes, 2);
    fake.bytes(0, ":1\r\n:0\r\n:7\r\n:1\r\n");
    assert_eq!(fake.link.view().nodes, 7);
    fake.pass_ms(999);
    assert!(fake.sent.iter().all(|(_, command)| command == "TIME"));
    fake.pass_ms(1);
    assert!(fake.sent.iter().any(|(_, command)| command == "ZCARD rl:nodes"));
    // A store that is restarted hears of it at once.
    fake.sent.clear();
    fake.link.on_closed(0, "reset", fake.now_ns);
    let next = fake.pass_until_connect();
    fake.greet(next, &STORE);
    fake.pass_ms(1);
    assert!(fake.sent.iter().any(|(_, command)| command == "ZCARD rl:nodes"));
}

#[test]
fn no_bytes_make_a_link_panic_or_grow() {
    for seed in 0..300 {
        let mut random = ringlet_base::random::Random::new(seed);
        let mut given = settings();
        given.is_cluster = seed % 2 == 0;
        given.is_heartbeat = true;
        let mut fake = Fake::new(given);
        let pieces =
            ["*2\r\n", "*1\r\n*3\r\n:0\r\n:9\r\n", ":1\r\n", "$-1\r\n", "-MOVED 1 a:1\r\n"];
        for id in 0..200 {
            let connection = fake.connects.last().map_or(0, |(connection, _)| *connection);
            match random.below(6) {
                0 => fake.link.on_connected(connection, fake.now_ns),
                1 => fake.submit(vec![count(id, "a")]),
                2 => fake.pass_ms(random.below(100)),
                3 => fake.bytes(connection, pieces[random.below(5) as usize]),
                4 => fake.bytes(connection, &bulk("run_id:x\r\n")),
                _ => fake.answer_all(connection, &Store { slots: Some("*0\r\n".into()), ..STORE }),
            }
        }
        fake.pass_ms(2000);
        let calls = fake.replies().len();
        assert!(calls > 10, "seed {seed}: each call has its reply, {calls}");
        assert!(fake.link.take_notices().len() <= 64);
        assert!(fake.link.flights.is_empty(), "seed {seed}");
        let is_connect = |action: &LinkAction| matches!(action, LinkAction::Connect { .. });
        assert!(!fake.link.take_actions().iter().any(is_connect));
    }
}
