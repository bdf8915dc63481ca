//! What readers and writers say of the bytes that they read and wrote.

use std::fs;

use serde_json::json;
use snn_engine::{Layout, NetworkBuilder, Neuron};
use snn_formats::{
    Compression, ContainerWriter, Description, Digest, NetFile, NpzReader, NpzWriter, Source, npy, write_net,
    write_npy,
};

#[test]
fn every_reader_and_writer_tells_the_digest_of_the_whole_file() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let of = |name: &str| Digest::of(&fs::read(at(name)).unwrap());

    write_npy(at("x.npy"), &[3], &[1.0f32, 2.0, 3.0]).unwrap();
    assert_eq!(npy::read(at("x.npy")).unwrap().digest, Some(of("x.npy")));

    let mut npz = NpzWriter::create(at("x.npz"), Compression::Deflated).unwrap();
    npz.add("x", &[3], &[1.0f32, 2.0, 3.0]).unwrap();
    npz.finish().unwrap();
    let mut npz = NpzReader::open(at("x.npz")).unwrap();
    assert_eq!(npz.digest(), of("x.npz"));
    assert_eq!(npz.read("x").unwrap().digest, None, "an array of an archive is no file");

    let mut builder = NetworkBuilder::new();
    builder.population("input", Layout::Flat(2), Neuron::Source);
    let network = builder.build().unwrap();
    let written = write_net(at("net.bin"), &network, &Description::default()).unwrap();
    assert_eq!(written, of("net.bin"));
    for source in [Source::Read, Source::Mapped] {
        assert_eq!(NetFile::open(at("net.bin"), source).unwrap().digest, written);
    }
}

#[test]
fn a_container_of_any_sections_has_the_digest_of_its_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("net.bin");
    // With and without zeros in between, empty ones too.
    for lengths in [vec![], vec![0], vec![1], vec![64, 1, 0, 128], vec![63, 65, 64]] {
        let sections: Vec<Vec<u8>> = lengths.iter().map(|&length| vec![7; length]).collect();
        let mut writer = ContainerWriter::new();
        for (place, numbers) in sections.iter().enumerate() {
            writer.section(format!("s{place}"), numbers);
        }
        let written = writer.write(&path, "net", &json!({"lengths": lengths})).unwrap();
        let bytes = fs::read(&path).unwrap();
        assert_eq!(written, Digest::of(&bytes), "{lengths:?}");
        let read = snn_formats::Container::open(&path, "net", Source::Read).unwrap();
        assert_eq!(read.digest(), written, "{lengths:?}");
    }
}
