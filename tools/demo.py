#!/usr/bin/python3
"""Makes the demo database from data that every Debian machine has: its package database.

usage: tools/demo.py [demo.db]

Installed packages come from dpkg's status file, all others from apt's package lists where they are
present. The file is written under a temporary name and renamed when it is whole, so that a run that
is killed leaves nothing half done behind.
"""

import glob
import gzip
import lzma
import os
import re
import sqlite3
import subprocess
import sys
import time

STATUS = "/var/lib/dpkg/status"
LISTS = "/var/lib/apt/lists/*_Packages"
KINDS = ("Pre-Depends", "Depends", "Recommends", "Suggests", "Conflicts", "Breaks", "Replaces",
         "Provides", "Enhances")
# One dependency: a name, perhaps :arch, (operator version), [architectures].
DEPENDENCY = re.compile(r"\s*([^\s:(\[<]+)(?::\w+)?\s*(?:\(([^)]*)\))?")

SCHEMA = """
CREATE TABLE sections (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE
);
CREATE TABLE maintainers (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL,
  email TEXT NOT NULL DEFAULT '',
  UNIQUE (name, email)
);
CREATE TABLE packages (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL,
  version TEXT NOT NULL,
  architecture TEXT NOT NULL,
  section_id INTEGER NOT NULL REFERENCES sections (id),
  maintainer_id INTEGER NOT NULL REFERENCES maintainers (id),
  installed_size INTEGER,
  priority TEXT NOT NULL,
  description TEXT NOT NULL,
  installed BOOLEAN NOT NULL,
  UNIQUE (name, architecture, version)
);
CREATE TABLE dependencies (
  id INTEGER PRIMARY KEY,
  package_id INTEGER NOT NULL REFERENCES packages (id) ON DELETE CASCADE,
  kind TEXT NOT NULL,
  depends_on TEXT NOT NULL,
  "constraint" TEXT
);
"""

# Made after the rows: faster, and the pages lie in order.
INDEXES = """
CREATE INDEX packages_section ON packages (section_id);
CREATE INDEX packages_maintainer ON packages (maintainer_id);
CREATE INDEX packages_size ON packages (installed_size);
CREATE INDEX dependencies_package ON dependencies (package_id);
CREATE INDEX dependencies_on ON dependencies (depends_on);
"""


def open_text(path):
    """The lists are plain text, or compressed as apt is configured to keep them."""
    options = {"mode": "rt", "encoding": "utf-8", "errors": "replace"}
    if path.endswith(".gz"):
        return gzip.open(path, **options)
    if path.endswith(".xz"):
        return lzma.open(path, **options)
    if path.endswith(".lz4"):
        text = subprocess.run(["/usr/lib/apt/apt-helper", "cat-file", path], check=True,
                              stdout=subprocess.PIPE).stdout
        return iter(text.decode("utf-8", "replace").splitlines(keepends=True))
    return open(path, **{**options, "mode": "r"})


def stanzas(lines):
    """RFC 822 paragraphs as dictionaries; continuation lines are dropped (of a description only the
    first line is wanted)."""
    fields = {}
    for line in lines:
        if line.strip() == "":
            if fields:
                yield fields
            fields = {}
        elif not line[0].isspace() and ":" in line:
            key, _, value = line.partition(":")
            fields[key] = value.strip()
    if fields:
        yield fields


def sources():
    """(path, installed) of everything to read, installed packages first."""
    if os.path.exists(STATUS):
        yield STATUS, True
    for pattern in (LISTS, LISTS + ".gz", LISTS + ".xz", LISTS + ".lz4"):
        for path in sorted(glob.glob(pattern)):
            yield path, False


class Demo:
    def __init__(self, connection):
        self.db = connection
        self.ids = {"sections": {}, "maintainers": {}}
        self.seen = set()
        self.dependency_count = 0

    def id_of(self, table, *values):
        ids = self.ids[table]
        if values not in ids:
            marks = ", ".join("?" * (len(values) + 1))
            ids[values] = len(ids) + 1
            self.db.execute(f"INSERT INTO {table} VALUES ({marks})", (ids[values], *values))
        return ids[values]

    def add(self, fields, installed):
        name, version = fields.get("Package"), fields.get("Version")
        key = (name, version, fields.get("Architecture", "all"))
        if not name or not version or key in self.seen:
            return
        self.seen.add(key)
        maintainer = re.match(r"\s*(.*?)\s*(?:<([^>]*)>)?\s*$", fields.get("Maintainer", "unknown"))
        size = fields.get("Installed-Size", "")
        row = (len(self.seen), name, version, key[2],
               self.id_of("sections", fields.get("Section", "unknown")),
               self.id_of("maintainers", maintainer.group(1), maintainer.group(2) or ""),
               int(size) if size.isdigit() else None, fields.get("Priority", "optional"),
               fields.get("Description", fields.get("Description-en", "")), installed)
        self.db.execute("INSERT INTO packages VALUES (?,?,?,?,?,?,?,?,?,?)", row)
        for kind in KINDS:
            self.add_dependencies(len(self.seen), kind, fields.get(kind, ""))

    def add_dependencies(self, package_id, kind, text):
        rows = []
        for alternative in re.split(r"[,|]", text):
            match = DEPENDENCY.match(alternative)
            if match:
                rows.append((package_id, kind.lower(), match.group(1), match.group(2)))
        self.dependency_count += len(rows)
        self.db.executemany('INSERT INTO dependencies (package_id, kind, depends_on, "constraint") '
                            "VALUES (?,?,?,?)", rows)


def fill(demo):
    told = time.monotonic()
    for path, from_status in sources():
        for fields in stanzas(open_text(path)):
            installed = from_status and fields.get("Status", "").endswith(" installed")
            if from_status and not installed:
                continue
            demo.add(fields, installed)
            if time.monotonic() - told > 1:
                told = time.monotonic()
                print(f"demo: {len(demo.seen)} packages …", flush=True)
    if not demo.seen:
        sys.exit(f"demo: no package found in {STATUS} or {LISTS}: is this a Debian system?")


def build(path):
    db = sqlite3.connect(path)
    db.execute("PRAGMA synchronous = OFF")  # the file counts only once it is renamed
    db.executescript(SCHEMA)
    demo = Demo(db)
    with db:
        fill(demo)
    print(f"demo: {len(demo.seen)} packages, {demo.dependency_count} dependencies; indexing …",
          flush=True)
    db.executescript(INDEXES)
    db.execute("ANALYZE")
    db.commit()
    db.execute("PRAGMA journal_mode = WAL")
    db.close()


def main():
    if len(sys.argv) > 2 or sys.argv[1:2] in (["-h"], ["--help"]):
        sys.exit(__doc__)
    target = sys.argv[1] if len(sys.argv) == 2 else "demo.db"
    temporary = f"{target}.{os.getpid()}.tmp"
    print(f"demo: making {target} from this machine's package database", flush=True)
    try:
        build(temporary)
        with open(temporary, "rb") as file:
            os.fsync(file.fileno())
        os.rename(temporary, target)
    except (OSError, sqlite3.Error, subprocess.SubprocessError) as problem:
        sys.exit(f"demo: cannot make {target}: {problem}")
    finally:
        for leftover in glob.glob(glob.escape(temporary) + "*"):
            os.unlink(leftover)
    print(f"demo: {target} is ready", flush=True)


if __name__ == "__main__":
    main()
