/* The daemon: a host (host.h) with listeners, signals and restarts; the control loop is the calling
 * thread's. Drains at SIGTERM and SIGINT. */
#include "gateway/handover.h"
#include "gateway/host.h"
#include "gateway/notify.h"
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

typedef struct serving {
    weir_host host;
    const weir_gateway_extension *extension;
    weir_handover *handover;
    weir_watch *signals;
    int signal_fd;
} serving;

static void log_sink(void *user, weir_slice line)
{
    (void)user;
    ssize_t n = write(STDERR_FILENO, line.data, line.len); /* one call: lines never mix */
    (void)n;
}

static void on_over(void *user, const char *why)
{
    serving *s = user;
    weir_host_drain(&s->host, why);
}

static void reap_children(serving *s)
{
    int status;
    for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;)
        weir_handover_on_child(s->handover, pid, status);
}

/* A broken file changes nothing. */
static void reload(serving *s)
{
    weir_notify_reloading(weir_loop_now(s->host.control) / 1000);
    weir_config *config = NULL;
    int r = s->extension && s->extension->load ? s->extension->load(s->extension->user, &config)
                                               : -ENOTSUP;
    if (r == 0) {
        r = weir_gateway_reload(s->host.gateway, config);
        if (r < 0)
            weir_config_free(config);
        else
            s->host.config = config; /* the gateway's until the end, which is ours too */
    }
    if (r < 0)
        weir_log_event(s->host.log, WEIR_LOG_CONFIG, WEIR_LOG_ERROR,
                       "reload failed, the old configuration stays",
                       WEIR_F_STR("reason", strerror(-r)));
    weir_notify_reloaded();
}

static void on_signal(weir_watch *watch, bool readable, bool writable)
{
    (void)writable;
    serving *s = weir_watch_user(watch);
    struct signalfd_siginfo info;
    if (!readable || read(s->signal_fd, &info, sizeof(info)) != (ssize_t)sizeof(info))
        return;
    if (info.ssi_signo == SIGHUP) {
        reload(s);
    } else if (info.ssi_signo == SIGUSR2) {
        weir_handover_restart(s->handover);
    } else if (info.ssi_signo == SIGCHLD) {
        reap_children(s);
    } else {
        weir_notify_stopping();
        weir_host_drain(&s->host, info.ssi_signo == SIGINT ? "SIGINT" : "SIGTERM");
    }
}

/* A descriptor per client and per server connection: as many as we may have. */
static void raise_descriptor_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == limit.rlim_max)
        return;
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit); /* else the old limit stands: accepting says so */
}

static int watch_signals(serving *s)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    sigaddset(&set, SIGUSR2);
    sigaddset(&set, SIGCHLD);
    pthread_sigmask(SIG_BLOCK, &set, NULL); /* before any thread is made: all inherit it */
    (void)signal(SIGPIPE, SIG_IGN);
    s->signal_fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    return s->signal_fd < 0 ? -errno : 0;
}

static int listen_all(serving *s, const char **ret_address, weir_error *err)
{
    for (unsigned i = 0; i < s->host.config->listen_count; i++) {
        const char *address = NULL;
        int r = weir_gateway_listen(s->host.gateway, i % s->host.workers, s->host.config->listen[i],
                                    &address);
        if (r < 0) {
            weir_error_set(err, "58000", "weir: cannot listen on %s: %s", s->host.config->listen[i],
                           r == -EADDRINUSE ? "address in use" : strerror(-r));
            if (r == -EADDRINUSE)
                weir_error_hint(
                    err, "Another program (PgBouncer also likes 6432) listens there: stop it, or "
                         "choose another port with --listen HOST:PORT (port 0 picks a free one).");
            return r;
        }
        if (i == 0)
            *ret_address = address;
    }
    return 0;
}

/* What another process needs to take over from us, and what we take over. */
static int start_handover(serving *s, weir_error *err)
{
    const weir_gateway_extension *e = s->extension;
    weir_handover_options options = {.gateway = s->host.gateway,
                                     .control = s->host.control,
                                     .argv = e ? e->argv : NULL,
                                     .socket = s->host.config->restart,
                                     .share_admin = e ? e->share : NULL,
                                     .pause_admin = e ? e->pause : NULL,
                                     .admin_user = e ? e->user : NULL,
                                     .another = &s->host.another,
                                     .over = on_over,
                                     .user = s};
    int r = weir_handover_new(&options, &s->handover);
    if (r == 0 && e && e->takeover)
        r = weir_handover_meet(s->handover, e->takeover, err);
    int admin = r == 0 ? weir_handover_take_listener(s->handover, WEIR_HANDOVER_ADMIN, "") : -1;
    if (admin >= 0 && e && e->inherit)
        e->inherit(e->user, admin);
    else if (admin >= 0)
        (void)close(admin);
    return r;
}

/* Only now are we sure that we can serve. */
static int say_ready(serving *s, const char *listen, const char *admin)
{
    int r = weir_handover_ready(s->handover);
    if (r < 0)
        return r;
    (void)printf("weir: ready listen=%s admin=%s\n", listen, admin ? admin : "off");
    (void)fflush(stdout);
    weir_notify_ready(listen, admin ? admin : "off");
    return 0;
}

static int start(serving *s, const weir_config *config, weir_error *err)
{
    const char *listen = NULL, *admin = NULL;
    raise_descriptor_limit();
    int r = watch_signals(s);
    if (r == 0)
        r = weir_host_start(&s->host, config, log_sink, NULL, err);
    if (r == 0)
        r = start_handover(s, err);
    if (r == 0)
        r = weir_host_open_databases(&s->host, err);
    if (r == 0)
        r = listen_all(s, &listen, err);
    if (r == 0)
        r = weir_handover_listen(s->handover, err);
    if (r == 0)
        r = weir_watch_new(s->host.control, s->signal_fd, true, false, on_signal, s, &s->signals);
    if (r == 0)
        r = weir_host_run(&s->host);
    if (r == 0 && s->extension)
        r = s->extension->start(s->extension->user, s->host.gateway, s->host.control, &admin, err);
    return r < 0 ? r : say_ready(s, listen, admin);
}

static void free_all(serving *s)
{
    weir_host_stop(&s->host);
    weir_handover_free(s->handover);
    weir_watch_free(s->signals);
    weir_host_free(&s->host);
    if (s->signal_fd >= 0)
        (void)close(s->signal_fd);
    free(s);
}

int weir_gateway_serve(const weir_config *config, const weir_gateway_extension *extension,
                       weir_error *err)
{
    serving *s = calloc(1, sizeof(*s));
    if (!s) {
        weir_error_set(err, "53200", "weir: out of memory");
        return -ENOMEM;
    }
    s->extension = extension;
    s->signal_fd = -1;
    err->sqlstate[0] = '\0';
    int r = start(s, config, err);
    if (r == 0) {
        weir_loop_run(s->host.control);
        if (extension)
            extension->stop(extension->user);
    } else if (!err->sqlstate[0]) {
        weir_error_set(err, "58000", "weir: cannot start: %s", strerror(-r));
    }
    free_all(s);
    return r;
}
