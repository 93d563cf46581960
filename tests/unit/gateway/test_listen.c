/* The parts of LISTEN that do no I/O: reading its text, notifications and their queues, the book of
 * listeners, the hub's plan. */
#include "failalloc.h"
#include "gateway/listen_book.h"
#include "gateway/listen_note.h"
#include "gateway/listen_plan.h"
#include "gateway/listen_text.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static const weir_hash_seed seed = {{1, 2}};

static weir_slice text(const char *s)
{
    return weir_slice_cstr(s);
}

/* ---- texts ---- */

static void test_listen_text_takes_only_what_is_certain(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        weir_listen_verb verb;
        const char *name;
    } cases[] = {
        {"LISTEN jobs", WEIR_LISTEN_LISTEN, "jobs"},
        {"listen Jobs;", WEIR_LISTEN_LISTEN, "jobs"},
        {" \t\nLISTEN\r\n_j1$ ; ; ", WEIR_LISTEN_LISTEN, "_j1$"},
        {"LISTEN \"Jobs\"", WEIR_LISTEN_LISTEN, "Jobs"},
        {"LISTEN\"a\"\"b\"", WEIR_LISTEN_LISTEN, "a\"b"},
        {"LISTEN \"\xc3\xa4\"", WEIR_LISTEN_LISTEN, "\xc3\xa4"},
        {"LISTEN \" a;b -- \"", WEIR_LISTEN_LISTEN, " a;b -- "},
        {"/* a /* b */ c */ LISTEN -- x\n jobs --", WEIR_LISTEN_LISTEN, "jobs"},
        {"LISTEN/**/jobs/* done */", WEIR_LISTEN_LISTEN, "jobs"},
        {"LISTEN listen", WEIR_LISTEN_LISTEN, "listen"},
        {"LISTEN selected", WEIR_LISTEN_LISTEN, "selected"},
        {"UNLISTEN jobs", WEIR_LISTEN_UNLISTEN, "jobs"},
        {"unlisten *", WEIR_LISTEN_UNLISTEN_ALL, ""},
        {"UNLISTEN*;", WEIR_LISTEN_UNLISTEN_ALL, ""},
        {"DISCARD all;", WEIR_LISTEN_DISCARD_ALL, ""},
        {"DISCARD PLANS", WEIR_LISTEN_NONE, ""},
        {"", WEIR_LISTEN_NONE, ""},
        {"LISTEN", WEIR_LISTEN_NONE, ""},
        {"LISTEN *", WEIR_LISTEN_NONE, ""},
        {"LISTENjobs", WEIR_LISTEN_NONE, ""},
        {"LISTEN 1a", WEIR_LISTEN_NONE, ""},
        {"LISTEN a b", WEIR_LISTEN_NONE, ""},
        {"LISTEN a; SELECT 1", WEIR_LISTEN_NONE, ""},
        {"LISTEN a.b", WEIR_LISTEN_NONE, ""},
        {"LISTEN select", WEIR_LISTEN_NONE, ""},
        {"LISTEN USER", WEIR_LISTEN_NONE, ""},
        {"LISTEN verbose", WEIR_LISTEN_NONE, ""},
        {"LISTEN \"select\"", WEIR_LISTEN_LISTEN, "select"},
        {"LISTEN \"\"", WEIR_LISTEN_NONE, ""},
        {"LISTEN \"a", WEIR_LISTEN_NONE, ""},
        {"LISTEN \"a\"\"", WEIR_LISTEN_NONE, ""},
        {"LISTEN U&\"a\"", WEIR_LISTEN_NONE, ""},
        {"LISTEN \xc3\xa4", WEIR_LISTEN_NONE, ""},
        {"LISTEN a\xc3\xa4", WEIR_LISTEN_NONE, ""},
        {"LISTEN a /* not closed", WEIR_LISTEN_NONE, ""},
        {"LISTEN /", WEIR_LISTEN_NONE, ""},
        {"LISTEN -", WEIR_LISTEN_NONE, ""},
        {"LISTEN 'a'", WEIR_LISTEN_NONE, ""},
        {"NOTIFY a", WEIR_LISTEN_NONE, ""},
        {"LISTEN\va", WEIR_LISTEN_NONE, ""},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        weir_listen_command c = weir_listen_read(text(cases[i].text));
        if (c.verb != cases[i].verb)
            fail_msg("%s: %d", cases[i].text, (int)c.verb);
        if (c.verb != WEIR_LISTEN_NONE)
            assert_true(weir_slice_eq_cstr(weir_slice_make(c.name, c.len), cases[i].name));
    }
}

