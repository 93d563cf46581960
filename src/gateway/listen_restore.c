/* Makes a server connection listen to what its client does already, so that what it listens to
 * after a transaction is the truth about the LISTEN and UNLISTEN in it. A setting of the session's,
 * weir.listening, lives and dies with that: the same savepoints take both back. Once per
 * transaction, and again where a savepoint took it back: the server judges. */
#include "gateway/listen.h"
#include "gateway/listen_plan.h"
#include <stdlib.h>

#define TEXT_MAX (50u * 1024) /* a question may be 128 KiB; escaping may double this */

/* A question whose answer nobody needs. */
static void question_free(weir_question *q, const weir_error *err)
{
    (void)err; /* the transaction fails with it, and the client's own statement says so */
    free(q);
}

static int ask_and_forget(weir_conn *conn, weir_slice text)
{
    weir_question *q = calloc(1, sizeof(*q) + text.len);
    if (!q)
        return -ENOMEM;
    memcpy(q + 1, text.data, text.len);
    q->text = weir_slice_make(q + 1, text.len);
    q->done = question_free;
    int r = conn->ops->ask(conn, q);
    if (r < 0)
        free(q);
    return r;
}

/* As an E'…' string, whatever standard_conforming_strings says. */
static int append_escaped(weir_buf *out, weir_slice text)
{
    int r = weir_buf_append(out, WEIR_SLICE_LIT("E'"));
    for (size_t i = 0; r == 0 && i < text.len; i++) {
        uint8_t b = text.data[i];
        if (b == '\'' || b == '\\')
            r = weir_buf_append_u8(out, b);
        if (r == 0)
            r = weir_buf_append_u8(out, b);
    }
    return r < 0 ? r : weir_buf_append_u8(out, '\'');
}

static int write_listens(const weir_listener *l, weir_buf *out)
{
    int r = 0;
    const weir_list *list = &l->members;
    for (weir_list *n = list->next; r == 0 && n != list; n = n->next) {
        const weir_book_member *m = weir_member_of_listener(n);
        if (m->state == WEIR_MEMBER_ACTIVE)
            r = weir_plan_write(out, "LISTEN", weir_book_name(m->channel));
    }
    return r;
}

int weir_listener_restore(const weir_listener *listener, weir_conn *conn)
{
    static const char begin[] = "BEGIN IF pg_catalog.current_setting('weir.listening', true) "
                                "IS DISTINCT FROM '1' THEN ";
    static const char end[] =
        "PERFORM pg_catalog.set_config('weir.listening', '1', false); END IF; END";
    weir_buf body, text;
    weir_buf_init(&body, TEXT_MAX);
    weir_buf_init(&text, 2 * TEXT_MAX);
    int r = weir_buf_append(&body, weir_slice_make(begin, sizeof(begin) - 1));
    if (r == 0)
        r = write_listens(listener, &body);
    if (r == 0)
        r = weir_buf_append(&body, weir_slice_make(end, sizeof(end) - 1));
    if (r == 0)
        r = weir_buf_append(&text, WEIR_SLICE_LIT("DO LANGUAGE plpgsql "));
    if (r == 0)
        r = append_escaped(&text, weir_buf_slice(&body));
    if (r == 0)
        r = ask_and_forget(conn, weir_buf_slice(&text));
    weir_buf_fini(&body);
    weir_buf_fini(&text);
    return r;
}
