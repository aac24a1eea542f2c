//! The connections of one core to one server that wait for a request.
//!
//! Job: keep them in the order in which they were used, and tell the other cores how many there are. In:
//! sockets that become idle, are used again or end. Out: the next to use, or to lend.
//! Invariant: the count in this core's row is the length of the list, after every call.

use std::collections::VecDeque;
use std::sync::Arc;

use ringlet_runtime::ring::SocketId;

use crate::state::ServerState;

/// The idle connections to one server.
pub struct Idle {
    server: Arc<ServerState>,
    core: usize,
    /// The one used last at the end.
    sockets: VecDeque<SocketId>,
}

impl Idle {
    /// None yet.
    #[must_use]
    pub fn new(server: Arc<ServerState>, core: usize) -> Self {
        Self { server, core, sockets: VecDeque::new() }
    }

    /// How many.
    #[must_use]
    pub fn len(&self) -> usize {
        self.sockets.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.sockets.is_empty()
    }

    /// All, the one used last at the end.
    pub fn iter(&self) -> impl Iterator<Item = &SocketId> {
        self.sockets.iter()
    }

    /// One more.
    pub fn push(&mut self, socket: SocketId) {
        self.sockets.push_back(socket);
        self.publish();
    }

    /// Takes the one used last: the warmest.
    pub fn pop_newest(&mut self) -> Option<SocketId> {
        let socket = self.sockets.pop_back();
        self.publish();
        socket
    }

    /// Takes the one that has waited longest.
    pub fn pop_oldest(&mut self) -> Option<SocketId> {
        let socket = self.sockets.pop_front();
        self.publish();
        socket
    }

    /// Takes this one out, if it is there.
    pub fn remove(&mut self, socket: SocketId) {
        self.sockets.retain(|idle| *idle != socket);
        self.publish();
    }

    /// Takes all out.
    pub fn take_all(&mut self) -> VecDeque<SocketId> {
        let all = std::mem::take(&mut self.sockets);
        self.publish();
        all
    }

    fn publish(&self) {
        self.server.rows.of(self.core).idle.set(self.sockets.len() as u32);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{AdminState, Server};

    #[test]
    fn other_cores_always_see_how_many_there_are() {
        let server = Server {
            name: "one".into(),
            address: "127.0.0.1:1".into(),
            weight: 1,
            priority: 0,
            requests_max: 0,
            checked: true,
            cookie: "one".into(),
            state: AdminState::Ready,
        };
        let server = Arc::new(ServerState::new(0, "pool", &server, 2));
        let mut idle = Idle::new(server.clone(), 1);
        let socket = SocketId::from_bits;
        let seen = |expected: u32, idle: &Idle| {
            assert_eq!((server.rows.of(1).idle.get(), idle.len()), (expected, expected as usize));
            assert_eq!(server.rows.of(0).idle.get(), 0);
        };
        (0..5).for_each(|number| idle.push(socket(number)));
        seen(5, &idle);
        assert_eq!((idle.pop_newest(), idle.pop_oldest()), (Some(socket(4)), Some(socket(0))));
        seen(3, &idle);
        idle.remove(socket(2));
        idle.remove(socket(2));
        seen(2, &idle);
        assert_eq!(idle.iter().copied().collect::<Vec<_>>(), [socket(1), socket(3)]);
        assert_eq!(idle.take_all().len(), 2);
        seen(0, &idle);
        assert!(idle.is_empty() && idle.pop_newest().is_none());
    }
}
