//! `/auth`: whether a request that a proxy holds may go on.
//!
//! Job: find the original request in what the proxy sends along, and tell the proxy. In: a request of
//! nginx (`auth_request`), Traefik, Caddy or Envoy (`ext_authz`). Out: 200, or a denial.
//! Invariant: the original request has one reading: headers of two habits, or one of them twice, could
//! be the client's own, and are refused; below `/auth/` the target is the client's, and so no option is
//! read from it and no header stands above it.

use std::borrow::Cow;
use std::net::IpAddr;

use ringlet_limit::headers::{PROBLEM_TYPE, denial_status, write_headers, write_problem};
use ringlet_limit::request::{Action, HttpView, Request};
use ringlet_limit::rules::client::client_address;
use ringlet_protocol::http1::{Field, Known, RequestHead};

use super::endpoints::{Incoming, Telling};
use super::exchange::Exchange;
use super::parameters::{self, plain_host};
use super::response::{Refusal, write_response};
use crate::front::{Desk, Question};

/// The headers that proxies name the original request with.
const NAMES: [&str; 5] = [
    "x-original-uri",
    "x-original-method",
    "x-forwarded-uri",
    "x-forwarded-method",
    "x-forwarded-host",
];

/// What they say, in the same order.
type Named<'a> = [Option<&'a [u8]>; NAMES.len()];

/// The original request.
struct Original<'a> {
    head: &'a RequestHead,
    input: &'a [u8],
    method: &'a [u8],
    path: &'a [u8],
    host: Cow<'a, [u8]>,
    client: Option<IpAddr>,
}

impl HttpView for Original<'_> {
    fn method(&self) -> &[u8] {
        self.method
    }

    fn path(&self) -> &[u8] {
        self.path
    }

    fn host(&self) -> &[u8] {
        &self.host
    }

    fn header(&self, name: &str) -> Option<&[u8]> {
        let is_it = |field: &&Field| field.name(self.input).eq_ignore_ascii_case(name.as_bytes());
        self.head.fields().iter().find(is_it).map(|field| field.value(self.input))
    }

    fn client(&self) -> Option<IpAddr> {
        self.client
    }
}

/// What the proxy wants beside an answer.
#[derive(Default)]
struct Options<'a> {
    domain: Option<Cow<'a, str>>,
    deny_status: Option<u16>,
    cost: Option<u64>,
}

/// Asks about the original request.
pub(super) fn ask(
    incoming: &Incoming<'_>,
    exchange: &mut Exchange,
    desk: &mut dyn Desk,
) -> Result<(), Refusal> {
    let (head, input) = (incoming.head, incoming.input);
    let below = head.path(input).strip_prefix(b"/auth").unwrap_or_default();
    let (original, options) = if below.is_empty() {
        let options = Options::read(head.query(input).unwrap_or_default())?;
        (named_by_headers(incoming)?, options)
    } else {
        (held_by_target(incoming, below), Options::default())
    };
    exchange.deny_status = options.deny_status.or(incoming.settings.deny_status);
    let request = Request {
        domain: options.domain.as_deref().unwrap_or(&incoming.settings.domain),
        http: Some(&original),
        cost: options.cost,
        ..Request::default()
    };
    exchange.ask(desk, &Question::Request(request), Action::Take);
    Ok(())
}

impl<'a> Options<'a> {
    fn read(query: &'a [u8]) -> Result<Self, Refusal> {
        let mut options = Self::default();
        for (name, value) in parameters::pairs(query) {
            let is_first = match name {
                b"domain" => options.domain.replace(parameters::unescaped(value)?).is_none(),
                b"deny" => {
                    let status = parameters::number(value).filter(|one| (400..600).contains(one));
                    let status = status.ok_or_else(|| {
                        Refusal::bad("`deny` is the status of a denial: 400 to 599")
                    })?;
                    options.deny_status.replace(status as u16).is_none()
                }
                b"cost" => {
                    let cost = parameters::number(value)
                        .ok_or_else(|| Refusal::bad("`cost` is a number of tokens"))?;
                    options.cost.replace(cost).is_none()
                }
                _ => {
                    let name = name.escape_ascii();
                    return Err(Refusal::bad(format!("`{name}` is none of: domain, deny, cost")));
                }
            };
            if !is_first {
                return Err(Refusal::bad(format!("`{}` is there twice", name.escape_ascii())));
            }
        }
        Ok(options)
    }
}

