//! The files beside a net that hold some of its numbers.
//!
//! A net that someone else made names these files, so their names are hostile: only regular files in the net's own folder
//! or below are read, whatever a link, a pipe or a device of a harmless name leads to.

use super::budget::Budget;
use super::stamp::{Stamp, digest};
use rten_onnx::onnx::StringStringEntryProto;
use snn_formats::{Digest, FileDigest, regular};
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
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

/// A file beside a net: its bytes as they were given, or where they are read from, and how many there are.
enum Held {
    Bytes(Vec<u8>),
    File(File, u64),
}

impl Held {
    fn length(&self) -> u64 {
        match self {
            Held::Bytes(bytes) => bytes.len() as u64,
            Held::File(_, length) => *length,
        }
    }
}

/// The files beside a net; each is opened once.
pub(crate) struct External<'a> {
    beside: Beside<'a>,
    /// By the name in the net.
    files: HashMap<String, Rc<Held>>,
    /// By the place on the disk, which several names may lead to.
    places: HashMap<PathBuf, Rc<Held>>,
    /// Of the files that are read piece by piece.
    stamps: Vec<Stamp>,
    /// In the order in which they were read, by the names in the net.
    read: Vec<FileDigest>,
}

impl<'a> External<'a> {
    pub(super) fn new(beside: Beside<'a>) -> Self {
        External { beside, files: HashMap::new(), places: HashMap::new(), stamps: vec![], read: vec![] }
    }

    /// For a net that stands alone.
    pub(crate) fn none() -> Self {
        External::new(Beside::Nothing)
    }

    /// Lets `read` have the `expected` bytes that the entries `location`, `offset` and `length` of a tensor name; what it makes
    /// of them takes `held` bytes.
    pub(super) fn read<T>(
        &mut self,
        entries: &[StringStringEntryProto],
        expected: usize,
        held: Option<usize>,
        budget: &mut Budget,
        read: impl FnOnce(&mut dyn Read) -> Result<T, String>,
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
        let length = file.length();
        if offset.checked_add(expected).is_none_or(|end| end as u64 > length) {
            return Err(format!("`{location}` has {length} bytes; {expected} from {offset} on are needed"));
        }
        match &*file {
            Held::Bytes(bytes) => read(&mut &bytes[offset..offset + expected]),
            Held::File(file, _) => {
                let mut file: &File = file;
                let sought = file.seek(SeekFrom::Start(offset as u64));
                sought.map_err(|error| format!("cannot read its numbers from `{location}`: {error}"))?;
                read(&mut file.take(expected as u64))
            }
        }
    }

    /// That the files which were read piece by piece are still those of which the digests were taken.
    pub(super) fn check_unchanged(&self) -> Result<(), String> {
        self.stamps.iter().try_for_each(Stamp::check)
    }

    /// The files that were read, each under the first of its names.
    pub(super) fn into_read(self) -> Vec<FileDigest> {
        self.read
    }

    /// A file that was read.
    fn note(&mut self, name: &str, digest: Digest, budget: &mut Budget) {
        budget.add_file(usize::try_from(digest.bytes).unwrap_or(usize::MAX));
        self.read.push(FileDigest { file: name.to_owned(), digest });
    }

    fn file(&mut self, name: &str, budget: &mut Budget) -> io::Result<Rc<Held>> {
        if let Some(file) = self.files.get(name) {
            return Ok(Rc::clone(file));
        }
        let bytes = match self.beside {
            Beside::Nothing => return Err(io::Error::other("it was not given")),
            Beside::Given(open) => {
                let bytes = open(name)?;
                self.note(name, Digest::of(&bytes), budget);
                Rc::new(Held::Bytes(bytes))
            }
            Beside::Net(net) => {
                let (mut file, place) = regular::open_beside(net, name)?;
                match self.places.get(&place) {
                    Some(bytes) => Rc::clone(bytes),
                    None => {
                        self.stamps.push(Stamp::of(&place, &file)?);
                        let digest = digest(&mut file)?;
                        self.note(name, digest, budget);
                        let held = Rc::new(Held::File(file, digest.bytes));
                        self.places.insert(place, Rc::clone(&held));
                        held
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

    fn length(reader: &mut dyn Read) -> Result<usize, String> {
        let mut bytes = vec![];
        reader.read_to_end(&mut bytes).map_err(|error| error.to_string())
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
            let length = external.read(&entries(name), 8, Some(8), &mut Budget::of(0), length);
            assert_eq!(length, Ok(8), "{name}");
        }
        assert_eq!(opened.get(), 1);
    }

    #[test]
    fn names_that_lead_out_of_the_folder_are_refused_before_anything_is_opened() {
        let open = |name: &str| -> io::Result<Vec<u8>> { panic!("{name} was opened") };
        for name in ["../x", "a/../../x", "/etc/passwd", "", ".", "./.", "a\0b", "a/.."] {
            let mut external = External::new(Beside::Given(&open));
            let error = external.read(&entries(name), 8, Some(8), &mut Budget::of(0), length).unwrap_err();
            assert!(error.contains("cannot read its numbers from"), "{name}: {error}");
        }
    }
}
