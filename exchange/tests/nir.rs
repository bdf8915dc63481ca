//! Graphs to networks and back: the equations by hand, inferred shapes, cycles, what is refused, round trips by bits.

mod various;

use std::collections::BTreeMap;
use std::sync::Arc;

use snn_engine::{
    AnySimulator, BuiltIn, Connectivity, Layout, Mode, Network, NetworkBuilder, Neuron, PerNeuron, Simulator,
    SpikeSlice, Stimulus,
};
use snn_exchange::nir::{
    Graph, Most, NirError, Node, Steps, Tensor, from_network, to_network, to_network_within,
};
use various::{bits, various};

fn list(values: &[f64]) -> Tensor {
    Tensor::list(values.to_vec())
}

fn matrix(rows: usize, columns: usize, values: &[f64]) -> Tensor {
    Tensor::new(vec![rows, columns], values.to_vec()).unwrap()
}

fn graph<const N: usize>(nodes: [(&str, Node); N], edges: &[(&str, &str)]) -> Graph {
    Graph {
        nodes: nodes.into_iter().map(|(name, node)| (name.to_owned(), node)).collect(),
        edges: edges.iter().map(|(from, to)| ((*from).to_owned(), (*to).to_owned())).collect(),
        metadata: BTreeMap::new(),
    }
}

fn input(size: f64) -> (&'static str, Node) {
    ("in", Node::new("Input", [("shape", list(&[size]))]))
}

fn output() -> (&'static str, Node) {
    ("out", Node::new("Output", []))
}

fn network(graph: &Graph, dt: f64) -> Network {
    to_network(graph, Steps { dt, lossy: false }).unwrap().made
}

fn refusal(graph: &Graph) -> NirError {
    to_network(graph, Steps { dt: 1.0, lossy: false }).unwrap_err()
}

/// The spikes and potentials of a population in every step, if the input fires as is said.
fn run(network: Network, read: &str, given: &[&[u32]]) -> Vec<(Vec<u32>, Vec<f32>)> {
    let network = Arc::new(network);
    let (source, read) = (network.sources().next().unwrap(), network.find(read).unwrap());
    let mut simulator = AnySimulator::new(Mode::Event, Arc::clone(&network));
    let mut steps = vec![];
    for fired in given {
        let mut stimulus = Stimulus::none();
        stimulus.set_spikes(&network, source, SpikeSlice::unit(fired)).unwrap();
        let spikes = simulator.step(&stimulus).of(read).to_vec();
        steps.push((spikes, simulator.potentials(read).to_vec()));
    }
    steps
}

#[test]
fn a_lif_takes_the_steps_of_forward_euler_and_fires_above_its_threshold_only() {
    // tau 4, r 2, v_leak 0.5, dt 1: v <- 0.75 v + 0.25 (0.5 + 2 I)
    let lif = |threshold: f64| {
        Node::new(
            "LIF",
            [
                ("tau", list(&[4.0])),
                ("r", list(&[2.0])),
                ("v_leak", list(&[0.5])),
                ("v_threshold", list(&[threshold])),
                ("v_reset", list(&[-0.25])),
            ],
        )
    };
    let weights = Node::new("Affine", [("weight", matrix(1, 2, &[1.0, 4.0])), ("bias", list(&[0.5]))]);
    let of = |threshold| {
        let nodes = [input(2.0), ("w", weights.clone()), ("lif", lif(threshold)), output()];
        network(&graph(nodes, &[("in", "w"), ("w", "lif"), ("lif", "out")]), 1.0)
    };
    // Bias of every step: 0.25 (0.5 + 2 * 0.5) = 0.375; then 0.28125 + 0.375 + 0.5 = 1.15625.
    let given: [&[u32]; 3] = [&[], &[0], &[1]];
    let low = run(of(1.15625), "lif", &given);
    assert_eq!(low[..2], [(vec![], vec![0.375]), (vec![], vec![1.15625])]);
    // 0.75 * 1.15625 + 0.375 + 2 is above.
    assert_eq!(low[2], (vec![0], vec![-0.25]));
    let lower = run(of(1.15625 - 1e-6), "lif", &given);
    assert_eq!(lower[1], (vec![0], vec![-0.25]));
}

