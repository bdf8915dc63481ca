use super::id::PopulationId;
use super::population::Projection;

/// The populations along the projections that `counts` keeps, ties in order of declaration; or some of the
/// populations that lie on a cycle.
pub(super) fn topological_order(
    populations: usize,
    projections: &[Projection],
    counts: impl Fn(&Projection) -> bool,
) -> Result<Vec<PopulationId>, Vec<PopulationId>> {
    let mut outgoing = vec![vec![]; populations];
    let mut waiting = vec![0_usize; populations];
    for projection in projections.iter().filter(|projection| counts(projection)) {
        outgoing[projection.source.index()].push(projection.target.index());
        waiting[projection.target.index()] += 1;
    }
    let mut ready: std::collections::BTreeSet<usize> =
        (0..populations).filter(|&p| waiting[p] == 0).collect();
    let mut order = Vec::with_capacity(populations);
    while let Some(next) = ready.pop_first() {
        order.push(PopulationId(next as u32));
        for &target in &outgoing[next] {
            waiting[target] -= 1;
            if waiting[target] == 0 {
                ready.insert(target);
            }
        }
    }
    if order.len() == populations {
        Ok(order)
    } else {
        Err((0..populations).filter(|&p| waiting[p] > 0).map(|p| PopulationId(p as u32)).collect())
    }
}
