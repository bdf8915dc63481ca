//! From a network to a graph.

use std::collections::{BTreeMap, BTreeSet};

use snn_engine::{
    AnyModel, Connectivity, Conv2d, CurrentLeaky, IntegrateFire, Layout, Network, Neuron, PerNeuron,
    PopulationId, Projection, Reset,
};

use super::graph::{Graph, NirError, Node, Tensor};
use super::{CONSTANT, METADATA, NAME, Steps, Translated};

/// The most numbers of a matrix that is written in full, as NIR has it.
const MOST_NUMBERS: usize = 1 << 28;

struct Writer<'a> {
    network: &'a Network,
    steps: Steps,
    graph: Graph,
    losses: Vec<String>,
    /// The names of the populations' nodes.
    names: BTreeMap<PopulationId, String>,
}

/// The names of nodes: those of the populations, but for what cannot stand in a file or is the Output's.
fn names(network: &Network) -> BTreeMap<PopulationId, String> {
    let fits = |name: &str| !name.contains(['/', '\0']) && !matches!(name, "" | "." | ".." | "output");
    let all = || network.ids().map(|id| (id, network.population(id).name()));
    let mut names: BTreeMap<PopulationId, String> =
        all().filter(|(_, name)| fits(name)).map(|(id, name)| (id, name.to_owned())).collect();
    let mut taken: BTreeSet<String> = names.values().cloned().collect();
    for (id, name) in all().filter(|(_, name)| !fits(name)) {
        let plain = name.replace(['/', '\0'], ".");
        let plain = match plain.trim_start_matches('.') {
            "" | "output" => format!("population.{plain}"),
            plain => plain.to_owned(),
        };
        let numbered = (2..).map(|number| format!("{plain}_{number}"));
        let free = std::iter::once(plain.clone()).chain(numbered).find(|name| !taken.contains(name));
        let free = free.expect("one of endlessly many names is free");
        taken.insert(free.clone());
        names.insert(id, free);
    }
    names
}

/// Numbers of every neuron in the user's order, of the population's shape.
fn tensor(layout: Layout, each: impl Fn(usize) -> f64) -> Tensor {
    let shape = layout.shape();
    let values = (0..shape.iter().product()).map(|index| each(layout.neuron_at(index))).collect();
    Tensor::new(shape, values).unwrap_or_default()
}

fn shape(layout: Layout) -> Tensor {
    Tensor::list(layout.shape().into_iter().map(|size| size as f64).collect())
}

/// `dt / (1 − left)`: the time constant of what is left after a step.
fn time(left: f32, dt: f64) -> f64 {
    dt / (1.0 - f64::from(left))
}

