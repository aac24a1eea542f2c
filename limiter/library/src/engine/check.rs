//! Checks of this core's own clients.
//!
//! Job: ask each limit, wait for those that need others, and make one verdict. In: [`Matched`]. Out:
//! verdicts. Invariant: when one limit refuses, the others are asked only what they would say, and what
//! was taken from them goes back.

use super::Engine;
use super::limits::{Found, Unresolved};
use super::message::{Key, Message};
use super::owner::Owned;
use super::part::{Asked, is_allowed, write_verdict};
use super::pending::Pending;
use crate::lease::{Answer, Asker};
use crate::request::{Access, Action, Item, Matched, Part, Reason, Verdict};
use crate::time::Now;

impl Engine {
    /// Decides. True: `verdict` is filled in. False: it comes later, with `ticket`, from
    /// [`Engine::take_finished`].
    pub fn check(
        &mut self,
        matched: &Matched,
        action: Action,
        ticket: u64,
        now: Now,
        verdict: &mut Verdict,
    ) -> bool {
        self.now = now;
        verdict.parts.clear();
        verdict.unlimited.clone_from(&matched.unlimited);
        verdict.reason =
            if matched.access == Access::Limited { Reason::Limits } else { Reason::Lists };
        verdict.is_allowed = matched.access != Access::Denied;
        if matched.access != Access::Limited || matched.items.is_empty() {
            return true;
        }
        match action {
            Action::Take | Action::Peek => self.ask(matched, action, ticket, now, verdict),
            Action::GiveBack | Action::Force => {
                self.correct(matched, action, now, verdict);
                true
            }
        }
    }

    fn ask(
        &mut self,
        matched: &Matched,
        action: Action,
        ticket: u64,
        now: Now,
        verdict: &mut Verdict,
    ) -> bool {
        if self.pending.is_full() {
            verdict.is_allowed = false;
            verdict.reason = Reason::Overload;
            return true;
        }
        if let [item] = &matched.items[..]
            && self.decide_alone(item, action, now, verdict)
        {
            return true;
        }
        let check = self.pending.next_number();
        let mut parts = std::mem::take(&mut self.parts);
        parts.clear();
        let mut missing = 0;
        let mut is_refused = false;
        for (part, item) in matched.items.iter().enumerate() {
            let action = if is_refused { Action::Peek } else { action };
            let asker = Asker { core: self.settings.core, check, part };
            let found = self.find(&item.limit);
            let mut asked = self.asked(item, found);
            asked.answer = self.ask_item(item, matched.text_of(item), found, action, asker, now);
            asked.is_taken = action == Action::Take
                && item.cost > 0
                && asked.answer.is_none_or(|answer| answer.outcome.is_allowed);
            missing += usize::from(asked.answer.is_none());
            is_refused |= asked.refuses();
            parts.push(asked);
        }
        self.deliver();
        if missing == 0 {
            self.undo_if_refused(&parts);
            write_verdict(&parts, verdict);
            self.parts = parts;
            return true;
        }
        let unlimited = std::mem::take(&mut verdict.unlimited);
        self.pending.add(Pending { ticket, action, parts, missing, unlimited });
        false
    }

    /// Decides a check of one limit whose state is here: nothing to wait for, nothing to undo. False if it
    /// is not of this kind. Most checks are, and half of what they would cost is spared.
    fn decide_alone(
        &mut self,
        item: &Item,
        action: Action,
        now: Now,
        verdict: &mut Verdict,
    ) -> bool {
        if self.owner(item.hash) != self.settings.core {
            return false;
        }
        let Ok(found) = self.find(&item.limit) else { return false };
        if found.is_leased {
            return false;
        }
        let Some(outcome) = self.ask_state(item.hash, found.number, action, item.cost, now) else {
            return false;
        };
        verdict.is_allowed = outcome.is_allowed || found.is_shadow;
        let (limit, descriptor, is_shadow) = (item.limit, item.descriptor, found.is_shadow);
        verdict.parts.push(Part { limit, descriptor, outcome, is_shadow });
        true
    }

