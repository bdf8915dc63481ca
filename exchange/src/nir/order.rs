//! Which projections close a cycle.

/// Of projections `(source, target)` without delay between so many populations: those that close a cycle, by a walk that begins
/// at the populations of `first` and then at the others in order.
pub(super) fn closing(populations: usize, projections: &[(usize, usize)], first: &[usize]) -> Vec<bool> {
    #[derive(Clone, Copy, PartialEq)]
    enum Seen {
        Not,
        OnTheWay,
        Done,
    }
    let mut out = vec![vec![]; populations];
    for (at, &(source, _)) in projections.iter().enumerate() {
        out[source].push(at);
    }
    let mut seen = vec![Seen::Not; populations];
    let mut closes = vec![false; projections.len()];
    for begin in first.iter().copied().chain(0..populations) {
        if seen[begin] != Seen::Not {
            continue;
        }
        // Populations on the way, each with the next of its projections to follow.
        let mut way = vec![(begin, 0)];
        seen[begin] = Seen::OnTheWay;
        while let Some((population, next)) = way.last_mut() {
            let Some(&projection) = out[*population].get(*next) else {
                seen[*population] = Seen::Done;
                way.pop();
                continue;
            };
            *next += 1;
            let target = projections[projection].1;
            match seen[target] {
                Seen::OnTheWay => closes[projection] = true,
                Seen::Not => {
                    seen[target] = Seen::OnTheWay;
                    way.push((target, 0));
                }
                Seen::Done => {}
            }
        }
    }
    closes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_back_closes_a_cycle_and_the_way_there_does_not() {
        // 0 -> 1 -> 2 -> 1, 2 -> 2, 0 -> 2
        let projections = [(0, 1), (1, 2), (2, 1), (2, 2), (0, 2)];
        assert_eq!(closing(3, &projections, &[0]), [false, false, true, true, false]);
        assert_eq!(closing(3, &[(0, 1), (1, 2)], &[0]), [false; 2]);
    }
}
