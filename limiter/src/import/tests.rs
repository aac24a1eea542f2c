//! Job: hold the importers to it that our reader takes what they write, with the same meaning, and that
//! what is lost is said. In: files of others. Out: failures. Invariant: what users read is compared
//! whole.

use proptest::prelude::*;
use ringlet_limit::model::{ClientAddress, Condition, EntryValue, KeyPart, Rule};
use ringlet_limit::request::{Descriptor, LimitRef, Matched, Request};
use ringlet_limit::rules::RuleSet;

use super::*;
use crate::config::model::{Configuration, Protocol};
use crate::config::parse;

fn envoy(text: &str) -> Result<String, String> {
    from_envoy(&[("a.yaml".to_owned(), text.to_owned())]).map_err(|problems| problems.to_string())
}

fn nginx(text: &str) -> Result<String, String> {
    from_nginx(text).map_err(|problems| problems.to_string())
}

#[track_caller]
fn read(imported: Result<String, String>) -> (String, Configuration) {
    let text = imported.unwrap_or_else(|problems| panic!("{problems}"));
    let configuration = parse(&text).unwrap_or_else(|problems| panic!("{problems}\n{text}"));
    (text, configuration)
}

/// Whether a file of ours is read, and its rules can be matched.
fn is_right(text: &str) -> bool {
    parse(text).is_ok_and(|configuration| RuleSet::compile(&configuration.rules, None, 1).is_ok())
}

/// Algorithm, count, milliseconds and burst.
fn numbers(rule: &Rule) -> (&'static str, u64, u64, u64) {
    let limit = rule.limit.as_ref().expect("a limit");
    (limit.algorithm.name, limit.count, limit.period_ns / 1_000_000, limit.burst)
}

fn comments(text: &str) -> Vec<&str> {
    text.lines().filter_map(|line| line.strip_prefix("# ")).collect()
}

const ENVOY: &str = r#"
domain: edge
descriptors:
  - key: database
    value: users
    rate_limit: { unit: second, requests_per_unit: 500 }
  - key: database
    rate_limit: { unit: MINUTE, requests_per_unit: 7 }
    descriptors:
      - key: path
        value: /a*
        rate_limit: { name: specific, unit: month, requests_per_unit: 20, replaces: [{ name: other }] }
        shadow_mode: true
        detailed_metric: true
      - key: number
        value: 10
        rate_limit: { unlimited: true }
  - key: remote
    value: "10.*"
    share_threshold: true
    quota_mode: true
    rate_limit: { unit: year, requests_per_unit: 1 }
"#;

#[test]
fn the_limits_of_envoy_are_windows_with_the_same_descriptors() {
    let (text, configuration) = read(envoy(ENVOY));
    assert_eq!(configuration.listeners[0].protocol, Protocol::Grpc);
    let rules = &configuration.rules.rules;
    let names: Vec<&str> = rules.iter().map(|rule| rule.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "edge.database_users",
            "edge.database",
            "specific",
            "edge.database.number_10",
            "edge.remote_10.-any"
        ]
    );
    assert!(rules.iter().all(|rule| rule.domain.as_deref() == Some("edge")));
    assert_eq!(numbers(&rules[0]), ("fixed-window", 500, 1000, 500));
    assert_eq!(numbers(&rules[1]), ("fixed-window", 7, 60_000, 7));
    assert_eq!(numbers(&rules[2]), ("fixed-window", 20, 30 * 86_400_000, 20));
    assert!(rules[3].limit.is_none());
    assert_eq!(numbers(&rules[4]), ("fixed-window", 1, 365 * 86_400_000, 1));
    let values = |rule: &Rule| -> Vec<EntryValue> {
        let entries = rule.descriptor.as_ref().expect("a descriptor");
        entries.iter().map(|entry| entry.value.clone()).collect()
    };
    assert_eq!(values(&rules[0]), [EntryValue::Exact("users".to_owned())]);
    assert_eq!(values(&rules[2]), [EntryValue::Any, EntryValue::Prefix("/a".to_owned())]);
    assert_eq!(values(&rules[3]), [EntryValue::Any, EntryValue::Exact("10".to_owned())]);
    // Values that begin alike are counted one by one unless they share.
    assert_eq!(rules[2].key, [KeyPart::Descriptor("path".to_owned())]);
    assert!(rules[4].key.is_empty());
    assert!(rules[2].is_shadow && rules[4].is_quota && !rules[0].is_shadow);
    assert_eq!(
        comments(&text)[1..],
        [
            "Lost: replaces other. Both limits hold here.",
            "Lost: detailed_metric. It says nothing about the limit."
        ]
    );
}

