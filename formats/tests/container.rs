//! The container under `net.bin`: round trips, every damage refused, nothing believed unchecked.

use std::fs;
use std::sync::Arc;

use proptest::prelude::*;
use serde_json::json;
use snn_formats::{Container, ContainerWriter, FormatError, Origin, Source};

fn small() -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("small.bin");
    let mut writer = ContainerWriter::new();
    writer.section("weights", &[0.5f32, -1.25, 3.0]);
    writer.section("targets", &[0u16, 2, 1]);
    writer.section::<u64>("none", &[]);
    writer.section("offsets", &[0u64, 2, 3]);
    writer.section("flags", &[1u8]);
    writer.write(&path, "net", &json!({"name": "small"})).unwrap();
    fs::read(&path).unwrap()
}

fn parse(bytes: &[u8]) -> Result<Container, FormatError> {
    Container::parse(bytes, "net", &Origin::file("<memory>"))
}

fn refusal(bytes: &[u8]) -> String {
    parse(bytes).expect_err("the file should be refused").to_string()
}

/// A file whose prelude and head are sound by their checksums, whatever the head says.
fn forged(head: &str, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0u8; (64 + head.len()).next_multiple_of(64)];
    bytes[64..64 + head.len()].copy_from_slice(head.as_bytes());
    bytes.extend_from_slice(payload);
    let length = bytes.len() as u64;
    bytes[..8].copy_from_slice(b"\x89SNN\r\n\x1a\n");
    bytes[8..12].copy_from_slice(&1u32.to_le_bytes());
    bytes[12..16].copy_from_slice(&crc32fast::hash(head.as_bytes()).to_le_bytes());
    bytes[16..24].copy_from_slice(&(head.len() as u64).to_le_bytes());
    bytes[24..32].copy_from_slice(&length.to_le_bytes());
    seal(&mut bytes);
    bytes
}

fn seal(bytes: &mut [u8]) {
    let crc = crc32fast::hash(&bytes[..60]);
    bytes[60..64].copy_from_slice(&crc.to_le_bytes());
}

fn with_section(fields: serde_json::Value, payload: &[u8]) -> Vec<u8> {
    let head = json!({"kind": "net", "sections": [fields], "content": null});
    forged(&head.to_string(), payload)
}

#[test]
fn sections_come_back_mapped_and_read_and_outlive_the_container() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("small.bin");
    fs::write(&path, small()).unwrap();
    for source in [Source::Mapped, Source::Read] {
        let container = Container::open(&path, "net", source).unwrap();
        let content: serde_json::Value = container.content().unwrap();
        assert_eq!(content, json!({"name": "small"}));
        let weights = container.section::<f32>("weights").unwrap();
        let targets = container.section::<u16>("targets").unwrap();
        assert!(container.section::<u64>("none").unwrap().is_empty());
        assert_eq!(*container.section::<u64>("offsets").unwrap(), [0, 2, 3]);
        assert_eq!(*container.section::<u8>("flags").unwrap(), [1]);
        drop(container);
        let shared: Arc<dyn AsRef<[f32]> + Send + Sync> = Arc::new(weights.clone());
        drop(weights);
        let elsewhere = std::thread::spawn(move || (*shared).as_ref().to_vec());
        assert_eq!(elsewhere.join().unwrap(), [0.5, -1.25, 3.0]);
        assert_eq!(*targets, [0, 2, 1]);
    }
}

#[test]
fn a_mapped_file_that_is_written_anew_keeps_its_old_sections() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("small.bin");
    fs::write(&path, small()).unwrap();
    let weights = Container::open(&path, "net", Source::Mapped).unwrap().section::<f32>("weights").unwrap();
    ContainerWriter::new().write(&path, "net", &json!({})).unwrap();
    assert_eq!(*weights, [0.5, -1.25, 3.0]);
    assert!(Container::open(&path, "net", Source::Mapped).unwrap().sections().is_empty());
}

#[test]
fn every_section_begins_at_a_multiple_of_64_and_the_bytes_are_the_same_each_time() {
    let bytes = small();
    assert_eq!(bytes, small());
    for entry in parse(&bytes).unwrap().sections() {
        assert_eq!(entry.offset % 64, 0, "{}", entry.name);
    }
    let needle: Vec<u8> = [0.5f32, -1.25, 3.0].iter().flat_map(|v| v.to_le_bytes()).collect();
    let at = bytes.windows(12).position(|window| window == needle).unwrap();
    assert_eq!(at % 64, 0);
}

