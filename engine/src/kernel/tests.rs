//! Each kernel of every instruction set against its definition, in plain loops.

use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};

use super::membrane::{
    BlockStep, LINES_PER_WORD, Neurons, WordWindow, integrate_blocks, integrate_window, integrate_words,
};
use super::{Line, Octets, Packed, SpikeMasks, available, best};
use crate::lanes::{BLOCK, flat, flat_mut};
use crate::network::connectivity::{DenseRows, Rows, SparseRows};
use crate::neuron::models::{
    Accumulator, AdaptiveLeaky, Bipolar, CurrentLeaky, IntegrateFire, Leaky, LeakyAccumulator,
};
use crate::neuron::{Autonomy, LeakyReset};
use crate::neuron::{BiasArrives, Columns, Model, REBASE, Reset, Sign};
use crate::spikes::SpikeSlice;

fn rng(seed: u64) -> Xoshiro256PlusPlus {
    Xoshiro256PlusPlus::seed_from_u64(seed)
}

fn lines(rng: &mut Xoshiro256PlusPlus, n: usize, absent: f64) -> Vec<Line> {
    let mut lines = vec![Line::of(-0.0); n];
    for value in flat_mut(&mut lines) {
        if !rng.random_bool(absent) {
            // Tenths, so that the order of a sum shows in its bits.
            *value = rng.random_range(-9_i32..=12) as f32 * 0.1;
        }
    }
    lines
}

fn bits(lines: &[Line]) -> Vec<u32> {
    flat(lines).iter().map(|value| value.to_bits()).collect()
}

fn lists(rng: &mut Xoshiro256PlusPlus, n: u32, steps: usize, rate: f64) -> Vec<Vec<u32>> {
    (0..steps).map(|_| (0..n).filter(|_| rng.random_bool(rate)).collect()).collect()
}

#[test]
fn rows_are_added_in_order_and_nothing_else_is_touched() {
    for seed in 0..50 {
        let mut rng = rng(seed);
        let width = rng.random_range(1..60);
        let density = rng.random_range(0.0..1.0);
        let mut table = vec![0.0; 30 * width];
        for weight in &mut table {
            if rng.random_bool(density) {
                *weight = rng.random_range(1_i32..=9) as f32 * 0.1;
            }
        }
        let rows = SparseRows::from_dense(width, &table).unwrap();
        let crate::network::connectivity::Targets::U16(ids) = rows.targets() else {
            panic!("{width} targets fit 16 bits")
        };
        let spikes = lists(&mut rng, 30, 1, 0.5).remove(0);
        let mut expected = vec![-0.0_f32; 1 << 16];
        for &spike in &spikes {
            for (target, weight) in table[spike as usize * width..][..width].iter().enumerate() {
                if *weight != 0.0 {
                    expected[target] += weight;
                }
            }
        }
        for kernels in available() {
            for add in [kernels.add_rows, kernels.add_far_rows] {
                let mut currents = vec![-0.0_f32; 1 << 16];
                let chunk = currents.first_chunk_mut().unwrap();
                let starts = rows.row_starts();
                add(&spikes, starts, &starts[1..], ids, &rows.weights().to_f32(), chunk);
                let same = currents.iter().zip(&expected).all(|(a, b)| a.to_bits() == b.to_bits());
                assert!(same, "{}, seed {seed}", kernels.name);
            }
            let wide: Vec<u32> = ids.iter().map(|&id| u32::from(id)).collect();
            let (mut currents, starts) = (vec![-0.0_f32; width], rows.row_starts());
            (kernels.add_wide_rows)(
                &spikes,
                starts,
                &starts[1..],
                &wide,
                &rows.weights().to_f32(),
                &mut currents,
            );
            let same = currents.iter().zip(&expected).all(|(a, b)| a.to_bits() == b.to_bits());
            assert!(same, "{}, wide, seed {seed}", kernels.name);
        }
    }
}

