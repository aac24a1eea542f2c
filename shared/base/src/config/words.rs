//! Texts with a meaning of their own: names, and addresses to listen at and to connect to.
//!
//! Job: check them and bring them into one form. In: text. Out: it, or what is wrong with it in
//! words. Invariant: nothing that could break a log line or a label passes.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::problem::shown;

/// The longest name of anything.
pub const NAME_LENGTH_MAX: usize = 255;
/// The longest path of a unix socket, without the zero at its end.
const UNIX_PATH_LENGTH_MAX: usize = 107;

/// Where a listener listens: `HOST:PORT`, `:PORT` or `*:PORT` for all addresses, or `unix:PATH`.
pub fn bind_address(text: &str) -> Result<String, String> {
    if text.starts_with("unix:") { address(text) } else { tcp_bind_address(text) }
}

/// The same without unix sockets.
pub fn tcp_bind_address(text: &str) -> Result<String, String> {
    match text.strip_prefix('*').unwrap_or(text) {
        port if port.starts_with(':') && !port.starts_with("::") => {
            host_and_port(&format!("0.0.0.0{port}"))
        }
        _ => host_and_port(text),
    }
}

/// Where a server is: `HOST:PORT` or `unix:PATH`.
pub fn address(text: &str) -> Result<String, String> {
    if let Some(path) = text.strip_prefix("unix:") {
        let is_right = !path.is_empty()
            && path.len() <= UNIX_PATH_LENGTH_MAX
            && path.chars().all(|c| c.is_ascii_graphic() && !"\"\\".contains(c));
        return if is_right {
            Ok(text.to_owned())
        } else {
            Err(format!("\"{}\" is not the path of a unix socket", shown(text)))
        };
    }
    host_and_port(text)
}

/// `HOST:PORT`.
fn host_and_port(text: &str) -> Result<String, String> {
    let given = shown(text);
    if text.contains("://") {
        return Err(format!("\"{given}\" is a URL; an address is written HOST:PORT"));
    }
    let no_port = || format!("\"{given}\" has no port; an address is written HOST:PORT");
    if text.parse::<Ipv6Addr>().is_ok() {
        return Err(format!("{}, with brackets around IPv6: [::1]:80", no_port()));
    }
    let (host, port) = text.rsplit_once(':').ok_or_else(no_port)?;
    if port.is_empty() || (host.starts_with('[') && !host.ends_with(']')) {
        return Err(no_port());
    }
    let digits = port.bytes().all(|byte| byte.is_ascii_digit());
    if !digits || port.parse::<u16>().map_or(true, |port| port == 0) {
        return Err(format!("the port of \"{given}\" is not a number from 1 to 65535"));
    }
    let is_right = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(inner) => inner.parse::<Ipv6Addr>().is_ok(),
        None => host.parse::<Ipv4Addr>().is_ok() || is_host_name(host),
    };
    if is_right {
        Ok(text.to_owned())
    } else {
        Err(format!("\"{}\" is not an IP address or a host name", shown(host)))
    }
}

/// Whether it is a host name: letters, digits, dashes and underscores between dots, and not all
/// digits at the end, which would be an address that is wrong.
pub fn is_host_name(text: &str) -> bool {
    let is_label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    };
    let text = text.strip_suffix('.').unwrap_or(text);
    text.len() <= 253
        && text.split('.').all(is_label)
        && !text.rsplit('.').next().is_some_and(|last| last.bytes().all(|b| b.is_ascii_digit()))
}

/// A name that users give: it stands in log lines, labels and URLs.
pub fn name(text: &str) -> Result<String, String> {
    let is_right = !text.is_empty()
        && text.len() <= NAME_LENGTH_MAX
        && text.chars().all(|c| c.is_ascii_graphic() && !"\"\\".contains(c));
    if is_right {
        Ok(text.to_owned())
    } else {
        Err(format!("\"{}\" is not a name: visible ASCII without quotes and blanks", shown(text)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_complete() {
        for (text, message) in [
            ("10.0.0.2", "\"10.0.0.2\" has no port; an address is written HOST:PORT"),
            (
                "::1",
                "\"::1\" has no port; an address is written HOST:PORT, with brackets around IPv6: \
                 [::1]:80",
            ),
            ("http://a:80", "\"http://a:80\" is a URL; an address is written HOST:PORT"),
            ("a:65536", "the port of \"a:65536\" is not a number from 1 to 65535"),
            ("127.0.0.1:0", "the port of \"127.0.0.1:0\" is not a number from 1 to 65535"),
            ("10.0.0.256:80", "\"10.0.0.256\" is not an IP address or a host name"),
            ("unix:", "\"unix:\" is not the path of a unix socket"),
        ] {
            assert_eq!(address(text), Err(message.to_owned()), "{text}");
            assert_eq!(bind_address(text), Err(message.to_owned()), "{text}");
        }
        for text in ["10.0.0.2:80", "[::1]:80", "a-b.example.com:65535", "unix:/run/a.sock"] {
            assert_eq!(address(text), Ok(text.to_owned()));
            assert_eq!(bind_address(text), Ok(text.to_owned()));
        }
    }

    #[test]
    fn all_addresses_have_two_spellings_and_only_to_listen() {
        for text in [":80", "*:80"] {
            assert_eq!(tcp_bind_address(text), Ok("0.0.0.0:80".to_owned()));
            assert!(address(text).is_err(), "{text}");
        }
        assert!(tcp_bind_address("unix:/run/a.sock").is_err());
    }
}
