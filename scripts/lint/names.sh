#!/usr/bin/env bash
# Modules are named after what they hold; these names hold anything.
set -euo pipefail
. "$(dirname "$0")/../say.sh"
cd "$root"

bad=$(git ls-files -co --exclude-standard '*.rs' '*.proto' |
    grep -E '(^|/)((utils?|helpers?|common|misc|types|managers?)|new_[a-z_]*)(\.rs|\.proto|/)' || true)
[ -z "$bad" ] || die "named after nothing: $(echo "$bad" | tr '\n' ' ')"