static void test_listen_text_leaves_names_that_would_be_cut_to_the_server(void **state)
{
    (void)state;
    char name[80] = "LISTEN ";
    memset(name + 7, 'x', 63);
    assert_int_equal(weir_listen_read(text(name)).len, 63);
    name[70] = 'x';
    assert_int_equal(weir_listen_read(text(name)).verb, WEIR_LISTEN_NONE);
    name[7] = '"';
    name[71] = '"';
    assert_int_equal(weir_listen_read(text(name)).len, 63);
    name[71] = 'x';
    name[72] = '"';
    assert_int_equal(weir_listen_read(text(name)).verb, WEIR_LISTEN_NONE);
}

/* ---- notes ---- */

static void test_a_note_is_the_message_that_is_written(void **state)
{
    (void)state;
    weir_note *n = weir_note_new(0x01020304, text("ch"), text("pay"));
    static const uint8_t expected[] = "A\0\0\0\x0f\1\2\3\4ch\0pay";
    assert_true(weir_slice_eq(weir_note_frame(n), weir_slice_make(expected, sizeof(expected))));
    assert_true(weir_slice_eq_cstr(weir_note_channel(n), "ch"));
    weir_note_unref(n);
    n = weir_note_new(1, text("c"), text(""));
    assert_int_equal(n->frame_len, 9 + 2 + 1);
    weir_note_unref(n);
}

static void push(weir_note_queue *q, const char *channel, uint64_t seq, size_t max)
{
    weir_note *n = weir_note_new((uint32_t)seq, text(channel), text("0123456789"));
    assert_non_null(n);
    weir_note_queue_push(q, n, seq, max);
    weir_note_unref(n);
}

static uint32_t pop(weir_note_queue *q)
{
    weir_note *n = weir_note_queue_pop(q);
    if (!n)
        return 0;
    uint32_t pid = n->frame[8];
    weir_note_unref(n);
    return pid;
}

static void test_a_full_queue_drops_the_oldest_and_counts(void **state)
{
    (void)state;
    weir_note_queue q;
    weir_note_queue_init(&q);
    size_t one = 9 + 2 + 11;
    for (uint64_t i = 1; i <= 5; i++)
        push(&q, "c", i, 3 * one);
    assert_int_equal(q.dropped, 2);
    assert_int_equal(q.size, 3 * one);
    assert_int_equal(pop(&q), 3);
    assert_int_equal(pop(&q), 4);
    push(&q, "c", 9, 1); /* the newest stays, however small the limit */
    assert_int_equal(pop(&q), 9);
    assert_int_equal(pop(&q), 0);
    assert_int_equal(q.size, 0);
    push(&q, "c", 10, 1000); /* an emptied queue goes on */
    assert_int_equal(pop(&q), 10);
    weir_note_queue_fini(&q);
}

static bool is_wanted(void *user, const weir_note *note, uint64_t seq)
{
    return seq > *(uint64_t *)user && weir_slice_eq_cstr(weir_note_channel(note), "early");
}

static void test_queues_merge_in_order_of_arrival(void **state)
{
    (void)state;
    weir_note_queue to, from;
    uint64_t mark = 2;
    weir_note_queue_init(&to);
    weir_note_queue_init(&from);
    push(&from, "early", 1, 10000); /* before the mark */
    push(&from, "early", 3, 10000);
    push(&to, "c", 4, 10000);
    push(&from, "early", 5, 10000);
    push(&from, "other", 6, 10000); /* not wanted */
    push(&to, "c", 7, 10000);
    push(&from, "early", 8, 10000);
    weir_note_queue_merge(&to, &from, is_wanted, &mark);
    assert_null(from.head);
    push(&to, "c", 9, 10000); /* the tail was kept right */
    for (uint32_t expected = 3; expected <= 9; expected++)
        if (expected != 6)
            assert_int_equal(pop(&to), expected);
    assert_int_equal(pop(&to), 0);
    assert_int_equal(to.size, 0);
    push(&from, "early", 11, 10000); /* into an empty one */
    weir_note_queue_merge(&to, &from, is_wanted, &mark);
    push(&to, "c", 12, 10000);
    assert_int_equal(pop(&to), 11);
    assert_int_equal(pop(&to), 12);
    weir_note_queue_fini(&to);
    weir_note_queue_fini(&from);
}

