//! The process: from a checked configuration to an orderly end.
//!
//! Job: preflight, sockets, threads, signals, reload. In: a configuration, and where to read the next
//! one. Out: runs until it is told to stop.
//! Invariant: a core serves only when every core is there; a configuration that cannot be taken up
//! leaves everything as it was.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Barrier, Mutex};

use crossbeam_channel::{Sender, bounded};
use ringlet_base::random::Random;
use ringlet_limit::config::StoreSettings;
use ringlet_limit::store::link::NodeId;
use ringlet_limit_carrier::station::Crew;
use ringlet_protocol::http1::{RequestHead, ResponseHead};
use ringlet_runtime::control::{Control, ControlHandler};
use ringlet_runtime::log::writer::{self, LogHandle};
use ringlet_runtime::mesh::{Inbox, Mesh};
use ringlet_runtime::ring::{NetRing, RingSettings};
use ringlet_runtime::signals::{HangUp, Signal, Signals};
use ringlet_runtime::timers::TimerWheel;
use ringlet_runtime::{clock, cores, preflight};

use crate::access_log::CoreLog;
use crate::borrow::Mail;
use crate::checks::Watcher;
use crate::core::Core;
use crate::limits::{RECEIVE_BUFFER_BYTES, RECEIVE_BUFFERS, TICK_BUSY_MS, mail_places};
use crate::line::Spares;
use crate::model::{Configuration, RateLimits};
use crate::pool::Pools;
use crate::registry::{Change, Misfit, Registry};
use crate::shared::Shared;
use crate::snapshot::{Published, Snapshot};
use crate::state::ListenerState;
use crate::upstream::Places;
use crate::{admin, config, core_loop, resolve};

/// Reads the configuration anew.
pub type Reload = Box<dyn Fn() -> Result<Configuration, String> + Send>;

/// What the control thread can be asked for. Each brings along where to say what has come of it.
#[derive(Debug)]
pub enum ControlCommand {
    /// Read the configuration anew.
    Reload(Sender<Result<String, Misfit>>),
    /// Change something until the configuration says otherwise.
    Change(Change, Sender<Result<String, Misfit>>),
}

struct Controller {
    shared: Arc<Shared>,
    registry: Arc<Mutex<Registry>>,
    reload: Reload,
    log: LogHandle<ListenerState>,
    /// What the rate limiters were made with.
    limits: (u64, Option<StoreSettings>),
}

impl Controller {
    fn reload(&self) -> Result<String, Misfit> {
        let taken_up = (self.reload)().and_then(|configuration| {
            let mut registry = self.registry.lock().map_err(|_| "the registry is broken")?;
            if limits_of(&configuration) != self.limits {
                tracing::warn!("`keys` and `store` of [rate_limits] change with a restart only");
            }
            registry.take_up(&configuration)
        });
        match taken_up {
            Ok(snapshot) => {
                // First, as those who take the snapshot up may have lines for it.
                self.log.open(snapshot.global.log.clone());
                let said = format!("configuration {} is in use", snapshot.generation);
                self.publish(Some(snapshot));
                // Whoever has read this line and then asks is answered by it.
                tracing::info!("{said}");
                Ok(said)
            }
            Err(error) => {
                let said = format!("the configuration stays as it was: {error}");
                tracing::error!("{said}");
                // The file may have been renamed nevertheless.
                self.log.open(self.shared.published.get().global.log.clone());
                Err(Misfit::Malformed(said))
            }
        }
    }

    fn change(&self, change: &Change) -> Result<String, Misfit> {
        let mut registry =
            self.registry.lock().map_err(|_| Misfit::Taken("the registry is broken".into()))?;
        let changed = registry.change(change)?;
        tracing::info!("by the administrator: {}", changed.said);
        self.publish(changed.snapshot);
        Ok(changed.said)
    }

    fn publish(&self, snapshot: Option<Arc<Snapshot>>) {
        if let Some(snapshot) = snapshot {
            self.shared.published.publish(snapshot);
        }
        self.shared.changes.note();
        self.shared.wake_all();
    }
}

impl ControlHandler for Controller {
    type Command = ControlCommand;

    fn command(&mut self, command: ControlCommand) {
        let (answer, result) = match command {
            ControlCommand::Reload(answer) => (answer, self.reload()),
            ControlCommand::Change(change, answer) => (answer, self.change(&change)),
        };
        // Whoever asked may have given up waiting.
        let _ = answer.try_send(result);
    }

    fn signal(&mut self, signal: Signal) {
        match signal {
            Signal::Terminate | Signal::Interrupt => {
                tracing::info!("received {signal:?}: no new connections, requests in flight end");
                self.shared.stop();
            }
            // The log says what has come of it.
            Signal::HangUp => drop(self.reload()),
        }
    }
}

