/* See spelling.h. One errand sets what the client asks for, in a transaction of its own that leaves
 * nothing, and reads it back; each worker remembers the answers.
 *
 *   absent ──► asked (an errand of the client's) ──answer──► remembered ──full──► absent
 *                └──refused by the server──► absent: the client is told, and goes
 */
#include "gateway/spelling.h"
#include "engine/errand.h"
#include "gateway/guc.h"
#include "gateway/internal.h"
#include "proto/pg/text.h"
#include <stdlib.h>

#define ENTRIES_MAX 1024u /* of a worker; then it begins anew */
#define TEXT_MAX ((size_t)16 * WEIR_PG_STARTUP_SIZE_MAX)

typedef struct entry {
    size_t key_len, len;
    uint8_t bytes[]; /* the key (database, user, pairs asked for), then pairs as spelled */
} entry;

struct weir_spellings {
    weir_map entries;
};

struct weir_spelling {
    weir_client *client;
    weir_errand errand;
    weir_buf text;
    weir_buf spelled;
    bool incomplete; /* memory was short while the answer came */
};

/* ---- what is asked for ---- */

/* Names of programs are as many as programs, and servers take them as they are. */
static bool is_plain(weir_slice name, weir_slice value)
{
    if (!weir_slice_eq_cstr(name, "application_name"))
        return false;
    for (size_t i = 0; i < value.len; i++)
        if (value.data[i] < 0x20 || value.data[i] > 0x7e)
            return false;
    return true;
}

static int append_key(const weir_client *c, weir_buf *key)
{
    weir_slice params = weir_slice_make(c->startup, c->startup_len), name, value;
    int r = weir_buf_append_cstr(key, weir_database_name(weir_session_database(&c->session)));
    if (r == 0)
        r = weir_buf_append_cstr(key, c->user);
    for (size_t pos = 0; r == 0 && weir_pg_param_next(params, &pos, &name, &value);) {
        if (is_plain(name, value))
            continue;
        r = weir_buf_append(key, weir_slice_make(name.data, name.len + 1));
        if (r == 0)
            r = weir_buf_append(key, weir_slice_make(value.data, value.len + 1));
    }
    return r;
}

static bool asks(const weir_client *c)
{
    weir_slice params = weir_slice_make(c->startup, c->startup_len), name, value;
    for (size_t pos = 0; weir_pg_param_next(params, &pos, &name, &value);)
        if (!is_plain(name, value))
            return true;
    return false;
}

/* ---- the errand ---- */

/* As bytes: a client's value is no part of a text of ours. */
static int append_value(weir_buf *out, weir_slice value)
{
    return weir_pg_append_hex_text(out, value, "getdatabaseencoding");
}

static int append_set(weir_buf *out, weir_slice name, weir_slice value)
{
    int r = weir_buf_append(out, WEIR_SLICE_LIT("SELECT pg_catalog.set_config("));
    if (r == 0)
        r = append_value(out, name);
    if (r == 0)
        r = weir_buf_append_u8(out, ',');
    if (r == 0)
        r = append_value(out, value);
    return r < 0 ? r : weir_buf_append(out, WEIR_SLICE_LIT(",true);"));
}

static int append_get(weir_buf *out, weir_slice name)
{
    int r = weir_buf_append(out, WEIR_SLICE_LIT("SELECT n,pg_catalog.current_setting(n) FROM ("
                                                "SELECT "));
    if (r == 0)
        r = append_value(out, name);
    return r < 0 ? r : weir_buf_append(out, WEIR_SLICE_LIT(" AS n) AS names;"));
}

/* Several statements in one Query are one transaction. */
static int append_text(const weir_client *c, weir_buf *out)
{
    weir_slice params = weir_slice_make(c->startup, c->startup_len), name, value;
    int r = 0;
    for (size_t pos = 0; r == 0 && weir_pg_param_next(params, &pos, &name, &value);)
        r = append_set(out, name, value);
    for (size_t pos = 0; r == 0 && weir_pg_param_next(params, &pos, &name, &value);)
        if (!is_plain(name, value))
            r = append_get(out, name);
    if (r == 0)
        r = append_get(out, WEIR_SLICE_LIT("is_superuser"));
    return r < 0 ? r : append_get(out, WEIR_SLICE_LIT("session_authorization"));
}

static void on_row(weir_errand *errand, const weir_slice *values, unsigned count)
{
    weir_spelling *s = WEIR_CONTAINER_OF(errand, weir_spelling, errand);
    if (count == 2 && values[0].data && values[1].data &&
        weir_guc_put(&s->spelled, values[0], values[1]) < 0)
        s->incomplete = true;
}

