/* Words by length, in order, no two of one length with the same first eight bytes: a lookup
 * compares these as numbers, halving the table. Most identifiers are dismissed by their first
 * letter. */
#include "sql/words.h"

#include "sql/fold.h"
#include "sql/sql.h"
#include <byteswap.h>
#include <stdlib.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
/* clang-format off */
#define BUCKET(a, letters) {(a), COUNT(a), (letters)}
/* clang-format on */

static const weir_word len2[] = {
    {"as", WORD_SPACED, 0}, {"at", WORD_OPERATOR, 0}, {"by", WORD_SPACED, 0},
    {"do", WORD_DO, 0},     {"in", WORD_IN, 0},       {"is", WORD_OPERATOR, 0},
    {"on", WORD_ON, 0},     {"or", WORD_OPERATOR, 0}, {"to", WORD_TO, 0},
};

static const weir_word len3[] = {
    {"all", WORD_SPACED, 0},   {"and", WORD_OPERATOR, 0}, {"any", WORD_SPACED, 0},
    {"end", WORD_END, 0},      {"for", WORD_FOR, 0},      {"key", WORD_KEY, 0},
    {"not", WORD_OPERATOR, 0}, {"set", WORD_SET, 0},
};

static const weir_word len4[] = {
    {"call", WORD_CALL_STATEMENT, 0}, {"case", WORD_CASE, 0},     {"copy", WORD_COPY, 0},
    {"drop", WORD_DROP, 0},           {"else", WORD_SPACED, 0},   {"from", WORD_SPACED, 0},
    {"glob", WORD_OPERATOR, 0},       {"hold", WORD_HOLD, 0},     {"into", WORD_INTO, 0},
    {"join", WORD_OPERATOR, 0},       {"like", WORD_OPERATOR, 0}, {"load", WORD_LOAD, 0},
    {"lock", WORD_LOCK, 0},           {"move", WORD_FETCH, 0},    {"over", WORD_SPACED, 0},
    {"show", WORD_SHOW, 0},           {"some", WORD_SPACED, 0},   {"temp", WORD_TEMP, 0},
    {"then", WORD_SPACED, 0},         {"when", WORD_SPACED, 0},   {"with", WORD_WITH, 0},
};

static const weir_word len5[] = {
    {"abort", WORD_ABORT, 0},    {"alter", WORD_ALTER, 0},  {"array", WORD_ARRAY, 0},
    {"begin", WORD_BEGIN, 0},    {"close", WORD_CLOSE, 0},  {"fetch", WORD_FETCH, 0},
    {"grant", WORD_DDL, 0},      {"group", WORD_SPACED, 0}, {"ilike", WORD_OPERATOR, 0},
    {"limit", WORD_SPACED, 0},   {"local", WORD_LOCAL, 0},  {"match", WORD_OPERATOR, 0},
    {"merge", WORD_MERGE, 0},    {"order", WORD_SPACED, 0}, {"reset", WORD_RESET, 0},
    {"share", WORD_SHARE, 0},    {"start", WORD_BEGIN, 0},  {"table", WORD_TABLE, 0},
    {"union", WORD_OPERATOR, 0}, {"using", WORD_SPACED, 0}, {"where", WORD_SPACED, 0},
};

static const weir_word len6[] = {
    {"atomic", WORD_ATOMIC, 0},   {"attach", WORD_ATTACH, 0},
    {"commit", WORD_COMMIT, 0},   {"create", WORD_CREATE, 0},
    {"delete", WORD_DELETE, 0},   {"detach", WORD_ATTACH, 0},
    {"except", WORD_OPERATOR, 0}, {"exists", WORD_SPACED, 0},
    {"filter", WORD_SPACED, 0},   {"global", WORD_GLOBAL, 0},
    {"having", WORD_SPACED, 0},   {"import", WORD_DDL, 0},
    {"insert", WORD_INSERT, 0},   {"isnull", WORD_OPERATOR, 0},
    {"listen", WORD_LISTEN, 0},   {"notify", WORD_NOTIFY, 0},
    {"offset", WORD_SPACED, 0},   {"pragma", WORD_PRAGMA, 0},
    {"regexp", WORD_OPERATOR, 0}, {"revoke", WORD_DDL, 0},
    {"select", WORD_SELECT, 0},   {"setval", WORD_CALL, WEIR_EFFECT_NEXTVAL},
    {"update", WORD_UPDATE, 0},   {"vacuum", WORD_VACUUM, 0},
    {"values", WORD_VALUES, 0},   {"within", WORD_SPACED, 0},
};