#[test]
fn a_tile_sums_the_rows_of_each_step_in_order() {
    for seed in 0..60 {
        let mut rng = rng(seed);
        let (sources, steps) = (rng.random_range(1..200), rng.random_range(1..=256));
        let first = rng.random_range(-50_i64..1000);
        let rate = [0.0, 0.02, 0.3, 1.0][seed as usize % 4];
        let mut spikes = lists(&mut rng, sources, steps, rate);
        for spike in spikes.iter_mut().flatten() {
            *spike = (i64::from(*spike) + first).max(0) as u32;
        }
        for list in &mut spikes {
            list.dedup();
        }
        let mut rows = vec![Line::of(-0.0)];
        rows.extend(lines(&mut rng, sources as usize, 0.5));
        let mut octets = Octets::default();
        octets.arrange(sources as usize, first, steps, |step| &spikes[step]);
        assert_eq!(octets.is_empty(), spikes.iter().all(Vec::is_empty));
        let before = lines(&mut rng, octets.padded(), 0.3);
        for fresh in [false, true] {
            let mut expected = before.clone();
            for (step, current) in expected.iter_mut().enumerate() {
                for target in 0..BLOCK {
                    let start = if fresh { -0.0 } else { current.0[target] };
                    let list = spikes.get(step).map_or(&[][..], Vec::as_slice);
                    let row = |spike: &u32| &rows[(i64::from(*spike) - first + 1) as usize];
                    current.0[target] = list.iter().fold(start, |sum, spike| sum + row(spike).0[target]);
                }
            }
            for kernels in available() {
                let mut currents = before.clone();
                (kernels.deliver_tile)(&rows, &[], &octets, &mut currents, fresh);
                assert_eq!(bits(&currents), bits(&expected), "{}, seed {seed}", kernels.name);
            }
        }
    }
}

#[test]
fn a_run_adds_the_rows_of_its_spikes_in_order_and_absent_weights_bring_nothing() {
    for seed in 0..60 {
        let mut rng = rng(seed);
        let (sources, width) = (rng.random_range(1..60_u32), rng.random_range(1..300_usize));
        let first = rng.random_range(-40_i64..1000);
        let absent = [0.0, 0.4, 1.0][seed as usize % 3];
        let each = width.div_ceil(BLOCK);
        let mut rows = lines(&mut rng, sources as usize * each, absent);
        for row in flat_mut(&mut rows).chunks_exact_mut(each * BLOCK) {
            row[width..].fill(-0.0);
        }
        let ids: Vec<u32> = (0..sources).filter(|_| rng.random_bool(0.6)).collect();
        let values: Vec<i32> = ids.iter().map(|_| [-3, -1, 1, 2, 4096][rng.random_range(0..5)]).collect();
        let given: Vec<u32> = ids.iter().map(|&id| (i64::from(id) + first) as u32).collect();
        let before: Vec<f32> = flat(&lines(&mut rng, each, 0.5))[..width].to_vec();
        for valued in [false, true] {
            let values = if valued { &values[..] } else { &[] };
            let mut expected = before.clone();
            for (place, &id) in ids.iter().enumerate() {
                let row = &flat(&rows)[id as usize * each * BLOCK..][..width];
                for (current, weight) in expected.iter_mut().zip(row) {
                    if weight.to_bits() != (-0.0_f32).to_bits() {
                        *current += weight * values.get(place).map_or(1.0, |&value| value as f32);
                    }
                }
            }
            let expected: Vec<u32> = expected.iter().map(|current| current.to_bits()).collect();
            for kernels in available() {
                let mut currents = before.clone();
                (kernels.add_run)(&rows, first as u32, (&given, values), valued, &mut currents);
                let found: Vec<u32> = currents.iter().map(|current| current.to_bits()).collect();
                assert_eq!(found, expected, "{}, seed {seed}", kernels.name);
            }
        }
        // Of channels by themselves.
        let weights: Vec<f32> = flat(&lines(&mut rng, each, absent))[..width]
            .iter()
            .map(|&weight| if weight == 0.0 { -0.0 } else { weight })
            .collect();
        let values: Vec<f32> = (0..width).map(|_| rng.random_range(-2_i32..=2) as f32).collect();
        let expected = before.iter().zip(&weights).zip(&values).map(|((current, weight), value)| {
            let arrives = *weight != 0.0 && *value != 0.0;
            (if arrives { current + weight * value } else { *current }).to_bits()
        });
        let expected: Vec<u32> = expected.collect();
        for kernels in available() {
            let mut currents = before.clone();
            (kernels.add_channels)(&weights, &values, &mut currents);
            let found: Vec<u32> = currents.iter().map(|current| current.to_bits()).collect();
            assert_eq!(found, expected, "{}, seed {seed}", kernels.name);
        }
    }
}

