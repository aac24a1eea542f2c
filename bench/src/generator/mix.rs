//! Job: load on a RESP server: SET and GET in a ratio, or any commands; the filling with keys; the
//! bystander's GET.
//! In: [`RespSettings`], a seat. Out: requests, judgements of replies.
//! Invariant: a request is copied together from pieces without allocation, and a reply that is a bulk
//! string is judged without looking into it, unless it is checked.

use std::sync::Arc;

use ringlet_base::random::Random;
use ringlet_base::slot::slot;

use super::keys::{Distribution, KeyClass, Keys};
use super::resp::{self, Form, encode, find_reply, push_count, push_number};
use super::resp_settings::{Commands, Ratio, RespSettings, SlotMap, Ttl};
use super::template::{Compiled, Gap, Part, Template, key_digits};
use super::traffic::{Answer, Asked, Judged, Seat, Traffic};
use super::values::{Sizes, Values};
use super::verify::{Fault, Ledger};

/// Bytes of an error that are shown.
const SHOWN_BYTES_MAX: usize = 200;

/// Keys that are drawn at most until one belongs to the wanted node.
const DRAWS_MAX: usize = 100_000;

/// What the commands of one core are made of.
#[derive(Clone, Debug)]
pub struct RespTraffic {
    kinds: Vec<String>,
    commands: Vec<Command>,
    weights: u64,
    random: Random,
    keys: Keys,
    /// What is added to the number of each key.
    key_offset: u64,
    sizes: Sizes,
    values: Values,
    ttl: Ttl,
    keys_expire: bool,
    ledger: Option<Ledger>,
    slots: Option<Arc<SlotMap>>,
    /// The prefix, and room for a key's digits behind it.
    name: Vec<u8>,
    prefix_length: usize,
    greeting: Vec<Vec<Vec<u8>>>,
}

#[derive(Clone, Debug)]
struct Command {
    request: Compiled,
    weight: u32,
    writes: bool,
}

impl RespTraffic {
    /// The traffic of a seat, by settings that have passed their check. The probe's reads keys of the
    /// load, or keys that are not there beside commands whose keys GET might not fit.
    #[must_use]
    pub fn new(settings: &RespSettings, seat: Seat) -> Self {
        let reads = Commands::Ratio(Ratio { sets: 0, gets: 1 });
        match &settings.commands {
            Commands::Templates(_) if seat.is_probe => {
                Self { key_offset: settings.keys, ..Self::with(settings, seat, &reads) }
            }
            _ if seat.is_probe => Self::with(settings, seat, &reads),
            commands => Self::with(settings, seat, commands),
        }
    }

    /// SET of every key, each core its own in order, and then again from the first: as many requests
    /// as there are keys, shared out among the cores with those left over to the first ones, set each
    /// key once.
    #[must_use]
    pub fn fill(settings: &RespSettings, seat: Seat) -> Self {
        let distribution = Distribution::Sequential;
        let settings = RespSettings { distribution, verify: false, ..settings.clone() };
        Self::with(&settings, seat, &Commands::Ratio(Ratio { sets: 1, gets: 0 }))
    }

    fn with(settings: &RespSettings, seat: Seat, commands: &Commands) -> Self {
        let class = match settings.shares_out_keys() && !seat.is_probe {
            true => KeyClass::of_core(settings.keys, seat.core, seat.cores),
            false => KeyClass::all(settings.keys),
        };
        let (kinds, commands) = compile(settings, commands);
        Self {
            kinds,
            weights: commands.iter().map(|command| u64::from(command.weight)).sum(),
            commands,
            random: Random::new(seat.seed(settings.seed)),
            keys: Keys::new(settings.distribution, class),
            key_offset: 0,
            sizes: settings.sizes.clone(),
            values: Values::new(settings.run),
            ttl: settings.ttl.unwrap_or(Ttl { min_s: 1, max_s: 1 }),
            keys_expire: settings.ttl.is_some(),
            ledger: (settings.verify && !seat.is_probe).then(|| Ledger::new(class)),
            slots: settings.slots.clone(),
            name: settings.key_prefix.clone().into_bytes(),
            prefix_length: settings.key_prefix.len(),
            greeting: greeting(settings),
        }
    }

