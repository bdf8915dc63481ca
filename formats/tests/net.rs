//! `net.bin`: what is written is what is read, old files read forever, bad files are refused.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use proptest::prelude::*;
use serde_json::{Value, json};
use snn_engine::{
    Accumulator, AdaptiveLeaky, BiasArrives, Bipolar, Connectivity, Conv2d, Conv2dGeometry, CurrentLeaky,
    DenseRows, EventSimulator, IntegrateFire, Layout, Leaky, LeakyReset, MaxPool, Network, NetworkBuilder,
    Neuron, OneToOne, PerNeuron, Reset, Rows, Sign, Simulator, SparseRows, Stimulus,
};
use snn_formats::container::{ContainerWriter, Dtype};
use snn_formats::{Container, Description, FormatError, NetFile, Origin, Source, read_net, write_net};

fn each(values: Vec<f32>) -> PerNeuron {
    PerNeuron::repeating(values.into()).unwrap()
}

fn integrate_fire(threshold: PerNeuron, reset: Reset) -> Neuron {
    let (bias, start) = (each(vec![0.125]), each(vec![0.5]));
    Neuron::of(IntegrateFire { threshold, bias, start, reset })
}

/// The network of docs/net-format.md: two inputs, two neurons, one read-out.
fn tiny() -> Network {
    let mut builder = NetworkBuilder::new();
    let input = builder.population("input", Layout::Flat(2), Neuron::Source);
    let layer = builder.population(
        "layer0",
        Layout::Flat(2),
        Neuron::of(IntegrateFire {
            threshold: each(vec![1.0]),
            bias: each(vec![0.0, 0.25]),
            start: each(vec![0.0]),
            reset: Reset::Subtract,
        }),
    );
    let output =
        builder.population("layer1", Layout::Flat(1), Neuron::of(Accumulator { bias: each(vec![0.5]) }));
    let sparse = SparseRows::from_dense(2, &[0.5, 0.0, 1.0, -0.25]).unwrap();
    builder.projection(input, layer, 0, Connectivity::Rows(Rows::Sparse(sparse)));
    let dense = DenseRows::new(1, vec![1.0, -1.0].into()).unwrap();
    builder.projection(layer, output, 0, Connectivity::Rows(Rows::Dense(dense)));
    builder.build().unwrap()
}

/// Every kind of neuron and connectivity, delays, recurrence.
fn varied() -> Network {
    let image = Layout::Image { channels: 2, height: 4, width: 4 };
    let pooled = Layout::Image { channels: 2, height: 2, width: 2 };
    let mut builder = NetworkBuilder::new();
    let input = builder.population("input", image, Neuron::Source);
    let conv = builder.population("conv/1", image, integrate_fire(each(vec![1.0, 0.75]), Reset::Zero));
    let pool = builder.population("pool", pooled, Neuron::MaxPool(MaxPool));
    let hidden =
        builder.population("hidden", Layout::Flat(8), integrate_fire(each(vec![1.0]), Reset::Subtract));
    let output = builder.population(
        "output",
        Layout::Flat(3),
        Neuron::of(Accumulator { bias: each(vec![0.1, -0.2, 0.3]) }),
    );
    let geometry = Conv2dGeometry {
        source: [4, 4, 2],
        target: [4, 4, 2],
        pool: [1, 1],
        kernel: [3, 3],
        stride: [1, 1],
        dilation: [1, 1],
        padding: [1, 1],
        groups: 1,
    };
    let taps: Vec<f32> = (0..36i8).map(|i| if i % 3 == 0 { 0.0 } else { f32::from(i - 12) / 16.0 }).collect();
    let kernel = Rows::Sparse(SparseRows::from_dense(2, &taps).unwrap());
    builder.projection(input, conv, 0, Connectivity::Conv2d(Conv2d::new(geometry, kernel).unwrap()));
    let residual = OneToOne::new(32, each(vec![0.5, -0.5])).unwrap();
    builder.projection(input, conv, 2, Connectivity::OneToOne(residual));
    let geometry = Conv2dGeometry {
        target: [2, 2, 2],
        kernel: [2, 2],
        stride: [2, 2],
        padding: [0, 0],
        groups: 2,
        ..geometry
    };
    let ones: Vec<f32> = (0..16u8).map(|i| f32::from(u8::from(i % 4 == 0 || i % 4 == 3))).collect();
    let ones = Rows::Dense(DenseRows::new(2, ones.into()).unwrap());
    builder.projection(conv, pool, 0, Connectivity::Conv2d(Conv2d::new(geometry, ones).unwrap()));
    let weights: Vec<f32> = (0..64i8).map(|i| f32::from(i % 7 - 2) / 4.0).collect();
    let all = Rows::Dense(DenseRows::new(8, weights.clone().into()).unwrap());
    builder.projection(pool, hidden, 0, Connectivity::Rows(all));
    let few = Rows::Sparse(SparseRows::from_dense(8, &weights).unwrap());
    builder.projection(hidden, hidden, 1, Connectivity::Rows(few));
    let out = Rows::Sparse(SparseRows::from_dense(3, &weights[..24]).unwrap());
    builder.projection(hidden, output, 0, Connectivity::Rows(out));
    builder.build().unwrap()
}

