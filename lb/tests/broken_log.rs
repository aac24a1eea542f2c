//! Whoever reads the log may go away.
//!
//! Job: hold the balancer to its work when nobody reads its standard error. In: the program with a broken
//! pipe. Out: failures. Invariant: waits for events only.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::time::Duration;

#[test]
fn a_log_that_nobody_reads_keeps_nobody_from_stopping() {
    let free = TcpListener::bind(("127.0.0.1", 0)).expect("there are ports");
    let address = free.local_addr().expect("it is bound").to_string();
    drop(free);
    let mut child = Command::new(env!("CARGO_BIN_EXE_ringlet-lb"))
        .args(["--listen", &address, "--to", "127.0.0.1:1", "--cores", "1"])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program was built");
    let log = BufReader::new(child.stderr.take().expect("it is piped"));
    let is_ready = |line: String| line.contains("ready to accept connections");
    // The pipe breaks with the iterator.
    assert!(log.lines().map_while(Result::ok).any(is_ready), "it has ended");
    let id = child.id().to_string();
    assert!(Command::new("kill").arg(&id).status().expect("there is kill").success());
    let (sender, ended) = std::sync::mpsc::channel();
    std::thread::spawn(move || sender.send(child.wait()));
    // The signal is logged before it is obeyed.
    let is_over = ended.recv_timeout(Duration::from_secs(10)).is_ok();
    if !is_over {
        let _ = Command::new("kill").args(["-9", &id]).status();
    }
    assert!(is_over, "SIGTERM has not ended it");
}