    fn asked(&self, item: &Item, found: Result<Found, Unresolved>) -> Asked {
        Asked {
            limit: item.limit,
            hash: item.hash,
            cost: item.cost,
            descriptor: item.descriptor,
            is_shadow: found.is_ok_and(|found| found.is_shadow),
            is_quota: found.is_ok_and(|found| found.is_quota),
            answer: None,
            answered: self.now,
            is_taken: false,
        }
    }

    fn ask_item(
        &mut self,
        item: &Item,
        text: &[u8],
        found: Result<Found, Unresolved>,
        action: Action,
        asker: Asker,
        now: Now,
    ) -> Option<Answer> {
        let owner = self.owner(item.hash);
        if owner == self.settings.core {
            let key = Owned { limit: item.limit, hash: item.hash, text };
            return self.ask_owned(key, found, action, item.cost, asker, now);
        }
        if action == Action::Take && item.cost > 0 {
            let answer = self.loans.take(item.hash, item.cost, &self.clocks(now));
            if answer.is_some() {
                return answer;
            }
        }
        let key = self.key(item.limit, item.hash, text);
        let message = Message::Ask { asker, action, key, cost: item.cost };
        self.messages.push((owner, message));
        None
    }

    /// The text goes along only where a lease may need it.
    fn key(&self, limit: crate::request::LimitRef, hash: u64, text: &[u8]) -> Key {
        let text = if self.settings.has_store { text.into() } else { Box::default() };
        Key { limit, hash, text }
    }

    fn correct(&mut self, matched: &Matched, action: Action, now: Now, verdict: &mut Verdict) {
        for item in &matched.items {
            self.correct_item(item, matched.text_of(item), action, now, now);
        }
        self.deliver();
        verdict.is_allowed = true;
    }

    fn correct_item(&mut self, item: &Item, text: &[u8], action: Action, taken: Now, now: Now) {
        let owner = self.owner(item.hash);
        if owner == self.settings.core {
            let key = Owned { limit: item.limit, hash: item.hash, text };
            self.correct_owned(key, action, item.cost, taken, now);
        } else if action != Action::GiveBack
            || !self.loans.give_back(item.hash, item.cost, &self.clocks(taken), &self.clocks(now))
        {
            let key = self.key(item.limit, item.hash, text);
            let message = Message::Correct { action, key, amount: item.cost, taken };
            self.messages.push((owner, message));
        }
    }

    /// One part of a check is known.
    pub(super) fn on_answer(&mut self, asker: Asker, answer: Answer) {
        let Some(pending) = self.pending.get_mut(asker.check) else { return };
        let Some(part) = pending.parts.get_mut(asker.part) else { return };
        if part.answer.replace(answer).is_some() {
            return;
        }
        part.answered = self.now;
        part.is_taken &= answer.outcome.is_allowed;
        pending.missing -= 1;
        if pending.missing > 0 {
            return;
        }
        let Some(pending) = self.pending.take(asker.check) else { return };
        let mut verdict = Verdict { unlimited: pending.unlimited, ..Verdict::default() };
        self.undo_if_refused(&pending.parts);
        write_verdict(&pending.parts, &mut verdict);
        self.finished.push((pending.ticket, verdict));
    }

    /// What was taken from limits that allowed it goes back when another one did not.
    fn undo_if_refused(&mut self, parts: &[Asked]) {
        if is_allowed(parts) {
            return;
        }
        for part in parts.iter().filter(|part| part.is_taken) {
            let item = Item {
                limit: part.limit,
                hash: part.hash,
                cost: part.cost,
                text: 0..0,
                descriptor: None,
            };
            self.correct_item(&item, &[], Action::GiveBack, part.answered, self.now);
        }
    }
}
