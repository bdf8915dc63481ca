//! `sweep`: a grid of runs whose results are the same file however often it is interrupted.

use std::path::Path;

use serde_json::Value;

use crate::{file, printed, snn_event};

const SWEEP: &str = "sweep %study.toml --out %results.jsonl";

/// A study of six cells on the shipped net.
fn study(folder: &Path, more: &str) {
    let example = file("examples/mnist");
    let text = format!(
        "input = '{0}/x.npy'\nlabels = '{0}/y.npy'\ncalibration = '{0}/x_calib.npy'\nsamples = 30\nT = [2, 8]\n\
         sparsity = [0.9, 0.97]\n{more}\n[[model]]\nname = 'lenet_300'\nfile = '{0}/mlp300-p90.onnx'\n\
         [[recipe]]\nname = 'unit'\n[[recipe]]\nname = 'settled'\nneuron = 'settle'\nlevels = 8\n",
        example.display()
    );
    std::fs::write(folder.join("study.toml"), text).unwrap();
}

fn results(folder: &Path) -> Vec<u8> {
    std::fs::read(folder.join("results.jsonl")).unwrap()
}

#[test]
fn a_study_gives_a_line_a_cell_whose_numbers_are_those_of_eval() {
    let folder = tempfile::tempdir().unwrap();
    study(folder.path(), "");
    let line = format!("{SWEEP} --csv %table.csv --latex %table.tex --threads 2");
    let text = printed(folder.path(), &line);
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    let made = String::from_utf8(results(folder.path())).unwrap();
    let rows: Vec<Value> = made.lines().skip(1).map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(rows.len(), 6);
    // The same by single commands.
    let convert = "convert --model @examples/mnist/mlp300-p90.onnx --calib @examples/mnist/x_calib.npy \
                   --neuron unit --T 8 --out %net.bin";
    printed(folder.path(), convert);
    let eval = "eval --net %net.bin --input @examples/mnist/x.npy --labels @examples/mnist/y.npy --batch-range 0:30 \
                --points 8 --model @examples/mnist/mlp300-p90.onnx --json -";
    let eval = crate::json(folder.path(), eval);
    let row = &rows[1];
    assert_eq!(
        (row["sparsity"].as_f64(), row["T"].as_u64(), row["recipe"].as_str()),
        (Some(0.9), Some(8), Some("unit"))
    );
    assert_eq!(row["accuracy"], eval["points"][0]["accuracy"]["share"]);
    assert_eq!(row["spikes"], eval["points"][0]["spikes"]);
    assert_eq!(row["trained_accuracy"], eval["trained"]["accuracy"]["share"]);
    assert_eq!(row["nanojoules"], eval["energy"][0]["nanojoules"]);
    // Sparser nets cost less.
    assert!(rows[4]["additions"].as_f64() < row["additions"].as_f64());
    assert_eq!(rows[2]["encoding"], "once");
    let csv = std::fs::read_to_string(folder.path().join("table.csv")).unwrap();
    assert!(csv.lines().count() == 7 && csv.starts_with("model,pruned_percent,recipe,"), "{csv}");
    let latex = std::fs::read_to_string(folder.path().join("table.tex")).unwrap();
    assert!(latex.contains("\\toprule") && latex.contains("lenet\\_300"), "{latex}");
}

#[test]
fn an_interrupted_study_goes_on_to_the_same_file_and_verifies() {
    let folder = tempfile::tempdir().unwrap();
    study(folder.path(), "");
    printed(folder.path(), SWEEP);
    let whole = results(folder.path());
    let path = folder.path().join("results.jsonl");
    // Cut in the head, behind it, within lines and at the end of one.
    let ends: Vec<usize> = (0..whole.len()).filter(|&at| whole[at] == b'\n').map(|at| at + 1).collect();
    for length in [0, 20, ends[0], ends[1] + 17, ends[4], whole.len() - 1] {
        std::fs::write(&path, &whole[..length]).unwrap();
        printed(folder.path(), &format!("{SWEEP} --threads {}", length % 3 + 1));
        assert!(results(folder.path()) == whole, "cut after {length} bytes");
    }
    assert!(printed(folder.path(), "verify %results.jsonl").contains("verified: 6 cells"));
    printed(folder.path(), "sweep %study.toml --shard 2/4 --out %part.jsonl");
    assert!(printed(folder.path(), "verify %part.jsonl").contains("verified: 2 cells"));
    // A result that was not so.
    let text = String::from_utf8(whole).unwrap();
    let at = text.rfind("\"right\":").unwrap() + 8;
    std::fs::write(&path, format!("{}9{}", &text[..at], &text[at + 1..])).unwrap();
    let said = |line: &str, status: i32| {
        let output = snn_event(folder.path(), line).assert().code(status);
        let output = output.get_output();
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
    };
    assert!(said("verify %results.jsonl", 1).contains("DIFFERENT: line 7"));
    assert!(said("verify %results.jsonl --cells 5:", 1).contains("DIFFERENT: line 7"));
    assert!(said("verify %results.jsonl --cells :5", 0).contains("verified: 5 cells"));
    assert!(said("verify %results.jsonl --cells 5:7", 2).contains("has 6 cells"));
    // A study elsewhere, none, another, and results that are not finished.
    let moved = folder.path().join("moved.toml");
    std::fs::rename(folder.path().join("study.toml"), &moved).unwrap();
    assert!(said("verify %results.jsonl", 1).contains("say where it is"));
    let text = said("verify %results.jsonl --study %moved.toml", 1);
    assert!(text.contains("study: {\"bytes\"") && text.contains("moved.toml"), "{text}");
    std::fs::rename(&moved, folder.path().join("study.toml")).unwrap();
    std::fs::write(&path, &std::fs::read(&path).unwrap()[..ends[3] + 9]).unwrap();
    assert!(said("verify %results.jsonl", 1).contains("3 of 6 cells"));
    std::fs::write(&path, "").unwrap();
    assert!(said("verify %results.jsonl", 1).contains("no results to verify"));
}

