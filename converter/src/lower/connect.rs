//! The synapses that a linear term becomes.

use crate::affine::{LinearMap, Matrix, Placed, Runs, Shared, row_major};
use crate::ann::Window;
use snn_engine::{
    Connectivity, Conv2d, Conv2dGeometry, DenseRows, Layout, NetworkError, OneToOne, PerNeuron, Rows,
    SparseRows,
};

/// The most synapses of a projection that is written out.
pub(super) const MOST_SYNAPSES: usize = 1 << 28;

/// The receiving side of a projection.
pub(crate) struct Receiver<'a> {
    pub layout: Layout,
    /// λ of every element: what the trained net's values are divided by.
    pub scale: &'a Runs,
}

/// The synapses of a term; shared where the layouts on both sides allow it, else written out.
pub(super) fn connect(
    source: Layout,
    target: &Receiver<'_>,
    map: &LinearMap,
) -> Result<Connectivity, NetworkError> {
    let shared = match map {
        LinearMap::Placed(placed) => place(source, target, placed)?,
        LinearMap::Shared(shared) => convolve(source, target, shared)?,
        LinearMap::Matrix(matrix) => multiply(source, target, matrix)?,
        LinearMap::Sparse(_) => None,
    };
    match shared {
        Some(shared) => Ok(shared),
        None => scatter(source, target, |element, each| map.row(element, each)),
    }
}

/// The number of channels after which neurons repeat, and with it the values of runs in the order of neurons.
pub(super) fn in_neuron_order(runs: &Runs, layout: Layout) -> Vec<f64> {
    if let [value] = runs.values() {
        return vec![*value];
    }
    if let Layout::Image { channels, .. } = layout
        && let Some(values) = runs.per(channels as usize)
    {
        return values;
    }
    (0..runs.elements()).map(|neuron| runs.get(layout.user_index(neuron))).collect()
}

/// Whether the neurons of a population stand in the order of a channels-last image of these planes, neighbours along whose
/// axes are `strides` elements apart.
pub(super) fn stands_as(layout: Layout, planes: [usize; 3], strides: [usize; 3]) -> bool {
    let [c, _, w] = planes;
    let are = |wanted: [usize; 3]| (0..3).all(|axis| planes[axis] == 1 || strides[axis] == wanted[axis]);
    if let Layout::Image { channels, height, width } = layout
        && [channels as usize, height as usize, width as usize] == planes
        && are(row_major(planes))
    {
        return true;
    }
    is_row_major(layout) && are([1, w * c, c])
}

/// Whether neuron `i` is element `i`.
fn is_row_major(layout: Layout) -> bool {
    match layout {
        Layout::Flat(_) => true,
        Layout::Image { channels, height, width } => channels == 1 || height * width == 1,
    }
}

fn place(
    source: Layout,
    target: &Receiver<'_>,
    placed: &Placed,
) -> Result<Option<Connectivity>, NetworkError> {
    if placed.is_whole() && (source == target.layout || is_row_major(source) && is_row_major(target.layout)) {
        let weights = in_neuron_order(&placed.scale.zip(target.scale, |a, b| a / b), target.layout);
        let weights = PerNeuron::repeating(rounded(&weights).into())?;
        return Ok(Some(Connectivity::OneToOne(OneToOne::new(placed.scale.elements(), weights)?)));
    }
    if let Some(weights) = in_step(source, target, placed) {
        let weights = PerNeuron::repeating(rounded(&weights).into())?;
        return Ok(Some(Connectivity::OneToOne(OneToOne::new(placed.scale.elements(), weights)?)));
    }
    let (Some(factors), Some(divisors)) = (placed.channel_scale(), target.scale.per(placed.tensor[0])) else {
        return Ok(None);
    };
    let uses = placed.uses();
    Geometry::of(placed, placed.tensor).build(source, target.layout, |_, channel, cell| {
        for &of_region in &uses[channel] {
            let column = placed.tensor_channel(of_region);
            cell(column, factors[of_region] / divisors[column]);
        }
    })
}

/// The weights, in the order of neurons, of a permuted population whose neurons stand in the order of those that it goes to:
/// the permutation is that of the layouts.
fn in_step(source: Layout, target: &Receiver<'_>, placed: &Placed) -> Option<Vec<f64>> {
    if !placed.is_all() {
        return None;
    }
    let mut weights = Vec::with_capacity(placed.scale.elements());
    for neuron in 0..placed.scale.elements() {
        let element = target.layout.user_index(neuron);
        let mut same = None;
        placed.row(element, &mut |from, factor| {
            same = Some(factor).filter(|_| source.neuron_at(from) == neuron);
        });
        weights.push(same? / target.scale.get(element));
    }
    // One number for all, or one for each channel.
    let channels = placed.tensor[0];
    let repeats = |period: usize| (period..weights.len()).all(|at| weights[at] == weights[at - period]);
    if let Some(period) = [1, channels].into_iter().find(|&period| period < weights.len() && repeats(period))
    {
        weights.truncate(period);
    }
    Some(weights)
}

