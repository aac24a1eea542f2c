//! Job: show that one client, or one core that is busy, holds up nobody else, and that those who
//! have to wait are tried again when what they wait for has happened.
//! In: the server that cargo built (or `RINGLET_SERVER_BINARY`), with a port for each core, so that
//! a test knows which core serves which client.
//! Out: test results. What must not wait is shown by the order of replies, never by a time.

use std::net::SocketAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ringlet_check::client::encode;
use ringlet_check::keys::Keys;
use ringlet_check::process::{Launch, RunningServer, ServerBinary, free_ports};
use ringlet_check::value::Value;
use ringlet_check::wire::{Address, Wire};

const SHARDS: u16 = 4;
/// More batches than a core's queue holds.
const BATCHES: usize = 1100;
/// Bytes of the texts whose comparison keeps a shard busy for a good while.
const SLOW_BYTES: usize = 5500;
/// Comparisons that keep a shard busy for longer than a test takes.
const SLOW_COMMANDS: usize = 200;

struct Cores {
    _server: RunningServer,
    first_port: u16,
    keys: Keys,
}

impl Cores {
    fn start(options: &[&str]) -> Self {
        let binary = ServerBinary::from_environment(env!("CARGO_BIN_EXE_ringlet-server"));
        let first_port = free_ports(SHARDS).expect("there are free ports");
        let port = first_port.to_string();
        let mut all = vec!["--shard-ports", &port];
        all.extend(options);
        let launch = Launch { options: all, ..Launch::with_shards(usize::from(SHARDS)) };
        let server = binary.launch(&launch).unwrap_or_else(|error| panic!("{error}"));
        Self { _server: server, first_port, keys: Keys::new(usize::from(SHARDS)) }
    }

    fn connect(&self, core: u16) -> Wire {
        let address = SocketAddr::from(([127, 0, 0, 1], self.first_port + core));
        Wire::open(&Address::Tcp(address)).expect("every core accepts connections")
    }

    /// A client of core 0 whose `count` commands keep shard 0 busy; their replies are still to be
    /// read.
    fn keep_busy(&self, count: usize) -> Wire {
        let mut wire = self.connect(0);
        let (one, other) = (self.keys.on(0, "slow"), self.keys.on(0, "slow"));
        let texts = ["ab", "ba"].map(|text| text.repeat(SLOW_BYTES / 2));
        let other = other + ":other";
        assert_eq!(wire.call(&["SET", &one, &texts[0]]).expect("SET"), Value::ok());
        assert_eq!(wire.call(&["SET", &other, &texts[1]]).expect("SET"), Value::ok());
        let mut request = Vec::new();
        (0..count).for_each(|_| encode(&["LCS", &one, &other, "LEN"], &mut request));
        wire.send_raw(&request).expect("the server reads");
        wire
    }
}

fn number(wire: &mut Wire, words: &[&str]) -> i64 {
    let value = wire.call(words).unwrap_or_else(|error| panic!("{words:?}: {error}"));
    value.integer().unwrap_or_else(|| panic!("{words:?}: {value}"))
}

/// Sends a command for shard 0 again and again, each in a pass of its own of core 1: another client
/// of that core is answered in between.
fn flood(cores: &Cores, floods: &mut [Wire], bystander: &mut Wire) {
    let key = cores.keys.on(0, "flood");
    let own = cores.keys.on(1, "own");
    for round in 0..BATCHES {
        floods[round % 2].send(&["INCR", &key]).expect("the server reads");
        assert_eq!(number(bystander, &["EXISTS", &own]), 0);
    }
}

#[test]
fn a_full_queue_of_one_core_stops_nobody_else() {
    let cores = Cores::start(&[]);
    let mut bystander = cores.connect(1);
    let mut floods = [cores.connect(1), cores.connect(1)];
    let mut slow = cores.keep_busy(SLOW_COMMANDS);
    flood(&cores, &mut floods, &mut bystander);
    let (own, far) = (cores.keys.on(1, "own"), cores.keys.on(3, "far"));
    let commands = vec![
        vec!["SET", &own, "1"],
        vec!["MSET", &own, "2", &far, "3"],
        vec!["MGET", &far, &own],
        vec!["WATCH", &own, &far],
        vec!["MULTI"],
        vec!["GET", &far],
        vec!["RENAME", &far, &own],
        vec!["EXEC"],
    ];
    let replies = bystander.pipeline(&commands).expect("replies");
    let pair = |one, other| Value::Array(vec![Value::bulk(one), other]);
    assert_eq!(replies[2], pair("3", Value::bulk("2")));
    assert_eq!(replies[7], pair("3", Value::ok()));
    assert_eq!(cores.connect(2).call(&["GET", &own]).expect("GET"), Value::bulk("3"));
    // Some may have been read, run and answered before the others arrived.
    let mut answer = || slow.read_within(Duration::from_millis(1)).expect("the connection is open");
    let answered = (0..SLOW_COMMANDS).take_while(|_| answer().is_some()).count();
    assert!(answered < SLOW_COMMANDS, "the busy shard was not busy for long enough");
}

