//! Active checks and ejection on a core: sockets, timers and alarms for what `health` decides.
//!
//! Job: run the probes of the checks that this core owns, and poll the ejections that it decides about.
//! In: events of probes' sockets, timers, alarms, snapshots, changes of servers. Out: health of servers,
//! and word to all cores when it has changed.
//! Invariant: of each check one probe runs at a time, and it ends by its deadline; what a probe holds is
//! bounded by one receive buffer and by its conversation.
//!
//! The timers are in a wheel of their own: those of clients have a core tick fast for as long as there is
//! one, and a check is nearly always waiting.

mod ejections;
mod report;
mod table;

use ringlet_base::random::Random;
use ringlet_runtime::ring::{Errno, ReceiveEnd, ReceivedBuffer, SocketId};
use ringlet_runtime::timers::TimerWheel;

use self::ejections::Ejections;
use self::table::Checks;
use crate::core::Core;
use crate::health::probe::{Probe, Verdict};
use crate::limits::TICK_IDLE_MS;
use crate::line::Line;
use crate::shared::Shared;
use crate::snapshot::Snapshot;
use crate::upstream::{Connection, Places};

/// What a timer is for.
#[derive(Copy, Clone, Debug)]
pub enum Due {
    /// The check at this place of the table: its start, or the deadline of its probe.
    Check(usize),
    /// The ejection of the pool of this slot.
    Ejection(usize),
}

/// The part of a core that looks after servers.
pub struct Watcher {
    timers: TimerWheel<Due>,
    expired: Vec<Due>,
    checks: Checks,
    ejections: Ejections,
    probes: Places<ProbeConnection>,
}

/// The connection of a probe.
struct ProbeConnection {
    line: Line,
    check: usize,
    probe: Probe,
    is_connected: bool,
}

impl Connection for ProbeConnection {
    fn socket(&self) -> SocketId {
        self.line.socket
    }
}

impl Watcher {
    /// For a core that has no configuration yet.
    #[must_use]
    pub fn new(core: usize, cores: usize, now_ms: i64) -> Self {
        Self {
            timers: TimerWheel::new(now_ms),
            expired: Vec::new(),
            checks: Checks::new(core, cores),
            ejections: Ejections::new(core, cores),
            probes: Places::default(),
        }
    }

    /// Whether a slow tick could come too late for what is due next.
    #[must_use]
    pub fn is_due_soon(&self, now_ms: i64) -> bool {
        let soon_ms = now_ms + 2 * i64::from(TICK_IDLE_MS);
        self.timers.next_deadline().is_some_and(|due_ms| due_ms <= soon_ms)
    }
}

/// What decisions of a watcher need of its core.
struct Context<'a> {
    snapshot: &'a Snapshot,
    shared: &'a Shared,
    timers: &'a mut TimerWheel<Due>,
    now_ms: i64,
    random: &'a mut Random,
}

impl Core {
    /// A new configuration, which is not the core's present one yet.
    pub fn take_up_checks(&mut self, snapshot: &Snapshot) {
        let (checks, ejections, mut context) = self.split(snapshot);
        let orphans = checks.take_up(&mut context);
        ejections.take_up(&mut context);
        self.give_up_probes(&orphans);
        self.refresh_checks(snapshot);
    }

    /// Servers may have gone into maintenance or come back.
    pub fn refresh_checks(&mut self, snapshot: &Snapshot) {
        let (checks, _, mut context) = self.split(snapshot);
        let orphans = checks.refresh(&mut context);
        self.give_up_probes(&orphans);
    }

