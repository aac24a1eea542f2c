//! Job: split what a request costs into local work, hop and contention.
//! In: figures per request, with each number of shards, of plain clients and at the shards' own ports.
//! Out: the price of a hop, and the three parts.
//! Invariant: the parts sum up to what was measured. The model: a request costs what it costs with
//! one shard (local work), plus the price of its hops (per message and per command sent), plus the
//! rest, which is contention: caches, the sequencer, smaller passes, CPUs that shards must share.

use super::least_squares::{self, Point};

/// What a server did for a request, on average.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Figures {
    /// CPU time in microseconds.
    pub cpu_us: f64,
    /// Commands and parts of commands that went to other cores.
    pub sent: f64,
    /// The messages they went in.
    pub messages: f64,
    /// The messages their replies came in.
    pub reply_messages: f64,
    /// Sleeping cores that were rung.
    pub wakes: f64,
    /// Passes of the cores' loops.
    pub passes: f64,
    /// Uses of the sequencer.
    pub sequencer_uses: f64,
    /// Those of them that had to wait.
    pub sequencer_waits: f64,
    /// How long they waited, in microseconds.
    pub sequencer_wait_us: f64,
    /// Times that a thread had nothing to do and left its CPU.
    pub voluntary_switches: f64,
    /// Times that it was taken off its CPU.
    pub involuntary_switches: f64,
}

impl Figures {
    /// Commands in a message, if there are any.
    pub fn commands_per_message(&self) -> Option<f64> {
        (self.messages > 0.0).then(|| self.sent / self.messages)
    }
}

/// The price of hops.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct HopPrice {
    /// Of a message and its answer, whatever is in it, in microseconds: places, wakes, passes.
    pub message_us: f64,
    /// Of each command in it, in microseconds: its words and its reply are copied once more.
    pub command_us: f64,
}

impl HopPrice {
    /// What the hops of a request cost that sends so many commands in so many messages.
    pub fn of(self, sent: f64, messages: f64) -> f64 {
        self.message_us * messages + self.command_us * sent
    }
}

/// The same load of plain clients and at the shards' own ports, where no command is sent.
#[derive(Clone, Copy, Debug)]
pub struct Pair {
    /// Plain clients.
    pub plain: Figures,
    /// Clients that know whose key it is.
    pub ports: Figures,
}

/// The price of hops that explains best what plain clients cost more. `None` without any hop.
pub fn hop_price(pairs: &[Pair]) -> Option<HopPrice> {
    let point = |pair: &Pair| Point {
        // The ports' own messages are few (INFO, a client that has not learned the slots yet).
        known: [pair.plain.messages - pair.ports.messages, pair.plain.sent - pair.ports.sent],
        value: pair.plain.cpu_us - pair.ports.cpu_us,
        weight: 1.0 / (pair.plain.cpu_us * pair.plain.cpu_us),
    };
    let points: Vec<Point> =
        pairs.iter().filter(|pair| pair.plain.cpu_us > 0.0).map(point).collect();
    let [message_us, command_us] = least_squares::fit(&points)?;
    Some(HopPrice { message_us, command_us })
}

/// What a request costs, in microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Split {
    /// What it costs with one shard.
    pub local_us: f64,
    /// What its hops cost.
    pub hop_us: f64,
    /// The rest. Below 0 if it is cheaper than it should be: noise, or caches of more cores.
    pub contention_us: f64,
}

/// Splits the cost of a request that costs `one_us` with one shard.
pub fn split(one_us: f64, figures: &Figures, price: HopPrice) -> Split {
    let hop_us = price.of(figures.sent, figures.messages);
    Split { local_us: one_us, hop_us, contention_us: figures.cpu_us - one_us - hop_us }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRICE: HopPrice = HopPrice { message_us: 2.0, command_us: 0.3 };

    /// What a request costs by the model, with a contention of 2 % for each further shard.
    fn figures(shards: f64, per_message: f64, local_us: f64) -> Pair {
        let contention_us = local_us * 0.02 * (shards - 1.0);
        let sent = (shards - 1.0) / shards;
        let messages = sent / per_message;
        let ports = Figures { cpu_us: local_us + contention_us, ..Figures::default() };
        let cpu_us = ports.cpu_us + PRICE.of(sent, messages);
        Pair { plain: Figures { cpu_us, sent, messages, ..ports }, ports }
    }

    fn pairs() -> Vec<Pair> {
        let few = [2.0, 4.0, 8.0].map(|shards| figures(shards, 1.5, 10.0));
        let many = [2.0, 4.0, 8.0].map(|shards| figures(shards, 30.0, 1.0));
        [few, many].concat()
    }

    #[test]
    fn the_price_is_found_from_deep_and_shallow_pipelines() {
        let price = hop_price(&pairs()).expect("there are hops");
        assert!((price.message_us - PRICE.message_us).abs() < 1e-6, "{price:?}");
        assert!((price.command_us - PRICE.command_us).abs() < 1e-6, "{price:?}");
        assert_eq!(hop_price(&[]), None);
        let none = Pair { plain: Figures::default(), ports: Figures::default() };
        assert_eq!(hop_price(&[none]), None, "nothing was measured");
    }

    #[test]
    fn the_parts_sum_up_and_are_those_of_the_model() {
        for (pair, shards) in pairs().iter().zip([2.0, 4.0, 8.0]) {
            let whole = split(10.0, &pair.plain, PRICE);
            let sum = whole.local_us + whole.hop_us + whole.contention_us;
            assert!((sum - pair.plain.cpu_us).abs() < 1e-9, "{whole:?}");
            assert!((whole.contention_us - 0.2 * (shards - 1.0)).abs() < 1e-9, "{whole:?}");
            let local = split(10.0, &pair.ports, PRICE);
            assert_eq!(local.hop_us, 0.0, "nothing is sent at the ports");
            assert!((local.contention_us - whole.contention_us).abs() < 1e-9);
        }
    }

    #[test]
    fn what_plain_clients_do_not_cost_more_is_no_price() {
        let mut pairs = pairs();
        for pair in &mut pairs {
            pair.plain.cpu_us = pair.ports.cpu_us * 0.99;
        }
        assert_eq!(hop_price(&pairs), Some(HopPrice::default()));
    }
}
