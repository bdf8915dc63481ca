//! The shape of what comes out of every node, stated or inferred.

use std::collections::{BTreeMap, VecDeque};

use super::graph::{Graph, NirError, Node};
use super::most::Room;

/// How a convolution or pooling runs over an image `[channels, height, width]`.
#[derive(Clone, Debug)]
pub(super) struct Sliding {
    pub kernel: [usize; 2],
    pub stride: [usize; 2],
    pub dilation: [usize; 2],
    /// Above and to the left, and below and to the right; none where it is to be `same`.
    pub padding: Option<[usize; 2]>,
    /// Channels that come out of a convolution, and groups; none for a pooling, which keeps its channels.
    pub channels: Option<(usize, usize)>,
    /// Whether it is over one axis: images are `[channels, width]`.
    pub flat: bool,
}

impl Sliding {
    /// That of a node, if it is one.
    pub fn of(name: &str, node: &Node) -> Result<Option<Self>, NirError> {
        let pair = |of: &str| -> Result<[usize; 2], NirError> {
            let sizes = node.sizes(name, of, 2)?;
            Ok([sizes[0] as usize, sizes[1] as usize])
        };
        let found = match node.kind.as_str() {
            "SumPool2d" | "AvgPool2d" => Self {
                kernel: pair("kernel_size")?,
                stride: pair("stride")?,
                dilation: [1, 1],
                padding: Some(pair("padding")?),
                channels: None,
                flat: false,
            },
            "Conv1d" | "Conv2d" => {
                let flat = node.kind == "Conv1d";
                let weight = node.need(name, "weight")?;
                let axes = if flat { 3 } else { 4 };
                if weight.shape().len() != axes || weight.values().is_empty() {
                    return Err(NirError::of_node(
                        name,
                        format!(
                            "has weights of shape {:?}; allowed are {axes} axes, none of length 0",
                            weight.shape()
                        ),
                    ));
                }
                let of_axes = |of: &str, usual: usize| -> Result<[usize; 2], NirError> {
                    match (node.numbers.contains_key(of), flat) {
                        (false, _) => Ok([usual; 2]),
                        (true, false) => pair(of),
                        (true, true) => Ok([usual, node.sizes(name, of, 1)?[0] as usize]),
                    }
                };
                let padding = match node.texts.get("padding").map(String::as_str) {
                    Some("same") => None,
                    Some("valid") => Some([0, 0]),
                    Some(other) => {
                        let what =
                            format!("has the padding `{other}`; allowed are numbers, `same` and `valid`");
                        return Err(NirError::of_node(name, what));
                    }
                    None => Some(of_axes("padding", 0)?),
                };
                let groups =
                    if node.numbers.contains_key("groups") { node.sizes(name, "groups", 1)?[0] } else { 1 };
                let shape = weight.shape();
                let stride = of_axes("stride", 1)?;
                if padding.is_none() && stride != [1, 1] {
                    return Err(NirError::of_node(
                        name,
                        "has the padding `same` and a stride; allowed is a stride of 1",
                    ));
                }
                Self {
                    kernel: if flat { [1, shape[2]] } else { [shape[2], shape[3]] },
                    stride,
                    dilation: of_axes("dilation", 1)?,
                    padding,
                    channels: Some((shape[0], groups as usize)),
                    flat,
                }
            }
            _ => return Ok(None),
        };
        let sizes = found.kernel.iter().chain(&found.stride).chain(&found.dilation);
        if sizes.chain(found.channels.iter().flat_map(|(out, groups)| [out, groups])).any(|&size| size == 0) {
            return Err(NirError::of_node(
                name,
                "has a kernel, stride, dilation or number of groups of 0; allowed is at least 1",
            ));
        }
        Ok(Some(found))
    }

    /// Empty positions above and to the left.
    pub fn before(&self) -> [usize; 2] {
        self.padding.unwrap_or_else(|| [0, 1].map(|axis| self.dilation[axis] * (self.kernel[axis] - 1) / 2))
    }

