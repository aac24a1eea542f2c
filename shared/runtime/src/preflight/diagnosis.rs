//! From an error number to its likely cause and remedy.
//!
//! Job: read what can forbid io_uring on this machine, and put the blame where it belongs.
//! In: an error and the surroundings. Out: one line of advice.
//! Invariant: every line names a cause and something that the reader can do.

use std::fs;
use std::io;

use super::Row;

const FILTERED: &str = "a seccomp filter forbids io_uring, as the default profiles of Docker, Podman \
and Kubernetes do: run with the seccomp profile that comes with Ringlet";

const FEW_DESCRIPTORS: &str =
    "too few file descriptors: raise the limit with ulimit -n or LimitNOFILE=";

/// What on this machine can forbid io_uring.
pub(super) struct Surroundings {
    release: String,
    /// The sysctl kernel.io_uring_disabled: 0, 1 or 2; absent before Linux 6.6.
    disabled: Option<u32>,
    /// 0 none, 1 strict, 2 filter.
    seccomp: Option<u32>,
}

impl Surroundings {
    pub(super) fn read() -> Self {
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        Self {
            release: fs::read_to_string("/proc/sys/kernel/osrelease")
                .map_or_else(|_| "unknown".to_owned(), |text| text.trim().to_owned()),
            disabled: fs::read_to_string("/proc/sys/kernel/io_uring_disabled")
                .ok()
                .and_then(|text| text.trim().parse().ok()),
            seccomp: seccomp_mode(&status),
        }
    }

    pub(super) fn rows(&self) -> Vec<Row> {
        let sysctl = "kernel.io_uring_disabled";
        let disabled = match self.disabled {
            None => Row::ok(sysctl, "absent"),
            Some(0) => Row::ok(sysctl, "0"),
            Some(value) => Row::warning(
                sysctl,
                value.to_string(),
                "the administrator restricts io_uring: sysctl -w kernel.io_uring_disabled=0",
            ),
        };
        let seccomp = match self.seccomp {
            Some(0) => Row::ok("seccomp", "no filter"),
            Some(mode) => Row::ok("seccomp", format!("mode {mode}")),
            None => Row::ok("seccomp", "unknown"),
        };
        vec![Row::ok("kernel", &self.release), disabled, seccomp]
    }

    fn is_filtered(&self) -> bool {
        self.seccomp.is_some_and(|mode| mode > 0)
    }

    /// Who has forbidden io_uring, and what helps.
    fn forbidding(&self) -> String {
        match self.disabled {
            Some(value @ 1..) => format!(
                "io_uring is disabled by the administrator (kernel.io_uring_disabled={value}): \
                 sysctl -w kernel.io_uring_disabled=0"
            ),
            _ if self.is_filtered() => FILTERED.into(),
            _ => "a security module forbids io_uring: ask the administrator".into(),
        }
    }
}

fn seccomp_mode(status: &str) -> Option<u32> {
    let line = status.lines().find_map(|line| line.strip_prefix("Seccomp:"))?;
    line.trim().parse().ok()
}

/// Why io_uring_setup(2) failed, and what helps.
pub(super) fn ring_advice(error: &io::Error, surroundings: &Surroundings) -> String {
    match error.raw_os_error() {
        // Podman's default filter answers that the call does not exist.
        Some(libc::ENOSYS) if surroundings.is_filtered() => FILTERED.into(),
        Some(libc::ENOSYS) => {
            "the kernel is too old or a sandbox hides io_uring: Linux 6.1 or later is needed".into()
        }
        Some(libc::EPERM | libc::EACCES) => surroundings.forbidding(),
        Some(libc::ENOMEM) => {
            "too little lockable memory: raise it, for instance with ulimit -l unlimited or \
             LimitMEMLOCK=infinity"
                .into()
        }
        Some(libc::EMFILE | libc::ENFILE) => FEW_DESCRIPTORS.into(),
        Some(libc::EINVAL) => {
            "the kernel lacks a feature of io_uring: Linux 6.1 or later is needed".into()
        }
        _ => "unexpected: see io_uring_setup(2)".into(),
    }
}

