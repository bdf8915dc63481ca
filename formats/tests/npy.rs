//! `.npy` and `.npz` files: NumPy's own samples, what we write, and bad files.

use std::fs;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use snn_formats::{
    Array, Compression, Element, FormatError, NpzReader, NpzWriter, Origin, Values, npy, write_npy,
};

fn sample(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/numpy").join(name)
}

fn read(name: &str) -> Array {
    npy::read(sample(name)).unwrap_or_else(|error| panic!("{error}"))
}

fn parse(bytes: &[u8]) -> Result<Array, FormatError> {
    npy::parse(bytes, &Origin::file("<memory>"))
}

/// A version 1.0 file with this header text and payload.
fn file(text: &str, payload: &[u8]) -> Vec<u8> {
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend_from_slice(&u16::try_from(text.len()).unwrap().to_le_bytes());
    bytes.extend_from_slice(text.as_bytes());
    bytes.extend_from_slice(payload);
    bytes
}

fn refusal(bytes: &[u8]) -> String {
    parse(bytes).expect_err("the file should be refused").to_string()
}

#[test]
fn every_type_is_read_in_both_byte_orders() {
    for suffix in ["", "-big"] {
        let expect = |name: &str, values: Values| {
            let array = read(&format!("{name}{suffix}.npy"));
            assert_eq!(array.shape, [2, 3], "{name}{suffix}");
            assert_eq!(array.values, values, "{name}{suffix}");
        };
        expect("i2", Values::I16(vec![-2, -1, 0, 1, 2, 3]));
        expect("i4", Values::I32(vec![-2, -1, 0, 1, 2, 3]));
        expect("i8", Values::I64(vec![-2, -1, 0, 1, 2, 3]));
        expect("u2", Values::U16(vec![0, 1, 2, 3, 4, 5]));
        expect("u4", Values::U32(vec![0, 1, 2, 3, 4, 5]));
        expect("u8", Values::U64(vec![0, 1, 2, 3, 4, 5]));
        expect("f4", Values::F32(vec![0.0, 0.25, 0.5, 0.75, 1.0, 1.25]));
        expect("f8", Values::F64(vec![0.0, 0.25, 0.5, 0.75, 1.0, 1.25]));
    }
    assert_eq!(read("i1.npy").values, Values::I8(vec![-2, -1, 0, 1, 2, 3]));
    assert_eq!(read("u1.npy").values, Values::U8(vec![0, 1, 2, 3, 4, 5]));
    assert_eq!(read("bool.npy").values, Values::Bool(vec![true, false, true, false, false, true]));
    assert_eq!(read("i8-limits.npy").values, Values::I64(vec![i64::MIN, i64::MAX]));
    assert_eq!(read("u8-limits.npy").values, Values::U64(vec![0, u64::MAX]));
}

#[test]
fn special_floats_keep_their_bits() {
    let Values::F32(values) = read("f4-special.npy").values else { panic!("float32 expected") };
    let bits: Vec<u32> = values.iter().map(|v| v.to_bits()).collect();
    let expected = [0.0, -0.0, f32::INFINITY, f32::NEG_INFINITY, f32::from_bits(1), f32::MAX, f32::NAN];
    assert_eq!(bits, expected.map(f32::to_bits));
}

#[test]
fn fortran_order_is_turned_into_c_order() {
    let array = read("fortran.npy");
    assert_eq!(array.shape, [2, 3, 4]);
    assert_eq!(array.values, Values::I32((0..24).collect()));
    let array = read("fortran-big.npy");
    assert_eq!(array.shape, [3, 2]);
    assert_eq!(array.values, Values::F64(vec![0.0, 1.0, 2.0, 3.0, 4.0, 5.0]));
}

