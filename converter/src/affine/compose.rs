//! What an affine operator makes of a linear term.

use super::map::{Coefficients, LinearMap, Matrix, Shared, Sparse};
use super::operator::{Operator, planes_of};
use super::placed::Placed;
use super::runs::Runs;
use crate::ann::{Op, Resample, Shape, Window};

/// The most numbers of a map that is written out, 12 bytes each.
pub(crate) const MOST_NUMBERS: usize = 1 << 26;

/// The most products of weights that are made to merge two windows.
const MOST_PRODUCTS: usize = 1 << 28;

/// A map that would take more numbers than it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooLarge;

/// The term behind an operator: input number `input` of it, which begins at place `offset` of what is concatenated, is `map`, a
/// term over `sources` elements. Where the weights of
/// both would have to be multiplied or written out, that is done only if they then take no more than `most` numbers.
pub(crate) fn compose(
    op: &Op,
    operator: &Operator<'_>,
    [shape, output]: [&Shape; 2],
    [input, offset]: [usize; 2],
    map: &LinearMap,
    sources: usize,
    most: usize,
) -> Result<LinearMap, TooLarge> {
    let planes = planes_of(shape);
    let shared = match op {
        Op::View(_) | Op::Add => Some(map.clone()),
        // Axes of extent 1 may change places without moving an element.
        Op::Transpose { perm } => {
            let moved = perm.iter().filter(|&&axis| shape.extents()[axis] > 1);
            match map {
                _ if moved.is_sorted() => Some(map.clone()),
                LinearMap::Placed(placed) => turned(placed, perm, shape).map(LinearMap::Placed),
                _ => None,
            }
        }
        Op::Affine(affine) => scaled(map, planes, &Runs::of_node(shape.elements(), &affine.scale)),
        Op::Linear(linear) => match map {
            LinearMap::Placed(placed) => Some(LinearMap::Matrix(Matrix {
                input: placed.clone(),
                weights: linear.weights.clone(),
                picked: None,
                at: 0,
                elements: linear.outputs,
                scale: Runs::same(linear.outputs, 1.0),
            })),
            _ => None,
        },
        Op::Conv(conv) => Window3 {
            window: &conv.window,
            weights: Coefficients::Trained(conv.weights.clone()),
            groups: conv.groups,
            factor: 1.0,
            input: planes,
            output: planes_of(output),
        }
        .behind(map, most)?,
        Op::AveragePool(pool) => {
            let divisors =
                pool.divisors([planes[1], planes[2]]).expect("the node was checked when it was added");
            let uniform = divisors.iter().all(|&d| d == divisors[0]);
            if uniform {
                average(&pool.window, f64::from(divisors[0]), planes, planes_of(output), map, most)?
            } else {
                None
            }
        }
        Op::GlobalAverage => {
            let window = Window { stride: [planes[1], planes[2]], ..Window::of([planes[1], planes[2]]) };
            average(&window, (planes[1] * planes[2]) as f64, planes, [planes[0], 1, 1], map, most)?
        }
        Op::Concat { axis } => {
            let mut at = vec![0; shape.rank()];
            at[*axis] = offset;
            put(map, shape, output, &at)
        }
        Op::Pad { before, .. } => put(map, shape, output, before),
        Op::Resample(resample) => resampled(map, resample, shape),
        Op::Input(_) | Op::Relu | Op::Clip { .. } | Op::Qcfs { .. } | Op::MaxPool(_) | Op::GlobalMax => {
            panic!("{} is not an affine operator", op.kind())
        }
    };
    match shared {
        Some(shared) => Ok(shared),
        None => write_out(operator, input, output.elements(), map, shape.elements(), sources, most),
    }
}

