"""pgx, by go test."""

import os

import outcomes
import sources
from suites.suite import Suite

PACKAGE_SECONDS = 240


class Pgx(Suite):
    name = "pgx"
    version = "5.5.5"
    seconds = PACKAGE_SECONDS + 30
    users = ("postgres",)
    module = "github.com/jackc/pgx/v5"
    # As upstream's testsetup has it, less what logs in by other means than a password.
    psql = ("CREATE EXTENSION hstore", "CREATE EXTENSION ltree",
            "CREATE DOMAIN uint64 AS numeric(20,0)",
            """CREATE USER " tricky, ' } "" \\ test user " SUPERUSER PASSWORD 'secret'""")

    def prepare(self):
        self.source = sources.present(self.name)
        if not self.source:
            self.source = sources.go_module(self.name, self.module, f"v{self.version}")
        self.tools = {**os.environ, "GOFLAGS": "-buildvcs=false -mod=mod"}
        sources.run("go", "test", "-count=1", "-run", "^$", "./...", cwd=self.source,
                    env=self.tools, seconds=1200)
        text = sources.run("go", "list", "./...", cwd=self.source, env=self.tools)
        self.packages = {p: self.tests_of(p) for p in text.split()}

    def tests_of(self, package):
        """The names of a package's top-level tests."""
        text = sources.run("go", "test", "-list", "^Test", package, cwd=self.source,
                           env=self.tools)
        return [line for line in text.split("\n") if line.startswith("Test")]

    def run(self, target, directory, excluded, selected=None):
        environment = {**self.tools, **target.environment(),
                       "PGX_TEST_DATABASE": target.conninfo(),
                       "PGX_TEST_TCP_CONN_STRING": target.conninfo()}
        rules = [(pattern, "") for pattern in excluded]
        wanted = None if selected is None else {top_level(test) for test in selected}
        found = {}
        for package, tests in self.packages.items():
            names = [t for t in tests if outcomes.reason_of(f"{package}:{t}", rules) is None
                     and (wanted is None or f"{package}:{t}" in wanted)]
            if names:
                log = directory / f"{package.replace('/', '_')}.json"
                self.execute(["go", "test", "-json", "-count=1", "-p=1",
                              f"-timeout={PACKAGE_SECONDS}s", "-run", f"^({'|'.join(names)})$",
                              package], log, environment, self.source)
                found.update(outcomes.read_go(log.read_text(errors="replace")))
        return found


def top_level(test):
    """PACKAGE:TestName of PACKAGE:TestName/case."""
    package, name = test.split(":", 1)
    return f"{package}:{name.split('/')[0]}"
