use super::drive::Drive;
use super::stimulus::{Stimulus, check_source, given_twice};
use crate::error::NetworkError;
use crate::network::{Network, PopulationId};
use crate::record::Raster;
use crate::spikes::SpikeSlice;

/// All that a network is given for one sample: constant currents, and spikes of its sources.
#[derive(Clone, Debug, Default)]
pub struct Sample {
    /// Currents that are added to the biases.
    pub drive: Drive,
    /// The spikes of each source that has any; of all steps of the run, or fewer if the rest is silent.
    pub spikes: Vec<(PopulationId, Raster)>,
}

impl Sample {
    /// The spikes of one step, checked.
    ///
    /// # Errors
    /// As [`Stimulus::new`], and if a population is not a source.
    pub fn stimulus(&self, network: &Network, step: usize) -> Result<Stimulus, NetworkError> {
        let mut stimulus = Stimulus::none();
        self.give(network, step, &mut stimulus)?;
        Ok(stimulus)
    }

    /// Sets the spikes of one step, checked, in a stimulus that is kept for many.
    ///
    /// # Errors
    /// As [`stimulus`](Self::stimulus).
    pub fn give(&self, network: &Network, step: usize, stimulus: &mut Stimulus) -> Result<(), NetworkError> {
        self.check_step(network, step)?;
        for (id, raster) in &self.spikes {
            stimulus.take_spikes(*id, raster.with_values(step));
        }
        Ok(())
    }

    /// Checks the spikes of one step as [`stimulus`](Self::stimulus) does.
    pub(crate) fn check_step(&self, network: &Network, step: usize) -> Result<(), NetworkError> {
        for (place, (id, raster)) in self.spikes.iter().enumerate() {
            if self.spikes[..place].iter().any(|(earlier, _)| earlier == id) {
                return Err(given_twice(*id));
            }
            check_source(network, *id, raster.step(step))?;
        }
        Ok(())
    }

    /// The spikes that one source is given in one step.
    pub(crate) fn of(&self, id: PopulationId, step: usize) -> SpikeSlice<'_> {
        self.spikes
            .iter()
            .find(|(given, _)| *given == id)
            .map_or(SpikeSlice::default(), |(_, raster)| raster.with_values(step))
    }

    /// The step from which on it has no spikes.
    pub(crate) fn silent_from(&self) -> u64 {
        let last = |raster: &Raster| {
            // Starts ascend, and stay where they are in silent steps.
            let all = raster.neurons().len();
            raster.starts().partition_point(|&start| start < all) as u64
        };
        self.spikes.iter().map(|(_, raster)| last(raster)).max().unwrap_or(0)
    }

    /// The first step from `step` on in which it has spikes.
    pub(crate) fn next_spikes(&self, step: u64) -> Option<u64> {
        let next = |raster: &Raster| {
            let step = usize::try_from(step).ok()?;
            let start = *raster.starts().get(step)?;
            // The last step that starts where this one does, unless nothing follows.
            let next = raster.starts().partition_point(|&other| other <= start) - 1;
            (next < raster.steps()).then_some(next as u64)
        };
        self.spikes.iter().filter_map(|(_, raster)| next(raster)).min()
    }

    /// Checks the spikes of all steps.
    ///
    /// # Errors
    /// As [`Stimulus::new`], with the step.
    pub fn check(&self, network: &Network) -> Result<(), NetworkError> {
        let steps = self.spikes.iter().map(|(_, raster)| raster.steps()).max().unwrap_or(0);
        for step in 0..steps {
            self.stimulus(network, step).map_err(|error| error.within(format!("step {step}")))?;
        }
        Ok(())
    }
}
