//! Job: make load by a program of its own, as anybody would on the command line.
//! In: the program, CPUs, its arguments. Out: the [`Outcome`] that it prints.
//! Invariant: what is measured is in the outcome; what the program says beside it is heard only when
//! there is none.

use std::io;
use std::process::{Command, Stdio};

use super::template;
use crate::generator::outcome::{Ended, Outcome};

/// What is shown of the messages of a load that failed.
const MESSAGE_BYTES: usize = 2000;

/// The program that makes load, and its CPUs.
#[derive(Clone, Debug)]
pub struct LoadProgram {
    /// Its first words: a path and what always follows it.
    pub words: Vec<String>,
    /// A CPU list as taskset(1) takes it.
    pub cpus: String,
}

impl LoadProgram {
    /// This program's own command `load`.
    ///
    /// # Errors
    /// The system does not say which program this is.
    pub fn own(cpus: &str) -> io::Result<Self> {
        let path = std::env::current_exe()?.display().to_string();
        Ok(Self { words: vec![path, "load".to_owned()], cpus: cpus.to_owned() })
    }

    /// The words that start it with these arguments.
    pub fn words(&self, arguments: &[String]) -> Vec<String> {
        let words = ["taskset", "-c", &self.cpus].map(str::to_owned).into_iter();
        let words = words.chain(self.words.iter().cloned()).chain(arguments.iter().cloned());
        words.chain(["--format", "json", "--no-progress"].map(str::to_owned)).collect()
    }

    /// Makes load. `before` are words that start it in their turn (perf), or none.
    ///
    /// # Errors
    /// It prints no outcome, or one of a run that broke off.
    pub fn run(&self, before: &[String], arguments: &[String]) -> io::Result<Outcome> {
        let words = [before, &self.words(arguments)].concat();
        let line = template::line(words.iter().map(String::as_str));
        let failed = |what: &str| io::Error::other(format!("{line}: {what}"));
        let output = Command::new(&words[0])
            .args(&words[1..])
            .stdin(Stdio::null())
            .output()
            .map_err(|error| failed(&error.to_string()))?;
        // It fails also if there were errors among the replies, which the outcome says better.
        let outcome: Outcome = serde_json::from_slice(&output.stdout).map_err(|error| {
            let said = &output.stderr[output.stderr.len().saturating_sub(MESSAGE_BYTES)..];
            let said = String::from_utf8_lossy(said);
            let what = if output.stdout.is_empty() {
                "no outcome".to_owned()
            } else {
                format!("no outcome is understood: {error}")
            };
            failed(&format!("{what}; {}\n{}", output.status, said.trim_end()))
        })?;
        match &outcome.ended {
            Ended::Complete => Ok(outcome),
            Ended::Interrupted => {
                Err(io::Error::new(io::ErrorKind::Interrupted, "the load was interrupted"))
            }
            Ended::Failed(why) => Err(failed(why)),
        }
    }
}

/// Requests that were answered in all of a run, warm-up included: what the server's CPU time is for.
pub fn answered(outcome: &Outcome) -> u64 {
    let all: u64 = outcome.seconds.iter().map(|second| second.requests).sum();
    all.max(outcome.total.requests)
}
