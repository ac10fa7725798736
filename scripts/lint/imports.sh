#!/usr/bin/env bash
# Who may depend on whom: services never import each other and the gateway imports no service; only `standalone`,
# `tests` and `benches` name services. Nothing that the services share knows them either.
set -euo pipefail
. "$(dirname "$0")/../say.sh"
cd "$root"

services='auth-service calendar-service gateway notification-service activity-service'
outsiders='standalone system-tests load-benches'
members=$(cargo metadata --no-deps --offline --locked --format-version 1 | tr '{' '\n' | sed -n 's/^"name":"\([a-z-]*\)","version".*/\1/p')
bad=0

complain() {
    printf 'error: %s depends on %s\n' "$1" "$2" >&2
    bad=1
}

for service in $services; do
    grep -qx "$service" <<<"$members" || continue
    dependents=$(cargo tree --workspace --offline --locked --invert "$service" --depth 1 --prefix none --edges normal,build,dev |
        awk 'NR > 1 && $1 !~ /^\[/ { print $1 }' | sort -u)
    for dependent in $dependents; do
        [[ " $service $outsiders " == *" $dependent "* ]] || complain "$dependent" "$service"
    done
done

# Outbound HTTP goes through the one egress client of notification-service; only programs outside of the product may
# bring another one.
if grep -q '^name = "reqwest"$' Cargo.lock; then
    dependents=$(cargo tree --workspace --offline --locked --invert reqwest --depth 1 --prefix none --edges normal |
        awk 'NR > 1 && $1 !~ /^\[/ { print $1 }' | sort -u)
    for dependent in $dependents; do
        [[ " $outsiders " == *" $dependent "* ]] && [ "$dependent" != standalone ] ||
            complain "$dependent" "reqwest (outbound HTTP goes through the one egress client)"
    done
fi
exit "$bad"
