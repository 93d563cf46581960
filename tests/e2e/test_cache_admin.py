"""The cache as an operator sees and steers it: configuration, SHOW, EXPLAIN and FLUSH in the admin
database, metrics. What it promises to readers is in the other tests of the cache."""

import http.client
import json
import os
import re
import signal
import sqlite3

import psycopg
import pytest

from support import console, rows, wait_until


@pytest.fixture
def gateway(weir, tmp_path):
    return weir(f"sqlite:{tmp_path}/app.db")


def figures(connection):
    whole, *databases = rows(connection, "CACHE")
    return whole, {row["database"]: row for row in databases}


def metrics(gateway):
    host, _, port = gateway.admin.rpartition(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=20)
    try:
        connection.request("GET", "/metrics")
        text = connection.getresponse().read().decode()
    finally:
        connection.close()
    return {name: float(value) for name, value in re.findall(r"^(weir_\S+) (\S+)$", text, re.M)}


def fill(db):
    db.execute("CREATE TABLE t(id integer PRIMARY KEY, v text)")
    db.execute("CREATE TABLE u(id integer PRIMARY KEY, v text)")
    db.execute("INSERT INTO t VALUES (1, 'one'), (2, 'two')")
    db.execute("INSERT INTO u VALUES (1, 'eins')")


def ask(db, sql="SELECT v FROM t WHERE id = 1"):
    return db.execute(sql, prepare=False).fetchall()


def is_cached(connection, db, sql="SELECT v FROM t WHERE id = 1"):
    """Whether the next answer comes from memory."""
    before = figures(connection)[0]["hits"]
    ask(db, sql)
    return figures(connection)[0]["hits"] > before


def warm(connection, db, sql="SELECT v FROM t WHERE id = 1"):
    wait_until(lambda: is_cached(connection, db, sql))


def explain(connection, sql):
    cursor = connection.execute(f"EXPLAIN CACHE {sql}")
    assert [c.name for c in cursor.description] == ["cache"]
    assert cursor.statusmessage == "EXPLAIN"
    return [line for (line,) in cursor]


# ---- figures ----

def test_hits_and_misses_are_shown_per_database(gateway):
    with console(gateway) as c, gateway.connect() as db:
        fill(db)
        warm(c, db)
        whole, databases = figures(c)
        assert whole["database"] == "(all)" and whole["tier"] == "memory"
        assert whole["entries"] >= 1 and 0 < whole["bytes"] <= whole["bytes_max"] == 128 << 20
        assert 0 < whole["hit_ratio"] < 1
        app = databases["app"]
        assert app["followed"] == 1 and app["commits"] >= 4 and app["hits"] == whole["hits"]
        assert app["looked_ms_ago"] < 5000
        assert app["entries"] is None


def test_reasons_of_misses_have_words(gateway):
    with console(gateway) as c, gateway.connect() as db:
        fill(db)
        warm(c, db)
        for _ in range(3):
            db.execute("SELECT v, random() FROM t", prepare=False).fetchall()
        found = {row["reason"]: row for row in rows(c, "CACHE_MISSES")}
        assert found["volatile"]["count"] >= 1
        assert "function" in found["volatile"]["meaning"]
        assert abs(sum(row["share"] for row in found.values()) - 1) < 0.001
        assert "none" not in found


def test_entries_show_their_statement(gateway):
    with console(gateway) as c, gateway.connect() as db:
        fill(db)
        warm(c, db)
        warm(c, db, "SELECT * FROM t ORDER BY id")
        found = {row["statement"]: row for row in rows(c, "CACHE_ENTRIES")}
        key = next(row for text, row in found.items() if "where id" in text.lower())
        assert key["database"] == "app" and key["rows"] == 1 and key["dependencies"] >= 1
        assert key["expires_seconds"] is None and key["age_seconds"] >= 0
        assert not any("'" in text for text in found), "literals are not shown"


def test_templates_count_their_hits(gateway):
    with console(gateway) as c, gateway.connect() as db:
        fill(db)
        warm(c, db)
        for _ in range(10):
            ask(db)
        found = next(row for row in rows(c, "STATEMENTS") if row["text"].startswith("select v"))
        assert found["cache_hits"] >= 10 and found["cache_fills"] >= 1
        assert found["calls"] > found["cache_hits"]


# ---- flushing ----

def test_flush_cache_forgets_everything(gateway):
    with console(gateway) as c, gateway.connect() as db:
        fill(db)
        warm(c, db)
        assert c.execute("FLUSH CACHE").statusmessage == "FLUSH CACHE"
        whole, _ = figures(c)
        assert whole["entries"] == 0 and whole["flushes"] == 1
        assert not is_cached(c, db)
        assert is_cached(c, db)
        assert "cache flushed" in gateway.stderr()


