"""What dialect.py makes statements of: the tables, and literals, columns and types by the kind of
their values."""

import dataclasses

SCHEMA = [
    """CREATE TABLE owners (id SERIAL PRIMARY KEY, name TEXT NOT NULL UNIQUE,
       rank INTEGER DEFAULT 3 CHECK (rank > 0), since DATE)""",
    """CREATE TABLE items (id INTEGER PRIMARY KEY, s SMALLINT, i INTEGER, b BIGINT,
       f DOUBLE PRECISION, n NUMERIC(10,2), t TEXT, v VARCHAR(8), ok BOOLEAN, d DATE,
       ts TIMESTAMP, tz TIMESTAMPTZ, u UUID, j JSONB, raw BYTEA,
       owner INTEGER REFERENCES owners (id), r REAL)""",
    """CREATE TABLE pairs (a INTEGER NOT NULL, b TEXT NOT NULL, c INTEGER DEFAULT 7,
       PRIMARY KEY (a, b))""",
    "INSERT INTO owners (name, rank, since) VALUES ('ann', 1, '2020-01-31'), "
    "('Bob', 2, '2021-02-28'), ('cid', 2, NULL), ('dörte', 5, '1999-12-31')",
    """INSERT INTO items VALUES
 (1, 1, 10, 100, 1.5, 1.50, 'abc', 'abc', true, '2024-01-31', '2024-01-31 10:20:30',
  '2024-01-31 10:20:30+00', '11111111-2222-3333-4444-555555555555', '{"a": 1, "b": [1, 2]}',
  '\\x00ff', 1, 0.1),
 (2, -2, -7, 9007199254740993, -0.25, -12.34, 'ABC', 'x', false, '2023-12-31',
  '2023-12-31 23:59:59.5', '2023-12-31 23:59:59+00', NULL, '{"a": "x", "c": null}', '\\x', 2,
  1234567),
 (3, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
  NULL),
 (4, 32767, 2147483647, 9223372036854775807, 1e100, 99999999.99, '', '', true, '2024-02-29',
  '2024-02-29 00:00:00', '2024-02-29 12:00:00+02', '00000000-0000-0000-0000-000000000000', '[]',
  '\\x616263', 2, 3.4e38),
 (5, 0, 0, 0, 0, 0, 'a_c', '  pad ', false, '1999-02-28', '1999-02-28 08:00:00',
  '1999-02-28 08:00:00-05', 'ffffffff-ffff-ffff-ffff-ffffffffffff', '[1, "two", {"k": true}]',
  NULL, NULL, 0),
 (6, 7, 42, -5, 2.5, 2.50, 'größe 50%', 'Zz', NULL, '2024-01-31', '2024-01-31 10:20:31',
  '2024-06-30 23:30:00+00', NULL, '5', '\\x00', 4, -2.5),
 (7, 7, 42, 3, 3.5, 0.10, 'abc', 'zz', true, '2000-01-01', '2000-01-01 00:00:00', NULL, NULL,
  '"text"', '\\x01', 3, 16777217)""",
    "INSERT INTO pairs VALUES (1, 'x', 1), (1, 'y', 2), (2, 'x', 7), (3, 'Z', NULL)",
    """CREATE VIEW seen (a, b, n, t, w, j, d, iv, ok) AS SELECT x.id, x.s, x.n, x.v, x.n * o.rank,
       x.j, x.d, x.tz - '2000-01-01'::timestamptz, x.ok FROM items x LEFT JOIN owners o
       ON x.owner = o.id""",
    "CREATE VIEW summed AS SELECT owner AS a, count(*) AS b, max(n) AS n FROM items GROUP BY owner "
    "UNION ALL SELECT a, c, 1.5 FROM pairs",
]
TABLES = {"items": "id", "owners": "id", "pairs": "a, b"}

# Columns of `items` by the kind of value.
COLUMNS = {"int": ["id", "s", "i", "b", "owner"], "float": ["f"], "real": ["r"], "num": ["n"],
           "text": ["t", "v"],
           "bool": ["ok"], "date": ["d"], "ts": ["ts"], "tz": ["tz"], "uuid": ["u"],
           "json": ["j"], "bytes": ["raw"]}
