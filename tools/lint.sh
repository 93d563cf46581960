#!/bin/sh
# Every lint, each to its end, so that one run shows everything: format, warnings (a release build),
# layers, purity and lengths, generated documents, cppcheck, clang-tidy.
# usage: tools/lint.sh
set -eu
cd "$(dirname "$0")/.."
failed=

step() {
    name=$1
    shift
    echo "lint: $name"
    "$@" || failed="$failed $name"
}

sources() {
    find src tests bench examples include -name '*.[ch]' 2>/dev/null | sort
}

format() {
    sources | xargs clang-format --dry-run -Werror
}

documents() {
    build/release/weir help configuration | diff -u docs/configuration.md - || {
        echo 'lint: build/release/weir help configuration > docs/configuration.md' >&2
        return 1
    }
}

static_analysis() {
    cppcheck --quiet --error-exitcode=1 --std=c11 --enable=warning,performance,portability \
        --inline-suppr -D_GNU_SOURCE -DWEIR_VERSION='""' -Isrc src
}

tidy() {
    find src -name '*.c' | sort | xargs -n 4 -P "$(nproc)" clang-tidy -p build/release --quiet
}

step format format
step build tools/build.sh release
step layers /usr/bin/python3 tools/layers.py build/release
step documents documents
step cppcheck static_analysis
if [ -e .clang-tidy ]; then
    step clang-tidy tidy
fi
[ -z "$failed" ] || {
    echo "lint: failed:$failed" >&2
    exit 1
}
echo 'lint: clean'
