//! Calls as C makes them: what is wrong is refused with a code and a text, and changes nothing.

use std::ffi::{CStr, CString};
use std::ptr::{null, null_mut};

use snn_event::*;

fn last() -> String {
    // SAFETY: the text is valid until the next failure of this thread.
    unsafe { CStr::from_ptr(snn_last_error()) }.to_str().unwrap().to_owned()
}

/// One neuron behind two inputs.
fn network() -> *mut SnnNetwork {
    let builder = snn_builder_new();
    let (mut input, mut neuron, mut network) = (9, 9, null_mut());
    let flat = |channels| SnnShape { channels, height: 0, width: 0 };
    // SAFETY: all pointers are of values of this function.
    unsafe {
        let name = c"input";
        let source = snn_builder_population(
            builder,
            name.as_ptr(),
            flat(2),
            c"source".as_ptr(),
            null(),
            0,
            null(),
            0,
            &raw mut input,
        );
        assert_eq!((source, input), (SnnStatus::Ok, 0));
        let model = c"integrate-and-fire";
        let fires = snn_builder_population(
            builder,
            c"out".as_ptr(),
            flat(1),
            model.as_ptr(),
            null(),
            0,
            null(),
            0,
            &raw mut neuron,
        );
        assert_eq!((fires, neuron), (SnnStatus::Ok, 1));
        assert_eq!(snn_builder_dense(builder, 0, 1, 0, [0.5, 0.75].as_ptr()), SnnStatus::Ok);
        assert_eq!(snn_builder_build(builder, &raw mut network), SnnStatus::Ok);
        snn_builder_free(builder);
    }
    network
}

#[test]
fn null_pointers_and_numbers_that_stand_for_nothing_are_refused_by_name() {
    let network = network();
    let (mut simulator, mut other) = (null_mut(), null_mut());
    // SAFETY: pointers are null or of values of this function.
    unsafe {
        assert_eq!(snn_network_open(null(), 0, &raw mut other), SnnStatus::Argument);
        assert!(last().contains("path is a null pointer"), "{}", last());
        assert_eq!(snn_simulator_new(network, 7, &raw mut simulator), SnnStatus::Argument);
        assert!(last().contains("mode is 7"), "{}", last());
        assert_eq!(snn_simulator_new(null(), 0, &raw mut simulator), SnnStatus::Argument);
        assert_eq!(snn_simulator_new(network, 0, null_mut()), SnnStatus::Argument);
        assert!(simulator.is_null());
        assert_eq!(snn_simulator_step(null_mut()), SnnStatus::Argument);
        assert_eq!(snn_simulator_new(network, SNN_MODE_AUTO, &raw mut simulator), SnnStatus::Ok);
        assert_eq!(snn_simulator_give_currents(simulator, 5, [1.0].as_ptr(), 1), SnnStatus::Argument);
        assert!(last().contains("population 5 does not exist"), "{}", last());
        assert_eq!(snn_simulator_give_currents(simulator, 1, null(), 1), SnnStatus::Argument);
        assert_eq!(snn_simulator_give_currents(simulator, 1, [f32::NAN].as_ptr(), 1), SnnStatus::Input);
        assert_eq!(
            snn_simulator_start(simulator, [1.0, 2.0].as_ptr(), 2, SNN_ENCODING_POISSON),
            SnnStatus::Argument
        );
        assert_eq!(
            snn_simulator_start(simulator, [1.0; 4].as_ptr(), 4, SNN_ENCODING_CONSTANT),
            SnnStatus::Input
        );
        assert!(last().contains("2 samples"), "{}", last());
        let latin = CString::new(vec![0xe9]).unwrap();
        assert_eq!(snn_network_find(network, latin.as_ptr(), &mut 0), SnnStatus::Argument);
        assert!(last().contains("not UTF-8"), "{}", last());
        assert_eq!(snn_network_find(network, c"hidden".as_ptr(), &mut 0), SnnStatus::Argument);
        assert!(last().contains("[\"input\", \"out\"]"), "{}", last());
        snn_simulator_free(simulator);
        snn_network_free(network);
        snn_network_free(null_mut());
    }
}

