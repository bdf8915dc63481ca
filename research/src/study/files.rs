//! A study with the files that it names.

use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::{Map, Value, json};
use snn_converter::ann::Ann;
use snn_converter::import::onnx::{self, Choice};
use snn_converter::model_file::{Model, ModelFile, files_beside};
use snn_converter::prune::{Scope, prune};
use snn_converter::simplify::simplify;
use snn_formats::samples::{self, batch};
use snn_formats::{Digest, FileDigest, FormatError, Origin, npy, regular};

use super::{Group, Material, Study, StudyModel, SweepError};

/// A study with the files that it names, and the first line of its results: what they are results of.
#[derive(Clone, Debug)]
pub struct StudyFiles {
    study: Study,
    folder: PathBuf,
    head: Map<String, Value>,
}

/// The bytes of a file.
fn bytes(path: &Path) -> Result<Vec<u8>, FormatError> {
    regular::read(path)
        .map_err(|error| Origin::file(path).system_error(error.kind(), format!("cannot be read: {error}")))
}

/// The digest of a file.
fn digest(path: &Path) -> Result<FileDigest, FormatError> {
    Ok(FileDigest::new(path, Digest::of(&bytes(path)?)))
}

fn value(of: impl Serialize) -> Value {
    // Names and numbers: nothing in it can fail to be JSON.
    serde_json::to_value(of).unwrap_or_default()
}

impl StudyFiles {
    /// Reads a study from a file, and the digests of all files that it names. Paths are as seen from its folder.
    ///
    /// # Errors
    /// If it is no study, or a file cannot be read.
    pub fn read(path: &Path) -> Result<Self, SweepError> {
        let origin = Origin::file(path);
        let text = String::from_utf8(bytes(path)?).map_err(|_| origin.error("it is no text in UTF-8"))?;
        let study = Study::parse(&text).map_err(|error| origin.error(error.to_string()))?;
        Ok(Self::with(study, &text, path)?)
    }

    /// A study as its file would be at `path`, which is not read.
    ///
    /// # Errors
    /// If a file that it names cannot be read, or a path is no text in UTF-8.
    pub fn of(study: &Study, path: &Path) -> Result<Self, SweepError> {
        let text = study.to_toml()?;
        Ok(Self::with(Study::parse(&text)?, &text, path)?)
    }

    fn with(study: Study, text: &str, path: &Path) -> Result<Self, FormatError> {
        let folder = path.parent().unwrap_or(Path::new("")).to_owned();
        let digest = |path: &PathBuf| digest(&folder.join(path));
        let models: Vec<_> =
            study.models.iter().map(|model| digest(&model.file)).collect::<Result<_, _>>()?;
        let mut head = Map::from_iter([
            ("tool".to_owned(), json!(concat!("snn-event ", env!("CARGO_PKG_VERSION")))),
            ("study".to_owned(), value(FileDigest::new(path, Digest::of(text.as_bytes())))),
            ("input".to_owned(), value(digest(&study.input)?)),
            ("labels".to_owned(), value(digest(&study.labels)?)),
            ("calibration".to_owned(), value(digest(&study.calibration)?)),
            ("models".to_owned(), value(models)),
        ]);
        // What few studies have is told where one has it.
        let mut tell = |name: &str, of: &dyn Fn(&StudyModel) -> Result<Value, FormatError>| {
            let all = study.models.iter().map(of).collect::<Result<Vec<_>, _>>()?;
            let is_nothing = |value: &Value| {
                value.is_null() || value.as_array().is_some_and(|all| all.iter().all(Value::is_null))
            };
            if !all.iter().all(is_nothing) {
                head.insert(name.to_owned(), Value::Array(all));
            }
            Ok::<_, FormatError>(())
        };
        let own = |path: &Option<PathBuf>| path.as_ref().map(digest).transpose();
        tell("layers", &|model| Ok(value(own(&model.layers)?)))?;
        tell("models_samples", &|model| {
            Ok(value([own(&model.input)?, own(&model.labels)?, own(&model.calibration)?]))
        })?;
        tell("external", &|model| {
            let beside = files_beside(&folder.join(&model.file));
            let digests = beside.iter().map(|path| self::digest(path)).collect::<Result<Vec<_>, _>>()?;
            Ok(value(digests))
        })?;
        Ok(Self { study, folder, head })
    }

