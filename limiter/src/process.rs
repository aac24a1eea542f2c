//! The process: from a checked configuration to an orderly end.
//!
//! Job: preflight, sockets, threads. In: a configuration, and where the next one comes from. Out: runs
//! until it is told to stop. Invariant: a core serves only when every core is there.

use std::os::fd::OwnedFd;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Barrier, Mutex};

use crossbeam_channel::bounded;
use ringlet_base::random::Random;
use ringlet_limit::engine::outbox::{Post, queue_places};
use ringlet_limit::rules::RuleSet;
use ringlet_limit::store::link::NodeId;
use ringlet_limit::time::Now;
use ringlet_limit_carrier::station::{Crew, Station};
use ringlet_runtime::control::Control;
use ringlet_runtime::listen::listen_on;
use ringlet_runtime::log::writer::{self, LogHandle};
use ringlet_runtime::mesh::{Inbox, Mesh};
use ringlet_runtime::ring::{NetRing, RingSettings};
use ringlet_runtime::signals::{HangUp, Signals};
use ringlet_runtime::{clock, cores, preflight};

use crate::admin;
use crate::audit::{AuditLog, LostLines};
use crate::config::model::{Configuration, Listener, LogTarget};
use crate::config::summary;
use crate::control::{ControlCommand, Controller, front_settings};
use crate::core::{Core, LocalListener};
use crate::core_loop;
use crate::desk::Office;
use crate::limits::{RECEIVE_BUFFER_BYTES, RECEIVE_BUFFERS, TICK_BUSY_MS};
use crate::origin::{FileWatch, Origin};
use crate::shared::{ListenerShared, Shared, Snapshot, lock};

/// Runs the limiter until it is told to stop. Errors are for standard error.
///
/// # Errors
/// When the machine lacks something, an address is taken, or a core cannot start.
pub fn run(configuration: &Configuration, origin: Origin) -> Result<(), String> {
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
    let mut random =
        Random::from_system().map_err(|error| format!("no random numbers: {error}"))?;
    let hash_seed = random.next_u64();
    let node = NodeId::new(u128::from(random.next_u64()) << 64 | u128::from(random.next_u64()));
    let rules = RuleSet::compile(&configuration.rules, None, hash_seed)?;
    let fronts = configuration.listeners.iter().map(|one| Arc::new(front_settings(one))).collect();
    let listeners = configuration
        .listeners
        .iter()
        .map(|listener| open(listener, count))
        .collect::<Result<Vec<_>, _>>()?;
    let global = &configuration.global;
    let shared = Arc::new(Shared::new(
        Snapshot { rules: Arc::new(rules), fronts, is_audited: global.audit_log != LogTarget::Off },
        listeners,
        count,
        i64::from(global.drain_timeout_ms),
        global.connections_max as usize,
    ));
    let wall_offset_ms = clock::wall_clock_ms() - clock::monotonic_ms();
    let store = configuration.store.as_ref();
    let crew = Arc::new(Crew::new(count, global.keys_max, store, node, wall_offset_ms));
    let log_writer = writer::start("audit log", count, global.audit_log.clone())?;
    let log = log_writer.handle().clone();
    let origin = Arc::new(origin);
    let controller = Controller {
        shared: shared.clone(),
        origin: origin.clone(),
        hash_seed,
        log: log.clone(),
        first: configuration.clone(),
        log_target: global.audit_log.clone(),
    };
    let control = Control::start(controller)
        .map_err(|error| format!("cannot start the control thread: {error}"))?;
    let admin = match &global.admin {
        Some(address) => Some(admin::start(address, &shared, &control.handle())?),
        None => None,
    };
    let handle = control.handle();
    let _signal_thread = signals
        .deliver(move |signal| handle.signal(signal))
        .map_err(|error| format!("cannot start the signal thread: {error}"))?;
    let handle = control.handle();
    let file_watch = FileWatch::start(origin, move || {
        // The log says what has come of it; a control thread that has no time is asked again.
        let _ = handle.send(ControlCommand::Reload(bounded(1).0));
    })?;
    eprintln!("{}", summary(configuration, count, global.admin.as_deref()));
    if let Some(warning) = placement.warning(count) {
        tracing::warn!("{warning}");
    }
    let result = run_cores(count, &shared, &crew, &log);
    drop((admin, file_watch, control));
    log_writer.finish();
    let lost: u64 = shared.reports.iter().map(|report| lock(report).audit_lost).sum();
    if lost > 0 {
        tracing::warn!("{lost} lines of the audit log got lost");
    }
    result
}

