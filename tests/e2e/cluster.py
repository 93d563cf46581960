"""PostgreSQL clusters without initdb's second of work: one is kept in build/, the others are its
copies, each with a system identifier of its own, as if initdb had made it."""

import functools
import hashlib
import os
import pathlib
import secrets
import shutil
import struct
import subprocess

BUILD = pathlib.Path(__file__).resolve().parents[2] / "build"
INITDB = ["-U", "postgres", "--auth=trust", "--no-sync", "--no-instructions", "-E", "UTF8",
          "--locale=C.UTF-8"]
IDENTITY_IN_SEGMENT = 24  # XLogLongPageHeaderData.xlp_sysid


def make(server):
    """The files of a new cluster, as support.Postgres wants them."""
    kept = BUILD / f"cluster-{os.geteuid()}-{fingerprint(server.bin / 'postgres')}"
    if kept.exists():
        copy(kept, server.data)
        give_identity(server.data)
        return
    server.run("initdb", "-D", server.data, *INITDB)
    BUILD.mkdir(exist_ok=True)
    beside = BUILD / f"{kept.name}.{secrets.token_hex(4)}"
    copy(server.data, beside)
    try:
        beside.rename(kept)
    except OSError:  # another process was first
        shutil.rmtree(beside)


@functools.cache
def fingerprint(postgres):
    done = subprocess.run([postgres, "--version"], check=True, capture_output=True)
    return hashlib.sha256(done.stdout + " ".join(INITDB).encode()).hexdigest()[:12]


def copy(source, to):
    subprocess.run(["cp", "-a", source, to], check=True, timeout=120)


def give_identity(data):
    """It stands in pg_control, before that one's checksum, and in the only segment of WAL."""
    control = bytearray((data / "global/pg_control").read_bytes())
    end = checksum_at(control)
    control[:8] = struct.pack("=Q", secrets.randbits(63))
    control[end:end + 4] = struct.pack("=I", crc32c(control[:end]))
    (data / "global/pg_control").write_bytes(control)
    with (data / "pg_wal/000000010000000000000001").open("r+b") as segment:
        segment.seek(IDENTITY_IN_SEGMENT)
        segment.write(control[:8])


def checksum_at(control):
    """Where the checksum of all before it is; that differs between versions."""
    return next(n for n in range(200, len(control) - 4)
                if control[n:n + 4] == struct.pack("=I", crc32c(control[:n])))


def crc32c(data):
    crc = 0xffffffff
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82f63b78 if crc & 1 else 0)
    return crc ^ 0xffffffff
