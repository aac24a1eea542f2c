//! Job: the loop of one core: connects, sends what is due, receives, until the load is over.
//! In: a [`Plan`], traffic, the events of a net ring. Out: what the core saw.
//! Invariant: one pass is one system call, and one more for each few sends, so that the time by which a
//! request is said to be sent is the time at which the kernel got it.

mod sockets;

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::thread;

use ringlet_runtime::ring::{Event, NetRing, RingSettings, SocketId, Wait};

use super::connection::State;
use super::link_table::LinkTable;
use super::shared::{CoreReport, Message, Shared};
use super::stream::{Stream, Turn};
use crate::generator::outcome::Ended;
use crate::generator::plan::{
    CONNECT_TIMEOUT, INTERRUPTED_DRAIN_TIMEOUT, Plan, SILENCE_TIMEOUT, UNSENT_BYTES_MAX,
};
use crate::generator::traffic::Traffic;

/// Sends that are handed to the kernel together.
const SENDS_PER_SUBMIT: usize = 4;
/// Milliseconds from tick to tick: how long a core sleeps at most.
const TICK_MS: u32 = 1;
/// An open loop sleeps if nothing is due for so long: a tick, and some of the scheduler's time.
const REST_NS: u64 = 1_500_000;
/// Sockets beyond the connections: those that are being closed.
const SPARE_SOCKETS: usize = 4096;

/// One core's part of a run.
pub struct Core<T> {
    plan: Plan,
    shared: Arc<Shared>,
    ring: NetRing,
    /// The load, and the bystander if this core has it.
    streams: Vec<Stream<T>>,
    links: LinkTable,
    /// Sockets whose end the server has announced, the oldest first.
    retired: VecDeque<SocketId>,
    /// Connections with something to send.
    dirty: Vec<usize>,
    turns: Vec<Turn>,
    /// Bytes of requests that the kernel has not taken.
    unsent_bytes: usize,
    /// Connections that carry requests.
    ready: usize,
    /// Nanoseconds of the monotonic clock at which the load began.
    start_ns: u64,
    last_reply_ns: u64,
    /// When the pass began whose events are handled; 0 before the load. They came after it: what is late
    /// since then may be the generator's fault.
    pass_start_ns: u64,
    own_pause_max_ns: u64,
}

impl<T: Traffic> Core<T> {
    /// A core whose streams have not begun.
    ///
    /// # Errors
    /// The kernel refuses the ring.
    pub fn new(plan: Plan, shared: Arc<Shared>, streams: Vec<Stream<T>>) -> Result<Self, String> {
        let links = LinkTable::new(streams.iter().map(Stream::nodes));
        let settings = RingSettings {
            max_sockets: links.len() + SPARE_SOCKETS,
            tick_ms: TICK_MS,
            ..RingSettings::default()
        };
        let ring = NetRing::new(&settings).map_err(|error| error.to_string())?;
        Ok(Self {
            plan,
            shared,
            ring,
            streams,
            links,
            retired: VecDeque::new(),
            dirty: Vec::new(),
            turns: Vec::new(),
            unsent_bytes: 0,
            ready: 0,
            start_ns: 0,
            last_reply_ns: 0,
            pass_start_ns: 0,
            own_pause_max_ns: 0,
        })
    }

    /// Runs the core's part from the first connection to the last reply.
    pub fn run(mut self, sink: &SyncSender<Message>) -> CoreReport {
        let outcome = self
            .connect_all()
            .and_then(|()| self.begin())
            .and_then(|has_begun| if has_begun { self.load(sink) } else { Ok(Ended::Interrupted) });
        let ended = outcome.unwrap_or_else(|problem| {
            self.shared.stop();
            Ended::Failed(problem)
        });
        self.report(ended)
    }

    fn now_ns(&self) -> u64 {
        self.shared.now_ns().saturating_sub(self.start_ns)
    }

