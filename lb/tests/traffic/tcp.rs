//! TCP mode: bytes and ends of both sides.
//!
//! Job: halves that end, connections that break, megabytes, silence, and a protocol of another kind. In:
//! sockets. Out: the same on the other side. Invariant: an end is an end, a break is a break.

use std::process::Command;
use std::sync::mpsc::channel;
use std::thread;

use xxhash_rust::xxh3::xxh3_64;

use crate::harness::{Backend, Balancer, DEADLINE, End, Peer, Wire, content, free_port};

fn tcp(backend: &Backend) -> Balancer {
    Balancer::with_options(&["--mode", "tcp"], &[backend])
}

fn file(pool: &str, servers: usize) -> String {
    let servers: Vec<String> = (0..servers).map(|index| format!("\"SERVER{index}\"")).collect();
    format!(
        "[defaults]\nmode = \"tcp\"\n[[listener]]\nbind = \"BIND\"\ndefault_pool = \"p\"\n\
         [pool.p]\nservers = [{}]\n{pool}\n",
        servers.join(", ")
    )
}

#[test]
fn a_half_that_ends_leaves_the_other_open() {
    let backend = Backend::scripted(|mut peer| {
        let (bytes, end) = peer.read_to_end();
        assert_eq!(end, End::Closed);
        peer.send([b"got ", &bytes[..]].concat());
    });
    let balancer = tcp(&backend);
    let mut client = balancer.connect();
    client.send("all of it");
    client.end_writing();
    assert_eq!(client.read_to_end(), (b"got all of it".to_vec(), End::Closed));

    // The other way round.
    let (got, has_got) = channel();
    let backend = Backend::scripted(move |mut peer| {
        peer.send("greeting");
        peer.end_writing();
        let _ = got.send(peer.read_to_end());
    });
    let balancer = tcp(&backend);
    let mut client = balancer.connect();
    assert_eq!(client.read_to_end(), (b"greeting".to_vec(), End::Closed));
    client.send("still here");
    client.end_writing();
    let got = has_got.recv_timeout(DEADLINE).expect("the server reads to the end");
    assert_eq!(got, (b"still here".to_vec(), End::Closed));
}

#[test]
fn a_hundred_megabytes_arrive_as_they_were_sent() {
    const BYTES: usize = 100 << 20;
    let backend = Backend::scripted(|mut peer| {
        let (bytes, _) = peer.read_to_end();
        peer.send(xxh3_64(&bytes).to_be_bytes());
        peer.send(&bytes);
    });
    let balancer = tcp(&backend);
    let body = content(BYTES);
    let mut client = balancer.connect();
    client.send(&body);
    client.end_writing();
    let (answer, end) = client.read_to_end();
    assert_eq!((answer.len(), end), (BYTES + 8, End::Closed));
    assert_eq!(answer[..8], xxh3_64(&body).to_be_bytes(), "on the way there");
    assert_eq!(xxh3_64(&answer[8..]), xxh3_64(&body), "on the way back");
}

#[test]
fn both_ways_at_once() {
    const BYTES: usize = 20 << 20;
    let backend = Backend::scripted(|mut peer| {
        while let Ok(bytes) = peer.read_some() {
            peer.send(bytes);
        }
    });
    let balancer = tcp(&backend);
    let body = content(BYTES);
    let socket = balancer.connect_socket();
    let mut writer = Wire::new(socket.try_clone().expect("the same socket"));
    let mut reader = Wire::new(socket);
    thread::scope(|scope| {
        scope.spawn(|| {
            writer.send(&body);
            writer.end_writing();
        });
        let (answer, end) = reader.read_to_end();
        assert_eq!((xxh3_64(&answer), end), (xxh3_64(&body), End::Closed));
    });
}

#[test]
fn a_break_on_one_side_is_a_break_on_the_other() {
    let backend = Backend::scripted(|mut peer| {
        peer.send("half of");
        peer.take_byte();
    });
    let balancer = tcp(&backend);
    let mut client = balancer.connect();
    assert_eq!(client.read_exactly(7).expect("the first half"), b"half of");
    client.send("unread");
    assert_eq!(client.read_to_end().1, End::Reset);

    let (end, has_ended) = channel();
    let backend = Backend::scripted(move |mut peer| {
        peer.send("unread");
        let _ = end.send(peer.read_to_end().1);
    });
    let balancer = tcp(&backend);
    let mut client = balancer.connect();
    client.take_byte();
    drop(client);
    assert_eq!(has_ended.recv_timeout(DEADLINE), Ok(End::Reset));
}

