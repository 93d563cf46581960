#!/bin/sh
# Runs every test from nothing and ends with the line `N passed, N failed, N skipped`.
# usage: tools/test.sh    (make test installs what it needs first)
#
# Unit, property, fuzz and simulation tests are Meson's, built with the address and
# undefined-behaviour sanitizers; the end-to-end tests are pytest's and get the programs by
# WEIR_BINARY (sanitized) and WEIR_RELEASE_BINARY. Each starts and stops its own servers.
set -eu
cd "$(dirname "$0")/.."
root=$PWD
python=/usr/bin/python3
results=build/test-results
rm -rf "$results"
mkdir -p "$results"

tools/build.sh asan
tools/build.sh release

export UBSAN_OPTIONS="${UBSAN_OPTIONS:-print_stacktrace=1:halt_on_error=1}"
for suite in unit property fuzz sim; do
    echo "test: $suite"
    rm -f "build/asan/meson-logs/$suite.json"
    ran=yes
    meson test -C build/asan --no-rebuild --suite "$suite" --print-errorlogs --logbase "$suite" ||
        ran=no
    # A suite that could not even begin has no log, which is a failure too.
    cp "build/asan/meson-logs/$suite.json" "$results/" 2>/dev/null || [ "$ran" = yes ] ||
        echo "{\"name\": \"$suite\", \"result\": \"ERROR\"}" >"$results/$suite.json"
done

if [ -d tests/e2e ]; then
    echo 'test: e2e'
    ran=yes
    WEIR_BINARY=$root/build/asan/weir WEIR_RELEASE_BINARY=$root/build/release/weir \
        $python -m pytest -q -rs -p no:cacheprovider --junit-xml="$root/$results/e2e.xml" tests/e2e ||
        ran=$?
    # 5: there are none. A run without a report is a failure of its own.
    [ "$ran" = yes ] || [ "$ran" = 5 ] || [ -e "$results/e2e.xml" ] ||
        echo '{"name": "e2e", "result": "ERROR"}' >"$results/e2e.json"
fi

exec $python tools/test_summary.py "$results"
