//! One connection: HTTP/2 without a task.
//!
//! Job: drive the HTTP/2 library over the pipe, begin calls, give answers to those that wait. In: what
//! was received; verdicts. Out: what is to be sent. Invariant: after each call of [`Front`] nothing is
//! left that could go on without new bytes or a new answer. At most `STREAMS_MAX` streams are open and
//! `WAITING_MAX` questions wait; while so many do, no call is begun.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use h2::server::{Builder, Handshake};
use h2::{Reason, SendStream};
use ringlet_limit::request::Verdict;
use ringlet_limit::time::Now;

use super::call::{Broken, Call, Responder, end};
use super::limits::{
    CONNECTION_WINDOW_BYTES, FRAME_BYTES_MAX, HEADERS_BYTES_MAX, RESET_STREAMS_MAX,
    STREAM_WINDOW_BYTES, STREAMS_MAX, WAITING_MAX,
};
use super::message::health::Health;
use super::pipe::Pipe;
use super::service::{Ask, Reply};
use super::status::Code;
use super::wakes::Wakes;
use super::{health, rate_limit};
use crate::front::{Desk, Flow, Front};

/// How long connections live.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// After so long, a tenth more or less, the peer is asked (GOAWAY) to make a new connection: so
    /// clients that keep theirs for ever spread over processes that were started later.
    pub age_ns_max: u64,
    /// So long after that the connection ends, whatever the peer does.
    pub grace_ns: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self { age_ns_max: 30 * 60 * 1_000_000_000, grace_ns: 30 * 1_000_000_000 }
    }
}

/// One connection.
pub struct Connection {
    transport: Transport,
    pipe: Pipe,
    wakes: Arc<Wakes>,
    streams: HashMap<u32, Stream>,
    waiting: HashMap<u32, Waiting>,
    /// The next number of a stream or ticket.
    next: u32,
    verdict: Verdict,
    /// When the peer is asked to go, by the monotonic clock.
    leave_ns: u64,
    grace_ns: u64,
    is_leaving: bool,
    has_peer_ended: bool,
    /// Whether a whole message came with the last call.
    has_message_come: bool,
}

/// What has become of HTTP/2.
enum Transport {
    Greeting(Box<Handshake<Pipe, Bytes>>),
    Open(Box<h2::server::Connection<Pipe, Bytes>>),
    Ended,
}

/// A stream that something is to come on.
enum Stream {
    /// Its message.
    Call(Call),
    /// Its end.
    Watch(SendStream<Bytes>),
}

/// A call whose question waits.
struct Waiting {
    responder: Responder,
    descriptors: usize,
}

impl Connection {
    /// A new connection. `random` spreads the ends of connections that begin together.
    #[must_use]
    pub fn new(settings: Settings, now: Now, random: u64) -> Self {
        let pipe = Pipe::default();
        let greeting = Builder::new()
            .max_concurrent_streams(STREAMS_MAX)
            .max_pending_accept_reset_streams(RESET_STREAMS_MAX)
            .max_header_list_size(HEADERS_BYTES_MAX)
            .max_frame_size(FRAME_BYTES_MAX)
            .initial_window_size(STREAM_WINDOW_BYTES)
            .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
            .handshake(pipe.clone());
        let tenth_ns = settings.age_ns_max / 10;
        let age_ns = settings.age_ns_max - tenth_ns + random % (2 * tenth_ns + 1);
        Self {
            transport: Transport::Greeting(Box::new(greeting)),
            pipe,
            wakes: Arc::default(),
            streams: HashMap::new(),
            waiting: HashMap::new(),
            next: 0,
            verdict: Verdict::default(),
            leave_ns: now.monotonic_ns.saturating_add(age_ns),
            grace_ns: settings.grace_ns,
            is_leaving: false,
            has_peer_ended: false,
            has_message_come: false,
        }
    }

