/* The names in a statement's text, found once when its template is made, and what a server's
 * catalog says of them. */
#include "base/ascii.h"
#include "sql/identifier.h"
#include <stdlib.h>

/* ---- identifiers ---- */

/* Fully reserved in PostgreSQL: unquoted they name neither function nor relation. In strcmp order.
 */
static const char *const reserved[] = {
    "all",       "analyse",    "analyze",    "and",          "any",     "array",      "as",
    "asc",       "asymmetric", "both",       "case",         "cast",    "check",      "collate",
    "column",    "constraint", "create",     "current_date", "default", "deferrable", "desc",
    "distinct",  "do",         "else",       "end",          "except",  "false",      "fetch",
    "for",       "foreign",    "from",       "grant",        "group",   "having",     "in",
    "initially", "intersect",  "into",       "lateral",      "leading", "limit",      "localtime",
    "not",       "null",       "offset",     "on",           "only",    "or",         "order",
    "placing",   "primary",    "references", "returning",    "select",  "some",       "symmetric",
    "table",     "then",       "to",         "trailing",     "true",    "union",      "unique",
    "user",      "using",      "variadic",   "when",         "where",   "window",     "with",
};

/* Before a name that has a list of columns, or is new. */
static const char *const before_lists[] = {"as",         "copy",      "exists",     "into",
                                           "ordinality", "recursive", "references", "table",
                                           "view",       "with"};

static int compare(const void *key, const void *entry)
{
    return strcmp(key, *(const char *const *)entry);
}

bool weir_identifier_is_word(const weir_token *t, const char *lower)
{
    return t->type == TOKEN_WORD &&
           weir_slice_eq_nocase(weir_slice_make(t->start, (size_t)(t->end - t->start)), lower);
}

/* `text` has `size` bytes; longer names are cut, as those of the server are. */
static size_t fold(const weir_token *t, char *text, size_t size)
{
    bool quoted = t->type == TOKEN_QUOTED;
    const uint8_t *p = t->start + quoted, *end = t->end - (quoted && t->end - t->start > 1);
    size_t n = 0;
    for (; p < end && n < size - 1; p++) {
        text[n++] = quoted ? (char)*p : (char)weir_ascii_lower(*p);
        if (quoted && *p == '"')
            p++; /* doubled */
    }
    text[n] = '\0';
    return n;
}

bool weir_identifier_read(const weir_token *t, bool behind_dot, weir_identifier *ret)
{
    char text[128];
    size_t n = fold(t, text, sizeof(text));
    *ret = (weir_identifier){.readable = *t->start == '"' || t->type == TOKEN_WORD};
    if (t->type == TOKEN_WORD && !behind_dot &&
        bsearch(text, reserved, sizeof(reserved) / sizeof(*reserved), sizeof(*reserved), compare))
        return false;
    ret->name = weir_server_name(weir_slice_make(text, n));
    return true;
}

/* ---- collecting ---- */

typedef struct collection {
    uint64_t *names;
    uint32_t count;
    bool over;
} collection;

static void put(collection *c, uint64_t name)
{
    for (uint32_t i = 0; i < c->count; i++)
        if (c->names[i] == name)
            return;
    if (c->count == WEIR_MENTIONS_MAX)
        c->over = true;
    else
        c->names[c->count++] = name;
}

static bool before_list(const weir_token *t)
{
    if (t->type == TOKEN_CLOSE)
        return true; /* FROM (…) t(a): a call never stands there but behind DISTINCT ON (…) */
    for (size_t i = 0; i < sizeof(before_lists) / sizeof(*before_lists); i++)
        if (weir_identifier_is_word(t, before_lists[i]))
            return true;
    return false;
}

uint32_t weir_mentions_collect(weir_slice text, uint64_t *names, bool *ret_over)
{
    collection c = {.names = names};
    weir_scan scan;
    weir_token t, previous = {.type = TOKEN_END}, before = {.type = TOKEN_END};
    weir_identifier pending = {0};
    bool waits = false; /* `pending` for the token behind it */
    weir_scan_init(&scan, WEIR_DIALECT_POSTGRES, text);
    do {
        weir_scan_next(&scan, &t);
        if (waits && t.type == TOKEN_OPEN)
            put(&c, pending.name | WEIR_MENTION_FOLLOWED |
                        (before_list(&before) ? 0 : WEIR_MENTION_CALL));
        else if (waits && t.type != TOKEN_DOT)
            put(&c, pending.name);
        waits = false;
        if (t.type == TOKEN_WORD || t.type == TOKEN_QUOTED) {
            bool behind_dot = previous.type == TOKEN_DOT;
            if (!behind_dot)
                before = previous;
            waits = weir_identifier_read(&t, behind_dot, &pending);
            c.over = c.over || (waits && !pending.readable);
        }
        previous = t;
    } while (t.type != TOKEN_END);
    *ret_over = c.over || scan.unterminated;
    return c.count;
}

/* ---- asking ---- */

#define ANYTHING ((unsigned)(WEIR_EFFECT_UNKNOWN | WEIR_EFFECT_WRITES))

static unsigned effects_of_name(uint64_t name, bool written, const weir_server_catalog *c)
{
    unsigned effects = weir_server_find_relation(c, name, written), called = 0;
    if ((name & WEIR_MENTION_FOLLOWED) == 0)
        return effects;
    if (weir_server_find_function(c, name, &called))
        return effects | called;
    return name & WEIR_MENTION_CALL ? effects | ANYTHING : effects;
}

/* Event triggers run for it: not for SET and its like, which are frequent. */
static bool may_be_ddl(weir_kind kind)
{
    return kind != WEIR_KIND_READ && kind != WEIR_KIND_WRITE && kind != WEIR_KIND_SESSION;
}

unsigned weir_mentions_effects(const weir_mentions *mentions, weir_kind kind,
                               const weir_server_catalog *catalog, bool stale)
{
    bool names = mentions->count > 0 || mentions->over;
    if (kind == WEIR_KIND_TRANSACTION || kind == WEIR_KIND_EMPTY || !names)
        return 0;
    unsigned effects = weir_server_everywhere(catalog);
    if (stale || !weir_server_is_whole(catalog))
        effects |= ANYTHING;
    if (mentions->over)
        effects |= weir_server_all(catalog);
    if (may_be_ddl(kind))
        effects |= weir_server_ddl(catalog);
    for (uint32_t i = 0; i < mentions->count; i++)
        effects |= effects_of_name(mentions->names[i], kind != WEIR_KIND_READ, catalog);
    return effects;
}