fn convolve(
    source: Layout,
    target: &Receiver<'_>,
    shared: &Shared,
) -> Result<Option<Connectivity>, NetworkError> {
    let input = &shared.input;
    let (Some(factors), Some(divisors)) = (input.channel_scale(), target.scale.per(shared.tensor[0])) else {
        return Ok(None);
    };
    let uses = input.uses();
    let whole_groups = !input.picks_channels()
        && shared.picked.is_none()
        && input.source[0] == input.tensor[0]
        && shared.trained == shared.tensor[0];
    let geometry = Geometry {
        kernel: shared.kernel,
        stride: shared.stride,
        dilation: shared.dilation,
        padding: shared.padding,
        groups: if whole_groups { shared.groups } else { 1 },
        ..Geometry::of(input, shared.tensor)
    };
    geometry.build(source, target.layout, |[ky, kx], channel, cell| {
        for &of_region in &uses[channel] {
            let seen = input.tensor_channel(of_region);
            for o in shared.outputs_of(seen) {
                let weight = shared.weight(o, seen, ky, kx);
                if weight != 0.0 {
                    let column = shared.at + o;
                    cell(column, weight * factors[of_region] * shared.scale[o] / divisors[column]);
                }
            }
        }
    })
}

/// A fully connected map of an image that is pooled before is a convolution whose kernel covers the pooled image.
fn multiply(
    source: Layout,
    target: &Receiver<'_>,
    matrix: &Matrix,
) -> Result<Option<Connectivity>, NetworkError> {
    let input = &matrix.input;
    if input.pool == [1, 1] {
        return Ok(None);
    }
    let [_, height, width] = input.region();
    let uses = input.uses();
    let geometry = Geometry {
        kernel: [height, width],
        padding: [0, 1].map(|axis| -input.at[axis + 1].cast_signed()),
        ..Geometry::of(input, [matrix.elements, 1, 1])
    };
    // The target is one position, so its neurons may stand in any order.
    let alone = Layout::Flat(geometry_size(matrix.elements)?);
    geometry.build(source, alone, |[y, x], channel, cell| {
        for &c in &uses[channel] {
            let element = input.tensor_element([c, y, x]);
            let factor = input.scale.get((c * height + y) * width + x);
            for neuron in 0..matrix.elements {
                let output = target.layout.user_index(neuron);
                let Some(o) = output.checked_sub(matrix.at).filter(|&o| o < matrix.outputs()) else {
                    continue;
                };
                let weight = matrix.weight(o, element);
                if weight != 0.0 {
                    cell(neuron, weight * factor * matrix.scale.get(o) / target.scale.get(output));
                }
            }
        }
    })
}

/// Units of a max pooling over some channels of their image, with weights of 1.
pub(super) fn pool_maxima(
    source: Layout,
    target: Layout,
    placed: &Placed,
    window: &Window,
    output: [usize; 3],
) -> Result<Option<Connectivity>, NetworkError> {
    let channels = placed.source[0];
    let uses = placed.uses();
    let geometry = Geometry {
        kernel: window.kernel,
        stride: window.stride,
        dilation: window.dilation,
        padding: window.before.map(usize::cast_signed),
        groups: if channels == output[0] && !placed.picks_channels() { channels } else { 1 },
        ..Geometry::of(placed, output)
    };
    geometry.build(source, target, |_, channel, cell| {
        uses[channel].iter().for_each(|&of_region| cell(placed.tensor_channel(of_region), 1.0));
    })
}

/// A convolution to be, over the tensor that a population is placed in.
struct Geometry<'a> {
    input: &'a Placed,
    /// Channels, height, width.
    target: [usize; 3],
    kernel: [usize; 2],
    stride: [usize; 2],
    dilation: [usize; 2],
    /// Zeros before the tensor; negative where some of it is left out.
    padding: [isize; 2],
    groups: usize,
}

/// The most taps without weights that stand for rows or columns that are left out.
const MOST_EMPTY_TAPS: usize = 16;

/// What a convolution does along one axis of the population.
struct Along {
    kernel: usize,
    stride: usize,
    dilation: usize,
    padding: usize,
    /// Taps without weights before the others.
    empty: usize,
    /// Every how many taps behind these has weights.
    spacing: usize,
}

