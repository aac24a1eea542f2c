//! The bare submission and completion queues of one io_uring.
//!
//! Job: set the ring up with the best flags that the kernel accepts, submit, wait, hand out
//! completions.
//! In: submission entries. Out: [`Completion`] values.
//! Invariant: no entry is ever lost, whether the queue is full or not; `in_flight` is the number of
//! submissions that still owe a completion, hence of those whose memory the kernel may touch.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsRawFd, RawFd};

use io_uring::{EnterFlags, IoUring, Probe, cqueue, opcode, squeue, types};

use super::operation::Operation;

/// io_uring_register(2): register the ring's own file descriptor, and the inverse.
const REGISTER_RING_FDS: libc::c_uint = 20;
const UNREGISTER_RING_FDS: libc::c_uint = 21;

/// How the kernel runs the work that completes operations. Best first.
#[derive(Copy, Clone, Eq, PartialEq, Debug)]
pub enum SetupMode {
    /// SINGLE_ISSUER | DEFER_TASKRUN: only while the core waits (Linux 6.1).
    Deferred,
    /// SINGLE_ISSUER | COOP_TASKRUN: at any system call of the core (Linux 6.0).
    Cooperative,
    /// By interrupting the core.
    Plain,
}

impl SetupMode {
    /// All modes, the preferred one first.
    pub const LADDER: [SetupMode; 3] =
        [SetupMode::Deferred, SetupMode::Cooperative, SetupMode::Plain];

    /// The flags by their names in io_uring_setup(2).
    pub fn name(self) -> &'static str {
        match self {
            SetupMode::Deferred => "DEFER_TASKRUN|SINGLE_ISSUER",
            SetupMode::Cooperative => "COOP_TASKRUN|SINGLE_ISSUER",
            SetupMode::Plain => "no flags",
        }
    }
}

/// One completion, as far as net operations need it.
#[derive(Copy, Clone, Debug)]
pub(crate) struct Completion {
    pub(crate) user_data: u64,
    /// What the system call would have returned, or `-errno`.
    pub(crate) result: i32,
    pub(crate) flags: u32,
}

impl Completion {
    /// Whether the same submission will complete again.
    pub(crate) fn more(&self) -> bool {
        cqueue::more(self.flags)
    }

    /// The provided buffer that holds the bytes.
    pub(crate) fn buffer(&self) -> Option<u16> {
        cqueue::buffer_select(self.flags)
    }
}

/// The two queues.
pub(crate) struct Queue {
    ring: IoUring,
    mode: SetupMode,
    /// What to pass to io_uring_enter: the index of the registered ring descriptor, or the
    /// descriptor.
    enter_fd: RawFd,
    enter_flags: EnterFlags,
    message_ring: bool,
    /// Entries that found no room even after a submit, oldest first. Bounded by the few operations
    /// that each socket can have in flight.
    backlog: VecDeque<squeue::Entry>,
    in_flight: u32,
}

impl Queue {
    /// Sets a ring up with the first mode of `modes` that the kernel accepts.
    pub(crate) fn new(entries: u32, completions: u32, modes: &[SetupMode]) -> io::Result<Self> {
        let mut last = io::Error::from_raw_os_error(libc::EINVAL);
        for &mode in modes {
            match setup(entries, completions, mode) {
                Ok(ring) => return Self::finish(ring, mode),
                Err(error) if error.raw_os_error() == Some(libc::EINVAL) => last = error,
                Err(error) => return Err(error),
            }
        }
        Err(last)
    }

    fn finish(ring: IoUring, mode: SetupMode) -> io::Result<Self> {
        let mut probe = Probe::new();
        let known = ring.submitter().register_probe(&mut probe).is_ok();
        let message_ring = known && probe.is_supported(opcode::MsgRingData::CODE);
        let mut queue = Self {
            enter_fd: ring.as_raw_fd(),
            enter_flags: EnterFlags::empty(),
            ring,
            mode,
            message_ring,
            backlog: VecDeque::new(),
            in_flight: 0,
        };
        // Spares the kernel a look-up per call. Optional: older kernels do without.
        if let Some(index) = register_ring_fd(queue.enter_fd) {
            queue.enter_fd = index;
            queue.enter_flags = EnterFlags::REGISTERED_RING;
        }
        Ok(queue)
    }

    /// The setup mode that the kernel accepted.
    pub(crate) fn mode(&self) -> SetupMode {
        self.mode
    }

    /// Whether this ring can send messages to other rings.
    pub(crate) fn has_message_ring(&self) -> bool {
        self.message_ring
    }

    /// Submissions that still owe a completion.
    pub(crate) fn in_flight(&self) -> u32 {
        self.in_flight
    }

