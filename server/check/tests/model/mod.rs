//! Job: a model of the sharded server, small enough to switch off one rule at a time.
//! In: sessions' pipelines, a seed that decides which core takes its next small step, a [`Fault`].
//! Out: the history that clients of such a server would record.
//! Invariant: without a fault the model keeps the contract. The rules it then follows:
//! a batch (all that a core read from one pipeline) reserves its places in all queues before it
//! publishes any; a batch that concerns several shards holds the sequencer while it reserves;
//! a request runs inline, past the queue, only if it and all before it in the batch are local and
//! no place of the core's own queue is taken; multi-hop requests hold their shards from the moment
//! they have all of them until they are done.

use std::collections::{BTreeSet, VecDeque};

use ringlet_check::client::Reply;
use ringlet_check::history::store::Store;
use ringlet_check::history::{Event, Request};
use ringlet_check::random::Choices;

pub const CORES: usize = 3;
/// More steps for one request than any schedule needs.
const MAX_STEPS_PER_REQUEST: u64 = 10_000;

/// The rule that is switched off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    None,
    /// Nobody takes the sequencer.
    NoSequencer,
    /// Each place is published as soon as it is reserved.
    PublishBeforeReserve,
    /// Only single requests that span shards take the sequencer, not pipelines that do.
    PipelineWithoutSequencer,
    /// A local request overtakes what other cores have put into the queue.
    InlinePastQueue,
    /// A local request overtakes remote ones of its own pipeline.
    InlinePastPipeline,
    /// EXEC asks a flag when it is read instead of the versions when it runs.
    WatchFlag,
    /// LMOVE across shards takes in one step and gives in a later one.
    MoveWithoutLock,
}

/// What a core still has to do for the batch in its hands.
#[derive(Clone, Copy, Debug)]
enum Step {
    Lock,
    Unlock,
    Reserve { request: usize, shard: usize },
    Publish { request: usize, shard: usize },
}

struct Place {
    request: usize,
    published: bool,
    /// A multi-hop request waits at this place for its other shards.
    held: bool,
}

#[derive(Default)]
struct Core {
    inbox: VecDeque<Vec<usize>>,
    batch: VecDeque<Step>,
    queue: VecDeque<Place>,
    /// Second halves of moves, under [`Fault::MoveWithoutLock`].
    late: VecDeque<(usize, Vec<String>)>,
}

/// A request on its way.
struct Travel {
    event: Event,
    /// Who the store takes it for. A session gets a new name after each EXEC, so that a WATCH that
    /// a pipeline sends after it, to other shards, is not swept away with the old ones.
    name: usize,
    /// Single-key commands with their shards; they run where they are.
    parts: Vec<(usize, Vec<String>)>,
    replies: Vec<Option<Reply>>,
    /// The shards that a multi-hop request needs at once; empty for a one-hop request.
    held_together: BTreeSet<usize>,
    arrived: usize,
    done: bool,
}

pub struct Model {
    fault: Fault,
    choices: Choices,
    now_ns: u64,
    store: Store,
    cores: Vec<Core>,
    sequencer: Option<usize>,
    travels: Vec<Travel>,
    /// Per session: what it watches, and its requests without reply.
    watched: Vec<BTreeSet<usize>>,
    waiting: Vec<VecDeque<usize>>,
    names: Vec<usize>,
    history: Vec<Event>,
}

/// The shard of a key: the digit that it ends with.
fn shard_of(key: &str) -> usize {
    key.bytes().last().map_or(0, |digit| usize::from(digit - b'0') % CORES)
}

impl Model {
    pub fn new(fault: Fault, seed: u64, sessions: usize) -> Self {
        Self {
            fault,
            choices: Choices::new(seed),
            now_ns: 0,
            store: Store::default(),
            cores: (0..CORES).map(|_| Core::default()).collect(),
            sequencer: None,
            travels: Vec::new(),
            watched: vec![BTreeSet::new(); sessions],
            waiting: vec![VecDeque::new(); sessions],
            names: (0..sessions).collect(),
            history: Vec::new(),
        }
    }

    /// Lets every session send what `burst(choices, session)` makes, whenever it has all replies,
    /// until `count` requests are sent; returns the history when all are answered, or `None` when
    /// the cores wait for each other for ever.
    pub fn run(
        mut self,
        count: usize,
        mut burst: impl FnMut(&mut Choices, usize) -> Vec<Request>,
    ) -> Option<Vec<Event>> {
        while self.history.len() < self.travels.len() || self.travels.len() < count {
            self.now_ns += 1;
            if self.now_ns > count as u64 * MAX_STEPS_PER_REQUEST {
                return None;
            }
            let session = self.choices.below(self.waiting.len());
            if self.travels.len() < count && self.waiting[session].is_empty() {
                let requests = burst(&mut self.choices, session);
                self.send(session, requests);
            }
            for _ in 0..CORES {
                let core = self.choices.below(CORES);
                self.now_ns += 1;
                self.turn(core);
            }
        }
        Some(self.history)
    }

