//! Job: the store's half of a distributed token bucket, as RL.LEASE does it: grant a holder a part
//! of what it asks for, to spend on its own until the grant expires.
//! In: what the key holds, a holder's request, the time. Out: the answer, and what to store.
//! Invariant: free tokens and those that holders may still spend are together no more than the
//! burst. Hence all holders together spend in any time `t` at most `burst + count * t / period`.
//! Why: the debt covers every token that is outstanding, and does not drain below them, because
//! each may be spent in the very moment before its holder reports.
//!
//! The same is written in Lua for other servers (limiter/library/src/store/lease.lua), where all
//! numbers are doubles: so none exceeds [`NUMBER_MAX`] here, either.

use ringlet_base::number::parse_i64;

use crate::command::spec::CommandError;

/// The largest number: what a double holds exactly.
pub const NUMBER_MAX: u64 = (1 << 53) - 1;

const HOLDER_PREFIX: &[u8] = b"h:";

/// `count` tokens in `period_ms`, and `burst` at once. All are positive, and `burst * period_ms`
/// is at most [`NUMBER_MAX`].
#[derive(Copy, Clone, Debug)]
pub struct Limit {
    /// The most tokens at once.
    pub burst: u64,
    /// Tokens that come in a period, and also the units of debt that drain in a millisecond.
    pub count: u64,
    /// The period, and also what a token is worth in units of debt.
    pub period_ms: u64,
}

/// What a holder asks for.
#[derive(Copy, Clone, Debug)]
pub struct Request {
    /// Grows from request to request of a holder.
    pub sequence: u64,
    /// Tokens that it still has and keeps.
    pub held: u64,
    /// Tokens that it had and gives back. What is neither held nor returned is spent.
    pub returned: u64,
    /// Tokens that it would like to have in addition.
    pub want: u64,
    /// How long it may spend what it has.
    pub ttl_ms: u64,
}

/// What is known of a holder.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Tokens that it may still spend.
    pub outstanding: u64,
    /// The last request that was granted.
    pub sequence: u64,
    /// When what it has counts as spent.
    pub expires_ms: u64,
}

/// What a key holds.
#[derive(Debug)]
pub struct Bucket<'a> {
    /// In units; a token is worth `period_ms` of them.
    debt: u64,
    /// When it was that much.
    at_ms: u64,
    /// When the key was made.
    epoch_ms: u64,
    holders: Vec<(&'a [u8], Record)>,
}

/// The reply.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Tokens for this holder, at most what it wants.
    pub granted: u64,
    /// Tokens that are free after that.
    pub remaining: u64,
    /// When one will be free if no debt but that of time is paid; 0 when one is.
    pub retry_ms: u64,
    /// The time of the store.
    pub now_ms: u64,
    /// When the key was made: another value tells that the store has forgotten.
    pub epoch_ms: u64,
    /// Holders that are known, this one included.
    pub holders: u64,
}

/// What to store.
#[derive(Debug)]
pub struct Change {
    debt: u64,
    at_ms: u64,
    epoch_ms: u64,
    record: Record,
    /// Fields to remove.
    pub expired: Vec<Vec<u8>>,
    /// When the key is as good as none.
    pub expiry_ms: u64,
}

impl Limit {
    /// The debt after a time in which `outstanding` tokens could be spent at any moment.
    fn drain(&self, debt: u64, time_ms: u64, outstanding: u64) -> u64 {
        debt.saturating_sub(time_ms.saturating_mul(self.count)).max(self.worth(outstanding))
    }

    /// What tokens are worth. There can be too many of them to count when the limit was another
    /// one before; they are more than the burst then, and how much more makes no difference.
    fn worth(&self, tokens: u64) -> u64 {
        tokens.min(NUMBER_MAX / self.period_ms) * self.period_ms
    }
}

