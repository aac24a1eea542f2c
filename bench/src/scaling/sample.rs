//! Job: what a server has counted and used so far, and what of it falls to each request of a run.
//! In: a running server, before and after a run. Out: [`Figures`] per request.
//! Invariant: all counters of one sample come from one INFO; a server that lacks one is an error, for
//! a split without it would be a guess.

use std::fs;
use std::io;

use super::split::Figures;
use crate::data_server::Server;

/// The counters that are read, in the order in which [`Sample`] keeps them.
const COUNTERS: [&str; 9] = [
    "total_commands_processed",
    "batch_commands_sent",
    "batches_sent",
    "reply_batches_sent",
    "wakes_sent",
    "loop_passes",
    "sequencer_uses",
    "sequencer_waits",
    "sequencer_wait_us",
];

/// What a server has counted and used since its start.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample {
    counted: [f64; COUNTERS.len()],
    threads: Threads,
}

/// What the threads of a process have used.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Threads {
    cpu_us: f64,
    voluntary_switches: f64,
    involuntary_switches: f64,
}

/// What happened between two samples.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Run {
    /// Requests that the server ran.
    pub requests: f64,
    /// CPU time of the server in seconds.
    pub cpu_s: f64,
    /// What falls to each request.
    pub figures: Figures,
}

impl Sample {
    /// The sample of now.
    ///
    /// # Errors
    /// The server does not answer, or lacks a counter; its process is gone.
    pub fn take(server: &Server) -> io::Result<Self> {
        let counted = parse(&server.ask(&[b"INFO", b"everything"])?)?;
        Ok(Self { counted, threads: threads(server.pid())? })
    }

    /// Requests that were run since `before`.
    pub fn requests_since(&self, before: &Self) -> f64 {
        self.counted[0] - before.counted[0]
    }

    /// What has happened since `before`. `None` if no request was run.
    pub fn since(&self, before: &Self) -> Option<Run> {
        let mut counted = self.counted;
        for (now, before) in counted.iter_mut().zip(before.counted) {
            *now -= before;
        }
        let (requests, rest) = counted.split_first()?;
        let [sent, messages, reply_messages, wakes, passes, uses, waits, wait_us] = rest else {
            return None;
        };
        let (now, then) = (self.threads, before.threads);
        let cpu_us = now.cpu_us - then.cpu_us;
        let each = |figure: f64| figure / requests;
        let figures = Figures {
            cpu_us: each(cpu_us),
            sent: each(*sent),
            messages: each(*messages),
            reply_messages: each(*reply_messages),
            wakes: each(*wakes),
            passes: each(*passes),
            sequencer_uses: each(*uses),
            sequencer_waits: each(*waits),
            sequencer_wait_us: each(*wait_us),
            voluntary_switches: each(now.voluntary_switches - then.voluntary_switches),
            involuntary_switches: each(now.involuntary_switches - then.involuntary_switches),
        };
        (*requests > 0.0).then_some(Run { requests: *requests, cpu_s: cpu_us / 1e6, figures })
    }
}

fn parse(info: &str) -> io::Result<[f64; COUNTERS.len()]> {
    let mut counted = [0.0; COUNTERS.len()];
    for (figure, name) in counted.iter_mut().zip(COUNTERS) {
        let value = |line: &str| line.strip_prefix(name)?.strip_prefix(':')?.trim().parse().ok();
        *figure = info
            .lines()
            .find_map(value)
            .ok_or_else(|| io::Error::other(format!("INFO of the server lacks {name}")))?;
    }
    Ok(counted)
}

/// Sums over the threads of a process. A thread that ends between two samples takes its share with
/// it; the cores of a server do not end.
fn threads(pid: u32) -> io::Result<Threads> {
    let mut all = Threads::default();
    for entry in fs::read_dir(format!("/proc/{pid}/task"))? {
        let path = entry?.path();
        let (times, status) =
            (fs::read_to_string(path.join("schedstat"))?, fs::read_to_string(path.join("status"))?);
        let one = parse_thread(&times, &status)
            .ok_or_else(|| io::Error::other(format!("{} is not understood", path.display())))?;
        all.cpu_us += one.cpu_us;
        all.voluntary_switches += one.voluntary_switches;
        all.involuntary_switches += one.involuntary_switches;
    }
    Ok(all)
}

/// The first figure of `schedstat` is the time on a CPU in nanoseconds, which stat(5) rounds to
/// 10 ms: too coarse for runs of half a second.
fn parse_thread(schedstat: &str, status: &str) -> Option<Threads> {
    let ran_ns: f64 = schedstat.split_ascii_whitespace().next()?.parse().ok()?;
    let figure = |name: &str| -> Option<f64> {
        let rest = status.lines().find_map(|line| line.strip_prefix(name))?;
        rest.trim().parse().ok()
    };
    Some(Threads {
        cpu_us: ran_ns / 1000.0,
        voluntary_switches: figure("voluntary_ctxt_switches:")?,
        involuntary_switches: figure("nonvoluntary_ctxt_switches:")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(first: u64) -> String {
        let line = |(at, name): (usize, &&str)| format!("{name}:{}\r\n", first + at as u64 * 10);
        format!(
            "# Stats\r\nloop_passes_max:7\r\n{}",
            COUNTERS.iter().enumerate().map(line).collect::<String>()
        )
    }

    #[test]
    fn counters_are_found_by_their_whole_name_and_none_may_be_missing() {
        let counted = parse(&info(100)).expect("all are there");
        assert_eq!(counted, [100.0, 110.0, 120.0, 130.0, 140.0, 150.0, 160.0, 170.0, 180.0]);
        for name in COUNTERS {
            let error = parse(&info(1).replace(&format!("{name}:"), "other:")).expect_err(name);
            assert!(error.to_string().ends_with(name), "{error}");
        }
    }

    #[test]
    fn each_request_gets_its_share_of_what_came_between() {
        let sample = |counted, cpu_us| Sample {
            counted,
            threads: Threads {
                cpu_us,
                voluntary_switches: 0.0,
                involuntary_switches: cpu_us / 100.0,
            },
        };
        let before = sample([10.0; 9], 1000.0);
        let after = sample([110.0, 85.0, 35.0, 30.0, 15.0, 20.0, 12.0, 11.0, 10.0], 3000.0);
        let run = after.since(&before).expect("there were requests");
        assert_eq!(run.requests, 100.0);
        assert_eq!(run.figures.cpu_us, 20.0);
        assert_eq!((run.figures.sent, run.figures.messages), (0.75, 0.25));
        assert_eq!(run.figures.commands_per_message(), Some(3.0));
        assert_eq!((run.figures.passes, run.figures.sequencer_wait_us), (0.1, 0.0));
        assert_eq!(run.figures.involuntary_switches, 0.2);
        assert_eq!(before.since(&before), None);
    }

    #[test]
    fn threads_tell_their_time_and_switches() {
        let status = "Name:\tx\nvoluntary_ctxt_switches:\t12\nnonvoluntary_ctxt_switches:\t34\n";
        let expected =
            Threads { cpu_us: 2.5, voluntary_switches: 12.0, involuntary_switches: 34.0 };
        assert_eq!(parse_thread("2500 77 3\n", status), Some(expected));
        assert_eq!(parse_thread("", status), None);
        assert_eq!(parse_thread("1 2 3", "Name:\tx\n"), None);
        assert!(threads(std::process::id()).expect("our own").cpu_us > 0.0);
    }
}
