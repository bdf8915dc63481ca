//! The header that C includes is the one that these sources say.

use std::path::Path;

#[test]
fn the_header_is_what_cbindgen_writes_from_the_sources() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let config = cbindgen::Config::from_file(root.join("cbindgen.toml")).unwrap();
    let mut written = vec![];
    cbindgen::generate_with_config(root, config).unwrap().write(&mut written);
    let path = root.join("include/snn_event.h");
    if std::env::var_os("SNN_WRITE_HEADER").is_some() {
        std::fs::write(&path, &written).unwrap();
    }
    let kept = std::fs::read(&path).unwrap_or_default();
    assert!(
        kept == written,
        "{} is out of date: SNN_WRITE_HEADER=1 cargo test --manifest-path bindings/c/Cargo.toml --test header",
        path.display()
    );
}
