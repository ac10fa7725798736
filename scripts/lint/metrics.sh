#!/usr/bin/env bash
# Every metric in the code is described to the recorder and listed in docs/METRICS.md, and none else is; the dashboards
# in grafana/ are what their source says.
set -euo pipefail
. "$(dirname "$0")/../say.sh"
cd "$root"

# The first argument of these macros, which may stand on a line of its own.
named() {
    git ls-files -co --exclude-standard '*/src/*.rs' | xargs cat | tr '\n' ' ' |
        grep -oE "\\b$1!\\( *\"[a-z0-9_]+\"" | sed 's/.*"\(.*\)"/\1/' | sort -u
}

used=$(named '(counter|gauge|histogram)')
described=$(named 'describe_(counter|gauge|histogram)')
listed=$(sed -n 's/^| `\([a-z0-9_]*\)` |.*/\1/p' docs/METRICS.md | sort -u)
bad=0

complain() {
    local name
    for name in $2; do
        printf 'error: metric %s %s\n' "$name" "$1" >&2
        bad=1
    done
}

complain 'has no describe_…! in the code' "$(comm -23 <(echo "$used") <(echo "$described"))"
complain 'is described and never counted' "$(comm -13 <(echo "$used") <(echo "$described"))"
complain 'is missing in docs/METRICS.md' "$(comm -23 <(echo "$used") <(echo "$listed"))"
complain 'is in docs/METRICS.md and nowhere in the code' "$(comm -13 <(echo "$used") <(echo "$listed"))"

# What a query asks for: a name with a selector, a range, or alone in an aggregation.
asked=$({
    grep -h '"expr":' grafana/dashboards/*.json
    grep -h ' expr:' grafana/prometheus/alerts.yml
} | sed 's/\$__[a-z_]*//g' | grep -oE '[a-z0-9]+_[a-z0-9_]+[]{[)]' | sed -E 's/.$//; s/_(bucket|count|sum)$//' | sort -u)
complain 'is asked for in grafana/ and not in docs/METRICS.md' "$(comm -23 <(echo "$asked") <(echo "$listed"))"

if have python3; then
    grafana/dashboards.py --check || bad=1
fi
exit "$bad"
