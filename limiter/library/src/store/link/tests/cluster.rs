//! A store of several servers.

use super::fake::{Fake, STORE, Store, bulk, count, counted, lease, settings};
use crate::store::{StoreCall, StoreCommand, StoreReply};

/// Slots 12182 and 5061.
const FOO: &str = "foo";
const BAR: &str = "bar";

fn slots(rows: &[(u16, u16, &str)]) -> Option<String> {
    let mut text = format!("*{}\r\n", rows.len());
    for (first, last, host) in rows {
        text += &format!("*3\r\n:{first}\r\n:{last}\r\n*3\r\n{}:7000\r\n$2\r\nid\r\n", bulk(host));
    }
    Some(text)
}

fn store(run_id: &'static str, rows: &[(u16, u16, &str)]) -> Store {
    Store { run_id, slots: slots(rows), ..STORE }
}

const HALVES: &[(u16, u16, &str)] = &[(0, 9999, "a"), (10_000, 16_383, "b")];

/// A cluster of two; their connections.
fn cluster() -> (Fake, u32, u32) {
    let mut given = settings();
    given.is_cluster = true;
    let mut fake = Fake::new(given);
    fake.greet(0, &store("door", HALVES));
    fake.pass_ms(1);
    assert_eq!(fake.connects[1..], [(1, "a:7000".to_owned()), (2, "b:7000".to_owned())]);
    fake.greet(1, &store("a", HALVES));
    fake.greet(2, &store("b", HALVES));
    fake.pass_ms(1);
    assert_eq!(fake.closes, [0], "the door is needed no more");
    assert!(fake.link.view().is_up);
    fake.take_sent(1);
    fake.take_sent(2);
    (fake, 1, 2)
}

/// Counts among commands.
fn counts(sent: Vec<String>) -> usize {
    sent.iter().filter(|command| command.starts_with("INCRBY")).count()
}

#[test]
fn each_key_goes_to_its_server() {
    let (mut fake, a, b) = cluster();
    fake.submit(vec![count(1, FOO), count(2, BAR), lease(3, "rl:{foo}")]);
    let first_words = |sent: Vec<String>| -> Vec<String> {
        sent.iter().map(|text| text.split(' ').take(2).collect::<Vec<_>>().join(" ")).collect()
    };
    assert_eq!(first_words(fake.take_sent(a)), ["INCRBY bar", "PEXPIREAT bar"]);
    assert_eq!(
        first_words(fake.take_sent(b)),
        ["INCRBY foo", "PEXPIREAT foo", "RL.LEASE rl:{foo}"]
    );
    fake.bytes(a, ":2\r\n:1\r\n");
    fake.bytes(b, ":1\r\n:1\r\n");
    assert_eq!(fake.replies(), [(2, counted(2)), (1, counted(1))]);
}

#[test]
fn a_moved_call_goes_to_the_right_server_and_the_slots_are_read_again() {
    let (mut fake, a, b) = cluster();
    fake.submit(vec![count(1, FOO)]);
    let sent = fake.take_sent(b);
    fake.bytes(b, "-MOVED 12182 a:7000\r\n-MOVED 12182 a:7000\r\n");
    assert_eq!(fake.replies(), []);
    assert_eq!(fake.take_sent(a), sent);
    fake.bytes(a, ":9\r\n:1\r\n");
    assert_eq!(fake.replies(), [(1, counted(9))]);
    fake.pass_ms(100);
    assert!(fake.sent.iter().any(|(_, command)| command == "CLUSTER SLOTS"), "{:?}", fake.sent);
    let all = store("a", &[(0, 16_383, "a")]);
    fake.answer_all(a, &all);
    fake.answer_all(b, &all);
    fake.submit(vec![count(2, FOO)]);
    assert_eq!(counts(fake.take_sent(a)), 1);
    assert_eq!(fake.closes, [0, b], "nobody needs it");
}

#[test]
fn servers_that_send_calls_round_in_a_circle_do_not_for_ever() {
    let (mut fake, a, b) = cluster();
    fake.submit(vec![count(1, FOO)]);
    let mut sent = 0;
    for _ in 0..10 {
        for (here, there) in [(b, "a"), (a, "b")] {
            for _ in fake.take_sent(here) {
                sent += 1;
                fake.bytes(here, &format!("-MOVED 12182 {there}:7000\r\n"));
            }
        }
    }
    assert_eq!(sent, 8);
    assert_eq!(fake.replies(), [(1, StoreReply::Failed)]);
    // Where nobody is known, nothing goes.
    fake.submit(vec![count(2, FOO)]);
    fake.bytes(b, "-MOVED 12182 c:7000\r\n-MOVED 12182 c:7000\r\n");
    assert_eq!(fake.replies(), [(2, StoreReply::Failed)]);
}

#[test]
fn while_a_slot_moves_only_what_was_not_carried_out_goes_to_the_other_server() {
    let (mut fake, a, b) = cluster();
    let command = StoreCommand::Count {
        key: b"rl:{foo}:2".to_vec(),
        previous: Some(b"rl:{foo}:1".to_vec()),
        amount: 5,
        expire_at_ms: 99,
    };
    fake.submit(vec![StoreCall { id: 1, command }]);
    assert_eq!(fake.take_sent(b).len(), 3);
    // The new window's key is made at the other server; the old one's is still here.
    fake.bytes(b, "-ASK 12182 a:7000\r\n-ASK 12182 a:7000\r\n$1\r\n4\r\n");
    assert_eq!(
        fake.take_sent(a),
        ["ASKING", "INCRBY rl:{foo}:2 5", "ASKING", "PEXPIREAT rl:{foo}:2 99 NX"]
    );
    fake.bytes(a, "+OK\r\n:5\r\n+OK\r\n:1\r\n");
    assert_eq!(fake.replies(), [(1, StoreReply::Counted { total: 5, previous: 4 })]);
}

