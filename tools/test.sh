#!/bin/sh
# Runs every test from nothing and ends with the line `N passed, N failed, N skipped`.
# usage: [SANITIZE=address|thread] tools/test.sh     (make test installs what it needs first)
#
# Unit, property, fuzz and simulation tests are Meson's and run in a sanitized build. Beside all
# else (`tools/test.sh beside`), those that use threads run under the thread sanitizer too, and
# $WEIR_SIM_SEEDS seeds of the simulator in the release build. The end-to-end tests are pytest's and
# get the programs by WEIR_BINARY (sanitized) and WEIR_RELEASE_BINARY; they wait more than they
# work, so $WEIR_TEST_PROCESSES files of them run at a time. Each starts and stops its own servers,
# on ports that are free. A few that failed run once more when all else is done: one that passes
# then is counted as passed and named as unsteady. (Their clocks are real, and machines are shared.
# Nothing else has a second try: a checker's violation, a failing property, a sanitizer's report.)
set -eu
cd "$(dirname "$0")/.."
root=$PWD
python=/usr/bin/python3
results=build/test-results
case ${SANITIZE:-address} in
address) sanitized=asan ;;
thread) sanitized=tsan ;;
*)
    echo "test: SANITIZE=$SANITIZE: address or thread" >&2
    exit 2
    ;;
esac
export UBSAN_OPTIONS="${UBSAN_OPTIONS:-print_stacktrace=1:halt_on_error=1}"
export TSAN_OPTIONS="${TSAN_OPTIONS:-second_deadlock_stack=1}"

begun=$(date +%s)
say() {
    echo "test: $1 ($(($(date +%s) - begun)) s)"
}

# note NAME RESULT: a result that neither Meson nor pytest writes down.
note() {
    echo "{\"name\": \"$1\", \"result\": \"$2\"}" >>"$results/script.json"
}

# meson_tests DIRECTORY ARGUMENT...     A test's limit is for an idle machine; this one may be busy.
meson_tests() {
    directory=$1
    shift
    log=build/$directory/meson-logs/results
    rm -f "$log.json"
    # A run that could not even begin has no log, which is a failure too.
    meson test -C "build/$directory" --no-rebuild --print-errorlogs --logbase results \
        --timeout-multiplier 5 "$@" || true
    cp "$log.json" "$results/$directory.json" 2>/dev/null || note "$directory" ERROR
}

# What needs processor time alone and not the machine's attention: it takes what the others leave.
beside() {
    if [ $sanitized = asan ]; then
        say 'tests with threads in build/tsan'
        tools/build.sh tsan tests/unit/base/test_base_epoch tests/unit/net/test_net_threads \
            tests/unit/pool/test_pool_threads tests/unit/sql/test_sql_template \
            tests/unit/cache/test_cache_store_threads tests/unit/cache/test_changes_threads \
            tests/unit/cache/test_flight_threads tests/unit/backend/test_backend_sqlite_follow
        meson_tests tsan base_epoch net_threads pool_threads sql_template cache_store_threads \
            cache_changes_threads cache_flight_threads backend_sqlite_follow
    fi
    say 'the simulator in build/release'
    if tools/sim.sh "${WEIR_SIM_SEEDS:-10000}"; then
        note sim_seeds OK
    else
        note sim_seeds FAIL
    fi
    say 'done'
}

if [ "${1:-}" = beside ]; then
    beside
    exit
fi

rm -rf "$results"
mkdir -p "$results"
say "building build/$sanitized and build/release"
tools/build.sh $sanitized
tools/build.sh release src/cli/weir tests/sim/sim_gateway

tools/beside.py tools/test.sh beside >"$results/beside.log" 2>&1 &
beside=$!
trap 'kill -- -$beside 2>/dev/null || true' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

say "unit, property, fuzz and simulation tests and the checkers in build/$sanitized"
meson_tests $sanitized --suite unit --suite property --suite fuzz --suite sim --suite checker

# end_to_end NAME ARGUMENT...
end_to_end() {
    name=$1
    shift
    WEIR_BINARY=$root/build/$sanitized/weir WEIR_RELEASE_BINARY=$root/build/release/weir \
        $python -m pytest -o cache_dir="$root/$results/pytest" \
        --junit-xml="$root/$results/$name.xml" "$@" tests/e2e
}

say 'end-to-end tests'
ran=0
end_to_end e2e -n "${WEIR_TEST_PROCESSES:-4}" --dist loadfile || ran=$?
[ -e "$results/e2e.xml" ] || note "e2e (pytest exited with $ran)" ERROR

say 'waiting for what ran beside'
wait "$beside" || note beside ERROR
trap - EXIT
cat "$results/beside.log"

failed=$(grep -o '<failure\|<error' "$results/e2e.xml" 2>/dev/null | wc -l)
if [ "$failed" -gt 0 ] && [ "$failed" -le 5 ]; then
    say "once more, alone: $failed end-to-end tests"
    end_to_end e2e-again -v --last-failed || true
fi
say 'done'
exec $python tools/summary.py "$results"
