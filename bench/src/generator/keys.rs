//! Job: which key a request is about.
//! In: a distribution, the number of keys, the part of them that a core takes. Out: numbers of keys.
//! Invariant: a draw takes constant time and no table, whatever the number of keys. The lowest numbers
//! are the most popular: they are not scattered over the others, since servers scatter keys by hash.

use std::fmt;
use std::str::FromStr;

use ringlet_base::random::Random;

/// Keys that a run may have: their names end in 12 digits.
pub const KEYS_MAX: u64 = 1_000_000_000_000;
/// The largest exponent of a zipfian distribution; beyond it nearly all requests are about one key.
const EXPONENT_MAX: f64 = 20.0;
const EXPONENT_DEFAULT: f64 = 0.99;
const HOT_KEYS_DEFAULT: f64 = 0.2;
const HOT_REQUESTS_DEFAULT: f64 = 0.8;

/// How requests are spread over keys.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Distribution {
    /// All keys alike.
    #[default]
    Uniform,
    /// The key at place k is asked for in proportion to 1 / k^exponent.
    Zipfian {
        /// From 0, which is uniform, to 20.
        exponent: f64,
    },
    /// Some keys take most requests; inside the hot and the cold part all are alike.
    Hotspot {
        /// Share of the keys that is hot.
        keys: f64,
        /// Share of the requests that is about hot keys.
        requests: f64,
    },
    /// One after the other, then again from the first.
    Sequential,
}

impl fmt::Display for Distribution {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Uniform => formatter.write_str("uniform"),
            Self::Zipfian { exponent } => write!(formatter, "zipfian:{exponent}"),
            Self::Hotspot { keys, requests } => write!(formatter, "hotspot:{keys}:{requests}"),
            Self::Sequential => formatter.write_str("sequential"),
        }
    }
}

impl FromStr for Distribution {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut words = text.split(':');
        let name = words.next().unwrap_or_default();
        let mut value = |what: &str, default: f64, max: f64| match words.next() {
            None => Ok(default),
            Some(word) => match word.parse::<f64>() {
                Ok(value) if (0.0..=max).contains(&value) => Ok(value),
                _ => Err(format!("{what} must be a number from 0 to {max}, not \"{word}\"")),
            },
        };
        let distribution = match name {
            "uniform" => Self::Uniform,
            "sequential" => Self::Sequential,
            "zipfian" => {
                let exponent = value("the exponent", EXPONENT_DEFAULT, EXPONENT_MAX)?;
                Self::Zipfian { exponent }
            }
            "hotspot" => Self::Hotspot {
                keys: value("the share of hot keys", HOT_KEYS_DEFAULT, 1.0)?,
                requests: value("the share of requests for hot keys", HOT_REQUESTS_DEFAULT, 1.0)?,
            },
            _ => {
                return Err(format!(
                    "unknown distribution \"{name}\": uniform, zipfian[:0.99], hotspot[:0.2:0.8] or \
                     sequential"
                ));
            }
        };
        match words.next() {
            Some(word) => Err(format!("\"{word}\" is one value too many for {name}")),
            None => Ok(distribution),
        }
    }
}

/// The keys of one core: those whose number leaves `first` when divided by `step`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyClass {
    /// The lowest number.
    pub first: u64,
    /// From one number to the next.
    pub step: u64,
    /// How many there are.
    pub count: u64,
}

impl KeyClass {
    /// All of `keys`.
    #[must_use]
    pub fn all(keys: u64) -> Self {
        Self { first: 0, step: 1, count: keys }
    }

    /// The share of `core` among `cores`: the sizes differ by one key at most, and the lower cores have
    /// the larger ones.
    #[must_use]
    pub fn of_core(keys: u64, core: usize, cores: usize) -> Self {
        let (first, step) = (core as u64, cores.max(1) as u64);
        Self { first, step, count: keys.saturating_sub(first).div_ceil(step) }
    }

    /// The place of a key in the class, which is the key's if the key belongs to it.
    #[must_use]
    pub fn place(&self, key: u64) -> u64 {
        key / self.step
    }
}

