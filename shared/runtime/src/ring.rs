//! The core's own io_uring: all its sockets, its tick and its wake-ups.
//!
//! Job: turn socket operations into batched submissions and completions into [`Event`] values.
//! In: calls of the owning core between two waits. Out: events, in completion order.
//! Invariant: one [`NetRing::wait`] is one system call; every operation in flight keeps its socket,
//! its descriptor and its memory alive; a socket's number is used again only after `Event::Closed`.

mod accept;
pub(crate) mod address;
mod close;
mod connect;
mod event;
mod operation;
pub(crate) mod options;
pub(crate) mod queue;
mod receive;
mod send;
mod settings;
mod socket;
mod tick;

use std::collections::VecDeque;
use std::io;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::os::fd::{FromRawFd, OwnedFd};
use std::time::Duration;

use io_uring::{opcode, types};

pub use crate::buffers::ReceivedBuffer;
use crate::buffers::{BUFFER_GROUP, BufferRing};
use crate::preflight::PreflightError;
pub use crate::sockets::{ListenerId, SocketId};
use crate::sockets::{Slot, Table};
use crate::wake::WakeHandle;
pub use address::SocketAddress;
pub use event::{Chunk, Errno, Event, ReceiveEnd, SendData};
use operation::Operation;
pub(crate) use options::check as check_result;
pub use queue::SetupMode;
use queue::{Completion, Queue};
pub use settings::RingSettings;
use socket::Socket;
use tick::Tick;

/// Listeners of one ring: each address of each kind takes one.
const MAX_LISTENERS: usize = 4096;

/// How often, and after what pause, the operations in flight are cancelled when a ring ends.
const CANCEL_ROUNDS: usize = 1000;
const CANCEL_PAUSE: Duration = Duration::from_millis(1);

/// How [`NetRing::wait`] waits.
#[derive(Copy, Clone, Eq, PartialEq, Debug)]
pub enum Wait {
    /// Until something happens.
    Block,
    /// Not at all: submit and collect what is there.
    Poll,
}

/// The core's own io_uring. Stays on the thread that made it.
pub struct NetRing {
    queue: Queue,
    /// Dropped by hand: only once the kernel no longer writes to it.
    buffers: ManuallyDrop<BufferRing>,
    sockets: Table<Socket>,
    listeners: Table<accept::Listener>,
    starved: receive::Starved,
    messages: Vec<send::Message>,
    tick: Tick,
    bell: WakeHandle,
    /// Cores that this one has rung, so that a failed message can be made good.
    rung: Vec<WakeHandle>,
    /// Events that calls have caused since the last wait.
    ready: VecDeque<Event>,
    /// Sockets that were told since the last wait to leave.
    detaches: Vec<Slot>,
    batch: Vec<Completion>,
    events_per_wait: usize,
    receives_armed: u64,
    woken: bool,
    stays_on_its_thread: PhantomData<*mut ()>,
}

impl NetRing {
    /// Makes the ring of the calling thread's core.
    ///
    /// # Errors
    /// With the likely cause and the remedy, when the kernel refuses the ring or its buffers.
    pub fn new(settings: &RingSettings) -> Result<NetRing, PreflightError> {
        let modes = settings.mode.as_ref().map_or(&SetupMode::LADDER[..], std::slice::from_ref);
        let queue = Queue::new(settings.submissions, settings.completions, modes)
            .map_err(PreflightError::ring)?;
        let buffers = BufferRing::new(settings.buffer_count, settings.buffer_bytes)
            .map_err(PreflightError::buffers)?;
        let (address, count) = buffers.registration();
        // SAFETY: `Drop` frees the buffers only when no operation is in flight any more, after it
        // has unregistered them.
        unsafe { queue.register_buffers(address, count, BUFFER_GROUP) }
            .map_err(PreflightError::buffers)?;
        let bell = WakeHandle::new(queue.ring_fd()).map_err(PreflightError::ring)?;
        let mut ring = NetRing {
            queue,
            buffers: ManuallyDrop::new(buffers),
            sockets: Table::new(settings.max_sockets),
            listeners: Table::new(MAX_LISTENERS),
            starved: receive::Starved::default(),
            messages: Vec::new(),
            tick: Tick::new(settings.tick_ms),
            bell,
            rung: Vec::new(),
            ready: VecDeque::new(),
            detaches: Vec::new(),
            batch: Vec::with_capacity(settings.events_per_wait),
            events_per_wait: settings.events_per_wait.max(1),
            receives_armed: 0,
            woken: false,
            stays_on_its_thread: PhantomData,
        };
        ring.arm_bell();
        ring.arm_tick();
        Ok(ring)
    }

