//! Ends of sockets: half close, close, and handing a socket over.
//!
//! Job: end a socket without losing a completion of it.
//! In: shutdown, close, detach. Out: `Closed` and `Detached` events.
//! Invariant: the descriptor is closed or handed out, and the id dies, only after the last
//! completion, in the wait that delivers `Closed` or `Detached`.

use std::os::fd::{AsRawFd, OwnedFd};

use io_uring::{opcode, types};

use super::operation::Operation;
use super::queue::Completion;
use super::socket::{Receive, Socket, Writing};
use super::{Event, NetRing};
use crate::sockets::{Slot, SocketId};

impl NetRing {
    /// Whether the id names a socket that has not been told to close. The calls that panic on
    /// others do so because it is the owner who ends a socket, by `close` or `detach`: one that has
    /// failed stays open until then. Only `begin_detach` leaves the end to the ring; between it
    /// and the event that follows, whoever wants to use the socket asks here first.
    pub fn is_open(&self, id: SocketId) -> bool {
        self.sockets.get(id.0).is_some_and(|socket| !socket.closing)
    }

    /// Ends the writing half, after the send in flight if there is one. Receiving goes on.
    pub fn shutdown_write(&mut self, id: SocketId) {
        let socket = self.open_socket_mut(id);
        if socket.writing != Writing::Open {
            return;
        }
        if socket.sending.is_some() {
            socket.writing = Writing::EndsAfterSend;
        } else {
            self.end_writing(id.0);
        }
    }

    /// Closes a socket: cancels what is in flight. A send in flight comes back with `Event::Sent`;
    /// the last event is `Event::Closed`. Whoever wants his last bytes sent waits for `Sent` first.
    ///
    /// # Panics
    /// If the socket has been closed before.
    pub fn close(&mut self, id: SocketId) {
        let socket = self.open_socket_mut(id);
        socket.closing = true;
        socket.detaching = false;
        socket.wanted = false;
        // Buffers that come back must not arm a receive on a descriptor about to be closed.
        if socket.receive == Receive::Starved {
            socket.receive = Receive::Off;
        }
        if socket.in_flight == 0 {
            self.ready.push_back(Event::Closed { socket: id });
            return;
        }
        socket.in_flight += 1;
        let entry = opcode::AsyncCancel2::new(types::CancelBuilder::fd(socket.ring_fd()).all())
            .build()
            .user_data(Operation::CancelSocket.on(id.0));
        // SAFETY: the entry names no memory.
        unsafe { self.queue.push(entry) };
    }

    /// As [`NetRing::close`], but the peer of a TCP connection gets a reset, and cannot take the
    /// end for an orderly one. What has not been sent is dropped.
    ///
    /// # Panics
    /// If the socket has been closed before.
    pub fn close_with_reset(&mut self, id: SocketId) {
        // Not SO_LINGER, which waits for the close: a shutdown before would send an orderly end.
        abort(self.open_socket_mut(id));
        self.close(id);
    }

    /// Takes a socket out of the ring, to hand it to another core's [`NetRing::adopt`]. Its id dies
    /// without an event. `None` if anything is in flight: do it before `start_receive`.
    pub fn detach(&mut self, id: SocketId) -> Option<OwnedFd> {
        let socket = self.sockets.get(id.0)?;
        if socket.closing || socket.in_flight > 0 {
            return None;
        }
        self.sockets.remove(id.0).map(|socket| socket.fd)
    }

    /// As [`NetRing::detach`] for a socket with a receive pending, such as an idle connection:
    /// withdraws the receive. Then there is one of two events. Either `Detached`, and the id is
    /// dead. Or `Received` or `ReceiveEnded`, if something came first: then the socket stays, as if
    /// it had only been paused. A `send`, a receive or a `close` before either event takes the
    /// wish back, and the socket stays too.
    ///
    /// # Panics
    /// If the socket is closed, connects, or has a send in flight.
    pub fn begin_detach(&mut self, id: SocketId) {
        let socket = self.open_socket_mut(id);
        let is_quiet = socket.sending.is_none() && socket.address.is_none();
        assert!(is_quiet, "{id:?} connects or has a send in flight");
        if !std::mem::replace(&mut socket.detaching, true) {
            // If nothing is in flight, no completion will tell; the next wait does.
            self.detaches.push(id.0);
        }
        self.pause_receive(id);
    }

    pub(super) fn open_socket_mut(&mut self, id: SocketId) -> &mut Socket {
        let socket = self.sockets.get_mut(id.0);
        match socket {
            Some(socket) if !socket.closing => socket,
            _ => panic!("{id:?} is closed"),
        }
    }

    pub(super) fn end_writing(&mut self, slot: Slot) {
        let Some(socket) = self.sockets.get_mut(slot) else { return };
        socket.writing = Writing::Ended;
        shut_down(socket, libc::SHUT_WR);
    }

    /// Closes the descriptor if the socket is closing and nothing of it is in flight any more.
    pub(super) fn finish_close(&mut self, slot: Slot, events: &mut Vec<Event>) {
        let done = self.sockets.get(slot).is_some_and(|one| one.closing && one.in_flight == 0);
        if done {
            self.sockets.remove(slot);
            events.push(Event::Closed { socket: SocketId(slot) });
        }
    }

    /// Hands the descriptor out if the socket is to leave and nothing of it is in flight any more.
    pub(super) fn finish_detach(&mut self, slot: Slot, events: &mut Vec<Event>) {
        let done = self.sockets.get(slot).is_some_and(|one| one.detaching && one.in_flight == 0);
        if done && let Some(socket) = self.sockets.remove(slot) {
            events.push(Event::Detached { socket: SocketId(slot), fd: socket.fd });
        }
    }

    pub(super) fn on_cancel_socket(
        &mut self,
        slot: Slot,
        completion: Completion,
        events: &mut Vec<Event>,
    ) {
        let Some(socket) = self.sockets.get_mut(slot) else { return };
        socket.in_flight -= 1;
        if completion.result < i32::from(socket.in_flight) {
            // The result is the number of operations found. What the cancel has missed may be over
            // already, or run where none can reach it; a dead connection ends it all the same.
            shut_down(socket, libc::SHUT_RDWR);
        }
        self.finish_close(slot, events);
    }
}

fn shut_down(socket: &Socket, how: libc::c_int) {
    // SAFETY: takes no memory. It fails only where there is no connection any more, and then the
    // receive and the send tell.
    unsafe { libc::shutdown(socket.fd.as_raw_fd(), how) };
}

/// Drops what has come and what has not been sent, and resets the connection.
fn abort(socket: &Socket) {
    let nobody =
        libc::sockaddr { sa_family: libc::AF_UNSPEC as libc::sa_family_t, sa_data: [0; 14] };
    let length = size_of_val(&nobody) as libc::socklen_t;
    // SAFETY: pointer and length describe `nobody`, which outlives the call. It fails only where
    // there is no connection to reset.
    unsafe { libc::connect(socket.fd.as_raw_fd(), &raw const nobody, length) };
}
