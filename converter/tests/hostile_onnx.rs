//! No ONNX file, however hostile, makes the importer hang, panic, or take more memory than its length justifies.
//!
//! One test in a binary of its own: the counts are those of the whole process.

mod counting;

use std::cell::RefCell;
use std::collections::HashSet;

use rten_onnx::onnx::{
    AttributeProto, DataLocation, DataType, Dimension, GraphProto, ModelProto, NodeProto, OperatorSetIdProto,
    StringStringEntryProto, TensorProto, TensorShapeProto, TypeProto, TypeProtoTensor, ValueInfoProto,
};
use snn_converter::import::onnx;
use snn_converter::simplify::simplify;

/// Bytes that reading may take: 64 MiB, and eight times the file.
const MOST: usize = 64 << 20;

fn constant(name: &str, dims: &[i64], kind: DataType, bytes: Vec<u8>) -> TensorProto {
    TensorProto {
        name: Some(name.into()),
        dims: dims.to_vec(),
        data_type: Some(kind),
        raw_data: Some(RefCell::new(bytes)),
        ..Default::default()
    }
}

fn floats(name: &str, dims: &[i64]) -> TensorProto {
    let count: i64 = dims.iter().product();
    constant(name, dims, DataType::FLOAT, 0.5f32.to_le_bytes().repeat(usize::try_from(count).unwrap()))
}

fn integers(name: &str, values: &[i64]) -> TensorProto {
    let bytes = values.iter().flat_map(|x| x.to_le_bytes()).collect();
    constant(name, &[i64::try_from(values.len()).unwrap()], DataType::INT64, bytes)
}

/// A constant without numbers whose other extents are enormous.
fn empty(name: &str, dims: &[i64]) -> TensorProto {
    constant(name, dims, DataType::FLOAT, vec![])
}

fn node(op: &str, inputs: &[&str], output: &str) -> NodeProto {
    NodeProto {
        op_type: Some(op.into()),
        input: inputs.iter().map(|&i| i.into()).collect(),
        output: vec![output.into()],
        ..Default::default()
    }
}

fn with(mut node: NodeProto, attributes: &[(&str, &[i64])]) -> NodeProto {
    for (name, values) in attributes {
        let name = Some((*name).to_owned());
        node.attribute.push(match values {
            &[value] if name.as_deref() == Some("axis") || name.as_deref() == Some("group") => {
                AttributeProto { name, i: Some(*value), ..Default::default() }
            }
            values => AttributeProto { name, ints: values.to_vec(), ..Default::default() },
        });
    }
    node
}

