//! Job: programs that people use against the server: the `redis` crate, redis-cli, redis-benchmark.
//! In: the server that cargo built (or `RINGLET_SERVER_BINARY`), redis-tools on the path.
//! Out: test results.
//! Invariant: the clients are unmodified; every test has a server of its own.
//! redis-py and ioredis have their tests in `clients/`, which `scripts/test.sh clients` runs.

use std::collections::{HashMap, HashSet};
use std::io::Write;
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use redis::{Commands, Connection, ErrorKind, RedisResult, Value};
use ringlet_check::process::{Launch, RunningServer, ServerBinary, free_ports};

const SHARDS: usize = 4;
const LARGE_BYTES: usize = 64 << 20;
const WAIT: Duration = Duration::from_secs(20);

fn binary() -> ServerBinary {
    ServerBinary::from_environment(env!("CARGO_BIN_EXE_ringlet-server"))
}

fn start(options: &[&str]) -> RunningServer {
    let launch = Launch { options: options.to_vec(), ..Launch::with_shards(SHARDS) };
    binary().launch(&launch).unwrap_or_else(|error| panic!("{error}"))
}

fn connect(server: &RunningServer, query: &str) -> Connection {
    let url = format!("redis://{}/{query}", server.address());
    let client = redis::Client::open(url).expect("the URL is valid");
    client.get_connection().expect("the server accepts a connection")
}

fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + WAIT;
    while !condition() {
        assert!(Instant::now() < deadline, "{what} did not happen in time");
        thread::sleep(Duration::from_millis(5));
    }
}

fn blocked_clients(connection: &mut Connection) -> u64 {
    let info: redis::InfoDict = redis::cmd("INFO").arg("clients").query(connection).expect("INFO");
    info.get("blocked_clients").expect("INFO clients has blocked_clients")
}

fn values_pipelines_and_transactions(query: &str) {
    let server = start(&[]);
    let mut connection = connect(&server, query);
    let _: () = connection.set("key", b"\x00\r\n\xff".as_slice()).expect("SET");
    assert_eq!(connection.get::<_, Vec<u8>>("key").expect("GET"), b"\x00\r\n\xff");
    assert_eq!(connection.get::<_, Option<String>>("missing").expect("GET"), None);
    let _: () = connection.hset_multiple("hash", &[("f", "1"), ("g", "2")]).expect("HSET");
    let hash: HashMap<String, u8> = connection.hgetall("hash").expect("HGETALL");
    assert_eq!(hash, HashMap::from([("f".to_owned(), 1), ("g".to_owned(), 2)]));
    let _: () = connection.zadd("sorted", "member", 1.5).expect("ZADD");
    assert_eq!(connection.zscore::<_, _, f64>("sorted", "member").expect("ZSCORE"), 1.5);
    let failure: RedisResult<i64> = connection.lpush("key", "x");
    assert_eq!(failure.expect_err("a wrong type").code(), Some("WRONGTYPE"));

    let mut pipeline = redis::pipe();
    for number in 0..2000 {
        pipeline.set(format!("pipeline:{number}"), number).ignore();
        pipeline.get(format!("pipeline:{number}"));
    }
    let numbers: Vec<u32> = pipeline.query(&mut connection).expect("pipeline");
    assert_eq!(numbers, (0..2000).collect::<Vec<_>>());

    let (first, all): (i64, Vec<i64>) = redis::pipe()
        .atomic()
        .incr("a", 5)
        .incr("b", 7)
        .ignore()
        .mget(&["a", "b"])
        .query(&mut connection)
        .expect("EXEC");
    assert_eq!((first, all), (5, vec![5, 7]));
    let keys: HashSet<String> =
        connection.scan_match("pipeline:*").expect("SCAN").map(|key| key.expect("a key")).collect();
    assert_eq!(keys.len(), 2000);
}

#[test]
fn values_pipelines_and_transactions_in_resp2() {
    values_pipelines_and_transactions("");
}

#[test]
fn values_pipelines_and_transactions_in_resp3() {
    values_pipelines_and_transactions("?protocol=resp3");
}

