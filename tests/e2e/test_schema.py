"""Which relations' answers may be kept, and why not: as a real server's catalog says, in SHOW
CATALOG. notes/cache-rule-proofs.md rows 3, 19 to 23, 38; HAZARDS "Caching"."""

import subprocess

from support import BINARY, console, rows, wait_until

SCHEMA = """
CREATE SCHEMA app;
CREATE TABLE app.sound (id int PRIMARY KEY, mail text,
  twice int GENERATED ALWAYS AS (id * 2) STORED);
CREATE TABLE app.whole_row (a int);
ALTER TABLE app.whole_row REPLICA IDENTITY FULL;
CREATE TABLE app.by_index (a int NOT NULL UNIQUE);
ALTER TABLE app.by_index REPLICA IDENTITY USING INDEX by_index_a_key;
CREATE TABLE app.keyless (a int);
CREATE TABLE app.deferred (a int PRIMARY KEY DEFERRABLE);
CREATE TABLE app.apart (id int PRIMARY KEY);
CREATE TABLE app.filtered (id int PRIMARY KEY);
CREATE TABLE app.columns (id int PRIMARY KEY, b int);
CREATE TABLE app.secret (id int PRIMARY KEY);
ALTER TABLE app.secret ENABLE ROW LEVEL SECURITY;
CREATE UNLOGGED TABLE app.quick (id int PRIMARY KEY);
CREATE MATERIALIZED VIEW app.result AS SELECT 1 AS a;
CREATE TABLE app.parts (id int PRIMARY KEY) PARTITION BY RANGE (id);
CREATE TABLE app.part_1 PARTITION OF app.parts FOR VALUES FROM (0) TO (10);
CREATE TABLE app.parts_ill (id int PRIMARY KEY) PARTITION BY RANGE (id);
CREATE UNLOGGED TABLE app.part_ill PARTITION OF app.parts_ill FOR VALUES FROM (0) TO (10);
CREATE FUNCTION app.evil(a int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1';
CREATE VIEW app.v_good AS SELECT s.id, upper(mail) AS m, to_char(id, '9') AS t,
  count(*) OVER () AS n FROM app.sound s JOIN app.parts p USING (id)
  WHERE s.id = ANY ('{1,2}') AND CASE WHEN s.id > 1
  THEN mail LIKE 'a%' ELSE coalesce(mail, '') <> '' END;
CREATE VIEW app.v_outer AS WITH w AS (SELECT id FROM app.v_good) SELECT w.id, (SELECT max(a) FROM
  app.whole_row) AS m, ARRAY[1, 2] AS a, nullif(w.id, 1) AS n, greatest(w.id, 2) AS g,
  w.id::text AS t FROM w WHERE EXISTS (SELECT FROM app.by_index)
  UNION SELECT 1, 2, NULL, 3, 4, 'x' ORDER BY 1 LIMIT 3;
CREATE VIEW app.v_plain AS SELECT id::float8 AS id FROM app.parts;
CREATE VIEW app.v_now AS SELECT now(), id FROM app.sound;
CREATE VIEW app.v_today AS SELECT id FROM app.sound WHERE current_date > '2000-01-01';
CREATE VIEW app.v_evil AS SELECT app.evil(id) FROM app.sound;
CREATE VIEW app.v_sample AS SELECT id FROM app.sound TABLESAMPLE system (10);
CREATE VIEW app.v_names AS SELECT 'pg_class'::regclass::text AS n, id FROM app.sound;
CREATE VIEW app.v_system AS SELECT relname FROM pg_class;
CREATE VIEW app.v_secret AS SELECT id FROM app.secret;
"""

PUBLICATION = """
CREATE PUBLICATION weir FOR TABLE app.sound, app.whole_row, app.by_index, app.keyless, app.deferred,
  app.filtered WHERE (id > 1), app.columns (id), app.secret, app.parts, app.parts_ill;
"""

KEPT = {"sound", "whole_row", "by_index", "parts", "part_1", "v_good", "v_outer", "v_plain"}
NOT_KEPT = {
    "keyless": "replica identity", "deferred": "replica identity",
    "apart": "not in the publication",
    "filtered": "in parts", "columns": "in parts", "secret": "row-level security",
    "quick": "unlogged", "result": "materialized", "parts_ill": "app.part_ill is unlogged",
    "part_ill": "unlogged", "v_now": "pg_catalog.now", "v_today": "SQLVALUEFUNCTION",
    "v_evil": "app.evil", "v_sample": "TABLESAMPLECLAUSE", "v_names": "regclass",
    "v_system": None, "v_secret": "app.secret has row-level security",
}


