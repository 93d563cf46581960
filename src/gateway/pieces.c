/* A Query of several statements before the cache: SELECTs alone, or behind a BEGIN.
 *
 * Its answers are given if all of them are there; else the whole text goes to the server, and each
 * answer is kept by itself. Nothing is asked where the text holds anything else. */
#include "gateway/cached.h"
#include "gateway/internal.h"

#define PIECES_MAX 16u

typedef struct pieces {
    weir_slice texts[PIECES_MAX];
    unsigned count;
    bool begins; /* the first is BEGIN, the others reads */
} pieces;

static bool split(const weir_cached *k, weir_slice text, pieces *ret)
{
    *ret = (pieces){.count = 0};
    for (;;) {
        weir_slice piece = weir_front_trim(weir_sql_split(WEIR_DIALECT_POSTGRES, text, &text));
        if (piece.len == 0)
            return ret->count > 1;
        bool begins = ret->count == 0 && weir_front_begins(k, piece);
        if (ret->count == PIECES_MAX || (!begins && !weir_front_is_read(piece)))
            return false;
        ret->begins = ret->begins || begins;
        ret->texts[ret->count++] = piece;
    }
}

static void identify(weir_client *c, const weir_cached *k, weir_slice text)
{
    weir_front f = {.text = text};
    weir_front_identify(c, k, &f);
}

static bool give_all(weir_client *c, const weir_cached *k, const pieces *p)
{
    const weir_entry *found[PIECES_MAX]; /* good until this turn of the loop ends */
    for (unsigned i = 0; i < p->count; i++) {
        identify(c, k, p->texts[i]);
        found[i] = weir_session_find_answer(&c->session);
        if (!found[i])
            return false;
    }
    for (unsigned i = 0; i < p->count; i++) {
        weir_slice bytes = weir_entry_bytes(found[i]);
        weir_session_record_hit(&c->session, found[i], 0);
        weir_client_write(c, bytes);
        weir_session_count_bytes(&c->session, 0, bytes.len);
    }
    weir_client_ready(c, c->relay.status);
    weir_client_seen(c);
    return true;
}

static int fill_one(weir_client *c, weir_cached *k, weir_slice text, uint32_t number)
{
    weir_surroundings at;
    weir_statement statement;
    weir_ask ask = {.statement = &statement, .text = text, .at = &at, .alone = true};
    weir_filling like = {.number = number, .head = true, .bound = true};
    weir_session_understand(&c->session, text, &statement);
    if (statement.kind != WEIR_KIND_READ || statement.effects != 0 || statement.statements != 1 ||
        !weir_filling_may_begin(c) || !weir_client_cached_surroundings(c, &at))
        return WEIR_FILL_NONE;
    identify(c, k, text);
    (void)weir_session_find_answer(&c->session); /* why it is missing, for the count */
    return weir_filling_begin(c, &ask, &like);
}

/* All are reads that may be kept, or none is: one that does more may change what the next reads. */
static bool fill_all(weir_client *c, weir_cached *k, const pieces *p)
{
    for (unsigned i = p->begins; i < p->count; i++) {
        if (fill_one(c, k, p->texts[i], i) != WEIR_FILL_LEAD) {
            weir_filling_drop_all(k, false);
            return false;
        }
    }
    return true;
}

int weir_client_cached_pieces(weir_client *c, weir_cached *k, weir_slice text)
{
    pieces p;
    bool open = c->relay.status == 'T';
    if (!k->plain_strings || !split(k, text, &p) || (p.begins ? open : !k->read_committed))
        return WEIR_CACHED_NOT_HERE;
    if (!p.begins && give_all(c, k, &p))
        return 0;
    k->kept = fill_all(c, k, &p);
    k->asked = true;
    return WEIR_CACHED_NOT_HERE;
}
