//! Job: show that a connection ends when it must (a transaction too large, silence), and not before
//! what was sent to it has arrived.
//! In: the server that cargo built (or `RINGLET_SERVER_BINARY`).
//! Out: test results.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use ringlet_check::client::encode;
use ringlet_check::process::{Launch, RunningServer, ServerBinary};
use ringlet_check::wire::REPLY_TIMEOUT;

const SHARDS: usize = 4;
const MEGABYTE: usize = 1 << 20;

fn start(options: &[&str]) -> RunningServer {
    let binary = ServerBinary::from_environment(env!("CARGO_BIN_EXE_ringlet-server"));
    let launch = Launch { options: options.to_vec(), ..Launch::with_shards(SHARDS) };
    binary.launch(&launch).unwrap_or_else(|error| panic!("{error}"))
}

fn open(server: &RunningServer) -> TcpStream {
    let stream = TcpStream::connect(server.address()).expect("the server accepts a connection");
    stream.set_read_timeout(Some(REPLY_TIMEOUT)).expect("an open socket");
    stream
}

/// Bytes of the reply to GET of a value of so many bytes.
fn reply_bytes(value: usize) -> usize {
    format!("${value}\r\n").len() + value + 2
}

/// Reads until the end, in steps with a pause behind each; gives the number of bytes.
fn read_slowly(stream: &mut TcpStream, step: usize, pause: Duration) -> usize {
    let mut buffer = vec![0; step];
    let mut count = 0;
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return count,
            Ok(read) => count += read,
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => return count,
            Err(error) => panic!("after {count} bytes: {error}"),
        }
        thread::sleep(pause);
    }
}

#[test]
fn a_transaction_that_is_queued_without_end_ends_its_connection() {
    for value_bytes in [100, 100_000] {
        let server = start(&["--client-query-buffer-limit", "1mb"]);
        let mut wire = server.connect();
        assert!(wire.line("MULTI").expect("MULTI").is_simple("OK"));
        let value = "v".repeat(value_bytes);
        let queued = (0..100_000)
            .take_while(|_| {
                let reply = wire.call(&["SET", "key", &value]);
                reply.is_ok_and(|reply| reply.is_simple("QUEUED"))
            })
            .count();
        assert!(queued * value_bytes <= MEGABYTE, "{queued} commands of {value_bytes} bytes");
        let mut bystander = server.connect();
        assert!(bystander.line("PING").expect("PING").is_simple("PONG"));
    }
}

#[test]
fn a_client_that_takes_a_long_reply_slowly_is_not_idle() {
    const VALUE_BYTES: usize = 40 * MEGABYTE;
    let server = start(&["--timeout", "1"]);
    let mut wire = server.connect();
    let value = "v".repeat(VALUE_BYTES);
    assert!(wire.call(&["SET", "large", &value]).expect("SET").is_simple("OK"));
    let mut slow = open(&server);
    slow.write_all(b"GET large\r\n").expect("the server reads");
    let read = read_slowly(&mut slow, MEGABYTE / 2, Duration::from_millis(40));
    assert_eq!(read, reply_bytes(VALUE_BYTES));
}

#[test]
fn a_shutdown_loses_no_reply_though_the_client_has_sent_more() {
    const REPLIES: usize = 30;
    let server = start(&[]);
    let mut admin = server.connect();
    let value = "v".repeat(MEGABYTE);
    assert!(admin.call(&["SET", "large", &value]).expect("SET").is_simple("OK"));
    assert!(admin.line("CLIENT PAUSE 100000 WRITE").expect("CLIENT PAUSE").is_simple("OK"));
    let mut client = open(&server);
    let mut request = Vec::new();
    (0..REPLIES).for_each(|_| encode(&["GET", "large"], &mut request));
    client.write_all(&request).expect("the server reads");
    let mut first = [0; 1];
    client.read_exact(&mut first).expect("the replies begin");
    // The server reads no further than to the command that is held back.
    let mut sender = client.try_clone().expect("an open socket");
    let sending = thread::spawn(move || {
        let _ = sender.write_all(&b"SET large x\r\n".repeat(MEGABYTE / 13));
    });
    for round in 0.. {
        let list = admin.line("CLIENT LIST").expect("CLIENT LIST").text();
        let unread = list.split_whitespace().filter_map(|field| field.strip_prefix("qbuf="));
        if unread.filter_map(|bytes| bytes.parse::<usize>().ok()).any(|bytes| bytes > MEGABYTE / 4)
        {
            break;
        }
        assert!(round < 10_000, "the client's input never piled up: {list}");
        thread::sleep(Duration::from_millis(1));
    }
    server.signal("TERM").expect("the server lives");
    let read = 1 + read_slowly(&mut client, MEGABYTE / 2, Duration::from_millis(1));
    assert_eq!(read, REPLIES * reply_bytes(MEGABYTE));
    sending.join().expect("the sender ends");
}
