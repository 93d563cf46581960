/* The loops over the kernel against bare sockets at the other end: what is known of an idle
 * connection, many bursts at once, closing, a kernel that forbids io_uring. */
#include "conformance.h"
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
/* cmocka wants the above first */
#include <cmocka.h>

/* What the loop runs for; the last of it stops the loop. */
typedef struct outlook {
    weir_loop *loop;
    size_t bytes;
    unsigned closes;
} outlook;

typedef struct peer {
    outlook *hopes;
    weir_stream *stream;
    int far;
    size_t got, sent;
    bool pauses;
    unsigned closed, dropped;
    int error;
} peer;

static void check_hopes(const outlook *h)
{
    if (h->bytes == 0 && h->closes == 0)
        weir_loop_stop(h->loop);
}

static size_t on_bytes(weir_stream *stream, weir_slice bytes)
{
    peer *p = weir_stream_user(stream);
    if (p->pauses) {
        weir_stream_pause(stream);
        return 0;
    }
    for (size_t i = 0; i < bytes.len; i++)
        assert_int_equal(bytes.data[i], net_pattern(p->got + i));
    p->got += bytes.len;
    p->hopes->bytes -= bytes.len;
    check_hopes(p->hopes);
    return bytes.len;
}

static void on_close(weir_stream *stream, int error)
{
    peer *p = weir_stream_user(stream);
    p->closed++;
    p->error = error;
    p->hopes->closes--;
    check_hopes(p->hopes);
}

static void on_drop(weir_stream *stream)
{
    peer *p = weir_stream_user(stream);
    p->dropped++;
}

static const weir_stream_handler handler = {
    .on_bytes = on_bytes, .on_close = on_close, .on_drop = on_drop};

static net_bed make_bed(void)
{
    net_bed bed = {0};
    weir_loop_options options = {.name = "test", .kind = net_kind()};
    assert_int_equal(weir_loop_new(&options, &bed.loop), 0);
    return bed;
}

static void open_peer(outlook *hopes, peer *p)
{
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    p->far = fds[1];
    p->hopes = hopes;
    assert_int_equal(weir_stream_import(hopes->loop, fds[0], &handler, p, &p->stream), 0);
}

/* As much of the pattern as the socket takes. */
static void fill(peer *p)
{
    uint8_t block[4096];
    ssize_t n;
    do {
        for (size_t i = 0; i < sizeof(block); i++)
            block[i] = net_pattern(p->sent + i);
        n = write(p->far, block, sizeof(block));
        p->sent += n > 0 ? (size_t)n : 0;
        p->hopes->bytes += n > 0 ? (size_t)n : 0;
    } while (n == (ssize_t)sizeof(block));
}

static void leave(peer *p)
{
    close(p->far);
    p->hopes->closes++;
}

/* A few turns, with nothing to hope for: what is registered at all is, afterwards. */
static void settle(net_bed *bed)
{
    net_stop_after(bed, WEIR_MS);
    weir_loop_run(bed->loop);
}

/* ---- idle connections ---- */

typedef struct question {
    weir_task task;
    peer *peer;
    bool before, after;
} question;

static void ask(weir_task *task, weir_loop *loop)
{
    (void)loop;
    question *q = WEIR_CONTAINER_OF(task, question, task);
    q->before = weir_stream_quiet(q->peer->stream);
    leave(q->peer);
    q->after = weir_stream_quiet(q->peer->stream);
}

/* Hazard 14: a server that ended an idle connection a moment ago, in this very turn. */
static void test_a_connection_that_ended_in_this_turn_is_not_quiet(void **state)
{
    (void)state;
    net_bed bed = make_bed();
    outlook hopes = {.loop = bed.loop};
    peer p = {0};
    question q = {.task.run = ask, .peer = &p};
    open_peer(&hopes, &p);
    settle(&bed);
    weir_loop_post(bed.loop, &q.task);
    weir_loop_run(bed.loop);
    assert_true(q.before);
    assert_false(q.after);
    assert_int_equal(p.closed, 1);
    assert_int_equal(p.error, 0);
    weir_loop_free(bed.loop);
}

/* ---- bursts ---- */

enum { PEERS = 100, ROUNDS = 3 };

