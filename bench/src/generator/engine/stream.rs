//! Job: one kind of load on one core: which client asks when.
//! In: the time, replies. Out: clients that ask now.
//! Invariant: a closed client asks again only when all its replies are there; an open loop hands out
//! every intended time, whatever the clients wait for.

use std::collections::VecDeque;
use std::ops::Range;

use super::pace::Schedule;
use super::recorder::Recorder;
use crate::generator::plan::{Limit, OUTSTANDING_MAX, Pace, Plan, StreamPlan};
use crate::generator::traffic::{Seat, Traffic};

/// When the clients of a stream ask.
#[derive(Debug)]
enum Clock {
    Closed { pipeline: usize },
    Open { schedule: Schedule, burst: u64 },
}

/// Who asks, and since when it was meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turn {
    /// The client.
    pub client: usize,
    /// When it was meant to ask.
    pub intended_ns: u64,
    /// When the generator saw that.
    pub handed_out_ns: u64,
}

/// One kind of load.
pub struct Stream<T> {
    /// What is said.
    pub traffic: T,
    /// What is seen.
    pub recorder: Recorder,
    clock: Clock,
    seat: Seat,
    /// Servers that there are.
    nodes: usize,
    keeps_to_node: bool,
    /// Whether a client of an open loop asks again before its reply has come.
    pipelines: bool,
    /// Requests without reply, by client.
    waiting: Vec<usize>,
    /// Requests without reply of all clients.
    pub outstanding: usize,
    /// The next client of an open loop whose clients take several requests.
    next: usize,
    /// Clients that may ask: in a closed loop those whose replies are there; in an open loop, where one
    /// connection carries one request, all that are idle.
    idle: VecDeque<usize>,
    /// Intended times for which no client was idle, and when they were handed out.
    backlog: VecDeque<(u64, u64)>,
    /// Those that were never sent, since the run broke off.
    pub given_up: u64,
    /// Requests that may still be sent, if they are counted.
    left: u64,
    /// When no more are sent, in nanoseconds since the start.
    end_ns: u64,
}

/// The part of `count` that falls to one of `cores`.
pub fn share(count: u64, core: usize, cores: usize) -> u64 {
    let (core, cores) = (core as u64, cores as u64);
    count / cores + u64::from(core < count % cores)
}

impl<T: Traffic> Stream<T> {
    /// The part of a seat of a stream of `plan`. A connection that carries one request only leaves
    /// nothing to pipeline.
    pub fn new(plan: &Plan, stream: &StreamPlan, limit: Limit, seat: Seat, traffic: T) -> Self {
        let Seat { core, cores, .. } = seat;
        let clients = share(stream.clients as u64, core, cores) as usize;
        let warm_up_ns = plan.warm_up.as_nanos() as u64;
        let (left, end_ns) = match limit {
            Limit::Time(time) => (u64::MAX, warm_up_ns.saturating_add(time.as_nanos() as u64)),
            Limit::Requests(count) => (share(count, core, cores), u64::MAX),
        };
        let clock = match stream.pace {
            Pace::Closed { pipeline } => Clock::Closed { pipeline: pipeline.max(1) },
            Pace::Open { rate, gaps, burst } => {
                let burst = burst.max(1);
                // Times must not follow the keys, which are drawn from the seed itself.
                let seed = seat.seed(!plan.seed);
                let schedule = Schedule::new(rate / burst as f64, gaps, core, cores, seed);
                Clock::Open { schedule, burst: burst as u64 }
            }
        };
        Self {
            recorder: Recorder::new(traffic.kinds().len(), warm_up_ns..end_ns),
            pipelines: traffic.pipelines() && !plan.reconnects,
            seat,
            nodes: plan.nodes.len(),
            keeps_to_node: stream.keeps_to_node,
            traffic,
            clock,
            waiting: vec![0; clients],
            outstanding: 0,
            next: 0,
            idle: (0..clients).collect(),
            backlog: VecDeque::new(),
            given_up: 0,
            left,
            end_ns,
        }
    }

    /// The only node of a client, if it keeps to one. The clients of all cores take turns.
    pub fn node_of(&self, client: usize) -> Option<usize> {
        let Seat { core, cores, .. } = self.seat;
        self.keeps_to_node.then_some((client * cores + core) % self.nodes)
    }

    /// The nodes of each client on this core.
    pub fn nodes(&self) -> Vec<Range<usize>> {
        let nodes = |client| self.node_of(client).map_or(0..self.nodes, |node| node..node + 1);
        (0..self.waiting.len()).map(nodes).collect()
    }

