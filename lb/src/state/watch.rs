//! Who looks after something, and that he should look now.
//!
//! Job: let any core ask for a look of the one core that decides. In: the owner; alarms of anybody. Out:
//! the core to ring, and what it finds raised. Invariant: an alarm is seen by the owner of the time at
//! which it was raised or is void, because a new owner looks by itself; while one is raised no further one
//! rings.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// The number of no core.
const NOBODY: usize = usize::MAX;

/// See the file's header.
#[derive(Debug)]
pub struct Watch {
    owner: AtomicUsize,
    is_raised: AtomicBool,
}

impl Default for Watch {
    fn default() -> Self {
        Self { owner: AtomicUsize::new(NOBODY), is_raised: AtomicBool::new(false) }
    }
}

impl Watch {
    /// By a core that takes it over.
    pub fn set_owner(&self, core: usize) {
        self.owner.store(core, Ordering::Release);
        self.is_raised.store(false, Ordering::Release);
    }

    /// Something has happened. Returns the core that must be told, if it has not been.
    #[must_use]
    pub fn raise(&self) -> Option<usize> {
        let is_news =
            !self.is_raised.load(Ordering::Relaxed) && !self.is_raised.swap(true, Ordering::AcqRel);
        let owner = self.owner.load(Ordering::Acquire);
        (is_news && owner != NOBODY).then_some(owner)
    }

    /// By its owner, who looks now: whether somebody has asked for that.
    pub fn take(&self) -> bool {
        self.is_raised.swap(false, Ordering::AcqRel)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alarm_rings_once_until_it_is_looked_at() {
        let watch = Watch::default();
        assert_eq!(watch.raise(), None, "nobody is there");
        watch.set_owner(3);
        assert_eq!(
            watch.raise(),
            Some(3),
            "what nobody saw does not keep the new owner from hearing"
        );
        assert_eq!(watch.raise(), None);
        assert!(watch.take() && !watch.take());
        assert_eq!(watch.raise(), Some(3));
    }
}