    /// Does all that can be done, and says what becomes of the connection.
    fn advance(&mut self, desk: &mut dyn Desk, out: &mut Vec<u8>) -> Flow {
        self.pipe.exchange_outgoing(out);
        self.leave_in_time(desk);
        let waker = self.wakes.connection_waker();
        let mut context = Context::from_waker(&waker);
        loop {
            // What has been woken so far is polled now; only what is woken by that goes round again.
            self.wakes.take_connection();
            self.poll_transport(&mut context, desk);
            while !self.is_full()
                && let Some(number) = self.wakes.take_stream()
            {
                if let Some(stream) = self.streams.remove(&number) {
                    self.go_on(stream, desk);
                }
            }
            if !self.wakes.take_connection() || matches!(self.transport, Transport::Ended) {
                break;
            }
        }
        self.pipe.exchange_outgoing(out);
        self.flow()
    }

    fn flow(&mut self) -> Flow {
        if self.has_peer_ended && self.waiting.is_empty() {
            self.transport = Transport::Ended;
        }
        if matches!(self.transport, Transport::Ended) {
            self.streams.clear();
            self.waiting.clear();
            return Flow::Close;
        }
        if self.is_full() { Flow::Full } else { Flow::Open }
    }

    fn is_full(&self) -> bool {
        self.waiting.len() >= WAITING_MAX
    }

    /// Reads, writes, begins calls, until the library waits for bytes.
    fn poll_transport(&mut self, context: &mut Context<'_>, desk: &mut dyn Desk) {
        if let Transport::Greeting(greeting) = &mut self.transport {
            self.transport = match Pin::new(greeting.as_mut()).poll(context) {
                Poll::Ready(Ok(connection)) => Transport::Open(Box::new(connection)),
                Poll::Ready(Err(_)) => Transport::Ended,
                Poll::Pending => return,
            };
        }
        loop {
            let is_full = self.is_full();
            let Transport::Open(connection) = &mut self.transport else { return };
            let polled = if is_full {
                connection.poll_closed(context).map(|_| None)
            } else {
                connection.poll_accept(context)
            };
            match polled {
                Poll::Ready(Some(Ok((request, respond)))) => {
                    if let Some(call) = Call::begin(request, respond) {
                        self.go_on(Stream::Call(call), desk);
                    }
                }
                Poll::Ready(_) => self.transport = Transport::Ended,
                Poll::Pending => return,
            }
        }
    }

    /// Does on a stream what can be done, and keeps it if something is still to come.
    fn go_on(&mut self, stream: Stream, desk: &mut dyn Desk) {
        match stream {
            Stream::Call(mut call) => match self.poll(|context| call.poll_message(context)) {
                Ok(Ok(message)) => self.call(call, &message, desk),
                Ok(Err(Broken::Refused(status))) => call.responder.fail(&status),
                Ok(Err(Broken::Gone)) => {}
                Err(number) => {
                    self.streams.insert(number, Stream::Call(call));
                }
            },
            Stream::Watch(mut watch) => {
                if let Err(number) = self.poll(|context| watch.poll_reset(context)) {
                    self.streams.insert(number, Stream::Watch(watch));
                }
            }
        }
    }

