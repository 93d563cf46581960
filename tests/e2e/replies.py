"""Replies as bytes, for tests that compare what two ways of asking give: requests of both
protocols, a client that gets each reply whole, and when two replies say the same.

A parameter has `oid` and `text`, as cases.Literal."""

import datetime
import struct
import uuid

from support import Wire, message

CHUNK = 64  # replies that may be owed at once
ABORTED = b"E25P02"
EPOCH = datetime.datetime(2000, 1, 1, tzinfo=datetime.timezone.utc)


def microseconds(text):
    since = datetime.datetime.fromisoformat(text) - EPOCH
    return (since.days * 86400 + since.seconds) * 1000000 + since.microseconds


BINARY = {16: lambda t: struct.pack("!?", t == "t"), 20: lambda t: struct.pack("!q", int(t)),
          21: lambda t: struct.pack("!h", int(t)), 23: lambda t: struct.pack("!i", int(t)),
          701: lambda t: struct.pack("!d", float(t)),
          1082: lambda t: struct.pack("!i", (datetime.date.fromisoformat(t) - EPOCH.date()).days),
          1184: lambda t: struct.pack("!q", microseconds(t)),
          2950: lambda t: uuid.UUID(t).bytes}


def query_message(sql):
    return message(b"Q", sql.encode() + b"\0")


def parse_message(sql, params, name=b""):
    types = b"".join(struct.pack("!I", p.oid) for p in params)
    return message(b"P", name + b"\0" + sql.encode() + b"\0" + struct.pack("!H", len(params))
                   + types)


def run_message(params, binary_results, binary_params, name=b"", describe=True):
    """Bind, Describe, Execute and Sync."""
    formats, values = b"", b""
    for p in params:
        binary = binary_params and p.oid in BINARY
        value = BINARY[p.oid](p.text) if binary else p.text.encode()
        formats += struct.pack("!H", int(binary))
        values += struct.pack("!I", len(value)) + value
    count = struct.pack("!H", len(params))
    bind = (b"\0" + name + b"\0" + count + formats + count + values
            + struct.pack("!HH", 1, int(binary_results)))
    return (message(b"B", bind) + (message(b"D", b"P\0") if describe else b"")
            + message(b"E", b"\0" + struct.pack("!I", 0)) + message(b"S"))


def extended_message(sql, params, binary_results, binary_params):
    """Parse, Bind, Describe, Execute and Sync."""
    return parse_message(sql, params) + run_message(params, binary_results, binary_params)


class Pipe(Wire):
    """A client that sends many messages at once and gets each one's reply as its bytes."""

    def exchange(self, messages):
        replies = []
        for start in range(0, len(messages), CHUNK):
            part = messages[start:start + CHUNK]
            self.send(*part)
            replies += [self.reply() for _ in part]
        return replies

    def reply(self):
        """The bytes up to and with the next ReadyForQuery."""
        end = 0
        while True:
            while len(self.bytes) >= end + 5:
                size = int.from_bytes(self.bytes[end + 1:end + 5], "big") + 1
                if len(self.bytes) < end + size:
                    break
                last = self.bytes[end] == ord("Z")
                end += size
                if last:
                    whole, self.bytes = self.bytes[:end], self.bytes[end:]
                    return whole
            more = self.socket.recv(1 << 18)
            assert more, f"the gateway hung up after {self.bytes[:200]!r}"
            self.bytes += more


def split(reply):
    """The messages of a reply."""
    got, at = [], 0
    while at < len(reply):
        end = at + int.from_bytes(reply[at + 1:at + 5], "big") + 1
        got.append(reply[at:end])
        at = end
    return got


def failed(reply):
    return any(m[:1] == b"E" for m in split(reply))


def framing(messages):
    """Everything but rows; of an error its SQLSTATE, since the hint moves positions."""
    return [b"E" + m.split(b"\0C")[1][:5] if m[:1] == b"E" else m
            for m in messages if m[:1] != b"D"]


def same(cached, truth, total):
    if cached == truth:
        return True
    ours, theirs = split(cached), split(truth)
    if ABORTED in framing(theirs) and failed(cached):
        return True  # inside a transaction, which the first of the two aborted
    if framing(ours) != framing(theirs):
        return False
    rows = [m for m in ours if m[:1] == b"D"], [m for m in theirs if m[:1] == b"D"]
    return not total and sorted(rows[0]) == sorted(rows[1])