    /// The descriptor of the ring, for registrations and messages.
    pub(crate) fn ring_fd(&self) -> RawFd {
        self.ring.as_raw_fd()
    }

    /// Registers a provided-buffer ring.
    ///
    /// # Safety
    /// The entries must stay valid until they are unregistered or the ring has ended, and so must
    /// all buffers that they ever name, until no operation that selects buffers is in flight.
    pub(crate) unsafe fn register_buffers(
        &self,
        address: u64,
        count: u16,
        group: u16,
    ) -> io::Result<()> {
        // SAFETY: passed on to the caller.
        unsafe { self.ring.submitter().register_buf_ring_with_flags(address, count, group, 0) }
    }

    /// The inverse of [`Queue::register_buffers`].
    pub(crate) fn unregister_buffers(&self, group: u16) -> io::Result<()> {
        self.ring.submitter().unregister_buf_ring(group)
    }

    /// Queues an entry that owes at least one completion; it goes out with the next `enter`.
    ///
    /// # Safety
    /// All memory that the entry names must stay valid until its last completion, see
    /// [`Queue::in_flight`].
    pub(crate) unsafe fn push(&mut self, entry: squeue::Entry) {
        self.in_flight += 1;
        // SAFETY: passed on to the caller.
        unsafe { self.push_uncounted(entry) };
    }

    /// Queues a message to another ring. It completes here only if it fails.
    pub(crate) fn push_message(&mut self, ring_fd: RawFd, user_data: u64, on_failure: u64) {
        let entry = opcode::MsgRingData::new(types::Fd(ring_fd), 0, user_data, None)
            .build()
            .flags(squeue::Flags::SKIP_SUCCESS)
            .user_data(on_failure);
        // SAFETY: the entry names no memory.
        unsafe { self.push_uncounted(entry) };
    }

    unsafe fn push_uncounted(&mut self, entry: squeue::Entry) {
        if self.backlog.is_empty() {
            // SAFETY: passed on to the caller.
            if unsafe { self.ring.submission().push(&entry) }.is_ok() {
                return;
            }
            // The queue is full: make room now. If the kernel refuses (it does while completions
            // have overflowed), the entry waits in the backlog and goes out with a later `enter`.
            let _ = self.raw_enter(0, EnterFlags::empty());
            // SAFETY: as above.
            if unsafe { self.ring.submission().push(&entry) }.is_ok() {
                return;
            }
        }
        self.backlog.push_back(entry);
    }

    /// Submits everything queued and waits until at least `want` completions are there.
    ///
    /// Returns early, without an error, after a signal, or when completions must be taken first.
    pub(crate) fn enter(&mut self, want: u32) -> io::Result<()> {
        loop {
            self.refill();
            let want = if self.backlog.is_empty() { want } else { 0 };
            match self.raw_enter(want, EnterFlags::GETEVENTS) {
                Ok(0) if !self.backlog.is_empty() => return Ok(()),
                Ok(_) if !self.backlog.is_empty() => continue,
                Ok(_) => return Ok(()),
                Err(error) => {
                    return match error.raw_os_error() {
                        Some(libc::EINTR | libc::EBUSY | libc::EAGAIN) => Ok(()),
                        _ => Err(error),
                    };
                }
            }
        }
    }

    /// Submits what is queued; does not look for completions.
    pub(crate) fn submit(&mut self) -> io::Result<()> {
        self.refill();
        if self.ring.submission().is_empty() {
            return Ok(());
        }
        match self.raw_enter(0, EnterFlags::empty()) {
            Ok(_) => Ok(()),
            Err(error) => match error.raw_os_error() {
                Some(libc::EINTR | libc::EBUSY | libc::EAGAIN) => Ok(()),
                _ => Err(error),
            },
        }
    }

    /// Whether an `enter` would do anything: something to submit, or completions that the kernel
    /// holds back until it is entered.
    pub(crate) fn needs_enter(&mut self) -> bool {
        let submission = self.ring.submission();
        !submission.is_empty()
            || submission.cq_overflow()
            || submission.taskrun()
            || !self.backlog.is_empty()
    }

    /// Whether a completion is there to be popped.
    pub(crate) fn has_completion(&mut self) -> bool {
        !self.ring.completion().is_empty()
    }

    /// Takes up to `limit` completions in order.
    pub(crate) fn drain(&mut self, completions: &mut Vec<Completion>, limit: usize) {
        for entry in self.ring.completion().by_ref().take(limit) {
            completions.push(Completion {
                user_data: entry.user_data(),
                result: entry.result(),
                flags: entry.flags(),
            });
        }
        for completion in completions.iter() {
            let owed = !matches!(
                Operation::unpack(completion.user_data).0,
                Operation::Woken | Operation::WakeSend
            );
            if owed && !completion.more() {
                self.in_flight -= 1;
            }
        }
    }

