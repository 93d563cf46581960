/* What a background read says: made of the identity of the answer, which has everything that the
 * answer's bytes depend on (front.c and local_cache.c write it, and are its definition). What
 * comes from a file may hold anything: every length is checked, and what was made is read again as
 * the protocol would. */
#include "engine/replica.h"
#include "gateway/background.h"
#include "gateway/cached.h"
#include "gateway/client.h"
#include "gateway/guc.h"
#include "gateway/local.h"
#include "proto/pg/pg.h"
#include "sql/listing.h"
#include <stdio.h>
#include <stdlib.h>

#define WHO_MAX ((size_t)WEIR_PG_STARTUP_SIZE_MAX)
#define MESSAGES_MAX ((size_t)4 << 20)
#define OUR_NAME "weir background"

/* Empty; NULL: out of memory. */
static weir_reading *reading_new(weir_strategy why)
{
    weir_reading *j = calloc(1, sizeof(*j));
    if (!j)
        return NULL;
    j->why = why;
    weir_list_init(&j->node);
    weir_buf_init(&j->who, WHO_MAX);
    weir_buf_init(&j->settings, WHO_MAX);
    weir_buf_init(&j->messages, MESSAGES_MAX);
    return j;
}

void weir_reading_free(weir_reading *job)
{
    if (!job)
        return;
    weir_buf_fini(&job->who);
    weir_buf_fini(&job->settings);
    weir_buf_fini(&job->messages);
    free(job);
}

/* ---- who ---- */

/* Roles are set by statements, not at login. */
static bool is_role(weir_slice name)
{
    return weir_slice_eq_cstr(name, "role") || weir_slice_eq_cstr(name, "session_authorization");
}

static int put_settings(weir_buf *out, weir_slice settings)
{
    weir_slice name, value;
    int r = 0;
    for (size_t pos = 0; r == 0 && weir_pg_param_next(settings, &pos, &name, &value);) {
        if (!is_role(name) && !weir_slice_eq_cstr(name, "application_name"))
            r = weir_guc_append(out, name, value);
    }
    return r;
}

/* A name by which clients reach it. */
static weir_slice name_of(const weir_database *database)
{
    weir_slice name = weir_slice_cstr(weir_database_name(database));
    return weir_slice_eq_cstr(name, "*") ? weir_slice_cstr(weir_database_label(database)) : name;
}

/* Who it is comes before what it is as. */
static int put_roles(weir_buf *out, weir_slice settings)
{
    static const char *const roles[] = {"session_authorization", "role"};
    weir_buf text;
    weir_buf_init(&text, WHO_MAX);
    int r = 0;
    for (size_t i = 0; r == 0 && i < sizeof(roles) / sizeof(roles[0]); i++) {
        weir_slice value = weir_guc_find(settings, weir_slice_cstr(roles[i]));
        if (value.len > 0 && memchr(value.data, '\'', value.len))
            r = -ENOTSUP;
        else if (value.data)
            r = weir_buf_printf(&text, "SET %s TO '%.*s';", roles[i], (int)value.len,
                                (const char *)value.data);
    }
    if (r == 0 && text.len > 0)
        r = weir_pg_write_query(out, weir_buf_slice(&text));
    weir_buf_fini(&text);
    return r;
}

/* Whoever runs it: parameters of a startup packet. */
static int set_who_named(weir_reading *job, weir_slice database, weir_slice user,
                         weir_slice settings)
{
    weir_buf_clear(&job->who);
    weir_buf_clear(&job->settings);
    int r = weir_guc_append(&job->who, WEIR_SLICE_LIT("user"), user);
    if (r == 0)
        r = weir_guc_append(&job->who, WEIR_SLICE_LIT("database"), database);
    if (r == 0)
        r = weir_guc_append(&job->who, WEIR_SLICE_LIT("application_name"),
                            WEIR_SLICE_LIT(OUR_NAME));
    if (r == 0)
        r = put_settings(&job->who, settings);
    return r == 0 ? put_roles(&job->settings, settings) : r;
}

static int set_who(weir_reading *job, const weir_database *database, weir_slice user,
                   weir_slice settings)
{
    return set_who_named(job, name_of(database), user, settings);
}

/* ---- the messages ---- */

typedef struct asked {
    weir_slice text, oids;
    weir_pg_bind bind;
    bool describes;
} asked;

