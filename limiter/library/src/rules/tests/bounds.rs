//! What cannot be compiled, what cannot be asked, and that nothing panics.

use proptest::prelude::*;

use super::*;
use crate::model::{AMOUNT_MAX, LIMITS_PER_CHECK_MAX};
use crate::request::{GivenLimit, LimitRef};

#[test]
fn rules_that_cannot_be_are_named() {
    let with_path =
        |path: &str| Rule { conditions: vec![Condition::Path(path.into())], ..rule("r") };
    let with_entries = |entries: &[&str]| Rule { descriptor: descriptor(entries), ..rule("r") };
    for (rules, expected) in [
        (vec![rule("r"), rule("r")], "rule `r`: there are two of this name"),
        (vec![rule("")], "rule ``: a name is 1 to 64 of a-z A-Z 0-9 . _ -"),
        (vec![rule("a:b")], "rule `a:b`: a name is"),
        (vec![with_path("login")], "rule `r`: path \"login\": it is not a path that begins with /"),
        (vec![with_path("/a//../b")], "rule `r`: path \"/a//../b\": it is not a path"),
        (vec![with_path("/{a}{b}")], "rule `r`: path \"/{a}{b}\": "),
        (vec![with_path("/{a")], "rule `r`: path \"/{a\": "),
        (vec![with_path("/{*a}/b")], "rule `r`: path \"/{*a}/b\": "),
        (vec![with_entries(&[])], "rule `r`: a descriptor has 1 to 32 entries, not 0"),
        (vec![with_entries(&["=a"])], "rule `r`: an entry of its descriptor has no key"),
        (
            vec![with_entries(&["a=1"]), Rule { name: "s".into(), ..with_entries(&["a=1"]) }],
            "rule `s`: it has the domain and the descriptor of rule `r`",
        ),
        (
            vec![Rule { descriptor: descriptor(&["a"]), ..with_path("/") }],
            "rule `r`: a rule with a descriptor has no other conditions",
        ),
        (
            vec![Rule { key: vec![KeyPart::ClientIp(33, 64)], ..rule("r") }],
            "rule `r`: a prefix has at most 32 bits of IPv4 and 128 of IPv6",
        ),
        (
            vec![Rule { limit: Some(Limit { count: 0, ..limit() }), ..rule("r") }],
            "rule `r`: the limit is 0; it must be from 1 to 4294967295",
        ),
    ] {
        let error = try_compile(rules).expect_err(expected);
        assert!(error.starts_with(expected), "{error}");
    }
}

#[test]
fn requests_over_a_bound_are_refused() {
    let rules = compile(vec![Rule { descriptor: descriptor(&["a"]), ..rule("r") }]);
    let long = "x".repeat(1025);
    let entries = |count| Descriptor { entries: vec![("a", "1"); count], ..Descriptor::default() };
    let one =
        |key, value| vec![Descriptor { entries: vec![(key, value)], ..Descriptor::default() }];
    for (domain, descriptors, expected) in [
        ("d", vec![], "descriptors must not be empty"),
        ("", one("a", "1"), "domain must not be empty"),
        (&long, one("a", "1"), "domain is over 1024 bytes long"),
        ("d", vec![entries(1); 65], "65 descriptors; send at most 64 in one request"),
        ("d", vec![entries(1), entries(0)], "descriptor 2 has 0 entries; it must have 1 to 32"),
        ("d", vec![entries(33)], "descriptor 1 has 33 entries; it must have 1 to 32"),
        ("d", one("", "1"), "entry 1 of descriptor 1 has no key"),
        ("d", one(&long, "1"), "the key of entry 1 of descriptor 1 is over 1024 bytes long"),
        ("d", one("a", &long), "the value of entry 1 of descriptor 1 is over 1024 bytes long"),
        ("d", vec![entries(1); LIMITS_PER_CHECK_MAX + 1], "more than 32 limits apply"),
    ] {
        let error = matched(&rules, domain, &descriptors).expect_err(expected).to_string();
        assert!(error.starts_with(expected), "{error}");
    }
    let fitting = vec![entries(1); LIMITS_PER_CHECK_MAX];
    assert_eq!(matched(&rules, "d", &fitting).expect("fits").items.len(), LIMITS_PER_CHECK_MAX);
}

#[test]
fn a_refused_request_leaves_nothing() {
    let rules = compile(vec![Rule { descriptor: descriptor(&["a"]), ..rule("r") }]);
    let mut out = Matched::default();
    for count in [LIMITS_PER_CHECK_MAX, LIMITS_PER_CHECK_MAX + 1] {
        let descriptors = vec![asked(&["a=1"]); count];
        let request = Request { domain: "d", descriptors: &descriptors, ..Request::default() };
        let is_right = rules.matches(&request, &mut out).is_ok();
        assert_eq!(is_right, !out.items.is_empty());
        assert_eq!(is_right, !out.text.is_empty());
    }
}