#[test]
fn single_values_empty_arrays_and_all_versions_are_read() {
    assert_eq!(read("scalar.npy").shape, [0usize; 0]);
    assert_eq!(read("scalar.npy").values, Values::F32(vec![2.5]));
    assert_eq!(read("empty.npy").shape, [0]);
    assert_eq!(read("empty-middle.npy").shape, [3, 0, 2]);
    assert_eq!(read("empty-middle.npy").values, Values::I64(vec![]));
    for name in ["version-2.npy", "version-3.npy"] {
        assert_eq!(read(name).values, Values::F32(vec![0.0, 1.0, 2.0]), "{name}");
    }
}

#[test]
fn text_is_read_without_its_padding() {
    assert_eq!(read("text.npy").into_text().unwrap(), "subtract");
    assert_eq!(read("text-big.npy").values, Values::Text(vec!["zero".into(), "é→".into()]));
    assert_eq!(read("bytes.npy").values, Values::Text(vec!["zero".into(), "x".into()]));
    let error = read("text-big.npy").into_text().unwrap_err().to_string();
    assert!(error.contains("shape [2]"), "{error}");
    assert!(read("f4.npy").into_text().is_err());
}

#[test]
fn types_that_cannot_be_read_are_refused_with_a_hint() {
    for (name, hint) in
        [("f2", "astype('float32')"), ("c8", "real part"), ("structured", "each field by itself")]
    {
        let error = npy::read(sample(&format!("{name}.npy"))).unwrap_err().to_string();
        assert!(error.contains(hint), "{error}");
        assert!(error.contains(&format!("{name}.npy")), "{error}");
    }
    let object = file("{'descr': '|O', 'fortran_order': False, 'shape': (1,), }\n", &[0; 8]);
    assert!(refusal(&object).contains("pickled"));
    let unordered = file("{'descr': '|i4', 'fortran_order': False, 'shape': (1,), }\n", &[0; 4]);
    assert!(refusal(&unordered).contains("byte order"));
}

#[test]
fn a_header_may_be_spelt_as_python_spells_it() {
    for text in [
        "{\"shape\":(2,),\"fortran_order\":True,\"descr\":\"<u2\"}",
        "{'descr': '<u2', 'shape': (2L,), 'fortran_order': False, }   \n",
        " { 'fortran_order' : False , 'descr' : '<u2' , 'shape' : ( 2 , ) } ",
    ] {
        assert_eq!(parse(&file(text, &[1, 0, 2, 0])).unwrap().values, Values::U16(vec![1, 2]), "{text}");
    }
}

#[test]
fn bad_headers_are_refused_with_place_and_reason() {
    let table: [(&str, &str); 18] = [
        ("{'descr': '<f4', 'fortran_order': False, 'shape': (-3,), }", "not negative"),
        ("{'descr': '<f4', 'fortran_order': False, 'shape': (3), }", "',' after the only length"),
        ("{'descr': '<f4', 'fortran_order': False, 'shape': (3,,), }", "a length"),
        ("{'descr': '<f4', 'fortran_order': False, 'shape': 3, }", "a shape"),
        (
            "{'descr': '<f4', 'fortran_order': False, 'shape': (9223372036854775808,), }",
            "more bytes than can be counted",
        ),
        (
            "{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387904,), }",
            "more bytes than can be counted",
        ),
        ("{'descr': '<f4', 'fortran_order': False, 'shape': (18446744073709551616,), }", "can be counted"),
        ("{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296, 4294967296), }", "can be counted"),
        (
            "{'descr': '<f4', 'fortran_order': False, 'shape': (0, 4294967296, 4294967296), }",
            "can be counted",
        ),
        ("{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000000,), }", "cut off"),
        ("{'descr': '<f4', 'fortran_order': False, 'shape': (), }", "longer than it should be"),
        ("{'descr': '<f4', 'fortran_order': 0, 'shape': (3,), }", "True or False"),
        ("{'descr': '<f4', 'fortran_order': False, }", "all of the entries"),
        ("{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (3,), }", "only once"),
        ("{'descr': '<f4', 'fortran_order': False, 'shape': (3,), 'more': 1}", "one of the entries"),
        ("{'descr': '<f4', 'fortran_order': False, 'shape': (3,), } x", "nothing but blanks"),
        ("{'descr': '<U18446744073709551615', 'fortran_order': False, 'shape': (3,), }", "cannot be read"),
        ("{'descr': '<U0', 'fortran_order': False, 'shape': (9223372036854775808,), }", "cannot be read"),
    ];
    for (text, reason) in table {
        let error = refusal(&file(text, &[0; 12]));
        assert!(error.contains(reason), "{text}: {error}");
    }
    let many = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({}), }}", "1, ".repeat(65));
    assert!(refusal(&file(&many, &[0; 4])).contains("64 axes"));
    let mut huge = b"\x93NUMPY\x02\x00".to_vec();
    huge.extend_from_slice(&u32::MAX.to_le_bytes());
    assert!(refusal(&huge).contains("4294967295 bytes"), "{}", refusal(&huge));
    assert!(refusal(b"\x93NUMPY\x04\x00\x00\x00").contains("version 4.0"));
    assert!(refusal(b"PK\x03\x04").contains("no .npy file"));
    assert!(refusal(b"").contains("no .npy file"));
}

