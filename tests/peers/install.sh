#!/usr/bin/env bash
# Installs other people's clients, at the versions of package-lock.json and requirements.txt, below target/peers.
# Does nothing when what is there is what the lock files name.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
there=$here/../../target/peers
mkdir -p "$there"
cd "$there"

# Two test processes may get here at once.
exec 9>lock
! command -v flock >/dev/null || flock 9

wanted=$(cat "$here/package-lock.json" "$here/requirements.txt" | cksum)
[ "$(cat installed 2>/dev/null)" != "$wanted" ] || exit 0
rm -f installed

cp "$here/package.json" "$here/package-lock.json" "$here/.npmrc" .
npm ci --loglevel error >&2
[ -x venv/bin/python ] || python3 -m venv venv
venv/bin/python -m pip install --quiet --disable-pip-version-check --requirement "$here/requirements.txt" >&2
echo "$wanted" >installed
