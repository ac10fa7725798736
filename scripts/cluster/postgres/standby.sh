#!/bin/sh
# Runs a standby: copies the primary while there are no data yet, then follows it. Arguments go to postgres.
#   PGDATA                       its data; beside it, as PGDATA.new, a copy that is not complete
#   STANDBY                      its name in synchronous_standby_names
#   PRIMARY_HOST, PRIMARY_PORT   whom it follows
#   PGPASSFILE                   the password of `replicator`
set -eu
PRIMARY_PORT=${PRIMARY_PORT:-5432}
if [ ! -e "$PGDATA" ]; then
    until rm -rf "$PGDATA.new" && pg_basebackup -h "$PRIMARY_HOST" -p "$PRIMARY_PORT" -U replicator -w \
        -D "$PGDATA.new" -X stream -c fast; do
        sleep 1
    done
    touch "$PGDATA.new/standby.signal"
    mv "$PGDATA.new" "$PGDATA"
fi
exec postgres -D "$PGDATA" \
    -c primary_conninfo="host=$PRIMARY_HOST port=$PRIMARY_PORT user=replicator passfile=$PGPASSFILE application_name=$STANDBY" \
    "$@"
