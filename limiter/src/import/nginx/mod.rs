//! nginx's `limit_req`.
//!
//! Job: its zones and where they are applied. In: the text of a configuration or of a part of it.
//! Out: a file of ours. Invariant: each `limit_req` is one rule for each place that it is applied to, or
//! two where a location is a path and what is below it; what holds here and not there is said beside it.

mod place;
mod syntax;
mod zone;

use std::collections::{BTreeMap, BTreeSet};

use ringlet_base::config::{Problem, Problems, shown, suggestion};
use ringlet_limit::config::{limit, plain_rule};
use ringlet_limit::model::{Condition, KeyPart, Limit, Rule};

use self::place::Place;
use self::syntax::Directive;
use self::zone::Zone;
use super::{Output, problem};

/// The status of a denial if `limit_req_status` does not say.
const STATUS_DEFAULT: u16 = 503;
/// Directives that limit in another way.
const OTHERS: [&str; 7] = [
    "include",
    "limit_conn",
    "limit_conn_zone",
    "limit_rate",
    "limit_rate_after",
    "limit_req_log_level",
    "limit_except",
];

/// A file of ours with the rules of a configuration of nginx.
///
/// # Errors
/// All that is wrong with it, and all that cannot be said in ours.
pub fn from_nginx(text: &str) -> Result<String, Problems> {
    let directives = syntax::read(text)
        .map_err(|(line, detail)| Problems::new(vec![problem("", line, &detail)]))?;
    let mut import = Import::default();
    import.output.comments.push("From the limit_req directives of nginx.".to_owned());
    import.read_zones(&directives);
    import.walk(&directives, &Place::default());
    import.finish()
}

#[derive(Default)]
struct Import {
    output: Output,
    problems: Vec<Problem>,
    zones: BTreeMap<String, Zone>,
    rules: Vec<Applied>,
    statuses: BTreeSet<u16>,
    /// The line of the first `include`, which is not followed.
    include: Option<usize>,
}

/// A rule of a zone.
struct Applied {
    zone: String,
    rule: Rule,
    lost: Vec<String>,
}

/// What `limit_req` says.
struct Request<'a> {
    zone: &'a Zone,
    queue: u64,
    is_nodelay: bool,
}

impl Import {
    fn wrong(&mut self, line: usize, detail: &str) {
        self.problems.push(problem("", line, detail));
    }

    /// All zones, wherever they are, and what is left out.
    fn read_zones(&mut self, directives: &[Directive]) {
        for directive in directives {
            let (line, name) = (directive.line, directive.name.as_str());
            if name == "limit_req_zone" {
                match zone::read(directive) {
                    Ok(zone) if self.zones.contains_key(&zone.name) => {
                        self.wrong(line, &format!("zone {} is there twice", shown(&zone.name)));
                    }
                    Ok(zone) => {
                        self.zones.insert(zone.name.clone(), zone);
                    }
                    Err(error) => self.wrong(line, &error),
                }
            } else if OTHERS.contains(&name) {
                let words: Vec<String> = directive.words.iter().map(|word| shown(word)).collect();
                let lost = format!("Lost: line {line}, {name} {}", words.join(" "));
                self.output.comments.push(lost.trim_end().to_owned());
                if name == "include" {
                    self.include.get_or_insert(line);
                }
            }
            self.read_zones(directive.block.as_deref().unwrap_or_default());
        }
    }

    /// A block, and the blocks in it in which limits can be applied.
    fn walk(&mut self, block: &[Directive], outer: &Place) {
        let mut place = outer.clone();
        place.read_settings(block, |line, error| self.problems.push(problem("", line, error)));
        let requests: Vec<&Directive> =
            block.iter().filter(|one| one.name == "limit_req").collect();
        if !requests.is_empty() {
            let (lost, line) = (place::changed(block, &place), requests[0].line);
            match place.conditions() {
                Ok(conditions) => {
                    self.statuses.insert(place.status.unwrap_or(STATUS_DEFAULT));
                    for request in requests {
                        self.apply(request, &place, &conditions, &lost);
                    }
                }
                Err(error) => self.wrong(line, &error),
            }
        }
        for inner in block {
            let Some(directives) = &inner.block else { continue };
            match inner.name.as_str() {
                "http" => self.walk(directives, &place),
                "server" => self.walk(directives, &place.of_server(directives, block)),
                "location" => self.walk(directives, &place.of_location(inner, block)),
                _ => {}
            }
        }
    }

