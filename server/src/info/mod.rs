//! Info: what INFO and MEMORY tell, summed over cores.
//! In: each core's figures, at one place of all queues. Out: the sections of INFO.
//! Invariant: a figure is true at that place, or it is not shown; what Ringlet does not have
//! (replicas, snapshots, eviction) is shown as Redis shows it when it is off.
//!
//! Each core writes a [`part`]; [`render`] sums the parts and writes the sections. What does not
//! depend on the cores is text that the client's core alone contributes ([`process`]).

pub mod figures;
pub mod part;
pub mod process;
pub mod render;

use ringlet_protocol::arguments::Arguments;

/// A section of INFO, in the order in which they are shown.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Section {
    /// The process.
    Server,
    /// Connections.
    Clients,
    /// Memory.
    Memory,
    /// Snapshots and the append-only file, of which there are none.
    Persistence,
    /// Counters.
    Stats,
    /// A master without replicas.
    Replication,
    /// Time on CPUs.
    Cpu,
    /// None.
    Modules,
    /// Counters of each command.
    CommandStats,
    /// Counters of each error code.
    ErrorStats,
    /// Percentiles of each command's duration.
    LatencyStats,
    /// On for clients that came through a core's own port.
    Cluster,
    /// Keys of each database.
    Keyspace,
    /// What only Ringlet has: cores, batches, limits.
    Ringlet,
}

/// All sections, their names in lower case, and whether INFO without arguments shows them.
pub const SECTIONS: [(Section, &str, bool); 14] = [
    (Section::Server, "server", true),
    (Section::Clients, "clients", true),
    (Section::Memory, "memory", true),
    (Section::Persistence, "persistence", true),
    (Section::Stats, "stats", true),
    (Section::Replication, "replication", true),
    (Section::Cpu, "cpu", true),
    (Section::Modules, "modules", true),
    (Section::CommandStats, "commandstats", false),
    (Section::ErrorStats, "errorstats", true),
    (Section::LatencyStats, "latencystats", false),
    (Section::Cluster, "cluster", true),
    (Section::Keyspace, "keyspace", true),
    (Section::Ringlet, "ringlet", true),
];

/// A set of sections.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Default)]
pub struct Wanted(pub u32);

impl Wanted {
    /// The sections that these words name; unknown names name none.
    pub fn of_words(words: Arguments<'_>) -> Wanted {
        let default = || sections(|default| default);
        if words.is_empty() {
            return default();
        }
        words.iter().fold(Wanted::default(), |wanted, word| {
            let name = word.to_ascii_lowercase();
            let more = match name.as_slice() {
                b"default" => default(),
                b"all" | b"everything" => sections(|_| true),
                name => SECTIONS
                    .iter()
                    .find(|(_, known, _)| known.as_bytes() == name)
                    .map_or(Wanted::default(), |(section, ..)| Wanted(1 << *section as u32)),
            };
            Wanted(wanted.0 | more.0)
        })
    }

    /// This section alone.
    pub fn only(section: Section) -> Wanted {
        Wanted(1 << section as u32)
    }

    /// True when the section is in the set.
    pub fn has(self, section: Section) -> bool {
        self.0 & 1 << section as u32 != 0
    }
}

fn sections(keep: impl Fn(bool) -> bool) -> Wanted {
    let kept = SECTIONS.iter().filter(|(_, _, is_default)| keep(*is_default));
    Wanted(kept.map(|(section, ..)| 1 << *section as u32).sum())
}

#[cfg(test)]
mod tests {
    use ringlet_protocol::arguments::ArgumentArena;

    use super::*;

    fn wanted(words: &[&str]) -> Wanted {
        let words: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
        let mut arena = ArgumentArena::new();
        let range = arena.push_words(&words);
        Wanted::of_words(arena.get(range))
    }

    #[test]
    fn words_name_sections() {
        assert!(wanted(&[]).has(Section::Server));
        assert!(!wanted(&[]).has(Section::CommandStats));
        assert!(wanted(&["ALL"]).has(Section::CommandStats));
        assert_eq!(wanted(&["everything"]), wanted(&["all"]));
        assert_eq!(wanted(&["default"]), wanted(&[]));
        let two = wanted(&["keyspace", "CPU", "nothing"]);
        assert!(two.has(Section::Keyspace) && two.has(Section::Cpu) && !two.has(Section::Server));
        assert_eq!(wanted(&["nothing"]), Wanted(0));
        for (place, (section, ..)) in SECTIONS.iter().enumerate() {
            assert_eq!(*section as usize, place, "the order of the table is that of the sections");
        }
    }
}
