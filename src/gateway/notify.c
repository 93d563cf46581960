/* Datagrams to $NOTIFY_SOCKET as in sd_notify(3), and posix_spawn for a successor (notify.h). */
#include "gateway/notify.h"
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define SUCCESSOR_FD 3
#define SUCCESSOR_WORD "--takeover=fd:3"

WEIR_PRINTF(1, 2) static void tell(const char *fmt, ...)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    char text[512];
    va_list args;
    if (!path || (*path != '/' && *path != '@') || strlen(path) >= sizeof(to.sun_path))
        return;
    memcpy(to.sun_path, path, strlen(path));
    if (*path == '@')
        to.sun_path[0] = '\0'; /* an abstract address */
    va_start(args, fmt);
    int len = vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return;
    socklen_t to_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path));
    (void)sendto(fd, text, (size_t)len < sizeof(text) ? (size_t)len : sizeof(text) - 1,
                 MSG_NOSIGNAL | MSG_DONTWAIT, (const struct sockaddr *)&to, to_len);
    (void)close(fd);
}

void weir_notify_ready(const char *listen, const char *admin)
{
    tell("READY=1\nMAINPID=%d\nSTATUS=Serving on %s, admin %s", (int)getpid(), listen, admin);
}

void weir_notify_reloading(long long now_us)
{
    tell("RELOADING=1\nMONOTONIC_USEC=%lld", now_us);
}

void weir_notify_reloaded(void)
{
    tell("READY=1");
}

void weir_notify_stopping(void)
{
    tell("STOPPING=1\nSTATUS=Draining");
}

void weir_notify_main(pid_t pid)
{
    tell("MAINPID=%d", (int)pid);
}

int weir_notify_protect(const char *path)
{
    return chmod(strncmp(path, "unix:", 5) == 0 ? path + 5 : path, 0600) < 0 ? -errno : 0;
}

/* ---- a successor ---- */

static const char **successor_argv(const char *const *argv)
{
    size_t count = 0, kept = 0;
    while (argv[count])
        count++;
    const char **words = calloc(count + 2, sizeof(*words));
    for (size_t i = 0; words && i < count; i++)
        if (strncmp(argv[i], "--takeover", 10) != 0)
            words[kept++] = argv[i];
    if (words)
        words[kept] = SUCCESSOR_WORD;
    return words;
}

/* dup2 onto itself clears close-on-exec, as POSIX has it for spawn. */
static int spawn(const char **argv, int fd, pid_t *ret_pid)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none;
    sigemptyset(&none);
    int r = posix_spawn_file_actions_init(&actions);
    if (r != 0)
        return -r;
    r = posix_spawnattr_init(&attributes);
    if (r == 0) {
        r = posix_spawn_file_actions_adddup2(&actions, fd, SUCCESSOR_FD);
        if (r == 0)
            r = posix_spawnattr_setsigmask(&attributes, &none);
        if (r == 0)
            r = posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
        if (r == 0)
            r = posix_spawnp(ret_pid, argv[0], &actions, &attributes,
                             (char *const *)(uintptr_t)argv, environ);
        (void)posix_spawnattr_destroy(&attributes);
    }
    (void)posix_spawn_file_actions_destroy(&actions);
    return -r;
}

int weir_notify_spawn(const char *const *argv, int fd, pid_t *ret_pid)
{
    const char **words = successor_argv(argv);
    int r = words ? spawn(words, fd, ret_pid) : -ENOMEM;
    free(words);
    return r;
}
