//! Events of an event camera, and the spikes that they are in steps of a fixed length.
//!
//! Read are
//!
//! - `.bin` and `.bs2`: one sample as N-MNIST has it (Orchard et al. 2015, Frontiers in Neuroscience 9, 437): 5 bytes an event, x, y, then
//!   one bit of polarity and 23 bits of time in microseconds, most significant first;
//! - `.npy` of shape (E, 4): one sample of whole numbers x, y, t, p, a row an event;
//! - `.npz` with arrays `x`, `y`, `t` and `p` of shape (E,), and, of several samples, `sample_ptr` of shape (N + 1,): sample s has
//!   the events `sample_ptr[s]` to `sample_ptr[s + 1]`;
//! - a folder of `.bin` or `.bs2` files, a sample each, in the order of their names.

use std::path::{Path, PathBuf};

use crate::array::Array;
use crate::digest::{Digest, Digester};
use crate::error::{FormatError, Origin};
use crate::npz::NpzReader;
use crate::{npy, regular};

/// One event: a pixel that became lighter (1) or darker (0).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// The column, from the left.
    pub x: u32,
    /// The row, from the top.
    pub y: u32,
    /// The time since the beginning of the sample, in the unit of the file; microseconds in `.bin` and `.bs2`.
    pub time: u64,
    /// 0 or 1.
    pub polarity: u8,
}

/// The events of some samples.
#[derive(Clone, Debug)]
pub struct EventSamples {
    /// Those of each sample, in the order of the file.
    pub samples: Vec<Vec<Event>>,
    /// What they were read from; of a folder all files one after the other.
    pub digest: Digest,
    origin: Origin,
}

/// How events become spikes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Binning {
    /// The length of a step, in the unit of the events' times; above 0.
    pub dt: u64,
    /// The number of steps; without it as many as the last event needs.
    pub steps: Option<usize>,
    /// Channels of the input: 2 for darker and lighter, 1 for both together.
    pub channels: usize,
    /// Rows and columns of the input.
    pub sensor: [usize; 2],
    /// The most bytes that the spikes may take.
    pub memory: u64,
}

/// Spikes of value 1, `[samples][steps][channels][rows][columns]`, 0 where there is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binned {
    /// Their values.
    pub spikes: Vec<i16>,
    /// The number of steps.
    pub steps: usize,
    /// Events after the last step, which are no spikes.
    pub late: u64,
    /// Events that are no spikes of their own since another one of the same pixel is in their step.
    pub merged: u64,
}

/// Reads the events of a file or a folder.
///
/// # Errors
/// If it cannot be read, is of no kind named above, or a number in it is none that it may be; the first is named.
pub fn read(path: impl AsRef<Path>) -> Result<EventSamples, FormatError> {
    let path = path.as_ref();
    let origin = Origin::file(path);
    if path.is_dir() {
        return folder(path, origin);
    }
    match ending(path) {
        "bin" | "bs2" => {
            let bytes = bytes(path, &origin)?;
            of_recording(&bytes, origin)
        }
        "npy" => of_rows(npy::read(path)?, origin),
        "npz" => of_columns(NpzReader::open(path)?, origin),
        _ => Err(origin.error(
            "no kind of file that holds events; allowed are .bin and .bs2 as N-MNIST has them, folders of these, .npy and .npz",
        )),
    }
}

fn ending(path: &Path) -> &str {
    path.extension().and_then(|ending| ending.to_str()).unwrap_or_default()
}

fn bytes(path: &Path, origin: &Origin) -> Result<Vec<u8>, FormatError> {
    regular::read(path).map_err(|error| origin.system_error(error.kind(), format!("cannot be read: {error}")))
}

fn folder(path: &Path, origin: Origin) -> Result<EventSamples, FormatError> {
    let unread =
        |error: std::io::Error| origin.system_error(error.kind(), format!("cannot be read: {error}"));
    let mut files: Vec<PathBuf> = std::fs::read_dir(path)
        .map_err(unread)?
        .map(|entry| entry.map(|entry| entry.path()).map_err(unread))
        .collect::<Result<_, _>>()?;
    files.retain(|file| matches!(ending(file), "bin" | "bs2"));
    files.sort();
    if files.is_empty() {
        return Err(origin.error("the folder has no files named .bin or .bs2; one is needed for each sample"));
    }
    let mut digester = Digester::default();
    let mut samples = Vec::with_capacity(files.len());
    for file in files {
        let origin = Origin::file(&file);
        let bytes = bytes(&file, &origin)?;
        digester.add(&bytes);
        samples.push(recorded(&bytes, &origin)?);
    }
    Ok(EventSamples { samples, digest: digester.digest(), origin })
}

/// One sample of the bytes of a recording of N-MNIST.
///
/// # Errors
/// If the bytes are not a whole number of events.
pub fn of_recording(bytes: &[u8], origin: Origin) -> Result<EventSamples, FormatError> {
    let (events, digest) = (recorded(bytes, &origin)?, Digest::of(bytes));
    Ok(EventSamples { samples: vec![events], digest, origin })
}

