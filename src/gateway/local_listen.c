/* LISTEN and NOTIFY of a virtual server. What a transaction says of channels waits for its commit:
 * then its channels are listened to, and its notifications go to every listener of the database in
 * this process, in order and once each, as PostgreSQL has it. ROLLBACK (TO) drops them.
 *
 *   NOTIFY ──► said ──commit──► host.publish ──► each worker's ears ──► queue ──► the client: at
 *   once if it rests between transactions, else before its next ReadyForQuery outside of one.
 *
 * Invariant: the ear is in its worker's list exactly while a channel is listened to. */
#include "gateway/listen_note.h"
#include "gateway/local_calls.h"
#include <stdio.h>
#include <stdlib.h>

#define CHANNELS_MAX 65536u
#define PAYLOAD_MAX 8000u /* PostgreSQL's, its zero byte included */
#define SAID_MAX (1u << 20)

typedef struct channel {
    size_t len;
    uint8_t name[];
} channel;

typedef enum word_kind { SAYS, BEGINS, ENDS, ENDS_ALL } word_kind;

/* What a transaction has said. */
typedef struct word {
    struct word *next;
    word_kind kind;
    uint16_t depth;  /* inside so many savepoints */
    weir_note *note; /* SAYS */
    channel *of;     /* BEGINS, ENDS */
} word;

struct local_listening {
    weir_list ear; /* first: weir_local_hear finds us by it */
    weir_local *local;
    weir_map channels;
    weir_map said; /* frames of `words`: each goes out once */
    size_t said_size;
    word *words, **end;
    weir_note_queue queue;
    uint64_t dropped_told;
};

/* NULL: no memory. */
static local_listening *listening_of(weir_local *l)
{
    if (l->listening)
        return l->listening;
    local_listening *n = calloc(1, sizeof(*n));
    if (!n)
        return NULL;
    weir_list_init(&n->ear);
    n->local = l;
    n->end = &n->words;
    weir_map_init(&n->channels, (weir_hash_seed){{0}}, CHANNELS_MAX);
    weir_map_init(&n->said, (weir_hash_seed){{0}}, SAID_MAX);
    weir_note_queue_init(&n->queue);
    l->listening = n;
    return n;
}

static channel *channel_new(weir_slice name)
{
    channel *c = malloc(sizeof(*c) + name.len);
    if (!c)
        return NULL;
    c->len = name.len;
    memcpy(c->name, name.data, name.len);
    return c;
}

static weir_slice name_of(const channel *c)
{
    return weir_slice_make(c->name, c->len);
}

static void free_word(local_listening *n, word *w)
{
    if (w->note) {
        (void)weir_map_remove(&n->said, weir_note_frame(w->note));
        n->said_size -= w->note->frame_len;
    }
    weir_note_unref(w->note);
    free(w->of);
    free(w);
}

/* Those inside so many savepoints, or more. */
static void drop_words(local_listening *n, size_t depth)
{
    word **at = &n->words;
    while (*at) {
        word *w = *at;
        if (w->depth < depth) {
            at = &w->next;
            continue;
        }
        *at = w->next;
        free_word(n, w);
    }
    n->end = at;
}

static void unlisten_all(local_listening *n)
{
    size_t pos = 0;
    for (channel *c; (c = weir_map_next(&n->channels, &pos));)
        free(c);
    weir_map_fini(&n->channels);
    weir_map_init(&n->channels, (weir_hash_seed){{0}}, CHANNELS_MAX);
}

void local_listen_free(weir_local *l)
{
    local_listening *n = l->listening;
    if (!n)
        return;
    if (!weir_list_empty(&n->ear))
        l->host.unlisten(l->host.user, &n->ear);
    drop_words(n, 0);
    unlisten_all(n);
    weir_map_fini(&n->channels);
    weir_map_fini(&n->said);
    weir_note_queue_fini(&n->queue);
    free(n);
    l->listening = NULL;
}

/* ---- what is said ---- */

static int add(weir_local *l, word_kind kind, weir_slice name, weir_note *note)
{
    local_listening *n = listening_of(l);
    word *w = n ? calloc(1, sizeof(*w)) : NULL;
    channel *of = w && name.len > 0 ? channel_new(name) : NULL;
    if (!w || (name.len > 0 && !of)) {
        free(w);
        weir_note_unref(note);
        return -ENOMEM;
    }
    *w = (word){.kind = kind, .depth = l->tx.savepoint_count, .note = note, .of = of};
    *n->end = w;
    n->end = &w->next;
    local_tx_begin_implicit(l);
    return 0;
}

