//! Job: the stores that limiters share. In: nothing. Out: redis-server and ringlet-server, one after the
//! other. Invariant: a test that calls for ringlet-server fails if there is none: it says how to get it.

use std::net::SocketAddr;

use ringlet_check::client::{Connection, Reply};
use ringlet_check::process::{Launch, RunningServer, ServerBinary};

use crate::limiter::PATIENCE;

/// Which server it is.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    Redis,
    Ringlet,
}

impl Kind {
    fn binary(self) -> ServerBinary {
        if self == Self::Redis {
            return ServerBinary::at("redis-server");
        }
        ServerBinary::beside_the_test()
    }
}

/// A running store.
pub struct Store {
    kind: Kind,
    server: Option<RunningServer>,
    pub address: SocketAddr,
}

impl Store {
    pub fn start(kind: Kind) -> Self {
        let server = launch(kind, None);
        Self { kind, address: server.address(), server: Some(server) }
    }

    /// The section of a configuration. The timeout is long, for the machine may be busy.
    pub fn section(&self) -> String {
        format!("[store]\naddress = \"{}\"\nnodes = 2\ntimeout = \"2s\"\n", self.address)
    }

    /// Where it is, as the configuration has it.
    pub fn name(&self) -> String {
        self.address.to_string()
    }

    /// Ends as `kill -9` does; all that it knew is gone.
    pub fn kill(&mut self) {
        self.server = None;
    }

    /// Another process at the same address.
    pub fn start_again(&mut self) {
        self.server = Some(launch(self.kind, Some(self.address.port())));
    }

    /// The number that a key holds, 0 if there is none.
    pub fn number(&self, key: &str) -> i64 {
        let mut connection = Connection::open(self.address, PATIENCE).expect("it runs");
        let reply = connection.command(&["GET", key]).expect("it answers");
        reply.text().map_or(0, |text| text.parse().expect("a number"))
    }

    /// What the holders of a bucket's tokens have.
    pub fn held(&self, key: &str) -> Vec<i64> {
        let mut connection = Connection::open(self.address, PATIENCE).expect("it runs");
        let reply = connection.command(&["HGETALL", key]).expect("it answers");
        let words: Vec<&str> =
            reply.items().expect("fields").iter().filter_map(Reply::text).collect();
        let holders = words.chunks(2).filter(|pair| pair[0].starts_with("h:"));
        let held = holders.map(|pair| pair[1].split(' ').next().expect("three numbers"));
        held.map(|text| text.parse().expect("a number")).collect()
    }

    /// Connections, but for the one that asks.
    pub fn clients(&self) -> usize {
        let mut connection = Connection::open(self.address, PATIENCE).expect("it runs");
        let reply = connection.command(&["CLIENT", "LIST"]).expect("it answers");
        reply.text().expect("a text").lines().count() - 1
    }

    /// How many limiters have told of themselves.
    pub fn nodes(&self) -> i64 {
        let mut connection = Connection::open(self.address, PATIENCE).expect("it runs");
        let reply = connection.command(&["ZCARD", "rl:nodes"]).expect("it answers");
        reply.integer().expect("a number")
    }
}

fn launch(kind: Kind, port: Option<u16>) -> RunningServer {
    let launch = Launch { port, ..Launch::with_shards(2) };
    kind.binary().launch(&launch).unwrap_or_else(|error| panic!("{error}"))
}