#[test]
fn packed_weights_are_unpacked_to_their_places_and_nothing_stays_from_before() {
    for seed in 0..20 {
        let mut rng = rng(seed);
        let rows = rng.random_range(1..500);
        let mut expected = vec![Line::of(-0.0)];
        expected.extend(lines(&mut rng, rows, [0.99, 0.7, 0.0][seed as usize % 3]));
        let weights = flat(&expected).iter().enumerate().filter(|(_, weight)| weight.to_bits() != 1 << 31);
        let mut packed = vec![];
        for (at, (place, &weight)) in weights.enumerate() {
            if at % Packed::WEIGHTS == 0 {
                packed.push(Packed::NONE);
            }
            packed.last_mut().unwrap().set(at % Packed::WEIGHTS, weight, place as u16);
        }
        for kernels in available() {
            let mut into = vec![7.0; 1 << 16];
            (kernels.unpack)(&packed, rows + 1, into.first_chunk_mut().unwrap());
            let (these, behind) = into.split_at((rows + 1) * BLOCK);
            assert!(
                these.iter().zip(flat(&expected)).all(|(a, b)| a.to_bits() == b.to_bits()),
                "{}",
                kernels.name
            );
            assert!(behind.iter().all(|&value| value == 7.0), "{}", kernels.name);
        }
    }
}

#[test]
fn time_lanes_sum_the_weights_of_the_sources_that_fire_in_order() {
    for seed in 0..40 {
        let mut rng = rng(seed);
        let (sources, width, steps) =
            (rng.random_range(1..80), rng.random_range(1..40), rng.random_range(1..=256));
        let table: Vec<f32> = (0..sources as usize * width)
            .map(|_| if rng.random_bool(0.4) { rng.random_range(-9_i32..=12) as f32 * 0.1 } else { 0.0 })
            .collect();
        let rows = Rows::Sparse(SparseRows::from_dense(width, &table).unwrap());
        let spikes = lists(&mut rng, sources, steps, 0.3);
        let columns = super::Columns::of(&rows);
        let mut masks = SpikeMasks::default();
        masks.take(sources as usize, steps, |step| SpikeSlice::unit(&spikes[step]), |source| source);
        let padded = steps.next_multiple_of(BLOCK);
        for first in (0..width).step_by(BLOCK) {
            let mut expected = vec![Line::of(-0.0); padded];
            for (list, current) in spikes.iter().zip(&mut expected) {
                for (target, current) in (first..width).zip(&mut current.0) {
                    for &spike in list {
                        *current += rows.weight(spike as usize, target).unwrap_or(-0.0);
                    }
                }
            }
            for kernels in available() {
                let mut currents = vec![Line::of(7.0); padded];
                (kernels.time_lanes)(&columns, first, &masks, 0, steps, &mut currents);
                assert_eq!(bits(&currents), bits(&expected), "{}, seed {seed}", kernels.name);
            }
        }
    }
}

