/* What a server answers. */
#include "backend/valkey/internal.h"

static bool starts_with(weir_slice text, weir_slice word)
{
    return text.len >= word.len && memcmp(text.data, word.data, word.len) == 0;
}

/* HELLO's map says "mode" of a cluster. */
static bool is_cluster(weir_slice rest)
{
    weir_resp_token t;
    if (weir_resp_read(&rest, &t) < 0 || t.type == WEIR_RESP_TEXT)
        return false;
    for (uint64_t left = t.values / 2; left > 0; left--) {
        weir_slice before;
        if (weir_resp_read(&rest, &t) < 0)
            return false;
        bool mode = weir_slice_eq(t.text, WEIR_SLICE_LIT("mode"));
        before = rest;
        if (weir_resp_skip(&rest) < 0)
            return false;
        if (mode)
            return weir_resp_read(&before, &t) == 0 &&
                   weir_slice_eq(t.text, WEIR_SLICE_LIT("cluster"));
    }
    return false;
}

/* A server that is too old for HELLO is asked for less. */
static bool on_hello(vk_conn *c, const weir_resp_token *t, weir_slice reply)
{
    const weir_valkey_options *o = &c->node->seat->tier->options;
    if (t->type == WEIR_RESP_ERROR) {
        bool old = starts_with(t->text, WEIR_SLICE_LIT("ERR unknown command")) ||
                   starts_with(t->text, WEIR_SLICE_LIT("NOPROTO"));
        return old && (!o->password || vk_conn_authenticate(c));
    }
    if (is_cluster(reply))
        vk_cluster_refresh(c);
    return true;
}

/* It answers, and in time. */
static void note_health(vk_conn *c, const vk_request *q)
{
    if (!q->get)
        return;
    c->node->late = 0;
    c->node->backoff = 0;
}

static bool on_error(vk_conn *c, vk_request *q, weir_slice text)
{
    vk_tier *t = c->node->seat->tier;
    vk_count(t, VK_ERRORS);
    weir_log_event(t->options.log, WEIR_LOG_CACHE, WEIR_LOG_DEBUG, "cache tier: server refused",
                   WEIR_F_STR("server", c->node->address), WEIR_F_SLICE("reason", text));
    vk_request_end(c->node->seat, q, (weir_slice){0});
    return true;
}

static bool fail_greeting(vk_conn *c, vk_request *q, weir_slice text)
{
    vk_tier *t = c->node->seat->tier;
    weir_log_event(t->options.log, WEIR_LOG_CACHE, WEIR_LOG_ERROR, "cache tier: server refuses us",
                   WEIR_F_STR("server", c->node->address), WEIR_F_SLICE("reason", text));
    vk_request_end(c->node->seat, q, (weir_slice){0});
    vk_conn_fail(c, "it refuses us");
    return true;
}

bool vk_reply(vk_conn *c, vk_request *q, weir_slice reply)
{
    vk_seat *seat = c->node->seat;
    weir_slice rest = reply;
    weir_resp_token t;
    do {
        if (weir_resp_read(&rest, &t) < 0)
            return false;
        for (uint64_t i = 0; t.type == WEIR_RESP_ATTRIBUTE && i < t.values; i++)
            if (weir_resp_skip(&rest) < 0)
                return false;
    } while (t.type == WEIR_RESP_ATTRIBUTE);
    bool error = t.type == WEIR_RESP_ERROR;
    switch (q->kind) {
    case VK_HELLO:
        if (!on_hello(c, &t, reply))
            return fail_greeting(c, q, t.text);
        break;
    case VK_AUTH:
    case VK_SELECT:
        if (error)
            return fail_greeting(c, q, t.text);
        break;
    case VK_SLOTS:
        if (!error)
            vk_cluster_learn(c, reply);
        break;
    case VK_GET:
    case VK_SET:
    case VK_DELETE:
    case VK_MARK:
    case VK_ASKING:
        if (error)
            return vk_cluster_redirect(c, q, t.text) || on_error(c, q, t.text);
        break;
    }
    note_health(c, q);
    if (q->kind == VK_GET && q->get)
        q->get->absent = t.type != WEIR_RESP_TEXT;
    vk_request_end(seat, q,
                   q->kind == VK_GET && t.type == WEIR_RESP_TEXT ? t.text : (weir_slice){0});
    return true;
}
