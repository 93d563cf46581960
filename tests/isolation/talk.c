/* A client of the isolation checker on its socket: messages out, replies held against what the step
 * wants. A reply that carries another client's token was misdelivered; a value that is not what the
 * model says has leaked. */
#include "iso.h"
#include "wire.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BLAMES_SHOWN = 10 };

/* ---- faults ---- */

void blame(const client *c, fault what, const char *format, ...)
{
    static const char *const names[] = {"LEAK", "MISDELIVERED", "WRONG"};
    static unsigned shown;
    uint64_t *counts[] = {&w.leaks, &w.misdelivered, &w.wrong};
    ++*counts[what];
    if (shown++ >= BLAMES_SHOWN)
        return;
    va_list args;
    printf("%s: client %d, step %u: ", names[what], c->number, c->steps);
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    printf("; last sent: %s\n", c->last);
    fflush(stdout);
}

/* ---- writing ---- */

static void append(bytes *b, const void *data, size_t len)
{
    if (b->cap - b->len < len) {
        b->cap = (b->len + len) * 2;
        b->data = realloc(b->data, b->cap);
        if (!b->data)
            abort();
    }
    memcpy(b->data + b->len, data, len);
    b->len += len;
}

static void append_u16(bytes *b, unsigned v)
{
    uint16_t n = htons((uint16_t)v);
    append(b, &n, 2);
}

static void append_u32(bytes *b, uint32_t v)
{
    uint32_t n = htonl(v);
    append(b, &n, 4);
}

static void append_text(bytes *b, const char *text)
{
    append(b, text, strlen(text) + 1);
}

static size_t begin(client *c, char type)
{
    append(&c->out, &type, 1);
    append_u32(&c->out, 0);
    return c->out.len - 4;
}

static void end(client *c, size_t at)
{
    uint32_t n = htonl((uint32_t)(c->out.len - at));
    memcpy(c->out.data + at, &n, 4);
}

void query(client *c, const char *format, ...)
{
    char text[4096];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    snprintf(c->last, sizeof(c->last), "%.500s", text);
    size_t at = begin(c, 'Q');
    append_text(&c->out, text);
    end(c, at);
    w.statements++;
}

void parse(client *c, const char *name, const char *text)
{
    snprintf(c->last, sizeof(c->last), "[%s] %.400s", name, text);
    size_t at = begin(c, 'P');
    append_text(&c->out, name);
    append_text(&c->out, text);
    append_u16(&c->out, 0);
    end(c, at);
}

void bind_values(client *c, const char *portal, const char *statement, const char *const *values,
                 unsigned count)
{
    size_t at = begin(c, 'B');
    append_text(&c->out, portal);
    append_text(&c->out, statement);
    append_u16(&c->out, 0);
    append_u16(&c->out, count);
    for (unsigned i = 0; i < count; i++) {
        append_u32(&c->out, (uint32_t)strlen(values[i]));
        append(&c->out, values[i], strlen(values[i]));
    }
    append_u16(&c->out, 0);
    end(c, at);
}

void execute(client *c, const char *portal, unsigned rows)
{
    size_t at = begin(c, 'E');
    append_text(&c->out, portal);
    append_u32(&c->out, rows);
    end(c, at);
    w.statements++;
}

void close_statement(client *c, const char *name)
{
    size_t at = begin(c, 'C');
    append(&c->out, "S", 1);
    append_text(&c->out, name);
    end(c, at);
}

void sync_batch(client *c)
{
    end(c, begin(c, 'S'));
}

void copy_data(client *c, const char *text)
{
    size_t at = begin(c, 'd');
    append(&c->out, text, strlen(text));
    end(c, at);
}

void copy_end(client *c, const char *failure)
{
    size_t at = begin(c, failure ? 'f' : 'c');
    if (failure)
        append_text(&c->out, failure);
    end(c, at);
}

void want(client *c, char type, const char *format, ...)
{
    if (c->want_len == WANTED_MAX)
        abort();
    wanted *x = &c->want[c->want_len++];
    va_list args;
    x->type = type;
    va_start(args, format);
    vsnprintf(x->text, sizeof(x->text), format, args);
    va_end(args);
}

void want_ready(client *c)
{
    want(c, 'Z', "%c", c->next.status);
}

/* ---- the socket ---- */

static void watch(int fd, void *of, int operation, bool writing)
{
    struct epoll_event e = {.events = EPOLLIN | (writing ? EPOLLOUT : 0), .data.ptr = of};
    if (epoll_ctl(w.epoll, operation, fd, &e) < 0)
        wire_fail("epoll_ctl");
}