#[test]
fn results_of_another_study_and_wrong_studies_are_refused_and_stay_as_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let refused = |line: &str, status: i32, part: &str| {
        let output = snn_event(folder.path(), line).assert().code(status);
        let error = String::from_utf8_lossy(&output.get_output().stderr).into_owned();
        assert!(error.contains(part), "{line}: {error}");
    };
    study(folder.path(), "");
    std::fs::write(folder.path().join("results.jsonl"), "my notes\n").unwrap();
    refused(SWEEP, 1, "holds something else");
    std::fs::write(folder.path().join("results.jsonl"), "my notes").unwrap();
    refused(SWEEP, 1, "holds something else");
    assert_eq!(results(folder.path()), b"my notes");
    refused("sweep %study.toml --out %study.toml", 2, "study.toml");
    refused("verify %new.jsonl", 1, "new.jsonl");
    for (more, part) in [
        ("sparsities = [1]", "sparsities"),
        ("energy = 'sun'", "horowitz-fp32"),
        ("encodings = ['morse']", "poisson"),
    ] {
        study(folder.path(), more);
        refused("sweep %study.toml --out %other.jsonl", 1, part);
    }
    let text = std::fs::read_to_string(folder.path().join("study.toml")).unwrap();
    let wrong = text.replace("encodings = ['morse']", "").replace("neuron = 'settle'", "neuron = 'spiky'");
    std::fs::write(folder.path().join("study.toml"), wrong).unwrap();
    refused("sweep %study.toml --out %other.jsonl", 1, "unit, multi, signed, settle");
}

#[test]
fn the_parts_of_a_study_join_to_the_file_of_a_single_run_and_those_that_do_not_fit_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    study(folder.path(), "");
    printed(folder.path(), SWEEP);
    let whole = results(folder.path());
    let join = |parts: &str| format!("merge {parts} --out %joined.jsonl");
    for of in [1, 4, 7] {
        let mut parts = vec![];
        for number in (1..=of).rev() {
            let part = format!("%part-{number}-{of}.jsonl");
            printed(
                folder.path(),
                &format!("sweep %study.toml --shard {number}/{of} --out {part} --threads 2"),
            );
            parts.push(part);
        }
        let text = printed(folder.path(), &join(&parts.join(" ")));
        assert!(text.contains("6 cells of"), "{text}");
        assert!(std::fs::read(folder.path().join("joined.jsonl")).unwrap() == whole, "{of} parts");
        std::fs::remove_file(folder.path().join("joined.jsonl")).unwrap();
    }
    // A part that was interrupted goes on.
    let path = folder.path().join("part-1-4.jsonl");
    let part = std::fs::read(&path).unwrap();
    std::fs::write(&path, &part[..part.len() - 9]).unwrap();
    let refused = |line: &str, status: i32, text: &str| {
        let output = snn_event(folder.path(), line).assert().code(status);
        let error = String::from_utf8_lossy(&output.get_output().stderr).into_owned();
        assert!(error.contains(text), "{line}: {error}");
        assert!(!folder.path().join("joined.jsonl").exists());
    };
    let [one, two, three, four] = [1, 2, 3, 4].map(|number| format!("%part-{number}-4.jsonl"));
    refused(
        &join(&format!("{one} {two} {three} {four}")),
        1,
        "1 of 2 cells; run the sweep of part 1/4 again",
    );
    printed(folder.path(), &format!("sweep %study.toml --shard 1/4 --out {one}"));
    assert!(std::fs::read(&path).unwrap() == part);
    refused(&join(&format!("{one} {three} {four}")), 1, "part 3 of 4, and 2 was expected");
    refused(&join(&format!("{one} {two} {two} {three} {four}")), 1, "give each part once");
    refused(&join(&format!("{one} {two} {three}")), 1, "part 4 of 4 is missing");
    refused(
        &join(&format!("{one} %part-2-7.jsonl")),
        1,
        "different studies, files, versions or numbers of parts",
    );
    refused(&join("%results.jsonl"), 1, "it holds no part of a study");
    refused(&join("%study.toml"), 1, "is not what a sweep writes");
    refused("sweep %study.toml --shard 5/4 --out %x.jsonl", 2, "allowed are 1/5, 2/5");
    refused(&format!("sweep %study.toml --shard 2/4 --out {one}"), 1, "holds something else");
    refused(&format!("merge {one} --out {one}"), 2, "part-1-4.jsonl");
}

