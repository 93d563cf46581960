/* What a change of a PostgreSQL server's catalog shows in: sums of hashes of its rows, which one
 * cheap statement gives.
 *
 * Two transactions cannot leave a row the same xmin and ctid, but for one that was 2^32
 * transactions ago. Of pg_class only what matters: its rows change often. Temporary relations and
 * what hangs on them come and go and are not looked at. Of the settings, those that answers' bytes
 * depend on, as a session begins with them: a new configuration file changes them for all. */
#include "sql/fingerprint.h"
#include "sql/row_values.h"
#include "sql/server.h"

static const char begin[] = "SET LOCAL search_path = pg_catalog, pg_temp;"
                            "SET LOCAL statement_timeout = '30s';";

/* Three sums: of what statements use, of the defaults of roles and databases, of who there is. */
static const char select_text[] =
    "WITH kept AS MATERIALIZED (SELECT * FROM pg_class WHERE relpersistence <> 't'"
    " AND oid >= 16384 AND relkind IN ('r', 'p', 'v', 'm', 'f', 'c')), seen AS ("
    "SELECT concat_ws(':', 'c', oid, relname, relnamespace, relkind, relowner, relacl::text,"
    " relrowsecurity, relreplident, relpersistence, relispartition, reloptions::text) AS it"
    " FROM kept"
    " UNION ALL SELECT 'l' || attrelid || ':' || attnum || ':' || a.xmin || a.ctid"
    " FROM pg_attribute a JOIN kept ON kept.oid = attrelid WHERE attnum > 0"
    " UNION ALL SELECT 't' || g.oid || ':' || g.xmin || g.ctid FROM pg_trigger g"
    " JOIN kept ON kept.oid = tgrelid"
    " UNION ALL SELECT 'r' || w.oid || ':' || w.xmin || w.ctid FROM pg_rewrite w"
    " JOIN kept ON kept.oid = ev_class"
    " UNION ALL SELECT 'p' || p.oid || ':' || p.xmin || p.ctid FROM pg_policy p"
    " JOIN kept ON kept.oid = polrelid"
    " UNION ALL SELECT 'd' || d.oid || ':' || d.xmin || d.ctid FROM pg_attrdef d"
    " JOIN kept ON kept.oid = adrelid"
    " UNION ALL SELECT 'k' || k.oid || ':' || k.xmin || k.ctid FROM pg_constraint k"
    " WHERE k.oid >= 16384 AND contype IN ('c', 'f') AND (conrelid = 0 OR conrelid IN"
    " (SELECT oid FROM kept))"
    " UNION ALL SELECT 'i' || inhrelid || ':' || inhparent FROM pg_inherits"
    " JOIN kept ON kept.oid = inhrelid"
    " UNION ALL SELECT 'j' || indexrelid || ':' || i.xmin || i.ctid FROM pg_index i"
    " JOIN kept ON kept.oid = indrelid WHERE indisprimary OR indisreplident"
    " UNION ALL SELECT 'f' || oid || ':' || xmin || ctid FROM pg_proc WHERE oid >= 16384"
    " UNION ALL SELECT 'x' || oid || ':' || xmin || ctid FROM pg_cast WHERE oid >= 16384"
    " UNION ALL SELECT 'o' || oid || ':' || xmin || ctid FROM pg_operator WHERE oid >= 16384"
    " UNION ALL SELECT 'a' || oid || ':' || xmin || ctid FROM pg_amproc WHERE oid >= 16384"
    " UNION ALL SELECT 'b' || oid || ':' || xmin || ctid FROM pg_opclass WHERE oid >= 16384"
    " UNION ALL SELECT 'e' || oid || ':' || xmin || ctid FROM pg_event_trigger"
    " UNION ALL SELECT 'n' || oid || ':' || xmin || ctid FROM pg_extension"
    " UNION ALL SELECT 'g' || oid || ':' || xmin || ctid FROM pg_enum"
    " UNION ALL SELECT 'v' || oid || ':' || xmin || ctid FROM pg_publication"
    " UNION ALL SELECT 'w' || oid || ':' || xmin || ctid FROM pg_publication_rel"
    " UNION ALL SELECT 'q' || oid || ':' || xmin || ctid FROM pg_ts_config WHERE oid >= 16384"
    " UNION ALL SELECT 'z' || oid || ':' || xmin || ctid FROM pg_ts_dict WHERE oid >= 16384"
    " UNION ALL SELECT 'h' || mapcfg || ':' || xmin || ctid FROM pg_ts_config_map"
    " UNION ALL SELECT 's' || oid || ':' || xmin || ctid FROM pg_namespace"
    " WHERE nspname !~ '^pg_(toast_)?temp_'"
    " UNION ALL SELECT 'y' || oid || ':' || xmin || ctid FROM pg_type"
    " WHERE oid >= 16384 AND typtype IN ('b', 'd', 'e', 'r') AND typcategory <> 'A'"
    " UNION ALL SELECT 'u' || name || ':' || reset_val FROM pg_settings WHERE name IN"
    " ('array_nulls', 'bytea_output', 'DateStyle', 'default_text_search_config',"
    " 'extra_float_digits', 'IntervalStyle', 'lc_monetary', 'lc_numeric', 'lc_time',"
    " 'standard_conforming_strings', 'TimeZone', 'timezone_abbreviations', 'transform_null_equals',"
    " 'xmlbinary', 'xmloption') UNION ALL SELECT '@' || pg_is_in_recovery()),"
    " defaults AS (SELECT setdatabase || ':' || setrole || ':' || setconfig::text AS it"
    " FROM pg_db_role_setting WHERE setdatabase IN (0, (SELECT oid FROM pg_database"
    " WHERE datname = current_database()))),"
    " roles AS (SELECT concat_ws(':', oid, rolname, rolsuper, rolbypassrls, rolinherit,"
    " rolcanlogin, rolconnlimit, rolvaliduntil) AS it FROM pg_roles"
    " UNION ALL SELECT 'm' || member || ':' || roleid FROM pg_auth_members),"
    " sums(name, sum) AS (SELECT 1, sum(hashtextextended(it, 0)) FROM seen"
    " UNION ALL SELECT 2, sum(hashtextextended(it, 0)) FROM defaults"
    " UNION ALL SELECT 3, sum(hashtextextended(it, 0)) FROM roles)"
    "SELECT 'P', max(n) FILTER (WHERE name = 1), max(n) FILTER (WHERE name = 2),"
    " max(n) FILTER (WHERE name = 3) FROM (SELECT name,"
    " (coalesce(sum, 0) % 1000000000000000000::numeric)::text AS n FROM sums) s";

weir_slice weir_fingerprint_select(void)
{
    return WEIR_SLICE_LIT(select_text);
}

int weir_server_fingerprint_query(weir_buf *out)
{
    int r = weir_buf_append(out, WEIR_SLICE_LIT(begin));
    return r < 0 ? r : weir_buf_append(out, weir_fingerprint_select());
}

static uint64_t signed_number(weir_slice value, bool *ret_good)
{
    uint64_t n = 0;
    bool minus = value.len > 0 && value.data[0] == '-';
    *ret_good = weir_row_number(weir_slice_skip(value, minus), &n);
    return minus ? (uint64_t)0 - n : n;
}

bool weir_server_fingerprints(const weir_slice *values, unsigned count, weir_fingerprints *ret)
{
    bool good[3] = {false, false, false};
    if (count != WEIR_FINGERPRINT_COLUMNS)
        return false;
    ret->schema = signed_number(values[1], &good[0]);
    ret->defaults = signed_number(values[2], &good[1]);
    ret->roles = signed_number(values[3], &good[2]);
    return good[0] && good[1] && good[2];
}
