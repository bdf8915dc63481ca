//! Rust's errors as Python's exceptions, with the same texts.

use std::path::Path;

use pyo3::PyErr;
use pyo3::exceptions::{PyFileNotFoundError, PyOSError, PyPermissionError, PyValueError};
use snn_converter::import::ImportError;
use snn_converter::{ConvertError, ExpectError, ann::AnnError, forward::ForwardError};
use snn_engine::NetworkError;
use snn_formats::FormatError;

mod raised {
    #![allow(missing_docs, reason = "the macro writes the items")]
    use pyo3::create_exception;
    use pyo3::exceptions::PyValueError;

    create_exception!(
        snn_event,
        NetworkError,
        PyValueError,
        "Something is not a network, or not an input or a state of this network."
    );
    create_exception!(snn_event, FormatError, PyValueError, "A file is damaged or holds something else.");
    create_exception!(snn_event, ConvertError, PyValueError, "A model cannot be converted.");
}
pub use raised::NetworkError as RaisedNetworkError;
pub use raised::{ConvertError as RaisedConvertError, FormatError as RaisedFormatError};

/// What does not fit a network.
pub fn network(error: NetworkError) -> PyErr {
    RaisedNetworkError::new_err(error.to_string())
}

/// What cannot be converted.
pub fn convert(error: ConvertError) -> PyErr {
    RaisedConvertError::new_err(error.to_string())
}

/// What cannot be evaluated.
pub fn forward(error: ForwardError) -> PyErr {
    RaisedConvertError::new_err(error.to_string())
}

/// What is not the net that was trained.
pub fn expect(error: ExpectError) -> PyErr {
    RaisedConvertError::new_err(error.to_string())
}

/// What is no net.
pub fn ann(error: AnnError) -> PyErr {
    RaisedConvertError::new_err(error.to_string())
}

/// What cannot be read as a trained net.
pub fn import(error: ImportError) -> PyErr {
    let text = error.to_string();
    match error {
        ImportError::File { path, reason } => of_kind(&reason, format!("{}: {text}", path.display())),
        _ => RaisedConvertError::new_err(text),
    }
}

/// What cannot be read from or written to a file; if the system says so, its own kind of exception.
pub fn format(error: FormatError, path: &Path) -> PyErr {
    let text = error.to_string();
    match std::fs::metadata(path) {
        Err(source) => of_kind(&source, text),
        Ok(found) if found.is_dir() => PyOSError::new_err(text),
        Ok(_) => RaisedFormatError::new_err(text),
    }
}

fn of_kind(source: &std::io::Error, text: String) -> PyErr {
    match source.kind() {
        std::io::ErrorKind::NotFound => PyFileNotFoundError::new_err(text),
        std::io::ErrorKind::PermissionDenied => PyPermissionError::new_err(text),
        _ => PyOSError::new_err(text),
    }
}

/// An argument that is not among the allowed ones.
pub fn argument(name: &str, found: &str, allowed: &str) -> PyErr {
    PyValueError::new_err(format!("{name} is {found:?}; allowed are {allowed}"))
}
