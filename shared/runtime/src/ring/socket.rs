//! What a net ring knows about one socket.
//!
//! Job: the state of one socket between completions.
//! In: calls and completions. Out: nothing by itself.
//! Invariant: `in_flight` counts the submissions that still owe a completion; while it is not 0 the
//! descriptor stays open and the memory of the send and of the address stays.

use std::os::fd::{AsRawFd, OwnedFd};

use io_uring::types;

use super::address::RawAddress;
use super::send::Sending;

/// How a socket receives, from its first receive on.
#[derive(Copy, Clone, Eq, PartialEq, Debug)]
pub(super) enum Way {
    /// Buffer after buffer, until it is paused.
    WithoutEnd,
    /// One buffer for each time that it is asked.
    Once,
}

/// Where the receive stands.
#[derive(Copy, Clone, Eq, PartialEq, Debug)]
pub(super) enum Receive {
    /// Not in the kernel.
    Off,
    /// In the kernel.
    Armed,
    /// In the kernel, and a cancel follows it.
    Cancelling,
    /// Not in the kernel, because there was no buffer; waits in the queue of the starved.
    Starved,
    /// Over: end of stream or error.
    Ended,
}

/// Where the writing half stands.
#[derive(Copy, Clone, Eq, PartialEq, Debug)]
pub(super) enum Writing {
    Open,
    /// To be shut down when the send in flight has ended.
    EndsAfterSend,
    Ended,
}

pub(super) struct Socket {
    pub(super) fd: OwnedFd,
    pub(super) receive: Receive,
    /// Whether the owner wants to receive now.
    pub(super) wanted: bool,
    /// Settled by the first receive.
    pub(super) way: Option<Way>,
    /// Whether the present arming has brought anything: those that got nothing come first.
    pub(super) fed: bool,
    /// Whether the socket stands in the queue of the starved (it stays there through a pause).
    pub(super) in_line: bool,
    pub(super) writing: Writing,
    pub(super) closing: bool,
    /// Whether the socket leaves the ring when nothing of it is in flight any more.
    pub(super) detaching: bool,
    pub(super) in_flight: u8,
    pub(super) sending: Option<Sending>,
    /// Bytes of the last send that were left when it failed.
    pub(super) unsent: usize,
    pub(super) address: Option<Box<RawAddress>>,
}

impl Socket {
    pub(super) fn new(fd: OwnedFd) -> Self {
        Self {
            fd,
            receive: Receive::Off,
            wanted: false,
            way: None,
            fed: false,
            in_line: false,
            writing: Writing::Open,
            closing: false,
            detaching: false,
            in_flight: 0,
            sending: None,
            unsent: 0,
            address: None,
        }
    }

    pub(super) fn ring_fd(&self) -> types::Fd {
        types::Fd(self.fd.as_raw_fd())
    }
}
