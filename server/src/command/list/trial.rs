//! Job: run commands of lists, sets and sorted sets on a shard of their own, for tests.
//! In: command lines with blanks between the words.
//! Out: replies as they go over the wire, requests to wait, and how many changes were reported.
//! Invariant: nothing but the table, the keyspace and the commands takes part.

use std::sync::Arc;

use ringlet_protocol::arguments::ArgumentArena;
use ringlet_protocol::reply::{Reply, ReplyBuffer, Version};

use crate::command::spec::{CommandResult, Run};
use crate::command::table;
use crate::config::Config;
use crate::shard::blocked::BlockRequest;
use crate::shard::context::{Caller, Context};
use crate::shard::keyspace::{Keyspace, KeyspaceSettings};

/// A shard on which commands are tried.
pub struct Trial {
    keyspace: Keyspace,
    config: Config,
    /// The protocol of the replies.
    pub version: Version,
    /// Whether commands may wait.
    pub may_block: bool,
    /// What the last command asked for when it could not be answered.
    pub waits: Option<BlockRequest>,
}

impl Trial {
    /// An empty shard.
    pub fn new(version: Version) -> Trial {
        let config = Config::default();
        let keyspace = Keyspace::new(&KeyspaceSettings {
            databases: 1,
            limits: Arc::new(config.limits),
            shard_index: 0,
            shard_count: 1,
            seed: 1,
        });
        Trial { keyspace, config, version, may_block: true, waits: None }
    }

    /// Runs a command; returns its reply with `|` in place of line ends, an error with a leading
    /// `-`.
    pub fn run(&mut self, line: &str) -> String {
        let words: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
        let (buffer, result) = self.answer(&words);
        if let Err(error) = result {
            assert!(buffer.is_empty(), "{line}: an error after a part of the reply");
            return format!("-{}", String::from_utf8_lossy(error.text()));
        }
        String::from_utf8(buffer.to_vec()).expect("replies in tests are text").replace("\r\n", "|")
    }

    /// Runs a command; returns its reply as it is.
    pub fn answer(&mut self, words: &[&[u8]]) -> (ReplyBuffer, CommandResult) {
        let mut arena = ArgumentArena::new();
        let range = arena.push_words(words);
        let command = table::find(words[0]).unwrap_or_else(|| panic!("unknown: {words:?}"));
        let Run::Keys(run) = command.spec.run else { panic!("not for one shard: {words:?}") };
        let mut buffer = ReplyBuffer::new();
        let mut reply = Reply::new(&mut buffer, self.version);
        let result = self.with_context(|context| run(context, arena.get(range), &mut reply));
        (buffer, result)
    }

    /// Calls a part of a command with what a shard gives it.
    pub fn with_context<R>(&mut self, part: impl FnOnce(&mut Context<'_>) -> R) -> R {
        let mut context = Context {
            keyspace: &mut self.keyspace,
            db: 0,
            now_ms: 1_700_000_000_000,
            caller: Caller {
                client_id: 1,
                no_touch: false,
                may_block: self.may_block,
                is_cluster_client: false,
            },
            config: &self.config,
            block_request: None,
        };
        let result = part(&mut context);
        self.waits = context.block_request.take();
        result
    }

    /// Runs commands whose replies are of no interest, one in each line.
    pub fn prepare(&mut self, lines: &str) {
        for line in lines.lines() {
            let reply = self.run(line.trim());
            assert!(!reply.starts_with('-'), "{line}: {reply}");
        }
    }

    /// How many changes a command reports.
    pub fn changes(&mut self, line: &str) -> u64 {
        let before = self.keyspace.stats.changes;
        self.run(line);
        self.keyspace.stats.changes - before
    }

    /// Whether a key is there.
    pub fn has(&self, key: &str) -> bool {
        self.keyspace.peek(0, key.as_bytes(), 0).is_some()
    }
}
