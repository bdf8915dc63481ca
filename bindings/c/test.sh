#!/usr/bin/env bash
# Tests the C library: what its sources say, its header, and the examples in C and C++, installed, built by pkg-config and run
# under valgrind; they print what the engine itself gives.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$here/target}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
step() { printf '\n== %s\n' "$*"; "$@"; }

missing=()
for tool in valgrind pkg-config cc c++; do command -v $tool >/dev/null || missing+=($tool); done
if [ ${#missing[@]} -gt 0 ]; then
    step apt-get update -qq
    step apt-get install -qq -y valgrind pkg-config gcc g++ libc6-dev libc6-dbg
fi

cd "$here"
step cargo fmt --check
step cargo clippy --quiet --all-targets -- -D warnings
step cargo test --quiet
step "$here/install.sh" "$folder/installed" --debug
export PKG_CONFIG_PATH=$folder/installed/lib/pkgconfig LD_LIBRARY_PATH=$folder/installed/lib
net=$root/examples/mnist/net.bin
strict="-Wall -Wextra -Wpedantic -Werror -g -O1"
# shellcheck disable=SC2046,SC2086
{
    step cc -std=c99 $strict examples/drive.c $(pkg-config --cflags --libs snn-event) -o "$folder/drive"
    step c++ -std=c++17 $strict examples/ring.cpp $(pkg-config --cflags --libs snn-event) -o "$folder/ring"
    # The static library as well: its list of further libraries is complete.
    step cc -std=c99 $strict examples/drive.c $(pkg-config --cflags snn-event) "$folder/installed/lib/libsnn_event.a" \
        $(sed -n 's/^Libs.private: //p' "$folder/installed/lib/pkgconfig/snn-event.pc") -o "$folder/drive-static"
}
# What is only possibly lost are the stacks of threads that are about to end.
kinds=definite,indirect
watch() {
    valgrind --quiet --error-exitcode=9 --leak-check=full --show-leak-kinds=$kinds --errors-for-leak-kinds=$kinds "$@"
}
step watch "$folder/drive" "$net" >"$folder/drive.txt"
step watch "$folder/ring" >"$folder/ring.txt"
"$folder/drive-static" "$net" >"$folder/static.txt"
cargo run --quiet --example expected -- drive "$net" >"$folder/drive.expected"
cargo run --quiet --example expected -- ring >"$folder/ring.expected"
# `step` tells what it does on the first two lines.
for example in drive ring; do
    tail -n +3 "$folder/$example.txt" | cmp - "$folder/$example.expected"
    echo "$example prints the $(wc -l <"$folder/$example.expected") lines that the engine gives"
done
cmp "$folder/static.txt" "$folder/drive.expected"
