//! Events of event cameras as input: of files of every kind, and real ones where they lie beside the project.

use std::io::Write;
use std::path::Path;

use serde_json::Value;
use snn_formats::{Compression, NpzWriter, write_npy};

use crate::{json, printed, snn_event};

/// x, y, t, p of two samples of a camera of 3 × 3 pixels.
const SAMPLES: [&[[i64; 4]]; 2] = [
    &[[0, 0, 0, 1], [2, 1, 90, 0], [2, 1, 99, 0], [1, 2, 100, 1], [0, 2, 350, 1]],
    &[[1, 1, 10, 0], [1, 1, 10, 1], [2, 2, 399, 1]],
];

fn recorded(events: &[[i64; 4]]) -> Vec<u8> {
    let bytes = |&[x, y, t, p]: &[i64; 4]| {
        [x as u8, y as u8, (p << 7) as u8 | (t >> 16) as u8, (t >> 8) as u8, t as u8]
    };
    events.iter().flat_map(bytes).collect()
}

/// The same samples as files of every kind, and as the raster that they are in 4 steps of 100.
fn files(folder: &Path) {
    std::fs::create_dir(folder.join("recorded")).unwrap();
    for (place, events) in SAMPLES.iter().enumerate() {
        std::fs::write(folder.join(format!("recorded/{place}.bin")), recorded(events)).unwrap();
    }
    std::fs::write(folder.join("first.bs2"), recorded(SAMPLES[0])).unwrap();
    let all: Vec<[i64; 4]> = SAMPLES.concat();
    write_npy(folder.join("first.npy"), &[SAMPLES[0].len(), 4], &SAMPLES[0].concat()).unwrap();
    let mut npz = NpzWriter::create(folder.join("events.npz"), Compression::Deflated).unwrap();
    for (place, name) in ["x", "y", "t", "p"].into_iter().enumerate() {
        npz.add(name, &[all.len()], &all.iter().map(|event| event[place]).collect::<Vec<_>>()).unwrap();
    }
    npz.add("sample_ptr", &[3], &[0_i64, 5, 8]).unwrap();
    npz.finish().unwrap();
    let mut raster = vec![0_u8; 2 * 4 * 18];
    for (sample, events) in SAMPLES.iter().enumerate() {
        for &[x, y, t, p] in *events {
            raster[(sample * 4 + t as usize / 100) * 18 + (p * 9 + y * 3 + x) as usize] = 1;
        }
    }
    write_npy(folder.join("raster.npy"), &[2, 4, 18], &raster).unwrap();
    printed(folder, "generate --sizes 18,12,5 --density 0.9 --rate 0.4 --out %net.bin");
}

#[test]
fn events_of_every_kind_of_file_are_the_spikes_of_their_steps() {
    let folder = tempfile::tempdir().unwrap();
    files(folder.path());
    let digests = |input: &str| -> Value {
        json(folder.path(), &format!("eval --net %net.bin {input} --json -"))["spike_digests"].clone()
    };
    let wanted = digests("--input %raster.npy --encoding raster");
    assert_eq!(digests("--input %recorded --dt 100"), wanted);
    assert_eq!(digests("--input %events.npz --encoding events --dt 100 --T 4 --sensor 3x3"), wanted);
    let first = digests("--input %raster.npy --encoding raster --batch-range 0:1");
    assert_ne!(first, wanted);
    assert_eq!(digests("--input %first.bs2 --dt 100"), first);
    assert_eq!(digests("--input %first.npy --dt 100"), first);
    // Longer steps are other spikes.
    assert_ne!(digests("--input %first.npy --dt 200"), first);
    let run = json(folder.path(), "run --net %net.bin --input %recorded --dt 100 --T 2 --json -");
    assert_eq!((run["T"].as_u64(), run["provenance"]["options"]["dt"].as_u64()), (Some(2), Some(100)));
    assert!(run["notes"][0].as_str().unwrap().contains("2 events come after the last step"), "{run}");
    let text = printed(folder.path(), "check --net %net.bin --input %recorded --dt 100");
    assert!(text.starts_with("equal: 2 samples, 4 steps"), "{text}");
}

