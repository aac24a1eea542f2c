//! The admin listener of the balancer: status page, metrics, and changes while it runs.
//!
//! Job: show what is, and hand changes to the control thread. In: the shared state; requests. Out:
//! documents, metrics, answers that say what has come of a change. Invariant: reading costs the cores
//! nothing; nothing is changed here, but by the control thread, one change at a time.
//!
//! A change lasts until the configuration file says something else about that server than before.

pub mod document;
pub mod history;
pub mod metrics;
#[cfg(test)]
mod test_support;

use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crossbeam_channel::{Sender, bounded};
use ringlet_base::prometheus;
use ringlet_runtime::admin::document::{Cell, Series};
use ringlet_runtime::admin::sampler::{Moment, Sampler};
use ringlet_runtime::admin::{AdminAnswer, AdminRoute, AdminServer, AdminStatus, Parameters, page};
use ringlet_runtime::control::ControlHandle;
use ringlet_runtime::{clock, memory};

use self::document::ProcessFacts;
use self::history::History;
use crate::config::{self, STATES, WEIGHT_MAX};
use crate::limits::{CHANGE_TIMEOUT_MS, HANGING_MS};
use crate::process::ControlCommand;
use crate::registry::{Change, Misfit};
use crate::shared::Shared;

/// The running admin listener. It ends when this is dropped.
pub struct Admin {
    _server: AdminServer,
    _sampler: Sampler,
}

/// What the pages show beside the shared state.
struct View {
    shared: Arc<Shared>,
    started_ms: i64,
    past: Mutex<Past>,
}

#[derive(Default)]
struct Past {
    history: History,
    /// Of the time of one core.
    cpu_percent: Series,
}

/// Serves on the addresses of `address`.
///
/// # Errors
/// One line that says why it cannot.
pub fn start(
    address: &str,
    shared: &Arc<Shared>,
    control: &ControlHandle<ControlCommand>,
) -> Result<Admin, String> {
    let addresses: Vec<SocketAddr> = address
        .to_socket_addrs()
        .map_err(|error| format!("admin: {address} is no address: {error}"))?
        .collect();
    let view = Arc::new(View {
        shared: shared.clone(),
        started_ms: clock::monotonic_ms(),
        past: Mutex::default(),
    });
    let server = AdminServer::start(&addresses, routes(&view, control))
        .map_err(|error| error.to_string())?;
    let sampler = Sampler::start(move |moment| view.sample(moment))?;
    Ok(Admin { _server: server, _sampler: sampler })
}

impl View {
    fn sample(&self, moment: Moment) {
        let snapshot = self.shared.published.get();
        let mut past = self.past.lock().unwrap_or_else(PoisonError::into_inner);
        past.history.sample(&snapshot, moment.seconds);
        if let Some(percent) = moment.cpu_percent {
            past.cpu_percent.push(percent);
        }
    }

    fn facts(&self, cpu_percent: Cell) -> ProcessFacts {
        let now_ms = clock::monotonic_ms();
        ProcessFacts {
            cores: self.shared.bells.len(),
            connections: self.shared.connections.load(Ordering::Relaxed),
            uptime_s: (now_ms - self.started_ms) / 1000,
            cpu_percent,
            resident_bytes: memory::resident_bytes().ok(),
            now_ms,
            is_store_up: (self.shared.crew.has_store())
                .then(|| self.shared.is_store_up.load(Ordering::Relaxed)),
        }
    }
}

const JSON: &str = "application/json";

/// Understands what a request says.
type ReadChange = fn(&Parameters) -> Result<Change, String>;

const CHANGES: [(&str, ReadChange); 3] =
    [("/set-server", set_server), ("/add-server", add_server), ("/remove-server", remove_server)];

fn routes(view: &Arc<View>, control: &ControlHandle<ControlCommand>) -> Vec<AdminRoute> {
    let (shown, counted, health) = (view.clone(), view.clone(), view.clone());
    let mut routes = page::routes(move || {
        let past = shown.past.lock().unwrap_or_else(PoisonError::into_inner);
        let facts = shown.facts(past.cpu_percent.cell());
        document::document(&shown.shared.published.get(), &past.history, &facts)
    });
    routes.push(AdminRoute::new("/metrics", prometheus::CONTENT_TYPE, move || {
        let facts = counted.facts(Cell::Nothing);
        let body = metrics::page(&counted.shared.published.get(), &facts).into_bytes();
        AdminAnswer { status: AdminStatus::Ok, body }
    }));
    routes.push(AdminRoute::new("/healthz", "text/plain; charset=utf-8", move || {
        match trouble(&health.shared, clock::monotonic_ms()) {
            None => AdminAnswer { status: AdminStatus::Ok, body: b"ok\n".to_vec() },
            Some(trouble) => AdminAnswer {
                status: AdminStatus::ServiceUnavailable,
                body: format!("{trouble}\n").into_bytes(),
            },
        }
    }));
    for (path, read) in CHANGES {
        let control = control.clone();
        routes.push(AdminRoute::change(path, JSON, move |parameters| match read(parameters) {
            Ok(change) => ask(&control, |answer| ControlCommand::Change(change, answer)),
            Err(error) => told(AdminStatus::BadRequest, "error", &error),
        }));
    }
    let control = control.clone();
    routes.push(AdminRoute::change("/reload", JSON, move |parameters| {
        match parameters.only(&[]) {
            Ok(()) => ask(&control, ControlCommand::Reload),
            Err(error) => told(AdminStatus::BadRequest, "error", &error),
        }
    }));
    routes
}

