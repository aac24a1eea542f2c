//! Job: what a request would cost, and how many are served, with more cores than were measured.
//! In: the measured parts. Out: costs, throughputs.
//! Invariant: with the measured numbers of cores it comes out where the parts were fitted; every
//! assumption stands in [`ASSUMPTIONS`], and the report shows them.

use super::split::HopPrice;
use super::usl::Law;

/// What one core's touch of a cache line costs that another core has just written, in microseconds.
/// Two CPUs of one socket need about half of it, two sockets up to three times as much.
const LINE_US: f64 = 0.06;

/// What must be true for the prediction to come true.
pub const ASSUMPTIONS: &[&str] = &[
    "Every core has a CPU of its own, and as much to do as each core had in the measurement (so many \
     clients per core): then N cores serve N times 1 / (CPU time per request).",
    "Keys are spread evenly, and so are clients: no core waits for a hot one.",
    "A plain client's command is for another core in (N - 1) of N cases. A pass collects as many \
     commands as in the measurement, for as many cores as chance makes of it, with a message for \
     each: messages get emptier with more cores, and dearer per command, up to one for each command.",
    "A message and a command in it cost as much between any two of N cores as between those measured.",
    "Contention grows by the universal scalability law, fitted to what is left beside local work and \
     hops.",
    "The sequencer is one lock for all cores: whoever takes it holds it for 0.06 us (a cache line of \
     another core) for itself and for each queue that the pass has something for. Throughput cannot \
     be higher than its time allows.",
    "NOT in it, because so few CPUs cannot show it: several sockets or chiplets (NUMA), the memory \
     bandwidth and the shared cache of many cores, true sharing of cache lines between CPUs beyond \
     what ran at once here, the clock rate of a fully loaded package, the network card and its \
     interrupts.",
    "With more shards than CPUs the shards take turns on a CPU. What the switches and wakes cost \
     (counted in the notes) is not taken off: it counts as contention or as hop, and a message here \
     mostly finds its core asleep, while a busy core with a CPU of its own is awake. So costs come \
     out too high rather than too low. On the other hand what waits during another's turn makes \
     passes and messages fuller than they are where all run at once.",
];

/// What is known of the requests of some load.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Model {
    /// CPU time of a request with one core, in microseconds.
    pub one_us: f64,
    /// How contention grows.
    pub law: Law,
    /// What hops cost, if there are any.
    pub hops: Option<Hops>,
    /// Uses of the sequencer per request.
    pub sequencer_uses: f64,
}

/// Hops of plain clients.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Hops {
    /// What they cost.
    pub price: HopPrice,
    /// Commands that a pass collects for all cores together.
    pub commands_per_pass: f64,
}

impl Model {
    /// CPU time of a request with that many cores, in microseconds.
    pub fn cost_us(&self, cores: f64) -> f64 {
        let hop_us = self.hops.map_or(0.0, |hops| {
            let sent = (cores - 1.0) / cores;
            hops.price.of(sent, targets(cores, hops.commands_per_pass) / hops.commands_per_pass)
        });
        self.one_us * self.law.cost(cores) + hop_us
    }

    /// Requests per second of that many busy cores.
    pub fn throughput(&self, cores: f64) -> f64 {
        (cores * 1e6 / self.cost_us(cores)).min(self.sequencer_limit(cores))
    }

    /// Requests per second for which the sequencer has time.
    fn sequencer_limit(&self, cores: f64) -> f64 {
        let commands = self.hops.map_or(1.0, |hops| hops.commands_per_pass);
        let held_us = LINE_US * (1.0 + targets(cores, commands));
        if self.sequencer_uses > 0.0 && cores > 1.0 {
            1e6 / (self.sequencer_uses * held_us)
        } else {
            f64::INFINITY
        }
    }
}

/// To how many other cores so many commands go, if each is for any core.
fn targets(cores: f64, commands: f64) -> f64 {
    (cores - 1.0) * (1.0 - (1.0 - 1.0 / cores).powf(commands))
}

/// How many commands a pass has collected whose messages to each of the other cores hold
/// `per_message` commands on average: the inverse of what [`targets`] makes of it.
pub fn commands_per_pass(per_message: f64, cores: f64) -> f64 {
    const MOST: f64 = 1e6;
    let filling = |commands: f64| commands * (cores - 1.0) / cores / targets(cores, commands);
    // It grows with the number of commands: one alone has a message to itself.
    if cores <= 1.0 || per_message.is_nan() || per_message <= 1.0 {
        return 1.0;
    }
    let (mut low, mut high) = (1.0, MOST);
    for _ in 0..100 {
        let middle = (low + high) / 2.0;
        if filling(middle) < per_message { low = middle } else { high = middle }
    }
    high
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOPS: Hops =
        Hops { price: HopPrice { message_us: 2.0, command_us: 0.25 }, commands_per_pass: 40.0 };

    fn model(hops: Option<Hops>) -> Model {
        Model { one_us: 1.0, law: Law::default(), hops, sequencer_uses: 0.0 }
    }

    #[test]
    fn without_hop_and_contention_throughput_grows_with_the_cores() {
        for cores in [1.0, 2.0, 64.0] {
            assert!((model(None).throughput(cores) - cores * 1e6).abs() < 1e-3);
        }
    }

    #[test]
    fn hops_cost_nothing_on_one_core_and_get_dearer_with_more() {
        let model = model(Some(HOPS));
        let costs = [1.0, 2.0, 4.0, 16.0, 64.0].map(|cores| model.cost_us(cores));
        assert!((costs[0] - 1.0).abs() < 1e-9, "{costs:?}");
        assert!(costs.windows(2).all(|pair| pair[0] < pair[1]), "{costs:?}");
        // All 40 commands of a pass for two cores: half of them travel, in one message.
        assert!((costs[1] - (1.0 + 0.125 + 2.0 / 40.0)).abs() < 1e-6, "{costs:?}");
        // Never more than a message for each command.
        assert!(model.cost_us(1e6) < 1.0 + 2.0 + 0.25 + 1e-3);
    }

    #[test]
    fn the_commands_of_a_pass_follow_from_how_full_messages_are() {
        for cores in [2.0, 4.0, 8.0] {
            for commands in [1.0, 3.0, 40.0, 800.0] {
                let per_message = commands * (cores - 1.0) / cores / targets(cores, commands);
                let found = commands_per_pass(per_message, cores);
                assert!((found / commands - 1.0).abs() < 0.01, "{found} for {commands}");
            }
        }
        for per_message in [0.0, 1.0, -3.0, f64::NAN] {
            assert_eq!(commands_per_pass(per_message, 4.0), 1.0);
        }
        assert_eq!(commands_per_pass(5.0, 1.0), 1.0);
    }

    #[test]
    fn the_sequencer_bounds_what_many_cores_can_do() {
        let bounded = Model { sequencer_uses: 0.5, ..model(Some(HOPS)) };
        assert_eq!(bounded.throughput(1.0), 1e6, "one core has nobody to agree with");
        let held_us = LINE_US * (1.0 + targets(64.0, 40.0));
        assert!((bounded.throughput(64.0) - 2e6 / held_us).abs() < 1.0);
        assert!(model(Some(HOPS)).throughput(64.0) > bounded.throughput(64.0));
    }
}
