-- What the coherence checker reads and writes: items, plain (p_) and with triggers (t_). Whatever
-- tells of an item (linked, audit, stamp) has its version, by a foreign key's action, and by triggers
-- before and after.
CREATE TABLE p_item (id int PRIMARY KEY, owner int NOT NULL, version int8 NOT NULL,
                    mark int NOT NULL DEFAULT 0, UNIQUE (id, version));
CREATE INDEX ON p_item (owner);
CREATE TABLE p_linked (item int PRIMARY KEY, version int8 NOT NULL, FOREIGN KEY (item, version)
                      REFERENCES p_item (id, version) ON UPDATE CASCADE ON DELETE CASCADE);
INSERT INTO p_item SELECT i, i % 6, 0 FROM generate_series(0, 47) i;
INSERT INTO p_linked SELECT i, 0 FROM generate_series(0, 47) i;
CREATE VIEW p_seen AS SELECT id, owner, version, mark FROM p_item;
CREATE VIEW p_summed AS SELECT owner, sum(version)::int8 AS version FROM p_item GROUP BY owner;
CREATE FUNCTION p_raise_it(which int) RETURNS int8 LANGUAGE sql AS
    'UPDATE p_item SET version = version + 1 WHERE id = which RETURNING version';
CREATE PROCEDURE p_raise_and_commit(which int) LANGUAGE plpgsql AS $$ BEGIN
    UPDATE p_item SET version = version + 1 WHERE id = which;
    COMMIT;
END $$;
CREATE PROCEDURE p_raise_and_fail(which int) LANGUAGE plpgsql AS $$ BEGIN
    UPDATE p_item SET version = version + 1 WHERE id = which;
    COMMIT;
    RAISE EXCEPTION 'after all';
END $$;
CREATE TABLE p_door (id int PRIMARY KEY);
CREATE RULE through AS ON INSERT TO p_door DO INSTEAD
    UPDATE p_item SET version = version + 1 WHERE id = NEW.id;

CREATE TABLE t_item (id int PRIMARY KEY, owner int NOT NULL, version int8 NOT NULL,
                    mark int NOT NULL DEFAULT 0, UNIQUE (id, version));
CREATE INDEX ON t_item (owner);
CREATE TABLE t_linked (item int PRIMARY KEY, version int8 NOT NULL, FOREIGN KEY (item, version)
                      REFERENCES t_item (id, version) ON UPDATE CASCADE ON DELETE CASCADE);
INSERT INTO t_item SELECT i, i % 6, 0 FROM generate_series(0, 47) i;
INSERT INTO t_linked SELECT i, 0 FROM generate_series(0, 47) i;
CREATE VIEW t_seen AS SELECT id, owner, version, mark FROM t_item;
CREATE VIEW t_summed AS SELECT owner, sum(version)::int8 AS version FROM t_item GROUP BY owner;
CREATE FUNCTION t_raise_it(which int) RETURNS int8 LANGUAGE sql AS
    'UPDATE t_item SET version = version + 1 WHERE id = which RETURNING version';
CREATE PROCEDURE t_raise_and_commit(which int) LANGUAGE plpgsql AS $$ BEGIN
    UPDATE t_item SET version = version + 1 WHERE id = which;
    COMMIT;
END $$;
CREATE PROCEDURE t_raise_and_fail(which int) LANGUAGE plpgsql AS $$ BEGIN
    UPDATE t_item SET version = version + 1 WHERE id = which;
    COMMIT;
    RAISE EXCEPTION 'after all';
END $$;
CREATE TABLE t_door (id int PRIMARY KEY);
CREATE RULE through AS ON INSERT TO t_door DO INSTEAD
    UPDATE t_item SET version = version + 1 WHERE id = NEW.id;
CREATE TABLE t_audit (item int PRIMARY KEY, owner int NOT NULL, version int8 NOT NULL);
CREATE TABLE t_stamp (item int PRIMARY KEY, version int8 NOT NULL);
ALTER TABLE t_audit REPLICA IDENTITY FULL;
INSERT INTO t_audit SELECT i, i % 6, 0 FROM generate_series(0, 47) i;
INSERT INTO t_stamp SELECT i, 0 FROM generate_series(0, 47) i;
CREATE VIEW shifted AS SELECT id, version AS version FROM p_item;
CREATE FUNCTION after_item() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    UPDATE t_audit SET version = NEW.version WHERE item = NEW.id;
    RETURN NULL;
