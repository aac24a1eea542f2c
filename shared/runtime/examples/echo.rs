//! The bare cost of the net ring: answers `+PONG` to every request and does nothing else.
//!
//! Job: let redis-benchmark measure what the sockets cost without a data server on top.
//! In: `echo [PORT] [CORES] [deferred|cooperative|plain]`. Out: a RESP server that knows PING only.
//! Invariant: one reply per inline request line or RESP array, also when requests come in pieces.
//!
//! Try it: `redis-benchmark -p 7000 -t ping_inline,ping_mbulk -n 1000000`

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use ringlet_runtime::cores::{self, CoreIndex, yield_to_executor};
use ringlet_runtime::listen::{ListenOptions, listen};
use ringlet_runtime::ring::{Event, NetRing, RingSettings, SendData, SetupMode, SocketId, Wait};

const PONG: &[u8] = b"+PONG\r\n";

/// What the example keeps per connection.
#[derive(Default)]
struct Connection {
    /// Lines of a RESP array that are still to come.
    lines_left: usize,
    /// Bytes of the line that has begun, as far as they matter.
    head: Vec<u8>,
    output: Vec<u8>,
    spare: Vec<u8>,
}

impl Connection {
    /// Counts the requests that `bytes` complete, and adds a reply for each.
    fn feed(&mut self, mut bytes: &[u8]) {
        while let Some(end) = bytes.iter().position(|&byte| byte == b'\n') {
            let (line, rest) = bytes.split_at(end + 1);
            bytes = rest;
            let first = self.head.first().or(line.first()).copied();
            if self.lines_left > 0 {
                self.lines_left -= 1;
            } else if first == Some(b'*') {
                self.head.extend_from_slice(line);
                let digits = String::from_utf8_lossy(&self.head[1..]);
                self.lines_left = 2 * digits.trim().parse().unwrap_or(0);
            }
            self.head.clear();
            if self.lines_left == 0 {
                self.output.extend_from_slice(PONG);
            }
        }
        self.head.extend_from_slice(&bytes[..bytes.len().min(32)]);
    }
}

async fn serve(mut ring: NetRing) {
    let mut connections: Vec<Connection> = Vec::new();
    let mut events = Vec::new();
    let mut dirty: Vec<SocketId> = Vec::new();
    loop {
        ring.wait(&mut events, Wait::Block).expect("the ring works");
        for event in events.drain(..) {
            match event {
                Event::Accepted { socket, .. } => {
                    if connections.len() <= socket.index() {
                        connections.resize_with(socket.index() + 1, Connection::default);
                    }
                    connections[socket.index()] = Connection::default();
                    ring.start_receive(socket);
                }
                Event::Received { socket, buffer } => {
                    let connection = &mut connections[socket.index()];
                    if connection.output.is_empty() {
                        dirty.push(socket);
                    }
                    connection.feed(ring.bytes(&buffer));
                    ring.release(buffer);
                }
                Event::Sent { socket, data: SendData::Buffer(mut bytes), .. } => {
                    bytes.clear();
                    let connection = &mut connections[socket.index()];
                    connection.spare = bytes;
                    if !connection.output.is_empty() {
                        dirty.push(socket);
                    }
                }
                Event::ReceiveEnded { socket, .. } => ring.close(socket),
                Event::Tick => yield_to_executor().await,
                _ => {}
            }
        }
        for socket in dirty.drain(..) {
            let connection = &mut connections[socket.index()];
            if ring.is_open(socket) && !ring.is_sending(socket) && !connection.output.is_empty() {
                let output = std::mem::replace(
                    &mut connection.output,
                    std::mem::take(&mut connection.spare),
                );
                ring.send(socket, SendData::Buffer(output));
            }
        }
    }
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let port = arguments.next().map_or(7000, |text| text.parse().expect("a port"));
    let count: usize = arguments.next().map_or(1, |text| text.parse().expect("a number of cores"));
    let mode = arguments.next().map(|text| match text.as_str() {
        "deferred" => SetupMode::Deferred,
        "cooperative" => SetupMode::Cooperative,
        "plain" => SetupMode::Plain,
        other => panic!("{other} is no setup mode"),
    });
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let (sockets, address) = match listen(&ListenOptions::new(address), count) {
        Ok(listening) => listening,
        Err(error) => {
            eprintln!("{error}");
            std::process::exit(1);
        }
    };
    println!("listening on {address}");
    let sockets: Arc<Mutex<Vec<_>>> = Arc::new(Mutex::new(sockets));
    let outcome = cores::run(count, move |_: CoreIndex| {
        let sockets = sockets.clone();
        let mode = mode;
        async move {
            let settings = RingSettings { mode, ..RingSettings::default() };
            let mut ring = match NetRing::new(&settings) {
                Ok(ring) => ring,
                Err(error) => {
                    eprintln!("{error}");
                    std::process::exit(1);
                }
            };
            let socket = sockets.lock().expect("nobody panics here").pop();
            ring.listen(socket.expect("one per core")).expect("a listening socket");
            serve(ring).await;
        }
    });
    if let Err(error) = outcome {
        eprintln!("{error}");
        std::process::exit(1);
    }
}
