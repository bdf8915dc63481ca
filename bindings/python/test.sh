#!/usr/bin/env bash
# Installs the package as a user would and tests it: with all extras, and with NumPy only.
# Needs Rust, Python 3.11 or newer, and the registries (torch is a large wheel: minutes, and some gigabytes of disk).
#
#   bindings/python/test.sh [folder of the environments, kept for the next time]
#
# PYTHON names the interpreter; SNN_EVENT_BIN the command line to compare with, else target/release/snn-event is built;
# MATURIN_PEP517_ARGS="--profile dev" compiles the wheel as tests are compiled, instead of as users get it.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
python=${PYTHON:-python3}
if [ $# -gt 0 ]; then
    mkdir -p "$1"
    folder=$(cd "$1" && pwd)
else
    folder=$(mktemp -d)
    trap 'rm -rf "$folder"' EXIT
fi

step() { printf '\n== %s\n' "$*"; "$@"; }

# 1. One command builds the wheel, in the way of `pip install ./bindings/python`.
step cargo fmt --manifest-path "$here/Cargo.toml" --check
step env PYTHON="$python" "$here/environment.sh" "$folder/full"
full=$folder/full/bin
rm -rf "$folder/wheels"
step "$full/pip" wheel --quiet --no-deps --wheel-dir "$folder/wheels" "$here"
wheel=$(ls "$folder"/wheels/*.whl)
PYO3_PYTHON=$full/python step cargo clippy --quiet --manifest-path "$here/Cargo.toml" -- -D warnings

# 2. NumPy only: an empty environment, the package, and its first lines.
rm -rf "$folder/bare"
"$python" -m venv "$folder/bare"
step "$folder/bare/bin/pip" install --quiet "$wheel"
step "$folder/bare/bin/python" - <<'END'
import importlib.metadata
import sys

import numpy as np

import snn_event

names = {package.name for package in importlib.metadata.distributions()}
assert names <= {"numpy", "pip", "setuptools", "snn-event"}, names
snn = snn_event.convert([(np.array([[1.0]]), np.array([0.5]))], T=8, normalise="none")
assert snn.run(np.array([0.5])).tolist() == [8]
try:
    snn_event.QCFSActivation
except snn_event.MissingExtra as error:
    assert "pip install snn-event[torch]" in str(error)
else:
    sys.exit("torch is not installed, but nothing was missed")
print("with NumPy only:", snn)
END

# 3. All extras, and what the tests compare with. The version number does not change with every build.
step "$full/pip" install --quiet --force-reinstall --no-deps "$wheel"
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-2}
step "$full/python" -c 'import matplotlib, neo, pandas, scipy, sc_neurocore, sklearn, torch, tqdm; print("torch", torch.__version__)'
if [ -z "${SNN_EVENT_BIN:-}" ]; then
    step cargo build --release --quiet --manifest-path "$root/Cargo.toml" --bin snn-event
    SNN_EVENT_BIN=${CARGO_TARGET_DIR:-$root/target}/release/snn-event
    export SNN_EVENT_BIN
fi
cd "$folder"
# Here everything is installed: a test that is skipped is one that nobody runs.
SNN_NO_SKIPS=1 step "$full/python" -m pytest -q --rootdir "$here" -c "$here/pyproject.toml" "$here/tests"
step "$full/python" -m mypy.stubtest snn_event --mypy-config-file "$here/pyproject.toml"
step "$full/python" -m mypy --config-file "$here/pyproject.toml" -p snn_event
step "$full/python" "$root/examples/train_qcfs.py" "$folder/net.bin"
step "$SNN_EVENT_BIN" inspect --net "$folder/net.bin"
