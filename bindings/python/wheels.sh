#!/usr/bin/env bash
# Builds the wheels that are published: one for each kind of Linux machine, for Python 3.11 and all later ones (abi3), that runs
# wherever the C library is at least 2.17 (manylinux2014).
#
#   bindings/python/wheels.sh FOLDER [x86_64 aarch64]
#
# Needs Rust, and Python with pip, which brings the linker (zig) and maturin.
set -euo pipefail
[ $# -gt 0 ] || { sed -n '2,7s/^# \?//p' "$0"; exit 2; }
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1"
folder=$(cd "$1" && pwd)
shift
[ $# -gt 0 ] || set -- x86_64 aarch64
tools=$(mktemp -d)
trap 'rm -rf "$tools"' EXIT
"${PYTHON:-python3}" -m venv "$tools"
"$tools/bin/pip" install --quiet 'maturin>=1.16,<2' ziglang
cd "$here"
for machine in "$@"; do
    rustup target add --toolchain "$(rustc --version | cut -d' ' -f2)" "$machine-unknown-linux-gnu" 2>/dev/null ||
        rustup target add "$machine-unknown-linux-gnu"
    PATH=$tools/bin:$PATH "$tools/bin/maturin" build --release --zig --compatibility manylinux2014 \
        --target "$machine-unknown-linux-gnu" --interpreter python3.11 --out "$folder"
done
ls -l "$folder"
