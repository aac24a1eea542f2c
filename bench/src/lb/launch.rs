//! Job: start proxies and the servers behind them, each on its CPUs, on free ports.
//! In: binaries, CPUs, a [`Service`]. Out: processes that answer.
//! Invariant: a dropped process has been ended; the folder of the configuration files goes with the
//! [`Launcher`].

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use super::settings::{self, Mode, Service};
use crate::child::{Child, free_address, free_addresses};
use crate::http;
use crate::loader::Loader;
use crate::nginx;
use crate::shell;

/// Where Debian's libnginx-mod-stream puts the module.
const STREAM_MODULE: &str = "/usr/lib/nginx/modules/ngx_stream_module.so";
/// The larger body.
const LARGE_BODY_BYTES: usize = 16 << 10;
/// What the backends have.
pub const SMALL: &str = "/small";
/// What the backends have.
pub const LARGE: &str = "/large";

/// Which proxy to start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// haproxy with one thread: the peer.
    Haproxy,
    /// nginx with one worker.
    Nginx,
    /// ringlet-lb with that many cores, which share the CPU of the proxies.
    Ringlet {
        /// The number of cores.
        cores: usize,
    },
}

impl Kind {
    /// How rows and notes call it.
    pub fn name(self) -> String {
        match self {
            Self::Haproxy => "HAProxy".to_owned(),
            Self::Nginx => "nginx".to_owned(),
            Self::Ringlet { cores: 1 } => "ringlet-lb, 1 core".to_owned(),
            Self::Ringlet { cores } => format!("ringlet-lb, {cores} cores"),
        }
    }
}

/// Where the binaries are, and on which CPUs they run.
#[derive(Debug)]
pub struct Launcher {
    haproxy: PathBuf,
    nginx: PathBuf,
    ringlet: PathBuf,
    proxy_cpus: String,
    backend_cpus: String,
    /// Makes load.
    pub loader: Loader,
    folder: PathBuf,
}

/// A running proxy, or the running servers.
#[derive(Debug)]
pub struct Running {
    child: Child,
    /// The commands that make its files, which go with the launcher.
    files: String,
    /// Where it listens.
    pub addresses: Vec<SocketAddr>,
}

impl Launcher {
    /// A launcher with a folder of its own.
    ///
    /// # Errors
    /// The folder cannot be made.
    pub fn new(
        ringlet: PathBuf,
        [haproxy, nginx]: [PathBuf; 2],
        proxy_cpus: &str,
        backend_cpus: &str,
    ) -> io::Result<Self> {
        let folder = std::env::temp_dir().join(format!("ringlet-bench-{}", std::process::id()));
        fs::create_dir_all(&folder)?;
        fs::write(folder.join(&LARGE[1..]), vec![b'x'; LARGE_BODY_BYTES])?;
        let (proxy_cpus, backend_cpus) = (proxy_cpus.to_owned(), backend_cpus.to_owned());
        let loader = Loader::this(&backend_cpus)?;
        Ok(Self { haproxy, nginx, ringlet, proxy_cpus, backend_cpus, loader, folder })
    }

    /// Whether a proxy can do what a mode needs.
    pub fn can(&self, kind: Kind, mode: Mode) -> bool {
        kind != Kind::Nginx || mode == Mode::Http || Path::new(STREAM_MODULE).exists()
    }

    /// Starts a proxy and waits until an answer comes through it.
    ///
    /// # Errors
    /// The binary is missing, ends at once, or no answer comes.
    pub fn proxy(&self, kind: Kind, service: &Service<'_>) -> io::Result<Running> {
        let address = free_address()?;
        let (path, text) = match kind {
            Kind::Haproxy => (&self.haproxy, settings::haproxy(service, address)),
            Kind::Nginx => {
                (&self.nginx, settings::nginx(service, address, Path::new(STREAM_MODULE)))
            }
            Kind::Ringlet { .. } => (&self.ringlet, settings::ringlet(service, address)),
        };
        let file = self.folder.join(format!("proxy-{}", address.port()));
        fs::write(&file, &text)?;
        let name = file.display().to_string();
        let arguments = match kind {
            Kind::Haproxy => vec!["-q".to_owned(), "-db".to_owned(), "-f".to_owned(), name],
            Kind::Nginx => nginx::arguments(&self.folder, &file),
            Kind::Ringlet { cores } => vec![name, "--cores".to_owned(), cores.to_string()],
        };
        let child = Child::start(path, &self.proxy_cpus, arguments)?;
        Running { child, files: shell::file(&file, &text), addresses: vec![address] }
            .when_it_answers()
    }

    /// Starts two servers, which are one nginx.
    ///
    /// # Errors
    /// As [`Launcher::proxy`].
    pub fn backends(&self) -> io::Result<Running> {
        let addresses = free_addresses::<2>()?.to_vec();
        let file = self.folder.join("backends");
        let text = settings::backends(&addresses, &self.folder);
        fs::write(&file, &text)?;
        let large = self.folder.join(&LARGE[1..]);
        let files = format!(
            "{}\nhead -c {LARGE_BODY_BYTES} /dev/zero | tr '\\0' x >{}",
            shell::file(&file, &text),
            shell::line([large.display().to_string().as_str()]),
        );
        let arguments = nginx::arguments(&self.folder, &file);
        let child = Child::start(&self.nginx, &self.backend_cpus, arguments)?;
        Running { child, files, addresses }.when_it_answers()
    }
}

impl Drop for Launcher {
    fn drop(&mut self) {
        // A folder that stays behind is no reason to lose the report.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

impl Running {
    fn when_it_answers(mut self) -> io::Result<Self> {
        let address = self.address();
        self.child.wait_until(|| http::ask(address, SMALL).is_ok())?;
        Ok(self)
    }

    /// What starts it again: its files, and its command line.
    pub fn command(&self) -> String {
        format!("{}\n{}", self.files, self.child.command())
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.pid()
    }

    /// Where it listens first.
    pub fn address(&self) -> SocketAddr {
        self.addresses[0]
    }
}
