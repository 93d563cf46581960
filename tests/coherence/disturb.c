/* What happens to servers and connections while clients go on (coherence.h). Words say what may:
 *
 *   streams   the gateways' streams are ended              slow      the synchronous standby takes
 *   backends  some connections are ended, at any moment              nothing for a while: what was
 *   commits   those that wait in their commit are ended              shipped is not visible
 *   cancels   … are cancelled: committed all the same      restart   the server, in order
 *   tier      the tier behind memory is killed and comes   crash     the server, as it is
 *             back empty                                   failover  the standby is promoted
 *   roles     rights, memberships, policies and settings of roles change
 *   replica   a replica that answers some reads stands still, or dies
 *   sync      sessions differ in how durable their commits are; lossy: some are not
 *
 * They take turns. What a client cannot do itself is asked for on the control channel, one thing at
 * a time. */
#include "coherence.h"
#include "wire.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

enum { EVERY_MS = 700, SOON_MS = 150 };

#define BACKENDS                                                                                   \
    " FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"     \
    " AND usename = current_user AND application_name <> 'weir follower'"

static const struct disturbance {
    const char *word;
    const char *text; /* of a client that goes around */
    const char *command;
    bool crashes;
} all[] = {
    {"streams",
     "SELECT pg_terminate_backend(pid) FROM pg_stat_replication WHERE application_name = "
     "'weir follower'",
     NULL, false},
    {"slow", NULL, "slow\n", false},
    {"commits", "SELECT pg_terminate_backend(pid)" BACKENDS " AND wait_event = 'SyncRep'", NULL,
     false},
    {"backends", "SELECT pg_terminate_backend(pid)" BACKENDS " AND random() < 0.3", NULL, false},
    {"tier", NULL, "tier\n", false},
    {"restart", NULL, "restart\n", false},
    {"slow", NULL, "slow\n", false},
    {"cancels", "SELECT pg_cancel_backend(pid)" BACKENDS " AND wait_event = 'SyncRep'", NULL,
     false},
    {"crash", NULL, "crash\n", true},
    {"failover", NULL, "failover\n", true},
    {"replica", NULL, "replica\n", false},
};
enum { DISTURBANCES = sizeof(all) / sizeof(all[0]) };

static int64_t due;
static unsigned next, happened[DISTURBANCES];
static const struct disturbance *commanded; /* it is being done */

bool disturbed(const char *word)
{
    size_t len = strlen(word);
    for (const char *at = w.disturbances; (at = strstr(at, word)); at += len)
        if ((at == w.disturbances || at[-1] == ',') && (at[len] == ',' || at[len] == '\0'))
            return true;
    return false;
}

static int64_t in_ms(int64_t ms)
{
    return wire_now() + ms * INT64_C(1000000);
}

void disturb_start(void)
{
    struct epoll_event e = {.events = EPOLLIN, .data.ptr = NULL};
    due = *w.disturbances ? in_ms(EVERY_MS) : INT64_MAX;
    if (w.control_in >= 0 && epoll_ctl(w.epoll, EPOLL_CTL_ADD, w.control_in, &e) < 0)
        fail("the control channel: %s", strerror(errno));
}

bool disturb_under_way(void)
{
    return commanded != NULL;
}

bool disturb_all_happened(void)
{
    for (unsigned i = 0; i < DISTURBANCES; i++)
        if (disturbed(all[i].word) && happened[i] == 0)
            return false;
    return true;
}

void disturb_print(void)
{
    printf("coherence: disturbances:");
    for (unsigned i = 0; i < DISTURBANCES; i++)
        if (happened[i])
            printf(" %s %u", all[i].word, happened[i]);
    printf("\n");
}

/* After a crash everything is settled: it is known again what was done. */
void disturb_on_event(void)
{
    char line[64];
    ssize_t n = read(w.control_in, line, sizeof(line));
    if (n <= 0 || line[0] != 'd')
        fail("what was asked for was not done");
    w.rest_now = w.rest_now || (commanded && commanded->crashes);
    commanded = NULL;
}

static void command(const struct disturbance *d)
{
    size_t len = strlen(d->command);
    commanded = d;
    w.doubt = w.doubt || (d->crashes && w.lossy);
    if (write(w.control_out, d->command, len) != (ssize_t)len)
        fail("the control channel: %s", strerror(errno));
    due = in_ms(SOON_MS); /* others come on top of it */
}

static bool said(client *c)
{
    (void)c;
    return false;
}

static bool is_possible(const struct disturbance *d)
{
    return disturbed(d->word) && (!d->command || (!commanded && w.control_out >= 0));
}

/* What has not happened yet comes first: else what takes turns could leave one out for ever. */
static const struct disturbance *choose_one(void)
{
    for (unsigned i = 0; i < DISTURBANCES; i++)
        if (happened[i] == 0 && is_possible(&all[i]))
            return &all[i];
    for (unsigned i = 0; i < DISTURBANCES; i++) {
        const struct disturbance *d = &all[next++ % DISTURBANCES];
        if (is_possible(d))
            return d;
    }
    return NULL;
}

bool act_disturb(client *c)
{
    if (c->way != AROUND || wire_now() < due || w.resting)
        return false;
    due = in_ms(commanded ? SOON_MS : EVERY_MS);
    const struct disturbance *d = choose_one();
    if (!d)
        return false;
    happened[d - all]++;
    if (d->command) {
        command(d);
        return false;
    }
    c->act = said;
    c->how = SIMPLE;
    c->may_fail = true;
    say(c, d->text, 0);
    return true;
}
