/* Temporary tables of a client: what is written to them is nobody else's, and no answer is of them.
 * To the schema their names are unknown, and what is unknown counts as everything.
 *
 *   CREATE TEMP TABLE is sent ──► MAKING ──it ended well──► STANDS
 *        any error, ROLLBACK, SET, DDL, whatever might drop one ──► nothing is known any more
 *
 * Invariant: a name that STANDS is a table of the connection that this client is pinned to, which
 * is found before any other of that name. */
#include "base/ascii.h"
#include "gateway/cached.h"
#include "gateway/internal.h"
#include <stdlib.h>

#define TABLES_MAX 16u
#define NAME_MAX_BYTES 63u

typedef struct table {
    uint8_t len;
    char name[NAME_MAX_BYTES]; /* as the server has it */
} table;

typedef struct weir_temporaries {
    table making; /* `len` 0: none is */
    unsigned count;
    table stands[TABLES_MAX];
} weir_temporaries;

void weir_temporary_forget(weir_cached *k)
{
    if (!k || !k->temporaries)
        return;
    free(k->temporaries);
    k->temporaries = NULL;
}

/* ---- names ---- */

static bool is_plain(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
}

/* An unqualified name without quotes, or of pg_temp. False: anything else. */
static bool take_name(weir_slice *rest, table *ret)
{
    static const char schema[] = "pg_temp.";
    while (rest->len > 0 && weir_ascii_is_space(rest->data[0]))
        *rest = weir_slice_skip(*rest, 1);
    if (rest->len > sizeof(schema) - 1 &&
        weir_slice_eq_nocase(weir_slice_head(*rest, sizeof(schema) - 1), schema))
        *rest = weir_slice_skip(*rest, sizeof(schema) - 1);
    size_t n = 0;
    for (; n < rest->len && n < NAME_MAX_BYTES && is_plain(weir_ascii_lower(rest->data[n])); n++)
        ret->name[n] = (char)weir_ascii_lower(rest->data[n]);
    ret->len = (uint8_t)n;
    *rest = weir_slice_skip(*rest, n);
    bool ends =
        rest->len == 0 || weir_ascii_is_space(rest->data[0]) || strchr("(;", rest->data[0]) != NULL;
    while (rest->len > 0 && weir_ascii_is_space(rest->data[0]))
        *rest = weir_slice_skip(*rest, 1);
    return n > 0 && n < NAME_MAX_BYTES && ends && (rest->len == 0 || rest->data[0] != '.');
}

static table *find(const weir_cached *k, const table *of)
{
    weir_temporaries *t = k ? k->temporaries : NULL;
    for (unsigned i = 0; t && i < t->count; i++)
        if (t->stands[i].len == of->len && memcmp(t->stands[i].name, of->name, of->len) == 0)
            return &t->stands[i];
    return NULL;
}

/* DROP TABLE [IF EXISTS] one of these, and nothing else; NULL: anything else. */
static table *find_dropped(const weir_cached *k, weir_slice text)
{
    table name;
    if (!weir_front_take_word(&text, "drop") || !weir_front_take_word(&text, "table") ||
        (weir_front_take_word(&text, "if") && !weir_front_take_word(&text, "exists")) ||
        !take_name(&text, &name) || weir_front_trim(text).len > 0)
        return NULL;
    return find(k, &name);
}

/* ---- what becomes of them ---- */

void weir_temporary_making(weir_client *c, weir_slice text)
{
    weir_cached *k = weir_cached_settled(c);
    table made;
    while (weir_front_take_word(&text, "create") || weir_front_take_word(&text, "local") ||
           weir_front_take_word(&text, "global") || weir_front_take_word(&text, "temp") ||
           weir_front_take_word(&text, "temporary") || weir_front_take_word(&text, "table"))
        ;
    if (weir_front_take_word(&text, "if"))
        (void)(weir_front_take_word(&text, "not") && weir_front_take_word(&text, "exists"));
    bool known = k && take_name(&text, &made) && !weir_client_mentions(text, "drop");
    if (known && !k->temporaries)
        k->temporaries = calloc(1, sizeof(*k->temporaries));
    if (!known || !k->temporaries || k->temporaries->making.len > 0)
        weir_temporary_forget(k);
    else
        k->temporaries->making = made;
}

void weir_temporary_made(weir_cached *k)
{
    weir_temporaries *t = k ? k->temporaries : NULL;
    if (!t || t->making.len == 0)
        return;
    if (!find(k, &t->making) && t->count < TABLES_MAX)
        t->stands[t->count++] = t->making;
    t->making.len = 0;
}

static bool leaves_them(const weir_statement *s)
{
    const unsigned unseen = WEIR_EFFECT_WRITES | WEIR_EFFECT_UNKNOWN | WEIR_EFFECT_DO;
    if (s->statements > 1 || (s->effects & unseen))
        return false;
    switch (s->kind) {
    case WEIR_KIND_EMPTY:
    case WEIR_KIND_READ:
    case WEIR_KIND_WRITE:
    case WEIR_KIND_COPY:
        return true;
    case WEIR_KIND_TRANSACTION:
        return s->transaction == WEIR_TRANSACTION_BEGIN ||
               s->transaction == WEIR_TRANSACTION_COMMIT ||
               s->transaction == WEIR_TRANSACTION_SAVEPOINT ||
               s->transaction == WEIR_TRANSACTION_RELEASE;
    default:
        return false;
    }
}

/* ---- what is written to them ---- */

/* Behind the words of its verb. */
static bool take_verb(weir_slice *text)
{
    if (weir_front_take_word(text, "insert"))
        return weir_front_take_word(text, "into");
    if (weir_front_take_word(text, "delete"))
        return weir_front_take_word(text, "from");
    if (weir_front_take_word(text, "truncate")) {
        (void)weir_front_take_word(text, "table");
        return memchr(text->data, ',', text->len) == NULL &&
               !weir_client_mentions(*text, "cascade");
    }
    return weir_front_take_word(text, "update") || weir_front_take_word(text, "copy");
}

/* There is no WITH in it, which might write elsewhere. Its triggers and rules would be DDL. */
bool weir_temporary_takes(const weir_client *c, weir_slice text)
{
    const weir_cached *k = c->cached;
    table name;
    return k && k->temporaries && (c->session.pinned & WEIR_EFFECT_TEMP) && k->search_path &&
           !strstr(k->search_path, "pg_temp") && take_verb(&text) && take_name(&text, &name) &&
           find(k, &name) && !weir_client_mentions(text, "with");
}

bool weir_temporary_drops(const weir_client *c, const weir_statement *statement, weir_slice text)
{
    return c->cached && c->cached->temporaries && statement->kind == WEIR_KIND_DDL &&
           statement->statements == 1 && (c->session.pinned & WEIR_EFFECT_TEMP) &&
           find_dropped(c->cached, text);
}

static void forget_dropped(weir_cached *k, weir_slice text)
{
    weir_temporaries *t = k->temporaries;
    table *dropped = find_dropped(k, text);
    t->making.len = 0;
    if (dropped)
        *dropped = t->stands[--t->count];
}

void weir_temporary_sends(const weir_client *c, const weir_statement *statement, weir_slice text)
{
    weir_cached *k = c->cached;
    if (!k || !k->temporaries || leaves_them(statement) ||
        weir_client_makes_temporary(statement, text))
        return;
    if (weir_temporary_drops(c, statement, text))
        forget_dropped(k, text);
    else
        weir_temporary_forget(k);
}
