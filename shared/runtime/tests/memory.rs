//! The counting allocator, installed as a binary installs it.
#![forbid(unsafe_code)]

use ringlet_runtime::memory::{
    CountingAllocator, purge, resident_bytes, thread_allocated, thread_allocations,
};
use std::hint::black_box;

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

#[test]
fn bytes_and_calls_are_counted_exactly() {
    let (bytes, calls) = (thread_allocated(), thread_allocations());
    let mut vector: Vec<u8> = black_box(Vec::with_capacity(1000));
    assert_eq!((thread_allocated() - bytes, thread_allocations() - calls), (1000, 1));
    vector.push(1);
    vector.reserve_exact(4999);
    assert_eq!((thread_allocated() - bytes, thread_allocations() - calls), (5000, 2));
    let zeroed = black_box(vec![0_u64; 100]);
    assert_eq!((thread_allocated() - bytes, thread_allocations() - calls), (5800, 3));
    vector.shrink_to(10);
    assert_eq!((thread_allocated() - bytes, thread_allocations() - calls), (810, 4));
    drop((vector, zeroed));
    assert_eq!((thread_allocated() - bytes, thread_allocations() - calls), (0, 4));
}

#[test]
fn a_block_freed_by_another_thread_is_counted_there() {
    let bytes = thread_allocated();
    let block = black_box(vec![1_u8; 123_456]);
    let freed = std::thread::spawn(move || {
        let before = thread_allocated();
        drop(block);
        thread_allocated() - before
    });
    assert_eq!(freed.join().expect("the thread only frees"), -123_456);
    // What is left of the thread itself (its handle and name) is far smaller than the block.
    assert!((thread_allocated() - bytes - 123_456).abs() < 10_000);
}

#[test]
fn very_large_blocks_grow_and_shrink_without_a_copy_and_keep_their_bytes() {
    const MEGABYTE: usize = 1 << 20;
    let bytes = thread_allocated();
    // Only touched pages become resident: zeros cost nothing, and neither does a move of them.
    let before = resident_bytes().expect("/proc is there");
    let mut block: Vec<u8> = black_box(vec![0; 512 * MEGABYTE]);
    for place in [0, 1, 300 * MEGABYTE, 512 * MEGABYTE - 1] {
        block[place] = 7;
    }
    block.reserve_exact(1024 * MEGABYTE);
    assert_eq!(thread_allocated() - bytes, 1536 << 20);
    let after = resident_bytes().expect("/proc is there");
    assert!(after < before + (256 << 20), "{before} then {after}");
    for place in [0, 1, 300 * MEGABYTE, 512 * MEGABYTE - 1] {
        assert_eq!((block[place], block[(place + 3) % block.len()]), (7, 0), "{place}");
    }
    drop(block);
    assert_eq!(thread_allocated() - bytes, 0);
    // Across the border between the two kinds of blocks and back, at every size near it.
    for size in (4 * MEGABYTE - 2)..(4 * MEGABYTE + 3) {
        let mut block: Vec<u8> = (0..=255).cycle().take(1000).collect();
        for capacity in [MEGABYTE, size, 9 * MEGABYTE, size, 1000] {
            block.shrink_to(capacity);
            block.reserve_exact(capacity - block.len());
            assert_eq!(
                (block.capacity(), thread_allocated() - bytes),
                (capacity, capacity as isize)
            );
            assert!(block.iter().copied().eq((0..=255).cycle().take(1000)));
        }
    }
    assert_eq!(thread_allocated() - bytes, 0);
}

#[test]
fn a_purge_gives_memory_back() {
    const BLOCKS: usize = 64;
    let blocks: Vec<Vec<u8>> = (0..BLOCKS).map(|_| black_box(vec![1_u8; 1 << 20])).collect();
    let full = resident_bytes().expect("/proc is there");
    drop(blocks);
    purge(true);
    let purged = resident_bytes().expect("/proc is there");
    assert!(purged + ((BLOCKS as u64 * 3 / 4) << 20) < full, "{full} then {purged}");
    purge(false);
}
