#!/usr/bin/env bash
# `make bench-NAME`: builds for release, runs one load program, prints its table (see docs/BENCHMARKS.md).
set -euo pipefail
. "$(dirname "$0")/say.sh"
. "$root/scripts/packages.sh"
cd "$root"

program=$1
shift
need_cargo
ensure postgres
# The queries are checked against the committed metadata: a build needs no database.
SQLX_OFFLINE=true cargo build --release --locked \
    --package auth-service --package calendar-service --package gateway --package load-benches
exec "target/release/$program" "$@"
