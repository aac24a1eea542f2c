//! What is running: the configuration, and the state that outlives it.
//!
//! Job: make a snapshot of a configuration, keeping the state of what has not changed. In: checked
//! configurations, and changes at run time, which are laid over them. Out: snapshots with open sockets.
//! Invariant: a configuration is taken up as a whole or not at all; a server of the same pool, name and
//! address keeps its state, its slot and its connections; a listener's address stays open over a
//! reload.

mod edits;

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use ringlet_limit::model::Rules;
use ringlet_limit::rules::RuleSet;
use ringlet_runtime::listen::listen_on;

use crate::balance::Blueprint;
use crate::config;
use crate::model::{AdminState, Configuration, Listener, LogTarget};
use crate::rate_limit::ListenerLimits;
use crate::resolve;
use crate::route::Router;
use crate::snapshot::{ListenerShared, ListeningSockets, PoolShared, Snapshot};
use crate::state::{ListenerState, PoolState, ServerState};

use self::edits::Edits;
pub use self::edits::Misfit;

/// What an administrator may change while the balancer runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// What is wanted of a server, its weight, or both.
    Set {
        /// The pool's name.
        pool: String,
        /// The server's name.
        server: String,
        /// The new state.
        state: Option<AdminState>,
        /// The new weight.
        weight: Option<u16>,
    },
    /// A further server.
    Add {
        /// The pool's name.
        pool: String,
        /// The server as the file would say it, such as `10.0.0.1:9000 weight=2`.
        server: String,
    },
    /// A server less: requests in flight on it go on.
    Remove {
        /// The pool's name.
        pool: String,
        /// The server's name.
        server: String,
    },
}

/// What a change has come to.
pub struct Changed {
    /// For people.
    pub said: String,
    /// To be published, if servers have come or gone.
    pub snapshot: Option<Arc<Snapshot>>,
}

/// Makes snapshots.
pub struct Registry {
    cores: usize,
    /// What the file says, and what was changed since.
    file: Option<Configuration>,
    edits: Edits,
    present: Option<Arc<Snapshot>>,
    sockets_opened: u64,
    /// Who has each slot. One that only this list knows is free.
    servers: Vec<Arc<ServerState>>,
    /// Keys of rate limits are hashed with it, on all cores alike.
    hash_seed: u64,
    /// The rules of the present snapshot, as they were read and as they are matched.
    rules: Option<(Rules, Arc<RuleSet>)>,
}

impl Registry {
    /// Before the first configuration.
    #[must_use]
    pub fn new(cores: usize) -> Self {
        Self {
            cores,
            file: None,
            edits: Edits::default(),
            present: None,
            sockets_opened: 0,
            servers: Vec::new(),
            // Nobody outside may choose keys that fall together.
            hash_seed: RandomState::new().hash_one(cores),
            rules: None,
        }
    }

    /// A snapshot of a configuration that was read, with the changes that it has not overtaken. It
    /// becomes the present one.
    ///
    /// # Errors
    /// One line per address that cannot be listened on; then all is as before.
    pub fn take_up(&mut self, file: &Configuration) -> Result<Arc<Snapshot>, String> {
        let mut edits = self.edits.clone();
        edits.settle(file);
        let snapshot = self.enact(&edits.applied(file))?;
        (self.file, self.edits) = (Some(file.clone()), edits);
        Ok(snapshot)
    }

    /// Makes one change.
    ///
    /// # Errors
    /// Why it cannot be made; then all is as before.
    pub fn change(&mut self, change: &Change) -> Result<Changed, Misfit> {
        let pool = self.pool_named(match change {
            Change::Set { pool, .. } | Change::Add { pool, .. } | Change::Remove { pool, .. } => {
                pool
            }
        })?;
        let mut edits = self.edits.clone();
        let said = match change {
            Change::Set { server, state, weight, .. } => {
                let server = &pool.servers[member_named(&pool, server)?];
                let said = set(server, *state, *weight);
                return Ok(Changed { said, snapshot: None });
            }
            Change::Add { server, .. } => {
                let server = config::server(server, &pool.config).map_err(Misfit::Malformed)?;
                let said = format!("server {} of pool {} is added", server.name, pool.config.name);
                edits.add(&pool.config, server)?;
                said
            }
            Change::Remove { server, .. } => {
                let server = &pool.config.servers[member_named(&pool, server)?];
                edits.remove(&pool.config, server)?;
                format!("server {} of pool {} is removed", server.name, pool.config.name)
            }
        };
        let Some(file) = &self.file else { return Err(Misfit::Absent("nothing runs".into())) };
        let snapshot = self.enact(&edits.applied(file)).map_err(Misfit::Taken)?;
        self.edits = edits;
        Ok(Changed { said, snapshot: Some(snapshot) })
    }

