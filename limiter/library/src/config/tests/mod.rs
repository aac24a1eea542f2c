//! Job: hold the reader of rules to what it promises: numbers, defaults, every mistake in whole
//! sentences, the round trip of what is written, and the table. In: short files. Out: failures.
//! Invariant: what users read is compared whole.

mod mistakes;
mod random;

use ringlet_base::config::{Problems, parse};

use super::*;
use crate::model::{
    CalendarUnit, Condition, EntryValue, KeyPart, Limit, Mode, OnStoreFailure, Rule,
};
use crate::rules::RuleSet;
use crate::time::NS_PER_S;

struct File {
    store: Option<StoreSettings>,
    rules: Rules,
}

fn read(text: &str) -> Result<File, Problems> {
    parse(text, |root| {
        let store = read_store(&root);
        let rules = read_rules(&root, store.as_ref());
        root.finish();
        File { store, rules }
    })
}

/// The rules of a file that is right, after a look at the file that they are written to, and at the
/// form that requests are matched in.
#[track_caller]
fn right(text: &str) -> Vec<Rule> {
    let file = read(text).unwrap_or_else(|problems| panic!("{problems}"));
    let mut written = write_lists(&file.rules.lists);
    for rule in &file.rules.rules {
        written.push_str(&write_rule(rule));
    }
    let again = read(&written).unwrap_or_else(|problems| panic!("{problems}\n{written}"));
    assert_eq!(format!("{:?}", again.rules), format!("{:?}", file.rules), "{written}");
    RuleSet::compile(&file.rules, None, 1).unwrap_or_else(|error| panic!("{error}"));
    file.rules.rules.iter().map(|rule| Rule::clone(rule)).collect()
}

#[track_caller]
fn one(lines: &str) -> Rule {
    right(&format!("[rule.a]\n{lines}")).remove(0)
}

#[track_caller]
fn limit_of(lines: &str) -> (&'static str, u64, u64, u64) {
    let Limit { algorithm, count, period_ns, burst, .. } = one(lines).limit.expect("a limit");
    (algorithm.name, count, period_ns, burst)
}

const MINUTE_NS: u64 = 60 * NS_PER_S;

#[test]
fn what_is_not_said_has_a_default() {
    let rule = one("rate = \"100/m\"");
    assert_eq!(rule.name, "a");
    assert_eq!((rule.domain, rule.cost, rule.key.len()), (None, 1, 0));
    assert_eq!((rule.mode, rule.on_store_failure), (Mode::Hard, OnStoreFailure::Share));
    assert!(!rule.is_shadow && !rule.is_quota && !rule.is_local);
    assert_eq!(limit_of("rate = \"100/m\""), ("token-bucket", 100, MINUTE_NS, 100));
}

#[test]
fn every_algorithm_has_its_numbers() {
    for (lines, expected) in [
        ("limit = 100\nwindow = \"1m\"\nburst = 20", ("token-bucket", 100, MINUTE_NS, 20)),
        ("algorithm = \"gcra\"\nrate = \"1/s\"\nburst = 5", ("gcra", 1, NS_PER_S, 5)),
        ("algorithm = \"leaky-bucket\"\nrate = \"2/m\"", ("leaky-bucket", 2, MINUTE_NS, 2)),
        ("algorithm = \"shaper\"\nrate = \"2/m\"\nburst = 5", ("shaper", 2, MINUTE_NS, 6)),
        ("algorithm = \"shaper\"\nrate = \"2/m\"\nburst = 0", ("shaper", 2, MINUTE_NS, 1)),
        ("algorithm = \"fixed-window\"\nrate = \"9/10s\"", ("fixed-window", 9, 10 * NS_PER_S, 9)),
        ("algorithm = \"sliding-window\"\nrate = \"9/m\"", ("sliding-window", 9, MINUTE_NS, 9)),
        ("algorithm = \"sliding-log\"\nrate = \"64/m\"", ("sliding-log", 64, MINUTE_NS, 64)),
        (
            "algorithm = \"concurrency\"\npermits = 10\nhold = \"1m\"",
            ("concurrency", 10, MINUTE_NS, 10),
        ),
    ] {
        assert_eq!(limit_of(lines), expected, "{lines}");
    }
    let rule =
        one("algorithm = \"calendar\"\nlimit = 5\nwindow = \"month\"\nzone = \"Europe/Berlin\"");
    let calendar = rule.limit.and_then(|limit| limit.calendar).expect("a calendar");
    assert_eq!(calendar.unit, CalendarUnit::Month);
    assert_eq!(calendar.zone.iana_name(), Some("Europe/Berlin"));
}

