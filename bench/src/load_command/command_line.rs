//! Job: the command line that repeats a run.
//! In: the words of this process, the seed. Out: a line for a shell.
//! Invariant: the line has the seed, and no password: reports are shown around.

use std::path::Path;

use crate::shell;

/// The line of `words`, of which the first is the program.
pub fn repeating(words: &[String], seed: u64) -> String {
    let name = words.first().and_then(|word| Path::new(word).file_name());
    let name = name.map_or_else(|| "ringlet-bench".into(), |name| name.to_string_lossy());
    let rest: Vec<String> = words.iter().skip(1).map(|word| without_password(word)).collect();
    let mut line = shell::line([&*name].into_iter().chain(rest.iter().map(String::as_str)));
    if !words.iter().any(|word| word == "--seed" || word.starts_with("--seed=")) {
        line.push_str(&format!(" --seed {seed}"));
    }
    line
}

/// A word with `***` for the password in an address, and for what an Authorization field says.
fn without_password(word: &str) -> String {
    let field = word.strip_prefix("--header=").unwrap_or(word);
    if let Some((name, _)) = field.split_once(':')
        && ["authorization", "proxy-authorization", "cookie"]
            .contains(&name.trim().to_ascii_lowercase().as_str())
    {
        return format!("{}{name}: ***", &word[..word.len() - field.len()]);
    }
    let start = match word.split_once("://") {
        Some((scheme, _)) => scheme.len() + 3,
        None => 0,
    };
    let end = word[start..].find('/').map_or(word.len(), |end| start + end);
    let Some(at) = word[start..end].rfind('@') else { return word.to_owned() };
    match word[start..start + at].split_once(':') {
        Some((user, _)) => format!("{}{user}:***{}", &word[..start], &word[start + at..]),
        None => word.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_seed_is_there_and_passwords_are_not() {
        let line = |words: &[&str]| {
            repeating(&words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>(), 7)
        };
        for (words, expected) in [
            (&["/opt/ringlet-bench", "load", "h:1"][..], "ringlet-bench load h:1 --seed 7"),
            (&["ringlet-bench", "load", "--seed", "3"], "ringlet-bench load --seed 3"),
            (&["ringlet-bench", "--seed=3"], "ringlet-bench --seed=3"),
            (&["b", "redis://u:p@q@h:1/2"], "b 'redis://u:***@h:1/2' --seed 7"),
            (&["b", "redis://:p@h"], "b 'redis://:***@h' --seed 7"),
            (&["b", "u:p@h:1"], "b 'u:***@h:1' --seed 7"),
            (&["b", "http://h/a:b@c"], "b http://h/a:b@c --seed 7"),
            (&["b", "Authorization: Bearer x"], "b 'Authorization: ***' --seed 7"),
            (&["b", "--header=cookie: x"], "b '--header=cookie: ***' --seed 7"),
            (&["b", "Accept: a"], "b 'Accept: a' --seed 7"),
        ] {
            assert_eq!(line(words), expected);
        }
    }
}
