//! Whole-number weights in `net.bin`: as many bytes as claimed, read back in place, equal runs, bad sections refused.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use serde_json::Value;
use snn_engine::{
    Accumulator, Connectivity, Conv2d, Conv2dGeometry, DenseRows, EventSimulator, IntegrateFire, Layout,
    Network, NetworkBuilder, Neuron, PerNeuron, Reset, Rows, Simulator, SparseRows, Stimulus, Targets,
    WeightType, Weights,
};
use snn_formats::container::{ContainerWriter, Dtype};
use snn_formats::{Container, Description, NetFile, Origin, Source, write_net};

fn same(value: f32) -> PerNeuron {
    PerNeuron::same(value).unwrap()
}

/// An image onto an image by sparse and dense taps, and onto a read-out by sparse and dense rows; odd numbers of weights.
fn network(of: WeightType) -> Network {
    let image = Layout::Image { channels: 3, height: 3, width: 3 };
    let mut builder = NetworkBuilder::new();
    let input = builder.population("input", image, Neuron::Source);
    let fires = || {
        let (threshold, bias, start) = (same(12.0), same(0.5), same(6.0));
        Neuron::of(IntegrateFire { threshold, bias, start, reset: Reset::Subtract })
    };
    let [first, second] = ["first", "second"].map(|name| builder.population(name, image, fires()));
    let output = builder.population("output", Layout::Flat(5), Neuron::of(Accumulator { bias: same(0.25) }));
    let geometry = Conv2dGeometry {
        source: [3, 3, 3],
        target: [3, 3, 3],
        pool: [1, 1],
        kernel: [3, 3],
        stride: [1, 1],
        dilation: [1, 1],
        padding: [1, 1],
        groups: 1,
    };
    // From −7 to 7, zeros among them.
    let numbers = |count: usize| -> Vec<i32> { (0..count).map(|i| (i * 11 % 15) as i32 - 7).collect() };
    let dense = |width: usize, count: usize| {
        Rows::Dense(DenseRows::new(width, Weights::of_whole(of, &numbers(count)).unwrap()).unwrap())
    };
    let sparse = |width: usize, count: usize| {
        let (mut starts, mut ids, mut weights) = (vec![0], vec![], vec![]);
        for row in numbers(count).chunks(width) {
            for (column, &weight) in row.iter().enumerate().filter(|(_, weight)| **weight != 0) {
                ids.push(column as u16);
                weights.push(weight);
            }
            starts.push(ids.len() as u64);
        }
        let weights = Weights::of_whole(of, &weights).unwrap();
        Rows::Sparse(SparseRows::new(width, starts.into(), Targets::U16(ids.into()), weights).unwrap())
    };
    let conv = |rows| Connectivity::Conv2d(Conv2d::new(geometry, rows).unwrap());
    builder.projection(input, first, 0, conv(dense(3, 81)));
    builder.projection(first, second, 0, conv(sparse(3, 81)));
    builder.projection(second, output, 0, Connectivity::Rows(sparse(5, 135)));
    builder.projection(first, output, 0, Connectivity::Rows(dense(5, 135)));
    builder.build().unwrap()
}

fn bytes_of(network: &Network) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("net.bin");
    write_net(&path, network, &Description::default()).unwrap();
    fs::read(path).unwrap()
}

/// All potentials of a run, by bits, and the number of spikes.
fn run(network: Network) -> (Vec<u32>, u64) {
    let network = Arc::new(network);
    let input = network.find("input").unwrap();
    let mut simulator = EventSimulator::new(Arc::clone(&network));
    let mut seen = vec![];
    for step in 0..40u32 {
        let firing: Vec<u32> = (0..27).filter(|i| (i * 7 + step * 5) % 3 == 0).collect();
        simulator.step(&Stimulus::new(&network, &[(input, &firing)]).unwrap());
        let with_potential = network.ids().filter(|&id| id != input);
        seen.extend(with_potential.flat_map(|id| simulator.potentials(id).to_vec()).map(f32::to_bits));
    }
    (seen, simulator.statistics().total().spikes)
}