    fn send(&mut self, session: usize, requests: Vec<Request>) {
        let batch: Vec<usize> =
            requests.into_iter().map(|request| self.admit(session, request)).collect();
        self.waiting[session].extend(&batch);
        self.cores[session % CORES].inbox.push_back(batch);
    }

    fn admit(&mut self, session: usize, request: Request) -> usize {
        let parts = split(&request);
        let mut held_together = BTreeSet::new();
        let name = self.names[session];
        match &request {
            Request::Command(words) if words[0] == "WATCH" => {
                self.watched[session].extend(parts.iter().map(|part| part.0));
            }
            Request::Command(words) if words[0] == "LMOVE" => {
                held_together.extend([shard_of(&words[1]), shard_of(&words[2])]);
            }
            Request::Command(_) => {}
            Request::Transaction(_) => {
                self.names[session] += self.names.len();
                let watched = std::mem::take(&mut self.watched[session]);
                if !watched.is_empty() {
                    held_together = parts.iter().map(|part| part.0).chain(watched).collect();
                }
            }
        }
        let replies = vec![None; parts.len()];
        let (invoked_ns, completed_ns) = (self.now_ns, 0);
        let event = Event { session, invoked_ns, completed_ns, request, reply: Reply::Null };
        self.travels.push(Travel {
            event,
            name,
            parts,
            replies,
            held_together,
            arrived: 0,
            done: false,
        });
        self.travels.len() - 1
    }

    /// One small step of a core; other cores may take theirs between any two.
    fn turn(&mut self, core: usize) {
        if !self.cores[core].batch.is_empty() {
            return self.advance_batch(core);
        }
        if let Some((request, words)) = self.cores[core].late.pop_front() {
            self.store.execute(usize::MAX, &Request::Command(words));
            return self.finish(request);
        }
        if self.choices.percent(50)
            && let Some(batch) = self.cores[core].inbox.pop_front()
        {
            return self.take_batch(core, &batch);
        }
        self.run_queue(core);
    }

    fn shards_of(&self, request: usize) -> BTreeSet<usize> {
        let travel = &self.travels[request];
        if travel.held_together.is_empty() || self.unguarded(request) {
            travel.parts.iter().map(|part| part.0).collect()
        } else {
            travel.held_together.clone()
        }
    }

    /// True for requests that ought to hold several shards but do not, by a fault.
    fn unguarded(&self, request: usize) -> bool {
        match self.travels[request].event.request {
            Request::Command(_) => self.fault == Fault::MoveWithoutLock,
            Request::Transaction(_) => self.fault == Fault::WatchFlag,
        }
    }

    /// Runs inline what may run inline, and plans the steps of the rest.
    fn take_batch(&mut self, core: usize, batch: &[usize]) {
        let mut rest = Vec::new();
        for &request in batch {
            if self.fault == Fault::WatchFlag {
                self.ask_flag(request);
            }
            let local = self.shards_of(request) == BTreeSet::from([core]);
            let in_order = rest.is_empty() || self.fault == Fault::InlinePastPipeline;
            let free = self.cores[core].queue.is_empty() || self.fault == Fault::InlinePastQueue;
            if self.travels[request].done {
                continue;
            }
            if local && in_order && free {
                self.run_here(core, request);
            } else {
                rest.push(request);
            }
        }
        let places: Vec<(usize, usize)> = rest
            .iter()
            .flat_map(|&request| self.shards_of(request).into_iter().map(move |s| (request, s)))
            .collect();
        let mut steps = Vec::new();
        let spans = |places: &[(usize, usize)]| places.iter().any(|place| place.1 != places[0].1);
        let reserve = |&(request, shard): &(usize, usize)| Step::Reserve { request, shard };
        let publish = |&(request, shard): &(usize, usize)| Step::Publish { request, shard };
        match self.fault {
            Fault::PublishBeforeReserve => {
                steps.extend(places.iter().flat_map(|place| [reserve(place), publish(place)]));
            }
            Fault::PipelineWithoutSequencer => {
                for of_request in places.chunk_by(|one, other| one.0 == other.0) {
                    let guarded = spans(of_request);
                    steps.extend(guarded.then_some(Step::Lock));
                    steps.extend(of_request.iter().map(reserve));
                    steps.extend(guarded.then_some(Step::Unlock));
                }
                steps.extend(places.iter().map(publish));
            }
            _ => {
                let guarded = spans(&places) && self.fault != Fault::NoSequencer;
                steps.extend(guarded.then_some(Step::Lock));
                steps.extend(places.iter().map(reserve));
                steps.extend(guarded.then_some(Step::Unlock));
                steps.extend(places.iter().map(publish));
            }
        }
        self.cores[core].batch = steps.into();
    }

    fn advance_batch(&mut self, core: usize) {
        match self.cores[core].batch[0] {
            Step::Lock if self.sequencer.is_some() => return,
            Step::Lock => self.sequencer = Some(core),
            Step::Unlock => self.sequencer = None,
            Step::Reserve { request, shard } => {
                self.cores[shard].queue.push_back(Place { request, published: false, held: false });
            }
            Step::Publish { request, shard } => {
                let queue = &mut self.cores[shard].queue;
                let place = queue.iter_mut().find(|p| p.request == request && !p.published);
                place.expect("a place is reserved before it is published").published = true;
            }
        }
        self.cores[core].batch.pop_front();
    }

