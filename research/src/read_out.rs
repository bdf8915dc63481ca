use snn_engine::Network;
use snn_formats::Unit;

/// What the last population of a network says in a run, from a step on: to name a class and how sure it is.
pub(crate) struct ReadOut<'a> {
    network: &'a Network,
    unit: Option<&'a Unit>,
    /// Whether input and biases arrived once, so that what was received is no sum over steps.
    once: bool,
    integrates: bool,
    counts: Vec<i64>,
    /// What had been received at the first step that is read, and that step; empty if it is step 0.
    before: Vec<f64>,
    from: u64,
}

impl<'a> ReadOut<'a> {
    pub fn new(network: &'a Network, unit: Option<&'a Unit>, once: bool) -> Self {
        let output = network.population(network.output());
        let integrates = output.neuron().is_read_out();
        Self { network, unit, once, integrates, counts: vec![0; output.size()], before: vec![], from: 0 }
    }

    /// Counts a spike of the last population.
    pub fn count(&mut self, neuron: u32, value: i32) {
        self.counts[neuron as usize] += i64::from(value);
    }

    /// Reads only what is received after this step.
    pub fn begin(&mut self, step: u64, potentials: &[f32]) {
        self.before = self.received(potentials);
        self.from = step;
    }

    /// What every neuron received since the read-out began, in the user's order: the potential of neurons that integrate,
    /// the sum of the values of their own spikes for others.
    pub fn since(&self, potentials: &[f32]) -> Vec<f64> {
        let mut received = self.received(potentials);
        received.iter_mut().zip(&self.before).for_each(|(now, before)| *now -= before);
        received
    }

    fn received(&self, potentials: &[f32]) -> Vec<f64> {
        let layout = self.network.population(self.network.output()).layout();
        let places = (0..self.counts.len()).map(|index| layout.neuron_at(index));
        if self.integrates {
            places.map(|neuron| f64::from(potentials[neuron])).collect()
        } else {
            // Counts are far below 2^53.
            places.map(|neuron| self.counts[neuron] as f64).collect()
        }
    }

    /// The trained net's outputs as `received` up to a step estimates them, in their unit where the network states one, else
    /// per step.
    pub fn outputs(&self, received: &[f64], step: u64) -> Vec<f64> {
        let steps = if self.once { 1.0 } else { (step - self.from).max(1) as f64 };
        let layout = self.network.population(self.network.output()).layout();
        let value = |(index, received): (usize, &f64)| match self.unit {
            Some(unit) => f64::from(unit.value(layout.neuron_at(index), received / steps)),
            None => received / steps,
        };
        received.iter().enumerate().map(value).collect()
    }
}

/// The place of the largest number, the first among equals; 0 if there are none.
pub(crate) fn first_largest<T: PartialOrd>(values: &[T]) -> usize {
    let mut largest = 0;
    for (place, value) in values.iter().enumerate() {
        if *value > values[largest] {
            largest = place;
        }
    }
    largest
}

/// By how much the largest number exceeds all others; infinite if it is alone.
pub(crate) fn margin(values: &[f64]) -> f64 {
    let best = first_largest(values);
    let others = values.iter().enumerate().filter(|(place, _)| *place != best).map(|(_, value)| *value);
    values.get(best).copied().unwrap_or(0.0) - others.fold(f64::NEG_INFINITY, f64::max)
}

/// The softmax of the largest number.
pub(crate) fn confidence(values: &[f64]) -> f64 {
    let best = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    1.0 / values.iter().map(|value| (value - best).exp()).sum::<f64>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn margin_and_confidence_are_those_of_the_two_best() {
        assert_eq!(first_largest(&[1.0, 3.0, 3.0]), 1);
        assert_eq!(margin(&[1.0, 3.0, 2.5]), 0.5);
        assert_eq!(margin(&[3.0, 3.0]), 0.0);
        assert_eq!(margin(&[7.0]), f64::INFINITY);
        assert_eq!(confidence(&[0.0, 0.0]), 0.5);
        assert_eq!(confidence(&[1000.0, 0.0]), 1.0);
        assert!((confidence(&[2_f64.ln(), 0.0]) - 2.0 / 3.0).abs() < 1e-12);
    }
}
