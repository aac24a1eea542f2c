//! What a core does for its limiter from pass to pass.
//!
//! Job: rules, posts, events, time, and the orderly end. In: snapshots, mail, the ring. Out: posts to other
//! cores, verdicts. Invariant: rules are taken up before mail that may be about them; at the end every core
//! stays until no other can ask it any more, and all that was on loan is back.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use ringlet_limit::engine::outbox::Post;
use ringlet_limit_carrier::station::Station;
use ringlet_runtime::ring::Event;

use super::Limiter;
use crate::borrow::Mail;
use crate::core::Core;
use crate::limits::{SETTLE_MS, TICK_BUSY_MS};
use crate::snapshot::Snapshot;

/// Verdicts may make way for further ones; what these rounds leave is for the next pass.
const ROUNDS_MAX: usize = 2;

/// How far the limiter's end has come.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub enum Settling {
    /// Other cores may still have requests.
    #[default]
    Open,
    /// What other cores own goes back to them.
    Returning,
    /// What this core owns goes back to the store.
    Leaving,
    /// Nothing is left.
    Over,
}

impl Core {
    /// Goes over to the rules of a snapshot. The first ones make the limiter.
    pub fn take_up_rules(&mut self, snapshot: &Snapshot) {
        let Some(rules) = &snapshot.rules else { return };
        let now_ns = self.now_ns();
        match self.limiter.as_deref_mut() {
            Some(limiter) if Arc::ptr_eq(limiter.station.rules(), rules) => {}
            Some(limiter) => limiter.station.apply(rules.clone(), now_ns),
            None => {
                let (crew, seed) = (self.shared.crew.clone(), self.random.next_u64());
                let bell = self.ring.wake_handle();
                let station = Station::new(crew, self.index, rules.clone(), seed, now_ns, bell);
                self.limiter = Some(Box::new(Limiter::new(station)));
            }
        }
    }

    /// Takes what another core's limiter has sent, which may have its rules, and be there at all, by a
    /// snapshot that has come since this pass began.
    pub fn on_limit_post(&mut self, post: Post) {
        self.keep_up();
        let now_ns = self.now_ns();
        if let Some(limiter) = self.limiter.as_deref_mut() {
            limiter.station.on_post(post, now_ns);
        }
    }

    /// Takes an event that concerns the limiter's store; gives others back.
    #[inline]
    pub fn on_store_event(&mut self, event: Event) -> Option<Event> {
        let now_ns = self.now_ns();
        match self.limiter.as_deref_mut() {
            Some(limiter) => limiter.station.on_event(event, &mut self.ring, now_ns),
            None => Some(event),
        }
    }

    /// Carries what the limiter has for others, and hands out the verdicts that have come.
    pub fn work_limits(&mut self) {
        let now_ns = self.now_ns();
        for _ in 0..ROUNDS_MAX {
            let Some(limiter) = self.limiter.as_deref_mut() else { return };
            let posts = &mut limiter.posts;
            limiter.station.work(&mut self.ring, now_ns, |to, post| posts.push((to, post)));
            let finished = limiter.station.take_finished();
            let mut posts = std::mem::take(posts);
            posts.drain(..).for_each(|(to, post)| self.mail(to, Mail::Limit(post)));
            if let Some(limiter) = self.limiter.as_deref_mut() {
                limiter.posts = posts;
            }
            if finished.is_empty() {
                break;
            }
            finished.into_iter().for_each(|(ticket, verdict)| self.on_finished(ticket, verdict));
        }
        if self.limits_need_time() && self.ring.tick_ms() != TICK_BUSY_MS {
            self.ring.set_tick_ms(TICK_BUSY_MS);
        }
        self.tell_of_store();
    }

    /// Whether the limiter has something for the next pass.
    #[inline]
    pub fn limits_have_work(&self) -> bool {
        self.limiter.as_ref().is_some_and(|limiter| limiter.station.has_work())
    }

    /// Whether the limiter must see time pass.
    #[inline]
    pub fn limits_need_time(&self) -> bool {
        self.limiter.as_ref().is_some_and(|limiter| limiter.station.needs_ticks())
    }

    /// Drives the limiter's end once this core has no client any more; true when it is over.
    pub fn are_limits_settled(&mut self, settling: &mut Settling, drained_by_ms: i64) -> bool {
        let now_ns = self.now_ns();
        let Some(limiter) = self.limiter.as_deref_mut() else { return true };
        if self.now_ms >= drained_by_ms + SETTLE_MS {
            return true;
        }
        let shared = &self.shared;
        let next = match settling {
            Settling::Open if shared.draining.load(Ordering::Acquire) == 0 => {
                limiter.station.shut_down(now_ns);
                Settling::Returning
            }
            Settling::Returning if limiter.station.is_settled() => {
                shared.settling.fetch_sub(1, Ordering::AcqRel);
                Settling::Leaving
            }
            Settling::Leaving if shared.settling.load(Ordering::Acquire) == 0 => {
                // What other cores have given back meanwhile.
                limiter.station.shut_down(now_ns);
                Settling::Over
            }
            Settling::Over => return limiter.station.is_settled(),
            _ => return false,
        };
        *settling = next;
        false
    }
}
