//! Job: run the program and read what it says. In: words of the command line. Out: [`Said`].
//! Invariant: the result is JSON on standard output, and nothing else is.

use std::process::{Command, Output, Stdio};

use serde_json::Value;

/// What the program said.
#[derive(Debug)]
pub struct Said {
    /// Its exit code.
    pub code: i32,
    /// Its result, if there was one.
    pub outcome: Value,
    /// What it said to people.
    pub messages: String,
}

impl Said {
    /// What was said in all.
    pub fn of(output: &Output) -> Self {
        let messages = String::from_utf8_lossy(&output.stderr).into_owned();
        let outcome = serde_json::from_slice(&output.stdout).unwrap_or(Value::Null);
        Self { code: output.status.code().unwrap_or(-1), outcome, messages }
    }

    /// A number of the result.
    pub fn number(&self, path: &str) -> f64 {
        let found = self.outcome.pointer(path).and_then(Value::as_f64);
        found.unwrap_or_else(|| panic!("{path} is not in {self:?}"))
    }

    /// The result, of a run that went well.
    pub fn must_be_complete(self) -> Self {
        let ended = &self.outcome["ended"];
        assert_eq!((self.code, ended), (0, &Value::from("complete")), "{}", self.messages);
        self
    }
}

/// The program with `load WORDS --format json`.
pub fn command(words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ringlet-bench"));
    command.arg("load").args(words).args(["--format", "json", "--no-progress"]);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Runs `ringlet-bench load WORDS --format json` to its end.
pub fn load(words: &[&str]) -> Said {
    Said::of(&command(words).output().expect("the program runs"))
}