    fn split<'a>(
        &'a mut self,
        snapshot: &'a Snapshot,
    ) -> (&'a mut Checks, &'a mut Ejections, Context<'a>) {
        let Watcher { checks, ejections, timers, .. } = &mut self.watcher;
        let context = Context {
            snapshot,
            shared: &self.shared,
            timers,
            now_ms: self.now_ms,
            random: &mut self.random,
        };
        (checks, ejections, context)
    }

    fn give_up_probes(&mut self, sockets: &[SocketId]) {
        for socket in sockets {
            if let Some(mut connection) = self.watcher.probes.take(*socket) {
                connection.line.close(&mut self.ring, &mut self.spares);
                self.watcher.probes.put(connection);
            }
        }
    }

    /// What is due by now, and what others have asked for.
    pub fn watch_servers(&mut self) {
        if self.shared.take_alarm(self.index) {
            self.watcher.checks.hurry(&mut self.watcher.timers, self.now_ms);
            for slot in self.watcher.ejections.raised() {
                self.poll_ejection(slot);
            }
        }
        let mut expired = std::mem::take(&mut self.watcher.expired);
        self.watcher.timers.advance(self.now_ms, &mut expired);
        for due in expired.drain(..) {
            match due {
                Due::Check(place) => self.on_check_due(place),
                Due::Ejection(slot) => self.poll_ejection(slot),
            }
        }
        self.watcher.expired = expired;
    }

    fn poll_ejection(&mut self, slot: usize) {
        let snapshot = self.snapshot.clone();
        let (_, ejections, mut context) = self.split(&snapshot);
        ejections.poll(slot, &mut context);
    }

    fn on_check_due(&mut self, place: usize) {
        let Some(check) = self.watcher.checks.get(place) else { return };
        let Some(socket) = check.probe else { return self.begin_probe(place) };
        let timeout_ms = check.key.check.timeout_ms;
        let Some(mut connection) = self.watcher.probes.take(socket) else { return };
        let missing = if connection.is_connected { "answer" } else { "connection" };
        connection.line.reset(&mut self.ring, &mut self.spares);
        self.watcher.probes.put(connection);
        self.on_probe_result(place, Err(format!("no {missing} within {timeout_ms} ms")));
    }

    fn begin_probe(&mut self, place: usize) {
        let Some(check) = self.watcher.checks.get(place) else { return };
        check.state.on_start(self.now_ms);
        let Some(address) = check.next_address() else {
            return self.on_probe_result(place, Err("its name has no address yet".to_owned()));
        };
        match self.ring.connect(&address) {
            Ok(socket) => {
                check.probe = Some(socket);
                check.arm(place, &mut self.watcher.timers);
                let (line, probe) = (Line::new(socket), Probe::new(&check.key));
                let connection = ProbeConnection { line, check: place, probe, is_connected: false };
                self.watcher.probes.put(Box::new(connection));
            }
            // A lack of descriptors of ours must not put all servers down.
            Err(error) => {
                tracing::warn!("cannot check {}: {error}", check.key.address);
                check.state.on_no_result(self.now_ms, &mut self.random);
                check.arm(place, &mut self.watcher.timers);
            }
        }
    }

    /// What is known of a probe now; ends it when that is enough.
    fn judge(&mut self, connection: &mut ProbeConnection, verdict: Verdict) {
        let result = match verdict {
            Verdict::More => return connection.line.receive(&mut self.ring),
            // What a server is owed, such as a PROXY header, goes before the end.
            Verdict::Passed if !connection.line.is_flushed() => return,
            Verdict::Passed => Ok(()),
            Verdict::Failed(reason) => Err(reason),
        };
        connection.line.close(&mut self.ring, &mut self.spares);
        self.on_probe_result(connection.check, result);
    }

    fn on_probe_result(&mut self, place: usize, result: Result<(), String>) {
        let snapshot = self.snapshot.clone();
        let (checks, _, mut context) = self.split(&snapshot);
        checks.on_result(place, result, &mut context);
    }

    /// A probe's connection stands, or does not.
    pub fn on_probe_connected(&mut self, socket: SocketId, result: Result<(), Errno>) {
        self.with_probe(socket, |core, connection| match result {
            Ok(()) => {
                connection.is_connected = true;
                let (bytes, verdict) = connection.probe.start();
                connection.line.append_buffer(bytes);
                connection.line.flush(&mut core.ring);
                core.judge(connection, verdict);
            }
            Err(errno) => core.judge(connection, Verdict::Failed(reason_of(&errno.into()))),
        });
    }

    /// Bytes have come from what is neither a client's nor a server's connection.
    pub fn on_probe_received(&mut self, socket: SocketId, buffer: ReceivedBuffer) {
        let Some(mut connection) = self.watcher.probes.take(socket) else {
            return self.ring.release(buffer);
        };
        if connection.line.is_closing {
            self.ring.release(buffer);
        } else {
            connection.line.take(buffer, &mut self.ring, &mut self.spares);
            let verdict = connection.probe.receive(connection.line.bytes(&self.ring));
            connection.line.drop_incoming(&mut self.ring, &mut self.spares);
            self.judge(&mut connection, verdict);
        }
        self.watcher.probes.put(connection);
    }

    /// No more will come on a probe's connection.
    pub fn on_probe_receive_ended(&mut self, socket: SocketId, end: ReceiveEnd) {
        self.with_probe(socket, |core, connection| {
            connection.line.ended();
            let verdict = match end {
                ReceiveEnd::EndOfStream => connection.probe.end_of_stream(),
                ReceiveEnd::Error(errno) => Verdict::Failed(reason_of(&errno.into())),
            };
            core.judge(connection, verdict);
        });
    }

    /// A probe has said what it had to say. If that has failed the receive tells, or the deadline.
    pub fn on_probe_sent(&mut self, socket: SocketId) {
        self.with_probe(socket, |core, connection| {
            connection.line.sent();
            if *connection.probe.verdict() == Verdict::Passed {
                core.judge(connection, Verdict::Passed);
            }
        });
    }

    /// The ring has let go of a probe's connection.
    pub fn on_probe_closed(&mut self, socket: SocketId) {
        self.watcher.probes.take(socket);
    }

    fn with_probe(&mut self, socket: SocketId, work: impl FnOnce(&mut Self, &mut ProbeConnection)) {
        if let Some(mut connection) = self.watcher.probes.take(socket) {
            if !connection.line.is_closing {
                work(self, &mut connection);
            }
            self.watcher.probes.put(connection);
        }
    }
}

/// "connection refused": what the system says, in the midst of a sentence and without its number.
fn reason_of(error: &std::io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}
