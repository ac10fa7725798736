# Sourced by scripts that run servers of their own: ports, users, ends.
# (`return 0` in full: in an EXIT trap a bare `return` gives the status of before the trap.)

# A port of 127.0.0.1 on which nobody listens; not one of the arguments.
free_port() {
    local port
    for _ in $(seq 200); do
        port=$((20000 + (RANDOM * 32768 + RANDOM) % 12000))
        if [[ " $* " != *" $port "* ]] && ! answers "$port"; then
            echo "$port"
            return 0
        fi
    done
    die "no free port on 127.0.0.1"
}

answers() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# Tells a process to end with a signal, waits so many seconds, and then does not ask any more.
end_process() {
    local signal=$1 pid=$2 seconds=$3
    kill "-$signal" "$pid" 2>/dev/null || return 0
    for _ in $(seq $((seconds * 10))); do
        kill -0 "$pid" 2>/dev/null || return 0
        sleep 0.1
    done
    kill -KILL "$pid" 2>/dev/null || true
}

# The process of a pid file, when it still is one of these programs (`a|b`): its id may have been given to somebody
# else since.
recorded() {
    local programs=$1 pid name program
    [ -s "$2" ] && pid=$(head -1 "$2") && [ -n "$pid" ] || return 1
    name=$(ps -o comm= -p "$pid" 2>/dev/null) || return 1
    # Linux cuts the name after 15 characters; macOS gives the path.
    name=${name##*/}
    for program in ${programs//|/ }; do
        [ "${name:0:15}" != "${program:0:15}" ] || { echo "$pid" && return 0; }
    done
    return 1
}

# PostgreSQL refuses to run as root: who owns a server's files.
server_owner() {
    if [ "$(id -u)" != 0 ]; then
        id -un
    elif id postgres >/dev/null 2>&1; then
        echo postgres
    else
        echo nobody
    fi
}

# The command as that user, printed for a shell: `exec` keeps the process id.
as_user() {
    local user=$1
    shift
    if [ "$(id -u)" != 0 ] || [ "$user" = root ]; then
        printf '%q ' "$@"
    elif have setpriv; then
        printf '%q ' setpriv --reuid="$user" --regid="$(id -g "$user")" --clear-groups -- "$@"
    else
        printf '%q ' su -s /bin/sh "$user" -c "exec $(printf '%q ' "$@")"
    fi
}
