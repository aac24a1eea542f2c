//! The buffers that the kernel fills with received bytes.
//!
//! Job: own one block of memory, cut into equal buffers, and lend them to the kernel through a
//! provided-buffer ring (io_uring_register_buf_ring(3)).
//! In: the ring to register with, number and size. Out: [`ReceivedBuffer`] values.
//! Invariant: each buffer is at any time either with the kernel or in exactly one `ReceivedBuffer`;
//! only the latter is ever read here.

use std::io;
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicU16, Ordering};

use io_uring::types::BufRingEntry;

/// The one buffer group of a net ring.
pub(crate) const BUFFER_GROUP: u16 = 0;

/// Most buffers that the kernel takes in one ring.
pub(crate) const MAX_BUFFERS: u16 = 1 << 15;

static NEXT_RING: AtomicU16 = AtomicU16::new(0);

/// Received bytes, lent by the kernel. They must go back with `NetRing::release`, else the ring
/// runs out of buffers and receives nothing more.
#[must_use = "a received buffer must be given back with NetRing::release"]
#[derive(Debug, Eq, PartialEq)]
pub struct ReceivedBuffer {
    length: u32,
    index: u16,
    ring: u16,
}

impl ReceivedBuffer {
    /// Number of bytes received, at least 1.
    pub fn len(&self) -> usize {
        self.length as usize
    }

    /// Never true: the kernel delivers no empty buffers.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }
}

/// An anonymous private mapping, page aligned and zeroed.
struct Mapping {
    address: NonNull<u8>,
    length: usize,
}

impl Mapping {
    fn new(length: usize) -> io::Result<Self> {
        // SAFETY: a fresh anonymous mapping at an address of the kernel's choice touches nothing
        // else.
        let address = unsafe {
            libc::mmap(
                ptr::null_mut(),
                length,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                -1,
                0,
            )
        };
        if address == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let address = NonNull::new(address.cast()).expect("mmap never returns a null address");
        Ok(Self { address, length })
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours, and its owner promises that the kernel no longer uses it.
        unsafe { libc::munmap(self.address.as_ptr().cast(), self.length) };
    }
}

/// The provided-buffer ring of one net ring.
///
/// The owner must keep it alive until the ring has no receive in flight and has unregistered it.
pub(crate) struct BufferRing {
    entries: Mapping,
    memory: Mapping,
    count: u16,
    size: u32,
    /// Which ring's buffers these are, so that no buffer is released to a foreign ring.
    ring: u16,
    /// Buffers given to the kernel since the start, of which `published` are visible to it.
    tail: u16,
    published: u16,
    /// Buffers that the owner holds.
    lent: u16,
}

impl BufferRing {
    /// Makes `count` (a power of two) buffers of `size` bytes each. They still have to be
    /// registered.
    pub(crate) fn new(count: u16, size: u32) -> io::Result<Self> {
        assert!(
            count.is_power_of_two() && count <= MAX_BUFFERS,
            "{count} is no valid buffer count"
        );
        assert!(size > 0, "a buffer needs room");
        let entries = Mapping::new(usize::from(count) * size_of::<BufRingEntry>())?;
        let memory = Mapping::new(usize::from(count) * size as usize)?;
        let ring = NEXT_RING
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |next| next.checked_add(1))
            .map_err(|_| io::Error::other("this process has made 65535 net rings already"))?;
        let mut buffers =
            Self { entries, memory, count, size, ring, tail: 0, published: 0, lent: 0 };
        for index in 0..count {
            buffers.give(index);
        }
        buffers.publish();
        Ok(buffers)
    }

    /// Address and number of the entries, for the registration.
    pub(crate) fn registration(&self) -> (u64, u16) {
        (self.entries.address.as_ptr() as u64, self.count)
    }

    /// Wraps what the kernel has put into buffer `index`.
    pub(crate) fn take(&mut self, index: u16, length: u32) -> ReceivedBuffer {
        assert!(
            index < self.count && length <= self.size,
            "the kernel named a buffer we never gave"
        );
        self.lent += 1;
        assert!(self.lent <= self.count, "more buffers lent than there are");
        ReceivedBuffer { length, index, ring: self.ring }
    }

    /// The bytes of a buffer.
    pub(crate) fn bytes(&self, buffer: &ReceivedBuffer) -> &[u8] {
        assert_eq!(buffer.ring, self.ring, "this buffer belongs to another ring");
        let start = usize::from(buffer.index) * self.size as usize;
        // SAFETY: `take` has checked index and length against the mapping, which lives as long as
        // `self`; the memory is initialised (the mapping starts zeroed); and while a
        // `ReceivedBuffer` exists, the kernel does not own the buffer, so nobody writes to it.
        unsafe { std::slice::from_raw_parts(self.memory.address.as_ptr().add(start), buffer.len()) }
    }

    /// Takes a buffer back. The kernel sees it after the next [`BufferRing::publish`].
    pub(crate) fn release(&mut self, buffer: ReceivedBuffer) {
        assert_eq!(buffer.ring, self.ring, "this buffer belongs to another ring");
        self.lent -= 1;
        self.give(buffer.index);
    }

    /// Shows the kernel all buffers that were released since the last call.
    pub(crate) fn publish(&mut self) {
        if self.tail == self.published {
            return;
        }
        self.published = self.tail;
        let base = self.entries.address.as_ptr().cast::<BufRingEntry>();
        // SAFETY: the base of the mapping is a valid, initialised entry; the tail overlays a
        // reserved field of it (2-byte aligned) that both sides access atomically.
        let tail = unsafe { AtomicU16::from_ptr(BufRingEntry::tail(base).cast_mut()) };
        // Release: the kernel must see the entries before it sees the tail.
        tail.store(self.tail, Ordering::Release);
    }

    /// Buffers that the owner holds.
    pub(crate) fn lent(&self) -> usize {
        usize::from(self.lent)
    }

    /// Buffers that the kernel has or could have.
    pub(crate) fn available(&self) -> usize {
        usize::from(self.count - self.lent)
    }

    fn give(&mut self, index: u16) {
        let place = usize::from(self.tail & (self.count - 1));
        let start = usize::from(index) * self.size as usize;
        let address = self.memory.address.as_ptr() as u64 + start as u64;
        let entries = self.entries.address.as_ptr().cast::<BufRingEntry>();
        // SAFETY: `place` is below `count`, so the entry lies in the mapping. It is beyond the tail
        // that the kernel knows, and there are never more entries out than the ring has places, so
        // the kernel does not read it now. The setters leave the tail field of entry 0 alone.
        let entry = unsafe { &mut *entries.add(place) };
        entry.set_addr(address);
        entry.set_len(self.size);
        entry.set_bid(index);
        self.tail = self.tail.wrapping_add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_go_round_and_foreign_ones_are_refused() {
        let mut one = BufferRing::new(2, 64).unwrap();
        let mut other = BufferRing::new(2, 64).unwrap();
        let buffer = one.take(1, 10);
        assert_eq!(one.bytes(&buffer), &[0; 10]);
        assert_eq!((one.lent(), one.available()), (1, 1));
        let foreign = other.take(0, 1);
        let refused = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            one.bytes(&foreign);
        }));
        assert!(refused.is_err(), "a foreign buffer must not be readable");
        one.release(buffer);
        other.release(foreign);
        assert_eq!(one.lent(), 0);
        for _ in 0..200_000 {
            let buffer = one.take(0, 64);
            one.release(buffer);
            one.publish();
        }
        assert_eq!(one.available(), 2, "the 16-bit tail may wrap");
    }
}
