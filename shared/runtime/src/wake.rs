//! Ringing a core that sleeps in its net ring.
//!
//! Job: what others need to wake a core: its ring (for cores, by MSG_RING) and an eventfd (for
//! threads).
//! In: the ring's descriptor. Out: [`WakeHandle`], to be given to whoever has work for the core.
//! Invariant: a ring is never lost: the core's next wait returns with `Event::Woken`.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::sync::Arc;

struct Bell {
    /// A duplicate, so that the number cannot come to mean something else while a handle lives.
    ring: OwnedFd,
    event: File,
}

/// Rings one core. Cheap to clone; may outlive the ring (it then rings nobody).
#[derive(Clone)]
pub struct WakeHandle {
    bell: Arc<Bell>,
}

impl WakeHandle {
    /// Makes an eventfd and duplicates the descriptor of the ring.
    pub(crate) fn new(ring_fd: RawFd) -> io::Result<Self> {
        // SAFETY: eventfd(2) takes no memory; the result is checked.
        let event = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) };
        if event < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: a fresh descriptor that nobody else owns.
        let event = unsafe { File::from_raw_fd(event) };
        // SAFETY: duplicating takes no memory; the result is checked.
        let ring = unsafe { libc::fcntl(ring_fd, libc::F_DUPFD_CLOEXEC, 0) };
        if ring < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: a fresh descriptor that nobody else owns.
        let ring = unsafe { OwnedFd::from_raw_fd(ring) };
        Ok(Self { bell: Arc::new(Bell { ring, event }) })
    }

    /// Rings the core from any thread: one write(2). From a core, `NetRing::wake` is cheaper.
    pub fn wake(&self) {
        // A write of 1 fails only if the counter stands at its maximum, and then the core has been
        // rung.
        let _ = (&self.bell.event).write(&1u64.to_ne_bytes());
    }

    /// Whether both ring the same core.
    pub fn same_core(&self, other: &WakeHandle) -> bool {
        Arc::ptr_eq(&self.bell, &other.bell)
    }

    pub(crate) fn ring_fd(&self) -> RawFd {
        self.bell.ring.as_raw_fd()
    }

    pub(crate) fn event_fd(&self) -> RawFd {
        self.bell.event.as_raw_fd()
    }
}
