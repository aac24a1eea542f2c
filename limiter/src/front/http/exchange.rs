//! One request while its questions are being answered.
//!
//! Job: ask, and keep the answers in the order of the questions. In: questions of an endpoint, verdicts
//! in any order. Out: what the endpoint writes its response from. Invariant: an exchange is complete
//! when every question has its answer; its memory is used again by the next one.

use ringlet_limit::request::{Action, Verdict};

use super::endpoints::Endpoint;
use super::response::About;
use crate::front::{BadQuestion, Desk, Question};

/// One request.
#[derive(Debug, Default)]
pub(super) struct Exchange {
    pub(super) about: About,
    /// Where it goes; none while there is no request.
    pub(super) endpoint: Option<&'static Endpoint>,
    /// The status of a denial, if the request has chosen one.
    pub(super) deny_status: Option<u16>,
    /// Whether the answers are a list, whatever their number.
    pub(super) is_batch: bool,
    /// Descriptors of Envoy's request.
    pub(super) descriptors: usize,
    slots: Vec<Slot>,
    /// Slots that this exchange uses.
    used: usize,
    waiting: usize,
}

/// The answer to one question.
#[derive(Debug, Default)]
struct Slot {
    is_waiting: bool,
    error: Option<BadQuestion>,
    verdict: Verdict,
}

impl Exchange {
    /// Forgets the former request.
    pub(super) fn begin(&mut self, about: About, endpoint: &'static Endpoint) {
        // What a batch has grown is not kept.
        self.slots.truncate(1);
        let slots = std::mem::take(&mut self.slots);
        *self = Self { about, endpoint: Some(endpoint), slots, ..Self::default() };
    }

    /// Asks; the answer stands behind those of former questions.
    pub(super) fn ask(&mut self, desk: &mut dyn Desk, question: &Question<'_>, action: Action) {
        let ticket = self.used;
        let slot = self.next_slot();
        let asked = desk.ask(ticket as u32, question, action, &mut slot.verdict);
        slot.is_waiting = asked == Ok(false);
        slot.error = asked.err();
        self.waiting += usize::from(self.slots[ticket].is_waiting);
    }

    /// A question that cannot even be asked.
    pub(super) fn note_bad(&mut self, error: BadQuestion) {
        let slot = self.next_slot();
        slot.is_waiting = false;
        slot.error = Some(error);
    }

    fn next_slot(&mut self) -> &mut Slot {
        if self.used == self.slots.len() {
            self.slots.push(Slot::default());
        }
        self.used += 1;
        &mut self.slots[self.used - 1]
    }

    /// Takes an answer that was still to come. False: nothing waits for it.
    pub(super) fn take(&mut self, ticket: u32, verdict: &Verdict) -> bool {
        let slot = self.slots[..self.used].get_mut(ticket as usize);
        let Some(slot) = slot.filter(|slot| slot.is_waiting) else { return false };
        slot.is_waiting = false;
        slot.verdict.is_allowed = verdict.is_allowed;
        slot.verdict.reason = verdict.reason;
        slot.verdict.parts.clone_from(&verdict.parts);
        slot.verdict.unlimited.clone_from(&verdict.unlimited);
        self.waiting -= 1;
        true
    }

    pub(super) fn is_complete(&self) -> bool {
        self.waiting == 0
    }

    /// The answers, in the order of the questions.
    pub(super) fn answers(&self) -> impl Iterator<Item = Result<&Verdict, &BadQuestion>> {
        self.slots[..self.used].iter().map(|slot| match &slot.error {
            None => Ok(&slot.verdict),
            Some(error) => Err(error),
        })
    }
}
