//! Job: test what sorted set commands do to a shard: replies of both protocols, waits, changes.
//! In: nothing.
//! Out: test results.
//! Invariant: replies are compared as they go over the wire.

use ringlet_protocol::reply::Version;

use crate::command::list::trial::Trial;
use crate::shard::blocked::TimeoutReply;
use crate::shard::kind::ValueType;

#[test]
fn scores_are_doubles_and_pairs_in_resp3_only() {
    for (line, resp2, resp3) in [
        ("ZSCORE one a", "$3|1.5|", ",1.5|"),
        ("ZSCORE one x", "$-1|", "_|"),
        ("ZMSCORE one a x", "*2|$3|1.5|$-1|", "*2|,1.5|_|"),
        ("ZINCRBY one 1 a", "$3|2.5|", ",2.5|"),
        ("ZADD one NX INCR 1 a", "$-1|", "_|"),
        ("ZRANGE one 0 -1", "*2|$1|a|$1|b|", "*2|$1|a|$1|b|"),
        ("ZRANGE one 1 1 WITHSCORES", "*2|$1|b|$1|2|", "*1|*2|$1|b|,2|"),
        ("ZREVRANGEBYSCORE one 2 2 WITHSCORES", "*2|$1|b|$1|2|", "*1|*2|$1|b|,2|"),
        ("ZRANK one b", ":1|", ":1|"),
        ("ZRANK one b WITHSCORE", "*2|:1|$1|2|", "*2|:1|,2|"),
        ("ZREVRANK one b WITHSCORE", "*2|:0|$1|2|", "*2|:0|,2|"),
        ("ZRANK one x", "$-1|", "_|"),
        ("ZRANK one x WITHSCORE", "*-1|", "_|"),
        ("ZPOPMAX one", "*2|$1|b|$1|2|", "*2|$1|b|,2|"),
        ("ZPOPMAX one 1", "*2|$1|b|$1|2|", "*1|*2|$1|b|,2|"),
        ("ZPOPMAX none 1", "*0|", "*0|"),
        ("ZMPOP 1 one MAX", "*2|$3|one|*1|*2|$1|b|$1|2|", "*2|$3|one|*1|*2|$1|b|,2|"),
        ("ZMPOP 1 none MAX", "*-1|", "_|"),
        ("BZPOPMAX one 0", "*3|$3|one|$1|b|$1|2|", "*3|$3|one|$1|b|,2|"),
        ("BZMPOP 0 1 one MAX", "*2|$3|one|*1|*2|$1|b|$1|2|", "*2|$3|one|*1|*2|$1|b|,2|"),
        ("ZRANDMEMBER single", "$1|z|", "$1|z|"),
        ("ZRANDMEMBER single 2 WITHSCORES", "*2|$1|z|$1|7|", "*1|*2|$1|z|,7|"),
        (
            "ZRANDMEMBER single -2 WITHSCORES",
            "*4|$1|z|$1|7|$1|z|$1|7|",
            "*2|*2|$1|z|,7|*2|$1|z|,7|",
        ),
        ("ZRANDMEMBER none", "$-1|", "_|"),
        ("ZUNION 2 single plain WITHSCORES", "*2|$1|z|$1|8|", "*1|*2|$1|z|,8|"),
        ("ZINTER 2 single plain", "*1|$1|z|", "*1|$1|z|"),
        ("ZDIFF 1 single WITHSCORES", "*2|$1|z|$1|7|", "*1|*2|$1|z|,7|"),
        ("ZSCAN single 0", "*2|$1|0|*2|$1|z|$1|7|", "*2|$1|0|*2|$1|z|$1|7|"),
    ] {
        for (version, expected) in [(Version::Resp2, resp2), (Version::Resp3, resp3)] {
            let mut trial = Trial::new(version);
            trial.prepare("ZADD one 1.5 a 2 b\nZADD single 7 z\nSADD plain z");
            assert_eq!(trial.run(line), expected, "{line}");
        }
    }
}

