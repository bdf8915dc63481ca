//! `spikes.npz`: what is written is what a reader finds, whatever the sizes.

use std::fs;
use std::process::Command;

use proptest::prelude::*;
use snn_engine::{Raster, SpikeSlice};
use snn_formats::{Compression, NpzReader, SpikeWriter, Values};

/// A raster of `(step, neuron)` pairs.
fn raster(spikes: &[(usize, u32)]) -> Raster {
    let mut raster = Raster::new();
    for step in 0..=spikes.iter().map(|spike| spike.0).max().unwrap_or(0) {
        let neurons: Vec<u32> = spikes.iter().filter(|spike| spike.0 == step).map(|spike| spike.1).collect();
        raster.push_step(&neurons);
    }
    raster
}

#[test]
fn spikes_of_two_samples_are_found_by_their_pointers() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("spikes.npz");
    for compression in [Compression::Stored, Compression::Deflated] {
        let mut writer = SpikeWriter::create(&path, ["input", "/fc1/Relu"], compression).unwrap();
        let none = Raster::new();
        writer.add_sample(&[&raster(&[(0, 3), (4, 1), (4, 2)]), &none]).unwrap();
        writer.add_sample(&[&none, &none]).unwrap();
        writer.add_sample(&[&raster(&[(9, 7)]), &raster(&[(5, 0), (6, 0)])]).unwrap();
        writer.finish().unwrap();
        let mut npz = NpzReader::open(&path).unwrap();
        let mut read = |name: &str| npz.read(name).unwrap().values;
        assert_eq!(read("input.node_ids"), Values::U32(vec![3, 1, 2, 7]));
        assert_eq!(read("input.timestamps"), Values::U32(vec![0, 4, 4, 9]));
        assert_eq!(read("input.sample_ptr"), Values::U64(vec![0, 3, 3, 4]));
        assert_eq!(read("/fc1/Relu.node_ids"), Values::U32(vec![0, 0]));
        assert_eq!(read("/fc1/Relu.timestamps"), Values::U32(vec![5, 6]));
        assert_eq!(read("/fc1/Relu.sample_ptr"), Values::U64(vec![0, 0, 0, 2]));
    }
}

#[test]
fn values_are_kept_for_every_spike_of_a_population_in_which_not_all_are_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("spikes.npz");
    let mut writer = SpikeWriter::create(&path, ["layer", "unit"], Compression::Stored).unwrap();
    let mut valued = Raster::new();
    valued.push(SpikeSlice::new(&[1, 4], &[-3, 1]).unwrap());
    valued.push_step(&[2]);
    let unit = raster(&[(0, 3), (1, 0)]);
    writer.add_sample(&[&unit, &unit]).unwrap();
    writer.add_sample(&[&valued, &unit]).unwrap();
    writer.finish().unwrap();
    let mut npz = NpzReader::open(&path).unwrap();
    assert_eq!(npz.read("layer.node_ids").unwrap().values, Values::U32(vec![3, 0, 1, 4, 2]));
    assert_eq!(npz.read("layer.timestamps").unwrap().values, Values::U32(vec![0, 1, 0, 0, 1]));
    assert_eq!(npz.read("layer.values").unwrap().values, Values::I32(vec![1, 1, -3, 1, 1]));
    assert!(npz.read("unit.values").is_err(), "values that are all 1 are not written");
}

#[test]
fn a_run_without_samples_gives_empty_arrays_and_an_abandoned_one_gives_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("spikes.npz");
    let mut writer = SpikeWriter::create(&path, ["input"], Compression::Stored).unwrap();
    writer.add_sample(&[&raster(&[(1, 1)])]).unwrap();
    drop(writer);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    SpikeWriter::create(&path, ["input"], Compression::Stored).unwrap().finish().unwrap();
    let mut npz = NpzReader::open(&path).unwrap();
    assert_eq!(npz.read("input.node_ids").unwrap().values, Values::U32(vec![]));
    assert_eq!(npz.read("input.sample_ptr").unwrap().values, Values::U64(vec![0]));
    assert!(SpikeWriter::create("no/such/place/spikes.npz", ["input"], Compression::Stored).is_err());
}

#[test]
fn numpy_reads_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("spikes.npz");
    let mut writer = SpikeWriter::create(&path, ["/fc1/Relu"], Compression::Deflated).unwrap();
    writer.add_sample(&[&raster(&[(0, 3), (4, 1), (4, 2)])]).unwrap();
    writer.finish().unwrap();
    let script = "import sys, numpy; f = numpy.load(sys.argv[1]); \
        print([(n, str(f[n].dtype), f[n].tolist()) for n in f.files])";
    let python = std::env::var("PYTHON").unwrap_or_else(|_| "python3".into());
    match Command::new(python).args(["-c", script]).arg(&path).output() {
        Ok(output) if output.status.success() => assert_eq!(
            String::from_utf8(output.stdout).unwrap().trim(),
            "[('/fc1/Relu.node_ids', 'uint32', [3, 1, 2]), ('/fc1/Relu.timestamps', 'uint32', [0, 4, 4]), \
             ('/fc1/Relu.sample_ptr', 'uint64', [0, 3])]"
        ),
        Ok(output) if String::from_utf8_lossy(&output.stderr).contains("No module named") => {
            println!("skipped: this Python has no NumPy");
        }
        Ok(output) => panic!("{}", String::from_utf8_lossy(&output.stderr)),
        Err(reason) => println!("skipped: no Python ({reason})"),
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(
        samples in proptest::collection::vec(
            [(); 2].map(|()| proptest::collection::vec((0usize..50, 0u32..1000), 0..300)), 0..8,
        ),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("spikes.npz");
        let mut writer = SpikeWriter::create(&path, ["a", "b"], Compression::Stored).unwrap();
        let mut expected = [(vec![], vec![], vec![0u64]), (vec![], vec![], vec![0u64])];
        for sample in samples {
            let sorted = sample.map(|mut spikes| {
                spikes.sort_unstable();
                spikes
            });
            let rasters = sorted.each_ref().map(|spikes| raster(spikes));
            writer.add_sample(&[&rasters[0], &rasters[1]]).unwrap();
            for (all, spikes) in expected.iter_mut().zip(&sorted) {
                all.0.extend(spikes.iter().map(|spike| spike.1));
                all.1.extend(spikes.iter().map(|spike| spike.0 as u32));
                all.2.push(all.0.len() as u64);
            }
        }
        writer.finish().unwrap();
        let mut npz = NpzReader::open(&path).unwrap();
        for (name, (ids, steps, pointers)) in ["a", "b"].into_iter().zip(expected) {
            prop_assert_eq!(npz.read(&format!("{name}.node_ids")).unwrap().values, Values::U32(ids));
            prop_assert_eq!(npz.read(&format!("{name}.timestamps")).unwrap().values, Values::U32(steps));
            prop_assert_eq!(npz.read(&format!("{name}.sample_ptr")).unwrap().values, Values::U64(pointers));
        }
    }
}
