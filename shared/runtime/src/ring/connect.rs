//! Sockets that do not come from a listener: outgoing connections, and those handed over.
//!
//! Job: bring sockets into the ring.
//! In: an address, or a connected descriptor. Out: an id, and a `Connected` event for the former.
//! Invariant: the address stays until the connect has completed.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;

use io_uring::opcode;

use super::address::RawAddress;
use super::operation::Operation;
use super::options::{self, bind, set_option};
use super::queue::Completion;
use super::socket::Socket;
use super::{Errno, Event, NetRing, SocketAddress};
use crate::sockets::{Slot, SocketId};

impl NetRing {
    /// Takes over a connected stream socket, for instance one that another core has detached.
    ///
    /// # Errors
    /// ENFILE when the table of sockets is full; what fcntl(2) says when it is no socket.
    pub fn adopt(&mut self, fd: OwnedFd) -> io::Result<SocketId> {
        options::make_blocking(&fd)?;
        self.insert(fd)
    }

    /// Begins to connect; `Event::Connected` tells how it ends. `close` gives it up. TCP_NODELAY is
    /// set, as it is on accepted sockets by default.
    ///
    /// # Errors
    /// When there is no descriptor or no room for another socket, or the address is no valid one.
    pub fn connect(&mut self, address: &SocketAddress) -> io::Result<SocketId> {
        self.connect_from(address, None)
    }

    /// As [`NetRing::connect`], from an address of this machine. The port is chosen when it
    /// connects, so that one port serves connections to several destinations.
    ///
    /// # Errors
    /// Also when this machine has no such address, or it is of another family.
    pub fn connect_from(
        &mut self,
        address: &SocketAddress,
        source: Option<IpAddr>,
    ) -> io::Result<SocketId> {
        let raw = Box::new(RawAddress::new(address)?);
        let fd = options::stream_socket(raw.family(), 0)?;
        if !address.is_unix() {
            options::set_no_delay(&fd, true)?;
        }
        if let Some(source) = source {
            // This option of IPv4 serves IPv6 as well.
            set_option(&fd, libc::IPPROTO_IP, libc::IP_BIND_ADDRESS_NO_PORT, 1)?;
            bind(&fd, &SocketAddress::Ip(SocketAddr::new(source, 0)))?;
        }
        let id = self.insert(fd)?;
        let socket = self.open_socket_mut(id);
        let (pointer, length) = raw.as_raw();
        let entry = opcode::Connect::new(socket.ring_fd(), pointer, length)
            .build()
            .user_data(Operation::Connect.on(id.0));
        socket.address = Some(raw);
        socket.in_flight += 1;
        // SAFETY: the boxed address stays in the socket until the completion.
        unsafe { self.queue.push(entry) };
        Ok(id)
    }

    fn insert(&mut self, fd: OwnedFd) -> io::Result<SocketId> {
        match self.sockets.insert(Socket::new(fd)) {
            Ok(slot) => Ok(SocketId(slot)),
            Err(_) => Err(io::Error::from_raw_os_error(libc::ENFILE)),
        }
    }

    pub(super) fn on_connect(
        &mut self,
        slot: Slot,
        completion: Completion,
        events: &mut Vec<Event>,
    ) {
        let Some(socket) = self.sockets.get_mut(slot) else { return };
        socket.in_flight -= 1;
        socket.address = None;
        if !socket.closing {
            let result =
                if completion.result < 0 { Err(Errno(-completion.result)) } else { Ok(()) };
            events.push(Event::Connected { socket: SocketId(slot), result });
        }
        self.finish_close(slot, events);
    }
}
