//! Events of event cameras, and the spikes of runs.

use snn_formats::events::{Binning, EventSamples, of_columns, of_recording, of_rows};
use snn_formats::npz::NpzReader;
use snn_formats::{SpikeFile, npy};
use snn_research::part_spikes;

use super::arrays::origin;

/// Events in the columns of an `.npz` file.
pub fn event_columns(bytes: &[u8]) -> bool {
    let npz = NpzReader::parse(bytes.to_vec(), &origin());
    npz.and_then(|npz| of_columns(npz, origin())).is_ok_and(|events| binned(&events))
}

/// Events in the rows of an `.npy` file.
pub fn event_rows(bytes: &[u8]) -> bool {
    let array = npy::parse(bytes, &origin());
    array.and_then(|array| of_rows(array, origin())).is_ok_and(|events| binned(&events))
}

/// A recording as N-MNIST has it.
pub fn recording(bytes: &[u8]) -> bool {
    of_recording(bytes, origin()).is_ok_and(|events| binned(&events))
}

/// The most bytes that spikes may take.
const MEMORY: u64 = 1 << 20;

/// Whether they are spikes of some sensor in some steps; in those of which they are, none is lost and none is made.
fn binned(events: &EventSamples) -> bool {
    let all: u64 = events.samples.iter().map(|sample| sample.len() as u64).sum();
    let mut taken = false;
    for (dt, steps, channels, sensor) in [
        (1, None, 2, [34, 34]),
        (100, Some(4), 2, [3, 3]),
        (5000, None, 1, [34, 34]),
        (u64::MAX, Some(2), 1, [usize::from(u16::MAX), 2]),
        (7, Some(0), 2, [2, 2]),
        (1000, Some(usize::MAX), 2, [256, 256]),
    ] {
        let Ok(spikes) = events.binned(&Binning { dt, steps, channels, sensor, memory: MEMORY }) else {
            continue;
        };
        let width = channels * sensor[0] * sensor[1];
        assert_eq!(spikes.spikes.len(), events.samples.len() * spikes.steps * width, "extents");
        assert!(spikes.spikes.len() as u64 * 2 <= MEMORY, "memory");
        assert!(spikes.spikes.iter().all(|&spike| spike == 0 || spike == 1), "values");
        let fired = spikes.spikes.iter().filter(|&&spike| spike == 1).count() as u64;
        assert_eq!(fired + spikes.late + spikes.merged, all, "events");
        taken = true;
    }
    taken
}

/// The spikes of a run, `.npz`; they do not part from themselves.
pub fn spikes(bytes: &[u8]) -> bool {
    let read = || NpzReader::parse(bytes.to_vec(), &origin()).and_then(|npz| SpikeFile::of(npz, &origin()));
    let Ok(file) = read() else { return false };
    for trains in &file.populations {
        for sample in 0..trains.samples() {
            let places: Vec<_> = trains.sample(sample).map(|spike| (spike.step, spike.neuron)).collect();
            assert!(places.windows(2).all(|pair| pair[0] < pair[1]), "the order of spikes");
        }
    }
    match part_spikes(&file, &file.clone()) {
        Ok(parting) => assert_eq!(parting, None),
        // Populations of other numbers of samples, or of the same name.
        Err(_) => return false,
    }
    true
}
