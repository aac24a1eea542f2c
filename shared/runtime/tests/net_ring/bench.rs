//! What the tests of the net ring share: a ring on the test's thread, and an echo server on
//! another.

use std::collections::{HashMap, VecDeque};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use ringlet_runtime::listen::{ListenOptions, listen};
use ringlet_runtime::ring::{
    Event, NetRing, ReceiveEnd, RingSettings, SendData, SocketAddress, SocketId, Wait,
};

const PATIENCE: Duration = Duration::from_secs(60);

/// Bytes that the echo server holds for a slow reader before it stops to read from it.
pub const HIGH_WATER: usize = 256 << 10;

/// Settings for small rings.
pub fn small() -> RingSettings {
    RingSettings { buffer_count: 16, buffer_bytes: 4096, tick_ms: 2, ..RingSettings::default() }
}

/// A ring, and the events it has delivered that nobody has looked at.
pub struct Bench {
    pub ring: NetRing,
    pending: VecDeque<Event>,
    deadline: Instant,
}

impl Bench {
    pub fn new(settings: &RingSettings) -> Self {
        let ring = NetRing::new(settings).unwrap_or_else(|error| panic!("{error}"));
        Self { ring, pending: VecDeque::new(), deadline: Instant::now() + PATIENCE }
    }

    /// A socket in the ring, and the other end of it.
    pub fn pair(&mut self) -> (SocketId, UnixStream) {
        let (near, far) = UnixStream::pair().unwrap();
        (self.ring.adopt(OwnedFd::from(near)).unwrap(), far)
    }

    /// The next event, ticks included.
    pub fn any(&mut self) -> Event {
        let mut events = Vec::new();
        while self.pending.is_empty() {
            assert!(Instant::now() < self.deadline, "nothing has happened for too long");
            self.ring.wait(&mut events, Wait::Block).unwrap();
            self.pending.extend(events.drain(..));
        }
        self.pending.pop_front().unwrap()
    }

    /// The next event that is no tick.
    pub fn next(&mut self) -> Event {
        loop {
            match self.any() {
                Event::Tick => assert!(Instant::now() < self.deadline, "only ticks for too long"),
                event => return event,
            }
        }
    }

    /// What is there now, without waiting.
    pub fn waiting(&mut self) -> Vec<Event> {
        let mut events = self.pending.drain(..).collect();
        self.ring.wait(&mut events, Wait::Poll).unwrap();
        events
    }

    /// All other events of the next `ticks` ticks.
    pub fn during(&mut self, ticks: usize) -> Vec<Event> {
        let mut seen = Vec::new();
        let mut left = ticks;
        while left > 0 {
            match self.any() {
                Event::Tick => left -= 1,
                event => seen.push(event),
            }
        }
        seen
    }

    /// Receives exactly `count` bytes of `socket`.
    pub fn receive(&mut self, socket: SocketId, count: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        while bytes.len() < count {
            match self.next() {
                Event::Received { socket: from, buffer } if from == socket => {
                    bytes.extend_from_slice(self.ring.bytes(&buffer));
                    self.ring.release(buffer);
                }
                event => panic!("unexpected {event:?}"),
            }
        }
        assert_eq!(bytes.len(), count);
        bytes
    }

    /// Closes, and expects nothing but the end of `socket`.
    pub fn close(&mut self, socket: SocketId) {
        self.ring.close(socket);
        match self.next() {
            Event::Closed { socket: closed } => assert_eq!(closed, socket),
            event => panic!("unexpected {event:?}"),
        }
    }
}

/// What the echo server tells the test while it runs.
#[derive(Default)]
pub struct Gauges {
    pub sockets: AtomicUsize,
    pub pauses: AtomicUsize,
    /// Most bytes ever held for one reader.
    pub held: AtomicUsize,
    stop: AtomicBool,
}

#[derive(Default)]
struct Echo {
    held: Vec<u8>,
    paused: bool,
    ended: bool,
}

/// Runs an echo server on a ring with `settings` while `client` runs on this thread.
pub fn with_echo_server<T>(
    settings: RingSettings,
    listen_on: Vec<SocketAddress>,
    client: impl FnOnce(&[SocketAddress], &Gauges) -> T,
) -> T {
    let gauges = Arc::new(Gauges::default());
    let seen = gauges.clone();
    let (started, server_started) = mpsc::channel();
    let server = thread::spawn(move || {
        let mut bench = Bench::new(&settings);
        let mut bound = Vec::new();
        for address in listen_on {
            let (mut sockets, address) = listen(&ListenOptions::new(address), 1).unwrap();
            bench.ring.listen(sockets.remove(0)).unwrap();
            bound.push(address);
        }
        started.send((bound, bench.ring.wake_handle())).unwrap();
        echo(&mut bench, &seen);
        assert_eq!(bench.ring.buffers_lent(), 0, "all buffers went back");
    });
    let (addresses, bell) = server_started.recv().expect("the server has started");
    let outcome = client(&addresses, &gauges);
    gauges.stop.store(true, Ordering::SeqCst);
    bell.wake();
    server.join().unwrap();
    outcome
}

fn echo(bench: &mut Bench, gauges: &Gauges) {
    let mut echoes: HashMap<SocketId, Echo> = HashMap::new();
    while !gauges.stop.load(Ordering::SeqCst) {
        let event = bench.any();
        let ring = &mut bench.ring;
        match event {
            Event::Accepted { socket, .. } => {
                assert!(echoes.insert(socket, Echo::default()).is_none(), "ids are unique");
                ring.start_receive(socket);
            }
            Event::Received { socket, buffer } => {
                if let Some(echo) = echoes.get_mut(&socket) {
                    echo.held.extend_from_slice(ring.bytes(&buffer));
                    gauges.held.fetch_max(echo.held.len(), Ordering::SeqCst);
                    if echo.held.len() > HIGH_WATER && !echo.paused {
                        echo.paused = true;
                        gauges.pauses.fetch_add(1, Ordering::SeqCst);
                        ring.pause_receive(socket);
                    }
                    proceed(ring, socket, echo);
                }
                ring.release(buffer);
            }
            Event::ReceiveEnded { socket, end } => {
                let echo = echoes.get_mut(&socket).expect("a living socket");
                echo.ended = true;
                if end != ReceiveEnd::EndOfStream {
                    echo.held.clear();
                }
                proceed(ring, socket, echo);
            }
            Event::Sent { socket, result, .. } => {
                if let Some(echo) = echoes.get_mut(&socket) {
                    if result.is_err() {
                        echo.held.clear();
                        echo.ended = true;
                    }
                    proceed(ring, socket, echo);
                }
            }
            Event::Closed { socket } => {
                echoes.remove(&socket).expect("a living socket");
            }
            Event::Woken | Event::Tick => {}
            event => panic!("unexpected {event:?}"),
        }
        gauges.sockets.store(ring.socket_count(), Ordering::SeqCst);
    }
}

fn proceed(ring: &mut NetRing, socket: SocketId, echo: &mut Echo) {
    if !ring.is_open(socket) || ring.is_sending(socket) {
        return;
    }
    if !echo.held.is_empty() {
        ring.send(socket, SendData::Buffer(std::mem::take(&mut echo.held)));
        if echo.paused {
            echo.paused = false;
            ring.resume_receive(socket);
        }
    } else if echo.ended {
        ring.close(socket);
    }
}

/// A pattern in which no byte can be lost, doubled or displaced unnoticed.
pub fn pattern(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}
