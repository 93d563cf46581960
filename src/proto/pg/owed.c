/* The queue of replies owed by one server connection.
 *
 * Invariants
 *  - The ring holds, in the order in which messages were sent, one entry per reply still owed and
 *    per interjection not yet given out. The first `skipped` entries are set apart: the server
 *    skipped them and they only wait to be reported.
 *  - A server message is judged by the first entry behind those alone, never by a later one.
 *  - `skipping` iff the server discards everything up to a Sync that was not pushed yet.
 *  - `copying` iff the server reads COPY data and no CopyDone or CopyFail is on its way to it.
 *  - Once `doubtful`, always doubtful: is_empty and is_at_rest stay false.
 *  - What could not be entered is not sent, so the connection ends: it is `unentered`, and is
 *    answered with what was.
 *
 * Cases ("|" is the front; P B E S extended messages, Q Query, i interjection, s skippable one)
 *
 *  1. An error in the extended protocol:      | P B E Q s P i S   'E' for B
 *     everything up to Sync is skipped, the   | i S               skipped: E Q P; s is dropped,
 *     Query too; Ready answers the Sync.                          i is given out now
 *  2. Its Sync was not sent yet:              | P B E             'E' for P
 *     what is pushed is skipped at once,      |                   skipping; push Q: skipped
 *     until a Sync.                           | S
 *  3. An error in a Query or FunctionCall, or while Sync commits: | Q P S   'E', then 'Z' for Q;
 *     nothing else is skipped.                                    | P S
 *  4. COPY IN: the server ignores Flush and Sync while it reads data (CopyGetData), so a Sync
 *     between the Execute and the CopyDone is never answered, also one that was sent before the
 *     CopyInResponse came (libpq does: Parse Bind Describe Execute Sync, data, CopyDone Sync):
 *         | E S          'G': | E     copying; push S: forgotten; CopyDone; push S: | E S
 *     A CopyDone sent ahead of the CopyInResponse is remembered on the entry before it
 *     (`copies_ended`), and where there is one the Syncs behind it count.
 *  5. An error during COPY IN with such Syncs: whether it struck before or after the server read
 *     them cannot be known (a trigger of the statement may fail before the first read); each of the
 *     latter is answered. The likely is assumed (they were ignored), a Ready too many is passed on,
 *     and the connection is doubtful. Anything but data sent during COPY IN makes the server end
 *     the session: doubtful as well.
 */
#include "proto/pg/owed.h"
#include "proto/pg/pg.h"

#include <stdlib.h>

#define ENTRIES_MAX_DEFAULT 65536u

struct weir_pg_owed_bytes {
    size_t len;
    uint8_t data[];
};

/* ---- the ring ---- */

static weir_pg_owed_entry *at(weir_pg_owed *q, uint32_t i)
{
    assert(i < q->len);
    weir_pg_owed_entry *ring = q->large ? q->large : q->small;
    return &ring[(q->head + i) & (q->cap - 1)];
}

static int grow(weir_pg_owed *q)
{
    if (q->len >= q->len_max)
        return -ENOSPC;
    if (q->len < q->cap)
        return 0;
    weir_pg_owed_entry *larger = malloc((size_t)q->cap * 2 * sizeof(*larger));
    if (!larger)
        return -ENOMEM;
    for (uint32_t i = 0; i < q->len; i++)
        larger[i] = *at(q, i);
    free(q->large);
    q->large = larger;
    q->cap *= 2;
    q->head = 0;
    return 0;
}

static void release_if_empty(weir_pg_owed *q)
{
    if (q->len > 0 || !q->large)
        return;
    free(q->large);
    q->large = NULL;
    q->cap = WEIR_PG_OWED_SMALL;
    q->head = 0;
}

static weir_pg_owed_entry drop_first(weir_pg_owed *q)
{
    weir_pg_owed_entry e = *at(q, 0);
    q->head = (q->head + 1) & (q->cap - 1);
    q->len--;
    return e;
}

