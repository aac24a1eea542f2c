//! Job: hold the configuration to its promises: every error in whole sentences, defaults, the
//! example that has every key, and the round trip of what `effective` writes. In: texts, and
//! `docs/deploy/lb.toml`. Out: failures. Invariant: what users read is compared whole.

mod mistakes;

use std::path::Path;

use proptest::prelude::*;

use super::*;
use crate::model::{
    AdminState, CheckKind, HostPattern, LogFormat, Mode, PathPattern, ProxyVersion, Rewrite,
    Segment, ValuePattern,
};

const EXAMPLE: &str = include_str!("../../../../docs/deploy/lb.toml");

/// A configuration that is right, to which tests add what is wrong.
const SMALL: &str = r#"[[listener]]
bind = "127.0.0.1:8080"
default_pool = "api"
[pool.api]
servers = ["10.0.0.1:9000", "10.0.0.2:9000"]
"#;

fn read_text_here(text: &str) -> Result<Configuration, Problems> {
    parse(text, Path::new(""))
}

#[track_caller]
fn right(text: &str) -> Configuration {
    let configuration = read_text_here(text).unwrap_or_else(|problems| panic!("{problems}"));
    let written = effective(&configuration);
    let again = read_text_here(&written).unwrap_or_else(|problems| panic!("{problems}\n{written}"));
    assert_eq!(again, configuration, "{written}");
    assert_eq!(effective(&again), written);
    configuration
}

#[track_caller]
fn wrong(text: &str) -> String {
    match read_text_here(text) {
        Ok(configuration) => panic!("accepted:\n{}", effective(&configuration)),
        Err(problems) => problems.to_string(),
    }
}

/// [`SMALL`] with a line put after one that is there.
fn with(after: &str, line: &str) -> String {
    assert!(SMALL.contains(after), "{after}");
    SMALL.replace(after, &format!("{after}\n{line}"))
}

fn with_listener(line: &str) -> String {
    with("bind = \"127.0.0.1:8080\"", line)
}

fn with_pool(line: &str) -> String {
    with("[pool.api]", line)
}

fn with_server(server: &str) -> String {
    SMALL.replace("\"10.0.0.2:9000\"", server)
}

#[test]
fn what_is_not_said_has_finite_defaults() {
    let configuration = right(SMALL);
    let listener = &configuration.listeners[0];
    assert_eq!((listener.name.as_str(), listener.mode), ("127.0.0.1:8080", Mode::Http));
    assert_eq!((listener.default_pool, listener.routes.len()), (Some(0), 0));
    assert_eq!(listener.connections_max, 100_000);
    let timeouts = listener.timeouts;
    assert_eq!((timeouts.client_ms, timeouts.request_ms), (30_000, 10_000));
    assert_eq!((timeouts.keepalive_ms, timeouts.tunnel_ms), (60_000, 3_600_000));
    assert!(listener.forwarding.x_forwarded && !listener.forwarding.forwarded);
    let pool = &configuration.pools[0];
    assert_eq!((pool.timeouts.connect_ms, pool.timeouts.server_ms), (4_000, 30_000));
    assert_eq!(pool.timeouts.queue_ms, 4_000);
    assert_eq!((pool.balance.algorithm, pool.balance.choices), ("p2c", 2));
    assert_eq!((pool.panic_percent, pool.check.is_none()), (0, true));
    assert!(pool.ejection.is_some(), "there are two servers");
    let server = &pool.servers[0];
    assert_eq!((server.name.as_str(), server.weight, server.priority), ("10.0.0.1:9000", 1, 0));
    assert_ne!(server.cookie, pool.servers[1].cookie);
    assert_eq!(configuration.global.drain_timeout_ms, 30_000);
}

#[test]
fn a_check_follows_its_interval() {
    let pools = right(&with_pool("check = \"/health\"")).pools;
    let check = pools[0].check.as_ref().expect("a check");
    assert_eq!((check.interval_ms, check.fast_interval_ms), (2000, 500));
    assert_eq!((check.timeout_ms, check.down_interval_ms), (2000, 2000));
    assert_eq!((check.rise, check.fall), (2, 3));
    let CheckKind::Http { method, path, status, .. } = &check.kind else { panic!("{check:?}") };
    assert_eq!((method.as_str(), path.as_str()), ("GET", "/health"));
    assert_eq!(status, &[(200, 399)]);
    let pools =
        right(&with_pool("check = { tcp = true, interval = \"8s\", timeout = \"1s\" }")).pools;
    let check = pools[0].check.as_ref().expect("a check");
    assert_eq!((check.fast_interval_ms, check.timeout_ms), (2000, 1000));
}

