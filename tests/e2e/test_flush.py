"""Replies that Weir gives in the server's stead come when the server's would have: not before the
client flushes or syncs, and not after."""

import select

from support import Wire, kinds, message

PARSE = message(b"P", b"mine\0SELECT 1\0\0\0")
FLUSH, SYNC = message(b"H"), message(b"S")


def close_statement(name):
    return message(b"C", b"S" + name + b"\0")


def quiet(wire, seconds=0.2):
    return not wire.bytes and not select.select([wire.socket], [], [], seconds)[0]


def test_a_known_statement_is_parsed_when_flushed(weir, postgres):
    gateway = weir(postgres.dsn(), settings={"pool.min_size": 1, "pool.max_size": 1})
    with Wire(gateway) as first, Wire(gateway) as second:
        first.send(PARSE, SYNC)
        assert kinds(first.until(b"Z")) == "1Z"
        second.send(PARSE)
        assert quiet(second)
        second.send(FLUSH)
        assert kinds(second.until(b"1")) == "1"
        second.send(close_statement(b"mine"), FLUSH)
        assert kinds(second.until(b"3")) == "3"
        second.send(SYNC)
        assert kinds(second.until(b"Z")) == "Z"


def test_replies_of_ours_keep_their_place_among_the_servers(weir, postgres):
    gateway = weir(postgres.dsn(), settings={"pool.min_size": 1, "pool.max_size": 1})
    bind = message(b"B", b"\0mine\0" + b"\0" * 6)
    execute = message(b"E", b"\0" + b"\0" * 4)
    with Wire(gateway) as wire:
        wire.send(PARSE, SYNC)
        wire.until(b"Z")
        wire.send(close_statement(b"mine") * 12, PARSE, bind, execute, close_statement(b"mine"),
                  SYNC)
        assert kinds(wire.until(b"Z")) == "3" * 12 + "12DC3Z"


def test_replies_to_a_client_that_left_go_to_nobody(weir, postgres):
    gateway = weir(postgres.dsn(), settings={"pool.min_size": 1, "pool.max_size": 1})
    with Wire(gateway) as first:
        first.send(PARSE, SYNC)
        first.until(b"Z")
    for _ in range(3):
        with Wire(gateway) as leaver:
            leaver.send(PARSE)
            assert quiet(leaver, 0.1)
        with Wire(gateway) as other:
            assert kinds(other.query("SELECT 1")) == "TDCZ"
