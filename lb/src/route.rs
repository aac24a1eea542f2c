//! Which pool a request goes to.
//!
//! Job: hold a listener's routes in the form in which they are tried. In: the head of a request. Out: a
//! pool and the route that chose it, or why there is none.
//! Invariant: the first route of the file of which everything matches wins; a path is compared in its
//! normal form (see [`path`]), so that no spelling of a path passes by the route that names it.

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::fmt;

use ringlet_protocol::http1::{RequestHead, path};

use crate::model::{HeaderPattern, HostPattern, Listener, PathPattern, Segment, ValuePattern};

/// Bytes of the longest host name (RFC 1035); longer ones match no exact host.
const HOST_BYTES_MAX: usize = 253;

/// Where a request goes.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// Index of the pool.
    pub pool: usize,
    /// Index of the route; none for the listener's default pool.
    pub route: Option<usize>,
}

/// Why a request goes nowhere.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Unrouted {
    /// 400: two readers could understand the path in two ways.
    BadPath,
    /// 404: no route matches, and there is no default pool.
    NoRoute,
}

impl Unrouted {
    /// The status that answers it.
    #[must_use]
    pub fn status(self) -> u16 {
        match self {
            Self::BadPath => 400,
            Self::NoRoute => 404,
        }
    }
}

impl fmt::Display for Unrouted {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::BadPath => "the path can be read in two ways",
            Self::NoRoute => "no route of this listener matches",
        })
    }
}

/// The routes of a listener.
#[derive(Debug)]
pub struct Router {
    routes: Vec<Route>,
    /// For each host that a route names exactly: the routes that may match it, in order. Listeners of
    /// thousands of domains so try a few routes for each request.
    by_host: HashMap<Box<[u8]>, Box<[u32]>>,
    /// The routes that may match any other host, in order.
    any_host: Box<[u32]>,
    default_pool: Option<usize>,
    has_paths: bool,
}

#[derive(Debug)]
struct Route {
    hosts: Vec<HostPattern>,
    path: PathPattern,
    methods: Vec<String>,
    headers: Vec<HeaderPattern>,
    pool: usize,
}

impl Router {
    /// The routes of this listener.
    #[must_use]
    pub fn new(listener: &Listener) -> Self {
        let routes: Vec<Route> = listener
            .routes
            .iter()
            .map(|route| Route {
                hosts: route.hosts.clone(),
                path: normal_pattern(&route.path),
                methods: route.methods.clone(),
                headers: route.headers.clone(),
                pool: route.pool,
            })
            .collect();
        let candidates = |host: &[u8]| -> Box<[u32]> {
            let may_match = |route: &Route| matches_host(&route.hosts, host);
            (0..).zip(&routes).filter(|(_, route)| may_match(route)).map(|(at, _)| at).collect()
        };
        let exact_hosts =
            routes.iter().flat_map(|route| &route.hosts).filter_map(|host| match host {
                HostPattern::Exact(name) => Some(name.as_bytes()),
                HostPattern::Below(_) => None,
            });
        let by_host = exact_hosts.map(|host| (host.into(), candidates(host))).collect();
        let is_open = |route: &Route| {
            let is_wide = |host: &HostPattern| matches!(host, HostPattern::Below(_));
            route.hosts.is_empty() || route.hosts.iter().any(is_wide)
        };
        let any_host =
            (0..).zip(&routes).filter(|(_, route)| is_open(route)).map(|(at, _)| at).collect();
        let has_paths = routes.iter().any(|route| route.path != PathPattern::Any);
        Self { routes, by_host, any_host, default_pool: listener.default_pool, has_paths }
    }

    /// Where this request goes. `scratch` is for paths that are not written in their normal form.
    ///
    /// # Errors
    /// [`Unrouted`]: it goes nowhere.
    pub fn choose(
        &self,
        head: &RequestHead,
        input: &[u8],
        scratch: &mut Vec<u8>,
    ) -> Result<Choice, Unrouted> {
        let default =
            || self.default_pool.map(|pool| Choice { pool, route: None }).ok_or(Unrouted::NoRoute);
        if self.routes.is_empty() {
            return default();
        }
        let path = match head.path(input) {
            path if self.has_paths && path.starts_with(b"/") => {
                path::normalise(path, scratch).ok_or(Unrouted::BadPath)?
            }
            path => path,
        };
        let host = host_name(head.authority(input));
        let found = self.candidates(host).iter().find(|&&index| {
            let route = &self.routes[index as usize];
            let is_method = |method: &String| method.as_bytes() == head.method(input);
            matches_host(&route.hosts, host)
                && (route.methods.is_empty() || route.methods.iter().any(is_method))
                && matches_path(&route.path, path)
                && route.headers.iter().all(|pattern| matches_header(pattern, head, input))
        });
        match found {
            None => default(),
            Some(&index) => {
                let index = index as usize;
                Ok(Choice { pool: self.routes[index].pool, route: Some(index) })
            }
        }
    }

