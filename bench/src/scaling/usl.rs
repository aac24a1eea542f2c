//! Job: Gunther's universal scalability law, C(N) = N / (1 + sigma (N - 1) + kappa N (N - 1)).
//! In: what a request costs with N cores, over what it costs with one. Out: sigma and kappa.
//! Invariant: both are at least 0. C is the throughput of N busy cores over that of one, so a request
//! costs N / C(N) times as much CPU time: a cost can be measured without N processors.

use super::least_squares::{self, Point};

/// How throughput grows with cores.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Law {
    /// The share that waits for others (queues, locks): it bounds throughput at 1 / sigma.
    pub sigma: f64,
    /// The share of each pair of cores that agree on data: it makes throughput fall in the end.
    pub kappa: f64,
}

impl Law {
    /// What a request costs with that many cores, over what it costs with one.
    pub fn cost(self, cores: f64) -> f64 {
        1.0 + self.sigma * (cores - 1.0) + self.kappa * cores * (cores - 1.0)
    }

    /// The throughput of that many cores, over that of one.
    pub fn capacity(self, cores: f64) -> f64 {
        cores / self.cost(cores)
    }

    /// The number of cores with the highest throughput, if there is one.
    pub fn peak(self) -> Option<f64> {
        // C'(N) = 0 where kappa N^2 = 1 - sigma.
        (self.kappa > 0.0).then(|| ((1.0 - self.sigma).max(0.0) / self.kappa).sqrt().max(1.0))
    }
}

/// A law, and how well it tells what was measured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fit {
    /// The law.
    pub law: Law,
    /// Root of the mean squared error of its costs, each over the measured one.
    pub error: f64,
}

/// The law that fits `costs` best: pairs of a number of cores and the cost over that with one core.
/// Errors count by their share of the cost, as those of measurements do. `None` if nobody has
/// measured more than one core.
pub fn fit(costs: &[(f64, f64)]) -> Option<Fit> {
    fit_terms(costs, true)
}

/// The same without kappa: for costs that do not show whether there is one. Carried on to many cores, a
/// kappa that noise has made is all that is seen.
pub fn fit_sigma(costs: &[(f64, f64)]) -> Option<Fit> {
    fit_terms(costs, false)
}

fn fit_terms(costs: &[(f64, f64)], has_kappa: bool) -> Option<Fit> {
    let measured: Vec<(f64, f64)> =
        costs.iter().copied().filter(|(cores, cost)| *cores > 1.0 && *cost > 0.0).collect();
    // Linear in sigma and kappa: cost - 1 = sigma (N - 1) + kappa N (N - 1).
    let point = |&(cores, cost): &(f64, f64)| Point {
        known: [cores - 1.0, if has_kappa { cores * (cores - 1.0) } else { 0.0 }],
        value: cost - 1.0,
        weight: 1.0 / (cost * cost),
    };
    let [sigma, kappa] = least_squares::fit(&measured.iter().map(point).collect::<Vec<_>>())?;
    let law = Law { sigma, kappa };
    let squares: f64 =
        measured.iter().map(|(cores, cost)| (law.cost(*cores) / cost - 1.0).powi(2)).sum();
    Some(Fit { law, error: (squares / measured.len() as f64).sqrt() })
}

#[cfg(test)]
mod tests {
    use ringlet_base::random::Random;

    use super::*;

    const CORES: [f64; 4] = [1.0, 2.0, 4.0, 8.0];

    #[test]
    fn known_laws_are_found_behind_noise() {
        let seed = Random::from_system().expect("entropy").next_u64();
        println!("seed {seed}");
        let mut random = Random::new(seed);
        for (sigma, kappa) in [(0.0, 0.0), (0.05, 0.0), (0.0, 0.002), (0.03, 0.001), (0.2, 0.01)] {
            let law = Law { sigma, kappa };
            let mut costs = Vec::new();
            for cores in CORES {
                for _ in 0..50 {
                    let noise = 1.0 + 0.02 * (random.fraction() - 0.5);
                    costs.push((cores, law.cost(cores) * noise));
                }
            }
            let found = fit(&costs).expect("a law");
            for cores in CORES {
                let share = found.law.cost(cores) / law.cost(cores);
                assert!((share - 1.0).abs() < 0.01, "{law:?} became {found:?}");
            }
            assert!((found.law.sigma - sigma).abs() < 0.006, "{law:?} became {found:?}");
            assert!((found.law.kappa - kappa).abs() < 0.0008, "{law:?} became {found:?}");
            assert!(found.error < 0.01, "{found:?}");
        }
    }

    #[test]
    fn exact_costs_leave_no_error() {
        let law = Law { sigma: 0.04, kappa: 0.003 };
        let found = fit(&CORES.map(|cores| (cores, law.cost(cores)))).expect("a law");
        assert!((found.law.sigma - 0.04).abs() < 1e-9 && (found.law.kappa - 0.003).abs() < 1e-9);
        assert!(found.error < 1e-9);
        let straight = fit_sigma(&CORES.map(|cores| (cores, law.cost(cores)))).expect("a law");
        assert!(straight.law.kappa.abs() < 1e-12 && straight.law.sigma > 0.04, "{straight:?}");
        let wrong = fit(&[(2.0, 1.5), (4.0, 1.0), (8.0, 1.5)]).expect("a law");
        assert!(wrong.error > 0.1, "a law that does not hold says so: {wrong:?}");
    }

    #[test]
    fn capacity_peaks_where_the_law_says() {
        let law = Law { sigma: 0.02, kappa: 0.0005 };
        let peak = law.peak().expect("kappa is above 0");
        assert!((peak - (0.98_f64 / 0.0005).sqrt()).abs() < 1e-9);
        let at_peak = law.capacity(peak);
        assert!(at_peak > law.capacity(peak - 1.0) && at_peak > law.capacity(peak + 1.0));
        assert_eq!(Law { sigma: 0.1, kappa: 0.0 }.peak(), None);
        assert_eq!(Law { sigma: 2.0, kappa: 0.1 }.peak(), Some(1.0), "never below one core");
    }

    #[test]
    fn cheaper_with_more_cores_is_no_law() {
        let found = fit(&[(1.0, 1.0), (2.0, 0.9), (4.0, 0.8)]).expect("a law");
        assert_eq!(found.law, Law::default());
        assert_eq!(fit(&[(1.0, 1.0)]), None);
        assert_eq!(fit(&[]), None);
    }
}