static int check_bind(const weir_buf *out, size_t from)
{
    weir_pg_bind bind;
    weir_slice whole = weir_slice_skip(weir_buf_slice(out), from);
    return weir_pg_bind_read(weir_slice_skip(whole, 5), &bind);
}

/* Parse Bind Describe? Execute Sync. */
static int put_extended(weir_buf *out, const asked *a)
{
    int r = weir_pg_write_parse(out, (weir_slice){0}, a->text, a->oids);
    size_t from = out->len;
    if (r == 0)
        r = weir_pg_write_bind(out, &a->bind);
    if (r == 0)
        r = check_bind(out, from);
    if (r == 0 && a->describes)
        r = weir_pg_write_target(out, WEIR_PG_F_DESCRIBE, 'P', (weir_slice){0});
    if (r == 0)
        r = weir_pg_write_execute(out, (weir_slice){0}, 0);
    return r == 0 ? weir_pg_write_empty(out, WEIR_PG_F_SYNC) : r;
}

/* ---- a question to PostgreSQL (front.c, weir_front_identify) ---- */

static bool take(weir_slice *rest, size_t len, weir_slice *ret)
{
    if (len > rest->len)
        return false;
    *ret = weir_slice_head(*rest, len);
    *rest = weir_slice_skip(*rest, len);
    return true;
}

static bool take_sized(weir_slice *rest, weir_slice *ret)
{
    uint32_t len;
    weir_slice head;
    if (!take(rest, sizeof(len), &head))
        return false;
    memcpy(&len, head.data, sizeof(len));
    return take(rest, len, ret);
}

