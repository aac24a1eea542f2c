//! The configuration: a TOML file or a command line in, the model out.
//!
//! Job: read, check, fill in what is not said, and say what holds. In: text. Out: a
//! [`Configuration`], or all [`Problems`] with their lines. Invariant: bad input is a problem, never
//! a panic. Rules, lists and the store are read by the library, as the load balancer reads them too.

mod defaults;
pub mod listener;
pub mod model;
mod options;
mod source;
mod summary;
#[cfg(test)]
mod tests;

use std::path::Path;

use ringlet_base::config::values::{number, text_as, time};
use ringlet_base::config::{self, Section, tcp_bind_address};
pub use ringlet_base::config::{Problem, Problems};
use ringlet_limit::config::{read_rules, read_store};

pub use self::defaults::{ADMIN_ADDRESS, CORES_MAX, GRPC_ADDRESS, HTTP_ADDRESS, RESP_ADDRESS};
use self::model::{Configuration, Global, LogTarget};
pub use self::options::{Options, OptionsRule, from_options};
pub use self::source::{Source, problem_text};
pub use self::summary::{effective, summary};

/// Reads a configuration file.
///
/// # Errors
/// All that is wrong with it.
pub fn load(path: &Path) -> Result<Configuration, Problems> {
    let text = config::read_text(path, defaults::FILE_BYTES_MAX).map_err(Problems::one)?;
    parse(&text)
}

/// Reads a configuration.
///
/// # Errors
/// All that is wrong with it.
pub fn parse(text: &str) -> Result<Configuration, Problems> {
    config::parse(text, read)
}

fn read(root: Section<'_>) -> Configuration {
    let mut global = defaults::global();
    if let Some(section) = root.table("global") {
        read_global(section, &mut global);
    }
    let store = read_store(&root);
    let rules = read_rules(&root, store.as_ref());
    let listeners = listener::read_all(&root);
    root.finish_with(|key| match key {
        "rules" | "limit" | "limits" => Some("a rule is written [rule.NAME]".to_owned()),
        "listeners" => Some("a listener is written [[listener]]".to_owned()),
        _ => None,
    });
    Configuration { global, store, rules, listeners }
}

fn read_global(section: Section<'_>, global: &mut Global) {
    section.set("cores", &mut global.cores, number(0, CORES_MAX));
    section.set("admin", &mut global.admin, text_as(|text| tcp_bind_address(text).map(Some)));
    section.set("keys", &mut global.keys_max, number(1, defaults::KEYS_MAX));
    section.set("maxconn", &mut global.connections_max, number(1, defaults::CONNECTIONS_MAX));
    section.set("drain_timeout", &mut global.drain_timeout_ms, time);
    section.set("audit_log", &mut global.audit_log, text_as(LogTarget::read));
    section.finish();
}