    /// One `limit_req`: a rule for each list of conditions.
    fn apply(
        &mut self,
        directive: &Directive,
        place: &Place,
        conditions: &[Vec<Condition>],
        lost: &[String],
    ) {
        let request = match self.read_request(directive) {
            Ok(request) => request,
            Err(error) => return self.wrong(directive.line, &error),
        };
        let zone = request.zone.clone();
        let limit = match limit_of(&request) {
            Ok(limit) => limit,
            Err(error) => return self.wrong(directive.line, &error),
        };
        for conditions in conditions {
            let mut lost = lost.to_vec();
            lost.extend(zone.lost.iter().cloned());
            let is_below =
                |one: &Condition| matches!(one, Condition::Path(path) if path.contains('{'));
            if conditions.iter().any(is_below) && zone.key.contains(&KeyPart::Path) {
                lost.push("Changed: all paths of this rule are counted together.".to_owned());
            }
            let mut rule = plain_rule(zone.name.clone(), Some(limit.clone()));
            rule.conditions.clone_from(conditions);
            rule.key.clone_from(&zone.key);
            rule.is_shadow = place.is_dry_run;
            // A shaper's queue stands on one node.
            rule.is_local = limit.algorithm.name == SHAPER;
            self.rules.push(Applied { zone: zone.name.clone(), rule, lost });
        }
    }

    /// `limit_req zone=NAME [burst=N] [nodelay | delay=N]`.
    fn read_request(&self, directive: &Directive) -> Result<Request<'_>, String> {
        let (mut zone, mut queue, mut is_nodelay) = (None, 0, false);
        for word in &directive.words {
            match word.split_once('=') {
                Some(("zone", name)) => {
                    let known = self.zones.keys().map(String::as_str);
                    let unknown = || {
                        format!("no zone is called \"{}\"{}", shown(name), suggestion(name, known))
                    };
                    zone = Some(self.zones.get(name).ok_or_else(unknown)?);
                }
                Some(("burst", number)) => {
                    let number: Option<u32> =
                        number.parse().ok().filter(|number| *number < u32::MAX);
                    let number = number
                        .ok_or_else(|| format!("`{}` is not a number of requests", shown(word)))?;
                    queue = u64::from(number);
                }
                Some(("delay", _)) => {
                    return Err(
                        "delay=N has no counterpart, as some requests go on at once and others \
                                wait: write nodelay, or leave it out and all of them wait"
                            .to_owned(),
                    );
                }
                None if word == "nodelay" => is_nodelay = true,
                _ => return Err(format!("limit_req has an unknown parameter `{}`", shown(word))),
            }
        }
        let zone = zone.ok_or("limit_req without zone=NAME")?;
        Ok(Request { zone, queue, is_nodelay })
    }

    fn finish(mut self) -> Result<String, Problems> {
        if let Some(line) = self.include
            && self.rules.is_empty()
            && self.problems.is_empty()
        {
            self.wrong(
                line,
                "include is not followed, and there is no limit_req beside it: write all of it into one \
                 file with `nginx -T > all.conf`, and import that",
            );
        }
        let mut uses: BTreeMap<String, usize> = BTreeMap::new();
        for applied in &self.rules {
            *uses.entry(applied.zone.clone()).or_default() += 1;
        }
        for zone in self.zones.values().filter(|zone| !uses.contains_key(&zone.name)) {
            let (line, name) = (zone.line, shown(&zone.name));
            self.output
                .comments
                .push(format!("Lost: line {line}, zone {name}, which nothing applies."));
        }
        let status = self.statuses.first().copied().unwrap_or(STATUS_DEFAULT);
        if self.statuses.len() > 1 {
            let all: Vec<String> = self.statuses.iter().map(ToString::to_string).collect();
            let all = all.join(", ");
            let lost =
                format!("Changed: there are limit_req_status {all}; a listener here has one.");
            self.output.comments.push(lost);
        }
        for Applied { zone, rule, mut lost } in self.rules {
            let times = uses.get(&zone).copied().unwrap_or_default();
            if times > 1 {
                let name = shown(&zone);
                lost.push(format!(
                    "Changed: nginx counts zone {name} together; its {times} rules here count apart."
                ));
            }
            self.output.add(rule, lost);
        }
        // Who asks is nginx, by `auth_request`; it says of its client in X-Forwarded-For.
        let listener = format!(
            "[[listener]]\nbind = \"127.0.0.1:8090\"\nprotocol = \"http\"\nheaders = \"none\"\n\
             deny_status = {status}\ntrusted_hops = 1\n"
        );
        self.output.finish(&listener, self.problems)
    }
}

const SHAPER: &str = "shaper";

/// With a queue that waits it is a shaper; else a leaky bucket, which holds one more than may wait.
fn limit_of(request: &Request<'_>) -> Result<Limit, String> {
    let is_shaper = request.queue > 0 && !request.is_nodelay;
    let algorithm = if is_shaper { SHAPER } else { "leaky-bucket" };
    let mut limit = limit(algorithm, request.zone.count, request.zone.period_ns)?;
    limit.burst = request.queue + 1;
    Ok(limit)
}
