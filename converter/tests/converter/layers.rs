//! The files of the converter import one another one way.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

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

/// The modules of a path as `a::b`.
fn module(path: &Path) -> String {
    let path = path.strip_prefix(root()).unwrap().with_extension("");
    path.iter().map(|part| part.to_str().unwrap()).collect::<Vec<_>>().join("::")
}

/// The paths of modules that stand behind `prefix`, comments and tests left out; of a list in braces each.
fn named(text: &str, prefix: &str) -> Vec<String> {
    let code = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
    let code: Vec<&str> = code.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
    let code = code.join(" ");
    let is_path = |c: char| c.is_alphanumeric() || matches!(c, '_' | ':');
    let mut found = vec![];
    for rest in code.split(prefix).skip(1) {
        let head: String = rest.chars().take_while(|&c| is_path(c)).collect();
        let behind = &rest[head.len()..];
        if let Some(list) = behind.strip_prefix('{') {
            let list = list.split('}').next().unwrap_or_default();
            found.extend(list.split(',').map(|item| format!("{head}{}", item.trim())));
        } else {
            found.push(head);
        }
    }
    found
}

#[test]
fn no_files_import_each_other_in_a_circle() {
    let mut files = vec![];
    sources(&root(), &mut files);
    assert!(files.len() > 70, "{} files", files.len());
    let modules: BTreeSet<String> =
        files.iter().map(|file| module(file)).filter(|name| name != "lib").collect();
    // The file that a path leads into: the longest part of it that is one.
    let file_of = |path: &str| -> Option<String> {
        let parts: Vec<&str> = path.split("::").filter(|part| !part.is_empty()).collect();
        (1..=parts.len()).rev().map(|count| parts[..count].join("::")).find(|name| modules.contains(name))
    };
    let mut imports: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for file in &files {
        let own = module(file);
        if !modules.contains(&own) {
            continue;
        }
        let text = std::fs::read_to_string(file).unwrap();
        let above = |levels: usize| {
            let parts: Vec<&str> = own.split("::").collect();
            parts[..parts.len().saturating_sub(levels)]
                .iter()
                .map(|part| format!("{part}::"))
                .collect::<String>()
        };
        let far: Vec<String> =
            named(&text, "super::super::").into_iter().map(|path| above(2) + &path).collect();
        let near = text.replace("super::super::", "");
        let near = named(&near, "super::").into_iter().map(|path| above(1) + &path);
        let others = named(&text, "crate::").into_iter().chain(far).chain(near);
        let others = others.filter_map(|path| file_of(&path)).filter(|other| *other != own);
        imports.insert(own.clone(), others.collect());
    }
    assert!(imports["import::onnx"].contains("import::tensor") && imports["lower"].contains("affine"));
    // What imports nothing is taken away until nothing is left, and so is what nothing imports.
    loop {
        let taken: BTreeSet<String> = imports.values().flatten().cloned().collect();
        let before = imports.len();
        imports.retain(|file, others| !others.is_empty() && taken.contains(file));
        let left: BTreeSet<String> = imports.keys().cloned().collect();
        imports.values_mut().for_each(|others| others.retain(|other| left.contains(other)));
        if imports.len() == before {
            break;
        }
    }
    let circle: BTreeSet<&str> = imports.keys().map(String::as_str).collect();
    assert!(circle.is_empty(), "these files import each other in a circle: {circle:?}");
}
