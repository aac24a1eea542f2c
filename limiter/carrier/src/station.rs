//! One core's whole part of the limiter: what drives an engine.
//!
//! Job: bring an engine's messages to other cores, its calls to the store, and time and answers to it. In:
//! checks, posts of other cores, events of the ring, the monotonic clock. Out: verdicts, posts. Invariant:
//! what the engine wants done is done before the core sleeps, as far as `has_work` says so; all stations of
//! a process read the same calendar.
//!
//! A pass of a core goes: `apply` if there are other rules, `on_post`, `on_event` for each event, `check`
//! for each request, `work`, `take_finished`.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ringlet_limit::config::StoreSettings;
use ringlet_limit::engine::outbox::{Outbox, Post};
use ringlet_limit::engine::{Engine, EngineCounters, EngineSettings};
use ringlet_limit::lease::{LeaseSettings, TICK_MS};
use ringlet_limit::request::{Action, Matched, Verdict};
use ringlet_limit::rules::RuleSet;
use ringlet_limit::store::StoreView;
use ringlet_limit::store::link::{LinkSettings, NodeId};
use ringlet_limit::time::{NS_PER_MS, Now};
use ringlet_runtime::ring::{Event, NetRing};
use ringlet_runtime::wake::WakeHandle;

use crate::Carrier;

/// Replies that come of calls at once may make further calls; what these rounds leave is for the next pass.
const ROUNDS_MAX: usize = 4;

/// A lease takes some ten times the memory of a key's state: of so many keys one has a lease at a time.
const LEASES_DIVISOR: usize = 4;
/// But so many at least.
const LEASES_MIN: usize = 1024;

/// What the stations of a process have in common.
pub struct Crew {
    cores: usize,
    keys_per_core: usize,
    lease: LeaseSettings,
    link: Option<LinkSettings>,
    node: NodeId,
    /// The calendar's clock less the monotonic one: whoever sets the calendar later moves no window.
    wall_offset_ms: i64,
    /// Limiters that share the store, as the first core counts them.
    nodes: AtomicU64,
}

impl Crew {
    /// The stations of `cores` cores, which remember `keys_max` keys together. `wall_offset_ms` is the
    /// calendar's clock (since 1970) less the monotonic one.
    #[must_use]
    pub fn new(
        cores: usize,
        keys_max: u64,
        store: Option<&StoreSettings>,
        node: NodeId,
        wall_offset_ms: i64,
    ) -> Self {
        let keys_max = usize::try_from(keys_max).unwrap_or(usize::MAX);
        let lease = store.map_or_else(LeaseSettings::default, |store| LeaseSettings {
            renew_ms: u64::from(store.renewal_ms),
            held_per_mille: 10 * store.lease_percent,
            prefix: store.prefix.clone(),
            ..LeaseSettings::default()
        });
        Self {
            cores,
            keys_per_core: keys_max.div_ceil(cores),
            lease,
            link: store.map(link_settings),
            node,
            wall_offset_ms,
            nodes: AtomicU64::new(0),
        }
    }

    /// Whether there is a store.
    #[must_use]
    pub fn has_store(&self) -> bool {
        self.link.is_some()
    }

    /// For the log: its last word would else be that the store has gone.
    fn tell_reached(&self, again: bool) {
        let addresses = self.link.as_ref().map_or(String::new(), |link| link.addresses.join(", "));
        tracing::info!("store {addresses} is reached{}", if again { " again" } else { "" });
    }

    /// The instant of a reading of the monotonic clock.
    #[must_use]
    pub fn at(&self, now_ns: u64) -> Now {
        let unix_ms = (now_ns / NS_PER_MS) as i64 + self.wall_offset_ms;
        Now { monotonic_ns: now_ns, unix_ms: unix_ms.max(0) as u64 }
    }
}

