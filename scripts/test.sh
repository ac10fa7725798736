#!/usr/bin/env bash
# `make test`: from a clean clone to a verdict. Finds or installs what the tests need, starts private servers,
# runs lint, then every test, and leaves nothing running.
set -euo pipefail
. "$(dirname "$0")/say.sh"
. "$root/scripts/packages.sh"
cd "$root"

if [ -z "${TEST_SERVERS:-}" ]; then
    ensure compiler postgres redis node python
    need_cargo
    exec scripts/servers.sh "$0" "$@"
fi

# Other people's clients, at the versions that the lock files name.
install_clients() {
    local folder
    while read -r folder; do
        say "installing the Node clients of $folder"
        npm ci --prefix "$folder" --no-audit --no-fund --loglevel error >&2
    done < <(git ls-files -co --exclude-standard '*package-lock.json' | xargs -rn1 dirname)
    while read -r file; do
        say "installing the Python clients of $file"
        [ -x target/venv/bin/python ] || python3 -m venv target/venv
        target/venv/bin/python -m pip install --quiet --disable-pip-version-check --requirement "$file" >&2
    done < <(git ls-files -co --exclude-standard '*requirements.txt')
    [ ! -d target/venv ] || export PATH="$root/target/venv/bin:$PATH"
}

started=$SECONDS
scripts/lint.sh
say "lint took $((SECONDS - started)) s"

# From here on the committed query metadata must do, as on a machine without a database.
export SQLX_OFFLINE=true
install_clients
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
