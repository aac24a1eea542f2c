//! Job: find a cycle among the requests of a history.
//! In: "came before" edges with the reason for each. Out: a shortest cycle through some node.
//! Invariant: edges of real time cost O(n): they run through a chain of moments instead of
//! between all pairs.

use std::collections::VecDeque;

/// Why one request must come before another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Both wrote the same key, in this order.
    WriteWrite,
    /// The second saw what the first wrote.
    WriteRead,
    /// The first did not see yet what the second wrote.
    ReadWrite,
    /// The same connection asked for them in this order.
    Program,
    /// The first was answered before the second was sent.
    RealTime,
}

/// A directed graph over `0..nodes`.
#[derive(Debug)]
pub struct Graph {
    nodes: usize,
    edges: Vec<Vec<(u32, Reason)>>,
}

impl Graph {
    /// A graph with `nodes` nodes and no edges.
    pub fn new(nodes: usize) -> Self {
        Self { nodes, edges: vec![Vec::new(); nodes] }
    }

    /// Says that `from` came before `to`. An edge from a node to itself says nothing.
    pub fn add(&mut self, from: usize, to: usize, reason: Reason) {
        if from != to {
            self.edges[from].push((to as u32, reason));
        }
    }

    /// Adds all edges of real time. `intervals[i]` is (invoked, completed) of node i; node i comes
    /// before node j if its completion lies strictly before j's invocation.
    pub fn add_real_time(&mut self, intervals: &[(u64, u64)]) {
        assert_eq!(intervals.len(), self.nodes, "each request has an interval");
        let mut completions: Vec<(u64, usize)> =
            intervals.iter().enumerate().map(|(node, &(_, completed))| (completed, node)).collect();
        completions.sort_unstable();
        // Moment k lies after the first k + 1 completions: they lead to it, and it leads to moment
        // k + 1 and to all that were sent after it.
        let first_moment = self.edges.len();
        self.edges.resize_with(first_moment + completions.len(), Vec::new);
        for (index, &(_, node)) in completions.iter().enumerate() {
            self.edges[node].push(((first_moment + index) as u32, Reason::RealTime));
            if index > 0 {
                let earlier = first_moment + index - 1;
                self.edges[earlier].push(((earlier + 1) as u32, Reason::RealTime));
            }
        }
        for (node, &(invoked, _)) in intervals.iter().enumerate() {
            let before = completions.partition_point(|&(completed, _)| completed < invoked);
            if before > 0 {
                let moment = first_moment + before - 1;
                self.edges[moment].push((node as u32, Reason::RealTime));
            }
        }
    }

    /// A cycle as (node, reason why it comes before the next one, the last before the first), or
    /// `None` if the history can be put in order.
    pub fn cycle(&self) -> Option<Vec<(usize, Reason)>> {
        let component = self.component_in_a_cycle()?;
        let mut inside = vec![false; self.edges.len()];
        for &node in &component {
            inside[node] = true;
        }
        // Moments alone form no cycle, so every cycle has a request; the shortest from the first
        // few of them reads best.
        let starts = component.iter().copied().filter(|&node| node < self.nodes).take(64);
        starts.filter_map(|start| self.shortest_cycle(start, &inside)).min_by_key(Vec::len)
    }

