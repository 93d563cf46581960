/* Private to gateway/: how clients prove who they are.
 *
 *   auth.c         the rule that decides, then the exchange it asks for
 *   auth_users.c   what is known of a user: configured, or looked up
 *   auth_lookup.c  looking users up in a database, remembered for a while
 *   auth_server.c  what a client proved, used to log in to the server as the same user */
#ifndef WEIR_GATEWAY_AUTH_H
#define WEIR_GATEWAY_AUTH_H

#include "engine/errand.h"
#include "gateway/internal.h"

typedef struct weir_lookups weir_lookups;

/* What proves that somebody is a user. Overwrite it after use. */
typedef struct weir_secret {
    enum { WEIR_SECRET_NONE, WEIR_SECRET_CLEAR, WEIR_SECRET_MD5, WEIR_SECRET_SCRAM } kind;
    bool derived; /* CLEAR: `scram` is made of it */
    weir_pg_scram_secret scram;
    char text[WEIR_LOGIN_PASSWORD_MAX + 1]; /* CLEAR, MD5 */
} weir_secret;

typedef enum weir_auth_step {
    WEIR_AUTH_LOOKING, /* waits for a lookup */
    WEIR_AUTH_WORKING, /* a job of ours runs on the executor: `auth` may not go */
    WEIR_AUTH_ASKING   /* the client has the word */
} weir_auth_step;

/* A client between its startup packet and its greeting. */
typedef struct weir_auth {
    weir_list waiting; /* of a lookup's */
    weir_client *client;
    const weir_settings *settings;
    const weir_hba_rule *rule;
    weir_auth_step step;
    bool expired; /* there is a password, which counts no more */
    weir_secret secret;
    weir_pg_auth_server server;
    /* The job. */
    weir_job job;
    weir_task back;
    void (*work)(struct weir_auth *auth);
    void (*done)(struct weir_auth *auth); /* on the client's loop */
    int result;
    weir_buf in, out;
    uint32_t uid;
    char system_user[64];
} weir_auth;

/* ---- auth.c ---- */

/* What is known of the user is in auth->secret: the exchange begins. */
void weir_auth_known(weir_auth *auth);
/* Nothing can be found out about the user now. */
void weir_auth_unable(weir_auth *auth, const weir_error *why);

/* ---- auth_users.c ---- */

/* A password as it is kept anywhere to a secret; too long a one is none. */
void weir_secret_set(weir_secret *secret, weir_slice password);
/* Finds out what is known of the client's user, now or later: weir_auth_known, weir_auth_unable. */
void weir_auth_find(weir_auth *auth);
/* What is configured of a user; false: nothing. */
bool weir_auth_configured(const weir_settings *settings, const char *user, weir_secret *ret);
/* A secret of SCRAM for a password in clear: at hand, or to be made by weir_auth_derive, which
 * costs thousands of hashes. */
bool weir_auth_derived(weir_auth *auth);
void weir_auth_derive(weir_auth *auth);
void weir_auth_keep_derived(weir_auth *auth);

/* ---- auth_lookup.c ---- */

void weir_auth_look_up(weir_auth *auth, weir_database *database);

/* ---- report_access.c ---- */

#define WEIR_HBA_COLUMNS 9
#define WEIR_USERS_COLUMNS 11
extern const struct weir_report_column weir_hba_columns[WEIR_HBA_COLUMNS];
extern const struct weir_report_column weir_users_columns[WEIR_USERS_COLUMNS];
void weir_report_fill_hba(struct weir_report *r, weir_gateway_worker *at);
void weir_report_fill_users(struct weir_report *r, weir_gateway_worker *at);

/* ---- auth_server.c ---- */

/* Before the client's session opens: the pool of its user gets what it proved. -ENOMEM. */
WEIR_MUST_CHECK int weir_auth_pass_on(const weir_auth *auth);

#endif
