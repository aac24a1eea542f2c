//! Job: say what machine the figures are of.
//! In: /proc and /sys. Out: [`Machine`].
//! Invariant: what the system does not tell is left out, never guessed; nothing here is an error.

use std::fs;

use serde::{Deserialize, Serialize};

/// The machine, and what it was busy with.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// What the processor calls itself.
    pub cpu: Option<String>,
    /// CPUs that this process may use.
    pub cpus: usize,
    /// Memory in MiB.
    pub memory_mib: Option<u64>,
    /// The kernel's release.
    pub kernel: Option<String>,
    /// Signs of a virtual machine or a container.
    pub virtualisation: Option<String>,
    /// How the clock rate of the first CPU is governed.
    pub governor: Option<String>,
    /// Load averages over 1, 5 and 15 minutes before the start.
    pub load_before: String,
}

impl Machine {
    /// This one, now.
    pub fn now() -> Self {
        let cpuinfo = read("/proc/cpuinfo").unwrap_or_default();
        let load = read("/proc/loadavg").unwrap_or_default();
        Self {
            cpu: field(&cpuinfo, "model name").or_else(|| field(&cpuinfo, "Processor")),
            cpus: std::thread::available_parallelism().map_or(0, usize::from),
            memory_mib: read("/proc/meminfo").and_then(|text| memory_mib(&text)),
            kernel: read("/proc/sys/kernel/osrelease"),
            virtualisation: virtualisation(&cpuinfo),
            governor: read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
            load_before: load.split(' ').take(3).collect::<Vec<_>>().join(" "),
        }
    }

    /// What stays the same from run to run, by name.
    pub fn hardware(&self) -> [(&'static str, String); 6] {
        let known = |text: &Option<String>| text.clone().unwrap_or_else(|| "not told".to_owned());
        let memory = self.memory_mib.map(|size| format!("{:.1} GiB", size as f64 / 1024.0));
        [
            ("processor", known(&self.cpu)),
            ("CPUs", self.cpus.to_string()),
            ("memory", known(&memory)),
            ("kernel", known(&self.kernel)),
            ("virtualisation", known(&self.virtualisation)),
            ("clock governor", known(&self.governor)),
        ]
    }

    /// All of it, in one line.
    pub fn line(&self) -> String {
        let hardware = self.hardware().map(|(what, value)| format!("{what} {value}"));
        format!("{}; load before the start {}", hardware.join("; "), self.load_before)
    }
}

fn read(path: &str) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    Some(text.trim().to_owned()).filter(|text| !text.is_empty())
}

/// The value behind `name` and a colon.
fn field(text: &str, name: &str) -> Option<String> {
    text.lines().find_map(|line| {
        let (found, value) = line.split_once(':')?;
        (found.trim() == name).then(|| value.trim().to_owned())
    })
}

fn memory_mib(meminfo: &str) -> Option<u64> {
    let kibibytes: u64 = field(meminfo, "MemTotal")?.strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes / 1024)
}

/// The flag that processors of virtual machines have, with the maker's name where it is told.
fn virtualisation(cpuinfo: &str) -> Option<String> {
    let flags = field(cpuinfo, "flags").unwrap_or_default();
    let is_guest = flags.split(' ').any(|flag| flag == "hypervisor");
    let maker = read("/sys/hypervisor/type").or_else(|| read("/sys/class/dmi/id/sys_vendor"));
    let is_contained = fs::exists("/.dockerenv").unwrap_or(false)
        || fs::exists("/run/.containerenv").unwrap_or(false);
    let guest = is_guest.then(|| {
        maker.map_or("virtual machine".to_owned(), |maker| format!("virtual machine ({maker})"))
    });
    let container = is_contained.then(|| "container".to_owned());
    let signs: Vec<String> = [guest, container].into_iter().flatten().collect();
    (!signs.is_empty()).then(|| signs.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_by_their_whole_name() {
        let text = "model\t: 207\nmodel name\t: A: B\nflags : fpu hypervisor\n";
        assert_eq!(field(text, "model name").as_deref(), Some("A: B"));
        assert_eq!(field(text, "name"), None);
        assert!(virtualisation(text).is_some_and(|signs| signs.starts_with("virtual machine")));
        assert_eq!(memory_mib("MemTotal:  2097152 kB\n"), Some(2048));
    }

    #[test]
    fn this_machine_says_something() {
        let machine = Machine::now();
        assert!(machine.cpus > 0 && machine.kernel.is_some());
        assert!(machine.line().contains("load before the start"));
    }
}
