//! Job: hold the files of the deployment page to their word: the unit starts the server with the
//! sample configuration, and lets it write where that configuration says.
//! In: `docs/deploy`, and the server that cargo built (or `RINGLET_SERVER_BINARY`).
//! Out: test results.

use std::fs;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use ringlet_check::process::{ServerBinary, free_ports};
use ringlet_check::value::Value;
use ringlet_check::wire::{Address, Wire};

const WAIT: Duration = Duration::from_secs(20);
/// Where the unit says that the sample lies.
const CONFIG_PATH: &str = "/etc/ringlet/ringlet.conf";

fn deploy_file(name: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the package is a folder");
    fs::read_to_string(root.join("docs/deploy").join(name)).expect("a file of the page")
}

/// The value of a setting of the unit.
fn setting(unit: &str, name: &str) -> String {
    let line = unit.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
    line.unwrap_or_else(|| panic!("the unit has no {name}")).to_owned()
}

/// A folder of this test alone, which goes with it.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let path = std::env::temp_dir().join(format!("ringlet-deploy-{}", std::process::id()));
        fs::create_dir_all(&path).expect("a folder");
        Self(path)
    }

    fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().expect("UTF-8").to_owned()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What is left lies in the folder for temporary files.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The server as the unit's command line starts it; a test that fails ends it too.
struct Program(Child);

impl Drop for Program {
    fn drop(&mut self) {
        // Both fail only for a process that has ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn the_unit_starts_the_server_with_the_sample_configuration() {
    let unit = deploy_file("ringlet-server.service");
    let folder = Folder::new();
    let port = free_ports(2).expect("free ports");
    // The sample itself, but for what this machine may have in use.
    let mut sample = deploy_file("ringlet.conf")
        .replace("port 6379", &format!("port {port}"))
        .replace("admin 127.0.0.1:9379", &format!("admin 127.0.0.1:{}", port + 1));
    for system_folder in ["/run/ringlet", "/var/log/ringlet", "/var/lib/ringlet"] {
        sample = sample.replace(system_folder, folder.0.to_str().expect("UTF-8"));
    }
    let config_path = folder.path("ringlet.conf");
    fs::write(&config_path, &sample).expect("a file");
    let notify_path = folder.path("notify.sock");
    let notified = UnixDatagram::bind(&notify_path).expect("a socket");
    notified.set_read_timeout(Some(WAIT)).expect("a timeout");

    let start = setting(&unit, "ExecStart");
    let words = start.split(' ').skip(1);
    let words = words.map(|word| if word == CONFIG_PATH { &config_path } else { word });
    let binary = ServerBinary::from_environment(env!("CARGO_BIN_EXE_ringlet-server"));
    let child = Command::new(binary.path())
        .args(words)
        .env("NOTIFY_SOCKET", &notify_path)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .expect("the program runs");
    let mut program = Program(child);
    assert_eq!(setting(&unit, "Type"), "notify", "systemd waits until it is told");
    let mut message = [0; 256];
    let length = notified.recv(&mut message).expect("systemd is told");
    assert!(String::from_utf8_lossy(&message[..length]).contains("READY=1"));

    let socket = folder.0.join("ringlet.sock");
    let mut wire = Wire::open(&Address::Unix(socket)).expect("the unix socket serves");
    assert_eq!(wire.call(&["CONFIG", "SET", "timeout", "77"]).expect("CONFIG SET"), Value::ok());
    assert_eq!(wire.call(&["CONFIG", "REWRITE"]).expect("CONFIG REWRITE"), Value::ok());
    let rewritten = fs::read_to_string(&config_path).expect("the file");
    assert!(rewritten.starts_with(&sample), "what was there stays: {rewritten}");
    assert!(rewritten.contains("\ntimeout 77\n"), "{rewritten}");
    wire.send(&["SHUTDOWN"]).expect("it is sent");
    wire.wait_closed().expect("the connection ends");
    assert!(program.0.wait().expect("our child").success());
    assert!(folder.0.join("ringlet.log").exists(), "the log file of the sample");
}

#[test]
fn the_unit_lets_the_server_write_where_the_sample_says() {
    let unit = deploy_file("ringlet-server.service");
    assert_eq!(setting(&unit, "ProtectSystem"), "strict");
    let folders = [
        ("/run", "RuntimeDirectory"),
        ("/var/lib", "StateDirectory"),
        ("/var/log", "LogsDirectory"),
    ];
    let mut allowed: Vec<String> =
        folders.iter().map(|(root, name)| format!("{root}/{}", setting(&unit, name))).collect();
    allowed.extend(setting(&unit, "ReadWritePaths").split(' ').map(str::to_owned));
    let sample = deploy_file("ringlet.conf");
    let directives = sample.lines().filter(|line| !line.starts_with('#'));
    let paths: Vec<&str> =
        directives.flat_map(|line| line.split(' ')).filter(|word| word.starts_with('/')).collect();
    assert!(paths.len() >= 3, "the sample names few paths: {paths:?}");
    for path in paths.into_iter().chain([CONFIG_PATH]) {
        let is_allowed = allowed.iter().any(|folder| Path::new(path).starts_with(folder));
        assert!(is_allowed, "{path} is in none of {allowed:?}");
    }
}
