//! Job: make load of two kinds from one thread: requests at fixed times, whatever the server does
//! (open loop), and beside it the filling of the server with keys as fast as it takes them.
//! In: [`Offer`], [`Fill`]. Out: latencies from the intended time of sending, and how late the
//! generator itself was.
//! Invariant: one thread turns one loop without sleeping, so what is offered never waits behind the
//! filling for longer than one bounded chunk of it, and a wait of the generator's own shows in
//! [`Outcome::own_pause_max_ns`] instead of passing for the server's.

use std::io;
use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use mio::{Events, Poll, Token};
use ringlet_base::random::Random;

use crate::link::Link;

/// Longest latency that a histogram tells apart, in nanoseconds.
const MAX_LATENCY_NS: u64 = 120_000_000_000;
const READ_CHUNK_BYTES: usize = 32 << 10;
/// Requests that one turn of the loop adds to one filling connection.
const FILL_CHUNK: u64 = 16;
/// Requests that may wait for replies on a filling connection.
const FILL_WINDOW: usize = 256;
/// Offered requests without reply after which the server counts as overloaded.
const MAX_OFFERED_OUTSTANDING: usize = 1 << 20;
/// A loop that makes no progress for so long has lost its server.
const STALL_TIMEOUT: Duration = Duration::from_secs(60);

/// Writes the request with the given number.
pub type Encode<'a> = dyn FnMut(u64, &mut Vec<u8>) + 'a;

/// What stands at the front of the received bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reply {
    /// Its length in bytes.
    pub length: usize,
    /// It is an error reply.
    pub error: bool,
}

/// Finds the first reply in received bytes, or `None` if it is not complete.
pub type Skip = fn(&[u8]) -> io::Result<Option<Reply>>;

/// Whom the load is for.
#[derive(Clone, Copy, Debug)]
pub struct Destination {
    /// Where it listens.
    pub address: SocketAddr,
    /// What it speaks.
    pub skip: Skip,
    /// Servers run on the generator's own CPU, which it then yields when it has nothing to do.
    pub shares_cpu: bool,
}

/// Load at fixed times.
pub struct Offer<'a> {
    /// Requests per second over all connections.
    pub rate: f64,
    /// Connections, used in turn.
    pub connections: usize,
    /// True for exponential gaps between requests (as independent users make them), false for
    /// equal ones.
    pub random_gaps: bool,
    /// Makes the requests.
    pub encode: &'a mut Encode<'a>,
}

/// Load as fast as the server takes it.
pub struct Fill<'a> {
    /// Connections, each with a bounded number of requests in flight.
    pub connections: usize,
    /// Requests in all.
    pub count: u64,
    /// Makes the requests.
    pub encode: &'a mut Encode<'a>,
}

/// What a run of load saw.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Offered requests: nanoseconds from the intended sending to the reply.
    pub latency: Histogram<u64>,
    /// Offered requests: nanoseconds from the intended to the actual sending.
    pub lateness: Histogram<u64>,
    /// Longest turn of the generator's loop in nanoseconds.
    pub own_pause_max_ns: u64,
    /// Error replies of both kinds of load.
    pub errors: u64,
    /// Time from the first request to the last reply.
    pub elapsed: Duration,
}

impl Outcome {
    /// Refuses a run in which the server answered with errors.
    ///
    /// # Errors
    /// There were error replies.
    pub fn refuse_errors(&self) -> io::Result<()> {
        if self.errors == 0 {
            return Ok(());
        }
        Err(io::Error::other(format!("{} error replies", self.errors)))
    }
}

/// Runs `offer` and `fill` together against `to`: until the filling is done, or
/// for `duration` if that is longer.
///
/// # Errors
/// A broken connection, a reply that is none, an overloaded or silent server.
pub fn run(
    to: Destination,
    duration: Duration,
    offer: Option<Offer<'_>>,
    fill: Option<Fill<'_>>,
) -> io::Result<Outcome> {
    let mut poll = Poll::new()?;
    let offered = offer.as_ref().map_or(0, |offer| offer.connections);
    let filling = fill.as_ref().map_or(0, |fill| fill.connections);
    let links = (0..offered + filling)
        .map(|index| Link::open(to.address, &poll, Token(index)))
        .collect::<io::Result<Vec<_>>>()?;
    let mut generator = Generator {
        start: Instant::now(),
        to,
        duration_ns: duration.as_nanos() as u64,
        links,
        offered,
        next_offer: 0,
        next_due_ns: 0,
        offered_outstanding: 0,
        gaps: Random::new(1),
        filled: 0,
        to_fill: fill.as_ref().map_or(0, |fill| fill.count),
        fill_end_ns: 0,
        scratch: vec![0; READ_CHUNK_BYTES],
        outcome: Outcome {
            latency: histogram(),
            lateness: histogram(),
            own_pause_max_ns: 0,
            errors: 0,
            elapsed: Duration::ZERO,
        },
    };
    generator.turn_until_done(&mut poll, offer, fill)?;
    generator.outcome.elapsed = generator.start.elapsed();
    Ok(generator.outcome)
}

