//! Where a store's address is.
//!
//! Job: tell what `HOST:PORT` or `unix:PATH` stands for; names are looked up on a thread of their own.
//! In: addresses. Out: socket addresses, at once or later. Invariant: a core never waits for a name
//! server; one thread for each question, of which the link has at most one for each connection.

use std::net::{SocketAddr, ToSocketAddrs};

use crossbeam_channel::{Receiver, Sender, unbounded};
use ringlet_runtime::ring::SocketAddress;
use ringlet_runtime::wake::WakeHandle;

type Found = (u32, Result<SocketAddress, String>);

/// Questions for addresses.
pub struct Names {
    bell: WakeHandle,
    sender: Sender<Found>,
    receiver: Receiver<Found>,
    /// Connections whose address is looked up and still wanted.
    wanted: Vec<u32>,
}

impl Names {
    /// No question yet.
    pub fn new(bell: WakeHandle) -> Self {
        let (sender, receiver) = unbounded();
        Self { bell, sender, receiver, wanted: Vec::new() }
    }

    /// The address, or `None` if it has to be looked up first.
    pub fn look_up(&mut self, connection: u32, address: &str) -> Option<SocketAddress> {
        if let Some(path) = address.strip_prefix("unix:") {
            return Some(SocketAddress::Unix(path.into()));
        }
        if let Ok(address) = address.parse::<SocketAddr>() {
            return Some(SocketAddress::Ip(address));
        }
        self.wanted.push(connection);
        let (sender, bell, name) = (self.sender.clone(), self.bell.clone(), address.to_owned());
        let started = std::thread::Builder::new().name("names".into()).spawn(move || {
            let found = name
                .to_socket_addrs()
                .map_err(|error| error.to_string())
                .and_then(|mut all| all.next().ok_or_else(|| "the name has no address".to_owned()))
                .map(SocketAddress::Ip);
            // The core may have ended.
            let _ = sender.send((connection, found));
            bell.wake();
        });
        if let Err(error) = started {
            let _ = self.sender.send((connection, Err(format!("no thread: {error}"))));
        }
        None
    }

    /// Nobody wants this address any more.
    pub fn forget(&mut self, connection: u32) {
        self.wanted.retain(|&wanted| wanted != connection);
    }

    /// What has been found and is still wanted.
    pub fn take_results(&mut self) -> Vec<Found> {
        if self.wanted.is_empty() {
            return Vec::new();
        }
        let found: Vec<Found> = self
            .receiver
            .try_iter()
            .filter(|(connection, _)| self.wanted.contains(connection))
            .collect();
        for (connection, _) in &found {
            self.wanted.retain(|wanted| wanted != connection);
        }
        found
    }
}
