//! Texts of a rule with a meaning of their own: what it applies to and what it counts by.
//!
//! Job: check them and bring them into the form of the model. In: text. Out: a part of a rule, or
//! what is wrong with it in words. Invariant: nothing that could break a log line, a label or a key
//! of the store passes, and nothing that no request can ever be.

use std::net::IpAddr;

use ipnet::IpNet;
use ringlet_base::config::{is_host_name, shown, suggestion};

use crate::model::{DescriptorEntry, EntryValue, KeyPart};

/// The longest name of a rule.
const NAME_LENGTH_MAX: usize = 64;
/// The longest text that a request is compared with.
const TEXT_LENGTH_MAX: usize = 1024;

/// The name of a rule.
pub fn rule_name(text: &str) -> Result<String, String> {
    let is_right = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    if (1..=NAME_LENGTH_MAX).contains(&text.len()) && text.bytes().all(is_right) {
        Ok(text.to_owned())
    } else {
        Err(format!(
            "\"{}\" is not the name of a rule: 1 to {NAME_LENGTH_MAX} of letters, digits and ._-",
            shown(text)
        ))
    }
}

/// A domain.
pub fn domain(text: &str) -> Result<String, String> {
    if text.is_empty() { Err("the domain is empty".to_owned()) } else { bounded(text) }
}

fn bounded(text: &str) -> Result<String, String> {
    if text.len() > TEXT_LENGTH_MAX {
        Err(format!("\"{}\" is longer than {TEXT_LENGTH_MAX} bytes", shown(text)))
    } else if text.contains(char::is_control) {
        Err(format!("\"{}\" has a control character", shown(text)))
    } else {
        Ok(text.to_owned())
    }
}

/// A token (RFC 9110 section 5.6.2): the name of a header field or a method.
pub fn token(text: &str) -> Result<String, String> {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if !text.is_empty() && text.len() <= TEXT_LENGTH_MAX && text.bytes().all(is_token) {
        Ok(text.to_owned())
    } else {
        Err(format!("\"{}\" is not a token of letters, digits and -_.", shown(text)))
    }
}

/// A method: in upper case unless it is an unusual one, as methods have a case.
pub(super) fn method(text: &str) -> Result<String, String> {
    const USUAL: [&str; 9] =
        ["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"];
    let method = token(text)?;
    match USUAL.iter().find(|usual| usual.eq_ignore_ascii_case(text) && **usual != text) {
        Some(usual) => Err(format!("methods have a case; did you mean `{usual}`?")),
        None => Ok(method),
    }
}

/// The value of a header field.
pub(super) fn field_value(text: &str) -> Result<String, String> {
    let is_right = text.chars().all(|c| c == '\t' || c == ' ' || c.is_ascii_graphic());
    if is_right && text.len() <= TEXT_LENGTH_MAX && text.trim_matches([' ', '\t']) == text {
        Ok(text.to_owned())
    } else {
        Err(format!("\"{}\" is not the value of a header field: visible ASCII", shown(text)))
    }
}

/// A host, in lower case.
pub fn host(text: &str) -> Result<String, String> {
    let lower = text.to_ascii_lowercase();
    let inner = lower.strip_prefix('[').and_then(|inner| inner.strip_suffix(']'));
    let is_address = inner.unwrap_or(&lower).parse::<IpAddr>().is_ok();
    if is_host_name(&lower) || is_address {
        return Ok(lower.trim_end_matches('.').to_owned());
    }
    let given = shown(text);
    Err(match text.rsplit_once(':') {
        Some((_, port)) if port.parse::<u16>().is_ok() => {
            format!("\"{given}\" has a port; hosts are compared without it")
        }
        _ if text.contains('*') => {
            format!("\"{given}\" has a wildcard; hosts are compared whole: list them")
        }
        _ => format!("\"{given}\" is not a host such as example.com"),
    })
}

/// A template of paths: `/users/{id}/orders`, `/static/{*rest}`.
pub fn path(text: &str) -> Result<String, String> {
    let given = shown(text);
    bounded(text)?;
    let Some(inside) = text.strip_prefix('/') else {
        return Err(format!("\"{given}\" is not a path: it does not begin with /"));
    };
    if text.contains(['?', '#']) {
        return Err(format!("\"{given}\" can match no path: it has more than a path in it"));
    }
    if !is_encoded_rightly(text) {
        return Err(format!("\"{given}\" can match no path: what need not be encoded is decoded"));
    }
    let segments: Vec<&str> = inside.split('/').collect();
    for (index, segment) in segments.iter().enumerate() {
        let is_last = index + 1 == segments.len();
        let shown = shown(segment);
        let name = segment.strip_prefix('{').and_then(|name| name.strip_suffix('}'));
        match name {
            Some(name) if name.starts_with('*') && !is_last => {
                return Err(format!("`{shown}` must be the last segment"));
            }
            Some(name) => {
                let name = name.strip_prefix('*').unwrap_or(name);
                let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
                if name.is_empty() || !name.chars().all(is_name) {
                    return Err(format!("`{shown}` has no name of letters, digits, - and _"));
                }
            }
            None if segment.contains(['{', '}']) => {
                return Err(format!("`{shown}`: braces must enclose a whole segment"));
            }
            None if matches!(*segment, "." | "..") || (segment.is_empty() && !is_last) => {
                return Err(format!(
                    "\"{given}\" can match no path: dots and empty segments are removed before"
                ));
            }
            None if segment.starts_with('*') => {
                return Err(format!("`{shown}`: what follows is written {{*rest}}"));
            }
            None => {}
        }
    }
    Ok(text.to_owned())
}

