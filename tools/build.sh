#!/bin/sh
# Configures and builds one of Meson's build directories.
# usage: tools/build.sh release|asan|tsan|install [PREFIX]
#
# build/release/weir and build/asan/weir are links to where Meson puts the program.
set -eu
cd "$(dirname "$0")/.."
what=${1:-release}

configure() {
    dir=$1
    shift
    [ -e "$dir/build.ninja" ] && return 0
    echo "build: configuring $dir"
    if ! meson setup "$dir" "$@" >"$dir.log" 2>&1; then
        cat "$dir.log" >&2
        echo "build: meson setup failed; tools/install-deps.sh build installs what is needed" >&2
        exit 1
    fi
    rm -f "$dir.log"
}

mkdir -p build
case $what in
release) configure build/release --buildtype=release ;;
asan) configure build/asan --buildtype=debugoptimized -Db_sanitize=address,undefined ;;
tsan) configure build/tsan --buildtype=debugoptimized -Db_sanitize=thread ;;
install)
    configure build/install --buildtype=release --prefix="${2:-/usr/local}"
    meson configure build/install --prefix="${2:-/usr/local}"
    ;;
*)
    echo "usage: $0 release|asan|tsan|install [PREFIX]" >&2
    exit 2
    ;;
esac
ninja -C "build/$what" ${JOBS:+-j "$JOBS"}
[ ! -e "build/$what/src/cli/weir" ] || ln -sf src/cli/weir "build/$what/weir"
[ "$what" != install ] || meson install -C build/install --no-rebuild
