//! Job: hold the configuration of the process to its promises: defaults, each mistake in whole
//! sentences, what `check` prints, options in the place of a file. In: short files. Out: failures.
//! Invariant: what users read is compared whole.

use std::path::PathBuf;

use proptest::prelude::*;
use ringlet_limit::model::{ClientAddress, KeyPart};

use ringlet_limit::headers::HeaderStyle;

use super::model::{LogTarget, Protocol};
use super::*;

/// A file that is right, to which tests add what is wrong.
const SMALL: &str = "[[listener]]\nbind = \"127.0.0.1:8090\"\nprotocol = \"http\"\n";

#[track_caller]
fn right(text: &str) -> Configuration {
    parse(text).unwrap_or_else(|problems| panic!("{problems}"))
}

#[track_caller]
fn wrong(cases: &[(&str, &str)]) {
    for (text, message) in cases {
        let problems = match parse(text) {
            Ok(_) => panic!("accepted: {text}"),
            Err(problems) => problems.to_string(),
        };
        assert_eq!(problems, *message, "{text}");
    }
}

/// The same for lines behind [`SMALL`].
#[track_caller]
fn wrong_after(cases: &[(&str, &str)]) {
    for (lines, message) in cases {
        wrong(&[(&format!("{SMALL}{lines}"), message)]);
    }
}

#[test]
fn what_is_not_said_has_finite_defaults() {
    let Configuration { global, store, rules, listeners } = right(SMALL);
    assert_eq!((global.cores, global.admin, global.keys_max), (0, None, 1_000_000));
    assert_eq!((global.connections_max, global.drain_timeout_ms), (100_000, 30_000));
    assert_eq!(global.audit_log, LogTarget::Off);
    assert!(store.is_none() && rules.rules.is_empty());
    let listener = &listeners[0];
    assert_eq!((listener.name.as_str(), listener.protocol), ("127.0.0.1:8090", Protocol::Http));
    assert_eq!((listener.headers, listener.deny_status), (HeaderStyle::Ietf, None));
    assert_eq!((&listener.domain, &listener.client), (&None, &ClientAddress::Peer));
}

const FULL: &str = r#"
[global]
cores = 2
admin = ":8405"
keys = 5000
maxconn = 10
drain_timeout = "5s"
audit_log = "/var/log/denials.log"

[store]
address = "127.0.0.1:6379"
username = "limiter"
password = "hush"

[lists]
allow = ["10.0.0.0/8", "::1"]

[[listener]]
name = "front"
bind = [":8090", "unix:/run/limiter.sock"]
protocol = "http"
domain = "edge"
headers = "github"
deny_status = 403
trusted_proxies = ["10.0.0.0/8"]

[[listener]]
bind = "127.0.0.1:8081"
protocol = "grpc"

[[listener]]
bind = "127.0.0.1:8091"
protocol = "resp"

[rule.login]
algorithm = "gcra"
rate = "5/m"
key = "ip"
"#;

#[test]
fn all_that_is_said_holds_and_is_printed_without_the_password() {
    let configuration = right(FULL);
    assert_eq!(configuration.global.admin.as_deref(), Some("0.0.0.0:8405"));
    let path = PathBuf::from("/var/log/denials.log");
    assert_eq!(configuration.global.audit_log, LogTarget::File(path));
    let expected = "\
cores 2, keys 5000, connections 10, drain 5s, admin 0.0.0.0:8405, audit log /var/log/denials.log
store 127.0.0.1:6379 as limiter, keys rl:*, timeout 20ms, at least 1 node, leases of up to 5 % for 25ms

LISTENER        PROTOCOL  ADDRESSES                             DOMAIN  HEADERS  DENIES  CLIENT
front           http      0.0.0.0:8090, unix:/run/limiter.sock  edge    github   403     behind 10.0.0.0/8
127.0.0.1:8081  grpc      127.0.0.1:8081                        -       none     -       -
127.0.0.1:8091  resp      127.0.0.1:8091                        -       none     -       -

allow 10.0.0.0/8, ::1

RULE   ALGORITHM  LIMIT  BURST  MODE  NO STORE  NOTES  KEY       APPLIES TO
login  gcra       5/m    5      hard  share     -      ip/32,64  all

RULE   AT MOST       OVER  UNDER  BY
login  10 in any 1m  0     1      burst + limit; hard, 1 node
OVER, UNDER: by how much all nodes together may be over or under the limit in a window
";
    assert_eq!(effective(&configuration), expected);
    assert_eq!(effective(&right(FULL)), expected);
    let lines = summary(&configuration, 2, Some("0.0.0.0:8405"));
    let lines: Vec<&str> = lines.lines().skip(1).collect();
    assert_eq!(
        lines,
        [
            "listener 0.0.0.0:8090, unix:/run/limiter.sock (http)",
            "listener 127.0.0.1:8081 (grpc)",
            "listener 127.0.0.1:8091 (resp)",
            "store 127.0.0.1:6379",
            "rules login",
        ]
    );
}