/* Takes entry `i` out; those before it keep their order. */
static void remove_at(weir_pg_owed *q, uint32_t i)
{
    for (; i > 0; i--)
        *at(q, i) = *at(q, i - 1);
    drop_first(q);
}

/* Takes the front out, from behind the skipped entries, whose order does not matter. */
static weir_pg_owed_entry take_front(weir_pg_owed *q)
{
    weir_pg_owed_entry e = *at(q, q->skipped);
    *at(q, q->skipped) = *at(q, 0);
    drop_first(q);
    return e;
}

/* ---- entries ---- */

static bool ends_with_ready(uint8_t kind)
{
    return kind == WEIR_PG_OWED_QUERY || kind == WEIR_PG_OWED_FUNCTION || kind == WEIR_PG_OWED_SYNC;
}

/* The entry whose reply comes next, or NULL. */
static weir_pg_owed_entry *front(weir_pg_owed *q)
{
    if (q->owed == 0)
        return NULL;
    weir_pg_owed_entry *e = at(q, q->skipped);
    assert(e->kind != WEIR_PG_OWED_INTERJECTION); /* the caller drains them */
    return e;
}

static void count_in(weir_pg_owed *q, uint8_t kind)
{
    q->owed++;
    q->ready += ends_with_ready(kind);
}

static void count_out(weir_pg_owed *q, uint8_t kind)
{
    assert(q->owed > 0);
    q->owed--;
    q->ready -= ends_with_ready(kind);
}

static void forget_given(weir_pg_owed *q)
{
    free(q->given);
    q->given = NULL;
}

static void complete_front(weir_pg_owed *q)
{
    count_out(q, take_front(q).kind);
    q->failed = q->described = q->copying = false;
    q->copy_syncs = 0;
    release_if_empty(q);
}

/* ---- sending ---- */

void weir_pg_owed_init(weir_pg_owed *q, size_t entries_max)
{
    *q = (weir_pg_owed){.cap = WEIR_PG_OWED_SMALL, .len_max = ENTRIES_MAX_DEFAULT};
    if (entries_max > 0)
        q->len_max = entries_max < UINT32_MAX / 4 ? (uint32_t)entries_max : UINT32_MAX / 4;
}

void weir_pg_owed_fini(weir_pg_owed *q)
{
    while (q->len > 0) {
        weir_pg_owed_entry e = drop_first(q);
        if (e.kind == WEIR_PG_OWED_INTERJECTION)
            free(e.u.bytes);
    }
    free(q->large);
    forget_given(q);
    *q = (weir_pg_owed){.cap = WEIR_PG_OWED_SMALL};
}

static int append(weir_pg_owed *q, weir_pg_owed_entry e)
{
    int r = grow(q);
    if (r != 0)
        return r;
    q->len++;
    *at(q, q->len - 1) = e;
    return 0;
}

/* Pushed while the server skips: it joins the skipped, before interjections that wait. */
static int append_skipped(weir_pg_owed *q, weir_pg_owed_entry e)
{
    int r = append(q, e);
    if (r != 0)
        return r;
    for (uint32_t i = q->len - 1; i > q->skipped; i--)
        *at(q, i) = *at(q, i - 1);
    *at(q, q->skipped) = e;
    q->skipped++;
    return 0;
}

int weir_pg_owed_push(weir_pg_owed *q, weir_pg_owed_kind kind, bool hidden, uint64_t tag)
{
    assert(kind < WEIR_PG_OWED_INTERJECTION);
    forget_given(q);
    if (q->copying) {
        if (kind == WEIR_PG_OWED_SYNC) {
            q->copy_syncs++;
            return 0;
        }
        q->doubtful = true;
    }
    weir_pg_owed_entry e = {.u.tag = tag, .kind = (uint8_t)kind, .hidden = hidden};
    if (q->skipping && kind != WEIR_PG_OWED_SYNC)
        return append_skipped(q, e);
    int r = append(q, e);
    if (r != 0) {
        q->unentered += ends_with_ready(e.kind) && !hidden;
        return r;
    }
    count_in(q, e.kind);
    q->skipping = false;
    q->batch_open = !ends_with_ready(e.kind);
    return 0;
}

