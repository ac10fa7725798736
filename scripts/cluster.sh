#!/usr/bin/env bash
# `make cluster`: the system of docker-compose.yml as plain processes of this machine: scripts/cluster/topology says
# how many of what, scripts/cluster/settings/ what they are told. Prints the addresses; Ctrl-C ends all of it.
#   DATA_DIR            what is kept goes to DATA_DIR/cluster; the default is the product's
#   CLUSTER_PORTS=free  every port a free one; else the gateways are on 8080 …, Prometheus on 9091
#   CLUSTER_BINARIES    the folder of the programs; else they are built for release
#   CLUSTER_SCRAPE      how often Prometheus looks (5s)
#   CLUSTER_TLS=off     without TLS between the services
#   CLUSTER_UNTIL=eof   ends with its standard input, for programs that start it
# Any other variable of a service may be given too, such as LIMIT_LOGIN.
# DATA_DIR/cluster/cluster.json tells programs what runs where; start/NAME there starts a part again that was
# killed; pids/NAME is its process, logs/NAME.log its log.
set -euo pipefail
. "$(dirname "$0")/say.sh"
. "$root/scripts/packages.sh"
. "$root/scripts/processes.sh"
cd "$root"
here=$root/scripts/cluster
prometheus_port=9091
gateway_port=8080

choose_folder() {
    local default=${XDG_DATA_HOME:-$HOME/.local/share}/shared-calendar
    [ "$(id -u)" != 0 ] || default=/var/lib/shared-calendar
    owner=$(server_owner)
    mkdir -p "${DATA_DIR:-$default}/cluster"
    data=$(cd "${DATA_DIR:-$default}/cluster" && pwd)
    if recorded "$(basename "${BASH:-bash}")" "$data/cluster.pid" >/dev/null && [ "$(head -1 "$data/cluster.pid")" != $$ ]; then
        die "a cluster of $data runs already, process $(head -1 "$data/cluster.pid")"
    fi
    echo $$ >"$data/cluster.pid"
    mkdir -p "$data"/{start,pids,logs,prometheus,redis}
    # The databases' owner must get in.
    chmod 755 "$data" "$data/pids" "$data/logs" "$data/start"
    mkdir -p "$data/postgres"
    chmod 700 "$data/postgres"
    [ "$(id -u)" != 0 ] || {
        chown -R "$owner" "$data/postgres"
        eval "$(as_user "$owner" test -w "$data/postgres")" || die "$owner cannot get into $data: choose another DATA_DIR"
    }
    # So that nothing that is put together below needs quotes.
    [[ $data =~ ^[A-Za-z0-9_./@:+-]+$ ]] || die "$data has unusual characters: choose another DATA_DIR"
}

build() {
    if [ -n "${CLUSTER_BINARIES:-}" ]; then
        binaries=$(cd "$CLUSTER_BINARIES" && pwd)
        return 0
    fi
    ensure compiler
    need_cargo
    say "building for release: ten minutes the first time on two cores"
    SQLX_OFFLINE=true cargo build --release --locked --bins $(printf -- '-p %s ' $(column 2))
    binaries=$root/target/release
}

# === topology ===

cores=$(getconf _NPROCESSORS_ONLN)

# The parts whose program exists, as lines of the topology.
read_topology() {
    local service program instances database
    topology=$(grep -v '^#' "$here/topology" | while read -r service program instances database; do
        [ -z "${binaries:-}" ] || [ -x "$binaries/$program" ] || continue
        echo "$service $program $instances $database"
    done)
}

column() { awk -v n="$1" '{ print $n }' <<<"$topology"; }

# The port that stands for PORT of an instance: `port auth-1 50051`.
port() {
    local name port ours
    while read -r name port ours; do
        [ "$name $port" != "$1 $2" ] || { echo "$ours" && return 0; }
    done <<<"$ports"
}

