/* What a statement is, by its words alone. In doubt the answer is the one that asks for more care:
 * a READ that the grammar knows to be a READ may be called WRITE here, never the reverse. */
#include "sql/lex.h"

/* By a statement's first word; `sqlite` where it means something else or nothing there. */
static const struct rule {
    uint8_t postgres, sqlite;
    uint8_t transaction;
    uint16_t effects;
} rules[] = {
    [WORD_ABORT] = {WEIR_KIND_TRANSACTION, 0, WEIR_TRANSACTION_ROLLBACK, 0},
    [WORD_ALTER] = {WEIR_KIND_DDL, WEIR_KIND_DDL, 0, 0},
    [WORD_ANALYZE] = {WEIR_KIND_UTILITY, WEIR_KIND_UTILITY, 0, 0},
    [WORD_ATTACH] = {0, WEIR_KIND_SESSION, 0, WEIR_EFFECT_SET},
    [WORD_BEGIN] = {WEIR_KIND_TRANSACTION, WEIR_KIND_TRANSACTION, WEIR_TRANSACTION_BEGIN, 0},
    [WORD_CALL_STATEMENT] = {WEIR_KIND_UTILITY, 0, 0, WEIR_EFFECT_DO},
    [WORD_CHECKPOINT] = {WEIR_KIND_UTILITY, 0, 0, 0},
    [WORD_CLOSE] = {WEIR_KIND_SESSION, 0, 0, WEIR_EFFECT_UNDO},
    [WORD_CLUSTER] = {WEIR_KIND_UTILITY, 0, 0, 0},
    [WORD_COMMIT] = {WEIR_KIND_TRANSACTION, WEIR_KIND_TRANSACTION, WEIR_TRANSACTION_COMMIT, 0},
    [WORD_COPY] = {WEIR_KIND_COPY, 0, 0, 0},
    [WORD_CREATE] = {WEIR_KIND_DDL, WEIR_KIND_DDL, 0, 0},
    [WORD_DDL] = {WEIR_KIND_DDL, 0, 0, 0},
    [WORD_DEALLOCATE] = {WEIR_KIND_SESSION, 0, 0, WEIR_EFFECT_DISCARD},
    [WORD_DECLARE] = {WEIR_KIND_SESSION, 0, 0, 0},
    [WORD_DELETE] = {WEIR_KIND_WRITE, WEIR_KIND_WRITE, 0, 0},
    [WORD_DISCARD] = {WEIR_KIND_SESSION, 0, 0, WEIR_EFFECT_DISCARD},
    [WORD_DO] = {WEIR_KIND_UTILITY, 0, 0, WEIR_EFFECT_DO},
    [WORD_DROP] = {WEIR_KIND_DDL, WEIR_KIND_DDL, 0, 0},
    [WORD_END] = {WEIR_KIND_TRANSACTION, WEIR_KIND_TRANSACTION, WEIR_TRANSACTION_COMMIT, 0},
    [WORD_EXECUTE] = {WEIR_KIND_UTILITY, 0, 0, WEIR_EFFECT_PREPARE},
    [WORD_EXPLAIN] = {WEIR_KIND_UTILITY, WEIR_KIND_UTILITY, 0, 0},
    [WORD_FETCH] = {WEIR_KIND_SESSION, 0, 0, 0},
    [WORD_INSERT] = {WEIR_KIND_WRITE, WEIR_KIND_WRITE, 0, 0},
    [WORD_LISTEN] = {WEIR_KIND_SESSION, 0, 0, WEIR_EFFECT_LISTEN},
    [WORD_LOAD] = {WEIR_KIND_SESSION, 0, 0, WEIR_EFFECT_LOAD},
    [WORD_LOCK] = {WEIR_KIND_UTILITY, 0, 0, 0},
    [WORD_MERGE] = {WEIR_KIND_WRITE, 0, 0, 0},
    [WORD_NOTIFY] = {WEIR_KIND_UTILITY, 0, 0, WEIR_EFFECT_NOTIFY},
    [WORD_PRAGMA] = {0, WEIR_KIND_SESSION, 0, 0},
    [WORD_PREPARE] = {WEIR_KIND_SESSION, 0, 0, WEIR_EFFECT_PREPARE},
    [WORD_REINDEX] = {WEIR_KIND_UTILITY, WEIR_KIND_UTILITY, 0, 0},
    [WORD_RELEASE] = {WEIR_KIND_TRANSACTION, WEIR_KIND_TRANSACTION, WEIR_TRANSACTION_RELEASE, 0},
    [WORD_REPLACE] = {0, WEIR_KIND_WRITE, 0, 0},
    [WORD_RESET] = {WEIR_KIND_SESSION, 0, 0, WEIR_EFFECT_UNDO},
    [WORD_ROLLBACK] = {WEIR_KIND_TRANSACTION, WEIR_KIND_TRANSACTION, WEIR_TRANSACTION_ROLLBACK, 0},
    [WORD_SAVEPOINT] = {WEIR_KIND_TRANSACTION, WEIR_KIND_TRANSACTION, WEIR_TRANSACTION_SAVEPOINT,
                        0},
    [WORD_SELECT] = {WEIR_KIND_READ, WEIR_KIND_READ, 0, 0},
    [WORD_SET] = {WEIR_KIND_SESSION, 0, 0, WEIR_EFFECT_SET},
    [WORD_SHOW] = {WEIR_KIND_SESSION, 0, 0, 0},
    [WORD_TABLE] = {WEIR_KIND_READ, 0, 0, 0},
    [WORD_TRUNCATE] = {WEIR_KIND_WRITE, 0, 0, 0},
    [WORD_UNLISTEN] = {WEIR_KIND_SESSION, 0, 0, WEIR_EFFECT_UNDO},
    [WORD_UPDATE] = {WEIR_KIND_WRITE, WEIR_KIND_WRITE, 0, 0},
    [WORD_VACUUM] = {WEIR_KIND_UTILITY, WEIR_KIND_UTILITY, 0, 0},
    [WORD_VALUES] = {WEIR_KIND_READ, WEIR_KIND_READ, 0, 0},
    [WORD_WITH] = {WEIR_KIND_READ, WEIR_KIND_READ, 0, 0},
};

