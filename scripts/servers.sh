#!/usr/bin/env bash
# scripts/servers.sh COMMAND…: runs a command beside a private PostgreSQL and a private Redis on free loopback
# ports, and ends both when the command ends, however it ends. The command finds them in
#   DATABASE_URL                                 the superuser; `#[sqlx::test]` makes its databases here
#   AUTH_DATABASE_URL, CALENDAR_DATABASE_URL, …  databases with every migration applied, for sqlx's macros
#   TEST_REDIS_URL
#   TEST_RABBITMQ                                the folder of a RabbitMQ that does not run yet:
#                                                `scripts/rabbitmq.sh start "$TEST_RABBITMQ"` takes 8 s, so who needs it starts it
#   TEST_SERVERS                                 the folder of both, with their logs
# They lose everything in a power cut (fsync off): they are for tests.
set -euo pipefail
. "$(dirname "$0")/say.sh"
. "$root/scripts/packages.sh"
. "$root/scripts/processes.sh"
[ $# -gt 0 ] || die "usage: scripts/servers.sh COMMAND…"
ensure postgres redis

programs=$(postgres_programs)
locale=C.UTF-8
[ "$(uname)" != Darwin ] || locale=en_US.UTF-8
folder=
command_pid=

# PostgreSQL refuses to run as root.
as_owner() {
    if [ "$(id -u)" = 0 ]; then
        su -s /bin/sh "$owner" -c "$(printf '%q ' "$@")"
    else
        "$@"
    fi
}

choose_folder() {
    owner=$(id -un)
    local parent=$root/target
    mkdir -p "$parent"
    if [ "$(id -u)" = 0 ]; then
        owner=postgres
        id "$owner" >/dev/null 2>&1 || owner=nobody
        # A clone in a closed home: the owner of the server cannot enter.
        as_owner test -x "$parent" || parent=/var/tmp
    fi
    sweep "$parent"
    folder=$(mktemp -d "$parent/test-servers.$$.XXXX")
    mkdir "$folder/postgres" "$folder/redis"
    chmod 711 "$folder"
    [ "$(id -u)" != 0 ] || chown "$owner" "$folder/postgres"
}

# What a killed run left.
sweep() {
    local old pid
    for old in "$1"/test-servers.*; do
        pid=${old##*/test-servers.}
        pid=${pid%%.*}
        if [ -d "$old" ] && ! kill -0 "$pid" 2>/dev/null; then
            end_servers "$old"
            rm -rf "$old"
        fi
    done
}

end_servers() {
    local pid
    # SIGQUIT ends PostgreSQL without a checkpoint: its data are thrown away anyway.
    if pid=$(recorded postgres "$1/postgres/data/postmaster.pid"); then end_process QUIT "$pid" 5; fi
    if pid=$(recorded redis-server "$1/redis/pid"); then end_process TERM "$pid" 5; fi
    if [ -f "$1/rabbitmq/epmd.pid" ]; then
        # Its data are thrown away as well; `stop` ends what is left, its epmd.
        "$root/scripts/rabbitmq.sh" kill "$1/rabbitmq"
        "$root/scripts/rabbitmq.sh" stop "$1/rabbitmq"
    fi
}

clean_up() {
    local code=$?
    trap '' INT TERM HUP
    trap - EXIT
    if [ -n "$command_pid" ] && kill -0 "$command_pid" 2>/dev/null; then
        kill -TERM "-$command_pid" 2>/dev/null || kill -TERM "$command_pid" 2>/dev/null || true
        wait "$command_pid" 2>/dev/null || true
    fi
    if [ -n "$folder" ]; then
        end_servers "$folder"
        rm -rf "$folder"
    fi
    exit "$code"
}

start_postgres() {
    local port data=$folder/postgres/data log=$folder/postgres/log
    as_owner "$programs/initdb" -D "$data" -U postgres -A trust -E UTF8 --locale="$locale" --no-sync >"$folder/initdb.log" 2>&1 ||
        die "initdb failed: $(tail -1 "$folder/initdb.log")"
    # Each test process holds up to 20 connections of its own.
    cat >>"$data/postgresql.conf" <<CONF
max_connections = 400
shared_buffers = 256MB
fsync = off
synchronous_commit = off
full_page_writes = off
autovacuum_naptime = 10min
unix_socket_directories = ''
CONF
    for _ in 1 2 3; do
        port=$(free_port)
        if as_owner "$programs/pg_ctl" -D "$data" -s -w -t 60 -l "$log" -o "-h 127.0.0.1 -p $port" start >/dev/null 2>&1; then
            export DATABASE_URL=postgres://postgres@127.0.0.1:$port/postgres
            postgres_port=$port
            return
        fi
    done
    die "PostgreSQL does not start: $(tail -1 "$log")"
}

start_redis() {
    local port
    for _ in 1 2 3; do
        port=$(free_port)
        redis-server --bind 127.0.0.1 --port "$port" --save '' --appendonly no --daemonize yes \
            --dir "$folder/redis" --pidfile "$folder/redis/pid" --logfile "$folder/redis/log" >/dev/null
        for _ in $(seq 50); do
            if answers "$port"; then
                export TEST_REDIS_URL=redis://127.0.0.1:$port
                return
            fi
            sleep 0.1
        done
    done
    die "Redis does not start: $(tail -1 "$folder/redis/log")"
}

# One database per service, as the last migration leaves it.
migrate() {
    local name file
    for name in $(ls "$root/migrations"); do
        psql_on postgres -c "create database $name"
        for file in "$root/migrations/$name"/*.sql; do
            psql_on "$name" -f "$file"
        done
        export "$(echo "$name" | tr '[:lower:]' '[:upper:]')_DATABASE_URL=postgres://postgres@127.0.0.1:$postgres_port/$name"
    done
}

psql_on() {
    local database=$1
    shift
    PGOPTIONS='-c client_min_messages=warning' "$programs/psql" -h 127.0.0.1 -p "$postgres_port" -U postgres \
        -d "$database" -qX -v ON_ERROR_STOP=1 "$@" >&2 || die "cannot migrate $database"
}

trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
choose_folder
start_postgres
start_redis
migrate
export TEST_SERVERS=$folder TEST_RABBITMQ=$folder/rabbitmq
# A process group of its own, and waited for: a signal to us ends the whole command.
set -m
"$@" &
command_pid=$!
set +m
wait "$command_pid"
