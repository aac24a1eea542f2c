//! Intake: cuts a connection's input into commands and decides what may run.
//! In: the bytes a connection has sent. Out: commands for the router, refusals, QUEUED.
//! Invariant: nothing behind a command is parsed before that command may be left behind (blocking
//! commands, CLIENT PAUSE, full queues); then the connection is stalled and tried again.

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::request::{Parsed, RequestLimits, RequestParser, Step};

use crate::command::spec::{CommandError, flags};
use crate::command::table::{self, Command};
use crate::config::DebugAccess;
use crate::connection::{Connection, Ending, ReplyMode};
use crate::core::Core;
use crate::stall::Stall;

/// What came of a command.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
enum Handled {
    /// It is on its way or answered.
    Done,
    /// It must be tried again when this is gone.
    Postponed(Stall),
}

/// Longest part of the arguments that an error about an unknown command shows, as in Redis.
const SHOWN_BYTES_MAX: usize = 128;

impl Core {
    /// Runs what a connection has sent, as far as it may.
    pub fn take_input(&mut self, connection: &mut Connection) {
        if connection.input.is_empty() && connection.postponed.is_none() {
            return;
        }
        let mut input = std::mem::take(&mut connection.input);
        let mut parser =
            std::mem::replace(&mut connection.parser, RequestParser::new(RequestLimits::default()));
        let mut consumed = 0;
        let mut is_short = false;
        let mut stall = Stall::Replies;
        while !is_short && connection.may_parse() {
            let rest = &input.rest()[consumed..];
            if connection.has_new_limits {
                connection.has_new_limits = false;
                let is_authenticated = connection.is_authenticated;
                parser.set_limits(Connection::request_limits(&self.config, is_authenticated));
            }
            let Parsed { consumed: length, step } = match connection.postponed.take() {
                Some(length) => Parsed { consumed: length, step: Step::Command },
                None => parser.parse(rest),
            };
            match step {
                Step::Command => {
                    self.renew_clock();
                    let words = parser.arguments(rest);
                    if let Handled::Postponed(obstacle) = self.handle(connection, words) {
                        connection.postponed = Some(length);
                        stall = obstacle;
                        break;
                    }
                }
                Step::Incomplete => is_short = true,
                Step::Failed(error) => {
                    let text = error.reply_text();
                    tracing::debug!(
                        "Protocol error ({}) from client: {}",
                        String::from_utf8_lossy(&text[b"ERR Protocol error: ".len()..])
                            .replace(char::is_control, "?"),
                        connection.address
                    );
                    self.refuse_protocol(connection, &text);
                    consumed = input.len();
                    break;
                }
            }
            consumed += length;
        }
        input.consume(consumed);
        let is_stalled = !is_short && (!input.is_empty() || connection.postponed.is_some());
        connection.input = input;
        connection.parser = parser;
        if is_stalled && connection.ending == Ending::Open {
            self.stall(connection, stall);
        }
    }

    fn refuse_protocol(&mut self, connection: &mut Connection, text: &[u8]) {
        self.reply_known(connection, |reply| reply.error_bytes(text));
        connection.ending = Ending::AfterReplies;
    }

    /// Writes a reply that needs nothing but the writer.
    pub fn reply_known(
        &mut self,
        connection: &mut Connection,
        write: impl FnOnce(&mut ringlet_protocol::reply::Reply<'_>),
    ) {
        self.reply_now(connection, |_, _, reply| {
            write(reply);
            Ok(())
        });
    }

    fn handle(&mut self, connection: &mut Connection, words: Arguments<'_>) -> Handled {
        if words.is_empty() {
            return Handled::Done;
        }
        if is_http(&words[0]) {
            tracing::warn!(
                "possible attack: client {} sends HTTP (POST or Host:), as browsers do when a page \
                 makes them talk to other ports; closing it",
                connection.address
            );
            self.close(connection);
            return Handled::Done;
        }
        if connection.reply_mode == ReplyMode::SkipNext {
            connection.reply_mode = ReplyMode::Skipping;
        }
        let handled = match self.check(connection, words) {
            Ok(command) => match self.obstacle(connection, command, words) {
                Some(stall) => Handled::Postponed(stall),
                None => {
                    self.accept(connection, command, words);
                    Handled::Done
                }
            },
            Err((command, error)) => {
                self.refuse(connection, command, error);
                Handled::Done
            }
        };
        if connection.reply_mode == ReplyMode::Skipping {
            connection.reply_mode =
                if handled == Handled::Done { ReplyMode::On } else { ReplyMode::SkipNext };
        }
        handled
    }

    /// Finds the command and checks all that does not depend on keys, in Redis's order.
    fn check(
        &mut self,
        connection: &mut Connection,
        words: Arguments<'_>,
    ) -> Result<&'static Command, (Option<&'static Command>, CommandError)> {
        let found = find(words);
        // CLIENT LIST shows a command that is refused too; one that does not exist as none.
        connection.last_command = found.as_ref().ok().copied();
        let command = found.map_err(|error| (None, error))?;
        let refusal = if command.accepts(words.len()) {
            self.refusal(connection, command)
        } else {
            Some(wrong_arity(command, words))
        };
        let Some(error) = refusal else { return Ok(command) };
        self.statistics.count_rejected(command);
        Err((Some(command), error))
    }