int weir_pg_owed_interject(weir_pg_owed *q, weir_slice bytes, bool skippable)
{
    forget_given(q);
    if (q->skipping && skippable)
        return 0;
    weir_pg_owed_entry e = {.kind = WEIR_PG_OWED_INTERJECTION, .skippable = skippable};
    e.u.bytes = malloc(sizeof(*e.u.bytes) + bytes.len);
    if (!e.u.bytes)
        return -ENOMEM;
    e.u.bytes->len = bytes.len;
    if (bytes.len > 0)
        memcpy(e.u.bytes->data, bytes.data, bytes.len);
    int r = append(q, e);
    if (r != 0)
        free(e.u.bytes);
    return r;
}

void weir_pg_owed_copy_ended(weir_pg_owed *q)
{
    forget_given(q);
    if (q->copying) {
        q->copying = false;
        return;
    }
    if (q->len == q->skipped) /* nothing that could become a COPY: the server ignores it */
        return;
    weir_pg_owed_entry *last = at(q, q->len - 1);
    if (last->copies_ended == UINT16_MAX)
        q->doubtful = true;
    else
        last->copies_ended++;
}

/* ---- receiving ---- */

/* The server begins to read COPY data for the front entry: case 4. */
static void enter_copy_in(weir_pg_owed *q)
{
    uint32_t i = q->skipped;
    q->copying = true;
    while (at(q, i)->copies_ended == 0 && i + 1 < q->len) {
        weir_pg_owed_entry next = *at(q, i + 1);
        if (next.kind == WEIR_PG_OWED_INTERJECTION) {
            i++;
        } else if (next.kind == WEIR_PG_OWED_SYNC) {
            at(q, i)->copies_ended = next.copies_ended;
            remove_at(q, i + 1);
            count_out(q, next.kind);
            q->copy_syncs++;
        } else {
            q->doubtful = true; /* the server will end the session over it */
            return;
        }
    }
    if (at(q, i)->copies_ended > 0) {
        at(q, i)->copies_ended--;
        q->copying = false;
    }
    if (at(q, q->skipped)->kind == WEIR_PG_OWED_EXECUTE && q->ready == 0)
        q->batch_open = true; /* the Sync that seemed to end it did not */
}

typedef enum step { STEP_WRONG, STEP_GOES_ON, STEP_ENDS } step;

static step one_of(uint8_t type, const char *go_on, const char *end)
{
    if (type == 0)
        return STEP_WRONG;
    if (strchr(go_on, type))
        return STEP_GOES_ON;
    return strchr(end, type) ? STEP_ENDS : STEP_WRONG;
}

/* Which messages answer an entry (errors and asynchronous ones aside). */
static step step_of(weir_pg_owed *q, uint8_t kind, uint8_t type)
{
    if (type == WEIR_PG_B_DATA_ROW) /* the most frequent first */
        return (kind == WEIR_PG_OWED_EXECUTE || kind == WEIR_PG_OWED_QUERY) && !q->failed
                   ? STEP_GOES_ON
                   : STEP_WRONG;
    switch (kind) {
    case WEIR_PG_OWED_QUERY:
        return one_of(type, q->failed ? "" : "TCIGHWdc", "Z");
    case WEIR_PG_OWED_FUNCTION:
        return one_of(type, q->failed ? "" : "V", "Z");
    case WEIR_PG_OWED_SYNC:
        return one_of(type, "", "Z");
    case WEIR_PG_OWED_PARSE:
        return one_of(type, "", "1");
    case WEIR_PG_OWED_BIND:
        return one_of(type, "", "2");
    case WEIR_PG_OWED_CLOSE:
        return one_of(type, "", "3");
    case WEIR_PG_OWED_DESCRIBE_STATEMENT:
        return one_of(type, q->described ? "" : "t", q->described ? "Tn" : "");
    case WEIR_PG_OWED_DESCRIBE_PORTAL:
        return one_of(type, "", "Tn");
    case WEIR_PG_OWED_EXECUTE:
        return one_of(type, "GHWdc", "CIs");
    default:
        return STEP_WRONG;
    }
}

