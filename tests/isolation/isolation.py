#!/usr/bin/python3
"""Runs the isolation checker (isolation.c) against a gateway before a PostgreSQL of its own.

usage: isolation.py [--checks N] [--rounds N] [--seed N] [--clients N] [--kills]
                    [--direct] [--expect-violation] WEIR ISOLATION

Each round has the next seed. --direct: against the server itself, where nothing may be wrong.
With --expect-violation the gateway has a fault, which must be seen in one of the rounds."""

import argparse
import os
import pathlib
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))

POOL, PINNED = 5, 8
PINS = PINNED - 2  # one is the listening hub's; one gives those time that are just let go
SETUP = """
CREATE TABLE which AS SELECT 'public' AS v;
GRANT SELECT ON which TO PUBLIC;
CREATE TABLE copied (v text, n int);
GRANT INSERT ON copied TO PUBLIC;
CREATE FUNCTION keep_nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE TRIGGER keep_nothing BEFORE INSERT ON copied FOR EACH ROW EXECUTE FUNCTION keep_nothing();
DO $$ BEGIN
    FOR i IN 1..%d LOOP
        EXECUTE format('CREATE ROLE r%%s', i);
        EXECUTE format('CREATE SCHEMA s%%s', i);
        EXECUTE format('GRANT USAGE ON SCHEMA s%%s TO PUBLIC', i);
        EXECUTE format('CREATE TABLE s%%s.which AS SELECT %%L AS v', i, 's' || i);
        EXECUTE format('GRANT SELECT ON s%%s.which TO PUBLIC', i);
    END LOOP;
END $$
"""


def check(options, server, seed, port, user):
    """The checker's exit status."""
    return subprocess.run(
        [options.checker, str(port), str(server.port), user, "postgres", "isolation",
         str(options.clients), str(PINS), str(options.checks), str(seed),
         "kills" if options.kills else "calm", options.without], timeout=options.timeout).returncode


def one_round(options, server, seed):
    """Through a gateway; it must end well too."""
    from support import Weir

    with tempfile.TemporaryDirectory(prefix="weir-isolation-") as name:
        arguments = [server.dsn("isolation")]
        for key, value in {"pool.max_size": POOL, "pool.max_pinned": PINNED, "pool.min_size": 1,
                           "pool.acquire_timeout": "60s", "workers": 2}.items():
            arguments += ["--set", f"{key}={value}"]
        gateway = Weir(pathlib.Path(name), arguments).start()
        try:
            status = check(options, server, seed, gateway.port, "weir")
            if not gateway.running():
                print(gateway.stderr()[-6000:])
                return 2
        finally:
            if gateway.running() and options.expect_violation:
                gateway.kill()
            elif gateway.running():
                gateway.stop()
        return status


def parse():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--checks", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--clients", type=int, default=200)
    parser.add_argument("--timeout", type=float, default=3600)
    parser.add_argument("--without", default="", help="steps to leave out, comma between")
    parser.add_argument("--kills", action="store_true")
    parser.add_argument("--direct", action="store_true")
    parser.add_argument("--expect-violation", action="store_true")
    for name in ("weir", "checker"):
        parser.add_argument(name, type=os.path.abspath)
    return parser.parse_args()


def main():
    options = parse()
    os.environ["WEIR_BINARY"] = options.weir
    from support import Postgres

    server = Postgres()
    try:
        server.start()
        with server.connect() as db:
            db.execute("CREATE DATABASE isolation STRATEGY file_copy")
        with server.connect("isolation") as db:
            db.execute(SETUP % options.clients)
        for seed in range(options.seed, options.seed + options.rounds):
            if options.direct:
                status = check(options, server, seed, server.port, "postgres")
            else:
                status = one_round(options, server, seed)
            if status == 1 and options.expect_violation:
                print("isolation: the fault was seen")
                return 0
            if status:
                return status
    finally:
        server.remove()
    if options.expect_violation:
        print("isolation: the fault was not seen")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
