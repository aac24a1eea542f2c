//! Job: raise the priority of the bench and of all that it starts, against the noise of other
//! processes.
//! In: nothing; root is needed. Out: a guard that puts the session back.
//! Invariant: both sides of every comparison run at the same priority.

use std::fs;
use std::io;
use std::process::Command;

/// With automatic groups (sched(7), "The autogroup feature") the kernel weighs sessions against
/// each other, and the nice values of processes only within their session.
const AUTOGROUP: &str = "/proc/self/autogroup";
const HIGHEST: &str = "-20";

/// Holds the session at the highest priority until it is dropped.
#[derive(Debug)]
pub struct Raised {
    session_before: Option<String>,
}

/// Raises this process, its later children and its session.
///
/// # Errors
/// Not permitted, or renice (Debian package bsdutils) is missing.
pub fn raise() -> io::Result<Raised> {
    let pid = std::process::id().to_string();
    let output = Command::new("renice").args(["-n", HIGHEST, "-p", &pid]).output()?;
    if !output.status.success() {
        return Err(io::Error::other(String::from_utf8_lossy(&output.stderr).trim().to_owned()));
    }
    // Without the file there are no automatic groups, and renice was enough.
    let session_before = fs::read_to_string(AUTOGROUP).ok().as_deref().and_then(nice_in);
    if session_before.is_some() {
        fs::write(AUTOGROUP, HIGHEST)?;
    }
    Ok(Raised { session_before })
}

/// The number in a line such as `/autogroup-6 nice 0`.
fn nice_in(line: &str) -> Option<String> {
    let (_, number) = line.trim().rsplit_once("nice ")?;
    number.parse::<i32>().ok().map(|number| number.to_string())
}

impl Drop for Raised {
    fn drop(&mut self) {
        if let Some(nice) = &self.session_before {
            // The bench ends in either case, and what it measured does not depend on this.
            let _ = fs::write(AUTOGROUP, nice);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_session_s_nice_value_is_read() {
        assert_eq!(nice_in("/autogroup-6 nice 0\n"), Some("0".to_owned()));
        assert_eq!(nice_in("/autogroup-17 nice -5\n"), Some("-5".to_owned()));
        assert_eq!(nice_in("/autogroup-17"), None);
    }
}