give_port() {
    local name=$1 port=$2 wanted=${3:-}
    if [ -n "$wanted" ] && [ "${CLUSTER_PORTS:-}" != free ]; then
        ! answers "$wanted" || die "port $wanted of 127.0.0.1 is in use, and $name wants it (CLUSTER_PORTS=free takes free ones)"
    else
        wanted=$(free_port $ports)
    fi
    ports+="$name $port $wanted"$'\n'
}

give_ports() {
    local service program instances database i variable port
    ports=
    for service in postgres postgres-a postgres-b; do give_port "$service" 5432; done
    give_port redis 6379
    # RabbitMQ keeps its own ports.
    [ -z "$amqp" ] || ports+="rabbitmq 5672 $(sed 's|.*:\([0-9]*\)/.*|\1|' <<<"$amqp")"$'\n'
    give_port prometheus 9090 "$prometheus_port"
    while read -r service program instances database; do
        for i in $(seq "$instances"); do
            while IFS='=:' read -r variable _ port; do
                case "$variable" in
                GATEWAY_LISTEN) give_port "$service-$i" "$port" $((gateway_port + i - 1)) ;;
                *_LISTEN) give_port "$service-$i" "$port" ;;
                esac
            done <"$here/settings/$service.env"
        done
    done <<<"$topology"
}

# === settings ===

# A sed script: what stands in the settings of the containers as it is for an instance on this machine.
translation() {
    local name=$1 part port ours service k host lasts=''
    # Without a RabbitMQ the relay's packs pass within the process.
    if [ -n "$amqp" ]; then echo "s|^AMQP_URL=.*|AMQP_URL=$amqp|"; else echo '/^AMQP_URL=/d'; fi
    [ "${CLUSTER_TLS:-}" != off ] || echo '/^SERVICE_TLS_/d'
    echo "s|/run/secrets/ca\\.crt|$data/secrets/tls/ca.crt|; s|/run/secrets/tls\\.|$data/secrets/tls/${name%-*}.|"
    echo "s|/run/secrets/pgpass|$data/secrets/${name%-*}.pgpass|; s|/run/secrets|$data/secrets|; s|dns:///|http://|"
    while read -r part port ours; do
        service=${part%-*} k=${part##*-}
        [ "$service $port" != "gateway 8080" ] || for host in 127.0.0.1 localhost; do
            echo "s|//$host:$((8080 + k - 1))|//$host:$ours|g"
        done
        case "$part" in
        '') ;;
        "$name") echo "s|=0\\.0\\.0\\.0:$port\$|=127.0.0.1:$ours|" ;;
        rabbitmq) ;;
        postgres*) echo "s|@$part:$port/|@127.0.0.1:$ours/|g" ;;
        redis) echo "s|//redis:$port|//127.0.0.1:$ours|" ;;
        gateway-*) ;;
        *)
            echo "s|http://$service:$port|http://127.0.0.1:$ours,&|"
            lasts+="s|,http://$service:$port||;"
            ;;
        esac
    done <<<"$ports"
    echo "$lasts s|^\\([A-Z_]*\\)=\\(.*\\)|export \\1='\\2'|"
}

# The settings of an instance, one of so many, as lines for a shell.
settings() {
    local name=$1 instances=$2
    echo "export INSTANCE=$name"
    # They share this machine's cores, unless somebody wants it otherwise.
    printf 'export TOKIO_WORKER_THREADS=%q\n' "${TOKIO_WORKER_THREADS:-$(((cores + instances - 1) / instances))}"
    grep -E '^[A-Z_]+=' "$here/settings/${name%-*}.env" | sed -f <(translation "$name")
}

# start/NAME: starts a part in the foreground of whoever calls it, with its settings (on standard input); with
# arguments it runs the part's program with them instead.
write_start() {
    local name=$1 program=$2 serve=$3
    {
        echo '#!/usr/bin/env bash'
        cat
        echo "[ \$# = 0 ] || exec $program \"\$@\""
        echo "echo \$\$ >$(printf '%q' "$data/pids/$name")"
        echo "exec >>$(printf '%q' "$data/logs/$name.log") 2>&1 </dev/null"
        echo "exec $serve"
    } >"$data/start/$name"
    chmod 700 "$data/start/$name"
    names+=("$name")
}

