"""pgjdbc, by Maven's Surefire, from the driver's own source archive."""

import os
import shutil

import outcomes
import sources
import target as targets
from suites.suite import Suite


class Pgjdbc(Suite):
    name = "pgjdbc"
    version = "42.5.4"
    seconds = 3600
    psql = ("CREATE EXTENSION hstore", "CREATE EXTENSION citext", "CREATE EXTENSION sslinfo",
            "CREATE EXTENSION \"uuid-ossp\"")

    def prepare(self):
        self.source = sources.present(self.name)
        if not self.source:
            self.source = sources.maven(self.name, "org.postgresql", "postgresql", self.version,
                                        "jdbc-src")
        self.tools = {**os.environ, "LC_ALL": "C.UTF-8"}
        self.maven = ["mvn", "-q", "-B", f"-Dmaven.repo.local={sources.CACHE / 'maven'}",
                      "-Dmaven.javadoc.skip=true"]
        sources.run(*self.maven, "test", "-Dtest=NoSuchTest", "-DfailIfNoTests=false",
                    cwd=self.source, env=self.tools, seconds=1200)

    def properties(self, target):
        """Where the tests find their server."""
        lines = [f"server={target.host}", f"port={target.port}", f"database={target.database}",
                 f"username={targets.USER}", "password=none", f"privilegedUser={targets.USER}",
                 "privilegedPassword=none", "preparethreshold=5", "protocolVersion=0"]
        return "\n".join(lines) + "\n"

    def run(self, target, directory, excluded, selected=None):
        (self.source / "build.local.properties").write_text(self.properties(target))
        reports = self.source / "target/surefire-reports"
        shutil.rmtree(reports, ignore_errors=True)
        if selected is None:
            tests = ["*Test", "*Test$*"] + [f"!{class_of(p)}" for p in excluded]
        else:
            tests = sorted({test.split("#")[0] for test in selected})
        self.execute([*self.maven, "surefire:test", f"-Dtest={','.join(tests)}",
                      "-Dmaven.test.failure.ignore=true", "-DtrimStackTrace=false"],
                     directory / "maven.log", self.tools, self.source)
        if reports.exists():
            shutil.copytree(reports, directory / "reports")
        return outcomes.read_junit(directory / "reports")


def class_of(pattern):
    """Surefire's words for an exclusion: a class, or one of its methods."""
    name, method = pattern.split("#", 1)
    return name.replace(".", "/").replace("*", "**") + ("" if method == "*" else f"#{method}")
