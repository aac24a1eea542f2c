//! Job: hold a server with `--shard-ports` to what it says of itself as a cluster: every node
//! answers on its port, serves its slots, and all tell the same story; nothing is refused for its
//! slot.
//! In: the server that cargo built (or `RINGLET_SERVER_BINARY`), with more shards than CPUs.
//! Out: test results.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use ringlet_check::process::{Launch, RunningServer, ServerBinary, free_ports};
use ringlet_check::value::Value;
use ringlet_check::wire::{Address, Wire};

const SHARDS: u16 = 4;

struct Cluster {
    server: RunningServer,
    first_port: u16,
}

fn start() -> Cluster {
    let binary = ServerBinary::from_environment(env!("CARGO_BIN_EXE_ringlet-server"));
    let first_port = free_ports(SHARDS).expect("there are free ports");
    let port = first_port.to_string();
    let options = vec!["--shard-ports", &port];
    let launch = Launch { options, ..Launch::with_shards(usize::from(SHARDS)) };
    let server = binary.launch(&launch).unwrap_or_else(|error| panic!("{error}"));
    Cluster { server, first_port }
}

impl Cluster {
    fn connect(&self, node: u16) -> Wire {
        let address = SocketAddr::from(([127, 0, 0, 1], self.first_port + node));
        Wire::open(&Address::Tcp(address)).expect("every node accepts connections")
    }
}

fn ask(wire: &mut Wire, line: &str) -> Value {
    wire.line(line).unwrap_or_else(|error| panic!("{line}: {error}"))
}

fn number(wire: &mut Wire, line: &str) -> i64 {
    let value = ask(wire, line);
    value.integer().unwrap_or_else(|| panic!("{line}: {value}"))
}

/// Of each node its port: first and last slot, and id, as CLUSTER SLOTS tells.
fn slots(wire: &mut Wire) -> BTreeMap<i64, (i64, i64, String)> {
    let rows = ask(wire, "CLUSTER SLOTS").into_items();
    let read = |row: Value| {
        let row = row.into_items();
        let node = row[2].items().expect("a node");
        assert_eq!(node[0], Value::bulk("127.0.0.1"), "the address that was connected to");
        let slot = |index: usize| row[index].integer().expect("a slot");
        (node[1].integer().expect("a port"), (slot(0), slot(1), node[2].text()))
    };
    rows.into_iter().map(read).collect()
}

#[test]
fn all_nodes_tell_the_same_story_and_know_who_they_are() {
    let cluster = start();
    let mut main = cluster.server.connect();
    let story = slots(&mut main);
    let ports: Vec<i64> = story.keys().copied().collect();
    let expected: Vec<i64> = (0..SHARDS).map(|node| i64::from(cluster.first_port + node)).collect();
    assert_eq!(ports, expected);
    let mut next = 0;
    for (first, last, _) in story.values() {
        assert_eq!(*first, next);
        next = last + 1;
    }
    assert_eq!(next, 16384, "every slot has a node");
    for node in 0..SHARDS {
        let mut wire = cluster.connect(node);
        assert_eq!(slots(&mut wire), story);
        let port = i64::from(cluster.first_port + node);
        let (first, last, id) = &story[&port];
        assert_eq!(ask(&mut wire, "CLUSTER MYID").text(), *id);
        let nodes = ask(&mut wire, "CLUSTER NODES").text();
        assert_eq!(nodes.lines().count(), usize::from(SHARDS));
        let myself: Vec<&str> = nodes.lines().filter(|line| line.contains("myself")).collect();
        let expected =
            format!("{id} 127.0.0.1:{port}@0 myself,master - 0 0 0 connected {first}-{last}");
        assert_eq!(myself, [expected]);
        let info = ask(&mut wire, "CLUSTER INFO").text();
        for line in ["cluster_state:ok", "cluster_slots_ok:16384", "cluster_known_nodes:4"] {
            assert!(info.lines().any(|shown| shown == line), "{line} in {info}");
        }
        assert_eq!(ask(&mut wire, "CLUSTER SHARDS").into_items().len(), usize::from(SHARDS));
        assert!(ask(&mut wire, "INFO cluster").text().contains("cluster_enabled:1"));
        let hello = ask(&mut wire, "HELLO 3").into_items();
        let mode = hello.iter().position(|item| *item == Value::bulk("mode")).expect("a mode");
        assert_eq!(hello[mode + 1], Value::bulk("cluster"));
        for line in ["READONLY", "READWRITE", "ASKING"] {
            assert_eq!(ask(&mut wire, line), Value::ok(), "{line}");
        }
    }
    assert!(ask(&mut main, "INFO cluster").text().contains("cluster_enabled:0"));
}