    /// The setup flags that the kernel accepted.
    pub fn mode(&self) -> SetupMode {
        self.queue.mode()
    }

    /// Submits everything queued and appends what has happened to `events`, in completion order, at
    /// most `RingSettings::events_per_wait` completions at a time.
    ///
    /// `Wait::Block` returns when there is at least one event, or after a signal with none. To be
    /// called when the events of the last call have been handled: only then are the places
    /// (`index()`) of closed sockets used again.
    ///
    /// # Errors
    /// Only such as mean a broken ring.
    pub fn wait(&mut self, events: &mut Vec<Event>, mode: Wait) -> io::Result<()> {
        // The owner has seen the former events, hence knows which sockets have ended.
        self.sockets.recycle();
        self.listeners.recycle();
        self.return_buffers();
        self.woken = false;
        let seen = events.len();
        while let Some(event) = self.ready.pop_front() {
            if let Event::Closed { socket } = event {
                let idle = self.sockets.remove(socket.0).is_some_and(|one| one.in_flight == 0);
                assert!(idle, "{socket:?} has operations in flight and must keep its descriptor");
            }
            events.push(event);
        }
        while let Some(slot) = self.detaches.pop() {
            self.finish_detach(slot, events);
        }
        if mode == Wait::Block && events.len() == seen && !self.queue.has_completion() {
            self.queue.enter(1)?;
        } else if self.queue.needs_enter() {
            self.queue.enter(0)?;
        }
        let mut batch = std::mem::take(&mut self.batch);
        self.queue.drain(&mut batch, self.events_per_wait);
        for completion in batch.drain(..) {
            self.complete(completion, events);
        }
        self.batch = batch;
        Ok(())
    }

    /// Submits everything queued without waiting or collecting, for instance so that a wake-up goes
    /// out before a long piece of work.
    ///
    /// # Errors
    /// Only such as mean a broken ring.
    pub fn submit(&mut self) -> io::Result<()> {
        self.queue.submit()
    }

    /// What others need to ring this core.
    pub fn wake_handle(&self) -> WakeHandle {
        self.bell.clone()
    }

    /// Rings another core. The message goes out with the next `wait` or `submit`: whoever has taken
    /// that core's sleeper flag ([`Mesh::take_sleeper`](crate::mesh::Mesh::take_sleeper)) and goes
    /// on working must `submit` first, for nobody else rings.
    pub fn wake(&mut self, target: &WakeHandle) {
        if !self.queue.has_message_ring() {
            target.wake();
            return;
        }
        let known = self.rung.iter().position(|known| known.same_core(target));
        let generation = known.unwrap_or_else(|| {
            self.rung.push(target.clone());
            self.rung.len() - 1
        });
        let on_failure = Operation::WakeSend.on_ring(generation as u32);
        self.queue.push_message(target.ring_fd(), Operation::Woken.on_ring(0), on_failure);
    }

    /// The bytes of a received buffer.
    pub fn bytes(&self, buffer: &ReceivedBuffer) -> &[u8] {
        self.buffers.bytes(buffer)
    }

    /// Gives a received buffer back. The kernel gets it with the next `wait`.
    pub fn release(&mut self, buffer: ReceivedBuffer) {
        self.buffers.release(buffer);
    }

    /// Buffers delivered and not yet released.
    pub fn buffers_lent(&self) -> usize {
        self.buffers.lent()
    }

    /// Sockets that have an id now.
    pub fn socket_count(&self) -> usize {
        self.sockets.len()
    }