static const weir_word len7[] = {
    {"analyse", WORD_ANALYZE, 0},
    {"analyze", WORD_ANALYZE, 0},
    {"between", WORD_OPERATOR, 0},
    {"changes", WORD_CALL, WEIR_EFFECT_SEQUENCE},
    {"cluster", WORD_CLUSTER, 0},
    {"collate", WORD_OPERATOR, 0},
    {"comment", WORD_DDL, 0},
    {"currval", WORD_CALL, WEIR_EFFECT_SEQUENCE},
    {"declare", WORD_DECLARE, 0},
    {"default", WORD_SPACED, 0},
    {"discard", WORD_DISCARD, 0},
    {"execute", WORD_EXECUTE, 0},
    {"explain", WORD_EXPLAIN, 0},
    {"lastval", WORD_CALL, WEIR_EFFECT_SEQUENCE},
    {"nextval", WORD_CALL, WEIR_EFFECT_NEXTVAL},
    {"notnull", WORD_OPERATOR, 0},
    {"pg_temp", WORD_PG_TEMP, 0},
    {"prepare", WORD_PREPARE, 0},
    {"refresh", WORD_DDL, 0},
    {"reindex", WORD_REINDEX, 0},
    {"release", WORD_RELEASE, 0},
    {"replace", WORD_REPLACE, 0},
    {"setseed", WORD_CALL, WEIR_EFFECT_SEED},
    {"similar", WORD_OPERATOR, 0},
    {"trigger", WORD_TRIGGER, 0},
    {"uescape", WORD_UESCAPE, 0},
};

static const weir_word len8[] = {
    {"distinct", WORD_SPACED, 0},   {"optimize", WORD_PRAGMA_WRITES, 0},
    {"prepared", WORD_PREPARED, 0}, {"reassign", WORD_DDL, 0},
    {"rollback", WORD_ROLLBACK, 0}, {"security", WORD_DDL, 0},
    {"truncate", WORD_TRUNCATE, 0}, {"unlisten", WORD_UNLISTEN, 0},
};

static const weir_word len9[] = {
    {"intersect", WORD_OPERATOR, 0}, {"pg_notify", WORD_CALL, WEIR_EFFECT_NOTIFY},
    {"returning", WORD_SPACED, 0},   {"savepoint", WORD_SAVEPOINT, 0},
    {"temporary", WORD_TEMP, 0},
};

static const weir_word len10[] = {
    {"checkpoint", WORD_CHECKPOINT, 0},         {"deallocate", WORD_DEALLOCATE, 0},
    {"index_info", WORD_PRAGMA_ASKS, 0},        {"index_list", WORD_PRAGMA_ASKS, 0},
    {"set_config", WORD_CALL, WEIR_EFFECT_SET}, {"table_info", WORD_PRAGMA_ASKS, 0},
    {"table_list", WORD_PRAGMA_ASKS, 0},
};

static const weir_word len11[] = {
    {"constraints", WORD_CONSTRAINTS, 0}, {"dblink_open", WORD_CALL, WEIR_EFFECT_DO},
    {"index_xinfo", WORD_PRAGMA_ASKS, 0}, {"quick_check", WORD_PRAGMA_ASKS, 0},
    {"table_xinfo", WORD_PRAGMA_ASKS, 0}, {"transaction", WORD_TRANSACTION, 0},
};

static const weir_word len13[] = {
    {"total_changes", WORD_CALL, WEIR_EFFECT_SEQUENCE},
};

static const weir_word len14[] = {
    {"dblink_connect", WORD_CALL, WEIR_EFFECT_DO},
    {"load_extension", WORD_CALL, WEIR_EFFECT_LOAD},
    {"wal_checkpoint", WORD_PRAGMA_WRITES, 0},
};

static const weir_word len15[] = {
    {"integrity_check", WORD_PRAGMA_ASKS, 0},
};

static const weir_word len16[] = {
    {"dblink_connect_u", WORD_CALL, WEIR_EFFECT_DO},
    {"foreign_key_list", WORD_PRAGMA_ASKS, 0},
    {"pg_advisory_lock", WORD_CALL, WEIR_EFFECT_ADVISORY_LOCK},
};

static const weir_word len17[] = {
    {"foreign_key_check", WORD_PRAGMA_ASKS, 0},
    {"last_insert_rowid", WORD_CALL, WEIR_EFFECT_SEQUENCE},
    {"pg_cancel_backend", WORD_CALL, WEIR_EFFECT_NOTIFY},
};

static const weir_word len18[] = {
    {"incremental_vacuum", WORD_PRAGMA_WRITES, 0},
    {"pg_advisory_unlock", WORD_CALL, WEIR_EFFECT_UNDO},
};

