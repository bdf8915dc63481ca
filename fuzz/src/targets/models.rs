//! Trained nets: ONNX, PyTorch and safetensors files, layer lists, NumPy arrays.

use std::cell::RefCell;
use std::fs::File;
use std::io::{Seek, Write};
use std::path::{Path, PathBuf};

use snn_converter::import::onnx as format;
use snn_converter::import::state_dict::{LayerList, StateDict, import};
use snn_converter::numpy_net::{ArrayValues, NamedArray, numpy_net as net};
use snn_converter::simplify::simplify;
use snn_formats::Values;
use snn_formats::npz::NpzReader;

use super::arrays::origin;
use crate::mutate::parts;

/// An ONNX file: the length of the model (u32, little-endian), the model, and the bytes of every file beside it.
pub fn onnx(bytes: &[u8]) -> bool {
    let (model, beside) = parts(bytes);
    let _ = format::external_files(model);
    let open = |_: &str| Ok(beside.to_vec());
    let Ok(import) = format::import(model.to_vec(), Some(&open)) else { return false };
    simplify(&import.ann).is_ok()
}

thread_local! {
    /// A file without a name, for readers that take paths; it ends with the program, however that ends.
    static SCRATCH: RefCell<(File, PathBuf)> = RefCell::new({
        use std::os::fd::AsRawFd;
        // In memory where there is such a folder: it is rewritten for every input.
        let file = tempfile::tempfile_in("/dev/shm").or_else(|_| tempfile::tempfile()).expect("a temporary file");
        let path = PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()));
        (file, path)
    });
}

/// Puts bytes into a file.
fn in_file<T>(bytes: &[u8], read: impl FnOnce(&Path) -> T) -> T {
    SCRATCH.with_borrow_mut(|(file, path)| {
        file.set_len(0).and_then(|()| file.rewind()).and_then(|()| file.write_all(bytes)).expect("written");
        read(path)
    })
}

/// The tensors of a PyTorch file that are tried alone.
const ALONE: usize = 6;

/// A PyTorch file, its tensors read by the layer list of the seed and each by a list of its own. Accepted if the first fits,
/// or all of the others.
pub fn torch(bytes: &[u8]) -> bool {
    in_file(bytes, |path| {
        let Ok(tensors) = StateDict::read(path) else { return false };
        let _ = tensors.request();
        let read = |list: &str| LayerList::parse(list).is_ok_and(|list| import(&tensors, list).is_ok());
        let alone = tensors.names().take(ALONE).filter(|name| !read(&list_of(&tensors, name))).count() == 0;
        let Ok(tensors) = StateDict::read(path) else { panic!("read once, not twice") };
        let list = LayerList::parse(crate::seeds::RESIDUAL).expect("the list of the seed");
        import(&tensors, list).is_ok() || alone
    })
}

/// A safetensors file; as [`torch`].
pub fn safetensors(bytes: &[u8]) -> bool {
    torch(bytes)
}

/// A list of one layer, which takes this tensor as its rank suggests.
fn list_of(tensors: &StateDict, name: &str) -> String {
    let shape = tensors.shape(name).unwrap_or_default();
    let module = toml::Value::String(name.strip_suffix(".weight").unwrap_or(name).to_owned());
    let (input, layer) = match shape {
        [_, inputs] => (vec![*inputs], format!("kind = \"linear\"\nweights = {module}")),
        [_, channels, taps @ ..] if !taps.is_empty() => {
            ([&[*channels][..], taps].concat(), format!("kind = \"conv\"\nweights = {module}"))
        }
        _ => (shape.to_vec(), format!("kind = \"affine\"\nscale = {}", toml::Value::String(name.to_owned()))),
    };
    format!("input = {input:?}\n[[layer]]\n{layer}\n")
}

/// Tensors for the lists of the documentation, beside those of the seed.
const DOCUMENTED: &[(&str, &[usize])] = &[
    ("net.0.weight", &[3, 784]),
    ("net.0.bias", &[3]),
    ("net.2.weight", &[2, 3]),
    ("features.0.weight", &[4, 1, 3, 3]),
    ("features.1.running_mean", &[4]),
    ("features.1.running_var", &[4]),
    ("classifier.weight", &[2, 784]),
    ("block.conv1.weight", &[16, 16, 3, 3]),
    ("block.bn1.running_mean", &[16]),
    ("block.bn1.running_var", &[16]),
    ("block.conv2.weight", &[16, 16, 3, 3]),
    ("block.bn2.weight", &[16]),
    ("block.bn2.running_mean", &[16]),
    ("block.bn2.running_var", &[16]),
];

/// A layer list, for the tensors of the seeds; accepted if it makes a net.
pub fn layer_list(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    let Ok(list) = LayerList::parse(text) else { return false };
    thread_local! {
        static SHAPES: Vec<(String, Vec<usize>)> = in_file(crate::seeds::RESIDUAL_TENSORS, |path| {
            let tensors = StateDict::read(path).expect("the seed");
            let shape = |name: &str| tensors.shape(name).unwrap_or_default().to_vec();
            let documented = DOCUMENTED.iter().map(|(name, shape)| ((*name).to_owned(), shape.to_vec()));
            tensors.names().map(|name| (name.to_owned(), shape(name))).chain(documented).collect()
        });
    }
    let tensors = SHAPES.with(|shapes| {
        let numbers = |shape: &[usize]| vec![0.5; shape.iter().product()];
        StateDict::of_arrays(shapes.iter().map(|(name, shape)| (name.clone(), shape.clone(), numbers(shape))))
    });
    match import(&tensors.expect("the tensors of the seeds"), list) {
        Ok(import) => simplify(&import.ann).is_ok(),
        Err(_) => false,
    }
}

/// An `.npz` file of `W0`, `b0`, ….
pub fn numpy_net(bytes: &[u8]) -> bool {
    let Ok(mut npz) = NpzReader::parse(bytes.to_vec(), &origin()) else { return false };
    let names: Vec<String> = npz.names().map(str::to_owned).collect();
    let mut arrays = vec![];
    for name in names {
        let Ok(array) = npz.read(&name) else { return false };
        let shape = array.shape.clone();
        // As the command line takes them.
        let values = match &array.values {
            Values::Text(_) => array.into_text().map(ArrayValues::Text),
            Values::F32(_) | Values::F64(_) | Values::Bool(_) => array.into_f32().map(ArrayValues::Numbers),
            _ => array.into_labels().map(ArrayValues::Whole),
        };
        let Ok(values) = values else { return false };
        arrays.push(NamedArray { name, shape, values });
    }
    net(arrays).is_ok()
}
