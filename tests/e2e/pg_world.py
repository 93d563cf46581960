"""A small shop on PostgreSQL for generated queries and writes: partitions, inheritance, views,
cascades, triggers, many types, and few enough values that keys are met again and again.

LINKS are the joins that mean something; POOLS the values that occur, by type or by column."""

from cases import Literal

SETUP = """
CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');
CREATE TABLE customers (id int PRIMARY KEY, name text NOT NULL, email text UNIQUE, region text,
    mood mood, tags text[], profile jsonb, credit numeric(12,2), since timestamptz, active bool,
    referrer int);
CREATE INDEX ON customers (region);
CREATE TABLE vips (level int, PRIMARY KEY (id)) INHERITS (customers);
CREATE TABLE products (id int PRIMARY KEY, sku text UNIQUE, name text, price numeric(12,2),
    attrs jsonb, sizes int[], parent int REFERENCES products ON DELETE SET NULL, weight float8);
CREATE TABLE orders (id bigint PRIMARY KEY, customer_id int REFERENCES customers ON DELETE CASCADE
    ON UPDATE CASCADE, placed timestamptz, status text, total numeric(12,2), note text)
    PARTITION BY RANGE (id);
CREATE TABLE orders_low PARTITION OF orders FOR VALUES FROM (0) TO (10);
CREATE TABLE orders_mid PARTITION OF orders FOR VALUES FROM (10) TO (20);
CREATE TABLE orders_rest PARTITION OF orders DEFAULT;
CREATE TABLE lines (order_id bigint REFERENCES orders ON DELETE CASCADE ON UPDATE CASCADE, no int,
    product_id int REFERENCES products ON DELETE CASCADE, quantity int, price numeric(12,2),
    PRIMARY KEY (order_id, no));
CREATE TABLE events (id bigint PRIMARY KEY, at timestamptz, customer_id int, payload jsonb,
    span interval, ip inet, u uuid, blob bytea, day date, small smallint, code char(4));
CREATE TABLE notes (customer_id int, body text);
ALTER TABLE notes REPLICA IDENTITY FULL;
CREATE TABLE unkeyed (customer_id int, body text);
CREATE VIEW open_orders AS SELECT o.id, c.name, o.total, o.customer_id FROM orders o
    JOIN customers c ON c.id = o.customer_id WHERE o.status = 'open';
CREATE VIEW customer_totals AS SELECT customer_id, count(*)::int AS n, sum(total) AS total
    FROM orders GROUP BY customer_id;
CREATE VIEW early_events AS SELECT id, customer_id, day, small FROM events WHERE id < 12;
CREATE FUNCTION close_orders(who int) RETURNS int LANGUAGE plpgsql AS $$ BEGIN
    UPDATE orders SET status = 'closed' WHERE customer_id = who;
    RETURN who;
END $$;
CREATE PROCEDURE raise_credit(who int) LANGUAGE plpgsql AS $$ BEGIN
    UPDATE customers SET credit = coalesce(credit, 0) + 1 WHERE id = who;
END $$;
"""

# What a statement changes beyond its own words.
TRIGGERS = """
CREATE FUNCTION add_up() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    UPDATE orders SET total = coalesce((SELECT sum(quantity * price) FROM lines
        WHERE order_id = orders.id), 0) WHERE id = coalesce(NEW.order_id, OLD.order_id);
    RETURN NULL;
END $$;
CREATE TRIGGER add_up AFTER INSERT OR UPDATE OR DELETE ON lines FOR EACH ROW
    EXECUTE FUNCTION add_up();
CREATE FUNCTION tidy() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    NEW.name := initcap(NEW.name);
    RETURN NEW;
END $$;
CREATE TRIGGER tidy BEFORE UPDATE ON products FOR EACH ROW EXECUTE FUNCTION tidy();
"""

FILL = """
TRUNCATE customers, vips, products, orders, lines, events, notes, unkeyed;
INSERT INTO customers SELECT g, 'name' || g % 7, 'c' || g || '@example.org',
    (ARRAY['north', 'south', 'East', NULL])[1 + g % 4],
    (ARRAY['sad', 'ok', 'happy', NULL]::mood[])[1 + g % 4],
    CASE g % 3 WHEN 0 THEN '{}' WHEN 1 THEN ARRAY['a', 'b'] ELSE ARRAY['b', NULL, 'it''s'] END,
    CASE WHEN g % 5 > 0 THEN jsonb_build_object('n', g % 4, 'a', jsonb_build_array(g, 'x'),
        'k', 'v' || g % 3) END,
    CASE WHEN g % 6 > 0 THEN g * 7.25 END, timestamptz '2024-01-01 12:00Z' + g * interval '31 h',
    g % 3 = 0, nullif(g % 5, 0) FROM generate_series(1, 12) g;
INSERT INTO vips (id, name, credit, level) SELECT g, 'vip' || g, 100, g % 3
    FROM generate_series(20, 23) g;
INSERT INTO products SELECT g, 'sku' || g, 'Thing ' || g % 4, g * 2.50,
    jsonb_build_object('colour', (ARRAY['red', 'blue'])[1 + g % 2], 'n', g % 3), ARRAY[g, g % 3],
    nullif(g / 3, 0), g * 0.25 FROM generate_series(1, 9) g;
INSERT INTO orders SELECT g, 1 + g % 9, timestamptz '2024-02-01Z' + g * interval '9 h',
    (ARRAY['open', 'closed', NULL])[1 + g % 3], NULL, CASE WHEN g % 4 = 0 THEN 'note é ' || g END
    FROM generate_series(1, 25) g;
INSERT INTO lines SELECT 1 + g % 25, g / 25, 1 + g % 9, g % 4, (g % 5) * 1.50
    FROM generate_series(0, 45) g;
INSERT INTO events SELECT g, timestamptz '2024-03-30 20:00Z' + g * interval '3 h', g % 8,
    CASE WHEN g % 4 > 0 THEN jsonb_build_object('n', g % 5, 'list', jsonb_build_array(1, g)) END,
    (g % 7) * interval '90 min', ('10.0.0.' || g)::inet, md5((g % 6)::text)::uuid,
    decode(md5(g::text), 'hex'), date '2024-03-01' + g % 9, g % 3, 'c' || g % 4
    FROM generate_series(1, 20) g;
INSERT INTO notes SELECT g % 6, 'body ' || g FROM generate_series(1, 10) g;
INSERT INTO unkeyed SELECT g % 6, 'loose ' || g FROM generate_series(1, 5) g;
"""