/* Whoever held them is gone or was told so; the server may take a while. */
static void leave_locks(client *c)
{
    for (int i = 0; i < SHARED_LOCKS; i++) {
        shared_lock *l = &w.locks[i];
        if (l->owner == c->number)
            *l = (shared_lock){.watchers = l->watchers, .epoch = l->epoch + 1};
    }
}

bool is_watched(const client *c)
{
    for (int i = 0; i < SHARED_LOCKS; i++)
        if (w.locks[i].owner == c->number && w.locks[i].watchers)
            return true;
    return false;
}

static void leave_slot(client *c)
{
    if (c->slot >= 0 && c->watching)
        w.locks[c->slot].watchers--;
    c->slot = -1;
    c->watching = false;
}

static void forget(client *c)
{
    if (c->fd >= 0)
        close(c->fd);
    if (c->cancel_fd >= 0)
        close(c->cancel_fd);
    c->fd = c->cancel_fd = -1;
    if (c->pin)
        w.pins--;
    leave_locks(c);
    leave_slot(c);
    c->pin = c->lost = c->refused = c->doubt = c->adopting = c->cancelled = c->guard = false;
    c->forget_names = c->forget_channels = c->failed_block = c->spoilt = false;
    c->in.len = c->out.len = c->out_at = c->want_at = c->want_len = 0;
    c->own_notes = 0;
    c->phase = PHASE_AWAY;
}

void client_vanish(client *c)
{
    struct linger now = {.l_onoff = 1, .l_linger = 0};
    if (percent(c, 50))
        setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    w.vanished++;
    forget(c);
}

/* Wishes of the startup packet are the session's defaults from then on. */
static void choose_startup(client *c)
{
    memset(c->startup, 0, sizeof(c->startup));
    if (percent(c, 60))
        c->startup[APPLICATION_NAME] = 1 + (int)below(c, VALUES);
    if (percent(c, 20))
        c->startup[TIME_ZONE] = 1 + (int)below(c, VALUES);
    if (percent(c, 30))
        c->startup[WORK_MEM] = 1 + (int)below(c, VALUES);
    if (percent(c, 10))
        c->startup[CUSTOM_A] = 1 + (int)below(c, VALUES);
}

static void put_pair(client *c, const char *name, const char *text)
{
    append_text(&c->out, name);
    append_text(&c->out, text);
}

void client_connect(client *c)
{
    char text[TEXT_MAX];
    c->fd = wire_connect(w.port);
    c->phase = PHASE_LOGIN;
    memset(&c->now, 0, sizeof(c->now));
    memset(c->reported, 0, sizeof(c->reported));
    c->now.status = 'I';
    choose_startup(c);
    append_u32(&c->out, 0);
    append_u32(&c->out, 196608);
    put_pair(c, "user", w.user);
    put_pair(c, "database", w.database);
    for (int i = 0; i < SETTINGS; i++)
        if (c->startup[i])
            put_pair(c, setting_names[i], setting_text(c, i, 0, text));
    append(&c->out, "", 1);
    uint32_t n = htonl((uint32_t)c->out.len);
    memcpy(c->out.data, &n, 4);
    snprintf(c->last, sizeof(c->last), "startup");
    watch(c->fd, c, EPOLL_CTL_ADD, false);
    client_flush(c);
}

void client_flush(client *c)
{
    while (c->out_at < c->out.len) {
        ssize_t n = send(c->fd, c->out.data + c->out_at, c->out.len - c->out_at,
                         MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno == EAGAIN) {
            watch(c->fd, c, EPOLL_CTL_MOD, true);
            return;
        }
        if (n < 0)
            break; /* the end is read */
        c->out_at += (size_t)n;
    }
    c->out.len = c->out_at = 0;
}

/* ---- cancelling ---- */

void client_cancel(client *c)
{
    uint8_t message[80];
    uint32_t head[2] = {htonl((uint32_t)(8 + c->key_len)), htonl(80877102)};
    memcpy(message, head, 8);
    memcpy(message + 8, c->key, c->key_len);
    c->cancel_fd = wire_connect(w.port);
    wire_send(c->cancel_fd, message, 8 + c->key_len);
    c->cancelled = true;
    w.cancels++;
    watch(c->cancel_fd, c, EPOLL_CTL_ADD, false);
}

