//! Rust's errors as Python's exceptions, with the same texts.

use std::path::Path;

use pyo3::PyErr;
use pyo3::exceptions::{PyFileNotFoundError, PyOSError, PyPermissionError, PyValueError};
use snn_converter::ann::AnnError;
use snn_converter::forward::ForwardError;
use snn_converter::import::{ImportError, state_dict::StateDictError};
use snn_converter::{ConvertError, ConvertErrorKind, ExpectError};
use snn_engine::{NetworkError, NetworkErrorKind};
use snn_formats::{FormatError, FormatErrorKind, OutputError};

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
    create_exception!(
        snn_event,
        InputError,
        NetworkError,
        "Samples, currents or spikes do not fit the network."
    );
    create_exception!(snn_event, StateError, NetworkError, "A state is damaged, or is none of this network.");
    create_exception!(snn_event, FormatError, PyValueError, "A file is damaged or holds something else.");
    create_exception!(snn_event, ConvertError, PyValueError, "A model cannot be converted.");
    create_exception!(
        snn_event,
        UnsupportedError,
        ConvertError,
        "Something of a model has no spiking counterpart; everything that stands in the way is listed."
    );
    create_exception!(
        snn_event,
        DifferentNetError,
        ConvertError,
        "The net that was read gives other outputs than the one that was trained."
    );
}
pub use raised::{
    ConvertError as RaisedConvertError, DifferentNetError as RaisedDifferentNetError,
    FormatError as RaisedFormatError, InputError as RaisedInputError, NetworkError as RaisedNetworkError,
    StateError as RaisedStateError, UnsupportedError as RaisedUnsupportedError,
};

/// What does not fit a network.
pub fn network(error: NetworkError) -> PyErr {
    let text = error.to_string();
    match error.kind() {
        NetworkErrorKind::Input => RaisedInputError::new_err(text),
        NetworkErrorKind::State => RaisedStateError::new_err(text),
        _ => RaisedNetworkError::new_err(text),
    }
}

/// What cannot be converted.
pub fn convert(error: ConvertError) -> PyErr {
    let text = error.to_string();
    match error.kind() {
        ConvertErrorKind::Model => RaisedUnsupportedError::new_err(text),
        ConvertErrorKind::Differs => RaisedDifferentNetError::new_err(text),
        _ => RaisedConvertError::new_err(text),
    }
}

/// What cannot be evaluated.
pub fn forward(error: ForwardError) -> PyErr {
    RaisedConvertError::new_err(error.to_string())
}

/// What is not the net that was trained.
pub fn expect(error: ExpectError) -> PyErr {
    convert(ConvertError::Expect(error))
}

/// What is no net.
pub fn ann(error: AnnError) -> PyErr {
    RaisedConvertError::new_err(error.to_string())
}

/// What cannot be read as a trained net.
pub fn import(error: ImportError) -> PyErr {
    let text = error.to_string();
    match error {
        ImportError::File { path, reason } => system(reason.kind(), format!("{}: {text}", path.display())),
        ImportError::Refused(_) | ImportError::Opset { .. } => RaisedUnsupportedError::new_err(text),
        _ => RaisedConvertError::new_err(text),
    }
}

/// What cannot be read as a state dict.
pub fn state_dict(error: StateDictError, path: &Path) -> PyErr {
    let text = format!("{}: {error}", path.display());
    match error {
        StateDictError::File { reason, .. } => system(reason.kind(), text),
        _ => RaisedConvertError::new_err(text),
    }
}

/// What cannot be read from or written to a file; if the system says so, its own kind of exception.
pub fn format(error: &FormatError) -> PyErr {
    match error.kind {
        FormatErrorKind::System(kind) => system(kind, error.to_string()),
        _ => RaisedFormatError::new_err(error.to_string()),
    }
}

/// What must not be written.
pub fn output(error: OutputError) -> PyErr {
    match error {
        OutputError::Shared(shared) => PyValueError::new_err(shared.to_string()),
        OutputError::Unwritable(error) => format(&error),
    }
}

fn system(kind: std::io::ErrorKind, text: String) -> PyErr {
    match kind {
        std::io::ErrorKind::NotFound => PyFileNotFoundError::new_err(text),
        std::io::ErrorKind::PermissionDenied => PyPermissionError::new_err(text),
        _ => PyOSError::new_err(text),
    }
}

/// An argument that is not among the allowed ones.
pub fn argument(name: &str, found: &str, allowed: &str) -> PyErr {
    PyValueError::new_err(format!("{name} is {found:?}; allowed are {allowed}"))
}
