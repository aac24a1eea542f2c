//! Where a `limit_req` stands.
//!
//! Job: servers and locations. In: blocks. Out: conditions of rules, and what they say differently.
//! Invariant: a place whose requests cannot be told by conditions is an error.

use ringlet_base::config::shown;
use ringlet_limit::config::{host, path};
use ringlet_limit::model::Condition;

use super::syntax::Directive;

/// What encloses a block.
#[derive(Clone, Debug, Default)]
pub struct Place {
    /// Names of the server.
    names: Vec<String>,
    /// The location, by its words.
    location: Option<Location>,
    /// `limit_req_status`.
    pub status: Option<u16>,
    /// `limit_req_dry_run`.
    pub is_dry_run: bool,
    /// What conditions cannot say of it.
    lost: Vec<String>,
}

/// A location.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Location {
    Exact(String),
    Prefix(String),
    Other(String),
}

impl Location {
    fn read(directive: &Directive) -> Self {
        let words: Vec<&str> = directive.words.iter().map(String::as_str).collect();
        match words.as_slice() {
            ["=", path] => Self::Exact((*path).to_owned()),
            ["^~", path] => Self::Prefix((*path).to_owned()),
            [path] if path.starts_with('/') => Self::Prefix((*path).to_owned()),
            [path] if path.starts_with("=/") => Self::Exact(path[1..].to_owned()),
            [path] if path.starts_with("^~/") => Self::Prefix(path[2..].to_owned()),
            _ => Self::Other(words.join(" ")),
        }
    }

    fn text(&self) -> &str {
        match self {
            Self::Exact(text) | Self::Prefix(text) | Self::Other(text) => text,
        }
    }

    /// Whether nginx may take `other` for a request that this one fits too.
    fn yields_to(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Prefix(own), Self::Exact(other) | Self::Prefix(other)) => {
                own != other && other.starts_with(own.as_str())
            }
            (Self::Prefix(_), Self::Other(other)) => other.starts_with('~'),
            _ => false,
        }
    }
}

impl Place {
    /// The place of a server, which stands in `siblings`.
    pub fn of_server(&self, block: &[Directive], siblings: &[Directive]) -> Self {
        let mut place = self.clone();
        let names = block.iter().filter(|one| one.name == "server_name");
        place.names = names.flat_map(|one| one.words.clone()).collect();
        place.names.retain(|name| !matches!(name.as_str(), "" | "_"));
        if place.names.is_empty() && siblings.iter().filter(|one| one.name == "server").count() > 1
        {
            place
                .lost
                .push("Changed: its server has no name; here it holds for every host.".to_owned());
        }
        place
    }

    /// The place of a location, which stands among `siblings`.
    pub fn of_location(&self, directive: &Directive, siblings: &[Directive]) -> Self {
        let mut place = self.clone();
        let location = Location::read(directive);
        for sibling in siblings.iter().filter(|one| one.name == "location") {
            if location.yields_to(&Location::read(sibling)) {
                let (text, line) = (shown(&sibling.words.join(" ")), sibling.line);
                place.lost.push(format!(
                    "Changed: nginx does not apply it in location {text} (line {line}); here it holds."
                ));
            }
        }
        place.location = Some(location);
        place
    }

    /// What a block says beside its limits.
    pub fn read_settings(&mut self, block: &[Directive], mut wrong: impl FnMut(usize, &str)) {
        for directive in block {
            let word = directive.words.first().map_or("", String::as_str);
            match directive.name.as_str() {
                "limit_req_status" => {
                    let status = word.parse().ok().filter(|status| (400..=599).contains(status));
                    if status.is_none() {
                        wrong(directive.line, "limit_req_status is not a status from 400 to 599");
                    }
                    self.status = status;
                }
                "limit_req_dry_run" => match word {
                    "on" => self.is_dry_run = true,
                    "off" => self.is_dry_run = false,
                    _ => wrong(directive.line, "limit_req_dry_run is neither on nor off"),
                },
                _ => {}
            }
        }
    }

    /// The conditions of one rule, or of two: for a path, and for what is below it.
    pub fn conditions(&self) -> Result<Vec<Vec<Condition>>, String> {
        let mut common = Vec::new();
        if !self.names.is_empty() {
            let hosts: Result<Vec<String>, String> =
                self.names.iter().map(|name| host(name)).collect();
            let hosts = hosts.map_err(|error| format!("server_name: {error}"))?;
            common.push(Condition::Host(hosts));
        }
        let paths = match &self.location {
            None => return Ok(vec![common]),
            Some(Location::Prefix(prefix)) if prefix == "/" => return Ok(vec![common]),
            Some(Location::Exact(exact)) => vec![exact.clone()],
            Some(Location::Prefix(prefix)) => {
                let prefix = prefix.trim_end_matches('/').to_owned();
                let below = format!("{prefix}/{{*rest}}");
                vec![prefix, below]
            }
            Some(Location::Other(text)) => {
                return Err(format!("location {}: only paths can be compared here", shown(text)));
            }
        };
        let mut all = Vec::new();
        for (index, text) in paths.iter().enumerate() {
            // What is below a path has braces because we put them there.
            if index == 0 && text.contains(['{', '}']) {
                return Err(format!("location {}: a path with braces", shown(text)));
            }
            let path = path(text).map_err(|error| format!("location: {error}"))?;
            let mut conditions = vec![Condition::Path(path)];
            conditions.extend(common.iter().cloned());
            all.push(conditions);
        }
        Ok(all)
    }
}

/// What the rules of a block say differently than nginx.
pub fn changed(block: &[Directive], place: &Place) -> Vec<String> {
    let mut lost = place.lost.clone();
    if let Some(location @ Location::Prefix(prefix)) = &place.location
        && prefix != "/"
        && !prefix.ends_with('/')
    {
        let path = shown(location.text());
        lost.push(format!(
            "Changed: nginx applies it to paths such as {path}x too; here it does not."
        ));
    }
    for line in inner_limits(block) {
        lost.push(format!(
            "Changed: nginx does not apply it where line {line} applies another; here both hold."
        ));
    }
    lost
}

/// Lines of `limit_req` in blocks of a block: nginx then leaves out those outside.
fn inner_limits(block: &[Directive]) -> Vec<usize> {
    let mut lines = Vec::new();
    for inner in
        block.iter().filter(|one| matches!(one.name.as_str(), "http" | "server" | "location"))
    {
        let directives = inner.block.as_deref().unwrap_or_default();
        match directives.iter().find(|one| one.name == "limit_req") {
            Some(first) => lines.push(first.line),
            None => lines.extend(inner_limits(directives)),
        }
    }
    lines
}
