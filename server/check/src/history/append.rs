//! Job: find anomalies in long histories of list appends and reads, alone and in transactions.
//! In: events that RPUSH elements which are unique in their key, read whole lists with LRANGE, in
//! MULTI/EXEC, under WATCH, or through a COPY that is read in the same transaction.
//! Out: an anomaly inside one transaction, a wrong element, or a cycle of dependences.
//! Invariant: a list shows the order of its writes, so all dependences are known (the idea of the
//! Elle checker, Kingsbury and Alvaro 2020) and the check is linear in the length of the history.

use std::collections::HashMap;

use super::graph::{Graph, Reason};
use super::{Event, NEVER_NS, Request, Violation};
use crate::client::Reply;

/// A number that stands for the name of a key.
type Key = usize;
/// An element of a list, as its number.
type Element = u64;

#[derive(Clone, Debug, PartialEq, Eq)]
enum Action {
    /// The element and the length of the list that RPUSH reported, unless the reply is unknown.
    Append(Key, Element, Option<usize>),
    Read(Key, Vec<Element>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Done,
    /// EXEC answered nil: nothing may have happened.
    Refused,
    /// No reply came: all or nothing may have happened.
    Unknown,
}

/// What one event did, all at once.
#[derive(Debug)]
struct Step<'a> {
    event: &'a Event,
    actions: Vec<Action>,
    outcome: Outcome,
}

/// The elements of a list in the order of their appends, as far as anybody saw them.
#[derive(Debug, Default)]
struct Order {
    elements: Vec<Option<Element>>,
    places: HashMap<Element, usize>,
}

/// Judges `history`, whose lists begin empty. Events of one session must stand in program order.
///
/// # Errors
/// The first violation found.
pub fn check(history: &[Event]) -> Result<(), Violation> {
    let (steps, names) = Reader::default().read(history)?;
    let writers = writers(&steps, &names)?;
    for step in &steps {
        check_inside(step, &names)?;
    }
    let orders = orders(&steps, &writers, &names)?;
    let graph = dependences(&steps, &writers, &orders);
    match graph.cycle() {
        None => Ok(()),
        Some(cycle) => Err(describe(&cycle, &steps)),
    }
}

/// Translates events into steps.
#[derive(Default)]
struct Reader {
    keys: HashMap<String, Key>,
    names: Vec<String>,
    /// Per session: the watched keys and what was read of them since WATCH.
    watched: HashMap<usize, (Vec<Key>, Vec<Action>)>,
}

impl Reader {
    fn read(mut self, history: &[Event]) -> Result<(Vec<Step<'_>>, Vec<String>), Violation> {
        let steps = history.iter().map(|event| self.step(event)).collect::<Result<_, _>>()?;
        Ok((steps, self.names))
    }

    fn step<'a>(&mut self, event: &'a Event) -> Result<Step<'a>, Violation> {
        let mut actions = Vec::new();
        let mut outcome = Outcome::Done;
        let unknown = event.completed_ns == NEVER_NS;
        match &event.request {
            Request::Command(words) if words[0] == "WATCH" => {
                let keys: Vec<Key> = words[1..].iter().map(|name| self.key(name)).collect();
                self.watched.entry(event.session).or_default().0.extend(keys);
            }
            Request::Command(words) => {
                let reply = (!unknown).then_some(&event.reply);
                self.actions(words, reply, &mut HashMap::new(), &mut actions, event)?;
                if let Some((keys, reads)) = self.watched.get_mut(&event.session) {
                    let watched = |action: &&Action| matches!(action, Action::Read(key, _) if keys.contains(key));
                    reads.extend(actions.iter().filter(watched).cloned());
                }
            }
            Request::Transaction(commands) => {
                let reads = self.watched.remove(&event.session).unwrap_or_default().1;
                let replies = event.reply.items().filter(|items| items.len() == commands.len());
                match (&event.reply, replies) {
                    _ if unknown => outcome = Outcome::Unknown,
                    (Reply::Null, _) => outcome = Outcome::Refused,
                    (_, Some(_)) => actions = reads,
                    _ => return Err(unexpected(event)),
                }
                let mut copies = HashMap::new();
                for (index, words) in commands.iter().enumerate() {
                    let reply = replies.filter(|_| !unknown).map(|items| &items[index]);
                    self.actions(words, reply, &mut copies, &mut actions, event)?;
                }
            }
        }
        if unknown {
            outcome = Outcome::Unknown;
        }
        Ok(Step { event, actions, outcome })
    }

    /// Appends what `words` did. `copies` names the list that a copied key holds in this
    /// transaction. Without a reply only the appends are known.
    fn actions(
        &mut self,
        words: &[String],
        reply: Option<&Reply>,
        copies: &mut HashMap<String, Key>,
        actions: &mut Vec<Action>,
        event: &Event,
    ) -> Result<(), Violation> {
        match (words[0].as_str(), &words[1..], reply) {
            ("RPUSH", [name, elements @ ..], reply) => {
                let key = self.key(name);
                let length = reply.map(|reply| match reply {
                    Reply::Integer(length) => usize::try_from(*length).ok(),
                    _ => None,
                });
                if length == Some(None) || length.flatten().is_some_and(|l| l < elements.len()) {
                    return Err(unexpected(event));
                }
                for (index, text) in elements.iter().enumerate() {
                    let element = text.parse().map_err(|_| unexpected(event))?;
                    let place = length.flatten().map(|length| length + index + 1 - elements.len());
                    actions.push(Action::Append(key, element, place));
                }
            }
            ("LRANGE", [name, ..], Some(reply)) => {
                let key = copies.get(name).copied().unwrap_or_else(|| self.key(name));
                let number = |item: &Reply| item.text()?.parse().ok();
                let elements: Option<Vec<Element>> =
                    reply.items().and_then(|items| items.iter().map(number).collect());
                actions.push(Action::Read(key, elements.ok_or_else(|| unexpected(event))?));
            }
            ("COPY", [from, to, ..], _) => {
                let source = self.key(from);
                copies.insert(to.clone(), source);
            }
            _ => {}
        }
        Ok(())
    }

    fn key(&mut self, name: &str) -> Key {
        if let Some(&key) = self.keys.get(name) {
            return key;
        }
        self.names.push(name.to_owned());
        self.keys.insert(name.to_owned(), self.names.len() - 1);
        self.names.len() - 1
    }
}

