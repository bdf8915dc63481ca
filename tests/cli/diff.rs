//! `diff`: where two networks, or two files of spikes, part.

use serde_json::json;

use crate::{printed, snn_event};

const CONVERT: &str = "convert --model @examples/mnist/mlp300-p90.onnx --calib @examples/mnist/x_calib.npy";
const SPIKES: &str = "run --input @examples/mnist/x.npy --batch-range 0:3 --T 24 --encoding poisson";

fn differs(folder: &std::path::Path, line: &str) -> serde_json::Value {
    let output = snn_event(folder, &format!("{line} --json -")).assert().code(1);
    serde_json::from_slice(&output.get_output().stdout).unwrap()
}

#[test]
fn networks_part_where_their_spikes_do_and_their_potentials_are_told() {
    let folder = tempfile::tempdir().unwrap();
    printed(folder.path(), &format!("{CONVERT} --out %one.bin"));
    printed(folder.path(), &format!("{CONVERT} --percentile 99 --out %other.bin"));
    let input = "--input @examples/mnist/x.npy --batch-range 0:3 --T 24 --encoding poisson";
    assert_eq!(printed(folder.path(), &format!("diff %one.bin %one.bin {input}")), "equal\n");
    let report = differs(folder.path(), &format!("diff %one.bin %other.bin {input}"));
    assert_eq!(report["equal"], false);
    let parting = &report["parting"];
    // Input spikes are the same; the first layer has other thresholds or weights, so it parts when the first spike reaches it.
    assert_eq!(
        (parting["sample"].as_u64(), parting["step"].as_u64().map(|step| step < 24)),
        (Some(0), Some(true))
    );
    assert!(
        parting["potentials"][0] != parting["potentials"][1] || parting["spikes"][0] != parting["spikes"][1],
        "{parting}"
    );
    // The spikes, written by either, part no earlier, and at a neuron that only one of the files has there.
    for net in ["one", "other"] {
        printed(folder.path(), &format!("{SPIKES} --net %{net}.bin --spikes %{net}.npz"));
    }
    assert_eq!(printed(folder.path(), "diff %one.npz %one.npz"), "equal\n");
    let spikes = differs(folder.path(), "diff %one.npz %other.npz")["parting"].clone();
    assert!(spikes["step"].as_u64() >= parting["step"].as_u64(), "{spikes} {parting}");
    assert!(spikes["spikes"] == json!([0, 1]) || spikes["spikes"] == json!([1, 0]), "{spikes}");
    assert!(spikes.get("potentials").is_none());
    let text = snn_event(folder.path(), "diff %one.npz %other.npz").assert().code(1);
    let text = String::from_utf8_lossy(&text.get_output().stdout).into_owned();
    assert!(text.starts_with("DIFFERENT: sample 0, step") && text.contains("no spike"), "{text}");
    // Every mode and number of threads writes the same spikes.
    printed(folder.path(), &format!("{SPIKES} --net %one.bin --mode dense --threads 1 --spikes %dense.npz"));
    printed(folder.path(), "diff %one.npz %dense.npz");
}

#[test]
fn what_cannot_be_compared_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    printed(folder.path(), "generate --sizes 784,20,10 --density 0.5 --rate 0.1 --out %small.bin");
    printed(folder.path(), &format!("{SPIKES} --net %small.bin --spikes %small.npz"));
    printed(folder.path(), &format!("{SPIKES} --net @examples/mnist/net.bin --spikes %net.npz"));
    let input = "--input @examples/mnist/x.npy --T 8";
    for (line, status, part) in [
        (format!("diff %small.bin @examples/mnist/net.bin {input}"), 1, "populations"),
        ("diff %small.npz %net.npz".into(), 1, "populations"),
        ("diff %small.bin %small.npz".into(), 2, "two kinds"),
        ("diff %small.bin @examples/mnist/net.bin".into(), 2, "--input"),
        (format!("diff %small.npz %net.npz {input}"), 2, "leave it out"),
        ("diff @examples/mnist/x.npy %small.bin --input @examples/mnist/x.npy".into(), 1, "x.npy"),
        ("diff %small.npz %none.npz".into(), 1, "none.npz"),
        ("diff %small.npz %net.npz --json %net.npz".into(), 2, "--json"),
    ] {
        let output = snn_event(folder.path(), &line).assert().code(status);
        let error = String::from_utf8_lossy(&output.get_output().stderr).into_owned();
        assert!(error.contains(part), "{line}: {error}");
    }
}