/// Parameters of a model for 64 neurons: `[lines][columns]`.
fn columns(draw: &mut impl FnMut(usize) -> f32, count: usize) -> Vec<Line> {
    (0..LINES_PER_WORD * count).map(|at| Line(std::array::from_fn(|_| draw(at % count)))).collect()
}

/// 64 neurons of a model.
#[derive(Clone)]
struct Word<M> {
    model: M,
    parameters: Vec<Line>,
    reals: Vec<Line>,
    counts: Vec<Line<i32>>,
}

impl<M: Model> Word<M> {
    fn neurons(&mut self) -> Neurons<'_> {
        let Self { parameters, reals, counts, .. } = self;
        Neurons { parameters, reals, counts }
    }

    fn bits(&self) -> (Vec<u32>, Vec<i32>) {
        (bits(&self.reals), self.counts.iter().flat_map(|line| line.0).collect())
    }

    fn of_neuron<T: Copy>(lines: &[Line<T>], neuron: usize, column: usize) -> T {
        let columns = lines.len() / LINES_PER_WORD;
        lines[neuron / BLOCK * columns + column].0[neuron % BLOCK]
    }

    /// One neuron by the definition.
    fn step(&mut self, neuron: usize, current: Option<f32>, k: u32) -> i32 {
        let parameters = Columns::from_fn(|i| Self::of_neuron(&self.parameters, neuron, i));
        let mut reals: M::Reals<f32> = Columns::from_fn(|i| Self::of_neuron(&self.reals, neuron, i));
        let mut counts: M::Counts<i32> = Columns::from_fn(|i| Self::of_neuron(&self.counts, neuron, i));
        let value = self.model.step(&parameters, &mut reals, &mut counts, current, k);
        let columns = self.reals.len() / LINES_PER_WORD;
        for (i, real) in reals.as_slice().iter().enumerate() {
            self.reals[neuron / BLOCK * columns + i].0[neuron % BLOCK] = *real;
        }
        let columns = self.counts.len() / LINES_PER_WORD;
        for (i, count) in counts.as_slice().iter().enumerate() {
            self.counts[neuron / BLOCK * columns + i].0[neuron % BLOCK] = *count;
        }
        value
    }
}

