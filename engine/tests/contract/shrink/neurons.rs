//! Taking neurons out of a population, with everything that belongs to them.

use snn_engine::Connectivity;

use crate::case::{Case, Kind};

/// The weights of a convolution, or of pairs, as a table `[sources][targets]`; `None` of what is a table already.
pub fn table(case: &Case, projection: usize) -> Option<Vec<f32>> {
    let one = &case.projections[projection];
    let [sources, targets] = [one.source, one.target].map(|at| case.populations[at].size());
    let connectivity = match &one.kind {
        Kind::Rows { .. } => return None,
        Kind::Conv2d { .. } | Kind::OneToOne(_) => one.kind.build(sources, targets).ok()?,
    };
    let weight =
        |connectivity: &Connectivity, source, target| connectivity.weight(source, target).unwrap_or(0.0);
    let pairs = (0..sources).flat_map(|source| (0..targets).map(move |target| (source, target)));
    Some(pairs.map(|(source, target)| weight(&connectivity, source, target)).collect())
}

/// Keeps some neurons of a population. Convolutions stay as they are: who changes their images changes them first.
/// The layout stays, too.
pub fn keep(case: &mut Case, at: usize, keeps: impl Fn(usize) -> bool) {
    let sizes: Vec<usize> = case.populations.iter().map(|population| population.size()).collect();
    let size = sizes[at];
    // One value for all neurons stays.
    let keep_values = |values: &mut Vec<f32>| {
        if values.len() == size && size > 1 {
            let all = values.clone();
            let mut neuron = 0;
            values.retain(|_| {
                neuron += 1;
                keeps(neuron - 1)
            });
            if values.is_empty() {
                values.push(all[0]);
            }
        }
    };
    for values in &mut case.populations[at].parameters {
        keep_values(values);
    }
    for one in &mut case.projections {
        let [from, to] = [one.source == at, one.target == at];
        match &mut one.kind {
            Kind::Rows { table, .. } => {
                let width = sizes[one.target];
                let mut place = 0;
                table.retain(|_| {
                    let (row, column) = (place / width, place % width);
                    place += 1;
                    (!from || keeps(row)) && (!to || keeps(column))
                });
            }
            // Only where both sides lose the same neurons do pairs stay pairs.
            Kind::OneToOne(weights) if from && to => keep_values(weights),
            Kind::OneToOne(_) | Kind::Conv2d { .. } => {}
        }
    }
    for sample in &mut case.samples {
        for (_, values) in sample.values.iter_mut().filter(|(source, _)| *source == at) {
            let mut neuron = 0;
            values.retain(|_| {
                neuron += 1;
                keeps(neuron - 1)
            });
        }
        sample.gifts.retain(|gift| gift.population != at || keeps(gift.neuron as usize));
        for gift in sample.gifts.iter_mut().filter(|gift| gift.population == at) {
            gift.neuron = (0..gift.neuron).filter(|one| keeps(*one as usize)).count() as u32;
        }
        for (_, steps) in sample.spikes.iter_mut().filter(|(source, _)| *source == at) {
            for step in steps {
                step.retain(|(neuron, _)| keeps(*neuron as usize));
                for (neuron, _) in step {
                    *neuron = (0..*neuron).filter(|one| keeps(*one as usize)).count() as u32;
                }
            }
        }
    }
}
