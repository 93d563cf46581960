/* The template's text: one canonical spelling per sequence of tokens. The spaces depend on the
 * tokens alone, so that "a=1" and "a = 1" meet, and two sequences never give the same text but for
 * what is lifted out on purpose:
 *   - literals and parameters: "?" (PostgreSQL's operator ? is written "\?");
 *   - IN (?, ?), ARRAY[?, ?] and rows of VALUES of nothing but literals: "(?, ...)";
 *   - equal neighbours among the rows of VALUES or IN: "(…), ...".
 * Other lists keep their length: f(1) and f(1, 2) may be two functions.
 *
 * A list is held back while it is pure (only its first item is written), so that it costs no room
 * however long it is; a row is written and taken back if it equals the one before.
 *
 * Each literal is told its place, the ordinal of its "?": one that is held back gets the place it
 * would have on its own, which is corrected when the list or row turns out to collapse. */
#include "sql/fold.h"
#include "sql/lex.h"

#include <stdio.h>

#define FULL_PREFIX 256u

static void put(weir_builder *b, const void *bytes, size_t n)
{
    if (b->out->cap - b->out->len < n)
        b->full = true;
    if (b->full)
        return;
    memcpy(b->out->data + b->out->len, bytes, n);
    b->out->len += n;
}

static void put_folded(weir_builder *b, const weir_token *t)
{
    size_t n = (size_t)(t->end - t->start), room = b->out->cap - b->out->len;
    if (room < n)
        b->full = true;
    if (b->full)
        return;
    uint8_t *to = b->out->data + b->out->len;
    if (room >= n + 7)
        weir_fold(to, t->start, n);
    else
        for (size_t i = 0; i < n; i++)
            to[i] = weir_char_fold[t->start[i]];
    b->out->len += n;
}

static void reset_level(weir_builder_level *l)
{
    *l = (weir_builder_level){.start = 0};
}

void weir_builder_init(weir_builder *b, weir_lexed *lexed)
{
    b->lexed = lexed;
    b->out = &lexed->text;
    b->places = 0;
    b->full = b->semicolon = false;
    b->previous = WORD_NONE;
    b->previous_type = TOKEN_END;
    b->depth = 0;
    reset_level(&b->levels[0]);
}

/* Of a word before "(": a keyword, not the name of a function or type. */
static bool keeps_space(uint8_t word)
{
    return word != WORD_NONE && word != WORD_CALL && word != WORD_ARRAY &&
           word != WORD_PRAGMA_ASKS && word != WORD_PRAGMA_WRITES && word != WORD_REPLACE;
}

static bool needs_space(const weir_builder *b, weir_token_type next)
{
    switch (next) {
    case TOKEN_CLOSE:
    case TOKEN_BRACKET_CLOSE:
    case TOKEN_COMMA:
    case TOKEN_SEMICOLON:
    case TOKEN_DOT:
    case TOKEN_CAST:
        return false;
    case TOKEN_OPEN:
    case TOKEN_BRACKET_OPEN:
        if (b->previous_type == TOKEN_QUOTED)
            return false;
        if (b->previous_type == TOKEN_WORD)
            return keeps_space(b->previous);
        break;
    default:
        break;
    }
    return b->previous_type != TOKEN_END && b->previous_type != TOKEN_OPEN &&
           b->previous_type != TOKEN_BRACKET_OPEN && b->previous_type != TOKEN_DOT &&
           b->previous_type != TOKEN_CAST;
}

static void put_token(weir_builder *b, const weir_token *t)
{
    size_t n = (size_t)(t->end - t->start);
    if (needs_space(b, t->type))
        put(b, " ", 1);
    /* UESCAPE's character says how the identifier before it reads: it is no value. */
    if (t->type == TOKEN_LITERAL && b->previous != WORD_UESCAPE) {
        put(b, "?", 1);
    } else if (t->type == TOKEN_WORD) {
        put_folded(b, t);
    } else {
        if (t->type == TOKEN_OPERATOR && n == 1 && *t->start == '?')
            put(b, "\\", 1);
        put(b, t->start, n);
    }
}

/* The newest literal's place. UESCAPE's character has none. */
static void place_literal(weir_builder *b)
{
    weir_lexed *l = b->lexed;
    if (b->previous == WORD_UESCAPE)
        return;
    if (l->literal_count <= WEIR_SQL_LITERALS_MAX)
        l->literals[l->literal_count - 1].place = b->places;
    b->places++;
}

/* The literals from `first` on are behind one "?", or behind none. */
static void place_again(weir_builder *b, uint32_t first, uint32_t place)
{
    size_t n = b->lexed->literal_count;
    n = n < WEIR_SQL_LITERALS_MAX ? n : WEIR_SQL_LITERALS_MAX;
    for (size_t i = first; i < n; i++)
        b->lexed->literals[i].place = place;
}

/* What a pure list held back, now that it is none. */
static void release_list(weir_builder *b, weir_builder_level *l)
{
    for (uint32_t i = 1; i < l->items && !b->full; i++)
        put(b, ", ?", 3);
    if (l->comma)
        put(b, ",", 1);
    l->pure = false;
}

