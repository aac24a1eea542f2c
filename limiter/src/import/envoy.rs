//! Envoy's rate limit service.
//!
//! Job: its YAML files. In: texts with their names. Out: a file of ours. Invariant: each limit is one
//! rule whose descriptor is the path that leads to it; which rule a request finds is the same, as both
//! take the most special branch entry by entry.

use std::collections::BTreeSet;

use ringlet_base::config::{Problem, Problems, shown, suggestion};
use ringlet_limit::config::{descriptor_entry, domain, limit, plain_rule};
use ringlet_limit::model::{DescriptorEntry, EntryValue, KeyPart, Limit, Rule};
use serde::Deserialize;
use serde_saphyr::Spanned;

use super::{Output, problem};

/// The algorithm of all its limits.
const ALGORITHM: &str = "fixed-window";
/// The listener that Envoy talks to.
const LISTENER: &str = "[[listener]]\nbind = \"127.0.0.1:8081\"\nprotocol = \"grpc\"\n";

const SECOND_NS: u64 = 1_000_000_000;
/// Its units. A month has 30 days and a year 365.
const UNITS: [(&str, u64); 7] = [
    ("second", SECOND_NS),
    ("minute", 60 * SECOND_NS),
    ("hour", 3600 * SECOND_NS),
    ("day", 86_400 * SECOND_NS),
    ("week", 7 * 86_400 * SECOND_NS),
    ("month", 30 * 86_400 * SECOND_NS),
    ("year", 365 * 86_400 * SECOND_NS),
];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    domain: Spanned<String>,
    #[serde(default)]
    descriptors: Vec<Descriptor>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Descriptor {
    key: Spanned<String>,
    value: Option<String>,
    rate_limit: Option<RateLimit>,
    #[serde(default)]
    descriptors: Vec<Descriptor>,
    #[serde(default)]
    shadow_mode: bool,
    #[serde(default)]
    quota_mode: bool,
    #[serde(default)]
    share_threshold: bool,
    #[serde(default)]
    detailed_metric: bool,
    #[serde(default)]
    value_to_metric: bool,
    metadata: Option<serde::de::IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RateLimit {
    unit: Option<Spanned<String>>,
    requests_per_unit: Option<Spanned<u64>>,
    #[serde(default)]
    unlimited: bool,
    name: Option<String>,
    #[serde(default)]
    replaces: Vec<Replaced>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Replaced {
    name: String,
}

/// A file of ours with the rules of all these files, each given by its name and its text.
///
/// # Errors
/// All that is wrong with them, and all that cannot be said in ours.
pub fn from_envoy(files: &[(String, String)]) -> Result<String, Problems> {
    let mut import =
        Import { file: "", output: Output::default(), problems: Vec::new(), seen: BTreeSet::new() };
    let comment = "From Envoy's rate limit service: windows of fixed length, counted by its units.";
    import.output.comments.push(comment.to_owned());
    let mut domains = BTreeSet::new();
    for (name, text) in files {
        import.file = name;
        let options = serde_saphyr::options! { with_snippet: false };
        let file: File = match serde_saphyr::from_str_with_options(text, options) {
            Ok(file) => file,
            Err(error) => {
                import.problems.push(not_understood(name, &error));
                continue;
            }
        };
        let line = line_of(&file.domain);
        if let Err(error) = domain(&file.domain.value) {
            import.wrong(line, &error);
        } else if !domains.insert(file.domain.value.clone()) {
            import.wrong(line, &format!("domain {} is in two files", shown(&file.domain.value)));
        }
        let path = Path {
            domain: file.domain.value,
            entries: Vec::new(),
            key: Vec::new(),
            lost: Vec::new(),
        };
        import.descriptors(&file.descriptors, &path);
    }
    import.output.finish(LISTENER, import.problems)
}

fn line_of<T>(value: &Spanned<T>) -> usize {
    usize::try_from(value.referenced.line()).unwrap_or(usize::MAX)
}

fn not_understood(file: &str, error: &serde_saphyr::Error) -> Problem {
    let line = error.location().map_or(1, |place| usize::try_from(place.line()).unwrap_or(1));
    let detail = match error.without_snippet() {
        serde_saphyr::Error::MultipleDocuments { .. } => {
            "a second document begins; write it into a file of its own".to_owned()
        }
        serde_saphyr::Error::DuplicateMappingKey { key, .. } => {
            format!("`{}` is there twice", shown(key.as_deref().unwrap_or("a key")))
        }
        other => shown_whole(other.to_string().lines().next().unwrap_or_default()),
    };
    problem(file, line, &detail)
}

/// The longest message of the parser.
const MESSAGE_LENGTH_MAX: usize = 200;

/// A message of the parser, which may quote the file, without what breaks a line.
fn shown_whole(text: &str) -> String {
    let text = text.rsplit_once(" at line ").map_or(text, |(text, _)| text);
    text.chars().filter(|c| !c.is_control()).take(MESSAGE_LENGTH_MAX).collect()
}

/// What leads to a descriptor.
#[derive(Clone)]
struct Path {
    domain: String,
    entries: Vec<DescriptorEntry>,
    key: Vec<KeyPart>,
    lost: Vec<String>,
}

struct Import<'a> {
    file: &'a str,
    output: Output,
    problems: Vec<Problem>,
    seen: BTreeSet<String>,
}

impl Import<'_> {
    fn wrong(&mut self, line: usize, detail: &str) {
        self.problems.push(problem(self.file, line, detail));
    }

    fn descriptors(&mut self, descriptors: &[Descriptor], above: &Path) {
        for descriptor in descriptors {
            let line = line_of(&descriptor.key);
            let mut path = above.clone();
            let value = descriptor.value.as_deref().filter(|value| !value.is_empty());
            match descriptor_entry(&descriptor.key.value, value) {
                Ok(entry) => path.entries.push(entry),
                Err(error) => {
                    self.wrong(line, &error);
                    continue;
                }
            }
            let composite = format!("{:?}", (&path.domain, &path.entries));
            if !self.seen.insert(composite) {
                self.wrong(line, &format!("{} is there twice", shown(&name_of(&path))));
            }
            self.wildcard(descriptor, &mut path, line);
            match &descriptor.rate_limit {
                Some(rate_limit) => self.limit(descriptor, rate_limit, &path, line),
                None if descriptor.shadow_mode || descriptor.quota_mode => {
                    let name = shown(&name_of(&path));
                    let lost = format!("{name}: its mode has no effect, as it has no rate_limit");
                    self.output.comments.push(lost);
                }
                None => {}
            }
            path.lost.clear();
            self.descriptors(&descriptor.descriptors, &path);
        }
    }

    /// Values that begin alike are counted one by one, unless they share a threshold.
    fn wildcard(&mut self, descriptor: &Descriptor, path: &mut Path, line: usize) {
        let Some(DescriptorEntry { key, value }) = path.entries.last() else { return };
        match value {
            EntryValue::Prefix(_) if !descriptor.share_threshold => {
                let part = KeyPart::Descriptor(key.clone());
                if path.entries.iter().filter(|entry| entry.key == *key).count() > 1 {
                    self.wrong(
                        line,
                        "a wildcard below an entry of the same key cannot be counted by",
                    );
                } else {
                    path.key.push(part);
                }
            }
            EntryValue::Prefix(_) => {}
            _ if descriptor.share_threshold => {
                path.lost.push("share_threshold has no effect without a wildcard".to_owned());
            }
            _ => {}
        }
    }

    fn limit(&mut self, descriptor: &Descriptor, given: &RateLimit, path: &Path, line: usize) {
        let Some(limit) = self.numbers(given, line) else { return };
        let name = given.name.clone().unwrap_or_else(|| name_of(path));
        let mut lost = path.lost.clone();
        if !given.replaces.is_empty() {
            let names: Vec<String> =
                given.replaces.iter().map(|other| shown(&other.name)).collect();
            lost.push(format!("Lost: replaces {}. Both limits hold here.", names.join(", ")));
        }
        for (key, is_set) in [
            ("detailed_metric", descriptor.detailed_metric),
            ("value_to_metric", descriptor.value_to_metric),
            ("metadata", descriptor.metadata.is_some()),
        ] {
            if is_set {
                lost.push(format!("Lost: {key}. It says nothing about the limit."));
            }
        }
        let is_limited = limit.is_some();
        if !is_limited && (descriptor.shadow_mode || descriptor.quota_mode) {
            lost.push("Lost: its mode, as it is unlimited anyway.".to_owned());
        }
        let rule = Rule {
            domain: Some(path.domain.clone()),
            descriptor: Some(path.entries.clone()),
            key: if is_limited { path.key.clone() } else { Vec::new() },
            is_shadow: is_limited && descriptor.shadow_mode,
            is_quota: is_limited && descriptor.quota_mode,
            ..plain_rule(name, limit)
        };
        self.output.add(rule, lost);
    }

    /// The limit, or `Some(None)` if there is none by intention; `None` if it cannot be.
    fn numbers(&mut self, given: &RateLimit, line: usize) -> Option<Option<Limit>> {
        if given.unlimited {
            if let Some(unit) = &given.unit {
                self.wrong(line_of(unit), "a limit that is unlimited has no unit");
            }
            return Some(None);
        }
        let Some(unit) = &given.unit else {
            self.wrong(line, "the rate_limit has no unit");
            return None;
        };
        let lower = unit.value.to_ascii_lowercase();
        let Some((_, period_ns)) = UNITS.iter().find(|(name, _)| *name == lower) else {
            let hint = suggestion(&lower, UNITS.iter().map(|(name, _)| *name));
            let given = shown(&unit.value);
            self.wrong(line_of(unit), &format!("\"{given}\" is not a unit such as minute{hint}"));
            return None;
        };
        let count = given.requests_per_unit.as_ref().map_or(0, |count| count.value);
        let at = given.requests_per_unit.as_ref().map_or(line, line_of);
        if count == 0 {
            self.wrong(at, "0 requests per unit refuse all; a limit here is at least 1");
            return None;
        }
        if count > u64::from(u32::MAX) {
            self.wrong(at, &format!("{count} requests per unit are more than {}", u32::MAX));
            return None;
        }
        match limit(ALGORITHM, count, *period_ns) {
            Ok(limit) => Some(Some(limit)),
            Err(error) => {
                self.wrong(line, &error);
                None
            }
        }
    }
}

/// A name for the rule of a descriptor: domain, keys and values.
fn name_of(path: &Path) -> String {
    let mut name = path.domain.clone();
    for entry in &path.entries {
        name.push('.');
        name.push_str(&entry.key);
        match &entry.value {
            EntryValue::Exact(value) => name.push_str(&format!("_{value}")),
            EntryValue::Prefix(value) => name.push_str(&format!("_{value}-any")),
            EntryValue::Any => {}
        }
    }
    name
}
