/* Bodies of functions and texts of statements, random and mutated: no crash, bounds kept, and what
 * is added behind a body takes nothing of its effects away.
 * usage: fuzz_sql_body SEED ROUNDS */
#include "sql/server.h"
#include <stdlib.h>

static uint64_t next(uint64_t *s)
{
    *s ^= *s << 13;
    *s ^= *s >> 7;
    *s ^= *s << 17;
    return *s;
}

static const char *const pieces[] = {"begin ",
                                     "end; ",
                                     ";",
                                     "set ",
                                     "local ",
                                     "x = 1 ",
                                     "set_config",
                                     "(",
                                     ")",
                                     ",",
                                     "'a.b'",
                                     "true",
                                     "false",
                                     "execute ",
                                     "'select 1'",
                                     "$$ set y = 2 $$",
                                     "||",
                                     "perform ",
                                     "create temp table t ",
                                     "on commit drop ",
                                     "pg_temp",
                                     ".",
                                     "\"",
                                     "'",
                                     "--",
                                     "\n",
                                     "/*",
                                     "*/",
                                     "$q$",
                                     "$1",
                                     "then ",
                                     "else ",
                                     "loop ",
                                     ">>",
                                     "<<",
                                     "listen ",
                                     "with hold ",
                                     "pg_advisory_lock",
                                     "U&\"",
                                     "E'\\'",
                                     "[",
                                     "]",
                                     "as ",
                                     "with ",
                                     "into ",
                                     "\xff",
                                     "x",
                                     "1",
                                     "::",
                                     "do ",
                                     "update t "};

static size_t make(uint64_t *seed, uint8_t *out, size_t max)
{
    size_t len = 0;
    for (size_t i = next(seed) % 40; i > 0; i--) {
        const char *p = pieces[next(seed) % (sizeof(pieces) / sizeof(pieces[0]))];
        size_t n = strlen(p);
        if (len + n > max)
            break;
        memcpy(out + len, p, n);
        len += n;
    }
    for (size_t i = next(seed) % 3; i > 0 && len > 0; i--)
        out[next(seed) % len] = (uint8_t)next(seed);
    return len;
}

static void on_name(void *user, uint64_t name, bool followed)
{
    (void)followed;
    if (name == 0 || (name & 15))
        abort();
    ++*(size_t *)user;
}

static void on_setting(void *user, weir_slice name)
{
    for (size_t i = 0; i < name.len; i++)
        *(size_t *)user += name.data[i]; /* each byte is there to be read */
}

/* A body that is whole keeps its effects, whatever statement follows it. */
static void check_growth(weir_language language, weir_slice text, const weir_body *body)
{
    static const char more[] = "\n; select 1;";
    uint8_t longer[2048 + sizeof(more)];
    weir_body grown;
    memcpy(longer, text.data, text.len);
    memcpy(longer + text.len, more, sizeof(more) - 1);
    weir_body_scan(language, weir_slice_make(longer, text.len + sizeof(more) - 1), NULL, &grown);
    /* A set_config without its end is taken for local if what follows ends it: only more effects
     * of the unterminated kind may go. */
    if ((body->effects & ~(grown.effects | WEIR_EFFECT_UNKNOWN | WEIR_EFFECT_SET)) != 0)
        abort();
}

static void check(weir_slice text)
{
    size_t seen = 0;
    uint64_t names[WEIR_MENTIONS_MAX];
    bool over;
    weir_body_visitor visitor = {.name = on_name, .setting = on_setting, .user = &seen};
    for (int language = WEIR_LANGUAGE_SQL; language <= WEIR_LANGUAGE_OTHER; language++) {
        weir_body body, again;
        weir_body_scan((weir_language)language, text, &visitor, &body);
        weir_body_scan((weir_language)language, text, NULL, &again);
        if (body.effects != again.effects || body.line != again.line ||
            (body.effects == 0) != (body.line == 0))
            abort();
        check_growth((weir_language)language, text, &body);
    }
    if (weir_mentions_collect(text, names, &over) > WEIR_MENTIONS_MAX)
        abort();
}

int main(int argc, char **argv)
{
    uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 10) : 1;
    unsigned long rounds = argc > 2 ? strtoul(argv[2], NULL, 10) : 20000;
    seed = seed * 0x9e3779b97f4a7c15 + 1;
    for (unsigned long i = 0; i < rounds; i++) {
        uint8_t text[2048];
        size_t len = make(&seed, text, sizeof(text));
        uint8_t *exact = malloc(len ? len : 1); /* a look behind the end is found */
        if (!exact)
            return 1;
        memcpy(exact, text, len);
        check(weir_slice_make(exact, len));
        free(exact);
    }
    return 0;
}