#[test]
fn those_who_wait_for_room_are_served_in_order_when_there_is_some() {
    let cores = Cores::start(&[]);
    let mut bystander = cores.connect(1);
    let mut floods = [cores.connect(1), cores.connect(1)];
    let mut slow = cores.keep_busy(3);
    flood(&cores, &mut floods, &mut bystander);
    for _ in 0..3 {
        assert_eq!(slow.read().expect("a reply").integer(), Some(SLOW_BYTES as i64 - 1));
    }
    let mut all = Vec::new();
    for wire in &mut floods {
        let replies: Vec<i64> = (0..BATCHES / 2)
            .map(|_| wire.read().expect("a reply").integer().expect("INCR"))
            .collect();
        assert!(replies.is_sorted(), "each client's commands run in its order");
        all.extend(replies);
    }
    all.sort_unstable();
    assert_eq!(all, (1..=BATCHES as i64).collect::<Vec<_>>());
}

#[test]
fn a_pipeline_longer_than_may_be_unanswered_is_answered_in_order() {
    let cores = Cores::start(&[]);
    let mut wire = cores.connect(1);
    let mut request = Vec::new();
    let far: Vec<String> = (0..4).map(|shard| cores.keys.on(shard, "count")).collect();
    for _ in 0..5000 {
        far.iter().for_each(|key| encode(&["INCR", key], &mut request));
    }
    wire.send_raw(&request).expect("the server reads");
    for round in 1..=5000 {
        for key in &far {
            assert_eq!(wire.read().expect("a reply").integer(), Some(round), "{key}");
        }
    }
}

#[test]
fn what_stands_behind_a_blocking_command_runs_when_that_is_answered() {
    let cores = Cores::start(&[]);
    let queue = cores.keys.on(2, "queue");
    let mut waiting: Vec<Wire> = (0..50).map(|number| cores.connect(number % SHARDS)).collect();
    for (number, wire) in waiting.iter_mut().enumerate() {
        let mut request = Vec::new();
        encode(&["BLPOP", &queue, "0"], &mut request);
        encode(&["ECHO", &number.to_string()], &mut request);
        encode(&["BLPOP", &queue, "0"], &mut request);
        encode(&["CLIENT", "SETNAME", "later"], &mut request);
        wire.send_raw(&request).expect("the server reads");
    }
    let mut pusher = cores.connect(0);
    for _ in 0..100 {
        pusher.call(&["RPUSH", &queue, "x"]).expect("RPUSH");
    }
    let popped = Value::Array(vec![Value::bulk(queue.as_str()), Value::bulk("x")]);
    for (number, wire) in waiting.iter_mut().enumerate() {
        assert_eq!(wire.read().expect("a reply"), popped);
        assert_eq!(wire.read().expect("a reply"), Value::bulk(number.to_string().as_str()));
        assert_eq!(wire.read().expect("a reply"), popped);
        assert_eq!(wire.read().expect("a reply"), Value::ok());
    }
}

#[test]
fn a_time_to_live_begins_when_its_command_runs() {
    const TTL_MS: i64 = 1_000_000;
    let cores = Cores::start(&["--slowlog-log-slower-than", "0"]);
    for core in [0, 1] {
        let mut wire = cores.connect(core);
        let mut busy = cores.keep_busy(1);
        busy.read().expect("the texts are there");
        let (one, key) = (cores.keys.on(0, "slow"), cores.keys.on(0, "mortal"));
        let (other, ttl) = (one.clone() + ":other", TTL_MS.to_string());
        let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is set");
        let commands = vec![
            vec!["LCS", &one, &other, "LEN"],
            vec!["SET", &key, "v", "PX", &ttl],
            vec!["PEXPIRETIME", &key],
        ];
        let replies = wire.pipeline(&commands).expect("replies");
        let set_ms = replies[2].integer().expect("PEXPIRETIME") - TTL_MS;
        let log = wire.call(&["SLOWLOG", "GET", "-1"]).expect("SLOWLOG").into_items();
        let took_us = log.iter().filter_map(Value::items).find_map(|entry| {
            let is_it = entry[3].items()?.first() == Some(&Value::bulk("LCS"));
            is_it.then(|| entry[2].integer()).flatten()
        });
        let took_ms = took_us.expect("LCS is in the slow log") / 1000;
        assert!(took_ms > 5, "LCS took no time to speak of");
        let earliest_ms = since.as_millis() as i64 + took_ms * 9 / 10;
        assert!(set_ms >= earliest_ms, "core {core}: set {} ms too early", earliest_ms - set_ms);
    }
}
