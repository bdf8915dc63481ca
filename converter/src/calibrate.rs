//! What the activations of a trained net are like over a set of samples.
//!
//! All statistics are exact and made of counts and maxima only, so they do not depend on the order of the samples, on
//! batches or on threads. The samples are streamed through the net, several times if need be; beside one block of
//! activations no more than [`MEMORY`] is held, or 4 KiB per group if there are more groups than that.

use crate::ann::{Ann, NodeId};
use crate::forward::{Activation, ForwardError, forward_while};
use crate::wanted::Wanted;
use rayon::prelude::*;

/// The room that counters take at most, in bytes.
pub const MEMORY: usize = 64 << 20;

/// Whether activations of zero count in a percentile.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Zeros {
    /// They count, as Diehl et al. 2015 and Rueckauer et al. 2017 have it.
    #[default]
    Included,
    /// Only positive activations count; the scale of a sparse layer is then larger.
    Excluded,
}

/// A node whose activations are looked at, in groups of equally many consecutive elements: 1 for the whole layer, one per
/// channel, or one per element. What is below zero counts as zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watched {
    /// The node.
    pub node: NodeId,
    /// The number of groups; divides the number of elements.
    pub groups: usize,
}

/// Extent of the activations of one node, per group.
#[derive(Clone, Debug, PartialEq)]
pub struct Extent {
    /// The largest activation.
    pub largest: Vec<f32>,
    /// The number of activations above zero.
    pub positive: Vec<u64>,
    /// The number of activations of each group.
    pub count: u64,
}

impl Extent {
    /// The extent of all groups together.
    #[must_use]
    pub fn merged(&self) -> Self {
        Self {
            largest: vec![self.largest.iter().copied().fold(0.0, f32::max)],
            positive: vec![self.positive.iter().sum()],
            count: self.count * self.largest.len() as u64,
        }
    }
}

/// The calibration samples, `[n][elements of the input]`, with the net they are for.
#[derive(Clone, Copy, Debug)]
pub struct Calibration<'a> {
    /// The net.
    pub ann: &'a Ann,
    /// The samples as the net takes them.
    pub samples: &'a [f32],
    /// How long it is wanted.
    pub wanted: Wanted<'a>,
}

