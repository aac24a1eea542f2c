//! Listeners: multishot accept.
//!
//! Job: keep one accept armed per listener, and let a listener rest when there is no room.
//! In: listening descriptors, pause, resume, stop. Out: `Accepted`, `AcceptFailed` and
//! `ListenerClosed` events.
//! Invariant: a failing accept is tried again after a rest, never in a hot loop, and a series of
//! failures is told once; a listener closes when nobody waits in its queue any more.

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
    /// Whether a cancel of the accept that is armed is on its way, or has found it.
    cancelling: bool,
    paused: bool,
    stopping: Stopping,
    /// What is left of the present rest.
    rest_ms: u32,
    /// How long the last rest was, of the present series of failures.
    last_rest_ms: u32,
    in_flight: u8,
}

/// How far the end of a listener has come.
#[derive(Copy, Clone, Eq, PartialEq, Debug)]
enum Stopping {
    No,
    /// The accept that was armed is to end.
    Asked,
    /// One more accept takes what waits in the kernel, and ends.
    Emptying,
}

impl Listener {
    pub(super) fn descriptor(&self) -> &OwnedFd {
        &self.fd
    }

    fn wants_connections(&self) -> bool {
        self.stopping == Stopping::No && !self.paused && self.rest_ms == 0
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
            cancelling: false,
            paused: false,
            stopping: Stopping::No,
            rest_ms: 0,
            last_rest_ms: 0,
            in_flight: 0,
        };
        let Ok(slot) = self.listeners.insert(listener) else {
            return Err(io::Error::from_raw_os_error(libc::ENFILE));
        };
        self.tend_listener(slot);
        Ok(ListenerId(slot))
    }

    /// Stops accepting, delivers the connections that wait in the kernel, and closes the listening
    /// socket; `Event::ListenerClosed` is the last of it. A client is turned away only from then
    /// on: a new listener on the same address should be there before.
    pub fn stop_listening(&mut self, id: ListenerId) {
        let Some(listener) = self.listeners.get_mut(id.0) else { return };
        if listener.stopping == Stopping::No {
            listener.stopping = Stopping::Asked;
            self.tend_listener(id.0);
        }
    }

    /// Leaves new connections to wait in the kernel, as many as the backlog holds, until
    /// `resume_accept`. Those that the kernel has accepted meanwhile are still delivered. A
    /// listener among several of one address keeps its share of the connections: they wait for it.
    pub fn pause_accept(&mut self, id: ListenerId) {
        let Some(listener) = self.listeners.get_mut(id.0) else { return };
        listener.paused = true;
        self.tend_listener(id.0);
    }

    /// Goes on after `pause_accept`. Also ends the rest of a listener after `AcceptFailed`, for
    /// instance because descriptors are free again.
    pub fn resume_accept(&mut self, id: ListenerId) {
        let Some(listener) = self.listeners.get_mut(id.0) else { return };
        listener.paused = false;
        listener.rest_ms = 0;
        self.tend_listener(id.0);
    }

    /// Does the next thing that brings a listener to what is wanted of it.
    fn tend_listener(&mut self, slot: Slot) {
        let Some(listener) = self.listeners.get_mut(slot) else { return };
        if listener.armed {
            if !listener.cancelling && !listener.wants_connections() {
                self.cancel_accept(slot);
            }
        } else if listener.wants_connections() {
            self.arm_accept(slot);
        } else if listener.stopping == Stopping::Asked && listener.in_flight == 0 {
            listener.stopping = Stopping::Emptying;
            // In this order in one submission: it takes all that waits, and then finds its end.
            self.arm_accept(slot);
            self.cancel_accept(slot);
        }
    }

    fn arm_accept(&mut self, slot: Slot) {
        let Some(listener) = self.listeners.get_mut(slot) else { return };
        listener.armed = true;
        listener.cancelling = false;
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
        listener.cancelling = true;
        listener.in_flight += 1;
        let entry = opcode::AsyncCancel::new(Operation::Accept.on(slot))
            .build()
            .user_data(Operation::CancelAccept.on(slot));
        // SAFETY: the entry names no memory.
        unsafe { self.queue.push(entry) };
    }

    /// Closes a listener that has been emptied when nothing of it is in flight any more.
    fn finish_listener(&mut self, slot: Slot, events: &mut Vec<Event>) {
        let is_over = |one: &mut Listener| one.stopping == Stopping::Emptying && one.in_flight == 0;
        if self.listeners.get_mut(slot).is_some_and(is_over) {
            self.listeners.remove(slot);
            events.push(Event::ListenerClosed { listener: ListenerId(slot) });
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
            if listener.rest_ms == 0 {
                rested.push(slot);
            }
        }
        for slot in rested {
            self.tend_listener(slot);
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
            if listener.stopping == Stopping::Emptying && completion.result >= 0 {
                // The completion queue was full: more may be waiting.
                listener.stopping = Stopping::Asked;
            }
        }
        match failure {
            None if completion.result >= 0 => listener.last_rest_ms = 0,
            Some(errno) if listener.rest_ms == 0 && listener.stopping == Stopping::No => {
                if listener.last_rest_ms == 0 {
                    events.push(Event::AcceptFailed { listener: id, errno });
                }
                listener.last_rest_ms =
                    (listener.last_rest_ms * 2).clamp(FIRST_REST_MS, LONGEST_REST_MS);
                listener.rest_ms = listener.last_rest_ms;
            }
            _ => {}
        }
        self.tend_listener(slot);
        self.finish_listener(slot, events);
    }

    pub(super) fn on_cancel_accept(
        &mut self,
        slot: Slot,
        completion: Completion,
        events: &mut Vec<Event>,
    ) {
        if let Some(listener) = self.listeners.get_mut(slot) {
            listener.in_flight -= 1;
            // A cancel that has missed the accept has to be repeated.
            listener.cancelling &= completion.result >= 0;
        }
        self.tend_listener(slot);
        self.finish_listener(slot, events);
    }
}
