"""tools/demo.py: the demo database is whole or absent."""

import pathlib
import sqlite3
import subprocess
import sys
import time

DEMO = pathlib.Path(__file__).resolve().parents[2] / "tools/demo.py"


def test_demo_holds_this_machines_packages(tmp_path):
    target = tmp_path / "demo.db"
    subprocess.run([sys.executable, DEMO, target], check=True, timeout=300)
    assert [p.name for p in tmp_path.iterdir()] == ["demo.db"]
    db = sqlite3.connect(target)
    installed = subprocess.run(["dpkg-query", "-W", "-f", "${db:Status-Status}\n"], check=True,
                               capture_output=True, text=True).stdout.split().count("installed")
    assert db.execute("SELECT count(*) FROM packages WHERE installed").fetchone() == (installed,)
    assert db.execute("PRAGMA foreign_key_check").fetchall() == []
    assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    row = db.execute("""SELECT count(*) FROM dependencies d JOIN packages p ON p.id = d.package_id
                        JOIN packages q ON q.name = d.depends_on""").fetchone()
    assert row[0] > 0


def test_demo_killed_leaves_no_database(tmp_path):
    target = tmp_path / "demo.db"
    run = subprocess.Popen([sys.executable, DEMO, target])
    while run.poll() is None and not any(tmp_path.iterdir()):
        time.sleep(0.005)
    run.kill()
    run.wait()
    assert run.returncode == 0 or not target.exists()


def test_demo_says_where_it_cannot_write():
    done = subprocess.run([sys.executable, DEMO, "/nonexistent/demo.db"], capture_output=True,
                          text=True, timeout=60)
    assert done.returncode == 1 and "cannot make /nonexistent/demo.db" in done.stderr