    /// Whether the requests are sent at fixed times.
    pub fn is_open(&self) -> bool {
        matches!(self.clock, Clock::Open { .. })
    }

    /// Whether a client has one request at a time, so that its connection is busy until the reply.
    pub fn takes_turns(&self) -> bool {
        !self.is_open() || !self.pipelines
    }

    /// Sends nothing that is meant for a time from `now_ns` on.
    pub fn end_at(&mut self, now_ns: u64) {
        self.end_ns = self.end_ns.min(now_ns);
    }

    /// Sends nothing more. What waits for a connection stays without reply: a report without it would
    /// hide a server that stands still.
    pub fn break_off(&mut self, now_ns: u64) {
        self.end_at(now_ns);
        self.given_up += self.backlog.len() as u64;
        self.backlog.clear();
    }

    /// Whether no further request is meant to be sent from `now_ns` on.
    pub fn is_over(&self, now_ns: u64) -> bool {
        let has_ended = match &self.clock {
            Clock::Closed { .. } => now_ns >= self.end_ns,
            Clock::Open { schedule, .. } => schedule.next_ns() >= self.end_ns,
        };
        self.waiting.is_empty() || has_ended || self.left == 0
    }

    /// Whether all that was to be sent has been sent by `now_ns`.
    pub fn has_sent_all(&self, now_ns: u64) -> bool {
        self.backlog.is_empty() && self.is_over(now_ns)
    }

    /// Whether nothing is due before `then_ns`.
    pub fn rests_until(&self, then_ns: u64) -> bool {
        match &self.clock {
            Clock::Closed { .. } => true,
            Clock::Open { schedule, .. } => schedule.next_ns() > then_ns || self.left == 0,
        }
    }

    /// Appends who asks at `now_ns`.
    ///
    /// # Errors
    /// More requests wait than may.
    pub fn take_turns(&mut self, now_ns: u64, turns: &mut Vec<Turn>) -> Result<(), String> {
        match &mut self.clock {
            Clock::Closed { pipeline } => {
                if now_ns >= self.end_ns {
                    return Ok(());
                }
                while self.left > 0
                    && let Some(client) = self.idle.pop_front()
                {
                    let count = self.left.min(*pipeline as u64);
                    self.left -= count.min(self.left);
                    self.waiting[client] += count as usize;
                    self.outstanding += count as usize;
                    let turn = Turn { client, intended_ns: now_ns, handed_out_ns: now_ns };
                    turns.extend((0..count).map(|_| turn));
                }
            }
            Clock::Open { schedule, burst } if !self.waiting.is_empty() => {
                // A rate that nobody could make would else fill the memory in one turn.
                while self.left > 0
                    && self.outstanding + self.backlog.len() <= OUTSTANDING_MAX
                    && let Some(intended_ns) = schedule.take_due(now_ns, self.end_ns)
                {
                    let count = self.left.min(*burst);
                    self.left -= count;
                    if !self.pipelines {
                        self.backlog.extend((0..count).map(|_| (intended_ns, now_ns)));
                        continue;
                    }
                    let turn = Turn { client: self.next, intended_ns, handed_out_ns: now_ns };
                    turns.extend((0..count).map(|_| turn));
                    self.waiting[self.next] += count as usize;
                    self.outstanding += count as usize;
                    self.next = (self.next + 1) % self.waiting.len();
                }
                while !self.backlog.is_empty()
                    && let Some(client) = self.idle.pop_front()
                    && let Some((intended_ns, handed_out_ns)) = self.backlog.pop_front()
                {
                    turns.push(Turn { client, intended_ns, handed_out_ns });
                    self.waiting[client] += 1;
                    self.outstanding += 1;
                }
            }
            Clock::Open { .. } => {}
        }
        let waiting = self.outstanding + self.backlog.len();
        if waiting > OUTSTANDING_MAX {
            return Err(format!(
                "the server does not keep up: more than {OUTSTANDING_MAX} requests wait for their \
                 replies; lower --rate"
            ));
        }
        Ok(())
    }

    /// So many replies have come for a client.
    pub fn answered(&mut self, client: usize, count: usize) {
        self.outstanding -= count;
        self.waiting[client] -= count;
        if count > 0 && self.waiting[client] == 0 && self.takes_turns() {
            self.idle.push_back(client);
        }
    }

    /// Requests that are meant to have been sent and wait for their replies.
    pub fn unanswered(&self) -> u64 {
        (self.outstanding + self.backlog.len()) as u64
    }
}
