//! What a study says of its models: layer lists, families, and samples of their own; and the shipped study.

use std::path::Path;

use serde_json::Value;
use snn_formats::write_npy;

use crate::{file, json, printed, snn_event};

const NET: &str = "converter/tests/data/state_dict";

fn lines(folder: &Path, name: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(folder.join(name)).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Two models of one family: a perceptron with the study's samples, and a state dict with its own.
fn two_models(folder: &Path) {
    write_npy(folder.join("own_y.npy"), &[4], &[0_i64, 3, 1, 4]).unwrap();
    let text = format!(
        "input = '{0}/x.npy'\nlabels = '{0}/y.npy'\ncalibration = '{0}/x_calib.npy'\nsamples = 20\nT = [4, 8]\n\
         [[model]]\nname = 'perceptron'\nfamily = 'both'\nfile = '{0}/mlp300-p90.onnx'\n\
         [[model]]\nname = 'residual'\nfamily = 'both'\nfile = '{1}/residual.pt'\nlayers = '{1}/residual.toml'\n\
         input = '{1}/x.npy'\nlabels = 'own_y.npy'\ncalibration = '{1}/x.npy'\n",
        file("examples/mnist").display(),
        file(NET).display()
    );
    std::fs::write(folder.join("study.toml"), text).unwrap();
}

#[test]
fn a_model_with_a_layer_list_and_samples_of_its_own_gives_what_it_gives_alone() {
    let folder = tempfile::tempdir().unwrap();
    two_models(folder.path());
    printed(folder.path(), "sweep %study.toml --out %results.jsonl");
    let lines = lines(folder.path(), "results.jsonl");
    let (head, rows) = lines.split_first().unwrap();
    assert_eq!(head["layers"], serde_json::json!([null, head["layers"][1]]));
    assert_eq!(head["layers"][1]["file"], "residual.toml");
    let own: Vec<&Value> =
        head["models_samples"][1].as_array().unwrap().iter().map(|of| &of["file"]).collect();
    assert_eq!(own, ["x.npy", "own_y.npy", "x.npy"]);
    assert_eq!(head["models_samples"][0], serde_json::json!([null, null, null]));
    let of =
        |row: &Value| (row["model"].clone(), row["T"].as_u64().unwrap(), row["samples"].as_u64().unwrap());
    let found: Vec<_> = rows.iter().map(of).collect();
    assert_eq!(
        found,
        [
            ("perceptron".into(), 4, 20),
            ("perceptron".into(), 8, 20),
            ("residual".into(), 4, 4),
            ("residual".into(), 8, 4)
        ]
    );
    printed(
        folder.path(),
        &format!(
            "convert --model @{NET}/residual.pt --layers @{NET}/residual.toml --calib @{NET}/x.npy --T 8 --out %net.bin"
        ),
    );
    let eval = format!("eval --net %net.bin --input @{NET}/x.npy --labels %own_y.npy --points 8 --json -");
    let eval = json(folder.path(), &eval);
    assert_eq!(rows[3]["accuracy"], eval["points"][0]["accuracy"]["share"]);
    assert_eq!(rows[3]["spikes"], eval["points"][0]["spikes"]);
    assert_eq!(rows[3]["nanojoules"], eval["energy"][0]["nanojoules"]);
    // The layer list is one of the files that the results are of.
    let other = std::fs::read_to_string(file(NET).join("residual.toml")).unwrap() + "\n# another\n";
    std::fs::write(folder.path().join("other.toml"), other).unwrap();
    let study = std::fs::read_to_string(folder.path().join("study.toml")).unwrap();
    let layers = format!("{}/residual.toml", file(NET).display());
    std::fs::write(folder.path().join("study.toml"), study.replace(&layers, "other.toml")).unwrap();
    snn_event(folder.path(), "sweep %study.toml --out %results.jsonl").assert().code(1);
    snn_event(folder.path(), "sweep %study.toml --out %other.toml").assert().code(2);
    snn_event(folder.path(), "sweep %study.toml --out %own_y.npy").assert().code(2);
}

#[test]
fn models_of_a_family_are_lines_of_the_same_figures() {
    let folder = tempfile::tempdir().unwrap();
    two_models(folder.path());
    printed(folder.path(), "sweep %study.toml --out %results.jsonl");
    assert!(lines(folder.path(), "results.jsonl")[1..].iter().all(|row| row["family"] == "both"));
    printed(folder.path(), "report --sweep %results.jsonl --out %report.html --figures %figures");
    let csv = std::fs::read_to_string(folder.path().join("figures/accuracy-steps-0-0.csv")).unwrap();
    let nets: Vec<&str> = csv.lines().skip(1).map(|line| line.split(',').next().unwrap()).collect();
    assert_eq!(nets, ["perceptron", "perceptron", "residual", "residual"]);
    assert!(!folder.path().join("figures/accuracy-steps-1-0.csv").exists(), "a figure for each model");
    // Without a family each has figures of its own.
    let study = std::fs::read_to_string(folder.path().join("study.toml")).unwrap();
    std::fs::write(folder.path().join("study.toml"), study.replace("family = 'both'\n", "")).unwrap();
    printed(folder.path(), "sweep %study.toml --out %apart.jsonl");
    printed(folder.path(), "report --sweep %apart.jsonl --out %apart.html --figures %apart");
    for place in [0, 1] {
        let csv = folder.path().join(format!("apart/accuracy-steps-{place}-0.csv"));
        assert_eq!(std::fs::read_to_string(csv).unwrap().lines().count(), 3);
    }
}

#[test]
fn wrong_models_of_a_study_are_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    two_models(folder.path());
    let study = std::fs::read_to_string(folder.path().join("study.toml")).unwrap();
    let refused = |from: &str, to: &str, part: &str| {
        assert!(study.contains(from), "{from}");
        std::fs::write(folder.path().join("wrong.toml"), study.replace(from, to)).unwrap();
        let _ = std::fs::remove_file(folder.path().join("wrong.jsonl"));
        let output = snn_event(folder.path(), "sweep %wrong.toml --out %wrong.jsonl").assert().code(1);
        let error = String::from_utf8_lossy(&output.get_output().stderr).into_owned();
        assert!(error.contains(part), "{to}: {error}");
    };
    refused("name = 'residual'", "name = 'perceptron'", "is the name of two");
    refused("labels = 'own_y.npy'", "labels = 'none.npy'", "none.npy");
    refused("labels = 'own_y.npy'\n", "", "y.npy");
    refused("T = [4, 8]", "T = [4, 8]\nsparsity = [0.5]", "only .onnx files are pruned");
    let layers = format!("layers = '{}/residual.toml'\n", file(NET).display());
    refused(&layers, "", "layer");
}

