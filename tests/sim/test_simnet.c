/* The simulator's network keeps every promise of net/net.h under many seeds, and the same seed
 * makes the same run. */
#include "conformance.h"
#include "simnet.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
/* cmocka wants the above first */
#include <cmocka.h>

enum { SEEDS = 20 };

static uint64_t run_one(const net_scenario *scenario, uint64_t seed, const char *address)
{
    simnet *sim = simnet_new(&(simnet_options){.seed = seed, .pause_chance = 100});
    net_bed bed = {.address = address};
    weir_memory_init(&bed.memory, 0);
    bed.loop = simnet_loop_new(sim, &(weir_loop_options){.name = "test", .memory = &bed.memory});
    scenario->run(&bed);
    weir_loop_free(bed.loop);
    assert_int_equal(simnet_sockets(sim), 0);
    assert_int_equal(atomic_load(&bed.memory.total), 0);
    uint64_t trace = simnet_trace(sim);
    simnet_free(sim);
    return trace;
}

static void test_simulated_streams_keep_the_promises(void **state)
{
    const net_scenario *scenarios = *state;
    for (; scenarios->name; scenarios++) {
        print_message("    %s\n", scenarios->name);
        bool heavy = scenarios->name[0] == 'a' && scenarios->name[2] == 's';
        for (uint64_t seed = 0; seed < (heavy ? 1 : SEEDS); seed++)
            (void)run_one(scenarios, seed, seed % 2 ? "/sim/socket" : "127.0.0.1:0");
    }
}

static void test_the_same_seed_makes_the_same_run(void **state)
{
    (void)state;
    uint64_t first = run_one(&net_scenarios[0], 42, "127.0.0.1:0");
    assert_true(first == run_one(&net_scenarios[0], 42, "127.0.0.1:0"));
    assert_true(first != run_one(&net_scenarios[0], 43, "127.0.0.1:0"));
}

/* ---- failures on demand ---- */

static void test_an_unreachable_address_never_answers(void **state)
{
    (void)state;
    simnet *sim = simnet_new(&(simnet_options){.seed = 1});
    net_bed bed = {.loop = simnet_loop_new(sim, &(weir_loop_options){.name = "a"})};
    net_end server = {0};
    net_end client = {0};
    bed.address = "10.0.0.1:5432";
    simnet_set_unreachable(sim, bed.address, true);
    net_pair(&bed, &server, &client);
    net_expect(2);
    assert_true(simnet_run_until(sim, 10 * WEIR_SECOND));
    assert_int_equal(client.opened + client.closed, 0);
    assert_false(weir_stream_local(client.stream));
    simnet_set_unreachable(sim, bed.address, false);
    net_end second = {.bed = &bed};
    assert_int_equal(weir_connect(bed.loop, bed.address, &net_end_handler, &second, &second.stream),
                     0);
    assert_true(simnet_run_until(sim, 20 * WEIR_SECOND));
    assert_int_equal(second.opened, 1);
    simnet_reset_address(sim, bed.address);
    assert_true(simnet_run_until(sim, 30 * WEIR_SECOND));
    assert_int_equal(second.error, -ECONNRESET);
    assert_int_equal(server.error, -ECONNRESET);
    weir_loop_free(bed.loop);
    simnet_free(sim);
}

/* ---- many loops, moves, resets ---- */

enum { LOOPS = 3, CHATS = 6, CHAT_BYTES = 60000, CHAT_SEEDS = 60 };

typedef struct chat {
    struct crowd *crowd;
    net_end client;
    unsigned at; /* whose loop the server's stream is on */
    bool moving, server_closed;
} chat;

typedef struct crowd {
    simnet *sim;
    weir_loop *loops[LOOPS];
    net_bed bed;
    chat chats[CHATS];
    unsigned accepted, moves;
} crowd;

static void chat_arrived(weir_stream *stream, void *user)
{
    chat *c = user;
    assert_true(c->moving);
    assert_ptr_equal(weir_stream_loop(stream), c->crowd->loops[c->at]);
    c->moving = false;
}

