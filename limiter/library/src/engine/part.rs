//! One limit of a check.
//!
//! Job: what is asked of one limit, and how the answers make a verdict. In: answers. Out: a
//! [`Verdict`]. Invariant: a shadow rule never refuses; a quota rule refuses only when all do.

use crate::lease::{Answer, Decided};
use crate::request::{LimitRef, Part, Reason, Verdict};
use crate::time::Now;

/// One limit of a check, with its answer once that is known.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The limit.
    pub limit: LimitRef,
    /// The key.
    pub hash: u64,
    /// Tokens.
    pub cost: u64,
    /// From which descriptor.
    pub descriptor: Option<usize>,
    /// A shadow rule's.
    pub is_shadow: bool,
    /// A quota rule's.
    pub is_quota: bool,
    /// What it said.
    pub answer: Option<Answer>,
    /// When it said it: a window is not near its end then, so it is the one that was taken from.
    pub answered: Now,
    /// Whether tokens were taken, so that a refusal elsewhere must give them back.
    pub is_taken: bool,
}

impl Asked {
    /// Whether this part alone refuses the request.
    #[must_use]
    pub fn refuses(&self) -> bool {
        !self.is_shadow && !self.is_quota && self.is_denied()
    }

    fn is_denied(&self) -> bool {
        self.answer.is_some_and(|answer| !answer.outcome.is_allowed)
    }
}

/// Whether the parts, all known, let the request go on.
#[must_use]
pub fn is_allowed(parts: &[Asked]) -> bool {
    let mut quotas = parts.iter().filter(|part| part.is_quota && !part.is_shadow).peekable();
    let is_over_quota = quotas.peek().is_some() && parts.iter().all(Asked::is_denied);
    !is_over_quota && !parts.iter().any(Asked::refuses)
}

/// Why the verdict is as it is. What refuses by its limit comes before what refuses as it knows nothing:
/// a client that asks again is refused again.
fn reason(parts: &[Asked], is_allowed: bool) -> Reason {
    let counts = |part: &&Asked| is_allowed || (!part.is_shadow && part.is_denied());
    let mut reasons = parts.iter().filter(counts).filter_map(|part| part.answer);
    let mut found = None;
    let by_limit = reasons.any(|answer| {
        let by = answer.by;
        found = found.or(Some(by).filter(|_| by != Decided::Limit));
        !is_allowed && matches!(by, Decided::Limit | Decided::Share)
    });
    match found {
        _ if by_limit => Reason::Limits,
        None | Some(Decided::Limit) => Reason::Limits,
        Some(Decided::Overload) => Reason::Overload,
        Some(Decided::Share | Decided::Policy) => Reason::Store,
    }
}

/// Writes the verdict of parts that are all known.
pub fn write_verdict(parts: &[Asked], verdict: &mut Verdict) {
    verdict.is_allowed = is_allowed(parts);
    verdict.reason = reason(parts, verdict.is_allowed);
    verdict.parts.clear();
    for part in parts {
        let Some(answer) = part.answer else { continue };
        let mut outcome = answer.outcome;
        if part.is_taken && !verdict.is_allowed {
            // It goes back.
            outcome.remaining = outcome.remaining.saturating_add(part.cost);
        }
        verdict.parts.push(Part {
            limit: part.limit,
            descriptor: part.descriptor,
            outcome,
            is_shadow: part.is_shadow,
        });
    }
}
