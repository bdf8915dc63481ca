use std::sync::Arc;

use crate::bits::{each_bit, set, words};
use crate::network::connectivity::Connectivity;
use crate::spikes::{SpikeList, SpikeSlice};

/// Cumulative max pooling: a unit emits by how much the largest spike count among its inputs changed.
///
/// With `N_j` the sum of the values of the spikes that have arrived from input `j`, the unit emits
/// `max_j N_j(t) − max_j N_j(t−1)` in step `t`, and nothing if that is 0. So the unit's own count equals `max_j N_j` at
/// every step: its rate is exactly the maximum of the rates. (The maximum of the *spikes* of a step is something
/// else: two inputs that alternate at rate ½ would give rate 1.)
///
/// The inputs of a unit are the sources that have a synapse onto it; their weights must be 1.
#[derive(Clone, Copy, Debug, Default)]
pub struct MaxPool;

/// The counts of a max-pooling population.
#[derive(Clone)]
pub(crate) struct Maxima {
    /// The sum of the values that have arrived from every input.
    arrived: Vec<i64>,
    /// The largest count among the inputs of each unit.
    largest: Vec<i64>,
    /// What it was after the last step.
    told: Vec<i64>,
    /// Units whose largest count grew in this step.
    grown: Vec<u64>,
    /// Units at which the count of some input fell.
    fallen: Vec<u64>,
    reached: Vec<u64>,
    /// The inputs of each unit; needed only where counts may fall.
    inputs: Option<Arc<Inputs>>,
}

/// The inputs of each unit.
struct Inputs {
    /// `[units + 1]`
    starts: Vec<usize>,
    inputs: Vec<usize>,
}

impl Inputs {
    fn of<'a>(units: usize, incoming: impl Iterator<Item = &'a Connectivity>) -> Self {
        let mut of_units = vec![vec![]; units];
        let mut first_input = 0;
        for connectivity in incoming {
            for source in 0..connectivity.sources() {
                connectivity.fan_out(source, |unit, _| of_units[unit].push(first_input + source));
            }
            first_input += connectivity.sources();
        }
        let mut starts = vec![0];
        for inputs in &of_units {
            starts.push(starts[starts.len() - 1] + inputs.len());
        }
        Self { starts, inputs: of_units.concat() }
    }

    /// The largest count among the inputs of a unit; 0 if it has none.
    fn largest(&self, unit: usize, arrived: &[i64]) -> i64 {
        let inputs = &self.inputs[self.starts[unit]..self.starts[unit + 1]];
        inputs.iter().map(|&input| arrived[input]).max().unwrap_or(0)
    }
}

impl Maxima {
    /// Nothing has arrived at `units` units from `inputs` inputs; `incoming` brings it. Counts may fall if spikes of
    /// negative value may come.
    pub(crate) fn new<'a>(
        units: usize,
        inputs: usize,
        negative: bool,
        incoming: impl Iterator<Item = &'a Connectivity>,
    ) -> Self {
        Self {
            arrived: vec![0; inputs],
            largest: vec![0; units],
            told: vec![0; units],
            grown: vec![0; words(units)],
            fallen: vec![0; words(units)],
            reached: vec![0; words(units)],
            inputs: negative.then(|| Arc::new(Inputs::of(units, incoming))),
        }
    }

    /// The counts of every input so far.
    pub(crate) fn arrived(&self) -> &[i64] {
        &self.arrived
    }

    /// Goes on from the counts of every input, which the projections into the population bring.
    pub(crate) fn take<'a>(&mut self, arrived: &[i64], incoming: impl Iterator<Item = &'a Connectivity>) {
        self.arrived.copy_from_slice(arrived);
        self.largest.fill(0);
        if self.arrived.iter().any(|&count| count != 0) {
            let inputs = Inputs::of(self.largest.len(), incoming);
            for (unit, largest) in self.largest.iter_mut().enumerate() {
                *largest = inputs.largest(unit, arrived);
            }
        }
        self.told.copy_from_slice(&self.largest);
    }

    /// Counts the spikes of one projection. Returns the number of synaptic operations.
    pub(crate) fn arrive(
        &mut self,
        connectivity: &Connectivity,
        first_input: usize,
        spikes: SpikeSlice<'_>,
    ) -> u64 {
        let mut operations = 0;
        for (source, value) in spikes.iter() {
            let arrived = &mut self.arrived[first_input + source as usize];
            *arrived += i64::from(value);
            connectivity.fan_out(source as usize, |unit, _| {
                operations += 1;
                set(&mut self.reached, unit);
                if value < 0 {
                    set(&mut self.fallen, unit);
                } else if *arrived > self.largest[unit] {
                    self.largest[unit] = *arrived;
                    set(&mut self.grown, unit);
                }
            });
        }
        operations
    }

    /// Lists the units whose largest count changed. Returns the number of units reached.
    pub(crate) fn update(&mut self, fired: &mut SpikeList) -> u64 {
        let (neurons, values) = fired.parts();
        for (grown, fallen) in self.grown.iter_mut().zip(&self.fallen) {
            *grown |= fallen;
        }
        each_bit(&self.grown, |unit| {
            if let Some(inputs) = &self.inputs
                && self.fallen[unit / 64] >> (unit % 64) & 1 == 1
            {
                self.largest[unit] = inputs.largest(unit, &self.arrived);
            }
            // Every count changes by a spike of every projection at most, of which the largest is an i32.
            let value = (self.largest[unit] - self.told[unit]) as i32;
            if value != 0 {
                neurons.push(unit as u32);
                values.push(value);
            }
            self.told[unit] = self.largest[unit];
        });
        fired.settle();
        let reached = self.reached.iter().map(|word| u64::from(word.count_ones())).sum();
        self.grown.fill(0);
        self.fallen.fill(0);
        self.reached.fill(0);
        reached
    }
}