fn run_cores(
    count: usize,
    shared: &Arc<Shared>,
    crew: &Arc<Crew>,
    log: &LogHandle<LostLines>,
) -> Result<(), String> {
    let all_there = Arc::new(Barrier::new(count));
    let (mesh, inboxes) = Mesh::new(count, queue_places(count));
    let inboxes: Arc<[Mutex<Option<Inbox<Post>>>]> =
        inboxes.into_iter().map(|inbox| Mutex::new(Some(inbox))).collect();
    let (shared, crew, log) = (shared.clone(), crew.clone(), log.clone());
    let result = cores::run(count, move |core| {
        let (shared, crew, all_there) = (shared.clone(), crew.clone(), all_there.clone());
        let (mesh, inboxes) = (mesh.clone(), inboxes.clone());
        let audit = AuditLog::new(&log, core.0, shared.snapshot().is_audited);
        async move {
            let inbox = inboxes[core.0].lock().ok().and_then(|mut inbox| inbox.take());
            let inbox = inbox.expect("invariant: every core starts once");
            match make_core(core.0, shared, crew, audit, mesh, inbox) {
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
    result.map_err(|error| error.to_string())
}

/// Opens the sockets of a listener, for each core one for each address.
fn open(listener: &Listener, cores: usize) -> Result<ListenerShared, String> {
    let mut sockets: Vec<Vec<OwnedFd>> = (0..cores).map(|_| Vec::new()).collect();
    let mut addresses = Vec::new();
    for bind in &listener.binds {
        let (bound, address) = listen_on(bind, cores)?;
        addresses.push(address);
        for (core, socket) in bound.into_iter().enumerate() {
            sockets[core].push(socket);
        }
    }
    Ok(ListenerShared {
        name: listener.name.clone(),
        protocol: listener.protocol,
        binds: listener.binds.clone(),
        addresses,
        sockets: sockets.into_iter().map(Mutex::new).collect(),
    })
}

fn make_core(
    index: usize,
    shared: Arc<Shared>,
    crew: Arc<Crew>,
    audit: AuditLog,
    mesh: Arc<Mesh<Post>>,
    inbox: Inbox<Post>,
) -> Result<Core, String> {
    let settings = RingSettings {
        tick_ms: TICK_BUSY_MS,
        buffer_count: RECEIVE_BUFFERS,
        buffer_bytes: RECEIVE_BUFFER_BYTES,
        // All clients may come to one core, beside its connections to the store.
        max_sockets: (shared.connections_max + 4096).min(RingSettings::SOCKETS_MAX),
        ..RingSettings::default()
    };
    let mut ring = NetRing::new(&settings).map_err(|error| error.to_string())?;
    shared.bells[index].set(ring.wake_handle()).map_err(|_| "a core started twice")?;
    let mut random =
        Random::from_system().map_err(|error| format!("no random numbers: {error}"))?;
    let mut listeners = Vec::new();
    for (place, listener) in shared.listeners.iter().enumerate() {
        let sockets = std::mem::take(
            &mut *listener.sockets[index].lock().map_err(|_| "the sockets are lost")?,
        );
        for socket in sockets {
            let id = ring.listen(socket).map_err(|error| error.to_string())?;
            listeners.push(LocalListener { id, place });
        }
    }
    let now_ns = clock::monotonic_ns();
    shared.ticked_ms[index].store((now_ns / 1_000_000) as i64, Ordering::Relaxed);
    let snapshot = shared.snapshot();
    let station = Station::new(
        crew,
        index,
        snapshot.rules.clone(),
        random.next_u64(),
        now_ns,
        ring.wake_handle(),
    );
    let mut office = Office::new(station, audit);
    let report = &mut office.counters.report;
    report.connections.resize(shared.listeners.len(), 0);
    report.accepted.resize(shared.listeners.len(), 0);
    Ok(Core {
        index,
        ring,
        connections: Vec::new(),
        connection_count: 0,
        office,
        listeners,
        generation: shared.generation(),
        snapshot,
        mesh,
        inbox,
        now: Now::default(),
        random,
        is_draining: false,
        rung: Vec::new(),
        shared,
    })
}