/// The map with every element of the tensor `planes` multiplied by its factor.
fn scaled(map: &LinearMap, planes: [usize; 3], factors: &Runs) -> Option<LinearMap> {
    match map {
        LinearMap::Placed(placed) => {
            let [c, h, w] = placed.region();
            let elements = c * h * w;
            // The factors count by the tensor's own planes, which may be those of a view.
            let channels = factors.per(placed.tensor[0]);
            let region = if let [factor] = factors.values() {
                Runs::same(elements, *factor)
            } else if let Some(channels) = channels {
                Runs::new(elements, (0..c).map(|channel| channels[placed.tensor_channel(channel)]).collect())
            } else {
                let mut values = Vec::with_capacity(elements);
                for channel in 0..c {
                    for y in 0..h {
                        values.extend((0..w).map(|x| factors.get(placed.tensor_element([channel, y, x]))));
                    }
                }
                Runs::new(elements, values)
            };
            Some(LinearMap::Placed(Placed {
                scale: placed.scale.zip(&region, |a, b| a * b),
                ..placed.clone()
            }))
        }
        LinearMap::Shared(shared) => {
            let channels = factors.per(shared.tensor[0])?;
            let own = &channels[shared.at..shared.at + shared.outputs()];
            Some(LinearMap::Shared(Shared {
                scale: shared.scale.iter().zip(own).map(|(a, b)| a * b).collect(),
                ..shared.clone()
            }))
        }
        LinearMap::Matrix(matrix) => {
            let own = (matrix.at..matrix.at + matrix.outputs()).map(|e| factors.get(e)).collect();
            let own = Runs::new(matrix.outputs(), own);
            Some(LinearMap::Matrix(Matrix { scale: matrix.scale.zip(&own, |a, b| a * b), ..matrix.clone() }))
        }
        LinearMap::Sparse(sparse) => {
            debug_assert_eq!(planes.iter().product::<usize>() + 1, sparse.starts.len());
            let mut values = sparse.values.clone();
            for (target, ends) in sparse.starts.windows(2).enumerate() {
                let factor = factors.get(target);
                values[ends[0]..ends[1]].iter_mut().for_each(|value| *value *= factor);
            }
            Some(LinearMap::Sparse(Sparse { values, ..sparse.clone() }))
        }
    }
}

/// A sliding window with weights, as it acts on images of the planes `input`.
struct Window3<'a> {
    window: &'a Window,
    weights: Coefficients,
    groups: usize,
    /// A factor of all weights.
    factor: f64,
    input: [usize; 3],
    output: [usize; 3],
}

