//! Maglev's table.
//!
//! Job: homes for keys, even to a fraction of a percent, found with one look. In: servers. Out: slots.
//! Invariant: 65537 slots, each with a server, unless no server has weight; servers with weight differ
//! in their share per weight by a few slots at most. Names and weights decide, the order in which the
//! servers are configured does not.
//!
//! Each server walks through the slots in its own order, `(offset + j * skip) mod 65537` with both
//! numbers hashed of its name, and takes the next free one when it is its turn; turns come in proportion
//! to weights. As 65537 is prime, each walk meets every slot. A server that leaves or joins moves its
//! own share of the keys and a few percent of the others.
//!
//! Source: Eisenbud et al., "Maglev: A Fast and Reliable Software Network Load Balancer" (NSDI 2016),
//! section 3.4; size and weights as Envoy's.

use super::hashed::{Homes, Table};
use super::key::identity;
use super::{SERVERS_MAX, full_weight};
use crate::model::Server;

/// The number of slots: prime, and more than 100 for each server of a large pool.
const SLOTS: u32 = 65_537;

/// No server: the indices end before it.
const FREE: u16 = u16::MAX;

/// One server's walk through the slots.
struct Walk {
    index: u16,
    slot: u32,
    skip: u32,
    weight: u32,
    /// Turns saved up, in parts of the greatest weight.
    credit: u32,
}

pub fn table(servers: &[Server]) -> Table {
    Table::new(servers, Homes::Slots(slots(servers)))
}

fn slots(servers: &[Server]) -> Vec<u16> {
    let mut order: Vec<(u16, &Server)> = (0..SERVERS_MAX as u16).zip(servers).collect();
    order.retain(|(_, server)| server.weight > 0);
    order.sort_by(|(_, one), (_, other)| one.name.cmp(&other.name));
    let mut walks: Vec<Walk> = order
        .into_iter()
        .map(|(index, server)| Walk {
            index,
            // Both are below the number of slots.
            slot: (identity(&server.name, 0) % u64::from(SLOTS)) as u32,
            skip: (identity(&server.name, 1) % u64::from(SLOTS - 1)) as u32 + 1,
            weight: full_weight(server),
            credit: 0,
        })
        .collect();
    let Some(weight_max) = walks.iter().map(|walk| walk.weight).max() else { return Vec::new() };
    let mut slots = vec![FREE; SLOTS as usize];
    let mut left = SLOTS;
    while left > 0 {
        for walk in &mut walks {
            walk.credit += walk.weight;
            if walk.credit < weight_max {
                continue;
            }
            walk.credit -= weight_max;
            while slots[walk.slot as usize] != FREE {
                walk.slot = (walk.slot + walk.skip) % SLOTS;
            }
            slots[walk.slot as usize] = walk.index;
            left -= 1;
            if left == 0 {
                break;
            }
        }
    }
    slots
}

#[cfg(test)]
mod tests {
    use super::super::test_support::server;
    use super::*;

    fn servers(weights: &[u16]) -> Vec<Server> {
        weights.iter().enumerate().map(|(number, &weight)| server(number, weight)).collect()
    }

    fn counts(slots: &[u16], servers: usize) -> Vec<usize> {
        let mut counts = vec![0; servers];
        for &index in slots {
            counts[usize::from(index)] += 1;
        }
        counts
    }

    #[test]
    fn slots_go_by_weight() {
        let equal = counts(&slots(&servers(&[3; 7])), 7);
        assert!(equal.iter().all(|count| (9_362..=9_363).contains(count)), "{equal:?}");
        let weights = [1, 2, 0, 5, 256];
        let counts = counts(&slots(&servers(&weights)), 5);
        for (count, weight) in counts.iter().zip(weights) {
            let expected = usize::from(weight) * 65_537 / 264;
            assert!(count.abs_diff(expected) <= 2, "{counts:?}");
        }
    }

    #[test]
    fn one_that_leaves_moves_little_else() {
        let before = slots(&servers(&[1; 10]));
        // Server 3 has no weight any more.
        let after = slots(&servers(&[1, 1, 1, 0, 1, 1, 1, 1, 1, 1]));
        let moved = before.iter().zip(&after).filter(|(one, other)| one != other).count();
        let own = before.iter().filter(|&&index| index == 3).count();
        // The paper shows a few percent beyond the share of the server itself.
        assert!(moved - own < 65_537 * 5 / 100, "{own} were its own, {moved} moved");
        assert!(own >= 6_553);
    }

    #[test]
    fn the_order_of_the_configuration_does_not_matter() {
        let mut servers = servers(&[1, 2, 3, 4]);
        let names = |servers: &[Server]| -> Vec<String> {
            slots(servers).iter().map(|&index| servers[usize::from(index)].name.clone()).collect()
        };
        let before = names(&servers);
        servers.rotate_left(1);
        servers.swap(0, 2);
        assert!(before == names(&servers));
    }

    #[test]
    fn there_may_be_no_servers_or_more_than_slots() {
        assert!(slots(&[]).is_empty());
        assert!(slots(&servers(&[0, 0])).is_empty());
        let many: Vec<Server> = (0..70_000).map(|number| server(number, 1)).collect();
        let slots = slots(&many);
        assert!(slots.len() == 65_537 && !slots.contains(&FREE));
    }
}
