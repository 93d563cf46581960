/* Looks through a function's body for what may change the session. SQL and PL/pgSQL are read token
 * by token, so that comments and strings do not count; what begins a statement is known by what
 * stands before it. Of other languages every word counts, strings and comments too.
 *
 * What is set for the function or transaction alone (SET LOCAL, set_config(…, true), temporary
 * tables ON COMMIT DROP, _xact_ locks) has no effect. Text that is run is a literal and is read as
 * well, or may do anything. */
#include "base/ascii.h"
#include "sql/identifier.h"

#define LOOK_AHEAD 256u   /* tokens of a call's arguments */
#define LITERAL_MAX 8192u /* of text that is run */

typedef struct body_scan {
    weir_language language;
    const weir_body_visitor *visitor;
    weir_body *ret;
    const uint8_t *start; /* lines count from here */
    weir_scan at;
    weir_token previous;
    bool begins;    /* the next token begins a statement */
    bool set, temp; /* SET, CREATE TEMP: what follows decides */
    bool nested;    /* inside of text that is run */
} body_scan;

static void found(body_scan *s, unsigned effects, const char *what, const uint8_t *at)
{
    if (effects && s->ret->effects == 0) {
        s->ret->what = what;
        s->ret->line = 1;
        for (const uint8_t *p = s->start; p < at; p++)
            s->ret->line += *p == '\n';
    }
    s->ret->effects |= effects;
}

/* ---- text that is run ---- */

/* The value of '…' or $$…$$ in `buf`; false: it has escapes, or is too long. */
static bool literal_value(const weir_token *t, uint8_t *buf, weir_slice *ret)
{
    const uint8_t *p = t->start, *end = t->end;
    if (t->literal != WEIR_LITERAL_STRING)
        return false;
    if (*p == '$') {
        const uint8_t *close = memchr(p + 1, '$', (size_t)(end - p) - 1);
        size_t n = close ? (size_t)(close - p) + 1 : 0;
        if (n == 0 || (size_t)(end - p) < 2 * n)
            return false;
        *ret = weir_slice_make(p + n, (size_t)(end - p) - 2 * n);
        return true;
    }
    size_t n = 0;
    if (*p != '\'' || (size_t)(end - p) < 2 || (size_t)(end - p) > LITERAL_MAX)
        return false;
    for (p++; p < end - 1; p++) {
        if (*p == '\'' && *++p != '\'')
            return false; /* 'a' 'b' over lines */
        buf[n++] = *p;
    }
    *ret = weir_slice_make(buf, n);
    return true;
}

static void scan_tokens(body_scan *s, weir_slice text);

static bool ends_text(const weir_token *t)
{
    static const char *const words[] = {"into", "using", "loop", "end"};
    if (t->type == TOKEN_SEMICOLON || t->type == TOKEN_END)
        return true;
    for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
        if (weir_identifier_is_word(t, words[i]))
            return true;
    return false;
}

/* PL/pgSQL's EXECUTE. The tokens behind it are only looked at: the scan goes over them as well. */
static void execute(body_scan *s, const weir_token *t)
{
    weir_scan ahead = s->at;
    weir_token text, end;
    uint8_t buf[LITERAL_MAX];
    weir_slice value;
    weir_scan_next(&ahead, &text);
    if (text.type == TOKEN_WORD &&
        (weir_identifier_is_word(&text, "on") || weir_identifier_is_word(&text, "function") ||
         weir_identifier_is_word(&text, "procedure")))
        return; /* GRANT EXECUTE ON …, CREATE TRIGGER … EXECUTE FUNCTION … */
    weir_scan_next(&ahead, &end);
    s->ret->writes = true;
    if (s->nested || text.type != TOKEN_LITERAL || !ends_text(&end) ||
        !literal_value(&text, buf, &value)) {
        found(s, WEIR_EFFECT_UNKNOWN, "EXECUTE of text that is made when it runs", t->start);
        return;
    }
    weir_body inner = {.what = ""};
    body_scan nested = {.language = WEIR_LANGUAGE_SQL,
                        .visitor = s->visitor,
                        .ret = &inner,
                        .start = value.data,
                        .nested = true};
    scan_tokens(&nested, value);
    found(s, inner.effects, inner.what, t->start);
}

/* ---- calls ---- */

static bool is_true(const weir_token *t)
{
    weir_slice text = weir_slice_make(t->start, (size_t)(t->end - t->start));
    return weir_slice_eq_nocase(text, "true") || weir_slice_eq_nocase(text, "'true'") ||
           weir_slice_eq_nocase(text, "'t'") || weir_slice_eq_nocase(text, "'on'");
}

