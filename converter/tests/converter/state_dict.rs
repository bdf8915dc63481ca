//! State dicts with layer lists: nets that PyTorch judges, lists and files that are wrong.

use crate::shared;
use flate2::read::GzDecoder;
use snn_converter::ann::{Ann, Op};
use snn_converter::forward::logits;
use snn_converter::import::state_dict::{LayerList, StateDict, StateDictError, import};
use snn_converter::import::{Fault, Import, onnx};
use snn_converter::simplify::simplify;
use std::io::{Cursor, Read, Write};
use std::path::{Path, PathBuf};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

/// A net of convolutions, normalisations, a residual, poolings and a quantised activation, with what PyTorch says that
/// it computes.
fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/state_dict").join(name)
}

fn residual_list() -> String {
    std::fs::read_to_string(fixture("residual.toml")).unwrap()
}

fn read(path: &Path, list: &str) -> Result<Import, StateDictError> {
    import(&StateDict::read(path).unwrap(), LayerList::parse(list).unwrap())
}

fn array(name: &str) -> Vec<f32> {
    snn_formats::npy::read(fixture(name)).unwrap().into_f32().unwrap()
}

/// The faults of a list for a file.
fn faults(path: &Path, list: &str) -> Vec<Fault> {
    match read(path, list) {
        Err(StateDictError::Faults(faults)) => faults,
        Err(other) => panic!("{list}\n{other}"),
        Ok(_) => panic!("was read:\n{list}"),
    }
}

/// A file in a folder of its own that vanishes with it.
fn file(bytes: &[u8]) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(bytes).unwrap();
    file
}

/// A safetensors file of a header and numbers.
fn safetensors(header: &str, numbers: &[u8]) -> Vec<u8> {
    [&(header.len() as u64).to_le_bytes(), header.as_bytes(), numbers].concat()
}

/// A PyTorch file of a pickle and one storage.
fn torch(pickle: &[u8], storage: &[u8], packing: CompressionMethod) -> Vec<u8> {
    archive(&[("net/data.pkl", pickle), ("net/data/0", storage), ("net/version", b"3\n")], packing)
}