write_services() {
    local service program instances database i
    while read -r service program instances database; do
        for i in $(seq "$instances"); do
            write_start "$service-$i" "$(printf '%q' "$binaries/$program")" "$(printf '%q serve' "$binaries/$program")" \
                < <(settings "$service-$i" "$instances")
        done
    done <<<"$topology"
}

# === servers ===

write_postgres() {
    local name folder=$data/postgres extra
    programs=$(postgres_programs)
    for name in postgresql.conf pg_hba.conf provision.sh standby.sh; do
        install -m 755 "$here/postgres/$name" "$folder/$name"
    done
    for name in replicator.pgpass postgres_password; do
        install -m 600 "$data/secrets/$name" "$folder/$name"
    done
    [ "$(id -u)" != 0 ] || chown -R "$owner" "$folder"
    for name in postgres postgres-a postgres-b; do
        extra=(-c "config_file=$folder/postgresql.conf" -c "hba_file=$folder/pg_hba.conf" -c listen_addresses=127.0.0.1
            -c "port=$(port "$name" 5432)" -c unix_socket_directories=)
        if [ "$name" = postgres ]; then
            extra=("$programs/postgres" -D "$folder/$name" "${extra[@]}")
        else
            extra=(env PATH="$programs:$PATH" PGDATA="$folder/$name" STANDBY="${name#postgres-}" PRIMARY_HOST=127.0.0.1
                PRIMARY_PORT="$(port postgres 5432)" PGPASSFILE="$folder/replicator.pgpass" "$folder/standby.sh" "${extra[@]}")
        fi
        write_start "$name" "$programs/psql -h 127.0.0.1 -p $(port "$name" 5432) -U postgres" \
            "$(as_user "$owner" "${extra[@]}")" <<<"export PGPASSFILE=$(printf '%q' "$data/secrets/postgres.pgpass")
cd /"
    done
}

start_postgres() {
    local locale=C.UTF-8
    [ "$(uname)" != Darwin ] || locale=en_US.UTF-8
    if [ ! -e "$data/postgres/postgres" ]; then
        rm -rf "$data/postgres/postgres.new"
        (cd / && eval "$(as_user "$owner" "$programs/initdb" -D "$data/postgres/postgres.new" -U postgres -A scram-sha-256 \
            --pwfile "$data/postgres/postgres_password" -E UTF8 --locale="$locale")") >"$data/logs/initdb.log" 2>&1 ||
            die "initdb failed: $(tail -1 "$data/logs/initdb.log")"
        mv "$data/postgres/postgres.new" "$data/postgres/postgres"
    fi
    start postgres
    wait_for postgres 60 postgres_answers postgres
    PATH=$programs:$PATH PGPASSFILE=$data/secrets/postgres.pgpass PGHOST=127.0.0.1 PGPORT=$(port postgres 5432) PGUSER=postgres \
        SECRETS=$data/secrets DATABASES=$(column 4 | grep -v '^-' | tr '\n' ' ') "$here/postgres/provision.sh"
    start postgres-a
    start postgres-b
    wait_for postgres-a 120 postgres_answers postgres-a
    wait_for postgres-b 120 postgres_answers postgres-b
}

postgres_answers() { "$programs/pg_isready" -q -h 127.0.0.1 -p "$(port "$1" 5432)"; }

write_redis() {
    write_start redis redis-cli "redis-server --bind 127.0.0.1 --port $(port redis 6379) --save '' --appendonly no --dir $(printf '%q' "$data/redis")" </dev/null
}