#[test]
fn every_algorithm_of_the_table_can_be_asked_for() {
    for algorithm in crate::algorithm::ALGORITHMS.iter().copied() {
        let numbers = match limit::Shape::of(algorithm) {
            limit::Shape::Permits => "permits = 3\nhold = \"1m\"",
            limit::Shape::Calendar => "limit = 3\nwindow = \"day\"\nzone = \"UTC\"",
            limit::Shape::Queue => "rate = \"3/m\"\nburst = 2",
            _ => "rate = \"3/m\"",
        };
        let rule = one(&format!("algorithm = \"{}\"\n{numbers}", algorithm.name));
        assert_eq!(rule.limit.map(|limit| limit.algorithm.name), Some(algorithm.name));
    }
}

/// Burst and what comes back in a window are the limit: no window anywhere has more.
#[test]
fn a_strict_window_never_has_more_than_its_limit() {
    for (lines, count, burst) in [
        ("limit = 100\nwindow = \"1m\"\nstrict_window = true", 90, 10),
        ("limit = 100\nwindow = \"1m\"\nburst = 40\nstrict_window = true", 60, 40),
        ("limit = 2\nwindow = \"1m\"\nstrict_window = true", 1, 1),
        ("limit = 15\nwindow = \"1m\"\nstrict_window = true", 13, 2),
    ] {
        assert_eq!(limit_of(lines), ("token-bucket", count, MINUTE_NS, burst), "{lines}");
    }
    assert_eq!(limit_of("rate = \"100/m\"\nstrict_window = false").3, 100);
}

#[test]
fn what_a_rule_applies_to_and_counts_by() {
    let rule =
        one("domain = \"edge\"\nmethod = [\"POST\", \"PUT\"]\npath = \"/a b/{id}/{*rest}\"\n\
         host = \"API.Example.com.\"\nheader = { X-Plan = \"free\", x-beta = true }\n\
         client = [\"10.0.0.0/8\", \"2001:db8::1\"]\nrate = \"1/s\"\n\
         key = [\"ip\", \"header:X-Key\", \"method\", \"path\", \"host\", \"descriptor:user\"]\n\
         ipv4_prefix = 24\nipv6_prefix = 56\ncost = 1");
    assert_eq!(rule.domain.as_deref(), Some("edge"));
    let networks = ["10.0.0.0/8", "2001:db8::1/128"].map(|text| text.parse().expect("a network"));
    assert_eq!(
        rule.conditions,
        [
            Condition::Method(vec!["POST".to_owned(), "PUT".to_owned()]),
            Condition::Path("/a b/{id}/{*rest}".to_owned()),
            Condition::Host(vec!["api.example.com".to_owned()]),
            Condition::Header("x-plan".to_owned(), Some("free".to_owned())),
            Condition::Header("x-beta".to_owned(), None),
            Condition::Client(networks.to_vec()),
        ]
    );
    assert_eq!(
        rule.key,
        [
            KeyPart::ClientIp(24, 56),
            KeyPart::Header("x-key".to_owned()),
            KeyPart::Method,
            KeyPart::Path,
            KeyPart::Host,
            KeyPart::Descriptor("user".to_owned()),
        ]
    );
    assert_eq!(one("rate = \"1/s\"\nkey = \"ip\"").key, [KeyPart::ClientIp(32, 64)]);
}