LITERALS = {
    "int": ["0", "1", "2", "3", "-1", "7", "10", "42", "100", "2147483647", "-5"],
    "float": ["1.5::float8", "0::float8", "-2.25::float8", "2.5::float8", "1e10::float8"],
    "real": ["0.1::real", "1e7::float4", "-2.5::real", "'3.3'::real"],
    "num": ["1.5", "0.1", "2.50", "-3.7", "0.005", "10.00", "100.0"],
    "text": ["'abc'", "''", "'ABC'", "'a'", "'x y'", "'größe'", "'a%'", "E'it\\'s'", "'-'"],
    "bool": ["true", "false", "TRUE"],
    "date": ["'2024-01-31'::date", "DATE '2023-03-01'", "'2024-02-29'::date"],
    "ts": ["'2024-01-31 10:20:30'::timestamp", "TIMESTAMP '2023-03-01 00:00:01'"],
    "tz": ["'2024-01-31 10:20:30+00'::timestamptz", "'2024-07-01 12:00:00+02'::timestamptz"],
    "uuid": ["'11111111-2222-3333-4444-555555555555'::uuid"],
    "json": ["'{\"a\": 2}'::jsonb", "'[1,2]'::jsonb", "'null'::jsonb", "'1.50'::jsonb",
             "'1e2'::jsonb", "'[1.0, -0]'::jsonb", "'\"x\"'::jsonb"],
    "bytes": ["'\\x00ff'::bytea", "'\\x'::bytea"],
    "interval": ["interval '1 day'", "interval '1 month'", "interval '2 hours 30 minutes'",
                 "'1 year 2 days'::interval"],
}
KINDS = list(COLUMNS)
TABLE_COLUMNS = {"items": COLUMNS,
                 "owners": {"int": ["id", "rank"], "text": ["name"], "date": ["since"]},
                 "pairs": {"int": ["a", "c"], "text": ["b"]},
                 "seen": {"int": ["a", "b"], "num": ["n", "w"], "text": ["t"], "json": ["j"],
                          "date": ["d"], "interval": ["iv"], "bool": ["ok"]},
                 "summed": {"int": ["a", "b"], "num": ["n"]}}
CASTS = {"real": ["real", "float4"], "int": ["int", "int8", "smallint", "bigint", "integer"],
         "float": ["float8"],
         "num": ["numeric", "numeric(8,3)", "numeric(6,1)"], "text": ["text", "varchar(3)"],
         "bool": ["bool"], "date": ["date"], "ts": ["timestamp"], "tz": ["timestamptz"],
         "uuid": ["uuid"], "json": ["jsonb"], "bytes": ["bytea"]}


# Parameters as clients name them: OID and text.
NAMED = {"int": [(21, "7"), (23, "42"), (20, "5"), (20, "4294967296"), (23, "-1")],
         "float": [(701, "1.25"), (701, "-3")], "real": [(700, "0.1"), (700, "-2.5")],
         "num": [(1700, "1.5"), (1700, "-12.34")],
         "text": [(25, "abc"), (1043, "x"), (25, "")],
         "bool": [(16, "t"), (16, "false")], "date": [(1082, "2024-01-31"), (1082, "2000-1-1")],
         "ts": [(1114, "2024-01-31T10:20:30"), (1114, "2000-01-01 00:00:00")],
         "tz": [(1184, "2024-01-31 12:20:30+02"), (1184, "2024-06-30T23:30:00Z")],
         "uuid": [(2950, "11111111-2222-3333-4444-555555555555")],
         "json": [(3802, '{"a":1}')]}


@dataclasses.dataclass
class Statement:
    category: str
    sql: str
    params: tuple = ()       # texts, or (oid, text) or None
    ordered: bool = False    # rows come in an order that the statement fixes
    writes: str = ""         # the table that is compared afterwards
    binary: bool = False     # results in binary
    described: bool = False  # what Describe says is compared, too
