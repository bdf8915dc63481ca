use snn_engine::{Accumulator, Drive, IntegrateFire, Network, PopulationId, REBASE, Reset};

/// The membranes of one population, updated one step after the other, all neurons in each.
#[derive(Clone, Debug)]
pub struct Neurons {
    u: Vec<f32>,
    start: Vec<f32>,
    biases: Vec<f32>,
    /// Infinite for neurons that never fire.
    thresholds: Vec<f32>,
    reset: Reset,
}

impl Neurons {
    /// The neurons of a population; `None` if it has no membranes, or others than these rivals know: integrate-and-fire
    /// neurons and read-outs.
    #[must_use]
    pub fn of(network: &Network, id: PopulationId) -> Option<Self> {
        let population = network.population(id);
        let n = population.size();
        let neuron = population.neuron();
        let (start, thresholds, reset) = if let Some(model) = neuron.as_model::<IntegrateFire>() {
            (model.start.iter(n).collect(), model.threshold.iter(n).collect(), model.reset)
        } else {
            // A read-out.
            neuron.as_model::<Accumulator>()?;
            (vec![0.0; n], vec![f32::INFINITY; n], Reset::Subtract)
        };
        Some(Self { u: vec![0.0; n], start, biases: vec![0.0; n], thresholds, reset })
    }

    /// Takes the biases and constant currents of a sample.
    pub fn take_drive(&mut self, network: &Network, id: PopulationId, drive: &Drive) {
        let Some(biases) = network.population(id).neuron().bias() else { return };
        let currents = drive.of(id);
        for (at, (place, bias)) in self.biases.iter_mut().zip(biases.iter(self.u.len())).enumerate() {
            *place = bias + currents.map_or(0.0, |currents| currents[at]);
        }
    }

    /// Back to the potentials before step 0.
    pub fn restart(&mut self) {
        self.u.copy_from_slice(&self.start);
    }

    /// Step `step`: adds the currents `[size]`, and writes 1 for every neuron that fires, else 0.
    pub fn step(&mut self, step: u32, currents: &[f32], fired: &mut [f32]) {
        if step > 0 && step.is_multiple_of(REBASE) {
            for (u, bias) in self.u.iter_mut().zip(&self.biases) {
                *u += bias * REBASE as f32;
            }
        }
        let k = (step % REBASE + 1) as f32;
        scan(self, currents, k, fired);
    }
}

#[inline(always)]
fn body(neurons: &mut Neurons, currents: &[f32], k: f32, fired: &mut [f32]) {
    let n = neurons.u.len();
    let (u, biases, thresholds) = (&mut neurons.u[..n], &neurons.biases[..n], &neurons.thresholds[..n]);
    let (currents, fired) = (&currents[..n], &mut fired[..n]);
    let subtract = neurons.reset == Reset::Subtract;
    for i in 0..n {
        let before = u[i] + currents[i];
        let ramp = biases[i] * k;
        let fires = before + ramp >= thresholds[i];
        let after = if subtract { before - thresholds[i] } else { 0.0 - ramp };
        u[i] = if fires { after } else { before };
        fired[i] = f32::from(u8::from(fires));
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512vl,avx512dq,avx512bw")]
fn avx512(neurons: &mut Neurons, currents: &[f32], k: f32, fired: &mut [f32]) {
    body(neurons, currents, k, fired);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn avx2(neurons: &mut Neurons, currents: &[f32], k: f32, fired: &mut [f32]) {
    body(neurons, currents, k, fired);
}

fn scan(neurons: &mut Neurons, currents: &[f32], k: f32, fired: &mut [f32]) {
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512vl")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512bw")
        {
            // SAFETY: the processor has the instructions, as was asked just before.
            return unsafe { avx512(neurons, currents, k, fired) };
        }
        if is_x86_feature_detected!("avx2") {
            // SAFETY: as above.
            return unsafe { avx2(neurons, currents, k, fired) };
        }
    }
    body(neurons, currents, k, fired);
}
