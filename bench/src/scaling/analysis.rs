//! Job: from the runs to parts, laws and models.
//! In: the [`Series`] of all loads. Out: for each single-key load and way an [`Analysis`].
//! Invariant: figures are compared within a round only; a figure's range is what the single rounds
//! give by themselves.

use super::load::Mix;
use super::measure::{Case, Series, Way};
use super::prediction::{Hops, Model, commands_per_pass};
use super::split::{Figures, HopPrice, Pair, Split, hop_price, split};
use super::usl::{self, Fit};
use crate::compare::Spread;

/// What one load, asked in one way, tells.
#[derive(Clone, Debug)]
pub struct Analysis {
    /// The load.
    pub case: Case,
    /// How it reached the shards.
    pub way: Way,
    /// For each number of shards the parts of each round.
    pub parts: Vec<(usize, Vec<Split>)>,
    /// How contention grows.
    pub fit: Fit,
    /// How the whole cost would grow by the law alone, hops included.
    pub whole: Fit,
    /// What follows for more cores.
    pub model: Model,
    /// The same from each round alone.
    pub models: Vec<Model>,
}

/// All runs, by load.
#[derive(Clone, Copy, Debug)]
pub struct Measured<'a> {
    series: &'a [Series],
    rounds: usize,
}

impl<'a> Measured<'a> {
    /// The runs in `series`.
    pub fn new(series: &'a [Series]) -> Self {
        let rounds = series.iter().map(|series| series.runs.len()).min().unwrap_or(0);
        Self { series, rounds }
    }

    /// The runs of one load, from few shards to many. One shard serves both ways.
    fn of(self, case: Case, way: Way) -> Vec<&'a Series> {
        let all = self.series.iter().filter(|series| series.case == case);
        all.filter(|series| series.way == way || series.shards == 1).collect()
    }

    /// All rounds.
    pub fn rounds(self) -> Vec<usize> {
        (0..self.rounds).collect()
    }

    /// What hops cost, by so many rounds.
    pub fn price(self, rounds: &[usize]) -> HopPrice {
        hop_price(&self.pairs(rounds)).unwrap_or_default()
    }

    /// In how many pairs of runs requests with hops cost less than those without, and of how many.
    pub fn pairs_with_cheaper_hops(self) -> (usize, usize) {
        let pairs = self.pairs(&self.rounds());
        let is_cheaper = |pair: &&Pair| pair.plain.cpu_us < pair.ports.cpu_us;
        (pairs.iter().filter(is_cheaper).count(), pairs.len())
    }

    fn pairs(self, rounds: &[usize]) -> Vec<Pair> {
        let mut pairs = Vec::new();
        for plain in self.series.iter().filter(|it| it.way == Way::Plain && it.shards > 1) {
            let same = |it: &&Series| {
                it.way == Way::Ports && it.case == plain.case && it.shards == plain.shards
            };
            if let Some(ports) = self.series.iter().find(same) {
                pairs.extend(rounds.iter().map(|round| Pair {
                    plain: plain.runs[*round].figures,
                    ports: ports.runs[*round].figures,
                }));
            }
        }
        pairs
    }

    /// What one load tells. `None` if there is too little of it.
    pub fn analyse(self, case: Case, way: Way) -> Option<Analysis> {
        let rounds = self.rounds();
        let price = self.price(&rounds);
        let alone = |round: &usize| {
            let rounds = [*round];
            self.fitted(case, way, &rounds, self.price(&rounds), usl::fit)
        };
        let models: Vec<Model> =
            rounds.iter().filter_map(alone).map(|(_, _, model)| model).collect();
        // What not every round sees is not told from noise.
        let has_kappa = models.iter().all(|model| model.law.kappa > 0.0);
        let law = if has_kappa { usl::fit } else { usl::fit_sigma };
        let (fit, whole, model) = self.fitted(case, way, &rounds, price, law)?;
        let series = self.of(case, way);
        let one = series.first().filter(|series| series.shards == 1)?;
        let parts = series.iter().map(|series| {
            let of_round = |round: &usize| {
                split(one.runs[*round].figures.cpu_us, &series.runs[*round].figures, price)
            };
            (series.shards, rounds.iter().map(of_round).collect())
        });
        Some(Analysis { case, way, parts: parts.collect(), fit, whole, model, models })
    }

    fn fitted(
        self,
        case: Case,
        way: Way,
        rounds: &[usize],
        price: HopPrice,
        law: fn(&[(f64, f64)]) -> Option<Fit>,
    ) -> Option<(Fit, Fit, Model)> {
        let series = self.of(case, way);
        let one = series.first().filter(|series| series.shards == 1)?;
        let (mut rest, mut whole) = (Vec::new(), Vec::new());
        for series in &series {
            let ratios = |cost: &dyn Fn(&Figures) -> f64| {
                let ratio = |round: &usize| {
                    cost(&series.runs[*round].figures) / one.runs[*round].figures.cpu_us
                };
                median(rounds.iter().map(ratio))
            };
            let cores = series.shards as f64;
            whole.push((cores, ratios(&|it| it.cpu_us)?));
            rest.push((cores, ratios(&|it| it.cpu_us - price.of(it.sent, it.messages))?));
        }
        let most = series.last()?;
        let at_most = |figure: &dyn Fn(&Figures) -> f64| {
            median(rounds.iter().map(|round| figure(&most.runs[*round].figures)))
        };
        let per_message = at_most(&|it| it.commands_per_message().unwrap_or(1.0))?;
        let hops =
            Hops { price, commands_per_pass: commands_per_pass(per_message, most.shards as f64) };
        let fit = law(&rest)?;
        let model = Model {
            one_us: median(rounds.iter().map(|round| one.runs[*round].figures.cpu_us))?,
            law: fit.law,
            hops: (way == Way::Plain && case.mix == Mix::GetSet).then_some(hops),
            sequencer_uses: if way == Way::Plain { at_most(&|it| it.sequencer_uses)? } else { 0.0 },
        };
        Some((fit, usl::fit(&whole)?, model))
    }
}

