/* Many clients that log in and stay: what one costs at rest.
 *
 * usage: idle PORT USER DATABASE CLIENTS
 * Prints "logged in", waits for a line; lets each client run SELECT 1, prints "asked", waits for a
 * line; ends. */
#include "wire.h"
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

static void wait_for_line(const char *said)
{
    printf("%s\n", said);
    fflush(stdout);
    for (int c = getchar(); c != '\n' && c != EOF; c = getchar())
        continue;
}

static void ask(int fd)
{
    wire_message m = {.len = 0};
    size_t at = wire_begin(&m, 'Q');
    wire_put_text(&m, "SELECT 1");
    wire_end(&m, at);
    wire_send(fd, m.data, m.len);
    wire_await(fd, 'Z');
}

int main(int argc, char **argv)
{
    if (argc != 5)
        wire_fail("usage: idle PORT USER DATABASE CLIENTS");
    unsigned count = (unsigned)atoi(argv[4]);
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    int *fds = calloc(count ? count : 1, sizeof(*fds));
    if (!fds)
        wire_fail("calloc");
    for (unsigned i = 0; i < count; i++) {
        fds[i] = wire_connect((unsigned)atoi(argv[1]));
        wire_login(fds[i], argv[2], argv[3]);
    }
    wait_for_line("logged in");
    for (unsigned i = 0; i < count; i++)
        ask(fds[i]);
    wait_for_line("asked");
    free(fds);
    return 0;
}
