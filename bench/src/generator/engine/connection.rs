//! Job: one connection of the generator: what waits to be sent, what waits for its reply.
//! In: requests, received bytes. Out: bytes to send, the replies in order.
//! Invariant: replies belong to requests in the order in which these were written; received bytes are
//! copied only where a reply is cut.

use std::collections::VecDeque;

use ringlet_runtime::ring::{SendData, SocketId};

use super::recorder::Recorder;
use super::stream::Turn;
use crate::generator::plan::REPLY_BYTES_MAX;
use crate::generator::traffic::{Answer, Asked, Traffic};

/// What a connection says first, which is of no kind.
const GREETING: Asked = Asked { kind: u16::MAX, node: 0, key: 0, version: 0, floor: 0 };

/// A request without reply.
#[derive(Clone, Copy, Debug)]
pub struct Pending {
    /// What was asked.
    pub asked: Asked,
    /// When it was meant to be sent; in a closed loop that is when it was.
    pub intended_ns: u64,
    /// When the generator was ready to send it.
    handed_out_ns: u64,
}

/// How far a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It is being made.
    Connecting,
    /// So many replies to the greeting are still to come.
    Greeting(usize),
    /// It carries requests.
    Ready,
}

/// A connection.
#[derive(Debug)]
pub struct Connection {
    /// The socket of the moment: a connection that the server closes is made anew.
    pub socket: SocketId,
    /// How far it is.
    pub state: State,
    /// The number of its client in the stream.
    pub client: usize,
    /// The number of its server.
    pub node: usize,
    /// What was written and not answered.
    pub outstanding: VecDeque<Pending>,
    /// Requests at the end of these that have not been sent.
    unstamped: usize,
    /// Since when it could send: before, the server or the network kept it busy.
    pub free_since_ns: u64,
    /// Bytes to send.
    pub output: Vec<u8>,
    /// Memory of the last send, for the next one.
    spare: Vec<u8>,
    /// The begin of a reply.
    input: Vec<u8>,
    /// Replies that came on the socket of the moment.
    answered: u64,
}

/// What the received bytes brought.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Brought {
    /// Complete replies.
    pub replies: usize,
    /// The server closes the connection behind the last of them.
    pub closes: bool,
}

impl Connection {
    /// A connection that is being made.
    pub fn new(socket: SocketId, client: usize, node: usize) -> Self {
        Self {
            socket,
            state: State::Connecting,
            client,
            node,
            outstanding: VecDeque::new(),
            unstamped: 0,
            free_since_ns: 0,
            output: Vec::new(),
            spare: Vec::new(),
            input: Vec::new(),
            answered: 0,
        }
    }

    /// Begins anew on another socket. What was written for the old one and not sent stays.
    pub fn restart(&mut self, socket: SocketId) {
        self.socket = socket;
        self.state = State::Connecting;
        self.input.clear();
        self.answered = 0;
    }

    /// Whether the server may have ended it before it saw the one request without reply: it has answered
    /// others, and of this one nothing has come.
    pub fn was_idle(&self) -> bool {
        self.answered > 0 && self.input.is_empty() && self.outstanding.len() == 1
    }

    /// Writes all requests without reply anew, for another socket; they keep their times.
    pub fn write_again<T: Traffic>(&mut self, traffic: &mut T) {
        self.output.clear();
        for pending in &self.outstanding {
            traffic.encode(&pending.asked, &mut self.output);
        }
    }

    /// Adds a request.
    pub fn ask<T: Traffic>(&mut self, traffic: &mut T, asked: Asked, turn: Turn) {
        traffic.encode(&asked, &mut self.output);
        let Turn { intended_ns, handed_out_ns, .. } = turn;
        self.outstanding.push_back(Pending { asked, intended_ns, handed_out_ns });
        self.unstamped += 1;
    }

    /// Takes all that waits to be sent at `now_ns`: a closed loop means its requests to be sent now.
    pub fn take_output(
        &mut self,
        now_ns: u64,
        is_closed: bool,
        recorder: &mut Recorder,
    ) -> SendData {
        let count = std::mem::take(&mut self.unstamped);
        for pending in self.outstanding.iter_mut().rev().take(count) {
            if is_closed {
                pending.intended_ns = now_ns;
            }
            let kept_ns = self.free_since_ns.saturating_sub(pending.handed_out_ns);
            recorder.sent(pending.intended_ns, kept_ns, now_ns);
        }
        SendData::Buffer(std::mem::replace(&mut self.output, std::mem::take(&mut self.spare)))
    }

    /// What was sent comes back.
    pub fn give_back(&mut self, data: SendData) {
        if let SendData::Buffer(mut bytes) = data {
            bytes.clear();
            self.spare = bytes;
        }
    }

    /// Takes in what came at `now_ns`.
    ///
    /// # Errors
    /// A refused greeting, bytes that are no reply, or a reply to no request.
    pub fn receive<T: Traffic>(
        &mut self,
        bytes: &[u8],
        now_ns: u64,
        traffic: &mut T,
        recorder: &mut Recorder,
    ) -> Result<Brought, String> {
        if self.input.is_empty() {
            let mut brought = Brought::default();
            let used = self.take_replies(bytes, now_ns, traffic, recorder, &mut brought)?;
            self.input.extend_from_slice(&bytes[used..]);
            return Ok(brought);
        }
        if self.input.len() + bytes.len() > REPLY_BYTES_MAX {
            return Err(format!("a reply of more than {REPLY_BYTES_MAX} bytes"));
        }
        let mut input = std::mem::take(&mut self.input);
        input.extend_from_slice(bytes);
        let mut brought = Brought::default();
        let used = self.take_replies(&input, now_ns, traffic, recorder, &mut brought)?;
        input.drain(..used);
        self.input = input;
        Ok(brought)
    }

    /// Judges the complete replies at the front; the number of their bytes.
    fn take_replies<T: Traffic>(
        &mut self,
        bytes: &[u8],
        now_ns: u64,
        traffic: &mut T,
        recorder: &mut Recorder,
        brought: &mut Brought,
    ) -> Result<usize, String> {
        let mut at = 0;
        while at < bytes.len() {
            let rest = &bytes[at..];
            if let State::Greeting(left) = self.state {
                let Some(judged) = traffic.judge(&GREETING, rest)? else { break };
                if judged.answer != Answer::Good {
                    return Err(traffic.explain(&GREETING, &rest[..judged.length]));
                }
                at += judged.length;
                self.state = if left > 1 { State::Greeting(left - 1) } else { State::Ready };
                continue;
            }
            let Some(&Pending { asked, intended_ns, .. }) = self.outstanding.front() else {
                return Err("a reply that nobody asked for".to_owned());
            };
            let Some(judged) = traffic.judge(&asked, rest)? else { break };
            self.outstanding.pop_front();
            recorder.answered(asked.kind, intended_ns, now_ns, judged.answer);
            if matches!(judged.answer, Answer::Refused | Answer::Wrong) {
                recorder.error(traffic.explain(&asked, &rest[..judged.length]));
            }
            at += judged.length;
            brought.replies += 1;
            self.answered += 1;
            brought.closes = judged.closes;
        }
        Ok(at)
    }
}
