//! Tests of the mesh: single steps, then stress with more threads than CPUs.
//!
//! Job: show that order, bound, sleep and sequencer hold. In: seeds. Out: failed assertions.
//! Invariant: each checker of an order is also run against a deliberately wrong way of using the
//! mesh and must object to it, so that its silence means something.

use super::*;
use crate::seeds::{Random, seed};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// What a core sleeps on in these tests. A ring that comes before the wait is not lost.
#[derive(Default)]
struct Bell {
    rung: Mutex<bool>,
    changed: Condvar,
}

impl Bell {
    fn ring(&self) {
        *self.rung.lock().expect("no bell is poisoned") = true;
        self.changed.notify_one();
    }

    /// Waits for a ring; a minute without one is a lost wake-up.
    fn wait(&self) {
        let rung = self.rung.lock().expect("no bell is poisoned");
        let (mut rung, timeout) = self
            .changed
            .wait_timeout_while(rung, Duration::from_secs(60), |rung| !*rung)
            .expect("no bell is poisoned");
        assert!(!timeout.timed_out(), "a message was published and its sleeper never woken");
        *rung = false;
    }
}

/// Receives the next message, asleep while there is none.
fn receive<T: Send>(inbox: &mut Inbox<T>, bell: &Bell) -> T {
    loop {
        if let Some(message) = inbox.receive() {
            return message;
        }
        if inbox.prepare_sleep() {
            bell.wait();
            inbox.awake();
        }
    }
}

fn send<T: Send>(mesh: &Mesh<T>, bells: &[Bell], to: usize, message: impl FnOnce(u64) -> T) {
    let place = mesh.reserve(to);
    let message = message(place.position);
    mesh.publish(place, message);
    if mesh.take_sleeper(to) {
        bells[to].ring();
    }
}

fn panic_text(action: impl FnOnce()) -> String {
    let payload = catch_unwind(AssertUnwindSafe(action)).expect_err("the action must panic");
    payload.downcast_ref::<String>().expect("a formatted message").clone()
}

#[test]
fn messages_arrive_in_the_order_of_reservation() {
    let (mesh, mut inboxes) = Mesh::new(2, 8);
    let inbox = &mut inboxes[1];
    assert!(inbox.is_empty() && mesh.is_empty(1));
    let (first, second) = (mesh.reserve(1), mesh.reserve(1));
    assert_eq!((first.core(), inbox.is_empty(), mesh.is_empty(1)), (1, false, false));
    assert!(mesh.is_empty(0), "another core's queue is not concerned");
    mesh.publish(second, "second");
    assert_eq!(inbox.receive(), None, "nothing may overtake an unpublished place");
    assert_eq!(mesh.backlog(1), 2);
    mesh.publish(first, "first");
    assert_eq!((inbox.receive(), inbox.receive()), (Some("first"), Some("second")));
    assert_eq!((inbox.receive(), mesh.backlog(1)), (None, 0));
    assert!(inbox.is_empty() && mesh.is_empty(1));
}

#[test]
fn a_queue_can_be_filled_to_its_capacity_in_every_lap() {
    let (mesh, mut inboxes) = Mesh::new(1, 4);
    for lap in 0..10 {
        for number in 0..4 {
            mesh.publish(mesh.reserve(0), lap * 4 + number);
        }
        for number in 0..4 {
            assert_eq!(inboxes[0].receive(), Some(lap * 4 + number));
        }
    }
}

#[test]
fn more_places_than_the_capacity_are_reported_as_a_bug() {
    let (mesh, mut inboxes) = Mesh::new(1, 2);
    mesh.publish(mesh.reserve(0), 1);
    mesh.publish(mesh.reserve(0), 2);
    let text = panic_text(|| mesh.publish(mesh.reserve(0), 3));
    assert!(text.contains("overflows at place 2"), "{text}");
    assert_eq!((inboxes[0].receive(), inboxes[0].receive()), (Some(1), Some(2)));
}