/// The texts of the keys that a descriptor is counted by, and whether it is unlimited.
fn counted(rules: &RuleSet, entries: &[(&str, &str)]) -> (Vec<String>, bool) {
    let descriptor = Descriptor { entries: entries.to_vec(), ..Descriptor::default() };
    let request = Request { domain: "edge", descriptors: &[descriptor], ..Request::default() };
    let mut matched = Matched::default();
    rules.matches(&request, &mut matched).unwrap_or_else(|error| panic!("{error:?}"));
    assert!(matched.items.iter().all(|item| matches!(item.limit, LimitRef::Rule(_))));
    let text = |item| String::from_utf8_lossy(matched.text_of(item)).into_owned();
    (matched.items.iter().map(text).collect(), !matched.unlimited.is_empty())
}

#[test]
fn descriptors_find_the_limits_that_envoy_finds() {
    let (_, configuration) = read(envoy(ENVOY));
    let rules = RuleSet::compile(&configuration.rules, None, 1).expect("rules");
    let one = |entries: &[(&str, &str)]| {
        let (mut keys, is_unlimited) = counted(&rules, entries);
        assert!(!is_unlimited && keys.len() == 1, "{entries:?}: {keys:?}");
        keys.remove(0)
    };
    let none = |entries: &[(&str, &str)]| {
        assert_eq!(counted(&rules, entries), (Vec::new(), false), "{entries:?}");
    };
    assert!(one(&[("database", "users")]).starts_with("edge.database_users:"));
    // A key alone counts each value by itself, and so does a wildcard.
    assert_ne!(one(&[("database", "a")]), one(&[("database", "b")]));
    let below = |path| one(&[("database", "a"), ("path", path)]);
    assert!(below("/a1").starts_with("specific:"));
    assert_ne!(below("/a1"), below("/a2"));
    // Unless it shares its threshold.
    assert_eq!(one(&[("remote", "10.0.0.1")]), one(&[("remote", "10.0.0.2")]));
    assert_eq!(counted(&rules, &[("database", "a"), ("number", "10")]), (Vec::new(), true));
    // The depth must be the same, and a branch that was taken is not left again.
    none(&[("database", "users"), ("path", "/a1")]);
    none(&[("database", "a"), ("path", "/a1"), ("more", "x")]);
    none(&[("remote", "11.0.0.1")]);
}

#[test]
fn what_envoy_would_refuse_or_we_cannot_say_is_told_with_its_line() {
    for (text, message) in [
        ("", "a.yaml, line 1: unexpected end of input"),
        ("descriptors: []", "a.yaml, line 1: missing field `domain`"),
        ("domain: ''", "a.yaml, line 1: the domain is empty"),
        ("domain: a\ndomain: b", "a.yaml, line 2: `domain` is there twice"),
        (
            "domain: a\n---\ndomain: b",
            "a.yaml, line 3: a second document begins; write it into a file of its own",
        ),
        ("domain: a\ndescriptors:\n- key: ''", "a.yaml, line 3: the key of an entry is empty"),
        (
            "domain: a\ndescriptors:\n- key: a\n  rate_limit: {unit: minutes, requests_per_unit: 1}",
            "a.yaml, line 4: \"minutes\" is not a unit such as minute; did you mean `minute`?",
        ),
        (
            "domain: a\ndescriptors:\n- key: a\n  rate_limit: {unit: day}\n- key: a\n\
             - {key: b, rate_limit: {unlimited: true, unit: second}}\n- {key: c, rate_limit: {}}",
            "a.yaml, line 3: 0 requests per unit refuse all; a limit here is at least 1\n\
             a.yaml, line 5: a.a is there twice\n\
             a.yaml, line 6: a limit that is unlimited has no unit\n\
             a.yaml, line 7: the rate_limit has no unit",
        ),
        (
            "domain: a\ndescriptors:\n- key: a\n  rate_limit: {unit: day, requests_per_unit: 9999999999}",
            "a.yaml, line 4: 9999999999 requests per unit are more than 4294967295",
        ),
    ] {
        assert_eq!(envoy(text), Err(message.to_owned()), "{text}");
    }
    let unknown =
        envoy("domain: a\ndescriptors:\n- key: a\n  valu: b").expect_err("an unknown key");
    assert!(unknown.starts_with("a.yaml, line 4: unknown field `valu`"), "{unknown}");
    let files = ["a", "b"].map(|name| (name.to_owned(), "domain: x".to_owned()));
    let twice = from_envoy(&files).expect_err("one domain in two files").to_string();
    assert_eq!(twice, "b, line 1: domain x is in two files");
}

