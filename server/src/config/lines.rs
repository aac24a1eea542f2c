//! Lines: the syntax of redis.conf and of the command line.
//! In: files, standard input, the program's arguments. Out: directives as words, each with the
//! place it came from.
//! Invariant: what stands later wins; an included file counts at the place of its `include`; the
//! command line counts last.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use ringlet_protocol::inline::split_words;

/// Deepest nesting of `include`; a file that includes itself ends here.
const INCLUDE_DEPTH_MAX: usize = 16;

/// Where a line came from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Place {
    /// A file and the number of the line, from 1.
    File(PathBuf, usize),
    /// A line of standard input, from 1.
    Input(usize),
    /// The command line.
    Arguments,
}

/// A directive with its words.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Line {
    /// Where it came from.
    pub place: Place,
    /// As it stands there.
    pub text: String,
    /// Name and value; never empty.
    pub words: Vec<String>,
}

/// A line that cannot be obeyed, or a file that cannot be read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ConfigError {
    /// Where; `None` when it is no single line.
    pub place: Option<(Place, String)>,
    /// What is wrong and, where that is known, what to do.
    pub reason: String,
}

impl Line {
    /// The error of this line.
    pub fn error(&self, reason: impl Into<String>) -> ConfigError {
        ConfigError { place: Some((self.place.clone(), self.text.clone())), reason: reason.into() }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\n*** FATAL CONFIG FILE ERROR (Ringlet {}) ***", env!("CARGO_PKG_VERSION"))?;
        match &self.place {
            Some((Place::File(path, number), _)) => {
                writeln!(f, "Reading the configuration file {}, at line {number}", path.display())?;
            }
            Some((Place::Input(number), _)) => {
                writeln!(f, "Reading the configuration from standard input, at line {number}")?;
            }
            Some((Place::Arguments, _)) => writeln!(f, "Reading the command line")?,
            None => {}
        }
        if let Some((_, text)) = &self.place {
            writeln!(f, ">>> '{text}'")?;
        }
        write!(f, "{}", self.reason)
    }
}

impl std::error::Error for ConfigError {}

/// Reads a file with all that it includes.
pub fn read_file(path: &Path) -> Result<Vec<Line>, ConfigError> {
    let mut lines = Vec::new();
    read_file_into(path, 0, &mut lines).map_err(|reason| ConfigError { place: None, reason })??;
    Ok(lines)
}

/// The outer error: the file itself cannot be read.
fn read_file_into(
    path: &Path,
    depth: usize,
    lines: &mut Vec<Line>,
) -> Result<Result<(), ConfigError>, String> {
    let text = std::fs::read(path)
        .map_err(|error| format!("Can't open config file '{}': {error}", path.display()))?;
    let place = |number| Place::File(path.to_path_buf(), number);
    Ok(read_text(&text, place, depth, lines))
}

/// Reads what comes from standard input until its end.
pub fn read_input(mut input: impl Read) -> Result<Vec<Line>, ConfigError> {
    let mut text = Vec::new();
    input.read_to_end(&mut text).map_err(|error| ConfigError {
        place: None,
        reason: format!("Can't read the configuration from standard input: {error}"),
    })?;
    let mut lines = Vec::new();
    read_text(&text, Place::Input, 0, &mut lines)?;
    Ok(lines)
}

fn read_text(
    text: &[u8],
    place: impl Fn(usize) -> Place,
    depth: usize,
    lines: &mut Vec<Line>,
) -> Result<(), ConfigError> {
    for (at, line) in text.split(|byte| *byte == b'\n').enumerate() {
        let line = line.trim_ascii();
        if line.is_empty() || line[0] == b'#' {
            continue;
        }
        push_line(read_line(line, place(at + 1))?, depth, lines)?;
    }
    Ok(())
}

/// The directives of the command line, with the files that they include.
pub fn with_includes(arguments: &[Line]) -> Result<Vec<Line>, ConfigError> {
    let mut lines = Vec::new();
    arguments.iter().try_for_each(|line| push_line(line.clone(), 0, &mut lines))?;
    Ok(lines)
}

/// Adds a line, or the files that it includes.
fn push_line(line: Line, depth: usize, lines: &mut Vec<Line>) -> Result<(), ConfigError> {
    match line.words.as_slice() {
        [] => {}
        [name, pattern] if name.eq_ignore_ascii_case("include") => {
            for path in included(pattern).map_err(|error| line.error(error))? {
                if depth == INCLUDE_DEPTH_MAX {
                    return Err(line.error("files include each other too deeply"));
                }
                read_file_into(&path, depth + 1, lines).map_err(|error| line.error(error))??;
            }
        }
        _ => lines.push(line),
    }
    Ok(())
}

fn read_line(line: &[u8], place: Place) -> Result<Line, ConfigError> {
    let text = String::from_utf8_lossy(line).into_owned();
    let mut read = Line { place, text, words: Vec::new() };
    let words =
        split_words(line).map_err(|_| read.error("Unbalanced quotes in configuration line"))?;
    for word in words {
        let word = String::from_utf8(word).map_err(|_| read.error("the line is not UTF-8"))?;
        read.words.push(word);
    }
    Ok(read)
}