#[test]
fn a_moved_call_is_answered_by_its_first_deadline() {
    let (mut fake, a, b) = cluster();
    fake.submit(vec![count(1, FOO)]);
    fake.pass_ms(15);
    fake.bytes(b, "-MOVED 12182 a:7000\r\n-MOVED 12182 a:7000\r\n");
    assert_eq!(fake.take_sent(a).len(), 2);
    fake.pass_ms(5);
    assert_eq!(fake.replies(), [(1, StoreReply::Failed)]);
    fake.bytes(a, ":9\r\n:1\r\n");
    assert_eq!(fake.replies(), []);
}

#[test]
fn a_failover_is_found_and_changes_the_incarnation() {
    let (mut fake, a, b) = cluster();
    let before = fake.link.view().incarnation;
    fake.submit(vec![count(1, FOO), count(2, BAR)]);
    fake.link.on_closed(b, "reset", fake.now_ns);
    assert_eq!(fake.replies(), [(1, StoreReply::Failed)]);
    assert!(fake.link.view().is_up, "the other one is");
    fake.take_sent(a);
    fake.bytes(a, ":2\r\n:1\r\n");
    // The others need their time to find a successor.
    for _ in 0..3000 {
        fake.pass_ms(1);
        fake.answer_all(a, &store("a", HALVES));
    }
    let former = fake.connects.len();
    let after = store("c", &[(0, 9999, "a"), (10_000, 16_383, "c")]);
    for _ in 0..1100 {
        fake.pass_ms(1);
        fake.answer_all(a, &after);
    }
    let (c, _) = *fake.connects[former..]
        .iter()
        .find(|(_, address)| address == "c:7000")
        .expect("the new primary is connected to");
    fake.greet(c, &after);
    assert_eq!(fake.link.view().incarnation, before + 1);
    fake.submit(vec![count(3, FOO)]);
    assert_eq!(fake.take_sent(c).len(), 2);
}

#[test]
fn a_server_that_comes_back_to_its_slots_may_have_lost_what_it_knew() {
    let (mut fake, a, b) = cluster();
    let before = fake.link.view().incarnation;
    // A call that is moved makes the link read the slots again.
    let read = |fake: &mut Fake, from: u32, slots: &Store| {
        fake.submit(vec![count(1, FOO)]);
        for command in fake.take_sent(from) {
            let answer = match &command[..] {
                "TIME" => fake.time(),
                _ => "-MOVED 12182 z:7000\r\n".to_owned(),
            };
            fake.bytes(from, &answer);
        }
        fake.pass_ms(100);
        fake.answer_all(a, slots);
        fake.answer_all(b, slots);
        fake.pass_ms(1);
    };
    read(&mut fake, b, &store("a", &[(0, 16_383, "a")]));
    assert!(fake.closes.contains(&b));
    assert_eq!(fake.link.view().incarnation, before);
    read(&mut fake, a, &store("a", HALVES));
    let (again, address) = fake.connects.last().expect("asked for").clone();
    assert_eq!(address, "b:7000");
    fake.greet(again, &store("b", HALVES));
    assert_eq!(fake.link.view().incarnation, before + 1);
}

#[test]
fn when_all_are_gone_the_door_is_knocked_at_again() {
    let (mut fake, a, b) = cluster();
    fake.link.on_closed(a, "reset", fake.now_ns);
    fake.link.on_closed(b, "reset", fake.now_ns);
    assert!(!fake.link.view().is_up);
    let former = fake.connects.len();
    fake.pass_ms(1100);
    let door = fake.connects[former..].iter().find(|(_, address)| address == "store:6379");
    let (door, _) = *door.expect("the address of the settings");
    let moved = [(0, 16_383, "d")];
    fake.greet(door, &store("door", &moved));
    fake.pass_ms(1);
    let (d, address) = fake.connects.last().expect("asked for").clone();
    assert_eq!(address, "d:7000");
    fake.greet(d, &store("d", &moved));
    fake.submit(vec![count(1, FOO)]);
    assert_eq!(fake.take_sent(d).len(), 2);
}

#[test]
fn a_slot_that_nobody_has_fails_and_is_looked_for() {
    let mut given = settings();
    given.is_cluster = true;
    let mut fake = Fake::new(given);
    let half = store("a", &[(0, 9999, "a")]);
    fake.greet(0, &half);
    fake.pass_ms(1);
    fake.greet(1, &half);
    fake.pass_ms(500);
    fake.answer_all(1, &half);
    fake.submit(vec![count(1, FOO)]);
    assert_eq!(fake.replies(), [(1, StoreReply::Failed)]);
    fake.pass_ms(100);
    fake.answer_all(1, &store("a", &[(0, 16_383, "a")]));
    fake.submit(vec![count(2, FOO)]);
    assert_eq!(counts(fake.take_sent(1)), 1);
}

#[test]
fn a_store_that_is_no_cluster_and_one_that_is_are_told_apart() {
    let mut given = settings();
    given.is_cluster = true;
    let mut fake = Fake::new(given);
    let none = "-ERR This instance has cluster support disabled\r\n";
    fake.greet(0, &Store { slots: Some(none.to_owned()), ..STORE });
    assert!(!fake.link.view().is_up);
    assert!(fake.link.take_notices()[0].contains("cluster support disabled"));
    let mut fake = Fake::up(settings(), &STORE);
    fake.submit(vec![count(1, FOO)]);
    fake.bytes(0, "-MOVED 12182 a:7000\r\n-MOVED 12182 a:7000\r\n");
    assert_eq!(fake.replies(), [(1, StoreReply::Failed)]);
    assert!(fake.link.take_notices()[0].contains("part of a cluster"));
}
