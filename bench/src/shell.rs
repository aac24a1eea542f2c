//! Job: words of command lines, as shells write them.
//! In: a line or words; files that commands read. Out: words or a line; commands that make the files.
//! Invariant: a line that was made of words is split into the same words, here and by a shell.

use std::path::Path;

/// The words of a command line: blanks part them, except in '...' and "..."; a backslash takes the next
/// sign as it is, in "..." only before `"` and `\`.
///
/// # Errors
/// A quote that is not closed, a backslash at the end.
pub fn words(text: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote: Option<char> = None;
    let mut signs = text.chars().peekable();
    while let Some(sign) = signs.next() {
        let escapes = match quote {
            None => true,
            Some('"') => matches!(signs.peek(), Some('"' | '\\')),
            Some(_) => false,
        };
        match (sign, quote) {
            ('\\', _) if escapes => {
                let next = signs.next().ok_or("a backslash at the end")?;
                word.get_or_insert_default().push(next);
            }
            (end, Some(open)) if end == open => quote = None,
            ('"' | '\'', None) => {
                quote = Some(sign);
                word.get_or_insert_default();
            }
            (blank, None) if blank.is_whitespace() => words.extend(word.take()),
            _ => word.get_or_insert_default().push(sign),
        }
    }
    if let Some(open) = quote {
        return Err(format!("a {open} that is not closed"));
    }
    words.extend(word);
    Ok(words)
}

/// The commands that make a text file, for files that are gone when somebody repeats what read them.
pub fn file(path: &Path, text: &str) -> String {
    let path = line([path.display().to_string().as_str()]);
    let text = text.trim_end();
    format!("mkdir -p \"$(dirname {path})\"\ncat >{path} <<'END OF FILE'\n{text}\nEND OF FILE")
}

/// Words as one line that a shell takes apart again.
pub fn line<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_=+./:,@%".contains(&b);
    let quoted = |word: &str| {
        if !word.is_empty() && word.bytes().all(plain) {
            word.to_owned()
        } else {
            format!("'{}'", word.replace('\'', r"'\''"))
        }
    };
    words.into_iter().map(quoted).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_where_a_shell_needs_it() {
        for (word, line) in [
            ("127.0.0.1:6379", "127.0.0.1:6379"),
            ("", "''"),
            ("SET __key__ __data__", "'SET __key__ __data__'"),
            ("it's", r"'it'\''s'"),
            ("a$b", "'a$b'"),
            ("*", "'*'"),
            ("16*70,1024*30", "'16*70,1024*30'"),
            ("~/x", "'~/x'"),
            ("[::1]:6379", "'[::1]:6379'"),
        ] {
            assert_eq!(super::line([word]), line);
        }
    }

    #[test]
    fn a_shell_reads_the_words_back() {
        let words = ["a b", "it's", "", "\"$(x)\"", "a\nb", "\\"];
        let script = format!("printf '%s\\0' {}", line(words));
        let output = std::process::Command::new("sh").args(["-c", &script]).output().expect("sh");
        let text = String::from_utf8(output.stdout).expect("text");
        assert_eq!(text.split_terminator('\0').collect::<Vec<_>>(), words);
    }

    #[test]
    fn words_are_those_of_a_shell() {
        let split = |text: &str| words(text).expect("closed quotes");
        assert_eq!(split("  a  b\tc\n"), ["a", "b", "c"]);
        assert_eq!(
            split(r#"--command 'SET __key__ "a b"' x"#),
            ["--command", r#"SET __key__ "a b""#, "x"]
        );
        assert_eq!(split(r#""a \"b\" \n" c\ d '' e''f"#), [r#"a "b" \n"#, "c d", "", "ef"]);
        assert_eq!(split(r"'a\'"), [r"a\"]);
        assert!(split(" ").is_empty());
        assert_eq!(words("a 'b"), Err("a ' that is not closed".to_owned()));
        assert_eq!(words("a \\"), Err("a backslash at the end".to_owned()));
    }

    #[test]
    fn a_line_is_split_into_the_words_that_made_it() {
        let made = ["a", "", "it's", "a b", "\\", "\"", "--x=1:2", "$y", "`z`"];
        assert_eq!(words(&line(made)).expect("words"), made);
        assert_eq!(
            line(["ringlet-bench", "load", "redis://127.0.0.1:1"]),
            "ringlet-bench load redis://127.0.0.1:1"
        );
    }

    #[test]
    fn a_shell_makes_the_file_that_is_told() {
        let folder =
            std::env::temp_dir().join(format!("ringlet-bench-file-{}", std::process::id()));
        let path = folder.join("a folder").join("it's");
        let text = "listen $host \"x\" `y` {\n  return 200 'z'; # \\\n}\n";
        let status = std::process::Command::new("sh").args(["-c", &file(&path, text)]).status();
        assert!(status.expect("sh").success());
        assert_eq!(std::fs::read_to_string(&path).expect("the file"), text);
        std::fs::remove_dir_all(&folder).expect("the folder is ours");
    }
}