/// Calls `check` with 64 neurons of every model and variant, their parameters drawn.
fn each_word(seed: u64, check: &mut impl Check) {
    let same = |value| crate::per_neuron::PerNeuron::same(value).unwrap();
    let (zero, one) = (same(0.0), same(1.0));
    let mut rng = rng(seed);
    let scale = [0.0, 0.01, 1.0, -0.5][seed as usize % 4];
    let bias = |rng: &mut Xoshiro256PlusPlus| rng.random_range(-9_i32..=12) as f32 * 0.1 * scale;
    for reset in [Reset::Subtract, Reset::Zero] {
        let model = IntegrateFire { threshold: one.clone(), bias: zero.clone(), start: zero.clone(), reset };
        let parameters = columns(&mut |i| if i == 0 { bias(&mut rng) } else { 1.0 }, 2);
        let reals = lines(&mut rng, 4, 0.0);
        check.word(&Word { model, parameters, reals, counts: vec![] });
    }
    let parameters = columns(&mut |_| bias(&mut rng), 1);
    let reals = lines(&mut rng, 4, 0.0);
    check.word(&Word { model: Accumulator { bias: zero.clone() }, parameters, reals, counts: vec![] });
    let left = [0.0, 0.9, 1.0, 0.5][seed as usize / 4 % 4];
    let parameters = columns(&mut |i| if i == 0 { bias(&mut rng) } else { left }, 2);
    let reals = lines(&mut rng, 4, 0.0);
    let model = LeakyAccumulator { leak: one.clone(), bias: zero.clone(), start: zero.clone() };
    check.word(&Word { model, parameters, reals, counts: vec![] });
    for sign in [Sign::Signed, Sign::Unsigned] {
        let bound = Bipolar::UNBOUNDED;
        let [most, low, high] =
            [[1.0, 0.0, 3.0], [4.0, 0.0, bound], [2.0, -2.0, 2.0], [4096.0, -bound, bound]]
                [seed as usize / 4 % 4];
        let model = Bipolar {
            threshold: one.clone(),
            bias: zero.clone(),
            start: zero.clone(),
            most: one.clone(),
            low: zero.clone(),
            high: zero.clone(),
            sign,
            arrives: BiasArrives::EveryStep,
        };
        let mut draw = |i: usize| match i {
            0 => bias(&mut rng),
            1 => [0.3, 1.0, 0.1, 1e-30][rng.random_range(0..4)],
            i => [most, low, high][i - 2],
        };
        let parameters = columns(&mut draw, 5);
        let reals = lines(&mut rng, 4, 0.0);
        let counts = (0..4)
            .map(|_| Line(std::array::from_fn(|_| rng.random_range(-2..=2).clamp(low as i32, high as i32))));
        let counts = counts.collect();
        check.word(&Word { model, parameters, reals, counts });
    }
    for reset in [LeakyReset::Subtract, LeakyReset::To] {
        let [most, share] = [[0.0, 0.9], [2.0, 1.0], [3.0, 0.0], [1.0, 0.5]][seed as usize / 4 % 4];
        // Bias, threshold, leak, value after a spike, steps of rest; then decay or recovery, and rise.
        let mut draw = |i: usize| match i {
            0 => bias(&mut rng),
            1 => [0.3, 1.0, 0.1][rng.random_range(0..3)],
            3 => -0.2,
            4 => most,
            6 => 0.3,
            _ => share,
        };
        let all = [5, 6, 7].map(|count| columns(&mut draw, count));
        let mut count = |_| Line(std::array::from_fn(|_| rng.random_range(0..=most as i32)));
        let counts = [(); 3].map(|()| (0..4).map(&mut count).collect::<Vec<_>>());
        let reals = [1, 2, 2].map(|n| lines(&mut rng, 4 * n, 0.0));
        let [first, second, third] = all;
        let [a, b, c] = counts;
        let [x, y, z] = reals;
        let (leak, threshold, bias) = (one.clone(), one.clone(), zero.clone());
        let (start, after, refractory) = (zero.clone(), zero.clone(), zero.clone());
        let model = Leaky { leak, threshold, bias, start, reset, after, refractory };
        check.word(&Word { model, parameters: first, reals: x, counts: a });
        let (leak, threshold, bias, decay) = (one.clone(), one.clone(), zero.clone(), one.clone());
        let (start, after, refractory) = (zero.clone(), zero.clone(), zero.clone());
        let model = CurrentLeaky { decay, leak, threshold, bias, start, reset, after, refractory };
        check.word(&Word { model, parameters: second, reals: y, counts: b });
        let (leak, threshold, bias) = (one.clone(), one.clone(), zero.clone());
        let (start, after, refractory) = (zero.clone(), zero.clone(), zero.clone());
        let (recovery, rise) = (one.clone(), one.clone());
        let model = AdaptiveLeaky { recovery, rise, leak, threshold, bias, start, reset, after, refractory };
        check.word(&Word { model, parameters: third, reals: z, counts: c });
    }
}

trait Check {
    fn word<M: Model>(&mut self, word: &Word<M>);
}

/// Windows, words and blocks of neurons beside their steps one by one.
struct ByDefinition(u64);

