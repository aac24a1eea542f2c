//! Job: test what hash commands do to a shard: replies of both protocols, reported changes.
//! In: nothing.
//! Out: test results.
//! Invariant: replies are compared as they go over the wire.

use ringlet_protocol::reply::Version;

use crate::command::list::trial::Trial;

#[test]
fn resp3_has_maps_and_pairs_where_redis_has_them() {
    for (line, resp2, resp3) in [
        ("HGETALL one", "*2|$1|a|$1|1|", "%1|$1|a|$1|1|"),
        ("HGETALL none", "*0|", "%0|"),
        ("HKEYS one", "*1|$1|a|", "*1|$1|a|"),
        ("HVALS none", "*0|", "*0|"),
        ("HGET one b", "$-1|", "_|"),
        ("HMGET one b a", "*2|$-1|$1|1|", "*2|_|$1|1|"),
        ("HRANDFIELD one", "$1|a|", "$1|a|"),
        ("HRANDFIELD none", "$-1|", "_|"),
        ("HRANDFIELD none 2 WITHVALUES", "*0|", "*0|"),
        ("HRANDFIELD one 2", "*1|$1|a|", "*1|$1|a|"),
        ("HRANDFIELD one 2 WITHVALUES", "*2|$1|a|$1|1|", "*1|*2|$1|a|$1|1|"),
        ("HRANDFIELD one -1 WITHVALUES", "*2|$1|a|$1|1|", "*1|*2|$1|a|$1|1|"),
        ("HSCAN one 0", "*2|$1|0|*2|$1|a|$1|1|", "*2|$1|0|*2|$1|a|$1|1|"),
        ("HINCRBYFLOAT one a 0.5", "$3|1.5|", "$3|1.5|"),
    ] {
        for (version, expected) in [(Version::Resp2, resp2), (Version::Resp3, resp3)] {
            let mut trial = Trial::new(version);
            trial.prepare("HSET one a 1");
            assert_eq!(trial.run(line), expected, "{line}");
        }
    }
}

#[test]
fn changes_are_reported_when_and_only_when_there_are_some() {
    for (line, expected) in [
        ("HSET one a 1", true),
        ("HMSET one b 1", true),
        ("HSET one a", false),
        ("HSETNX one a 2", false),
        ("HSETNX one b 2", true),
        ("HDEL one b", false),
        ("HDEL one a", true),
        ("HINCRBY one a 1", true),
        ("HINCRBY one text 1", false),
        ("HINCRBYFLOAT one a 1", true),
        ("HINCRBYFLOAT one a inf", false),
        ("HGETALL one", false),
        ("HRANDFIELD one -5", false),
    ] {
        let mut trial = Trial::new(Version::Resp2);
        trial.prepare("HSET one a 1 text abc");
        assert_eq!(trial.changes(line) > 0, expected, "{line}");
    }
}

#[test]
fn a_refused_command_leaves_no_empty_hash() {
    let mut trial = Trial::new(Version::Resp2);
    for line in [
        "HSET none a",
        "HSET none a 1 b",
        "HINCRBY none a x",
        "HINCRBYFLOAT none a x",
        "HINCRBYFLOAT none a -inf",
        "HDEL none a",
    ] {
        trial.run(line);
        assert!(!trial.has("none"), "{line}");
    }
    trial.prepare("HSET one a 1 b 2");
    trial.run("HDEL one a c b d");
    assert!(!trial.has("one"), "a hash without fields is deleted");
}

#[test]
fn a_random_field_is_fair_and_repeats_have_a_bound() {
    let mut trial = Trial::new(Version::Resp2);
    trial.prepare("HSET hash 0 x 1 x 2 x 3 x");
    let picked = trial.run("HRANDFIELD hash -4000");
    for field in 0..4 {
        // 1000 each are expected, with a standard deviation of 27.
        let hits = picked.matches(&format!("|{field}|")).count();
        assert!((800..1200).contains(&hits), "seed 1: {field} {hits} times");
    }
    let mut distinct: Vec<String> =
        trial.run("HRANDFIELD hash 3").split('|').skip(2).step_by(2).map(str::to_string).collect();
    distinct.sort();
    distinct.dedup();
    assert_eq!(distinct.len(), 3);
    let refused = "-ERR value is out of range";
    assert_eq!(trial.run("HRANDFIELD hash -9223372036854775807"), refused);
    assert_eq!(trial.run("HRANDFIELD hash 4611686018427387904 WITHVALUES"), refused);
}

#[test]
fn a_field_that_stays_is_scanned_once_however_large_the_hash() {
    let mut trial = Trial::new(Version::Resp2);
    for field in 0..2000 {
        trial.prepare(&format!("HSET hash field:{field} x"));
    }
    let (mut cursor, mut seen) = ("0".to_string(), Vec::new());
    loop {
        let reply = trial.run(&format!("HSCAN hash {cursor} COUNT 100 MATCH *7"));
        let words: Vec<&str> = reply.split('|').collect();
        cursor = words[2].to_string();
        seen.extend(words.into_iter().filter(|word| word.starts_with("field:")).map(String::from));
        if cursor == "0" {
            break;
        }
    }
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 200);
}
