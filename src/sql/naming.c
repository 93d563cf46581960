/* The names of a session that a text deals with: settings of the users' own, prepared statements.
 * Runs only over texts that the lexer found to have such effects. A name too many costs a question
 * to the server; one too few is found by looking at the server's own lists. */
#include "base/ascii.h"
#include "sql/lex.h"

#define SETTING_MAX (4 * (size_t)WEIR_SQL_NAME_MAX)
#define BODIES_MAX 3u /* dollar quotes within dollar quotes */

typedef struct naming {
    void (*visit)(void *user, weir_naming what, weir_slice name, weir_slice statement);
    void *user;
    weir_scan scan;
    weir_token t; /* the token in hand */
    weir_slice statement;
} naming;

static void next(naming *n)
{
    weir_scan_next(&n->scan, &n->t);
}

static bool is_word(const naming *n, const char *lower)
{
    return n->t.type == TOKEN_WORD &&
           weir_slice_eq_nocase(weir_slice_make(n->t.start, (size_t)(n->t.end - n->t.start)),
                                lower);
}

static bool is_name(const naming *n)
{
    return n->t.type == TOKEN_WORD || n->t.type == TOKEN_QUOTED;
}

/* Appends the identifier in hand, folded or unquoted, to a name of at most `max` bytes. */
static size_t append_identifier(const naming *n, uint8_t *out, size_t len, size_t max)
{
    bool quoted = n->t.type == TOKEN_QUOTED;
    const uint8_t *p = n->t.start + quoted, *end = n->t.end - (quoted && n->t.end > n->t.start + 1);
    for (; p < end && len < max; p++) {
        if (quoted && *p == '"' && p + 1 < end && p[1] == '"')
            p++;
        out[len++] = quoted ? *p : weir_ascii_lower(*p);
    }
    return len;
}

/* A letter of UTF-8 is not cut. */
static size_t whole_letters(const uint8_t *name, size_t len)
{
    size_t n = len, tail = 0;
    while (n > 0 && (name[n - 1] & 0xc0) == 0x80) {
        n--;
        tail++;
    }
    size_t want = n == 0 || name[n - 1] < 0xc0 ? 0
                  : name[n - 1] >= 0xf0        ? 3
                  : name[n - 1] >= 0xe0        ? 2
                                               : 1;
    return want > tail ? n - 1 : len;
}

static void tell(naming *n, weir_naming what, weir_slice name)
{
    n->visit(n->user, what, name, n->statement);
}

/* The token in hand is a prepared statement's name, or ALL. */
static void statement_name(naming *n, weir_naming what)
{
    uint8_t name[WEIR_SQL_NAME_MAX];
    if (!is_name(n) || (what == WEIR_NAMING_PREPARE && is_word(n, "transaction")))
        return;
    if (what == WEIR_NAMING_DEALLOCATE && is_word(n, "all")) {
        tell(n, WEIR_NAMING_DEALLOCATE_ALL, (weir_slice){0});
        return;
    }
    size_t len = append_identifier(n, name, 0, sizeof(name));
    tell(n, what, weir_slice_make(name, len < sizeof(name) ? len : whole_letters(name, len)));
}

/* Behind SET or RESET: a.b, perhaps behind SESSION or LOCAL. */
static void setting_name(naming *n)
{
    uint8_t name[SETTING_MAX];
    size_t len = 0, dots = 0;
    if (is_word(n, "session") || is_word(n, "local"))
        next(n);
    while (is_name(n) && len < sizeof(name)) {
        len = append_identifier(n, name, len, sizeof(name));
        next(n);
        if (n->t.type != TOKEN_DOT || len == sizeof(name))
            break;
        name[len++] = '.';
        dots++;
        next(n);
    }
    for (size_t i = 0; i < len; i++)
        name[i] = weir_ascii_lower(name[i]);
    if (dots > 0 && weir_sql_is_setting_name(weir_slice_make(name, len)))
        tell(n, WEIR_NAMING_SETTING, weir_slice_make(name, len));
}

