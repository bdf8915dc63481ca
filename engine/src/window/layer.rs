use super::Delivery;
use super::arranged::{Arranged, Tiled};
use super::cost::{self, Work};
use super::laid::Laid;
use super::tiles::{blocks, table};
use super::train::{Arriving, Train};
use crate::kernel::{BLOCK, Kernels, Line, SpikeMasks, Windowed, flat, flat_mut};
use crate::{Connectivity, Network, Neuron, PopulationId, REBASE, Reset, Rows, Targets};

/// Lines of 16 neurons in a word of 64.
const WORD: usize = 4;

/// Where a compact row may write, counted from its first current.
const COMPACT: usize = 1 << 16;

/// The neurons of a population with potentials while it runs, in whole words of 64.
#[derive(Clone)]
pub(super) struct Layer {
    n: usize,
    potentials: Vec<Line>,
    biases: Vec<Line>,
    /// Infinite for neurons that never fire.
    thresholds: Vec<Line>,
    reset: Reset,
    /// How the last window was delivered.
    delivered: Option<Delivery>,
}

/// The steps that are run at once, and how.
#[derive(Clone, Copy)]
pub(super) struct Window {
    pub(super) kernels: &'static Kernels,
    /// The delivery to take wherever it is possible.
    pub(super) forced: Option<Delivery>,
    pub(super) steps: usize,
    /// Steps since the last re-base, the first step of the window included.
    pub(super) k: u32,
}

/// What one projection brings in a window.
pub(super) struct Incoming<'a> {
    pub(super) connectivity: &'a Connectivity,
    pub(super) laid: &'a Laid,
    pub(super) arriving: Arriving<'a>,
    /// The weights that the arriving spikes carry.
    pub(super) operations: u64,
}

/// Memory for one population and window, used for one after the other.
#[derive(Clone, Default)]
pub(super) struct Workspace {
    /// −0.0 between windows.
    currents: Vec<Line>,
    /// `[4][256][16]`
    tile: Vec<Line>,
    /// `[steps][words]`
    fired: Vec<u64>,
    arranged: Vec<Arranged>,
    masks: SpikeMasks,
}

impl Layer {
    /// The neurons of a population; `None` if it has no potentials.
    pub(super) fn new(network: &Network, id: PopulationId) -> Option<Self> {
        let population = network.population(id);
        let n = population.size();
        let mut thresholds = vec![Line::of(f32::INFINITY); n.div_ceil(WORD * BLOCK) * WORD];
        let reset = match population.neuron() {
            Neuron::IntegrateFire(model) => {
                for (place, threshold) in flat_mut(&mut thresholds).iter_mut().zip(model.threshold.iter(n)) {
                    *place = threshold;
                }
                model.reset
            }
            Neuron::Accumulator(_) => Reset::Subtract,
            Neuron::Source | Neuron::MaxPool(_) => return None,
        };
        let zero = vec![Line::of(0.0); thresholds.len()];
        Some(Self { n, potentials: zero.clone(), biases: zero, thresholds, reset, delivered: None })
    }

    pub(super) fn potentials(&self) -> &[f32] {
        &flat(&self.potentials)[..self.n]
    }

    pub(super) fn delivered(&self) -> Option<Delivery> {
        self.delivered
    }

    pub(super) fn biases(&self) -> &[f32] {
        &flat(&self.biases)[..self.n]
    }

    pub(super) fn set_potentials(&mut self, potentials: &[f32]) {
        flat_mut(&mut self.potentials)[..self.n].copy_from_slice(potentials);
    }

    pub(super) fn set_biases(&mut self, biases: &[f32]) {
        flat_mut(&mut self.biases)[..self.n].copy_from_slice(biases);
    }

    /// `u ← u + b·R`.
    pub(super) fn rebase(&mut self) {
        for (u, bias) in flat_mut(&mut self.potentials).iter_mut().zip(flat(&self.biases)) {
            *u += bias * REBASE as f32;
        }
    }

