//! Tables of weights, walked through and rounded.

use super::activity::Mean;
use super::scale::whole;
use snn_engine::{
    Connectivity, Conv2d, DenseRows, NetworkError, OneToOne, PerNeuron, Rows, SparseRows, WeightType, Weights,
};

/// Calls `each(target, weight, activity of the source)` for every stored weight. Of convolutions targets are output channels, and
/// the activity is the mean over the image, times the positions that are pooled; of one-to-one weights all neurons of the smallest
/// period that both they and `groups` have are visited.
pub(super) fn each_weight(
    connectivity: &Connectivity,
    activity: &[Mean],
    groups: usize,
    mut each: impl FnMut(usize, f32, Mean),
) {
    match connectivity {
        Connectivity::Rows(rows) => {
            for (row, &of_source) in activity.iter().enumerate() {
                rows.fan_out(row, |column, weight| each(column, weight, of_source));
            }
        }
        Connectivity::Conv2d(conv) => {
            let geometry = conv.geometry();
            let channels = geometry.source[2] as usize;
            let pooled = f64::from(geometry.pool[0]) * f64::from(geometry.pool[1]);
            let means = means(activity, channels, pooled);
            for row in 0..conv.rows().len() {
                conv.rows().fan_out(row, |column, weight| each(column, weight, means[row % channels]));
            }
        }
        Connectivity::OneToOne(one) => {
            let period = common_period(one, groups);
            let means = means(activity, period, 1.0);
            for (neuron, &of_source) in means.iter().enumerate() {
                let weight = one.weights().get(neuron);
                if weight != 0.0 {
                    each(neuron, weight, of_source);
                }
            }
        }
    }
}

/// The means of the neurons `i`, `i + period` and so on, of `times` of them together.
fn means(activity: &[Mean], period: usize, times: f64) -> Vec<Mean> {
    let mut means = vec![Mean::default(); period];
    let share = times * period as f64 / activity.len().max(1) as f64;
    for (neuron, of) in activity.iter().enumerate() {
        let mean = &mut means[neuron % period];
        mean.mean += of.mean * share;
        // As if the pooled positions were independent.
        mean.square += of.square * share;
    }
    means
}

/// The period of one-to-one weights once they are divided by the scales of groups.
fn common_period(one: &OneToOne, groups: usize) -> usize {
    let period = one.weights().period();
    match (groups.is_multiple_of(period), period.is_multiple_of(groups.max(1))) {
        (true, _) => groups,
        (false, true) => period,
        (false, false) => one.size(),
    }
}

/// After how many targets [`each_weight`] has visited all weights.
pub(super) fn period(connectivity: &Connectivity, groups: usize) -> usize {
    match connectivity {
        Connectivity::Rows(rows) => rows.width(),
        Connectivity::Conv2d(conv) => conv.rows().width(),
        Connectivity::OneToOne(one) => common_period(one, groups),
    }
}

/// Adds, for every group, the magnitudes of the weights onto it, times `value`.
pub(super) fn add_magnitudes(connectivity: &Connectivity, groups: usize, value: f64, sums: &mut [f64]) {
    let mut largest = vec![0.0_f64; groups];
    let mut add_rows = |rows: &Rows, times: f64| {
        let mut own = vec![0.0_f64; rows.width()];
        for row in 0..rows.len() {
            rows.fan_out(row, |column, weight| own[column] += f64::from(weight.abs()) * times);
        }
        for (column, &sum) in own.iter().enumerate() {
            let group = &mut largest[column % groups];
            *group = group.max(sum);
        }
    };
    match connectivity {
        Connectivity::Rows(rows) => add_rows(rows, value),
        Connectivity::Conv2d(conv) => {
            let [down, across] = conv.geometry().pool.map(f64::from);
            add_rows(conv.rows(), value * down * across);
        }
        Connectivity::OneToOne(one) => {
            for neuron in 0..common_period(one, groups) {
                let group = &mut largest[neuron % groups];
                *group = group.max(f64::from(one.weights().get(neuron).abs()) * value);
            }
        }
    }
    for (sum, largest) in sums.iter_mut().zip(largest) {
        *sum += largest;
    }
}

/// How the weights onto a population are rounded.
pub(super) struct Whole<'a> {
    pub of: WeightType,
    pub largest: i16,
    pub groups: usize,
    /// Of every group.
    pub scales: &'a [f64],
}

impl Whole<'_> {
    /// A weight onto a target, in units.
    pub fn of_weight(&self, target: usize, weight: f64) -> i16 {
        // Brought into the range of the type.
        whole(weight / self.scales[target % self.groups], self.largest) as i16
    }

    /// The same synapses with whole weights; those that become zero are none any more.
    pub fn connectivity(&self, connectivity: &Connectivity) -> Result<Connectivity, NetworkError> {
        Ok(match connectivity {
            Connectivity::Rows(rows) => Connectivity::Rows(self.rows(rows)?),
            Connectivity::Conv2d(conv) => {
                Connectivity::Conv2d(Conv2d::new(*conv.geometry(), self.rows(conv.rows())?)?)
            }
            Connectivity::OneToOne(one) => {
                let period = common_period(one, self.groups);
                let weight =
                    |neuron: usize| f32::from(self.of_weight(neuron, f64::from(one.weights().get(neuron))));
                let weights: Vec<f32> = (0..period).map(weight).collect();
                Connectivity::OneToOne(OneToOne::new(one.size(), PerNeuron::repeating(weights.into())?)?)
            }
        })
    }

    /// A table in whichever form takes less room.
    fn rows(&self, rows: &Rows) -> Result<Rows, NetworkError> {
        let width = rows.width();
        let (mut starts, mut columns, mut numbers) = (vec![0_u64], vec![], vec![]);
        for row in 0..rows.len() {
            rows.fan_out(row, |column, weight| {
                let number = self.of_weight(column, f64::from(weight));
                if number != 0 {
                    // Columns are narrower than 2^32, as the table was.
                    columns.push(column as u32);
                    numbers.push(i32::from(number));
                }
            });
            starts.push(numbers.len() as u64);
        }
        let id = if width <= 1 << 16 { 2 } else { 4 };
        let (places, stored) = ((rows.len() * width) as u64, numbers.len() as u64);
        let sparse = self.of.bytes(stored) + stored * id + starts.len() as u64 * 8;
        if self.of.bytes(places) > sparse {
            let weights = Weights::of_whole(self.of, &numbers)?;
            return Ok(Rows::Sparse(SparseRows::from_columns(width, starts, columns, weights)?));
        }
        let mut table = vec![0; rows.len() * width];
        for row in 0..rows.len() {
            for at in starts[row] as usize..starts[row + 1] as usize {
                table[row * width + columns[at] as usize] = numbers[at];
            }
        }
        Ok(Rows::Dense(DenseRows::new(width, Weights::of_whole(self.of, &table)?)?))
    }
}
