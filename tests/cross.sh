#!/bin/sh
# Builds busbar-agent for 64-bit ARM on another machine, with Debian's cross compiler and Debian's arm64 libraries unpacked
# below the build outputs. Nothing is installed. It says exactly what is missing, and ends with 3 then.
# So far only --check has been run: that the rest of it builds is not proven.
#
#   tests/cross.sh            checks, fetches what apt can give, builds
#   tests/cross.sh --check    only says what is missing
set -eu

TRIPLE=aarch64-unknown-linux-gnu
GNU=aarch64-linux-gnu
HOUSE=$(cd "$(dirname "$0")/.." && pwd)
TARGET=${CARGO_TARGET_DIR:-$HOUSE/target}
AWAY=$TARGET/tools/arm64
ROOT=$AWAY/root
# The agent links hwloc, and hwloc's pkg-config file links udev; libxml2, libpciaccess and so on are hwloc's plugins' own.
LIBRARIES="libhwloc-dev libhwloc15 libudev-dev libudev1 libnuma-dev libnuma1 libltdl-dev libltdl7 libc6 libc6-dev linux-libc-dev libgcc-s1 libcap2"

missing=
lacks() {
    echo "missing: $1" >&2
    echo "  give:  $2" >&2
    missing=yes
}

installed=$(rustc --print target-libdir --target "$TRIPLE" 2>/dev/null || true)
if [ -z "$installed" ] || [ ! -d "$installed" ]; then
    lacks "Rust's standard library for $TRIPLE" "rustup target add $TRIPLE"
fi
command -v "$GNU-gcc" >/dev/null 2>&1 || lacks "$GNU-gcc, the linker" "apt-get install gcc-aarch64-linux-gnu"
command -v pkg-config >/dev/null 2>&1 || lacks "pkg-config" "apt-get install pkg-config"
if [ ! -e "$ROOT/usr/lib/$GNU/libhwloc.so" ]; then
    if [ "${1:-}" = --check ] || ! command -v dpkg-deb >/dev/null 2>&1; then
        lacks "libhwloc for arm64 in $ROOT" "run this script without --check on Debian or Ubuntu"
    fi
fi
if [ -n "$missing" ]; then
    exit 3
fi
if [ "${1:-}" = --check ]; then
    echo "nothing is missing: tests/cross.sh builds the agent for $TRIPLE"
    exit 0
fi

# A private apt that knows arm64 alone: the machine's own package lists stay as they are.
if [ ! -e "$ROOT/usr/lib/$GNU/libhwloc.so" ]; then
    mkdir -p "$AWAY/lists/partial" "$AWAY/cache/archives/partial" "$AWAY/state" "$ROOT"
    : >"$AWAY/state/status"
    apt() {
        apt-get -q -o APT::Architecture=arm64 -o APT::Architectures=arm64 -o Dir::State::Lists="$AWAY/lists" \
            -o Dir::State::Status="$AWAY/state/status" -o Dir::Cache="$AWAY/cache" -o APT::Sandbox::User="$(id -un)" "$@"
    }
    apt update
    (cd "$AWAY/cache" && for package in $LIBRARIES; do apt download "$package"; done)
    for package in "$AWAY"/cache/*.deb; do
        dpkg-deb -x "$package" "$ROOT"
    done
fi

cd "$HOUSE"
export PKG_CONFIG_ALLOW_CROSS=1
export PKG_CONFIG_SYSROOT_DIR="$ROOT"
export PKG_CONFIG_LIBDIR="$ROOT/usr/lib/$GNU/pkgconfig:$ROOT/usr/share/pkgconfig"
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER="$GNU-gcc"
export CC_aarch64_unknown_linux_gnu="$GNU-gcc"
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUSTFLAGS="-L $ROOT/usr/lib/$GNU -L $ROOT/lib/$GNU -C link-arg=-Wl,-rpath-link,$ROOT/usr/lib/$GNU:$ROOT/lib/$GNU"
cargo build --locked --package agent --bin busbar-agent --target "$TRIPLE"
echo "built: $TARGET/$TRIPLE/debug/busbar-agent"