/// Draws keys. A restricted class has the whole distribution over its own keys, so that the classes
/// of all cores together have it as well, but for neighbours of different cores being alike.
#[derive(Clone, Debug)]
pub struct Keys {
    class: KeyClass,
    shape: Shape,
}

#[derive(Clone, Debug)]
enum Shape {
    Uniform,
    Zipfian(Zipfian),
    Hotspot { hot: u64, requests: f64 },
    Sequential { next: u64 },
}

impl Keys {
    /// Draws from `class` by `distribution`; an empty class gives its first key.
    #[must_use]
    pub fn new(distribution: Distribution, class: KeyClass) -> Self {
        let shape = match distribution {
            Distribution::Uniform => Shape::Uniform,
            Distribution::Zipfian { exponent } => {
                Shape::Zipfian(Zipfian::new(class.count.max(1), exponent))
            }
            Distribution::Hotspot { keys, requests } => {
                let hot = (class.count as f64 * keys).round() as u64;
                Shape::Hotspot { hot: hot.clamp(1, class.count.max(1)), requests }
            }
            Distribution::Sequential => Shape::Sequential { next: 0 },
        };
        Self { class, shape }
    }

    /// The next key.
    #[inline]
    pub fn draw(&mut self, random: &mut Random) -> u64 {
        let count = self.class.count;
        let place = match &mut self.shape {
            Shape::Uniform => random.below(count),
            Shape::Zipfian(zipfian) => zipfian.draw(random) - 1,
            Shape::Hotspot { hot, requests } => {
                if *hot == count || random.fraction() < *requests {
                    random.below(*hot)
                } else {
                    *hot + random.below(count.saturating_sub(*hot))
                }
            }
            Shape::Sequential { next } => {
                let place = *next;
                *next = if place + 1 < count { place + 1 } else { 0 };
                place
            }
        };
        self.class.first + place * self.class.step
    }
}

/// Numbers from 1 to `count`, k in proportion to k^-exponent, by rejection-inversion (Hörmann and
/// Derflinger 1996): the area under x^-exponent is inverted, and the little that the continuous curve
/// has more than the steps below it is drawn again.
#[derive(Clone, Debug)]
struct Zipfian {
    count: f64,
    exponent: f64,
    /// The area up to the right end of the first step's column, less that step's height.
    area_first: f64,
    /// The area up to the right end of the last column.
    area_last: f64,
    /// A result that lies at most so far right of the drawn point is good without further look.
    sure_distance: f64,
}

impl Zipfian {
    fn new(count: u64, exponent: f64) -> Self {
        let mut zipfian = Self {
            count: count as f64,
            exponent,
            area_first: 0.0,
            area_last: 0.0,
            sure_distance: 0.0,
        };
        zipfian.area_first = zipfian.area(1.5) - 1.0;
        zipfian.area_last = zipfian.area(zipfian.count + 0.5);
        zipfian.sure_distance = 2.0 - zipfian.point(zipfian.area(2.5) - zipfian.height(2.0));
        zipfian
    }

    #[inline]
    fn draw(&self, random: &mut Random) -> u64 {
        loop {
            let area = self.area_last + random.fraction() * (self.area_first - self.area_last);
            let point = self.point(area);
            let place = point.round().clamp(1.0, self.count);
            if place - point <= self.sure_distance
                || area >= self.area(place + 0.5) - self.height(place)
            {
                return place as u64;
            }
        }
    }

    fn height(&self, x: f64) -> f64 {
        (-self.exponent * x.ln()).exp()
    }

    /// The area under the curve from 1 to `x`; `exp_m1` keeps it exact around the exponent 1, where the
    /// formula turns into the logarithm.
    fn area(&self, x: f64) -> f64 {
        let (rest, log) = (1.0 - self.exponent, x.ln());
        if rest == 0.0 { log } else { (rest * log).exp_m1() / rest }
    }

    /// The point up to which there is so much area.
    fn point(&self, area: f64) -> f64 {
        let rest = 1.0 - self.exponent;
        // Rounding may leave the argument just below -1, where the logarithm ends.
        if rest == 0.0 { area.exp() } else { ((area * rest).max(-1.0).ln_1p() / rest).exp() }
    }
}