    fn pool_named(&self, name: &str) -> Result<Arc<PoolShared>, Misfit> {
        let pools = self.present.iter().flat_map(|present| &present.pools);
        let configured = pools.filter(|pool| !pool.is_retired);
        configured.clone().find(|pool| pool.state.name == name).cloned().ok_or_else(|| {
            let names: Vec<&str> = configured.map(|pool| pool.state.name.as_str()).collect();
            Misfit::Absent(format!("there is no pool {name:?}, but {}", names.join(", ")))
        })
    }

    /// A snapshot of the configuration that is to hold.
    fn enact(&mut self, configuration: &Configuration) -> Result<Arc<Snapshot>, String> {
        let rules = self.compile(&configuration.rate_limits.rules)?;
        let sockets = self.open(configuration)?;
        self.rules.clone_from(&rules);
        let mut pools: Vec<Arc<PoolShared>> = match &self.present {
            Some(present) => present.pools.iter().map(retired).collect(),
            None => Vec::new(),
        };
        let mut slots = Vec::with_capacity(configuration.pools.len());
        for config in &configuration.pools {
            let slot = pools.iter().position(|pool| pool.state.name == config.name);
            let slot = slot.unwrap_or(pools.len());
            let pool = self.pool(config, slot);
            match pools.get_mut(slot) {
                Some(place) => *place = pool,
                None => pools.push(pool),
            }
            slots.push(slot);
        }
        let listeners = configuration.listeners.iter().zip(sockets);
        let listeners = listeners.map(|(config, sockets)| {
            let mut config = config.clone();
            if configuration.global.log == LogTarget::Off {
                config.log = None;
            }
            self.listener(config, sockets, &slots)
        });
        let snapshot = Arc::new(Snapshot {
            generation: self.present.as_ref().map_or(1, |present| present.generation + 1),
            global: configuration.global.clone(),
            listeners: listeners.collect(),
            pools,
            rules: rules.map(|(_, compiled)| compiled),
        });
        if let Some(before) = &self.present {
            keep_former(before, &snapshot);
        }
        self.present = Some(snapshot.clone());
        Ok(snapshot)
    }

    /// The present snapshot.
    #[must_use]
    pub fn present(&self) -> Option<&Arc<Snapshot>> {
        self.present.as_ref()
    }

    /// The rules as they are matched; those that have not changed are the same as before.
    fn compile(&self, rules: &Rules) -> Result<Option<(Rules, Arc<RuleSet>)>, String> {
        match &self.rules {
            None if rules.rules.is_empty() => Ok(None),
            Some((present, _)) if present == rules => Ok(self.rules.clone()),
            former => {
                let former = former.as_ref().map(|(_, compiled)| &**compiled);
                let compiled = RuleSet::compile(rules, former, self.hash_seed)?;
                Ok(Some((rules.clone(), Arc::new(compiled))))
            }
        }
    }

    /// The sockets of each listener: those that are open already, and new ones.
    fn open(
        &mut self,
        configuration: &Configuration,
    ) -> Result<Vec<Vec<Arc<ListeningSockets>>>, String> {
        let mut open: HashMap<&str, Arc<ListeningSockets>> = HashMap::new();
        if let Some(present) = &self.present {
            for listener in &present.listeners {
                for (bind, sockets) in listener.config.binds.iter().zip(&listener.sockets) {
                    open.insert(bind, sockets.clone());
                }
            }
        }
        let mut all = Vec::with_capacity(configuration.listeners.len());
        let mut errors = Vec::new();
        for listener in &configuration.listeners {
            let mut sockets = Vec::with_capacity(listener.binds.len());
            for bind in &listener.binds {
                if let Some(known) = open.get(bind.as_str()) {
                    sockets.push(known.clone());
                    continue;
                }
                match listen_on(bind, self.cores) {
                    Ok((descriptors, address)) => {
                        self.sockets_opened += 1;
                        sockets.push(Arc::new(ListeningSockets::new(
                            address,
                            self.sockets_opened,
                            descriptors,
                        )));
                    }
                    Err(error) => errors.push(format!("listener {}: {error}", listener.name)),
                }
            }
            all.push(sockets);
        }
        if errors.is_empty() { Ok(all) } else { Err(errors.join("\n")) }
    }

