use crate::bits::{each_bit, set, words};
use crate::network::connectivity::Connectivity;

/// Cumulative max pooling: a unit spikes in a step iff the largest spike count among its inputs grew.
///
/// With `N_j` the number of spikes that have arrived from input `j`, the unit spikes iff `max_j N_j` grew
/// in this step. Each `N_j` grows by at most one in a step, so the unit's own count equals `max_j N_j` at
/// every step: its rate is exactly the maximum of the rates. (The maximum of the *spikes* of a step is
/// something else: two inputs that alternate at rate ½ would give rate 1.)
///
/// The inputs of a unit are the sources that have a synapse onto it; their weights must be 1.
#[derive(Clone, Copy, Debug, Default)]
pub struct MaxPool;

/// The counts of a max-pooling population.
#[derive(Clone)]
pub(crate) struct Maxima {
    arrived: Vec<u32>,
    /// The largest count among the inputs of each unit.
    largest: Vec<u32>,
    grown: Vec<u64>,
    reached: Vec<u64>,
}

impl Maxima {
    /// Nothing has arrived at `units` units from `inputs` inputs.
    pub(crate) fn new(units: usize, inputs: usize) -> Self {
        Self {
            arrived: vec![0; inputs],
            largest: vec![0; units],
            grown: vec![0; words(units)],
            reached: vec![0; words(units)],
        }
    }

    /// The spikes of every input so far.
    pub(crate) fn arrived(&self) -> &[u32] {
        &self.arrived
    }

    /// Goes on from the spikes that have arrived from every input, which the projections into the population bring.
    pub(crate) fn take<'a>(&mut self, arrived: &[u32], incoming: impl Iterator<Item = &'a Connectivity>) {
        self.arrived.copy_from_slice(arrived);
        self.largest.fill(0);
        if self.arrived.iter().all(|&count| count == 0) {
            return;
        }
        let mut first_input = 0;
        for connectivity in incoming {
            for source in 0..connectivity.sources() {
                let arrived = self.arrived[first_input + source];
                connectivity.fan_out(source, |unit, _| self.largest[unit] = self.largest[unit].max(arrived));
            }
            first_input += connectivity.sources();
        }
    }

    /// Counts the spikes of one projection. Returns the number of synaptic operations.
    pub(crate) fn arrive(&mut self, connectivity: &Connectivity, first_input: usize, spikes: &[u32]) -> u64 {
        let mut operations = 0;
        for &source in spikes {
            let arrived = &mut self.arrived[first_input + source as usize];
            *arrived += 1;
            connectivity.fan_out(source as usize, |unit, _| {
                operations += 1;
                set(&mut self.reached, unit);
                if *arrived > self.largest[unit] {
                    self.largest[unit] = *arrived;
                    set(&mut self.grown, unit);
                }
            });
        }
        operations
    }

    /// Lists the units whose largest count grew. Returns the number of units reached.
    pub(crate) fn update(&mut self, fired: &mut Vec<u32>) -> u64 {
        each_bit(&self.grown, |unit| fired.push(unit as u32));
        let reached = self.reached.iter().map(|word| u64::from(word.count_ones())).sum();
        self.grown.fill(0);
        self.reached.fill(0);
        reached
    }
}