    /// The study.
    #[must_use]
    pub fn study(&self) -> &Study {
        &self.study
    }

    /// What its results are results of: tool, and the digests of the study and all files that it names.
    #[must_use]
    pub fn head(&self) -> &Map<String, Value> {
        &self.head
    }

    /// How many cells it has.
    #[must_use]
    pub fn cells(&self) -> usize {
        self.study.groups().iter().map(|group| group.cells.len()).sum()
    }

    /// The paths of all that is read.
    #[must_use]
    pub fn inputs(&self) -> Vec<PathBuf> {
        let study = &self.study;
        let mut all = vec![&study.input, &study.labels, &study.calibration];
        for (place, model) in study.models.iter().enumerate() {
            all.push(&model.file);
            all.extend(&model.layers);
            all.extend(study.files(place));
        }
        let mut all: Vec<PathBuf> = all.into_iter().map(|path| self.folder.join(path)).collect();
        for model in &study.models {
            all.extend(files_beside(&self.folder.join(&model.file)));
        }
        all.sort();
        all.dedup();
        all
    }

    /// The trained net of a group, pruned as it says.
    pub(super) fn ann(&self, group: &Group) -> Result<Ann, SweepError> {
        let model = &self.study.models[group.model];
        let path = self.folder.join(&model.file);
        let origin = Origin::file(&path);
        let Some(sparsity) = group.sparsity else {
            let layers = model.layers.as_ref().map(|layers| self.folder.join(layers));
            return match ModelFile::read(&path, layers.as_deref(), &Choice::default())?.model {
                Model::Trained(ann) => Ok(ann),
                Model::Spiking(_) => {
                    Err(origin.error("it is a spiking net already; allowed are trained nets").into())
                }
            };
        };
        if path.extension().is_none_or(|ending| ending != "onnx") {
            let what = "only .onnx files are pruned; leave `sparsity` out of the study";
            return Err(origin.error(what).into());
        }
        let pruned = prune(&bytes(&path)?, sparsity, Scope::Global)
            .map_err(|error| origin.error(error.to_string()))?;
        let import = onnx::import(pruned.bytes, None).map_err(|error| origin.error(error.to_string()))?;
        Ok(simplify(&import.ann).map_err(|error| origin.error(error.to_string()))?)
    }

    fn samples(&self, path: &Path, ann: &Ann, most: Option<usize>) -> Result<Vec<f32>, SweepError> {
        let path = self.folder.join(path);
        let array = samples::read(&path)?;
        let shape = ann.input_shape();
        let found = batch("samples", &array.shape, shape.extents())
            .map_err(|error| Origin::file(&path).error(error.to_string()))?;
        let mut values = array.into_f32()?;
        values.truncate(most.unwrap_or(found.samples).min(found.samples) * shape.elements());
        Ok(values)
    }

    /// The samples of a group, and their classes.
    pub(super) fn material(&self, group: &Group, ann: &Ann) -> Result<Material, SweepError> {
        let [input, labels, calibration] = self.study.files(group.model);
        let input = self.samples(input, ann, self.study.samples)?;
        let samples = input.len() / ann.input_shape().elements();
        let array = npy::read(self.folder.join(labels))?;
        let origin = array.origin().clone();
        let all = array.shape.first().copied().unwrap_or(0);
        let labels = samples::labels(array, all, ann.output_shape().elements())?;
        if labels.len() < samples {
            let what =
                format!("it has {} labels for {samples} samples; allowed is one for each", labels.len());
            return Err(origin.error(what).into());
        }
        Ok(Material {
            input,
            // They are places of outputs.
            labels: labels[..samples].iter().map(|&label| label as usize).collect(),
            calibration: self.samples(calibration, ann, None)?,
        })
    }
}