#[test]
fn a_file_cut_at_any_byte_is_refused() {
    for name in ["f4.npy", "version-2.npy", "bool.npy", "text.npy", "fortran-big.npy"] {
        let bytes = fs::read(sample(name)).unwrap();
        for length in 0..bytes.len() {
            assert!(parse(&bytes[..length]).is_err(), "{name} cut to {length} bytes");
        }
        let mut longer = bytes.clone();
        longer.push(0);
        assert!(refusal(&longer).contains("longer"), "{name} with a byte more");
    }
}

#[test]
fn a_flipped_bit_gives_an_error_or_another_array_of_the_same_size() {
    for name in ["i2.npy", "f4.npy", "bool.npy", "fortran-big.npy", "text-big.npy"] {
        let bytes = fs::read(sample(name)).unwrap();
        let header = 10 + usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
        let whole = parse(&bytes).unwrap();
        for position in 0..bytes.len() {
            for bit in 0..8 {
                let mut flipped = bytes.clone();
                flipped[position] ^= 1 << bit;
                if let Ok(array) = parse(&flipped) {
                    assert_eq!(array.values.len(), whole.values.len(), "{name}: byte {position}, bit {bit}");
                    // Written out, -0.0 and 0.0 differ.
                    let same = format!("{array:?}") == format!("{whole:?}");
                    assert!(position < header || !same, "{name}: byte {position}, bit {bit} changed nothing");
                }
            }
        }
    }
}

#[test]
fn a_bool_that_is_neither_0_nor_1_is_refused_by_its_byte() {
    let bytes = file("{'descr': '|b1', 'fortran_order': False, 'shape': (3,), }", &[1, 0, 2]);
    let error = parse(&bytes).unwrap_err();
    assert_eq!(error.at.byte, Some(bytes.len() as u64 - 1));
}

#[test]
fn conversions_to_f32_round_and_name_text() {
    assert_eq!(read("f8.npy").into_f32().unwrap(), [0.0, 0.25, 0.5, 0.75, 1.0, 1.25]);
    assert_eq!(
        read("i8-limits.npy").into_f32().unwrap(),
        [-9_223_372_036_854_775_808.0, 9_223_372_036_854_775_808.0]
    );
    assert_eq!(read("bool.npy").into_f32().unwrap(), [1.0, 0.0, 1.0, 0.0, 0.0, 1.0]);
    let third =
        file("{'descr': '<f8', 'fortran_order': False, 'shape': (1,), }", &(1.0f64 / 3.0).to_le_bytes());
    assert_eq!(parse(&third).unwrap().into_f32().unwrap(), [1.0f32 / 3.0]);
    assert!(read("text.npy").into_f32().unwrap_err().to_string().contains("text"));
}

