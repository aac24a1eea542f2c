//! Who of a pool gets requests, from all that is known of its servers.
//!
//! Job: priorities, drain, maintenance, and what to do when too few servers are left. In: the facts
//! of each server. Out: for each server what it may get, and in which mode that was decided.
//! Invariant: a pure function of the facts, so that all cores agree; a server in maintenance gets
//! nothing and a draining one nothing new, in every mode; while one server that may get requests is
//! not down, the pool serves.
//!
//! Servers of one priority are a group. The lowest group that is fit serves alone: one with a
//! usable server and with at least `panic_percent` of its servers usable. So a group that has
//! nearly gone is relieved by its backups; when these are no better ejections are ignored, and only
//! at last checks.

use crate::model::AdminState;
use crate::state::Checked;

/// What is known of a server.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// By the active check.
    pub checked: Checked,
    /// By what requests met.
    pub is_ejected: bool,
    /// By the administrator.
    pub admin: AdminState,
    /// 0 gets nothing new, as if it were drained.
    pub weight: u32,
    /// The lowest serves.
    pub priority: u8,
}

/// What a server may get.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Use {
    /// Nothing.
    Nothing,
    /// What sticks to it.
    Sticky,
    /// Everything.
    Everything,
}

/// How the servers were found.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Those that are well serve.
    #[default]
    Healthy,
    /// Too few would be usable without those that are ejected, so they serve all the same: an
    /// ejection says that others do better, and there are not enough others. Checks are still
    /// believed.
    EjectionsIgnored,
    /// Panic: even with those too few would be usable, so that checks are no longer believed and
    /// all that the administrator allows serve.
    Panic,
    /// Nobody serves.
    NoServer,
}

/// Who of a pool gets requests.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Availability {
    /// For each server.
    pub uses: Vec<Use>,
    /// How they were found; a change to or from [`Mode::Panic`] is worth a log line.
    pub mode: Mode,
    /// Of the group that serves, if one does.
    pub priority: Option<u8>,
}

impl Facts {
    /// Whether new requests may be given to it, if its health allows.
    fn takes_new(&self) -> bool {
        self.admin == AdminState::Ready && self.weight > 0
    }

    /// Whether its health allows requests in this mode.
    fn is_well_enough(&self, mode: Mode) -> bool {
        match mode {
            Mode::Healthy | Mode::NoServer => self.checked != Checked::Down && !self.is_ejected,
            Mode::EjectionsIgnored => self.checked != Checked::Down,
            Mode::Panic => true,
        }
    }
}

impl Availability {
    /// Decides anew. Below `panic_percent` of usable servers ejections and then checks are ignored;
    /// 0 ignores checks never, and ejections only when nobody else is left.
    pub fn update(&mut self, servers: &[Facts], panic_percent: u8) {
        (self.mode, self.priority) = choose(servers, panic_percent);
        self.uses.clear();
        self.uses.extend(servers.iter().map(|server| {
            if server.admin == AdminState::Maintenance || !server.is_well_enough(self.mode) {
                Use::Nothing
            } else if server.takes_new() && self.priority == Some(server.priority) {
                Use::Everything
            } else {
                Use::Sticky
            }
        }));
    }

    /// Servers that get everything.
    #[must_use]
    pub fn serving(&self) -> usize {
        self.uses.iter().filter(|&&one| one == Use::Everything).count()
    }
}

fn choose(servers: &[Facts], panic_percent: u8) -> (Mode, Option<u8>) {
    let fit = |mode, percent| lowest_fit_group(servers, mode, percent);
    for mode in [Mode::Healthy, Mode::EjectionsIgnored] {
        if let Some(priority) = fit(mode, panic_percent) {
            return (mode, Some(priority));
        }
    }
    if panic_percent > 0 {
        // The group with somebody who is well comes first; a backup is not woken for nothing.
        let modes = [Mode::Healthy, Mode::EjectionsIgnored, Mode::Panic];
        if let Some(priority) = modes.into_iter().find_map(|mode| fit(mode, 0)) {
            return (Mode::Panic, Some(priority));
        }
    }
    (Mode::NoServer, None)
}

