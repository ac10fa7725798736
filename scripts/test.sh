#!/usr/bin/env bash
# `make test`: from a clean clone to a verdict. Finds or installs what the tests need, starts private servers,
# runs lint, then every test, and leaves nothing running.
set -euo pipefail
. "$(dirname "$0")/say.sh"
. "$root/scripts/packages.sh"
cd "$root"

if [ -z "${TEST_SERVERS:-}" ]; then
    ensure compiler openssl postgres redis rabbitmq prometheus node python faketime
    need_cargo
    exec scripts/servers.sh "$0" "$@"
fi

started=$SECONDS
scripts/lint.sh
say "lint took $((SECONDS - started)) s"

# From here on the committed query metadata must do, as on a machine without a database.
export SQLX_OFFLINE=true
say "installing other people's clients"
tests/peers/install.sh
say "building"
# The fault tests drive the real programs.
cargo build --workspace --bins --locked
say "testing (after $((SECONDS - started)) s)"
if have cargo-nextest; then
    cargo nextest run --workspace --locked --no-tests fail "$@"
else
    cargo test --workspace --locked --lib --bins --tests "$@"
fi
say "everything passed in $((SECONDS - started)) s"
