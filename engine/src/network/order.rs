use super::id::PopulationId;
use super::population::Projection;

/// The populations along the projections that `counts` keeps, ties in order of declaration; or some of the
/// populations that lie on a cycle.
pub(super) fn topological_order(
    populations: usize,
    projections: &[Projection],
    counts: impl Fn(&Projection) -> bool,
) -> Result<Vec<PopulationId>, Vec<PopulationId>> {
    let kept = projections.iter().filter(|projection| counts(projection));
    let edges: Vec<[usize; 2]> =
        kept.map(|projection| [projection.source.index(), projection.target.index()]).collect();
    let ids = |places: Vec<usize>| places.into_iter().map(|p| PopulationId(p as u32)).collect();
    sorted(populations, &edges).map(ids).map_err(ids)
}

/// The nodes along the edges, ties in ascending order; or those that lie on a cycle or behind one.
fn sorted(nodes: usize, edges: &[[usize; 2]]) -> Result<Vec<usize>, Vec<usize>> {
    let outgoing = outgoing(nodes, edges);
    let mut waiting = vec![0_usize; nodes];
    edges.iter().for_each(|[_, target]| waiting[*target] += 1);
    let mut ready: std::collections::BTreeSet<usize> =
        (0..nodes).filter(|&node| waiting[node] == 0).collect();
    let mut order = Vec::with_capacity(nodes);
    while let Some(next) = ready.pop_first() {
        order.push(next);
        for &target in &outgoing[next] {
            waiting[target] -= 1;
            if waiting[target] == 0 {
                ready.insert(target);
            }
        }
    }
    if order.len() == nodes { Ok(order) } else { Err((0..nodes).filter(|&node| waiting[node] > 0).collect()) }
}

fn outgoing(nodes: usize, edges: &[[usize; 2]]) -> Vec<Vec<usize>> {
    let mut outgoing = vec![vec![]; nodes];
    edges.iter().for_each(|&[source, target]| outgoing[source].push(target));
    outgoing
}

/// Populations each of which reaches each other, through whatever delays: a strongly connected component.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Component {
    /// In the order in which they are run, each over `span` steps before the next.
    pub(crate) populations: Vec<PopulationId>,
    /// The most steps that can be run so; `None` for a population that does not reach itself: any number.
    pub(crate) span: Option<u32>,
}

/// The components of a network, each behind all that reach it. O(populations + projections · log projections).
///
/// Within a component a population is run over `L` steps at once when all that arrives from those behind it was emitted
/// before the window: when the projections of delays below `L` form no cycle. `span` is the largest such `L`, at least
/// the shortest delay that is not 0.
pub(super) fn components(populations: usize, projections: &[Projection]) -> Vec<Component> {
    let edges: Vec<[usize; 2]> =
        projections.iter().map(|projection| [projection.source.index(), projection.target.index()]).collect();
    let members = strongly_connected(populations, &edges);
    let (mut component_of, mut place) = (vec![0; populations], vec![0; populations]);
    for (component, members) in members.iter().enumerate() {
        for (at, &member) in members.iter().enumerate() {
            (component_of[member], place[member]) = (component, at);
        }
    }
    let mut within: Vec<Vec<(u32, [usize; 2])>> = vec![vec![]; members.len()];
    for (projection, &[source, target]) in projections.iter().zip(&edges) {
        if component_of[source] == component_of[target] {
            within[component_of[source]].push((projection.delay, [place[source], place[target]]));
        }
    }
    let id = |population: usize| PopulationId(population as u32);
    members
        .into_iter()
        .zip(within)
        .map(|(members, within)| {
            let (order, span) = longest_span(members.len(), &within);
            Component { populations: order.into_iter().map(|at| id(members[at])).collect(), span }
        })
        .collect()
}

/// The order and the span of the nodes of a component, from its edges with delays.
fn longest_span(nodes: usize, edges: &[(u32, [usize; 2])]) -> (Vec<usize>, Option<u32>) {
    if edges.is_empty() {
        return ((0..nodes).collect(), None);
    }
    let below = |span: u32| {
        let kept: Vec<[usize; 2]> =
            edges.iter().filter(|(delay, _)| *delay < span).map(|(_, edge)| *edge).collect();
        sorted(nodes, &kept).ok()
    };
    let mut delays: Vec<u32> = edges.iter().map(|(delay, _)| *delay).filter(|delay| *delay > 0).collect();
    delays.sort_unstable();
    delays.dedup();
    // Longer spans keep more edges: those that are possible come first. The first always is, as a network has no cycle
    // without delay.
    let possible = delays.partition_point(|&span| below(span).is_some());
    let span = possible.checked_sub(1).map_or(1, |last| delays[last]);
    (below(span).unwrap_or_else(|| (0..nodes).collect()), Some(span))
}

/// The strongly connected components of a graph, each behind all that reach it, its nodes ascending (Kosaraju's
/// algorithm: Sharir, Comput. Math. Appl. 7, 67, 1981). O(nodes + edges).
fn strongly_connected(nodes: usize, edges: &[[usize; 2]]) -> Vec<Vec<usize>> {
    let mut finished = Vec::with_capacity(nodes);
    let mut seen = vec![false; nodes];
    let forward = outgoing(nodes, edges);
    for node in 0..nodes {
        visit(node, &forward, &mut seen, &mut finished);
    }
    let reversed: Vec<[usize; 2]> = edges.iter().map(|&[source, target]| [target, source]).collect();
    let backward = outgoing(nodes, &reversed);
    seen.fill(false);
    let mut components = vec![];
    for &node in finished.iter().rev() {
        let mut members = vec![];
        visit(node, &backward, &mut seen, &mut members);
        if !members.is_empty() {
            members.sort_unstable();
            components.push(members);
        }
    }
    components
}