/* More at once than any loop has buffers for. */
static void test_bursts_on_many_streams_arrive_whole(void **state)
{
    (void)state;
    static peer peers[PEERS];
    net_bed bed = make_bed();
    outlook hopes = {.loop = bed.loop};
    for (unsigned i = 0; i < PEERS; i++) {
        peers[i] = (peer){0};
        open_peer(&hopes, &peers[i]);
    }
    for (unsigned round = 0; round < ROUNDS; round++) {
        for (unsigned i = 0; i < PEERS; i++) {
            fill(&peers[i]);
            if (round == ROUNDS - 1)
                leave(&peers[i]);
        }
        weir_loop_run(bed.loop);
    }
    for (unsigned i = 0; i < PEERS; i++) {
        assert_int_equal(peers[i].got, peers[i].sent);
        assert_int_equal(peers[i].closed, 1);
    }
    weir_loop_free(bed.loop);
}

static void test_paused_streams_do_not_hold_up_the_others_and_lose_nothing(void **state)
{
    (void)state;
    static peer peers[PEERS];
    net_bed bed = make_bed();
    outlook slow = {.loop = bed.loop}, fast = slow;
    for (unsigned i = 0; i < PEERS; i++) {
        peers[i] = (peer){.pauses = true};
        open_peer(&slow, &peers[i]);
        fill(&peers[i]);
    }
    settle(&bed);
    peer last = {0};
    open_peer(&fast, &last);
    fill(&last);
    leave(&last);
    weir_loop_run(bed.loop);
    assert_int_equal(last.got, last.sent);
    for (unsigned i = 0; i < PEERS; i++) {
        assert_int_equal(peers[i].got, 0);
        fill(&peers[i]);
        leave(&peers[i]);
        peers[i].pauses = false;
        weir_stream_resume(peers[i].stream);
    }
    weir_loop_run(bed.loop);
    for (unsigned i = 0; i < PEERS; i++) {
        assert_int_equal(peers[i].got, peers[i].sent);
        assert_int_equal(peers[i].closed, 1);
    }
    weir_loop_free(bed.loop);
}

/* ---- closing ---- */

static void test_descriptors_are_let_go_when_closed_and_when_the_loop_ends(void **state)
{
    (void)state;
    net_bed bed = make_bed();
    outlook hopes = {.loop = bed.loop};
    peer closed = {0}, open = {0};
    char byte;
    open_peer(&hopes, &closed);
    open_peer(&hopes, &open);
    settle(&bed);
    weir_stream_close(closed.stream, 0);
    hopes.closes++;
    weir_loop_run(bed.loop);
    assert_int_equal(closed.closed, 1);
    assert_int_equal(read(closed.far, &byte, 1), 0);
    assert_int_equal(read(open.far, &byte, 1), -1);
    weir_loop_free(bed.loop);
    assert_int_equal(read(open.far, &byte, 1), 0);
    assert_int_equal(open.dropped, 1);
    assert_int_equal(open.closed + closed.dropped, 0);
    close(closed.far);
    close(open.far);
}

/* The kernel gives out a number again as soon as it is free. */
static void test_a_number_used_again_belongs_to_the_new_stream(void **state)
{
    (void)state;
    net_bed bed = make_bed();
    outlook hopes = {.loop = bed.loop};
    for (unsigned i = 0; i < 50; i++) {
        peer old = {.pauses = true}, new = {0};
        open_peer(&hopes, &old);
        settle(&bed);
        fill(&old);
        weir_stream_close(old.stream, 0);
        hopes.bytes = 0;
        hopes.closes++;
        weir_loop_run(bed.loop);
        open_peer(&hopes, &new);
        fill(&new);
        leave(&new);
        weir_loop_run(bed.loop);
        assert_int_equal(new.got, new.sent);
        assert_int_equal(old.closed + new.closed, 2);
        close(old.far);
    }
    weir_loop_free(bed.loop);
}

/* ---- without io_uring ---- */

/* As containers do: io_uring_setup fails with `error`, from now on. */
static bool forbid_io_uring(unsigned error)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_uring_setup, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {.len = sizeof(code) / sizeof(code[0]), .filter = code};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

/* 0: all as it should be; else the line of the failure. */
static int do_without(unsigned error)
{
    weir_loop *loop = NULL;
    weir_loop_options options = {.kind = WEIR_LOOP_URING};
    if (!forbid_io_uring(error))
        return __LINE__;
    if (weir_loop_new(&options, &loop) != -(int)error)
        return __LINE__;
    options.kind = WEIR_LOOP_AUTO;
    if (weir_loop_new(&options, &loop) != 0)
        return __LINE__;
    if (strcmp(weir_loop_name(loop), "epoll") != 0 || weir_loop_refusal(loop) != -(int)error)
        return __LINE__;
    weir_loop_stop(loop);
    weir_loop_run(loop);
    weir_loop_free(loop);
    return 0;
}