#[test]
fn events_that_are_none_are_refused_with_what_is_allowed() {
    let folder = tempfile::tempdir().unwrap();
    files(folder.path());
    std::fs::create_dir(folder.path().join("empty")).unwrap();
    std::fs::write(folder.path().join("cut.bin"), [1, 2, 3]).unwrap();
    std::fs::write(folder.path().join("none.bin"), []).unwrap();
    write_npy(folder.path().join("wide.npy"), &[1, 3], &[1_i64, 2, 3]).unwrap();
    write_npy(folder.path().join("outside.npy"), &[1, 4], &[3_i64, 0, 0, 0]).unwrap();
    write_npy(folder.path().join("late.npy"), &[1, 4], &[0_i64, 0, i64::MAX, 0]).unwrap();
    for (more, status, part) in [
        ("--input %first.npy --encoding events", 2, "--dt"),
        ("--input %first.npy --encoding poisson --dt 5", 2, "no events"),
        ("--input %first.npy --dt 0", 2, "1.."),
        ("--input %first.npy --sensor 3x3", 2, "--dt"),
        ("--input %first.npy --dt 5 --sensor 3", 2, "34x34"),
        ("--input %first.npy --dt 5 --sensor 2x3", 1, "--sensor"),
        ("--input %empty --dt 5", 1, "no files named .bin"),
        ("--input %cut.bin --dt 5", 1, "5 bytes"),
        ("--input %wide.npy --dt 5", 1, "(E, 4)"),
        ("--input %outside.npy --dt 5", 1, "x = 3"),
        ("--input %late.npy --dt 5", 1, "make the steps longer"),
        ("--input %net.bin.txt --dt 5", 1, "N-MNIST"),
    ] {
        let output = snn_event(folder.path(), &format!("run --net %net.bin {more}")).assert().code(status);
        let error = String::from_utf8_lossy(&output.get_output().stderr).into_owned();
        assert!(error.contains(part), "{more}: {error}");
    }
    // A camera that saw nothing gives one silent step.
    let silent = json(folder.path(), "run --net %net.bin --input %none.bin --dt 5 --json -");
    assert_eq!((silent["T"].as_u64(), silent["populations"][0]["spikes"].as_u64()), (Some(1), Some(0)));
}

#[test]
fn the_nmnist_net_keeps_its_accuracy_on_recordings() {
    let shared = crate::file("../shared/data");
    if !shared.is_dir() {
        println!("skipped: {} is not there", shared.display());
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let packed = std::fs::File::open(shared.join("nets/nmnist-mlp-p90.onnx.gz")).unwrap();
    let mut net = std::fs::File::create(folder.path().join("net.onnx")).unwrap();
    std::io::copy(&mut flate2::read::GzDecoder::new(packed), &mut net).unwrap();
    net.flush().unwrap();
    // The net's input is ten times the rate.
    let convert = "convert --model %net.onnx --calib @../shared/data/nmnist_x_calib.npy --input-std 0.1 --T 60 --fit off --out %net.bin";
    printed(folder.path(), convert);
    let ids = snn_formats::npy::read(shared.join("nmnist_ids_test.npy")).unwrap().into_labels().unwrap();
    assert!(ids.is_sorted(), "the files are read in order of their names");
    let eval = "eval --net %net.bin --input @../shared/data/nmnist_bs2 --dt 5000 --T 60 --labels @../shared/data/nmnist_y_test.npy \
                --model %net.onnx --input-std 0.1 --json -";
    let report = json(folder.path(), eval);
    let last = report["points"].as_array().unwrap().last().unwrap().clone();
    let (accuracy, trained) = (&last["accuracy"]["share"], &report["trained"]["accuracy"]["share"]);
    assert!(accuracy.as_f64().unwrap() >= trained.as_f64().unwrap() - 0.03, "{accuracy} of {trained}");
    assert!(trained.as_f64().unwrap() > 0.85, "{trained}");
    // The spikes are those of the packed raster that lies beside them.
    let bits =
        snn_formats::npy::read(shared.join("nmnist_spikes_test_packed.npy")).unwrap().into_labels().unwrap();
    let raster: Vec<u8> =
        bits.iter().flat_map(|byte| (0..8).rev().map(move |bit| (byte >> bit & 1) as u8)).collect();
    write_npy(folder.path().join("raster.npy"), &[100, 60, 2312], &raster).unwrap();
    let same =
        json(folder.path(), "eval --net %net.bin --input %raster.npy --encoding raster --points 60 --json -");
    assert_eq!(same["spike_digests"], report["spike_digests"]);
}
