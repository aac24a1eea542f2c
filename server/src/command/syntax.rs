//! Syntax: the arguments of a command as COMMAND DOCS describes them.
//! In: the notation of the documentation, `key value [NX | XX] [EX seconds | KEEPTTL]`.
//! Out: a tree of arguments with names, types and flags.
//! Invariant: every `Spec` in the table parses; whatever text there is, there is a tree.
//!
//! Words in capitals are tokens, others name values; `[...]` may be left out, `<...>` groups, `|`
//! separates alternatives, and `[word ...]` repeats what stands before it.

use std::iter::{self, Peekable};
use std::str::SplitWhitespace;

use ringlet_protocol::reply::Reply;

use super::spec::{Spec, flags};

/// What an argument is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Kind {
    /// A value of a type that Redis names so.
    Value(&'static str),
    /// A token alone.
    Token,
    /// One of these.
    OneOf(Vec<Argument>),
    /// These one after the other.
    Block(Vec<Argument>),
}

/// One argument.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Argument {
    /// Its name.
    pub name: String,
    /// What it is.
    pub kind: Kind,
    /// The token before it, or that it is.
    pub token: Option<String>,
    /// It may be left out.
    pub is_optional: bool,
    /// It may stand there several times.
    pub is_multiple: bool,
    /// Each time with its token.
    pub repeats_token: bool,
}

/// The arguments of a command.
pub fn arguments(spec: &Spec) -> Vec<Argument> {
    let spaced = ["[", "]", "<", ">", "|"]
        .iter()
        .fold(spec.syntax.to_string(), |text, mark| text.replace(mark, &format!(" {mark} ")));
    let mut words = spaced.split_whitespace().peekable();
    match alternatives(&mut words, spec) {
        Some(Argument {
            kind: Kind::Block(inner),
            token: None,
            is_optional: false,
            is_multiple: false,
            ..
        }) => inner,
        Some(single) => vec![single],
        None => Vec::new(),
    }
}

type Words<'a> = Peekable<SplitWhitespace<'a>>;

/// Reads alternatives up to the end of their group, and the mark that ends it.
fn alternatives(words: &mut Words<'_>, spec: &Spec) -> Option<Argument> {
    let mut choices = Vec::new();
    loop {
        choices.extend(sequence(words, spec));
        match words.next() {
            Some("|") => {}
            _ => break,
        }
    }
    if choices.len() < 2 {
        return choices.pop();
    }
    let name = joined(&choices);
    Some(Argument { name, ..plain(Kind::OneOf(choices)) })
}

/// Reads what stands one after the other, up to a mark that ends it.
fn sequence(words: &mut Words<'_>, spec: &Spec) -> Option<Argument> {
    let mut items: Vec<Argument> = Vec::new();
    let mut token: Option<String> = None;
    while let Some(word) = words.peek().copied() {
        match word {
            "|" | "]" | ">" => break,
            "[" => {
                words.next();
                if let Some(repeated) = repetition(words) {
                    repeat(&mut items, repeated);
                } else if let Some(inner) = alternatives(words, spec) {
                    items.push(Argument { is_optional: true, ..inner });
                }
            }
            "<" => {
                words.next();
                items.extend(alternatives(words, spec));
            }
            word => {
                words.next();
                if !is_token(word) {
                    items.push(value(word, spec));
                } else if let Some(first) = &mut token {
                    *first = format!("{first} {word}");
                } else {
                    token = Some(word.into());
                }
            }
        }
    }
    let Some(token) = token else {
        return block(items);
    };
    match block(items) {
        None => {
            Some(Argument { name: token.to_lowercase(), token: Some(token), ..plain(Kind::Token) })
        }
        Some(mut argument) => {
            if matches!(argument.kind, Kind::Block(_) | Kind::OneOf(_)) {
                argument.name = token.to_lowercase();
            }
            Some(Argument { token: Some(token), ..argument })
        }
    }
}

/// When the group that begins here ends with `...`: reads it, and tells how many values repeat, and
/// whether their token does.
fn repetition(words: &mut Words<'_>) -> Option<(usize, bool)> {
    let mut ahead = words.clone();
    let group: Vec<&str> = ahead.by_ref().take_while(|word| !matches!(*word, "]" | "[")).collect();
    let (last, repeated) = group.split_last()?;
    if *last != "..." {
        return None;
    }
    *words = ahead;
    let values = repeated.iter().filter(|word| !is_token(word)).count();
    Some((values, values < repeated.len()))
}