fn description() -> Description {
    let provenance = json!({"model": {"crc32": 305_419_896, "file": "tiny.onnx"}, "tool": "snn-event 0.1.0"});
    let Value::Object(provenance) = provenance else { unreachable!("an object was written above") };
    Description { provenance, ..Description::default() }
}

fn bytes_of(network: &Network, description: &Description) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("net.bin");
    write_net(&path, network, description).unwrap();
    fs::read(path).unwrap()
}

fn parse(bytes: &[u8]) -> Result<NetFile, FormatError> {
    NetFile::parse(bytes, &Origin::file("<memory>"))
}

/// All that a run shows: spikes of every population and potentials, by bits, under a fixed stimulus.
fn run(network: Network) -> Vec<(Vec<u32>, Vec<u32>)> {
    let network = Arc::new(network);
    let input = network.find("input").unwrap();
    let size = network.population(input).size() as u32;
    let mut simulator = EventSimulator::new(Arc::clone(&network));
    let mut seen = vec![];
    for step in 0..40u32 {
        let firing: Vec<u32> = (0..size).filter(|i| (i * 7 + step * 5) % 3 == 0).collect();
        let stimulus = Stimulus::new(&network, &[(input, &firing)]).unwrap();
        let spikes = simulator.step(&stimulus).clone();
        for id in network.ids() {
            let potentials = if network.population(id).neuron().has_potential() {
                simulator.potentials(id).iter().map(|u| u.to_bits()).collect()
            } else {
                vec![]
            };
            seen.push((spikes.of(id).to_vec(), potentials));
        }
    }
    assert!(seen.iter().any(|(spikes, _)| !spikes.is_empty()));
    seen
}

#[test]
fn a_network_read_back_is_written_to_the_same_bytes_and_runs_to_the_same_bits() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("net.bin");
    for network in [tiny(), varied()] {
        write_net(&path, &network, &description()).unwrap();
        let expected = run(network);
        for source in [Source::BySize, Source::Mapped, Source::Read] {
            let file = NetFile::open(&path, source).unwrap();
            assert_eq!(file.description, description());
            assert_eq!(file.length as u64, fs::metadata(&path).unwrap().len());
            assert_eq!(bytes_of(&file.network, &file.description), fs::read(&path).unwrap());
            assert_eq!(run(file.network), expected);
            assert_eq!(run(read_net(&path, source).unwrap()), expected);
        }
    }
}

