use super::cost::{self, Work};
use super::delivery::Delivery;
use super::gather::{GatherRoom, Gathered};
use super::lanes;
use super::threads::Threads;
use super::tiled::{ImageRows, Tiled};
use super::tiles::{self, blocks, table};
use super::train::{Arriving, Train, WordValues};
use super::weights::WeightLayouts;
use crate::kernel::membrane::{LINES_PER_WORD, WordWindow};
use crate::kernel::{Kernels, Octets, SpikeMasks};
use crate::lanes::{BLOCK, Line, flat_mut};
use crate::network::Population;
use crate::network::connectivity::{Connectivity, Rows};
use crate::neuron::Autonomy;
use crate::simulator::membrane::{Membrane, Range};
use crate::simulator::rows::{self, Cuts};
use crate::spikes::SpikeSlice;

/// Ranges of words for each thread, so that one with less to do takes another.
const RANGES: usize = 4;

/// The neurons of a population of a model while it runs, in whole words of 64; of every sample if several run side by
/// side.
#[derive(Clone)]
pub(super) struct Layer {
    pub(super) membrane: Membrane,
    n: usize,
    /// How the last window was delivered.
    delivered: Option<Delivery>,
    /// Of every sample the currents that arrive once, in its first step; −0.0 for none.
    injected: Vec<Option<Vec<f32>>>,
    /// The currents that the only sample is given in the next step besides, what arrives once in it included; −0.0 for
    /// none. Empty if it is given none.
    outside: Vec<f32>,
}

/// The steps that are run at once, and how.
#[derive(Clone, Copy)]
pub(super) struct Window<'a> {
    pub(super) kernels: &'static Kernels,
    /// The delivery to take wherever it is possible.
    pub(super) forced: Option<Delivery>,
    /// Samples that stand one behind the other in the window; more than one only on one thread.
    pub(super) samples: usize,
    /// Steps of each sample.
    pub(super) steps: usize,
    /// Whether the first step of the window is the first of all.
    pub(super) first: bool,
    /// Steps since the last re-base, the first step of the window included.
    pub(super) k: u32,
    pub(super) team: &'a Threads,
}

impl Window<'_> {
    /// The steps of all samples.
    fn all_steps(&self) -> usize {
        self.samples * self.steps
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

impl Incoming<'_> {
    /// Whether time lanes may take what arrives: values of an image's spikes would take a kilobyte for each neuron.
    fn fits_lanes(&self) -> bool {
        !matches!(self.connectivity, Connectivity::Conv2d(_)) || !self.arriving.has_values()
    }
}

/// Memory for one population and window, used for one after the other.
#[derive(Clone, Default)]
pub(super) struct Scratch {
    /// `[steps][words]`
    fired: Vec<u64>,
    /// `[ranges][steps][words of the range]`, if words are shared out.
    fired_by_range: Vec<u64>,
    /// The values of the spikes, of models with values.
    values: WordValues,
    /// Of every projection, its blocks of weight rows.
    arranged: Vec<Vec<Octets>>,
    masks: SpikeMasks,
    /// One for each thread.
    threads: Vec<ThreadScratch>,
}

/// Memory of one thread.
#[derive(Clone, Default)]
struct ThreadScratch {
    /// Of all neurons when rows are delivered, −0.0 between steps.
    resting: Vec<Line>,
    /// `[4][padded steps][16]`
    currents: Vec<Line>,
    tile_scratch: TileScratch,
    gather_room: GatherRoom,
}

/// Memory of one thread for what arrives at one tile after the other.
#[derive(Clone, Default)]
struct TileScratch {
    /// One for each projection.
    image_rows: Vec<ImageRows>,
    /// A block of packed weights, unpacked.
    room: Vec<Line>,
}

impl Layer {
    /// The neurons of a population; `None` if it has no model.
    pub(super) fn new(population: &Population) -> Option<Self> {
        let membrane = Membrane::new(population, population.neuron().model()?, LINES_PER_WORD);
        Some(Self { membrane, n: population.size(), delivered: None, injected: vec![None], outside: vec![] })
    }

    /// Makes room for so many samples.
    pub(super) fn begin(&mut self, samples: usize) {
        self.membrane.make_room(samples);
        self.injected.resize(samples, None);
    }

