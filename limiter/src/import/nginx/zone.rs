//! Zones: `limit_req_zone KEY zone=NAME:SIZE rate=RATE`.
//!
//! Job: key and rate of a zone. In: a directive. Out: a [`Zone`], or what is wrong in words.
//! Invariant: a variable that a rule cannot count by is refused, as leaving it out would put clients
//! together that nginx tells apart.

use ringlet_base::config::shown;
use ringlet_limit::config::token;
use ringlet_limit::model::KeyPart;

use super::syntax::Directive;

/// A zone.
#[derive(Clone, Debug)]
pub struct Zone {
    /// Its name.
    pub name: String,
    /// Its line.
    pub line: usize,
    /// Requests in a period.
    pub count: u64,
    /// The period.
    pub period_ns: u64,
    /// What it is counted by.
    pub key: Vec<KeyPart>,
    /// What its rules do not say.
    pub lost: Vec<String>,
}

/// Reads a `limit_req_zone`.
///
/// # Errors
/// What cannot be understood, or not be counted by.
pub fn read(directive: &Directive) -> Result<Zone, String> {
    let (key, parameters) = directive.words.split_first().ok_or("limit_req_zone without a key")?;
    let mut name = None;
    let mut rate = None;
    let mut lost = Vec::new();
    for parameter in parameters {
        match parameter.split_once('=') {
            Some(("zone", value)) => {
                name = Some(value.split(':').next().unwrap_or(value).to_owned())
            }
            Some(("rate", value)) => rate = Some(read_rate(value)?),
            _ if parameter == "sync" => {
                lost.push("sync: nodes share a limit when the file has a [store].".to_owned());
            }
            _ => {
                return Err(format!(
                    "limit_req_zone has an unknown parameter `{}`",
                    shown(parameter)
                ));
            }
        }
    }
    let name =
        name.filter(|name| !name.is_empty()).ok_or("limit_req_zone without zone=NAME:SIZE")?;
    let (count, period_ns) = rate.ok_or("limit_req_zone without rate=")?;
    let key = read_key(key, &mut lost)?;
    Ok(Zone { name, line: directive.line, count, period_ns, key, lost })
}

/// `1r/s` or `30r/m`.
fn read_rate(text: &str) -> Result<(u64, u64), String> {
    const SECOND_NS: u64 = 1_000_000_000;
    let (number, period_ns) = match (text.strip_suffix("r/s"), text.strip_suffix("r/m")) {
        (Some(number), _) => (number, SECOND_NS),
        (_, Some(number)) => (number, 60 * SECOND_NS),
        _ => (text, 0),
    };
    let count: Option<u32> = number.parse().ok().filter(|count| *count > 0 && period_ns > 0);
    let count =
        count.ok_or_else(|| format!("rate=\"{}\" is not a rate such as 1r/s", shown(text)))?;
    Ok((u64::from(count), period_ns))
}

/// `$binary_remote_addr$http_x_user`: variables one after the other; text between them is the same for
/// all and tells nobody apart.
fn read_key(text: &str, lost: &mut Vec<String>) -> Result<Vec<KeyPart>, String> {
    let mut key = Vec::new();
    let mut pieces = text.split('$');
    pieces.next();
    for piece in pieces {
        let inner = piece.strip_prefix('{').and_then(|piece| piece.split_once('}'));
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let name = match inner {
            Some((name, _)) => name,
            None => &piece[..piece.find(|c| !is_name(c)).unwrap_or(piece.len())],
        };
        let part = variable(name, lost)?;
        if !key.contains(&part) {
            key.push(part);
        }
    }
    let has_header = key.iter().any(|part| matches!(part, KeyPart::Header(_)));
    if has_header && key.len() > 1 {
        lost.push(
            "Lost: nginx counts requests without the header by the rest of the key; here they are not \
             limited."
                .to_owned(),
        );
    }
    Ok(key)
}

fn variable(name: &str, lost: &mut Vec<String>) -> Result<KeyPart, String> {
    Ok(match name {
        // The whole address, as nginx counts by it.
        "binary_remote_addr" | "remote_addr" => KeyPart::ClientIp(32, 128),
        "server_name" => {
            lost.push("Changed: $server_name is here the host of the request.".to_owned());
            KeyPart::Host
        }
        "host" | "http_host" => KeyPart::Host,
        "request_method" => KeyPart::Method,
        "uri" | "document_uri" => KeyPart::Path,
        "request_uri" => {
            lost.push("Changed: $request_uri is here the path, without the query.".to_owned());
            KeyPart::Path
        }
        _ => match name.strip_prefix("http_").filter(|header| !header.is_empty()) {
            Some(header) => KeyPart::Header(token(&header.replace('_', "-"))?.to_ascii_lowercase()),
            None => {
                return Err(format!(
                    "the variable ${} cannot be counted by; there are $binary_remote_addr, \
                     $remote_addr, $host, $server_name, $uri, $request_uri, $request_method, $http_NAME",
                    shown(name)
                ));
            }
        },
    })
}