#[test]
fn a_small_network_runs_on_unchanged_when_its_file_is_rewritten_in_place_or_cut_off() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("net.bin");
    write_net(&path, &varied(), &description()).unwrap();
    let expected = run(varied());
    let (first, second) =
        (read_net(&path, Source::default()).unwrap(), read_net(&path, Source::default()).unwrap());
    let length = fs::metadata(&path).unwrap().len();
    let mut file = fs::OpenOptions::new().write(true).open(&path).unwrap();
    // In place, as `cp` and `>` do it, not by a rename: every number another.
    std::io::Write::write_all(&mut file, &vec![0x3f; usize::try_from(length).unwrap()]).unwrap();
    assert_eq!(run(first), expected);
    file.set_len(100).unwrap();
    assert_eq!(run(second), expected);
}

/// The files of every released version of the format stand in tests/data and must read forever.
#[test]
fn the_first_version_of_the_format_still_reads() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/data/net-v1-tiny.bin");
    let file = NetFile::open(&path, Source::Mapped).unwrap();
    assert_eq!(file.description, description());
    let names: Vec<&str> = file.network.populations().iter().map(|p| p.name()).collect();
    assert_eq!(names, ["input", "layer0", "layer1"]);
    assert_eq!(run(file.network), run(tiny()));
    // What is written today may come to differ from the old file; as long as it does not, it is version 1.
    assert_eq!(bytes_of(&tiny(), &description()), fs::read(&path).unwrap());
}

/// Settling neurons behind two inputs, and a read-out.
fn bipolar() -> Network {
    let mut builder = NetworkBuilder::new();
    let input = builder.population("input", Layout::Flat(2), Neuron::Source);
    let settling = Bipolar {
        threshold: each(vec![0.5, 0.25]),
        bias: each(vec![0.125]),
        start: each(vec![0.25, 0.125]),
        most: each(vec![4.0]),
        low: each(vec![0.0]),
        high: each(vec![4.0, 8.0]),
        sign: Sign::Signed,
        arrives: BiasArrives::Once,
    };
    let layer = builder.population("layer0", Layout::Flat(2), Neuron::of(settling));
    let read_out = Neuron::of(Accumulator { bias: each(vec![0.5]) });
    let output = builder.population("layer1", Layout::Flat(1), read_out);
    let sparse = SparseRows::from_dense(2, &[0.5, 0.0, 1.0, -0.75]).unwrap();
    builder.projection(input, layer, 0, Connectivity::Rows(Rows::Sparse(sparse)));
    let dense = DenseRows::new(1, vec![1.0, -1.0].into()).unwrap();
    builder.projection(layer, output, 0, Connectivity::Rows(Rows::Dense(dense)));
    builder.build().unwrap()
}

#[test]
fn the_second_version_of_the_format_still_reads_and_keeps_every_parameter_and_choice() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/data/net-v2-bipolar.bin");
    let file = NetFile::open(&path, Source::Mapped).unwrap();
    let (read, made) = (file.network, bipolar());
    let neuron = |network: &Network| {
        let model = network.populations()[1].neuron().model().unwrap().clone();
        let values: Vec<Vec<f32>> =
            model.parameters().iter().map(|values| values.values().to_vec()).collect();
        (model.description().name, values, model.choices())
    };
    assert_eq!(neuron(&read), neuron(&made));
    assert_eq!(run(read), run(made));
    assert_eq!(bytes_of(&bipolar(), &description()), fs::read(&path).unwrap());
    assert_eq!(bytes_of(&bipolar(), &description())[8], 2);
    assert_eq!(bytes_of(&varied(), &description())[8], 1, "what version 1 can hold is written as such");
}