#[test]
fn a_current_of_a_cubalif_dies_away_and_drives_the_potential_in_its_own_step() {
    // tau_syn 2, tau_mem 4, w_in 4, r 2: i <- i/2 + 2 S, v <- 3/4 v + i/2
    let cuba = Node::new(
        "CubaLIF",
        [
            ("tau_syn", list(&[2.0])),
            ("tau_mem", list(&[4.0])),
            ("w_in", list(&[4.0])),
            ("r", list(&[2.0])),
            ("v_leak", list(&[0.0])),
            ("v_threshold", list(&[10.0])),
        ],
    );
    let scale = Node::new("Scale", [("scale", list(&[1.0]))]);
    let nodes = [input(1.0), ("s", scale), ("cuba", cuba), output()];
    let network = network(&graph(nodes, &[("in", "s"), ("s", "cuba"), ("cuba", "out")]), 1.0);
    let v: Vec<f32> = run(network, "cuba", &[&[0], &[], &[]]).iter().map(|(_, v)| v[0]).collect();
    assert_eq!(v, [1.0, 0.75 + 0.5, 0.75 * 1.25 + 0.25]);
}

#[test]
fn a_bias_in_front_of_a_cubalif_passes_its_filter_and_comes_back_by_bits() {
    // i <- i/2 + S/2 + 1/4, v <- v/2 + i/2
    let ones = || list(&[1.0, 1.0]);
    let cuba = Node::new(
        "CubaLIF",
        [
            ("tau_syn", list(&[2.0])),
            ("tau_mem", list(&[2.0])),
            ("w_in", ones()),
            ("r", ones()),
            ("v_leak", list(&[0.0])),
            ("v_threshold", list(&[10.0])),
        ],
    );
    let weights = Node::new("Affine", [("weight", matrix(2, 1, &[1.0, 1.0])), ("bias", list(&[0.5, 0.0]))]);
    let nodes = [input(1.0), ("w", weights), ("cuba", cuba), output()];
    let graph = graph(nodes, &[("in", "w"), ("w", "cuba"), ("cuba", "out")]);
    let given: [&[u32]; 3] = [&[], &[0], &[]];
    let steps = run(network(&graph, 1.0), "cuba", &given);
    let by_hand = [[0.125, 0.0], [0.5, 0.25], [0.59375, 0.25]];
    assert_eq!(steps.iter().map(|(_, v)| v.clone()).collect::<Vec<_>>(), by_hand);
    let again = from_network(&network(&graph, 1.0), Steps { dt: 1.0, lossy: false }).unwrap().made;
    assert!(again.nodes.keys().all(|name| !name.contains("constant")), "{:?}", again.nodes.keys());
    assert_eq!(run(network(&again, 1.0), "cuba", &given), steps);
}

