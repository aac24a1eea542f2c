//! The syntax of nginx's configuration.
//!
//! Job: text to directives with their lines. In: text. Out: a tree, or what is wrong and where.
//! Invariant: no deeper than [`DEPTH_MAX`]; bad input is a problem, never a panic.

use ringlet_base::config::shown;

/// The deepest block.
const DEPTH_MAX: usize = 32;

/// One directive: its words, and the directives of its block if it has one.
#[derive(Debug, PartialEq, Eq)]
pub struct Directive {
    /// The line of its name.
    pub line: usize,
    /// Its name.
    pub name: String,
    /// The words behind the name.
    pub words: Vec<String>,
    /// What is between its braces; none: it ends in a semicolon.
    pub block: Option<Vec<Directive>>,
}

/// What is wrong, with its line.
pub type Wrong = (usize, String);

enum Token {
    Word(String),
    Semicolon,
    Open,
    Close,
}

/// Reads a file.
///
/// # Errors
/// The first thing that nginx would not understand either.
pub fn read(text: &str) -> Result<Vec<Directive>, Wrong> {
    let mut reader = Reader { rest: text.chars().peekable(), line: 1 };
    // The blocks that are open, each with the directive that it belongs to.
    let mut open: Vec<(Directive, Vec<Directive>)> = Vec::new();
    let mut block = Vec::new();
    let mut words: Vec<String> = Vec::new();
    let mut line = 1;
    while let Some((token_line, token)) = reader.next()? {
        if words.is_empty() {
            line = token_line;
        }
        match token {
            Token::Word(word) => words.push(word),
            Token::Semicolon => block.push(directive(line, &mut words, None)?),
            Token::Open => {
                if open.len() >= DEPTH_MAX {
                    return Err((line, format!("more than {DEPTH_MAX} blocks in each other")));
                }
                let outer = std::mem::take(&mut block);
                open.push((directive(line, &mut words, Some(Vec::new()))?, outer));
            }
            Token::Close => {
                if !words.is_empty() {
                    return Err((line, format!("`{}` has no `;`", shown(&words[0]))));
                }
                let Some((mut parent, outer)) = open.pop() else {
                    return Err((line, "a `}` without a `{`".to_owned()));
                };
                parent.block = Some(std::mem::replace(&mut block, outer));
                block.push(parent);
            }
        }
    }
    if !words.is_empty() {
        return Err((line, format!("`{}` has no `;`", shown(&words[0]))));
    }
    match open.pop() {
        Some((parent, _)) => Err((parent.line, format!("`{}` has no `}}`", shown(&parent.name)))),
        None => Ok(block),
    }
}

fn directive(
    line: usize,
    words: &mut Vec<String>,
    block: Option<Vec<Directive>>,
) -> Result<Directive, Wrong> {
    let mut words = std::mem::take(words).into_iter();
    let name = words.next().ok_or_else(|| (line, "a directive without a name".to_owned()))?;
    Ok(Directive { line, name, words: words.collect(), block })
}

struct Reader<'t> {
    rest: std::iter::Peekable<std::str::Chars<'t>>,
    line: usize,
}

impl Reader<'_> {
    fn take(&mut self) -> Option<char> {
        let next = self.rest.next();
        self.line += usize::from(next == Some('\n'));
        next
    }

    /// The next token and its line.
    fn next(&mut self) -> Result<Option<(usize, Token)>, Wrong> {
        loop {
            let Some(&next) = self.rest.peek() else { return Ok(None) };
            let line = self.line;
            let token = match next {
                '#' => {
                    while self.take().is_some_and(|c| c != '\n') {}
                    continue;
                }
                c if c.is_ascii_whitespace() => {
                    self.take();
                    continue;
                }
                ';' => Token::Semicolon,
                '{' => Token::Open,
                '}' => Token::Close,
                '"' | '\'' => return self.quoted(next).map(|word| Some((line, Token::Word(word)))),
                _ => return Ok(Some((line, Token::Word(self.word())))),
            };
            self.take();
            return Ok(Some((line, token)));
        }
    }

    fn word(&mut self) -> String {
        let mut word = String::new();
        while let Some(&next) = self.rest.peek() {
            // Only `${name}` has braces within a word.
            let is_brace_of_name = next == '{' && word.ends_with('$');
            if next.is_ascii_whitespace() || next == ';' || (next == '{' && !is_brace_of_name) {
                break;
            }
            self.take();
            word.push(next);
            if is_brace_of_name {
                while let Some(&c) = self.rest.peek()
                    && (c.is_ascii_alphanumeric() || c == '_' || c == '}')
                {
                    self.take();
                    word.push(c);
                    if c == '}' {
                        break;
                    }
                }
            }
            if next == '\\' {
                word.extend(self.take());
            }
        }
        word
    }

    fn quoted(&mut self, quote: char) -> Result<String, Wrong> {
        let line = self.line;
        self.take();
        let mut word = String::new();
        while let Some(next) = self.take() {
            match next {
                '\\' => {
                    let escaped = self.take();
                    if !matches!(escaped, Some('"' | '\'' | '\\')) {
                        word.push('\\');
                    }
                    word.extend(escaped);
                }
                _ if next == quote => return Ok(word),
                _ => word.push(next),
            }
        }
        Err((line, format!("a {quote} that nothing ends")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directives_have_words_blocks_and_lines() {
        let text = "a b 'c d' \"e\\\"f\"; # g;\n\nh ${i}j {\n  k;\n}\n";
        let k =
            Directive { line: 4, name: "k".to_owned(), words: Vec::new(), block: Some(Vec::new()) };
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        let expected = [
            Directive {
                line: 1,
                name: "a".to_owned(),
                words: words(&["b", "c d", "e\"f"]),
                block: None,
            },
            Directive {
                line: 3,
                name: "h".to_owned(),
                words: words(&["${i}j"]),
                block: Some(vec![Directive { block: None, ..k }]),
            },
        ];
        assert_eq!(read(text), Ok(Vec::from(expected)));
    }

    #[test]
    fn what_is_not_closed_is_told_with_its_line() {
        let wrong = |text: &str| read(text).expect_err(text);
        assert_eq!(wrong("a;\nb c"), (2, "`b` has no `;`".to_owned()));
        assert_eq!(wrong("a;\nb {\nc;"), (2, "`b` has no `}`".to_owned()));
        assert_eq!(wrong("b {\nc }"), (2, "`c` has no `;`".to_owned()));
        assert_eq!(wrong("}"), (1, "a `}` without a `{`".to_owned()));
        assert_eq!(wrong(";"), (1, "a directive without a name".to_owned()));
        assert_eq!(wrong("a 'b"), (1, "a ' that nothing ends".to_owned()));
        assert_eq!(wrong(&"a {".repeat(100)).0, 1);
    }
}