def test_flush_table_leaves_the_others(gateway):
    with console(gateway) as c, gateway.connect() as db:
        fill(db)
        other = "SELECT v FROM u WHERE id = 1"
        warm(c, db)
        warm(c, db, other)
        c.execute("FLUSH CACHE TABLE \"T\";")  # ASCII case does not count
        assert is_cached(c, db, other)
        assert not is_cached(c, db)


def test_flush_tags_and_prefixes(gateway):
    def tagged(tags, id):
        return f"/* weir: cache tags={tags} */ SELECT v FROM t WHERE id = {id}"

    with console(gateway) as c, gateway.connect() as db:
        fill(db)
        first, second = tagged("user:1,All", 1), tagged("order:1", 2)
        warm(c, db, first)
        warm(c, db, second)
        c.execute("FLUSH CACHE TAG 'user:1'")
        assert is_cached(c, db, second)
        assert not is_cached(c, db, first)
        assert is_cached(c, db, first)
        c.execute("FLUSH CACHE TAG other")
        assert is_cached(c, db, first)
        c.execute("FLUSH CACHE TAG all")  # ASCII case does not count
        assert not is_cached(c, db, first)
        warm(c, db, first)
        c.execute("FLUSH CACHE PREFIX user:")
        assert is_cached(c, db, second)
        assert not is_cached(c, db, first)


@pytest.mark.parametrize("command, words", [
    ("FLUSH", "CACHE is missing"), ("FLUSH CACHE ROWS", "knows TAG, TABLE, PREFIX and NAMESPACE"),
    ("FLUSH CACHE TAG", "a name"), ("FLUSH CACHE TAG a b", "unexpected"),
    ("EXPLAIN SELECT 1", "CACHE is missing"), ("EXPLAIN CACHE", "a statement is missing"),
])
def test_errors_name_the_commands(gateway, command, words):
    with console(gateway) as c:
        with pytest.raises(psycopg.errors.SyntaxError) as e:
            c.execute(command)
        assert words in str(e.value)
        assert "FLUSH CACHE [TAG|TABLE|PREFIX|NAMESPACE name]" in e.value.diag.message_hint


def test_only_administrators_may(weir, tmp_path):
    gateway = weir(config=f"databases:\n  app: sqlite:{tmp_path}/app.db\nusers:\n"
                          "  al: {password: a}\n  op: {password: b, admin: true}\n")
    with console(gateway, user="op", password="b") as c:
        c.execute("FLUSH CACHE")
    with pytest.raises(psycopg.OperationalError, match="admin"):
        console(gateway, user="al", password="a")


# ---- explaining ----

def test_explain_says_what_an_answer_depends_on(gateway):
    with console(gateway) as c, gateway.connect() as db:
        fill(db)
        lines = explain(c, "SELECT v FROM t WHERE id = 1")
        assert lines[0].startswith("cached: yes, strict"), lines
        assert any("t" in line and "id" in line for line in lines[1:]), lines
        assert len(explain(c, "SELECT count(*) FROM t, u")) >= 2
        assert explain(c, "SELECT v FROM t WHERE id = $1::int4")[0].startswith("cached: yes")
        assert explain(c, "/* weir: nocache */ SELECT v FROM t")[0].startswith("cached: no")


def test_explain_says_why_not(gateway):
    with console(gateway) as c, gateway.connect() as db:
        fill(db)
        for sql, reason in [("SELECT random() FROM t", "volatile"),
                            ("UPDATE t SET v = 'x'", "no_read"),
                            ("SELECT * FROM sqlite_master", "system")]:
            lines = explain(c, sql)
            assert lines[0].startswith("cached: no") and reason in lines[0], (sql, lines)


def test_explain_runs_nothing_and_tells_what_is_wrong(gateway):
    with console(gateway) as c, gateway.connect() as db:
        fill(db)
        explain(c, "DELETE FROM t")
        assert db.execute("SELECT count(*) FROM t").fetchone() == (2,)
        with pytest.raises(psycopg.Error, match="missing_table"):
            explain(c, "SELECT * FROM missing_table")
        assert explain(c, "SELECT v FROM u")  # the console goes on


def test_explain_of_a_prepared_command(gateway):
    """The extended protocol: parsed once, described, executed again."""
    with console(gateway, prepare_threshold=0) as c, gateway.connect() as db:
        fill(db)
        sql = "EXPLAIN CACHE /* weir: cache tags=a,b */ SELECT v FROM t WHERE id = 1"
        first = c.execute(sql, prepare=True).fetchall()
        assert first == c.execute(sql, prepare=True).fetchall()
        assert ("tag: a",) in first and ("tag: b",) in first


