//! The head that goes to a server.
//!
//! Job: write it. In: the client's head and a [`RequestContext`]. Out: bytes.
//! Invariant: HTTP/1.1 in origin form, Host first, at most one framing, one Connection.

use std::net::IpAddr;

use ringlet_protocol::http1::{Framing, Known, RequestHead, Target, members};

use super::client::{Told, is_forwarding_name, write_client};
use super::{Lines, write_added, write_field, write_framing, write_length, write_via};
use crate::model::Forwarding;
use crate::rewrite::Rewrites;

/// What is decided about a request beside what it says.
#[derive(Copy, Clone, Debug)]
pub struct RequestContext<'a> {
    /// What is told to servers about the client.
    pub forwarding: Forwarding,
    /// The client's address: of the peer, or what its PROXY header said. None for a unix socket.
    pub client: Option<IpAddr>,
    /// Whether what the peer says about the client is believed.
    pub is_trusted: bool,
    /// `http` or `https`: how the client came to us.
    pub scheme: &'a str,
    /// X-Request-Id: see [`kept_request_id`](super::kept_request_id) and
    /// [`make_request_id`](super::make_request_id). None leaves what the client sent.
    pub request_id: Option<&'a [u8]>,
    /// Host for requests that name none (HTTP/1.0).
    pub server_host: &'a [u8],
    /// Upgrade, if it is passed on: see [`passed_upgrade`].
    pub upgrade: Option<&'a [u8]>,
    /// Whether the server's connection is wanted again after this request.
    pub keeps_alive: bool,
    /// The listener's changes, then the route's.
    pub rewrites: Rewrites<'a>,
}

/// The protocols of an upgrade that may be passed on: of a request without body, and to no other
/// version of HTTP. (Behind `h2c` requests would reach the server that no route has seen.)
#[must_use]
pub fn passed_upgrade<'a>(head: &RequestHead, input: &'a [u8]) -> Option<&'a [u8]> {
    let is_http = |protocol: &[u8]| {
        let name = protocol.split(|&byte| byte == b'/').next().unwrap_or_default();
        [&b"h2c"[..], b"h2", b"http", b"tls"].iter().any(|http| name.eq_ignore_ascii_case(http))
    };
    head.upgrade(input).filter(|protocols| {
        head.framing() == Framing::None
            && members(protocols).next().is_some()
            && !members(protocols).any(is_http)
    })
}

/// Writes the head of a request for a server.
pub fn write_request(
    out: &mut Vec<u8>,
    head: &RequestHead,
    input: &[u8],
    context: &RequestContext<'_>,
) {
    write_request_line(out, head, input);
    let host = match (context.rewrites.host(), head.authority(input)) {
        (Some(host), _) => host.as_bytes(),
        (None, b"") => context.server_host,
        (None, authority) => authority,
    };
    write_field(out, b"Host", host);
    let told = copy_fields(out, head, input, context);
    write_client(out, head, input, context, told);
    if context.forwarding.via {
        write_via(out, context.rewrites, head.version_minor());
    }
    write_added(out, context.rewrites);
    match head.framing() {
        // Some servers want the length of every POST.
        Framing::None if told.has_length => write_length(out, 0),
        framing => write_framing(out, framing),
    }
    write_connection(out, context, told.takes_trailers);
    out.extend_from_slice(b"\r\n");
}

fn write_request_line(out: &mut Vec<u8>, head: &RequestHead, input: &[u8]) {
    out.extend_from_slice(head.method(input));
    out.push(b' ');
    match head.form() {
        Target::Origin | Target::Asterisk | Target::Authority => {
            out.extend_from_slice(head.target(input));
        }
        // RFC 9112 section 3.2.4.
        Target::Absolute if head.method(input) == b"OPTIONS" && names_host_only(head, input) => {
            out.push(b'*');
        }
        Target::Absolute => {
            out.extend_from_slice(head.path(input));
            if let Some(query) = head.query(input) {
                out.push(b'?');
                out.extend_from_slice(query);
            }
        }
    }
    out.extend_from_slice(b" HTTP/1.1\r\n");
}

/// Whether an absolute target ends with its authority.
fn names_host_only(head: &RequestHead, input: &[u8]) -> bool {
    head.query(input).is_none()
        && head.target(input).ends_with(head.authority(input))
        && head.path(input) == b"/"
}

/// Copies what goes on as it is, and returns what else the client said.
fn copy_fields(
    out: &mut Vec<u8>,
    head: &RequestHead,
    input: &[u8],
    context: &RequestContext<'_>,
) -> Told {
    let mut told = Told::default();
    let mut lines = Lines::new(input);
    let adds = context.forwarding;
    for (index, field) in head.fields().iter().enumerate() {
        let name = field.name(input);
        let is_believed = context.is_trusted && !field.value(input).is_empty();
        let goes_on = match field.known {
            Known::Other => context.is_trusted || !is_forwarding_name(name),
            Known::UserAgent | Known::Referer | Known::Cookie | Known::SetCookie | Known::Via => {
                true
            }
            Known::Host
            | Known::TransferEncoding
            | Known::Connection
            | Known::KeepAlive
            | Known::ProxyConnection
            | Known::Upgrade
            | Known::Imitation => false,
            Known::ContentLength => {
                told.has_length = true;
                false
            }
            Known::Te => {
                let mut codings = members(field.value(input));
                told.takes_trailers |= head.version_minor() > 0
                    && codings.any(|coding| coding.eq_ignore_ascii_case(b"trailers"));
                false
            }
            // Of an announced trailer section nothing is left in a body of known length.
            Known::Trailer => head.framing() == Framing::Chunked,
            Known::Expect => head.expects_continue(),
            Known::XForwardedFor => {
                told.has_x_forwarded_for |= is_believed;
                is_believed && !adds.x_forwarded
            }
            Known::XForwardedProto => {
                told.has_x_forwarded_proto |= is_believed;
                is_believed
            }
            Known::XForwardedHost => {
                told.has_x_forwarded_host |= is_believed;
                is_believed
            }
            Known::Forwarded => {
                told.has_forwarded |= is_believed;
                is_believed && !adds.forwarded
            }
            Known::XRealIp => is_believed,
            Known::XRequestId => context.request_id.is_none(),
        };
        if goes_on && !head.is_hop_by_hop(index) && !context.rewrites.replaces(name) {
            lines.copy(out, field);
        }
    }
    lines.flush(out);
    told
}

fn write_connection(out: &mut Vec<u8>, context: &RequestContext<'_>, takes_trailers: bool) {
    if let Some(protocols) = context.upgrade {
        write_field(out, b"Upgrade", protocols);
    }
    if takes_trailers {
        write_field(out, b"TE", b"trailers");
    }
    let options: &[u8] = match (context.upgrade.is_some(), takes_trailers, context.keeps_alive) {
        (false, false, true) => return,
        (false, false, false) => b"close",
        (false, true, true) => b"te",
        (false, true, false) => b"close, te",
        // A connection that is to become another protocol's has no end to announce.
        (true, false, _) => b"upgrade",
        (true, true, _) => b"upgrade, te",
    };
    write_field(out, b"Connection", options);
}