/// Why the balancer is not healthy, if it is not. Servers that are down are not its fault.
fn trouble(shared: &Shared, now_ms: i64) -> Option<String> {
    if shared.is_stopping.load(Ordering::Acquire) {
        return Some("stopping".into());
    }
    shared.ticked_ms.iter().enumerate().find_map(|(core, ticked)| {
        match ticked.load(Ordering::Relaxed) {
            0 => Some(format!("core {core} is starting")),
            at_ms if now_ms - at_ms > HANGING_MS => {
                Some(format!("core {core} has not run for {} ms", now_ms - at_ms))
            }
            _ => None,
        }
    })
}

fn set_server(parameters: &Parameters) -> Result<Change, String> {
    parameters.only(&["pool", "server", "state", "weight"])?;
    let state = parameters.get("state").map(|state| config::choice(state, &STATES));
    let state = state.transpose().map_err(|error| format!("`state` {error}"))?;
    let weight = parameters.get("weight").map(|text| {
        let weight = text.parse().ok().filter(|weight| *weight <= WEIGHT_MAX);
        weight.ok_or_else(|| format!("`weight` is no number from 0 to {WEIGHT_MAX}"))
    });
    let weight = weight.transpose()?;
    if state.is_none() && weight.is_none() {
        return Err("neither `state` nor `weight` is there".into());
    }
    let (pool, server) = (parameters.required("pool")?, parameters.required("server")?);
    Ok(Change::Set { pool: pool.to_owned(), server: server.to_owned(), state, weight })
}

fn add_server(parameters: &Parameters) -> Result<Change, String> {
    parameters.only(&["pool", "server"])?;
    let (pool, server) = (parameters.required("pool")?, parameters.required("server")?);
    Ok(Change::Add { pool: pool.to_owned(), server: server.to_owned() })
}

fn remove_server(parameters: &Parameters) -> Result<Change, String> {
    parameters.only(&["pool", "server"])?;
    let (pool, server) = (parameters.required("pool")?, parameters.required("server")?);
    Ok(Change::Remove { pool: pool.to_owned(), server: server.to_owned() })
}

/// Has the control thread do something and tells what has come of it.
fn ask(
    control: &ControlHandle<ControlCommand>,
    command: impl FnOnce(Sender<Result<String, Misfit>>) -> ControlCommand,
) -> AdminAnswer {
    // One at a time: those who wait would hold all workers of the admin listener, and health checks with
    // them, while the control thread looks a name up.
    static ONE: Mutex<()> = Mutex::new(());
    let Ok(_alone) = ONE.try_lock() else {
        return told(AdminStatus::ServiceUnavailable, "error", "another change is under way");
    };
    let (answer, answers) = bounded(1);
    if control.send(command(answer)).is_err() {
        return told(AdminStatus::ServiceUnavailable, "error", "the control thread is busy");
    }
    match answers.recv_timeout(Duration::from_millis(CHANGE_TIMEOUT_MS)) {
        Ok(Ok(said)) => told(AdminStatus::Ok, "done", &said),
        Ok(Err(Misfit::Absent(error))) => told(AdminStatus::NotFound, "error", &error),
        Ok(Err(Misfit::Taken(error))) => told(AdminStatus::Conflict, "error", &error),
        Ok(Err(Misfit::Malformed(error))) => told(AdminStatus::BadRequest, "error", &error),
        Err(_) => {
            told(AdminStatus::ServiceUnavailable, "error", "no answer yet; it may still be done")
        }
    }
}

fn told(status: AdminStatus, name: &str, text: &str) -> AdminAnswer {
    let body = format!("{}\n", serde_json::json!({ name: text })).into_bytes();
    AdminAnswer { status, body }
}

#[cfg(test)]
#[path = "admin/tests.rs"]
mod tests;
