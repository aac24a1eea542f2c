//! Receiving: multishot or single receives into the ring's provided buffers.
//!
//! Job: keep a receive armed for each socket whose owner wants bytes, and share the buffers fairly.
//! In: start, once, pause, resume. Out: `Received` and `ReceiveEnded` events.
//! Invariant: a receive that found no buffer is armed again only after buffers have gone back, and
//! sockets that got nothing come before those that got something.

use std::collections::VecDeque;
use std::ptr;

use io_uring::{opcode, squeue};

use super::operation::Operation;
use super::queue::Completion;
use super::socket::{Receive, Way};
use super::{Errno, Event, NetRing, ReceiveEnd};
use crate::buffers::BUFFER_GROUP;
use crate::sockets::{Slot, SocketId};

/// Sockets whose receive ended for want of a buffer, in the order to be served.
#[derive(Default)]
pub(super) struct Starved {
    hungry: VecDeque<Slot>,
    fed: VecDeque<Slot>,
}

impl Starved {
    fn push(&mut self, slot: Slot, fed: bool) {
        let line = if fed { &mut self.fed } else { &mut self.hungry };
        line.push_back(slot);
    }

    fn next(&mut self) -> Option<Slot> {
        self.hungry.pop_front().or_else(|| self.fed.pop_front())
    }
}

impl NetRing {
    /// Starts to receive on a socket, or goes on after a pause: buffer after buffer, as bytes come.
    ///
    /// # Panics
    /// If the socket is closed, or receives once at a time.
    pub fn start_receive(&mut self, id: SocketId) {
        self.receive(id, Way::WithoutEnd);
    }

    /// Receives once: brings one `Received`, of one buffer at most, or `ReceiveEnded`. So what has
    /// come and is not worked off is bounded by what the owner asks for. Does nothing while such a
    /// receive is pending, or after `ReceiveEnded`. `pause_receive` withdraws it.
    ///
    /// # Panics
    /// If the socket is closed, or has been told to `start_receive`: a socket receives in one of
    /// the two ways as long as it lives, for a receive without end that is paused may still bring
    /// more than one buffer.
    pub fn receive_once(&mut self, id: SocketId) {
        self.receive(id, Way::Once);
    }

    fn receive(&mut self, id: SocketId, way: Way) {
        let socket = self.open_socket_mut(id);
        assert!(*socket.way.get_or_insert(way) == way, "{id:?} does not receive {way:?}");
        socket.wanted = true;
        socket.detaching = false;
        if socket.receive == Receive::Off {
            self.arm_receive(id.0);
        }
    }

    /// Stops receiving, so that the peer has to wait. What has been received already is still
    /// delivered, and so is the end of the stream if it has been seen.
    pub fn pause_receive(&mut self, id: SocketId) {
        let socket = self.open_socket_mut(id);
        socket.wanted = false;
        match socket.receive {
            Receive::Armed => self.cancel_receive(id.0),
            Receive::Starved => socket.receive = Receive::Off,
            Receive::Off | Receive::Cancelling | Receive::Ended => {}
        }
    }

    /// Goes on after `pause_receive`.
    pub fn resume_receive(&mut self, id: SocketId) {
        self.start_receive(id);
    }

    fn arm_receive(&mut self, slot: Slot) {
        let Some(socket) = self.sockets.get_mut(slot) else { return };
        socket.receive = Receive::Armed;
        socket.fed = false;
        socket.in_flight += 1;
        self.receives_armed += 1;
        let entry = match socket.way {
            Some(Way::Once) => {
                // A length of 0 stands for the length of the buffer. POLL_FIRST, where nothing is
                // there yet, was measured to save 1 % of the cost of a request at most.
                opcode::Recv::new(socket.ring_fd(), ptr::null_mut(), 0)
                    .buf_group(BUFFER_GROUP)
                    .build()
                    .flags(squeue::Flags::BUFFER_SELECT)
            }
            _ => opcode::RecvMulti::new(socket.ring_fd(), BUFFER_GROUP).build(),
        };
        let entry = entry.user_data(Operation::Receive.on(slot));
        // SAFETY: the kernel writes to provided buffers only; see `BufferRing` and `Drop`.
        unsafe { self.queue.push(entry) };
    }