/// Appends the nodes that are reached from one and were not seen before, each behind those that it reaches. Depth first,
/// without recursion: a network may be deep.
fn visit(first: usize, outgoing: &[Vec<usize>], seen: &mut [bool], finished: &mut Vec<usize>) {
    if std::mem::replace(&mut seen[first], true) {
        return;
    }
    let mut path = vec![(first, 0)];
    while let Some((node, next)) = path.last_mut() {
        match outgoing[*node].get(*next) {
            Some(&target) => {
                *next += 1;
                if !std::mem::replace(&mut seen[target], true) {
                    path.push((target, 0));
                }
            }
            None => {
                finished.push(*node);
                path.pop();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The components of a graph by the definition: who reaches whom.
    fn reach(nodes: usize, edges: &[[usize; 2]]) -> Vec<Vec<bool>> {
        let mut reaches = vec![vec![false; nodes]; nodes];
        edges.iter().for_each(|&[source, target]| reaches[source][target] = true);
        for via in 0..nodes {
            for from in 0..nodes {
                for to in 0..nodes {
                    reaches[from][to] |= reaches[from][via] && reaches[via][to];
                }
            }
        }
        reaches
    }

    /// A number that depends on another and on nothing else.
    fn mixed(x: u64) -> u64 {
        let x = (x ^ x >> 31).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        (x ^ x >> 29).wrapping_mul(0xBF58_476D_1CE4_E5B9) >> 32
    }

    #[test]
    fn components_are_those_that_reach_each_other_and_come_in_order() {
        for seed in 0..300 {
            let nodes = 1 + (mixed(seed) % 8) as usize;
            let draw = |what: u64, below: u64| mixed(seed * 1000 + what) % below;
            let count = draw(1, 14);
            let node = |what: u64| draw(what, nodes as u64) as usize;
            let edges: Vec<[usize; 2]> =
                (0..count).map(|at| [node(10 + 2 * at), node(11 + 2 * at)]).collect();
            let (components, reaches) = (strongly_connected(nodes, &edges), reach(nodes, &edges));
            let component: Vec<usize> = (0..nodes)
                .map(|node| components.iter().position(|members| members.contains(&node)).unwrap())
                .collect();
            assert_eq!(components.iter().map(Vec::len).sum::<usize>(), nodes, "seed {seed}");
            for a in 0..nodes {
                for b in 0..nodes {
                    let together = a == b || reaches[a][b] && reaches[b][a];
                    assert_eq!(component[a] == component[b], together, "seed {seed}, {a}, {b}");
                    assert!(!reaches[a][b] || component[a] <= component[b], "seed {seed}, {a} reaches {b}");
                }
            }
        }
    }

    #[test]
    fn a_span_is_the_most_steps_for_which_no_population_waits_for_one_behind_it() {
        // A loop of its own: its delay. Of several, the shortest.
        assert_eq!(longest_span(1, &[(3, [0, 0]), (5, [0, 0])]), (vec![0], Some(3)));
        // A cycle may have short delays as long as one of it is long.
        assert_eq!(longest_span(3, &[(0, [1, 0]), (2, [0, 2]), (7, [2, 1])]), (vec![1, 0, 2], Some(7)));
        // Of two cycles the shorter one counts, and of each the longest delay.
        let edges = [(1, [0, 1]), (4, [1, 0]), (2, [1, 2]), (3, [2, 1])];
        assert_eq!(longest_span(3, &edges).1, Some(3));
        assert_eq!(longest_span(2, &[]), (vec![0, 1], None));
        for seed in 0..300 {
            let nodes = 1 + (mixed(seed) % 5) as usize;
            let draw = |what: u64, below: u64| mixed(seed * 1000 + what) % below;
            let edges: Vec<(u32, [usize; 2])> = (0..draw(1, 9))
                .map(|at| {
                    let node = |what: u64| draw(what, nodes as u64) as usize;
                    // Some without delay, along the order of the nodes only.
                    let (a, b) = (node(20 + 3 * at), node(21 + 3 * at));
                    (draw(22 + 3 * at, 6) as u32 + u32::from(a >= b), [a, b])
                })
                .collect();
            let (order, span) = longest_span(nodes, &edges);
            let Some(span) = span else { continue };
            let place = |node: usize| order.iter().position(|&other| other == node).unwrap();
            let runs = |span: u32, place: &dyn Fn(usize) -> usize| {
                edges.iter().all(|&(delay, [a, b])| delay >= span || place(a) < place(b))
            };
            assert!(runs(span, &place), "seed {seed}: {edges:?}, {order:?}, {span}");
            // No order allows one more step, but where nothing would change.
            let longest = edges.iter().map(|(delay, _)| *delay).max().unwrap_or(0);
            let mut all = vec![vec![]];
            for node in 0..nodes {
                all = all
                    .into_iter()
                    .flat_map(|order: Vec<usize>| {
                        (0..=order.len()).map(move |at| {
                            let mut longer = order.clone();
                            longer.insert(at, node);
                            longer
                        })
                    })
                    .collect();
            }
            let longer = all
                .iter()
                .any(|order| runs(span + 1, &|node| order.iter().position(|&other| other == node).unwrap()));
            assert!(!longer || span == longest, "seed {seed}: {edges:?}: {span} is not the most");
        }
    }
}
