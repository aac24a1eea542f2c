//! Job: a program that runs while the test does something. In: words of the command line. Out: [`Said`].
//! Invariant: a program that outlives its test is ended, by its handle.

use std::io::Read;
use std::process::{Child, Output};

use crate::program::{Said, command};

/// A program that runs.
pub struct Running(Child);

/// Starts `ringlet-bench load WORDS --format json`.
pub fn start(words: &[&str]) -> Running {
    Running(command(words).spawn().expect("the program runs"))
}

impl Running {
    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.0.id()
    }

    /// Waits for its end.
    pub fn said(mut self) -> Said {
        // Both fit into a pipe's buffer or are read one after the other: messages are few.
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        let both = (self.0.stdout.take(), self.0.stderr.take());
        let (Some(mut result), Some(mut messages)) = both else { panic!("both are pipes") };
        result.read_to_end(&mut stdout).expect("readable");
        messages.read_to_end(&mut stderr).expect("readable");
        let status = self.0.wait().expect("it ends");
        Said::of(&Output { status, stdout, stderr })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail only when it has ended, which is what is wanted.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
