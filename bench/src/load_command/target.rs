//! Job: read the address under load.
//! In: a word of the command line. Out: a [`Target`], or what is wrong with the word.
//! Invariant: nothing is looked up here; [`Target::resolve`] asks the system once, and every connection
//! of a run goes to that answer.

use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::str::FromStr;

/// What is under load.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// A name, or an address without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
    /// What is spoken there.
    pub protocol: Protocol,
}

/// What is spoken with a server, and what the address says of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// RESP2.
    Redis {
        /// AUTH, if there is a password.
        user: Option<String>,
        /// AUTH.
        password: Option<String>,
        /// SELECT.
        database: u32,
    },
    /// HTTP/1.1.
    Http {
        /// The path with the query, which starts with `/`; `__key__` stands for a key.
        path: String,
        /// The Host field.
        authority: String,
    },
}

impl Target {
    /// The address to connect to: the first that the system gives.
    ///
    /// # Errors
    /// A name that is not known.
    pub fn resolve(&self) -> Result<SocketAddr, String> {
        (self.host.as_str(), self.port)
            .to_socket_addrs()
            .map_err(|error| format!("cannot resolve {}: {error}", self.host))?
            .next()
            .ok_or_else(|| format!("cannot resolve {}: no address", self.host))
    }
}

impl FromStr for Target {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        match word.split_once("://") {
            None => redis(word),
            Some(("redis", rest)) => redis(rest),
            Some(("http", rest)) => http(rest),
            Some((scheme @ ("https" | "rediss"), _)) => Err(format!(
                "TLS is not supported: give {}://, to a port without TLS",
                if scheme == "https" { "http" } else { "redis" },
            )),
            Some(("grpc", _)) => {
                Err("gRPC is not spoken: h2load (Debian package nghttp2-client) makes \
                                      its load; redis:// and http:// are known"
                    .to_owned())
            }
            Some((scheme, _)) => Err(format!("{scheme}:// is not known: give redis:// or http://")),
        }
    }
}

/// `[user:password@]host[:port][/database]`
fn redis(rest: &str) -> Result<Target, String> {
    let (rest, database) = match rest.split_once('/') {
        None | Some((_, "")) => (rest.trim_end_matches('/'), 0),
        Some((rest, database)) => (
            rest,
            database
                .parse()
                .map_err(|_| format!("{database:?} is no number of a database, as in /0"))?,
        ),
    };
    let (credentials, rest) = match rest.rsplit_once('@') {
        Some((credentials, rest)) => (Some(credentials), rest),
        None => (None, rest),
    };
    let (user, password) = match credentials {
        None => (None, None),
        Some(credentials) => match credentials.split_once(':') {
            Some((user, password)) if !password.is_empty() => (
                Some(user).filter(|user| !user.is_empty()).map(unescape).transpose()?,
                Some(unescape(password)?),
            ),
            _ => return Err("give user:password@, or :password@ for the default user".to_owned()),
        },
    };
    let (host, port) = host_and_port(rest, 6379)?;
    Ok(Target { host, port, protocol: Protocol::Redis { user, password, database } })
}

/// `host[:port][/path]`
fn http(rest: &str) -> Result<Target, String> {
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    if authority.contains('@') {
        return Err("give credentials as --header 'Authorization: ...'".to_owned());
    }
    let path = path.split_once('#').map_or(path, |(path, _)| path);
    let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
    if let Some(bad) = path.chars().find(|c| !c.is_ascii_graphic()) {
        return Err(format!("the path must be escaped: {bad:?} cannot stand in it"));
    }
    let (host, port) = host_and_port(authority, 80)?;
    Ok(Target { host, port, protocol: Protocol::Http { path, authority: authority.to_owned() } })
}

/// `host`, `host:port`, `[IPv6]` or `[IPv6]:port`
fn host_and_port(word: &str, default_port: u16) -> Result<(String, u16), String> {
    let (host, port) = match word.strip_prefix('[') {
        Some(rest) => {
            let (host, rest) =
                rest.split_once(']').ok_or_else(|| format!("{word:?} lacks its \"]\""))?;
            host.parse::<std::net::Ipv6Addr>()
                .map_err(|_| format!("{host:?} is no IPv6 address"))?;
            match rest.strip_prefix(':') {
                Some(port) => (host, Some(port)),
                None if rest.is_empty() => (host, None),
                None => return Err(format!("expected a port behind {word:?}, as in [::1]:6379")),
            }
        }
        None if word.parse::<IpAddr>().is_ok_and(|address| address.is_ipv6()) => {
            return Err(format!("an IPv6 address stands in brackets: [{word}]:{default_port}"));
        }
        None => match word.rsplit_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (word, None),
        },
    };
    if host.is_empty() || (!word.starts_with('[') && host.contains(|c| !is_of_name(c))) {
        return Err(format!("{host:?} is no host: give host:port, as in 127.0.0.1:{default_port}"));
    }
    let port = match port {
        None => default_port,
        Some(port) => match port.parse() {
            Ok(port) if port > 0 => port,
            _ => return Err(format!("{port:?} is no port: give 1 to 65535")),
        },
    };
    Ok((host.to_owned(), port))
}