#[test]
fn integrators_thresholds_and_a_readout_behind_weights_do_what_their_nodes_say() {
    let integrate = Node::new("IF", [("r", list(&[1.0])), ("v_threshold", list(&[1.0]))]);
    let nodes =
        [input(1.0), ("s", Node::new("Scale", [("scale", list(&[0.5]))])), ("if", integrate), output()];
    let fires = run(
        network(&graph(nodes, &[("in", "s"), ("s", "if"), ("if", "out")]), 1e-3),
        "if",
        &[&[0_u32] as &[u32]; 4],
    );
    // At 1 it does not fire; above it does, and what exceeded is lost.
    assert_eq!(
        fires.iter().map(|(spikes, v)| (spikes.len(), v[0])).collect::<Vec<_>>(),
        [(0, 0.5), (0, 1.0), (1, 0.0), (0, 0.5)]
    );

    let threshold = Node::new("Threshold", [("threshold", list(&[0.5]))]);
    let nodes = [
        input(2.0),
        ("w", Node::new("Linear", [("weight", matrix(1, 2, &[0.5, 0.75]))])),
        ("t", threshold),
        output(),
    ];
    let steps =
        run(network(&graph(nodes, &[("in", "w"), ("w", "t"), ("t", "out")]), 1.0), "t", &[&[0], &[1], &[0]]);
    assert_eq!(steps.iter().map(|(spikes, _)| spikes.len()).collect::<Vec<_>>(), [0, 1, 0]);

    let li = Node::new("LI", [("tau", list(&[2.0])), ("r", list(&[2.0])), ("v_leak", list(&[0.0]))]);
    let nodes = [input(1.0), ("s", Node::new("Scale", [("scale", list(&[3.0]))])), ("li", li), output()];
    let v = run(
        network(&graph(nodes, &[("in", "s"), ("s", "li"), ("li", "out")]), 1.0),
        "li",
        &[&[0], &[], &[0]],
    );
    assert_eq!(v.iter().map(|(_, v)| v[0]).collect::<Vec<_>>(), [3.0, 1.5, 3.75]);

    let weights = Node::new("Affine", [("weight", matrix(2, 1, &[1.0, -2.0])), ("bias", list(&[0.25, 0.0]))]);
    let nodes = [input(1.0), ("w", weights), output()];
    let sums = run(network(&graph(nodes, &[("in", "w"), ("w", "out")]), 1.0), "out", &[&[0], &[]]);
    assert_eq!(sums.iter().map(|(_, v)| v.clone()).collect::<Vec<_>>(), [vec![1.25, -2.0], vec![0.25, 0.0]]);
}

#[test]
fn a_cycle_takes_a_step_and_a_delay_as_many_as_it_says() {
    let relay = || Node::new("IF", [("r", list(&[1.0])), ("v_threshold", list(&[0.5]))]);
    let one = || Node::new("Scale", [("scale", list(&[1.0]))]);
    let edges = [("in", "s"), ("s", "a"), ("a", "back"), ("back", "a"), ("a", "out")];
    let nodes = [input(1.0), ("s", one()), ("a", relay()), ("back", one()), output()];
    let translated = to_network(&graph(nodes.clone(), &edges), Steps::default()).unwrap();
    assert!(translated.notes.iter().any(|note| note.contains("closes a cycle")), "{:?}", translated.notes);
    let spikes =
        |network, given: &[&[u32]]| run(network, "a", given).iter().map(|(s, _)| s.len()).collect::<Vec<_>>();
    assert_eq!(spikes(translated.made, &[&[0], &[], &[], &[]]), [1, 1, 1, 1]);
    // 3 ms at 1 ms.
    let mut slow = graph(nodes, &edges);
    slow.nodes.insert("d".to_owned(), Node::new("Delay", [("delay", list(&[3e-3]))]));
    slow.edges[3] = ("back".to_owned(), "d".to_owned());
    slow.edges.push(("d".to_owned(), "a".to_owned()));
    assert_eq!(spikes(network(&slow, 1e-3), &[&[0], &[], &[], &[], &[], &[], &[]]), [1, 0, 0, 1, 0, 0, 1]);
    let odd = to_network(&slow, Steps { dt: 2e-3, lossy: false }).unwrap_err();
    assert!(odd.to_string().contains("1.5 steps"), "{odd}");
    let rounded = to_network(&slow, Steps { dt: 2e-3, lossy: true }).unwrap();
    assert!(rounded.losses[0].contains("it becomes 2"), "{:?}", rounded.losses);
}

