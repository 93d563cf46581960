/* The SQL of `weir setup`.
 *
 * The event triggers must never be what makes an application's statement fail or wait: whatever
 * goes wrong inside is a warning, and a lock that somebody else holds is not waited for longer than
 * it takes to find no deadlock. Tables are published where a row of them can be told apart from
 * others: the server refuses updates of published tables without a replica identity. */
#include "cli/setup_sql.h"

const char setup_facts[] =
    "SELECT current_setting('server_version'), current_setting('server_version_num'),"
    " current_database(), current_user, pg_is_in_recovery(), current_setting('wal_level'),"
    " current_setting('max_replication_slots'), (SELECT count(*) FROM pg_replication_slots),"
    " current_setting('max_wal_senders'), (SELECT rolsuper OR rolreplication OR EXISTS (SELECT FROM"
    " pg_roles m WHERE m.rolname = 'rds_replication' AND pg_has_role(m.oid, 'USAGE'))"
    " FROM pg_roles r WHERE r.rolname = current_user),"
    " has_database_privilege(current_database(), 'CREATE'),"
    " (SELECT concat(pubinsert, pubupdate, pubdelete, pubtruncate, pubviaroot, puballtables)"
    " FROM pg_publication WHERE pubname = 'weir'),"
    " (SELECT count(*) FROM pg_event_trigger WHERE evtname IN ('weir_ddl', 'weir_drop')"
    " AND evtenabled = 'A'),"
    " (SELECT name FROM pg_settings WHERE name IN ('rds.logical_replication',"
    " 'cloudsql.logical_decoding', 'azure.replication_support', 'alloydb.logical_decoding')"
    " ORDER BY name LIMIT 1),"
    " (SELECT setting FROM pg_settings WHERE name = 'max_slot_wal_keep_size')";

#define IS_KEPT                                                                                    \
    "slot_name ~ '^weir_keep_[a-z0-9_]+_[0-9a-f]{8}$' AND slot_type = 'logical' AND database ="    \
    " current_database()"

const char setup_kept[] = "SELECT count(*) FROM pg_replication_slots WHERE " IS_KEPT;

#define HAS_IDENTITY                                                                               \
    "(relreplident = 'f' OR EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid"               \
    " AND i.indisvalid AND i.indimmediate AND CASE c.relreplident WHEN 'd' THEN i.indisprimary"    \
    " WHEN 'i' THEN i.indisreplident END))"

const char setup_tables[] =
    "WITH t AS (SELECT c.oid, format('%I.%I', nspname, relname) AS name, relkind, relpersistence,"
    " pg_has_role(relowner, 'USAGE') AS owned, pg_get_userbyid(relowner) AS owner,"
    " " HAS_IDENTITY " AS usable, (SELECT format('%I', x.relname) FROM pg_index i"
    " JOIN pg_class x ON x.oid = indexrelid WHERE indrelid = c.oid AND indisunique AND indisvalid"
    " AND indimmediate AND indpred IS NULL AND indexprs IS NULL AND NOT EXISTS (SELECT FROM"
    " pg_attribute a WHERE attrelid = c.oid AND attnum = ANY (indkey) AND NOT attnotnull)"
    " ORDER BY x.relname LIMIT 1) AS key FROM pg_class c JOIN pg_namespace n ON n.oid ="
    " relnamespace WHERE relkind IN ('r', 'm', 'f') AND relpersistence <> 't' AND c.oid >= 16384"
    " AND nspname NOT IN ('pg_catalog', 'information_schema', 'weir') AND nspname !~ '^pg_toast'),"
    " p AS (SELECT prrelid, to_jsonb(r) ->> 'prqual' IS NOT NULL OR to_jsonb(r) ->> 'prattrs'"
    " IS NOT NULL AS partial FROM pg_publication_rel r JOIN pg_publication p ON p.oid = prpubid"
    " WHERE pubname = 'weir')"
    "SELECT name, owned, prrelid IS NOT NULL, coalesce(partial, false),"
    " CASE WHEN relkind = 'm' THEN 'a materialized view has no stream of changes'"
    " WHEN relkind = 'f' THEN 'a foreign table has no stream of changes'"
    " WHEN relpersistence = 'u' THEN 'it is unlogged'"
    " WHEN NOT usable THEN 'it has no replica identity'"
    " WHEN NOT owned THEN format('%I owns it', owner) ELSE '' END,"
    " CASE WHEN relkind <> 'r' THEN '' WHEN relpersistence = 'u' THEN"
    " format('ALTER TABLE %s SET LOGGED writes it to the WAL', name)"
    " WHEN NOT usable AND key IS NOT NULL THEN"
    " format('ALTER TABLE %s REPLICA IDENTITY USING INDEX %s', name, key)"
    " WHEN NOT usable THEN format('a primary key, or ALTER TABLE %s REPLICA IDENTITY FULL"
    " (each update and delete then writes the whole old row to the WAL)', name)"
    " WHEN NOT owned THEN format('run `weir setup` as %I or a superuser', owner) ELSE '' END"
    " FROM t LEFT JOIN p ON prrelid = t.oid ORDER BY name";