static int refuse(weir_error *err, const char *sqlstate, const char *words)
{
    weir_error_set(err, sqlstate, "weir: %s", words);
    return WEIR_COMPAT_REFUSED;
}

int local_notify(weir_local *l, weir_slice name, weir_slice payload, weir_error *err)
{
    if (name.len == 0)
        return refuse(err, "22023", "channel name cannot be empty");
    if (name.len >= LOCAL_NAME_MAX)
        return refuse(err, "22023", "channel name too long");
    if (payload.len >= PAYLOAD_MAX)
        return refuse(err, "22023", "payload string too long");
    local_listening *n = listening_of(l);
    weir_note *note = n ? weir_note_new(l->pid, name, payload) : NULL;
    if (!note)
        return -ENOMEM;
    if (weir_map_find(&n->said, weir_note_frame(note))) {
        weir_note_unref(note);
        return 0;
    }
    int r = n->said_size < LOCAL_SAID_SIZE_MAX
                ? weir_map_put(&n->said, weir_note_frame(note), note, NULL)
                : WEIR_MAP_FULL;
    if (r != 0) {
        weir_note_unref(note);
        return r < 0 ? r : refuse(err, "54000", "too many notifications in one transaction");
    }
    n->said_size += note->frame_len;
    weir_slice frame = weir_note_frame(note);
    r = add(l, SAYS, (weir_slice){0}, note);
    if (r < 0) {
        (void)weir_map_remove(&n->said, frame);
        n->said_size -= frame.len;
    }
    return r;
}

/* Their texts were looked at when they were said. */
int local_said(weir_local *l, const weir_buf *said)
{
    const char *at = (const char *)said->data, *end = at + said->len;
    weir_error err;
    while (at < end) {
        weir_slice name = weir_slice_cstr(at), payload = weir_slice_cstr(at + name.len + 1);
        int r = local_notify(l, name, payload, &err);
        if (r < 0)
            return r;
        if (r > 0)
            local_send_warning(l, err.sqlstate, err.message);
        at += name.len + payload.len + 2;
    }
    return 0;
}

static int notify_command(weir_local *l, const weir_command *c, weir_error *err)
{
    char name[LOCAL_NAME_MAX], payload[PAYLOAD_MAX + 2];
    weir_compat_name_fold(c->name, name, sizeof(name));
    weir_compat_value_fold(c->value, payload, sizeof(payload));
    return local_notify(l, weir_slice_cstr(name), weir_slice_cstr(payload), err);
}

void local_list_channels(weir_local *l, local_then then)
{
    size_t pos = 0, count = 0;
    int r = 0;
    char tag[32];
    for (channel *c; l->listening && (c = weir_map_next(&l->listening->channels, &pos)); count++) {
        size_t mark = 0;
        if (r == 0)
            r = weir_pg_row_begin(&l->out, 1, &mark);
        if (r == 0)
            r = weir_pg_row_cell(&l->out, name_of(c));
        if (r == 0)
            r = weir_pg_row_end(&l->out, mark);
    }
    local_check(l, r);
    (void)snprintf(tag, sizeof(tag), "SELECT %zu", count);
    local_send_tag(l, tag);
    then(l, true);
}

int local_listen_command(weir_local *l, const weir_command *c, weir_error *err)
{
    char name[LOCAL_NAME_MAX] = "";
    if (c->kind == WEIR_COMMAND_NOTIFY)
        return notify_command(l, c, err);
    if (c->name.len > 0)
        weir_compat_name_fold(c->name, name, sizeof(name));
    if (c->kind == WEIR_COMMAND_LISTEN)
        return l->host.publish ? add(l, BEGINS, weir_slice_cstr(name), NULL)
                               : refuse(err, "0A000", "nothing can be listened to here");
    if (!l->listening)
        return 0;
    return add(l, name[0] ? ENDS : ENDS_ALL, weir_slice_cstr(name), NULL);
}

/* ---- the transaction's end ---- */

static void begin_listening(weir_local *l, word *w)
{
    local_listening *n = l->listening;
    weir_error err;
    if (weir_map_find(&n->channels, name_of(w->of)))
        return;
    if (weir_map_put(&n->channels, name_of(w->of), w->of, NULL) == 0) {
        w->of = NULL;
        return;
    }
    weir_error_set(&err, "53400", "weir: too many channels: not listened to");
    local_check(l, weir_pg_write_notice(&l->out, "WARNING", &err));
}

