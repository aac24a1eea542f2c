//! The admin listener of the real program, under traffic.
//!
//! Job: show that changes do what they say, that no request is lost by them, and that what is shown
//! adds up. In: the program and servers of this process. Out: failed assertions.
//! Invariant: free ports of 127.0.0.1 only; what is started ends with the test.

#[path = "shared/ports.rs"]
mod ports;
#[path = "admin/support.rs"]
mod support;

use std::process::Command;

use ringlet_runtime::admin::document::Document;

use support::{Backend, Balancer, Client, Traffic, number, until};

fn servers(backends: &[(&str, &Backend)]) -> String {
    let texts = backends.iter().map(|(said, backend)| format!("\"{} {said}\"", backend.address));
    format!("servers = [{}]\n", texts.collect::<Vec<_>>().join(", "))
}

fn target(server: &str, rest: &str) -> String {
    format!("{{\"pool\": \"api\", \"server\": \"{server}\"{rest}}}")
}

/// The names that answer so many requests.
fn answers(client: &mut Client, requests: usize) -> Vec<String> {
    let ask = |_| {
        let (status, name) = client.get("/");
        assert_eq!(status, 200);
        name
    };
    (0..requests).map(ask).collect()
}

#[test]
fn a_drained_server_gets_nothing_new_and_ends_what_it_has() {
    let (a, b) = (Backend::start("a"), Backend::start("b"));
    let pool = servers(&[("name=a", &a), ("name=b", &b)]);
    let lb = Balancer::start("drain", 2, &format!("balance = \"round-robin\"\n{pool}"));
    let address = lb.address;
    let held = std::thread::spawn(move || Client::new(address).get("/hold"));
    let mut a_holds = false;
    until("a held request", || {
        a_holds = a.holds();
        a_holds || b.holds()
    });
    let (holder, name, other) = if a_holds { (&a, "a", "b") } else { (&b, "b", "a") };
    let (status, said) = lb.change("/set-server", &target(name, ", \"state\": \"drain\""));
    assert_eq!((status, said.contains("is drain")), (200, true), "{said}");
    let mut clients: Vec<Client> = (0..8).map(|_| Client::new(lb.address)).collect();
    let mut all_go_elsewhere =
        || clients.iter_mut().flat_map(|client| answers(client, 10)).all(|answer| answer == other);
    until("the drain", &mut all_go_elsewhere);
    let before = holder.count();
    assert!((0..5).all(|_| all_go_elsewhere()));
    assert_eq!(holder.count(), before);
    assert!(!held.is_finished());
    holder.release();
    assert_eq!(held.join().expect("no panic"), (200, name.to_owned()));
    let (status, _) = lb.change("/set-server", &target(name, ", \"state\": \"ready\""));
    assert_eq!(status, 200);
    until("its return", || !all_go_elsewhere() && holder.count() > before);
}

#[test]
fn servers_come_and_go_under_traffic() {
    let (a, b, c) = (Backend::start("a"), Backend::start("b"), Backend::start("c"));
    let pool = servers(&[("name=a", &a), ("name=b", &b)]);
    let lb = Balancer::start("members", 2, &pool);
    let traffic = Traffic::start(lb.address, 4);
    until("traffic", || a.count() > 50 && b.count() > 50);
    let added = format!("{{\"pool\": \"api\", \"server\": \"{} name=c weight=2\"}}", c.address);
    let (status, said) = lb.change("/add-server", &added);
    assert_eq!((status, said.as_str()), (200, "{\"done\":\"server c of pool api is added\"}\n"));
    assert_eq!(lb.change("/add-server", &added).0, 409);
    until("traffic on the new server", || c.count() > 50);
    assert_eq!(lb.change("/remove-server", &target("a", "")).0, 200);
    assert_eq!(lb.change("/remove-server", &target("a", "")).0, 404);
    let mut before = 0;
    until("the end of traffic on the removed server", || {
        let (count, asked) = (a.count(), traffic.asked());
        let is_quiet = count == before;
        before = count;
        until("further traffic", || traffic.asked() > asked + 100);
        is_quiet && a.count() == before
    });
    // The same file again leaves the changes as they are.
    assert_eq!(lb.change("/reload", "{}").0, 200);
    let asked = traffic.asked();
    until("further traffic", || traffic.asked() > asked + 200);
    let (asked, failures) = traffic.end();
    assert_eq!((a.count(), failures), (before, Vec::<String>::new()));
    assert_eq!(a.count() + b.count() + c.count(), asked);
}

#[test]
fn a_weight_changes_the_distribution() {
    let (a, b) = (Backend::start("a"), Backend::start("b"));
    let pool = servers(&[("name=a", &a), ("name=b", &b)]);
    let lb = Balancer::start("weight", 1, &format!("balance = \"round-robin\"\n{pool}"));
    let mut client = Client::new(lb.address);
    let mut of_a = || answers(&mut client, 40).iter().filter(|name| *name == "a").count();
    assert_eq!(of_a(), 20);
    let (status, said) = lb.change("/set-server", &target("a", ", \"weight\": 3"));
    assert_eq!((status, said.contains("weight 3")), (200, true), "{said}");
    until("the new weight", || of_a() == 30);
    assert!((0..5).all(|_| of_a() == 30));
}

