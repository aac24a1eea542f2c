//! Job: see before anything is started whether `ringlet-bench load` takes what a scenario tells it.
//! In: a scenario. Out: what is refused, and why.
//! Invariant: no process is started; names have values of their form.

use clap::{Args as _, Command};

use super::scenario::{Load, Scenario};
use super::template::Names;
use crate::load_command;

/// What is said against the loads, a line for each.
pub fn refused(scenario: &Scenario) -> Vec<String> {
    let mut names = Names::default().with("address", "127.0.0.1:1").with("port", "1");
    for backend in &scenario.backends {
        names.add(&backend.name, "127.0.0.1:1");
    }
    let of_load = |load: &Load| -> Vec<String> {
        let mut refused: Vec<String> = Vec::new();
        for (key, words) in load
            .arguments
            .iter()
            .map(|words| ("arguments", words))
            .chain(load.prepare.iter().map(|words| ("prepare", words)))
        {
            let why = names.fill_all(words).and_then(|words| parse(&words));
            let said = why.err().map(|why| format!("`{key}` of load \"{}\": {why}", load.name));
            // Systems with the same arguments are told about once.
            refused.extend(said.filter(|said| !refused.contains(said)));
        }
        refused
    };
    scenario.loads.iter().flat_map(of_load).collect()
}

fn parse(words: &[String]) -> Result<(), String> {
    let command = Command::new("load").no_binary_name(true).disable_help_flag(true);
    let command = load_command::Arguments::augment_args(command);
    command.try_get_matches_from(words).map(drop).map_err(|error| {
        let said = error.to_string();
        let lines = said.lines().map(str::trim).take_while(|line| !line.starts_with("Usage:"));
        let lines: Vec<&str> =
            lines.filter(|line| !line.is_empty() && !line.starts_with("For more")).collect();
        lines.join("; ").trim_start_matches("error: ").to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::super::scenario;
    use super::*;

    fn refused_of(arguments: &str) -> Vec<String> {
        let text = format!(
            "title = \"x\"\n[[backend]]\nname = \"origin\"\nkind = \"redis-server\"\n\
             [[system]]\nname = \"one\"\nkind = \"redis-server\"\n\
             [[system]]\nname = \"two\"\nkind = \"redis-server\"\n\
             [[load]]\nname = \"it\"\n{arguments}\n"
        );
        refused(&scenario::parse(&text).expect("a scenario"))
    }

    #[test]
    fn what_load_does_not_take_is_told_once() {
        for (arguments, parts) in [
            ("arguments = 'redis://{address} --tme 1s'", ["`arguments`", "--tme", "--time"]),
            ("arguments = '{address} --time soon'", ["\"it\"", "soon", "--time"]),
            (
                "arguments = '{address}'\nprepare = '{origin} --kys 1'",
                ["`prepare`", "--kys", "--keys"],
            ),
        ] {
            let [told] = &refused_of(arguments)[..] else { panic!("{:?}", refused_of(arguments)) };
            for part in parts {
                assert!(told.contains(part), "{part} is not in {told}");
            }
        }
    }

    #[test]
    fn the_scenarios_that_are_there_are_taken() {
        for text in [
            include_str!("../../scenarios/redis.toml"),
            include_str!("../../scenarios/proxy.toml"),
            include_str!("../../scenarios/limiter.toml"),
        ] {
            assert_eq!(refused(&scenario::parse(text).expect("a scenario")), [""; 0]);
        }
    }
}
