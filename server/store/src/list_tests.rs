//! Tests of the list against a deque, at node sizes that make it split and join often.

use super::*;
use crate::hasher::KeyHasher;
use ringlet_base::random::Random;

fn limits(size: i32) -> Limits {
    Limits { list_max_listpack_size: size, ..Limits::new(KeyHasher::new([1, 2, 3, 4])) }
}

fn element(random: &mut Random) -> Vec<u8> {
    let length = if random.below(50) == 0 { random.below(10_000) } else { random.below(12) };
    (0..length).map(|_| b'a' + random.below(2) as u8).collect()
}

fn check(list: &List, model: &VecDeque<Vec<u8>>, limits: &Limits) {
    assert_eq!((list.len(), list.is_empty()), (model.len(), model.is_empty()));
    assert!(list.iter().eq(model.iter().map(Vec::as_slice)));
    assert!(list.iter().rev().eq(model.iter().rev().map(Vec::as_slice)));
    assert_eq!(list.iter().len(), model.len());
    assert_eq!(list.front(), model.front().map(Vec::as_slice));
    assert_eq!(list.back(), model.back().map(Vec::as_slice));
    let limit = NodeLimit::new(limits);
    for node in &list.nodes {
        assert!(!node.is_empty());
        assert!(node.len() == 1 || limit.allows(node.used_bytes(), node.len()));
    }
    assert!(list.quick || list.nodes.len() <= 1);
}

fn positions_of(
    model: &VecDeque<Vec<u8>>,
    element: &[u8],
    rank: i64,
    count: usize,
    compare_max: usize,
) -> Vec<usize> {
    let mut order: Vec<usize> = (0..model.len()).collect();
    if rank < 0 {
        order.reverse();
    }
    if compare_max > 0 {
        order.truncate(compare_max);
    }
    order.retain(|index| model[*index] == element);
    let skip = (rank.unsigned_abs() as usize - 1).min(order.len());
    order.drain(..skip);
    if count > 0 {
        order.truncate(count);
    }
    order
}

fn remove_from(model: &mut VecDeque<Vec<u8>>, element: &[u8], count: i64) -> usize {
    let rank = if count < 0 { -1 } else { 1 };
    let mut places = positions_of(model, element, rank, count.unsigned_abs() as usize, 0);
    places.sort_unstable();
    for place in places.iter().rev() {
        model.remove(*place);
    }
    places.len()
}

fn step(list: &mut List, model: &mut VecDeque<Vec<u8>>, limits: &Limits, random: &mut Random) {
    let new = element(random);
    let index = random.below(model.len() as u64 + 1) as usize;
    match random.below(16) {
        0..=2 => {
            list.push_back(&new, limits);
            model.push_back(new);
        }
        3..=5 => {
            list.push_front(&new, limits);
            model.push_front(new);
        }
        6 => {
            list.insert(index, &new, limits);
            model.insert(index, new);
        }
        7 => {
            let there = index < model.len();
            assert_eq!(list.set(index, &new, limits), there);
            if there {
                model[index] = new;
            }
        }
        8 => assert_eq!(list.pop_front(limits), model.pop_front()),
        9 => assert_eq!(list.pop_back(limits), model.pop_back()),
        10 => {
            let bound = if random.below(20) == 0 { 200 } else { 6 };
            let count = random.below(bound) as usize;
            list.remove_range(index, count, limits);
            let end = (index + count).min(model.len());
            model.drain(index..end);
        }
        11 => {
            let side = if random.below(2) == 0 { Side::Before } else { Side::After };
            let pivot = element(random);
            let place = model.iter().position(|candidate| *candidate == pivot);
            assert_eq!(list.insert_beside(side, &pivot, &new, limits), place.is_some());
            if let Some(place) = place {
                model.insert(place + usize::from(side == Side::After), new);
            }
        }
        12 => {
            let count = random.below(7) as i64 - 3;
            let expected = remove_from(model, &new, count);
            assert_eq!(list.remove(&new, count, limits), expected);
        }
        13 if random.below(30) == 0 => {
            let count = random.below(model.len() as u64 + 3) as usize;
            list.trim(index, count, limits);
            model.truncate(index.saturating_add(count));
            model.drain(..index.min(model.len()));
        }
        14 => {
            list.rotate_back_to_front(limits);
            if let Some(last) = model.pop_back() {
                model.push_front(last);
            }
            list.rotate_front_to_back(limits);
            if let Some(first) = model.pop_front() {
                model.push_back(first);
            }
        }
        _ => look(list, model, &new, random),
    }
}

