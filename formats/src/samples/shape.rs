//! How the axes of an array hold samples of a net's input.
//!
//! An array of samples has the shape of the input behind an axis of samples. Where the numbers would have to be moved to
//! make it fit, it is refused with the transposition that does so: to read an image of channels last as one of channels
//! first gives no error later, only wrong classes. Two extents that are equal cannot be told apart by a shape: a
//! 3 × 3 × 3 image is taken as it comes.

use thiserror::Error;

/// An array whose shape does not fit: what was found, what is allowed, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{what} of shape ({}); allowed are {allowed}{}", join(found), hint.as_ref().map_or(String::new(), |hint| format!("; {hint}")))]
pub struct Misfit {
    /// What the array holds, in the plural.
    pub what: &'static str,
    /// Its shape.
    pub found: Vec<usize>,
    /// The shapes that are allowed.
    pub allowed: String,
    /// The call that makes it fit, if there is one.
    pub hint: Option<String>,
}

/// How an array holds samples.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// The number of samples.
    pub samples: usize,
    /// The number of steps of each, of a raster.
    pub steps: Option<usize>,
    /// Whether it is one sample without an axis of samples.
    pub single: bool,
    /// The shape of a sample in the array, if it is not that of the input: its numbers are the input's in C order.
    pub read_from: Option<Vec<usize>>,
}

/// Values `(N, *input)`, or one sample `(*input)`.
///
/// A sample may also be flat, as many numbers in one axis; it may be of any shape for an input that is flat; and axes of
/// length 1 may be missing or added.
///
/// # Errors
/// If the shape is another. If an order of the axes exists that fits, it is told.
pub fn batch(what: &'static str, shape: &[usize], input: &[usize]) -> Result<Batch, Misfit> {
    let found = |samples, single, sample: &[usize]| Batch {
        samples,
        steps: None,
        single,
        read_from: (sample != input).then(|| sample.to_vec()),
    };
    if shape == input {
        return Ok(found(1, true, shape));
    }
    if let [samples, sample @ ..] = shape
        && reads_as(sample, input)
    {
        return Ok(found(*samples, false, sample));
    }
    if reads_as(shape, input) {
        return Ok(found(1, true, shape));
    }
    let allowed = format!("(N, {0}) and ({0})", join(input)).replace(", )", ")");
    Err(Misfit { what, found: shape.to_vec(), allowed, hint: hint(shape, input, &["N"]) })
}

/// Spikes `(T, *input)` of one sample, or `(N, T, *input)`; a sample as in [`batch`].
///
/// # Errors
/// As [`batch`].
pub fn raster(what: &'static str, shape: &[usize], input: &[usize]) -> Result<Batch, Misfit> {
    let exact = |axes: &[usize]| axes == input;
    let read = |axes: &[usize]| reads_as(axes, input);
    // An exact fit comes first: (5, 1, n) is five samples of one step for an input of n.
    for fits in [&exact as &dyn Fn(&[usize]) -> bool, &read] {
        let (samples, steps, sample) = match shape {
            [steps, sample @ ..] if fits(sample) => (None, *steps, sample),
            [samples, steps, sample @ ..] if fits(sample) => (Some(*samples), *steps, sample),
            _ => continue,
        };
        return Ok(Batch {
            samples: samples.unwrap_or(1),
            steps: Some(steps),
            single: samples.is_none(),
            read_from: (sample != input).then(|| sample.to_vec()),
        });
    }
    let allowed = format!("(T, {0}) and (N, T, {0})", join(input));
    let hint = hint(shape, input, &["T"]).or_else(|| hint(shape, input, &["N", "T"]));
    Err(Misfit { what, found: shape.to_vec(), allowed, hint })
}

/// Spikes as bits, `numpy.packbits(flags, axis=-1)` of flags `(T, n)` of one sample or `(N, T, n)`: a row of ⌈n/8⌉ bytes for every
/// step.
///
/// # Errors
/// If the shape is another.
pub fn packed(what: &'static str, shape: &[usize], input: &[usize]) -> Result<Batch, Misfit> {
    let neurons: usize = input.iter().product();
    let bytes = neurons.div_ceil(8);
    let found = |samples, steps, single| Batch { samples, steps: Some(steps), single, read_from: None };
    match *shape {
        [steps, last] if last == bytes => Ok(found(1, steps, true)),
        [samples, steps, last] if last == bytes => Ok(found(samples, steps, false)),
        _ => Err(Misfit {
            what,
            found: shape.to_vec(),
            allowed: format!("(T, {bytes}) and (N, T, {bytes}), eight of {neurons} neurons to a byte"),
            hint: None,
        }),
    }
}

/// Whether the numbers of a sample stand in the order of the input's, and nothing suggests that they mean others.
fn reads_as(sample: &[usize], input: &[usize]) -> bool {
    let long =
        |axes: &[usize]| -> Vec<usize> { axes.iter().copied().filter(|&extent| extent != 1).collect() };
    sample == input
        || (sample.len() != input.len() && !sample.is_empty() && long(sample) == long(input))
        || (matches!(sample.len().min(input.len()), 1) && size(sample) == size(input))
}

