//! The changes of header fields that the configuration asks for.
//!
//! Job: say which fields of a message go and which come. In: lists of [`Rewrite`], in the order in which
//! they are applied. Out: answers for the writer of a head.
//! Invariant: what comes out is what applying the changes one after the other would give. Fields that
//! say where a message ends or concern one connection are none of its business: [`check`] refuses them.

use ringlet_protocol::http1::Known;

use crate::model::Rewrite;

/// The changes of one message.
#[derive(Copy, Clone, Debug, Default)]
pub struct Rewrites<'a> {
    /// Applied first: the listener's to a request, the route's to a response.
    pub first: &'a [Rewrite],
    /// Applied to the result.
    pub second: &'a [Rewrite],
}

impl<'a> Rewrites<'a> {
    fn all(self) -> impl Iterator<Item = &'a Rewrite> + Clone {
        self.first.iter().chain(self.second)
    }

    /// Whether fields of this name that the message has go.
    #[inline]
    #[must_use]
    pub fn replaces(self, name: &[u8]) -> bool {
        (!self.first.is_empty() || !self.second.is_empty())
            && self.all().any(|rewrite| clears(rewrite, name))
    }

    /// The Host field, if it is set.
    #[must_use]
    pub fn host(self) -> Option<&'a str> {
        let hosts = self.all().filter_map(|rewrite| match rewrite {
            Rewrite::Set(name, value) if name.eq_ignore_ascii_case("host") => Some(&**value),
            _ => None,
        });
        hosts.last()
    }

    /// The fields that come, without Host.
    pub fn added(self) -> impl Iterator<Item = (&'a str, &'a str)> {
        let mut rest = self.all();
        std::iter::from_fn(move || {
            loop {
                let (Rewrite::Set(name, value) | Rewrite::Add(name, value)) = rest.next()? else {
                    continue;
                };
                let is_cleared = rest.clone().any(|later| clears(later, name.as_bytes()));
                if !is_cleared && !name.eq_ignore_ascii_case("host") {
                    return Some((&**name, &**value));
                }
            }
        })
    }
}

/// Whether this change takes away the fields of this name.
fn clears(rewrite: &Rewrite, name: &[u8]) -> bool {
    match rewrite {
        Rewrite::Set(cleared, _) | Rewrite::Remove(cleared) => {
            is_same_name(cleared.as_bytes(), name)
        }
        Rewrite::Add(..) => false,
    }
}

/// Whether servers may take both names for the same: those that map `-` and `_` to one variable would
/// take a client's `X_User` for the `X-User` that the configuration sets.
fn is_same_name(one: &[u8], other: &[u8]) -> bool {
    let plain = |byte: &u8| if *byte == b'_' { b'-' } else { byte.to_ascii_lowercase() };
    one.len() == other.len() && one.iter().map(plain).eq(other.iter().map(plain))
}

/// What a change applies to.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Requests.
    Request,
    /// Responses.
    Response,
}