#[test]
fn descriptors_have_three_kinds_of_values() {
    let rule = one(
        "descriptor = [\"user=bob\", \"plan=fr*\", \"remote_address\", { key = \"a=b\", value = \"c=d\" }, \
         { key = \"e=f\" }, \"x=\"]\nrate = \"1/s\"\nquota = true\nkey = \"descriptor:plan\"",
    );
    let entries = rule.descriptor.expect("a descriptor");
    let entries: Vec<_> = entries.into_iter().map(|entry| (entry.key, entry.value)).collect();
    let expected = [
        ("user", EntryValue::Exact("bob".to_owned())),
        ("plan", EntryValue::Prefix("fr".to_owned())),
        ("remote_address", EntryValue::Any),
        ("a=b", EntryValue::Exact("c=d".to_owned())),
        ("e=f", EntryValue::Any),
        ("x", EntryValue::Exact(String::new())),
    ];
    assert_eq!(entries, expected.map(|(key, value)| (key.to_owned(), value)));
    assert!(rule.is_quota);
    assert!(one("descriptor = \"user\"\nunlimited = true").limit.is_none());
}

#[test]
fn the_credit_of_a_soft_rule_is_a_percent_of_all_nodes() {
    let credit = |nodes: u64, lines: &str| {
        let text = format!(
            "[store]\naddress = \"a:1\"\nnodes = {nodes}\n[rule.a]\nmode = \"soft\"\n{lines}"
        );
        read(&text)
            .map(|file| file.rules.rules[0].mode)
            .unwrap_or_else(|problems| panic!("{problems}"))
    };
    assert_eq!(credit(1, "rate = \"1000/m\""), Mode::Soft { credit: 10 });
    assert_eq!(credit(4, "rate = \"1000/m\""), Mode::Soft { credit: 2 });
    assert_eq!(credit(100, "rate = \"1000/m\""), Mode::Soft { credit: 1 });
    assert_eq!(credit(1, "rate = \"1000/m\"\nburst = 3"), Mode::Soft { credit: 3 });
    assert_eq!(credit(4, "rate = \"1000/m\"\ncredit = 50"), Mode::Soft { credit: 50 });
}

#[test]
fn the_store_has_defaults_and_no_password_in_logs() {
    let store = |lines: &str| {
        let file =
            read(&format!("[store]\n{lines}")).unwrap_or_else(|problems| panic!("{problems}"));
        file.store.expect("a store")
    };
    let plain = store("address = \"127.0.0.1:6379\"");
    assert_eq!(plain, StoreSettings::new("127.0.0.1:6379".to_owned()));
    assert_eq!((plain.timeout_ms, plain.renewal_ms, plain.lease_percent), (20, 25, 5));
    let full = store(
        "address = [\"a:1\", \"b:2\"]\ncluster = true\nusername = \"u\"\npassword = \"hush\"\n\
         timeout = \"50ms\"\nnodes = 9\nprefix = \"x\"\nrenewal = \"100ms\"\nlease_percent = 10",
    );
    assert_eq!((full.addresses.len(), full.is_cluster, full.nodes), (2, true, 9));
    assert_eq!((full.timeout_ms, full.renewal_ms, full.lease_percent), (50, 100, 10));
    assert_eq!((full.username.as_deref(), full.password.as_deref()), (Some("u"), Some("hush")));
    assert!(!format!("{full:?}").contains("hush"));
}

