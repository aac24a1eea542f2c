//! The desk of the tests and the client: that of the `h2` library, over a pipe of its own.

use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use h2::client::{Connection as ClientConnection, ResponseFuture, SendRequest, handshake};
use h2::{RecvStream, SendStream};
use http::{HeaderMap, Request, Response};
use ringlet_limit::algorithm::{Algorithm, Outcome, Spread};
use ringlet_limit::model::Rules;
use ringlet_limit::request::{Action, Verdict};
use ringlet_limit::rules::RuleSet;
use ringlet_limit::time::Now;

use crate::front::grpc::pipe::Pipe;
use crate::front::grpc::{Connection, Settings};
use crate::front::{BadQuestion, Desk, Flow, Front, Question};

pub const SHOULD_RATE_LIMIT: &str = "/envoy.service.ratelimit.v3.RateLimitService/ShouldRateLimit";

/// An algorithm for the limits that requests bring along; the fronts only carry it about.
pub static NO_ALGORITHM: Algorithm = Algorithm {
    name: "none",
    summary: "",
    spread: Spread::Node,
    take: |_, _| Outcome::default(),
    force: |_, _| {},
    give_back: |_, _| {},
    lend: |_, _| 0,
    settle: |_, _, _| {},
    forgettable_after_ns: |_| 0,
    forget: |_| {},
};

/// Says what it is told to say and writes down what it was asked.
pub struct FakeDesk {
    /// What it says; an error is a bad question.
    pub verdict: Result<Verdict, String>,
    /// Whether answers come later.
    pub is_late: bool,
    /// What was asked.
    pub asked: Vec<String>,
    /// Tickets of the questions that wait.
    pub tickets: Vec<u32>,
    pub now: Now,
    pub is_draining: bool,
    rules: RuleSet,
}

impl FakeDesk {
    pub fn new() -> Self {
        let verdict = Verdict { is_allowed: true, ..Verdict::default() };
        let rules = RuleSet::compile(&Rules::default(), None, 1).expect("no rules are good rules");
        Self {
            verdict: Ok(verdict),
            is_late: false,
            asked: Vec::new(),
            tickets: Vec::new(),
            now: Now::at_ms(1_000),
            is_draining: false,
            rules,
        }
    }
}

impl Desk for FakeDesk {
    fn ask(
        &mut self,
        ticket: u32,
        question: &Question<'_>,
        action: Action,
        verdict: &mut Verdict,
    ) -> Result<bool, BadQuestion> {
        let Question::Request(request) = question else { panic!("Envoy asks for requests") };
        let (domain, descriptors) = (request.domain, request.descriptors);
        self.asked.push(format!("{action:?} {domain} {:?} {descriptors:?}", request.cost));
        let said = self.verdict.clone().map_err(BadQuestion)?;
        if self.is_late {
            self.tickets.push(ticket);
        } else {
            *verdict = said;
        }
        Ok(!self.is_late)
    }

    fn now(&self) -> Now {
        self.now
    }

    fn rules(&self) -> &RuleSet {
        &self.rules
    }

    fn is_draining(&self) -> bool {
        self.is_draining
    }
}

/// A front, its desk, and a client.
pub struct World {
    pub desk: FakeDesk,
    pub front: Connection,
    pub flow: Flow,
    /// How many bytes go to the front at a time.
    pub piece: usize,
    pub client: SendRequest<Bytes>,
    connection: ClientConnection<Pipe>,
    pipe: Pipe,
    /// Whether the client's connection has come to its end, and how.
    pub client_end: Option<Result<(), h2::Error>>,
}

/// A call under way.
pub struct Call {
    response: Option<ResponseFuture>,
    pub body: SendStream<Bytes>,
    head: Option<Response<()>>,
    stream: Option<RecvStream>,
    pub data: Vec<u8>,
    trailers: Option<HeaderMap>,
    is_over: bool,
}

fn context() -> Context<'static> {
    Context::from_waker(Waker::noop())
}

fn at_once<T>(future: impl Future<Output = T>) -> T {
    match std::pin::pin!(future).poll(&mut context()) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("it was to be ready at once"),
    }
}

impl World {
    pub fn new() -> Self {
        Self::with(Settings::default(), usize::MAX)
    }

    pub fn with(settings: Settings, piece: usize) -> Self {
        Self::seeded(settings, piece, 0)
    }

    pub fn seeded(settings: Settings, piece: usize, random: u64) -> Self {
        let pipe = Pipe::default();
        let (client, connection) = at_once(handshake(pipe.clone())).expect("a client");
        let desk = FakeDesk::new();
        let front = Connection::new(settings, desk.now, random);
        let flow = Flow::Open;
        let mut world =
            Self { desk, front, flow, piece, client, connection, pipe, client_end: None };
        world.settle();
        world
    }

    /// Lets bytes go to and fro until nothing moves.
    pub fn settle(&mut self) {
        loop {
            let mut sent = Vec::new();
            if self.client_end.is_none() {
                if let Poll::Ready(end) = Pin::new(&mut self.connection).poll(&mut context()) {
                    self.client_end = Some(end);
                }
                self.pipe.exchange_outgoing(&mut sent);
            }
            if sent.is_empty() {
                return;
            }
            self.give(&sent);
        }
    }

