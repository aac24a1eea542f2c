//! One call: a stream with one message from the peer and one answer to it.
//!
//! Job: check a request's headers, collect its message, send what is to be said. In: a stream of the
//! HTTP/2 library. Out: the message; the answer. Invariant: at most [`MESSAGE_BYTES_MAX`] are kept; an
//! answer to a stream that is gone is dropped.

use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes, BytesMut};
use h2::server::SendResponse;
use h2::{RecvStream, SendStream};
use http::header::{ALLOW, CONTENT_TYPE, HeaderName};
use http::{HeaderMap, HeaderValue, Method as HttpMethod, Request, Response, StatusCode};

use super::limits::MESSAGE_BYTES_MAX;
use super::service::{Method, method_of};
use super::status::{Code, Status};

const GRPC: HeaderValue = HeaderValue::from_static("application/grpc");
const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
const GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");
const ACCEPT_ENCODING: HeaderName = HeaderName::from_static("grpc-accept-encoding");
/// Flag and length in front of each message.
const PREFIX_BYTES: usize = 5;

/// Where an answer goes.
pub struct Responder(SendResponse<Bytes>);

/// A call whose message is still to come.
pub struct Call {
    /// What is called.
    pub method: &'static Method,
    body: RecvStream,
    collected: BytesMut,
    /// Where the answer goes.
    pub responder: Responder,
}

/// How a message ends that cannot be had.
pub enum Broken {
    /// The stream is gone.
    Gone,
    /// The peer is to be told.
    Refused(Status),
}

impl Call {
    /// A call, if the request is one; otherwise it is answered here.
    pub fn begin(request: Request<RecvStream>, respond: SendResponse<Bytes>) -> Option<Self> {
        let mut responder = Responder(respond);
        if request.method() != HttpMethod::POST {
            responder.refuse_http(StatusCode::METHOD_NOT_ALLOWED);
            return None;
        }
        if !is_grpc(request.headers()) {
            responder.refuse_http(StatusCode::UNSUPPORTED_MEDIA_TYPE);
            return None;
        }
        match method_of(request.uri().path()) {
            Ok(method) => {
                let body = request.into_body();
                Some(Self { method, body, collected: BytesMut::new(), responder })
            }
            Err(status) => {
                responder.fail(&status);
                None
            }
        }
    }

    /// The message, once the peer has sent it and has ended its side of the stream. A stream's window
    /// is wide enough for it; the connection's opens again when the stream ends.
    pub fn poll_message(&mut self, context: &mut Context<'_>) -> Poll<Result<Bytes, Broken>> {
        while let Some(data) = ready!(self.body.poll_data(context)) {
            let Ok(data) = data else { return Poll::Ready(Err(Broken::Gone)) };
            self.collected.extend_from_slice(&data);
            if let Err(status) = self.check_prefix() {
                return Poll::Ready(Err(Broken::Refused(status)));
            }
        }
        Poll::Ready(self.unwrapped().map_err(Broken::Refused))
    }

    /// Refuses as soon as it can be known what is too long or in a form that is not read.
    fn check_prefix(&self) -> Result<(), Status> {
        let Some(length) = self.message_length() else { return Ok(()) };
        match self.collected[0] {
            0 => {}
            1 => {
                let text = "messages must not be compressed: turn compression off for this service";
                return Err(Status::new(Code::Unimplemented, text));
            }
            _ => return Err(Status::new(Code::Internal, "the message's prefix has unknown flags")),
        }
        if length > MESSAGE_BYTES_MAX {
            let text =
                format!("the message has {length} bytes, and {MESSAGE_BYTES_MAX} are allowed");
            return Err(Status::new(Code::ResourceExhausted, text));
        }
        if self.collected.len() > PREFIX_BYTES + length {
            return Err(Status::new(Code::Internal, "there is more than one message in the call"));
        }
        Ok(())
    }

    fn message_length(&self) -> Option<usize> {
        let length = self.collected.get(1..PREFIX_BYTES)?;
        Some(u32::from_be_bytes([length[0], length[1], length[2], length[3]]) as usize)
    }

    fn unwrapped(&mut self) -> Result<Bytes, Status> {
        if self.message_length().is_none_or(|length| self.collected.len() != PREFIX_BYTES + length)
        {
            return Err(Status::new(Code::Internal, "the call ends before its message does"));
        }
        let mut message = std::mem::take(&mut self.collected).freeze();
        message.advance(PREFIX_BYTES);
        Ok(message)
    }
}

/// Whether the content is a gRPC message in Protocol Buffers.
fn is_grpc(headers: &HeaderMap) -> bool {
    let content_type = headers.get(CONTENT_TYPE).map_or(&b""[..], HeaderValue::as_bytes);
    let kind = content_type.split(|&byte| byte == b';').next().unwrap_or_default().trim_ascii();
    kind.eq_ignore_ascii_case(b"application/grpc")
        || kind.eq_ignore_ascii_case(b"application/grpc+proto")
}

// All that is sent goes to a stream that the peer may have reset in the meantime: that is no error,
// and there is nobody left to tell.
impl Responder {
    /// One message, and the end.
    pub fn finish(&mut self, frame: Bytes) {
        if let Some(mut stream) = self.open(frame) {
            let _ = stream.send_trailers(trailers(Code::Ok));
        }
    }

    /// One message; the stream stays open. None: it is gone.
    pub fn open(&mut self, frame: Bytes) -> Option<SendStream<Bytes>> {
        let mut stream = self.0.send_response(response(StatusCode::OK), false).ok()?;
        stream.send_data(frame, false).ok()?;
        Some(stream)
    }

    /// An error, and the end.
    pub fn fail(&mut self, status: &Status) {
        let mut response = response(StatusCode::OK);
        let headers = response.headers_mut();
        headers.insert(GRPC_STATUS, status.code.header_value());
        headers.insert(GRPC_MESSAGE, status.header_text());
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        let _ = self.0.send_response(response, true);
    }

    /// A request that is no gRPC.
    fn refuse_http(&mut self, status: StatusCode) {
        let mut response = Response::new(());
        *response.status_mut() = status;
        if status == StatusCode::METHOD_NOT_ALLOWED {
            response.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
        }
        let _ = self.0.send_response(response, true);
    }
}

/// Ends an open stream, with a last message if there is one.
pub fn end(stream: &mut SendStream<Bytes>, last: Option<Bytes>, code: Code) {
    if last.is_none_or(|frame| stream.send_data(frame, false).is_ok()) {
        let _ = stream.send_trailers(trailers(code));
    }
}

fn response(status: StatusCode) -> Response<()> {
    let mut response = Response::new(());
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, GRPC);
    response
}

fn trailers(code: Code) -> HeaderMap {
    let mut trailers = HeaderMap::with_capacity(1);
    trailers.insert(GRPC_STATUS, code.header_value());
    trailers
}
