//! Process: from a configuration to running cores, and their orderly end.
//! In: a validated `Config`. Out: an exit code.
//! Invariant: whatever can fail at the start (preflight, sockets, threads) fails before the first
//! client is accepted, with one line that says what to do.

use std::collections::VecDeque;
use std::net::{SocketAddr, ToSocketAddrs};
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex, OnceLock};

use ringlet_protocol::reply::ReplyBuffer;
use ringlet_runtime::admin::AdminServer;
use ringlet_runtime::clock::{self, TickClock};
use ringlet_runtime::control::{Control, ControlHandle, ControlHandler};
use ringlet_runtime::cores;
use ringlet_runtime::listen::SocketFile;
use ringlet_runtime::mesh::{Inbox, Mesh};
use ringlet_runtime::preflight;
use ringlet_runtime::ring::{NetRing, RingSettings};
use ringlet_runtime::signals::{HangUp, Signal, Signals};
use ringlet_runtime::timers::TimerWheel;
use ringlet_store::{KeyHasher, Limits};

use crate::admin;
use crate::banner;
use crate::batches::Batches;
use crate::clients::Clients;
use crate::config::Config;
use crate::core::{Core, Shared};
use crate::core_loop;
use crate::gauges::Gauges;
use crate::limits::{CLOCK_AGE_US_MAX, TICK_BUSY_MS, mesh_batches_max};
use crate::listeners;
use crate::message::{ReplyBatch, RequestBatch};
use crate::open_files;
use crate::outbox::Outbox;
use crate::pid_file::PidFile;
use crate::pubsub::Channels;
use crate::readiness;
use crate::shard::Shard;
use crate::shard::keyspace::{Keyspace, KeyspaceSettings};
use crate::statistics::Statistics;

/// What cores ask of the control thread.
pub enum ControlCommand {
    /// SHUTDOWN.
    Shutdown,
}

/// The way to the control thread.
pub type ControlSender = OnceLock<ControlHandle<ControlCommand>>;

/// The control thread's side: it begins the orderly shutdown.
struct Controller {
    shared: Arc<Shared>,
    socket_file: Option<SocketFile>,
}

impl Controller {
    fn shut_down(&mut self) {
        // While the cores still listen, so that it cannot be the file of a successor.
        self.socket_file = None;
        self.shared.is_stopping.store(true, Ordering::Release);
        for bell in self.shared.bells.iter().filter_map(OnceLock::get) {
            bell.wake();
        }
    }
}

impl ControlHandler for Controller {
    type Command = ControlCommand;

    fn command(&mut self, command: ControlCommand) {
        match command {
            ControlCommand::Shutdown => self.shut_down(),
        }
    }

    fn signal(&mut self, signal: Signal) {
        if matches!(signal, Signal::Terminate | Signal::Interrupt) {
            tracing::info!("Received {signal:?}, shutting down: no new clients, replies in flight");
            self.shut_down();
        }
    }
}

/// What one core takes with it to its thread.
struct Seed {
    inbox: Inbox<Box<RequestBatch>>,
    reply_inbox: Inbox<Box<ReplyBatch>>,
    /// Listening sockets of the main port, and the core's own.
    main: Vec<OwnedFd>,
    own: Vec<OwnedFd>,
}

