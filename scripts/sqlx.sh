#!/usr/bin/env bash
# scripts/sqlx.sh FOLDER COMMAND…: runs a cargo command so that every `query!` is checked against the database
# (scripts/servers.sh gives one) and its metadata is written to FOLDER.
# scripts/sqlx.sh (no arguments; `make sqlx`): writes the committed metadata in .sqlx anew.
set -euo pipefail
. "$(dirname "$0")/say.sh"
cd "$root"

if [ $# -eq 0 ]; then
    [ -n "${TEST_SERVERS:-}" ] || exec scripts/servers.sh "$0"
    fresh=$(mktemp -d)
    trap 'rm -rf "$fresh"' EXIT
    "$0" "$fresh" cargo check --workspace --all-targets
    rm -rf .sqlx
    mkdir .sqlx
    cp "$fresh"/*.json .sqlx/
    say "wrote the metadata of $(find .sqlx -name '*.json' | wc -l) queries to .sqlx"
    exit
fi

folder=$1
shift
mkdir -p "$folder"
# The macros write only when they run: let cargo believe that their files are new.
git ls-files -co --exclude-standard '*.rs' | while read -r file; do
    if [ -f "$file" ] && grep -qE 'query(_as|_scalar)?(_unchecked)?!' "$file"; then
        touch "$file"
    fi
done
SQLX_OFFLINE=false SQLX_OFFLINE_DIR=$folder "$@"
