//! Job: test what list commands do to a shard: replies of both protocols, waits, reported changes.
//! In: nothing.
//! Out: test results.
//! Invariant: replies are compared as they go over the wire.

use ringlet_protocol::reply::Version;

use crate::command::list::trial::Trial;
use crate::shard::blocked::TimeoutReply;
use crate::shard::kind::ValueType;

#[test]
fn absence_has_the_form_of_the_protocol() {
    for (line, resp2, resp3) in [
        ("LPOP none", "$-1|", "_|"),
        ("LPOP none 2", "*-1|", "_|"),
        ("LPOP none 0", "*-1|", "_|"),
        ("LINDEX none 0", "$-1|", "_|"),
        ("LPOS none a", "$-1|", "_|"),
        ("LPOS none a COUNT 0", "*0|", "*0|"),
        ("LMPOP 1 none LEFT", "*-1|", "_|"),
        ("LMOVE none other LEFT LEFT", "$-1|", "_|"),
        ("RPOPLPUSH none other", "$-1|", "_|"),
        ("LRANGE none 0 -1", "*0|", "*0|"),
        ("LPUSHX none a", ":0|", ":0|"),
        ("LREM none 0 a", ":0|", ":0|"),
    ] {
        assert_eq!(Trial::new(Version::Resp2).run(line), resp2, "{line}");
        assert_eq!(Trial::new(Version::Resp3).run(line), resp3, "{line}");
    }
}

#[test]
fn a_wait_names_its_keys_and_its_time() {
    let mut trial = Trial::new(Version::Resp2);
    for (line, keys, timeout_ms) in [
        ("BLPOP a b 1.5", vec!["a", "b"], 1500),
        ("BRPOP a 0", vec!["a"], 0),
        ("BLMPOP 2 2 a b LEFT", vec!["a", "b"], 2000),
        // Only the source can end these.
        ("BLMOVE a b LEFT LEFT 1", vec!["a"], 1000),
        ("BRPOPLPUSH a b 1", vec!["a"], 1000),
    ] {
        assert_eq!(trial.run(line), "", "{line}: no reply yet");
        let request = trial.waits.take().expect("the command waits");
        let waits_for: Vec<_> = request.keys.iter().map(|key| &key[..]).collect();
        assert_eq!(waits_for, keys.iter().map(|key| key.as_bytes()).collect::<Vec<_>>(), "{line}");
        assert_eq!(request.timeout_ms, timeout_ms, "{line}");
        assert_eq!(request.kind, ValueType::List, "{line}");
        assert_eq!(request.on_timeout, TimeoutReply::NullArray, "{line}");
    }
}

#[test]
fn where_waiting_is_not_allowed_the_reply_comes_at_once() {
    let mut trial = Trial::new(Version::Resp2);
    trial.may_block = false;
    for (line, expected) in [
        ("BLPOP a b 0", "*-1|"),
        ("BLMPOP 0 1 a LEFT", "*-1|"),
        ("BLMOVE a b LEFT LEFT 0", "$-1|"),
        ("BRPOPLPUSH a b 0", "$-1|"),
    ] {
        assert_eq!(trial.run(line), expected, "{line}");
        assert!(trial.waits.is_none(), "{line}");
    }
}

#[test]
fn a_wait_does_not_begin_with_a_wrong_type_in_the_way() {
    let mut trial = Trial::new(Version::Resp2);
    trial.prepare("SADD set a");
    for line in ["BLPOP none set 0", "BLMPOP 0 2 none set LEFT", "BLMOVE set none LEFT LEFT 0"] {
        assert!(trial.run(line).starts_with("-WRONGTYPE"), "{line}");
        assert!(trial.waits.is_none(), "{line}");
    }
}

#[test]
fn a_refused_move_changes_nothing() {
    let mut trial = Trial::new(Version::Resp2);
    trial.prepare("RPUSH list a b\nSADD set x");
    for line in ["LMOVE list set LEFT LEFT", "RPOPLPUSH list set", "BLMOVE list set LEFT LEFT 1"] {
        assert_eq!(trial.changes(line), 0, "{line}");
        assert!(trial.run(line).starts_with("-WRONGTYPE"), "{line}");
        assert_eq!(trial.run("LLEN list"), ":2|", "{line}");
    }
}

#[test]
fn only_real_changes_are_reported_and_emptied_lists_vanish() {
    let mut trial = Trial::new(Version::Resp2);
    trial.prepare("RPUSH list a b c d e f");
    for line in [
        "LREM list 0 x",
        "LINSERT list BEFORE x y",
        "LPOP list 0",
        "LSET list 9 x",
        "LPUSHX none x",
        "LPOP none",
        "LTRIM none 0 0",
        "LRANGE list 0 -1",
    ] {
        assert_eq!(trial.changes(line), 0, "{line}");
    }
    for line in ["LREM list 0 f", "LSET list 0 z", "LPOP list 2", "LMOVE list list LEFT RIGHT"] {
        assert_eq!(trial.changes(line), 1, "{line}");
    }
    assert_eq!(trial.changes("LMOVE list other LEFT RIGHT"), 2);
    for line in ["LTRIM list 5 9", "LMOVE other list LEFT LEFT", "LREM list 0 d", "LPOP list"] {
        trial.run(line);
    }
    assert!(!trial.has("list") && !trial.has("other"));
}