    /// `[channels, height, width]` of what goes in.
    pub fn image(&self, name: &str, shape: &[usize]) -> Result<[usize; 3], NirError> {
        match (shape, self.flat) {
            (&[channels, height, width], false) => Ok([channels, height, width]),
            (&[channels, width], true) => Ok([channels, 1, width]),
            _ => Err(NirError::of_node(
                name,
                format!(
                    "gets the shape {shape:?}; allowed is [channels, {}]",
                    if self.flat { "length" } else { "height, width" }
                ),
            )),
        }
    }

    /// The shape of what comes out.
    pub fn output(&self, name: &str, shape: &[usize]) -> Result<Vec<usize>, NirError> {
        let [channels, height, width] = self.image(name, shape)?;
        let along = |axis: usize, size: usize| {
            let Some(padding) = self.padding else { return Some(size) };
            let covered = self.dilation[axis].checked_mul(self.kernel[axis] - 1)?.checked_add(1)?;
            Some((size + 2 * padding[axis]).checked_sub(covered)? / self.stride[axis] + 1)
        };
        match (along(0, height), along(1, width)) {
            (Some(height), Some(width)) => {
                let channels = self.channels.map_or(channels, |(out, _)| out);
                Ok(if self.flat { vec![channels, width] } else { vec![channels, height, width] })
            }
            _ => Err(NirError::of_node(
                name,
                format!("has a kernel larger than what it gets, {shape:?} with its padding"),
            )),
        }
    }
}

/// The parameters of neurons and scales, whose shapes are those of what they get and give.
const ELEMENTWISE: [&str; 10] =
    ["tau", "tau_mem", "tau_syn", "r", "v_leak", "v_threshold", "v_reset", "w_in", "threshold", "scale"];

/// What is known of one node by itself: the shape in and the shape out.
fn own(name: &str, node: &Node) -> Result<[Option<Vec<usize>>; 2], NirError> {
    Ok(match node.kind.as_str() {
        "Input" | "Output" | "Pass" => {
            let stated = node.stated_shape(name)?;
            [stated.clone(), stated]
        }
        "Affine" | "Linear" => {
            let shape = node.need(name, "weight")?.shape();
            let &[out, into] = shape else {
                return Err(NirError::of_node(
                    name,
                    format!("has weights of shape {shape:?}; allowed are [targets, sources]"),
                ));
            };
            [Some(vec![into]), Some(vec![out])]
        }
        "Flatten" => match node.numbers.get("input_type").filter(|shape| !shape.values().is_empty()) {
            Some(stated) => {
                let sizes = node.sizes(name, "input_type", stated.values().len())?;
                [Some(sizes.into_iter().map(|size| size as usize).collect()), None]
            }
            None => [None, None],
        },
        "Conv1d" | "Conv2d" => {
            let sliding = Sliding::of(name, node)?;
            let (axes, stated) = (if node.kind == "Conv1d" { 1 } else { 2 }, node.numbers.get("input_shape"));
            match (
                sliding.and_then(|sliding| sliding.channels),
                stated.filter(|shape| !shape.values().is_empty()),
            ) {
                (Some((_, groups)), Some(_)) => {
                    let sizes = node.sizes(name, "input_shape", axes)?;
                    let channels = node.need(name, "weight")?.shape()[1] * groups;
                    let sizes = sizes.into_iter().map(|size| size as usize);
                    [Some(std::iter::once(channels).chain(sizes).collect()), None]
                }
                _ => [None, None],
            }
        }
        "SumPool2d" | "AvgPool2d" => [None, None],
        _ => {
            // The largest of its parameters says it, if it is no single number, which suits any shape.
            let shapes = ELEMENTWISE.iter().chain(&["delay"]).filter_map(|of| node.numbers.get(*of));
            let widest =
                shapes.map(|tensor| tensor.shape()).max_by_key(|shape| shape.iter().product::<usize>());
            let stated = widest.filter(|shape| shape.iter().product::<usize>() > 1).map(<[usize]>::to_vec);
            [stated.clone(), stated]
        }
    })
}