#[test]
fn labels_are_whole_numbers_and_the_first_other_value_is_named() {
    assert_eq!(read("i2.npy").into_labels().unwrap(), [-2, -1, 0, 1, 2, 3]);
    let error = read("f4.npy").into_labels().unwrap_err().to_string();
    assert!(error.contains("0.25") && error.contains("[0, 1]"), "{error}");
    let error = read("u8-limits.npy").into_labels().unwrap_err().to_string();
    assert!(error.contains("18446744073709551615") && error.contains("[1]"), "{error}");
    assert!(read("f4-special.npy").into_labels().is_err());
    assert!(read("bool.npy").into_labels().is_err());
    let whole = file("{'descr': '<f4', 'fortran_order': False, 'shape': (1,), }", &7.0f32.to_le_bytes());
    assert_eq!(parse(&whole).unwrap().into_labels().unwrap(), [7]);
}

#[test]
fn spikes_are_0_and_1_and_the_first_other_value_is_named() {
    assert_eq!(read("bool.npy").into_spikes().unwrap(), [true, false, true, false, false, true]);
    let error = read("u1.npy").into_spikes().unwrap_err().to_string();
    assert!(error.contains("value 2") && error.contains("[0, 2]"), "{error}");
    let error = read("i4.npy").into_spikes().unwrap_err().to_string();
    assert!(error.contains("int32") && error.contains("astype('uint8')"), "{error}");
}

#[test]
fn we_write_what_numpy_writes_byte_for_byte() {
    fn check<T: Element>(name: &str, shape: &[usize], values: &[T]) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("array.npy");
        write_npy(&path, shape, values).unwrap();
        assert_eq!(fs::read(&path).unwrap(), fs::read(sample(name)).unwrap(), "{name}");
    }
    let eighths: Vec<f32> = (0..12u8).map(|n| f32::from(n) / 8.0).collect();
    check("ours-f4.npy", &[3, 4], &eighths);
    check("ours-u4.npy", &[5], &[0u32, 1, 2, 3, 4]);
    check("ours-i8.npy", &[2, 1], &[-1i64, 1]);
    check("ours-u1.npy", &[], &[7u8]);
    check::<u64>("ours-u8.npy", &[0, 10], &[]);
}

#[test]
fn missing_files_and_directories_are_named() {
    let error = npy::read("no/such/file.npy").unwrap_err().to_string();
    assert!(error.starts_with("no/such/file.npy: cannot be read"), "{error}");
    assert!(npy::read(env!("CARGO_MANIFEST_DIR")).unwrap_err().to_string().contains("directory"));
    assert!(NpzReader::open(env!("CARGO_MANIFEST_DIR")).unwrap_err().to_string().contains("directory"));
}

#[test]
fn an_unwritable_place_is_an_error_and_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let inside = folder.path().join("not-there").join("array.npy");
    let error = write_npy(&inside, &[1], &[1u8]).unwrap_err().to_string();
    assert!(error.contains("not-there") && error.contains("create it first"), "{error}");
    let error = write_npy(folder.path(), &[1], &[1u8]).unwrap_err().to_string();
    assert!(error.contains("directory"), "{error}");
    fs::write(folder.path().join("file"), b"").unwrap();
    assert!(write_npy(folder.path().join("file/array.npy"), &[1], &[1u8]).is_err());
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn a_file_given_up_half_way_leaves_the_old_one_untouched() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.npz");
    fs::write(&path, b"old").unwrap();
    let mut writer = NpzWriter::create(&path, Compression::Stored).unwrap();
    writer.add("a", &[2], &[1u32, 2]).unwrap();
    drop(writer);
    assert_eq!(fs::read(&path).unwrap(), b"old");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[cfg(unix)]
#[test]
fn devices_are_not_replaced_and_links_are_followed() {
    let error = write_npy("/dev/null", &[1], &[1u8]).unwrap_err().to_string();
    assert!(error.contains("device"), "{error}");
    let folder = tempfile::tempdir().unwrap();
    let (file, link) = (folder.path().join("file.npy"), folder.path().join("link.npy"));
    fs::write(&file, b"old").unwrap();
    std::os::unix::fs::symlink(&file, &link).unwrap();
    write_npy(&link, &[1], &[1u8]).unwrap();
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(npy::read(&file).unwrap().values, Values::U8(vec![1]));
}

