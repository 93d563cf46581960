"""PostgreSQL's own regression tests: each file through psql, as pg_regress runs them, one after
another in its schedule's order. What psql printed must be what was expected, or what it printed
directly."""

import difflib
import os
import pathlib
import re
import shutil
import subprocess

import outcomes
import sources
from suites.suite import Suite

# As src/test/regress/pg_regress.c prepares the database and its clients.
DATABASE = "regression"
SETTINGS = ("lc_messages TO 'C'", "lc_monetary TO 'C'", "lc_numeric TO 'C'", "lc_time TO 'C'",
            "bytea_output TO 'hex'", "timezone_abbreviations TO 'Default'")
CLIENT = {"PGTZ": "PST8PDT", "PGDATESTYLE": "Postgres, MDY", "PG_DLSUFFIX": ".so",
          "PGOPTIONS": "-c intervalstyle=postgres_verbose"}


class Regress(Suite):
    name = "regress"
    database = DATABASE
    seconds = 180  # of one file
    settings = "allow_in_place_tablespaces = on\n"
    psql = tuple(f"ALTER DATABASE {DATABASE} SET {setting}" for setting in SETTINGS)

    def prepare(self):
        source = sources.present(self.name)
        if not source:
            source = sources.debian(self.name, "postgresql-15", sources.installed("postgresql-15"))
        self.source = source / "src/test/regress"
        configure = (source / "configure").read_text()
        self.version = re.search(r"^PACKAGE_VERSION='(.*)'$", configure, re.M)[1]
        self.libraries = sources.CACHE / "work/regress"
        self.libraries.mkdir(parents=True, exist_ok=True)
        config = pathlib.Path("/usr/lib/postgresql/15/bin/pg_config")
        include = sources.run(config, "--includedir-server").strip()
        sources.run("cc", "-O1", "-w", "-fPIC", "-shared", f"-I{include}", "-I", self.source,
                    self.source / "regress.c", "-o", self.libraries / "regress.so")
        libraries = pathlib.Path(sources.run(config, "--pkglibdir").strip())
        for name in ("autoinc.so", "refint.so"):
            shutil.copy(libraries / name, self.libraries)
        self.direct = {}

    def schedule(self):
        text = (self.source / "parallel_schedule").read_text()
        return [name for line in re.findall(r"^test:(.*)$", text, re.M) for name in line.split()]

    def run(self, target, directory, excluded, selected=None):
        place = self.place(target)
        libraries = place / "lib"
        environment = {**os.environ, **target.environment(), **CLIENT, "PG_LIBDIR": str(libraries),
                       "PG_ABS_SRCDIR": str(place), "PG_ABS_BUILDDIR": str(place)}
        rules = [(pattern, "") for pattern in excluded]
        found = {}
        for name in self.schedule():
            if outcomes.reason_of(name, rules):
                continue
            output = self.run_file(name, environment, place, directory)
            if not target.through:
                self.direct[name] = output
            found[name] = self.judge(name, output, target, directory)
        return found

    def place(self, target):
        """What the server itself reads and writes, where it may."""
        place = target.server.directory / "regress"
        shutil.copytree(self.libraries, place / "lib")
        shutil.copytree(self.source / "data", place / "data")
        (place / "results").mkdir()
        (place / "sql").symlink_to(self.source / "sql")
        for path in (place, *place.rglob("*")):
            if not path.is_symlink():
                shutil.chown(path, target.server.directory.stat().st_uid)
        return place

    def run_file(self, name, environment, place, directory):
        """What psql prints; a file that takes too long is ended and has printed that."""
        command = ["psql", "-X", "-a", "-q", "-d", DATABASE, "-v", "HIDE_TABLEAM=on",
                   "-v", "HIDE_TOAST_COMPRESSION=on"]
        with (self.source / f"sql/{name}.sql").open("rb") as script:
            try:
                output = subprocess.run(command, stdin=script, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT, env=environment, cwd=place,
                                        timeout=self.seconds, check=False).stdout
            except subprocess.TimeoutExpired as e:
                output = (e.stdout or b"") + f"\nended after {self.seconds} s\n".encode()
        (directory / f"{name}.out").write_bytes(output)
        return words(output)

    def judge(self, name, output, target, directory):
        expected = [path for path in (self.source / "expected").glob(f"{name}*.out")
                    if re.fullmatch(rf"{name}(_\d+)?\.out", path.name)]
        if any(words(path.read_bytes()) == output for path in expected):
            return outcomes.PASSED
        reference = self.direct.get(name)
        if target.through and output == reference:
            return outcomes.FAILED  # as directly: on neither side as expected
        if target.through and reference is not None:
            (directory / f"{name}.diff").write_text("".join(difflib.unified_diff(
                [f"{line}\n" for line in reference], [f"{line}\n" for line in output],
                "direct", "through Weir")))
        return outcomes.FAILED


def words(output):
    """The lines without differences of white space, as pg_regress compares (diff -w)."""
    return [re.sub(r"\s+", "", line) for line in output.decode(errors="replace").splitlines()]
