#!/bin/sh
# Configures and builds one of Meson's build directories, or the named targets of it.
# usage: tools/build.sh release|asan|tsan [TARGET]...
#
# build/release/weir, build/asan/weir and build/tsan/weir are links to where Meson puts the program.
set -eu
cd "$(dirname "$0")/.."
what=${1:-release}
[ $# -eq 0 ] || shift
# Sanitized builds are compiled as often as they are run: -O1 -g1 takes half of -O2 -g's time.
quick='--buildtype=custom -Doptimization=1 -Ddebug=false -Dc_args=-g1'
case $what in
release) options='--buildtype=release' ;;
asan) options="$quick -Db_sanitize=address,undefined" ;;
tsan) options="$quick -Db_sanitize=thread" ;;
*)
    echo "usage: $0 release|asan|tsan [TARGET]..." >&2
    exit 2
    ;;
esac

mkdir -p build
exec 9>"build/$what.lock" # the lints and the tests may run at the same time
flock 9
if [ ! -e "build/$what/build.ninja" ]; then
    echo "build: configuring build/$what"
    if ! meson setup "build/$what" $options >"build/$what.log" 2>&1; then
        cat "build/$what.log" >&2
        echo 'build: meson setup failed; tools/install-deps.sh build installs what is needed' >&2
        exit 1
    fi
    rm -f "build/$what.log"
fi
echo "build: building build/$what"
ninja --quiet -C "build/$what" ${JOBS:+-j "$JOBS"} "$@" || {
    echo "build: failed, see above; JOBS=1 tools/build.sh $what says it again in order" >&2
    exit 1
}
[ ! -e "build/$what/src/cli/weir" ] || ln -sf src/cli/weir "build/$what/weir"