/// The shape out of a node that gets `shape`, where it follows from that.
fn forward(name: &str, node: &Node, shape: &[usize]) -> Result<Option<Vec<usize>>, NirError> {
    if let Some(sliding) = Sliding::of(name, node)? {
        return sliding.output(name, shape).map(Some);
    }
    Ok(match node.kind.as_str() {
        "Affine" | "Linear" => None,
        "Flatten" => Some(flattened(name, node, shape)?),
        _ => Some(shape.to_vec()),
    })
}

/// How many elements a tensor of a shape has, if a machine can count them; sizes of 0 count as 1, so that no part of the shape
/// has more.
fn elements(shape: &[usize]) -> Option<usize> {
    shape.iter().try_fold(1_usize, |count, &size| count.checked_mul(size.max(1)))
}

/// How many elements there are of a shape that has been counted.
fn elements_of(shape: &[usize]) -> usize {
    shape.iter().product()
}

/// Whether numbers of one shape can be taken as another: a list of as many stands for an image, one image for no other.
fn fits(out: &[usize], into: &[usize]) -> bool {
    let extents =
        |shape: &[usize]| -> Vec<usize> { shape.iter().copied().filter(|&size| size != 1).collect() };
    let list = out.len() < 2 || into.len() < 2;
    elements_of(out) == elements_of(into) && (list || extents(out) == extents(into))
}

/// The shape behind a Flatten. Its axes count those of one sample; negative ones from the end.
fn flattened(name: &str, node: &Node, shape: &[usize]) -> Result<Vec<usize>, NirError> {
    let axis = |of: &str, usual: f64| {
        let value = node.numbers.get(of).and_then(|tensor| tensor.values().first()).copied().unwrap_or(usual);
        let rank = shape.len() as f64;
        let place = if value < 0.0 { rank + value } else { value };
        (place.fract() == 0.0 && (0.0..rank).contains(&place)).then_some(place as usize).ok_or_else(|| {
            NirError::of_node(
                name,
                format!("`{of}` is {value}; allowed are axes of the shape {shape:?} that it gets"),
            )
        })
    };
    if shape.is_empty() {
        return Ok(vec![1]);
    }
    let (start, end) = (axis("start_dim", 0.0)?, axis("end_dim", -1.0)?);
    if start > end {
        return Err(NirError::of_node(
            name,
            format!("flattens the axes {start} to {end}; allowed is the first before the last"),
        ));
    }
    let joined = shape[start..=end].iter().product();
    Ok([&shape[..start], &[joined], &shape[end + 1..]].concat())
}

/// Whether what comes out of a node has the shape of what goes in.
fn gives_what_it_gets(name: &str, node: &Node) -> Result<bool, NirError> {
    Ok(node.kind != "Flatten" && Sliding::of(name, node)?.is_none())
}

/// What is known of the shapes of nodes, and how it spreads.
struct Inference<'a> {
    graph: &'a Graph,
    /// Of every node those before and behind it.
    edges: BTreeMap<&'a str, [Vec<&'a str>; 2]>,
    known: BTreeMap<&'a str, [Option<Vec<usize>>; 2]>,
    room: Room,
}

impl<'a> Inference<'a> {
    /// Counts a shape; one that comes from another node was counted there.
    fn count(&mut self, name: &str, shape: Option<&Vec<usize>>) -> Result<(), NirError> {
        match shape {
            Some(shape) => self.room.take(name, elements(shape)),
            None => Ok(()),
        }
    }

