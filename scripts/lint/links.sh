#!/usr/bin/env bash
# Every link from a document to a file or a heading of ours leads somewhere. (`cargo doc` checks those in code.)
set -euo pipefail
. "$(dirname "$0")/../say.sh"
cd "$root"

# The anchors of a document, as the usual renderers make them of its headings.
anchors() {
    awk '/^```/ { code = !code } !code && /^#+ / { sub(/^#+ +/, ""); print tolower($0) }' "$1" |
        sed -E 's/\[([^]]*)\]\([^)]*\)/\1/g; s/[^a-z0-9 _-]//g; s/ /-/g'
}

# The targets of its links, outside of code.
targets() {
    awk '/^```/ { code = !code } !code' "$1" | sed 's/`[^`]*`//g' | grep -oE '\]\([^)[:space:]]+' | sed 's/^](//' || true
}

bad=0
while read -r document; do
    while read -r target; do
        case "$target" in '' | *://* | mailto:*) continue ;; esac
        file=${target%%#*}
        anchor=${target#"$file"}
        if [ -z "$file" ]; then
            path=$document
        else
            path=$(dirname "$document")/$file
        fi
        if [ ! -e "$path" ]; then
            printf 'error: %s links to %s, which is not there\n' "$document" "$target" >&2
            bad=1
        elif [ -n "$anchor" ] && ! anchors "$path" | grep -qx -- "${anchor#\#}"; then
            printf 'error: %s links to %s, but there is no such heading\n' "$document" "$target" >&2
            bad=1
        fi
    done < <(targets "$document")
done < <(git ls-files -co --exclude-standard '*.md')
exit "$bad"
