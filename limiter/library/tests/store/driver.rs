//! Job: drive a link with blocking sockets. In: calls. Out: replies.
//! Invariant: everything ends within `PATIENCE`.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use ringlet_limit::store::link::{Link, LinkAction, LinkSettings, NodeId};
use ringlet_limit::store::{StoreCall, StoreCommand, StoreReply};

const PATIENCE: Duration = Duration::from_secs(30);
/// The sockets are looked at one after the other, each for so long.
const LOOK: Duration = Duration::from_millis(1);

pub struct Driver {
    pub link: Link,
    pub notices: Vec<String>,
    sockets: BTreeMap<u32, TcpStream>,
    replies: BTreeMap<u64, StoreReply>,
    next_id: u64,
    start: Instant,
}

impl Driver {
    /// A driver that is not connected yet. A node is named by a number.
    pub fn new(settings: LinkSettings, node: u128) -> Self {
        Self {
            link: Link::new(settings, NodeId::new(node), node as u64, 0),
            notices: Vec::new(),
            sockets: BTreeMap::new(),
            replies: BTreeMap::new(),
            next_id: 0,
            start: Instant::now(),
        }
    }

    /// One that is up.
    pub fn up(settings: LinkSettings, node: u128) -> Self {
        let mut driver = Self::new(settings, node);
        driver.until("the store is up", |driver| driver.link.view().is_up);
        driver
    }

    pub fn now_ns(&self) -> u64 {
        self.start.elapsed().as_nanos() as u64
    }

    /// One round: time, actions, bytes.
    pub fn turn(&mut self) {
        self.link.tick(self.now_ns());
        self.act();
        let connections: Vec<u32> = self.sockets.keys().copied().collect();
        for connection in connections {
            self.look(connection);
        }
        self.replies.extend(self.link.take_replies());
        self.notices.extend(self.link.take_notices());
    }

    fn act(&mut self) {
        for action in self.link.take_actions() {
            match action {
                LinkAction::Connect { connection, address } => match connect(&address) {
                    Ok(socket) => {
                        self.sockets.insert(connection, socket);
                        self.link.on_connected(connection, self.now_ns());
                        self.act();
                    }
                    Err(error) => self.closed(connection, &error),
                },
                LinkAction::Send { connection, bytes } => {
                    let Some(socket) = self.sockets.get_mut(&connection) else { continue };
                    if let Err(error) = socket.write_all(&bytes) {
                        self.closed(connection, &error);
                    }
                }
                LinkAction::Close { connection } => {
                    self.sockets.remove(&connection);
                }
            }
        }
    }

    fn look(&mut self, connection: u32) {
        let Some(socket) = self.sockets.get_mut(&connection) else { return };
        let mut bytes = [0; 1 << 14];
        match socket.read(&mut bytes) {
            Ok(0) => self.closed(connection, &io::ErrorKind::UnexpectedEof.into()),
            Ok(length) => self.link.on_bytes(connection, &bytes[..length], self.now_ns()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => self.closed(connection, &error),
        }
    }

    fn closed(&mut self, connection: u32, error: &io::Error) {
        self.sockets.remove(&connection);
        self.link.on_closed(connection, &error.to_string(), self.now_ns());
    }

    /// Turns until it is so.
    pub fn until(&mut self, what: &str, is_so: impl Fn(&Self) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !is_so(self) {
            assert!(Instant::now() < deadline, "not so: {what}; notices {:?}", self.notices);
            self.turn();
        }
    }

    /// Sends calls together; their replies in order.
    pub fn ask_all(&mut self, commands: Vec<StoreCommand>) -> Vec<StoreReply> {
        let ids = self.next_id..self.next_id + commands.len() as u64;
        self.next_id = ids.end;
        let calls = ids.clone().zip(commands).map(|(id, command)| StoreCall { id, command });
        self.link.submit(calls.collect(), self.now_ns());
        let wanted = ids.clone();
        self.until("all calls are answered", |driver| {
            wanted.clone().all(|id| driver.replies.contains_key(&id))
        });
        ids.filter_map(|id| self.replies.remove(&id)).collect()
    }

    pub fn ask(&mut self, command: StoreCommand) -> StoreReply {
        self.ask_all(vec![command])[0]
    }
}

fn connect(address: &str) -> io::Result<TcpStream> {
    let address: SocketAddr = address.parse().map_err(io::Error::other)?;
    let socket = TcpStream::connect_timeout(&address, Duration::from_secs(5))?;
    socket.set_nodelay(true)?;
    socket.set_read_timeout(Some(LOOK))?;
    socket.set_write_timeout(Some(PATIENCE))?;
    Ok(socket)
}

/// Settings that make no test fail on a busy machine.
pub fn settings(addresses: &[SocketAddr]) -> LinkSettings {
    let addresses = addresses.iter().map(ToString::to_string).collect();
    LinkSettings { timeout_ms: 5000, ..LinkSettings::at(addresses) }
}

pub fn count(key: &str, amount: u64, expire_at_ms: u64) -> StoreCommand {
    StoreCommand::Count { key: key.as_bytes().to_vec(), previous: None, amount, expire_at_ms }
}

/// Of ten tokens, of which one comes in an hour.
pub fn lease(key: &str, sequence: u64, want: u64) -> StoreCommand {
    StoreCommand::Lease {
        key: key.as_bytes().to_vec(),
        burst: 10,
        count: 1,
        period_ms: 3_600_000,
        sequence,
        held: 0,
        returned: 0,
        want,
        ttl_ms: 60_000,
    }
}