#[test]
fn the_summary_does_not_grow_with_the_rules() {
    let mut text = SMALL.to_owned();
    for number in 0..100 {
        text.push_str(&format!("[rule.r{number}]\nrate = \"1/s\"\n"));
    }
    let lines = summary(&right(&text), 1, None);
    assert!(lines.ends_with("rules r0, r1, r2, r3, r4, r5, r6, r7 and 92 more"), "{lines}");
    assert!(summary(&right(SMALL), 1, None).ends_with(
        "no store\nno rules: all is allowed but what \
                                                      CL.THROTTLE limits"
    ));
}

#[test]
fn unknown_keys_get_a_suggestion() {
    wrong_after(&[
        ("[globl]", "unknown key `globl` at the top, line 4; did you mean `global`?"),
        ("[limits]", "unknown key `limits` at the top, line 4; a rule is written [rule.NAME]"),
        ("[rules.a]", "unknown key `rules` at the top, line 4; a rule is written [rule.NAME]"),
        ("mode = \"http\"", "unknown key `mode` in [[listener]], line 4; did you mean `protocol`?"),
        ("status = 1", "unknown key `status` in [[listener]], line 4; did you mean `deny_status`?"),
        ("[global]\nkey = 1", "unknown key `key` in [global], line 5; did you mean `keys`?"),
        (
            "[rule.a]\nrate = \"1/s\"\nbrust = 1",
            "unknown key `brust` in [rule.a], line 6; did you mean `burst`?",
        ),
    ]);
}

#[test]
fn listeners_are_complete_and_bound_once() {
    wrong(&[
        ("", "no `listener` at the top, line 1"),
        ("listener = []", "`listener` at the top, line 1: is empty"),
        (
            "[[listener]]",
            "no `bind` in [[listener]], line 1\nno `protocol` in [[listener]], line 1",
        ),
        (
            "[[listener]]\nbind = \"8090\"\nprotocol = \"https\"",
            "`bind` in [[listener]], line 2: \"8090\" has no port; an address is written HOST:PORT\n\
             `protocol` in [[listener]], line 3: \"https\" is none of `http`, `grpc`, `resp`",
        ),
    ]);
    wrong_after(&[
        (
            "[[listener]]\nbind = \"127.0.0.1:8090\"\nprotocol = \"resp\"",
            "`bind` in [[listener]], line 5: 127.0.0.1:8090 is bound twice",
        ),
        (
            "[[listener]]\nbind = \":1\"\nprotocol = \"resp\"\nname = \"127.0.0.1:8090\"",
            "`name` in [[listener]], line 7: another listener is called 127.0.0.1:8090 too",
        ),
        (
            "headers = \"rfc\"",
            "`headers` in [[listener]], line 4: \"rfc\" is none of `ietf`, `x-ratelimit`, `github`, \
             `none`",
        ),
        (
            "deny_status = 200",
            "`deny_status` in [[listener]], line 4: 200 is not a number from 400 to 599",
        ),
        (
            "trusted_hops = 1\ntrusted_proxies = \"10.0.0.0/8\"",
            "`trusted_proxies` in [[listener]], line 5: `trusted_hops` says already whom to believe",
        ),
        (
            "client = \"x-forwarded-for\"",
            "`client` in [[listener]], line 4: \"x-forwarded-for\" is none of `peer`",
        ),
        (
            "trusted_hops = 0",
            "`trusted_hops` in [[listener]], line 4: 0 is not a number from 1 to 255",
        ),
        (
            "[[listener]]\nbind = \":1\"\nprotocol = \"resp\"\nheaders = \"none\"\ndomain = \"a\"",
            "`headers` in [[listener]], line 7: says nothing to protocol resp\n\
             `domain` in [[listener]], line 8: says nothing to protocol resp",
        ),
        (
            "[global]\ncores = 2000\nkeys = 0\nmaxconn = 0\ndrain_timeout = \"0s\"\naudit_log = \"x\"",
            "`cores` in [global], line 5: 2000 is not a number from 0 to 1024\n\
             `keys` in [global], line 6: 0 is not a number from 1 to 4294967296\n\
             `maxconn` in [global], line 7: 0 is not a number from 1 to 16000000\n\
             `drain_timeout` in [global], line 8: the time must be above 0\n\
             `audit_log` in [global], line 9: \"x\" is neither `off`, `stdout` nor a path with a slash \
             in it",
        ),
    ]);
}

