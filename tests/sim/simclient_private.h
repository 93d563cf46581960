/* Private to simclient.c (the connection), simcheck.c (what comes) and simunits.c (what is sent).
 */
#ifndef WEIR_TESTS_SIM_SIMCLIENT_PRIVATE_H
#define WEIR_TESTS_SIM_SIMCLIENT_PRIVATE_H

#include "fakebackend.h"
#include "simclient.h"

enum { SIM_TOKEN = 40, SIM_PIDS = 64, SIM_SENT = 8 };

/* The kinds of unit that cannot be in a pipeline: what is refused is done without. */
typedef enum sim_alone { SIM_PIPELINED, SIM_ALONE, SIM_MAY_BE_REFUSED } sim_alone;

/* A unit that is not answered yet. */
typedef struct sim_sent {
    fake_state before;
    size_t len; /* in simclient.sent_bytes */
} sim_sent;

struct simclient {
    simnet *sim;
    weir_loop *loop;
    simclient_options options;
    weir_stream *stream;
    weir_timer timer;
    weir_buf out; /* of the unit being made */
    fake_backend own;
    fake_backend_hooks hooks;
    size_t want_at;                             /* in own.out: what was answered */
    char startup[FAKE_CUSTOM_A + 1][FAKE_TEXT]; /* settings of the startup packet */
    unsigned started_with;                      /* which: bits */
    unsigned units, sequence;
    uint64_t answers;
    int transaction;
    unsigned left_in_transaction;
    bool logged_in, closing, done, abandoned;
    sim_alone alone; /* the unit under way */
    bool pin;        /* of the board's */
    /* With faults, or of a unit that is alone: those under way, the oldest first. */
    sim_sent sent[SIM_SENT];
    unsigned sent_count;
    weir_buf sent_bytes;
    /* What may stand after the loss of a server instead; what is then not known either. */
    fake_state other;
    bool doubt, settling, forget_names, forget_channels;
    /* Names (bits) that the gateway knows to be taken: made since it was last at rest, and before.
     * An error meanwhile leaves it in doubt, and it lets them be made anew. */
    unsigned made, clean;
    bool erred;
    unsigned cancels_open;
    bool cancelled; /* the unit under way may end in 57014 */
    /* Notifications: the newest serial heard and owed of each client, own ones. */
    unsigned notes, heard[SIM_CLIENTS_MAX + 1], owed[SIM_CLIENTS_MAX + 1];
    unsigned noted[FAKE_CHANNELS]; /* by the units under way */
    unsigned own_noted;            /* ... that it listens to itself */
    unsigned may_hear, stable;     /* channels: bits */
    weir_time stable_since[FAKE_CHANNELS], noted_at[FAKE_CHANNELS]; /* sent, not answered */
    uint32_t pids[SIM_PIDS]; /* as which a note was sent, by serial */
    uint8_t key[WEIR_PG_CANCEL_KEY_MAX];
    size_t key_len;
    uint32_t pid;
    char reported[FAKE_REPORTED][FAKE_TEXT];
    char last[240];
};

static inline bool sim_percent(simclient *c, unsigned percent)
{
    return simnet_chance(c->sim, percent * 10000);
}

static inline unsigned sim_below(simclient *c, unsigned n)
{
    return (unsigned)simnet_below(c->sim, n);
}

/* ---- simclient.c ---- */
void sim_violate(simclient *c, const char *what, uint8_t type, const char *token);
void sim_cancel(simclient *c);

/* ---- simcheck.c ---- */
/* The session begins: nothing is owed. */
void sim_check_init(simclient *c);
/* A unit goes out: its messages are what must be answered. */
void sim_expect(simclient *c);
/* Something is to be answered yet. */
bool sim_is_owed(simclient *c);
/* Another unit may go out behind what is under way. */
bool sim_may_pipeline(const simclient *c);
void sim_on_answer(simclient *c, const weir_pg_frame *f);
/* All notifications came that must. */
bool sim_has_heard(const simclient *c);
/* The session ended. */
void sim_forget(simclient *c);
/* What must come next, for a person. */
void sim_expected(const simclient *c, char *out, size_t size);

/* ---- simunits.c ---- */
/* Writes the next unit. */
void sim_unit(simclient *c);
bool sim_may_cancel(const simclient *c);

#endif
