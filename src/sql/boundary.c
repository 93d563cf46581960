/* Where one statement ends and the next begins. */
#include "sql/lex.h"

void weir_boundary_init(weir_boundary *b, weir_dialect dialect)
{
    *b = (weir_boundary){.dialect = dialect};
}

/* `;` END `;` ends a trigger, as in sqlite3_complete. */
static void in_trigger(weir_boundary *b, const weir_token *t, weir_word_code code)
{
    if (t->type == TOKEN_SEMICOLON)
        b->trigger = TRIGGER_SEMICOLON;
    else if (code == WORD_END && b->trigger == TRIGGER_SEMICOLON)
        b->trigger = TRIGGER_END;
    else
        b->trigger = TRIGGER_INSIDE;
}

static void in_create(weir_boundary *b, weir_word_code code)
{
    if (b->dialect == WEIR_DIALECT_SQLITE) {
        if (code == WORD_TRIGGER && (b->previous == WORD_CREATE || b->previous == WORD_TEMP))
            b->in_trigger = true;
    } else if (code == WORD_ATOMIC && b->previous == WORD_BEGIN) {
        b->body = 1;
    } else if (code == WORD_CASE && b->body > 0) {
        b->body++;
    } else if (code == WORD_END && b->body > 0) {
        b->body--;
    }
}

static bool ends_here(const weir_boundary *b)
{
    if (b->dialect == WEIR_DIALECT_SQLITE)
        return !b->in_trigger || b->trigger == TRIGGER_END;
    return b->depth == 0 && b->body == 0;
}

bool weir_boundary_token(weir_boundary *b, const weir_token *t)
{
    weir_word_code code = t->word ? (weir_word_code)t->word->code : WORD_NONE;
    if (t->type == TOKEN_SEMICOLON && ends_here(b)) {
        weir_boundary_init(b, b->dialect);
        return true;
    }
    if (!b->started)
        b->creates = code == WORD_CREATE || code == WORD_EXPLAIN;
    b->started = true;
    if (t->type == TOKEN_OPEN)
        b->depth++;
    else if (t->type == TOKEN_CLOSE && b->depth > 0)
        b->depth--;
    if (b->in_trigger)
        in_trigger(b, t, code);
    else if (b->creates)
        in_create(b, code);
    b->previous = (uint8_t)code;
    return false;
}
