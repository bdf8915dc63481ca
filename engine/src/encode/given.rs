use crate::error::NetworkError;
use crate::record::Raster;

/// The raster of given spikes, `[steps][neurons]` flags.
///
/// # Errors
/// If the number of flags is not a whole number of steps.
pub fn given(neurons: usize, flags: &[bool]) -> Result<Raster, NetworkError> {
    if neurons == 0 || !flags.len().is_multiple_of(neurons) {
        return Err(NetworkError::of_input(
            "raster",
            format!("has {} flags, which is not a whole number of steps of {neurons} neurons", flags.len()),
        ));
    }
    let mut raster = Raster::new();
    let mut step = vec![];
    for flags in flags.chunks_exact(neurons) {
        step.clear();
        step.extend((0_u32..).zip(flags).filter(|(_, fires)| **fires).map(|(neuron, _)| neuron));
        raster.push_step(&step);
    }
    Ok(raster)
}
