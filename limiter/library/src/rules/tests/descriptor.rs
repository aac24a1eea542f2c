//! Rules with a descriptor.

use super::*;
use crate::request::LimitRef;

fn with(name: &str, entries: &[&str]) -> Rule {
    Rule { domain: Some("d".into()), descriptor: descriptor(entries), ..rule(name) }
}

#[test]
fn one_most_special_rule_applies_to_a_descriptor() {
    let rules = compile(vec![
        with("any", &["user"]),
        with("prefix", &["user=al*"]),
        with("longer", &["user=alic*"]),
        with("exact", &["user=alice"]),
        with("deeper", &["user=alice", "path"]),
        with("both", &["tenant", "user=bob"]),
        with("greedy", &["a=1", "b=1"]),
        with("shy", &["a", "b"]),
    ]);
    for (entries, expected) in [
        (&["user=alice"][..], &["exact:d|alice"][..]),
        (&["user=alicia"], &["longer:d|alic*"]),
        (&["user=alfred"], &["prefix:d|al*"]),
        (&["user=al"], &["prefix:d|al*"]),
        (&["user=a"], &["any:d|a"]),
        (&["user="], &["any:d|"]),
        (&["user=b|c"], &["any:d|b%7Cc"]),
        (&["user=alice", "path=/x"], &["deeper:d|alice|/x"]),
        // Exact depth: neither less nor more.
        (&["user=alice", "path=/x", "more=1"], &[]),
        (&["tenant=t"], &[]),
        (&["tenant=t", "user=bob"], &["both:d|t|bob"]),
        (&["user=bob", "tenant=t"], &[]),
        (&["tenant=t", "user=eve"], &[]),
        (&["unknown=1"], &[]),
        (&["User=alice"], &[]),
        // The branch of the most special entry is not left again.
        (&["a=1", "b=1"], &["greedy:d|1|1"]),
        (&["a=1", "b=2"], &[]),
        (&["a=2", "b=2"], &["shy:d|2|2"]),
    ] {
        assert_eq!(descriptor_texts(&rules, "d", entries), expected, "{entries:?}");
    }
    assert!(descriptor_texts(&rules, "unknown", &["user=alice"]).is_empty());
}

#[test]
fn a_rule_of_the_domain_comes_before_one_of_every_domain() {
    let rules = compile(vec![
        Rule { domain: None, ..with("everywhere", &["user=alice"]) },
        with("here", &["user"]),
    ]);
    assert_eq!(descriptor_texts(&rules, "d", &["user=alice"]), ["here:d|alice"]);
    // Each domain has its own counters.
    assert_eq!(descriptor_texts(&rules, "e", &["user=alice"]), ["everywhere:e|alice"]);
    assert_eq!(descriptor_texts(&rules, "f", &["user=alice"]), ["everywhere:f|alice"]);
}

#[test]
fn each_descriptor_has_its_place_and_its_cost() {
    let rules = compile(vec![
        Rule { cost: 2, ..with("a", &["a"]) },
        Rule { limit: None, ..with("free", &["free"]) },
    ]);
    let descriptors = [
        asked(&["none=1"]),
        asked(&["a=1"]),
        asked(&["free=1"]),
        Descriptor { cost: Some(0), ..asked(&["a=2"]) },
        Descriptor { cost: Some(9), ..asked(&["a=3"]) },
    ];
    let mut out = Matched::default();
    for (cost, expected) in [
        (None, [(Some(1), 2), (Some(3), 0), (Some(4), 9)]),
        (Some(5), [(Some(1), 5), (Some(3), 0), (Some(4), 9)]),
    ] {
        let request =
            Request { domain: "d", descriptors: &descriptors, cost, ..Request::default() };
        rules.matches(&request, &mut out).expect("matched");
        let found: Vec<_> = out.items.iter().map(|item| (item.descriptor, item.cost)).collect();
        assert_eq!(found, expected);
        assert_eq!(texts(&out), ["a:d|1", "a:d|2", "a:d|3"]);
        assert_eq!(out.unlimited, [2]);
    }
}