static uint16_t count_values(weir_slice values)
{
    size_t count = 0;
    for (size_t pos = 0; pos + 4 <= values.len; count++) {
        const uint8_t *p = values.data + pos;
        uint32_t len = (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
        pos += 4;
        if (len != UINT32_MAX && len > values.len - pos)
            return UINT16_MAX; /* check_bind will say so */
        pos += len == UINT32_MAX ? 0 : len;
    }
    return count < UINT16_MAX ? (uint16_t)count : UINT16_MAX;
}

/* The lengths of its parts and whether rows are described, then the parts. */
static int read_relayed(weir_reading *job, const weir_database *database, weir_slice rest)
{
    uint32_t sizes[WEIR_ASKED_PARTS + 1];
    weir_slice part[WEIR_ASKED_PARTS], head;
    if (!take(&rest, sizeof(sizes), &head))
        return -EPROTO;
    memcpy(sizes, head.data, sizeof(sizes));
    for (unsigned i = 0; i < WEIR_ASKED_PARTS; i++)
        if (!take(&rest, sizes[i], &part[i]))
            return -EPROTO;
    uint32_t what = sizes[WEIR_ASKED_PARTS];
    if (what == WEIR_ASKED_DESCRIPTION || part[WEIR_ASKED_SHAPE].len > 0 ||
        part[WEIR_ASKED_LIMIT].len > 0)
        return -ENOTSUP; /* of what only its client's own statement gives */
    bool plain = what == WEIR_ASKED_HEAD_AND_ROWS && part[WEIR_ASKED_OIDS].len == 0 &&
                 part[WEIR_ASKED_VALUES].len == 0 && part[WEIR_ASKED_RESULTS].len == 0;
    asked a = {.text = part[WEIR_ASKED_TEXT],
               .oids = part[WEIR_ASKED_OIDS],
               .describes = what == WEIR_ASKED_HEAD_AND_ROWS,
               .bind = {.format_count = (uint16_t)(part[WEIR_ASKED_FORMATS].len / 2),
                        .formats = part[WEIR_ASKED_FORMATS],
                        .value_count = count_values(part[WEIR_ASKED_VALUES]),
                        .values = part[WEIR_ASKED_VALUES],
                        .result_format_count = (uint16_t)(part[WEIR_ASKED_RESULTS].len / 2),
                        .result_formats = part[WEIR_ASKED_RESULTS]}};
    if (rest.len > 0 || part[WEIR_ASKED_OIDS].len % 4 || part[WEIR_ASKED_FORMATS].len % 2 ||
        part[WEIR_ASKED_RESULTS].len % 2)
        return -EPROTO;
    int r = set_who(job, database, part[WEIR_ASKED_USER], part[WEIR_ASKED_SETTINGS]);
    if (r < 0)
        return r;
    return plain ? weir_pg_write_query(&job->messages, a.text) : put_extended(&job->messages, &a);
}

/* ---- a question to SQLite (local_cache.c, identify) ---- */

/* The newest comes first: they are set in the other order. */
static int put_sets(weir_buf *out, weir_slice rest, weir_slice *ret_behind)
{
    weir_slice names[64], values[64];
    size_t count = 0;
    while (rest.len > 0 && rest.data[0] != 0) {
        const uint8_t *end = memchr(rest.data, 0, rest.len);
        const uint8_t *last =
            end ? memchr(end + 1, 0, rest.len - (size_t)(end + 1 - rest.data)) : NULL;
        if (!last || count == 64)
            return -EPROTO;
        names[count] = weir_slice_make(rest.data, (size_t)(end - rest.data));
        values[count++] = weir_slice_make(end + 1, (size_t)(last - end - 1));
        rest = weir_slice_skip(rest, (size_t)(last + 1 - rest.data));
    }
    if (rest.len == 0)
        return -EPROTO;
    *ret_behind = weir_slice_skip(rest, 1);
    weir_buf text;
    weir_buf_init(&text, WHO_MAX);
    int r = 0;
    for (size_t i = count; r == 0 && i-- > 0;) {
        if (memchr(names[i].data, '"', names[i].len) || memchr(values[i].data, '\'', values[i].len))
            r = -ENOTSUP;
        else
            r = weir_buf_printf(&text, "SET \"%.*s\" TO '%.*s';", (int)names[i].len,
                                (const char *)names[i].data, (int)values[i].len,
                                (const char *)values[i].data);
    }
    if (r == 0 && count > 0)
        r = weir_pg_write_query(out, weir_buf_slice(&text));
    weir_buf_fini(&text);
    return r;
}

static int put_big_endian(weir_buf *out, uint64_t n, unsigned bytes)
{
    int r = 0;
    for (unsigned i = bytes; r == 0 && i-- > 0;)
        r = weir_buf_append_u8(out, (uint8_t)(n >> 8 * i));
    return r;
}

typedef struct values {
    weir_buf oids, formats, values;
    uint16_t count;
} values;

/* As long as the value needs to be read back as the same. */
static int put_real(weir_buf *out, double real)
{
    char text[40];
    snprintf(text, sizeof(text), "%.15g", real);
    if (strtod(text, NULL) != real)
        snprintf(text, sizeof(text), "%.17g", real);
    return weir_buf_append(out, weir_slice_cstr(text));
}

/* A value of a type that the client named goes as its text. */
static int put_text(weir_buf *out, uint8_t kind, weir_slice bytes)
{
    int64_t integer = 0;
    double real = 0;
    int r = 0;
    switch (kind) {
    case WEIR_VALUE_INTEGER:
        memcpy(&integer, bytes.data, sizeof(integer));
        return weir_buf_printf(out, "%lld", (long long)integer);
    case WEIR_VALUE_REAL:
        memcpy(&real, bytes.data, sizeof(real));
        return put_real(out, real);
    case WEIR_VALUE_BLOB:
        r = weir_buf_append(out, WEIR_SLICE_LIT("\\x"));
        for (size_t i = 0; r == 0 && i < bytes.len; i++)
            r = weir_buf_printf(out, "%02x", bytes.data[i]);
        return r;
    default:
        return weir_buf_append(out, bytes);
    }
}

static int put_value(values *v, uint8_t kind, weir_slice bytes, bool as_text)
{
    uint64_t number = 0;
    if (kind == WEIR_VALUE_NULL)
        return put_big_endian(&v->values, UINT32_MAX, 4);
    size_t at = v->values.len;
    int r = put_big_endian(&v->values, 0, 4);
    if (r == 0 && as_text) {
        r = put_text(&v->values, kind, bytes);
    } else if (r == 0 && (kind == WEIR_VALUE_INTEGER || kind == WEIR_VALUE_REAL)) {
        memcpy(&number, bytes.data, sizeof(number));
        r = put_big_endian(&v->values, number, 8);
    } else if (r == 0) {
        r = weir_buf_append(&v->values, bytes);
    }
    size_t len = v->values.len - at - 4;
    for (unsigned i = 0; r == 0 && i < 4; i++)
        v->values.data[at + i] = (uint8_t)(len >> 8 * (3 - i));
    return r;
}

/* `named`: the type that the client named; 0: none, and it is in binary. */
static int take_value(weir_slice *rest, uint32_t named, values *v)
{
    weir_slice type, bytes = {0};
    if (!take(rest, 1, &type))
        return -EPROTO;
    static const uint32_t oids[] = {[WEIR_VALUE_NULL] = 0,
                                    [WEIR_VALUE_INTEGER] = 20,
                                    [WEIR_VALUE_REAL] = 701,
                                    [WEIR_VALUE_TEXT] = 25,
                                    [WEIR_VALUE_BLOB] = 17};
    uint8_t kind = type.data[0];
    bool fixed = kind == WEIR_VALUE_INTEGER || kind == WEIR_VALUE_REAL;
    if (kind >= sizeof(oids) / sizeof(oids[0]) || (fixed && !take(rest, 8, &bytes)) ||
        ((kind == WEIR_VALUE_TEXT || kind == WEIR_VALUE_BLOB) && !take_sized(rest, &bytes)))
        return -EPROTO;
    uint32_t unnamed = oids[kind] ? LOCAL_OID_UNNAMED | oids[kind] : 0;
    int r = put_big_endian(&v->oids, named ? named : unnamed, 4);
    if (r == 0)
        r = put_big_endian(&v->formats, named == 0, 2);
    return r == 0 ? put_value(v, kind, bytes, named != 0) : r;
}

static int put_local(weir_reading *job, weir_slice formats, values *v, weir_slice text)
{
    weir_buf result;
    weir_buf_init(&result, WHO_MAX);
    int r = 0;
    for (size_t i = 0; r == 0 && i + 2 <= formats.len; i += 2) {
        uint16_t format;
        memcpy(&format, formats.data + i, sizeof(format));
        r = put_big_endian(&result, format, 2);
    }
    asked a = {.text = text,
               .oids = weir_buf_slice(&v->oids),
               .describes = true,
               .bind = {.format_count = v->count,
                        .formats = weir_buf_slice(&v->formats),
                        .value_count = v->count,
                        .values = weir_buf_slice(&v->values),
                        .result_format_count = (uint16_t)(formats.len / 2),
                        .result_formats = weir_buf_slice(&result)}};
    if (r == 0)
        r = v->count == 0 && formats.len == 0 ? weir_pg_write_query(&job->messages, text)
                                              : put_extended(&job->messages, &a);
    weir_buf_fini(&result);
    return r;
}

/* Each value, with the OIDs of `named` (uint32_t each; none: empty). */
static int take_values(weir_slice *rest, weir_slice named, values *v)
{
    weir_slice head;
    uint32_t count;
    if (!take(rest, sizeof(count), &head))
        return -EPROTO;
    memcpy(&count, head.data, sizeof(count));
    if (count > UINT16_MAX)
        return -EPROTO;
    v->count = (uint16_t)count;
    int r = 0;
    for (uint32_t i = 0; r == 0 && i < count; i++) {
        uint32_t oid = 0;
        if (named.len >= (i + 1) * sizeof(oid))
            memcpy(&oid, named.data + i * sizeof(oid), sizeof(oid));
        r = take_value(rest, oid, v);
    }
    return r;
}

static void values_init(values *v)
{
    v->count = 0;
    weir_buf_init(&v->oids, MESSAGES_MAX);
    weir_buf_init(&v->formats, MESSAGES_MAX);
    weir_buf_init(&v->values, MESSAGES_MAX);
}

static void values_fini(values *v)
{
    weir_buf_fini(&v->oids);
    weir_buf_fini(&v->formats);
    weir_buf_fini(&v->values);
}

/* The statement and the types that its client named stand behind the values. */
static int take_question(weir_reading *job, weir_slice formats, weir_slice rest)
{
    values v;
    weir_slice behind = rest, named = {0};
    values_init(&v);
    int r = take_values(&behind, named, &v);
    const uint8_t *zero = r == 0 ? memchr(behind.data, 0, behind.len) : NULL;
    if (zero) {
        named = weir_slice_skip(behind, (size_t)(zero + 1 - behind.data));
        behind.len = (size_t)(zero - behind.data);
        values_fini(&v);
        values_init(&v);
        r = take_values(&rest, named, &v);
    }
    if (r == 0)
        r = put_local(job, formats, &v, behind);
    values_fini(&v);
    return r;
}

static int read_local_rest(weir_reading *job, weir_slice rest)
{
    weir_slice head, formats;
    uint16_t count;
    int r = put_sets(&job->settings, rest, &rest);
    if (r < 0)
        return r;
    if (!take(&rest, sizeof(count), &head))
        return -EPROTO;
    memcpy(&count, head.data, sizeof(count));
    if (!take(&rest, (size_t)count * sizeof(uint16_t), &formats))
        return -EPROTO;
    return take_question(job, formats, rest);
}

static int read_local(weir_reading *job, weir_slice rest)
{
    weir_slice kind, user, database, limits;
    const weir_local_limits *like = NULL;
    if (!take(&rest, 1, &kind) || kind.data[0] != 'R' || !take_sized(&rest, &user) ||
        !take_sized(&rest, &database) ||
        !take(&rest, sizeof(like->rows_max) + sizeof(like->result_size_max), &limits))
        return -EPROTO;
    int r = set_who_named(job, database, user, (weir_slice){0});
    return r == 0 ? read_local_rest(job, rest) : r;
}

weir_reading *weir_reading_of_question(const weir_database *database, weir_slice question,
                                       weir_strategy why)
{
    weir_reading *j = reading_new(why);
    if (!j)
        return NULL;
    int r = weir_database_backend(database)->ops->relays ? read_relayed(j, database, question)
                                                         : read_local(j, question);
    if (r == 0)
        return j;
    weir_reading_free(j);
    return NULL;
}

/* ---- a listed statement ---- */

/* The one that is named, or the only one. */
static weir_database *database_of(weir_engine *engine, weir_slice name)
{
    if (name.len > 0)
        return weir_engine_find_database(engine, name);
    unsigned count = weir_engine_database_count(engine);
    weir_database *first = count > 0 ? weir_engine_database_at(engine, 0) : NULL;
    for (unsigned i = 1; i < count; i++) /* its replicas are no others */
        if (weir_database_primary(weir_engine_database_at(engine, i)) != first)
            return NULL;
    return first;
}

static int put_listed(weir_reading *job, const weir_listed *l)
{
    static const uint8_t binary[] = {0, 1};
    asked a = {.text = l->text,
               .oids = weir_buf_slice(&l->oids),
               .describes = true,
               .bind = {.value_count = l->param_count,
                        .values = weir_buf_slice(&l->params),
                        .result_format_count = l->binary,
                        .result_formats = weir_slice_make(binary, l->binary ? 2 : 0)}};
    return l->param_count == 0 && !l->binary ? weir_pg_write_query(&job->messages, l->text)
                                             : put_extended(&job->messages, &a);
}

static int listed_settings(weir_reading *job, const weir_database *database, weir_slice user,
                           const weir_listed *l)
{
    weir_slice settings = weir_buf_slice(&l->settings), behind;
    weir_buf list;
    int r;
    if (weir_database_backend(database)->ops->relays)
        return set_who(job, database, user, settings);
    weir_buf_init(&list, WHO_MAX);
    r = weir_buf_append(&list, settings);
    if (r == 0)
        r = weir_buf_append_u8(&list, 0);
    if (r == 0)
        r = put_sets(&job->settings, weir_buf_slice(&list), &behind);
    weir_buf_fini(&list);
    return r == 0 ? set_who(job, database, user, (weir_slice){0}) : r;
}

int weir_reading_of_listed(weir_engine *engine, const weir_listed *listed, weir_reading **ret,
                           weir_error *err)
{
    const weir_database *d = database_of(engine, listed->database);
    const char *own = d ? weir_database_user(d) : NULL;
    bool relays = d && weir_database_backend(d)->ops->relays;
    weir_slice user = listed->user.len > 0 ? listed->user : weir_slice_cstr(own ? own : "");
    if (!d || (listed->user.len == 0 && (!own || !relays))) {
        weir_error_set(err, "42601", "line %u: %s", listed->line,
                       !d ? "database= names none that is configured"
                          : "user= is missing: whose answer is it?");
        return -EINVAL;
    }
    weir_reading *job = reading_new(WEIR_STRATEGY_WARM);
    if (!job)
        return -ENOMEM;
    job->priority = listed->priority;
    int r = listed_settings(job, d, user, listed);
    if (r == 0)
        r = put_listed(job, listed);
    if (r == 0) {
        *ret = job;
        return 0;
    }
    weir_reading_free(job);
    if (r != -ENOMEM)
        weir_error_set(err, "42601",
                       "line %u: its settings cannot be made at login, or it is too "
                       "long",
                       listed->line);
    return r == -ENOMEM ? r : -EINVAL;
}