/// Marks the last items as repeated, as a block when they are several.
fn repeat(items: &mut Vec<Argument>, (count, repeats_token): (usize, bool)) {
    let group = items.split_off(items.len().saturating_sub(count));
    if let Some(repeated) = block(group) {
        items.push(Argument { is_multiple: true, repeats_token, ..repeated });
    }
}

fn block(mut items: Vec<Argument>) -> Option<Argument> {
    if items.len() < 2 {
        return items.pop();
    }
    let name = joined(&items);
    Some(Argument { name, ..plain(Kind::Block(items)) })
}

fn joined(arguments: &[Argument]) -> String {
    arguments.iter().map(|argument| argument.name.as_str()).collect::<Vec<_>>().join("_")
}

fn plain(kind: Kind) -> Argument {
    Argument {
        name: String::new(),
        kind,
        token: None,
        is_optional: false,
        is_multiple: false,
        repeats_token: false,
    }
}

fn is_token(word: &str) -> bool {
    word != "..." && !word.bytes().any(|byte| byte.is_ascii_lowercase())
}

fn value(name: &str, spec: &Spec) -> Argument {
    Argument { name: name.into(), ..plain(Kind::Value(type_of(name, spec))) }
}

/// The type of a value, by its name: the documentation uses few and always the same.
fn type_of(name: &str, spec: &Spec) -> &'static str {
    let has_keys = !spec.keys.is_empty();
    // A range by score, by rank or by member, depending on an option or on the command.
    let is_open = spec.syntax.contains("BYLEX") || spec.name.contains("lex");
    match name {
        "key" | "key1" | "key2" | "newkey" | "source" | "destination" | "src" | "dst"
            if has_keys =>
        {
            "key"
        }
        "pattern" => "pattern",
        "unix-time-seconds" | "unix-time-milliseconds" => "unix-time",
        "timeout" if spec.flags & flags::BLOCKING != 0 && has_keys => "double",
        "increment" if spec.name.ends_with("float") => "double",
        "min" | "max" if !is_open => "double",
        "start" | "stop" | "end" if !is_open => "integer",
        "score" | "weight" => "double",
        "seconds" | "milliseconds" | "count" | "numkeys" | "index" | "index1" | "index2"
        | "offset" | "cursor" | "timeout" | "rank" | "len" | "limit" | "num-matches"
        | "min-match-len" | "destination-db" | "db" | "port" | "client-id" | "protover"
        | "increment" | "decrement" | "slot" | "numreplicas" | "version" | "columns" | "rows"
        | "size" => "integer",
        _ => "string",
    }
}

/// Writes arguments as COMMAND DOCS does: an array of maps.
pub fn write(arguments: &[Argument], spec: &Spec, reply: &mut Reply<'_>) {
    // The n-th argument that is a key belongs to the n-th key specification; the last of these
    // describes all that follow.
    let count = spec.keys.0.len();
    let mut key_specs = (0..count).chain(iter::repeat(count.saturating_sub(1)));
    write_all(arguments, &mut key_specs, reply);
}

fn write_all(
    arguments: &[Argument],
    key_specs: &mut dyn Iterator<Item = usize>,
    reply: &mut Reply<'_>,
) {
    reply.array(arguments.len());
    arguments.iter().for_each(|argument| write_one(argument, key_specs, reply));
}

