//! CPU quotas of control groups, versions 1 and 2.
//!
//! Job: find the tightest quota that applies to this process.
//! In: /proc/self/cgroup and /sys/fs/cgroup. Out: a number of CPUs.
//! Invariant: what cannot be read counts as no quota.

use std::fs;
use std::path::{Path, PathBuf};

const MOUNT: &str = "/sys/fs/cgroup";

/// The tightest quota in CPUs, from this process's group up to the root.
pub(super) fn quota() -> Option<f64> {
    let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
    let mut tightest: Option<f64> = None;
    for group in groups.lines().filter_map(parse_group) {
        let (root, read): (PathBuf, fn(&Path) -> Option<f64>) = match group.version {
            Version::One => (Path::new(MOUNT).join("cpu"), read_version_1),
            Version::Two => (PathBuf::from(MOUNT), read_version_2),
        };
        let mut path = root.join(group.path.trim_start_matches('/'));
        // In a container the path may name the host's hierarchy; then only the mount's root exists.
        loop {
            if let Some(quota) = read(&path) {
                tightest = Some(tightest.map_or(quota, |least| least.min(quota)));
            }
            if path == root || !path.pop() {
                break;
            }
        }
    }
    tightest
}

#[derive(Copy, Clone, Eq, PartialEq, Debug)]
enum Version {
    One,
    Two,
}

struct Group<'a> {
    version: Version,
    path: &'a str,
}

/// One line of /proc/self/cgroup, if it can have a CPU quota: `ID:CONTROLLERS:PATH`.
fn parse_group(line: &str) -> Option<Group<'_>> {
    let mut fields = line.splitn(3, ':');
    let (_, controllers, path) = (fields.next()?, fields.next()?, fields.next()?);
    if controllers.is_empty() {
        Some(Group { version: Version::Two, path })
    } else if controllers.split(',').any(|one| one == "cpu") {
        Some(Group { version: Version::One, path })
    } else {
        None
    }
}

fn read_version_1(group: &Path) -> Option<f64> {
    let quota = fs::read_to_string(group.join("cpu.cfs_quota_us")).ok()?;
    let period = fs::read_to_string(group.join("cpu.cfs_period_us")).ok()?;
    ratio(&quota, &period)
}

fn read_version_2(group: &Path) -> Option<f64> {
    let text = fs::read_to_string(group.join("cpu.max")).ok()?;
    let (quota, period) = text.trim().split_once(' ')?;
    ratio(quota, period)
}

/// Quota over period; `max` and -1 mean none.
fn ratio(quota: &str, period: &str) -> Option<f64> {
    let quota: i64 = quota.trim().parse().ok()?;
    let period: i64 = period.trim().parse().ok()?;
    (quota > 0 && period > 0).then(|| quota as f64 / period as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotas_of_both_versions_are_read() {
        assert_eq!(ratio("150000\n", "100000\n"), Some(1.5));
        assert_eq!(ratio("-1", "100000"), None);
        assert_eq!(ratio("max", "100000"), None);
        assert_eq!(ratio("1", "0"), None);
    }

    #[test]
    fn only_groups_with_a_cpu_quota_count() {
        let two = parse_group("0::/user.slice/x:y").unwrap();
        assert_eq!((two.version, two.path), (Version::Two, "/user.slice/x:y"));
        let one = parse_group("4:cpu,cpuacct:/docker/abc").unwrap();
        assert_eq!((one.version, one.path), (Version::One, "/docker/abc"));
        assert!(parse_group("5:cpuset:/docker/abc").is_none());
        assert!(parse_group("nonsense").is_none());
    }
}