#[test]
fn whole_weights_are_read_back_as_they_were_stored_and_run_to_the_bits_of_f32() {
    let expected = run(network(WeightType::F32));
    assert!(expected.1 > 500, "{} spikes", expected.1);
    let folder = tempfile::tempdir().unwrap();
    for of in WeightType::ALL {
        let path = folder.path().join(of.name());
        write_net(&path, &network(of), &Description::default()).unwrap();
        for source in [Source::Mapped, Source::Read] {
            let file = NetFile::open(&path, source).unwrap();
            assert!(file.network.projections().iter().all(|one| one.connectivity().weight_type() == of));
            assert_eq!(bytes_of(&file.network), fs::read(&path).unwrap(), "{}", of.name());
            assert_eq!(run(file.network), expected, "{}", of.name());
        }
    }
}

#[test]
fn a_weight_takes_four_two_one_or_half_a_byte_in_the_file_and_only_whole_ones_take_the_new_version() {
    for (of, version) in WeightType::ALL.into_iter().zip([1, 3, 3, 3]) {
        let network = network(of);
        let bytes = bytes_of(&network);
        assert_eq!(bytes[8], version, "{}", of.name());
        let file = NetFile::parse(&bytes, &Origin::default()).unwrap();
        for (place, projection) in file.network.projections().iter().enumerate() {
            let weights = match projection.connectivity() {
                Connectivity::Rows(Rows::Sparse(rows)) => rows.weights().len(),
                Connectivity::Conv2d(conv) => match conv.rows() {
                    Rows::Sparse(rows) => rows.weights().len(),
                    Rows::Dense(rows) => rows.weights().len(),
                },
                Connectivity::Rows(Rows::Dense(rows)) => rows.weights().len(),
                Connectivity::OneToOne(_) => unreachable!("there is none"),
            };
            let name = format!("projection{place}.weights");
            let section = file.sections.iter().find(|section| section.name == name).unwrap();
            let stored = section.count * section.dtype.size() as u64;
            let wanted = match of {
                WeightType::F32 => weights * 4,
                WeightType::Int16 => weights * 2,
                WeightType::Int8 => weights,
                WeightType::Int4 => weights.div_ceil(2),
            };
            assert_eq!(stored, wanted as u64, "{} weights as {}", weights, of.name());
        }
    }
}

/// The released file of version 3: int4 weights in sparse and dense rows and taps.
#[test]
fn the_third_version_of_the_format_still_reads() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/data/net-v3-int4.bin");
    let file = NetFile::open(&path, Source::Mapped).unwrap();
    assert_eq!(run(file.network), run(network(WeightType::F32)));
    assert_eq!(bytes_of(&network(WeightType::Int4)), fs::read(&path).unwrap());
}

/// Makes tests/data/net-v3-int4.bin: cargo test -p snn-formats --test whole -- --ignored writes
#[test]
#[ignore = "writes the file that the test above reads"]
fn writes_the_file_of_the_third_version() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/data/net-v3-int4.bin");
    write_net(path, &network(WeightType::Int4), &Description::default()).unwrap();
}

/// The numbers of a section.
enum Numbers {
    Bytes(Vec<u8>),
    Signed(Vec<i8>),
    Short(Vec<u16>),
    Long(Vec<u64>),
    Real(Vec<f32>),
}

