//! Job: what load on a RESP server consists of, in values that have been read from options.
//! In: options. Out: [`RespSettings`], checked as a whole.
//! Invariant: settings that pass [`RespSettings::check`] make traffic for every core.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use ringlet_base::slot::SLOT_COUNT;

use super::keys::{Distribution, KEYS_MAX};
use super::template::Template;
use super::values::{CHECKED_BYTES_MIN, Sizes};
use super::verify::CHECKED_KEYS_MAX;

/// The node of each slot, as numbers in `Plan::nodes`.
pub type SlotMap = [u16; SLOT_COUNT as usize];

/// Writes to reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ratio {
    /// Share of SET.
    pub sets: u32,
    /// Share of GET; not 0 together with the other.
    pub gets: u32,
}

impl fmt::Display for Ratio {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", self.sets, self.gets)
    }
}

impl FromStr for Ratio {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let numbers = text.split_once(':').and_then(|(sets, gets)| {
            Some(Self { sets: sets.parse().ok()?, gets: gets.parse().ok()? })
        });
        match numbers {
            Some(Self { sets: 0, gets: 0 }) => Err("a ratio of 0:0 asks for nothing".to_owned()),
            Some(ratio) => Ok(ratio),
            None => Err(format!("\"{text}\" is no ratio of SET to GET such as 1:10")),
        }
    }
}

/// Seconds that keys live: one of those from the first to the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ttl {
    /// The shortest, at least 1.
    pub min_s: u32,
    /// The longest.
    pub max_s: u32,
}

impl fmt::Display for Ttl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.min_s == self.max_s {
            true => write!(formatter, "{}", self.min_s),
            false => write!(formatter, "{}-{}", self.min_s, self.max_s),
        }
    }
}

impl FromStr for Ttl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (min, max) = text.split_once('-').unwrap_or((text, text));
        match (min.parse(), max.parse()) {
            (Ok(min_s), Ok(max_s)) if 0 < min_s && min_s <= max_s => Ok(Self { min_s, max_s }),
            _ => Err(format!("\"{text}\" is no time to live in seconds such as 30 or 10-60")),
        }
    }
}

/// What is asked for.
#[derive(Clone, Debug, PartialEq)]
pub enum Commands {
    /// SET and GET.
    Ratio(Ratio),
    /// Any commands, each with its weight.
    Templates(Vec<(Template, u32)>),
}

/// Load on a RESP server.
#[derive(Clone, Debug)]
pub struct RespSettings {
    /// Who logs in; without it the default user.
    pub user: Option<String>,
    /// With what; without it nobody logs in.
    pub password: Option<String>,
    /// The database; 0 is not asked for.
    pub database: u32,
    /// What is asked for.
    pub commands: Commands,
    /// Number of keys.
    pub keys: u64,
    /// What their names begin with; 12 digits follow.
    pub key_prefix: String,
    /// How requests are spread over them.
    pub distribution: Distribution,
    /// How long values are.
    pub sizes: Sizes,
    /// How long what SET writes lives; for ever without it.
    pub ttl: Option<Ttl>,
    /// Reads check what was written. Each key is then read and written by one core only.
    pub verify: bool,
    /// The nodes of a cluster; all requests go to node 0 without it.
    pub slots: Option<Arc<SlotMap>>,
    /// What the random numbers follow from.
    pub seed: u64,
    /// The number of the run, by which checked values of another run are told apart: it must be a new
    /// one each time, even if the seed is not.
    pub run: u64,
}

impl Default for RespSettings {
    fn default() -> Self {
        Self {
            user: None,
            password: None,
            database: 0,
            commands: Commands::Ratio(Ratio { sets: 1, gets: 1 }),
            keys: 100_000,
            key_prefix: "key:".to_owned(),
            distribution: Distribution::default(),
            sizes: Sizes::default(),
            ttl: None,
            verify: false,
            slots: None,
            seed: 0,
            run: 0,
        }
    }
}

impl RespSettings {
    /// Whether each core takes keys of its own instead of all.
    #[must_use]
    pub fn shares_out_keys(&self) -> bool {
        self.verify || self.distribution == Distribution::Sequential
    }

