//! Tests of the rank tree against a sorted vector, with its invariants checked on the way.

use super::*;
use ringlet_base::random::Random;

fn key(pair: Ranked) -> (i64, u32) {
    (pair.score as i64, pair.id)
}

fn check(tree: &RankTree, model: &[Ranked]) {
    tree.check();
    assert!(tree.range(0, tree.len()).eq(model.iter().copied()));
    assert!(tree.range(0, tree.len()).rev().eq(model.iter().rev().copied()));
}

#[test]
fn agrees_with_a_sorted_vector() {
    for seed in 1..=4 {
        println!("seed {seed}");
        let mut random = Random::new(seed);
        let (mut tree, mut model) = (RankTree::new(), Vec::<Ranked>::new());
        for phase in [3000, 50, 6000, 0, 500] {
            let mut steps = 0;
            while model.len() != phase {
                let grow = model.len() < phase;
                if random.below(10) < if grow { 8 } else { 2 } {
                    let score = random.below(300) as f64;
                    let pair = Ranked { score, id: random.below(1 << 30) as u32 };
                    let rank = tree.partition(|other| key(other) < key(pair));
                    assert_eq!(rank, model.partition_point(|other| key(*other) < key(pair)));
                    tree.insert(rank, pair);
                    model.insert(rank, pair);
                } else if !model.is_empty() {
                    let rank = random.below(model.len() as u64) as usize;
                    assert_eq!(tree.remove(rank), model.remove(rank));
                }
                if let Some(rank) = model.len().checked_sub(1) {
                    let rank = random.below(rank as u64 + 1) as usize;
                    let id = model[rank].id ^ 1;
                    tree.set_id(rank, id);
                    model[rank].id = id;
                    assert_eq!(tree.get(rank), Some(model[rank]));
                    model[rank].id = id ^ 1;
                    tree.set_id(rank, id ^ 1);
                }
                steps += 1;
                if steps % 500 == 0 {
                    check(&tree, &model);
                }
            }
            check(&tree, &model);
            assert_eq!(tree.get(model.len()), None);
            for _ in 0..100 {
                let start = random.below(model.len() as u64 + 1) as usize;
                let end = start + random.below((model.len() - start) as u64 + 1) as usize;
                assert!(tree.range(start, end).eq(model[start..end].iter().copied()));
                let mut both = tree.range(start, end);
                let mut expected = model[start..end].iter().copied();
                while let Some(pair) = both.next() {
                    assert_eq!(Some(pair), expected.next());
                    assert_eq!(both.next_back(), expected.next_back());
                }
                assert_eq!(expected.next(), None);
            }
        }
    }
}

#[test]
fn growth_at_either_end_fills_the_leaves() {
    for at_front in [false, true] {
        let mut tree = RankTree::new();
        for id in 0..100_000 {
            let rank = if at_front { 0 } else { tree.len() };
            tree.insert(rank, Ranked { score: 0.0, id });
        }
        tree.check();
        let each = tree.memory_bytes() as f64 / 100_000.0;
        assert!(each < 14.0, "{each} bytes per pair of 12");
        // Like a queue: in at one end, out at the other.
        for id in 0..100_000 {
            let (at, from) = if at_front { (0, tree.len() - 1) } else { (tree.len(), 0) };
            assert_eq!(tree.get(from).map(|pair| pair.id), Some(id));
            tree.insert(at, Ranked { score: 0.0, id });
            tree.remove(if at_front { tree.len() - 1 } else { 0 });
        }
        tree.check();
    }
}

#[test]
fn a_tree_comes_apart_in_slices() {
    let mut tree = RankTree::new();
    (0..20_000).for_each(|id| tree.insert(tree.len() / 2, Ranked { score: 0.0, id }));
    let (mut slices, mut total) = (0, 0);
    loop {
        let mut count = 0;
        let more = tree.free_some(10, &mut count);
        assert!(count <= 10);
        (slices, total) = (slices + 1, total + count);
        if !more {
            break;
        }
    }
    assert!(slices > 30 && total >= 20_000 / LEAF_MAX, "{slices} slices, {total} leaves");
}
