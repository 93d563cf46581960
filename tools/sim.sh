#!/bin/sh
# Runs the simulator's seeds in the release build, one process for each core.
# usage: tools/sim.sh [SEEDS] [FIRST]     a failing seed N is printed; tools/sim.sh 1 N replays it
set -eu
cd "$(dirname "$0")/.."
seeds=${1:-10000}
first=${2:-1}
program=build/release/tests/sim/sim_gateway
cores=$(nproc)
share=$(((seeds + cores - 1) / cores))
pids=
trap 'kill $pids 2>/dev/null || true' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

echo "sim: $seeds seeds from $first on"
while [ "$seeds" -gt 0 ]; do
    [ "$share" -le "$seeds" ] || share=$seeds
    "$program" "$share" "$first" &
    pids="$pids $!"
    first=$((first + share))
    seeds=$((seeds - share))
done
failed=0
for pid in $pids; do
    wait "$pid" || failed=1
done
pids=
exit $failed
