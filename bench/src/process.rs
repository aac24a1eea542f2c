//! Job: read from /proc what a process has used.
//! In: a process id. Out: CPU time, resident memory, time spent waiting for a CPU.
//! Invariant: figures are those of the whole process: all its threads, also ended ones where the
//! kernel still counts them. The text formats are those of proc(5).

use std::fs;
use std::io;
use std::time::Duration;

/// Clock ticks of /proc/PID/stat per second. Linux shows user space 100 on every architecture
/// (USER_HZ), whatever the kernel's own tick is.
const TICKS_PER_SECOND: u64 = 100;

/// CPU time of a process since it began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CpuTime {
    /// Time in user mode.
    pub user: Duration,
    /// Time in the kernel on its behalf.
    pub system: Duration,
}

impl CpuTime {
    /// User and system time.
    pub fn total(self) -> Duration {
        self.user + self.system
    }

    /// What was used since `earlier`.
    pub fn since(self, earlier: Self) -> Self {
        Self {
            user: self.user.saturating_sub(earlier.user),
            system: self.system.saturating_sub(earlier.system),
        }
    }
}

/// CPU time of `pid`, with the kernel's resolution of 10 ms.
///
/// # Errors
/// The process is gone, or the file is not as proc(5) says.
pub fn cpu_time(pid: u32) -> io::Result<CpuTime> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    parse_stat(&text).ok_or_else(|| malformed("stat", pid))
}

/// A process and those that it has started and that they have started, the oldest first.
///
/// # Errors
/// /proc cannot be read.
pub fn tree(pid: u32) -> io::Result<Vec<u32>> {
    let mut parents = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let name = entry?.file_name();
        let Some(child) = name.to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        // One that has ended in between is nobody's child any more.
        let Ok(text) = fs::read_to_string(format!("/proc/{child}/stat")) else { continue };
        parents.extend(parse_parent(&text).map(|parent| (child, parent)));
    }
    let mut found = vec![pid];
    let mut next = 0;
    while let Some(&parent) = found.get(next) {
        found.extend(parents.iter().filter(|(_, of)| *of == parent).map(|(child, _)| *child));
        next += 1;
    }
    Ok(found)
}

/// Whether a process is gone, or only its parent has not heard of its end yet.
pub fn has_ended(pid: u32) -> bool {
    let state = |text: &str| fields(text)?.next().map(|state| matches!(state, "Z" | "X"));
    fs::read_to_string(format!("/proc/{pid}/stat")).map_or(true, |text| state(&text) == Some(true))
}

/// A process and when it began: its id alone may be that of another one later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Its id.
    pub pid: u32,
    began_ticks: u64,
}

impl Identity {
    /// That of the process which has the id now; `None` if none has it.
    pub fn of(pid: u32) -> Option<Self> {
        let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        Some(Self { pid, began_ticks: parse_begin(&text)? })
    }

    /// Whether it is gone, or only its parent has not heard of its end yet.
    pub fn has_ended(self) -> bool {
        Self::of(self.pid) != Some(self) || has_ended(self.pid)
    }
}

/// All that a process has started, and what they have started, without itself.
pub fn descendants(pid: u32) -> Vec<Identity> {
    let all = tree(pid).unwrap_or_default();
    all.into_iter().skip(1).filter_map(Identity::of).collect()
}

/// CPU time of some processes, and of the children of theirs that have ended.
///
/// # Errors
/// As [`cpu_time`].
pub fn cpu_time_of_all(pids: &[u32]) -> io::Result<Duration> {
    let mut sum = Duration::ZERO;
    for pid in pids {
        let text = fs::read_to_string(format!("/proc/{pid}/stat"))?;
        let (own, children) = parse_times(&text).ok_or_else(|| malformed("stat", *pid))?;
        sum += own.total() + children.total();
    }
    Ok(sum)
}

/// CPU time of the children of this process that have ended and were waited for, with the kernel's
/// resolution of 10 ms.
///
/// # Errors
/// As [`cpu_time`].
pub fn cpu_time_of_ended_children() -> io::Result<Duration> {
    let text = fs::read_to_string("/proc/self/stat")?;
    let times = parse_times(&text).ok_or_else(|| malformed("stat", std::process::id()))?;
    Ok(times.1.total())
}

/// Resident memory of `pid` in bytes (VmRSS).
///
/// # Errors
/// The process is gone, or the file is not as proc(5) says.
pub fn resident_bytes(pid: u32) -> io::Result<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/status"))?;
    parse_resident(&text).ok_or_else(|| malformed("status", pid))
}

/// How long the living threads of `pid` were ready to run but had no CPU: the noise of the machine
/// as the process felt it.
///
/// # Errors
/// The process is gone, or the kernel keeps no such figures (CONFIG_SCHED_INFO).
pub fn waited_for_cpu(pid: u32) -> io::Result<Duration> {
    let mut waited = Duration::ZERO;
    for entry in fs::read_dir(format!("/proc/{pid}/task"))? {
        let text = fs::read_to_string(entry?.path().join("schedstat"))?;
        waited += parse_schedstat(&text).ok_or_else(|| malformed("schedstat", pid))?;
    }
    Ok(waited)
}

fn malformed(file: &str, pid: u32) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("/proc/{pid}/{file} is not understood"))
}

