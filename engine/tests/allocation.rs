//! A network that is driven step by step allocates nothing once it is warm.
//!
//! One test in a binary of its own: the counts are those of the whole process.

use std::alloc::{GlobalAlloc, Layout as Block, System};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use snn_engine::*;

/// The system's allocator, counting how often it is asked.
struct Counting;

static CALLS: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call is passed on to the system's allocator unchanged; counting touches no memory of it.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, block: Block) -> *mut u8 {
        CALLS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller's promises about `block` are those that the system's allocator asks for.
        unsafe { System.alloc(block) }
    }

    unsafe fn dealloc(&self, place: *mut u8, block: Block) {
        // SAFETY: `place` came from `alloc` above, that is from the system's allocator, with this layout.
        unsafe { System.dealloc(place, block) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const N: u32 = 200;

fn same(value: f32) -> PerNeuron {
    PerNeuron::same(value).unwrap()
}

/// Populations of every kind, in a circle with delays.
fn network() -> Arc<Network> {
    let mut builder = NetworkBuilder::new();
    let unit =
        IntegrateFire { threshold: same(1.0), bias: same(0.01), start: same(0.0), reset: Reset::Subtract };
    let valued = Bipolar {
        threshold: same(1.0),
        bias: same(0.0),
        start: same(0.0),
        most: same(3.0),
        low: same(-Bipolar::UNBOUNDED),
        high: same(Bipolar::UNBOUNDED),
        sign: Sign::Signed,
        arrives: BiasArrives::EveryStep,
    };
    let leaky = CurrentLeaky {
        threshold: same(1.0),
        leak: same(0.9),
        decay: same(0.8),
        bias: same(0.0),
        start: same(0.0),
        reset: LeakyReset::Subtract,
        after: same(0.0),
        refractory: same(1.0),
    };
    let neurons = [
        Neuron::Source,
        Neuron::of(unit),
        Neuron::of(valued),
        Neuron::of(leaky),
        Neuron::MaxPool(MaxPool),
        Neuron::of(Accumulator { bias: same(0.0) }),
    ];
    let ids: Vec<PopulationId> = neurons
        .into_iter()
        .enumerate()
        .map(|(at, neuron)| builder.population(format!("population {at}"), Layout::Flat(N), neuron))
        .collect();
    let one_to_one = |weight| Connectivity::OneToOne(OneToOne::new(N as usize, same(weight)).unwrap());
    for (from, to, delay, weight) in
        [(0, 1, 0, 0.4), (1, 2, 1, -0.7), (2, 3, 0, 0.5), (2, 4, 2, 1.0), (4, 5, 0, 1.0), (3, 1, 3, 0.2)]
    {
        builder.projection(ids[from], ids[to], delay, one_to_one(weight));
    }
    Arc::new(builder.build().unwrap())
}

#[test]
fn a_driven_step_and_the_look_at_its_potentials_allocate_nothing_once_warm() {
    let network = network();
    let ids: Vec<PopulationId> = network.ids().collect();
    let mut simulator = EventSimulator::new(Arc::clone(&network));
    let mut stimulus = Stimulus::none();
    let mut step = |t: u32| {
        let neurons: [u32; 40] = std::array::from_fn(|i| i as u32 * 5 + t % 5);
        let currents: [f32; 40] = std::array::from_fn(|i| (i as f32 - 12.0) * 0.1);
        let of_all = [0.05; N as usize];
        let values: [i32; 40] = std::array::from_fn(|i| [1, -2, 3, -1][(i + t as usize) % 4]);
        stimulus.clear();
        stimulus.set_spikes(&network, ids[0], SpikeSlice::new(&neurons, &values)?)?;
        stimulus.set_currents_of(&network, ids[1], &neurons, &currents)?;
        stimulus.set_spikes(&network, ids[1], SpikeSlice::unit(&neurons))?;
        stimulus.set_spikes(&network, ids[2], SpikeSlice::new(&neurons, &values)?)?;
        stimulus.set_currents(&network, ids[3], &of_all)?;
        stimulus.set_spikes(&network, ids[4], SpikeSlice::unit(&neurons[..1]))?;
        let spikes = simulator.step(&stimulus).total();
        let v: f32 = ids.iter().filter_map(|&id| simulator.potentials(id).first().copied()).sum();
        Ok::<_, NetworkError>((spikes, v.is_finite()))
    };
    for t in 0..2_000 {
        step(t).unwrap();
    }
    let before = CALLS.load(Ordering::Relaxed);
    let mut spikes = 0;
    for t in 0..1_000 {
        let (fired, finite) = step(t).unwrap();
        assert!(finite);
        spikes += fired;
    }
    let calls = CALLS.load(Ordering::Relaxed) - before;
    assert_eq!(calls, 0, "allocations in 1,000 steps with {spikes} spikes");
    assert!(spikes > 100_000, "{spikes} spikes");
}
