//! Each kernel of every instruction set against its definition, in plain loops.

use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};

use super::*;
use crate::network::connectivity::{Rows, SparseRows};
use crate::neuron::IntegrateFire;

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
                add(&spikes, starts, &starts[1..], ids, rows.weights(), chunk);
                let same = currents.iter().zip(&expected).all(|(a, b)| a.to_bits() == b.to_bits());
                assert!(same, "{}, seed {seed}", kernels.name);
            }
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
        let columns = Columns::of(&rows);
        let mut masks = SpikeMasks::default();
        masks.take(sources as usize, steps, |step| &spikes[step]);
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
                (kernels.time_lanes)(&columns, first, &masks, steps, &mut currents);
                assert_eq!(bits(&currents), bits(&expected), "{}, seed {seed}", kernels.name);
            }
        }
    }
}

#[test]
fn a_window_of_64_neurons_is_what_their_steps_are_one_by_one() {
    for seed in 0..60 {
        let mut rng = rng(seed);
        let steps = rng.random_range(1..=256);
        let k = rng.random_range(1..=257 - steps as u32);
        let reset = if seed % 2 == 0 { Reset::Subtract } else { Reset::Zero };
        let start = lines(&mut rng, 4, 0.0);
        let mut biases = lines(&mut rng, 4, 0.0);
        flat_mut(&mut biases).iter_mut().for_each(|bias| *bias *= [0.0, 0.01, 1.0][seed as usize % 3]);
        if seed % 8 == 0 {
            flat_mut(&mut biases).iter_mut().for_each(|bias| *bias = -bias.abs());
        }
        let thresholds = vec![Line::of(1.0); 4];
        let mut currents = lines(&mut rng, 4 * steps, 0.7);
        // In some steps nothing arrives anywhere.
        for step in 0..steps {
            if seed % 4 == 0 && rng.random_bool(0.6) {
                (0..4).for_each(|line| currents[line * steps + step] = Line::of(-0.0));
            }
        }
        // By the definition of the neuron, one neuron after the other.
        let (mut u, mut fired, mut updates) = (start.clone(), vec![0_u64; steps], 0);
        for neuron in 0..4 * BLOCK {
            let (line, lane) = (neuron / BLOCK, neuron % BLOCK);
            for step in 0..steps {
                let current = currents[line * steps + step].0[lane];
                let current = (current.to_bits() != (-0.0_f32).to_bits()).then_some(current);
                let ramp = (k + step as u32) as f32;
                let u = &mut u[line].0[lane];
                let fires = IntegrateFire::step(u, current, biases[line].0[lane], ramp, 1.0, reset);
                fired[step] |= u64::from(fires) << neuron;
                updates += u64::from(fires || current.is_some());
            }
        }
        for kernels in available() {
            let what = format!("{}, seed {seed}", kernels.name);
            let (mut potentials, mut found) = (start.clone(), vec![0_u64; 2 * steps]);
            let mut neurons =
                Windowed { potentials: &mut potentials, biases: &biases, thresholds: &thresholds, k, reset };
            let counted = (kernels.integrate_window)(&mut neurons, &currents, 0, steps, &mut found[1..], 2);
            assert_eq!((bits(&potentials), counted), (bits(&u), updates), "{what}");
            let words = found.chunks_exact(2);
            assert!(words.zip(&fired).all(|(pair, word)| pair == [0, *word]), "{what}");
            // The same in two pieces.
            let (mut potentials, mut counted, piece) = (start.clone(), 0, steps / 3);
            for (first, steps) in [(0, piece), (piece, steps - piece)] {
                let mut neurons = Windowed {
                    potentials: &mut potentials,
                    biases: &biases,
                    thresholds: &thresholds,
                    k: k + first as u32,
                    reset,
                };
                let found = &mut found[2 * first..];
                counted += (kernels.integrate_window)(&mut neurons, &currents, first, steps, found, 2);
            }
            assert_eq!((bits(&potentials), counted), (bits(&u), updates), "{what}");
            assert!(found.chunks_exact(2).zip(&fired).all(|(pair, word)| pair[0] == *word), "{what}");
            // The same step by step.
            let (mut potentials, mut counted) = (start.clone(), 0);
            for step in 0..steps {
                let mut of_step: Vec<Line> = (0..4).map(|line| currents[line * steps + step]).collect();
                let mut word = [0];
                let mut neurons = Windowed {
                    potentials: &mut potentials,
                    biases: &biases,
                    thresholds: &thresholds,
                    k: k + step as u32,
                    reset,
                };
                counted += (kernels.integrate_step)(&mut neurons, &mut of_step, &mut word);
                assert_eq!(word[0], fired[step], "{what}, step {step}");
                assert_eq!(bits(&of_step), bits(&[Line::of(-0.0); 4]), "{what}: currents are left at rest");
            }
            assert_eq!((bits(&potentials), counted), (bits(&u), updates), "{what}");
        }
    }
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