/// Why registering receive buffers failed, and what helps.
pub(super) fn buffers_advice(error: &io::Error, surroundings: &Surroundings) -> String {
    match error.raw_os_error() {
        // A filter may let io_uring_setup(2) pass, and then not io_uring_register(2).
        Some(libc::ENOSYS) if surroundings.is_filtered() => FILTERED.into(),
        Some(libc::EPERM | libc::EACCES) => surroundings.forbidding(),
        Some(libc::ENOMEM) => {
            "not enough memory: lower the number of buffers, or raise LimitMEMLOCK".into()
        }
        Some(libc::EINVAL) => {
            "the kernel has no provided-buffer rings: Linux 6.1 or later is needed".into()
        }
        _ => "unexpected: see io_uring_register_buf_ring(3)".into(),
    }
}

/// Why a self test failed, and what helps.
pub(super) fn operation_advice(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported => {
            "the kernel lacks it: Linux 6.1 or later is needed".into()
        }
        io::ErrorKind::TimedOut => "the machine may be overloaded: try again".into(),
        _ => match error.raw_os_error() {
            Some(libc::EMFILE | libc::ENFILE) => FEW_DESCRIPTORS.into(),
            Some(libc::ENOMEM) => {
                "not enough memory: free some, or raise the cgroup's limit".into()
            }
            _ => "unexpected: see io_uring_enter(2)".into(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn advice(errno: i32, disabled: Option<u32>, seccomp: Option<u32>) -> String {
        let surroundings = Surroundings { release: String::new(), disabled, seccomp };
        ring_advice(&io::Error::from_raw_os_error(errno), &surroundings)
    }

    #[test]
    fn the_blame_goes_where_it_belongs() {
        assert!(advice(libc::EPERM, Some(2), Some(2)).contains("sysctl -w"));
        assert!(advice(libc::EPERM, Some(0), Some(2)).contains("seccomp profile"));
        assert!(advice(libc::EPERM, None, Some(0)).contains("security module"));
        assert!(advice(libc::ENOSYS, None, None).contains("too old"));
        assert!(advice(libc::ENOSYS, Some(0), Some(0)).contains("too old"));
        assert!(advice(libc::ENOSYS, Some(0), Some(2)).contains("seccomp profile"));
        assert!(advice(libc::ENOMEM, None, None).contains("LimitMEMLOCK"));
    }

    #[test]
    fn who_forbids_to_register_buffers_is_named_too() {
        let surroundings =
            Surroundings { release: String::new(), disabled: Some(0), seccomp: Some(2) };
        for errno in [libc::EPERM, libc::EACCES, libc::ENOSYS] {
            let advice = buffers_advice(&io::Error::from_raw_os_error(errno), &surroundings);
            assert!(advice.contains("seccomp profile"), "{advice}");
        }
    }

    #[test]
    fn only_what_the_kernel_refuses_to_know_is_blamed_on_its_age() {
        let advice = |errno| operation_advice(&io::Error::from_raw_os_error(errno));
        assert!(advice(libc::EINVAL).contains("Linux 6.1"));
        assert!(advice(libc::EOPNOTSUPP).contains("Linux 6.1"));
        assert!(advice(libc::EMFILE).contains("ulimit -n"));
        for errno in [libc::EADDRNOTAVAIL, libc::ECONNREFUSED, libc::EPERM, libc::EIO] {
            assert!(!advice(errno).contains("kernel"), "{errno}");
        }
    }

    #[test]
    fn the_seccomp_mode_is_read() {
        assert_eq!(seccomp_mode("Name:\tx\nSeccomp:\t2\nSeccomp_filters:\t1\n"), Some(2));
        assert_eq!(seccomp_mode("Name:\tx\n"), None);
    }
}