fn look(list: &List, model: &VecDeque<Vec<u8>>, sought: &[u8], random: &mut Random) {
    let index = random.below(model.len() as u64 + 2) as usize;
    assert_eq!(list.get(index), model.get(index).map(Vec::as_slice));
    let count = random.below(40) as usize;
    let expected = || model.iter().skip(index).take(count).map(Vec::as_slice);
    assert!(list.range(index, count).eq(expected()));
    let (mut both, mut front_and_back) =
        (list.range(index, count), expected().collect::<VecDeque<_>>());
    while random.below(50) > 0 {
        if random.below(2) == 0 {
            assert_eq!(both.next(), front_and_back.pop_front());
        } else {
            assert_eq!(both.next_back(), front_and_back.pop_back());
        }
    }
    for rank in [-3, -1, 1, 2] {
        let (count, compare_max) = (random.below(3) as usize, random.below(50) as usize);
        let found = list.positions(sought, rank, count, compare_max);
        assert_eq!(found, positions_of(model, sought, rank, count, compare_max));
    }
    assert!(list.positions(sought, 0, 0, 0).is_empty());
}

#[test]
fn agrees_with_a_deque_at_every_node_size() {
    for (seed, size) in [(1, -1), (2, -2), (3, 1), (4, 2), (5, 5), (6, 128), (7, 0), (8, -9)] {
        println!("seed {seed}");
        let (limits, mut random) = (limits(size), Random::new(seed));
        let (mut list, mut model) = (List::new(), VecDeque::new());
        for number in 0..4000 {
            step(&mut list, &mut model, &limits, &mut random);
            if number % 20 == 0 {
                check(&list, &model, &limits);
            }
        }
        check(&list, &model, &limits);
        check(&list.duplicate(), &model, &limits);
        list.trim(0, 0, &limits);
        assert!(list.is_empty() && list.encoding() == "listpack");
    }
}

#[test]
fn encodings_change_as_in_redis() {
    let by_count = limits(4);
    let mut list = List::new();
    (0..4).for_each(|_| list.push_back(b"x", &by_count));
    assert_eq!(list.encoding(), "listpack");
    list.push_front(b"x", &by_count);
    assert_eq!(list.encoding(), "quicklist");
    // It turns back only when one node of at most half the limit is left.
    list.remove_range(0, 2, &by_count);
    assert_eq!((list.len(), list.encoding()), (3, "quicklist"));
    list.remove_range(0, 1, &by_count);
    assert_eq!((list.len(), list.encoding()), (2, "listpack"));
    let by_size = limits(-2);
    let mut list = List::new();
    list.push_back(&[b'x'; 8000], &by_size);
    assert_eq!(list.encoding(), "listpack");
    list.push_back(&[b'x'; 300], &by_size);
    assert_eq!(list.encoding(), "quicklist");
    let mut list = List::new();
    list.push_back(&[b'x'; 9000], &by_size);
    assert_eq!(list.encoding(), "quicklist", "too large for a node of normal size");
}

#[test]
fn long_lists_take_little_more_than_their_elements() {
    let limits = limits(-2);
    let mut list = List::new();
    (0..100_000).for_each(|_| list.push_back(b"0123456789", &limits));
    let each = list.memory_bytes() as f64 / 100_000.0;
    assert!(each < 12.5, "{each} bytes per element of 10");
    (0..100_000).for_each(|_| list.push_front(b"0123456789", &limits));
    let each = list.memory_bytes() as f64 / 200_000.0;
    assert!(each < 12.5, "{each} bytes per element of 10");
}

#[test]
fn lists_turn_back_at_half_of_the_limit_that_is_configured() {
    // A count: bytes do not matter.
    let counted = limits(4);
    let mut list = List::new();
    (0..5).for_each(|_| list.push_back(&[b'x'; 7000], &counted));
    assert_eq!(list.encoding(), "quicklist");
    list.remove_range(0, 2, &counted);
    assert_eq!(list.encoding(), "quicklist");
    list.trim(0, 1, &counted);
    assert_eq!((list.len(), list.encoding()), (1, "listpack"));
    // Bytes: the frame counts, and the number of elements does not.
    let sized = limits(-1);
    let longest = 2048 - FRAME_BYTES - (pack::entry_bytes(2000) - 2000);
    for (length, encoding) in [(longest, "listpack"), (longest + 1, "quicklist")] {
        let mut list = List::new();
        list.push_back(&vec![b'x'; length], &sized);
        list.push_back(&[b'y'; 4000], &sized);
        assert_eq!(list.encoding(), "quicklist");
        list.trim(0, 1, &sized);
        assert_eq!(list.encoding(), encoding, "{length}");
    }
}