#[test]
fn leaky_neurons_keep_every_parameter_and_choice_in_a_file_and_fire_as_before() {
    let [leak, threshold, bias, start] = [vec![0.5, 0.9], vec![0.5], vec![0.125], vec![0.25]].map(each);
    let [after, refractory, decay, recovery, rise] =
        [vec![-0.5], vec![2.0, 0.0], vec![0.75], vec![0.5], vec![0.25]].map(each);
    let reset = LeakyReset::To;
    let neurons = {
        let (l, t, b, s) = (leak.clone(), threshold.clone(), bias.clone(), start.clone());
        let leaky = Leaky {
            leak: l,
            threshold: t,
            bias: b,
            start: s,
            reset,
            after: after.clone(),
            refractory: refractory.clone(),
        };
        let (l, t, b, s) = (leak.clone(), threshold.clone(), bias.clone(), start.clone());
        let current = CurrentLeaky {
            decay,
            leak: l,
            threshold: t,
            bias: b,
            start: s,
            reset,
            after: after.clone(),
            refractory: refractory.clone(),
        };
        let adaptive = AdaptiveLeaky {
            recovery,
            rise,
            leak,
            threshold,
            bias,
            start,
            reset: LeakyReset::Subtract,
            after,
            refractory,
        };
        [Neuron::of(leaky), Neuron::of(current), Neuron::of(adaptive)]
    };
    for neuron in neurons {
        let made = || {
            let mut builder = NetworkBuilder::new();
            let input = builder.population("input", Layout::Flat(2), Neuron::Source);
            let layer = builder.population("layer0", Layout::Flat(2), neuron.clone());
            let sparse = SparseRows::from_dense(2, &[0.5, 0.0, 1.0, -0.75]).unwrap();
            builder.projection(input, layer, 0, Connectivity::Rows(Rows::Sparse(sparse)));
            builder.build().unwrap()
        };
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("leaky.bin");
        write_net(&path, &made(), &description()).unwrap();
        let read = read_net(&path, Source::Mapped).unwrap();
        let said = |network: &Network| {
            let model = network.populations()[1].neuron().model().unwrap().clone();
            let values: Vec<Vec<f32>> =
                model.parameters().iter().map(|values| values.values().to_vec()).collect();
            (model.description().name, values, model.choices())
        };
        assert_eq!(said(&read), said(&made()));
        assert_eq!(run(read), run(made()));
    }
}

#[test]
fn neurons_of_a_model_that_files_do_not_know_or_describe_wrongly_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("changed.bin");
    for (place, member, value, part) in [
        ("", "name", json!("biploar"), "no model `biploar`"),
        ("/parameters", "threshhold", json!("layer0.threshold"), "no parameter `threshhold`"),
        ("/parameters", "most", json!("layer0.threshold"), "whole numbers from 1 to 4096"),
        ("/choices", "sign", json!("maybe"), "allowed are [\"signed\", \"unsigned\"]"),
        ("/choices", "reset", json!("zero"), "no choice `reset`"),
    ] {
        let change = |content: &mut Value| {
            content.pointer_mut(&format!("/populations/1/neuron/model{place}")).unwrap()[member] =
                value.clone();
        };
        write_changed(&path, &bipolar(), change, ("", vec![]));
        let error = read_net(&path, Source::Mapped).expect_err("the net should be refused").to_string();
        assert!(error.contains(part) && error.contains("layer0"), "{member}: {error}");
    }
    // What is left out has its default.
    let without = |content: &mut Value| {
        let model = content.pointer_mut("/populations/1/neuron/model").unwrap();
        model["parameters"].as_object_mut().unwrap().remove("bias");
        model["choices"].as_object_mut().unwrap().remove("sign");
    };
    write_changed(&path, &bipolar(), without, ("", vec![]));
    let network = read_net(&path, Source::Mapped).unwrap();
    let model = network.populations()[1].neuron().as_model::<Bipolar>().unwrap();
    assert_eq!((model.bias.values(), model.sign), (&[0.0][..], Sign::Signed));
    // A file of version 1 may not hold what its readers would not know.
    let mut old = bytes_of(&bipolar(), &description());
    old[8] = 1;
    let sum = crc32fast::hash(&old[..60]);
    old[60..64].copy_from_slice(&sum.to_le_bytes());
    let error = parse(&old).unwrap_err().to_string();
    assert!(error.contains("version 2") && error.contains("version 1"), "{error}");
}