impl Check for ByDefinition {
    fn word<M: Model>(&mut self, start: &Word<M>) {
        let seed = self.0;
        let mut rng = rng(seed);
        let steps = rng.random_range(1..=256);
        let k = rng.random_range(1..=257 - steps as u32);
        let mut currents = lines(&mut rng, 4 * steps, 0.7);
        // In some steps nothing arrives anywhere.
        for step in 0..steps {
            if seed.is_multiple_of(4) && rng.random_bool(0.6) {
                (0..4).for_each(|line| currents[line * steps + step] = Line::of(-0.0));
            }
        }
        let (mut word, mut fired, mut values, mut updates) = (start.clone(), vec![0_u64; steps], vec![], 0);
        for (step, fired) in fired.iter_mut().enumerate() {
            for neuron in 0..4 * BLOCK {
                let current = currents[neuron / BLOCK * steps + step].0[neuron % BLOCK];
                let current = (current.to_bits() != (-0.0_f32).to_bits()).then_some(current);
                let value = word.step(neuron, current, k + step as u32);
                *fired |= u64::from(value != 0) << neuron;
                if value != 0 && M::VALUES {
                    values.push(value);
                }
                updates += u64::from(value != 0 || current.is_some());
            }
        }
        for kernels in available() {
            let what = format!("{}, {}, seed {seed}", M::NAME, kernels.name);
            // In one piece, and in two.
            for pieces in [vec![(0, steps)], vec![(0, steps / 3), (steps / 3, steps - steps / 3)]] {
                let (mut found, mut bits, mut of_values, mut counted) =
                    (start.clone(), vec![0_u64; 2 * steps], vec![], 0);
                for (first, length) in pieces {
                    let window = WordWindow {
                        currents: &currents,
                        first,
                        steps: length,
                        k: k + first as u32,
                        fired: &mut bits[2 * first + 1..],
                        stride: 2,
                        values: Some(&mut of_values),
                    };
                    let model = found.model.clone();
                    counted += integrate_window(kernels.set, &model, found.neurons(), window);
                }
                assert_eq!((found.bits(), counted), (word.bits(), updates), "{what}");
                assert_eq!(of_values, values, "{what}");
                let words = bits.chunks_exact(2);
                assert!(words.zip(&fired).all(|(pair, word)| pair == [0, *word]), "{what}");
            }
            // Step by step: all neurons, and the blocks that something reaches.
            let (mut found, mut of_values, mut counted) = (start.clone(), vec![], 0);
            let (mut blocks, mut of_blocks, mut ids) = (start.clone(), vec![], vec![]);
            for step in 0..steps {
                let of_step: Vec<Line> = (0..4).map(|line| currents[line * steps + step]).collect();
                let (mut bits, mut left, model) = ([0], of_step.clone(), found.model.clone());
                let at = k + step as u32;
                let neurons = found.neurons();
                counted += integrate_words(
                    kernels.set,
                    &model,
                    neurons,
                    &mut left,
                    at,
                    &mut bits,
                    Some(&mut of_values),
                );
                assert_eq!(bits[0], fired[step], "{what}, step {step}");
                let rest = [Line::of(-0.0); 4];
                assert_eq!(self::bits(&left), self::bits(&rest), "{what}: currents are left at rest");
                ids.clear();
                let (mut left, mut acts) = (of_step, [0; 4]);
                let blocks_of_step = BlockStep {
                    blocks: &[0b1111],
                    currents: &mut left,
                    k: at,
                    acts: &mut acts,
                    fired: &mut ids,
                    values: Some(&mut of_blocks),
                };
                integrate_blocks(kernels.set, &model, blocks.neurons(), blocks_of_step);
                let of_ids = ids.iter().fold(0_u64, |bits, id| bits | 1 << id);
                assert_eq!(of_ids, fired[step], "{what}, step {step}");
                assert_eq!(self::bits(&left), self::bits(&rest), "{what}: currents are left at rest");
            }
            assert_eq!((found.bits(), counted), (word.bits(), updates), "{what}");
            assert_eq!(blocks.bits(), word.bits(), "{what}");
            assert_eq!((&of_values, &of_blocks), (&values, &values), "{what}");
        }
    }
}

#[test]
fn neurons_in_windows_words_and_blocks_do_what_their_steps_are_one_by_one() {
    for seed in 0..64 {
        each_word(seed, &mut ByDefinition(seed));
    }
}

