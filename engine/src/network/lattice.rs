use super::connectivity::{Connectivity, Rows};
use super::population::{Population, Projection};
use crate::neuron::Emission;

/// Whole numbers that f32 has all: up to this magnitude sums and differences of them are exact.
const EXACT: f64 = 16_777_216.0;

/// What makes the potentials of a population exact: the weights onto it and its parameters are whole multiples of one power of
/// two, the *unit*, so that its potentials are too, and as long as they stay within ±2²⁴ units f32 rounds nothing. Sums then do
/// not depend on their order, and whole-number arithmetic gives the bits of the contract.
///
/// A property of the network, found when it is built, and none of a definition of its own: every simulator computes what the
/// contract says. Currents from outside are no part of it; where constant currents arrive they have to be multiples of the
/// unit, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lattice {
    exponent: i32,
    most_current: u32,
    steps: u64,
}

impl Lattice {
    /// The exponent of the unit, a power of two.
    #[must_use]
    pub fn exponent(&self) -> i32 {
        self.exponent
    }

    /// The unit: the largest power of two of which all the numbers are multiples.
    #[must_use]
    pub fn unit(&self) -> f32 {
        // Of numbers between 2^−149 and 2^64.
        2.0_f64.powi(self.exponent) as f32
    }

    /// The largest magnitude, in units, of the current that spikes can bring in one step: of any neuron the sum of its weights'
    /// magnitudes, each times the largest value of the source's spikes. What a source emits is the stimulus's to say and
    /// reckoned as 1.
    #[must_use]
    pub fn most_current(&self) -> u32 {
        self.most_current
    }

    /// The steps from the start of a run in which no potential can leave ±2²⁴ units, whatever spikes arrive; at least 1. After them it
    /// depends on the potentials.
    #[must_use]
    pub fn steps(&self) -> u64 {
        self.steps
    }
}

/// The unit of numbers, and the largest of them.
#[derive(Clone, Copy)]
struct Numbers {
    exponent: i32,
    largest: f64,
}

impl Numbers {
    const NONE: Self = Self { exponent: i32::MAX, largest: 0.0 };

    fn take(&mut self, value: f32) {
        let bits = value.to_bits() & 0x7fff_ffff;
        if bits == 0 {
            return;
        }
        let (biased, fraction) = ((bits >> 23) as i32, bits & 0x7f_ffff);
        // The value is significand · 2^(exponent of its last place).
        let (significand, place) =
            if biased == 0 { (fraction, -149) } else { (fraction | 1 << 23, biased - 150) };
        self.exponent = self.exponent.min(place + significand.trailing_zeros() as i32);
        self.largest = self.largest.max(f64::from(value.abs()));
    }

    /// Whether so much is too many units.
    fn exceeded_by(&self, sum: f64) -> bool {
        self.exponent != i32::MAX && sum > EXACT * 2.0_f64.powi(self.exponent)
    }
}

