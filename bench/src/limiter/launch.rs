//! Job: start limiters, the peer for HTTP and stores, all on the CPUs of the servers.
//! In: binaries, CPUs, how a limiter shall be. Out: processes that answer on free ports.
//! Invariant: a dropped process has been ended; the folder of the configuration files goes with the
//! [`Launcher`].

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use super::settings::{self, Fronts, WIDE};
use crate::child::{Child, LaunchError, free_address, free_addresses};
use crate::data_server;
use crate::http;
use crate::loader::Loader;
use crate::nginx;
use crate::shell;

/// Where the binaries are, and on which CPUs they run.
#[derive(Debug)]
pub struct Launcher {
    limiter: PathBuf,
    nginx: PathBuf,
    /// For stores, and for the peer for RESP.
    pub data: data_server::Launcher,
    /// Makes load.
    pub loader: Loader,
    folder: PathBuf,
}

/// A running limiter.
#[derive(Debug)]
pub struct Limiter {
    child: Child,
    /// The commands that make its file, which goes with the launcher.
    files: String,
    /// Where it listens.
    pub fronts: Fronts,
}

/// A running nginx.
#[derive(Debug)]
pub struct Nginx {
    child: Child,
    /// As a limiter has them.
    files: String,
    /// Where it listens.
    pub address: SocketAddr,
}

impl Launcher {
    /// A launcher with a folder of its own.
    ///
    /// # Errors
    /// The folder cannot be made.
    pub fn new(
        limiter: PathBuf,
        nginx: PathBuf,
        data: data_server::Launcher,
        loader: Loader,
    ) -> io::Result<Self> {
        let folder = std::env::temp_dir().join(format!("ringlet-bench-{}", std::process::id()));
        fs::create_dir_all(&folder)?;
        Ok(Self { limiter, nginx, data, loader, folder })
    }

    /// Starts a limiter with that many cores, and a store which so many limiters share.
    ///
    /// # Errors
    /// The binary is missing, ends at once, or does not answer.
    pub fn limiter(&self, cores: usize, store: Option<(SocketAddr, usize)>) -> io::Result<Limiter> {
        let [http, bare_http, grpc, resp] = free_addresses()?;
        let fronts = Fronts { http, bare_http, grpc, resp };
        let text = settings::limiter(&fronts, cores, store);
        let file = self.write(&format!("limiter-{}.toml", fronts.resp.port()), text.as_bytes())?;
        let mut child = self.start(&self.limiter, [&file])?;
        let pong = |reply: String| reply.starts_with("+PONG");
        child.wait_until(|| data_server::ask(fronts.resp, &[b"PING"]).is_ok_and(pong))?;
        Ok(Limiter { child, files: shell::file(&file, &text), fronts })
    }

    /// Starts nginx, which limits by `limit_req`.
    ///
    /// # Errors
    /// The binary is missing, ends at once, or does not answer.
    pub fn nginx(&self) -> io::Result<Nginx> {
        let address = free_address()?;
        let text = settings::nginx(address);
        let file = self.write(&format!("nginx-{}", address.port()), text.as_bytes())?;
        let mut child = self.start(&self.nginx, nginx::arguments(&self.folder, &file))?;
        child.wait_until(|| http::ask(address, WIDE).is_ok())?;
        Ok(Nginx { child, files: shell::file(&file, &text), address })
    }

    /// Makes a file that goes with the launcher.
    ///
    /// # Errors
    /// What the file system says.
    pub fn write(&self, name: &str, content: &[u8]) -> io::Result<PathBuf> {
        let file = self.folder.join(name);
        fs::write(&file, content)?;
        Ok(file)
    }

    fn start<A: AsRef<OsStr>>(
        &self,
        path: &Path,
        arguments: impl IntoIterator<Item = A>,
    ) -> Result<Child, LaunchError> {
        Child::start(path, &self.data.server_cpus, arguments)
    }
}

impl Drop for Launcher {
    fn drop(&mut self) {
        // A folder that stays behind is no reason to lose the report.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

impl Limiter {
    /// What starts it again: its file, and its command line.
    pub fn command(&self) -> String {
        format!("{}\n{}", self.files, self.child.command())
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.pid()
    }
}

impl Nginx {
    /// What starts it again: its file, and its command line.
    pub fn command(&self) -> String {
        format!("{}\n{}", self.files, self.child.command())
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.pid()
    }
}
