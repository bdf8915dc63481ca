//! The files that a run writes, read back.

use snn_formats::{NpzReader, npy};

use crate::json;

const RUN: &str = "run --net @examples/mnist/net.bin --T 32 --input @examples/mnist/x.npy --batch-range 0:5 --encoding poisson";

#[test]
fn counts_potentials_and_spikes_agree_with_the_report() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let line =
        format!("{RUN} --counts %counts.npy --potentials %v.npy --spikes %spikes.npz --json %report.json");
    crate::printed(folder.path(), &line);
    let report: serde_json::Value =
        serde_json::from_slice(&std::fs::read(path("report.json")).unwrap()).unwrap();
    let potentials = npy::read(path("v.npy")).unwrap();
    assert_eq!(potentials.shape, [5, 10]);
    let v = potentials.into_f32().unwrap();
    for (sample, class) in report["predictions"].as_array().unwrap().iter().enumerate() {
        let of = &v[sample * 10..][..10];
        let largest = (0..10).rev().max_by(|&a, &b| of[a].total_cmp(&of[b])).unwrap();
        assert_eq!(class.as_u64(), Some(largest as u64));
    }
    let counts = npy::read(path("counts.npy")).unwrap();
    assert_eq!(counts.shape, [5, 10]);
    // A read-out by potential never fires.
    assert!(counts.into_f32().unwrap().iter().all(|&count| count == 0.0));
    let mut spikes = NpzReader::open(path("spikes.npz")).unwrap();
    for population in report["populations"].as_array().unwrap() {
        let name = population["name"].as_str().unwrap();
        let mut numbers =
            |array: &str| spikes.read(&format!("{name}.{array}")).unwrap().into_labels().unwrap();
        let (ids, steps, starts) = (numbers("node_ids"), numbers("timestamps"), numbers("sample_ptr"));
        assert_eq!(ids.len() as u64, population["spikes"].as_u64().unwrap(), "{name}");
        assert_eq!((steps.len(), starts.len()), (ids.len(), 6), "{name}");
        assert_eq!((starts[0], starts[5]), (0, ids.len() as i64), "{name}");
        assert!(ids.iter().all(|&id| (0..population["neurons"].as_i64().unwrap()).contains(&id)), "{name}");
        for sample in starts.windows(2) {
            let of = |array: &[i64]| array[sample[0] as usize..sample[1] as usize].to_vec();
            let pairs: Vec<(i64, i64)> = of(&steps).into_iter().zip(of(&ids)).collect();
            assert!(pairs.is_sorted() && pairs.iter().all(|(step, _)| (0..32).contains(step)), "{name}");
        }
    }
}

#[test]
fn the_spikes_of_a_run_given_back_as_a_raster_make_the_same_run() {
    let folder = tempfile::tempdir().unwrap();
    let potentials = || std::fs::read(folder.path().join("v.npy")).unwrap();
    let first = json(folder.path(), &format!("{RUN} --spikes %spikes.npz --potentials %v.npy --json -"));
    let v = potentials();
    let mut spikes = NpzReader::open(folder.path().join("spikes.npz")).unwrap();
    let mut numbers = |array: &str| spikes.read(&format!("input.{array}")).unwrap().into_labels().unwrap();
    let (ids, steps, starts) = (numbers("node_ids"), numbers("timestamps"), numbers("sample_ptr"));
    let mut raster = vec![0_u8; 5 * 32 * 784];
    for sample in 0..5 {
        for spike in starts[sample] as usize..starts[sample + 1] as usize {
            raster[(sample * 32 + steps[spike] as usize) * 784 + ids[spike] as usize] = 1;
        }
    }
    snn_formats::write_npy(folder.path().join("raster.npy"), &[5, 32, 784], &raster).unwrap();
    let line = "run --net @examples/mnist/net.bin --input %raster.npy --encoding raster --potentials %v.npy --json -";
    let second = json(folder.path(), line);
    assert_eq!(second["populations"], first["populations"]);
    assert_eq!(second["T"], 32);
    assert_eq!(potentials(), v);

    // The same as bits, and what is no such array.
    let bits: Vec<u8> =
        raster.chunks(8).map(|flags| flags.iter().fold(0, |byte, flag| byte << 1 | flag)).collect();
    snn_formats::write_npy(folder.path().join("bits.npy"), &[5, 32, 98], &bits).unwrap();
    let packed =
        |file: &str| line.replace("%raster.npy --encoding raster", &format!("{file} --encoding packed"));
    let third = json(folder.path(), &packed("%bits.npy"));
    assert_eq!(third["populations"], first["populations"]);
    assert_eq!((&third["T"], &third["encoding"]), (&32.into(), &"packed".into()));
    assert_eq!(potentials(), v);
    // The trained net is given the rates of the spikes.
    snn_formats::write_npy(folder.path().join("y.npy"), &[5], &[6_i64, 0, 7, 0, 7]).unwrap();
    let eval = |line: &str| {
        let line = line.replace("run ", "eval ").replace("--potentials %v.npy", "--labels %y.npy");
        json(folder.path(), &format!("{line} --model @examples/mnist/mlp300-p90.onnx"))["trained"].clone()
    };
    let trained = eval(line);
    assert!(trained.is_object(), "{trained}");
    assert_eq!(eval(&packed("%bits.npy")), trained);

    let refused = |file: &str, said: &[&str]| {
        let result = crate::snn_event(folder.path(), &packed(file)).assert().code(1).get_output().clone();
        let error = String::from_utf8(result.stderr).unwrap();
        assert!(said.iter().all(|part| error.contains(part)), "{error}");
    };
    refused("%raster.npy", &["raster.npy", "(5, 32, 784)", "(N, T, 98)"]);
    snn_formats::write_npy(folder.path().join("wide.npy"), &[5, 32, 98], &[0_i16; 5 * 32 * 98]).unwrap();
    refused("%wide.npy", &["wide.npy", "int16", "numpy.packbits"]);
}