/* set_config(name, value, local): until the transaction's end if the third is plainly true. */
static bool is_local(const body_scan *s)
{
    weir_scan ahead = s->at;
    weir_token t, first = {.type = TOKEN_END}, third = {.type = TOKEN_END};
    unsigned depth = 0, argument = 0, in_third = 0;
    for (unsigned n = 0; n < LOOK_AHEAD; n++) {
        weir_scan_next(&ahead, &t);
        if (t.type == TOKEN_END)
            break;
        bool opens = t.type == TOKEN_OPEN || t.type == TOKEN_BRACKET_OPEN;
        if (opens && depth++ == 0)
            continue;
        if ((t.type == TOKEN_CLOSE || t.type == TOKEN_BRACKET_CLOSE) && --depth == 0) {
            uint8_t buf[LITERAL_MAX];
            weir_slice name;
            if (s->visitor && s->visitor->setting && first.type == TOKEN_LITERAL &&
                literal_value(&first, buf, &name))
                s->visitor->setting(s->visitor->user, name);
            return argument == 2 && in_third == 1 && is_true(&third);
        }
        if (depth == 1 && t.type == TOKEN_COMMA) {
            argument++;
            continue;
        }
        if (argument == 0 && first.type == TOKEN_END)
            first = t;
        if (argument == 2 && in_third++ == 0)
            third = t;
    }
    return false;
}

static void call(body_scan *s, const weir_token *t)
{
    weir_scan ahead = s->at;
    weir_token next;
    weir_scan_next(&ahead, &next);
    if (next.type != TOKEN_OPEN)
        return;
    if (strcmp(t->word->text, "set_config") == 0 && is_local(s))
        return;
    found(s, t->word->effects, t->word->text, t->start);
}

/* ---- statements ---- */

typedef struct opening {
    const char *word;
    unsigned effects;
} opening;

/* Words that begin a statement with effects, but for SET. */
static const opening openings[] = {
    {"reset", WEIR_EFFECT_UNDO},      {"listen", WEIR_EFFECT_LISTEN},
    {"unlisten", WEIR_EFFECT_UNDO},   {"notify", WEIR_EFFECT_NOTIFY},
    {"prepare", WEIR_EFFECT_PREPARE}, {"deallocate", WEIR_EFFECT_DISCARD},
    {"discard", WEIR_EFFECT_DISCARD}, {"load", WEIR_EFFECT_LOAD},
    {"do", WEIR_EFFECT_UNKNOWN},
};

static void opens_statement(body_scan *s, const weir_token *t)
{
    for (size_t i = 0; i < sizeof(openings) / sizeof(*openings); i++)
        if (weir_identifier_is_word(t, openings[i].word))
            found(s, openings[i].effects, openings[i].word, t->start);
    s->set = weir_identifier_is_word(t, "set");
}

static bool begins_statement(const weir_token *t)
{
    static const char *const words[] = {"begin", "then", "else", "loop"};
    if (t->type == TOKEN_SEMICOLON)
        return true;
    if (t->type == TOKEN_OPERATOR && t->end - t->start == 2 && t->start[0] == '>' &&
        t->start[1] == '>')
        return true; /* <<label>> */
    for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
        if (weir_identifier_is_word(t, words[i]))
            return true;
    return false;
}

static void end_statement(body_scan *s, const uint8_t *at)
{
    if (s->temp)
        found(s, WEIR_EFFECT_TEMP, "CREATE TEMP", at);
    s->temp = false;
}

static bool is_one_of(const weir_token *t, const char *const *words, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (weir_identifier_is_word(t, words[i]))
            return true;
    return false;
}

static void word(body_scan *s, weir_token *t)
{
    static const char *const writing[] = {"insert",   "update", "delete", "merge",
                                          "truncate", "copy",   "call",   "refresh",
                                          "alter",    "create", "drop"};
    static const char *const before_temp[] = {"create", "local", "global", "replace", "into"};
    static const char *const ends_with_transaction[] = {"local", "constraints", "transaction"};
    if (s->set && !is_one_of(t, ends_with_transaction, 3))
        found(s, WEIR_EFFECT_SET, "SET", s->previous.start);
    s->set = false;
    if (is_one_of(t, writing, sizeof(writing) / sizeof(*writing)))
        s->ret->writes = true;
    if (s->begins)
        opens_statement(s, t);
    if ((weir_identifier_is_word(t, "temp") || weir_identifier_is_word(t, "temporary")) &&
        is_one_of(&s->previous, before_temp, sizeof(before_temp) / sizeof(*before_temp)))
        s->temp = true;
    if (weir_identifier_is_word(t, "drop") && weir_identifier_is_word(&s->previous, "commit"))
        s->temp = false;
    if (weir_identifier_is_word(t, "hold") && weir_identifier_is_word(&s->previous, "with"))
        found(s, WEIR_EFFECT_HOLD_CURSOR, "WITH HOLD", t->start);
    if (weir_identifier_is_word(t, "execute")) {
        if (s->language == WEIR_LANGUAGE_PLPGSQL)
            execute(s, t);
        else
            s->ret->writes = true;
        if (s->language != WEIR_LANGUAGE_PLPGSQL && s->begins)
            found(s, s->nested ? WEIR_EFFECT_UNKNOWN : WEIR_EFFECT_PREPARE, "EXECUTE", t->start);
    }
}

