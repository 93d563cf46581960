"""What a suite is."""

import os
import signal
import subprocess


class Suite:
    """A driver's own tests. `prepare` makes them runnable once, `run` runs them against a target.

    seconds is the limit of one whole run."""

    name = None
    seconds = 900
    upstream = "its source"  # in words: what else can be unpacked by hand
    database = "interop"
    others = ("postgres",)  # databases that Weir has too
    embedded = False  # through Weir is Weir's SQLite
    users = ()  # whom Weir trusts; (): whoever comes
    settings = ""  # of the server, beyond Target's
    psql = ()  # what the database is given before

    def prepare(self):
        """Fetches and builds. Raises sources.Unavailable; sets self.version."""
        raise NotImplementedError

    def run(self, target, directory, excluded, selected=None):
        """{test: outcome}. excluded are patterns of outcomes.glob, selected are tests' names or
        None for all; directory is new and takes logs."""
        raise NotImplementedError

    def execute(self, command, log, environment, cwd):
        """Runs the suite's program, in a process group so that all of it can be ended in time."""
        with log.open("ab") as file:
            process = subprocess.Popen([str(c) for c in command], stdin=subprocess.DEVNULL,
                                       stdout=file, stderr=file, env=environment, cwd=cwd,
                                       start_new_session=True)
            try:
                return process.wait(self.seconds)
            except subprocess.TimeoutExpired:
                file.write(f"\ninterop: ended after {self.seconds} s\n".encode())
                return None
            finally:
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGKILL)
                    process.wait(30)
