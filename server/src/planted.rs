//! Planted bugs: rules of the contract that a test build can switch off.
//! In: the feature `planted-bugs` and the variable `RINGLET_PLANTED_BUG`. Out: whether a rule is
//! off.
//! Invariant: without the feature every rule holds and asking costs nothing.

/// A rule that can be switched off, to show that the contract tests notice.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Bug {
    /// Works for several shards are reserved without the sequencer.
    NoSequencer,
    /// A batch is published before the places of the others are reserved.
    PublishBeforeReserve,
    /// EXEC trusts that nothing has changed since WATCH.
    WatchFlag,
}

#[cfg(not(feature = "planted-bugs"))]
mod switch {
    /// Every rule holds.
    #[inline]
    pub const fn has(_: super::Bug) -> bool {
        false
    }
}

#[cfg(feature = "planted-bugs")]
mod switch {
    use super::Bug;

    static BUG: std::sync::LazyLock<Option<Bug>> = std::sync::LazyLock::new(|| {
        let name = std::env::var("RINGLET_PLANTED_BUG").ok()?;
        Some(match name.as_str() {
            "no-sequencer" => Bug::NoSequencer,
            "publish-before-reserve" => Bug::PublishBeforeReserve,
            "watch-flag" => Bug::WatchFlag,
            other => panic!("RINGLET_PLANTED_BUG={other} names no bug"),
        })
    });

    /// Whether this rule is off. Gives other cores a chance to come in between.
    pub fn has(bug: Bug) -> bool {
        let is_planted = *BUG == Some(bug);
        if is_planted {
            std::thread::yield_now();
        }
        is_planted
    }
}

pub use switch::has;
