//! The native part of the Python package `snn_event`.

mod array;
mod background;
mod builder;
mod error;
mod evaluation;
mod model;
mod network;
mod nir;
mod pickled;
mod reading;
mod recording;
mod run;
mod simulator;
mod study;

use pyo3::prelude::*;

/// Spiking networks, their runs, and the conversion of trained nets. Use the package `snn_event`.
#[pymodule]
fn _snn_event(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let py = module.py();
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add("NetworkError", py.get_type::<error::RaisedNetworkError>())?;
    module.add("InputError", py.get_type::<error::RaisedInputError>())?;
    module.add("StateError", py.get_type::<error::RaisedStateError>())?;
    module.add("FormatError", py.get_type::<error::RaisedFormatError>())?;
    module.add("ConvertError", py.get_type::<error::RaisedConvertError>())?;
    module.add("UnsupportedError", py.get_type::<error::RaisedUnsupportedError>())?;
    module.add("DifferentNetError", py.get_type::<error::RaisedDifferentNetError>())?;
    module.add_class::<network::Network>()?;
    module.add_class::<network::Population>()?;
    module.add_class::<network::Projection>()?;
    module.add_class::<run::Outcomes>()?;
    module.add_class::<simulator::Simulator>()?;
    module.add_class::<builder::Parts>()?;
    module.add_class::<model::Model>()?;
    module.add_function(wrap_pyfunction!(array::class_labels, module)?)?;
    module.add_function(wrap_pyfunction!(reading::read_npz, module)?)?;
    module.add_function(wrap_pyfunction!(reading::from_arrays, module)?)?;
    module.add_function(wrap_pyfunction!(reading::read_state_dict, module)?)?;
    module.add_function(wrap_pyfunction!(reading::from_state_dict, module)?)?;
    module.add_function(wrap_pyfunction!(nir::network_of_nir, module)?)?;
    module.add_function(wrap_pyfunction!(nir::nir_of_network, module)?)?;
    module.add_function(wrap_pyfunction!(run::machine, module)?)?;
    module.add_function(wrap_pyfunction!(evaluation::evaluate, module)?)?;
    module.add_class::<evaluation::Evaluated>()?;
    module.add_function(wrap_pyfunction!(evaluation::energy_presets, module)?)?;
    module.add_function(wrap_pyfunction!(evaluation::part_networks, module)?)?;
    module.add_function(wrap_pyfunction!(evaluation::part_spike_files, module)?)?;
    module.add_function(wrap_pyfunction!(study::study, module)?)?;
    module.add_function(wrap_pyfunction!(study::sweep, module)?)?;
    module.add_class::<study::Verified>()?;
    module.add_function(wrap_pyfunction!(study::read_results, module)?)?;
    module.add_function(wrap_pyfunction!(study::merge_results, module)?)?;
    module.add_function(wrap_pyfunction!(study::results_table, module)?)?;
    module.add_function(wrap_pyfunction!(study::results_page, module)?)?;
    Ok(())
}