const char *weir_kind_name(weir_kind kind)
{
    static const char *const names[WEIR_KINDS] = {"unknown",     "empty",   "read", "write",  "ddl",
                                                  "transaction", "session", "copy", "utility"};
    return (unsigned)kind < WEIR_KINDS ? names[kind] : "unknown";
}

const char *weir_effect_name(unsigned effects)
{
    static const char *const names[] = {"set",     "listen",      "temp",     "advisory_lock",
                                        "prepare", "hold_cursor", "sequence", "load",
                                        "discard", "do",          "notify",   "seed",
                                        "undo",    "nextval",     "unknown",  "writes"};
    for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (effects & (1u << i))
            return names[i];
    }
    return "none";
}

weir_kind weir_kind_stronger(weir_kind a, weir_kind b)
{
    static const uint8_t strength[WEIR_KINDS] = {
        [WEIR_KIND_EMPTY] = 0,   [WEIR_KIND_READ] = 1, [WEIR_KIND_TRANSACTION] = 2,
        [WEIR_KIND_SESSION] = 3, [WEIR_KIND_COPY] = 4, [WEIR_KIND_UTILITY] = 5,
        [WEIR_KIND_WRITE] = 6,   [WEIR_KIND_DDL] = 7,  [WEIR_KIND_UNKNOWN] = 8};
    return strength[a] >= strength[b] ? a : b;
}

static void begin_statement(weir_classifier *c)
{
    *c = (weir_classifier){.dialect = c->dialect, .lexed = c->lexed, .operators = c->operators};
}

void weir_classifier_init(weir_classifier *c, weir_dialect dialect, weir_lexed *lexed)
{
    *c = (weir_classifier){.dialect = dialect, .lexed = lexed};
}

/* An INSERT, UPDATE, DELETE or MERGE that is a statement of its own inside of another: at the start
 * of parentheses (a CTE), or behind the CTEs or EXPLAIN's options; not FOR UPDATE, ON DELETE,
 * ON CONFLICT DO UPDATE. */
