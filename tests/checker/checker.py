#!/usr/bin/python3
"""Runs the staleness checker (checker.c) against a gateway on a fresh file.

usage: checker.py [--operations N] [--rounds N] [--seed N] [--emphasis WORD]
                  [--consistency strict|bounded] [--hits PERCENT] [--set KEY=VALUE]... [--plant]
                  [--expect-violation] WEIR CHECKER OUTSIDER

Each round has its own file and the next seed. Fails when a read was stale, when the gateway
complains or does not end well, and when less than --hits % of the reads came from the cache: then
the run proves nothing. With --expect-violation the gateway has a fault: the check must see it, in
one of the rounds."""

import argparse
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))

# Where syncing a file costs nothing: commits follow each other more closely.
FOLDER = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
SETTINGS = ["cache.bound=400ms"]  # BOUND_NS in checker.c


def counted(metrics, name):
    """A metric's values by its labels, as they are written."""
    found = re.findall(rf"^{name}(?:{{([^}}]*)}})? (\S+)$", metrics, re.MULTILINE)
    return {labels: float(value) for labels, value in found}


def hit_percent(gateway):
    """The part of the reads that came from the cache; says why the others did not."""
    with urllib.request.urlopen(f"http://{gateway.admin}/metrics", timeout=20) as answer:
        metrics = answer.read().decode()
    hits = sum(counted(metrics, "weir_cache_hits_total").values())
    misses = counted(metrics, "weir_cache_misses_total")
    print("checker: misses:", ", ".join(
        f"{re.sub('.*reason=|[^a-z_]', '', labels)} {count:.0f}"
        for labels, count in sorted(misses.items(), key=lambda m: -m[1]) if count))
    total = hits + sum(misses.values())
    return 100 * hits / total if total else 0.0


def one_round(options, seed):
    """The checker's exit status, and the hit ratio in percent."""
    from support import Weir

    with tempfile.TemporaryDirectory(prefix="weir-checker-", dir=FOLDER) as name:
        directory = pathlib.Path(name)
        file = directory / "checked.db"
        subprocess.run([options.checker, "create", file], check=True, timeout=60)
        arguments = [f"sqlite:{file}"]
        for setting in [*SETTINGS, f"cache.consistency={options.consistency}", *options.set]:
            arguments += ["--set", setting]
        gateway = Weir(directory, arguments).start()
        try:
            done = subprocess.run(
                [options.checker, "run", file, str(gateway.port), options.outsider,
                 str(options.operations), str(seed), options.emphasis, options.consistency,
                 *options.plant], timeout=options.timeout)
            if not gateway.running():
                print(gateway.stderr()[-6000:])
                return 2, 0
            hits = hit_percent(gateway)
        finally:
            if gateway.running():
                gateway.stop()
        return done.returncode, hits


def parse():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--operations", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--emphasis", default="none")
    parser.add_argument("--hits", type=float, default=25)
    parser.add_argument("--timeout", type=float, default=1800)
    parser.add_argument("--consistency", choices=["strict", "bounded"], default="strict")
    parser.add_argument("--set", action="append", default=[])
    parser.add_argument("--plant", action="store_const", const=["plant"], default=[],
                        help="falsify one recorded read")
    parser.add_argument("--expect-violation", action="store_true")
    for name in ("weir", "checker", "outsider"):
        parser.add_argument(name, type=os.path.abspath)
    return parser.parse_args()


def main():
    options = parse()
    os.environ["WEIR_BINARY"] = options.weir
    for seed in range(options.seed, options.seed + options.rounds):
        began = time.monotonic()
        status, hits = one_round(options, seed)
        print(f"checker: seed {seed}: {hits:.1f} % of the reads were hits, "
              f"{time.monotonic() - began:.1f} s", flush=True)
        if status == 1 and options.expect_violation:
            print("checker: the fault was seen")
            return 0
        if status:
            return status
        if hits < options.hits and not options.expect_violation:
            print(f"checker: fewer hits than {options.hits} %: this proves nothing")
            return 1
    if options.expect_violation:
        print("checker: the fault was not seen")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
