/* What a relaying client's statements may change: noted when they are sent, told to the cache when
 * their outcome arrives and before the client hears of it (engine/cache.h). */
#include "gateway/cached.h"
#include "gateway/internal.h"

#define WAIT 1
/* A statement's first run waits until it is known what it touches, some milliseconds: what is not
 * known would count as everything. */
#define LEARN_MAX (50 * WEIR_MS)
#define LOOK_AGAIN WEIR_MS

/* What its kind and effects say; a statement that may write is looked at by its footprint. */
static bool may_write(const weir_statement *s)
{
    const unsigned unseen = WEIR_EFFECT_WRITES | WEIR_EFFECT_UNKNOWN | WEIR_EFFECT_DO;
    switch (s->kind) {
    case WEIR_KIND_EMPTY:
        return false;
    case WEIR_KIND_READ:
        return (s->effects & unseen) != 0;
    case WEIR_KIND_TRANSACTION:
        return s->transaction == WEIR_TRANSACTION_TWO_PHASE || s->statements > 1 ||
               (s->effects & unseen) != 0;
    case WEIR_KIND_SESSION:
        return (s->effects & (unseen | WEIR_EFFECT_PREPARE)) != 0;
    default:
        return true;
    }
}

/* What fills it may write by a function, which its effects say, or by a WITH, which a word says. */
bool weir_client_makes_temporary(const weir_statement *statement, weir_slice text)
{
    static const char *const words[] = {"insert", "update", "delete", "merge", "execute"};
    const unsigned unseen = WEIR_EFFECT_WRITES | WEIR_EFFECT_UNKNOWN | WEIR_EFFECT_DO;
    if (statement->kind != WEIR_KIND_DDL || statement->statements != 1 ||
        !(statement->effects & WEIR_EFFECT_TEMP) || (statement->effects & unseen) ||
        !weir_front_take_word(&text, "create"))
        return false;
    if (!weir_front_take_word(&text, "local"))
        (void)weir_front_take_word(&text, "global");
    if ((!weir_front_take_word(&text, "temp") && !weir_front_take_word(&text, "temporary")) ||
        !weir_front_take_word(&text, "table"))
        return false;
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (weir_client_mentions(text, words[i]))
            return false;
    return true;
}

/* Its own text names all that it writes. */
static bool is_told_by_text(const weir_statement *s)
{
    return s->statements == 1 && (s->kind == WEIR_KIND_WRITE || s->kind == WEIR_KIND_COPY) &&
           !(s->effects & (WEIR_EFFECT_WRITES | WEIR_EFFECT_UNKNOWN | WEIR_EFFECT_DO));
}

static uint32_t declared_type(const weir_prepared *p, size_t i)
{
    weir_pg_reader r = weir_pg_reader_make(p->oids);
    if (p->oids.len < 4 * (i + 1))
        return 0;
    (void)weir_pg_read_bytes(&r, 4 * i);
    return weir_pg_read_u32(&r);
}

bool weir_cached_params(const weir_prepared *p, const weir_pg_bind *bind,
                        weir_value values[WEIR_CACHED_PARAMS_MAX],
                        uint32_t types[WEIR_CACHED_PARAMS_MAX], size_t *ret_count)
{
    weir_slice value;
    bool null;
    size_t n = 0;
    for (size_t pos = 0; weir_pg_value_next(bind->values, &pos, &value, &null); n++) {
        if (n == WEIR_CACHED_PARAMS_MAX)
            return false;
        bool binary = weir_pg_format_at(bind->formats, bind->format_count, n) == 1;
        types[n] = declared_type(p, n);
        values[n].type = null ? WEIR_VALUE_NULL : binary ? WEIR_VALUE_BLOB : WEIR_VALUE_TEXT;
        values[n].u.bytes = value;
    }
    *ret_count = n;
    return true;
}

static int touch(weir_client *c, const weir_ask *ask, bool patient)
{
#ifdef WEIR_TEST_FAULT_TOLD_LATE
    if (c->relay.status == 'I')
        weir_session_tell_outcome(&c->session, true);
#endif
    if (weir_session_touch(&c->session, ask, patient) == WEIR_TOUCH_LATER)
        return WAIT;
    c->relay.sink.outcomes = weir_session_touches(&c->session);
    return 0;
}