static int remember(const weir_client *c, weir_slice spelled);

void weir_client_spelling_free(weir_client *c)
{
    weir_spelling *s = c->spelling;
    if (!s)
        return;
    c->spelling = NULL;
    weir_errand_drop(&s->errand);
    weir_buf_fini(&s->text);
    weir_buf_fini(&s->spelled);
    free(s);
}

static void on_done(weir_errand *errand, const weir_error *err)
{
    weir_spelling *s = WEIR_CONTAINER_OF(errand, weir_spelling, errand);
    weir_client *c = s->client;
    weir_error refused = err ? *err : (weir_error){0};
    int r = err ? 0 : s->incomplete ? -ENOMEM : remember(c, weir_buf_slice(&s->spelled));
    weir_client_spelling_free(c);
    if (c->state != WEIR_CLIENT_WELCOME)
        return;
    if (err)
        weir_client_fatal(c, &refused);
    else if (r < 0)
        weir_client_out_of_memory(c);
    else
        weir_client_welcome(c);
}

static void ask(weir_client *c)
{
    weir_spelling *s = calloc(1, sizeof(*s));
    if (!s) {
        weir_client_out_of_memory(c);
        return;
    }
    s->client = c;
    s->errand = (weir_errand){.row = on_row, .done = on_done};
    weir_list_init(&s->errand.question.node);
    weir_buf_init(&s->text, TEXT_MAX);
    weir_buf_init(&s->spelled, TEXT_MAX);
    c->spelling = s;
    if (append_text(c, &s->text) < 0) {
        weir_client_spelling_free(c);
        weir_client_out_of_memory(c);
        return;
    }
    weir_errand_start(&s->errand, c->worker->engine, weir_session_database(&c->session),
                      weir_slice_cstr(c->user), weir_buf_slice(&s->text), NULL, 0);
}

/* ---- what is remembered ---- */

static void forget_all(struct weir_spellings *all)
{
    entry *e;
    for (size_t pos = 0; (e = weir_map_next(&all->entries, &pos));)
        free(e);
    weir_map_fini(&all->entries);
}

void weir_spellings_free(weir_gateway_worker *w)
{
    if (!w->spellings)
        return;
    forget_all(w->spellings);
    free(w->spellings);
    w->spellings = NULL;
}

static struct weir_spellings *spellings_of(weir_gateway_worker *w)
{
    struct weir_spellings *all = w->spellings;
    if (all && all->entries.len < ENTRIES_MAX)
        return all;
    if (all)
        forget_all(all);
    else
        all = w->spellings = calloc(1, sizeof(*all));
    if (all)
        weir_map_init(&all->entries, w->gateway->options.seed, ENTRIES_MAX);
    return all;
}

static int keep(struct weir_spellings *all, weir_slice key, weir_slice spelled)
{
    entry *e = malloc(sizeof(*e) + key.len + spelled.len);
    void *old = NULL;
    if (!e)
        return -ENOMEM;
    e->key_len = key.len;
    e->len = spelled.len;
    memcpy(e->bytes, key.data, key.len);
    if (spelled.len > 0)
        memcpy(e->bytes + key.len, spelled.data, spelled.len);
    int r = weir_map_put(&all->entries, weir_slice_make(e->bytes, e->key_len), e, &old);
    free(r == 0 ? old : e);
    return r == 0 ? 0 : -ENOMEM;
}

static int remember(const weir_client *c, weir_slice spelled)
{
    struct weir_spellings *all = spellings_of(c->worker);
    weir_buf key;
    weir_buf_init(&key, TEXT_MAX);
    int r = all ? append_key(c, &key) : -ENOMEM;
    if (r == 0)
        r = keep(all, weir_buf_slice(&key), spelled);
    weir_buf_fini(&key);
    return r;
}

bool weir_client_spell(weir_client *c, weir_slice *ret)
{
    weir_buf key;
    *ret = (weir_slice){0};
    if (!asks(c))
        return true;
    weir_buf_init(&key, TEXT_MAX);
    const struct weir_spellings *all = c->worker->spellings;
    const entry *e = NULL;
    if (all && append_key(c, &key) == 0)
        e = weir_map_find(&all->entries, weir_buf_slice(&key));
    weir_buf_fini(&key);
    if (!e) {
        ask(c);
        return false;
    }
    *ret = weir_slice_make(e->bytes + e->key_len, e->len);
    return true;
}
