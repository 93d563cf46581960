/* What a session of the toy PostgreSQL is: settings, temporary tables, locks, a held cursor,
 * channels; and what transactions and savepoints take back of it. The fake server has one for each
 * connection, and each client has one of its own, which says what the client must see. Plain
 * memory: a copy is a snapshot. */
#ifndef WEIR_TESTS_SIM_FAKESTATE_H
#define WEIR_TESTS_SIM_FAKESTATE_H

#include "base/slice.h"
#include <stdbool.h>

enum { FAKE_TEXT = 24, FAKE_LEVELS = 5, FAKE_TEMPS = 2, FAKE_LOCKS = 4, FAKE_NOTES = 8 };
#define FAKE_CHANNELS 3u /* ch0, ch1, ch2 */

enum {
    FAKE_APPLICATION_NAME,
    FAKE_DATE_STYLE, /* these are reported */
    FAKE_REPORTED,
    FAKE_WORK_MEM = FAKE_REPORTED,
    FAKE_TIMEOUT,
    FAKE_CUSTOM_A, /* the server lists these nowhere */
    FAKE_CUSTOM_B,
    FAKE_LISTENING,
    FAKE_WAS_DATE_STYLE,
    FAKE_ROLE, /* RESET ALL leaves these alone */
    FAKE_AUTHORIZATION,
    FAKE_SETTINGS
};

typedef struct fake_value {
    char session[FAKE_TEXT], effective[FAKE_TEXT]; /* they differ under SET LOCAL */
    bool set;                                      /* by the session */
} fake_value;

/* What a transaction or savepoint takes back. */
typedef struct fake_level {
    fake_value settings[FAKE_SETTINGS];
    char temps[FAKE_TEMPS][FAKE_TEXT]; /* what stands in the table; "": there is none */
    char cursor[FAKE_TEXT * 2];        /* WITH HOLD: its rows' text; "": there is none */
    unsigned cursor_rows;              /* left */
    unsigned listens, notes;
} fake_level;

typedef struct fake_note {
    unsigned channel;
    char payload[FAKE_TEXT];
} fake_note;

typedef struct fake_state {
    fake_level levels[FAKE_LEVELS];
    unsigned depth; /* 0: outside a transaction */
    bool implicit;  /* of one Query or batch */
    char status;    /* as ReadyForQuery says */
    unsigned known; /* custom settings that there ever were */
    int locks[FAKE_LOCKS];
    fake_note notes[FAKE_NOTES]; /* of the transaction */
    char reset[FAKE_SETTINGS][FAKE_TEXT];
} fake_state;

void fake_state_init(fake_state *s);
fake_level *fake_top(fake_state *s);
/* -1: there is none that the toy knows. */
int fake_setting_find(const char *name);
const char *fake_setting_name(int setting);
bool fake_setting_is_custom(int setting);
/* Of the startup packet. */
void fake_startup(fake_state *s, const char *name, const char *value);
void fake_set(fake_state *s, int setting, const char *value, bool local);
void fake_reset(fake_state *s, int setting);
void fake_reset_all(fake_state *s);
void fake_discard_all(fake_state *s);

void fake_begin(fake_state *s, bool implicit);
void fake_savepoint(fake_state *s);
void fake_rollback_to(fake_state *s);
void fake_release(fake_state *s);
/* Returns how many of `notes` are notified with it. */
unsigned fake_commit(fake_state *s);
void fake_rollback(fake_state *s);

/* False: it is held, or (unlock) is not. */
bool fake_lock(fake_state *s, int key);
bool fake_unlock(fake_state *s, int key);
bool fake_has_locks(const fake_state *s);
/* Only one server connection can hold it. */
bool fake_pins(const fake_state *s);
/* All of it, for a row. */
void fake_describe(fake_state *s, char *out, size_t size);

#endif
