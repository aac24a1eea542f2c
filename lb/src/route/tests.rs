//! Tests of `route`: each kind of pattern, order, and the spellings by which attackers pass by a route.

use ringlet_protocol::http1::HeadLimits;

use super::*;
use crate::model::{self, Forwarding, Mode, Timeouts};

const LIMITS: HeadLimits = HeadLimits { head_bytes_max: 8192, fields_max: 64 };

fn listener(routes: Vec<model::Route>, default_pool: Option<usize>) -> Listener {
    Listener {
        name: "test".into(),
        binds: vec![],
        mode: Mode::Http,
        timeouts: Timeouts {
            connect_ms: 1,
            client_ms: 1,
            server_ms: 1,
            request_ms: 1,
            keepalive_ms: 1,
            queue_ms: 1,
            tunnel_ms: 1,
        },
        connections_max: 1,
        head_bytes_max: 1,
        fields_max: 1,
        accepts_proxy: false,
        trusted: vec![],
        forwarding: Forwarding {
            x_forwarded: false,
            forwarded: false,
            via: false,
            request_id: false,
        },
        routes,
        default_pool,
        request_rewrites: vec![],
        response_rewrites: vec![],
        error_pages: Default::default(),
        log: None,
        rate_limits: vec![],
        rate_limit_headers: Default::default(),
        rate_limit_status: None,
    }
}

fn route(pool: usize) -> model::Route {
    model::Route {
        hosts: vec![],
        path: PathPattern::Any,
        methods: vec![],
        headers: vec![],
        pool,
        rate_limits: vec![],
        request_rewrites: vec![],
        response_rewrites: vec![],
    }
}

fn exact(host: &str) -> HostPattern {
    HostPattern::Exact(host.into())
}

fn below(suffix: &str) -> HostPattern {
    HostPattern::Below(suffix.into())
}

fn prefix(path: &str) -> PathPattern {
    PathPattern::Prefix(path.into())
}

fn choose(router: &Router, request: &str) -> Result<Choice, Unrouted> {
    let mut head = RequestHead::default();
    let input = request.as_bytes();
    assert_eq!(head.parse(input, &LIMITS), Ok(Some(input.len())), "{request}");
    router.choose(&head, input, &mut Vec::new())
}

