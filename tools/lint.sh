#!/bin/sh
# Every lint, each to its end, so that one run shows everything. With names: only those.
# usage: tools/lint.sh [NAME]...     NAMES: format lengths layers docs selftest build purity
#                                    declared configuration cppcheck clang-tidy
# WEIR_LINT_ROOT: another tree to look at (tools/test_lints.py makes bad ones).
set -eu
tools=$(cd "$(dirname "$0")" && pwd)
cd "${WEIR_LINT_ROOT:-$tools/..}"
python=/usr/bin/python3
build=build/release
failed=

format() {
    sources=$(for folder in src include tests bench examples; do
        [ ! -d "$folder" ] || find "$folder" -name '*.[ch]'
    done)
    clang-format --style=file:"$tools/../.clang-format" --dry-run -Werror $sources || {
        echo 'format: clang-format -i on these files puts it right' >&2
        return 1
    }
}

configuration() {
    "$build/weir" help configuration | diff -u docs/configuration.md - || {
        echo "configuration: $build/weir help configuration > docs/configuration.md" >&2
        return 1
    }
}

# Where it stumbles over the language: __VA_OPT__ is newer than cppcheck 2.10.
static_analysis() {
    cppcheck --quiet --error-exitcode=1 --std=c11 --enable=warning,performance,portability \
        -j "$(nproc)" --inline-suppr -D_GNU_SOURCE '-DWEIR_VERSION=""' \
        '-D__VA_OPT__(...)=' -Isrc -Iinclude src
}

run() {
    case $1 in
    format) format ;;
    lengths) $python "$tools/lengths.py" "$PWD" ;;
    layers) $python "$tools/layers.py" "$PWD" ;;
    declared) $python "$tools/declared.py" "$PWD" ;;
    docs) $python "$tools/docs_names.py" "$PWD" ;;
    selftest) $python -m pytest -q -p no:cacheprovider "$tools/test_lints.py" \
        "$tools/test_summary.py" ;;
    build) "$tools/build.sh" release src/cli/weir libweir benches ;; # warnings are errors; make
                                                                     # test has those of the tests
    purity) $python "$tools/purity.py" "$build" ;;
    configuration) configuration ;;
    cppcheck) static_analysis ;;
    clang-tidy) $python "$tools/tidy.py" "$build" "$PWD" ;;
    *)
        echo "lint: no lint is called $1" >&2
        return 2
        ;;
    esac
}

[ $# -gt 0 ] || set -- format lengths layers declared docs build purity configuration cppcheck \
    clang-tidy selftest
for name; do
    echo "lint: $name"
    run "$name" || failed="$failed $name"
done
[ -z "$failed" ] || {
    echo "lint: failed:$failed" >&2
    exit 1
}
echo 'lint: clean'