#[test]
fn a_wait_names_its_keys_and_its_time() {
    let mut trial = Trial::new(Version::Resp2);
    for line in ["BZPOPMIN a b 0.5", "BZPOPMAX a b 0.5", "BZMPOP 0.5 2 a b MIN"] {
        assert_eq!(trial.run(line), "", "{line}: no reply yet");
        let request = trial.waits.take().expect("the command waits");
        assert_eq!(request.keys, [Box::from(*b"a") as Box<[u8]>, Box::from(*b"b")], "{line}");
        assert_eq!(request.timeout_ms, 500, "{line}");
        assert_eq!(request.kind, ValueType::SortedSet, "{line}");
        assert_eq!(request.on_timeout, TimeoutReply::NullArray, "{line}");
    }
    trial.prepare("SADD set a");
    assert!(trial.run("BZPOPMIN a set 0").starts_with("-WRONGTYPE"));
    assert!(trial.waits.is_none());
    trial.may_block = false;
    assert_eq!(trial.run("BZPOPMIN a b 0"), "*-1|");
    assert_eq!(trial.run("BZMPOP 0 1 a MIN"), "*-1|");
}

#[test]
fn too_many_words_are_an_arity_error_where_redis_says_so() {
    let mut trial = Trial::new(Version::Resp2);
    let arity = "-ERR wrong number of arguments for 'zrank' command";
    assert_eq!(trial.run("ZRANK one a WITHSCORE x"), arity);
    assert_eq!(trial.run("ZRANK one a SCORE"), "-ERR syntax error");
    assert_eq!(trial.run("ZPOPMIN one 1 x"), "-ERR syntax error");
    assert_eq!(
        trial.run("ZUNIONSTORE to 0 a"),
        "-ERR at least 1 input key is needed for 'zunionstore' command"
    );
}

#[test]
fn repeated_choices_have_a_bound() {
    let mut trial = Trial::new(Version::Resp2);
    trial.prepare("ZADD one 1 a");
    for line in [
        "ZRANDMEMBER one -4611686018427387904",
        "ZRANDMEMBER one -4611686018427387904 WITHSCORES",
        "ZRANDMEMBER one 9223372036854775807 WITHSCORES",
    ] {
        assert_eq!(trial.run(line), "-ERR value is out of range", "{line}");
    }
    assert_eq!(trial.run("ZRANDMEMBER one 9223372036854775807"), "*1|$1|a|");
}

#[test]
fn only_real_changes_are_reported_and_emptied_sorted_sets_vanish() {
    let mut trial = Trial::new(Version::Resp2);
    trial.prepare("ZADD one 1 a 2 b 3 c");
    for line in [
        "ZADD one 1 a",
        "ZADD one NX 9 a",
        "ZADD one GT 0 a",
        "ZADD none XX 1 a",
        "ZADD one x a",
        "ZADD one 5 a x b",
        "ZINCRBY one 0 a",
        "ZREM one x",
        "ZREMRANGEBYSCORE one 7 9",
        "ZPOPMIN one 0",
        "ZPOPMIN none",
        "ZRANGESTORE to none 0 -1",
        "ZINTERSTORE to 2 one none",
        "ZRANGE one 0 -1",
    ] {
        assert_eq!(trial.changes(line), 0, "{line}");
    }
    assert!(!trial.has("none") && !trial.has("to"));
    for line in [
        "ZADD one 9 a 8 d",
        "ZINCRBY one 1 a",
        "ZREMRANGEBYRANK one 0 0",
        "ZPOPMAX one",
        "ZRANGESTORE to one 0 -1",
        "ZDIFFSTORE to 2 one one",
    ] {
        assert_eq!(trial.changes(line), 1, "{line}");
    }
    assert!(!trial.has("to"));
    trial.run("ZREMRANGEBYSCORE one -inf +inf");
    assert!(!trial.has("one"));
}
