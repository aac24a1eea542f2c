//! Self tests of the net ring.
//!
//! Job: use every feature that the servers rely on once, on a small ring, and see that it works.
//! In: nothing. Out: rows of the report.
//! Invariant: a self test ends within a second whatever the kernel does.

use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::time::{Duration, Instant};

use super::diagnosis::{Surroundings, operation_advice, ring_advice};
use super::{PreflightError, Row};
use crate::listen;
use crate::ring::queue::Queue;
use crate::ring::{Event, NetRing, RingSettings, SetupMode, Wait};

/// Pushes one row per self test; gives the setup mode that the kernel accepted.
pub(super) fn run(surroundings: &Surroundings, rows: &mut Vec<Row>) -> Option<SetupMode> {
    let mode = match Queue::new(8, 32, &SetupMode::LADDER) {
        Ok(queue) => queue.mode(),
        Err(error) => {
            let advice = ring_advice(&error, surroundings);
            rows.push(Row::failed("io_uring setup", error.to_string(), advice));
            return None;
        }
    };
    rows.push(Row::ok("io_uring setup", mode.name()));
    let mut ring = match small_ring() {
        Ok(ring) => ring,
        Err(error) => {
            rows.push(Row::failed("provided buffers", error.error.to_string(), error.advice));
            return None;
        }
    };
    rows.push(Row::ok("provided buffers", "registered"));
    rows.push(judge("multishot receive", receive(&mut ring)));
    rows.push(judge("multishot accept", accept(&mut ring)));
    rows.push(judge("multishot timeout", tick(&mut ring)));
    rows.push(match message(&mut ring) {
        Ok(found) => Row::ok("MSG_RING", found),
        Err(error) => Row::warning(
            "MSG_RING",
            error.to_string(),
            "cores will wake each other through eventfds, which costs a system call each",
        ),
    });
    Some(mode)
}

fn judge(name: &'static str, outcome: io::Result<&'static str>) -> Row {
    match outcome {
        Ok(found) => Row::ok(name, found),
        Err(error) => Row::failed(name, error.to_string(), operation_advice(&error)),
    }
}

fn small_ring() -> Result<NetRing, PreflightError> {
    NetRing::new(&RingSettings {
        submissions: 8,
        completions: 64,
        buffer_count: 4,
        buffer_bytes: 64,
        max_sockets: 8,
        tick_ms: 1,
        ..RingSettings::default()
    })
}

/// Collects events until `done` says so, for at most a second: the ring ticks every millisecond.
fn until(
    ring: &mut NetRing,
    mut done: impl FnMut(&mut NetRing, Event) -> io::Result<bool>,
) -> io::Result<()> {
    let start = Instant::now();
    let mut events = Vec::new();
    while start.elapsed() < Duration::from_secs(1) {
        ring.wait(&mut events, Wait::Poll)?;
        if events.is_empty() {
            std::thread::sleep(Duration::from_micros(200));
        }
        let mut finished = false;
        for event in events.drain(..) {
            finished |= done(ring, event)?;
        }
        if finished {
            return Ok(());
        }
    }
    Err(io::Error::new(io::ErrorKind::TimedOut, "nothing happened within a second"))
}

fn receive(ring: &mut NetRing) -> io::Result<&'static str> {
    const WORDS: [&[u8]; 2] = [b"first", b"second"];
    let (mut near, far) = UnixStream::pair()?;
    let socket = ring.adopt(OwnedFd::from(far))?;
    let armed_before = ring.receives_armed();
    ring.start_receive(socket);
    for word in WORDS {
        near.write_all(word)?;
        until(ring, |ring, event| match event {
            Event::Received { buffer, .. } => {
                let equal = ring.bytes(&buffer) == word;
                ring.release(buffer);
                if equal { Ok(true) } else { Err(io::Error::other("wrong bytes")) }
            }
            Event::ReceiveEnded { end, .. } => Err(io::Error::other(format!("{end:?}"))),
            _ => Ok(false),
        })?;
    }
    let repeats = ring.receives_armed() == armed_before + 1;
    ring.close(socket);
    until(ring, |_, event| Ok(matches!(event, Event::Closed { .. })))?;
    if repeats {
        Ok("data, more to come, right bytes")
    } else {
        Err(io::Error::new(io::ErrorKind::Unsupported, "not multishot"))
    }
}

fn accept(ring: &mut NetRing) -> io::Result<&'static str> {
    // Without an address of IPv4 or IPv6, which a machine may lack.
    let listener = UnixListener::from(listen::nameless()?);
    let address = listener.local_addr()?;
    let id = ring.listen(OwnedFd::from(listener))?;
    for _ in 0..2 {
        let _client = UnixStream::connect_addr(&address)?;
        until(ring, |ring, event| match event {
            Event::Accepted { socket, .. } => {
                ring.close(socket);
                Ok(false)
            }
            Event::AcceptFailed { errno, .. } => Err(errno.into()),
            event => Ok(matches!(event, Event::Closed { .. })),
        })?;
    }
    ring.stop_listening(id);
    Ok("two connections")
}

fn tick(ring: &mut NetRing) -> io::Result<&'static str> {
    let mut ticks = 0;
    until(ring, |_, event| {
        ticks += u32::from(matches!(event, Event::Tick));
        Ok(ticks >= 2)
    })?;
    Ok(if ring.tick_repeats() { "repeats by itself" } else { "armed again each time" })
}

fn message(ring: &mut NetRing) -> io::Result<&'static str> {
    let mut sender = small_ring().map_err(|error| error.error)?;
    if !sender.has_messages() {
        return Err(io::Error::from_raw_os_error(libc::EINVAL));
    }
    sender.wake(&ring.wake_handle());
    sender.submit()?;
    until(ring, |_, event| Ok(matches!(event, Event::Woken)))?;
    Ok("from ring to ring")
}
