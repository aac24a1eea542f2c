//! Who is to be polled again.
//!
//! Job: remember what the HTTP/2 library wakes. In: its wakers. Out: whether the connection is to be
//! polled, and which streams. Invariant: waking runs nothing; each stream stands in the list at most
//! once for each time that it was polled.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Wake, Waker};

/// What has been woken since it was looked at.
#[derive(Debug, Default)]
pub struct Wakes {
    is_connection_woken: AtomicBool,
    streams: Mutex<Vec<u32>>,
}

struct StreamWake {
    wakes: Arc<Wakes>,
    stream: u32,
}

impl Wakes {
    /// What wakes the connection is this itself.
    pub fn connection_waker(self: &Arc<Self>) -> Waker {
        Waker::from(self.clone())
    }

    /// A waker for the stream of this number.
    pub fn stream_waker(self: &Arc<Self>, stream: u32) -> Waker {
        Waker::from(Arc::new(StreamWake { wakes: self.clone(), stream }))
    }

    /// Whether the connection has been woken since it was last asked.
    pub fn take_connection(&self) -> bool {
        self.is_connection_woken.swap(false, Ordering::Relaxed)
    }

    /// A stream that has been woken.
    pub fn take_stream(&self) -> Option<u32> {
        self.streams.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }
}

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.is_connection_woken.store(true, Ordering::Relaxed);
    }
}

impl Wake for StreamWake {
    fn wake(self: Arc<Self>) {
        self.wakes.streams.lock().unwrap_or_else(PoisonError::into_inner).push(self.stream);
    }
}
