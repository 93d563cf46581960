#!/bin/sh
# Installs what building, testing, linting or benchmarking needs, from Debian's packages alone.
# usage: tools/install-deps.sh [build|test|lint|bench|interop]...   (default: build)
#
# Silent and quick when all is there. Starts no service: while packages are being installed,
# policy-rc.d forbids it, and PostgreSQL is told to make no cluster of its own.
set -eu

# With libcmocka-dev, because Meson's files declare the tests beside the rest.
build='gcc libc6-dev meson ninja-build pkg-config libpg-query-dev libprotobuf-c-dev libsqlite3-dev
  libssl-dev libxxhash-dev libzstd-dev libjansson-dev libyaml-dev libmicrohttpd-dev
  libcurl4-openssl-dev libpq-dev libcmocka-dev python3'
test='python3-pytest python3-pytest-xdist python3-hypothesis python3-psycopg python3-psycopg2
  python3-asyncpg python3-sqlalchemy python3-django postgresql postgresql-client
  postgresql-contrib redis-server valgrind libpostgresql-jdbc-java golang-go
  golang-github-jackc-pgx-v4-dev tzdata'
lint='clang-format clang-tidy cppcheck'
bench='pgbouncer pgpool2 gnuplot-nox linux-perf postgresql postgresql-contrib redis-server'
# postgresql-server-dev-15: PostgreSQL's regression tests compile a library of their own.
interop='dpkg-dev python3-venv postgresql-server-dev-15'
# Only where the command is missing: a newer one than Debian's may be installed by other means.
test_commands='node:nodejs javac:default-jdk-headless'
interop_commands='go:golang-go node:nodejs npm:npm mvn:maven javac:default-jdk-headless'
# Scripts, which any node runs. They are unpacked into build/debian-node and not installed, because
# apt has them beside Debian's own nodejs only, whose place another one may hold.
node_scripts='node-pg node-readable-stream node-split2 node-xtend node-inherits
  node-util-deprecate node-string-decoder node-safe-buffer'

policy=/usr/sbin/policy-rc.d
cluster=/etc/postgresql-common/createcluster.conf
saved=

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        echo "install-deps: needs root: run as root, install sudo, or apt-get install$missing" >&2
        exit 1
    fi
}

# Prints those of its arguments that are not installed, each behind a space.
not_installed() {
    have=" $(dpkg-query -W -f '${Package}/${db:Status-Status} ' "$@" 2>/dev/null || true)"
    for package; do
        case $have in
        *" $package/installed "*) ;;
        *) printf ' %s' "$package" ;;
        esac
    done
}

restore_policy() {
    [ -n "$saved" ] || return 0
    if [ "$saved" = absent ]; then
        as_root rm -f "$policy"
    else
        as_root mv -f "$saved" "$policy"
    fi
    saved=
}

forbid_services() {
    if [ -e "$policy" ] || [ -L "$policy" ]; then
        as_root mv -f "$policy" "$policy.before-weir"
        saved=$policy.before-weir
    else
        saved=absent
    fi
    printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null
    as_root chmod 755 "$policy"
}

# A cluster would be created, though not started, and be started at the next boot.
forbid_cluster() {
    case "$missing " in
    *' postgresql '*) ;;
    *) return 0 ;;
    esac
    if [ ! -e "$cluster" ] && [ -z "$(not_installed postgresql-common)" ]; then
        return 0 # somebody removed the file on purpose
    fi
    [ ! -e "$cluster" ] || return 0
    as_root mkdir -p "${cluster%/*}"
    echo 'create_main_cluster = false' | as_root tee "$cluster" >/dev/null
    echo "install-deps: wrote $cluster (no PostgreSQL cluster is created)"
}

# Into a directory that has its name when it is whole. Without network the test of it skips itself.
unpack_node_scripts() (
    build=$(cd "$(dirname "$0")/.." && pwd)/build
    [ ! -d "$build/debian-node" ] || return 0
    echo 'install-deps: unpacking node-pg'
    rm -rf "$build/debian-node.new"
    mkdir -p "$build/debian-node.new/packages"
    cd "$build/debian-node.new/packages"
    apt-get download -qq -o APT::Sandbox::User=root $node_scripts || return 0
    for package in *.deb; do
        dpkg-deb -x "$package" ..
    done
    mv "$build/debian-node.new" "$build/debian-node"
)

# The packages of those commands ("command:package") that are missing.
commands_missing() {
    for pair; do
        command -v "${pair%%:*}" >/dev/null || printf ' %s' "${pair#*:}"
    done
}

wanted=
unpack=:
for set in "${@:-build}"; do
    case $set in
    build) wanted="$wanted $build" ;;
    test)
        wanted="$wanted $test$(commands_missing $test_commands)"
        unpack=unpack_node_scripts
        ;;
    lint) wanted="$wanted $lint" ;;
    bench) wanted="$wanted $bench" ;;
    interop) wanted="$wanted $interop$(commands_missing $interop_commands)" ;;
    *)
        echo "usage: $0 [build|test|lint|bench|interop]..." >&2
        exit 2
        ;;
    esac
done

if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
    echo "install-deps: this is no Debian: install the equivalents of:" $wanted >&2
    exit 1
fi
missing=$(not_installed $wanted)
if [ -z "$missing" ]; then
    $unpack
    exit 0
fi

echo "install-deps: installing$missing"
trap restore_policy EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
forbid_services
forbid_cluster
if ! as_root apt-get update -qq ||
    ! as_root env DEBIAN_FRONTEND=noninteractive UCF_FORCE_CONFFOLD=1 apt-get install -y -qq \
        --no-install-recommends -o Dpkg::Options::=--force-confdef \
        -o Dpkg::Options::=--force-confold $missing; then
    echo "install-deps: apt-get failed, see above; to try by hand: apt-get install$missing" >&2
    exit 1
fi
$unpack
echo 'install-deps: done'
