# Sourced by the other scripts: how they speak, and where they stand.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

say() { printf '\n== %s\n' "$*" >&2; }

die() {
    printf 'error: %s\n' "$*" >&2
    exit 1
}

have() { command -v "$1" >/dev/null 2>&1; }

need_cargo() {
    have cargo || die "cargo is not installed: see https://rustup.rs (Rust $(rust_version) or newer)"
    local found
    found=$(cargo --version | awk '{print $2}')
    [ "$(printf '%s\n%s\n' "$(rust_version)" "$found" | sort -V | head -1)" = "$(rust_version)" ] ||
        die "cargo $found is too old: Rust $(rust_version) or newer is needed (rustup update)"
    have cc || have gcc || have clang || die "no C compiler, which the build of aws-lc needs: $(hint compiler)"
}

rust_version() { sed -n 's/^rust-version = "\(.*\)"/\1/p' "$root/Cargo.toml"; }