/// The lattice of a population, with the values that the spikes of every population may have.
///
/// Cost: one pass over the weights that reach it, which ends as soon as their sums are too many units: at once if they are
/// just any numbers.
pub(super) fn lattice(
    population: &Population,
    incoming: &[&Projection],
    emission: impl Fn(&Projection) -> Emission,
) -> Option<Lattice> {
    let model = population.neuron.model()?;
    let mut numbers = Numbers::NONE;
    // The bias is the first parameter; the others are where a potential may stand without anything arriving.
    let (mut bias, mut stands) = (0.0_f64, 0.0_f64);
    for (place, parameter) in model.lattice_parameters()?.into_iter().enumerate() {
        let mut own = Numbers::NONE;
        for &value in parameter.values() {
            own.take(value);
        }
        numbers.exponent = numbers.exponent.min(own.exponent);
        let largest = if place == 0 { &mut bias } else { &mut stands };
        *largest = largest.max(own.largest);
    }
    let mut currents: Vec<Currents> = vec![];
    for projection in incoming {
        let connectivity = &projection.connectivity;
        // Of every neuron, or of one period of neurons that have the same weights.
        let period = match connectivity {
            Connectivity::Rows(rows) => rows.width(),
            Connectivity::Conv2d(conv) => conv.rows().width(),
            Connectivity::OneToOne(one) => one.weights().period(),
        };
        let at = currents.iter().position(|of| of.sums.len() == period).unwrap_or_else(|| {
            currents.push(Currents { sums: vec![0.0; period], most: 0.0 });
            currents.len() - 1
        });
        let value = f64::from(emission(projection).largest.max(1));
        let fits = match connectivity {
            Connectivity::Rows(rows) => currents[at].add_rows(&mut numbers, rows, value),
            Connectivity::Conv2d(conv) => {
                let [down, across] = conv.geometry().pool.map(f64::from);
                currents[at].add_rows(&mut numbers, conv.rows(), value * down * across)
            }
            Connectivity::OneToOne(one) => {
                for (place, &weight) in one.weights().values().iter().enumerate() {
                    currents[at].add(&mut numbers, place, weight, value);
                }
                true
            }
        };
        if !fits {
            return None;
        }
    }
    let current: f64 = currents.iter().map(|currents| currents.most).sum();
    // Nothing but zeros: any unit will do.
    let exponent = if numbers.exponent == i32::MAX { 0 } else { numbers.exponent };
    let units = |potential: f64| potential / 2.0_f64.powi(exponent);
    let (start, each) = (units(stands), units(bias + current));
    if start + each > EXACT {
        return None;
    }
    let steps = if each == 0.0 { u64::MAX } else { ((EXACT - start) / each) as u64 };
    Some(Lattice { exponent, most_current: units(current) as u32, steps })
}

/// What spikes can bring to neurons in a step.
struct Currents {
    /// Of every neuron of a period the sum of its weights' magnitudes, times the values of spikes.
    sums: Vec<f64>,
    /// The largest of them.
    most: f64,
}

impl Currents {
    fn add(&mut self, numbers: &mut Numbers, place: usize, weight: f32, times: f64) {
        numbers.take(weight);
        self.sums[place] += f64::from(weight.abs()) * times;
        self.most = self.most.max(self.sums[place]);
    }

