//! Paths and the templates that they fit.
//!
//! Job: bring a request's path into the form that templates are written in, and compare. In: paths as
//! they came, templates of the configuration. Out: whether they fit. Invariant: spellings that servers
//! take for one path are one path here, so that no spelling goes round a limit.
//!
//! Beyond what [`normalise`] does, bytes that are not visible ASCII count as percent-encoded, and a slash
//! at the end counts for nothing.

use matchit::Router;
use ringlet_protocol::http1::path::normalise;

/// The path in the form in which it is compared; none where servers disagree on what it means.
pub(super) fn comparable<'a>(path: &'a [u8], scratch: &'a mut Vec<u8>) -> Option<&'a str> {
    // An absolute URL without a path means the root (RFC 9110 section 4.2.3).
    let path = if path.is_empty() { b"/" } else { path };
    if path[0] != b'/' {
        return None;
    }
    let normal = if path.iter().all(u8::is_ascii_graphic) {
        normalise(path, scratch)?
    } else {
        let encoded = encode(path);
        let mut own = Vec::new();
        let normal = normalise(&encoded, &mut own)?;
        scratch.clear();
        scratch.extend_from_slice(normal);
        scratch
    };
    let path = std::str::from_utf8(normal).ok()?;
    Some(match path.strip_suffix('/') {
        Some(shorter) if !shorter.is_empty() => shorter,
        _ => path,
    })
}

fn encode(path: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(path.len() * 3);
    for &byte in path {
        if byte.is_ascii_graphic() {
            out.push(byte);
        } else {
            out.extend_from_slice(format!("%{byte:02X}").as_bytes());
        }
    }
    out
}

/// A template, compiled.
///
/// Each has a router of its own: one router says only which of its templates fits best, but every rule
/// whose template fits applies.
#[derive(Debug)]
pub(super) struct Template {
    /// The template in the form of paths.
    text: String,
    /// How much of it is a literal beginning.
    literal: usize,
    /// None: all of it is literal.
    router: Option<Router<()>>,
}

impl Template {
    /// # Errors
    /// What is wrong with it.
    pub(super) fn new(template: &str) -> Result<Self, String> {
        let mut scratch = Vec::new();
        let is_path = template.starts_with('/');
        let text = is_path.then(|| comparable(template.as_bytes(), &mut scratch)).flatten();
        let text =
            text.ok_or("it is not a path that begins with / and has one meaning")?.to_owned();
        let literal = text.find(['{', '}']).unwrap_or(text.len());
        let router = (literal < text.len()).then(|| {
            let mut router = Router::new();
            router.insert(text.as_str(), ()).map(|()| router)
        });
        let router = router.transpose().map_err(|error| error.to_string())?;
        Ok(Self { text, literal, router })
    }

    /// Whether a comparable path fits.
    pub(super) fn fits(&self, path: &str) -> bool {
        match &self.router {
            None => path == self.text,
            Some(router) => {
                path.as_bytes().starts_with(&self.text.as_bytes()[..self.literal])
                    && router.at(path).is_ok()
            }
        }
    }

    /// The template as it stands in keys.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// The first segment of each path that fits, if the template says it.
    pub(super) fn first_segment(&self) -> Option<&str> {
        let segment = first_segment(&self.text);
        // With its slash; a segment that braces begin in is not said wholly.
        (segment.len() < self.literal).then_some(segment)
    }
}

/// The first segment of a comparable path.
pub(super) fn first_segment(path: &str) -> &str {
    let path = path.strip_prefix('/').unwrap_or(path);
    path.split_once('/').map_or(path, |(first, _)| first)
}