#[test]
fn watch_retry_loops_lose_no_increment() {
    let server = start(&[]);
    let keys = ["left", "right:on:another:shard"];
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut connection = connect(&server, "");
                for _ in 0..100 {
                    let _: () =
                        redis::transaction(&mut connection, &keys, |connection, pipeline| {
                            let numbers: Vec<Option<i64>> = connection.mget(&keys)?;
                            for (key, number) in keys.iter().zip(numbers) {
                                pipeline.set(*key, number.unwrap_or(0) + 1).ignore();
                            }
                            pipeline.query(connection)
                        })
                        .expect("the transaction succeeds in the end");
                }
            });
        }
    });
    let numbers: Vec<i64> = connect(&server, "").mget(&keys).expect("MGET");
    assert_eq!(numbers, [400, 400]);
}

#[test]
fn blocking_commands_wake_and_time_out() {
    let server = start(&[]);
    let mut connection = connect(&server, "");
    let mut waiting = connect(&server, "");
    let popped = thread::spawn(move || -> RedisResult<(String, String)> {
        waiting.blpop(&["one", "two", "three"], 0.0)
    });
    until("the pop blocks", || blocked_clients(&mut connection) == 1);
    let _: i64 = connection.rpush("three", "value").expect("RPUSH");
    let popped = popped.join().expect("the thread ends").expect("BLPOP");
    assert_eq!(popped, ("three".to_owned(), "value".to_owned()));

    let commands = [
        "BLPOP nothing 0.2",
        "BRPOP nothing nowhere 0.2",
        "BLMOVE nothing there LEFT RIGHT 0.2",
        "BRPOPLPUSH nothing there 0.2",
        "BLMPOP 0.2 2 nothing nowhere LEFT",
        "BZPOPMIN nothing 0.2",
        "BZPOPMAX nothing nowhere 0.2",
        "BZMPOP 0.2 1 nothing MIN",
    ];
    for command in commands {
        let mut words = command.split(' ');
        let mut request = redis::cmd(words.next().expect("a name"));
        let start = Instant::now();
        let reply: Value =
            request.arg(words.collect::<Vec<_>>()).query(&mut connection).expect(command);
        let elapsed = start.elapsed();
        assert_eq!(reply, Value::Nil, "{command}");
        assert!(elapsed >= Duration::from_millis(199), "{command} gave up after {elapsed:?}");
        assert!(elapsed < Duration::from_secs(3), "{command} gave up after {elapsed:?}");
    }
}

#[test]
fn messages_reach_subscribers() {
    let server = start(&[]);
    let mut publisher = connect(&server, "");
    let mut connection = connect(&server, "");
    let mut listener = connection.as_pubsub();
    listener.set_read_timeout(Some(WAIT)).expect("a timeout can be set");
    listener.subscribe("channel").expect("SUBSCRIBE");
    listener.psubscribe("chan*").expect("PSUBSCRIBE");
    for number in 0..100 {
        let receivers: i64 = publisher.publish("channel", number).expect("PUBLISH");
        assert_eq!(receivers, 2);
    }
    let mut payloads: Vec<i64> = (0..200)
        .map(|_| listener.get_message().expect("a message").get_payload().expect("a number"))
        .collect();
    assert!(payloads.is_sorted(), "messages of one publisher came out of order: {payloads:?}");
    payloads.dedup();
    assert_eq!(payloads, (0..100).collect::<Vec<_>>());
}

#[test]
fn a_large_value_comes_back_whole() {
    let server = start(&[]);
    let mut connection = connect(&server, "");
    let value: Vec<u8> = (0..LARGE_BYTES).map(|index| (index % 251) as u8).collect();
    let _: () = connection.set("large", value.as_slice()).expect("SET");
    let back: Vec<u8> = connection.get("large").expect("GET");
    assert!(back == value, "{} bytes came back, or different ones", back.len());
    let length: usize = connection.append("large", "tail").expect("APPEND");
    assert_eq!(length, LARGE_BYTES + 4);
}

#[test]
fn passwords_are_demanded() {
    let server = start(&["--requirepass", "sesame"]);
    let open = |url: String| redis::Client::open(url).expect("the URL is valid").get_connection();
    let address = server.address();
    let with = |user: &str, query: &str| format!("redis://{user}@{address}/{query}");
    for query in ["", "?protocol=resp3"] {
        assert!(open(with(":sesame", query)).is_ok());
        assert!(open(with("default:sesame", query)).is_ok());
        assert!(open(with(":wrong", query)).is_err());
        assert!(open(with("nobody:sesame", query)).is_err());
    }
    let mut stranger = connect(&server, "");
    let refused = stranger.get::<_, Option<String>>("key").expect_err("no password was given");
    assert_eq!(refused.code(), Some("NOAUTH"));
}