/// Runs the balancer until it is told to stop. Errors are for standard error.
///
/// # Errors
/// When the machine lacks something, an address is taken, or a core cannot start.
pub fn run(configuration: &Configuration, reload: Reload) -> Result<(), String> {
    let signals = Signals::block(HangUp::Report).map_err(|error| error.to_string())?;
    let report = preflight::check();
    if !report.is_ok() {
        return Err(report.to_string());
    }
    let placement = cores::available_cores();
    let count = match configuration.global.cores {
        0 => placement.cores(),
        cores => cores,
    };
    let mut registry = Registry::new(count);
    let first = registry.take_up(configuration)?;
    let registry = Arc::new(Mutex::new(registry));
    let crew = make_crew(count, &configuration.rate_limits)?;
    let shared = Arc::new(Shared::new(Published::new(first), count, crew));
    let log_writer = writer::start("access log", count, configuration.global.log.clone())?;
    let log = log_writer.handle().clone();
    let controller = Controller {
        shared: shared.clone(),
        registry,
        reload,
        log: log.clone(),
        limits: limits_of(configuration),
    };
    let control = Control::start(controller)
        .map_err(|error| format!("cannot start the control thread: {error}"))?;
    let admin = match &configuration.global.admin {
        Some(address) => Some(admin::start(address, &shared, &control.handle())?),
        None => None,
    };
    let handle = control.handle();
    let _signal_thread = signals
        .deliver(move |signal| handle.signal(signal))
        .map_err(|error| format!("cannot start the signal thread: {error}"))?;
    let (stop_resolver, resolver_stops) = bounded(0);
    let for_resolver = shared.clone();
    let resolver = std::thread::Builder::new()
        .name("resolver".into())
        .spawn(move || resolve::run(&for_resolver, &resolver_stops))
        .map_err(|error| format!("cannot start the resolver thread: {error}"))?;
    eprintln!("{}", config::summary(configuration, count, configuration.global.admin.as_deref()));
    if let Some(warning) = placement.warning(count) {
        tracing::warn!("{warning}");
    }
    let all_there = Arc::new(Barrier::new(count));
    let for_cores = shared.clone();
    let (mesh, inboxes) = Mesh::new(count, mail_places(count));
    let inboxes: Arc<[Mutex<Option<Inbox<Mail>>>]> =
        inboxes.into_iter().map(|inbox| Mutex::new(Some(inbox))).collect();
    let result = cores::run(count, move |core| {
        let (shared, all_there) = (for_cores.clone(), all_there.clone());
        let (mesh, inboxes) = (mesh.clone(), inboxes.clone());
        let log = log.clone();
        async move {
            let inbox = inboxes[core.0].lock().ok().and_then(|mut inbox| inbox.take());
            let inbox = inbox.expect("invariant: every core starts once");
            match make_core(core.0, shared, mesh, inbox, &log) {
                Ok(core) => {
                    // Nobody serves before everybody can be rung.
                    if all_there.wait().is_leader() {
                        tracing::info!("ready to accept connections");
                    }
                    core_loop::run(core).await;
                }
                Err(error) => {
                    eprintln!("{error}");
                    std::process::exit(1);
                }
            }
        }
    });
    drop(admin);
    drop(stop_resolver);
    // A panic there has been reported by the panic hook.
    let _ = resolver.join();
    drop(control);
    log_writer.finish();
    warn_of_lost_lines(&shared);
    result.map_err(|error| error.to_string())
}

/// At least so many: nobody knows of what the writer could not write at last.
fn warn_of_lost_lines(shared: &Shared) {
    for listener in &shared.published.get().listeners {
        let lost: u64 = listener.state.rows.sum(|row| row.log_lost.get());
        if lost > 0 {
            tracing::warn!(
                "listener {}: {lost} lines of the access log got lost",
                listener.state.name
            );
        }
    }
}

fn limits_of(configuration: &Configuration) -> (u64, Option<StoreSettings>) {
    (configuration.rate_limits.keys_max, configuration.rate_limits.store.clone())
}

fn make_crew(cores: usize, limits: &RateLimits) -> Result<Crew, String> {
    let mut random =
        Random::from_system().map_err(|error| format!("no random numbers: {error}"))?;
    let node = u128::from(random.next_u64()) << 64 | u128::from(random.next_u64());
    let wall_offset_ms = clock::wall_clock_ms() - clock::monotonic_ms();
    let store = limits.store.as_ref();
    Ok(Crew::new(cores, limits.keys_max, store, NodeId::new(node), wall_offset_ms))
}

fn make_core(
    index: usize,
    shared: Arc<Shared>,
    mesh: Arc<Mesh<Mail>>,
    inbox: Inbox<Mail>,
    log: &LogHandle<ListenerState>,
) -> Result<Core, String> {
    let snapshot = shared.published.get();
    let cores = shared.bells.len();
    let connections = snapshot.global.connections_max as usize;
    let settings = RingSettings {
        tick_ms: TICK_BUSY_MS,
        buffer_count: RECEIVE_BUFFERS,
        buffer_bytes: RECEIVE_BUFFER_BYTES,
        // All clients may come to one core, each with a connection to a server.
        max_sockets: (2 * connections + 4096).min(RingSettings::SOCKETS_MAX),
        ..RingSettings::default()
    };
    let ring = NetRing::new(&settings).map_err(|error| error.to_string())?;
    shared.bells[index].set(ring.wake_handle()).map_err(|_| "a core started twice")?;
    let random = Random::from_system().map_err(|error| format!("no random numbers: {error}"))?;
    let now_us = clock::monotonic_us();
    let now_ms = now_us / 1000;
    shared.ticked_ms[index].store(now_ms, Ordering::Relaxed);
    Ok(Core {
        index,
        ring,
        pools: Pools::new(index, cores),
        clients: Places::default(),
        upstreams: Places::default(),
        watcher: Watcher::new(index, cores, now_ms),
        spares: Spares::default(),
        log: CoreLog::new(log, index),
        timers: TimerWheel::new(now_ms),
        now_ms,
        now_us: now_us as u64,
        random,
        request_head: RequestHead::default(),
        response_head: ResponseHead::default(),
        runnable: std::collections::VecDeque::new(),
        path: Vec::new(),
        ready_pools: Vec::new(),
        listeners: Vec::new(),
        mesh,
        inbox,
        questions: 0,
        leaving: Vec::new(),
        client_count: 0,
        is_draining: false,
        limiter: None,
        snapshot,
        shared,
    })
}
