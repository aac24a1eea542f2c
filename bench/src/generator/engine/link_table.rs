//! Job: the connections of a core: whose they are, and which socket is which.
//! In: streams, clients, servers. Out: connections by their place or by their socket.
//! Invariant: each client of a stream has one place for each server, whatever socket it has at the moment;
//! a socket that has been given up is nobody's.

use std::ops::Range;

use ringlet_runtime::ring::SocketId;

use super::connection::Connection;

/// No place.
const NONE: u32 = u32::MAX;

/// Who a place belongs to.
#[derive(Clone, Copy, Debug)]
struct Owner {
    stream: usize,
    client: usize,
    node: usize,
}

/// All connections of a core.
#[derive(Debug)]
pub struct LinkTable {
    owners: Vec<Owner>,
    connections: Vec<Option<Connection>>,
    /// The first place of each stream, and how many a client of it has.
    streams: Vec<(usize, usize)>,
    /// Places by the index of their socket.
    by_socket: Vec<u32>,
}

impl LinkTable {
    /// Places for the clients of each stream, by the servers that each of them has: all clients of a
    /// stream have equally many.
    pub fn new(streams: impl Iterator<Item = Vec<Range<usize>>>) -> Self {
        let mut owners = Vec::new();
        let mut firsts = Vec::new();
        for (stream, clients) in streams.enumerate() {
            firsts.push((owners.len(), clients.first().map_or(0, Range::len)));
            for (client, nodes) in clients.into_iter().enumerate() {
                owners.extend(nodes.map(|node| Owner { stream, client, node }));
            }
        }
        let connections = owners.iter().map(|_| None).collect();
        Self { owners, connections, streams: firsts, by_socket: Vec::new() }
    }

    /// How many places there are.
    pub fn len(&self) -> usize {
        self.owners.len()
    }

    /// The place of a client's connection to a server, if it has one.
    pub fn place(&self, stream: usize, client: usize, node: usize) -> Option<usize> {
        let (first, each) = self.streams[stream];
        let place = first + client * each + if each == 1 { 0 } else { node };
        (self.owners[place].node == node).then_some(place)
    }

    /// The stream of a place.
    pub fn stream_of(&self, place: usize) -> usize {
        self.owners[place].stream
    }

    /// The server of a place.
    pub fn node_of(&self, place: usize) -> usize {
        self.owners[place].node
    }

    /// The connection at a place, which has been connected before.
    pub fn at(&mut self, place: usize) -> &mut Connection {
        self.connections[place].as_mut().expect("all are connected before anyone asks")
    }

    /// The place whose connection has this socket now.
    pub fn find(&self, socket: SocketId) -> Option<usize> {
        let place = *self.by_socket.get(socket.index()).filter(|&&place| place != NONE)? as usize;
        let connection = self.connections[place].as_ref()?;
        (connection.socket == socket).then_some(place)
    }

    /// A place gets a socket, its first one or another.
    pub fn connect(&mut self, place: usize, socket: SocketId) {
        if self.by_socket.len() <= socket.index() {
            self.by_socket.resize(socket.index() + 1, NONE);
        }
        self.by_socket[socket.index()] = place as u32;
        let Owner { client, node, .. } = self.owners[place];
        match &mut self.connections[place] {
            Some(connection) => connection.restart(socket),
            empty => *empty = Some(Connection::new(socket, client, node)),
        }
    }

    /// A socket is nobody's any more.
    pub fn forget(&mut self, socket: SocketId) {
        self.by_socket[socket.index()] = NONE;
    }
}
