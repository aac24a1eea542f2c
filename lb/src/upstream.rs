//! A connection to a server.
//!
//! Job: its state between two events, and the table of connections of a core. In: nothing by itself.
//! Out: nothing by itself. Invariant: an idle connection has no client, nothing on its line, and a
//! receive armed, so that its end is seen at once.

use std::sync::Arc;

use ringlet_runtime::ring::SocketId;

use crate::client::Client;
use crate::line::Line;
use crate::state::ServerState;

/// A connection to a server.
pub struct Upstream {
    /// Its bytes.
    pub line: Line,
    /// Whose it is.
    pub server: Arc<ServerState>,
    /// For whom it works now; nobody's is idle.
    pub client: Option<SocketId>,
    /// It stands.
    pub is_connected: bool,
    /// A send has failed: what comes may still be a response, but nothing goes any more.
    pub has_failed: bool,
    /// When it was begun, in milliseconds of the monotonic clock.
    pub created_ms: i64,
    /// Since when it is idle.
    pub idle_since_ms: i64,
    /// Requests it was given, the present one included.
    pub requests: u32,
}

impl Upstream {
    /// A connection that is being made.
    #[must_use]
    pub fn new(socket: SocketId, server: Arc<ServerState>, client: SocketId, now_ms: i64) -> Self {
        Self {
            line: Line::new(socket),
            server,
            client: Some(client),
            is_connected: false,
            has_failed: false,
            created_ms: now_ms,
            idle_since_ms: now_ms,
            requests: 0,
        }
    }
}

/// What lies in a [`Places`].
pub trait Connection {
    /// Its socket.
    fn socket(&self) -> SocketId;
}

impl Connection for Client {
    fn socket(&self) -> SocketId {
        self.line.socket
    }
}

impl Connection for Upstream {
    fn socket(&self) -> SocketId {
        self.line.socket
    }
}

/// Connections of one kind by the index of their socket. One that is worked on is taken out.
pub struct Places<T>(Vec<Option<Box<T>>>);

impl<T> Default for Places<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: Connection> Places<T> {
    /// Takes a connection out to work on it.
    #[inline]
    pub fn take(&mut self, socket: SocketId) -> Option<Box<T>> {
        let place = self.0.get_mut(socket.index())?;
        if place.as_ref()?.socket() == socket { place.take() } else { None }
    }

    /// Puts it in, or back.
    #[inline]
    pub fn put(&mut self, connection: Box<T>) {
        let index = connection.socket().index();
        if self.0.len() <= index {
            self.0.resize_with(index + 1, || None);
        }
        debug_assert!(self.0[index].is_none(), "two connections with one socket");
        self.0[index] = Some(connection);
    }

    /// The connection, if it is not taken out.
    #[must_use]
    pub fn get(&self, socket: SocketId) -> Option<&T> {
        let connection = self.0.get(socket.index())?.as_deref()?;
        (connection.socket() == socket).then_some(connection)
    }

    /// All that are not taken out.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.0.iter().filter_map(Option::as_deref)
    }
}