const NGINX: &str = r#"
http {
    include mime.types;
    limit_req_zone $binary_remote_addr zone=one:10m rate=1r/s;
    limit_req_zone $http_x_api_key zone=two:10m rate=30r/m;
    limit_req_zone ${host}$request_uri zone=three:10m rate=10r/s;
    limit_req_zone $remote_addr zone=unused:10m rate=10r/s;
    limit_req_status 429;
    server {
        server_name example.com www.example.com;
        limit_req zone=one burst=5 nodelay;
        location /api { limit_req zone=three burst=20; }
        location = /login { limit_req zone=two; limit_req_dry_run on; }
    }
}
"#;

#[test]
fn the_zones_of_nginx_are_buckets_and_shapers_at_their_places() {
    let (text, configuration) = read(nginx(NGINX));
    assert_eq!(configuration.listeners[0].deny_status, Some(429));
    assert_eq!(configuration.listeners[0].client, ClientAddress::TrustedHops(1));
    let rules = &configuration.rules.rules;
    let names: Vec<&str> = rules.iter().map(|rule| rule.name.as_str()).collect();
    assert_eq!(names, ["one", "three", "three-2", "two"]);
    assert_eq!(numbers(&rules[0]), ("leaky-bucket", 1, 1000, 6));
    assert_eq!(numbers(&rules[1]), ("shaper", 10, 1000, 21));
    assert_eq!(numbers(&rules[3]), ("leaky-bucket", 30, 60_000, 1));
    assert_eq!(rules[0].key, [KeyPart::ClientIp(32, 128)]);
    assert_eq!(rules[1].key, [KeyPart::Host, KeyPart::Path]);
    assert_eq!(rules[3].key, [KeyPart::Header("x-api-key".to_owned())]);
    let hosts = ["example.com", "www.example.com"].map(str::to_owned).to_vec();
    let at = |path: &str| [Condition::Path(path.to_owned()), Condition::Host(hosts.clone())];
    assert_eq!(rules[0].conditions, [Condition::Host(hosts.clone())]);
    assert_eq!(rules[1].conditions, at("/api"));
    assert_eq!(rules[2].conditions, at("/api/{*rest}"));
    assert_eq!(rules[3].conditions, at("/login"));
    assert_eq!(
        rules.iter().map(|rule| rule.is_shadow).collect::<Vec<_>>(),
        [false, false, false, true]
    );
    assert_eq!(
        comments(&text)[1..],
        [
            "Lost: line 3, include mime.types",
            "Lost: line 7, zone unused, which nothing applies.",
            "Changed: nginx does not apply it where line 12 applies another; here both hold.",
            "Changed: nginx does not apply it where line 13 applies another; here both hold.",
            "Changed: nginx applies it to paths such as /apix too; here it does not.",
            "Changed: $request_uri is here the path, without the query.",
            "Changed: nginx counts zone three together; its 2 rules here count apart.",
            "Changed: nginx applies it to paths such as /apix too; here it does not.",
            "Changed: $request_uri is here the path, without the query.",
            "Changed: all paths of this rule are counted together.",
            "Changed: nginx counts zone three together; its 2 rules here count apart.",
        ]
    );
}

/// One zone of the name `a`, applied by a server that has such lines.
fn server(lines: &str) -> String {
    format!("limit_req_zone $remote_addr zone=a:1m rate=1r/s;\nserver {{\n{lines}\n}}")
}

