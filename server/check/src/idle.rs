//! Job: be the many clients that do nothing.
//! In: a port and a number. Out: a line on standard output once all are connected and answered.
//! Invariant: it is a process of its own, because both ends of a connection count against the limit
//! of open files; it ends when its standard input does.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::process::ExitCode;

use crate::wire::{Address, Wire};

/// Opens `connections`, pings each once, prints `ready`, and holds them until the input ends; then
/// pings each again and prints how many answered.
pub fn hold(port: u16, connections: usize) -> ExitCode {
    let address = Address::Tcp(SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    let outcome = open_all(&address, connections).and_then(|wires| {
        println!("ready");
        io::stdout().flush()?;
        io::stdin().read_to_end(&mut Vec::new())?;
        wires.into_iter().try_for_each(ping)
    });
    match outcome {
        Ok(()) => {
            println!("all answered");
            ExitCode::SUCCESS
        }
        Err(error) => {
            println!("failed: {error}");
            ExitCode::FAILURE
        }
    }
}

fn open_all(address: &Address, connections: usize) -> io::Result<Vec<Wire>> {
    (0..connections)
        .map(|_| {
            let mut wire = Wire::open(address)?;
            wire.call(&["PING"])?;
            Ok(wire)
        })
        .collect()
}

fn ping(mut wire: Wire) -> io::Result<()> {
    match wire.call(&["PING"])? {
        value if value.is_simple("PONG") => Ok(()),
        other => Err(io::Error::new(io::ErrorKind::InvalidData, other.to_string())),
    }
}
