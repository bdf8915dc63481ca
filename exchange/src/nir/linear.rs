//! What stands between two populations of a graph: maps of numbers, one behind another, as one.

use snn_engine::{Connectivity, Conv2d, ConvolutionShape, Layout, NetworkError, OneToOne, PerNeuron};

use super::graph::{NirError, Node};
use super::most::Room;
use super::shapes::Sliding;

/// Targets and weights of every source.
type Rows = Vec<Vec<(usize, f64)>>;

/// A linear map; neurons in C order.
#[derive(Clone, Debug)]
pub(super) enum Map {
    /// Neuron i onto neuron i, with a factor of each.
    Diagonal(Vec<f64>),
    /// Kernels `[out][in / groups][down][across]` over an image.
    Kernels { source: [usize; 3], target: [usize; 3], sliding: Sliding, groups: usize, weights: Vec<f64> },
    /// Targets and weights of every source.
    Sparse { targets: usize, rows: Rows },
}

fn count(shape: &[usize]) -> usize {
    shape.iter().product()
}

impl Map {
    /// That of a node; none if it is no linear map.
    pub fn of(name: &str, node: &Node, [into, out]: &[Vec<usize>; 2]) -> Result<Option<Self>, NirError> {
        let (sources, targets) = (count(into), count(out));
        Ok(Some(match node.kind.as_str() {
            "Pass" | "Flatten" | "Output" => Self::Diagonal(vec![1.0; sources]),
            "Scale" => {
                let scale = node.need(name, "scale")?;
                let factors = scale.stretched(into).ok_or_else(|| {
                    NirError::of_node(name, format!("has scales of shape {:?} for {into:?}", scale.shape()))
                })?;
                Self::Diagonal(factors)
            }
            "Affine" | "Linear" => {
                let weights = node.need(name, "weight")?.values();
                let row = |source: usize| {
                    let weights = (0..targets).map(|target| (target, weights[target * sources + source]));
                    weights.filter(|(_, weight)| *weight != 0.0).collect()
                };
                Self::Sparse { targets, rows: (0..sources).map(row).collect() }
            }
            "Conv1d" | "Conv2d" | "SumPool2d" | "AvgPool2d" => {
                let Some(sliding) = Sliding::of(name, node)? else { return Ok(None) };
                let (source, target) = (sliding.image(name, into)?, sliding.image(name, out)?);
                let taps = sliding.kernel[0] * sliding.kernel[1];
                let (groups, weights) = match sliding.channels {
                    Some((_, groups)) => (groups, node.need(name, "weight")?.values().to_vec()),
                    None => {
                        let weight = if node.kind == "AvgPool2d" { 1.0 / taps as f64 } else { 1.0 };
                        (source[0], vec![weight; source[0] * taps])
                    }
                };
                let seen = source[0] / groups;
                if !source[0].is_multiple_of(groups)
                    || !target[0].is_multiple_of(groups)
                    || weights.len() != target[0] * seen * taps
                {
                    return Err(NirError::of_node(
                        name,
                        format!(
                            "has {} weights in {groups} groups from {} to {} channels",
                            weights.len(),
                            source[0],
                            target[0]
                        ),
                    ));
                }
                Self::Kernels { source, target, sliding, groups, weights }
            }
            _ => return Ok(None),
        }))
    }

    /// How many numbers it holds.
    pub fn size(&self) -> usize {
        match self {
            Self::Diagonal(factors) => factors.len(),
            Self::Kernels { weights, .. } => weights.len(),
            Self::Sparse { rows, .. } => rows.iter().map(|row| row.len() + 1).sum(),
        }
    }

    /// Written out, source by source; at most as many synapses as there is room for.
    fn rows(self, name: &str, room: Room) -> Result<(usize, Rows), NirError> {
        match self {
            Self::Diagonal(factors) => {
                let targets = factors.len();
                Ok((targets, factors.into_iter().enumerate().map(|one| vec![one]).collect()))
            }
            Self::Sparse { targets, rows } => Ok((targets, rows)),
            Self::Kernels { source, target, sliding, groups, weights } => {
                let seen = source[0] / groups;
                let [down, across] = sliding.kernel;
                let most =
                    count(&target).checked_mul(seen * down * across).filter(|most| *most <= room.left());
                if most.is_none() {
                    return Err(room.refused(name));
                }
                let mut rows = vec![vec![]; count(&source)];
                let before = sliding.before();
                let in_group = target[0] / groups;
                for (at, &weight) in weights.iter().enumerate().filter(|(_, weight)| **weight != 0.0) {
                    let (to, rest) = (at / (seen * down * across), at % (seen * down * across));
                    let (from, tap) = (to / in_group * seen + rest / (down * across), rest % (down * across));
                    let (ky, kx) = (tap / across, tap % across);
                    for oy in 0..target[1] {
                        let y = (oy * sliding.stride[0] + ky * sliding.dilation[0]).wrapping_sub(before[0]);
                        if y >= source[1] {
                            continue;
                        }
                        for ox in 0..target[2] {
                            let x =
                                (ox * sliding.stride[1] + kx * sliding.dilation[1]).wrapping_sub(before[1]);
                            if x < source[2] {
                                let row: &mut Vec<(usize, f64)> =
                                    &mut rows[(from * source[1] + y) * source[2] + x];
                                row.push(((to * target[1] + oy) * target[2] + ox, weight));
                            }
                        }
                    }
                }
                Ok((count(&target), rows))
            }
        }
    }

