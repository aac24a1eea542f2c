//! The rules as the library knows them: checked, complete, immutable.
//!
//! Job: say what is limited and how. In: a configuration reader (`config`, `import`). Out: values that
//! matching and engine read. Invariant: what stands here can be enforced; every limit's numbers are
//! within the bounds named beside them.

use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;

use crate::algorithm::Algorithm;

/// The most tokens that a limit, a burst or a cost may be.
pub const AMOUNT_MAX: u64 = u32::MAX as u64;
/// The longest window, about ten years in nanoseconds.
pub const PERIOD_NS_MAX: u64 = 10 * 366 * 24 * 3600 * 1_000_000_000;
/// The most rules of one configuration.
pub const RULES_MAX: usize = 10_000;
/// The most limits that one request is held against.
pub const LIMITS_PER_CHECK_MAX: usize = 32;

/// The numbers of a limit.
#[derive(Clone, Debug)]
pub struct Limit {
    /// Row of `ALGORITHMS`.
    pub algorithm: &'static Algorithm,
    /// Tokens that come back in a period, or that a window has: 1 to [`AMOUNT_MAX`].
    pub count: u64,
    /// The period or window: 1 to [`PERIOD_NS_MAX`]. Of a window: a whole number of milliseconds.
    pub period_ns: u64,
    /// What may be taken at once by who has taken nothing before: 1 to [`AMOUNT_MAX`]. Of a window
    /// this is `count`; of a shaper the requests that may wait, and one.
    pub burst: u64,
    /// Windows of the calendar in place of windows of `period_ns` each.
    pub calendar: Option<Calendar>,
}

impl PartialEq for Limit {
    fn eq(&self, other: &Self) -> bool {
        let numbers = |limit: &Self| (limit.count, limit.period_ns, limit.burst);
        std::ptr::eq(self.algorithm, other.algorithm)
            && numbers(self) == numbers(other)
            && self.calendar == other.calendar
    }
}

/// Windows that begin when the calendar says so, in a time zone.
#[derive(Clone, Debug, PartialEq)]
pub struct Calendar {
    /// How long a window is.
    pub unit: CalendarUnit,
    /// Whose midnight counts.
    pub zone: jiff::tz::TimeZone,
}

/// Length of a calendar window.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum CalendarUnit {
    /// From minute to minute.
    Minute,
    /// From hour to hour.
    Hour,
    /// From midnight to midnight: 23 or 25 hours when clocks change.
    Day,
    /// From Monday to Monday.
    Week,
    /// From the first to the first.
    Month,
    /// From 1 January to 1 January.
    Year,
}

/// What happens to the first request of a key for which this node holds no tokens.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Mode {
    /// It waits for the store. Never more than the limit is admitted.
    Hard,
    /// It goes on at once, up to so many tokens for each node, key and window.
    Soft {
        /// The tokens (the bound's `c0`).
        credit: u64,
    },
}

/// What a rule does while the store cannot be asked.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum OnStoreFailure {
    /// Allow all.
    Open,
    /// Refuse what no token is held for.
    Closed,
    /// Hold this node to its share of the limit.
    Share,
}

/// One rule: what it applies to, what it counts by, and its limit.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// Its name, unique, 1 to 64 of `a-z A-Z 0-9 . _ -`.
    pub name: String,
    /// The domain it belongs to (Envoy's, or a listener's); none: it applies in each.
    pub domain: Option<String>,
    /// Which requests it applies to: all of these hold.
    pub conditions: Vec<Condition>,
    /// Envoy's descriptor that it applies to; the rule then looks at nothing else.
    pub descriptor: Option<Vec<DescriptorEntry>>,
    /// What its counters are kept by; none: one counter for all.
    pub key: Vec<KeyPart>,
    /// The limit; none: never limited (Envoy's `unlimited`).
    pub limit: Option<Limit>,
    /// Tokens that one request takes if it does not say itself.
    pub cost: u64,
    /// Only says what it would refuse.
    pub is_shadow: bool,
    /// Envoy's quota mode: refuses only when every descriptor of the request is over its limit.
    pub is_quota: bool,
    /// How exact the first request of a key is.
    pub mode: Mode,
    /// Without the store.
    pub on_store_failure: OnStoreFailure,
    /// Not shared between nodes, whatever the store.
    pub is_local: bool,
}

/// Something that a request must be for a rule to apply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// One of these methods.
    Method(Vec<String>),
    /// A path that fits the template: `/users/{id}/orders`, `/static/{*rest}`.
    Path(String),
    /// One of these hosts, in lower case, without port.
    Host(Vec<String>),
    /// A header that is there, with this value if one is given. Names in lower case.
    Header(String, Option<String>),
    /// A client in one of these networks.
    Client(Vec<IpNet>),
}

/// One entry of a descriptor that a rule wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DescriptorEntry {
    /// Its key.
    pub key: String,
    /// Its value.
    pub value: EntryValue,
}

/// What the value of a descriptor's entry must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EntryValue {
    /// This one.
    Exact(String),
    /// One that begins so (`*` at the end); all such values share a counter unless `each`.
    Prefix(String),
    /// Any; each value has its own counter.
    Any,
}

/// A part of what counters are kept by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyPart {
    /// The client's address, cut to a prefix: IPv4 bits and IPv6 bits.
    ClientIp(u8, u8),
    /// The method.
    Method,
    /// The template of the rule's path condition, or the normalised path if it has none.
    Path,
    /// The host.
    Host,
    /// The value of a header (lower-case name): an API key, a user. No header: the rule does not apply.
    Header(String),
    /// The value of a descriptor's entry with this key, in any descriptor of the request.
    Descriptor(String),
}

/// Networks that no rule applies to, and those that are refused outright.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccessLists {
    /// No rule applies to them.
    pub allow: Vec<IpNet>,
    /// Always refused. The longer prefix wins; a tie goes to `deny`.
    pub deny: Vec<IpNet>,
}

/// Whom to believe about a client's address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ClientAddress {
    /// The connection's peer.
    #[default]
    Peer,
    /// The n-th address of X-Forwarded-For from its right end, 1 being the last.
    TrustedHops(u8),
    /// From the right end, the first that is in none of these networks.
    TrustedProxies(Vec<IpNet>),
}

/// All that the library needs to decide.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rules {
    /// The rules, in the order of the file.
    pub rules: Vec<Arc<Rule>>,
    /// Networks.
    pub lists: AccessLists,
}

/// The address of a client in one form: an IPv4 address that is written as an IPv6 one is IPv4.
#[must_use]
pub fn canonical(address: IpAddr) -> IpAddr {
    address.to_canonical()
}
