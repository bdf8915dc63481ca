//! Arrays: `.npy`, `.npz`, and what the input, rasters and labels of a run make of them.

use std::sync::{Arc, LazyLock};

use snn_engine::{AnySimulator, Encoding, Input, Layout, Mode, Network, Until, run_batch};
use snn_formats::npz::NpzReader;
use snn_formats::{Array, Origin, npy as format, samples as shapes};

use crate::seeds::nets::small;

/// What errors name.
pub(super) fn origin() -> Origin {
    Origin::file("<input>")
}

/// An `.npy` file, and every type that its values can be turned into.
pub fn npy(bytes: &[u8]) -> bool {
    let Ok(array) = format::parse(bytes, &origin()) else { return false };
    turned(&array);
    true
}

fn turned(array: &Array) {
    let count = array.values.len();
    for length in [
        array.clone().into_f32().map(|values| values.len()).unwrap_or(count),
        array.clone().into_labels().map(|values| values.len()).unwrap_or(count),
        array.clone().into_spikes().map(|values| values.len()).unwrap_or(count),
        array.clone().into_spike_values().map(|values| values.len()).unwrap_or(count),
    ] {
        assert_eq!(length, count, "values of an array of {count}");
    }
    let _ = array.clone().into_text();
}

/// An `.npz` file with all arrays in it, such as the `spikes.npz` of a run; accepted if every array is.
pub fn npz(bytes: &[u8]) -> bool {
    let Ok(mut npz) = NpzReader::parse(bytes.to_vec(), &origin()) else { return false };
    let names: Vec<String> = npz.names().map(str::to_owned).collect();
    let arrays: Vec<_> = names.iter().map(|name| npz.read(name)).collect();
    arrays.iter().flatten().for_each(turned);
    !arrays.is_empty() && arrays.iter().all(Result::is_ok)
}

/// Networks of a flat input and of an image.
static NETWORKS: LazyLock<Vec<Arc<Network>>> = LazyLock::new(|| {
    let image = Layout::Image { channels: 2, height: 3, width: 2 };
    [Layout::Flat(12), image].map(|layout| Arc::new(small(layout))).to_vec()
});

/// What may be made of an array in the place of `--input` or `--labels`.
const USES: u8 = 6;

/// The input of a run or its labels: a byte that says which, and an `.npy` file. What is accepted is run.
pub fn samples(bytes: &[u8]) -> bool {
    let Some((&which, file)) = bytes.split_first() else { return false };
    let Ok(array) = format::parse(file, &origin()) else { return false };
    let network = &NETWORKS[usize::from(which / USES) % NETWORKS.len()];
    let source = network.sources().next().expect("a source");
    let shape = network.population(source).layout().shape();
    if which % USES == 5 {
        let count = array.shape.first().copied().unwrap_or(0);
        let Ok(labels) = shapes::labels(array, count, 10) else { return false };
        assert!(labels.len() == count && labels.iter().all(|label| (0..10).contains(label)), "{labels:?}");
        return true;
    }
    let input = match which % USES {
        4 => {
            let Ok(batch) = shapes::raster("a raster", &array.shape, &shape) else { return false };
            let steps = batch.steps.expect("the steps of a raster");
            let input =
                array.into_spike_values().ok().and_then(|values| Input::valued(network, values, steps).ok());
            input.inspect(|input| assert_eq!(input.samples(), batch.samples))
        }
        encoding => {
            let Ok(batch) = shapes::batch("samples", &array.shape, &shape) else { return false };
            let encodings =
                [Encoding::Constant, Encoding::Once, Encoding::Poisson { seed: 7 }, Encoding::Regular];
            let encoding = encodings[usize::from(encoding)];
            let input =
                array.into_f32().ok().and_then(|values| Input::values(network, values, encoding).ok());
            input.inspect(|input| assert_eq!(input.samples(), batch.samples))
        }
    };
    let Some(input) = input else { return false };
    let steps = input.steps().map_or(4, |steps| u32::try_from(steps).expect("steps").min(4));
    let samples = 0..input.samples().min(3);
    // A drive may be refused sample by sample.
    let run = |mode| {
        let simulator = AnySimulator::new(mode, Arc::clone(network));
        let done = |_| Ok::<_, snn_engine::NetworkError>(());
        run_batch(samples.clone(), 1, &simulator, &input, Until::Steps(steps), false, done)
    };
    match (run(Mode::Event), run(Mode::Dense)) {
        (Ok(one), Ok(other)) => {
            let counts = |outcomes: &[snn_engine::Outcome]| {
                format!("{:?}", outcomes.iter().map(|outcome| &outcome.counts).collect::<Vec<_>>())
            };
            assert_eq!(counts(&one), counts(&other), "counts of the dense reference");
            true
        }
        (Err(_), Err(_)) => false,
        (one, other) => panic!("refused by one simulator only: {:?}, {:?}", one.err(), other.err()),
    }
}
