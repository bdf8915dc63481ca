//! No state dict, sound or hostile, makes its reader take more memory than its length justifies.
//!
//! One test in a binary of its own: the counts are those of the whole process.

mod counting;

use std::io::{Cursor, Write};

use snn_converter::import::state_dict::{LayerList, StateDict, import};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

/// Writes a file, lets `read` read it and asserts that this took at most `factor` times its length and a little more.
fn within<T>(case: &str, bytes: &[u8], factor: usize, read: impl FnOnce(&std::path::Path) -> T) -> T {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(bytes).unwrap();
    let (result, taken) = counting::taken(|| read(file.path()));
    let allowed = factor * bytes.len() + (512 << 10);
    assert!(taken <= allowed, "{case}: {taken} bytes for a file of {}, {allowed} are allowed", bytes.len());
    println!("{case}: {taken} bytes for a file of {}", bytes.len());
    result
}

fn torch(pickle: &[u8], packing: CompressionMethod) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(packing);
    zip.start_file("net/data.pkl", options).unwrap();
    zip.write_all(pickle).unwrap();
    zip.finish().unwrap().into_inner()
}

fn safetensors(header: &str, numbers: &[u8]) -> Vec<u8> {
    [&(header.len() as u64).to_le_bytes(), header.as_bytes(), numbers].concat()
}

#[test]
fn state_dicts_take_no_more_memory_than_the_file_justifies() {
    let refused = |case: &str, bytes: &[u8], factor: usize| {
        let result = within(case, bytes, factor, |path| StateDict::read(path).map(|_| ()));
        assert!(result.is_err(), "{case} was read");
    };
    // A sound net: the bytes of the file once, its numbers once or twice.
    let header = "{\"a.weight\":{\"dtype\":\"F32\",\"shape\":[1024,1024],\"data_offsets\":[0,4194304]}}";
    let list = "input = [1024]\n[[layer]]\nkind = 'linear'\nweights = 'a'";
    within("a sound net", &safetensors(header, &vec![0; 4 << 20]), 3, |path| {
        import(&StateDict::read(path).unwrap(), LayerList::parse(list).unwrap()).unwrap()
    });

    let many = |byte: &[u8], count: usize| [b"\x80\x02", &byte.repeat(count)[..], b"."].concat();
    let most = (1 << 20) - 3;
    refused("a pickle that unfolds", &torch(&many(b"N", 1 << 24), CompressionMethod::Deflated), 2);
    refused("a pickle beyond the bound", &torch(&many(b"N", most + 1), CompressionMethod::Stored), 2);
    // Every byte an object: the worst that one can write within the bound.
    refused("empty lists", &torch(&many(b"]", most), CompressionMethod::Stored), 200);
    refused("empty dictionaries", &torch(&many(b"}", most), CompressionMethod::Stored), 200);
    refused("marks", &torch(&many(b"(", most), CompressionMethod::Stored), 200);
    let doubling = [b"\x80\x02]", &b"2\x86".repeat(1 << 18)[..], b"."].concat();
    refused("a pickle that doubles", &torch(&doubling, CompressionMethod::Stored), 200);
    // A length that is not there.
    let text = [b"\x80\x02X", &u32::MAX.to_le_bytes()[..], b"abc."].concat();
    refused("a long text", &torch(&text, CompressionMethod::Stored), 10);

    refused("a header of lists", &safetensors(&format!("{{\"a\":[{}1]}}", "1,".repeat(1 << 18)), &[]), 200);
    let huge =
        "{\"a\":{\"dtype\":\"U8\",\"shape\":[1152921504606846976],\"data_offsets\":[0,1152921504606846976]}}";
    refused("a huge tensor", &safetensors(huge, &[0; 64]), 10);
    let far = (u64::MAX / 2).to_le_bytes();
    refused("a header of half of all bytes", &far, 10);

    // A tensor named a thousand times is read at most four times over.
    let mut list = String::from("input = [1]\n");
    for i in 0..1000 {
        list += &format!("[[layer]]\nkind = 'affine'\nscale = 't{i}'\n");
    }
    let bytes = std::fs::read(
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/state_dict/shared.pt"),
    )
    .unwrap();
    let error = within("one storage under a thousand names", &bytes, 40, |path| {
        import(&StateDict::read(path).unwrap(), LayerList::parse(&list).unwrap()).unwrap_err().to_string()
    });
    assert!(error.contains("more than 4 times"), "{error}");
}
