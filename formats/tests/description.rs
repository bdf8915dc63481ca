//! What a `net.bin` says about its network beside the network itself.

use std::fs;
use std::sync::Arc;

use serde_json::{Value, json};
use snn_engine::{
    Accumulator, Connectivity, DenseRows, DenseSimulator, Encoding, Input, IntegrateFire, Layout, Network,
    NetworkBuilder, Neuron, PerNeuron, Reset, Rows, SparseRows, Until, run_sample,
};
use snn_formats::container::{ContainerWriter, Dtype};
use snn_formats::{
    Arrives, Basis, Container, Description, InputRange, LONGEST_REPORT, NetFile, RunLength, Source, Unit,
    write_net,
};

fn each(values: Vec<f32>) -> PerNeuron {
    PerNeuron::repeating(values.into()).unwrap()
}

fn integrate_fire(threshold: f32, bias: f32, start: f32) -> Neuron {
    let [threshold, bias, start] = [threshold, bias, start].map(|value| each(vec![value]));
    Neuron::of(IntegrateFire { threshold, bias, start, reset: Reset::Subtract })
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

/// What the populations of [`tiny`] stand for, what it was calibrated on and the runs that it is made for.
fn meaning() -> Description {
    let unit = |scale: Vec<f32>, zero| Unit { scale: each(scale), offset: each(vec![0.0, -0.5]), zero };
    let last = Unit { scale: each(vec![1.0]), offset: each(vec![0.25]), zero: 0.0 };
    Description {
        run: Some(RunLength::new(8, Basis::Fitted)),
        input: Some(InputRange { smallest: -0.1, largest: 1.0 }),
        units: vec![None, Some(unit(vec![2.0, 4.0], 0.7)), Some(last)],
        ..Description::default()
    }
}

#[test]
fn what_a_network_is_made_for_and_what_its_rates_stand_for_come_back_from_its_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("net.bin");
    let written = meaning();
    write_net(&path, &tiny(), &written).unwrap();
    let file = NetFile::open(&path, Source::Read).unwrap();
    assert_eq!(file.description, written);
    // Written again, they give the same bytes.
    let again = folder.path().join("again.bin");
    write_net(&again, &file.network, &file.description).unwrap();
    assert!(fs::read(&path).unwrap() == fs::read(&again).unwrap());
}

#[test]
fn outputs_are_what_the_last_population_has_received_in_its_unit() {
    let network = Arc::new(tiny());
    let input = Input::values(&network, vec![1.0, 0.5], Encoding::Constant).unwrap();
    let outcome =
        run_sample(&mut DenseSimulator::new(network.clone()), &input, 0, Until::Steps(8), false).unwrap();
    // Neuron 0 gets 1.0 a step and fires 8 times (weight 1), neuron 1 gets 0.125 and fires once (weight -1); bias 0.5.
    assert_eq!(outcome.potentials, [8.0 - 1.0 + 8.0 * 0.5]);
    assert_eq!(meaning().outputs(&network, &outcome, false), Some(vec![11.0 / 8.0 + 0.25]));
    assert_eq!(Description::default().outputs(&network, &outcome, false), None);
    // Of a population that fires, what its spikes took away is put back: 3 · 0.3 are two spikes less 0.1.
    let mut builder = NetworkBuilder::new();
    let source = builder.population("input", Layout::Flat(1), Neuron::Source);
    let fires = builder.population("fires", Layout::Flat(1), integrate_fire(0.5, 0.125, 0.5));
    let one = DenseRows::new(1, vec![1.0].into()).unwrap();
    builder.projection(source, fires, 0, Connectivity::Rows(Rows::Dense(one)));
    let network = Arc::new(builder.build().unwrap());
    for x in [0.3_f32, -0.7] {
        let input = Input::values(&network, vec![x], Encoding::Constant).unwrap();
        let outcome =
            run_sample(&mut DenseSimulator::new(network.clone()), &input, 0, Until::Steps(3), false).unwrap();
        // The start is one threshold, the bias a quarter of one, one spike a step stands for 4.
        let unit = Unit { scale: each(vec![4.0]), offset: each(vec![0.0]), zero: 1.0 };
        let described = Description { units: vec![None, Some(unit)], ..Description::default() };
        let outputs = described.outputs(&network, &outcome, false).unwrap();
        let expected = (x + 0.125) / 0.5 * 4.0;
        assert!((outputs[0] - expected).abs() < 1e-5, "{outputs:?}, {expected}");
    }
}

