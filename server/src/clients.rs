//! Clients: the connections of one core, by place, and the lists the core loop works through.
//! In: accepted sockets. Out: connections by name; those with output, those with waiting input.
//! Invariant: a connection that is taken out to be worked on is put back before anybody else looks.

use ringlet_runtime::ring::SocketId;

use crate::connection::Connection;
use crate::message::Client;
use crate::stall::Stall;

/// The connections of one core.
#[derive(Default)]
pub struct Clients {
    places: Vec<Option<Box<Connection>>>,
    len: usize,
    /// Those that the core loop has to look at.
    pub lists: Lists,
    /// Places of monitors.
    pub monitors: Vec<u32>,
}

/// Places of connections that the core loop has to look at.
#[derive(Default)]
pub struct Lists {
    /// There is output that was not handed to the ring.
    pub dirty: Vec<u32>,
    /// What has stalled them is gone.
    pub retry: Vec<u32>,
}

impl Lists {
    /// Notes that a connection has output for the ring.
    #[inline]
    pub fn mark_dirty(&mut self, connection: &mut Connection) {
        if !connection.is_dirty {
            connection.is_dirty = true;
            self.dirty.push(connection.client.index);
        }
    }

    /// Notes that the input of a stalled connection is to be parsed further.
    #[inline]
    pub fn retry(&mut self, connection: &mut Connection) {
        connection.stall = Some(Stall::Over);
        self.retry.push(connection.client.index);
    }
}

/// The name of a socket's connection: its place and generation are the socket's.
pub fn client_of(core: u16, socket: SocketId) -> Client {
    let generation = (socket.to_bits() >> 32) as u32 ^ socket.to_bits() as u32;
    Client { core, index: socket.index() as u32, generation }
}

impl Clients {
    /// Number of connections.
    pub fn len(&self) -> usize {
        self.len
    }

    /// True when there is none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Number of connections whose blocking command waits for a key.
    pub fn blocked_len(&self) -> usize {
        let is_blocked = |connection: &&Connection| {
            connection.waiting.as_ref().is_some_and(|waiting| waiting.claim.is_waiting())
        };
        self.iter().filter(is_blocked).count()
    }

    /// Adds a connection at its socket's place.
    pub fn add(&mut self, connection: Box<Connection>) {
        let place = connection.client.index as usize;
        if self.places.len() <= place {
            self.places.resize_with(place + 1, || None);
        }
        assert!(self.places[place].is_none(), "bug: two connections in one place");
        self.places[place] = Some(connection);
        self.len += 1;
    }

    /// Takes a connection out for good.
    pub fn remove(&mut self, place: u32) -> Option<Box<Connection>> {
        let removed = self.places.get_mut(place as usize)?.take();
        self.len -= usize::from(removed.is_some());
        removed
    }

    /// Takes a connection out for a while.
    #[inline]
    pub fn take(&mut self, place: u32) -> Option<Box<Connection>> {
        self.places.get_mut(place as usize)?.take()
    }

    /// Puts a connection back.
    #[inline]
    pub fn put_back(&mut self, connection: Box<Connection>) {
        let place = connection.client.index as usize;
        self.places[place] = Some(connection);
    }

    /// The connection of this name, unless it is gone.
    #[inline]
    pub fn get_mut(&mut self, client: Client) -> Option<&mut Connection> {
        self.places
            .get_mut(client.index as usize)?
            .as_deref_mut()
            .filter(|connection| connection.client == client)
    }

    /// The connection of this name with the lists that it may have to stand in.
    #[inline]
    pub fn get_with_lists(&mut self, client: Client) -> (&mut Lists, Option<&mut Connection>) {
        let connection = self
            .places
            .get_mut(client.index as usize)
            .and_then(Option::as_deref_mut)
            .filter(|connection| connection.client == client);
        (&mut self.lists, connection)
    }

    /// The connection at a place.
    pub fn at_mut(&mut self, place: u32) -> Option<&mut Connection> {
        self.places.get_mut(place as usize)?.as_deref_mut()
    }

    /// All connections.
    pub fn iter(&self) -> impl Iterator<Item = &Connection> {
        self.places.iter().filter_map(Option::as_deref)
    }

    /// All connections, to be changed.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Connection> {
        self.places.iter_mut().filter_map(Option::as_deref_mut)
    }

    /// Notes all stalled connections that `is_free` names as those to be tried again.
    pub fn retry_where(&mut self, is_free: impl Fn(&Connection) -> bool) {
        for connection in self.places.iter_mut().filter_map(Option::as_deref_mut) {
            if is_free(connection) {
                self.lists.retry(connection);
            }
        }
    }
}
