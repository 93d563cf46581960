"""The embedded database: what drivers' users do, with the newest versions of the drivers. Directly
is PostgreSQL, through Weir is Weir's SQLite: the same programs (tests/e2e/drivers) and the same
end-to-end tests, on both.

The versions are named here so that a run can be repeated; newer ones are a change of these
lines."""

import os
import shutil
import sys

import outcomes
import sources
from suites.suite import Suite

sys.path.insert(0, str(sources.ROOT / "tests/e2e"))
import drivers  # noqa: E402
import support  # noqa: E402

PYTHON = ["pytest==7.4.4", "hypothesis==6.112.0", "psycopg[binary]==3.3.9",
          "psycopg2-binary==2.9.13", "asyncpg==0.32.0", "sqlalchemy==2.1.9", "django==5.2.19"]
NODE = ["pg@8.23.1", "pg-cursor@2.22.0", "pg-query-stream@4.17.0", "pg-copy-streams@7.0.0"]
PGX = "v5.12.0"
PGJDBC = "42.7.14"
FILES = ["test_psycopg.py", "test_asyncpg.py", "test_sqlite_catalog.py", "test_sqlite_copy.py",
         "test_sqlite_sqlalchemy.py", "test_sqlite_django.py"]
WORDS = {"ok": outcomes.PASSED, "failed": outcomes.FAILED, "skipped": outcomes.SKIPPED}


class Embedded(Suite):
    name = "embedded"
    version = f"pgjdbc {PGJDBC}, {NODE[0]}, pgx {PGX}, {', '.join(PYTHON[2:])}"
    embedded = True
    seconds = 900

    def prepare(self):
        self.work = sources.CACHE / "work" / self.name
        self.work.mkdir(parents=True, exist_ok=True)
        self.python = sources.python_environment(self.name, PYTHON)
        self.prepare_java()
        self.prepare_node()
        self.prepare_go()

    def prepare_java(self):
        self.jar = self.work / f"postgresql-{PGJDBC}.jar"
        if not self.jar.exists():
            sources.run("mvn", "-q", "-B", f"-Dmaven.repo.local={sources.CACHE / 'maven'}",
                        "dependency:copy", f"-Dartifact=org.postgresql:postgresql:{PGJDBC}",
                        f"-DoutputDirectory={self.work}")

    def prepare_node(self):
        self.modules = self.work / "node"
        self.modules.mkdir(exist_ok=True)
        if not (self.modules / "package.json").exists():
            (self.modules / "package.json").write_text('{"private": true}\n')
        sources.run("npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", *NODE,
                    cwd=self.modules)

    def prepare_go(self):
        place = self.work / "go"
        place.mkdir(exist_ok=True)
        (place / "go.mod").write_text(f"module drivers\n\nrequire github.com/jackc/pgx/v5 {PGX}\n")
        shutil.copy(drivers.HERE / "pgx.go", place / "main.go")
        self.go = place / "pgx"
        environment = {**os.environ, "GOFLAGS": "-mod=mod"}
        sources.run("go", "mod", "tidy", cwd=place, env=environment)
        sources.run("go", "build", "-o", self.go, ".", cwd=place, env=environment)

    def run(self, target, directory, excluded, selected=None):
        found = {}
        for name, command in (("pgjdbc", drivers.pgjdbc(self.jar)), ("node", drivers.node()),
                              ("pgx", [self.go])):
            if selected is None or any(test.startswith(f"{name}:") for test in selected):
                found.update(self.program(name, command, target, directory))
        if selected is None or any(test.startswith("python:") for test in selected):
            found.update(self.pytest(target, directory))
        return found

    def program(self, name, command, target, directory):
        log = directory / f"{name}.log"
        self.empty(target)
        environment = {**os.environ, "NODE_PATH": str(self.modules / "node_modules")}
        self.execute([*command, target.host, target.port, target.database, "postgres"], log,
                     environment, directory)
        cases = drivers.read(log.read_text(errors="replace"))
        return {f"{name}:{case}": WORDS[word] for case, (word, _) in cases.items()}

    def empty(self, target):
        """The programs' tables have the same names."""
        drops = support.psql(target.conninfo(), "-Atc",
                             "SELECT 'DROP TABLE IF EXISTS ' || quote_ident(tablename) || "
                             "' CASCADE;' FROM pg_tables WHERE schemaname = 'public'").stdout
        support.psql(target.conninfo(), "-q", stdin=drops)

    def pytest(self, target, directory):
        """Each test brings its own gateway and database. What is about SQLite alone has nothing
        beside it directly: it must pass."""
        kind = "sqlite" if target.through else "postgres"
        output = directory / "junit"
        self.execute([self.python, "-m", "pytest", "-p", "no:cacheprovider", "-q", "--tb=short",
                      f"--basetemp={directory / 'tmp'}", f"--junit-xml={output}/e2e.xml",
                      *(sources.ROOT / "tests/e2e" / file for file in FILES)],
                     directory / "pytest.log", {**os.environ, "LC_ALL": "C.UTF-8"}, sources.ROOT)
        found = {}
        for test, outcome in outcomes.read_junit(output).items():
            own = "[sqlite" not in test and "[postgres" not in test
            if own or f"[{kind}" in test:
                name = test.replace("[sqlite", "[").replace("[postgres", "[")
                found[f"python:{name}"] = outcomes.PASSED if own and not target.through else outcome
        return found
