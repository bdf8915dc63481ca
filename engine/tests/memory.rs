//! What a run is said to take is what it takes, or more: memory is predicted in closed form before it is taken.
//!
//! One test in a binary of its own: the counts are those of the whole process.

use std::alloc::{GlobalAlloc, Layout as Block, System};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use snn_engine::*;

/// The system's allocator, counting the bytes in use and the most ever in use.
struct Counting;

static IN_USE: AtomicUsize = AtomicUsize::new(0);
static MOST: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call is passed on to the system's allocator unchanged; counting touches no memory of it.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, block: Block) -> *mut u8 {
        let now = IN_USE.fetch_add(block.size(), Ordering::Relaxed) + block.size();
        MOST.fetch_max(now, Ordering::Relaxed);
        // SAFETY: the caller's promises about `block` are those that the system's allocator asks for.
        unsafe { System.alloc(block) }
    }

    unsafe fn dealloc(&self, place: *mut u8, block: Block) {
        IN_USE.fetch_sub(block.size(), Ordering::Relaxed);
        // SAFETY: `place` came from `alloc` above, that is from the system's allocator, with this layout.
        unsafe { System.dealloc(place, block) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// What `work` gives, and the most memory that it took beyond what was in use before.
fn taken<T>(work: impl FnOnce() -> T) -> (T, u64) {
    let before = IN_USE.load(Ordering::Relaxed);
    MOST.store(before, Ordering::Relaxed);
    let result = work();
    (result, (MOST.load(Ordering::Relaxed) - before) as u64)
}

fn same(value: f32) -> PerNeuron {
    PerNeuron::same(value).unwrap()
}

fn neurons() -> Neuron {
    Neuron::of(IntegrateFire {
        threshold: same(1.0),
        bias: same(0.0),
        start: same(0.0),
        reset: Reset::Subtract,
    })
}

fn one_to_one(size: usize) -> Connectivity {
    Connectivity::OneToOne(OneToOne::new(size, same(1.0)).unwrap())
}

/// A source of so many neurons, and what stands behind it.
fn network(size: u32, behind: impl FnOnce(&mut NetworkBuilder, PopulationId)) -> Arc<Network> {
    let mut builder = NetworkBuilder::new();
    let source = builder.population("input", Layout::Flat(size), Neuron::Source);
    behind(&mut builder, source);
    Arc::new(builder.build().unwrap())
}

fn cases() -> Vec<(&'static str, Arc<Network>)> {
    let n = 40_000;
    let plain = network(n, |builder, source| {
        let layer = builder.population("layer", Layout::Flat(n), neurons());
        builder.projection(source, layer, 0, one_to_one(n as usize));
    });
    let delayed = network(n, |builder, source| {
        let layer = builder.population("layer", Layout::Flat(n), neurons());
        builder.projection(source, layer, 50, one_to_one(n as usize));
    });
    let pooled = network(n, |builder, source| {
        let pool = builder.population("pool", Layout::Flat(n), Neuron::MaxPool(MaxPool));
        for _ in 0..20 {
            builder.projection(source, pool, 0, one_to_one(n as usize));
        }
    });
    let rows = network(1000, |builder, source| {
        let layer = builder.population("layer", Layout::Flat(1500), neurons());
        let table = vec![0.001; 1000 * 1500];
        let rows = Rows::Dense(DenseRows::new(1500, table.into()).unwrap());
        builder.projection(source, layer, 0, Connectivity::Rows(rows));
        let again = builder.population("again", Layout::Flat(1500), neurons());
        let sparse: Vec<f32> = (0..1500 * 1500).map(|i| if i % 7 == 0 { 0.01 } else { 0.0 }).collect();
        let rows = Rows::Sparse(SparseRows::from_dense(1500, &sparse).unwrap());
        builder.projection(layer, again, 0, Connectivity::Rows(rows));
    });
    let side = 96;
    let convolved = network(side * side * 3, |builder, source| {
        let geometry = Conv2dGeometry {
            source: [side, side, 3],
            target: [side, side, 16],
            pool: [1, 1],
            kernel: [5, 5],
            stride: [1, 1],
            dilation: [1, 1],
            padding: [2, 2],
            groups: 1,
        };
        let rows = Rows::Dense(DenseRows::new(16, vec![0.01; 5 * 5 * 3 * 16].into()).unwrap());
        let conv = Connectivity::Conv2d(Conv2d::new(geometry, rows).unwrap());
        let layout = Layout::Image { channels: 16, height: side, width: side };
        let layer = builder.population("layer", layout, neurons());
        builder.projection(source, layer, 0, conv);
    });
    vec![
        ("one to one", plain),
        ("delayed", delayed),
        ("max pooling of many projections", pooled),
        ("weight rows", rows),
        ("a convolution", convolved),
    ]
}

#[test]
fn a_run_takes_no_more_memory_than_was_predicted() {
    let steps = 300;
    for (name, network) in cases() {
        let source = network.sources().next().unwrap();
        let size = network.population(source).size();
        // As many as are reckoned with.
        let fired: Vec<u32> = (0..size as u32).step_by(16).collect();
        let mut raster = Raster::new();
        (0..steps).for_each(|_| raster.push_step(&fired));
        let sample = Sample { drive: Drive::none(), spikes: vec![(source, raster)] };
        for mode in [Mode::Auto, Mode::Event, Mode::Dense] {
            let predicted = Memory::of(mode, &network, steps).of_simulators(1);
            let (_, taken) = taken(|| {
                let mut simulator = AnySimulator::new(mode, Arc::clone(&network));
                // The dense one is slow, and takes what it takes when it is made.
                let steps = if mode == Mode::Dense { 2 } else { steps };
                simulator.get().run(&sample, steps, &mut ()).unwrap();
            });
            println!("{name}, {mode:?}: {taken} of {predicted} bytes");
            assert!(taken <= predicted, "{name}, {mode:?}: {taken} bytes, {predicted} were predicted");
            // Nor is it refused for nothing.
            let fixed = 150 << 20;
            assert!(
                predicted <= 12 * taken + fixed,
                "{name}, {mode:?}: {taken} bytes, {predicted} were predicted"
            );
        }
    }
    // Terabytes are told, not taken.
    let huge = network(1 << 20, |builder, source| {
        let layer = builder.population("layer", Layout::Flat(1 << 20), neurons());
        builder.projection(source, layer, 65_535, one_to_one(1 << 20));
    });
    let (memory, taken) = taken(|| Memory::of(Mode::Dense, &huge, 1));
    assert!(memory.of_simulators(1) > 60 << 30 && taken < 1 << 16, "{memory:?}, {taken}");
    assert_eq!(memory.simulators_within(1 << 30, 4), Err(memory.of_simulators(1)));
    let small = Memory { shared: 100, each: 10 };
    assert_eq!(
        [109, 110, 119, 120, 1000].map(|limit| small.simulators_within(limit, 4)),
        [Err(110), Ok(1), Ok(1), Ok(2), Ok(4)]
    );
}
