/* Runs a fuzz target without libFuzzer, so that any compiler can smoke-test it: first the files and
 * folders given, then N inputs of its own, random or mutated from those and from the ones before.
 *
 *   fuzz_x [-n INPUTS] [-s SEED] [FILE | FOLDER]…
 *
 * The same seed and corpus give the same inputs. An input that crashes the target is printed in
 * hexadecimal by the handler of SIGABRT (assertions, sanitizers with abort_on_error) before the
 * process dies. */
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define INPUT_MAX 4096u
#define POOL_MAX 256u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct input {
    uint8_t *data;
    size_t size;
} input;

typedef struct driver {
    uint64_t random;
    input pool[POOL_MAX]; /* what is mutated */
    size_t pool_len;
    unsigned long runs;
} driver;

static input current; /* for the signal handler alone */

static void print_current(int signal_number)
{
    static const char digits[] = "0123456789abcdef";
    char text[2 * INPUT_MAX + 1];
    size_t n = 0;
    for (size_t i = 0; i < current.size && i < INPUT_MAX; i++) {
        text[n++] = digits[current.data[i] >> 4];
        text[n++] = digits[current.data[i] & 15];
    }
    text[n++] = '\n';
    ssize_t written = write(STDERR_FILENO, "input: ", 7);
    written += write(STDERR_FILENO, text, n);
    signal(signal_number, SIG_DFL);
    raise(written < 0 ? SIGKILL : signal_number);
}

static uint64_t next_random(driver *d)
{
    d->random ^= d->random << 13;
    d->random ^= d->random >> 7;
    d->random ^= d->random << 17;
    return d->random >> 16;
}

static size_t pick(driver *d, size_t n)
{
    return (size_t)(next_random(d) % n);
}

static void *must(void *p)
{
    if (!p) {
        fputs("fuzz: out of memory\n", stderr);
        exit(1);
    }
    return p;
}

/* Runs the target on memory of exactly the input's size. */
static void run(driver *d, const uint8_t *data, size_t size)
{
    current.data = must(malloc(size ? size : 1));
    current.size = size;
    if (size)
        memcpy(current.data, data, size);
    LLVMFuzzerTestOneInput(current.data, size);
    free(current.data);
    current = (input){0};
    d->runs++;
}

static void keep(driver *d, const uint8_t *data, size_t size)
{
    size_t at = d->pool_len < POOL_MAX ? d->pool_len++ : pick(d, POOL_MAX);
    free(d->pool[at].data);
    d->pool[at].data = must(malloc(size ? size : 1));
    d->pool[at].size = size;
    if (size)
        memcpy(d->pool[at].data, data, size);
}

static int run_file(driver *d, const char *path)
{
    uint8_t data[INPUT_MAX];
    FILE *f = fopen(path, "rb");
    if (!f) {
        fprintf(stderr, "fuzz: %s: %s\n", path, strerror(errno));
        return 1;
    }
    size_t size = fread(data, 1, sizeof(data), f);
    fclose(f);
    run(d, data, size);
    keep(d, data, size);
    return 0;
}

static int run_path(driver *d, const char *path)
{
    struct stat st;
    if (stat(path, &st) != 0 || !S_ISDIR(st.st_mode))
        return run_file(d, path);
    struct dirent **names;
    int count = scandir(path, &names, NULL, alphasort); /* in a fixed order */
    int failed = count < 0;
    for (int i = 0; i < count; i++) {
        char full[4096];
        int len = snprintf(full, sizeof(full), "%s/%s", path, names[i]->d_name);
        if (names[i]->d_name[0] != '.' && len > 0 && (size_t)len < sizeof(full))
            failed |= run_file(d, full);
        free(names[i]);
    }
    if (count >= 0)
        free(names);
    return failed;
}

static size_t invent(driver *d, uint8_t *data)
{
    size_t size = pick(d, pick(d, 8) == 0 ? INPUT_MAX : 64);
    for (size_t i = 0; i < size; i++)
        data[i] = pick(d, 3) ? (uint8_t)next_random(d) : 0;
    return size;
}

static size_t insert(uint8_t *data, size_t size, size_t at, uint8_t byte)
{
    if (size == INPUT_MAX)
        return size;
    memmove(data + at + 1, data + at, size - at);
    data[at] = byte;
    return size + 1;
}

static size_t cut(driver *d, uint8_t *data, size_t size)
{
    size_t from = pick(d, size), len = 1 + pick(d, size - from);
    memmove(data + from, data + from + len, size - from - len);
    return size - len;
}

/* One small change, of the kinds that length fields and types are sensitive to. */
static size_t mutate_once(driver *d, uint8_t *data, size_t size)
{
    static const uint8_t telling[] = {0, 1, 4, 0x7f, 0x80, 0xff, 'Q', 'Z', 'E', 'S', ',', '='};
    if (size == 0)
        return invent(d, data);
    size_t at = pick(d, size);
    switch (pick(d, 6)) {
    case 0:
        data[at] ^= (uint8_t)(1u << pick(d, 8));
        return size;
    case 1:
        data[at] = telling[pick(d, sizeof(telling))];
        return size;
    case 2:
        data[at] = (uint8_t)(data[at] + (pick(d, 2) ? 1 : 255));
        return size;
    case 3:
        return insert(data, size, at, telling[pick(d, sizeof(telling))]);
    case 4:
        return cut(d, data, size);
    default:
        data[at] = (uint8_t)next_random(d);
        return size;
    }
}

/* An earlier input, perhaps with another's end, changed in a few places. */
static size_t mutate(driver *d, uint8_t *data)
{
    const input *from = &d->pool[pick(d, d->pool_len)];
    size_t size = from->size;
    memcpy(data, from->data, size);
    if (pick(d, 4) == 0) {
        const input *other = &d->pool[pick(d, d->pool_len)];
        size_t head = size ? pick(d, size) : 0;
        size_t tail = other->size < INPUT_MAX - head ? other->size : INPUT_MAX - head;
        memcpy(data + head, other->data, tail);
        size = head + tail;
    }
    for (size_t n = 1 + pick(d, 6); n > 0; n--)
        size = mutate_once(d, data, size);
    return size;
}

static void run_own(driver *d, unsigned long inputs)
{
    uint8_t data[INPUT_MAX];
    for (unsigned long i = 0; i < inputs; i++) {
        bool fresh = d->pool_len == 0 || pick(d, 8) == 0;
        size_t size = fresh ? invent(d, data) : mutate(d, data);
        run(d, data, size);
        if (pick(d, 64) == 0)
            keep(d, data, size);
    }
}

int main(int argc, char **argv)
{
    static driver d = {.random = 0x9e3779b97f4a7c15u};
    unsigned long inputs = 20000;
    int option, failed = 0;
    while ((option = getopt(argc, argv, "n:s:")) != -1) {
        if (option == 'n')
            inputs = strtoul(optarg, NULL, 10);
        else if (option == 's')
            d.random = strtoull(optarg, NULL, 10) * 2 + 1;
        else
            return 2;
    }
    signal(SIGABRT, print_current);
    for (int i = optind; i < argc; i++)
        failed |= run_path(&d, argv[i]);
    run_own(&d, inputs);
    for (size_t i = 0; i < d.pool_len; i++)
        free(d.pool[i].data);
    printf("%s: %lu inputs\n", argv[0], d.runs);
    return failed;
}
