//! Every tensor between two activations as an affine map of spiking populations.

mod compose;
mod map;
mod operator;
mod placed;
mod runs;
mod size;

pub(crate) use compose::{MOST_NUMBERS, TooLarge};
pub(crate) use map::{LinearMap, Matrix, Shared};
pub(crate) use operator::planes_of;
pub(crate) use placed::{Placed, row_major};
pub(crate) use runs::Runs;

use crate::ann::{Op, Shape};
use operator::Operator;

/// A tensor as a sum of linear terms, one or more per source population, and a shift.
///
/// The value of a population in the terms is its rate: the factor λ that makes the trained net's value of it is
/// in the first map. So the unit of every branch comes with its term, and branches of different units add up.
#[derive(Clone, Debug)]
pub(crate) struct AffineForm {
    pub shape: Shape,
    pub terms: Vec<Term>,
    /// What is added whatever the populations do, per element.
    pub shift: Runs,
}

/// What one population contributes to a tensor.
#[derive(Clone, Debug)]
pub(crate) struct Term {
    /// The population, by its place among the populations.
    pub population: usize,
    /// Its number of elements.
    pub sources: usize,
    pub map: LinearMap,
}

impl AffineForm {
    /// A population itself: its rates times `scale`, plus `shift`.
    pub fn of_population(population: usize, shape: &Shape, scale: Runs, shift: Runs) -> Self {
        let map = LinearMap::Placed(Placed::whole(planes_of(shape), scale));
        Self { shape: shape.clone(), terms: vec![Term { population, sources: shape.elements(), map }], shift }
    }

    /// What an affine operator makes of such tensors. A term whose weights do not stay as they were trained may take `most`
    /// numbers.
    ///
    /// # Panics
    /// If the operator is not affine.
    pub fn of_operator(op: &Op, inputs: &[&Self], output: &Shape, most: usize) -> Result<Self, TooLarge> {
        let shapes: Vec<&Shape> = inputs.iter().map(|form| &form.shape).collect();
        let operator = Operator::new(op, shapes, output);
        let mut terms: Vec<Term> = Vec::new();
        let mut offset = 0;
        for (place, form) in inputs.iter().enumerate() {
            for term in &form.terms {
                let map = compose::compose(
                    op,
                    &operator,
                    [&form.shape, output],
                    [place, offset],
                    &term.map,
                    term.sources,
                    most,
                )?;
                // Some of a tensor's channels may be none of this population's.
                if !map.is_empty() {
                    push(&mut terms, Term { map, ..*term });
                }
            }
            if let Op::Concat { axis } = op {
                offset += form.shape.extents()[*axis];
            }
        }
        Ok(Self { shape: output.clone(), terms, shift: shift(&operator, inputs, output) })
    }
}

impl AffineForm {
    /// The numbers that its terms take where their weights can be shared, and its shift, if that is not the same at all
    /// positions of a channel. O(weights).
    pub fn numbers(&self) -> usize {
        let shifts = self.shift.values().len();
        let terms: usize = self.terms.iter().map(|term| term.map.numbers()).sum();
        terms + if shifts > planes_of(&self.shape)[0] { shifts } else { 0 }
    }

    /// Whether it is made of populations that are scaled and put somewhere, and of no weights.
    pub fn is_placed(&self) -> bool {
        self.terms.iter().all(|term| term.map.is_placed())
    }

    /// Whether it is one population at most.
    pub fn is_population(&self) -> bool {
        self.terms.len() < 2 && self.is_placed()
    }
}

/// Adds a term; two that differ in their factors only become one.
fn push(terms: &mut Vec<Term>, term: Term) {
    if let LinearMap::Placed(new) = &term.map {
        for old in terms.iter_mut().filter(|old| old.population == term.population) {
            if let LinearMap::Placed(placed) = &mut old.map
                && placed.lies_as(new)
            {
                placed.scale = placed.scale.zip(&new.scale, |a, b| a + b);
                return;
            }
        }
    }
    terms.push(term);
}

/// The operator's own bias plus what it makes of the shifts of its inputs. A convolution whose input is shifted but
/// padded with zeros gets a number per position here.
fn shift(operator: &Operator<'_>, inputs: &[&AffineForm], output: &Shape) -> Runs {
    let n = output.elements();
    let runs = operator.bias_runs();
    if inputs.iter().all(|form| form.shift.is_zero()) {
        let values = (0..runs).map(|run| operator.bias(run * (n / runs))).collect();
        return Runs::new(n, values);
    }
    let values = (0..n)
        .map(|target| {
            let mut sum = operator.bias(target);
            for (place, form) in inputs.iter().enumerate() {
                operator.row(place, target, &mut |element, factor| {
                    sum += factor * form.shift.get(element);
                });
            }
            sum
        })
        .collect();
    Runs::new(n, values).compressed(output.channels())
}