#[test]
fn a_file_cut_at_any_byte_or_lengthened_is_refused() {
    let bytes = small();
    for length in 0..bytes.len() {
        assert!(parse(&bytes[..length]).is_err(), "cut to {length} bytes");
    }
    for more in [1, 63, 64, 4096] {
        let mut longer = bytes.clone();
        longer.resize(bytes.len() + more, 0);
        assert!(refusal(&longer).contains("longer"), "{more} bytes more");
    }
}

#[test]
fn a_bit_flipped_anywhere_is_refused() {
    let bytes = small();
    for position in 0..bytes.len() {
        for bit in 0..8 {
            let mut flipped = bytes.clone();
            flipped[position] ^= 1 << bit;
            assert!(parse(&flipped).is_err(), "byte {position}, bit {bit}");
        }
    }
}

#[test]
fn what_a_head_with_sound_checksums_states_is_not_believed() {
    let crc = crc32fast::hash(&[0; 64]);
    let sound = json!({"name": "a", "dtype": "u8", "count": 64, "offset": 0, "crc32": crc});
    parse(&with_section(sound.clone(), &[0; 64])).unwrap();
    let changed = |key: &str, value: serde_json::Value| {
        let mut fields = sound.clone();
        fields[key] = value;
        refusal(&with_section(fields, &[0; 64]))
    };
    for (dtype, count) in [
        ("u8", 65),
        ("u64", 9),
        ("u64", 1 << 61),
        ("u64", 1 << 63),
        ("u16", 1 << 63),
        ("u8", u64::MAX),
        ("u8", u64::MAX - 100),
        ("u64", u64::MAX / 8),
    ] {
        let mut fields = sound.clone();
        fields["dtype"] = json!(dtype);
        fields["count"] = json!(count);
        let error = refusal(&with_section(fields, &[0; 64]));
        assert!(error.contains(&format!("{count} numbers of type {dtype}")), "{error}");
    }
    let mut short = sound.clone();
    short["count"] = json!(63);
    short["crc32"] = json!(crc32fast::hash(&[0; 63]));
    assert!(refusal(&with_section(short, &[0; 64])).contains("1 bytes follow the last section"));
    assert!(changed("count", json!(-1)).contains("JSON"));
    assert!(changed("count", json!(1.5)).contains("JSON"));
    assert!(changed("offset", json!(64)).contains("must begin at 0"));
    assert!(changed("offset", json!(u64::MAX)).contains("must begin at 0"));
    assert!(changed("dtype", json!("f64")).contains("f64"));
    assert!(changed("crc32", json!(crc ^ 1)).contains("damaged"));
    assert!(changed("more", json!(1)).contains("more"));

    let twice = json!({"kind": "net", "content": null, "sections": [
        {"name": "a", "dtype": "u8", "count": 0, "offset": 0, "crc32": 0},
        {"name": "a", "dtype": "u8", "count": 0, "offset": 0, "crc32": 0},
    ]});
    assert!(refusal(&forged(&twice.to_string(), &[])).contains("two sections"));
    let overlapping = json!({"kind": "net", "content": null, "sections": [
        {"name": "a", "dtype": "u8", "count": 64, "offset": 0, "crc32": crc},
        {"name": "b", "dtype": "u8", "count": 64, "offset": 0, "crc32": crc},
    ]});
    assert!(refusal(&forged(&overlapping.to_string(), &[0; 64])).contains("must begin at 64"));
    let mut filled = vec![0u8; 65];
    filled[1] = 7;
    let gap = json!({"kind": "net", "content": null, "sections": [
        {"name": "a", "dtype": "u8", "count": 1, "offset": 0, "crc32": crc32fast::hash(&[0])},
        {"name": "b", "dtype": "u8", "count": 1, "offset": 64, "crc32": crc32fast::hash(&[0])},
    ]});
    assert!(refusal(&forged(&gap.to_string(), &filled)).contains("zeros"));
    let beyond = json!({"kind": "net", "content": null, "sections": [
        {"name": "a", "dtype": "u8", "count": 1, "offset": 0, "crc32": crc32fast::hash(&[0])},
        {"name": "b", "dtype": "u8", "count": 0, "offset": 64, "crc32": 0},
    ]});
    assert!(parse(&forged(&beyond.to_string(), &[0; 1])).is_err());
}