#[test]
fn images_are_convolved_pooled_and_flattened_and_shapes_that_are_not_stated_are_inferred() {
    let kernels: Vec<f64> = (0..2 * 4).map(f64::from).collect();
    let conv = Node {
        texts: [("padding".to_owned(), "valid".to_owned())].into(),
        ..Node::new(
            "Conv2d",
            [
                ("weight", Tensor::new(vec![2, 1, 2, 2], kernels).unwrap()),
                ("stride", list(&[1.0, 1.0])),
                ("bias", list(&[0.0, 0.5])),
            ],
        )
    };
    let fire = || Node::new("IF", [("r", Tensor::scalar(1.0)), ("v_threshold", Tensor::scalar(100.0))]);
    let pool = Node::new(
        "AvgPool2d",
        [("kernel_size", list(&[2.0, 2.0])), ("stride", list(&[2.0, 2.0])), ("padding", list(&[0.0, 0.0]))],
    );
    let flatten = Node::new("Flatten", [("start_dim", Tensor::scalar(0.0))]);
    let weights = Node::new("Linear", [("weight", matrix(1, 2, &[4.0, 8.0]))]);
    let nodes = [
        ("in", Node::new("Input", [("shape", list(&[1.0, 3.0, 3.0]))])),
        ("conv", conv),
        ("image", fire()),
        ("pool", pool),
        ("flat", flatten),
        ("w", weights),
        ("last", fire()),
        output(),
    ];
    let edges = [
        ("in", "conv"),
        ("conv", "image"),
        ("image", "pool"),
        ("pool", "flat"),
        ("flat", "w"),
        ("w", "last"),
        ("last", "out"),
    ];
    let network = network(&graph(nodes, &edges), 1.0);
    let image = network.find("image").unwrap();
    assert_eq!(network.population(image).layout(), Layout::Image { channels: 2, height: 2, width: 2 });
    assert!(matches!(network.projections()[0].connectivity(), Connectivity::Conv2d(_)));
    // The mean of 4 neurons of each channel, times its weight.
    let last = &network.projections()[1];
    assert_eq!(
        (0..8).map(|source| last.connectivity().weight(source, 0).unwrap()).collect::<Vec<_>>(),
        [1.0, 2.0, 1.0, 2.0, 1.0, 2.0, 1.0, 2.0]
    );
    // Pixel (1, 1) of the input is under tap (1, 1) of the first position.
    let (_, v) = run(network, "image", &[&[4]]).remove(0);
    let first = [v[0], v[1]];
    assert_eq!(first, [3.0, 7.5]);
}

#[test]
fn what_no_network_can_say_is_refused_by_node() {
    let scale = || Node::new("Scale", [("scale", list(&[1.0]))]);
    let li = Node::new("LI", [("tau", list(&[2.0])), ("r", list(&[1.0])), ("v_leak", list(&[0.0]))]);
    let on = graph(
        [input(1.0), ("li", li.clone()), ("s", scale()), output()],
        &[("in", "li"), ("li", "s"), ("s", "out")],
    );
    assert!(refusal(&on).to_string().contains("node `li`: passes its potential on"), "{}", refusal(&on));
    let fast = Node::new("LI", [("tau", list(&[0.5])), ("r", list(&[1.0])), ("v_leak", list(&[0.0]))]);
    let fast = graph([input(1.0), ("li", fast), output()], &[("in", "li"), ("li", "out")]);
    assert!(refusal(&fast).to_string().contains("`tau` of 0.5 s"), "{}", refusal(&fast));
    let unknown =
        graph([input(1.0), ("x", Node::new("Izhikevich", [])), output()], &[("in", "x"), ("x", "out")]);
    assert!(refusal(&unknown).to_string().contains("is of type Izhikevich"), "{}", refusal(&unknown));
    let missing = graph(
        [input(1.0), ("if", Node::new("IF", [("r", list(&[1.0]))])), output()],
        &[("in", "if"), ("if", "out")],
    );
    assert!(refusal(&missing).to_string().contains("has no `v_threshold`"), "{}", refusal(&missing));
    let shapeless =
        graph([("in", Node::new("Input", [])), ("s", scale()), output()], &[("in", "s"), ("s", "out")]);
    assert!(
        refusal(&shapeless).to_string().contains("a shape that nothing in the graph tells"),
        "{}",
        refusal(&shapeless)
    );
    let loose = graph(
        [input(1.0), ("a", scale()), ("b", scale()), output()],
        &[("in", "a"), ("a", "b"), ("b", "a"), ("b", "out")],
    );
    assert!(refusal(&loose).to_string().contains("cycle without neurons"), "{}", refusal(&loose));
    let nan = Node::new("IF", [("r", list(&[f64::NAN])), ("v_threshold", list(&[1.0]))]);
    let nan = graph([input(1.0), ("if", nan), output()], &[("in", "if"), ("if", "out")]);
    assert!(refusal(&nan).to_string().contains("`r` holds NaN"), "{}", refusal(&nan));
}

