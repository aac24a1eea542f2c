//! Resource limits: locked memory and open files.
//!
//! Job: raise the soft limits to the hard ones, and judge what that gives.
//! In: getrlimit(2). Out: rows of the report.
//! Invariant: limits are only ever raised.

use std::io;

use super::Row;
use crate::ring::check_result;

/// glommio refuses to start an executor with less.
const LOCKED_MEMORY_MIN: u64 = 512 << 10;

/// Below this, a server with Redis's default of 10 000 clients runs out of descriptors.
const OPEN_FILES_WANTED: u64 = 10_032;

/// Both limits of a resource.
struct Limit {
    soft: u64,
    hard: u64,
}

fn read(resource: libc::__rlimit_resource_t) -> io::Result<Limit> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the kernel writes one `rlimit`, which outlives the call.
    check_result(unsafe { libc::getrlimit(resource, &raw mut limit) })?;
    Ok(Limit { soft: limit.rlim_cur, hard: limit.rlim_max })
}

/// Raises the soft limit to the hard one, and gives both as they are afterwards.
fn raise(resource: libc::__rlimit_resource_t) -> io::Result<Limit> {
    let limit = read(resource)?;
    if limit.soft < limit.hard {
        let raised = libc::rlimit { rlim_cur: limit.hard, rlim_max: limit.hard };
        // SAFETY: the kernel reads one `rlimit`, which outlives the call.
        check_result(unsafe { libc::setrlimit(resource, &raw const raised) })?;
    }
    read(resource)
}

fn text(value: u64) -> String {
    if value == libc::RLIM_INFINITY { "unlimited".into() } else { value.to_string() }
}

fn kib(value: u64) -> String {
    if value == libc::RLIM_INFINITY { text(value) } else { format!("{} KiB", value >> 10) }
}

pub(super) fn locked_memory() -> Row {
    const NAME: &str = "locked memory";
    let advice = "raise it: ulimit -l unlimited, LimitMEMLOCK=infinity in a systemd unit, or \
                  docker run --ulimit memlock=-1";
    match raise(libc::RLIMIT_MEMLOCK) {
        Err(error) => Row::warning(NAME, error.to_string(), advice),
        Ok(limit) => {
            let found = format!("soft {}, hard {}", kib(limit.soft), kib(limit.hard));
            if limit.soft < LOCKED_MEMORY_MIN {
                let needed = format!("{} KiB are needed; {advice}", LOCKED_MEMORY_MIN >> 10);
                Row::failed(NAME, found, needed)
            } else {
                Row::ok(NAME, found)
            }
        }
    }
}

/// How many descriptors this process may have open at a time.
///
/// # Errors
/// What getrlimit(2) says.
pub fn open_files_max() -> io::Result<u64> {
    read(libc::RLIMIT_NOFILE).map(|limit| limit.soft)
}

pub(super) fn open_files() -> Row {
    const NAME: &str = "open files";
    let advice = "raise it: ulimit -n 65536 or LimitNOFILE=65536; fewer clients fit until then";
    match raise(libc::RLIMIT_NOFILE) {
        Err(error) => Row::warning(NAME, error.to_string(), advice),
        Ok(limit) => {
            let found = format!("soft {}, hard {}", text(limit.soft), text(limit.hard));
            if limit.soft < OPEN_FILES_WANTED {
                Row::warning(NAME, found, advice)
            } else {
                Row::ok(NAME, found)
            }
        }
    }
}