    fn cancel_receive(&mut self, slot: Slot) {
        let Some(socket) = self.sockets.get_mut(slot) else { return };
        socket.receive = Receive::Cancelling;
        socket.in_flight += 1;
        let entry = opcode::AsyncCancel::new(Operation::Receive.on(slot))
            .build()
            .user_data(Operation::CancelReceive.on(slot));
        // SAFETY: the entry names no memory.
        unsafe { self.queue.push(entry) };
    }

    /// Returns released buffers to the kernel, and then arms those that wait for one.
    pub(super) fn return_buffers(&mut self) {
        self.buffers.publish();
        let mut available = self.buffers.available();
        while available > 0 {
            let Some(slot) = self.starved.next() else { break };
            let Some(socket) = self.sockets.get_mut(slot) else { continue };
            socket.in_line = false;
            if socket.receive == Receive::Starved {
                self.arm_receive(slot);
                available -= 1;
            }
        }
    }

    pub(super) fn on_receive(
        &mut self,
        slot: Slot,
        completion: Completion,
        events: &mut Vec<Event>,
    ) {
        let length = completion.result.max(0) as u32;
        let buffer = completion.buffer().map(|index| self.buffers.take(index, length));
        let Some(socket) = self.sockets.get_mut(slot) else {
            if let Some(buffer) = buffer {
                self.buffers.release(buffer);
            }
            return;
        };
        let id = SocketId(slot);
        let over = !completion.more();
        if over {
            socket.in_flight -= 1;
            socket.receive = Receive::Off;
        }
        let closing = socket.closing;
        match buffer {
            Some(buffer) if length > 0 && !closing => {
                socket.fed = true;
                socket.detaching = false;
                if socket.way == Some(Way::Once) {
                    socket.wanted = false;
                }
                events.push(Event::Received { socket: id, buffer });
            }
            Some(buffer) => self.buffers.release(buffer),
            None => {}
        }
        if over {
            if !closing {
                self.after_receive(slot, completion.result, events);
            }
            self.finish_close(slot, events);
            self.finish_detach(slot, events);
        } else {
            // A cancel that found the receive at work has to be repeated.
            let Some(socket) = self.sockets.get_mut(slot) else { return };
            if !socket.wanted && !closing && socket.receive == Receive::Armed {
                self.cancel_receive(slot);
            }
        }
    }

    /// The receive has left the kernel with `result`.
    fn after_receive(&mut self, slot: Slot, result: i32, events: &mut Vec<Event>) {
        let Some(socket) = self.sockets.get_mut(slot) else { return };
        let end = match result {
            0 => ReceiveEnd::EndOfStream,
            1.. => return self.rearm_if_wanted(slot),
            _ => match -result {
                libc::ENOBUFS => {
                    if socket.wanted {
                        socket.receive = Receive::Starved;
                        if !std::mem::replace(&mut socket.in_line, true) {
                            self.starved.push(slot, socket.fed);
                        }
                    }
                    return;
                }
                libc::ECANCELED | libc::EINTR | libc::EAGAIN => return self.rearm_if_wanted(slot),
                errno => ReceiveEnd::Error(Errno(errno)),
            },
        };
        socket.receive = Receive::Ended;
        socket.detaching = false;
        events.push(Event::ReceiveEnded { socket: SocketId(slot), end });
    }

    fn rearm_if_wanted(&mut self, slot: Slot) {
        if self.sockets.get(slot).is_some_and(|one| one.wanted && one.receive == Receive::Off) {
            self.arm_receive(slot);
        }
    }

    pub(super) fn on_cancel_receive(
        &mut self,
        slot: Slot,
        completion: Completion,
        events: &mut Vec<Event>,
    ) {
        let Some(socket) = self.sockets.get_mut(slot) else { return };
        socket.in_flight -= 1;
        if socket.receive == Receive::Cancelling {
            // Either the end of the receive is on its way, or the cancel has missed it.
            socket.receive = Receive::Armed;
            if socket.detaching && completion.result < 0 {
                // Nothing else would end it while the peer is silent.
                self.cancel_receive(slot);
            }
        }
        self.finish_close(slot, events);
        self.finish_detach(slot, events);
    }
}
