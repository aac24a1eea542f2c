//! Context: what a command sees of its shard while it runs.
//! In: the keyspace of the shard, the selected database, the time, who called.
//! Out: reads and changes of keys; every change goes through here and thus through one place per
//! shard.
//! Invariant: a command that changes a key says so (`changed`, `shrunk`, `insert`, `remove`,
//! `set_expiry`), which moves watched versions on and wakes blocked clients when the command is
//! over.

use std::sync::Arc;

use bytes::Bytes;
use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;
use ringlet_store::Limits;
use ringlet_store::{Entry, ValueRef};

use crate::command::spec::CommandError;
use crate::config::Config;
use crate::shard::blocked::{BlockRequest, TimeoutReply};
use crate::shard::keyspace::Keyspace;
use crate::shard::kind::{Kind, ValueType};

/// Who runs a command, as far as a shard needs to know.
#[derive(Copy, Clone, Debug)]
pub struct Caller {
    /// The connection's client id, as `CLIENT ID` gives it.
    pub client_id: u64,
    /// `CLIENT NO-TOUCH`: reads leave the access time alone.
    pub no_touch: bool,
    /// False inside MULTI/EXEC and where a blocking command runs again for a waiting client.
    pub may_block: bool,
    /// It came through a core's own port: to it the server is a cluster of its cores.
    pub is_cluster_client: bool,
}

/// What a command sees of its shard.
pub struct Context<'a> {
    /// The keys of this shard; commands use the methods of `Context` instead where one fits.
    pub keyspace: &'a mut Keyspace,
    /// Index of the database that the methods work on; MOVE and COPY change it for a while.
    pub db: usize,
    /// Wall clock in milliseconds since 1970, one value for the whole command.
    pub now_ms: i64,
    /// Who called.
    pub caller: Caller,
    /// The configuration in force on this core.
    pub config: &'a Config,
    /// Set by [`Context::block`]: the command wants to wait and has written no reply.
    pub(crate) block_request: Option<BlockRequest>,
}

impl<'a> Context<'a> {
    /// The thresholds of the compact encodings.
    pub fn limits(&self) -> Arc<Limits> {
        self.keyspace.limits.clone()
    }

    /// The entry of a key for a command that reads: drops it when its time is over, counts a hit or
    /// a miss, moves the access time on.
    #[inline]
    pub fn read(&mut self, key: &[u8]) -> Option<&Entry> {
        self.keyspace.read(self.db, key, self.now_ms, self.caller.no_touch)
    }

    /// The entry of a key for a command that changes it; moves the access time on, counts neither
    /// hit nor miss, as Redis does.
    #[inline]
    pub fn write(&mut self, key: &[u8]) -> Option<&mut Entry> {
        self.keyspace.write(self.db, key, self.now_ms, self.caller.no_touch)
    }

    /// The entry of a key for a command that reads about it, not from it (TTL, TYPE, EXISTS,
    /// OBJECT): counts a hit or a miss, drops it when its time is over, leaves the access time
    /// alone.
    pub fn look(&mut self, key: &[u8]) -> Option<&Entry> {
        self.keyspace.look(self.db, key, self.now_ms)
    }

    /// Looks without a trace: no statistics, no access time; an expired key is not there.
    pub fn peek(&self, key: &[u8]) -> Option<&Entry> {
        self.keyspace.peek(self.db, key, self.now_ms)
    }

    /// True when the key exists (and has not expired).
    pub fn exists(&self, key: &[u8]) -> bool {
        self.peek(key).is_some()
    }

    /// The bytes of a string for reading. Errors: `WRONGTYPE`.
    pub fn string(&mut self, key: &[u8]) -> Result<Option<&[u8]>, CommandError> {
        match self.read(key).map(Entry::value) {
            None => Ok(None),
            Some(ValueRef::String(bytes)) => Ok(Some(bytes)),
            Some(ValueRef::SharedString(bytes)) => Ok(Some(bytes)),
            Some(_) => Err(CommandError::WRONG_TYPE),
        }
    }

    /// Writes a string as a bulk reply (a large one without a copy), null when the key is missing.
    /// Errors: `WRONGTYPE`.
    pub fn reply_string(
        &mut self,
        key: &[u8],
        reply: &mut Reply<'_>,
    ) -> Result<bool, CommandError> {
        match self.read(key).map(Entry::value) {
            None => {
                reply.null();
                return Ok(false);
            }
            Some(ValueRef::String(bytes)) => reply.bulk(bytes),
            Some(ValueRef::SharedString(bytes)) => reply.bulk_shared(bytes),
            Some(_) => return Err(CommandError::WRONG_TYPE),
        }
        Ok(true)
    }

    /// A collection for reading: `context.get::<List>(key)?`. Errors: `WRONGTYPE`.
    pub fn get<T: Kind>(&mut self, key: &[u8]) -> Result<Option<&T>, CommandError> {
        match self.read(key) {
            None => Ok(None),
            Some(entry) => T::of(entry).map(Some).ok_or(CommandError::WRONG_TYPE),
        }
    }