static bool starts_write(const weir_classifier *c)
{
    if (c->previous_type == TOKEN_OPEN)
        return true;
    return (c->first == WORD_WITH || c->first == WORD_EXPLAIN) && c->depth == c->depth_first &&
           c->previous != WORD_FOR && c->previous != WORD_KEY && c->previous != WORD_ON &&
           c->previous != WORD_DO;
}

static bool temp_follows(uint8_t previous)
{
    return previous == WORD_INTO || previous == WORD_CREATE || previous == WORD_LOCAL ||
           previous == WORD_GLOBAL || previous == WORD_REPLACE;
}

static void into(weir_classifier *c)
{
    if (c->dialect == WEIR_DIALECT_SQLITE)
        c->writes = c->writes || c->previous == WORD_REPLACE;
    else if (c->previous != WORD_INSERT && c->previous != WORD_MERGE)
        c->creates = true;
}

static void explained(weir_classifier *c, weir_word_code code)
{
    c->analyzes = c->analyzes || code == WORD_ANALYZE;
    if (code == WORD_EXECUTE)
        c->effects |= WEIR_EFFECT_PREPARE;
    if (code == WORD_CREATE && c->depth == c->depth_first)
        c->creates = true;
}

/* A word behind the first. */
static void inner_word(weir_classifier *c, weir_word_code code)
{
    bool locks = c->previous == WORD_FOR || c->previous == WORD_KEY;
    switch (code) {
    case WORD_UPDATE:
        c->lexed->row_locks = c->lexed->row_locks || locks;
        c->writes = c->writes || starts_write(c);
        break;
    case WORD_INSERT:
    case WORD_DELETE:
    case WORD_MERGE:
        c->writes = c->writes || starts_write(c);
        break;
    case WORD_SHARE:
        c->lexed->row_locks = c->lexed->row_locks || locks;
        break;
    case WORD_INTO:
        into(c);
        break;
    case WORD_TEMP:
        if (temp_follows(c->previous))
            c->effects |= WEIR_EFFECT_TEMP;
        break;
    case WORD_HOLD:
        if (c->previous == WORD_WITH && (c->first == WORD_DECLARE || c->first == WORD_EXPLAIN))
            c->effects |= WEIR_EFFECT_HOLD_CURSOR;
        break;
    case WORD_EXECUTE: /* CREATE TABLE ... AS EXECUTE */
        if (c->first == WORD_CREATE && c->previous == WORD_SPACED)
            c->effects |= WEIR_EFFECT_PREPARE;
        break;
    case WORD_TO:
        c->to = true;
        break;
    case WORD_PRAGMA_ASKS:
        c->pragma_asks = true;
        break;
    case WORD_PRAGMA_WRITES:
        c->pragma_writes = true;
        break;
    default:
        break;
    }
    if (c->first == WORD_EXPLAIN)
        explained(c, code);
}

static void word(weir_classifier *c, const weir_token *t, weir_word_code code)
{
    if (!c->first_seen) {
        c->first = (uint8_t)code;
        c->first_seen = true;
        c->depth_first = c->depth;
    } else {
        if (c->tokens == 1)
            c->second = (uint8_t)code;
        inner_word(c, code);
    }
    if (code == WORD_CASE)
        c->cases++;
    else if (code == WORD_END && c->cases > 0)
        c->cases--;
    else if (code == WORD_OPERATOR)
        c->operators++;
    if (code == WORD_PG_TEMP)
        c->effects |= WEIR_EFFECT_TEMP;
    if (code == WORD_VIEW)
        c->effects |= t->word->effects;
    c->call_effects = code == WORD_CALL ? t->word->effects : 0;
}

static void punctuation(weir_classifier *c, const weir_token *t)
{
    switch (t->type) {
    case TOKEN_OPEN:
        c->effects |= c->call_effects;
        c->pragma_sets = true;
        c->depth++;
        break;
    case TOKEN_BRACKET_OPEN:
        c->depth++;
        break;
    case TOKEN_CLOSE:
    case TOKEN_BRACKET_CLOSE:
        c->depth -= c->depth > 0;
        break;
    case TOKEN_OPERATOR:
        c->pragma_sets = c->pragma_sets || *t->start == '=';
        c->operators++;
        break;
    case TOKEN_CAST:
        c->operators++;
        break;
    case TOKEN_DOT:
        if (c->dialect == WEIR_DIALECT_SQLITE && c->previous == WORD_TEMP)
            c->effects |= WEIR_EFFECT_TEMP;
        break;
    case TOKEN_BAD:
        c->bad = true;
        break;
    default:
        break;
    }
    c->call_effects = 0;
}

