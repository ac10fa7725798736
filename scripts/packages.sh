# Sourced by the other scripts: finding programs, and installing them through the distribution.
#
# `ensure THING` returns at once when the thing is there. Else, as root on a distribution we know, it installs
# the package; otherwise it ends with one line that says what to install. No service that comes with a package
# is started or left enabled: what we run, we run privately.

# thing -> package, for each package manager.
package() {
    case "$1:$2" in
    apt-get:postgres) echo postgresql ;;
    *:openssl) echo openssl ;;
    *:valgrind) echo valgrind ;;
    apt-get:redis) echo redis-server ;;
    apt-get:rabbitmq) echo rabbitmq-server ;;
    apt-get:prometheus) echo prometheus ;;
    apt-get:node) echo nodejs npm ;;
    apt-get:python) echo python3 python3-venv ;;
    apt-get:faketime) echo faketime ;;
    apt-get:compiler) echo build-essential ;;
    dnf:postgres) echo postgresql-server ;;
    dnf:redis) echo redis ;;
    dnf:rabbitmq) echo rabbitmq-server ;;
    dnf:prometheus) echo golang-github-prometheus ;;
    dnf:node) echo nodejs npm ;;
    dnf:python) echo python3 ;;
    dnf:faketime) echo libfaketime ;;
    dnf:compiler) echo gcc ;;
    apk:postgres) echo postgresql ;;
    apk:redis) echo redis ;;
    apk:rabbitmq) echo rabbitmq-server ;;
    apk:prometheus) echo prometheus ;;
    apk:node) echo nodejs npm ;;
    apk:python) echo python3 ;;
    apk:faketime) echo libfaketime ;;
    apk:compiler) echo build-base ;;
    pacman:postgres) echo postgresql ;;
    pacman:redis) echo redis ;;
    pacman:rabbitmq) echo rabbitmq ;;
    pacman:prometheus) echo prometheus ;;
    pacman:node) echo nodejs npm ;;
    pacman:python) echo python ;;
    pacman:faketime) echo libfaketime ;;
    pacman:compiler) echo gcc ;;
    brew:postgres) echo postgresql@17 ;;
    brew:redis) echo redis ;;
    brew:rabbitmq) echo rabbitmq ;;
    brew:prometheus) echo prometheus ;;
    brew:node) echo node ;;
    brew:python) echo python ;;
    brew:faketime) echo libfaketime ;;
    brew:compiler) echo gcc ;;
    esac
}

package_manager() {
    local candidate
    for candidate in apt-get dnf apk pacman brew; do
        have "$candidate" && echo "$candidate" && return
    done
}

# The command a person would type to install a thing.
hint() {
    local manager
    manager=$(package_manager)
    case "$manager" in
    apt-get | dnf) echo "run \`$manager install $(package "$manager" "$1")\` as root" ;;
    apk) echo "run \`apk add $(package apk "$1")\` as root" ;;
    pacman) echo "run \`pacman -S $(package pacman "$1")\` as root" ;;
    brew) echo "run \`brew install $(package brew "$1")\`" ;;
    *) echo "install $1" ;;
    esac
}

present() {
    case "$1" in
    postgres) [ -n "$(postgres_programs)" ] ;;
    redis) have redis-server ;;
    openssl) have openssl ;;
    valgrind) have valgrind && have callgrind_control ;;
    rabbitmq) [ -n "$(rabbitmq_programs)" ] ;;
    prometheus) have prometheus && have promtool ;;
    node) have node && have npm ;;
    python) have python3 && python3 -c 'import venv, ensurepip' 2>/dev/null ;;
    faketime) have faketime ;;
    compiler) have cc || have gcc || have clang ;;
    esac
}

ensure() {
    local thing manager
    for thing in "$@"; do
        present "$thing" && continue
        manager=$(package_manager)
        if [ "$(id -u)" != 0 ] || [ -z "$manager" ] || [ "$manager" = brew ]; then
            die "$thing is not installed: $(hint "$thing")"
        fi
        say "installing $thing: $(package "$manager" "$thing")"
        # shellcheck disable=SC2046 # a thing may be several packages
        install_with "$manager" $(package "$manager" "$thing") >&2 || die "cannot install $thing: $(hint "$thing")"
        present "$thing" || die "$thing is installed but its programs are not found"
    done
}

install_with() {
    local manager=$1
    shift
    case "$manager" in
    apt-get) install_with_apt "$@" ;;
    dnf) dnf install -y "$@" ;;
    apk) apk add --no-cache "$@" ;;
    pacman) pacman -Sy --noconfirm --needed "$@" ;;
    esac
}

# Debian's packages start their services, and PostgreSQL's makes a cluster on port 5432. Two files that exist
# only during the installation forbid both.
install_with_apt() (
    policy=/usr/sbin/policy-rc.d
    cluster=/etc/postgresql-common/createcluster.d/shared-calendar-build.conf
    made=()
    trap 'rm -f "${made[@]}"' EXIT
    if [ ! -e "$policy" ]; then
        printf '#!/bin/sh\nexit 101\n' >"$policy"
        chmod 755 "$policy"
        made+=("$policy")
    fi
    if [ ! -e /etc/postgresql-common ]; then
        made+=("$cluster")
        mkdir -p "$(dirname "$cluster")"
        echo 'create_main_cluster = false' >"$cluster"
    fi
    export DEBIAN_FRONTEND=noninteractive
    # A bare image has no package lists at all.
    apt-get install -y --no-install-recommends "$@" ||
        { apt-get update && apt-get install -y --no-install-recommends "$@"; } || exit 1
    for service in redis-server rabbitmq-server prometheus; do
        if printf '%s\n' "$@" | grep -qx "$service" && have systemctl; then
            systemctl disable "$service" >/dev/null 2>&1 || true
        fi
    done
)

# The folder with initdb and postgres of the newest version, or nothing. Distributions keep them off PATH.
postgres_programs() {
    local folder version best='' newest=0
    for folder in ${POSTGRES_BIN_DIR:+"$POSTGRES_BIN_DIR"} /usr/lib/postgresql/*/bin /usr/libexec/postgresql* \
        /usr/pgsql-*/bin /usr/lib64/pgsql/bin /opt/homebrew/opt/postgresql@*/bin /usr/local/opt/postgresql@*/bin \
        "$(dirname "$(command -v postgres || echo /nowhere/x)")" /usr/bin; do
        [ -x "$folder/initdb" ] && [ -x "$folder/postgres" ] || continue
        version=$("$folder/postgres" --version 2>/dev/null | awk '{print int($3)}')
        [ "${version:-0}" -gt "$newest" ] && newest=$version best=$folder
    done
    [ "$newest" -ge 15 ] && echo "$best"
    return 0
}

# The folder with rabbitmq-server, or nothing. Not the wrappers on PATH: those of Debian want root.
rabbitmq_programs() {
    local folder
    for folder in ${RABBITMQ_BIN_DIR:+"$RABBITMQ_BIN_DIR"} /usr/lib/rabbitmq/bin /usr/lib/rabbitmq/lib/*/sbin \
        /opt/homebrew/opt/rabbitmq/sbin /usr/local/opt/rabbitmq/sbin; do
        if [ -x "$folder/rabbitmq-server" ]; then
            echo "$folder"
            return 0
        fi
    done
}
