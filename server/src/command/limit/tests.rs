//! Job: test what the commands of this group do to a shard: replies, changes, errors.
//! In: nothing.
//! Out: test results.
//! Invariant: replies are compared as they go over the wire.

use ringlet_protocol::reply::Version;

use crate::command::list::trial::Trial;

#[test]
fn a_throttle_changes_its_key_when_and_only_when_it_lets_something_through() {
    for (line, expected) in [
        ("CL.THROTTLE key 1 1 1000", true),
        ("CL.THROTTLE key 1 1 1000 2", false),
        ("CL.THROTTLE key 1 1 1000 3", false),
        ("CL.THROTTLE key 1 1 1000 0", false),
        ("CL.THROTTLE none 1 1 1000", true),
        ("CL.THROTTLE none 1 1 1000 0", false),
        ("CL.THROTTLE none 1 1 1000 3", false),
        ("CL.THROTTLE text 1 1 1000", false),
        ("CL.THROTTLE list 1 1 1000", false),
    ] {
        let mut trial = Trial::new(Version::Resp2);
        trial.prepare("CL.THROTTLE key 1 1 1000\nSET text abc\nRPUSH list a");
        assert_eq!(trial.changes(line) > 0, expected, "{line}");
    }
}

#[test]
fn a_throttle_refuses_what_makes_no_sense() {
    const MAX: &str = "9223372036854775807";
    let out_of_range = "max_burst times period by count is out of range";
    let usage = "Usage: cl.throttle <key> <max_burst> <count> <period> [<quantity>]";
    for (words, expected) in [
        ("none 1 1 1 1 1", usage),
        ("none x 1 1", "Couldn't parse as integer: x"),
        ("none 1 1.5 1", "Couldn't parse as integer: 1.5"),
        ("none 1 1 9223372036854775808", "Couldn't parse as integer: 9223372036854775808"),
        ("none 1 1 1 ", "Couldn't parse as integer: "),
        ("none -1 1 1", "max_burst must not be negative"),
        ("none 1 -1 1", "count must not be negative"),
        ("none 1 1 -9223372036854775808", "period must not be negative"),
        ("none 1 1 1 -1", "quantity must not be negative"),
        ("none 1 0 1", "Zero rates are not supported"),
        ("none 1 1 0", "Zero rates are not supported"),
        (&format!("none {MAX} {MAX} 1"), out_of_range),
        (&format!("none {MAX} 1 {MAX}"), out_of_range),
        (&format!("none 1 1 {MAX}"), out_of_range),
        ("text 1 1 1", "The value of the key is no time in nanoseconds"),
    ] {
        let mut trial = Trial::new(Version::Resp2);
        trial.prepare("SET text abc\nRPUSH list a");
        let reply = trial.run(&format!("CL.THROTTLE {words}"));
        assert_eq!(reply, format!("-ERR Cell error: {expected}"), "{words}");
        assert!(!trial.has("none"), "{words}");
        assert_eq!(trial.run("GET text"), "$3|abc|");
    }
}

#[test]
fn a_throttle_is_reset_by_deletion_and_expires() {
    let mut trial = Trial::new(Version::Resp2);
    trial.prepare("CL.THROTTLE key 0 1 1000");
    assert_eq!(trial.run("CL.THROTTLE key 0 1 1000"), "*5|:1|:1|:0|:1000|:1000|");
    assert_ne!(trial.run("TTL key"), ":-1|");
    trial.prepare("GETDEL key");
    assert_eq!(trial.run("CL.THROTTLE key 0 1 1000"), "*5|:0|:1|:0|:-1|:1000|");
}