#[test]
fn every_node_tells_about_itself() {
    let cluster = start();
    let mut main = cluster.server.connect();
    for index in 0..100 {
        ask(&mut main, &format!("SET key:{index} x"));
    }
    let field = |wire: &mut Wire, section: &str, name: &str| -> i64 {
        let text = ask(wire, &format!("INFO {section}")).text();
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        let value = line.unwrap_or_else(|| panic!("no {name} in {text}"));
        let digits = value.trim_start_matches("keys=").split(',').next().expect("a number");
        digits.parse().unwrap_or_else(|_| panic!("{name}:{value}"))
    };
    let mut sum = 0;
    for node in 0..SHARDS {
        let mut wire = cluster.connect(node);
        let keys = number(&mut wire, "DBSIZE");
        assert_eq!(field(&mut wire, "keyspace", "db0"), keys);
        assert!(field(&mut wire, "memory", "used_memory") > 0);
        assert!(field(&mut wire, "server", "process_id") > 0);
        sum += keys;
    }
    assert_eq!(sum, 100);
    assert_eq!(field(&mut main, "keyspace", "db0"), 100);
}

#[test]
fn nodes_announce_what_they_are_told_to() {
    let cluster = start();
    let mut wire = cluster.connect(1);
    assert_eq!(
        ask(&mut wire, "CONFIG SET cluster-announce-ip 203.0.113.7 cluster-announce-port 9000"),
        Value::ok()
    );
    let first_node = |wire: &mut Wire| {
        let row = ask(wire, "CLUSTER SLOTS").into_items().swap_remove(0).into_items();
        row[2].clone().into_items()
    };
    let node = first_node(&mut wire);
    assert_eq!(node[..2], [Value::bulk("203.0.113.7"), Value::Integer(9000)]);
    assert_eq!(node[3], Value::Array(Vec::new()));
    let nodes = ask(&mut wire, "CLUSTER NODES").text();
    assert!(nodes.contains(" 203.0.113.7:9001@0 myself,master"), "{nodes}");
    for line in [
        "CONFIG SET cluster-announce-hostname a.example",
        "CONFIG SET cluster-preferred-endpoint-type hostname",
    ] {
        assert_eq!(ask(&mut wire, line), Value::ok(), "{line}");
    }
    let node = first_node(&mut wire);
    assert_eq!(node[0], Value::bulk("a.example"));
    assert_eq!(node[3], Value::Array(vec![Value::bulk("ip"), Value::bulk("203.0.113.7")]));
    let shards = ask(&mut wire, "CLUSTER SHARDS").to_string();
    assert!(shards.contains("hostname"), "{shards}");
    let line = "CONFIG SET cluster-preferred-endpoint-type unknown-endpoint";
    assert_eq!(ask(&mut wire, line), Value::ok());
    assert_eq!(first_node(&mut wire)[0], Value::NullBulk);
}