impl Writer<'_> {
    /// The name of a population's node.
    fn name(&self, id: PopulationId) -> &str {
        &self.names[&id]
    }

    /// A name that no node has yet.
    fn free(&self, wanted: String) -> String {
        let taken = |name: &String| {
            self.graph.nodes.contains_key(name)
                || self.names.values().any(|said| said == name)
                || *name == "output"
        };
        let mut name = wanted.clone();
        let mut number = 2;
        while taken(&name) {
            name = format!("{wanted}_{number}");
            number += 1;
        }
        name
    }

    fn add(&mut self, name: &str, node: Node) {
        self.graph.nodes.insert(name.to_owned(), node);
    }

    fn edge(&mut self, from: &str, to: &str) {
        self.graph.edges.push((from.to_owned(), to.to_owned()));
    }

    fn lost(&mut self, id: PopulationId, what: &str) {
        let loss = format!("population `{}`: {what}", self.network.population(id).name());
        self.losses.push(loss);
    }

    /// The node of a population, and whether its bias is in it.
    fn neurons(&mut self, id: PopulationId) -> Result<(Node, bool), NirError> {
        let population = self.network.population(id);
        let (layout, dt) = (population.layout(), self.steps.dt);
        let model = match population.neuron() {
            Neuron::Source => return Ok((Node::new("Input", [("shape", shape(layout))]), true)),
            Neuron::Model(model) => model,
            Neuron::MaxPool(_) => {
                return Err(NirError::new(
                    format!("population `{}`", population.name()),
                    "is a max pooling of counts, for which NIR has no node; convert with average pooling",
                ));
            }
        };
        let kind = model.description().name;
        let values = |name: &str| -> Result<&PerNeuron, NirError> {
            model.parameter(name).ok_or_else(|| NirError::new(kind, format!("has no parameter `{name}`")))
        };
        let of = |name: &str, as_nir: &dyn Fn(f32) -> f64| -> Result<Tensor, NirError> {
            let parameter = values(name)?;
            Ok(tensor(layout, |neuron| as_nir(parameter.get(neuron))))
        };
        // `v > x` says of every f32 what `v ≥ θ` does, with x the next f32 below θ.
        let threshold = || of("threshold", &|theta| f64::from(theta.next_down()));
        let ones = || tensor(layout, |_| 1.0);
        let option = |choice: &str| {
            let described = model.description().choices.iter().zip(model.choices());
            described
                .filter(|(found, _)| found.name == choice)
                .map(|(found, option)| found.options[option])
                .next()
        };
        let same_everywhere = |name: &str, wanted: f32| {
            model.parameter(name).is_none_or(|found| found.values().iter().all(|value| *value == wanted))
        };
        let mut said = vec![];
        if !same_everywhere("start", 0.0) {
            said.push("potentials before the first step are not said by NIR; they begin at 0");
        }
        if option("reset") == Some("subtract") {
            said.push("firing subtracts the threshold, NIR's sets the potential to v_reset, here 0");
        }
        if !same_everywhere("refractory", 0.0) {
            said.push("rest after a spike is not said by NIR; there is none");
        }
        let after = || match option("reset") {
            Some("to") => of("after", &f64::from),
            _ => Ok(tensor(layout, |_| 0.0)),
        };
        let left_below_one = |name: &str| -> Result<bool, NirError> {
            Ok(values(name)?.values().iter().all(|left| *left < 1.0))
        };
        // The factor of what arrives is 1: weights stand as they are.
        let tau = |name: &str| of(name, &|left| time(left, dt));
        let resistance = |name: &str| of(name, &|left| time(left, dt) / dt);
        // v_leak adds its share of every step.
        let bias = values("bias")?.clone();
        let leak = |name: &str| -> Result<Tensor, NirError> {
            let left = values(name)?;
            Ok(tensor(layout, |neuron| f64::from(bias.get(neuron)) / (1.0 - f64::from(left.get(neuron)))))
        };
        let unbiased = self.has_weights_for_bias(id);
        let v_leak = |name: &str| if unbiased { Ok(tensor(layout, |_| 0.0)) } else { leak(name) };
        let zero_leak = |name: &str| same_everywhere(name, 0.0);
        let (mut node, mut holds_bias) = match kind {
            "integrate-and-fire" => (
                Node::new("IF", [("r", ones()), ("v_threshold", threshold()?), ("v_reset", after()?)]),
                false,
            ),
            "leaky" if same_everywhere("leak", 1.0) => (
                Node::new("IF", [("r", ones()), ("v_threshold", threshold()?), ("v_reset", after()?)]),
                false,
            ),
            "leaky"
                if zero_leak("leak") && option("reset") == Some("to") && same_everywhere("after", 0.0) =>
            {
                (Node::new("Threshold", [("threshold", threshold()?)]), false)
            }
            "leaky" if left_below_one("leak")? => (
                Node::new(
                    "LIF",
                    [
                        ("tau", tau("leak")?),
                        ("r", resistance("leak")?),
                        ("v_leak", v_leak("leak")?),
                        ("v_threshold", threshold()?),
                        ("v_reset", after()?),
                    ],
                ),
                !unbiased,
            ),
            "current-leaky" if left_below_one("leak")? && left_below_one("decay")? => (
                Node::new(
                    "CubaLIF",
                    [
                        ("tau_mem", tau("leak")?),
                        ("tau_syn", tau("decay")?),
                        ("r", resistance("leak")?),
                        ("w_in", resistance("decay")?),
                        ("v_leak", leak("leak")?),
                        ("v_threshold", threshold()?),
                        ("v_reset", after()?),
                    ],
                ),
                // A constant that arrives is filtered; the bias is not.
                true,
            ),
            "accumulator" => (Node::new("I", [("r", ones())]), false),
            "leaky-accumulator" if left_below_one("leak")? => (
                Node::new(
                    "LI",
                    [("tau", tau("leak")?), ("r", resistance("leak")?), ("v_leak", v_leak("leak")?)],
                ),
                !unbiased,
            ),
            _ => {
                return Err(NirError::new(
                    format!("population `{}`", population.name()),
                    format!(
                        "is of the model `{kind}` with parameters for which NIR has no node; allowed are integrate-and-fire, \
                         leaky and current-leaky neurons, accumulators and leaky accumulators, leaks below 1"
                    ),
                ));
            }
        };
        let exact = matches!(
            (kind, node.kind.as_str()),
            ("integrate-and-fire", "IF")
                | ("leaky", "LIF" | "Threshold")
                | ("current-leaky", "CubaLIF")
                | ("accumulator", "I")
                | ("leaky-accumulator", "LI")
        );
        if !said.is_empty() || !exact {
            node.metadata.insert(METADATA.to_owned(), kept(model));
        }
        for what in said {
            self.lost(id, what);
        }
        holds_bias |= bias.values().iter().all(|bias| *bias == 0.0);
        Ok((node, holds_bias))
    }

    /// Whether something that leads to a population at once, from another, can hold its bias.
    fn has_weights_for_bias(&self, id: PopulationId) -> bool {
        self.network.incoming(id).any(holds_bias)
    }

    /// The nodes of a projection and the edges between them, with a bias if one is given.
    fn projection(&mut self, projection: &Projection, bias: Option<&PerNeuron>) -> Result<(), NirError> {
        let [from, to] = [projection.source(), projection.target()].map(|id| self.network.population(id));
        let at = || NirError::new(format!("projection `{}` -> `{}`", from.name(), to.name()), String::new());
        let (before, behind) = (from.layout(), to.layout());
        let [first, end] = [projection.source(), projection.target()].map(|id| self.name(id).to_owned());
        let mut last = first.clone();
        let named = self.free(format!("{first}_to_{end}"));
        let mut link = |writer: &mut Self, name: String, node: Node| {
            writer.add(&name, node);
            writer.edge(&last, &name);
            last = name;
        };
        match projection.connectivity() {
            Connectivity::OneToOne(one) => {
                let scale = tensor(before, |neuron| f64::from(one.weights().get(neuron)));
                link(self, named, Node::new("Scale", [("scale", scale)]));
            }
            Connectivity::Conv2d(conv) => {
                if let Some(pool) = Some(conv.geometry().pool).filter(|pool| *pool != [1, 1]) {
                    let pair = |pair: [u32; 2]| Tensor::list(pair.map(f64::from).to_vec());
                    let node = Node::new(
                        "SumPool2d",
                        [("kernel_size", pair(pool)), ("stride", pair(pool)), ("padding", pair([0, 0]))],
                    );
                    let name = self.free(format!("{named}_pool"));
                    link(self, name, node);
                }
                let node = convolution(conv, behind, bias).map_err(|what| NirError { what, ..at() })?;
                link(self, named, node);
            }
            rows => {
                if before.shape().len() > 1 {
                    let node = Node::new(
                        "Flatten",
                        [
                            ("start_dim", Tensor::scalar(0.0)),
                            ("end_dim", Tensor::scalar(-1.0)),
                            ("input_type", shape(before)),
                        ],
                    );
                    let name = self.free(format!("{named}_flat"));
                    link(self, name, node);
                }
                if behind.shape().len() > 1 {
                    let what =
                        "leads to an image by a matrix, and NIR has no node that makes an image of a vector"
                            .to_owned();
                    return Err(NirError { what, ..at() });
                }
                let (sources, targets) = (from.size(), to.size());
                let count = sources.checked_mul(targets).filter(|count| *count <= MOST_NUMBERS).ok_or_else(|| {
                    let what = format!("would be a matrix of {targets} × {sources}; allowed are at most {MOST_NUMBERS} numbers");
                    NirError { what, ..at() }
                })?;
                let mut weights = vec![0.0; count];
                for source in 0..sources {
                    rows.fan_out(source, |target, weight| {
                        weights[target * sources + before.user_index(source)] = f64::from(weight);
                    });
                }
                let weight = Tensor::new(vec![targets, sources], weights).unwrap_or_default();
                let node = match bias {
                    Some(bias) => {
                        let bias = tensor(behind, |neuron| f64::from(bias.get(neuron)));
                        Node::new("Affine", [("weight", weight), ("bias", bias)])
                    }
                    None => Node::new("Linear", [("weight", weight)]),
                };
                link(self, named, node);
            }
        }
        if projection.delay() > 0 {
            let seconds = f64::from(projection.delay()) * self.steps.dt;
            let name = self.free(format!("{first}_to_{end}_delay"));
            link(self, name, Node::new("Delay", [("delay", tensor(behind, |_| seconds))]));
        }
        self.edge(&last, &end);
        Ok(())
    }
}

