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
binaries=(--bin auth-service --bin calendar-service --bin gateway --bin "$program")
[ "$program" != bench-timers ] || binaries+=(--bin notification-service)
# The queries are checked against the committed metadata: a build needs no database.
SQLX_OFFLINE=true cargo build --release --locked "${binaries[@]}"
POSTGRES_BIN_DIR=$(postgres_programs) exec "target/release/$program" "$@"
