//! Job: the asynchronous client and the cluster client of the `redis` crate: reconnects, pushes,
//! waits.
//! In: the server that cargo built (or `RINGLET_SERVER_BINARY`).
//! Out: test results.
//! Invariant: the client is unmodified; every test has a server of its own, and every wait an end.

use std::future::Future;
use std::time::Duration;

use redis::aio::{ConnectionLike, ConnectionManager, ConnectionManagerConfig};
use redis::cluster::ClusterClient;
use redis::{AsyncCommands, Client, Commands, PushInfo, PushKind, Value};
use ringlet_check::process::{Launch, RunningServer, ServerBinary, free_ports};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

const SHARDS: usize = 4;
const WAIT: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(5);

fn binary() -> ServerBinary {
    ServerBinary::from_environment(env!("CARGO_BIN_EXE_ringlet-server"))
}

fn start(options: &[&str], port: Option<u16>) -> RunningServer {
    let launch = Launch { port, options: options.to_vec(), ..Launch::with_shards(SHARDS) };
    binary().launch(&launch).unwrap_or_else(|error| panic!("{error}"))
}

fn run<F: Future<Output = ()>>(test: F) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let guarded = async { tokio::time::timeout(WAIT, test).await.expect("it ends in time") };
    runtime.expect("a runtime can be made").block_on(guarded);
}

/// A connection that reconnects, with its pushes when it speaks RESP3.
async fn manager(
    server: &RunningServer,
    query: &str,
) -> (ConnectionManager, UnboundedReceiver<PushInfo>) {
    let client = Client::open(format!("redis://{}/{query}", server.address())).expect("a URL");
    let (sender, pushes) = unbounded_channel();
    let mut config = ConnectionManagerConfig::new()
        .set_min_delay(Duration::from_millis(10))
        .set_max_delay(Duration::from_millis(50))
        .set_number_of_retries(200)
        .set_response_timeout(None);
    if query.contains("resp3") {
        config = config.set_push_sender(sender).set_automatic_resubscription();
    }
    let manager = ConnectionManager::new_with_config(client, config);
    (manager.await.expect("the server accepts a connection"), pushes)
}

async fn next(pushes: &mut UnboundedReceiver<PushInfo>, kind: PushKind) -> Vec<Value> {
    loop {
        let push = pushes.recv().await.expect("the connection lives");
        if push.kind == kind {
            return push.data;
        }
    }
}

async fn await_blocked(connection: &mut impl ConnectionLike) {
    loop {
        let info: redis::InfoDict =
            redis::cmd("INFO").arg("clients").query_async(connection).await.expect("INFO");
        if info.get::<u64>("blocked_clients") == Some(1) {
            return;
        }
        tokio::time::sleep(PAUSE).await;
    }
}

fn outlives_a_restart(query: &'static str) {
    run(async move {
        let mut server = start(&[], None);
        let port = server.address().port();
        let (mut connection, _pushes) = manager(&server, query).await;
        let _: () = connection.set("key", 1).await.expect("SET");
        assert!(server.stop("TERM").expect("the server ends").success());
        let server = start(&[], Some(port));
        // The first commands may be told that the connection was lost; then there is a new one.
        let answer = loop {
            match connection.get::<_, Option<i64>>("key").await {
                Ok(answer) => break answer,
                Err(error) => assert!(error.is_io_error(), "{error}"),
            }
            tokio::time::sleep(PAUSE).await;
        };
        assert_eq!(answer, None, "it is the new server that answers");
        let (first, second): (i64, i64) = redis::pipe()
            .atomic()
            .incr("a", 1)
            .incr("b:on:another:shard", 2)
            .query_async(&mut connection)
            .await
            .expect("EXEC");
        assert_eq!((first, second), (1, 2));
        drop(server);
    });
}

#[test]
fn a_managed_connection_outlives_a_restart_in_resp2() {
    outlives_a_restart("");
}

#[test]
fn a_managed_connection_outlives_a_restart_in_resp3() {
    outlives_a_restart("?protocol=resp3");
}

