//! A client's connection and the request that it is about.
//!
//! Job: the state of both between two events. In: nothing by itself. Out: nothing by itself.
//! What all cores share is counted by each core for itself (`Rc<Arc<_>>`): a request touches no counter
//! that other cores write. Invariant: there is an exchange only in [`Phase::Exchange`] and
//! [`Phase::Tunnel`]; [`Phase::Exchange`] without one means that the last response is still going out.
//! An exchange that has a server has been begun with it and will be ended once.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use ringlet_limit::request::Matched;
use ringlet_protocol::http1::{Body, Framing, RequestKind};
use ringlet_runtime::ring::SocketId;
use ringlet_runtime::timers::TimerId;

use crate::access_log::record::Record;
use crate::line::Line;
use crate::snapshot::{ListenerShared, PoolShared};

/// A client's connection.
pub struct Client {
    /// Its bytes.
    pub line: Line,
    /// Where it came in.
    pub listener: Rc<Arc<ListenerShared>>,
    /// The snapshot in which that was found to be the present one; 0 for none.
    pub generation: u64,
    /// Who it is: the peer, or whom the PROXY header names. None for unix sockets.
    pub address: Option<SocketAddr>,
    /// Who sends its packets.
    pub peer: Option<SocketAddr>,
    /// Where it has connected to, if a PROXY header must say so.
    pub local: Option<SocketAddr>,
    /// What it is doing.
    pub phase: Phase,
    /// The request that is under way.
    pub exchange: Option<Box<Exchange>>,
    /// What the access log will say of it, if its listener logs.
    pub record: Option<Box<Record>>,
    /// When the present phase must be over, in milliseconds of the monotonic clock.
    pub deadline_ms: i64,
    /// The timer that looks at the deadline, and when it does.
    pub timer: Option<(TimerId, i64)>,
    /// The response under way is the last.
    pub closes_after: bool,
    /// It has announced its last request, and that has come as a whole: nobody receives any more.
    pub has_said_all: bool,
    /// Bytes read and dropped while lingering.
    pub dropped_bytes: usize,
}

/// What a client's connection is doing.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Phase {
    /// A PROXY header is awaited.
    Proxy,
    /// A request is awaited, and no byte of it has come.
    Idle,
    /// A request has begun to come.
    Head,
    /// A request is being answered.
    Exchange,
    /// Bytes go both ways.
    Tunnel,
    /// The last response goes out; what still comes is dropped.
    Lingering,
}

/// Where a request stands.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Stage {
    /// It waits for the verdict of its rate limits.
    Checking,
    /// A rate limit lets it in at its deadline.
    Delaying,
    /// It has no server.
    Choosing,
    /// It waits in the queue of its pool.
    Waiting,
    /// Its server is being connected to.
    Connecting,
    /// The response has not begun.
    Awaiting,
    /// The response has begun.
    Responding,
}

/// A request (TCP: a connection) and its response.
pub struct Exchange {
    /// Its pool as it was when the request came.
    pub pool: Rc<Arc<PoolShared>>,
    /// The pool's slot.
    pub pool_slot: usize,
    /// The route that chose the pool.
    pub route: Option<usize>,
    /// Where it stands.
    pub stage: Stage,
    /// The slot of the server it was begun with.
    pub server: Option<usize>,
    /// The connection to the server.
    pub upstream: Option<SocketId>,
    /// Head, and body if it came along, as they go to the server; kept until the response begins.
    pub request: Vec<u8>,
    /// What of the body is still to come from the client.
    pub body: Body,
    /// How the body goes to the server.
    pub framing: Framing,
    /// Bytes of the body have left: it cannot be sent again.
    pub is_streamed: bool,
    /// What is still to come from the server.
    pub response: Body,
    /// The response goes to the client in chunks.
    pub is_chunked: bool,
    /// What decides how the response is read.
    pub kind: RequestKind,
    /// It may be sent again after it has reached a server.
    pub is_idempotent: bool,
    /// The digit behind `HTTP/1.` of the request.
    pub version_minor: u8,
    /// The client would like to go on using its connection.
    pub keeps_alive: bool,
    /// The server's connection can serve another request.
    pub upstream_keeps_alive: bool,
    /// For hashing algorithms.
    pub hash: u64,
    /// The server that the client's cookie names.
    pub sticky: Option<usize>,
    /// The cookie has led it to its server.
    pub is_stuck: bool,
    /// Members of the pool that it has been tried on.
    pub tried: Vec<u16>,
    /// Tries after the first.
    pub attempts: u8,
    /// A try after the first is under way.
    pub is_retry: bool,
    /// An idle connection has failed: the next one is a new one.
    pub wants_new_connection: bool,
    /// When its head was complete, in microseconds.
    pub started_us: u64,
    /// When it was sent to the present server.
    pub sent_us: u64,
    /// Responses before the response.
    pub interims: u8,
    /// Status of the response, 0 while there is none.
    pub status: u16,
    /// Bytes of the response's body.
    pub body_bytes: u64,
    /// It has entered its pool, which counts it until it ends.
    pub is_in_pool: bool,
    /// Of its question about rate limits.
    pub ticket: u64,
    /// Header lines about its rate limits, for the response.
    pub limit_fields: Vec<u8>,
    /// Permits that are given back when it ends.
    pub held: Option<Box<Matched>>,
}

impl Client {
    /// A new connection.
    #[must_use]
    pub fn new(
        socket: SocketId,
        listener: Rc<Arc<ListenerShared>>,
        peer: Option<SocketAddr>,
        phase: Phase,
    ) -> Self {
        Self {
            line: Line::new(socket),
            listener,
            generation: 0,
            address: peer,
            peer,
            local: None,
            phase,
            exchange: None,
            record: None,
            deadline_ms: i64::MAX,
            timer: None,
            closes_after: false,
            has_said_all: false,
            dropped_bytes: 0,
        }
    }
}

impl Exchange {
    /// A request of which nothing is known but where it goes.
    #[must_use]
    pub fn new(pool: Rc<Arc<PoolShared>>, pool_slot: usize, started_us: u64) -> Self {
        Self {
            pool,
            pool_slot,
            route: None,
            stage: Stage::Choosing,
            server: None,
            upstream: None,
            request: Vec::new(),
            body: Body::new(Framing::None),
            framing: Framing::None,
            is_streamed: false,
            response: Body::new(Framing::None),
            is_chunked: false,
            kind: RequestKind::default(),
            is_idempotent: false,
            version_minor: 1,
            keeps_alive: false,
            upstream_keeps_alive: false,
            hash: 0,
            sticky: None,
            is_stuck: false,
            tried: Vec::new(),
            attempts: 0,
            is_retry: false,
            wants_new_connection: false,
            started_us,
            sent_us: started_us,
            interims: 0,
            status: 0,
            body_bytes: 0,
            is_in_pool: false,
            ticket: 0,
            limit_fields: Vec::new(),
            held: None,
        }
    }

    /// Whether it can be sent once more although a server has seen it.
    #[must_use]
    pub fn can_be_repeated(&self) -> bool {
        self.is_idempotent && !self.is_streamed && !self.request.is_empty()
    }
}