/// The step at which a block acts by itself beside a search for it, step by step.
struct ActsAreFound(u64, usize);

impl Check for ActsAreFound {
    fn word<M: Model>(&mut self, start: &Word<M>) {
        // Models that move in every step are stepped in every step.
        if M::AUTONOMY == Autonomy::EveryStep {
            return;
        }
        for after in [1, 17, 200, 254, 255, 256] {
            let first_of_block = |block: usize, word: &Word<M>| {
                (after + 1..=REBASE + 1).find(|&k| {
                    // Behind the ramp only what acts at its end acts.
                    let k = k.min(REBASE);
                    (block * BLOCK..(block + 1) * BLOCK).any(|neuron| {
                        let mut moved = word.clone();
                        moved.step(neuron, None, k) != 0 || moved.bits() != word.bits()
                    })
                })
            };
            for kernels in available() {
                let (mut word, model) = (start.clone(), start.model.clone());
                let (mut currents, mut acts) = (vec![Line::of(-0.0); 4], [0; 4]);
                let step = BlockStep {
                    blocks: &[0b1111],
                    currents: &mut currents,
                    k: after,
                    acts: &mut acts,
                    fired: &mut vec![],
                    values: Some(&mut vec![]),
                };
                integrate_blocks(kernels.set, &model, word.neurons(), step);
                for (block, &acts) in acts.iter().enumerate() {
                    let searched = first_of_block(block, &word).filter(|&k| k <= REBASE || after == REBASE);
                    let what = format!("{}, {}, seed {}, after {after}", M::NAME, kernels.name, self.0);
                    assert_eq!(u32::from(acts), searched.unwrap_or(0), "{what}, block {block}");
                    self.1 += usize::from(u32::from(acts) > after + 1);
                }
            }
        }
    }
}

#[test]
fn the_predicted_act_is_the_first_step_at_which_a_neuron_does_something_by_itself() {
    let mut far = 0;
    for seed in 0..32 {
        let mut check = ActsAreFound(seed, 0);
        each_word(seed, &mut check);
        far += check.1;
    }
    assert!(far > 100, "only {far} acts lay ahead");
}

