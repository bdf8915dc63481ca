//! From a graph to a network.

use std::collections::BTreeMap;

use snn_engine::{
    Accumulator, BuiltIn, Connectivity, Layout, LeakyAccumulator, Network, NetworkBuilder, NetworkError,
    Neuron, PerNeuron, PopulationId,
};

use super::graph::{Graph, NirError};
use super::linear::Map;
use super::most::{Most, Room};
use super::neurons::{Neurons, every_step, kept, neurons};
use super::order::closing;
use super::shapes::infer;
use super::{CONSTANT, METADATA, NAME, Steps, Translated};

/// The most ways from one population to another through nodes that are none.
const MOST_WAYS: usize = 100_000;

/// The most nodes one behind another that are none.
const LONGEST_WAY: usize = 1000;

/// Nodes that are populations.
fn is_population(kind: &str) -> bool {
    matches!(kind, "Input" | "IF" | "LIF" | "CubaLIF" | "LI" | "I" | "Threshold")
}

/// Whether a population gives spikes. What the others give is a potential.
fn fires(kind: &str) -> bool {
    !matches!(kind, "LI" | "I")
}

/// A way from a population to another.
struct Way {
    from: usize,
    to: usize,
    delay: u32,
    map: Map,
    /// The edge at its end, whose place orders the projections into a population.
    edge: usize,
}

struct Walk<'a> {
    graph: &'a Graph,
    shapes: BTreeMap<String, [Vec<usize>; 2]>,
    /// Edges out of every node.
    out: BTreeMap<&'a str, Vec<usize>>,
    places: BTreeMap<&'a str, usize>,
    ways: Vec<Way>,
    steps: Steps,
    losses: Vec<String>,
    taken: usize,
    room: Room,
}

impl<'a> Walk<'a> {
    fn map(&self, name: &str) -> Result<Map, NirError> {
        let node = &self.graph.nodes[name];
        Map::of(name, node, &self.shapes[name])?.ok_or_else(|| {
            NirError::of_node(
                name,
                format!(
                    "is of type {}; allowed are Input, Output, Affine, Linear, Scale, Conv1d, Conv2d, Flatten, SumPool2d, AvgPool2d, \
                     IF, LIF, CubaLIF, LI, I, Threshold, Delay and NIRGraph",
                    node.kind
                ),
            )
        })
    }

    /// The steps of every element of a Delay, and how many there are of each.
    fn delays(&mut self, name: &str) -> Result<Vec<u32>, NirError> {
        let (node, shape) = (&self.graph.nodes[name], &self.shapes[name][0]);
        let tensor = node.need(name, "delay")?;
        let seconds = tensor.stretched(shape).ok_or_else(|| {
            NirError::of_node(name, format!("has delays of shape {:?} for {shape:?}", tensor.shape()))
        })?;
        let mut steps = Vec::with_capacity(seconds.len());
        for seconds in seconds {
            let exact = seconds / self.steps.dt;
            let whole = exact.round();
            if !(0.0..=f64::from(snn_engine::LONGEST_DELAY)).contains(&whole) {
                return Err(NirError::of_node(
                    name,
                    format!(
                        "has a delay of {seconds} s, {exact} steps; allowed are 0 to {}",
                        snn_engine::LONGEST_DELAY
                    ),
                ));
            }
            if (exact - whole).abs() > 1e-6 * whole.max(1.0) {
                let loss =
                    format!("node `{name}`: a delay of {seconds} s is {exact} steps; it becomes {whole}");
                if !self.losses.contains(&loss) {
                    self.losses.push(loss);
                }
            }
            steps.push(whole as u32);
        }
        Ok(steps)
    }