    /// A collection for a change, `None` when the key is missing. Errors: `WRONGTYPE`.
    /// After the change call [`Context::changed`] or [`Context::shrunk`].
    pub fn get_mut<T: Kind>(&mut self, key: &[u8]) -> Result<Option<&mut T>, CommandError> {
        match self.write(key) {
            None => Ok(None),
            Some(entry) => T::of_mut(entry).map(Some).ok_or(CommandError::WRONG_TYPE),
        }
    }

    /// A collection for a change, made when the key is missing. Errors: `WRONGTYPE`. Check all
    /// other words of the command first: a collection made here must not stay empty.
    pub fn get_or_create<T: Kind>(&mut self, key: &[u8]) -> Result<&mut T, CommandError> {
        if self.write(key).is_none() {
            let mut entry = T::make(key);
            entry.set_access(self.keyspace.accesses.fresh());
            self.keyspace.insert_entry(self.db, entry);
        }
        // This use of the key is noted already.
        let entry = self.keyspace.write(self.db, key, self.now_ms, true);
        let entry = entry.expect("invariant: the key was found or made above");
        T::of_mut(entry).ok_or(CommandError::WRONG_TYPE)
    }

    /// Stores a string under the key, replacing what was there; `expiry_ms` is absolute.
    pub fn set_string(&mut self, key: &[u8], value: &[u8], expiry_ms: Option<i64>) {
        self.keyspace.set_string(self.db, key, value, expiry_ms, self.now_ms);
        self.changed(key);
    }

    /// Stores word `index` of the command as a string: a large word is kept without a copy.
    pub fn set_string_word(
        &mut self,
        key: &[u8],
        words: Arguments<'_>,
        index: usize,
        expiry_ms: Option<i64>,
    ) {
        match words.shared(index) {
            Some(bytes) => self.insert(Entry::shared_string(key, Bytes::clone(bytes), expiry_ms)),
            None => self.set_string(key, &words[index], expiry_ms),
        }
    }

    /// Puts an entry in, replacing what was there under its key, and reports the change.
    pub fn insert(&mut self, mut entry: Entry) {
        let (key, own) = (entry.key(), entry.access());
        let access = self.keyspace.access_under(self.db, key, own, self.now_ms);
        entry.set_access(access);
        let notice = self.keyspace.has_observers().then(|| entry.key().to_vec());
        self.keyspace.insert_entry(self.db, entry);
        self.keyspace.count_change();
        if let Some(key) = notice {
            self.keyspace.notify(self.db, &key);
        }
    }

    /// Takes a key out and reports the change; `None` when it is missing or has expired. That is no
    /// use of it: RENAME and MOVE have counted theirs when they looked whether it is there.
    pub fn take(&mut self, key: &[u8]) -> Option<Entry> {
        self.keyspace.write(self.db, key, self.now_ms, true)?;
        let entry = self.keyspace.take_entry(self.db, key);
        self.changed(key);
        entry
    }

    /// Deletes a key and reports the change; false when it is missing. What is large is freed in
    /// the background, in slices.
    pub fn remove(&mut self, key: &[u8]) -> bool {
        match self.take(key) {
            Some(entry) => {
                self.keyspace.bury(entry);
                true
            }
            None => false,
        }
    }

    /// Reports that the value of a key has changed. Every command that changes a value in place
    /// calls this (once per key is enough).
    #[inline]
    pub fn changed(&mut self, key: &[u8]) {
        self.keyspace.count_change();
        if self.keyspace.has_observers() {
            self.keyspace.notify(self.db, key);
        }
    }

    /// Reports a change that removed elements: as `changed`, and deletes the key when its
    /// collection is empty now. Returns true when the key was deleted.
    pub fn shrunk(&mut self, key: &[u8]) -> bool {
        let empty = self.keyspace.is_empty_collection(self.db, key);
        if empty && let Some(entry) = self.keyspace.take_entry(self.db, key) {
            self.keyspace.bury(entry);
        }
        self.changed(key);
        empty
    }

    /// Sets (absolute milliseconds) or clears the expiry of an existing key and reports the change.
    pub fn set_expiry(&mut self, key: &[u8], expiry_ms: Option<i64>) {
        self.keyspace.set_expiry(self.db, key, expiry_ms);
        self.changed(key);
    }

    /// The type of a key's value, `None` when it is missing; leaves no trace.
    pub fn value_type(&self, key: &[u8]) -> Option<ValueType> {
        self.peek(key).map(ValueType::of)
    }

    /// For commands that wait: call this instead of writing a reply when there is nothing to give
    /// yet. Where waiting is not allowed (in a transaction) it writes the timeout's reply at once.
    ///
    /// `keys`: whose growth to `kind` wakes the client, in order of preference; `timeout_ms` 0
    /// waits for ever. When one of the keys is ready the command runs again from the start.
    pub fn block<'k>(
        &mut self,
        keys: impl Iterator<Item = &'k [u8]>,
        kind: ValueType,
        timeout_ms: i64,
        on_timeout: TimeoutReply,
        reply: &mut Reply<'_>,
    ) {
        if !self.caller.may_block {
            on_timeout.write(reply);
            return;
        }
        self.block_request = Some(BlockRequest {
            keys: keys.map(Into::into).collect(),
            kind,
            timeout_ms,
            on_timeout,
        });
    }
}