    /// Gives these bytes to the front and what it says to the client.
    pub fn give(&mut self, bytes: &[u8]) {
        for piece in bytes.chunks(self.piece.min(bytes.len())) {
            let mut out = Vec::new();
            self.flow = self.front.receive(piece, &mut self.desk, &mut out);
            self.pipe.put(&out);
        }
    }

    /// Hands out an answer that was late.
    pub fn answer(&mut self, ticket: u32) {
        let mut out = Vec::new();
        let verdict = self.desk.verdict.clone().expect("a verdict");
        self.flow = self.front.answer(ticket, &verdict, &mut self.desk, &mut out);
        self.pipe.put(&out);
        self.settle();
    }

    pub fn drain(&mut self) {
        let mut out = Vec::new();
        self.desk.is_draining = true;
        self.flow = self.front.drain(&mut self.desk, &mut out);
        self.pipe.put(&out);
        self.settle();
    }

    /// Sends a request's headers.
    pub fn begin(&mut self, request: Request<()>) -> Call {
        assert!(matches!(self.client.poll_ready(&mut context()), Poll::Ready(Ok(()))));
        let (response, body) = self.client.send_request(request, false).expect("a stream");
        Call {
            response: Some(response),
            body,
            head: None,
            stream: None,
            data: Vec::new(),
            trailers: None,
            is_over: false,
        }
    }

    /// Sends a whole call and does not wait.
    pub fn start(&mut self, path: &str, body: Vec<u8>) -> Call {
        let mut call = self.begin(request(path));
        call.body.send_data(Bytes::from(body), true).expect("an open stream");
        call
    }

    /// Sends a whole call and waits for what comes.
    pub fn call(&mut self, path: &str, body: Vec<u8>) -> Call {
        let mut call = self.start(path, body);
        self.settle();
        call.read();
        self.settle();
        call
    }
}

impl Call {
    /// Takes what has come.
    pub fn read(&mut self) {
        if let Some(response) = &mut self.response {
            let Poll::Ready(result) = Pin::new(response).poll(&mut context()) else { return };
            self.response = None;
            let Ok(response) = result else { return };
            let (head, stream) = response.into_parts();
            self.head = Some(Response::from_parts(head, ()));
            self.stream = Some(stream);
        }
        let Some(stream) = &mut self.stream else { return };
        while let Poll::Ready(data) = stream.poll_data(&mut context()) {
            let Some(Ok(data)) = data else {
                self.is_over = true;
                break;
            };
            stream.flow_control().release_capacity(data.len()).expect("an open stream");
            self.data.extend_from_slice(&data);
        }
        if let Poll::Ready(Ok(Some(trailers))) = stream.poll_trailers(&mut context()) {
            self.trailers = Some(trailers);
        }
    }

    pub fn http_status(&self) -> Option<u16> {
        self.head.as_ref().map(|head| head.status().as_u16())
    }

    pub fn is_over(&self) -> bool {
        self.is_over
    }

    /// A header, of the trailers or, where there are none, of the head.
    pub fn header(&self, name: &str) -> Option<&str> {
        let trailers = self.trailers.as_ref();
        let headers = trailers.or_else(|| self.head.as_ref().map(|head| head.headers()))?;
        headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// gRPC's status.
    pub fn status(&self) -> Option<u16> {
        self.header("grpc-status").map(|status| status.parse().expect("a number"))
    }

    /// Status and text of an error.
    pub fn error(&self) -> (u16, &str) {
        (self.status().expect("a status"), self.header("grpc-message").unwrap_or(""))
    }

    /// The message without its prefix.
    pub fn message(&self) -> &[u8] {
        assert_eq!(self.status(), Some(0), "{:?}", self.header("grpc-message"));
        let length = u32::from_be_bytes(self.data[1..5].try_into().expect("four bytes"));
        assert_eq!((self.data[0], length as usize), (0, self.data.len() - 5));
        &self.data[5..]
    }
}

/// A request that a gRPC client would send.
pub fn request(path: &str) -> Request<()> {
    Request::post(format!("http://limiter{path}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(())
        .expect("a request")
}

/// A message with its prefix.
pub fn framed(message: &[u8]) -> Vec<u8> {
    let length = (message.len() as u32).to_be_bytes();
    [&[0][..], &length, message].concat()
}

/// Bytes of a text of hex digits.
pub fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let pairs = digits.chunks(2).map(|pair| std::str::from_utf8(pair).expect("ASCII"));
    pairs.map(|pair| u8::from_str_radix(pair, 16).expect("hex digits")).collect()
}

/// Envoy's question in the domain `basic` for the entry `key1=foo`, one hit, with its prefix.
pub fn question() -> Vec<u8> {
    hex("00 00000018 0a056261736963120d0a0b0a046b6579311203666f6f1801")
}
