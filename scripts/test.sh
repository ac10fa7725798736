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
# It waits for the network more than for us.
tests/peers/install.sh >"$TEST_SERVERS/peers.log" 2>&1 &
peers=$!
trap wait EXIT
scripts/lint.sh
say "lint took $((SECONDS - started)) s"

# From here on the committed query metadata must do, as on a machine without a database.
export SQLX_OFFLINE=true
say "building"
# The fault tests drive the real programs. In one go with the tests: those want another tokio (`test-util`), and
# whatever stands on it would be built twice.
cargo build --workspace --locked --tests --bin activity-service --bin auth-service --bin calendar-service \
    --bin gateway --bin notification-service --bin shared-calendar
wait "$peers" || {
    cat "$TEST_SERVERS/peers.log" >&2
    die "cannot install other people's clients"
}
# A failure says where it is and what it saw; forty frames of the runtime for each, which CI may ask for, hide the next one.
export RUST_BACKTRACE=${TEST_BACKTRACE:-0}
say "testing (after $((SECONDS - started)) s)"
if have cargo-nextest; then
    cargo nextest run --workspace --locked --no-tests fail "$@"
else
    cargo test --workspace --locked --lib --bins --tests "$@"
fi
say "everything passed in $((SECONDS - started)) s"