# Where somebody wants it. Root gets it installed; for anybody else the relay does without one that is not there.
find_rabbitmq() {
    amqp=
    column 1 | grep -qx activity || return 0
    [ "$(id -u)" != 0 ] || ensure rabbitmq
    if ! present rabbitmq; then
        say "no RabbitMQ ($(hint rabbitmq)): the relay's packs pass within each process"
        return 0
    fi
    amqp=$(scripts/rabbitmq.sh url "$data/rabbitmq")
}

# It takes eight seconds: meanwhile everything else starts.
start_rabbitmq() {
    [ -n "$amqp" ] || return 0
    printf '#!/bin/sh\nexec %s start %s\n' "$root/scripts/rabbitmq.sh" "$data/rabbitmq" >"$data/start/rabbitmq"
    chmod 700 "$data/start/rabbitmq"
    ln -sf ../rabbitmq/broker.pid "$data/pids/rabbitmq"
    names+=(rabbitmq)
    set -m
    "$data/start/rabbitmq" >"$data/logs/rabbitmq.log" 2>&1 </dev/null &
    rabbitmq_start=$!
    set +m
}

# The configuration of Compose's Prometheus, but for where its targets are.
write_prometheus() {
    local service program instances database i admin file=$data/prometheus/prometheus.yml
    {
        echo "global: {scrape_interval: ${CLUSTER_SCRAPE:-5s}, evaluation_interval: ${CLUSTER_SCRAPE:-5s}}"
        echo "rule_files: ['$root/grafana/prometheus/alerts.yml']"
        echo 'scrape_configs:'
        while read -r service program instances database; do
            echo "- job_name: $service"
            echo "  metric_relabel_configs: [{regex: exported_instance, action: labeldrop}]"
            echo '  static_configs:'
            for i in $(seq "$instances"); do
                admin=$(sed -n 's/^[A-Z]*_ADMIN_LISTEN=0\.0\.0\.0://p' "$here/settings/$service.env")
                echo "  - {targets: ['127.0.0.1:$(port "$service-$i" "$admin")'], labels: {instance: $service-$i}}"
            done
        done <<<"$topology"
    } >"$file"
    write_start prometheus promtool "prometheus --config.file=$(printf '%q' "$file") --storage.tsdb.path=$(printf '%q' "$data/prometheus/data") --web.listen-address=127.0.0.1:$(port prometheus 9090) --log.level=warn" </dev/null
}

# === running ===

# In the background, in a process group of its own: a Ctrl-C is for us, and we end the parts in order.
start() {
    set -m
    "$data/start/$1" &
    set +m
}

wait_for() {
    local name=$1 seconds=$2
    shift 2
    for _ in $(seq $((seconds * 10))); do
        "$@" >/dev/null 2>&1 && return 0
        # It has ended already.
        [ ! -s "$data/pids/$name" ] || kill -0 "$(cat "$data/pids/$name")" 2>/dev/null || break
        sleep 0.1
    done
    die "$name does not answer; see $data/logs/$name.log: $(tail -1 "$data/logs/$name.log")"
}

program_of() {
    case "$1" in
    postgres) echo postgres ;;
    # As long as it copies the primary it is a script.
    postgres-*) echo 'postgres|standby.sh' ;;
    redis) echo redis-server ;;
    rabbitmq) echo beam.smp ;;
    prometheus) echo prometheus ;;
    *) awk -v service="${1%-*}" '$1 == service { print $2 }' <<<"$topology" ;;
    esac
}

# Ends these parts all at once and waits for all of them.
end_parts() {
    local signal=$1 name pid waiting=()
    shift
    for name in "$@"; do
        if pid=$(recorded "$(program_of "$name")" "$data/pids/$name"); then
            end_process "$signal" "$pid" 12 &
            waiting+=($!)
        fi
        rm -f "$data/pids/$name"
    done
    [ "${#waiting[@]}" = 0 ] || wait "${waiting[@]}" 2>/dev/null || true
}

running() { ls "$data/pids" 2>/dev/null | grep -E "$1" || true; }

