use crate::buffer::Buffer;
use crate::error::NetworkError;

/// The largest magnitude of a weight, bias, threshold or initial potential: 2⁶⁴.
///
/// An f32 sum of numbers of at most this size stops growing before it reaches 2⁶⁴ · 2²⁵, because the
/// numbers are then below half of the sum's last place. So the current of a step stays below 2⁸⁹, a
/// potential below 2¹¹⁵, and with spikes of values up to [`LARGEST_VALUE`](crate::LARGEST_VALUE) below 2¹²⁷: no potential
/// can ever overflow to infinity or become NaN.
pub const LARGEST: f32 = 18_446_744_073_709_551_616.0;

/// Refuses what may not stand in a network, and turns −0.0 into +0.0.
pub(crate) fn admit(value: f32, what: &str, index: usize) -> Result<f32, NetworkError> {
    if value.is_finite() && value.abs() <= LARGEST {
        // Adding +0.0 changes nothing but the sign of −0.0.
        Ok(value + 0.0)
    } else {
        Err(NetworkError::new(
            format!("{what}[{index}]"),
            format!("is {value}; allowed are finite numbers of at most 2^64 in magnitude"),
        ))
    }
}

/// One parameter of every neuron of a population, stored with its period.
///
/// Neuron `i` has the value `values[i % period]`: period 1 is one value for all, period `channels` one
/// per channel of a channels-last image, period `n` one per neuron.
#[derive(Clone, Debug)]
pub struct PerNeuron(Buffer<f32>);

impl PerNeuron {
    /// The same value for every neuron.
    ///
    /// # Errors
    /// If the value is not finite or larger than [`LARGEST`].
    pub fn same(value: f32) -> Result<Self, NetworkError> {
        Self::repeating(vec![value].into())
    }

    /// Values repeated along the population with the period `values.len()`.
    ///
    /// # Errors
    /// If `values` is empty, or one is not finite or larger than [`LARGEST`].
    pub fn repeating(values: Buffer<f32>) -> Result<Self, NetworkError> {
        if values.is_empty() {
            return Err(NetworkError::new(
                "per-neuron values",
                "are empty; allowed is a period of at least 1",
            ));
        }
        let mut negative_zero = false;
        for (index, &value) in values.iter().enumerate() {
            let admitted = admit(value, "value", index)?;
            negative_zero |= admitted.to_bits() != value.to_bits();
        }
        if negative_zero {
            return Ok(Self(values.iter().map(|value| value + 0.0).collect::<Vec<_>>().into()));
        }
        Ok(Self(values))
    }

    /// The number of values after which they repeat.
    #[must_use]
    pub fn period(&self) -> usize {
        self.0.len()
    }

    /// The values of one period.
    #[must_use]
    pub fn values(&self) -> &[f32] {
        &self.0
    }

    /// The value of one neuron.
    #[must_use]
    pub fn get(&self, neuron: usize) -> f32 {
        self.0[neuron % self.0.len()]
    }

    /// The values of neurons `0..n`.
    #[must_use]
    pub fn to_vec(&self, n: usize) -> Vec<f32> {
        let period: &[f32] = &self.0;
        if let [value] = period {
            return vec![*value; n];
        }
        let mut values = Vec::with_capacity(n);
        while values.len() < n {
            values.extend_from_slice(&period[..period.len().min(n - values.len())]);
        }
        values
    }

    /// The values of neurons `0..n`.
    pub fn iter(&self, n: usize) -> impl Iterator<Item = f32> + '_ {
        self.0.iter().copied().cycle().take(n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_repeat_with_their_period_and_stop_in_the_middle_of_it() {
        for (values, n) in
            [(vec![7.0], 5), (vec![1.0, 2.0, 3.0], 8), (vec![1.0, 2.0, 3.0], 2), (vec![4.0], 0)]
        {
            let parameter = PerNeuron::repeating(values.into()).unwrap();
            let expected: Vec<f32> = (0..n).map(|neuron| parameter.get(neuron)).collect();
            assert_eq!(parameter.to_vec(n), expected);
            assert_eq!(parameter.iter(n).collect::<Vec<f32>>(), expected);
        }
    }
}
