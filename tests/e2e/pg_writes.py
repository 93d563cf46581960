"""Random writes to pg_world's shop: every way in which a row of it changes, kept in few enough
texts that a cache comes to know them.

A write is a list of statements: one stands alone, several are a transaction of their own. A COPY
is (statement, its data)."""

from cases import Query
from pg_queries import Maker

# {word}: a value out of that pool.
TEMPLATES = [
    "UPDATE customers SET credit = {num} WHERE id = {int}",
    "UPDATE customers SET name = {name}, mood = {mood} WHERE id = {int}",
    "UPDATE customers SET region = {region} WHERE region = {region}",
    "UPDATE customers SET tags = array_append(tags, {text}), since = {ts} WHERE id = {int}",
    "UPDATE customers SET profile = profile || {jsonb} WHERE email = {email}",
    "UPDATE customers SET active = NOT active WHERE id IN ({int}, {int})",
    "UPDATE customers SET referrer = {int} WHERE id = {int} RETURNING id, referrer",
    "UPDATE customers SET id = {int} WHERE id = {int}",
    "UPDATE ONLY customers SET credit = credit + 1",
    "UPDATE vips SET level = {small} WHERE id = {int}",
    "UPDATE products SET price = {num}, name = {name} WHERE id = {int}",
    "UPDATE products SET attrs = {jsonb}, sizes = {ints} WHERE sku = {sku}",
    "UPDATE products SET parent = {small} WHERE id = {int}",
    "UPDATE orders SET status = {status} WHERE id = {big}",
    "UPDATE orders SET status = {status}, note = {text} WHERE customer_id = {int}",
    "UPDATE orders SET id = {big} WHERE id = {big}",
    "UPDATE orders_mid SET placed = {ts} WHERE id = {big}",
    "UPDATE orders o SET note = c.name FROM customers c WHERE c.id = o.customer_id AND "
    "c.id = {int}",
    "UPDATE lines SET quantity = quantity + 1 WHERE order_id = {big}",
    "UPDATE lines SET price = {num} WHERE (order_id, no) = ({big}, 0)",
    "UPDATE lines SET product_id = {small} WHERE product_id = {int}",
    "UPDATE events SET payload = {jsonb}, day = {date} WHERE id = {big}",
    "UPDATE events SET small = {small}, code = {char} WHERE customer_id = {int}",
    "UPDATE events SET (u, span) = ({uuid}, {span}) WHERE day = {date}",
    "UPDATE early_events SET small = {small} WHERE id = {big}",
    "UPDATE notes SET body = body || {text} WHERE customer_id = {int}",
    "UPDATE unkeyed SET body = body || {text} WHERE customer_id = {int} OR true",
    "INSERT INTO customers (id, name, region, mood) VALUES ({int}, {name}, {region}, {mood})",
    "INSERT INTO customers (id, name, email) VALUES ({int}, {name}, {email}) "
    "ON CONFLICT (id) DO UPDATE SET name = excluded.name",
    "INSERT INTO customers (id, name) VALUES ({int}, {name}) ON CONFLICT DO NOTHING",
    "INSERT INTO orders (id, customer_id, placed, status) VALUES ({big}, {int}, {ts}, {status}) "
    "ON CONFLICT (id) DO UPDATE SET status = excluded.status, placed = excluded.placed",
    "INSERT INTO lines VALUES ({big}, {int}, {int}, {small}, {num}) ON CONFLICT DO NOTHING",
    "INSERT INTO lines SELECT id, 9, 1, 1, {num} FROM orders WHERE customer_id = {int} "
    "ON CONFLICT (order_id, no) DO UPDATE SET quantity = lines.quantity + 1",
    "INSERT INTO events (id, at, customer_id, day) VALUES ({big}, {ts}, {int}, {date}), "
    "({big}, {ts}, NULL, {date}) ON CONFLICT DO NOTHING",
    "INSERT INTO notes VALUES ({int}, {text}), ({int}, NULL)",
    "INSERT INTO products (id, sku, price) VALUES ({int}, {sku}, {num}) ON CONFLICT DO NOTHING",
    "INSERT INTO vips (id, name, level) VALUES ({int}, {name}, {small}) ON CONFLICT DO NOTHING",
    "DELETE FROM customers WHERE id = {int}",
    "DELETE FROM orders WHERE id = {big}",
    "DELETE FROM orders WHERE customer_id = {int} AND status = {status}",
    "DELETE FROM lines WHERE order_id = {big} AND no = {small}",
    "DELETE FROM lines l USING orders o WHERE o.id = l.order_id AND o.customer_id = {int}",
    "DELETE FROM products WHERE id = {int}",
    "DELETE FROM events WHERE id = {big}",
    "DELETE FROM notes WHERE customer_id = {int}",
    "MERGE INTO products p USING (VALUES ({int}, {num})) v(id, price) ON p.id = v.id "
    "WHEN MATCHED THEN UPDATE SET price = v.price "
    "WHEN NOT MATCHED THEN INSERT (id, price) VALUES (v.id, v.price)",
    "MERGE INTO customers c USING orders o ON o.customer_id = c.id AND o.id = {big} "
    "WHEN MATCHED AND o.status = 'open' THEN UPDATE SET credit = 0 "
    "WHEN MATCHED THEN UPDATE SET active = true",
    "WITH gone AS (DELETE FROM notes WHERE customer_id = {int} RETURNING *) "
    "INSERT INTO unkeyed SELECT * FROM gone",
    "WITH w AS (UPDATE events SET small = {small} WHERE id = {big} RETURNING customer_id) "
    "SELECT count(*) FROM w",
    "WITH w AS (UPDATE orders SET note = {text} WHERE id = {big} RETURNING customer_id) "
    "UPDATE customers SET credit = {num} FROM w WHERE id = w.customer_id",
    "SELECT close_orders({int})",
    "CALL raise_credit({int})",
    "DO $$BEGIN UPDATE products SET price = price + 1 WHERE id = 3; END$$",
    "TRUNCATE notes",
]
COPIES = [("COPY notes FROM STDIN", "1\tcopied\n2\t\\N\n"),
          ("COPY lines (order_id, no, product_id, quantity, price) FROM STDIN",
           "5\t7\t1\t2\t3.50\n5\t8\t2\t1\t1.00\n"),
          ("COPY events (id, customer_id, day) FROM STDIN WITH (FORMAT csv)",
           "90,3,2024-03-02\n")]
