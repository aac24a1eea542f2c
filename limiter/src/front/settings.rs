//! What a listener's fronts are told.
//!
//! Job: the part of a listener's configuration that decides what fronts say. In: the configuration.
//! Out: [`FrontSettings`], shared by the connections of a listener. Invariant: immutable.

use ringlet_limit::headers::HeaderStyle;
use ringlet_limit::model::ClientAddress;

/// What a listener's fronts are told.
#[derive(Clone, Debug, Default)]
pub struct FrontSettings {
    /// The domain of requests that name none; empty: rules without a domain only.
    pub domain: String,
    /// How limits are told in header fields.
    pub headers: HeaderStyle,
    /// The status of every denial, 400 to 599; none: as the reason is.
    pub deny_status: Option<u16>,
    /// Whom to believe about a client's address.
    pub client: ClientAddress,
}