# Those that call before those that are called.
end_all() {
    end_parts TERM prometheus $(running '^gateway-[0-9]+$')
    end_parts TERM $(running '^[a-z]+-[0-9]+$')
    [ -z "${rabbitmq_start:-}" ] || kill "$rabbitmq_start" 2>/dev/null || true
    [ ! -d "$data/rabbitmq" ] || scripts/rabbitmq.sh stop "$data/rabbitmq" || true
    end_parts INT postgres-a postgres-b redis
    end_parts INT postgres
}

clean_up() {
    local code=$?
    trap '' INT TERM HUP
    trap - EXIT
    if [ -n "${names:-}" ]; then
        [ "${CLUSTER_UNTIL:-}" = eof ] || say "ending"
        end_all
        rm -f "$data/cluster.pid" "$data/cluster.json"
    fi
    exit "$code"
}

# What runs where, for programs. Written last and at once: whoever sees it may use the system.
write_json() {
    local name separator='' list=$data/cluster.json.new
    {
        printf '{\n  "data": "%s",\n  "gateways": [' "$data"
        for name in "${names[@]}"; do
            case "$name" in gateway-*) printf '%s"127.0.0.1:%s"' "$separator" "$(port "$name" 8080)" && separator=', ' ;; esac
        done
        printf '],\n  "prometheus": "127.0.0.1:%s",\n  "parts": {' "$(port prometheus 9090)"
        separator=''
        for name in "${names[@]}"; do
            printf '%s\n    "%s": {"program": "%s", "pid": %s, "ports": {%s}}' "$separator" "$name" "$(program_of "$name" | sed 's/|.*//')" \
                "$(cat "$data/pids/$name")" "$(awk -v name="$name" '$1 == name { printf "%s\"%s\": %s", sep, $2, $3; sep = ", " }' <<<"$ports")"
            separator=,
        done
        printf '\n  }\n}\n'
    } >"$list"
    mv "$list" "$data/cluster.json"
}

announce() {
    local name
    say "the cluster runs"
    {
        for name in "${names[@]}"; do
            case "$name" in gateway-*) echo "  everybody      http://127.0.0.1:$(port "$name" 8080)/docs" ;; esac
        done
        if have prometheus; then
            echo "  metrics        http://127.0.0.1:$(port prometheus 9090)/alerts"
            echo "  dashboards     grafana/dashboards/*.json: import them into a Grafana with this Prometheus"
        fi
        echo "  what runs      $data/cluster.json"
        echo "  kill a part    kill -9 \$(cat $data/pids/calendar-2)"
        echo "  start it again $data/start/calendar-2 &"
        echo "Ctrl-C ends all of it."
    } >&2
}

# Until a signal, or the end of standard input.
stay() {
    local reader=''
    if [ "${CLUSTER_UNTIL:-}" = eof ]; then
        cat <&0 >/dev/null &
        reader=$!
        wait "$reader" || true
        return 0
    fi
    while true; do
        sleep 3600 &
        wait $! || true
    done
}

ensure postgres redis openssl
read_topology
names=()
choose_folder
trap clean_up EXIT
trap 'exit 0' INT TERM HUP
build
read_topology
"$here/secrets.sh" "$data/secrets"
"$here/certs.sh" "$data/secrets/tls"
names=(none)
end_all # what a killed run left
names=()
find_rabbitmq
give_ports
write_postgres
write_redis
write_services
start redis
start_rabbitmq
start_postgres
wait_for redis 10 answers "$(port redis 6379)"
for name in "${names[@]}"; do
    case "$name" in postgres* | redis | rabbitmq) ;; *) start "$name" ;; esac
done
for name in "${names[@]}"; do
    case "$name" in postgres* | redis | rabbitmq) ;; *) wait_for "$name" 60 "$data/start/$name" healthcheck ;; esac
done
[ -z "$amqp" ] || wait_for rabbitmq 60 answers "$(port rabbitmq 5672)"
if have prometheus; then
    write_prometheus
    start prometheus
    wait_for prometheus 30 answers "$(port prometheus 9090)"
fi
write_json
announce
stay
