"""Replies of the server that are large and that Weir reads as a whole (HAZARDS, protocol 17)."""

import struct

import psycopg
import pytest

from support import Wire, kinds, message

PARAMETERS = 32767


def test_an_error_of_several_megabytes_arrives_whole(weir, postgres):
    gateway = weir(postgres.dsn(postgres.database()))
    with gateway.connect() as db:
        with pytest.raises(psycopg.errors.RaiseException) as caught:
            db.execute("DO $$BEGIN RAISE EXCEPTION '%', repeat('x', 3000000); END$$")
        assert caught.value.diag.message_primary == "x" * 3000000
        assert db.execute("SELECT 1").fetchone() == (1,)


def test_a_statement_of_very_many_parameters_is_described(weir, postgres):
    gateway = weir(postgres.dsn(postgres.database()))
    sql = "SELECT 1 WHERE 1 IN (" + ",".join(f"${i + 1}::int" for i in range(PARAMETERS)) + ")"
    with Wire(gateway) as wire:
        wire.send(message(b"P", b"\0" + sql.encode() + b"\0\0\0"), message(b"D", b"S\0"),
                  message(b"S"))
        got = wire.until(b"Z")
        assert kinds(got) == "1tTZ"
        assert struct.unpack("!H", got[1][1][:2]) == (PARAMETERS,)
