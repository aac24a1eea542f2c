//! The commands of the group "connection": one file and one row each.

mod auth;
mod authentication;
mod client_caching;
mod client_command;
mod client_getname;
mod client_getredir;
mod client_id;
mod client_info;
mod client_kill;
mod client_line;
mod client_list;
mod client_no_evict;
mod client_no_touch;
mod client_pause;
mod client_reply;
mod client_setinfo;
mod client_setname;
mod client_tracking;
mod client_trackinginfo;
mod client_type;
mod client_unblock;
mod client_unpause;
mod echo;
mod hello;
mod ping;
mod quit;
mod reset;
mod select;

use super::spec::Spec;

/// The rows.
pub const COMMANDS: &[&Spec] = &[
    &auth::SPEC,
    &client_command::SPEC,
    &echo::SPEC,
    &hello::SPEC,
    &ping::SPEC,
    &quit::SPEC,
    &reset::SPEC,
    &select::SPEC,
];
