/* SHOW LISTENS: what the clients of each worker listen to, and how the hub fares that does it for
 * them. */
#include "gateway/listen_hub.h"

const weir_report_column weir_listens_columns[WEIR_LISTENS_COLUMNS] = {
    {"database", WEIR_REPORT_TEXT}, {"channel", WEIR_REPORT_TEXT}, {"listeners", WEIR_REPORT_INT},
    {"state", WEIR_REPORT_TEXT},    {"state_s", WEIR_REPORT_INT},  {"encoding", WEIR_REPORT_TEXT},
    {"worker", WEIR_REPORT_INT},
};

static const char *state_name(int state)
{
    switch (state) {
    case WEIR_HUB_READY:
        return "listening";
    case WEIR_HUB_WAITING:
        return "connecting";
    case WEIR_HUB_BACKOFF:
        return "lost";
    default:
        return "off";
    }
}

static int64_t count_members(const weir_book_channel *channel)
{
    int64_t count = 0;
    for (weir_list *n = channel->members.next; n != &channel->members; n = n->next)
        count++;
    return count;
}

static void fill_hub(weir_report *r, weir_hub *h, weir_gateway_worker *at)
{
    const weir_book *book = &h->parts[at->index].book;
    weir_time age = weir_loop_now(at->loop) - atomic_load(&h->since);
    size_t pos = 0;
    for (weir_book_channel *c; (c = weir_map_next(&book->channels, &pos));) {
        weir_report_text(r, weir_database_label(h->database));
        weir_report_slice(r, weir_book_name(c));
        weir_report_int(r, count_members(c));
        weir_report_text(r, state_name(atomic_load(&h->shown_state)));
        weir_report_int(r, age > 0 ? age / WEIR_SECOND : 0);
        weir_report_text(r, h->encoding);
        weir_report_int(r, at->index);
    }
}

void weir_report_fill_listens(weir_report *report, weir_gateway_worker *worker)
{
    for (weir_hub *h = atomic_load(&worker->gateway->hubs); h; h = h->next)
        fill_hub(report, h, worker);
}
