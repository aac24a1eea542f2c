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
