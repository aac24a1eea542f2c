//! Job: say the loads of the scaling suite in the words of `ringlet-bench load`.
//! In: a [`Load`], of whom. Out: options.
//! Invariant: what is not said here is the generator's own, so that the line repeats the load.

use std::net::SocketAddr;
use std::time::Duration;

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

impl Load {
    /// The options that ask `address` for it.
    pub fn words(&self, address: SocketAddr) -> Vec<String> {
        let time = format!("{}ms", (self.time + MARGIN).as_millis());
        let text = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        let mut words = vec![format!("redis://{address}")];
        words.extend(text(&["--connections", &self.clients.to_string()]));
        words.extend(text(&["--pipeline", &self.pipeline.to_string()]));
        words.extend(text(&["--time", &time, "--warm-up", "0"]));
        words.extend(text(&["--keys", &KEYS.to_string()]));
        words.extend(text(&["--value-bytes", &VALUE_BYTES.to_string()]));
        match self.mix {
            Mix::GetSet => words.extend(text(&["--ratio", "1:1"])),
            Mix::Multi => {
                let mset = format!("MSET{}", " __key__ __data__".repeat(8));
                words.extend(text(&["--command", &mset, "--command-ratio", "1"]));
                words.extend(text(&["--command", "GET __key__", "--command-ratio", "7"]));
            }
        }
        if self.is_cluster {
            words.extend(text(&["--cluster", "--one-node"]));
        }
        words.extend(self.fills.then(|| "--fill".to_owned()));
        words
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let address = SocketAddr::from(([127, 0, 0, 1], 7000));
        let words = LOAD.words(address).join(" ");
        assert_eq!(
            words,
            "redis://127.0.0.1:7000 --connections 100 --pipeline 16 --time 950ms --warm-up 0 \
             --keys 100000 --value-bytes 64 --ratio 1:1 --cluster --one-node"
        );
        let load = Load { mix: Mix::Multi, is_cluster: false, fills: true, ..LOAD };
        let words = load.words(address);
        let mset = words.iter().find(|word| word.starts_with("MSET")).expect("one word");
        assert_eq!(mset.matches("__key__ __data__").count(), 8);
        assert!(words.contains(&"--fill".to_owned()) && !words.contains(&"--cluster".to_owned()));
    }
}
