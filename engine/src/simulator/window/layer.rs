use super::Delivery;
use super::cost::{self, Work};
use super::rows::{self, Cuts};
use super::threads::Threads;
use super::tiled::{ImageRows, Tiled};
use super::tiles::{self, blocks, table};
use super::train::{Arriving, Train};
use super::weights::WeightLayouts;
use crate::kernel::{BLOCK, Kernels, Line, Octets, SpikeMasks, Windowed, flat, flat_mut};
use crate::network::connectivity::{Connectivity, Rows};
use crate::network::{Network, PopulationId};
use crate::neuron::{Neuron, REBASE, Reset};

/// Lines of 16 neurons in a word of 64.
const LINES_PER_WORD: usize = 4;

/// Ranges of words for each thread, so that one with less to do takes another.
const RANGES: usize = 4;

/// The neurons of a population with potentials while it runs, in whole words of 64; of every run if several samples
/// run side by side.
#[derive(Clone)]
pub(super) struct Layer {
    n: usize,
    /// `[runs][words][4]`
    potentials: Vec<Line>,
    /// `[runs][words][4]`
    biases: Vec<Line>,
    /// Infinite for neurons that never fire.
    thresholds: Vec<Line>,
    reset: Reset,
    /// How the last window was delivered.
    delivered: Option<Delivery>,
}

/// The steps that are run at once, and how.
#[derive(Clone, Copy)]
pub(super) struct Window<'a> {
    pub(super) kernels: &'static Kernels,
    /// The delivery to take wherever it is possible.
    pub(super) forced: Option<Delivery>,
    /// Runs of different samples that stand one behind the other in the window; more than one only on one thread.
    pub(super) runs: usize,
    /// Steps of each run.
    pub(super) steps: usize,
    /// Steps since the last re-base, the first step of the window included.
    pub(super) k: u32,
    pub(super) team: &'a Threads,
}

impl Window<'_> {
    /// The steps of all runs.
    fn all_steps(&self) -> usize {
        self.runs * self.steps
    }
}

/// What one projection brings in a window.
pub(super) struct Incoming<'a> {
    pub(super) connectivity: &'a Connectivity,
    pub(super) layouts: &'a WeightLayouts,
    pub(super) arriving: Arriving<'a>,
    /// The weights that the arriving spikes carry.
    pub(super) operations: u64,
}

/// Memory for one population and window, used for one after the other.
#[derive(Clone, Default)]
pub(super) struct Scratch {
    /// `[steps][words]`
    fired: Vec<u64>,
    /// `[ranges][steps][words of the range]`, if words are shared out.
    fired_by_range: Vec<u64>,
    /// Of every projection, its blocks of weight rows.
    arranged: Vec<Vec<Octets>>,
    masks: SpikeMasks,
    /// One for each thread.
    places: Vec<ThreadScratch>,
}

/// Memory of one thread.
#[derive(Clone, Default)]
struct ThreadScratch {
    /// Of all neurons when rows are delivered, −0.0 between steps.
    resting: Vec<Line>,
    /// `[4][padded steps][16]`
    currents: Vec<Line>,
    tile_scratch: TileScratch,
}

/// Memory of one thread for what arrives at one tile after the other.
#[derive(Clone, Default)]
struct TileScratch {
    /// One for each projection.
    image_rows: Vec<ImageRows>,
    /// A block of packed weights, unpacked.
    room: Vec<Line>,
}

/// Some words of 64 neurons, from the `first` on, in every run.
struct Range<'a> {
    first: usize,
    /// Of one run.
    words: usize,
    /// `[runs][words][4]`
    potentials: &'a mut [Line],
    /// `[runs][words][4]`
    biases: &'a [Line],
    /// `[words][4]`
    thresholds: &'a [Line],
    reset: Reset,
}

impl Range<'_> {
    /// The neurons of some words in one run.
    fn neurons(&mut self, run: usize, words: std::ops::Range<usize>, k: u32) -> Windowed<'_> {
        let lines = words.start * LINES_PER_WORD..words.end * LINES_PER_WORD;
        let of_run =
            run * self.words * LINES_PER_WORD + lines.start..run * self.words * LINES_PER_WORD + lines.end;
        Windowed {
            potentials: &mut self.potentials[of_run.clone()],
            biases: &self.biases[of_run],
            thresholds: &self.thresholds[lines],
            k,
            reset: self.reset,
        }
    }
}