SCHEMA_CHANGES = [
    "ALTER TABLE notes ADD COLUMN IF NOT EXISTS extra int DEFAULT 7",
    "ALTER TABLE notes DROP COLUMN IF EXISTS extra",
    "CREATE OR REPLACE VIEW early_events AS SELECT id, customer_id, day, small FROM events "
    "WHERE id < 9",
    "CREATE OR REPLACE VIEW early_events AS SELECT id, customer_id, day, small FROM events "
    "WHERE id < 12",
    "CREATE OR REPLACE FUNCTION close_orders(who int) RETURNS int LANGUAGE plpgsql AS $$ BEGIN "
    "UPDATE orders SET status = 'closed' WHERE customer_id = who; UPDATE notes SET body = 'f'; "
    "RETURN who; END $$",
    "CREATE INDEX IF NOT EXISTS by_day ON events (day)",
    "DROP INDEX IF EXISTS by_day",
]


class Writer(Maker):
    def fresh(self, make):
        """Statements number their literals from 0."""
        self.literals = []
        return make()

    def each(self):
        """One of every kind."""
        return [self.fresh(lambda t=t: self.of(t)) for t in TEMPLATES]

    def of(self, template):
        parts = template.split("{")
        if "$$" in template:
            return Query(template, [], False)
        text = parts[0] + "".join(self.literal(p[:p.index("}")]) + p[p.index("}") + 1:]
                                  for p in parts[1:])
        return Query(text, self.literals, False)

    def statement(self):
        return self.fresh(lambda: self.of(self.pick(*TEMPLATES)))

    def write(self):
        shape = self.random.random()
        if shape < 0.06:
            return [self.pick(*COPIES)]
        if shape < 0.7:
            return [self.statement()]
        body = [self.statement() for _ in range(self.pick(2, 3))]
        if self.often(0.3):
            body[1:1] = [Query("SAVEPOINT s", [], False), self.statement(),
                         Query("ROLLBACK TO s", [], False)]
        end = self.pick("COMMIT", "COMMIT", "ROLLBACK")
        return [Query("BEGIN", [], False), *body, Query(end, [], False)]

    def schema_change(self):
        return [Query(self.pick(*SCHEMA_CHANGES), [], False)]
