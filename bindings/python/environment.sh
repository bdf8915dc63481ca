#!/usr/bin/env bash
# Makes the environment that the package is tested in: all its extras, and what the tests compare with. torch is a large wheel:
# minutes, and some gigabytes of disk.
#
#   bindings/python/environment.sh FOLDER
#
# PYTHON names the interpreter, 3.11 or newer. What is there already stays.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
folder=$1

[ -x "$folder/bin/python" ] || "${PYTHON:-python3}" -m venv "$folder"
"$folder/bin/python" - "$here/pyproject.toml" >"$folder/requirements.txt" <<'END'
import sys
import tomllib

with open(sys.argv[1], "rb") as file:
    project = tomllib.load(file)["project"]
needed = [*project["dependencies"], *(line for extra in project["optional-dependencies"].values() for line in extra)]
tests = ["pytest", "mypy", "scikit-learn", "safetensors", "distributed", "ray", "sc-neurocore>=3.16,<4"]
print("\n".join([*needed, *tests]))
END
"$folder/bin/pip" install --quiet --requirement "$folder/requirements.txt"
# Other simulators and NeuroBench, which name older versions of what is here already.
"$folder/bin/pip" install --quiet --no-deps neurobench==2.3.0 snntorch==1.0.0 norse nirtorch
