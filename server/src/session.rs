//! Session: what a connection command sees: the connection and the core that serves it.
//! In: the command's words. Out: changes of the connection, a reply.
//! Invariant: the connection is out of the core's table while its command runs.

use crate::connection::Connection;
use crate::core::Core;

/// A connection and the core that serves it, for the time of one command.
pub struct Session<'a> {
    /// The core.
    pub core: &'a mut Core,
    /// The connection.
    pub connection: &'a mut Connection,
    /// It runs inside MULTI/EXEC.
    pub is_in_transaction: bool,
}
