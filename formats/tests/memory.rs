//! No file, sound or hostile, makes a reader take more memory than its length justifies.
//!
//! One test in a binary of its own: the counts are those of the whole process.

use std::alloc::{GlobalAlloc, Layout, System};
use std::io::Write;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};
use snn_formats::{Compression, ContainerWriter, NetFile, NpzReader, NpzWriter, Origin, npy, write_npy};

/// The system's allocator, counting the bytes in use and the most ever in use.
struct Counting;

static IN_USE: AtomicUsize = AtomicUsize::new(0);
static MOST: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call is passed on to the system's allocator unchanged; counting touches no memory of it.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let now = IN_USE.fetch_add(layout.size(), Ordering::Relaxed) + layout.size();
        MOST.fetch_max(now, Ordering::Relaxed);
        // SAFETY: the caller's promises about `layout` are those that the system's allocator asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        IN_USE.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: `place` came from `alloc` above, that is from the system's allocator, with this layout.
        unsafe { System.dealloc(place, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The most memory that `read` took beyond what was in use before, in bytes.
fn taken<T>(read: impl FnOnce() -> T) -> (T, usize) {
    let before = IN_USE.load(Ordering::Relaxed);
    MOST.store(before, Ordering::Relaxed);
    let result = read();
    (result, MOST.load(Ordering::Relaxed) - before)
}

/// Asserts that reading took at most `factor` times the file and a little more.
fn within<T>(case: &str, length: usize, factor: usize, read: impl FnOnce() -> T) -> T {
    let (result, bytes) = taken(read);
    let allowed = factor * length + (256 << 10);
    assert!(bytes <= allowed, "{case}: {bytes} bytes for a file of {length}, {allowed} are allowed");
    result
}

fn npy_file(header: &str, payload: &[u8]) -> Vec<u8> {
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend_from_slice(&u16::try_from(header.len()).unwrap().to_le_bytes());
    bytes.extend_from_slice(header.as_bytes());
    bytes.extend_from_slice(payload);
    bytes
}

#[test]
fn readers_take_no_more_memory_than_the_file_justifies() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    let origin = Origin::file("<memory>");

    // .npy: sound files cost their values once (twice when turned), hostile ones nothing.
    let million = vec![1.0f32; 1 << 20];
    write_npy(&path, &[1 << 20], &million).unwrap();
    within("npy", 4 << 20, 1, || npy::read(&path)).unwrap();
    let fortran = npy_file(
        "{'descr': '<f4', 'fortran_order': True, 'shape': (1024, 1024), }",
        bytemuck::cast_slice(&million),
    );
    within("npy in Fortran order", 4 << 20, 2, || npy::parse(&fortran, &origin)).unwrap();
    let text = npy_file("{'descr': '<U1', 'fortran_order': False, 'shape': (1048576,), }", &[0; 4 << 20]);
    within("npy of text", 4 << 20, 7, || npy::parse(&text, &origin)).unwrap();
    for shape in ["(1000000000000,)", "(4294967296, 4294967296)", "(0, 18446744073709551615)"] {
        let file =
            npy_file(&format!("{{'descr': '<f8', 'fortran_order': True, 'shape': {shape}, }}"), &[0; 64]);
        let _ = within(shape, file.len(), 1, || npy::parse(&file, &origin));
    }
    let mut long_header = b"\x93NUMPY\x02\x00".to_vec();
    long_header.extend_from_slice(&u32::MAX.to_le_bytes());
    within("npy header of 4 GiB", long_header.len(), 1, || npy::parse(&long_header, &origin)).unwrap_err();

    // .npz: what really unfolds counts, not what is stated.
    let mut writer = NpzWriter::create(&path, Compression::Deflated).unwrap();
    let noise: Vec<u32> =
        (0..1u32 << 16).map(|i| i.wrapping_mul(2_654_435_761).rotate_left(i % 32)).collect();
    writer.add("x", &[1 << 16], &noise).unwrap();
    writer.finish().unwrap();
    let mut bytes = std::fs::read(&path).unwrap();
    let length = bytes.len();
    within("npz", length, 4, || NpzReader::open(&path).unwrap().read("x")).unwrap();
    // The central directory states 128 MiB, a few hundred times what is there: possible, but not so.
    let directory = bytes.windows(4).rposition(|window| window == b"PK\x01\x02").unwrap();
    bytes[directory + 24..directory + 28].copy_from_slice(&(128u32 << 20).to_le_bytes());
    std::fs::write(&path, &bytes).unwrap();
    within("npz with a false length", length, 4, || NpzReader::open(&path).unwrap().read("x")).unwrap_err();
    // The same with a header inside that agrees with the false length.
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(vec![]));
    let options =
        zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Deflated);
    zip.start_file("x.npy", options).unwrap();
    let header = "{'descr': '|u1', 'fortran_order': False, 'shape': (134217728,), }";
    zip.write_all(&npy_file(header, bytemuck::cast_slice(&noise))).unwrap();
    let mut bytes = zip.finish().unwrap().into_inner();
    let directory = bytes.windows(4).rposition(|window| window == b"PK\x01\x02").unwrap();
    let stated = 134_217_728 + 10 + u32::try_from(header.len()).unwrap();
    bytes[directory + 24..directory + 28].copy_from_slice(&stated.to_le_bytes());
    std::fs::write(&path, &bytes).unwrap();
    let error =
        within("npz with two false lengths", bytes.len(), 4, || NpzReader::open(&path).unwrap().read("x"));
    assert!(error.unwrap_err().to_string().contains("unpacked"));

    // net.bin: heads of many small values, deep heads, and nets that ask for more than they are.
    let net = |content: &Value| {
        ContainerWriter::new().write(&path, "net", content).unwrap();
        std::fs::read(&path).unwrap()
    };
    let population = |name: &str, shape: Value| json!({"name": name, "shape": shape, "neuron": "source"});
    for (case, content) in [
        (
            "provenance",
            json!({"populations": [], "projections": [],
            "description": {"provenance": {"a": vec![json!({"": 0}); 1 << 17]}}}),
        ),
        (
            "report",
            json!({"populations": [], "projections": [],
            "description": {"provenance": {}, "report": {"a": vec![json!({"": 0}); 1 << 17]}}}),
        ),
        (
            "shape",
            json!({"populations": [{"name": "a", "shape": vec![0; 1 << 19], "neuron": "source"}],
            "projections": [], "description": {"provenance": {}}}),
        ),
        (
            "neuron",
            json!({"populations": [{"name": "a", "shape": [1], "neuron": {"accumulator":
            {"bias": vec![0; 1 << 19]}}}], "projections": [], "description": {"provenance": {}}}),
        ),
        (
            "populations",
            json!({"populations": vec![population("", json!([0])); 1 << 14],
            "projections": [], "description": {"provenance": {}}}),
        ),
        (
            "projections",
            json!({"populations": [population("a", json!([1]))], "projections":
            vec![json!({"source": "a", "target": "a", "delay": 0, "connectivity": {"one-to-one": {"weights": ""}}});
                1 << 14], "description": {"provenance": {}}}),
        ),
        ("zeros", json!(vec![0; 1 << 19])),
        ("lists", json!(vec![Value::Array(vec![]); 1 << 19])),
        ("objects", json!(vec![json!({"": 0}); 1 << 17])),
        ("numbers", json!({"populations": vec![0; 1 << 18], "projections": [], "description": {}})),
    ] {
        let bytes = net(&content);
        drop(content);
        let (file, head) = (bytes.len(), 10);
        within(case, file, head, || NetFile::parse(&bytes, &origin)).unwrap_err();
    }
    for shape in
        [json!([1 << 24]), json!([(1 << 24) + 1]), json!([4_294_967_231u64]), json!([4096, 1024, 1023])]
    {
        let bytes = net(&json!({
            "populations": [population("a", shape)], "projections": [], "description": {"provenance": {}},
        }));
        let _ = within("neurons", bytes.len(), 4, || NetFile::parse(&bytes, &origin));
    }
}