#[test]
fn the_only_server_is_not_ejected_unless_asked_for() {
    let text = SMALL.replace(", \"10.0.0.2:9000\"", "");
    assert!(right(&text).pools[0].ejection.is_none());
    let asked = text.replace("[pool.api]", "[pool.api]\nejection = true");
    assert!(right(&asked).pools[0].ejection.is_some());
}

#[test]
fn the_example_means_what_it_says() {
    let configuration = right(EXAMPLE);
    assert_eq!(configuration.global.cores, 2);
    let web = &configuration.listeners[0];
    assert_eq!((web.connections_max, web.log), (50_000, Some(LogFormat::Combined)));
    assert_eq!(&web.error_pages[&503][..], b"<h1>Back soon</h1>\n");
    assert_eq!(
        web.request_rewrites,
        [
            Rewrite::Remove("X-Internal".to_owned()),
            Rewrite::Set("X-Edge".to_owned(), "ringlet".to_owned()),
            Rewrite::Add("X-Zone".to_owned(), "a".to_owned()),
            Rewrite::Add("X-Zone".to_owned(), "b".to_owned()),
        ]
    );
    let route = &web.routes[0];
    assert_eq!(
        route.hosts,
        [
            HostPattern::Exact("api.example.com".to_owned()),
            HostPattern::Below(".api.example.com".to_owned())
        ]
    );
    assert_eq!(route.path, PathPattern::Prefix("/v1/".to_owned()));
    assert_eq!(route.headers[1].value, ValuePattern::Present);
    assert_eq!(route.headers[2].value, ValuePattern::Prefix("application/".to_owned()));
    assert_eq!(configuration.pools[route.pool].name, "api");
    let redis = &configuration.listeners[1];
    assert_eq!((redis.binds[0].as_str(), redis.mode), ("0.0.0.0:6379", Mode::Tcp));
    assert!(!redis.forwarding.x_forwarded, "TCP tells no header fields");
    let web = &configuration.pools[0];
    assert_eq!((web.servers[1].weight, web.servers[2].priority), (2, 1));
    assert!(!web.servers[2].checked);
    assert_eq!(web.servers[0].cookie, "a");
    let api = &configuration.pools[1];
    assert_eq!(api.sends_proxy, Some(ProxyVersion::V2));
    assert_eq!((api.servers[0].requests_max, api.servers[1].requests_max), (100, 200));
    assert_eq!((api.servers[1].priority, api.servers[0].state), (2, AdminState::Ready));
}

/// A key that no section has makes the error list all keys that it has.
#[test]
fn the_example_has_every_key() {
    let headers = EXAMPLE.lines().enumerate().filter(|(_, line)| line.starts_with('['));
    let mut keys = 0;
    for (index, header) in headers {
        let mut lines: Vec<&str> = EXAMPLE.lines().collect();
        lines.insert(index + 1, "zzzzzzzzzzzzzzzz = 1");
        // Rules are read by the limiter's library, which has more keys than a balancer can use.
        let is_rule = header.starts_with("[rate_limit.");
        if is_rule || header.starts_with("[pool.api.r") || header.contains("headers]") {
            continue;
        }
        let Err(problems) = read_text_here(&lines.join("\n")) else { panic!("{header}") };
        let text = problems.to_string();
        let (_, known) = text.split_once("the keys here are ").unwrap_or_else(|| panic!("{text}"));
        for key in known.split('`').skip(1).step_by(2) {
            let is_there = EXAMPLE.lines().any(|line| {
                let line = line.trim_start_matches(['[', ' ']);
                line.contains(&format!("{key} =")) || line.contains(&format!("{key}  "))
            }) || EXAMPLE.contains(&format!(".{key}]"))
                || EXAMPLE.contains(&format!("[{key}]"));
            assert!(is_there, "`{key}` of {header}");
            keys += 1;
        }
    }
    assert!(keys > 80, "only {keys} keys");
}

#[test]
fn defaults_are_what_listeners_and_pools_start_from() {
    let defaults = r#"[defaults]
client_timeout = "7s"
connect_timeout = "1s"
via = true
balance = "maglev"
hash_key = "header:X-User"
check = { http = "/health", host = "a", interval = "5s" }
sticky = "ID"
"#;
    let other = "[pool.tcp]\nmode = \"tcp\"\nservers = \"a:1\"\ncheck = \"tcp\"\nqueue_max = 0\n\
                 [pool.b]\nservers = [\"b:1\"]\nbalance = \"first\"\ncheck.http = \"/b\"\nsticky = false\n";
    let configuration = right(&format!("{defaults}{SMALL}{other}"));
    let listener = &configuration.listeners[0];
    assert!(listener.timeouts.client_ms == 7000 && listener.forwarding.via);
    let [api, tcp, b] = &configuration.pools[..] else { panic!("three pools") };
    assert_eq!(api.timeouts.connect_ms, 1000);
    assert_eq!(api.balance.key, crate::model::HashKey::Header("x-user".to_owned()));
    assert_eq!(api.sticky.as_ref().map(|sticky| sticky.cookie.as_str()), Some("ID"));
    assert!(tcp.sticky.is_none(), "TCP has no cookies");
    assert_eq!(tcp.balance.key, crate::model::HashKey::Source, "TCP has no fields");
    let of_tcp = tcp.check.as_ref().expect("a check");
    assert_eq!((&of_tcp.kind, of_tcp.interval_ms), (&CheckKind::Tcp, 5000));
    let of_b = b.check.as_ref().expect("a check");
    let CheckKind::Http { path, host, .. } = &of_b.kind else { panic!("{of_b:?}") };
    assert_eq!((path.as_str(), host.as_deref()), ("/b", Some("a")));
    assert!(b.sticky.is_none());
    assert_eq!(b.balance.key, crate::model::HashKey::Source, "it does not hash");
}