/// The files that an `include` means: one, or with wildcards in the last part all that match, in
/// order of their names.
fn included(pattern: &str) -> Result<Vec<PathBuf>, String> {
    let has_wildcard = |text: &[u8]| text.iter().any(|byte| b"*?[".contains(byte));
    if !has_wildcard(pattern.as_bytes()) {
        return Ok(vec![pattern.into()]);
    }
    let path = Path::new(pattern);
    let name = path.file_name().unwrap_or(OsStr::new(""));
    let directory = match path.parent() {
        Some(directory) if directory != Path::new("") => directory,
        _ => Path::new("."),
    };
    if has_wildcard(directory.as_os_str().as_bytes()) {
        return Err("wildcards are understood in the last part of the path only".into());
    }
    // As in Redis, a pattern that matches nothing is no error; neither is a missing directory.
    let Ok(entries) = std::fs::read_dir(directory) else { return Ok(Vec::new()) };
    let mut paths: Vec<PathBuf> = entries
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .filter(|path| {
            let own = path.file_name().unwrap_or(OsStr::new("")).as_bytes();
            let is_hidden = own.starts_with(b".") && !name.as_bytes().starts_with(b".");
            !is_hidden && ringlet_base::glob::matches(name.as_bytes(), own)
        })
        .collect();
    paths.sort_unstable();
    Ok(paths)
}

/// What the program was asked to do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Invocation {
    /// Print how it is called.
    Help,
    /// Print its version.
    Version,
    /// Print whether this machine lets it run.
    Check,
    /// Print docs/commands.md.
    GenerateDocs,
    /// Serve.
    Serve(Sources),
}

/// Where the configuration comes from.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Sources {
    /// The file.
    pub file: Option<PathBuf>,
    /// Standard input is read too, after the file.
    pub reads_input: bool,
    /// The directives of the command line.
    pub arguments: Vec<Line>,
}

/// Understands the program's arguments, without its name, as redis-server does: `[FILE] [--name
/// value ...] [-]` or `- [--name value ...]`. The word behind a name is its value even when it
/// begins with two dashes.
pub fn parse_arguments(
    arguments: impl IntoIterator<Item = OsString>,
) -> Result<Invocation, ConfigError> {
    let words: Vec<OsString> = arguments.into_iter().collect();
    match words.first().and_then(|word| word.to_str()) {
        Some("-h" | "--help") => return Ok(Invocation::Help),
        Some("-v" | "--version") => return Ok(Invocation::Version),
        Some("--check") => return Ok(Invocation::Check),
        Some("--generate-docs") => return Ok(Invocation::GenerateDocs),
        _ => {}
    }
    let mut sources = Sources::default();
    let mut rest = words.as_slice();
    if let [file, others @ ..] = rest
        && !file.as_bytes().starts_with(b"-")
    {
        sources.file = Some(PathBuf::from(file));
        rest = others;
    }
    if words.len() == rest.len()
        && let [first, others @ ..] = rest
        && first == "-"
    {
        sources.reads_input = true;
        rest = others;
    }
    if let [others @ .., last] = rest
        && last == "-"
    {
        sources.reads_input = true;
        rest = others;
    }
    sources.arguments = options(rest)?;
    Ok(Invocation::Serve(sources))
}

fn options(words: &[OsString]) -> Result<Vec<Line>, ConfigError> {
    let mut lines: Vec<Line> = Vec::new();
    let mut words = words.iter().peekable();
    while let Some(word) = words.next() {
        let word = utf8(word)?;
        let awaits_value = lines.last().is_some_and(|line| line.words.len() == 1);
        if let Some(name) = word.strip_prefix("--").filter(|_| !awaits_value) {
            // "--port 6380" in one word names the directive and its value.
            let mut line = read_line(name.as_bytes(), Place::Arguments)?;
            line.text = word.into();
            if line.words.is_empty() {
                return Err(line.error("an option needs a name, as in --port 6380"));
            }
            // Lists of words that are made by programs end up as "--save --port 1" when empty.
            let is_last = words.peek().is_none_or(|next| next.as_bytes().starts_with(b"--"));
            if line.words.len() == 1 && line.words[0].eq_ignore_ascii_case("save") && is_last {
                line.words.push(String::new());
            }
            lines.push(line);
        } else if let Some(line) = lines.last_mut() {
            line.words.push(word.into());
            line.text = format!("{} {word}", line.text);
        } else {
            let line = Line { place: Place::Arguments, text: word.into(), words: Vec::new() };
            return Err(line.error("not an option: options are written --name value; see --help"));
        }
    }
    Ok(lines)
}