impl Along {
    /// The tap of the window that a tap of the population's is, if it has weights.
    fn tap(&self, tap: usize) -> Option<usize> {
        let tap = tap.checked_sub(self.empty)?;
        tap.is_multiple_of(self.spacing).then_some(tap / self.spacing)
    }
}

fn greatest_common_divisor(a: usize, b: usize) -> usize {
    if b == 0 { a } else { greatest_common_divisor(b, a % b) }
}

impl<'a> Geometry<'a> {
    /// A window of one tap.
    fn of(input: &'a Placed, target: [usize; 3]) -> Self {
        Self { input, target, kernel: [1; 2], stride: [1; 2], dilation: [1; 2], padding: [0; 2], groups: 1 }
    }

    /// The window as the population sees it; nothing if it would see what the tensor leaves out.
    fn along(&self, axis: usize) -> Option<Along> {
        let (placed, pool) = (self.input, self.input.pool[axis]);
        let (first, extent) = (placed.first[axis], placed.source[axis + 1]);
        if !first.is_multiple_of(pool) {
            return None;
        }
        let (first, step, extent) = (first / pool, placed.step[axis], extent / pool);
        // Target t sees at tap k the place t·stride + k·dilation − before of what is read, and that is position
        // first + place·step of the population. Populations and windows are so small that nothing overflows.
        let before = self.padding[axis].checked_add_unsigned(placed.at[axis + 1])?;
        let reach =
            (self.target[axis + 1] - 1) * self.stride[axis] + (self.kernel[axis] - 1) * self.dilation[axis];
        let beyond = reach.cast_signed() - before >= placed.size[axis].cast_signed();
        if before > 0 && first >= step || beyond && first + placed.size[axis] * step < extent {
            return None;
        }
        let (stride, distance) = (self.stride[axis] * step, self.dilation[axis] * step);
        let padding = before * step.cast_signed() - first.cast_signed();
        let left_out = padding.min(0).unsigned_abs();
        // Taps without weights stand for what is left out, on a grid that the others lie on too.
        let dilation = match (left_out, self.kernel[axis]) {
            (0, _) => distance,
            (_, 1) => left_out,
            _ => greatest_common_divisor(left_out, distance),
        };
        let (empty, spacing) = (left_out / dilation, (distance / dilation).max(1));
        let kernel = empty + (self.kernel[axis] - 1) * spacing + 1;
        let padding = padding.max(0).unsigned_abs();
        let fits = empty <= MOST_EMPTY_TAPS && kernel <= self.kernel[axis] * (1 + MOST_EMPTY_TAPS);
        fits.then_some(Along { kernel, stride, dilation, padding, empty, spacing })
    }

    /// The convolution with the rows that `row(tap, channel of the population, cell(output channel, weight))` tells, output
    /// channels ascending; nothing if the populations do not stand as the images do.
    fn build(
        &self,
        source: Layout,
        target: Layout,
        row: impl Fn([usize; 2], usize, &mut dyn FnMut(usize, f64)),
    ) -> Result<Option<Connectivity>, NetworkError> {
        let stand = stands_as(source, self.input.source, self.input.strides)
            && stands_as(target, self.target, row_major(self.target));
        if !stand {
            return Ok(None);
        }
        let (Some(rows), Some(columns)) = (self.along(0), self.along(1)) else { return Ok(None) };
        let size = geometry_size;
        let image = |[c, h, w]: [usize; 3]| Ok([size(h)?, size(w)?, size(c)?]);
        let pair = |y: usize, x: usize| Ok([size(y)?, size(x)?]);
        let geometry = Conv2dGeometry {
            source: image(self.input.source)?,
            target: image(self.target)?,
            pool: pair(self.input.pool[0], self.input.pool[1])?,
            kernel: pair(rows.kernel, columns.kernel)?,
            stride: pair(rows.stride, columns.stride)?,
            dilation: pair(rows.dilation, columns.dilation)?,
            padding: pair(rows.padding, columns.padding)?,
            groups: size(self.groups)?,
        };
        let mut collected = Collected::new(self.target[0]);
        for tap_y in 0..rows.kernel {
            for tap_x in 0..columns.kernel {
                for channel in 0..self.input.source[0] {
                    if let (Some(y), Some(x)) = (rows.tap(tap_y), columns.tap(tap_x)) {
                        row([y, x], channel, &mut |column, weight| collected.push(column, weight));
                    }
                    collected.end_row();
                }
            }
        }
        Ok(Some(Connectivity::Conv2d(Conv2d::new(geometry, collected.finish()?)?)))
    }
}

fn geometry_size(size: usize) -> Result<u32, NetworkError> {
    u32::try_from(size)
        .map_err(|_| NetworkError::new("size", format!("is {size}; allowed are sizes below 2^32")))
}

