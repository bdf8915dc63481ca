//! Random networks from the command line.

use crate::{json, printed, snn_event};

#[test]
fn a_generated_net_is_the_same_again_and_fires_at_about_the_rate_when_it_is_run() {
    let folder = tempfile::tempdir().unwrap();
    let line = "generate --sizes 300,200,100,10 --density 0.2 --rate 0.05 --seed 3 --json - --out";
    let report = json(folder.path(), &format!("{line} %one.bin"));
    json(folder.path(), &format!("{line} %two.bin"));
    let read = |name: &str| std::fs::read(folder.path().join(name)).unwrap();
    assert!(read("one.bin") == read("two.bin"), "the same flags made two files");
    assert_eq!(report["bytes"], read("one.bin").len());
    for layer in [1, 2] {
        let rate = report["populations"][layer]["rate"].as_f64().unwrap();
        assert!((rate / 0.05 - 1.0).abs() < 0.2, "{report}");
        let density = report["populations"][layer]["stored_weights"].as_f64().unwrap()
            / [60_000.0, 20_000.0][layer - 1];
        assert!((density / 0.2 - 1.0).abs() < 0.1, "{report}");
    }
    assert!(report["populations"][3]["rate"].is_null(), "a read-out fires: {report}");
}

#[test]
fn a_generated_net_tells_its_populations_and_where_it_is_from() {
    let folder = tempfile::tempdir().unwrap();
    let text = printed(folder.path(), "generate --sizes 100,80,5 --density 1 --rate 0.1 --out %net.bin");
    for part in ["layer1", "output", "8,000", "gain", "asked for was 10.00 %", "net.bin"] {
        assert!(text.contains(part), "no {part:?} in\n{text}");
    }
    let report = json(folder.path(), "inspect --net %net.bin --json -");
    assert_eq!(report["description"]["provenance"]["options"]["sizes"][1], 80);
    assert_eq!(report["description"]["provenance"]["options"]["density"], 1.0);
    printed(folder.path(), "generate --sizes 100,80 --density 0.1 --rate 0.1 --firing-output --out %net.bin");
    let report = json(folder.path(), "inspect --net %net.bin --json -");
    assert_eq!(report["populations"][1]["kind"], "integrate-and-fire");
}

#[test]
fn flags_of_generate_that_make_no_sense_are_refused_with_status_2() {
    let folder = tempfile::tempdir().unwrap();
    let generate = "generate --out %net.bin";
    let table: &[(String, i32, &[&str])] = &[
        (format!("{generate} --sizes 10,10 --density 0 --rate 0.1"), 2, &["--density", "above 0"]),
        (format!("{generate} --sizes 10,10 --density 1.5 --rate 0.1"), 2, &["--density", "1.5"]),
        (format!("{generate} --sizes 10,10 --density 0.5 --rate 1"), 2, &["--rate", "between 0 and 1"]),
        (format!("{generate} --sizes 10,0 --density 0.5 --rate 0.1"), 2, &["--sizes"]),
        (format!("{generate} --sizes 10 --density 0.5 --rate 0.1"), 2, &["--sizes [10]", "two or more"]),
        (format!("{generate} --density 0.5 --rate 0.1"), 2, &["--sizes", "--conv"]),
        (format!("{generate} --conv 1,2,3 --density 0.5 --rate 0.1"), 2, &["--conv", "five numbers"]),
        (format!("{generate} --conv 1,8,8,1,2 --density 0.5 --rate 0.1"), 2, &["kernel size 2", "odd"]),
        (format!("{generate} --sizes 9,9 --conv 1,8,8,1,3 --density 1 --rate 0.1"), 2, &["cannot be used"]),
        (format!("{generate} --sizes 100,100,5 --density 0.5 --rate 0.9"), 1, &["layer1", "0.9"]),
        (format!("{generate} --sizes 1000000,1000000 --density 0.5 --rate 0.1"), 1, &["5.00e11 weights"]),
        (
            "generate --sizes 9,9 --density 1 --rate 0.1 --out %none/net.bin".to_owned(),
            1,
            &["none", "net.bin"],
        ),
    ];
    for (line, status, parts) in table {
        let output = snn_event(folder.path(), line).output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(*status), "{line}\n{error}");
        for part in *parts {
            assert!(error.contains(part), "no {part:?} in the error of\n{line}\n{error}");
        }
        assert!(!folder.path().join("net.bin").exists(), "{line} left a net behind");
    }
}
