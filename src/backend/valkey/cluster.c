/* A cluster: which node has which slot, and where to go when it was another one.
 *
 * Facts: https://valkey.io/topics/cluster-spec, CLUSTER SLOTS. */
#include "backend/valkey/internal.h"
#include <stdio.h>
#include <stdlib.h>

void vk_cluster_refresh(vk_conn *c)
{
    vk_seat *seat = c->node->seat;
    weir_time now = weir_loop_now(seat->loop);
    weir_slice words[] = {WEIR_SLICE_LIT("CLUSTER"), WEIR_SLICE_LIT("SLOTS")};
    if (seat->refreshed_at != 0 && now - seat->refreshed_at < VK_REFRESH_MIN)
        return;
    seat->refreshed_at = now;
    bool asked = vk_conn_ask(c, VK_SLOTS, words, 2);
    (void)asked; /* no memory: at the next occasion */
}

static vk_conn *any_ready(vk_seat *seat)
{
    for (weir_list *n = seat->nodes.next; n != &seat->nodes; n = n->next) {
        vk_node *node = WEIR_CONTAINER_OF(n, vk_node, link);
        for (unsigned i = 0; i < VK_CONNS_MAX; i++)
            if (node->conn[i].state == VK_READY && node->conn[i].owed < VK_OWED_MAX)
                return &node->conn[i];
    }
    return NULL;
}

void vk_cluster_doubt(vk_seat *seat)
{
    vk_conn *c = any_ready(seat);
    if (c) {
        vk_cluster_refresh(c);
        return;
    }
    free(seat->slots);
    seat->slots = NULL;
    seat->refreshed_at = 0;
}

/* A node by its host and port; an empty host, or none, is the one that said so. */
static vk_node *node_at(vk_conn *said_by, weir_slice host, int64_t port)
{
    const vk_node *said = said_by->node;
    char text[300];
    const char *colon = strrchr(said->address, ':');
    if (port <= 0 || port > 65535 || host.len > 255 || (host.len == 0 && !colon))
        return NULL;
    bool bare_v6 = host.len > 0 && memchr(host.data, ':', host.len) && host.data[0] != '[';
    if (host.len == 0)
        host = weir_slice_make(said->address, (size_t)(colon - said->address));
    int len = snprintf(text, sizeof(text), bare_v6 ? "[%.*s]:%d" : "%.*s:%d", (int)host.len,
                       (const char *)host.data, (int)port);
    return len > 0 && (size_t)len < sizeof(text)
               ? vk_node_get(said_by->node->seat, weir_slice_make(text, (size_t)len))
               : NULL;
}

/* ---- the map ---- */

typedef struct range {
    int64_t from, to;
    vk_node *node;
} range;

/* [from, to, [host, port, …], …]: the first node is the one that writes. */
static int read_range(vk_conn *c, weir_slice *rest, range *ret)
{
    weir_resp_token list, from, to, node, host = {0}, port = {0};
    if (weir_resp_read(rest, &list) < 0 || list.type != WEIR_RESP_LIST || list.values < 3 ||
        weir_resp_read(rest, &from) < 0 || weir_resp_read(rest, &to) < 0 ||
        weir_resp_read(rest, &node) < 0 || node.type != WEIR_RESP_LIST || node.values < 2 ||
        weir_resp_read(rest, &host) < 0 || weir_resp_read(rest, &port) < 0)
        return -EPROTO;
    for (uint64_t left = node.values - 2 + list.values - 3; left > 0; left--)
        if (weir_resp_skip(rest) < 0)
            return -EPROTO;
    if (from.type != WEIR_RESP_INTEGER || to.type != WEIR_RESP_INTEGER || from.integer < 0 ||
        to.integer < from.integer || to.integer >= (int64_t)WEIR_RESP_SLOTS ||
        port.type != WEIR_RESP_INTEGER)
        return -EPROTO;
    *ret = (range){.from = from.integer,
                   .to = to.integer,
                   .node = node_at(c, host.type == WEIR_RESP_TEXT ? host.text : (weir_slice){0},
                                   port.integer)};
    return 0;
}

void vk_cluster_learn(vk_conn *c, weir_slice reply)
{
    vk_seat *seat = c->node->seat;
    weir_resp_token all;
    vk_slots *slots = calloc(1, sizeof(*slots));
    int r = slots && weir_resp_read(&reply, &all) == 0 && all.type == WEIR_RESP_LIST ? 0 : -EPROTO;
    for (uint64_t left = r == 0 ? all.values : 0; left > 0 && r == 0; left--) {
        range part = {0};
        r = read_range(c, &reply, &part);
        for (int64_t i = part.from; r == 0 && i <= part.to; i++)
            slots->node[i] = part.node;
    }
    if (r < 0 || all.values == 0) { /* what was known may do a while longer */
        free(slots);
        return;
    }
    free(seat->slots);
    seat->slots = slots;
}

/* ---- redirections ---- */

/* It was followed, once, if the other node can be asked at once. */
static bool follow(vk_node *to, vk_request *q, bool ask)
{
    if (!to || q->kind != VK_GET || !q->get || q->redirected)
        return false;
    q->redirected = true;
    return vk_send_get(to, q, ask);
}

bool vk_cluster_redirect(vk_conn *c, vk_request *q, weir_slice error)
{
    vk_seat *seat = c->node->seat;
    weir_resp_redirection to;
    if (!weir_resp_redirected(error, &to))
        return false;
    size_t colon = to.address.len;
    while (to.address.data[--colon] != ':')
        ;
    int64_t port = 0;
    for (size_t i = colon + 1; i < to.address.len && port <= 65535; i++)
        port = port * 10 + (to.address.data[i] - '0');
    vk_node *node = node_at(c, weir_slice_head(to.address, colon), port);
    if (!to.ask) {
        if (seat->slots && node)
            seat->slots->node[to.slot] = node;
        vk_cluster_refresh(c);
    }
    if (!follow(node, q, to.ask))
        vk_request_end(seat, q, (weir_slice){0});
    return true;
}