    /// One map behind another.
    pub fn then(self, next: Self, name: &str, room: Room) -> Result<Self, NirError> {
        match (self, next) {
            (Self::Diagonal(first), Self::Diagonal(second)) => {
                Ok(Self::Diagonal(first.into_iter().zip(second).map(|(a, b)| a * b).collect()))
            }
            (Self::Diagonal(factors), next) if factors.iter().all(|factor| *factor == 1.0) => Ok(next),
            (first, Self::Diagonal(factors)) => first.scaled(&factors, name, room),
            (first, next) => {
                let (_, rows) = first.rows(name, room)?;
                let (targets, behind) = next.rows(name, room)?;
                let mut made = 0_usize;
                let mut composed = Vec::with_capacity(rows.len());
                for row in rows {
                    let mut sums = std::collections::BTreeMap::new();
                    for (middle, weight) in row {
                        made = made.saturating_add(behind[middle].len());
                        if made > room.left() {
                            return Err(room.refused(name));
                        }
                        for &(target, other) in &behind[middle] {
                            *sums.entry(target).or_insert(0.0) += weight * other;
                        }
                    }
                    composed.push(sums.into_iter().collect());
                }
                Ok(Self::Sparse { targets, rows: composed })
            }
        }
    }

    /// The same with a factor for every target.
    pub fn scaled(self, factors: &[f64], name: &str, room: Room) -> Result<Self, NirError> {
        if let Self::Kernels { source, target, sliding, groups, mut weights } = self {
            let positions = target[1] * target[2];
            let of_channel = |channel: usize| &factors[channel * positions..][..positions];
            let uniform =
                (0..target[0]).all(|c| of_channel(c).iter().all(|factor| *factor == of_channel(c)[0]));
            if uniform && positions > 0 {
                let each = weights.len() / target[0].max(1);
                for (at, weight) in weights.iter_mut().enumerate() {
                    *weight *= of_channel(at / each)[0];
                }
                return Ok(Self::Kernels { source, target, sliding, groups, weights });
            }
            let (targets, rows) =
                Self::Kernels { source, target, sliding, groups, weights }.rows(name, room)?;
            return Self::Sparse { targets, rows }.scaled(factors, name, room);
        }
        Ok(match self {
            Self::Diagonal(own) => Self::Diagonal(own.iter().zip(factors).map(|(a, b)| a * b).collect()),
            Self::Sparse { targets, mut rows } => {
                rows.iter_mut().flatten().for_each(|(target, weight)| *weight *= factors[*target]);
                Self::Sparse { targets, rows }
            }
            kernels @ Self::Kernels { .. } => kernels,
        })
    }

    /// What it makes of numbers.
    pub fn apply(&self, values: &[f64], name: &str, room: Room) -> Result<Vec<f64>, NirError> {
        if let Self::Diagonal(factors) = self {
            return Ok(values.iter().zip(factors).map(|(a, b)| a * b).collect());
        }
        let (targets, rows) = self.clone().rows(name, room)?;
        let mut sums = vec![0.0; targets];
        for (row, value) in rows.into_iter().zip(values) {
            row.into_iter().for_each(|(target, weight)| sums[target] += weight * value);
        }
        Ok(sums)
    }

    /// As the synapses between two populations.
    pub fn connectivity(self, from: Layout, to: Layout, room: Room) -> Result<Connectivity, NetworkError> {
        let narrow = |size: usize| {
            u32::try_from(size).map_err(|_| {
                NetworkError::new("convolution", format!("has the size {size}; allowed are sizes below 2^32"))
            })
        };
        match self {
            Self::Diagonal(factors) if from == to => {
                let own = (0..factors.len()).map(|neuron| factors[from.user_index(neuron)] as f32);
                let own: Vec<f32> = own.collect();
                let same = own.windows(2).all(|pair| pair[0] == pair[1]);
                let weights = if same { own.into_iter().take(1).collect() } else { own };
                let size = from.neurons().unwrap_or(0) as usize;
                Ok(Connectivity::OneToOne(OneToOne::new(size, PerNeuron::repeating(weights.into())?)?))
            }
            Self::Kernels { source, target, sliding, groups, weights }
                if from.shape() == source && to.shape() == target =>
            {
                let seen = source[0] / groups;
                let mut shape = ConvolutionShape {
                    kernels: [
                        narrow(target[0])?,
                        narrow(seen)?,
                        narrow(sliding.kernel[0])?,
                        narrow(sliding.kernel[1])?,
                    ],
                    stride: [0; 2],
                    dilation: [0; 2],
                    padding: [0; 2],
                    groups: narrow(groups)?,
                };
                let before = sliding.before();
                for axis in [0, 1] {
                    shape.stride[axis] = narrow(sliding.stride[axis])?;
                    shape.dilation[axis] = narrow(sliding.dilation[axis])?;
                    shape.padding[axis] = narrow(before[axis])?;
                }
                let weights: Vec<f32> = weights.into_iter().map(|weight| weight as f32).collect();
                Ok(Connectivity::Conv2d(Conv2d::from_kernels(from, to, shape, &weights)?))
            }
            other => {
                let (_, rows) =
                    other.rows("map", room).map_err(|error| NetworkError::new("synapses", error.what))?;
                let synapses = rows.into_iter().enumerate().flat_map(|(source, row)| {
                    row.into_iter().map(move |(target, weight)| (source, target, weight as f32))
                });
                Connectivity::from_synapses(from, to, synapses)
            }
        }
    }
}