    /// Looks at some nodes, and at every other one once more for each shape of it that is found so.
    fn spread(&mut self, mut open: VecDeque<&'a str>) -> Result<(), NirError> {
        while let Some(name) = open.pop_front() {
            let node = &self.graph.nodes[name];
            let mut shapes = self.known[name].clone();
            if let (Some(into), None) = (&shapes[0], &shapes[1]) {
                shapes[1] = forward(name, node, into)?;
                self.count(name, shapes[1].as_ref())?;
            }
            if let (None, Some(out)) = (&shapes[0], &shapes[1])
                && gives_what_it_gets(name, node)?
            {
                shapes[0] = Some(out.clone());
            }
            self.known.insert(name, shapes.clone());
            let Some([before, behind]) = self.edges.get(name) else { continue };
            for next in behind.iter().filter(|_| shapes[1].is_some()) {
                if let Some(theirs) = self.known.get_mut(next).filter(|theirs| theirs[0].is_none()) {
                    theirs[0].clone_from(&shapes[1]);
                    open.push_back(next);
                }
            }
            for last in before.iter().filter(|_| shapes[0].is_some()) {
                if gives_what_it_gets(last, &self.graph.nodes[*last])?
                    && let Some(theirs) = self.known.get_mut(last).filter(|theirs| theirs[1].is_none())
                {
                    theirs[1].clone_from(&shapes[0]);
                    open.push_back(last);
                }
            }
        }
        Ok(())
    }
}

/// The shape of neurons whose parameters are single numbers, in lists, where nothing else tells it: that of the lists.
fn of_single_numbers(node: &Node) -> Option<Vec<usize>> {
    let neurons = ELEMENTWISE.iter().filter(|of| **of != "scale");
    let shapes = neurons.filter_map(|of| node.numbers.get(*of)).map(|tensor| tensor.shape());
    shapes.filter(|shape| !shape.is_empty()).max_by_key(|shape| shape.len()).map(<[usize]>::to_vec)
}

/// The shapes that every node gets and gives.
pub(super) fn infer(graph: &Graph, room: Room) -> Result<BTreeMap<String, [Vec<usize>; 2]>, NirError> {
    let mut edges: BTreeMap<&str, [Vec<&str>; 2]> = BTreeMap::new();
    for (from, to) in &graph.edges {
        edges.entry(to).or_default()[0].push(from);
        edges.entry(from).or_default()[1].push(to);
    }
    let mut inference = Inference { graph, edges, known: BTreeMap::new(), room };
    for (name, node) in &graph.nodes {
        let shapes = own(name, node)?;
        shapes.iter().try_for_each(|shape| inference.count(name, shape.as_ref()))?;
        inference.known.insert(name, shapes);
    }
    inference.spread(graph.nodes.keys().map(String::as_str).collect())?;
    for (name, node) in &graph.nodes {
        if let [None, None] = inference.known[name.as_str()]
            && let Some(shape) = of_single_numbers(node)
        {
            inference.known.insert(name, [Some(shape.clone()), Some(shape)]);
            inference.spread([name.as_str()].into())?;
        }
    }
    let known = inference.known;
    let mut shapes = BTreeMap::new();
    for (name, found) in known {
        let [Some(into), Some(out)] = found else {
            return Err(NirError::of_node(
                name,
                "has a shape that nothing in the graph tells; state that of an Input, or `input_shape`",
            ));
        };
        // One may have come from the node before, and the other from the node behind.
        let node = &graph.nodes[name];
        let connects = matches!(node.kind.as_str(), "Affine" | "Linear");
        if !connects && gives_what_it_gets(name, node)? && !fits(&into, &out) {
            return Err(NirError::of_node(
                name,
                format!("gets the shape {into:?} and has to give {out:?}; allowed are equal ones"),
            ));
        }
        shapes.insert(name.to_owned(), [into, out]);
    }
    for (from, to) in &graph.edges {
        let (out, into) = (&shapes[from][1], &shapes[to][0]);
        if !fits(out, into) {
            return Err(NirError::new(
                format!("edge `{from}` -> `{to}`"),
                format!("goes from the shape {out:?} to {into:?}; allowed are equal ones"),
            ));
        }
    }
    Ok(shapes)
}
