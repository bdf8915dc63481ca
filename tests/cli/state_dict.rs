//! State dicts on the command line: `--layers`, what is said without it, and the same network as from ONNX.

use std::io::Read;

use flate2::read::GzDecoder;
use snn_formats::{NetFile, Source};

use crate::{file, printed, snn_event};

const NET: &str = "converter/tests/data/state_dict";

/// The layers of the shared perceptrons, under the names of their ONNX files.
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

#[test]
fn a_state_dict_with_its_list_becomes_a_network_that_passes_check() {
    let folder = tempfile::tempdir().unwrap();
    for model in ["residual.pt", "mixed.safetensors"] {
        let convert = format!(
            "convert --model @{NET}/{model} --layers @{NET}/residual.toml --calib @{NET}/x.npy --out %net.bin"
        );
        let text = printed(folder.path(), &convert);
        assert!(text.contains("shortcut") && !text.contains("no layer uses"), "{text}");
        let text = printed(folder.path(), &format!("check --net %net.bin --T 16 --input @{NET}/x.npy"));
        assert!(text.starts_with("equal: 4 samples"), "{text}");
        let provenance = NetFile::open(folder.path().join("net.bin"), Source::Read).unwrap();
        let provenance = provenance.description.provenance;
        assert_eq!(provenance["layers"]["file"], "residual.toml");
        assert_eq!(provenance["model"]["file"], model);
    }
}

#[test]
fn the_mnist_perceptron_as_pytorch_or_safetensors_file_is_the_network_of_its_onnx_file_by_bits() {
    let shared = file("../shared/data");
    if !shared.is_dir() {
        println!("skipped: {} is not there", shared.display());
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    std::fs::write(at("layers.toml"), PERCEPTRON).unwrap();
    let calib = "--calib @../shared/data/mnist_x_calib.npy";
    printed(
        folder.path(),
        &format!("convert --model @../shared/data/nets/mlp-bias-p90.onnx {calib} --out %onnx.bin"),
    );
    // Every section with its length and its checksum: the whole network, names among it.
    let sections = |name: &str| format!("{:?}", NetFile::open(at(name), Source::Read).unwrap().sections);
    let expected = sections("onnx.bin");
    assert!(expected.len() > 100, "{expected}");
    for ending in ["pt", "safetensors"] {
        let packed = std::fs::read(shared.join(format!("nets/mlp-bias-p90.{ending}.gz"))).unwrap();
        let mut plain = vec![];
        GzDecoder::new(&packed[..]).read_to_end(&mut plain).unwrap();
        std::fs::write(at(&format!("net.{ending}")), plain).unwrap();
        printed(
            folder.path(),
            &format!("convert --model %net.{ending} --layers %layers.toml {calib} --out %{ending}.bin"),
        );
        assert_eq!(sections(&format!("{ending}.bin")), expected, "{ending}");
    }
    // What is proposed without a list makes the same weights.
    let output = snn_event(folder.path(), "convert --model %net.pt --out %out.bin").assert().code(1);
    let error = String::from_utf8_lossy(&output.get_output().stderr).into_owned();
    assert!(error.contains("net.pt") && error.contains("net.6.weight [10, 1200] f32"), "{error}");
    let (_, list) = error.split_once("layers.toml:\n\n").unwrap();
    std::fs::write(at("proposed.toml"), list).unwrap();
    printed(
        folder.path(),
        &format!("convert --model %net.pt --layers %proposed.toml {calib} --out %proposed.bin"),
    );
    let bits = |name: &str| {
        NetFile::open(at(name), Source::Read).unwrap().sections.iter().map(|s| s.crc32).collect::<Vec<_>>()
    };
    assert_eq!(bits("proposed.bin"), bits("onnx.bin"));
    assert!(!at("out.bin").exists());
}

#[test]
fn wrong_use_of_layer_lists_gets_its_error_and_exit_status() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &[u8]| std::fs::write(folder.path().join(name), text).unwrap();
    write("bad.toml", b"input = [2, 7, 6]\n[[layer]]\nkind = 'linear'\nweights = 'fx'\nactivation = 'relu'");
    write("torn.toml", b"input = [2, 7");
    write("noise.toml", &[0xff; 9]);
    write("unused.toml", b"input = [16]\n[[layer]]\nkind = 'linear'\nweights = 'fc'");
    let model = format!("convert --model @{NET}/residual.pt");
    let onnx = "convert --model @examples/mnist/mlp300-p90.onnx --normalise none";
    let table: &[(&str, i32, &[&str])] = &[
        (&format!("{model} --out %out.bin"), 1, &["residual.pt", "--layers", "stem.weight [6, 2, 3, 3] f32"]),
        (
            &format!("{model} --layers %bad.toml --out %out.bin"),
            1,
            &[
                "bad.toml",
                "residual.pt",
                "2 reasons",
                "layer 1 (linear)",
                "`activation`",
                "`fx.weight`",
                "`fc.weight`",
            ],
        ),
        (&format!("{model} --layers %torn.toml --out %out.bin"), 1, &["torn.toml", "line 1"]),
        (&format!("{model} --layers %noise.toml --out %out.bin"), 1, &["noise.toml", "UTF-8"]),
        (&format!("{model} --layers %none.toml --out %out.bin"), 1, &["none.toml"]),
        (&format!("{onnx} --layers %bad.toml --out %out.bin"), 2, &["--layers", "mlp300-p90.onnx"]),
        (
            &format!("convert --model @{NET}/legacy.pt --layers %bad.toml --out %out.bin"),
            1,
            &["legacy.pt", "version 1.6"],
        ),
        ("convert --model %none.pth --layers %bad.toml --out %out.bin", 1, &["none.pth"]),
        ("convert --model %noise.toml --layers %bad.toml --out %out.bin", 1, &[".safetensors", ".pth"]),
    ];
    for (line, status, parts) in table {
        let output = snn_event(folder.path(), line).output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(*status), "{line}\n{error}");
        parts
            .iter()
            .for_each(|part| assert!(error.contains(part), "no {part:?} in the error of\n{line}\n{error}"));
        assert!(!error.contains("panicked") && !folder.path().join("out.bin").exists(), "{line}\n{error}");
    }
    let line = format!("{model} --layers %unused.toml --normalise none --out %out.bin");
    let text = printed(folder.path(), &line);
    assert!(
        text.contains("note: tensors that no layer uses:") && text.contains("`first.weight_mask`"),
        "{text}"
    );
}