/* Its end says that the request has been handed on. */
static void look_at_cancel(client *c)
{
    char byte;
    if (c->cancel_fd < 0 || recv(c->cancel_fd, &byte, 1, MSG_DONTWAIT) != 0)
        return;
    close(c->cancel_fd);
    c->cancel_fd = -1;
}

/* ---- replies ---- */

static uint32_t read_u32(const uint8_t *p)
{
    uint32_t n;
    memcpy(&n, p, 4);
    return ntohl(n);
}

static unsigned read_u16(const uint8_t *p)
{
    return (unsigned)p[0] << 8 | p[1];
}

/* Columns with '|' between; NULL is empty. */
static void row_text(const uint8_t *body, size_t len, char out[TEXT_MAX])
{
    unsigned columns = read_u16(body);
    const uint8_t *p = body + 2;
    size_t at = 0;
    for (unsigned i = 0; i < columns && p + 4 <= body + len; i++) {
        uint32_t n = read_u32(p);
        p += 4;
        int size = n == UINT32_MAX ? 0 : (int)n;
        int r = snprintf(out + at, TEXT_MAX - at, "%s%.*s", i ? "|" : "", size, (const char *)p);
        at += (size_t)r < TEXT_MAX - at ? (size_t)r : 0;
        p += size;
    }
    out[at] = '\0';
}

static const char *error_field(const uint8_t *body, size_t len, char field)
{
    for (const uint8_t *p = body; p < body + len && *p; p += strlen((const char *)p) + 1)
        if (*p == (uint8_t)field)
            return (const char *)p + 1;
    return "";
}

static bool is_loss(const char *state)
{
    return w.kills && (strncmp(state, "08", 2) == 0 || strncmp(state, "57P0", 4) == 0);
}

/* The rest up to ReadyForQuery does not come. */
static void skip_to_ready(client *c)
{
    while (c->want_at < c->want_len && c->want[c->want_at].type != 'Z')
        c->want_at++;
}

/* True: it is one that may come at this time whatever the step wants. */
static bool excuse_error(client *c, const char *state, const char *message)
{
    if (is_loss(state))
        c->lost = true;
    else if (strcmp(state, "53300") == 0 && strncmp(message, "weir: ", 6) == 0 && c->pin)
        c->refused = true;
    else if (c->lost && (strcmp(state, "25P02") == 0 || strcmp(state, "3B001") == 0))
        ; /* the rest of a transaction that was lost */
    else if (!(strcmp(state, "57014") == 0 && (c->cancelled || c->guard)))
        return false;
    skip_to_ready(c);
    return true;
}

/* How many columns there are, whether each is what it must be: every one is a check. */
static void compare_row(client *c, const char *got, const char *wanted_text)
{
    const char *g = got, *x = wanted_text;
    for (bool first = true;; first = false) {
        size_t gl = strcspn(g, "|"), xl = strcspn(x, "|");
        w.checks++;
        if (gl != xl || memcmp(g, x, gl) != 0) {
            blame(c, first ? MISDELIVERED : LEAK, "got \"%s\", wanted \"%s\"", got, wanted_text);
            return;
        }
        if (!g[gl] || !x[xl])
            break;
        g += gl + 1;
        x += xl + 1;
    }
    if (!strchr(g, '|') != !strchr(x, '|'))
        blame(c, WRONG, "got \"%s\", wanted \"%s\"", got, wanted_text);
}

/* After the loss of a server a setting is what it was before or what the lost statement made of it;
 * which of the two is taken from the row. */
static void adopt_row(client *c, const char *got)
{
    char a[TEXT_MAX], b[TEXT_MAX];
    const char *g = got + strcspn(got, "|");
    for (int i = 0; i < SETTINGS; i++) {
        g += *g == '|';
        size_t gl = strcspn(g, "|");
        const char *before = setting_shown(c, &c->now.levels[0], i, a);
        const char *after = setting_shown(c, &c->other, i, b);
        w.checks++;
        if (gl == strlen(after) && memcmp(g, after, gl) == 0)
            c->next.levels[0].set[i] = c->other.set[i];
        else if (gl != strlen(before) || memcmp(g, before, gl) != 0)
            blame(c, LEAK, "after a loss %s is in \"%s\", not \"%s\" or \"%s\"", setting_names[i],
                  got, before, after);
        g += gl;
    }
}

static void on_row(client *c, const char *got, const wanted *x)
{
    if (c->adopting)
        adopt_row(c, got);
    else
        compare_row(c, got, x->text);
}