/// An empty histogram of nanoseconds with three digits.
pub fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, MAX_LATENCY_NS, 3).expect("the bounds are constants that fit")
}

struct Generator {
    start: Instant,
    to: Destination,
    duration_ns: u64,
    links: Vec<Link>,
    /// The first so many links are for offered requests, the others for filling.
    offered: usize,
    next_offer: u64,
    next_due_ns: u64,
    offered_outstanding: usize,
    gaps: Random,
    filled: u64,
    to_fill: u64,
    /// When the last filling request was sent.
    fill_end_ns: u64,
    scratch: Vec<u8>,
    outcome: Outcome,
}

impl Generator {
    fn now_ns(&self) -> u64 {
        self.start.elapsed().as_nanos() as u64
    }

    fn turn_until_done(
        &mut self,
        poll: &mut Poll,
        mut offer: Option<Offer<'_>>,
        mut fill: Option<Fill<'_>>,
    ) -> io::Result<()> {
        let mut events = Events::with_capacity(256);
        let mut last_turn_ns = self.now_ns();
        let mut last_progress_ns = last_turn_ns;
        loop {
            let now_ns = self.now_ns();
            let pause = now_ns - last_turn_ns;
            self.outcome.own_pause_max_ns = self.outcome.own_pause_max_ns.max(pause);
            last_turn_ns = now_ns;
            let mut progress = false;
            if let Some(offer) = offer.as_mut() {
                progress |= self.send_due(offer, now_ns)?;
            }
            if let Some(fill) = fill.as_mut() {
                progress |= self.send_filling(fill, now_ns)?;
            }
            poll.poll(&mut events, Some(Duration::ZERO)).or_else(|error| {
                if error.kind() == io::ErrorKind::Interrupted { Ok(()) } else { Err(error) }
            })?;
            for event in &events {
                progress |= self.receive(event.token().0)?;
            }
            let all_sent =
                now_ns >= self.end_ns() && (offer.is_none() || self.next_due_ns >= self.end_ns());
            if all_sent && self.links.iter().all(|link| link.outstanding.is_empty()) {
                return Ok(());
            }
            if progress {
                last_progress_ns = now_ns;
            } else if self.to.shares_cpu {
                thread::yield_now();
            }
            if now_ns - last_progress_ns > STALL_TIMEOUT.as_nanos() as u64 {
                return Err(io::Error::new(io::ErrorKind::TimedOut, "the server fell silent"));
            }
        }
    }

    /// Offered requests that are intended before this time are sent, however late; none after it.
    fn end_ns(&self) -> u64 {
        if self.filled < self.to_fill { u64::MAX } else { self.duration_ns.max(self.fill_end_ns) }
    }

    /// Sends all offered requests that are due, and what earlier ones left in the buffers.
    fn send_due(&mut self, offer: &mut Offer<'_>, now_ns: u64) -> io::Result<bool> {
        let mean_gap_ns = 1e9 / offer.rate;
        let mut progress = false;
        let end_ns = self.end_ns();
        while self.next_due_ns <= now_ns && self.next_due_ns < end_ns {
            let index = (self.next_offer % self.offered as u64) as usize;
            let link = &mut self.links[index];
            (offer.encode)(self.next_offer, &mut link.output);
            link.outstanding.push_back(Some(self.next_due_ns));
            link.flush()?;
            self.outcome.lateness.saturating_record((now_ns - self.next_due_ns).max(1));
            self.next_offer += 1;
            self.offered_outstanding += 1;
            if self.offered_outstanding > MAX_OFFERED_OUTSTANDING {
                return Err(io::Error::other("the server is overloaded by the offered rate"));
            }
            let factor = if offer.random_gaps { -(1.0 - self.gaps.fraction()).ln() } else { 1.0 };
            self.next_due_ns += (mean_gap_ns * factor) as u64 + 1;
            progress = true;
        }
        for link in &mut self.links[..self.offered] {
            link.flush()?;
        }
        Ok(progress)
    }

