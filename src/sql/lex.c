/* One pass over a text: tokens from the dialect's scanner go to the classifier, the template
 * builder, and the record of literals. */
#include "sql/lex.h"

/* Room so that no token has to ask for more: each gives at most three bytes for its first one. */
static size_t room_for(size_t len)
{
    return len < (WEIR_SQL_TEXT_MAX - 256) / 3 ? 3 * len + 256 : WEIR_SQL_TEXT_MAX;
}

void weir_lexed_init(weir_lexed *lexed)
{
    memset(lexed, 0, sizeof(*lexed));
    weir_buf_init(&lexed->text, WEIR_SQL_TEXT_MAX);
    lexed->kind = WEIR_KIND_EMPTY;
}

void weir_lexed_fini(weir_lexed *lexed)
{
    weir_buf_fini(&lexed->text);
}

static void reset(weir_lexed *l)
{
    weir_buf_clear(&l->text);
    l->hint = (weir_slice){NULL, 0};
    l->literal_count = 0;
    l->params_max = l->statements = l->effects = 0;
    l->kind = WEIR_KIND_EMPTY;
    l->transaction = WEIR_TRANSACTION_NONE;
    l->transaction_anywhere = l->row_locks = l->over_caps = l->unterminated = false;
}

void weir_token_find_word(weir_token *t, weir_token_type previous)
{
    size_t len = (size_t)(t->end - t->start);
    if (t->type != TOKEN_QUOTED)
        t->word = weir_word_find_folded(weir_slice_make(t->start, len));
    else if (len > 2)
        t->word = weir_word_find(weir_slice_make(t->start + 1, len - 2));
    if ((t->type == TOKEN_QUOTED || previous == TOKEN_DOT) && t->word &&
        t->word->code != WORD_CALL && t->word->code != WORD_VIEW && t->word->code != WORD_PG_TEMP)
        t->word = NULL;
}

static unsigned decimal(const uint8_t *p, const uint8_t *end)
{
    unsigned n = 0;
    for (; p < end && n < 100000; p++)
        n = n * 10 + (unsigned)(*p - '0');
    return n;
}

/* SQLite gives a name that was seen before its number again. Names behind the recorded literals
 * count anew: the number is then an upper bound. */
static bool named_before(const weir_lexed *l, weir_slice name)
{
    size_t n = l->literal_count < WEIR_SQL_LITERALS_MAX ? l->literal_count : WEIR_SQL_LITERALS_MAX;
    for (size_t i = 0; i < n; i++) {
        if (l->literals[i].kind == WEIR_LITERAL_PARAM && weir_slice_eq(l->literals[i].text, name))
            return true;
    }
    return false;
}

static void count_param(weir_lexed *l, const weir_token *t)
{
    weir_slice text = weir_slice_make(t->start, (size_t)(t->end - t->start));
    bool numbered = text.len > 1 && (*t->start == '?' || *t->start == '$') &&
                    weir_char_class[t->start[1]] == CHAR_DIGIT;
    if (numbered) {
        unsigned n = decimal(t->start + 1, t->end);
        l->params_max = n > l->params_max ? n : l->params_max;
    } else if (text.len == 1 || !named_before(l, text)) {
        l->params_max++;
    }
}

static void record_literal(weir_lexed *l, const weir_token *t)
{
    if (t->literal == WEIR_LITERAL_PARAM)
        count_param(l, t);
    if (l->literal_count < WEIR_SQL_LITERALS_MAX)
        l->literals[l->literal_count] =
            (weir_literal){.kind = t->literal,
                           .place = WEIR_PLACE_NONE, /* until the builder writes it */
                           .text = weir_slice_make(t->start, (size_t)(t->end - t->start))};
    l->literal_count++;
}

void weir_token_join_sign(weir_token *t, weir_scan *s, weir_token_type previous)
{
    bool value_follows = previous == TOKEN_OPEN || previous == TOKEN_COMMA ||
                         previous == TOKEN_BRACKET_OPEN || previous == TOKEN_OPERATOR;
    if (!value_follows || t->end - t->start != 1 || (*t->start != '-' && *t->start != '+'))
        return;
    uint8_t first = weir_scan_at(s, 0);
    if (first == '.')
        first = weir_scan_at(s, 1);
    if (weir_char_class[first] != CHAR_DIGIT)
        return;
    t->literal = weir_scan_number(s);
    weir_token_end(t, TOKEN_LITERAL, s);
}