#[test]
fn a_place_must_be_published_and_in_its_own_mesh() {
    let (mesh, _inboxes) = Mesh::<u8>::new(1, 2);
    let (other, _other_inboxes) = Mesh::<u8>::new(1, 2);
    let text = panic_text(|| drop(mesh.reserve(0)));
    assert!(text.contains("never published"), "{text}");
    let text = panic_text(|| other.publish(mesh.reserve(0), 1));
    assert!(text.contains("belongs to another mesh"), "{text}");
    for capacity in [0, 1, 3, 12] {
        let text = panic_text(|| drop(Mesh::<u8>::new(1, capacity)));
        assert!(text.contains("power of two"), "{text}");
    }
}

#[test]
fn messages_that_nobody_received_are_dropped_with_the_mesh() {
    let token = Arc::new(());
    let (mesh, mut inboxes) = Mesh::new(1, 4);
    for _ in 0..6 {
        mesh.publish(mesh.reserve(0), Arc::clone(&token));
        if mesh.backlog(0) > 2 {
            drop(inboxes[0].receive());
        }
    }
    assert_eq!(Arc::strong_count(&token), 1 + 2);
    let gap = mesh.reserve(0);
    mesh.publish(mesh.reserve(0), Arc::clone(&token));
    std::mem::forget(gap);
    drop((mesh, inboxes));
    assert_eq!(Arc::strong_count(&token), 1);
}

#[test]
fn only_one_producer_wakes_a_sleeper() {
    let (mesh, mut inboxes) = Mesh::new(1, 4);
    assert!(!mesh.take_sleeper(0), "an awake core needs no ring");
    assert!(inboxes[0].prepare_sleep());
    assert!(mesh.is_sleeping(0));
    mesh.publish(mesh.reserve(0), 1);
    assert!(mesh.take_sleeper(0));
    assert!(!mesh.take_sleeper(0), "the second producer need not ring again");
    assert!(!inboxes[0].prepare_sleep(), "a published message forbids sleep");
    assert!(!mesh.is_sleeping(0), "the refused sleep is taken back");
    assert_eq!(inboxes[0].receive(), Some(1));
    let place = mesh.reserve(0);
    assert!(inboxes[0].prepare_sleep(), "an unpublished place does not keep its core awake");
    mesh.publish(place, 2);
    assert!(mesh.take_sleeper(0), "its producer wakes the core");
    assert!(inboxes[0].prepare_sleep() || inboxes[0].receive() == Some(2));
    inboxes[0].awake();
    assert!(!mesh.is_sleeping(0));
}

/// A request of the stress test.
enum Request {
    Work { position: u64, producer: usize, number: u64 },
    Stop,
}

/// Producers with a window of credits send to random consumers, which answer on a reply lane. The
/// capacities equal the sums of the credits, so queues wrap and fill; everybody really sleeps.
#[test]
fn nothing_is_lost_or_reordered_under_stress() {
    const PRODUCERS: usize = 8;
    const CONSUMERS: usize = 4;
    const WINDOW: u64 = 4;
    const MESSAGES: u64 = 15_000;
    let seed = seed();
    let (requests, request_inboxes) = Mesh::new(CONSUMERS, PRODUCERS * WINDOW as usize);
    let (replies, reply_inboxes) = Mesh::new(PRODUCERS, CONSUMERS * WINDOW as usize);
    let consumer_bells: Vec<Bell> = (0..CONSUMERS).map(|_| Bell::default()).collect();
    let producer_bells: Vec<Bell> = (0..PRODUCERS).map(|_| Bell::default()).collect();
    let (requests, replies) = (&*requests, &*replies);
    let (consumer_bells, producer_bells) = (&consumer_bells[..], &producer_bells[..]);

    let consume = |mut inbox: Inbox<Request>| {
        let core = inbox.core();
        let (mut expected, mut stops, mut last) = (0, 0, [None; PRODUCERS]);
        while stops < PRODUCERS {
            match receive(&mut inbox, &consumer_bells[core]) {
                Request::Stop => stops += 1,
                Request::Work { position, producer, number } => {
                    assert_eq!(position, expected, "not in order of reservation");
                    assert!(last[producer].is_none_or(|last| last < number), "a producer's order");
                    last[producer] = Some(number);
                    send(replies, producer_bells, producer, |_| number);
                }
            }
            expected += 1;
        }
        assert!(inbox.is_empty());
    };
    let produce = |mut inbox: Inbox<u64>| {
        let producer = inbox.core();
        let mut random = Random(seed ^ producer as u64);
        let (mut outstanding, mut sum) = (0, 0);
        for number in 0..MESSAGES {
            while outstanding == WINDOW || (outstanding > 0 && random.below(4) == 0) {
                sum += receive(&mut inbox, &producer_bells[producer]);
                outstanding -= 1;
            }
            let to = random.below(CONSUMERS as u64) as usize;
            let work = |position| Request::Work { position, producer, number };
            send(requests, consumer_bells, to, work);
            outstanding += 1;
        }
        while outstanding > 0 {
            sum += receive(&mut inbox, &producer_bells[producer]);
            outstanding -= 1;
        }
        assert_eq!(sum, MESSAGES * (MESSAGES - 1) / 2, "each number is answered once");
        for consumer in 0..CONSUMERS {
            send(requests, consumer_bells, consumer, |_| Request::Stop);
        }
    };
    thread::scope(|scope| {
        for inbox in request_inboxes {
            scope.spawn(move || consume(inbox));
        }
        for inbox in reply_inboxes {
            scope.spawn(move || produce(inbox));
        }
    });
}

