//! The file of a listening unix socket: taken when it is free or stale, removed when it is ours.
//!
//! Job: give a path to one server at a time, whoever else starts or ends there meanwhile.
//! In: a path. Out: a listening descriptor; the guard that removes the file in the end.
//! Invariant: the file of a server that listens is never removed by another.

use std::ffi::c_int;
use std::fs::{self, File, Permissions};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::thread;

use super::{ListenOptions, PATIENCE, PAUSE, bind, start_listening, stream_socket};
use crate::ring::SocketAddress;
use crate::ring::address::RawAddress;
use crate::ring::options::check;

/// The file of a unix socket on which this process listens. Dropping it removes the file, unless
/// another has taken its place: drop it before the socket, for nobody takes it while we listen.
#[derive(Debug)]
pub struct SocketFile {
    path: PathBuf,
    identity: (u64, u64),
}

impl SocketFile {
    /// The file that [`listen`](super::listen) has just made.
    ///
    /// # Errors
    /// When it is gone.
    pub fn of(path: &Path) -> io::Result<Self> {
        let path = std::path::absolute(path)?;
        Ok(Self { identity: identity(&path)?, path })
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if identity(&self.path).is_ok_and(|identity| identity == self.identity) {
            // It fails only where somebody else has removed it or forbidden that.
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    fs::symlink_metadata(path).map(|about| (about.dev(), about.ino()))
}

/// Listens on `path`; a stale file of a dead server is replaced.
pub(super) fn listen(options: &ListenOptions, path: &Path) -> io::Result<OwnedFd> {
    // Between its bind and its listen a server looks dead to others.
    let _alone = lock_directory(path);
    remove_stale(&options.address, path)?;
    let socket = stream_socket(libc::AF_UNIX, 0)?;
    bind(&socket, &options.address)?;
    if let Some(mode) = options.unix_mode {
        fs::set_permissions(path, Permissions::from_mode(mode))?;
    }
    start_listening(&socket, options.backlog)?;
    Ok(socket)
}

/// Keeps other servers from taking a path in the same directory until the file is closed. Where the
/// file system has no locks, or the directory may not be read, or somebody holds the lock for long,
/// there is none.
fn lock_directory(path: &Path) -> Option<File> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let directory = File::open(parent.unwrap_or(Path::new("."))).ok()?;
    for _ in 0..PATIENCE {
        // SAFETY: takes no memory.
        let locked = unsafe { libc::flock(directory.as_raw_fd(), libc::LOCK_EX | libc::LOCK_NB) };
        if locked == 0 || io::Error::last_os_error().kind() != io::ErrorKind::WouldBlock {
            break;
        }
        thread::sleep(PAUSE);
    }
    Some(directory)
}

/// Removes the file of a unix socket on which nobody listens any more.
fn remove_stale(address: &SocketAddress, path: &Path) -> io::Result<()> {
    let Ok(about) = fs::symlink_metadata(path) else { return Ok(()) };
    match about.file_type().is_socket().then(|| connect(address)) {
        Some(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused => {
            fs::remove_file(path)
        }
        _ => Err(io::Error::from_raw_os_error(libc::EADDRINUSE)),
    }
}

/// Tries to connect, without waiting for room in the backlog of a busy server.
fn connect(address: &SocketAddress) -> io::Result<()> {
    let socket = stream_socket(libc::AF_UNIX, libc::SOCK_NONBLOCK)?;
    let raw = RawAddress::new(address)?;
    let (pointer, length) = raw.as_raw();
    // SAFETY: pointer and length describe `raw`, which outlives the call.
    let connected: c_int = unsafe { libc::connect(socket.as_raw_fd(), pointer, length) };
    check(connected).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::listen::{ListenErrorKind, listen};
    use std::os::unix::net::{UnixListener, UnixStream};
    use std::sync::Barrier;

    fn scratch(name: &str) -> PathBuf {
        let name = format!("ringlet-unix-{}-{name}", std::process::id());
        std::env::temp_dir().join(name)
    }

    #[test]
    fn a_stale_unix_socket_is_replaced_and_a_living_one_is_not() {
        let path = scratch("stale");
        let mut options = ListenOptions::new(path.as_path());
        options.unix_mode = Some(0o700);
        let (first, _) = listen(&options, 2).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
        assert_eq!(listen(&options, 1).unwrap_err().kind, ListenErrorKind::AddressInUse);
        drop(first);
        assert!(path.exists(), "the file stays behind");
        listen(&options, 1).unwrap();
        fs::remove_file(&path).unwrap();
    }

    #[test]
    fn a_plain_file_is_never_removed() {
        let path = scratch("file");
        fs::write(&path, "precious").unwrap();
        let error = listen(&ListenOptions::new(path.as_path()), 1).unwrap_err();
        assert_eq!(error.kind, ListenErrorKind::AddressInUse);
        assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
        fs::remove_file(&path).unwrap();
    }

    #[test]
    fn a_server_removes_its_own_file_and_no_successors() {
        let path = scratch("own");
        let options = ListenOptions::new(path.as_path());
        let (socket, _) = listen(&options, 1).unwrap();
        drop(SocketFile::of(&path).unwrap());
        assert!(!path.exists(), "its own");
        drop(socket);
        let _first = listen(&options, 1).unwrap();
        let file = SocketFile::of(&path).unwrap();
        // Aside, so that the successor's file cannot get the same number.
        let aside = scratch("aside");
        fs::rename(&path, &aside).unwrap();
        let _successor = listen(&options, 1).unwrap();
        drop(file);
        UnixStream::connect(&path).expect("the successor's file is still there");
        fs::remove_file(&path).unwrap();
        fs::remove_file(&aside).unwrap();
    }

    #[test]
    fn a_directory_that_may_be_written_need_not_be_readable() {
        const NOBODY: libc::uid_t = 65534;
        let directory = scratch("unreadable");
        fs::create_dir(&directory).unwrap();
        fs::set_permissions(&directory, Permissions::from_mode(0o333)).unwrap();
        let path = directory.join("socket");
        let options = ListenOptions::new(path.as_path());
        let start = || {
            // Root may read everything, so this thread opens files as somebody else from here on.
            // SAFETY: takes no memory, and concerns the calling thread only.
            unsafe { libc::setfsuid(NOBODY) };
            assert!(File::open(&directory).is_err(), "the directory can be read");
            listen(&options, 1).map(drop)
        };
        let started = thread::scope(|scope| scope.spawn(start).join());
        fs::set_permissions(&directory, Permissions::from_mode(0o700)).unwrap();
        fs::remove_dir_all(&directory).unwrap();
        started.unwrap().unwrap();
    }

    #[test]
    fn a_busy_server_is_no_dead_one() {
        let path = scratch("busy");
        let busy = UnixListener::bind(&path).unwrap();
        start_listening(&OwnedFd::from(busy.try_clone().unwrap()), 0).unwrap();
        let address = SocketAddress::from(path.as_path());
        while connect(&address).is_ok() {}
        let error = listen(&ListenOptions::new(path.as_path()), 1).unwrap_err();
        assert_eq!(error.kind, ListenErrorKind::AddressInUse);
        fs::remove_file(&path).unwrap();
    }

    #[test]
    fn of_servers_that_start_together_one_gets_the_path() {
        const SERVERS: usize = 4;
        let path = scratch("together");
        let options = ListenOptions::new(path.as_path());
        for round in 0..200 {
            let together = Barrier::new(SERVERS);
            let start = || {
                together.wait();
                listen(&options, 1).ok()
            };
            let listening: Vec<_> = thread::scope(|scope| {
                let servers: Vec<_> = (0..SERVERS).map(|_| scope.spawn(start)).collect();
                servers.into_iter().filter_map(|server| server.join().unwrap()).collect()
            });
            assert_eq!(listening.len(), 1, "round {round}");
            UnixStream::connect(&path).unwrap_or_else(|error| panic!("round {round}: {error}"));
        }
        fs::remove_file(&path).unwrap();
    }
}