END $$;
CREATE FUNCTION before_item() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    UPDATE t_stamp SET version = greatest(version, NEW.version) WHERE item = NEW.id;
    RETURN NEW;
END $$;
CREATE TRIGGER after_item AFTER INSERT OR UPDATE ON t_item FOR EACH ROW EXECUTE FUNCTION after_item();
CREATE TRIGGER before_item BEFORE INSERT OR UPDATE ON t_item
    FOR EACH ROW EXECUTE FUNCTION before_item();


CREATE TABLE feed (id int, PRIMARY KEY (id));
CREATE TABLE slate (version int8 PRIMARY KEY);
INSERT INTO slate VALUES (0);
CREATE TABLE made (id int PRIMARY KEY);

CREATE TABLE moved (id int PRIMARY KEY, place int NOT NULL, version int8 NOT NULL);
CREATE INDEX ON moved (place);
CREATE TABLE moved_full (id int PRIMARY KEY, place int NOT NULL, version int8 NOT NULL);
ALTER TABLE moved_full REPLICA IDENTITY FULL;
CREATE TABLE part (id int, place int NOT NULL, version int8 NOT NULL, PRIMARY KEY (id, place))
    PARTITION BY LIST (place);
CREATE TABLE part_0 PARTITION OF part FOR VALUES IN (0);
CREATE TABLE part_1 PARTITION OF part FOR VALUES IN (1);
CREATE TABLE part_2 PARTITION OF part FOR VALUES IN (2);
CREATE TABLE part_3 PARTITION OF part FOR VALUES IN (3);
INSERT INTO moved SELECT i, 0, 0 FROM generate_series(0, 11) i;
INSERT INTO moved_full SELECT i, 0, 0 FROM generate_series(0, 11) i;
INSERT INTO part SELECT i, 0, 0 FROM generate_series(0, 11) i;

-- Switched on and off.
CREATE TABLE listed (id int PRIMARY KEY) PARTITION BY LIST (id);
CREATE TABLE listed_1 PARTITION OF listed FOR VALUES IN (1);
INSERT INTO listed VALUES (1);
CREATE TABLE elder (id int PRIMARY KEY);
CREATE TABLE younger (PRIMARY KEY (id)) INHERITS (elder);
INSERT INTO younger VALUES (1);
CREATE TABLE hidden (id int PRIMARY KEY);
INSERT INTO hidden VALUES (1);
ALTER TABLE hidden FORCE ROW LEVEL SECURITY;
CREATE TABLE typed (id int PRIMARY KEY, version int8 NOT NULL);
INSERT INTO typed VALUES (1, 0);

-- Who may see it changes.
CREATE TABLE secret (id int PRIMARY KEY);
CREATE TABLE shared_secret (id int PRIMARY KEY);
CREATE TABLE policed (id int PRIMARY KEY);
CREATE TABLE watched (id int PRIMARY KEY);
CREATE SCHEMA vault;
CREATE TABLE vault.kept (id int PRIMARY KEY);
INSERT INTO secret VALUES (1);
INSERT INTO shared_secret VALUES (1);
INSERT INTO policed VALUES (1);
INSERT INTO watched VALUES (1);
INSERT INTO vault.kept VALUES (1);
GRANT SELECT ON secret, policed, watched, vault.kept TO viewer;
GRANT SELECT ON shared_secret TO readers;
GRANT USAGE ON SCHEMA vault TO viewer;
CREATE POLICY none ON policed USING (false);
ALTER TABLE watched ENABLE ROW LEVEL SECURITY;
CREATE POLICY narrow ON watched USING (true);

-- One name leads to the one table or to the other.
CREATE SCHEMA a;
CREATE SCHEMA b;
CREATE TABLE a.pathed (id int PRIMARY KEY, version int8 NOT NULL);
CREATE TABLE b.pathed (id int PRIMARY KEY, version int8 NOT NULL);
INSERT INTO a.pathed VALUES (1, 0);
INSERT INTO b.pathed VALUES (1, 1000000000);
CREATE VIEW swung AS SELECT id, version FROM a.pathed;