    fn refill(&mut self) {
        while let Some(entry) = self.backlog.pop_front() {
            // SAFETY: whoever pushed the entry vouches for its memory until its last completion.
            if unsafe { self.ring.submission().push(&entry) }.is_err() {
                self.backlog.push_front(entry);
                return;
            }
        }
    }

    /// One io_uring_enter(2). Gives the number of entries submitted.
    fn raw_enter(&mut self, want: u32, flags: EnterFlags) -> io::Result<u32> {
        let queued = self.ring.submission().len() as u32;
        // SAFETY: the descriptor is this ring's, and no argument structure is passed. What the
        // queued entries name is valid, as promised to `push`.
        let submitted = unsafe {
            libc::syscall(
                libc::SYS_io_uring_enter,
                self.enter_fd,
                queued,
                want,
                (self.enter_flags | flags).bits(),
                std::ptr::null::<libc::sigset_t>(),
                0usize,
            )
        };
        if submitted < 0 { Err(io::Error::last_os_error()) } else { Ok(submitted as u32) }
    }
}

fn setup(entries: u32, completions: u32, mode: SetupMode) -> io::Result<IoUring> {
    let mut builder = IoUring::builder();
    builder.dontfork().setup_cqsize(completions).setup_clamp();
    match mode {
        SetupMode::Deferred => {
            builder
                .setup_single_issuer()
                .setup_defer_taskrun()
                .setup_taskrun_flag()
                .setup_submit_all();
        }
        SetupMode::Cooperative => {
            builder
                .setup_single_issuer()
                .setup_coop_taskrun()
                .setup_taskrun_flag()
                .setup_submit_all();
        }
        SetupMode::Plain => {}
    }
    builder.build(entries)
}

/// `struct io_uring_rsrc_update` of io_uring_register(2), for the descriptor of a ring.
#[repr(C)]
struct RingUpdate {
    offset: u32,
    reserved: u32,
    data: u64,
}

/// Registers the descriptor of a ring with the calling thread; gives its index.
fn register_ring_fd(ring_fd: RawFd) -> Option<RawFd> {
    let mut update = RingUpdate { offset: u32::MAX, reserved: 0, data: ring_fd as u64 };
    update_ring_fd(ring_fd, REGISTER_RING_FDS, &mut update).then_some(update.offset as RawFd)
}

fn update_ring_fd(ring_fd: RawFd, operation: libc::c_uint, update: &mut RingUpdate) -> bool {
    let update: *mut RingUpdate = update;
    // SAFETY: the kernel reads and writes one `RingUpdate`, which outlives the call.
    let updated =
        unsafe { libc::syscall(libc::SYS_io_uring_register, ring_fd, operation, update, 1u32) };
    updated == 1
}

impl Drop for Queue {
    fn drop(&mut self) {
        if self.enter_flags.contains(EnterFlags::REGISTERED_RING) {
            // Else the registration would keep the ring alive until the thread ends.
            let mut update = RingUpdate { offset: self.enter_fd as u32, reserved: 0, data: 0 };
            update_ring_fd(self.ring_fd(), UNREGISTER_RING_FDS, &mut update);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_may_have_many_rings_one_after_the_other() {
        let is_registered = |_| {
            let queue = Queue::new(2, 4, &SetupMode::LADDER).unwrap();
            queue.enter_flags.contains(EnterFlags::REGISTERED_RING)
        };
        // The kernel registers 16 rings per thread.
        let registered: Vec<bool> = (0..20).map(is_registered).collect();
        assert!(registered.iter().all(|one| *one == registered[0]), "{registered:?}");
    }

    #[test]
    fn entries_that_the_kernel_does_not_take_now_go_out_later() {
        const ENTRIES: usize = 20;
        let mut queue = Queue::new(2, 64, &SetupMode::LADDER).unwrap();
        let enter_fd = std::mem::replace(&mut queue.enter_fd, -1);
        for index in 0..ENTRIES {
            let entry = opcode::Nop::new().build();
            let user_data = Operation::CancelAll.on_ring(index as u32);
            // SAFETY: the entry names no memory.
            unsafe { queue.push(entry.user_data(user_data)) };
        }
        assert!(queue.needs_enter());
        assert_eq!(queue.in_flight() as usize, ENTRIES);
        queue.enter_fd = enter_fd;
        queue.enter(1).unwrap();
        let mut completions = Vec::new();
        queue.drain(&mut completions, usize::MAX);
        let order: Vec<_> =
            completions.iter().map(|one| Operation::unpack(one.user_data).1.generation).collect();
        assert_eq!(order, (0..ENTRIES as u32).collect::<Vec<_>>());
        assert_eq!(queue.in_flight(), 0);
    }
}