/// The currents that a neuron which fires in every step makes behind a synaptic filter, if it is there for nothing else.
fn constants_of(network: &Network, id: PopulationId) -> Option<PerNeuron> {
    let population = network.population(id);
    let model: &IntegrateFire = population.neuron().as_model()?;
    let all = |values: &PerNeuron, wanted: f32| values.values().iter().all(|value| *value == wanted);
    let fires = all(&model.threshold, 1.0) && all(&model.bias, 1.0) && all(&model.start, 0.0);
    let mut out = network.projections().iter().filter(|projection| projection.source() == id);
    let (projection, None) = (out.next()?, out.next()) else { return None };
    let behind = network.population(projection.target());
    let target = behind.name();
    if population.size() != 1
        || population.name() != format!("{target}{CONSTANT}")
        || !fires
        || model.reset != Reset::Zero
        || network.incoming(id).len() > 0
        || projection.delay() > 0
        || behind.neuron().as_model::<CurrentLeaky>().is_none()
    {
        return None;
    }
    let mut currents = vec![0.0; behind.size()];
    projection.connectivity().fan_out(0, |neuron, weight| currents[neuron] = weight);
    PerNeuron::repeating(currents.into()).ok()
}

/// Whether the nodes of a projection can hold the bias of its target: weights, without delay, and no convolution of a bias that
/// differs within a channel.
fn holds_bias(projection: &Projection) -> bool {
    projection.delay() == 0
        && projection.source() != projection.target()
        && !matches!(projection.connectivity(), Connectivity::OneToOne(_))
}

