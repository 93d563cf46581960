/* Connections: entering, leaving, cancelling, and what is heard in between. */
#include "api/api.h"
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int put_startup(weir_connection *c, const char *database, const char *user)
{
    const char *const words[] = {
        "user",   user, "database", database, "client_encoding", "UTF8", "application_name",
        "libweir"};
    weir_buf pairs;
    int r = 0;
    weir_buf_init(&pairs, 4096);
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]) && r == 0; i++)
        r = weir_buf_append_cstr(&pairs, words[i]);
    if (r == 0)
        r = weir_pg_write_startup(&c->out, WEIR_PG_VERSION_3_0, weir_buf_slice(&pairs));
    weir_buf_fini(&pairs);
    return r;
}

/* What it is cancelled by. */
static void keep_secret(weir_connection *c, weir_slice body)
{
    weir_slice key;
    if (weir_pg_key_data_read(body, &c->id, &key) < 0 || key.len > sizeof(c->secret))
        return;
    memcpy(c->secret, key.data, key.len);
    c->secret_len = key.len;
}

static weir_status enter(weir_connection *c, weir_fault *fault)
{
    weir_pg_frame f;
    for (;;) {
        weir_status status = api_receive(c, &f, fault);
        if (status != WEIR_OK)
            return WEIR_REFUSED;
        switch (f.type) {
        case WEIR_PG_B_AUTH:
            break;
        case WEIR_PG_B_KEY_DATA:
            keep_secret(c, f.body);
            break;
        case WEIR_PG_B_READY:
            return WEIR_OK;
        case WEIR_PG_B_ERROR:
            (void)api_fault_of(fault, f.body);
            return WEIR_REFUSED;
        default:
            (void)api_lose(c, fault, "it breaks the protocol");
            return WEIR_REFUSED;
        }
    }
}

/* NULL where only the caller can know which. */
static const char *only_database(const weir_config *config)
{
    return config->database_count == 1 ? config->databases[0].label : NULL;
}

static const char *usual_user(const weir_config *config)
{
    const char *user = config->database_count > 0 ? config->databases[0].user : NULL;
    return user && *user ? user : "weir";
}

weir_status weir_connection_open(weir_instance *instance, const char *database, const char *user,
                                 weir_connection **ret, weir_fault *fault)
{
    *ret = NULL;
    if (!database)
        database = only_database(instance->config);
    if (!database)
        return api_fail(fault, WEIR_MISUSE, "3D000",
                        "weir: which database? The configuration has more than one");
    if (!user)
        user = usual_user(instance->config);
    if (strlen(database) + strlen(user) > 1024 || !*database || !*user)
        return api_fail(fault, WEIR_MISUSE, "22023",
                        "weir: the name of a database or user is empty or too long");
    weir_connection *c = calloc(1, sizeof(*c));
    if (!c)
        return api_no_memory(fault);
    c->instance = instance;
    c->fd = -1;
    c->transaction = WEIR_STATE_IDLE;
    weir_buf_init(&c->in, (size_t)WEIR_PG_MESSAGE_SIZE_MAX + 1024 * 1024);
    weir_buf_init(&c->out, (size_t)2 * WEIR_PG_MESSAGE_SIZE_MAX);
    weir_buf_init(&c->rows.head, WEIR_PG_MESSAGE_SIZE_MAX);
    weir_status status = api_socket(instance, &c->fd, fault);
    if (status == WEIR_OK && put_startup(c, database, user) < 0)
        status = api_no_memory(fault);
    if (status == WEIR_OK) {
        api_send(c);
        status = enter(c, fault);
    }
    if (status != WEIR_OK) {
        weir_connection_close(c);
        return status;
    }
    *ret = c;
    return WEIR_OK;
}

void weir_connection_close(weir_connection *connection)
{
    weir_connection *c = connection;
    if (!c)
        return;
    if (c->fd >= 0)
        (void)close(c->fd); /* which says all that Terminate says */
    for (api_note *n = c->notes, *next; n; n = next) {
        next = n->next;
        free(n);
    }
    free(c->note);
    free(c->rows.columns);
    free(c->rows.cells);
    weir_buf_fini(&c->rows.head);
    weir_buf_fini(&c->in);
    weir_buf_fini(&c->out);
    free(c);
}

/* By a connection of its own, which is closed when it has been seen to. */
weir_status weir_connection_cancel(weir_connection *connection, weir_fault *fault)
{
    const weir_connection *c = connection;
    weir_buf out;
    int fd;
    char rest;
    weir_status status = api_socket(c->instance, &fd, fault);
    if (status != WEIR_OK)
        return status;
    weir_buf_init(&out, 512);
    int r = weir_pg_write_cancel(&out, c->id, weir_slice_make(c->secret, c->secret_len));
    if (r == 0 && send(fd, out.data, out.len, MSG_NOSIGNAL) != (ssize_t)out.len)
        r = -EIO;
    while (r == 0 && recv(fd, &rest, 1, 0) < 0 && errno == EINTR)
        ;
    (void)close(fd);
    weir_buf_fini(&out);
    return r < 0 ? api_no_memory(fault) : WEIR_OK;
}

weir_transaction_status weir_connection_status(const weir_connection *connection)
{
    return (weir_transaction_status)connection->transaction;
}

weir_status weir_connection_wait(weir_connection *connection, int timeout_ms,
                                 weir_notification *ret, weir_fault *fault)
{
    weir_connection *c = connection;
    weir_pg_notification n;
    *ret = (weir_notification){NULL, NULL, 0};
    weir_status status = api_is_free(c, fault);
    if (status == WEIR_OK && c->transaction != WEIR_STATE_IDLE)
        status = api_fail(fault, WEIR_MISUSE, "25001",
                          "weir: notifications come between transactions: end this one first");
    if (status == WEIR_OK)
        status = api_listen(c, timeout_ms, fault);
    if (status != WEIR_OK || !c->notes)
        return status;
    free(c->note);
    c->note = c->notes;
    c->notes = c->note->next;
    c->note_count--;
    if (weir_pg_notification_read(weir_slice_make(c->note->body, c->note->len), &n) < 0)
        return api_lose(c, fault, "it breaks the protocol");
    *ret = (weir_notification){(const char *)n.channel.data, (const char *)n.payload.data, n.pid};
    return WEIR_ROW;
}