/// A producer that takes long between reserving and publishing, again and again, on an otherwise
/// idle queue: the consumer sleeps at the gap every time and must be woken every time.
#[test]
fn a_slow_producer_wakes_the_core_that_slept_at_its_gap() {
    let (mesh, mut inboxes) = Mesh::new(1, 2);
    let bells = [Bell::default()];
    let (mesh, mut inbox) = (&*mesh, inboxes.remove(0));
    thread::scope(|scope| {
        scope.spawn(|| {
            for number in 0..200 {
                let place = mesh.reserve(0);
                while !mesh.is_sleeping(0) {
                    thread::yield_now();
                }
                mesh.publish(place, number);
                if mesh.take_sleeper(0) {
                    bells[0].ring();
                }
            }
        });
        for number in 0..200 {
            assert_eq!(receive(&mut inbox, &bells[0]), number);
        }
    });
}

#[test]
fn the_sequencer_admits_one_at_a_time() {
    let (mesh, _inboxes) = Mesh::<()>::new(1, 2);
    let total = AtomicU64::new(0);
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for round in 0..500 {
                    // Not an atomic increment: two at a time would lose one of the two.
                    mesh.sequence(|| {
                        let seen = total.load(Ordering::Relaxed);
                        if round % 8 == 0 {
                            thread::yield_now();
                        }
                        total.store(seen + 1, Ordering::Relaxed);
                    });
                }
            });
        }
    });
    assert_eq!(total.into_inner(), 8 * 500);
    let panics = || {
        mesh.sequence(|| panic!("{}", "inside"));
    };
    assert!(!panic_text(panics).is_empty());
    assert_eq!(mesh.sequence(|| 5), (5, 0), "a panic inside gives the lock back");
}

#[test]
fn a_wait_for_the_sequencer_is_told() {
    let (mesh, _inboxes) = Mesh::<()>::new(1, 2);
    let deadline = Instant::now() + Duration::from_secs(60);
    let mut waited_ns = 0;
    // Whether the other comes while the lock is held is up to the scheduler: until it did.
    while waited_ns == 0 {
        assert!(Instant::now() < deadline, "nobody has ever waited");
        waited_ns = thread::scope(|scope| {
            mesh.sequence(|| {
                let other = scope.spawn(|| mesh.sequence(|| ()).1);
                for _ in 0..1000 {
                    thread::yield_now();
                }
                other
            })
            .0
            .join()
            .expect("it ends")
        });
    }
}

/// How a producer of the order checkers sends one batch to both queues.
#[derive(Clone, Copy, PartialEq)]
enum Discipline {
    /// Reserve everywhere under the sequencer, then publish.
    Correct,
    /// Reserve everywhere, but without the sequencer; then publish.
    WithoutSequencer,
    /// Publish in the first queue before reserving in the second.
    PublishEarly,
}

#[derive(Clone, Copy, PartialEq, Debug)]
enum Note {
    Batch(u64),
    /// Sent by the first core, to the second, at the sight of the batch.
    Seen(u64),
}