fn options() -> Options {
    Options {
        listen: vec![HTTP_ADDRESS.to_owned()],
        grpc: Some(GRPC_ADDRESS.to_owned()),
        resp: Some(RESP_ADDRESS.to_owned()),
        admin: Some(ADMIN_ADDRESS.to_owned()),
        store: None,
        rule: None,
        cores: 0,
    }
}

#[test]
fn options_are_a_configuration() {
    let rule = OptionsRule { rate: (5, 60_000_000_000), key: vec![KeyPart::ClientIp(32, 64)] };
    let given = Options { rule: Some(rule), store: Some("a:1".to_owned()), ..options() };
    let configuration = from_options(&given).unwrap_or_else(|problems| panic!("{problems}"));
    let text = "[global]\nadmin = \"127.0.0.1:8405\"\n[store]\naddress = \"a:1\"\n\
                [[listener]]\nbind = \"127.0.0.1:8090\"\nprotocol = \"http\"\n\
                [[listener]]\nbind = \"127.0.0.1:8081\"\nprotocol = \"grpc\"\n\
                [[listener]]\nbind = \"127.0.0.1:8091\"\nprotocol = \"resp\"\n\
                [rule.default]\nrate = \"5/m\"\nkey = \"ip\"\n";
    assert_eq!(format!("{configuration:?}"), format!("{:?}", right(text)));
}

#[test]
fn options_bind_an_address_once() {
    let given = Options { resp: Some(HTTP_ADDRESS.to_owned()), ..options() };
    let problems = from_options(&given).map(|_| ()).expect_err("one address twice");
    assert_eq!(problems.to_string(), "127.0.0.1:8090 is bound twice");
}

#[test]
fn a_command_line_holds_beside_its_file() {
    let path = std::env::temp_dir().join(format!("ringlet-limiter-{}.toml", std::process::id()));
    std::fs::write(&path, FULL).expect("a file");
    let load = |cores, admin| Source::File { path: path.clone(), cores, admin }.load();
    let global = |loaded: Result<Configuration, Problems>| loaded.map(|loaded| loaded.global);
    let plain = global(load(None, None)).expect("right");
    let changed = global(load(Some(1), Some(None))).expect("right");
    std::fs::remove_file(&path).expect("the file");
    assert_eq!((plain.cores, plain.admin.as_deref()), (2, Some("0.0.0.0:8405")));
    assert_eq!((changed.cores, changed.admin), (1, None));
    assert!(load(None, None).is_err());
}

proptest! {
    #[test]
    fn no_text_panics(text in "\\PC{0,200}") {
        let _ = parse(&text);
    }

    #[test]
    fn no_listener_panics(
        key in "(domain|headers|deny_status|client|trusted_hops|trusted_proxies|name)",
        value in "(-?[0-9]{1,20}|true|\\[\\]|\\{ a = 1 \\}|\"[ -!#-\\[\\]-~]{0,20}\")",
    ) {
        if let Ok(configuration) = parse(&format!("{SMALL}{key} = {value}\n")) {
            let _ = effective(&configuration);
        }
    }
}
