//! Rules that are held against an HTTP request.

use super::*;

fn with(name: &str, conditions: Vec<Condition>, key: Vec<KeyPart>) -> Rule {
    Rule { conditions, key, ..rule(name) }
}

fn strings(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

fn path(template: &str) -> Condition {
    Condition::Path(template.to_owned())
}

/// Whether a rule with this condition applies.
fn applies(condition: Condition, http: &Http) -> bool {
    !http_texts(&compile(vec![with("r", vec![condition], vec![])]), http).is_empty()
}

fn at(path: &str) -> Http {
    Http { path: path.as_bytes().to_vec(), ..Http::default() }
}

#[test]
fn each_condition_holds_for_what_it_says() {
    let method = |texts: &[&str]| Condition::Method(strings(texts));
    let host = |texts: &[&str]| Condition::Host(strings(texts));
    let header = |value: Option<&str>| Condition::Header("x-a".into(), value.map(str::to_owned));
    let client = |text: &str| Condition::Client(vec![text.parse().expect("network")]);
    let headers =
        |value: &str| Http { headers: vec![("x-a", value.as_bytes().to_vec())], ..Http::default() };
    let from = |text: &str| Http { client: text.parse().ok(), ..Http::default() };
    let to = |host| Http { host, ..Http::default() };
    for (condition, http, expected) in [
        (method(&["POST", "GET"]), Http::default(), true),
        (method(&["POST"]), Http::default(), false),
        (method(&["get"]), Http::default(), false),
        (host(&["example.com"]), Http::default(), true),
        (host(&["a.example", "example.com"]), to("example.com."), true),
        (host(&["example.com"]), to("EXAMPLE.com"), true),
        (host(&["example.com"]), to("www.example.com"), false),
        (host(&["example.com"]), to(""), false),
        (header(None), headers(""), true),
        (header(None), Http::default(), false),
        (header(Some("b")), headers("b"), true),
        (header(Some("b")), headers("B"), false),
        (client("192.0.2.0/24"), Http::default(), true),
        (client("192.0.2.0/24"), from("::ffff:192.0.2.9"), true),
        (client("192.0.2.0/24"), from("198.51.100.1"), false),
        (client("::/0"), from("192.0.2.1"), false),
        (client("0.0.0.0/0"), from("nobody"), false),
    ] {
        assert_eq!(applies(condition.clone(), &http), expected, "{condition:?}");
    }
}

#[test]
fn all_conditions_must_hold_and_all_rules_that_do_apply_together() {
    let post = || Condition::Method(strings(&["POST"]));
    let rules = compile(vec![
        with("all", vec![], vec![]),
        with("post", vec![post()], vec![]),
        with("post-login", vec![post(), path("/login")], vec![]),
        with("any-page", vec![path("/{page}")], vec![]),
        with("everything", vec![path("/{*rest}")], vec![]),
        with("log-out", vec![path("/logout"), post()], vec![]),
    ]);
    let mut http = at("/login");
    let expect = |http: &Http, expected: &[&str]| {
        let mut found = http_texts(&rules, http);
        found.sort();
        let mut expected: Vec<String> = expected.iter().map(|name| format!("{name}:")).collect();
        expected.sort();
        assert_eq!(found, expected);
    };
    expect(&http, &["all", "any-page", "everything"]);
    http.method = "POST";
    expect(&http, &["all", "post", "post-login", "any-page", "everything"]);
    http.path = b"/a/b".to_vec();
    expect(&http, &["all", "post", "everything"]);
}

#[test]
fn a_caller_may_name_the_rules_that_may_apply() {
    let of_domain = Rule { domain: Some("a".to_owned()), ..with("of-a", vec![], vec![]) };
    let rules = compile(vec![
        of_domain,
        with("get", vec![Condition::Method(strings(&["GET"]))], vec![]),
        with("post", vec![Condition::Method(strings(&["POST"]))], vec![]),
        with("all", vec![], vec![]),
    ]);
    let slots: Vec<u32> = rules.slots().map(|(slot, _)| slot).collect();
    let http = at("/");
    let request = Request { http: Some(&http), ..Request::default() };
    let among = |slots: &[u32]| {
        let mut out = Matched::default();
        rules.matches_among(slots, &request, &mut out).expect("a request");
        texts(&out)
    };
    assert_eq!(among(&slots[..3]), ["of-a:", "get:"]);
    assert_eq!(among(&[slots[3], 999, slots[1]]), ["all:", "get:"], "in the order of the names");
    assert_eq!(among(&[]), [""; 0]);
}

#[test]
fn no_spelling_of_a_path_goes_round_its_rule() {
    for (template, requested, expected) in [
        ("/login", "/login", true),
        ("/login", "/login/", true),
        ("/login/", "/login", true),
        ("/login", "//login", true),
        ("/login", "/./login", true),
        ("/login", "/a/../login", true),
        ("/login", "/a/%2e%2E/login", true),
        ("/login", "/%6cogin", true),
        ("/login", "/login/.", true),
        ("/l%6Fgin", "/login", true),
        ("/caf\u{e9}", "/caf%c3%a9", true),
        ("/caf%C3%A9", "/caf\u{e9}", true),
        ("/a b", "/a%20b", true),
        ("/login", "/logins", false),
        ("/login", "/a/login", false),
        ("/login", "/Login", false),
        ("/login", "/log%2Fin", false),
        ("/", "/", true),
        ("/", "", true),
        ("/", "/a", false),
        ("/users/{id}/orders", "/users/7/orders", true),
        ("/users/{id}/orders", "/users/7/orders/", true),
        ("/users/{id}/orders", "/users/7%2F8/orders", true),
        ("/users/{id}/orders", "/users/7/8/orders", false),
        ("/users/{id}/orders", "/users//orders", false),
        ("/users/{id}", "/users", false),
        ("/users/me", "/users/me", true),
        ("/static/{*rest}", "/static/a/b.css", true),
        ("/static/{*rest}", "/static/../a", false),
        ("/{*rest}", "/", false),
        // What servers disagree on is held against every path.
        ("/login", "/%zz", true),
        ("/login", "/a//../b", true),
        ("/users/{id}/orders", "/a//../b", true),
        ("/login", "login", true),
        ("/login", "*", true),
    ] {
        let found = applies(path(template), &at(requested));
        assert_eq!(found, expected, "{template} {requested}");
    }
}

#[test]
fn other_conditions_still_count_where_a_path_has_two_meanings() {
    let post = Condition::Method(strings(&["POST"]));
    let rules = compile(vec![
        with("post", vec![path("/login"), post], vec![]),
        with("login", vec![path("/login")], vec![KeyPart::Path]),
        with("any", vec![], vec![KeyPart::Path]),
    ]);
    assert_eq!(http_texts(&rules, &at("/%")), ["login:/login", "any:?"]);
}

#[test]
fn keys_have_the_parts_that_their_rules_name() {
    let http = Http {
        path: b"/users/%37/orders/".to_vec(),
        headers: vec![("x-api-key", b"a|b".to_vec())],
        client: "2001:db8:1:2:3::4".parse().ok(),
        ..Http::default()
    };
    let key = |key: Vec<KeyPart>| {
        let rules = compile(vec![
            with("raw", vec![], key.clone()),
            with("templated", vec![path("/users/{id}/orders/")], key),
        ]);
        http_texts(&rules, &http)
    };
    let ip = KeyPart::ClientIp(32, 64);
    for (parts, expected) in [
        (vec![], vec!["templated:", "raw:"]),
        (vec![ip.clone()], vec!["templated:2001:db8:1:2::/64", "raw:2001:db8:1:2::/64"]),
        (
            vec![KeyPart::Method, KeyPart::Host],
            vec!["templated:GET|example.com", "raw:GET|example.com"],
        ),
        (vec![KeyPart::Path], vec!["templated:/users/{id}/orders", "raw:/users/7/orders"]),
        (vec![KeyPart::Header("x-api-key".into())], vec!["templated:a%7Cb", "raw:a%7Cb"]),
        (vec![ip, KeyPart::Header("x-user".into())], vec![]),
        (vec![KeyPart::Descriptor("user".into())], vec![]),
    ] {
        assert_eq!(key(parts.clone()), expected, "{parts:?}");
    }
}

#[test]
fn a_client_that_is_not_known_has_no_key() {
    let rules = compile(vec![
        with("by-ip", vec![], vec![KeyPart::ClientIp(32, 64)]),
        with("all", vec![], vec![]),
    ]);
    assert_eq!(http_texts(&rules, &Http { client: None, ..Http::default() }), ["all:"]);
    let mapped = Http { client: "::ffff:192.0.2.1".parse().ok(), ..Http::default() };
    assert_eq!(http_texts(&rules, &mapped), ["by-ip:192.0.2.1", "all:"]);
}

#[test]
fn domains_keep_to_themselves() {
    let of = |name: &str, domain: &str| Rule { domain: Some(domain.into()), ..rule(name) };
    let rules = compile(vec![rule("open"), of("inner", "a"), of("other", "b")]);
    let http = Http::default();
    for (domain, expected) in
        [("", vec!["open:"]), ("a", vec!["inner:", "open:"]), ("unknown", vec!["open:"])]
    {
        let mut matched = Matched::default();
        let request = Request { domain, http: Some(&http), ..Request::default() };
        rules.matches(&request, &mut matched).expect("matched");
        assert_eq!(texts(&matched), expected);
    }
}

#[test]
fn lists_come_before_rules() {
    let rules = Rules {
        rules: vec![Arc::new(rule("all"))],
        lists: AccessLists {
            allow: vec!["192.0.2.0/24".parse().expect("network")],
            deny: vec!["198.51.100.7/32".parse().expect("network")],
        },
    };
    let rules = RuleSet::compile(&rules, None, 7).expect("rules");
    for (client, access, count) in [
        (Some("192.0.2.1"), Access::Free, 0),
        (Some("::ffff:198.51.100.7"), Access::Denied, 0),
        (Some("203.0.113.1"), Access::Limited, 1),
        (None, Access::Limited, 1),
    ] {
        let client = client.map(|client| client.parse().expect("address"));
        let http = Http { client, ..Http::default() };
        let mut matched = Matched::default();
        let request = Request { http: Some(&http), ..Request::default() };
        rules.matches(&request, &mut matched).expect("matched");
        assert_eq!((matched.access, matched.items.len()), (access, count));
    }
}

#[test]
fn costs_are_of_the_request_before_the_rule() {
    let rules = compile(vec![Rule { cost: 3, ..rule("r") }]);
    let http = Http::default();
    for (cost, expected) in [(None, 3), (Some(5), 5), (Some(0), 0)] {
        let mut matched = Matched::default();
        let request = Request { http: Some(&http), cost, ..Request::default() };
        rules.matches(&request, &mut matched).expect("matched");
        assert_eq!(matched.items[0].cost, expected);
    }
}
