//! Job: where a value lies on an axis, and which values are written beside it.
//! In: the values that are drawn. Out: a [`Ruler`]: shares of the axis from 0 to 1, ticks.
//! Invariant: what is no number, or has no place on the axis, gets none; nothing here panics.

use super::plot::Scale;

/// About so many ticks stand on an axis with equal steps.
const STEPS: f64 = 6.0;
/// More ticks than this overlap.
const TICKS_MAX: usize = 12;
/// What lies between the last share below 100 % and 100 % itself, which is endlessly far.
const LAST_STEP: f64 = 0.35;
/// Nines beyond that share of the axis would cover what stands at its end.
const LAST_LABEL: f64 = 0.9;

/// An axis that runs from one value to another.
#[derive(Clone, Copy, Debug)]
pub struct Ruler {
    scale: Scale,
    /// The ends, after the scale's function.
    low: f64,
    high: f64,
    /// The values are powers of two.
    is_binary: bool,
    /// The end of shares is 100 %: the greatest of all.
    has_greatest: bool,
}

impl Ruler {
    /// The axis on which all `values` have a place, from one tick to another if it `is_rounded`. `None`
    /// if none has one.
    pub fn over(scale: Scale, values: &[f64], is_rounded: bool) -> Option<Self> {
        let places = || values.iter().filter_map(|&value| place(scale, value));
        let mut low = places().reduce(f64::min)?;
        let mut high = places().reduce(f64::max)?;
        let is_binary =
            scale == Scale::Log && values.iter().all(|value| value.log2().fract() == 0.0);
        let has_greatest = high.is_infinite();
        if scale == Scale::Percentile {
            let last = places().filter(|place| place.is_finite()).reduce(f64::max).unwrap_or(0.0);
            low = 0.0;
            high = if has_greatest { last + LAST_STEP } else { last };
        }
        let mut ruler = Self { scale, low, high, is_binary, has_greatest };
        if is_rounded {
            ruler.round();
        }
        if ruler.high - ruler.low <= f64::EPSILON * ruler.low.abs().max(1.0) {
            let is_linear = matches!(scale, Scale::Linear | Scale::Names);
            ruler.high = ruler.low + if is_linear { ruler.low.abs().max(1.0) } else { 1.0 };
            // The one value stands in the middle, unless the axis begins with it.
            if !is_rounded && scale != Scale::Percentile {
                ruler.low -= ruler.high - ruler.low;
            }
        }
        Some(ruler)
    }

    fn round(&mut self) {
        match self.scale {
            Scale::Linear | Scale::Names => {
                self.low = self.low.min(0.0);
                let step = step(self.high - self.low);
                self.low = (self.low / step).floor() * step;
                self.high = (self.high / step).ceil() * step;
            }
            Scale::Log => {
                self.low = around(self.low).0;
                self.high = around(self.high).1;
            }
            Scale::Percentile => {}
        }
    }

    /// How far along the axis a value lies, from 0 to 1.
    pub fn share(&self, value: f64) -> Option<f64> {
        let place = place(self.scale, value)?;
        let share = (place.min(self.high) - self.low) / (self.high - self.low);
        share.is_finite().then(|| share.clamp(0.0, 1.0))
    }

    /// Where something is written, and what.
    pub fn ticks(&self) -> Vec<(f64, String)> {
        let values: Vec<f64> = match self.scale {
            Scale::Linear | Scale::Names => {
                let step = step(self.high - self.low);
                let first = (self.low / step).ceil();
                (0..TICKS_MAX).map(|at| (first + at as f64) * step).collect()
            }
            Scale::Log if self.is_binary => (-20..64).map(|power| 2_f64.powi(power)).collect(),
            Scale::Log => self.decades(),
            Scale::Percentile => {
                let nines = (1..9).map(|nines| 1.0 - 10_f64.powi(-nines));
                [0.0].into_iter().chain(nines).collect()
            }
        };
        let slack = (self.high - self.low) * 1e-6;
        let is_inside = |value: &f64| {
            place(self.scale, *value)
                .is_some_and(|place| (self.low - slack..=self.high + slack).contains(&place))
        };
        let shown: Vec<f64> = values.into_iter().filter(is_inside).collect();
        let every = shown.len().div_ceil(TICKS_MAX).max(1);
        let ticks = shown.into_iter().step_by(every);
        let label = |value| Some((self.share(value)?, self.label(value)));
        let mut ticks: Vec<(f64, String)> = ticks.filter_map(label).collect();
        if self.has_greatest {
            ticks.retain(|(share, _)| *share < LAST_LABEL);
            ticks.push((1.0, "max".to_owned()));
        }
        ticks
    }

    /// 1, 10, 100; over a short way 2 and 5 as well.
    fn decades(&self) -> Vec<f64> {
        let factors: &[f64] = if self.high - self.low < 2.5 { &[1.0, 2.0, 5.0] } else { &[1.0] };
        let powers = self.low.floor().max(-30.0) as i32..=self.high.ceil().min(30.0) as i32;
        let decade = |power: i32| factors.iter().map(move |factor| factor * 10_f64.powi(power));
        powers.flat_map(decade).collect()
    }