/* Letters, digits, underscores, dollars, with dots between; bytes beyond ASCII are letters. */
bool weir_sql_is_setting_name(weir_slice text)
{
    size_t dots = 0;
    if (text.len < 3 || text.len > SETTING_MAX)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.data[i];
        bool first = i == 0 || text.data[i - 1] == '.';
        bool letter = (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
        bool later = (c >= '0' && c <= '9') || c == '$' || (c == '.' && i + 1 < text.len);
        if (!letter && c != '_' && c < 0x80 && !(later && !first))
            return false;
        dots += c == '.';
    }
    return dots > 0;
}

static void setting_literal(naming *n, weir_slice text)
{
    uint8_t name[SETTING_MAX];
    if (!weir_sql_is_setting_name(text))
        return;
    for (size_t i = 0; i < text.len; i++)
        name[i] = weir_ascii_lower(text.data[i]);
    tell(n, WEIR_NAMING_SETTING, weir_slice_make(name, text.len));
}

static void walk(naming *n, weir_slice text, unsigned depth);

static void literal(naming *n, unsigned depth)
{
    const uint8_t *p = n->t.start, *end = n->t.end;
    while (p < end && *p != '\'' && *p != '$')
        p++; /* E, U& */
    if (p == end || n->t.literal != WEIR_LITERAL_STRING)
        return;
    if (*p == '\'') {
        weir_slice inside = weir_slice_make(p + 1, (size_t)(end - p - (end - p > 1 ? 2 : 1)));
        setting_literal(n, inside);
        if (depth < BODIES_MAX && inside.len > 3)
            walk(n, inside, depth + 1); /* EXECUTE 'SET a.b …' */
        return;
    }
    const uint8_t *open = memchr(p + 1, '$', (size_t)(end - p - 1));
    size_t tag = open ? (size_t)(open - p) + 1 : 0;
    if (tag > 0 && (size_t)(end - p) >= 2 * tag && depth < BODIES_MAX)
        walk(n, weir_slice_make(p + tag, (size_t)(end - p) - 2 * tag), depth + 1);
}

/* One token and what belongs to it; PREPARE and its like are what they are as first words only. */
static void take(naming *n, unsigned depth, bool first)
{
    if (n->t.type == TOKEN_LITERAL) {
        literal(n, depth);
        next(n);
    } else if (is_word(n, "set") || is_word(n, "reset")) {
        next(n);
        setting_name(n);
    } else if (depth == 0 && is_word(n, "execute")) {
        next(n);
        statement_name(n, WEIR_NAMING_EXECUTE);
    } else if (first && is_word(n, "prepare")) {
        next(n);
        statement_name(n, WEIR_NAMING_PREPARE);
    } else if (first && is_word(n, "deallocate")) {
        next(n);
        if (is_word(n, "prepare"))
            next(n);
        statement_name(n, WEIR_NAMING_DEALLOCATE);
    } else if (first && is_word(n, "discard")) {
        next(n);
        if (is_word(n, "all"))
            tell(n, WEIR_NAMING_DISCARD_ALL, (weir_slice){0});
    } else {
        next(n);
    }
}

static void walk(naming *n, weir_slice text, unsigned depth)
{
    weir_scan outer = n->scan;
    weir_token token = n->t;
    weir_scan_init(&n->scan, WEIR_DIALECT_POSTGRES, text);
    next(n);
    for (bool first = depth == 0; n->t.type != TOKEN_END; first = false)
        take(n, depth, first);
    n->scan = outer;
    n->t = token;
}

void weir_sql_each_naming(weir_slice text,
                          void (*visit)(void *user, weir_naming what, weir_slice name,
                                        weir_slice statement),
                          void *user)
{
    naming n = {.visit = visit, .user = user};
    while (text.len > 0) {
        n.statement = weir_sql_split(WEIR_DIALECT_POSTGRES, text, &text);
        if (n.statement.len == 0)
            break;
        walk(&n, n.statement, 0);
    }
}
