//! Targets of requests and the hosts that they and Host name (RFC 9112 section 3.2, RFC 3986).
//!
//! Job: take a request target apart, and tell hosts from what only looks like one.
//! In: method, target, host. Out: [`Parts`].
//! Invariant: no part has a byte that some reader could take for the end of it.

use super::field::decimal;

/// The form of a request target (RFC 9112 section 3.2).
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub enum Target {
    /// `/path?query`.
    #[default]
    Origin,
    /// `http://host/path?query`.
    Absolute,
    /// `host:port`, for CONNECT.
    Authority,
    /// `*`, for OPTIONS.
    Asterisk,
}

/// What a target consists of.
pub(super) struct Parts<'a> {
    pub(super) form: Target,
    /// Empty unless the target names it.
    pub(super) authority: &'a [u8],
    pub(super) path: &'a [u8],
    pub(super) query: Option<&'a [u8]>,
}

/// Takes `target` apart, or says what is wrong with it.
pub(super) fn parse<'a>(method: &[u8], target: &'a [u8]) -> Result<Parts<'a>, &'static str> {
    if !target.iter().all(|byte| (0x21..=0x7e).contains(byte) && *byte != b'#') {
        return Err("the request target has a fragment or odd bytes");
    }
    let nothing = &target[target.len()..];
    let (form, authority, rest) = if method == b"CONNECT" {
        if target.is_empty() || !is_host(target) {
            return Err("the target of CONNECT is no host and port");
        }
        (Target::Authority, target, nothing)
    } else if target.first() == Some(&b'/') {
        (Target::Origin, nothing, target)
    } else if target == b"*" {
        if method != b"OPTIONS" {
            return Err("the target * is for OPTIONS only");
        }
        (Target::Asterisk, nothing, target)
    } else if let Some(rest) = after_scheme(target) {
        let end = rest.iter().position(|byte| matches!(byte, b'/' | b'?'));
        let (authority, rest) = rest.split_at(end.unwrap_or(rest.len()));
        if authority.is_empty() || !is_host(authority) {
            return Err("the request target has no valid host");
        }
        (Target::Absolute, authority, rest)
    } else {
        return Err("the request target is neither a path nor a URL");
    };
    let (path, query) = match memchr::memchr(b'?', rest) {
        None => (rest, None),
        Some(at) => (&rest[..at], Some(&rest[at + 1..])),
    };
    Ok(Parts { form, authority, path, query })
}

fn after_scheme(target: &[u8]) -> Option<&[u8]> {
    [&b"http://"[..], b"https://"].iter().find_map(|scheme| {
        let start = target.get(..scheme.len())?;
        start.eq_ignore_ascii_case(scheme).then(|| &target[scheme.len()..])
    })
}

/// Host with an optional port, of characters that RFC 3986 allows there and that nobody reads as the
/// end of it; no user information. May be empty.
pub(super) fn is_host(host: &[u8]) -> bool {
    let (name, port) = match host {
        [b'[', rest @ ..] => {
            let Some(end) = memchr::memchr(b']', rest) else { return false };
            let is_address = !rest[..end].is_empty()
                && rest[..end]
                    .iter()
                    .all(|byte| byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.'));
            if !is_address {
                return false;
            }
            (&b""[..], &rest[end + 1..])
        }
        _ => match memchr::memchr(b':', host) {
            None => (host, &b""[..]),
            Some(at) => host.split_at(at),
        },
    };
    let is_port = |port: &[u8]| port.is_empty() || decimal(port).is_some_and(|port| port <= 65_535);
    let has_port = match port {
        [] => true,
        [b':', digits @ ..] => is_port(digits),
        _ => false,
    };
    let is_name_byte = |byte: &u8| {
        byte.is_ascii_alphanumeric()
            || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'%' | b'!' | b'$')
    };
    has_port && name.iter().all(is_name_byte)
}

/// Whether both name the same host; port 80 may be left out.
pub(super) fn is_same_host(one: &[u8], other: &[u8]) -> bool {
    let without_port = |host: &[u8]| -> usize {
        let named = host.strip_suffix(b":80").or_else(|| host.strip_suffix(b":"));
        named.map_or(host.len(), <[u8]>::len)
    };
    one[..without_port(one)].eq_ignore_ascii_case(&other[..without_port(other)])
}
