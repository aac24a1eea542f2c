//! A Redis Cluster of three: slots, their move under traffic, and the loss of a node.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use ringlet_check::process::{Launch, RunningServer, ServerBinary, free_ports};
use ringlet_check::value::Value;
use ringlet_limit::store::StoreReply;
use ringlet_limit::store::link::LinkSettings;

use crate::driver::{Driver, count, lease, settings};

const NODES: usize = 3;
const KEYS: usize = 60;
const PATIENCE: Duration = Duration::from_secs(30);
const POLL_INTERVAL: Duration = Duration::from_millis(5);

struct Cluster {
    servers: Vec<RunningServer>,
    folder: PathBuf,
}

impl Cluster {
    fn start() -> Self {
        let folder = std::env::temp_dir().join(format!("ringlet-limit-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let first = free_ports(2 * NODES as u16).expect("free ports");
        let start = |node: u16| {
            let bus = (first + NODES as u16 + node).to_string();
            let file = format!("nodes-{node}.conf");
            let folder = folder.display().to_string();
            let words = "--cluster-enabled yes --cluster-require-full-coverage no";
            let mut options: Vec<&str> = words.split(' ').collect();
            options.extend([
                "--cluster-port",
                &bus,
                "--cluster-config-file",
                &file,
                "--dir",
                &folder,
            ]);
            let launch = Launch { port: Some(first + node), options, ..Launch::with_shards(1) };
            let server = ServerBinary::at("redis-server").launch(&launch);
            server.unwrap_or_else(|error| panic!("{error}"))
        };
        let servers: Vec<_> = (0..NODES as u16).map(start).collect();
        let cluster = Self { servers, folder };
        let addresses = cluster.addresses().map(|address| address.to_string());
        let mut words = vec!["create".to_owned()];
        words.extend(addresses);
        let mut child = cluster.manage(&words);
        assert!(child.wait().expect("redis-cli ends").success());
        // That they agree does not mean yet that each serves.
        let deadline = Instant::now() + PATIENCE;
        for node in 0..NODES {
            while !cluster.line(node, "CLUSTER INFO").text().contains("cluster_state:ok") {
                assert!(Instant::now() < deadline, "node {node} does not serve");
                std::thread::sleep(POLL_INTERVAL);
            }
        }
        cluster
    }

    fn addresses(&self) -> impl Iterator<Item = SocketAddr> {
        self.servers.iter().map(RunningServer::address)
    }

    /// Starts `redis-cli --cluster`.
    fn manage(&self, words: &[String]) -> Child {
        let mut command = Command::new("redis-cli");
        command.arg("--cluster").args(words).arg("--cluster-yes");
        command.stdin(Stdio::null()).stdout(Stdio::null());
        command.spawn().expect("redis-cli is there")
    }

    fn line(&self, node: usize, line: &str) -> Value {
        self.servers[node].connect().line(line).expect("a reply")
    }

    /// A driver that has reached all nodes.
    fn driver(&self) -> Driver {
        // Only one is known; the others are found.
        let address = self.servers[NODES - 1].address();
        let mut driver = Driver::up(LinkSettings { is_cluster: true, ..settings(&[address]) }, 1);
        // One incarnation for each that was greeted.
        driver.until("all are greeted", |driver| driver.link.view().incarnation == NODES as u64);
        driver
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.servers.clear();
        // What remains is in the folder of temporary files.
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn end_ms() -> u64 {
    let now =
        SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_millis() as u64);
    now + 600_000
}

/// What was counted of each key, by the replies.
struct Tally {
    counts: Vec<i64>,
    rounds: usize,
    end_ms: u64,
}

impl Tally {
    /// Counts each key once; how many failed.
    fn round(&mut self, driver: &mut Driver) -> usize {
        self.rounds += 1;
        let key = |key| format!("rl:{{{key}}}:1");
        let calls = (0..KEYS).map(|number| count(&key(number), 1, self.end_ms)).collect();
        let replies = driver.ask_all(calls);
        for (count, reply) in self.counts.iter_mut().zip(&replies) {
            *count += i64::from(*reply != StoreReply::Failed);
        }
        replies.iter().filter(|&&reply| reply == StoreReply::Failed).count()
    }
}

#[test]
fn a_cluster_counts_each_key_once_while_its_slots_move_and_survives_a_node() {
    let mut cluster = Cluster::start();
    let mut driver = cluster.driver();
    let mut tally = Tally { counts: vec![0; KEYS], rounds: 0, end_ms: end_ms() };
    let failures = tally.round(&mut driver);
    assert_eq!(failures, 0, "{:?}", driver.notices);
    for node in 0..NODES {
        let keys = cluster.line(node, "DBSIZE");
        assert!(matches!(keys, Value::Integer(5..)), "node {node} has keys: {keys:?}");
    }
    let reply = driver.ask(lease("rl:{b}", 1, 4));
    assert!(matches!(reply, StoreReply::Leased { granted: 4, .. }), "{reply:?}");

    // Half of the first node's slots go to the second while all keys are counted.
    let ids = [0, 1].map(|node| cluster.line(node, "CLUSTER MYID").text());
    let mut words = vec!["reshard".to_owned(), cluster.servers[0].address().to_string()];
    for (option, value) in
        [("from", &ids[0][..]), ("to", &ids[1]), ("slots", "2700"), ("pipeline", "1")]
    {
        words.extend([format!("--cluster-{option}"), value.to_owned()]);
    }
    let mut reshard = cluster.manage(&words);
    let mut failures = 0;
    while reshard.try_wait().expect("redis-cli runs").is_none() {
        failures += tally.round(&mut driver);
    }
    assert!(reshard.wait().expect("redis-cli ended").success());
    failures += tally.round(&mut driver);
    assert_eq!(failures, 0, "a call that was not carried out goes again");
    assert!(tally.rounds > 10, "{}: the slots moved under traffic", tally.rounds);
    let mut moved = 0;
    for (key, count) in tally.counts.iter().enumerate() {
        let key = format!("rl:{{{key}}}:1");
        let holders: Vec<Value> =
            (0..NODES).map(|node| cluster.line(node, &format!("GET {key}"))).collect();
        let found: Vec<usize> = (0..NODES).filter(|&node| !holders[node].is_error()).collect();
        assert_eq!(found.len(), 1, "{holders:?}");
        assert_eq!(holders[found[0]].text(), count.to_string(), "{key}");
        moved += usize::from(found[0] == 1);
    }
    println!("{moved} of {KEYS} keys are at the second node, after {} rounds", tally.rounds);
    assert!(moved > KEYS / 3, "{moved}");

    // Without the third node its keys fail and the others do not.
    cluster.servers.truncate(2);
    driver.until("the connection is lost", |driver| !driver.notices.is_empty());
    let failures = tally.round(&mut driver);
    assert!((5..KEYS / 2).contains(&failures), "{failures}");
    assert!(driver.link.view().is_up);
}
