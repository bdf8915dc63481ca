use std::sync::Arc;

use criterion::{Criterion, Throughput};
use snn_engine::kernel::{self, Line, Windowed, flat, flat_mut};
use snn_engine::*;

use crate::nets;

const STEPS: usize = 256;
const THRESHOLD: f32 = 1.0;

/// The window simulator at several densities and rates, beside the loop that scatters each spike's row (scalar,
/// 32-bit ids, the same vectorised membrane update) and beside one dense product over all steps with that
/// update. Ratios on one core, best of many, stand in `benches/record`.
pub fn bench(criterion: &mut Criterion) {
    let cases = [
        (1200, 1.0, 0.05),
        (1200, 0.3, 0.05),
        (1200, 0.1, 0.1),
        (1200, 0.1, 0.02),
        (1200, 0.1, 0.005),
        (1200, 0.02, 0.02),
        (4096, 0.1, 0.02),
    ];
    for (n, density, rate) in cases {
        let mut group = criterion.benchmark_group(format!("window/{n}x{n} density {density} rate {rate}"));
        let spread = (3.0 / (n as f64 * density * rate)).sqrt().min(8.0);
        let rows = nets::rows(n, n, density, 0.4 * spread as f32, 0.1, 5);
        let input = encode::bernoulli(&vec![rate as f32; n], STEPS as u32, 1, 0).unwrap();
        let rival = Rival::new(&rows, &input);
        let network = network(&rows);
        let sample = Sample { drive: Drive::none(), spikes: vec![(network.find("input").unwrap(), input)] };
        let mut windows = WindowSimulator::new(Arc::clone(&network));
        let mut run = || {
            windows.reset();
            windows.run(&sample, STEPS as u64, &mut ()).unwrap();
            *windows.statistics().of(network.output())
        };
        let counted = run();
        let mut buffers = Buffers::new(n);
        assert_eq!(rival.scatter(&mut buffers), counted.spikes, "{n} {density} {rate}");
        let fired = counted.spikes as f64 / (n * STEPS) as f64;
        assert!((0.005..0.3).contains(&fired), "{n} {density} {rate}: rate {fired}");
        group.throughput(Throughput::Elements(counted.synaptic_operations));
        group.sample_size(10);
        group.bench_function("window", |bencher| bencher.iter(&mut run));
        group.bench_function("rival: plain scatter", |bencher| bencher.iter(|| rival.scatter(&mut buffers)));
        group.bench_function("rival: dense product", |bencher| bencher.iter(|| rival.product(&mut buffers)));
        group.finish();
    }
}

fn network(rows: &SparseRows) -> Arc<Network> {
    let n = rows.row_starts().len() - 1;
    let same = |value| PerNeuron::same(value).unwrap();
    let mut builder = NetworkBuilder::new();
    let input = builder.population("input", Layout::Flat(n as u32), Neuron::Source);
    let model = IntegrateFire {
        threshold: same(THRESHOLD),
        bias: same(0.0),
        start: same(0.0),
        reset: Reset::Subtract,
    };
    let layer = builder.population("layer", Layout::Flat(n as u32), Neuron::IntegrateFire(model));
    builder.projection(input, layer, 0, Connectivity::Rows(Rows::Sparse(rows.clone())));
    Arc::new(builder.build().unwrap())
}

struct Buffers {
    potentials: Vec<Line>,
    /// `[steps][n]`
    currents: Vec<Line>,
    fired: Vec<u64>,
}

impl Buffers {
    fn new(n: usize) -> Self {
        let lines = n.div_ceil(64) * 4;
        Self {
            potentials: vec![Line::of(0.0); lines],
            currents: vec![Line::of(-0.0); lines * STEPS],
            fired: vec![0; lines / 4],
        }
    }
}

/// The same layer as users would write it themselves.
struct Rival {
    n: usize,
    starts: Vec<usize>,
    ids: Vec<u32>,
    weights: Vec<f32>,
    /// `[n][n]`
    dense: Vec<f32>,
    /// `[steps][n]`, 1 for a spike.
    ones: Vec<f32>,
    input: Raster,
    thresholds: Vec<Line>,
    biases: Vec<Line>,
}

impl Rival {
    fn new(rows: &SparseRows, input: &Raster) -> Self {
        let n = rows.row_starts().len() - 1;
        let ids: Vec<u32> = (0..rows.targets().len()).map(|at| rows.targets().get(at) as u32).collect();
        let starts: Vec<usize> = rows.row_starts().iter().map(|&start| start as usize).collect();
        let weights = rows.weights().to_vec();
        let mut dense = vec![0.0; n * n];
        for (row, range) in starts.windows(2).enumerate() {
            for at in range[0]..range[1] {
                dense[row * n + ids[at] as usize] = weights[at];
            }
        }
        let mut ones = vec![0.0; STEPS * n];
        for step in 0..STEPS {
            for &source in input.step(step) {
                ones[step * n + source as usize] = 1.0;
            }
        }
        let lines = n.div_ceil(64) * 4;
        let mut thresholds = vec![Line::of(f32::INFINITY); lines];
        flat_mut(&mut thresholds)[..n].fill(THRESHOLD);
        let biases = vec![Line::of(0.0); lines];
        Self { n, starts, ids, weights, dense, ones, input: input.clone(), thresholds, biases }
    }

    /// The membrane update of a step with the currents from line `first` on, which it leaves at rest.
    fn update(&self, buffers: &mut Buffers, step: usize, first: usize) -> u64 {
        let mut neurons = Windowed {
            potentials: &mut buffers.potentials,
            biases: &self.biases,
            thresholds: &self.thresholds,
            k: step as u32 + 1,
            reset: Reset::Subtract,
        };
        let currents = &mut buffers.currents[first..][..self.thresholds.len()];
        (kernel::best().integrate_step)(&mut neurons, currents, &mut buffers.fired);
        buffers.fired.iter().map(|word| u64::from(word.count_ones())).sum()
    }

    fn scatter(&self, buffers: &mut Buffers) -> u64 {
        buffers.potentials.fill(Line::of(0.0));
        buffers.currents[..self.thresholds.len()].fill(Line::of(-0.0));
        let mut spikes = 0;
        for step in 0..STEPS {
            let currents = flat_mut(&mut buffers.currents);
            for &source in self.input.step(step) {
                let range = self.starts[source as usize]..self.starts[source as usize + 1];
                for (&id, weight) in self.ids[range.clone()].iter().zip(&self.weights[range]) {
                    currents[id as usize] += weight;
                }
            }
            spikes += self.update(buffers, step, 0);
        }
        spikes
    }

    fn product(&self, buffers: &mut Buffers) -> u64 {
        let width = self.thresholds.len() * 16;
        buffers.potentials.fill(Line::of(0.0));
        let n = self.n;
        let currents = flat_mut(&mut buffers.currents);
        assert_eq!(currents.len(), STEPS * width);
        // SAFETY: ones is [steps][n], dense is [n][n], and currents hold steps rows of width ≥ n.
        unsafe {
            matrixmultiply::sgemm(
                STEPS,
                n,
                n,
                1.0,
                self.ones.as_ptr(),
                n as isize,
                1,
                self.dense.as_ptr(),
                n as isize,
                1,
                0.0,
                currents.as_mut_ptr(),
                width as isize,
                1,
            );
        }
        let lines = self.thresholds.len();
        let spikes = (0..STEPS).map(|step| self.update(buffers, step, step * lines)).sum();
        assert!(flat(&buffers.potentials).iter().all(|u| u.is_finite()));
        spikes
    }
}