static const weir_word len20[] = {
    {"pg_terminate_backend", WORD_CALL, WEIR_EFFECT_NOTIFY},
    {"pg_try_advisory_lock", WORD_CALL, WEIR_EFFECT_ADVISORY_LOCK},
};

static const weir_word len21[] = {
    {"pg_listening_channels", WORD_CALL, WEIR_EFFECT_LISTEN},
    {"pg_prepared_statement", WORD_CALL, WEIR_EFFECT_PREPARE},
};

static const weir_word len22[] = {
    {"pg_advisory_unlock_all", WORD_CALL, WEIR_EFFECT_UNDO},
    {"pg_prepared_statements", WORD_VIEW, WEIR_EFFECT_PREPARE},
};

static const weir_word len23[] = {
    {"pg_advisory_lock_shared", WORD_CALL, WEIR_EFFECT_ADVISORY_LOCK},
};

static const weir_word len25[] = {
    {"pg_advisory_unlock_shared", WORD_CALL, WEIR_EFFECT_UNDO},
};

static const weir_word len27[] = {
    {"pg_try_advisory_lock_shared", WORD_CALL, WEIR_EFFECT_ADVISORY_LOCK},
};

static const struct bucket {
    const weir_word *words;
    uint32_t count;
    uint32_t letters; /* bit n: some word begins with the letter 'a' + n */
} buckets[WEIR_WORD_LEN_MAX + 1] = {
    [2] = BUCKET(len2, 0x008410b),   [3] = BUCKET(len3, 0x0042431),
    [4] = BUCKET(len4, 0x04c5bfc),   [5] = BUCKET(len5, 0x05e5967),
    [6] = BUCKET(len6, 0x076e9fd),   [7] = BUCKET(len7, 0x01ea81f),
    [8] = BUCKET(len8, 0x01ec008),   [9] = BUCKET(len9, 0x00e8100),
    [10] = BUCKET(len10, 0x00c010c), [11] = BUCKET(len11, 0x009010c),
    [13] = BUCKET(len13, 0x0080000), [14] = BUCKET(len14, 0x0400808),
    [15] = BUCKET(len15, 0x0000100), [16] = BUCKET(len16, 0x0008028),
    [17] = BUCKET(len17, 0x0008820), [18] = BUCKET(len18, 0x0008100),
    [20] = BUCKET(len20, 0x0008000), [21] = BUCKET(len21, 0x0008000),
    [22] = BUCKET(len22, 0x0008000), [23] = BUCKET(len23, 0x0008000),
    [25] = BUCKET(len25, 0x0008000), [27] = BUCKET(len27, 0x0008000),
};

static uint64_t head_of(const weir_word *w)
{
    return weir_fold_load((const uint8_t *)w->text, 8);
}

/* What is behind the first eight bytes. */
static bool rest_matches(const weir_word *w, weir_slice word, bool any_case)
{
    for (size_t i = 8; i < word.len; i += 8) {
        uint64_t v = weir_fold_load(word.data + i, word.len - i);
        uint64_t own = weir_fold_load((const uint8_t *)w->text + i, 8);
        if (own != (any_case ? weir_fold_eight(v) : v))
            return false;
    }
    return true;
}

static const weir_word *find(weir_slice word, bool any_case)
{
    if (word.len == 0 || word.len > WEIR_WORD_LEN_MAX)
        return NULL;
    uint64_t head = weir_fold_load(word.data, word.len);
    if (any_case)
        head = weir_fold_eight(head);
    const struct bucket *b = &buckets[word.len];
    unsigned letter = (unsigned)(head & 0xFF) - 'a';
    if (letter > 25 || !(b->letters >> letter & 1))
        return NULL;
    const weir_word *w = b->words;
    for (size_t n = b->count; n > 1; n -= n / 2)
        w += bswap_64(head_of(w + n / 2)) <= bswap_64(head) ? n / 2 : 0;
    return head_of(w) == head && rest_matches(w, word, any_case) ? w : NULL;
}

const weir_word *weir_word_find(weir_slice lower)
{
    return find(lower, false);
}

const weir_word *weir_word_find_folded(weir_slice word)
{
    return find(word, true);
}

const weir_word *weir_word_at(size_t i)
{
    for (size_t len = 0; len <= WEIR_WORD_LEN_MAX; len++) {
        if (i < buckets[len].count)
            return &buckets[len].words[i];
        i -= buckets[len].count;
    }
    return NULL;
}

/* In strcmp order. Functions of pg_catalog whose overloads are all immutable or stable and read no
 * table. An overload of the same name in a user's schema is found out by the catalog, not here. */
