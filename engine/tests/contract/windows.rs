//! Windows of layers too large for the random networks, against the event-driven simulator.

use std::sync::Arc;

use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};
use snn_engine::*;

/// The spikes of a run.
#[derive(Default, PartialEq, Debug)]
struct Told(Vec<(PopulationId, u64, SpikeList)>);

impl Observer for Told {
    fn spikes(&mut self, population: PopulationId, step: u64, spikes: SpikeSlice<'_>) {
        self.0.push((population, step, spikes.into()));
    }
}

fn layer(rng: &mut Xoshiro256PlusPlus, n: usize) -> Neuron {
    let mut draw = |low: f32, high: f32| {
        let values: Vec<f32> = (0..n).map(|_| rng.random_range(low..high)).collect();
        PerNeuron::repeating(values.into()).unwrap()
    };
    Neuron::of(IntegrateFire {
        threshold: draw(0.5, 3.0),
        bias: draw(-0.02, 0.02),
        start: draw(-1.0, 4.0),
        reset: if n.is_multiple_of(2) { Reset::Subtract } else { Reset::Zero },
    })
}

fn rows(rng: &mut Xoshiro256PlusPlus, rows: usize, width: usize, density: f64, dense: bool) -> Rows {
    let table: Vec<f32> = (0..rows * width)
        .map(|_| if rng.random_bool(density) { rng.random_range(-0.3..0.35) } else { 0.0 })
        .collect();
    if dense {
        Rows::Dense(DenseRows::new(width, table.into()).unwrap())
    } else {
        Rows::Sparse(SparseRows::from_dense(width, &table).unwrap())
    }
}

fn raster(rng: &mut Xoshiro256PlusPlus, n: usize, steps: u64, rate: f64) -> Raster {
    let mut raster = Raster::new();
    for _ in 0..steps {
        let step: Vec<u32> = (0..n as u32).filter(|_| rng.random_bool(rate)).collect();
        raster.push_step(&step);
    }
    raster
}

/// Every delivery with every kernel and number of threads gives the state, spikes and counts of the event-driven run.
fn agree(network: &Arc<Network>, sample: &Sample, steps: u64, what: &str) {
    let mut event = EventSimulator::new(Arc::clone(network));
    let mut expected = Told::default();
    event.start(&sample.drive);
    event.run(sample, steps, &mut expected).unwrap();
    assert!(event.statistics().total().spikes > steps, "{what}: hardly anything fires");
    // A window simulator tells population by population.
    let sort = |mut told: Told| {
        told.0.sort();
        told
    };
    let expected = sort(expected);
    for kernels in kernel::available() {
        for delivery in Delivery::ALL.into_iter().map(Some).chain([None]) {
            for threads in 1..=3 {
                let what = format!("{what}, {}, {delivery:?}, {threads} threads", kernels.name);
                let windows = WindowSimulator::with_kernels(Arc::clone(network), kernels, delivery);
                let mut windows = windows.with_threads_from(threads, 0.0);
                let mut told = Told::default();
                windows.start(&sample.drive);
                windows.run(sample, steps, &mut told).unwrap();
                assert_eq!(event.state().first_difference(&windows.state()), None, "{what}");
                assert!(sort(told) == expected, "{what}: other spikes");
                assert_eq!(windows.statistics(), event.statistics(), "{what}");
            }
        }
    }
}

#[test]
fn layers_of_several_blocks_of_rows_and_words_of_targets_agree_at_every_density_and_rate() {
    for (seed, (n_in, n_out, density, rate)) in [
        (1500, 70, 0.3, 0.1),
        (820, 64, 1.0, 0.5),
        (1401, 129, 0.05, 0.02),
        (3, 200, 0.5, 0.9),
        (500, 1000, 0.8, 0.05),
        // So large that its tiles are packed.
        (2100, 1600, 0.03, 0.02),
    ]
    .into_iter()
    .enumerate()
    {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed as u64);
        let mut builder = NetworkBuilder::new();
        let input = builder.population("input", Layout::Flat(n_in as u32), Neuron::Source);
        let a = builder.population("a", Layout::Flat(n_out as u32), layer(&mut rng, n_out));
        let b = builder.population("b", Layout::Flat(65), layer(&mut rng, 65));
        let weights = rows(&mut rng, n_in, n_out, density, seed % 2 == 1);
        builder.projection(input, a, 0, Connectivity::Rows(weights));
        builder.projection(input, b, 3, Connectivity::Rows(rows(&mut rng, n_in, 65, 0.02, false)));
        builder.projection(a, b, 1, Connectivity::Rows(rows(&mut rng, n_out, 65, 0.2, false)));
        let network = Arc::new(builder.build().unwrap());
        let sample =
            Sample { drive: Drive::none(), spikes: vec![(input, raster(&mut rng, n_in, 300, rate))] };
        agree(&network, &sample, 300, &format!("{n_in} x {n_out}"));
    }
}

