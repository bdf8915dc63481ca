//! What a layer loses, split by cause.

use serde::Serialize;

/// The activation of the trained net against what one population says of it in a run.
///
/// All are means over neurons and samples, in units of λ, the largest activation that a neuron can express: an activation `a`
/// should be the rate `a/λ`; of neurons that count to L, the count `L·a/λ`.
///
/// Of neurons that count, the four parts add up to the error: each is by how much the mean absolute difference from the
/// trained net grows with one more thing that is done to its activations. So a part is below 0 where that happened to help.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Loss {
    /// Pearson's correlation of activation and rate; absent if one of them never changes.
    pub correlation: Option<f64>,
    /// Mean activation.
    pub activation: f64,
    /// Mean rate.
    pub rate: f64,
    /// Mean absolute difference of rate and activation.
    pub error: f64,
    /// Of it, what is above λ and cannot be expressed: `|a − min(a, 1)|`.
    pub clipping: f64,
    /// What rounding loses: to whole spikes even if input arrives evenly, `|a − ⌊a·T + start⌋/T|` of the clipped activation;
    /// of neurons that count, to the nearest level.
    pub quantisation: f64,
    /// What rounding in the layers before, and all that was done to weights, loses; only of neurons that count.
    pub before: Option<f64>,
    /// The rest: spikes that arrive unevenly, `|rate − ⌊a·T + start⌋/T|`, and of unit spikes errors of the layers before. Of
    /// neurons that count, the difference from the quantised network: none where they are at rest.
    pub rest: f64,
    /// Counts, over all neurons and samples compared, that are not the quantised network's; only of neurons that count. At
    /// rest they are sums so close to a half that rounding errors decide, and what follows from them.
    pub differing: Option<u64>,
}

/// Sums over neurons and samples.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sums {
    count: f64,
    activation: f64,
    rate: f64,
    /// Of the squares of activation and rate, and of their product.
    squares: [f64; 3],
    error: f64,
    clipping: f64,
    quantisation: f64,
    rest: f64,
    before: Option<f64>,
    differing: Option<u64>,
}

impl Sums {
    /// Adds the spikes of an integrate-and-fire neuron with the activation `a` in a run.
    pub fn add_rate(&mut self, a: f64, spikes: i64, steps: u32, start: f64) {
        let steps = f64::from(steps);
        // Counts are far below 2^53.
        let rate = spikes as f64 / steps;
        let clipped = a.min(1.0);
        let even = (clipped * steps + start).floor().clamp(0.0, steps) / steps;
        self.clipping += a - clipped;
        self.quantisation += (clipped - even).abs();
        self.rest += (rate - even).abs();
        self.add(a, rate);
    }

    /// Adds the count of a neuron with the activation `a`, beside that of the quantised network.
    pub fn add_count(&mut self, a: f64, [spiking, quantised]: [i64; 2], levels: u32) {
        let levels = f64::from(levels);
        let clipped = a.min(1.0);
        let nearest = (clipped * levels + 0.5).floor().min(levels) / levels;
        let [spiking_rate, quantised_rate] = [spiking, quantised].map(|count| count as f64 / levels);
        let [clipped, nearest, before, all] =
            [clipped, nearest, quantised_rate, spiking_rate].map(|value| (value - a).abs());
        self.clipping += clipped;
        self.quantisation += nearest - clipped;
        *self.before.get_or_insert(0.0) += before - nearest;
        self.rest += all - before;
        *self.differing.get_or_insert(0) += u64::from(spiking != quantised);
        self.add(a, spiking_rate);
    }

    fn add(&mut self, a: f64, rate: f64) {
        self.count += 1.0;
        self.activation += a;
        self.rate += rate;
        self.squares[0] += a * a;
        self.squares[1] += rate * rate;
        self.squares[2] += a * rate;
        self.error += (rate - a).abs();
    }

    pub fn loss(&self) -> Loss {
        let mean = |sum: f64| sum / self.count;
        let (activation, rate) = (mean(self.activation), mean(self.rate));
        let [aa, rr, ar] = self.squares.map(mean);
        let (a, r) = (aa - activation * activation, rr - rate * rate);
        let correlation =
            (a > 0.0 && r > 0.0).then(|| ((ar - activation * rate) / (a * r).sqrt()).clamp(-1.0, 1.0));
        Loss {
            correlation,
            activation,
            rate,
            error: mean(self.error),
            clipping: mean(self.clipping),
            quantisation: mean(self.quantisation),
            before: self.before.map(mean),
            rest: mean(self.rest),
            differing: self.differing,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loss_is_split_into_clipping_rounding_and_the_rest() {
        let mut sums = Sums::default();
        // 1.5 is clipped to 1; 7 of 8 spikes came.
        sums.add_rate(1.5, 7, 8, 0.5);
        // 0.3 of 8 steps rounds to 2 spikes; 3 came.
        sums.add_rate(0.3, 3, 8, 0.5);
        let loss = sums.loss();
        let close = |a: f64, b: f64| assert!((a - b).abs() < 1e-12, "{a} {b}");
        close(loss.clipping, 0.5 / 2.0);
        close(loss.quantisation, 0.05 / 2.0);
        close(loss.rest, (0.125 + 0.125) / 2.0);
        close(loss.error, (0.625 + 0.075) / 2.0);
        close(loss.correlation.unwrap(), 1.0);
    }

    #[test]
    fn the_parts_of_the_loss_of_counts_add_up_to_it() {
        let mut sums = Sums::default();
        // Of 4 levels: 1.5 is clipped to 4, the quantised network has 3, the spiking one 3.
        sums.add_count(1.5, [3, 3], 4);
        // 0.3 is nearest to 1, the quantised network has 2, the spiking one 1: by chance nearer.
        sums.add_count(0.3, [1, 2], 4);
        let loss = sums.loss();
        let close = |a: f64, b: f64| assert!((a - b).abs() < 1e-12, "{a} {b}");
        close(loss.clipping, 0.5 / 2.0);
        close(loss.quantisation, 0.05 / 2.0);
        close(loss.before.unwrap(), (0.25 + 0.15) / 2.0);
        close(loss.rest, -0.15 / 2.0);
        close(loss.error, (0.75 + 0.05) / 2.0);
        close(loss.clipping + loss.quantisation + loss.before.unwrap() + loss.rest, loss.error);
        assert_eq!(loss.differing, Some(1));
    }
}