#[test]
fn a_network_that_nir_can_say_comes_back_from_its_graph_by_bits() {
    for dt in [1e-4, 1e-3, 0.37] {
        let steps = Steps { dt, lossy: false };
        let graph = from_network(&various("to", 0.0), steps).unwrap();
        assert!(graph.losses.is_empty());
        assert!(graph.made.nodes.values().all(|node| node.metadata.is_empty()));
        let back = to_network(&graph.made, steps).unwrap();
        let (expected, found) = (bits(various("to", 0.0)), bits(back.made));
        assert!(expected.0.len() > 1000, "{}", expected.0.len());
        assert!(expected == found, "dt {dt}");
    }
}

#[test]
fn what_nir_cannot_say_is_refused_or_listed_and_comes_back_from_the_metadata() {
    for (reset, refractory, losses) in [("subtract", 0.0, 1), ("subtract", 2.0, 2), ("to", 3.0, 1)] {
        let network = various(reset, refractory);
        let refused = from_network(&network, Steps::default()).unwrap_err();
        assert!(refused.to_string().contains("cannot be said exactly in NIR: population `a`"), "{refused}");
        let steps = Steps { lossy: true, ..Steps::default() };
        let graph = from_network(&network, steps).unwrap();
        assert_eq!(graph.losses.len(), losses, "{:?}", graph.losses);
        let back = to_network(&graph.made, Steps::default()).unwrap();
        assert!(bits(network) == bits(back.made), "{reset} {refractory}");
        // Without the metadata it is another network.
        let mut plain = graph.made;
        plain.nodes.values_mut().for_each(|node| node.metadata.clear());
        let other = to_network(&plain, Steps::default()).unwrap();
        assert!(bits(various(reset, refractory)) != bits(other.made));
    }
}

#[test]
fn metadata_that_are_damaged_are_refused() {
    let steps = Steps { lossy: true, ..Steps::default() };
    let graph = from_network(&various("subtract", 1.0), steps).unwrap().made;
    let text = graph.nodes["a"].metadata["snn_event"].clone();
    let swaps = [
        ("leaky", "leeky"),
        ("threshold=", "threshold "),
        ("leak=", "leak=zz"),
        ("*1", "*99999999999"),
        ("reset=subtract", "reset=some"),
    ];
    for (from, to) in swaps {
        let mut damaged = graph.clone();
        let broken = text.replacen(from, to, 1);
        assert_ne!(broken, text, "{from} in {text}");
        damaged.nodes.get_mut("a").unwrap().metadata.insert("snn_event".to_owned(), broken);
        let error = to_network(&damaged, Steps::default()).unwrap_err();
        assert!(error.to_string().contains("node `a`: has metadata"), "{error}");
    }
}