static size_t chat_bytes(weir_stream *stream, weir_slice bytes)
{
    chat *c = weir_stream_user(stream);
    assert_false(c->moving);
    size_t n = 1 + simnet_below(c->crowd->sim, bytes.len);
    weir_stream_write(stream, weir_slice_head(bytes, n));
    if (n < bytes.len)
        weir_stream_resume(stream);
    if (simnet_below(c->crowd->sim, 10) == 0) {
        c->moving = true;
        c->crowd->moves++;
        c->at = (unsigned)simnet_below(c->crowd->sim, LOOPS);
        weir_stream_move(stream, c->crowd->loops[c->at], chat_arrived, c);
    }
    return n;
}

static void chat_closed(weir_stream *stream, int error)
{
    chat *c = weir_stream_user(stream);
    assert_false(c->moving);
    assert_false(c->server_closed);
    assert_true(error == 0 || error == -ECONNRESET || error == -EPIPE);
    c->server_closed = true;
}

static const weir_stream_handler chat_handler = {.on_bytes = chat_bytes, .on_close = chat_closed};

static void chat_accept(weir_listener *listener, weir_stream *stream)
{
    crowd *all = weir_listener_user(listener);
    chat *c = &all->chats[all->accepted++];
    weir_stream_set_handler(stream, &chat_handler, c);
}

static const weir_listener_handler chat_listener = {chat_accept, NULL};

/* True: every byte came back to every client. */
static uint64_t run_crowd(uint64_t seed, unsigned reset_chance, unsigned *ret_whole)
{
    crowd all = {0};
    weir_listener *listener = NULL;
    all.sim = simnet_new(&(simnet_options){.seed = seed,
                                           .segment_max = 700,
                                           .window = 9000,
                                           .reset_chance = reset_chance,
                                           .pause_chance = 2000,
                                           .stall_chance = 2000});
    for (int i = 0; i < LOOPS; i++)
        all.loops[i] = simnet_loop_new(all.sim, &(weir_loop_options){.name = "loop"});
    all.bed.loop = all.loops[LOOPS - 1];
    assert_int_equal(
        weir_listen(all.loops[0], "10.1.1.1:1", false, &chat_listener, &all, &listener), 0);
    net_expect(CHATS + 1);
    for (int i = 0; i < CHATS; i++) {
        chat *c = &all.chats[i];
        c->crowd = &all;
        c->client = (net_end){.bed = &all.bed, .open = net_pump, .to_send = CHAT_BYTES};
        assert_int_equal(weir_connect(all.bed.loop, weir_listener_address(listener),
                                      &net_end_handler, &c->client, &c->client.stream),
                         0);
    }
    assert_true(simnet_run_until(all.sim, 1000 * WEIR_SECOND));
    *ret_whole = 0;
    for (int i = 0; i < CHATS; i++) {
        assert_int_equal(all.chats[i].client.closed, 1);
        *ret_whole += all.chats[i].client.got == CHAT_BYTES;
    }
    for (unsigned i = 0; i < all.accepted; i++)
        assert_true(all.chats[i].server_closed);
    assert_int_equal(simnet_sockets(all.sim), 0);
    for (int i = 0; i < LOOPS; i++)
        weir_loop_free(all.loops[i]);
    uint64_t trace = simnet_trace(all.sim);
    simnet_free(all.sim);
    assert_true(all.moves > 0);
    return trace;
}

static void test_moving_streams_lose_nothing_under_any_seed(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= CHAT_SEEDS; seed++) {
        unsigned whole = 0;
        uint64_t trace = run_crowd(seed, 0, &whole);
        if (whole != CHATS)
            fail_msg("seed %llu: bytes were lost", (unsigned long long)seed);
        if (seed % 10 == 0)
            assert_true(trace == run_crowd(seed, 0, &whole));
    }
}