    /// Follows all ways from a node, which passes on what `map` makes of the population `from`.
    fn follow(&mut self, from: usize, name: &'a str, map: Map) -> Result<(), NirError> {
        let branch = Branch { name, map, delay: 0, edges: self.edges_from(name), behind: vec![] };
        // Not by recursion: a program has less room for calls than a file has nodes in a row.
        let mut open = vec![branch];
        while let Some(last) = open.last_mut() {
            if let Some((name, map, delay)) = last.behind.pop() {
                open.push(Branch { name, map, delay, edges: self.edges_from(name), behind: vec![] });
                continue;
            }
            let Some(edge) = last.edges.next() else {
                open.pop();
                continue;
            };
            let next = self.graph.edges[edge].1.as_str();
            self.taken += 1;
            if self.taken > MOST_WAYS {
                return Err(NirError::new(
                    "graph",
                    format!("has more than {MOST_WAYS} ways between its populations"),
                ));
            }
            if let Some(&to) = self.places.get(next) {
                self.room.take(next, Some(last.map.size()))?;
                self.ways.push(Way { from, to, delay: last.delay, map: last.map.clone(), edge });
                continue;
            }
            let (map, delay) = (last.map.clone(), last.delay);
            if open.iter().any(|branch| branch.name == next) {
                return Err(NirError::of_node(
                    next,
                    "is on a cycle without neurons; allowed are cycles through neurons",
                ));
            }
            if open.len() > LONGEST_WAY {
                return Err(NirError::of_node(
                    next,
                    format!("is the end of more than {LONGEST_WAY} nodes in a row without neurons"),
                ));
            }
            let mut behind = self.behind(next, map, delay)?;
            // The first is taken from the end.
            behind.reverse();
            if let Some(last) = open.last_mut() {
                last.behind = behind;
            }
        }
        Ok(())
    }

    /// What a node that is no population makes of a map, by how much it is delayed.
    fn behind(&mut self, name: &'a str, map: Map, delay: u32) -> Result<Vec<(&'a str, Map, u32)>, NirError> {
        if self.graph.nodes[name].kind != "Delay" {
            let composed = map.then(self.map(name)?, name, self.room)?;
            self.room.take(name, Some(composed.size()))?;
            return Ok(vec![(name, composed, delay)]);
        }
        let steps = self.delays(name)?;
        let mut distinct = steps.clone();
        distinct.sort_unstable();
        distinct.dedup();
        let mut parts = vec![];
        for each in distinct.iter().copied() {
            // What is delayed by as much, of all that comes out of the map so far.
            let mask: Vec<f64> = steps.iter().map(|&steps| f64::from(u8::from(steps == each))).collect();
            let part = if distinct.len() == 1 {
                map.clone()
            } else {
                map.clone().then(Map::Diagonal(mask), name, self.room)?
            };
            self.room.take(name, Some(part.size()))?;
            parts.push((name, part, delay.saturating_add(each)));
        }
        Ok(parts)
    }

    fn edges_from(&self, name: &str) -> std::vec::IntoIter<usize> {
        self.out.get(name).cloned().unwrap_or_default().into_iter()
    }
}

/// A node on a way that is followed.
struct Branch<'a> {
    name: &'a str,
    /// What it makes of the population where the way begins, and by how many steps that is delayed.
    map: Map,
    delay: u32,
    /// Its edges that were not followed yet.
    edges: std::vec::IntoIter<usize>,
    /// What is behind the last of those that were, by how much it is delayed; not followed yet.
    behind: Vec<(&'a str, Map, u32)>,
}

fn layout(name: &str, shape: &[usize]) -> Result<Layout, NirError> {
    let refused =
        || NirError::of_node(name, format!("has the shape {shape:?}; allowed are fewer than 2^32 neurons"));
    let narrow = |size: usize| u32::try_from(size).map_err(|_| refused());
    match *shape {
        [channels, width] => {
            Ok(Layout::Image { channels: narrow(channels)?, height: 1, width: narrow(width)? })
        }
        [channels, height, width] => {
            Ok(Layout::Image { channels: narrow(channels)?, height: narrow(height)?, width: narrow(width)? })
        }
        _ => {
            let count = shape.iter().try_fold(1_usize, |count, &size| count.checked_mul(size));
            Ok(Layout::Flat(narrow(count.ok_or_else(refused)?)?))
        }
    }
}

