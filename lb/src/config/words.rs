//! Texts with a meaning of their own: header fields, hosts and paths to match, keys to hash.
//!
//! Job: check them and bring them into the form that the model holds. In: text. Out: it, or what is
//! wrong with it in words. Invariant: nothing that could break a log line, a header or a label
//! passes.

use std::net::{Ipv4Addr, Ipv6Addr};

use ringlet_base::config::{NAME_LENGTH_MAX, is_host_name, shown};

use crate::model::{HashKey, HostPattern, PathPattern, Segment};

/// A token (RFC 9110 section 5.6.2): the name of a header field, a method or a cookie.
pub fn token(text: &str) -> Result<String, String> {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if !text.is_empty() && text.len() <= NAME_LENGTH_MAX && text.bytes().all(is_token) {
        Ok(text.to_owned())
    } else {
        Err(format!("\"{}\" is not a token of letters, digits and -_.", shown(text)))
    }
}

/// The value of a header field.
pub fn field_value(text: &str) -> Result<String, String> {
    let is_right = text.chars().all(|c| c == '\t' || c == ' ' || c.is_ascii_graphic());
    if is_right && text.trim_matches([' ', '\t']) == text {
        Ok(text.to_owned())
    } else {
        Err(format!("\"{}\" is not the value of a header field: visible ASCII", shown(text)))
    }
}

/// The value of a cookie (RFC 6265 section 4.1.1).
pub fn cookie_value(text: &str) -> Result<String, String> {
    let is_right = |byte: u8| byte.is_ascii_graphic() && !b"\",;\\".contains(&byte);
    if !text.is_empty() && text.len() <= NAME_LENGTH_MAX && text.bytes().all(is_right) {
        Ok(text.to_owned())
    } else {
        Err(format!("\"{}\" is not the value of a cookie", shown(text)))
    }
}

/// Fields that belong to a connection or frame a message: changing them breaks what follows.
const UNTOUCHABLE: [&str; 9] = [
    "connection",
    "content-length",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "expect",
];

/// The name of a header field that may be changed.
pub fn changeable_field(text: &str) -> Result<String, String> {
    let name = token(text)?;
    if UNTOUCHABLE.iter().any(|other| other.eq_ignore_ascii_case(&name)) {
        return Err(format!("`{name}` belongs to the connection and cannot be changed"));
    }
    Ok(name)
}

/// A host to match: `example.com` or `*.example.com`.
pub fn host_pattern(text: &str) -> Result<HostPattern, String> {
    let lower = text.to_ascii_lowercase();
    if let Some(rest) = lower.strip_prefix("*.")
        && is_host_name(rest)
    {
        return Ok(HostPattern::Below(format!(".{}", rest.trim_end_matches('.'))));
    }
    let inner = lower.strip_prefix('[').and_then(|inner| inner.strip_suffix(']'));
    let is_address = match inner {
        Some(inner) => inner.parse::<Ipv6Addr>().is_ok(),
        None => lower.parse::<Ipv4Addr>().is_ok(),
    };
    if is_address || is_host_name(&lower) {
        return Ok(HostPattern::Exact(lower.trim_end_matches('.').to_owned()));
    }
    let given = shown(text);
    Err(match text.rsplit_once(':') {
        Some((_, port)) if port.parse::<u16>().is_ok() => {
            format!("\"{given}\" has a port; hosts are matched without it")
        }
        _ => format!("\"{given}\" is neither a host such as example.com nor *.example.com"),
    })
}

/// A host pattern as [`host_pattern`] reads it.
pub fn write_host_pattern(pattern: &HostPattern) -> String {
    match pattern {
        HostPattern::Exact(host) => host.clone(),
        HostPattern::Below(suffix) => format!("*{suffix}"),
    }
}

