//! What changes while the process runs: reloads, and its end.
//!
//! Job: do what signals, the admin page and the file watch ask for. In: commands, signals. Out: snapshots
//! for the cores, and what has come of it. Invariant: a configuration that cannot be taken up leaves
//! everything as it was.

use std::sync::Arc;

use crossbeam_channel::Sender;
use ringlet_limit::config::several;
use ringlet_limit::rules::RuleSet;
use ringlet_runtime::clock;
use ringlet_runtime::control::ControlHandler;
use ringlet_runtime::log::writer::LogHandle;
use ringlet_runtime::signals::Signal;

use crate::audit::LostLines;
use crate::config::model::{Configuration, Global, Listener, LogTarget};
use crate::front::FrontSettings;
use crate::origin::Origin;
use crate::shared::{ListenerShared, Shared, Snapshot};

/// What the control thread can be asked for, with where to say what has come of it.
#[derive(Debug)]
pub enum ControlCommand {
    /// Read the configuration anew.
    Reload(Sender<Result<String, String>>),
}

/// What the control thread works with.
pub struct Controller {
    /// What it tells the other threads by.
    pub shared: Arc<Shared>,
    /// Where configurations come from.
    pub origin: Arc<Origin>,
    /// What all generations of the rules hash by.
    pub hash_seed: u64,
    /// The log of denials.
    pub log: LogHandle<LostLines>,
    /// What the process was started with: what only a restart changes.
    pub first: Configuration,
    /// Where denials go.
    pub log_target: LogTarget,
}

impl Controller {
    fn reload(&mut self) -> Result<String, String> {
        let said = self.origin.load().and_then(|configuration| self.take_up(&configuration));
        let said = said.map_err(|error| format!("the rules stay as they were: {error}"));
        match &said {
            Ok(said) => tracing::info!("{said}"),
            Err(said) => {
                tracing::error!("{said}");
                // The file may have been renamed nevertheless.
                self.log.open(self.log_target.clone());
            }
        }
        self.shared.note_reload(clock::wall_clock_ms() / 1000, &said);
        said
    }

    fn take_up(&mut self, configuration: &Configuration) -> Result<String, String> {
        self.check_restart(configuration)?;
        let former = self.shared.snapshot();
        let rules = RuleSet::compile(&configuration.rules, Some(&former.rules), self.hash_seed)?;
        let fronts = self.fronts(configuration)?;
        let count = several(configuration.rules.rules.len() as u64, "rule");
        let reload = self.shared.reloads().successes + 1;
        self.log_target.clone_from(&configuration.global.audit_log);
        // First, as those who take the snapshot up may have lines for it.
        self.log.open(self.log_target.clone());
        let is_audited = self.log_target != LogTarget::Off;
        self.shared.publish(Snapshot { rules: Arc::new(rules), fronts, is_audited });
        Ok(format!("reload {reload} is taken up: {count}"))
    }

    /// Refuses what cannot change while the process runs.
    fn check_restart(&self, configuration: &Configuration) -> Result<(), String> {
        let (first, now) = (&self.first, configuration);
        let audit_log = first.global.audit_log.clone();
        if first.store != now.store {
            return Err("another store needs a restart".to_owned());
        }
        if first.global != (Global { audit_log, ..now.global.clone() }) {
            return Err("another [global] needs a restart, but for audit_log".to_owned());
        }
        Ok(())
    }

    /// What the listeners that there are shall say from now on. Their addresses stay.
    fn fronts(&self, configuration: &Configuration) -> Result<Vec<Arc<FrontSettings>>, String> {
        let same = |shared: &ListenerShared, listener: &&Listener| {
            shared.binds == listener.binds && shared.protocol == listener.protocol
        };
        let known = &self.shared.listeners;
        if known.len() != configuration.listeners.len() {
            return Err("to open or close a listener needs a restart".to_owned());
        }
        let found = known.iter().map(|shared| {
            let listener = configuration.listeners.iter().find(|listener| same(shared, listener));
            let listener = listener.ok_or_else(|| {
                let name = &shared.name;
                format!("another address or protocol for listener {name} needs a restart")
            })?;
            Ok(Arc::new(front_settings(listener)))
        });
        found.collect()
    }
}

impl ControlHandler for Controller {
    type Command = ControlCommand;

    fn command(&mut self, ControlCommand::Reload(answer): ControlCommand) {
        // Whoever asked may have given up waiting.
        let _ = answer.try_send(self.reload());
    }

    fn signal(&mut self, signal: Signal) {
        match signal {
            Signal::Terminate | Signal::Interrupt => {
                tracing::info!("received {signal:?}: no new connections, questions in flight end");
                self.shared.stop();
            }
            // The log says what has come of it.
            Signal::HangUp => drop(self.reload()),
        }
    }
}

/// What the front of a listener is told.
#[must_use]
pub fn front_settings(listener: &Listener) -> FrontSettings {
    FrontSettings {
        domain: listener.domain.clone().unwrap_or_default(),
        headers: listener.headers,
        deny_status: listener.deny_status,
        client: listener.client.clone(),
    }
}