    #[inline]
    fn draw_kind(&mut self) -> usize {
        if self.commands.len() == 1 {
            return 0;
        }
        let mut rest = self.random.below(self.weights);
        for (kind, command) in self.commands.iter().enumerate() {
            match rest.checked_sub(u64::from(command.weight)) {
                Some(less) => rest = less,
                None => return kind,
            }
        }
        0
    }

    /// A key with its node.
    #[inline]
    fn draw_key(&mut self, only: Option<u16>) -> (u64, u16) {
        let mut left = DRAWS_MAX;
        loop {
            let key = self.keys.draw(&mut self.random) + self.key_offset;
            let node = self.node(key);
            left -= 1;
            if left == 0 || only.is_none_or(|only| only == node) {
                return (key, node);
            }
        }
    }

    #[inline]
    fn node(&mut self, key: u64) -> u16 {
        let Some(slots) = &self.slots else { return 0 };
        self.name.truncate(self.prefix_length);
        self.name.extend_from_slice(&key_digits(key));
        slots[usize::from(slot(&self.name))]
    }

    /// What is wrong with a checked reply that is no error.
    fn fault(&self, asked: &Asked, reply: &[u8], form: Form) -> Option<Fault> {
        let ledger = self.ledger.as_ref()?;
        if form == Form::Nil {
            return (asked.floor > 0 && !self.keys_expire).then_some(Fault::Missing);
        }
        let version = match resp::bulk(reply) {
            Some(value) => self.values.version(asked.key, value),
            None => Err(Fault::Foreign),
        };
        match version.and_then(|version| ledger.check(asked.key, asked.floor, version)).err() {
            // From before the run.
            Some(Fault::Foreign) if asked.floor == 0 => None,
            fault => fault,
        }
    }
}

impl Traffic for RespTraffic {
    fn repeats(&self) -> bool {
        false
    }

    fn pipelines(&self) -> bool {
        true
    }

    fn kinds(&self) -> &[String] {
        &self.kinds
    }

    fn greeting(&mut self, output: &mut Vec<u8>) -> usize {
        for words in &self.greeting {
            let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
            encode(&words, output);
        }
        self.greeting.len()
    }

    #[inline]
    fn draw(&mut self, only: Option<u16>) -> Asked {
        let kind = self.draw_kind();
        let (key, node) = self.draw_key(only);
        let mut asked = Asked { kind: kind as u16, node, key, ..Asked::default() };
        if let Some(ledger) = &mut self.ledger {
            match self.commands[kind].writes {
                true => asked.version = ledger.write(key),
                false => asked.floor = ledger.floor(key),
            }
        }
        asked
    }

    #[inline]
    fn encode(&mut self, asked: &Asked, output: &mut Vec<u8>) {
        let Self { random, values, keys, sizes, .. } = self;
        let Some(Command { request, .. }) = self.commands.get(usize::from(asked.kind)) else {
            return;
        };
        let size = if request.has_data() { sizes.draw(random) } else { 0 };
        request.write(size, output, |gap, output| match gap {
            Gap::FirstKey => output.extend_from_slice(&key_digits(asked.key)),
            Gap::OtherKey => output.extend_from_slice(&key_digits(keys.draw(random))),
            Gap::Data if asked.version > 0 => {
                values.push_checked(asked.key, asked.version, size, output);
            }
            Gap::Data => values.push_any(size, random, output),
            Gap::Ttl => {
                let Ttl { min_s, max_s } = self.ttl;
                let seconds = u64::from(min_s) + random.below(u64::from(max_s - min_s) + 1);
                push_count(b'$', u64::from(seconds.checked_ilog10().unwrap_or(0) + 1), output);
                push_number(seconds, output);
                output.extend_from_slice(b"\r\n");
            }
        });
    }

