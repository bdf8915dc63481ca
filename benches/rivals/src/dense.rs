use std::sync::Arc;

use matrixmultiply::sgemm;
use snn_engine::{Buffer, Connectivity, Conv2d, Network, Neuron, PopulationId, Rows, Sample};

use crate::membrane::Neurons;
use crate::rival::{Counts, Rival, Unsupported, check};

/// The most bytes of weights and spikes that the dense rival may need: 3 GiB.
const MOST_BYTES: u64 = 3 << 30;

/// So many numbers an im2col matrix may have at a time, so that it stays in the cache.
const COLUMNS: usize = 1 << 20;

/// What a dense multi-step framework does: for every population one blocked matrix product of all spikes
/// `[steps][sources]` with all weights `[sources][targets]`, then a scan of the membranes, step by step. A
/// convolution is the product of its im2col matrix, made for as many steps at a time as stay in the cache.
///
/// It runs on its own spikes. The product adds in another order and may fuse, so these are those of the engine
/// only up to rounding: counts are compared with a tolerance.
pub struct Dense {
    network: Arc<Network>,
    /// `[rows][width]` of every projection.
    tables: Vec<Buffer<f32>>,
    neurons: Vec<Option<Neurons>>,
    /// 0 or 1, `[steps][size]` of every population.
    spikes: Vec<Vec<f32>>,
    steps: u32,
    /// `[steps][size]`
    currents: Vec<f32>,
    columns: Vec<f32>,
}

impl Dense {
    /// The rival for a network and runs of `steps` steps.
    ///
    /// # Errors
    /// If the network holds something that this rival does not run, or needs more memory than 3 GiB.
    pub fn new(network: Arc<Network>, steps: u32) -> Result<Self, Unsupported> {
        check(&network)?;
        let neurons = network.populations().iter().map(|population| population.size() as u64);
        let weights = network.projections().iter().map(|one| match one.connectivity() {
            Connectivity::Rows(rows) => rows.len() as u64 * rows.width() as u64,
            Connectivity::Conv2d(conv) => conv.rows().len() as u64 * conv.rows().width() as u64,
            Connectivity::OneToOne(one) => one.size() as u64,
        });
        let bytes = 4 * (weights.sum::<u64>() + 2 * u64::from(steps) * neurons.sum::<u64>());
        if bytes > MOST_BYTES {
            let needed = bytes as f64 / f64::from(1 << 30);
            return Err(Unsupported(format!("dense weights and spikes need {needed:.1} GiB; allowed are 3")));
        }
        Ok(Self {
            tables: network.projections().iter().map(|one| table(one.connectivity())).collect(),
            neurons: network.ids().map(|id| Neurons::of(&network, id)).collect(),
            spikes: network.populations().iter().map(|one| vec![0.0; one.size() * steps as usize]).collect(),
            steps,
            currents: vec![],
            columns: vec![],
            network,
        })
    }

    fn run_population(&mut self, id: PopulationId) {
        let network = Arc::clone(&self.network);
        let Some(neurons) = &mut self.neurons[id.index()] else { return };
        let n = network.population(id).size();
        let steps = self.steps as usize;
        self.currents.resize(self.currents.len().max(steps * n), 0.0);
        let mut fresh = true;
        for (projection, table) in network.projections().iter().zip(&self.tables) {
            if projection.target() != id {
                continue;
            }
            let spikes = &self.spikes[projection.source().index()];
            let currents = &mut self.currents[..steps * n];
            match projection.connectivity() {
                Connectivity::Rows(rows) => product([steps, rows.len(), n], spikes, table, currents, fresh),
                Connectivity::Conv2d(conv) => {
                    convolve(conv, steps, spikes, table, &mut self.columns, currents, fresh);
                }
                Connectivity::OneToOne(_) => {
                    if fresh {
                        currents.fill(0.0);
                    }
                    for (currents, spikes) in currents.chunks_exact_mut(n).zip(spikes.chunks_exact(n)) {
                        for ((current, spike), weight) in currents.iter_mut().zip(spikes).zip(table.iter()) {
                            *current += spike * weight;
                        }
                    }
                }
            }
            fresh = false;
        }
        if fresh {
            self.currents[..steps * n].fill(0.0);
        }
        neurons.restart();
        let fired = &mut self.spikes[id.index()];
        for step in 0..self.steps {
            let range = step as usize * n..(step as usize + 1) * n;
            neurons.step(step, &self.currents[range.clone()], &mut fired[range]);
        }
    }
}