/// The shipped study: what it says, and one of its cells with the numbers of its page.
#[test]
fn the_shipped_study_is_read_and_one_of_its_cells_gives_what_its_page_tells() {
    let folder = tempfile::tempdir().unwrap();
    let text = printed(folder.path(), "sweep @examples/study.toml --print-study");
    for part in
        ["T = [1, 2, 4, 8, 16, 32]", "sparsity = [0.9, 0.92, 0.94, 0.96, 0.98]", "neuron = \"settle\""]
    {
        assert!(text.contains(part), "no {part:?} in\n{text}");
    }
    assert_eq!(text.matches("[[recipe]]").count(), 3);
    let mnist = format!("{}/", file("examples/mnist").display());
    let cut = text
        .replace("T = [1, 2, 4, 8, 16, 32]", "T = [2]")
        .replace("sparsity = [0.9, 0.92, 0.94, 0.96, 0.98]", "sparsity = [0.92]")
        .replace("\"mnist/", &format!("\"{mnist}"));
    let cut = cut.split("[[recipe]]").take(2).collect::<Vec<_>>().join("[[recipe]]");
    std::fs::write(folder.path().join("cut.toml"), cut).unwrap();
    printed(folder.path(), "sweep %cut.toml --out %results.jsonl");
    let lines = lines(folder.path(), "results.jsonl");
    let [_, row] = &lines[..] else { panic!("{} lines", lines.len()) };
    let number = |name: &str| row[name].as_f64().unwrap();
    // Thousands have separators there.
    let operations = format!("{:.0}", number("additions") + number("multiply_adds"));
    let (thousands, rest) = operations.split_at(operations.len() - 3);
    let told = format!(
        "| 92 % | unit | 2 | {:.1} | {:.0} | {thousands},{rest} | {:.1} % | {:.1} | {:.1} |",
        number("accuracy") * 100.0,
        number("spikes"),
        number("operations_ratio") * 100.0,
        number("nanojoules"),
        number("trained_nanojoules")
    );
    let page = std::fs::read_to_string(file("docs/study.md")).unwrap();
    assert!(page.contains(&told), "docs/study.md does not tell\n{told}");
}