/// The events of one recording of N-MNIST.
///
/// # Errors
/// If the bytes are not a whole number of events.
pub fn recorded(bytes: &[u8], origin: &Origin) -> Result<Vec<Event>, FormatError> {
    let (events, rest) = bytes.as_chunks::<5>();
    if !rest.is_empty() {
        return Err(origin.error(format!(
            "its {} bytes are no whole number of events of 5 bytes; it was cut, or is no recording of N-MNIST",
            bytes.len()
        )));
    }
    let event = |&[x, y, high, middle, low]: &[u8; 5]| Event {
        x: x.into(),
        y: y.into(),
        time: u64::from(high & 0x7f) << 16 | u64::from(middle) << 8 | u64::from(low),
        polarity: high >> 7,
    };
    Ok(events.iter().map(event).collect())
}

/// An event of four whole numbers.
fn event(place: usize, [x, y, t, p]: [i64; 4], origin: &Origin) -> Result<Event, FormatError> {
    let refused = |name: &str, found: i64, allowed: &str| {
        origin.error(format!("event {place}: {name} is {found}; allowed are {allowed}"))
    };
    let pixel = "whole numbers from 0 to 4294967295";
    Ok(Event {
        x: u32::try_from(x).map_err(|_| refused("x", x, pixel))?,
        y: u32::try_from(y).map_err(|_| refused("y", y, pixel))?,
        time: u64::try_from(t).map_err(|_| refused("t", t, "times from 0 on"))?,
        polarity: match p {
            0 | -1 => 0,
            1 => 1,
            _ => return Err(refused("p", p, "0 and 1, or -1 and 1")),
        },
    })
}

fn whole(array: Array) -> Result<Vec<i64>, FormatError> {
    match array.values {
        crate::Values::Bool(values) => Ok(values.into_iter().map(i64::from).collect()),
        _ => array.into_labels(),
    }
}

/// One sample of the rows x, y, t, p of an array of shape (E, 4).
///
/// # Errors
/// If it has another shape, or a number in it is none that it may be.
pub fn of_rows(array: Array, origin: Origin) -> Result<EventSamples, FormatError> {
    let digest = array.digest.unwrap_or_else(|| Digest::of(&[]));
    let [_, 4] = array.shape[..] else {
        return Err(origin.error(format!(
            "an array of shape {:?}; allowed are events of shape (E, 4), a row x, y, t, p each",
            array.shape
        )));
    };
    let numbers = whole(array)?;
    let events = numbers.as_chunks::<4>().0.iter().enumerate();
    let samples =
        vec![events.map(|(place, &numbers)| event(place, numbers, &origin)).collect::<Result<_, _>>()?];
    Ok(EventSamples { samples, digest, origin })
}

/// The samples of an archive with arrays `x`, `y`, `t` and `p` and, of several, `sample_ptr`.
///
/// # Errors
/// If an array is missing, they do not go together, or a number in them is none that it may be.
pub fn of_columns(mut npz: NpzReader, origin: Origin) -> Result<EventSamples, FormatError> {
    let digest = npz.digest();
    let mut column = |name: &str| -> Result<Vec<i64>, FormatError> {
        if !npz.contains(name) {
            return Err(
                origin.error(format!("it has no array `{name}`; events need x, y, t and p of shape (E,)"))
            );
        }
        whole(npz.read(name)?)
    };
    let [x, y, t, p] = [column("x")?, column("y")?, column("t")?, column("p")?];
    if [&y, &t, &p].iter().any(|other| other.len() != x.len()) {
        let found = [&x, &y, &t, &p].map(|column| column.len());
        return Err(origin.error(format!("x, y, t and p have {found:?} numbers; allowed are equally many")));
    }
    let ends =
        if npz.contains("sample_ptr") { whole(npz.read("sample_ptr")?)? } else { vec![0, x.len() as i64] };
    let ascend = ends.windows(2).all(|pair| pair[0] <= pair[1]);
    let [Some(&0), Some(&last)] = [ends.first(), ends.last()] else {
        return Err(
            origin.error("sample_ptr does not begin with 0; allowed are places of events, ascending from 0")
        );
    };
    if !ascend || usize::try_from(last) != Ok(x.len()) || ends.len() < 2 {
        return Err(origin.error(format!(
            "sample_ptr does not ascend from 0 to the number of events, {}, with a number more than samples",
            x.len()
        )));
    }
    let at = |place: usize| event(place, [x[place], y[place], t[place], p[place]], &origin);
    // All lie between 0 and the number of events.
    let sample = |pair: &[i64]| (pair[0] as usize..pair[1] as usize).map(at).collect::<Result<Vec<_>, _>>();
    let samples = ends.windows(2).map(sample).collect::<Result<_, _>>()?;
    Ok(EventSamples { samples, digest, origin })
}

