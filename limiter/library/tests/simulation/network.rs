//! The way to the store.
//!
//! Job: decide when a call is carried out and when its reply comes. In: calls. Out: instants. Invariant:
//! calls of one connection are carried out in their order, and answered in it; no call twice.

use ringlet_base::random::Random;

use crate::scenario::{Scenario, Trouble};

const NS_PER_MS: u64 = 1_000_000;

/// A connection of one core to the store.
#[derive(Clone, Debug, Default)]
pub struct Connection {
    /// Rises when a connection is lost.
    pub generation: u64,
    /// Whether calls are sent.
    pub is_up: bool,
    carried_out_ns: u64,
    answered_ns: u64,
    /// Nothing is heard of it any more; what is sent may still arrive, or not.
    is_mute: bool,
    is_cut: bool,
}

/// What becomes of one call. None: it never happens.
#[derive(Clone, Copy, Debug)]
pub struct Fate {
    pub carried_out_ns: Option<u64>,
    pub answered_ns: Option<u64>,
    /// When whoever sent it gives up.
    pub given_up_ns: u64,
}

impl Connection {
    /// The first one of a core.
    pub fn open() -> Self {
        Self { is_up: true, ..Self::default() }
    }

    /// Another connection in the place of a lost one.
    pub fn replace(&mut self) {
        *self = Self { generation: self.generation + 1, ..Self::default() };
    }

    pub fn send(&mut self, scenario: &Scenario, random: &mut Random, at_ns: u64) -> Fate {
        let timeout_ns = scenario.timeout_ms * NS_PER_MS;
        let given_up_ns = at_ns + timeout_ns;
        let delay_max_ns = scenario.delay_max_us * 1000;
        let mut delay_ns = || 20_000 + random.below(delay_max_ns);
        let mut there_ns = at_ns + delay_ns();
        let back_ns = delay_ns();
        let is_unlucky = random.below(1000) < scenario.lost_per_mille;
        let misfortune = if is_unlucky { 1 + random.below(3) } else { 0 };
        if misfortune == 3 {
            there_ns = given_up_ns + random.below(10 * timeout_ns);
        }
        there_ns = there_ns.max(self.carried_out_ns + 1);
        for trouble in &scenario.troubles {
            match *trouble {
                Trouble::Pause { from_ms, to_ms } if is_in(there_ns, from_ms, to_ms) => {
                    there_ns = there_ns.max(to_ms * NS_PER_MS);
                }
                Trouble::Outage { from_ms, to_ms } if is_in(there_ns, from_ms, to_ms) => {
                    return Fate { carried_out_ns: None, answered_ns: None, given_up_ns };
                }
                _ => {}
            }
        }
        self.is_cut |= misfortune == 1;
        self.is_mute |= misfortune > 0;
        if self.is_cut {
            return Fate { carried_out_ns: None, answered_ns: None, given_up_ns };
        }
        self.carried_out_ns = there_ns;
        let answered_ns = (there_ns + back_ns).max(self.answered_ns + 1);
        self.answered_ns = answered_ns;
        let is_answered = !self.is_mute && answered_ns < given_up_ns;
        let answered_ns = is_answered.then_some(answered_ns);
        Fate { carried_out_ns: Some(there_ns), answered_ns, given_up_ns }
    }
}

fn is_in(at_ns: u64, from_ms: u64, to_ms: u64) -> bool {
    (from_ms * NS_PER_MS..to_ms * NS_PER_MS).contains(&at_ns)
}