    /// Takes the biases of a sample, and the currents that arrive once.
    pub(super) fn drive(&mut self, sample: usize, biases: &[f32], mut injected: Option<Vec<f32>>) {
        self.membrane.set_biases(sample, biases);
        for current in injected.iter_mut().flatten().filter(|current| **current == 0.0) {
            *current = -0.0;
        }
        self.injected[sample] = injected;
    }

    /// Gives the only sample currents from outside in the step that comes next, which is the first of all or not, and
    /// none in those behind it.
    pub(super) fn give(&mut self, given: impl ExactSizeIterator<Item = (u32, f32)>, first: bool) {
        self.outside.clear();
        if given.len() == 0 {
            return;
        }
        match self.injected[0].as_ref().filter(|_| first) {
            Some(once) => self.outside.extend_from_slice(once),
            None => self.outside.resize(self.n, -0.0),
        }
        // To −0.0 a current is added without a change.
        given.for_each(|(neuron, current)| self.outside[neuron as usize] += current);
    }

    pub(super) fn delivered(&self) -> Option<Delivery> {
        self.delivered
    }

    /// `u ← u + b·R`, of models on a ramp.
    pub(super) fn rebase(&mut self) {
        if self.membrane.autonomy() == Autonomy::Ramp {
            self.membrane.rebase_all();
        }
    }

    /// Whether currents wait to be given to the first sample in its first step.
    pub(super) fn waits(&self) -> bool {
        self.injected[0].as_deref().unwrap_or_default().iter().any(|&current| current != 0.0)
    }

    /// Takes the currents that samples are given, to be [put back](Self::put_back).
    fn take_given(&mut self) -> Given {
        Given { injected: std::mem::take(&mut self.injected), outside: std::mem::take(&mut self.outside) }
    }

    fn put_back(&mut self, given: Given) {
        (self.injected, self.outside) = (given.injected, given.outside);
    }

    /// Words of one sample.
    fn words(&self) -> usize {
        self.membrane.lines() / LINES_PER_WORD
    }

