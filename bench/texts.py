#!/usr/bin/python3
"""Instructions that one statement on the embedded database costs, by callgrind: of a text that is
new, one that comes again, and a prepared one. See "What a new text costs" in bench/README.md.

usage: bench/texts.py [--functions N] [--keep DIR]"""

import argparse
import pathlib
import shutil
import subprocess
import sys

import instructions
import servers

SHORT, LONG = 200, 1000  # statements: the difference has no login in it
TABLE = """CREATE TABLE t (id INT PRIMARY KEY, a TEXT, b BIGINT);
INSERT INTO t SELECT i, 'x' || i, i FROM generate_series(0, 49) AS s(i)"""
READ = "SELECT id, a, b FROM t WHERE id = {} AND b >= {} ORDER BY b;"
NEW = "\\set n random(0, 49)\n\\set m random(-1000000000, -1)\n" + READ.format(":n", ":m")
SAME = READ.format(7, 0)
UNCACHED = ["--set", "cache.enabled=false"]
KINDS = {"new": (NEW, "simple", []), "again": (SAME, "simple", UNCACHED),
         "prepared": (SAME, "prepared", UNCACHED)}


def profile(directory, kind, count):
    text, mode, more = KINDS[kind]
    port, out = servers.free_port(), directory / f"{kind}-{count}.callgrind"
    script, database = directory / f"{kind}.sql", directory / f"{kind}-{count}.db"
    script.write_text(text)
    command = [servers.BUILD / "src/cli/weir", "serve", f"sqlite:{database}", "--listen",
               f"127.0.0.1:{port}", "--set", "admin.listen=off", "--set", "workers=1", "--set",
               "net.loop=epoll", *more]
    server = instructions.under_callgrind(command, port, directory, out, "--vgdb=no")
    try:
        server.ready()
        at = ["-h", "127.0.0.1", "-p", str(port), "-U", "weir", "app"]
        subprocess.run(["psql", "-qX", "-v", "ON_ERROR_STOP=1", "-c", TABLE, *at], check=True,
                       env=servers.environment(), stdout=subprocess.DEVNULL)
        subprocess.run(["pgbench", "-n", "-M", mode, "-c", "1", "-t", str(count), "-f", script,
                        *at], check=True, capture_output=True, env=servers.environment())
    finally:
        server.stop()
    return instructions.read_profile(out)


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--functions", type=int, default=25, help="of the longest, to print")
    p.add_argument("--keep", type=pathlib.Path, help="a directory for callgrind's files")
    plan = p.parse_args()
    directory = servers.workdir()
    try:
        for kind in KINDS:
            short, long = (profile(directory, kind, n) for n in (SHORT, LONG))
            own, calls = ({f: (v - b.get(f, 0)) / (LONG - SHORT) for f, v in a.items()}
                          for a, b in zip(long, short))
            instructions.show("sqlite", kind, own, calls, plan.functions)
        if plan.keep:
            plan.keep.mkdir(parents=True, exist_ok=True)
            for out in directory.glob("*.callgrind"):
                shutil.copy(out, plan.keep)
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