#[test]
fn lists_are_networks() {
    let file = "[lists]\nallow = [\"10.0.0.0/8\", \"::1\"]\ndeny = \"10.1.0.0/16\"\n";
    right(file);
    let lists =
        read(file).map(|file| file.rules.lists).unwrap_or_else(|problems| panic!("{problems}"));
    let texts = |list: &[ipnet::IpNet]| list.iter().map(write_network).collect::<Vec<_>>();
    assert_eq!(texts(&lists.allow), ["10.0.0.0/8", "::1"]);
    assert_eq!(texts(&lists.deny), ["10.1.0.0/16"]);
}

const ALL_KINDS: &str = r#"
[store]
address = "127.0.0.1:6379"
nodes = 4
[rule.login]
algorithm = "sliding-log"
rate = "5/15m"
method = "POST"
path = "/login"
key = "ip"
local = true
[rule.api]
rate = "1000/m"
burst = 100
cost = 2
key = ["header:x-api-key", "path"]
mode = "soft"
on_store_failure = "open"
[rule.daily]
algorithm = "calendar"
limit = 10000
window = "day"
zone = "Europe/Berlin"
host = ["a.example", "b.example"]
header = { x-plan = "free", x-beta = true }
client = "10.0.0.0/8"
[rule.slide]
algorithm = "sliding-window"
rate = "10/s"
[rule.queue]
algorithm = "shaper"
rate = "1/s"
burst = 5
local = true
[rule.jobs]
algorithm = "concurrency"
permits = 10
hold = "30s"
local = true
[rule.user]
domain = "edge"
descriptor = ["user=a*", "remote_address"]
algorithm = "fixed-window"
rate = "10/s"
quota = true
shadow = true
[rule.free]
descriptor = "plan=free"
unlimited = true
"#;

#[test]
fn the_table_says_what_each_rule_does_and_admits() {
    let file = read(ALL_KINDS).unwrap_or_else(|problems| panic!("{problems}"));
    let expected = "\
RULE   ALGORITHM       LIMIT                    BURST   MODE    NO STORE  NOTES          KEY                      APPLIES TO
login  sliding-log     5/15m                    -       local   -         -              ip/32,64                 POST /login
api    token-bucket    1000/m                   100     soft 2  open      cost 2         header:x-api-key + path  all
daily  calendar        10000/day Europe/Berlin  -       hard    share     -              -                        host a.example|b.example x-plan: free x-beta: client 10.0.0.0/8
slide  sliding-window  10/s                     -       hard    share     -              -                        all
queue  shaper          1/s                      5 wait  local   -         -              -                        all
jobs   concurrency     10 for 30s               -       local   -         -              -                        all
user   fixed-window    10/s                     -       hard    share     shadow, quota  -                        domain edge (user=a*, remote_address)
free   -               unlimited                -       -       -         -              -                        (plan=free)

RULE   AT MOST           OVER  UNDER  BY
login  5 in any 15m      -     -      the limit, each node alone
api    1100 in any 1m    8     5      burst + limit; soft, 4 nodes
daily  20000 in any day  0     500    2 x limit, around the end of a window; hard, 4 nodes
slide  19 in any 1s      0     4      2 x limit - 1, estimated from two windows; hard, 4 nodes
queue  7 in any 1s       -     -      1 + waiting + limit, each node alone
jobs   10 at a time      -     -      permits, each node alone
user   20 in any 1s      0     4      2 x limit, around the end of a window; hard, 4 nodes
OVER, UNDER: by how much all nodes together may be over or under the limit in a window
";
    assert_eq!(rules_table(&file.rules, file.store.as_ref()), expected);
    let alone = rules_table(&file.rules, None);
    assert!(
        alone.ends_with("user   20 in any 1s      2 x limit, around the end of a window\n"),
        "{alone}"
    );
    // What holds without the store says nothing where there is none.
    assert!(alone.contains("100     soft 2  -         cost 2"), "{alone}");
    assert_eq!(rules_table(&Rules::default(), None), "no rules: all is allowed\n");
    right(&ALL_KINDS.replace("[store]\naddress = \"127.0.0.1:6379\"\nnodes = 4\n", ""));
}