fn utf8(word: &OsStr) -> Result<&str, ConfigError> {
    word.to_str().ok_or_else(|| ConfigError {
        place: Some((Place::Arguments, word.to_string_lossy().into_owned())),
        reason: "the option is not UTF-8".into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(words: &[&str]) -> Result<Sources, String> {
        match parse_arguments(words.iter().map(OsString::from)) {
            Ok(Invocation::Serve(sources)) => Ok(sources),
            Ok(other) => panic!("{other:?}"),
            Err(error) => Err(error.reason),
        }
    }

    fn words(sources: &Sources) -> Vec<Vec<&str>> {
        let lines = sources.arguments.iter();
        lines.map(|line| line.words.iter().map(String::as_str).collect()).collect()
    }

    #[test]
    fn the_command_line_is_read_as_redis_server_does() {
        let sources = arguments(&["a.conf", "--port", "1", "--bind", "a", "b", "-"]).expect("fine");
        assert_eq!(sources.file, Some("a.conf".into()));
        assert!(sources.reads_input);
        assert_eq!(words(&sources), [vec!["port", "1"], vec!["bind", "a", "b"]]);
        let sources = arguments(&["--port 1", "--requirepass", "--x", "--save"]).expect("fine");
        assert_eq!(
            words(&sources),
            [vec!["port", "1"], vec!["requirepass", "--x"], vec!["save", ""]]
        );
        let sources = arguments(&["--save", "--port", "1"]).expect("fine");
        assert_eq!(words(&sources), [vec!["save", ""], vec!["port", "1"]]);
        assert!(arguments(&["-"]).expect("fine").reads_input);
        let sources = arguments(&["-", "--port", "1"]).expect("fine");
        assert!(sources.reads_input);
        assert_eq!(words(&sources), [vec!["port", "1"]]);
        assert!(arguments(&["a.conf", "-", "--port", "1"]).is_err(), "neither first nor last");
        assert!(arguments(&["a.conf", "b"]).expect_err("two files").contains("--name value"));
        assert!(arguments(&["--", "x"]).is_err());
    }

    #[test]
    fn the_special_words_count_in_the_first_place_only() {
        let first = |word: &str| parse_arguments([OsString::from(word)]).expect("fine");
        assert_eq!(first("--help"), Invocation::Help);
        assert_eq!(first("-v"), Invocation::Version);
        assert_eq!(first("--check"), Invocation::Check);
        assert_eq!(words(&arguments(&["--port", "-v"]).expect("fine")), [vec!["port", "-v"]]);
    }

    #[test]
    fn comments_blanks_and_quotes() {
        let text = b"# comment\n\n  port 7\r\n\trequirepass \"a \\\"b\\x41\" \nsave ''\n#\n";
        let lines = read_input(&text[..]).expect("fine");
        let words: Vec<_> = lines.iter().map(|line| line.words.clone()).collect();
        assert_eq!(words, [vec!["port", "7"], vec!["requirepass", "a \"bA"], vec!["save", ""]]);
        assert_eq!(lines[1].place, Place::Input(4));
        let error = read_input(&b"\nport \"7\n"[..]).expect_err("unbalanced");
        assert_eq!(
            error.to_string(),
            format!(
                "\n*** FATAL CONFIG FILE ERROR (Ringlet {}) ***\n\
                 Reading the configuration from standard input, at line 2\n>>> 'port \"7'\n\
                 Unbalanced quotes in configuration line",
                env!("CARGO_PKG_VERSION")
            )
        );
    }

    #[test]
    fn files_and_options_include_files() {
        let folder = std::env::temp_dir().join(format!("ringlet-include-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let write = |name: &str, text: String| {
            let path = folder.join(name);
            std::fs::write(&path, text).expect("a file");
            path
        };
        write("1.inc", "port 1\n".into());
        write("2.inc", "port 2\n".into());
        let folder_text = folder.display();
        let main = write("main.conf", format!("hz 5\ninclude {folder_text}/*.inc\nhz 6\n"));
        let lines = read_file(&main).expect("fine");
        let texts: Vec<_> = lines.iter().map(|line| line.text.as_str()).collect();
        assert_eq!(texts, ["hz 5", "port 1", "port 2", "hz 6"]);
        let path = main.display().to_string();
        let options = arguments(&["--include", &path, "--hz", "7"]).expect("fine").arguments;
        assert_eq!(with_includes(&options).expect("fine").len(), 5);
        let own = write("own.conf", format!("include {folder_text}/own.conf\n"));
        assert!(read_file(&own).expect_err("endless").reason.contains("too deeply"));
        let missing = write("missing.conf", format!("include {folder_text}/nothing\n"));
        let error = read_file(&missing).expect_err("missing");
        assert!(error.reason.contains("Can't open config file"), "{error}");
        assert!(matches!(error.place, Some((Place::File(_, 1), _))));
        let none = write("none.conf", format!("include {folder_text}/nothing*\nhz 7\n"));
        assert_eq!(read_file(&none).expect("fine").len(), 1);
        std::fs::remove_dir_all(&folder).expect("the folder is ours");
    }
}