    fn listener(
        &self,
        mut config: Listener,
        sockets: Vec<Arc<ListeningSockets>>,
        slots: &[usize],
    ) -> Arc<ListenerShared> {
        config.default_pool = config.default_pool.map(|pool| slots[pool]);
        for route in &mut config.routes {
            route.pool = slots[route.pool];
        }
        let mut before = self.present.iter().flat_map(|present| &present.listeners);
        let before = before.find(|listener| listener.state.name == config.name);
        let state = match before {
            Some(before) => before.state.clone(),
            None => Arc::new(ListenerState::new(&config.name, self.cores)),
        };
        let limits = match &self.rules {
            Some((_, rules)) => {
                let before = before.map(|before| &before.limits);
                ListenerLimits::new(&config, rules, before, self.cores)
            }
            None => ListenerLimits::default(),
        };
        Arc::new(ListenerShared { router: Router::new(&config), config, state, limits, sockets })
    }

    fn pool(&mut self, config: &crate::model::Pool, slot: usize) -> Arc<PoolShared> {
        let before = self.present.as_ref().and_then(|present| present.pools.get(slot)).cloned();
        if let Some(before) = &before
            && before.config == *config
            && !before.is_retired
        {
            return before.clone();
        }
        let state = match &before {
            Some(before) => before.state.clone(),
            None => Arc::new(PoolState::new(&config.name, self.cores)),
        };
        let servers = config.servers.iter().map(|server| {
            let known =
                before.iter().flat_map(|before| before.servers.iter().zip(&before.config.servers));
            let mut known = known
                .filter(|(state, _)| state.name == server.name && state.address == server.address);
            match known.next() {
                Some((state, old)) => {
                    // What an administrator has set since stays, unless the file itself has changed.
                    if old.weight != server.weight {
                        state.set_weight(u32::from(server.weight));
                    }
                    if old.state != server.state {
                        state.set_admin(server.state);
                    }
                    state.clone()
                }
                None => self.new_server(&config.name, server),
            }
        });
        let servers = servers.collect();
        Arc::new(PoolShared {
            blueprint: Blueprint::new(config),
            config: config.clone(),
            state,
            servers,
            is_retired: false,
        })
    }

    fn new_server(&mut self, pool: &str, server: &crate::model::Server) -> Arc<ServerState> {
        let free = self.servers.iter().position(|state| Arc::strong_count(state) == 1);
        let slot = free.unwrap_or(self.servers.len());
        let state = Arc::new(ServerState::new(slot, pool, server, self.cores));
        resolve::resolve(&state);
        match self.servers.get_mut(slot) {
            Some(place) => *place = state.clone(),
            None => self.servers.push(state.clone()),
        }
        state
    }
}

fn member_named(pool: &PoolShared, name: &str) -> Result<usize, Misfit> {
    let member = pool.servers.iter().position(|server| server.name == name);
    member.ok_or_else(|| {
        let names: Vec<&str> = pool.servers.iter().map(|server| server.name.as_str()).collect();
        let names = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
        Misfit::Absent(format!("pool {} has no server {name:?}, but {names}", pool.config.name))
    })
}

/// Changes a server in place: the snapshot knows it by its state.
fn set(server: &ServerState, state: Option<AdminState>, weight: Option<u16>) -> String {
    let mut said = format!("server {} of pool {} is ", server.name, server.pool);
    if let Some(state) = state {
        server.set_admin(state);
    }
    if let Some(weight) = weight {
        server.set_weight(u32::from(weight));
    }
    let state = config::STATES.iter().find(|(_, known)| *known == server.admin());
    said.push_str(state.map_or("ready", |(name, _)| name));
    said.push_str(&format!(", weight {}", server.weight()));
    said
}

/// What servers have counted that are no more goes to their pools.
fn keep_former(before: &Snapshot, now: &Snapshot) {
    for (old, new) in before.pools.iter().zip(&now.pools) {
        let is_gone = |server: &&Arc<ServerState>| {
            !new.servers.iter().any(|other| Arc::ptr_eq(other, server))
        };
        old.servers.iter().filter(is_gone).for_each(|server| old.state.keep_former(server));
    }
}

/// A pool that no configuration names: requests that are under way still know it.
fn retired(pool: &Arc<PoolShared>) -> Arc<PoolShared> {
    if pool.is_retired {
        return pool.clone();
    }
    let config = crate::model::Pool { servers: Vec::new(), ..pool.config.clone() };
    Arc::new(PoolShared {
        blueprint: Blueprint::new(&config),
        config,
        state: pool.state.clone(),
        servers: Vec::new(),
        is_retired: true,
    })
}

#[cfg(test)]
#[path = "registry/tests.rs"]
mod tests;