#[test]
fn what_nginx_would_refuse_or_we_cannot_say_is_told_with_its_line() {
    for (text, message) in [
        (
            "limit_req_zone $remote_addr zone=a:1m;".to_owned(),
            "line 1: limit_req_zone without rate=",
        ),
        (
            "\nlimit_req_zone $remote_addr rate=1r/s;".to_owned(),
            "line 2: limit_req_zone without zone=NAME:SIZE",
        ),
        (
            "limit_req_zone $remote_addr zone=a:1m rate=1r/h;".to_owned(),
            "line 1: rate=\"1r/h\" is not a rate such as 1r/s",
        ),
        (
            "limit_req_zone $cookie_a zone=a:1m rate=1r/s;".to_owned(),
            "line 1: the variable $cookie_a cannot be counted by; there are $binary_remote_addr, \
             $remote_addr, $host, $server_name, $uri, $request_uri, $request_method, $http_NAME",
        ),
        (server("limit_req zone=b;"), "line 3: no zone is called \"b\"; did you mean `a`?"),
        (
            server("limit_req zone=a delay=3 burst=5;"),
            "line 3: delay=N has no counterpart, as some requests go on at once and others wait: write \
             nodelay, or leave it out and all of them wait",
        ),
        (server("limit_req zone=a burst=x;"), "line 3: `burst=x` is not a number of requests"),
        (server("limit_req zone=a quick;"), "line 3: limit_req has an unknown parameter `quick`"),
        (server("limit_req burst=5;"), "line 3: limit_req without zone=NAME"),
        (
            server("server_name *.example;\nlimit_req zone=a;"),
            "line 4: server_name: \"*.example\" has a wildcard; hosts are compared whole: list them",
        ),
        (
            server("location ~ x { limit_req zone=a; }"),
            "line 3: location ~ x: only paths can be compared here",
        ),
        (
            server("limit_req_status 200;\nlimit_req_dry_run 1;"),
            "line 3: limit_req_status is not a status from 400 to 599\n\
             line 4: limit_req_dry_run is neither on nor off",
        ),
        (
            "http {\n    include mime.types;\n    include sites/*;\n}".to_owned(),
            "line 2: include is not followed, and there is no limit_req beside it: write all of it into one \
             file with `nginx -T > all.conf`, and import that",
        ),
        (server("limit_req zone=a"), "line 3: `limit_req` has no `;`"),
    ] {
        assert_eq!(nginx(&text), Err(message.to_owned()), "{text}");
    }
}

#[test]
fn a_comment_never_becomes_a_rule() {
    let text = "limit_conn \"a\n[rule.evil]\nrate = '1/s'\";\n";
    let (text, configuration) = read(nginx(text));
    assert!(configuration.rules.rules.is_empty(), "{text}");
    let name = "a\\u0085b\\nc";
    let yaml = format!(
        "domain: x\ndescriptors:\n- key: k\n  rate_limit: {{unit: day, requests_per_unit: 1, replaces: [{{name: \"{name}\"}}]}}"
    );
    assert_eq!(read(envoy(&yaml)).1.rules.rules.len(), 1);
}

proptest! {
    #[test]
    fn no_yaml_panics_and_what_is_written_is_read(
        words in prop::collection::vec(
            prop::sample::select(vec![
                "domain", "descriptors", "key", "value", "rate_limit", "unit", "requests_per_unit",
                ": ", "\n", "\n  ", "\n- ", "{", "}", "[", "]", ",", "\"", "*", "&a", "minute", "1", "a",
            ]),
            0..40,
        ),
        value in "[ -~]{0,12}",
    ) {
        let _ = envoy(&words.concat());
        let text = format!(
            "domain: a\ndescriptors:\n- key: {0}\n  value: {0}\n  rate_limit: {{unit: day, requests_per_unit: 1}}",
            ringlet_limit::config::quoted(&value)
        );
        if let Ok(text) = envoy(&text) {
            prop_assert!(is_right(&text), "{}", text);
        }
    }

    #[test]
    fn no_nginx_panics_and_what_is_written_is_read(
        words in prop::collection::vec(
            prop::sample::select(vec![
                "limit_req_zone", "$remote_addr", "$", "${", "zone=a:1m", "zone=a", "rate=1r/s",
                "limit_req", "burst=3", "nodelay", "server", "location", "http", "/", "=", "/a{b}", "~",
                "server_name", "_", "a.b", " ", " ", " ", ";", ";", "{", "{", "}", "}", "\"", "'", "\\", "#", "\n",
            ]),
            0..60,
        ),
        path in "/[ -~]{0,12}",
    ) {
        for text in [words.join(" "), words.concat()] {
            if let Ok(text) = nginx(&text) {
                prop_assert!(is_right(&text), "{}", text);
            }
        }
        let path = path.replace(['\\', '"'], "x");
        if let Ok(text) = nginx(&server(&format!("location \"{path}\" {{ limit_req zone=a; }}"))) {
            prop_assert!(is_right(&text), "{}", text);
        }
    }
}
