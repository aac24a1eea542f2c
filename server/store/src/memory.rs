//! What a heap block really costs: sizes rounded up to the allocator's size classes.
//!
//! In: a requested size in bytes. Out: the size the allocator sets aside.
//! Invariant: monotone, never below the request.

/// Requests up to this size are rounded to whole words.
const WORD_STEPS_UNTIL: usize = 64;

/// Bytes that the allocator sets aside for a block of `requested` bytes.
///
/// The model is mimalloc's: whole words up to 64 bytes, then steps of one eighth of the next
/// power of two, so that at most a fifth is lost. 0 bytes need no block. (Whole words are what it
/// gives when built with a least alignment of 8, `MI_MAX_ALIGN_SIZE=8`; by default it rounds small
/// blocks up to 16 bytes, which costs an entry of 40 bytes 8 more.)
#[must_use]
pub fn allocated(requested: usize) -> usize {
    if requested <= WORD_STEPS_UNTIL {
        return requested.next_multiple_of(8);
    }
    requested.next_multiple_of(requested.next_power_of_two() / 8)
}

/// Bytes behind a vector or deque with this capacity of elements of type `T`.
#[must_use]
pub fn vector_bytes<T>(capacity: usize) -> usize {
    allocated(capacity * size_of::<T>())
}

/// Bytes behind a box of a `T`.
#[must_use]
pub fn boxed_bytes<T>() -> usize {
    allocated(size_of::<T>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_rounded_up_to_classes() {
        let classes = [
            (0, 0),
            (1, 8),
            (40, 40),
            (41, 48),
            (64, 64),
            (65, 80),
            (80, 80),
            (81, 96),
            (128, 128),
            (129, 160),
            (1024, 1024),
            (1025, 1280),
            (9232, 10240),
        ];
        for (requested, expected) in classes {
            assert_eq!(allocated(requested), expected, "{requested}");
        }
        for requested in 1..100_000 {
            assert!(allocated(requested) >= requested);
            assert!(allocated(requested) >= allocated(requested - 1));
        }
    }
}
