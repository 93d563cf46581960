/* Invalidations by hand: see follow_flush.h. Names are written in digits, so that they are of every
 * encoding and need no quotes. */
#include "backend/postgres/follow_flush.h"
#include <stdio.h>
#include <string.h>

static const char *const kinds[] = {[WEIR_FLUSH_ALL] = "all",
                                    [WEIR_FLUSH_TABLE] = "table:",
                                    [WEIR_FLUSH_TAG] = "tag:",
                                    [WEIR_FLUSH_PREFIX] = "prefix:"};
#define KINDS (sizeof(kinds) / sizeof(*kinds))

/* ---- words ---- */

void pg_flush_write(const weir_flush *flush, char out[static PG_FLUSH_SIZE])
{
    bool whole = flush->kind == WEIR_FLUSH_ALL || flush->name.len > WEIR_FLUSH_NAME_MAX;
    size_t len = (size_t)snprintf(out, PG_FLUSH_SIZE, "flush:%s",
                                  kinds[whole ? WEIR_FLUSH_ALL : flush->kind]);
    for (size_t i = 0; !whole && i < flush->name.len; i++)
        len += (size_t)snprintf(out + len, PG_FLUSH_SIZE - len, "%02x", flush->name.data[i]);
}

static int digit_of(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool read_name(weir_slice text, uint8_t *name, weir_slice *ret)
{
    if (text.len % 2 != 0 || text.len / 2 > WEIR_FLUSH_NAME_MAX)
        return false;
    for (size_t i = 0; i < text.len / 2; i++) {
        int high = digit_of(text.data[2 * i]), low = digit_of(text.data[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        name[i] = (uint8_t)(high * 16 + low);
    }
    *ret = weir_slice_make(name, text.len / 2);
    return true;
}

bool pg_flush_read(weir_slice text, uint8_t name[static WEIR_FLUSH_NAME_MAX], weir_flush *ret)
{
    for (size_t i = 0; i < KINDS; i++) {
        size_t len = strlen(kinds[i]);
        if (text.len < len || memcmp(text.data, kinds[i], len) != 0)
            continue;
        *ret = (weir_flush){.kind = (weir_flush_kind)i};
        if (i == WEIR_FLUSH_ALL)
            return text.len == len;
        return read_name(weir_slice_skip(text, len), name, &ret->name);
    }
    return false;
}

/* ---- what waits ---- */

void pg_flushes_add(pg_flushes *f, const weir_flush *flush)
{
    const weir_flush all = {.kind = WEIR_FLUSH_ALL};
    weir_spin_lock(&f->lock);
    if (f->count == PG_FLUSHES_MAX) {
        f->number += f->count; /* none of those is the first any more */
        f->count = 0;
        flush = &all;
    }
    pg_flush_write(flush, f->text[(f->first + f->count++) % PG_FLUSHES_MAX]);
    weir_spin_unlock(&f->lock);
}

bool pg_flushes_wait(pg_flushes *f)
{
    weir_spin_lock(&f->lock);
    bool any = f->count > 0;
    weir_spin_unlock(&f->lock);
    return any;
}

bool pg_flushes_next(pg_flushes *f, pg_flush_batch *ret)
{
    weir_spin_lock(&f->lock);
    ret->number = f->number;
    ret->count = f->count < PG_FLUSHES_BATCH ? f->count : PG_FLUSHES_BATCH;
    for (unsigned i = 0; i < ret->count; i++)
        memcpy(ret->text[i], f->text[(f->first + i) % PG_FLUSHES_MAX], PG_FLUSH_SIZE);
    weir_spin_unlock(&f->lock);
    return ret->count > 0;
}

void pg_flushes_done(pg_flushes *f, const pg_flush_batch *batch)
{
    weir_spin_lock(&f->lock);
    if (f->number == batch->number && f->count >= batch->count) {
        f->first = (f->first + batch->count) % PG_FLUSHES_MAX;
        f->count -= batch->count;
        f->number += batch->count;
    }
    weir_spin_unlock(&f->lock);
}
