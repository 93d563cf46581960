/* Keeping what passes: a client's bytes from the server are cut into messages, and those that make
 * an answer (or a statement's description) go to whoever fills it.
 *
 *   answers are told apart by counting, from where nothing was owed (a window, cached.h):
 *     1 2 [T D D C] 1 2 [T D C] t T … Z
 *          the first     the second
 *
 * Invariants: a filling takes a run of whole messages, in order, that are nothing but what an
 * answer is made of: RowDescription where one was asked for, rows, and the CommandComplete (or
 * PortalSuspended, where nobody can ask for the rest). Anything else in between gives it up. After
 * an error nothing is told apart until nothing is owed again. What is put between the server's
 * answers passes here too, and is counted. */
#include "gateway/cached.h"
#include "gateway/internal.h"
#include "gateway/replica.h"
#include <stdlib.h>

#define HEAD_SIZE 5u

/* ---- life ---- */

static void remove_filling(weir_cached *k, weir_filling *f)
{
    if (k->waiting == f)
        k->waiting = NULL;
    if (k->taker == f)
        k->taker = NULL;
    k->filling_count--;
    weir_list_remove(&f->node);
    free(f);
}

void weir_filling_drop(weir_cached *k, weir_filling *f, bool leaving)
{
    weir_fill_abort(&f->fill, leaving);
    remove_filling(k, f);
}

void weir_filling_drop_all(weir_cached *k, bool leaving)
{
    for (weir_list *n; (n = weir_list_first(&k->fillings));)
        weir_filling_drop(k, WEIR_CONTAINER_OF(n, weir_filling, node), leaving);
}

/* The server would have given it up by now. Inside a transaction it is sent all the same, and
 * cancelled there, so that the transaction fails with it (timeouts.c). */
static bool is_overdue(const weir_cached *k)
{
    const weir_client *c = k->client;
    weir_time since, limit;
    return !c->session.conn && weir_client_cached_limit(c, &since, &limit) &&
           weir_loop_now(c->worker->loop) >= weir_deadline(since, limit);
}

/* What stands at the front was waited for: here it is, or it is to be run, and perhaps kept. */
static void on_answered(weir_fill *fill, const weir_entry *entry)
{
    weir_cached *k = fill->user;
    weir_filling *f = WEIR_CONTAINER_OF(fill, weir_filling, fill);
    k->waiting = NULL;
    if (entry) {
        k->answer = weir_entry_ref((weir_entry *)(uintptr_t)entry);
    } else if (is_overdue(k)) {
        weir_filling_drop(k, f, false);
        weir_client_time_out_waiting(k->client);
        return;
    }
    if (!weir_fill_is_open(fill)) {
        k->kept = false;
        remove_filling(k, f);
    }
    weir_stream_resume(k->client->stream);
}

static void begin_window(weir_cached *k)
{
    k->sent = k->ended = k->described = k->told = 0;
    k->heard = k->cutting = k->lost = false;
    k->taker = NULL;
    k->head_len = 0;
    k->left = k->between = 0;
    k->of_statement = false;
}

bool weir_filling_may_begin(weir_client *c)
{
    weir_cached *k = c->cached;
    if (!c->relay.batch && c->relay.unready == 0 && !k->waiting && k->filling_count == 0)
        begin_window(k);
    return !k->lost && (k->cutting || !k->heard) && k->filling_count < WEIR_FILLINGS_MAX;
}

int weir_filling_begin(weir_client *c, const weir_ask *ask, const weir_filling *like)
{
    weir_cached *k = c->cached;
    weir_filling *f = malloc(sizeof(*f));
    if (!f)
        return WEIR_FILL_NONE;
    *f = *like;
    f->number += f->description ? k->described : k->sent;
    f->fill = (weir_fill){.answered = on_answered, .user = k};
    weir_list_init(&f->node);
    weir_list_push_back(&k->fillings, &f->node);
    k->filling_count++;
    k->cutting = true;
    int r = weir_session_begin_fill(&c->session, ask, &f->fill);
    if (r == WEIR_FILL_NONE)
        remove_filling(k, f);
    else if (r == WEIR_FILL_WAIT)
        k->waiting = f;
    return r;
}

/* ---- messages ---- */

/* The filling of what is being answered now; NULL: it is not kept. */
static weir_filling *current(const weir_cached *k, bool description)
{
    uint32_t number = description ? k->told : k->ended;
    for (weir_list *n = k->fillings.next; n != &k->fillings; n = n->next) {
        weir_filling *f = WEIR_CONTAINER_OF(n, weir_filling, node);
        if (f->description == description && f->number == number)
            return f;
    }
    return NULL;
}

