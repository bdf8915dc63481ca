//! What some results were made of: told in every JSON, and by `net.bin` as far as it is the same everywhere.

use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::digest::FileDigest;
use crate::machine::Machine;

/// The instruction set of the kernels that runs use on this machine.
#[must_use]
pub fn kernels() -> &'static str {
    snn_engine::instruction_sets().last().copied().unwrap_or("portable")
}

/// What made some results, of which files, with which options in effect.
///
/// In JSON `{"tool", "command", "kernels", "machine", …files, "options": {…}}`.
#[derive(Clone, Debug, Serialize)]
pub struct Provenance {
    tool: &'static str,
    command: &'static str,
    /// The instruction set of the kernels. No result depends on it, nor on the machine; times do.
    kernels: &'static str,
    machine: Machine,
    #[serde(flatten)]
    files: Map<String, Value>,
    options: Map<String, Value>,
}

impl Provenance {
    /// Of a command of a tool (its name and version), so far without files and options.
    #[must_use]
    pub fn new(tool: &'static str, command: &'static str) -> Self {
        Self {
            tool,
            command,
            kernels: kernels(),
            machine: Machine::this(),
            files: Map::new(),
            options: Map::new(),
        }
    }

    /// With a file that was read or written, if there is one.
    #[must_use]
    pub fn file(mut self, name: &str, file: Option<FileDigest>) -> Self {
        if let Some(file) = file {
            self.files.insert(name.to_owned(), json!(file));
        }
        self
    }

    /// With the files of a model: its own (`model`), and those that it names (`external`), if there are some.
    #[must_use]
    pub fn model(mut self, files: &[FileDigest]) -> Self {
        if let Some((own, external)) = files.split_first() {
            self.files.insert("model".into(), json!(own));
            if !external.is_empty() {
                self.files.insert("external".into(), json!(external));
            }
        }
        self
    }

    /// With options as they were in effect.
    #[must_use]
    pub fn options(mut self, options: impl IntoIterator<Item = (&'static str, Value)>) -> Self {
        self.options.extend(options.into_iter().map(|(name, value)| (name.to_owned(), value)));
        self
    }

    /// With all options of a structure.
    ///
    /// # Errors
    /// If it cannot be JSON.
    pub fn options_of(mut self, options: &impl Serialize) -> serde_json::Result<Self> {
        if let Value::Object(options) = serde_json::to_value(options)? {
            self.options.extend(options);
        }
        Ok(self)
    }

    /// The part that is the same on every machine: what a `net.bin` says.
    #[must_use]
    pub fn portable(&self) -> Map<String, Value> {
        let mut said = self.files.clone();
        said.insert("tool".into(), json!(self.tool));
        said.insert("command".into(), json!(self.command));
        said.insert("options".into(), Value::Object(self.options.clone()));
        said
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Digest;

    #[test]
    fn a_net_says_all_that_a_report_says_but_for_the_machine() {
        let file = |name: &str| FileDigest::new(name, Digest::of(name.as_bytes()));
        let provenance = Provenance::new("tool 1", "convert")
            .model(&[file("a/net.onnx"), file("numbers")])
            .file("labels", None)
            .file("calibration", Some(file("x.npy")))
            .options([("T", json!(8))]);
        let mut told = serde_json::to_value(&provenance).unwrap();
        assert_eq!(told["model"]["file"], "net.onnx");
        assert_eq!(told["external"][0]["file"], "numbers");
        let mut taken = |name: &str| told.as_object_mut().unwrap().remove(name).unwrap();
        assert!(snn_engine::instruction_sets().contains(&taken("kernels").as_str().unwrap()));
        assert_eq!(taken("machine"), json!(Machine::this()));
        assert_eq!(told, Value::Object(provenance.portable()));
    }
}
