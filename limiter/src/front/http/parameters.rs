//! Readers of what stands in targets and headers.
//!
//! Job: queries, numbers, paths, hosts. In: bytes of clients. Out: parts of them. Invariant: nothing is
//! copied that can be borrowed; what is no escape in a query is refused.

use std::borrow::Cow;

use super::response::Refusal;

/// Names and values of a query.
pub(super) fn pairs(query: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    query.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty()).map(|pair| {
        let equals = pair.iter().position(|byte| *byte == b'=').unwrap_or(pair.len());
        (&pair[..equals], pair.get(equals + 1..).unwrap_or_default())
    })
}

/// A value of a query without its escapes.
pub(super) fn unescaped(value: &[u8]) -> Result<Cow<'_, str>, Refusal> {
    let no_text = || Refusal::bad("a value of the query is no text in UTF-8 with %XX escapes");
    if !value.iter().any(|byte| matches!(byte, b'%' | b'+')) {
        return std::str::from_utf8(value).map(Cow::Borrowed).map_err(|_| no_text());
    }
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value.iter();
    while let Some(&byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let mut digit = || char::from(*rest.next()?).to_digit(16);
                let (high, low) = digit().zip(digit()).ok_or_else(no_text)?;
                (high << 4 | low) as u8
            }
            _ => byte,
        });
    }
    String::from_utf8(bytes).map(Cow::Owned).map_err(|_| no_text())
}

/// A number of 1 to 18 digits and nothing else.
pub(super) fn number(value: &[u8]) -> Option<u64> {
    let is_number = (1..=18).contains(&value.len()) && value.iter().all(u8::is_ascii_digit);
    is_number.then(|| value.iter().fold(0, |number, digit| number * 10 + u64::from(digit - b'0')))
}

/// The path of a URI in origin form, in absolute form, or of `*`.
pub(super) fn path_of(uri: &[u8]) -> Option<&[u8]> {
    let end = uri.iter().position(|byte| matches!(byte, b'?' | b'#')).unwrap_or(uri.len());
    let uri = &uri[..end];
    if uri.starts_with(b"/") || uri == b"*" {
        return Some(uri);
    }
    let is_scheme = |scheme: &&[u8]| {
        uri.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme))
    };
    let scheme = [&b"http://"[..], b"https://"].into_iter().find(|scheme| is_scheme(scheme))?;
    let rest = &uri[scheme.len()..];
    Some(rest.iter().position(|byte| *byte == b'/').map_or(b"/", |at| &rest[at..]))
}

/// A host in lower case without its port. Most are in lower case already, and borrowed.
pub(super) fn plain_host(authority: &[u8]) -> Cow<'_, [u8]> {
    let end = match authority {
        [b'[', ..] => authority.iter().position(|byte| *byte == b']').map(|at| at + 1),
        _ => authority.iter().position(|byte| *byte == b':'),
    };
    let name = &authority[..end.unwrap_or(authority.len())];
    if name.iter().any(u8::is_ascii_uppercase) {
        Cow::Owned(name.to_ascii_lowercase())
    } else {
        Cow::Borrowed(name)
    }
}
