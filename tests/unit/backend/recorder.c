/* A follower that keeps what it is told. */
#include "recorder.h"
#include "catalog/key.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static uint64_t track_serial(void *user)
{
    recorder *r = user;
    pthread_mutex_lock(&r->lock);
    uint64_t serial = r->serial;
    pthread_mutex_unlock(&r->lock);
    return serial;
}

static void each_tracked(void *user,
                         void (*visit)(void *visit_user, uint64_t relation, uint64_t column,
                                       weir_slice relation_name, weir_slice column_name),
                         void *visit_user)
{
    recorder *r = user;
    pthread_mutex_lock(&r->lock);
    for (size_t i = 0; i < r->serial; i++) {
        weir_slice relation = weir_slice_cstr(r->tracked[i].relation);
        weir_slice column = weir_slice_cstr(r->tracked[i].column);
        uint64_t id = weir_relation_id(relation);
        visit(visit_user, id, weir_column_id(id, column), relation, column);
    }
    pthread_mutex_unlock(&r->lock);
}

static void confirm(void *user, uint64_t serial)
{
    recorder *r = user;
    pthread_mutex_lock(&r->lock);
    r->confirmed = serial;
    pthread_mutex_unlock(&r->lock);
}

static void committed(void *user, const uint64_t *ids, size_t count, bool everything)
{
    recorder *r = user;
    pthread_mutex_lock(&r->lock);
    for (size_t i = 0; i < count && r->count < RECORDER_IDS_MAX; i++)
        r->ids[r->count++] = ids[i];
    r->commits++;
    r->everything += everything;
    pthread_mutex_unlock(&r->lock);
}

static void looked(void *user, weir_time at, bool others)
{
    recorder *r = user;
    pthread_mutex_lock(&r->lock);
    r->looks++;
    r->others += others;
    if (at < r->looked_at)
        abort();
    r->looked_at = at;
    pthread_mutex_unlock(&r->lock);
}

void recorder_open(recorder *r, harness *h, weir_time look_every)
{
    *r = (recorder){.follower = {.track_serial = track_serial,
                                 .each_tracked = each_tracked,
                                 .confirm = confirm,
                                 .committed = committed,
                                 .looked = looked,
                                 .user = r}};
    pthread_mutex_init(&r->lock, NULL);
    r->ids = calloc(RECORDER_IDS_MAX, sizeof(*r->ids));
    assert_non_null(r->ids);
    if (!h->backend)
        harness_open(h, NULL);
    h->backend->ops->follow(h->backend, &r->follower, look_every);
}

void recorder_close(recorder *r, harness *h)
{
    harness_close(h);
    pthread_mutex_destroy(&r->lock);
    free(r->ids);
}

void recorder_track(recorder *r, harness *h, const char *relation, const char *column)
{
    pthread_mutex_lock(&r->lock);
    assert_true(r->serial < RECORDER_TRACKED_MAX);
    snprintf(r->tracked[r->serial].relation, sizeof(r->tracked[0].relation), "%s", relation);
    snprintf(r->tracked[r->serial].column, sizeof(r->tracked[0].column), "%s", column);
    r->serial++;
    pthread_mutex_unlock(&r->lock);
    expect_write(h, "SELECT 1", "", "1;"); /* it is between transactions then */
    pthread_mutex_lock(&r->lock);
    assert_int_equal(r->confirmed, r->serial);
    pthread_mutex_unlock(&r->lock);
}

void recorder_forget(recorder *r)
{
    pthread_mutex_lock(&r->lock);
    r->count = 0;
    r->commits = r->everything = r->looks = r->others = 0;
    pthread_mutex_unlock(&r->lock);
}

/* ---- expectations ---- */

static uint64_t id_of(const char *word)
{
    char copy[96];
    snprintf(copy, sizeof(copy), "%s", word);
    char *column = strchr(copy, '.');
    if (!column)
        return weir_relation_id(weir_slice_cstr(copy));
    *column++ = '\0';
    char *value = strchr(column, '=');
    assert_non_null(value);
    *value++ = '\0';
    uint64_t id = weir_column_id(weir_relation_id(weir_slice_cstr(copy)), weir_slice_cstr(column));
    weir_value v = {.type = WEIR_VALUE_INTEGER, .u.integer = strtoll(value, NULL, 10)};
    if (*value == '*')
        return id;
    if (*value == '\'')
        v = (weir_value){.type = WEIR_VALUE_TEXT,
                         .u.bytes = weir_slice_make(value + 1, strlen(value) - 2)};
    else if (*value == 'x')
        v = (weir_value){.type = WEIR_VALUE_BLOB,
                         .u.bytes = weir_slice_make(value + 2, strlen(value) - 3)};
    else if (strchr(value, '.'))
        v = (weir_value){.type = WEIR_VALUE_REAL, .u.real = strtod(value, NULL)};
    assert_int_equal(weir_key_of_row(id, &v, &id), 0);
    return id;
}

static bool reported(const recorder *r, uint64_t id)
{
    for (size_t i = 0; i < r->count; i++) {
        if (r->ids[i] == id)
            return true;
    }
    return false;
}

void expect_changes(recorder *r, const char *words)
{
    char copy[512];
    char *save = NULL;
    uint64_t ids[32];
    size_t count = 0;
    snprintf(copy, sizeof(copy), "%s", words);
    pthread_mutex_lock(&r->lock);
    if (r->everything)
        fail_msg("everything, not %s", words);
    for (char *w = strtok_r(copy, " ", &save); w; w = strtok_r(NULL, " ", &save)) {
        ids[count++] = id_of(w);
        if (!reported(r, ids[count - 1]))
            fail_msg("%s: %s was not reported", words, w);
    }
    for (size_t i = 0; i < r->count; i++) {
        bool expected = false;
        for (size_t k = 0; k < count; k++)
            expected |= ids[k] == r->ids[i];
        if (!expected)
            fail_msg("more than %s was reported", words);
    }
    pthread_mutex_unlock(&r->lock);
    recorder_forget(r);
}

void expect_everything(recorder *r, bool everything)
{
    pthread_mutex_lock(&r->lock);
    assert_int_equal(r->everything > 0, everything);
    pthread_mutex_unlock(&r->lock);
    recorder_forget(r);
}

unsigned recorder_commits(recorder *r)
{
    pthread_mutex_lock(&r->lock);
    unsigned commits = r->commits;
    pthread_mutex_unlock(&r->lock);
    return commits;
}

unsigned recorder_others(recorder *r)
{
    pthread_mutex_lock(&r->lock);
    unsigned others = r->others;
    pthread_mutex_unlock(&r->lock);
    return others;
}

weir_time recorder_looked_at(recorder *r)
{
    pthread_mutex_lock(&r->lock);
    weir_time at = r->looked_at;
    pthread_mutex_unlock(&r->lock);
    return at;
}
