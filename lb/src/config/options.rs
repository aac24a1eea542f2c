//! A configuration without a file.
//!
//! Job: one listener and one pool from the options of a command line. In: options whose values were
//! checked one by one. Out: a configuration. Invariant: what is not said is as in a file that does
//! not say it.

use std::collections::BTreeSet;

use super::check::plain_check;
use super::{Problems, defaults, pool, server};
use crate::balance::algorithm;
use crate::model::{Check, CheckKind, Configuration, Listener, LogFormat, Mode, Pool};

/// What a command line says.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// Where to listen, as [`super::bind_address`] gives it.
    pub listen: Vec<String>,
    /// The servers, as [`super::address`] gives them.
    pub to: Vec<String>,
    /// What is spoken.
    pub mode: Mode,
    /// A name from the table of algorithms.
    pub balance: &'static str,
    /// What an active check asks.
    pub check: Option<CheckKind>,
    /// Where the admin page is.
    pub admin: Option<String>,
    /// Number of cores; 0 for all.
    pub cores: usize,
    /// How requests are logged, if they are.
    pub log: Option<LogFormat>,
}

/// The name of the only pool.
const POOL_NAME: &str = "main";

/// The configuration that options mean.
pub fn from_options(options: &Options) -> Result<Configuration, Problems> {
    for (option, values) in [("--listen", &options.listen), ("--to", &options.to)] {
        let mut seen = BTreeSet::new();
        if values.is_empty() {
            return Err(Problems::one(format!("`{option}` is missing")));
        }
        if let Some(again) = values.iter().find(|value| !seen.insert(*value)) {
            return Err(Problems::one(format!("`{option}` {again} is given twice")));
        }
    }
    if let Some(algorithm) = algorithm(options.balance) {
        pool::fits(algorithm, options.mode)
            .map_err(|e| Problems::one(format!("--balance: {e}")))?;
    }
    let mut global = defaults::global();
    global.admin.clone_from(&options.admin);
    global.cores = options.cores;
    let mut listener = Listener {
        name: options.listen[0].clone(),
        binds: options.listen.clone(),
        mode: options.mode,
        connections_max: global.connections_max,
        default_pool: Some(0),
        log: options.log,
        ..defaults::listener()
    };
    if options.mode == Mode::Tcp {
        listener.forwarding = defaults::FORWARDING_NONE;
    }
    let mut pool = Pool {
        name: POOL_NAME.to_owned(),
        mode: options.mode,
        servers: options.to.iter().cloned().map(server::plain).collect(),
        check: options.check.clone().map(|kind| Check { kind, ..plain_check() }),
        ..defaults::pool()
    };
    pool.balance.algorithm = options.balance;
    pool::keep_the_only_server(&mut pool);
    Ok(Configuration {
        global,
        listeners: vec![listener],
        pools: vec![pool],
        rate_limits: defaults::rate_limits(),
    })
}
