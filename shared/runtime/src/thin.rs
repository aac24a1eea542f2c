//! An owning pointer of one word to one heap block that holds a header and some bytes.
//!
//! Job: store many small variable-length records (a key with its value, say) in one allocation
//! each, behind 8 bytes in the table. A block is of kind A (compact, at most 65,535 bytes) or of
//! kind B (large, or with a header that owns more memory); bit 0 of the pointer tells which.
//! In: a header and the parts of the bytes. Out: borrowed headers and bytes.
//! Invariant: the address without bit 0 is a live block of the kind that bit 0 names, allocated
//! with exactly the layout that its kind and its stored length give; it is owned by one `Thin`.
//! The length never changes after creation.
//!
//! Block: `length` (u16 for A, u32 for B), the header at the next offset that its alignment
//! allows, then the bytes with no gap.

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::marker::PhantomData;
use std::mem::{ManuallyDrop, size_of};
use std::ptr::NonNull;

/// Bit 0 of the stored pointer: set for kind B. Blocks are aligned to 2 or more, so it is free.
const TAG_B: usize = 1;

/// Owning pointer to one block of kind A or B. `Option<Thin<A, B>>` takes 8 bytes as well.
///
/// Dropping it drops the header and frees the block.
pub struct Thin<A, B> {
    tagged: NonNull<u8>,
    owns: PhantomData<(A, B)>,
}

/// Shared view of a block: the header and its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ThinRef<'a, A, B> {
    /// A compact block.
    A(&'a A, &'a [u8]),
    /// A large block.
    B(&'a B, &'a [u8]),
}

/// Exclusive view of a block. The bytes can be overwritten; their number is fixed.
#[derive(Debug, PartialEq, Eq)]
pub enum ThinMut<'a, A, B> {
    /// A compact block.
    A(&'a mut A, &'a mut [u8]),
    /// A large block.
    B(&'a mut B, &'a mut [u8]),
}

/// The two kinds of block differ in the type of the length and of the header only.
trait Kind {
    type Length: Copy;
    type Header;
    const MAXIMUM: usize;
    fn encode(length: usize) -> Self::Length;
    fn decode(length: Self::Length) -> usize;

    /// Offset of the header: behind the length, at the header's alignment.
    const HEADER_AT: usize = size_of::<Self::Length>().next_multiple_of(align_of::<Self::Header>());
    /// Offset of the bytes: right behind the header.
    const BYTES_AT: usize = Self::HEADER_AT + size_of::<Self::Header>();

    /// The layout of a block with `length` bytes. The alignment is 2 or more, for the tag bit.
    #[inline]
    fn layout(length: usize) -> Layout {
        let align = align_of::<Self::Length>().max(align_of::<Self::Header>());
        let size = Self::BYTES_AT.checked_add(length).expect("block size exceeds memory");
        Layout::from_size_align(size, align).expect("block size exceeds memory")
    }
}

struct KindA<A>(PhantomData<A>);
struct KindB<B>(PhantomData<B>);

impl<A> Kind for KindA<A> {
    type Length = u16;
    type Header = A;
    const MAXIMUM: usize = u16::MAX as usize;
    #[inline]
    fn encode(length: usize) -> u16 {
        length as u16
    }
    #[inline]
    fn decode(length: u16) -> usize {
        length as usize
    }
}

impl<B> Kind for KindB<B> {
    type Length = u32;
    type Header = B;
    const MAXIMUM: usize = u32::MAX as usize;
    #[inline]
    fn encode(length: usize) -> u32 {
        length as u32
    }
    #[inline]
    fn decode(length: u32) -> usize {
        length as usize
    }
}

/// Allocates and fills a block. The caller owns it.
fn allocate<K: Kind>(header: K::Header, parts: &[&[u8]]) -> NonNull<u8> {
    // Slices can alias, so the sum may exceed memory (and usize, on paper): saturate, then check.
    let length = parts.iter().fold(0_usize, |sum, part| sum.saturating_add(part.len()));
    assert!(length <= K::MAXIMUM, "{length} bytes do not fit a block of {} at most", K::MAXIMUM);
    let layout = K::layout(length);
    // SAFETY: the size is not zero, for the length field alone takes 2 bytes.
    let Some(block) = NonNull::new(unsafe { alloc(layout) }) else { handle_alloc_error(layout) };
    // SAFETY: `K::layout` reserves the length at 0, the header at HEADER_AT (a multiple of its
    // alignment, in a block of at least that alignment) and `length` bytes from BYTES_AT on. The
    // block is new, so nobody else refers to it and the parts cannot overlap it.
    unsafe {
        block.cast::<K::Length>().write(K::encode(length));
        block.add(K::HEADER_AT).cast::<K::Header>().write(header);
        let mut at = block.add(K::BYTES_AT);
        for part in parts {
            at.copy_from_nonoverlapping(NonNull::from(*part).cast::<u8>(), part.len());
            at = at.add(part.len());
        }
    }
    block
}