    /// Looks whether the settings fit each other and so many cores.
    ///
    /// # Errors
    /// What does not, and what to do.
    pub fn check(&self, cores: usize) -> Result<(), String> {
        let cores = cores as u64;
        if self.keys == 0 || self.keys > KEYS_MAX {
            return Err(format!("the number of keys must be from 1 to {KEYS_MAX}"));
        }
        if self.shares_out_keys() && self.keys < cores {
            return Err(format!("{cores} threads with keys of their own need {cores} keys"));
        }
        if self.user.is_some() && self.password.is_none() {
            return Err("a user needs a password".to_owned());
        }
        if self.slots.is_some() && self.database != 0 {
            return Err("a cluster has database 0 only".to_owned());
        }
        if let Commands::Templates(list) = &self.commands {
            if list.iter().all(|(_, weight)| *weight == 0) || list.len() > usize::from(u16::MAX) {
                return Err("no command has a weight above 0".to_owned());
            }
            if self.verify {
                return Err("only SET and GET can be verified, not commands of your own".to_owned());
            }
            if self.ttl.is_some() {
                return Err("a time to live is for SET: write it into the command".to_owned());
            }
        }
        if self.verify && matches!(self.commands, Commands::Ratio(Ratio { sets: 0, .. })) {
            return Err(
                "only what the run itself has SET is verified: give SETs in the ratio".to_owned()
            );
        }
        if self.verify && self.sizes.min() < CHECKED_BYTES_MIN {
            return Err(format!(
                "values that are verified have {CHECKED_BYTES_MIN} bytes at least"
            ));
        }
        if self.verify && self.keys.div_ceil(cores.max(1)) > CHECKED_KEYS_MAX {
            return Err(format!("a thread can verify {CHECKED_KEYS_MAX} keys: use more threads"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_and_times_to_live_are_read_and_written() {
        for text in ["1:10", "0:1", "1:0"] {
            assert_eq!(text.parse::<Ratio>().expect(text).to_string(), text);
        }
        for text in ["", "1", "0:0", "1:x", "-1:2", "1:2:3"] {
            assert!(text.parse::<Ratio>().is_err(), "{text}");
        }
        for text in ["30", "10-60"] {
            assert_eq!(text.parse::<Ttl>().expect(text).to_string(), text);
        }
        for text in ["", "0", "60-10", "x", "1-", "1.5"] {
            assert!(text.parse::<Ttl>().is_err(), "{text}");
        }
    }

    #[test]
    fn settings_that_do_not_fit_are_refused() {
        let template = || "HSET __key__ f __data__".parse().expect("a template");
        let fits = RespSettings { verify: true, ..RespSettings::default() };
        assert_eq!(fits.check(2), Ok(()));
        type Change = fn(&mut RespSettings);
        let changes: [(Change, &str); 8] = [
            (|settings| settings.keys = 0, "the number of keys"),
            (|settings| settings.keys = 1, "2 threads with keys of their own need 2 keys"),
            (|settings| settings.keys = KEYS_MAX, "use more threads"),
            (
                |settings| settings.commands = Commands::Ratio(Ratio { sets: 0, gets: 1 }),
                "give SETs",
            ),
            (|settings| settings.sizes = Sizes::Range(10, 100), "40 bytes at least"),
            (|settings| settings.user = Some("u".to_owned()), "a user needs a password"),
            (|settings| settings.commands = Commands::Templates(Vec::new()), "no command"),
            (
                |settings| {
                    settings.database = 1;
                    settings.slots = Some(Arc::new([0; SLOT_COUNT as usize]));
                },
                "database 0 only",
            ),
        ];
        for (change, part) in changes {
            let mut settings = fits.clone();
            change(&mut settings);
            let error = settings.check(2).expect_err(part);
            assert!(error.contains(part), "{error}");
        }
        let own = Commands::Templates(vec![(template(), 1)]);
        let verified = RespSettings { commands: own.clone(), ..fits };
        assert!(verified.check(2).expect_err("no SET").contains("only SET and GET"));
        let ttl = Some(Ttl { min_s: 1, max_s: 1 });
        let living = RespSettings { commands: own, ttl, ..RespSettings::default() };
        assert!(living.check(2).expect_err("no SET").contains("write it into the command"));
    }
}
