//! The numbers of a limit.
//!
//! Job: the keys of a rule that say how much is allowed. In: the rule's section. Out: a [`Limit`].
//! Invariant: a key that says nothing to the rule's algorithm is a problem, and so is a number that
//! the algorithm cannot keep to.

use jiff::tz::TimeZone;
use ringlet_base::config::values::{choice, flag, number, text_as};
use ringlet_base::config::{Section, listed, shown, suggestion};

use super::period::{CALENDAR, read_period, read_rate};
use crate::algorithm::{ALGORITHMS, Algorithm, LOG_LIMIT_MAX, Spread, algorithm_by_name};
use crate::model::{AMOUNT_MAX, Calendar, Limit};

/// The algorithm of a rule that names none.
pub const ALGORITHM_DEFAULT: &str = "token-bucket";

/// What an algorithm wants to know.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// A rate and a burst.
    Bucket,
    /// A rate and a queue.
    Queue,
    /// A limit for each window.
    Window,
    /// The same, small.
    Log,
    /// Permits that are held.
    Permits,
    /// A limit for each window of the calendar.
    Calendar,
}

impl Shape {
    /// What an algorithm wants; one that is not named here is taken by how it is shared.
    pub(super) fn of(algorithm: &Algorithm) -> Self {
        match (algorithm.name, algorithm.spread) {
            ("shaper", _) => Self::Queue,
            ("sliding-log", _) => Self::Log,
            ("concurrency", _) => Self::Permits,
            ("calendar", _) => Self::Calendar,
            (_, Spread::Bucket) => Self::Bucket,
            (_, Spread::Window | Spread::SlidingWindow | Spread::Node) => Self::Window,
        }
    }
}

const RATED: &[Shape] = &[Shape::Bucket, Shape::Queue, Shape::Window, Shape::Log];

/// Keys that say how much is allowed, with the shapes that have them and what they are.
const KEYS: [(&str, &[Shape], &str); 8] = [
    ("limit", &[Shape::Bucket, Shape::Queue, Shape::Window, Shape::Log, Shape::Calendar], ""),
    ("window", &[Shape::Bucket, Shape::Queue, Shape::Window, Shape::Log, Shape::Calendar], ""),
    ("rate", RATED, ""),
    ("burst", &[Shape::Bucket, Shape::Queue], "it belongs to a bucket or a shaper"),
    ("strict_window", &[Shape::Bucket], "it belongs to a bucket"),
    ("zone", &[Shape::Calendar], "it belongs to algorithm `calendar`"),
    ("permits", &[Shape::Permits], "it belongs to algorithm `concurrency`"),
    ("hold", &[Shape::Permits], "it belongs to algorithm `concurrency`"),
];

/// The keys of a limit, for rules that have none.
pub(super) fn keys() -> impl Iterator<Item = &'static str> {
    std::iter::once("algorithm").chain(KEYS.iter().map(|(key, ..)| *key))
}

/// Finds an algorithm by its name.
///
/// # Errors
/// The name and all that there are.
pub fn algorithm(name: &str) -> Result<&'static Algorithm, String> {
    let names = || ALGORITHMS.iter().map(|algorithm| algorithm.name);
    algorithm_by_name(name).ok_or_else(|| {
        let all: Vec<&str> = names().collect();
        let (given, hint) = (shown(name), suggestion(name, names()));
        format!("\"{given}\" is none of {}{hint}", listed(&all))
    })
}

/// A bucket or a window by its numbers, with the burst that holds if none is said: the limit.
///
/// # Errors
/// When the algorithm is not there.
pub fn limit(name: &str, count: u64, period_ns: u64) -> Result<Limit, String> {
    Ok(Limit { algorithm: algorithm(name)?, count, period_ns, burst: count, calendar: None })
}

/// Reads the limit of a rule; none if it cannot be understood.
pub(super) fn read(section: &Section<'_>) -> Option<Limit> {
    let named = section.get("algorithm", text_as(algorithm));
    if named.is_none() && section.has("algorithm") {
        for key in keys() {
            section.has(key);
        }
        return None;
    }
    let algorithm = match named {
        Some(algorithm) => algorithm,
        None => algorithm_default(section)?,
    };
    let shape = Shape::of(algorithm);
    for (key, shapes, belongs) in KEYS {
        if section.has(key) && !shapes.contains(&shape) {
            section.wrong(key, &without(algorithm.name, shape, belongs));
        }
    }
    match shape {
        Shape::Permits => read_permits(section, algorithm),
        Shape::Calendar => read_calendar(section, algorithm),
        Shape::Bucket | Shape::Queue | Shape::Window | Shape::Log => {
            let (count, period_ns) = read_count(section, shape)?;
            let limit = Limit { algorithm, count, period_ns, burst: count, calendar: None };
            Some(with_burst(section, shape, limit))
        }
    }
}