#[test]
fn parts_of_the_key_come_behind_the_entries() {
    let rules = compile(vec![
        Rule {
            key: vec![KeyPart::Descriptor("user".into()), KeyPart::ClientIp(24, 64)],
            ..with("r", &["user=al*"])
        },
        Rule { key: vec![KeyPart::Descriptor("tenant".into())], ..rule("http") },
    ]);
    let descriptors = [asked(&["user=other", "tenant=t"]), asked(&["user=alice"])];
    let http = Http::default();
    let mut out = Matched::default();
    let mut request = Request { domain: "d", descriptors: &descriptors, ..Request::default() };
    // Without a client the rule has no key.
    rules.matches(&request, &mut out).expect("matched");
    assert!(out.items.is_empty() && out.text.is_empty());
    request.http = Some(&http);
    rules.matches(&request, &mut out).expect("matched");
    assert_eq!(texts(&out), ["http:t", "r:d|al*|alice|192.0.2.0/24"]);
}

#[test]
fn ten_thousand_rules_are_found_each() {
    let rules: Vec<Rule> = (0..5000)
        .flat_map(|number| {
            let exact = format!("user=u{number}");
            let prefix = format!("path=/{number}/*");
            [with(&format!("u{number}"), &[&exact]), with(&format!("p{number}"), &[&prefix])]
        })
        .collect();
    let rules = compile(rules);
    for number in [0, 77, 4999] {
        let user = format!("user=u{number}");
        let path = format!("path=/{number}/x");
        assert_eq!(descriptor_texts(&rules, "d", &[&user]), [format!("u{number}:d|u{number}")]);
        assert_eq!(descriptor_texts(&rules, "d", &[&path]), [format!("p{number}:d|/{number}/*")]);
    }
    assert!(descriptor_texts(&rules, "d", &["user=u5000"]).is_empty());
}

#[test]
fn an_override_takes_the_place_of_the_limit() {
    let rules = compile(vec![
        Rule { cost: 2, is_shadow: true, ..with("prefix", &["user=al*"]) },
        Rule { limit: None, ..with("free", &["free"]) },
        Rule { key: vec![KeyPart::ClientIp(32, 64)], ..with("by-ip", &["a"]) },
    ]);
    let minute_ns = 60_000_000_000;
    for (domain, entries, expected, cost) in [
        ("d", &["user=alice"][..], "prefix|d|al*", 2),
        ("d", &["free=1"], "free|d|1", 1),
        // Without a rule, or without a key for it, the descriptor counts for itself.
        ("d", &["user=bob", "x=1"], "|d|user|bob|x|1", 1),
        ("d", &["a=1"], "|d|a|1", 1),
        ("e", &["user=alice"], "|e|user|alice", 1),
    ] {
        let descriptor = Descriptor { limit: Some((5, minute_ns)), ..asked(entries) };
        let found = matched(&rules, domain, &[descriptor]).expect("matched");
        let expected = format!("given/fixed-window/5/{minute_ns}/5:{expected}");
        assert_eq!(texts(&found), [expected]);
        assert!(found.unlimited.is_empty());
        assert_eq!((found.items[0].cost, found.items[0].descriptor), (cost, Some(0)));
        let LimitRef::Given(limit) = found.items[0].limit else { panic!("a rule's limit") };
        let numbers = (limit.count, limit.period_ns, limit.burst);
        assert_eq!((limit.algorithm.name, numbers), ("fixed-window", (5, minute_ns, 5)));
    }
    let descriptor = Descriptor { limit: Some((0, minute_ns)), ..asked(&["user=alice"]) };
    let error = matched(&rules, "d", &[asked(&["a=1"]), descriptor]).expect_err("no limit");
    assert_eq!(error.0, "descriptor 2: the limit is 0; it must be from 1 to 4294967295");
}