/// The step that appended each element.
fn writers(steps: &[Step], names: &[String]) -> Result<HashMap<(Key, Element), usize>, Violation> {
    let mut writers = HashMap::new();
    for (index, step) in steps.iter().enumerate() {
        for action in &step.actions {
            if let Action::Append(key, element, _) = action
                && writers.insert((*key, *element), index).is_some()
            {
                let text = format!("{element} was appended twice to {}", names[*key]);
                return Err(Violation::new("bad test data", text));
            }
        }
    }
    Ok(writers)
}

/// Inside one transaction a list changes only by the transaction's own appends.
fn check_inside(step: &Step, names: &[String]) -> Result<(), Violation> {
    if step.outcome != Outcome::Done {
        return Ok(());
    }
    let mut lengths: HashMap<Key, usize> = HashMap::new();
    for action in &step.actions {
        let (key, seen, own) = match action {
            Action::Append(_, _, None) => continue,
            Action::Append(key, _, Some(length)) => (*key, *length, 1),
            Action::Read(key, elements) => (*key, elements.len(), 0),
        };
        if let Some(before) = lengths.insert(key, seen)
            && before + own != seen
        {
            return Err(Violation::new(
                "a transaction saw the list change under it",
                format!("{}: length {before}, then {seen}\n  {}", names[key], step.event),
            ));
        }
    }
    Ok(())
}

/// Puts the elements of each list in order from what reads and lengths show.
fn orders(
    steps: &[Step],
    writers: &HashMap<(Key, Element), usize>,
    names: &[String],
) -> Result<Vec<Order>, Violation> {
    let mut orders: Vec<Order> = Vec::new();
    orders.resize_with(names.len(), Order::default);
    for step in steps.iter().filter(|step| step.outcome == Outcome::Done) {
        for action in &step.actions {
            let (key, outcome) = match action {
                Action::Append(_, _, None) => continue,
                Action::Append(key, element, Some(length)) => {
                    (*key, orders[*key].place(*element, length - 1))
                }
                Action::Read(key, elements) => {
                    let mut placed = elements.iter().enumerate();
                    let order = &mut orders[*key];
                    (*key, placed.try_for_each(|(place, &element)| order.place(element, place)))
                }
            };
            outcome.map_err(|text| {
                let evidence = format!("{}: {text}\n  {}", names[key], step.event);
                Violation::new("replies disagree about a list", evidence)
            })?;
        }
    }
    for (key, order) in orders.iter().enumerate() {
        for element in order.elements.iter().flatten() {
            let rule = match writers.get(&(key, *element)) {
                None => "a list holds an element that nobody appended",
                Some(&writer) if steps[writer].outcome == Outcome::Refused => {
                    "a list holds an element of a transaction that was refused"
                }
                Some(_) => continue,
            };
            return Err(Violation::new(rule, format!("{} holds {element}", names[key])));
        }
    }
    Ok(orders)
}