#[test]
fn path_patterns_have_three_forms() {
    let path = |text: &str| {
        let route = format!("route = {{ path = \"{text}\", pool = \"api\" }}");
        right(&with_listener(&route)).listeners[0].routes[0].path.clone()
    };
    assert_eq!(path("/v1"), PathPattern::Prefix("/v1".to_owned()));
    assert_eq!(path("=/v1"), PathPattern::Exact("/v1".to_owned()));
    let literal = |text: &str| Segment::Literal(text.to_owned());
    assert_eq!(
        path("/users/{id}/files/{rest...}"),
        PathPattern::Template(vec![
            literal("users"),
            Segment::Any,
            literal("files"),
            Segment::Rest
        ])
    );
    assert_eq!(path("/a%2Fb"), PathPattern::Prefix("/a%2Fb".to_owned()));
    assert_eq!(path("/{a}/"), PathPattern::Template(vec![Segment::Any, literal("")]));
}

#[test]
fn an_error_page_is_read_beside_the_file() {
    let folder = std::env::temp_dir().join(format!("ringlet-lb-pages-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    std::fs::write(folder.join("503.html"), "<p>\"soon\" \\ ü").expect("a page");
    let file = folder.join("lb.toml");
    std::fs::write(&file, with_listener("errors = { 503 = \"503.html\" }")).expect("a file");
    let configuration = load(&file).unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!(&configuration.listeners[0].error_pages[&503][..], "<p>\"soon\" \\ ü".as_bytes());
    assert_eq!(right(&effective(&configuration)), configuration);
    std::fs::write(folder.join("503.html"), vec![b'x'; (64 << 10) + 1]).expect("a page");
    let problems = load(&file).expect_err("a page that is too large").to_string();
    assert!(problems.ends_with("503.html: it has more than 64k"), "{problems}");
    std::fs::remove_dir_all(&folder).expect("an own folder");
    let problems = load(&file).expect_err("no file").to_string();
    assert!(problems.contains("cannot read") && problems.contains("No such file"), "{problems}");
}

#[test]
fn the_summary_says_what_runs() {
    let configuration = right(EXAMPLE);
    let text = summary(&configuration, 2, Some("127.0.0.1:8404"));
    let version = env!("CARGO_PKG_VERSION");
    let expected = format!(
        "ringlet-lb {version} on 2 cores, admin http://127.0.0.1:8404/\n\
         listener 0.0.0.0:8080, unix:/run/ringlet/web.sock (http): GET POST \
         api.example.com|*.api.example.com /v1/ x-version: x-beta: accept: -> api; else -> web\n\
         listener 0.0.0.0:6379 (tcp): -> redis\n\
         pool web (http, p2c, no check): web1.internal:9000, web2.internal:9000 weight=2, \
         web3.internal:9000 backup no-check\n\
         pool api (http, maglev, check GET /health every 2s): 10.0.0.1:9000 name=api1 weight=2 \
         maxconn=100, 10.0.0.2:9000 priority=2 maxconn=200\n\
         pool redis (tcp, first, check resp every 1s): 10.0.0.3:6379, 10.0.0.4:6379"
    );
    assert_eq!(text, expected);
    let many: Vec<String> = (0..20).map(|n| format!("\"10.0.0.2:{}\"", 9000 + n)).collect();
    let text = summary(&right(&with_server(&many.join(", "))), 1, None);
    assert!(
        text.starts_with(&format!("ringlet-lb {version} on 1 core, no admin page\n")),
        "{text}"
    );
    assert!(text.ends_with("10.0.0.2:9004, 15 more servers"), "{text}");
}

#[test]
fn options_mean_what_a_file_means() {
    let options = Options {
        listen: vec!["127.0.0.1:8080".to_owned()],
        to: vec!["10.0.0.1:9000".to_owned(), "10.0.0.2:9000".to_owned()],
        mode: Mode::Http,
        balance: "p2c",
        check: None,
        admin: None,
        cores: 0,
        log: None,
    };
    let made = from_options(&options).expect("right options");
    assert_eq!(made, right(&SMALL.replace("api", "main")));
    let tcp = Options { mode: Mode::Tcp, ..options.clone() };
    assert_eq!(
        right(&effective(&from_options(&tcp).expect("right"))),
        from_options(&tcp).expect("right")
    );
    let uri = Options { balance: "uri", ..tcp };
    assert_eq!(
        from_options(&uri).expect_err("a hash of what is not there").to_string(),
        "--balance: `uri` needs mode http"
    );
    let twice = Options { to: vec!["a:1".to_owned(), "a:1".to_owned()], ..options };
    assert_eq!(from_options(&twice).expect_err("twice").to_string(), "`--to` a:1 is given twice");
}

/// Lines of the example in any order, cut and mixed with others.
fn shuffled_example() -> impl Strategy<Value = String> {
    let lines: Vec<&'static str> = EXAMPLE.lines().collect();
    let line = prop_oneof![
        8 => proptest::sample::select(lines),
        1 => Just("servers = [\"a:1 weight=[[[ backup backup\", 1, {}]"),
        1 => Just("[pool.\"\"]"),
        1 => Just("[[listener]]"),
    ];
    proptest::collection::vec(line, 0..60).prop_map(|lines| lines.join("\n"))
}

/// The example with each value replaced by others that some key takes: whatever is accepted is
/// written so that it reads the same, also where it differs from the default.
#[test]
fn every_value_survives_being_written() {
    let values = ["7", "\"7s\"", "\"7k\"", "\"7\"", "true", "false", "\"/7\"", "\"drain\"", "1.7"];
    let mut accepted = 0;
    for index in 0..EXAMPLE.lines().count() {
        let mut lines: Vec<String> = EXAMPLE.lines().map(str::to_owned).collect();
        let Some((key, _)) = lines[index].split_once('=') else { continue };
        let key = key.to_owned();
        for value in values {
            lines[index] = format!("{key}= {value}");
            let text = lines.join("\n");
            if read_text_here(&text).is_ok() {
                right(&text);
                accepted += 1;
            }
        }
    }
    assert!(accepted > 120, "only {accepted} values");
}

#[test]
fn names_need_no_quotes_to_survive() {
    let text = SMALL.replace("[pool.api]", "[pool.\"a.b'=#\"]").replace("\"api\"", "\"a.b'=#\"");
    let text = text.replace("10.0.0.2:9000", "10.0.0.2:9000 name=a=#'");
    let configuration = right(&text);
    assert_eq!(configuration.pools[0].name, "a.b'=#");
    assert_eq!(configuration.pools[0].servers[1].name, "a=#'");
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in "\\PC*") {
        let _ = read_text_here(&text);
    }

    #[test]
    fn any_lines_are_read_or_refused(text in shuffled_example()) {
        if let Ok(configuration) = read_text_here(&text) {
            let written = effective(&configuration);
            prop_assert_eq!(read_text_here(&written), Ok(configuration), "{}", written);
        }
    }

    #[test]
    fn any_server_is_read_or_refused(server in "[a-z0-9=:. \\[\\]{}\"'-]{0,40}") {
        let quoted = toml::Value::String(format!("10.0.0.2:9000 {server}")).to_string();
        if let Ok(configuration) = read_text_here(&with_server(&quoted)) {
            let written = effective(&configuration);
            prop_assert_eq!(read_text_here(&written), Ok(configuration), "{}", written);
        }
    }

    #[test]
    fn any_value_of_any_key_is_read_or_refused(
        index in 0..EXAMPLE.lines().count(),
        value in prop_oneof![
            Just("-1".to_owned()), Just("0".to_owned()), Just("99999999999999999999".to_owned()),
            Just("nan".to_owned()), Just("[]".to_owned()), Just("{}".to_owned()),
            Just("[{}]".to_owned()), Just("\"\"".to_owned()), Just("true".to_owned()),
            Just("1979-05-27".to_owned()), "\"[a-z0-9/=:.*{}-]{1,12}\"",
        ],
    ) {
        let mut lines: Vec<String> = EXAMPLE.lines().map(str::to_owned).collect();
        if let Some((key, _)) = lines[index].split_once('=') {
            lines[index] = format!("{key}= {value}");
        }
        if let Ok(configuration) = read_text_here(&lines.join("\n")) {
            let written = effective(&configuration);
            prop_assert_eq!(read_text_here(&written), Ok(configuration), "{}", written);
        }
    }
}

#[test]
fn nesting_without_end_in_a_server_is_refused() {
    let weight = format!("\"10.0.0.2:9000 weight={}\"", "[".repeat(100_000));
    assert!(read_text_here(&with_server(&weight)).is_err());
}