CUSTOMER = {"id": "int", "name": "text", "email": "text", "region": "text", "mood": "mood",
            "tags": "texts", "profile": "jsonb", "credit": "num", "since": "ts", "active": "bool",
            "referrer": "int"}
ORDER = {"id": "big", "customer_id": "int", "placed": "ts", "status": "text", "total": "num",
         "note": "text"}
TABLES = {
    "customers": CUSTOMER,
    "vips": {**CUSTOMER, "level": "int"},
    "products": {"id": "int", "sku": "text", "name": "text", "price": "num", "attrs": "jsonb",
                 "sizes": "ints", "parent": "int", "weight": "float"},
    "orders": ORDER,
    "orders_mid": ORDER,
    "lines": {"order_id": "big", "no": "int", "product_id": "int", "quantity": "int",
              "price": "num"},
    "events": {"id": "big", "at": "ts", "customer_id": "int", "payload": "jsonb", "span": "span",
               "ip": "inet", "u": "uuid", "blob": "bytea", "day": "date", "small": "small",
               "code": "char"},
    "notes": {"customer_id": "int", "body": "text"},
    "unkeyed": {"customer_id": "int", "body": "text"},
    "open_orders": {"id": "big", "name": "text", "total": "num", "customer_id": "int"},
    "customer_totals": {"customer_id": "int", "n": "int", "total": "num"},
    "early_events": {"id": "big", "customer_id": "int", "day": "date", "small": "small"},
}
OFTEN = ["customers", "orders", "lines", "products", "events"]

LINKS = [("orders", "customer_id", "customers", "id"), ("lines", "order_id", "orders", "id"),
         ("lines", "product_id", "products", "id"), ("events", "customer_id", "customers", "id"),
         ("notes", "customer_id", "customers", "id"), ("products", "parent", "products", "id"),
         ("customers", "referrer", "customers", "id"), ("vips", "referrer", "customers", "id"),
         ("open_orders", "customer_id", "customers", "id"), ("lines", "order_id", "open_orders",
                                                             "id"),
         ("customer_totals", "customer_id", "customers", "id"),
         ("orders_mid", "customer_id", "customers", "id"), ("lines", "order_id", "orders_mid",
                                                            "id"),
         ("customers", "region", "customers", "region"), ("events", "day", "events", "day")]


def quoted(kind, oid, *texts):
    return [Literal(f"'{t}'{kind}", oid, t.replace("''", "'")) for t in texts]


INTS = [Literal(str(n), 23, str(n)) for n in (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 20, 21)]
POOLS = {
    "int": INTS, "small": [Literal(str(n), 23, str(n)) for n in range(4)],
    "big": [Literal(str(n), 20, str(n)) for n in (1, 2, 3, 5, 8, 9, 10, 11, 19, 20, 25)],
    "num": [Literal(t, 1700, t) for t in ("0.00", "7.25", "10.00", "14.50", "100.00")],
    "float": [Literal(f"{t}::float8", 701, t) for t in ("0.25", "1.5", "0.75")],
    "text": quoted("", 25, "a", "b", "", "open", "name1", "é"),
    "bool": [Literal("true", 16, "t"), Literal("false", 16, "f")],
    "ts": quoted("::timestamptz", 1184, "2024-01-05 07:00:00+00:00", "2024-02-04 00:00:00+00:00",
                 "2024-03-31 02:00:00+00:00"),
    "date": quoted("::date", 1082, "2024-03-02", "2024-03-05", "2024-03-31"),
    "span": quoted("::interval", 1186, "00:00:00", "01:30:00", "04:30:00"),
    "uuid": quoted("::uuid", 2950, "c4ca4238-a0b9-2382-0dcc-509a6f75849b",
                   "c81e728d-9d4c-2f63-6f06-7f89cc14862c"),
    "inet": quoted("::inet", 869, "10.0.0.3", "10.0.0.7"),
    "bytea": quoted("::bytea", 17, "\\x00ff", ""),
    "jsonb": quoted("::jsonb", 3802, '{"n": 2}', '{"k": "v1"}', '{}'),
    "texts": quoted("::text[]", 1009, "{a,b}", "{}", "{b}"),
    "ints": quoted("::int[]", 1007, "{1,2,5}", "{3}", "{}"),
    "char": quoted("", 1042, "c1", "c2"),
    "mood": [Literal(f"'{m}'::mood", 0, m) for m in ("sad", "ok", "happy")],
    # by column
    "region": quoted("", 25, "north", "south", "East", "west"),
    "status": quoted("", 25, "open", "closed", "new"),
    "name": quoted("", 25, "name1", "name2", "name3", "Thing 1"),
    "email": quoted("", 25, "c1@example.org", "c2@example.org", "c5@example.org"),
    "sku": quoted("", 25, "sku1", "sku2", "sku7"),
}