fn algorithm_default(section: &Section<'_>) -> Option<&'static Algorithm> {
    algorithm(ALGORITHM_DEFAULT).map_err(|error| section.wrong("algorithm", &error)).ok()
}

fn without(name: &str, shape: Shape, belongs: &str) -> String {
    match (shape, belongs) {
        (Shape::Permits, "") => format!("algorithm `{name}` has `permits` and `hold` in its place"),
        (Shape::Calendar, "") => {
            format!("algorithm `{name}` has `limit` and `window` in its place")
        }
        (_, belongs) => format!("says nothing to algorithm `{name}`; {belongs}"),
    }
}

fn read_count(section: &Section<'_>, shape: Shape) -> Option<(u64, u64)> {
    let limit = section.get("limit", number(1, AMOUNT_MAX));
    let window = section.get("window", text_as(window));
    let rate = section.get("rate", text_as(read_rate));
    let found = match (section.has("rate"), section.has("limit"), section.has("window")) {
        (true, false, false) => rate,
        (true, ..) => {
            section.wrong("rate", "says what `limit` and `window` say; keep one of them");
            None
        }
        (false, true, true) => limit.zip(window),
        (false, false, false) => {
            let detail = ": write `limit = 100` and `window = \"1m\"`, or `rate = \"100/m\"`";
            section.wrong_table("no limit", detail);
            None
        }
        (false, has_limit, _) => {
            section.missing(if has_limit { "window" } else { "limit" });
            None
        }
    };
    let (count, _) = found?;
    if shape == Shape::Log && count > LOG_LIMIT_MAX {
        let key = if section.has("rate") { "rate" } else { "limit" };
        section.wrong(
            key,
            &format!(
                "a sliding log remembers each request, at most {LOG_LIMIT_MAX} of a key; \
                 `sliding-window` counts more"
            ),
        );
    }
    found
}

fn window(text: &str) -> Result<u64, String> {
    if CALENDAR.iter().any(|(name, _)| *name == text) {
        return Err(format!(
            "\"{text}\" is a window of the calendar, for algorithm `calendar`; others have a time \
             such as \"1m\" or \"1d\""
        ));
    }
    read_period(text)
}

/// Puts in what may be taken at once.
fn with_burst(section: &Section<'_>, shape: Shape, mut limit: Limit) -> Limit {
    let most = if shape == Shape::Queue { AMOUNT_MAX - 1 } else { AMOUNT_MAX };
    let least = u64::from(shape == Shape::Bucket);
    let burst = section.get("burst", number(least, most));
    let is_strict = section.get("strict_window", flag).unwrap_or(false);
    match shape {
        Shape::Queue => match burst {
            Some(queue) => limit.burst = queue + 1,
            None if section.has("burst") => {}
            None => section.wrong_table("no `burst`", ": how many requests may wait in a shaper"),
        },
        Shape::Bucket if is_strict => make_strict(section, &mut limit, burst),
        Shape::Bucket => limit.burst = burst.unwrap_or(limit.count),
        _ => {}
    }
    limit
}

/// Burst and what comes back in a window are together the limit: then no window of that length,
/// wherever it begins, has more.
fn make_strict(section: &Section<'_>, limit: &mut Limit, burst: Option<u64>) {
    if limit.count < 2 {
        section.wrong(
            "strict_window",
            "needs a limit of at least 2; `sliding-log` keeps to a limit of 1 in any window",
        );
        return;
    }
    let burst = burst.unwrap_or(limit.count.div_ceil(10));
    if burst >= limit.count {
        let detail =
            format!("leaves nothing of the limit to come back: at most {}", limit.count - 1);
        section.wrong("burst", &format!("with `strict_window` this {detail}"));
        return;
    }
    limit.burst = burst;
    limit.count -= burst;
}

fn read_permits(section: &Section<'_>, algorithm: &'static Algorithm) -> Option<Limit> {
    let permits = section.get("permits", number(1, AMOUNT_MAX));
    let hold = section.get("hold", text_as(read_period));
    if !section.has("permits") {
        section.missing("permits");
    }
    if !section.has("hold") {
        let detail =
            ": after which time a permit that nobody gave back is free again, such as \"30s\"";
        section.wrong_table("no `hold`", detail);
    }
    let (count, period_ns) = permits.zip(hold)?;
    Some(Limit { algorithm, count, period_ns, burst: count, calendar: None })
}

fn read_calendar(section: &Section<'_>, algorithm: &'static Algorithm) -> Option<Limit> {
    let count = section.get("limit", number(1, AMOUNT_MAX));
    let unit = section.get("window", text_as(|text| choice(text, &CALENDAR)));
    let zone = section.get("zone", text_as(zone));
    for key in ["limit", "window"].iter().filter(|key| !section.has(key)) {
        section.missing(key);
    }
    if !section.has("zone") {
        let detail = ": whose midnight counts, such as \"UTC\" or \"Europe/Berlin\"";
        section.wrong_table("no `zone`", detail);
    }
    let ((count, (unit, period_ns)), zone) = count.zip(unit).zip(zone)?;
    let calendar = Some(Calendar { unit, zone });
    Some(Limit { algorithm, count, period_ns, burst: count, calendar })
}

/// A time zone by its name in the database of the system.
fn zone(text: &str) -> Result<TimeZone, String> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || "_+-/".contains(c);
    let wrong =
        || format!("\"{}\" is no time zone of this system, such as \"Europe/Berlin\"", shown(text));
    if text.is_empty() || text.starts_with('/') || !text.chars().all(is_name) {
        return Err(wrong());
    }
    TimeZone::get(text).map_err(|_| wrong())
}