    /// The nodes of some strongly connected component with more than one node (Tarjan's algorithm
    /// with its own stack, because histories are longer than the thread's).
    fn component_in_a_cycle(&self) -> Option<Vec<usize>> {
        const UNSEEN: u32 = u32::MAX;
        let count = self.edges.len();
        let mut order = vec![UNSEEN; count];
        let mut lowest = vec![0u32; count];
        let mut on_stack = vec![false; count];
        let mut stack = Vec::new();
        let mut next_order = 0u32;
        let mut visits: Vec<(usize, usize)> = Vec::new();
        for root in 0..count {
            if order[root] != UNSEEN {
                continue;
            }
            visits.push((root, 0));
            while let Some((node, edge)) = visits.pop() {
                if edge == 0 {
                    order[node] = next_order;
                    lowest[node] = next_order;
                    next_order += 1;
                    stack.push(node);
                    on_stack[node] = true;
                }
                if let Some(&(to, _)) = self.edges[node].get(edge) {
                    let to = to as usize;
                    visits.push((node, edge + 1));
                    if order[to] == UNSEEN {
                        visits.push((to, 0));
                    } else if on_stack[to] {
                        lowest[node] = lowest[node].min(order[to]);
                    }
                    continue;
                }
                if let Some(&(parent, _)) = visits.last() {
                    lowest[parent] = lowest[parent].min(lowest[node]);
                }
                if lowest[node] == order[node] {
                    let start = stack.iter().rposition(|&member| member == node)?;
                    let component = stack.split_off(start);
                    if component.len() > 1 {
                        return Some(component);
                    }
                    on_stack[node] = false;
                }
            }
        }
        None
    }

    fn shortest_cycle(&self, start: usize, inside: &[bool]) -> Option<Vec<(usize, Reason)>> {
        let mut came_from: Vec<Option<(usize, Reason)>> = vec![None; self.edges.len()];
        let mut queue = VecDeque::from([start]);
        while let Some(node) = queue.pop_front() {
            for &(to, reason) in &self.edges[node] {
                let to = to as usize;
                if !inside[to] || came_from[to].is_some() {
                    continue;
                }
                came_from[to] = Some((node, reason));
                if to == start {
                    return Some(self.walk_back(start, &came_from));
                }
                queue.push_back(to);
            }
        }
        None
    }

    /// The requests on the way back from `start` to itself; moments are left out.
    fn walk_back(
        &self,
        start: usize,
        came_from: &[Option<(usize, Reason)>],
    ) -> Vec<(usize, Reason)> {
        let mut cycle = Vec::new();
        let mut at = start;
        loop {
            let (before, reason) = came_from[at].expect("the walk only meets visited nodes");
            if before < self.nodes {
                cycle.push((before, reason));
            }
            at = before;
            if at == start {
                cycle.reverse();
                return cycle;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_graph_without_cycle_has_an_order() {
        let mut graph = Graph::new(4);
        graph.add(0, 1, Reason::WriteWrite);
        graph.add(0, 2, Reason::WriteRead);
        graph.add(1, 3, Reason::Program);
        graph.add(2, 3, Reason::Program);
        graph.add_real_time(&[(0, 5), (1, 9), (2, 6), (7, 12)]);
        assert_eq!(graph.cycle(), None);
    }

    #[test]
    fn the_shortest_cycle_is_reported_in_order() {
        let mut graph = Graph::new(5);
        for (from, to) in [(0, 1), (1, 2), (2, 3), (3, 0), (1, 4), (4, 0)] {
            graph.add(from, to, Reason::WriteRead);
        }
        let cycle: Vec<usize> =
            graph.cycle().expect("a cycle").into_iter().map(|(n, _)| n).collect();
        assert_eq!(cycle.len(), 3);
        assert!([0, 1, 4].iter().all(|node| cycle.contains(node)));
    }

    #[test]
    fn real_time_alone_makes_a_cycle_with_a_stale_read() {
        let mut graph = Graph::new(3);
        // 0 writes and is answered at 10; 2 is sent at 20 and yet comes before 0.
        graph.add(2, 0, Reason::ReadWrite);
        graph.add_real_time(&[(0, 10), (5, 30), (20, 40)]);
        let cycle = graph.cycle().expect("a cycle");
        let mut nodes: Vec<usize> = cycle.iter().map(|&(node, _)| node).collect();
        nodes.sort_unstable();
        assert_eq!(nodes, [0, 2]);
        assert!(cycle.contains(&(0, Reason::RealTime)) && cycle.contains(&(2, Reason::ReadWrite)));
    }

    #[test]
    fn overlapping_requests_have_no_real_time_order() {
        let mut graph = Graph::new(2);
        graph.add(1, 0, Reason::ReadWrite);
        graph.add_real_time(&[(0, 10), (10, 20)]);
        assert_eq!(graph.cycle(), None);
    }
}