    fn refusal(&self, connection: &Connection, command: &'static Command) -> Option<CommandError> {
        if command.is(flags::PROTECTED) && !self.allows_debug(connection) {
            return Some(CommandError::new(
                "ERR DEBUG command not allowed. If the enable-debug-command option is set to \
                 \"local\", you can run it from a local connection, otherwise you need to set this \
                 option in the configuration file, and then restart the server.",
            ));
        }
        if connection.must_authenticate(&self.config) && !command.is(flags::NO_AUTH) {
            return Some(CommandError::new("NOAUTH Authentication required."));
        }
        if connection.transaction.is_some() && command.is(flags::NO_MULTI) {
            return Some(CommandError::new("ERR Command not allowed inside a transaction"));
        }
        if connection.is_restricted_to_subscriptions() && !command.is(flags::WHILE_SUBSCRIBED) {
            return Some(CommandError::with(format!(
                "ERR Can't execute '{}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / \
                 RESET are allowed in this context",
                command.name
            )));
        }
        None
    }

    /// `enable-debug-command`
    fn allows_debug(&self, connection: &Connection) -> bool {
        match self.config.debug_access {
            DebugAccess::No => false,
            DebugAccess::Yes => true,
            DebugAccess::Local => {
                let address = connection.address.parse::<std::net::SocketAddr>();
                connection.is_unix
                    || address.is_ok_and(|address| address.ip().to_canonical().is_loopback())
            }
        }
    }

    /// Takes a checked command: into the transaction, or on its way.
    fn accept(
        &mut self,
        connection: &mut Connection,
        command: &'static Command,
        words: Arguments<'_>,
    ) {
        connection.commands += 1;
        let header = connection.header(command);
        if let Some(queued) = &mut connection.transaction
            && !command.is(flags::TRANSACTION)
        {
            let range = queued.arena.push(&words);
            queued.commands.push((header, range));
            queued.is_after_others |= command.is(flags::AFTER_OTHERS);
            self.reply_known(connection, |reply| reply.simple("QUEUED"));
            return;
        }
        self.route(connection, &header, words);
        // Behind those that EXEC has run, and in the database that SELECT has chosen, as in Redis.
        if !command.is(flags::SKIP_MONITOR | flags::ADMIN) {
            self.show_to_monitors(connection, command, words);
        }
    }

    /// Answers a refused command. A refusal spoils the transaction that is being queued; that of
    /// EXEC itself discards it.
    fn refuse(
        &mut self,
        connection: &mut Connection,
        command: Option<&Command>,
        error: CommandError,
    ) {
        if command.is_some_and(|command| command.is(flags::ENDS_TRANSACTION)) {
            connection.transaction = None;
            self.end_connection_watch(connection);
            let mut text = b"EXECABORT Transaction discarded because of: ".to_vec();
            text.extend_from_slice(error.reason());
            self.reply_known(connection, |reply| reply.error_bytes(&text));
            return;
        }
        if let Some(queued) = &mut connection.transaction {
            queued.has_error = true;
        }
        self.reply_known(connection, |reply| reply.error_bytes(error.text()));
    }
}

/// A request of a browser that was tricked into talking to this port (cross-protocol scripting):
/// Redis closes such connections without an answer.
fn is_http(word: &[u8]) -> bool {
    word.eq_ignore_ascii_case(b"post") || word.eq_ignore_ascii_case(b"host:")
}

/// The command or subcommand that the first words name.
pub fn find(words: Arguments<'_>) -> Result<&'static Command, CommandError> {
    let command = table::find(&words[0]).ok_or_else(|| unknown(words))?;
    if command.subcommands.is_empty() || words.len() < 2 {
        return Ok(command);
    }
    command.subcommand(&words[1]).ok_or_else(|| {
        let name = command.spec.name.to_uppercase();
        if command.is(flags::OWN_WORDS) {
            return CommandError::subcommand(&name, &words[1]);
        }
        let mut text = b"ERR unknown subcommand '".to_vec();
        text.extend_from_slice(shown(&words[1]));
        text.extend_from_slice(b"'. Try ");
        text.extend_from_slice(name.as_bytes());
        text.extend_from_slice(b" HELP.");
        CommandError::quoting(text)
    })
}

fn wrong_arity(command: &Command, words: Arguments<'_>) -> CommandError {
    match command.name.split_once('|') {
        Some((container, _)) if command.is(flags::OWN_WORDS) => {
            CommandError::subcommand(&container.to_uppercase(), &words[1])
        }
        _ => CommandError::arity(&command.name),
    }
}

/// "unknown command 'x', with args beginning with: 'a' 'b' ", as Redis words and shortens it.
fn unknown(words: Arguments<'_>) -> CommandError {
    let mut arguments = Vec::new();
    for word in words.iter().skip(1) {
        if arguments.len() >= SHOWN_BYTES_MAX {
            break;
        }
        let left = SHOWN_BYTES_MAX - arguments.len();
        arguments.push(b'\'');
        arguments.extend_from_slice(&word[..word.len().min(left)]);
        arguments.extend_from_slice(b"' ");
    }
    let mut text = b"ERR unknown command '".to_vec();
    text.extend_from_slice(shown(&words[0]));
    text.extend_from_slice(b"', with args beginning with: ");
    text.extend(arguments);
    CommandError::quoting(text)
}

fn shown(word: &[u8]) -> &[u8] {
    &word[..word.len().min(SHOWN_BYTES_MAX)]
}
