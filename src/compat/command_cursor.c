/* PREPARE, EXECUTE, DECLARE, FETCH, MOVE and CLOSE as written in SQL. */
#include "compat/command.h"

typedef weir_command command;

static bool begins_with(weir_slice s, const char *const *words)
{
    weir_token t = weir_token_peek(s);
    for (; *words; words++)
        if (weir_token_is(t, *words))
            return true;
    return false;
}

/* ---- prepared statements ---- */

int command_read_prepare(weir_slice s, command *c, weir_error *err)
{
    static const char *const preparable[] = {"select", "insert", "update", "delete", "values",
                                             "with",   "merge",  "(",      NULL};
    *c = (command){.kind = WEIR_COMMAND_PREPARE, .tag = "PREPARE"};
    if (!command_take_name(&s, &c->name))
        return command_syntax(c->name, err);
    if (weir_token_accept(&s, "(") && !weir_token_take_parentheses(&s, &c->types))
        return command_syntax((weir_slice){0}, err);
    if (!weir_token_accept(&s, "as") || !begins_with(s, preparable))
        return command_syntax(s, err);
    c->value = s;
    return 0;
}

int command_read_execute(weir_slice s, command *c, weir_error *err)
{
    *c = (command){.kind = WEIR_COMMAND_EXECUTE};
    if (!command_take_name(&s, &c->name))
        return command_syntax(c->name, err);
    if (weir_token_accept(&s, "(") && !weir_token_take_parentheses(&s, &c->value))
        return command_syntax((weir_slice){0}, err);
    return command_ended(s, err);
}

size_t weir_compat_count_items(weir_slice list)
{
    size_t items = weir_token_peek(list).kind == WEIR_TOKEN_END ? 0 : 1;
    unsigned depth = 0;
    for (weir_token t; (t = weir_token_next(&list)).kind != WEIR_TOKEN_END;) {
        bool opens = weir_token_is(t, "(") || weir_token_is(t, "[");
        bool closes = weir_token_is(t, ")") || weir_token_is(t, "]");
        depth += opens ? 1u : 0u;
        depth -= closes && depth > 0 ? 1u : 0u;
        items += depth == 0 && weir_token_is(t, ",") ? 1u : 0u;
    }
    return items;
}

bool weir_compat_next_type(weir_slice *list, uint32_t *ret_oid)
{
    bool array = false;
    (void)(command_accept2(list, "pg_catalog", "."));
    weir_token t = weir_token_next(list);
    const uint8_t *begin = t.text.data, *end = begin + t.text.len;
    if (t.kind == WEIR_TOKEN_END)
        return false;
    for (unsigned depth = 0;;) {
        t = weir_token_next(list);
        depth += weir_token_is(t, "(") ? 1u : 0u;
        depth -= weir_token_is(t, ")") && depth > 0 ? 1u : 0u;
        if (t.kind == WEIR_TOKEN_END || (depth == 0 && weir_token_is(t, ",")))
            break;
        if (weir_token_is(t, "[") || weir_token_is(t, "]"))
            array = true;
        else if (!array)
            end = t.text.data + t.text.len;
    }
    uint32_t oid = weir_compat_named_oid(weir_slice_make(begin, (size_t)(end - begin)));
    *ret_oid = array ? weir_compat_array_oid(oid) : oid;
    return true;
}

size_t weir_compat_largest_param(weir_slice text)
{
    size_t largest = 0;
    for (weir_token t; (t = weir_token_next(&text)).kind != WEIR_TOKEN_END;) {
        size_t n = 0;
        if (t.kind != WEIR_TOKEN_PARAM || t.text.data[0] != '$')
            continue;
        for (size_t i = 1; i < t.text.len && n <= UINT16_MAX; i++) {
            bool digit = t.text.data[i] >= '0' && t.text.data[i] <= '9';
            n = digit ? n * 10 + (size_t)(t.text.data[i] - '0') : 0;
            if (!digit)
                break;
        }
        largest = n > largest ? n : largest;
    }
    return largest;
}

/* ---- cursors ---- */

static void read_cursor_options(weir_slice *s, command *c)
{
    for (;;) {
        if (weir_token_accept(s, "binary"))
            c->cursor.binary = true;
        else if (command_accept2(s, "no", "scroll"))
            c->cursor.no_scroll = true;
        else if (!weir_token_accept(s, "scroll") && !weir_token_accept(s, "insensitive") &&
                 !weir_token_accept(s, "asensitive"))
            return; /* the rows are kept: SCROLL and INSENSITIVE are what every cursor is */
    }
}