impl Order {
    fn place(&mut self, element: Element, place: usize) -> Result<(), String> {
        if self.elements.len() <= place {
            self.elements.resize(place + 1, None);
        }
        if let Some(other) = self.elements[place] {
            if other == element {
                return Ok(());
            }
            return Err(format!("both {other} and {element} at index {place}"));
        }
        if let Some(other) = self.places.insert(element, place) {
            return Err(format!("{element} at index {other} and at index {place}"));
        }
        self.elements[place] = Some(element);
        Ok(())
    }

    /// The first known element at or after `place`.
    fn known_from(&self, place: usize) -> Option<Element> {
        self.elements.get(place..)?.iter().flatten().next().copied()
    }
}

fn dependences(
    steps: &[Step],
    writers: &HashMap<(Key, Element), usize>,
    orders: &[Order],
) -> Graph {
    let mut graph = Graph::new(steps.len());
    let mut last_of_session: HashMap<usize, usize> = HashMap::new();
    for (index, step) in steps.iter().enumerate() {
        if let Some(before) = last_of_session.insert(step.event.session, index) {
            graph.add(before, index, Reason::Program);
        }
        if step.outcome != Outcome::Done {
            continue;
        }
        for action in &step.actions {
            let Action::Read(key, elements) = action else { continue };
            if let Some(last) = elements.last() {
                graph.add(writers[&(*key, *last)], index, Reason::WriteRead);
            }
            if let Some(next) = orders[*key].known_from(elements.len()) {
                graph.add(index, writers[&(*key, next)], Reason::ReadWrite);
            }
        }
    }
    for (key, order) in orders.iter().enumerate() {
        let known: Vec<Element> = order.elements.iter().flatten().copied().collect();
        for pair in known.windows(2) {
            let (before, after) = (writers[&(key, pair[0])], writers[&(key, pair[1])]);
            graph.add(before, after, Reason::WriteWrite);
        }
    }
    let intervals: Vec<(u64, u64)> =
        steps.iter().map(|step| (step.event.invoked_ns, step.event.completed_ns)).collect();
    graph.add_real_time(&intervals);
    graph
}

fn describe(cycle: &[(usize, Reason)], steps: &[Step]) -> Violation {
    let mut evidence = String::new();
    for &(node, reason) in cycle {
        let why = match reason {
            Reason::WriteWrite => "appended to the same list before",
            Reason::WriteRead => "appended what was seen by",
            Reason::ReadWrite => "did not see the append of",
            Reason::Program => "came earlier on the same connection than",
            Reason::RealTime => "was answered before the sending of",
        };
        evidence += &format!("  {}\n      which {why}\n", steps[node].event);
    }
    evidence += "  the first of these again";
    Violation::new("requests that each must come before the next, in a circle", evidence)
}

