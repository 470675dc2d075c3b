#!/bin/sh
# Builds busbar-agent for 64-bit ARM on another machine, with Debian's cross compiler and Debian's arm64 libraries unpacked
# below the build outputs. No package is installed and no foreign architecture is enabled: a private apt fetches for both.
# Rust's standard library for ARM is added with rustup where it is missing, and taken away again at the end.
# It says exactly what is missing, and ends with 3 then.
#
#   tests/cross.sh            checks, fetches what apt can give, builds
#   tests/cross.sh --check    only says what is missing
#   tests/cross.sh --try DIR  builds, then runs the agent under QEMU's user emulation and compares what it says of the
#                             recorded machine below DIR with what the native agent says of it
#   tests/cross.sh --clean    takes away what was fetched
set -eu

TRIPLE=aarch64-unknown-linux-gnu
GNU=aarch64-linux-gnu
HOUSE=$(cd "$(dirname "$0")/.." && pwd)
TARGET=${CARGO_TARGET_DIR:-$HOUSE/target}
AWAY=$TARGET/tools/arm64
ROOT=$AWAY/root
# What the agent links; hwloc's pkg-config file links udev. apt finds what these need themselves.
WANTED="gcc-$GNU libc6-dev:arm64 libhwloc-dev:arm64 libudev-dev:arm64"
# Debian has the emulator as one static program.
EMULATOR=$ROOT/usr/bin/qemu-aarch64-static
AGENT=$TARGET/$TRIPLE/debug/busbar-agent

case "${1:-}" in
"" | --check) ;;
--try)
    if [ ! -d "${2:-}/sys" ]; then
        echo "usage: tests/cross.sh --try DIR, where DIR holds the sys/ and proc/ of a recorded ARM machine" >&2
        exit 2
    fi
    TRIED=$(cd "$2" && pwd)
    WANTED="$WANTED qemu-user-static"
    ;;
--clean)
    rm -rf "$AWAY" "${TARGET:?}/$TRIPLE"
    exit 0
    ;;
*)
    sed -n '2,12s/^# \{0,1\}//p' "$0" >&2
    exit 2
    ;;
esac

# The toolchain is the house's own (rust-toolchain.toml).
cd "$HOUSE"

missing=
lacks() {
    echo "missing: $1" >&2
    echo "  give:  $2" >&2
    missing=yes
}
has_std() {
    installed=$(rustc --print target-libdir --target "$TRIPLE" 2>/dev/null || true)
    [ -n "$installed" ] && [ -d "$installed" ]
}
is_fetched() {
    [ -e "$ROOT/usr/lib/$GNU/libhwloc.so" ] && { [ -z "${TRIED:-}" ] || [ -e "$EMULATOR" ]; }
}

has_std || command -v rustup >/dev/null 2>&1 || lacks "Rust's standard library for $TRIPLE" "rustup target add $TRIPLE"
command -v pkg-config >/dev/null 2>&1 || lacks "pkg-config" "apt-get install pkg-config"
if ! is_fetched; then
    for tool in apt-get dpkg-deb; do
        command -v "$tool" >/dev/null 2>&1 || lacks "$tool, which fetches the compiler and libhwloc for arm64" "run this on Debian"
    done
fi
if [ -n "$missing" ]; then
    exit 3
fi
if [ "${1:-}" = --check ]; then
    echo "nothing is missing: tests/cross.sh builds the agent for $TRIPLE"
    exit 0
fi