/// The lowest priority of which somebody, and at least `percent` of all who take new requests, is
/// well enough.
fn lowest_fit_group(servers: &[Facts], mode: Mode, percent: u8) -> Option<u8> {
    let mut next = servers.iter().map(|server| server.priority).min();
    while let Some(priority) = next {
        let group = || servers.iter().filter(|one| one.priority == priority && one.takes_new());
        let usable = group().filter(|server| server.is_well_enough(mode)).count();
        if usable > 0 && usable * 100 >= group().count() * usize::from(percent) {
            return Some(priority);
        }
        next = servers.iter().map(|server| server.priority).filter(|&other| other > priority).min();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::AdminState::{Drain, Maintenance, Ready};
    use crate::state::Checked::{Down, Unknown, Up};

    /// A server written as: priority, health (`u`p, `d`own, `?` unknown, `e`jected, `E`jected and
    /// down), and what the administrator wants (nothing, `D`rain, `M`aintenance, `0` weight).
    fn server(text: &str) -> Facts {
        let marks: Vec<char> = text.chars().collect();
        Facts {
            priority: marks[0].to_digit(10).expect("a digit") as u8,
            checked: match marks[1] {
                'd' | 'E' => Down,
                '?' => Unknown,
                _ => Up,
            },
            is_ejected: matches!(marks[1], 'e' | 'E'),
            admin: match marks.get(2) {
                Some('D') => Drain,
                Some('M') => Maintenance,
                _ => Ready,
            },
            weight: u32::from(marks.get(2) != Some(&'0')),
        }
    }

    /// `+` everything, `s` sticky, `-` nothing; with the mode and the priority.
    fn decide(servers: &str, panic_percent: u8) -> (String, Mode, Option<u8>) {
        let facts: Vec<Facts> = servers.split(' ').map(server).collect();
        let mut availability = Availability::default();
        availability.update(&facts, panic_percent);
        let uses: String = availability
            .uses
            .iter()
            .map(|one| match one {
                Use::Everything => '+',
                Use::Sticky => 's',
                Use::Nothing => '-',
            })
            .collect();
        assert_eq!(availability.serving(), uses.matches('+').count());
        (uses, availability.mode, availability.priority)
    }

    #[track_caller]
    fn check(servers: &str, panic_percent: u8, uses: &str, mode: Mode, priority: Option<u8>) {
        assert_eq!(decide(servers, panic_percent), (uses.to_owned(), mode, priority), "{servers}");
    }

    #[test]
    fn what_is_well_serves_and_what_was_never_checked_is_well() {
        check("0u 0? 0d 0e 0E", 0, "++---", Mode::Healthy, Some(0));
    }

    #[test]
    fn the_lowest_group_with_a_usable_server_serves_alone() {
        check("0u 0d 1u 2u", 0, "+-ss", Mode::Healthy, Some(0));
        check("0d 0d 1u 2u", 0, "--+s", Mode::Healthy, Some(1));
        check("0d 0e 1d 2u 2u", 0, "---++", Mode::Healthy, Some(2));
        check("5u 3u", 0, "s+", Mode::Healthy, Some(3));
        // Administration moves on to the backups as well.
        check("0uM 0uD 0u0 1u", 0, "-ss+", Mode::Healthy, Some(1));
    }

    #[test]
    fn drain_keeps_what_sticks_and_maintenance_nothing() {
        check("0u 0uD 0uM 0u0", 50, "+s-s", Mode::Healthy, Some(0));
        check("0u 0dD 0eD", 0, "+--", Mode::Healthy, Some(0));
        check("0uD 0uD", 50, "ss", Mode::NoServer, None);
        check("0uM", 50, "-", Mode::NoServer, None);
        check("0uM 0uD", 0, "-s", Mode::NoServer, None);
    }

    #[test]
    fn too_few_usable_servers_mean_panic() {
        check("0u 0u 0d 0d", 50, "++--", Mode::Healthy, Some(0));
        check("0u 0d 0d 0d", 50, "++++", Mode::Panic, Some(0));
        check("0u 0d 0d 0d", 0, "+---", Mode::Healthy, Some(0));
        check("0d 0d 0E", 50, "+++", Mode::Panic, Some(0));
        check("0d 0d", 0, "--", Mode::NoServer, None);
        check("0d 0d", 1, "++", Mode::Panic, Some(0));
        // Not even then does the administrator's word count for nothing.
        check("0d 0d 0dM 0uM 0dD", 50, "++--s", Mode::Panic, Some(0));
    }

    #[test]
    fn what_an_administrator_takes_out_is_no_reason_to_panic() {
        check("0u 0u 0uM 0uM 0uM 0uD 0uD", 60, "++---ss", Mode::Healthy, Some(0));
    }

    #[test]
    fn backups_come_before_panic_and_panic_stays_in_one_group() {
        check("0u 0d 0d 1u", 50, "s--+", Mode::Healthy, Some(1));
        check("0u 0d 0d 1u 1d 1d", 50, "+++sss", Mode::Panic, Some(0));
        check("0d 0d 0d 1u 1d 1d", 50, "sss+++", Mode::Panic, Some(1));
        check("0d 0d 1d", 50, "++s", Mode::Panic, Some(0));
        check("0e 0d 0d 1u 1d 1d", 50, "sss+++", Mode::Panic, Some(1));
        check("0d 0d 0d 1e 1d 1d", 50, "sss+++", Mode::Panic, Some(1));
    }

    #[test]
    fn ejections_are_ignored_before_checks_are() {
        check("0e 0e", 0, "++", Mode::EjectionsIgnored, Some(0));
        check("0e 0E 0d", 0, "+--", Mode::EjectionsIgnored, Some(0));
        check("0e 0d 0d", 50, "+++", Mode::Panic, Some(0));
        check("0e 0e 0d", 50, "++-", Mode::EjectionsIgnored, Some(0));
        check("0u 0e 0e 0d", 50, "+++-", Mode::EjectionsIgnored, Some(0));
        check("0u 0e 0d 0d 0d", 50, "+++++", Mode::Panic, Some(0));
        check("0d 0d 1e", 0, "--+", Mode::EjectionsIgnored, Some(1));
        check("0e 1u", 0, "-+", Mode::Healthy, Some(1));
    }

    #[test]
    fn an_empty_pool_has_nobody() {
        let mut availability = Availability::default();
        availability.update(&[], 50);
        assert_eq!((availability.mode, availability.priority), (Mode::NoServer, None));
    }

    /// Every pool of three servers: the promises of the file's header.
    #[test]
    fn the_promises_hold_for_every_small_pool() {
        let mut kinds = Vec::new();
        for priority in ["0", "1"] {
            for health in ["u", "d", "?", "e", "E"] {
                kinds.extend(["", "D", "M", "0"].map(|admin| format!("{priority}{health}{admin}")));
            }
        }
        for one in &kinds {
            for two in &kinds {
                for three in &kinds {
                    for panic_percent in [0, 40, 100] {
                        keep_promises(&format!("{one} {two} {three}"), panic_percent);
                    }
                }
            }
        }
    }

    fn keep_promises(servers: &str, panic_percent: u8) {
        let facts: Vec<Facts> = servers.split(' ').map(server).collect();
        let (uses, mode, priority) = decide(servers, panic_percent);
        for (one, given) in facts.iter().zip(uses.chars()) {
            let allowed = match one.admin {
                Maintenance => "-",
                Drain => "-s",
                Ready if one.weight == 0 => "-s",
                Ready => "-s+",
            };
            assert!(allowed.contains(given), "{servers}: {uses}");
            if given == '+' {
                assert_eq!(priority, Some(one.priority), "{servers}: {uses}");
                assert!(mode == Mode::Panic || one.checked != Down, "{servers}: {uses}");
            }
        }
        let is_there = |one: &Facts| one.takes_new() && one.checked != Down;
        assert!(uses.contains('+') || !facts.iter().any(is_there), "{servers}: {uses}");
        assert_eq!(mode == Mode::NoServer, !uses.contains('+'), "{servers}: {uses}");
        assert!(mode != Mode::Panic || panic_percent > 0, "{servers}: {uses}");
        if panic_percent > 0 && facts.iter().any(Facts::takes_new) {
            assert!(uses.contains('+'), "panic leaves nobody without a server: {servers}");
        }
    }
}