impl EventSamples {
    /// The spikes that they are: a pixel with an event of a polarity in a step fires once.
    ///
    /// # Errors
    /// If an event lies outside the sensor, or the spikes would take more memory than they may.
    ///
    /// # Panics
    /// If a step has no length.
    pub fn binned(&self, binning: &Binning) -> Result<Binned, FormatError> {
        let Binning { dt, channels, sensor: [rows, columns], memory, .. } = *binning;
        assert!(dt > 0, "steps have a length");
        let last = self.samples.iter().flatten().map(|event| event.time / dt).max();
        let needed = usize::try_from(last.map_or(1, |last| last.saturating_add(1))).unwrap_or(usize::MAX);
        let steps = binning.steps.unwrap_or(needed);
        let width = channels * rows * columns;
        let all = steps.checked_mul(width).and_then(|all| all.checked_mul(self.samples.len()));
        let Some(all) = all.filter(|&all| (all as u64).saturating_mul(2) <= memory) else {
            return Err(self.origin.error(format!(
                "{} samples of {steps} steps of {width} neurons take more than the {memory} bytes of memory that are allowed; \
                 make the steps longer, run fewer of them, or allow more memory",
                self.samples.len()
            )));
        };
        let mut binned = Binned { spikes: vec![0; all], steps, late: 0, merged: 0 };
        for (sample, events) in self.samples.iter().enumerate() {
            for (place, event) in events.iter().enumerate() {
                let (x, y) = (event.x as usize, event.y as usize);
                if x >= columns || y >= rows {
                    return Err(self.origin.error(format!(
                        "sample {sample}, event {place}: the pixel x = {x}, y = {y} lies outside the network's input of {columns} \
                         columns and {rows} rows"
                    )));
                }
                let Some(step) = usize::try_from(event.time / dt).ok().filter(|&step| step < steps) else {
                    binned.late += 1;
                    continue;
                };
                let channel = if channels == 1 { 0 } else { usize::from(event.polarity) };
                let at = (sample * steps + step) * width + (channel * rows + y) * columns + x;
                binned.merged += u64::from(binned.spikes[at] == 1);
                binned.spikes[at] = 1;
            }
        }
        Ok(binned)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(events: &[[i64; 4]]) -> EventSamples {
        let origin = Origin::file("events");
        let events = events.iter().enumerate().map(|(place, &numbers)| event(place, numbers, &origin));
        EventSamples {
            samples: vec![events.collect::<Result<_, _>>().unwrap()],
            digest: Digest::of(&[]),
            origin,
        }
    }

    fn binning(dt: u64, steps: Option<usize>) -> Binning {
        Binning { dt, steps, channels: 2, sensor: [2, 3], memory: 1 << 20 }
    }

    #[test]
    fn the_bytes_of_a_recording_are_column_row_polarity_and_time() {
        let origin = Origin::file("60001.bin");
        let found = recorded(&[33, 2, 0x81, 0x02, 0x03, 0, 7, 0x7f, 0xff, 0xff], &origin).unwrap();
        assert_eq!(found[0], Event { x: 33, y: 2, time: 0x010203, polarity: 1 });
        assert_eq!(found[1], Event { x: 0, y: 7, time: (1 << 23) - 1, polarity: 0 });
        let cut = recorded(&[1, 2, 3], &origin).unwrap_err().to_string();
        assert!(cut.contains("60001.bin") && cut.contains("5 bytes"), "{cut}");
    }

    #[test]
    fn an_event_is_a_spike_of_its_pixel_polarity_and_step() {
        // x, y, t, p; the first two are of one step, as are not the third and fourth.
        let events = samples(&[[2, 1, 0, 1], [2, 1, 9, 1], [2, 1, 10, 1], [0, 0, 29, -1]]);
        let found = events.binned(&binning(10, None)).unwrap();
        assert_eq!((found.steps, found.late, found.merged), (3, 0, 1));
        let fired: Vec<usize> = (0..found.spikes.len()).filter(|&at| found.spikes[at] == 1).collect();
        // Step 0 and 1: channel 1, row 1, column 2 of 12 neurons; step 2: channel 0, the first.
        assert_eq!(fired, [11, 12 + 11, 24]);
        let cut = events.binned(&binning(10, Some(2))).unwrap();
        assert_eq!((cut.steps, cut.late), (2, 1));
        let both = Binning { channels: 1, ..binning(10, None) };
        assert_eq!(events.binned(&both).unwrap().spikes.iter().filter(|&&spike| spike == 1).count(), 3);
    }

    #[test]
    fn events_that_cannot_be_are_refused_by_place() {
        let origin = Origin::file("e.npy");
        for (numbers, part) in
            [([-1, 0, 0, 0], "x is -1"), ([0, 0, -5, 0], "t is -5"), ([0, 0, 0, 2], "p is 2")]
        {
            let error = event(7, numbers, &origin).unwrap_err().to_string();
            assert!(error.contains("event 7") && error.contains(part), "{error}");
        }
        let outside =
            samples(&[[0, 0, 0, 0], [3, 0, 0, 0]]).binned(&binning(1, None)).unwrap_err().to_string();
        assert!(outside.contains("event 1") && outside.contains("x = 3"), "{outside}");
        // A single late event would ask for all memory.
        let late = samples(&[[0, 0, i64::MAX, 0]]).binned(&binning(1, None)).unwrap_err().to_string();
        assert!(late.contains("make the steps longer"), "{late}");
    }
}