static void give_up(weir_cached *k, weir_filling *f)
{
    if (f)
        weir_filling_drop(k, f, false);
}

/* Vouched for by what the text means now: the schema may have changed meanwhile. A standby tells
 * that it was promoted before its next ReadyForQuery (in_hot_standby), which is waited for: what
 * it showed may be of another history. */
static void finish(weir_cached *k, weir_filling *f)
{
    if (weir_client_is_on_replica(k->client) && !f->ripe) {
        f->ripe = true;
        return;
    }
    weir_surroundings at;
    bool known = weir_client_cached_surroundings(k->client, &at) && at.meaning != 0;
    if (known && !f->spoiled)
        weir_fill_finish(&f->fill, f->head_len, f->rows, f->description ? 0 : at.meaning);
    else if (!known)
        k->clean = false; /* what it has run was perhaps not what it was taken for */
    weir_filling_drop(k, f, false);
}

/* Which filling takes the message; NULL: none. */
static weir_filling *take_answer(weir_cached *k, uint8_t type, size_t size)
{
    weir_filling *f = current(k, false);
    if (!f)
        return NULL;
    switch (type) {
    case WEIR_PG_B_BIND_COMPLETE:
        f->bound = true;
        f->extended = false;
        return NULL;
    case WEIR_PG_B_PARSE_COMPLETE:
        f->parses = false;
        return NULL;
    case WEIR_PG_B_CLOSE_COMPLETE:
        return NULL;
    case WEIR_PG_B_NOTICE: /* a server that goes may warn */
        f->spoiled = true;
        return NULL;
    case WEIR_PG_B_ROW_DESCRIPTION:
        if (!f->bound || !f->head || f->head_len > 0 || f->rows > 0)
            break;
        f->head_len = size;
        return f;
    case WEIR_PG_B_DATA_ROW:
        f->rows++;
        if (!f->bound || f->head != (f->head_len > 0))
            break;
        return f;
    case WEIR_PG_B_COMMAND_COMPLETE:
    case WEIR_PG_B_PORTAL_SUSPENDED:
        if (!f->bound || f->head != (f->head_len > 0) ||
            (type == WEIR_PG_B_PORTAL_SUSPENDED && !f->limited))
            break;
        return f;
    default:
        break;
    }
    give_up(k, f);
    return NULL;
}

static weir_filling *take_description(weir_cached *k, uint8_t type)
{
    if (type == WEIR_PG_B_PARAM_DESCRIPTION)
        k->of_statement = true;
    return current(k, true);
}

static bool is_of_description(const weir_cached *k, uint8_t type)
{
    return type == WEIR_PG_B_PARAM_DESCRIPTION ||
           (k->of_statement && (type == WEIR_PG_B_ROW_DESCRIPTION || type == WEIR_PG_B_NO_DATA));
}

static void spoil_ripe(weir_cached *k)
{
    for (weir_list *n = k->fillings.next; n != &k->fillings; n = n->next)
        WEIR_CONTAINER_OF(n, weir_filling, node)->spoiled = true;
}

static void finish_ripe(weir_cached *k)
{
    weir_list *n = weir_list_first(&k->fillings);
    weir_filling *f = n ? WEIR_CONTAINER_OF(n, weir_filling, node) : NULL;
    if (f && f->ripe)
        finish(k, f);
}

/* `size`: of the whole message. */
static void begin_message(weir_cached *k, uint8_t type, size_t size)
{
    if (type == WEIR_PG_B_PARAM_STATUS)
        spoil_ripe(k);
    k->taker = is_of_description(k, type) ? take_description(k, type) : take_answer(k, type, size);
    k->left = size - HEAD_SIZE;
}

static void end_message(weir_cached *k, uint8_t type)
{
    weir_filling *f = k->taker;
    k->taker = NULL;
    switch (type) {
    case WEIR_PG_B_ROW_DESCRIPTION:
    case WEIR_PG_B_NO_DATA:
        if (!k->of_statement)
            return;
        k->of_statement = false;
        if (f)
            finish(k, f);
        k->told++;
        return;
    case WEIR_PG_B_COMMAND_COMPLETE:
    case WEIR_PG_B_PORTAL_SUSPENDED:
    case WEIR_PG_B_EMPTY_QUERY:
        if (f)
            finish(k, f);
        k->ended++;
        return;
    default:
        return;
    }
}

/* ---- bytes ---- */

static void add(const weir_cached *k, weir_slice bytes)
{
    if (k->taker)
        weir_fill_add(&k->taker->fill, bytes);
}

