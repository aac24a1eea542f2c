//! Job: make load with a process of its own, on a CPU of its own.
//! In: what is asked, of whom. Out: what the generator measured, and its command line.
//! Invariant: black box: what is measured here can be repeated with the command line alone.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::generator::outcome::{Ended, Outcome};

/// Bytes of a value.
const VALUE_BYTES: usize = 64;
/// Keys, all of which are there.
const KEYS: u64 = 100_000;

/// What a run takes longer than it is observed: so long may it take to notice that it has begun.
const MARGIN: Duration = Duration::from_millis(250);

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mix {
    /// As many GET as SET.
    GetSet,
    /// An MSET of eight keys on any shards for each seven GET.
    Multi,
}

/// A run of load.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// What is asked.
    pub mix: Mix,
    /// Connections (to each node that is needed).
    pub clients: usize,
    /// Requests sent at once on each.
    pub pipeline: usize,
    /// The address is one node of a cluster: keys go to the node of their slot.
    pub is_cluster: bool,
    /// Every key is set once before.
    pub fills: bool,
    /// How long at least, once it has begun.
    pub time: Duration,
}

/// Who makes it.
#[derive(Clone, Debug)]
pub struct Generator {
    /// A `ringlet-bench`.
    pub binary: PathBuf,
    /// Its CPU.
    pub cpu: usize,
}

impl Generator {
    /// The command line, behind the words in `before`.
    pub fn words(&self, address: SocketAddr, load: &Load) -> Vec<String> {
        let time = format!("{}ms", (load.time + MARGIN).as_millis());
        let text = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        let mut words = text(&["taskset", "-c", &self.cpu.to_string()]);
        words.push(self.binary.display().to_string());
        words.extend(text(&["load", &format!("redis://{address}")]));
        words.extend(text(&["--connections", &load.clients.to_string()]));
        words.extend(text(&["--pipeline", &load.pipeline.to_string()]));
        words.extend(text(&["--time", &time, "--warm-up", "0"]));
        words.extend(text(&["--keys", &KEYS.to_string()]));
        words.extend(text(&["--value-bytes", &VALUE_BYTES.to_string()]));
        match load.mix {
            Mix::GetSet => words.extend(text(&["--ratio", "1:1"])),
            Mix::Multi => {
                let mset = format!("MSET{}", " __key__ __data__".repeat(8));
                words.extend(text(&["--command", &mset, "--command-ratio", "1"]));
                words.extend(text(&["--command", "GET __key__", "--command-ratio", "7"]));
            }
        }
        words.extend(load.is_cluster.then(|| "--cluster".to_owned()));
        words.extend(load.fills.then(|| "--fill".to_owned()));
        words.extend(text(&["--format", "json", "--no-progress"]));
        words
    }

    /// Begins to make load, as the child of `wrapper` if there is one (its words stand before the
    /// others).
    ///
    /// # Errors
    /// The generator is missing.
    pub fn start(
        &self,
        address: SocketAddr,
        load: &Load,
        wrapper: &[String],
    ) -> io::Result<Running> {
        let words = [wrapper.to_vec(), self.words(address, load)].concat();
        let process = Command::new(&words[0])
            .args(&words[1..])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", words[0])))?;
        Ok(Running { process: Some(process), command: words.join(" ") })
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
    /// The generator failed, or a request was answered by an error.
    pub fn finish(mut self) -> io::Result<Outcome> {
        let process = self.process.take().ok_or_else(|| io::Error::other("it has ended"))?;
        let output = process.wait_with_output()?;
        parse(&output.stdout).map_err(|error| {
            let said = String::from_utf8_lossy(&output.stderr);
            io::Error::other(format!("{}: {}: {error}\n{said}", self.command, output.status))
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

fn parse(json: &[u8]) -> Result<Outcome, String> {
    let outcome: Outcome = serde_json::from_slice(json).map_err(|error| error.to_string())?;
    match &outcome.ended {
        Ended::Complete if outcome.total.refused + outcome.total.wrong == 0 => Ok(outcome),
        Ended::Complete => Err(format!("errors: {:?}", outcome.errors)),
        Ended::Interrupted => Err("interrupted".to_owned()),
        Ended::Failed(why) => Err(why.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generator::outcome::Figures;

    const LOAD: Load = Load {
        mix: Mix::GetSet,
        clients: 100,
        pipeline: 16,
        is_cluster: true,
        fills: false,
        time: Duration::from_millis(700),
    };

    #[test]
    fn the_command_line_says_all_that_is_asked() {
        let generator = Generator { binary: "ringlet-bench".into(), cpu: 1 };
        let address = SocketAddr::from(([127, 0, 0, 1], 7000));
        let words = generator.words(address, &LOAD).join(" ");
        assert_eq!(
            words,
            "taskset -c 1 ringlet-bench load redis://127.0.0.1:7000 --connections 100 --pipeline 16 \
             --time 950ms --warm-up 0 --keys 100000 --value-bytes 64 --ratio 1:1 --cluster \
             --format json --no-progress"
        );
        let load = Load { mix: Mix::Multi, is_cluster: false, fills: true, ..LOAD };
        let words = generator.words(address, &load);
        let mset = words.iter().find(|word| word.starts_with("MSET")).expect("one word");
        assert_eq!(mset.matches("__key__ __data__").count(), 8);
        assert!(words.contains(&"--fill".to_owned()) && !words.contains(&"--cluster".to_owned()));
    }

    fn outcome(ended: Ended, refused: u64) -> Vec<u8> {
        let total = Figures { requests: 10, refused, ..Figures::default() };
        let outcome = Outcome {
            command: "x".to_owned(),
            ended,
            elapsed_s: 0.5,
            rate: 20.0,
            offered_rate: None,
            total,
            kinds: [].into(),
            probe: None,
            lateness: Default::default(),
            own_pause_max_us: 0.0,
            unanswered: 0,
            errors: [("-ERR no".to_owned(), refused)].into(),
            own_cpu_us_per_request: 1.0,
            seconds: Vec::new(),
        };
        serde_json::to_vec(&outcome).expect("JSON")
    }

    #[test]
    fn only_a_whole_run_without_errors_counts() {
        assert_eq!(parse(&outcome(Ended::Complete, 0)).expect("good").total.requests, 10);
        let error = parse(&outcome(Ended::Complete, 3)).expect_err("refused");
        assert!(error.contains("-ERR no"), "{error}");
        let error = parse(&outcome(Ended::Failed("it died".into()), 0)).expect_err("failed");
        assert_eq!(error, "it died");
        assert!(parse(&outcome(Ended::Interrupted, 0)).is_err());
        assert!(parse(b"").is_err() && parse(b"{}").is_err());
    }
}