/* ---- the book ---- */

static void test_a_channel_is_in_the_book_as_long_as_it_has_listeners(void **state)
{
    (void)state;
    weir_book book;
    weir_list a, b;
    weir_book_member *ma, *mb, *mc;
    bool first;
    weir_list_init(&a);
    weir_list_init(&b);
    weir_book_init(&book, seed, 100);
    assert_int_equal(weir_book_join(&book, &a, &a, text("x"), &ma, &first), 0);
    assert_true(first);
    assert_int_equal(weir_book_join(&book, &b, &b, text("x"), &mb, &first), 0);
    assert_false(first);
    assert_int_equal(weir_book_join(&book, &b, &b, text("X"), &mc, &first), 0);
    assert_true(first); /* names are exact bytes */
    assert_ptr_equal(weir_book_member_find(&book, &b, &b, text("x")), mb);
    assert_ptr_equal(weir_book_member_find(&book, &a, &a, text("x")), ma);
    assert_null(weir_book_member_find(&book, &a, &a, text("X")));
    assert_null(weir_book_member_find(&book, &a, &a, text("y")));
    assert_false(weir_book_leave(&book, ma));
    assert_true(weir_book_leave(&book, mb));
    assert_null(weir_book_find(&book, text("x")));
    assert_true(weir_book_leave(&book, mc));
    weir_book_fini(&book);
}

static void test_the_book_refuses_what_it_cannot_hold(void **state)
{
    (void)state;
    weir_book book;
    weir_list a;
    weir_book_member *m, *one;
    bool first;
    char name[65];
    memset(name, 'x', 64);
    name[64] = 0;
    weir_list_init(&a);
    weir_book_init(&book, seed, 1);
    assert_int_equal(weir_book_join(&book, &a, &a, text(""), &m, &first), -EINVAL);
    assert_int_equal(weir_book_join(&book, &a, &a, text(name), &m, &first), -EINVAL);
    assert_int_equal(weir_book_join(&book, &a, &a, text("x"), &one, &first), 0);
    assert_int_equal(weir_book_join(&book, &a, &a, text("y"), &m, &first), WEIR_MAP_FULL);
    assert_int_equal(book.members, 1);
    assert_true(weir_book_leave(&book, one));
    weir_book_fini(&book);
}

/* ---- the plan ---- */

typedef struct rig {
    weir_plan plan;
    weir_buf text;
    weir_list answered;
    weir_ticket tickets[64];
    unsigned used;
} rig;

static void rig_init(rig *r)
{
    memset(r, 0, sizeof(*r));
    weir_plan_init(&r->plan, seed, 10000);
    weir_buf_init(&r->text, WEIR_PLAN_TEXT_MAX);
    weir_list_init(&r->answered);
}

static void rig_fini(rig *r)
{
    weir_plan_refuse(&r->plan, NULL, &r->answered);
    weir_plan_fini(&r->plan);
    weir_buf_fini(&r->text);
}

static weir_ticket *want(rig *r, unsigned worker, const char *name)
{
    weir_ticket *t = &r->tickets[r->used++];
    t->worker = worker;
    t->kind = WEIR_TICKET_WANT;
    t->len = strlen(name);
    memcpy(t->name, name, t->len);
    weir_list_init(&t->node);
    assert_int_equal(weir_plan_want(&r->plan, t), 0);
    return t;
}

static weir_ticket *ask_sync(rig *r)
{
    weir_ticket *t = &r->tickets[r->used++];
    t->kind = WEIR_TICKET_SYNC;
    weir_list_init(&t->node);
    weir_plan_sync(&r->plan, t);
    return t;
}