/// The number of bytes in a block.
///
/// # Safety
/// `block` is a live block of kind `K`.
#[inline]
unsafe fn length_of<K: Kind>(block: NonNull<u8>) -> usize {
    // SAFETY: the length stands at offset 0 of every live block, aligned with the block.
    K::decode(unsafe { block.cast::<K::Length>().read() })
}

/// Shared view of a block.
///
/// # Safety
/// `block` is a live block of kind `K` that nobody changes during `'a`.
#[inline]
unsafe fn view<'a, K: Kind>(block: NonNull<u8>) -> (&'a K::Header, &'a [u8]) {
    // SAFETY: `allocate` initialised the header and `length_of` bytes behind it at these offsets.
    unsafe {
        let header = block.add(K::HEADER_AT).cast::<K::Header>().as_ref();
        let bytes = NonNull::slice_from_raw_parts(block.add(K::BYTES_AT), length_of::<K>(block));
        (header, bytes.as_ref())
    }
}

/// Exclusive view of a block.
///
/// # Safety
/// `block` is a live block of kind `K` to which nobody else refers during `'a`.
#[inline]
unsafe fn view_mut<'a, K: Kind>(block: NonNull<u8>) -> (&'a mut K::Header, &'a mut [u8]) {
    // SAFETY: as in `view`; the header and the bytes do not overlap, so both may be exclusive.
    unsafe {
        let header = block.add(K::HEADER_AT).cast::<K::Header>().as_mut();
        let mut bytes =
            NonNull::slice_from_raw_parts(block.add(K::BYTES_AT), length_of::<K>(block));
        (header, bytes.as_mut())
    }
}

/// Moves the header out and frees the block.
///
/// # Safety
/// `block` is a live block of kind `K` that the caller owns and never uses again.
#[inline]
unsafe fn release<K: Kind>(block: NonNull<u8>) -> K::Header {
    // SAFETY: the header is initialised and read once only, for the block ends here; the layout is
    // the one of `allocate`, because the stored length never changes.
    unsafe {
        let header = block.add(K::HEADER_AT).cast::<K::Header>().read();
        dealloc(block.as_ptr(), K::layout(length_of::<K>(block)));
        header
    }
}

impl<A, B> Thin<A, B> {
    /// The most bytes that a compact block can hold.
    pub const MAXIMUM_A: usize = KindA::<A>::MAXIMUM;
    /// The most bytes that a large block can hold.
    pub const MAXIMUM_B: usize = KindB::<B>::MAXIMUM;

    /// A compact block with the concatenation of `parts`.
    ///
    /// # Panics
    /// When the parts exceed [`Self::MAXIMUM_A`] bytes.
    #[inline]
    #[must_use]
    pub fn new_a(header: A, parts: &[&[u8]]) -> Self {
        Self { tagged: allocate::<KindA<A>>(header, parts), owns: PhantomData }
    }

    /// A large block with the concatenation of `parts`.
    ///
    /// # Panics
    /// When the parts exceed [`Self::MAXIMUM_B`] bytes.
    #[inline]
    #[must_use]
    pub fn new_b(header: B, parts: &[&[u8]]) -> Self {
        let block = allocate::<KindB<B>>(header, parts);
        Self { tagged: block.map_addr(|address| address | TAG_B), owns: PhantomData }
    }

    /// Whether this is a large block.
    #[inline]
    #[must_use]
    pub fn is_b(&self) -> bool {
        self.tagged.addr().get() & TAG_B != 0
    }

    /// The address of the block without the tag.
    #[inline]
    fn block(&self) -> NonNull<u8> {
        let tag = usize::from(self.is_b()) * TAG_B;
        // SAFETY: with the tag taken off, the result is the address that `allocate` returned,
        // within (at the start of) the same allocation.
        unsafe { self.tagged.sub(tag) }
    }

