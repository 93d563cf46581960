/* The file of the questions that were asked most: magic, records, a checksum of all before it.
 *
 *     record: length, name of the database; weight (8 bytes); length, question
 *
 * Numbers are big-endian; a question is as its writer has it (weir_entry_question), so the magic
 * changes with that. It holds parameters, which are somebody's data: nobody else may read it. */
#include "engine/hot.h"
#include "base/buf.h"
#include "base/hash.h"
#include "gateway/warming.h"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAGIC "weir hottest 1\n"
#define MAGIC_LEN (sizeof(MAGIC) - 1)
#define FILE_MAX ((size_t)64 << 20)

static const weir_hash_seed seed = {{0x77656972, 0x686f74}};

/* ---- what is noted ---- */

typedef struct noted {
    const weir_database *database;
    uint64_t hash, weight;
    size_t from, len; /* in `questions` */
} noted;

typedef struct gathered {
    noted *all;
    size_t count, cap;
    weir_buf questions;
} gathered;

/* Out of memory: it is not among them. */
static void gather(void *user, const weir_hot_answer *answer)
{
    gathered *g = user;
    if (g->count == g->cap) {
        size_t cap = g->cap ? 2 * g->cap : 256;
        noted *grown = realloc(g->all, cap * sizeof(*grown));
        if (!grown)
            return;
        g->all = grown;
        g->cap = cap;
    }
    noted n = {.database = answer->database,
               .hash = weir_hash(seed, answer->question),
               .weight = answer->weight,
               .from = g->questions.len,
               .len = answer->question.len};
    if (weir_buf_append(&g->questions, answer->question) == 0)
        g->all[g->count++] = n;
}

static int by_question(const void *a, const void *b)
{
    const noted *x = a, *y = b;
    if (x->hash != y->hash)
        return x->hash < y->hash ? -1 : 1;
    return x->database < y->database ? -1 : x->database > y->database;
}

static int by_weight(const void *a, const void *b)
{
    const noted *x = a, *y = b;
    return x->weight > y->weight ? -1 : x->weight < y->weight;
}

/* Several workers noted the same. */
static void merge(gathered *g)
{
    size_t n = 0;
    qsort(g->all, g->count, sizeof(*g->all), by_question);
    for (size_t i = 0; i < g->count; i++) {
        if (n > 0 && g->all[n - 1].hash == g->all[i].hash &&
            g->all[n - 1].database == g->all[i].database)
            g->all[n - 1].weight += g->all[i].weight;
        else
            g->all[n++] = g->all[i];
    }
    g->count = n;
    qsort(g->all, g->count, sizeof(*g->all), by_weight);
}

/* ---- writing ---- */

static int put_number(weir_buf *out, uint64_t n)
{
    int r = weir_buf_append_u32(out, (uint32_t)(n >> 32));
    return r == 0 ? weir_buf_append_u32(out, (uint32_t)n) : r;
}

static int put_sized(weir_buf *out, weir_slice s)
{
    int r = weir_buf_append_u32(out, (uint32_t)s.len);
    return r == 0 ? weir_buf_append(out, s) : r;
}

static int put_all(const gathered *g, unsigned most, weir_buf *out)
{
    int r = weir_buf_append(out, WEIR_SLICE_LIT(MAGIC));
    for (size_t i = 0; r == 0 && i < g->count && i < most; i++) {
        const noted *n = &g->all[i];
        r = put_sized(out, weir_slice_cstr(weir_database_label(n->database)));
        if (r == 0)
            r = put_number(out, n->weight);
        if (r == 0)
            r = put_sized(out, weir_slice_make(g->questions.data + n->from, n->len));
    }
    return r == 0 ? put_number(out, weir_hash(seed, weir_buf_slice(out))) : r;
}

static int write_all(int fd, weir_slice bytes)
{
    while (bytes.len > 0) {
        ssize_t n = write(fd, bytes.data, bytes.len);
        if (n < 0 && errno != EINTR)
            return -errno;
        if (n > 0)
            bytes = weir_slice_skip(bytes, (size_t)n);
    }
    return 0;
}

static int replace_file(const char *path, weir_slice bytes)
{
    char beside[4096];
    int len = snprintf(beside, sizeof(beside), "%s.new", path);
    if (len < 0 || (size_t)len >= sizeof(beside))
        return -ENAMETOOLONG;
    int fd = open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return -errno;
    int r = write_all(fd, bytes);
    if (close(fd) < 0 && r == 0)
        r = -errno;
    if (r == 0 && rename(beside, path) < 0)
        r = -errno;
    if (r < 0)
        (void)unlink(beside);
    return r;
}

int weir_hottest_save(weir_engine *engine, const char *path, unsigned most)
{
    gathered g = {.count = 0};
    weir_buf out;
    weir_buf_init(&g.questions, FILE_MAX);
    weir_buf_init(&out, FILE_MAX);
    weir_engine_each_hot(engine, gather, &g);
    int r = 0;
    if (g.count > 0) { /* nobody asked for anything: what was remembered stays */
        merge(&g);
        r = put_all(&g, most, &out);
        if (r == 0)
            r = replace_file(path, weir_buf_slice(&out));
    }
    weir_buf_fini(&out);
    weir_buf_fini(&g.questions);
    free(g.all);
    return r;
}

/* ---- reading ---- */

static int read_all(const char *path, weir_buf *out)
{
    uint8_t chunk[65536];
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return -errno;
    int r = 0;
    ssize_t n;
    while (r == 0 && (n = read(fd, chunk, sizeof(chunk))) != 0)
        r = n < 0 ? (errno == EINTR ? 0 : -errno)
                  : weir_buf_append(out, weir_slice_make(chunk, (size_t)n));
    (void)close(fd);
    return r;
}

static bool take_number(weir_slice *rest, unsigned bytes, uint64_t *ret)
{
    if (rest->len < bytes)
        return false;
    *ret = 0;
    for (unsigned i = 0; i < bytes; i++)
        *ret = *ret << 8 | rest->data[i];
    *rest = weir_slice_skip(*rest, bytes);
    return true;
}

static bool take_sized(weir_slice *rest, weir_slice *ret)
{
    uint64_t len;
    if (!take_number(rest, 4, &len) || len > rest->len)
        return false;
    *ret = weir_slice_head(*rest, len);
    *rest = weir_slice_skip(*rest, len);
    return true;
}

/* False: something is wrong with it. */
static bool visit_all(weir_slice file, void (*visit)(void *user, weir_slice, weir_slice),
                      void *user)
{
    uint64_t sum, weight;
    if (file.len < MAGIC_LEN + 8 || memcmp(file.data, MAGIC, MAGIC_LEN) != 0)
        return false;
    weir_slice tail = weir_slice_skip(file, file.len - 8);
    file = weir_slice_head(file, file.len - 8);
    if (!take_number(&tail, 8, &sum) || sum != weir_hash(seed, file))
        return false;
    file = weir_slice_skip(file, MAGIC_LEN);
    while (file.len > 0) {
        weir_slice database, question;
        if (!take_sized(&file, &database) || !take_number(&file, 8, &weight) ||
            !take_sized(&file, &question))
            return false;
        visit(user, database, question);
    }
    return true;
}

int weir_hottest_load(const char *path,
                      void (*visit)(void *user, weir_slice database, weir_slice question),
                      void *user)
{
    weir_buf file;
    weir_buf_init(&file, FILE_MAX);
    int r = read_all(path, &file);
    if (r == 0 && !visit_all(weir_buf_slice(&file), visit, user))
        r = -EPROTO;
    weir_buf_fini(&file);
    return r;
}
