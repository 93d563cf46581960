/* Random and mutated SQL through the lexers: no crash, bounds kept, a split loses no byte and ends.
 * usage: fuzz_sql_lex SEED ROUNDS */
#include "sql/sql.h"
#include <stdio.h>
#include <stdlib.h>

static uint64_t next(uint64_t *s)
{
    *s ^= *s << 13;
    *s ^= *s >> 7;
    *s ^= *s << 17;
    return *s;
}

static const char *const pieces[] = {"select ", "insert into t ",
                                     "values ", "(",
                                     ")",       ",",
                                     ";",       "'",
                                     "\"",      "$$",
                                     "$a$",     "$1",
                                     "/*",      "*/",
                                     "--",      "\n",
                                     "begin ",  "end",
                                     "case ",   "create trigger ",
                                     "atomic ", "in ",
                                     "array[",  "]",
                                     "::",      "?",
                                     "-",       "1",
                                     ".5",      "e'\\'",
                                     "U&\"",    "uescape ",
                                     "with ",   "temp.",
                                     "x",       " ",
                                     "\xff",    "+"};

static size_t make(uint64_t *seed, uint8_t *out, size_t max)
{
    size_t len = 0, want = next(seed) % 60;
    for (size_t i = 0; i < want; i++) {
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

static void check(weir_dialect dialect, weir_slice text, weir_lexed *l)
{
    if (weir_sql_lex(dialect, text, l) != 0 || l->text.len > WEIR_SQL_TEXT_MAX ||
        l->kind >= WEIR_KINDS)
        abort();
    unsigned statements = 0;
    for (weir_slice rest = text;; statements++) {
        weir_slice one = weir_sql_split(dialect, rest, &rest);
        if (one.len == 0)
            break;
        if (one.data < text.data || rest.data < one.data + one.len ||
            rest.data + rest.len != text.data + text.len)
            abort();
    }
    if (statements != l->statements)
        abort();
}

int main(int argc, char **argv)
{
    uint64_t seed = (argc > 1 ? strtoull(argv[1], NULL, 10) : 1) * 0x9e3779b97f4a7c15u | 1;
    unsigned long rounds = argc > 2 ? strtoul(argv[2], NULL, 10) : 10000;
    weir_lexed l;
    weir_lexed_init(&l);
    for (unsigned long i = 0; i < rounds; i++) {
        uint8_t bytes[512];
        size_t len = make(&seed, bytes, sizeof(bytes));
        uint8_t *text =
            malloc(len + 1); /* of its exact size: the sanitizer sees a read behind it */
        if (!text)
            return 1;
        memcpy(text, bytes, len);
        uint8_t *exact = realloc(text, len ? len : 1);
        text = exact ? exact : text;
        check(WEIR_DIALECT_POSTGRES, weir_slice_make(text, len), &l);
        check(WEIR_DIALECT_SQLITE, weir_slice_make(text, len), &l);
        free(text);
    }
    weir_lexed_fini(&l);
    return 0;
}