/// Makes tests/data/net-v1-tiny.bin and net-v2-bipolar.bin: cargo test -p snn-formats --test net -- --ignored writes
#[test]
#[ignore = "writes the file that the test above reads"]
fn writes_the_files_of_released_versions() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/data");
    fs::create_dir_all(&folder).unwrap();
    write_net(folder.join("net-v1-tiny.bin"), &tiny(), &description()).unwrap();
    write_net(folder.join("net-v2-bipolar.bin"), &bipolar(), &description()).unwrap();
}

#[test]
fn a_net_cut_or_flipped_anywhere_is_refused() {
    let bytes = bytes_of(&tiny(), &description());
    for length in 0..bytes.len() {
        assert!(parse(&bytes[..length]).is_err(), "cut to {length} bytes");
    }
    for position in 0..bytes.len() {
        for bit in 0..8 {
            let mut flipped = bytes.clone();
            flipped[position] ^= 1 << bit;
            assert!(parse(&flipped).is_err(), "byte {position}, bit {bit}");
        }
    }
}

/// The tiny net with a change to its head or to the numbers of a section, checksums all sound.
fn changed(change: impl FnOnce(&mut Value), section: (&str, Vec<f32>)) -> (PathBuf, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("changed.bin");
    write_changed(&path, &tiny(), change, section);
    (path, folder)
}

/// Writes a net with a change to its head or to the numbers of a section, checksums all sound.
fn write_changed(path: &Path, network: &Network, change: impl FnOnce(&mut Value), section: (&str, Vec<f32>)) {
    let container = Container::parse(&bytes_of(network, &description()), "net", &Origin::default()).unwrap();
    let mut content: Value = container.content().unwrap();
    change(&mut content);
    let sections: Vec<_> = container
        .sections()
        .iter()
        .map(|entry| {
            let name = entry.name.as_str();
            match entry.dtype {
                Dtype::F32 if name == section.0 => (name, Some(section.1.clone()), None, None),
                Dtype::F32 => (name, Some(container.section::<f32>(name).unwrap().to_vec()), None, None),
                Dtype::U16 => (name, None, Some(container.section::<u16>(name).unwrap().to_vec()), None),
                _ => (name, None, None, Some(container.section::<u64>(name).unwrap().to_vec())),
            }
        })
        .collect();
    let mut writer = ContainerWriter::new();
    writer.needs_version(container.version());
    for (name, floats, shorts, longs) in &sections {
        match (floats, shorts, longs) {
            (Some(numbers), _, _) => writer.section(*name, numbers),
            (_, Some(numbers), _) => writer.section(*name, numbers),
            (_, _, Some(numbers)) => writer.section(*name, numbers),
            _ => unreachable!("every section was copied above"),
        }
    }
    writer.write(path, "net", &content).unwrap();
}

fn refusal(change: impl FnOnce(&mut Value), section: (&str, Vec<f32>)) -> String {
    let (path, _folder) = changed(change, section);
    let error = read_net(&path, Source::Mapped).expect_err("the net should be refused").to_string();
    assert!(error.contains("changed.bin"), "{error}");
    error
}