def catalog(gateway):
    with console(gateway) as c:
        return rows(c, "CATALOG")


def facts(gateway, item):
    return {r["name"]: r for r in catalog(gateway) if r["item"] == item}


def not_kept(gateway):
    return {name.removeprefix("app."): r["value"] for name, r in facts(gateway, "not kept").items()}


def start(weir, postgres, schema, **settings):
    name = postgres.database()
    with postgres.connect(name) as db:
        db.execute(schema)
    gateway = weir(postgres.dsn(name), settings=settings)
    with gateway.connect(dbname=name) as db:
        db.execute("SELECT 1")
        wait_until(lambda: facts(gateway, "schema"))
    return gateway, name


def test_every_kind_of_relation_is_kept_or_refused_with_its_reason(weir, postgres):
    gateway, _ = start(weir, postgres, SCHEMA + PUBLICATION)
    refused = not_kept(gateway)
    assert not KEPT & refused.keys(), refused
    for name, words in NOT_KEPT.items():
        if words:
            assert words in refused[name], (name, refused)
    assert facts(gateway, "schema")["publication"]["value"] == "weir"
    assert facts(gateway, "schema")["event trigger"]["value"] == "no"


def test_without_a_publication_nothing_is_kept(weir, postgres):
    gateway, _ = start(weir, postgres, SCHEMA)
    assert "there is no publication" in not_kept(gateway)["sound"]
    assert "there is no publication" in not_kept(gateway)["v_good"]


def test_changes_by_others_are_seen_by_the_poll(weir, postgres):
    """Row 22: row security, a publication's tables, a view's body."""
    gateway, name = start(weir, postgres, SCHEMA + PUBLICATION, **{"catalog.poll": "1s"})
    for sql, relation in [
            ("ALTER TABLE app.sound ENABLE ROW LEVEL SECURITY", "sound"),
            ("ALTER PUBLICATION weir DROP TABLE app.whole_row", "whole_row"),
            ("CREATE OR REPLACE VIEW app.v_plain AS SELECT random() AS id FROM app.parts",
             "v_plain"),
            ("ALTER TABLE app.by_index REPLICA IDENTITY NOTHING", "by_index")]:
        assert relation not in not_kept(gateway)
        with postgres.connect(name) as db:
            db.execute(sql)
        wait_until(lambda r=relation: r in not_kept(gateway))


def test_what_a_function_or_trigger_writes_unseen_is_told(postgres):
    """DESIGN section 5: effects that are not fully known are bumped and fenced."""
    name = postgres.database()
    with postgres.connect(name) as db:
        db.execute("""
CREATE TABLE log (a int); CREATE TABLE audited (id int);
CREATE TABLE stamped (id int, at timestamptz);
CREATE TABLE ruled (id int); CREATE TABLE plain (id int);
CREATE FUNCTION writes() RETURNS int LANGUAGE sql AS 'INSERT INTO log VALUES (1); SELECT 1';
CREATE FUNCTION calls() RETURNS int LANGUAGE plpgsql AS 'BEGIN RETURN writes(); END';
CREATE FUNCTION atomic() RETURNS void BEGIN ATOMIC INSERT INTO log VALUES (1); END;
CREATE FUNCTION reads() RETURNS bigint LANGUAGE sql AS 'SELECT count(*) FROM log';
CREATE FUNCTION audit() RETURNS trigger LANGUAGE plpgsql AS
  'BEGIN INSERT INTO log VALUES (1); RETURN NEW; END';
CREATE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS
  'BEGIN NEW.at := now(); RETURN NEW; END';
CREATE TRIGGER t AFTER INSERT ON audited FOR EACH ROW EXECUTE FUNCTION audit();
CREATE TRIGGER t BEFORE INSERT ON stamped FOR EACH ROW EXECUTE FUNCTION stamp();
CREATE RULE r AS ON INSERT TO ruled DO ALSO INSERT INTO log VALUES (1);
""")
    beyond = {"SELECT writes()": True, "SELECT calls()": True, "SELECT atomic()": True,
              "SELECT reads()": False, "INSERT INTO audited VALUES (1)": True,
              "INSERT INTO stamped VALUES (1)": False, "INSERT INTO ruled VALUES (1)": True,
              "INSERT INTO plain VALUES (1)": False, "SELECT * FROM audited": False,
              "SELECT query_to_xml('x', true, true, '')": True}
    for sql, expected in beyond.items():
        done = subprocess.run([BINARY, "explain", sql, postgres.dsn(name)], capture_output=True,
                              text=True, timeout=60, check=True)
        assert ("beyond" in done.stdout) == expected, done.stdout
