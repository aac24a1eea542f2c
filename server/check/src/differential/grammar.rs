//! Job: command templates, and the random command lines that follow from them.
//! In: one template per command, such as `SET {string} {value} [NX|XX] [GET]`, and seeded choices.
//! Out: command lines as words, mostly valid, sometimes not.
//! Invariant: equal choices give equal lines.
//!
//! A template is words parted by spaces. `{name}` stands for one or more words that
//! [`super::words`] makes; `(a|b c)` is one of several; `[a|b]` is one of several or nothing; a `+`
//! behind a group or name repeats it one to four times.

use crate::random::Choices;

use super::words::Words;

/// One command line.
pub type Line = Vec<Vec<u8>>;

const REPEATS_MAX: usize = 4;
const OPTION_PERCENT: usize = 40;
/// How often a finished line is damaged: a word lost, doubled, or replaced.
const DAMAGE_PERCENT: usize = 3;

/// A parsed template.
#[derive(Clone, Debug)]
pub struct Template {
    items: Vec<Item>,
    /// Names of the places outside of groups.
    places: Vec<&'static str>,
}

#[derive(Clone, Debug)]
enum Item {
    Literal(&'static str),
    Place(&'static str),
    Choice { branches: Vec<Vec<Item>>, optional: bool },
    Repeat(Box<Item>),
}

impl Template {
    /// Parses `text`.
    ///
    /// # Panics
    /// When a bracket or brace is not closed: the table is part of the program.
    pub fn parse(text: &'static str) -> Self {
        let mut rest = text;
        let mut branches = parse_branches(&mut rest, None);
        assert!(branches.len() == 1 && rest.is_empty(), "unbalanced template: {text}");
        let items = branches.remove(0);
        let places = items.iter().filter_map(|item| match item {
            Item::Place(name) => Some(*name),
            _ => None,
        });
        Self { places: places.collect(), items }
    }

    /// One line of this template. A lexical key stays with lines as they are meant: a wrong score
    /// would make its ranges meaningless.
    pub fn line(&self, words: &Words, choices: &mut Choices) -> Line {
        let mut line = Line::new();
        append(&self.items, words, choices, &mut line);
        if choices.percent(DAMAGE_PERCENT) && !self.places.contains(&"lexical") {
            damage(&mut line, words, choices);
        }
        if choices.percent(20) {
            line[0].make_ascii_lowercase();
        }
        line
    }

    /// The first words up to the first place or group, in upper case.
    pub fn name(&self) -> String {
        let literals = self.items.iter().map_while(|item| match item {
            Item::Literal(word) => Some(*word),
            _ => None,
        });
        literals.collect::<Vec<_>>().join(" ")
    }
}

fn parse_branches(rest: &mut &'static str, close: Option<char>) -> Vec<Vec<Item>> {
    let mut branches = vec![Vec::new()];
    while let Some(first) = rest.chars().next() {
        match first {
            ' ' => *rest = &rest[1..],
            '|' if close.is_some() => {
                *rest = &rest[1..];
                branches.push(Vec::new());
            }
            ')' | ']' => {
                assert_eq!(Some(first), close, "a bracket closes what was not opened");
                *rest = &rest[1..];
                return branches;
            }
            _ => {
                let item = parse_item(rest, first);
                let branch = branches.last_mut().expect("there is always a branch");
                match rest.strip_prefix('+') {
                    Some(after) => {
                        *rest = after;
                        branch.push(Item::Repeat(Box::new(item)));
                    }
                    None => branch.push(item),
                }
            }
        }
    }
    assert_eq!(close, None, "a bracket is not closed");
    branches
}

fn parse_item(rest: &mut &'static str, first: char) -> Item {
    match first {
        '(' | '[' => {
            *rest = &rest[1..];
            let close = if first == '(' { ')' } else { ']' };
            Item::Choice { branches: parse_branches(rest, Some(close)), optional: first == '[' }
        }
        '{' => {
            let end = rest.find('}').expect("a brace is closed");
            let name = &rest[1..end];
            *rest = &rest[end + 1..];
            Item::Place(name)
        }
        _ => {
            let end = rest.find([' ', '|', ')', ']']).unwrap_or(rest.len());
            let word = &rest[..end];
            *rest = &rest[end..];
            Item::Literal(word)
        }
    }
}

fn append(items: &[Item], words: &Words, choices: &mut Choices, line: &mut Line) {
    for item in items {
        match item {
            Item::Literal(word) => {
                let mut word = word.as_bytes().to_vec();
                if !line.is_empty() && choices.percent(10) {
                    word.make_ascii_lowercase();
                }
                line.push(word);
            }
            Item::Place(name) => words.append(name, choices, line),
            Item::Choice { optional: true, .. } if !choices.percent(OPTION_PERCENT) => {}
            Item::Choice { branches, .. } => {
                let branch: &Vec<Item> = choices.pick(branches);
                append(branch, words, choices, line);
            }
            Item::Repeat(item) => {
                for _ in 0..1 + choices.below(REPEATS_MAX) {
                    append(std::slice::from_ref(item), words, choices, line);
                }
            }
        }
    }
}

/// Makes a line that is probably wrong. The command's name stays.
fn damage(line: &mut Line, words: &Words, choices: &mut Choices) {
    let at = 1 + choices.below(line.len());
    match choices.below(4) {
        0 if at < line.len() => {
            line.remove(at);
        }
        1 => line.truncate(at),
        2 if at < line.len() => {
            let mut word = Line::new();
            words.append("junk", choices, &mut word);
            line.splice(at..=at, word);
        }
        _ => words.append("junk", choices, line),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &'static str, count: usize) -> Vec<String> {
        let template = Template::parse(text);
        let mut choices = Choices::new(5);
        let words = Words::new(1_700_000_000_000);
        (0..count)
            .map(|_| template.line(&words, &mut choices))
            .map(|line| String::from_utf8_lossy(&line.join(&b' ')).to_uppercase())
            .collect()
    }

    #[test]
    fn groups_options_and_repeats_all_occur() {
        let lines = lines("ZRANGE k (1|2 3) [BYLEX|BYSCORE] (x y)+", 400);
        for wanted in ["ZRANGE K 1 X Y", "ZRANGE K 2 3 BYLEX X Y X Y", "ZRANGE K 1 BYSCORE X Y"] {
            assert!(lines.iter().any(|line| line == wanted), "no line {wanted}");
        }
    }

    #[test]
    fn some_lines_are_damaged_and_most_are_not() {
        let lines = lines("GET k", 1000);
        let whole = lines.iter().filter(|line| *line == "GET K").count();
        assert!((900..1000).contains(&whole), "{whole} of 1000 lines are whole");
    }

    #[test]
    fn the_name_is_what_stands_before_the_first_place() {
        assert_eq!(Template::parse("OBJECT ENCODING {any}").name(), "OBJECT ENCODING");
    }
}
