/* Telling a client what it listens to: see news.h. */
#include "gateway/news.h"

static void write_notice(weir_client *c, const weir_error *err)
{
    weir_buf out;
    weir_buf_init(&out, 4096);
    if (weir_pg_write_notice(&out, "WARNING", err) == 0)
        weir_client_write(c, weir_buf_slice(&out));
    weir_buf_fini(&out);
}

static void tell_missed(weir_news *news, weir_client *c)
{
    weir_error err;
    weir_error_set(&err, "01000", "weir: notifications may have been lost");
    weir_error_detail(&err,
                      "The server connection that listens for database \"%s\" was lost; it "
                      "is back now.",
                      c->database);
    weir_error_hint(&err, "Look up what the notifications would have told.");
    news->missed = false;
    write_notice(c, &err);
}

static void tell_dropped(weir_news *news, weir_client *c)
{
    weir_error err;
    uint64_t n = news->queue.dropped - news->dropped_told;
    weir_error_set(&err, "01000", "weir: %llu notifications were dropped", (unsigned long long)n);
    weir_error_detail(&err, "They came faster than the client read them, or during a transaction.");
    weir_error_hint(&err, "Read them between transactions, or raise limits.notifications.");
    news->dropped_told = news->queue.dropped;
    write_notice(c, &err);
}

bool weir_news_any(const weir_news *news)
{
    return news->queue.head || news->missed || news->queue.dropped != news->dropped_told;
}

void weir_news_deliver(weir_news *news, weir_client *c)
{
    if (news->missed)
        tell_missed(news, c);
    if (news->queue.dropped != news->dropped_told)
        tell_dropped(news, c);
    while (!weir_stream_congested(c->stream)) {
        weir_note *note = weir_note_queue_pop(&news->queue);
        if (!note)
            return;
        weir_client_write(c, weir_note_frame(note));
        weir_session_count_bytes(&c->session, 0, note->frame_len);
        weir_note_unref(note);
    }
}
