//! `spikes.npz`: every spike of every sample of a run, by population.
//!
//! For each population three arrays, named as in SONATA's spike files (Dai et al., 2020) where it has them:
//!
//! - `<population>.node_ids`, `uint32` `[n_spikes]`: the neuron that fired,
//! - `<population>.timestamps`, `uint32` `[n_spikes]`: the step in which it did,
//! - `<population>.values`, `int32` `[n_spikes]`: the value of the spike; only of populations in which not all are 1,
//! - `<population>.sample_ptr`, `uint64` `[n_samples + 1]`: sample `s` has the spikes `sample_ptr[s]` to
//!   `sample_ptr[s + 1]`.
//!
//! Within a sample, spikes are ordered by step, within a step by neuron.

mod read;

use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use snn_engine::Raster;

use crate::atomic::{scratch_beside, unwritable};
use crate::error::{FormatError, Origin};
use crate::npz::{Compression, NpzWriter};

pub use read::{Spike, SpikeFile, SpikeTrains};

/// What the arrays of a population are called, behind its name: neurons, steps, values, ends of samples.
const SUFFIXES: [&str; 4] = [".node_ids", ".timestamps", ".values", ".sample_ptr"];

/// A `spikes.npz` being written, sample by sample.
///
/// Spikes go to a nameless scratch file beside the final one, sample by sample, and are put in order at the
/// end: memory holds the spikes of one sample, and one count per sample and population.
#[derive(Debug)]
pub struct SpikeWriter {
    path: PathBuf,
    origin: Origin,
    compression: Compression,
    scratch: BufWriter<File>,
    populations: Vec<PopulationSpikes>,
    /// Bytes in the scratch file.
    written: u64,
}

#[derive(Debug)]
struct PopulationSpikes {
    name: String,
    /// Spikes in all samples up to each.
    sample_ptr: Vec<u64>,
    /// Where each sample's spikes begin in the scratch file: first the neurons, then the steps, then the values, if any.
    starts: Vec<u64>,
    /// Of each sample, whether its spikes have values.
    valued: Vec<bool>,
}

impl SpikeWriter {
    /// Begins a file for these populations.
    ///
    /// # Errors
    /// If no file can be written in the directory of `path`.
    ///
    /// # Panics
    /// If two populations have the same name.
    pub fn create<'n>(
        path: impl AsRef<Path>,
        populations: impl IntoIterator<Item = &'n str>,
        compression: Compression,
    ) -> Result<Self, FormatError> {
        let path = path.as_ref();
        let origin = Origin::file(path);
        let populations: Vec<PopulationSpikes> = populations
            .into_iter()
            .map(|name| PopulationSpikes {
                name: name.to_owned(),
                sample_ptr: vec![0],
                starts: Vec::new(),
                valued: Vec::new(),
            })
            .collect();
        for (index, population) in populations.iter().enumerate() {
            assert!(
                populations[..index].iter().all(|other| other.name != population.name),
                "two populations are called `{}`",
                population.name
            );
        }
        // Told now, not after a long run, when the name itself is of no use.
        drop(NpzWriter::create(path, compression)?);
        let scratch = BufWriter::new(scratch_beside(path, &origin)?);
        Ok(Self { path: path.to_path_buf(), origin, compression, scratch, populations, written: 0 })
    }

    /// Appends one sample: the spikes of every population, in the order in which the populations were given.
    ///
    /// # Errors
    /// If the scratch file cannot be written.
    ///
    /// # Panics
    /// If there are more or fewer populations than were given, or 2^32 steps and more.
    pub fn add_sample(&mut self, rasters: &[&Raster]) -> Result<(), FormatError> {
        assert_eq!(rasters.len(), self.populations.len(), "populations of a sample");
        for (population, raster) in self.populations.iter_mut().zip(rasters) {
            let refused = |reason| unwritable(&self.origin, &reason);
            let (neurons, count) = (raster.neurons(), raster.neurons().len() as u64);
            self.scratch.write_all(bytemuck::cast_slice(neurons)).map_err(refused)?;
            for (step, starts) in raster.starts().windows(2).enumerate() {
                let step =
                    u32::try_from(step).unwrap_or_else(|_| panic!("a raster of {} steps", raster.steps()));
                for _ in starts[0]..starts[1] {
                    self.scratch.write_all(&step.to_le_bytes()).map_err(refused)?;
                }
            }
            let valued = !raster.values().is_empty();
            self.scratch.write_all(bytemuck::cast_slice(raster.values())).map_err(refused)?;
            population.starts.push(self.written);
            population.valued.push(valued);
            self.written += count * if valued { 3 } else { 2 } * size_of::<u32>() as u64;
            let before = population.sample_ptr[population.sample_ptr.len() - 1];
            population.sample_ptr.push(before + count);
        }
        Ok(())
    }

    /// Puts the spikes in order, completes the file and gives it its name.
    ///
    /// # Errors
    /// If the file cannot be written; then nothing of it remains.
    pub fn finish(self) -> Result<(), FormatError> {
        let Self { path, origin, compression, scratch, populations, .. } = self;
        let unread =
            |reason: std::io::Error| origin.error(format!("its scratch file cannot be read: {reason}"));
        let file = scratch.into_inner().map_err(|failed| unwritable(&origin, failed.error()))?;
        let mut scratch = BufReader::new(file);
        let mut npz = NpzWriter::create(&path, compression)?;
        let mut buffer = Vec::new();
        for population in &populations {
            let name = &population.name;
            let samples = population.starts.len();
            let spikes = usize::try_from(population.sample_ptr[samples])
                .map_err(|_| origin.error(format!("`{name}` has more spikes than this machine can count")))?;
            for (half, array) in ["node_ids", "timestamps"].into_iter().enumerate() {
                npz.begin::<u32>(&format!("{name}.{array}"), &[spikes])?;
                for sample in 0..samples {
                    let count = population.sample_ptr[sample + 1] - population.sample_ptr[sample];
                    let bytes = count * size_of::<u32>() as u64;
                    let start = population.starts[sample] + half as u64 * bytes;
                    scratch.seek(SeekFrom::Start(start)).map_err(unread)?;
                    buffer.clear();
                    scratch.by_ref().take(bytes).read_to_end(&mut buffer).map_err(unread)?;
                    npz.append(&buffer)?;
                }
            }
            if population.valued.contains(&true) {
                npz.begin::<i32>(&format!("{name}.values"), &[spikes])?;
                for (sample, valued) in population.valued.iter().enumerate() {
                    let count = population.sample_ptr[sample + 1] - population.sample_ptr[sample];
                    let bytes = count * size_of::<i32>() as u64;
                    buffer.clear();
                    if *valued {
                        scratch
                            .seek(SeekFrom::Start(population.starts[sample] + 2 * bytes))
                            .map_err(unread)?;
                        scratch.by_ref().take(bytes).read_to_end(&mut buffer).map_err(unread)?;
                    } else {
                        (0..count).for_each(|_| buffer.extend(1_i32.to_le_bytes()));
                    }
                    npz.append(&buffer)?;
                }
            }
            npz.add(&format!("{name}.sample_ptr"), &[samples + 1], &population.sample_ptr)?;
        }
        npz.finish()
    }
}