    /// The header and the bytes.
    #[inline]
    #[must_use]
    pub fn get(&self) -> ThinRef<'_, A, B> {
        let block = self.block();
        // SAFETY: the tag names the kind of the live block (invariant of the type), and the borrow
        // of `self` keeps it alive and unchanged for the lifetime of the result.
        unsafe {
            if self.is_b() {
                let (header, bytes) = view::<KindB<B>>(block);
                ThinRef::B(header, bytes)
            } else {
                let (header, bytes) = view::<KindA<A>>(block);
                ThinRef::A(header, bytes)
            }
        }
    }

    /// The header and the bytes, to be changed in place.
    #[inline]
    #[must_use]
    pub fn get_mut(&mut self) -> ThinMut<'_, A, B> {
        let block = self.block();
        // SAFETY: as in `get`; the exclusive borrow of the only owner keeps others out.
        unsafe {
            if self.is_b() {
                let (header, bytes) = view_mut::<KindB<B>>(block);
                ThinMut::B(header, bytes)
            } else {
                let (header, bytes) = view_mut::<KindA<A>>(block);
                ThinMut::A(header, bytes)
            }
        }
    }

    /// Takes the header out of a large block, without running its drop, and frees the block.
    ///
    /// # Panics
    /// When the block is a compact one.
    #[inline]
    #[must_use]
    pub fn into_b_header(self) -> B {
        assert!(self.is_b(), "a compact block has no header of kind B");
        let this = ManuallyDrop::new(self);
        // SAFETY: the block is of kind B and owned by `this`, which is never used or dropped again.
        unsafe { release::<KindB<B>>(this.block()) }
    }

    /// The size of the heap block in bytes, as it was asked from the allocator.
    #[inline]
    #[must_use]
    pub fn allocated_bytes(&self) -> usize {
        let block = self.block();
        // SAFETY: the tag names the kind of the live block (invariant of the type).
        unsafe {
            if self.is_b() {
                KindB::<B>::BYTES_AT + length_of::<KindB<B>>(block)
            } else {
                KindA::<A>::BYTES_AT + length_of::<KindA<A>>(block)
            }
        }
    }
}

impl<A, B> Drop for Thin<A, B> {
    #[inline]
    fn drop(&mut self) {
        let block = self.block();
        // SAFETY: the tag names the kind of the live block, and the owner ends here. `release`
        // frees the block before the header's own drop runs, so a panic there leaks nothing.
        unsafe {
            if self.is_b() {
                drop(release::<KindB<B>>(block));
            } else {
                drop(release::<KindA<A>>(block));
            }
        }
    }
}

impl<A: std::fmt::Debug, B: std::fmt::Debug> std::fmt::Debug for Thin<A, B> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.get().fmt(formatter)
    }
}