/// Numbers of neurons, in the network's own order, as short as they can be.
fn per_neuron(layout: Layout, values: &[f32]) -> Result<PerNeuron, NetworkError> {
    if values.windows(2).all(|pair| pair[0].to_bits() == pair[1].to_bits()) {
        return PerNeuron::repeating(values[..values.len().min(1)].to_vec().into());
    }
    let own: Vec<f32> = (0..values.len()).map(|neuron| values[layout.user_index(neuron)]).collect();
    PerNeuron::repeating(own.into())
}

/// The network of a graph. Its populations have the names of the nodes, and the last is the one before the Output.
///
/// # Errors
/// If a node is of another type or lacks a number, a shape cannot be inferred or does not fit, a time is shorter than a step or a
/// delay no whole number of them (but with [`Steps::lossy`]), or a potential is passed on, which no neuron of a network does.
pub fn to_network(graph: &Graph, steps: Steps) -> Result<Translated<Network>, NirError> {
    to_network_within(graph, steps, Most::of(graph))
}

/// The network of a graph as [`to_network`] makes it, of at most so much.
///
/// # Errors
/// As [`to_network`].
pub fn to_network_within(graph: &Graph, steps: Steps, most: Most) -> Result<Translated<Network>, NirError> {
    if !(steps.dt.is_finite() && steps.dt > 0.0) {
        return Err(NirError::new("dt", format!("is {} s; allowed are times above 0", steps.dt)));
    }
    let graph = graph.flat()?;
    let shapes = infer(&graph, Room::elements(most))?;
    let room = Room::synapses(most);
    // Populations in order of the edges that name them, the one to be read last.
    let ends: Vec<&str> = graph.edges.iter().flat_map(|(from, to)| [from.as_str(), to.as_str()]).collect();
    let first_edge = |name: &str| ends.iter().position(|end| *end == name).unwrap_or(usize::MAX);
    let of_kind = |wanted: fn(&str) -> bool| {
        let mut names: Vec<&str> = graph
            .nodes
            .iter()
            .filter(|(_, node)| wanted(&node.kind))
            .map(|(name, _)| name.as_str())
            .collect();
        names.sort_by_key(|name| (graph.nodes[*name].kind != "Input", first_edge(name)));
        names
    };
    let mut names = of_kind(is_population);
    let outputs = of_kind(|kind| kind == "Output");
    let before = |output: &str| {
        graph.edges.iter().filter(|(_, to)| to == output).map(|(from, _)| from.as_str()).collect::<Vec<_>>()
    };
    // An Output right behind neurons, perhaps of an inner graph, is read from these; behind weights it is a population that adds
    // up.
    let mut read = vec![];
    for output in &outputs {
        let mut behind = before(output);
        for _ in 0..graph.nodes.len() {
            match behind[..] {
                [one] if graph.nodes[one].kind == "Pass" => behind = before(one),
                _ => break,
            }
        }
        match behind[..] {
            [one] if names.contains(&one) => read.push((*output, one)),
            _ => {
                names.push(output);
                read.push((*output, *output));
            }
        }
    }
    if let Some((_, last)) = read.last() {
        names.retain(|name| name != last);
        names.push(last);
    }
    if names.is_empty() {
        return Err(NirError::new("graph", "has no neurons"));
    }
    let places: BTreeMap<&str, usize> =
        names.iter().enumerate().map(|(place, name)| (*name, place)).collect();
    let mut out: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (edge, (from, to)) in graph.edges.iter().enumerate() {
        if graph.nodes[to].kind == "Output" && !places.contains_key(to.as_str()) {
            continue;
        }
        out.entry(from).or_default().push(edge);
    }
    let mut walk =
        Walk { graph: &graph, shapes, out, places, ways: vec![], steps, losses: vec![], taken: 0, room };
    let mut constants: Vec<Vec<f64>> =
        names.iter().map(|name| vec![0.0; walk.shapes[*name][0].iter().product()]).collect();
    for (place, name) in names.iter().enumerate() {
        let kind = &graph.nodes[*name].kind;
        if kind == "Output" {
            continue;
        }
        if !fires(kind) && walk.out.contains_key(name) {
            return Err(NirError::of_node(
                name,
                format!(
                    "passes its potential on, which neurons of a network do not; allowed is {kind} in front of an Output"
                ),
            ));
        }
        let size = walk.shapes[*name][1].iter().product();
        walk.follow(place, name, Map::Diagonal(vec![1.0; size]))?;
    }
    // What nodes add in every step, whatever arrives.
    let sums: Vec<Way> = std::mem::take(&mut walk.ways);
    for (name, node) in &graph.nodes {
        let Some(bias) =
            node.numbers.get("bias").filter(|_| matches!(node.kind.as_str(), "Affine" | "Conv1d" | "Conv2d"))
        else {
            continue;
        };
        node.need(name, "bias")?;
        let shape = &walk.shapes[name][1];
        let of_channels = || {
            let positions = shape[1..].iter().product::<usize>();
            let fits = shape.first() == Some(&bias.values().len());
            fits.then(|| {
                bias.values().iter().flat_map(|value| std::iter::repeat_n(*value, positions)).collect()
            })
        };
        let values: Option<Vec<f64>> =
            if node.kind == "Affine" { bias.stretched(shape) } else { of_channels() };
        let values = values.ok_or_else(|| {
            NirError::of_node(name, format!("has a bias of shape {:?} for {shape:?}", bias.shape()))
        })?;
        if values.iter().all(|value| *value == 0.0) {
            continue;
        }
        walk.follow(0, name, Map::Diagonal(vec![1.0; values.len()]))?;
        for way in std::mem::take(&mut walk.ways) {
            for (sum, value) in constants[way.to].iter_mut().zip(way.map.apply(&values, name, walk.room)?) {
                *sum += value;
            }
        }
    }
    let Walk { shapes, losses, room, .. } = walk;
    if !losses.is_empty() && !steps.lossy {
        return Err(NirError::new(
            "graph",
            format!("cannot be said exactly in steps of {} s: {}", steps.dt, losses.join("; ")),
        ));
    }
    build(&graph, &shapes, &names, constants, sums, steps, losses, room)
}