fn get(router: &Router, host: &str, target: &str) -> Result<Choice, Unrouted> {
    choose(router, &format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n"))
}

/// The route that is chosen among those of these paths; the default pool is no route.
fn path_route(paths: Vec<PathPattern>, target: &str) -> Result<Option<usize>, Unrouted> {
    let routes = paths.into_iter().map(|path| model::Route { path, ..route(1) }).collect();
    get(&Router::new(&listener(routes, Some(0))), "a", target).map(|choice| choice.route)
}

#[test]
fn without_routes_there_is_the_default_pool_or_nothing() {
    let router = Router::new(&listener(vec![], Some(3)));
    assert_eq!(get(&router, "a", "/%"), Ok(Choice { pool: 3, route: None }));
    let router = Router::new(&listener(vec![], None));
    assert_eq!(get(&router, "a", "/"), Err(Unrouted::NoRoute));
    assert_eq!(Unrouted::NoRoute.status(), 404);
    assert_eq!(Unrouted::BadPath.status(), 400);
}

#[test]
fn hosts_match_whatever_their_case_port_and_last_dot() {
    let hosts = |hosts: Vec<HostPattern>, pool| model::Route { hosts, ..route(pool) };
    let router = Router::new(&listener(
        vec![
            hosts(vec![exact("www.example.com"), exact("other.org")], 1),
            hosts(vec![below(".example.com")], 2),
            hosts(vec![exact("api.example.com")], 3),
            hosts(vec![exact("[::1]")], 4),
            model::Route { path: prefix("/any"), ..route(5) },
            hosts(vec![exact("other.org")], 6),
        ],
        None,
    ));
    for (host, target, pool) in [
        ("www.example.com", "/", Some(1)),
        ("WWW.Example.COM:8080", "/", Some(1)),
        ("www.example.com.", "/", Some(1)),
        ("www.example.com.:80", "/", Some(1)),
        ("other.org", "/any", Some(1)),
        ("api.example.com", "/", Some(2)),
        ("a.b.Example.com:1", "/", Some(2)),
        ("example.com", "/", None),
        (".example.com", "/", None),
        ("badexample.com", "/", None),
        ("www.example.com.evil.org", "/", None),
        ("[::1]:8080", "/", Some(4)),
        ("[::1]", "/", Some(4)),
        ("[::2]", "/", None),
        ("unknown", "/any/thing", Some(5)),
        ("", "/any", Some(5)),
    ] {
        let pool = pool.ok_or(Unrouted::NoRoute);
        assert_eq!(get(&router, host, target).map(|choice| choice.pool), pool, "{host}");
    }
    let long = "a".repeat(300);
    assert_eq!(get(&router, &long, "/"), Err(Unrouted::NoRoute));
    let absolute = "GET http://www.example.com HTTP/1.1\r\nHost: www.example.com\r\n\r\n";
    assert_eq!(choose(&router, absolute).map(|choice| choice.route), Ok(Some(0)));
}

#[test]
fn prefixes_end_at_segments() {
    for (pattern, target, matches) in [
        ("/v1", "/v1", true),
        ("/v1", "/v1/", true),
        ("/v1", "/v1/x", true),
        ("/v1", "/v1?q", true),
        ("/v1", "/v10", false),
        ("/v1", "/V1", false),
        ("/v1", "/", false),
        ("/v1/", "/v1/", true),
        ("/v1/", "/v1/x", true),
        ("/v1/", "/v1", false),
        ("/", "/", true),
        ("/", "/x", true),
        ("/%76%31", "/v1/x", true),
        ("/a%2fb", "/a%2Fb", true),
        ("/a/b", "/a%2Fb", false),
    ] {
        let expected = Ok(matches.then_some(0));
        assert_eq!(path_route(vec![prefix(pattern)], target), expected, "{pattern} {target}");
    }
}

#[test]
fn exact_paths_and_templates_match_whole_paths() {
    let literal = |text: &str| Segment::Literal(text.into());
    let orders =
        || PathPattern::Template(vec![literal("users"), Segment::Any, literal("%6frders")]);
    let files = || PathPattern::Template(vec![literal("files"), Segment::Rest]);
    let exact = || PathPattern::Exact("/exact".into());
    for (target, expected) in [
        ("/users/1/orders", Some(0)),
        ("/users/%2f/orders?x", Some(0)),
        ("/users/1/orders/", None),
        ("/users/1/orders/2", None),
        ("/users/orders", None),
        ("/users/./orders", None),
        ("/users/1/2/orders", None),
        ("/files", Some(1)),
        ("/files/", Some(1)),
        ("/files/a/b", Some(1)),
        ("/filesystem", None),
        ("/exact", Some(2)),
        ("/x/../exact", Some(2)),
        ("/exact/", None),
        ("/exact/x", None),
    ] {
        assert_eq!(path_route(vec![orders(), files(), exact()], target), Ok(expected), "{target}");
    }
}

#[test]
fn no_spelling_passes_by_a_route() {
    let route = |target| path_route(vec![prefix("/admin")], target);
    for target in [
        "/admin",
        "/%61dmin",
        "/admin/%2e%2e/admin",
        "/a/../admin",
        "/./admin",
        "//admin",
        "///admin//x",
        "http://a/admin",
        "http://a//admin",
        "/admin%2f..",
    ] {
        let expected = if target == "/admin%2f.." { None } else { Some(0) };
        assert_eq!(route(target), Ok(expected), "{target}");
    }
    for target in ["/admin/../", "/a%2f..%2fadmin", "/administrator", "/x?/admin"] {
        assert_eq!(route(target), Ok(None), "{target}");
    }
    for target in ["/public//../admin", "/%", "/%zz", "/admin%"] {
        assert_eq!(route(target), Err(Unrouted::BadPath), "{target}");
    }
}

#[test]
fn paths_are_not_judged_where_no_route_names_one() {
    let routes = vec![model::Route { methods: vec!["POST".into()], ..route(1) }];
    let router = Router::new(&listener(routes, Some(0)));
    assert_eq!(get(&router, "a", "/%"), Ok(Choice { pool: 0, route: None }));
}

#[test]
fn methods_and_header_fields_match() {
    let header = |name: &str, value| HeaderPattern { name: name.into(), value };
    let with = |value| model::Route { headers: vec![header("x-kind", value)], ..route(1) };
    let router = Router::new(&listener(
        vec![
            model::Route { methods: vec!["PUT".into(), "POST".into()], ..route(1) },
            with(ValuePattern::Exact("one".into())),
            with(ValuePattern::Prefix("tw".into())),
            model::Route {
                headers: vec![
                    header("x-kind", ValuePattern::Present),
                    header("x-more", ValuePattern::Present),
                ],
                ..route(1)
            },
        ],
        Some(0),
    ));
    for (method, fields, expected) in [
        ("GET", "", None),
        ("POST", "", Some(0)),
        ("PUT", "", Some(0)),
        ("post", "", None),
        ("GET", "X-KIND:  one \r\n", Some(1)),
        ("GET", "X-Kind: One\r\n", None),
        ("GET", "X-Kind: none\r\nX-Kind: one\r\n", Some(1)),
        ("GET", "X-Kind: two\r\n", Some(2)),
        ("GET", "X-Kind: three\r\n", None),
        ("GET", "X-Kind:\r\nX-More: x\r\n", Some(3)),
        ("GET", "X-More: x\r\n", None),
    ] {
        let request = format!("{method} / HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
        assert_eq!(choose(&router, &request).map(|choice| choice.route), Ok(expected), "{request}");
    }
}

#[test]
fn a_request_for_no_path_meets_routes_without_path_only() {
    let routes = vec![
        model::Route { path: prefix("/"), ..route(1) },
        model::Route { methods: vec!["OPTIONS".into()], ..route(2) },
    ];
    let router = Router::new(&listener(routes, None));
    let asterisk = "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n";
    assert_eq!(choose(&router, asterisk), Ok(Choice { pool: 2, route: Some(1) }));
    assert_eq!(choose(&router, "GET / HTTP/1.0\r\n\r\n").map(|choice| choice.pool), Ok(1));
}
