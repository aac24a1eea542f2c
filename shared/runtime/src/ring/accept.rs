//! Listeners: multishot accept.
//!
//! Job: keep one accept armed per listener, and let a listener rest when there is no room.
//! In: listening descriptors. Out: `Accepted` and `AcceptFailed` events.
//! Invariant: a failing accept is tried again after a rest, never in a hot loop, and a series of
//! failures is told once.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use io_uring::{opcode, types};

use super::operation::Operation;
use super::queue::Completion;
use super::socket::Socket;
use super::{Errno, Event, ListenerId, NetRing, options};
use crate::sockets::{Slot, SocketId};

/// How long a listener rests when it could not accept for the first time. Each further time doubles
/// it: the kernel takes a descriptor before it looks for a connection, so without descriptors every
/// try fails, although nobody may be waiting.
const FIRST_REST_MS: u32 = 50;
const LONGEST_REST_MS: u32 = 1000;

pub(super) struct Listener {
    fd: OwnedFd,
    armed: bool,
    stopping: bool,
    /// What is left of the present rest.
    rest_ms: u32,
    /// How long the last rest was, of the present series of failures.
    last_rest_ms: u32,
    in_flight: u8,
}

impl Listener {
    pub(super) fn descriptor(&self) -> &OwnedFd {
        &self.fd
    }
}

impl NetRing {
    /// Accepts connections from a listening socket, which the ring owns from now on.
    ///
    /// # Errors
    /// When the descriptor is none of a socket.
    pub fn listen(&mut self, listener: OwnedFd) -> io::Result<ListenerId> {
        options::make_blocking(&listener)?;
        let listener = Listener {
            fd: listener,
            armed: false,
            stopping: false,
            rest_ms: 0,
            last_rest_ms: 0,
            in_flight: 0,
        };
        let Ok(slot) = self.listeners.insert(listener) else {
            return Err(io::Error::from_raw_os_error(libc::ENFILE));
        };
        self.arm_accept(slot);
        Ok(ListenerId(slot))
    }

    /// Stops accepting and closes the listening socket. Connections that the kernel has accepted
    /// meanwhile are still delivered.
    pub fn stop_listening(&mut self, id: ListenerId) {
        let Some(listener) = self.listeners.get_mut(id.0) else { return };
        if listener.stopping {
            return;
        }
        listener.stopping = true;
        if listener.armed {
            self.cancel_accept(id.0);
        } else {
            self.finish_listener(id.0);
        }
    }

    /// Ends the rest of a listener after `AcceptFailed`, for instance because descriptors are free
    /// again.
    pub fn resume_accept(&mut self, id: ListenerId) {
        let Some(listener) = self.listeners.get_mut(id.0) else { return };
        listener.rest_ms = 0;
        if !listener.armed && !listener.stopping {
            self.arm_accept(id.0);
        }
    }

    fn arm_accept(&mut self, slot: Slot) {
        let Some(listener) = self.listeners.get_mut(slot) else { return };
        listener.armed = true;
        listener.in_flight += 1;
        let entry = opcode::AcceptMulti::new(types::Fd(listener.fd.as_raw_fd()))
            .flags(libc::SOCK_CLOEXEC)
            .build()
            .user_data(Operation::Accept.on(slot));
        // SAFETY: the entry names no memory (multishot accept takes no address).
        unsafe { self.queue.push(entry) };
    }

    fn cancel_accept(&mut self, slot: Slot) {
        let Some(listener) = self.listeners.get_mut(slot) else { return };
        listener.in_flight += 1;
        let entry = opcode::AsyncCancel::new(Operation::Accept.on(slot))
            .build()
            .user_data(Operation::CancelAccept.on(slot));
        // SAFETY: the entry names no memory.
        unsafe { self.queue.push(entry) };
    }

    fn finish_listener(&mut self, slot: Slot) {
        let done =
            self.listeners.get_mut(slot).is_some_and(|one| one.stopping && one.in_flight == 0);
        if done {
            self.listeners.remove(slot);
        }
    }

    /// A tick has passed: listeners that have rested long enough accept again.
    pub(super) fn rest_listeners_less(&mut self, passed_ms: u32) {
        let mut rested = Vec::new();
        for (slot, listener) in self.listeners.iter_mut() {
            if listener.rest_ms == 0 {
                continue;
            }
            listener.rest_ms = listener.rest_ms.saturating_sub(passed_ms);
            if listener.rest_ms == 0 && !listener.armed && !listener.stopping {
                rested.push(slot);
            }
        }
        for slot in rested {
            self.arm_accept(slot);
        }
    }

    pub(super) fn on_accept(
        &mut self,
        slot: Slot,
        completion: Completion,
        events: &mut Vec<Event>,
    ) {
        let id = ListenerId(slot);
        let mut failure = None;
        if completion.result >= 0 {
            // SAFETY: the kernel has just given us this descriptor, and nobody else has it.
            let fd = unsafe { OwnedFd::from_raw_fd(completion.result) };
            match self.sockets.insert(Socket::new(fd)) {
                Ok(socket) => {
                    events.push(Event::Accepted { listener: id, socket: SocketId(socket) });
                }
                // Dropping it closes it: there is no room to say why.
                Err(_) => failure = Some(Errno(libc::EMFILE)),
            }
        } else {
            match -completion.result {
                libc::ECANCELED | libc::ECONNABORTED | libc::EINTR | libc::EAGAIN => {}
                errno => failure = Some(Errno(errno)),
            }
        }
        let Some(listener) = self.listeners.get_mut(slot) else { return };
        if !completion.more() {
            listener.armed = false;
            listener.in_flight -= 1;
        }
        let mut cancel = false;
        match failure {
            None if completion.result >= 0 => listener.last_rest_ms = 0,
            Some(errno) if listener.rest_ms == 0 && !listener.stopping => {
                if listener.last_rest_ms == 0 {
                    events.push(Event::AcceptFailed { listener: id, errno });
                }
                listener.last_rest_ms =
                    (listener.last_rest_ms * 2).clamp(FIRST_REST_MS, LONGEST_REST_MS);
                listener.rest_ms = listener.last_rest_ms;
                cancel = listener.armed;
            }
            _ => {}
        }
        let rearm = !listener.armed && !listener.stopping && listener.rest_ms == 0;
        if cancel {
            self.cancel_accept(slot);
        } else if rearm {
            self.arm_accept(slot);
        }
        self.finish_listener(slot);
    }

    pub(super) fn on_cancel_accept(&mut self, slot: Slot) {
        if let Some(listener) = self.listeners.get_mut(slot) {
            listener.in_flight -= 1;
        }
        self.finish_listener(slot);
    }
}
