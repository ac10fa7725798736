#!/usr/bin/env bash
# scripts/rabbitmq.sh start|stop|kill|url FOLDER: a private RabbitMQ whose data, log and pid files are in FOLDER.
#   start  starts it (about 8 s) and waits until it answers; does nothing when it runs.
#   stop   ends it and its epmd, by their pids.    kill  SIGKILL to the broker alone, as a crash.
#   url    prints its address, which is final from then on.
# Broker, Erlang distribution and epmd listen on loopback alone.
set -euo pipefail
. "$(dirname "$0")/say.sh"
. "$root/scripts/packages.sh"
. "$root/scripts/processes.sh"
[ $# = 2 ] || die "usage: scripts/rabbitmq.sh start|stop|kill|url FOLDER"
mkdir -p "$2"
folder=$(cd "$2" && pwd)

# Three ports: clients find the broker again after a restart.
ports() {
    if [ ! -s "$folder/ports" ]; then
        port=$(free_port)
        distribution=$(free_port "$port")
        epmd_port=$(free_port "$port" "$distribution")
        keep_ports "$port" "$distribution" "$epmd_port"
    fi
    read -r port distribution epmd_port <"$folder/ports"
}

# In one step, for who reads them meanwhile.
keep_ports() {
    echo "$@" >"$folder/ports.$$"
    mv "$folder/ports.$$" "$folder/ports"
}

# Its process, of Erlang's virtual machine.
broker() { recorded beam.smp "$folder/broker.pid"; }

# Before a start: others may have taken what was free when it was chosen. The broker's own port stays from when
# somebody was told of it.
fresh_ports() {
    if answers "$port"; then
        [ ! -e "$folder/told" ] || die "another program took port $port, where clients look for RabbitMQ"
        port=$(free_port "$distribution" "$epmd_port")
    fi
    ! answers "$distribution" || distribution=$(free_port "$port" "$epmd_port")
    recorded epmd "$folder/epmd.pid" >/dev/null || ! answers "$epmd_port" || epmd_port=$(free_port "$port" "$distribution")
    keep_ports "$port" "$distribution" "$epmd_port"
}

# Of its own, so that its pid is known: the one that Erlang starts by itself stays behind as a daemon.
start_epmd() {
    recorded epmd "$folder/epmd.pid" >/dev/null && return
    epmd -address 127.0.0.1 -port "$epmd_port" >"$folder/epmd.log" 2>&1 </dev/null 9>&- &
    echo $! >"$folder/epmd.pid"
    for _ in $(seq 50); do
        answers "$epmd_port" && return
        sleep 0.1
    done
    die "epmd does not start: $(tail -1 "$folder/epmd.log")"
}

# The server's own pid, of Erlang's virtual machine: the start script replaces itself with it.
start_broker() {
    cat >"$folder/rabbitmq.conf" <<CONF
listeners.tcp.1 = 127.0.0.1:$port
vm_memory_high_watermark.absolute = 512MB
disk_free_limit.absolute = 64MB
log.file = $folder/log
CONF
    local at_home=(HOME="$folder" RABBITMQ_NODENAME="private$port@localhost" RABBITMQ_MNESIA_BASE="$folder/data"
        RABBITMQ_LOG_BASE="$folder" RABBITMQ_ENABLED_PLUGINS_FILE="$folder/plugins" RABBITMQ_CONF_ENV_FILE=/dev/null
        RABBITMQ_CONFIG_FILE="$folder/rabbitmq.conf" RABBITMQ_DIST_PORT="$distribution" RABBITMQ_PID_FILE="$folder/broker.pid"
        ERL_EPMD_ADDRESS=127.0.0.1 ERL_EPMD_PORT="$epmd_port"
        RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS='-kernel inet_dist_use_interface {127,0,0,1}')
    echo '[].' >"$folder/plugins"
    env "${at_home[@]}" setsid "$(rabbitmq_programs)/rabbitmq-server" >"$folder/output" 2>&1 </dev/null 9>&- &
    for _ in $(seq 600); do
        if broker >/dev/null && answers "$port"; then return; fi
        sleep 0.1
    done
    die "RabbitMQ does not start: $(tail -3 "$folder/output")"
}

case "$1" in
url)
    touch "$folder/told"
    ports
    echo "amqp://guest:guest@127.0.0.1:$port/%2f"
    ;;
start)
    ensure rabbitmq
    # Two tests that want it at once start one.
    exec 9>"$folder/lock"
    flock 9
    ports
    if broker >/dev/null && answers "$port"; then exit 0; fi
    fresh_ports
    start_epmd
    start_broker
    ;;
kill)
    if pid=$(broker); then end_process KILL "$pid" 10; fi
    ;;
stop)
    if pid=$(broker); then end_process TERM "$pid" 10; fi
    if pid=$(recorded epmd "$folder/epmd.pid"); then end_process TERM "$pid" 10; fi
    ;;
*) die "usage: scripts/rabbitmq.sh start|stop|kill|url FOLDER" ;;
esac