static void expect_next(rig *r, const char *expected)
{
    int e = 0;
    bool any = weir_plan_next(&r->plan, &r->text, &e);
    assert_int_equal(e, 0);
    assert_int_equal(any, expected != NULL);
    if (expected && !weir_slice_eq_cstr(weir_buf_slice(&r->text), expected))
        fail_msg("%.*s", (int)r->text.len, (const char *)r->text.data);
}

/* Whether the ticket is the next among the answered, and well or not. */
static void expect_answer(rig *r, const weir_ticket *t, const char *sqlstate)
{
    weir_list *n = weir_list_pop_front(&r->answered);
    assert_ptr_equal(n, t ? &t->node : NULL);
    if (t)
        assert_string_equal(t->err.sqlstate, sqlstate);
}

static bool done(rig *r, const char *sqlstate)
{
    weir_error err;
    weir_error_set(&err, *sqlstate ? sqlstate : "00000", "no");
    return weir_plan_done(&r->plan, *sqlstate ? &err : NULL, &r->answered);
}

static void test_wants_are_sent_together_and_answered_behind_their_round_trip(void **state)
{
    (void)state;
    rig r;
    rig_init(&r);
    weir_ticket *a = want(&r, 0, "a"), *b = want(&r, 1, "b\"c"), *a2 = want(&r, 70, "a");
    expect_next(&r, "LISTEN \"a\";LISTEN \"b\"\"c\";");
    expect_next(&r, NULL); /* one at a time */
    weir_ticket *late = want(&r, 2, "a");
    weir_ticket *sync = ask_sync(&r);
    assert_true(done(&r, ""));
    expect_answer(&r, a, "");
    expect_answer(&r, b, "");
    expect_answer(&r, a2, "");
    expect_answer(&r, NULL, "");
    expect_next(&r, "SELECT 1"); /* they came while the other was under way */
    assert_true(done(&r, ""));
    expect_answer(&r, late, "");
    expect_answer(&r, sync, "");
    expect_next(&r, NULL);
    const uint64_t *workers = weir_plan_workers(&r.plan, text("a"));
    assert_int_equal(workers[0], 1 | 4);
    assert_int_equal(workers[1], 1u << (70 - 64));
    assert_int_equal(weir_plan_size(&r.plan), 2);
    rig_fini(&r);
}

static void test_the_last_to_leave_unlistens(void **state)
{
    (void)state;
    rig r;
    rig_init(&r);
    want(&r, 0, "a");
    want(&r, 1, "a");
    expect_next(&r, "LISTEN \"a\";");
    assert_true(done(&r, ""));
    weir_list_init(&r.answered);
    weir_plan_leave(&r.plan, 0, text("a"));
    weir_plan_leave(&r.plan, 0, text("a"));
    expect_next(&r, NULL);
    weir_plan_leave(&r.plan, 1, text("a"));
    expect_next(&r, "UNLISTEN \"a\";");
    weir_ticket *again = want(&r, 1, "a"); /* while UNLISTEN is under way */
    assert_true(done(&r, ""));
    expect_answer(&r, NULL, "");
    expect_next(&r, "LISTEN \"a\";");
    assert_true(done(&r, ""));
    expect_answer(&r, again, "");
    weir_plan_leave(&r.plan, 1, text("a"));
    expect_next(&r, "UNLISTEN \"a\";");
    assert_true(done(&r, ""));
    assert_int_equal(weir_plan_size(&r.plan), 0);
    assert_int_equal(r.plan.channels.len, 0);
    rig_fini(&r);
}

static void test_who_leaves_before_the_answer_is_answered_all_the_same(void **state)
{
    (void)state;
    rig r;
    rig_init(&r);
    weir_ticket *a = want(&r, 0, "a");
    weir_plan_leave(&r.plan, 0, text("a"));
    expect_next(&r, "SELECT 1");
    assert_true(done(&r, ""));
    expect_answer(&r, a, "");
    assert_int_equal(r.plan.channels.len, 0);
    rig_fini(&r);
}