    #[inline]
    fn judge(&mut self, asked: &Asked, input: &[u8]) -> Result<Option<Judged>, String> {
        let Some(found) = find_reply(input)? else { return Ok(None) };
        let reply = &input[..found.length];
        let mut answer = match found.form {
            Form::Error => Answer::Refused,
            Form::Nil => Answer::Miss,
            Form::Other => Answer::Good,
        };
        if let (true, Some(ledger)) = (asked.version > 0, &mut self.ledger) {
            if answer != Answer::Refused {
                answer = if reply == b"+OK\r\n" { Answer::Good } else { Answer::Wrong };
            }
            ledger.answered(asked.key, asked.version, answer == Answer::Good);
        } else if answer != Answer::Refused && self.fault(asked, reply, found.form).is_some() {
            answer = Answer::Wrong;
        }
        Ok(Some(Judged { length: found.length, answer, closes: false }))
    }

    fn explain(&self, asked: &Asked, reply: &[u8]) -> String {
        let form = find_reply(reply).ok().flatten().map_or(Form::Other, |found| found.form);
        let line = reply.split(|byte| *byte == b'\r').next().unwrap_or_default();
        let line = String::from_utf8_lossy(&line[..line.len().min(SHOWN_BYTES_MAX)]);
        let what = match form {
            Form::Error => error_text(line.trim_start_matches('-'), self.slots.is_some()),
            Form::Nil | Form::Other if asked.version > 0 => format!("\"{line}\" came for +OK"),
            Form::Nil | Form::Other => match self.fault(asked, reply, form) {
                Some(fault) => fault.text().to_owned(),
                None => format!("\"{line}\" came"),
            },
        };
        // What a connection says first is none of the kinds.
        match self.kinds.get(usize::from(asked.kind)) {
            Some(kind) => format!("{kind}: {what}"),
            None => what,
        }
    }
}

/// An error without what differs from key to key.
fn error_text(line: &str, is_cluster: bool) -> String {
    let why =
        if is_cluster { "its slot moved during the run" } else { "a cluster needs --cluster" };
    match line.split(' ').next().unwrap_or_default() {
        code @ ("MOVED" | "ASK") => format!("{code}: the key belongs to another node ({why})"),
        _ => line.to_owned(),
    }
}

/// What a connection says before its first request.
fn greeting(settings: &RespSettings) -> Vec<Vec<Vec<u8>>> {
    let mut commands = Vec::new();
    if let Some(password) = &settings.password {
        let mut words = vec![b"AUTH".to_vec()];
        words.extend(settings.user.iter().map(|user| user.clone().into_bytes()));
        words.push(password.clone().into_bytes());
        commands.push(words);
    }
    if settings.database != 0 {
        commands.push(vec![b"SELECT".to_vec(), settings.database.to_string().into_bytes()]);
    }
    commands
}

/// The commands that are asked for at all, and their names.
fn compile(settings: &RespSettings, commands: &Commands) -> (Vec<String>, Vec<Command>) {
    let size = match settings.sizes {
        Sizes::Fixed(size) => Some(size as usize),
        Sizes::Range(..) | Sizes::Weighted(_) => None,
    };
    let command = |template: &Template, weight: u32, writes: bool| Command {
        request: Compiled::new(template, &settings.key_prefix, size),
        weight,
        writes,
    };
    let mut list = Vec::new();
    match commands {
        Commands::Ratio(Ratio { sets, gets }) => {
            let constant = |text: &str| text.parse::<Template>().expect("the text is a constant");
            let mut set = constant("SET __key__ __data__");
            if settings.ttl.is_some() {
                set = set.with(Part::Text(b"EX".to_vec())).with(Part::Ttl);
            }
            list.push(("SET".to_owned(), command(&set, *sets, true)));
            list.push(("GET".to_owned(), command(&constant("GET __key__"), *gets, false)));
        }
        Commands::Templates(templates) => {
            for (template, weight) in templates {
                list.push((template.name(), command(template, *weight, false)));
            }
        }
    }
    list.retain(|(_, command)| command.weight > 0);
    let mut kinds: Vec<String> = Vec::new();
    for (name, _) in &list {
        let numbered = (2..).map(|number| format!("{name} {number}"));
        let mut names = std::iter::once(name.clone()).chain(numbered);
        kinds.extend(names.find(|name| !kinds.contains(name)));
    }
    (kinds, list.into_iter().map(|(_, command)| command).collect())
}
