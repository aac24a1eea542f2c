//! Tests of calls on their way.

use super::*;

fn error(text: &str) -> Value {
    Value::Error(text.as_bytes().to_vec())
}

fn count(previous: Option<&[u8]>) -> Flight {
    let command = StoreCommand::Count {
        key: b"rl:{a}:2".to_vec(),
        previous: previous.map(<[u8]>::to_vec),
        amount: 5,
        expire_at_ms: 99,
    };
    Flight::new(1, command, 0, 0)
}

fn lease() -> Flight {
    let command = StoreCommand::Lease {
        key: b"rl:{a}".to_vec(),
        burst: 1,
        count: 2,
        period_ms: 3,
        sequence: 4,
        held: 5,
        returned: 6,
        want: 7,
        ttl_ms: 8,
    };
    Flight::new(1, command, 0, 0)
}

/// All commands of a call, with spaces.
fn text(flight: &Flight, facts: &Facts) -> String {
    let mut out = Vec::new();
    for &part in flight.parts() {
        flight.write(part, facts, "me", &mut out);
    }
    let text = String::from_utf8(out).expect("text");
    let is_word = |line: &&str| !line.starts_with(['*', '$']);
    text.lines().filter(is_word).collect::<Vec<_>>().join(" ")
}

#[test]
fn commands_follow_from_the_call_and_the_server() {
    let new = Facts { has_expire_nx: true, ..Facts::default() };
    let native = Facts { lease: LeaseWay::Native, ..Facts::default() };
    let script = Facts { lease: LeaseWay::Script("abc".to_owned()), ..Facts::default() };
    for (flight, facts, expected) in [
        (count(None), &new, "INCRBY rl:{a}:2 5 PEXPIREAT rl:{a}:2 99 NX"),
        (count(None), &native, "INCRBY rl:{a}:2 5 PEXPIREAT rl:{a}:2 99"),
        (count(Some(b"rl:{a}:1")), &new, "INCRBY rl:{a}:2 5 PEXPIREAT rl:{a}:2 99 NX GET rl:{a}:1"),
        (lease(), &native, "RL.LEASE rl:{a} 1 2 3 me 4 5 6 7 8"),
        (lease(), &script, "EVALSHA abc 1 rl:{a} 1 2 3 me 4 5 6 7 8"),
        (lease(), &new, ""),
    ] {
        assert_eq!(text(&flight, facts), expected);
    }
}

#[test]
fn a_count_is_known_only_with_all_that_it_needs() {
    let counted = |total, previous| StoreReply::Counted { total, previous };
    for (main, expire, previous, reply) in [
        (Value::Integer(7), Value::Integer(1), Value::NullBulk, counted(7, 0)),
        (Value::Integer(7), Value::Integer(0), Value::Bulk(b"12".to_vec()), counted(7, 12)),
        (Value::Integer(7), error("ERR no"), Value::Bulk(b"12".to_vec()), counted(7, 12)),
        (Value::Integer(7), Value::Integer(1), Value::Bulk(b"x".to_vec()), StoreReply::Failed),
        (Value::Integer(7), Value::Integer(1), error("WRONGTYPE"), StoreReply::Failed),
        (error("WRONGTYPE"), Value::Integer(1), Value::NullBulk, StoreReply::Failed),
        (Value::NullBulk, Value::Integer(1), Value::NullBulk, StoreReply::Failed),
    ] {
        let mut flight = count(Some(b"rl:{a}:1"));
        flight.learn(Part::Main, &main, "h:1");
        flight.learn(Part::Expire, &expire, "h:1");
        flight.learn(Part::Previous, &previous, "h:1");
        assert_eq!(flight.reply(), reply, "{main:?} {expire:?} {previous:?}");
        assert_eq!(flight.take_again(), None);
    }
    assert_eq!(count(None).reply(), StoreReply::Failed);
}

#[test]
fn a_lease_of_more_than_was_wanted_or_of_no_numbers_is_none() {
    let read = |numbers: &[i64]| {
        let mut flight = lease();
        let numbers = numbers.iter().map(|&number| Value::Integer(number)).collect();
        flight.learn(Part::Main, &Value::Array(numbers), "h:1");
        flight.reply()
    };
    assert_eq!(
        read(&[7, 1, 2, 3, 4, 5]),
        StoreReply::Leased { granted: 7, remaining: 1, retry_ms: 2, epoch_ms: 4, holders: 5 }
    );
    for bad in
        [&[8, 1, 2, 3, 4, 5][..], &[-1, 1, 2, 3, 4, 5], &[1, 1, 2, 3, 4], &[1, 1, 2, 3, 4, -5]]
    {
        assert_eq!(read(bad), StoreReply::Failed, "{bad:?}");
    }
}

#[test]
fn only_what_was_not_carried_out_goes_again_and_not_for_ever() {
    let mut flight = count(Some(b"rl:{a}:1"));
    for hop in 1..=HOPS_MAX + 1 {
        flight.learn(Part::Main, &Value::Integer(5), "h:1");
        flight.learn(Part::Expire, &error("ASK 1 h:2"), "h:1");
        flight.learn(Part::Previous, &error("ASK 1 h:2"), "h:1");
        let again = (Again::Ask("h:2".to_owned()), vec![Part::Expire, Part::Previous]);
        assert_eq!(flight.take_again(), (hop <= HOPS_MAX).then_some(again), "{hop}");
    }
    let mut late = count(None);
    late.is_answered = true;
    late.learn(Part::Main, &error("MOVED 1 h:2"), "h:1");
    assert_eq!(late.take_again(), None);
}

#[test]
fn errors_tell_of_the_server() {
    for (text, health) in [
        ("WRONGTYPE no", Health::Well),
        ("LOADING Redis is loading the dataset in memory", Health::Sick),
        ("OOM command not allowed", Health::Sick),
        ("CLUSTERDOWN The cluster is down", Health::Sick),
        ("READONLY You can't write against a read only replica.", Health::Replica),
        ("", Health::Well),
    ] {
        let mut flight = count(None);
        flight.learn(Part::Main, &error(text), "h:1");
        flight.learn(Part::Expire, &Value::Integer(0), "h:1");
        assert_eq!((flight.health, flight.reply()), (health, StoreReply::Failed), "{text}");
        assert_eq!(flight.refusal.as_deref(), Some(text));
    }
}