static int on_reply(weir_pg_owed *q, weir_pg_owed_entry *e, uint8_t type, weir_pg_owed_verdict *ret)
{
    step s = step_of(q, e->kind, type);
    if (s == STEP_WRONG)
        return -EPROTO;
    *ret = (weir_pg_owed_verdict){!e->hidden, s == STEP_ENDS, e->kind, e->u.tag, e->hidden};
    if (s == STEP_ENDS) {
        complete_front(q);
    } else if (type == WEIR_PG_B_PARAM_DESCRIPTION) {
        q->described = true;
    } else if (type == WEIR_PG_B_COPY_IN) {
        enter_copy_in(q);
    } else if (type == WEIR_PG_B_COMMAND_COMPLETE) {
        q->copying = false; /* whatever Syncs there were, the server read past them: no doubt */
        q->copy_syncs = 0;
    }
    return 0;
}

/* The index of the first Sync behind the skipped entries, or `len`. */
static uint32_t find_sync(weir_pg_owed *q)
{
    uint32_t i = q->skipped;
    while (i < q->len && at(q, i)->kind != WEIR_PG_OWED_SYNC)
        i++;
    return i;
}

/* Sets the entries before `end` apart as skipped, but for interjections that stay: they gather
 * behind, in order (walking backwards, each changes places with the last that is not one). */
static void skip_until(weir_pg_owed *q, uint32_t end)
{
    uint32_t stay = end;
    for (uint32_t i = end; i-- > q->skipped;) {
        weir_pg_owed_entry e = *at(q, i);
        if (e.kind == WEIR_PG_OWED_INTERJECTION && !e.skippable) {
            stay--;
            *at(q, i) = *at(q, stay);
            *at(q, stay) = e;
        } else if (e.kind != WEIR_PG_OWED_INTERJECTION) {
            count_out(q, e.kind);
        }
    }
    q->skipped = stay;
}

/* An error in the extended protocol: cases 1 and 2. It is the client's, even when a message of ours
 * failed in its stead, unless the whole batch is ours. */
static bool fail_batch(weir_pg_owed *q)
{
    bool hidden = at(q, q->skipped)->hidden;
    complete_front(q);
    uint32_t end = find_sync(q);
    q->skipping = end == q->len;
    if (!q->skipping)
        hidden = hidden && at(q, end)->hidden;
    else
        hidden = false;
    skip_until(q, end);
    return !hidden;
}

static void on_error(weir_pg_owed *q, weir_pg_owed_entry *e, weir_pg_owed_verdict *ret)
{
    if (!e) { /* a server says so only before it ends the session */
        q->doubtful = true;
        *ret = (weir_pg_owed_verdict){.forward = true};
        return;
    }
    *ret = (weir_pg_owed_verdict){!e->hidden, true, e->kind, e->u.tag, e->hidden};
    if (q->copy_syncs > 0)
        q->doubtful = true; /* case 5 */
    q->syncs_in_doubt += q->copy_syncs;
    q->copying = false;
    q->copy_syncs = 0;
    if (ends_with_ready(e->kind))
        q->failed = true; /* case 3 */
    else
        ret->forward = fail_batch(q);
}

/* Nothing is owed, yet a Ready comes: a Sync in doubt was answered after all (case 5). */
static int on_reply_in_doubt(weir_pg_owed *q, uint8_t type, weir_pg_owed_verdict *ret)
{
    if (type != WEIR_PG_B_READY || q->syncs_in_doubt == 0)
        return -EPROTO;
    q->syncs_in_doubt--;
    q->skipping = false;
    *ret = (weir_pg_owed_verdict){true, true, WEIR_PG_OWED_SYNC, 0, false};
    return 0;
}