#[test]
fn a_graph_that_asks_for_more_than_its_numbers_justify_is_refused_before_anything_of_it_is_made() {
    let fire = || Node::new("IF", [("r", Tensor::scalar(1.0)), ("v_threshold", Tensor::scalar(1.0))]);
    let huge = ("in", Node::new("Input", [("shape", list(&[65536.0, 65536.0, 65536.0]))]));
    let large = graph([huge, ("if", fire()), output()], &[("in", "if"), ("if", "out")]);
    let error = refusal(&large).to_string();
    assert!(error.contains("elements, which is what the numbers of the graph justify"), "{error}");
    // Twenty pairs of edges are a million ways.
    let mut nodes = vec![input(1.0), ("if", fire()), output()];
    let names: Vec<String> = (0..=60).map(|i| format!("s{i}")).collect();
    nodes.extend(names.iter().map(|name| (&name[..], Node::new("Scale", [("scale", list(&[1.0]))]))));
    let mut edges = vec![("in", "s0"), ("s60", "if"), ("if", "out")];
    for i in 0..20 {
        let [from, a, b, to] = [0, 1, 2, 3].map(|at| &names[3 * i + at][..]);
        edges.extend([(from, a), (from, b), (a, to), (b, to)]);
    }
    let many = Graph {
        nodes: nodes.into_iter().map(|(name, node)| (name.to_owned(), node)).collect(),
        edges: edges.iter().map(|(from, to)| ((*from).to_owned(), (*to).to_owned())).collect(),
        metadata: BTreeMap::new(),
    };
    let error = refusal(&many).to_string();
    assert!(error.contains("more than 100000 ways"), "{error}");
    // Nodes in a row, more than a program has room to follow.
    let names: Vec<String> = (0..5000).map(|i| format!("s{i:04}")).collect();
    let mut row: Graph =
        graph([input(1.0), ("if", fire()), output()], &[("in", "s0000"), ("s4999", "if"), ("if", "out")]);
    for pair in names.windows(2) {
        row.edges.push((pair[0].clone(), pair[1].clone()));
    }
    row.nodes.extend(names.iter().map(|name| (name.clone(), Node::new("Scale", [("scale", list(&[1.0]))]))));
    let error = refusal(&row).to_string();
    assert!(error.contains("more than 1000 nodes in a row"), "{error}");
    // What is asked for can be bounded further.
    let dense = Node::new("Linear", [("weight", matrix(20, 30, &[1.0; 600]))]);
    let small = graph(
        [input(30.0), ("w", dense), ("if", fire()), output()],
        &[("in", "w"), ("w", "if"), ("if", "out")],
    );
    let within =
        |elements, synapses| to_network_within(&small, Steps::default(), Most { elements, synapses });
    assert!(within(1000, 2000).is_ok());
    assert!(within(60, 1000).unwrap_err().to_string().contains("more than 60 elements"));
    assert!(within(1000, 500).unwrap_err().to_string().contains("more than 500 synapses"));
}

#[test]
fn parameters_of_the_metadata_are_no_more_than_the_neurons() {
    let steps = Steps { lossy: true, ..Steps::default() };
    let mut graph = from_network(&various("subtract", 1.0), steps).unwrap().made;
    let text = graph.nodes["a"].metadata["snn_event"].replacen("*1", "*1000000", 1);
    graph.nodes.get_mut("a").unwrap().metadata.insert("snn_event".to_owned(), text);
    let error = to_network(&graph, Steps::default()).unwrap_err().to_string();
    assert!(error.contains("no more than 32 in all"), "{error}");
}