#[test]
fn steps_give_the_spikes_and_potentials_that_the_weights_say_also_after_the_network_was_freed() {
    let network = network();
    for mode in [SNN_MODE_AUTO, SNN_MODE_EVENT, SNN_MODE_DENSE] {
        let mut simulator = null_mut();
        let (mut neurons, mut values, mut count) = (null(), null(), 9);
        let (mut potentials, mut length) = (null(), 0);
        // SAFETY: all pointers are of values of this function.
        unsafe {
            assert_eq!(snn_simulator_new(network, mode, &raw mut simulator), SnnStatus::Ok);
            let both = [0_u32, 1];
            assert_eq!(snn_simulator_give_spikes(simulator, 0, both.as_ptr(), null(), 2), SnnStatus::Ok);
            assert_eq!(snn_simulator_step(simulator), SnnStatus::Ok);
            let spikes =
                snn_simulator_spikes(simulator, 1, &raw mut neurons, &raw mut values, &raw mut count);
            assert_eq!((spikes, count, values.is_null(), *neurons), (SnnStatus::Ok, 1, true, 0));
            let read = snn_simulator_potentials(simulator, 1, &raw mut potentials, &raw mut length);
            assert_eq!((read, length, *potentials), (SnnStatus::Ok, 1, 0.25));
            // A spike of value 2 counts twice; it is gone after the step for which it was given.
            let twice = [2_i32];
            assert_eq!(
                snn_simulator_give_spikes(simulator, 0, both.as_ptr(), twice.as_ptr(), 1),
                SnnStatus::Ok
            );
            assert_eq!(snn_simulator_run(simulator, 5), SnnStatus::Ok);
            let (mut counts, mut quiet, mut now) = (null(), false, 0);
            assert_eq!(snn_simulator_counts(simulator, 0, &raw mut counts, &raw mut length), SnnStatus::Ok);
            assert_eq!([*counts, *counts.add(1)], [3, 1]);
            assert_eq!(snn_simulator_run_until_quiet(simulator, 100, &raw mut quiet), SnnStatus::Ok);
            assert_eq!(snn_simulator_now(simulator, &raw mut now), SnnStatus::Ok);
            assert!(quiet && now == 6, "{quiet} {now}");
            snn_simulator_free(simulator);
        }
    }
    // SAFETY: it is freed once.
    unsafe { snn_network_free(network) };
}

#[test]
fn a_builder_refuses_what_makes_no_network_and_is_empty_afterwards() {
    let builder = snn_builder_new();
    let (mut id, mut network) = (0, null_mut());
    let shape = SnnShape { channels: 3, height: 0, width: 0 };
    // SAFETY: all pointers are of values of this function.
    unsafe {
        let value = [2.0_f32, 3.0];
        let leak = SnnParameter { name: c"leak".as_ptr(), values: value.as_ptr(), length: 1 };
        let name = c"x".as_ptr();
        let mut add = |kind: &CStr, parameter: SnnParameter| {
            let one = &raw const parameter;
            snn_builder_population(builder, name, shape, kind.as_ptr(), one, 1, null(), 0, &raw mut id)
        };
        assert_eq!(add(c"leeky", leak), SnnStatus::Network);
        assert!(last().contains("no model `leeky`"), "{}", last());
        assert_eq!(add(c"integrate-and-fire", leak), SnnStatus::Network);
        assert!(last().contains("no parameter `leak`"), "{}", last());
        assert_eq!(add(c"source", leak), SnnStatus::Argument);
        // Ranges are looked at when it is built.
        assert_eq!(add(c"leaky", leak), SnnStatus::Ok);
        assert_eq!(snn_builder_one_to_one(builder, 0, 1, 0, value.as_ptr(), 1), SnnStatus::Network);
        assert!(last().contains("population #1"), "{}", last());
        assert_eq!(snn_builder_build(builder, &raw mut network), SnnStatus::Network);
        assert!(last().contains("leak[0] is 2"), "{}", last());
        assert_eq!(snn_builder_build(builder, &raw mut network), SnnStatus::Network);
        assert!(last().contains("has no populations"), "{}", last());
        assert!(network.is_null());
        snn_builder_free(builder);
    }
}