static void test_the_statement_that_fails_is_found_and_told_alone(void **state)
{
    (void)state;
    rig r;
    rig_init(&r);
    weir_ticket *a = want(&r, 0, "a"), *bad = want(&r, 0, "bad"), *c = want(&r, 0, "c");
    expect_next(&r, "LISTEN \"a\";LISTEN \"bad\";LISTEN \"c\";");
    assert_true(done(&r, "22021"));
    expect_answer(&r, NULL, "");
    expect_next(&r, "LISTEN \"a\";");
    assert_true(done(&r, ""));
    expect_answer(&r, a, "");
    expect_next(&r, "LISTEN \"bad\";");
    assert_true(done(&r, "22021"));
    expect_answer(&r, bad, "22021");
    expect_next(&r, "LISTEN \"c\";");
    assert_true(done(&r, ""));
    expect_answer(&r, c, "");
    weir_plan_leave(&r.plan, 0, text("bad"));
    expect_next(&r, NULL);
    assert_int_equal(weir_plan_size(&r.plan), 2);
    rig_fini(&r);
}

static void test_a_lost_connection_listens_again_to_everything(void **state)
{
    (void)state;
    rig r;
    rig_init(&r);
    want(&r, 0, "a");
    want(&r, 1, "b");
    expect_next(&r, "LISTEN \"a\";LISTEN \"b\";");
    assert_false(weir_plan_lost(&r.plan, &r.answered)); /* nobody was told that it listens */
    expect_answer(&r, NULL, "");
    int e;
    assert_true(weir_plan_next(&r.plan, &r.text, &e));
    assert_int_equal(r.plan.listens, 2); /* a and b, in any order */
    assert_true(done(&r, ""));
    weir_list_init(&r.answered);
    weir_ticket *sync = ask_sync(&r);
    expect_next(&r, "SELECT 1");
    weir_ticket *c = want(&r, 0, "c"), *sync2 = ask_sync(&r);
    weir_plan_leave(&r.plan, 1, text("b"));
    assert_true(weir_plan_lost(&r.plan, &r.answered));
    expect_answer(&r, sync, ""); /* there is nothing to wait for */
    expect_answer(&r, sync2, "");
    expect_answer(&r, NULL, "");
    assert_true(weir_plan_next(&r.plan, &r.text, &e));
    assert_int_equal(r.plan.listens, 2); /* a and c, in any order */
    assert_true(done(&r, ""));
    expect_answer(&r, c, "");
    assert_true(weir_plan_settled(&r.plan));
    rig_fini(&r);
}

static void test_a_channel_that_was_relied_on_and_is_refused_condemns_the_connection(void **state)
{
    (void)state;
    rig r;
    rig_init(&r);
    want(&r, 0, "a");
    expect_next(&r, "LISTEN \"a\";");
    assert_true(done(&r, ""));
    assert_true(weir_plan_lost(&r.plan, &r.answered));
    expect_next(&r, "LISTEN \"a\";");
    assert_false(done(&r, "25006")); /* a standby now: never forgotten, tried elsewhere */
    (void)weir_plan_lost(&r.plan, &r.answered);
    expect_next(&r, "LISTEN \"a\";");
    assert_true(done(&r, ""));
    r.plan.probe = true;
    expect_next(&r, "SELECT 1");
    assert_false(done(&r, "57P01"));
    weir_list_init(&r.answered);
    rig_fini(&r);
}

static void test_without_a_connection_everybody_is_told_why(void **state)
{
    (void)state;
    rig r;
    weir_error err;
    rig_init(&r);
    weir_ticket *a = want(&r, 0, "a"), *s = ask_sync(&r);
    weir_error_set(&err, "53300", "full");
    weir_plan_refuse(&r.plan, &err, &r.answered);
    expect_answer(&r, a, "53300");
    expect_answer(&r, s, "53300");
    weir_plan_leave(&r.plan, 0, text("a"));
    assert_int_equal(r.plan.channels.len, 0);
    rig_fini(&r);
}

/* ---- a model: whatever happens, what the server listens to becomes what is wanted ---- */

#define NAMES 6u
#define WORKERS 3u