#[test]
fn a_sound_container_with_an_unsound_net_is_refused_by_place() {
    let (path, _folder) = changed(|_| (), ("", vec![]));
    assert_eq!(run(read_net(&path, Source::Read).unwrap()), run(tiny()));

    let head = |path: &'static str, value: Value| {
        refusal(
            move |content| match content.pointer_mut(path) {
                Some(place) => *place = value,
                None => panic!("no {path}"),
            },
            ("", vec![]),
        )
    };
    let table = [
        ("/populations/1/name", json!("input"), "declared twice"),
        ("/populations/1/name", json!("other"), "no population `layer0`"),
        ("/populations/1/shape", json!([3]), "layer0"),
        ("/populations/1/shape", json!([1, 2]), "[channels, height, width]"),
        ("/populations/1/shape", json!([]), "[channels, height, width]"),
        ("/populations/1/shape", json!([-1]), "content"),
        ("/populations/1/shape", json!([4_294_967_296u64]), "content"),
        ("/populations/1/shape", json!([4_294_967_295u64]), "neurons are declared: 4294967298"),
        ("/populations/1/shape", json!([65536, 65536, 65536]), "neurons are declared: 281474976710659"),
        ("/populations/1/shape", json!([4_294_967_295u64, 4_294_967_295u64, 4_294_967_295u64]), "neurons"),
        ("/populations/1/neuron", json!({"izhikevich": {}}), "izhikevich"),
        ("/populations/1/neuron/integrate-fire/reset", json!("never"), "never"),
        ("/populations/1/neuron/integrate-fire/threshold", json!("nowhere"), "no section `nowhere`"),
        ("/populations/1/neuron/integrate-fire/threshold", json!("projection0.targets"), "u16"),
        ("/populations/0/neuron", json!({"source": {"bias": "layer0.bias"}}), "content"),
        ("/projections/0/source", json!("layer1"), "layer1"),
        ("/projections/0/delay", json!(65_536), "65536"),
        ("/projections/0/delay", json!(4_294_967_295u64), "4294967295"),
        ("/projections/0/delay", json!(-1), "content"),
        ("/projections/0/connectivity", json!({"one-to-one": {"rows": "layer0.bias"}}), "content"),
        ("/projections/0/connectivity/rows/sparse/targets", json!("layer0.bias"), "f32"),
        ("/projections/0/connectivity/rows/sparse/weights", json!("layer0.bias"), "projection 0"),
        (
            "/projections/1/connectivity/rows/dense/weights",
            json!("projection0.weights"),
            "`layer0` -> `layer1`",
        ),
        (
            "/projections/1",
            json!({"source": "layer0", "target": "layer0", "delay": 0,
                "connectivity": {"one-to-one": {"weights": "layer0.bias"}}}),
            "cycle",
        ),
        ("/description", json!({"more": 1}), "more"),
        ("/populations", json!([]), "no population"),
        ("/projections", json!({}), "content"),
    ];
    for (path, value, reason) in table {
        let error = head(path, value.clone());
        assert!(error.contains(reason), "{path} = {value}: {error}");
    }

    for (section, numbers, reason) in [
        ("layer0.threshold", vec![0.0], "above 0"),
        ("layer0.threshold", vec![f32::NAN], "threshold"),
        ("layer0.threshold", vec![], "empty"),
        ("layer0.bias", vec![1.0, 2.0, 3.0], "3 values"),
        ("layer0.start", vec![f32::INFINITY], "start"),
        ("projection0.weights", vec![0.5, 0.0, 1.0], "weight[1]"),
        ("projection0.weights", vec![0.5, f32::NAN, 1.0], "weight[1]"),
        ("projection0.weights", vec![0.5], "column ids"),
        ("projection1.weights", vec![0.5], "projection `layer0` -> `layer1`"),
    ] {
        let error = refusal(|_| (), (section, numbers));
        assert!(error.contains(reason), "{section}: {error}");
    }
}

#[test]
fn a_small_file_may_not_ask_for_delays_that_fill_memory() {
    let error = refusal(
        |content| {
            let populations = content["populations"].as_array_mut().unwrap();
            for n in 0..100 {
                populations.push(json!({"name": format!("more{n}"), "shape": [1], "neuron": "source"}));
            }
            content["projections"][0]["delay"] = json!(65_535);
        },
        ("", vec![]),
    );
    assert!(error.contains("65535 steps in a net of 103 populations"), "{error}");
}