fn size(axes: &[usize]) -> Option<usize> {
    axes.iter().try_fold(1_usize, |size, &extent| size.checked_mul(extent))
}

/// The transposition that makes an array fit, leading axes first; they may be missing, or stand anywhere.
fn hint(shape: &[usize], input: &[usize], leading: &[&str]) -> Option<String> {
    let call = |axes: &[usize]| format!("x.transpose({})", join(axes));
    let whole = |places: &[usize], first: usize| -> Vec<usize> {
        (0..first).chain(places.iter().map(|place| place + first)).collect()
    };
    let certain = |orders: &[Vec<usize>], axes: &[usize]| {
        let if_so = if orders.len() > 1 {
            let names: Vec<&str> = match (axes.len() == input.len() + leading.len(), input.len()) {
                (true, 3) => leading.iter().copied().chain(["height", "width", "channels"]).collect(),
                (false, 3) => vec!["height", "width", "channels"],
                _ => vec![],
            };
            if names.is_empty() || orders[0] != CHANNELS_LAST {
                ", if that is the order of its axes".to_owned()
            } else {
                format!(", if its axes are ({})", names.join(", "))
            }
        } else {
            String::new()
        };
        format!("{}{if_so}", call(axes))
    };
    let first = leading.len();
    if shape.len() == input.len() + first {
        let found = orders(&shape[first..], input);
        if let Some(order) = found.first() {
            return Some(certain(&found, &whole(order, first)));
        }
        // The axes of samples and steps somewhere else, the samples' own in some order.
        if first == 1 {
            for moved in (1..shape.len()).rev() {
                let others: Vec<usize> = (0..shape.len()).filter(|&axis| axis != moved).collect();
                let extents: Vec<usize> = others.iter().map(|&axis| shape[axis]).collect();
                if let Some(order) = orders(&extents, input).first() {
                    let axes: Vec<usize> =
                        [moved].into_iter().chain(order.iter().map(|&place| others[place])).collect();
                    let name = leading[0];
                    return Some(format!("{}, if its axis {moved} is {name}", call(&axes)));
                }
            }
        }
    }
    if shape.len() == input.len() {
        let found = orders(shape, input);
        return found.first().map(|order| certain(&found, order));
    }
    None
}

/// Height, width, channels as channels, height, width.
const CHANNELS_LAST: [usize; 3] = [2, 0, 1];

/// The orders of axes that make one shape of another, the likeliest first: channels from last to first, then those that
/// keep equal extents in their order.
fn orders(shape: &[usize], wanted: &[usize]) -> Vec<Vec<usize>> {
    fn extend(order: &mut Vec<usize>, shape: &[usize], wanted: &[usize], found: &mut Vec<Vec<usize>>) {
        // No shape has so many axes that all orders could not be tried, but one may come from outside.
        if found.len() >= 24 {
            return;
        }
        let Some(&extent) = wanted.get(order.len()) else {
            found.push(order.clone());
            return;
        };
        for axis in 0..shape.len() {
            if shape[axis] == extent && !order.contains(&axis) {
                order.push(axis);
                extend(order, shape, wanted, found);
                order.pop();
            }
        }
    }
    let mut found = vec![];
    if shape.len() == wanted.len() {
        extend(&mut vec![], shape, wanted, &mut found);
    }
    if let Some(place) = found.iter().position(|order| *order == CHANNELS_LAST) {
        found[..=place].rotate_right(1);
    }
    found
}

