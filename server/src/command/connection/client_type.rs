//! Client types: how CLIENT LIST and CLIENT KILL tell connections apart.
//! In: a connection, or a word of a client. Out: its type.
//! Invariant: no connection is a master or a replica as long as there is no replication; their
//! names are known all the same.

use crate::command::spec::CommandError;
use crate::connection::Connection;

/// What a connection is there for.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum ClientType {
    /// Commands; monitors count as such.
    Normal,
    /// The link to a master.
    Master,
    /// The link to a replica.
    Replica,
    /// It has subscriptions.
    PubSub,
}

impl ClientType {
    /// What this connection is there for.
    pub fn of(connection: &Connection) -> ClientType {
        if connection.subscriptions() > 0 { ClientType::PubSub } else { ClientType::Normal }
    }

    /// The type of this name.
    pub fn parse(word: &[u8]) -> Result<ClientType, CommandError> {
        match word.to_ascii_lowercase().as_slice() {
            b"normal" => Ok(ClientType::Normal),
            b"master" => Ok(ClientType::Master),
            b"replica" | b"slave" => Ok(ClientType::Replica),
            b"pubsub" => Ok(ClientType::PubSub),
            _ => {
                let name = String::from_utf8_lossy(word);
                Err(CommandError::with(format!("ERR Unknown client type '{name}'")))
            }
        }
    }
}
