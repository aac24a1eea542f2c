//! Load by wrk and hey: every request is answered well, and all count the same number of them.

use crate::harness::{Balancer, run, text, wait_until};
use crate::nginx::Nginx;

const CONNECTIONS: u64 = 32;

/// The number before or after this text.
fn number(output: &str, before: &str, after: &str) -> u64 {
    let line = output.lines().find(|line| line.contains(before) && line.contains(after));
    let line = line.unwrap_or_else(|| panic!("no {before:?} and {after:?} in {output}"));
    let rest = line.split_once(before).expect("it was found").1;
    rest.split(after).next().unwrap_or_default().trim().parse().expect("a number")
}

/// Two servers, and what they have logged.
struct Servers([Nginx; 2]);

impl Servers {
    fn start() -> Self {
        Self([Nginx::start("a"), Nginx::start("b")])
    }

    fn addresses(&self) -> Vec<String> {
        self.0.iter().map(|nginx| nginx.address.clone()).collect()
    }

    fn logged(&self) -> u64 {
        self.0.iter().map(|nginx| nginx.log().len() as u64).sum()
    }
}

#[test]
fn hey_gets_as_many_answers_as_it_asks_for() {
    const REQUESTS: u64 = 8000;
    for (cores, more) in [(1, &["-c", "32"][..]), (4, &["-c", "32", "-disable-keepalive"])] {
        let servers = Servers::start();
        let balancer = Balancer::http(cores, &servers.addresses(), "");
        let url = balancer.url("/name");
        let output = text(&run("hey", &[&["-n", "8000"], more, &[&url]].concat()));
        assert_eq!(number(&output, "[200]", "responses"), REQUESTS, "{output}");
        assert!(!output.contains("Error distribution"), "{output}");
        wait_until("all requests are logged", || servers.logged() >= REQUESTS);
        assert_eq!(servers.logged(), REQUESTS, "nobody was asked twice");
        assert_eq!(balancer.metric("haproxy_frontend_http_requests_total", "\"in\""), REQUESTS);
        assert_eq!(balancer.metric("haproxy_server_sessions_total", "\"api\""), REQUESTS);
        let good = balancer.metric("haproxy_frontend_http_responses_total", "code=\"2xx\"");
        assert_eq!(good, REQUESTS);
    }
}

#[test]
fn wrk_meets_no_error() {
    for cores in [1, 4] {
        let servers = Servers::start();
        let balancer = Balancer::http(cores, &servers.addresses(), "");
        let options = ["-t", "1", "-c", "32", "-d", "2s"];
        let output = text(&run("wrk", &[&options[..], &[&balancer.url("/name")]].concat()));
        for bad in ["Socket errors", "Non-2xx"] {
            assert!(!output.contains(bad), "{output}");
        }
        let counted = number(&output, "", " requests in ");
        assert!(counted > CONNECTIONS, "{output}");
        wait_until("all requests are logged", || servers.logged() >= counted);
        // It ends while each of its connections waits for an answer that it does not count.
        let expected = counted..=counted + CONNECTIONS;
        let asked = balancer.metric("haproxy_frontend_http_requests_total", "\"in\"");
        assert!(expected.contains(&asked), "{asked} requests, {output}");
        assert!(expected.contains(&servers.logged()), "{} logged, {output}", servers.logged());
    }
}