#[test]
fn spikes_with_values_bring_their_weights_times_the_value_in_order() {
    for seed in 0..40 {
        let mut rng = rng(seed);
        let (sources, width, steps) =
            (rng.random_range(1..80_u32), rng.random_range(1..40), rng.random_range(1..=256));
        let table: Vec<f32> = (0..sources as usize * width)
            .map(|_| if rng.random_bool(0.4) { rng.random_range(-9_i32..=12) as f32 * 0.1 } else { 0.0 })
            .collect();
        let sparse = SparseRows::from_dense(width, &table).unwrap();
        let dense = DenseRows::new(width, table.clone().into()).unwrap();
        let full = dense.weights().to_f32();
        let spikes = lists(&mut rng, sources, steps, 0.3);
        let values: Vec<Vec<i32>> = spikes
            .iter()
            .map(|list| list.iter().map(|_| [1, -1, 3, -4096][rng.random_range(0..4)]).collect())
            .collect();
        let slices: Vec<SpikeSlice<'_>> =
            spikes.iter().zip(&values).map(|(list, values)| SpikeSlice::new(list, values).unwrap()).collect();
        let rows = Rows::Sparse(sparse.clone());
        let expected: Vec<Vec<f32>> = slices
            .iter()
            .map(|spikes| {
                let mut currents = vec![-0.0_f32; width];
                for (source, value) in spikes.iter() {
                    rows.fan_out(source as usize, |target, weight| currents[target] += weight * value as f32);
                }
                currents
            })
            .collect();
        let same = |found: &[f32], step: usize| {
            found.iter().zip(&expected[step]).all(|(a, b)| a.to_bits() == b.to_bits())
        };
        let columns = super::Columns::of(&rows);
        let mut masks = SpikeMasks::default();
        masks.take(sources as usize, steps, |step| slices[step], |source| source);
        let mut octets = Octets::default();
        octets.arrange(sources as usize, 0, steps, |step| &spikes[step]);
        octets.set_values(|step| &values[step]);
        let crate::network::connectivity::Targets::U16(ids) = sparse.targets() else { panic!("few targets") };
        for kernels in available() {
            let what = format!("{}, seed {seed}", kernels.name);
            for (step, spikes) in slices.iter().enumerate() {
                let mut currents = vec![-0.0_f32; 1 << 16];
                let starts = sparse.row_starts();
                if !spikes.values().is_empty() {
                    let chunk = currents.first_chunk_mut().unwrap();
                    let (rows, values) = (spikes.neurons(), spikes.values());
                    (kernels.add_scaled_rows)(
                        rows,
                        values,
                        starts,
                        &starts[1..],
                        ids,
                        &sparse.weights().to_f32(),
                        chunk,
                    );
                    assert!(same(&currents, step), "rows: {what}, step {step}");
                }
                for dense_row in [false, true] {
                    let mut currents = vec![-0.0_f32; width];
                    for (source, value) in spikes.iter() {
                        let range = sparse.range(source as usize);
                        let weights = &sparse.weights().to_f32()[range.clone()];
                        let wide: Vec<u32> = ids[range.clone()].iter().map(|&id| u32::from(id)).collect();
                        let value = value as f32;
                        if dense_row {
                            (kernels.add_scaled_row)(
                                &full[dense.range(source as usize, 0..width)],
                                value,
                                &mut currents,
                            );
                        } else {
                            (kernels.scatter_scaled_u32)(&wide, weights, value, &mut currents);
                        }
                    }
                    assert!(same(&currents, step), "dense {dense_row}: {what}, step {step}");
                }
            }
            for first in (0..width).step_by(BLOCK) {
                let mut tile = vec![Line::of(-0.0); 1 + sources as usize];
                for (row, line) in tile[1..].iter_mut().enumerate() {
                    for (lane, value) in line.0.iter_mut().enumerate() {
                        *value = rows_weight(&rows, row, first + lane, width);
                    }
                }
                let mut of_lanes = vec![Line::of(7.0); steps.next_multiple_of(BLOCK)];
                (kernels.time_lanes)(&columns, first, &masks, 0, steps, &mut of_lanes);
                let mut of_tiles = vec![Line::of(7.0); octets.padded()];
                (kernels.deliver_tile)(&tile, &[], &octets, &mut of_tiles, true);
                for step in 0..steps {
                    let end = width.min(first + BLOCK);
                    for (lane, target) in (first..end).enumerate() {
                        let wanted = expected[step][target].to_bits();
                        assert_eq!(of_lanes[step].0[lane].to_bits(), wanted, "lanes: {what}, step {step}");
                        assert_eq!(of_tiles[step].0[lane].to_bits(), wanted, "tiles: {what}, step {step}");
                    }
                }
            }
        }
    }
}

fn rows_weight(rows: &Rows, row: usize, target: usize, width: usize) -> f32 {
    if target < width { rows.weight(row, target).unwrap_or(-0.0) } else { -0.0 }
}

#[test]
#[should_panic(expected = "row 8 of a block of 7")]
fn a_spike_behind_the_last_row_of_a_block_is_not_arranged() {
    Octets::default().arrange(7, 10, 3, |_| &[11, 17]);
}

#[test]
#[should_panic(expected = "rows for")]
fn a_tile_with_too_few_rows_is_not_delivered() {
    let mut octets = Octets::default();
    octets.arrange(7, 0, 1, |_| &[6]);
    let rows = vec![Line::of(-0.0); 7];
    (best().deliver_tile)(&rows, &[], &octets, &mut vec![Line::of(-0.0); 8], true);
}