/// A convolution as a node.
fn convolution(conv: &Conv2d, target: Layout, bias: Option<&PerNeuron>) -> Result<Node, String> {
    let g = conv.geometry();
    let [down, across] = g.kernel.map(|taps| taps as usize);
    let (sources, targets) = (g.source[2] as usize, g.target[2] as usize);
    let positions = [0, 1].map(|axis| i64::from(g.source[axis] / g.pool[axis]));
    // NIR pads both sides alike, and takes as many targets as fit.
    for axis in [0, 1] {
        let covered = i64::from(g.dilation[axis]) * (i64::from(g.kernel[axis]) - 1) + 1;
        let room = positions[axis] + 2 * i64::from(g.padding[axis]) - covered;
        let fit = room.div_euclid(i64::from(g.stride[axis])) + 1;
        if room < 0 || fit != i64::from(g.target[axis]) {
            return Err(format!(
                "is a convolution onto {} positions, but with NIR's padding of {} on either side there would be {fit}",
                g.target[axis], g.padding[axis]
            ));
        }
    }
    let groups = g.groups.max(1) as usize;
    let (seen, in_group) = (sources / groups, targets / groups);
    let count = targets.checked_mul(seen * down * across).filter(|count| *count <= MOST_NUMBERS);
    let mut weights = vec![0.0; count.ok_or("has more weights than fit a node")?];
    let mut stray = false;
    for tap in 0..down * across {
        for channel in 0..sources {
            conv.rows().fan_out(tap * sources + channel, |to, weight| {
                if channel / seen != to / in_group {
                    stray = true;
                    return;
                }
                weights[(to * seen + channel % seen) * down * across + tap] = f64::from(weight);
            });
        }
    }
    if stray {
        return Err(format!("has weights between its {groups} groups"));
    }
    let pair = |pair: [u32; 2]| Tensor::list(pair.map(f64::from).to_vec());
    let weight = Tensor::new(vec![targets, seen, down, across], weights).unwrap_or_default();
    let input = Tensor::list(positions.map(|size| size as f64).to_vec());
    let bias = match bias {
        Some(bias) => {
            let pixels = target.neurons().unwrap_or(0) as usize / targets.max(1);
            let of = |channel: usize, pixel: usize| bias.get(pixel * targets + channel);
            let uniform = (0..targets).all(|c| (1..pixels).all(|pixel| of(c, pixel) == of(c, 0)));
            if !uniform {
                return Err("leads to neurons of one channel with different biases, which NIR's convolution does not have".into());
            }
            (0..targets).map(|channel| f64::from(of(channel, 0))).collect()
        }
        None => vec![0.0; targets],
    };
    Ok(Node::new(
        "Conv2d",
        [
            ("input_shape", input),
            ("weight", weight),
            ("stride", pair(g.stride)),
            ("padding", pair(g.padding)),
            ("dilation", pair(g.dilation)),
            ("groups", Tensor::scalar(groups as f64)),
            ("bias", Tensor::list(bias)),
        ],
    ))
}