#[test]
fn cells_that_share_little_memory_give_the_same_lines_and_one_that_needs_more_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    study(folder.path(), "");
    printed(folder.path(), &format!("{SWEEP} --threads 3"));
    let whole = results(folder.path());
    printed(folder.path(), "sweep %study.toml --out %little.jsonl --threads 3 --memory-limit 24M");
    assert!(std::fs::read(folder.path().join("little.jsonl")).unwrap() == whole);
    let output =
        snn_event(folder.path(), "sweep %study.toml --out %none.jsonl --memory-limit 1K").assert().code(1);
    let error = String::from_utf8_lossy(&output.get_output().stderr).into_owned();
    assert!(error.contains("--memory-limit") && error.contains("1.00 KiB"), "{error}");
}

#[test]
fn flags_tell_the_study_that_a_file_would_and_print_it_to_be_kept() {
    let folder = tempfile::tempdir().unwrap();
    let example = file("examples/mnist");
    let flags = format!(
        "--model {0}/mlp300-p90.onnx --input {0}/x.npy --labels {0}/y.npy --calibration {0}/x_calib.npy --samples 20 \
         --sparsity 0.9,0.97 --T 2,4 --neuron unit,settle --levels 8 --encoding constant,poisson --seed 3,4",
        example.display()
    );
    let text = printed(folder.path(), &format!("sweep {flags} --print-study"));
    std::fs::write(folder.path().join("study.toml"), &text).unwrap();
    // It is in effect what it says, and stays so.
    assert_eq!(printed(folder.path(), "sweep %study.toml --print-study"), text);
    for part in ["T = [2, 4]", "seeds = [3, 4]", "energy = \"horowitz-fp32\"", "name = \"settle, L = 8\""] {
        assert!(text.contains(part), "no {part:?} in\n{text}");
    }
    // The same cells, and the same bytes once it is kept.
    printed(folder.path(), &format!("sweep {flags} --out %flags.jsonl"));
    printed(folder.path(), SWEEP);
    let made = results(folder.path());
    assert!(std::fs::read(folder.path().join("flags.jsonl")).unwrap() == made);
    let rows: Vec<Value> = String::from_utf8(made)
        .unwrap()
        .lines()
        .skip(1)
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    // By sparsity: unit, constant and two seeds of Poisson, two numbers of steps each; settled, the same encodings once each.
    assert_eq!(rows.len(), 2 * (3 * 2 + 3));
    assert_eq!((rows[0]["model"].as_str(), rows[0]["recipe"].as_str()), (Some("mlp300-p90"), Some("unit")));
    assert_eq!(rows[4]["seed"], 4);

    let refused = |line: &str, part: &str| {
        let output = snn_event(folder.path(), line).assert().code(2);
        let error = String::from_utf8_lossy(&output.get_output().stderr).into_owned();
        assert!(error.contains(part), "{line}: {error}");
    };
    refused(&format!("sweep %study.toml {flags} --out %x.jsonl"), "leave them out, or STUDY.TOML");
    refused("sweep --out %x.jsonl", "give STUDY.TOML, or --model");
    refused("sweep --model %m.onnx --out %x.jsonl", "--labels <Y.NPY>");
    refused("sweep %study.toml", "--out");
    #[cfg(not(feature = "parquet"))]
    refused("sweep %study.toml --out %x.jsonl --table %x.parquet", "--features parquet");
    #[cfg(feature = "parquet")]
    {
        printed(folder.path(), "sweep %study.toml --out %results.jsonl --table %x.parquet");
        assert!(std::fs::read(folder.path().join("x.parquet")).unwrap().starts_with(b"PAR1"));
    }
    refused("sweep %study.toml --print-study --out %x.jsonl", "cannot be used with");
    let flags = flags.replace("--neuron unit,settle --levels 8", "");
    refused(&format!("sweep {flags} --neuron spiky --print-study"), "unit, multi, signed, settle");
    refused(&format!("sweep {flags} --levels 8 --print-study"), "name others with --neuron");
    refused(&format!("sweep {flags} --energy sun --print-study"), "horowitz-fp32");
    refused(&format!("sweep {} --print-study", flags.replace("constant,poisson", "morse")), "regular");
    refused(&format!("sweep {} --print-study", flags.replace("0.9,", "1.9,")), "shares from 0 to 1");
    refused(&format!("sweep {} --print-study", flags.replace("--T 2,4", "")), "T has no numbers of steps");
    refused(&format!("sweep {flags} --out {}/x.npy", example.display()), "the study");
}
