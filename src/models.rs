//! Trained nets from files, by the ending of their names.

use std::path::Path;

use anyhow::{Context, Result, bail};
use snn_converter::ann::Ann;
use snn_converter::import::onnx;
use snn_converter::simplify::simplify;

/// A trained net with what its import noted.
pub struct Model {
    pub ann: Ann,
    pub notes: Vec<String>,
}

/// Reads a trained net.
pub fn read(path: &Path) -> Result<Model> {
    let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
    match ending {
        "onnx" => {
            let import = onnx::read(path).with_context(|| path.display().to_string())?;
            let ann = simplify(&import.ann).with_context(|| path.display().to_string())?;
            Ok(Model { ann, notes: import.notes })
        }
        _ => bail!("{}: unknown kind of model; allowed are files named .onnx and .npz", path.display()),
    }
}
