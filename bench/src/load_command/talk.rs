//! Job: what is said to the servers under load.
//! In: options, and which node has which slots. Out: runs of the generator with the traffic they mean.
//! Invariant: the settings have passed their check before any server is asked.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::options::{Arguments, Redis};
use super::target::Protocol;
use crate::generator::http::HttpTraffic;
use crate::generator::http_settings::HttpSettings;
use crate::generator::mix::RespTraffic;
use crate::generator::outcome::Outcome;
use crate::generator::plan::Plan;
use crate::generator::resp_settings::{Commands, Ratio, RespSettings, SlotMap};
use crate::generator::template::Template;
use crate::generator::{self, Watch, cluster};

/// What is said.
#[derive(Clone, Debug)]
pub enum Talk {
    /// RESP2.
    Redis(RespSettings),
    /// HTTP/1.1.
    Http(HttpSettings),
}

impl Talk {
    /// What the options mean. The same seed makes the same requests; `run` is another for each run.
    ///
    /// # Errors
    /// What does not go together.
    pub fn new(arguments: &Arguments, seed: u64, run: u64) -> Result<Self, String> {
        let cores = arguments.pace.threads as usize;
        match &arguments.target.protocol {
            Protocol::Redis { user, password, database } => {
                let mut settings = resp_settings(&arguments.redis)?;
                settings.user.clone_from(user);
                settings.password.clone_from(password);
                settings.database = *database;
                settings.keys = arguments.keys.keys;
                settings.distribution = arguments.keys.distribution;
                settings.seed = seed;
                settings.run = run;
                settings.check(cores)?;
                if arguments.redis.cluster && *database != 0 {
                    return Err("a cluster has database 0 only".to_owned());
                }
                if arguments.redis.cluster
                    && arguments.redis.command.iter().any(Template::wraps_key)
                {
                    return Err(
                        "in a cluster __key__ must be a word of its own, whose slot is known: \
                                give what stands before it as --key-prefix"
                            .to_owned(),
                    );
                }
                Ok(Self::Redis(settings))
            }
            Protocol::Http { path, authority } => {
                let settings = http_settings(arguments, path, authority, seed);
                settings.check(cores)?;
                Ok(Self::Http(settings))
            }
        }
    }

    /// Learns from one node of a cluster which others there are.
    ///
    /// # Errors
    /// A node that cannot be asked or is in no cluster.
    pub fn discover(&mut self, node: SocketAddr) -> Result<Vec<SocketAddr>, String> {
        let Self::Redis(settings) = self else { return Ok(vec![node]) };
        let mut login: Vec<&[u8]> = vec![b"AUTH"];
        login.extend(settings.user.as_deref().map(str::as_bytes));
        login.extend(settings.password.as_deref().map(str::as_bytes));
        let login = settings.password.is_some().then_some(login.as_slice());
        let topology = cluster::discover(node, login)?;
        let owners = <Box<SlotMap>>::try_from(topology.owners.to_vec().into_boxed_slice());
        let owners = owners.map_err(|_| "a cluster without all slots".to_owned())?;
        settings.slots = Some(Arc::from(owners));
        Ok(topology.nodes)
    }

    /// A run.
    ///
    /// # Errors
    /// Nothing could be measured.
    pub fn run(
        &self,
        plan: &Plan,
        command: String,
        watch: &mut dyn Watch,
        stop: &Arc<AtomicBool>,
    ) -> Result<Outcome, String> {
        match self.clone() {
            Self::Redis(settings) => {
                let traffic = move |seat| RespTraffic::new(&settings, seat);
                generator::run(plan, command, traffic, watch, stop)
            }
            Self::Http(settings) => {
                let traffic = move |seat| HttpTraffic::new(&settings, seat);
                generator::run(plan, command, traffic, watch, stop)
            }
        }
    }

    /// A run that sets every key once, if its plan has as many requests as there are keys.
    ///
    /// # Errors
    /// Nothing could be set.
    pub fn fill(
        &self,
        plan: &Plan,
        command: String,
        watch: &mut dyn Watch,
        stop: &Arc<AtomicBool>,
    ) -> Result<Outcome, String> {
        match self.clone() {
            Self::Redis(settings) => {
                let traffic = move |seat| RespTraffic::fill(&settings, seat);
                generator::run(plan, command, traffic, watch, stop)
            }
            Self::Http(_) => Err("only a Redis server can be filled".to_owned()),
        }
    }
}

fn resp_settings(redis: &Redis) -> Result<RespSettings, String> {
    let defaults = RespSettings::default();
    let (commands, ratios) = (redis.command.len(), redis.command_ratio.len());
    if ratios > 0 && ratios != commands {
        return Err(format!(
            "give one --command-ratio for each --command: {ratios} for {commands}"
        ));
    }
    let weights = redis.command_ratio.iter().copied().chain(std::iter::repeat(1));
    let commands = if redis.command.is_empty() {
        Commands::Ratio(redis.ratio.unwrap_or(Ratio { sets: 1, gets: 1 }))
    } else {
        Commands::Templates(redis.command.iter().cloned().zip(weights).collect())
    };
    Ok(RespSettings {
        commands,
        key_prefix: redis.key_prefix.clone().unwrap_or(defaults.key_prefix),
        sizes: redis.value_bytes.clone().unwrap_or(defaults.sizes),
        ttl: redis.ttl,
        verify: redis.verify,
        ..RespSettings::default()
    })
}

fn http_settings(arguments: &Arguments, path: &str, authority: &str, seed: u64) -> HttpSettings {
    let http = &arguments.http;
    let defaults = HttpSettings::default();
    HttpSettings {
        host: authority.to_owned(),
        method: http.method.clone().unwrap_or(defaults.method),
        path: path.to_owned(),
        headers: http.header.clone(),
        body_bytes: http.body_bytes.unwrap_or(defaults.body_bytes),
        expected: http.expect.clone().unwrap_or(defaults.expected),
        close: arguments.pace.new_connections,
        keys: arguments.keys.keys,
        distribution: arguments.keys.distribution,
        seed,
    }
}