    /// Gives every filling connection that has room another chunk.
    fn send_filling(&mut self, fill: &mut Fill<'_>, now_ns: u64) -> io::Result<bool> {
        let mut progress = false;
        for link in &mut self.links[self.offered..] {
            if link.outstanding.len() + FILL_CHUNK as usize <= FILL_WINDOW
                && self.filled < self.to_fill
            {
                let end = (self.filled + FILL_CHUNK).min(self.to_fill);
                for number in self.filled..end {
                    (fill.encode)(number, &mut link.output);
                    link.outstanding.push_back(None);
                }
                self.filled = end;
                self.fill_end_ns = now_ns;
                progress = true;
            }
            link.flush()?;
        }
        Ok(progress)
    }

    /// Takes in what has arrived on a link.
    fn receive(&mut self, index: usize) -> io::Result<bool> {
        let mut progress = false;
        loop {
            let more = self.links[index].read(&mut self.scratch)?;
            progress |= self.take_replies(index)?;
            if !more {
                return Ok(progress);
            }
        }
    }

    /// Counts the complete replies in a link's input; true if there were any.
    fn take_replies(&mut self, index: usize) -> io::Result<bool> {
        let now_ns = self.now_ns();
        let link = &mut self.links[index];
        let mut at = 0;
        while let Some(reply) = (self.to.skip)(&link.input[at..])? {
            at += reply.length;
            self.outcome.errors += u64::from(reply.error);
            match link.outstanding.pop_front() {
                None => return Err(io::Error::other("a reply to no request")),
                Some(None) => {}
                Some(Some(intended_ns)) => {
                    self.offered_outstanding -= 1;
                    let latency = now_ns.saturating_sub(intended_ns).max(1);
                    self.outcome.latency.saturating_record(latency);
                }
            }
        }
        link.input.drain(..at);
        Ok(at > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::TcpListener;

    /// Answers every `PING` with `+PONG` on `connections` connections, after `delay`.
    fn server(connections: usize, delay: Duration) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        for _ in 0..connections {
            let listener = listener.try_clone().expect("a clone");
            thread::spawn(move || {
                let (mut stream, _) = listener.accept().expect("a client");
                let mut chunk = [0; 4096];
                let mut received = 0;
                while let Ok(count @ 1..) = stream.read(&mut chunk) {
                    received += count;
                    thread::sleep(delay);
                    for _ in 0..received / 14 {
                        stream.write_all(b"+PONG\r\n").expect("the client reads");
                    }
                    received %= 14;
                }
            });
        }
        address
    }

    fn line_server(address: SocketAddr) -> Destination {
        let line = |input: &[u8]| {
            let length = input.iter().position(|&byte| byte == b'\n');
            Ok(length.map(|length| Reply { length: length + 1, error: false }))
        };
        Destination { address, skip: line, shares_cpu: false }
    }

    fn ping(_: u64, output: &mut Vec<u8>) {
        output.extend_from_slice(b"*1\r\n$4\r\nPING\r\n");
    }

    #[test]
    fn an_open_loop_counts_from_the_intended_time() {
        let delay = Duration::from_millis(40);
        let address = server(1, delay);
        let mut encode = ping;
        let offer = Offer { rate: 1000.0, connections: 1, random_gaps: false, encode: &mut encode };
        let outcome = run(line_server(address), Duration::from_millis(200), Some(offer), None)
            .expect("a run");
        // A closed loop would count one request in each pause; this one counts all 200.
        assert_eq!(outcome.latency.len(), 200);
        assert!(outcome.latency.value_at_quantile(0.3) > 15_000_000);
        assert!(outcome.latency.max() >= delay.as_nanos() as u64);
    }

    #[test]
    fn filling_sends_each_number_once_beside_the_offer() {
        let address = server(3, Duration::ZERO);
        let mut numbers = Vec::new();
        let mut fill_encode = |number, output: &mut Vec<u8>| {
            numbers.push(number);
            ping(number, output);
        };
        let mut offer_encode = ping;
        let offer =
            Offer { rate: 2000.0, connections: 1, random_gaps: true, encode: &mut offer_encode };
        let fill = Fill { connections: 2, count: 5003, encode: &mut fill_encode };
        let outcome =
            run(line_server(address), Duration::ZERO, Some(offer), Some(fill)).expect("a run");
        assert_eq!(outcome.errors, 0);
        assert_eq!(numbers, (0..5003).collect::<Vec<u64>>());
        assert!(!outcome.latency.is_empty());
    }

    #[test]
    fn a_server_that_closes_is_an_error() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        thread::spawn(move || drop(listener.accept()));
        let mut encode = ping;
        let offer = Offer { rate: 100.0, connections: 1, random_gaps: false, encode: &mut encode };
        assert!(run(line_server(address), Duration::from_secs(5), Some(offer), None).is_err());
    }
}