/// The model with its parameters, but for the bias, as `to_network` reads them.
fn kept(model: &AnyModel) -> String {
    let described = model.description();
    let mut text = described.name.to_owned();
    for (parameter, values) in described.parameters.iter().zip(model.parameters()).skip(1) {
        let mut runs: Vec<(u32, usize)> = vec![];
        for value in values.values() {
            match runs.last_mut() {
                Some((bits, count)) if *bits == value.to_bits() => *count += 1,
                _ => runs.push((value.to_bits(), 1)),
            }
        }
        let runs: Vec<String> = runs.iter().map(|(bits, count)| format!("{bits:08x}*{count}")).collect();
        text += &format!(" {}={}", parameter.name, runs.join(","));
    }
    for (choice, option) in described.choices.iter().zip(model.choices()) {
        text += &format!(" {}={}", choice.name, choice.options[option]);
    }
    text
}

/// The graph of a network: a node for every population, with its name, and nodes of weights between them. Neurons that NIR cannot
/// say exactly have their parameters in the metadata as well, from which [`to_network`](super::to_network) has them by bits.
///
/// # Errors
/// If a model, connectivity or bias has no nodes in NIR; or, without [`Steps::lossy`], if something would be said otherwise.
pub fn from_network(network: &Network, steps: Steps) -> Result<Translated<Graph>, NirError> {
    if !(steps.dt.is_finite() && steps.dt > 0.0) {
        return Err(NirError::new("dt", format!("is {} s; allowed are times above 0", steps.dt)));
    }
    let mut writer =
        Writer { network, steps, graph: Graph::default(), losses: vec![], names: names(network) };
    let mut notes = vec![];
    let mut waiting: BTreeMap<PopulationId, PerNeuron> = BTreeMap::new();
    for id in network.ids() {
        let population = network.population(id);
        if constants_of(network, id).is_some() {
            continue;
        }
        let (mut node, holds) = writer.neurons(id)?;
        if let Some(bias) = population.neuron().bias().filter(|_| !holds) {
            waiting.insert(id, bias.clone());
        }
        let name = writer.name(id).to_owned();
        if name != population.name() {
            notes.push(format!(
                "population `{}` is the node `{name}`, as names in files have no `/`; its own is kept",
                population.name()
            ));
            node.metadata.insert(NAME.to_owned(), population.name().to_owned());
        }
        writer.add(&name, node);
    }
    for projection in network.projections() {
        if let Some(constants) = constants_of(network, projection.source()) {
            waiting.insert(projection.target(), constants);
        }
    }
    for projection in network.projections() {
        if constants_of(network, projection.source()).is_some() {
            continue;
        }
        let bias = if holds_bias(projection) { waiting.remove(&projection.target()) } else { None };
        writer.projection(projection, bias.as_ref())?;
    }
    if let Some((id, _)) = waiting.first_key_value() {
        return Err(NirError::new(
            format!("population `{}`", network.population(*id).name()),
            "has a bias that no weights lead to without delay, and NIR has it only there, or in LIF and CubaLIF",
        ));
    }
    let output = network.population(network.output());
    writer.add("output", Node::new("Output", [("shape", shape(output.layout()))]));
    let name = writer.name(network.output()).to_owned();
    writer.edge(&name, "output");
    let Writer { graph, losses, .. } = writer;
    if !losses.is_empty() && !steps.lossy {
        return Err(NirError::new(
            "network",
            format!("cannot be said exactly in NIR: {}", losses.join("; ")),
        ));
    }
    Ok(Translated { made: graph, losses, notes })
}