int command_read_declare(weir_slice s, command *c, weir_error *err)
{
    static const char *const queries[] = {"select", "values", "with", "(", NULL};
    *c = (command){.kind = WEIR_COMMAND_DECLARE, .tag = "DECLARE CURSOR"};
    if (!command_take_name(&s, &c->name))
        return command_syntax(c->name, err);
    read_cursor_options(&s, c);
    if (!weir_token_accept(&s, "cursor"))
        return command_syntax(s, err);
    if (command_accept2(&s, "with", "hold"))
        c->cursor.hold = true;
    else
        (void)command_accept2(&s, "without", "hold");
    if (!weir_token_accept(&s, "for") || !begins_with(s, queries))
        return command_syntax(s, err);
    c->value = s;
    return 0;
}

/* [+|-] n; false: something else follows. */
static bool read_number(weir_slice *s, int64_t *ret)
{
    weir_slice after = *s;
    bool minus = weir_token_accept(&after, "-");
    if (!minus)
        (void)weir_token_accept(&after, "+");
    weir_token t = weir_token_next(&after);
    int64_t n = 0;
    if (t.kind != WEIR_TOKEN_NUMBER)
        return false;
    for (size_t i = 0; i < t.text.len; i++) {
        if (t.text.data[i] < '0' || t.text.data[i] > '9' || n > INT32_MAX)
            return false;
        n = n * 10 + (t.text.data[i] - '0');
    }
    *ret = minus ? -n : n;
    *s = after;
    return true;
}

/* How many: a number, ALL, or nothing for one. */
static void read_count(weir_slice *s, weir_fetch *f)
{
    f->count = 1;
    if (weir_token_accept(s, "all"))
        f->count = INT64_MAX;
    else
        (void)read_number(s, &f->count);
    if (f->count < 0) { /* backwards the other way */
        f->kind = f->kind == WEIR_FETCH_FORWARD ? WEIR_FETCH_BACKWARD : WEIR_FETCH_FORWARD;
        f->count = -f->count;
    }
}

static bool read_place(weir_slice *s, weir_fetch *f, weir_fetch_kind kind)
{
    f->kind = kind;
    return read_number(s, &f->count);
}

/* Keywords are names where nothing follows: FETCH next is a cursor's. */
static bool read_direction(weir_slice *s, weir_fetch *f)
{
    static const struct {
        const char *word;
        weir_fetch_kind kind;
        int64_t count;
    } words[] = {{"next", WEIR_FETCH_FORWARD, 1},
                 {"prior", WEIR_FETCH_BACKWARD, 1},
                 {"first", WEIR_FETCH_ABSOLUTE, 1},
                 {"last", WEIR_FETCH_ABSOLUTE, -1}};
    weir_slice after = *s;
    *f = (weir_fetch){.kind = WEIR_FETCH_FORWARD, .count = 1, .moves = f->moves};
    (void)weir_token_next(&after);
    if (weir_token_peek(after).kind == WEIR_TOKEN_END)
        return true;
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (weir_token_accept(s, words[i].word)) {
            f->kind = words[i].kind;
            f->count = words[i].count;
            return true;
        }
    }
    if (weir_token_accept(s, "absolute"))
        return read_place(s, f, WEIR_FETCH_ABSOLUTE);
    if (weir_token_accept(s, "relative"))
        return read_place(s, f, WEIR_FETCH_RELATIVE);
    if (weir_token_accept(s, "backward"))
        f->kind = WEIR_FETCH_BACKWARD;
    else
        (void)weir_token_accept(s, "forward");
    read_count(s, f);
    return true;
}

int command_read_fetch(weir_slice s, command *c, weir_error *err)
{
    *c = (command){.kind = WEIR_COMMAND_FETCH};
    if (!read_direction(&s, &c->fetch))
        return command_syntax(s, err);
    if (!weir_token_accept(&s, "from"))
        (void)weir_token_accept(&s, "in");
    if (!command_take_name(&s, &c->name))
        return command_syntax(c->name, err);
    return command_ended(s, err);
}

int command_read_move(weir_slice s, command *c, weir_error *err)
{
    int r = command_read_fetch(s, c, err);
    c->fetch.moves = true;
    return r;
}

int command_read_close(weir_slice s, command *c, weir_error *err)
{
    *c = (command){.kind = WEIR_COMMAND_CLOSE_CURSOR, .tag = "CLOSE CURSOR"};
    if (weir_token_accept(&s, "all"))
        c->tag = "CLOSE CURSOR ALL";
    else if (!command_take_name(&s, &c->name))
        return command_syntax(c->name, err);
    return command_ended(s, err);
}
