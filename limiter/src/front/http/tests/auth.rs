//! `/auth`: whose request it is, and what the proxy is told.

use ringlet_limit::headers::HeaderStyle;
use ringlet_limit::model::ClientAddress;
use ringlet_limit::request::Reason;

use super::*;

const NGINX: &str = "GET /auth?domain=web&deny=403&cost=2 HTTP/1.1\r\nHost: Shop.Example:8080\r\n\
     X-Original-URI: /a/b?c=d\r\nX-Original-Method: POST\r\nX-User: u1\r\n\r\n";

#[test]
fn a_request_of_nginx_is_understood_and_allowed() {
    let mut desk = FakeDesk::default();
    desk.answers.push_back(Ok(allowed()));
    assert_eq!(
        reply(&mut desk, NGINX),
        "HTTP/1.1 200 OK\r\nRateLimit-Policy: \"given\";q=10;w=60\r\n\
         RateLimit: \"given\";r=3;t=12\r\nContent-Length: 0\r\n\r\n"
    );
    let asked = "Take request [web] Some(2) POST /a/b shop.example Some(\"u1\") Some(10.0.0.9)";
    assert_eq!(desk.asked, [asked]);
}

#[test]
fn a_denial_has_the_status_that_the_proxy_wants() {
    let mut desk = FakeDesk::default();
    desk.answers.push_back(Ok(denied()));
    let problem = "{\"type\":\"https://iana.org/assignments/http-problem-types#quota-exceeded\",\
                   \"title\":\"A limit is used up\",\"status\":403,\
                   \"violated-policies\":[\"given\"]}";
    assert_eq!(
        reply(&mut desk, NGINX),
        format!(
            "HTTP/1.1 403 Forbidden\r\nRateLimit-Policy: \"given\";q=10;w=60\r\n\
             RateLimit: \"given\";r=0;t=2\r\nRetry-After: 2\r\n\
             Content-Type: application/problem+json\r\nCache-Control: no-store\r\n\
             Content-Length: {}\r\n\r\n{problem}",
            problem.len()
        )
    );
}

#[test]
fn the_status_of_a_denial_tells_why_unless_one_is_chosen() {
    let rows = [
        (Reason::Limits, "429", "403", "410"),
        (Reason::Lists, "403", "403", "410"),
        (Reason::Store, "503", "403", "410"),
        (Reason::Overload, "503", "403", "410"),
    ];
    for (reason, plain, by_query, by_listener) in rows {
        let ask = |front: &mut HttpFront, target: &str| {
            let mut desk = FakeDesk::default();
            desk.answers.push_back(Ok(Verdict { reason, ..Verdict::default() }));
            let request = format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n");
            status(&talk(front, &mut desk, &request).0).to_owned()
        };
        assert_eq!(ask(&mut front(), "/auth"), plain, "{reason:?}");
        assert_eq!(ask(&mut front(), "/auth?deny=403"), by_query, "{reason:?}");
        let mut gone = front_with(|settings| settings.deny_status = Some(410));
        assert_eq!(ask(&mut gone, "/auth"), by_listener, "{reason:?}");
        assert_eq!(ask(&mut gone, "/auth?deny=403"), by_query, "{reason:?}");
    }
}

#[test]
fn every_style_of_headers_reaches_the_client() {
    let rows = [
        (
            HeaderStyle::Ietf,
            "RateLimit-Policy: \"given\";q=10;w=60\r\nRateLimit: \"given\";r=0;t=2\r\n",
        ),
        (
            HeaderStyle::XRateLimit,
            "X-RateLimit-Limit: 5, 10;w=60;name=\"given\"\r\nX-RateLimit-Remaining: 0\r\n\
             X-RateLimit-Reset: 2\r\n",
        ),
        (
            HeaderStyle::Github,
            "X-RateLimit-Limit: 5\r\nX-RateLimit-Remaining: 0\r\nX-RateLimit-Reset: 1700000002\r\n",
        ),
        (HeaderStyle::None, ""),
    ];
    for (style, lines) in rows {
        let mut desk = FakeDesk::default();
        desk.answers.push_back(Ok(denied()));
        let mut front = front_with(|settings| settings.headers = style);
        let (reply, _) = talk(&mut front, &mut desk, "GET /auth HTTP/1.1\r\nHost: a\r\n\r\n");
        let start = format!("HTTP/1.1 429 Too Many Requests\r\n{lines}Retry-After: 2\r\nContent-T");
        assert!(reply.starts_with(&start), "{reply}");
    }
}

