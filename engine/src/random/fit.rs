use super::{FITTED_STEPS, TARGET};
use crate::error::NetworkError;
use crate::input::{Drive, Sample};
use crate::network::{Layout, PopulationId};
use crate::record::Raster;
use crate::simulator::EventSimulator;
use crate::simulator::{Observer, Simulator};
use crate::spikes::SpikeSlice;

/// How far from the rate asked for the fit may end, as a share of it.
const TOLERANCE: f64 = 0.02;

/// So many runs bring the two ends of the bisection together, up to the last bits of the gain.
const MOST_RUNS: u32 = 60;

/// Neurons over all samples that a rate should be an average of.
const NEURONS: usize = 2048;

/// The number of samples to fit to: more where populations are small.
pub(super) fn samples(layouts: &[Layout]) -> u64 {
    let smallest = layouts.iter().filter_map(|layout| layout.neurons()).min().unwrap_or(1);
    NEURONS.div_ceil(smallest.max(1) as usize).clamp(2, 16) as u64
}

/// Spikes per neuron and step.
pub(super) fn rate(rasters: &[Raster], neurons: usize) -> f64 {
    let spikes: usize = rasters.iter().map(|raster| raster.neurons().len()).sum();
    let steps = rasters.len() as f64 * f64::from(FITTED_STEPS);
    spikes as f64 / (steps * neurons.max(1) as f64)
}

/// Keeps the spikes of the population behind the source.
struct Kept(Raster);

impl Observer for Kept {
    fn spikes(&mut self, population: PopulationId, step: u64, spikes: SpikeSlice<'_>) {
        if population == TARGET {
            while (self.0.steps() as u64) < step {
                self.0.push_step(&[]);
            }
            self.0.push(spikes);
        }
    }
}

/// The spikes of a population for each raster of what reaches it.
pub(super) fn run(simulator: &EventSimulator, rasters: &[Raster]) -> Result<Vec<Raster>, NetworkError> {
    let mut simulator = simulator.clone();
    let mut runs = Vec::with_capacity(rasters.len());
    for raster in rasters {
        let sample = Sample { drive: Drive::none(), spikes: vec![(PopulationId(0), raster.clone())] };
        let mut kept = Kept(Raster::new());
        simulator.reset();
        simulator.run(&sample, u64::from(FITTED_STEPS), &mut kept)?;
        runs.push(kept.0);
    }
    Ok(runs)
}

/// The gain at which the neurons fire at the rate `wanted`, by bracketing and bisection of its logarithm, from a
/// first guess; `rate(gain)` is what a run gives.
pub(super) fn gain(
    wanted: f64,
    guess: f32,
    mut rate: impl FnMut(f32) -> Result<f64, NetworkError>,
) -> Result<f32, NetworkError> {
    let fits = |rate: f64| (rate / wanted - 1.0).abs() <= TOLERANCE;
    let (mut low, mut high): (Option<f32>, Option<f32>) = (None, None);
    let (mut gain, mut reached) = (guess, 0.0);
    for _ in 0..MOST_RUNS {
        reached = rate(gain)?;
        if fits(reached) {
            return Ok(gain);
        }
        *(if reached < wanted { &mut low } else { &mut high }) = Some(gain);
        let next = match (low, high) {
            // Rates grow about as gains do; a factor keeps the step inside a sensible range.
            (Some(low), None) => low * ((wanted / reached.max(1e-9)) as f32 * 1.1).clamp(1.1, 8.0),
            (None, Some(high)) => high * ((wanted / reached) as f32 * 0.9).clamp(0.125, 0.9),
            (Some(low), Some(high)) => (low * high).sqrt(),
            (None, None) => gain,
        };
        if next == gain || !(1e-18..=1e18).contains(&next) {
            break;
        }
        gain = next;
    }
    // Few neurons can only fire at certain rates: the nearest below a jump is as good as it gets.
    if (reached / wanted - 1.0).abs() <= 0.2 {
        return Ok(gain);
    }
    Err(NetworkError::new(
        "random network",
        format!(
            "cannot fire at a rate of {wanted}: {reached:.4} is reached at a gain of {gain:e}; allowed are rates above \
             the bias and well below one half, and populations that are not all too small"
        ),
    ))
}
