//! A request as rules see it.
//!
//! Job: show a head, or a TCP client, to the matching. In: borrowed heads. Out: what conditions and keys
//! ask for. Invariant: the client's address is the peer's unless a trusted peer says otherwise.

use std::net::IpAddr;

use ringlet_limit::model::ClientAddress;
use ringlet_limit::request::HttpView;
use ringlet_limit::rules::client::client_address;
use ringlet_protocol::http1::{Known, RequestHead};

use crate::route::host_name;

/// A request's head.
pub struct HeadView<'a> {
    head: &'a RequestHead,
    input: &'a [u8],
    host: &'a [u8],
    client: Option<IpAddr>,
}

impl<'a> HeadView<'a> {
    /// `lower` is for hosts that are not in lower case; `peer` is the connection's client.
    pub fn new(
        head: &'a RequestHead,
        input: &'a [u8],
        lower: &'a mut Vec<u8>,
        how: &ClientAddress,
        peer: Option<IpAddr>,
    ) -> Self {
        let mut host = host_name(head.authority(input));
        if host.iter().any(u8::is_ascii_uppercase) {
            lower.clear();
            lower.extend(host.iter().map(u8::to_ascii_lowercase));
            host = lower;
        }
        let fields = head.fields().iter().filter(|field| field.known == Known::XForwardedFor);
        // Who has come over a unix socket is as little believed as everywhere in the balancer.
        let client = peer.and_then(|peer| {
            client_address(how, Some(peer), fields.map(|field| field.value(input)))
        });
        Self { head, input, host, client }
    }
}

impl HttpView for HeadView<'_> {
    fn method(&self) -> &[u8] {
        self.head.method(self.input)
    }

    fn path(&self) -> &[u8] {
        self.head.path(self.input)
    }

    fn host(&self) -> &[u8] {
        self.host
    }

    fn header(&self, name: &str) -> Option<&[u8]> {
        let is_it = |field: &&ringlet_protocol::http1::Field| {
            field.name(self.input).eq_ignore_ascii_case(name.as_bytes())
        };
        self.head.fields().iter().find(is_it).map(|field| field.value(self.input))
    }

    fn client(&self) -> Option<IpAddr> {
        self.client
    }
}

/// A connection in TCP mode: its rules look at nothing but the client.
pub struct ConnectionView(pub Option<IpAddr>);

impl HttpView for ConnectionView {
    fn method(&self) -> &[u8] {
        b""
    }

    fn path(&self) -> &[u8] {
        b""
    }

    fn host(&self) -> &[u8] {
        b""
    }

    fn header(&self, _: &str) -> Option<&[u8]> {
        None
    }

    fn client(&self) -> Option<IpAddr> {
        self.0
    }
}
