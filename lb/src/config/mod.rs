//! The configuration: a TOML file or a command line in, the model out.
//!
//! Job: read, check, fill in what is not said, and write down what holds. In: text, files that it
//! names (error pages). Out: a [`Configuration`], or all [`Problems`] with their lines. Invariant:
//! what [`effective`] writes is read as the same configuration, and bad input is a problem, never a
//! panic.
//!
//! `[defaults]` is read as a listener and as a pool; what it says is what every listener and pool
//! starts from. A reader asks for its keys one by one, so that the code that uses a key is the
//! schema.

mod check;
mod defaults;
mod listener;
mod names;
mod options;
mod pool;
mod rate_limit;
mod server;
mod source;
mod summary;
#[cfg(test)]
mod tests;
mod words;
mod write;

use std::path::Path;

pub use ringlet_base::config::values::choice;
use ringlet_base::config::values::{number, text_as, time};
use ringlet_base::config::{self, Section};
pub use ringlet_base::config::{
    Problem, Problems, address, bind_address, nearest, tcp_bind_address,
};
use ringlet_limit::rules::RuleSet;

pub use self::check::kind_of_word as check_kind;
pub use self::names::{LOG_FORMATS, MODES};
pub use self::options::{Options, from_options};
pub use self::pool::algorithm_name;
pub use self::server::{STATES, WEIGHT_MAX, server};
pub use self::source::Source;
pub use self::summary::summary;
pub use self::write::effective;
use crate::model::{Configuration, Global, LogTarget};

/// Reads a configuration file and the files that it names.
pub fn load(path: &Path) -> Result<Configuration, Problems> {
    let text = config::read_text(path, defaults::FILE_BYTES_MAX).map_err(Problems::one)?;
    parse(&text, path.parent().unwrap_or(Path::new("")))
}

/// Reads a configuration. Files that it names are looked for in `folder`.
pub fn parse(text: &str, folder: &Path) -> Result<Configuration, Problems> {
    let configuration = config::parse(text, |root| read(root, folder))?;
    // What only shows when rules are put together.
    let rules = &configuration.rate_limits.rules;
    RuleSet::compile(rules, None, 0)
        .map_err(|error| Problems::one(format!("rate limits: {error}")))?;
    Ok(configuration)
}

fn read(root: Section<'_>, folder: &Path) -> Configuration {
    let mut global = defaults::global();
    if let Some(section) = root.table("global") {
        read_global(section, &mut global);
    }
    let rate_limits = rate_limit::read(&root);
    let rules = &rate_limits.rules.rules;
    let mut pool_base = defaults::pool();
    let mut listener_base = defaults::listener();
    if let Some(section) = root.table("defaults") {
        pool::settings(&section, &mut pool_base);
        listener::settings(&section, &mut listener_base, folder, rules);
        section.finish_with(|key| match key {
            "maxconn" => Some("a listener's and a pool's differ: say it there".to_owned()),
            "bind" | "route" | "default_pool" => Some("it belongs to a listener".to_owned()),
            "servers" => Some("it belongs to a pool".to_owned()),
            _ => None,
        });
    }
    let pools = pool::read_all(&root, &pool_base);
    listener_base.connections_max = global.connections_max;
    let listeners = listener::read_all(&root, &listener_base, &pools, folder, rules);
    rate_limit::check_use(&root, rules, &listeners);
    root.finish();
    Configuration { global, listeners, pools, rate_limits }
}

fn read_global(section: Section<'_>, global: &mut Global) {
    section.set("cores", &mut global.cores, number(0, CORES_MAX));
    if let Some(admin) = section.get("admin", text_as(tcp_bind_address)) {
        global.admin = Some(admin);
    }
    section.set("maxconn", &mut global.connections_max, number(1, CONNECTIONS_MAX));
    section.set("drain_timeout", &mut global.drain_timeout_ms, time);
    section.set("access_log", &mut global.log, text_as(LogTarget::read));
    section.finish();
}

/// The most cores that may be asked for.
pub const CORES_MAX: usize = 1024;
/// The most connections, requests or places in a queue that may be asked for.
const CONNECTIONS_MAX: u32 = 16_000_000;