    /// Runs a window and adds its spikes to `train`. Returns the number of pairs of neuron and step in which a
    /// weight reached the neuron or it fired.
    pub(super) fn run(
        &mut self,
        window: Window,
        incoming: &[Incoming<'_>],
        workspace: &mut Workspace,
        train: &mut Train,
    ) -> u64 {
        let Window { forced, steps, .. } = window;
        let words = self.potentials.len() / WORD;
        if words == 0 {
            (0..steps).for_each(|_| train.push(&[]));
            return 0;
        }
        workspace.fired.clear();
        workspace.fired.resize(steps * words, 0);
        let delivery = self.choose(forced, incoming, steps);
        self.delivered = Some(delivery);
        let updates = match delivery {
            Delivery::Rows => self.by_rows(window, incoming, workspace),
            Delivery::Tiles => self.by_tiles(window, incoming, workspace),
            Delivery::TimeLanes => self.by_time_lanes(window, incoming, workspace),
        };
        train.push_bits(window.kernels, &workspace.fired, words);
        updates
    }

    /// The forced delivery if it is possible here, else the cheapest that is.
    fn choose(&self, forced: Option<Delivery>, incoming: &[Incoming<'_>], steps: usize) -> Delivery {
        let tiles = !incoming.is_empty() && incoming.iter().all(|one| one.laid.has_tiles());
        let lanes = matches!(incoming, [one] if one.laid.has_columns());
        let possible = |delivery: Delivery| match delivery {
            Delivery::Rows => true,
            Delivery::Tiles => tiles,
            Delivery::TimeLanes => lanes,
        };
        if let Some(forced) = forced.filter(|&forced| possible(forced)) {
            return forced;
        }
        let work = self.work(incoming, steps);
        Delivery::ALL
            .into_iter()
            .filter(|&delivery| possible(delivery))
            .min_by(|&a, &b| cost::cycles(&work, a).total_cmp(&cost::cycles(&work, b)))
            .unwrap_or(Delivery::Rows)
    }

    fn work(&self, incoming: &[Incoming<'_>], steps: usize) -> Work {
        let octets = steps.div_ceil(8) as f64;
        let mut work =
            Work { words: (self.potentials.len() / WORD) as f64, steps: steps as f64, ..Work::default() };
        for one in incoming {
            let count = one.arriving.all().len() as f64;
            // Rows that a spike brings to a population, and among how many tiles of 16 they spread.
            let (rows, runs, tiles) = match one.connectivity {
                Connectivity::Rows(rows) => (1.0, 1.0, rows.width().div_ceil(BLOCK)),
                Connectivity::OneToOne(_) => (1.0, 1.0, 1),
                Connectivity::Conv2d(conv) => {
                    let g = conv.geometry();
                    let across = f64::from(g.kernel[1]) / f64::from(g.stride[1]);
                    let taps = across * f64::from(g.kernel[0]) / f64::from(g.stride[0]);
                    (taps, across, (g.target[2] as usize).div_ceil(BLOCK))
                }
            };
            match one.connectivity {
                Connectivity::Conv2d(_) => work.tap_rows += count * rows,
                Connectivity::Rows(_) | Connectivity::OneToOne(_) => work.rows += count,
            }
            match table(one.connectivity) {
                Some(Rows::Dense(_)) => work.vectors += count * rows * tiles as f64,
                Some(table @ Rows::Sparse(_)) => work.add_weights(one.operations, table.synapses()),
                None => work.weights += one.operations as f64,
            }
            // Fewer than eight steps leave places empty.
            work.tile_rows += count * rows * tiles as f64 * (octets * 8.0 / steps as f64);
            let blocks = blocks(one.connectivity).map_or(0, |(blocks, _)| blocks) as f64;
            work.tile_octets += blocks * octets * self.n.div_ceil(BLOCK) as f64;
            work.arranged += count * runs;
            if let Connectivity::Rows(rows) = one.connectivity {
                work.lane_adds += rows.synapses() as f64 * steps.div_ceil(BLOCK).next_power_of_two() as f64;
            }
        }
        work
    }

    /// Some words of 64 neurons.
    fn windowed(&mut self, words: std::ops::Range<usize>, k: u32) -> Windowed<'_> {
        let lines = words.start * WORD..words.end * WORD;
        Windowed {
            potentials: &mut self.potentials[lines.clone()],
            biases: &self.biases[lines.clone()],
            thresholds: &self.thresholds[lines],
            k,
            reset: self.reset,
        }
    }

    fn by_rows(&mut self, window: Window, incoming: &[Incoming<'_>], workspace: &mut Workspace) -> u64 {
        let Window { kernels, steps, k, .. } = window;
        let lines = self.potentials.len();
        let Workspace { currents, fired, .. } = workspace;
        if currents.len() < lines + COMPACT / BLOCK {
            currents.resize(lines + COMPACT / BLOCK, Line::of(-0.0));
        }
        let mut updates = 0;
        let rows = fired.chunks_exact_mut(lines / WORD).take(steps);
        for ((step, k), fired) in (0..).zip(k..).zip(rows) {
            for one in incoming {
                deliver(kernels, one.connectivity, one.arriving.of(step), self.n, flat_mut(currents));
            }
            let mut neurons = self.windowed(0..lines / WORD, k);
            updates += (kernels.integrate_step)(&mut neurons, &mut currents[..lines], fired);
        }
        updates
    }

    fn by_tiles(&mut self, window: Window, incoming: &[Incoming<'_>], workspace: &mut Workspace) -> u64 {
        let Window { kernels, steps, k, .. } = window;
        let words = self.potentials.len() / WORD;
        let padded = steps.next_multiple_of(8);
        let Workspace { tile: currents, fired, arranged, .. } = workspace;
        currents.resize(currents.len().max(WORD * padded), Line::of(-0.0));
        arranged.resize_with(arranged.len().max(incoming.len()), Arranged::default);
        let mut projections: Vec<Tiled<'_>> = incoming
            .iter()
            .zip(arranged)
            .filter_map(|(one, arranged)| Tiled::begin(one.connectivity, one.laid, one.arriving, arranged))
            .collect();
        let mut updates = 0;
        for word in 0..words {
            let currents = &mut currents[..WORD * padded];
            for (tile, currents) in (word * WORD..).zip(currents.chunks_exact_mut(padded)) {
                let mut fresh = true;
                if tile * BLOCK < self.n {
                    for projection in &mut projections {
                        fresh = projection.deliver(kernels, tile, currents, fresh);
                    }
                }
                if fresh {
                    currents.fill(Line::of(-0.0));
                }
            }
            let mut neurons = self.windowed(word..word + 1, k);
            updates += (kernels.integrate_window)(&mut neurons, currents, steps, &mut fired[word..], words);
        }
        updates
    }

    fn by_time_lanes(&mut self, window: Window, incoming: &[Incoming<'_>], workspace: &mut Workspace) -> u64 {
        let Window { kernels, steps, k, .. } = window;
        let words = self.potentials.len() / WORD;
        let padded = steps.next_multiple_of(BLOCK);
        let Workspace { tile: currents, fired, masks, .. } = workspace;
        currents.resize(currents.len().max(WORD * padded), Line::of(-0.0));
        let columns = incoming.first().and_then(|one| Some((one, one.laid.columns(one.connectivity)?)));
        let Some((one, columns)) = columns else {
            panic!("time lanes were chosen for {} projections without columns", incoming.len());
        };
        masks.take(one.connectivity.sources(), steps, |step| one.arriving.of(step));
        let mut updates = 0;
        for word in 0..words {
            let currents = &mut currents[..WORD * padded];
            for (tile, currents) in (word * WORD..).zip(currents.chunks_exact_mut(padded)) {
                (kernels.time_lanes)(columns, tile * BLOCK, masks, steps, currents);
            }
            let mut neurons = self.windowed(word..word + 1, k);
            updates += (kernels.integrate_window)(&mut neurons, currents, steps, &mut fired[word..], words);
        }
        updates
    }
}

/// Adds the weights of the given spikes to the currents of `n` targets; the currents go on for
/// [`COMPACT`] values behind them.
fn deliver(kernels: &Kernels, connectivity: &Connectivity, spikes: &[u32], n: usize, currents: &mut [f32]) {
    match connectivity {
        Connectivity::Rows(Rows::Sparse(rows)) => {
            let weights: &[f32] = rows.weights();
            let starts: &[u64] = rows.row_starts();
            match rows.targets() {
                Targets::U16(ids) => (kernels.add_rows)(spikes, starts, ids, weights, compact(currents, 0)),
                Targets::U32(ids) => {
                    let ids: &[u32] = ids;
                    for &source in spikes {
                        let range = rows.range(source as usize);
                        (kernels.scatter_u32)(&ids[range.clone()], &weights[range], &mut currents[..n]);
                    }
                }
            }
        }
        Connectivity::Rows(Rows::Dense(rows)) => {
            for &source in spikes {
                (kernels.add_row)(rows.row(source as usize), &mut currents[..n]);
            }
        }
        Connectivity::Conv2d(conv) => {
            let channels = conv.rows().width();
            for &source in spikes {
                conv.taps_of(source as usize, |position, row| {
                    let first = position * channels;
                    match conv.rows() {
                        Rows::Sparse(rows) => match rows.targets() {
                            Targets::U16(ids) => {
                                // A table has fewer than 2³² rows.
                                let (taps, currents) = (&[row as u32], compact(currents, first));
                                (kernels.add_rows)(taps, rows.row_starts(), ids, rows.weights(), currents);
                            }
                            Targets::U32(ids) => {
                                let range = rows.range(row);
                                let currents = &mut currents[first..first + channels];
                                (kernels.scatter_u32)(&ids[range.clone()], &rows.weights()[range], currents);
                            }
                        },
                        Rows::Dense(rows) => {
                            (kernels.add_row)(rows.row(row), &mut currents[first..first + channels]);
                        }
                    }
                });
            }
        }
        Connectivity::OneToOne(one) => {
            for &source in spikes {
                if let Some(weight) = one.weight(source as usize, source as usize) {
                    currents[source as usize] += weight;
                }
            }
        }
    }
}

/// The currents from `first` on that a compact row may name.
fn compact(currents: &mut [f32], first: usize) -> &mut [f32; COMPACT] {
    let behind = currents.len() - first;
    match currents[first..].first_chunk_mut() {
        Some(chunk) => chunk,
        None => panic!("{behind} currents behind {first}; a compact row may name {COMPACT}"),
    }
}