    /// Multishot receives armed so far: one per socket and pause, if all goes well.
    pub fn receives_armed(&self) -> u64 {
        self.receives_armed
    }

    /// Whether wake-ups go from ring to ring.
    pub(crate) fn has_messages(&self) -> bool {
        self.queue.has_message_ring()
    }

    fn arm_bell(&mut self) {
        let entry = opcode::PollAdd::new(types::Fd(self.bell.event_fd()), libc::POLLIN as u32)
            .multi(true)
            .build()
            .user_data(Operation::WakePoll.on_ring(0));
        // SAFETY: the entry names no memory.
        unsafe { self.queue.push(entry) };
    }

    fn complete(&mut self, completion: Completion, events: &mut Vec<Event>) {
        let (operation, slot) = Operation::unpack(completion.user_data);
        match operation {
            Operation::Receive => self.on_receive(slot, completion, events),
            Operation::Send => self.on_send(slot, completion, events),
            Operation::Accept => self.on_accept(slot, completion, events),
            Operation::Connect => self.on_connect(slot, completion, events),
            Operation::CancelReceive => self.on_cancel_receive(slot, completion, events),
            Operation::CancelSocket => self.on_cancel_socket(slot, completion, events),
            Operation::CancelAccept => self.on_cancel_accept(slot, completion, events),
            Operation::Tick => self.on_tick(slot.generation, completion, events),
            Operation::WakePoll => {
                self.note_wake(events);
                if !completion.more() {
                    self.arm_bell();
                }
            }
            Operation::Woken => self.note_wake(events),
            Operation::WakeSend => self.rung[slot.generation as usize].wake(),
            Operation::RemoveTick | Operation::CancelAll => {}
        }
    }

    fn note_wake(&mut self, events: &mut Vec<Event>) {
        if !self.woken {
            self.woken = true;
            events.push(Event::Woken);
        }
    }
}

impl NetRing {
    /// Cancels everything, and waits until nothing is in flight; false if that does not happen.
    fn cancel_all(&mut self) -> bool {
        for _ in 0..CANCEL_ROUNDS {
            // Each time anew: a cancel misses a timeout that has fired and is about to be armed
            // again.
            let entry = opcode::AsyncCancel2::new(types::CancelBuilder::any())
                .build()
                .user_data(Operation::CancelAll.on_ring(0));
            // SAFETY: the entry names no memory.
            unsafe { self.queue.push(entry) };
            let entered = self.queue.enter(0);
            self.queue.drain(&mut self.batch, usize::MAX);
            for completion in self.batch.drain(..) {
                let operation = Operation::unpack(completion.user_data).0;
                if operation == Operation::Accept && completion.result >= 0 {
                    // SAFETY: the kernel has just given us this descriptor.
                    drop(unsafe { OwnedFd::from_raw_fd(completion.result) });
                }
            }
            if self.queue.in_flight() == 0 || entered.is_err() {
                break;
            }
            std::thread::sleep(CANCEL_PAUSE);
        }
        self.queue.in_flight() == 0
    }
}

impl Drop for NetRing {
    /// Cancels everything and waits until the kernel has let go of all memory.
    fn drop(&mut self) {
        if self.cancel_all() {
            let _ = self.queue.unregister_buffers(BUFFER_GROUP);
            // SAFETY: dropped once, here, with nothing in flight.
            unsafe { ManuallyDrop::drop(&mut self.buffers) };
        } else {
            // The kernel may still touch this memory: it stays mapped until the process ends.
            std::mem::forget(std::mem::replace(&mut self.sockets, Table::new(0)));
            std::mem::forget(std::mem::take(&mut self.messages));
            self.tick.leak();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tick_that_is_due_does_not_outlive_the_ring() {
        let mut ring = NetRing::new(&RingSettings { tick_ms: 5, ..Default::default() }).unwrap();
        let mut events = Vec::new();
        ring.wait(&mut events, Wait::Block).unwrap();
        std::thread::sleep(Duration::from_millis(12));
        assert!(ring.cancel_all(), "the kernel still ticks");
    }
}