static void test_random_resets_close_every_stream_once(void **state)
{
    (void)state;
    unsigned broken = 0;
    for (uint64_t seed = 1; seed <= CHAT_SEEDS; seed++) {
        unsigned whole = 0;
        (void)run_crowd(seed, 20000, &whole);
        broken += whole < CHATS;
    }
    assert_true(broken > 0);
}

/* ---- anything at any time ---- */

enum { MESS_PAIRS = 5, MESS_STEPS = 400, MESS_SEEDS = 150 };

typedef struct mess_end {
    struct mess *mess;
    weir_stream *stream; /* NULL: not there yet, closed, or moving */
    bool finished;
} mess_end;

typedef struct mess {
    simnet *sim;
    weir_loop *loops[2];
    mess_end ends[2 * MESS_PAIRS];
    unsigned made, closed, accepted;
} mess;

static void mess_arrived(weir_stream *stream, void *user)
{
    mess_end *e = user;
    e->stream = stream;
}

static void mess_write(mess_end *e)
{
    static const uint8_t block[40000];
    if (!e->finished)
        weir_stream_write(e->stream,
                          weir_slice_make(block, simnet_below(e->mess->sim, sizeof(block))));
}

/* One random call on a stream. */
static void mess_act(mess_end *e)
{
    simnet *sim = e->mess->sim;
    weir_stream *stream = e->stream;
    switch (simnet_below(sim, 24)) {
    case 0:
        weir_stream_close(stream, 0);
        e->stream = NULL;
        break;
    case 1:
        weir_stream_close(stream, (weir_time)simnet_below(sim, 30) * WEIR_MS);
        e->stream = NULL;
        break;
    case 2:
        weir_stream_finish(stream);
        e->finished = true;
        break;
    case 3:
        simnet_reset(sim, stream);
        break;
    case 4:
    case 5:
        e->stream = NULL;
        weir_stream_move(stream, e->mess->loops[simnet_below(sim, 2)], mess_arrived, e);
        break;
    case 6:
    case 7:
    case 8:
        weir_stream_pause(stream);
        break;
    case 9:
        weir_stream_set_limit(stream, 100 + simnet_below(sim, 100000));
        break;
    case 10:
    case 11:
    case 12:
    case 13:
        mess_write(e);
        break;
    default:
        weir_stream_resume(stream);
        break;
    }
}

static void mess_opened(weir_stream *stream)
{
    mess_end *e = weir_stream_user(stream);
    e->stream = stream;
    mess_write(e);
}

static size_t mess_bytes(weir_stream *stream, weir_slice bytes)
{
    mess_end *e = weir_stream_user(stream);
    size_t n = simnet_below(e->mess->sim, 2) ? bytes.len : simnet_below(e->mess->sim, bytes.len);
    if (e->stream)
        mess_act(e);
    return n;
}

static void mess_drained(weir_stream *stream)
{
    mess_end *e = weir_stream_user(stream);
    if (e->stream)
        mess_act(e);
}

static void mess_closed(weir_stream *stream, int error)
{
    mess_end *e = weir_stream_user(stream);
    assert_true(error == 0 || error == -ECONNRESET || error == -EPIPE || error == -EMSGSIZE);
    e->stream = NULL;
    e->mess->closed++;
}

static const weir_stream_handler mess_handler = {.on_open = mess_opened,
                                                 .on_bytes = mess_bytes,
                                                 .on_drained = mess_drained,
                                                 .on_close = mess_closed};

static void mess_accept(weir_listener *listener, weir_stream *stream)
{
    mess *m = weir_listener_user(listener);
    mess_end *e = &m->ends[MESS_PAIRS + m->accepted++];
    weir_stream_set_handler(stream, &mess_handler, e);
    m->made++;
    mess_opened(stream);
}

static const weir_listener_handler mess_listener = {mess_accept, NULL};