# A private apt that knows this machine's architecture and arm64, and that nothing is installed: it names all that is needed.
if ! is_fetched; then
    mkdir -p "$AWAY/lists/partial" "$AWAY/cache/archives/partial" "$AWAY/state" "$ROOT"
    : >"$AWAY/state/status"
    private_apt() {
        apt-get -q -y -o "APT::Architectures::=$(dpkg --print-architecture)" -o APT::Architectures::=arm64 \
            -o Dir::State="$AWAY/state" -o Dir::State::Lists="$AWAY/lists" -o Dir::State::Status="$AWAY/state/status" \
            -o Dir::Cache="$AWAY/cache" -o Debug::NoLocking=1 -o APT::Sandbox::User="$(id -un)" \
            -o APT::Install-Recommends=false "$@"
    }
    private_apt update
    # shellcheck disable=SC2086 # a list of names
    private_apt install --download-only $WANTED
    for package in "$AWAY"/cache/archives/*.deb; do
        dpkg-deb -x "$package" "$ROOT"
    done
    rm -rf "$AWAY/cache" "$AWAY/lists"
fi

# The compiler's own libraries, where this machine has none of them; never its C library.
mkdir -p "$AWAY/bin" "$AWAY/lib"
for name in libbfd libopcodes libctf libsframe libisl libmpc libmpfr libgmp libjansson libzstd; do
    find "$ROOT/usr/lib/$(uname -m)-linux-gnu" -name "$name[-.]*so*" -exec ln -sf {} "$AWAY/lib/" \;
done
for tool in gcc ar; do
    sysroot=
    [ "$tool" = gcc ] && sysroot="--sysroot=$ROOT"
    cat >"$AWAY/bin/$GNU-$tool" <<END
#!/bin/sh
LD_LIBRARY_PATH="$AWAY/lib\${LD_LIBRARY_PATH:+:\$LD_LIBRARY_PATH}" exec "$ROOT/usr/bin/$GNU-$tool" $sysroot "\$@"
END
    chmod +x "$AWAY/bin/$GNU-$tool"
done

if ! has_std; then
    rustup target add "$TRIPLE"
    trap 'exit 130' INT TERM HUP
    trap 'rustup target remove "$TRIPLE"' EXIT
fi

# The native one first: below, pkg-config knows arm64 alone.
if [ -n "${TRIED:-}" ]; then
    cargo build --locked --package agent --bin busbar-agent
fi
export PKG_CONFIG_ALLOW_CROSS=1
export PKG_CONFIG_SYSROOT_DIR="$ROOT"
export PKG_CONFIG_LIBDIR="$ROOT/usr/lib/$GNU/pkgconfig:$ROOT/usr/share/pkgconfig"
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER="$AWAY/bin/$GNU-gcc"
export CC_aarch64_unknown_linux_gnu="$AWAY/bin/$GNU-gcc"
export AR_aarch64_unknown_linux_gnu="$AWAY/bin/$GNU-ar"
CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUSTFLAGS="-C link-arg=-Wl,-rpath-link,$ROOT/usr/lib/$GNU:$ROOT/lib/$GNU"
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUSTFLAGS
cargo build --locked --package agent --bin busbar-agent --target "$TRIPLE"
echo "built: $AGENT"
[ -n "${TRIED:-}" ] || exit 0

# The agent starts a second one of itself to read a recorded machine's topology, so that the kernel must know the emulator: it is
# told in a namespace of its own (Linux 6.7 or later), which ends with the command.
cat >"$AWAY/bin/emulated" <<END
set -eu
mount -t binfmt_misc none /proc/sys/fs/binfmt_misc
printf '%s' ':busbar:M::\\x7fELF\\x02\\x01\\x01\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x02\\x00\\xb7\\x00:\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\x00\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\xfe\\xff\\xff\\xff:$EMULATOR:F' \
    >/proc/sys/fs/binfmt_misc/register
exec "$AGENT" "\$@"
END
emulated() {
    QEMU_LD_PREFIX="$ROOT" unshare --user --map-root-user --mount sh "$AWAY/bin/emulated" "$@"
}
said=$AWAY/said
mkdir -p "$said"
echo "emulated: $(emulated --version)"
emulated facts --root "$TRIED" >"$said/emulated"
"$TARGET/debug/busbar-agent" facts --root "$TRIED" >"$said/native"
sed -n 1,2p "$said/emulated"
if ! diff "$said/native" "$said/emulated"; then
    echo "the agent for $TRIPLE says something else of $TRIED than the native one (above)" >&2
    exit 1
fi
echo "the same, line for line: $(wc -l <"$said/native") lines"