static void check_without(unsigned error)
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        _exit(do_without(error) & 0xff);
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void test_without_io_uring_the_loop_is_epolls_and_says_why(void **state)
{
    (void)state;
    check_without(ENOSYS);
    check_without(EPERM);
    check_without(ENOMEM);
}

/* ---- a storm of clients ---- */

#define STORM 300u

typedef struct storm {
    weir_loop *loop;
    unsigned accepted, in_turn, most, turns; /* turns: in which somebody was accepted */
    int far;                                 /* of a stream that is there already */
    unsigned asked, answered;
} storm;

static void on_accept(weir_listener *listener, weir_stream *stream)
{
    storm *s = weir_listener_user(listener);
    weir_stream_close(stream, 0);
    s->accepted++;
    s->in_turn++;
}

static size_t on_question(weir_stream *stream, weir_slice bytes)
{
    storm *s = weir_stream_user(stream);
    s->answered += (unsigned)bytes.len;
    return bytes.len;
}

static void on_turn(void *user, weir_loop *loop)
{
    storm *s = user;
    s->most = s->in_turn > s->most ? s->in_turn : s->most;
    s->turns += s->in_turn > 0;
    s->in_turn = 0;
    assert_true(s->asked - s->answered <= 1); /* asked in the turn before, answered in this one */
    s->asked += write(s->far, "?", 1) == 1;
    if (s->accepted == 2 * STORM)
        weir_loop_stop(loop);
}

/* All that a listener can give are there before the loop turns for the first time. */
static void knock(const char *address, int *fds)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    to.sin_port = htons((uint16_t)strtoul(strrchr(address, ':') + 1, NULL, 10));
    for (unsigned i = 0; i < STORM; i++) {
        fds[i] = socket(AF_INET, SOCK_STREAM, 0);
        assert_int_equal(connect(fds[i], (const struct sockaddr *)(const void *)&to, sizeof(to)),
                         0);
    }
}

/* Hazard 16: login storms. */
static void test_a_storm_of_clients_is_let_in_by_turns(void **state)
{
    (void)state;
    static const weir_listener_handler listening = {.on_accept = on_accept};
    static const weir_stream_handler answering = {.on_bytes = on_question};
    static int knocking[2][STORM];
    storm s = {0};
    weir_loop_options options = {.kind = net_kind(), .on_turn = on_turn, .user = &s};
    weir_listener *listeners[2];
    weir_stream *stream;
    int fds[2];
    assert_int_equal(weir_loop_new(&options, &s.loop), 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    s.far = fds[1];
    assert_int_equal(weir_stream_import(s.loop, fds[0], &answering, &s, &stream), 0);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(weir_listen(s.loop, "127.0.0.1:0", false, &listening, &s, &listeners[i]),
                         0);
        knock(weir_listener_address(listeners[i]), knocking[i]);
    }
    weir_loop_run(s.loop);
    assert_int_equal(s.accepted, 2 * STORM);
    assert_in_range(s.most, 1, WEIR_ACCEPTS_PER_TURN + 4);
    assert_in_range(s.turns, 2 * STORM / (WEIR_ACCEPTS_PER_TURN + 4), 2 * STORM);
    for (unsigned i = 0; i < 2 * STORM; i++)
        close(knocking[i / STORM][i % STORM]);
    weir_loop_free(s.loop);
    close(s.far);
}

static void test_each_kind_says_what_it_is(void **state)
{
    (void)state;
    net_bed bed = make_bed();
    assert_string_equal(weir_loop_name(bed.loop),
                        net_kind() == WEIR_LOOP_URING ? "io_uring" : "epoll");
    assert_int_equal(weir_loop_refusal(bed.loop), 0);
    weir_loop_free(bed.loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_connection_that_ended_in_this_turn_is_not_quiet),
        cmocka_unit_test(test_bursts_on_many_streams_arrive_whole),
        cmocka_unit_test(test_paused_streams_do_not_hold_up_the_others_and_lose_nothing),
        cmocka_unit_test(test_descriptors_are_let_go_when_closed_and_when_the_loop_ends),
        cmocka_unit_test(test_a_number_used_again_belongs_to_the_new_stream),
        cmocka_unit_test(test_without_io_uring_the_loop_is_epolls_and_says_why),
        cmocka_unit_test(test_a_storm_of_clients_is_let_in_by_turns),
        cmocka_unit_test(test_each_kind_says_what_it_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
