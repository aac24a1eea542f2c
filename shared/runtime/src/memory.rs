//! The allocator of the process, and what the process uses of memory and CPU.
//!
//! Job: count what each thread allocates at the cost of one addition, give free memory back to the
//! system on demand, and read the kernel's figures about this process. In: allocations; /proc and
//! getrusage. Out: plain numbers.
//! Invariant: over all threads, living and ended, the bytes of `thread_allocated` add up to what
//! is allocated now. One thread alone may well be negative: it freed what others allocated.
//!
//! A binary installs the allocator with
//! `#[global_allocator] static ALLOCATOR: CountingAllocator = CountingAllocator;`.
//! Bytes are counted as asked for, without what the allocator adds by rounding up.

use std::alloc::{GlobalAlloc, Layout};
use std::cell::Cell;
use std::fs;
use std::io;
use std::time::Duration;

use crate::mapped;
use mimalloc::MiMalloc;

/// What one thread has allocated so far.
struct Count {
    bytes: Cell<isize>,
    allocations: Cell<u64>,
}

thread_local! {
    // Constant and without a destructor: no lazy start, no registration, usable until the very end
    // of the thread, and hence from within the allocator.
    static COUNT: Count = const { Count { bytes: Cell::new(0), allocations: Cell::new(0) } };
}

impl Count {
    #[inline]
    fn add(bytes: isize) {
        COUNT.with(|count| {
            count.bytes.set(count.bytes.get().wrapping_add(bytes));
            count.allocations.set(count.allocations.get().wrapping_add(1));
        });
    }

    #[inline]
    fn subtract(bytes: isize) {
        COUNT.with(|count| count.bytes.set(count.bytes.get().wrapping_sub(bytes)));
    }
}

/// mimalloc for all but the largest blocks, with a count per thread.
#[derive(Debug, Clone, Copy)]
pub struct CountingAllocator;

// SAFETY: every call goes on with the caller's own arguments to mimalloc or, by the size and
// alignment of the block alone, to `mapped`: each block thus goes back where it came from, and the
// contract is kept by the same promises of the caller. The counting neither allocates nor panics.
// Sizes fit isize, as `Layout` guarantees.
unsafe impl GlobalAlloc for CountingAllocator {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let block = if mapped::is_mapped(layout) {
            mapped::allocate(layout.size())
        } else {
            // SAFETY: the caller keeps the contract of `GlobalAlloc::alloc`.
            unsafe { MiMalloc.alloc(layout) }
        };
        if !block.is_null() {
            Count::add(layout.size() as isize);
        }
        block
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        let block = if mapped::is_mapped(layout) {
            mapped::allocate(layout.size())
        } else {
            // SAFETY: the caller keeps the contract of `GlobalAlloc::alloc_zeroed`.
            unsafe { MiMalloc.alloc_zeroed(layout) }
        };
        if !block.is_null() {
            Count::add(layout.size() as isize);
        }
        block
    }

    #[inline]
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        Count::subtract(layout.size() as isize);
        if mapped::is_mapped(layout) {
            // SAFETY: a block with such a layout is a mapping of this size; the caller gives it up.
            unsafe { mapped::free(block, layout.size()) }
        } else {
            // SAFETY: the caller keeps the contract of `GlobalAlloc::dealloc`.
            unsafe { MiMalloc.dealloc(block, layout) }
        }
    }

    #[inline]
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: the caller promises that the new size is a valid one for the alignment.
        let new_layout = unsafe { Layout::from_size_align_unchecked(new_size, layout.align()) };
        let moved = match (mapped::is_mapped(layout), mapped::is_mapped(new_layout)) {
            // SAFETY: the caller keeps the contract of `GlobalAlloc::realloc`.
            (false, false) => unsafe { MiMalloc.realloc(block, layout, new_size) },
            // SAFETY: the block is a mapping of this size, which the caller gives up for the new
            // one.
            (true, true) => unsafe { mapped::resize(block, layout.size(), new_size) },
            // SAFETY: as for all of `realloc`; counts for itself.
            _ => return unsafe { self.change_home(block, layout, new_layout) },
        };
        if !moved.is_null() {
            Count::add((new_size as isize).wrapping_sub(layout.size() as isize));
        }
        moved
    }
}

impl CountingAllocator {
    /// Copies a block that grows into a mapping, or shrinks out of one.
    ///
    /// # Safety
    /// That of `GlobalAlloc::realloc`.
    #[cold]
    unsafe fn change_home(&self, block: *mut u8, layout: Layout, new_layout: Layout) -> *mut u8 {
        // SAFETY: the caller promises that both layouts are valid and not empty, and that the block
        // has the first one; the new block is another one, and both have as many bytes as are
        // copied.
        unsafe {
            let moved = self.alloc(new_layout);
            if !moved.is_null() {
                moved.copy_from_nonoverlapping(block, layout.size().min(new_layout.size()));
                self.dealloc(block, layout);
            }
            moved
        }
    }
}

/// Bytes that the calling thread has allocated minus the bytes that it has freed.
#[inline]
#[must_use]
pub fn thread_allocated() -> isize {
    COUNT.with(|count| count.bytes.get())
}

/// How often the calling thread has allocated or resized a block.
#[inline]
#[must_use]
pub fn thread_allocations() -> u64 {
    COUNT.with(|count| count.allocations.get())
}

/// Gives free memory of the calling thread's heap back to the system: at least what is cheap to
/// give, or with `force` all that is possible. Each thread must call it for its own heap.
pub fn purge(force: bool) {
    // SAFETY: `mi_collect` has no preconditions; it works on the calling thread's own heap and on
    // those that ended threads have left.
    unsafe { libmimalloc_sys::mi_collect(force) }
}

