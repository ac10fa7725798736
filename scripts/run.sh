#!/usr/bin/env bash
# `make run`: everything in one process, from nothing but a Rust toolchain.
set -euo pipefail
. "$(dirname "$0")/say.sh"
. "$root/scripts/packages.sh"
cd "$root"

ensure compiler
need_cargo
# A server given by URL needs no programs here.
for name in AUTH CALENDAR NOTIFICATION ACTIVITY; do
    url=${name}_DATABASE_URL
    [ -n "${!url:-}" ] || { ensure postgres; break; }
done

[ -x target/release/shared-calendar ] ||
    say "building: a quarter of an hour the first time on two cores, some minutes after a change"
# The queries are checked against the committed metadata: a build needs no database.
SQLX_OFFLINE=true cargo build --release --locked --package standalone --bin shared-calendar
exec target/release/shared-calendar "$@"