def test_explain_asks_which_of_several_databases(weir, tmp_path):
    gateway = weir(config=f"databases:\n  one: sqlite:{tmp_path}/1.db\n"
                          f"  two: sqlite:{tmp_path}/2.db\n")
    with gateway.connect(dbname="two") as db:
        fill(db)
    with console(gateway) as c:
        with pytest.raises(psycopg.errors.InvalidCatalogName) as e:
            explain(c, "SELECT v FROM t")
        assert "one, two" in e.value.diag.message_hint
        with pytest.raises(psycopg.errors.InvalidCatalogName, match="three"):
            explain(c, "ON three SELECT v FROM t")
        assert explain(c, "ON two SELECT v FROM t")[0].startswith("cached: yes")
        with pytest.raises(psycopg.Error, match="no such table"):
            explain(c, "ON one SELECT v FROM t")


def test_explain_of_a_database_that_is_not_followed(weir, postgres):
    gateway = weir(postgres.dsn(postgres.database()))
    with console(gateway) as c, gateway.connect() as db:
        fill(db)
        assert explain(c, "SELECT v FROM t WHERE id = 1")[0].startswith("cached: no")
        ask(db)
        ask(db)
        whole, (followed,) = figures(c)[0], [row["followed"] for row in figures(c)[1].values()]
        assert whole["hits"] == 0 and whole["entries"] == 0 and followed == 0


def test_explain_of_a_database_in_memory(weir):
    gateway = weir("sqlite::memory:")
    with console(gateway) as c, gateway.connect() as db:
        fill(db)
        assert explain(c, "SELECT v FROM t WHERE id = 1")[0].startswith("cached: no (unknown)")


def test_explain_has_a_bound(gateway):
    with console(gateway) as c:
        with pytest.raises(psycopg.errors.ProgramLimitExceeded):
            explain(c, "SELECT '" + "x" * 200_000 + "'")


def test_help_and_hints_name_the_new_commands(gateway):
    with console(gateway) as c:
        commands = [row["command"] for row in rows(c, "HELP")]
        for name in ["SHOW CACHE", "SHOW CACHE_MISSES", "SHOW CACHE_ENTRIES", "FLUSH CACHE",
                     "FLUSH CACHE TAG t", "FLUSH CACHE TABLE t", "FLUSH CACHE PREFIX p",
                     "EXPLAIN CACHE [ON db] statement"]:
            assert name in commands


# ---- configuration ----

CONFIG = """
databases:
  app: {{dsn: "sqlite:{path}"}}
cache:
  enabled: {enabled}
  policy: {policy}
  rules: {rules}
"""


def configured(path, enabled="true", policy="s3-fifo", rules="[]"):
    return CONFIG.format(path=path / "app.db", enabled=enabled, policy=policy, rules=rules)


def reload(gateway, tmp_path, text):
    before = gateway.stderr().count("configuration reloaded")
    (tmp_path / "weir0.yaml").write_text(text)
    os.kill(gateway.pid, signal.SIGHUP)
    wait_until(lambda: gateway.stderr().count("configuration reloaded") > before)


def test_cache_that_is_off_keeps_nothing_until_it_is_on(weir, tmp_path):
    gateway = weir(config=configured(tmp_path, enabled="false"))
    with console(gateway) as c, gateway.connect() as db:
        fill(db)
        for _ in range(5):
            ask(db)
        assert figures(c)[0]["entries"] == 0 and figures(c)[0]["hits"] == 0
        assert explain(c, "SELECT 1") == ["cached: no, cache.enabled is false"]
        reload(gateway, tmp_path, configured(tmp_path))
        warm(c, db)
        reload(gateway, tmp_path, configured(tmp_path, enabled="false"))
        assert not is_cached(c, db)


def test_reload_applies_rules_and_says_what_needs_a_restart(weir, tmp_path):
    gateway = weir(config=configured(tmp_path))
    with console(gateway) as c, gateway.connect() as db:
        fill(db)
        warm(c, db)
        reload(gateway, tmp_path,
               configured(tmp_path, policy="lru", rules="[{table: T, cache: false}]"))
        assert "changed setting needs a restart" in gateway.stderr()
        assert "key=cache.policy" in gateway.stderr()
        assert "key=cache.rules" not in gateway.stderr()
        assert not is_cached(c, db) and not is_cached(c, db)
        found = {row["reason"]: row["count"] for row in rows(c, "CACHE_MISSES")}
        assert found["rule"] >= 2
        shown = {row["key"]: row for row in rows(c, "CONFIG")}
        assert shown["cache.rules"]["value"] == '[{table: "T", cache: false}]'
        reload(gateway, tmp_path, configured(tmp_path, policy="lru"))
        warm(c, db)


