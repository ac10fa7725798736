#!/bin/sh
# secrets.sh FOLDER: makes the secrets of a system that are not there yet, each in a file of its own (0600).
# In FOLDER: service_token, auth.key, NAME_password of every database role, and a NAME.pgpass for who connects with it.
set -eu
folder=$1
umask 077
mkdir -p "$folder"

text() { od -An -N 24 -t x1 /dev/urandom | tr -d ' \n'; }

# Written beside its place and moved there: nobody reads half a secret.
make() {
    [ -s "$folder/$1" ] || { cat >"$folder/$1.new" && mv "$folder/$1.new" "$folder/$1"; }
}

text | make service_token
head -c 32 /dev/urandom | make auth.key
for name in postgres replicator auth calendar notification activity; do
    text | make "${name}_password"
    printf '*:*:*:%s:%s\n' "$name" "$(cat "$folder/${name}_password")" | make "$name.pgpass"
done