// SAFETY: a `Thin` owns its header like a `Box` does, and hands out borrows by the usual rules
// only.
unsafe impl<A: Send, B: Send> Send for Thin<A, B> {}
// SAFETY: a shared `Thin` gives shared borrows of the headers and of plain bytes, nothing else.
unsafe impl<A: Sync, B: Sync> Sync for Thin<A, B> {}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;
    use std::rc::Rc;

    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    struct Compact {
        key_length: u16,
        meta: [u8; 4],
    }

    const COMPACT: Compact = Compact { key_length: 3, meta: [1, 2, 3, 4] };

    /// Counts its own drops; the alignment of 8 forces a gap behind the length.
    struct Counted(Rc<Cell<usize>>, u64);

    impl Drop for Counted {
        fn drop(&mut self) {
            self.0.set(self.0.get() + 1);
        }
    }

    #[test]
    fn a_pointer_takes_one_word_with_and_without_option() {
        assert_eq!(size_of::<Thin<Compact, Box<u8>>>(), 8);
        assert_eq!(size_of::<Option<Thin<Compact, Box<u8>>>>(), 8);
    }

    #[test]
    fn a_compact_header_of_six_bytes_costs_eight_in_all() {
        let thin = Thin::<Compact, u64>::new_a(COMPACT, &[b"key", b"value"]);
        assert_eq!(thin.allocated_bytes(), 8 + 8);
        assert!(!thin.is_b());
        assert_eq!(thin.get(), ThinRef::A(&COMPACT, b"keyvalue"));
    }

    #[test]
    fn kinds_are_told_apart_and_keep_their_bytes() {
        let large = Thin::<Compact, u64>::new_b(7, &[b"", b"a", b"", b"bc"]);
        assert!(large.is_b());
        assert_eq!(large.get(), ThinRef::B(&7, b"abc"));
        assert_eq!(large.allocated_bytes(), 16 + 3);
        let empty = Thin::<Compact, u64>::new_b(9, &[]);
        assert_eq!(empty.get(), ThinRef::B(&9, b""));
        let empty = Thin::<Compact, u64>::new_a(COMPACT, &[b""]);
        assert_eq!(empty.get(), ThinRef::A(&COMPACT, b""));
        assert_eq!(empty.allocated_bytes(), 8);
        let nothing = Thin::<(), ()>::new_a((), &[]);
        assert_eq!(nothing.get(), ThinRef::A(&(), b""));
    }

    #[test]
    fn lengths_up_to_the_maximum_of_a_compact_block_survive() {
        for length in [1, 255, 256, 65_534, 65_535] {
            let bytes: Vec<u8> = (0..length).map(|at| at as u8).collect();
            let (left, right) = bytes.split_at(length / 3);
            let thin = Thin::<Compact, u64>::new_a(COMPACT, &[left, right]);
            assert_eq!(thin.get(), ThinRef::A(&COMPACT, &bytes[..]));
        }
        let bytes = vec![5_u8; 70_000];
        let thin = Thin::<Compact, u64>::new_b(1, &[&bytes]);
        assert_eq!(thin.get(), ThinRef::B(&1, &bytes[..]));
    }

    #[test]
    #[should_panic(expected = "65536 bytes do not fit")]
    fn too_many_bytes_for_a_compact_block_are_a_bug() {
        let bytes = vec![0_u8; 65_535];
        drop(Thin::<Compact, u64>::new_a(COMPACT, &[&bytes, b"x"]));
    }

    #[test]
    fn headers_and_bytes_change_in_place() {
        let mut thin = Thin::<Compact, Vec<u8>>::new_a(COMPACT, &[b"abc"]);
        if let ThinMut::A(header, bytes) = thin.get_mut() {
            header.meta[3] = 99;
            bytes[1] = b'X';
        }
        assert_eq!(thin.get(), ThinRef::A(&Compact { meta: [1, 2, 3, 99], ..COMPACT }, b"aXc"));
        let mut thin = Thin::<Compact, Vec<u8>>::new_b(vec![1], &[b"abc"]);
        if let ThinMut::B(header, bytes) = thin.get_mut() {
            header.push(2);
            bytes.copy_from_slice(b"xyz");
        }
        assert_eq!(thin.get(), ThinRef::B(&vec![1, 2], b"xyz"));
    }

    #[test]
    fn every_header_is_dropped_exactly_once() {
        let drops = Rc::new(Cell::new(0));
        for length in 0..40 {
            let bytes = vec![1_u8; length];
            drop(Thin::<Counted, Counted>::new_a(Counted(drops.clone(), 1), &[&bytes]));
            drop(Thin::<Counted, Counted>::new_b(Counted(drops.clone(), 2), &[&bytes]));
        }
        assert_eq!(drops.get(), 80);
        let thin = Thin::<Counted, Counted>::new_b(Counted(drops.clone(), 42), &[b"bytes"]);
        let header = thin.into_b_header();
        assert_eq!(drops.get(), 80, "taking the header out must not drop it");
        assert_eq!(header.1, 42);
        drop(header);
        assert_eq!(drops.get(), 81);
        assert_eq!(Rc::strong_count(&drops), 1);
    }

    #[test]
    #[should_panic(expected = "compact block has no header of kind B")]
    fn a_compact_block_has_no_large_header() {
        let _ = Thin::<Compact, u64>::new_a(COMPACT, &[b"x"]).into_b_header();
    }

    #[test]
    fn headers_are_aligned_whatever_their_alignment() {
        #[repr(align(64))]
        struct Wide(u8);
        for length in 0..70 {
            let bytes = vec![3_u8; length];
            let a = Thin::<Wide, u64>::new_a(Wide(1), &[&bytes]);
            let ThinRef::A(header, stored) = a.get() else { panic!("kind A expected") };
            assert_eq!((std::ptr::from_ref(header).addr() % 64, header.0), (0, 1));
            assert_eq!(stored, bytes);
            let b = Thin::<u8, u128>::new_b(2, &[&bytes]);
            let ThinRef::B(header, stored) = b.get() else { panic!("kind B expected") };
            assert_eq!((std::ptr::from_ref(header).addr() % align_of::<u128>(), *header), (0, 2));
            assert_eq!(stored, bytes);
            let odd = Thin::<[u8; 5], u8>::new_a([9; 5], &[&bytes]);
            assert_eq!(odd.allocated_bytes(), 7 + length, "no padding behind a header");
            assert_eq!(odd.get(), ThinRef::A(&[9; 5], &bytes[..]));
        }
    }

    #[test]
    fn a_block_can_move_to_another_thread() {
        fn is_send_and_sync<T: Send + Sync>() {}
        is_send_and_sync::<Thin<Compact, Vec<u8>>>();
        let thin = Thin::<Compact, Vec<u8>>::new_b(vec![8], &[b"moved"]);
        let back = std::thread::spawn(move || {
            assert_eq!(thin.get(), ThinRef::B(&vec![8], b"moved"));
            thin
        });
        assert_eq!(back.join().expect("the other thread reads it").into_b_header(), vec![8]);
    }
}