void weir_client_looks_again(weir_timer *timer, struct weir_loop *loop)
{
    weir_client *c = WEIR_CONTAINER_OF(timer, weir_cached, again)->client;
    (void)loop;
    if (!c->closed)
        weir_stream_resume(c->stream);
}

/* Looked for now and then; nothing tells when it is there. */
static int touch_known(weir_client *c, weir_cached *k, const weir_ask *ask)
{
    weir_time now = weir_loop_now(c->worker->loop);
    bool patient = !k->learns_until || now < k->learns_until;
    if (touch(c, ask, patient) == 0) {
        k->learns_until = 0;
        return 0;
    }
    if (!k->learns_until)
        k->learns_until = weir_deadline(now, LEARN_MAX);
    weir_timer_arm(c->worker->loop, &k->again, weir_deadline(now, LOOK_AGAIN));
    weir_stream_pause(c->stream);
    return WAIT;
}

#ifdef WEIR_TEST_FAULT_TOLD_LATE
static void tell(weir_client *c, bool final)
{
    (void)c;
    (void) final; /* but when it writes again, below */
}
#else
static void tell(weir_client *c, bool final)
{
    weir_session_tell_outcome(&c->session, final);
}
#endif

void weir_client_touches_anything(weir_client *c)
{
    weir_statement unknown = {.template_id = UINT32_MAX, .kind = WEIR_KIND_UNKNOWN};
    int r = touch(c, &(weir_ask){.statement = &unknown}, false);
    (void)r; /* it is not patient */
}

int weir_client_touches(weir_client *c, const weir_statement *statement, weir_slice text,
                        const weir_prepared *prepared, const weir_pg_bind *bind)
{
    weir_value values[WEIR_CACHED_PARAMS_MAX];
    uint32_t types[WEIR_CACHED_PARAMS_MAX];
    weir_surroundings at;
    weir_ask ask = {.statement = statement, .text = text, .params = values, .param_types = types};
    weir_cached *k = c->cached;
    bool reads = k && k->kept; /* whatever its words are */
    if (reads || !may_write(statement))
        return 0;
    if (weir_client_makes_temporary(statement, text)) {
        weir_temporary_making(c, text);
        return 0;
    }
    if ((is_told_by_text(statement) && weir_temporary_takes(c, text)) ||
        weir_temporary_drops(c, statement, text))
        return 0;
    if (!is_told_by_text(statement) || !weir_session_may_ask(&c->session) ||
        (bind && !weir_cached_params(prepared, bind, values, types, &ask.param_count)) ||
        !(k = weir_client_cached_surroundings(c, &at))) {
        weir_client_touches_anything(c);
        return 0;
    }
    ask.at = &at;
    return touch_known(c, k, &ask);
}

int weir_client_touches_bound(weir_client *c, const weir_prepared *p, weir_slice bind)
{
    weir_pg_bind b;
    return may_write(&p->statement) && weir_pg_bind_read(bind, &b) == 0
               ? weir_client_touches(c, &p->statement, p->text, p, &b)
               : 0;
}

/* COMMIT and its like inside of a text or batch that goes on: what was done before it stands. */
static bool ends_transaction(weir_slice tag)
{
    static const char *const tags[] = {"COMMIT", "ROLLBACK", "PREPARE TRANSACTION", "CALL", "DO"};
    for (size_t i = 0; i < sizeof(tags) / sizeof(tags[0]); i++)
        if (tag.len >= strlen(tags[i]) && memcmp(tag.data, tags[i], strlen(tags[i])) == 0)
            return true;
    return false;
}

void weir_client_on_outcome(weir_relay_sink *sink, uint8_t type, weir_slice body)
{
    weir_client *c = weir_client_of_sink(sink);
    weir_conn *conn = c->session.conn;
    bool ready = type == WEIR_PG_B_READY;
    bool final = ready && body.len == 1 && body.data[0] == 'I' && conn->ops->owed(conn) == 0;
#ifdef WEIR_TEST_FAULT_REFUSED_UNTOLD
    if (type == WEIR_PG_B_ERROR || c->relay.erred)
        return;
#endif
    if (!ready && c->relay.status != 'I' &&
        !(type == WEIR_PG_B_COMMAND_COMPLETE && ends_transaction(body)))
        return;
    tell(c, final);
    sink->outcomes = weir_session_touches(&c->session);
}
