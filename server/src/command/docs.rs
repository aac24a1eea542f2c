//! Docs: docs/commands.md, made from the command table.
//! In: the table. Out: Markdown.
//! Invariant: every command and subcommand of the table stands there, with what its `Spec` says.

use std::fmt::Write;

use super::spec::{Group, Spec};
use super::table::{self, Command};

/// The groups in the order of the table, with their headings.
const HEADINGS: &[(Group, &str)] = &[
    (Group::Connection, "Connection"),
    (Group::Server, "Server"),
    (Group::Generic, "Keys of any type"),
    (Group::String, "Strings"),
    (Group::List, "Lists"),
    (Group::Hash, "Hashes"),
    (Group::Set, "Sets"),
    (Group::SortedSet, "Sorted sets"),
    (Group::PubSub, "Publish and subscribe"),
    (Group::Transactions, "Transactions"),
    (Group::Cluster, "Cluster"),
    (Group::Limit, "Rate limits"),
];

/// The whole file.
pub fn markdown() -> String {
    let mut page = String::from(
        "# Commands\n\n\
         What ringlet-server understands, by group. This page is made from the command table with\n\
         `ringlet-server --generate-docs`; a test fails when it is stale. *Since* is the version of\n\
         Redis that brought the command, or that of Ringlet where Redis has no such command. The\n\
         examples run in order on an empty server, and the replies are as `redis-cli` prints them.\n",
    );
    for (group, heading) in HEADINGS {
        let mut commands: Vec<&Command> =
            table::all().filter(|command| command.spec.group == *group).collect();
        if commands.is_empty() {
            continue;
        }
        commands.sort_unstable_by_key(|command| command.spec.name);
        let names: Vec<String> = commands
            .iter()
            .map(|command| {
                let name = command.spec.name.to_uppercase();
                format!("[{name}](#{})", command.spec.name.replace('.', ""))
            })
            .collect();
        push(&mut page, format_args!("\n## {heading}\n\n{}\n", names.join(" · ")));
        for command in commands {
            describe(&mut page, command.spec, None);
            for sub in &command.subcommands {
                describe(&mut page, sub.spec, Some(command.spec));
            }
        }
    }
    page
}

fn describe(page: &mut String, spec: &Spec, container: Option<&Spec>) {
    let name = match container {
        Some(container) => format!("{} {}", container.name, spec.name).to_uppercase(),
        None => spec.name.to_uppercase(),
    };
    let level = if container.is_some() { "####" } else { "###" };
    push(page, format_args!("\n{level} {name}\n\n"));
    let syntax = format!("{name} {}", spec.syntax);
    push(page, format_args!("`{}`\n\n{}\n", syntax.trim_end(), spec.summary));
    push(page, format_args!("\nSince {}. {}\n", spec.since, spec.complexity));
    if !spec.examples.is_empty() {
        page.push_str("\n```\n");
        for (line, reply) in spec.examples {
            push(page, format_args!("> {line}\n{reply}\n"));
        }
        page.push_str("```\n");
    }
}

fn push(page: &mut String, text: std::fmt::Arguments<'_>) {
    page.write_fmt(text).expect("a string takes all that is written");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_is_described() {
        let page = markdown();
        for command in table::numbered() {
            let heading = format!("# {}\n", command.name.to_uppercase().replace('|', " "));
            assert!(page.contains(&heading), "{} is missing", command.name);
        }
    }

    #[test]
    fn the_page_in_the_repository_is_fresh() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/commands.md");
        let stored = std::fs::read_to_string(path).expect("docs/commands.md is there");
        assert!(
            stored == markdown(),
            "docs/commands.md is stale: run `ringlet-server --generate-docs > docs/commands.md`"
        );
    }
}