#[test]
fn convolutions_agree_whatever_their_geometry() {
    for seed in 0..36 {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(100 + seed);
        let kernel = [rng.random_range(1..4), rng.random_range(1..4)];
        // Where taps of a row lie apart there are no tiles, but time lanes.
        let apart = seed >= 24;
        let dilation = [rng.random_range(1..3), if apart { 2 } else { 1 }];
        let stride = [rng.random_range(1..3), rng.random_range(1..3)];
        let padding = [rng.random_range(0..3), rng.random_range(0..3)];
        let source: [u32; 3] = [rng.random_range(3..9), rng.random_range(3..9), rng.random_range(1..8)];
        // Only whole vectors of channels of an image that is not pooled have tiles.
        let tiles = seed < 12 || apart;
        let pool = if tiles { [1, 1] } else { [rng.random_range(1..3), rng.random_range(1..3)] };
        let channels = if tiles { 16 * rng.random_range(1..5) } else { rng.random_range(1..70) };
        let size = |axis: usize| {
            let span = (kernel[axis] - 1) * dilation[axis] + 1;
            (source[axis] / pool[axis] + 2 * padding[axis])
                .checked_sub(span)
                .map(|room| room / stride[axis] + 1)
        };
        let (Some(height), Some(width)) = (size(0), size(1)) else { continue };
        let geometry = Conv2dGeometry {
            source,
            target: [height, width, channels],
            pool,
            kernel,
            stride,
            dilation,
            padding,
            groups: 1,
        };
        let mut builder = NetworkBuilder::new();
        let image = |[height, width, channels]: [u32; 3]| Layout::Image { channels, height, width };
        let input = builder.population("input", image(source), Neuron::Source);
        let n = geometry.targets();
        let conv = builder.population("conv", image(geometry.target), layer(&mut rng, n));
        let density = if tiles { 0.6 } else { 0.9 };
        let taps = rows(&mut rng, geometry.rows(), channels as usize, density, seed % 2 == 0);
        builder.projection(input, conv, 1, Connectivity::Conv2d(Conv2d::new(geometry, taps).unwrap()));
        let network = Arc::new(builder.build().unwrap());
        let spikes = raster(&mut rng, geometry.sources(), 40, 0.2);
        let sample = Sample { drive: Drive::none(), spikes: vec![(input, spikes)] };
        agree(&network, &sample, 40, "convolution");
        for (delivery, possible) in
            [(Delivery::TimeLanes, tiles), (Delivery::Tiles, tiles && (!apart || kernel[1] == 1))]
        {
            let mut windows =
                WindowSimulator::with_kernels(Arc::clone(&network), kernel::best(), Some(delivery));
            windows.run(&sample, 40, &mut ()).unwrap();
            let taken = windows.delivery(conv) == Some(delivery);
            // Channels of any number may be whole vectors by chance.
            assert!(taken == possible || !tiles, "{delivery:?} of {geometry:?}");
        }
    }
}