#[test]
fn the_original_request_is_found_in_every_habit() {
    let rows = [
        (
            "GET /auth",
            "X-Forwarded-Method: PUT\r\nX-Forwarded-Uri: /x?y\r\nX-Forwarded-Host: B:1\r\n",
            "PUT /x b",
        ),
        ("GET /auth", "X-Forwarded-Uri: https://h/p/q?y\r\n", "GET /p/q a"),
        ("GET /auth", "X-Forwarded-Uri: HTTP://h\r\n", "GET / a"),
        ("OPTIONS /auth", "X-Forwarded-Uri: *\r\n", "OPTIONS * a"),
        ("DELETE /auth", "", "DELETE / a"),
        ("GET /auth", "X-Original-URI: /o\r\nX-Forwarded-Host: spoofed\r\n", "GET /o a"),
        ("PATCH /auth/x/y?cost=0&deny=499", "X-Original-URI: /spoofed\r\n", "PATCH /x/y a"),
        ("GET /auth/", "X-Forwarded-Uri: /spoofed\r\n", "GET / a"),
    ];
    for (line, fields, seen) in rows {
        let mut desk = FakeDesk::default();
        let got = reply(&mut desk, &format!("{line} HTTP/1.1\r\nHost: A\r\n{fields}\r\n"));
        assert_eq!(status(&got), "200", "{line} {fields}");
        let asked = format!("Take request [] None {seen} None Some(10.0.0.9)");
        assert_eq!(desk.asked, [asked], "{line} {fields}");
    }
}

#[test]
fn what_could_be_two_requests_or_none_is_refused() {
    let rows = [
        ("/auth", "X-Original-URI: /a\r\nX-Forwarded-Uri: /b\r\n", "name two requests"),
        ("/auth", "X-Original-URI: /a\r\nX-Forwarded-Method: GET\r\n", "name two requests"),
        ("/auth", "X-Original-Method: GET\r\nX-Forwarded-Uri: /b\r\n", "name two requests"),
        ("/auth", "X-Original-URI: /a\r\nX-Original-URI: /a\r\n", "x-original-uri is there twice"),
        ("/auth", "X-Forwarded-Uri: a\r\n", "neither a path nor a URL"),
        ("/auth", "X-Forwarded-Host: a, b\r\n", "more than one host"),
        ("/auth?x=1", "", "`x` is none of: domain, deny, cost"),
        ("/auth?cost=1&cost=2", "", "`cost` is there twice"),
        ("/auth?cost=-1", "", "`cost` is a number"),
        ("/auth?cost=", "", "`cost` is a number"),
        ("/auth?deny=200", "", "400 to 599"),
        ("/auth?deny=600", "", "400 to 599"),
        ("/auth?domain=%f", "", "no text"),
        ("/auth?domain=%ff", "", "no text"),
    ];
    for (target, fields, text) in rows {
        let mut desk = FakeDesk::default();
        let request = format!("GET {target} HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
        let (reply, flow) = talk(&mut front(), &mut desk, &request);
        assert_eq!((status(&reply), flow), ("400", Flow::Open), "{target} {fields}");
        assert!(body(&reply).contains(text), "{reply}");
        assert!(desk.asked.is_empty());
    }
}

#[test]
fn domains_come_from_the_query_or_the_listener() {
    let mut desk = FakeDesk::default();
    let mut front = front_with(|settings| settings.domain = "site".into());
    for target in ["/auth", "/auth?domain=a%20b+c"] {
        talk(&mut front, &mut desk, &format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n"));
    }
    assert!(desk.asked[0].starts_with("Take request [site] "), "{:?}", desk.asked);
    assert!(desk.asked[1].starts_with("Take request [a b c] "), "{:?}", desk.asked);
}

#[test]
fn the_client_is_whom_the_listener_believes() {
    let mut desk = FakeDesk::default();
    let mut front = front_with(|settings| settings.client = ClientAddress::TrustedHops(2));
    talk(
        &mut front,
        &mut desk,
        "GET /auth HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 1.1.1.1\r\n\
         X-Forwarded-For: 2.2.2.2 , 3.3.3.3\r\n\r\n",
    );
    assert!(desk.asked[0].ends_with("Some(2.2.2.2)"), "{:?}", desk.asked);
}