fn is_of_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_')
}

/// Without %-escapes, as passwords with `@` and `/` need them.
fn unescape(word: &str) -> Result<String, String> {
    let mut bytes = Vec::with_capacity(word.len());
    let mut rest = word.as_bytes();
    while let [first, behind @ ..] = rest {
        rest = behind;
        if *first == b'%' {
            let digits = behind.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
            let byte = digits
                .filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()))
                .and_then(|digits| u8::from_str_radix(digits, 16).ok())
                .ok_or("\"%\" stands before two hexadecimal digits; write it as %25")?;
            bytes.push(byte);
            rest = &behind[2..];
        } else {
            bytes.push(*first);
        }
    }
    String::from_utf8(bytes).map_err(|_| "user and password must be UTF-8".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain() -> Protocol {
        Protocol::Redis { user: None, password: None, database: 0 }
    }

    fn with(user: Option<&str>, password: &str, database: u32) -> Protocol {
        Protocol::Redis {
            user: user.map(str::to_owned),
            password: Some(password.to_owned()),
            database,
        }
    }

    fn path(path: &str, authority: &str) -> Protocol {
        Protocol::Http { path: path.to_owned(), authority: authority.to_owned() }
    }

    #[test]
    fn addresses_are_read() {
        for (word, host, port, protocol) in [
            ("127.0.0.1:6380", "127.0.0.1", 6380, plain()),
            ("localhost", "localhost", 6379, plain()),
            ("redis://a.example:1", "a.example", 1, plain()),
            ("redis://a.example/", "a.example", 6379, plain()),
            ("redis://[::1]:6380", "::1", 6380, plain()),
            ("[::1]", "::1", 6379, plain()),
            ("redis://:secret@h:1/3", "h", 1, with(None, "secret", 3)),
            ("redis://u:p%40%2Fq@h:1", "h", 1, with(Some("u"), "p@/q", 0)),
            ("redis://u:a@b@h", "h", 6379, with(Some("u"), "a@b", 0)),
            ("http://h", "h", 80, path("/", "h")),
            ("http://h:8080/a/__key__?b=c", "h", 8080, path("/a/__key__?b=c", "h:8080")),
            ("http://h?q", "h", 80, path("/?q", "h")),
            ("http://h/a#b", "h", 80, path("/a", "h")),
            ("http://[::1]:81/x", "::1", 81, path("/x", "[::1]:81")),
        ] {
            let expected = Target { host: host.to_owned(), port, protocol };
            assert_eq!(word.parse(), Ok(expected), "{word}");
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (word, text) in [
            ("https://h", "TLS is not supported: give http://"),
            ("rediss://h:6379", "TLS is not supported: give redis://"),
            ("ftp://h", "ftp:// is not known"),
            ("grpc://h:8081", "h2load"),
            ("", "is no host"),
            ("redis://", "is no host"),
            ("http:///x", "is no host"),
            ("http://a b/x", "is no host"),
            (":6379", "is no host"),
            ("h:0", "is no port"),
            ("h:65536", "is no port"),
            ("h:x", "is no port"),
            ("h:", "is no port"),
            ("::1", "stands in brackets: [::1]:6379"),
            ("[::1", "lacks its"),
            ("[::1]6379", "expected a port"),
            ("[h]:1", "is no IPv6 address"),
            ("redis://h/x", "is no number of a database"),
            ("redis://secret@h", "give user:password@"),
            ("redis://u:@h", "give user:password@"),
            ("redis://u:a%4@h", "two hexadecimal digits"),
            ("redis://u:a%+1@h", "two hexadecimal digits"),
            ("redis://u:%ff@h", "must be UTF-8"),
            ("http://u:p@h/", "--header 'Authorization"),
            ("http://h/a b", "must be escaped"),
            ("http://h/\r\nX: y", "must be escaped"),
            ("http://h/ä", "must be escaped"),
        ] {
            let error = word.parse::<Target>().expect_err(word);
            assert!(error.contains(text), "{word}: {error}");
        }
    }

    #[test]
    fn literals_need_no_look_up_and_unknown_names_are_named() {
        let target: Target = "[::1]:81".parse().expect("an address");
        assert_eq!(target.resolve(), Ok("[::1]:81".parse().expect("an address")));
        let target: Target = "no-such-host.invalid".parse().expect("a name");
        let error = target.resolve().expect_err("a name that cannot exist");
        assert!(error.contains("cannot resolve no-such-host.invalid"), "{error}");
    }
}