/// What is said about a file in which one section holds other numbers, or that states another version; checksums are sound.
fn refusal(of: WeightType, version: u32, changed: &str, numbers: Numbers) -> Option<String> {
    let container = Container::parse(&bytes_of(&network(of)), "net", &Origin::default()).unwrap();
    let content: Value = container.content().unwrap();
    let numbers_of = |name: &str, dtype: Dtype| match dtype {
        Dtype::U8 => Numbers::Bytes(container.section::<u8>(name).unwrap().to_vec()),
        Dtype::I8 => Numbers::Signed(container.section::<i8>(name).unwrap().to_vec()),
        Dtype::U16 => Numbers::Short(container.section::<u16>(name).unwrap().to_vec()),
        Dtype::U64 => Numbers::Long(container.section::<u64>(name).unwrap().to_vec()),
        Dtype::F32 => Numbers::Real(container.section::<f32>(name).unwrap().to_vec()),
        other => panic!("{name} holds {other}"),
    };
    let entries = container.sections();
    let mut sections: Vec<(&str, Numbers)> =
        entries.iter().map(|entry| (entry.name.as_str(), numbers_of(&entry.name, entry.dtype))).collect();
    if let Some(section) = sections.iter_mut().find(|(name, _)| *name == changed) {
        section.1 = numbers;
    }
    let mut writer = ContainerWriter::new();
    writer.needs_version(version);
    for (name, numbers) in &sections {
        match numbers {
            Numbers::Bytes(numbers) => writer.section(*name, numbers),
            Numbers::Signed(numbers) => writer.section(*name, numbers),
            Numbers::Short(numbers) => writer.section(*name, numbers),
            Numbers::Long(numbers) => writer.section(*name, numbers),
            Numbers::Real(numbers) => writer.section(*name, numbers),
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("changed.bin");
    writer.write(&path, "net", &content).unwrap();
    let error = NetFile::open(&path, Source::Read).err()?.to_string();
    assert!(error.contains("changed.bin"), "{error}");
    Some(error)
}

#[test]
fn sections_that_are_no_whole_weights_are_refused_by_name() {
    let none = || Numbers::Bytes(vec![]);
    assert_eq!(refusal(WeightType::Int4, 3, "", none()), None);
    assert_eq!(refusal(WeightType::Int8, 3, "", none()), None);
    let (sparse, dense) = ("projection2.weights", "projection3.weights");
    // 81 and 135 weights without their zeros; of the dense ones all.
    let bytes = |count: usize, byte: u8| Numbers::Bytes(vec![byte; count]);
    for (of, version, section, numbers, words) in [
        (WeightType::Int8, 2, "", none(), &["version 3", "version 2", "i8", "projection0.weights"][..]),
        (WeightType::Int4, 1, "", none(), &["version 3", "version 1", "u8"]),
        (WeightType::Int8, 3, sparse, Numbers::Short(vec![1; 126]), &[sparse, "u16", "f32, i16, i8, and u8"]),
        (WeightType::Int8, 3, sparse, Numbers::Signed(vec![1; 125]), &["126 column ids but 125 weights"]),
        (
            WeightType::Int8,
            3,
            sparse,
            Numbers::Signed([vec![1; 125], vec![0]].concat()),
            &["weight[125]", "zero"],
        ),
        (WeightType::Int8, 3, dense, Numbers::Signed(vec![1; 134]), &["`first` -> `output`", "134 weights"]),
        (WeightType::Int8, 3, dense, Numbers::Signed(vec![1; 130]), &["`first` -> `output`", "26 with 5"]),
        (WeightType::Int4, 3, sparse, bytes(62, 0x11), &[sparse, "62 bytes for 126 weights; allowed are 63"]),
        (WeightType::Int4, 3, sparse, bytes(63, 0x10), &["weight[0]", "zero"]),
        (WeightType::Int4, 3, dense, bytes(67, 0x11), &[dense, "67 bytes for 135 weights; allowed are 68"]),
        (WeightType::Int4, 3, dense, bytes(68, 0x11), &[dense, "unused half"]),
        (WeightType::Int4, 3, sparse, Numbers::Long(vec![1; 126]), &[sparse, "u64"]),
        (WeightType::Int4, 3, sparse, Numbers::Real(vec![f32::NAN; 126]), &["weight[0]"]),
    ] {
        let error = refusal(of, version, section, numbers).unwrap_or_default();
        assert!(words.iter().all(|word| error.contains(word)), "{words:?}: {error}");
    }
}