fn archive(entries: &[(&str, &[u8])], packing: CompressionMethod) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(packing);
    for &(name, bytes) in entries {
        zip.start_file(name, options).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

#[test]
fn a_residual_net_computes_what_pytorch_computes() {
    let Import { ann, notes, .. } = read(&fixture("residual.pt"), &residual_list()).unwrap();
    assert_eq!(notes, [""; 0]);
    let (x, expected) = (array("x.npy"), array("logits.npy"));
    for ann in [ann.clone(), simplify(&ann).unwrap()] {
        let found = logits(&ann, &x).unwrap();
        for (found, expected) in found.iter().zip(&expected) {
            assert!((found - expected).abs() < 1e-4, "{found} for {expected}");
        }
        assert_eq!(found.len(), expected.len());
    }
    let kinds: Vec<&str> = ann.nodes().iter().map(|node| node.op.kind()).collect();
    assert_eq!(kinds.iter().filter(|&&kind| kind == "Conv").count(), 4);
    // Pruned by torch.nn.utils.prune: half of the weights are zeros.
    let Op::Conv(conv) = &ann.node(ann.find("first").unwrap()).op else { panic!("{ann}") };
    assert_eq!(conv.weights.iter().filter(|&&weight| weight == 0.0).count(), conv.weights.len() / 2);
}

#[test]
fn every_kind_of_file_and_of_number_gives_the_same_net_by_bits() {
    let judge =
        logits(&read(&fixture("residual.pt"), &residual_list()).unwrap().ann, &array("x.npy")).unwrap();
    let nested = format!("prefix = \"state_dict\"\n{}", residual_list());
    for (name, list) in
        [("mixed.pt", &residual_list()), ("mixed.safetensors", &residual_list()), ("checkpoint.pth", &nested)]
    {
        let Import { ann, notes, .. } = read(&fixture(name), list).unwrap();
        let found = logits(&ann, &array("x.npy")).unwrap();
        assert!(found.iter().map(|x| x.to_bits()).eq(judge.iter().map(|x| x.to_bits())), "{name}");
        assert_eq!(notes, [""; 0], "{name}");
    }
}

#[test]
fn strides_are_followed_and_views_that_repeat_are_refused() {
    let linear = |weights: &str, inputs: usize| {
        let list = format!("input = [{inputs}]\n[[layer]]\nkind = 'linear'\nweights = '{weights}'");
        let ann = read(&fixture("strides.pt"), &list).unwrap().ann;
        let Op::Linear(linear) = &ann.nodes()[1].op else { panic!("{ann}") };
        linear.weights.values().to_vec()
    };
    assert_eq!(linear("turned", 3), [0., 4., 8., 1., 5., 9., 2., 6., 10., 3., 7., 11.]);
    assert_eq!(linear("part", 2), [6., 7., 10., 11.]);
    let error = StateDict::read(&fixture("views.pt")).unwrap_err().to_string();
    assert!(error.contains("`row.weight` of shape [300, 4000]") && error.contains("contiguous"), "{error}");
    let error = StateDict::read(&fixture("sparse.pt")).unwrap_err().to_string();
    assert!(
        error.contains("`fc.weight` (torch.sparse_csr)") && error.contains("`fc.weight.crow_indices`"),
        "{error}"
    );
    let error = StateDict::read(&fixture("layouts.pt")).unwrap_err().to_string();
    let layouts =
        ["`a.weight` (torch.sparse_coo)", "`b.weight` (torch.sparse_csr)", "`d.weight` (torch.sparse_csc)"];
    assert!(error.contains(&layouts.join(", ")) && error.contains("`a.weight`.to_dense()"), "{error}");
    assert!(!error.contains("c.weight"), "{error}");
    let error = StateDict::read(&fixture("legacy.pt")).unwrap_err().to_string();
    assert!(error.contains("before version 1.6") && error.contains("state_dict()"), "{error}");
}

/// The layer list of the perceptrons with 784-1200-1200-10 neurons, under the names that their ONNX files have.
const PERCEPTRON: &str = "input = [784]
[[layer]]
kind = 'linear'\nweights = 'net.0'\nname = '/net/net.0/Gemm'
[[layer]]
kind = 'relu'\nname = '/net/net.1/Relu'
[[layer]]
kind = 'linear'\nweights = 'net.3'\nname = '/net/net.3/Gemm'
[[layer]]
kind = 'relu'\nname = '/net/net.4/Relu'
[[layer]]
kind = 'linear'\nweights = 'net.6'\nname = '/net/net.6/Gemm'";

fn numbers(ann: &Ann) -> Vec<(String, Vec<u32>)> {
    let bits = |numbers: &[f32]| numbers.iter().map(|number| number.to_bits()).collect();
    let of = |op: &Op| match op {
        Op::Linear(linear) => {
            [bits(linear.weights.values()), linear.bias.as_deref().map_or(vec![], bits)].concat()
        }
        _ => vec![],
    };
    ann.nodes().iter().map(|node| (node.name.clone(), of(&node.op))).collect()
}

#[test]
fn real_perceptrons_have_the_weights_of_their_onnx_files_by_bits() {
    let Some(folder) = shared::folder("nets") else { return };
    let plain = |name: &str| {
        let mut bytes = vec![];
        GzDecoder::new(&std::fs::read(folder.join(name)).unwrap()[..]).read_to_end(&mut bytes).unwrap();
        file(&bytes)
    };
    let judge = onnx::read(&folder.join("mlp-bias-p90.onnx")).unwrap().ann;
    for name in ["mlp-bias-p90.pt.gz", "mlp-bias-p90.safetensors.gz"] {
        let Import { ann, notes, .. } = read(plain(name).path(), PERCEPTRON).unwrap();
        assert!(numbers(&ann) == numbers(&judge), "{name}");
        assert_eq!(notes, [""; 0], "{name}");
    }
    // 95 % of 784·1200 + 1200·1200 + 1200·10 weights are zeros; the first thousand images are known to the net.
    let ann = read(plain("mlp-nobias-p95.safetensors.gz").path(), PERCEPTRON).unwrap().ann;
    let zeros: usize = ann
        .nodes()
        .iter()
        .filter_map(|node| match &node.op {
            Op::Linear(linear) if linear.bias.is_none() => Some(linear.weights.values()),
            _ => None,
        })
        .map(|weights| weights.iter().filter(|&&weight| weight == 0.0).count())
        .sum();
    assert_eq!(zeros, 2_392_800 - 119_640);
    let images = shared::images("mlp", 200);
    let labels = snn_formats::npy::read(shared::folder("").unwrap().join("mnist_y_test.npy")).unwrap();
    let labels = labels.into_labels().unwrap();
    let found = logits(&ann, &images).unwrap();
    let right = found
        .chunks(10)
        .zip(labels)
        .filter(|(row, label)| row.iter().all(|x| *x <= row[*label as usize]))
        .count();
    assert!(right >= 190, "{right} of 200");
}

#[test]
fn everything_that_is_wrong_with_a_list_is_told_at_once() {
    let list = "inputs = [2, 7, 6]
        [[layer]]
        kind = 'conv'\nweights = 'stam'\nstrid = 2
        [[layer]]
        kind = 'gelu'\nanything = 1
        [[layer]]
        name = 'x'\nweights = 'fc'
        [[layer]]
        kind = 'relu'\nfrom = ['nobody', 'x']
        [[layer]]
        kind = 'linear'\nweights = 'fc'\nname = 'x'";
    let found: Vec<String> = faults(&fixture("residual.pt"), list).iter().map(Fault::to_string).collect();
    let expected: [&[&str]; 8] = [
        &["the list:", "`input` is missing", "[1, 28, 28]"],
        &["the list:", "`inputs`", "`input`, `prefix`, `layer`"],
        &["layer 1 (conv):", "`strid`", "`stride`"],
        &["layer 1 (conv):", "no tensor `stam.weight`", "`stem.weight`"],
        &["layer 2 (gelu):", "not known", "relu, relu6"],
        &["layer 3 `x`:", "`kind` is missing", "linear"],
        &["layer 4 (relu):", "`nobody`", "`input`, `x`"],
        &["layer 5 `x` (linear):", "`name` is taken"],
    ];
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    for (found, parts) in found.iter().zip(expected) {
        parts.iter().for_each(|part| assert!(found.contains(part), "no {part:?} in {found}"));
    }
}

#[test]
fn each_wrong_list_is_refused_with_its_layer_what_was_found_and_what_is_allowed() {
    let table: &[(&str, &[&str])] = &[
        ("", &["the list", "no layers", "`[[layer]]`"]),
        ("layer = []", &["the list", "`layer` is []"]),
        ("layer = [1]", &["layer 1", "is 1", "`[[layer]]`"]),
        ("[layer]\nkind = 'relu'", &["double brackets"]),
        ("prefix = 3\n[[layer]]\nkind = 'relu'", &["`prefix` is 3", "texts"]),
        ("[[layer]]\nkind = 3", &["layer 1", "`kind` is 3"]),
        ("[[layer]]\nkind = 'dropout'", &["layer 1 (dropout)", "leave this layer out"]),
        ("[[layer]]\nkind = 'linear'", &["`weights` is missing"]),
        ("[[layer]]\nkind = 'linear'\nweights = 'fc'", &["take [16] inputs", "[2, 7, 6]", "flatten"]),
        ("[[layer]]\nkind = 'linear'\nweights = 'stem'", &["[6, 2, 3, 3]", "[out, in]"]),
        (
            "[[layer]]\nkind = 'linear'\nweights = 'second'\nbias = true",
            &["no tensor `second.bias`", "`second.weight`"],
        ),
        ("[[layer]]\nkind = 'linear'\nweights = 'fc'\nbias = 'yes'", &["`bias` is \"yes\"", "true"]),
        ("[[layer]]\nkind = 'conv'\nweights = 'fc'", &["[5, 16]", "[out, in / groups, height, width]"]),
        ("[[layer]]\nkind = 'conv'\nweights = 'first'", &["take 3 channels", "[2, 7, 6]"]),
        ("[[layer]]\nkind = 'conv'\nweights = 'stem'\ngroups = 0", &["`groups` is 0"]),
        (
            "[[layer]]\nkind = 'conv'\nweights = 'first'\ngroups = 9223372036854775807",
            &["`groups` is 9223372036854775807"],
        ),
        ("[[layer]]\nkind = 'conv'\nweights = 'stem'\nstride = 0", &["stride [0, 0]", "at least 1"]),
        ("[[layer]]\nkind = 'conv'\nweights = 'stem'\nstride = -1", &["`stride` is -1"]),
        (
            "[[layer]]\nkind = 'conv'\nweights = 'stem'\nstride = [1, 1, 1]",
            &["`stride` is [1, 1, 1]", "a list of 2"],
        ),
        ("[[layer]]\nkind = 'conv'\nweights = 'stem'\npadding = 'full'", &["`padding` is \"full\""]),
        (
            "[[layer]]\nkind = 'conv'\nweights = 'stem'\npadding = 'same'\nstride = 2",
            &["stride [2, 2]", "stride 1"],
        ),
        ("[[layer]]\nkind = 'conv'\nweights = 'stem'\ndilation = 9", &["19", "does not fit"]),
        (
            "[[layer]]\nkind = 'conv'\nweights = 'stem'\ndilation = 9223372036854775807\npadding = 'same'",
            &["exceeds the limit of 16777216"],
        ),
        ("[[layer]]\nkind = 'batchnorm'\nweights = 'stem_bn'", &["6 numbers", "[2, 7, 6]"]),
        (
            "[[layer]]\nkind = 'batchnorm'\nweights = 'stem'",
            &["no tensor `stem.running_mean`", "no tensor `stem.bias`"],
        ),
        ("[[layer]]\nkind = 'batchnorm'\nweights = 'stem_bn'\neps = -1.0", &["`eps` is -1"]),
        ("[[layer]]\nkind = 'batchnorm'\nweights = 'stem_bn'\neps = nan", &["`eps` is nan", "finite"]),
        ("[[layer]]\nkind = 'affine'\nscale = [1.0, 2.0, 3.0]", &["3 numbers as factor", "1, 2 or 84"]),
        ("[[layer]]\nkind = 'affine'\nscale = []", &["`scale` is []"]),
        ("[[layer]]\nkind = 'affine'\nscale = 'none'", &["no tensor `none`"]),
        (
            "[[layer]]\nkind = 'affine'\nscale = 'stem_bn.num_batches_tracked'",
            &["type i64", "f16, bf16, f32 and f64"],
        ),
        ("[[layer]]\nkind = 'clip'", &["`max` is missing"]),
        ("[[layer]]\nkind = 'clip'\nmax = -1", &["upper bound -1"]),
        ("[[layer]]\nkind = 'qcfs'\nlevels = 0\ntheta = 1.0", &["`levels` is 0"]),
        ("[[layer]]\nkind = 'qcfs'\nlevels = 4294967296\ntheta = 1.0", &["`levels` is 4294967296"]),
        ("[[layer]]\nkind = 'qcfs'\nlevels = 4\ntheta = 'fc.bias'", &["`theta` has 5 numbers"]),
        ("[[layer]]\nkind = 'qcfs'\nlevels = 4\ntheta = -1", &["θ = -1"]),
        ("[[layer]]\nkind = 'qcfs'", &["`levels` is missing", "`theta` is missing"]),
        ("[[layer]]\nkind = 'avgpool'", &["`kernel` is missing"]),
        ("[[layer]]\nkind = 'avgpool'\nkernel = 9", &["9 does not fit"]),
        ("[[layer]]\nkind = 'avgpool'\nkernel = 2\npadding = 3", &["wholly in the padding"]),
        (
            "[[layer]]\nkind = 'flatten'\n[[layer]]\nkind = 'maxpool'\nkernel = 2",
            &["layer 2", "[84]", "[c, h, w]"],
        ),
        (
            "[[layer]]\nkind = 'maxpool'\nkernel = 2\ncount_include_pad = true",
            &["`count_include_pad`", "`ceil_mode`"],
        ),
        ("[[layer]]\nkind = 'view'\nshape = [2, 41]", &["[2, 7, 6]", "[2, 41]"]),
        ("[[layer]]\nkind = 'view'\nshape = [0]", &["`shape`", "extent of 0"]),
        ("[[layer]]\nkind = 'transpose'\nperm = [0, 0, 1]", &["[0, 0, 1]", "permute"]),
        ("[[layer]]\nkind = 'pad'\nbefore = [0]\nafter = [0]", &["[0]", "[2, 7, 6]"]),
        ("[[layer]]\nkind = 'add'", &["Add does not take 1"]),
        ("[[layer]]\nkind = 'add'\nfrom = []", &["`from` is []", "list of names"]),
        ("[[layer]]\nkind = 'concat'\nfrom = ['input', 'input']\naxis = 3", &["no axis 3"]),
        ("[[layer]]\nkind = 'relu'\nname = 'input'", &["`name` is taken"]),
        ("[[layer]]\nkind = 'relu'\nname = ''", &["`name` is empty"]),
        (
            "[[layer]]\nkind = 'relu'\nfrom = 'later'\n[[layer]]\nkind = 'relu'\nname = 'later'",
            &["`later`", "no layer before"],
        ),
        (
            "[[layer]]\nkind = 'relu'\nname = 'lost'\n[[layer]]\nkind = 'relu'\nfrom = 'input'",
            &["layer 1 `lost` (relu)", "no layer takes"],
        ),
    ];
    for (list, parts) in table {
        let text = format!("input = [2, 7, 6]\n{list}");
        let error = StateDictError::Faults(faults(&fixture("residual.pt"), &text)).to_string();
        parts.iter().for_each(|part| assert!(error.contains(part), "no {part:?} for\n{list}\n{error}"));
    }
    for (input, part) in
        [("[]", "at least one axis"), ("[0]", "extent of 0"), ("'x'", "lists"), ("[9999999999]", "more than")]
    {
        let text = format!("input = {input}\n[[layer]]\nkind = 'relu'");
        let error = StateDictError::Faults(faults(&fixture("residual.pt"), &text)).to_string();
        assert!(error.contains(part), "{input}: {error}");
    }
    let error = LayerList::parse("input = [1\n[[layer").unwrap_err().to_string();
    assert!(error.contains("line"), "{error}");
    assert!(LayerList::parse(&"[".repeat(1 << 23)).is_err());
    assert!(LayerList::parse(&format!("x = {}", "[".repeat(1 << 19))).is_err());
}

#[test]
fn the_lists_of_the_documentation_are_right_but_for_the_tensors() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/layer-list.md");
    let text = std::fs::read_to_string(path).unwrap();
    let lists: Vec<&str> =
        text.split("```toml\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    assert_eq!(lists.len(), 3);
    for list in lists {
        let faults = faults(&fixture("residual.pt"), list);
        assert!(faults.iter().all(|fault| fault.what.contains("the file has no tensor")), "{faults:#?}");
    }
}

#[test]
fn tensors_that_no_layer_uses_and_numbers_that_were_rounded_are_noted() {
    let list = "input = [3]\n[[layer]]\nkind = 'linear'\nweights = 'part'";
    let error = faults(&fixture("strides.pt"), list);
    assert!(error[0].what.contains("take [2] inputs"), "{error:?}");
    let notes = read(&fixture("strides.pt"), &list.replace("[3]", "[2]")).unwrap().notes;
    assert_eq!(notes, ["tensors that no layer uses: `turned.weight`"]);

    let list = "input = [2]\n[[layer]]\nkind = 'linear'\nweights = ''";
    let net = |value: f64| {
        let header = "{\"weight\":{\"dtype\":\"F64\",\"shape\":[1,2],\"data_offsets\":[0,16]}}";
        file(&safetensors(header, &[1f64.to_le_bytes(), value.to_le_bytes()].concat()))
    };
    assert_eq!(read(net(0.5).path(), list).unwrap().notes, [""; 0]);
    assert_eq!(
        read(net(0.1).path(), list).unwrap().notes,
        ["numbers rounded from f64 to f32: `weight` (1 of 2)"]
    );
    for (bad, part) in [(1e39, "1e39"), (1e39, "340282"), (f64::NAN, "NaN"), (f64::INFINITY, "inf")] {
        let what = &faults(net(bad).path(), list)[0].what;
        assert!(what.contains(part) || what.contains("1000000000"), "{bad}: {what}");
        assert!(what.contains("`weight` has") && what.contains("at place 1"), "{what}");
    }
}

#[test]
fn without_a_list_the_tensors_are_listed_and_a_plain_stack_is_proposed() {
    let net = |layers: &[(&str, usize, usize)]| {
        let mut header = vec![];
        let mut end = 0;
        for (name, outputs, inputs) in layers {
            let (weights, biases) = (end + 4 * outputs * inputs, end + 4 * outputs * inputs + 4 * outputs);
            header.push(format!("\"{name}.weight\":{{\"dtype\":\"F32\",\"shape\":[{outputs},{inputs}],\"data_offsets\":[{end},{weights}]}}"));
            header.push(format!("\"{name}.bias\":{{\"dtype\":\"F32\",\"shape\":[{outputs}],\"data_offsets\":[{weights},{biases}]}}"));
            end = biases;
        }
        file(&safetensors(&format!("{{{}}}", header.join(",")), &vec![0; end]))
    };
    let stack = net(&[("net.10", 2, 4), ("net.9", 4, 3)]);
    let text = StateDict::read(stack.path()).unwrap().request();
    for part in ["write the layers down in a layer list", "net.9.weight [4, 3] f32", "net.10.bias [2] f32"] {
        assert!(text.contains(part), "no {part:?} in\n{text}");
    }
    // What is proposed can be saved and makes the net.
    let (_, list) = text.split_once("layers.toml:\n\n").unwrap();
    let ann = read(stack.path(), list).unwrap().ann;
    let kinds: Vec<_> = ann.nodes().iter().map(|node| (&node.name[..], node.op.kind())).collect();
    assert_eq!(kinds, [("input", "Input"), ("net.9", "Linear"), ("relu2", "Relu"), ("net.10", "Linear")]);

    for other in [net(&[("a", 4, 3), ("b", 2, 5)]).path(), &fixture("residual.pt")] {
        let text = StateDict::read(other).unwrap().request();
        assert!(text.contains("no list is proposed") && !text.contains("[[layer]]"), "{text}");
    }
}

#[test]
fn damaged_files_of_every_kind_are_refused_or_read_but_never_panic() {
    let list = residual_list();
    for name in ["residual.pt", "mixed.safetensors", "legacy.pt"] {
        let good = std::fs::read(fixture(name)).unwrap();
        for length in (0..good.len()).step_by(if good.len() > 1000 { 13 } else { 1 }) {
            assert!(StateDict::read(file(&good[..length]).path()).is_err(), "{name} cut to {length} bytes");
        }
        let mut long = good.clone();
        long.push(0);
        if name.ends_with("safetensors") {
            assert!(StateDict::read(file(&long).path()).is_err());
        }
        // A flipped bit of a weight is another weight in a safetensors file, which has no checksum.
        let mut read_after_all = 0;
        for place in (0..good.len()).step_by(3) {
            let mut bad = good.clone();
            bad[place] ^= 1 << (place % 8);
            let bad = file(&bad);
            if let Ok(tensors) = StateDict::read(bad.path()) {
                tensors.request();
                read_after_all += usize::from(import(&tensors, LayerList::parse(&list).unwrap()).is_ok());
            }
        }
        match name {
            "legacy.pt" => assert_eq!(read_after_all, 0),
            "mixed.safetensors" => assert!(read_after_all > 0),
            _ => {}
        }
    }
}

#[test]
fn hostile_files_are_refused_at_the_door() {
    let header = |entry: &str| safetensors(&format!("{{\"a\":{entry}}}"), &[0; 8]);
    let most = u64::MAX;
    let mut overflow = String::from("{");
    let part = (1u64 << 61) - 1;
    for i in 0..8 {
        let (first, end) = (i * part, (i + 1) * part);
        overflow +=
            &format!("\"t{i}\":{{\"dtype\":\"U8\",\"shape\":[{part}],\"data_offsets\":[{first},{end}]}},");
    }
    overflow +=
        &format!("\"t8\":{{\"dtype\":\"U8\",\"shape\":[7],\"data_offsets\":[{},{most}]}}}}", 8 * part);
    let deep = |byte: &[u8], count: usize| [b"\x80\x02", &byte.repeat(count)[..], b"."].concat();
    let stored = CompressionMethod::Stored;
    let shell = b"\x80\x02cposix\nsystem\nX\x0a\x00\x00\x00touch here\x85R.";
    let table: Vec<(&str, Vec<u8>, &str)> = vec![
        ("nothing", vec![], "0 bytes"),
        ("a header that is not there", most.to_le_bytes().to_vec(), "stated"),
        (
            "a header that is too long",
            [&(3u64 << 20).to_le_bytes()[..], &vec![b' '; 3 << 20]].concat(),
            "allowed are 1048576",
        ),
        ("offsets that overflow", safetensors(&overflow, &[0; 7]), "stated"),
        (
            "a shape that overflows",
            header(&format!("{{\"dtype\":\"F32\",\"shape\":[{most},{most}],\"data_offsets\":[0,8]}}")),
            "verflow",
        ),
        (
            "offsets behind the end",
            header("{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[0,16]}"),
            "16 bytes",
        ),
        ("a gap", header("{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}"), "nvalid"),
        (
            "another type",
            header("{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,8]}"),
            "no sound safetensors",
        ),
        ("deep JSON", safetensors(&format!("{{\"a\":{}", "[".repeat(1 << 19)), &[]), "recursion"),
        ("a packed pickle", torch(&deep(b"]", 1 << 24), &[], CompressionMethod::Deflated), "is packed"),
        ("a long pickle", torch(&deep(b"]", 1 << 22), &[], stored), "allowed are 1048576"),
        ("a deep pickle", torch(&deep(b"\x85", 1 << 19), &[], stored), "no sound PyTorch"),
        (
            "a deeper pickle",
            torch(&[b"\x80\x02N", &b"\x85".repeat(1 << 19)[..], b"."].concat(), &[], stored),
            "nesting",
        ),
        // Each round doubles what the last one held, if copies are made.
        (
            "a pickle that doubles",
            torch(&[b"\x80\x02]", &b"2\x86".repeat(1 << 19)[..], b"."].concat(), &[], stored),
            "no sound PyTorch",
        ),
        ("a pickle that calls a shell", torch(shell, &[], stored), ""),
        ("no pickle", torch(b"", &[], stored), "no sound PyTorch"),
        ("a zip of something else", b"PK\x03\x04 and so on".to_vec(), "zip"),
    ];
    for (what, bytes, part) in table {
        let error = StateDict::read(file(&bytes).path()).expect_err(what).to_string();
        assert!(error.contains(part), "{what}: {error}");
    }
    assert!(!Path::new("here").exists());
    let error = StateDict::read(Path::new("none.pt")).unwrap_err().to_string();
    assert!(error.contains("cannot be read: "), "{error}");
}

#[test]
fn programs_are_called_programs_and_the_message_says_what_to_do() {
    // Entries as torch.jit.save, torch.export.save and the one before it name them.
    let script: &[(&str, &[u8])] =
        &[("net/data.pkl", b"\x80\x02}."), ("net/code/__torch__/net.py", b"op"), ("net/constants.pkl", b"")];
    let exported: &[(&str, &[u8])] = &[("net/archive_format", b"pt2"), ("net/models/model.json", b"{}")];
    let older: &[(&str, &[u8])] = &[("serialized_exported_program.json", b"{}")];
    for (entries, parts) in [
        (script, ["TorchScript", "state_dict()", "torch.onnx.export"]),
        (exported, ["exported program", "torch.export.load", "dynamo=True"]),
        (older, ["exported program", "torch.export.load", "dynamo=True"]),
    ] {
        let bytes = archive(entries, CompressionMethod::Deflated);
        let error = StateDict::read(file(&bytes).path()).unwrap_err().to_string();
        assert!(parts.iter().all(|part| error.contains(part)), "{error}");
    }
}