fn unexpected(event: &Event) -> Violation {
    Violation::new("a reply of the wrong kind", format!("  {event}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(elements: &[u64]) -> Reply {
        Reply::Array(elements.iter().map(|element| Reply::bulk(element.to_string())).collect())
    }

    fn event(session: usize, times: (u64, u64), request: Request, reply: Reply) -> Event {
        Event { session, invoked_ns: times.0, completed_ns: times.1, request, reply }
    }

    fn push(session: usize, times: (u64, u64), key: &str, element: u64, length: i64) -> Event {
        let request = Request::command(&["RPUSH", key, &element.to_string()]);
        event(session, times, request, Reply::Integer(length))
    }

    fn read(session: usize, times: (u64, u64), key: &str, elements: &[u64]) -> Event {
        event(session, times, Request::command(&["LRANGE", key, "0", "-1"]), list(elements))
    }

    fn read_both(session: usize, times: (u64, u64), a: &[u64], b: &[u64]) -> Event {
        let request =
            Request::transaction(&[&["LRANGE", "a", "0", "-1"], &["LRANGE", "b", "0", "-1"]]);
        event(session, times, request, Reply::Array(vec![list(a), list(b)]))
    }

    fn push_both(session: usize, times: (u64, u64), element: u64, lengths: (i64, i64)) -> Event {
        let text = element.to_string();
        let request = Request::transaction(&[&["RPUSH", "a", &text], &["RPUSH", "b", &text]]);
        let reply = vec![Reply::Integer(lengths.0), Reply::Integer(lengths.1)];
        event(session, times, request, Reply::Array(reply))
    }

    fn rule(history: &[Event]) -> &'static str {
        check(history).expect_err("the history breaks a promise").rule
    }

    const CIRCLE: &str = "requests that each must come before the next, in a circle";

    #[test]
    fn a_serial_history_passes() {
        let history = [
            push(0, (0, 10), "a", 1, 1),
            push_both(1, (11, 20), 2, (2, 1)),
            read_both(2, (15, 30), &[1, 2], &[2]),
            read(0, (31, 40), "a", &[1, 2]),
        ];
        assert_eq!(check(&history), Ok(()));
    }

    #[test]
    fn a_transaction_seen_half_done_is_a_circle() {
        for (a, b) in [(&[2][..], &[][..]), (&[][..], &[2][..])] {
            let history = [push_both(0, (0, 10), 2, (1, 1)), read_both(1, (0, 10), a, b)];
            assert_eq!(rule(&history), CIRCLE);
        }
    }

    #[test]
    fn two_transactions_in_different_orders_on_two_shards_are_a_circle() {
        let history = [push_both(0, (0, 10), 1, (1, 2)), push_both(1, (0, 10), 2, (2, 1))];
        assert_eq!(rule(&history), CIRCLE);
    }

    #[test]
    fn a_pipeline_seen_in_the_wrong_order_is_a_circle() {
        let writes = |times| [push(0, times, "a", 1, 1), push(0, times, "b", 2, 1)];
        let seen = |a: &[u64], b: &[u64]| {
            [writes((0, 10)).to_vec(), vec![read_both(1, (0, 10), a, b)]].concat()
        };
        assert_eq!(check(&seen(&[1], &[])), Ok(()));
        assert_eq!(rule(&seen(&[], &[2])), CIRCLE);
        // The same by two reads of one pipeline.
        let mut history = writes((0, 10)).to_vec();
        history.extend([read(1, (0, 10), "b", &[2]), read(1, (0, 10), "a", &[])]);
        assert_eq!(rule(&history), CIRCLE);
    }

    #[test]
    fn a_stale_read_is_a_circle_and_an_overlapping_one_is_not() {
        assert_eq!(rule(&[push(0, (0, 10), "a", 1, 1), read(1, (11, 20), "a", &[])]), CIRCLE);
        assert_eq!(check(&[push(0, (0, 10), "a", 1, 1), read(1, (9, 20), "a", &[])]), Ok(()));
    }

    #[test]
    fn a_lost_append_is_found_by_its_length_or_by_time() {
        let lost = [
            push(0, (0, 10), "a", 1, 1),
            push(1, (0, 10), "a", 2, 1),
            read(0, (20, 30), "a", &[2]),
        ];
        assert_eq!(rule(&lost), "replies disagree about a list");
        let forgotten = [push(0, (0, 10), "a", 1, 1), read(1, (20, 30), "a", &[])];
        assert_eq!(rule(&forgotten), CIRCLE);
    }

    #[test]
    fn an_update_lost_under_watch_is_found() {
        let update = |reply| {
            vec![
                event(0, (0, 10), Request::command(&["WATCH", "a"]), Reply::ok()),
                read(0, (0, 10), "a", &[]),
                push(1, (12, 15), "a", 7, 1),
                event(0, (20, 30), Request::transaction(&[&["RPUSH", "b", "8"]]), reply),
            ]
        };
        assert_eq!(check(&update(Reply::Null)), Ok(()));
        assert_eq!(rule(&update(Reply::Array(vec![Reply::Integer(1)]))), CIRCLE);
        let mut refused = update(Reply::Null);
        refused.push(read(2, (40, 50), "b", &[8]));
        assert_eq!(rule(&refused), "a list holds an element of a transaction that was refused");
    }

    #[test]
    fn a_list_that_changes_inside_a_transaction_is_found() {
        let request = Request::transaction(&[&["LRANGE", "a", "0", "-1"], &["RPUSH", "a", "5"]]);
        let reply = Reply::Array(vec![list(&[]), Reply::Integer(2)]);
        assert_eq!(
            rule(&[event(0, (0, 10), request, reply)]),
            "a transaction saw the list change under it"
        );
    }

    #[test]
    fn a_copy_reads_its_source() {
        let request = Request::transaction(&[
            &["COPY", "a", "mine", "REPLACE"],
            &["LRANGE", "mine", "0", "-1"],
        ]);
        let copied = event(1, (20, 30), request, Reply::Array(vec![Reply::Integer(1), list(&[])]));
        assert_eq!(rule(&[push(0, (0, 10), "a", 1, 1), copied]), CIRCLE);
    }

    #[test]
    fn foreign_elements_and_repeated_ones_are_found() {
        assert_eq!(
            rule(&[read(0, (0, 10), "a", &[9])]),
            "a list holds an element that nobody appended"
        );
        assert_eq!(
            rule(&[push(0, (0, 10), "a", 1, 1), read(0, (20, 30), "a", &[1, 1])]),
            "replies disagree about a list"
        );
    }

    #[test]
    fn an_unanswered_append_may_have_happened_or_not() {
        let lost = |seen: &[u64]| [push(0, (0, NEVER_NS), "a", 1, 0), read(1, (50, 60), "a", seen)];
        assert_eq!(check(&lost(&[1])), Ok(()));
        assert_eq!(check(&lost(&[])), Ok(()));
    }
}