/* Temporary objects are nobody else's business; what creates or drops nothing says nothing; of what
 * is dropped the other trigger tells. */
static const char tell_ddl[] =
    "CREATE OR REPLACE FUNCTION weir.tell_ddl() RETURNS event_trigger LANGUAGE plpgsql"
    " SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '100ms' AS $weir$\n"
    "DECLARE\n"
    "  item record;\n"
    "BEGIN\n"
    "  IF tg_tag LIKE 'DROP %' OR tg_tag IN ('COMMENT', 'REFRESH MATERIALIZED VIEW') THEN\n"
    "    RETURN;\n"
    "  END IF;\n"
    "  BEGIN\n"
    "    IF (SELECT coalesce(bool_and(schema_name = 'pg_temp'), tg_tag LIKE 'CREATE %')\n"
    "        FROM pg_event_trigger_ddl_commands()) THEN\n"
    "      RETURN;\n"
    "    END IF;\n"
    "    PERFORM pg_logical_emit_message(true, 'weir', 'ddl');\n"
    "  EXCEPTION WHEN OTHERS THEN\n"
    "    RAISE WARNING 'weir: a change of the schema is not told: %', sqlerrm;\n"
    "  END;\n"
    "  FOR item IN SELECT c.oid::regclass AS name,\n"
    "      relkind = 'r' AND relpersistence = 'p' AND " HAS_IDENTITY " AS usable,\n"
    "      EXISTS (SELECT FROM pg_publication_rel r JOIN pg_publication p ON p.oid = prpubid\n"
    "        WHERE pubname = 'weir' AND prrelid = c.oid) AS published\n"
    "      FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace\n"
    "      WHERE c.oid IN (SELECT objid FROM pg_event_trigger_ddl_commands()\n"
    "        WHERE classid = 'pg_class'::regclass AND objsubid = 0)\n"
    "      AND relkind = 'r' AND c.oid >= 16384 AND nspname <> 'weir'\n"
    "      AND EXISTS (SELECT FROM pg_publication WHERE pubname = 'weir' AND NOT puballtables)\n"
    "  LOOP\n"
    "    CONTINUE WHEN item.usable = item.published;\n"
    "    BEGIN\n"
    "      EXECUTE format('ALTER PUBLICATION weir %s TABLE ONLY %s',\n"
    "        CASE WHEN item.usable THEN 'ADD' ELSE 'DROP' END, item.name);\n"
    "    EXCEPTION WHEN OTHERS THEN\n"
    "      RAISE WARNING 'weir: the publication does not follow %: %', item.name, sqlerrm;\n"
    "    END;\n"
    "  END LOOP;\n"
    "EXCEPTION WHEN OTHERS THEN\n"
    "  RAISE WARNING 'weir: the publication is as it was: %', sqlerrm;\n"
    "END\n"
    "$weir$";

static const char tell_drop[] =
    "CREATE OR REPLACE FUNCTION weir.tell_drop() RETURNS event_trigger LANGUAGE plpgsql"
    " SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $weir$\n"
    "BEGIN\n"
    "  IF EXISTS (SELECT FROM pg_event_trigger_dropped_objects() WHERE NOT is_temporary) THEN\n"
    "    PERFORM pg_logical_emit_message(true, 'weir', 'ddl');\n"
    "  END IF;\n"
    "EXCEPTION WHEN OTHERS THEN\n"
    "  RAISE WARNING 'weir: a change of the schema is not told: %', sqlerrm;\n"
    "END\n"
    "$weir$";

const char *const setup_triggers[] = {
    "CREATE SCHEMA IF NOT EXISTS weir",
    "COMMENT ON SCHEMA weir IS 'change following, made by weir setup'",
    tell_ddl,
    tell_drop,
    "DROP EVENT TRIGGER IF EXISTS weir_ddl",
    "DROP EVENT TRIGGER IF EXISTS weir_drop",
    "CREATE EVENT TRIGGER weir_ddl ON ddl_command_end EXECUTE FUNCTION weir.tell_ddl()",
    "ALTER EVENT TRIGGER weir_ddl ENABLE ALWAYS",
    "CREATE EVENT TRIGGER weir_drop ON sql_drop EXECUTE FUNCTION weir.tell_drop()",
    "ALTER EVENT TRIGGER weir_drop ENABLE ALWAYS",
    NULL};

static const char drop_kept[] = "SELECT pg_drop_replication_slot(slot_name) FROM"
                                " pg_replication_slots WHERE NOT active AND " IS_KEPT;

const char *const setup_removal[] = {drop_kept,
                                     "DROP EVENT TRIGGER IF EXISTS weir_ddl",
                                     "DROP EVENT TRIGGER IF EXISTS weir_drop",
                                     "DROP PUBLICATION IF EXISTS weir",
                                     "DROP FUNCTION IF EXISTS weir.tell_ddl()",
                                     "DROP FUNCTION IF EXISTS weir.tell_drop()",
                                     "DROP SCHEMA IF EXISTS weir",
                                     NULL};
