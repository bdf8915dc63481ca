//! Trained nets, layer lists, and arrays as the command line takes them.

use snn_formats::npz::{Compression, NpzReader, NpzWriter};
use snn_formats::{Values, write_npy};

use super::{files, project};

/// The layer list of a residual net.
pub const RESIDUAL: &str =
    include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../converter/tests/data/state_dict/residual.toml"));

/// Its tensors.
pub const RESIDUAL_TENSORS: &[u8] =
    include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/../converter/tests/data/state_dict/residual.pt"));

/// The longest ONNX file that is a seed: small ones are read often.
const LONGEST: usize = 6000;

/// The operators' test cases, each alone and some with a file beside them.
pub fn onnx() -> Vec<Vec<u8>> {
    let mut models = vec![];
    for archive in ["cases", "backend"] {
        let path = project().join(format!("converter/tests/operators/{archive}.npz"));
        let mut npz = NpzReader::open(path).expect("the cases");
        let names: Vec<String> =
            npz.names().filter(|name| name.ends_with(".onnx")).map(str::to_owned).collect();
        for name in names {
            let Values::U8(bytes) = npz.read(&name).expect("a case").values else { continue };
            if bytes.len() <= LONGEST {
                models.push(crate::mutate::joined(&bytes, &[]));
            }
        }
    }
    models.push(crate::mutate::joined(&external(), &0.5f32.to_le_bytes().repeat(16)));
    models
}

/// `y = relu(x·w)`, its weights beside it: the fields of the format by their numbers.
fn external() -> Vec<u8> {
    let field = |number: u8, bytes: &[u8]| {
        let length = u8::try_from(bytes.len()).ok().filter(|&length| length < 0x80);
        [&[number << 3 | 2, length.expect("a short field")][..], bytes].concat()
    };
    let entry = |key: &str, value: &str| [field(1, key.as_bytes()), field(2, value.as_bytes())].concat();
    let weights = [
        vec![1 << 3, 4, 1 << 3, 4, 2 << 3, 1],
        field(8, b"w"),
        field(13, &entry("location", "w.bin")),
        vec![14 << 3, 1],
    ]
    .concat();
    let node = |inputs: &[&str], output: &str, operator: &str| {
        let inputs = inputs.iter().flat_map(|input| field(1, input.as_bytes()));
        [inputs.collect(), field(2, output.as_bytes()), field(4, operator.as_bytes())].concat()
    };
    let batch = field(1, &field(2, b"N"));
    let port = |name: &str| {
        let shape = [batch.clone(), field(1, &[1 << 3, 4])].concat();
        let tensor = [vec![1 << 3, 1], field(2, &shape)].concat();
        [field(1, name.as_bytes()), field(2, &field(1, &tensor))].concat()
    };
    let graph = [
        field(1, &node(&["x", "w"], "a", "MatMul")),
        field(1, &node(&["a"], "y", "Relu")),
        field(5, &weights),
        field(11, &port("x")),
        field(12, &port("y")),
    ]
    .concat();
    let length = graph.len();
    let long = [&[7 << 3 | 2, (length % 128) as u8 | 0x80, (length / 128) as u8][..], &graph].concat();
    [vec![1 << 3, 8], long, field(8, &[2 << 3, 17])].concat()
}

/// The layer lists of the documentation and of the tests.
pub fn layer_lists() -> Vec<Vec<u8>> {
    let docs = std::fs::read_to_string(project().join("docs/layer-list.md")).expect("the documentation");
    let lists = docs.split("```toml\n").skip(1).filter_map(|rest| rest.split_once("```"));
    let lists = lists.map(|(list, _)| list.as_bytes().to_vec());
    files("converter/tests/data/state_dict", "toml").into_iter().chain(lists).collect()
}

/// What arrays may be used as, each with the byte that says so.
pub fn samples() -> Vec<Vec<u8>> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("x.npy");
    let mut seeds = vec![];
    let mut add = |uses: &[u8], written: &dyn Fn() -> Result<(), snn_formats::FormatError>| {
        written().expect("written");
        let bytes = std::fs::read(&path).expect("read");
        seeds.extend(uses.iter().map(|&which| [&[which][..], &bytes].concat()));
    };
    let x: Vec<f32> = (0..24).map(|place| place as f32 / 24.0).collect();
    let spikes: Vec<u8> = (0..72).map(|place| u8::from(place % 3 == 0)).collect();
    let counts: Vec<i32> = (0..72).map(|place| place % 5 - 2).collect();
    for shape in [&[2, 12][..], &[2, 2, 3, 2]] {
        add(&[0, 1, 2, 3, 6, 7, 8, 9], &|| write_npy(&path, shape, &x));
    }
    for shape in [&[6, 12][..], &[2, 3, 12], &[2, 3, 2, 3, 2]] {
        add(&[4, 10], &|| write_npy(&path, shape, &spikes));
        add(&[4, 10], &|| write_npy(&path, shape, &counts));
    }
    add(&[5], &|| write_npy(&path, &[8], &[0i64, 1, 2, 9, 3, 4, 5, 6]));
    add(&[5], &|| {
        write_npy(&path, &[2, 10], &[0u8, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0])
    });
    seeds
}

/// Archives of small nets: to be converted, and sparse.
pub fn archives() -> Vec<Vec<u8>> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("net.npz");
    let mut archives = vec![];
    for (spiking, compression) in
        [(false, Compression::Stored), (true, Compression::Stored), (true, Compression::Deflated)]
    {
        let mut npz = NpzWriter::create(&path, compression).expect("a file");
        npz.add("W0", &[3, 4], &[0.5f32, 0.0, -0.25, 1.0, 0.5, 0.0, 0.0, 0.0, 1.0, 0.25, 0.5, 0.75])
            .expect("added");
        npz.add("b0", &[3], &[0.5f32, 0.0, -0.5]).expect("added");
        npz.add("W1.data", &[3], &[0.5f32, -0.5, 1.0]).expect("added");
        npz.add("W1.indices", &[3], &[0i32, 2, 1]).expect("added");
        npz.add("W1.indptr", &[3], &[0i32, 2, 3]).expect("added");
        npz.add("W1.shape", &[2], &[2i64, 3]).expect("added");
        if spiking {
            npz.add("theta", &[2], &[1.0f32, 0.5]).expect("added");
            npz.add("v_start", &[1], &[0.25f32]).expect("added");
        }
        npz.finish().expect("finished");
        archives.push(std::fs::read(&path).expect("read"));
    }
    archives
}