impl Layer {
    /// The neurons of a population; `None` if it has no potentials.
    pub(super) fn new(network: &Network, id: PopulationId) -> Option<Self> {
        let population = network.population(id);
        let n = population.size();
        let mut thresholds =
            vec![Line::of(f32::INFINITY); n.div_ceil(LINES_PER_WORD * BLOCK) * LINES_PER_WORD];
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

    /// Makes room for so many runs.
    pub(super) fn begin(&mut self, runs: usize) {
        let lines = self.thresholds.len();
        self.potentials.resize(runs * lines, Line::of(0.0));
        self.biases.resize(runs * lines, Line::of(0.0));
    }

    /// Of one run.
    pub(super) fn potentials(&self, run: usize) -> &[f32] {
        &flat(&self.potentials[run * self.thresholds.len()..])[..self.n]
    }

    pub(super) fn delivered(&self) -> Option<Delivery> {
        self.delivered
    }

    /// Of one run.
    pub(super) fn biases(&self, run: usize) -> &[f32] {
        &flat(&self.biases[run * self.thresholds.len()..])[..self.n]
    }

    pub(super) fn set_potentials(&mut self, run: usize, potentials: &[f32]) {
        flat_mut(&mut self.potentials[run * self.thresholds.len()..])[..self.n].copy_from_slice(potentials);
    }

    pub(super) fn set_biases(&mut self, run: usize, biases: &[f32]) {
        flat_mut(&mut self.biases[run * self.thresholds.len()..])[..self.n].copy_from_slice(biases);
    }

    /// `u ← u + b·R`.
    pub(super) fn rebase(&mut self) {
        for (u, bias) in flat_mut(&mut self.potentials).iter_mut().zip(flat(&self.biases)) {
            *u += bias * REBASE as f32;
        }
    }

    /// Words of one run.
    fn words(&self) -> usize {
        self.thresholds.len() / LINES_PER_WORD
    }

    /// Runs a window and adds its spikes to `train`. Adds to `updates`, for every run, the number of pairs of neuron
    /// and step in which a weight reached the neuron or it fired.
    pub(super) fn run(
        &mut self,
        window: Window,
        incoming: &[Incoming<'_>],
        scratch: &mut Scratch,
        train: &mut Train,
        updates: &mut [u64],
    ) {
        let (words, steps) = (self.words(), window.all_steps());
        if words == 0 {
            (0..steps).for_each(|_| train.push(&[]));
            return;
        }
        scratch.fired.clear();
        scratch.fired.resize(steps * words, 0);
        let (delivery, threads) = self.choose(window.forced, window.team, incoming, steps);
        self.delivered = Some(delivery);
        match delivery {
            Delivery::Rows => self.by_rows(window, threads, incoming, scratch, updates),
            Delivery::Tiles => self.by_tiles(window, threads, incoming, scratch, updates),
            Delivery::TimeLanes => self.by_time_lanes(window, threads, incoming, scratch, updates),
        }
        train.push_bits(window.kernels, &scratch.fired, words);
    }

    /// The forced delivery if it is possible here, else the cheapest that is, and the threads to spread it over.
    fn choose(
        &self,
        forced: Option<Delivery>,
        team: &Threads,
        incoming: &[Incoming<'_>],
        steps: usize,
    ) -> (Delivery, usize) {
        let tiles = !incoming.is_empty() && incoming.iter().all(|one| one.layouts.has_tiles());
        let lanes = matches!(incoming, [one] if one.layouts.has_columns());
        let possible = |delivery: &Delivery| match delivery {
            Delivery::Rows => true,
            Delivery::Tiles => tiles,
            Delivery::TimeLanes => lanes,
        };
        let forced = forced.filter(possible);
        if let (Some(forced), 1) = (forced, team.threads()) {
            return (forced, 1);
        }
        let work = self.work(incoming, steps, team.threads());
        let reckon = |delivery: Delivery| {
            let cycles = cost::cycles(&work, delivery);
            let threads = team.threads_for(cycles.shared);
            (delivery, threads, cycles.by(threads))
        };
        let all = Delivery::ALL.into_iter().filter(possible);
        let (delivery, threads, _) = all
            .filter(|&delivery| forced.is_none_or(|forced| forced == delivery))
            .map(reckon)
            .min_by(|(.., a), (.., b)| a.total_cmp(b))
            .unwrap_or_else(|| reckon(Delivery::Rows));
        (delivery, threads)
    }

    fn work(&self, incoming: &[Incoming<'_>], steps: usize, threads: usize) -> Work {
        let octets = steps.div_ceil(8) as f64;
        let words = self.words();
        let ranges = words.div_ceil(rows::words_of_range(words, threads)) as f64;
        let mut work = Work { words: words as f64, steps: steps as f64, ..Work::default() };
        for one in incoming {
            let count = one.arriving.all().len() as f64;
            // Rows that a spike brings to a population, and among how many tiles of 16 they spread.
            let (rows, runs, width) = match one.connectivity {
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
                Connectivity::Rows(_) | Connectivity::OneToOne(_) => work.rows += count * ranges,
            }
            match table(one.connectivity) {
                Some(Rows::Dense(_)) => work.vectors += count * rows * width as f64,
                Some(table @ Rows::Sparse(_)) => work.add_weights(one.operations, table.synapses()),
                None => work.weights += one.operations as f64,
            }
            // Fewer than eight steps leave places empty.
            work.tile_rows += count * rows * width as f64 * (octets * 8.0 / steps as f64);
            let blocks = blocks(one.connectivity).map_or(0, |(blocks, _)| blocks) as f64;
            work.tile_octets += blocks * octets * self.n.div_ceil(BLOCK) as f64;
            if let Connectivity::Rows(rows) = one.connectivity {
                let lines = rows.len() as f64 * width as f64;
                if tiles::packed(one.connectivity) {
                    work.unpacked_rows += lines;
                    work.unpacked += rows.synapses() as f64;
                } else {
                    work.add_tiles(lines);
                }
            }
            work.arranged += count * runs;
            if let Connectivity::Rows(rows) = one.connectivity {
                work.lanes += rows.synapses() as f64;
                work.lane_adds += rows.synapses() as f64 * steps.div_ceil(BLOCK).next_power_of_two() as f64;
            }
        }
        work
    }

    fn by_rows(
        &mut self,
        window: Window<'_>,
        threads: usize,
        incoming: &[Incoming<'_>],
        scratch: &mut Scratch,
        updates: &mut [u64],
    ) {
        let Window { kernels, steps, k, .. } = window;
        let lines = self.thresholds.len();
        let each = rows::words_of_range(lines / LINES_PER_WORD, threads);
        let several = each < lines / LINES_PER_WORD;
        let cuts: Vec<Option<&Cuts>> = incoming
            .iter()
            .map(|one| if several { one.layouts.cuts(one.connectivity) } else { None })
            .collect();
        self.by_ranges(
            window,
            threads,
            each,
            scratch,
            updates,
            |place, mut range, fired, stride, updates| {
                rows::make_room(&mut place.resting, lines);
                let (first, words) = (range.first, range.words);
                let targets = first * LINES_PER_WORD * BLOCK..(first + words) * LINES_PER_WORD * BLOCK;
                for (run, updates) in updates.iter_mut().enumerate() {
                    let mut neurons = range.neurons(run, 0..words, k);
                    for step in run * steps..(run + 1) * steps {
                        for (one, cuts) in incoming.iter().zip(&cuts) {
                            let spikes = one.arriving.of(step);
                            rows::deliver(
                                kernels,
                                one.connectivity,
                                *cuts,
                                spikes,
                                &targets,
                                &mut place.resting,
                            );
                        }
                        let currents =
                            &mut place.resting[first * LINES_PER_WORD..(first + words) * LINES_PER_WORD];
                        let fired = &mut fired[step * stride..][..words];
                        *updates += (kernels.integrate_step)(&mut neurons, currents, fired);
                        neurons.k += 1;
                    }
                }
            },
        );
    }

    fn by_tiles(
        &mut self,
        window: Window<'_>,
        threads: usize,
        incoming: &[Incoming<'_>],
        scratch: &mut Scratch,
        updates: &mut [u64],
    ) {
        let n = self.n;
        let mut arranged = std::mem::take(&mut scratch.arranged);
        arranged.resize_with(arranged.len().max(incoming.len()), Vec::new);
        let projections: Vec<Tiled<'_>> = incoming
            .iter()
            .zip(&mut arranged)
            .filter_map(|(one, blocks)| Tiled::begin(one.connectivity, one.layouts, one.arriving, blocks))
            .collect();
        scratch.places.resize_with(scratch.places.len().max(threads), ThreadScratch::default);
        for place in &mut scratch.places[..threads] {
            let image_rows = &mut place.tile_scratch.image_rows;
            image_rows.resize_with(image_rows.len().max(projections.len()), ImageRows::default);
            for (image_rows, projection) in image_rows.iter_mut().zip(&projections) {
                image_rows.begin(projection);
            }
        }
        self.by_words(
            window,
            threads,
            scratch,
            updates,
            |tile, TileScratch { image_rows, room }, currents| {
                let mut fresh = true;
                if tile * BLOCK < n {
                    for (projection, image_rows) in projections.iter().zip(image_rows) {
                        fresh = projection.deliver(window.kernels, tile, image_rows, room, currents, fresh);
                    }
                }
                if fresh {
                    currents.fill(Line::of(-0.0));
                }
            },
        );
        scratch.arranged = arranged;
    }

    fn by_time_lanes(
        &mut self,
        window: Window<'_>,
        threads: usize,
        incoming: &[Incoming<'_>],
        scratch: &mut Scratch,
        updates: &mut [u64],
    ) {
        let columns = incoming.first().and_then(|one| Some((one, one.layouts.columns(one.connectivity)?)));
        let Some((one, columns)) = columns else {
            panic!("time lanes were chosen for {} projections without columns", incoming.len());
        };
        let (kernels, steps) = (window.kernels, window.all_steps());
        let mut masks = std::mem::take(&mut scratch.masks);
        masks.take(one.connectivity.sources(), steps, |step| one.arriving.of(step));
        self.by_words(window, threads, scratch, updates, |tile, _, currents| {
            (kernels.time_lanes)(columns, tile * BLOCK, &masks, steps, currents);
        });
        scratch.masks = masks;
    }

    /// Runs word by word; `deliver(tile, tile_scratch, currents)` makes the currents `[padded steps][16]` of the 16
    /// targets of a tile.
    fn by_words(
        &mut self,
        window: Window<'_>,
        threads: usize,
        scratch: &mut Scratch,
        updates: &mut [u64],
        deliver: impl Fn(usize, &mut TileScratch, &mut [Line]) + Sync,
    ) {
        let Window { kernels, steps, k, .. } = window;
        let padded = window.all_steps().next_multiple_of(BLOCK);
        let each = self.words().div_ceil(if threads == 1 { 1 } else { RANGES * threads });
        self.by_ranges(
            window,
            threads,
            each,
            scratch,
            updates,
            |place, mut range, fired, stride, updates| {
                let ThreadScratch { currents, tile_scratch, .. } = place;
                currents.resize(currents.len().max(LINES_PER_WORD * padded), Line::of(-0.0));
                let currents = &mut currents[..LINES_PER_WORD * padded];
                for word in 0..range.words {
                    let tiles = (range.first + word) * LINES_PER_WORD..;
                    for (tile, currents) in tiles.zip(currents.chunks_exact_mut(padded)) {
                        deliver(tile, tile_scratch, currents);
                    }
                    for (run, updates) in updates.iter_mut().enumerate() {
                        let first = run * steps;
                        let fired = &mut fired[word + first * stride..];
                        let mut neurons = range.neurons(run, word..word + 1, k);
                        *updates +=
                            (kernels.integrate_window)(&mut neurons, currents, first, steps, fired, stride);
                    }
                }
            },
        );
    }

    /// Runs ranges of `each` words; `run(place, range, fired, stride, updates)` writes the words of step `t` to
    /// `fired[t · stride..]` and adds the updates of each run.
    fn by_ranges(
        &mut self,
        window: Window<'_>,
        threads: usize,
        each: usize,
        scratch: &mut Scratch,
        updates: &mut [u64],
        run: impl Fn(&mut ThreadScratch, Range<'_>, &mut [u64], usize, &mut [u64]) + Sync,
    ) {
        let Window { runs, steps, team, .. } = window;
        let words = self.words();
        let Scratch { fired, fired_by_range, places, .. } = scratch;
        places.resize_with(places.len().max(threads), ThreadScratch::default);
        let Self { potentials, biases, thresholds, reset, .. } = self;
        let reset = *reset;
        if threads == 1 {
            let range = Range { first: 0, words, potentials, biases, thresholds, reset };
            return run(&mut places[0], range, fired, words, updates);
        }
        assert_eq!(runs, 1, "runs side by side on {threads} threads");
        let lines = potentials.chunks_mut(each * LINES_PER_WORD).zip(biases.chunks(each * LINES_PER_WORD));
        let ranges = (0..).step_by(each).zip(lines.zip(thresholds.chunks(each * LINES_PER_WORD))).map(
            |(first, ((potentials, biases), thresholds))| {
                let words = thresholds.len() / LINES_PER_WORD;
                Range { first, words, potentials, biases, thresholds, reset }
            },
        );
        // Threads write to their own memory, which is put together when all are done.
        fired_by_range.clear();
        fired_by_range.resize(steps * words, 0);
        let tasks = ranges.zip(fired_by_range.chunks_mut(steps * each));
        updates[0] += team.sum(&mut places[..threads], tasks, |place, (range, fired)| {
            let (width, mut updates) = (range.words, [0]);
            run(place, range, fired, width, &mut updates);
            updates[0]
        });
        for (first, of_range) in (0..).step_by(each).zip(fired_by_range.chunks(steps * each)) {
            let width = of_range.len() / steps;
            for (row, of_range) in fired.chunks_exact_mut(words).zip(of_range.chunks_exact(width)) {
                row[first..first + width].copy_from_slice(of_range);
            }
        }
    }
}