/* True: the token was held back. */
static bool pure_list(weir_builder *b, weir_builder_level *l, const weir_token *t)
{
    if (t->type == TOKEN_LITERAL && (l->items == 0 || l->comma)) {
        l->comma = false;
        return l->items++ > 0;
    }
    if (t->type == TOKEN_COMMA && l->items > 0 && !l->comma) {
        l->comma = true;
        return true;
    }
    bool closes = t->type == TOKEN_CLOSE || t->type == TOKEN_BRACKET_CLOSE;
    if (!closes || l->items < 2 || l->comma) {
        release_list(b, l);
        return false;
    }
    put(b, ", ...", 5);
    place_again(b, l->literal, l->place);
    b->places = l->place + 1;
    return false;
}

/* Keeps `rows` of a level right: on a comma between rows and on the parentheses of a row. */
static void between_rows(weir_builder_level *l, weir_token_type type)
{
    if (type == TOKEN_COMMA && l->row_end > 0 && !l->row_comma)
        l->row_comma = true;
    else if (type != TOKEN_CLOSE && !(type == TOKEN_OPEN && (l->row_end == 0 || l->row_comma)))
        l->rows = false;
}

static void open_level(weir_builder *b, const weir_token *t)
{
    weir_builder_level *outer = &b->levels[b->depth];
    bool in = b->previous == WORD_IN && t->type == TOKEN_OPEN;
    bool array = b->previous == WORD_ARRAY && t->type == TOKEN_BRACKET_OPEN;
    if (b->depth == WEIR_SQL_DEPTH_MAX) {
        b->full = true;
        return;
    }
    weir_builder_level *l = &b->levels[++b->depth];
    reset_level(l);
    l->start = (uint32_t)b->out->len;
    l->literal = (uint32_t)b->lexed->literal_count;
    l->place = b->places;
    l->pure = in || array || (outer->rows && t->type == TOKEN_OPEN);
    l->rows = in;
}

/* Behind a row's closing parenthesis: takes it back if the row before it reads the same. */
static void end_row(weir_builder *b, weir_builder_level *l, const weir_builder_level *row)
{
    uint32_t start = row->start - 1;
    uint32_t end = (uint32_t)b->out->len;
    const uint8_t *data = b->out->data;
    l->row_comma = false;
    if (l->row_end == 0 || end - start != l->row_end - l->row_start ||
        memcmp(data + start, data + l->row_start, end - start) != 0) {
        l->row_start = start;
        l->row_end = end;
        l->elided = false;
        return;
    }
    place_again(b, row->literal, WEIR_PLACE_NONE);
    b->places = row->place;
    b->out->len = l->row_end + (l->elided ? 5 : 0);
    if (!l->elided)
        put(b, ", ...", 5);
    l->elided = true;
}

static void close_level(weir_builder *b, weir_token_type type)
{
    if (b->depth == 0)
        return;
    const weir_builder_level *row = &b->levels[b->depth];
    weir_builder_level *outer = &b->levels[--b->depth];
    if (outer->rows && type == TOKEN_CLOSE)
        end_row(b, outer, row);
}

void weir_builder_token(weir_builder *b, const weir_token *t)
{
    if (b->full)
        return;
    if (b->semicolon) {
        put(b, "; ", 2);
        b->semicolon = false;
    }
    if (t->type == TOKEN_LITERAL)
        place_literal(b);
    weir_builder_level *l = &b->levels[b->depth];
    bool held = l->pure && pure_list(b, l, t);
    if (!held)
        put_token(b, t);
    if (l->rows)
        between_rows(l, t->type);
    if (t->type == TOKEN_OPEN || t->type == TOKEN_BRACKET_OPEN)
        open_level(b, t);
    else if (t->type == TOKEN_CLOSE || t->type == TOKEN_BRACKET_CLOSE)
        close_level(b, t->type);
    b->previous = t->word && t->type == TOKEN_WORD ? t->word->code : WORD_NONE;
    b->previous_type = t->type;
    if (b->previous == WORD_VALUES) {
        l->rows = true;
        l->row_comma = false;
        l->row_end = 0;
    }
}

void weir_builder_end_statement(weir_builder *b)
{
    if (b->full)
        return;
    if (b->levels[b->depth].pure)
        release_list(b, &b->levels[b->depth]);
    b->semicolon = b->out->len > 0;
    b->previous = WORD_NONE;
    b->previous_type = TOKEN_END;
    b->depth = 0;
    reset_level(&b->levels[0]);
}

void weir_builder_finish(weir_builder *b)
{
    const weir_lexed *lexed = b->lexed;
    char mark[96];
    if (!b->full && b->levels[b->depth].pure)
        release_list(b, &b->levels[b->depth]);
    if (b->full) {
        /* Texts that only begin alike share a template with those of the same class, no others. */
        int n = snprintf(mark, sizeof(mark), " \\... %s effects %x transaction %u%d%d",
                         weir_kind_name(lexed->kind), lexed->effects, (unsigned)lexed->transaction,
                         lexed->transaction_anywhere, lexed->row_locks);
        size_t keep = b->out->len < FULL_PREFIX ? b->out->len : FULL_PREFIX;
        while (keep > 0 && (b->out->data[keep - 1] & 0x80))
            keep--;
        b->out->len = keep;
        b->full = false;
        put(b, mark, (size_t)n);
        b->full = true;
    }
    if (lexed->unterminated && b->out->cap - b->out->len >= 3) {
        memcpy(b->out->data + b->out->len, " \\'", 3);
        b->out->len += 3;
    }
}