fn table(connectivity: &Connectivity) -> Buffer<f32> {
    let of_rows = |rows: &Rows| match rows {
        // An absent weight is stored as −0.0 and adds nothing.
        Rows::Dense(dense) => dense.weights().to_f32(),
        Rows::Sparse(_) => {
            let mut table = vec![0.0; rows.len() * rows.width()];
            for row in 0..rows.len() {
                rows.fan_out(row, |column, weight| table[row * rows.width() + column] = weight);
            }
            table.into()
        }
    };
    match connectivity {
        Connectivity::Rows(rows) => of_rows(rows),
        Connectivity::Conv2d(conv) => of_rows(conv.rows()),
        Connectivity::OneToOne(one) => one.weights().iter(one.size()).collect::<Vec<_>>().into(),
    }
}

/// `c = a·b`, or `c += a·b` if `c` is not fresh; `a` is `[m][k]`, `b` `[k][n]`.
fn product([m, k, n]: [usize; 3], a: &[f32], b: &[f32], c: &mut [f32], fresh: bool) {
    assert_eq!([a.len(), b.len(), c.len()], [m * k, k * n, m * n], "a product of {m} × {k} × {n}");
    let beta = if fresh { 0.0 } else { 1.0 };
    let (rows_a, rows_b) = (k as isize, n as isize);
    // SAFETY: the lengths were just compared with the shapes, all of which are row-major.
    unsafe {
        sgemm(m, k, n, 1.0, a.as_ptr(), rows_a, 1, b.as_ptr(), rows_b, 1, beta, c.as_mut_ptr(), rows_b, 1);
    }
}

/// The convolution of all steps, of some at a time.
fn convolve(
    conv: &Conv2d,
    steps: usize,
    spikes: &[f32],
    table: &[f32],
    columns: &mut Vec<f32>,
    currents: &mut [f32],
    fresh: bool,
) {
    let g = conv.geometry();
    let size = |shape: [u32; 3]| shape.map(|length| length as usize);
    let ([height, width, channels], [out_height, out_width, out]) = (size(g.source), size(g.target));
    let patch = g.rows();
    let positions = out_height * out_width;
    let at_once = (COLUMNS / (positions * patch).max(1)).clamp(1, steps.max(1));
    columns.resize(columns.len().max(at_once * positions * patch), 0.0);
    let portions = spikes.chunks(at_once * g.sources()).zip(currents.chunks_mut(at_once * g.targets()));
    for (spikes, currents) in portions {
        let steps = spikes.len() / g.sources();
        let columns = &mut columns[..steps * positions * patch];
        let mut patches = columns.chunks_exact_mut(patch);
        for image in spikes.chunks_exact(height * width * channels) {
            for (oy, ox) in (0..out_height).flat_map(|oy| (0..out_width).map(move |ox| (oy, ox))) {
                let Some(patch) = patches.next() else {
                    panic!("{steps} steps have {positions} patches each")
                };
                let mut taps = patch.chunks_exact_mut(channels);
                for (ky, kx) in (0..g.kernel[0]).flat_map(|ky| (0..g.kernel[1]).map(move |kx| (ky, kx))) {
                    let at = |axis: usize, position: usize, tap: u32, length: usize| {
                        (position * g.stride[axis] as usize + (tap * g.dilation[axis]) as usize)
                            .checked_sub(g.padding[axis] as usize)
                            .filter(|&at| at < length)
                    };
                    let Some(tap) = taps.next() else { panic!("a patch has {:?} taps", g.kernel) };
                    match (at(0, oy, ky, height), at(1, ox, kx, width)) {
                        (Some(y), Some(x)) => {
                            tap.copy_from_slice(&image[(y * width + x) * channels..][..channels]);
                        }
                        _ => tap.fill(0.0),
                    }
                }
            }
        }
        product([steps * positions, patch, out], columns, table, currents, fresh);
    }
}

impl Rival for Dense {
    fn load(&mut self, sample: &Sample, steps: u32) {
        assert_eq!(steps, self.steps, "the rival was made for {} steps", self.steps);
        for id in self.network.ids() {
            let population = self.network.population(id);
            if let Neuron::Source = population.neuron() {
                let spikes = &mut self.spikes[id.index()];
                spikes.fill(0.0);
                for (_, raster) in sample.spikes.iter().filter(|(source, _)| *source == id) {
                    for step in 0..steps as usize {
                        for &neuron in raster.step(step) {
                            spikes[step * population.size() + neuron as usize] = 1.0;
                        }
                    }
                }
            }
            if let Some(neurons) = &mut self.neurons[id.index()] {
                neurons.take_drive(&self.network, id, &sample.drive);
            }
        }
    }

    fn run(&mut self) {
        for at in 0..self.network.update_order().len() {
            self.run_population(self.network.update_order()[at]);
        }
    }

    fn counts(&self, population: PopulationId) -> Counts {
        let n = self.network.population(population).size();
        let mut counts = vec![0; n];
        for step in self.spikes[population.index()].chunks_exact(n.max(1)) {
            counts.iter_mut().zip(step).for_each(|(count, &fired)| *count += u32::from(fired > 0.0));
        }
        counts
    }
}
