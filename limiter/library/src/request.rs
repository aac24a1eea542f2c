//! What is asked, and what it is held against.
//!
//! Job: the words between a front end, the matching and the engine. In: a front end's request.
//! Out: [`Matched`]: limits with keys. Invariant: borrowed from the front end's buffers; nothing is
//! copied but the texts of the keys.

use std::net::IpAddr;
use std::ops::Range;

use crate::algorithm::Algorithm;

/// An HTTP request as the rules see it.
pub trait HttpView {
    /// The method.
    fn method(&self) -> &[u8];
    /// The target's path, as it came, without the query.
    fn path(&self) -> &[u8];
    /// The host in lower case, without port; empty if there is none.
    fn host(&self) -> &[u8];
    /// The first value of a header whose name is given in lower case.
    fn header(&self, name: &str) -> Option<&[u8]>;
    /// The client's address, as far as it can be believed.
    fn client(&self) -> Option<IpAddr>;
}

/// One descriptor of Envoy's kind: entries from the most general to the most special.
#[derive(Clone, Debug, Default)]
pub struct Descriptor<'a> {
    /// Keys with values.
    pub entries: Vec<(&'a str, &'a str)>,
    /// Tokens for this descriptor, in the place of the request's; 0 is a peek.
    pub cost: Option<u64>,
    /// A limit in the place of the rule's: count and period.
    pub limit: Option<(u64, u64)>,
}

/// A request.
#[derive(Default)]
pub struct Request<'a> {
    /// Its domain; empty: rules without a domain only.
    pub domain: &'a str,
    /// Envoy's descriptors.
    pub descriptors: &'a [Descriptor<'a>],
    /// The HTTP request, if it is one.
    pub http: Option<&'a dyn HttpView>,
    /// Tokens, in the place of the rules' `cost`.
    pub cost: Option<u64>,
}

/// Which limit: the number of a rule, or one that the request brought along.
#[derive(Copy, Clone, Debug, PartialEq)]
pub enum LimitRef {
    /// A rule, by its slot in the [`RuleSet`](crate::rules::RuleSet).
    Rule(u32),
    /// Numbers of the request.
    Given(GivenLimit),
}

/// A limit that a request brought along (`CL.THROTTLE`, an override of Envoy's).
#[derive(Copy, Clone, Debug)]
pub struct GivenLimit {
    /// The algorithm.
    pub algorithm: &'static Algorithm,
    /// As in [`Limit`](crate::model::Limit).
    pub count: u64,
    /// As in [`Limit`](crate::model::Limit).
    pub period_ns: u64,
    /// As in [`Limit`](crate::model::Limit).
    pub burst: u64,
}

impl PartialEq for GivenLimit {
    fn eq(&self, other: &Self) -> bool {
        let numbers = |limit: &Self| (limit.count, limit.period_ns, limit.burst);
        std::ptr::eq(self.algorithm, other.algorithm) && numbers(self) == numbers(other)
    }
}

/// One limit that a request is held against.
#[derive(Clone, Debug)]
pub struct Item {
    /// Which.
    pub limit: LimitRef,
    /// Keyed hash of limit and key: the same on all cores of a node.
    pub hash: u64,
    /// Tokens; 0 is a peek.
    pub cost: u64,
    /// The key's text, a part of [`Matched::text`]. It names the rule too: `rule:key`.
    pub text: Range<usize>,
    /// The place of the descriptor it came from.
    pub descriptor: Option<usize>,
}

/// What the access lists say of a client.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub enum Access {
    /// Nothing: the rules decide.
    #[default]
    Limited,
    /// No rule applies.
    Free,
    /// Refused.
    Denied,
}

/// All limits that a request is held against. Kept by the caller and used again.
#[derive(Clone, Debug, Default)]
pub struct Matched {
    /// The limits, at most [`LIMITS_PER_CHECK_MAX`](crate::model::LIMITS_PER_CHECK_MAX).
    pub items: Vec<Item>,
    /// Texts of the keys, one behind the other.
    pub text: Vec<u8>,
    /// What the lists say.
    pub access: Access,
    /// Descriptors that a rule without limit (`unlimited`) fits, by place.
    pub unlimited: Vec<usize>,
    /// Memory in which matching brings paths into their normal form.
    pub(crate) scratch: Vec<u8>,
}

impl Matched {
    /// Forgets all but the memory.
    pub fn clear(&mut self) {
        self.items.clear();
        self.text.clear();
        self.unlimited.clear();
        self.access = Access::Limited;
    }

    /// The text of an item's key.
    #[must_use]
    pub fn text_of(&self, item: &Item) -> &[u8] {
        &self.text[item.text.clone()]
    }
}

/// What is to be done.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Take the costs, all or nothing.
    Take,
    /// Say what taking would say, and change nothing.
    Peek,
    /// Give back what was taken: a refund, the release of a permit, the rest of a reservation.
    GiveBack,
    /// Take it whether or not it is there: what was used above a reservation.
    Force,
}

/// What a limit says to one request.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    /// Which limit.
    pub limit: LimitRef,
    /// From which descriptor.
    pub descriptor: Option<usize>,
    /// What it says.
    pub outcome: crate::algorithm::Outcome,
    /// A shadow rule: what it says counts for nothing.
    pub is_shadow: bool,
}

/// Why a verdict is not by the limits alone.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub enum Reason {
    /// It is.
    #[default]
    Limits,
    /// The access lists.
    Lists,
    /// The store could not be asked in time and the rule says `open` or `closed`.
    Store,
    /// Too many checks wait.
    Overload,
}

impl Reason {
    /// Its word in answers and logs.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Limits => "limits",
            Self::Lists => "lists",
            Self::Store => "store",
            Self::Overload => "overload",
        }
    }
}

/// The answer to a check.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Verdict {
    /// Whether the request may go on.
    pub is_allowed: bool,
    /// Why.
    pub reason: Reason,
    /// What each limit says, in the order of the items.
    pub parts: Vec<Part>,
    /// Descriptors that are never limited, as [`Matched::unlimited`] has them.
    pub unlimited: Vec<usize>,
}