#[test]
fn names_that_no_node_can_have_are_other_ones_there_and_come_back() {
    let mut builder = NetworkBuilder::new();
    let firing = || {
        let one = [("threshold", PerNeuron::same(0.5).unwrap())];
        BuiltIn::find("integrate-and-fire").unwrap().named(one, [("reset", "zero")]).unwrap()
    };
    let names = ["/in", "net/a", "net.a", "output", "//", "in"];
    let mut last = builder.population(names[0], Layout::Flat(2), Neuron::Source);
    for name in &names[1..] {
        let next = builder.population(*name, Layout::Flat(2), firing());
        let weights =
            Connectivity::from_matrix(Layout::Flat(2), Layout::Flat(2), &[1.0, 0.5, 0.25, 1.0]).unwrap();
        builder.projection(last, next, 0, weights);
        last = next;
    }
    let network = builder.build().unwrap();
    let graph = from_network(&network, Steps::default()).unwrap();
    let nodes: Vec<&str> = graph
        .made
        .nodes
        .iter()
        .filter(|(_, node)| matches!(&node.kind[..], "IF" | "Input"))
        .map(|(name, _)| &name[..])
        .collect();
    assert_eq!(nodes, ["in", "in_2", "net.a", "net.a_2", "population...", "population.output"]);
    assert_eq!(graph.notes.len(), 4, "{:?}", graph.notes);
    assert!(graph.notes[0].contains("population `/in` is the node `in_2`"), "{:?}", graph.notes);
    let file = snn_exchange::nir::file::bytes(&graph.made).unwrap();
    let back = to_network(&snn_exchange::nir::file::parse(file).unwrap(), Steps::default()).unwrap().made;
    let found: Vec<_> = back.populations().iter().map(|population| population.name()).collect();
    assert_eq!(found, names);
}

#[test]
fn a_single_neuron_that_nothing_leads_to_has_the_shape_of_its_parameters() {
    let alone = || Node::new("LI", [("tau", list(&[2.0])), ("r", list(&[1.0])), ("v_leak", list(&[0.5]))]);
    let fire = Node::new("IF", [("r", list(&[1.0])), ("v_threshold", list(&[1.0]))]);
    let nodes = [input(1.0), ("if", fire), ("alone", alone()), output()];
    let made = network(&graph(nodes, &[("in", "if"), ("if", "out")]), 1.0);
    assert_eq!(made.population(made.find("alone").unwrap()).size(), 1);
    let back = from_network(&made, Steps { dt: 1.0, lossy: false }).unwrap().made;
    assert_eq!(network(&back, 1.0).populations().len(), 3);
}

/// A node without a shape of its own has one of the node before and another of the node behind, whichever is looked at first.
#[test]
fn a_node_between_two_shapes_is_refused_whatever_its_type() {
    let single = |kind: &str, parameters: &[(&'static str, f64)]| {
        let mut node = Node::new(kind, []);
        node.numbers = parameters.iter().map(|(of, value)| ((*of).to_owned(), list(&[*value]))).collect();
        node
    };
    let weights = |targets: usize, sources: usize| {
        Node::new("Linear", [("weight", matrix(targets, sources, &vec![1.0; targets * sources]))])
    };
    let kinds = [
        single("Pass", &[]),
        single("Scale", &[("scale", 2.0)]),
        single("Delay", &[("delay", 1.0)]),
        single("Threshold", &[("threshold", 1.0)]),
        single("IF", &[("r", 1.0), ("v_threshold", 1.0)]),
        single("LIF", &[("tau", 2.0), ("r", 1.0), ("v_leak", 0.0), ("v_threshold", 1.0)]),
    ];
    for node in kinds {
        for between in ["a", "n", "z"] {
            for (width, behind) in [(3, 2), (2, 3), (3, 3)] {
                let kind = node.kind.clone();
                let fire = single("IF", &[("r", 1.0), ("v_threshold", 1.0)]);
                let nodes = [
                    input(1.0),
                    ("m", weights(width, 1)),
                    (between, node.clone()),
                    ("o", weights(2, behind)),
                    ("p", fire),
                    output(),
                ];
                let edges = [("in", "m"), ("m", between), (between, "o"), ("o", "p"), ("p", "out")];
                let made = to_network(&graph(nodes, &edges), Steps { dt: 1.0, lossy: true });
                match made {
                    Ok(_) => assert_eq!(width, behind, "{kind} {between}"),
                    Err(error) => {
                        assert_ne!(width, behind, "{kind} {between}: {error}");
                        assert!(error.to_string().contains("allowed are equal ones"), "{kind}: {error}");
                    }
                }
            }
        }
    }
}