#[test]
fn a_convolution_with_an_impossible_geometry_is_refused() {
    let bytes = bytes_of(&varied(), &Description::default());
    let container = Container::parse(&bytes, "net", &Origin::default()).unwrap();
    for (field, value) in [
        ("stride", json!([0, 1])),
        ("kernel", json!([4_294_967_295u64, 4_294_967_295u64])),
        ("kernel", json!([3, 2])),
        ("target", json!([4, 4, 1])),
        ("source", json!([4, 4, 4_294_967_295u64])),
        ("groups", json!(0)),
        ("padding", json!([4_294_967_295u64, 0])),
    ] {
        let mut content: Value = container.content().unwrap();
        content["projections"][0]["connectivity"]["conv2d"]["geometry"][field] = value.clone();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("conv.bin");
        // The sections are those of the file before, byte for byte.
        let head_changed = rewrite(&container, &content, &path);
        let error = read_net(&head_changed, Source::Mapped).unwrap_err().to_string();
        assert!(error.contains("conv"), "{field} = {value}: {error}");
    }
}

fn rewrite(container: &Container, content: &Value, path: &Path) -> PathBuf {
    let (mut floats, mut shorts, mut longs) = (vec![], vec![], vec![]);
    for entry in container.sections() {
        match entry.dtype {
            Dtype::F32 => floats.push(container.section::<f32>(&entry.name).unwrap()),
            Dtype::U16 => shorts.push(container.section::<u16>(&entry.name).unwrap()),
            _ => longs.push(container.section::<u64>(&entry.name).unwrap()),
        }
    }
    let (mut f, mut s, mut l) = (floats.iter(), shorts.iter(), longs.iter());
    let mut writer = ContainerWriter::new();
    for entry in container.sections() {
        match entry.dtype {
            Dtype::F32 => writer.section(entry.name.clone(), f.next().unwrap()),
            Dtype::U16 => writer.section(entry.name.clone(), s.next().unwrap()),
            _ => writer.section(entry.name.clone(), l.next().unwrap()),
        }
    }
    writer.write(path, "net", content).unwrap();
    path.to_path_buf()
}

proptest! {
    #[test]
    fn any_feed_forward_net_is_read_back(
        sizes in proptest::collection::vec(0u32..9, 2..5),
        seed in any::<u64>(),
    ) {
        let mut state = seed | 1;
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state
        };
        let mut builder = NetworkBuilder::new();
        let mut previous = builder.population("input", Layout::Flat(sizes[0]), Neuron::Source);
        for (index, pair) in sizes.windows(2).enumerate() {
            let reset = if next() % 2 == 0 { Reset::Subtract } else { Reset::Zero };
            let neuron = integrate_fire(each(vec![0.5 + (next() % 8) as f32]), reset);
            let layer = builder.population(format!("layer{index}"), Layout::Flat(pair[1]), neuron);
            let weights: Vec<f32> =
                (0..pair[0] * pair[1]).map(|_| ((next() % 9) as f32 - 4.0) / 4.0).collect();
            let sparse = next() % 2 == 0 && pair[1] > 0;
            let rows = if sparse {
                Rows::Sparse(SparseRows::from_dense(pair[1] as usize, &weights).unwrap())
            } else {
                Rows::Dense(DenseRows::new(pair[1] as usize, weights.into()).unwrap())
            };
            if rows.len() == pair[0] as usize {
                builder.projection(previous, layer, (next() % 3) as u32, Connectivity::Rows(rows));
            }
            previous = layer;
        }
        let bytes = bytes_of(&builder.build().unwrap(), &Description::default());
        let file = parse(&bytes).unwrap();
        prop_assert_eq!(bytes_of(&file.network, &file.description), bytes);
    }

    #[test]
    fn arbitrary_heads_never_panic(
        place in 0usize..200,
        number in any::<i64>(),
        word in "[a-z.0-9]{0,12}",
        text in any::<bool>(),
    ) {
        // Replaces one leaf of the head by something else.
        fn leaves<'a>(value: &'a mut Value, found: &mut Vec<&'a mut Value>) {
            match value {
                Value::Array(items) => items.iter_mut().for_each(|item| leaves(item, found)),
                Value::Object(fields) => fields.values_mut().for_each(|field| leaves(field, found)),
                leaf => found.push(leaf),
            }
        }
        let (path, _folder) = changed(
            |content| {
                let mut found = vec![];
                leaves(content, &mut found);
                let place = place % found.len();
                *found[place] = if text { json!(word) } else { json!(number) };
            },
            ("", vec![]),
        );
        let _ = read_net(&path, Source::Mapped);
    }
}

