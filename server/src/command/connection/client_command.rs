//! CLIENT: the container of the commands about connections.

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;

use crate::command::spec::{CommandError, CommandResult, Group, Keys, Run, Spec, flags};
use crate::session::Session;

/// CLIENT subcommand [argument ...]
pub const SPEC: Spec = Spec {
    name: "client",
    arity: -2,
    keys: Keys::NONE,
    flags: 0,
    categories: 0,
    group: Group::Connection,
    since: "2.4.0",
    complexity: "Depends on subcommand.",
    summary: "A container for client connection commands.",
    syntax: "",
    examples: &[("CLIENT", "(error) ERR wrong number of arguments for 'client' command")],
    run: Run::Subcommands(&[
        &super::client_caching::SPEC,
        &super::client_getname::SPEC,
        &super::client_getredir::SPEC,
        &HELP,
        &super::client_id::SPEC,
        &super::client_info::SPEC,
        &super::client_kill::SPEC,
        &super::client_list::SPEC,
        &super::client_no_evict::SPEC,
        &super::client_no_touch::SPEC,
        &super::client_pause::SPEC,
        &super::client_reply::SPEC,
        &super::client_setinfo::SPEC,
        &super::client_setname::SPEC,
        &super::client_tracking::SPEC,
        &super::client_trackinginfo::SPEC,
        &super::client_unblock::SPEC,
        &super::client_unpause::SPEC,
    ]),
};

const HELP: Spec = Spec {
    name: "help",
    arity: 2,
    keys: Keys::NONE,
    flags: flags::LOADING | flags::STALE,
    categories: 0,
    group: Group::Connection,
    since: "5.0.0",
    complexity: "O(1)",
    summary: "Returns helpful text about the different subcommands.",
    syntax: "",
    examples: &[],
    run: Run::Session(help),
};

const HELP_LINES: &[&str] = &[
    "CLIENT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    "CACHING (YES|NO)",
    "    Enable/disable tracking of the keys for next command in OPTIN/OPTOUT modes.",
    "GETREDIR",
    "    Return the client ID we are redirecting to when tracking is enabled.",
    "GETNAME",
    "    Return the name of the current connection.",
    "ID",
    "    Return the ID of the current connection.",
    "INFO",
    "    Return information about the current client connection.",
    "KILL <ip:port>",
    "    Kill connection made from <ip:port>.",
    "KILL <option> <value> [<option> <value> [...]]",
    "    Kill connections. Options are:",
    "    * ADDR (<ip:port>|<unixsocket>:0)",
    "      Kill connections made from the specified address",
    "    * LADDR (<ip:port>|<unixsocket>:0)",
    "      Kill connections made to specified local address",
    "    * TYPE (NORMAL|MASTER|REPLICA|PUBSUB)",
    "      Kill connections by type.",
    "    * USER <username>",
    "      Kill connections authenticated by <username>.",
    "    * SKIPME (YES|NO)",
    "      Skip killing current connection (default: yes).",
    "LIST [options ...]",
    "    Return information about client connections. Options:",
    "    * TYPE (NORMAL|MASTER|REPLICA|PUBSUB)",
    "      Return clients of specified type.",
    "UNPAUSE",
    "    Stop the current client pause, resuming traffic.",
    "PAUSE <timeout> [WRITE|ALL]",
    "    Suspend all, or just write, clients for <timeout> milliseconds.",
    "REPLY (ON|OFF|SKIP)",
    "    Control the replies sent to the current connection.",
    "SETNAME <name>",
    "    Assign the name <name> to the current connection.",
    "SETINFO <option> <value>",
    "    Set client meta attr. Options are:",
    "    * LIB-NAME: the client lib name.",
    "    * LIB-VER: the client lib version.",
    "UNBLOCK <clientid> [TIMEOUT|ERROR]",
    "    Unblock the specified blocked client.",
    "TRACKING (ON|OFF) [REDIRECT <id>] [BCAST] [PREFIX <prefix> [...]]",
    "         [OPTIN] [OPTOUT] [NOLOOP]",
    "    Control server assisted client side caching.",
    "TRACKINGINFO",
    "    Report tracking status for the current connection.",
    "NO-EVICT (ON|OFF)",
    "    Protect current client connection from eviction.",
    "NO-TOUCH (ON|OFF)",
    "    Will not touch LRU/LFU stats when this mode is on.",
    "HELP",
    "    Prints this help.",
];

fn help(_: &mut Session<'_>, _: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    reply.array(HELP_LINES.len());
    HELP_LINES.iter().for_each(|line| reply.simple(line));
    Ok(())
}

/// The error of a subcommand that found more or fewer words than it has options for.
pub fn unknown_syntax(words: Arguments<'_>) -> CommandError {
    CommandError::with(format!(
        "ERR unknown subcommand or wrong number of arguments for '{}'. Try CLIENT HELP.",
        String::from_utf8_lossy(&words[1])
    ))
}

/// Parses ON or OFF.
pub fn on_or_off(word: &[u8]) -> Result<bool, CommandError> {
    match word.to_ascii_uppercase().as_slice() {
        b"ON" => Ok(true),
        b"OFF" => Ok(false),
        _ => Err(CommandError::SYNTAX),
    }
}