fn link_settings(store: &StoreSettings) -> LinkSettings {
    LinkSettings {
        is_cluster: store.is_cluster,
        username: store.username.clone(),
        password: store.password.clone(),
        timeout_ms: u64::from(store.timeout_ms),
        prefix: store.prefix.clone(),
        nodes_min: store.nodes,
        ..LinkSettings::at(store.addresses.clone())
    }
}

/// One core's limiter.
pub struct Station {
    crew: Arc<Crew>,
    core: usize,
    engine: Engine,
    outbox: Outbox,
    /// Emptied batches on their way back to whom they came from.
    emptied: Vec<(usize, Post)>,
    carrier: Option<Carrier>,
    /// What the engine knows of the store.
    view: StoreView,
    /// Whether the store has ever been up.
    was_reached: bool,
    ticked_ns: u64,
    /// Nothing is taken ahead any more.
    is_ending: bool,
}

impl Station {
    /// The station of a core, which is rung by `bell`. `seed` makes the pauses between trials to connect.
    #[must_use]
    pub fn new(
        crew: Arc<Crew>,
        core: usize,
        rules: Arc<RuleSet>,
        seed: u64,
        now_ns: u64,
        bell: WakeHandle,
    ) -> Self {
        let carrier = crew.link.clone().map(|link| {
            // One of them is enough to count the limiters.
            let link = LinkSettings { is_heartbeat: core == 0, ..link };
            Carrier::new(link, crew.node.clone(), seed, now_ns, bell)
        });
        let settings = EngineSettings {
            core,
            cores: crew.cores,
            keys_max: crew.keys_per_core,
            leases_max: (crew.keys_per_core / LEASES_DIVISOR).max(LEASES_MIN),
            has_store: carrier.is_some(),
            lease: crew.lease.clone(),
        };
        Self {
            engine: Engine::new(settings, rules),
            outbox: Outbox::new(core, crew.cores),
            emptied: Vec::new(),
            carrier,
            view: StoreView::default(),
            was_reached: false,
            ticked_ns: now_ns,
            is_ending: false,
            core,
            crew,
        }
    }

    /// The rules that hold.
    #[must_use]
    pub fn rules(&self) -> &Arc<RuleSet> {
        self.engine.rules()
    }

    /// What is known of the store; none without one.
    #[must_use]
    pub fn store(&self) -> Option<StoreView> {
        self.carrier.is_some().then_some(self.view)
    }

    /// Numbers for metrics.
    #[must_use]
    pub fn counters(&self) -> EngineCounters {
        self.engine.counters()
    }

    /// The instant of a reading of the monotonic clock.
    #[must_use]
    pub fn at(&self, now_ns: u64) -> Now {
        self.crew.at(now_ns)
    }

    /// Goes over to other rules. To be called before posts are taken: who sends a message by new rules has
    /// published them before.
    pub fn apply(&mut self, rules: Arc<RuleSet>, now_ns: u64) {
        self.engine.apply(rules, self.crew.at(now_ns));
    }

    /// Decides. True: `verdict` is filled in. False: it comes with `ticket` from
    /// [`Station::take_finished`].
    pub fn check(
        &mut self,
        matched: &Matched,
        action: Action,
        ticket: u64,
        now_ns: u64,
        verdict: &mut Verdict,
    ) -> bool {
        self.engine.check(matched, action, ticket, self.crew.at(now_ns), verdict)
    }

    /// Takes what another core has sent.
    pub fn on_post(&mut self, post: Post, now_ns: u64) {
        match post {
            Post::Batch { from, mut messages } => {
                let now = self.crew.at(now_ns);
                messages.drain(..).for_each(|message| self.engine.on_message(message, now));
                self.emptied.push((from, Post::Emptied { from: self.core, messages }));
            }
            Post::Emptied { from, messages } => self.outbox.on_emptied(from, messages),
        }
    }