impl Window3<'_> {
    fn behind(&self, map: &LinearMap, most: usize) -> Result<Option<LinearMap>, TooLarge> {
        match map {
            LinearMap::Placed(placed) => {
                let input = placed.viewed(self.input).filter(|input| input.channel_scale().is_some());
                Ok(input.map(|input| LinearMap::Shared(self.on(input))))
            }
            LinearMap::Shared(inner) if inner.tensor == self.input => self.merged(inner, most),
            _ => Ok(None),
        }
    }

    fn on(&self, input: Placed) -> Shared {
        Shared {
            input,
            weights: self.weights.clone(),
            groups: self.groups,
            trained: self.output[0],
            picked: None,
            kernel: self.window.kernel,
            stride: self.window.stride,
            dilation: self.window.dilation,
            padding: self.window.before.map(usize::cast_signed),
            at: 0,
            tensor: self.output,
            scale: vec![self.factor; self.output[0]],
        }
    }

    /// This window behind another one, as one window: output `o` sees at tap `t` of this and `s` of
    /// the other the input `(o·stride + t·dilation)·stride' + s·dilation' − padding'`, so strides multiply, and the taps
    /// lie on the grid of the largest common divisor of `dilation·stride'` and `dilation'`.
    fn merged(&self, inner: &Shared, most: usize) -> Result<Option<LinearMap>, TooLarge> {
        // Zeros around what a window of one tap makes are what it makes of zeros around its input. Around any other window,
        // and inside one that ends in the padding or in what ceil mode adds, taps would have to be left out.
        let transparent = inner.kernel == [1, 1]
            && inner.padding == [0, 0]
            && (0..2).all(|a| inner.tensor[a + 1] * inner.stride[a] >= inner.input.tensor[a + 1]);
        let fits = !self.window.is_padded()
            && (0..2).all(|axis| {
                (self.output[axis + 1] - 1) * self.window.stride[axis] + self.window.span()[axis]
                    <= self.input[axis + 1]
            });
        if !transparent && !fits {
            return Ok(None);
        }
        let outer = self.on(Placed::whole(self.input, Runs::same(self.input.iter().product(), 1.0)));
        let mut kernel = [1; 2];
        let mut dilation = [1; 2];
        let mut step = [[0; 2]; 2];
        for axis in 0..2 {
            let outer_step = self.window.dilation[axis] * inner.stride[axis];
            let outer_span = (self.window.kernel[axis] - 1) * outer_step;
            let inner_span = (inner.kernel[axis] - 1) * inner.dilation[axis];
            let grid = match (outer_span, inner_span) {
                (0, 0) => 1,
                (0, _) => inner.dilation[axis],
                (_, 0) => outer_step,
                _ => greatest_common_divisor(outer_step, inner.dilation[axis]),
            };
            kernel[axis] = (outer_span + inner_span) / grid + 1;
            dilation[axis] = grid;
            step[axis] = [outer_step / grid, inner.dilation[axis] / grid];
        }
        // Groups that are the same ones in both stay.
        let same = outer.groups == inner.groups
            && inner.picked.is_none()
            && inner.at == 0
            && inner.trained == inner.tensor[0];
        let groups = if same { inner.groups } else { 1 };
        let channels = inner.input.tensor[0] / groups;
        let taps = kernel[0] * kernel[1];
        let numbers = channels.saturating_mul(taps).saturating_mul(outer.trained);
        // Every weight of this window meets those of one output of the other; zeros meet nothing.
        let own =
            self.weights.nonzeros(outer.trained * outer.channels_of(0).len() * pairs(outer.kernel).count());
        let inner_numbers = inner.trained * inner.channels_of(0).len() * pairs(inner.kernel).count();
        let products = own.saturating_mul(inner.weights.nonzeros(inner_numbers)) / inner.trained;
        if numbers.min(products) > most || numbers > MOST_NUMBERS / 4 || products > MOST_PRODUCTS {
            return Err(TooLarge);
        }
        let mut weights = vec![0.0_f64; numbers];
        for o in 0..outer.trained {
            let seen = outer.channels_of(o);
            let first = seen.start.max(inner.at);
            for channel in first..seen.end.min(inner.at + inner.outputs()).max(first) {
                let m = channel - inner.at;
                for (t, u) in pairs(outer.kernel) {
                    let above = outer.weight(o, channel, t, u) * inner.scale[m];
                    if above == 0.0 {
                        continue;
                    }
                    for c in inner.channels_of(m) {
                        for (s, v) in pairs(inner.kernel) {
                            let ky = t * step[0][0] + s * step[0][1];
                            let kx = u * step[1][0] + v * step[1][1];
                            let c_of_group = c % channels;
                            weights[((o * channels + c_of_group) * kernel[0] + ky) * kernel[1] + kx] +=
                                above * inner.weight(m, c, s, v);
                        }
                    }
                }
            }
        }
        Ok(Some(LinearMap::Shared(Shared {
            input: inner.input.clone(),
            weights: Coefficients::Composed(weights.into()),
            groups,
            trained: outer.trained,
            picked: None,
            kernel,
            stride: [0, 1].map(|axis| self.window.stride[axis] * inner.stride[axis]),
            dilation,
            padding: [0, 1].map(|axis| {
                inner.padding[axis] + (self.window.before[axis] * inner.stride[axis]).cast_signed()
            }),
            at: 0,
            tensor: self.output,
            scale: outer.scale,
        })))
    }
}

fn pairs([rows, columns]: [usize; 2]) -> impl Iterator<Item = (usize, usize)> {
    (0..rows).flat_map(move |row| (0..columns).map(move |column| (row, column)))
}

fn greatest_common_divisor(a: usize, b: usize) -> usize {
    if b == 0 { a } else { greatest_common_divisor(b, a % b) }
}