impl<'a> Bucket<'a> {
    /// A bucket without debt.
    pub fn new(now_ms: u64) -> Bucket<'a> {
        Bucket { debt: 0, at_ms: now_ms, epoch_ms: now_ms, holders: Vec::new() }
    }

    /// Reads the fields of a hash. Errors: one is missing, malformed, or of something else.
    pub fn read(
        fields: impl Iterator<Item = (&'a [u8], &'a [u8])>,
    ) -> Result<Bucket<'a>, CommandError> {
        let (mut debt, mut at_ms, mut epoch_ms) = (None, None, None);
        let mut holders = Vec::new();
        for (field, value) in fields {
            let number = || number(value).ok_or_else(|| unusable(field, "malformed"));
            match field {
                b"debt" => debt = Some(number()?),
                b"at" => at_ms = Some(number()?),
                b"epoch" => epoch_ms = Some(number()?),
                _ => {
                    let name = field.strip_prefix(HOLDER_PREFIX);
                    let name = name.ok_or_else(|| unusable(field, "unknown"))?;
                    let record = Record::parse(value);
                    holders.push((name, record.ok_or_else(|| unusable(field, "malformed"))?));
                }
            }
        }
        let missing = |field| move || unusable(field, "missing");
        Ok(Bucket {
            debt: debt.ok_or_else(missing(b"debt"))?,
            at_ms: at_ms.ok_or_else(missing(b"at"))?,
            epoch_ms: epoch_ms.ok_or_else(missing(b"epoch"))?,
            holders,
        })
    }

    /// Answers a request. No change: it is a duplicate or was overtaken by a later one.
    pub fn lease(
        &self,
        limit: &Limit,
        holder: &[u8],
        request: &Request,
        now_ms: u64,
    ) -> (Answer, Option<Change>) {
        // A clock that steps back counts as no time.
        let now_ms = now_ms.max(self.at_ms);
        let total = |holders: &[(&[u8], Record)]| {
            holders.iter().fold(0, |sum: u64, (_, record)| sum.saturating_add(record.outstanding))
        };
        let is_expired = |(_, record): &(&[u8], Record)| record.expires_ms <= now_ms;
        let (expired, alive): (Vec<_>, Vec<_>) =
            self.holders.iter().partition(|one| is_expired(one));

        // Until the last of the expired was over, its tokens could be spent.
        let last_ms = expired.iter().map(|(_, record)| record.expires_ms).max().unwrap_or(0);
        let last_ms = last_ms.max(self.at_ms);
        let debt = limit.drain(self.debt, last_ms - self.at_ms, total(&self.holders));
        let debt = limit.drain(debt, now_ms - last_ms, total(&alive));

        let is_own = |(name, _): &&(&[u8], Record)| *name == holder;
        let own = alive.iter().find(is_own).map(|(_, record)| *record);
        let is_late = own.is_some_and(|own| own.sequence >= request.sequence);
        // A holder that expired has nothing to keep or to return.
        let had = own.map_or(0, |own| own.outstanding);
        let (held, debt) = if is_late {
            (had, debt)
        } else {
            let held = had.min(request.held);
            let returned = request.returned.min(had - held);
            (held, debt.saturating_sub(returned.saturating_mul(limit.period_ms)))
        };

        let free = (limit.burst * limit.period_ms).saturating_sub(debt) / limit.period_ms;
        let granted = if is_late { 0 } else { request.want.min(free) };
        let debt = debt + granted * limit.period_ms;
        let remaining = free - granted;
        let least_for_one = (limit.burst - 1) * limit.period_ms;
        let answer = Answer {
            granted,
            remaining,
            retry_ms: debt.saturating_sub(least_for_one).div_ceil(limit.count),
            now_ms,
            epoch_ms: self.epoch_ms,
            holders: alive.len() as u64 + u64::from(own.is_none()),
        };
        if is_late {
            return (answer, None);
        }

        let record = Record {
            outstanding: held + granted,
            sequence: request.sequence,
            expires_ms: (now_ms + request.ttl_ms).min(NUMBER_MAX),
        };
        let others = alive.iter().filter(|one| !is_own(one));
        let latest_ms =
            others.map(|(_, record)| record.expires_ms).fold(record.expires_ms, u64::max);
        let outstanding = total(&alive).saturating_sub(had).saturating_add(record.outstanding);
        // Should all that is outstanding be spent in the last moment, that debt has to drain, too.
        let drained_ms = (now_ms + debt.div_ceil(limit.count))
            .max(latest_ms + limit.worth(outstanding).div_ceil(limit.count));
        let change = Change {
            debt,
            at_ms: now_ms,
            epoch_ms: self.epoch_ms,
            record,
            expired: expired
                .iter()
                .filter(|one| !is_own(one))
                .map(|(name, _)| field_of(name))
                .collect(),
            expiry_ms: (drained_ms + 1).min(NUMBER_MAX),
        };
        (answer, Some(change))
    }
}

impl Change {
    /// The fields to set, of which there are few whatever the number of holders.
    pub fn fields(&self, holder: &[u8]) -> [(Vec<u8>, String); 4] {
        [
            (b"debt".to_vec(), self.debt.to_string()),
            (b"at".to_vec(), self.at_ms.to_string()),
            (b"epoch".to_vec(), self.epoch_ms.to_string()),
            (field_of(holder), self.record.to_text()),
        ]
    }
}

impl Record {
    fn parse(text: &[u8]) -> Option<Record> {
        let mut words = text.split(|&byte| byte == b' ').map(number);
        let record = Record {
            outstanding: words.next()??,
            sequence: words.next()??,
            expires_ms: words.next()??,
        };
        words.next().is_none().then_some(record)
    }

    fn to_text(self) -> String {
        format!("{} {} {}", self.outstanding, self.sequence, self.expires_ms)
    }
}

/// The field of a holder.
fn field_of(holder: &[u8]) -> Vec<u8> {
    [HOLDER_PREFIX, holder].concat()
}

/// A number that is neither negative nor too large.
pub fn number(text: &[u8]) -> Option<u64> {
    u64::try_from(parse_i64(text)?).ok().filter(|&number| number <= NUMBER_MAX)
}

fn unusable(field: &[u8], what: &str) -> CommandError {
    let shown = &field[..field.len().min(128)];
    let text = [b"ERR the key holds no lease: field '", shown, b"' is ", what.as_bytes()];
    CommandError::quoting(text.concat())
}