#[test]
fn units_that_do_not_fit_their_population_are_neither_written_nor_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("net.bin");
    let unit = |scale: Vec<f32>| Unit { scale: each(scale), offset: each(vec![0.0]), zero: 0.0 };
    for (units, says) in [
        (vec![None, Some(unit(vec![1.0; 3])), None], "3 values, which do not repeat over 2 neurons"),
        (vec![None, Some(unit(vec![1.0, 0.0])), None], "scale[1]"),
        (vec![Some(unit(vec![1.0]))], "1 units for 3 populations"),
    ] {
        let described = Description { units, ..Description::default() };
        let error = write_net(&path, &tiny(), &described).unwrap_err().to_string();
        assert!(error.contains(says) && error.contains("net.bin"), "{error}");
        assert!(!path.exists());
    }
    write_net(&path, &tiny(), &meaning()).unwrap();
    let head = |change: &dyn Fn(&mut Value)| {
        let container = Container::open(&path, "net", Source::Read).unwrap();
        let mut content: Value = container.content().unwrap();
        change(&mut content);
        let of = |dtype| container.sections().iter().filter(move |section| section.dtype == dtype);
        let mut writer = ContainerWriter::new();
        let floats: Vec<_> = of(Dtype::F32).map(|s| container.section::<f32>(&s.name).unwrap()).collect();
        of(Dtype::F32).zip(&floats).for_each(|(s, numbers)| writer.section(&s.name, &numbers[..]));
        let starts: Vec<_> = of(Dtype::U64).map(|s| container.section::<u64>(&s.name).unwrap()).collect();
        of(Dtype::U64).zip(&starts).for_each(|(s, numbers)| writer.section(&s.name, &numbers[..]));
        let targets: Vec<_> = of(Dtype::U16).map(|s| container.section::<u16>(&s.name).unwrap()).collect();
        of(Dtype::U16).zip(&targets).for_each(|(s, numbers)| writer.section(&s.name, &numbers[..]));
        let changed = folder.path().join("changed.bin");
        writer.write(&changed, "net", &content).unwrap();
        NetFile::open(&changed, Source::Read)
    };
    assert_eq!(head(&|_| {}).unwrap().description, meaning());
    type Change = fn(&mut Value);
    let changes: [(Change, &str); 7] = [
        (|net| net["description"]["report"] = json!([1]), "no JSON object"),
        (|net| net["description"]["report"] = json!({"a": "x".repeat(LONGEST_REPORT)}), "a report of"),
        (|net| net["description"]["run"]["steps"] = json!(0), "0 steps"),
        (|net| net["description"]["run"]["basis"] = json!("guessed"), "guessed"),
        (|net| net["description"]["input"]["smallest"] = json!(2.0), "between 2 and 1"),
        (|net| net["populations"][2]["unit"]["scale"] = json!("layer0.unit_scale"), "do not repeat over 1"),
        (|net| net["populations"][1]["unit"]["offset"] = json!("layer9.scale"), "layer9.scale"),
    ];
    for (change, says) in changes {
        let error = head(&change).unwrap_err().to_string();
        assert!(error.contains(says) && error.contains("changed.bin"), "{error}");
    }
}

#[test]
fn files_that_state_their_steps_in_the_options_only_are_understood() {
    let run = |provenance: Value| {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("net.bin");
        let Value::Object(provenance) = provenance else { unreachable!() };
        write_net(&path, &tiny(), &Description { provenance, ..Description::default() }).unwrap();
        NetFile::open(&path, Source::Read).unwrap().description.run.map(|run| (run.steps, run.basis))
    };
    assert_eq!(run(json!({})), None);
    assert_eq!(run(json!({"options": {"T": 0}})), None);
    assert_eq!(run(json!({"options": {"T": 128}, "calibration": {}})), Some((128, Basis::Stated)));
    assert_eq!(run(json!({"options": {"T": 8, "zeros": "in"}, "calibration": {}})), Some((8, Basis::Fitted)));
    assert_eq!(run(json!({"options": {"T": 8, "fit": "off"}, "calibration": {}})), Some((8, Basis::Stated)));
    assert_eq!(run(json!({"options": {"T": 8, "fit": true}})), Some((8, Basis::Fitted)));
}