/// The middle of some figures.
pub fn median(figures: impl Iterator<Item = f64>) -> Option<f64> {
    Spread::of(&figures.collect::<Vec<_>>()).map(|spread| spread.median)
}

#[cfg(test)]
pub mod tests {
    use super::super::measure::{CASES, SHARDS};
    use super::super::sample::Run;
    use super::*;

    const PRICE: HopPrice = HopPrice { message_us: 2.0, command_us: 0.3 };
    const SIGMA: f64 = 0.02;

    /// Runs by the model: round 1 on a machine three times as slow as in the others.
    pub fn measured() -> Vec<Series> {
        let mut all = Vec::new();
        for (case, one_us, per_message) in [(CASES[0], 9.0, 1.5), (CASES[1], 1.2, 20.0)] {
            for shards in SHARDS {
                for way in [Way::Plain, Way::Ports] {
                    if shards == 1 && way == Way::Ports {
                        continue;
                    }
                    let cores = shards as f64;
                    let sent = if way == Way::Plain { (cores - 1.0) / cores } else { 0.0 };
                    let messages = sent / per_message;
                    let contended = one_us * (1.0 + SIGMA * (cores - 1.0));
                    let run = |slow: f64| {
                        let cpu_us = slow * (contended + PRICE.of(sent, messages));
                        let figures = Figures { cpu_us, sent, messages, ..Figures::default() };
                        Run { requests: 1000.0, cpu_s: 1.0, figures }
                    };
                    let runs = vec![run(1.0), run(3.0), run(1.0)];
                    let (busy_cpus, command) = (vec![1.0; 3], String::new());
                    all.push(Series { case, way, shards, runs, busy_cpus, command });
                }
            }
        }
        all
    }

    #[test]
    fn the_model_comes_back_from_its_own_figures() {
        let series = measured();
        let measured = Measured::new(&series);
        let price = measured.price(&[0, 2]);
        assert!((price.message_us - PRICE.message_us).abs() < 1e-6, "{price:?}");
        assert!((price.command_us - PRICE.command_us).abs() < 1e-6, "{price:?}");
        for way in [Way::Plain, Way::Ports] {
            let analysis = measured.analyse(CASES[1], way).expect("enough");
            let alone = analysis.models[0];
            assert!((alone.law.sigma - SIGMA).abs() < 1e-6, "{way:?}: {alone:?}");
            assert_eq!(analysis.models.len(), 3);
            assert_eq!(analysis.parts.len(), SHARDS.len());
            assert!((alone.one_us - 1.2).abs() < 1e-9);
            // It costs as much as was measured where it was measured.
            let at_eight =
                series.iter().find(|it| it.case == CASES[1] && it.way == way && it.shards == 8);
            let measured_us = at_eight.expect("eight shards").runs[0].figures.cpu_us;
            let cost_us = alone.cost_us(8.0);
            assert!((cost_us / measured_us - 1.0).abs() < 1e-3, "{cost_us} for {measured_us}");
        }
    }

    #[test]
    fn a_kappa_that_one_round_does_not_see_is_noise() {
        let kappa_at = |rounds: &[usize]| {
            let mut series = measured();
            for series in series.iter_mut().filter(|series| series.shards == 8) {
                for round in rounds {
                    series.runs[*round].figures.cpu_us *= 1.2;
                }
            }
            let analysis = Measured::new(&series).analyse(CASES[0], Way::Ports).expect("enough");
            analysis.model.law.kappa
        };
        assert!(kappa_at(&[0, 1, 2]) > 0.001);
        assert!(kappa_at(&[0, 2]).abs() < 1e-12, "two of three rounds saw it");
    }

    #[test]
    fn plain_clients_pay_for_hops_and_those_at_the_ports_do_not() {
        let series = measured();
        let measured = Measured::new(&series);
        let plain = measured.analyse(CASES[0], Way::Plain).expect("enough");
        let ports = measured.analyse(CASES[0], Way::Ports).expect("enough");
        assert!(plain.model.throughput(64.0) < ports.model.throughput(64.0));
        assert!(plain.whole.law.cost(8.0) > ports.whole.law.cost(8.0));
        let (shards, parts) = plain.parts.last().expect("eight shards");
        assert!(*shards == 8 && parts[0].hop_us > 1.0, "{parts:?}");
        assert!(ports.parts.iter().all(|(_, parts)| parts[0].hop_us == 0.0));
        assert!(measured.analyse(CASES[2], Way::Plain).is_none(), "nothing was measured");
        assert!(Measured::new(&[]).analyse(CASES[0], Way::Plain).is_none());
    }
}
