//! Job: run the programs of a scenario: find them, write their files, start them, see that they serve.
//! In: [`Program`]s. Out: [`Running`] ones with an address, their command lines.
//! Invariant: a program has the same address and the same files whenever it is started; a dropped
//! [`Running`] has ended its processes; the folder of the files goes with the [`Host`].

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::scenario::Program;
use super::template::Names;
use crate::child::{Child, free_address};
use crate::process;
use crate::session::version;
use crate::shell;

/// Where programs run.
#[derive(Debug)]
pub struct Host {
    folder: PathBuf,
}

/// A program that can be started, again and again.
#[derive(Debug)]
pub struct Installed<'a> {
    program: &'a Program,
    path: PathBuf,
    arguments: Vec<String>,
    /// The commands that make its configuration file, which goes with the host.
    files: Option<String>,
    /// Where it listens when it runs.
    pub address: SocketAddr,
}

/// A program that serves.
#[derive(Debug)]
pub struct Running {
    child: Child,
}

/// What the processes of a program have used.
#[derive(Clone, Copy, Debug)]
pub struct Used {
    /// CPU time since they began.
    pub cpu: Duration,
    /// Their resident memory at present, in bytes.
    pub resident_bytes: u64,
}

impl Host {
    /// A host with a folder of its own.
    ///
    /// # Errors
    /// The folder cannot be made.
    pub fn new() -> io::Result<Self> {
        use std::sync::atomic::{AtomicU64, Ordering};
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("ringlet-bench-compare-{}-{number}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        fs::create_dir_all(&folder)?;
        Ok(Self { folder })
    }

    /// Where files can be made that go with it.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Finds a program, chooses its address and writes its files. `names` are those of the backends.
    ///
    /// # Errors
    /// It is not there, its files cannot be written.
    pub fn install<'a>(&self, program: &'a Program, names: &Names) -> io::Result<Installed<'a>> {
        let kind = program.kind;
        let address = free_address()?;
        // The port is in the name of the folder, so that no two programs share one.
        let folder = self.folder.join(format!("{}-{}", kind.name, address.port()));
        fs::create_dir_all(&folder)?;
        let mut names = with_address(names, address).with("folder", folder.display().to_string());
        let mut words: Vec<String> = Vec::new();
        let mut files = None;
        if let Some(text) = &program.config {
            let file = folder.join("config");
            let text = names.fill(text).map_err(io::Error::other)?;
            fs::write(&file, &text)?;
            files = Some(shell::file(&file, &text));
            names.add("config", file.display().to_string());
            words.extend(kind.with_config.iter().map(|&word| word.to_owned()));
        }
        words.extend(kind.always.iter().map(|&word| word.to_owned()));
        words.extend_from_slice(&program.arguments);
        let arguments = names.fill_all(&words).map_err(io::Error::other)?;
        Ok(Installed { program, path: find(program)?, arguments, files, address })
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        // A folder that stays behind is no reason to lose the report.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// The names and where something listens.
pub fn with_address(names: &Names, address: SocketAddr) -> Names {
    names.with("address", address.to_string()).with("port", address.port().to_string())
}

impl Installed<'_> {
    /// How the report calls it.
    pub fn name(&self) -> &str {
        &self.program.name
    }

    /// Starts it and waits until it serves.
    ///
    /// # Errors
    /// It cannot be started, ends at once, or does not answer.
    pub fn start(&self) -> io::Result<Running> {
        let told = |error| io::Error::other(format!("{}: {error}", self.name()));
        let mut child =
            Child::start(&self.path, &self.program.cpus, &self.arguments).map_err(told)?;
        child.wait_until(|| self.program.ready.is_seen_at(self.address)).map_err(told)?;
        Ok(Running { child })
    }

    /// What starts it: its file, and its command line.
    pub fn command(&self) -> String {
        let path = self.path.display().to_string();
        let words = ["taskset", "-c", &self.program.cpus, &path];
        let line = shell::line(words.into_iter().chain(self.arguments.iter().map(String::as_str)));
        self.files.iter().chain([&line]).map(String::as_str).collect::<Vec<_>>().join("\n")
    }

    /// What it is, for the head of the report.
    pub fn setting(&self) -> String {
        let Program { name, kind, cpus, .. } = self.program;
        let said = kind.version.and_then(|option| version(&self.path, option).ok());
        let what = said.unwrap_or_else(|| self.path.display().to_string());
        format!("{name}: {what}, on CPU {cpus}")
    }
}

impl Running {
    /// Its processes at present, the one that was started first.
    ///
    /// # Errors
    /// /proc cannot be read.
    pub fn pids(&self) -> io::Result<Vec<u32>> {
        process::tree(self.child.pid())
    }

    /// What its processes have used.
    ///
    /// # Errors
    /// It has ended.
    pub fn used(&self) -> io::Result<Used> {
        let pids = self.pids()?;
        if process::has_ended(self.child.pid()) {
            return Err(io::Error::other("the system has ended during the load"));
        }
        let mut resident_bytes = 0;
        for pid in &pids {
            resident_bytes += process::resident_bytes(*pid)?;
        }
        Ok(Used { cpu: process::cpu_time_of_all(&pids)?, resident_bytes })
    }
}

/// Where a program is: as the scenario says, or as a variable does, or beside us, or in PATH.
fn find(program: &Program) -> io::Result<PathBuf> {
    let Some(name) = program.path.as_deref().or(program.kind.program) else {
        return Err(io::Error::other(format!("{}: no path", program.name)));
    };
    if program.path.is_none()
        && let Some(variable) = program.kind.variable
    {
        let beside = || Some(std::env::current_exe().ok()?.parent()?.join(name));
        let named = std::env::var_os(variable).map(PathBuf::from);
        if let Some(path) = named.or_else(|| beside().filter(|path| path.is_file())) {
            return Ok(path);
        }
    }
    let path = Path::new(name);
    if path.components().count() > 1 {
        return Ok(path.to_owned());
    }
    let folders = std::env::var_os("PATH").unwrap_or_default();
    // Servers are in sbin folders, which not everybody has in PATH.
    std::env::split_paths(&folders)
        .chain(["/usr/local/sbin", "/usr/sbin", "/sbin"].map(PathBuf::from))
        .map(|folder| folder.join(name))
        .find(|path| path.is_file())
        .ok_or_else(|| {
            let hint =
                program.kind.variable.map_or(String::new(), |v| format!(", nor named by {v}"));
            io::Error::other(format!("{}: {name} is not in PATH{hint}", program.name))
        })
}
