"""The suites, in the order in which they run."""

from suites import embedded, go, java, node, python, regress

SUITES = {suite.name: suite for suite in (
    python.Psycopg3(), python.Psycopg2(), python.Asyncpg(), node.NodePostgres(), go.Pgx(),
    java.Pgjdbc(), regress.Regress(), embedded.Embedded())}
