/* Reads /proc/self (proc(5)): the figures that every Prometheus client library gives. */
#include "ops/process.h"
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define SECOND_NS 1000000000u

/* Field `wanted` of /proc/self/stat, counted as proc(5) does; `text` begins at field 3. */
static uint64_t field(const char *text, int wanted)
{
    for (int i = 3; i < wanted && text; i++) {
        text = strchr(text, ' ');
        text = text ? text + 1 : NULL;
    }
    return text ? strtoull(text, NULL, 10) : 0;
}

static uint64_t ticks_ns(uint64_t ticks)
{
    long per_second = sysconf(_SC_CLK_TCK);
    return per_second > 0 ? ticks * (SECOND_NS / (uint64_t)per_second) : 0;
}

/* When the machine was started, in seconds since 1970. */
static uint64_t boot_time(void)
{
    char line[256];
    unsigned long long at = 0;
    FILE *f = fopen("/proc/stat", "re");
    if (!f)
        return 0;
    while (fgets(line, sizeof(line), f))
        if (sscanf(line, "btime %llu", &at) == 1)
            break;
    (void)fclose(f);
    return at;
}

static void read_stat(ops_process *ret)
{
    char text[2048];
    FILE *f = fopen("/proc/self/stat", "re");
    if (!f)
        return;
    size_t n = fread(text, 1, sizeof(text) - 1, f);
    (void)fclose(f);
    text[n] = '\0';
    const char *behind = strrchr(text, ')'); /* the name may hold anything, spaces too */
    if (!behind || behind[1] != ' ')
        return;
    const char *from = behind + 2;
    ret->cpu_ns = ticks_ns(field(from, 14) + field(from, 15));
    ret->threads = field(from, 20);
    ret->start_ns = boot_time() * SECOND_NS + ticks_ns(field(from, 22));
    ret->virtual = field(from, 23);
    ret->resident = field(from, 24) * (uint64_t)sysconf(_SC_PAGESIZE);
}

static uint64_t count_fds(void)
{
    uint64_t n = 0;
    DIR *dir = opendir("/proc/self/fd");
    if (!dir)
        return 0;
    for (const struct dirent *e; (e = readdir(dir));)
        n += e->d_name[0] != '.';
    (void)closedir(dir);
    return n > 0 ? n - 1 : 0; /* the directory's own */
}

void ops_process_read(ops_process *ret)
{
    struct rlimit limit;
    *ret = (ops_process){0};
    read_stat(ret);
    ret->open_fds = count_fds();
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
        ret->max_fds = limit.rlim_cur;
}