/// A path to match: `/prefix`, `=/exact` or `/a/{template}`.
pub fn path_pattern(text: &str) -> Result<PathPattern, String> {
    let given = shown(text);
    let (is_exact, path) = match text.strip_prefix('=') {
        Some(path) => (true, path),
        None => (false, text),
    };
    if !path.starts_with('/') {
        return Err(format!("\"{given}\" is not a path: it begins with neither / nor =/"));
    }
    if !path.bytes().all(|byte| byte.is_ascii_graphic() && !b"?#".contains(&byte)) {
        return Err(format!("\"{given}\" can match no path: it has more than a path in it"));
    }
    if path.split('/').any(|segment| matches!(segment, "." | "..")) {
        return Err(format!("\"{given}\" can match no path: dot segments are removed before"));
    }
    if !is_encoded_rightly(path) {
        return Err(format!("\"{given}\" can match no path: what need not be encoded is decoded"));
    }
    match (is_exact, path.contains(['{', '}'])) {
        (true, _) => Ok(PathPattern::Exact(path.to_owned())),
        (false, true) => template(path),
        (false, false) => Ok(PathPattern::Prefix(path.to_owned())),
    }
}

/// Whether every percent sign has two digits, and of a byte that stays encoded.
fn is_encoded_rightly(path: &str) -> bool {
    path.split('%').skip(1).all(|rest| {
        let byte = rest.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        byte.is_some_and(|byte| !byte.is_ascii_alphanumeric() && !b"-._~".contains(&byte))
    })
}

fn template(path: &str) -> Result<PathPattern, String> {
    let parts: Vec<&str> = path[1..].split('/').collect();
    let mut segments = Vec::new();
    for (index, part) in parts.iter().enumerate() {
        let name = part.strip_prefix('{').and_then(|part| part.strip_suffix('}'));
        let rest = name.and_then(|name| name.strip_suffix("..."));
        segments.push(match (name, rest) {
            (_, Some(_)) if index + 1 == parts.len() => Segment::Rest,
            (_, Some(_)) => return Err(format!("`{}` must be the last segment", shown(part))),
            (Some(name), None) if !name.contains(['{', '}']) => Segment::Any,
            _ if part.contains(['{', '}']) => {
                return Err(format!("`{}`: braces must enclose a whole segment", shown(part)));
            }
            _ => Segment::Literal((*part).to_owned()),
        });
    }
    Ok(PathPattern::Template(segments))
}

/// A path pattern as [`path_pattern`] reads it; `None` for any path.
pub fn write_path_pattern(pattern: &PathPattern) -> Option<String> {
    match pattern {
        PathPattern::Any => None,
        PathPattern::Prefix(path) => Some(path.clone()),
        PathPattern::Exact(path) => Some(format!("={path}")),
        PathPattern::Template(segments) => {
            let mut text = String::new();
            for segment in segments {
                text.push('/');
                text.push_str(match segment {
                    Segment::Literal(literal) => literal,
                    Segment::Any => "{any}",
                    Segment::Rest => "{rest...}",
                });
            }
            Some(text)
        }
    }
}

/// What is hashed: `source`, `path`, `uri`, `header:NAME` or `cookie:NAME`.
pub fn hash_key(text: &str) -> Result<HashKey, String> {
    match text.split_once(':') {
        Some(("header", name)) => Ok(HashKey::Header(token(name)?.to_ascii_lowercase())),
        Some(("cookie", name)) => Ok(HashKey::Cookie(token(name)?)),
        None if text == "source" => Ok(HashKey::Source),
        None if text == "path" => Ok(HashKey::Path),
        None if text == "uri" => Ok(HashKey::Uri),
        _ => Err(format!(
            "\"{}\" is none of `source`, `path`, `uri`, `header:NAME`, `cookie:NAME`",
            shown(text)
        )),
    }
}

/// A hash key as [`hash_key`] reads it.
pub fn write_hash_key(key: &HashKey) -> String {
    match key {
        HashKey::Source => "source".to_owned(),
        HashKey::Path => "path".to_owned(),
        HashKey::Uri => "uri".to_owned(),
        HashKey::Header(name) => format!("header:{name}"),
        HashKey::Cookie(name) => format!("cookie:{name}"),
    }
}