#[test]
fn a_rule_is_found_by_its_name() {
    let by_ip = |name: &str| Rule { key: vec![KeyPart::ClientIp(32, 64)], ..rule(name) };
    let rules = compile(vec![
        Rule { cost: 4, ..rule("login") },
        by_ip("per-ip"),
        Rule { limit: None, ..rule("free") },
    ]);
    let mut out = Matched::default();
    let mut ask = |name: &str, key: &[u8], cost| {
        rules
            .by_name(name, key, cost, &mut out)
            .map(|()| (texts(&out), out.items.first().map(|i| i.cost)))
    };
    for (name, key, cost, expected) in [
        ("login", "alice", None, Some(("login:alice", 4))),
        ("login", "a|b", Some(0), Some(("login:a%7Cb", 0))),
        ("login", "", Some(7), Some(("login:", 7))),
        ("login", "2001:db8::1", None, Some(("login:2001:db8::1", 4))),
        ("per-ip", "2001:DB8:0::1", None, Some(("per-ip:2001:db8::/64", 1))),
        ("per-ip", "::ffff:192.0.2.1", None, Some(("per-ip:192.0.2.1", 1))),
        ("per-ip", "alice", None, Some(("per-ip:alice", 1))),
        ("free", "alice", None, None),
    ] {
        let (texts, found) = ask(name, key.as_bytes(), cost).expect("found");
        assert_eq!(texts, expected.iter().map(|(text, _)| *text).collect::<Vec<_>>());
        assert_eq!(found, expected.map(|(_, cost)| cost));
    }
    for (name, expected) in [
        ("logn", "no rule is called \"logn\"; did you mean `login`?"),
        ("per_ip", "no rule is called \"per_ip\"; did you mean `per-ip`?"),
        ("something", "no rule is called \"something\""),
        ("a\nb", "no rule is called \"a\\nb\""),
    ] {
        assert_eq!(ask(name, b"", None).expect_err("unknown").to_string(), expected);
    }
    let error = ask("login", &[b'a'; 1025], None).expect_err("too long").to_string();
    assert_eq!(error, "a key of 1025 bytes; the longest is 1024, send a hash of it");
}

#[test]
fn a_request_may_bring_its_limit_along() {
    let rules = compile(vec![]);
    let limit = GivenLimit { algorithm: &ANY, count: 30, period_ns: 60_000, burst: 16 };
    let mut out = Matched::default();
    rules.given(b"user 1", limit, 2, &mut out).expect("given");
    assert_eq!(texts(&out), ["given/any/30/60000/16:user%201"]);
    assert_eq!((out.items[0].limit, out.items[0].cost), (LimitRef::Given(limit), 2));
    for (limit, expected) in [
        (GivenLimit { count: 0, ..limit }, "the limit is 0; "),
        (GivenLimit { burst: AMOUNT_MAX + 1, ..limit }, "the burst is 4294967296; "),
        (GivenLimit { period_ns: 0, ..limit }, "the period in nanoseconds is 0; "),
    ] {
        let error = rules.given(b"", limit, 1, &mut out).expect_err(expected);
        assert!(error.0.starts_with(expected), "{error}");
        assert!(out.items.is_empty());
    }
}

proptest! {
    #[test]
    fn no_bytes_panic(
        path in prop::collection::vec(any::<u8>(), 0..40),
        header in prop::collection::vec(any::<u8>(), 0..400),
        template in "/?(\\{|\\}|\\*|a|/|%|\\.|\u{e9}){0,12}",
        domain in ".{0,3}",
        value in ".{0,5}",
        name in ".{0,5}",
    ) {
        let key = || vec![KeyPart::Path, KeyPart::Header("x-a".into())];
        let mut rules = vec![
            Rule { key: key(), ..rule("all") },
            Rule { descriptor: descriptor(&["a"]), key: key(), ..rule("any") },
        ];
        let templated =
            Rule { conditions: vec![Condition::Path(template)], key: key(), ..rule("path") };
        if try_compile(vec![templated.clone()]).is_ok() {
            rules.push(templated);
        }
        let rules = compile(rules);
        let http = Http { path, headers: vec![("x-a", header.clone())], ..Http::default() };
        let descriptors = [Descriptor { entries: vec![("a", &value)], ..Descriptor::default() }];
        let request = Request {
            domain: &domain,
            descriptors: &descriptors,
            http: Some(&http),
            cost: None,
        };
        let mut out = Matched::default();
        prop_assert_eq!(rules.matches(&request, &mut out).is_ok(), !domain.is_empty());
        prop_assert!(out.text.iter().all(u8::is_ascii_graphic));
        if !domain.is_empty() {
            prop_assert!(out.items.len() >= 2);
        }
        prop_assert!(rules.by_name(&name, &header, None, &mut out).is_err());
        prop_assert!(rules.by_name("any", &header, None, &mut out).is_ok());
    }
}
