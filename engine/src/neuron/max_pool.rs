/// Cumulative max pooling: a unit spikes in a step iff the largest spike count among its inputs grew.
///
/// With `N_j` the number of spikes that have arrived from input `j`, the unit spikes iff `max_j N_j` grew
/// in this step. Each `N_j` grows by at most one in a step, so the unit's own count equals `max_j N_j` at
/// every step: its rate is exactly the maximum of the rates. (The maximum of the *spikes* of a step is
/// something else: two inputs that alternate at rate ½ would give rate 1.)
///
/// The inputs of a unit are the sources that have a synapse onto it; their weights must be 1.
#[derive(Clone, Copy, Debug, Default)]
pub struct MaxPool;