static void on_error(client *c, const uint8_t *body, size_t len)
{
    const char *state = error_field(body, len, 'C'), *message = error_field(body, len, 'M');
    const wanted *x = &c->want[c->want_at];
    if (c->want_at < c->want_len && x->type == 'E' && strcmp(x->text, state) == 0) {
        c->want_at++;
        w.checks++;
        return;
    }
    if (!excuse_error(c, state, message)) {
        blame(c, WRONG, "error %s \"%s\", wanted '%c' \"%s\"", state, message,
              c->want_at < c->want_len ? x->type : '-', c->want_at < c->want_len ? x->text : "");
        skip_to_ready(c);
        c->lost = c->spoilt = true;
    }
}

static void on_status(client *c, const uint8_t *body)
{
    const char *name = (const char *)body, *text = name + strlen(name) + 1;
    for (int i = 0; i < REPORTED; i++)
        if (strcmp(name, setting_names[i]) == 0)
            snprintf(c->reported[i], TEXT_MAX, "%s", text);
}

/* What the client was last told of a reported setting is what it has. */
static void check_reported(client *c, model *m)
{
    char text[TEXT_MAX];
    if (m->status == 'E' || c->doubt)
        return;
    for (int i = 0; i < REPORTED; i++) {
        const char *x = setting_text(c, i, top(m)->set[i].effective, text);
        w.checks++;
        if (c->untold)
            snprintf(c->reported[i], TEXT_MAX, "%s", x);
        if (c->was_reset && c->startup[i] && strcmp(c->reported[i], fresh[i]) == 0)
            continue;
        if (strcmp(c->reported[i], x) != 0) {
            blame(c, LEAK, "reported %s is \"%s\", not \"%s\"", setting_names[i], c->reported[i],
                  x);
            snprintf(c->reported[i], TEXT_MAX, "%s", x);
        }
    }
    c->untold = false;
}

/* A notification: for a channel that it listens to, later than all of that sender before. */
static void on_notification(client *c, const uint8_t *body)
{
    const char *channel = (const char *)body + 4, *payload = channel + strlen(channel) + 1;
    int sender = 0, n = -1;
    unsigned serial = 0;
    if (sscanf(channel, "ch%d", &n) != 1 || sscanf(payload, "c%d-%u", &sender, &serial) != 2 ||
        sender < 1 || sender > CLIENTS_MAX || n < 0 || n >= CHANNELS) {
        blame(c, MISDELIVERED, "notification \"%s\" \"%s\"", channel, payload);
        return;
    }
    w.notes++;
    w.checks++;
    unsigned listens = c->now.levels[0].listens | c->next.levels[0].listens;
    if (!(listens & 1u << n))
        blame(c, MISDELIVERED, "notification on %s, to which it does not listen", channel);
    if (serial <= c->heard[sender])
        blame(c, MISDELIVERED, "notification %u of client %d after %u", serial, sender,
              c->heard[sender]);
    c->heard[sender] = serial;
    c->own_notes += sender == c->number;
}

/* ---- a step's end ---- */

static void settle_loss(client *c)
{
    w.losses++;
    level was = c->now.levels[0], would = c->next.levels[0];
    if (memcmp(c->now.prepared, c->next.prepared, sizeof(c->now.prepared)) != 0)
        c->forget_names = true;
    if (was.listens != would.listens || c->doubt)
        c->forget_channels = true;
    model_rollback(&c->now);
    memset(c->now.levels[0].temp, 0, sizeof(was.temp));
    c->now.own_locks = c->now.shared_locks = 0;
    c->now.cursor = 0;
    leave_locks(c);
    if (!c->doubt)
        c->other = would;
    c->doubt = true;
    c->own_notes = c->now.noted;
}

static void settle_lock(client *c)
{
    if (c->slot < 0)
        return;
    shared_lock *l = &w.locks[c->slot];
    if (!c->watching) {
        bool held = c->now.shared_locks & 1u << c->slot;
        l->changing = false;
        l->owner = held ? c->number : 0;
    }
    leave_slot(c);
}

