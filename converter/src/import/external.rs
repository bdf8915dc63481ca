//! The files beside a net that hold some of its numbers.
//!
//! A net that someone else made names these files, so their names are hostile: only regular files in the net's own folder
//! or below are read, whatever a link, a pipe or a device of a harmless name leads to.

use super::budget::Budget;
use rten_onnx::onnx::StringStringEntryProto;
use snn_formats::{Digest, FileDigest, regular};
use std::collections::HashMap;
use std::io::{self, Read};
use std::path::{Component, Path, PathBuf};
use std::rc::Rc;

/// Opens a file that lies beside the net's and is named in it, and returns all its bytes. The name is a relative path
/// without `.` and `..`.
pub type Opener<'a> = dyn Fn(&str) -> io::Result<Vec<u8>> + 'a;

/// Where the files beside a net are looked for.
#[derive(Clone, Copy)]
pub(super) enum Beside<'a> {
    /// The net stands alone.
    Nothing,
    /// In the folder of the net's file.
    Net(&'a Path),
    /// Wherever the caller has them.
    Given(&'a Opener<'a>),
}

/// The files beside a net; each is read once.
pub(crate) struct External<'a> {
    beside: Beside<'a>,
    /// By the name in the net.
    files: HashMap<String, Rc<[u8]>>,
    /// By the place on the disk, which several names may lead to.
    places: HashMap<PathBuf, Rc<[u8]>>,
    /// In the order in which they were read, by the names in the net.
    read: Vec<FileDigest>,
}

impl<'a> External<'a> {
    pub(super) fn new(beside: Beside<'a>) -> Self {
        External { beside, files: HashMap::new(), places: HashMap::new(), read: vec![] }
    }

    /// For a net that stands alone.
    pub(crate) fn none() -> Self {
        External::new(Beside::Nothing)
    }

    /// Gives `read` the `expected` bytes that the entries `location`, `offset` and `length` of a tensor name; what it makes
    /// of them takes `held` bytes.
    pub(super) fn read<T>(
        &mut self,
        entries: &[StringStringEntryProto],
        expected: usize,
        held: Option<usize>,
        budget: &mut Budget,
        read: impl FnOnce(&[u8]) -> T,
    ) -> Result<T, String> {
        let entry = |key: &str| {
            entries.iter().find(|e| e.key.as_deref() == Some(key)).and_then(|e| e.value.as_deref())
        };
        let number = |key: &str| {
            let parse = |text: &str| {
                text.parse::<usize>()
                    .map_err(|_| format!("the {key} `{text}` of external numbers is no number"))
            };
            entry(key).map(parse).transpose()
        };
        let location = entry("location").ok_or("external numbers without a location")?;
        if let Beside::Nothing = self.beside {
            return Err(format!(
                "its numbers are in the file `{location}`, which was not given; read the net from its path"
            ));
        }
        let offset = number("offset")?.unwrap_or(0);
        if let Some(length) = number("length")?.filter(|&n| n != expected) {
            return Err(format!("{length} external bytes stated where its shape needs {expected}"));
        }
        let name = plain(location)
            .map_err(|reason| format!("cannot read its numbers from `{location}`: {reason}"))?;
        let file = self
            .file(&name, budget)
            .map_err(|reason| format!("cannot read its numbers from `{location}`: {reason}"))?;
        budget.external(held)?;
        let bytes = offset.checked_add(expected).and_then(|end| file.get(offset..end)).ok_or_else(|| {
            format!("`{location}` has {} bytes; {expected} from {offset} on are needed", file.len())
        })?;
        Ok(read(bytes))
    }

    /// The files that were read, each under the first of its names.
    pub(super) fn into_read(self) -> Vec<FileDigest> {
        self.read
    }

    /// A file that was read.
    fn note(&mut self, name: &str, bytes: &[u8], budget: &mut Budget) {
        budget.add_file(bytes.len());
        self.read.push(FileDigest { file: name.to_owned(), digest: Digest::of(bytes) });
    }

    fn file(&mut self, name: &str, budget: &mut Budget) -> io::Result<Rc<[u8]>> {
        if let Some(file) = self.files.get(name) {
            return Ok(Rc::clone(file));
        }
        let bytes = match self.beside {
            Beside::Nothing => return Err(io::Error::other("it was not given")),
            Beside::Given(open) => {
                let bytes: Rc<[u8]> = open(name)?.into();
                self.note(name, &bytes, budget);
                bytes
            }
            Beside::Net(net) => {
                let (mut file, place) = regular::open_beside(net, name)?;
                match self.places.get(&place) {
                    Some(bytes) => Rc::clone(bytes),
                    None => {
                        let mut bytes = Vec::new();
                        file.read_to_end(&mut bytes)?;
                        let bytes: Rc<[u8]> = bytes.into();
                        self.note(name, &bytes, budget);
                        self.places.insert(place, Rc::clone(&bytes));
                        bytes
                    }
                }
            }
        };
        self.files.insert(name.to_owned(), Rc::clone(&bytes));
        Ok(bytes)
    }
}

/// A name without `.`, so that a file has one; only names of files in the folder or below are allowed.
fn plain(location: &str) -> Result<String, &'static str> {
    let mut parts = vec![];
    for part in Path::new(location).components() {
        match part {
            Component::CurDir => {}
            Component::Normal(part) => parts.push(part.to_str().ok_or("its name is no text")?),
            _ => return Err("only files beside or below the net's own are read"),
        }
    }
    if parts.is_empty() || location.contains('\0') {
        return Err("this is no name of a file");
    }
    Ok(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    fn entries(location: &str) -> Vec<StringStringEntryProto> {
        vec![StringStringEntryProto { key: Some("location".into()), value: Some(location.into()) }]
    }

    #[test]
    fn a_file_of_many_names_is_read_once_and_counted_once() {
        let opened = Cell::new(0);
        let open = |name: &str| {
            assert_eq!(name, "sub/blob");
            opened.set(opened.get() + 1);
            Ok(vec![0; 8])
        };
        let mut external = External::new(Beside::Given(&open));
        for name in ["sub/blob", "./sub/blob", "././sub/././blob", "sub//blob"] {
            let length = external.read(&entries(name), 8, Some(8), &mut Budget::of(0), <[u8]>::len);
            assert_eq!(length, Ok(8), "{name}");
        }
        assert_eq!(opened.get(), 1);
    }

    #[test]
    fn names_that_lead_out_of_the_folder_are_refused_before_anything_is_opened() {
        let open = |name: &str| -> io::Result<Vec<u8>> { panic!("{name} was opened") };
        for name in ["../x", "a/../../x", "/etc/passwd", "", ".", "./.", "a\0b", "a/.."] {
            let mut external = External::new(Beside::Given(&open));
            let error =
                external.read(&entries(name), 8, Some(8), &mut Budget::of(0), <[u8]>::len).unwrap_err();
            assert!(error.contains("cannot read its numbers from"), "{name}: {error}");
        }
    }
}
