//! The admin listener of the limiter: status page, metrics, reload.
//!
//! Job: show what is, and hand a reload to the control thread. In: what cores have written down; requests.
//! Out: documents, metrics, answers that say what has come of a reload. Invariant: reading costs the cores
//! nothing; nothing is changed here but which keys are watched.

mod bounds;
pub mod document;
pub mod history;
pub mod metrics;
pub mod totals;

use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crossbeam_channel::bounded;
use ringlet_base::prometheus;
use ringlet_runtime::admin::sampler::{Moment, Sampler};
use ringlet_runtime::admin::{AdminAnswer, AdminRoute, AdminServer, AdminStatus, page};
use ringlet_runtime::control::ControlHandle;
use ringlet_runtime::{clock, memory};

use self::document::ProcessFacts;
use self::history::History;
use self::totals::Totals;
use crate::control::ControlCommand;
use crate::limits::{HANGING_MS, RELOAD_TIMEOUT_MS};
use crate::shared::{Shared, lock};

/// The running admin listener. It ends when this is dropped.
pub struct Admin {
    _server: AdminServer,
    _sampler: Sampler,
}

/// What the pages show beside the shared state.
struct View {
    shared: Arc<Shared>,
    started_ms: i64,
    history: Mutex<History>,
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
        history: Mutex::default(),
    });
    let server = AdminServer::start(&addresses, routes(&view, control))
        .map_err(|error| error.to_string())?;
    let sampler = Sampler::start(move |moment| view.sample(moment))?;
    Ok(Admin { _server: server, _sampler: sampler })
}

impl View {
    fn sample(&self, moment: Moment) {
        let totals = Totals::of(&self.shared);
        let mut history = lock(&self.history);
        let watched = history.sample(&totals, moment.seconds);
        if let Some(percent) = moment.cpu_percent {
            history.cpu_percent.push(percent);
        }
        if watched != *self.shared.watched() {
            self.shared.watch(watched);
        }
    }

    fn facts(&self) -> ProcessFacts {
        ProcessFacts {
            cores: self.shared.bells.len(),
            uptime_s: (clock::monotonic_ms() - self.started_ms) / 1000,
            resident_bytes: memory::resident_bytes().ok(),
            reloads: self.shared.reloads(),
        }
    }
}

fn routes(view: &Arc<View>, control: &ControlHandle<ControlCommand>) -> Vec<AdminRoute> {
    let (shown, counted, health) = (view.clone(), view.clone(), view.clone());
    let mut routes = page::routes(move || {
        let totals = Totals::of(&shown.shared);
        let history = lock(&shown.history);
        document::document(&totals, &history, &shown.shared.listeners, &shown.facts())
    });
    routes.push(AdminRoute::new("/metrics", prometheus::CONTENT_TYPE, move || {
        let totals = Totals::of(&counted.shared);
        let text = metrics::page(&totals, &counted.shared.listeners, &counted.facts());
        AdminAnswer { status: AdminStatus::Ok, body: text.into_bytes() }
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
    let control = control.clone();
    routes.push(AdminRoute::change(
        "/reload",
        "application/json",
        move |parameters| match parameters.only(&[]) {
            Ok(()) => reload(&control),
            Err(error) => told(AdminStatus::BadRequest, "error", &error),
        },
    ));
    routes
}

/// Why the limiter is not healthy, if it is not. A store that is down is not its fault.
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

/// Has the control thread reload and tells what has come of it.
fn reload(control: &ControlHandle<ControlCommand>) -> AdminAnswer {
    // One at a time: those who wait would hold all workers, and health checks with them.
    static ONE: Mutex<()> = Mutex::new(());
    let Ok(_alone) = ONE.try_lock() else {
        return told(AdminStatus::ServiceUnavailable, "error", "another reload is under way");
    };
    let (answer, answers) = bounded(1);
    if control.send(ControlCommand::Reload(answer)).is_err() {
        return told(AdminStatus::ServiceUnavailable, "error", "the control thread is busy");
    }
    match answers.recv_timeout(Duration::from_millis(RELOAD_TIMEOUT_MS)) {
        Ok(Ok(said)) => told(AdminStatus::Ok, "done", &said),
        Ok(Err(error)) => told(AdminStatus::BadRequest, "error", &error),
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
mod tests;