#[test]
fn pushes_come_beside_replies_and_again_after_a_kill() {
    run(async {
        let server = start(&[], None);
        let (mut listener, mut pushes) = manager(&server, "?protocol=resp3").await;
        let (mut publisher, _) = manager(&server, "").await;
        listener.subscribe("channel").await.expect("SUBSCRIBE");
        next(&mut pushes, PushKind::Subscribe).await;
        for number in 0..100 {
            let receivers: i64 = publisher.publish("channel", number).await.expect("PUBLISH");
            assert_eq!(receivers, 1);
            // In RESP3 a subscriber may ask for anything.
            let _: () = listener.set(format!("key:{number}"), number).await.expect("SET");
        }
        for number in 0..100 {
            let data = next(&mut pushes, PushKind::Message).await;
            let payload: i64 = redis::from_redis_value(data[1].clone()).expect("a number");
            assert_eq!(payload, number);
        }
        let id: i64 = redis::cmd("CLIENT").arg("ID").query_async(&mut listener).await.expect("ID");
        let kill = redis::cmd("CLIENT").arg(&["KILL", "ID", &id.to_string()]).clone();
        let killed: i64 = kill.query_async(&mut publisher).await.expect("KILL");
        assert_eq!(killed, 1);
        // It notices, connects and subscribes again on its own.
        while publisher.publish::<_, _, i64>("channel", "again").await.expect("PUBLISH") == 0 {
            tokio::time::sleep(PAUSE).await;
        }
        let data = next(&mut pushes, PushKind::Message).await;
        assert_eq!(data[1], Value::BulkString(b"again".to_vec()));
        let now: i64 = redis::cmd("CLIENT").arg("ID").query_async(&mut listener).await.expect("ID");
        assert_ne!(now, id);
    });
}

#[test]
fn waits_are_answered_in_resp3() {
    run(async {
        let server = start(&[], None);
        let (mut waiting, _pushes) = manager(&server, "?protocol=resp3").await;
        let (mut other, _) = manager(&server, "").await;
        let cases = [
            ("BLPOP one two 0", "RPUSH two x", "[two x]"),
            ("BLMOVE two to LEFT RIGHT 0", "RPUSH two x", "x"),
            ("BLMPOP 0 2 one two LEFT", "RPUSH two x", "[two [x]]"),
            ("BZPOPMIN sorted ranked 0", "ZADD ranked 1.5 x", "[ranked x 1.5]"),
            ("BZMPOP 0 1 ranked MAX", "ZADD ranked 1.5 x", "[ranked [[x 1.5]]]"),
            ("BLPOP nothing 0.02", "PING", "nil"),
            ("BZPOPMAX nothing 0.02", "PING", "nil"),
        ];
        for (wait, fill, expected) in cases {
            let pop = async {
                let value: Value = command(wait).query_async(&mut waiting).await.expect(wait);
                shown(&value)
            };
            let push = async {
                if expected != "nil" {
                    await_blocked(&mut other).await;
                }
                let _: Value = command(fill).query_async(&mut other).await.expect(fill);
            };
            let (popped, ()) = tokio::join!(pop, push);
            assert_eq!(popped, expected, "{wait}");
        }
    });
}

fn command(line: &str) -> redis::Cmd {
    let mut words = line.split(' ');
    let mut command = redis::cmd(words.next().expect("a name"));
    command.arg(words.collect::<Vec<_>>());
    command
}

fn shown(value: &Value) -> String {
    match value {
        Value::Nil => "nil".to_owned(),
        Value::Double(number) => number.to_string(),
        Value::BulkString(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        Value::Array(items) => {
            format!("[{}]", items.iter().map(shown).collect::<Vec<_>>().join(" "))
        }
        other => format!("{other:?}"),
    }
}

#[test]
fn the_cluster_client_pipelines_and_waits() {
    if binary().is_redis() {
        return;
    }
    let base = free_ports(SHARDS as u16).expect("free ports");
    let server = start(&["--shard-ports", &base.to_string()], None);
    for query in ["", "?protocol=resp3"] {
        let node = format!("redis://127.0.0.1:{}/{query}", base + 2);
        let client = ClusterClient::new(vec![node]).expect("the URL is valid");
        let mut cluster = client.get_connection().expect("the cluster answers");
        let mut pipeline = redis::cluster::cluster_pipe();
        for number in 0..500 {
            pipeline.set(format!("key:{number}"), number).ignore();
            pipeline.get(format!("key:{number}"));
        }
        let numbers: Vec<i32> = pipeline.query(&mut cluster).expect("a pipeline over all nodes");
        assert_eq!(numbers, (0..500).collect::<Vec<_>>());
        let mut waiting = client.get_connection().expect("the cluster answers");
        let popped = std::thread::spawn(move || -> redis::RedisResult<(String, String)> {
            waiting.blpop(&["{tag}one", "{tag}two"], 0.0)
        });
        run(async {
            let (mut main, _) = manager(&server, "").await;
            await_blocked(&mut main).await;
        });
        let _: i64 = cluster.rpush("{tag}two", "value").expect("RPUSH");
        let popped = popped.join().expect("the thread ends").expect("BLPOP");
        assert_eq!(popped, ("{tag}two".to_owned(), "value".to_owned()));
        let nothing: Option<(String, String)> = cluster.brpop("{tag}one", 0.02).expect("BRPOP");
        assert_eq!(nothing, None);
    }
}