    /// Adds a table; whether its sums are few enough units. Stops at the end of a row with which they are not.
    fn add_rows(&mut self, numbers: &mut Numbers, rows: &Rows, times: f64) -> bool {
        (0..rows.len()).all(|row| {
            rows.fan_out(row, |column, weight| self.add(numbers, column, weight, times));
            !numbers.exceeded_by(self.most)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::connectivity::{OneToOne, SparseRows};
    use crate::network::{Layout, Network, NetworkBuilder, Neuron};
    use crate::neuron::models::{Accumulator, Bipolar, IntegrateFire};
    use crate::neuron::{BiasArrives, MaxPool, Reset, Sign};
    use crate::per_neuron::PerNeuron;

    fn same(value: f32) -> PerNeuron {
        PerNeuron::same(value).unwrap()
    }

    fn fires(threshold: f32, bias: f32, start: f32) -> Neuron {
        let [threshold, bias, start] = [threshold, bias, start].map(same);
        Neuron::of(IntegrateFire { threshold, bias, start, reset: Reset::Subtract })
    }

    /// Two inputs onto one neuron.
    fn network(neuron: Neuron, weights: [f32; 2]) -> Network {
        let mut builder = NetworkBuilder::new();
        let input = builder.population("input", Layout::Flat(2), Neuron::Source);
        let layer = builder.population("layer", Layout::Flat(1), neuron);
        let rows = Rows::Sparse(SparseRows::from_dense(1, &weights).unwrap());
        builder.projection(input, layer, 0, Connectivity::Rows(rows));
        builder.build().unwrap()
    }

    fn of_layer(neuron: Neuron, weights: [f32; 2]) -> Option<Lattice> {
        let network = network(neuron, weights);
        network.lattice(network.output()).copied()
    }

    #[test]
    fn the_unit_is_the_largest_power_of_two_of_which_all_numbers_are_multiples() {
        for (neuron, weights, exponent, current) in [
            (fires(4.0, 2.0, 6.0), [8.0, -2.0], 1, 5),
            (fires(4.0, 2.0, 6.0), [8.0, -3.0], 0, 11),
            (fires(1.0, 0.125, 0.5), [0.75, -0.5], -3, 10),
            (Neuron::of(Accumulator { bias: same(0.0) }), [3.0, 5.0], 0, 8),
            (Neuron::of(Accumulator { bias: same(0.0) }), [0.0, 0.0], 0, 0),
        ] {
            let lattice = of_layer(neuron.clone(), weights).unwrap();
            assert_eq!((lattice.exponent(), lattice.most_current()), (exponent, current), "{neuron:?}");
            assert_eq!(lattice.unit(), 2.0_f32.powi(exponent));
        }
    }

    #[test]
    fn the_steps_are_those_in_which_no_sum_can_leave_2_to_the_24() {
        // From 6 by at most 11 + 2 a step.
        let lattice = of_layer(fires(4.0, 2.0, 6.0), [8.0, -3.0]).unwrap();
        assert_eq!(lattice.steps(), ((1 << 24) - 6) / 13);
        let still = of_layer(Neuron::of(Accumulator { bias: same(0.0) }), [0.0, 0.0]).unwrap();
        assert_eq!(still.steps(), u64::MAX);
        // The last that fits, and one unit too many.
        assert_eq!(of_layer(fires(1.0, 0.0, 0.0), [16_777_214.0, 1.0]).unwrap().steps(), 1);
        assert_eq!(of_layer(fires(1.0, 0.0, 0.0), [16_777_215.0, 1.0]), None);
        // As many units, whatever they are.
        assert_eq!(of_layer(fires(0.5, 0.0, 0.0), [8_388_607.0, 0.5]).unwrap().exponent(), -1);
        assert_eq!(of_layer(fires(0.5, 0.0, 0.0), [8_388_607.5, 0.5]), None);
    }

    #[test]
    fn numbers_without_a_common_unit_and_potentials_that_are_scaled_have_no_lattice() {
        assert_eq!(of_layer(fires(1.0, 0.1, 0.0), [0.3, 0.7]), None);
        assert_eq!(of_layer(fires(1.0, 1e-30, 0.0), [1.0, 1.0]), None);
        let leaky = crate::network::BuiltIn::find("leaky").unwrap();
        let defaults =
            leaky.description.parameters.iter().map(|parameter| same(parameter.default.unwrap_or(1.0)));
        let leaky = leaky.neuron(defaults.collect(), &vec![0; leaky.description.choices.len()]).unwrap();
        assert_eq!(of_layer(leaky, [1.0, 1.0]), None);
        let network = network(Neuron::MaxPool(MaxPool), [1.0, 1.0]);
        assert!(network.ids().all(|id| network.lattice(id).is_none()));
    }

    #[test]
    fn a_source_of_larger_spikes_brings_more_and_projections_add_up() {
        let mut builder = NetworkBuilder::new();
        let input = builder.population("input", Layout::Flat(2), Neuron::Source);
        let bipolar = Bipolar {
            threshold: same(2.0),
            bias: same(0.0),
            start: same(1.0),
            most: same(4.0),
            low: same(0.0),
            high: same(16.0),
            sign: Sign::Signed,
            arrives: BiasArrives::Once,
        };
        let first = builder.population("first", Layout::Flat(2), Neuron::of(bipolar));
        let second = builder.population("second", Layout::Flat(2), fires(1.0, 0.0, 0.0));
        let out = builder.population("out", Layout::Flat(2), Neuron::of(Accumulator { bias: same(3.0) }));
        let one = |weight| Connectivity::OneToOne(OneToOne::new(2, same(weight)).unwrap());
        let rows = Rows::Sparse(SparseRows::from_dense(2, &[1.0, 2.0, 3.0, 5.0]).unwrap());
        builder.projection(input, first, 0, one(1.0)).projection(first, second, 0, one(1.0));
        builder.projection(first, out, 0, Connectivity::Rows(rows.clone()));
        builder.projection(second, out, 0, Connectivity::Rows(rows)).projection(second, out, 0, one(-10.0));
        let network = builder.build().unwrap();
        // (2 + 5)·4 + 2 + 5 + 10.
        assert_eq!(network.lattice(out).unwrap().most_current(), 45);
    }
}