int weir_pg_owed_on(weir_pg_owed *q, uint8_t type, weir_pg_owed_verdict *ret)
{
    int r = 0;
    forget_given(q);
    weir_pg_owed_entry *e = front(q);
    switch (type) {
    case WEIR_PG_B_NOTICE:
        *ret = (weir_pg_owed_verdict){.forward = !e || !e->hidden};
        break;
    case WEIR_PG_B_PARAM_STATUS:
    case WEIR_PG_B_NOTIFICATION:
        *ret = (weir_pg_owed_verdict){.forward = true};
        break;
    case WEIR_PG_B_ERROR:
        on_error(q, e, ret);
        break;
    default:
        r = e ? on_reply(q, e, type, ret) : on_reply_in_doubt(q, type, ret);
    }
    if (r != 0)
        q->doubtful = true;
    return r;
}

bool weir_pg_owed_has_interjection(const weir_pg_owed *q)
{
    const weir_pg_owed_entry *ring = q->large ? q->large : q->small;
    return q->len > q->skipped &&
           ring[(q->head + q->skipped) & (q->cap - 1)].kind == WEIR_PG_OWED_INTERJECTION;
}

bool weir_pg_owed_next_interjection(weir_pg_owed *q, weir_slice *ret)
{
    forget_given(q);
    if (q->len == q->skipped || at(q, q->skipped)->kind != WEIR_PG_OWED_INTERJECTION) {
        release_if_empty(q);
        return false;
    }
    q->given = take_front(q).u.bytes;
    *ret = weir_slice_make(q->given->data, q->given->len);
    return true;
}

bool weir_pg_owed_next_skipped(weir_pg_owed *q, weir_pg_owed_skipped *ret)
{
    forget_given(q);
    if (q->skipped == 0) {
        release_if_empty(q);
        return false;
    }
    weir_pg_owed_entry e = drop_first(q);
    q->skipped--;
    *ret = (weir_pg_owed_skipped){e.kind, e.hidden, e.u.tag};
    if (e.kind == WEIR_PG_OWED_INTERJECTION) {
        ret->tag = e.u.bytes->len > 0 ? e.u.bytes->data[0] : 0;
        free(e.u.bytes);
    }
    return true;
}

/* ---- asking ---- */

bool weir_pg_owed_is_ours(const weir_pg_owed *q)
{
    const weir_pg_owed_entry *ring = q->large ? q->large : q->small;
    return q->owed > 0 && ring[(q->head + q->skipped) & (q->cap - 1)].hidden;
}

size_t weir_pg_owed_count(const weir_pg_owed *q)
{
    return q->owed;
}

static bool gives_ready(const weir_pg_owed_entry *e)
{
    if (e->kind != WEIR_PG_OWED_INTERJECTION)
        return ends_with_ready(e->kind) && !e->hidden;
    return e->u.bytes->len > 0 && e->u.bytes->data[0] == WEIR_PG_B_READY;
}

size_t weir_pg_owed_ready_count(const weir_pg_owed *q)
{
    const weir_pg_owed_entry *ring = q->large ? q->large : q->small;
    size_t n = q->unentered;
    for (uint32_t i = q->skipped; i < q->len; i++)
        n += gives_ready(&ring[(q->head + i) & (q->cap - 1)]);
    return n;
}

bool weir_pg_owed_is_empty(const weir_pg_owed *q)
{
    return q->len == q->skipped && !q->doubtful;
}

bool weir_pg_owed_is_at_rest(const weir_pg_owed *q)
{
    return weir_pg_owed_is_empty(q) && !q->skipping && !q->batch_open;
}

bool weir_pg_owed_is_skipping(const weir_pg_owed *q)
{
    return q->skipping;
}

bool weir_pg_owed_is_doubtful(const weir_pg_owed *q)
{
    return q->doubtful;
}