#[test]
fn nobody_there_is_a_break() {
    let balancer = tcp(&Backend::nobody());
    assert_eq!(balancer.connect().read_to_end(), (Vec::new(), End::Reset));
}

#[test]
fn silence_ends_a_connection_and_says_nothing_about_its_server() {
    let (end, has_ended) = channel();
    let silent = move |mut peer: Peer| {
        let _ = end.send(peer.read_to_end().1);
    };
    let backends = [Backend::scripted(silent.clone()), Backend::scripted(silent)];
    let pool =
        "balance = \"first\"\ntunnel_timeout = \"60ms\"\nejection = { consecutive_failures = 2 }";
    let balancer = Balancer::of_file(&file(pool, 2), &[&backends[0], &backends[1]]);
    for number in 1..=6 {
        let mut client = balancer.connect();
        client.send("hello");
        assert_eq!(client.read_to_end(), (Vec::new(), End::Reset));
        assert_eq!(has_ended.recv_timeout(DEADLINE), Ok(End::Reset), "on both sides");
        assert_eq!((backends[0].connections(), backends[1].connections()), (number, 0));
    }
}

#[test]
fn a_connection_that_is_made_is_a_success() {
    let greet = |mut peer: Peer| peer.send("one");
    let port = free_port();
    let other = Backend::scripted(|mut peer| peer.send("two"));
    let pool = format!(
        "balance = \"first\"\nejection = {{ consecutive_failures = 3 }}\n\
         servers = [\"127.0.0.1:{port}\", \"{}\"]",
        other.address
    );
    let text = file("", 0).replace("servers = []\n", &pool);
    let balancer = Balancer::of_file(&text, &[]);
    let ask = || String::from_utf8_lossy(&balancer.connect().read_to_end().0).into_owned();
    for round in 0..3 {
        for _ in 0..2 {
            assert_eq!(ask(), "two", "nobody listens at the first");
        }
        let backend = Backend::at_port(port, greet);
        assert_eq!(ask(), "one", "round {round}: two failures are no three");
        drop(backend);
    }
}

#[test]
fn servers_get_a_proxy_header() {
    let backend = Backend::scripted(|mut peer| {
        let (bytes, _) = peer.read_to_end();
        peer.send(bytes);
    });
    let balancer = Balancer::of_file(&file("send_proxy = \"v1\"", 1), &[&backend]);
    let socket = balancer.connect_socket();
    let own = socket.local_addr().expect("an address").port();
    let mut client = Wire::new(socket);
    client.send("payload");
    client.end_writing();
    let port = balancer.address().port();
    let wanted = format!("PROXY TCP4 127.0.0.1 127.0.0.1 {own} {port}\r\npayload");
    assert_eq!(String::from_utf8_lossy(&client.read_to_end().0), wanted);
}

#[test]
fn redis_is_served_through_it() {
    let port = free_port();
    let server = Backend::process(
        Command::new("redis-server").args(["--port", &port.to_string(), "--save", ""]),
        port,
    );
    let balancer = Balancer::with_options(&["--mode", "tcp", "--check", "resp"], &[&server]);
    let cli = |arguments: &[&str]| {
        let output = Command::new("redis-cli")
            .args(["-p", &balancer.address().port().to_string()])
            .args(arguments)
            .output()
            .expect("redis-cli runs");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    };
    assert_eq!(cli(&["PING"]), "PONG");
    assert_eq!(cli(&["SET", "key", "value"]), "OK");
    assert_eq!(cli(&["GET", "key"]), "value");
    let script = "for i = 1, 1000 do redis.call('RPUSH', 'list', string.rep('x', 1000)) end";
    cli(&["EVAL", script, "0"]);
    assert_eq!(cli(&["LRANGE", "list", "0", "-1"]).lines().count(), 1000);
}
