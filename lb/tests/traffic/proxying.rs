//! What a proxy is there for: messages go through whole, in order, and told about.
//!
//! Job: every feature of the HTTP side on the real binary. In: well-formed requests and configuration
//! files. Out: what servers and clients see. Invariant: content arrives as it was sent, byte by byte.

use crate::harness::{Backend, Balancer, End, Folder, Message, Peer, Wire};

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

fn with_body(body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

/// A server that answers with the request as it came.
fn mirror(peer: Peer) {
    mirror_as("", peer);
}

fn mirror_as(name: &str, mut peer: Peer) {
    while let Ok(request) = peer.read_request() {
        peer.send(with_body(&[name.as_bytes(), &request.bytes].concat()));
    }
}

/// A server that says its name.
fn named(name: &'static str) -> Backend {
    Backend::answering(with_body(name.as_bytes()))
}

fn configured(listener: &str, pool: &str, backends: &[&Backend]) -> Balancer {
    let servers: Vec<String> =
        (0..backends.len()).map(|index| format!("\"SERVER{index}\"")).collect();
    let text = format!(
        "[[listener]]\nbind = \"BIND\"\ndefault_pool = \"p\"\n{listener}\n\
         [pool.p]\nservers = [{}]\n{pool}\n",
        servers.join(", ")
    );
    Balancer::of_file(&text, backends)
}

/// What the server sees of a request.
fn mirrored(balancer: &Balancer, request: &str) -> String {
    let response = balancer.ask(request);
    assert_eq!(response.status(), 200, "{response:?}");
    response.text()
}

#[test]
fn both_sides_keep_their_connections() {
    let backend = Backend::answering(OK);
    let balancer = Balancer::with_options(&["--cores", "1"], &[&backend]);
    for _ in 0..3 {
        let mut client = balancer.connect();
        for _ in 0..10 {
            let response = client.ask(GET);
            assert_eq!((response.text().as_str(), response.field("Connection")), ("ok", None));
        }
    }
    assert_eq!(backend.connections(), 1);
    let mut client = balancer.connect();
    let response = client.ask("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    assert_eq!(response.field("Connection").as_deref(), Some("close"));
    assert_eq!(client.read_to_end(), (Vec::new(), End::Closed));
    assert_eq!(backend.connections(), 1, "that was the client's wish, not the server's");
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let backend = Backend::scripted(mirror);
    let balancer = Balancer::to(&[&backend]);
    let mut client = balancer.connect();
    let mut requests = String::new();
    for number in 0..64 {
        match number % 3 {
            0 => requests += &format!("GET /{number} HTTP/1.1\r\nHost: a\r\n\r\n"),
            1 => {
                requests +=
                    &format!("POST /{number} HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc");
            }
            _ => {
                requests += &format!("POST /{number} HTTP/1.1\r\nHost: a\r\n");
                requests += "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
            }
        }
    }
    client.send(requests);
    for number in 0..64 {
        let text = client.response().text();
        assert_eq!(text.split(' ').nth(1), Some(format!("/{number}").as_str()), "{text}");
    }
}

#[test]
fn http_1_0_is_spoken_to_those_who_do() {
    let backend = Backend::scripted(|mut peer| {
        while peer.read_request().is_ok() {
            peer.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n");
        }
    });
    let balancer = Balancer::to(&[&backend]);
    let mut client = balancer.connect();
    client.send("GET / HTTP/1.0\r\n\r\n");
    let (bytes, end) = client.read_to_end();
    let text = String::from_utf8_lossy(&bytes).into_owned();
    assert!(text.ends_with("\r\n\r\nok") && end == End::Closed, "{text}");
    assert!(!text.contains("chunked") && text.contains("Connection: close"), "{text}");
    assert!(backend.text().starts_with("GET / HTTP/1.1\r\nHost: "), "{}", backend.text());

    let backend = Backend::answering(OK);
    let balancer = Balancer::to(&[&backend]);
    let mut client = balancer.connect();
    for _ in 0..2 {
        let response = client.ask("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
        assert_eq!(response.field("Connection").as_deref(), Some("keep-alive"));
    }
}

#[test]
fn chunked_bodies_keep_their_content_and_trailers_both_ways() {
    let backend = Backend::scripted(|mut peer| {
        while let Ok(request) = peer.read_request() {
            assert_eq!(request.text(), "hello world");
            peer.send("HTTP/1.1 200 OK\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n");
            peer.send(format!("3;ext\r\nsum\r\n0\r\nX-Sum: {}", request.trailer));
            peer.send("\r\n");
        }
    });
    let balancer = Balancer::to(&[&backend]);
    let mut client = balancer.connect();
    for number in 0..3 {
        client.send(
            "POST / HTTP/1.1\r\nHost: a\r\nTE: trailers\r\nTransfer-Encoding: chunked\r\n\r\n",
        );
        client.send("6\r\nhello \r\n");
        let response =
            client.ask(format!("5\r\nworld\r\n0\r\nX-In: {number}\r\nCookie: x\r\n\r\n"));
        assert_eq!(response.text(), "sum");
        assert_eq!(response.trailer, format!("X-Sum: X-In: {number}\r\n"), "without the cookie");
    }
}

#[test]
fn a_client_that_waits_for_100_gets_it_from_the_server() {
    let backend = Backend::scripted(|mut peer| {
        let mut request = peer.read_head().expect("a head");
        assert_eq!(request.field("Expect").as_deref(), Some("100-continue"));
        peer.send("HTTP/1.1 100 Continue\r\n\r\n");
        peer.read_body(&mut request, false).expect("a body");
        peer.send(with_body(&request.body));
    });
    let balancer = Balancer::to(&[&backend]);
    let mut client = balancer.connect();
    let expecting =
        "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n";
    assert_eq!(client.ask(expecting).status(), 100);
    assert_eq!(client.ask("hello").text(), "hello");
    let unknown = "GET / HTTP/1.1\r\nHost: a\r\nExpect: the-unexpected\r\n\r\n";
    assert_eq!(balancer.ask(unknown).status(), 417);
}

#[test]
fn hop_by_hop_fields_stay_behind() {
    let backend = Backend::scripted(mirror);
    let balancer = Balancer::to(&[&backend]);
    let seen = mirrored(
        &balancer,
        "GET / HTTP/1.1\r\nHost: a\r\nConnection: X-Mine, keep-alive\r\nX-Mine: 1\r\nKeep-Alive: 5\r\n\
         Proxy-Connection: keep-alive\r\nTE: gzip\r\nUpgrade: h2c\r\nX-Yours: 2\r\n\r\n",
    );
    assert_eq!(
        seen,
        "GET / HTTP/1.1\r\nHost: a\r\nX-Yours: 2\r\nX-Forwarded-For: 127.0.0.1\r\n\
         X-Forwarded-Proto: http\r\nX-Forwarded-Host: a\r\n\r\n"
    );
    let backend = Backend::answering(
        "HTTP/1.1 200 OK\r\nConnection: X-Mine\r\nX-Mine: 1\r\nKeep-Alive: timeout=5\r\n\
         Proxy-Connection: x\r\nX-Yours: 2\r\nContent-Length: 0\r\n\r\n",
    );
    let balancer = Balancer::to(&[&backend]);
    let head = balancer.ask(GET).head;
    assert_eq!(head, "HTTP/1.1 200 OK\r\nX-Yours: 2\r\nContent-Length: 0\r\n\r\n");
}

#[test]
fn servers_are_told_about_the_client() {
    let backend = Backend::scripted(mirror);
    let all = "forwarded = true\nvia = true\nrequest_id = true\n";
    let told = "GET / HTTP/1.1\r\nHost: a.example\r\nX-Forwarded-For: 1.2.3.4\r\n\
                X-Forwarded-Proto: https\r\nX-Request-Id: mine\r\n\r\n";
    let balancer = configured(&format!("{all}trusted = [\"127.0.0.0/8\"]"), "", &[&backend]);
    let response = balancer.ask(told);
    let seen = response.text();
    for line in
        ["X-Forwarded-For: 1.2.3.4, 127.0.0.1", "X-Forwarded-Proto: https", "X-Request-Id: mine"]
    {
        assert!(seen.contains(&format!("\r\n{line}\r\n")), "{line}: {seen}");
    }
    assert!(seen.contains("\r\nForwarded: ") && seen.contains("for=127.0.0.1"), "{seen}");
    assert!(seen.contains("\r\nVia: 1.1 "), "{seen}");
    assert!(response.field("Via").is_some_and(|via| via.starts_with("1.1 ")), "{response:?}");

    let balancer = configured(all, "", &[&backend]);
    let (first, second) = (mirrored(&balancer, told), mirrored(&balancer, told));
    for seen in [&first, &second] {
        assert!(!seen.contains("1.2.3.4") && !seen.contains("X-Request-Id: mine"), "{seen}");
    }
    let id = |seen: &str| {
        let line = seen.lines().find(|line| line.starts_with("X-Request-Id: "));
        line.expect("an id").to_owned()
    };
    assert_ne!(id(&first), id(&second));

    let balancer = configured("x_forwarded = false", "", &[&backend]);
    assert!(!mirrored(&balancer, GET).contains("X-Forwarded"));
}

#[test]
fn header_fields_are_set_added_and_removed() {
    let backend = Backend::scripted(|mut peer| {
        while let Ok(request) = peer.read_request() {
            let body = request.head;
            let length = body.len();
            peer.send(format!(
                "HTTP/1.1 200 OK\r\nServer: x\r\nX-Old: 1\r\nContent-Length: {length}\r\n\r\n{body}"
            ));
        }
    });
    let rewrites = "request_headers = { remove = [\"X-Secret\"], set = { X-Stage = \"prod\", Host = \"inner\" }, add = { X-More = [\"1\", \"2\"] } }\n\
                    response_headers = { remove = [\"Server\"], set = { X-Old = \"2\" }, add = { X-New = \"3\" } }";
    let balancer = configured(rewrites, "", &[&backend]);
    let response =
        balancer.ask("GET / HTTP/1.1\r\nHost: a\r\nX-Secret: s\r\nX-Stage: test\r\n\r\n");
    let seen = Message { head: response.text(), ..Message::default() };
    assert_eq!(seen.field("Host").as_deref(), Some("inner"));
    assert_eq!(seen.field("X-Secret"), None);
    assert_eq!(seen.field("X-Stage").as_deref(), Some("prod"));
    assert_eq!(seen.field("X-More").as_deref(), Some("1|2"));
    assert_eq!(response.field("Server"), None);
    assert_eq!(response.field("X-Old").as_deref(), Some("2"));
    assert_eq!(response.field("X-New").as_deref(), Some("3"));
}

#[test]
fn requests_go_by_host_path_method_and_field() {
    let names = ["exact", "below", "prefix", "template", "method", "field"];
    let backends: Vec<Backend> = names.iter().map(|name| named(name)).collect();
    let mut text = "[[listener]]\nbind = \"BIND\"\nroute = [\n\
        { host = \"one.example\", pool = \"exact\" },\n\
        { host = \"*.wild.example\", pool = \"below\" },\n\
        { path = \"/v1/\", pool = \"prefix\" },\n\
        { path = \"/users/{id}/orders\", pool = \"template\" },\n\
        { methods = [\"DELETE\"], pool = \"method\" },\n\
        { headers = { x-beta = true, accept = { prefix = \"text/\" } }, pool = \"field\" },\n]\n"
        .to_owned();
    for (index, name) in names.iter().enumerate() {
        text += &format!("[pool.{name}]\nservers = [\"SERVER{index}\"]\n");
    }
    let balancer = Balancer::of_file(&text, &backends.iter().collect::<Vec<_>>());
    let ask = |line: &str, host: &str, fields: &str| {
        let response = balancer.ask(format!("{line} HTTP/1.1\r\nHost: {host}\r\n{fields}\r\n"));
        if response.status() == 200 { response.text() } else { response.status().to_string() }
    };
    assert_eq!(ask("GET /", "one.example", ""), "exact");
    assert_eq!(ask("GET /v1/x", "ONE.example:80", ""), "exact");
    assert_eq!(ask("GET /", "a.b.wild.example", ""), "below");
    assert_eq!(ask("GET /", "wild.example", ""), "404");
    assert_eq!(ask("GET /v1/x?y", "a", ""), "prefix");
    assert_eq!(ask("GET /v10", "a", ""), "404");
    assert_eq!(ask("GET /x/../%76%31/y", "a", ""), "prefix");
    assert_eq!(ask("GET /users/7/orders", "a", ""), "template");
    assert_eq!(ask("GET /users//orders", "a", ""), "404");
    assert_eq!(ask("DELETE /", "a", ""), "method");
    assert_eq!(ask("GET /", "a", "X-Beta: \r\nAccept: text/html\r\n"), "field");
    assert_eq!(ask("GET /", "a", "X-Beta: 1\r\nAccept: image/png\r\n"), "404");
}

#[test]
fn a_cookie_keeps_a_client_with_its_server() {
    let backends = [named("one"), named("two"), named("three")];
    let balancer = configured("", "sticky = \"SERVERID\"", &backends.iter().collect::<Vec<_>>());
    let first = balancer.ask(GET);
    let cookie = first.field("Set-Cookie").expect("a cookie");
    let pair = cookie.split(';').next().expect("a pair").to_owned();
    assert!(pair.starts_with("SERVERID=") && cookie.contains("HttpOnly"), "{cookie}");
    for _ in 0..20 {
        let request = format!("GET / HTTP/1.1\r\nHost: a\r\nCookie: x=1; {pair}\r\n\r\n");
        let response = balancer.ask(request);
        assert_eq!(response.text(), first.text());
        assert_eq!(response.field("Set-Cookie"), None, "it has the right one");
    }
    let unknown = "GET / HTTP/1.1\r\nHost: a\r\nCookie: SERVERID=nobody\r\n\r\n";
    assert!(balancer.ask(unknown).field("Set-Cookie").is_some());
}

#[test]
fn error_pages_may_be_ones_own() {
    let nobody = Backend::nobody();
    let pages = "errors = { 503 = { html = \"<p>later\" }, 400 = { html = \"<p>what?\" } }";
    let balancer = configured(pages, "", &[&nobody]);
    let response = balancer.ask(GET);
    assert_eq!((response.status(), response.text().as_str()), (503, "<p>later"));
    let response = balancer.ask("GET\r\n\r\n");
    assert_eq!((response.status(), response.text().as_str()), (400, "<p>what?"));
}

#[test]
fn unix_sockets_work_on_both_sides() {
    let folder = Folder::new();
    let backend = Backend::at_path(&folder.file("server"), mirror);
    let bind = folder.file("listen");
    let text = format!(
        "[[listener]]\nbind = [\"BIND\", \"unix:{bind}\"]\ndefault_pool = \"p\"\n\
         [pool.p]\nservers = [\"SERVER0\"]\n"
    );
    let balancer = Balancer::of_file(&text, &[&backend]);
    assert!(mirrored(&balancer, GET).contains("X-Forwarded-For: 127.0.0.1"));
    let mut client = Wire::new(std::os::unix::net::UnixStream::connect(&bind).expect("a socket"));
    for _ in 0..3 {
        let seen = client.ask(GET).text();
        assert!(seen.starts_with("GET / HTTP/1.1\r\n"), "{seen}");
        assert!(!seen.contains("X-Forwarded-For"), "it has no address: {seen}");
    }
}
