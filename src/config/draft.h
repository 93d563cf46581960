/* A configuration while it is being read, private to this folder.
 *
 *   defaults → file (walk.c) → environment → --set (load.c)      each by draft_assign
 *            → secrets, databases, users (finish.c) → cross checks (check.c) → weir_config
 *
 * Every value remembers where it came from, so that a check at the end can still name the line. */
#ifndef WEIR_CONFIG_DRAFT_H
#define WEIR_CONFIG_DRAFT_H

#include "base/map.h"
#include "config/config.h"
#include "config/keys.h"

#define CONFIG_FILE_SIZE_MAX ((size_t)1 << 20)
#define CONFIG_VALUE_SIZE_MAX ((size_t)8192)
#define CONFIG_ARENA_SIZE_MAX ((size_t)64 << 20)
#define CONFIG_DATABASES_MAX 1000
#define CONFIG_USERS_MAX 10000
#define CONFIG_LISTEN_MAX 64
#define CONFIG_NAME_SIZE_MAX 63 /* PostgreSQL's NAMEDATALEN - 1 */
#define CONFIG_PATH_SIZE_MAX 192
#define CONFIG_RULES_MAX 1000
#define CONFIG_TAGS_MAX 32 /* of a rule */
#define CONFIG_TAG_SIZE_MAX 127
#define CONFIG_NAMESPACE_SIZE_MAX 100

/* In rising order of precedence. */
typedef enum origin_kind {
    ORIGIN_DEFAULT,
    ORIGIN_FILE,
    ORIGIN_ENVIRONMENT,
    ORIGIN_SETTING /* --set and the options that are made into one */
} origin_kind;

typedef struct origin {
    origin_kind kind;
    unsigned line;    /* of the file */
    const char *name; /* file, variable or key; in the arena or the source */
} origin;

/* A key's text and where it was given. */
typedef struct draft_slot {
    origin from;
    const char *text; /* NULL: not given and without a default */
} draft_slot;

/* The root, a database, a user or a list's item. */
typedef struct draft_object {
    key_scope scope;
    key_range range;
    const char *name; /* "" of the root; an item's place in the list, from 1 */
    origin from;
    draft_slot *slots; /* range.count of them */
    weir_config_pool pool;
    bool admin, create;
    bool listed, from_file; /* in auth.users_file; … and nowhere else */
    weir_time replica_lag;
    weir_config_share share;
    weir_config_cache_rule rule;
    struct draft_object *next;
} draft_object;

typedef struct draft_list {
    draft_object *head, **tail;
    unsigned count;
} draft_list;

typedef struct draft {
    const weir_config_source *source;
    weir_error *err;
    weir_config *config;
    weir_arena *arena; /* config's */
    draft_object *root;
    draft_list databases, users, rules, access, maps;
    weir_hba_rules hba_rules;
    weir_hba_maps hba_maps;
    weir_map names; /* "databases.NAME", "users.NAME" → draft_object */
    weir_map seen;  /* path in the file → draft_seen */
} draft;

/* What weir_config_load allocates: the printer needs to know what was given. */
typedef struct config_box {
    weir_config config; /* first */
    const draft_object *root;
    unsigned cores; /* of weir_config_source */
} config_box;

/* Sets the error, with "FILE:LINE: ", the variable or the option before it; returns -EINVAL. */
int draft_fail(draft *d, const origin *from, const char *fmt, ...) WEIR_PRINTF(3, 4);
/* Sets "out of memory"; returns -ENOMEM. */
int draft_no_memory(draft *d);
/* The error of a path that no key has. `prefix` is what stands before it ("databases.app."). */
int draft_unknown(draft *d, const origin *from, key_range range, const char *prefix,
                  weir_slice path);

WEIR_MUST_CHECK int draft_object_new(draft *d, key_scope scope, const char *name, origin from,
                                     draft_object **ret);
/* The database or user of that name, made if absent. */
WEIR_MUST_CHECK int draft_object_get(draft *d, key_scope scope, weir_slice name, origin from,
                                     draft_object **ret);
/* The next item of the list that `key` is. */
WEIR_MUST_CHECK int draft_item_add(draft *d, const config_key *key, origin from,
                                   draft_object **ret);
/* Gives a key its value. A later origin of a higher kind replaces an earlier one. */
WEIR_MUST_CHECK int draft_assign(draft *d, draft_object *object, const config_key *key,
                                 weir_slice text, origin from);
draft_slot *draft_slot_of(const draft_object *object, const char *path);

/* Reads the file's text. */
WEIR_MUST_CHECK int draft_walk(draft *d);
/* Secrets, databases, users and rules from the slots into the configuration. */
WEIR_MUST_CHECK int draft_finish(draft *d);
WEIR_MUST_CHECK int draft_finish_rules(draft *d);
/* tls.*, before the databases, which inherit tls.server. */
WEIR_MUST_CHECK int draft_finish_tls(draft *d);
/* tier.c */
WEIR_MUST_CHECK int draft_finish_tier(draft *d);
/* access.c: the users of auth.users_file join the draft's; auth.*: before and after the users. */
WEIR_MUST_CHECK int draft_read_users(draft *d);
void draft_finish_lookup(draft *d);
WEIR_MUST_CHECK int draft_finish_access(draft *d);
/* What keys say together. */
WEIR_MUST_CHECK int draft_check(draft *d);

/* A YAML scalar in double quotes: safe whatever it holds. */
WEIR_MUST_CHECK int config_put_quoted(weir_buf *out, const char *text);
/* `{table: "t", ttl: 60s}`. */
WEIR_MUST_CHECK int config_put_rule(weir_buf *out, const weir_config_cache_rule *rule);

#endif
