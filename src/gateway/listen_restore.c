/* What a server connection is told and asked about its client's channels. It is made to listen to
 * what the client does already, so that what it listens to after a transaction is the truth about
 * the LISTEN and UNLISTEN in it. A setting of the session's,
 * weir.listening, lives and dies with that: the same savepoints take both back. Once per
 * transaction, and again where a savepoint took it back: the server judges. */
#include "gateway/listen.h"
#include "gateway/listen_hub.h"
#include "proto/pg/text.h"
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#define TEXT_MAX (100u * 1024) /* a question may be 128 KiB */
#define EXPRESSION_MAX 128u

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

/* The names are in the hub's encoding, which the session may have left since; and in some encodings
 * of clients a backslash is the second half of a letter. So they come and go as hexadecimal digits,
 * and the server makes names of them. */
static int write_names(const weir_listener *l, weir_buf *out)
{
    int r = 0;
    bool first = true;
    const weir_list *list = &l->members;
    for (weir_list *n = list->next; r == 0 && n != list; n = n->next) {
        const weir_book_member *m = weir_member_of_listener(n);
        if (m->state != WEIR_MEMBER_ACTIVE)
            continue;
        if (!first)
            r = weir_buf_append_u8(out, ',');
        if (r == 0)
            r = weir_pg_append_hex(out, weir_book_name(m->channel));
        first = false;
    }
    return r;
}

/* The encoding of the listener's names as an SQL expression. */
static void name_encoding(const weir_listener *l, bool left, char ret[EXPRESSION_MAX])
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";
    if (!left || l->hub->encoding[strspn(l->hub->encoding, plain)] != 0)
        (void)snprintf(ret, EXPRESSION_MAX, "pg_catalog.pg_client_encoding()");
    else if (l->hub->encoding[0])
        (void)snprintf(ret, EXPRESSION_MAX, "'%s'", l->hub->encoding);
    else
        (void)snprintf(ret, EXPRESSION_MAX,
                       "(SELECT reset_val::name FROM pg_catalog.pg_show_all_settings() "
                       "WHERE name = 'client_encoding')");
}

static int write_restore(const weir_listener *l, bool left, weir_buf *out)
{
    char encoding[EXPRESSION_MAX];
    name_encoding(l, left, encoding);
    int r = weir_buf_printf(
        out, "DO LANGUAGE plpgsql $weir$DECLARE channel text; BEGIN "
             "IF pg_catalog.current_setting('weir.listening', true) IS DISTINCT FROM '1' THEN "
             "FOREACH channel IN ARRAY pg_catalog.string_to_array('");
    if (r == 0)
        r = write_names(l, out);
    return r < 0 ? r
                 : weir_buf_printf(
                       out,
                       "', ',') LOOP EXECUTE pg_catalog.format('LISTEN %%I', "
                       "pg_catalog.convert_from(pg_catalog.decode(channel, 'hex'), %s)); END LOOP; "
                       "PERFORM pg_catalog.set_config('weir.listening', '1', false); "
                       "END IF; END$weir$",
                       encoding);
}

int weir_listener_restore(const weir_listener *listener, weir_conn *conn, bool left)
{
    weir_buf text;
    weir_buf_init(&text, TEXT_MAX);
    int r = write_restore(listener, left, &text);
    if (r == 0)
        r = ask_and_forget(conn, weir_buf_slice(&text));
    weir_buf_fini(&text);
    return r;
}

size_t weir_listener_look(const weir_listener *listener, bool left, char ret[WEIR_LOOK_MAX])
{
    char encoding[EXPRESSION_MAX];
    name_encoding(listener, left, encoding);
    int len = snprintf(ret, WEIR_LOOK_MAX,
                       "SELECT true, pg_catalog.current_setting('weir.listening', true) UNION ALL "
                       "SELECT false, pg_catalog.encode(pg_catalog.convert_to(c, %s), 'hex') "
                       "FROM pg_catalog.pg_listening_channels() AS c",
                       encoding);
    assert(len > 0 && (size_t)len < WEIR_LOOK_MAX);
    return (size_t)len;
}

static int digit(uint8_t c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

size_t weir_listener_read_name(weir_slice hex, uint8_t ret[WEIR_CHANNEL_MAX])
{
    if (hex.len % 2 != 0 || hex.len / 2 > WEIR_CHANNEL_MAX)
        return 0;
    for (size_t i = 0; i < hex.len / 2; i++) {
        int high = digit(hex.data[2 * i]), low = digit(hex.data[2 * i + 1]);
        if (high < 0 || low < 0)
            return 0;
        ret[i] = (uint8_t)(high << 4 | low);
    }
    return hex.len / 2;
}