const BATCHES: u64 = 4 * 300;

fn send_batch(mesh: &Mesh<Note>, discipline: Discipline, batch: u64, dawdle: bool) {
    let pause = || {
        if dawdle {
            thread::yield_now();
        }
    };
    let reserve_both = || {
        let first = mesh.reserve(0);
        pause();
        (first, mesh.reserve(1))
    };
    let (first, second) = match discipline {
        Discipline::Correct => mesh.sequence(reserve_both).0,
        Discipline::WithoutSequencer => reserve_both(),
        Discipline::PublishEarly => {
            mesh.publish(mesh.reserve(0), Note::Batch(batch));
            pause();
            return mesh.publish(mesh.reserve(1), Note::Batch(batch));
        }
    };
    mesh.publish(first, Note::Batch(batch));
    pause();
    mesh.publish(second, Note::Batch(batch));
}

/// Four producers send batches to two cores; the first core sends a note to the second as soon as
/// it sees a batch. Returns what each of the two received.
fn run_two_cores(discipline: Discipline, seed: u64) -> [Vec<Note>; 2] {
    let (mesh, inboxes) = Mesh::new(2, (BATCHES as usize * 2).next_power_of_two());
    let mesh = &*mesh;
    let [mut first, mut second] = <[_; 2]>::try_from(inboxes).expect("two inboxes");
    let collect = |inbox: &mut Inbox<Note>, wanted: u64| {
        let mut notes = Vec::new();
        while (notes.len() as u64) < wanted {
            match inbox.receive() {
                None => thread::yield_now(),
                Some(note) => {
                    if let (0, Note::Batch(batch)) = (inbox.core(), note) {
                        mesh.publish(mesh.reserve(1), Note::Seen(batch));
                    }
                    notes.push(note);
                }
            }
        }
        notes
    };
    thread::scope(|scope| {
        for producer in 0..4 {
            scope.spawn(move || {
                let mut random = Random(seed ^ producer);
                for batch in (producer..BATCHES).step_by(4) {
                    send_batch(mesh, discipline, batch, random.below(3) == 0);
                }
            });
        }
        let first = scope.spawn(move || collect(&mut first, BATCHES));
        let second = scope.spawn(move || collect(&mut second, BATCHES * 2));
        [first, second].map(|core| core.join().expect("the core ends well"))
    })
}

/// Whether both cores saw all batches in the same relative order.
fn orders_agree([first, second]: &[Vec<Note>; 2]) -> bool {
    let batches = |notes: &[Note]| -> Vec<Note> {
        notes.iter().filter(|note| matches!(note, Note::Batch(_))).copied().collect()
    };
    batches(first) == batches(second)
}

/// Whether the second core saw each batch before the note about it.
fn effects_follow_causes([_, second]: &[Vec<Note>; 2]) -> bool {
    let place = |wanted: Note| second.iter().position(|note| *note == wanted);
    (0..BATCHES).all(|batch| place(Note::Batch(batch)) < place(Note::Seen(batch)))
}

#[test]
fn batches_reserved_in_the_sequencer_have_one_order_everywhere() {
    let seed = seed();
    for attempt in 0..10 {
        let seen = run_two_cores(Discipline::Correct, seed.wrapping_add(attempt));
        assert!(orders_agree(&seen));
        assert!(effects_follow_causes(&seen));
    }
}

#[test]
fn causes_come_before_effects_also_without_the_sequencer() {
    let seed = seed();
    for attempt in 0..10 {
        let seen = run_two_cores(Discipline::WithoutSequencer, seed.wrapping_add(attempt));
        assert!(effects_follow_causes(&seen));
    }
}

#[test]
fn the_checkers_object_to_wrong_use() {
    let seed = seed();
    let object = |discipline, checker: fn(&[Vec<Note>; 2]) -> bool| {
        (0..50).any(|attempt| !checker(&run_two_cores(discipline, seed.wrapping_add(attempt))))
    };
    assert!(object(Discipline::WithoutSequencer, orders_agree));
    assert!(object(Discipline::PublishEarly, orders_agree));
    assert!(object(Discipline::PublishEarly, effects_follow_causes));
}
