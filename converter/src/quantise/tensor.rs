//! The values of a node for all calibration samples, in blocks of samples.

use crate::ann::{Ann, Op, Shape};
use crate::forward::{ForwardError, apply, block};
use crate::wanted::{Stopped, Wanted};
use rayon::prelude::*;
use std::sync::Arc;

/// Values `[samples][elements]` of one node, a few samples to a block.
#[derive(Clone, Debug)]
pub(super) struct Tensor {
    pub elements: usize,
    blocks: Arc<Vec<Vec<f32>>>,
}

impl Tensor {
    /// The samples of a net's input.
    pub fn of_samples(ann: &Ann, samples: &[f32]) -> Self {
        let elements = ann.input_shape().elements();
        let blocks = samples.chunks(block(ann) * elements).map(<[f32]>::to_vec).collect();
        Self { elements, blocks: Arc::new(blocks) }
    }

    /// What an operator makes of its inputs, block by block; the bits do not depend on the number of threads.
    ///
    /// # Errors
    /// If a value is not finite, or it is not wanted any more.
    pub fn of_operator(
        wanted: Wanted<'_>,
        name: &str,
        op: &Op,
        shapes: &[&Shape],
        inputs: &[&Self],
        output: &Shape,
    ) -> Result<Self, ForwardError> {
        let elements = output.elements();
        let blocks: Result<Vec<Vec<f32>>, Stopped> = (0..inputs[0].blocks.len())
            .into_par_iter()
            .map(|place| {
                let inputs: Vec<&[f32]> = inputs.iter().map(|input| input.blocks[place].as_slice()).collect();
                wanted.check()?;
                Ok(apply(op, shapes, &inputs, inputs[0].len() / shapes[0].elements(), output))
            })
            .collect();
        let tensor = Self { elements, blocks: Arc::new(blocks?) };
        for (sample, values) in tensor.samples().into_iter().enumerate() {
            if let Some(element) = values.iter().position(|value| !value.is_finite()) {
                let value = values[element];
                return Err(ForwardError::NotFinite { node: name.into(), sample, element, value });
            }
        }
        Ok(tensor)
    }

    /// Whether both are one tensor; equal numbers at different places are not.
    pub fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.blocks, &other.blocks)
    }

    /// The values of each sample.
    pub fn samples(&self) -> Vec<&[f32]> {
        self.blocks.iter().flat_map(|block| block.chunks_exact(self.elements)).collect()
    }
}

/// `count` places out of `0..length`, evenly spaced, other ones from sample to sample: `length` if there are not more.
pub(super) fn spread(sample: usize, count: usize, length: usize) -> impl Iterator<Item = usize> + Clone {
    let shift = sample.wrapping_mul(0x9E37_79B1) % length;
    (0..count).map(move |i| (i * length / count + shift) % length)
}