fn port(name: &str, extents: &[i64]) -> ValueInfoProto {
    let batch = Dimension { dim_param: Some("N".into()), ..Default::default() };
    let rest = extents.iter().map(|&e| Dimension { dim_value: Some(e), ..Default::default() });
    let shape = TensorShapeProto { dim: std::iter::once(batch).chain(rest).collect() };
    let tensor_type = TypeProtoTensor { elem_type: Some(DataType::FLOAT), shape: Some(shape) };
    let r#type = Some(TypeProto { tensor_type: Some(tensor_type), ..Default::default() });
    ValueInfoProto { name: Some(name.into()), r#type }
}

fn model(input: &[i64], nodes: Vec<NodeProto>, constants: Vec<TensorProto>) -> Vec<u8> {
    let graph = GraphProto {
        node: nodes,
        initializer: constants,
        input: vec![port("x", input)],
        output: vec![port("y", &[])],
        value_info: vec![],
    };
    let set = OperatorSetIdProto { domain: Some(String::new()), version: Some(17) };
    let model =
        ModelProto { ir_version: Some(8), graph: Some(graph), opset_import: vec![set], ..Default::default() };
    model.write_buf().unwrap()
}

/// A net `y = x·w` with further nodes on constants.
fn beside(mut nodes: Vec<NodeProto>, mut constants: Vec<TensorProto>) -> Vec<u8> {
    nodes.push(node("MatMul", &["x", "w"], "y"));
    constants.push(floats("w", &[4, 4]));
    model(&[4], nodes, constants)
}

/// The same, with the output made to need whatever no other node takes: nodes that no output needs are not looked at.
fn joined(mut nodes: Vec<NodeProto>, mut constants: Vec<TensorProto>) -> Vec<u8> {
    let taken: HashSet<String> = nodes.iter().flat_map(|node| node.input.clone()).collect();
    let loose: Vec<String> =
        nodes.iter().flat_map(|node| node.output.clone()).filter(|name| !taken.contains(name)).collect();
    nodes.push(node("MatMul", &["x", "w"], "joined0"));
    for (i, name) in loose.iter().enumerate() {
        nodes.push(node("Add", &[&format!("joined{i}"), name], &format!("joined{}", i + 1)));
    }
    nodes.push(node("Relu", &[&format!("joined{}", loose.len())], "y"));
    constants.push(floats("w", &[4, 4]));
    model(&[4], nodes, constants)
}

/// Nodes `a0 → a1 → …`, each of one constant twice.
fn chain(op: &str, count: usize, attributes: &[(&str, &[i64])]) -> Vec<NodeProto> {
    let step = |i: usize| {
        let before = format!("a{i}");
        with(node(op, &[&before, &before], &format!("a{}", i + 1)), attributes)
    };
    (0..count).map(step).collect()
}

fn conv(attributes: &[(&str, &[i64])]) -> Vec<u8> {
    let nodes = vec![
        with(node("Conv", &["x", "w"], "a"), attributes),
        node("Relu", &["a"], "b"),
        node("Flatten", &["b"], "y"),
    ];
    model(&[1, 4, 4], nodes, vec![floats("w", &[1, 1, 3, 3])])
}

/// A net that pads its input in a mode other than with zeros.
fn padded_by(mode: &str, pads: &[i64]) -> Vec<u8> {
    let mut pad = node("Pad", &["x", "p"], "y");
    pad.attribute.push(AttributeProto {
        name: Some("mode".into()),
        s: Some(mode.into()),
        ..Default::default()
    });
    model(&vec![4; pads.len() / 2 - 1], vec![pad], vec![integers("p", pads)])
}

/// A net that resizes its input of four numbers.
fn resized(mode: &str, times: u32) -> Vec<u8> {
    let mut resize = node("Resize", &["x", "", "s"], "y");
    resize.attribute.push(AttributeProto {
        name: Some("mode".into()),
        s: Some(mode.into()),
        ..Default::default()
    });
    let scales = [1.0f32, 1.0, times as f32].map(f32::to_le_bytes).concat();
    model(&[1, 4], vec![resize], vec![constant("s", &[3], DataType::FLOAT, scales)])
}

fn split() -> NodeProto {
    with(node("Split", &["x", "s"], "y"), &[("axis", &[1])])
}

/// Files that ask for too much, by what they ask.
fn cases() -> Vec<(String, Vec<u8>)> {
    const FAR: i64 = 1 << 59;
    let one = |op: &str, inputs: &[&str], attributes: &[(&str, &[i64])]| {
        vec![with(node(op, inputs, "f"), attributes)]
    };
    let last = |op: &str, inputs: &[&str], attributes: &[(&str, &[i64])]| {
        vec![with(node(op, inputs, "y"), attributes)]
    };
    let huge = || empty("e", &[FAR, 0]);
    let zeros = |count: usize| floats("a0", &[i64::try_from(count).unwrap()]);
    let mut cases: Vec<(&str, Vec<u8>)> = vec![
        // Constants that grow.
        ("Concat that doubles", joined(chain("Concat", 40, &[("axis", &[0])]), vec![zeros(1024)])),
        (
            "Expand to terabytes",
            joined(one("Expand", &["a0", "s"], &[]), vec![zeros(1), integers("s", &[4, 1 << 40])]),
        ),
        (
            "Expand of rank 100",
            joined(one("Expand", &["a0", "s"], &[]), vec![zeros(1), integers("s", &[1; 100])]),
        ),
        ("ConstantOfShape", joined(one("ConstantOfShape", &["s"], &[]), vec![integers("s", &[1 << 40])])),
        (
            "ConstantOfShape that overflows",
            joined(one("ConstantOfShape", &["s"], &[]), vec![integers("s", &[i64::MAX, i64::MAX])]),
        ),
        (
            "Gather a million times a million",
            joined(
                one("Gather", &["a0", "i"], &[("axis", &[0])]),
                vec![
                    floats("a0", &[1, 1 << 18]),
                    constant("i", &[1 << 18], DataType::INT8, vec![0; 1 << 18]),
                ],
            ),
        ),
        (
            "Add that broadcasts",
            joined(
                one("Add", &["a0", "b"], &[]),
                vec![floats("a0", &[1, 1 << 16]), floats("b", &[1 << 16, 1])],
            ),
        ),
        // Empty constants with enormous extents.
        ("Add of empties", joined(one("Add", &["e", "e"], &[]), vec![huge()])),
        ("Concat of empties", joined(one("Concat", &["e", "e"], &[("axis", &[1])]), vec![huge()])),
        (
            "Concat that overflows",
            joined(one("Concat", &["e"; 33], &[("axis", &[1])]), vec![empty("e", &[0, FAR])]),
        ),
        (
            "Gather of empties",
            joined(one("Gather", &["e", "i"], &[("axis", &[1])]), vec![huge(), integers("i", &[])]),
        ),
        ("Slice of empties", joined(one("Slice", &["e", "z", "z"], &[]), vec![huge(), integers("z", &[0])])),
        (
            "Slice to its end",
            joined(
                one("Slice", &["e", "z", "n"], &[]),
                vec![huge(), integers("z", &[0]), integers("n", &[i64::MAX])],
            ),
        ),
        (
            "Slice backwards",
            joined(
                one("Slice", &["e", "n", "m", "z", "m"], &[]),
                vec![huge(), integers("z", &[0]), integers("m", &[i64::MIN]), integers("n", &[i64::MAX])],
            ),
        ),
        ("Transpose of empties", joined(one("Transpose", &["e"], &[("perm", &[1, 0])]), vec![huge()])),
        ("Neg of empties", joined(one("Neg", &["e"], &[]), vec![huge()])),
        ("Cast of empties", joined(one("Cast", &["e"], &[]), vec![huge()])),
        (
            "Expand of empties",
            joined(one("Expand", &["e", "s"], &[]), vec![empty("e", &[1, 0]), integers("s", &[FAR, 0])]),
        ),
        (
            "Reshape of empties",
            joined(one("Reshape", &["e", "s"], &[]), vec![huge(), integers("s", &[-1, FAR])]),
        ),
        // Long lists where a few numbers are meant.
        (
            "Unsqueeze along a million axes",
            joined(one("Unsqueeze", &["a0", "s"], &[]), vec![zeros(1), integers("s", &[0; 1 << 17])]),
        ),
        (
            "Squeeze along a million axes",
            joined(one("Squeeze", &["a0", "s"], &[]), vec![zeros(1), integers("s", &[0; 1 << 17])]),
        ),
        (
            "a shape of a million ones",
            joined(one("Reshape", &["a0", "s"], &[]), vec![zeros(1), integers("s", &[1; 1 << 17])]),
        ),
        (
            "a constant of a million axes",
            joined(chain("Identity", 500, &[]), vec![floats("a0", &[1; 1 << 17])]),
        ),
        (
            "Slice along an axis a million times",
            joined(
                one("Slice", &["a0", "z", "n", "z"], &[]),
                vec![zeros(1 << 16), integers("z", &[0; 1 << 16]), integers("n", &[1 << 16; 1 << 16])],
            ),
        ),
        // Windows.
        ("pads of 30,000", conv(&[("pads", &[30_000; 4])])),
        ("pads of 2^40", conv(&[("pads", &[1 << 40; 4])])),
        ("pads below 0", conv(&[("pads", &[-1; 4])])),
        ("dilations of 2^62", conv(&[("dilations", &[1 << 62; 2])])),
        ("strides of 2^62", conv(&[("strides", &[1 << 62; 2]), ("pads", &[i64::MAX; 4])])),
        ("strides of 0", conv(&[("strides", &[0; 2])])),
        ("2^62 groups", conv(&[("group", &[1 << 62])])),
        (
            "an average over 2^60 places",
            model(
                &[1, 4, 4],
                last("AveragePool", &["x"], &[("kernel_shape", &[1 << 30; 2]), ("pads", &[1 << 30; 4])]),
                vec![],
            ),
        ),
        ("edges of 2^40", padded_by("edge", &[0, 1 << 40, 0, 0])),
        ("edges along two axes", padded_by("edge", &[0, 1 << 20, 1 << 20, 1 << 20, 0, 0, 0, 0])),
        ("a wrapped axis of 2^63", padded_by("wrap", &[0, i64::MAX, 0, i64::MAX])),
        // Maps along one axis, with a number or three for each of its positions.
        ("Resize of an axis to 2^24", resized("nearest", 1 << 22)),
        ("Resize of an axis between its points to 2^24", resized("linear", 1 << 22)),
        (
            "Expand of an axis to 2^24",
            model(&[1], last("Expand", &["x", "s"], &[]), vec![integers("s", &[1, 1 << 24])]),
        ),
        (
            "Tile of an axis to 2^24",
            model(&[4], last("Tile", &["x", "s"], &[]), vec![integers("s", &[1, 1 << 22])]),
        ),
        (
            "Slice of an axis of 2^24",
            model(
                &[1 << 24],
                last("Slice", &["x", "z", "n", "o"], &[]),
                vec![integers("z", &[1]), integers("n", &[i64::MAX]), integers("o", &[1])],
            ),
        ),
        (
            "Split of an axis of 2^24",
            model(
                &[1 << 24],
                vec![NodeProto { output: vec!["y".into(), "z".into()], ..split() }],
                vec![integers("s", &[1 << 23, 1 << 23])],
            ),
        ),
        (
            "Pad of an axis with ones to 2^24",
            model(
                &[4],
                last("Pad", &["x", "p", "v"], &[]),
                vec![integers("p", &[0, 0, 0, 1 << 24]), floats("v", &[1])],
            ),
        ),
        (
            "Pad of many axes with ones",
            model(
                &[1, 1],
                last("Pad", &["x", "p", "v"], &[]),
                vec![integers("p", &[0, 0, 0, 0, 4000, 4000]), floats("v", &[1])],
            ),
        ),
        // Inputs that an operator does not have, and attributes of the wrong length.
        (
            "Where with the activation as its fourth input",
            model(
                &[4],
                last("Where", &["m", "m", "m", "x"], &[]),
                vec![constant("m", &[4], DataType::BOOL, vec![1; 4])],
            ),
        ),
        (
            "Mul with the activation as its third input",
            model(&[4], last("Mul", &["v", "v", "x"], &[]), vec![floats("v", &[4])]),
        ),
        (
            "ConvTranspose to a shape of one axis",
            model(
                &[1, 4, 4],
                last("ConvTranspose", &["x", "w"], &[("output_shape", &[9])]),
                vec![floats("w", &[1, 1, 2, 2])],
            ),
        ),
        (
            "Split into more parts than places, of which the last is the output",
            model(
                &[4],
                vec![NodeProto {
                    output: ["", "", "y"].map(str::to_owned).to_vec(),
                    ..with(node("Split", &["x"], "y"), &[("axis", &[1])])
                }],
                vec![],
            ),
        ),
        (
            "weights of 64 bits far apart",
            model(
                &[4],
                vec![node("QLinearMatMul", &["x", "s", "z", "w", "s", "m", "s", "z"], "y")],
                vec![
                    constant("s", &[], DataType::FLOAT, 1f32.to_le_bytes().to_vec()),
                    constant("z", &[], DataType::UINT8, vec![0]),
                    constant("m", &[], DataType::INT64, i64::MIN.to_le_bytes().to_vec()),
                    constant("w", &[4, 1], DataType::INT64, i64::MAX.to_le_bytes().repeat(4)),
                ],
            ),
        ),
        // Circles and swarms.
        ("a circle", joined(vec![node("Add", &["x", "q"], "p"), node("Relu", &["p"], "q")], vec![])),
        (
            "a swarm of empty nodes",
            [&[0x3a, 0x80, 0x80, 0x80, 0x01][..], &[0x0a, 0].repeat(1 << 20)].concat(),
        ),
    ];
    // Many activations and parameters from a few bytes: padded again and again, one constant used again and again.
    let pads = |i: usize| node("Pad", &[&format!("x{i}"), "p"], &format!("x{}", i + 1));
    let mut padded: Vec<NodeProto> = (0..200).map(pads).collect();
    padded[0].input[0] = "x".into();
    padded.push(node("Relu", &["x200"], "y"));
    cases.push(("Pad again and again", model(&[4], padded, vec![integers("p", &[0, 1 << 20, 0, 0])])));
    let squared = |i: usize| node("MatMul", &[&format!("x{i}"), "v"], &format!("x{}", i + 1));
    let mut products: Vec<NodeProto> = (0..3000).map(squared).collect();
    products[0].input[0] = "x".into();
    products.push(node("Relu", &["x3000"], "y"));
    cases.push(("one matrix three thousand times", model(&[512], products, vec![floats("v", &[512, 512])])));
    let repeated = |op: &str, inputs: &[&str], count: usize| -> Vec<NodeProto> {
        (0..count).map(|i| node(op, inputs, &format!("k{i}"))).collect()
    };
    cases.push((
        "ConstantOfShape again and again",
        joined(repeated("ConstantOfShape", &["s"], 2000), vec![integers("s", &[1 << 22])]),
    ));
    cases.push(("Neg again and again", joined(repeated("Neg", &["a0"], 5000), vec![zeros(1 << 17)])));
    cases.into_iter().map(|(name, bytes)| (name.to_owned(), bytes)).collect()
}

fn import(name: &str, bytes: Vec<u8>) -> Result<(), String> {
    let length = bytes.len();
    let read = || match onnx::import(bytes, None) {
        Ok(import) => simplify(&import.ann).map(|_| ()).map_err(|error| error.to_string()),
        Err(error) => Err(error.to_string()),
    };
    let (result, taken) = counting::taken(read);
    let allowed = MOST + 8 * length;
    assert!(taken <= allowed, "{name}: {taken} bytes for a file of {length}; allowed are {allowed}");
    println!("{name}: {taken} bytes for a file of {length}: {result:.160?}");
    result
}

/// Two hundred constants that are the same 16 MiB of a file beside the net, whole.
fn overlapping() {
    let entry =
        |key: &str, value: &str| StringStringEntryProto { key: Some(key.into()), value: Some(value.into()) };
    let one = |i: usize| TensorProto {
        name: Some(format!("q{i}")),
        dims: vec![1 << 22],
        data_type: Some(DataType::FLOAT),
        external_data: vec![entry("location", &("./".repeat(i) + "blob"))],
        data_location: Some(DataLocation::EXTERNAL),
        ..Default::default()
    };
    let constants = (0..200).map(one).collect();
    let bytes = beside(vec![], constants);
    let length = 16 << 20;
    let open = |_: &str| Ok(vec![0; length]);
    let (result, taken) = counting::taken(|| onnx::import(bytes, Some(&open)).map(|_| ()));
    let allowed = MOST + 8 * length;
    assert!(taken <= allowed, "one place of a file under many names: {taken} bytes; allowed are {allowed}");
    let error = result.unwrap_err().to_string();
    assert!(error.contains("constants that lie in other files"), "{error}");
}

#[test]
fn hostile_onnx_files_of_every_kind_are_refused_within_memory_that_their_length_justifies() {
    let read: Vec<String> = cases()
        .into_iter()
        .filter_map(|(name, bytes)| import(&name, bytes).is_ok().then_some(name))
        .collect();
    // Large weights are numbers like others, and no output needs the nodes of the circle.
    assert_eq!(read, ["weights of 64 bits far apart", "a circle"]);
    overlapping();
    // As many positions along an axis as there may be.
    for (mode, times) in [("nearest", 1 << 18), ("linear", 1 << 18)] {
        assert_eq!(import(mode, resized(mode, times)), Ok(()));
    }
    // What is computed may be held, copied into weights, and folded with what is before and behind them: all within the limit.
    let of = |rows: i64| {
        let layer = |i: usize| {
            let (x, a, b, c) = (format!("x{i}"), format!("a{i}"), format!("b{i}"), format!("x{}", i + 1));
            [node("Mul", &[&x, "v"], &a), node("MatMul", &[&a, "wide"], &b), node("Mul", &[&b, "v"], &c)]
        };
        let mut nodes = vec![node("Expand", &["row", "s"], "wide")];
        nodes.extend((0..2).flat_map(layer));
        nodes[1].input[0] = "x".into();
        nodes.push(node("Relu", &["x2"], "y"));
        let row = floats("row", &[1, rows]);
        model(&[rows], nodes, vec![row, floats("v", &[rows]), integers("s", &[rows, rows])])
    };
    assert_eq!(import("an expanded weight, used twice", of(1700)), Ok(()));
    assert!(import("an expanded weight of 16 MiB", of(2048)).is_err());
    // What is large and shared is not refused: a constant of a megabyte that five thousand nodes only view otherwise.
    let views = (0..5000)
        .map(|i| node(["Identity", "Flatten", "Dropout"][i % 3], &["big"], &format!("k{i}")))
        .collect();
    let big = constant("big", &[1, 1 << 17], DataType::INT64, vec![0; 8 << 17]);
    assert_eq!(import("views of one constant", beside(views, vec![big])), Ok(()));
}