fn parse_stat(text: &str) -> Option<CpuTime> {
    parse_times(text).map(|(own, _)| own)
}

/// Field 4: the parent.
fn parse_parent(text: &str) -> Option<u32> {
    fields(text)?.nth(4 - 3)?.parse().ok()
}

/// Field 22 (starttime).
fn parse_begin(text: &str) -> Option<u64> {
    fields(text)?.nth(22 - 3)?.parse().ok()
}

/// Fields 14 (utime) and 15 (stime), and 16 and 17, which are those of children that have ended.
fn parse_times(text: &str) -> Option<(CpuTime, CpuTime)> {
    let mut fields = fields(text)?.skip(14 - 3);
    let mut ticks = || -> Option<Duration> {
        let ticks: u64 = fields.next()?.parse().ok()?;
        Some(Duration::from_millis(ticks * 1000 / TICKS_PER_SECOND))
    };
    let mut time = || Some(CpuTime { user: ticks()?, system: ticks()? });
    Some((time()?, time()?))
}

/// The fields from the third on. The name in field 2 may hold spaces and parentheses, so counting starts
/// behind its last parenthesis.
fn fields(text: &str) -> Option<impl Iterator<Item = &str>> {
    let (_, fields) = text.rsplit_once(')')?;
    Some(fields.split_ascii_whitespace())
}

fn parse_resident(text: &str) -> Option<u64> {
    let value = text.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = value.trim().strip_suffix("kB")?.trim_end().parse().ok()?;
    Some(kibibytes * 1024)
}

/// The second of three numbers: nanoseconds spent waiting on a run queue.
fn parse_schedstat(text: &str) -> Option<Duration> {
    let nanoseconds = text.split_ascii_whitespace().nth(1)?.parse().ok()?;
    Some(Duration::from_nanos(nanoseconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stat_is_read_behind_a_name_with_spaces_and_parentheses() {
        let text = "4711 (a ) b (c) S 17 4711 4711 0 -1 4194560 2514 0 0 0 321 123 7 8 20 0 5 0";
        let expected =
            CpuTime { user: Duration::from_millis(3210), system: Duration::from_millis(1230) };
        assert_eq!(parse_stat(text), Some(expected));
        assert_eq!(expected.total(), Duration::from_millis(4440));
        let ended = CpuTime { user: Duration::from_millis(70), system: Duration::from_millis(80) };
        assert_eq!(parse_times(text), Some((expected, ended)));
        assert_eq!(parse_parent(text), Some(17));
        assert_eq!(parse_begin(&format!("{text} 4712 0")), Some(4712));
        assert_eq!(parse_stat("4711 (name) S 1 2"), None);
        assert_eq!(parse_stat(""), None);
    }

    #[test]
    fn a_difference_never_goes_below_zero() {
        let early = CpuTime { user: Duration::from_millis(30), system: Duration::from_millis(10) };
        let late = CpuTime { user: Duration::from_millis(50), system: Duration::from_millis(10) };
        assert_eq!(late.since(early).total(), Duration::from_millis(20));
        assert_eq!(early.since(late).total(), Duration::ZERO);
    }

    #[test]
    fn resident_memory_is_in_kibibytes() {
        let text = "Name:\tx\nVmPeak:\t  9000 kB\nVmRSS:\t    2048 kB\nThreads:\t1\n";
        assert_eq!(parse_resident(text), Some(2048 * 1024));
        assert_eq!(parse_resident("Name:\tkthread\n"), None);
    }

    #[test]
    fn schedstat_tells_the_time_of_waiting() {
        assert_eq!(parse_schedstat("900 1500 3\n"), Some(Duration::from_nanos(1500)));
        assert_eq!(parse_schedstat("900\n"), None);
    }

    #[test]
    fn children_and_theirs_are_of_the_tree_and_their_time_counts() {
        use std::io::Read as _;
        use std::process::{Command, Stdio};
        // The shell has a shell that has used CPU time and waits for us.
        let busy = "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done; echo done; read x";
        let mut child = Command::new("sh")
            .args(["-c", &format!("sh -c '{busy}'; :")])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("sh");
        let mut said = [0; 5];
        child.stdout.as_mut().expect("piped").read_exact(&mut said).expect("it says done");
        let pids = tree(child.id()).expect("/proc");
        assert!(!pids.iter().any(|pid| has_ended(*pid)), "they wait for us");
        assert_eq!((pids.len(), pids[0]), (2, child.id()));
        let alone = cpu_time(child.id()).expect("it lives").total();
        let all = cpu_time_of_all(&pids).expect("they live");
        assert!(all > alone, "{all:?} of all, {alone:?} of the parent");
        drop(child.stdin.take());
        child.wait().expect("it ends");
        assert!(pids.iter().all(|pid| has_ended(*pid)));
    }

    #[test]
    fn an_id_that_another_process_has_now_is_not_the_same_process() {
        let own = Identity::of(std::process::id()).expect("we live");
        assert!(!own.has_ended());
        assert!(Identity { began_ticks: own.began_ticks + 1, ..own }.has_ended());
    }

    #[test]
    fn our_own_process_can_be_read() {
        let pid = std::process::id();
        assert!(resident_bytes(pid).expect("VmRSS") > 100_000);
        cpu_time(pid).expect("stat");
    }
}