/// Whether every percent sign has two digits, and of a byte that stays encoded.
fn is_encoded_rightly(path: &str) -> bool {
    path.split('%').skip(1).all(|rest| {
        let byte = rest.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        byte.is_some_and(|byte| !byte.is_ascii_alphanumeric() && !b"-._~".contains(&byte))
    })
}

/// A network: `10.0.0.0/8`, or one address.
pub fn network(text: &str) -> Result<IpNet, String> {
    let network = match text.parse::<IpAddr>() {
        Ok(address) => Ok(IpNet::from(address.to_canonical())),
        Err(_) => text.parse::<IpNet>().map_err(|_| {
            format!("\"{}\" is not a network such as 10.0.0.0/8 or 2001:db8::/32", shown(text))
        }),
    }?;
    if network.trunc() == network {
        Ok(network)
    } else {
        Err(format!(
            "\"{}\" has bits behind its prefix; did you mean {}?",
            shown(text),
            network.trunc()
        ))
    }
}

/// A network as [`network`] reads it; one address without its prefix.
#[must_use]
pub fn write_network(network: &IpNet) -> String {
    if network.prefix_len() == network.max_prefix_len() {
        network.addr().to_string()
    } else {
        network.to_string()
    }
}

/// Kinds of key parts without a name.
const PLAIN: [(&str, KeyPart); 4] = [
    ("ip", KeyPart::ClientIp(32, 64)),
    ("method", KeyPart::Method),
    ("path", KeyPart::Path),
    ("host", KeyPart::Host),
];

/// A part of a key: `ip`, `method`, `path`, `host`, `header:NAME`, `descriptor:KEY`.
pub fn key_part(text: &str) -> Result<KeyPart, String> {
    if let Some((_, part)) = PLAIN.iter().find(|(name, _)| *name == text) {
        return Ok(part.clone());
    }
    match text.split_once(':') {
        Some(("header", name)) => Ok(KeyPart::Header(token(name)?.to_ascii_lowercase())),
        Some(("descriptor", key)) => Ok(KeyPart::Descriptor(descriptor_key(key)?)),
        _ => {
            let hint = suggestion(text, PLAIN.iter().map(|(name, _)| *name));
            Err(format!(
                "\"{}\" is none of `ip`, `method`, `path`, `host`, `header:NAME`, \
                 `descriptor:KEY`{hint}",
                shown(text)
            ))
        }
    }
}

/// A part of a key as [`key_part`] reads it.
pub(super) fn write_key_part(part: &KeyPart) -> String {
    match part {
        KeyPart::ClientIp(..) => "ip".to_owned(),
        KeyPart::Method => "method".to_owned(),
        KeyPart::Path => "path".to_owned(),
        KeyPart::Host => "host".to_owned(),
        KeyPart::Header(name) => format!("header:{name}"),
        KeyPart::Descriptor(key) => format!("descriptor:{key}"),
    }
}

fn descriptor_key(text: &str) -> Result<String, String> {
    if text.is_empty() { Err("the key of an entry is empty".to_owned()) } else { bounded(text) }
}

/// An entry of a descriptor: `key=value`, `key=prefix*`, or `key` for any value.
pub(super) fn descriptor_entry(text: &str) -> Result<DescriptorEntry, String> {
    match text.split_once('=') {
        None => entry(text, None),
        Some((key, value)) => entry(key, Some(value)),
    }
}

/// An entry of a descriptor by its parts: of a value that ends in `*`, how it begins.
pub fn entry(key: &str, value: Option<&str>) -> Result<DescriptorEntry, String> {
    let key = descriptor_key(key)?;
    let value = match value {
        None => EntryValue::Any,
        Some(value) => match bounded(value)?.strip_suffix('*') {
            Some(prefix) => EntryValue::Prefix(prefix.to_owned()),
            None => EntryValue::Exact(value.to_owned()),
        },
    };
    Ok(DescriptorEntry { key, value })
}

/// The value of an entry as [`entry`] reads it.
pub(super) fn entry_value(entry: &DescriptorEntry) -> Option<String> {
    match &entry.value {
        EntryValue::Any => None,
        EntryValue::Exact(value) => Some(value.clone()),
        EntryValue::Prefix(prefix) => Some(format!("{prefix}*")),
    }
}