fn join(shape: &[usize]) -> String {
    shape.iter().map(usize::to_string).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_read_with_and_without_an_axis_of_samples_flat_and_with_axes_of_length_one() {
        let read = |shape: &[usize], input: &[usize]| {
            let batch = batch("samples", shape, input).unwrap();
            (batch.samples, batch.single, batch.read_from)
        };
        assert_eq!(read(&[5, 3, 32, 32], &[3, 32, 32]), (5, false, None));
        assert_eq!(read(&[3, 32, 32], &[3, 32, 32]), (1, true, None));
        assert_eq!(read(&[5, 3072], &[3, 32, 32]), (5, false, Some(vec![3072])));
        assert_eq!(read(&[3072], &[3, 32, 32]), (1, true, Some(vec![3072])));
        assert_eq!(read(&[5, 28, 28], &[1, 28, 28]), (5, false, Some(vec![28, 28])));
        assert_eq!(read(&[28, 28], &[1, 28, 28]), (1, true, Some(vec![28, 28])));
        assert_eq!(read(&[1, 28, 28], &[1, 28, 28]), (1, true, None));
        assert_eq!(read(&[1, 28, 28], &[784]), (1, false, Some(vec![28, 28])));
        assert_eq!(read(&[5, 1, 28, 28], &[784]), (5, false, Some(vec![1, 28, 28])));
        assert_eq!(read(&[784], &[784]), (1, true, None));
        assert_eq!(read(&[0, 784], &[784]), (0, false, None));
    }

    #[test]
    fn a_raster_of_one_sample_is_told_from_a_batch_of_rasters_by_the_exact_fit() {
        let read = |shape: &[usize], input: &[usize]| {
            let batch = raster("rasters", shape, input).unwrap();
            (batch.samples, batch.steps.unwrap(), batch.single)
        };
        assert_eq!(read(&[7, 784], &[784]), (1, 7, true));
        assert_eq!(read(&[5, 7, 784], &[784]), (5, 7, false));
        assert_eq!(read(&[5, 1, 784], &[784]), (5, 1, false));
        assert_eq!(read(&[7, 28, 28], &[784]), (1, 7, true));
        assert_eq!(read(&[5, 7, 28, 28], &[784]), (5, 7, false));
        assert_eq!(read(&[7, 1, 28, 28], &[1, 28, 28]), (1, 7, true));
        assert_eq!(read(&[5, 7, 784], &[1, 28, 28]), (5, 7, false));
    }

    #[test]
    fn packed_spikes_have_a_row_of_whole_bytes_for_every_step() {
        let read = |shape: &[usize], input: &[usize]| {
            packed("packed spikes", shape, input).map(|batch| (batch.samples, batch.steps, batch.single))
        };
        assert_eq!(read(&[7, 98], &[784]), Ok((1, Some(7), true)));
        assert_eq!(read(&[5, 7, 98], &[1, 28, 28]), Ok((5, Some(7), false)));
        assert_eq!(read(&[5, 7, 2], &[9]), Ok((5, Some(7), false)));
        let misfit = read(&[5, 7, 9], &[9]).unwrap_err().to_string();
        assert_eq!(
            misfit,
            "packed spikes of shape (5, 7, 9); allowed are (T, 2) and (N, T, 2), eight of 9 neurons to a byte"
        );
        assert!(read(&[98], &[784]).is_err());
    }

    /// The shape of an array after a transposition, as NumPy has it.
    fn transposed(shape: &[usize], hint: &str) -> Vec<usize> {
        let axes = hint.split_once("x.transpose(").unwrap().1.split_once(')').unwrap().0;
        axes.split(", ").map(|axis| shape[axis.parse::<usize>().unwrap()]).collect()
    }

    #[test]
    fn every_permuted_shape_is_refused_with_a_transposition_that_makes_it_fit() {
        let inputs: &[&[usize]] =
            &[&[3, 32, 32], &[3, 32, 24], &[32, 32, 3], &[2, 34, 34], &[1, 28, 28], &[6, 5]];
        for input in inputs {
            let mut orders: Vec<Vec<usize>> = vec![vec![]];
            for _ in 0..input.len() {
                orders = orders
                    .iter()
                    .flat_map(|order| {
                        let rest = (0..input.len()).filter(|axis| !order.contains(axis));
                        rest.map(|axis| [order.as_slice(), &[axis]].concat()).collect::<Vec<_>>()
                    })
                    .collect();
            }
            for order in orders {
                let sample: Vec<usize> = order.iter().map(|&axis| input[axis]).collect();
                for leading in [&[][..], &[50], &[50, 7]] {
                    let shape = [leading, &sample].concat();
                    let found = match leading.len() {
                        2 => raster("rasters", &shape, input),
                        _ => batch("samples", &shape, input),
                    };
                    if sample == *input {
                        assert_eq!(found.unwrap().read_from, None);
                        continue;
                    }
                    let misfit = found.unwrap_err();
                    let hint = misfit.hint.clone().unwrap();
                    assert_eq!(transposed(&shape, &hint), [leading, input].concat(), "{misfit}");
                    assert!(misfit.to_string().contains(&hint) && misfit.to_string().contains("allowed are"));
                }
            }
        }
    }

    #[test]
    fn channels_last_is_what_is_thought_of_first_where_extents_are_equal() {
        let misfit = batch("samples", &[50, 32, 32, 3], &[3, 32, 32]).unwrap_err();
        assert_eq!(
            misfit.to_string(),
            "samples of shape (50, 32, 32, 3); allowed are (N, 3, 32, 32) and (3, 32, 32); x.transpose(0, 3, 1, 2), \
             if its axes are (N, height, width, channels)"
        );
        // Three channels wide, 32 channels: both orders fit, and only one is that of channels last.
        let misfit = batch("samples", &[50, 32, 3, 32], &[32, 32, 3]).unwrap_err();
        assert!(misfit.hint.unwrap().starts_with("x.transpose(0, 3, 1, 2)"));
        // Different extents leave no doubt.
        let misfit = batch("samples", &[50, 34, 32, 3], &[3, 34, 32]).unwrap_err();
        assert_eq!(misfit.hint.unwrap(), "x.transpose(0, 3, 1, 2)");
        // Samples last.
        let misfit = batch("samples", &[784, 50], &[784]).unwrap_err();
        assert_eq!(misfit.hint.unwrap(), "x.transpose(1, 0), if its axis 1 is N");
    }

    #[test]
    fn what_only_has_as_many_numbers_is_refused() {
        for shape in [&[5, 32, 96][..], &[5, 3, 16, 64], &[5, 2, 3, 16, 32], &[5, 3071], &[]] {
            let misfit = batch("samples", shape, &[3, 32, 32]).unwrap_err();
            assert_eq!(misfit.hint, None, "{misfit}");
        }
    }
}