static unsigned draw(uint64_t *g, unsigned below)
{
    *g += 0x9e3779b97f4a7c15u; /* splitmix64 */
    uint64_t z = *g;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (unsigned)((z ^ (z >> 31)) % below);
}

typedef struct model {
    weir_plan plan;
    weir_buf text;
    bool wanted[NAMES][WORKERS], server[NAMES];
    unsigned open; /* tickets not answered */
} model;

static void collect(model *m, weir_list *answered)
{
    for (weir_list *n; (n = weir_list_pop_front(answered));) {
        weir_ticket *t = WEIR_CONTAINER_OF(n, weir_ticket, node);
        bool *wanted = &m->wanted[t->name[0] ? t->name[0] - 'a' : 0][t->worker];
        if (t->kind == WEIR_TICKET_WANT && t->err.sqlstate[0]) { /* as its worker would */
            weir_plan_leave(&m->plan, t->worker, weir_slice_make(t->name, 1));
            *wanted = false;
        } else if (t->kind == WEIR_TICKET_WANT) {
            assert_true(m->server[t->name[0] - 'a'] || !*wanted);
        }
        m->open--;
        free(t);
    }
}

/* Carries out the statements as a server would. */
static void serve(model *m)
{
    const char *at = (const char *)m->text.data, *end = at + m->text.len;
    for (; at < end; at++) {
        if (end - at > 8 && memcmp(at, "UNLISTEN", 8) == 0) {
            m->server[at[10] - 'a'] = false;
            at += 8;
        } else if (end - at > 6 && memcmp(at, "LISTEN", 6) == 0) {
            m->server[at[8] - 'a'] = true;
            at += 6;
        }
    }
}

static void add_ticket(model *m, uint64_t *g, bool is_want)
{
    weir_ticket *t = calloc(1, sizeof(*t));
    weir_list_init(&t->node);
    t->kind = is_want ? WEIR_TICKET_WANT : WEIR_TICKET_SYNC;
    t->worker = draw(g, WORKERS);
    t->name[0] = (uint8_t)('a' + draw(g, NAMES));
    t->len = 1;
    m->open++;
    if (!is_want) {
        weir_plan_sync(&m->plan, t);
        return;
    }
    m->wanted[t->name[0] - 'a'][t->worker] = true;
    assert_int_equal(weir_plan_want(&m->plan, t), 0);
}

static void leave_one(model *m, uint64_t *g)
{
    uint8_t name = (uint8_t)('a' + draw(g, NAMES));
    unsigned worker = draw(g, WORKERS);
    m->wanted[name - 'a'][worker] = false;
    weir_plan_leave(&m->plan, worker, weir_slice_make(&name, 1));
}

static void step(model *m, uint64_t *g)
{
    weir_list answered;
    weir_error err;
    int e;
    weir_list_init(&answered);
    weir_error_set(&err, "XX000", "no");
    switch (draw(g, 8)) {
    case 0:
    case 1:
        add_ticket(m, g, true);
        break;
    case 2:
        add_ticket(m, g, false);
        break;
    case 3:
        leave_one(m, g);
        break;
    case 4:
        if (draw(g, 4) == 0) {
            memset(m->server, 0, sizeof(m->server));
            (void)weir_plan_lost(&m->plan, &answered);
        }
        break;
    case 5:
        if (m->plan.under_way && draw(g, 4) == 0 && !weir_plan_done(&m->plan, &err, &answered)) {
            memset(m->server, 0, sizeof(m->server));
            (void)weir_plan_lost(&m->plan, &answered);
        }
        break;
    case 6:
        if (m->plan.under_way) {
            serve(m);
            assert_true(weir_plan_done(&m->plan, NULL, &answered));
        }
        break;
    default:
        (void)weir_plan_next(&m->plan, &m->text, &e);
        break;
    }
    collect(m, &answered);
}

static void settle(model *m)
{
    weir_list answered;
    int e;
    weir_list_init(&answered);
    for (unsigned rounds = 0;; rounds++) {
        assert_true(rounds < 100);
        if (m->plan.under_way) {
            serve(m);
            assert_true(weir_plan_done(&m->plan, NULL, &answered));
            collect(m, &answered);
        }
        if (!weir_plan_next(&m->plan, &m->text, &e))
            break;
    }
}

