#!/bin/sh
# Runs the fuzz targets of build/asan in turn, with new seeds, for TIME seconds in all.
# usage: TIME=60 tools/fuzz.sh
set -eu
cd "$(dirname "$0")/.."
end=$(($(date +%s) + ${TIME:-60}))
seed=$(date +%s)
while [ "$(date +%s)" -lt "$end" ]; do
    for target in build/asan/tests/fuzz/fuzz_*; do
        [ -f "$target" ] && [ -x "$target" ] || continue
        seed=$((seed + 1))
        corpus=tests/fuzz/corpus/${target##*/fuzz_}
        [ -d "$corpus" ] || corpus=
        # A crash names the input itself; the seed repeats the whole run.
        "$target" -n 100000 -s "$seed" $corpus || {
            echo "fuzz: $target -n 100000 -s $seed $corpus failed" >&2
            exit 1
        }
        [ "$(date +%s)" -lt "$end" ] || break
    done
done