impl Calibration<'_> {
    /// Runs the samples through the net and shows the activations of every watched node, clipped at zero, group by group:
    /// `each(place in watched, group, values)`.
    fn stream(
        &self,
        watched: &[Watched],
        mut each: impl FnMut(usize, usize, &[f32]),
    ) -> Result<(), ForwardError> {
        let nodes: Vec<NodeId> = watched.iter().map(|watched| watched.node).collect();
        forward_while(self.wanted, self.ann, self.samples, &nodes, |activation: Activation<'_>| {
            for (place, watched) in watched.iter().enumerate() {
                if watched.node != activation.node {
                    continue;
                }
                let length = activation.elements / watched.groups;
                for sample in activation.values.chunks_exact(activation.elements) {
                    for (group, values) in sample.chunks_exact(length).enumerate() {
                        each(place, group, values);
                    }
                }
            }
        })?;
        Ok(())
    }

    /// Maxima and counts, in one pass.
    ///
    /// # Errors
    /// As [`forward`](crate::forward::forward).
    pub fn extents(&self, watched: &[Watched]) -> Result<Vec<Extent>, ForwardError> {
        let mut extents: Vec<Extent> = watched
            .iter()
            .map(|watched| Extent {
                largest: vec![0.0; watched.groups],
                positive: vec![0; watched.groups],
                count: 0,
            })
            .collect();
        self.stream(watched, |place, group, values| {
            let extent = &mut extents[place];
            let mut largest = extent.largest[group];
            let mut positive = 0;
            for &value in values {
                positive += u64::from(value > 0.0);
                if value > largest {
                    largest = value;
                }
            }
            extent.largest[group] = largest;
            extent.positive[group] += positive;
            if group == 0 {
                extent.count += values.len() as u64;
            }
        })?;
        Ok(extents)
    }

    /// The exact percentile `percent` of each group, interpolated between neighbours as `numpy.percentile` does; 0 where
    /// nothing counts.
    ///
    /// The two neighbours are found digit by digit: activations are not negative, so their bits order as they do, and
    /// each pass over the samples counts the next digit of those that share the digits found so far. 2 to 4 passes.
    ///
    /// # Errors
    /// As [`forward`](crate::forward::forward).
    ///
    /// # Panics
    /// If `percent` is not in `0 ..= 100`.
    pub fn percentiles(
        &self,
        watched: &[Watched],
        extents: &[Extent],
        percent: f64,
        zeros: Zeros,
    ) -> Result<Vec<Vec<f64>>, ForwardError> {
        assert!((0.0..=100.0).contains(&percent), "percentile {percent}");
        let groups: usize = watched.iter().map(|watched| watched.groups).sum();
        let room = |bits: u32| groups * 2 * (8 << bits);
        let digit = [16, 11, 8].into_iter().find(|&bits| room(bits) <= MEMORY).unwrap_or(8);
        let mut searches: Vec<Vec<Search>> = watched
            .iter()
            .zip(extents)
            .map(|(watched, extent)| {
                let searches = (0..watched.groups).map(|group| {
                    let count = match zeros {
                        Zeros::Included => extent.count,
                        Zeros::Excluded => extent.positive[group],
                    };
                    Search::new(count, percent, digit)
                });
                searches.collect()
            })
            .collect();
        let mut known = 0;
        while known < 32 {
            let bits = digit.min(32 - known);
            self.stream(watched, |place, group, values| {
                searches[place][group].count(values, zeros, known, bits);
            })?;
            searches.iter_mut().flatten().for_each(|search| search.narrow(bits));
            known += bits;
        }
        let percentiles = searches.iter().map(|groups| groups.iter().map(Search::value).collect());
        Ok(percentiles.collect())
    }

    /// For each group the scale that local threshold balancing comes to (Bu et al. 2024, "Inference-scale complexity in ANN-SNN
    /// conversion for high-performance and low-power applications", section 4; arXiv:2409.03368): from 0 on, `rounds` times
    /// `λ ← λ + 2η · mean(max(a − λ, 0))` over all activations `a`, zeros included, which are steps down the gradient of the
    /// squared error of clipping. All layers are balanced at once, each on what the trained net has.
    ///
    /// The activations are counted in bins as in [`least_error_scales`](Self::least_error_scales).
    ///
    /// # Errors
    /// As [`forward`](crate::forward::forward).
    pub fn balanced_scales(
        &self,
        watched: &[Watched],
        extents: &[Extent],
        rounds: u32,
        rate: f64,
    ) -> Result<Vec<Vec<f64>>, ForwardError> {
        let histograms = self.histograms(watched, extents)?;
        let of_group = |(histogram, (&largest, count)): (&Vec<u64>, (&f32, u64))| {
            f64::from(largest) * balanced_fraction(histogram, count, rounds, rate)
        };
        let scales = histograms.iter().zip(extents).map(|(histograms, extent)| {
            let extents = extent.largest.iter().map(|largest| (largest, extent.count));
            histograms.iter().zip(extents).map(of_group).collect()
        });
        Ok(scales.collect())
    }

    /// Of each group the activations above zero, in 256 to 4,096 equal bins below its maximum.
    fn histograms(
        &self,
        watched: &[Watched],
        extents: &[Extent],
    ) -> Result<Vec<Vec<Vec<u64>>>, ForwardError> {
        let groups: usize = watched.iter().map(|watched| watched.groups).sum();
        let bins =
            [4096, 2048, 1024, 512].into_iter().find(|bins| groups * bins * 8 <= MEMORY).unwrap_or(256);
        let mut histograms: Vec<Vec<Vec<u64>>> =
            watched.iter().map(|watched| vec![vec![0; bins]; watched.groups]).collect();
        self.stream(watched, |place, group, values| {
            let largest = f64::from(extents[place].largest[group]);
            let histogram = &mut histograms[place][group];
            for &value in values.iter().filter(|value| **value > 0.0) {
                let bin = (f64::from(value) / largest * bins as f64) as usize;
                histogram[bin.min(bins - 1)] += 1;
            }
        })?;
        Ok(histograms)
    }

    /// For each group the scale λ of at least `extent.largest / 50` that minimises the squared error of
    /// `λ/T · clip(⌊a·T/λ + start⌋, 0, T)` over the activations `a`, which is what a neuron makes of a steady input
    /// in T steps, with one start per watched node (Li et al. 2021, "A Free Lunch From ANN", section 4.1).
    ///
    /// The activations are counted in 256 to 4,096 equal bins below the maximum, and taken at their bin's middle.
    ///
    /// # Errors
    /// As [`forward`](crate::forward::forward).
    pub fn least_error_scales(
        &self,
        watched: &[Watched],
        extents: &[Extent],
        steps: u32,
        starts: &[f64],
    ) -> Result<Vec<Vec<f64>>, ForwardError> {
        let histograms = self.histograms(watched, extents)?;
        let scales = histograms.iter().zip(extents).zip(starts).map(|((histograms, extent), &start)| {
            histograms
                .par_iter()
                .zip(&extent.largest)
                .map(|(histogram, &largest)| {
                    self.wanted.check()?;
                    Ok(f64::from(largest) * least_error_fraction(histogram, steps, start))
                })
                .collect()
        });
        scales.collect()
    }
}