def test_reload_of_other_settings_keeps_the_answers(weir, tmp_path):
    gateway = weir(config=configured(tmp_path))
    with console(gateway) as c, gateway.connect() as db:
        fill(db)
        warm(c, db)
        reload(gateway, tmp_path, configured(tmp_path) + "log: {slow: 1h}\n")
        assert is_cached(c, db)


def test_rules_give_a_time_to_live_and_tags(weir, tmp_path):
    gateway = weir(config=configured(tmp_path, rules="[{user: w*, ttl: 1h, tags: [mine]}]"))
    with console(gateway) as c, gateway.connect() as db:
        fill(db)
        warm(c, db)
        found = next(row for row in rows(c, "CACHE_ENTRIES") if row["rows"] == 1)
        assert 3000 < found["expires_seconds"] <= 3600
        lines = explain(c, "SELECT v FROM t WHERE id = 1")
        assert "tag: mine" in lines and "3600000 ms" in lines[0]
        c.execute("FLUSH CACHE TAG mine")
        assert not is_cached(c, db)


# ---- metrics ----

def test_metrics_have_every_family_from_the_start(gateway):
    found = metrics(gateway)
    for name in ['weir_cache_hits_total{tier="memory"}', 'weir_cache_misses_total{reason="absent"}',
                 'weir_cache_misses_total{reason="volatile"}', 'weir_cache_entries{tier="memory"}',
                 'weir_cache_bytes{tier="memory"}', "weir_cache_enabled",
                 'weir_cache_evictions_total{tier="memory",reason="evicted"}',
                 'weir_cache_invalidations_total{source="commit"}',
                 'weir_cache_invalidations_total{source="others"}',
                 'weir_cache_invalidations_total{source="hand"}',
                 "weir_cache_flights_total", "weir_cache_flights_joined_total"]:
        assert name in found, name
    assert not any('reason="none"' in name for name in found)


def test_metrics_follow_what_happens(gateway):
    with console(gateway) as c, gateway.connect() as db:
        fill(db)
        warm(c, db)
        c.execute("FLUSH CACHE")
        before = metrics(gateway)
        warm(c, db)
        db.execute("UPDATE t SET v = 'new' WHERE id = 1")
        assert ask(db) == [("new",)]
        after = metrics(gateway)

    def grew(name):
        return after[name] > before[name]

    assert grew('weir_cache_hits_total{tier="memory"}')
    assert grew('weir_cache_misses_total{reason="changed"}')
    assert grew('weir_cache_evictions_total{tier="memory",reason="changed"}')
    assert grew('weir_cache_invalidations_total{source="commit"}')
    assert before['weir_cache_invalidations_total{source="hand"}'] == 1
    assert 0 <= after['weir_cache_staleness_seconds{database="app"}'] < 10
    assert 0 < after['weir_cache_slots_used_ratio{database="app"}'] < 0.01
    assert after['weir_memory_bytes{owner="cache"}'] > 0
    assert after['weir_queries_total{database="app",kind="read",target="cache"}'] > 0


def test_commits_of_another_process_are_counted(gateway, tmp_path):
    with console(gateway) as c, gateway.connect() as db:
        fill(db)
        warm(c, db)
        before = figures(c)[1]["app"]
        other = sqlite3.connect(tmp_path / "app.db", timeout=20)
        with other:
            other.execute("UPDATE t SET v = 'by another' WHERE id = 1")
        other.close()
        wait_until(lambda: figures(c)[1]["app"]["other_commits"] > before["other_commits"])
        now = figures(c)[1]["app"]
        assert now["floors"] > before["floors"] and now["commits"] == before["commits"]
        counted = metrics(gateway)['weir_cache_invalidations_total{source="others"}']
        assert counted == now["other_commits"]
        assert ask(db) == [("by another",)]


def test_the_api_shows_the_same(gateway):
    with console(gateway) as c, gateway.connect() as db:
        fill(db)
        warm(c, db)
        host, _, port = gateway.admin.rpartition(":")
        connection = http.client.HTTPConnection(host, int(port), timeout=20)
        connection.request("GET", "/api/cache.json")
        data = json.loads(connection.getresponse().read())
        connection.close()
        assert data["rows"][0]["database"] == "(all)" and data["rows"][0]["hits"] >= 1
        assert data["rows"][1]["entries"] is None