void weir_classifier_token(weir_classifier *c, const weir_token *t)
{
    weir_word_code code = t->word ? (weir_word_code)t->word->code : WORD_NONE;
    if (t->type == TOKEN_WORD || t->type == TOKEN_QUOTED)
        word(c, t, code);
    else
        punctuation(c, t);
    if (c->operators > WEIR_SQL_OPERATORS_MAX || c->depth + c->cases > WEIR_SQL_DEPTH_MAX)
        c->lexed->over_caps = true;
    /* A literal before any word starts no statement; "(" may. */
    if (!c->first_seen && t->type != TOKEN_OPEN)
        c->first_seen = true;
    c->tokens++;
    c->previous = (uint8_t)code;
    c->previous_type = t->type;
}

static weir_transaction transaction_of(const weir_classifier *c, weir_transaction by_first)
{
    if (c->first == WORD_PREPARE || c->first == WORD_SET) {
        if (c->second != WORD_TRANSACTION)
            return WEIR_TRANSACTION_NONE;
        return c->first == WORD_SET ? WEIR_TRANSACTION_SET : WEIR_TRANSACTION_TWO_PHASE;
    }
    if ((c->first == WORD_COMMIT || c->first == WORD_ROLLBACK) && c->second == WORD_PREPARED)
        return WEIR_TRANSACTION_TWO_PHASE;
    return c->first == WORD_ROLLBACK && c->to ? WEIR_TRANSACTION_ROLLBACK_TO : by_first;
}

/* By what the statement does inside, where that is more than its first word says. */
static weir_kind kind_inside(const weir_classifier *c, weir_kind kind)
{
    bool runs = kind == WEIR_KIND_READ ||
                (c->first == WORD_EXPLAIN && c->analyzes && c->dialect == WEIR_DIALECT_POSTGRES);
    if (c->bad)
        return WEIR_KIND_UNKNOWN;
    if (runs && c->creates)
        return WEIR_KIND_DDL;
    if (runs && c->writes)
        return WEIR_KIND_WRITE;
    return c->first == WORD_PRAGMA && c->pragma_writes ? WEIR_KIND_UTILITY : kind;
}

static unsigned effects_of(const weir_classifier *c, const struct rule *r)
{
    unsigned effects = c->effects;
    if (c->first == WORD_PRAGMA && c->pragma_sets && !c->pragma_asks && !c->pragma_writes)
        return effects | WEIR_EFFECT_SET;
    /* SET LOCAL and SET CONSTRAINTS end with the transaction. */
    if (c->first == WORD_SET && (c->second == WORD_LOCAL || c->second == WORD_CONSTRAINTS))
        return effects;
    return effects | r->effects;
}

void weir_classifier_end_statement(weir_classifier *c)
{
    if (c->tokens == 0)
        return;
    static const struct rule none;
    bool known = c->first < sizeof(rules) / sizeof(rules[0]);
    const struct rule *r = known ? &rules[c->first] : &none;
    weir_lexed *l = c->lexed;
    weir_kind kind = c->dialect == WEIR_DIALECT_SQLITE ? r->sqlite : r->postgres;
    weir_transaction transaction = WEIR_TRANSACTION_NONE;
    if (kind != WEIR_KIND_UNKNOWN) {
        transaction = transaction_of(c, r->transaction);
        kind = transaction ? WEIR_KIND_TRANSACTION : kind_inside(c, kind);
        l->effects |= transaction ? c->effects : effects_of(c, r);
    }
    l->effects |= c->effects;
    if (l->statements++ == 0)
        l->transaction = transaction;
    l->transaction_anywhere = l->transaction_anywhere || transaction != WEIR_TRANSACTION_NONE;
    l->kind = weir_kind_stronger(kind, l->kind);
    begin_statement(c);
}
