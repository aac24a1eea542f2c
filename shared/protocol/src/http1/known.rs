//! The header fields that mean something to a proxy.
//!
//! Job: name fields once, when the head is parsed, so that nobody compares names again.
//! In: names. Out: [`Known`].
//! Invariant: a name that differs from a known one only in case is that one, and one that differs only
//! in case and `_` is an imitation of it.

macro_rules! known_fields {
    ($($(#[$about:meta])* $variant:ident = $name:literal,)*) => {
        /// A field that means something to a proxy.
        #[derive(Copy, Clone, Debug, PartialEq, Eq)]
        pub enum Known {
            $($(#[$about])* $variant,)*
            /// Written with `_` for `-`, it would be one of the others: a server that maps both to one
            /// variable would take it for that.
            Imitation,
            /// Any other.
            Other,
        }

        const NAMES: &[(&str, Known)] = &[$(($name, Known::$variant),)*];
    };
}

// In the order of their lengths.
known_fields! {
    /// RFC 9110 section 10.1.4; hop by hop.
    Te = "te",
    /// RFC 9110 section 7.6.3.
    Via = "via",
    /// RFC 9110 section 7.2.
    Host = "host",
    /// RFC 9110 section 10.1.1.
    Expect = "expect",
    /// RFC 6265.
    Cookie = "cookie",
    /// RFC 9110 section 6.6.2.
    Trailer = "trailer",
    /// RFC 9110 section 7.8.
    Upgrade = "upgrade",
    /// RFC 9110 section 10.1.3.
    Referer = "referer",
    /// RFC 7239.
    Forwarded = "forwarded",
    /// The address of the client, as nginx configurations call it.
    XRealIp = "x-real-ip",
    /// RFC 9110 section 7.6.1.
    Connection = "connection",
    /// RFC 2068; hop by hop.
    KeepAlive = "keep-alive",
    /// RFC 6265.
    SetCookie = "set-cookie",
    /// RFC 9110 section 10.1.5.
    UserAgent = "user-agent",
    /// A number for a request in all logs.
    XRequestId = "x-request-id",
    /// RFC 9110 section 8.6.
    ContentLength = "content-length",
    /// The addresses of the client and of proxies.
    XForwardedFor = "x-forwarded-for",
    /// An old mistake; hop by hop.
    ProxyConnection = "proxy-connection",
    /// The Host that the client sent.
    XForwardedHost = "x-forwarded-host",
    /// RFC 9112 section 6.1.
    TransferEncoding = "transfer-encoding",
    /// `http` or `https`.
    XForwardedProto = "x-forwarded-proto",
}

/// Bytes of the longest name.
const LENGTH_MAX: usize = NAMES[NAMES.len() - 1].0.len();

/// Where in [`NAMES`] the names of each length begin.
const STARTS: [u8; LENGTH_MAX + 2] = {
    let mut starts = [0; LENGTH_MAX + 2];
    let mut length = 1;
    while length < starts.len() {
        let mut count = starts[length - 1];
        while (count as usize) < NAMES.len() && NAMES[count as usize].0.len() < length {
            count += 1;
        }
        starts[length] = count;
        length += 1;
    }
    starts
};

impl Known {
    /// Which field has this name.
    #[must_use]
    pub fn of(name: &[u8]) -> Self {
        if name.len() > LENGTH_MAX {
            return Self::Other;
        }
        let candidates = STARTS[name.len()] as usize..STARTS[name.len() + 1] as usize;
        match NAMES[candidates].iter().find(|(known, _)| matches_name(name, known.as_bytes())) {
            None => Self::Other,
            Some(_) if name.contains(&b'_') => Self::Imitation,
            Some((_, known)) => *known,
        }
    }

    /// Whether it concerns one connection only, whatever Connection says.
    #[must_use]
    pub fn is_hop_by_hop(self) -> bool {
        matches!(
            self,
            Self::Connection
                | Self::KeepAlive
                | Self::ProxyConnection
                | Self::Te
                | Self::TransferEncoding
                | Self::Upgrade
        )
    }
}

/// Whether `name`, as long as `known`, is it but for case and `_` in the place of `-`.
fn matches_name(name: &[u8], known: &[u8]) -> bool {
    name.iter().zip(known).all(|(&byte, &known)| {
        byte.to_ascii_lowercase() == known || (byte == b'_' && known == b'-')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_known_in_any_case_and_imitations_are_noticed() {
        assert_eq!(Known::of(b"HOST"), Known::Host);
        assert_eq!(Known::of(b"Content-Length"), Known::ContentLength);
        assert_eq!(Known::of(b"Content_Length"), Known::Imitation);
        assert_eq!(Known::of(b"x_forwarded-for"), Known::Imitation);
        assert_eq!(Known::of(b"x_custom"), Known::Other);
        assert_eq!(Known::of(b"hosts"), Known::Other);
        assert_eq!((Known::of(b""), Known::of(&[b'x'; 99])), (Known::Other, Known::Other));
    }

    #[test]
    fn every_name_is_found() {
        for (name, known) in NAMES {
            assert_eq!(Known::of(name.as_bytes()), *known, "{name}");
            assert_eq!(Known::of(name.to_ascii_uppercase().as_bytes()), *known, "{name}");
        }
    }
}