    /// Runs a window; its spikes wait in `scratch` until they are [emitted](Self::emit). Adds to `updates`, for every
    /// sample, the number of pairs of neuron and step in which a weight reached the neuron or it fired.
    pub(super) fn run(
        &mut self,
        window: Window,
        incoming: &[Incoming<'_>],
        scratch: &mut Scratch,
        updates: &mut [u64],
    ) {
        let (words, steps) = (self.words(), window.all_steps());
        if words == 0 {
            return;
        }
        scratch.fired.clear();
        scratch.fired.resize(steps * words, 0);
        scratch.values.clear();
        let given = !self.outside.is_empty() || window.first && self.injected.iter().any(Option::is_some);
        let (delivery, threads) = self.choose(&window, incoming, steps, given);
        self.delivered = Some(delivery);
        match delivery {
            Delivery::Rows => self.by_steps(window, threads, incoming, false, scratch, updates),
            Delivery::Gather => self.by_steps(window, threads, incoming, true, scratch, updates),
            Delivery::Tiles => self.by_tiles(window, threads, incoming, scratch, updates),
            Delivery::TimeLanes => self.by_time_lanes(window, threads, incoming, scratch, updates),
        }
    }

    /// Adds the spikes of the window that was run last, of so many steps in all, to `train`.
    pub(super) fn emit(&self, kernels: &Kernels, steps: usize, scratch: &Scratch, train: &mut Train) {
        match self.words() {
            0 => (0..steps).for_each(|_| train.push(SpikeSlice::default())),
            words => {
                let values = self.membrane.has_values().then_some(&scratch.values);
                train.push_bits(kernels, &scratch.fired, words, values);
            }
        }
    }

    /// The forced delivery if it is possible here, else the cheapest that is, and the threads to spread it over.
    fn choose(
        &self,
        window: &Window<'_>,
        incoming: &[Incoming<'_>],
        steps: usize,
        given: bool,
    ) -> (Delivery, usize) {
        let tiles = !incoming.is_empty() && incoming.iter().all(|one| one.layouts.has_tiles());
        // Time lanes write currents anew, so nothing may have been given.
        let lanes = matches!(incoming, [one] if one.layouts.has_columns() && one.fits_lanes()) && !given;
        let one_to_one = |one: &Incoming<'_>| matches!(one.connectivity, Connectivity::OneToOne(_));
        let gather = incoming.iter().any(|one| one.layouts.has_gathered())
            && incoming.iter().all(|one| one.layouts.has_gathered() || one_to_one(one));
        let possible = |delivery: &Delivery| match delivery {
            Delivery::Rows => true,
            Delivery::Tiles => tiles,
            Delivery::TimeLanes => lanes,
            Delivery::Gather => gather,
        };
        let team = window.team;
        let forced = window.forced.filter(possible);
        if let (Some(forced), 1) = (forced, team.threads()) {
            return (forced, 1);
        }
        let work = self.work(incoming, steps, team.threads(), window.kernels.set.has_masks());
        let reckon = |delivery: Delivery| {
            let cycles = cost::cycles(&work, delivery);
            let threads = team.threads_for(cycles.shared);
            (delivery, threads, cycles.by(threads))
        };
        let cheapest = |allowed: &dyn Fn(Delivery) -> bool| {
            let all = Delivery::ALL.into_iter().filter(|delivery| possible(delivery) && allowed(*delivery));
            all.map(reckon)
                .min_by(|(.., a), (.., b)| a.total_cmp(b))
                .unwrap_or_else(|| reckon(Delivery::Rows))
        };
        if let Some(forced) = forced {
            let (delivery, threads, _) = cheapest(&|delivery| delivery == forced);
            return (delivery, threads);
        }
        let exists = |delivery| incoming.iter().all(|one| one.layouts.exist_for(delivery));
        let best = cheapest(&|_| true);
        if exists(best.0) {
            return (best.0, best.1);
        }
        // Layouts are made once the windows that went without have lost as much as making them takes: whatever comes, that
        // is at most twice the best that could have been done.
        let without = cheapest(&exists);
        let lost = incoming.first().map_or(0.0, |one| one.layouts.miss(without.2 - best.2));
        let missing = incoming.iter().filter(|one| !one.layouts.exist_for(best.0));
        let making: f64 = missing.map(|one| cost::making(one.connectivity, best.0)).sum();
        let chosen = if lost >= making { best } else { without };
        (chosen.0, chosen.1)
    }

    fn work(&self, incoming: &[Incoming<'_>], steps: usize, threads: usize, has_masks: bool) -> Work {
        let octets = steps.div_ceil(8) as f64;
        let words = self.words();
        let ranges = words.div_ceil(rows::words_of_range(words, threads)) as f64;
        let mut work = Work {
            words: words as f64,
            steps: steps as f64,
            update: self.membrane.model().description().cycles,
            ..Work::default()
        };
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
            match one.layouts.gather_work(one.connectivity, count, steps as f64) {
                Some(gather) => work.add_gather(gather),
                None => work.one_to_one += count,
            }
            if let Some((places, rows)) = lanes::places(one.connectivity).zip(table(one.connectivity)) {
                // A position has the columns of all.
                let positions = (self.n / rows.width().max(1)) as f64;
                let synapses = rows.synapses() as f64 * positions;
                work.places += places as f64;
                work.lanes += synapses;
                // Without masks as operands a masked sum is five instructions for every half of the lanes. That was counted for
                // convolutions; tables of rows keep the costs that were fitted with masks.
                let dear = !has_masks && matches!(one.connectivity, Connectivity::Conv2d(_));
                let groups = steps.div_ceil(BLOCK).next_power_of_two() as f64;
                work.lane_adds += synapses * groups * if dear { 4.0 } else { 1.0 };
            }
        }
        work
    }

    /// Step by step, by rows or by target positions.
    fn by_steps(
        &mut self,
        window: Window<'_>,
        threads: usize,
        incoming: &[Incoming<'_>],
        by_positions: bool,
        scratch: &mut Scratch,
        updates: &mut [u64],
    ) {
        let Window { kernels, samples, steps, k, .. } = window;
        let lines = self.membrane.lines();
        let each = rows::words_of_range(lines / LINES_PER_WORD, threads);
        let several = each < lines / LINES_PER_WORD;
        let cuts: Vec<Option<&Cuts>> = incoming
            .iter()
            .map(|one| if several { one.layouts.cuts(one.connectivity) } else { None })
            .collect();
        let gathered: Vec<Option<&Gathered>> = incoming
            .iter()
            .map(|one| if by_positions { one.layouts.gathered(one.connectivity) } else { None })
            .collect();
        let given = self.take_given();
        let given_to: Vec<Option<&[f32]>> = (0..samples).map(|sample| given.to(&window, sample)).collect();
        self.by_ranges(window, threads, each, scratch, updates, |scratch, mut range, out, updates| {
            rows::make_room(&mut scratch.resting, lines);
            let (first, length) = (range.first, range.lines);
            let targets = first * BLOCK..(first + length) * BLOCK;
            let (set, erased, has_values) = (kernels.set, range.model.erased(), range.has_values);
            for (sample, updates) in updates.iter_mut().enumerate() {
                for step in 0..steps {
                    if let (0, Some(given)) = (step, given_to[sample]) {
                        give(given, &targets, &mut flat_mut(&mut scratch.resting)[targets.clone()]);
                    }
                    for ((one, cuts), gathered) in incoming.iter().zip(&cuts).zip(&gathered) {
                        let spikes = one.arriving.of(sample * steps + step);
                        let ThreadScratch { resting, gather_room, .. } = scratch;
                        match gathered {
                            Some(weights) => {
                                let connectivity = one.connectivity;
                                weights.deliver(
                                    kernels,
                                    connectivity,
                                    spikes,
                                    &targets,
                                    gather_room,
                                    resting,
                                );
                            }
                            None => {
                                rows::deliver(kernels, one.connectivity, *cuts, spikes, &targets, resting)
                            }
                        }
                    }
                    let currents = &mut scratch.resting[first..first + length];
                    let words = length / LINES_PER_WORD;
                    let fired = &mut out.fired[(sample * steps + step) * out.stride..][..words];
                    let neurons = range.neurons(sample, 0..length);
                    let k = k + step as u32;
                    let values = has_values.then_some(&mut out.values.values);
                    *updates += erased.integrate_words(set, neurons, currents, k, fired, values);
                }
            }
            out.values.end_piece(length / LINES_PER_WORD);
        });
        self.put_back(given);
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
        scratch.threads.resize_with(scratch.threads.len().max(threads), ThreadScratch::default);
        for of_thread in &mut scratch.threads[..threads] {
            let image_rows = &mut of_thread.tile_scratch.image_rows;
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
            |tile, TileScratch { image_rows, room }, currents, given| {
                let mut fresh = !given;
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
        columns.take(&mut masks, one.connectivity.sources(), steps, |step| one.arriving.of(step));
        self.by_words(window, threads, scratch, updates, |tile, _, currents, _| {
            let (first, from) = columns.tile(tile);
            (kernels.time_lanes)(columns.columns(), first, &masks, from, steps, currents);
        });
        scratch.masks = masks;
    }

    /// Runs word by word; `deliver(tile, tile_scratch, currents, given)` makes the currents `[padded steps][16]` of the
    /// 16 targets of a tile, which begin with what was given to them.
    fn by_words(
        &mut self,
        window: Window<'_>,
        threads: usize,
        scratch: &mut Scratch,
        updates: &mut [u64],
        deliver: impl Fn(usize, &mut TileScratch, &mut [Line], bool) + Sync,
    ) {
        let Window { kernels, samples, steps, k, .. } = window;
        let padded = window.all_steps().next_multiple_of(BLOCK);
        let each = self.words().div_ceil(if threads == 1 { 1 } else { RANGES * threads });
        let given = self.take_given();
        let given_to: Vec<Option<&[f32]>> = (0..samples).map(|sample| given.to(&window, sample)).collect();
        let some_given = given_to.iter().any(Option::is_some);
        self.by_ranges(window, threads, each, scratch, updates, |scratch, mut range, out, updates| {
            let ThreadScratch { currents, tile_scratch, .. } = scratch;
            currents.resize(currents.len().max(LINES_PER_WORD * padded), Line::of(-0.0));
            let currents = &mut currents[..LINES_PER_WORD * padded];
            let (erased, has_values) = (range.model.erased(), range.has_values);
            for word in 0..range.lines / LINES_PER_WORD {
                let tiles = range.first + word * LINES_PER_WORD..;
                for (tile, currents) in tiles.zip(currents.chunks_exact_mut(padded)) {
                    if some_given {
                        currents.fill(Line::of(-0.0));
                        for (given, line) in given_to.iter().zip(currents.iter_mut().step_by(steps)) {
                            if let Some(given) = given {
                                give(given, &(tile * BLOCK..(tile + 1) * BLOCK), &mut line.0);
                            }
                        }
                    }
                    deliver(tile, tile_scratch, currents, some_given);
                }
                for (sample, updates) in updates.iter_mut().enumerate() {
                    let first = sample * steps;
                    let lines = word * LINES_PER_WORD..(word + 1) * LINES_PER_WORD;
                    let fired = &mut out.fired[word + first * out.stride..];
                    let (stride, values) = (out.stride, has_values.then_some(&mut out.values.values));
                    let window = WordWindow { currents, first, steps, k, fired, stride, values };
                    *updates += erased.integrate_window(kernels.set, range.neurons(sample, lines), window);
                }
                out.values.end_piece(1);
            }
        });
        self.put_back(given);
    }

    /// Runs ranges of `each` words; `run(thread_scratch, range, out, updates)` writes what a range emits and adds the
    /// updates of each sample.
    fn by_ranges(
        &mut self,
        window: Window<'_>,
        threads: usize,
        each: usize,
        scratch: &mut Scratch,
        updates: &mut [u64],
        run: impl Fn(&mut ThreadScratch, Range<'_>, &mut Emissions<'_>, &mut [u64]) + Sync,
    ) {
        let Window { samples, steps, team, .. } = window;
        let words = self.words();
        let Scratch { fired, fired_by_range, values, threads: of_threads, .. } = scratch;
        of_threads.resize_with(of_threads.len().max(threads), ThreadScratch::default);
        if threads == 1 {
            let mut ranges = self.membrane.split(samples, words * LINES_PER_WORD);
            let Some(range) = ranges.pop() else { panic!("a population of {words} words has no range") };
            let mut out = Emissions { fired, stride: words, values };
            return run(&mut of_threads[0], range, &mut out, updates);
        }
        assert_eq!(samples, 1, "samples side by side on {threads} threads");
        let ranges = self.membrane.split(1, each * LINES_PER_WORD);
        // Threads write to their own memory, which is put together when all are done.
        fired_by_range.clear();
        fired_by_range.resize(steps * words, 0);
        let mut values_by_range = vec![WordValues::default(); ranges.len()];
        let outs = fired_by_range.chunks_mut(steps * each).zip(&mut values_by_range);
        let tasks = ranges.into_iter().zip(outs);
        updates[0] += team.sum(&mut of_threads[..threads], tasks, |scratch, (range, (fired, values))| {
            let stride = range.lines / LINES_PER_WORD;
            let mut updates = [0];
            run(scratch, range, &mut Emissions { fired, stride, values }, &mut updates);
            updates[0]
        });
        for (first, of_range) in (0..).step_by(each).zip(fired_by_range.chunks(steps * each)) {
            let width = of_range.len() / steps;
            for (row, of_range) in fired.chunks_exact_mut(words).zip(of_range.chunks_exact(width)) {
                row[first..first + width].copy_from_slice(of_range);
            }
        }
        values_by_range.iter().for_each(|of_range| values.append(of_range));
    }
}

/// The currents that samples are given.
struct Given {
    injected: Vec<Option<Vec<f32>>>,
    outside: Vec<f32>,
}

impl Given {
    /// Those of a sample in the first step of the window: one for every neuron, −0.0 for none.
    fn to(&self, window: &Window<'_>, sample: usize) -> Option<&[f32]> {
        if !self.outside.is_empty() {
            return Some(&self.outside);
        }
        self.injected[sample].as_deref().filter(|_| window.first)
    }
}

/// What some words of neurons emit in a window.
struct Emissions<'a> {
    /// The words of step `t` stand from `fired[t · stride]` on.
    fired: &'a mut [u64],
    stride: usize,
    values: &'a mut WordValues,
}

/// Begins the currents of the targets `range`, all −0.0, with what they are given.
fn give(given: &[f32], range: &std::ops::Range<usize>, currents: &mut [f32]) {
    let given = given.get(range.start..range.end.min(given.len())).unwrap_or_default();
    currents[..given.len()].copy_from_slice(given);
}
