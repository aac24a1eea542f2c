//! The commands there are.
//!
//! Job: find a command and carry it out. In: words. Out: a reply, or an answer to wait for. Invariant: a
//! command is one row; its `run` sees at least as many words as its row says.

use ringlet_limit::request::Verdict;
use ringlet_protocol::{Arguments, Reply, ReplyBuffer};

use super::session::{self, Session};
use super::throttle;
use crate::front::Desk;

/// A command: one row of [`COMMANDS`].
pub(super) struct Command {
    /// In lower case.
    pub(super) name: &'static str,
    /// Words with the name, as Redis counts: exactly so many, or if negative at least.
    pub(super) arity: i64,
    /// The place of the first key among the words; 0: there is none.
    pub(super) key_place: i64,
    /// What stands behind the name.
    pub(super) syntax: &'static str,
    run: fn(&mut Call<'_>, &mut Reply<'_>) -> Result<Done, String>,
}

/// All commands.
pub(super) const COMMANDS: [Command; 11] = [
    Command {
        name: "cl.throttle",
        // redis-cell counts itself, and so has an error of its own.
        arity: -1,
        key_place: 1,
        syntax: "<key> <max_burst> <count per period> <period in seconds> [<quantity>]",
        run: throttle::run_cell,
    },
    Command {
        name: "throttle",
        arity: -3,
        key_place: 0,
        syntax: "<rule> <key> [<cost>] [PEEK|GIVEBACK|FORCE]",
        run: throttle::run_rule,
    },
    Command { name: "ping", arity: -1, key_place: 0, syntax: "[<text>]", run: session::ping },
    Command { name: "echo", arity: 2, key_place: 0, syntax: "<text>", run: session::echo },
    Command {
        name: "hello",
        arity: -1,
        key_place: 0,
        syntax: "[2|3 [SETNAME <name>]]",
        run: session::hello,
    },
    Command {
        name: "client",
        arity: -2,
        key_place: 0,
        syntax: "SETNAME|GETNAME|SETINFO|ID",
        run: session::client,
    },
    Command {
        name: "command",
        arity: -1,
        key_place: 0,
        syntax: "[COUNT|DOCS|INFO [<name> ...]]",
        run: session::command,
    },
    Command { name: "select", arity: 2, key_place: 0, syntax: "0", run: session::select },
    Command { name: "info", arity: -1, key_place: 0, syntax: "", run: session::info },
    Command { name: "reset", arity: 1, key_place: 0, syntax: "", run: session::reset },
    Command { name: "quit", arity: -1, key_place: 0, syntax: "", run: session::quit },
];

/// One command with what it may use.
pub(super) struct Call<'a> {
    pub(super) words: Arguments<'a>,
    pub(super) session: &'a mut Session,
    pub(super) desk: &'a mut dyn Desk,
    /// For a question.
    pub(super) ticket: u32,
    /// For the answer to a question; used again.
    pub(super) verdict: &'a mut Verdict,
}

/// What has become of a command.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Done {
    /// The reply is written.
    Replied,
    /// The question with the call's ticket waits for its answer.
    Waiting,
    /// The reply is written, and the connection ends.
    Closing,
}

/// Longest part of a client's words that an error shows, as in Redis.
const SHOWN_BYTES_MAX: usize = 128;

/// What HTTP begins lines with: a web page must not make its reader's browser send commands in a body.
const HTTP_WORDS: [&[u8]; 2] = [b"POST", b"Host:"];

/// Carries a command out.
pub(super) fn run(call: &mut Call<'_>, buffer: &mut ReplyBuffer) -> Done {
    let done = match find(&call.words[0]) {
        None if HTTP_WORDS.iter().any(|word| call.words[0].eq_ignore_ascii_case(word)) => {
            let text = "ERR this is RESP and not HTTP, whose listener has another port";
            Reply::new(buffer, call.session.version).error(text);
            return Done::Closing;
        }
        None => Err(unknown(call.words)),
        Some(command) if !command.takes(call.words.len()) => {
            Err(format!("ERR wrong number of arguments for '{}' command", command.name))
        }
        Some(command) => (command.run)(call, &mut Reply::new(buffer, call.session.version)),
    };
    done.unwrap_or_else(|text| {
        buffer.clear();
        Reply::new(buffer, call.session.version).error(&text);
        Done::Replied
    })
}

/// The command of a name.
pub(super) fn find(name: &[u8]) -> Option<&'static Command> {
    COMMANDS.iter().find(|command| name.eq_ignore_ascii_case(command.name.as_bytes()))
}

impl Command {
    fn takes(&self, words: usize) -> bool {
        let words = words as i64;
        if self.arity < 0 { words >= -self.arity } else { words == self.arity }
    }
}

/// As Redis words and shortens it, and what there is.
fn unknown(words: Arguments<'_>) -> String {
    let shown = |word: &[u8], bytes: usize| {
        String::from_utf8_lossy(&word[..word.len().min(bytes)]).into_owned()
    };
    let mut arguments = String::new();
    for word in words.iter().skip(1) {
        if arguments.len() >= SHOWN_BYTES_MAX {
            break;
        }
        let left = SHOWN_BYTES_MAX - arguments.len();
        arguments.push_str(&format!("'{}' ", shown(word, left)));
    }
    let name = shown(&words[0], SHOWN_BYTES_MAX);
    let known: Vec<String> = COMMANDS.iter().map(|one| one.name.to_uppercase()).collect();
    format!(
        "ERR unknown command '{name}', with args beginning with: {arguments}; there are: {}",
        known.join(", ")
    )
}
