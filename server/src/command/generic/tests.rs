//! Job: test what generic commands do to a shard: waiting, access times, expiries, changes.
//! In: nothing.
//! Out: test results.
//! Invariant: replies are compared as they go over the wire.

use ringlet_protocol::reply::Version;

use crate::command::list::trial::Trial;
use crate::command::spec::CommandError;
use crate::shard::blocked::TimeoutReply;

#[test]
fn wait_waits_for_its_time_alone() {
    let mut trial = Trial::new(Version::Resp2);
    assert_eq!(trial.run("WAIT 0 0"), ":0|");
    assert_eq!(trial.run("WAIT -5 100"), ":0|");
    assert!(trial.waits.is_none());
    assert_eq!(trial.run("WAIT 1 100"), "", "no reply yet");
    let request = trial.waits.take().expect("the command waits");
    assert!(request.keys.is_empty());
    assert_eq!((request.timeout_ms, request.on_timeout), (100, TimeoutReply::Zero));
    trial.may_block = false;
    assert_eq!(trial.run("WAIT 1 0"), ":0|");
    assert_eq!(trial.run("WAIT 1 9223372036854775807"), "-ERR timeout is out of range");
    assert_eq!(trial.run("WAIT x -1"), "-ERR value is not an integer or out of range");
    assert_eq!(trial.run("WAIT 0 -1"), "-ERR timeout is negative");
}

#[test]
fn changes_are_reported_when_and_only_when_there_are_some() {
    for (line, expected) in [
        ("EXPIRE key 10", true),
        ("EXPIRE key 10 XX", false),
        ("EXPIRE key 10 GT", false),
        ("EXPIRE key 10 LT", true),
        ("EXPIRE key 0", true),
        ("EXPIRE none 10", false),
        ("PERSIST key", false),
        ("PERSIST dying", true),
        ("TTL dying", false),
        ("TYPE key", false),
        ("RENAME key new", true),
        ("RENAME key key", false),
        ("RENAME none new", false),
        ("RENAMENX key dying", false),
        ("RENAMENX key new", true),
        ("COPY key new", true),
        ("COPY key dying", false),
        ("COPY key dying REPLACE", true),
        ("COPY none new", false),
    ] {
        let mut trial = Trial::new(Version::Resp2);
        trial.prepare("SET key value\nSET dying value EX 100");
        assert_eq!(trial.changes(line) > 0, expected, "{line}");
    }
}

#[test]
fn an_unknown_option_is_quoted_byte_by_byte() {
    let mut trial = Trial::new(Version::Resp2);
    trial.prepare("SET key value");
    let (_, result) = trial.answer(&[b"EXPIRE", b"key", b"10", b"a\xff"]);
    let expected = CommandError::quoting(b"ERR Unsupported option a\xff".to_vec());
    assert_eq!(result, Err(expected));
}

#[test]
fn expiries_go_along_with_their_keys() {
    let mut trial = Trial::new(Version::Resp2);
    trial.prepare("HSET hash a 1\nEXPIRE hash 100\nCOPY hash copy\nRENAME hash renamed");
    assert_eq!(trial.run("TTL copy"), ":100|");
    assert_eq!(trial.run("TTL renamed"), ":100|");
    assert_eq!(trial.run("HGET renamed a"), "$1|1|");
    trial.prepare("SET plain 1\nRENAME plain renamed");
    assert_eq!(trial.run("TTL renamed"), ":-1|");
    assert!(!trial.has("plain") && !trial.has("hash"));
    trial.prepare("HSET copy a 2");
    assert_eq!(trial.run("HGET copy a"), "$1|2|");
}