    /// Takes an event if it concerns the store; gives it back if not.
    pub fn on_event(&mut self, event: Event, ring: &mut NetRing, now_ns: u64) -> Option<Event> {
        match &mut self.carrier {
            Some(carrier) => carrier.on_event(event, ring, now_ns),
            None => Some(event),
        }
    }

    /// To be called in each pass: ticks when it is time, and carries what there is. `send` gives a core a
    /// post; each core's queue has [`queue_places`](ringlet_limit::engine::outbox::queue_places) for them.
    pub fn work(&mut self, ring: &mut NetRing, now_ns: u64, mut send: impl FnMut(usize, Post)) {
        if now_ns.saturating_sub(self.ticked_ns) >= TICK_MS * NS_PER_MS {
            self.ticked_ns = now_ns;
            self.tick(now_ns);
        }
        if let Some(carrier) = &mut self.carrier {
            // Connections may have come or gone with this pass's events.
            carrier.work(ring, now_ns);
        }
        for _ in 0..ROUNDS_MAX {
            if !self.carry(ring, now_ns) {
                break;
            }
        }
        for (to, message) in self.engine.take_messages() {
            self.outbox.push(to, message);
        }
        self.emptied.drain(..).for_each(|(to, post)| send(to, post));
        self.outbox.flush(send);
    }

    fn tick(&mut self, now_ns: u64) {
        if let Some(carrier) = &mut self.carrier {
            carrier.tick(now_ns);
            if self.core == 0 {
                self.crew.nodes.store(carrier.view().nodes, Ordering::Relaxed);
            } else {
                carrier.set_nodes(self.crew.nodes.load(Ordering::Relaxed));
            }
        }
        if !self.is_ending {
            self.engine.tick(self.crew.at(now_ns));
        }
    }

    /// Brings replies in and calls out; true if there were any.
    fn carry(&mut self, ring: &mut NetRing, now_ns: u64) -> bool {
        let Some(carrier) = &mut self.carrier else { return false };
        let now = self.crew.at(now_ns);
        let view = carrier.view();
        if view != self.view {
            // One core speaks for all: the process has one log.
            if view.is_up && !self.view.is_up && self.core == 0 {
                self.crew.tell_reached(std::mem::replace(&mut self.was_reached, true));
            }
            self.view = view;
            self.engine.set_store(view, now);
        }
        let replies = carrier.take_replies();
        let calls_before = !replies.is_empty();
        for (id, reply) in replies {
            self.engine.on_store(id, reply, now);
        }
        let calls = self.engine.take_store_calls();
        if calls.is_empty() {
            return calls_before;
        }
        carrier.submit(calls, now_ns);
        carrier.work(ring, now_ns);
        true
    }

    /// Verdicts of checks that had to wait, by their tickets.
    pub fn take_finished(&mut self) -> Vec<(u64, Verdict)> {
        self.engine.take_finished()
    }

    /// Whether the next pass must come at once.
    #[must_use]
    pub fn has_work(&self) -> bool {
        self.engine.has_output() || !self.emptied.is_empty()
    }

    /// Whether time matters: the core shall tick every [`TICK_MS`](ringlet_limit::lease::TICK_MS).
    #[must_use]
    pub fn needs_ticks(&self) -> bool {
        !self.engine.is_idle() || self.carrier.as_ref().is_some_and(|carrier| !carrier.is_idle())
    }

    /// Gives back what is held, to the store and to other cores. From then on nothing is taken ahead. To be
    /// called again once all stations are settled, for what other cores and the store have given since.
    pub fn shut_down(&mut self, now_ns: u64) {
        self.is_ending = true;
        if let Some(carrier) = &mut self.carrier {
            carrier.leave(now_ns);
        }
        self.engine.shut_down(self.crew.at(now_ns));
    }

    /// Whether other cores have worked off all that was sent to them, and the store has answered.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        !self.has_work()
            && self.outbox.is_settled()
            && self.carrier.as_ref().is_none_or(Carrier::is_idle)
    }
}
