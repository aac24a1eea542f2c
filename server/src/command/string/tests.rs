//! Job: test what string commands do to a shard: replies of both protocols, expiries, changes.
//! In: nothing.
//! Out: test results.
//! Invariant: replies are compared as they go over the wire.

use ringlet_protocol::reply::Version;

use crate::command::list::trial::Trial;

#[test]
fn resp3_has_nulls_and_maps_where_redis_has_them() {
    for (line, resp2, resp3) in [
        ("GET none", "$-1|", "_|"),
        ("SET none x GET", "$-1|", "_|"),
        ("SET one x NX", "$-1|", "_|"),
        ("GETDEL none", "$-1|", "_|"),
        ("LCS one two LEN", ":1|", ":1|"),
        (
            "LCS one two IDX WITHMATCHLEN",
            "*4|$7|matches|*1|*3|*2|:1|:1|*2|:0|:0|:1|$3|len|:1|",
            "%2|$7|matches|*1|*3|*2|:1|:1|*2|:0|:0|:1|$3|len|:1|",
        ),
        ("LCS one none IDX", "*4|$7|matches|*0|$3|len|:0|", "%2|$7|matches|*0|$3|len|:0|"),
    ] {
        for (version, expected) in [(Version::Resp2, resp2), (Version::Resp3, resp3)] {
            let mut trial = Trial::new(version);
            trial.prepare("SET one ab\nSET two bc");
            assert_eq!(trial.run(line), expected, "{line}");
        }
    }
}

#[test]
fn expiries_are_kept_set_and_cleared_as_in_redis() {
    for (line, expected) in [
        ("SET key 2", ":-1|"),
        ("SET key 2 KEEPTTL", ":100|"),
        ("SET key 2 EX 50", ":50|"),
        ("SET key 2 NX", ":100|"),
        ("SET key 2 NX GET EX 50", ":100|"),
        ("SET key 2 EX 5 PX 5", ":100|"),
        ("SET key 2 EX 5 EX 6", ":6|"),
        ("SET key 2 PXAT 1", ":-2|"),
        ("GETSET key 2", ":-1|"),
        ("MSETNX key 2", ":100|"),
        ("SETNX key 2", ":100|"),
        ("SETEX key 7 2", ":7|"),
        ("APPEND key 2", ":100|"),
        ("SETRANGE key 3 2", ":100|"),
        ("INCR key", ":100|"),
        ("INCRBYFLOAT key 0.5", ":100|"),
        ("GETEX key", ":100|"),
        ("GETEX key PERSIST", ":-1|"),
        ("GETEX key PX 20000", ":20|"),
        ("GETEX key EXAT 1", ":-2|"),
        ("GETEX key EX 0", ":100|"),
    ] {
        let mut trial = Trial::new(Version::Resp2);
        trial.prepare("SET key 1 EX 100");
        trial.run(line);
        assert_eq!(trial.run("TTL key"), expected, "{line}");
    }
}

#[test]
fn changes_are_reported_when_and_only_when_there_are_some() {
    for (line, expected) in [
        ("SET one 2", true),
        ("SET one 2 NX", false),
        ("SET one 2 XX", true),
        ("SET one 2 EX 0", false),
        ("GET one", false),
        ("GETEX one", false),
        ("GETEX one PERSIST", false),
        ("GETEX one EX 10", true),
        ("GETEX one EXAT 1", true),
        ("GETDEL one", true),
        ("GETDEL none", false),
        ("APPEND one x", true),
        ("APPEND none x", true),
        ("SETRANGE one 0 ", false),
        ("SETRANGE none 0 ", false),
        ("SETRANGE one 1 x", true),
        ("SETRANGE one 536870912 x", false),
        ("INCR one", true),
        ("INCR none", true),
        ("INCRBY one 9223372036854775807", false),
        ("INCRBYFLOAT one 1", true),
        ("INCRBYFLOAT none 1", true),
        ("INCRBYFLOAT one inf", false),
        ("INCR list", false),
        ("MSETNX none 1 one 2", false),
        ("MSETNX none 1 other 2", true),
    ] {
        let mut trial = Trial::new(Version::Resp2);
        trial.prepare("SET one 1\nRPUSH list a");
        assert_eq!(trial.changes(line) > 0, expected, "{line}");
    }
}

#[test]
fn nothing_is_made_by_a_refused_command() {
    let mut trial = Trial::new(Version::Resp2);
    for line in [
        "SET none x XX",
        "SET none x EX x",
        "SETEX none 0 x",
        "INCRBY none x",
        "INCRBYFLOAT none x",
        "SETRANGE none -1 x",
        "SETRANGE none 0 ",
        "MSETNX none x none",
    ] {
        trial.run(line);
        assert!(!trial.has("none"), "{line}");
    }
}
