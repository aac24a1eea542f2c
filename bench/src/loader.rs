//! Job: make load with a `ringlet-bench load` of its own process, on CPUs of its own.
//! In: the words of its command line. Out: what it measured, with the command line that repeats it.
//! Invariant: black box: what is measured here can be repeated by hand; a run that broke off is an error.

use std::io;
use std::process::{Child, Command, Stdio};

use crate::generator::outcome::{Ended, Outcome};
use crate::{interruption, shell};

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

    /// The same as one line for a shell.
    pub fn shell_line(&self, words: &[String]) -> String {
        shell::line(self.line(words).iter().map(String::as_str))
    }

    /// Runs `ringlet-bench load OPTIONS`, which stand in one line as for a shell.
    ///
    /// # Errors
    /// As [`Running::finish`].
    pub fn run_line(&self, options: &str) -> io::Result<Outcome> {
        self.run(&shell::words(options).map_err(io::Error::other)?)
    }

    /// Begins `ringlet-bench load WORDS`, as the child of the program that `wrapper` is the begin of the
    /// command line of, if it is not empty.
    ///
    /// # Errors
    /// The generator or the wrapper is missing.
    pub fn start(&self, wrapper: &[String], words: &[String]) -> io::Result<Running> {
        let line = [wrapper, &self.line(words)].concat();
        let command = shell::line(line.iter().map(String::as_str));
        let _starting = interruption::starting();
        let process = Command::new(&line[0])
            .args(&line[1..])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| io::Error::new(error.kind(), format!("{command}: {error}")))?;
        Ok(Running { process: Some(process), command })
    }

    /// Runs `ringlet-bench load WORDS`.
    ///
    /// # Errors
    /// As [`Running::finish`].
    pub fn run(&self, words: &[String]) -> io::Result<Outcome> {
        self.start(&[], words)?.finish()
    }

    /// The same as the child of `wrapper`. Errors among the answers are told in the outcome.
    ///
    /// # Errors
    /// As [`Running::outcome`].
    pub fn observe(&self, wrapper: &[String], words: &[String]) -> io::Result<Outcome> {
        self.start(wrapper, words)?.outcome()
    }
}

/// Load that is being made. A dropped one has ended its process.
#[derive(Debug)]
pub struct Running {
    process: Option<Child>,
    command: String,
}

impl Running {
    /// Whether it is over.
    ///
    /// # Errors
    /// What the system says.
    pub fn is_over(&mut self) -> io::Result<bool> {
        self.process.as_mut().map_or(Ok(true), |process| Ok(process.try_wait()?.is_some()))
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// As [`Running::outcome`], or a request was answered by an error or not at all.
    pub fn finish(self) -> io::Result<Outcome> {
        let command = self.command.clone();
        let outcome = self.outcome()?;
        if outcome.has_errors() {
            let Outcome { errors, unanswered, .. } = outcome;
            let text = format!("{command}: errors: {errors:?}, {unanswered} without answer");
            return Err(io::Error::other(text));
        }
        Ok(outcome)
    }

    /// Waits for its end. Errors among the answers are told in the outcome.
    ///
    /// # Errors
    /// The generator failed or broke off; `Interrupted` if it was.
    pub fn outcome(mut self) -> io::Result<Outcome> {
        let process = self.process.take().ok_or_else(|| io::Error::other("it has ended"))?;
        let output = process.wait_with_output()?;
        parse(&output.stdout).map_err(|error| {
            let said = &output.stderr[output.stderr.len().saturating_sub(MESSAGE_BYTES)..];
            let said = String::from_utf8_lossy(said);
            let (command, status) = (&self.command, output.status);
            // Who says nothing has said on standard error why.
            let why = if output.stdout.is_empty() { String::new() } else { format!(": {error}") };
            let text = format!("{command}: {status}{why}\n{}", said.trim_end());
            io::Error::new(error.kind(), text)
        })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(process) = &mut self.process {
            // It may have ended by itself; then there is nobody to kill.
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

/// Reads an outcome of a whole run. The exit code is of no use here: it tells also of errors among the
/// answers, which the outcome says better.
fn parse(json: &[u8]) -> io::Result<Outcome> {
    let outcome: Outcome = serde_json::from_slice(json)?;
    match &outcome.ended {
        Ended::Complete => Ok(outcome),
        Ended::Interrupted => {
            Err(io::Error::new(io::ErrorKind::Interrupted, "the load was interrupted"))
        }
        Ended::Failed(why) => Err(io::Error::other(why.clone())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generator::outcome::{Figures, tests::outcome as whole};
    use std::fs;

    fn outcome(ended: Ended, refused: u64) -> String {
        let total = Figures { requests: 10, refused, ..Figures::default() };
        let errors = (refused > 0).then(|| ("-ERR no".to_owned(), refused)).into_iter().collect();
        let outcome = Outcome { ended, total, errors, ..whole() };
        serde_json::to_string(&outcome).expect("JSON")
    }

    /// A generator that says so much, and complains.
    fn saying(text: &str) -> Loader {
        let script = "printf %s \"$1\"; echo complaint >&2";
        let program = ["sh", "-c", script, "sh", text].map(str::to_owned).to_vec();
        Loader { program, cpus: "0".to_owned() }
    }

    #[test]
    fn only_a_whole_run_without_errors_counts() {
        let good = outcome(Ended::Complete, 0);
        assert_eq!(saying(&good).run(&[]).expect("good").total.requests, 10);
        let refused = saying(&outcome(Ended::Complete, 3));
        let error = refused.run(&[]).expect_err("refused").to_string();
        assert!(error.contains("-ERR no"), "{error}");
        assert_eq!(refused.observe(&[], &[]).expect("told").total.refused, 3);
        for (text, part) in [
            (outcome(Ended::Failed("it died".into()), 0), "it died"),
            (outcome(Ended::Interrupted, 0), "interrupted"),
            (String::new(), "complaint"),
            ("{}".to_owned(), "missing field"),
        ] {
            let error = saying(&text).observe(&[], &[]).expect_err("broken off").to_string();
            assert!(error.contains(part), "{error}");
        }
        let interrupted = saying(&outcome(Ended::Interrupted, 0)).run(&[]).expect_err("broken off");
        assert_eq!(interrupted.kind(), io::ErrorKind::Interrupted);
    }

    #[test]
    fn a_dropped_load_has_ended_its_process() {
        let program = ["sh", "-c", "exec sleep 1000"].map(str::to_owned).to_vec();
        let mut running =
            Loader { program, cpus: "0".to_owned() }.start(&[], &[]).expect("taskset");
        assert!(!running.is_over().expect("a child"));
        let pid = running.process.as_ref().expect("a child").id();
        drop(running);
        assert!(fs::metadata(format!("/proc/{pid}")).is_err(), "{pid} lives");
    }
}
