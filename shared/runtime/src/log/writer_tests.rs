//! The way of lines to a file, a pipe and a full disk.
//!
//! Job: show that no line is lost without being counted, and that nobody waits. In: cores' logs and real
//! files. Out: failures. Invariant: files lie in a folder of the test, which it removes.

use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use super::buffers::Buffers;
use super::writer::{self, LogWriter, Writer};
use super::{LOG_BATCH_BYTES, LOG_BATCHES_MAX, LineOwner, LogTarget};

#[derive(Default)]
struct Owner(AtomicU64);

impl LineOwner for Owner {
    fn lost(&self, _: usize, lines: u64) {
        self.0.fetch_add(lines, Ordering::Relaxed);
    }
}

/// A folder that goes with its test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("ringlet-log-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a folder");
        Self(path)
    }

    fn target(&self, name: &str) -> LogTarget {
        LogTarget::File(self.0.join(name))
    }

    fn text(&self, name: &str) -> String {
        std::fs::read_to_string(self.0.join(name)).expect("a file")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn start(target: LogTarget) -> Result<LogWriter<Owner>, String> {
    writer::start("test log", 1, target)
}

fn add(log: &mut Buffers<Owner>, owner: &Arc<Owner>, number: u64) {
    let line = format!("a line of the length that a log of requests has, with a number {number}\n");
    log.add(owner, |out| out.extend_from_slice(line.as_bytes()));
}

fn lost(owner: &Owner) -> u64 {
    owner.0.load(Ordering::Relaxed)
}

/// The numbers at the ends of lines.
fn numbers(text: &str) -> Vec<u64> {
    let number = |line: &str| line.rsplit(' ').next()?.parse().ok();
    text.lines().map(|line| number(line).expect("a whole line")).collect()
}

#[test]
fn a_rotation_loses_no_line() {
    let folder = Folder::new("rotation");
    let writer = start(folder.target("log")).expect("it starts");
    let mut log = writer.handle().buffers(0);
    let owner = Arc::new(Owner::default());
    for number in 0..2000 {
        add(&mut log, &owner, number);
        match number {
            500 => std::fs::rename(folder.0.join("log"), folder.0.join("old")).expect("renamed"),
            1000 => {
                log.hand_over();
                writer.handle().open(folder.target("log"));
            }
            number if number % 7 == 0 => log.on_tick(),
            _ => {}
        }
    }
    log.hand_over();
    writer.finish();
    assert_eq!(lost(&owner), 0);
    assert_eq!(numbers(&folder.text("old")), (0..=1000).collect::<Vec<_>>());
    assert_eq!(numbers(&folder.text("log")), (1001..2000).collect::<Vec<_>>());
}

#[test]
fn lines_that_a_full_disk_does_not_take_are_counted() {
    let folder = Folder::new("full");
    let writer = start(LogTarget::File("/dev/full".into())).expect("it starts");
    let mut log = writer.handle().buffers(0);
    let owner = Arc::new(Owner::default());
    (0..10).for_each(|number| add(&mut log, &owner, number));
    log.hand_over();
    writer.handle().open(folder.target("log"));
    (10..15).for_each(|number| add(&mut log, &owner, number));
    log.hand_over();
    writer.finish();
    log.on_tick();
    assert_eq!(lost(&owner), 10);
    assert_eq!(numbers(&folder.text("log")), [10, 11, 12, 13, 14]);
}

#[test]
fn a_pipe_that_nobody_reads_holds_nobody_up() {
    let folder = Folder::new("pipe");
    let made = Command::new("mkfifo").arg(folder.0.join("log")).status().expect("mkfifo");
    assert!(made.success());
    let writer = start(folder.target("log")).expect("it starts");
    let mut log = writer.handle().buffers(0);
    let owner = Arc::new(Owner::default());
    // No line is that short.
    let room = (LOG_BATCHES_MAX * LOG_BATCH_BYTES / 50) as u64;
    for number in 0..2 * room {
        add(&mut log, &owner, number);
        log.on_tick();
    }
    let kept = 2 * room - lost(&owner);
    assert!(kept > 0 && kept < room, "{kept} lines are kept");
    // A reader comes: what has been kept is still there.
    let path = folder.0.join("log");
    let reader = std::thread::spawn(move || std::fs::read_to_string(path).expect("text"));
    writer.finish();
    let text = reader.join().expect("no panic");
    assert_eq!(numbers(&text), (0..kept).collect::<Vec<_>>());
    log.on_tick();
    assert_eq!(lost(&owner), 2 * room - kept);
}

#[test]
fn a_line_that_was_cut_off_does_not_swallow_the_next_one() {
    let (mut reader, output) = UnixStream::pair().expect("a pair of sockets");
    output.set_nonblocking(true).expect("it can");
    reader.set_nonblocking(true).expect("it can");
    let target = Arc::new(Mutex::new(LogTarget::StandardOutput));
    let mut writer = Writer::new("test log", Some(File::from(OwnedFd::from(output))), target);
    let mut long = vec![b'x'; 8 << 20];
    long.push(b'\n');
    assert!(!writer.write(&long), "more than the socket takes");
    let mut text = Vec::new();
    let _ = reader.read_to_end(&mut text);
    assert!(!text.is_empty() && text.iter().all(|byte| *byte == b'x'));
    assert!(writer.write(b"next\n") && writer.write(b"last\n"));
    text.clear();
    let _ = reader.read_to_end(&mut text);
    assert_eq!(text, b"\nnext\nlast\n");
}

#[test]
fn a_file_that_cannot_be_opened_is_an_error_at_the_start_only() {
    let folder = Folder::new("missing");
    let error = start(folder.target("no/log")).err().expect("an error");
    assert!(error.contains("no/log"), "{error}");
    let writer = start(folder.target("log")).expect("it starts");
    let mut log = writer.handle().buffers(0);
    let owner = Arc::new(Owner::default());
    writer.handle().open(folder.target("no/log"));
    add(&mut log, &owner, 1);
    log.hand_over();
    writer.finish();
    log.on_tick();
    assert_eq!((lost(&owner), numbers(&folder.text("log"))), (0, vec![1]), "the old file stays");
}