/* A name: whoever keeps names is told, with what follows it. */
static void identifier(body_scan *s, weir_token *t)
{
    weir_identifier id;
    weir_scan ahead = s->at;
    weir_token next;
    bool behind_dot = s->previous.type == TOKEN_DOT;
    if (!weir_identifier_read(t, behind_dot, &id))
        return;
    if (!id.readable)
        found(s, WEIR_EFFECT_UNKNOWN, "a name in U&\"\"", t->start);
    if (!s->visitor || !s->visitor->name)
        return;
    weir_scan_next(&ahead, &next);
    s->visitor->name(s->visitor->user, id.name, next.type == TOKEN_OPEN);
}

/* pg_temp.name; in a search_path it changes nothing. */
static void temp_schema(body_scan *s, const weir_token *t)
{
    if (weir_scan_at(&s->at, 0) == '.')
        found(s, WEIR_EFFECT_TEMP, "pg_temp", t->start);
}

static void scan_tokens(body_scan *s, weir_slice text)
{
    weir_token t;
    weir_scan_init(&s->at, WEIR_DIALECT_POSTGRES, text);
    s->begins = true;
    s->previous = (weir_token){.type = TOKEN_END};
    for (weir_scan_next(&s->at, &t); t.type != TOKEN_END; weir_scan_next(&s->at, &t)) {
        if (t.type == TOKEN_WORD || t.type == TOKEN_QUOTED) {
            weir_token_find_word(&t, s->previous.type);
            if (t.word && t.word->code == WORD_CALL)
                call(s, &t);
            else if (t.word && t.word->code == WORD_PG_TEMP)
                temp_schema(s, &t);
            if (t.type == TOKEN_WORD && s->previous.type != TOKEN_DOT)
                word(s, &t);
            identifier(s, &t);
        } else if (s->set) {
            found(s, WEIR_EFFECT_SET, "SET", t.start);
            s->set = false;
        }
        if (t.type == TOKEN_SEMICOLON)
            end_statement(s, t.start);
        s->begins = begins_statement(&t);
        s->previous = t;
    }
    end_statement(s, s->at.end);
    if (s->at.unterminated)
        found(s, WEIR_EFFECT_UNKNOWN, "a quote that does not end", s->at.end);
}

/* ---- other languages ---- */

static bool is_suspicious(const weir_token *t)
{
    static const char *const words[] = {
        "set",         "reset",    "listen",  "unlisten",   "notify",         "temp",
        "temporary",   "pg_temp",  "prepare", "deallocate", "discard",        "load",
        "hold",        "execute",  "query",   "cursor",     "spi_exec_query", "spi_query",
        "spi_prepare", "spi_exec", "gd",      "sd",         "_shared",        "global"};
    return is_one_of(t, words, sizeof(words) / sizeof(*words));
}

static void scan_words(body_scan *s, weir_slice text)
{
    const uint8_t *p = text.data, *end = p + text.len;
    while (p < end) {
        if (weir_char_class[*p] != CHAR_WORD) {
            p++;
            continue;
        }
        weir_token t = {.type = TOKEN_WORD, .start = p};
        while (p < end && weir_char_fold[*p] && *p != '$')
            p++;
        t.end = p;
        weir_token_find_word(&t, TOKEN_END);
        weir_identifier id;
        if ((t.word && t.word->code == WORD_CALL) || is_suspicious(&t))
            found(s, WEIR_EFFECT_UNKNOWN, "a word that may change the session", t.start);
        if (weir_identifier_read(&t, false, &id) && s->visitor && s->visitor->name)
            s->visitor->name(s->visitor->user, id.name, true);
    }
    s->ret->writes = true;
}

void weir_body_scan(weir_language language, weir_slice body, const weir_body_visitor *visitor,
                    weir_body *ret)
{
    static const uint8_t nothing[1];
    if (!body.data)
        body = weir_slice_make(nothing, 0);
    *ret = (weir_body){.what = ""};
    body_scan s = {.language = language, .visitor = visitor, .ret = ret, .start = body.data};
    if (language == WEIR_LANGUAGE_OTHER)
        scan_words(&s, body);
    else
        scan_tokens(&s, body);
}
