//! What memory a run takes, told before it is taken.

use crate::network::connectivity::Connectivity;
use crate::network::{Network, Neuron, PopulationId};
use crate::run::Mode;
use crate::simulator::{longest_window, runs_in_windows};
use crate::state::inputs_counted;

/// The bytes that a simulator takes, predicted in closed form; the network itself is not counted.
///
/// Spikes are reckoned at a sixteenth of the neurons in every step, above the rates of converted nets; more spikes take
/// more. All else is what the simulators make when they are made. Numbers beyond `u64` stay at its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    /// Taken once, by the first simulator; its clones share it.
    pub shared: u64,
    /// Taken by every simulator, clones too.
    pub each: u64,
}

/// Neurons for every one that fires in a step.
const SILENT: u64 = 16;

/// What a window takes, whatever the network: spike bits, currents of a few words, rearranged spikes.
const WINDOW: u64 = 17 << 20;

/// The bytes that copies of weights for the deliveries of a window may have.
const COPIES: u64 = 96 << 20;

/// Bytes of an empty list.
const LIST: u64 = size_of::<Vec<u32>>() as u64;

impl Memory {
    /// The bytes that running a network for `steps` steps takes. O(populations, projections and convolution taps).
    #[must_use]
    pub fn of(mode: Mode, network: &Network, steps: u64) -> Self {
        let of_mode = match mode {
            Mode::Auto if runs_in_windows(network) => window(network, steps),
            // It is stepped, unless it is spread over threads.
            Mode::Auto => window(network, steps).or(event(network, steps)),
            Mode::Event => event(network, steps),
            Mode::Dense => dense(network),
        };
        let mut each = Sum(of_mode.each);
        // The state that a run starts from, and constant currents with what they are added to.
        for id in network.ids() {
            each.add(1, state(network, id));
            each.add(2, potentials(network, id).saturating_mul(4));
        }
        Self { shared: of_mode.shared, each: each.0 }
    }

    /// The bytes of a simulator and its clones, so many in all.
    #[must_use]
    pub fn of_simulators(self, simulators: usize) -> u64 {
        self.shared.saturating_add(self.each.saturating_mul(simulators as u64))
    }

    /// The most simulators, of `wanted`, that fit into `limit` bytes.
    ///
    /// # Errors
    /// The bytes that a single one takes, if these are more than `limit`.
    pub fn simulators_within(self, limit: u64, wanted: usize) -> Result<usize, u64> {
        let least = self.of_simulators(1);
        if least > limit {
            return Err(least);
        }
        let fit = (limit - self.shared) / self.each.max(1);
        Ok(usize::try_from(fit).unwrap_or(usize::MAX).min(wanted).max(1))
    }

    /// The bytes of two simulators that run beside one another.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self { shared: self.shared.saturating_add(other.shared), each: self.each.saturating_add(other.each) }
    }

    /// The bytes of whichever of two simulators takes more.
    fn or(self, other: Self) -> Self {
        Self { shared: self.shared.max(other.shared), each: self.each.max(other.each) }
    }

    /// With the outcomes of `samples` samples, which a batch keeps until its end.
    #[must_use]
    pub fn and_outcomes(self, network: &Network, samples: usize) -> Self {
        let outputs = network.population(network.output()).size() as u64;
        let each = Sum(0).and(16, outputs).and(64, network.populations().len() as u64).and(1, 256);
        Self { shared: self.shared.saturating_add(each.0.saturating_mul(samples as u64)), ..self }
    }

    /// The synapses of the projections of a network together, shared weights counted wherever they are used: what a dense
    /// step visits, and the most that one step of any simulator can. O(convolution taps and weights).
    #[must_use]
    pub fn synapses(network: &Network) -> u64 {
        let synapses = network.projections().iter().map(|projection| projection.connectivity().synapses());
        synapses.fold(0, u64::saturating_add)
    }
}

/// A sum of products that stays at the end of `u64`.
struct Sum(u64);

impl Sum {
    fn add(&mut self, times: u64, bytes: u64) {
        self.0 = self.0.saturating_add(times.saturating_mul(bytes));
    }

    fn and(mut self, times: u64, bytes: u64) -> Self {
        self.add(times, bytes);
        self
    }
}

fn size(network: &Network, id: PopulationId) -> u64 {
    network.population(id).size() as u64
}

/// The neurons of a population that have a potential.
fn potentials(network: &Network, id: PopulationId) -> u64 {
    if network.population(id).neuron().model().is_some() { size(network, id) } else { 0 }
}

/// The numbers of a neuron beside its potential, state and parameters, which simulators hold one for each neuron.
fn numbers(network: &Network, id: PopulationId) -> u64 {
    network.population(id).neuron().model().map_or(0, |model| {
        let (state, parameters) = (model.description().state.len(), model.parameters().len());
        (state + parameters) as u64
    })
}