static const char *const harmless[] = {
    "abs",
    "acos",
    "age",
    "array_agg",
    "array_append",
    "array_cat",
    "array_length",
    "array_lower",
    "array_position",
    "array_remove",
    "array_to_json",
    "array_to_string",
    "array_upper",
    "ascii",
    "asin",
    "atan",
    "atan2",
    "avg",
    "bit_and",
    "bit_length",
    "bit_or",
    "bool_and",
    "bool_or",
    "btrim",
    "cardinality",
    "ceil",
    "ceiling",
    "char_length",
    "character_length",
    "chr",
    "coalesce",
    "concat",
    "concat_ws",
    "cos",
    "cot",
    "count",
    "cume_dist",
    "current_database",
    "current_schema",
    "current_setting",
    "current_user",
    "date",
    "date_bin",
    "date_part",
    "date_trunc",
    "decode",
    "degrees",
    "dense_rank",
    "div",
    "encode",
    "every",
    "exp",
    "extract",
    "factorial",
    "first_value",
    "float8",
    "floor",
    "format",
    "format_type",
    "generate_series",
    "generate_subscripts",
    "get_bit",
    "get_byte",
    "greatest",
    "has_table_privilege",
    "host",
    "initcap",
    "int4",
    "int8",
    "isfinite",
    "json_agg",
    "json_array_elements",
    "json_array_elements_text",
    "json_array_length",
    "json_build_array",
    "json_build_object",
    "json_each",
    "json_each_text",
    "json_extract_path",
    "json_extract_path_text",
    "json_object",
    "json_object_agg",
    "json_object_keys",
    "json_typeof",
    "jsonb_agg",
    "jsonb_array_elements",
    "jsonb_array_elements_text",
    "jsonb_array_length",
    "jsonb_build_array",
    "jsonb_build_object",
    "jsonb_each",
    "jsonb_each_text",
    "jsonb_extract_path",
    "jsonb_extract_path_text",
    "jsonb_object_agg",
    "jsonb_object_keys",
    "jsonb_path_exists",
    "jsonb_path_query",
    "jsonb_pretty",
    "jsonb_set",
    "jsonb_strip_nulls",
    "jsonb_typeof",
    "justify_days",
    "justify_hours",
    "justify_interval",
    "lag",
    "last_value",
    "lead",
    "least",
    "left",
    "length",
    "like",
    "ln",
    "log",
    "lower",
    "lpad",
    "ltrim",
    "make_date",
    "make_interval",
    "make_time",
    "make_timestamp",
    "make_timestamptz",
    "max",
    "md5",
    "min",
    "mod",
    "mode",
    "now",
    "nth_value",
    "ntile",
    "nullif",
    "numeric",
    "obj_description",
    "octet_length",
    "overlay",
    "percent_rank",
    "percentile_cont",
    "percentile_disc",
    "pg_get_constraintdef",
    "pg_get_expr",
    "pg_get_indexdef",
    "pg_get_userbyid",
    "pg_get_viewdef",
    "pg_table_is_visible",
    "pg_type_is_visible",
    "phraseto_tsquery",
    "pi",
    "plainto_tsquery",
    "position",
    "power",
    "quote_ident",
    "quote_literal",
    "quote_nullable",
    "radians",
    "rank",
    "regexp_match",
    "regexp_matches",
    "regexp_replace",
    "regexp_split_to_array",
    "regexp_split_to_table",
    "repeat",
    "replace",
    "reverse",
    "right",
    "round",
    "row_number",
    "row_to_json",
    "rpad",
    "rtrim",
    "sha256",
    "sign",
    "similar_to_escape",
    "sin",
    "split_part",
    "sqrt",
    "starts_with",
    "statement_timestamp",
    "stddev",
    "stddev_pop",
    "stddev_samp",
    "string_agg",
    "string_to_array",
    "strpos",
    "substr",
    "substring",
    "sum",
    "tan",
    "text",
    "timezone",
    "to_ascii",
    "to_char",
    "to_date",
    "to_hex",
    "to_json",
    "to_jsonb",
    "to_number",
    "to_timestamp",
    "to_tsquery",
    "to_tsvector",
    "transaction_timestamp",
    "translate",
    "trim",
    "trunc",
    "ts_headline",
    "ts_rank",
    "unnest",
    "upper",
    "var_pop",
    "var_samp",
    "variance",
    "version",
    "websearch_to_tsquery",
    "width_bucket",
};

static int compare_names(const void *key, const void *entry)
{
    return strcmp(key, *(const char *const *)entry);
}

bool weir_function_is_harmless(const char *name)
{
    return bsearch(name, harmless, COUNT(harmless), sizeof(harmless[0]), compare_names) != NULL;
}
