//! The examples run, and what they say of themselves holds: each asserts what it prints.

use snn_engine::NetworkError;

#[path = "../examples/embed.rs"]
mod embed;
#[path = "../examples/own_simulator.rs"]
mod own_simulator;
#[path = "../examples/recurrent.rs"]
mod recurrent;
#[path = "../examples/save_and_restore.rs"]
mod save_and_restore;

#[test]
fn the_examples_end_without_an_error() -> Result<(), NetworkError> {
    embed::main()?;
    own_simulator::main()?;
    recurrent::main()?;
    save_and_restore::main()
}

#[test]
fn every_example_is_run_by_a_test() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    names.sort();
    // `own_neuron` is run by the law over it.
    assert_eq!(names, ["embed", "own_neuron", "own_simulator", "recurrent", "save_and_restore"]);
}
