//! The commands: one file each, in a folder for each group whose `mod.rs` holds the group's rows.

pub mod cluster;
pub mod connection;
pub mod docs;
pub mod facts;
pub mod generic;
pub mod hash;
pub mod key_spec;
pub mod limit;
pub mod list;
pub mod pubsub;
pub mod server;
pub mod set;
pub mod sorted_set;
pub mod spec;
pub mod string;
pub mod syntax;
pub mod table;
pub mod transaction;