/// Puts populations and projections together.
#[allow(clippy::too_many_arguments, reason = "parts of one function")]
fn build(
    graph: &Graph,
    shapes: &BTreeMap<String, [Vec<usize>; 2]>,
    names: &[&str],
    constants: Vec<Vec<f64>>,
    mut ways: Vec<Way>,
    steps: Steps,
    losses: Vec<String>,
    room: Room,
) -> Result<Translated<Network>, NirError> {
    let mut builder = NetworkBuilder::new();
    let (mut ids, mut layouts, mut gains): (Vec<PopulationId>, _, Vec<Vec<f64>>) = (vec![], vec![], vec![]);
    let (mut notes, mut filtered) = (vec![], vec![]);
    for (name, constants) in names.iter().zip(constants) {
        let (node, shape) = (&graph.nodes[*name], &shapes[*name][0]);
        let layout = layout(name, shape)?;
        let called = node.metadata.get(NAME).map_or(*name, String::as_str);
        let wrap = |error: NetworkError| NirError::of_node(name, error.to_string());
        let size = shape.iter().product::<usize>();
        let narrow = |values: Vec<f64>| values.into_iter().map(|value| value as f32).collect::<Vec<f32>>();
        let (neuron, gain) = match (node.metadata.get(METADATA), node.kind.as_str()) {
            (_, "Input") => {
                if constants.iter().any(|constant| *constant != 0.0) {
                    return Err(NirError::of_node(name, "is an Input that something leads to"));
                }
                (Neuron::Source, vec![1.0; size])
            }
            (_, "Output") => {
                notes.push(format!(
                    "node `{name}` stands behind weights, not neurons: it becomes a population whose potential is the sum of each step"
                ));
                let bias = per_neuron(layout, &narrow(constants)).map_err(wrap)?;
                let same = |value| PerNeuron::same(value).map_err(wrap);
                (Neuron::of(LeakyAccumulator { bias, leak: same(0.0)?, start: same(0.0)? }), vec![1.0; size])
            }
            (kept_text, _) => {
                let Neurons { model, name: kind, choices, gain, leak } = neurons(name, node, shape, steps)?;
                let mut arriving: Vec<f64> =
                    constants.iter().zip(&gain).map(|(constant, gain)| constant * gain).collect();
                if node.kind == "CubaLIF" && arriving.iter().any(|current| *current != 0.0) {
                    // It passes the filter of the synapse, as spikes do, and a bias does not.
                    let id = builder.population(
                        format!("{called}{CONSTANT}"),
                        Layout::Flat(1),
                        every_step().map_err(wrap)?,
                    );
                    notes.push(format!(
                        "node `{name}`: the bias that arrives at its synapses comes from a neuron `{called}{CONSTANT}` that fires in every step"
                    ));
                    filtered.push((id, ids.len(), narrow(std::mem::replace(&mut arriving, vec![0.0; size]))));
                }
                let bias = arriving.iter().zip(leak).map(|(current, leak)| current + leak);
                let bias = per_neuron(layout, &narrow(bias.collect())).map_err(wrap)?;
                let neuron = match kept_text {
                    Some(text) => {
                        let kept = kept(name, text, size)?;
                        let Some(model) = kept.model() else {
                            unreachable!("neurons of a model are of a model")
                        };
                        model.with_bias(bias)
                    }
                    None if kind == "accumulator" => Neuron::of(Accumulator { bias }),
                    None => {
                        let parameters =
                            model.iter().map(|(name, values)| Ok((*name, per_neuron(layout, values)?)));
                        let mut parameters: Vec<(&str, PerNeuron)> =
                            parameters.collect::<Result<_, _>>().map_err(wrap)?;
                        parameters.push(("bias", bias));
                        BuiltIn::find(kind)
                            .and_then(|model| model.named(parameters, choices))
                            .map_err(wrap)?
                    }
                };
                (neuron, gain)
            }
        };
        ids.push(builder.population(called, layout, neuron));
        layouts.push(layout);
        gains.push(gain);
    }
    ways.sort_by_key(|way| way.edge);
    let at_once: Vec<usize> = (0..ways.len()).filter(|&way| ways[way].delay == 0).collect();
    let between: Vec<(usize, usize)> = at_once.iter().map(|&way| (ways[way].from, ways[way].to)).collect();
    let sources: Vec<usize> =
        (0..names.len()).filter(|&place| graph.nodes[names[place]].kind == "Input").collect();
    for (way, closes) in at_once.into_iter().zip(closing(names.len(), &between, &sources)) {
        if closes {
            ways[way].delay = 1;
            notes.push(format!(
                "`{}` -> `{}` closes a cycle: its spikes arrive a step later",
                names[ways[way].from], names[ways[way].to]
            ));
        }
    }
    for way in ways {
        let at = format!("`{}` -> `{}`", names[way.from], names[way.to]);
        let map = way.map.scaled(&gains[way.to], names[way.to], room)?;
        let connectivity = map
            .connectivity(layouts[way.from], layouts[way.to], room)
            .map_err(|error| NirError::new(at, error.to_string()))?;
        builder.projection(ids[way.from], ids[way.to], way.delay, connectivity);
    }
    for (id, to, currents) in filtered {
        let synapses = currents.into_iter().enumerate().map(|(target, weight)| (0, target, weight));
        let connectivity = Connectivity::from_synapses(Layout::Flat(1), layouts[to], synapses)
            .map_err(|error| NirError::of_node(names[to], error.to_string()))?;
        builder.projection(id, ids[to], 0, connectivity);
    }
    let made = builder.build().map_err(|error| NirError::new("graph", error.to_string()))?;
    Ok(Translated { made, losses, notes })
}
