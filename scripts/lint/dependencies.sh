#!/usr/bin/env bash
# Banned crates, licences and sources, by deny.toml. Advisories are left out: they need the network at each run.
# `dependencies.sh build` only sees to it that the tool is there.
set -euo pipefail
. "$(dirname "$0")/../say.sh"
cd "$root"

version=0.20.2
tools=$root/target/tools
export PATH=$PATH:$tools/bin
if ! have cargo-deny; then
    say "building cargo-deny $version into target/tools, once: about a minute"
    # Not optimised: it runs for some seconds at each run, and would take minutes to build.
    CARGO_TARGET_DIR=$tools/build CARGO_PROFILE_DEV_DEBUG=false CARGO_INCREMENTAL=0 nice cargo install --debug --quiet \
        --locked --version "$version" --root "$tools" cargo-deny >&2 || die "cannot install cargo-deny $version"
    rm -rf "$tools/build"
fi
[ "${1:-}" != build ] || exit 0
# It looks at the crates of every platform; a build has fetched only those of this one.
cargo fetch --quiet --locked
cargo-deny --offline --all-features --log-level error check bans licenses sources