/// The fraction of the histogram's range that is the best λ.
fn least_error_fraction(histogram: &[u64], steps: u32, start: f64) -> f64 {
    let filled: Vec<(f64, f64)> = histogram
        .iter()
        .enumerate()
        .filter(|(_, count)| **count > 0)
        .map(|(bin, &count)| ((bin as f64 + 0.5) / histogram.len() as f64, count as f64))
        .collect();
    if filled.is_empty() {
        return 1.0;
    }
    let error = |fraction: f64| -> f64 {
        let (rate, level) = (f64::from(steps) / fraction, fraction / f64::from(steps));
        filled
            .iter()
            .map(|&(value, count)| {
                // Nothing is negative here, so cutting the fraction off is rounding down.
                let spikes = ((value * rate + start) as u32).min(steps);
                let off = value - f64::from(spikes) * level;
                count * off * off
            })
            .sum()
    };
    let best = |low: f64, high: f64, points: u32| {
        (0..=points)
            .map(|point| low + (high - low) * f64::from(point) / f64::from(points))
            .map(|fraction| (error(fraction), fraction))
            .min_by(|a, b| a.0.total_cmp(&b.0))
            .map_or(high, |(_, fraction)| fraction)
    };
    let coarse = best(0.02, 1.0, 98);
    best((coarse - 0.01).max(0.02), (coarse + 0.01).min(1.0), 40)
}

/// The fraction of the histogram's range that local threshold balancing comes to; `count` are all activations, zeros included.
fn balanced_fraction(histogram: &[u64], count: u64, rounds: u32, rate: f64) -> f64 {
    let value = |bin: usize| (bin as f64 + 0.5) / histogram.len() as f64;
    let mut fraction = 0.0;
    for _ in 0..rounds {
        let above = histogram.iter().enumerate().rev().take_while(|(bin, _)| value(*bin) > fraction);
        let excess: f64 = above.map(|(bin, &of_bin)| of_bin as f64 * (value(bin) - fraction)).sum();
        fraction += 2.0 * rate * excess / (count as f64).max(1.0);
    }
    fraction
}

/// The search for two neighbouring order statistics.
struct Search {
    /// Of the lower and the upper neighbour: the digits found so far, and the rank among those that share them.
    found: [(u32, u64); 2],
    counts: [Vec<u64>; 2],
    fraction: f64,
    empty: bool,
}

impl Search {
    fn new(count: u64, percent: f64, digit: u32) -> Self {
        let place = percent / 100.0 * count.saturating_sub(1) as f64;
        let low = place.floor() as u64;
        let high = (low + 1).min(count.saturating_sub(1));
        Self {
            found: [(0, low), (0, high)],
            counts: [vec![0; 1 << digit], vec![0; 1 << digit]],
            fraction: place - place.floor(),
            empty: count == 0,
        }
    }

    fn count(&mut self, values: &[f32], zeros: Zeros, known: u32, bits: u32) {
        if self.empty {
            return;
        }
        let [low, high] = [self.found[0].0, self.found[1].0];
        let rest = 32 - known;
        let mask = (1_u64 << bits) - 1;
        for &value in values {
            let positive = value > 0.0;
            if !positive && zeros == Zeros::Excluded {
                continue;
            }
            let key = u64::from(if positive { value.to_bits() } else { 0 });
            // The digits that are known already, and the next one.
            let (prefix, next) = ((key >> rest) as u32, (key >> (rest - bits) & mask) as usize);
            if prefix == low {
                self.counts[0][next] += 1;
            }
            if prefix == high {
                self.counts[1][next] += 1;
            }
        }
    }

    fn narrow(&mut self, bits: u32) {
        if self.empty {
            return;
        }
        for (found, counts) in self.found.iter_mut().zip(&mut self.counts) {
            let mut before = 0;
            let next = counts
                .iter()
                .position(|&count| {
                    before += count;
                    before > found.1
                })
                .expect("a rank is below the count of those that share its digits");
            found.1 -= before - counts[next];
            // Digits of 16 bits leave no room above after two of them, and are not shifted further.
            found.0 = ((u64::from(found.0) << bits) | next as u64) as u32;
            counts.fill(0);
        }
    }

    fn value(&self) -> f64 {
        if self.empty {
            return 0.0;
        }
        let [low, high] = [0, 1].map(|which| f64::from(f32::from_bits(self.found[which].0)));
        if self.fraction < 0.5 {
            low + (high - low) * self.fraction
        } else {
            high - (high - low) * (1.0 - self.fraction)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn balancing_takes_the_steps_of_its_formula() {
        // Eight bins; activations of 1/16, 3/16 and, twice, 15/16 of the largest, and four zeros.
        let histogram = [1, 1, 0, 0, 0, 0, 0, 2];
        let values = [0.0, 0.0, 0.0, 0.0, 1.0 / 16.0, 3.0 / 16.0, 15.0 / 16.0, 15.0 / 16.0];
        for (rounds, rate) in [(0, 0.5), (1, 0.5), (2, 0.25), (40, 0.5)] {
            let mut lambda = 0.0_f64;
            for _ in 0..rounds {
                let excess = values.iter().map(|a: &f64| (a - lambda).max(0.0)).sum::<f64>() / 8.0;
                lambda += 2.0 * rate * excess;
            }
            let found = balanced_fraction(&histogram, 8, rounds, rate);
            assert!((found - lambda).abs() < 1e-12, "{rounds} rounds: {found}, {lambda}");
            assert!(found <= 15.0 / 16.0);
        }
        assert_eq!(balanced_fraction(&[0; 8], 5, 10, 0.5), 0.0);
    }
}
