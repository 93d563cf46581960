"""Applications that know nothing of Weir: SQLAlchemy's ORM and Django's as they come, 95 requests
that read to 5 that write, through Weir. What they read must be what the server has, and most of it
from memory: of SQLAlchemy's reads 93 % in a run of some thousands of requests. Django's pages join
users into most of what they read, so that each change of a user forgets it: 77 %.

WEIR_ORM_REQUESTS: how many after those that fill the cache (300)."""

import os

import pytest

from cached import metrics
from followed import is_followed, set_up
from forum import PAGES, WRITES
from support import RELEASE_BINARY, Postgres, wait_until

REQUESTS = int(os.environ.get("WEIR_ORM_REQUESTS", "300"))


@pytest.fixture(scope="module")
def server():
    with Postgres(wal_level="logical") as postgres:
        yield postgres


def reads(gateway):
    """From memory, and in all."""
    now = metrics(gateway)
    hits = sum(v for k, v in now.items() if k.startswith("weir_cache_hits_total"))
    sent = sum(v for k, v in now.items() if k.startswith("weir_queries_total")
               and 'kind="read"' in k and 'target="cache"' not in k)
    return hits, hits + sent


def misses(gateway):
    return {k.split('"')[1]: v for k, v in metrics(gateway).items()
            if k.startswith("weir_cache_misses_total") and v}


def front_of(weir, server, name):
    """A gateway that follows the database."""
    set_up(server, name)
    gateway = weir(server.dsn(name), settings={"cache.bound": "5s"},
                   binary=RELEASE_BINARY)
    gateway.connect().close()
    wait_until(lambda: is_followed(gateway))
    return gateway


def visit(gateway, visitors, direct, rate_min):
    kinds = WRITES[0] * 3  # the first of its kind is not understood, and forgets everything
    wait_until(lambda: visitors.page("front_page") and reads(gateway)[0] > 10, every=0.1)
    for kind in kinds:
        visitors.write(kind)
    for _ in range(REQUESTS):
        visitors.request()
    hits, total = reads(gateway)
    missed = misses(gateway)
    for _ in range(REQUESTS):
        visitors.request()
    hits_after, total_after = reads(gateway)
    rate = (hits_after - hits) / (total_after - total)
    missed = {k: int(v - missed.get(k, 0)) for k, v in misses(gateway).items()}
    print(f"\n{visitors.requests} requests, {visitors.writes} of them writes; {total_after:.0f} "
          f"reads; of the latter half {100 * rate:.1f} % from memory; the others: {missed}")
    visitors.rng.seed(3)
    direct.rng.seed(3)
    for page in PAGES[0] * 25:
        assert visitors.page(page) == direct.page(page), page
    visitors.close()
    direct.close()
    assert rate > rate_min


@pytest.mark.seconds(240)
def test_sqlalchemy_is_answered_from_memory(weir, server):
    sqlalchemy = pytest.importorskip("sqlalchemy")
    import forum_sqlalchemy as forum
    name = server.database()
    direct = f"postgresql://postgres@127.0.0.1:{server.port}/{name}"
    engine = sqlalchemy.create_engine(direct)
    forum.fill(engine)
    engine.dispose()
    gateway = front_of(weir, server, name)
    visit(gateway, forum.Visitors(f"postgresql://weir@127.0.0.1:{gateway.port}/app", 1),
          forum.Visitors(direct, 2), 0.7)


@pytest.mark.seconds(240)
def test_django_is_answered_from_memory(weir, server):
    pytest.importorskip("django")
    import forum_django as forum
    name = server.database()
    forum.open_forum("direct", server.port, name, "postgres")
    forum.fill("direct")
    gateway = front_of(weir, server, name)
    forum.open_forum("through", gateway.port, "app", "weir")
    visit(gateway, forum.Visitors("through", 1), forum.Visitors("direct", 2), 0.4)
