//! Job: what the tests ask servers themselves. In: words. Out: replies. Invariant: a silent server fails.

use std::time::Duration;

use ringlet_check::client::{Connection, Reply};
use ringlet_check::process::RunningServer;

/// How long a server may take to answer.
const PATIENCE: Duration = Duration::from_secs(20);

/// The reply to one command.
pub fn ask(server: &RunningServer, words: &[&str]) -> Reply {
    let mut connection = Connection::open(server.address(), PATIENCE).expect("it listens");
    connection.command(words).expect("it answers")
}