#[test]
fn a_prelude_with_a_sound_checksum_is_not_believed() {
    let mut bytes = small();
    bytes[16..24].copy_from_slice(&u64::MAX.to_le_bytes());
    seal(&mut bytes);
    assert!(refusal(&bytes).contains("head of 18446744073709551615 bytes"), "{}", refusal(&bytes));
    let mut bytes = small();
    let room = bytes.len() as u64 - 64;
    bytes[16..24].copy_from_slice(&(room + 1).to_le_bytes());
    seal(&mut bytes);
    assert!(refusal(&bytes).contains("room for"));
    let mut bytes = small();
    bytes[40] = 1;
    seal(&mut bytes);
    assert!(refusal(&bytes).contains("first 64 bytes"));
    let mut bytes = small();
    bytes[8] = 4;
    seal(&mut bytes);
    assert!(refusal(&bytes).contains("version 4"));
}

#[test]
fn heads_that_are_no_head_are_refused() {
    let deep = format!("{{\"kind\":\"net\",\"sections\":[],\"content\":{}", "[".repeat(100_000));
    for head in ["", "{", "[]", "null", "{\"kind\":\"net\"}", "\u{0}", &deep] {
        assert!(refusal(&forged(head, &[])).contains("JSON"), "{:.20}", head);
    }
    let error = refusal(&forged("{\"kind\":\"checkpoint\",\"sections\":[],\"content\":{}}", &[]));
    assert!(error.contains("`checkpoint`") && error.contains("`net`"), "{error}");
}

#[test]
fn a_section_of_another_name_or_type_is_an_error() {
    let container = parse(&small()).unwrap();
    assert!(container.section::<f32>("bias").unwrap_err().to_string().contains("no section `bias`"));
    let error = container.section::<u32>("weights").unwrap_err().to_string();
    assert!(error.contains("f32") && error.contains("u32"), "{error}");
}

#[test]
fn an_unwritable_place_is_an_error() {
    let error = ContainerWriter::new().write("no/such/place/net.bin", "net", &json!({})).unwrap_err();
    assert!(error.to_string().contains("no/such/place"), "{error}");
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), text in ".{0,100}") {
        let _ = parse(&bytes);
        let _ = parse(&forged(&text, &bytes));
        let mut sealed = forged("{}", &[]);
        for (to, from) in sealed.iter_mut().skip(12).zip(&bytes) {
            *to = *from;
        }
        if sealed.len() >= 64 {
            seal(&mut sealed);
        }
        let _ = parse(&sealed);
    }

    #[test]
    fn arbitrary_tables_never_panic(
        entries in proptest::collection::vec((0u64..200, any::<u64>(), 0u64..4, 0usize..5), 0..4),
        payload in proptest::collection::vec(Just(0u8), 0..300),
    ) {
        let sections: Vec<_> = entries.iter().enumerate().map(|(i, &(small, large, kind, dtype))| json!({
            "name": i.to_string(),
            "dtype": (["u8", "u16", "u32", "u64", "f32"][dtype]),
            "count": if kind == 0 { large } else { small },
            "offset": if kind == 1 { large } else { small / 64 * 64 },
            "crc32": 0,
        })).collect();
        let head = json!({"kind": "net", "sections": sections, "content": null}).to_string();
        let _ = parse(&forged(&head, &payload));
    }

    #[test]
    fn what_is_written_is_read_back(
        floats in proptest::collection::vec(any::<u32>().prop_map(f32::from_bits), 0..70),
        shorts in proptest::collection::vec(any::<u16>(), 0..70),
        longs in proptest::collection::vec(any::<u64>(), 0..20),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.bin");
        let mut writer = ContainerWriter::new();
        writer.section("floats", &floats);
        writer.section("shorts", &shorts);
        writer.section("longs", &longs);
        writer.write(&path, "net", &json!({"n": floats.len()})).unwrap();
        let read = Container::open(&path, "net", Source::Mapped).unwrap();
        let bits = |values: &[f32]| values.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
        prop_assert_eq!(bits(&read.section::<f32>("floats").unwrap()), bits(&floats));
        prop_assert_eq!(&*read.section::<u16>("shorts").unwrap(), &shorts[..]);
        prop_assert_eq!(&*read.section::<u64>("longs").unwrap(), &longs[..]);
    }
}
