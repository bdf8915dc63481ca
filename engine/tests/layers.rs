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
        rest.chars().take_while(|c| c.is_alphanumeric() || matches!(c, '_' | '{' | ':')).collect::<String>()
    })
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// The modules of the crate, the lowest first. What is not listed with its folder belongs to the folder's layer.
const LAYERS: [&str; 18] = [
    "bits",
    "buffer",
    "threads",
    "error",
    "per_neuron",
    "spikes",
    "lanes",
    "network::connectivity",
    "neuron",
    "kernel",
    "network",
    "record",
    "encode",
    "input",
    "state",
    "simulator",
    "run",
    "random",
];

/// The layer of a path of modules.
fn layer(path: &str) -> Option<usize> {
    let of = |path: &str| LAYERS.iter().position(|layer| *layer == path);
    let two: Vec<&str> = path.splitn(3, "::").take(2).collect();
    of(&two.join("::")).or_else(|| of(two[0]))
}

#[test]
fn a_file_imports_only_from_its_own_layer_and_lower_ones() {
    let mut files = vec![];
    sources(&root(), &mut files);
    assert!(files.len() > 50, "{} files", files.len());
    let (mut wrong, mut seen) = (vec![], BTreeSet::new());
    for file in files {
        let path = file.strip_prefix(root()).unwrap().with_extension("");
        let modules: Vec<&str> = path.iter().map(|part| part.to_str().unwrap()).collect();
        // The crate's front page gathers what is public.
        if modules == ["lib"] || modules.ends_with(&["tests"]) {
            continue;
        }
        let modules = modules.join("::");
        let Some(own) = layer(&modules) else { panic!("{modules} has no layer") };
        seen.insert(own);
        for name in named(&std::fs::read_to_string(&file).unwrap(), "crate::") {
            if layer(&name).is_none_or(|other| other > own) {
                wrong.push(format!("{modules}: crate::{name}"));
            }
        }
    }
    assert_eq!(seen.len(), LAYERS.len(), "layers without files");
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
