"""psycopg 3, psycopg 2 and asyncpg, by pytest."""

import json
import pathlib
import shutil

import outcomes
import sources
from suites.suite import Suite

PYTEST = ["pytest==7.4.4"]
COLLECT = pathlib.Path(__file__).resolve().parents[1]
TEST_SECONDS = 30


class PythonSuite(Suite):
    """Tests that pytest finds in self.source/tests."""

    arguments = ()

    def environment(self, target):
        return target.environment()

    def run(self, target, directory, excluded, selected=None):
        output = directory / "outcomes.json"
        plan = {"excluded": [outcomes.glob(p).pattern for p in excluded], "selected": selected,
                "output": str(output), "seconds": TEST_SECONDS}
        (directory / "plan.json").write_text(json.dumps(plan))
        environment = {**self.environment(target), "INTEROP_PLAN": str(directory / "plan.json")}
        environment["PYTHONPATH"] = ":".join([str(COLLECT), *self.python_path()])
        files = sorted({test.split("::")[0] for test in selected}) if selected else ["tests"]
        self.execute([self.python, "-m", "pytest", "-p", "collect", "-q", "--tb=short",
                      "-o", f"cache_dir={directory}/cache", *self.arguments, *files],
                     directory / "pytest.log", environment, self.source)
        return outcomes.read_lines(output)

    def python_path(self):
        return []


class Psycopg3(PythonSuite):
    """The pure Python implementation over libpq, from the source tree itself."""

    name = "psycopg3"
    upstream = "the tag 3.1.7 of psycopg's repository"  # PyPI's archives have no tests
    requirements = [*PYTEST, "pytest-asyncio==0.20.3", "pproxy==2.7.9", "typing-extensions",
                    "dnspython==2.6.1", "mypy==1.0.1"]
    arguments = ("-p", "no:randomly", "--ignore=tests/crdb", "--ignore=tests/pool",
                 "--asyncio-mode=auto", "-m", "not refcount and not timing")

    def prepare(self):
        self.python = sources.python_environment(self.name, self.requirements)
        self.source = sources.present(self.name)
        if not self.source:
            self.source = sources.debian(self.name, "psycopg3", only="3.1.")
        version = (self.source / "psycopg/psycopg/version.py").read_text()
        self.version = version.split('__version__ = "')[1].split('"')[0]

    def python_path(self):
        return [str(self.source / "psycopg"), str(self.source / "psycopg_pool")]

    def environment(self, target):
        return {**target.environment(), "PSYCOPG_IMPL": "python",
                "PSYCOPG_TEST_DSN": target.conninfo()}


class Psycopg2(PythonSuite):
    """The released wheel, with the tests of its source distribution."""

    name = "psycopg2"
    version = "2.9.9"
    requirements = [*PYTEST, f"psycopg2-binary=={version}"]
    psql = ("CREATE EXTENSION hstore",)

    def prepare(self):
        self.python = sources.python_environment(self.name, self.requirements)
        self.source = sources.present(self.name)
        if not self.source:
            self.source = sources.pypi(self.name, self.name, self.version, self.python)

    def environment(self, target):
        return {**target.environment(), "PSYCOPG2_TESTDB": target.database}


class Asyncpg(PythonSuite):
    name = "asyncpg"
    others = ()  # the tests make a database, drop it, and connect to it between
    version = "0.30.0"
    requirements = [*PYTEST, f"asyncpg=={version}", "uvloop==0.21.0", "distro==1.9.0"]

    def prepare(self):
        self.python = sources.python_environment(self.name, self.requirements)
        self.source = sources.present(self.name)
        if not self.source:
            self.source = sources.pypi(self.name, self.name, self.version, self.python)
        # Else the tests would import this one, which is not compiled.
        shutil.rmtree(self.source / "asyncpg", ignore_errors=True)