/// Whether the configuration may ask for this change.
///
/// # Errors
/// Why not.
pub fn check(rewrite: &Rewrite, direction: Direction) -> Result<(), &'static str> {
    let (name, value) = match rewrite {
        Rewrite::Set(name, value) | Rewrite::Add(name, value) => (name, &**value),
        Rewrite::Remove(name) => (name, ""),
    };
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if name.is_empty() || !name.bytes().all(is_token) {
        return Err("this is no name of a header field");
    }
    if value.bytes().any(|byte| byte.is_ascii_control() && byte != b'\t') {
        return Err("a value of a header field has no control characters");
    }
    if value.trim_matches([' ', '\t']) != value {
        return Err("a value of a header field has no white space around it");
    }
    match (Known::of(name.as_bytes()), rewrite) {
        (Known::Host, Rewrite::Set(..)) if direction == Direction::Request => {
            let is_host = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:[]".contains(&byte);
            let is_host = !value.is_empty() && value.bytes().all(is_host);
            if is_host { Ok(()) } else { Err("this is no host") }
        }
        (Known::Host, _) => Err("Host can only be set, and only in requests"),
        (Known::ContentLength | Known::Trailer | Known::Expect, _) => {
            Err("this field says how the message is sent, which the balancer decides")
        }
        (known, _) if known.is_hop_by_hop() => {
            Err("this field concerns one connection, which the balancer decides")
        }
        (Known::Imitation, _) => Err("servers may take this name for that of another field"),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(name: &str, value: &str) -> Rewrite {
        Rewrite::Set(name.into(), value.into())
    }

    fn add(name: &str, value: &str) -> Rewrite {
        Rewrite::Add(name.into(), value.into())
    }

    fn remove(name: &str) -> Rewrite {
        Rewrite::Remove(name.into())
    }

    #[test]
    fn the_result_is_that_of_one_change_after_the_other() {
        let first = [add("A", "1"), set("B", "2"), remove("C"), add("C", "3"), set("Host", "one")];
        let second = [add("b", "4"), remove("a"), set("D", "5"), set("d", "6"), set("host", "two")];
        let rewrites = Rewrites { first: &first, second: &second };
        let added: Vec<_> = rewrites.added().collect();
        assert_eq!(added, [("B", "2"), ("C", "3"), ("b", "4"), ("d", "6")]);
        assert_eq!(rewrites.host(), Some("two"));
        for (name, replaced) in [("A", true), ("b", true), ("c", true), ("D", true), ("e", false)] {
            assert_eq!(rewrites.replaces(name.as_bytes()), replaced, "{name}");
        }
        let added_only = [add("A", "1")];
        assert!(!Rewrites { first: &added_only, second: &[] }.replaces(b"A"));
        assert!(!Rewrites::default().replaces(b"A"));
        let user = [set("X-User", "1")];
        assert!(Rewrites { first: &[], second: &user }.replaces(b"x_user"), "an imitation");
        assert!(!Rewrites { first: &[], second: &user }.replaces(b"x_users"));
        assert_eq!(Rewrites::default().host(), None);
    }

    #[test]
    fn fields_of_the_transport_and_malformed_ones_are_refused() {
        use Direction::{Request, Response};
        for (rewrite, direction, is_allowed) in [
            (set("X-A", "b c;\td=\"e\""), Request, true),
            (set("X-A", ""), Response, true),
            (add("Set-Cookie", "a=b"), Response, true),
            (remove("Server"), Response, true),
            (set("X-Forwarded-Proto", "https"), Request, true),
            (set("X_A", "b"), Request, true),
            (set("Host", "example.com:80"), Request, true),
            (set("Host", "a b"), Request, false),
            (set("Host", ""), Request, false),
            (set("Host", "a"), Response, false),
            (add("Host", "a"), Request, false),
            (remove("host"), Request, false),
            (set("", "a"), Request, false),
            (set("X A", "b"), Request, false),
            (set("X:A", "b"), Request, false),
            (set("X-A", "b\r\nC: d"), Request, false),
            (set("X-A", "b\nC: d"), Request, false),
            (set("X-A", "\0"), Request, false),
            (set("X-A", " b"), Request, false),
            (set("X-A", "b\t"), Request, false),
            (remove("X\r\n"), Request, false),
            (set("Content-Length", "5"), Response, false),
            (remove("content-length"), Request, false),
            (set("Content_Length", "5"), Request, false),
            (set("Transfer-Encoding", "chunked"), Response, false),
            (add("Connection", "close"), Response, false),
            (remove("Keep-Alive"), Response, false),
            (set("Upgrade", "h2c"), Request, false),
            (set("TE", "trailers"), Request, false),
            (set("Trailer", "x"), Response, false),
            (remove("Expect"), Request, false),
            (remove("Proxy-Connection"), Request, false),
        ] {
            assert_eq!(check(&rewrite, direction).is_ok(), is_allowed, "{rewrite:?}");
        }
    }
}
