//! Readiness: tells the supervisor that the server serves.
//! In: `supervised`, and the variable NOTIFY_SOCKET of systemd. Out: one datagram.
//! Invariant: without a supervisor nothing is sent; a supervisor that cannot be told is a warning.
//! The protocol is that of sd_notify(3).

use std::env;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::Path;

use crate::config::Config;

/// Tells systemd, when the server is supervised by it, that clients are served from now on.
pub fn tell(config: &Config) {
    let socket = env::var_os("NOTIFY_SOCKET").filter(|name| !name.is_empty());
    match (config.supervised.as_str(), socket) {
        ("systemd" | "auto", Some(socket)) => {
            if let Err(error) =
                send(socket.as_bytes(), b"STATUS=Ready to accept connections\nREADY=1\n")
            {
                tracing::warn!("systemd could not be told that the server is ready: {error}");
            }
        }
        ("systemd", None) => {
            tracing::warn!("supervised systemd: NOTIFY_SOCKET is not set, nobody is told");
        }
        _ => {}
    }
}

/// The name begins with `@` for an abstract socket.
fn send(socket: &[u8], message: &[u8]) -> io::Result<()> {
    let address = match socket.split_first() {
        Some((b'@', name)) => SocketAddr::from_abstract_name(name)?,
        _ => SocketAddr::from_pathname(Path::new(std::ffi::OsStr::from_bytes(socket)))?,
    };
    UnixDatagram::unbound()?.send_to_addr(message, &address)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_kinds_of_sockets_get_the_message() {
        let name = format!("ringlet-notify-{}", std::process::id());
        let hidden = SocketAddr::from_abstract_name(&name).expect("a valid name");
        let receiver = UnixDatagram::bind_addr(&hidden).expect("a free name");
        send(format!("@{name}").as_bytes(), b"READY=1\n").expect("somebody listens");
        let mut buffer = [0; 64];
        let length = receiver.recv(&mut buffer).expect("a message");
        assert_eq!(&buffer[..length], b"READY=1\n");
        let path = env::temp_dir().join(&name);
        let receiver = UnixDatagram::bind(&path).expect("a free path");
        send(path.as_os_str().as_bytes(), b"READY=1\n").expect("somebody listens");
        let length = receiver.recv(&mut buffer).expect("a message");
        assert_eq!(&buffer[..length], b"READY=1\n");
        std::fs::remove_file(&path).expect("our own socket");
        assert!(send(path.as_os_str().as_bytes(), b"READY=1\n").is_err());
    }
}
