/* The coherence checker's parts: what a read may see (model.c, judge.c), clients that talk to two
 * gateways and to the server (talk.c, enter.c), what they read (reads.c) and write (writes*.c),
 * what roles may see (roles.c), what happens to servers meanwhile (disturb.c), and the comparison
 * of everything at rest (rest.c). All on one thread; every choice is the seed's.
 *
 * A row's version is only ever raised, by one for each write. So a counter knows, without a history
 * that is replayed: what was acknowledged before a read was sent, and what may have been done. */
#ifndef WEIR_TESTS_COHERENCE_H
#define WEIR_TESTS_COHERENCE_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    CLIENTS_MAX = 64,
    KEYS = 48,
    SHARED = 24, /* of the keys: written by several at once, with RETURNING; others by one */
    OWNERS = 6,
    MOVERS = 12,
    PLACES = 4, /* where a mover stands: its version modulo this */
    RING = 1024,
    STATEMENTS_MAX = 12,
    ROWS_MAX = 64,
    CELLS_MAX = 4,
    PARAMS_MAX = 3,
    SQL_MAX = 640,
    BUCKETS = 12,
    LOST = 1000 /* an act's step after which its outcome is not known */
};

/* ---- what may be seen ---- */

enum way { NODE_A, NODE_B, AROUND, WAYS };

typedef struct counter {
    int64_t sent;             /* no read may see more */
    int64_t total;            /* acknowledged to anybody */
    int64_t acked[WAYS];      /* acknowledged by this way */
    int64_t own[CLIENTS_MAX]; /* ... by this client */
    struct {
        int64_t total, at;
    } ring[RING]; /* the newest acknowledgements */
    unsigned ring_next;
    struct counter *above[2]; /* sums of which it is a part */
} counter;

/* Items without triggers (tables p_…) and with them (t_…), which few writes are of. */
enum { PLAIN, TRIGGERED, FAMILIES };
extern counter keys[FAMILIES][KEYS], owners[FAMILIES][OWNERS], whole[FAMILIES];
extern counter movers[3][MOVERS], feeds, slate, shift, typed;
/* Tables of one name in two schemas; a version has the schema's number as its thousand millions. */
enum { SIDES = 2, SIDE = 1000000000 };
extern counter sides[SIDES];
extern bool key_busy[FAMILIES][KEYS], key_doubtful[FAMILIES][KEYS];

void model_start(void);
/* One more may be seen from now on. */
void model_sends(counter *c);
typedef struct client client;
typedef struct statement statement;

void model_acked(counter *c, const client *by, int64_t version);
/* All is at rest and this is what is there. */
void model_settle(counter *c, int64_t version);
/* What a read that is sent now has to see. */
int64_t model_least(const counter *c, const client *by);
/* The same where the level does not matter: of changes of the schema and of rights. */
int64_t model_least_of_schema(const counter *c, const client *by);
/* What was changed so often that a read, sent then with that least, has to show it: -1: that is not
 * known. */
int64_t model_state(const counter *c, int64_t least, int64_t sent);

/* ---- clients ---- */

typedef struct cell {
    const counter *of; /* NULL: exactly `least` */
    int64_t least;
} cell;

struct statement {
    char sql[SQL_MAX];
    unsigned param_count;
    int64_t params[PARAMS_MAX];
    /* What the only row has to be; `check` for others. */
    unsigned expected;
    cell cells[CELLS_MAX];
    void (*check)(client *c, statement *s);
    int64_t argument, least[MOVERS]; /* of `check` */
    const char *data;                /* of a COPY */
    int64_t sent;
    bool doubtful; /* sent while acknowledged writes may be lost */
    /* What came. */
    bool done, failed;
    char sqlstate[6];
    unsigned rows, columns;
    uint64_t sum; /* of all bytes of its answer */
    int64_t value[ROWS_MAX][CELLS_MAX];
};

enum how {
    SIMPLE,   /* Query, parameters in the text */
    EXTENDED, /* Parse Bind Describe Execute */
    NAMED,    /* the same, parsed once */
    BINARY,   /* with binary parameters and results */
    HOWS
};

