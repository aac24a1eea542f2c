//! Job: make load with a `ringlet-bench load` of its own process, on CPUs of its own.
//! In: the words of its command line. Out: what it measured, with the command line that repeats it.
//! Invariant: black box: what is measured here can be repeated by hand; a run that broke off is an error.

use std::io;
use std::process::{Command, Stdio};

use crate::generator::outcome::{Ended, Outcome};
use crate::shell;

/// What is shown of the messages of a load that failed.
const MESSAGE_BYTES: usize = 2000;

/// Who makes load.
#[derive(Clone, Debug)]
pub struct Loader {
    /// The words before its options: a `ringlet-bench`, and `load`.
    pub program: Vec<String>,
    /// Its CPUs, as taskset(1) takes them.
    pub cpus: String,
}

impl Loader {
    /// This program, on those CPUs.
    ///
    /// # Errors
    /// It cannot be told where this program lies.
    pub fn this(cpus: &str) -> io::Result<Self> {
        let program = std::env::current_exe()?.display().to_string();
        Ok(Self { program: vec![program, "load".to_owned()], cpus: cpus.to_owned() })
    }

    /// All words of the command line with these options.
    pub fn line(&self, words: &[String]) -> Vec<String> {
        let mut line = ["taskset", "-c", &self.cpus].map(str::to_owned).to_vec();
        line.extend_from_slice(&self.program);
        line.extend_from_slice(words);
        line.extend(["--format", "json", "--no-progress"].map(str::to_owned));
        line
    }

    /// Runs `ringlet-bench load WORDS`.
    ///
    /// # Errors
    /// As [`Loader::observe`], or a request was answered by an error.
    pub fn run(&self, words: &[String]) -> io::Result<Outcome> {
        let outcome = self.observe(&[], words)?;
        if outcome.total.refused + outcome.total.wrong > 0 {
            let line = self.line(words);
            let line = shell::line(line.iter().map(String::as_str));
            return Err(io::Error::other(format!("{line}: errors: {:?}", outcome.errors)));
        }
        Ok(outcome)
    }

    /// The same as the child of the program that `wrapper` is the begin of the command line of, if it is
    /// not empty. Errors among the answers are told in the outcome.
    ///
    /// # Errors
    /// The generator is missing, fails or breaks off; `Interrupted` if it was.
    pub fn observe(&self, wrapper: &[String], words: &[String]) -> io::Result<Outcome> {
        let line = [wrapper, &self.line(words)].concat();
        let told = |what: &str| {
            io::Error::other(format!("{}: {what}", shell::line(line.iter().map(String::as_str))))
        };
        let output = Command::new(&line[0])
            .args(&line[1..])
            .stdin(Stdio::null())
            .output()
            .map_err(|error| told(&error.to_string()))?;
        // It fails also if there were errors among the answers, which the outcome says better.
        let outcome: Outcome = serde_json::from_slice(&output.stdout).map_err(|error| {
            let said = &output.stderr[output.stderr.len().saturating_sub(MESSAGE_BYTES)..];
            let said = String::from_utf8_lossy(said);
            // Who says nothing has said on standard error why.
            let why = if output.stdout.is_empty() { String::new() } else { format!(": {error}") };
            told(&format!("{}, no outcome{why}\n{}", output.status, said.trim_end()))
        })?;
        match &outcome.ended {
            Ended::Complete => Ok(outcome),
            Ended::Interrupted => {
                Err(io::Error::new(io::ErrorKind::Interrupted, "the load was interrupted"))
            }
            Ended::Failed(why) => Err(told(why)),
        }
    }
}
