//! A model from outside the engine runs in every simulator, equal bit for bit.

use snn_engine::*;

#[path = "../examples/own_neuron.rs"]
mod own;

#[test]
fn a_model_from_outside_has_equal_states_in_every_simulator_kernel_and_delivery() {
    let (network, sample) = (own::network(), own::sample(300));
    let mut dense = DenseSimulator::new(network.clone());
    dense.run(&sample, 300, &mut ()).unwrap();
    let spikes = dense.statistics().total().spikes;
    assert!(spikes > 2_000, "{spikes} spikes");
    let mut all: Vec<Box<dyn Simulator>> = vec![];
    for kernels in kernel::available() {
        all.push(Box::new(EventSimulator::with_kernels(network.clone(), kernels)));
        for delivery in Delivery::ALL {
            all.push(Box::new(WindowSimulator::with_kernels(network.clone(), kernels, Some(delivery))));
        }
    }
    for simulator in &mut all {
        simulator.run(&sample, 300, &mut ()).unwrap();
        assert_eq!(dense.state().first_difference(&simulator.state()), None);
        assert_eq!(simulator.statistics(), dense.statistics());
    }
}