#[test]
fn npz_files_of_numpy_are_read_stored_and_deflated() {
    for name in ["stored.npz", "deflated.npz"] {
        let mut npz = NpzReader::open(sample(name)).unwrap();
        assert_eq!(npz.names().collect::<Vec<_>>(), ["W0", "theta", "reset"]);
        let w0 = npz.read("W0").unwrap();
        assert_eq!(w0.shape, [2, 3]);
        assert_eq!(w0.into_f32().unwrap(), [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
        assert_eq!(npz.read("theta.npy").unwrap().values, Values::F32(vec![1.5]));
        assert_eq!(npz.read("reset").unwrap().into_text().unwrap(), "zero");
        assert!(npz.contains("theta") && npz.contains("theta.npy") && !npz.contains("W1"));
        let error = npz.read("W1").unwrap_err().to_string();
        assert!(error.contains("`W1`") && error.contains("W0, theta, reset"), "{error}");
    }
}

#[test]
fn npz_files_cut_or_flipped_anywhere_never_panic_and_never_give_other_values_silently() {
    for name in ["stored.npz", "deflated.npz"] {
        let bytes = fs::read(sample(name)).unwrap();
        let origin = Origin::file(name);
        let mut whole = NpzReader::parse(bytes.clone(), &origin).unwrap();
        let values = [whole.read("W0").unwrap(), whole.read("theta").unwrap(), whole.read("reset").unwrap()];
        for length in 0..bytes.len() {
            assert!(NpzReader::parse(bytes[..length].to_vec(), &origin).is_err(), "{name} cut to {length}");
        }
        for position in 0..bytes.len() {
            for bit in 0..8 {
                let mut flipped = bytes.clone();
                flipped[position] ^= 1 << bit;
                let Ok(mut npz) = NpzReader::parse(flipped, &origin) else {
                    continue;
                };
                for (array, expected) in ["W0", "theta", "reset"].iter().zip(&values) {
                    if let Ok(array) = npz.read(array) {
                        // The zip checksum guards the bytes of every array, header included.
                        assert_eq!(&array, expected, "{name}: byte {position}, bit {bit}");
                    }
                }
            }
        }
    }
}

#[test]
fn npz_writing_is_deterministic_and_read_back_equal() {
    let folder = tempfile::tempdir().unwrap();
    let values: Vec<f32> = (0..1000u16).map(|n| if n % 10 == 0 { f32::from(n) } else { 0.0 }).collect();
    for compression in [Compression::Stored, Compression::Deflated] {
        let paths = [folder.path().join("a.npz"), folder.path().join("b.npz")];
        for path in &paths {
            let mut writer = NpzWriter::create(path, compression).unwrap();
            writer.add("weights", &[10, 100], &values).unwrap();
            writer.add("ids", &[3], &[7u32, 8, 9]).unwrap();
            writer.add::<u64>("none", &[0], &[]).unwrap();
            writer.finish().unwrap();
        }
        assert_eq!(fs::read(&paths[0]).unwrap(), fs::read(&paths[1]).unwrap());
        let mut npz = NpzReader::open(&paths[0]).unwrap();
        assert_eq!(npz.read("weights").unwrap().shape, [10, 100]);
        assert_eq!(npz.read("weights").unwrap().into_f32().unwrap(), values);
        assert_eq!(npz.read("ids").unwrap().values, Values::U32(vec![7, 8, 9]));
        assert_eq!(npz.read("none").unwrap().values, Values::U64(vec![]));
    }
}

#[test]
fn a_zip_entry_that_states_more_than_deflate_can_hold_is_refused_unread() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bomb.npz");
    let mut writer = NpzWriter::create(&path, Compression::Deflated).unwrap();
    writer.add("x", &[1 << 20], &vec![0u8; 1 << 20]).unwrap();
    writer.finish().unwrap();
    // A silent raster packs near the limit of deflate and must pass.
    assert!(fs::metadata(&path).unwrap().len() < 2048);
    assert_eq!(NpzReader::open(&path).unwrap().read("x").unwrap().values.len(), 1 << 20);
    // Now the central directory, which is what is believed, states 3 GiB.
    let mut bytes = fs::read(&path).unwrap();
    let directory = bytes.windows(4).rposition(|w| w == b"PK\x01\x02").unwrap();
    bytes[directory + 24..directory + 28].copy_from_slice(&(3u32 << 30).to_le_bytes());
    let error = NpzReader::parse(bytes, &Origin::file("bomb")).unwrap().read("x").unwrap_err().to_string();
    assert!(error.contains("3221225472"), "{error}");
}

#[test]
fn golden_files_beside_the_project_are_read() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/golden");
    let Ok(files) = fs::read_dir(&folder) else {
        println!("skipped: {} is not there", folder.display());
        return;
    };
    let mut read = 0;
    for path in files.map(|file| file.unwrap().path()).filter(|path| path.extension() == Some("npz".as_ref()))
    {
        let mut npz = NpzReader::open(&path).unwrap();
        let reset = npz.read("reset").unwrap().into_text().unwrap();
        assert!(reset == "subtract" || reset == "zero", "{reset}");
        let raster = npz.read("raster").unwrap();
        let weights = npz.read("W0").unwrap();
        assert_eq!(raster.shape[1], weights.shape[1], "{}", path.display());
        assert!(raster.into_spikes().unwrap().len() >= weights.shape[1]);
        read += 1;
    }
    assert!(read > 0);
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = parse(&bytes);
        let mut npy = b"\x93NUMPY\x01\x00\x40\x00".to_vec();
        npy.extend_from_slice(&bytes);
        let _ = parse(&npy);
        let _ = NpzReader::parse(bytes, &Origin::file("<memory>"));
    }

    #[test]
    fn arbitrary_header_texts_never_panic(
        text in "[{}()\\[\\]'\",: 0-9LTFrufalse<>|=biUSOdcrhnpo_-]{0,120}",
        shape in "[0-9, L()]{0,60}",
        descr in "[<>|=]?[a-zA-Z][0-9]{0,22}",
    ) {
        let _ = parse(&file(&text, &[0; 8]));
        let _ = parse(&file(&format!("{{'descr': '<f4', 'fortran_order': True, 'shape': ({shape}), }}"), &[0; 24]));
        let _ = parse(&file(&format!("{{'descr': '{descr}', 'fortran_order': True, 'shape': (2, 3), }}"), &[0; 24]));
    }

    #[test]
    fn fortran_order_agrees_with_its_definition(
        shape in proptest::collection::vec(1usize..5, 0..5),
    ) {
        let count: usize = shape.iter().product();
        let tuple: String = shape.iter().map(|n| format!("{n}, ")).collect();
        let payload: Vec<u8> = (0..count as u32).flat_map(u32::to_le_bytes).collect();
        let array = parse(&file(
            &format!("{{'descr': '<u4', 'fortran_order': True, 'shape': ({tuple}), }}"), &payload,
        )).unwrap();
        let Values::U32(values) = array.values else { panic!("uint32 expected") };
        for (flat, &value) in values.iter().enumerate() {
            let (mut rest, mut expected, mut stride) = (flat, 0, 1);
            let mut index = vec![0; shape.len()];
            for axis in (0..shape.len()).rev() {
                index[axis] = rest % shape[axis];
                rest /= shape[axis];
            }
            for axis in 0..shape.len() {
                expected += index[axis] * stride;
                stride *= shape[axis];
            }
            prop_assert_eq!(value as usize, expected);
        }
    }

    #[test]
    fn what_is_written_is_read_back(values in proptest::collection::vec(any::<f32>(), 0..50)) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.npy");
        write_npy(&path, &[values.len()], &values).unwrap();
        let bits = |values: &[f32]| values.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
        prop_assert_eq!(bits(&npy::read(&path).unwrap().into_f32().unwrap()), bits(&values));
    }
}
