//! Job: make load with a `ringlet-bench load` of its own process, on CPUs of its own.
//! In: the words of its command line. Out: what it measured, with the command line that repeats it.
//! Invariant: black box: what is measured here can be repeated by hand; a run that broke off, or met an
//! error, is an error.

use std::io;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::generator::outcome::{Ended, Outcome};

/// Who makes load.
#[derive(Clone, Debug)]
pub struct Loader {
    /// A `ringlet-bench`.
    pub binary: PathBuf,
    /// Its CPUs, as taskset(1) takes them.
    pub cpus: String,
}

impl Loader {
    /// This program, on those CPUs.
    ///
    /// # Errors
    /// It cannot be told where this program lies.
    pub fn this(cpus: &str) -> io::Result<Self> {
        Ok(Self { binary: std::env::current_exe()?, cpus: cpus.to_owned() })
    }

    /// Runs `ringlet-bench load WORDS`.
    ///
    /// # Errors
    /// The generator is missing or fails, or a request was answered by an error.
    pub fn run(&self, words: &[String]) -> io::Result<Outcome> {
        self.run_inside(&[], words)
    }

    /// The same as the child of the program that `wrapper` is the begin of the command line of.
    ///
    /// # Errors
    /// As [`Loader::run`].
    pub fn run_inside(&self, wrapper: &[String], words: &[String]) -> io::Result<Outcome> {
        let mut line = wrapper.to_vec();
        line.extend(["taskset", "-c", &self.cpus].map(str::to_owned));
        line.push(self.binary.display().to_string());
        line.push("load".to_owned());
        line.extend_from_slice(words);
        line.extend(["--format", "json", "--no-progress"].map(str::to_owned));
        let output = Command::new(&line[0])
            .args(&line[1..])
            .stdin(Stdio::null())
            .output()
            .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", line[0])))?;
        parse(&output.stdout).map_err(|error| {
            let said = String::from_utf8_lossy(&output.stderr);
            io::Error::other(format!("{}: {}: {error}\n{said}", line.join(" "), output.status))
        })
    }
}

/// The words of a line that has no quotes.
pub fn words(line: &str) -> Vec<String> {
    line.split_ascii_whitespace().map(str::to_owned).collect()
}

fn parse(json: &[u8]) -> Result<Outcome, String> {
    let outcome: Outcome = serde_json::from_slice(json).map_err(|error| error.to_string())?;
    match &outcome.ended {
        Ended::Complete if outcome.total.refused + outcome.total.wrong == 0 => Ok(outcome),
        Ended::Complete => Err(format!("errors: {:?}", outcome.errors)),
        Ended::Interrupted => Err("interrupted".to_owned()),
        Ended::Failed(why) => Err(why.clone()),
    }
}