#[test]
fn a_connection_outlives_nothing_but_a_new_one_works_after_a_restart() {
    let mut server = start(&[]);
    let port = server.address().port();
    let mut connection = connect(&server, "");
    let _: () = connection.set("key", 1).expect("SET");
    assert!(server.stop("TERM").expect("the server ends").success());
    let lost = connection.get::<_, Option<i64>>("key").expect_err("the server is gone");
    assert_eq!(lost.kind(), ErrorKind::Io);
    let launch = Launch { port: Some(port), ..Launch::with_shards(SHARDS) };
    let server = binary().launch(&launch).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(connect(&server, "").get::<_, Option<i64>>("key").expect("GET"), None);
}

#[test]
fn the_cluster_client_finds_every_shard() {
    if binary().is_redis() {
        return;
    }
    let base = free_ports(SHARDS as u16).expect("free ports");
    let server = start(&["--shard-ports", &base.to_string()]);
    let node = format!("redis://127.0.0.1:{}/", base + 1);
    let client = redis::cluster::ClusterClient::new(vec![node]).expect("the URL is valid");
    let mut cluster = client.get_connection().expect("the cluster answers");
    for number in 0..500 {
        let _: () = cluster.set(format!("key:{number}"), number).expect("SET");
    }
    for number in 0..500 {
        assert_eq!(cluster.get::<_, i32>(format!("key:{number}")).expect("GET"), number);
    }
    let size: i64 = redis::cmd("DBSIZE").query(&mut connect(&server, "")).expect("DBSIZE");
    assert_eq!(size, 500);
}

fn cli(server: &RunningServer, words: &[&str], input: &str) -> Output {
    let mut child = Command::new("redis-cli")
        .args(["-p", &server.address().port().to_string()])
        .args(words)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("redis-cli runs (apt-get install redis-tools)");
    let mut stdin = child.stdin.take().expect("the input is piped");
    stdin.write_all(input.as_bytes()).expect("redis-cli reads its input");
    drop(stdin);
    child.wait_with_output().expect("redis-cli ends")
}

