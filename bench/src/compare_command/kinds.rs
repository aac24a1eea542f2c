//! Job: what is known of the programs that a scenario can name: one row of [`KINDS`] each.
//! In: the name of a kind. Out: its program, what it must be told, how to see that it serves.
//! Invariant: a program is told only what a measurement needs (stay in the foreground, listen where it
//! shall, keep nothing on disk); all else is in the scenario's own words.

use super::ready::Ready;

/// A kind of program.
#[derive(Debug)]
pub struct Kind {
    /// How scenarios call it.
    pub name: &'static str,
    /// The program; none if the scenario says which.
    pub program: Option<&'static str>,
    /// The variable that may name the program.
    pub variable: Option<&'static str>,
    /// What it is told if there is a configuration file, before anything else.
    pub with_config: &'static [&'static str],
    /// It cannot do without a configuration file.
    pub needs_config: bool,
    /// What it is always told, before the scenario's arguments.
    pub always: &'static [&'static str],
    /// How it says its version.
    pub version: Option<&'static str>,
    /// How to see that it serves, if the scenario does not say it.
    pub ready: Ready,
}

const DATA_SERVER: &[&str] =
    &["--port", "{port}", "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"];

/// All kinds.
pub const KINDS: &[Kind] = &[
    Kind {
        name: "redis-server",
        program: Some("redis-server"),
        variable: None,
        with_config: &["{config}"],
        needs_config: false,
        always: DATA_SERVER,
        version: Some("--version"),
        ready: Ready::Ping,
    },
    Kind {
        name: "ringlet-server",
        program: Some("ringlet-server"),
        variable: Some("RINGLET_SERVER_BINARY"),
        with_config: &["{config}"],
        needs_config: false,
        always: DATA_SERVER,
        version: Some("--version"),
        ready: Ready::Ping,
    },
    Kind {
        name: "haproxy",
        program: Some("haproxy"),
        variable: None,
        with_config: &["-q", "-db", "-f", "{config}"],
        needs_config: true,
        always: &[],
        version: Some("-v"),
        ready: Ready::Tcp,
    },
    Kind {
        name: "nginx",
        program: Some("nginx"),
        variable: None,
        with_config: &["-e", "stderr", "-p", "{folder}", "-c", "{config}"],
        needs_config: true,
        always: &["-g", "daemon off; pid nginx.pid; error_log stderr crit;"],
        version: Some("-v"),
        ready: Ready::Tcp,
    },
    Kind {
        name: "ringlet-lb",
        program: Some("ringlet-lb"),
        variable: Some("RINGLET_LB_BINARY"),
        with_config: &["{config}"],
        needs_config: false,
        always: &[],
        version: Some("--version"),
        ready: Ready::Tcp,
    },
    Kind {
        name: "ringlet-limiter",
        program: Some("ringlet-limiter"),
        variable: Some("RINGLET_LIMITER_BINARY"),
        with_config: &["{config}"],
        needs_config: false,
        always: &[],
        version: Some("--version"),
        ready: Ready::Tcp,
    },
    Kind {
        name: "command",
        program: None,
        variable: None,
        with_config: &[],
        needs_config: false,
        always: &[],
        version: None,
        ready: Ready::Tcp,
    },
];

/// The kind with that name.
///
/// # Errors
/// The names that there are.
pub fn kind(name: &str) -> Result<&'static Kind, String> {
    use ringlet_base::config::{listed, shown, suggestion};
    KINDS.iter().find(|kind| kind.name == name).ok_or_else(|| {
        let names: Vec<&str> = KINDS.iter().map(|kind| kind.name).collect();
        let hint = suggestion(name, names.iter().copied());
        format!("\"{}\" is none of {}{hint}", shown(name), listed(&names))
    })
}
