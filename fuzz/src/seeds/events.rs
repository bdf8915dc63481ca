//! Events of event cameras, and the spikes of runs.

use snn_engine::{Raster, SpikeSlice};
use snn_formats::npz::{Compression, NpzWriter};
use snn_formats::{SpikeWriter, write_npy};

/// x, y, t, p; a pixel twice at the same time, and polarities in both ways of writing them.
const EVENTS: [[i64; 4]; 6] =
    [[0, 0, 0, 1], [2, 1, 90, 0], [2, 1, 90, 0], [1, 2, 100, 1], [33, 33, 5000, -1], [0, 2, 99_999, 1]];

/// In rows, of several types.
pub fn rows() -> Vec<Vec<u8>> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("events.npy");
    let small: Vec<u8> = EVENTS[..4].concat().into_iter().map(|number| number as u8).collect();
    let real: Vec<f64> = EVENTS.concat().into_iter().map(|number| number as f64).collect();
    let read = || std::fs::read(&path).expect("read");
    let mut seeds = vec![];
    write_npy(&path, &[6, 4], &EVENTS.concat()).expect("written");
    seeds.push(read());
    write_npy(&path, &[4, 4], &small).expect("written");
    seeds.push(read());
    write_npy(&path, &[6, 4], &real).expect("written");
    seeds.push(read());
    seeds
}

/// In columns, of one sample and of three, one of which is empty.
pub fn columns() -> Vec<Vec<u8>> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("events.npz");
    let mut seeds = vec![];
    for (starts, compression) in [
        (None, Compression::Stored),
        (Some([0_i64, 4, 4, 6]), Compression::Stored),
        (Some([0, 1, 1, 6]), Compression::Deflated),
    ] {
        let mut npz = NpzWriter::create(&path, compression).expect("a file");
        for (place, name) in ["x", "y", "t", "p"].into_iter().enumerate() {
            let column: Vec<i64> = EVENTS.iter().map(|event| event[place]).collect();
            npz.add(name, &[6], &column).expect("added");
        }
        if let Some(starts) = starts {
            npz.add("sample_ptr", &[4], &starts).expect("added");
        }
        npz.finish().expect("finished");
        seeds.push(std::fs::read(&path).expect("read"));
    }
    seeds
}

/// As N-MNIST has them.
pub fn recordings() -> Vec<Vec<u8>> {
    let bytes = |&[x, y, t, p]: &[i64; 4]| {
        [x as u8, y as u8, u8::from(p == 1) << 7 | (t >> 16) as u8, (t >> 8) as u8, t as u8]
    };
    [&EVENTS[..], &EVENTS[..1], &[]].map(|events| events.iter().flat_map(bytes).collect()).to_vec()
}

/// Spikes of two populations in two samples, with and without values.
pub fn spikes() -> Vec<Vec<u8>> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("spikes.npz");
    let mut seeds = vec![];
    for (valued, compression) in
        [(false, Compression::Stored), (true, Compression::Stored), (true, Compression::Deflated)]
    {
        let mut writer = SpikeWriter::create(&path, ["input", "layer0"], compression).expect("a file");
        for sample in 0..2 {
            let mut rasters = [Raster::new(), Raster::new()];
            for step in 0..4_u32 {
                let neurons: Vec<u32> = (0..5).filter(|neuron| (neuron + step + sample) % 2 == 0).collect();
                let values: Vec<i32> =
                    neurons.iter().map(|&neuron| if neuron > 2 { -3 } else { 1 }).collect();
                rasters[0].push_step(&neurons);
                if valued {
                    let spikes = SpikeSlice::new(&neurons, &values).expect("a value for each");
                    rasters[1].push(spikes);
                } else {
                    rasters[1].push_step(&neurons);
                }
            }
            writer.add_sample(&rasters.each_ref()).expect("added");
        }
        writer.finish().expect("finished");
        seeds.push(std::fs::read(&path).expect("read"));
    }
    seeds
}