/* The first bytes of a message. False: some are missing. */
static bool cut_head(weir_cached *k, weir_slice in, size_t *pos)
{
    uint8_t type;
    size_t size;
    while (k->head_len < HEAD_SIZE && *pos < in.len)
        k->head[k->head_len++] = in.data[(*pos)++];
    if (k->head_len < HEAD_SIZE)
        return false;
    weir_slice head = weir_slice_make(k->head, HEAD_SIZE);
    if (weir_pg_frame_head(head, WEIR_PG_MESSAGE_SIZE_MAX, &type, &size) != 0) {
        weir_filling_drop_all(k, false);
        k->lost = true;
        return false;
    }
    begin_message(k, type, size);
    add(k, head);
    return true;
}

static void cut(weir_cached *k, weir_slice in)
{
    for (size_t pos = 0;
         !k->lost && (pos < in.len || (k->head_len == HEAD_SIZE && k->left == 0));) {
        if (k->head_len < HEAD_SIZE && !cut_head(k, in, &pos))
            return;
        size_t n = in.len - pos < k->left ? in.len - pos : k->left;
        if (n > 0)
            add(k, weir_slice_make(in.data + pos, n));
        pos += n;
        k->left -= n;
        if (k->left > 0)
            return;
        k->head_len = 0;
        end_message(k, k->head[0]);
    }
}

void weir_client_cached_bytes(weir_client *c, weir_slice bytes)
{
    weir_cached *k = c->cached;
    if (!k || k->lost)
        return;
    k->heard = true;
    if (k->cutting)
        cut(k, bytes);
}

/* ---- the window's end ---- */

void weir_client_cached_ready(weir_client *c, bool rests)
{
    weir_cached *k = c->cached;
    if (!k)
        return;
    if (rests)
        finish_ripe(k);
    weir_filling_drop_all(k, false);
    k->waits_since = 0;
    k->asked = k->kept = k->harmless = false;
    k->lost = true; /* of the next one something was sent already */
    if (!rests)
        return;
    begin_window(k);
    if (c->relay.status == 'I') {
        k->clean = true;
        k->portal_here = false;
    }
}

void weir_client_cached_failed(weir_client *c)
{
    weir_cached *k = c->cached;
    if (!k)
        return;
    bool waited = k->waiting != NULL;
    weir_temporary_forget(k);
    weir_filling_drop_all(k, false);
    k->waits_since = 0;
    k->asked = k->kept = k->harmless = k->clean = false;
    k->lost = true;
    if (waited && !c->closed)
        weir_stream_resume(c->stream);
}

/* ---- a server that is lost ---- */

/* Of the answer nothing came but what stands before its rows, as `e` has it. */
static bool may_go_on(const weir_cached *k, const weir_filling *f, const weir_entry *e)
{
    weir_slice head = weir_slice_head(weir_entry_bytes(e), e->head_len);
    return f->rows == 0 && k->head_len == 0 &&
           (f->head_len == 0 || weir_slice_eq(weir_fill_bytes(&f->fill), head));
}

weir_entry *weir_client_cached_instead(weir_client *c, const char *sqlstate, size_t ready_owed)
{
    weir_cached *k = c->cached;
    if (!k || ready_owed != 1 || c->relay.sent != 1 || c->relay.batch || c->relay.status != 'I' ||
        k->filling_count != 1 || k->sent != 1)
        return NULL;
    const weir_filling *f = WEIR_CONTAINER_OF(weir_list_first(&k->fillings), weir_filling, node);
    if (!f->whole || f->description || f->named || f->limited)
        return NULL;
    const weir_entry *e = weir_fill_find_instead(&f->fill, sqlstate);
    if (!e || !may_go_on(k, f, e))
        return NULL;
    k->owed.parse = f->parses;
    k->owed.bind = f->extended;
    k->owed.head = f->head && f->head_len == 0;
    return weir_entry_ref((weir_entry *)(uintptr_t)e);
}

void weir_client_cached_give_instead(weir_client *c, const weir_entry *entry)
{
    const weir_cached *k = c->cached;
    weir_slice bytes = weir_entry_bytes(entry);
    weir_session_record_hit(&c->session, entry, 0);
    if (k->owed.parse)
        weir_client_say(c, WEIR_PG_B_PARSE_COMPLETE);
    if (k->owed.bind)
        weir_client_say(c, WEIR_PG_B_BIND_COMPLETE);
    weir_client_write(c, k->owed.head ? bytes : weir_slice_skip(bytes, entry->head_len));
    weir_client_ready(c, 'I');
}