/// nginx, Traefik and Caddy: headers name the request.
fn named_by_headers<'a>(incoming: &Incoming<'a>) -> Result<Original<'a>, Refusal> {
    let (head, input) = (incoming.head, incoming.input);
    let mut named = Named::default();
    for field in head.fields() {
        let name = field.name(input);
        let Some(place) = NAMES.iter().position(|one| name.eq_ignore_ascii_case(one.as_bytes()))
        else {
            continue;
        };
        if named[place].replace(field.value(input)).is_some() {
            return Err(Refusal::bad(format!("{} is there twice", NAMES[place])));
        }
    }
    let [original_uri, original_method, forwarded_uri, forwarded_method, forwarded_host] = named;
    let is_original = original_uri.is_some() || original_method.is_some();
    let is_forwarded = forwarded_uri.is_some() || forwarded_method.is_some();
    if is_original && is_forwarded {
        return Err(Refusal::bad(
            "X-Original-* and X-Forwarded-Uri or -Method name two requests; let the proxy remove \
             those that it does not set itself",
        ));
    }
    let (uri, method, host) = if is_original {
        (original_uri, original_method, None)
    } else {
        (forwarded_uri, forwarded_method, forwarded_host)
    };
    let path = match uri {
        None => b"/",
        Some(uri) => parameters::path_of(uri)
            .ok_or_else(|| Refusal::bad("the original URI is neither a path nor a URL"))?,
    };
    if host.is_some_and(|host| host.contains(&b',')) {
        return Err(Refusal::bad("x-forwarded-host names more than one host"));
    }
    let method = method.unwrap_or_else(|| head.method(input));
    let host = host.unwrap_or_else(|| head.authority(input));
    Ok(Original { head, input, method, path, host: plain_host(host), client: client(incoming) })
}

/// Envoy: the target is the request's own, behind the prefix.
fn held_by_target<'a>(incoming: &Incoming<'a>, path: &'a [u8]) -> Original<'a> {
    let (head, input) = (incoming.head, incoming.input);
    let host = plain_host(head.authority(input));
    Original { head, input, method: head.method(input), path, host, client: client(incoming) }
}

fn client(incoming: &Incoming<'_>) -> Option<IpAddr> {
    let (head, input) = (incoming.head, incoming.input);
    let forwarded = head.fields().iter().filter(|field| field.known == Known::XForwardedFor);
    let lines = forwarded.map(|field| field.value(input));
    client_address(&incoming.settings.client, incoming.peer, lines)
}

/// Says yes without a body, or no with one.
pub(super) fn answer(
    exchange: &Exchange,
    telling: &Telling<'_>,
    body: &mut Vec<u8>,
    out: &mut Vec<u8>,
) {
    for answer in exchange.answers() {
        let verdict = match answer {
            Ok(verdict) => verdict,
            Err(error) => return Refusal::bad(&error.0[..]).write(exchange.about, out),
        };
        let report = telling.report(verdict);
        let style = telling.settings.headers;
        if verdict.is_allowed {
            write_response(out, exchange.about, 200, "", b"", |out| {
                write_headers(style, &report, out);
            });
        } else {
            let status = denial_status(verdict.reason, exchange.deny_status);
            write_problem(&report, status, body);
            write_response(out, exchange.about, status, PROBLEM_TYPE, body, |out| {
                write_headers(style, &report, out);
            });
        }
    }
}