    /// The routes that may match this host.
    fn candidates(&self, host: &[u8]) -> &[u32] {
        let mut lower = [0; HOST_BYTES_MAX];
        let exact =
            lower.get_mut(..host.len()).filter(|_| !self.by_host.is_empty()).and_then(|lower| {
                lower.copy_from_slice(host);
                lower.make_ascii_lowercase();
                self.by_host.get(&*lower)
            });
        exact.unwrap_or(&self.any_host)
    }
}

/// An authority without its port and the dot that ends a full name.
pub fn host_name(authority: &[u8]) -> &[u8] {
    let end = match authority {
        [b'[', ..] => memchr::memchr(b']', authority).map(|at| at + 1),
        _ => memchr::memchr(b':', authority),
    };
    let name = &authority[..end.unwrap_or(authority.len())];
    name.strip_suffix(b".").unwrap_or(name)
}

fn matches_host(patterns: &[HostPattern], host: &[u8]) -> bool {
    patterns.is_empty()
        || patterns.iter().any(|pattern| match pattern {
            HostPattern::Exact(name) => host.eq_ignore_ascii_case(name.as_bytes()),
            HostPattern::Below(suffix) => host
                .len()
                .checked_sub(suffix.len())
                .is_some_and(|at| at > 0 && host[at..].eq_ignore_ascii_case(suffix.as_bytes())),
        })
}

fn matches_path(pattern: &PathPattern, path: &[u8]) -> bool {
    match pattern {
        PathPattern::Any => true,
        PathPattern::Exact(exact) => path == exact.as_bytes(),
        PathPattern::Prefix(prefix) => path
            .strip_prefix(prefix.as_bytes())
            .is_some_and(|rest| prefix.ends_with('/') || matches!(rest.first(), None | Some(b'/'))),
        PathPattern::Template(segments) => matches_template(segments, path),
    }
}

fn matches_template(pattern: &[Segment], path: &[u8]) -> bool {
    let Some(path) = path.strip_prefix(b"/") else { return false };
    let mut segments = path.split(|&byte| byte == b'/');
    for part in pattern {
        let matches = match part {
            Segment::Rest => return true,
            Segment::Any => segments.next().is_some_and(|segment| !segment.is_empty()),
            Segment::Literal(text) => segments.next() == Some(text.as_bytes()),
        };
        if !matches {
            return false;
        }
    }
    segments.next().is_none()
}

fn matches_header(pattern: &HeaderPattern, head: &RequestHead, input: &[u8]) -> bool {
    head.fields().iter().any(|field| {
        let value = field.value(input);
        field.name(input).eq_ignore_ascii_case(pattern.name.as_bytes())
            && match &pattern.value {
                ValuePattern::Present => true,
                ValuePattern::Exact(exact) => value == exact.as_bytes(),
                ValuePattern::Prefix(prefix) => value.starts_with(prefix.as_bytes()),
            }
    })
}

/// The same pattern in the normal form of paths.
fn normal_pattern(pattern: &PathPattern) -> PathPattern {
    let normal = |text: &String| path::normal_text(text).unwrap_or_else(|| text.clone());
    match pattern {
        PathPattern::Any => PathPattern::Any,
        PathPattern::Exact(exact) => PathPattern::Exact(normal(exact)),
        PathPattern::Prefix(prefix) => PathPattern::Prefix(normal(prefix)),
        PathPattern::Template(segments) => {
            let segment = |segment: &Segment| match segment {
                Segment::Literal(text) => {
                    let path = normal(&format!("/{text}"));
                    Segment::Literal(path.trim_start_matches('/').to_string())
                }
                other => other.clone(),
            };
            PathPattern::Template(segments.iter().map(segment).collect())
        }
    }
}