    fn connect_all(&mut self) -> Result<(), String> {
        for place in 0..self.links.len() {
            self.connect(place)?;
        }
        let deadline_ns = self.now_ns() + CONNECT_TIMEOUT.as_nanos() as u64;
        let mut events = Vec::new();
        while self.ready < self.links.len() && !self.shared.is_stopped() {
            self.pass(&mut events, Wait::Block)?;
            if self.now_ns() > deadline_ns {
                return Err(format!(
                    "{} of {} connections were not made within {} s",
                    self.links.len() - self.ready,
                    self.links.len(),
                    CONNECT_TIMEOUT.as_secs()
                ));
            }
        }
        Ok(())
    }

    /// Waits until all cores are connected and the start has come; false if the run has been stopped before.
    fn begin(&mut self) -> Result<bool, String> {
        self.shared.arrive();
        let mut events = Vec::new();
        loop {
            if self.shared.is_stopped() {
                return Ok(false);
            }
            match self.shared.start_ns() {
                Some(start_ns) if start_ns < self.shared.now_ns() => {
                    self.start_ns = start_ns;
                    return Ok(true);
                }
                Some(_) => self.pass(&mut events, Wait::Poll)?,
                None => self.pass(&mut events, Wait::Block)?,
            }
        }
    }

    fn load(&mut self, sink: &SyncSender<Message>) -> Result<Ended, String> {
        let mut events = Vec::new();
        let mut over_since_ns = None;
        let mut is_interrupted = false;
        self.last_reply_ns = self.now_ns();
        loop {
            let now_ns = self.now_ns();
            self.hand_out_interval(now_ns, sink);
            if self.shared.is_stopped() && !is_interrupted {
                is_interrupted = true;
                self.streams.iter_mut().for_each(|stream| stream.break_off(now_ns));
                over_since_ns = None;
            }
            self.ask(now_ns)?;
            let (outstanding, has_sent_all) = self.progress(now_ns);
            if has_sent_all && outstanding == 0 {
                break;
            }
            if self.streams.iter().all(|stream| stream.is_over(now_ns)) {
                let drain =
                    if is_interrupted { INTERRUPTED_DRAIN_TIMEOUT } else { self.plan.drain };
                let since_ns = *over_since_ns.get_or_insert(now_ns);
                if now_ns > since_ns + drain.as_nanos() as u64 {
                    if is_interrupted {
                        return Ok(Ended::Interrupted);
                    }
                    return Err(format!(
                        "{outstanding} requests had no reply {} s after the last one was meant to be sent",
                        drain.as_secs_f64()
                    ));
                }
            }
            if outstanding > 0
                && now_ns.saturating_sub(self.last_reply_ns) > SILENCE_TIMEOUT.as_nanos() as u64
            {
                return Err(format!(
                    "the server has been silent for {} s: {outstanding} requests wait",
                    SILENCE_TIMEOUT.as_secs()
                ));
            }
            if outstanding == 0 {
                self.last_reply_ns = now_ns;
            }
            let rests = self.streams.iter().all(|stream| stream.rests_until(now_ns + REST_NS));
            let wait = if rests || has_sent_all { Wait::Block } else { Wait::Poll };
            self.pass(&mut events, wait)?;
            // A pass that may sleep does so for a tick at most.
            let asleep_ns = if wait == Wait::Poll { 0 } else { u64::from(TICK_MS) * 1_000_000 };
            let pause_ns = (self.now_ns() - now_ns).saturating_sub(asleep_ns);
            self.own_pause_max_ns = self.own_pause_max_ns.max(pause_ns);
        }
        Ok(if is_interrupted { Ended::Interrupted } else { Ended::Complete })
    }

    /// Requests without reply, and whether no more will be sent. The bystander ends with the load.
    fn progress(&mut self, now_ns: u64) -> (u64, bool) {
        let (main, probes) = self.streams.split_at_mut(1);
        let is_over = main[0].has_sent_all(now_ns) && main[0].outstanding == 0;
        for probe in &mut *probes {
            if is_over {
                probe.end_at(now_ns);
            }
        }
        let waiting = self.streams.iter().map(Stream::unanswered).sum();
        (waiting, self.streams.iter().all(|stream| stream.has_sent_all(now_ns)))
    }

