#!/usr/bin/env bash
# `make lint`: everything that is checked without running the product. Every check runs; the end tells which failed.
set -uo pipefail
. "$(dirname "$0")/say.sh"
cd "$root" || exit 1
[ -n "${TEST_SERVERS:-}" ] || exec scripts/servers.sh "$0"

fresh=$(mktemp -d)
trap 'rm -rf "$fresh"' EXIT
failed=()

check() {
    local name=$1
    shift
    say "lint: $name"
    "$@" || failed+=("$name")
}

# Clippy runs the query macros, and so writes their metadata: the committed copy must be the same.
clippy() { scripts/sqlx.sh "$fresh" cargo clippy --workspace --all-targets --locked -- -D warnings; }
same_metadata() {
    diff -r .sqlx "$fresh" >&2 || {
        printf 'error: .sqlx is not what the queries and migrations say: run `make sqlx` and commit it\n' >&2
        return 1
    }
}
# The pages that people here read show private items, so links to them work. The feature is what clippy had for the
# tests: without it tokio, and whatever stands on it, would be checked once more.
documentation() {
    SQLX_OFFLINE=true RUSTDOCFLAGS='-D warnings -A rustdoc::private_intra_doc_links' cargo doc --quiet --workspace \
        --no-deps --document-private-items --locked --features tokio/test-util
}

# Where it is not installed it is built beside what follows, which does not keep all processors busy.
scripts/lint/dependencies.sh build &
tool=$!

check format cargo fmt --all --check
check sizes scripts/lint/sizes.sh
check names scripts/lint/names.sh
check imports scripts/lint/imports.sh
check links scripts/lint/links.sh
check metrics scripts/lint/metrics.sh
check clippy clippy
check 'query metadata' same_metadata
check 'links in code' documentation
wait "$tool"
check dependencies scripts/lint/dependencies.sh

[ "${#failed[@]}" -eq 0 ] || die "lint failed: $(IFS=,; echo "${failed[*]}")"
say "lint passed"