/// Bytes of a population in a [`State`](crate::State), spikes not counted.
fn state(network: &Network, id: PopulationId) -> u64 {
    let lists = u64::from(network.delay_from(id));
    let variables =
        network.population(id).neuron().model().map_or(0, |model| model.description().state.len());
    let numbers = size(network, id).saturating_mul(variables as u64);
    Sum(0).and(4, numbers).and(8, inputs_counted(network, id) as u64).and(LIST, lists).0
}

/// Counters of max pooling: of every input, and of every unit with three bits; where counts may fall, the inputs of each
/// unit, twice while they are listed.
fn counters(network: &Network, id: PopulationId) -> u64 {
    let Neuron::MaxPool(_) = network.population(id).neuron() else { return 0 };
    let mut sum = Sum(0).and(8, inputs_counted(network, id) as u64).and(17, size(network, id));
    if network.incoming(id).any(|projection| network.emission(projection.source()).negative) {
        sum.add(32, size(network, id));
        for projection in network.incoming(id) {
            sum.add(16, projection.connectivity().synapses());
        }
    }
    sum.0
}

/// The spikes of a population in so many steps: neurons, and values where these are not all 1.
fn spikes(network: &Network, id: PopulationId, steps: u64) -> u64 {
    let emission = network.emission(id);
    // Lists grow by doubling.
    let bytes = 2 * if emission.largest > 1 || emission.negative { 8 } else { 4 };
    Sum(0).and(steps, bytes * size(network, id).div_ceil(SILENT)).0
}

fn window(network: &Network, steps: u64) -> Memory {
    let (mut shared, mut each) = (Sum(0), Sum(0));
    each.add(1, WINDOW);
    let mut copies = Sum(0);
    for projection in network.projections() {
        let connectivity = projection.connectivity();
        if let Connectivity::Conv2d(_) = connectivity {
            shared.add(4, connectivity.sources() as u64);
        }
        let rows = match connectivity {
            Connectivity::Rows(rows) => rows,
            Connectivity::Conv2d(conv) => conv.rows(),
            Connectivity::OneToOne(_) => continue,
        };
        copies.add(rows.len() as u64, 64 * (rows.width() as u64).div_ceil(16));
        copies.add(6, rows.synapses());
    }
    shared.add(1, copies.0.min(COPIES));
    let longest = longest_window(network) as u64;
    for id in network.ids() {
        let kept = u64::from(network.delay_from(id));
        // State and parameters, in whole words of 64.
        each.add(4 * numbers(network, id), size(network, id).next_multiple_of(64));
        each.add(1, counters(network, id));
        each.add(4, kept + longest);
        each.add(1, spikes(network, id, steps.min(kept.saturating_add(longest))));
    }
    Memory { shared: shared.0, each: each.0 }
}

fn event(network: &Network, steps: u64) -> Memory {
    let (mut shared, mut each) = (Sum(0), Sum(0));
    for projection in network.projections() {
        match projection.connectivity() {
            // A bit per row and block of 16 targets.
            Connectivity::Rows(rows) => {
                shared.add(rows.len() as u64, 8 * (rows.width() as u64).div_ceil(16 * 64))
            }
            Connectivity::Conv2d(_) => shared.add(4, projection.connectivity().sources() as u64),
            Connectivity::OneToOne(_) => {}
        }
    }
    let depth = u64::from(network.longest_delay()) + 1;
    // The currents of the largest population, with room behind it for a compact row, and its spike bits.
    let largest = network.ids().map(|id| potentials(network, id)).max().unwrap_or(0);
    each.add(5, largest.next_multiple_of(64));
    each.add(4, 1 << 16);
    for id in network.ids() {
        // State, parameters and the potentials that are asked for; the wake queue and some bits of each block of 16.
        each.add(4 * numbers(network, id) + 6, potentials(network, id).next_multiple_of(64));
        each.add(1, counters(network, id));
        each.add(LIST, depth);
        each.add(1, spikes(network, id, depth.min(steps)));
    }
    Memory { shared: shared.0, each: each.0 }
}

fn dense(network: &Network) -> Memory {
    let (mut shared, mut each) = (Sum(0), Sum(0));
    for projection in network.projections() {
        let connectivity = projection.connectivity();
        // Source and weight of every synapse, and where those of each target start, twice while they are gathered.
        shared.add(8, connectivity.synapses());
        shared.add(16, connectivity.targets() as u64);
    }
    for id in network.ids() {
        let steps = u64::from(network.delay_from(id)) + 1;
        // The value of a spike per neuron and step under way, and of the step at hand; counts of max pooling before and
        // after.
        each.add(steps, size(network, id).saturating_mul(4).saturating_add(LIST));
        each.add(2, size(network, id).saturating_mul(4).saturating_add(counters(network, id)));
        each.add(8, potentials(network, id));
        each.add(1, spikes(network, id, steps));
    }
    Memory { shared: shared.0, each: each.0 }
}
