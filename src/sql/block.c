/* See block.h. */
#include "sql/block.h"
#include "sql/lex.h"

typedef struct reader {
    weir_scan scan;
    weir_token t; /* the next one */
} reader;

static bool take(reader *r, const char *word)
{
    weir_slice text = weir_slice_make(r->t.start, (size_t)(r->t.end - r->t.start));
    if (r->t.type != TOKEN_WORD || !weir_slice_eq_nocase(text, word))
        return false;
    weir_scan_next(&r->scan, &r->t);
    return true;
}

static bool take_name(reader *r)
{
    if (r->t.type != TOKEN_WORD && r->t.type != TOKEN_QUOTED)
        return false;
    weir_scan_next(&r->scan, &r->t);
    return true;
}

static bool ends(const reader *r)
{
    return r->t.type == TOKEN_END;
}

/* TO [SAVEPOINT] name; a savepoint may be called so. */
static bool is_to_savepoint(reader *r)
{
    bool said = take(r, "savepoint");
    return (said && ends(r)) || (take_name(r) && ends(r));
}

/* Behind its first word. */
static weir_block_command end_of(reader *r, weir_block_command plain, bool may_be_partial)
{
    if (!take(r, "work"))
        (void)take(r, "transaction");
    if (may_be_partial && take(r, "to"))
        return is_to_savepoint(r) ? WEIR_BLOCK_ROLLBACK_TO : WEIR_BLOCK_NONE;
    if (take(r, "and")) {
        if (!take(r, "no"))
            plain = WEIR_BLOCK_CHAIN;
        if (!take(r, "chain"))
            return WEIR_BLOCK_NONE;
    }
    return ends(r) ? plain : WEIR_BLOCK_NONE;
}

static bool is_prepare(reader *r)
{
    if (!take(r, "transaction") || r->t.type != TOKEN_LITERAL ||
        r->t.literal != WEIR_LITERAL_STRING)
        return false;
    weir_scan_next(&r->scan, &r->t);
    return ends(r);
}

weir_block_command weir_sql_block_command(weir_slice statement)
{
    reader r;
    weir_scan_init(&r.scan, WEIR_DIALECT_POSTGRES, statement);
    weir_scan_next(&r.scan, &r.t);
    if (take(&r, "begin"))
        return WEIR_BLOCK_BEGIN;
    if (take(&r, "start"))
        return take(&r, "transaction") ? WEIR_BLOCK_BEGIN : WEIR_BLOCK_NONE;
    if (take(&r, "commit") || take(&r, "end"))
        return end_of(&r, WEIR_BLOCK_COMMIT, false);
    if (take(&r, "rollback"))
        return end_of(&r, WEIR_BLOCK_ROLLBACK, true);
    if (take(&r, "abort"))
        return end_of(&r, WEIR_BLOCK_ROLLBACK, false);
    if (take(&r, "prepare"))
        return is_prepare(&r) ? WEIR_BLOCK_PREPARE : WEIR_BLOCK_NONE;
    return WEIR_BLOCK_NONE;
}

weir_block_effect weir_sql_block_effect(weir_slice text)
{
    weir_block_effect effect = WEIR_BLOCK_KEEPS;
    for (;;) {
        weir_slice statement = weir_sql_split(WEIR_DIALECT_POSTGRES, text, &text);
        if (statement.len == 0)
            return effect;
        switch (weir_sql_block_command(statement)) {
        case WEIR_BLOCK_BEGIN:
        case WEIR_BLOCK_CHAIN:
            effect = WEIR_BLOCK_OPENS;
            break;
        case WEIR_BLOCK_COMMIT:
        case WEIR_BLOCK_ROLLBACK:
        case WEIR_BLOCK_PREPARE:
            effect = WEIR_BLOCK_CLOSES;
            break;
        case WEIR_BLOCK_NONE:
        case WEIR_BLOCK_ROLLBACK_TO:
            break;
        }
    }
}
