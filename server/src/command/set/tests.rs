//! Job: test what set commands do to a shard: replies of both protocols, reported changes.
//! In: nothing.
//! Out: test results.
//! Invariant: replies are compared as they go over the wire.

use ringlet_protocol::reply::Version;
use ringlet_store::Entry;

use crate::command::list::trial::Trial;

#[test]
fn resp3_has_sets_where_redis_has_them() {
    for (line, resp2, resp3) in [
        ("SMEMBERS one", "*2|$1|1|$1|2|", "~2|$1|1|$1|2|"),
        ("SMEMBERS none", "*0|", "~0|"),
        ("SUNION one none", "*2|$1|1|$1|2|", "~2|$1|1|$1|2|"),
        ("SINTER one two", "*1|$1|2|", "~1|$1|2|"),
        ("SDIFF one two", "*1|$1|1|", "~1|$1|1|"),
        ("SDIFF none one", "*0|", "~0|"),
        ("SRANDMEMBER one 5", "*2|$1|1|$1|2|", "*2|$1|1|$1|2|"),
        ("SRANDMEMBER none", "$-1|", "_|"),
        ("SRANDMEMBER none 2", "*0|", "*0|"),
        ("SMISMEMBER one 1 3", "*2|:1|:0|", "*2|:1|:0|"),
        ("SPOP none", "$-1|", "_|"),
        ("SPOP none 2", "*0|", "~0|"),
        ("SPOP one 0", "*0|", "~0|"),
        ("SPOP one 5", "*2|$1|1|$1|2|", "~2|$1|1|$1|2|"),
        ("SSCAN none 0", "*2|$1|0|*0|", "*2|$1|0|*0|"),
        ("SSCAN two 0", "*2|$1|0|*2|$1|2|$1|3|", "*2|$1|0|*2|$1|2|$1|3|"),
    ] {
        for (version, expected) in [(Version::Resp2, resp2), (Version::Resp3, resp3)] {
            let mut trial = Trial::new(version);
            trial.prepare("SADD one 1 2\nSADD two 2 3");
            assert_eq!(trial.run(line), expected, "{line}");
        }
    }
}

#[test]
fn a_random_choice_is_fair_and_takes_out_what_it_shows() {
    let mut trial = Trial::new(Version::Resp2);
    let mut hits = [0; 4];
    for _ in 0..4000 {
        trial.prepare("SADD set 0 1 2 3");
        let popped = trial.run("SPOP set");
        let member = popped.trim_end_matches('|').rsplit('|').next().unwrap().to_string();
        assert_eq!(trial.run(&format!("SISMEMBER set {member}")), ":0|");
        assert_eq!(trial.run("SCARD set"), ":3|");
        hits[member.parse::<usize>().unwrap()] += 1;
    }
    // 1000 each are expected, with a standard deviation of 27.
    assert!(hits.iter().all(|hits| (800..1200).contains(hits)), "seed 1: {hits:?}");
    trial.prepare("SADD set 0 1 2 3");
    assert!(trial.run("SPOP set 3").starts_with("*3|"));
    assert_eq!(trial.run("SCARD set"), ":1|");
}

#[test]
fn repeated_choices_have_a_bound() {
    let mut trial = Trial::new(Version::Resp2);
    trial.prepare("SADD set a");
    assert_eq!(trial.run("SRANDMEMBER set -2"), "*2|$1|a|$1|a|");
    let refused = trial.run("SRANDMEMBER set -4611686018427387904");
    assert_eq!(refused, "-ERR value is out of range");
}

#[test]
fn only_real_changes_are_reported_and_emptied_sets_vanish() {
    let mut trial = Trial::new(Version::Resp2);
    trial.prepare("SADD one a b c\nSADD two b");
    for line in [
        "SADD one a",
        "SREM one x",
        "SMOVE one two x",
        "SMOVE one one a",
        "SPOP one 0",
        "SPOP none",
        "SINTERSTORE none one empty",
        "SMEMBERS one",
    ] {
        assert_eq!(trial.changes(line), 0, "{line}");
    }
    // The member is in the destination already: only the source changes.
    assert_eq!(trial.changes("SMOVE one two b"), 1);
    assert_eq!(trial.changes("SMOVE one two a"), 2);
    assert_eq!(trial.changes("SADD one d e"), 1);
    assert_eq!(trial.changes("SUNIONSTORE sum one two"), 1);
    assert_eq!(trial.changes("SINTERSTORE sum one empty"), 1);
    assert!(!trial.has("sum"));
    for line in ["SREM one c d e", "SPOP two 9"] {
        trial.run(line);
    }
    assert!(!trial.has("one") && !trial.has("two"));
}

#[test]
fn the_few_members_that_a_large_pop_leaves_move_into_a_new_set() {
    let members = |count: usize| (1..=count).map(|number| format!(" {number}")).collect::<String>();
    for (count, pops, expected) in [
        (600, 595, "listpack"),
        (600, 500, "listpack"),
        (600, 499, "hashtable"),
        (512, 510, "intset"),
    ] {
        let mut trial = Trial::new(Version::Resp2);
        trial.prepare(&format!("SADD set{}", members(count)));
        let popped = trial.run(&format!("SPOP set {pops}"));
        assert!(popped.starts_with(&format!("*{pops}|")), "{popped}");
        let encoding =
            trial.with_context(|context| context.keyspace.peek(0, b"set", 0).map(Entry::encoding));
        assert_eq!(encoding, Some(expected), "{pops} of {count}");
        assert_eq!(trial.run("SCARD set"), format!(":{}|", count - pops));
        let gone = popped.split('|').skip(2).step_by(2).filter(|text| !text.is_empty());
        assert_eq!(gone.clone().count(), pops);
        for member in gone {
            assert_eq!(trial.run(&format!("SISMEMBER set {member}")), ":0|", "{member}");
        }
    }
}