/// A map written out by source neurons.
///
/// Two passes over the map: the first counts, so that the second can put every weight at its place, targets ascending.
pub(crate) fn scatter(
    source: Layout,
    target: &Receiver<'_>,
    row: impl Fn(usize, &mut dyn FnMut(usize, f64)),
) -> Result<Connectivity, NetworkError> {
    let neurons = |layout: Layout| {
        layout
            .neurons()
            .map(|n| n as usize)
            .ok_or_else(|| NetworkError::new("population", "has 2^32 neurons or more"))
    };
    let (sources, targets) = (neurons(source)?, neurons(target.layout)?);
    let visit = |neuron: usize, each: &mut dyn FnMut(usize, f32)| {
        let element = target.layout.user_index(neuron);
        let divisor = target.scale.get(element);
        row(element, &mut |from, weight| {
            let weight = (weight / divisor) as f32;
            if weight != 0.0 {
                each(source.neuron_at(from), weight);
            }
        });
    };
    let mut starts = vec![0_u64; sources + 1];
    for neuron in 0..targets {
        visit(neuron, &mut |from, _| starts[from + 1] += 1);
    }
    for from in 0..sources {
        starts[from + 1] += starts[from];
    }
    let synapses =
        usize::try_from(starts[sources]).ok().filter(|&n| n <= MOST_SYNAPSES).ok_or_else(|| {
            NetworkError::new(
                "projection",
                format!("has {} synapses written out; allowed are {MOST_SYNAPSES}", starts[sources]),
            )
        })?;
    let mut next = starts.clone();
    let mut columns = vec![0_u32; synapses];
    let mut weights = vec![0.0_f32; synapses];
    for neuron in 0..targets {
        visit(neuron, &mut |from, weight| {
            let at = next[from] as usize;
            columns[at] = neuron as u32;
            weights[at] = weight;
            next[from] += 1;
        });
    }
    let rows = Collected { width: targets, starts, columns, weights };
    Ok(Connectivity::Rows(rows.finish()?))
}

/// The same synapses as plain sparse rows by source.
pub(super) fn unrolled(connectivity: &Connectivity) -> Result<Connectivity, NetworkError> {
    let synapses = connectivity.synapses();
    if synapses > MOST_SYNAPSES as u64 {
        return Err(NetworkError::new(
            "projection",
            format!("has {synapses} synapses unrolled; allowed are {MOST_SYNAPSES}"),
        ));
    }
    let mut starts = vec![0];
    let mut columns = Vec::with_capacity(synapses as usize);
    let mut weights = Vec::with_capacity(synapses as usize);
    for source in 0..connectivity.sources() {
        connectivity.fan_out(source, |target, weight| {
            columns.push(target as u32);
            weights.push(weight);
        });
        starts.push(weights.len() as u64);
    }
    let rows = SparseRows::from_columns(connectivity.targets(), starts, columns, weights)?;
    Ok(Connectivity::Rows(Rows::Sparse(rows)))
}

/// Rows as they are collected.
struct Collected {
    width: usize,
    starts: Vec<u64>,
    columns: Vec<u32>,
    weights: Vec<f32>,
}

impl Collected {
    fn new(width: usize) -> Self {
        Self { width, starts: vec![0], columns: Vec::new(), weights: Vec::new() }
    }

    /// Adds a weight; one that is zero, or so small that it rounds to zero, is no synapse.
    fn push(&mut self, column: usize, weight: f64) {
        let weight = weight as f32;
        if weight != 0.0 {
            self.columns.push(column as u32);
            self.weights.push(weight);
        }
    }

    fn end_row(&mut self) {
        self.starts.push(self.weights.len() as u64);
    }

    /// The rows in whichever format takes less room in a file.
    fn finish(self) -> Result<Rows, NetworkError> {
        let rows = self.starts.len() - 1;
        let id = if self.width <= 1 << 16 { 2 } else { 4 };
        let sparse = self.weights.len() * (4 + id) + rows * 8;
        if rows * self.width * 4 > sparse {
            let rows = SparseRows::from_columns(self.width, self.starts, self.columns, self.weights)?;
            return Ok(Rows::Sparse(rows));
        }
        let mut table = vec![-0.0_f32; rows * self.width];
        for row in 0..rows {
            for at in self.starts[row] as usize..self.starts[row + 1] as usize {
                table[row * self.width + self.columns[at] as usize] = self.weights[at];
            }
        }
        Ok(Rows::Dense(DenseRows::new(self.width, table.into())?))
    }
}

/// Numbers as the network holds them.
pub(super) fn rounded(values: &[f64]) -> Vec<f32> {
    values.iter().map(|&value| value as f32).collect()
}