#[test]
fn the_worked_example_in_the_documentation_is_the_tiny_file() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let page = fs::read_to_string(root.join("docs/net-format.md")).unwrap();
    let mut shown = vec![];
    for line in page.lines() {
        let Some((offset, rest)) = line.split_once("  ") else {
            continue;
        };
        let (8, Ok(offset)) = (offset.len(), usize::from_str_radix(offset, 16)) else {
            continue;
        };
        assert_eq!(offset, shown.len(), "{line}");
        let numbers = rest.split('|').next().unwrap();
        shown.extend(numbers.split_whitespace().map(|byte| u8::from_str_radix(byte, 16).unwrap()));
    }
    let file = fs::read(root.join("tests/data/net-v1-tiny.bin")).unwrap();
    assert!(shown == file, "the {} bytes shown are not the {} of the file", shown.len(), file.len());
}

#[test]
fn a_provenance_that_is_too_long_is_neither_written_nor_read() {
    let folder = tempfile::tempdir().unwrap();
    let long = json!({"options": "x".repeat(1 << 16)});
    let Value::Object(provenance) = long.clone() else { unreachable!("an object was written above") };
    let error = write_net(
        folder.path().join("net.bin"),
        &tiny(),
        &Description { provenance, ..Description::default() },
    )
    .unwrap_err();
    assert!(error.to_string().contains("65536"), "{error}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    let error = refusal(|content| content["description"]["provenance"] = long, ("", vec![]));
    assert!(error.contains("65536"), "{error}");
}

#[test]
fn a_small_file_that_asks_for_much_in_a_run_is_refused_with_the_number_unless_the_memory_limit_is_raised() {
    use snn_engine::{Connectivity, Layout, MaxPool, NetworkBuilder, Neuron, OneToOne, PerNeuron};
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("net.bin");
    let one_to_one =
        |n: u32| Connectivity::OneToOne(OneToOne::new(n as usize, PerNeuron::same(1.0).unwrap()).unwrap());
    let write = |n: u32, projections: usize| {
        let mut builder = NetworkBuilder::new();
        let source = builder.population("i", Layout::Flat(n), Neuron::Source);
        let pool = builder.population("l", Layout::Flat(n), Neuron::MaxPool(MaxPool));
        for _ in 0..projections {
            builder.projection(source, pool, 0, one_to_one(n));
        }
        snn_formats::write_net(&path, &builder.build().unwrap(), &Description::default()).unwrap();
    };
    let open = |limit| snn_formats::NetFile::open_within(&path, snn_formats::Source::Read, limit);
    write(1 << 23, 1);
    assert!(open(None).unwrap_err().to_string().contains("neurons are declared: 16777216"));
    // Counters of every input of a pool.
    write(1 << 14, 2000);
    let error = open(None).unwrap_err().to_string();
    assert!(
        error.contains("bytes that a run takes at the least") && error.contains("raise the memory limit"),
        "{error}"
    );
    assert_eq!(open(Some(4 << 30)).unwrap().memory_limit, 4 << 30);
    write(100, 3);
    assert!(open(None).is_ok());
}