static void run_history(uint64_t history)
{
    model m = {.open = 0};
    uint64_t g = history;
    weir_plan_init(&m.plan, seed, 100);
    weir_buf_init(&m.text, WEIR_PLAN_TEXT_MAX);
    for (unsigned i = 0; i < 200; i++)
        step(&m, &g);
    settle(&m);
    assert_int_equal(m.open, 0);
    for (unsigned n = 0; n < NAMES; n++)
        for (unsigned w = 0; w < WORKERS; w++)
            if (m.wanted[n][w])
                m.wanted[n][0] = true;
    for (unsigned n = 0; n < NAMES; n++)
        if (m.wanted[n][0] != m.server[n])
            fail_msg("seed %llu: channel %c", (unsigned long long)history, (char)('a' + n));
    weir_plan_fini(&m.plan);
    weir_buf_fini(&m.text);
}

/* ---- without memory ---- */

static void run_without_memory(void *user)
{
    (void)user;
    weir_book book;
    weir_list list, answered;
    weir_plan plan;
    weir_buf out;
    weir_note_queue q;
    weir_book_member *m = NULL;
    bool first;
    int e;
    weir_ticket ticket = {.len = 1, .name = "a"};
    weir_list_init(&ticket.node);
    weir_list_init(&list);
    weir_list_init(&answered);
    weir_book_init(&book, seed, 10);
    weir_plan_init(&plan, seed, 10);
    weir_buf_init(&out, WEIR_PLAN_TEXT_MAX);
    weir_note_queue_init(&q);
    if (weir_book_join(&book, &list, &list, text("a"), &m, &first) == 0)
        assert_true(weir_book_leave(&book, m));
    weir_note *n = weir_note_new(1, text("a"), text("b"));
    if (n)
        weir_note_queue_push(&q, n, 1, 1000);
    weir_note_unref(n);
    assert_true(q.head || weir_failalloc_failed());
    if (weir_plan_want(&plan, &ticket) == 0 && weir_plan_next(&plan, &out, &e) && e == 0)
        assert_true(weir_plan_done(&plan, NULL, &answered));
    weir_plan_refuse(&plan, NULL, &answered);
    weir_plan_fini(&plan);
    weir_book_fini(&book);
    weir_buf_fini(&out);
    weir_note_queue_fini(&q);
}

static void test_every_allocation_may_fail(void **state)
{
    (void)state;
    assert_true(weir_failalloc_each(100, run_without_memory, NULL) >= 6);
}

static void test_the_server_comes_to_listen_to_what_is_wanted(void **state)
{
    (void)state;
    for (uint64_t history = 1; history <= 3000; history++)
        run_history(history);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_listen_text_takes_only_what_is_certain),
        cmocka_unit_test(test_listen_text_leaves_names_that_would_be_cut_to_the_server),
        cmocka_unit_test(test_a_note_is_the_message_that_is_written),
        cmocka_unit_test(test_a_full_queue_drops_the_oldest_and_counts),
        cmocka_unit_test(test_queues_merge_in_order_of_arrival),
        cmocka_unit_test(test_a_channel_is_in_the_book_as_long_as_it_has_listeners),
        cmocka_unit_test(test_the_book_refuses_what_it_cannot_hold),
        cmocka_unit_test(test_wants_are_sent_together_and_answered_behind_their_round_trip),
        cmocka_unit_test(test_the_last_to_leave_unlistens),
        cmocka_unit_test(test_who_leaves_before_the_answer_is_answered_all_the_same),
        cmocka_unit_test(test_the_statement_that_fails_is_found_and_told_alone),
        cmocka_unit_test(test_a_lost_connection_listens_again_to_everything),
        cmocka_unit_test(test_a_channel_that_was_relied_on_and_is_refused_condemns_the_connection),
        cmocka_unit_test(test_without_a_connection_everybody_is_told_why),
        cmocka_unit_test(test_every_allocation_may_fail),
        cmocka_unit_test(test_the_server_comes_to_listen_to_what_is_wanted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