static void step_done(client *c, char status)
{
    c->steps++;
    if (c->lost) {
        char believed = c->next.status == 'I' ? 'I' : 'E';
        settle_loss(c);
        if (status != believed && !c->spoilt)
            blame(c, WRONG, "status %c after the loss of a server, not %c", status, believed);
        c->failed_block = status == 'E';
    } else if (c->refused) {
        w.refusals++;
    } else {
        if (c->adopting)
            c->doubt = false;
        c->untold = c->untold || c->adopting;
        c->now = c->next;
        check_reported(c, &c->now);
        if (!w.kills && c->now.status == 'I' && c->own_notes != c->now.noted) {
            blame(c, WRONG, "%u notifications of its own, not %u", c->own_notes, c->now.noted);
            c->own_notes = c->now.noted;
        }
    }
    settle_lock(c);
    c->lost = c->refused = c->adopting = false;
    c->want_at = c->want_len = 0;
    if (c->pin && c->now.status == 'I' && !model_pins(&c->now)) {
        c->pin = false;
        w.pins--;
    }
}

static void on_ready(client *c, const uint8_t *body)
{
    const wanted *x = &c->want[c->want_at];
    char got = (char)body[0];
    if (c->phase == PHASE_LOGIN) {
        c->phase = PHASE_READY;
        c->next = c->now;
        check_reported(c, &c->now);
        return;
    }
    if (c->want_at == c->want_len || x->type != 'Z') {
        blame(c, WRONG, "ready, wanted '%c' \"%s\"", c->want_at < c->want_len ? x->type : '-',
              c->want_at < c->want_len ? x->text : "");
        skip_to_ready(c);
    } else if (!c->lost && !c->refused && !c->cancelled && !c->guard && got != x->text[0]) {
        blame(c, WRONG, "status %c, wanted %c", got, x->text[0]);
    }
    w.checks++;
    if (c->want_at < c->want_len)
        c->want_at++;
    if (c->want_at == c->want_len)
        step_done(c, got);
}

static void on_other(client *c, char type, const uint8_t *body, size_t len)
{
    const wanted *x = &c->want[c->want_at];
    char text[TEXT_MAX] = "";
    if (type == 'D')
        row_text(body, len, text);
    else if (type == 'C' || type == 'd')
        snprintf(text, sizeof(text), "%.*s", (int)len, (const char *)body);
    if (c->want_at == c->want_len || x->type != type) {
        blame(c, type == 'D' ? MISDELIVERED : WRONG, "'%c' \"%s\", wanted '%c' \"%s\"", type, text,
              c->want_at < c->want_len ? x->type : '-', c->want_at < c->want_len ? x->text : "");
        return;
    }
    c->want_at++;
    if (type == 'D')
        on_row(c, text, x);
    else if (strcmp(text, x->text) != 0 && !(c->lost && strcmp(text, "ROLLBACK") == 0))
        blame(c, WRONG, "'%c' \"%s\", wanted \"%s\"", type, text, x->text);
}

static void on_message(client *c, const uint8_t *m, size_t size)
{
    const uint8_t *body = m + 5;
    size_t len = size - 5;
    switch (m[0]) {
    case 'S':
        on_status(c, body);
        break;
    case 'A':
        on_notification(c, body);
        break;
    case 'K':
        c->key_len = len < sizeof(c->key) ? len : sizeof(c->key);
        memcpy(c->key, body, c->key_len);
        break;
    case 'Z':
        on_ready(c, body);
        break;
    case 'E':
        on_error(c, body, len);
        break;
    case 'N':
    case 'R':
    case 'T':
    case 'G':
    case 'H':
        break;
    default:
        on_other(c, (char)m[0], body, len);
    }
}

static void on_end(client *c)
{
    if (!w.kills)
        blame(c, WRONG, "the connection was ended");
    forget(c);
}

/* False: the end was read. */
static bool fill(client *c)
{
    uint8_t more[16384];
    ssize_t n = recv(c->fd, more, sizeof(more), MSG_DONTWAIT);
    if (n < 0 && errno == EAGAIN)
        return true;
    if (n <= 0)
        return false;
    append(&c->in, more, (size_t)n);
    return true;
}

void client_on_event(client *c, unsigned events)
{
    look_at_cancel(c);
    if (c->fd < 0)
        return;
    if (events & EPOLLOUT) {
        watch(c->fd, c, EPOLL_CTL_MOD, false);
        client_flush(c);
    }
    bool open = fill(c);
    size_t pos = 0;
    for (size_t size; (size = wire_whole(c->in.data + pos, c->in.len - pos)); pos += size)
        on_message(c, c->in.data + pos, size);
    if (pos > 0)
        memmove(c->in.data, c->in.data + pos, c->in.len - pos);
    c->in.len -= pos;
    if (!open)
        on_end(c);
}