/// A mean that divides by the same number everywhere.
fn average(
    window: &Window,
    divisor: f64,
    input: [usize; 3],
    output: [usize; 3],
    map: &LinearMap,
    most: usize,
) -> Result<Option<LinearMap>, TooLarge> {
    // A window that has one place only may have any stride.
    let blocks = window.dilation == [1, 1]
        && !window.is_padded()
        && (0..2).all(|axis| {
            let fits = output[axis + 1] * window.kernel[axis] <= input[axis + 1];
            fits && (output[axis + 1] == 1 || window.kernel[axis] == window.stride[axis])
        });
    if blocks {
        let pooled = match map {
            LinearMap::Placed(placed) => placed
                .viewed(input)
                .and_then(|placed| blockwise(placed, window.kernel, divisor, output))
                .map(LinearMap::Placed),
            // A convolution of one tap commutes with the mean.
            LinearMap::Shared(shared)
                if shared.kernel == [1, 1]
                    && shared.stride == [1, 1]
                    && shared.padding == [0, 0]
                    && shared.picked.is_none()
                    && shared.tensor == input
                    && shared.input.tensor[1..] == input[1..] =>
            {
                let seen = [shared.input.tensor[0], output[1], output[2]];
                blockwise(shared.input.clone(), window.kernel, divisor, seen).map(|placed| {
                    LinearMap::Shared(Shared { input: placed, tensor: output, ..shared.clone() })
                })
            }
            _ => None,
        };
        if pooled.is_some() {
            return Ok(pooled);
        }
    }
    Window3 { window, weights: Coefficients::Ones, groups: input[0], factor: 1.0 / divisor, input, output }
        .behind(map, most)
}

fn blockwise(placed: Placed, kernel: [usize; 2], divisor: f64, output: [usize; 3]) -> Option<Placed> {
    if !placed.covers() || placed.step != [1, 1] {
        return None;
    }
    let channels = placed.channel_scale()?;
    let pool = [0, 1].map(|axis| placed.pool[axis] * kernel[axis]);
    let size = [output[1], output[2]];
    let scale = channels.into_iter().map(|factor| factor / divisor).collect();
    let scale = Runs::new(placed.region()[0] * size[0] * size[1], scale);
    Some(Placed { pool, size, tensor: output, scale, ..placed })
}

/// The map with the axes of its tensor permuted.
fn turned(placed: &Placed, perm: &[usize], shape: &Shape) -> Option<Placed> {
    let placed = placed.viewed(shape.planes()?)?;
    let axes = match *perm {
        [1, 0] => [2, 1, 0],
        [a, b, c] => [a, b, c],
        _ => return None,
    };
    placed.turned(axes)
}

/// The map resampled along the axes of its tensor.
fn resampled(map: &LinearMap, resample: &Resample, shape: &Shape) -> Option<LinearMap> {
    let mut planes = shape.planes()?;
    let places: &[usize] = match shape.rank() {
        1 => &[0],
        2 => &[0, 2],
        _ => &[0, 1, 2],
    };
    let mut map = match map {
        LinearMap::Placed(placed) => LinearMap::Placed(placed.viewed(planes)?),
        other => other.clone(),
    };
    for (taps, &axis) in resample.axes.iter().zip(places) {
        let Some(taps) = taps else { continue };
        map = match map {
            LinearMap::Placed(placed) => LinearMap::Placed(placed.resampled(axis, taps)?),
            LinearMap::Shared(shared) if shared.tensor == planes => {
                LinearMap::Shared(shared.resampled(axis, taps)?)
            }
            LinearMap::Matrix(matrix) if planes == [matrix.elements, 1, 1] => {
                LinearMap::Matrix(matrix.resampled(taps)?)
            }
            _ => return None,
        };
        planes[axis] = taps.outputs();
    }
    Some(map)
}

/// The map put into a larger tensor, its first element at `at`.
fn put(map: &LinearMap, shape: &Shape, output: &Shape, at: &[usize]) -> Option<LinearMap> {
    let planes = shape.planes()?;
    let larger = output.planes()?;
    let at = match *at {
        [c] => [c, 0, 0],
        [c, x] => [c, 0, x],
        [c, y, x] => [c, y, x],
        _ => return None,
    };
    match map {
        LinearMap::Placed(placed) => {
            let placed = placed.viewed(planes)?;
            Some(LinearMap::Placed(Placed {
                at: [0, 1, 2].map(|axis| placed.at[axis] + at[axis]),
                tensor: larger,
                ..placed
            }))
        }
        LinearMap::Shared(shared)
            if shared.tensor == planes && at[1..] == [0, 0] && larger[1..] == planes[1..] =>
        {
            Some(LinearMap::Shared(Shared { at: shared.at + at[0], tensor: larger, ..shared.clone() }))
        }
        LinearMap::Matrix(matrix) if at[1..] == [0, 0] && larger[1..] == planes[1..] => {
            Some(LinearMap::Matrix(Matrix {
                at: matrix.at + at[0] * planes[1] * planes[2],
                elements: output.elements(),
                ..matrix.clone()
            }))
        }
        _ => None,
    }
}