static void apply(weir_local *l, word *w)
{
    local_listening *n = l->listening;
    switch (w->kind) {
    case SAYS:
        if (l->host.publish)
            l->host.publish(l->host.user, w->note);
        return;
    case BEGINS:
        begin_listening(l, w);
        return;
    case ENDS:
        free(weir_map_remove(&n->channels, name_of(w->of)));
        return;
    case ENDS_ALL:
        unlisten_all(n);
        return;
    }
}

/* Channels first: one that is listened to since this transaction hears what it says. */
void local_listen_end(weir_local *l, bool committed)
{
    local_listening *n = l->listening;
    if (!n || !n->words)
        return;
    for (word *w = n->words; w && committed; w = w->next)
        if (w->kind != SAYS)
            apply(l, w);
    bool listens = n->channels.len > 0, listened = !weir_list_empty(&n->ear);
    if (listens && !listened)
        l->host.listen(l->host.user, &n->ear);
    else if (!listens && listened)
        l->host.unlisten(l->host.user, &n->ear);
    for (word *w = n->words; w && committed; w = w->next)
        if (w->kind == SAYS)
            apply(l, w);
    drop_words(n, 0);
}

void local_listen_undo(weir_local *l, size_t savepoints)
{
    if (l->listening)
        drop_words(l->listening, savepoints);
}

void local_listen_release(weir_local *l, size_t savepoints)
{
    for (word *w = l->listening ? l->listening->words : NULL; w; w = w->next)
        if (w->depth > savepoints)
            w->depth = (uint16_t)savepoints;
}

/* ---- what is heard ---- */

static void tell_dropped(weir_local *l, local_listening *n)
{
    weir_error err;
    uint64_t count = n->queue.dropped - n->dropped_told;
    if (count == 0)
        return;
    weir_error_set(&err, "01000", "weir: %llu notifications were dropped",
                   (unsigned long long)count);
    weir_error_detail(&err, "They came faster than the client read them, or during a transaction.");
    weir_error_hint(&err, "Read them between transactions, or raise limits.notifications.");
    n->dropped_told = n->queue.dropped;
    local_check(l, weir_pg_write_notice(&l->out, "WARNING", &err));
}

void local_listen_deliver(weir_local *l)
{
    local_listening *n = l->listening;
    if (!n || local_tx_in_block(l))
        return;
    tell_dropped(l, n);
    while (n->queue.head && !l->host.congested(l->host.user)) {
        weir_note *note = weir_note_queue_pop(&n->queue);
        local_flush(l);
        l->host.write(l->host.user, weir_note_frame(note));
        weir_note_unref(note);
    }
}

/* Between transactions, with nothing owed. */
static bool rests(const weir_local *l)
{
    return l->phase == LOCAL_REST && !l->script && !l->copy && !l->held && !l->skipping &&
           !l->batch && !l->feeding && !l->broken && !local_tx_in_block(l);
}

bool local_listen_owes(const weir_local *l)
{
    return l->listening && l->listening->queue.head;
}

void local_listen_look(weir_local *l)
{
    if (!l->listening || !l->listening->queue.head || !rests(l))
        return;
    local_listen_deliver(l);
    local_flush(l);
}

void weir_local_hear(weir_list *ear, const weir_database *database, weir_note *note)
{
    local_listening *n = WEIR_CONTAINER_OF(ear, local_listening, ear);
    weir_local *l = n->local;
    if (weir_session_database(l->session) != database ||
        !weir_map_find(&n->channels, weir_note_channel(note)))
        return;
    weir_note_queue_push(&n->queue, note, 0, l->limits.notifications_max);
    local_listen_look(l);
}

void weir_local_missed(weir_list *ear, uint64_t count)
{
    WEIR_CONTAINER_OF(ear, local_listening, ear)->queue.dropped += count;
}

/* ---- a restart ---- */

void weir_local_each_channel(const weir_local *l, void (*visit)(void *user, weir_slice channel),
                             void *user)
{
    size_t pos = 0;
    for (const channel *c; l->listening && (c = weir_map_next(&l->listening->channels, &pos));)
        visit(user, name_of(c));
}

int weir_local_listen(weir_local *l, weir_slice name)
{
    local_listening *n = listening_of(l);
    channel *c = n && !weir_map_find(&n->channels, name) ? channel_new(name) : NULL;
    if (!c)
        return n ? 0 : -ENOMEM;
    if (weir_map_put(&n->channels, name_of(c), c, NULL) != 0) {
        free(c);
        return -ENOMEM;
    }
    if (weir_list_empty(&n->ear))
        l->host.listen(l->host.user, &n->ear);
    return 0;
}
