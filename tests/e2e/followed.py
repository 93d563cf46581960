"""A PostgreSQL server that was set up for the cache, a database of one's own on it behind a
gateway, and a way around the gateway."""

import contextlib
import subprocess

from support import BINARY, Postgres, clean_environment, console, rows, wait_until

KEPT = "SELECT v FROM t WHERE id = {}"

SCHEMA = """
CREATE TABLE t (id int PRIMARY KEY, owner int, v text);
INSERT INTO t SELECT g, g % 10, 'v' || g FROM generate_series(1, 1000) g;
CREATE TABLE child (id int PRIMARY KEY, t int REFERENCES t ON DELETE CASCADE ON UPDATE CASCADE);
INSERT INTO child SELECT g, g FROM generate_series(900, 910) g;
CREATE TABLE log (id serial PRIMARY KEY, what text);
CREATE TABLE watched (id int PRIMARY KEY, v text);
INSERT INTO watched VALUES (1, 'a');
CREATE FUNCTION write_log() RETURNS trigger LANGUAGE plpgsql AS
    $$BEGIN INSERT INTO log (what) VALUES (new.v); RETURN NULL; END$$;
CREATE TRIGGER write_log AFTER UPDATE ON watched FOR EACH ROW EXECUTE FUNCTION write_log();
CREATE VIEW owners AS SELECT owner, count(*) AS n FROM t GROUP BY owner;
CREATE FUNCTION poke(i int) RETURNS int LANGUAGE plpgsql AS
    $$BEGIN UPDATE t SET v = 'poked' WHERE id = i; RETURN i; END$$;
CREATE SCHEMA other;
CREATE TABLE other.t (id int PRIMARY KEY, v text);
INSERT INTO other.t VALUES (1, 'other');
GRANT ALL ON ALL TABLES IN SCHEMA public, other TO PUBLIC;
GRANT USAGE ON SCHEMA other TO PUBLIC;
"""


def set_up(server, name):
    subprocess.run([BINARY, "setup", server.dsn(name)], check=True, capture_output=True,
                   env=clean_environment(), timeout=60)


@contextlib.contextmanager
def primary_and_standby():
    """A primary that was set up, and a streaming standby that replays when it is told to."""
    primary = Postgres(wal_level="logical")
    standby = None
    try:
        primary.start()
        with primary.connect() as db:
            db.execute(SCHEMA)
        set_up(primary, "postgres")
        standby = primary.replica().start()
        yield primary, standby
    finally:
        if standby:
            standby.remove()
        primary.remove()


def is_followed(gateway):
    with console(gateway) as db:
        return any(r["followed"] == 1 and r["looked_ms_ago"] is not None
                   for r in rows(db, "CACHE") if r["database"] != "(all)")


class Front:
    """A gateway on a database of its own that is followed, and a way around it."""

    def __init__(self, gateway, server, name):
        self.gateway, self.direct = gateway, server.connect(name)
        self.server, self.name = server, name

    def hits(self):
        with console(self.gateway) as db:
            return sum(r["hits"] for r in rows(db, "CACHE") if r["database"] == "(all)")

    def is_hit(self, run):
        before = self.hits()
        run()
        return self.hits() > before

    def until_hit(self, run):
        """Runs it until its answer comes from the cache."""
        wait_until(lambda: self.is_hit(run))


@contextlib.contextmanager
def following_server(**settings):
    with Postgres(wal_level="logical", **settings) as postgres:
        with postgres.connect() as db:
            db.execute("CREATE ROLE reader")
            db.execute("CREATE ROLE writer LOGIN SUPERUSER")
        yield postgres


@contextlib.contextmanager
def front_of(weir, server, **settings):
    """A gateway on a new database with SCHEMA, which is followed."""
    name = f"cache{server.names}"
    server.names += 1
    with server.connect() as db:
        db.execute(f"CREATE DATABASE {name} STRATEGY file_copy")
    with server.connect(name) as db:
        db.execute(SCHEMA)
    set_up(server, name)
    gateway = weir(server.dsn(name), settings={"cache.bound": "2s", "catalog.poll": "1s",
                                               **settings})
    gateway.connect().close()
    f = Front(gateway, server, name)
    wait_until(lambda: is_followed(gateway))
    yield f
    f.direct.close()