#[test]
fn a_run_other_than_those_a_network_is_made_for_gets_a_note() {
    let made_for = |basis| Description { run: Some(RunLength::new(8, basis)), ..Description::default() };
    let fitted = made_for(Basis::Fitted);
    assert_eq!(fitted.note_on_run(8, Some(Arrives::EveryStep)), None);
    let note = fitted.note_on_run(256, Some(Arrives::EveryStep)).unwrap();
    assert!(note.contains("T = 8") && note.contains("T = 256") && note.contains("far off"), "{note}");
    let until_quiet = fitted.note_on_run(Until::Quiet { limit: 500 }, Some(Arrives::EveryStep)).unwrap();
    assert!(until_quiet.contains("until it is quiet, for at most 500 steps"), "{until_quiet}");
    assert!(!until_quiet.contains("T = 500"), "{until_quiet}");
    assert!(fitted.note_on_run(8, None).unwrap().contains("constant input"));
    assert!(made_for(Basis::Scaled).note_on_run(9, None).unwrap().contains("less accurate"));
    assert_eq!(made_for(Basis::Scaled).note_on_run(8, None), None);
    assert_eq!(made_for(Basis::Stated).note_on_run(9, Some(Arrives::EveryStep)), None);
    assert_eq!(Description::default().note_on_run(9, Some(Arrives::EveryStep)), None);
}

#[test]
fn a_network_that_settles_gets_a_note_if_it_is_stopped_early_or_its_input_does_not_arrive_once() {
    let settled = |steps, until_quiet| {
        let run = RunLength { arrives: Arrives::Once, until_quiet, ..RunLength::new(steps, Basis::Settled) };
        Description { run: Some(run), ..Description::default() }
    };
    for steps in [3, 4] {
        assert_eq!(settled(3, false).note_on_run(steps, Some(Arrives::Once)), None);
    }
    assert!(settled(3, false).note_on_run(2, Some(Arrives::Once)).unwrap().contains("not at rest"));
    assert_eq!(settled(10_000, true).note_on_run(2, Some(Arrives::Once)), None);
    assert_eq!(settled(3, false).note_on_run(Until::Quiet { limit: 10 }, Some(Arrives::Once)), None);
    let short = settled(3, false).note_on_run(Until::Quiet { limit: 2 }, Some(Arrives::Once)).unwrap();
    assert!(short.contains("for at most 2 steps") && short.contains("not at rest"), "{short}");
    for otherwise in [None, Some(Arrives::EveryStep)] {
        assert!(settled(3, false).note_on_run(3, otherwise).unwrap().contains("`once`"));
    }
}

#[test]
fn an_input_of_another_size_than_the_calibration_gets_a_note() {
    let known = |smallest, largest| Description {
        input: Some(InputRange { smallest, largest }),
        ..Description::default()
    };
    let unit = known(0.0, 1.0);
    for fine in [&[0.0, 1.0][..], &[0.3, 0.9], &[-0.2, 1.5], &[0.0, 0.0], &[]] {
        assert_eq!(unit.note_on_input(fine), None, "{fine:?}");
    }
    let note = unit.note_on_input(&[0.0, 255.0]).unwrap();
    assert!(
        note.contains("0 to 255") && note.contains("0 to 1") && note.contains("divided by 255"),
        "{note}"
    );
    assert!(!unit.note_on_input(&[-3.5, 0.0]).unwrap().contains("255"));
    // The other way round: a net of bytes is given shares of one.
    assert!(known(0.0, 255.0).note_on_input(&[0.0, 1.0]).is_some());
    assert_eq!(known(0.0, 255.0).note_on_input(&[0.0, 200.0]), None);
    // Nothing is known of the net.
    let unknown = Description::default();
    assert!(unknown.note_on_input(&[0.0, 17.0, 255.0]).unwrap().contains("255"));
    assert_eq!(unknown.note_on_input(&[0.0, 17.5, 255.0]), None);
    assert_eq!(unknown.note_on_input(&[0.0, 1.0]), None);
}

#[test]
fn the_report_of_a_conversion_comes_back_as_it_was_and_only_objects_of_a_bounded_length_are_reports() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("net.bin");
    let with = |report: &str| Description { report: Some(report.to_owned()), ..meaning() };
    // Byte for byte: neither order nor spelling of numbers changes.
    let report = r#"{"steps": 8, "layers": [{"name": "layer0", "scale": 1.0}], "a": 1e2}"#;
    write_net(&path, &tiny(), &with(report)).unwrap();
    assert_eq!(NetFile::open(&path, Source::Read).unwrap().description.report.as_deref(), Some(report));

    let long = format!("{{\"notes\": \"{}\"}}", "x".repeat(LONGEST_REPORT));
    let before = fs::read(&path).unwrap();
    for (report, said) in [(&*long, "at most 524288"), ("[1]", "no JSON object"), ("{", "no JSON object")] {
        let error = write_net(&path, &tiny(), &with(report)).unwrap_err().to_string();
        assert!(error.contains("its report") && error.contains(said), "{error}");
    }
    assert_eq!(fs::read(&path).unwrap(), before, "a refused report changes nothing");
}