    /// Polls, and if nothing is there once more with a waker: most calls have all they need at once
    /// and cost none. The error is the number that is woken later.
    fn poll<T>(&mut self, mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>) -> Result<T, u32> {
        if let Poll::Ready(result) = poll(&mut Context::from_waker(Waker::noop())) {
            return Ok(result);
        }
        let number = self.number();
        let waker = self.wakes.stream_waker(number);
        match poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(result) => Ok(result),
            Poll::Pending => Err(number),
        }
    }

    fn call(&mut self, call: Call, message: &[u8], desk: &mut dyn Desk) {
        self.has_message_come = true;
        let ticket = self.number();
        let ask = Ask { desk, ticket, verdict: &mut self.verdict };
        let reply = (call.method.answer)(message, ask);
        self.send(ticket, call.responder, reply, desk);
    }

    fn send(&mut self, ticket: u32, mut responder: Responder, reply: Reply, desk: &mut dyn Desk) {
        match reply {
            Reply::Message(frame) => responder.finish(frame),
            Reply::Failure(status) => responder.fail(&status),
            Reply::Later(descriptors) => {
                self.waiting.insert(ticket, Waiting { responder, descriptors });
            }
            Reply::Open(frame) => match responder.open(frame) {
                Some(mut watch) if self.is_leaving => end(&mut watch, None, Code::Unavailable),
                Some(watch) => self.go_on(Stream::Watch(watch), desk),
                None => {}
            },
        }
    }

    /// Says goodbye when the connection is old or the process is about to end, and ends it when the
    /// peer does not go.
    fn leave_in_time(&mut self, desk: &dyn Desk) {
        let now_ns = desk.now().monotonic_ns;
        if now_ns < self.leave_ns && !desk.is_draining() {
            return;
        }
        let Transport::Open(connection) = &mut self.transport else {
            // Nothing has been asked yet, and nothing will be answered.
            self.transport = Transport::Ended;
            return;
        };
        if !self.is_leaving {
            self.is_leaving = true;
            self.leave_ns = now_ns;
            connection.graceful_shutdown();
        } else if now_ns >= self.leave_ns.saturating_add(self.grace_ns) && self.waiting.is_empty() {
            connection.abrupt_shutdown(Reason::NO_ERROR);
        }
        let last = desk.is_draining().then(|| health::say(Health::NotServing));
        self.streams.retain(|_, stream| match stream {
            Stream::Call(_) => true,
            Stream::Watch(watch) => {
                end(watch, last.clone(), Code::Unavailable);
                false
            }
        });
    }

    /// Streams on which something is to come, and questions that wait.
    #[cfg(test)]
    pub(super) fn held(&self) -> (usize, usize) {
        (self.streams.len(), self.waiting.len())
    }

    /// A number that no stream and no question has.
    fn number(&mut self) -> u32 {
        loop {
            self.next = self.next.wrapping_add(1);
            let number = self.next;
            if !self.streams.contains_key(&number) && !self.waiting.contains_key(&number) {
                return number;
            }
        }
    }
}

impl Front for Connection {
    fn receive(&mut self, bytes: &[u8], desk: &mut dyn Desk, out: &mut Vec<u8>) -> Flow {
        self.pipe.put(bytes);
        self.has_message_come = false;
        self.advance(desk, out)
    }

    fn answer(
        &mut self,
        ticket: u32,
        verdict: &Verdict,
        desk: &mut dyn Desk,
        out: &mut Vec<u8>,
    ) -> Flow {
        self.has_message_come = false;
        if let Some(Waiting { responder, descriptors }) = self.waiting.remove(&ticket) {
            let reply = rate_limit::reply(verdict, descriptors, desk.rules());
            self.send(ticket, responder, reply, desk);
        }
        self.advance(desk, out)
    }

    fn resume(&mut self, desk: &mut dyn Desk, out: &mut Vec<u8>) -> Flow {
        self.has_message_come = false;
        self.advance(desk, out)
    }

    fn end_of_stream(&mut self, desk: &mut dyn Desk, out: &mut Vec<u8>) -> Flow {
        self.has_peer_ended = true;
        self.advance(desk, out)
    }

    fn drain(&mut self, desk: &mut dyn Desk, out: &mut Vec<u8>) -> Flow {
        self.leave_ns = self.leave_ns.min(desk.now().monotonic_ns);
        self.advance(desk, out)
    }

    fn is_in_message(&self) -> bool {
        let has_call = || self.streams.values().any(|stream| matches!(stream, Stream::Call(_)));
        match self.transport {
            Transport::Greeting(_) => true,
            Transport::Open(_) => has_call(),
            Transport::Ended => false,
        }
    }

    fn has_message_come(&self) -> bool {
        self.has_message_come
    }
}
