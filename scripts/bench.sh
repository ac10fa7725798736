#!/usr/bin/env bash
# `make bench-NAME`: builds for release, runs one load program, prints its table (see docs/BENCHMARKS.md).
set -euo pipefail
. "$(dirname "$0")/say.sh"
. "$root/scripts/packages.sh"
cd "$root"

program=$1
shift
ensure compiler
need_cargo
ensure postgres redis
case " $* " in *" --instructions "*) ensure valgrind ;; esac
# The queries are checked against the committed metadata: a build needs no database.
case "$program" in
bench-relay)
    ensure rabbitmq
    services=(--bin activity-service)
    ;;
bench-timers) services=(--bin auth-service --bin calendar-service --bin gateway --bin notification-service) ;;
bench-activity) services=(--bin auth-service --bin calendar-service --bin gateway --bin activity-service) ;;
*) services=(--bin auth-service --bin calendar-service --bin gateway) ;;
esac
SQLX_OFFLINE=true cargo build --release --locked "${services[@]}" --bin "$program"
POSTGRES_BIN_DIR=$(postgres_programs) exec "target/release/$program" "$@"
