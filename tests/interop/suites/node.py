"""node-postgres: pg, each file a process as upstream's Makefile runs it, and pg-cursor and pg-pool
by mocha."""

import json
import os
import re
import shutil

import outcomes
import sources
from suites.suite import Suite

FILE_SECONDS = 60


class NodePostgres(Suite):
    name = "node-postgres"
    seconds = FILE_SECONDS
    users = ("postgres",)
    mocha = ("pg-cursor", "pg-pool")

    def prepare(self):
        source = sources.present(self.name) or sources.debian(self.name, self.name)
        self.version = json.loads((source / "packages/pg/package.json").read_text())["version"]
        self.work = sources.CACHE / "work" / self.name
        if not (self.work / "ready").exists():
            shutil.rmtree(self.work, ignore_errors=True)
            for package in ("pg", *self.mocha):
                self.install(source / "packages" / package, self.work / package)
            (self.work / "ready").touch()
        for package in self.mocha:
            self.link(package, "pg")
        self.link("pg", "pg-pool")

    def install(self, source, work):
        """Outside the source tree, whose root would take the packages for its workspaces."""
        shutil.copytree(source, work)
        sources.run("npm", "install", "--ignore-scripts", "--no-audit", "--no-fund",
                    "--no-package-lock", "--legacy-peer-deps", cwd=work)

    def link(self, package, other):
        """They test each other as they stand in the tree, not as the registry has them."""
        path = self.work / package / "node_modules" / other
        if not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
            path.symlink_to(self.work / other)

    def run(self, target, directory, excluded, selected=None):
        environment = {**os.environ, **target.environment(), "PGPASSWORD": "none"}
        rules = [(pattern, "") for pattern in excluded]
        wanted = None if selected is None else {test.split("#")[0] for test in selected}

        def runs(file):
            return (wanted is None or file in wanted) and not outcomes.reason_of(file, rules)

        log = directory / "pg.log"
        self.execute(["node", "script/create-test-tables.js"], log, environment, self.work / "pg")
        found = {}
        for path in sorted((self.work / "pg/test/integration").rglob("*-tests.js")):
            file = f"pg/{path.relative_to(self.work / 'pg')}"
            if runs(file):
                found.update(self.run_file(file, path, log, environment))
        for package in self.mocha:
            for path in sorted((self.work / package / "test").glob("*.js")):
                file = f"{package}/test/{path.name}"
                if runs(file):
                    found.update(self.run_mocha(file, path, directory, environment))
        return found

    def run_file(self, file, path, log, environment):
        """A process that exits with 0 has passed; what it names on the way counts as well."""
        before = log.stat().st_size
        status = self.execute(["node", path], log, environment, self.work / "pg")
        text = log.read_bytes()[before:].decode(errors="replace")
        names = re.findall(r"^  (.+) ✔$", text, re.M)
        found = {f"{file}#{name}": outcomes.PASSED for name in names}
        found[file] = outcomes.PASSED if status == 0 else outcomes.FAILED
        return found

    def run_mocha(self, file, path, directory, environment):
        package = self.work / file.split("/")[0]
        log = directory / f"{file.replace('/', '_')}.json"
        status = self.execute(["node_modules/.bin/mocha", "--exit", "--reporter", "json", path],
                              log, environment, package)
        text = log.read_text(errors="replace")
        try:
            report = json.loads(text[text.index("{\n"):])
        except ValueError:
            return {file: outcomes.FAILED}
        found = {}
        for key, outcome in (("passes", outcomes.PASSED), ("pending", outcomes.SKIPPED),
                             ("failures", outcomes.FAILED)):
            found.update({f"{file}#{t['fullTitle']}": outcome for t in report[key]})
        return found or {file: outcomes.PASSED if status == 0 else outcomes.FAILED}
