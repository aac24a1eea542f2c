//! Job: ask limiters without pause from many connections. In: addresses, a rule, a key, until when. Out: how
//! many were let through and when. Invariant: what is let through between a batch's sending and its last
//! reply is what its replies say, whatever the limiter believes.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::limiter::PATIENCE;

/// Questions that are under way on one connection.
pub const BATCH: usize = 16;
/// Connections to each limiter.
pub const CONNECTIONS: usize = 8;

/// What came of one batch.
#[derive(Copy, Clone, Debug)]
pub struct Batch {
    /// By the calendar, of which the store has the same.
    pub sent_ms: u64,
    pub ended_ms: u64,
    pub admitted: u64,
    pub asked: u64,
}

/// The time of the calendar.
pub fn unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    u64::try_from(since.as_millis()).expect("before the sun ends")
}

/// Asks for so long.
pub fn ask_for(limiters: &[SocketAddr], rule: &str, key: &str, time: Duration) -> Vec<Batch> {
    let end = Instant::now() + time;
    ask_while(limiters, rule, key, || Instant::now() < end)
}

/// Asks each of the limiters on many connections. One that goes away is asked no more: the batch that it
/// owes an answer to is as much as was answered.
pub fn ask_while(
    limiters: &[SocketAddr],
    rule: &str,
    key: &str,
    goes_on: impl Fn() -> bool + Sync,
) -> Vec<Batch> {
    let goes_on = &goes_on;
    thread::scope(|scope| {
        let askers: Vec<_> = limiters
            .iter()
            .flat_map(|&limiter| [limiter; CONNECTIONS])
            .map(|limiter| scope.spawn(move || ask(limiter, rule, key, goes_on)))
            .collect();
        askers.into_iter().flat_map(|asker| asker.join().expect("an asker")).collect()
    })
}

fn ask(
    limiter: SocketAddr,
    rule: &str,
    key: &str,
    goes_on: &(dyn Fn() -> bool + Sync),
) -> Vec<Batch> {
    let mut batches = Vec::new();
    let Ok(socket) = TcpStream::connect(limiter) else { return batches };
    socket.set_nodelay(true).expect("an option");
    socket.set_read_timeout(Some(PATIENCE)).expect("an option");
    let question =
        format!("*3\r\n$8\r\nTHROTTLE\r\n${}\r\n{rule}\r\n${}\r\n{key}\r\n", rule.len(), key.len());
    let questions = question.repeat(BATCH);
    let mut socket = BufReader::new(socket);
    while goes_on() {
        let mut batch = Batch { sent_ms: unix_ms(), ended_ms: 0, admitted: 0, asked: 0 };
        let is_sent = socket.get_mut().write_all(questions.as_bytes()).is_ok();
        for _ in 0..if is_sent { BATCH } else { 0 } {
            let Some(is_admitted) = reply(&mut socket) else { break };
            batch.asked += 1;
            batch.admitted += u64::from(is_admitted);
        }
        batch.ended_ms = unix_ms();
        batches.push(batch);
        if batch.asked < BATCH as u64 {
            break;
        }
    }
    batches
}

/// Whether one question is let through; none: the limiter is gone.
fn reply(socket: &mut impl BufRead) -> Option<bool> {
    let mut lines = Vec::new();
    for _ in 0..6 {
        let mut line = String::new();
        socket.read_line(&mut line).ok().filter(|_| line.ends_with("\r\n"))?;
        lines.push(line);
    }
    assert_eq!(lines[0], "*5\r\n", "{lines:?}");
    Some(lines[1] == ":0\r\n")
}

/// All that was let through.
pub fn admitted(batches: &[Batch]) -> u64 {
    batches.iter().map(|batch| batch.admitted).sum()
}

/// What was let through in windows of this length by the calendar: for each window what certainly was, and
/// beside it what may have been besides, as a batch lay across its edge.
pub fn by_window(batches: &[Batch], period_ms: u64) -> Vec<(u64, u64)> {
    let first = batches.iter().map(|batch| batch.sent_ms / period_ms).min().unwrap_or(0);
    let last = batches.iter().map(|batch| batch.ended_ms / period_ms).max().unwrap_or(0);
    let mut windows = vec![(0, 0); (last - first + 1) as usize];
    for batch in batches {
        let (from, to) = (batch.sent_ms / period_ms, batch.ended_ms / period_ms);
        for window in from..=to {
            let place = &mut windows[(window - first) as usize];
            if from == to {
                place.0 += batch.admitted;
            } else {
                place.1 += batch.admitted;
            }
        }
    }
    windows
}