/// Runs the server until it is told to stop. Errors are one line each, for standard error.
pub fn run(mut config: Config) -> Result<(), String> {
    let signals = Signals::block(HangUp::Ignore).map_err(|error| error.to_string())?;
    let report = preflight::check();
    if !report.is_ok() {
        return Err(report.to_string());
    }
    let placement = cores::available_cores();
    let count = if config.shards == 0 { placement.cores() } else { config.shards };
    // Unknown is very unlikely; then what Redis assumes.
    let open_files = preflight::open_files_max().unwrap_or(1024);
    for line in open_files::fit_clients(&mut config, count, open_files)? {
        tracing::warn!("{line}");
    }
    config.clients_ceiling = Some(config.clients_max);
    listeners::check_ports(&config, count)?;
    std::env::set_current_dir(&config.directory).map_err(|error| {
        format!("cannot change to dir '{}': {error}", config.directory.display())
    })?;
    let hasher = KeyHasher::new(random_seed()?);
    config.limits = Limits { hasher, ..config.limits };
    let (main_sockets, own_sockets) = listeners::open(&config, count)?;
    let socket_file = config.unix_socket.as_deref().map(SocketFile::of).transpose();
    let socket_file = socket_file.map_err(|error| format!("the unix socket is gone: {error}"))?;
    // Not before the sockets: another server on this port may have the same file.
    let pid_file = PidFile::write(&config.pid_file);
    let config = Arc::new(config);
    let (requests, inboxes) = Mesh::new(count, mesh_batches_max(count));
    let (replies, reply_inboxes) = Mesh::new(count, mesh_batches_max(count));
    let identifier = || {
        ringlet_base::random::identifier().map_err(|error| format!("no random numbers: {error}"))
    };
    let shared = Arc::new(Shared {
        requests,
        replies,
        bells: (0..count).map(|_| OnceLock::new()).collect(),
        next_client_id: AtomicU64::new(1),
        clients: AtomicUsize::new(0),
        monitors: AtomicUsize::new(0),
        is_stopping: AtomicBool::new(false),
        draining: AtomicUsize::new(count),
        gauges: (0..count).map(|_| Gauges::default()).collect(),
        next_slow_id: AtomicU64::new(0),
        next_transaction: AtomicU64::new(0),
        run_id: identifier()?,
        node_ids: (0..count).map(|_| identifier()).collect::<Result<_, _>>()?,
        peak_bytes: AtomicU64::new(0),
        started_ms: clock::wall_clock_ms(),
        warned_ms: AtomicI64::new(0),
        config: config.clone(),
        control: OnceLock::new(),
    });
    let control = Control::start(Controller { shared: shared.clone(), socket_file })
        .map_err(|error| format!("cannot start the control thread: {error}"))?;
    // The first and only time: nobody else has the lock.
    let _ = shared.control.set(control.handle());
    let handle = control.handle();
    let _signal_thread = signals
        .deliver(move |signal| handle.signal(signal))
        .map_err(|error| format!("cannot start the signal thread: {error}"))?;
    let admin = start_admin(&config, &shared)?;
    banner::print(&config, count, admin.as_ref().map(AdminServer::addresses).unwrap_or_default());
    if let Some(warning) = placement.warning(count) {
        tracing::warn!("{warning}");
    }
    let sockets = main_sockets.into_iter().zip(own_sockets);
    let seeds: Vec<Mutex<Option<Seed>>> = inboxes
        .into_iter()
        .zip(reply_inboxes)
        .zip(sockets)
        .map(|((inbox, reply_inbox), (main, own))| {
            Mutex::new(Some(Seed { inbox, reply_inbox, main, own }))
        })
        .collect();
    let seeds = Arc::new(seeds);
    let all_there = Arc::new(Barrier::new(count));
    let for_cores = shared.clone();
    let result = cores::run(count, move |core| {
        let (seeds, shared, all_there) = (seeds.clone(), for_cores.clone(), all_there.clone());
        async move {
            let index = core.0;
            let seed = seeds[index].lock().ok().and_then(|mut seed| seed.take());
            let seed = seed.expect("invariant: every core starts once");
            match make_core(index, seed, shared.clone()) {
                Ok(core) => {
                    // Nobody serves before everybody can be rung, and before that is known.
                    if all_there.wait().is_leader() {
                        tracing::info!("Ready to accept connections");
                        readiness::tell(&shared.config);
                    }
                    all_there.wait();
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
    drop(control);
    drop(pid_file);
    result.map_err(|error| error.to_string())?;
    tracing::info!("Ringlet is now ready to exit, bye bye...");
    Ok(())
}

fn random_seed() -> Result<[u64; 4], String> {
    let mut random = ringlet_base::random::Random::from_system()
        .map_err(|error| format!("no random numbers: {error}"))?;
    Ok(std::array::from_fn(|_| random.next_u64()))
}

fn ring_settings(config: &Config) -> RingSettings {
    RingSettings {
        tick_ms: TICK_BUSY_MS,
        // All clients may come to one core, and some more that are told that there are too many.
        max_sockets: (config.clients_max + 1024).min(RingSettings::SOCKETS_MAX),
        ..RingSettings::default()
    }
}

fn make_core(index: usize, seed: Seed, shared: Arc<Shared>) -> Result<Core, String> {
    let config = shared.config.clone();
    let cores = shared.bells.len();
    let mut ring = NetRing::new(&ring_settings(&config)).map_err(|error| error.to_string())?;
    shared.bells[index].set(ring.wake_handle()).map_err(|_| "a core started twice".to_string())?;
    let mut listeners = Vec::new();
    for socket in seed.main {
        listeners.push(ring.listen(socket).map_err(|error| error.to_string())?);
    }
    let mut shard_listener = Vec::new();
    for socket in seed.own {
        shard_listener.push(ring.listen(socket).map_err(|error| error.to_string())?);
    }
    listeners.extend(&shard_listener);
    let keyspace = Keyspace::new(&KeyspaceSettings {
        databases: config.databases,
        limits: Arc::new(config.limits),
        shard_index: index,
        shard_count: cores,
        seed: random_seed()?[0],
    });
    let (now_ms, monotonic_ms) = (clock::wall_clock_ms(), clock::monotonic_ms());
    let ticks = TickClock::calibrate();
    let mut core = Core {
        index,
        cores,
        ring,
        inbox: seed.inbox,
        reply_inbox: seed.reply_inbox,
        shard: Shard::new(keyspace),
        clients: Clients::default(),
        channels: Channels::default(),
        outbox: Outbox::new(index as u16, cores),
        batches: Batches::new(index as u16, cores, shared.requests.capacity()),
        needs_sequence: false,
        runnable: VecDeque::new(),
        is_performing: false,
        resubmissions: Vec::new(),
        timers: TimerWheel::new(monotonic_ms),
        statistics: Statistics::new(),
        config: config.clone(),
        shared,
        ticks,
        now_ms,
        monotonic_ms,
        ticks_since_clock: 0,
        clock_ticks_max: 0,
        pause: None,
        scratch: ReplyBuffer::new(),
        spare_outputs: Vec::new(),
        listeners,
        shard_listener,
        expire_due: false,
        next_purge_ms: monotonic_ms,
        next_check_ms: monotonic_ms,
    };
    core.clock_ticks_max = core.ticks_in(CLOCK_AGE_US_MAX);
    core.apply_config(config);
    core.shared.gauges[index].started(monotonic_ms);
    Ok(core)
}

fn start_admin(config: &Config, shared: &Arc<Shared>) -> Result<Option<AdminServer>, String> {
    let Some(address) = &config.admin else { return Ok(None) };
    let addresses: Vec<SocketAddr> = address
        .to_socket_addrs()
        .map_err(|error| {
            format!("admin: '{address}' is no address such as 127.0.0.1:9379: {error}")
        })?
        .collect();
    AdminServer::start(&addresses, admin::routes(shared))
        .map(Some)
        .map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_maxclients_that_the_directive_takes_makes_a_ring() {
        let sockets_of =
            |clients_max| ring_settings(&Config { clients_max, ..Config::default() }).max_sockets;
        assert_eq!(sockets_of(1), 1025);
        assert_eq!(sockets_of(u32::MAX as usize), RingSettings::SOCKETS_MAX);
    }
}
