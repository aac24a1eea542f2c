//! Many connections at a time: idle ones, and those of slowhttptest, which end as slowly as they can.

use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use crate::harness::{Balancer, Client, SetAtEnd, run, text};
use crate::nginx::Nginx;

/// Open files that a test needs besides its connections.
const OTHER_FILES: usize = 500;
const IDLE_WANTED: usize = 10_000;
const IDLE_NEEDED: usize = 5000;
/// As many as slowhttptest is told to open.
const SLOW: u64 = 500;
const BYTES_PER_IDLE_CONNECTION: usize = 4096;

/// Lets this process, and those that it starts from now on, have as many open files as it may; how many.
fn raise_limit_of_open_files() -> usize {
    let process = std::process::id().to_string();
    let allowed = text(&run("sh", &["-c", "ulimit -Hn"]));
    let allowed: usize = allowed.trim().parse().unwrap_or(IDLE_WANTED + OTHER_FILES);
    let limit = format!("--nofile={allowed}:{allowed}");
    let status = Command::new("prlimit").args(["--pid", &process, &limit]).status();
    assert!(status.expect("there is prlimit").success());
    allowed
}

#[test]
fn ten_thousand_idle_connections_cost_little_and_hinder_nobody() {
    let count = (raise_limit_of_open_files() - OTHER_FILES).min(IDLE_WANTED);
    assert!(count >= IDLE_NEEDED, "only {count} connections are allowed");
    let nginx = Nginx::start("a");
    // Nobody is sent away before the end of the test.
    let listener = "keepalive_timeout = \"1h\"\nclient_timeout = \"1h\"";
    let servers = std::slice::from_ref(&nginx.address);
    let balancer = Balancer::start(2, "http", listener, servers, "");
    let is_served = |client: &mut Client| {
        let answer = client.get("/name").expect("an answer");
        assert_eq!((answer.status, answer.body.as_slice(), answer.closes), (200, &b"a"[..], false));
    };
    // What is needed for the first ones is not for each one.
    for _ in 0..100 {
        is_served(&mut balancer.connect());
    }
    let before = balancer.resident_bytes();
    let mut idle: Vec<Client> = Vec::new();
    for _ in 0..count {
        let mut client = balancer.connect();
        is_served(&mut client);
        idle.push(client);
    }
    let each = balancer.resident_bytes().saturating_sub(before) / count;
    assert!(each < BYTES_PER_IDLE_CONNECTION, "{each} bytes for each idle connection");
    let connections = balancer.metric("haproxy_frontend_current_sessions", "\"in\"");
    assert!(connections >= count as u64, "{connections} of {count} are still there");
    for _ in 0..100 {
        is_served(&mut balancer.connect());
    }
    for client in &mut idle {
        is_served(client);
    }
}

/// Has slowhttptest open connections of a kind, while a client asks for something again and again: that
/// one gets all its answers, and they get a 408 each.
fn assert_cut_off(kind: &[&str]) {
    let nginx = Nginx::start("a");
    let listener = "request_timeout = \"1s\"\nclient_timeout = \"1s\"";
    let servers = std::slice::from_ref(&nginx.address);
    let balancer = Balancer::start(2, "http", listener, servers, "");
    let is_over = AtomicBool::new(false);
    let said = thread::scope(|scope| {
        let _end = SetAtEnd(&is_over);
        scope.spawn(|| {
            let mut served = 0;
            while !is_over.load(Ordering::Relaxed) {
                let mut client = balancer.connect();
                for _ in 0..10 {
                    let answer = client.get("/name").expect("an answer");
                    assert_eq!(answer.status, 200, "after {served} good answers");
                    served += 1;
                }
            }
            assert!(served > 100, "only {served} requests were served");
        });
        // It says something on each of its connections every 5 s.
        let url = balancer.url("/work");
        let options = ["-c", "500", "-r", "500", "-i", "5", "-l", "30", "-p", "30", "-u", &url];
        text(&run("slowhttptest", &[kind, &options[..]].concat()))
    });
    assert!(said.contains("No open connections left"), "{said}");
    assert!(!said.contains("NO"), "its own probes were answered: {said}");
    let late = balancer.metric("haproxy_frontend_http_responses_total", "code=\"4xx\"");
    assert_eq!(late, SLOW);
    let failed = balancer.metric("haproxy_frontend_http_responses_total", "code=\"5xx\"");
    assert_eq!(failed, 0);
}

#[test]
fn slow_heads_are_cut_off_and_others_served() {
    assert_cut_off(&["-H"]);
}

#[test]
fn slow_bodies_are_cut_off_and_others_served() {
    assert_cut_off(&["-B", "-s", "8192"]);
}