    fn label(&self, value: f64) -> String {
        if self.scale == Scale::Percentile {
            // Rounded, so that 1 - 0.1 is 0.9; the unit of many nines would touch the next label.
            let unit = if value > 0.9995 { "" } else { " %" };
            format!("{}{unit}", (value * 1e10).round() / 1e8)
        } else {
            short(value)
        }
    }
}

/// A value after the scale's function.
fn place(scale: Scale, value: f64) -> Option<f64> {
    match scale {
        Scale::Linear | Scale::Names => value.is_finite().then_some(value),
        Scale::Log => (value.is_finite() && value > 0.0).then(|| value.log10()),
        Scale::Percentile => (0.0..=1.0).contains(&value).then(|| -(1.0 - value).log10()),
    }
}

/// 1, 2 or 5 times a power of ten, of which a few make up `span`.
fn step(span: f64) -> f64 {
    let wanted = span.abs().clamp(1e-30, 1e30) / STEPS;
    let power = 10_f64.powf(wanted.log10().floor());
    let factor = [1.0, 2.0, 5.0].into_iter().find(|factor| wanted <= factor * power * 1.000_001);
    factor.unwrap_or(10.0) * power
}

/// The logarithms of 1, 2 or 5 times a power of ten just below and just above.
fn around(log: f64) -> (f64, f64) {
    let decade = log.floor();
    let stops = [0.0, 2_f64.log10(), 5_f64.log10(), 1.0].map(|stop| decade + stop);
    let slack = 1e-9;
    let below = stops.into_iter().rev().find(|stop| *stop <= log + slack).unwrap_or(decade);
    (below, stops.into_iter().find(|stop| *stop >= log - slack).unwrap_or(decade + 1.0))
}

/// A number for an axis: `12k`, `0.05`.
pub fn short(value: f64) -> String {
    let (divided, unit) = match value.abs() {
        size if size >= 1e9 => (value / 1e9, "G"),
        size if size >= 1e6 => (value / 1e6, "M"),
        size if size >= 1e4 => (value / 1e3, "k"),
        _ => (value, ""),
    };
    // Sums of steps such as 0.1 have digits that nobody meant.
    let meant = if divided.abs() >= 1e-4 { (divided * 1e6).round() / 1e6 } else { divided };
    format!("{meant}{unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(scale: Scale, values: &[f64]) -> Vec<String> {
        let ruler = Ruler::over(scale, values, scale != Scale::Percentile).expect("values");
        ruler.ticks().into_iter().map(|(_, label)| label).collect()
    }

    #[test]
    fn ticks_are_round_values() {
        assert_eq!(labels(Scale::Linear, &[3.0, 47.0]), ["0", "10", "20", "30", "40", "50"]);
        assert_eq!(labels(Scale::Linear, &[0.07]), ["0", "0.02", "0.04", "0.06", "0.08"]);
        assert_eq!(labels(Scale::Log, &[0.3, 2400.0]), ["1", "10", "100", "1000"]);
        assert_eq!(labels(Scale::Log, &[0.3, 4.5]), ["0.2", "0.5", "1", "2", "5"]);
        let cores = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0];
        assert_eq!(labels(Scale::Log, &cores), ["1", "2", "4", "8", "16", "32", "64"]);
        let shares = [0.0, 0.5, 0.9, 0.99, 0.9995, 1.0];
        assert_eq!(labels(Scale::Percentile, &shares), ["0 %", "90 %", "99 %", "99.9 %", "max"]);
        let many = labels(Scale::Percentile, &[0.0, 0.9999999, 1.0]);
        assert_eq!(many[3..6], ["99.9 %", "99.99", "99.999"]);
    }

    #[test]
    fn shares_lie_on_the_axis_and_what_is_no_number_has_none() {
        let shares = [0.0, 0.9, 0.999, 1.0];
        let ruler = Ruler::over(Scale::Percentile, &shares, false).expect("values");
        let at: Vec<f64> = shares.iter().filter_map(|&share| ruler.share(share)).collect();
        assert!(at.windows(2).all(|pair| pair[0] < pair[1]), "{at:?}");
        assert_eq!((at[0], at[3]), (0.0, 1.0));
        assert_eq!(ruler.share(1.5), None);
        let ruler = Ruler::over(Scale::Log, &[0.0, f64::NAN, 5.0, f64::INFINITY], true).expect("5");
        assert_eq!((ruler.share(0.0), ruler.share(f64::NAN)), (None, None));
    }

    #[test]
    fn no_value_gives_no_axis_and_one_or_strange_ones_do_not_panic() {
        for scale in [Scale::Linear, Scale::Log, Scale::Percentile, Scale::Names] {
            assert!(Ruler::over(scale, &[], true).is_none());
            assert!(Ruler::over(scale, &[f64::NAN, f64::NEG_INFINITY], true).is_none());
            for value in [0.0, 1.0, -1.0, 0.5, 1e-300, 1e300, 7e-5] {
                for is_rounded in [false, true] {
                    let Some(ruler) = Ruler::over(scale, &[value], is_rounded) else { continue };
                    assert!(ruler.share(value).is_some(), "{scale:?} {value}");
                    assert!(ruler.ticks().len() <= TICKS_MAX);
                }
            }
        }
    }
}