/* Calls come from a task, as a stream's user makes them: inside a turn of the stream's own loop. */
typedef struct poke {
    weir_task task;
    mess *mess;
    int loop;
    unsigned left;
} poke;

static void poke_run(weir_task *task, weir_loop *loop)
{
    poke *p = WEIR_CONTAINER_OF(task, poke, task);
    mess_end *e = &p->mess->ends[simnet_below(p->mess->sim, (uint64_t)2 * MESS_PAIRS)];
    if (e->stream && weir_stream_loop(e->stream) == loop)
        mess_act(e);
    if (--p->left > 0)
        weir_loop_post(loop, task);
}

static void close_rest(weir_task *task, weir_loop *loop)
{
    poke *p = WEIR_CONTAINER_OF(task, poke, task);
    for (int i = 0; i < 2 * MESS_PAIRS; i++) {
        weir_stream *stream = p->mess->ends[i].stream;
        if (stream && weir_stream_loop(stream) == loop)
            weir_stream_close(stream, WEIR_SECOND);
    }
}

static void mess_start(mess *m, const char *address)
{
    for (int i = 0; i < MESS_PAIRS; i++) {
        weir_stream *stream = NULL;
        assert_int_equal(
            weir_connect(m->loops[i % 2], address, &mess_handler, &m->ends[i], &stream), 0);
        m->made++;
    }
}

static void run_mess(uint64_t seed, weir_memory *memory)
{
    mess m = {.sim = simnet_new(&(simnet_options){
                  .seed = seed, .window = 20000, .pause_chance = 5000, .stall_chance = 5000})};
    poke pokes[2];
    weir_listener *listener = NULL;
    for (int i = 0; i < 2; i++)
        m.loops[i] = simnet_loop_new(m.sim, &(weir_loop_options){.memory = memory});
    for (int i = 0; i < 2 * MESS_PAIRS; i++)
        m.ends[i].mess = &m;
    assert_int_equal(weir_listen(m.loops[0], "/mess", false, &mess_listener, &m, &listener), 0);
    mess_start(&m, "/mess");
    for (int i = 0; i < 2; i++) {
        pokes[i] = (poke){.mess = &m, .left = MESS_STEPS};
        pokes[i].task.run = poke_run;
        weir_loop_post(m.loops[i], &pokes[i].task);
    }
    assert_true(simnet_run_until(m.sim, 1000 * WEIR_SECOND));
    for (int i = 0; i < 2; i++) {
        pokes[i].task.run = close_rest;
        weir_loop_post(m.loops[i], &pokes[i].task);
    }
    assert_true(simnet_run_until(m.sim, 2000 * WEIR_SECOND));
    if (m.closed != m.made || simnet_sockets(m.sim) != 0)
        fail_msg("seed %llu: %u made, %u closed", (unsigned long long)seed, m.made, m.closed);
    for (int i = 0; i < 2; i++)
        weir_loop_free(m.loops[i]);
    simnet_free(m.sim);
}

static void test_any_calls_at_any_time_close_each_stream_once(void **state)
{
    (void)state;
    weir_memory memory;
    weir_memory_init(&memory, 0);
    for (uint64_t seed = 1; seed <= MESS_SEEDS; seed++)
        run_mess(seed, &memory);
    assert_int_equal(atomic_load(&memory.total), 0);
}

int main(void)
{
    union {
        const net_scenario *in;
        void *out;
    } bytes = {.in = net_scenarios}, life = {.in = net_life_scenarios};
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(test_simulated_streams_keep_the_promises, bytes.out),
        cmocka_unit_test_prestate(test_simulated_streams_keep_the_promises, life.out),
        cmocka_unit_test(test_the_same_seed_makes_the_same_run),
        cmocka_unit_test(test_an_unreachable_address_never_answers),
        cmocka_unit_test(test_moving_streams_lose_nothing_under_any_seed),
        cmocka_unit_test(test_random_resets_close_every_stream_once),
        cmocka_unit_test(test_any_calls_at_any_time_close_each_stream_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
