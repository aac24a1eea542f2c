//! Tests of the pack against a vector of vectors.

use super::*;
use ringlet_base::random::Random;

/// Elements of all code lengths, most of them short.
fn element(random: &mut Random) -> Vec<u8> {
    let length = match random.below(40) {
        0 => 120 + random.below(20),
        1 => 16_370 + random.below(30),
        2 => 0,
        _ => random.below(20),
    };
    (0..length).map(|_| random.below(3) as u8).collect()
}

fn check(pack: &Pack, model: &[Vec<u8>]) {
    assert_eq!((pack.len(), pack.is_empty()), (model.len(), model.is_empty()));
    assert!(pack.iter().eq(model.iter().map(Vec::as_slice)));
    assert!(pack.iter().rev().eq(model.iter().rev().map(Vec::as_slice)));
    let used: usize = model.iter().map(|element| entry_bytes(element.len())).sum();
    assert_eq!(pack.used_bytes(), used);
    assert!(pack.memory_bytes() <= 256 + used * 3, "{} for {used}", pack.memory_bytes());
}

#[test]
fn agrees_with_a_vector() {
    for seed in 1..=20 {
        println!("seed {seed}");
        let mut random = Random::new(seed);
        let (mut pack, mut model) = (Pack::new(), Vec::<Vec<u8>>::new());
        for step in 0..1500 {
            let new = element(&mut random);
            let index = random.below(model.len() as u64 + 1) as usize;
            match random.below(9) {
                0 | 1 => {
                    pack.push_back(&new);
                    model.push(new);
                }
                2 | 3 => {
                    pack.push_front(&new);
                    model.insert(0, new);
                }
                4 => {
                    pack.insert(index, &new);
                    model.insert(index, new);
                }
                5 if index < model.len() => {
                    pack.replace_at(pack.seek(index), &new);
                    model[index] = new;
                }
                6 => {
                    let index = if random.below(2) == 0 { 0 } else { index };
                    let count = (random.below(6) as usize).min(model.len() - index);
                    let place = pack.remove_at(pack.seek(index), count);
                    model.drain(index..index + count);
                    assert_eq!(place, pack.seek(index), "what follows stands there");
                }
                7 if step % 10 == 0 => {
                    let tail = pack.split_off(index);
                    check(&tail, &model[index..]);
                    check(&pack, &model[..index]);
                    pack.append(&tail);
                }
                _ => {
                    let sought = model.get(index).unwrap_or(&new);
                    // Strides are for packs of whole rows.
                    for stride in [1, 2].into_iter().take(2 - model.len() % 2) {
                        let mut matches = (0..model.len()).step_by(stride);
                        let found = matches.find(|index| model[*index] == *sought);
                        assert_eq!(pack.find(sought, stride), found.map(|index| pack.seek(index)));
                    }
                    assert_eq!(pack.get(index), model.get(index).map(Vec::as_slice));
                    let end = index + random.below((model.len() - index) as u64 + 1) as usize;
                    assert!(pack.range(index, end).eq(model[index..end].iter().map(Vec::as_slice)));
                }
            }
            if step % 20 == 0 {
                check(&pack, &model);
            }
        }
        check(&pack, &model);
    }
}

#[test]
fn a_queue_does_not_grow_and_moves_little() {
    let mut pack = Pack::new();
    (0..100_u32).for_each(|number| pack.push_back(&number.to_le_bytes()));
    for number in 100..100_000_u32 {
        pack.push_back(&number.to_le_bytes());
        assert_eq!(pack.at(pack.first()), (number - 100).to_le_bytes());
        pack.remove_at(pack.first(), 1);
        assert!(pack.memory_bytes() <= 2048);
    }
    for number in 0..100_000_u32 {
        pack.push_front(&number.to_le_bytes());
        pack.remove(pack.len() - 1, 1);
        assert!(pack.memory_bytes() <= 2048);
    }
    pack.remove(0, 100);
    assert_eq!((pack.len(), pack.memory_bytes()), (0, 0));
}