/// Bytes of physical memory that the process occupies now (the resident set).
///
/// # Errors
/// When /proc cannot be read or is not what proc(5) describes.
pub fn resident_bytes() -> io::Result<u64> {
    let text = fs::read_to_string("/proc/self/statm")?;
    let pages = text.split_whitespace().nth(1).and_then(|field| field.parse::<u64>().ok());
    pages.map(|pages| pages * system_value(libc::_SC_PAGESIZE)).ok_or_else(|| malformed("statm"))
}

/// The most bytes of physical memory that the process has occupied at a time (VmHWM).
///
/// # Errors
/// When /proc cannot be read or is not what proc(5) describes.
pub fn peak_resident_bytes() -> io::Result<u64> {
    let text = fs::read_to_string("/proc/self/status")?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kibibytes = line
        .and_then(|line| line.trim().strip_suffix("kB"))
        .and_then(|number| number.trim().parse::<u64>().ok());
    kibibytes.map(|kibibytes| kibibytes * 1024).ok_or_else(|| malformed("status"))
}

/// Time on a CPU.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CpuTime {
    /// In the program.
    pub user: Duration,
    /// In the kernel for the program.
    pub system: Duration,
}

/// CPU time of all threads of the process, ended ones included.
#[must_use]
pub fn process_cpu_time() -> CpuTime {
    usage(libc::RUSAGE_SELF)
}

/// CPU time of the child processes that have ended and were waited for.
#[must_use]
pub fn children_cpu_time() -> CpuTime {
    usage(libc::RUSAGE_CHILDREN)
}

/// CPU time of the calling thread.
#[must_use]
pub fn thread_cpu_time() -> CpuTime {
    usage(libc::RUSAGE_THREAD)
}

/// CPU time of the main thread, whichever thread asks. Resolution: the kernel's clock tick, 10 ms.
///
/// # Errors
/// When /proc cannot be read or is not what proc(5) describes.
pub fn main_thread_cpu_time() -> io::Result<CpuTime> {
    let text = fs::read_to_string(format!("/proc/self/task/{}/stat", std::process::id()))?;
    parse_stat(&text, system_value(libc::_SC_CLK_TCK)).ok_or_else(|| malformed("stat"))
}

/// Reads `utime` and `stime`, fields 14 and 15 of /proc/PID/stat. Field 2 is the name in brackets,
/// which may itself contain blanks and brackets, so counting starts behind the last bracket.
fn parse_stat(text: &str, ticks_per_second: u64) -> Option<CpuTime> {
    let (_, behind_name) = text.rsplit_once(')')?;
    let mut fields = behind_name.split_whitespace().skip(11);
    let mut time = || -> Option<Duration> {
        let ticks = fields.next()?.parse::<u64>().ok()?;
        Some(Duration::from_nanos(ticks.checked_mul(1_000_000_000)? / ticks_per_second))
    };
    Some(CpuTime { user: time()?, system: time()? })
}

fn usage(who: libc::c_int) -> CpuTime {
    // SAFETY: all fields of `rusage` are plain integers, for which zero is a value.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: `usage` is valid for a write.
    let result = unsafe { libc::getrusage(who, &raw mut usage) };
    assert!(result == 0, "getrusage cannot fail for a known kind");
    let duration = |time: libc::timeval| {
        Duration::new(time.tv_sec as u64, 0) + Duration::from_micros(time.tv_usec as u64)
    };
    CpuTime { user: duration(usage.ru_utime), system: duration(usage.ru_stime) }
}

/// A value of sysconf(3) that every Linux has.
fn system_value(name: libc::c_int) -> u64 {
    // SAFETY: `sysconf` has no preconditions.
    let value = unsafe { libc::sysconf(name) };
    assert!(value > 0, "sysconf({name}) is unknown to this system");
    value as u64
}

fn malformed(file: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("/proc/self/{file} is malformed"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hostile_thread_name_does_not_shift_the_fields() {
        let text = "12 (a) b (c) S 1 2 3 4 5 6 7 8 9 10 150 25 0 0 20 0 1 0 99";
        let expected =
            CpuTime { user: Duration::from_millis(1500), system: Duration::from_millis(250) };
        assert_eq!(parse_stat(text, 100), Some(expected));
        assert_eq!(parse_stat("12 (a) S 1 2", 100), None);
        assert_eq!(parse_stat("", 100), None);
    }

    #[test]
    fn cpu_time_grows_where_the_work_is_done() {
        let (process, thread) = (process_cpu_time(), thread_cpu_time());
        let mut value = 1_u64;
        while thread_cpu_time().user < thread.user + Duration::from_millis(30) {
            for _ in 0..100_000 {
                value = std::hint::black_box(value.wrapping_mul(31));
            }
        }
        assert!(process_cpu_time().user >= process.user + Duration::from_millis(25));
        let other = std::thread::spawn(thread_cpu_time).join().expect("the thread only reads");
        assert!(other.user < Duration::from_millis(25), "another thread did none of it");
        assert!(main_thread_cpu_time().is_ok());
    }

    #[test]
    fn touched_memory_becomes_resident_and_raises_the_peak() {
        const SIZE: usize = 64 << 20;
        let before = resident_bytes().expect("/proc is there");
        let block = std::hint::black_box(vec![1_u8; SIZE]);
        let after = resident_bytes().expect("/proc is there");
        assert!(after >= before + SIZE as u64 / 2, "{before} then {after}");
        drop(block);
        assert!(peak_resident_bytes().expect("/proc is there") >= SIZE as u64);
    }
}
