//! Job: count cache misses and lines that come from other cores, where perf(1) may.
//! In: a process id. Out: how often each event came.
//! Invariant: nothing is counted that the machine does not have: an event is tried before it is used.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Events that tell of lines that another core had: of Intel's older and newer cores, of AMD's.
const EVENTS: [&str; 4] = [
    "cache-misses",
    "mem_load_l3_hit_retired.xsnp_hitm",
    "mem_load_l3_hit_retired.xsnp_fwd",
    "ls_any_fills_from_sys.int_cache",
];

/// A counter of events.
#[derive(Debug)]
pub struct Perf {
    events: Vec<&'static str>,
    file: PathBuf,
}

impl Perf {
    /// The events that can be counted here.
    ///
    /// # Errors
    /// None can, and why.
    pub fn new() -> Result<Self, String> {
        let file = std::env::temp_dir().join(format!("ringlet-bench-perf-{}", std::process::id()));
        let mut why = String::from("perf counts no such event");
        let mut events = Vec::new();
        for event in EVENTS {
            match try_event(event) {
                Ok(true) => events.push(event),
                Ok(false) => {}
                Err(error) => why = format!("perf: {error}"),
            }
        }
        if events.is_empty() { Err(why) } else { Ok(Self { events, file }) }
    }

    /// The words in front of a command, during which the events of `pid` are counted.
    pub fn wrapper(&self, pid: u32) -> Vec<String> {
        let file = self.file.display().to_string();
        let events = self.events.join(",");
        let pid = pid.to_string();
        ["perf", "stat", "-x,", "-o", &file, "-e", &events, "-p", &pid, "--"]
            .map(str::to_owned)
            .to_vec()
    }

    /// How often each event came.
    ///
    /// # Errors
    /// perf has written nothing.
    pub fn counts(&self) -> io::Result<Vec<(String, f64)>> {
        Ok(parse(&fs::read_to_string(&self.file)?))
    }
}

impl Drop for Perf {
    fn drop(&mut self) {
        // It is not there if nothing was counted.
        let _ = fs::remove_file(&self.file);
    }
}

fn try_event(event: &str) -> io::Result<bool> {
    let output = Command::new("perf")
        .args(["stat", "-x,", "-e", event, "--"])
        .arg(Path::new("/bin/true"))
        .stdin(Stdio::null())
        .output()?;
    Ok(output.status.success() && !parse(&String::from_utf8_lossy(&output.stderr)).is_empty())
}

/// Lines of `perf stat -x,`: count, unit, event and more; a count that is no number was not counted.
fn parse(text: &str) -> Vec<(String, f64)> {
    let line = |line: &str| {
        let mut fields = line.split(',');
        let count: f64 = fields.next()?.trim().parse().ok()?;
        let event = fields.nth(1)?;
        (!event.is_empty()).then(|| (event.to_owned(), count))
    };
    text.lines().filter_map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_counted_is_told() {
        let text = "# started on Mon\n\n123456,,cache-misses:u,1000,100.00,,\n\
                    <not supported>,,mem_load_l3_hit_retired.xsnp_hitm,0,100.00,,\n\
                    <not counted>,,x,0,0.00,,\n0,,ls_any_fills_from_sys.int_cache,1,100.00,,\n";
        let expected = [("cache-misses:u", 123_456.0), ("ls_any_fills_from_sys.int_cache", 0.0)];
        assert_eq!(parse(text), expected.map(|(name, count)| (name.to_owned(), count)));
        assert!(parse("").is_empty());
    }

    #[test]
    fn an_unknown_event_cannot_be_counted() {
        assert!(!try_event("no_such_event_at_all").unwrap_or(false));
    }
}
