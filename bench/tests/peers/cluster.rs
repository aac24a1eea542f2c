//! Job: cluster mode: each key goes to the port of its shard. In: ringlet-server with ports for its shards.
//! Out: failed assertions. Invariant: a hop between shards is counted by the server itself.

use ringlet_check::process::{Launch, RunningServer, ServerBinary, free_ports};

use crate::program::load;
use crate::questions::ask;
use crate::servers::{redis, url};

const SHARDS: usize = 4;

/// A ringlet-server whose shards have ports of their own.
fn shard_ports(shards: usize) -> RunningServer {
    let first = free_ports(shards as u16).expect("free ports").to_string();
    let options = vec!["--shard-ports", first.as_str()];
    let launch = Launch { options, ..Launch::with_shards(shards) };
    ServerBinary::beside_the_test().launch(&launch).expect("ringlet-server")
}

/// Batches that went from core to core.
fn batches_sent(server: &RunningServer) -> u64 {
    let info = ask(server, &["INFO", "everything"]);
    let text = info.text().expect("a text").to_owned();
    let line = text.lines().find_map(|line| line.strip_prefix("batches_sent:"));
    line.expect("ringlet-server counts them").trim().parse().expect("a number")
}

#[test]
fn cluster_clients_reach_the_owning_shard_without_a_hop() {
    let server = shard_ports(SHARDS);
    let words = ["--ratio", "1:1", "--requests", "20000", "--connections", "8", "--warm-up", "0s"];
    let url = url(&server);
    let plain = load(&[&[url.as_str()], &words[..]].concat()).must_be_complete();
    assert_eq!(plain.number("/total/requests"), 20_000.0);
    let between = batches_sent(&server);
    assert!(between > 5000, "three of four keys lie on another shard: {between}");
    for way in [&["--cluster"][..], &["--cluster", "--one-node"]] {
        let said = load(&[&[url.as_str(), "--verify"], way, &words[..]].concat());
        let said = said.must_be_complete();
        assert_eq!((said.number("/total/requests"), said.number("/total/wrong")), (20_000.0, 0.0));
    }
    let hops = batches_sent(&server) - between;
    assert!(hops < 100, "{hops} batches although every key went to its shard");
}

#[test]
fn a_server_that_is_no_cluster_says_so() {
    let server = redis(&[]);
    let said = load(&[&url(&server), "--cluster", "--requests", "10"]);
    assert_eq!(said.code, 1);
    assert!(said.messages.contains("cluster support disabled"), "{said:?}");
}