fn text(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn redis_cli_talks_to_the_server() {
    let server = start(&[]);
    assert_eq!(text(&cli(&server, &["SET", "key", "value"], "")), "OK\n");
    assert_eq!(text(&cli(&server, &["GET", "key"], "")), "value\n");
    assert_eq!(text(&cli(&server, &["-3", "HSET", "hash", "f", "v"], "")), "1\n");
    assert_eq!(
        text(&cli(&server, &["-3", "--no-raw", "HGETALL", "hash"], "")),
        "1# \"f\" => \"v\"\n"
    );
    assert_eq!(text(&cli(&server, &["-n", "3", "DBSIZE"], "")), "0\n");
    assert_eq!(text(&cli(&server, &[], "INCR counter\nINCR counter\nGET counter\n")), "1\n2\n2\n");
    let scanned = text(&cli(&server, &["--scan", "--pattern", "k*"], ""));
    assert_eq!(scanned, "key\n");
    let information = text(&cli(&server, &["INFO"], ""));
    for section in ["# Server", "# Clients", "# Memory", "# Stats", "# CPU", "# Keyspace"] {
        assert!(information.contains(section), "no {section} in {information}");
    }
    let latency = text(&cli(&server, &["--no-raw", "COMMAND", "COUNT"], ""));
    assert!(latency.starts_with("(integer) "), "{latency}");
}

#[test]
fn redis_cli_loads_by_pipe() {
    let server = start(&[]);
    let mut input = String::new();
    for number in 0..5000 {
        input += &format!("SET pipe:{number} {number}\r\n");
    }
    let said = text(&cli(&server, &["--pipe"], &input));
    assert!(said.contains("errors: 0, replies: 5000"), "{said}");
    assert_eq!(text(&cli(&server, &["DBSIZE"], "")), "5000\n");
}

#[test]
fn redis_cli_counts_the_big_keys() {
    let server = start(&[]);
    let loaded = cli(&server, &[], "RPUSH list a b c\nSET s 12345\nSADD set a b\nHSET h f v\n");
    text(&loaded);
    let said = text(&cli(&server, &["--bigkeys"], ""));
    assert!(said.contains("Biggest   list found") && said.contains("4 keys"), "{said}");
    let said = text(&cli(&server, &["--memkeys"], ""));
    assert!(said.contains("4 keys"), "{said}");
}

#[test]
fn redis_cli_follows_the_cluster() {
    if binary().is_redis() {
        return;
    }
    let base = free_ports(SHARDS as u16).expect("free ports");
    let server = start(&["--shard-ports", &base.to_string()]);
    let port = base.to_string();
    for number in 0..50 {
        let key = format!("key:{number}");
        let said = cli(&server, &["-c", "-p", &port, "SET", &key, "value"], "");
        assert_eq!(text(&said).lines().last(), Some("OK"));
    }
    assert_eq!(text(&cli(&server, &["DBSIZE"], "")), "50\n");
    let nodes = text(&cli(&server, &["CLUSTER", "NODES"], ""));
    assert_eq!(nodes.lines().filter(|line| !line.is_empty()).count(), SHARDS, "{nodes}");
    let information = text(&cli(&server, &["-p", &port, "CLUSTER", "INFO"], ""));
    assert!(information.contains("cluster_state:ok"), "{information}");
    let checked = cli(&server, &["--cluster", "check", &format!("127.0.0.1:{base}")], "");
    let said = text(&checked);
    assert!(said.contains("[OK] All 16384 slots covered."), "{said}");
}

fn benchmark(port: u16, words: &[&str]) -> String {
    let output = Command::new("redis-benchmark")
        .args(["-p", &port.to_string(), "-q"])
        .args(words)
        .stdin(Stdio::null())
        .output()
        .expect("redis-benchmark runs (apt-get install redis-tools)");
    let said = text(&output);
    let shown = format!("{said}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(!shown.contains("Error") && !shown.contains("WARNING"), "{shown}");
    said
}

const DEFAULT_LIST: [&str; 20] = [
    "PING_INLINE",
    "PING_MBULK",
    "SET",
    "GET",
    "INCR",
    "LPUSH",
    "RPUSH",
    "LPOP",
    "RPOP",
    "SADD",
    "HSET",
    "SPOP",
    "ZADD",
    "ZPOPMIN",
    "LPUSH (needed to benchmark LRANGE)",
    "LRANGE_100 (first 100 elements)",
    "LRANGE_300 (first 300 elements)",
    "LRANGE_500 (first 500 elements)",
    "LRANGE_600 (first 600 elements)",
    "MSET (10 keys)",
];

#[test]
fn redis_benchmark_runs_its_default_list() {
    let server = start(&[]);
    let port = server.address().port();
    for words in [["-n", "2000", "-P", "1"], ["-n", "20000", "-P", "16"]] {
        let said = benchmark(port, &words);
        for name in DEFAULT_LIST {
            let line = said.split(['\n', '\r']).find(|line| {
                line.starts_with(&format!("{name}: ")) && line.contains("requests per second")
            });
            assert!(line.is_some(), "no figure for {name} in {said}");
        }
    }
    let mut connection = connect(&server, "");
    assert!(connection.exists::<_, bool>("mylist").expect("EXISTS"));
}

#[test]
fn redis_benchmark_runs_random_keys_in_resp3() {
    let server = start(&[]);
    let words = ["-3", "-n", "20000", "-r", "1000", "-P", "8", "-t", "set,get,hset,zadd"];
    let said = benchmark(server.address().port(), &words);
    assert!(said.contains("ZADD"), "{said}");
    let mut connection = connect(&server, "");
    let size: i64 = redis::cmd("DBSIZE").query(&mut connection).expect("DBSIZE");
    assert!(size > 500, "only {size} keys");
}

#[test]
fn redis_benchmark_reaches_every_shard_as_a_cluster() {
    if binary().is_redis() {
        return;
    }
    let base = free_ports(SHARDS as u16).expect("free ports");
    let server = start(&["--shard-ports", &base.to_string()]);
    let words = ["--cluster", "-n", "20000", "-r", "1000", "-t", "set,get,incr"];
    let said = benchmark(base, &words);
    assert!(said.contains(&format!("Cluster has {SHARDS} master nodes")), "{said}");
    let mut connection = connect(&server, "");
    let size: i64 = redis::cmd("DBSIZE").query(&mut connection).expect("DBSIZE");
    assert!(size > 500, "only {size} keys");
}
