#!/usr/bin/env bash
# Builds the C library and installs it: include/snn_event.h, lib/libsnn_event.{so,a}, lib/pkgconfig/snn-event.pc.
#
#   bindings/c/install.sh PREFIX [--debug]      needs Rust; PREFIX such as ~/.local or /usr/local
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
[ $# -ge 1 ] || { sed -n '2,4s/^# \?//p' "$0"; exit 2; }
command -v cargo >/dev/null || {
    echo "cargo was not found: the library is built from source and needs Rust 1.95 or newer, see https://rustup.rs" >&2
    exit 1
}
mkdir -p "$1/include" "$1/lib/pkgconfig"
prefix=$(cd "$1" && pwd)
profile=release
flags=(--release)
if [ "${2:-}" = --debug ]; then
    profile=debug
    flags=()
fi
cd "$here"
cargo build --quiet --lib "${flags[@]}"
target=${CARGO_TARGET_DIR:-$here/target}
case $(uname -s) in
Darwin) shared=libsnn_event.dylib ;;
*) shared=libsnn_event.so ;;
esac
install -m 644 include/snn_event.h "$prefix/include/"
install -m 755 "$target/$profile/$shared" "$prefix/lib/"
install -m 644 "$target/$profile/libsnn_event.a" "$prefix/lib/"
version=$(sed -n 's/^version = "\(.*\)"$/\1/p' Cargo.toml | head -1)
# What a program that is linked with the static library needs beside it; rustc tells the same by `--print native-static-libs`.
case $(uname -s) in
Linux) static="-lgcc_s -lutil -lrt -lpthread -lm -ldl -lc" ;;
*) static="-lpthread -lm" ;;
esac
sed -e "s|@PREFIX@|$prefix|" -e "s|@VERSION@|$version|" -e "s|@STATIC_LIBS@|$static|" snn-event.pc.in \
    >"$prefix/lib/pkgconfig/snn-event.pc"
echo "installed into $prefix"