#[test]
fn the_metrics_add_up_to_the_requests() {
    let (a, b) = (Backend::start("a"), Backend::start("b"));
    let pool = servers(&[("name=a", &a), ("name=b", &b)]);
    let lb = Balancer::start("metrics", 2, &pool);
    for _ in 0..5 {
        let mut client = Client::new(lb.address);
        (0..6).for_each(|_| assert_eq!(client.get("/").0, 200));
        assert_eq!(client.get("/missing").0, 404);
    }
    until("the end of all connections", || {
        lb.metric("haproxy_frontend_current_sessions", "") == 0.0
    });
    let expected = [
        ("haproxy_frontend_sessions_total", "proxy=\"web\"", 5),
        ("haproxy_frontend_http_requests_total", "proxy=\"web\"", 35),
        ("haproxy_frontend_http_responses_total", "code=\"2xx\"", 30),
        ("haproxy_frontend_http_responses_total", "", 35),
        ("haproxy_backend_http_requests_total", "proxy=\"api\"", 35),
        ("haproxy_backend_http_responses_total", "code=\"4xx\"", 5),
        ("haproxy_backend_http_responses_total", "", 35),
        ("haproxy_server_sessions_total", "", 35),
        ("haproxy_server_sessions_total", "server=\"a\"", a.count()),
        ("haproxy_server_http_responses_total", "", 35),
        ("haproxy_server_current_sessions", "", 0),
        ("haproxy_backend_connection_errors_total", "", 0),
        ("ringlet_lb_request_duration_seconds_count", "", 35),
        ("ringlet_lb_core_requests_total", "", 35),
    ];
    for (name, labels, value) in expected {
        assert_eq!(lb.metric(name, labels), value as f64, "{name} {labels}");
    }
    let attempts = lb.metric("haproxy_backend_connection_attempts_total", "");
    assert_eq!(attempts + lb.metric("haproxy_backend_connection_reuses_total", ""), 35.0);
    let (_, text) = lb.page("/metrics");
    for line in text.lines().filter(|line| !line.starts_with("# ")) {
        let (series, value) = line.rsplit_once(' ').expect("a series and a value");
        assert!(series.starts_with("haproxy_") || series.starts_with("ringlet_lb_"), "{line}");
        assert!(number(value) >= 0.0, "{line}");
    }
}

#[test]
fn the_page_and_the_terminal_show_the_same_and_strangers_change_nothing() {
    let a = Backend::start("a");
    let lb = Balancer::start("page", 1, &servers(&[("name=a", &a)]));
    assert_eq!(Client::new(lb.address).get("/").0, 200);
    assert_eq!(lb.page("/healthz"), (200, "ok\n".to_owned()));
    let (status, page) = lb.page("/");
    assert_eq!(status, 200);
    assert!(page.starts_with("<!doctype html>") && !page.contains("://"), "{page}");
    let (_, json) = lb.page("/state.json");
    let document = Document::from_json(json.as_bytes()).expect("a document");
    let titles: Vec<&str> = document.sections.iter().map(|one| one.title.as_str()).collect();
    assert_eq!(titles, ["Pools", "Servers", "Listeners"]);
    let top = Command::new(env!("CARGO_BIN_EXE_ringlet-lb"))
        .args(["top", "--once", &lb.admin.to_string()])
        .output()
        .expect("the program runs");
    let frame = String::from_utf8(top.stdout).expect("a text");
    assert!(top.status.success() && frame.starts_with("ringlet-lb "), "{frame}");
    for text in ["Pools", "Servers", "Listeners", "up, unchecked", &lb.address.to_string()] {
        assert!(frame.contains(text), "{text} in {frame}");
    }
    assert!(!frame.contains('\x1b'));
    let drain = target("a", ", \"state\": \"drain\"");
    let form = "Content-Type: application/x-www-form-urlencoded\r\n";
    assert_eq!(lb.post("/set-server", form, "pool=api&server=a&state=drain").0, 415);
    let foreign = "Content-Type: application/json\r\nOrigin: http://evil.example\r\n";
    assert_eq!(lb.post("/set-server", foreign, &drain).0, 403);
    assert_eq!(lb.metric("haproxy_server_status", "state=\"UP\""), 1.0);
    let marked = format!("{form}Ringlet-Admin: 1\r\n");
    assert_eq!(lb.post("/set-server", &marked, "pool=api&server=a&state=drain").0, 200);
    assert_eq!(lb.metric("haproxy_server_status", "state=\"DRAIN\""), 1.0);
    assert_eq!(lb.change("/set-server", "{\"pool\": \"api\"}").0, 400);
}

#[test]
fn a_hundred_reloads_cost_no_request_and_no_state() {
    let (a, b) = (Backend::start("a"), Backend::start("b"));
    let versions =
        [1, 2].map(|weight| servers(&[("name=a", &a), (&format!("name=b weight={weight}"), &b)]));
    let lb = Balancer::start("reload", 2, &versions[0]);
    let traffic = Traffic::start(lb.address, 4);
    assert_eq!(lb.change("/set-server", &target("a", ", \"weight\": 3")).0, 200);
    for round in 1..=100 {
        lb.write(2, &versions[round % 2]);
        let said = format!("configuration {} is in use", round + 1);
        if round % 2 == 0 {
            lb.signal("-HUP");
        } else {
            let (status, answer) = lb.change("/reload", "{}");
            assert_eq!((status, answer.contains(&said)), (200, true), "{answer}");
        }
        lb.wait_for(&said);
        let asked = traffic.asked();
        until("traffic between reloads", || traffic.asked() > asked + 20);
    }
    // A file that is wrong changes nothing.
    lb.write(2, "servers = []\n");
    assert_eq!(lb.change("/reload", "{}").0, 400);
    let (asked, failures) = traffic.end();
    assert_eq!(failures, Vec::<String>::new());
    assert_eq!(a.count() + b.count(), asked);
    // What was set and what was counted before is still there.
    assert_eq!(lb.metric("haproxy_server_weight", "server=\"a\""), 3.0);
    assert_eq!(lb.metric("haproxy_server_sessions_total", ""), asked as f64);
}
