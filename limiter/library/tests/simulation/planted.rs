//! Bugs that the simulation must notice.
//!
//! Job: change what goes between the engines and the world. In: calls, replies, settings. Out: wrong
//! ones. Invariant: the library itself is the real one; each bug is one that a limiter could have.

use ringlet_limit::engine::message::Message;
use ringlet_limit::store::StoreReply;

use crate::scenario::{Kind, RuleNumbers, Scenario};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Planted {
    None,
    /// A count whose reply is late or lost is sent again.
    RetriedCount,
    /// What was not used is given back when the window's key is gone.
    ReturnAfterExpiry,
    /// Chunks do not get smaller near the end of a limit, nobody bounds what lies about, and what nobody
    /// uses comes back too late to heal that.
    LostTaper,
    /// The store grants more than it has.
    GenerousStore,
    /// The store's clock is not where the node believes, by more than the error it reckons with.
    WrongClock,
    /// Messages between cores arrive twice.
    DoubledMessages,
}

pub const PLANTED: [Planted; 6] = [
    Planted::RetriedCount,
    Planted::ReturnAfterExpiry,
    Planted::LostTaper,
    Planted::GenerousStore,
    Planted::WrongClock,
    Planted::DoubledMessages,
];

impl Planted {
    /// The scenario as a limiter with the bug would understand it.
    pub fn believed(self, scenario: &Scenario) -> Scenario {
        match self {
            // With a long way to the next chunk, each is large: nothing but the taper keeps it small.
            Self::LostTaper => Scenario { held_per_mille: 1000, renew_ms: 100, ..scenario.clone() },
            _ => scenario.clone(),
        }
    }

    /// How many nodes a node believes there are.
    pub fn nodes(self, nodes: u64) -> u64 {
        if self == Self::LostTaper { 1 } else { nodes }
    }

    pub fn clock_wrong_ms(self, scenario: &Scenario) -> i64 {
        if self == Self::WrongClock { 4 * scenario.clock_error_ms as i64 + 10 } else { 0 }
    }

    pub fn reply(self, reply: StoreReply) -> StoreReply {
        match (self, reply) {
            (Self::GenerousStore, StoreReply::Counted { total, previous }) => {
                StoreReply::Counted { total: total - total / 8, previous }
            }
            (
                Self::GenerousStore,
                StoreReply::Leased { granted, remaining, retry_ms, epoch_ms, holders },
            ) => {
                StoreReply::Leased { granted: granted + 1, remaining, retry_ms, epoch_ms, holders }
            }
            _ => reply,
        }
    }

    /// A run in which the bug can show: tokens lie about at the end of a window only if requests move from
    /// node to node shortly before.
    pub fn shaped(self, mut scenario: Scenario) -> Scenario {
        if self == Self::LostTaper {
            let (algorithm, count, period_ms) = ("fixed-window", 300, 1000);
            scenario.rules[0] = RuleNumbers { algorithm, count, period_ms, burst: count };
            scenario.nodes = scenario.nodes.max(2);
            // Just enough for the limit, so that it lasts until the window ends.
            scenario.rate_per_s = 340;
            scenario.length_ms = 2500;
            scenario.stray_per_mille = 0;
            scenario.shift_ms = 40 + scenario.shift_ms / 4;
        }
        scenario
    }

    /// What the finding says, so that it is this bug that was noticed and not a side effect.
    pub fn signs(self) -> &'static [&'static str] {
        match self {
            Self::None => &[],
            Self::RetriedCount => &["in the store, but"],
            Self::ReturnAfterExpiry => &["outlives its use"],
            Self::LostTaper => &["were due"],
            Self::GenerousStore | Self::WrongClock | Self::DoubledMessages => {
                &["admitted in window", "above burst", "sliding:"]
            }
        }
    }

    /// The kind of run in which the bug shows.
    pub fn kinds(self) -> &'static [Kind] {
        match self {
            Self::RetriedCount => &[Kind::Lossy, Kind::Healthy],
            Self::LostTaper => &[Kind::Saturated],
            Self::DoubledMessages => &[Kind::Alone, Kind::Healthy],
            Self::None | Self::ReturnAfterExpiry | Self::GenerousStore | Self::WrongClock => {
                &[Kind::Healthy, Kind::Saturated]
            }
        }
    }
}

/// The same message once more, if it is one that moves tokens.
pub fn copy(message: &Message) -> Option<Message> {
    match message {
        Message::Lend { hash, limit, loan } => {
            Some(Message::Lend { hash: *hash, limit: *limit, loan: *loan })
        }
        Message::Correct { action, key, amount, taken } => {
            let (action, amount, taken) = (*action, *amount, *taken);
            Some(Message::Correct { action, key: key.clone(), amount, taken })
        }
        _ => None,
    }
}