struct client {
    int fd, number;
    enum way way;
    uint64_t random;
    bool (*act)(client *c); /* sends its next request; false: it is over */
    unsigned step;
    int family;        /* that its act is about: what @ is in a text */
    int64_t memory[8]; /* of the act */
    /* The request under way. */
    enum how how;
    bool apart; /* each statement has its own Query or Sync */
    bool may_fail;
    statement st[STATEMENTS_MAX];
    unsigned count, at, syncs;
    unsigned answered; /* statements of the request before */
    bool busy, broken;
    bool lost;       /* the outcome of what its act asked for is not known */
    bool entering;   /* it connects or logs in */
    bool fresh;      /* its session has just begun */
    bool standby;    /* it came to one */
    int server;      /* AROUND: which of the two */
    int64_t open_at; /* where fd is -1: when to try again */
    char status;     /* of the newest ReadyForQuery */
    unsigned format[CELLS_MAX], type[CELLS_MAX];
    uint32_t named[64]; /* hashes of the texts that it has prepared */
    unsigned named_count, named_anew;
    uint8_t *in;
    size_t in_len, in_size;
    uint32_t pid;
};

enum level { STRICT, SESSION, BOUNDED };

typedef struct world {
    unsigned ports[WAYS], servers[2]; /* one of `servers` is the primary: where AROUND goes */
    const char *user, *login, *database, *emphasis;
    const char *disturbances; /* words; "": nothing happens to servers and connections */
    int control_in, control_out;
    enum level level;
    bool lossy; /* some commits are not durable, and are lost in a crash */
    bool doubt; /* ... some may have been: until everything is settled */
    bool rest_now;
    uint64_t seed;
    int64_t bound;
    unsigned client_count;
    client clients[CLIENTS_MAX];
    int epoll;
    uint64_t acts, reads, writes, refused, violations, rests, lost, compared;
    uint64_t staleness[BUCKETS]; /* of reads through gateways that missed a write around them */
    int64_t stalest;
    bool resting, ending; /* the next comparison is the last */
} world;

extern world w;

int64_t choose(client *c, int64_t n);
int64_t choose_key(client *c, int64_t n); /* some more often */
/* A statement more in the next request; parameters are whole numbers. */
statement *say(client *c, const char *sql, unsigned param_count, ...);
/* What it gives: a cell for each column. */
void expect(client *c, statement *s, const counter *of);
void expect_exactly(statement *s, int64_t value);
void client_send(client *c);
/* Takes what arrived. */
void client_on_event(client *c);
/* Its connection is gone; it enters anew. */
void client_lose(client *c);
/* Until nothing is under way. */
void client_wait(client *c);
/* Says it again until it is answered. */
void client_ask(client *c, void (*what)(client *c, int64_t argument), int64_t argument);

/* ---- enter.c ---- */
void client_enter(client *c);
/* It cannot: once more, in a while. */
void client_retry(client *c);
/* What arrives until it is in. */
void client_on_entering(client *c, uint8_t type, const uint8_t *body);
/* It is time to try again, where it could not connect. */
void client_tick(client *c);
_Noreturn void fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
void blame(client *c, const statement *s, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void judge(client *c, statement *s);
/* For how long had been acknowledged what it did not see? */
void judge_age(client *c, const statement *s, const counter *of, int64_t seen);

/* ---- what they do ---- */

/* One read of this shape; as many as `read_shapes` differ by what they ask for. */
statement *read_shape(client *c, unsigned number, int64_t which);
unsigned read_shapes(unsigned number); /* 0: there is no such shape */
statement *read_key(client *c, int64_t key);
statement *read_switch(client *c);
/* One read, of whatever. */
statement *read_something(client *c);
bool act_read(client *c);
bool act_write(client *c);
bool act_more(client *c);
bool act_switch(client *c);   /* of the schema */
bool act_complete(client *c); /* what was prepared to commit, if anything was */
bool act_roles(client *c);    /* reads as somebody who may or may not */
/* The texts of which rights are the question, by their numbers; NULL: there are no more. */
const char *roles_text(int number);
/* Those of changes of the schema. */
const char *switch_text(int number);
statement *read_side(client *c, bool view);
bool write_side(client *c);
void settle_more(client *direct); /* all but items */

extern bool schema_busy; /* it is being changed, or it is not known whether it was */
/* An act: this text, which raises that counter, alone among changes of the schema. */
bool change_schema(client *c, counter *of, const char *sql);
bool switch_something(client *c); /* rights, paths, a view */
/* The text gives 0 after an even number of changes. */
void settle_parity(client *direct, counter *of, const char *sql);
void settle_roles(client *direct);

/* ---- what happens meanwhile: disturb.c ---- */
void disturb_start(void);
/* Time passes; true: it was this client's turn, and it acts. */
bool act_disturb(client *c);
void disturb_on_event(void); /* of the control channel */
bool disturb_under_way(void);
bool disturb_all_happened(void);
void disturb_print(void);
bool disturbed(const char *word);

/* Through both gateways and around: the same bytes, and what the model says. */
void rest_compare(void);

#endif
