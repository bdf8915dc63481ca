use snn_engine::{Network, Until};
use snn_formats::Description;

use crate::evaluate::Plan;
use crate::stop::Stop;

/// Why a run cannot be evaluated as it is asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// The points are in no order, or one is there twice.
    #[error("they do not ascend; allowed are for instance 1, 2, 4, 8")]
    Points,
    /// The read-out begins when the first point is over.
    #[error("nothing is left to read behind step {from}; allowed are numbers below the first point, {first}")]
    ReadOut {
        /// The step behind which is read.
        from: u32,
        /// The first point.
        first: u32,
    },
    /// Outputs in no unit have no probabilities.
    #[error(
        "the network does not say what its outputs stand for, so there is no confidence; stop by margin=M, or take a network \
         that was converted from a trained net"
    )]
    Confidence,
}

impl Plan {
    /// All is told after the given points, which ascend; without any after every step, and of runs until the network is quiet
    /// after powers of two and the limit, which is far beyond the steps that matter. Of those it is told when they were quiet.
    ///
    /// # Errors
    /// If the points do not ascend above the step behind which is read.
    pub fn new(points: &[u32], until: Until, read_out_from: u32) -> Result<Self, PlanError> {
        let until_quiet = matches!(until, Until::Quiet { .. });
        let points: Vec<u32> = match until {
            _ if !points.is_empty() => points.to_vec(),
            Until::Steps(steps) => (read_out_from.saturating_add(1)..=steps).collect(),
            Until::Quiet { limit } => {
                let powers = (0..u32::BITS).map(|power| 1 << power).take_while(|&power| power < limit);
                powers.chain([limit]).filter(|&step| step > read_out_from).collect()
            }
        };
        if points.windows(2).any(|pair| pair[0] >= pair[1]) {
            return Err(PlanError::Points);
        }
        match points.first() {
            Some(&first) if first > read_out_from => {}
            first => {
                let first = first.copied().unwrap_or(until.most());
                return Err(PlanError::ReadOut { from: read_out_from, first });
            }
        }
        let stops = if until_quiet { vec![Stop::Quiet] } else { vec![] };
        Ok(Self { points, read_out_from, stops, membrane_updates: false, neuron_spikes: false })
    }

    /// The same with rules by which samples might end early, in front of those that it has.
    ///
    /// # Errors
    /// If a rule asks for the confidence of outputs whose unit the network does not state.
    pub fn stopping(
        mut self,
        stops: &[Stop],
        network: &Network,
        description: &Description,
    ) -> Result<Self, PlanError> {
        let confident = stops.iter().any(|stop| matches!(stop, Stop::Confidence(_)));
        if confident && description.unit(network.output().index()).is_none() {
            return Err(PlanError::Confidence);
        }
        let own = std::mem::take(&mut self.stops);
        self.stops = stops.to_vec();
        self.stops.extend(own.into_iter().filter(|stop| !stops.contains(stop)));
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_are_every_step_or_powers_of_two_and_ascend_behind_the_read_out() {
        let plan = Plan::new(&[], Until::Steps(4), 1).unwrap();
        assert_eq!((plan.points, plan.stops), (vec![2, 3, 4], vec![]));
        let plan = Plan::new(&[], Until::Quiet { limit: 10 }, 0).unwrap();
        assert_eq!((plan.points, plan.stops), (vec![1, 2, 4, 8, 10], vec![Stop::Quiet]));
        assert_eq!(Plan::new(&[2, 8], Until::Steps(8), 1).unwrap().points, [2, 8]);
        assert_eq!(Plan::new(&[2, 2], Until::Steps(2), 0), Err(PlanError::Points));
        assert_eq!(Plan::new(&[2, 8], Until::Steps(8), 2), Err(PlanError::ReadOut { from: 2, first: 2 }));
        assert_eq!(Plan::new(&[], Until::Steps(8), 8), Err(PlanError::ReadOut { from: 8, first: 8 }));
    }
}