/// Populations that reach themselves and each other after so many steps, and others before and behind them.
fn cycles(rng: &mut Xoshiro256PlusPlus, seed: u64) -> (NetworkBuilder, PopulationId, u32) {
    let mut builder = NetworkBuilder::new();
    let sizes = [60, 150, 129, 200];
    let input = builder.population("input", Layout::Flat(60), Neuron::Source);
    let [a, b, c] = [1, 2, 3].map(|at| {
        let neurons = layer(rng, sizes[at]);
        builder.population(format!("{at}"), Layout::Flat(sizes[at] as u32), neurons)
    });
    let span = 1 + seed as u32 % 5;
    let mut projection = |rng: &mut Xoshiro256PlusPlus, source: PopulationId, target: PopulationId, delay| {
        let [from, to] = [source, target].map(|id| sizes[id.index()]);
        let table = rows(rng, from, to, 0.1, seed.is_multiple_of(3));
        builder.projection(source, target, delay, Connectivity::Rows(table));
    };
    projection(rng, input, a, 1);
    // Two ways round, and one loop. Each population is reached from one that is run later in the same piece.
    projection(rng, a, b, 0);
    projection(rng, b, a, span + 2);
    projection(rng, b, b, span);
    projection(rng, b, c, 1);
    projection(rng, c, a, span + 1);
    // Behind the cycles all steps of a window are run at once.
    let out = builder.population("out", Layout::Flat(65), layer(rng, 65));
    let table = rows(rng, 200, 65, 0.2, false);
    builder.projection(c, out, 3, Connectivity::Rows(table));
    // Max pooling that is reached from its own output.
    let pool = builder.population("pool", Layout::Flat(65), Neuron::MaxPool(MaxPool));
    let last = builder.population("last", Layout::Flat(65), layer(rng, 65));
    let one = |weight| Connectivity::OneToOne(OneToOne::new(65, PerNeuron::same(weight).unwrap()).unwrap());
    builder.projection(out, last, 0, one(0.7));
    builder.projection(last, pool, 0, one(1.0));
    builder.projection(pool, last, span, one(0.4));
    builder.projection(pool, pool, span + 1, one(1.0));
    (builder, input, span)
}

#[test]
fn populations_that_reach_themselves_agree_whatever_the_delay_after_which_they_do() {
    for seed in 0..5 {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(300 + seed);
        let (builder, input, span) = cycles(&mut rng, seed);
        let network = Arc::new(builder.build().unwrap());
        assert_eq!(network.steps_at_once(), Some(span));
        let sample = Sample { drive: Drive::none(), spikes: vec![(input, raster(&mut rng, 60, 40, 0.1))] };
        agree(&network, &sample, 40, &format!("cycles of {span} steps, seed {seed}"));
    }
}

#[test]
fn a_run_that_is_spread_over_threads_on_its_way_goes_on_where_it_was() {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(11);
    let mut builder = NetworkBuilder::new();
    let input = builder.population("input", Layout::Flat(20), Neuron::Source);
    let out = builder.population("out", Layout::Flat(200), layer(&mut rng, 200));
    builder.projection(input, out, 0, Connectivity::Rows(rows(&mut rng, 20, 200, 0.5, false)));
    builder.projection(out, out, 1, Connectivity::Rows(rows(&mut rng, 200, 200, 0.1, false)));
    let network = Arc::new(builder.build().unwrap());
    let x: Vec<f32> = (0..20).map(|j| j as f32 * 0.01).collect();
    let drive = Drive::constant(&network, input, &x).unwrap();
    let sample = Sample { drive, spikes: vec![(input, raster(&mut rng, 20, 100, 0.2))] };
    let mut event = EventSimulator::new(Arc::clone(&network));
    event.start(&sample.drive);
    event.run(&sample, 100, &mut ()).unwrap();
    let mut windows = WindowSimulator::new(network);
    windows.start(&sample.drive);
    windows.run(&sample, 37, &mut ()).unwrap();
    assert_eq!((windows.threads(), windows.delivery(out)), (1, None), "it is stepped");
    let mut windows = windows.with_threads_from(2, 0.0);
    windows.run(&sample, 63, &mut ()).unwrap();
    assert_eq!((windows.threads(), windows.delivery(out).is_some()), (2, true));
    assert_eq!(event.state().first_difference(&windows.state()), None);
    assert_eq!(windows.statistics(), event.statistics());
}