#[test]
fn keys_are_counted_and_listed_by_slot_and_served_everywhere() {
    let cluster = start();
    let mut wires: Vec<Wire> = (0..SHARDS).map(|node| cluster.connect(node)).collect();
    let mut by_slot: BTreeMap<i64, Vec<String>> = BTreeMap::new();
    for index in 0..200 {
        let key = format!("{{tag{}}}{index}", index % 20);
        let slot = number(&mut wires[0], &format!("CLUSTER KEYSLOT {key}"));
        by_slot.entry(slot).or_default().push(key.clone());
        let wire = &mut wires[index % usize::from(SHARDS)];
        assert_eq!(ask(wire, &format!("SET {key} {index}")), Value::ok(), "whatever its slot");
    }
    for (index, (slot, keys)) in by_slot.iter_mut().enumerate() {
        let wire = &mut wires[index % usize::from(SHARDS)];
        let count = number(wire, &format!("CLUSTER COUNTKEYSINSLOT {slot}"));
        assert_eq!(count as usize, keys.len());
        let all = ask(wire, &format!("CLUSTER GETKEYSINSLOT {slot} 1000")).into_items();
        let mut listed: Vec<String> = all.iter().map(Value::text).collect();
        listed.sort();
        keys.sort();
        assert_eq!(listed, *keys);
        let some = ask(wire, &format!("CLUSTER GETKEYSINSLOT {slot} 3")).into_items();
        assert_eq!(some.len(), 3);
    }
    let keys: Vec<String> = by_slot.values().map(|keys| keys[0].clone()).collect();
    assert_eq!(number(&mut wires[2], &format!("EXISTS {}", keys.join(" "))), keys.len() as i64);
    assert_eq!(number(&mut wires[2], "CLUSTER COUNTKEYSINSLOT 0"), 0);
    for (line, error) in [
        ("CLUSTER COUNTKEYSINSLOT 16384", "ERR Invalid slot"),
        ("CLUSTER COUNTKEYSINSLOT x", "ERR value is not an integer or out of range"),
        ("CLUSTER GETKEYSINSLOT -1 1", "ERR Invalid slot or number of keys"),
        ("CLUSTER GETKEYSINSLOT 1 -1", "ERR Invalid slot or number of keys"),
        ("CLUSTER GETKEYSINSLOT 99999 x", "ERR value is not an integer or out of range"),
        ("CLUSTER REPLICAS nobody", "ERR Unknown node nobody"),
    ] {
        assert_eq!(ask(&mut wires[1], line), Value::Error(error.as_bytes().to_vec()), "{line}");
    }
}

#[test]
fn a_node_speaks_for_its_own_keys_inside_a_transaction_too() {
    let cluster = start();
    let mut main = cluster.server.connect();
    for index in 0..200 {
        ask(&mut main, &format!("SET key{index} x"));
    }
    // EXEC runs where the commands' keys are; with a RENAME over shards, on the first key's.
    let on_one_shard = ["MULTI", "DBSIZE", "SCAN 0 COUNT 1000", "KEYS *", "EXEC"];
    let spanning =
        ["MULTI", "RENAME key1 key2", "DBSIZE", "SCAN 0 COUNT 1000", "RENAME key2 key1", "EXEC"];
    for lines in [on_one_shard.as_slice(), spanning.as_slice()] {
        let (mut counted, mut seen) = (0, std::collections::BTreeSet::new());
        for node in 0..SHARDS {
            let mut wire = cluster.connect(node);
            let mut last = Value::Null;
            for line in lines {
                last = ask(&mut wire, line);
            }
            let mut replies = last.into_items().into_iter().filter(|reply| *reply != Value::ok());
            counted += replies.next().and_then(|count| count.integer()).expect("a count");
            let scan = replies.next().expect("a scan").into_items();
            assert_eq!(scan[0], Value::bulk("0"), "node {node} ends where its keys end");
            seen.extend(scan[1].items().expect("keys").iter().map(Value::text));
            if let Some(keys) = replies.next() {
                assert_eq!(keys.items().map(<[Value]>::len), scan[1].items().map(<[Value]>::len));
            }
        }
        assert_eq!(counted, number(&mut main, "DBSIZE"), "{lines:?}");
        assert_eq!(seen.len() as i64, counted, "{lines:?}");
    }
}
