//! Signals, tested on a child process: this same binary, started with `CHILD` in the environment.
//!
//! It has no test harness, for the harness starts threads before a test could block signals.

use ringlet_runtime::signals::{HangUp, Signals};
use std::io::{BufRead, BufReader, Lines, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};

const CHILD: &str = "RINGLET_SIGNALS_CHILD";

/// The child: blocks signals, starts threads as cores would be started, reports every signal as a
/// line, and obeys the lines `began` and `cancelled`. It ends with code 0 at the end of its input.
fn child(hang_up: HangUp) {
    let signals = Signals::block(hang_up).expect("signals can be blocked");
    for _ in 0..4 {
        std::thread::spawn(|| {
            loop {
                std::thread::park()
            }
        });
    }
    let thread = signals.deliver(|signal| say(&format!("{signal:?}"))).expect("a thread starts");
    say("ready");
    for line in std::io::stdin().lines() {
        match line.expect("the parent writes text").as_str() {
            "began" => thread.shutdown_began(),
            "cancelled" => thread.shutdown_cancelled(),
            other => panic!("unknown line {other}"),
        }
        say("done");
    }
}

fn say(line: &str) {
    let mut output = std::io::stdout().lock();
    writeln!(output, "{line}").and_then(|()| output.flush()).expect("the parent reads");
}

struct Parent {
    child: Child,
    input: Option<ChildStdin>,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Parent {
    fn start(hang_up: &str) -> Self {
        let mut child = Command::new(std::env::current_exe().expect("this binary has a path"))
            .env(CHILD, hang_up)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("this binary starts");
        let input = child.stdin.take();
        let lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        let mut parent = Self { child, input, lines };
        parent.expect_line("ready");
        parent
    }

    fn signal(&self, number: libc::c_int) {
        let pid = libc::pid_t::try_from(self.child.id()).expect("a process number");
        // SAFETY: `kill` has no memory effects; the child is not yet waited for, so the number is
        // its own.
        assert_eq!(unsafe { libc::kill(pid, number) }, 0);
    }

    fn expect_line(&mut self, expected: &str) {
        let line = self.lines.next().expect("the child still runs").expect("the child writes text");
        assert_eq!(line, expected);
    }

    fn tell(&mut self, line: &str) {
        let input = self.input.as_mut().expect("the input is open");
        writeln!(input, "{line}").expect("the child reads");
        self.expect_line("done");
    }

    fn end(mut self) -> ExitStatus {
        drop(self.input.take());
        assert!(self.lines.next().is_none(), "no line is left");
        self.child.wait().expect("the child ends")
    }
}

impl Drop for Parent {
    fn drop(&mut self) {
        // Ended already in a test that passed; both calls then do nothing.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn signals_are_reported_and_do_not_end_the_process() {
    for (number, name) in [(libc::SIGTERM, "Terminate"), (libc::SIGINT, "Interrupt")] {
        let mut parent = Parent::start("report");
        parent.signal(number);
        parent.expect_line(name);
        assert_eq!(parent.end().code(), Some(0));
    }
}

fn a_second_request_to_end_exits_with_code_one() {
    let kinds = [(libc::SIGTERM, "Terminate"), (libc::SIGINT, "Interrupt")];
    for (first, name) in kinds {
        for (second, _) in kinds {
            let mut parent = Parent::start("ignore");
            parent.signal(first);
            parent.expect_line(name);
            parent.signal(second);
            // Its input is still open, so only the signal can have ended it.
            assert!(parent.lines.next().is_none());
            assert_eq!(parent.child.wait().expect("the child ends").code(), Some(1));
        }
    }
}

fn a_shutdown_by_command_counts_as_the_first_request() {
    let mut parent = Parent::start("ignore");
    parent.tell("began");
    parent.signal(libc::SIGTERM);
    assert!(parent.lines.next().is_none());
    assert_eq!(parent.child.wait().expect("the child ends").code(), Some(1));
}

fn a_cancelled_shutdown_starts_the_count_again() {
    let mut parent = Parent::start("ignore");
    for _ in 0..3 {
        parent.signal(libc::SIGTERM);
        parent.expect_line("Terminate");
        parent.tell("cancelled");
    }
    assert_eq!(parent.end().code(), Some(0));
}

fn hang_up_is_reported_or_ignored_and_never_ends_the_process() {
    let mut parent = Parent::start("report");
    for _ in 0..3 {
        parent.signal(libc::SIGHUP);
        parent.expect_line("HangUp");
    }
    parent.signal(libc::SIGTERM);
    parent.expect_line("Terminate");
    parent.signal(libc::SIGHUP);
    parent.expect_line("HangUp");
    assert_eq!(parent.end().code(), Some(0));
    let mut parent = Parent::start("ignore");
    parent.signal(libc::SIGHUP);
    parent.signal(libc::SIGPIPE);
    parent.signal(libc::SIGTERM);
    parent.expect_line("Terminate");
    assert_eq!(parent.end().code(), Some(0));
}

fn main() {
    match std::env::var(CHILD).as_deref() {
        Ok("report") => return child(HangUp::Report),
        Ok("ignore") => return child(HangUp::Ignore),
        _ => {}
    }
    let tests: [(&str, fn()); 5] = [
        ("signals_are_reported", signals_are_reported_and_do_not_end_the_process),
        ("a_second_request", a_second_request_to_end_exits_with_code_one),
        ("a_shutdown_by_command", a_shutdown_by_command_counts_as_the_first_request),
        ("a_cancelled_shutdown", a_cancelled_shutdown_starts_the_count_again),
        ("hang_up", hang_up_is_reported_or_ignored_and_never_ends_the_process),
    ];
    for (name, test) in tests {
        test();
        println!("test signals::{name} ... ok");
    }
    // As the usual harness says it, for those who count; a test that fails has ended the process.
    println!("test result: ok. {} passed; 0 failed", tests.len());
}