#[test]
fn a_layer_wider_than_compact_ids_and_windows_shortened_for_their_memory_agree() {
    let n = 530_000;
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(7);
    let mut builder = NetworkBuilder::new();
    let input = builder.population("input", Layout::Flat(40), Neuron::Source);
    let model = |threshold| {
        Neuron::of(IntegrateFire {
            threshold: PerNeuron::same(threshold).unwrap(),
            bias: PerNeuron::same(1.0 / 128.0).unwrap(),
            start: PerNeuron::same(0.0).unwrap(),
            reset: Reset::Subtract,
        })
    };
    let wide = builder.population("wide", Layout::Flat(n), model(1.5));
    let relay = builder.population("relay", Layout::Flat(n), model(1.0));
    let (mut starts, mut columns, mut weights) = (vec![0], vec![], vec![]);
    for _ in 0..40 {
        for _ in 0..50 {
            columns.push(rng.random_range(0..n));
            weights.push(rng.random_range(0.1..1.0));
        }
        let row = columns.len() - 50;
        columns[row..].sort_unstable();
        columns.dedup();
        weights.truncate(columns.len());
        starts.push(columns.len() as u64);
    }
    let sparse = SparseRows::from_columns(n as usize, starts, columns, weights).unwrap();
    builder.projection(input, wide, 0, Connectivity::Rows(Rows::Sparse(sparse)));
    let one = OneToOne::new(n as usize, PerNeuron::same(1.0).unwrap()).unwrap();
    builder.projection(wide, relay, 2, Connectivity::OneToOne(one));
    let network = Arc::new(builder.build().unwrap());
    let sample = Sample { drive: Drive::none(), spikes: vec![(input, raster(&mut rng, 40, 260, 0.1))] };
    let mut event = EventSimulator::new(Arc::clone(&network));
    event.run(&sample, 260, &mut ()).unwrap();
    assert!(event.statistics().of(relay).spikes > u64::from(n));
    for threads in [1, 2] {
        let windows = WindowSimulator::new(Arc::clone(&network));
        let mut windows = windows.with_threads_from(threads, 0.0);
        windows.run(&sample, 260, &mut ()).unwrap();
        assert_eq!(event.state().first_difference(&windows.state()), None, "{threads} threads");
        assert_eq!(windows.statistics(), event.statistics(), "{threads} threads");
    }
}

#[test]
fn a_faulty_step_ends_a_run_where_it_ends_when_steps_are_done_one_by_one() {
    let mut builder = NetworkBuilder::new();
    let input = builder.population("input", Layout::Flat(3), Neuron::Source);
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(3);
    let out = builder.population("out", Layout::Flat(20), layer(&mut rng, 20));
    let weights = rows(&mut rng, 3, 20, 1.0, false);
    builder.projection(input, out, 0, Connectivity::Rows(weights));
    let network = Arc::new(builder.build().unwrap());
    let mut raster = Raster::new();
    for step in 0..10 {
        raster.push_step(if step == 6 { &[2, 3] } else { &[0, 2] });
    }
    let sample = Sample { drive: Drive::none(), spikes: vec![(input, raster)] };
    let mut event = EventSimulator::new(Arc::clone(&network));
    let mut windows = WindowSimulator::new(Arc::clone(&network));
    let expected = event.run(&sample, 10, &mut ()).unwrap_err().to_string();
    assert!(expected.contains("step 6"), "{expected}");
    assert_eq!(windows.run(&sample, 10, &mut ()).unwrap_err().to_string(), expected);
    assert_eq!(windows.state(), event.state());
    assert_eq!(windows.state().step, 6);
}

#[test]
fn threads_go_to_the_samples_where_there_are_enough_and_else_to_the_targets_of_each() {
    let net = |recurrent: bool| {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(5);
        let mut builder = NetworkBuilder::new();
        let input = builder.population("input", Layout::Flat(3), Neuron::Source);
        let out = builder.population("out", Layout::Flat(20), layer(&mut rng, 20));
        builder.projection(input, out, 0, Connectivity::Rows(rows(&mut rng, 3, 20, 1.0, false)));
        if recurrent {
            builder.projection(out, out, 1, Connectivity::Rows(rows(&mut rng, 20, 20, 0.5, false)));
        }
        Arc::new(builder.build().unwrap())
    };
    let divided = |mode, recurrent, samples| {
        let (simulator, side_by_side) = AnySimulator::new(mode, net(recurrent)).over_threads(3, samples);
        let each = match simulator {
            AnySimulator::Window(windows) => windows.threads(),
            AnySimulator::Event(_) | AnySimulator::Dense(_) => 1,
        };
        (side_by_side, each)
    };
    assert_eq!(divided(Mode::Auto, false, 3), (3, 1));
    assert_eq!(divided(Mode::Auto, false, 2), (1, 3));
    assert_eq!(divided(Mode::Auto, true, 2), (3, 1));
    assert_eq!(divided(Mode::Event, false, 1), (3, 1));
}