    fn hand_out_interval(&mut self, now_ns: u64, sink: &SyncSender<Message>) {
        let main = &mut self.streams[0];
        while let Some(interval) = main.recorder.take_interval(now_ns, main.unanswered()) {
            // Nobody to hear it means that the run is over.
            let _ = sink.send(Message::Interval(interval));
        }
    }

    /// Writes the requests of all clients whose turn has come.
    fn ask(&mut self, now_ns: u64) -> Result<(), String> {
        for index in 0..self.streams.len() {
            let stream = &mut self.streams[index];
            stream.take_turns(now_ns, &mut self.turns)?;
            for turn in self.turns.drain(..) {
                let only = stream.node_of(turn.client);
                let asked = stream.traffic.draw(only.map(|node| node as u16));
                let place = self.links.place(index, turn.client, usize::from(asked.node));
                let place = place.ok_or_else(|| {
                    let node = self.plan.nodes[only.unwrap_or_default()];
                    format!("no key found for {node}, to which a client keeps: take more --keys")
                })?;
                let connection = self.links.at(place);
                let length = connection.output.len();
                if length == 0 {
                    self.dirty.push(place);
                }
                connection.ask(&mut stream.traffic, asked, turn);
                self.unsent_bytes += connection.output.len() - length;
                if self.unsent_bytes > UNSENT_BYTES_MAX {
                    return Err(format!(
                        "the server does not keep up: more than {UNSENT_BYTES_MAX} bytes of requests \
                         wait until it takes them; ask for less at once"
                    ));
                }
            }
        }
        Ok(())
    }

    /// Sends what waits, waits for events and handles them.
    fn pass(&mut self, events: &mut Vec<Event>, wait: Wait) -> Result<(), String> {
        self.flush()?;
        self.ring.wait(events, wait).map_err(ring_failed)?;
        if events.is_empty() && wait == Wait::Poll && self.plan.shares_cpu {
            thread::yield_now();
        }
        // What has come is here now, however long the handling of all of it takes.
        let now_ns = self.now_ns();
        for event in events.drain(..) {
            self.on_event(event, now_ns)?;
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), String> {
        let mut now_ns = self.now_ns();
        self.pass_start_ns = if self.start_ns == 0 { 0 } else { now_ns };
        let mut sends = 0;
        for place in std::mem::take(&mut self.dirty) {
            let is_closed = !self.streams[self.links.stream_of(place)].is_open();
            let recorder = &mut self.streams[self.links.stream_of(place)].recorder;
            let connection = self.links.at(place);
            let can_send = connection.state != State::Connecting
                && !connection.output.is_empty()
                && !self.ring.is_sending(connection.socket);
            if !can_send {
                // It comes back when it is connected, or its send has ended.
                continue;
            }
            if sends == SENDS_PER_SUBMIT {
                self.ring.submit().map_err(ring_failed)?;
                now_ns = self.shared.now_ns().saturating_sub(self.start_ns);
                sends = 0;
            }
            let data = connection.take_output(now_ns, is_closed, recorder);
            self.ring.send(connection.socket, data);
            sends += 1;
        }
        Ok(())
    }

    fn report(mut self, ended: Ended) -> CoreReport {
        let finished_ns = if self.start_ns == 0 { 0 } else { self.now_ns() };
        let unanswered =
            self.streams.iter().map(|stream| stream.unanswered() + stream.given_up).sum();
        let mut streams = self.streams.drain(..);
        let mut main = streams.next().expect("every core has its part of the load");
        let last = main.recorder.finish_interval(finished_ns, main.unanswered());
        CoreReport {
            kinds: main.traffic.kinds().to_vec(),
            main: main.recorder,
            probe: streams.next().map(|probe| probe.recorder),
            last,
            unanswered,
            own_pause_max_ns: self.own_pause_max_ns,
            finished_ns,
            ended,
        }
    }
}

fn ring_failed(error: std::io::Error) -> String {
    format!("the ring of this core broke: {error}")
}
