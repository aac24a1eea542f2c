//! What Envoy asks and is told.

use ringlet_limit::algorithm::Outcome;
use ringlet_limit::request::{GivenLimit, LimitRef, Part, Reason, Verdict};
use ringlet_limit::time::{NEVER, NS_PER_S};

use super::harness::{NO_ALGORITHM, SHOULD_RATE_LIMIT, World, framed, hex, question};

/// A part of the descriptor at this place: 50 in a second.
fn part(place: usize, is_allowed: bool, remaining: u64) -> Part {
    let limit = GivenLimit { algorithm: &NO_ALGORITHM, count: 50, period_ns: NS_PER_S, burst: 50 };
    let outcome =
        Outcome { is_allowed, remaining, reset_after_ns: NS_PER_S / 3, ..Outcome::default() };
    let limit = LimitRef::Given(limit);
    Part { limit, descriptor: Some(place), outcome, is_shadow: false }
}

fn verdict(is_allowed: bool, parts: Vec<Part>) -> Result<Verdict, String> {
    Ok(Verdict { is_allowed, parts, ..Verdict::default() })
}

/// A question with so many descriptors `a=b`.
fn question_of(descriptors: usize) -> Vec<u8> {
    framed(&[hex("0a0164"), hex("1208 0a06 0a0161 120162").repeat(descriptors)].concat())
}

#[test]
fn verified_bytes_of_question_and_answer() {
    let mut world = World::new();
    world.desk.verdict = verdict(true, vec![part(0, true, 49)]);
    let call = world.call(SHOULD_RATE_LIMIT, question());
    assert_eq!(call.message(), hex("0801 120e 0801 120408321001 1831 22020801"));
    let asked = "Take basic Some(1) [Descriptor { entries: [(\"key1\", \"foo\")], \
                 cost: None, limit: None }]";
    assert_eq!(world.desk.asked, [asked]);
    assert_eq!(call.http_status(), Some(200));
    assert!(call.is_over());
}

#[test]
fn statuses_are_as_many_as_descriptors_and_in_their_order() {
    let mut world = World::new();
    let mut shadow = part(3, false, 0);
    shadow.is_shadow = true;
    world.desk.verdict = verdict(false, vec![part(2, false, 0), shadow]);
    if let Ok(verdict) = &mut world.desk.verdict {
        verdict.unlimited = vec![1, 99];
    }
    let call = world.call(SHOULD_RATE_LIMIT, question_of(4));
    let expected = "0802
        12 02 0801
        12 08 0801 18ffffffff0f
        12 0c 0802 120408321001 22020801
        12 0c 0801 120408321001 22020801";
    assert_eq!(call.message(), hex(expected));
}

#[test]
fn of_several_limits_the_strictest_is_shown() {
    let mut world = World::new();
    let parts = vec![part(0, true, 7), part(0, true, 3), part(0, true, 5)];
    world.desk.verdict = verdict(true, parts);
    let call = world.call(SHOULD_RATE_LIMIT, question_of(1));
    assert_eq!(call.message(), hex("0801 120e 0801 120408321001 1803 22020801"));
    world.desk.verdict =
        verdict(false, vec![part(0, true, 0), part(0, false, 2), part(0, true, 1)]);
    let call = world.call(SHOULD_RATE_LIMIT, question_of(1));
    assert_eq!(call.message(), hex("0802 120e 0802 120408321001 1802 22020801"));
}

#[test]
fn what_never_resets_and_what_is_no_unit_is_left_out() {
    let mut world = World::new();
    let mut odd = part(0, true, u64::MAX);
    odd.outcome.reset_after_ns = NEVER;
    if let LimitRef::Given(limit) = &mut odd.limit {
        limit.period_ns = 90 * NS_PER_S;
    }
    world.desk.verdict = verdict(true, vec![odd]);
    let call = world.call(SHOULD_RATE_LIMIT, question_of(1));
    assert_eq!(call.message(), hex("0801 120c 0801 12020832 18ffffffff0f"));
}

#[test]
fn costs_and_limits_of_the_request() {
    let mut world = World::new();
    // Hits: the request's 0, then a descriptor's explicit 0, then another's 300 with a limit.
    let zero = "1a00";
    let many = "1206 0807 1004 1800 1a03 08ac02";
    let entry = "0a06 0a0161 120162";
    let message = hex(&format!("0a0164 120a {entry} {zero} 1215 {entry} {many} 1800"));
    let call = world.call(SHOULD_RATE_LIMIT, framed(&message));
    assert_eq!(call.status(), Some(0), "{:?}", call.error());
    let entries = "entries: [(\"a\", \"b\")]";
    let asked = format!(
        "Take d None [Descriptor {{ {entries}, cost: Some(0), limit: None }}, \
         Descriptor {{ {entries}, cost: Some(300), limit: Some((7, 86400000000000)) }}]"
    );
    assert_eq!(world.desk.asked, [asked]);
}

#[test]
fn requests_that_cannot_be_answered_say_why() {
    let cases = [
        ("1800", "no domain"),
        ("0a0164", "no descriptors"),
        ("0a02ff61 1200", "not UTF-8"),
        ("0a0564", "ends within a field"),
        ("0b", "groups"),
        ("00", "number 0"),
        ("0f", "wire type"),
        ("18", "ends within a number"),
        ("18ffffffffffffffffff02", "longer than 64 bits"),
        ("0a0164 1206 1204 0801 1007", "unit"),
        ("0a0164 1204 1202 0801", "unit"),
    ];
    for (message, text) in cases {
        let mut world = World::new();
        let call = world.call(SHOULD_RATE_LIMIT, framed(&hex(message)));
        let (status, said) = call.error();
        assert!(status == 3 && said.contains(text), "{message}: {status} {said}");
        assert_eq!(world.desk.asked.len(), 0);
    }
    let mut world = World::new();
    let call = world.call(SHOULD_RATE_LIMIT, question_of(129));
    assert!(call.error().1.contains("more than 128 descriptors"), "{:?}", call.error());
    world.desk.verdict = Err("100% wrong: ä".into());
    let call = world.call(SHOULD_RATE_LIMIT, question());
    assert_eq!(call.error(), (3, "100%25 wrong: %C3%A4"));
}

#[test]
fn a_store_that_cannot_be_asked_is_unavailable_and_never_unknown() {
    for (reason, is_allowed, status) in [
        (Reason::Store, false, 14),
        (Reason::Overload, false, 14),
        (Reason::Store, true, 0),
        (Reason::Lists, false, 0),
    ] {
        let mut world = World::new();
        world.desk.verdict = Ok(Verdict { is_allowed, reason, ..Verdict::default() });
        let call = world.call(SHOULD_RATE_LIMIT, question());
        assert_eq!(call.status(), Some(status), "{reason:?}");
        if status == 0 {
            let code = if is_allowed { 1 } else { 2 };
            assert_eq!(call.message(), [8, code, 0x12, 2, 8, 1]);
        }
    }
}