    /// Executes the place at the head of the queue, if it is published.
    fn run_queue(&mut self, core: usize) {
        let Some(place) = self.cores[core].queue.front_mut() else { return };
        if !place.published {
            return;
        }
        let request = place.request;
        let alone = self.travels[request].held_together.is_empty() || self.unguarded(request);
        if alone {
            self.cores[core].queue.pop_front();
            return self.run_here(core, request);
        }
        let place = &mut self.cores[core].queue[0];
        if self.travels[request].done {
            self.cores[core].queue.pop_front();
        } else if !place.held {
            place.held = true;
            let travel = &mut self.travels[request];
            travel.arrived += 1;
            if travel.arrived == travel.held_together.len() {
                let (name, asked) = (travel.name, travel.event.request.clone());
                travel.event.reply = self.store.execute(name, &asked);
                self.finish(request);
            }
        }
    }

    /// Executes the parts of a request that lie on `core`.
    fn run_here(&mut self, core: usize, request: usize) {
        if !self.travels[request].held_together.is_empty() && !self.unguarded(request) {
            let travel = &mut self.travels[request];
            let (name, asked) = (travel.name, travel.event.request.clone());
            travel.event.reply = self.store.execute(name, &asked);
            return self.finish(request);
        }
        if let Request::Command(words) = &self.travels[request].event.request
            && words[0] == "LMOVE"
        {
            let words = words.clone();
            return self.move_in_two_steps(core, request, &words);
        }
        let name = self.travels[request].name;
        for index in 0..self.travels[request].parts.len() {
            let (shard, words) = self.travels[request].parts[index].clone();
            if shard == core {
                let reply = self.store.execute(name, &Request::Command(words));
                self.travels[request].replies[index] = Some(reply);
            }
        }
        if let Some(replies) = self.travels[request].replies.iter().cloned().collect() {
            let event = &mut self.travels[request].event;
            event.reply = compose(&event.request, replies);
            self.finish(request);
        }
    }

    fn move_in_two_steps(&mut self, core: usize, request: usize, words: &[String]) {
        if core != shard_of(&words[1]) || self.travels[request].arrived > 0 {
            return;
        }
        self.travels[request].arrived += 1;
        let reply = self.store.execute(usize::MAX, &Request::command(&["LPOP", &words[1]]));
        self.travels[request].event.reply = reply.clone();
        match reply.text() {
            None => self.finish(request),
            Some(item) => {
                let push = ["RPUSH", &words[2], item].map(str::to_owned).to_vec();
                self.cores[shard_of(&words[2])].late.push_back((request, push));
            }
        }
    }

    /// [`Fault::WatchFlag`]: decides at once whether EXEC is refused, and forgets the watch.
    fn ask_flag(&mut self, request: usize) {
        let travel = &self.travels[request];
        if !matches!(travel.event.request, Request::Transaction(_)) {
            return;
        }
        let probe = self.store.execute(travel.name, &Request::Transaction(Vec::new()));
        if probe == Reply::Null {
            self.finish(request);
        }
    }

    /// Notes that a request is answered, and hands out replies in the order of the requests.
    fn finish(&mut self, request: usize) {
        self.travels[request].done = true;
        let session = self.travels[request].event.session;
        while let Some(&first) = self.waiting[session].front() {
            if !self.travels[first].done {
                return;
            }
            self.waiting[session].pop_front();
            self.travels[first].event.completed_ns = self.now_ns;
            self.history.push(self.travels[first].event.clone());
        }
    }
}

/// The single-key commands that a request consists of.
fn split(request: &Request) -> Vec<(usize, Vec<String>)> {
    let single = |words: &[&str]| {
        (shard_of(words[1]), words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>())
    };
    match request {
        Request::Transaction(commands) => {
            commands.iter().map(|words| (shard_of(&words[1]), words.clone())).collect()
        }
        Request::Command(words) => match words[0].as_str() {
            "MSET" => {
                words[1..].chunks(2).map(|pair| single(&["SET", &pair[0], &pair[1]])).collect()
            }
            "MGET" => words[1..].iter().map(|key| single(&["GET", key])).collect(),
            "WATCH" => words[1..].iter().map(|key| single(&["WATCH", key])).collect(),
            "LMOVE" => words[1..3].iter().map(|key| (shard_of(key), words.clone())).collect(),
            _ => vec![(shard_of(&words[1]), words.clone())],
        },
    }
}

fn compose(request: &Request, mut replies: Vec<Reply>) -> Reply {
    match request {
        Request::Command(words) if words[0] == "MSET" || words[0] == "WATCH" => Reply::ok(),
        Request::Command(words) if words[0] != "MGET" => replies.remove(0),
        _ => Reply::Array(replies),
    }
}