fn write_one(
    argument: &Argument,
    key_specs: &mut dyn Iterator<Item = usize>,
    reply: &mut Reply<'_>,
) {
    let (kind, inner) = match &argument.kind {
        Kind::Value(kind) => (*kind, None),
        Kind::Token => ("pure-token", None),
        Kind::OneOf(inner) => ("oneof", Some(inner)),
        Kind::Block(inner) => ("block", Some(inner)),
    };
    let flags = [
        (argument.is_optional, "optional"),
        (argument.is_multiple, "multiple"),
        (argument.repeats_token, "multiple_token"),
    ];
    let flags: Vec<&str> = flags.iter().filter(|(is_set, _)| *is_set).map(|(_, it)| *it).collect();
    let fields = [kind == "key", argument.token.is_some(), !flags.is_empty(), inner.is_some()];
    reply.map(2 + fields.iter().filter(|is_there| **is_there).count());
    let text = |reply: &mut Reply<'_>, name: &str, text: &str| {
        reply.bulk(name.as_bytes());
        reply.bulk(text.as_bytes());
    };
    text(reply, "name", &argument.name);
    text(reply, "type", kind);
    if kind == "key" {
        reply.bulk(b"key_spec_index");
        reply.integer(key_specs.next().map_or(0, |index| index as i64));
    }
    if let Some(token) = &argument.token {
        text(reply, "token", token);
    }
    if !flags.is_empty() {
        reply.bulk(b"flags");
        reply.set(flags.len());
        flags.iter().for_each(|flag| reply.simple(flag));
    }
    if let Some(inner) = inner {
        reply.bulk(b"arguments");
        write_all(inner, key_specs, reply);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::table;

    /// A tree in one line: `name:type=TOKEN?*`, groups in brackets.
    fn shown(arguments: &[Argument]) -> String {
        let one = |argument: &Argument| {
            let kind = match &argument.kind {
                Kind::Value(kind) => (*kind).to_string(),
                Kind::Token => "token".into(),
                Kind::OneOf(inner) => format!("oneof({})", shown(inner)),
                Kind::Block(inner) => format!("block({})", shown(inner)),
            };
            let token = argument.token.as_ref().map_or(String::new(), |token| format!("={token}"));
            let marks = [
                (argument.is_optional, "?"),
                (argument.is_multiple, "*"),
                (argument.repeats_token, "+"),
            ];
            let marks: String = marks.iter().filter(|(is, _)| *is).map(|(_, it)| *it).collect();
            format!("{}:{kind}{token}{marks}", argument.name)
        };
        arguments.iter().map(one).collect::<Vec<_>>().join(" ")
    }

    fn parse(syntax: &'static str) -> String {
        let get = table::find(b"get").expect("GET").spec;
        let spec = Spec { syntax, run: crate::command::spec::Run::Subcommands(&[]), ..*get };
        shown(&arguments(&spec))
    }

    #[test]
    fn the_notation_of_the_documentation() {
        let cases = [
            ("", ""),
            ("key", "key:key"),
            ("key [key ...]", "key:key*"),
            ("key [count]", "key:key count:integer?"),
            ("key value [key value ...]", "key_value:block(key:key value:string)*"),
            ("[protover [A b]]", "protover_b:block(protover:integer b:string=A?)?"),
            (
                "key field value [field value ...]",
                "key:key field_value:block(field:string value:string)*",
            ),
            ("[NX | XX] [GET]", "nx_xx:oneof(nx:token=NX xx:token=XX)? get:token=GET?"),
            (
                "key [EX seconds | KEEPTTL]",
                "key:key seconds_keepttl:oneof(seconds:integer=EX keepttl:token=KEEPTTL)?",
            ),
            (
                "key [LIMIT offset count]",
                "key:key limit:block(offset:integer count:integer)=LIMIT?",
            ),
            ("key [WEIGHTS weight [weight ...]]", "key:key weight:double=WEIGHTS?*"),
            (
                "key <BEFORE | AFTER> pivot",
                "key:key before_after:oneof(before:token=BEFORE after:token=AFTER) pivot:string",
            ),
            (
                "key [AGGREGATE <SUM | MIN>]",
                "key:key aggregate:oneof(sum:token=SUM min:token=MIN)=AGGREGATE?",
            ),
            (
                "host port | NO ONE",
                "host_port_no one:oneof(host_port:block(host:string port:integer) no one:token=NO ONE)",
            ),
            ("[P prefix [P prefix ...]]", "prefix:string=P?*+"),
            (
                "key [count [WITHVALUES]]",
                "key:key count_withvalues:block(count:integer withvalues:token=WITHVALUES?)?",
            ),
        ];
        for (syntax, expected) in cases {
            assert_eq!(parse(syntax), expected, "{syntax}");
        }
    }

    #[test]
    fn every_syntax_in_the_table_is_balanced_and_read_to_its_end() {
        for command in table::numbered() {
            let syntax = command.spec.syntax;
            let count = |mark| syntax.matches(mark).count();
            assert_eq!(count('['), count(']'), "{}", command.name);
            assert_eq!(count('<'), count('>'), "{}", command.name);
            let tree = shown(&arguments(command.spec));
            let names = syntax.split(|mark: char| " []<>|".contains(mark));
            for name in names.filter(|name| !name.is_empty() && *name != "...") {
                let found = tree.contains(name) || tree.contains(&name.to_lowercase());
                assert!(found, "{}: {name} is not in {tree}", command.name);
            }
        }
    }
}
