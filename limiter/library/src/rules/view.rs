//! A request as conditions and keys look at it.
//!
//! Job: bring what several rules look at into its form once. In: a request. Out: answers to conditions.
//! Invariant: nothing is copied but a path that is not written in its normal form.

use std::net::IpAddr;

use super::path::{Template, comparable};
use crate::model::Condition;
use crate::request::{Descriptor, HttpView, Request};

/// A request.
pub(super) struct View<'a> {
    /// The HTTP request, if it is one.
    pub http: Option<&'a dyn HttpView>,
    /// The client, if it is known.
    pub client: Option<IpAddr>,
    /// The host without the dot that ends a full name.
    pub host: &'a [u8],
    /// The path, comparable; none: servers disagree on what it means.
    pub path: Option<&'a str>,
    /// Envoy's descriptors.
    pub descriptors: &'a [Descriptor<'a>],
}

impl<'a> View<'a> {
    pub(super) fn new(
        request: &Request<'a>,
        client: Option<IpAddr>,
        scratch: &'a mut Vec<u8>,
    ) -> Self {
        let host = request.http.map_or(&b""[..], HttpView::host);
        Self {
            http: request.http,
            client,
            host: host.strip_suffix(b".").unwrap_or(host),
            path: request.http.and_then(|http| comparable(http.path(), scratch)),
            descriptors: request.descriptors,
        }
    }

    /// Whether all of these hold. `templates` are those of the path conditions, in their order.
    ///
    /// A path that has two meanings fits every template: whichever meaning the server behind prefers,
    /// the rule for that path has been applied.
    pub(super) fn holds(&self, conditions: &[Condition], templates: &[Template]) -> bool {
        let Some(http) = self.http else { return false };
        let mut templates = templates.iter();
        conditions.iter().all(|condition| match condition {
            Condition::Method(methods) => {
                methods.iter().any(|method| method.as_bytes() == http.method())
            }
            Condition::Path(_) => templates
                .next()
                .is_some_and(|template| self.path.is_none_or(|path| template.fits(path))),
            Condition::Host(hosts) => {
                hosts.iter().any(|host| host.as_bytes().eq_ignore_ascii_case(self.host))
            }
            Condition::Header(name, value) => http
                .header(name)
                .is_some_and(|found| value.as_ref().is_none_or(|value| value.as_bytes() == found)),
            Condition::Client(networks) => self
                .client
                .is_some_and(|client| networks.iter().any(|network| network.contains(&client))),
        })
    }

    /// The value of a descriptor's entry with this key: of descriptor `first` if it has one, else of the
    /// first that has.
    pub(super) fn entry(&self, key: &str, first: Option<usize>) -> Option<&'a str> {
        let own = first.and_then(|place| self.descriptors.get(place));
        let entries = own.into_iter().chain(self.descriptors).flat_map(|one| &one.entries);
        entries.into_iter().find(|(name, _)| *name == key).map(|(_, value)| *value)
    }
}
