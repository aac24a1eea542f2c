//! Blocks of memory that are mappings of their own, so that they grow without a copy.
//!
//! Job: what the allocator of the process does with very large blocks. In: sizes. Out: blocks.
//! Invariant: a block occupies the pages that its size rounds up to, and nothing else lies in them.
//!
//! mimalloc gets such blocks from the system one by one as well, but it copies when they grow: tens
//! of milliseconds for some ten megabytes. The kernel moves pages without touching their bytes.

use std::alloc::Layout;
use std::ptr;

/// Blocks of this size and above are mappings of their own.
pub(crate) const MAPPED_BYTES_MIN: usize = 4 << 20;
/// Mappings begin at a page; what wants more is left to mimalloc.
const ALIGNMENT_MAX: usize = 4096;

/// Whether a block of this layout is a mapping of its own.
#[inline]
pub(crate) fn is_mapped(layout: Layout) -> bool {
    layout.size() >= MAPPED_BYTES_MIN && layout.align() <= ALIGNMENT_MAX
}

/// A new block, all zeros; null when there is no memory.
#[cold]
pub(crate) fn allocate(size: usize) -> *mut u8 {
    let protection = libc::PROT_READ | libc::PROT_WRITE;
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
    // SAFETY: a fresh anonymous mapping at an address of the kernel's choice touches no other
    // memory.
    let block = unsafe { libc::mmap(ptr::null_mut(), size, protection, flags, -1, 0) };
    block_or_null(block)
}

/// Gives a block back to the system.
///
/// # Safety
/// `block` comes from [`allocate`] or [`resize`], has this size, and is not used again.
#[cold]
pub(crate) unsafe fn free(block: *mut u8, size: usize) {
    // SAFETY: the caller gives up a whole mapping, in whose pages nothing else lies.
    let result = unsafe { libc::munmap(block.cast(), size) };
    debug_assert_eq!(result, 0, "a mapping of the allocator can be undone");
}

/// Makes a block larger or smaller, moving it where need be. Null when there is no memory; the
/// block is then as it was.
///
/// # Safety
/// As for [`free`]; `new_size` is not zero.
#[cold]
pub(crate) unsafe fn resize(block: *mut u8, size: usize, new_size: usize) -> *mut u8 {
    // SAFETY: the caller gives a whole mapping of this size, and uses only the result from now on.
    let moved = unsafe { libc::mremap(block.cast(), size, new_size, libc::MREMAP_MAYMOVE) };
    block_or_null(moved)
}

fn block_or_null(block: *mut libc::c_void) -> *mut u8 {
    if block == libc::MAP_FAILED { ptr::null_mut() } else { block.cast() }
}
