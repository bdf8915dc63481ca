//! The layers of the engine: imports run one way.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The names that stand behind `prefix` in code, comments and tests left out.
fn named<'a>(text: &'a str, prefix: &'a str) -> impl Iterator<Item = String> + 'a {
    let code = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
    let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
    lines.flat_map(move |line| line.split(prefix).skip(1)).map(|rest| {
        rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_' || *c == '{').collect::<String>()
    })
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// The modules of `lib.rs`, the lowest first.
const LAYERS: [&str; 14] = [
    "bits",
    "buffer",
    "error",
    "per_neuron",
    "neuron",
    "network",
    "record",
    "kernel",
    "encode",
    "input",
    "state",
    "simulator",
    "run",
    "random",
];

#[test]
fn a_file_imports_only_from_its_own_layer_and_lower_ones() {
    let height = |name: &str| LAYERS.iter().position(|layer| *layer == name);
    let mut files = vec![];
    sources(&root(), &mut files);
    assert!(files.len() > 50, "{} files", files.len());
    let own = |file: &PathBuf| {
        let path = file.strip_prefix(root()).unwrap();
        path.iter().next().unwrap().to_str().unwrap().trim_end_matches(".rs").to_owned()
    };
    let there: BTreeSet<String> = files.iter().map(own).filter(|own| own != "lib").collect();
    assert_eq!(there, LAYERS.map(str::to_owned).into(), "every module has its layer");
    let mut wrong = vec![];
    for file in files {
        let path = file.strip_prefix(root()).unwrap().to_owned();
        let own = own(&file);
        // The crate's front page gathers what is public.
        let Some(own_height) = height(&own) else { continue };
        if path.ends_with("tests.rs") {
            continue;
        }
        let text = std::fs::read_to_string(&file).unwrap();
        for name in named(&text, "crate::") {
            // Weights are what neurons are connected by: a pool counts what arrives through them.
            let connectivity = text.contains("use crate::network::connectivity::") && name == "network";
            match height(&name) {
                Some(other) if other <= own_height => {}
                Some(_) if own == "neuron" && connectivity => {}
                _ => wrong.push(format!("{}: crate::{name}", path.display())),
            }
        }
    }
    assert!(wrong.is_empty(), "imports that run upward, or past the layers: {wrong:#?}");
}

/// The files of a folder that a file of it imports by `super::`.
#[test]
fn no_files_of_a_folder_import_each_other_in_a_circle() {
    let mut files = vec![];
    sources(&root(), &mut files);
    let mut imports: BTreeMap<PathBuf, BTreeSet<PathBuf>> = BTreeMap::new();
    for file in &files {
        if file.ends_with("tests.rs") || file.ends_with("mod.rs") || file.ends_with("lib.rs") {
            continue;
        }
        let text = std::fs::read_to_string(file).unwrap();
        let folder = file.parent().unwrap();
        let beside = named(&text, "super::").map(|name| folder.join(name).with_extension("rs"));
        imports.entry(file.clone()).or_default().extend(beside.filter(|other| other.exists()));
    }
    // What imports nothing is taken away until nothing is left.
    loop {
        let free: BTreeSet<PathBuf> =
            imports.iter().filter(|(_, others)| others.is_empty()).map(|(file, _)| file.clone()).collect();
        if free.is_empty() {
            break;
        }
        imports.retain(|file, _| !free.contains(file));
        for others in imports.values_mut() {
            others.retain(|other| !free.contains(other));
        }
    }
    let circle: Vec<_> = imports.keys().map(|file| file.strip_prefix(root()).unwrap().display()).collect();
    assert!(
        circle.is_empty(),
        "these files import each other in a circle: {:?}",
        circle.iter().map(ToString::to_string).collect::<Vec<_>>()
    );
}