/// The product of an operator and a map, number by number; sums in double precision, sources ascending.
fn write_out(
    operator: &Operator<'_>,
    input: usize,
    targets: usize,
    map: &LinearMap,
    elements: usize,
    sources: usize,
    most: usize,
) -> Result<LinearMap, TooLarge> {
    let written;
    let map = match map {
        // Its rows are short enough to be worked out again.
        LinearMap::Placed(_) | LinearMap::Sparse(_) => map,
        LinearMap::Shared(_) | LinearMap::Matrix(_) => {
            written = collect(elements, sources, most, |target, each| map.row(target, each))?;
            &written
        }
    };
    collect(targets, sources, most, |target, each| {
        operator.row(input, target, &mut |element, factor| {
            map.row(element, &mut |source, weight| each(source, factor * weight));
        });
    })
}

fn collect(
    targets: usize,
    sources: usize,
    most: usize,
    row: impl Fn(usize, &mut dyn FnMut(usize, f64)),
) -> Result<LinearMap, TooLarge> {
    let mut sums = Sums { values: vec![0.0; sources], touched: vec![false; sources], reached: Vec::new() };
    let mut sparse = Sparse { starts: vec![0], sources: Vec::new(), values: Vec::new() };
    if targets > FEW_TARGETS {
        // What is far too much is known from some of the rows, and what may be too much is counted before it is filled in.
        let step = targets / FEW_TARGETS;
        let some: usize = (0..FEW_TARGETS).map(|place| sums.row(some_of(place, step), &row, |_, _| {})).sum();
        let about = some.saturating_mul(step);
        if about / 4 > most {
            return Err(TooLarge);
        }
        if about > most / 4 {
            let mut numbers = 0;
            for target in 0..targets {
                numbers += sums.row(target, &row, |_, _| {});
                if numbers > most {
                    return Err(TooLarge);
                }
            }
            sparse.sources.reserve_exact(numbers);
            sparse.values.reserve_exact(numbers);
        }
    }
    for target in 0..targets {
        sums.row(target, &row, |source, sum| {
            sparse.sources.push(source as u32);
            sparse.values.push(sum);
        });
        if sparse.values.len() > most {
            return Err(TooLarge);
        }
        sparse.starts.push(sparse.values.len());
    }
    Ok(LinearMap::Sparse(sparse))
}

/// Rows of a map that are looked at to tell how many numbers it has.
const FEW_TARGETS: usize = 256;

/// One of each `step` rows, never at equal distances: rows of images repeat.
fn some_of(place: usize, step: usize) -> usize {
    place * step + place * 40_503 % step
}

/// The sums of one row, source by source.
struct Sums {
    values: Vec<f64>,
    touched: Vec<bool>,
    reached: Vec<usize>,
}

impl Sums {
    /// Calls `each(source, sum)` for what is not zero in a row, sources ascending; how many there were.
    fn row(
        &mut self,
        target: usize,
        row: impl Fn(usize, &mut dyn FnMut(usize, f64)),
        mut each: impl FnMut(usize, f64),
    ) -> usize {
        let Self { values, touched, reached } = self;
        row(target, &mut |source, value| {
            values[source] += value;
            if !touched[source] {
                touched[source] = true;
                reached.push(source);
            }
        });
        reached.sort_unstable();
        let mut count = 0;
        for source in reached.drain(..) {
            if values[source] != 0.0 {
                each(source, values[source]);
                count += 1;
            }
            values[source] = 0.0;
            touched[source] = false;
        }
        count
    }
}
