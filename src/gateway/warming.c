/* See warming.h. */
#include "gateway/warming.h"
#include "engine/hot.h"
#include "gateway/background.h"
#include "gateway/internal.h"
#include "sql/listing.h"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define SAVE_EVERY (60 * WEIR_SECOND)
#define FILE_MAX ((size_t)16 << 20)

struct weir_warming {
    weir_gateway *gateway;
    weir_loop *control;
    weir_timer timer;
    weir_time file_at, save_at; /* WEIR_TIME_NEVER */
    bool begun;
    unsigned next; /* the worker that gets the next reading */
};

static const weir_config_warm *settings_of(const weir_warming *w)
{
    return &weir_gateway_config(w->gateway)->cache.warm;
}

static void complain(const weir_warming *w, const char *what, const char *path, const char *why)
{
    weir_log_event(w->gateway->log, WEIR_LOG_CACHE, WEIR_LOG_ERROR, what, WEIR_F_STR("file", path),
                   WEIR_F_STR("reason", why));
}

static void put(weir_warming *w, weir_reading *job)
{
    unsigned worker = w->next++ % w->gateway->options.workers;
    weir_background_put(w->gateway->workers[worker].background, job);
}

/* ---- the file of statements ---- */

static int read_file(const char *path, weir_buf *out)
{
    uint8_t chunk[65536];
    ssize_t n;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a FIFO does not hang us */
    if (fd < 0)
        return -errno;
    int r = 0;
    while (r == 0 && (n = read(fd, chunk, sizeof(chunk))) != 0)
        r = n < 0 ? (errno == EINTR ? 0 : -errno)
                  : weir_buf_append(out, weir_slice_make(chunk, (size_t)n));
    (void)close(fd);
    return r;
}

/* All of them, or none. */
static int read_listing(weir_warming *w, const char *path, weir_slice text, weir_list *jobs,
                        weir_error *err)
{
    weir_engine *engine = w->gateway->engine;
    const weir_backend *first = weir_database_backend(weir_engine_database_at(engine, 0));
    const char *name = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
    weir_listing listing;
    weir_listed listed;
    int r;
    weir_listing_begin(&listing, first->ops->dialect, text);
    while ((r = weir_listing_next(&listing, &listed, err)) == 0) {
        weir_reading *job = NULL;
        unsigned line = listed.line;
        r = weir_reading_of_listed(engine, &listed, &job, err);
        weir_listed_fini(&listed);
        if (r < 0)
            break;
        (void)snprintf(job->of, sizeof(job->of), "%.100s:%u", name, line);
        weir_list_push_back(jobs, &job->node);
    }
    weir_listing_end(&listing);
    return r < 0 ? r : 0;
}

static void run_file(weir_warming *w, const char *path)
{
    weir_buf text;
    weir_error err;
    weir_list jobs;
    unsigned count = 0;
    weir_list_init(&jobs);
    weir_buf_init(&text, FILE_MAX);
    weir_error_set(&err, "53200", "out of memory");
    int r = read_file(path, &text);
    if (r < 0)
        complain(w, "cannot read the statements to warm", path, strerror(-r));
    else if (weir_engine_database_count(w->gateway->engine) > 0)
        r = read_listing(w, path, weir_buf_slice(&text), &jobs, &err);
    if (r < 0 && text.len > 0)
        complain(w, "the statements to warm are not understood, none is run", path, err.message);
    for (weir_list *n; (n = weir_list_pop_front(&jobs));) {
        weir_reading *job = WEIR_CONTAINER_OF(n, weir_reading, node);
        weir_list_init(&job->node);
        if (r < 0) {
            weir_reading_free(job);
            continue;
        }
        put(w, job);
        count++;
    }
    if (r == 0)
        weir_log_event(w->gateway->log, WEIR_LOG_CACHE, WEIR_LOG_INFO, "warming",
                       WEIR_F_STR("file", path), WEIR_F_INT("statements", count));
    weir_buf_fini(&text);
}

/* ---- the hottest ---- */

static weir_database *find_labelled(weir_engine *engine, weir_slice label)
{
    for (unsigned i = 0; i < weir_engine_database_count(engine); i++) {
        weir_database *d = weir_engine_database_at(engine, i);
        if (weir_slice_eq_cstr(label, weir_database_label(d)) && !weir_database_removed(d))
            return d;
    }
    return NULL;
}

static void take_question(void *user, weir_slice database, weir_slice question)
{
    weir_warming *w = user;
    const weir_database *d = find_labelled(w->gateway->engine, database);
    weir_reading *job = d ? weir_reading_of_question(d, question, WEIR_STRATEGY_WARM) : NULL;
    if (job)
        put(w, job);
}

static void recall(weir_warming *w, const char *path)
{
    int r = weir_hottest_load(path, take_question, w);
    if (r < 0 && r != -ENOENT)
        complain(w, "what was asked for most is not remembered", path,
                 r == -EPROTO ? "the file is damaged, or another version's" : strerror(-r));
}

static void remember(weir_warming *w)
{
    const weir_config_warm *s = settings_of(w);
    int r = weir_hottest_save(w->gateway->engine, s->remember, s->hottest);
    if (r < 0)
        complain(w, "what is asked for most cannot be remembered", s->remember, strerror(-r));
}

/* ---- when ---- */

static void arm(weir_warming *w)
{
    weir_time at = w->file_at < w->save_at ? w->file_at : w->save_at;
    if (at != WEIR_TIME_NEVER)
        weir_timer_arm(w->control, &w->timer, at);
}

static void begin(weir_warming *w)
{
    const weir_config_warm *s = settings_of(w);
    w->begun = true;
    if (s->hottest == 0)
        return;
    recall(w, s->remember);
    w->save_at = weir_loop_now(w->control) + SAVE_EVERY;
}

static void on_timer(weir_timer *timer, weir_loop *loop)
{
    weir_warming *w = WEIR_CONTAINER_OF(timer, weir_warming, timer);
    const weir_config_warm *s = settings_of(w);
    weir_time now = weir_loop_now(loop);
    if (atomic_load(&w->gateway->leaving))
        return;
    if (now >= w->file_at) {
        w->file_at = weir_deadline(now, s->every);
        if (s->file)
            run_file(w, s->file);
    }
    if (!w->begun) {
        begin(w);
    } else if (now >= w->save_at) {
        w->save_at = now + SAVE_EVERY;
        remember(w);
    }
    arm(w);
}

void weir_warming_configure(weir_warming *warming, bool forgotten)
{
    if (!warming)
        return;
    weir_time now = weir_loop_now(warming->control);
    warming->file_at = forgotten ? now : weir_deadline(now, settings_of(warming)->every);
    arm(warming);
}

int weir_warming_new(weir_gateway *gateway, weir_loop *control, weir_warming **ret)
{
    weir_warming *w = calloc(1, sizeof(*w));
    if (!w)
        return -ENOMEM;
    w->gateway = gateway;
    w->control = control;
    w->file_at = weir_loop_now(control);
    w->save_at = WEIR_TIME_NEVER;
    weir_timer_init(&w->timer, on_timer);
    if (settings_of(w)->hottest > 0 && weir_engine_note_hot(gateway->engine) < 0) {
        free(w);
        return -ENOMEM;
    }
    arm(w);
    gateway->warming = w;
    *ret = w;
    return 0;
}

void weir_warming_free(weir_warming *warming)
{
    if (!warming)
        return;
    if (warming->begun && settings_of(warming)->hottest > 0)
        remember(warming);
    weir_timer_disarm(warming->control, &warming->timer);
    warming->gateway->warming = NULL;
    free(warming);
}