/* The inside of a comment that stands before anything else and begins with "weir:". */
weir_slice weir_sql_hint(weir_slice text)
{
    static const char prefix[] = "weir:";
    const uint8_t *p = text.data, *end = p + text.len;
    while (p < end && weir_char_class[*p] == CHAR_SPACE)
        p++;
    if (end - p < 4 || p[0] != '/' || p[1] != '*')
        return (weir_slice){NULL, 0};
    const uint8_t *close = memmem(p + 2, (size_t)(end - p) - 2, "*/", 2);
    for (p += 2; close && p < close && weir_char_class[*p] == CHAR_SPACE;)
        p++;
    if (!close || (size_t)(close - p) < sizeof(prefix) - 1 ||
        !weir_slice_eq_nocase(weir_slice_make(p, sizeof(prefix) - 1), prefix))
        return (weir_slice){NULL, 0};
    for (p += sizeof(prefix) - 1; p < close && weir_char_class[*p] == CHAR_SPACE;)
        p++;
    while (close > p && weir_char_class[close[-1]] == CHAR_SPACE)
        close--;
    return weir_slice_make(p, (size_t)(close - p));
}

static void run(weir_scan *s, weir_builder *b, weir_classifier *c, weir_lexed *l)
{
    weir_boundary boundary;
    weir_token t;
    weir_token_type previous = TOKEN_END;
    weir_boundary_init(&boundary, s->dialect);
    for (weir_scan_next(s, &t); t.type != TOKEN_END; weir_scan_next(s, &t)) {
        if (t.type == TOKEN_OPERATOR)
            weir_token_join_sign(&t, s, previous);
        else if (t.type == TOKEN_WORD || t.type == TOKEN_QUOTED)
            weir_token_find_word(&t, previous);
        if (t.type == TOKEN_LITERAL)
            record_literal(l, &t);
        if (weir_boundary_token(&boundary, &t)) {
            weir_classifier_end_statement(c);
            weir_builder_end_statement(b);
        } else {
            weir_classifier_token(c, &t);
            weir_builder_token(b, &t);
        }
        previous = t.type;
    }
    weir_classifier_end_statement(c);
}

int weir_sql_lex(weir_dialect dialect, weir_slice text, weir_lexed *ret)
{
    weir_scan scan;
    weir_classifier classifier;
    weir_builder builder;
    reset(ret);
    int r = weir_buf_reserve(&ret->text, room_for(text.len));
    if (r < 0)
        return r;
    if (text.len > 0)
        ret->hint = weir_sql_hint(text);
    weir_scan_init(&scan, dialect, text);
    weir_classifier_init(&classifier, dialect, ret);
    weir_builder_init(&builder, ret);
    run(&scan, &builder, &classifier, ret);
    ret->unterminated = scan.unterminated;
    if (scan.unterminated)
        ret->kind = WEIR_KIND_UNKNOWN;
    ret->over_caps = ret->over_caps || builder.full;
    weir_builder_finish(&builder);
    return 0;
}

weir_slice weir_sql_split(weir_dialect dialect, weir_slice text, weir_slice *rest)
{
    weir_scan s;
    weir_token t;
    weir_boundary boundary;
    const uint8_t *start = NULL;
    weir_token_type previous = TOKEN_END;
    weir_scan_init(&s, dialect, text);
    weir_boundary_init(&boundary, dialect);
    for (weir_scan_next(&s, &t); t.type != TOKEN_END; weir_scan_next(&s, &t)) {
        if (t.type == TOKEN_WORD || t.type == TOKEN_QUOTED)
            weir_token_find_word(&t, previous);
        previous = t.type;
        if (!weir_boundary_token(&boundary, &t)) {
            start = start ? start : t.start;
        } else if (start) {
            *rest = weir_slice_make(s.p, (size_t)(s.end - s.p));
            return weir_slice_make(start, (size_t)(t.start - start));
        }
    }
    *rest = weir_slice_make(s.end, 0);
    return start ? weir_slice_make(start, (size_t)(s.end - start)) : *rest;
}
