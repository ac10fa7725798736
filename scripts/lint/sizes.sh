#!/usr/bin/env bash
# No hand-written Rust file over 500 lines, and nine in ten at most 350.
set -euo pipefail
. "$(dirname "$0")/../say.sh"
cd "$root"

git ls-files -co --exclude-standard '*.rs' | while read -r file; do
    [ -f "$file" ] && printf '%s %s\n' "$(wc -l <"$file")" "$file"
done | awk '
    $1 > 500 { print "error: " $2 " has " $1 " lines, at most 500 are allowed" > "/dev/stderr"; bad = 1 }
    $1 > 350 { large++ }
    END {
        if (NR && large / NR > 0.1) {
            print "error: " large " of " NR " Rust files have more than 350 lines, at most one in ten may" > "/dev/stderr"
            bad = 1
        }
        print NR " Rust files, " large + 0 " over 350 lines"
        exit bad
    }'
