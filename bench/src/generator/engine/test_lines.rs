//! Job: what the tests of the generator ask and whom: lines, and servers made of threads.
//! In: how a server behaves. Out: its address, traffic, plans.
//! Invariant: a server answers line by line and knows nothing of the generator.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use super::Watch;
use crate::generator::outcome::Interval;
use crate::generator::plan::{DRAIN_TIMEOUT, Gaps, Limit, Pace, Plan, StreamPlan};
use crate::generator::traffic::{Answer, Asked, Judged, Seat, Traffic};

/// Asks with lines that hold the number of the server, and wants them back.
pub struct Lines {
    pub kinds: Vec<String>,
    pub nodes: u16,
    pub drawn: u64,
    pub pipelines: bool,
    pub greets: bool,
    /// Bytes that each request is longer.
    pub padding: usize,
    /// Stands still at the request of that number.
    pub pauses_at: u64,
}

pub const PAUSE: Duration = Duration::from_millis(60);

impl Traffic for Lines {
    fn pipelines(&self) -> bool {
        self.pipelines
    }

    fn repeats(&self) -> bool {
        !self.pipelines
    }

    fn kinds(&self) -> &[String] {
        &self.kinds
    }

    fn greeting(&mut self, output: &mut Vec<u8>) -> usize {
        if self.greets {
            output.extend_from_slice(b"n0\n");
        }
        usize::from(self.greets)
    }

    fn draw(&mut self, only: Option<u16>) -> Asked {
        self.drawn += 1;
        if self.drawn == self.pauses_at {
            thread::sleep(PAUSE);
        }
        let node = only.unwrap_or((self.drawn % u64::from(self.nodes)) as u16);
        Asked { node, ..Asked::default() }
    }

    fn encode(&mut self, asked: &Asked, output: &mut Vec<u8>) {
        output.extend(std::iter::repeat_n(b' ', self.padding));
        output.extend_from_slice(format!("n{}\n", asked.node).as_bytes());
    }

    fn judge(&mut self, asked: &Asked, input: &[u8]) -> Result<Option<Judged>, String> {
        let Some(end) = input.iter().position(|&byte| byte == b'\n') else { return Ok(None) };
        if input[0] == b'?' {
            return Err("it is no line".to_owned());
        }
        let expected = format!("n{}", asked.node);
        let good = &input[..end] == expected.as_bytes();
        let answer = if good { Answer::Good } else { Answer::Refused };
        Ok(Some(Judged { length: end + 1, answer, closes: input[0] == b'c' }))
    }

    fn explain(&self, _: &Asked, reply: &[u8]) -> String {
        String::from_utf8_lossy(reply).trim().to_owned()
    }
}

/// What a server does with the line of that number; false to close the connection.
type Behave = dyn Fn(u64, &str, &mut TcpStream) -> bool + Send + Sync;

pub fn serve(
    behave: impl Fn(u64, &str, &mut TcpStream) -> bool + Send + Sync + 'static,
) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let behave: Arc<Behave> = Arc::new(behave);
    let number = Arc::new(AtomicU64::new(0));
    thread::spawn(move || {
        while let Ok((mut stream, _)) = listener.accept() {
            let (behave, number) = (behave.clone(), number.clone());
            thread::spawn(move || {
                stream.set_nodelay(true).expect("a socket");
                let reader = BufReader::new(stream.try_clone().expect("a clone"));
                for line in reader.lines().map_while(Result::ok) {
                    if !behave(number.fetch_add(1, Ordering::Relaxed), &line, &mut stream) {
                        return;
                    }
                }
            });
        }
    });
    address
}

pub fn echo(_: u64, line: &str, stream: &mut TcpStream) -> bool {
    writeln!(stream, "{line}").is_ok()
}

pub fn plan(address: SocketAddr, pace: Pace, clients: usize) -> Plan {
    Plan {
        nodes: vec![address],
        cores: 1,
        stream: StreamPlan { clients, keeps_to_node: false, pace },
        probe: None,
        seed: 1,
        warm_up: Duration::ZERO,
        limit: Limit::Time(Duration::from_millis(400)),
        drain: DRAIN_TIMEOUT,
        reconnects: false,
        shares_cpu: true,
    }
}

pub const CLOSED: Pace = Pace::Closed { pipeline: 1 };

pub fn open(rate: f64) -> Pace {
    Pace::Open { rate, gaps: Gaps::Equal, burst: 1 }
}

#[derive(Default)]
pub struct Seen(pub Vec<Interval>);

impl Watch for Seen {
    fn second(&mut self, interval: &Interval) {
        self.0.push(interval.clone());
    }
}

pub fn lines(nodes: usize) -> impl Fn(Seat) -> Lines + Send + Clone {
    move |_| Lines {
        kinds: vec!["LINE".to_owned()],
        nodes: nodes as u16,
        drawn: 0,
        pipelines: true,
        greets: true,
        padding: 0,
        pauses_at: u64::MAX,
    }
}
